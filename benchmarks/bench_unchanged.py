"""The second sync of rows that haven't changed: how long it takes, what it sends, how large its memory of them is.

python benchmarks/bench_unchanged.py --rows 100000
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.bare_server import bare_server
from benchmarks.bench_memory import in_subprocess, write_sqlite


def counts(url: str) -> dict[str, int]:
    """What the server has counted."""
    with urllib.request.urlopen(f"{url}/counts") as reply:
        told: dict[str, int] = json.load(reply)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, bare_server("--keep") as url:
        database, state = Path(folder) / "companies.db", Path(folder) / "companies.fingerprints"
        write_sqlite(database, options.rows)
        warehouse: dict[str, Any] = {"conn_type": "sqlite", "host": str(database)}
        for skip_unchanged in (str(state), "hubspot"):
            for name in ("first", "second"):
                before = counts(url)
                summary = in_subprocess("sqlite", "-", url, warehouse, skip_unchanged)["summary"]
                after = counts(url)
                sent = {kind: after[kind] - before[kind] for kind in ("update", "read", "other")}
                print(
                    f"{'hubspot' if skip_unchanged == 'hubspot' else 'a path':<9}{name:<8}{summary['seconds']:6.1f} s"
                    f"{summary['updated']:>10,} updated{summary['unchanged']:>10,} unchanged   requests: "
                    + ", ".join(f"{count:,} {kind}" for kind, count in sent.items()),
                    flush=True,
                )
        print(f"the file: {state.stat().st_size / options.rows:.1f} bytes a row")


if __name__ == "__main__":
    main()
