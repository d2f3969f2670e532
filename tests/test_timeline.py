"""The XCom ``timeline``: while a task runs and at its end, across tries, and never in the sync's way."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch.client.pace import Pace
from airflow_provider_hubbatch.core.model import RowOutcome, Status
from airflow_provider_hubbatch.core.options import UpdateOptions
from airflow_provider_hubbatch.core.sync_report import SyncReport
from airflow_provider_hubbatch.exceptions import HubSpotError, SyncStoppedError
from airflow_provider_hubbatch.hooks import HubSpotHook
from airflow_provider_hubbatch.sandbox import HubSpotSandbox
from airflow_provider_hubbatch.sync.timeline import PUBLISH_EVERY_SECONDS, LiveTimeline
from airflow_provider_hubbatch.sync.tries import TaskTry
from tests.resume.resuming import DictStore, rows_of

if TYPE_CHECKING:
    from airflow_provider_hubbatch.sync.sync import Sync
    from tests.airflow_dags import RunDag


class Clock:
    """Seconds, as the test says."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def ticked(live: LiveTimeline, report: SyncReport, clock: Clock, *, seconds: int) -> None:
    """Let so many seconds go by, with a row and a request in each."""
    for _ in range(seconds):
        clock.seconds += 1
        report.seconds += 1
        report.requests += 1
        report.add(RowOutcome(report.rows, "1", Status.UPDATED))
        live.tick()


def test_it_is_published_every_ten_seconds() -> None:
    """Not in the first seconds, then by time, each with what is known by then."""
    published: list[dict[str, Any]] = []
    report, clock = SyncReport("contacts"), Clock()
    live = LiveTimeline(report, UpdateOptions(), published.append, clock=clock)
    live.start(Pace(), total_rows=100)
    ticked(live, report, clock, seconds=35)
    assert [value["summary"]["updated"] for value in published] == [10, 20, 30]
    assert published[-1]["points"]["rows"] == list(range(1, 31))
    assert published[-1]["total_rows"] == 100
    assert PUBLISH_EVERY_SECONDS == 10


def test_a_push_that_fails_costs_the_timeline(caplog: pytest.LogCaptureFixture) -> None:
    """The sync goes on; the log says it once."""
    asked = []

    def fail(value: dict[str, Any]) -> None:
        asked.append(value)
        raise OSError("the metadata database is gone")

    report, clock = SyncReport("contacts"), Clock()
    live = LiveTimeline(report, UpdateOptions(), fail, clock=clock)
    with caplog.at_level(logging.WARNING):
        ticked(live, report, clock, seconds=60)
        live.publish()
    assert len(asked) == 1
    assert caplog.text.count("can't be pushed") == 1


def sync(rows: Any, store: DictStore, **options: Any) -> Sync:
    return HubSpotHook().start_sync("contacts", rows, UpdateOptions(**options), this_try=TaskTry(store=store))


def stop_after_the_first(run: Sync) -> None:
    for outcome in run:
        if outcome.status is Status.UPDATED:
            run.stop()


def test_a_retry_goes_on_with_the_timeline(monkeypatch: pytest.MonkeyPatch) -> None:
    """The points of the try that was stopped are there, then those of the retry; rows not sent don't count."""
    # so slow that the retry ends later than it began, by the tenths of a second that points tell
    with HubSpotSandbox(records={"contacts": 500}, latency_ms=100) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", sandbox.connection())
        store, rows = DictStore(), rows_of(list(sandbox.objects("contacts")))
        first = sync(rows, store, max_in_flight=1)
        with pytest.raises(SyncStoppedError):
            stop_after_the_first(first)
        stopped = first.timeline.points()["points"]
        assert 0 < stopped["rows"][-1] == first.report.counts[Status.UPDATED] < len(rows)
        second = sync(rows, store)
        second.finish()
    value = second.timeline.value()
    assert value["resumed_at"] == [round(first.report.seconds, 1)]
    assert value["points"]["rows"][0] == stopped["rows"][-1]
    assert value["points"]["rows"][-1] == len(rows)
    assert value["points"]["requests"][-1] <= second.report.requests - first.report.requests
    assert value["summary"]["resumed_rows"] == stopped["rows"][-1]


def test_a_sync_that_cannot_begin_has_a_timeline(monkeypatch: pytest.MonkeyPatch, sandbox: HubSpotSandbox) -> None:
    """A wrong token: what is known is there, and it is fit for JSON."""
    connection = json.loads(sandbox.connection())
    monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", json.dumps({**connection, "password": "pat-na1-wrong"}))
    run = sync([{"id": 1, "city": "x"}], DictStore())
    with pytest.raises(HubSpotError):
        run.finish()
    value = json.loads(json.dumps(run.timeline.value()))
    assert value["summary"]["rows"] == 0
    assert len(value["points"]["seconds"]) == 1


DAG = """
from airflow.sdk import DAG
from airflow_provider_hubbatch.operators import HubSpotBatchUpdateOperator

ROWS = [{"id": 1, "city": "Geheimnishausen"}, {"id": "bad", "city": "Geheimnishausen"}]

with DAG("timed", schedule=None, default_args={"object_type": "contacts", "rows": ROWS}):
    HubSpotBatchUpdateOperator(task_id="good", max_rejected=0.5, properties={"city": "city"})
    HubSpotBatchUpdateOperator(task_id="failed")
    HubSpotBatchUpdateOperator(task_id="validated", validate_only=True, max_rejected=1)
    HubSpotBatchUpdateOperator(task_id="silent", max_rejected=1, do_xcom_push=False)
    HubSpotBatchUpdateOperator(task_id="wrong", max_rejected=1, id_column="none")
"""


@pytest.mark.airflow
@pytest.mark.versions
def test_every_end_of_a_task_leaves_a_timeline(run_dag: RunDag, sandbox: HubSpotSandbox) -> None:
    """Success and failure, with the summary, the settings and the record's address, and without any row's value."""
    result = run_dag(DAG)
    good = result.xcom("good", "timeline")
    assert good["summary"] == result.xcom("good")
    assert good["settings"]["max_rejected"] == 0.5
    assert "properties" not in good["settings"]
    assert good["total_rows"] == 2
    assert good["points"]["rows"][-1] == 2
    assert good["points"]["rejected"][-1] == 1
    assert good["points"]["requests"][-1] == good["summary"]["requests"]
    assert good["limit"] == 190
    assert 0 < good["daily_remaining"] < good["daily"]
    assert good["record_url"].endswith("/contacts/123456/record/0-1/{record_id}")
    for task_id in ("good", "failed", "validated", "wrong"):
        assert "Geheimnishausen" not in json.dumps(result.xcom(task_id, "timeline"))
    assert result.xcom("failed", "timeline")["summary"]["rejected"] == 1
    assert result.xcom("validated", "timeline")["points"]["rows"][-1] == 2
    assert result.xcom("wrong", "timeline")["summary"]["rows"] == 0
    assert "timeline" not in result.xcoms("silent")
