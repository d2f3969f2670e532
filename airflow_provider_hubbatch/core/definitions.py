"""What HubSpot says about a property, read from a reply that may hold anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

# HubSpot's names of contacts in a path: the plural, the singular and the object type id.
_CONTACTS: Final = frozenset({"contacts", "contact", "0-1"})
_COMPANIES: Final = frozenset({"companies", "company", "0-2"})
RECORD_ID_PROPERTY: Final = "hs_object_id"


def is_contacts(object_type: str) -> bool:
    """Whether these are contacts, of which alone ``email`` names a record."""
    return object_type.strip().casefold() in _CONTACTS


def is_companies(object_type: str) -> bool:
    """Whether these are companies, of which a record may have one as its primary one."""
    return object_type.strip().casefold() in _COMPANIES


@dataclass(frozen=True, slots=True)
class Option:
    """One choice of an enumeration: ``value`` is what HubSpot takes, ``label`` what its users see."""

    value: str
    label: str = ""
    hidden: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PropertyDefinition:
    """What HubSpot's properties endpoint says about one property.

    :param type: ``string``, ``number``, ``date``, ``datetime``, ``enumeration``, ``bool``, ``phone_number``, ...
    :param field_type: how its users enter it: ``text``, ``checkbox`` (several at once), ``select``, ``radio``, ...
    :param unique: no two records share a value (``hasUniqueValue``), so that it can name a record.
    :param external_options: its options are kept elsewhere (owners, pipelines): the definition can't tell them.
    :param read_only: HubSpot alone sets it (``modificationMetadata.readOnlyValue``).
    :param referenced_object_type: whose ids it holds, as ``OWNER``.
    """

    name: str
    label: str = ""
    type: str = ""
    field_type: str = ""
    options: tuple[Option, ...] = ()
    unique: bool = False
    calculated: bool = False
    external_options: bool = False
    archived: bool = False
    read_only: bool = False
    referenced_object_type: str = ""

    @classmethod
    def from_json(cls, body: Any) -> PropertyDefinition:
        """Read one definition of a reply; what is missing or of another shape gets its default.

        :param body: one entry of the reply's ``results``.
        :returns: always a definition; its ``name`` is ``""`` where the entry has none.
        """
        entry = body if isinstance(body, dict) else {}
        metadata = entry.get("modificationMetadata")
        return cls(
            name=_text(entry.get("name")),
            label=_text(entry.get("label")),
            type=_text(entry.get("type")),
            field_type=_text(entry.get("fieldType")),
            options=tuple(_options(entry.get("options"))),
            unique=entry.get("hasUniqueValue") is True,
            calculated=entry.get("calculated") is True,
            external_options=entry.get("externalOptions") is True,
            archived=entry.get("archived") is True,
            read_only=isinstance(metadata, dict) and metadata.get("readOnlyValue") is True,
            referenced_object_type=_text(entry.get("referencedObjectType")),
        )

    @property
    def several(self) -> bool:
        """Whether it holds several options at once, as ``a;b``."""
        return self.type == "enumeration" and self.field_type == "checkbox"

    @property
    def holds_owners(self) -> bool:
        """Whether its values are ids of HubSpot's owners."""
        return self.referenced_object_type == "OWNER" or self.name == "hubspot_owner_id"


def definitions_from_json(results: Any) -> dict[str, PropertyDefinition]:
    """Read the ``results`` of the properties endpoint, by name; entries without a name are left out.

    :param results: what the reply has under ``results``, whatever it is.
    """
    entries = results if isinstance(results, list) else []
    definitions = map(PropertyDefinition.from_json, entries)
    return {definition.name: definition for definition in definitions if definition.name}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _options(entries: Any) -> Iterator[Option]:
    for entry in entries if isinstance(entries, list) else ():
        value = entry.get("value") if isinstance(entry, dict) else None
        if isinstance(value, str) and value:
            yield Option(value, _text(entry.get("label")), entry.get("hidden") is True)
