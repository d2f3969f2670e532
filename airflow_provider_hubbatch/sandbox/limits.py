"""HubSpot's two limits: a rolling window for each app, and a daily quota for the account."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Callable

WINDOW_SECONDS = 10.0


class RollingWindow:
    """The requests counted in the last 10 seconds.

    :param limit: How many there may be; ``None``: any number.
    """

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.peak = 0
        self._counted: deque[float] = deque()

    def occupied(self, now: float) -> int:
        """How many places are taken."""
        while self._counted and self._counted[0] <= now - WINDOW_SECONDS:
            self._counted.popleft()
        return len(self._counted)

    def is_full(self, now: float) -> bool:
        """Whether a request now would get a 429."""
        return self.limit is not None and self.occupied(now) >= self.limit

    def count(self, now: float) -> None:
        """Takes a place."""
        self._counted.append(now)
        self.peak = max(self.peak, self.occupied(now))

    def occupy(self, places: int, now: float) -> None:
        """Takes places that no request of ours took."""
        self._counted.extend([now] * places)

    def seconds_until_free(self, now: float) -> float:
        """How long until there is a place."""
        return self._counted[0] + WINDOW_SECONDS - now if self.is_full(now) and self._counted else 0.0

    def clear(self) -> None:
        """Frees every place."""
        self._counted.clear()


class DailyQuota:
    """The account's calls a day; they start again at midnight in the account's time zone.

    :param limit: How many; ``None``: any number.
    """

    def __init__(self, limit: int | None, *, time_zone: str, now: Callable[[], datetime]) -> None:
        self.limit = limit
        self.spent = 0
        self.zone = ZoneInfo(time_zone)
        self._now = now
        self.resets_at = self._next_midnight()

    def roll_over(self) -> None:
        """Starts a new day if it is time."""
        if self._now() >= self.resets_at:
            self.spent = 0
            self.resets_at = self._next_midnight()

    @property
    def is_spent(self) -> bool:
        """Whether a call now would get a 429."""
        return self.limit is not None and self.spent >= self.limit

    @property
    def remaining(self) -> int:
        """The calls left today."""
        return max(0, (self.limit or 0) - self.spent)

    def spend(self, *, leave: int = 0, resets_in_seconds: float | None = None) -> None:
        """Leaves only so many calls; they may come back sooner than at midnight."""
        self.spent = max(0, (self.limit or 0) - leave)
        if resets_in_seconds is not None:
            self.resets_at = self._now() + timedelta(seconds=resets_in_seconds)

    def restore(self) -> None:
        """Gives the whole quota back."""
        self.spent = 0
        self.resets_at = self._next_midnight()

    def _next_midnight(self) -> datetime:
        tomorrow = self._now().astimezone(self.zone).date() + timedelta(days=1)
        return datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=self.zone)
