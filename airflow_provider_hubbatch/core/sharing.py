"""What others on the account take, and how many slots beyond its own a process may claim.

Each reply says how many requests of everybody's were in the window. What that is more than the own ones is the others'.
It is known only within bounds: of the requests that were under way, nobody knows which were counted by then.

Every process holds on to its slots: it uses each again a window later, so that no two collide. Slots that nobody holds
are claimed in rounds: a process draws how many it may take now, by how many are free and by its own share, so that all
together take only a part of what is free; the next round waits for news of this one. What is free for a moment only is
not claimed: others are about to use it again. So the most that others had of late counts: for long where it is about a
few slots, for a short time where many are free. A claim that was refused makes the next one wait for longer.

A process gives up slots by and by, the more the more it holds. So the shares become equal, a newcomer gets in, and what
a finished process leaves is taken over. A few slots stay free for newcomers.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

# Each number below is measured with the simulator of the tests (tests/core/simulated_hubspot.py prints the tables).

# Numbers of others up to this may be replies that cross, or a counter that is off by a few; more than this share of the
# limit (and more than so many) can't.
DOUBTFUL = 2
CERTAIN_SHARE, CERTAIN = 0.1, 10
# So many of the latest replies are looked at, of which this part has to show others.
RECENT_NEWS, RECENT_NEWS_SHARE = 8, 0.75
# Others are reckoned with for so many windows after they were last seen.
LINGER_WINDOWS = 1.25

# Slots that stay free for newcomers: one in so many, and at least three.
RESERVE_ONE_IN, SMALLEST_RESERVE = 50, 3
# How likely it is, for the whole limit as its share, that a process gives up a slot; more while the reserve is in use.
GIVING_UP, GIVING_UP_WHEN_FULL = 0.2, 3.0

# What was taken counts as taken for so many windows: while the window fills, then; after a refused claim twice as many.
HOLD_WINDOWS_FILLING, HOLD_WINDOWS, MOST_PATIENCE = 0.13, 0.2, 8.0
# ... and as much longer as the process has few slots, hence few news: for a share of one in so many, this long. But of
# what was free for the shorter time, all but so many slots are free: no more are ever in between two uses.
HOLD_WINDOWS_A_SHARE, LONGEST_HOLD_WINDOWS = 0.05, 1.05
IN_BETWEEN_SHARE, IN_BETWEEN = 0.06, 8
# The window is full at this part of the limit, for what follows.
FULL_SHARE = 0.9
# Of what is free, all together claim at most this part in a round; ever less as they are many.
CLAIMED_PART, FEW = 0.4, 4.0
# A newcomer's claim counts as if it held so many slots more; and nobody's is less than this part of what is free.
NEWCOMERS_SLOTS, SMALLEST_CLAIM = 10.0, 0.03
# A share of what is used counts, too, where little is used; but at most so much: others may begin just now.
MOST_WEIGHT = 0.5
SHORTEST_ROUND_SECONDS = 0.1

# A process without any slot tries one now and then: first after so long, then twice as long, up to half a window.
FIRST_PROBE_SECONDS = 1.0


class News(NamedTuple):
    """What one reply says.

    :param ticket: of its request; later requests have greater ones.
    :param used: requests of everybody's in the window.
    :param own_before: own slots when it was sent, itself among them.
    :param own_at_most: own requests that may have been counted among ``used``.
    :param claimed: it was sent beyond the own slots.
    :param refused: it is a 429.
    """

    ticket: int
    used: int
    own_before: int
    own_at_most: int
    claimed: bool
    refused: bool


class Sharing:
    """Tells whether others use the account, how many slots they take, and how many of the free ones may be claimed.

    :param random: gives numbers in [0, 1): processes that start together must not go on together.
    """

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._latest_ticket = 0
        self._least: deque[int] = deque(maxlen=RECENT_NEWS)
        self._most: deque[tuple[float, int]] = deque(maxlen=256)
        self._shared_until = -math.inf
        self._was_full = False
        self._is_full = False
        self._patience = 1.0
        self._claims = 0
        self._round_ticket = 0
        self._round_ends_at = 0.0
        self._next_round_at = -math.inf
        self._probe_seconds = FIRST_PROBE_SECONDS
        self._probe_at = -math.inf

    def is_shared(self, now: float) -> bool:
        """Whether others use the account."""
        return now < self._shared_until

    def learn(self, now: float, news: News, *, limit: int, interval: float, first_window: bool) -> None:
        """A reply came.

        :param first_window: the first request was sent less than a window ago.
        """
        if news.ticket < self._latest_ticket:
            return
        self._latest_ticket = news.ticket
        surely = news.used - news.own_at_most
        self._least.append(surely)
        seen = sum(one > DOUBTFUL for one in self._least)
        often = seen > 1 and seen >= len(self._least) * RECENT_NEWS_SHARE
        if often or surely > max(CERTAIN, limit * CERTAIN_SHARE):
            self._shared_until = now + LINGER_WINDOWS * interval
        self._is_full = news.used > limit - reserve(limit)
        self._was_full |= news.used >= limit * FULL_SHARE or not first_window
        self._most.append((now, max(news.used - news.own_before + news.refused, 0)))
        if news.claimed and not news.refused:
            self._patience = max(self._patience / 2, 1.0)
            self._probe_seconds = FIRST_PROBE_SECONDS

    def refused(self, now: float, *, free: int, interval: float) -> None:
        """A 429 said that all is taken.

        :param free: slots that aren't the own ones: they are the others'.
        """
        self._shared_until = max(self._shared_until, now + LINGER_WINDOWS * interval)
        self._patience = min(self._patience * 2, MOST_PATIENCE)
        self._most.append((now, free))

    def others(self, now: float, *, own: int, limit: int, interval: float, latency: float) -> int:
        """How many slots are others' at most, of late.

        :param own: own slots.
        :param latency: how long a request takes at least.
        """
        if not self.is_shared(now):
            return 0 if self._explained_by_own() else self._most_since(now - latency)
        if not self._was_full:
            return self._most_since(now - HOLD_WINDOWS_FILLING * interval)
        longest = min(max(HOLD_WINDOWS_A_SHARE * limit / max(own, 1), HOLD_WINDOWS), LONGEST_HOLD_WINDOWS)
        long = self._most_since(now - longest * self._patience * interval)
        return min(long, self._most_since(now - HOLD_WINDOWS * interval) + int(limit * IN_BETWEEN_SHARE) + IN_BETWEEN)

    def _most_since(self, since: float) -> int:
        """Each number holds until the next one comes."""
        most = 0
        for at, count in reversed(self._most):
            most = max(most, count)
            if at < since:
                break
        return most

    def _explained_by_own(self) -> bool:
        """Whether the latest replies count just what this process had sent when they were written, and nothing more."""
        least = self._least
        return len(least) == RECENT_NEWS and -1 <= min(least) <= max(least) <= DOUBTFUL

    def gives_up(self, own: int, limit: int) -> bool:
        """Whether an own slot that has become free is left to others."""
        likelihood = GIVING_UP * own / limit * (GIVING_UP_WHEN_FULL if self._is_full else 1.0)
        return self._random() < likelihood

    def may_claim(self, now: float, *, others: int, own: int, limit: int, latency: float) -> bool:
        """Whether a slot beyond the own ones may be taken.

        :param others: slots that are others'.
        :param own: slots that are own ones.
        """
        if not own and now >= self._probe_at:
            return True
        if not self._claims and now >= self._next_round_at and self._has_news_of_the_round(now):
            self._claims = int(self._claimable(others, own, limit) + self._random())
            seconds = max(latency, SHORTEST_ROUND_SECONDS)
            self._next_round_at = now + seconds * (0.5 + self._random())
            self._round_ends_at = now + max(3 * seconds, 1.0)
        return self._claims > 0

    def claimed(self, now: float, ticket: int, *, own: int, interval: float) -> None:
        """A slot beyond the own ones is taken.

        :param own: slots before it.
        """
        self._claims = max(self._claims - 1, 0)
        self._round_ticket = ticket
        if not own:
            self._probe_seconds = min(2 * self._probe_seconds, interval / 2)
            self._probe_at = now + self._probe_seconds * (0.5 + self._random())

    @property
    def next_round_at(self) -> float:
        """When it is worth asking again."""
        return self._next_round_at

    def _has_news_of_the_round(self, now: float) -> bool:
        return self._latest_ticket >= self._round_ticket or now >= self._round_ends_at

    def _claimable(self, others: int, own: int, limit: int) -> float:
        """How many may be claimed in this round; a fraction is a likelihood."""
        free = limit - others - own - reserve(limit)
        if not self._was_full and len(self._most) == 1:
            free -= others  # who started together with this process has sent as much again since
        weight = own / max(others + own, 1)
        if self._was_full:  # who holds most of it has enough, who holds little is one of many
            share = (own + NEWCOMERS_SLOTS) / (limit + NEWCOMERS_SLOTS)
            weight = max(2 * share * (1 - share), min(weight, MOST_WEIGHT))
        part = CLAIMED_PART * weight / (1 + 1 / (FEW * weight)) if weight > 0 else 0.0
        return max(free, 0) * max(part, SMALLEST_CLAIM if self._was_full else 0.0)


def reserve(limit: int) -> int:
    """Slots that stay free for newcomers."""
    return max(SMALLEST_RESERVE, limit // RESERVE_ONE_IN)
