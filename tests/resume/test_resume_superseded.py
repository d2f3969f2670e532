"""A try that Airflow has given up: it stops, and touches nothing that its successor has."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse

from airflow_provider_hubbatch.core.options import UpdateOptions
from airflow_provider_hubbatch.exceptions import DailyQuotaError, SyncStoppedError
from airflow_provider_hubbatch.hooks import HubSpotHook
from airflow_provider_hubbatch.sandbox import HubSpotSandbox
from airflow_provider_hubbatch.sync import resume
from airflow_provider_hubbatch.sync.tries import TaskTry
from tests.resume.resuming import DictStore, after_batches, lines_of, rows_of, updates, wrong_titles
from tests.resume.test_resume_operator import TaskInstance, execute, operator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_provider_hubbatch.sync.sync import Sync

ROWS = 2_000


@pytest.fixture
def hubspot(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubSpotSandbox]:
    """A HubSpot with 2,000 contacts that takes 20 ms a request."""
    with HubSpotSandbox(records={"contacts": ROWS}, latency_ms=20, requests_per_10_seconds=10_000) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", sandbox.connection())
        yield sandbox


def answer(status: int | None, body: Any) -> AirflowRuntimeError:
    """What Airflow's supervisor makes of an API's answer (3.3)."""
    detail = {"status_code": status, "message": "Server returned error", "detail": body}
    return AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail=detail))


def refusal() -> AirflowRuntimeError:
    """The API's answer to a try that another one has followed."""
    return answer(404, {"detail": {"reason": "not_found", "message": "Task instance 0192-... not found"}})


class Refusing(DictStore):
    """The state store of a try that is given up at some time."""

    given_up = False

    def _break(self, method: str) -> None:
        super()._break(method)
        if self.given_up and method != "get":  # to a superseded try it says that there is nothing
            raise refusal()

    def get(self, key: str, default: Any = None) -> Any:
        return default if self.given_up else super().get(key, default)


def a_sync(rows: Any, store: DictStore, number: int, folder: Path, **options: Any) -> Sync:
    """One try of one task, with result files and a state file in the folder."""
    options |= {"results_path": str(folder / "results"), "skip_unchanged": str(folder / "state"), "max_in_flight": 2}
    return HubSpotHook().start_sync(
        "contacts",
        rows,
        UpdateOptions(**options),
        name="update",
        this_try=TaskTry("a task", number, store),
    )


def contents(folder: Path) -> dict[str, bytes]:
    """All files below it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_try_that_is_given_up_stops_sending(
    hubspot: HubSpotSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its next checkpoint is refused: it ends there, long before its rows do, and says why."""
    monkeypatch.setattr(resume, "SAVE_EVERY_SECONDS", 0.0)
    rows, store = rows_of(list(hubspot.objects("contacts")) * 10), Refusing()
    run = a_sync(rows, store, 1, tmp_path)
    with (
        after_batches(10, hubspot, lambda: setattr(store, "given_up", True)),
        pytest.raises(SyncStoppedError, match="Airflow has given up this try"),
        caplog.at_level(logging.WARNING),
    ):
        run.finish()
    assert run.superseded
    assert len(updates(hubspot)) < len(rows) // 100
    assert caplog.text.count("Airflow has given up this try") == 1


@pytest.mark.parametrize("when", ["a checkpoint", "the end"])
@pytest.mark.parametrize("resumes", [True, False])
def test_its_successor_is_left_alone(
    hubspot: HubSpotSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str, resumes: bool
) -> None:
    """Frozen while the next try runs from its beginning to its end, it changes neither result files nor state."""
    monkeypatch.setattr(resume, "SAVE_EVERY_SECONDS", 0.0 if when == "a checkpoint" else 3_600.0)
    rows, store = rows_of(hubspot.objects("contacts")), DictStore()
    told: list[Any] = []

    class Frozen(Refusing):
        def _break(self, method: str) -> None:
            if method != "get" and len(updates(hubspot)) >= 3 and not self.given_up:
                self.given_up = True
                store.texts.update(self.texts if resumes else {})
                summary = a_sync(rows, store, 2, tmp_path).finish().summary()
                told.extend([summary, contents(tmp_path), dict(store.texts)])
            super()._break(method)

    old = a_sync(rows, Frozen(), 1, tmp_path)
    with pytest.raises(SyncStoppedError, match="Airflow has given up this try"):
        old.finish(lambda _: told.append("the old try pushes its XComs"))
    summary, files, texts = told
    assert summary["rows"] == summary["updated"] == ROWS
    assert contents(tmp_path) == files
    assert store.texts == texts == {}
    assert [line["row"] for line in lines_of(tmp_path / "results")] == list(range(ROWS))
    assert wrong_titles(hubspot, rows) == []


def test_given_up_before_it_writes_it_writes_nothing(hubspot: HubSpotSandbox, tmp_path: Path) -> None:
    """It was frozen while it read its rows."""
    rows, store = rows_of(hubspot.objects("contacts")), Refusing()
    a_sync(rows, DictStore(), 2, tmp_path).finish()
    files, sent = contents(tmp_path), len(updates(hubspot))
    store.given_up = True
    with pytest.raises(SyncStoppedError, match="Airflow has given up this try"):
        a_sync(rows_of(hubspot.objects("contacts"), title="Old"), store, 1, tmp_path).finish()
    assert contents(tmp_path) == files
    assert len(updates(hubspot)) == sent


@pytest.mark.parametrize("options", [{}, {"resume": False}, {"results_path": True}], ids=str)
def test_its_xcoms_are_not_pushed(hubspot: HubSpotSandbox, tmp_path: Path, options: dict[str, Any]) -> None:
    """Neither in the end nor while it runs: they would replace its successor's."""
    if "results_path" in options:
        options = {"results_path": str(tmp_path)}
    store, ti = Refusing(), TaskInstance()
    task = operator(rows_of(hubspot.objects("contacts")), **options)
    with after_batches(5, hubspot, lambda: setattr(store, "given_up", True)):
        _, error = execute(task, store, ti)
    assert isinstance(error, SyncStoppedError)
    assert ti.xcoms == {}


def test_without_a_state_store_the_result_files_tell(hubspot: HubSpotSandbox, tmp_path: Path) -> None:
    """On Airflow before 3.3: the next try has taken the folder over, so that this one pushes nothing either."""
    rows, ti = rows_of(hubspot.objects("contacts")), TaskInstance()

    def next_try() -> None:
        second = TaskInstance()
        second.try_number = 2
        assert execute(operator(rows, results_path=str(tmp_path)), None, second)[1] is None

    class Frozen:
        def __iter__(self) -> Iterator[dict[str, Any]]:
            yield from rows[:1_500]
            next_try()
            yield from rows[1_500:]

    _, error = execute(operator(Frozen(), results_path=str(tmp_path)), None, ti)
    assert isinstance(error, SyncStoppedError)
    assert ti.xcoms == {}
    assert [line["row"] for line in lines_of(tmp_path)] == list(range(ROWS))


def test_it_is_not_deferred(hubspot: HubSpotSandbox) -> None:
    """The daily limit is exhausted, and another try waits for it."""
    hubspot.spend_daily_quota(leave=12, resets_in_seconds=30)
    store = Refusing()
    task = operator(rows_of(hubspot.objects("contacts")), deferrable=True)
    with after_batches(3, hubspot, lambda: setattr(store, "given_up", True)):
        _, error = execute(task, store)
    assert not isinstance(error, TaskDeferred)
    assert isinstance(error, (DailyQuotaError, SyncStoppedError))


@pytest.mark.parametrize(
    "error",
    [
        answer(404, {"detail": "Not Found"}),  # an API server that has no state store
        answer(404, None),
        answer(500, {"detail": {"reason": "not_found"}}),
        answer(None, None),
        answer(401, {"detail": {"reason": "x"}}),
        RuntimeError("404"),
        ConnectionError(),
    ],
    ids=str,
)
def test_a_store_that_fails_otherwise_means_nothing(error: Exception) -> None:
    """Nobody has said that another try follows."""

    class Failing(DictStore):
        def _break(self, _: str) -> None:
            raise error

    this_try = TaskTry("a task", 1, Failing())
    assert not this_try.look()
    this_try.raise_if_superseded()


@pytest.mark.parametrize("status", [404, 409, 410])
@pytest.mark.parametrize("reason", ["not_found", "running_elsewhere", "not_running"])
def test_the_apis_refusal_is_understood(status: int, reason: str) -> None:
    """With each of the reasons that Airflow's API gives."""
    this_try = TaskTry("a task", 1, DictStore())
    this_try.note(answer(status, json.loads(json.dumps({"detail": {"reason": reason, "message": "m"}}))))
    assert this_try.superseded


ORPHAN = """
import os, sys, time
from airflow_provider_hubbatch.sync.tries import TaskTry

if os.fork():
    time.sleep(0.5)
    os._exit(0)
this_try, parent = TaskTry("a task", 1), os.getppid()
for error in (EOFError(), BrokenPipeError()):
    this_try.note(error)
before = this_try.superseded
while os.getppid() == parent:
    time.sleep(0.02)
told = []
for error in (RuntimeError(), EOFError()):
    this_try.note(error)
    told.append(this_try.superseded)
print(before, *told, flush=True)
"""


def test_a_try_whose_supervisor_has_died_is_given_up() -> None:
    """Its way to Airflow is cut, and its parent is another: Airflow hears of it no more, and starts the next try."""
    told = subprocess.run([sys.executable, "-c", ORPHAN], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout.split() == ["False", "False", "True"]
    assert "Airflow has given up this try" in told.stderr
