"""The same rows from Parquet, CSV and JSON lines become the same records and the same outcomes."""

from __future__ import annotations

import csv
import gzip
import json
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import parquet

from airflow_provider_hubbatch.core.model import Status
from airflow_provider_hubbatch.hooks import HubSpotHook
from airflow_provider_hubbatch.sandbox import HubSpotSandbox

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

ROWS = 2_500
PROPERTIES = {
    "employees": "number",
    "revenue": "number",
    "note": "string",
    "renewal_date": "date",
    "seen_at": "datetime",
    "active": "bool",
    "boxes": "enumeration",
}
OPTIONS = {"bool": ["true", "false"], "enumeration": ["a", "b", "c"]}


def rows() -> list[dict[str, Any]]:
    """Rows of every type, with gaps; some name no record, some hold what HubSpot doesn't take."""
    made: list[dict[str, Any]] = [
        {
            "id": n + 1 if n % 97 else 900_000_000 + n,
            "employees": n,
            "revenue": n / 8 if n % 7 else None,
            "note": f'Zürich, "{n}"\nsecond line' if n % 5 else None,
            "renewal_date": date(2024, 1, 1) + timedelta(days=n % 900),
            "seen_at": datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=n),
            "active": n % 3 == 0,
            "boxes": "a;b" if n % 89 else "a;nonsense",
        }
        for n in range(ROWS)
    ]
    made[17]["id"] = None
    return made


def write_parquet(path: Path) -> None:
    parquet.write_table(pa.Table.from_pylist(rows()), path, row_group_size=400)


def write_csv(path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, list(rows()[0]))
        writer.writeheader()
        writer.writerows(rows())


def write_jsonl(path: Path) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row, default=lambda value: value.isoformat()) + "\n" for row in rows())


def test_the_format_makes_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records and outcomes are the same, row by row, whichever format the rows are in."""
    told, held = [], []
    for name, write in (("rows.parquet", write_parquet), ("rows.csv", write_csv), ("rows.jsonl.gz", write_jsonl)):
        write(tmp_path / name)
        with HubSpotSandbox(records={"companies": ROWS}, requests_per_10_seconds=None) as sandbox:
            for property_name, kind in PROPERTIES.items():
                options = [{"value": value, "label": value} for value in OPTIONS.get(kind, [])]
                field_type = {"enumeration": "checkbox"}.get(kind, "text")
                definition = {"name": property_name, "type": kind, "fieldType": field_type, "options": options}
                sandbox.add_property("companies", definition)
            monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", sandbox.connection())
            outcomes = HubSpotHook().iter_batch_update("companies", str(tmp_path / name))
            told.append(
                sorted(
                    ((one.row, str(one.id or ""), one.status, one.category, one.record_id) for one in outcomes),
                    key=lambda one: one[0],
                )
            )
            held.append({record_id: shown(record) for record_id, record in sandbox.objects("companies").items()})
    assert told[0] == told[1] == told[2]
    assert held[0] == held[1] == held[2]
    bad = {*range(0, ROWS, 97), *range(0, ROWS, 89), 17}
    assert {row for row, _, status, *_ in told[0] if status is Status.REJECTED} == bad
    assert {row for row, _, status, *_ in told[0] if status is Status.UPDATED} == set(range(ROWS)) - bad


def shown(record: dict[str, Any]) -> dict[str, Any]:
    return {name: record["properties"].get(name) for name in PROPERTIES}
