"""How a sync went over time: a fold over its progress, small enough for an XCom however long the sync takes."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

# Enough for a chart of any width; 200 points are about 6 KB as JSON.
MAX_POINTS = 200

# A new timeline has a point for every second; each time it is full, neighbours are merged and the interval doubles.
FIRST_INTERVAL_SECONDS = 1.0

# HubSpot: "requests per 10 seconds" is the unit of its burst limits (docs, API usage guidelines)
WINDOW_SECONDS = 10.0

# How finely the requests of the last 10 seconds are remembered: at 190 requests in 10 s, one request.
_LOOK_EVERY_SECONDS = 0.05

# A task that is retried again and again has more tries than a chart can mark.
_MAX_RESUMES = 20


class Point(NamedTuple):
    """What had been done by one moment.

    :param seconds: since the sync's start; the time between two tries doesn't count.
    :param rows: rows that had their outcome.
    :param requests: the most requests sent in any 10 seconds that ended since the point before.
    :param rate_limited: replies 429, from the start.
    :param rejected: rows that were rejected, from the start.
    """

    seconds: float
    rows: int
    requests: int
    rate_limited: int
    rejected: int


class Timeline:
    """At most 200 points over the whole of a sync, across its tries."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self.resumed_at: list[float] = []
        self._interval = FIRST_INTERVAL_SECONDS
        self._sent: deque[tuple[float, int]] = deque([(0.0, 0)])
        self._most_requests = 0

    def note(
        self,
        seconds: float,
        *,
        rows: int,
        requests: int,
        rate_limited: int,
        rejected: int,
        last: bool = False,
    ) -> None:
        """Take in where the sync is; any number of times a second.

        :param seconds: since its start; never less than before.
        :param requests: sent from the start.
        :param last: the sync has ended, for this try: there is a point for it, however close to the one before.
        """
        if seconds - self._sent[-1][0] >= _LOOK_EVERY_SECONDS or last:
            self._look(seconds, requests)
        if len(self.points) == MAX_POINTS:
            pairs = zip(self.points[::2], self.points[1::2], strict=True)
            self.points = [_merged(earlier, later) for earlier, later in pairs]
            self._interval *= 2
        if last or seconds - self._last_seconds() >= self._interval:
            self._add(Point(round(seconds, 1), rows, self._most_requests, rate_limited, rejected))

    def resume(self, seconds: float, *, rows: int, requests: int, rejected: int) -> None:
        """A later try goes on from here: what the earlier one did after its checkpoint is done again.

        :param seconds: what the earlier tries took, up to the checkpoint.
        :param rows: settled by then.
        :param requests: sent by then.
        :param rejected: by then.
        """
        self.points = [
            point._replace(rows=min(point.rows, rows), rejected=min(point.rejected, rejected))
            for point in self.points
            if point.seconds <= round(seconds, 1)  # as points tell it
        ]
        self.resumed_at = [*self.resumed_at, round(seconds, 1)][-_MAX_RESUMES:]
        self._sent = deque([(seconds, requests)])
        self._most_requests = 0

    def as_json(self) -> dict[str, Any]:
        """``{"points": {"seconds": [...], "rows": [...], ...}, "resumed_at": [...]}``, ready for JSON.

        ``points`` has a list for each field of :class:`Point`, ``resumed_at`` the seconds at which a later try went on.
        """
        columns = {name: [getattr(point, name) for point in self.points] for name in Point._fields}
        return {"points": columns, "resumed_at": self.resumed_at}

    @classmethod
    def from_json(cls, data: Any) -> Timeline:
        """What :meth:`as_json` gave; an empty one for anything else: a chart is no reason to fail."""
        timeline = cls()
        if not isinstance(data, Mapping):
            return timeline
        try:
            columns = [data["points"][name] for name in Point._fields]
            points = [
                Point(float(seconds), int(rows), int(requests), int(rate_limited), int(rejected))
                for seconds, rows, requests, rate_limited, rejected in zip(*columns, strict=True)
            ]
            resumed_at = [float(seconds) for seconds in data["resumed_at"]]
        except (KeyError, TypeError, ValueError, OverflowError):
            return timeline
        timeline.points = points[:MAX_POINTS]
        timeline.resumed_at = resumed_at[-_MAX_RESUMES:]
        while points and timeline._interval * MAX_POINTS < points[-1].seconds:
            timeline._interval *= 2
        return timeline

    def _look(self, seconds: float, requests: int) -> None:
        self._sent.append((seconds, requests))
        while len(self._sent) > 1 and self._sent[1][0] <= seconds - WINDOW_SECONDS:
            self._sent.popleft()
        self._most_requests = max(self._most_requests, round(requests - self._sent_before(seconds - WINDOW_SECONDS)))

    def _sent_before(self, seconds: float) -> float:
        """Requests sent by then: between two looks, as if they had been sent evenly."""
        (at, sent), (next_at, next_sent) = self._sent[0], self._sent[1]
        if seconds <= at or next_at <= at:
            return sent
        return sent + (next_sent - sent) * min((seconds - at) / (next_at - at), 1.0)

    def _last_seconds(self) -> float:
        return self.points[-1].seconds if self.points else 0.0

    def _add(self, point: Point) -> None:
        self._most_requests = 0
        if self.points and point.seconds <= self._last_seconds():
            self.points[-1] = _merged(self.points[-1], point)
        else:
            self.points.append(point)


def _merged(earlier: Point, later: Point) -> Point:
    return later._replace(requests=max(earlier.requests, later.requests))
