"""How links are made and taken away: the operations of ``associate``.

Making and taking away may be done twice, so what a reply leaves open is looked up, and sent again if need be.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING, ClassVar

from airflow_provider_hubbatch.core.associations import (
    MAX_ARCHIVE_RECORDS,
    MAX_LINKS,
    Direction,
    Link,
    LinkKind,
    parse_links,
)
from airflow_provider_hubbatch.core.model import Input, LinkedTo, Status
from airflow_provider_hubbatch.core.verbs.pairs import LinksLookup, pair_of, records_of, sides_of
from airflow_provider_hubbatch.core.verbs.verb import LookUp, Reading, Said

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_provider_hubbatch.core.batch_reply import BatchReply, Record
    from airflow_provider_hubbatch.core.error_reply import ErrorReply
    from airflow_provider_hubbatch.core.model import RowOutcome
    from airflow_provider_hubbatch.core.protocol import Reply, Request
    from airflow_provider_hubbatch.core.verbs.verb import Settling


@dataclass(frozen=True, kw_only=True, eq=False)
class LinkOperation(ABC):
    """What the operations have in common.

    :param links: tells what became of inputs that a reply leaves open.
    :param kinds: the kinds of links by label; ``None``: HubSpot's unlabeled link.
    """

    direction: Direction
    links: LinksLookup
    kinds: Mapping[str | None, tuple[LinkKind, ...]] = field(default_factory=dict)
    id_property: ClassVar[str | None] = None
    most_inputs: ClassVar[int] = MAX_LINKS
    most_records: ClassVar[int | None] = None
    joins: ClassVar[bool] = False
    looks_further: ClassVar[bool] = False
    creates: ClassVar[bool] = False
    tells_afterwards: ClassVar[bool] = False
    is_repeatable: ClassVar[bool] = True

    @abstractmethod
    def request(self, inputs: Sequence[Input]) -> Request:
        """The request that writes these."""

    @abstractmethod
    def read(self, inputs: Sequence[Input], reply: Reply) -> Reading:
        """What a 2xx reply says of each input."""

    def errors_of_named(self, inputs: Sequence[Input], error: ErrorReply) -> list[tuple[Input, ErrorReply]]:
        """The inputs that an error names by a record's id."""
        return sides_of(inputs, self.direction, error)

    @property
    def join(self) -> Callable[[Input, Sequence[Input]], Input] | None:
        """Labels of one pair go together."""
        return self._joined if self.joins else None

    def _joined(self, item: Input, others: Sequence[Input]) -> Input:
        """An input that carries other rows of its pair: their kinds of links are sent with its own."""
        pair = pair_of(item)
        others = () if pair.alone else tuple(takewhile(lambda one: records_of(one) == records_of(item), others))
        pair = pair._replace(
            carried=tuple(one.row for one in others),
            carried_kinds=frozenset(kind for one in others for kind in self.own_kinds(one)),
        )
        return item._replace(pair=pair)

    def own_kinds(self, item: Input) -> frozenset[LinkKind]:
        """The kind that the row itself wants; none, where it wants the unlabeled link."""
        label = pair_of(item).label
        return frozenset() if label is None else frozenset(self.kinds[label][:1])

    def has(self, item: Input, held: frozenset[LinkKind] | None) -> bool:
        """Whether a pair has what its row names: the link, or its label.

        :param held: the kinds of its link; ``None``: it has none.
        """
        label = pair_of(item).label
        if held is None or label is None:
            return held is not None
        return not held.isdisjoint(self.kinds[label])

    def read_back(self, inputs: Sequence[Input]) -> Request:
        """Never asked for: what a reply leaves open is looked up."""
        raise NotImplementedError

    def settle(self, inputs: Sequence[Input], reply: Reply, strays: Mapping[str, Record]) -> Settling:
        """As :meth:`read_back`."""
        raise NotImplementedError

    def looked_up(self, item: Input) -> tuple[Input, LookUp]:
        """An input that a reply leaves open, and its next step."""
        pair = pair_of(item)
        return item, LookUp(self.links, item._replace(pair=pair._replace(sent=pair.sent + 1, read=None)))

    def sorted_out(
        self,
        inputs: Sequence[Input],
        body: BatchReply,
        confirmed: Sequence[tuple[Input, RowOutcome]],
        *,
        names_all: bool,
    ) -> Reading:
        """What a reply says of all inputs, beside those that it confirms.

        :param names_all: a good reply names every input.
        """
        done = {item.row for item, _ in confirmed}
        left = [item for item in inputs if item.row not in done]
        refused: dict[int, tuple[Input, ErrorReply]] = {}
        unnamed = []
        for error in body.errors:
            named = sides_of(left, self.direction, error)
            refused |= {item.row: (item, said) for item, said in named}
            unnamed += [] if named else [error]
        left = [item for item in left if item.row not in refused]
        says_nothing = names_all and not (confirmed or refused or unnamed)
        said = Said.SOMETHING
        if says_nothing:
            said = Said.PENDING if body.makes_sense and not body.confirms else Said.NOTHING
        return Reading(
            said=said,
            confirmed=confirmed,
            refused=list(refused.values()),
            unsaid=tuple(left) if unnamed else (),
            errors=unnamed,
            further=() if unnamed else [self.looked_up(item) for item in left],
        )


class _LinkingOperation(LinkOperation):
    """An operation that makes links: a good reply names each, at least from the side that it starts from."""

    def read(self, inputs: Sequence[Input], reply: Reply) -> Reading:
        """Links are matched by both of their records."""
        body, links = parse_links(reply)
        confirmed = []
        if body.confirms:
            told = _told(inputs, links, is_same_type=self.direction.is_symmetric)
            confirmed = [(item, self.linked(item, told[item.row])) for item in inputs if item.row in told]
        return self.sorted_out(inputs, body, confirmed, names_all=True)

    @abstractmethod
    def linked(self, item: Input, link: Link) -> RowOutcome:
        """The outcome of a row whose link is there, as a reply shows it."""


def linked_outcome(item: Input, status: Status, kinds: frozenset[LinkKind] | None) -> RowOutcome:
    """The outcome of a row that HubSpot has done, or had before.

    :param kinds: that the link has now.
    """
    start, end = records_of(item)
    return item.outcome(status, record_id=start, to=LinkedTo(pair_of(item).given_to, end, kinds))


def _told(inputs: Sequence[Input], links: Sequence[Link], *, is_same_type: bool) -> dict[int, Link]:
    """Row -> the link of the reply that is its own.

    A reply may tell each link from both sides, and two records of different types may have the same id: what differs
    from the other side tells which link is meant, or nothing does.
    """
    rows = {records_of(item): item.row for item in inputs}
    told, doubtful, own_side = {}, [], set()
    for link in links:
        row = rows.get((link.from_id, link.to_id))
        if row is None:
            continue
        if not is_same_type and link.from_id != link.to_id and (link.to_id, link.from_id) in rows:
            doubtful.append((row, link))
        else:
            told[row] = link
            # two records of one number look the same from both sides
            own_side |= set() if link.from_id == link.to_id else {link.seen_from}
    if len(own_side) == 1 and None not in own_side:
        told |= {row: link for row, link in doubtful if link.seen_from in own_side}
    return told


@dataclass(frozen=True, kw_only=True, eq=False)
class AssociateDefault(_LinkingOperation):
    """The operation: HubSpot's unlabeled link, for each pair; labels that are there stay."""

    def request(self, inputs: Sequence[Input]) -> Request:
        """The request that links these."""
        return self.direction.request("associate/default", [_named(item) for item in inputs])

    def linked(self, item: Input, link: Link) -> RowOutcome:  # noqa: ARG002 - it may have labels that aren't told
        """The outcome of a row whose link is there."""
        return linked_outcome(item, Status.CREATED, None)


@dataclass(frozen=True, kw_only=True, eq=False)
class AssociateLabeled(_LinkingOperation):
    """The operation: links with labels. HubSpot replaces a pair's labels, so that those it has are sent too."""

    joins: ClassVar[bool] = True

    def request(self, inputs: Sequence[Input]) -> Request:
        """The request that links these."""
        return self.direction.request(
            "create", [{**_named(item), "types": _types(self._sent_kinds(item))} for item in inputs]
        )

    def linked(self, item: Input, link: Link) -> RowOutcome:
        """The outcome of a row whose link is there; a label that it doesn't show was not taken."""
        kinds = self._sent_kinds(item)
        missed: tuple[str, ...] = ()
        if link.labels is not None:
            labels = {kind: label for label, kinds in self.kinds.items() for kind in kinds}
            kinds = frozenset(kind for kind in kinds if labels.get(kind) is None or labels[kind] in link.labels)
            label = pair_of(item).label
            missed = () if label is None or label in link.labels else (label,)
        return linked_outcome(item, Status.CREATED, kinds)._replace(not_taken=missed)

    def _sent_kinds(self, item: Input) -> frozenset[LinkKind]:
        """The kinds that the pair's link is to have."""
        pair = pair_of(item)
        return self.own_kinds(item) | pair.carried_kinds | pair.held


class _RemovingOperation(LinkOperation):
    """An operation that takes away: HubSpot's good reply names nobody, so that each pair is looked up."""

    looks_further: ClassVar[bool] = True

    def read(self, inputs: Sequence[Input], reply: Reply) -> Reading:
        """Only errors name anybody."""
        return self.sorted_out(inputs, parse_links(reply).envelope, (), names_all=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class RemoveLinks(_RemovingOperation):
    """The operation: takes links away, with all of their labels."""

    most_records: ClassVar[int | None] = MAX_ARCHIVE_RECORDS

    def request(self, inputs: Sequence[Input]) -> Request:
        """The request: one entry for all links of a record."""
        ends: dict[str, list[dict[str, str]]] = {}
        for item in inputs:
            start, end = records_of(item)
            ends.setdefault(start, []).append({"id": end})
        return self.direction.request("archive", [{"from": {"id": one}, "to": to} for one, to in ends.items()])


@dataclass(frozen=True, kw_only=True, eq=False)
class RemoveLabels(_RemovingOperation):
    """The operation: takes labels away, whichever side they were given from; the link and its other labels stay."""

    joins: ClassVar[bool] = True
    most_records: ClassVar[int | None] = MAX_ARCHIVE_RECORDS

    def request(self, inputs: Sequence[Input]) -> Request:
        """The request."""
        return self.direction.request(
            "labels/archive",
            [{**_named(item), "types": _types(self.own_kinds(item) | pair_of(item).carried_kinds)} for item in inputs],
        )

    def own_kinds(self, item: Input) -> frozenset[LinkKind]:
        """All kinds of the label that the row wants to be gone."""
        return frozenset(self.kinds[pair_of(item).label])


def _named(item: Input) -> dict[str, dict[str, str]]:
    start, end = records_of(item)
    return {"from": {"id": start}, "to": {"id": end}}


def _types(kinds: frozenset[LinkKind]) -> list[dict[str, object]]:
    return [kind.as_json() for kind in sorted(kinds)]
