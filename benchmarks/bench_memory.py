"""Memory and speed of a large sync: rows from a database or a file to a server without latency.

Each line is a process of its own: idle is its memory with all libraries loaded, peak the most it had during the sync.

    python benchmarks/bench_memory.py --rows 300000 1000000 --sources sqlite postgres parquet csv jsonl
"""

from __future__ import annotations

import argparse
import csv
import importlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.bare_server import bare_server

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS = ("id", "employees", "revenue", "city", "renewal_date", "synced_at", "active")
QUERY = f"select {', '.join(COLUMNS)} from companies order by id"
IN_POSTGRES = """
create table companies as
select 10000000000 + n as id, n % 5000 as employees, (n / 7.0)::numeric(20, 2) as revenue,
  (array['Zürich', 'Berlin', 'Springfield', 'Wien'])[1 + n % 4] as city, date '2024-01-01' + n % 900 as renewal_date,
  timestamptz '2026-01-01' + n * interval '1 second' as synced_at, n % 2 = 0 as active
from generate_series(1, {rows}) as n
"""
_MB = 1 << 20


def rows(count: int) -> Iterator[tuple[Any, ...]]:
    """The rows, as a warehouse would have them."""
    cities = ("Zürich", "Berlin", "Springfield", "Wien")
    first, moment = date(2024, 1, 1), datetime(2026, 1, 1)  # noqa: DTZ001 - as a database without zones has it
    for n in range(1, count + 1):
        day, seen = first + timedelta(days=n % 900), moment + timedelta(seconds=n)
        yield 10_000_000_000 + n, n % 5000, round(n / 7, 2), cities[n % 4], f"{day}", f"{seen}", n % 2 == 0


def write_sqlite(path: Path, count: int) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(f"create table companies ({', '.join(COLUMNS)})")
        database.executemany(f"insert into companies values ({', '.join('?' * len(COLUMNS))})", rows(count))


def write_csv(path: Path, count: int) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows(count))


def write_jsonl(path: Path, count: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(dict(zip(COLUMNS, row, strict=True))) + "\n" for row in rows(count))


def write_parquet(path: Path, count: int) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    columns = list(zip(*rows(count), strict=True))
    table = pa.table({name: list(values) for name, values in zip(COLUMNS, columns, strict=True)})
    parquet.write_table(table, path)  # with pyarrow's own row groups, of about a million rows


WRITERS = {"sqlite": write_sqlite, "csv": write_csv, "jsonl": write_jsonl, "parquet": write_parquet}


def memory_bytes(name: str) -> int:
    """A figure of this process: ``VmRSS`` now, ``VmHWM`` the highest so far."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def sync(source: str, place: str, skip_unchanged: str | None) -> dict[str, Any]:
    """What the subprocess does: load everything, look at its memory, sync, look again."""
    from airflow.providers.common.compat.sdk import BaseHook

    from airflow_provider_hubbatch.hooks import HubSpotHook
    from airflow_provider_hubbatch.sources import SqlRows

    given: Any = place
    if source in {"sqlite", "postgres"}:
        given = SqlRows("warehouse", QUERY)
        connection: Any = BaseHook.get_connection("warehouse")
        connection.get_hook().get_conn().close()
    for name in (
        "sync.sync",
        *(["sources.arrow"] if source == "parquet" else []),
        *(["sync.fingerprints"] if skip_unchanged else []),
    ):
        assert importlib.import_module(f"airflow_provider_hubbatch.{name}")
    hook = HubSpotHook()
    _ = hook.client  # the connection is read
    idle = memory_bytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # resets the highest
    started = time.perf_counter()
    report = hook.batch_update("companies", given, skip_unchanged=skip_unchanged)
    seconds = time.perf_counter() - started
    return {"idle": idle, "peak": memory_bytes("VmHWM"), "seconds": seconds, "summary": report.summary()}


def in_subprocess(source: str, place: str, url: str, warehouse: dict[str, Any], skip: str | None = None) -> Any:
    """Sync in a fresh process; gives what it measured."""
    with tempfile.TemporaryDirectory() as home:
        inherited = {name: value for name, value in os.environ.items() if not name.upper().startswith("AIRFLOW")}
        environment = inherited | {
            "AIRFLOW_HOME": home,
            "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
            "AIRFLOW_CONN_HUBSPOT_DEFAULT": json.dumps({"conn_type": "hubspot", "host": url, "password": "pat-1"}),
            "AIRFLOW_CONN_WAREHOUSE": json.dumps(warehouse),
        }
        command = [sys.executable, __file__, "--measure", source, place, *([skip] if skip else [])]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def show(source: str, measured: dict[str, Any]) -> None:
    summary, seconds = measured["summary"], measured["seconds"]
    idle, peak = measured["idle"] / _MB, measured["peak"] / _MB
    print(
        f"{source:<10}{summary['rows']:>10,} rows{summary['rows'] / seconds:>10,.0f} rows/s"
        f"   idle {idle:6.1f} MB   peak {peak:6.1f} MB   {peak - idle:+6.1f} MB",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[300_000, 1_000_000])
    parser.add_argument("--sources", nargs="+", default=["sqlite", "postgres"], choices=["postgres", *WRITERS])
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        source, place, *skip = options.measure
        print(json.dumps(sync(source, place, skip[0] if skip else None)))
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(bare_server())
        for source in options.sources:
            for count in options.rows:
                if source == "postgres":
                    show(source, measure_postgres(count, url))
                    continue
                path = folder / f"companies-{count}.{source}"
                WRITERS[source](path, count)
                show(source, in_subprocess(source, str(path), url, {"conn_type": "sqlite", "host": str(path)}))
                path.unlink()


def measure_postgres(count: int, url: str) -> Any:
    """Sync from a PostgreSQL server of its own."""
    import psycopg

    from tests.postgres import NOT_THERE, PostgresServer, postgres_programs

    programs = postgres_programs()
    if programs is None:
        raise SystemExit(NOT_THERE)
    with PostgresServer(programs) as server:
        fields = server.fields
        place = {"host": fields["host"], "port": fields["port"], "user": fields["login"], "dbname": fields["schema"]}
        with psycopg.connect(**place) as connection:
            connection.execute(IN_POSTGRES.format(rows=count))
        return in_subprocess("postgres", "-", url, fields)


if __name__ == "__main__":
    main()
