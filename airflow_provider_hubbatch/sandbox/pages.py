"""The page that shows what the sandbox holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_hubbatch.sandbox.portal import Portal


def overview(portal: Portal) -> str:
    """The page as HTML."""
    return f"<h1>HubSpot sandbox {portal.portal_id}</h1>"
