"""The pacer: when the next request may be sent, so that a task runs at the account's limit and never over it.

HubSpot allows ``Max`` requests in any ``Interval`` (a rolling window), and says in each reply how many remained: when
it counted that request, or when it wrote the reply, or a moment before. So little is built on that number alone. Every
request takes a slot of the window, and its slot is used again a window later: alone, that is the whole limit, in bursts
as they come. When a slot is surely free is :mod:`~airflow_provider_hubbatch.core.counting`'s to say; what others on the
account take, and how a process claims more slots or gives some up, :mod:`~airflow_provider_hubbatch.core.sharing`'s.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_hubbatch.core.counting import Counting
from airflow_provider_hubbatch.core.sharing import DOUBTFUL, News, Sharing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# HubSpot: the smallest documented burst limit, "100 per 10 s" (Free and Starter): what holds without headers
SMALLEST_DOCUMENTED_LIMIT = 100
DEFAULT_INTERVAL_SECONDS = 10.0
# What headers are believed: 250 is the highest documented limit; an interval of a millisecond to ten minutes.
BELIEVED_LIMITS = range(1, 10_001)
BELIEVED_INTERVALS_MS = range(1, 600_001)

# A slot rests so long before it is used again: the clocks and schedulers of both sides.
REST_SECONDS = 0.02
# An own slot that isn't used again for so many windows is no longer an own one: others see it free.
KEPT_WINDOWS = 0.1

# Requests under way while the account is unknown: two, then more by the square of the time in these seconds, as with
# slow replies waiting costs more than a few refusals would; after the first reply twice as many every 0.2 s, and one
# more for every reply. Above 64 replies there is no such limit.
FIRST_REQUESTS = 2
FIRST_SECONDS = 0.22
DOUBLING_SECONDS = 0.13
START_IS_OVER = 64
START_POLL_SECONDS = 0.02
# As long as there may be others, this part of what is free may be under way, divided by how many they may be.
DOUBTFUL_PART = 0.25

POLL_SECONDS = 0.1
# Refused though nobody else is seen: the first pause, doubled every time.
REFUSED_PAUSE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class RateLimitHeaders:
    """What a reply says about the account's limits; ``None`` where it says nothing, or nonsense.

    :param max: requests allowed per interval.
    :param remaining: of these, left when this request was counted (itself taken off).
    :param interval_seconds: the rolling window.
    :param daily: requests a day allowed to the account.
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
class _Sent:
    """A request under way.

    :param own: own slots when it was sent, its own among them.
    :param claimed: its slot is none of those that were held before.
    """

    sent_at: float
    own: int
    claimed: bool


class Cap:
    """Lets at most so many requests leave in any 10 s, whatever the account allows.

    :param requests_per_10_seconds: so many.
    """

    def __init__(self, requests_per_10_seconds: int) -> None:
        self.requests_per_10_seconds = requests_per_10_seconds
        self._sent: deque[float] = deque(maxlen=requests_per_10_seconds)

    def wait_seconds(self, now: float) -> float:
        """0.0: one request may be sent now. Else in how many seconds."""
        if len(self._sent) < self.requests_per_10_seconds:
            return 0.0
        return max(self._sent[0] + DEFAULT_INTERVAL_SECONDS + REST_SECONDS - now, 0.0)

    def sent(self, now: float) -> None:
        """One request goes out."""
        self._sent.append(now)


class RateLimiter:
    """Says when a request may be sent. For one thread; all times are monotonic seconds.

    :param random: gives numbers in [0, 1): processes that start together must not go on together.
    :param limit: requests in any ``interval_seconds``, as long as replies don't tell.
    """

    def __init__(
        self,
        random: Callable[[], float],
        *,
        limit: int = SMALLEST_DOCUMENTED_LIMIT,
        interval_seconds: float = DEFAULT_INTERVAL_SECONDS,
    ) -> None:
        self.daily: int | None = None
        self.daily_remaining: int | None = None
        self._daily_said_at = -math.inf
        self._limit = limit
        self._interval = interval_seconds
        self._counting = Counting()
        self._sharing = Sharing(random)
        self._tickets = 0
        # own slots: of requests under way; of those that have ended, when they were sent (``None``: not known) and
        # ended; and when those that are free to be used again became so
        self._under_way: dict[int, _Sent] = {}
        self._taken: deque[tuple[float | None, float]] = deque()
        self._reusable: deque[float] = deque()
        # when slots became free, of late: what was counted a moment ago may still have had them
        self._freed: deque[float] = deque()
        self._paused_until = -math.inf
        self._refusals = 0
        self._first_sent_at = math.inf
        self._ended = 0

    @property
    def requests_per_10_seconds(self) -> float:
        """The account's limit, as far as it is known."""
        return self._limit * DEFAULT_INTERVAL_SECONDS / self._interval

    def wait_seconds(self, now: float) -> float:
        """0.0: one request may be sent now. Else how long until it is worth asking again, if no reply comes first."""
        if now < self._paused_until:
            return self._paused_until - now
        self._free_slots(now)
        if self._ended < START_IS_OVER and len(self._under_way) >= min(self._allowed_at_start(now), self._limit):
            return START_POLL_SECONDS
        if self._reusable:
            return 0.0
        others = self._others(now)
        if self._sharing.is_shared(now):
            return 0.0 if self._may_claim(now, others) else self._seconds_to_next(now, self._sharing.next_round_at)
        free = self._limit - self._own - max(others - DOUBTFUL, 0)
        if others > DOUBTFUL and len(self._under_way) >= self._most_in_doubt(free, others):
            return START_POLL_SECONDS
        return 0.0 if free > 0 else self._seconds_to_next(now, math.inf)

    def sent(self, now: float) -> int:
        """One request goes out.

        :returns: its ticket, for :meth:`answered` or :meth:`lost`.
        """
        self._free_slots(now)
        self._first_sent_at = min(self._first_sent_at, now)
        self._tickets += 1
        claimed = not self._reusable
        if not claimed:
            self._reusable.popleft()
        elif self._sharing.is_shared(now):
            self._sharing.claimed(now, self._tickets, own=self._own, interval=self._interval)
        self._under_way[self._tickets] = _Sent(now, self._used + 1, claimed)
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
        :param headers: what the reply says; ``None``: nothing.
        :param rate_limited: it is a 429, which HubSpot doesn't count.
        """
        headers = headers or RateLimitHeaders()
        self._believe(headers)
        self._believe_daily(headers.daily_remaining, sent_at, answered_at)
        self._free_slots(answered_at)
        own_at_most = self._used + sum(freed_at > sent_at for freed_at in self._freed)
        request = self._under_way.pop(ticket)
        self._ended += 1
        self._counting.ended(sent_at, answered_at)
        if not rate_limited:
            self._taken.append((sent_at, answered_at))
        used = None if headers.remaining is None else max(self._limit - headers.remaining, 0)
        if used is not None:
            news = News(ticket, used, request.own, own_at_most, request.claimed, rate_limited)
            self._learn(answered_at, sent_at, news)
        if rate_limited:
            self._refused(answered_at, used)
        elif used is not None and used < self._limit:
            self._refusals = 0

    def lost(self, ticket: int, *, sent_at: float, ended_at: float) -> None:  # noqa: ARG002 - as answered
        """No reply came (cut, timed out). HubSpot may have counted it at any time until then: its slot stays taken."""
        del self._under_way[ticket]
        self._ended += 1
        self._taken.append((None, ended_at))

    def pause(self, until: float) -> None:
        """Send nothing before ``until``: a server's hint."""
        self._paused_until = max(self._paused_until, until)

    # --- the window --------------------------------------------------------------------------------------------

    @property
    def _used(self) -> int:
        """Own slots that are in use."""
        return len(self._under_way) + len(self._taken)

    @property
    def _own(self) -> int:
        """Own slots: in use, or to be used again."""
        return self._used + len(self._reusable)

    def _believe(self, headers: RateLimitHeaders) -> None:
        self._limit = headers.max or self._limit
        self._interval = headers.interval_seconds or self._interval
        self.daily = headers.daily or self.daily

    def _believe_daily(self, remaining: int | None, sent_at: float, answered_at: float) -> None:
        """The least of what is said at one time; more again only by a request that was sent after that."""
        known = self.daily_remaining
        if remaining is None or (known is not None and remaining >= known and sent_at < self._daily_said_at):
            return
        self.daily_remaining = remaining
        self._daily_said_at = max(self._daily_said_at, answered_at)

    def _free_at(self, sent_at: float | None, ended_at: float) -> float:
        counted_at = ended_at
        if sent_at is not None:
            counted_at = sent_at + self._counting.seconds_after_sending(ended_at - sent_at)
        return counted_at + self._interval + REST_SECONDS

    def _free_slots(self, now: float) -> None:
        while self._taken and (free_at := self._free_at(*self._taken[0])) <= now:
            self._taken.popleft()
            self._freed.append(free_at)
            if not (self._sharing.is_shared(now) and self._sharing.gives_up(self._used, self._limit)):
                self._reusable.append(free_at)
        kept_since = now - KEPT_WINDOWS * self._interval
        while self._reusable and self._reusable[0] < kept_since:
            self._reusable.popleft()
        while self._freed and self._freed[0] < now - self._interval:
            self._freed.popleft()

    def _allowed_at_start(self, now: float) -> int:
        """How many may be under way while the account is little known."""
        seconds = max(now - self._first_sent_at, 0.0)
        if self._ended == 0:
            return FIRST_REQUESTS + int((seconds / FIRST_SECONDS) ** 2)
        return int(FIRST_REQUESTS * 2.0 ** min(seconds / DOUBLING_SECONDS, 8.0)) + self._ended

    def _seconds_to_next(self, now: float, at: float) -> float:
        """How long until a slot gets free or ``at`` comes, within the time after which it is worth looking again."""
        if self._taken:
            at = min(at, self._free_at(*self._taken[0]))
        return min(max(at - now, START_POLL_SECONDS), POLL_SECONDS)

    # --- the others --------------------------------------------------------------------------------------------

    def _others(self, now: float) -> int:
        return self._sharing.others(
            now, own=self._own, limit=self._limit, interval=self._interval, latency=self._counting.shortest
        )

    def _may_claim(self, now: float, others: int) -> bool:
        return self._sharing.may_claim(
            now, others=others, own=self._own, limit=self._limit, latency=self._counting.shortest
        )

    def _most_in_doubt(self, free: int, others: int) -> float:
        """How many may be under way as long as there may be others, or not."""
        own = max(len(self._taken), 1)
        return max(DOUBTFUL_PART * free * own / (others + own), 1.0)

    def _learn(self, now: float, sent_at: float, news: News) -> None:
        first_window = now <= self._first_sent_at + self._interval
        if first_window and not news.refused and not self._sharing.is_shared(now):
            self._counting.counted(sent_at, news.used)
        self._sharing.learn(now, news, limit=self._limit, interval=self._interval, first_window=first_window)

    def _refused(self, now: float, used: int | None) -> None:
        """A 429: somebody, or a miscount, took the slot that was thought free. One that says there was room is none."""
        if used is not None and used < self._limit:
            return
        self._refusals += 1
        if used is not None and self._used < self._limit:
            self._sharing.refused(now, free=self._limit - self._used, interval=self._interval)
            return
        self.pause(now + min(math.ldexp(REFUSED_PAUSE_SECONDS, min(self._refusals - 1, 10)), self._interval / 2))
