"""Clients of the connection ``hubspot_default``, as the hook makes them, but less patient."""

from __future__ import annotations

from airflow_provider_hubbatch.client.client import HubSpotClient
from airflow_provider_hubbatch.client.settings import ConnectionSettings
from airflow_provider_hubbatch.core.verdicts import RetryPolicy


def impatient_client(max_elapsed_seconds: float = 0.5) -> HubSpotClient:
    """One that gives up on a request soon."""
    from airflow.sdk import Connection

    settings = ConnectionSettings.from_connection(Connection.get("hubspot_default"))
    policy = RetryPolicy(max_elapsed_seconds=max_elapsed_seconds, backoff_cap_seconds=0.1)
    return HubSpotClient(settings, user_agent="test", policy=policy)
