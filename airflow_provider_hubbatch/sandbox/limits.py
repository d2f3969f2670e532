"""HubSpot's limits: rolling windows and daily limits, and which requests they count."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_hubbatch.sandbox.tokens import AccessToken

WINDOW_SECONDS = 10.0


class RollingWindow:
    """The requests counted in the last seconds.

    :param limit: How many there may be; ``None``: any number.
    """

    def __init__(self, limit: int | None, *, seconds: float = WINDOW_SECONDS) -> None:
        self.limit = limit
        self.seconds = seconds
        self.peak = 0
        self._counted: deque[float] = deque()

    def occupied(self, now: float) -> int:
        """How many places are taken."""
        while self._counted and self._counted[0] <= now - self.seconds:
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
        return self._counted[0] + self.seconds - now if self.is_full(now) and self._counted else 0.0

    def clear(self) -> None:
        """Frees every place."""
        self._counted.clear()


class DailyQuota:
    """A daily API limit; it resets at midnight in the account's time zone.

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
        """Leaves only so many calls; the limit may reset sooner than at midnight."""
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


class Pace:
    """The limits of one family of endpoints.

    :param limit: Requests in a window; ``None``: any number.
    :param seconds: How long a window is.
    :param policy: What a 429 calls it.
    :param by_app: Whether each app has a window of its own, or all of the account share one.
    """

    def __init__(
        self, limit: int | None, *, seconds: float, policy: str, quota: DailyQuota, by_app: bool = True
    ) -> None:
        self.limit = limit
        self.policy = policy
        self.quota = quota
        self.windows: dict[str, RollingWindow] = {}
        self._seconds = seconds
        self._by_app = by_app

    def window(self, token: AccessToken) -> RollingWindow:
        """The window that a token's requests are counted in."""
        name = token.app if self._by_app else ""
        window = self.windows.get(name)
        if window is None:
            window = self.windows[name] = RollingWindow(self.limit, seconds=self._seconds)
        return window

    @property
    def peak(self) -> int:
        """The fullest that a window has been."""
        return max((window.peak for window in self.windows.values()), default=0)

    def set_limit(self, limit: int | None) -> None:
        """Changes the limit, of the windows in use too."""
        self.limit = limit
        for window in self.windows.values():
            window.limit = limit

    def clear(self) -> None:
        """Frees every window and resets the daily limit."""
        self.quota.restore()
        for window in self.windows.values():
            window.clear()
