"""HubSpot's endpoints, by family: their paths, the scopes they need, and what answers them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_hubbatch.sandbox.endpoints import account, batches, objects, properties, search
from airflow_provider_hubbatch.sandbox.replies import method_not_allowed, not_found

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_hubbatch.sandbox.portal import Call, Portal
    from airflow_provider_hubbatch.sandbox.replies import Reply

VERSIONS = frozenset({"2026-03", "2026-09"})


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One endpoint.

    :param path: With ``{version}``; also served under ``legacy_path``, where HubSpot's official client calls it.
    :param access: What its scopes are of: ``read``, ``write``, ``schema_read``, ``schema_write``. ``None``: none.
    :param needs_token: Without, it isn't counted, either.
    :param status: Of a reply without errors.
    """

    method: str
    path: str
    legacy_path: str
    handler: Callable[[Portal, Call], Reply]
    access: str | None = None
    needs_token: bool = True
    status: int = 200

    @property
    def is_account_info(self) -> bool:
        """Whether it tells about the account itself."""
        return self.path.startswith("/account-info/")


def _unknown_path(_portal: Portal, call: Call) -> Reply:
    raise not_found(f"No endpoint {call.method} {call.path}")


def _other_method(_portal: Portal, _call: Call) -> Reply:
    raise method_not_allowed()


def _objects(
    method: str, tail: str, handler: Callable[[Portal, Call], Reply], access: str, status: int = 200
) -> Endpoint:
    return Endpoint(
        method=method,
        path="/crm/objects/{version}/{object_type}" + tail,
        legacy_path="/crm/v3/objects/{object_type}" + tail,
        handler=handler,
        access=access,
        status=status,
    )


def _properties(
    method: str, tail: str, handler: Callable[[Portal, Call], Reply], access: str, status: int = 200
) -> Endpoint:
    return Endpoint(
        method=method,
        path="/crm/properties/{version}/{object_type}" + tail,
        legacy_path="/crm/v3/properties/{object_type}" + tail,
        handler=handler,
        access=access,
        status=status,
    )


ENDPOINTS = (
    _objects("POST", "/batch/update", batches.update, "write"),
    _objects("POST", "/batch/read", batches.read, "read"),
    _objects("POST", "/batch/create", batches.create, "write", 201),
    _objects("POST", "/batch/upsert", batches.upsert, "write"),
    _objects("POST", "/batch/archive", batches.archive, "write", 204),
    _objects("POST", "/search", search.search, "read"),
    _objects("GET", "", objects.list_objects, "read"),
    _objects("POST", "", objects.create_object, "write", 201),
    _objects("GET", "/{name}", objects.get_object, "read"),
    _objects("PATCH", "/{name}", objects.update_object, "write"),
    _objects("DELETE", "/{name}", objects.archive_object, "write", 204),
    _properties("GET", "", properties.list_properties, "schema_read"),
    _properties("POST", "", properties.create_property, "schema_write", 201),
    _properties("GET", "/{name}", properties.get_property, "schema_read"),
    Endpoint(
        method="GET",
        path="/account-info/{version}/details",
        legacy_path="/account-info/v3/details",
        handler=account.account_details,
    ),
    Endpoint(
        method="GET",
        path="/account-info/{version}/api-usage/daily/private-apps",
        legacy_path="/account-info/v3/api-usage/daily/private-apps",
        handler=account.daily_usage,
    ),
    Endpoint(
        method="POST",
        path="/oauth/{version}/token",
        legacy_path="/oauth/v1/token",
        handler=account.refresh_token,
        needs_token=False,
    ),
)
UNKNOWN = Endpoint(method="*", path="", legacy_path="", handler=_unknown_path, needs_token=False)
OTHER_METHOD = Endpoint(method="*", path="", legacy_path="", handler=_other_method, needs_token=False)
