"""The guard against emptying a property by accident, as a decision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_hubbatch.core.clearing import EmptyValues, hold_until_checked
from airflow_provider_hubbatch.core.model import MISSING, Chunk, Input, RowOutcome, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

CELLS = st.sampled_from(["", None, "x"])


@given(st.lists(st.lists(CELLS, min_size=1, max_size=400), max_size=8), st.sampled_from([None, 0.0, 0.5, 1.0]))
def test_the_guard_is_exact(chunks: list[list[Any]], share: float | None) -> None:
    """However the rows are cut into chunks, the same rows stop a sync, and none is handed on before it is checked."""
    empty = EmptyValues(clears=True, max_cleared=share)
    handed: list[Any] = []
    errors: list[BaseException] = []

    def prepared() -> Iterator[tuple[list[RowOutcome], bool]]:
        first_row = 0
        for cells in chunks:
            converted = ["" if cell == "" else cell for cell in cells]
            empty.add(Chunk(first_row, {"c": cells}, len(cells)), [("c", "p", converted)], ())
            yield [RowOutcome(first_row + n, n, Status.UNCHANGED) for n in range(len(cells))], False
            first_row += len(cells)

    for rows in hold_until_checked(prepared(), empty, errors.append):
        handed += rows if not errors else []
    cells = [cell for chunk in chunks for cell in chunk]
    if share is None:
        stops = len(cells) >= 100 and all(cell == "" for cell in cells[:1_000])
        assert bool(errors) is stops
        assert handed == [] if stops else len(handed) == len(cells)
    elif share < 1:
        assert len(handed) < 100 or sum(cell == "" for cell in cells[: len(handed)]) <= share * len(handed)
    else:
        assert errors == []


def test_missing_cells_are_no_gaps() -> None:
    """A key that a row lacks, and a null of any kind, is no empty text."""
    empty = EmptyValues()
    values = [MISSING, None, float("nan"), pd.NA, "x"]
    gap = ("a", "a", [None, None, None, None, "x"])
    empty.add(Chunk(0, {"a": values}, 5), [gap], [gap])
    assert list(empty.left_alone) == []
    gaps = [("a", "a", [None]), ("b", "b", [None])]
    empty.add(Chunk(5, {"a": [" "], "b": [[]]}, 1), gaps, gaps)
    assert list(empty.left_alone) == ["a", "b"]


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_an_earlier_run_s_rows_are_exempt(order: list[int]) -> None:
    """They neither wait nor count nor are held back, and they never overtake rows that wait before them."""
    empty = EmptyValues(clears=True)
    errors: list[BaseException] = []
    inputs = [Input(row, row, str(row), str(row), {"p": ""}) for row in range(400)]

    def prepared() -> Iterator[tuple[list[Input], bool]]:
        for part in order:
            rows = inputs[200 * part : 200 * part + 200]
            if part:
                empty.add(Chunk(200, {"c": [None] * 200}, 200), [("c", "p", [""] * 200)], ())
            yield rows, not part

    handed = [row for rows in hold_until_checked(prepared(), empty, errors.append) for row in rows]
    assert len(errors) == 1
    kinds = ["sent again" if isinstance(row, Input) else (row.status.value, row.category) for row in handed]
    assert [row.row // 200 for row in handed] == [part for part in order for _ in range(200)]
    assert kinds.count("sent again") == 200
    assert kinds.count(("not_sent", "CLEARING_STOPPED")) == 200
