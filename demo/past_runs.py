"""Made-up history: what a sync would have pushed on other nights, made of what it pushed once.

Rows, reasons and records are the real ones of that one run; how many there were each night, and how long it took, is
drawn. For a page that is full at the first click, and for nothing else.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.core.model import RowOutcome, Status
from airflow_provider_hubbatch.core.sync_report import SyncReport
from airflow_provider_hubbatch.core.timeline import Timeline
from airflow_provider_hubbatch.sync.progress import closing_line, rejected_lines

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from random import Random

LIMIT = 190
_BATCH = 100
_LISTED = 1_000
_TICKS_A_SECOND = 4


@dataclass(frozen=True, slots=True)
class Night:
    """One run of a sync.

    :param started_at: in UTC.
    :param rejected: rows; at most as many as there are.
    :param mostly: the category of most of them, on a night on which something went wrong.
    :param limited: replies 429.
    :param numbered: the id column, if the id of row ``n`` is ``n + 1``.
    """

    started_at: datetime
    rows: int
    rejected: int
    mostly: str | None = None
    limited: int = 0
    numbered: str | None = None

    @property
    def requests(self) -> int:
        """As many as a sync takes: batches, what they ask first, and those sent again."""
        return -(-self.rows // _BATCH) + 2 + self.limited

    @property
    def seconds(self) -> float:
        """At the account's limit."""
        return 0.7 + self.requests / LIMIT * (12 if self.limited else 10)


def pushed(once: Mapping[str, Any], night: Night, random: Random) -> dict[str, Any]:
    """The XComs of a night.

    :param once: those of the run that really was.
    """
    rejected = _rejected(once["rejected"], night, random)
    summary = _summary(once["return_value"], night, rejected)
    timeline = {
        **once["timeline"],
        "summary": summary,
        "total_rows": night.rows,
        "daily_remaining": (once["timeline"]["daily"] or 250_000) - night.requests - random.randrange(2_000, 9_000),
        "limit": LIMIT,
        **_timeline(night).as_json(),
    }
    return {**once, "return_value": summary, "rejected": rejected[:_LISTED], "timeline": timeline}


def _rejected(outcomes: list[dict[str, Any]], night: Night, random: Random) -> list[dict[str, Any]]:
    if not outcomes or not night.rejected:
        return []
    usual = [random.choice(outcomes) for _ in range(night.rejected)]
    if night.mostly:
        those = [outcome for outcome in outcomes if outcome["category"] == night.mostly]
        usual = [random.choice(those) if random.random() < 0.95 else one for one in usual]
    rows = sorted(random.sample(range(night.rows), night.rejected))
    return [_in_row(outcome, row, night.numbered) for row, outcome in zip(rows, usual, strict=True)]


def _in_row(outcome: dict[str, Any], row: int, numbered: str | None) -> dict[str, Any]:
    if numbered is None:
        return {**outcome, "row": row}
    return {**outcome, "row": row, "id": row + 1, "values": {**outcome["values"], numbered: row + 1}}


def _summary(once: Mapping[str, Any], night: Night, rejected: list[dict[str, Any]]) -> dict[str, Any]:
    ended_at = night.started_at + timedelta(seconds=night.seconds)
    categories = Counter(outcome["category"] for outcome in rejected)
    return {
        **once,
        "rows": night.rows,
        "updated": night.rows - night.rejected - once["unchanged"],
        "rejected": night.rejected,
        "rejected_by_category": dict(categories.most_common()),
        "requests": night.requests,
        "retries": night.limited,
        "rate_limited": night.limited,
        "started_at": _told(night.started_at),
        "completed_at": _told(ended_at),
        "seconds": round(night.seconds, 3),
    }


def _told(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _timeline(night: Night) -> Timeline:
    """At the account's limit, but for a while in the middle on a night with 429s."""
    timeline, ticks = Timeline(), max(int(night.seconds * _TICKS_A_SECOND), 1)
    pace = [0.3 if night.limited and 0.4 < tick / ticks < 0.55 else 1.0 for tick in range(ticks)]
    gone = 0.0
    for tick in range(ticks):
        gone += pace[tick] / sum(pace)
        timeline.note(
            night.seconds * (tick + 1) / ticks,
            rows=round(night.rows * gone),
            requests=round((night.requests - night.limited) * gone),
            rate_limited=round(night.limited * max(0.0, min((gone - 0.4) / 0.1, 1.0))),
            rejected=round(night.rejected * gone),
            last=tick == ticks - 1,
        )
    return timeline


def log_lines(xcoms: Mapping[str, Any]) -> list[str]:
    """The last lines of the log of a sync that pushed these."""
    summary = xcoms["return_value"]
    report = SyncReport(summary["object_type"])
    report.counts.update({status: summary[status.value] for status in Status})
    report.rejected_by_category.update(summary["rejected_by_category"])
    report.rejected = [
        RowOutcome(one["row"], None, Status.REJECTED, category=one["category"], message=one.get("message"))
        for one in xcoms["rejected"]
    ]
    report.requests, report.retries, report.rate_limited = (
        summary[name] for name in ("requests", "retries", "rate_limited")
    )
    report.seconds = summary["seconds"]
    return [closing_line(report, xcoms["timeline"]["daily_remaining"]), *rejected_lines(report)]
