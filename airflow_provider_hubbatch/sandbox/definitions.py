"""Object types and property definitions: their shape."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Option:
    """One choice of an enumeration."""

    label: str
    value: str
    hidden: bool = False


@dataclass(frozen=True, kw_only=True)
class PropertyDefinition:
    """What HubSpot's properties endpoint says about a property.

    :param external_options: Its options are kept elsewhere: owners, a contact's addresses.
    :param referenced_object_type: ``OWNER``: it holds an owner's id.
    :param letters_only: An admin's value rule: letters only, else ``INVALID_ALPHA``. HubSpot's own JSON doesn't
        show it.
    """

    name: str
    label: str = ""
    type: str = "string"
    field_type: str = "text"
    options: tuple[Option, ...] = ()
    has_unique_value: bool = False
    calculated: bool = False
    external_options: bool = False
    referenced_object_type: str | None = None
    read_only: bool = False
    archived: bool = False
    hubspot_defined: bool = True
    group_name: str = "information"
    description: str = ""
    letters_only: bool = False

    @cached_property
    def allowed_values(self) -> frozenset[str]:
        """The values of an enumeration, where it has options of its own."""
        return frozenset(option.value for option in self.options)

    @property
    def holds_owner(self) -> bool:
        """Whether its value is an owner's id."""
        return self.referenced_object_type == "OWNER"

    @cached_property
    def is_read_only(self) -> bool:
        """Whether HubSpot keeps its value itself."""
        return self.read_only or self.calculated

    @property
    def takes_any_text(self) -> bool:
        """Whether any text is a value of it, and stored as it is."""
        takes_text = self.type in {"string", "phone_number"} and self.name != "email" and not self.letters_only
        return takes_text and not (self.is_read_only or self.archived)

    def as_json(self) -> dict[str, Any]:
        """The definition in HubSpot's shape."""
        shown: dict[str, Any] = {
            "name": self.name,
            "label": self.label or self.name,
            "type": self.type,
            "fieldType": self.field_type,
            "description": self.description,
            "groupName": self.group_name,
            "options": [
                {"label": option.label, "value": option.value, "displayOrder": place, "hidden": option.hidden}
                for place, option in enumerate(self.options)
            ],
            "hasUniqueValue": self.has_unique_value,
            "calculated": self.calculated,
            "externalOptions": self.external_options,
            "hidden": False,
            "hubspotDefined": self.hubspot_defined,
            "archived": self.archived,
            "modificationMetadata": {
                "archivable": not self.hubspot_defined,
                "readOnlyDefinition": self.hubspot_defined,
                "readOnlyValue": self.is_read_only,
            },
            "formField": not self.read_only,
        }
        if self.referenced_object_type is not None:
            shown["referencedObjectType"] = self.referenced_object_type
        return shown

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> PropertyDefinition:
        """A custom property from HubSpot's shape, as the properties endpoint takes it.

        :raises KeyError: without a name.
        """
        metadata = body.get("modificationMetadata") or {}
        return cls(
            name=str(body["name"]),
            label=str(body.get("label") or body["name"]),
            type=str(body.get("type", "string")),
            field_type=str(body.get("fieldType", "text")),
            options=tuple(_option(option) for option in body.get("options") or ()),
            has_unique_value=bool(body.get("hasUniqueValue")),
            calculated=bool(body.get("calculated")),
            external_options=bool(body.get("externalOptions")),
            referenced_object_type=body.get("referencedObjectType"),
            read_only=bool(metadata.get("readOnlyValue")),
            archived=bool(body.get("archived")),
            hubspot_defined=False,
            group_name=str(body.get("groupName", "information")),
            description=str(body.get("description", "")),
        )


def _option(body: dict[str, Any]) -> Option:
    return Option(
        label=str(body.get("label", body["value"])), value=str(body["value"]), hidden=bool(body.get("hidden"))
    )


@dataclass(frozen=True, kw_only=True)
class ObjectType:
    """A kind of CRM object.

    :param name: As in the path: ``contacts``.
    :param object_type_id: HubSpot's id of it: ``0-1``; custom ones begin with ``2-``.
    :param singular: As messages have it: ``Contact``.
    :param scope: The word of its scopes: ``crm.objects.<scope>.write``. Tickets have one scope, ``tickets``.
    :param default_properties: What read and update return unasked.
    :param keys: Properties that identify a record without any set-up, whatever their definitions say.
    """

    name: str
    object_type_id: str
    singular: str
    scope: str
    default_properties: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()

    @property
    def is_custom(self) -> bool:
        """Whether an admin made it."""
        return self.object_type_id.startswith("2-")

    @property
    def message_name(self) -> str:
        """As "Could not get some ... objects" has it."""
        return self.object_type_id if self.is_custom else self.singular.upper().replace(" ", "_")

    def scopes(self, access: str) -> tuple[str, ...]:
        """The scopes of which one is needed.

        :param access: ``read``, ``write``, ``schema_read`` or ``schema_write``.
        """
        if self.scope == "tickets":
            return ("tickets",)
        area, _, verb = access.rpartition("_")
        objects = f"crm.objects.{self.scope}.{verb}"
        return (
            (f"crm.schemas.{self.scope}.{verb}", objects)
            if area and verb == "read"
            else ((f"crm.schemas.{self.scope}.{verb}",) if area else (objects,))
        )
