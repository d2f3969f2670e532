"""Object types and property definitions: their shape, and those that the sandbox starts with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

LIFECYCLE_STAGES = (
    "subscriber",
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "opportunity",
    "customer",
    "evangelist",
)
OWNER_IDS = ("71001", "71002", "71003", "71004", "71005")


@dataclass(frozen=True, kw_only=True)
class Option:
    """One choice of an enumeration."""

    label: str
    value: str
    hidden: bool = False


@dataclass(frozen=True, kw_only=True)
class PropertyDefinition:
    """What HubSpot's properties endpoint says about a property.

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
    read_only: bool = False
    archived: bool = False
    hubspot_defined: bool = True
    group_name: str = "information"
    description: str = ""
    letters_only: bool = False

    @cached_property
    def allowed_values(self) -> frozenset[str]:
        """The values of an enumeration."""
        return frozenset(OWNER_IDS if self.external_options else (option.value for option in self.options))

    @property
    def is_read_only(self) -> bool:
        """Whether HubSpot keeps its value itself."""
        return self.read_only or self.calculated

    def as_json(self) -> dict[str, Any]:
        """The definition in HubSpot's shape."""
        return {
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
    """

    name: str
    object_type_id: str
    singular: str
    scope: str
    default_properties: tuple[str, ...] = ()

    @property
    def is_custom(self) -> bool:
        """Whether an admin made it."""
        return self.object_type_id.startswith("2-")

    @property
    def message_name(self) -> str:
        """As "Could not get some ... objects" has it."""
        return self.object_type_id if self.is_custom else self.singular.upper()

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


def _text(name: str, label: str, **more: Any) -> PropertyDefinition:
    return PropertyDefinition(name=name, label=label, **more)


def _number(name: str, label: str, **more: Any) -> PropertyDefinition:
    return PropertyDefinition(name=name, label=label, type="number", field_type="number", **more)


def _date(name: str, label: str, **more: Any) -> PropertyDefinition:
    return PropertyDefinition(name=name, label=label, type="date", field_type="date", **more)


def _datetime(name: str, label: str, **more: Any) -> PropertyDefinition:
    return PropertyDefinition(name=name, label=label, type="datetime", field_type="date", **more)


def _choice(name: str, label: str, values: str, field_type: str = "select", **more: Any) -> PropertyDefinition:
    options = tuple(
        Option(
            label=value.strip("~").replace("_", " ").capitalize(), value=value.strip("~"), hidden=value.startswith("~")
        )
        for value in values.split()
    )
    return PropertyDefinition(
        name=name, label=label, type="enumeration", field_type=field_type, options=options, **more
    )


def _bool(name: str, label: str, **more: Any) -> PropertyDefinition:
    options = (Option(label="Yes", value="true"), Option(label="No", value="false"))
    return PropertyDefinition(
        name=name, label=label, type="bool", field_type="booleancheckbox", options=options, **more
    )


def _custom(definition: PropertyDefinition) -> PropertyDefinition:
    return replace(definition, hubspot_defined=False)


# Kept by HubSpot, on every object type.
SYSTEM_PROPERTIES = (
    _number("hs_object_id", "Record ID", read_only=True, has_unique_value=True),
    _datetime("createdate", "Create date", read_only=True),
    _datetime("hs_createdate", "Object create date", read_only=True),
    _datetime("hs_lastmodifieddate", "Object last modified date", read_only=True),
)
_OWNER = PropertyDefinition(
    name="hubspot_owner_id", label="Owner", type="enumeration", field_type="select", external_options=True
)
# One custom property of each kind, on every object type, so that each kind of value can be tried on each.
CUSTOM_PROPERTIES = tuple(
    _custom(definition)
    for definition in (
        _text("notes_text", "Notes", field_type="textarea"),
        _number("score", "Score"),
        _date("renewal_date", "Renewal date"),
        _datetime("last_synced_at", "Last synced at"),
        _bool("is_active", "Active"),
        _choice("plan", "Plan", "free starter pro enterprise ~legacy"),
        _choice("size_band", "Size", "small medium large", "radio"),
        _choice("interests", "Interests", "news offers events training", "checkbox"),
        _text("loyalty_code", "Loyalty code", letters_only=True),
        _number("lifetime_value", "Lifetime value", calculated=True),
    )
)


def _own_properties() -> dict[str, tuple[PropertyDefinition, ...]]:
    return {
        "contacts": (
            _text("email", "Email"),
            _text(
                "hs_additional_emails",
                "Additional email addresses",
                type="enumeration",
                field_type="checkbox",
                external_options=True,
            ),
            _text("firstname", "First name"),
            _text("lastname", "Last name"),
            _text("company", "Company name"),
            _text("jobtitle", "Job title"),
            _text("phone", "Phone number", type="phone_number", field_type="phonenumber"),
            _text("mobilephone", "Mobile phone number", type="phone_number", field_type="phonenumber"),
            _text("address", "Street address"),
            _text("city", "City"),
            _text("zip", "Postal code"),
            _text("country", "Country"),
            _text("website", "Website URL"),
            _text("message", "Message", field_type="textarea"),
            _number("annualrevenue", "Annual revenue"),
            _date("date_of_birth", "Date of birth"),
            _choice("lifecyclestage", "Lifecycle stage", " ".join((*LIFECYCLE_STAGES, "other")), "radio"),
            _choice("hs_lead_status", "Lead status", "NEW OPEN IN_PROGRESS UNQUALIFIED CONNECTED", "radio"),
            _datetime("lastmodifieddate", "Last modified date", read_only=True),
            _text("hs_email_domain", "Email domain", calculated=True),
            _custom(_text("customer_number", "Customer number", has_unique_value=True)),
        ),
        "companies": (
            _text("name", "Company name"),
            _text("domain", "Company domain name"),
            _text("phone", "Phone number", type="phone_number", field_type="phonenumber"),
            _text("city", "City"),
            _text("country", "Country"),
            _text("description", "Description", field_type="textarea"),
            _choice("industry", "Industry", "BANKING COMPUTER_SOFTWARE CONSTRUCTION FARMING RETAIL"),
            _number("numberofemployees", "Number of employees"),
            _number("annualrevenue", "Annual revenue"),
            _choice("lifecyclestage", "Lifecycle stage", " ".join((*LIFECYCLE_STAGES, "other")), "radio"),
            _custom(_text("erp_id", "ERP id", has_unique_value=True)),
        ),
        "deals": (
            _text("dealname", "Deal name"),
            _number("amount", "Amount"),
            _datetime("closedate", "Close date"),
            _choice("pipeline", "Pipeline", "default"),
            _choice(
                "dealstage",
                "Deal stage",
                "appointmentscheduled qualifiedtobuy contractsent closedwon closedlost",
                "radio",
            ),
            _text("closed_lost_reason", "Closed lost reason", field_type="textarea"),
            _choice("dealtype", "Deal type", "newbusiness existingbusiness"),
            _number("hs_forecast_amount", "Forecast amount", calculated=True),
            _custom(_text("order_number", "Order number", has_unique_value=True)),
        ),
        "tickets": (
            _text("subject", "Ticket name"),
            _text("content", "Ticket description", field_type="textarea"),
            _choice("hs_pipeline", "Pipeline", "0"),
            _choice("hs_pipeline_stage", "Ticket status", "1 2 3 4"),
            _choice("hs_ticket_priority", "Priority", "LOW MEDIUM HIGH URGENT"),
            _custom(_text("case_number", "Case number", has_unique_value=True)),
        ),
        "pets": (
            _text("name", "Name", hubspot_defined=False),
            _choice("species", "Species", "cat dog horse rabbit", hubspot_defined=False),
            _date("born_on", "Born on", hubspot_defined=False),
            _number("weight_kg", "Weight", hubspot_defined=False),
            _text("chip_id", "Chip id", has_unique_value=True, hubspot_defined=False),
        ),
    }


OBJECT_TYPES = (
    ObjectType(
        name="contacts",
        object_type_id="0-1",
        singular="Contact",
        scope="contacts",
        default_properties=("email", "firstname", "lastname"),
    ),
    ObjectType(
        name="companies",
        object_type_id="0-2",
        singular="Company",
        scope="companies",
        default_properties=("name", "domain"),
    ),
    ObjectType(
        name="deals",
        object_type_id="0-3",
        singular="Deal",
        scope="deals",
        default_properties=("dealname", "amount", "closedate", "pipeline", "dealstage"),
    ),
    ObjectType(
        name="tickets",
        object_type_id="0-5",
        singular="Ticket",
        scope="tickets",
        default_properties=("subject", "content", "hs_pipeline", "hs_pipeline_stage", "hs_ticket_priority"),
    ),
    ObjectType(name="pets", object_type_id="2-1234567", singular="Pet", scope="custom"),
)


def seeded_properties(object_type: str, extra: int = 0) -> dict[str, PropertyDefinition]:
    """The definitions that an object type starts with, by name.

    :param extra: So many further text properties, ``extra_0001`` and on: real portals have hundreds.
    """
    more = (
        PropertyDefinition(name=f"extra_{number:04d}", label=f"Extra {number}", hubspot_defined=False)
        for number in range(1, extra + 1)
    )
    own = _own_properties().get(object_type, ())
    return {definition.name: definition for definition in (*SYSTEM_PROPERTIES, *own, _OWNER, *CUSTOM_PROPERTIES, *more)}
