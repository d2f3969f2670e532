"""Syncs of every size and end, as their XComs tell them: made with the package's own report and timeline."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.core.model import RowOutcome, Status
from airflow_provider_hubbatch.core.sync_report import SyncReport
from airflow_provider_hubbatch.core.timeline import Timeline
from tests.browser.scripted_airflow import Instance

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LIMIT = 190
RECORD_URL = "https://app.hubspot.com/contacts/123456/record/0-1/{record_id}"
COLUMNS = {"town": "city", "plan": "plan", "renewal": "renewal_date", "mail": "email", "revenue": "annualrevenue"}

# category and message
REASONS: Sequence[tuple[str, str]] = (
    (
        "OBJECT_NOT_FOUND",
        "Could not get some CONTACT objects, they may be deleted or not exist. Check that ids are valid.",
    ),
    (
        "INVALID_EMAIL",
        "property 'email' takes an email address, as name@example.com; the row has text of 15 characters",
    ),
    (
        "INVALID_OPTION",
        "property 'plan' takes one of its options (free, starter, pro, enterprise); the row has text of 7 characters",
    ),
    ("MISSING_ID", "the id is empty: the row names no record; give it a record id"),
    (
        "VALIDATION_ERROR",
        (
            'Property values were not valid: [{"isValid":false,"error":"INVALID_DATE","name":"renewal_date",'
            '"message":"2027-02-30 was not a valid date."}]'
        ),
    ),
)
WEIGHTS = (9, 7, 5, 2, 1)
TOWNS = ("Porto", "Oslo", "Gdańsk", "İzmir", "Kraków", "Lyon")


def rejected_rows(count: int, *, rows: int, seed: int = 1) -> list[RowOutcome]:
    """So many outcomes of rejected rows, spread over the table."""
    dice = random.Random(seed)
    outcomes = []
    for row in sorted(dice.sample(range(rows), count)):
        category, message = dice.choices(REASONS, WEIGHTS)[0]
        found = category not in {"OBJECT_NOT_FOUND", "MISSING_ID"}
        outcomes.append(
            RowOutcome(
                row,
                None if category == "MISSING_ID" else 20_000 + row,
                Status.REJECTED,
                record_id=str(40_000_000_000 + row * 7) if found else None,
                category=category,
                message=message,
                correlation_id=f"{dice.randbytes(4).hex()}-4d1c-4c52" if category == "OBJECT_NOT_FOUND" else None,
                values={
                    "id": None if category == "MISSING_ID" else 20_000 + row,
                    "town": dice.choice(TOWNS),
                    "plan": "premium" if category == "INVALID_OPTION" else "pro",
                    "renewal": "2027-02-30" if category == "VALIDATION_ERROR" else "2027-03-01",
                    "mail": "aino.lund2041@" if category == "INVALID_EMAIL" else f"customer{row}@example.com",
                    "revenue": round(dice.lognormvariate(7, 1.2), 2),
                },
            )
        )
    return outcomes


def xcoms(
    counts: Mapping[Status, int],
    *,
    rejected: Sequence[RowOutcome] = (),
    total_rows: int | None = None,
    retries: int = 0,
    started: timedelta = timedelta(hours=7),
    results_path: str | None = None,
    resumed_at: float | None = None,
    over: bool = True,
    max_rejected: float = 0,
    validate_only: bool = False,
) -> dict[str, Any]:
    """The XComs of a sync that went at the account's limit."""
    report = SyncReport("contacts", results_path=results_path)
    report.counts.update(counts)
    for outcome in rejected:
        report.rejected_by_category[outcome.category or ""] += 1
    hidden = report.counts[Status.REJECTED] - len(rejected)
    if hidden:
        report.rejected_by_category["OBJECT_NOT_FOUND"] += hidden
    report.requests = -(-report.rows // 100) + 2 + retries
    report.retries = report.rate_limited = retries
    report.seconds = 0.4 + report.requests / LIMIT * (11.6 if retries else 10)
    report.results_path = results_path
    report.started_at = (datetime.now(UTC) - started).isoformat(timespec="milliseconds")
    report.completed_at = (datetime.now(UTC) - started + timedelta(seconds=report.seconds)).isoformat()
    summary = report.summary()
    timeline = {
        "summary": summary,
        "settings": {
            "null_values": "skip",
            "missing_ok": False,
            "max_rejected": max_rejected,
            "preflight": True,
            "validate_only": validate_only,
            "max_in_flight": 16,
            "requests_per_10_seconds": None,
            "daily_quota_reserve": 0,
        },
        "total_rows": report.rows if total_rows is None else total_rows,
        "limit": LIMIT,
        "daily": 250_000,
        "daily_remaining": 250_000 - report.requests - 4_131,
        "record_url": RECORD_URL,
        **_timeline(report, retries, resumed_at).as_json(),
    }
    if not over:
        return {"timeline": timeline}
    return {
        "return_value": summary,
        "rejected": [one.as_dict() for one in rejected[:1_000]],
        "timeline": timeline,
    }


def _timeline(report: SyncReport, limited: int, resumed_at: float | None) -> Timeline:
    """At the account's limit but for a while in the middle, if there were 429s."""
    timeline, ticks = Timeline(), max(int(report.seconds * 4), 1)
    pace = [0.35 if limited and 0.42 < tick / ticks < 0.6 else 1.0 for tick in range(ticks)]
    gone = 0.0
    for tick in range(ticks):
        gone += pace[tick] / sum(pace)
        seconds, rejected = report.seconds * (tick + 1) / ticks, report.counts[Status.REJECTED]
        if resumed_at is not None and tick == int(ticks * resumed_at):
            timeline.resume(
                seconds, rows=report.rows, requests=int(report.requests * gone), rejected=int(rejected * gone)
            )
        timeline.note(
            seconds,
            rows=round(report.rows * gone),
            requests=round(report.requests * gone * min(LIMIT * report.seconds / report.requests / 10, 1.0)),
            rate_limited=round(limited * max(0.0, min((gone - 0.4) / 0.15, 1.0))),
            rejected=round(rejected * gone),
            last=tick == ticks - 1,
        )
    return timeline


RENDERED = {
    "object_type": "contacts",
    "rows": "870 rows (list of dicts)",
    "id_column": "id",
    "id_property": "customer_number",
    "properties": COLUMNS,
    "hubspot_conn_id": "hubspot_default",
    "skip_unchanged": None,
    "results_path": None,
}


def sync(rows: int, rejected: int = 0, **options: Any) -> Instance:
    """A sync of so many rows that ended well, or of which some were rejected."""
    listed = rejected_rows(min(rejected, 1_000), rows=max(rows, 1))
    unchanged = rows // 9
    counts = {Status.UPDATED: rows - rejected - unchanged, Status.UNCHANGED: unchanged, Status.REJECTED: rejected}
    instance = {
        name: options.pop(name) for name in ("state", "dag_id", "run_id", "task_id", "map_index") if name in options
    }
    pushed = xcoms(counts, rejected=listed, **options)
    return Instance(
        **instance,
        started=options.get("started", timedelta(hours=7)),
        duration=pushed["timeline"]["summary"]["seconds"] + 2,
        rendered_fields={
            **RENDERED,
            "rows": f"{rows:,} rows (list of dicts)",
            "results_path": options.get("results_path"),
        },
        xcoms=pushed,
        links={"HubSpot records": "https://app.hubspot.com/contacts/123456/objects/0-1/views/all/list"},
    )


def mapped(instances: int) -> list[Instance]:
    """A mapped sync, of which one instance failed and one still runs."""
    scene = []
    for index in range(instances):
        one = sync(
            4_000 + 900 * index,
            0 if index % 3 else 4 + index,
            map_index=index,
            started=timedelta(minutes=9 - index / 3),
        )
        scene.append(replace(one, state="failed" if index == 3 else one.state))
    running = xcoms({Status.UPDATED: 2_100}, total_rows=5_000, over=False, started=timedelta(seconds=30))
    scene[-1] = replace(scene[-1], state="running", xcoms=running, started=timedelta(seconds=30))
    return scene


def history(runs: int, **options: Any) -> list[Instance]:
    """So many nightly runs of one sync, the last one seven hours ago."""
    dice = random.Random(runs)
    scene = []
    for back in range(runs):
        rows = int(9_000 + 1_500 * dice.random() + (4_000 if back % 7 == 2 else 0))
        rejected = dice.randrange(0, 9) + (420 if back in {4, 5} else 0)
        night = datetime(2026, 11, 24, 5, tzinfo=UTC) - timedelta(days=back)
        one = sync(
            rows,
            rejected,
            run_id=f"scheduled__{night.isoformat()}",
            started=timedelta(days=back, hours=7),
            max_rejected=50,
            **options,
        )
        scene.append(replace(one, state="failed" if rejected > 50 else "success"))
    if runs > 20:
        scene[12] = replace(scene[12], state="failed", xcoms={})
    return scene
