"""What Airflow reads of this provider: operators, hooks, links, pages, and the connection form."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """The provider's description.

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
        "plugins": [
            {
                "name": "hubspot_syncs",
                "plugin-class": "airflow_provider_hubbatch.ui.plugin.HubSpotSyncsPlugin",
            }
        ],
        "asset-uris": [
            {
                "schemes": ["hubspot"],
                "handler": "airflow_provider_hubbatch.assets.sanitize_uri",
                "factory": "airflow_provider_hubbatch.assets.create_asset",
                "to_openlineage_converter": "airflow_provider_hubbatch.assets.convert_asset_to_openlineage",
            }
        ],
        "extra-links": [
            "airflow_provider_hubbatch.links.SyncLink",
            "airflow_provider_hubbatch.links.HubSpotObjectsLink",
            "airflow_provider_hubbatch.links.ResultFilesLink",
        ],
        "connection-types": [
            {
                "connection-type": "hubspot",
                "hook-class-name": "airflow_provider_hubbatch.hooks.HubSpotHook",
                "hook-name": "HubSpot",
                "conn-fields": _connection_fields(),
                "ui-field-behaviour": {
                    # not the port: Airflow 3.3's button refuses to test a connection that has none
                    "hidden-fields": ["schema", "login"],
                    "relabeling": {"host": "Base URL", "password": "Access token"},
                    "placeholders": {
                        "host": "https://api.hubapi.com",
                        "port": "443 (Airflow 3.3's Test button needs one)",
                        "password": "pat-na1-... (empty for OAuth)",
                    },
                },
            }
        ],
    }


def _connection_fields() -> dict[str, Any]:
    """The connection form's fields beside Airflow's own; their values land in the connection's extra."""
    text = {"type": ["string", "null"]}
    secret = {**text, "format": "password"}
    return {
        "portal_id": {
            "label": "HubSpot account ID",
            "description": "Recommended: the account (Hub ID) that this connection must lead to, such as 123456. A "
            "sync stops before its first write if the token is another account's.",
            "schema": {"type": ["integer", "null"], "minimum": 1},
        },
        "auth_type": {
            "label": "Authentication",
            "description": "token: the access token above. oauth: the three fields below.",
            "schema": {**text, "enum": ["token", "oauth"], "default": "token"},
        },
        "client_id": {
            "label": "OAuth client ID",
            "description": "For oauth: of the app, as its Auth page in HubSpot shows it.",
            "schema": text,
        },
        "client_secret": {
            "label": "OAuth client secret",
            "description": "For oauth: of the same app.",
            "schema": secret,
        },
        "refresh_token": {
            "label": "OAuth refresh token",
            "description": "For oauth: what HubSpot gave when the account's admin installed the app.",
            "schema": secret,
        },
        "requests_per_10_seconds": {
            "label": "Requests per 10 seconds",
            "description": "A cap, to leave some for other programs. Empty: the account's limit, as HubSpot's replies "
            "tell it.",
            "schema": {"type": ["integer", "null"], "minimum": 1, "maximum": 1_000_000},
        },
        "api_version": {
            "label": "API version",
            "description": "Of HubSpot's API: a date such as 2026-03, which is used when this is empty.",
            "schema": {**text, "pattern": "^(20[0-9]{2}-[0-9]{2}(-beta)?)?$", "examples": ["2026-03", "2026-09"]},
        },
    }
