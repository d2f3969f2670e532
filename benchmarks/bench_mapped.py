"""Four mapped tasks over one account, in a whole Airflow: they share the account's limit, at it and not over it.

The local HubSpot allows 190 requests in any 10 s and takes 300 ms for each. Nobody tells the tasks of each other: each
sees what HubSpot's headers say. The best possible is one task's pace, since the limit is the account's.

    python benchmarks/bench_mapped.py --rows 80000 --tasks 4
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from bisect import bisect_left
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent.parent))

from airflow_provider_hubbatch.sandbox import HubSpotSandbox
from benchmarks.bench_memory import write_sqlite
from tests.airflow_standalone import AirflowUnderTest

if TYPE_CHECKING:
    from airflow_provider_hubbatch.sandbox.traffic import RecordedRequest

LIMIT, WINDOW_SECONDS, LATENCY_MS = 190, 10.0, 300
DAG_SOURCE = """
from airflow.sdk import dag, task

from airflow_provider_hubbatch.operators import HubSpotBatchUpdateOperator
from airflow_provider_hubbatch.reports import combined_report
from airflow_provider_hubbatch.sources import SqlRows


def rows_of(part):
    query = "select id - 10000000000 as id, city from companies where id % ? = ? order by id"
    return SqlRows("warehouse", query, parameters=[TASKS, part])


@dag(schedule=None)
def mapped():
    @task
    def parts():
        return list(range(TASKS))

    @task(trigger_rule="all_done")
    def report(summaries):
        return combined_report(summaries)

    update = HubSpotBatchUpdateOperator.partial(
        task_id="update", object_type="companies", skip_unchanged=None
    ).expand(rows=parts().map(rows_of))
    report(update.output)


mapped()
"""


def show(requests: list[RecordedRequest], tasks: int) -> None:
    """How full the account's windows were, from when all tasks were at work until the first had no more rows."""
    counted = sorted(one.counted_at for one in requests if one.counted_at is not None)
    refused = sum(one.status == 429 for one in requests)
    first, last = counted[0], counted[-1]
    windows = [
        bisect_left(counted, start + WINDOW_SECONDS) - bisect_left(counted, start)
        for start in [first + second for second in range(int(last - first - WINDOW_SECONDS))]
    ]
    middle = windows[len(windows) // 4 : -len(windows) // 4 or None]
    seconds = last - first
    best = (len(counted) - LIMIT) / LIMIT * WINDOW_SECONDS
    print(f"{tasks} tasks: {len(counted):,} requests in {seconds:.1f} s; at the limit throughout it takes {best:.1f} s")
    print(f"requests in 10 s: at most {max(windows)}, in the middle half {sum(middle) / len(middle):.0f}, of {LIMIT}")
    print(f"refused by 429: {refused} ({refused / len(requests):.2%})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=80_000)
    parser.add_argument("--tasks", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "dags").mkdir()
        (folder / "dags" / "mapped.py").write_text(DAG_SOURCE.replace("TASKS", str(options.tasks)))
        write_sqlite(folder / "warehouse.db", options.rows)
        with HubSpotSandbox(
            records={"companies": options.rows},
            latency_ms=LATENCY_MS,
            requests_per_10_seconds=LIMIT,
            record_bodies=False,
        ) as sandbox:
            connections = {
                "AIRFLOW_CONN_HUBSPOT_DEFAULT": sandbox.connection(),
                "AIRFLOW_CONN_WAREHOUSE": json.dumps({"conn_type": "sqlite", "host": str(folder / "warehouse.db")}),
                "AIRFLOW__CORE__PARALLELISM": str(options.tasks),
            }
            with AirflowUnderTest(folder / "home", folder / "dags", connections) as airflow:
                run_id = airflow.trigger("mapped")
                state = airflow.wait("mapped", run_id)
                combined = airflow.xcom("mapped", run_id, "report")
            show([one for one in sandbox.requests if "/batch/" in one.path], options.tasks)
            print(f"{state}: {combined['updated']:,} of {combined['rows']:,} rows updated, {combined['syncs']} syncs")


if __name__ == "__main__":
    main()
