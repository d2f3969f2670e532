"""HubSpot's endpoints: their paths, the scopes they need, and those that are no batches."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from airflow_provider_hubbatch.sandbox import batches
from airflow_provider_hubbatch.sandbox.checks import refusal
from airflow_provider_hubbatch.sandbox.inputs import parse_json
from airflow_provider_hubbatch.sandbox.replies import (
    RefusedError,
    Reply,
    error_body,
    json_reply,
    not_found,
    validation_error,
)
from airflow_provider_hubbatch.sandbox.schema import PropertyDefinition
from airflow_provider_hubbatch.sandbox.values import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_hubbatch.sandbox.portal import Call, Portal
    from airflow_provider_hubbatch.sandbox.store import Table

VERSIONS = frozenset({"2026-03", "2026-09"})
_PROPERTY_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One endpoint.

    :param path: With ``{version}``; also served under ``legacy_path``, where HubSpot's official client calls it.
    :param access: What its scopes are of: ``read``, ``write``, ``schema_read``, ``schema_write``. ``None``: none.
    :param needs_token: Without, it isn't counted, either.
    """

    method: str
    path: str
    legacy_path: str
    handler: Callable[[Portal, Call], Reply]
    access: str | None = None
    needs_token: bool = True

    @property
    def is_account_info(self) -> bool:
        """Whether it tells about the account itself."""
        return self.path.startswith("/account-info/")


def get_object(portal: Portal, call: Call) -> Reply:
    """One record; a merged id gives the surviving one."""
    table = portal.table(call)
    record = table.live(table.merged.get(call.name, call.name))
    if record is None:
        raise not_found()
    return json_reply(200, record.as_json(_asked_for(call, table)))


def update_object(portal: Portal, call: Call) -> Reply:
    """Updates one record."""
    table = portal.table(call)
    record = table.live(table.merged.get(call.name, call.name))
    properties = parse_json(call.body).get("properties")
    if not isinstance(properties, dict):
        raise validation_error("properties are required")
    if record is None:
        raise not_found()
    checked = batches.checker(portal, table, call.version).check(properties, record)
    if checked.problems:
        raise refusal(checked.problems, table, portal.behaviours)
    changed = portal.store.write(table, record, checked.values)
    return json_reply(200, record.as_json((*changed, *table.shown_by_default())))


def list_objects(portal: Portal, call: Call) -> Reply:
    """A page of records, and where the next one begins."""
    table = portal.table(call)
    limit, after = call.query.get("limit", "10"), call.query.get("after", "0")
    if not (limit.isdigit() and after.isdigit() and 1 <= int(limit) <= 100):
        raise validation_error("limit must be 1 to 100, and after what the last page gave")
    live = (record for record in table.records.values() if record.archived_at is None)
    page = list(islice(live, int(after), int(after) + int(limit) + 1))
    names = _asked_for(call, table)
    body: dict[str, Any] = {"results": [record.as_json(names) for record in page[: int(limit)]]}
    if len(page) > int(limit):
        body["paging"] = {"next": {"after": str(int(after) + int(limit))}}
    return json_reply(200, body)


def list_properties(portal: Portal, call: Call) -> Reply:
    """The definitions of an object type."""
    archived = call.query.get("archived") == "true"
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


def account_details(portal: Portal, _call: Call) -> Reply:
    """The account: the cheapest way to test a token."""
    offset = portal.now().astimezone(portal.quota.zone).utcoffset() or timedelta()
    minutes = int(offset.total_seconds() // 60)
    return json_reply(
        200,
        {
            "portalId": portal.portal_id,
            "accountType": portal.settings.account_type,
            "timeZone": portal.settings.time_zone,
            "companyCurrency": "EUR",
            "additionalCurrencies": [],
            "utcOffset": f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}",
            "utcOffsetMilliseconds": minutes * 60_000,
            "uiDomain": "app.hubspot.com",
            "dataHostingLocation": "na1",
        },
    )


def daily_usage(portal: Portal, _call: Call) -> Reply:
    """The calls that all private apps made today."""
    usage: dict[str, Any] = {
        "name": "private-apps-api-calls-daily",
        "usageLimit": portal.quota.limit,
        "currentUsage": portal.quota.spent,
        "collectedAt": timestamp(portal.now()),
        "fetchStatus": "SUCCESS",
        "resetsAt": timestamp(portal.quota.resets_at),
    }
    return json_reply(200, {"results": [usage]})


def refresh_token(portal: Portal, call: Call) -> Reply:
    """A new access token for an OAuth refresh token."""
    form = dict(parse_qsl(call.body.decode(errors="replace")))
    token = portal.tokens.refresh(form, portal.behaviours.bad_refresh_token_error)
    return json_reply(
        200,
        {
            "access_token": token.value,
            "refresh_token": portal.tokens.oauth.refresh_token,
            "expires_in": int(portal.tokens.oauth.expires_in_seconds),
            "token_type": "bearer",
            "token_use": "access_token",
            "hub_id": portal.portal_id,
            "user_id": 4242,
            "scopes": sorted(token.scopes or ()),
        },
    )


def _asked_for(call: Call, table: Table) -> tuple[str, ...]:
    asked = call.query.get("properties", "").split(",")
    return (*(name for name in asked if name in table.definitions), *table.shown_by_default())


def unknown_path(_portal: Portal, call: Call) -> Reply:
    """Any other path."""
    raise not_found(f"No endpoint {call.method} {call.path}")


def _objects(method: str, tail: str, handler: Callable[[Portal, Call], Reply], access: str) -> Endpoint:
    return Endpoint(
        method=method,
        path="/crm/objects/{version}" + tail,
        legacy_path="/crm/v3/objects" + tail,
        handler=handler,
        access=access,
    )


def _properties(method: str, tail: str, handler: Callable[[Portal, Call], Reply], access: str) -> Endpoint:
    return Endpoint(
        method=method,
        path="/crm/properties/{version}" + tail,
        legacy_path="/crm/v3/properties" + tail,
        handler=handler,
        access=access,
    )


ENDPOINTS = (
    _objects("POST", "/{object_type}/batch/update", batches.update, "write"),
    _objects("POST", "/{object_type}/batch/read", batches.read, "read"),
    _objects("POST", "/{object_type}/batch/create", batches.create, "write"),
    _objects("POST", "/{object_type}/batch/upsert", batches.upsert, "write"),
    _objects("POST", "/{object_type}/batch/archive", batches.archive, "write"),
    _objects("GET", "/{object_type}", list_objects, "read"),
    _objects("GET", "/{object_type}/{name}", get_object, "read"),
    _objects("PATCH", "/{object_type}/{name}", update_object, "write"),
    _properties("GET", "/{object_type}", list_properties, "schema_read"),
    _properties("POST", "/{object_type}", create_property, "schema_write"),
    _properties("GET", "/{object_type}/{name}", get_property, "schema_read"),
    Endpoint(
        method="GET",
        path="/account-info/{version}/details",
        legacy_path="/account-info/v3/details",
        handler=account_details,
    ),
    Endpoint(
        method="GET",
        path="/account-info/{version}/api-usage/daily/private-apps",
        legacy_path="/account-info/v3/api-usage/daily/private-apps",
        handler=daily_usage,
    ),
    Endpoint(
        method="POST",
        path="/oauth/{version}/token",
        legacy_path="/oauth/v1/token",
        handler=refresh_token,
        needs_token=False,
    ),
)
UNKNOWN = Endpoint(method="*", path="/{rest:path}", legacy_path="", handler=unknown_path, needs_token=False)
