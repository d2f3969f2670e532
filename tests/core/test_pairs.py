"""Rows that name two records: settings, columns and rows checked before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_hubbatch.core.model import Chunk, Input, RowOutcome
from airflow_provider_hubbatch.core.pairs import PairMapping, PairSpec, Side
from airflow_provider_hubbatch.exceptions import SettingsError


def mapping(labels: list[str] | None = None, **settings: Any) -> PairMapping:
    spec = PairSpec.checked(**{"from_column": "a", "to_column": "b", **settings})
    sides = (
        Side("from", "contacts", spec.from_column, spec.from_id_property),
        Side("to", "companies", spec.to_column, spec.to_id_property),
    )
    return PairMapping(spec, sides, labels)


def prepared(one: PairMapping, **columns: list[Any]) -> list[Input | RowOutcome]:
    return one.prepare(Chunk(10, columns, len(next(iter(columns.values())))))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"from_column": ""}, "from_column"),
        ({"to_column": None}, "to_column"),
        ({"from_id_property": 7}, "from_id_property"),
        ({"label": " "}, "label"),
        ({"label_column": 3}, "label_column"),
        ({"label": "x", "label_column": "y"}, "label and label_column"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], named: str) -> None:
    """Each setting that can't be right is told by its name."""
    with pytest.raises(SettingsError, match=named):
        mapping(**settings)


def test_a_missing_column_is_named_with_the_near_miss() -> None:
    """The rows' columns are checked before anything is sent."""
    with pytest.raises(SettingsError, match=r"to_column names the column 'company'.*did you mean 'compny'"):
        mapping(to_column="company").check_columns(["a", "compny"], complete=True)


def test_record_ids_are_known_and_keys_are_looked_up() -> None:
    """A record id has one spelling; a key's record isn't known yet."""
    (item,) = prepared(mapping(to_id_property="erp_id"), a=[7.0], b=["E-1"])
    assert isinstance(item, Input)
    assert item.pair is not None
    assert (item.given_id, item.pair.given_to) == (7.0, "E-1")
    assert (item.pair.from_record, item.pair.to_record, item.pair.to_id) == ("7", None, "E-1")


def test_a_bad_side_rejects_its_row_and_is_named() -> None:
    """Both sides and the label are checked, and every reason is told."""
    rows = prepared(
        mapping(["Billing"], label_column="kind"),
        a=[None, 1, 1, 1],
        b=[1, "abc", 1, 1],
        kind=["Billing", "Billing", "Boss", None],
    )
    told = [(one.category, one.to_id) if isinstance(one, RowOutcome) else None for one in rows]
    assert told == [("MISSING_ID", 1), ("INVALID_ID", "abc"), ("UNKNOWN_LABEL", 1), None]
    assert [one.row for one in rows] == [10, 11, 12, 13]
    first = rows[0]
    assert isinstance(first, RowOutcome)
    assert first.message is not None
    assert first.message.startswith("the from side (column 'a')")
    assert first.values == {"a": None, "b": 1, "kind": "Billing"}


def test_a_row_without_a_label_takes_nothing_away() -> None:
    """With a label column, an empty cell would take the whole link away: the row is rejected."""
    rows = prepared(mapping(["Billing"], label_column="kind", remove=True), a=[1, 1], b=[2, 2], kind=["", "Billing"])
    assert isinstance(rows[0], RowOutcome)
    assert rows[0].category == "MISSING_LABEL"
    assert isinstance(rows[1], Input)
