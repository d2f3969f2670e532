"""How syncs of several DAGs, on two workers, share one account: eight mapped ones and two by themselves.

The suite runs a short form. The long form, which prints a line of numbers: ``python -m tests.celery.sharing``, in the
environment of ``make test-celery``.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from bisect import bisect_left
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.celery.cluster import AirflowCluster, missing
from tests.celery.syncs import Account, Run, most_in_a_window, results_path, write_dags
from tests.resume.resuming import updates

if TYPE_CHECKING:
    from airflow_provider_hubbatch.sandbox import RecordedRequest

LIMIT, WINDOW_SECONDS = 190, 10.0
SETTINGS: dict[str, Any] = {"requests_per_10_seconds": LIMIT, "latency_ms": 300}


def parts(rows: int) -> dict[str, list[int]]:
    """DAG id -> rows of each of its mapped tasks."""
    return {"mapped": [rows] * 8, "alone": [rows], "another": [rows]}


def measure(account: Account) -> dict[str, Any]:
    """What the account's requests tell.

    ``share`` is the time that the limit allows at best, divided by the time taken, from the first update to the last;
    ``requests_a_task`` the fewest and the most that a task got through while all of them were at work, in so many
    ``seconds_together``.
    """
    sent = updates(account.sandbox)
    done = [counted(request) for request in sent if request.counted_at is not None]
    of_tasks = [
        sorted(counted(request) for request in requests if request.counted_at is not None)
        for requests in account.sent().values()
    ]
    best = (len(done) - LIMIT) / LIMIT * WINDOW_SECONDS
    start, end = max(ones[0] for ones in of_tasks), min(ones[-1] for ones in of_tasks)
    together = [bisect_left(ones, end) - bisect_left(ones, start) for ones in of_tasks] if start < end else []
    return {
        "tasks": len(of_tasks),
        "updates": len(done),
        "seconds": round(max(done) - min(done), 1),
        "share": round(best / (max(done) - min(done)), 3),
        "most_in_10_seconds": most_in_a_window(account.sandbox.requests),
        "refused": sum(request.status == 429 for request in sent),
        "seconds_together": round(max(end - start, 0.0), 1),
        "requests_a_task": [min(together), max(together)] if together else [],
    }


def counted(request: RecordedRequest) -> float:
    """When it took its place in the account's window."""
    assert request.counted_at is not None
    return request.counted_at


def main() -> int:
    """The long form."""
    parser = argparse.ArgumentParser(prog="python -m tests.celery.sharing", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=15_000, help="of each task")
    options = parser.parse_args()
    if why := missing():
        sys.exit(why)
    account = Account.start("shared", parts(options.rows), **SETTINGS)
    with tempfile.TemporaryDirectory(prefix="hubbatch-sharing-") as name:
        home = Path(name)
        common = {"hubspot_conn_id": "shared"}
        write_dags(
            home / "dags",
            {
                dag_id: (account.files(home, dag_id), common | {"results_path": results_path(dag_id)})
                for dag_id in account.rows
            },
        )
        with AirflowCluster(
            home / "home", home / "dags", {"AIRFLOW_CONN_SHARED": account.sandbox.connection()}
        ) as airflow:
            runs = [Run.start(airflow, dag_id) for dag_id in account.rows]
            told = {"states": [run.wait() for run in runs], **measure(account)}
            told["updated"] = sum(one["updated"] for run in runs for one in run.summaries())
    account.sandbox.stop()
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
