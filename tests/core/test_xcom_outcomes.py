"""What of the outcomes goes into XComs: never more than Airflow's database takes, never a part of a value."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_hubbatch.core.model import LinkedTo, RowOutcome, Status
from airflow_provider_hubbatch.core.sync_report import SyncReport
from airflow_provider_hubbatch.core.xcom_outcomes import MAX_BYTES, MAX_CHARACTERS, list_rejected, list_results


def rejected(row: int, values: dict[str, Any] | None = None, **what: Any) -> RowOutcome:
    return RowOutcome(row, what.pop("id", row), Status.REJECTED, values=values, **what)


def report_of(outcomes: list[RowOutcome]) -> SyncReport:
    report = SyncReport("contacts")
    for outcome in outcomes:
        report.add(outcome)
    return report


def test_a_long_value_is_left_out_whole_and_named() -> None:
    """A value of more than 1,000 characters isn't there, nor a part of it, and its column is named."""
    values = {"id": 7, "note": "x" * 1_001, "city": "y" * 1_000, "tags": ["z" * 600] * 2, "n": 10**17}
    (entry,) = list_rejected([rejected(0, values)])
    assert entry["values"] == {"id": 7, "city": "y" * 1_000, "n": 10**17}
    assert entry["values_cut"] == ["note", "tags"]


def test_columns_that_json_can_not_hold_are_named_beside() -> None:
    """Both reasons for leaving a column out stand in one list."""
    (entry,) = list_rejected([rejected(0, {"id": 7, "blob": b"x", "note": "x" * 2_000})])
    assert (entry["values"], sorted(entry["values_cut"])) == ({"id": 7}, ["blob", "note"])


def test_messages_and_ids_are_as_long_as_a_person_reads() -> None:
    """A message is shortened, an id that long is described: neither is sent on."""
    (entry,) = list_rejected([rejected(0, id="k" * 5_000, message="m" * 5_000)])
    assert (entry["id"], entry["message"]) == ("<5,000 characters>", "m" * 1_000 + "...")
    (entry,) = list_rejected([rejected(0, id=["k"] * 5_000)])
    assert entry["id"].startswith("<")


def test_a_thousand_texts_of_100_kb_are_a_small_xcom() -> None:
    """Rows with long texts are all listed, without these texts."""
    report = report_of([rejected(row, {"id": row, "essay": "x" * 100_000}) for row in range(1_000)])
    entries = report.rejected_entries()
    assert [entry["values"] for entry in entries] == [{"id": row} for row in range(1_000)]
    assert len(json.dumps(entries)) <= MAX_BYTES
    assert "rejected_listed" not in report.summary()


def test_the_summary_says_how_many_rows_the_xcom_lists() -> None:
    """Where the rows are too large together, the first of them are listed, and the summary has their number."""
    report = report_of([rejected(row, {f"c{n}": "ü" * 900 for n in range(10)}) for row in range(1_000)])
    entries = report.rejected_entries()
    assert 0 < len(entries) < 1_000
    assert [entry["row"] for entry in entries] == list(range(len(entries)))
    assert len(json.dumps(entries)) <= MAX_BYTES
    summary = report.summary()
    assert (summary["rejected"], summary["rejected_listed"]) == (1_000, len(entries))


def test_one_large_row_leaves_room_for_the_others() -> None:
    """A row with very many columns is listed without values, and those after it as ever."""
    large = rejected(0, {f"c{n}": "x" * 999 for n in range(1_500)})
    first, second = list_rejected([large, rejected(1, {"id": 1})])
    assert (len(first["values_cut"]), "values" in first) == (1_500, False)
    assert second["values"] == {"id": 1}


def test_results_fit_with_every_row() -> None:
    """Of up to 1,000 rows, all are in the results, however long HubSpot's messages are."""
    outcomes = [rejected(row, {"essay": "x" * 100_000}, message="m" * 100_000, id="i" * 900) for row in range(1_000)]
    results = list_results(outcomes)
    assert [entry["row"] for entry in results] == list(range(1_000))
    assert len(json.dumps(results)) <= MAX_BYTES + len("[]")
    assert not any("values" in entry for entry in results)


@given(st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=1_200) | st.integers(), max_size=5), max_size=9))
def test_what_is_listed_is_whole(rows: list[dict[str, Any]]) -> None:
    """Every value is there as it was, or its column is named."""
    for entry, values in zip(list_rejected([rejected(0, row) for row in rows]), rows, strict=True):
        cut = entry.get("values_cut", [])
        assert set(entry["values"]) | set(cut) == set(values)
        assert all(len(str(value)) <= MAX_CHARACTERS for value in entry["values"].values())
        assert all(str(values[name]) == str(value) for name, value in entry["values"].items())


def test_a_long_id_is_left_out_on_both_sides_of_a_link() -> None:
    """An id that nobody reads is told by its length, whichever side of a link it names."""
    linked = RowOutcome(0, "x" * 2_000, Status.CREATED, to=LinkedTo("y" * 3_000, "7"))
    (entry,) = list_results([linked])
    assert (entry["id"], entry["to_id"], entry["to_record_id"]) == ("<2,000 characters>", "<3,000 characters>", "7")
