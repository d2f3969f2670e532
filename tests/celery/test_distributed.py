"""In a distributed Airflow: one account shared, a worker, the triggerer and the database lost, results on S3."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tests.celery import sharing
from tests.celery.syncs import Run, lines_of
from tests.resume.killing import CHECKPOINT_SECONDS, sent_again
from tests.resume.resuming import lines_of as local_lines
from tests.resume.resuming import times_sent, updates, wrong_titles

if TYPE_CHECKING:
    from tests.celery.conftest import World
    from tests.celery.syncs import Account

pytestmark = [pytest.mark.celery, pytest.mark.timeout(600)]

# The daily limit resets so long after the triggerer has died: Airflow finds it dead after 30 s
RESET_SECONDS = 40
DATABASE_AWAY_SECONDS = 10


def wrong_records(account: Account, dag_id: str) -> list[str]:
    """The ids of the records that haven't what the DAG's rows say."""
    return wrong_titles(account.sandbox, [row for rows in account.rows[dag_id] for row in rows])


@dataclass(frozen=True)
class Loss:
    """A worker was killed with all of its processes, while two DAGs ran; they have come to their end.

    :param runs: by DAG id.
    :param worker_of: DAG id and map index -> the worker of its first try.
    :param killed_at: on the clock of the sandbox's records.
    """

    runs: dict[str, Run]
    worker_of: dict[tuple[str, int], str]
    lost: str
    survivor: str
    killed_at: float


@pytest.fixture(scope="module")
def loss(world: World) -> Loss:
    """The worker of the first task that keeps its results on its own disk is lost, and started again in the end."""
    airflow, account = world.airflow, world.accounts["lost"]
    runs = {dag_id: Run.start(airflow, dag_id) for dag_id in account.rows}
    for run in runs.values():
        run.wait_for_updates(account, 13)
    worker_of = {
        (dag_id, task["map_index"]): airflow.worker_of(task["pid"])
        for dag_id, run in runs.items()
        for task in run.tasks()
    }
    lost = worker_of["local", 0]
    (survivor,) = airflow.workers_up() - {lost}
    killed_at = airflow.parts[lost].kill()
    try:
        assert [run.wait() for run in runs.values()] == ["success"] * len(runs)
    finally:
        airflow.start(lost)
    return Loss(runs, worker_of, lost, survivor, killed_at)


def test_syncs_of_several_dags_share_an_account(world: World) -> None:
    """Eight mapped syncs and two of other DAGs on two workers: never over the account's limit, hardly a 429, and
    every row is written once.
    """
    account = world.accounts["shared"]
    runs = [Run.start(world.airflow, dag_id) for dag_id in account.rows]
    assert [run.wait() for run in runs] == ["success"] * 3
    told = sharing.measure(account)
    assert told["most_in_10_seconds"] <= sharing.LIMIT
    assert told["refused"] <= 0.01 * told["updates"], told
    written = times_sent(request for request in updates(account.sandbox) if request.status == 200)
    assert set(written.values()) == {10}  # a row's index, of ten tasks
    for run in runs:
        assert [one["updated"] for one in run.summaries()] == [4_000] * len(account.rows[run.dag_id])
        assert wrong_records(account, run.dag_id) == []


def test_tasks_of_a_lost_worker_go_on_on_the_other(world: World, loss: Loss) -> None:
    """Its tasks go on on the other worker, from where they were, their result files too; the other one's tasks notice
    nothing.
    """
    account, run = world.accounts["lost"], loss.runs["lost"]
    for task in run.tasks():
        index = task["map_index"]
        was_lost = loss.worker_of["lost", index] == loss.lost
        summary = run.xcom(index)
        assert task["try_number"] == (2 if was_lost else 1)
        assert summary["updated"] == summary["rows"] == 8_000
        assert (summary["resumed_rows"] > 0) == was_lost, run.log(index, task["try_number"])
        again = sent_again(account.sent()["lost", index])
        oldest = max((loss.killed_at - request.answered_at for _, request in again), default=0.0)
        assert oldest <= CHECKPOINT_SECONDS, f"confirmed {oldest:.2f} s before the kill, and sent again"
        assert lines_of("lost", index) == list(range(8_000))
    assert wrong_records(account, "lost") == []


def test_results_on_a_lost_workers_own_disk_cost_a_new_start(world: World, loss: Loss) -> None:
    """The other worker doesn't find the result files of the try before: it sends all rows again, and says why."""
    account, run = world.accounts["lost"], loss.runs["local"]
    summary = run.xcom(0)
    assert (summary["updated"], summary["resumed_rows"]) == (8_000, 0)
    assert "Starting over: the result files" in run.log(0, 2)
    lines = [line["row"] for line in local_lines(world.airflow.home / loss.survivor / "results", "update-0")]
    assert lines == list(range(8_000))
    assert wrong_records(account, "local") == []


def test_a_task_that_lost_its_supervisor_stops(world: World) -> None:
    """A worker's main process is killed alone, and all of its children but the task itself: nobody tells the task. It
    notices at its next checkpoint, and the next try goes on.
    """
    airflow, account = world.airflow, world.accounts["orphaned"]
    airflow.wait_until(lambda: len(airflow.workers_up()) == 2, "two workers")
    run = Run.start(airflow, "orphaned")
    run.wait_for_updates(account, 13)
    pid = run.tasks()[0]["pid"]
    worker = airflow.worker_of(pid)
    task = psutil.Process(pid)
    killed_at = airflow.parts[worker].kill(but=pid)
    psutil.wait_procs([task], timeout=60)
    ended_at = time.monotonic()
    assert not task.is_running()
    assert run.wait() == "success"
    airflow.start(worker)
    summary = run.xcom(0)
    assert summary["updated"] == summary["rows"] == 16_000
    assert summary["resumed_rows"] > 0
    sent = account.sent()["orphaned", 0]
    oldest = max(killed_at - request.answered_at for _, request in sent_again(sent))
    assert oldest <= CHECKPOINT_SECONDS, f"confirmed {oldest:.2f} s before the kill, and sent again"
    latest = max(request.received_at for request in sent if request.received_at < ended_at)
    assert latest - killed_at <= CHECKPOINT_SECONDS + 1.0, f"it went on for {latest - killed_at:.2f} s"
    assert lines_of("orphaned", 0) == list(range(16_000))
    assert wrong_records(account, "orphaned") == []


def test_a_deferred_task_outlives_the_triggerer(world: World) -> None:
    """The triggerer is killed while a task waits for the daily limit's reset: another one wakes it in time."""
    airflow, account = world.airflow, world.accounts["deferred"]
    account.sandbox.spend_daily_quota(leave=17, resets_in_seconds=RESET_SECONDS)
    run = Run.start(airflow, "deferred")
    airflow.wait_until(lambda: [task["state"] for task in run.tasks()] == ["deferred"], "a deferred task")
    airflow.parts["triggerer"].kill()
    airflow.start("triggerer")
    assert run.wait() == "success", run.log(0)
    summary = run.xcom(0)
    assert summary["updated"] == summary["rows"] == 2_000
    assert 0 < summary["resumed_rows"] < 2_000
    assert set(times_sent(updates(account.sandbox)).values()) == {1}
    assert lines_of("deferred", 0) == list(range(2_000))
    assert run.tasks()[0]["try_number"] == 1


def test_syncs_outlive_the_database(world: World) -> None:
    """The metadata database is gone for a while in the middle: the syncs wait and go on, in the same try, and nothing
    is sent twice. What of Airflow ends with its database is started again, as a deployment does.
    """
    airflow, account = world.airflow, world.accounts["outage"]
    airflow.wait_until(lambda: len(airflow.workers_up()) == 2, "two workers")
    run = Run.start(airflow, "outage")
    run.wait_for_updates(account, 13)
    airflow.database.stop()
    time.sleep(DATABASE_AWAY_SECONDS)
    airflow.database.start()
    airflow.restart_ended()
    assert run.wait() == "success", run.log(0)
    for task in run.tasks():
        index = task["map_index"]
        told: dict[str, Any] = run.xcom(index)
        assert (task["try_number"], told["updated"], told["resumed_rows"]) == (1, 9_000, 0)
        assert set(times_sent(account.sent()["outage", index]).values()) == {1}
        assert lines_of("outage", index) == list(range(9_000))
    assert wrong_records(account, "outage") == []
