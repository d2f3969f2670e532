"""What may name a record: by the verb, the property and its definition."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from airflow_provider_hubbatch.core.definitions import RECORD_ID_PROPERTY, is_contacts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_hubbatch.core.definitions import PropertyDefinition

EMAIL: Final = "email"

# Properties whose values HubSpot takes for keys without any set-up, whatever their definition says: of products, line
# items and tickets (upserts by them, seen live).
_UNIQUE_BY_NATURE: Final = frozenset({"hs_sku", "hs_external_id", "hs_external_object_ids"})


class IdUse(Enum):
    """What the rows' ids are, for a verb."""

    EXISTING = "existing"
    """They name records that exist: update, archive."""
    EITHER = "either"
    """They are keys: of records that exist, or of new ones: upsert."""
    NEW = "new"
    """They are keys of new records: create. Without an id property they name nothing but the row in its outcome."""


class KeyKind(Enum):
    """How a record is found by what names it."""

    RECORD_ID = "record id"
    UNIQUE = "unique"
    """HubSpot takes the value itself, as ``idProperty``."""
    EMAIL = "email"
    """A contact's address, which HubSpot takes for reading, upserting and creating, and not for updating."""
    SEARCHED = "searched"
    """Several records may have the value: it is found by search, which is up to a minute behind."""


def is_record_id(id_property: str | None) -> bool:
    """Whether these are HubSpot's own ids."""
    return id_property in (None, RECORD_ID_PROPERTY)


def is_by_email(id_property: str | None, object_type: str) -> bool:
    """Whether contacts are named by their addresses: of all other objects, an address names none."""
    return id_property == EMAIL and is_contacts(object_type)


def names_records(definition: PropertyDefinition, object_type: str) -> bool:
    """Whether a value of this property names one record."""
    return definition.unique or definition.name in _UNIQUE_BY_NATURE or is_by_email(definition.name, object_type)


def kind_of_key(id_property: str | None, object_type: str, definition: PropertyDefinition | None) -> KeyKind:
    """How records are found by a property's values.

    :param definition: HubSpot's of the property; without one, it is taken to be unique: HubSpot says if it isn't.
    """
    if is_record_id(id_property):
        return KeyKind.RECORD_ID
    if is_by_email(id_property, object_type):
        return KeyKind.EMAIL
    return KeyKind.UNIQUE if definition is None or names_records(definition, object_type) else KeyKind.SEARCHED


def keys_of(definitions: Iterable[PropertyDefinition], object_type: str) -> list[str]:
    """The properties whose values name records, record ids aside."""
    return sorted(one.name for one in definitions if names_records(one, object_type) and one.name != RECORD_ID_PROPERTY)


def refusal_of_record_ids(id_property: str | None, id_use: IdUse) -> str | None:
    """Why record ids won't do for a verb, and what would."""
    given = f"id_property={id_property!r}"
    match id_use:
        case IdUse.EITHER:
            return (
                f"{given}: a record id names what exists, and an upsert must be able to name what doesn't. Give a "
                "property with unique values, or a contact's 'email'; to write by record id, update"
            )
        case IdUse.NEW if id_property is not None:
            return (
                f"{given}: a new record gets its id from HubSpot. Give a property with unique values, by which a "
                "record that is there already is found, or leave id_property out"
            )
    return None


_MAKE_UNIQUE: Final = "Make a property unique in HubSpot when you create it (later, it can't be changed)"
_WHY_UNIQUE: Final = {
    IdUse.EITHER: "so nothing tells whether a record is there: HubSpot's search finds a new one only after up to a "
    f"minute, and the next row or run would make it again. {_MAKE_UNIQUE}",
    IdUse.NEW: f"so nothing tells whether a record is there. {_MAKE_UNIQUE}, or leave id_property out",
}


def refusal_of_property(id_property: str, id_use: IdUse, others: list[str]) -> str | None:
    """Why a property that isn't unique won't do, and what would.

    :param others: the properties that would.
    :returns: ``None``: it will do, since the records are there to be searched.
    """
    if id_use is IdUse.EXISTING:
        return None
    ending = f", or use one of: {', '.join(others)}" if others else ""
    return f"id_property: {id_property!r} isn't unique, {_WHY_UNIQUE[id_use]}{ending}"
