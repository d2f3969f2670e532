"""The exceptions for what ends a request or a sync: what happened, what to do, what to quote; no row's value."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from airflow_provider_hubbatch.core import verdicts
from airflow_provider_hubbatch.core.error_reply import NO_ANSWER
from airflow_provider_hubbatch.core.isolation import reason_of
from airflow_provider_hubbatch.core.properties import did_you_mean, nearest
from airflow_provider_hubbatch.core.protocol import STANDARD_OBJECT_TYPES
from airflow_provider_hubbatch.exceptions import (
    AuthenticationError,
    DailyQuotaError,
    HubSpotError,
    MissingScopesError,
    RequestRefusedError,
    SettingsError,
    SystematicRefusalError,
    UnavailableError,
    UnconfirmedRequestError,
)

if TYPE_CHECKING:
    from airflow_provider_hubbatch.core.error_reply import ErrorReply
    from airflow_provider_hubbatch.core.isolation import Streak


def fatal_error(verdict: verdicts.Final, error: ErrorReply) -> HubSpotError:
    """The exception for a verdict that ends a request for good.

    :param error: what HubSpot says, or why there is no reply.
    """
    correlation_id = error.correlation_id
    match verdict:
        case verdicts.Stop(kind=verdicts.StopKind.ACCESS) if error.status == 401:  # noqa: PLR2004 - HTTP's own
            return AuthenticationError(
                f"HubSpot doesn't accept the access token{_of(verdict)}: {verdict.reason}. Put a valid one into the "
                "connection's password: that of a service key or private app (with OAuth: install the app again)",
                correlation_id=correlation_id,
            )
        case verdicts.Stop(kind=verdicts.StopKind.ACCESS):
            wanted = f"the scopes {', '.join(error.scopes)}" if error.scopes else "the scopes that this needs"
            return MissingScopesError(
                f"HubSpot forbids this to the access token{_of(verdict)}: {verdict.reason}. Give its app {wanted}",
                scopes=error.scopes,
                correlation_id=correlation_id,
            )
        case verdicts.Stop(kind=verdicts.StopKind.DAILY_QUOTA):
            return DailyQuotaError(
                f"the account's daily API limit is exhausted: {verdict.reason}",
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
        case verdicts.Unconfirmed():
            return UnconfirmedRequestError(
                f"HubSpot never confirmed this request ({verdict.reason}): it may have taken effect, and was not sent "
                "again. Look in HubSpot what became of it before you repeat it",
                correlation_id=correlation_id,
            )
        case verdicts.Refused():
            return RequestRefusedError(
                f"HubSpot refused the request: {verdict.reason}{_problems(error)}",
                status=error.status or 0,
                category=error.category,
                correlation_id=correlation_id,
                hubspot_message=error.message or None,
            )


def _of(verdict: verdicts.Stop) -> str:
    return f" of connection {verdict.connection!r}" if verdict.connection else ""


def _problems(error: ErrorReply) -> str:
    """``; INVALID_OPTION of 'industry'``: what an error says of properties, without the values."""
    found = dict.fromkeys((one.code or "refused", one.name) for one in error.properties)
    named = [f"{code} of {name!r}" if name else code for code, name in itertools.islice(found, 5)]
    return f"; {', '.join(named)}" if named else ""


def quota_error(left: int, daily: int | None, reserve: float | None) -> DailyQuotaError:
    """The account's daily API limit is exhausted, up to what is to be left.

    :param left: requests that are left today.
    :param daily: the limit, where it is known.
    :param reserve: what ``daily_quota_reserve`` says.
    """
    of = f" of {daily:,}" if daily else ""
    kept = f"; daily_quota_reserve={reserve} keeps the others" if reserve else ""
    return DailyQuotaError(f"the account's daily API limit is exhausted ({left:,}{of} are left{kept})")


def settings_error(error: ErrorReply, object_type: str, id_property: str | None) -> SettingsError | None:
    """The refusals that are about the whole sync, whatever its rows (hubspot.com: live replies, no category)."""
    # the beginning only: further on, words may be a row's
    message = error.message.lower()
    if message.startswith("unable to infer object type"):
        return unknown_object_type(named_object_type(error.message) or object_type, error.correlation_id)
    if _NON_UNIQUE.match(message) and id_property is not None:
        return SettingsError(
            f"id_property {id_property!r} can't name a record: HubSpot says that its values aren't unique. Use a "
            "property that was created with unique values, or None with record ids; to find records by it, an update "
            "must be able to read the property definitions, which tell that it isn't unique",
            correlation_id=error.correlation_id,
        )
    return None


def named_object_type(message: str) -> str | None:
    """The object type that HubSpot says it doesn't know: one of a request's two, where it has two."""
    named = _UNKNOWN_TYPE.match(message)
    return named[1] if named else None


def unknown_object_type(object_type: str, correlation_id: str | None) -> SettingsError:
    """The account has no such objects; with the name that was probably meant."""
    near = did_you_mean(nearest(object_type, STANDARD_OBJECT_TYPES))
    return SettingsError(
        f"object_type {object_type!r} is unknown to this HubSpot account"
        f"{near or '. Give a name such as contacts, or the id of a custom object such as 2-1234567'}",
        correlation_id=correlation_id,
    )


_UNKNOWN_TYPE = re.compile(r"(?i)unable to infer object type from: ([A-Za-z0-9_-]{1,100})$")
_NON_UNIQUE = re.compile(r"unable to perform \S+ by non-unique ")


def systematic_error(error: ErrorReply, streak: Streak) -> SystematicRefusalError:
    """Everything is refused for one and the same reason."""
    if error.category == NO_ANSWER.category:
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
        "between. Fix the column or the mapping; the rows that were not sent are not_sent",
        correlation_id=error.correlation_id,
    )
