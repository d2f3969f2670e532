"""What bad rows cost: requests for 40 batches with one bad row in a hundred, as a multiple of the clean number.

Against the sandbox, which refuses as HubSpot does. "plain halving" is what sending both halves of every refused batch
again would take on the same rows.

    python benchmarks/bench_isolation.py
"""

from __future__ import annotations

import os
import random
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from airflow_provider_hubbatch.exceptions import SystematicRefusalError
from airflow_provider_hubbatch.hooks import HubSpotHook
from airflow_provider_hubbatch.sandbox import HubSpotSandbox

if TYPE_CHECKING:
    from collections.abc import Callable

BATCHES = 40
BATCH_ROWS = 100
BAD_SHARE = 0.01
SEEDS = (1, 2, 3)


def rows(seed: int, bad_value: Callable[[int], str]) -> tuple[list[dict[str, Any]], set[int]]:
    """Rows of two properties, one in a hundred with a value that HubSpot doesn't take; and which those are."""
    chance = random.Random(seed)
    bad = {number for number in range(BATCHES * BATCH_ROWS) if chance.random() < BAD_SHARE}
    made = [
        {"id": number + 1, "city": "Xanadu", "plan": bad_value(number) if number in bad else "pro"}
        for number in range(BATCHES * BATCH_ROWS)
    ]
    return made, bad


def halving(bad: set[int]) -> int:
    """Requests of plain halving: each refused group is cut in two, and both are sent."""

    def cost(start: int, end: int) -> int:
        if not any(start <= row < end for row in bad) or end - start == 1:
            return 1
        middle = (start + end) // 2
        return 1 + cost(start, middle) + cost(middle, end)

    return sum(cost(start, start + BATCH_ROWS) for start in range(0, BATCHES * BATCH_ROWS, BATCH_ROWS))


def run(seed: int, bad_value: Callable[[int], str], *, preflight: bool, **behaviours: Any) -> tuple[float, float, int]:
    """One sync: its requests and those of plain halving, as multiples of the clean number; and refused batches."""
    given, bad = rows(seed, bad_value)
    with HubSpotSandbox(
        records={"contacts": BATCHES * BATCH_ROWS}, requests_per_10_seconds=None, behaviours=behaviours
    ) as sandbox:
        os.environ["AIRFLOW_CONN_HUBSPOT_DEFAULT"] = sandbox.connection()
        report = HubSpotHook().batch_update("contacts", given, preflight=preflight)
        updates = [request for request in sandbox.requests if request.path.endswith("/batch/update")]
        written = {
            int(one) - 1 for one, it in sandbox.objects("contacts").items() if it["properties"]["city"] == "Xanadu"
        }
    right = (
        {outcome.row for outcome in report.rejected} == bad and not written & bad and len(written | bad) == len(given)
    )
    assert right, "a good row was rejected or not written, or a bad one was"
    refused = sum(request.status == 400 for request in updates)
    return len(updates) / BATCHES, halving(bad) / BATCHES, refused


def hopeless() -> int:
    """Requests until a table of 200 batches is given up, in which every row is refused."""
    with HubSpotSandbox(records={"contacts": 20_000}, requests_per_10_seconds=None) as sandbox:
        os.environ["AIRFLOW_CONN_HUBSPOT_DEFAULT"] = sandbox.connection()
        given = [{"id": number, "plan": f"nonsense {number}"} for number in range(1, 20_001)]
        try:
            HubSpotHook().batch_update("contacts", given, preflight=False)
        except SystematicRefusalError:
            return len(sandbox.requests)
    raise AssertionError("it was not given up")


CASES: dict[str, tuple[Callable[[int], str], bool, dict[str, Any]]] = {
    "errors quote the value, each bad value new": (lambda row: f"nonsense {row}", False, {"error_details": "none"}),
    "errors quote the value, one bad value": (lambda _: "nonsense", False, {"error_details": "none"}),
    "errors name the property only": (lambda row: f"nonsense {row}", False, {"errors_quote_value": False}),
    "errors tell nothing": (lambda row: f"nonsense {row}", False, {"errors_name_nothing": True}),
    "trace ids isolate errors": (lambda row: f"nonsense {row}", False, {"trace_ids_isolate_errors": True}),
    "preflight": (lambda row: f"nonsense {row}", True, {}),
}


def main() -> None:
    print("| what HubSpot's errors tell | requests | plain halving | refused batches |")
    print("|---|---|---|---|")
    for name, (bad_value, preflight, behaviours) in CASES.items():
        runs = [run(seed, bad_value, preflight=preflight, **behaviours) for seed in SEEDS]
        ours, halved, refused = (statistics.median(one) for one in zip(*runs, strict=True))
        print(f"| {name} | {ours:.2f} x | {halved:.2f} x | {refused:.0f} |")
    print(f"\nA table of 200 batches in which every row is refused is given up after {hopeless()} requests.")


if __name__ == "__main__":
    main()
