"""Property definitions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airflow_provider_hubbatch.sandbox.definitions import PropertyDefinition
from airflow_provider_hubbatch.sandbox.inputs import parse_json
from airflow_provider_hubbatch.sandbox.replies import (
    RefusedError,
    Reply,
    error_body,
    json_reply,
    not_found,
    validation_error,
)

if TYPE_CHECKING:
    from airflow_provider_hubbatch.sandbox.portal import Call, Portal

_PROPERTY_NAME = re.compile(r"[a-z][a-z0-9_]*")


def list_properties(portal: Portal, call: Call) -> Reply:
    """The definitions of an object type."""
    archived = call.wants_archived
    found = [one.as_json() for one in portal.table(call).definitions.values() if one.archived == archived]
    return json_reply(200, {"results": found})


def get_property(portal: Portal, call: Call) -> Reply:
    """One definition."""
    definition = portal.table(call).definitions.get(call.name)
    if definition is None:
        raise not_found(f"Property {call.name} does not exist")
    return json_reply(200, definition.as_json())


def create_property(portal: Portal, call: Call) -> Reply:
    """A new custom property."""
    table = portal.table(call)
    body = parse_json(call.body)
    name = str(body.get("name", ""))
    if not _PROPERTY_NAME.fullmatch(name):
        raise validation_error(f'Invalid property name "{name}": lower case letters, digits and underscores only')
    if name in table.definitions:
        raise RefusedError(409, error_body(f"A property named '{name}' already exists.", "OBJECT_ALREADY_EXISTS"))
    try:
        definition = PropertyDefinition.from_json(body)
    except (AttributeError, KeyError, TypeError):
        raise validation_error("The property's definition is not of the right shape") from None
    table.add_property(definition)
    return json_reply(201, definition.as_json())
