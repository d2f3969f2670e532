"""Links: how many requests 3,000 pairs by email and own key take, and the memory and speed of a million by record id.

The first against the sandbox, with faults and without; the second from a Parquet file to a server without latency, in a
process of its own: idle is its memory with all libraries loaded, peak the most it had.

    python benchmarks/bench_associate.py
    python benchmarks/bench_associate.py --pairs 100000
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.bare_server import bare_server
from benchmarks.bench_memory import memory_bytes

CONTACTS, COMPANIES = 3_000, 500
FAULTS: tuple[tuple[str, dict[str, int]], ...] = (
    ("cut_after_write", {}),
    ("status", {"status": 503}),
    ("empty_results", {}),
    ("result_left_out", {"results": 9}),
)
_MB = 1 << 20


def count_requests(name: str, *, faults: bool, **options: Any) -> None:
    """Link every contact with some company, by keys; then say what that took, and whether every link is right."""
    from airflow_provider_hubbatch.hooks import HubSpotHook
    from airflow_provider_hubbatch.sandbox import HubSpotSandbox

    records = {"contacts": CONTACTS, "companies": COMPANIES}
    with HubSpotSandbox(records=records, requests_per_10_seconds=10_000) as sandbox:
        os.environ["AIRFLOW_CONN_HUBSPOT_DEFAULT"] = sandbox.connection()
        pairs = [(str(one), str(Random(one).randint(1, COMPANIES))) for one in range(1, CONTACTS + 1)]
        contacts, companies = sandbox.objects("contacts"), sandbox.objects("companies")
        rows = [
            {"person": contacts[one]["properties"]["email"], "account": companies[other]["properties"]["erp_id"]}
            for one, other in pairs
        ]
        if options.get("remove"):
            for one, other in pairs:
                sandbox.associate("contacts", one, "companies", other)
        for kind, details in FAULTS if faults else ():
            sandbox.faults.randomly(kind, probability=0.03, path="/batch/", **details)
        started = time.perf_counter()
        report = HubSpotHook().batch_associate(
            "contacts",
            "companies",
            rows,
            from_column="person",
            from_id_property="email",
            to_column="account",
            to_id_property="erp_id",
            **options,
        )
        seconds = time.perf_counter() - started
        links = {(one, other) for one, ends in sandbox.associations("contacts", "companies").items() for other in ends}
        right = links == (set() if options.get("remove") else set(pairs))
        sent = Counter(one.path.split("/2026-03/")[1] for one in sandbox.requests if "/batch/" in one.path)
        summary = {name: count for name, count in report.summary().items() if name in report.counts and count}
    print(
        f"{name}: {summary}, links right: {right}, {seconds:.1f} s, {report.retries} retries; {dict(sent)}", flush=True
    )


def sync(path: str) -> dict[str, Any]:
    """What the subprocess does: load everything, look at its memory, link, look again."""
    import airflow_provider_hubbatch.sources.arrow
    import airflow_provider_hubbatch.sync.sync  # noqa: F401 - loaded before memory is looked at
    from airflow_provider_hubbatch.hooks import HubSpotHook

    hook = HubSpotHook()
    _ = hook.client  # the connection is read
    idle = memory_bytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # resets the highest
    started = time.perf_counter()
    report = hook.batch_associate("contacts", "companies", path, from_column="contact", to_column="company")
    seconds = time.perf_counter() - started
    return {"idle": idle, "peak": memory_bytes("VmHWM"), "seconds": seconds, "summary": report.summary()}


def measure_memory(pairs: int) -> None:
    """Link so many pairs of record ids, from a Parquet file."""
    import pyarrow as pa
    from pyarrow import parquet

    with tempfile.TemporaryDirectory() as folder, bare_server() as url:
        path = Path(folder) / "pairs.parquet"
        contacts = [10_000_000_000 + one for one in range(pairs)]
        table = pa.table({"contact": contacts, "company": [20_000_000_000 + one % 50_000 for one in range(pairs)]})
        parquet.write_table(table, path)
        connection = {"conn_type": "hubspot", "host": url, "password": "pat-1"}
        environment = {
            **{name: value for name, value in os.environ.items() if not name.upper().startswith("AIRFLOW")},
            "AIRFLOW_HOME": folder,
            "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
            "AIRFLOW_CONN_HUBSPOT_DEFAULT": json.dumps(connection),
        }
        command = [sys.executable, __file__, "--measure", str(path)]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    measured = json.loads(done.stdout.splitlines()[-1])
    summary, idle, peak = measured["summary"], measured["idle"] / _MB, measured["peak"] / _MB
    print(
        f"{summary['created']:,} of {summary['rows']:,} pairs linked in {measured['seconds']:.1f} s, "
        f"{summary['requests']} requests; idle {idle:.1f} MB, peak {peak:.1f} MB, {peak - idle:+.1f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(sync(options.measure)))
        return
    os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "ERROR"
    for faults in (False, True):
        ending = ", with faults" if faults else ""
        count_requests(f"unlabeled{ending}", faults=faults)
        count_requests(f"with a label{ending}", faults=faults, label="Primary")
        count_requests(f"taken away{ending}", faults=faults, remove=True)
    measure_memory(options.pairs)


if __name__ == "__main__":
    main()
