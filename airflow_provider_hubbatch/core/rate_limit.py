"""The pacer: when the next request may be sent, so that a task runs at the account's limit and never over it.

HubSpot allows ``Max`` requests in any ``Interval`` (a rolling window), and says in each reply how many remained when
it counted that request. When it counted it, somewhere between sending and answering, it doesn't say; nor who else
uses the account. From that:

*Alone*, every request takes a slot of the window, and its slot is taken again a window later: the whole limit, in
bursts as they come. Were requests counted always equally long after they were sent, that would be exact. So the
order in which they were counted (``Remaining`` tells it) is compared with the order of sending and of answering: it
shows at which end of a request HubSpot counts, hence how much of a slow request's extra time has to be waited out,
and whether the counting is so irregular that more distance is needed.

*With others*, what ``Remaining`` lacks beyond our own requests is theirs. Then each process holds a share: slots it
uses again as when alone, so that no two collide. Everybody's share shrinks steadily, in proportion; what gets free is
claimed one by one, by how fresh the news of it is, and the later the bigger the claimer's share. So shares become
equal, a newcomer gets in, and what a finished process leaves is taken over. A few slots stay free for newcomers.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# HubSpot: the smallest documented burst limit, "100 per 10 s" (Free and Starter): what holds without headers
SMALLEST_DOCUMENTED_LIMIT = 100
DEFAULT_INTERVAL_SECONDS = 10.0
# What headers are believed: 250 is the highest documented limit; an interval of a millisecond to ten minutes.
BELIEVED_LIMITS = range(1, 10_001)
BELIEVED_INTERVALS_MS = range(1, 600_001)

# A slot rests so long before it is used again: the clocks and schedulers of both sides, and a newcomer's way in.
REST_SECONDS = 0.02
# Two threads that send at the same moment may reach HubSpot in the other order, and have their replies noted in the
# other order too. What comes so close to each other is no sign of others on the account.
THREADS_SECONDS = 0.03

# Requests under way while the account is unknown: two at first; twice as many every 0.2 s, as with slow replies
# waiting costs more than a few refusals would; one more for every second reply. Above 64 there is no such limit.
FIRST_REQUESTS = 2
DOUBLING_SECONDS = 0.2
MORE_PER_REPLY = 1.0
START_IS_OVER = 64
START_POLL_SECONDS = 0.02

# Requests counted this many places out of order: more than neighbours changing places, so each is counted at a
# moment of its own. Their number up to any moment then strays by the square root of that; 2.5 times it is enough
# (measured with the simulator of the tests).
DISORDERLY_PLACES = 6
STRAYING = 2.5

# How many latest requests tell the shortest time a request takes now, and how many replies tell others' growth.
RECENT_REQUESTS = 32
RECENT_REPLIES = 16

# Sharing, each number measured with the simulator. A share shrinks by this exponent per window...
SHRINKING = 0.3
SHRINKING_AFTER_429 = 0.9
# ... one slot in so many stays free for a newcomer's first request, at least two ...
RESERVE_ONE_IN = 50
# ... of the free slots, at most this part is claimed before the next news: others have the same news ...
CLAIMED_PART = 0.15
# ... a claimer waits so long, in windows for the whole limit as its share ...
CLAIM_DELAY = 0.4
# ... and without news, asks again with one request: after so long, or the same in windows by its share; later where
# the last news was that nothing is free, and ever later after refusals.
PROBE_SECONDS = 0.7
PROBE_DELAY = 1.5
PROBE_DELAY_WHEN_FULL = 0.3
LONGEST_PROBE_DELAY = 0.5
# Others are reckoned with for so long after they were last seen, in windows.
OTHERS_LINGER = 0.1
SHARED_POLL_SECONDS = 0.1
ALONE_POLL_SECONDS = 1.0
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
class _Slot:
    """One own request: ``used`` is how many, of everybody's, HubSpot had counted in its window by then."""

    number: int
    sent_at: float
    claimed: bool
    ended_at: float = math.inf
    used: int | None = None


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
    """Says when a request may be sent. For one thread; all times are monotonic seconds."""

    def __init__(self) -> None:
        self.daily: int | None = None
        self.daily_remaining: int | None = None
        self._daily_said_at = -math.inf
        self._known_limit: int | None = None
        self._interval = DEFAULT_INTERVAL_SECONDS
        self._slots: dict[int, _Slot] = {}
        self._tickets = 0
        self._paused_until = -math.inf
        self._refusals = 0
        # the start
        self._first_sent_at = math.inf
        self._ended = 0
        self._starting = True
        # when HubSpot counts
        self._latencies: deque[float] = deque([0.0], maxlen=RECENT_REQUESTS)
        self._places_out_of_order = 0
        self._crossed = 0
        self._crossed_by_reply = 0
        # the others
        self._others = 0
        self._news_at = -math.inf
        self._news_sent_at = -math.inf
        self._others_seen: deque[tuple[float, int]] = deque(maxlen=RECENT_REPLIES)
        self._shared_until = -math.inf
        self._share = 0.0
        self._share_set_at = 0.0
        self._claims = 0
        self._free_since = math.inf

    @property
    def requests_per_10_seconds(self) -> float:
        """The account's limit, as far as it is known."""
        return self._limit * DEFAULT_INTERVAL_SECONDS / self._interval

    def wait_seconds(self, now: float) -> float:
        """0.0: one request may be sent now. Else how long until it is worth asking again, if no reply comes first."""
        if now < self._paused_until:
            return self._paused_until - now
        if len(self._slots) < self._limit and not (self._starting or self._shared(now)):
            return 0.0  # fewer requests than the limit in all that is remembered: no need to look at each
        taken, next_free_at = self._taken(now)
        if self._starting and not self._may_start(now):
            return START_POLL_SECONDS
        if not self._shared(now):
            return 0.0 if taken < self._limit else min(next_free_at - now, ALONE_POLL_SECONDS)
        if taken < self._share_now(now) or self._may_claim(now, taken):
            return 0.0
        return min(next_free_at - now, SHARED_POLL_SECONDS)

    def sent(self, now: float) -> int:
        """One request goes out.

        :returns: its ticket, for :meth:`answered` or :meth:`lost`.
        """
        claimed = self._shared(now) and self._taken(now)[0] >= self._share_now(now)
        self._claims += claimed
        self._first_sent_at = min(self._first_sent_at, now)
        self._tickets += 1
        self._slots[self._tickets] = _Slot(self._tickets, now, claimed)
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
        slot = self._end(ticket, sent_at, answered_at)
        if headers.remaining is not None:
            slot.used = max(self._limit - headers.remaining, 0)
        if rate_limited:
            del self._slots[ticket]
            self._refused(slot)
        elif slot.used is not None:
            self._learn_order(slot, slot.used)
            self._learn_others(slot, slot.used)

    def lost(self, ticket: int, *, sent_at: float, ended_at: float) -> None:
        """No reply came (cut, timed out). HubSpot may have counted it at any time until then: its slot stays taken."""
        self._end(ticket, sent_at, ended_at)

    def pause(self, until: float) -> None:
        """Send nothing before ``until``: a server's hint."""
        self._paused_until = max(self._paused_until, until)

    # The window, the start

    @property
    def _limit(self) -> int:
        return SMALLEST_DOCUMENTED_LIMIT if self._known_limit is None else self._known_limit

    def _believe(self, headers: RateLimitHeaders) -> None:
        self._known_limit = headers.max or self._known_limit
        self._interval = headers.interval_seconds or self._interval
        self.daily = headers.daily or self.daily

    def _believe_daily(self, remaining: int | None, sent_at: float, answered_at: float) -> None:
        """The least of what is said at one time; more again only by a request that was sent after that."""
        known = self.daily_remaining
        if remaining is None or (known is not None and remaining >= known and sent_at < self._daily_said_at):
            return
        self.daily_remaining = remaining
        self._daily_said_at = max(self._daily_said_at, answered_at)

    def _end(self, ticket: int, sent_at: float, ended_at: float) -> _Slot:
        slot = self._slots[ticket]
        slot.sent_at, slot.ended_at = sent_at, ended_at
        if self._ended == 0:
            self._latencies.clear()
        self._latencies.append(max(ended_at - sent_at, 0.0))
        self._ended += 1
        self._claims -= slot.claimed
        # An older one can't have been in one window with a request that is still on its way.
        kept_seconds = self._interval + REST_SECONDS + 2 * max(self._latencies)
        while (oldest := next(iter(self._slots.values()))).ended_at + kept_seconds < ended_at:
            del self._slots[oldest.number]
        return slot

    def _taken(self, now: float) -> tuple[int, float]:
        """How many slots own requests take, and when the next of them gets free."""
        shortest = min(self._latencies)
        by_reply = (self._crossed_by_reply + 1) / (self._crossed + 1)
        straying = 0.0
        if self._places_out_of_order >= DISORDERLY_PLACES:
            straying = min(1.0, STRAYING / math.sqrt(self._places_out_of_order)) * shortest
        taken, next_free_at = 0, math.inf
        window = self._interval + REST_SECONDS
        # Never later than a window after the reply: by then it surely is free.
        for slot in self._slots.values():
            free_at = slot.ended_at + window
            if free_at <= now:
                continue
            latency = slot.ended_at - slot.sent_at
            late = straying if latency <= shortest else (latency - shortest) * by_reply + straying
            if late < latency:
                free_at = slot.sent_at + late + window
            if free_at > now:
                taken += 1
                if free_at < next_free_at:  # noqa: PLR1730 - this loop is what a request costs
                    next_free_at = free_at
        return taken, next_free_at

    def _may_start(self, now: float) -> bool:
        """Whether one more may be under way while the account is little known."""
        doublings = min(max(now - self._first_sent_at, 0.0) / DOUBLING_SECONDS, 10.0)
        allowed = FIRST_REQUESTS * math.pow(2.0, doublings) + MORE_PER_REPLY * self._ended
        self._starting = allowed < START_IS_OVER
        under_way = sum(math.isinf(slot.ended_at) for slot in self._slots.values())
        return under_way < min(allowed, self._limit)

    # When HubSpot counts

    def _learn_order(self, slot: _Slot, used: int) -> None:
        """Compare the order of counting with that of sending and answering.

        Only in the first window and alone: as long as nothing leaves the window, ``used`` is the place in that order.
        """
        if self._others or slot.ended_at > self._first_sent_at + self._interval:
            return
        for other in self._slots.values():
            if other.used is None or other is slot:
                continue
            counted_later = used > other.used
            sent_later = slot.sent_at > other.sent_at
            ended_later = slot.ended_at > other.ended_at
            if sent_later != ended_later:
                self._crossed += 1
                self._crossed_by_reply += counted_later == ended_later
            elif counted_later != sent_later:
                places = abs(slot.number - other.number)
                self._places_out_of_order = max(self._places_out_of_order, places)

    def _own_at_most(self, slot: _Slot, doubt: float) -> int:
        """How many own requests can have been in the window when ``slot`` was counted.

        Left out is what both sending and answering place after it, or a window before it.

        :param doubt: by so many seconds those may mislead.
        """
        if self._places_out_of_order >= DISORDERLY_PLACES:
            doubt = slot.ended_at - slot.sent_at
        after_sent, after_ended = slot.sent_at + doubt, slot.ended_at + doubt
        gone_sent, gone_ended = (at - doubt - self._interval for at in (slot.sent_at, slot.ended_at))
        own = 0
        for other in self._slots.values():
            sent_at, ended_at = other.sent_at, other.ended_at
            after = sent_at > after_sent and ended_at > after_ended
            own += not (after or (sent_at <= gone_sent and ended_at <= gone_ended))
        return own

    # The others

    def _learn_others(self, slot: _Slot, used: int) -> None:
        """News of the others, unless there is later news."""
        if slot.sent_at < self._news_sent_at:
            return
        now = slot.ended_at
        self._news_at, self._news_sent_at = now, slot.sent_at
        was_shared = self._shared(now)
        surely = used > self._own_at_most(slot, THREADS_SECONDS)
        believed = surely or now < self._shared_until
        self._others = max(used - self._own_at_most(slot, 0.0), 0) if believed else 0
        self._others_seen.append((slot.sent_at, self._others))
        if surely:
            if not was_shared:
                self._set_share(now, self._taken(now)[0])
            self._shared_until = now + self._interval * OTHERS_LINGER
        if slot.claimed:
            self._set_share(now, max(self._share_now(now), self._taken(now)[0] - self._claims))
        if self._limit - used > self._reserve:
            self._refusals = 0

    def _refused(self, slot: _Slot) -> None:
        """A 429: somebody, or a miscount, took the slot that was thought free. One that says there was room is none."""
        now = slot.ended_at
        if slot.used is not None and slot.used < self._limit:
            return
        self._refusals += 1
        if slot.used is not None:
            self._learn_others(slot, slot.used)
        if self._shared(now):
            taken = self._taken(now)[0]
            self._others = max(self._others, self._limit - taken)
            self._set_share(now, min(self._share_now(now), taken) * SHRINKING_AFTER_429)
            return
        if slot.used is not None:
            self._places_out_of_order = max(self._places_out_of_order, DISORDERLY_PLACES)
        self.pause(now + min(math.ldexp(REFUSED_PAUSE_SECONDS, min(self._refusals - 1, 10)), self._interval / 2))

    @property
    def _reserve(self) -> int:
        return max(2, self._limit // RESERVE_ONE_IN)

    def _shared(self, now: float) -> bool:
        return self._others > 0 or now < self._shared_until

    def _share_now(self, now: float) -> float:
        """How many slots this process may use again: what it held, less what it gave up since."""
        return self._share * math.exp(-SHRINKING * (now - self._share_set_at) / self._interval)

    def _set_share(self, now: float, share: float) -> None:
        self._share, self._share_set_at = share, now

    def _may_claim(self, now: float, taken: int) -> bool:
        """Whether a slot beyond the own share may be taken."""
        free = self._limit - taken - self._others
        part = self._share_now(now) / self._limit
        claimable = free - self._reserve - self._others_since(now)
        if claimable >= 1:
            self._free_since = min(self._free_since, now)
            rested = now >= self._free_since + CLAIM_DELAY * part * self._interval
            return rested and self._claims < max(1.0, claimable * CLAIMED_PART)
        self._free_since = math.inf
        delay = max(PROBE_SECONDS, PROBE_DELAY * part * self._interval)
        if free < 1 and taken:
            delay = PROBE_DELAY_WHEN_FULL * self._interval
        delay = min(delay * math.ldexp(1.0, min(self._refusals, 10)), LONGEST_PROBE_DELAY * self._interval)
        return self._claims == 0 and now >= self._news_at + delay

    def _others_since(self, now: float) -> float:
        """How many more the others have sent since the last news, if they go on growing as they did."""
        if not self._others_seen:
            return 0.0
        (first_at, first), (last_at, last) = self._others_seen[0], self._others_seen[-1]
        growth = max(last - first, 0) / max(last_at - first_at, 0.01)
        return growth * min(now - self._news_sent_at, 2 * min(self._latencies))
