"""Links between records on the wire: what kinds there are, what requests say, what replies tell.

``/crm/associations/{version}/{fromObjectType}/{toObjectType}``. Direction matters: a kind of link has another number
seen from the other side, and may have another label. Ids in replies may be numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

from airflow_provider_hubbatch.core.batch_reply import BatchReply, envelope_of
from airflow_provider_hubbatch.core.protocol import Request, decode, encode, entries_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from airflow_provider_hubbatch.core.protocol import Reply

# HubSpot: "Limits" (docs, Associations v4): inputs of a request that links, and of one that reads
MAX_LINKS: Final = 2_000
MAX_READ_RECORDS: Final = 1_000
# Different records that the links of one archive start from (other people's code; no page says so)
MAX_ARCHIVE_RECORDS: Final = 100

# What HubSpot calls a side that names no record, beside the category VALIDATION_ERROR (seen live)
INVALID_IDENTIFIER: Final = "crm.associations.INVALID_IDENTIFIER"
PRIMARY: Final = "Primary"


class LinkKind(NamedTuple):
    """A kind of link, in one direction: HubSpot's association type.

    :param category: ``HUBSPOT_DEFINED``, ``USER_DEFINED``, ``INTEGRATOR_DEFINED``.
    :param type_id: its number.
    """

    category: str
    type_id: int

    def as_json(self) -> dict[str, Any]:
        """As requests name it."""
        return {"associationCategory": self.category, "associationTypeId": self.type_id}


class Link(NamedTuple):
    """One link, as a reply to a write names it.

    :param seen_from: what differs from the other side: the number of its kind, or the object type that it starts from;
        ``None``: the reply doesn't tell.
    :param labels: all labels that it has now; ``None``: the reply doesn't tell.
    """

    from_id: str
    to_id: str
    seen_from: str | None = None
    labels: frozenset[str] | None = None


class LinksReply(NamedTuple):
    """A 2xx reply to a request that links."""

    envelope: BatchReply
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class RecordLinks:
    """The links of one record, as far as they have been read.

    :param kinds: linked record -> the kinds of the link.
    :param after: where the next page begins; ``None``: this is all.
    """

    kinds: Mapping[str, frozenset[LinkKind]] = field(default_factory=dict)
    after: str | None = None


class ReadLinks(NamedTuple):
    """A reply to a request that reads links.

    :param records: record -> what the reply has of its links.
    :param unlinked: records of which it says that they have none.
    """

    envelope: BatchReply
    records: Mapping[str, RecordLinks]
    unlinked: frozenset[str]


@dataclass(frozen=True, slots=True)
class Direction:
    """From one object type to another."""

    from_object_type: str
    to_object_type: str
    api_version: str

    @property
    def is_symmetric(self) -> bool:
        """Whether both are one object type: then a link from A to B is one from B to A."""
        return self.from_object_type == self.to_object_type

    def _path(self, end: str) -> str:
        sides = f"{quote(self.from_object_type, safe='')}/{quote(self.to_object_type, safe='')}"
        return f"/crm/associations/{self.api_version}/{sides}/{end}"

    @property
    def labels_path(self) -> str:
        """The path that tells the kinds of links."""
        return self._path("labels")

    def request(self, endpoint: str, inputs: Iterable[dict[str, Any]]) -> Request:
        """A batch request; doing it twice comes to the same.

        :param endpoint: ``associate/default``, ``create``, ``archive``, ``labels/archive``, ``read``.
        """
        return Request("POST", self._path(f"batch/{endpoint}"), encode({"inputs": list(inputs)}), repeatable=True)


def kinds_in(labels: Any) -> dict[str | None, tuple[LinkKind, ...]]:
    """The kinds of links by label; ``None``: HubSpot's unlabeled link.

    Between records of one type a label may have a kind for each of its sides.

    :param labels: what ``GET .../labels`` answered.
    """
    kinds: dict[str | None, tuple[LinkKind, ...]] = {}
    for entry in entries_of(labels.get("results") if isinstance(labels, dict) else None):
        kind = _kind(entry)
        if kind is not None:
            label = text_of(entry.get("label"))
            kinds[label] = (*kinds.get(label, ()), kind)
    return kinds


def parse_links(reply: Reply) -> LinksReply:
    """Read a 2xx to a request that links. Never raises."""
    data = decode(reply.body)
    return LinksReply(envelope_of(data, reply), tuple(_links(data)) if isinstance(data, dict) else ())


def _links(data: dict[str, Any]) -> Iterator[Link]:
    """Default links and labeled ones have different shapes."""
    for entry in entries_of(data.get("results")):
        from_id = _side(entry, "from", "fromObjectId")
        to_id = _side(entry, "to", "toObjectId")
        if from_id is None or to_id is None:
            continue
        spec, labels = entry.get("associationSpec"), entry.get("labels")
        yield Link(
            from_id,
            to_id,
            text_of(spec.get("associationTypeId") if isinstance(spec, dict) else entry.get("fromObjectTypeId")),
            frozenset(one for one in labels if isinstance(one, str)) if isinstance(labels, list) else None,
        )


def _side(entry: dict[str, Any], nested: str, flat: str) -> str | None:
    named = entry.get(nested)
    return text_of(named.get("id")) if isinstance(named, dict) else text_of(entry.get(flat))


def parse_read_links(reply: Reply) -> ReadLinks:
    """Read a 2xx to a request that reads links. Never raises."""
    data = decode(reply.body)
    envelope = envelope_of(data, reply)
    if not isinstance(data, dict):
        return ReadLinks(envelope, {}, frozenset())
    records = {}
    for entry in entries_of(data.get("results")):
        from_id = _side(entry, "from", "fromObjectId")
        if from_id is not None:
            records[from_id] = RecordLinks(dict(_linked(entry)), _next_page(entry))
    return ReadLinks(envelope, records, frozenset(_unlinked(data)))


def _linked(entry: dict[str, Any]) -> Iterator[tuple[str, frozenset[LinkKind]]]:
    for linked in entries_of(entry.get("to")):
        to_id = text_of(linked.get("toObjectId"))
        kinds = (_kind(one) for one in entries_of(linked.get("associationTypes")))
        if to_id is not None:
            yield to_id, frozenset(kind for kind in kinds if kind is not None)


def _kind(entry: dict[str, Any]) -> LinkKind | None:
    category, type_id = text_of(entry.get("category")), entry.get("typeId")
    return LinkKind(category, type_id) if category is not None and type(type_id) is int else None


def _next_page(entry: dict[str, Any]) -> str | None:
    paging = entry.get("paging")
    following = paging.get("next") if isinstance(paging, dict) else None
    return text_of(following.get("after")) if isinstance(following, dict) else None


def _unlinked(data: dict[str, Any]) -> Iterator[str]:
    """HubSpot says of records without links that none "is associated with" them (``NO_ASSOCIATIONS_FOUND``)."""
    for error in entries_of(data.get("errors")):
        context = error.get("context")
        named = context.get("fromObjectId") if isinstance(context, dict) else None
        for one in named if isinstance(named, list) else [named]:
            from_id = text_of(one)
            if from_id is not None:
                yield from_id
