"""SIGKILL to a task's process in a whole Airflow, at random points, and what its retries make of it.

The suite kills twice. The long form: ``python -m tests.resume.killing --kills 20``; ``--verb upsert`` and
``--verb create`` make the records, by a key.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.sandbox import HubSpotSandbox
from tests.airflow_standalone import AirflowUnderTest
from tests.resume.resuming import lines_of, rows_of, times_sent, updates, writes, wrong_titles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_hubbatch.sandbox import RecordedRequest

# What the promise allows between HubSpot's reply and the checkpoint that knows of it
CHECKPOINT_SECONDS = 5.0

_BY_KEY = {"id_column": "key", "id_property": "customer_number"}
# The task's options for verbs that make records.
MAKING: dict[str, dict[str, Any]] = {
    "upsert": {"operator": "HubSpotBatchUpsertOperator", **_BY_KEY},
    "create": {"operator": "HubSpotBatchCreateOperator", **_BY_KEY},
}

MAX_IN_FLIGHT = 2
LATENCY_MS = 400
ROWS_A_SECOND = 100 * MAX_IN_FLIGHT * 1_000 // LATENCY_MS

# A try is killed so long after its first request at the latest; it is sure to last longer.
KILLED_WITHIN_SECONDS = 7.0

DAGS = """
import json
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG

from airflow_provider_hubbatch import operators

for dag_id, options in json.loads(Path(__file__).with_suffix(".json").read_text()).items():
    for name in ("execution_timeout", "retry_delay"):
        if name in options:
            options[name] = timedelta(seconds=options[name])
    with DAG(dag_id, schedule=None):
        operator = getattr(operators, options.pop("operator", "HubSpotBatchUpdateOperator"))
        operator(task_id="update", object_type="contacts", **options)
"""


def write_dags(folder: Path, options: Mapping[str, Mapping[str, Any]]) -> None:
    """A DAG file with a DAG for each: id -> what its one task, ``update``, is given."""
    folder.mkdir(exist_ok=True)
    (folder / "syncs.json").write_text(json.dumps(options))
    (folder / "syncs.py").write_text(DAGS)


def write_rows(path: Path, rows: list[dict[str, Any]]) -> str:
    """The rows as a file of JSON lines; gives its path."""
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return str(path)


def rows_to_survive(kills: int) -> int:
    """So many rows that a sync is still at work after so many kills."""
    return int((kills * KILLED_WITHIN_SECONDS + 4) * ROWS_A_SECOND)


@dataclass(frozen=True)
class Killed:
    """How a task went that was killed.

    :param kills: when, on the sandbox's clock.
    :param state: of the run, in the end.
    """

    dag_id: str
    run_id: str
    kills: list[float]
    state: str


def kill_task(
    airflow: AirflowUnderTest,
    dag_id: str,
    sandbox: HubSpotSandbox,
    kills: int,
    dice: random.Random,
    *,
    verb: str = "update",
) -> Killed:
    """Run a DAG and kill its task's process again and again, at random points of its sending.

    :param kills: how often; the task needs as many retries.
    """
    run_id = airflow.trigger(dag_id)
    times: list[float] = []
    for try_number in range(1, kills + 1):
        before = len(writes(sandbox, verb))
        pid = _pid_of(airflow, dag_id, run_id, try_number)
        _wait(lambda before=before: len(writes(sandbox, verb)) > before, f"an {verb} of try {try_number}")
        time.sleep(dice.uniform(0.0, KILLED_WITHIN_SECONDS))
        os.kill(pid, signal.SIGKILL)
        times.append(time.monotonic())
    return Killed(dag_id, run_id, times, airflow.wait(dag_id, run_id))


def sent_again(requests: list[RecordedRequest]) -> list[tuple[int, RecordedRequest]]:
    """(row, request) for each time that a row was sent and would be sent again later."""
    last: dict[int, RecordedRequest] = {}
    again: list[tuple[int, RecordedRequest]] = []
    for request in sorted(requests, key=lambda one: one.received_at):
        for item in request.json["inputs"]:
            row = int(item["objectWriteTraceId"])
            if row in last:
                again.append((row, last[row]))
            last[row] = request
    return again


def seconds_before_a_kill(request: RecordedRequest, kills: list[float]) -> float:
    """How old HubSpot's answer was when the task was killed; negative if it was still under way."""
    # what the task had sent may reach HubSpot a moment after its death; the next try is a second away
    return min(kill - request.answered_at for kill in kills if kill >= request.received_at - 0.5)


def check(
    airflow: AirflowUnderTest, killed: Killed, sandbox: HubSpotSandbox, rows: list[dict[str, Any]], results: Path
) -> dict[str, Any]:
    """Assert what is promised of a task that was killed; gives the numbers."""
    assert killed.state == "success", airflow.log(killed.dag_id, killed.run_id, "update", len(killed.kills) + 1)
    summary: dict[str, Any] = airflow.xcom(killed.dag_id, killed.run_id, "update")
    assert summary["rows"] == len(rows) == summary["updated"] + summary["rejected"]
    rejected = airflow.xcom(killed.dag_id, killed.run_id, "update", "rejected")
    contacts = sandbox.objects("contacts")
    assert sorted(one["row"] for one in rejected) == [n for n, row in enumerate(rows) if row["id"] not in contacts]
    assert all(one["values"] == rows[one["row"]] for one in rejected)
    assert [line["row"] for line in lines_of(results)] == list(range(len(rows)))
    assert wrong_titles(sandbox, rows) == []
    assert len(times_sent(updates(sandbox))) == len(rows)
    again = sent_again(updates(sandbox))
    oldest = max((seconds_before_a_kill(request, killed.kills) for _, request in again), default=0.0)
    assert oldest <= CHECKPOINT_SECONDS, f"confirmed {oldest:.2f} s before the kill, and sent again"
    return {
        "kills": len(killed.kills),
        "rows": len(rows),
        "resumed_rows": summary["resumed_rows"],
        "rows_sent_again": len(again),
        "oldest_seconds": round(oldest, 2),
        "requests": len(updates(sandbox)),
    }


def check_made(
    airflow: AirflowUnderTest, killed: Killed, sandbox: HubSpotSandbox, rows: list[dict[str, Any]], results: Path
) -> dict[str, Any]:
    """Assert that every row made its record once, and says so; gives the numbers."""
    assert killed.state == "success", airflow.log(killed.dag_id, killed.run_id, "update", len(killed.kills) + 1)
    summary: dict[str, Any] = airflow.xcom(killed.dag_id, killed.run_id, "update")
    keys = {one: record["properties"].get("customer_number") for one, record in sandbox.objects("contacts").items()}
    made = Counter(filter(None, keys.values()))
    assert made == Counter(row["key"] for row in rows), (made - Counter(row["key"] for row in rows)).most_common(5)
    assert summary["rows"] == summary["created"] == len(rows), summary
    lines = lines_of(results)
    assert [line["row"] for line in lines] == list(range(len(rows)))
    assert [line["row"] for line in lines if keys[line["record_id"]] != rows[line["row"]]["key"]] == []
    return {
        "kills": len(killed.kills),
        "rows": len(rows),
        "resumed_rows": summary["resumed_rows"],
        "requests": summary["requests"],
    }


def _pid_of(airflow: AirflowUnderTest, dag_id: str, run_id: str, try_number: int) -> int:
    found: dict[str, Any] = {}

    def running() -> bool:
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/update"
        found.update(airflow.call("GET", path).json())
        return found["state"] == "running" and found["try_number"] == try_number and bool(found["pid"])

    _wait(running, f"the process of try {try_number}", 0.3)
    return int(found["pid"])


def _wait(probe: Any, what: str, every_seconds: float = 0.05) -> None:
    deadline = time.monotonic() + 180
    while not probe():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no sign of {what}")
        time.sleep(every_seconds)


def main() -> int:
    """The long form."""
    parser = argparse.ArgumentParser(prog="python -m tests.resume.killing", description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--verb", choices=["update", "upsert", "create"], default="update")
    options = parser.parse_args()
    count, verb = rows_to_survive(options.kills), options.verb
    contacts = count if verb == "update" else 0
    with (
        tempfile.TemporaryDirectory(prefix="hubbatch-killing-") as folder,
        HubSpotSandbox(
            records={"contacts": contacts}, latency_ms=LATENCY_MS, requests_per_10_seconds=10_000
        ) as sandbox,
    ):
        home = Path(folder)
        rows = killed_rows(sandbox) if verb == "update" else rows_to_make(count)
        write_dags(home / "dags", {"killed": {**killed_task(home, rows, options.kills), **MAKING.get(verb, {})}})
        connections = {"AIRFLOW_CONN_KILLED": sandbox.connection()}
        with AirflowUnderTest(home / "home", home / "dags", connections) as airflow:
            dice = random.Random(options.seed)
            killed = kill_task(airflow, "killed", sandbox, options.kills, dice, verb=verb)
            checked = check if verb == "update" else check_made
            told = checked(airflow, killed, sandbox, rows, home / "results")
    sys.stdout.write(json.dumps({"verb": verb, "seed": options.seed, **told}) + "\n")
    return 0


def rows_to_make(count: int) -> list[dict[str, Any]]:
    """Rows whose records don't exist."""
    return [{"key": f"N-{number}", "city": f"Gent {number}"} for number in range(count)]


def killed_rows(sandbox: HubSpotSandbox) -> list[dict[str, Any]]:
    """A row for every contact; one in 500 is of a contact that doesn't exist."""
    rows = rows_of(sandbox.objects("contacts"))
    for number in range(250, len(rows), 500):
        rows[number]["id"] = f"9{number:09d}"
    return rows


def killed_task(home: Path, rows: list[dict[str, Any]], kills: int) -> dict[str, Any]:
    """What the task is given that is to be killed."""
    return {
        "rows": write_rows(home / "rows.jsonl", rows),
        "results_path": str(home / "results"),
        "max_in_flight": MAX_IN_FLIGHT,
        "max_rejected": 0.01,
        "retries": kills,
        "retry_delay": 1,
        "hubspot_conn_id": "killed",
    }


if __name__ == "__main__":
    sys.exit(main())
