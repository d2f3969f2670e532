"""The operator's part in resuming: with Airflow's store and without, retried, deferred, killed."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_hubbatch.exceptions import DailyQuotaError, SyncStoppedError
from airflow_provider_hubbatch.operators import HubSpotBatchUpdateOperator
from airflow_provider_hubbatch.retries import HubSpotRetryPolicy
from airflow_provider_hubbatch.sandbox import HubSpotSandbox
from tests.resume.resuming import (
    DictStore,
    Hanging,
    Timeout,
    after_batches,
    alarm_raises,
    lines_of,
    rows_of,
    sync,
    times_sent,
    updates,
    when,
    wrong_titles,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.airflow_dags import RunDag

ROWS = 2_000


@pytest.fixture
def hubspot(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubSpotSandbox]:
    """A HubSpot with 2,000 contacts that takes 20 ms a request."""
    with HubSpotSandbox(records={"contacts": ROWS}, latency_ms=20, requests_per_10_seconds=10_000) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", sandbox.connection())
        yield sandbox


class TaskInstance:
    """As much of a task instance as the operator asks for."""

    dag_id, run_id, task_id, map_index, try_number = "a_dag", "a_run", "update", -1, 1
    start_date = datetime(2026, 3, 1, tzinfo=UTC)

    def __init__(self) -> None:
        self.xcoms: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value


def operator(rows: Any, **options: Any) -> HubSpotBatchUpdateOperator:
    options = {"task_id": "update", "object_type": "contacts", "max_in_flight": 2, **options}
    return HubSpotBatchUpdateOperator(rows=rows, **options)


def execute(
    task: HubSpotBatchUpdateOperator, store: DictStore | None, ti: TaskInstance | None = None
) -> tuple[TaskInstance, BaseException | None]:
    """Run ``execute`` as Airflow does; gives what was pushed and what was raised."""
    ti = ti or TaskInstance()
    context: dict[str, Any] = {"ti": ti, **({} if store is None else {"task_state_store": store})}
    try:
        HubSpotBatchUpdateOperator.execute.__wrapped__(task, context)  # type: ignore[attr-defined]
    except BaseException as error:  # noqa: BLE001 - for the test to look at
        return ti, error
    return ti, None


DAG_OF_A_FLAKY_SOURCE = '''
import json
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG

from airflow_provider_hubbatch.operators import HubSpotBatchUpdateOperator

FOLDER = Path("{folder}")

class Flaky:
    """Rows of a warehouse that goes away once, in the middle."""

    def __iter__(self):
        rows = json.loads((FOLDER / "rows.json").read_text())
        yield from rows[:15_000]
        if not (FOLDER / "gone").exists():
            (FOLDER / "gone").touch()
            raise OSError("the warehouse is gone")
        yield from rows[15_000:]

with DAG("flaky", schedule=None):
    HubSpotBatchUpdateOperator(
        task_id="update", object_type="contacts", rows=Flaky(), retries=1, retry_delay=timedelta(0), max_in_flight=2,
    )
'''


@pytest.mark.airflow
def test_a_retry_of_airflows_goes_on(run_dag: RunDag, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In dag.test(), with its real state store: the second try sends what the first one didn't."""
    import json

    with HubSpotSandbox(records={"contacts": 16_000}, requests_per_10_seconds=10_000) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", sandbox.connection())
        rows = rows_of(sandbox.objects("contacts"))
        (tmp_path / "rows.json").write_text(json.dumps(rows))
        result = run_dag(DAG_OF_A_FLAKY_SOURCE.replace("{folder}", str(tmp_path)))
        assert result.state == "success"
        summary = result.xcom("update")
        assert summary["updated"] == summary["rows"] == 16_000
        assert 0 < summary["resumed_rows"] <= 15_000
        assert set(times_sent(updates(sandbox)).values()) == {1}
        assert wrong_titles(sandbox, rows) == []


def test_without_a_state_store_it_works_and_says_so(
    hubspot: HubSpotSandbox, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On an Airflow before 3.3 the task runs, and one line says what a retry will do."""
    task = operator(rows_of(hubspot.objects("contacts")))
    monkeypatch.setattr(
        HubSpotBatchUpdateOperator, "log", logging.getLogger("the.task")
    )  # Airflow's propagates nothing
    with caplog.at_level(logging.INFO):
        ti, error = execute(task, None)
    assert error is None
    assert ti.xcoms["return_value"]["updated"] == ROWS
    assert caplog.text.count("This Airflow keeps no state for tasks (3.3 does): a retry can't go on where") == 1


def test_without_resume_nothing_is_kept(hubspot: HubSpotSandbox) -> None:
    """resume=False writes no checkpoint and reads none."""
    hubspot.spend_daily_quota(leave=12, resets_in_seconds=30)
    store = DictStore()
    ti, error = execute(operator(rows_of(hubspot.objects("contacts")), resume=False, deferrable=True), store)
    assert isinstance(error, DailyQuotaError)  # a deferral would start over, day after day
    assert store.texts == {}
    assert 0 < ti.xcoms["return_value"]["updated"] < ROWS


def test_a_spent_quota_defers(hubspot: HubSpotSandbox) -> None:
    """The trigger is Airflow's own and waits for HubSpot's reset; XComs say how far it came; then it goes on."""
    hubspot.spend_daily_quota(leave=12, resets_in_seconds=30)
    rows, store = rows_of(hubspot.objects("contacts")), DictStore()
    ti, error = execute(operator(rows, deferrable=True), store)
    assert isinstance(error, TaskDeferred)
    assert type(error.trigger).__name__ == "DateTimeTrigger"
    _, trigger = error.trigger.serialize()
    assert abs(trigger["moment"] - datetime.now(UTC) - timedelta(seconds=30)) < timedelta(seconds=15)
    assert error.method_name == "execute_after_quota_reset"
    assert not error.kwargs
    first = ti.xcoms["return_value"]["updated"]
    assert 0 < first < ROWS
    hubspot.reset_limits()
    again = operator(rows, deferrable=True)
    summary = again.execute_after_quota_reset({"ti": TaskInstance(), "task_state_store": store})  # type: ignore[typeddict-item]
    assert (summary["updated"], summary["resumed_rows"]) == (ROWS, first)
    assert set(times_sent(updates(hubspot)).values()) == {1}


def test_a_quota_spent_before_the_first_row_defers_without_a_store(hubspot: HubSpotSandbox) -> None:
    """Nothing was sent, so that nothing would be sent twice."""
    hubspot.spend_daily_quota(leave=0, resets_in_seconds=30)
    _, error = execute(operator(rows_of(hubspot.objects("contacts")), deferrable=True), None)
    assert isinstance(error, TaskDeferred)
    assert updates(hubspot) == []


def test_not_deferrable_it_fails_with_the_time_to_come_back(hubspot: HubSpotSandbox) -> None:
    """The error names the reset, and the retry policy waits for it."""
    hubspot.spend_daily_quota(leave=12, resets_in_seconds=3_600)
    _, error = execute(operator(rows_of(hubspot.objects("contacts")), deferrable=False), DictStore())
    assert isinstance(error, DailyQuotaError)
    reset = datetime.now(UTC) + timedelta(hours=1)
    assert f"it resets at {reset:%Y-%m-%dT%H}" in str(error)
    decision = HubSpotRetryPolicy().evaluate(error, 1, 3)
    assert decision.retry_delay is not None
    assert abs(decision.retry_delay - timedelta(hours=1)) < timedelta(minutes=1)
    assert decision.reason == str(error)


def next_midnight_in(zone: str) -> datetime:
    tomorrow = datetime.now(ZoneInfo(zone)).date() + timedelta(days=1)
    return datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=ZoneInfo(zone))


@pytest.mark.parametrize("spares", [False, True])
def test_an_oauth_app_learns_it_from_the_429(monkeypatch: pytest.MonkeyPatch, spares: bool) -> None:
    """Without daily headers: the 429's policy tells. The reset is HubSpot's own where it answers, else midnight in the
    account's zone, which was asked for before.
    """
    with HubSpotSandbox(
        records={"contacts": ROWS},
        requests_per_10_seconds=10_000,
        time_zone="Pacific/Auckland",
        behaviours={"daily_limit_spares_account_info": spares},
    ) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", sandbox.oauth_connection())
        sandbox.spend_daily_quota(leave=10, resets_in_seconds=7)
        rows, store = rows_of(sandbox.objects("contacts")), DictStore()
        with pytest.raises(DailyQuotaError) as caught:
            sync(rows, store).finish()
        assert sandbox.statistics["rate_limited"]["DAILY"] <= 2 + (not spares)
        wanted = 7 if spares else (next_midnight_in("Pacific/Auckland") - datetime.now(UTC)).total_seconds()
        assert caught.value.retry_after_seconds == pytest.approx(wanted, abs=7)
        sandbox.reset_limits()
        summary = sync(rows, store).finish().summary()
        assert summary["updated"] == ROWS
        assert summary["resumed_rows"] > 0
        assert set(times_sent(_accepted(sandbox)).values()) == {1}


def _accepted(sandbox: HubSpotSandbox) -> list[Any]:
    return [request for request in updates(sandbox) if request.status == 200]


def test_a_reset_that_nobody_tells_is_asked_for_in_an_hour(hubspot: HubSpotSandbox) -> None:
    """Spent before the first request, HubSpot refuses to say when: no guess of a day, an hour."""
    hubspot.spend_daily_quota(leave=0)
    with pytest.raises(DailyQuotaError) as caught:
        sync(rows_of(hubspot.objects("contacts")), DictStore()).finish()
    assert caught.value.retry_after_seconds == pytest.approx(3_600, abs=10)


def test_on_kill_stops_and_keeps_what_was_done(hubspot: HubSpotSandbox) -> None:
    """on_kill ends the task with the requests under way; XComs and checkpoint are written."""
    import threading

    rows, store = rows_of(hubspot.objects("contacts")), DictStore()
    task = operator(rows)
    sent_by_then: list[int] = []

    def kill() -> None:
        while len(updates(hubspot)) < 5:
            time.sleep(0.005)
        task.on_kill()
        sent_by_then.append(len(updates(hubspot)))

    killer = threading.Thread(target=kill)
    killer.start()
    ti, error = execute(task, store)
    killer.join()
    assert isinstance(error, SyncStoppedError)
    assert len(updates(hubspot)) <= sent_by_then[0] + task.max_in_flight
    first = ti.xcoms["return_value"]["updated"]
    assert 0 < first < ROWS
    ti, error = execute(operator(rows), store)
    assert error is None
    assert ti.xcoms["return_value"]["resumed_rows"] == first
    assert set(times_sent(updates(hubspot)).values()) == {1}


def nothing_sent(hubspot: HubSpotSandbox, ti: TaskInstance, error: BaseException | None) -> bool:
    """Whether a task ended as one that was told to stop before it wrote anything."""
    return isinstance(error, SyncStoppedError) and updates(hubspot) == [] and ti.xcoms["return_value"]["updated"] == 0


def test_a_stop_before_the_task_runs_is_remembered(hubspot: HubSpotSandbox) -> None:
    """Airflow may send it while templates render: then HubSpot isn't asked for anything."""
    task = operator(rows_of(hubspot.objects("contacts")))
    task.on_kill()
    ti, error = execute(task, DictStore())
    assert nothing_sent(hubspot, ti, error)
    assert hubspot.requests == []


def test_a_stop_is_remembered_by_the_copy_that_airflow_runs(hubspot: HubSpotSandbox) -> None:
    """It copies the task before it renders it."""
    task = operator(rows_of(hubspot.objects("contacts")))
    task.on_kill()
    ti, error = execute(task.prepare_for_execution(), DictStore())
    assert nothing_sent(hubspot, ti, error)


@pytest.mark.parametrize("at", [0, 1, 500])
@pytest.mark.parametrize("options", [{}, {"preflight": False}], ids=str)
def test_a_stop_while_rows_are_pulled_is_remembered(hubspot: HubSpotSandbox, at: int, options: dict[str, Any]) -> None:
    """An XCom or a query takes its time, and the stop comes meanwhile: nothing is written."""

    class Pulled:
        def __iter__(self) -> Iterator[dict[str, Any]]:
            for number, row in enumerate(rows_of(hubspot.objects("contacts"))):
                if number == at:
                    task.on_kill()
                yield row

    task = operator(Pulled(), **options)
    ti, error = execute(task, DictStore())
    assert nothing_sent(hubspot, ti, error)


@pytest.mark.parametrize("path", ["/crm/properties/", "/account-info/"])
def test_a_stop_during_the_preflight_is_remembered(hubspot: HubSpotSandbox, path: str) -> None:
    """HubSpot is being asked for definitions and account: nothing is written afterwards."""
    task = operator(rows_of(hubspot.objects("contacts")))
    asked = hubspot.faults.add("hang", path=path, seconds=0.3)
    with when(lambda: asked.hits > 0, task.on_kill):
        ti, error = execute(task, DictStore())
    assert nothing_sent(hubspot, ti, error)


def test_a_stop_while_a_retry_reads_its_rows_again_costs_nothing(hubspot: HubSpotSandbox, tmp_path: Path) -> None:
    """The checkpoint and the result files stay as they are, and the next try goes on."""
    rows, store = rows_of(hubspot.objects("contacts")), DictStore()
    options = {"results_path": str(tmp_path)}
    first = operator(rows, **options)
    with after_batches(5, hubspot, first.on_kill):
        ti, _ = execute(first, store)
    sent = len(updates(hubspot))
    checkpoint = dict(store.texts)

    class Again:
        def __iter__(self) -> Iterator[dict[str, Any]]:
            for number, row in enumerate(rows):
                if number == 300:
                    second.on_kill()
                yield row

    second = operator(Again(), **options)
    _, error = execute(second, store)
    assert isinstance(error, SyncStoppedError)
    assert len(updates(hubspot)) == sent
    assert store.texts == checkpoint
    ti, error = execute(operator(rows, **options), store)
    assert error is None
    assert ti.xcoms["return_value"]["resumed_rows"] > 0
    assert set(times_sent(updates(hubspot)).values()) == {1}
    assert [line["row"] for line in lines_of(tmp_path)] == list(range(ROWS))


def test_a_folder_that_can_not_be_written_for_one_try_costs_no_lines(hubspot: HubSpotSandbox, tmp_path: Path) -> None:
    """The try fails before it sends anything; the checkpoint still knows the files of the try before."""
    rows, store = rows_of(hubspot.objects("contacts")), DictStore()
    folder = tmp_path / "results"
    first = operator(rows, results_path=str(folder))
    with after_batches(5, hubspot, first.on_kill):
        execute(first, store)
    folder.rename(tmp_path / "away")
    folder.write_text("something else")
    _, error = execute(operator(rows, results_path=str(folder)), store)
    assert error is not None
    folder.unlink()
    (tmp_path / "away").rename(folder)
    ti, error = execute(operator(rows, results_path=str(folder)), store)
    assert error is None
    assert ti.xcoms["return_value"]["updated"] == ROWS
    assert [line["row"] for line in lines_of(folder)] == list(range(ROWS))


def test_a_task_that_was_stopped_is_not_deferred(hubspot: HubSpotSandbox) -> None:
    """The stop comes while the daily limit's reset is asked for: it ends the task."""
    hubspot.spend_daily_quota(leave=12, resets_in_seconds=30)
    task = operator(rows_of(hubspot.objects("contacts")), deferrable=True)
    asked = hubspot.faults.add("hang", path="api-usage", seconds=0.3)
    with when(lambda: asked.hits > 0, task.on_kill):
        _, error = execute(task, DictStore())
    assert isinstance(error, DailyQuotaError)


def test_a_timeout_passes_an_xcom_that_hangs(hubspot: HubSpotSandbox) -> None:
    """The rows are written and accounted for; Airflow's API is gone when the summary is pushed."""

    class Unreachable(TaskInstance):
        def xcom_push(self, key: str, value: Any) -> None:
            super().xcom_push(key, value)
            Hanging(key)("return_value")

    with alarm_raises():
        _, error = execute(operator(rows_of(hubspot.objects("contacts"))), DictStore(), Unreachable())
    assert isinstance(error, Timeout)


def test_too_many_rejected_leave_no_checkpoint(hubspot: HubSpotSandbox) -> None:
    """The sync came to its end: who fixes the rows and clears the task sends all of them."""
    rows = rows_of(hubspot.objects("contacts"))
    rows[3]["id"] = "99999999999"
    store = DictStore()
    ti, error = execute(operator(rows), store)
    assert isinstance(error, AirflowFailException)
    assert ti.xcoms["return_value"]["rejected"] == 1
    assert store.texts == {}
