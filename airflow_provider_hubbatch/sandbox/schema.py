"""The object types, property definitions and pipelines that the sandbox starts with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from airflow_provider_hubbatch.sandbox.definitions import ObjectType, Option, PropertyDefinition
from airflow_provider_hubbatch.sandbox.rules import PipelineRule

LIFECYCLE_STAGES = (
    "subscriber",
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "opportunity",
    "customer",
    "evangelist",
)
_DEAL_STAGES = {
    "default": ("appointmentscheduled", "qualifiedtobuy", "contractsent", "closedwon", "closedlost"),
    "renewals": ("registered", "inreview", "renewed", "lapsed"),
}
_TICKET_STAGES = {"0": ("1", "2", "3", "4"), "1": ("5", "6", "7")}


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


def _stages(pipelines: dict[str, tuple[str, ...]]) -> str:
    return " ".join(stage for stages in pipelines.values() for stage in stages)


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
    name="hubspot_owner_id",
    label="Owner",
    type="enumeration",
    field_type="select",
    external_options=True,
    referenced_object_type="OWNER",
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
            _choice("pipeline", "Pipeline", " ".join(_DEAL_STAGES)),
            _choice("dealstage", "Deal stage", _stages(_DEAL_STAGES), "radio"),
            _text("closed_lost_reason", "Closed lost reason", field_type="textarea"),
            _choice("dealtype", "Deal type", "newbusiness existingbusiness"),
            _number("hs_forecast_amount", "Forecast amount", calculated=True),
            _custom(_text("order_number", "Order number", has_unique_value=True)),
        ),
        "tickets": (
            _text("subject", "Ticket name"),
            _text("content", "Ticket description", field_type="textarea"),
            _choice("hs_pipeline", "Pipeline", " ".join(_TICKET_STAGES)),
            _choice("hs_pipeline_stage", "Ticket status", _stages(_TICKET_STAGES)),
            _choice("hs_ticket_priority", "Priority", "LOW MEDIUM HIGH URGENT"),
            _text("hs_external_object_ids", "External object ids"),
            _custom(_text("case_number", "Case number", has_unique_value=True)),
        ),
        "products": (
            _text("name", "Name"),
            _text("hs_sku", "SKU"),
            _number("price", "Unit price"),
            _text("description", "Product description", field_type="textarea"),
        ),
        "line_items": (
            _text("name", "Name"),
            _text("hs_external_id", "External id"),
            _text("hs_product_id", "Product id"),
            _number("quantity", "Quantity"),
            _number("price", "Unit price"),
        ),
        "notes": (
            _text("hs_note_body", "Note body", field_type="textarea"),
            _datetime("hs_timestamp", "Activity date"),
        ),
        "tasks": (
            _text("hs_task_subject", "Task title"),
            _text("hs_task_body", "Notes", field_type="textarea"),
            _choice("hs_task_status", "Task status", "NOT_STARTED IN_PROGRESS WAITING COMPLETED"),
            _datetime("hs_timestamp", "Due date"),
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
        keys=("email",),
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
        keys=("hs_external_object_ids",),
    ),
    ObjectType(
        name="products",
        object_type_id="0-7",
        singular="Product",
        scope="products",
        default_properties=("name", "description", "price"),
        keys=("hs_sku",),
    ),
    ObjectType(
        name="line_items",
        object_type_id="0-8",
        singular="Line item",
        scope="line_items",
        default_properties=("quantity", "price"),
        keys=("hs_external_id",),
    ),
    # Activities go by the scopes of contacts
    ObjectType(name="notes", object_type_id="0-46", singular="Note", scope="contacts"),
    ObjectType(name="tasks", object_type_id="0-27", singular="Task", scope="contacts"),
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


def seeded_rules(object_type: str) -> list[PipelineRule]:
    """The pipelines that an object type starts with."""
    match object_type:
        case "deals":
            return [PipelineRule(pipeline="pipeline", stage="dealstage", stages=dict(_DEAL_STAGES))]
        case "tickets":
            return [PipelineRule(pipeline="hs_pipeline", stage="hs_pipeline_stage", stages=dict(_TICKET_STAGES))]
    return []
