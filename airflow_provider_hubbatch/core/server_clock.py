"""What time it is by HubSpot's clock, told by its replies: whether a record is older than a request.

The machine's own clock may be wrong; HubSpot's times are compared with HubSpot's times only.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_hubbatch.core.batch_reply import BatchReply


class ServerClock:
    """HubSpot's clock, as an offset from the client's monotonic one.

    The offset is known from below only, since nobody knows how long a reply was on its way: so a moment by HubSpot's
    clock is never later than it really was.
    """

    def __init__(self) -> None:
        self._offset = -math.inf

    def note_date(self, date: str | None, received_at: float) -> None:
        """A reply's ``Date`` header, which has whole seconds.

        :param received_at: seconds on the client's clock.
        """
        try:
            self._note(parsedate_to_datetime(date or "").timestamp(), received_at)
        except (ValueError, TypeError, OverflowError):
            return

    def note_batch(self, reply: BatchReply, received_at: float) -> None:
        """The times in a batch's reply, which have milliseconds."""
        for told in (reply.started_at, reply.completed_at):
            moment = seconds_of(told)
            if moment is not None:
                self._note(moment, received_at)

    def moment(self, at: float) -> str | None:
        """A moment of the client's clock, by HubSpot's: ISO 8601; ``None``: HubSpot has told no time so far."""
        return None if self._offset == -math.inf else text_of_seconds(at + self._offset)

    def _note(self, told: float, received_at: float) -> None:
        self._offset = max(self._offset, told - received_at)


def is_since(moment: str | None, since: str | None) -> bool:
    """Whether something happened at or after ``since``, both by HubSpot's clock.

    :returns: ``False`` where one of them isn't known: nothing is claimed then.
    """
    happened, earliest = seconds_of(moment), seconds_of(since)
    return happened is not None and earliest is not None and happened >= earliest


def seconds_of(text: str | None) -> float | None:
    """A time in ISO 8601 as seconds since 1970; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def text_of_seconds(seconds: float) -> str | None:
    """Seconds since 1970 as ISO 8601, rounded down to the millisecond."""
    try:
        moment = datetime.fromtimestamp(math.floor(seconds * 1000) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return moment.isoformat(timespec="milliseconds")
