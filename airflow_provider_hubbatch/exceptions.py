"""The exceptions of this package.

A bad row is data (an outcome); an exception is about a whole request or a whole sync, and its class says who acts
next::

    HubSpotError
      SettingsError              the DAG's author: a parameter, a column, a mapping, the connection's fields
      AccessError                the person who gave the token
        AuthenticationError        401: wrong, revoked or expired
        MissingScopesError         403: names the scopes
      RequestRefusedError        the caller of ``HubSpotHook.request``: HubSpot refused this one request
      UnconfirmedRequestError    the caller of ``HubSpotHook.request``: it may have taken effect, HubSpot never said
      UnavailableError           time: waited out in the task, then Airflow's retries
        DailyQuotaError            the account's reset
      SystematicRefusalError     the DAG's author: every batch is refused for one and the same reason
      SyncFailedError            the rows' owner: more of them failed than ``max_rejected`` allows, or too few came
      SyncStoppedError           nobody: the task was killed, cleared or timed out; a retry goes on
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "AccessError",
    "AuthenticationError",
    "DailyQuotaError",
    "HubSpotError",
    "MissingScopesError",
    "RequestRefusedError",
    "SettingsError",
    "SyncFailedError",
    "SyncStoppedError",
    "SystematicRefusalError",
    "UnavailableError",
    "UnconfirmedRequestError",
]


# What a log line, a mail or a chat message still shows whole; a table of a thousand wrong columns has more to say.
MAX_MESSAGE_CHARACTERS = 5_000


class HubSpotError(Exception):
    """Something about a whole request or a whole sync went wrong.

    :param message: what happened, which rows or setting, and what to do.
    :param correlation_id: HubSpot's id of the reply, to quote to its support.
    :param report: what had become of the rows by then (a ``SyncReport``), where a sync was under way.
    """

    def __init__(self, message: str, *, correlation_id: str | None = None, report: Any = None) -> None:
        super().__init__(_shorten(message))
        self.correlation_id = correlation_id
        self.report = report

    def __reduce__(self) -> tuple[Any, ...]:
        """With all its attributes: other processes, such as a pool's, get exceptions pickled."""
        return _unpickled, (type(self), self.args, vars(self))


def _unpickled(kind: type[HubSpotError], args: tuple[Any, ...], attributes: dict[str, Any]) -> HubSpotError:
    error = kind.__new__(kind, *args)
    vars(error).update(attributes)
    return error


def _shorten(message: str) -> str:
    if len(message) <= MAX_MESSAGE_CHARACTERS:
        return message
    return f"{message[:MAX_MESSAGE_CHARACTERS]} ... ({len(message):,} characters in all)"


class SettingsError(HubSpotError, ValueError):
    """A setting is wrong, alone or for these rows: raised before the first update, unless it is a file that proves
    to be damaged on the way.
    """


class AccessError(HubSpotError):
    """HubSpot doesn't let this token do this. No retry helps."""


class AuthenticationError(AccessError):
    """401: the token is wrong, revoked or expired."""


class MissingScopesError(AccessError):
    """403: the token lacks scopes.

    :param scopes: the scopes that HubSpot says are required, as it names them.
    """

    def __init__(
        self,
        message: str,
        *,
        scopes: tuple[str, ...] = (),
        correlation_id: str | None = None,
        report: Any = None,
    ) -> None:
        super().__init__(message, correlation_id=correlation_id, report=report)
        self.scopes = scopes


class RequestRefusedError(HubSpotError):
    """HubSpot refused one request, and sending it again won't help.

    :param status: the HTTP status.
    :param category: HubSpot's category, else a code that it gave, else ``HTTP_<status>``.
    :param hubspot_message: HubSpot's own words. They are not in the text, since they may quote values that were sent.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        category: str | None = None,
        hubspot_message: str | None = None,
        correlation_id: str | None = None,
        report: Any = None,
    ) -> None:
        super().__init__(message, correlation_id=correlation_id, report=report)
        self.status = status
        self.category = category
        self.hubspot_message = hubspot_message


class UnconfirmedRequestError(HubSpotError):
    """A request that must not be done twice was cut or timed out, or met a server error, after it may have reached
    HubSpot: it may have taken effect. It was not sent again.
    """


class UnavailableError(HubSpotError):
    """HubSpot is down, throttling or out of reach, for longer than the task waits.

    :param retry_after_seconds: how long HubSpot asked to be left alone, where it did.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after_seconds: float | None = None,
        correlation_id: str | None = None,
        report: Any = None,
    ) -> None:
        super().__init__(message, correlation_id=correlation_id, report=report)
        self.retry_after_seconds = retry_after_seconds


class DailyQuotaError(UnavailableError):
    """The account's daily API limit is exhausted, or down to the reserve. ``retry_after_seconds``: until it resets."""


class SystematicRefusalError(HubSpotError):
    """Whole batches are refused for one and the same reason: the sync stopped before it used up the error budget."""


class SyncFailedError(HubSpotError):
    """More rows were rejected or unknown than ``max_rejected`` allows, and all others were written; or fewer rows came
    than ``min_rows``.
    """


class SyncStoppedError(HubSpotError):
    """The sync was told to stop; what had no reply is ``not_sent``."""
