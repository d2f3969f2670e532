"""In a whole Airflow, with its own processes: killed, timed out, marked failed, cleared, deferred, retried."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from airflow_provider_hubbatch.sandbox import HubSpotSandbox
from tests.airflow_standalone import AirflowUnderTest
from tests.resume import killing
from tests.resume.resuming import lines_of, rows_of, times_sent, updates, wrong_titles

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

KILLS = 2
RESET_SECONDS = 40

# So long after its last heartbeat a task is given up; 300 s by default.
GIVEN_UP_SECONDS = 20
HEARTBEATS = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(GIVEN_UP_SECONDS),
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
}


@dataclass
class World:
    """The Airflow, and for each DAG its own HubSpot, its rows and its result files."""

    airflow: AirflowUnderTest
    home: Path
    sandboxes: dict[str, HubSpotSandbox]
    rows: dict[str, list[dict[str, Any]]]
    runs: dict[str, str]

    def state(self, dag_id: str) -> dict[str, Any]:
        """The task instance, as the API shows it."""
        path = f"dags/{dag_id}/dagRuns/{self.runs[dag_id]}/taskInstances/update"
        told: dict[str, Any] = self.airflow.call("GET", path).json()
        return told

    def wait_for(self, dag_id: str, *states: str) -> str:
        return self.airflow.wait_for_task(dag_id, self.runs[dag_id], "update", set(states))

    def wait_for_updates(self, dag_id: str, count: int) -> None:
        """Wait until HubSpot has answered so many more."""
        wanted = len(updates(self.sandboxes[dag_id])) + count
        deadline = time.monotonic() + 120
        while len(updates(self.sandboxes[dag_id])) < wanted:
            assert time.monotonic() < deadline, self.state(dag_id)
            time.sleep(0.05)

    def xcom(self, dag_id: str, key: str = "return_value") -> Any:
        return self.airflow.xcom(dag_id, self.runs[dag_id], "update", key)

    def log(self, dag_id: str, try_number: int) -> str:
        return self.airflow.log(dag_id, self.runs[dag_id], "update", try_number)

    def clear(self, dag_id: str) -> None:
        """As a user does in the web page."""
        # while the scheduler is still ending the run, a task that is cleared may never be started again
        run = f"dags/{dag_id}/dagRuns/{self.runs[dag_id]}"
        deadline = time.monotonic() + 60
        while self.airflow.call("GET", run).json()["state"] not in ("success", "failed"):
            assert time.monotonic() < deadline, "the run doesn't end"
            time.sleep(0.2)
        time.sleep(1)
        self.request_clear(dag_id)

    def request_clear(self, dag_id: str) -> None:
        """Clear the task, whatever it is doing."""
        body = {"dry_run": False, "only_failed": False, "dag_run_id": self.runs[dag_id], "task_ids": ["update"]}
        self.airflow.call("POST", f"dags/{dag_id}/clearTaskInstances", json=body)

    def trigger(self, dag_id: str) -> None:
        self.runs[dag_id] = self.airflow.trigger(dag_id)


def options_of(dag_id: str) -> dict[str, Any]:
    return {
        "timed_out": {"execution_timeout": 8, "max_in_flight": 2},
        "marked": {"max_in_flight": 2},
        "cleared": {"max_in_flight": 2},
        "frozen": {"max_in_flight": 2, "retries": 1, "retry_delay": 1},
        "deferred": {"deferrable": True, "daily_quota_reserve": 5},
        "retried": {"retries": 1, "retry_delay": 3_600, "daily_quota_reserve": 5},
    }[dag_id]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Everything is up, and what needs no more than to be waited for is under way."""
    home = tmp_path_factory.mktemp("resume")
    counts = {"killed": killing.rows_to_survive(KILLS), "timed_out": 4_500, "marked": 7_000, "deferred": 2_000}
    counts |= {"retried": 2_000, "cleared": 8_000, "frozen": 8_000}
    sandboxes = {
        dag_id: HubSpotSandbox(
            records={"contacts": count}, latency_ms=killing.LATENCY_MS, requests_per_10_seconds=10_000
        ).start()
        for dag_id, count in counts.items()
    }
    try:
        rows = {dag_id: rows_of(sandbox.objects("contacts")) for dag_id, sandbox in sandboxes.items()}
        rows["killed"] = killing.killed_rows(sandboxes["killed"])
        tasks = {"killed": killing.killed_task(home, rows["killed"], KILLS)}
        for dag_id in counts.keys() - tasks.keys():
            tasks[dag_id] = {
                "rows": killing.write_rows(home / f"{dag_id}.jsonl", rows[dag_id]),
                "results_path": str(home / dag_id),
                "hubspot_conn_id": dag_id,
                **options_of(dag_id),
            }
        killing.write_dags(home / "dags", tasks)
        environment = {f"AIRFLOW_CONN_{dag_id.upper()}": one.connection() for dag_id, one in sandboxes.items()}
        environment |= HEARTBEATS
        with AirflowUnderTest(home / "home", home / "dags", environment) as airflow:
            world = World(airflow, home, sandboxes, rows, {})
            for dag_id in ("deferred", "retried", "timed_out"):
                world.trigger(dag_id)
            for dag_id in ("deferred", "retried"):
                sandboxes[dag_id].spend_daily_quota(leave=17, resets_in_seconds=RESET_SECONDS)
            yield world
    finally:
        for sandbox in sandboxes.values():
            sandbox.stop()


def test_a_killed_task_repeats_almost_nothing(world: World) -> None:
    """Killed twice, at any point: the last try ends right, every row accounted for once, and of what HubSpot had
    confirmed only that of the last 5 s was sent again.
    """
    seed = random.randrange(10**6)
    sandbox = world.sandboxes["killed"]
    killed = killing.kill_task(world.airflow, "killed", sandbox, KILLS, random.Random(seed))
    told = killing.check(world.airflow, killed, sandbox, world.rows["killed"], world.home / "results")
    assert told["resumed_rows"] > 0 or told["oldest_seconds"] > 0, seed


def test_a_spent_quota_defers_to_the_reset(world: World) -> None:
    """Deferred in the triggerer until HubSpot's own reset, the task goes on where it was; the reserve is left."""
    assert world.wait_for("deferred", "success", "failed") == "success", world.log("deferred", 1)
    sandbox, summary = world.sandboxes["deferred"], world.xcom("deferred")
    assert summary["updated"] == summary["rows"] == 2_000
    assert 0 < summary["resumed_rows"] < 2_000
    assert set(times_sent(updates(sandbox)).values()) == {1}
    assert wrong_titles(sandbox, world.rows["deferred"]) == []
    assert [line["row"] for line in lines_of(world.home / "deferred")] == list(range(2_000))
    assert sandbox.statistics["rate_limited"] == {}
    log = world.log("deferred", 1)
    assert "keeps the others" in log
    assert "deferring until then" in log
    assert world.state("deferred")["try_number"] == 1


def test_a_spent_quota_is_retried_at_the_reset(world: World) -> None:
    """Not deferrable, the task fails with the time to come back, and is retried then, whatever its retry_delay."""
    assert world.wait_for("retried", "success", "failed") == "success", world.log("retried", 1)
    sandbox, summary = world.sandboxes["retried"], world.xcom("retried")
    assert 0 < summary["resumed_rows"] < 2_000
    assert set(times_sent(updates(sandbox)).values()) == {1}
    assert "it resets at" in world.log("retried", 1)
    assert sandbox.statistics["rate_limited"] == {}
    assert world.state("retried")["try_number"] == 2


def test_a_task_that_timed_out_goes_on_when_it_is_cleared(world: World) -> None:
    """A timeout leaves XComs about what was written; cleared, the task goes on; cleared again, it starts over."""
    sandbox = world.sandboxes["timed_out"]
    assert world.wait_for("timed_out", "success", "failed") == "failed"
    summary = world.xcom("timed_out")
    assert 0 < summary["updated"] < 4_500
    assert summary["rows"] == sum(summary[status] for status in ("updated", "unknown", "not_sent"))
    assert len(times_sent(updates(sandbox))) == summary["updated"] + summary["unknown"]
    assert "AirflowTaskTimeout" in world.log("timed_out", 1)
    world.clear("timed_out")
    world.wait_for("timed_out", "running")
    assert world.wait_for("timed_out", "success", "failed") == "success", world.log("timed_out", 2)
    after = world.xcom("timed_out")
    assert after["resumed_rows"] == summary["updated"]
    assert after["updated"] == after["rows"] == 4_500
    assert len([row for row, times in times_sent(updates(sandbox)).items() if times > 1]) == summary["unknown"] == 0
    assert [line["row"] for line in lines_of(world.home / "timed_out")] == list(range(4_500))


def test_a_task_marked_failed_stops_and_goes_on_when_it_is_cleared(world: World) -> None:
    """Marked failed while it runs, the task stops sending; cleared, it goes on; cleared when done, it sends all."""
    sandbox = world.sandboxes["marked"]
    world.trigger("marked")
    world.wait_for_updates("marked", 5)
    path = f"dags/marked/dagRuns/{world.runs['marked']}/taskInstances/update"
    world.airflow.call("PATCH", path, json={"new_state": "failed"})
    quiet_since, count = time.monotonic(), -1
    while time.monotonic() - quiet_since < 3:
        if len(updates(sandbox)) != count:
            quiet_since, count = time.monotonic(), len(updates(sandbox))
        time.sleep(0.1)
    assert count < 65
    world.clear("marked")
    world.wait_for_updates("marked", 1)
    assert world.wait_for("marked", "success", "failed") == "success", world.log("marked", 2)
    summary = world.xcom("marked")
    assert summary["updated"] == summary["rows"] == 7_000
    assert summary["resumed_rows"] > 0
    assert wrong_titles(sandbox, world.rows["marked"]) == []
    assert set(times_sent(updates(sandbox)).values()) == {1}
    again = len(updates(sandbox))
    world.clear("marked")
    world.wait_for_updates("marked", 1)
    assert world.wait_for("marked", "success", "failed") == "success", world.log("marked", 3)
    assert len(updates(sandbox)) == again + 70
    assert world.xcom("marked")["resumed_rows"] == 0


def test_a_task_cleared_while_it_runs_repeats_little(world: World) -> None:
    """The old try notices at its next checkpoint; the new one repeats what was confirmed in the 5 s before it was
    cleared, and what the old one had sent until then. The result is the new one's, whole.
    """
    sandbox, rows = world.sandboxes["cleared"], world.rows["cleared"]
    world.trigger("cleared")
    world.wait_for_updates("cleared", 25)
    world.request_clear("cleared")
    cleared_at = time.monotonic()
    assert world.wait_for("cleared", "success", "failed") == "success", world.log("cleared", 2)
    summary = world.xcom("cleared")
    assert summary["updated"] == summary["rows"] == 8_000
    assert summary["resumed_rows"] > 0
    again = [request for _, request in killing.sent_again(updates(sandbox))]
    oldest = max((cleared_at - request.answered_at for request in again), default=0.0)
    latest = max((request.received_at - cleared_at for request in again), default=0.0)
    assert oldest <= killing.CHECKPOINT_SECONDS, f"confirmed {oldest:.2f} s before it was cleared, and sent again"
    assert latest <= killing.CHECKPOINT_SECONDS + 1.0, f"the old try went on for {latest:.2f} s"
    assert wrong_titles(sandbox, rows) == []
    assert [line["row"] for line in lines_of(world.home / "cleared")] == list(range(8_000))
    assert "Airflow has given up this try" in world.log("cleared", 1)


@pytest.mark.parametrize("wakes", ["after its successor", "beside its successor"])
def test_a_frozen_worker_spoils_nothing(world: World, wakes: str) -> None:
    """Supervisor and task are stopped until Airflow has given them up and started the next try; then they go on."""
    sandbox, rows = world.sandboxes["frozen"], world.rows["frozen"]
    world.trigger("frozen")
    world.wait_for_updates("frozen", 15)
    task = psutil.Process(world.state("frozen")["pid"])
    supervisor = task.parent()
    assert supervisor is not None
    frozen = [supervisor, task]
    for process in frozen:
        process.suspend()
    sent = len(updates(sandbox))
    try:
        while world.state("frozen")["try_number"] < 2:
            time.sleep(0.2)
        world.wait_for_updates("frozen", 5)
        if wakes == "after its successor":
            assert world.wait_for("frozen", "success", "failed") == "success", world.log("frozen", 2)
            time.sleep(1)
            told, files = world.xcom("frozen"), contents(world.home / "frozen")
    finally:
        for process in reversed(frozen):
            process.resume()
    psutil.wait_procs([task], timeout=60)
    assert not task.is_running()
    if wakes == "after its successor":
        assert contents(world.home / "frozen") == files
        assert world.xcom("frozen") == told
    assert world.wait_for("frozen", "success", "failed") == "success", world.log("frozen", 2)
    assert len(updates(sandbox)) > sent
    assert "Airflow has given up this try" in world.log("frozen", 1)
    summary = world.xcom("frozen")
    assert summary["updated"] == summary["rows"] == 8_000
    assert 0 < summary["resumed_rows"] < 8_000
    assert wrong_titles(sandbox, rows) == []
    assert [line["row"] for line in lines_of(world.home / "frozen")] == list(range(8_000))


def contents(folder: Path) -> dict[str, str]:
    """A folder's files."""
    return {path.name: path.read_text() for path in folder.iterdir()}
