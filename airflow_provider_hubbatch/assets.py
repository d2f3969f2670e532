"""Assets of HubSpot: ``hubspot://{portal}/{object_type}``, as ``hubspot://123456/contacts``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset

if TYPE_CHECKING:
    from urllib.parse import SplitResult

SCHEME = "hubspot"

_NAME = re.compile(r"[A-Za-z0-9_-]+")


def create_asset(*, portal_id: int | str, object_type: str, extra: dict[str, Any] | None = None) -> Asset:
    """The asset of one object type of an account.

    :param portal_id: the account's id.
    :param object_type: ``contacts``, ``2-1234567``, ...
    """
    return Asset(uri=f"{SCHEME}://{portal_id}/{object_type}", extra=extra)


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Check an asset's URI, as Airflow asks of its scheme's provider.

    :raises ValueError: it isn't ``hubspot://{portal}/{object_type}``.
    """
    object_type = uri.path.removeprefix("/").rstrip("/")
    if not uri.netloc.isdigit() or not _NAME.fullmatch(object_type):
        raise ValueError("an asset of HubSpot is hubspot://{portal id}/{object type}, as hubspot://123456/contacts")
    return uri._replace(path=f"/{object_type}", query="", fragment="")


def convert_asset_to_openlineage(asset: Asset, lineage_context: Any) -> Any:  # noqa: ARG001 - Airflow's signature
    """The asset as OpenLineage names it."""
    from airflow.providers.common.compat.openlineage.facet import Dataset  # noqa: PLC0415 - only where it is used

    namespace, _, object_type = str(asset.uri).rpartition("/")
    return Dataset(namespace=namespace, name=object_type)
