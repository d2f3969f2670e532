"""Whether HubSpot answers at all, and when the log says that it doesn't."""

from __future__ import annotations

# Long enough for a retry or two to succeed first, short enough to be seen in the log.
WARN_AFTER_SECONDS = 5.0
# Where nothing fails and nothing comes back, a slow reply is the likelier reason for longer.
SILENT_AFTER_SECONDS = 15.0
# The second warning comes so long after the first, the next after twice as long, ...
WARN_AGAIN_AFTER_SECONDS = 30.0


class Outage:
    """Notes how requests end, and says when that is worth a warning. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._answered_at = float("-inf")
        self._since: float | None = None
        self._problem = ""
        self._warn_at = 0.0
        self._warn_again_after = 0.0

    def answered(self, now: float) -> float | None:
        """A reply came that is no reason to send the request again.

        :returns: how long there was none before, if a warning has said so.
        """
        lasted = None if self._since is None or not self._warn_again_after else now - self._since
        self._answered_at, self._since, self._warn_again_after = now, None, 0.0
        return lasted

    def failed(self, now: float, problem: str) -> None:
        """A request is to be sent again.

        :param problem: why, in a sentence without a row's value.
        """
        self._problem = problem
        if self._since is None:
            self._since, self._warn_at = now, now + WARN_AFTER_SECONDS

    def waiting(self, now: float, oldest_sent_at: float | None) -> None:
        """Time passes.

        :param oldest_sent_at: when the oldest request under way was sent; ``None``: there is none.
        """
        if self._since is None and oldest_sent_at is not None:
            since = max(oldest_sent_at, self._answered_at)
            if now - since >= SILENT_AFTER_SECONDS:
                self._since, self._warn_at = since, now
                self._problem = "requests are under way, and no reply comes"

    def stalled(self, now: float) -> str | None:
        """What is wrong, once it has lasted: ``no good reply for 12 s: 503``."""
        if self._since is None or now - self._since < WARN_AFTER_SECONDS:
            return None
        return f"no good reply for {now - self._since:.0f} s: {self._problem}"

    def warning(self, now: float) -> str | None:
        """What is wrong, if it is time to say so: first after a few seconds, then ever more seldom."""
        if self._since is None or now < self._warn_at:
            return None
        self._warn_again_after = 2 * self._warn_again_after or WARN_AGAIN_AFTER_SECONDS
        self._warn_at = now + self._warn_again_after
        return self.stalled(now)
