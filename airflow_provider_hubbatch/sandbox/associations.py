"""The links between records, and their types: the sandbox's state, without HTTP."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow_provider_hubbatch.sandbox.definitions import ObjectType

HUBSPOT, USER = "HUBSPOT_DEFINED", "USER_DEFINED"
PRIMARY = "Primary"
_COMPANIES = "0-2"
_FIRST_USER_TYPE = 1001
# HubSpot: "Association type ID values" (docs, Associations): object types, unlabeled there and back, primary there
# and back (0: none)
_SEEDED = (
    ("0-1", "0-1", 449, 449, 0, 0),
    ("0-1", "0-2", 279, 280, 1, 2),
    ("0-1", "0-3", 4, 3, 0, 0),
    ("0-1", "0-5", 15, 16, 0, 0),
    ("0-1", "0-27", 203, 204, 0, 0),
    ("0-1", "0-46", 201, 202, 0, 0),
    ("0-2", "0-2", 450, 450, 0, 0),
    ("0-2", "0-3", 342, 341, 6, 5),
    ("0-2", "0-5", 340, 339, 25, 26),
    ("0-2", "0-27", 191, 192, 0, 0),
    ("0-2", "0-46", 189, 190, 0, 0),
    ("0-3", "0-3", 451, 451, 0, 0),
    ("0-3", "0-5", 27, 28, 0, 0),
    ("0-3", "0-8", 19, 20, 0, 0),
    ("0-3", "0-27", 215, 216, 0, 0),
    ("0-3", "0-46", 213, 214, 0, 0),
    ("0-5", "0-5", 452, 452, 0, 0),
    ("0-5", "0-27", 229, 230, 0, 0),
    ("0-5", "0-46", 227, 228, 0, 0),
)


class LinkType(NamedTuple):
    """A kind of link, in one direction.

    :param label: ``None``: HubSpot's unlabeled link.
    """

    category: str
    type_id: int
    label: str | None

    def as_json(self) -> dict[str, Any]:
        """As labels and reads show it."""
        return {"category": self.category, "typeId": self.type_id, "label": self.label}


class End(NamedTuple):
    """One record of a link."""

    type_id: str
    record_id: str


class LinkTypes:
    """Which kinds of links there are between which object types."""

    def __init__(self) -> None:
        self._of: dict[tuple[str, str], list[LinkType]] = defaultdict(list)
        self._back: dict[tuple[str, str, int], LinkType] = {}
        self._last_user_type = _FIRST_USER_TYPE - 1
        for there, back, plain, plain_back, primary, primary_back in _SEEDED:
            self._add(there, back, LinkType(HUBSPOT, plain, None), LinkType(HUBSPOT, plain_back, None))
            if primary:
                self._add(there, back, LinkType(HUBSPOT, primary, PRIMARY), LinkType(HUBSPOT, primary_back, PRIMARY))

    def between(self, from_type: ObjectType, to_type: ObjectType) -> list[LinkType]:
        """The kinds of links in this direction, the unlabeled one first; none where HubSpot links no such records."""
        pair = (from_type.object_type_id, to_type.object_type_id)
        if pair not in self._of and (from_type.is_custom or to_type.is_custom):
            self._add(*pair, self._user_type(None), self._user_type(None))
        return self._of.get(pair, [])

    def add_label(self, from_type: ObjectType, to_type: ObjectType, label: str, inverse: str | None = None) -> LinkType:
        """A label of the account's own.

        :param inverse: What it is called from the other side; ``None``: the same.
        :raises ValueError: where HubSpot links no such records, or for a label that there is already.
        """
        known = self.between(from_type, to_type)
        if not known:
            raise ValueError(f"HubSpot links no {from_type.name} with {to_type.name}.")
        if any(one.label == label for one in known):
            raise ValueError(f"There is a label {label!r} already.")
        added = self._user_type(label)
        self._add(from_type.object_type_id, to_type.object_type_id, added, self._user_type(inverse or label))
        return added

    def back(self, from_type_id: str, to_type_id: str, kind: LinkType) -> LinkType:
        """The same kind of link, seen from the other side."""
        return self._back[from_type_id, to_type_id, kind.type_id]

    def target(self, from_type: ObjectType, category: str, type_id: int) -> tuple[str, LinkType] | None:
        """The object type that a kind of link leads to."""
        for (there, back), kinds in self._of.items():
            if there == from_type.object_type_id:
                for kind in kinds:
                    if (kind.category, kind.type_id) == (category, type_id):
                        return back, kind
        return None

    def _user_type(self, label: str | None) -> LinkType:
        self._last_user_type += 1
        return LinkType(USER, self._last_user_type, label)

    def _add(self, there: str, back: str, kind: LinkType, kind_back: LinkType) -> None:
        self._of[there, back].append(kind)
        self._back[there, back, kind.type_id] = kind_back
        if there != back or kind != kind_back:
            self._of[back, there].append(kind_back)
            self._back[back, there, kind_back.type_id] = kind


class Links:
    """Every link, from both of its sides."""

    def __init__(self) -> None:
        self.types = LinkTypes()
        self._links: dict[tuple[str, str], dict[str, dict[str, set[LinkType]]]] = defaultdict(dict)

    def of(self, end: End, to_type_id: str) -> dict[str, set[LinkType]]:
        """The linked records of a type by id, each with the kinds of its links. Not to be changed."""
        return self._links[end.type_id, to_type_id].get(end.record_id, {})

    def all(self, from_type_id: str, to_type_id: str) -> dict[str, dict[str, set[LinkType]]]:
        """All links between two types, by both ids. Not to be changed."""
        return self._links[from_type_id, to_type_id]

    def replace(self, start: End, end: End, kinds: Iterable[LinkType], plain: LinkType) -> set[LinkType]:
        """Links two records, or gives their link other labels; the unlabeled kind is always there.

        :returns: The kinds of the link now.
        """
        kept = {*kinds, plain}
        if any(kind.label == PRIMARY for kind in kept):
            self._end_other_primary(start, end)
        self._set(start, end, kept)
        return kept

    def ensure(self, start: End, end: End, plain: LinkType) -> None:
        """Links two records without a label; a link that is there keeps its labels."""
        if end.record_id not in self.of(start, end.type_id):
            self._set(start, end, {plain})

    def remove(self, start: End, end: End, kinds: Iterable[LinkType] | None = None) -> None:
        """Takes a link away, or some of its labels; with the unlabeled kind goes the whole link.

        :param kinds: ``None``: all.
        """
        there = self.of(start, end.type_id).get(end.record_id)
        if there is None:
            return
        gone = there if kinds is None else set(kinds) & there
        if any(kind.label is None for kind in gone):
            gone = there
        self._set(start, end, there - gone)

    def move(self, old: End, new: End) -> None:
        """Gives one record's links to another, as a merge does."""
        for (from_type_id, to_type_id), links in list(self._links.items()):
            if from_type_id == old.type_id:
                for record_id, kinds in list(links.get(old.record_id, {}).items()):
                    end = End(to_type_id, record_id)
                    self._set(old, end, set())
                    if end != new:
                        self._set(new, end, kinds | self.of(new, to_type_id).get(record_id, set()))

    def _end_other_primary(self, start: End, end: End) -> None:
        """A record has one primary company."""
        record, company = (end, start) if start.type_id == _COMPANIES else (start, end)
        for company_id, kinds in list(self.of(record, _COMPANIES).items()):
            if company_id != company.record_id and any(kind.label == PRIMARY for kind in kinds):
                other = End(_COMPANIES, company_id)
                self._set(record, other, {kind for kind in kinds if kind.label != PRIMARY})

    def _set(self, start: End, end: End, kinds: set[LinkType]) -> None:
        back = {self.types.back(start.type_id, end.type_id, kind) for kind in kinds}
        for near, far, there in ((start, end, kinds), (end, start, back)):
            links = self._links[near.type_id, far.type_id]
            if there:
                links.setdefault(near.record_id, {})[far.record_id] = there
            elif far.record_id in links.get(near.record_id, {}):
                del links[near.record_id][far.record_id]


def in_order(kinds: Iterable[LinkType]) -> Iterator[LinkType]:
    """Kinds by their id."""
    return iter(sorted(kinds, key=lambda kind: kind.type_id))
