"""What checkpoints cost: 1,000 batches through ``dag.test()``, with Airflow's own state store and without.

The sandbox answers in 50 ms and has the limit of a Professional account, 190 requests per 10 s; with 10,000 instead
the sync is as short as it can be. Beside the two times stands what the checkpoints themselves took (hashing the rows,
noting outcomes, writing), which a busy machine blurs less than their difference.

    python benchmarks/bench_checkpoints.py --batches 1000 --rounds 1
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from demo.airflow_home import airflow_environment
from demo.standalone import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

BATCH_ROWS = 100

DAG = """
from pathlib import Path

from airflow.sdk import DAG

from airflow_provider_hubbatch.operators import HubSpotBatchUpdateOperator

rows = str(Path(__file__).parent.parent / "rows.jsonl")
for resume in (True, False):
    with DAG(f"resume_{resume}", schedule=None):
        HubSpotBatchUpdateOperator(task_id="update", object_type="contacts", rows=rows, resume=resume)
"""


class Spent:
    """Seconds spent in some functions."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.calls = 0

    def watch(self, owner: Any, name: str) -> None:
        """Count the seconds of a method from now on."""
        inner = getattr(owner, name)

        @functools.wraps(inner)
        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return inner(*args, **kwargs)
            finally:
                self.seconds += time.perf_counter() - start
                self.calls += 1

        setattr(owner, name, timed)


@contextmanager
def sandbox(rows: int, limit: int) -> Iterator[str]:
    """A local HubSpot in a process of its own; gives the connection."""
    command = [sys.executable, "-m", "airflow_provider_hubbatch.sandbox", "--port", str(free_port())]
    command += ["--records", f"contacts={rows}", "--requests-per-10-seconds", str(limit), "--latency-ms", "50"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield process.stdout.readline().split("'")[1]
        finally:
            process.terminate()
            process.communicate()


def write_rows(path: Path, count: int) -> None:
    """A file of rows for the contacts 1, 2, 3, ..."""
    with path.open("w") as file:
        for number in range(1, count + 1):
            row = {"id": str(number), "jobtitle": f"Title {number}", "city": "Berlin", "company": f"No {number % 50}"}
            file.write(json.dumps(row) + "\n")


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--requests-per-10-seconds", type=int, default=190)
    options = parser.parse_args()
    rows = options.batches * BATCH_ROWS
    with (
        tempfile.TemporaryDirectory(prefix="hubbatch-bench-") as folder,
        sandbox(rows, options.requests_per_10_seconds) as connection,
    ):
        home, dags = Path(folder) / "home", Path(folder) / "dags"
        dags.mkdir()
        (dags / "bench.py").write_text(DAG)
        write_rows(Path(folder) / "rows.jsonl", rows)
        os.environ.update(airflow_environment(home, dags))
        os.environ.update(AIRFLOW_CONN_HUBSPOT_DEFAULT=connection)
        os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "ERROR"
        measure(dags / "bench.py", options.rounds, options.batches)


def measure(dag_file: Path, rounds: int, batches: int) -> None:
    """Run with and without, in turns."""
    from airflow.utils.db import initdb

    from airflow_provider_hubbatch.core.checkpoint import RowsDigest
    from airflow_provider_hubbatch.sync.resume import Checkpoints
    from demo.dag_run import run_dag

    initdb()
    saving, noting, hashing = Spent(), Spent(), Spent()
    saving.watch(Checkpoints, "save")
    noting.watch(Checkpoints, "note")
    hashing.watch(RowsDigest, "add")
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(rounds):
        for resume in (True, False):
            result = run_dag(dag_file, f"resume_{resume}")
            assert result.state == "success", result.xcoms("update")
            seconds[resume].append(result.xcom("update")["seconds"])
    with_them, without = (statistics.median(seconds[resume]) for resume in (True, False))
    took = (saving.seconds + noting.seconds + hashing.seconds) / rounds
    print(
        json.dumps(
            {
                "batches": batches,
                "seconds_with": round(with_them, 2),
                "seconds_without": round(without, 2),
                "checkpoints": saving.calls // rounds,
                "ms_a_checkpoint": round(1_000 * saving.seconds / max(saving.calls, 1), 1),
                "seconds_in_checkpoints": round(took, 3),
                "share_percent": round(100 * took / with_them, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
