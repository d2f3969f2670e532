"""A week of the nightly example DAG, with rows that break and are fixed, an outage and a kill."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch.sandbox import HubSpotSandbox
from demo.setting import EXAMPLE_DAGS
from example_dags.example_second_chances import WHY
from tests.conftest import DAGS_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.airflow_dags import DagResult, RunDag

pytestmark = pytest.mark.airflow

DAG_FILE = EXAMPLE_DAGS / "example_second_chances.py"
CUSTOMERS = 700
A_NIGHT = 100
PLANS = ["free", "pro", "enterprise"]


@dataclass
class Week:
    """The shop's warehouse and its HubSpot, night by night.

    :param sent: night -> the rows that changed on its day: customer -> (city, plan).
    """

    folder: Path
    hubspot: HubSpotSandbox
    run_dag: RunDag
    caplog: pytest.LogCaptureFixture
    sent: dict[int, dict[str, tuple[str, str]]]

    def change(self, night: int, rows: dict[str, tuple[str, str]]) -> None:
        """These customers changed on that day."""
        self.sent[night] = rows
        with closing(sqlite3.connect(self.folder / "crm.db")) as database:
            moment = f"{day(night)}T12:00:00"
            changed = [(number, city, plan, moment) for number, (city, plan) in rows.items()]
            database.executemany("insert into customers values (?, ?, ?, ?)", changed)
            database.commit()

    def play(self, night: int) -> tuple[DagResult, dict[str, Any], str]:
        """Run the DAG for that night: the run, the sync's summary and the sync's log."""
        self.caplog.clear()
        with self.caplog.at_level(logging.INFO):
            result = self.run_dag(DAG_FILE, logical_date=datetime.fromisoformat(day(night)).replace(tzinfo=UTC))
        return result, result.xcom("update_contacts"), self.caplog.text

    def kill(self, night: int) -> None:
        """Begin that night's run in a process of its own, and kill it in the middle."""
        path = DAGS_FOLDER / DAG_FILE.name
        shutil.copy(DAG_FILE, path)
        program = (
            "from pathlib import Path; from datetime import datetime; from demo.dag_run import run_dag; "
            f"run_dag(Path({str(path)!r}), None, None, datetime.fromisoformat('{day(night)}T00:00:00+00:00'))"
        )
        before = self.updates()
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
        try:
            deadline = time.monotonic() + 120
            while self.updates() == before:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.01)
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            path.unlink()

    def updates(self) -> int:
        return sum("/batch/update" in request.path for request in self.hubspot.requests)

    def wrong(self) -> list[str]:
        """The customers of whom HubSpot has something else than the last day they changed on says."""
        records = {
            record["properties"].get("customer_number"): record["properties"]
            for record in self.hubspot.objects("contacts").values()
        }
        wanted: dict[str, tuple[str, str]] = {}
        for night in sorted(self.sent):
            wanted |= self.sent[night]
        return [
            number
            for number, (city, plan) in wanted.items()
            if number not in records or (records[number].get("city"), records[number].get("plan")) != (city, plan)
        ]

    def why(self, number: str) -> list[tuple[str, str, str | None]]:
        """What the table in the warehouse says of a customer: run, status and reason, the newest first."""
        with closing(sqlite3.connect(self.folder / "crm.db")) as database:
            return database.execute(WHY, [number]).fetchall()

    def logged(self, night: int) -> dict[str, list[str]]:
        """Customer -> what became of its rows in that night's run."""
        with closing(sqlite3.connect(self.folder / "crm.db")) as database:
            query = 'select "key", status from hubspot_sync_log where run = ? order by "row"'
            found: dict[str, list[str]] = {}
            for number, status in database.execute(query, [day(night)]):
                found.setdefault(number, []).append(status)
            return found


def day(night: int) -> str:
    return f"2026-01-{night:02d}"


def number(n: int) -> str:
    return f"C-{n:05d}"


def changes(first: int, **others: tuple[str, str]) -> dict[str, tuple[str, str]]:
    """A hundred customers from this one on, and some others."""
    usual = {number(n): (f"town {n}", PLANS[n % 3]) for n in range(first, first + A_NIGHT)}
    return usual | {name.replace("_", "-"): values for name, values in others.items()}


@pytest.fixture
def week(
    tmp_path: Path, run_dag: RunDag, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Week]:
    with closing(sqlite3.connect(tmp_path / "crm.db")) as database:
        database.execute("create table customers (customer_number text, city text, plan text, changed_at text)")
        database.commit()
    contacts = [{"customer_number": number(n), "email": f"c{n}@example.com"} for n in range(CUSTOMERS)]
    with HubSpotSandbox(records={"contacts": contacts}, latency_ms=50, requests_per_10_seconds=10_000) as hubspot:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", hubspot.connection())
        warehouse = json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "crm.db")})
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", warehouse)
        monkeypatch.setenv("HUBSPOT_RESULTS", str(tmp_path / "results"))
        yield Week(tmp_path, hubspot, run_dag, caplog, {})


def test_a_week_of_nights(week: Week) -> None:
    """In the end every row is in HubSpot; each night's log says what was carried over, and SQL why, row by row."""
    hubspot = week.hubspot

    # a plan that HubSpot doesn't have yet, and two customers whom it doesn't know yet
    week.change(1, changes(0, C_00001=("Ghent", "platinum"), C_90001=("Ypres", "pro"), C_90002=("Bruges", "pro")))
    result, summary, log = week.play(1)
    assert (result.state, summary["rows"], summary["rejected"]) == ("success", 102, 3)
    assert "no earlier run has result files" in log

    # somebody adds the option: that row leaves the list by itself
    add_plan(hubspot, "platinum")
    week.change(2, changes(100))
    result, summary, log = week.play(2)
    assert (summary["rows"], summary["updated"], summary["rejected"]) == (103, 101, 2)
    assert "2026-01-01 (update_contacts): 3 rejected" in log
    assert week.why("C-00001") == [
        (day(2), "updated", None),
        (day(1), "rejected", week.why("C-00001")[1][2]),
    ]
    assert "INVALID_OPTION: property 'plan' takes one of its options" in str(week.why("C-00001")[1][2])

    # HubSpot is down: the task fails, and every row of the night waits
    hubspot.faults.add("html", status=525, count=None, path="/")
    week.change(3, changes(200))
    result, summary, log = week.play(3)
    assert (result.state, result.task_state("update_contacts"), result.task_state("keep_log")) == (
        "failed",
        "failed",
        "success",
    )
    assert summary["not_sent"] == summary["rows"] == 102
    hubspot.faults.clear()

    # it is back: first what waited, then the day's own, of which one changes a customer who waited
    week.change(4, changes(300, C_00250=("Liège", "pro")))
    result, summary, log = week.play(4)
    assert (result.state, summary["rows"], summary["updated"], summary["rejected"]) == ("success", 203, 201, 2)
    assert "2026-01-03 (update_contacts): 102 not_sent" in log
    assert week.logged(4)["C-00250"] == ["updated", "updated"]

    # killed in the middle, then cleared by somebody who saw it
    hubspot.add_records("contacts", [{"customer_number": "C-90001"}, {"customer_number": "C-90002"}])
    week.change(5, changes(400, C_00450=("Namur", "gold")))
    week.kill(5)
    result, summary, log = week.play(5)
    assert "2026-01-04 (update_contacts): 2 rejected" in log
    assert summary["rows"] == 102
    assert [status for _, status, _ in week.why("C-90001")] == [
        "updated",
        "rejected",
        "not_sent",
        "rejected",
        "rejected",
    ]

    # the customer with the wrong plan is corrected in the warehouse: the old row fails again, the new one is written
    week.change(6, changes(500, C_00450=("Namur", "pro")))
    result, summary, log = week.play(6)
    assert "2026-01-05 (update_contacts): 1 rejected" in log
    assert week.logged(6)["C-00450"] == ["rejected", "updated"]

    # its old row is left out from now on: an older value must not follow a newer one
    week.change(7, changes(600))
    result, summary, log = week.play(7)
    assert (result.state, summary["rows"], summary["updated"]) == ("success", 100, 100)
    assert "no rows; left out: 1 whose record was written later" in log

    assert week.wrong() == []
    for night, rows in week.sent.items():
        logged = week.logged(night)
        assert set(rows) <= set(logged), night
        assert all(week.why(one)[0][1] == "updated" for one in rows), night


def add_plan(hubspot: HubSpotSandbox, plan: str) -> None:
    """Somebody adds an option to a property of HubSpot's."""
    options = [{"value": value, "label": value.title()} for value in [*PLANS, "starter", plan]]
    definition = {"name": "plan", "type": "enumeration", "fieldType": "select", "options": options}
    hubspot.remove_property("contacts", "plan")
    hubspot.add_property("contacts", definition)
