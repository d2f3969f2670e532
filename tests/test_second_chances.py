"""Rows that were not written come again by themselves, from run to run, until they are."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch.core.protocol import MAX_REQUEST_BYTES
from airflow_provider_hubbatch.exceptions import SettingsError, SyncFailedError, SyncStoppedError, UnavailableError
from airflow_provider_hubbatch.hooks import HubSpotHook
from airflow_provider_hubbatch.sandbox import HubSpotSandbox
from airflow_provider_hubbatch.sources import RejectedRows, SqlRows, chunks
from tests.resume.resuming import DictStore, sync

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OUTAGE = {"status": 525, "count": None}


@pytest.fixture
def hubspot(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubSpotSandbox]:
    """A local HubSpot with 5,000 contacts, as fast as it can."""
    with HubSpotSandbox(records={"contacts": 5_000}, requests_per_10_seconds=10_000) as running:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", running.connection())
        yield running


def update(rows: Any, folder: Path | str, **options: Any) -> dict[str, Any]:
    """Sync contacts, with results in a folder; the summary."""
    report = HubSpotHook().batch_update("contacts", rows, results_path=str(folder), **options)
    return report.summary()


def outcomes_in(folder: Path) -> list[dict[str, Any]]:
    """Every outcome of the result files, in row order."""
    lines = [json.loads(line) for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()]
    assert len({one["row"] for one in lines}) == len(lines)
    return sorted(lines, key=lambda one: int(one["row"]))


def cities(hubspot: HubSpotSandbox) -> dict[str, str]:
    return {one: record["properties"].get("city", "") for one, record in hubspot.objects("contacts").items()}


def test_a_rejected_row_is_written_once_it_can_be(hubspot: HubSpotSandbox, tmp_path: Path) -> None:
    """What was refused is sent again as it was, and its outcome says how often that happened."""
    late = str(max(map(int, hubspot.objects("contacts"))) + 1)
    rows = [{"id": "1", "city": "Ghent"}, {"id": late, "city": "Bruges"}, {"id": "2", "city": "Ypres"}]
    assert update(rows, tmp_path / "1")["rejected"] == 1
    assert update(RejectedRows(str(tmp_path / "1")), tmp_path / "2")["rejected"] == 1
    assert outcomes_in(tmp_path / "2")[0]["attempts"] == 1
    assert hubspot.add_records("contacts", [{"email": "late@example.com"}]) == [late]
    assert update(RejectedRows(str(tmp_path), latest=True), tmp_path / "3")["updated"] == 1
    (written,) = outcomes_in(tmp_path / "3")
    assert (written["id"], written["status"], written["attempts"]) == (late, "updated", 2)
    assert cities(hubspot)[late] == "Bruges"
    assert update(RejectedRows(str(tmp_path), latest=True), tmp_path / "4")["rows"] == 0


def test_a_row_that_never_can_be_written_ends(hubspot: HubSpotSandbox, tmp_path: Path) -> None:
    """After three more tries a row stays out."""
    update([{"id": "999999999", "city": "Ghent"}], tmp_path / "0")
    rows = [update(RejectedRows(str(tmp_path), latest=True), tmp_path / str(n))["rows"] for n in range(1, 6)]
    assert rows == [1, 1, 1, 0, 0]


@pytest.mark.parametrize("path", ["/batch/update", "/properties/"])
def test_a_night_with_an_outage_is_no_attempt(hubspot: HubSpotSandbox, tmp_path: Path, path: str) -> None:
    """A row to which HubSpot gave no answer has not been tried: an outage of many nights uses up nobody's chances."""
    update([{"id": "999999999", "city": "Ghent"}], tmp_path / "0")
    update(RejectedRows(str(tmp_path), latest=True), tmp_path / "1")
    hubspot.faults.add("html", path=path, **OUTAGE)
    for night in range(2, 7):
        with pytest.raises(UnavailableError):
            update(RejectedRows(str(tmp_path), latest=True), tmp_path / str(night))
        (waiting,) = outcomes_in(tmp_path / str(night))
        assert (waiting["status"], waiting["attempts"]) == ("not_sent", 1)
    hubspot.faults.clear()
    update(RejectedRows(str(tmp_path), latest=True), tmp_path / "7")
    assert outcomes_in(tmp_path / "7")[0]["attempts"] == 2


def test_earlier_rows_take_effect_before_today_s(hubspot: HubSpotSandbox, tmp_path: Path) -> None:
    """In a list of sources every row is sent, and of one record the later source's takes effect last."""
    hubspot.faults.add("html", path="/batch/update", **OUTAGE)
    with pytest.raises(UnavailableError):
        update([{"id": str(n), "city": "old"} for n in range(1, 301)], tmp_path / "1")
    hubspot.faults.clear()
    today = [{"id": str(n), "city": "new"} for n in range(1, 151)]
    summary = update([RejectedRows(str(tmp_path), latest=True), today], tmp_path / "2", min_rows=150)
    assert (summary["rows"], summary["updated"]) == (450, 450)
    assert [cities(hubspot)[str(n)] for n in (1, 150, 151, 300)] == ["new", "new", "old", "old"]


def test_min_rows_does_not_count_rows_that_are_sent_again(hubspot: HubSpotSandbox, tmp_path: Path) -> None:
    """An empty extract is noticed however much an earlier run left, before the first request if its length is known."""
    update([{"id": "999999999", "city": "Ghent"}], tmp_path / "1")
    with pytest.raises(SyncFailedError, match="only 1 row came, and min_rows=2"):
        update([RejectedRows(str(tmp_path), latest=True), [{"id": "1", "city": "x"}]], tmp_path / "2", min_rows=2)
    assert not (tmp_path / "2").exists()
    today = iter([{"id": "1", "city": "x"}])
    with pytest.raises(SyncFailedError, match="only 1 row came, and min_rows=2"):
        update([RejectedRows(str(tmp_path), latest=True), today], tmp_path / "2", min_rows=2)
    assert [one["status"] for one in outcomes_in(tmp_path / "2")] == ["rejected", "updated"]


def test_settings_may_change_between_runs(hubspot: HubSpotSandbox, tmp_path: Path) -> None:
    """Earlier rows prove nothing of today's columns: what they lack leaves its property alone; today's have to fit."""
    update([{"id": "5001", "city": "Ghent"}, {"id": "5002", "city": "Ghent"}], tmp_path / "1")
    hubspot.add_records("contacts", [{}, {}])
    both = [RejectedRows(str(tmp_path / "1")), [{"id": "1", "city": "Ypres", "jobtitle": "CEO"}]]
    assert update(both, tmp_path / "2", properties=["city", "jobtitle"])["updated"] == 3
    assert hubspot.objects("contacts")["1"]["properties"]["jobtitle"] == "CEO"
    with pytest.raises(SettingsError, match="'jobtitle', which the first rows don't have"):
        update([RejectedRows(str(tmp_path / "1")), [{"id": "1", "city": "x"}]], tmp_path / "3", properties=["jobtitle"])


def test_a_property_that_is_gone_costs_its_rows_and_not_the_sync(hubspot: HubSpotSandbox, tmp_path: Path) -> None:
    """An earlier run's column that no property matches any more rejects those rows; today's are written."""
    hubspot.add_property("contacts", {"name": "fleeting", "type": "string", "fieldType": "text"})
    update([{"id": "999999999", "fleeting": "x"}], tmp_path / "1")
    hubspot.remove_property("contacts", "fleeting")
    summary = update([RejectedRows(str(tmp_path / "1")), [{"id": "1", "city": "Ypres"}]], tmp_path / "2")
    assert (summary["updated"], summary["rejected_by_category"]) == (1, {"PROPERTY_DOESNT_EXIST": 1})


def test_the_own_results_are_refused_before_they_are_replaced(hubspot: HubSpotSandbox, tmp_path: Path) -> None:
    """A sync that would read what it writes fails, and the earlier results are still there."""
    update([{"id": "999999999", "city": "Ghent"}], tmp_path)
    with pytest.raises(SettingsError, match="where this sync writes its own results"):
        update(RejectedRows(str(tmp_path)), tmp_path)
    assert len(outcomes_in(tmp_path)) == 1


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqlRows:
    """A table of 4,500 contacts, whose number nobody knows beforehand."""
    with closing(sqlite3.connect(tmp_path / "crm.db")) as database:
        database.execute("create table contacts (id integer, city text)")
        database.executemany("insert into contacts values (?, ?)", [(n, f"town {n}") for n in range(1, 4_501)])
        database.commit()
    connection = {"conn_type": "sqlite", "host": str(tmp_path / "crm.db")}
    monkeypatch.setenv("AIRFLOW_CONN_LITE", json.dumps(connection))
    return SqlRows("lite", "select id, city from contacts order by id")


@pytest.mark.parametrize("path", ["/batch/update", "/properties/"])
def test_a_night_with_an_outage_leaves_every_row_to_the_next(
    hubspot: HubSpotSandbox, tmp_path: Path, warehouse: SqlRows, path: str
) -> None:
    """HubSpot goes down before or in the middle of a sync: each row has its outcome, and the next run writes it."""
    skipped = 10 if path == "/batch/update" else 0
    hubspot.faults.add("html", path=path, skip=skipped, **OUTAGE)
    with pytest.raises(UnavailableError) as caught:
        update(warehouse, tmp_path / "1", max_in_flight=1)
    outcomes = outcomes_in(tmp_path / "1")
    assert [one["row"] for one in outcomes] == list(range(4_500))
    assert caught.value.report.rows == 4_500
    assert sum(one["status"] == "updated" for one in outcomes) == 100 * skipped
    hubspot.faults.clear()
    summary = update(RejectedRows(str(tmp_path), latest=True), tmp_path / "2")
    assert summary["updated"] == summary["rows"] == 4_500 - 100 * skipped
    assert {one: cities(hubspot)[one] for one in ("1", "4500")} == {"1": "town 1", "4500": "town 4500"}


def test_without_result_files_an_outage_reads_no_further(hubspot: HubSpotSandbox, warehouse: SqlRows) -> None:
    """Where nothing is written down, the rest of a query isn't read only to be counted."""
    hubspot.faults.add("html", path="/batch/update", **OUTAGE)
    with pytest.raises(UnavailableError) as caught:
        HubSpotHook().batch_update("contacts", warehouse)
    assert caught.value.report.rows < 4_500


def test_a_retry_after_an_outage_repeats_no_row_and_no_line(
    hubspot: HubSpotSandbox, tmp_path: Path, warehouse: SqlRows
) -> None:
    """What the first try read to its end only to write it down is read again, and settled once."""
    store = DictStore()
    hubspot.faults.add("html", path="/batch/update", skip=10, **OUTAGE)
    with pytest.raises(UnavailableError):
        sync(warehouse, store, results_path=str(tmp_path / "1"), max_in_flight=1).finish()
    assert len(outcomes_in(tmp_path / "1")) == 4_500
    hubspot.faults.clear()
    hubspot.forget_requests()
    run = sync(warehouse, store, results_path=str(tmp_path / "1"))
    run.finish()
    assert run.report.summary()["resumed_rows"] == 1_000
    assert [one["status"] for one in outcomes_in(tmp_path / "1")] == ["updated"] * 4_500
    assert sum(len(request.json["inputs"]) for request in hubspot.requests if "/batch/update" in request.path) == 3_500


def test_a_retry_that_can_not_even_begin_leaves_the_results_alone(
    hubspot: HubSpotSandbox, tmp_path: Path, warehouse: SqlRows
) -> None:
    """What an earlier try wrote down stays, and a later one goes on from it."""
    store = DictStore()
    hubspot.faults.add("html", path="/batch/update", skip=10, **OUTAGE)
    with pytest.raises(UnavailableError):
        sync(warehouse, store, results_path=str(tmp_path / "1"), max_in_flight=1).finish()
    before = outcomes_in(tmp_path / "1")
    hubspot.faults.add("html", path="/properties/", **OUTAGE)
    with pytest.raises(UnavailableError):
        sync(warehouse, store, results_path=str(tmp_path / "1")).finish()
    assert outcomes_in(tmp_path / "1") == before
    hubspot.faults.clear()
    run = sync(warehouse, store, results_path=str(tmp_path / "1"))
    run.finish()
    assert run.report.summary()["resumed_rows"] == 1_000


def test_a_retry_goes_on_across_sources(hubspot: HubSpotSandbox, tmp_path: Path, warehouse: SqlRows) -> None:
    """A list of sources is resumed as one: no row twice, and earlier rows keep their count of tries."""
    update([{"id": str(6_000_000 + n), "city": "x"} for n in range(5)], tmp_path / "0")
    store = DictStore()
    rows = [RejectedRows(str(tmp_path / "0")), warehouse]
    hubspot.faults.add("html", path="/batch/update", skip=10, **OUTAGE)
    with pytest.raises(UnavailableError):
        sync(rows, store, results_path=str(tmp_path / "1"), max_in_flight=1).finish()
    hubspot.faults.clear()
    run = sync(rows, store, results_path=str(tmp_path / "1"))
    run.finish()
    outcomes = outcomes_in(tmp_path / "1")
    assert [one["row"] for one in outcomes] == list(range(4_505))
    assert [one.get("attempts") for one in outcomes[:6]] == [1, 1, 1, 1, 1, None]
    assert [one.attempts for one in run.report.rejected] == [1] * 5
    assert run.report.summary()["resumed_rows"] > 900


def test_a_run_that_was_stopped_loses_nothing_that_was_carried_over(
    hubspot: HubSpotSandbox, tmp_path: Path, warehouse: SqlRows, caplog: pytest.LogCaptureFixture
) -> None:
    """Stopped before it had read all: what the run before it left is still sent again, and a warning names the run."""
    late: list[dict[str, Any]] = [{"id": str(5_001 + n), "city": "old"} for n in range(3)]
    update([*late, {"id": "1", "city": "old", "plan": "wrong"}], tmp_path / "1")
    hubspot.add_records("contacts", [{}, {}, {}])
    # it writes a newer value of one of them, and is stopped before it comes to the others
    newer = [{"id": "5001", "city": "new"}, {"id": "1", "city": "new"}]
    rows = [newer, warehouse]
    run = sync(rows, None, results_path=str(tmp_path / "2"), max_in_flight=1)
    outcomes = iter(run)
    next(outcomes)
    run.stop()
    with pytest.raises(SyncStoppedError):
        list(outcomes)
    assert run.report.rows < 4_500
    with caplog.at_level("INFO"):
        again = [
            (part.columns["id"][n], part.columns["city"][n])
            for part in chunks(RejectedRows(str(tmp_path), latest=True, task_id=None), own=None)
            for n in range(part.length)
        ]
    assert "was stopped before it had read all its rows" in caplog.text
    assert ("5002", "old") in again
    assert ("5003", "old") in again
    assert ("5001", "old") not in again
    assert ("1", "old") not in again
    summary = update(RejectedRows(str(tmp_path), latest=True, task_id="update"), tmp_path / "3")
    assert summary["not_sent"] == 0
    assert cities(hubspot)["5001"] == "new"


def test_an_extract_that_was_stopped_is_not_sent_by_the_next_run(hubspot: HubSpotSandbox, tmp_path: Path) -> None:
    """Rows that were about to empty a property stay where they are; what an earlier run left is carried on."""
    update([{"id": "999999999", "city": "Ghent"}], tmp_path / "1")
    broken = [{"id": str(n), "city": None} for n in range(1, 201)]
    with pytest.raises(SettingsError, match="'city' is empty in all"):
        update([RejectedRows(str(tmp_path), latest=True), broken], tmp_path / "2", null_values="clear")
    (only,) = [one for one in outcomes_in(tmp_path / "2") if one.get("category") != "CLEARING_STOPPED"]
    assert only["id"] == "999999999"
    assert update(RejectedRows(str(tmp_path), latest=True), tmp_path / "3")["rows"] == 1


# --- a look before the leap ---------------------------------------------------------------------------------------


def test_a_look_before_the_leap_shows_what_would_change(
    hubspot: HubSpotSandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With validate_only and a comparison, files have HubSpot's value and the new one; summary and log have counts."""
    update([{"id": "1", "city": "Ghent", "phone": "1"}, {"id": "2", "city": "Ypres", "phone": "2"}], tmp_path / "0")
    rows = [
        {"id": "1", "city": "Bruges", "phone": "1"},
        {"id": "2", "city": "Ypres", "phone": "2"},
        {"id": "3", "city": "Ostend", "phone": "3"},
        {"id": "999999999", "city": "Ghent", "phone": "4"},
        {"id": "x", "city": "Ghent", "phone": "4"},
    ]
    hubspot.forget_requests()
    with caplog.at_level("INFO"):
        summary = update(rows, tmp_path / "1", validate_only=True, skip_unchanged="hubspot")
    assert not any("/batch/update" in request.path for request in hubspot.requests)
    found = [(one["status"], one.get("changes")) for one in outcomes_in(tmp_path / "1")]
    old = hubspot.objects("contacts")["3"]["properties"].get
    assert found[:3] == [
        ("not_sent", {"city": ["Ghent", "Bruges"]}),
        ("unchanged", {}),
        ("not_sent", {"city": [old("city"), "Ostend"], "phone": [old("phone"), "3"]}),
    ]
    assert found[4] == ("rejected", None)
    assert summary["changes"] == {"city": 2, "phone": 1}
    assert "Would change city in 2, phone in 1" in caplog.text
    assert "Bruges" not in caplog.text


def test_a_look_shows_no_values_in_xcoms(hubspot: HubSpotSandbox) -> None:
    """What HubSpot has is in the result files alone."""
    report = HubSpotHook().batch_update(
        "contacts", [{"id": "1", "city": "Bruges"}], validate_only=True, skip_unchanged="hubspot"
    )
    (outcome,) = report.outcomes or []
    assert outcome.changes is not None
    assert "Bruges" not in json.dumps([report.results(), report.rejected_entries(), report.summary()])


# --- large rows ---------------------------------------------------------------------------------------------------


def test_a_batch_that_is_too_large_goes_in_parts(hubspot: HubSpotSandbox) -> None:
    """Long values make a batch smaller; a row that is too large alone is rejected, and nothing of it is sent."""
    rows: list[dict[str, Any]] = [{"id": str(n), "city": "x" * 300_000} for n in range(1, 61)]
    rows[30]["city"] = "y" * 9_000_000
    report = HubSpotHook().batch_update("contacts", rows)
    assert report.summary()["updated"] == 59
    assert [(one.row, one.category) for one in report.rejected] == [(30, "TOO_LARGE")]
    sizes = [len(request.body) for request in hubspot.requests if "/batch/update" in request.path]
    assert max(sizes) <= MAX_REQUEST_BYTES
    assert len(sizes) < 10
