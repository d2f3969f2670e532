"""The Airflow plugin: the tab "Sync" of a task instance, and the page "HubSpot syncs" in the navigation.

Every process of Airflow imports this module, workers too: it must stay as small as it is.
"""

from __future__ import annotations

from typing import Any

try:
    from airflow.plugins_manager import AirflowPlugin
except ImportError:  # a worker that has the task SDK alone
    from airflow.sdk.plugins_manager import AirflowPlugin  # type: ignore[assignment]

from airflow_provider_hubbatch.ui.pages import Pages

# Where the pages are served, below Airflow's base URL.
URL_PREFIX = "/hubbatch"

# Airflow's own addresses: .../tasks/{task_id}/plugin/{this}, and /plugin/{this}
TAB_ROUTE = "hubspot-sync"
NAVIGATION_ROUTE = "hubspot-syncs"

# Airflow 3.0 has no external views: the plugin is there, and empty.
_HAS_VIEWS = hasattr(AirflowPlugin, "external_views")

# Addresses without a leading slash are below the base URL, whatever its path.
_ICON = {"icon": "hubbatch/icon.svg"}
_TAB = {
    "name": "Sync",
    "destination": "task_instance",
    "href": "hubbatch/sync.html?dag_id={DAG_ID}&run_id={RUN_ID}&task_id={TASK_ID}&map_index={MAP_INDEX}",
    "url_route": TAB_ROUTE,
    **_ICON,
}
_NAVIGATION = {
    "name": "HubSpot syncs",
    "destination": "nav",
    "href": "hubbatch/syncs.html",
    "url_route": NAVIGATION_ROUTE,
    **_ICON,
}


class HubSpotSyncsPlugin(AirflowPlugin):
    """Static pages that read Airflow's REST API with the viewer's own session."""

    name = "hubspot_syncs"
    fastapi_apps: list[Any] = (
        [{"name": "HubSpot syncs", "app": Pages(), "url_prefix": URL_PREFIX}] if _HAS_VIEWS else []
    )
    external_views: list[Any] = [_TAB, _NAVIGATION] if _HAS_VIEWS else []
