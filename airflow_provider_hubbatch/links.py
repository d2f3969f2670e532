"""Links on the task's page: what became of its rows, the records in HubSpot, and the result files.

Airflow computes a link in the worker at the end of the task, failed ones too, and keeps it as an XCom.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from airflow.providers.common.compat.sdk import BaseOperatorLink, conf

from airflow_provider_hubbatch.core.redact import show_path

if TYPE_CHECKING:
    from collections.abc import Mapping

# HubSpot: "Object type IDs" (docs, Understanding the CRM APIs)
_OBJECT_TYPE_IDS = {
    "contacts": "0-1",
    "companies": "0-2",
    "deals": "0-3",
    "tickets": "0-5",
    "products": "0-7",
    "line_items": "0-8",
    "quotes": "0-14",
}
_OBJECT_TYPE_ID = re.compile(r"[0-9]+-[0-9]+")
_UI_DOMAIN = re.compile(r"(?:[a-z0-9-]+\.)+[a-z]{2,}")
_THIS_MACHINE = re.compile(r"(?:127\.0\.0\.1|localhost):[0-9]{1,5}")
DEFAULT_UI_DOMAIN = "app.hubspot.com"


class SyncLink(BaseOperatorLink):
    """The tab "Sync" of the task, which Airflow shows on every task: the link is on those that have something there."""

    name = "Sync"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002 - Airflow's signature
        """The address; empty in Airflow 3.0, which has no such tabs."""
        from airflow_provider_hubbatch.ui.plugin import TAB_ROUTE, HubSpotSyncsPlugin  # noqa: PLC0415 - at the end only

        if not HubSpotSyncsPlugin.external_views:
            return ""
        base = conf.get("api", "base_url", fallback="/")
        task = f"dags/{_part(ti_key.dag_id)}/runs/{_part(ti_key.run_id)}/tasks/{_part(ti_key.task_id)}"
        instance = f"/mapped/{ti_key.map_index}" if ti_key.map_index is not None and ti_key.map_index >= 0 else ""
        return f"{(base or '/').rstrip('/')}/{task}{instance}/plugin/{TAB_ROUTE}"


class HubSpotObjectsLink(BaseOperatorLink):
    """The list of the object's records in HubSpot."""

    name = "HubSpot records"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002 - Airflow's signature
        """The address; empty where the account or the object type's id isn't known."""
        return objects_address(operator.account_details(), str(operator.shown_object_type))


class ResultFilesLink(BaseOperatorLink):
    """The folder with one outcome a row."""

    name = "Result files"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002 - Airflow's signature
        """The address; empty without ``results_path``, or where its storage has no page that a browser can open."""
        return folder_address(operator.results_path)


def _part(name: str) -> str:
    """A part of an address: a run id has colons and a plus."""
    return quote(name, safe="")


def objects_address(account: Mapping[str, Any], object_type: str) -> str:
    """The address of an object's list in HubSpot.

    :param account: the account's details: ``portalId`` and ``uiDomain``.
    """
    type_id, site = _OBJECT_TYPE_IDS.get(object_type, object_type), account_address(account)
    return f"{site}/objects/{type_id}/views/all/list" if site and _OBJECT_TYPE_ID.fullmatch(type_id) else ""


def record_address(account: Mapping[str, Any], object_type: str) -> str:
    """The address of an object's record in HubSpot, with ``{record_id}`` in the place of its id.

    :param account: as for :func:`objects_address`.
    """
    type_id, site = _OBJECT_TYPE_IDS.get(object_type, object_type), account_address(account)
    return f"{site}/record/{type_id}/{{record_id}}" if site and _OBJECT_TYPE_ID.fullmatch(type_id) else ""


def account_address(account: Mapping[str, Any]) -> str:
    """What the addresses of an account's pages begin with; empty where the account isn't known.

    What an account says of itself can lead to HubSpot or to this machine (the local HubSpot), to no other site.
    """
    portal = str(account.get("portalId") or "")
    domain = str(account.get("uiDomain") or DEFAULT_UI_DOMAIN).lower()
    if not portal.isdigit():
        return ""
    if _THIS_MACHINE.fullmatch(domain):
        return f"http://{domain}/contacts/{portal}"
    return f"https://{domain}/contacts/{portal}" if _UI_DOMAIN.fullmatch(domain) else ""


def folder_address(results_path: Any) -> str:
    """The page of a folder in its storage's own console."""
    parts = urlsplit(show_path(results_path or ""))
    bucket, prefix = quote(parts.netloc.rpartition("@")[2]), quote(parts.path.strip("/"))
    match parts.scheme:
        case "s3" | "s3a" | "s3n":
            return f"https://s3.console.aws.amazon.com/s3/buckets/{bucket}?prefix={prefix}/"
        case "gs" | "gcs":
            return f"https://console.cloud.google.com/storage/browser/{bucket}/{prefix}"
        case "http" | "https":
            return f"{parts.scheme}://{bucket}/{prefix}"
        case _:
            return ""
