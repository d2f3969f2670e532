"""The connection form's button: which account a connection points at, and what it lacks, in a sentence."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.client.tokens import OAuthToken
from airflow_provider_hubbatch.core import protocol
from airflow_provider_hubbatch.core.verdicts import RetryPolicy
from airflow_provider_hubbatch.exceptions import HubSpotError, MissingScopesError, RequestRefusedError

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

# The object types that every account has, with the scope to write them (HubSpot: "Scopes").
WRITE_SCOPES = {
    "contacts": "crm.objects.contacts.write",
    "companies": "crm.objects.companies.write",
    "deals": "crm.objects.deals.write",
    "tickets": "tickets",
}


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
    return limit if pace.daily_remaining is None else f"{limit}, {pace.daily_remaining:,} calls left today"


def _scopes(client: HubSpotClient) -> str:
    """Which write scopes are missing, as far as that can be told without writing anything."""
    told = granted_scopes(client)
    lacking, unclear = [], []
    for object_type, scope in WRITE_SCOPES.items():
        lacks = scope not in told if told else _lacks_scope(client, object_type)
        if lacks:
            lacking.append(f"{scope} (to write {object_type})")
        elif lacks is None:
            unclear.append(object_type)
    words = f"Missing write scopes: {', '.join(lacking)}" if lacking else "No write scope was found missing"
    checked = [object_type for object_type in WRITE_SCOPES if object_type not in unclear]
    if not checked:
        return "Write scopes: not checked"
    others = f"{', '.join(unclear)} and custom objects" if unclear else "Custom objects"
    return (
        f"{words} for {', '.join(checked)}. {others}: not checked" if not lacking else f"{words}. {others}: not checked"
    )


def granted_scopes(client: HubSpotClient) -> frozenset[str]:
    """What an OAuth refresh says that its token may do; nothing where that isn't told."""
    token = client.token
    return (token.scopes or frozenset()) if isinstance(token, OAuthToken) else frozenset()


def _lacks_scope(client: HubSpotClient, object_type: str) -> bool | None:
    """Whether HubSpot refuses this token an update of no record at all, which can change nothing.

    :returns: ``None`` where the answer doesn't tell.
    """
    path = protocol.batch_path(object_type, "update", client.api_version)
    try:
        client.request("POST", path, {"inputs": []})
    except MissingScopesError:
        return True
    except RequestRefusedError as error:
        return False if error.status == 400 else None  # noqa: PLR2004 - it was read, so the token may
    except HubSpotError:
        return None
    return False
