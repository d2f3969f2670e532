"""One HubSpot account: its records, tokens, limits, faults and switches, and the decision on each request."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from random import Random
from threading import RLock
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.sandbox.behaviours import Behaviours
from airflow_provider_hubbatch.sandbox.faults import FaultScript
from airflow_provider_hubbatch.sandbox.limits import WINDOW_SECONDS, DailyQuota, Pace
from airflow_provider_hubbatch.sandbox.replies import (
    RefusedError,
    error_body,
    missing_scopes,
    rate_limited,
    unauthorized,
)
from airflow_provider_hubbatch.sandbox.store import Store, Table
from airflow_provider_hubbatch.sandbox.tokens import AccessToken, OAuthApp, Tokens
from airflow_provider_hubbatch.sandbox.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

_SECONDS_A_DAY = 86_400


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request to HubSpot, as its endpoint sees it.

    :param object_type: Of the records; of a link, where it starts.
    :param to_type: Of a link, where it leads.
    :param name: The last part of the path: a record id or a property's name.
    """

    method: str
    path: str
    version: str
    object_type: str
    to_type: str
    name: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def wants_archived(self) -> bool:
        """Whether the archived ones are asked for; HubSpot reads ``True``, as its Python client writes it, too."""
        return self.query.get("archived", "").lower() == "true"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a sandbox is made with.

    :param requests_per_10_seconds: The rolling limit of each app; ``None``: none, and no headers about it.
    :param daily_limit: The account's daily API limit; ``None``: none.
    :param association_requests_per_10_seconds: The associations' own rolling limit of each app; ``None``: none.
    :param association_daily_limit: The associations' own daily limit; ``None``: none.
    :param searches_per_second: Searches a second for the account; ``None``: any number.
    :param latency_ms: How long each request takes: a number, or a range to draw from.
    :param tokens: Each token with its scopes; ``None`` for all scopes.
    :param ui_domain: Where people look at the records, as the account's details tell; ``None``: at the sandbox's pages.
    :param extra_properties: So many further text properties on every object type.
    :param clock: Seconds, monotonic: the rolling window, the tokens' expiry and the recorded times go by it.
    :param now: The wall clock: the records' times and the daily quota go by it.
    """

    requests_per_10_seconds: int | None = 190
    daily_limit: int | None = 250_000
    association_requests_per_10_seconds: int | None = 100
    association_daily_limit: int | None = 500_000
    searches_per_second: int | None = 5
    latency_ms: float | tuple[float, float] = 0.0
    tokens: Mapping[str, Collection[str] | None] = field(default_factory=dict)
    oauth: OAuthApp = field(default_factory=OAuthApp)
    behaviours: Behaviours = field(default_factory=Behaviours)
    portal_id: int = 123_456
    account_type: str = "STANDARD"
    ui_domain: str | None = None
    time_zone: str = "Europe/Berlin"
    extra_properties: int = 0
    record_bodies: bool = True
    max_recorded_requests: int = 100_000
    seed: int = 0
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = utc_now


class Portal:
    """The account's state. Every method that changes it is called with ``lock`` held."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.lock = RLock()
        self.clock = settings.clock
        self.now = settings.now
        self.portal_id = settings.portal_id
        self.ui_domain = settings.ui_domain or "app.hubspot.com"
        self.store = Store(now=settings.now, clock=settings.clock, extra_properties=settings.extra_properties)
        self.behaviours = settings.behaviours
        self.switch(settings.behaviours)
        self.tokens = Tokens(settings.tokens, oauth=settings.oauth, clock=settings.clock)
        self.quota = self._quota(settings.daily_limit)
        self.paces = {
            "objects": Pace(
                settings.requests_per_10_seconds,
                seconds=WINDOW_SECONDS,
                policy="TEN_SECONDLY_ROLLING",
                quota=self.quota,
            ),
            "associations": Pace(
                settings.association_requests_per_10_seconds,
                seconds=WINDOW_SECONDS,
                policy="TEN_SECONDLY_ROLLING",
                quota=self._quota(settings.association_daily_limit),
            ),
            "search": Pace(
                settings.searches_per_second, seconds=1.0, policy="SECONDLY", quota=self.quota, by_app=False
            ),
        }
        self.faults = FaultScript(seed=settings.seed)
        self.traffic = Traffic(
            requests=deque(maxlen=settings.max_recorded_requests), record_bodies=settings.record_bodies
        )
        self._random = Random(settings.seed)
        self._correlations = 0
        self._date = (0, "")

    def switch(self, behaviours: Behaviours) -> None:
        """From now on, the account behaves so."""
        self.behaviours = behaviours
        self.store.lag.seconds = behaviours.search_lag_seconds

    def _quota(self, limit: int | None) -> DailyQuota:
        return DailyQuota(limit, time_zone=self.settings.time_zone, now=self.now)

    def table(self, call: Call) -> Table:
        """The table of the path's object type.

        :raises RefusedError: 400, without a category, if there is none.
        """
        return self._table(call.object_type)

    def to_table(self, call: Call) -> Table:
        """The table that a link of this path leads to; errors as :meth:`table`."""
        return self._table(call.to_type)

    def _table(self, name: str) -> Table:
        table = self.store.find(name)
        if table is None:
            raise RefusedError(400, error_body(f"Unable to infer object type from: {name}"))
        return table

    def correlation_id(self) -> str:
        """A new id for support to ask for, in the shape of a UUID."""
        self._correlations += 1
        return f"5a4db0c5-0000-4000-8000-{self._correlations:012x}"

    def http_date(self) -> str:
        """The time as a reply's ``Date`` has it."""
        second = int(self.now().timestamp())
        if self._date[0] != second:
            self._date = (second, formatdate(second, usegmt=True))
        return self._date[1]

    def shuffle(self, results: list[Any]) -> None:
        """Brings results into an order that is never the one they came in."""
        if len(results) > 1:
            first = results[0]
            self._random.shuffle(results)
            if results[0] is first:
                results.append(results.pop(0))

    def draw_latency_seconds(self) -> float:
        """How long the next request takes."""
        latency = self.settings.latency_ms
        return (self._random.uniform(*latency) if isinstance(latency, tuple) else latency) / 1000

    def authenticate(self, call: Call) -> AccessToken:
        """The token of the request.

        :raises RefusedError: 401.
        """
        scheme, _, value = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not value:
            raise unauthorized(None)
        token = self.tokens.find(value)
        if token is None:
            raise unauthorized(int(self.now().timestamp()) // _SECONDS_A_DAY)
        return token

    def authorize(self, token: AccessToken, needed: Iterable[tuple[str, ...]]) -> None:
        """Checks that the token has one scope of each group.

        :raises RefusedError: 403, naming those that it lacks.
        """
        missing = [scope for one_of in needed if not token.allows(one_of) for scope in one_of]
        if missing:
            raise missing_scopes(tuple(dict.fromkeys(missing)), self.behaviours.missing_scopes_in)

    def refuse_over_limit(self, pace: Pace, token: AccessToken, *, spares_daily: bool) -> None:
        """Checks window and daily limit.

        :param spares_daily: Whether an exhausted daily limit doesn't matter to this endpoint.
        :raises RefusedError: 429.
        """
        quota = pace.quota
        quota.roll_over()
        if quota.is_spent and not spares_daily:
            raise self._rate_limited("DAILY", (quota.resets_at - self.now()).total_seconds())
        window, now = pace.window(token), self.clock()
        if window.is_full(now):
            seconds = window.seconds_until_free(now)
            if self.behaviours.count_429s:
                window.count(now)
            raise self._rate_limited(pace.policy, seconds)

    def count(self, pace: Pace, token: AccessToken) -> float:
        """Counts the request in window and daily limit.

        :returns: When.
        """
        now = self.clock()
        pace.window(token).count(now)
        pace.quota.spent += 1
        return now

    def limit_headers(self, pace_name: str, token: AccessToken) -> dict[str, str]:
        """HubSpot's headers about the limits, as things are now."""
        if pace_name == "associations" and self.behaviours.association_headers != "own":
            pace_name = self.behaviours.association_headers
        if pace_name in {"search", "none"} or not self.behaviours.rate_limit_headers:
            return {}
        pace = self.paces[pace_name]
        window, quota = pace.window(token), pace.quota
        if window.limit is None:
            return {}
        remaining = max(0, window.limit - window.occupied(self.clock()))
        headers = {
            "X-HubSpot-RateLimit-Max": str(window.limit),
            "X-HubSpot-RateLimit-Remaining": str(remaining),
            "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
        }
        if quota.limit is not None and not token.is_oauth:
            headers["X-HubSpot-RateLimit-Daily"] = str(quota.limit)
            headers["X-HubSpot-RateLimit-Daily-Remaining"] = str(quota.remaining)
        if self.behaviours.secondly_headers:
            headers |= {"X-HubSpot-RateLimit-Secondly": "1", "X-HubSpot-RateLimit-Secondly-Remaining": "0"}
        return headers

    def _rate_limited(self, policy_name: str, seconds: float) -> RefusedError:
        self.traffic.rate_limited[policy_name] += 1
        unit = self.behaviours.retry_after_on_429
        amount = {"none": None, "seconds": str(int(seconds) + 1), "milliseconds": str(int(seconds * 1000) + 1)}[unit]
        return rate_limited(policy_name, category=self.behaviours.category_on_429, retry_after=amount)
