"""The pairs of rows that link records, and the lookup that reads what links there are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from airflow_provider_hubbatch.core.associations import (
    INVALID_IDENTIFIER,
    MAX_READ_RECORDS,
    Direction,
    RecordLinks,
    parse_read_links,
)
from airflow_provider_hubbatch.core.error_reply import NO_ANSWER, OBJECT_NOT_FOUND, ErrorReply
from airflow_provider_hubbatch.core.lookup import Answer, Found, Further

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_hubbatch.core.model import Input, Pair
    from airflow_provider_hubbatch.core.protocol import Reply, Request


def pair_of(item: Input) -> Pair:
    """The pair of an input that has one, as all of this verb's have."""
    if item.pair is None:
        raise TypeError("an input without a pair")
    return item.pair


def records_of(item: Input) -> tuple[str, str]:
    """The record ids of an input whose sides are both known."""
    pair = pair_of(item)
    if pair.from_record is None or pair.to_record is None:
        raise TypeError("an input whose sides are not known")
    return pair.from_record, pair.to_record


def sides_of(inputs: Sequence[Input], direction: Direction, error: ErrorReply) -> list[tuple[Input, ErrorReply]]:
    """The inputs that an error names by a record's id, in input order, each with what it says of it.

    It doesn't say which side it means: where an id is on one side of some and on the other of others, it names none.
    """
    starts = {records_of(item)[0] for item in inputs} & error.ids
    ends = {records_of(item)[1] for item in inputs} & error.ids
    if not direction.is_symmetric and len(inputs) > 1:
        starts, ends = starts - ends, ends - starts
    named = []
    for item in inputs:
        start, end = records_of(item)
        sides = [("from", start)] if start in starts else []
        sides += [("to", end)] if end in ends else []
        if sides:
            named.append((item, _about(sides, direction, error)))
    return named


def _about(sides: Sequence[tuple[str, str]], direction: Direction, error: ErrorReply) -> ErrorReply:
    """An error, with the side that it is about."""
    if error.sub_category != INVALID_IDENTIFIER:
        return error
    types = {"from": direction.from_object_type, "to": direction.to_object_type}
    what = " or ".join(f"the {side} side: there is no record {record} of {types[side]}" for side, record in sides)
    return replace(error, category=OBJECT_NOT_FOUND, message=f"{what} (HubSpot: {error.reason})")


@dataclass(frozen=True, kw_only=True, eq=False)
class LinksLookup:
    """The links of the records that links start from, to one object type: 1,000 records a request, page by page."""

    direction: Direction
    id_property: ClassVar[str | None] = None
    most_inputs: ClassVar[int] = MAX_READ_RECORDS
    folds: ClassVar[bool] = True
    is_urgent: ClassVar[bool] = False
    remembers: ClassVar[bool] = False
    lags: ClassVar[bool] = False

    @property
    def object_type(self) -> str:
        """Of the records whose links are read."""
        return self.direction.from_object_type

    def told(self, identifier: str) -> str:
        """An id as HubSpot is told it."""
        return identifier

    def request(self, inputs: Sequence[Input]) -> Request:
        """The request for the links of these, or for their next page."""
        return self.direction.request("read", [self._asked(item) for item in inputs])

    def _asked(self, item: Input) -> dict[str, str]:
        read = self.read_so_far(item)
        return {"id": item.id} if read is None or read.after is None else {"id": item.id, "after": read.after}

    def read(self, inputs: Sequence[Input], reply: Reply, *, repeated: bool) -> list[Answer]:
        """The links of each, all pages together; a record of which nothing is said has none, once that is certain."""
        body = parse_read_links(reply)
        refused = {
            one: _about([("from", one)], self.direction, error)
            for error in body.envelope.errors
            if error.sub_category == INVALID_IDENTIFIER
            for one in error.ids
        }
        return [self._found(item, body.records.get(item.id), body.unlinked, refused, repeated) for item in inputs]

    def _found(
        self,
        item: Input,
        page: RecordLinks | None,
        unlinked: frozenset[str],
        refused: Mapping[str, ErrorReply],
        repeated: bool,
    ) -> Answer:
        read = self.read_so_far(item) or RecordLinks()
        if page is not None:
            links = RecordLinks({**read.kinds, **page.kinds}, page.after)
            if page.after is not None and page.after != read.after:
                return Further(self.with_read(item, links))
            return Found(links=links.kinds)
        if item.id in refused:
            return Found(error=refused[item.id])
        if item.id in unlinked:
            return Found(links=read.kinds)
        if not repeated:
            return None
        # where some have been read there is more, and it doesn't come
        return Found(links={}) if self.read_so_far(item) is None else Found(error=NO_ANSWER)

    def read_absence(
        self,
        inputs: Sequence[Input],
        error: ErrorReply,  # noqa: ARG002 - it names none
        *,
        repeated: bool,
    ) -> list[Answer]:
        """None of them has links: what is said of several may be about some of them."""
        if len(inputs) > 1 and not repeated:
            return [None] * len(inputs)
        return [Found(links=(self.read_so_far(item) or RecordLinks()).kinds) for item in inputs]

    def read_so_far(self, item: Input) -> RecordLinks | None:
        """The links of an input's record, as far as they have been read; ``None``: not at all."""
        return pair_of(item).read

    def with_read(self, item: Input, links: RecordLinks) -> Input:
        """The input, with what has been read of its record's links."""
        return item._replace(pair=pair_of(item)._replace(read=links))
