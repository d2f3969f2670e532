"""What each verb costs: requests for 100 rows, and the share of the account's window that it uses.

Against the sandbox in a process of its own, at 190 requests in 10 s and 300 ms a reply. Both numbers leave out the two
requests of preflight; ``share`` is the time in which the window allows the others at best, divided by what they took.

    python benchmarks/bench_verbs.py              # the table of docs/benchmarks.md; about half a minute a line
    python benchmarks/bench_verbs.py --rows 2000  # the requests alone: too few to fill the window
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.bench_pacing import ideal_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_hubbatch.hooks import HubSpotHook

LIMIT = 190
LATENCY_MS = 300
IN_FLIGHT = 16

Records = list[dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """One verb with one kind of key.

    :param verb: as in ``hook.batch_<verb>``.
    :param rows: from the contacts that there are, as HubSpot shows them.
    :param statuses: what becomes of the rows.
    :param behaviours: of the sandbox.
    """

    verb: str
    rows: Callable[[Records], Records]
    statuses: tuple[str, ...]
    where: dict[str, Any] = field(default_factory=lambda: {"object_type": "contacts"})
    options: dict[str, Any] = field(default_factory=dict)
    behaviours: tuple[str, ...] = ()


def _by(name: str) -> Callable[[Records], Records]:
    """Rows for all contacts, by a property or (``id``) by record id."""
    return lambda records: [
        {"key": record["id"] if name == "id" else record["properties"][name], "jobtitle": f"Title {number}"}
        for number, record in enumerate(records)
    ]


def _new(records: Records) -> Records:
    """Rows for as many contacts as there are, none of which is there."""
    return [{"key": f"bench-{number}", "jobtitle": f"Title {number}"} for number in range(len(records))]


def _mixed(name: str) -> Callable[[Records], Records]:
    """As :func:`_by`; every other row is of a contact that isn't there."""

    def rows(records: Records) -> Records:
        there = _by(name)(records)
        return [row if number % 2 else {**row, "key": f"bench-{row['key']}"} for number, row in enumerate(there)]

    return rows


def _ids(name: str) -> Callable[[Records], Records]:
    """As :func:`_by`, without a value to write."""
    return lambda records: [{"key": row["key"]} for row in _by(name)(records)]


def _keyed(name: str) -> dict[str, str]:
    return {"id_column": "key", "id_property": name}


CASES = {
    "update by record id": Case("update", _by("id"), ("updated",), options={"id_column": "key"}),
    "update by a unique property": Case(
        "update", _by("customer_number"), ("updated",), options={"id_column": "key", "id_property": "customer_number"}
    ),
    "update by a unique property that no result repeats": Case(
        "update",
        _by("customer_number"),
        ("updated",),
        options={"id_column": "key", "id_property": "customer_number"},
        behaviours=("results_echo=nothing",),
    ),
    "update by email": Case("update", _by("email"), ("updated",), options={"id_column": "key", "id_property": "email"}),
    "update by record id, compared with HubSpot": Case(
        "update", _by("id"), ("updated",), options={"id_column": "key", "skip_unchanged": "hubspot"}
    ),
    "upsert by a unique property, every other row new": Case(
        "upsert", _mixed("customer_number"), ("created", "updated"), options=_keyed("customer_number")
    ),
    "upsert by email, every other row new": Case(
        "upsert", _mixed("email"), ("created", "updated"), options=_keyed("email")
    ),
    "create by a unique property": Case("create", _new, ("created",), options=_keyed("customer_number")),
    "create by a unique property, what is there is skipped": Case(
        "create",
        _mixed("customer_number"),
        ("created", "unchanged"),
        options={**_keyed("customer_number"), "existing": "skip"},
    ),
    "create without a key": Case("create", _new, ("created",), options={"properties": ["jobtitle"]}),
    "archive by record id": Case("archive", _ids("id"), ("archived",), options={"id_column": "key"}),
    "archive by a unique property": Case(
        "archive", _ids("customer_number"), ("archived",), options=_keyed("customer_number")
    ),
}


def measure(case: Case, rows: int) -> dict[str, Any]:
    """Run one case."""
    with _sandbox(rows, case.behaviours) as (url, connection):
        os.environ["AIRFLOW_CONN_HUBSPOT_DEFAULT"] = connection
        from airflow_provider_hubbatch.hooks import HubSpotHook

        given = case.rows(list(_get(f"{url}/_sandbox/objects/contacts").values()))
        hook: HubSpotHook = HubSpotHook()
        _ = hook.client  # the connection is read
        done = getattr(hook, f"batch_{case.verb}")(rows=given, **case.where, **case.options).summary()
        told = _get(f"{url}/_sandbox/requests?limit=10000")
    batches = [request for request in told["requests"] if request["method"] == "POST"]
    seconds = max(one["answered_at"] for one in batches) - min(one["received_at"] for one in batches)
    if sum(done[status] for status in case.statuses) != len(given):
        raise AssertionError(f"not all of {len(given)} rows were {' or '.join(case.statuses)}: {done}")
    return {
        "rows": len(given),
        "requests_per_100_rows": len(batches) / len(given) * 100,
        "seconds": seconds,
        "rows_per_second": len(given) / seconds,
        "share": ideal_seconds(len(batches), LIMIT, LATENCY_MS / 1000, IN_FLIGHT) / seconds,
        "rate_limited": sum(told["rate_limited"].values()),
    }


@contextmanager
def _sandbox(contacts: int, behaviours: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """A sandbox in a process of its own; gives its URL and the connection to it."""
    command = [sys.executable, "-m", "airflow_provider_hubbatch.sandbox", "--port", "0"]
    command += ["--records", f"contacts={contacts}", "--latency-ms", str(LATENCY_MS)]
    command += ["--requests-per-10-seconds", str(LIMIT)]
    command += [word for one in behaviours for word in ("--behaviour", one)]
    root = str(Path(__file__).parent.parent)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": root}
    ) as process:
        assert process.stdout is not None
        try:
            process.stdout.readline()
            connection = process.stdout.readline().split("=", 1)[1].strip().strip("'")
            yield json.loads(connection)["host"], connection
        finally:
            process.terminate()


def _get(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=60) as reply:
        told: dict[str, Any] = json.loads(reply.read())
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=40_000)
    parser.add_argument("--only", choices=list(CASES))
    options = parser.parse_args()
    print("| verb and key | rows | requests per 100 rows | s | rows/s | share | 429 |")
    print("|---|---|---|---|---|---|---|")
    for name, case in CASES.items():
        if options.only in (None, name):
            one = measure(case, options.rows)
            print(
                f"| {name} | {one['rows']:,} | {one['requests_per_100_rows']:.2f} | {one['seconds']:.1f} "
                f"| {one['rows_per_second']:,.0f} | {one['share']:.3f} | {one['rate_limited']} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
