"""How a sync is going, as lines of a task's log: by time, never by row, and without any row's value."""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING

from airflow_provider_hubbatch.core.model import Status
from airflow_provider_hubbatch.core.reasons import first_reasons

if TYPE_CHECKING:
    from collections.abc import Callable
    from logging import Logger

    from airflow_provider_hubbatch.client.pace import Pace
    from airflow_provider_hubbatch.core.clearing import EmptyValues
    from airflow_provider_hubbatch.core.duplicates import Duplicates
    from airflow_provider_hubbatch.core.sync_report import SyncReport
    from airflow_provider_hubbatch.sync.engine import Progress

# Often enough to see that it moves, rare enough that a long sync's log can be read.
LOG_EVERY_SECONDS = 10.0

_REASONS_LOGGED = 5
_COLUMNS_LOGGED = 20
_CHANGES_LOGGED = 3


class ProgressLog:
    """Logs where a sync is, every ten seconds.

    :param total_rows: where it is known beforehand.
    """

    def __init__(
        self,
        log: Logger,
        report: SyncReport,
        pace: Pace,
        *,
        total_rows: int | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._report = report
        self._pace = pace
        self._total_rows = total_rows
        self._clock = clock
        self._started_at = self._next_at = clock()
        self._next_at += LOG_EVERY_SECONDS

    def tick(self, progress: Progress) -> None:
        """Log a line, if it is time for one."""
        now = self._clock()
        if now >= self._next_at:
            self._next_at = now + LOG_EVERY_SECONDS
            self._log.info("%s", self.line(progress, now - self._started_at))

    def line(self, progress: Progress, seconds: float) -> str:
        """``12,400 of 100,000 rows (12 %), 1,850 rows/s, about 47 s left; 3 rejected; ...``

        Rows, outcomes and requests are those of all tries; the pace is this one's.
        """
        done = self._report.resumed_rows + progress.rows_settled
        rate = progress.rows_settled / seconds if seconds > 0 else 0.0
        parts = [f"{done:,} rows"]
        if self._total_rows:
            parts = [f"{done:,} of {self._total_rows:,} rows ({100 * done / self._total_rows:.0f} %)"]
        if round(rate) > 0:
            parts.append(f"{rate:,.0f} rows/s")
        if self._total_rows and rate > 0 and progress.stalled is None:
            parts.append(f"about {duration((self._total_rows - done) / rate)} left")
        costs = progress.costs
        spent = f"{costs.requests:,} requests ({costs.retries:,} retries, {costs.rate_limited:,} rate limited)"
        stalled = [] if progress.stalled is None else [f"nothing moves, {progress.stalled}"]
        return "; ".join([", ".join(parts), *stalled, *self._trouble(), spent, *self._quota()])

    def _trouble(self) -> list[str]:
        counts = {status.value: count for status, count in self._report.counts.items()}
        return [f"{counts[name]:,} {name}" for name in ("rejected", "unknown", "missing") if counts.get(name)]

    def _quota(self) -> list[str]:
        left = self._pace.daily_remaining
        return [] if left is None else [f"{left:,} API calls left today"]


def closing_line(report: SyncReport, daily_remaining: int | None) -> str:
    """What became of a sync, in one line."""
    counts = {status.value: report.counts[status] for status in Status if report.counts[status]}
    outcomes = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    outcomes = f"{outcomes} in {duration(report.seconds)}" if outcomes else "nothing was sent"
    # the pace of a moment says nothing
    pace = report.rows / report.seconds if report.seconds >= 1 else 0
    rate = f", {pace:,.0f} rows/s" if round(pace) > 0 else ""
    requests = f"{report.requests:,} request{'' if report.requests == 1 else 's'}"
    spent = f"{requests} ({report.retries:,} retries, {report.rate_limited:,} rate limited"
    isolation = f", {report.refused_requests:,} refused while looking for bad rows)" if report.refused_requests else ")"
    left = f"; {daily_remaining:,} API calls left today" if daily_remaining is not None else ""
    return f"{report.subject}: {outcomes}{rate}; {spent}{isolation}{left}"


def rejected_lines(report: SyncReport) -> list[str]:
    """Why rows failed: a short line for each of the commonest reasons, as a log's page shows them whole."""
    return [f"Failed: {words}" for words in first_reasons(report.reasons(), _REASONS_LOGGED)]


def not_taken_lines(report: SyncReport) -> list[str]:
    """Which properties (or links of new records) HubSpot shows otherwise than sent, if any: one line."""
    if not report.not_taken:
        return []
    counts = [f"{name} in {count:,}" for name, count in report.not_taken.most_common(_REASONS_LOGGED)]
    more = ", ..." if len(report.not_taken) > _REASONS_LOGGED else ""
    return [f"Written, but HubSpot shows another value (or link) than the one sent: {', '.join(counts)}{more} rows"]


def unread_lines(report: SyncReport) -> list[str]:
    """Which links of new records nobody has read back, if any: one line."""
    if not report.unread:
        return []
    counts = [f"{name} in {count:,}" for name, count in report.unread.most_common(_REASONS_LOGGED)]
    why = "HubSpot took them with the records, and it isn't known which record is whose, or they can't be read"
    return [f"Links that were not read back ({why}): {', '.join(counts)} rows"]


def duplicates_lines(duplicates: Duplicates) -> list[str]:
    """That rows name the same record with other values, and which."""
    if not duplicates.count:
        return []
    named = ", ".join(f"{before:,} and {row:,}" for before, row in duplicates.pairs)
    named += ", ..." if duplicates.count > len(duplicates.pairs) else ""
    what = f"{duplicates.count:,} rows name a record that a row near them names too, with other values (rows {named})"
    return [f"{what}: they are written one after the other, and the last one stays"]


def changes_line(report: SyncReport) -> str:
    """What a look before the leap would change most."""
    counts = [f"{name} in {count:,}" for name, count in report.changes.most_common(_CHANGES_LOGGED)]
    more = ", ..." if len(report.changes) > _CHANGES_LOGGED else ""
    return f"Would change {', '.join(counts)}{more}" if counts else "Would change nothing"


def left_alone_lines(empty: EmptyValues) -> list[str]:
    """Which columns have empty texts that left their property alone: 0.1 sent them, which emptied it."""
    if not empty.left_alone:
        return []
    named = ", ".join(repr(column) for column in islice(empty.left_alone, _COLUMNS_LOGGED))
    more = ", ..." if len(empty.left_alone) > _COLUMNS_LOGGED else ""
    where = f"column {named}" if len(empty.left_alone) == 1 else f"columns {named}{more}"
    return [f'Empty texts in the {where} left the property alone, as nulls do; null_values="clear" empties it']


def duration(seconds: float) -> str:
    """Seconds as people say them: ``4.2 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"  # noqa: PLR2004 - two digits
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:  # noqa: PLR2004 - an hour
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
