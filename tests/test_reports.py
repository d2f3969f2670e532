"""Outcomes as a table, and a summary as a text."""

from __future__ import annotations

import json
import re
import sqlite3
import tracemalloc
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_hubbatch.core.model import RowOutcome, Status
from airflow_provider_hubbatch.core.sync_report import SyncReport
from airflow_provider_hubbatch.hooks import HubSpotHook
from airflow_provider_hubbatch.reports import combined_report, outcomes_frame, summary_text

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_hubbatch.sandbox import HubSpotSandbox

KINDS = {
    "task": "string",
    "row": "int64",
    "id": "string",
    "to_id": "string",
    "record_id": "string",
    "to_record_id": "string",
    "status": "string",
    "category": "string",
    "message": "string",
    "correlation_id": "string",
    "updated_at": "datetime64[us, UTC]",
    "attempts": "int64",
    "not_taken": "string",
    "changes": "string",
    "values": "string",
    "values_cut": "string",
}
UPDATED = {"row": 0, "id": 7, "status": "updated", "record_id": "7", "updated_at": "2026-01-03T01:02:03.004Z"}
REJECTED = {
    "row": 1,
    "id": 8.0,
    "status": "rejected",
    "category": "INVALID_OPTION",
    "message": "property 'plan' takes one of its options",
    "values": {"id": 8.0, "plan": "gold", "city": None},
    "values_cut": ["blob"],
    "attempts": 2,
}


def kinds(frame: pd.DataFrame) -> dict[str, str]:
    return {str(name): str(kind) for name, kind in frame.dtypes.items()}


def write(folder: Path, name: str, outcomes: list[dict[str, Any]]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("".join(json.dumps(one) + "\n" for one in outcomes))


def test_a_frame_has_one_typed_row_an_outcome() -> None:
    """Whatever the outcomes hold, the columns and their types are the same; what is nested is JSON text."""
    frame = outcomes_frame([UPDATED, REJECTED])
    assert kinds(frame) == KINDS
    updated, rejected = frame.to_dict("records")
    assert (updated["id"], updated["attempts"], bool(pd.isna(updated["values"]))) == ("7", 0, True)
    assert updated["updated_at"] == pd.Timestamp("2026-01-03T01:02:03.004Z")
    assert (rejected["id"], rejected["category"], rejected["attempts"]) == ("8", "INVALID_OPTION", 2)
    assert json.loads(rejected["values"]) == {"id": 8.0, "plan": "gold", "city": None}
    assert json.loads(rejected["values_cut"]) == ["blob"]
    assert rejected["updated_at"] is pd.NaT


@pytest.mark.parametrize("outcomes", [[], iter(())])
def test_a_frame_of_nothing_has_its_columns(outcomes: Any) -> None:
    """No outcomes are a table without rows, of the same types."""
    assert kinds(outcomes_frame(outcomes)) == KINDS
    assert list(outcomes_frame(outcomes, chunk_rows=5)) == []


def test_a_frame_takes_outcomes_of_the_hook(sandbox: HubSpotSandbox) -> None:
    """What iter_batch_update gives, and what the XComs hold, are outcomes as well as what is in files."""
    rows = [{"id": 1, "city": "Ghent"}, {"id": "x", "city": "Ypres"}]
    streamed = outcomes_frame(HubSpotHook().iter_batch_update("contacts", rows)).sort_values("row")
    assert streamed["status"].tolist() == ["updated", "rejected"]
    report = HubSpotHook().batch_update("contacts", rows)
    assert outcomes_frame(report.results() or [])["category"].fillna("").tolist() == ["", "INVALID_ID"]


def test_a_frame_reads_result_files(tmp_path: Path) -> None:
    """By a path in any spelling; each row says which task's files it is from, and one task's can be chosen."""
    write(tmp_path, "sync-0a1b2c3d-00001.jsonl", [UPDATED])
    write(tmp_path, "sync-0a1b2c3d-unsettled.jsonl", [REJECTED])
    write(tmp_path, "other-0-0a1b2c3d-00001.jsonl", [UPDATED])
    for path in (str(tmp_path), tmp_path, ObjectStoragePath(str(tmp_path)), f"file://{tmp_path}"):
        assert outcomes_frame(path)["task"].tolist() == ["other-0", "sync", "sync"]
    assert outcomes_frame(tmp_path, task_id="other")["row"].tolist() == [0]
    assert outcomes_frame(tmp_path / "absent").empty


def test_a_frame_comes_in_chunks(tmp_path: Path) -> None:
    """With chunk_rows, DataFrames of that many rows, of the same types throughout."""
    write(tmp_path, "sync-0a1b2c3d-00001.jsonl", [{**UPDATED, "row": row} for row in range(25)])
    frames = list(outcomes_frame(tmp_path, chunk_rows=10))
    assert [len(frame) for frame in frames] == [10, 10, 5]
    assert [kinds(frame) for frame in frames] == [KINDS] * 3
    whole = outcomes_frame(tmp_path)
    pd.testing.assert_frame_equal(pd.concat(frames, ignore_index=True), whole)


def test_values_are_columns_by_choice() -> None:
    """Source rows as one JSON text, as a column each, or left out."""
    frame = outcomes_frame([UPDATED, REJECTED], values="columns")
    assert [name for name in frame if str(name).startswith("values")] == [
        "values.id",
        "values.plan",
        "values.city",
        "values_cut",
    ]
    assert frame["values.plan"].tolist() == [None, "gold"]
    assert "values" not in outcomes_frame([REJECTED], values=None)
    with pytest.raises(ValueError, match="values='row'"):
        outcomes_frame([], values="row")  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="chunk_rows=0"):
        outcomes_frame([], chunk_rows=0)


def test_a_frame_goes_into_a_table(tmp_path: Path) -> None:
    """to_sql takes it as it is, chunk by chunk, and SQL tells why a row isn't there."""
    write(tmp_path, "sync-0a1b2c3d-00001.jsonl", [UPDATED, REJECTED])
    with closing(sqlite3.connect(":memory:")) as database:
        for frame in outcomes_frame(tmp_path, chunk_rows=1):
            frame.assign(run="2026-01-03").to_sql("hubspot_sync_log", database, if_exists="append", index=False)
        query = "select run, task, row, id, category from hubspot_sync_log where status = 'rejected'"
        assert database.execute(query).fetchall() == [("2026-01-03", "sync", 1, "8", "INVALID_OPTION")]


def test_chunks_of_many_outcomes_need_the_memory_of_one(tmp_path: Path) -> None:
    """Memory doesn't grow with the outcomes that are read."""
    peaks = []
    for count in (3_000, 12_000):
        write(tmp_path / str(count), "sync-0a1b2c3d-00001.jsonl", [{**REJECTED, "row": row} for row in range(count)])
        tracemalloc.start()
        assert sum(len(frame) for frame in outcomes_frame(tmp_path / str(count), chunk_rows=750)) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


# --- texts --------------------------------------------------------------------------------------------------------

ITS = 'Property values were not valid: [{"isValid":false,"message":"Veza was not one","name":"industry"}]'


def report_of(*outcomes: RowOutcome, **what: Any) -> SyncReport:
    report = SyncReport("contacts", requests=13, seconds=4.2, **what)
    for outcome in outcomes:
        report.add(outcome)
    return report


def rejected_outcomes() -> list[RowOutcome]:
    """31 rows of a wrong option, two of HubSpot's own words, one that isn't there, one that HubSpot said nothing of."""
    ours = [
        RowOutcome(17 * n, n, Status.REJECTED, category="INVALID_OPTION", message="property 'plan' takes one; Veza")
        for n in range(1, 32)
    ]
    its = [RowOutcome(n, n, Status.REJECTED, category="VALIDATION_ERROR", message=ITS) for n in (3, 1)]
    gone = RowOutcome(12, 99, Status.REJECTED, category="OBJECT_NOT_FOUND", message="Veza is not there")
    silent = RowOutcome(8, 98, Status.UNKNOWN, category="NO_ANSWER", message="HubSpot's replies name nothing")
    return [*its, *ours, gone, silent, *(RowOutcome(1_000 + n, n, Status.UPDATED) for n in range(1_218))]


def test_a_text_says_what_why_and_where() -> None:
    """Counts, reasons with their property and row numbers, and where the rest is."""
    report = report_of(*rejected_outcomes(), results_path="s3://warehouse/hubspot/2026-01-03")
    assert summary_text(report.summary(), report.rejected_entries()).splitlines() == [
        "Contacts: 1,253 rows: 34 rejected, 1 unknown, 1,218 updated",
        "31 INVALID_OPTION of plan (rows 17, 34, 51, ...)",
        "2 VALIDATION_ERROR of industry (rows 1, 3)",
        "1 OBJECT_NOT_FOUND (row 12)",
        "1 unknown (row 8)",
        "Every outcome is in s3://warehouse/hubspot/2026-01-03",
    ]


def test_a_text_says_what_a_property_takes() -> None:
    """Where all rows of a category are known it is split by property, with what the property takes."""

    def rejected(row: int, name: str, category: str, takes: str) -> RowOutcome:
        message = f"property '{name}' takes {takes}; the row has text of 4 characters"
        return RowOutcome(row, row, Status.REJECTED, category=category, message=message)

    plan = "one of its options (free, starter, pro)"
    report = report_of(
        *(rejected(row, "plan", "INVALID_OPTION", plan) for row in (4, 2)),
        rejected(3, "size", "INVALID_OPTION", f"one of its options ({', '.join(['a long option'] * 10)} and 7 more)"),
        rejected(5, "renewal", "INVALID_DATE", "a date, YYYY-MM-DD"),
    )
    _, first, second, third, _ = summary_text(report.summary(), report.rejected_entries()).splitlines()
    assert first == "2 INVALID_OPTION of plan (rows 2, 4): allowed are free, starter, pro"
    assert second.startswith("1 INVALID_OPTION of size (row 3): allowed are a long option, ")
    assert second.endswith("a long option, ...")
    assert third == "1 INVALID_DATE of renewal (row 5): allowed is a date, YYYY-MM-DD"


def test_a_text_never_takes_hubspots_words_for_ours() -> None:
    """What HubSpot says may quote a row, also where it looks like a message of this package."""
    message = "property 'plan' takes Veza; the row has was not one of the allowed options"
    outcome = RowOutcome(0, 1, Status.REJECTED, category="A", message=message, correlation_id="c-1")
    report = report_of(outcome)
    assert "Veza" not in summary_text(report.summary(), report.rejected_entries())


def test_a_text_of_a_summary_alone_has_its_categories() -> None:
    """Without the rejected rows there are no properties and numbers, but counts and where to look."""
    assert summary_text(report_of(*rejected_outcomes()).summary()).splitlines() == [
        "Contacts: 1,253 rows: 34 rejected, 1 unknown, 1,218 updated",
        "31 INVALID_OPTION",
        "2 VALIDATION_ERROR",
        "1 OBJECT_NOT_FOUND",
        "1 unknown",
        "The first of these rows are in XCom 'rejected'",
    ]


def test_a_text_of_success_is_two_lines() -> None:
    """What went well is told in short; no rows are no success to speak of."""
    summary = report_of(*[RowOutcome(n, n, Status.UPDATED) for n in range(12)], results_path="/data/1").summary()
    assert summary_text(summary) == "Contacts: 12 rows: 12 updated\n13 requests, 4 s; every outcome is in /data/1"
    assert summary_text(report_of().summary()) == "Contacts: no rows\n13 requests, 4 s"
    both = combined_report([summary, summary])
    assert summary_text(both).startswith("Contacts: 24 rows in 2 syncs: 24 updated\n")


def test_a_text_has_six_lines_at_most() -> None:
    """Of many reasons the commonest are told, and how many more there are."""
    outcomes = [
        RowOutcome(n * 10 + k, n, Status.REJECTED, category=f"REASON_{n}") for n in range(1, 9) for k in range(n)
    ]
    report = report_of(*outcomes)
    lines = summary_text(report.summary(), report.rejected_entries()).splitlines()
    assert len(lines) == 6
    assert lines[1] == "8 REASON_8 (rows 80, 81, 82, ...)"
    assert lines[-1] == "10 more of 4 other kinds; the first of these rows are in XCom 'rejected'"


def test_a_text_holds_no_row_s_value_unless_asked() -> None:
    """HubSpot's words may quote values: they are in the text only on request, on one line each, and short."""
    report = report_of(*rejected_outcomes())
    assert "Veza" not in summary_text(report.summary(), report.rejected_entries())
    told = summary_text(report.summary(), report.rejected_entries(), values=True)
    assert "1 OBJECT_NOT_FOUND (row 12), such as 99: Veza is not there" in told.splitlines()
    long = report_of(RowOutcome(0, 1, Status.REJECTED, category="A", message="x\n" * 5_000))
    assert max(map(len, summary_text(long.summary(), long.rejected_entries(), values=True).splitlines())) < 300


def test_a_text_for_slack_is_marked_and_escaped() -> None:
    """Slack's signs for success and trouble; what it would take for its own is escaped."""
    outcome = RowOutcome(0, 1, Status.REJECTED, category="A", message="<!channel> & co")
    report = report_of(outcome, results_path="s3://b/<run>")
    first, second, third = summary_text(
        report.summary(), report.rejected_entries(), slack=True, values=True
    ).splitlines()
    assert first == ":warning: *contacts*: 1 row: 1 rejected"
    assert second == "1 `A` (row 0), such as 1: &lt;!channel&gt; &amp; co"
    assert third == "Every outcome is in s3://b/&lt;run&gt;"
    assert summary_text(report_of().summary(), slack=True).startswith(":white_check_mark: *contacts*: no rows")


@pytest.mark.parametrize(
    "message",
    [
        "property 'a b' takes",
        "Property values were not valid: [[",
        "Property values were not valid: {}",
        'Property values were not valid: [{"name": "Veza Smith"}]',
        "x" * 10**6,
        "[" * 10**5,
        ITS.replace("[", "[" * 10**4),
    ],
)
def test_a_message_of_any_shape_names_no_property(message: str) -> None:
    """Only what can be a property's name is told as one."""
    outcome = RowOutcome(0, 1, Status.REJECTED, category="A", message=message)
    report = report_of(outcome)
    assert re.search(r"^1 A \(row 0\)$", summary_text(report.summary(), [outcome.as_dict()]), re.MULTILINE)
