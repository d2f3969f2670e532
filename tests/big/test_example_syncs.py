"""The example DAGs of large syncs do in a real Airflow what they are there to show."""

from __future__ import annotations

import json
from dataclasses import astuple, fields
from typing import TYPE_CHECKING, Any

import pytest

from demo.setting import EXAMPLE_DAGS, Setting, seeded_setting
from demo.warehouse import Customer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.airflow_dags import RunDag

pytestmark = pytest.mark.airflow


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setting]:
    """The demo's warehouse and its HubSpot."""
    with seeded_setting(tmp_path) as seeded:
        for name, value in seeded.connections.items():
            monkeypatch.setenv(name, value)
        yield seeded


def test_mapped_chunks_update_every_row_and_report_once(run_dag: RunDag, setting: Setting) -> None:
    """The parts together are the table, and the report adds them up."""
    result = run_dag(EXAMPLE_DAGS / "example_mapped_chunks.py")
    assert result.state == "success"
    parts = [result.xcom("update_contacts", map_index=index) for index in range(3)]
    combined = result.xcom("report")
    assert combined["rows"] == len(setting.customers) == sum(part["rows"] for part in parts)
    assert combined["updated"] == sum(part["updated"] for part in parts) > 2_900
    assert combined["syncs"] == 3
    plans = {str(int(one.hubspot_id)): one.plan for one in setting.customers if one.hubspot_id}
    held = setting.sandbox.objects("contacts")
    assert all(record["properties"]["plan"] == "pro" for name, record in held.items() if plans.get(name) == "pro")


def test_the_whole_table_of_postgres_is_sent_once(
    run_dag: RunDag, setting: Setting, postgres: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first run sends what differs; the second one only what HubSpot refuses; each leaves a line a row."""
    import psycopg

    names = ", ".join(f"{field.name} text" for field in fields(Customer))
    place = {"host": postgres["host"], "port": postgres["port"], "user": postgres["login"]}
    with psycopg.connect(**place, dbname=postgres["schema"]) as connection, connection.cursor() as cursor:
        cursor.execute(f"create table customers ({names})")
        with cursor.copy("copy customers from stdin") as copy:
            for customer in setting.customers:
                copy.write_row(astuple(customer))
        cursor.execute("alter table customers alter column revenue type numeric using revenue::numeric")
        cursor.execute("delete from customers where renewal_date = '2027-02-30'")
        cursor.execute("alter table customers alter column renewal_date type date using renewal_date::date")
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE_POSTGRES", json.dumps(postgres))
    monkeypatch.setenv("HUBSPOT_RESULTS", str(tmp_path / "results"))

    first = run_dag(EXAMPLE_DAGS / "example_postgres_to_crm.py")
    assert first.state == "success"
    summary = first.xcom("update_contacts")
    assert summary["rows"] == summary["updated"] + summary["unchanged"] + summary["rejected"] > 3_000
    assert summary["updated"] > 1_000
    setting.sandbox.forget_requests()
    again = run_dag(EXAMPLE_DAGS / "example_postgres_to_crm.py").xcom("update_contacts")
    corrected = 2 * 40
    assert again["updated"] <= corrected, "only where a later row changes what an earlier one says"
    assert again["rejected"] == summary["rejected"]
    results = list((tmp_path / "results").glob("*/update_contacts-*.jsonl"))
    assert sum(len(path.read_text().splitlines()) for path in results) == 2 * summary["rows"]
