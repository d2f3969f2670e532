"""At the account's limit: this provider beside HubSpot's official client and a plain loop, in one run.

Each client is a process of its own against a server with HubSpot's rolling limit and latency, one after the other.
``share`` is the time that the rolling window allows at best (with the client's own number of requests in flight),
divided by the time that it took; CPU is that of the client's process, of the batches alone.

    python benchmarks/bench_pacing.py                 # the table of docs/benchmarks.md
    python benchmarks/bench_pacing.py --quick         # fewer batches, one repeat
    python benchmarks/bench_pacing.py --shared        # only the tables of what Remaining is, and of several tasks
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.bare_server import MEANINGS, bare_server

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS_A_BATCH = 100
INTERVAL_SECONDS = 10.0
IN_FLIGHT = {"provider": 16, "provider, 64 in flight": 64, "official, 8 threads, tuned retries": 8}

# when a client begins, once it is ready
START_AT = [0.0]


def rows(batches: int) -> list[dict[str, Any]]:
    """Rows of six properties."""
    return [
        {
            "id": number,
            "firstname": f"First {number}",
            "lastname": f"Last {number}",
            "city": "Zürich",
            "phone": f"+41 {number:09d}",
            "company": "Example AG",
            "jobtitle": "Engineer",
        }
        for number in range(1, batches * ROWS_A_BATCH + 1)
    ]


def with_provider(url: str, batches: int, max_in_flight: int = 16) -> int:
    """The hook, as the operator uses it, with its default settings."""
    os.environ["AIRFLOW_CONN_HUBSPOT_DEFAULT"] = json.dumps(
        {"conn_type": "hubspot", "host": url, "password": "benchmark-token"}
    )
    from airflow_provider_hubbatch.hooks import HubSpotHook

    given = rows(batches)
    hook = HubSpotHook()
    _ = hook.client  # the connection is read
    return measured(
        lambda: hook.batch_update("contacts", given, preflight=False, max_in_flight=max_in_flight).summary()["updated"]
    )


def with_provider_64(url: str, batches: int) -> int:
    """The same with more requests in flight, for slow replies."""
    return with_provider(url, batches, 64)


def official_inputs(batches: int) -> list[Any]:
    from hubspot.crm.objects import BatchInputSimplePublicObjectBatchInput, SimplePublicObjectBatchInput

    given = rows(batches)
    return [
        BatchInputSimplePublicObjectBatchInput(
            inputs=[
                SimplePublicObjectBatchInput(
                    id=str(row["id"]), properties={name: value for name, value in row.items() if name != "id"}
                )
                for row in given[start : start + ROWS_A_BATCH]
            ]
        )
        for start in range(0, len(given), ROWS_A_BATCH)
    ]


def official_client(url: str, **options: Any) -> Any:
    import hubspot

    return hubspot.Client.create(access_token="benchmark-token", host=url, **options)


def with_official_loop(url: str, batches: int) -> int:
    """HubSpot's client, one batch after the other."""
    client = official_client(url)

    def run() -> int:
        return sum(
            len(client.crm.objects.batch_api.update("contacts", one).results) for one in official_inputs(batches)
        )

    return measured(run)


def with_official_threads(url: str, batches: int) -> int:
    """HubSpot's client in 8 threads, with retries that an expert has tuned (its own never retry a POST)."""
    from urllib3.util.retry import Retry

    retry = Retry(
        total=20,
        status_forcelist=(429, 500, 502, 503, 504),
        allowed_methods=None,
        backoff_factor=0.5,
        backoff_max=4,
        backoff_jitter=0.5,
    )
    client = official_client(url, retry=retry, pool_maxsize=8)
    api = client.crm.objects.batch_api

    def run() -> int:
        with ThreadPoolExecutor(8) as pool:
            return sum(pool.map(lambda one: len(api.update("contacts", one).results), official_inputs(batches)))

    return measured(run)


def with_requests(url: str, batches: int) -> int:
    """A plain loop of requests."""
    import requests

    given = rows(batches)

    def run() -> int:
        written = 0
        with requests.Session() as session:
            session.headers["Authorization"] = "Bearer benchmark-token"
            for start in range(0, len(given), ROWS_A_BATCH):
                inputs = [
                    {"id": str(row["id"]), "properties": {name: value for name, value in row.items() if name != "id"}}
                    for row in given[start : start + ROWS_A_BATCH]
                ]
                reply = session.post(f"{url}/crm/objects/2026-03/contacts/batch/update", json={"inputs": inputs})
                reply.raise_for_status()
                written += len(reply.json()["results"])
        return written

    return measured(run)


def with_floor(url: str, batches: int) -> int:
    """The least that Python needs: ``http.client`` and orjson, nothing checked but the number of results."""
    from http.client import HTTPConnection

    import orjson

    given = rows(batches)
    headers = {"Authorization": "Bearer benchmark-token", "Content-Type": "application/json"}

    def run() -> int:
        written = 0
        connection = HTTPConnection(url.removeprefix("http://"))
        for start in range(0, len(given), ROWS_A_BATCH):
            inputs = [
                {"id": str(row["id"]), "properties": {name: value for name, value in row.items() if name != "id"}}
                for row in given[start : start + ROWS_A_BATCH]
            ]
            body = orjson.dumps({"inputs": inputs})
            connection.request("POST", "/crm/objects/2026-03/contacts/batch/update", body, headers)
            written += len(orjson.loads(connection.getresponse().read())["results"])
        return written

    return measured(run)


CLIENTS: dict[str, Callable[[str, int], int]] = {
    "provider": with_provider,
    "provider, 64 in flight": with_provider_64,
    "official, 8 threads, tuned retries": with_official_threads,
    "official, plain loop": with_official_loop,
    "requests, plain loop": with_requests,
    "http.client and orjson, plain loop": with_floor,
}


def measured(run: Callable[[], int]) -> int:
    """Run it, and print what it took as JSON."""
    time.sleep(max(START_AT[0] - time.time(), 0))
    before, started = _cpu_seconds(), time.perf_counter()
    written = run()
    seconds, cpu = time.perf_counter() - started, _cpu_seconds() - before
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"written": written, "seconds": seconds, "cpu_seconds": cpu, "peak_mb": peak_mb}))
    return written


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def ideal_seconds(batches: int, limit: int, latency: float, in_flight: int) -> float:
    """The least time in which the rolling window and so many requests in flight allow the batches."""
    starts: list[float] = []
    for number in range(batches):
        window = starts[number - limit] + INTERVAL_SECONDS if number >= limit else 0.0
        slot = starts[number - in_flight] + latency if number >= in_flight else 0.0
        starts.append(max(window, slot, starts[-1] if starts else 0.0))
    return starts[-1] + latency


def compare(
    name: str, *, batches: int, limit: int, latency_ms: float, repeats: int, remaining: str = "counting"
) -> dict[str, Any]:
    """Run one client, and give the medians.

    :param remaining: what the server's header says.
    """
    runs = [_run(name, batches, limit, latency_ms, remaining) for _ in range(repeats)]
    ideal = ideal_seconds(batches, limit, latency_ms / 1000, IN_FLIGHT.get(name, 1 if "loop" in name else 16))
    seconds = statistics.median(run["seconds"] for run in runs)
    return {
        "client": name,
        "remaining": remaining,
        "limit": limit,
        "latency_ms": latency_ms,
        "batches": batches,
        "seconds": seconds,
        "rows_per_second": batches * ROWS_A_BATCH / seconds,
        "share": ideal / seconds,
        "rate_limited": max(run["429"] for run in runs),
        "lost": max(batches * ROWS_A_BATCH - run["records"] for run in runs),
        "cpu_us_a_row": statistics.median(run["cpu_seconds"] for run in runs) / batches / ROWS_A_BATCH * 1e6,
        "peak_mb": statistics.median(run["peak_mb"] for run in runs),
    }


def server_options(limit: int, latency_ms: float, remaining: str = "counting") -> list[str]:
    """The bare server's command line."""
    options = ["--limit", str(limit), "--interval-ms", "10000", "--latency-ms", str(latency_ms)]
    return [*options, "--remaining", remaining, "--keep"]


def _run(name: str, batches: int, limit: int, latency_ms: float, remaining: str) -> dict[str, Any]:
    import requests

    with bare_server(*server_options(limit, latency_ms, remaining)) as url:
        command = [sys.executable, __file__, "--client", name, "--url", url, "--batches", str(batches)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        counts = requests.get(f"{url}/counts", timeout=10).json()
    if not lines:  # it failed: what it had written counts
        print(done.stderr.splitlines()[-1] if done.stderr else "no output", file=sys.stderr)
        return {"seconds": float("nan"), "cpu_seconds": float("nan"), "peak_mb": float("nan"), **counts}
    return {**json.loads(lines[-1]), **counts}


def together(processes: int, *, batches: int, limit: int, latency_ms: float) -> dict[str, Any]:
    """Several processes of the provider on one account, with nothing in common but HubSpot's headers."""
    import requests

    with bare_server(*server_options(limit, latency_ms)) as url:
        command = [sys.executable, __file__, "--client", "provider", "--url", url, "--batches", str(batches)]
        started = [
            subprocess.Popen(
                [*command, "--start-at", str(time.time() + 8 + 2 * processes)], stdout=subprocess.PIPE, text=True
            )
            for _ in range(processes)
        ]
        outputs = [process.communicate()[0] for process in started]
        counts = requests.get(f"{url}/counts", timeout=10).json()
    seconds = [json.loads(output.splitlines()[-1])["seconds"] for output in outputs]
    total = batches * processes
    return {
        "processes": processes,
        "batches": batches,
        "limit": limit,
        "latency_ms": latency_ms,
        "seconds": max(seconds),
        "share": ideal_seconds(total, limit, latency_ms / 1000, 16 * processes) / max(seconds),
        "rate_limited": counts["429"] / (total + counts["429"]),
        "spread": (max(seconds) - min(seconds)) / max(seconds),
    }


def show_together(results: list[dict[str, Any]]) -> None:
    """Print a table in Markdown."""
    print("\n| processes | batches each | limit | latency | s | share | 429 | first to last |")
    print("|---|---|---|---|---|---|---|---|")
    for one in results:
        print(
            f"| {one['processes']} | {one['batches']} | {one['limit']} | {one['latency_ms']:g} ms "
            f"| {one['seconds']:.1f} | {one['share']:.3f} | {one['rate_limited']:.1%} | {one['spread']:.1%} |"
        )


def show_meanings(results: list[dict[str, Any]]) -> None:
    """Print a table in Markdown."""
    print("\n| `Remaining` is | limit | latency | batches | s | share | 429 |")
    print("|---|---|---|---|---|---|---|")
    for one in results:
        print(
            f"| {one['remaining']} | {one['limit']} | {one['latency_ms']:g} ms | {one['batches']} "
            f"| {one['seconds']:.1f} | {one['share']:.3f} | {one['rate_limited']} |"
        )


def show(results: list[dict[str, Any]]) -> None:
    """Print a table in Markdown."""
    print("| client | limit | latency | batches | s | rows/s | share | 429 | rows lost | CPU us/row | peak MB |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for one in results:
        print(
            f"| {one['client']} | {one['limit']} | {one['latency_ms']:g} ms | {one['batches']} | {one['seconds']:.1f} "
            f"| {one['rows_per_second']:,.0f} | {one['share']:.3f} | {one['rate_limited']} | {one['lost']} "
            f"| {one['cpu_us_a_row']:.1f} | {one['peak_mb']:.0f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--client", choices=list(CLIENTS))
    parser.add_argument("--url")
    parser.add_argument("--batches", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--shared", action="store_true")
    parser.add_argument(
        "--start-at", type=float, default=0.0, help="wait until this moment, so that several start together"
    )
    options = parser.parse_args()
    if options.client:
        START_AT[0] = options.start_at
        CLIENTS[options.client](options.url, options.batches)
        return
    batches, repeats = (100, 1) if options.quick else (options.batches, options.repeats)
    if not options.shared:
        compare_clients(batches, repeats, quick=options.quick)
    if not options.quick:
        compare_settings(batches)


def compare_clients(batches: int, repeats: int, *, quick: bool) -> None:
    """One client after the other."""
    loop_batches = max(batches // 10, 10)  # a plain loop never comes near the limit: its rate is told by a few
    results = [
        compare("provider", batches=batches, limit=190, latency_ms=300, repeats=repeats),
        compare("official, 8 threads, tuned retries", batches=batches, limit=190, latency_ms=300, repeats=repeats),
        compare("official, plain loop", batches=loop_batches, limit=190, latency_ms=300, repeats=1),
        compare("requests, plain loop", batches=loop_batches, limit=190, latency_ms=300, repeats=1),
        compare("http.client and orjson, plain loop", batches=loop_batches, limit=190, latency_ms=300, repeats=1),
    ]
    if not quick:
        results += [
            compare("provider", batches=batches, limit=limit, latency_ms=latency_ms, repeats=repeats)
            for limit, latency_ms in ((100, 300), (250, 300), (190, 50), (190, 2_000))
        ]
        results.append(compare("provider, 64 in flight", batches=batches, limit=190, latency_ms=2_000, repeats=repeats))
    show(results)


def compare_settings(batches: int) -> None:
    """The provider, whatever the server's header says; and several processes on one account."""
    settings = [(190, 300.0, remaining) for remaining in MEANINGS] + [(190, 50.0, "reply"), (100, 300.0, "reply")]
    show_meanings(
        [
            compare("provider", batches=batches, limit=limit, latency_ms=latency_ms, repeats=1, remaining=remaining)
            for limit, latency_ms, remaining in settings
        ]
    )
    shared = [
        (4, 100, 190),
        (4, 400, 190),
        (8, 100, 190),
        (8, 100, 100),
        (8, 50, 50),
        (16, 50, 190),
        (16, 50, 100),
        (16, 25, 50),
    ]
    show_together([together(processes, batches=each, limit=limit, latency_ms=300) for processes, each, limit in shared])


if __name__ == "__main__":
    main()
