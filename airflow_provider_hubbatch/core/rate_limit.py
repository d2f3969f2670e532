"""The pacer: when the next request may be sent, so that a task runs at the account's limit and never over it.

HubSpot lets an account (per app or key) send ``Max`` requests in any ``Interval`` (a rolling window, 10 s), and says
in every reply how many were left when it counted that request. First version.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# HubSpot: the smallest documented burst limit, "100 per 10 s" (Free and Starter)
SMALLEST_DOCUMENTED_LIMIT = 100
DEFAULT_INTERVAL_SECONDS = 10.0
# What headers are believed: 250 is the highest documented limit; an interval of a millisecond to ten minutes.
BELIEVED_LIMITS = range(1, 10_001)
BELIEVED_INTERVALS_MS = range(1, 600_001)
# Under way at once while nothing is known of the account.
CAREFUL_START = 8


@dataclass(frozen=True, slots=True)
class RateLimitHeaders:
    """What a reply says about the account's limits; ``None`` where it says nothing, or nonsense.

    :param max: requests allowed per interval.
    :param remaining: of these, left when this request was counted (itself taken off).
    :param interval_seconds: the rolling window.
    :param daily: calls a day allowed to the account.
    :param daily_remaining: of these, left.
    """

    max: int | None = None
    remaining: int | None = None
    interval_seconds: float | None = None
    daily: int | None = None
    daily_remaining: int | None = None

    @classmethod
    def parse(cls, headers: Mapping[str, str]) -> RateLimitHeaders:
        """Read them, whatever their case. ``-Secondly`` and its ``-Remaining`` are deprecated: not read."""
        lowered = {str(name).lower(): value for name, value in headers.items()}

        def number(name: str, believed: range) -> int | None:
            try:
                value = int(lowered.get(f"x-hubspot-ratelimit-{name}", ""))
            except (ValueError, TypeError):
                return None
            return value if value in believed else None

        interval_ms = number("interval-milliseconds", BELIEVED_INTERVALS_MS)
        limit = number("max", BELIEVED_LIMITS)
        return cls(
            max=limit,
            remaining=number("remaining", range((limit or BELIEVED_LIMITS.stop) + 1)),
            interval_seconds=None if interval_ms is None else interval_ms / 1000,
            daily=number("daily", range(1, 10**12)),
            daily_remaining=number("daily-remaining", range(10**12)),
        )


@dataclass(slots=True)
class _Slot:
    sent_at: float
    ended_at: float = math.inf


class RateLimiter:
    """Says when a request may be sent. For one thread; all times are monotonic seconds.

    :param requests_per_10_seconds: send at most so many in 10 s, whatever the account allows.
    """

    def __init__(self, *, requests_per_10_seconds: int | None = None) -> None:
        self._cap = requests_per_10_seconds
        self._limit: int | None = None
        self._interval = DEFAULT_INTERVAL_SECONDS
        self._slots: dict[int, _Slot] = {}
        self._tickets = 0
        self._others = 0
        self._paused_until = -math.inf
        self._answers = 0
        self.daily: int | None = None
        self.daily_remaining: int | None = None

    @property
    def requests_per_10_seconds(self) -> float:
        """The limit in force: the account's as far as known, or the cap where that is less."""
        limit = self._limit if self._limit is not None else SMALLEST_DOCUMENTED_LIMIT
        scaled = limit * DEFAULT_INTERVAL_SECONDS / self._interval
        return scaled if self._cap is None else min(scaled, self._cap)

    def wait_seconds(self, now: float) -> float:
        """0.0: one request may be sent now. Else how long until it is worth asking again, if no reply comes first."""
        if now < self._paused_until:
            return self._paused_until - now
        busy = [free_at for free_at in self._free_at() if free_at > now]
        allowed = (self._limit or SMALLEST_DOCUMENTED_LIMIT) - self._others
        if self._cap is not None:
            allowed = min(allowed, max(int(self._cap * self._interval / DEFAULT_INTERVAL_SECONDS), 1))
        in_flight = sum(math.isinf(free_at) for free_at in busy)
        if self._answers == 0:
            allowed = min(allowed, CAREFUL_START)
        if len(busy) < max(allowed, 1):
            return 0.0
        return min(1.0, min(busy) - now) if len(busy) > in_flight else 1.0

    def sent(self, now: float) -> int:
        """One request goes out.

        :returns: its ticket, for :meth:`answered` or :meth:`lost`.
        """
        self._tickets += 1
        self._slots[self._tickets] = _Slot(now)
        return self._tickets

    def answered(
        self,
        ticket: int,
        *,
        sent_at: float,
        answered_at: float,
        headers: RateLimitHeaders | None,
        rate_limited: bool,
    ) -> None:
        """A reply came, whatever its status.

        :param ticket: from :meth:`sent`.
        :param sent_at: when the sender began to send.
        :param answered_at: when it had the reply.
        :param headers: what the reply says; ``None``: there was none of them.
        :param rate_limited: it is a 429: HubSpot didn't count it.
        """
        slot = self._slots[ticket]
        slot.sent_at, slot.ended_at = sent_at, answered_at
        self._answers += 1
        if headers is not None:
            self._believe(headers)
        if rate_limited:
            del self._slots[ticket]
        elif headers is not None and headers.remaining is not None and self._limit is not None:
            used = self._limit - headers.remaining
            own = sum(free_at > sent_at for free_at in self._free_at())
            self._others = max(used - own, 0)
        for old in list(islice(self._slots, 64)):
            if self._slots[old].ended_at + 2 * self._interval < answered_at:
                del self._slots[old]

    def lost(self, ticket: int, *, sent_at: float, ended_at: float) -> None:
        """No reply came (cut, timed out): HubSpot may have counted it."""
        slot = self._slots[ticket]
        slot.sent_at, slot.ended_at = sent_at, ended_at

    def pause(self, until: float) -> None:
        """Send nothing before ``until``: a server's hint."""
        self._paused_until = max(self._paused_until, until)

    def _believe(self, headers: RateLimitHeaders) -> None:
        self._limit = headers.max or self._limit
        self._interval = headers.interval_seconds or self._interval
        self.daily = headers.daily if headers.daily is not None else self.daily
        if headers.daily_remaining is not None:
            self.daily_remaining = headers.daily_remaining

    def _free_at(self) -> Iterator[float]:
        return (slot.ended_at + self._interval for slot in self._slots.values())
