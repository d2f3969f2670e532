"""The pacer of searching, of which HubSpot allows five requests a second, for everybody on the account together.

Its replies have no rate limit headers. So who searches at the same time is known by refusals alone: each one slows a
task down, and it gets faster again by and by. Alone, it is five a second.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from airflow_provider_hubbatch.core.rate_limit import RateLimiter, RateLimitHeaders

if TYPE_CHECKING:
    from collections.abc import Callable

# HubSpot, Searching the CRM: five requests a second for each account
SEARCHES = 5
INTERVAL_SECONDS = 1.0

# Refused, a task goes on at this part of its speed, but not slower than this; then it gets faster by so many searches a
# second, every second; after so many seconds twice as fast, and so on (measured with the simulator of the tests).
SLOWER, SLOWEST_A_SECOND = 0.6, 0.2
FASTER_A_SECOND, FASTER_STILL_SECONDS = 0.02, 10.0


class SearchLimiter:
    """Says when a search may be sent. For one thread; all times are monotonic seconds.

    :param random: gives numbers in [0, 1): processes that were refused together must not go on together.
    """

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._limiter = RateLimiter(random, limit=SEARCHES, interval_seconds=INTERVAL_SECONDS)
        self._speed = float(SEARCHES)
        self._next_at = -math.inf
        self._slowed_at = -math.inf

    def wait_seconds(self, now: float) -> float:
        """0.0: one may be sent now. Else how long until it is worth asking again."""
        return max(self._next_at - now, self._limiter.wait_seconds(now), 0.0)

    def sent(self, now: float) -> int:
        """One goes out.

        :returns: its ticket, for :meth:`answered` or :meth:`lost`.
        """
        self._next_at = now + self._gap()
        return self._limiter.sent(now)

    def answered(
        self, ticket: int, *, sent_at: float, answered_at: float, headers: RateLimitHeaders | None, rate_limited: bool
    ) -> None:
        """A reply came, whatever its status; the parameters are :meth:`RateLimiter.answered`'s."""
        self._limiter.answered(
            ticket, sent_at=sent_at, answered_at=answered_at, headers=headers, rate_limited=rate_limited
        )
        if not rate_limited:
            growth = FASTER_A_SECOND * (1 + (answered_at - self._slowed_at) / FASTER_STILL_SECONDS)
            self._speed = min(self._speed + growth / self._speed, SEARCHES)
        elif sent_at > self._slowed_at:  # one of several that were refused together
            self._speed = max(self._speed * SLOWER, SLOWEST_A_SECOND)
            self._slowed_at = answered_at
            self._next_at = max(self._next_at, answered_at + self._gap())

    def lost(self, ticket: int, *, sent_at: float, ended_at: float) -> None:
        """No reply came."""
        self._limiter.lost(ticket, sent_at=sent_at, ended_at=ended_at)

    def pause(self, until: float) -> None:
        """Send nothing before ``until``: a server's hint."""
        self._limiter.pause(until)

    def _gap(self) -> float:
        """Seconds until the next search: none at full speed, where the limit alone counts."""
        return 0.0 if self._speed >= SEARCHES else (0.5 + self._random()) / self._speed
