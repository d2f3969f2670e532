"""When the next request may leave: one pace for everything that one client does, in however many threads."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

from airflow_provider_hubbatch.core.protocol import Window
from airflow_provider_hubbatch.core.rate_limit import Cap, RateLimiter, RateLimitHeaders
from airflow_provider_hubbatch.core.search_limit import SearchLimiter
from airflow_provider_hubbatch.core.server_clock import ServerClock

if TYPE_CHECKING:
    from airflow_provider_hubbatch.core.protocol import Reply

_TOO_MANY = 429


class Pace:
    """The account's limits, one a window, and the connection's cap. Any number of threads may use it at once.

    What HubSpot's headers say is about the objects' window, so only replies of that are believed.

    :param requests_per_10_seconds: at most so many leave in 10 s, unless a sync has a cap of its own.
    :param clock: HubSpot's, which its replies tell.
    :ivar reached: something has answered, whatever it said, or has taken a request.
    """

    def __init__(self, requests_per_10_seconds: int | None = None, *, clock: ServerClock | None = None) -> None:
        self.clock = clock or ServerClock()
        self._lock = threading.Lock()
        self.reached = False
        self._objects = RateLimiter(random.random)
        self._limiters: dict[Window, RateLimiter | SearchLimiter] = {
            Window.OBJECTS: self._objects,
            Window.ASSOCIATIONS: RateLimiter(random.random),
            Window.SEARCH: SearchLimiter(random.random),
        }
        self._cap = None if requests_per_10_seconds is None else Cap(requests_per_10_seconds)

    def requests_per_10_seconds(self, cap: int | None = None) -> float:
        """The limit in force: the account's as far as it is known, or the cap where that is less.

        :param cap: instead of the connection's.
        """
        limit = self._objects.requests_per_10_seconds
        if cap is None and self._cap is not None:
            cap = self._cap.requests_per_10_seconds
        return limit if cap is None else min(limit, cap)

    @property
    def daily(self) -> int | None:
        """Calls that the account has a day, where HubSpot says."""
        return self._objects.daily

    @property
    def daily_remaining(self) -> int | None:
        """Of these, left today, as far as it is known."""
        return self._objects.daily_remaining

    def wait_seconds(self, now: float, window: Window, cap: Cap | None = None) -> float:
        """0.0: one request may be sent now. Else how long until it is worth asking again, if no reply comes first.

        :param cap: instead of the connection's.
        """
        with self._lock:
            return self._wait_seconds(now, window, cap or self._cap)

    def take(self, now: float, window: Window, cap: Cap | None = None) -> int | None:
        """One request goes out: its ticket, for :meth:`answered` or :meth:`lost`.

        :param cap: instead of the connection's.
        :returns: ``None`` if none may be sent now: another thread may have been faster.
        """
        with self._lock:
            cap = cap or self._cap
            if self._wait_seconds(now, window, cap) > 0:
                return None
            if cap is not None:
                cap.sent(now)
            return self._limiters[window].sent(now)

    def answered(self, ticket: int, window: Window, reply: Reply, *, sent_at: float, answered_at: float) -> None:
        """A reply came, whatever its status."""
        headers = RateLimitHeaders.parse(reply.headers) if window is Window.OBJECTS else None
        self.reached = True
        date = reply.header("date")
        with self._lock:
            self.clock.note_date(date, sent_at=sent_at, received_at=answered_at)
            self._limiters[window].answered(
                ticket,
                sent_at=sent_at,
                answered_at=answered_at,
                headers=headers,
                rate_limited=reply.status == _TOO_MANY,
            )

    def lost(self, ticket: int, window: Window, *, sent_at: float, ended_at: float) -> None:
        """No reply came, or nobody waits for it any more: HubSpot may have counted the request."""
        with self._lock:
            self._limiters[window].lost(ticket, sent_at=sent_at, ended_at=ended_at)

    def pause(self, until: float, *windows: Window) -> None:
        """Send nothing before ``until``: a server's hint.

        :param windows: nothing of these; none: nothing at all.
        """
        with self._lock:
            for window in windows or Window:
                self._limiters[window].pause(until)

    def _wait_seconds(self, now: float, window: Window, cap: Cap | None) -> float:
        wait = self._limiters[window].wait_seconds(now)
        return wait if cap is None else max(wait, cap.wait_seconds(now))
