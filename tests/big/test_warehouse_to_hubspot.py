"""Rows of databases, with types of every kind, arrive in HubSpot as what they mean."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch.core.model import Status
from airflow_provider_hubbatch.hooks import HubSpotHook
from airflow_provider_hubbatch.sandbox import HubSpotSandbox
from airflow_provider_hubbatch.sources import SqlRows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ROWS = 4_000
KINDS = {
    "big": "number",
    "amount": "number",
    "share": "number",
    "name": "string",
    "subscribed": "bool",
    "day": "date",
    "seen": "datetime",
    "seen_at": "datetime",
    "key": "string",
    "tags": "enumeration",
    "nothing": "string",
}


@pytest.fixture
def companies(connect: Callable[..., str]) -> Iterator[HubSpotSandbox]:
    """A sandbox with so many companies, without a limit, whose properties are the table's columns."""
    with HubSpotSandbox(records={"companies": ROWS}, requests_per_10_seconds=None) as sandbox:
        for name, kind in KINDS.items():
            values = {"bool": ["true", "false"], "enumeration": ["a", "b"]}.get(kind, [])
            options = [{"value": value, "label": value} for value in values]
            field_type = "checkbox" if kind == "enumeration" else "text"
            definition = {"name": name, "type": kind, "fieldType": field_type, "options": options}
            sandbox.add_property("companies", definition)
        connect("hubspot_default", conn_type="hubspot", host=sandbox.url, password=sandbox.token)
        yield sandbox


def held(sandbox: HubSpotSandbox, n: int) -> dict[str, Any]:
    properties = sandbox.objects("companies")[str(n + 1)]["properties"]
    return {name: properties[name] for name in KINDS if properties.get(name) is not None}


def test_every_type_of_postgres(warehouse: dict[str, Any], companies: HubSpotSandbox, connect: Any) -> None:
    """Integers beyond a float, decimals, dates, times with and without zone, UUIDs and arrays arrive exactly."""
    connect("warehouse", **warehouse)
    query = f"""
        select "row" + 1 as id, big, amount, share, name, subscribed, day, seen, seen_at, key,
          array['b', 'a'] as tags, nothing
        from contacts where "row" < {ROWS} order by "row"
    """
    report = HubSpotHook().batch_update("companies", SqlRows("warehouse", query, chunk_rows=1_500))
    assert report.counts == {Status.UPDATED: ROWS}
    for n in (0, 1, 1_499, 1_500, ROWS - 1):
        seen = datetime(2024, 3, 31, 1, 30, tzinfo=UTC) + timedelta(seconds=n)
        seen_at = datetime(2024, 3, 30, 23, 30, tzinfo=UTC) + timedelta(seconds=n)
        expected = {
            "big": str(9007199254740993 + n),
            "amount": f"{n / 7:.4f}".rstrip("0").rstrip("."),
            "share": str(n * 0.1).removesuffix(".0"),
            "name": f"name {n}",
            "subscribed": "true" if n % 2 == 0 else "false",
            "day": f"{date(2020, 2, 29) + timedelta(days=n % 1000)}",
            "key": f"00000000-0000-0000-0000-{n:012d}",
            "tags": "b;a",
        }
        found = held(companies, n)
        assert {name: datetime.fromisoformat(found.pop(name)) for name in ("seen", "seen_at")} == {
            "seen": seen,
            "seen_at": seen_at,
        }
        assert found == expected
    assert HubSpotHook().batch_update("companies", SqlRows("warehouse", query), skip_unchanged="hubspot").counts == {
        Status.UNCHANGED: ROWS
    }, "what arrived is what was sent"


def test_every_type_of_sqlite(tmp_path: Path, companies: HubSpotSandbox, connect: Any) -> None:
    """SQLite has few types: dates and times are text, booleans numbers, and the definitions say what they mean."""
    path = tmp_path / "warehouse.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "create table t (id integer, big integer, share real, name text, subscribed, day, seen, [nothing])"
        )
        database.executemany(
            "insert into t values (?, ?, ?, ?, ?, ?, ?, null)",
            [
                (n + 1, 2**53 + 1 + n, n / 8, f"Zürich {n}", n % 2, "2020-02-29", "2024-03-31 01:30:00")
                for n in range(ROWS)
            ],
        )
    connect("warehouse", conn_type="sqlite", host=str(path))
    report = HubSpotHook().batch_update("companies", SqlRows("warehouse", "select * from t order by id"))
    assert report.counts == {Status.UPDATED: ROWS}
    for n in (0, 1, 777, ROWS - 1):
        found = held(companies, n)
        assert datetime.fromisoformat(found.pop("seen")) == datetime(2024, 3, 31, 1, 30, tzinfo=UTC)
        assert found == {
            "big": str(2**53 + 1 + n),
            "share": str(n / 8).removesuffix(".0"),
            "name": f"Zürich {n}",
            "subscribed": "true" if n % 2 else "false",
            "day": "2020-02-29",
        }
