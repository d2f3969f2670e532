"""The connection form's button: which account a connection points at, and what it lacks, in a sentence."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.client.scopes import STANDARD_TYPES, find_scope
from airflow_provider_hubbatch.core.verdicts import RetryPolicy

if TYPE_CHECKING:
    from airflow_provider_hubbatch.client.client import HubSpotClient
    from airflow_provider_hubbatch.client.settings import ConnectionSettings

# Somebody looks at the button: one more try after a moment, then the answer.
POLICY = RetryPolicy(
    max_elapsed_seconds=3.0,
    max_attempts=3,
    backoff_cap_seconds=1.0,
    window_seconds=2.0,
    max_hint_seconds=1.0,
    max_migration_seconds=1.0,
)
_TIMEOUT_SECONDS = (5.0, 10.0)


def patient_for_seconds(settings: ConnectionSettings) -> ConnectionSettings:
    """The same connection, for somebody who waits for the answer: timeouts of seconds."""
    connect, read = map(min, settings.timeout_seconds, _TIMEOUT_SECONDS)
    return replace(settings, timeout_seconds=(connect, read))


def describe(client: HubSpotClient) -> tuple[bool, str]:
    """Whether the connection works, and a sentence about it.

    :param client: of the connection; nothing is written with it.
    :raises HubSpotError: it doesn't; the error says why.
    """
    details = client.account()
    if not details.get("portalId"):
        return False, "What answers is not HubSpot's API: it names no account. Check the connection's host"
    client.check_account(details)
    return True, f"{_account(details)}: {_limits(client)}. {_scopes(client)}"


def _account(details: dict[str, Any]) -> str:
    kind = str(details.get("accountType") or "unknown").lower().replace("_", " ")
    return f"HubSpot account {details['portalId']} ({kind})"


def _limits(client: HubSpotClient) -> str:
    pace, cap = client.pace, client.settings.requests_per_10_seconds
    limit = f"{pace.requests_per_10_seconds():.0f} requests per 10 s{' as this connection caps it' if cap else ''}"
    return limit if pace.daily_remaining is None else f"{limit}, {pace.daily_remaining:,} API calls left today"


def _scopes(client: HubSpotClient) -> str:
    """Which write scopes are missing, as far as that can be told without writing anything."""
    found = {object_type: find_scope(client, object_type, "write") for object_type in STANDARD_TYPES}
    lacking = [f"{scope.name} (to {scope.purpose})" for scope in found.values() if scope.granted is False]
    checked = [object_type for object_type, scope in found.items() if scope.granted is not None]
    if not checked:
        return "Write scopes: not checked"
    unclear = [object_type for object_type in found if object_type not in checked]
    others = f"{', '.join(unclear)} and custom objects" if unclear else "Custom objects"
    if lacking:
        return f"Missing write scopes: {', '.join(lacking)}. {others}: not checked"
    return f"No write scope was found missing for {', '.join(checked)}. {others}: not checked"
