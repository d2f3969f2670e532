"""What ``make airflow`` opens with: a believable past, connections in the list, and no red at the first click."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from random import Random
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from demo import run_airflow
from demo.airflow_home import airflow_environment
from demo.history import PASTS
from demo.past_runs import LIMIT, Night, log_lines, pushed
from demo.setting import EXAMPLE_DAGS, REPOSITORY, seeded_setting
from demo.shop import ACCOUNTS, ORDERS, ORDERS_DIRT, ROLE, Shop, seed_companies, seed_orders

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.airflow_dags import RunDag

ONCE: dict[str, Any] = {
    "return_value": {
        "object_type": "deals",
        "rows": 300,
        "created": 0,
        "updated": 290,
        "archived": 0,
        "unchanged": 4,
        "missing": 0,
        "rejected": 6,
        "unknown": 0,
        "not_sent": 0,
        "rejected_by_category": {"A": 4, "B": 2},
    },
    "rejected": [{"row": row, "category": "A" if row < 4 else "B", "values": {"id": row}} for row in range(6)],
    "timeline": {"daily": 250_000, "record_url": "http://127.0.0.1:1/{record_id}"},
}


@pytest.mark.parametrize(("rows", "rejected", "limited"), [(40_000, 2_300, 9), (900, 12, 0), (3, 3, 0), (0, 0, 0)])
def test_the_numbers_of_a_night_agree(rows: int, rejected: int, limited: int) -> None:
    """Statuses add up to the rows, reasons to what was rejected, the timeline ends where the summary does."""
    night = Night(datetime(2026, 11, 24, 3, tzinfo=UTC), max(rows, 4 + rejected) if rows else 4, rejected, "B", limited)
    xcoms = json.loads(json.dumps(pushed(ONCE, night, Random(1))))
    summary, timeline = xcoms["return_value"], xcoms["timeline"]
    statuses = ("created", "updated", "archived", "unchanged", "missing", "rejected", "unknown", "not_sent")
    assert sum(summary[status] for status in statuses) == summary["rows"]
    assert sum(summary["rejected_by_category"].values()) == summary["rejected"] == rejected
    assert len(xcoms["rejected"]) == min(rejected, 1_000)
    assert timeline["summary"] == summary
    assert timeline["points"]["rows"][-1] == summary["rows"]
    assert timeline["points"]["rejected"][-1] == rejected
    assert len(timeline["points"]["rows"]) <= 200
    assert max(timeline["points"]["requests"]) <= LIMIT
    assert log_lines(xcoms)[0].startswith("deals: ")


@pytest.fixture
def seeded(tmp_path: Path) -> Iterator[Any]:
    """The demo's setting, with the shop's orders."""
    with seeded_setting(tmp_path) as setting:
        setting.sandbox.add_records("deals", ORDERS)
        for record_id in seed_orders(setting.warehouse):
            setting.sandbox.archive("deals", record_id)
        yield setting


def test_examples_that_cannot_run_here_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The PostgreSQL one is there where the shell has its connection, and only there."""
    monkeypatch.delenv(run_airflow.POSTGRES, raising=False)
    everything = {path.name for path in EXAMPLE_DAGS.glob("*.py")} | {"shop_orders_to_hubspot.py"}
    there = {path.name for path in run_airflow.linked_dags(tmp_path / "without").iterdir()}
    assert there == everything - {run_airflow.POSTGRES_EXAMPLE}
    monkeypatch.setenv(run_airflow.POSTGRES, "{}")
    there = {path.name for path in run_airflow.linked_dags(tmp_path / "with").iterdir()}
    assert there == everything


@pytest.mark.airflow
def test_the_examples_of_links_are_green_at_the_first_click(
    run_dag: RunDag, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their tables are in the demo's warehouse; some addresses are broken there, as in the others."""
    with seeded_setting(tmp_path) as setting:
        for name, value in setting.connections.items():
            monkeypatch.setenv(name, value)
        setting.sandbox.add_records("companies", seed_companies(setting.warehouse))
        setting.sandbox.add_label("contacts", "companies", ROLE)
        made = run_dag(EXAMPLE_DAGS / "example_companies_and_contacts.py")
        assert made.state == "success"
        companies = made.xcom("companies")
        assert (companies["created"], companies["updated"]) == (ACCOUNTS - ACCOUNTS // 2, ACCOUNTS // 2)
        linked = run_dag(EXAMPLE_DAGS / "example_link_companies.py")
        assert linked.state == "success"
        assert linked.xcom("unlink")["archived"] > 20


def test_the_shop_goes_on(seeded: Any) -> None:
    """Customers change for the example that sends what changed; its dirty rows stay as they are and as few."""
    with closing(sqlite3.connect(seeded.warehouse)) as database:
        database.execute("UPDATE customers SET synced_at = '2030'")
        database.commit()
        Shop(seeded.warehouse, Event()).change(500)
        count = "SELECT count(*) FROM customers WHERE changed_at > '2026-11-03' AND plan != 'premium'"
        assert database.execute(count).fetchone()[0] >= 490
        assert database.execute("SELECT count(*) FROM customers WHERE plan = 'premium'").fetchone()[0] == 5
        for kind in ORDERS_DIRT.values():
            ((column, value),) = kind.items()
            found = database.execute(f"SELECT count(*) FROM orders WHERE {column} = ?", [value]).fetchone()[0]
            assert found == 5


LOOK = """
import json
from airflow.models import DagRun, TaskInstance
from airflow.models.connection import Connection
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from sqlalchemy import select
with create_session() as session:
    runs = [[r.dag_id, str(r.state), r.run_after.isoformat(), r.run_id] for r in session.scalars(select(DagRun))]
    summaries = [x.value for x in session.scalars(select(XComModel).where(XComModel.key == "timeline"))]
    connections = [[c.conn_id, c.conn_type, c.host, c.port, c.password] for c in session.scalars(select(Connection))]
print(json.dumps({"runs": runs, "timelines": summaries, "connections": connections}))
"""


@pytest.mark.airflow
def test_airflow_has_a_past(seeded: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weeks of runs, the last one of each sync green; connections in the list, with the port in its own field."""
    monkeypatch.setattr(run_airflow, "FOLDER", tmp_path)
    monkeypatch.delenv(run_airflow.POSTGRES, raising=False)
    dags = run_airflow.linked_dags(tmp_path / "dags")
    assert run_airflow.made_past(dags, seeded), (tmp_path / "home" / "history.log").read_text()[-3_000:]
    environment = airflow_environment(tmp_path / "home", dags)
    told = subprocess.run(
        [sys.executable, "-c", LOOK], env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    seen = json.loads(told.stdout.splitlines()[-1])
    now = datetime.now(UTC)
    for past in PASTS:
        runs = sorted((at, state) for dag_id, state, at, _ in seen["runs"] if dag_id == past.dag_id)
        assert len(runs) == past.runs
        assert runs[-1][1] == "success"
        assert timedelta(0) < now - datetime.fromisoformat(runs[-1][0]) < timedelta(days=1, hours=2)
    timelines = [json.loads(one) if isinstance(one, str) else one for one in seen["timelines"]]
    assert len(timelines) >= sum(past.runs for past in PASTS)
    assert all(one["points"]["rows"][-1] == one["summary"]["rows"] for one in timelines)
    hubspot, warehouse = sorted(seen["connections"])
    assert hubspot[:2] == ["hubspot_default", "hubspot"]
    assert f"{hubspot[2]}:{hubspot[3]}" == seeded.sandbox.url
    assert warehouse[:2] == ["warehouse", "sqlite"]
    log = next((tmp_path / "home" / "logs").glob("dag_id=shop_orders_to_hubspot/*/task_id=update_deals/attempt=1.log"))
    assert "made up" in log.read_text()
    assert not any(name.startswith(run_airflow.POSTGRES) for name in os.environ)
