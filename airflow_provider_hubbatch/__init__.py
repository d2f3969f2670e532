"""Keep HubSpot CRM records in step with a warehouse, from Apache Airflow."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def get_provider_info() -> dict[str, Any]:
    """What Airflow reads of this provider, through the entry point ``apache_airflow_provider``.

    :returns: a dict that is valid by ``airflow/provider_info.schema.json``.
    """
    return {
        "package-name": "airflow-provider-hubbatch",
        "name": "HubSpot batch",
        "description": "Keep HubSpot CRM records in step with a warehouse.",
        "integrations": [
            {
                "integration-name": "HubSpot",
                "external-doc-url": "https://developers.hubspot.com/docs/api-reference/overview",
                "tags": ["service"],
            }
        ],
        "operators": [{"integration-name": "HubSpot", "python-modules": ["airflow_provider_hubbatch.operators"]}],
        "hooks": [{"integration-name": "HubSpot", "python-modules": ["airflow_provider_hubbatch.hooks"]}],
        "asset-uris": [
            {
                "schemes": ["hubspot"],
                "handler": "airflow_provider_hubbatch.assets.sanitize_uri",
                "factory": "airflow_provider_hubbatch.assets.create_asset",
                "to_openlineage_converter": "airflow_provider_hubbatch.assets.convert_asset_to_openlineage",
            }
        ],
        "extra-links": [
            "airflow_provider_hubbatch.links.HubSpotObjectsLink",
            "airflow_provider_hubbatch.links.ResultFilesLink",
        ],
        "connection-types": [
            {
                "connection-type": "hubspot",
                "hook-class-name": "airflow_provider_hubbatch.hooks.HubSpotHook",
                "hook-name": "HubSpot",
            }
        ],
    }
