"""A small sync: 300 rows, from the call to the report, against a bare server with HubSpot's latency.

Two answers, one after the other, are the least: preflight's requests side by side, then the batches. Each run is a
process of its own, as a task is; ``first`` is its first sync, with what has to be imported, ``second`` the next.

    python benchmarks/bench_small.py
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.bare_server import bare_server

ROWS = 300
LATENCY_MS = 300
REPEATS = 5


def run(url: str) -> None:
    """Two syncs; the seconds of each, as JSON."""
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
    os.environ["AIRFLOW_CONN_HUBSPOT_DEFAULT"] = json.dumps(
        {"conn_type": "hubspot", "host": url, "password": "benchmark-token"}
    )
    from airflow_provider_hubbatch.hooks import HubSpotHook

    rows = [{"id": number, "city": f"town {number}", "employees": number} for number in range(1, ROWS + 1)]
    seconds = []
    for _ in range(2):
        started = time.perf_counter()
        report = HubSpotHook().batch_update("contacts", rows)
        seconds.append(time.perf_counter() - started)
        assert report.summary()["updated"] == ROWS
    print(json.dumps(seconds))


def main() -> None:
    if len(sys.argv) > 1:
        run(sys.argv[1])
        return
    measured = []
    for _ in range(REPEATS):
        # a server of its own for each: no earlier run is in its window
        with bare_server("--latency-ms", str(LATENCY_MS), "--limit", "190", "--interval-ms", "10000") as url:
            done = subprocess.run([sys.executable, __file__, url], check=True, capture_output=True, text=True)
        measured.append(json.loads(done.stdout.splitlines()[-1]))
    first, second = (statistics.median(column) for column in zip(*measured, strict=True))
    print("| rows | latency | first, s | second, s |\n|---|---|---|---|")
    print(f"| {ROWS} | {LATENCY_MS} ms | {first:.2f} | {second:.2f} |")


if __name__ == "__main__":
    main()
