"""Rows that name one record with different values are counted."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_hubbatch.core.duplicates import WINDOW_ROWS, Duplicates
from airflow_provider_hubbatch.hooks import HubSpotHook

if TYPE_CHECKING:
    import pytest

    from airflow_provider_hubbatch.sandbox import HubSpotSandbox

ROWS = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["x", "y", ""])), max_size=30)


def counted(rows: list[tuple[str, str]], chunk_rows: int) -> Duplicates:
    duplicates = Duplicates()
    for start in range(0, len(rows), chunk_rows):
        part = rows[start : start + chunk_rows]
        properties = [{"p": value} if value else {} for _, value in part]
        duplicates.add(start, [key for key, _ in part], properties, ())
    return duplicates


@given(ROWS, st.integers(1, 9))
def test_duplicates_are_counted_exactly_within_the_window(rows: list[tuple[str, str]], chunk_rows: int) -> None:
    """Each row that writes other values than the row of its record before it, however the rows are cut into chunks."""
    last: dict[str, tuple[int, str]] = {}
    pairs = []
    for row, (key, value) in enumerate(rows):
        if value:
            if key in last and last[key][1] != value:
                pairs.append((last[key][0], row))
            last[key] = (row, value)
    found = counted(rows, chunk_rows)
    assert (found.count, found.pairs) == (len(pairs), pairs[:3])


def test_duplicates_beyond_the_window_are_not_counted() -> None:
    """Rows that are farther apart than the window are not compared: memory doesn't grow with the rows."""
    for distance, count in ((WINDOW_ROWS - 1, 1), (WINDOW_ROWS + 200, 0)):
        rows = [("a", "x"), *((f"k{n}", "x") for n in range(distance)), ("a", "y")]
        assert counted(rows, 100).count == count


def test_refused_rows_are_no_duplicates() -> None:
    """A row that isn't sent, or names no record, changes nothing."""
    duplicates = Duplicates()
    duplicates.add(0, ["a", "a", "", ""], [{"p": "x"}, {"p": "y"}, {"p": "x"}, {"p": "y"}], {1: []})
    assert duplicates.count == 0


def test_the_summary_and_one_line_tell_of_duplicates(sandbox: HubSpotSandbox, caplog: pytest.LogCaptureFixture) -> None:
    """Rows of one record take effect in order; the summary counts them, one line names the first."""
    rows: list[dict[str, Any]] = [{"id": n % 50 + 1, "city": f"town {n}"} for n in range(120)]
    rows.append({"id": 20, "city": "town 119"})
    with caplog.at_level(logging.WARNING):
        summary = HubSpotHook().batch_update("contacts", rows).summary()
    assert (summary["updated"], summary["duplicates"]) == (121, 70)
    assert sandbox.objects("contacts")["1"]["properties"]["city"] == "town 100"
    (line,) = [record.getMessage() for record in caplog.records if "near them" in record.getMessage()]
    assert line.startswith("70 rows name a record that a row near them names too, with other values (rows 0 and 50, ")
