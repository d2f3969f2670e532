"""No value of a row costs more than its own row: neither the sync, nor the XComs, nor the result files."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pandas as pd
import pytest
from hypothesis import given

from airflow_provider_hubbatch.core.json_values import MAX_ITEMS, MAX_NESTING, encode_row, encode_value
from airflow_provider_hubbatch.core.model import RowOutcome, Status
from airflow_provider_hubbatch.core.values import Invalid, convert_ids
from airflow_provider_hubbatch.hooks import HubSpotHook
from tests.core.test_values import DEFINITION, EVERY_DEFINITION, SCALARS, convert

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_hubbatch.sandbox import HubSpotSandbox


class Raising:
    """Raises whatever is asked of it."""

    def __getattribute__(self, name: str) -> Any:
        raise KeyError(name)

    def __str__(self) -> str:
        raise LookupError

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        raise OSError

    def __hash__(self) -> int:
        return 123_456


class Item:
    """Has the methods of a numpy scalar, none of which ends."""

    def item(self) -> Any:
        return self

    tolist = isoformat = item


class Text(str):
    """A text that raises."""

    __slots__ = ()

    def __str__(self) -> str:
        raise ValueError

    def isascii(self) -> bool:
        raise RuntimeError


class Dictionary(dict[str, Any]):
    """A row that raises."""

    def get(self, *_: Any) -> Any:
        raise RuntimeError


def cyclic() -> list[Any]:
    inner: list[Any] = []
    inner += [inner, inner]
    return inner


def deep(depth: int) -> Any:
    nested: Any = 1
    for _ in range(depth):
        nested = [nested]
    return nested


def laughing() -> Any:
    nested: Any = ["ha"] * 10
    for _ in range(15):
        nested = [nested] * 10
    return nested


def itself() -> Any:
    array = np.array(None, dtype=object)
    array[()] = array
    return array


ODD: dict[str, Any] = {
    "an int of 5,000 digits": 10**5000,
    "an object whose text raises": Raising(),
    "an object with endless methods": Item(),
    "text that raises": Text("a"),
    "a cyclic list": cyclic(),
    "a cyclic dict": {"a": cyclic()},
    "a deep list": deep(100_000),
    "a deep dict": {"a": {"b": deep(300)}},
    "a list that holds one list again and again": laughing(),
    "an array that holds itself": itself(),
    "bytes": b"\xff\x00",
    "half a surrogate pair": "\ud800",
    "infinity": math.inf,
    "a signalling NaN": Decimal("sNaN"),
    "a huge exponent": Decimal("1E+999999"),
    "a duration": timedelta(seconds=1),
    "a complex number": 1j,
    "a class": Raising,
    "a far time": pd.Timestamp(np.datetime64(10**12, "s")),
    "keys that are no text": {1: 2, None: 3, (1, 2): 4},
    "keys that raise": {Raising(): 1},
    "a set of anything": {1, "a", None, Raising()},
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_value_is_converted_or_refused(name: str) -> None:
    """Whatever a cell holds, its property gets a text or a reason, and so does its id."""
    for definition in EVERY_DEFINITION:
        for column in ([ODD[name]], [ODD[name], "x", None]):
            assert all(value is None or isinstance(value, (str, Invalid)) for value in convert(definition, *column))
    for id_property in (None, "sku", "email"):
        [identifier] = convert_ids([ODD[name]], id_property=id_property)
        assert isinstance(identifier, (str, Invalid))


@pytest.mark.parametrize("name", ODD)
def test_an_odd_value_leaves_the_outcome_readable(name: str) -> None:
    """An outcome can be written, and read within the limits of every JSON reader, whatever its row holds."""
    outcome = RowOutcome(0, ODD[name], Status.REJECTED, values={"odd": ODD[name], "odds": [ODD[name]], "even": 2})
    entry = outcome.as_dict()
    assert orjson.loads(orjson.dumps(entry)) == json.loads(json.dumps(entry, allow_nan=False)) == entry
    assert entry["values"]["even"] == 2
    assert set(entry["values"]) | set(entry.get("values_cut", ())) == {"odd", "odds", "even"}
    assert outcome.values_cut == tuple(entry.get("values_cut", ()))


@pytest.mark.parametrize("name", ["an int of 5,000 digits", "bytes", "a duration", "infinity", "a deep list"])
def test_what_json_can_not_hold_is_left_out_and_named(name: str) -> None:
    """A column is there as it was, or not at all: a stand-in might be sent to HubSpot one day."""
    assert encode_row({"id": 1, "odd": ODD[name]}) == ({"id": 1}, ("odd",))
    assert str(encode_value(ODD[name])).startswith("<")


def test_nesting_and_items_have_limits() -> None:
    """Up to the limits a nested value is kept whole."""
    assert encode_row({"deep": deep(MAX_NESTING), "wide": [1] * MAX_ITEMS})[1] == ()
    assert encode_row({"deep": deep(MAX_NESTING + 1), "wide": [1] * (MAX_ITEMS + 1)}) == ({}, ("deep", "wide"))


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (pd.NaT, None),
        (np.float32(0.1), 0.1),
        (np.int64(7), 7),
        (Decimal("1.50"), 1.5),
        (Decimal(12), 12),
        (Decimal("0.12345678901234567890"), "0.1234567890123456789"),
        (2**70, "1180591620717411303424"),
        (datetime(2024, 5, 1, 12, tzinfo=UTC), "2024-05-01T12:00:00+00:00"),
        ({"b", "a"}, ["a", "b"]),
        (np.array([[1], [2]]), [[1], [2]]),
        ({"a": (1, None)}, {"a": [1, None]}),
    ],
)
def test_values_are_written_so_that_they_mean_the_same(value: Any, read: Any) -> None:
    """What JSON has a form for is written in it."""
    assert encode_row({"a": value}) == ({"a": read}, ())


@given(DEFINITION, SCALARS)
def test_a_written_value_converts_as_the_row_s_own(definition: Any, value: Any) -> None:
    """A row read from a result file gives HubSpot what the row itself would, or its column isn't there."""
    row, cut = encode_row({"a": value})
    again = json.loads(json.dumps(row))
    if cut:
        return
    ours, theirs = convert(definition, value)[0], convert(definition, again["a"])[0]
    if isinstance(ours, Invalid):
        assert isinstance(theirs, Invalid)
    elif "T" not in str(ours):  # a time for a text property: as text it is the same moment, written otherwise
        assert theirs == ours


@pytest.mark.parametrize("rows", ["dicts", "frame"])
def test_an_outcome_has_only_columns_that_settings_name(sandbox: HubSpotSandbox, rows: str, tmp_path: Path) -> None:
    """What nobody mapped is in no XCom and no result file."""
    given_rows = [{"id": 1, "firstname": b"", "ssn": "123-45", "password_hash": "f00"}]
    report = HubSpotHook().batch_update(
        "contacts",
        given_rows if rows == "dicts" else pd.DataFrame(given_rows),
        properties={"firstname": "lastname"},
        results_path=str(tmp_path),
    )
    written = "".join(path.read_text() for path in tmp_path.iterdir())
    for text in (json.dumps(report.rejected_entries()), written):
        assert '"values": {"id": 1}' in text or '"values":{"id":1}' in text
        assert '"firstname"' in text  # in values_cut: bytes are no JSON
        assert "ssn" not in text
        assert "password_hash" not in text


def test_odd_rows_cost_only_themselves(sandbox: HubSpotSandbox, tmp_path: Path) -> None:
    """Rows with such values, in mapped columns and in others, are rejected one by one; the good ones are written."""
    ids = list(sandbox.objects("contacts"))
    odd = [{"id": one, "firstname": value} for one, value in zip(ids, ODD.values(), strict=False)]
    other = [
        {"id": one, "firstname": "Ann", "other": value}
        for one, value in zip(ids[len(ODD) :], ODD.values(), strict=False)
    ]
    report = HubSpotHook().batch_update(
        "contacts", [*odd, *other, Dictionary(id=1)], properties=["firstname"], results_path=str(tmp_path)
    )
    summary = report.summary()
    assert summary["rows"] == 2 * len(ODD) + 1
    assert summary["updated"] >= len(ODD)
    assert summary["unknown"] == 0
    lines = [line for path in tmp_path.glob("*.jsonl") for line in path.read_text().splitlines()]
    assert sorted(json.loads(line)["row"] for line in lines) == list(range(2 * len(ODD) + 1))
