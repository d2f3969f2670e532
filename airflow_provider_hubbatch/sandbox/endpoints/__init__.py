"""HubSpot's endpoints, by family: their paths, the scopes they need, and what answers them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_hubbatch.sandbox.endpoints import (
    account,
    associations,
    batches,
    objects,
    owners,
    properties,
    reading,
    search,
)
from airflow_provider_hubbatch.sandbox.replies import method_not_allowed, not_found

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_hubbatch.sandbox.portal import Call, Portal
    from airflow_provider_hubbatch.sandbox.replies import Reply

Scopes = tuple[tuple[str, ...], ...]
VERSIONS = frozenset({"2026-03", "2026-09"})


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One endpoint.

    :param path: With ``{version}``; also served under ``legacy_path``, where HubSpot's official client calls it.
    :param needs: The scopes that it needs: one of each group.
    :param needs_token: Without, it isn't counted, either.
    :param pace: Which limits count it: ``objects``, ``associations`` or ``search``.
    :param status: Of a reply without errors.
    :param later_status: The same from 2026-09 on; ``None``: as before.
    """

    method: str
    path: str
    legacy_path: str
    handler: Callable[[Portal, Call], Reply]
    needs: Callable[[Portal, Call], Scopes]
    needs_token: bool = True
    pace: str = "objects"
    status: int = 200
    later_status: int | None = None

    @property
    def is_account_info(self) -> bool:
        """Whether it tells about the account itself."""
        return self.path.startswith("/account-info/")

    def status_of(self, version: str) -> int:
        """The status of a reply without errors."""
        return self.later_status if self.later_status is not None and version >= "2026-09" else self.status


def _nothing(_portal: Portal, _call: Call) -> Scopes:
    return ()


def _of_object(access: str) -> Callable[[Portal, Call], Scopes]:
    def needed(portal: Portal, call: Call) -> Scopes:
        return (portal.table(call).object_type.scopes(access),)

    return needed


def _of_both(*accesses: str) -> Callable[[Portal, Call], Scopes]:
    def needed(portal: Portal, call: Call) -> Scopes:
        types = (portal.table(call).object_type, portal.to_table(call).object_type)
        return tuple(one.scopes(access) for one in types for access in accesses)

    return needed


def _of_owners(_portal: Portal, _call: Call) -> Scopes:
    return (("crm.objects.owners.read",),)


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
        needs=_of_object(access),
        pace="search" if tail == "/search" else "objects",
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
        needs=_of_object(access),
        status=status,
    )


def _associations(
    method: str,
    tail: str,
    handler: Callable[[Portal, Call], Reply],
    *accesses: str,
    status: int = 200,
    later_status: int | None = None,
) -> Endpoint:
    return Endpoint(
        method=method,
        path="/crm/associations/{version}/{object_type}/{to_type}" + tail,
        legacy_path="/crm/v4/associations/{object_type}/{to_type}" + tail,
        handler=handler,
        needs=_of_both(*accesses),
        # HubSpot's descriptions exempt the batch calls from the ten-second window, and no others
        pace="associations" if tail.startswith("/batch/") else "objects",
        status=status,
        later_status=later_status,
    )


def _owners(tail: str, handler: Callable[[Portal, Call], Reply]) -> Endpoint:
    return Endpoint(
        method="GET",
        path="/crm/owners/{version}" + tail,
        legacy_path="/crm/v3/owners" + tail,
        handler=handler,
        needs=_of_owners,
    )


ENDPOINTS = (
    _objects("POST", "/batch/update", batches.update, "write"),
    _objects("POST", "/batch/read", reading.read, "read"),
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
    _associations("POST", "/batch/create", associations.create, "read", "write", status=201, later_status=200),
    _associations("POST", "/batch/associate/default", associations.create_default, "read", "write"),
    _associations("POST", "/batch/archive", associations.archive, "read", "write", status=204),
    _associations("POST", "/batch/labels/archive", associations.archive_labels, "read", "write", status=204),
    _associations("POST", "/batch/read", associations.read, "read"),
    _associations("GET", "/labels", associations.labels, "read"),
    _owners("", owners.list_owners),
    _owners("/{name}", owners.get_owner),
    Endpoint(
        method="GET",
        path="/account-info/{version}/details",
        legacy_path="/account-info/v3/details",
        handler=account.account_details,
        needs=_nothing,
    ),
    Endpoint(
        method="GET",
        path="/account-info/{version}/api-usage/daily/private-apps",
        legacy_path="/account-info/v3/api-usage/daily/private-apps",
        handler=account.daily_usage,
        needs=_nothing,
    ),
    Endpoint(
        method="POST",
        path="/oauth/{version}/token",
        legacy_path="/oauth/v1/token",
        handler=account.refresh_token,
        needs=_nothing,
        needs_token=False,
    ),
)
UNKNOWN = Endpoint(method="*", path="", legacy_path="", handler=_unknown_path, needs=_nothing, needs_token=False)
OTHER_METHOD = Endpoint(method="*", path="", legacy_path="", handler=_other_method, needs=_nothing, needs_token=False)
