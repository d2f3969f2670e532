"""Rows prepared a second: a DataFrame mapped, converted, batched and encoded; nothing is sent.

Beside it, what a first script does: ``str()`` of each value, row by row, and ``json.dumps``. That one is faster to
write, writes ``nan``, ``123.0`` and ``NaT`` to HubSpot, and checks nothing.

    python benchmarks/bench_prepare.py --rows 1000000
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pandas as pd

from airflow_provider_hubbatch.core.clearing import EmptyValues
from airflow_provider_hubbatch.core.duplicates import Duplicates
from airflow_provider_hubbatch.core.mapping import compile_mapping
from airflow_provider_hubbatch.core.mapping_spec import MappingSpec
from airflow_provider_hubbatch.core.model import Chunk, Input
from airflow_provider_hubbatch.core.values import PropertyDefinition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHUNK_ROWS = 10_000
BATCH_ROWS = 100
DEFINITIONS = {
    name: PropertyDefinition(name=name, type=kind)
    for name, kind in [
        ("employees", "number"),
        ("revenue", "number"),
        ("city", "string"),
        ("renewal_date", "date"),
        ("synced_at", "datetime"),
        ("active", "bool"),
    ]
}


def frame(rows: int) -> pd.DataFrame:
    """Rows of six plain properties, one in twenty of two of them null."""
    random = np.random.default_rng(7)
    gaps = random.random(rows) < 0.05
    days = np.datetime64("2020-01-01", "D") + random.integers(0, 2000, rows)
    return pd.DataFrame(
        {
            "id": np.arange(1, rows + 1) + 10_000_000_000,
            "employees": random.integers(0, 100_000, rows),
            "revenue": np.where(gaps, np.nan, random.random(rows) * 1e6),
            "city": pd.Series(random.choice(["Zürich", "Berlin", "Springfield", "Wien"], rows)).where(~gaps),
            "renewal_date": days,
            "synced_at": days.astype("datetime64[us]") + random.integers(0, 10**10, rows),
            "active": random.random(rows) < 0.5,
        }
    )


def chunks(data: pd.DataFrame) -> Iterator[Chunk]:
    for start in range(0, len(data), CHUNK_ROWS):
        part = data.iloc[start : start + CHUNK_ROWS]
        yield Chunk(start, {str(name): part[name].tolist() for name in part.columns}, len(part))


def ours(data: pd.DataFrame) -> int:
    mapping = None
    empty, duplicates = EmptyValues(), Duplicates()
    written = 0
    for chunk in chunks(data):
        mapping = mapping or compile_mapping(
            MappingSpec.checked(),
            chunk_columns=list(chunk.columns),
            complete=True,
            definitions=DEFINITIONS,
            object_type="companies",
        )
        inputs = [entry for entry in mapping.prepare(chunk, empty, duplicates) if isinstance(entry, Input)]
        for start in range(0, len(inputs), BATCH_ROWS):
            batch = [
                {"id": entry.id, "properties": entry.properties, "objectWriteTraceId": entry.trace_id}
                for entry in inputs[start : start + BATCH_ROWS]
            ]
            written += len(orjson.dumps({"inputs": batch}))
    return written


def naive(data: pd.DataFrame) -> int:
    batch: list[dict[str, Any]] = []
    written = 0
    for row in data.to_dict("records"):
        properties = {str(name): str(value) for name, value in row.items() if name != "id"}
        batch.append({"id": str(row["id"]), "properties": properties})
        if len(batch) == BATCH_ROWS:
            written += len(json.dumps({"inputs": batch}))
            batch = []
    return written + len(json.dumps({"inputs": batch}))


def rows_per_second(prepare: Callable[[pd.DataFrame], int], data: pd.DataFrame, runs: int) -> float:
    """The median of several runs."""
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        prepare(data)
        seconds.append(time.perf_counter() - started)
    return len(data) / statistics.median(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    data = frame(options.rows)
    for name, prepare in [("prepared by this package", ours), ("str() and json.dumps", naive)]:
        print(f"{name:<26}{rows_per_second(prepare, data, options.runs):>12,.0f} rows/s")


if __name__ == "__main__":
    main()
