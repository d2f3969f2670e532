"""The exceptions for what ends a request or a sync: what happened, what to do, what to quote; no row's value."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from airflow_provider_hubbatch.core import verdicts
from airflow_provider_hubbatch.core.isolation import reason_of
from airflow_provider_hubbatch.core.lookup import NO_ANSWER
from airflow_provider_hubbatch.exceptions import (
    AuthenticationError,
    DailyQuotaError,
    HubSpotError,
    MissingScopesError,
    RequestRefusedError,
    SettingsError,
    SystematicRefusalError,
    UnavailableError,
)

if TYPE_CHECKING:
    from airflow_provider_hubbatch.core.isolation import Streak
    from airflow_provider_hubbatch.core.protocol import ErrorInfo


def fatal_error(
    verdict: verdicts.Refused | verdicts.Stop, failure: verdicts.Failure | None, said: ErrorInfo | None = None
) -> HubSpotError:
    """The exception for a verdict that ends a request for good.

    :param said: HubSpot's error, for the caller of a single request.
    """
    correlation_id = failure.correlation_id if failure else None
    status = (failure.status if failure else None) or 0
    match verdict:
        case verdicts.Stop(kind=verdicts.StopKind.ACCESS) if status == 401:  # noqa: PLR2004 - HTTP's own
            return AuthenticationError(
                f"HubSpot doesn't accept the access token: {verdict.reason}. Put a valid one into the connection's "
                "password: that of a service key or private app, not an API key (with OAuth: install the app again)",
                correlation_id=correlation_id,
            )
        case verdicts.Stop(kind=verdicts.StopKind.ACCESS):
            scopes = failure.scopes if failure else ()
            wanted = f"the scopes {', '.join(scopes)}" if scopes else "the scopes that this needs"
            return MissingScopesError(
                f"HubSpot forbids this to the access token: {verdict.reason}. Give its app {wanted}",
                scopes=scopes,
                correlation_id=correlation_id,
            )
        case verdicts.Stop(kind=verdicts.StopKind.DAILY_QUOTA):
            return DailyQuotaError(
                f"the account's calls of the day are spent: {verdict.reason}",
                retry_after_seconds=verdict.after_seconds,
                correlation_id=correlation_id,
            )
        case verdicts.Stop(kind=verdicts.StopKind.SETTINGS):
            return SettingsError(verdict.reason, correlation_id=correlation_id)
        case verdicts.Stop():
            return UnavailableError(
                f"HubSpot is not available: {verdict.reason}",
                retry_after_seconds=verdict.after_seconds,
                correlation_id=correlation_id,
            )
        case verdicts.Refused():
            category = failure.category if failure else None
            return RequestRefusedError(
                f"HubSpot refused the request: {verdict.reason}{_problems(said)}",
                status=status,
                category=category,
                correlation_id=correlation_id,
                hubspot_message=said.message if said else None,
            )


def _problems(said: ErrorInfo | None) -> str:
    """``; INVALID_OPTION of 'industry'``: what an error says of properties, without the values."""
    found = dict.fromkeys((one.code or "refused", one.name) for one in (said.properties if said else ()))
    named = [f"{code} of {name!r}" if name else code for code, name in itertools.islice(found, 5)]
    return f"; {', '.join(named)}" if named else ""


def quota_error(left: int, daily: int | None, reserve: float | None) -> DailyQuotaError:
    """The calls of the account's day are used up to what is to be left.

    :param left: calls that are left.
    :param daily: calls a day, where that is known.
    :param reserve: what ``daily_quota_reserve`` says.
    """
    of = f" of {daily:,}" if daily else ""
    kept = f"; daily_quota_reserve={reserve} keeps the others" if reserve else ""
    return DailyQuotaError(f"the account's calls of the day are spent ({left:,}{of} are left{kept})")


def settings_error(error: ErrorInfo, object_type: str, id_property: str | None) -> SettingsError | None:
    """The refusals that are about the whole sync, whatever its rows (hubspot.com: live replies, no category)."""
    # the beginning only: further on, words may be a row's
    message = error.message.lower()
    if message.startswith("unable to infer object type"):
        return SettingsError(
            f"object_type {object_type!r} is unknown to this HubSpot account",
            correlation_id=error.correlation_id,
        )
    if _NON_UNIQUE.match(message) and id_property is not None:
        return SettingsError(
            f"id_property {id_property!r} can't name a record: HubSpot says that its values aren't unique. Use "
            "a property that was created with unique values, or None with record ids",
            correlation_id=error.correlation_id,
        )
    return None


_NON_UNIQUE = re.compile(r"unable to perform \S+ by non-unique ")


def systematic_error(error: ErrorInfo, streak: Streak) -> SystematicRefusalError:
    """Everything is refused for one and the same reason."""
    if error.category == NO_ANSWER:
        return SystematicRefusalError(
            f"{streak.requests} replies in a row name none of the rows that were sent, and no error: what answers may "
            "not be HubSpot (a proxy, a wrong host in the connection), or these are no records of this object type",
            correlation_id=error.correlation_id,
        )
    category, code, name = reason_of(error)
    what = f" of property {name!r}" if name else ""
    why = f"{category}{f' {code}' if code else ''}{what}"
    seen = f"{streak.requests} requests and {streak.rows} more rows" if streak.rows else f"{streak.requests} requests"
    return SystematicRefusalError(
        f"HubSpot refuses everything for one and the same reason, {why}: {seen} in a row, nothing accepted in "
        "between. Mend the column or the mapping; the rows that were not sent are not_sent",
        correlation_id=error.correlation_id,
    )
