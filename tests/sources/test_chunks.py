"""Rows that are in memory already, as chunks."""

from __future__ import annotations

import copy
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_hubbatch.core.model import MISSING, Chunk
from airflow_provider_hubbatch.exceptions import SettingsError
from airflow_provider_hubbatch.sources import chunks, describe, total_rows

CELLS = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
DICTS = st.lists(st.dictionaries(st.text(max_size=3), CELLS, max_size=4), max_size=30)


def rows_of(parts: list[Chunk]) -> list[dict[str, Any]]:
    assert [part.first_row for part in parts] == [sum(p.length for p in parts[:i]) for i in range(len(parts))]
    assert all(len(values) == part.length for part in parts for values in part.columns.values())
    return [part.row(offset) for part in parts for offset in range(part.length)]


@given(rows=DICTS, chunk_rows=st.integers(1, 7))
def test_chunks_of_dicts_keep_every_row_in_order(rows: list[dict[str, Any]], chunk_rows: int) -> None:
    """Any list of dicts comes out as it went in: every row, in order, with its own keys, and unchanged itself."""
    given_rows = copy.deepcopy(rows)
    parts = list(chunks(rows, chunk_rows=chunk_rows))
    assert rows_of(parts) == given_rows
    assert rows == given_rows
    assert all(0 < part.length <= chunk_rows and not part.complete and not part.invalid for part in parts)


@given(nested=st.lists(DICTS, min_size=1, max_size=5), chunk_rows=st.integers(1, 7))
def test_chunks_of_lists_are_those_of_their_concatenation(nested: list[list[Any]], chunk_rows: int) -> None:
    """Lists of lists of dicts, as mapped tasks give them, are read as one list."""
    flat = [row for rows in nested for row in rows]
    assert list(chunks(nested, chunk_rows=chunk_rows)) == list(chunks(flat, chunk_rows=chunk_rows))
    assert total_rows(nested) == len(flat)


@pytest.mark.parametrize("wrong", [None, 5, {"id": 1}, b"id", object(), "[{'id': 1}]", ""])
def test_chunks_of_no_rows_say_which_setting(wrong: object) -> None:
    """What can't be rows is refused at once, by its type and the setting's name, never by its content."""
    with pytest.raises(SettingsError, match="`rows` is") as caught:
        chunks(wrong)
    assert "[{" not in str(caught.value)


def test_chunks_of_frames_are_read_by_column() -> None:
    """A DataFrame's integers stay integers beside a column of floats, and its index is left out."""
    frame = pd.DataFrame({"id": [1, 2, 3], "amount": [0.5, None, 2.0]}, index=["a", "b", "c"])
    parts = list(chunks(frame, chunk_rows=2))
    assert [part.columns["id"] for part in parts] == [[1, 2], [3]]
    assert [type(value) for value in parts[0].columns["id"]] == [int, int]
    assert parts[0].complete
    assert describe(frame) == "DataFrame of 3 rows x 2 columns"


def test_chunks_count_a_row_that_is_no_dict() -> None:
    """A row that is no dict costs only itself, and is named by index and type."""
    (part,) = chunks([{"id": 1}, ["secret"], {"name": "x"}])
    assert part.invalid == {1: "row 1 is a list, expected a dict"}
    assert part.columns == {"id": [1, MISSING, MISSING], "name": [MISSING, MISSING, "x"]}


@pytest.mark.parametrize(
    ("rows", "kind"),
    [([(1, "x"), (2, "y")], "a tuple"), ([[1, "x"]], "a list"), (["x", "y"], "a str"), ([None], "a NoneType")],
)
def test_chunks_refuse_rows_without_column_names(rows: list[Any], kind: str) -> None:
    """Rows that are all plain lists, as a SQL operator's output has them, are refused with what to use instead."""
    with pytest.raises(SettingsError, match=f"row 0 is {kind}, expected a dict.*SqlRows"):
        list(chunks(rows))


def test_chunks_read_mixed_sources_in_order() -> None:
    """Lists, DataFrames and single dicts beside each other are read in their order, and nothing among them is lost."""
    sources = [[{"id": 0}], pd.DataFrame({"id": [1, 2]}), {"id": 3}, [], [{"id": 4}], None, [7, 8]]
    parts = list(chunks(sources))
    assert [value for part in parts for value in part.columns["id"]] == [0, 1, 2, 3, 4, MISSING, MISSING]
    assert [part.first_row for part in parts] == [0, 1, 3]
    assert parts[-1].invalid == {
        2: "row 5 is a NoneType, expected a dict",
        3: "row 6 is a list, expected a dict",
    }


@pytest.mark.parametrize(
    "frame",
    [pd.DataFrame([[1, 2]], columns=["id", "id"]), pd.DataFrame([[1, 2]], columns=[0, "0"])],
)
def test_chunks_refuse_two_columns_of_one_name(frame: pd.DataFrame) -> None:
    """A DataFrame whose columns can't be told by their names is refused, naming them."""
    with pytest.raises(SettingsError, match="more than one column named"):
        list(chunks(frame))


def test_chunks_name_columns_by_text() -> None:
    """Column names that are no text become text, of a DataFrame as of dicts."""
    assert [list(part.columns) for part in chunks(pd.DataFrame([[1, 2]]))] == [["0", "1"]]
    assert [list(part.columns) for part in chunks([{1: "a"}])] == [["1"]]
