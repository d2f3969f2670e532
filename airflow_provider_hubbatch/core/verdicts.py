"""What to do about one request that went wrong: decisions over data, taken in one place.

The engine makes a :class:`Failure` of a reply (:func:`failure_from_reply`) or of a transport error, asks
:func:`decide`, and acts. The server's hint comes first, then the policy that was hit, then full-jitter back-off; all
of it clamped, and bounded by attempts and by time. HubSpot's own list of statuses: "HubSpot APIs, error handling".
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from airflow_provider_hubbatch.core.error_reply import NO_REPLY, NOT_JSON, ErrorReply, parse_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_hubbatch.core.protocol import Reply


class FailureKind(StrEnum):
    """How far a request came."""

    STATUS = "status"
    """HubSpot (or something before it) answered with a status that is no 2xx."""
    REFUSED = "refused"
    """No connection: refused, no such host, lost before anything was sent."""
    CUT = "cut"
    """The connection broke: the request may or may not have had its effect, and may have been counted."""
    TIMEOUT = "timeout"
    """No answer in time: as :attr:`CUT`."""
    NONSENSE = "nonsense"
    """A 2xx whose body isn't the JSON object that was asked for: a proxy's page, a reply cut short."""
    NO_TOKEN = "no_token"  # noqa: S105 - how far a request came
    """The token endpoint answers that it can't give an access token now, and nothing was sent; or the token expired
    before the request arrived, and nothing was done.
    """
    TLS = "tls"
    """The certificate isn't trusted, or there is no common protocol: it stays so until somebody fixes it. Nothing was
    sent.
    """


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong with one request.

    :param kind: how far it came.
    :param error: what HubSpot says, or the transport.
    :param quotable: its words may get into exceptions, and so into logs: not so where they may quote a row's value.
    """

    kind: FailureKind
    error: ErrorReply = NO_REPLY
    quotable: bool = True

    @property
    def status(self) -> int | None:
        """The HTTP status, where there was a reply."""
        return self.error.status


class StopKind(StrEnum):
    """Why the whole sync stops; each has its exception in :mod:`~airflow_provider_hubbatch.exceptions`."""

    ACCESS = "access"
    """401, 403: the token."""
    DAILY_QUOTA = "daily_quota"
    """The account's daily API limit is exhausted."""
    UNAVAILABLE = "unavailable"
    """HubSpot is down, throttling or out of reach for longer than a task waits."""
    SETTINGS = "settings"
    """What answers isn't HubSpot's API: a redirect, a proxy that wants a login."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Send the same request again.

    ``reason`` (also of the others) may quote HubSpot's message, which may quote a row's value: it is for the outcome
    and the exception; a log takes status, category and correlation id.

    :param after_seconds: not before this long from now.
    :param reason: what happened, in a sentence.
    :param rate_limited: it was a 429: count it as such.
    :param pause_seconds: for this long nothing else is to be sent either; 0.0: the others go on.
    """

    after_seconds: float
    reason: str
    rate_limited: bool = False
    pause_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Refused:
    """HubSpot won't take this request as it is: find the rows that it is about, sending it again won't help."""

    reason: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing more is to be sent.

    :param kind: why.
    :param reason: a sentence for the error.
    :param after_seconds: how long HubSpot asked to be left alone, where it did.
    :param connection: whose token it is, where that is known.
    """

    kind: StopKind
    reason: str
    after_seconds: float | None = None
    connection: str = ""


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """The request may have taken effect, and is not to be sent again: a second time might do it twice."""

    reason: str


Final = Refused | Stop | Unconfirmed
"""How a request ends that got no 2xx reply."""

Decision = Retry | Final


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The limits of retrying one request.

    :param max_elapsed_seconds: from its first sending. Five minutes outlast a deployment or a failover of HubSpot's;
        what lasts longer is Airflow's to retry: a task that waits holds a worker.
    :param max_unreached_seconds: the same where no connection was ever made: a wrong host is likelier than an outage.
    :param max_attempts: sendings in all. A second bound in case that failures come faster than time passes; at the
        back-off below, time is what ends first.
    :param backoff_base_seconds: the most that the first back-off waits; it doubles with every attempt.
    :param backoff_cap_seconds: the most that any back-off waits: a recovered HubSpot is noticed within half a minute.
    :param window_seconds: the rate limit's window: no 429 of the burst limit needs a longer wait.
    :param max_hint_seconds: the most that a ``Retry-After`` is believed inside the task: it may be milliseconds.
    :param attempts_before_suspicion: a request that HubSpot fails so often (5xx), while it answers others, is no
        outage's: one of its rows is what HubSpot stumbles over.
    :param max_migration_seconds: a 477 that asks for more is left to Airflow's retries (it asks for up to 24 h).
    """

    max_elapsed_seconds: float = 300.0
    max_unreached_seconds: float = 20.0
    max_attempts: int = 60
    backoff_base_seconds: float = 1.0
    backoff_cap_seconds: float = 30.0
    window_seconds: float = 10.0
    max_hint_seconds: float = 60.0
    max_migration_seconds: float = 60.0
    attempts_before_suspicion: int = 5

    def patience_seconds(self, kind: FailureKind, *, reached: bool) -> float:
        """For how long a request is sent again that has failed so.

        :param reached: the host has answered before.
        """
        if kind is FailureKind.REFUSED and not reached:
            return min(self.max_unreached_seconds, self.max_elapsed_seconds)
        return self.max_elapsed_seconds


# HubSpot: 423 "locked": "we recommend adding at least a 2 second delay"
LOCKED_SECONDS = 2.0
# The deprecated one-second limit, should it still be hit: a second, and a little for the clocks.
SECONDLY_SECONDS = 1.1
# No burst window lasts 100 s, so a 429 that names more means milliseconds.
_MILLISECONDS_FROM = 100.0

_UNAUTHORIZED = 401
_ACCESS = frozenset({_UNAUTHORIZED, 403})
_FIREWALL = (
    "a firewall or a proxy answered, and not HubSpot's API. Check the connection's host and proxies, and whether rows "
    "hold HTML or code that a firewall takes for an attack"
)
_REQUEST_TIMEOUT = 408
_LOCKED = 423
_TOO_MANY = 429
_MIGRATION = 477
# 407: the proxy wants a login. Cloudflare, before HubSpot: 522 its origin doesn't answer (HubSpot lists it with the
# ones not to retry), 525 and 526 the certificates between them.
_PROXY_LOGIN = 407
_HOPELESS = frozenset({522, 525, 526})
# Cloudflare again: its origin refuses connections, isn't found, or there is no TLS between them: nothing was handed on.
_NOT_DELIVERED = frozenset({521, 523, 525, 526})


def failure_from_reply(reply: Reply, *, quotable: bool = True) -> Failure:
    """What went wrong, by an unwelcome reply.

    :param reply: a 2xx among them means that its body made no sense.
    """
    kind = FailureKind.NONSENSE if 200 <= reply.status < 300 else FailureKind.STATUS  # noqa: PLR2004 - HTTP's own
    return Failure(kind, parse_error(reply), quotable)


def decide(
    failure: Failure,
    *,
    attempt: int,
    elapsed_seconds: float,
    policy: RetryPolicy,
    random: Callable[[], float],
    repeatable: bool,
    reached: bool = True,
    others_succeed: bool = False,
) -> Decision:
    """What to do about ``failure``.

    :param failure: what came back for the request.
    :param attempt: how often it was sent by now, this time included: 1 at its first failure.
    :param elapsed_seconds: since it was first sent.
    :param policy: the limits.
    :param random: gives numbers in [0, 1).
    :param repeatable: doing it twice does no harm. What is not repeatable and may have reached HubSpot is never sent
        again.
    :param reached: the host has answered before.
    :param others_succeed: HubSpot has answered other requests since this one was first sent.
    :returns: ``Retry`` with a finite wait, ``Refused``, ``Stop`` or ``Unconfirmed``. It never raises.
    """
    if not repeatable and may_have_taken_effect(failure):
        return Unconfirmed(describe(failure))
    final = _final(failure, policy)
    if final is not None:
        return final
    left = policy.patience_seconds(failure.kind, reached=reached) - elapsed_seconds
    reason = describe(failure)
    server_failed = failure.status is not None and failure.status >= 500  # noqa: PLR2004 - HTTP's own
    if server_failed and others_succeed and attempt >= policy.attempts_before_suspicion:
        return Refused(f"{reason}; sent {attempt} times, while others were answered")
    if attempt >= policy.max_attempts or not left > 0:
        return Stop(
            StopKind.UNAVAILABLE,
            f"{reason}; tried {attempt} times in {elapsed_seconds:.1f} s",
            retry_after_seconds(failure),
        )
    backoff = random() * min(policy.backoff_cap_seconds, policy.backoff_base_seconds * 2.0 ** min(attempt - 1, 30))
    hint = retry_after_seconds(failure)
    if failure.status == _TOO_MANY:
        return _after_429(failure, hint, backoff, min(policy.window_seconds, left), reason)
    if failure.status == _LOCKED:
        backoff += LOCKED_SECONDS
    if hint is not None:
        backoff = max(backoff, min(hint, policy.max_hint_seconds))
    # The last wait ends with the time allowed, so that it is followed by one more try.
    return Retry(min(backoff, left), reason)


def may_have_taken_effect(failure: Failure) -> bool:
    """Whether HubSpot may have done what the request asked for, in spite of the failure.

    Not so where nothing was sent, or where HubSpot's reply is a refusal.
    """
    if failure.status is None:
        return failure.kind not in (FailureKind.REFUSED, FailureKind.NO_TOKEN, FailureKind.TLS)
    refused = 300 <= failure.status < 500 and failure.status != _REQUEST_TIMEOUT  # noqa: PLR2004 - HTTP's own
    return not (refused or failure.status in _NOT_DELIVERED)


def _final(failure: Failure, policy: RetryPolicy) -> Refused | Stop | None:
    """The answer where sending again is no question; ``None`` where it is."""
    status = failure.status
    if failure.kind is FailureKind.TLS:
        return Stop(StopKind.UNAVAILABLE, describe(failure))
    if failure.kind is not FailureKind.STATUS or status is None:
        return None
    if status in _ACCESS and failure.error.message == NOT_JSON:
        return Stop(StopKind.SETTINGS, f"{describe(failure)}: {_FIREWALL}")
    if status in _ACCESS:
        # of a token that it never knew, HubSpot says that it expired 20,000 days ago
        told = replace(failure, quotable=False) if status == _UNAUTHORIZED else failure
        return Stop(StopKind.ACCESS, describe(told))
    if status == _TOO_MANY:
        daily = limit_of(failure) == "DAILY"
        return Stop(StopKind.DAILY_QUOTA, describe(failure)) if daily else None
    if status == _MIGRATION:
        hint = retry_after_seconds(failure)
        long = hint is not None and hint > policy.max_migration_seconds
        return Stop(StopKind.UNAVAILABLE, describe(failure), hint) if long else None
    if status in _HOPELESS:
        return Stop(StopKind.UNAVAILABLE, describe(failure))
    if status < 400 or status == _PROXY_LOGIN:  # noqa: PLR2004 - HTTP's own
        return Stop(StopKind.SETTINGS, f"{describe(failure)}: this is not HubSpot's API, check host and proxies")
    if status < 500 and status not in (_REQUEST_TIMEOUT, _LOCKED):  # noqa: PLR2004 - HTTP's own
        return Refused(describe(failure))
    return None


def _after_429(failure: Failure, hint: float | None, backoff: float, longest: float, reason: str) -> Retry:
    """Only this request waits: the pacer knows which slots are free for others.

    Of the one-second limit it knows nothing, so there everything waits.
    """
    if limit_of(failure) == "SECONDLY":
        wait = min(max(hint or 0.0, SECONDLY_SECONDS), longest)
        return Retry(wait, reason, rate_limited=True, pause_seconds=wait)
    return Retry(min(backoff if hint is None else hint, longest), reason, rate_limited=True)


def limit_of(failure: Failure) -> str:
    """Which limit a 429 is about: ``TEN_SECONDLY``, ``SECONDLY`` or ``DAILY``.

    By ``policyName``, else by the message ("You have reached your ten_secondly_rolling limit."); what says nothing
    is the burst limit, the one that passes by itself.
    """
    for words in (failure.error.policy_name, failure.error.message):
        text = (words or "").upper()
        for limit in ("TEN_SECONDLY", "SECONDLY", "DAILY"):
            if limit in text:
                return limit
    return "TEN_SECONDLY"


def retry_after_seconds(failure: Failure) -> float | None:
    """``Retry-After`` in seconds; ``None`` where there is none, or it is nonsense."""
    raw = (failure.error.retry_after or "").strip()
    if not raw:
        return None
    try:
        seconds = float(raw)
    except ValueError:
        return _seconds_until(raw, failure.error.date)
    if not math.isfinite(seconds) or seconds < 0:
        return None
    if failure.status == _TOO_MANY and seconds > _MILLISECONDS_FROM:
        return seconds / 1000
    return seconds


def _seconds_until(raw: str, date: str | None) -> float | None:
    try:
        seconds = (parsedate_to_datetime(raw) - parsedate_to_datetime(date or "")).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(seconds, 0.0)


def describe(failure: Failure) -> str:
    """``[correlation 5f1c] 429 RATE_LIMITS: You have reached your ten_secondly_rolling limit``"""
    error = failure.error
    if error.status is None and error.message:
        return _with_correlation(error, error.message.rstrip("."))
    words = failure.kind.value if error.status is None else str(error.status)
    if failure.kind is FailureKind.NONSENSE:
        words += " with a body that is not the JSON asked for"
    elif error.status is not None and error.category != f"HTTP_{error.status}":
        words += f" {error.category}"
    quotable = failure.quotable or error.message == NOT_JSON
    if error.message and quotable and failure.kind is not FailureKind.NONSENSE:
        words += f": {error.message.rstrip('.')}"
    return _with_correlation(error, words)


def _with_correlation(error: ErrorReply, words: str) -> str:
    return f"[correlation {error.correlation_id}] {words}" if error.correlation_id else words
