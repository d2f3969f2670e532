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
    """HubSpot's clock, as an offset from the client's monotonic one: known between two bounds, which replies narrow.

    :param own_offset: by which the machine's own clock differs from the monotonic one: believed where it lies between
        the bounds, for the fraction of a second that a ``Date`` header doesn't tell. ``None``: there is none.
    """

    def __init__(self, own_offset: float | None = None) -> None:
        self._own = own_offset
        self._least, self._most = -math.inf, math.inf
        self._date: str | None = None

    def note_date(self, date: str | None, *, sent_at: float, received_at: float) -> None:
        """A reply's ``Date`` header, which has whole seconds.

        :param sent_at: when the request was sent, on the client's clock; ``received_at``: when its reply was there.
        """
        if date is None or date == self._date:
            return  # the first reply of a second tells most
        self._date = date
        try:
            told = parsedate_to_datetime(date).timestamp()
        except (ValueError, TypeError, OverflowError):
            return
        self._note(told - received_at, told + 1 - sent_at)

    def note_batch(self, reply: BatchReply, *, sent_at: float, received_at: float) -> None:
        """The times in a batch's reply, which have milliseconds."""
        started, completed = seconds_of(reply.started_at), seconds_of(reply.completed_at)
        if started is not None and completed is not None:
            self._note(completed - received_at, started + 0.001 - sent_at)

    def moment(self, at: float) -> str | None:
        """A moment of the client's clock, by HubSpot's: ISO 8601; ``None``: HubSpot has told no time so far.

        Where it isn't known better, rather too early than too late.
        """
        if self._least == -math.inf:
            return None
        offset = self._least
        if self._own is not None and self._least <= self._own <= self._most:
            offset = self._own
        return text_of_seconds(at + offset)

    def _note(self, least: float, most: float) -> None:
        if (
            least > self._most or most < self._least or least > most
        ):  # a clock was set, or replies contradict each other
            self._least, self._most = min(least, most), max(least, most)
        else:
            self._least, self._most = max(self._least, least), min(self._most, most)


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
