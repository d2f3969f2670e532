"""When HubSpot counts a request, somewhere between sending and answering: as far as its replies show.

``Remaining`` tells the order in which requests were counted. Compared with the order of sending and of answering, it
shows at which end of a request HubSpot counts: so much of a slow request's extra time has to be waited out before its
place in the window is free again. Equal numbers tell nothing: replies that are told what remains when they are written,
and not when they were counted, say the same number many times.
"""

from __future__ import annotations

from collections import deque

# The latencies that tell the shortest time a request takes: more requests than any documented window holds.
RECENT_REQUESTS = 256

# Counted so many places out of order: each request is counted at a moment of its own, and not only neighbours that
# changed places, or numbers that are off by a few.
DISORDERLY_PLACES = 5

# Then up to any moment a few more may have been counted than were sent to be: so much of the shortest latency is enough
# of a distance (measured with the simulator of the tests).
DISTANCE = 0.5


class Counting:
    """Learns when requests are counted, and says when a place in the window is free again."""

    def __init__(self) -> None:
        self.shortest = 0.0
        self._latencies: deque[float] = deque(maxlen=RECENT_REQUESTS)
        self._counted: list[tuple[float, int]] = []
        self._crossed = 0
        self._crossed_by_reply = 0
        self._is_irregular = False

    def ended(self, sent_at: float, ended_at: float) -> None:
        """A request took so long."""
        self._latencies.append(max(ended_at - sent_at, 0.0))
        self.shortest = min(self._latencies)

    def counted(self, sent_at: float, used: int) -> None:
        """A request was counted as the ``used``-th: only while nobody else is there, and nothing has left the window.

        :param sent_at: of the request whose reply came last.
        """
        for other_sent_at, other_used in self._counted:
            if other_sent_at > sent_at and other_used != used:
                self._crossed += 1
                self._crossed_by_reply += used > other_used
            elif other_sent_at <= sent_at and other_used > used + DISORDERLY_PLACES:
                self._is_irregular = True
        self._counted.append((sent_at, used))

    def seconds_after_sending(self, latency: float) -> float:
        """How long after it was sent a request may have been counted, compared with a fast one."""
        by_reply = (self._crossed_by_reply + 1) / (self._crossed + 1)
        late = max(latency - self.shortest, 0.0) * by_reply
        return min(late + (DISTANCE * self.shortest if self._is_irregular else 0.0), latency)
