"""Outcomes of an earlier run read again: replayed by RejectedRows, and framed for SQL. Rows a second, and memory.

Every one of the outcomes was rejected, which is the worst case: all of them are to be sent again. Each measurement is a
process of its own; its memory is the most that it had over itself with its libraries loaded.

    python benchmarks/bench_outcomes.py --rows 300000 1000000
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from airflow_provider_hubbatch.core.result_names import part_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MB = 1_000_000
PART_ROWS = 50_000


def outcomes(rows: int, shared: bool) -> Iterator[dict[str, Any]]:
    """Rejected outcomes; ``shared``: each record has two of them, which must keep their order."""
    for row in range(rows):
        given_id = row // 2 if shared else row
        values = {"id": given_id, "city": f"town {row % 977}", "plan": "platinum", "phone": f"+32 {row:09d}"}
        yield {
            "row": row,
            "id": given_id,
            "status": "rejected",
            "category": "INVALID_OPTION",
            "message": "property 'plan' takes one of its options (free, pro); the row has text of 8 characters",
            "values": values,
        }


def write(folder: Path, rows: int, *, shared: bool) -> None:
    """The result files of a run."""
    found = outcomes(rows, shared)
    for part in range(0, rows, PART_ROWS):
        lines = [orjson.dumps(next(found)) + b"\n" for _ in range(min(PART_ROWS, rows - part))]
        (folder / part_name("sync", "0" * 8, part // PART_ROWS + 1)).write_bytes(b"".join(lines))


def replay(folder: str) -> int:
    from airflow_provider_hubbatch.sources import RejectedRows, chunks

    return sum(part.length for part in chunks(RejectedRows(folder)))


def frame_chunks(folder: str) -> int:
    from airflow_provider_hubbatch.reports import outcomes_frame

    return sum(len(frame) for frame in outcomes_frame(folder, chunk_rows=50_000))


def frame(folder: str) -> int:
    from airflow_provider_hubbatch.reports import outcomes_frame

    return len(outcomes_frame(folder))


WAYS: dict[str, Callable[[str], int]] = {"replayed": replay, "framed in chunks": frame_chunks, "one frame": frame}


def memory_bytes(name: str) -> int:
    """A figure of this process: ``VmRSS`` now, ``VmHWM`` the highest so far."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def measure(way: str, folder: str) -> dict[str, Any]:
    """What the subprocess does: load everything, look at its memory, read, look again."""
    with tempfile.TemporaryDirectory() as empty:
        WAYS[way](empty)
    idle = memory_bytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # resets the highest
    started = time.perf_counter()
    rows = WAYS[way](folder)
    return {"rows": rows, "seconds": time.perf_counter() - started, "grown": memory_bytes("VmHWM") - idle}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[300_000, 1_000_000])
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(*options.measure)))
        return
    for shared in (False, True):
        print("two rows a record" if shared else "one row a record")
        for rows in options.rows:
            with tempfile.TemporaryDirectory() as folder:
                write(Path(folder), rows, shared=shared)
                for way in WAYS if not shared else ["replayed"]:
                    command = [sys.executable, __file__, "--measure", way, folder]
                    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                    told = json.loads(done.stdout.splitlines()[-1])
                    assert told["rows"] == rows
                    speed, grown = rows / told["seconds"], told["grown"] / _MB
                    print(f"  {way:<18}{rows:>10,} outcomes{speed:>10,.0f} a second{grown:>+9.1f} MB", flush=True)


if __name__ == "__main__":
    main()
