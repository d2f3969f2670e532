"""The records and their definitions: the sandbox's state, without HTTP."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_hubbatch.sandbox.associations import End, Links
from airflow_provider_hubbatch.sandbox.definitions import Option
from airflow_provider_hubbatch.sandbox.lag import SearchLag
from airflow_provider_hubbatch.sandbox.owners import Owners
from airflow_provider_hubbatch.sandbox.schema import OBJECT_TYPES, seeded_properties, seeded_rules
from airflow_provider_hubbatch.sandbox.values import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from airflow_provider_hubbatch.sandbox.definitions import ObjectType, PropertyDefinition
    from airflow_provider_hubbatch.sandbox.rules import Rule

RECENT_CHANGES = 200
_KEPT_BY_HUBSPOT = frozenset({"hs_object_id", "createdate", "hs_createdate", "lastmodifieddate", "hs_lastmodifieddate"})
_PORTAL_PREFIX = re.compile(r"p\d+_")


class Change(NamedTuple):
    """A record that got other values."""

    at: str
    object_type: str
    record_id: str
    before: dict[str, str | None]
    after: dict[str, str | None]


@dataclass(slots=True)
class Record:
    """A record as it is kept; ``as_json`` is how it is shown."""

    id: str
    properties: dict[str, str | None]
    created_at: str
    updated_at: str
    archived_at: str | None = None

    def as_json(self, names: Iterable[str] | None = None, *, nulls: bool = False) -> dict[str, Any]:
        """HubSpot's object, with these properties, or with all.

        :param nulls: A cleared value is shown as ``null``, not as an empty text.
        """
        if names is None:
            names = (*self.properties, "hs_object_id", "createdate", "hs_lastmodifieddate")
        value = self.properties.get
        properties = {name: value(name) for name in names}
        if nulls:
            properties = {name: text or None for name, text in properties.items()}
        for name in _KEPT_BY_HUBSPOT:
            if name in properties:
                properties[name] = self._own_value(name)
        shown: dict[str, Any] = {
            "id": self.id,
            "properties": properties,
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
            "archived": self.archived_at is not None,
        }
        if self.archived_at is not None:
            shown["archivedAt"] = self.archived_at
        return shown

    def value(self, name: str) -> str | None:
        """A property's value, those that HubSpot keeps itself included."""
        return self._own_value(name) if name in _KEPT_BY_HUBSPOT else self.properties.get(name)

    def _own_value(self, name: str) -> str:
        if name == "hs_object_id":
            return self.id
        return self.created_at if name in {"createdate", "hs_createdate"} else self.updated_at


@dataclass(kw_only=True)
class Table:
    """All of one object type.

    :param records: By id, archived ones included.
    :param merged: Ids that were merged away, each with the surviving record's.
    :param owners_of: For each unique property (and for a contact's email addresses), value to record id.
    :param indexed: The properties whose values are in ``owners_of``.
    :param plain: The properties that take any text, and that no two records need to differ in.
    """

    object_type: ObjectType
    definitions: dict[str, PropertyDefinition]
    records: dict[str, Record] = field(default_factory=dict)
    merged: dict[str, str] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)
    owners_of: dict[str, dict[str, str]] = field(default_factory=dict)
    indexed: set[str] = field(default_factory=set)
    plain: set[str] = field(default_factory=set)
    last_id: int = 0
    _shown: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.object_type.keys:
            self.owners_of[name] = {}
            self.indexed.add(name)
        for definition in self.definitions.values():
            self.add_property(definition)
        if self.object_type.name == "contacts":
            self.indexed.add("hs_additional_emails")
        modified = "lastmodifieddate" if self.object_type.name == "contacts" else "hs_lastmodifieddate"
        self._shown = (*self.object_type.default_properties, "createdate", "hs_object_id", modified)

    def live(self, record_id: str) -> Record | None:
        """The record of this id, unless it is archived or merged away."""
        record = self.records.get(record_id)
        return record if record is not None and record.archived_at is None else None

    def archived(self, record_id: str) -> Record | None:
        """The archived record of this id."""
        record = self.records.get(record_id)
        return record if record is not None and record.archived_at is not None else None

    def archived_owner(self, property_name: str, value: str) -> Record | None:
        """The archived record that had this value of a key, or this address: of several, the one archived last."""
        folded = value.lower() if property_name == "email" else value
        owners = [
            record
            for record in self.records.values()
            if record.archived_at is not None and folded in _keys_of(record, property_name)
        ]
        return max(owners, key=lambda record: record.archived_at or "", default=None)

    def count_live(self) -> int:
        """How many records there are that are neither archived nor merged away."""
        return sum(record.archived_at is None for record in self.records.values())

    def owner(self, property_name: str, value: str) -> Record | None:
        """The record that has this value of a unique property, or this address."""
        if property_name == "hs_object_id":
            return self.live(value)
        value = value.lower() if property_name == "email" else value
        record_id = self.owners_of.get(property_name, {}).get(value)
        return self.live(record_id) if record_id is not None else None

    def is_key(self, property_name: str) -> bool:
        """Whether it identifies a record: the account's own unique properties, and those that always do."""
        if property_name in self.object_type.keys:
            return True
        definition = self.definitions.get(property_name)
        return definition is not None and definition.has_unique_value and not definition.hubspot_defined

    def add_property(self, definition: PropertyDefinition) -> None:
        """Adds a definition, or replaces the one of this name."""
        self.definitions[definition.name] = definition
        if definition.has_unique_value:
            self.owners_of.setdefault(definition.name, {})
            self.indexed.add(definition.name)
        self.plain.discard(definition.name)
        if definition.takes_any_text and definition.name not in self.owners_of:
            self.plain.add(definition.name)

    def remove_property(self, name: str) -> None:
        """Removes a definition.

        :raises KeyError: for an unknown one.
        """
        del self.definitions[name]
        self.plain.discard(name)

    def add_options(self, name: str, values: Iterable[str]) -> None:
        """Adds options to an enumeration."""
        definition = self.definitions[name]
        more = tuple(Option(label=value, value=value) for value in values if value not in definition.allowed_values)
        self.definitions[name] = replace(definition, options=(*definition.options, *more))

    def shown_by_default(self) -> tuple[str, ...]:
        """The properties that HubSpot returns unasked."""
        return self._shown

    def kept_by_hubspot(self) -> tuple[str, ...]:
        """Those of them that HubSpot keeps itself."""
        return self._shown[len(self.object_type.default_properties) :]


class Store:
    """Every object type's table, and what changed last.

    :param now: The wall clock, for the records' times.
    :param clock: Seconds, monotonic, for what search sees.
    """

    def __init__(self, *, now: Callable[[], datetime], clock: Callable[[], float], extra_properties: int = 0) -> None:
        self._now = now
        self.lag = SearchLag(clock)
        self.owners = Owners(now=now)
        self.links = Links()
        self.tables: dict[str, Table] = {}
        self.recent_changes: deque[Change] = deque(maxlen=RECENT_CHANGES)
        for object_type in OBJECT_TYPES:
            self.add_type(object_type, seeded_properties(object_type.name, extra_properties))

    def add_type(self, object_type: ObjectType, definitions: dict[str, PropertyDefinition]) -> None:
        """Adds an object type."""
        rules: list[Rule] = [*seeded_rules(object_type.name)]
        self.tables[object_type.name] = Table(object_type=object_type, definitions=definitions, rules=rules)

    def find(self, name: str) -> Table | None:
        """The table by name (``contacts``, ``contact``, ``p123_pets``) or by object type id (``0-1``)."""
        bare = _PORTAL_PREFIX.sub("", name, count=1) if _PORTAL_PREFIX.match(name) else name
        for table in self.tables.values():
            kind = table.object_type
            if name == kind.object_type_id or bare in {kind.name, kind.singular.lower().replace(" ", "_")}:
                return table
        return None

    def table(self, name: str) -> Table:
        """The table by name or by object type id.

        :raises KeyError: if there is none.
        """
        table = self.find(name)
        if table is None:
            raise KeyError(f"No object type {name!r}; there are {', '.join(self.tables)}.")
        return table

    def create(
        self,
        table: Table,
        properties: Mapping[str, str | None],
        *,
        record_id: str | None = None,
        at: str | None = None,
    ) -> Record:
        """A new record, with these stored values.

        :param at: Its time; ``None``: now.
        """
        table.last_id += 1
        while record_id is None and (str(table.last_id) in table.records or str(table.last_id) in table.merged):
            table.last_id += 1
        at = at or timestamp(self._now())
        record = Record(record_id or str(table.last_id), dict(properties), at, at)
        table.records[record.id] = record
        for name in properties.keys() & table.indexed:
            _index(table, record, name, None, properties[name])
        self.lag.note(table, record, was_there=False)
        return record

    def write(
        self, table: Table, record: Record, values: Mapping[str, str | None], at: str | None = None
    ) -> dict[str, str | None]:
        """Sets stored values, and the record's ``updated_at`` if any differs.

        :param at: The time; ``None``: now.
        :returns: What changed.
        """
        stored = record.properties
        changed = {name: value for name, value in values.items() if (stored.get(name) or "") != (value or "")}
        if not changed:
            return changed
        record.updated_at = at or timestamp(self._now())
        before = {name: stored.get(name) for name in changed}
        stored.update(changed)
        for name in changed.keys() & table.indexed:
            _index(table, record, name, before[name], changed[name])
        if self.lag.seconds:
            self.lag.note(table, record, before)
        self.recent_changes.append(Change(record.updated_at, table.object_type.name, record.id, before, changed))
        return changed

    def archive(self, table: Table, record_id: str) -> None:
        """Archives a record; one that doesn't exist is left as it is."""
        record = table.live(record_id)
        if record is not None:
            record.archived_at = timestamp(self._now())
            self.lag.note(table, record)

    def merge(self, table: Table, from_id: str, into_id: str) -> None:
        """Merges a record into another: its id goes on to mean the surviving record.

        :raises KeyError: if either doesn't exist.
        """
        if table.live(from_id) is None or table.live(into_id) is None or from_id == into_id:
            raise KeyError(f"Can't merge {from_id} into {into_id}: both must exist.")
        gone = table.records.pop(from_id)
        survivor = table.records[into_id]
        table.merged = {old: into_id if new == from_id else new for old, new in table.merged.items()}
        table.merged[from_id] = into_id
        for name, value in gone.properties.items():
            _index(table, gone, name, value, None)
        type_id = table.object_type.object_type_id
        self.links.move(End(type_id, from_id), End(type_id, into_id))
        if table.object_type.name == "contacts" and gone.properties.get("email"):
            addresses = [survivor.properties.get("hs_additional_emails"), gone.properties["email"]]
            self.write(table, survivor, {"hs_additional_emails": ";".join(filter(None, addresses))})


def _keys_of(record: Record, property_name: str) -> list[str | None]:
    """What names a record by this property."""
    also = record.properties.get("hs_additional_emails") if property_name == "email" else None
    return [record.properties.get(property_name), *(also or "").split(";")]


def _index(table: Table, record: Record, name: str, before: str | None, after: str | None) -> None:
    if name == "hs_additional_emails":
        owners = table.owners_of.get("email")
        old, new = (before or "").split(";"), (after or "").split(";")
    else:
        owners = table.owners_of.get(name)
        old, new = [before or ""], [after or ""]
    if owners is None:
        return
    for value in old:
        if value and owners.get(value) == record.id:
            del owners[value]
    for value in new:
        if value:
            owners[value] = record.id
