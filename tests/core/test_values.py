# ruff: noqa: DTZ001 - times without zone are part of what is tested
"""What becomes of every kind of value, against the sandbox's definitions, and in general."""

from __future__ import annotations

import enum
import re
import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from airflow_provider_hubbatch.core import scalars
from airflow_provider_hubbatch.core.definitions import PropertyDefinition, definitions_from_json
from airflow_provider_hubbatch.core.model import MISSING
from airflow_provider_hubbatch.core.values import (
    Converted,
    Invalid,
    NullValues,
    compile_converter,
    convert_ids,
    equal_values,
    order_key,
)
from airflow_provider_hubbatch.sandbox.schema import seeded_properties
from airflow_provider_hubbatch.sandbox.values import stored_value

SANDBOX = seeded_properties("contacts")
DEFINITIONS = definitions_from_json([definition.as_json() for definition in SANDBOX.values()])
BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = timezone(timedelta(hours=-5))
SKIPPED = None


class Plan(enum.Enum):
    PRO = "pro"


class Level(enum.IntEnum):
    HIGH = 3


class Refused(str):
    """Stands in the table for an :class:`Invalid` of this category."""

    __slots__ = ()


NO_TEXT = Refused("INVALID_TEXT")
NO_NUMBER = Refused("INVALID_NUMBER")
NO_BOOL = Refused("INVALID_BOOLEAN")
NO_DATE = Refused("INVALID_DATE")
NO_OPTION = Refused("INVALID_OPTION")
NO_EMAIL = Refused("INVALID_EMAIL")

# property of the sandbox's contacts, value, what is sent
TABLE: list[tuple[str, Any, str | None]] = [
    # text
    ("firstname", "Zoë", "Zoë"),
    ("firstname", "  Ann ", "  Ann "),
    ("firstname", "", SKIPPED),
    ("firstname", " \t ", SKIPPED),
    ("firstname", "NaN", "NaN"),
    ("firstname", "😀", "😀"),
    ("firstname", "\ud800", NO_TEXT),
    ("firstname", np.str_("Ann"), "Ann"),
    ("firstname", 123, "123"),
    ("firstname", 123.0, "123"),
    ("firstname", 0.1, "0.1"),
    ("firstname", 1e22, "10000000000000000000000"),
    ("firstname", True, "true"),
    ("firstname", np.False_, "false"),
    ("firstname", date(2024, 5, 1), "2024-05-01"),
    ("firstname", datetime(2024, 5, 1, 12, tzinfo=BERLIN), "2024-05-01T10:00:00.000Z"),
    ("firstname", pd.Timestamp("2024-05-01 12:00"), "2024-05-01T12:00:00.000Z"),
    ("firstname", time(9, 30), "09:30:00"),
    ("firstname", uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    ("firstname", ["a", "b"], "a;b"),
    ("firstname", ("a", None, "", 2.0), "a;2"),
    ("firstname", {"b", "a"}, "a;b"),
    ("firstname", np.array([1.0, 2.5]), "1;2.5"),
    ("firstname", ["a;b"], NO_TEXT),
    ("firstname", [["a"]], NO_TEXT),
    ("firstname", [], SKIPPED),
    ("firstname", ["", None], SKIPPED),
    ("firstname", set(), SKIPPED),
    ("firstname", [None, float("nan")], SKIPPED),
    ("firstname", b"Ann", NO_TEXT),
    ("firstname", {"a": 1}, NO_TEXT),
    ("firstname", 1j, NO_TEXT),
    ("firstname", timedelta(seconds=1), NO_TEXT),
    ("firstname", pd.Timedelta(1, "s"), NO_TEXT),
    ("firstname", np.timedelta64(1, "s"), NO_TEXT),
    ("firstname", float("inf"), NO_TEXT),
    ("firstname", object(), NO_TEXT),
    ("firstname", Plan.PRO, "pro"),
    # nulls
    ("firstname", None, SKIPPED),
    ("firstname", float("nan"), SKIPPED),
    ("firstname", np.float32("nan"), SKIPPED),
    ("firstname", pd.NA, SKIPPED),
    ("score", pd.NaT, SKIPPED),
    ("score", Decimal("NaN"), SKIPPED),
    ("score", Decimal("sNaN"), SKIPPED),
    ("last_synced_at", np.datetime64("NaT"), SKIPPED),
    ("interests", None, SKIPPED),
    ("email", pd.NA, SKIPPED),
    ("firstname", MISSING, SKIPPED),
    # numbers
    ("score", 0, "0"),
    ("score", -0.0, "0"),
    ("score", 12, "12"),
    ("score", 2**70, "1180591620717411303424"),
    ("score", 10**5000, NO_NUMBER),
    ("score", 1.5, "1.5"),
    ("score", 100.0, "100"),
    ("score", 1e-7, "0.0000001"),
    ("score", 1e16, "10000000000000000"),
    ("score", 0.1 + 0.2, "0.30000000000000004"),
    ("score", np.int64(7), "7"),
    ("score", np.uint8(7), "7"),
    ("score", np.float64(0.5), "0.5"),
    ("score", np.float32(0.1), "0.1"),
    ("score", np.float32(16777216), "16777216"),
    ("score", np.float16(0.1), "0.1"),
    ("score", Decimal("1E+3"), "1000"),
    ("score", Decimal("1.50"), "1.5"),
    ("score", Decimal("-0.00"), "0"),
    ("score", Decimal("1E-9"), "0.000000001"),
    ("score", Decimal("1E+999999"), NO_NUMBER),
    ("score", "12", "12"),
    ("score", " 12.50 ", "12.5"),
    ("score", "+1e3", "1000"),
    ("score", ".5", "0.5"),
    ("score", "007", "7"),
    ("score", "1,000", NO_NUMBER),
    ("score", "1_000", NO_NUMBER),
    ("score", "1 000", NO_NUMBER),
    ("score", "٣", NO_NUMBER),
    ("score", "nan", NO_NUMBER),
    ("score", "inf", NO_NUMBER),
    ("score", "1e9999", NO_NUMBER),
    ("score", "abc", NO_NUMBER),
    ("score", "", SKIPPED),
    ("score", " ", SKIPPED),
    ("score", float("inf"), NO_NUMBER),
    ("score", True, "1"),
    ("score", Level.HIGH, "3"),
    ("score", date(2024, 5, 1), NO_NUMBER),
    ("score", [1], NO_NUMBER),
    ("score", Fraction(1, 3), NO_NUMBER),
    # bools
    ("is_active", True, "true"),
    ("is_active", np.True_, "true"),
    ("is_active", 0, "false"),
    ("is_active", 1.0, "true"),
    ("is_active", Decimal(0), "false"),
    ("is_active", "TRUE", "true"),
    ("is_active", " no ", "false"),
    ("is_active", "t", "true"),
    ("is_active", "0", "false"),
    ("is_active", 2, NO_BOOL),
    ("is_active", "maybe", NO_BOOL),
    ("is_active", float("nan"), SKIPPED),
    ("is_active", date(2024, 5, 1), NO_BOOL),
    # dates
    ("renewal_date", date(2024, 5, 1), "2024-05-01"),
    ("renewal_date", date(1, 1, 1), "0001-01-01"),
    ("renewal_date", datetime(2024, 5, 1), "2024-05-01"),
    ("renewal_date", datetime(2024, 5, 1, 14, 30), "2024-05-01"),
    ("renewal_date", datetime(2024, 5, 1, tzinfo=BERLIN), "2024-05-01"),
    ("renewal_date", datetime(2024, 5, 1, 14, tzinfo=BERLIN), "2024-05-01"),
    ("renewal_date", datetime(2024, 5, 1, 1, tzinfo=BERLIN), NO_DATE),
    ("renewal_date", datetime(2024, 5, 1, 23, tzinfo=NEW_YORK), NO_DATE),
    ("renewal_date", pd.Timestamp("2024-05-01"), "2024-05-01"),
    ("renewal_date", pd.Timestamp("2024-05-01 09:00", tz="UTC"), "2024-05-01"),
    ("renewal_date", np.datetime64("2024-05-01"), "2024-05-01"),
    ("renewal_date", np.datetime64("2024-05-01T01:00:00.000000001"), "2024-05-01"),
    ("renewal_date", "2024-05-01", "2024-05-01"),
    ("renewal_date", " 2024-05-01 ", "2024-05-01"),
    ("renewal_date", "2024-05-01T00:00:00Z", "2024-05-01"),
    ("renewal_date", "2024-05-01 23:00:00-05:00", NO_DATE),
    ("renewal_date", 1714521600000, "2024-05-01"),
    ("renewal_date", 1714521600000.0, "2024-05-01"),
    ("renewal_date", "1714521600000", "2024-05-01"),
    ("renewal_date", 1714521600001, NO_DATE),
    ("renewal_date", 20240501, NO_DATE),
    ("renewal_date", "20240501", NO_DATE),
    ("renewal_date", "2024-02-30", NO_DATE),
    ("renewal_date", "01/05/2024", NO_DATE),
    ("renewal_date", "2024-W18-3", NO_DATE),
    ("renewal_date", True, NO_DATE),
    ("renewal_date", np.datetime64(10**15, "s"), NO_DATE),
    # dates with a time
    ("last_synced_at", datetime(2024, 5, 1, 12, 0, 0, 123999), "2024-05-01T12:00:00.123Z"),
    ("last_synced_at", datetime(2024, 5, 1, 12, tzinfo=UTC), "2024-05-01T12:00:00.000Z"),
    ("last_synced_at", datetime(2024, 5, 1, 12, tzinfo=BERLIN), "2024-05-01T10:00:00.000Z"),
    ("last_synced_at", pd.Timestamp("2024-05-01 12:00:00.123456789"), "2024-05-01T12:00:00.123Z"),
    ("last_synced_at", pd.Timestamp("2024-05-01 12:00", tz="Europe/Berlin"), "2024-05-01T10:00:00.000Z"),
    ("last_synced_at", np.datetime64("2024-05-01T12:00:00.123456789"), "2024-05-01T12:00:00.123Z"),
    ("last_synced_at", date(2024, 5, 1), "2024-05-01T00:00:00.000Z"),
    ("last_synced_at", "2024-05-01T12:00:00+02:00", "2024-05-01T10:00:00.000Z"),
    ("last_synced_at", "2024-05-01 12:00:00.123456 UTC", "2024-05-01T12:00:00.123Z"),
    ("last_synced_at", "2024-05-01 12:00:00+00", "2024-05-01T12:00:00.000Z"),
    ("last_synced_at", "2024-05-01 12:00:00.000 -0700", "2024-05-01T19:00:00.000Z"),
    ("last_synced_at", "2024-05-01", "2024-05-01T00:00:00.000Z"),
    ("last_synced_at", 1714564800123, "2024-05-01T12:00:00.123Z"),
    ("last_synced_at", 1714564800123.9, "2024-05-01T12:00:00.123Z"),
    ("last_synced_at", "1714564800123", "2024-05-01T12:00:00.123Z"),
    ("last_synced_at", -1000000000000, "1938-04-24T22:13:20.000Z"),
    ("last_synced_at", 1714564800, NO_DATE),
    ("last_synced_at", 1714564800123456, NO_DATE),
    ("last_synced_at", float("inf"), NO_DATE),
    ("last_synced_at", datetime.min.replace(tzinfo=timezone(timedelta(hours=1))), NO_DATE),
    ("last_synced_at", "yesterday", NO_DATE),
    ("last_synced_at", "2024-05-01T25:00:00Z", NO_DATE),
    ("last_synced_at", time(9, 30), NO_DATE),
    # options
    ("plan", "pro", "pro"),
    ("plan", "Pro", "pro"),
    ("plan", " PRO ", "pro"),
    ("plan", "legacy", "legacy"),
    ("plan", Plan.PRO, "pro"),
    ("plan", ["pro"], "pro"),
    ("plan", ["pro", "free"], NO_OPTION),
    ("plan", "gold", NO_OPTION),
    ("plan", "pro;free", NO_OPTION),
    ("plan", 1, NO_OPTION),
    ("plan", "", SKIPPED),
    ("plan", "  ", SKIPPED),
    ("lifecyclestage", "customer", "customer"),
    ("hs_lead_status", "In progress", "IN_PROGRESS"),
    ("interests", "news", "news"),
    ("interests", "news;events", "news;events"),
    ("interests", "News; Events", "news;events"),
    ("interests", ";news", ";news"),
    ("interests", ["news", "Events"], "news;events"),
    ("interests", {"offers", "news"}, "news;offers"),
    ("interests", np.array(["news", "offers"]), "news;offers"),
    ("interests", ["", "news"], "news"),
    ("interests", [], SKIPPED),
    ("interests", [None], SKIPPED),
    ("interests", "news;golf", NO_OPTION),
    ("interests", "news;;events", NO_OPTION),
    ("interests", ";", NO_OPTION),
    ("interests", {"news": True}, NO_OPTION),
    # owners, phone numbers, addresses
    ("hubspot_owner_id", 71001, "71001"),
    ("hubspot_owner_id", 71001.0, "71001"),
    ("hubspot_owner_id", " 71001 ", "71001"),
    ("hubspot_owner_id", "ann@example.com", Refused("OWNERS_UNREAD")),
    ("hubspot_owner_id", "Ann", NO_OPTION),
    ("hubspot_owner_id", -1, NO_OPTION),
    ("phone", "+49 170 1234567 ", "+49 170 1234567"),
    ("phone", 491701234567.0, "491701234567"),
    ("email", " ann@example.com ", "ann@example.com"),
    ("email", "o'hara+news@mail.example.co", "o'hara+news@mail.example.co"),
    ("email", "ann@example", NO_EMAIL),
    ("email", "Ann <ann@example.com>", NO_EMAIL),
    ("email", "a@example.com;b@example.com", NO_EMAIL),
    ("email", 5, NO_EMAIL),
]


def convert(definition: PropertyDefinition | None, *values: Any, null_values: NullValues = "skip") -> list[Converted]:
    return compile_converter(definition, name="x", null_values=null_values, object_type="contacts")(values)


def of_type(kind: str, **more: Any) -> PropertyDefinition:
    return PropertyDefinition(name="x", type=kind, **more)


@pytest.mark.parametrize(
    ("name", "value", "expected"), TABLE, ids=[f"{place}-{name}" for place, (name, _, _) in enumerate(TABLE)]
)
def test_convert_gives_what_the_property_takes(name: str, value: Any, expected: str | None) -> None:
    """A value becomes the one text that its property takes, or rejects its row."""
    [converted] = convert(DEFINITIONS[name], value)
    if isinstance(expected, Refused):
        assert isinstance(converted, Invalid)
        assert converted.category == expected
    else:
        assert converted == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [(name, sent) for name, _, sent in TABLE if sent is not None and not isinstance(sent, Refused)],
)
def test_convert_gives_what_hubspot_accepts(name: str, expected: str) -> None:
    """HubSpot refuses none of the texts that values become."""
    stored_value(SANDBOX[name], expected, owners={"71001"}, normalise_dates=False)


def test_table_is_long_enough() -> None:
    """The table holds at least a hundred values."""
    assert len(TABLE) >= 100


@pytest.mark.parametrize(
    "value",
    ["secret 1", 98765.4321, ["secret;1"], {"secret": 1}, b"secret", object(), "secret@example", "\ud800secret"],
)
@pytest.mark.parametrize("name", ["firstname", "score", "is_active", "renewal_date", "plan", "interests", "email"])
def test_invalid_reason_never_quotes_the_value(name: str, value: Any) -> None:
    """A reason says which kind of value the row has, and never the value: it may end up in a log."""
    for converted in convert(DEFINITIONS[name], value):
        if isinstance(converted, Invalid):
            assert "secret" not in converted.reason
            assert "98765" not in converted.reason


def test_invalid_reason_says_what_would_be_accepted() -> None:
    """A reason names the property, what it takes and what the row has instead."""
    [converted] = compile_converter(DEFINITIONS["plan"], name="plan")(["gold"])
    assert converted == Invalid(
        "INVALID_OPTION",
        "property 'plan' takes one of its options (free, starter, pro, enterprise, legacy);"
        " the row has text of 4 characters",
    )


@pytest.mark.parametrize(
    "null", ["", " ", [], [""], None, float("nan"), pd.NA, pd.NaT, np.float32("nan"), Decimal("NaN"), [None]]
)
@pytest.mark.parametrize("name", ["firstname", "interests", "plan"])
def test_null_values_clear_empties_the_property(name: str, null: Any) -> None:
    """With null_values="clear" every kind of null empties the property; a missing key still leaves it alone."""
    assert convert(DEFINITIONS[name], null, MISSING, null_values="clear") == ["", None]


@pytest.mark.parametrize("kind", ["", "a_type_of_next_year", "json"])
def test_convert_goes_by_python_type_where_the_property_tells_nothing(kind: str) -> None:
    """Without a definition, or with a type we don't know, a value's own type decides."""
    values = [1.0, True, date(2024, 5, 1), datetime(2024, 5, 1, 12), "x", None, [1, "b"], " a "]
    wanted = ["1", "true", "2024-05-01", "2024-05-01T12:00:00.000Z", "x", None, "1;b", " a "]
    assert convert(of_type(kind), *values) == wanted
    assert convert(None, *values) == wanted


def test_options_of_one_label_are_told_apart_by_value_only() -> None:
    """A label that two options share is refused, and its reason asks for the value."""
    options = [{"value": "1", "label": "Won"}, {"value": "2", "label": "Won"}, {"value": "Yes", "label": "1"}]
    body = {"name": "x", "type": "enumeration", "fieldType": "select", "options": options}
    won, one, number, yes = convert(PropertyDefinition.from_json(body), "Won", "1", 1.0, "yes")
    assert isinstance(won, Invalid)
    assert "more than one option" in won.reason
    assert (one, number, yes) == ("1", "1", "Yes")


def test_options_kept_elsewhere_are_not_refused() -> None:
    """External options and definitions without any let every value through."""
    for more in ({"external_options": True}, {}):
        assert convert(of_type("enumeration", **more), "anything", 3.0, True) == ["anything", "3", "true"]


@pytest.mark.parametrize("kind", ["bool", "enumeration"])
def test_single_checkbox_takes_bools_words_and_labels(kind: str) -> None:
    """A checkbox takes bools, 1 and 0, the usual words and its labels, whichever type HubSpot calls it."""
    options = [{"value": "true", "label": "Opted out"}, {"value": "false", "label": "No"}]
    definition = PropertyDefinition.from_json({"type": kind, "fieldType": "booleancheckbox", "options": options})
    assert convert(definition, True, 0, 1.0, "yes", "opted out", "", None) == [
        "true",
        "false",
        "true",
        "true",
        "true",
        None,
        None,
    ]
    assert isinstance(convert(definition, "perhaps")[0], Invalid)


def test_email_is_checked_for_contacts_only() -> None:
    """Another object's text property named email takes any text."""
    definition = PropertyDefinition(name="email", type="string")
    assert compile_converter(definition, name="email", object_type="companies")(["none"]) == ["none"]


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        (pd.Series([1, None], dtype="Int64"), ["1", None]),
        (pd.Series([1.5, None], dtype="Float64"), ["1.5", None]),
        (pd.Series([True, None], dtype="boolean"), ["true", None]),
        (pd.Series(["a", None], dtype="string"), ["a", None]),
        (pd.Series(["a", None], dtype="category"), ["a", None]),
        (pd.Series(["a", None], dtype="object"), ["a", None]),
        (pd.Series([1, None]), ["1", None]),
        (pd.Series([1, None], dtype="int64[pyarrow]"), ["1", None]),
        (pd.Series([1.5, None], dtype="double[pyarrow]"), ["1.5", None]),
        (pd.Series([True, None], dtype="bool[pyarrow]"), ["true", None]),
        (pd.Series(["a", None], dtype="string[pyarrow]"), ["a", None]),
        (pd.Series([date(2024, 5, 1), None], dtype=pd.ArrowDtype(pa.date32())), ["2024-05-01", None]),
        (pd.Series([Decimal("1.50"), None], dtype=pd.ArrowDtype(pa.decimal128(8, 2))), ["1.5", None]),
        (pd.Series([["a", "b"], None], dtype=pd.ArrowDtype(pa.list_(pa.string()))), ["a;b", None]),
        (pd.to_datetime(pd.Series(["2024-05-01 12:00", None])), ["2024-05-01T12:00:00.000Z", None]),
        (
            pd.to_datetime(pd.Series(["2024-05-01 12:00", None])).dt.tz_localize("Europe/Berlin"),
            ["2024-05-01T10:00:00.000Z", None],
        ),
        (
            pd.Series([datetime(2024, 5, 1, 12), None], dtype=pd.ArrowDtype(pa.timestamp("ns", "UTC"))),
            ["2024-05-01T12:00:00.000Z", None],
        ),
    ],
    ids=lambda value: str(value.dtype) if isinstance(value, pd.Series) else None,
)
def test_convert_knows_every_dtype(series: pd.Series[Any], expected: list[str | None]) -> None:
    """Columns of every pandas dtype, nullable and Arrow-backed ones too, give the same texts."""
    assert compile_converter(None, name="x")(series.tolist()) == expected


def test_convert_knows_arrow_scalars_and_arrays() -> None:
    """Columns that nobody turned into a list work too."""
    converter = compile_converter(None, name="x")
    assert converter(pa.array([1, None, 3])) == ["1", None, "3"]
    assert converter(np.array([0.1, np.nan], dtype="float32")) == ["0.1", None]  # type: ignore[arg-type]


class TestIds:
    """The id of every row, or why it has none."""

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (123, "123"),
            (123.0, "123"),
            ("123", "123"),
            (" 123 ", "123"),
            ("123.0", "123"),
            ("00123", "123"),
            (Decimal("123.00"), "123"),
            (np.int64(123), "123"),
            (np.float64(123), "123"),
            (2**63 - 1, "9223372036854775807"),
            *((value, Refused("MISSING_ID")) for value in (None, float("nan"), pd.NA, pd.NaT, "", "  ", MISSING)),
            (Decimal("NaN"), Refused("MISSING_ID")),
            *((value, Refused("INVALID_ID")) for value in (True, -1, 0, 1.5, "abc", "-5", "1e3", "1,000", "12 3")),
            *((value, Refused("INVALID_ID")) for value in (2**63, 2.0**60, float("inf"), Decimal("1e99"), "9" * 20)),
            *((value, Refused("INVALID_ID")) for value in ([1], {"id": 1}, b"1", date(2024, 5, 1), "١٢")),
        ],
    )
    def test_record_id_is_its_digits(self, value: Any, expected: str) -> None:
        """A record id is sent as its digits, whatever type or padding it came in; all else rejects the row."""
        [converted] = convert_ids([value])
        assert (converted.category if isinstance(converted, Invalid) else converted) == expected

    def test_unique_property_goes_by_its_definition(self) -> None:
        """An id of a unique property is converted as its values are, without blanks around it."""
        text = PropertyDefinition(name="sku", type="string", unique=True)
        number = PropertyDefinition(name="sku", type="number", unique=True)
        assert convert_ids([7.0, " A-1 ", "007"], id_property="sku", definition=text) == ["7", "A-1", "007"]
        assert convert_ids([7.0, " 1e2 ", "007"], id_property="sku", definition=number) == ["7", "100", "7"]
        assert convert_ids([7.0, " A-1 "], id_property="sku") == ["7", "A-1"]

    def test_unique_property_needs_a_value(self) -> None:
        """A row without id, or with a list or a bool for it, is rejected."""
        converted = convert_ids([None, MISSING, " ", True, ["a"]], id_property="sku")
        categories = [entry.category for entry in converted if isinstance(entry, Invalid)]
        assert categories == ["MISSING_ID"] * 3 + ["INVALID_ID"] * 2

    def test_contact_email_must_be_an_address(self) -> None:
        """A contact's email as id must look like one, with or without a definition."""
        for definition in (DEFINITIONS["email"], None):
            good, bad = convert_ids(
                [" ann@example.com", "ann"], id_property="email", definition=definition, object_type="contacts"
            )
            assert good == "ann@example.com"
            assert isinstance(bad, Invalid)
            assert bad.category == "INVALID_ID"

    @pytest.mark.parametrize(
        ("one", "other"), [("007", "7"), ("0", "00"), ("Ann@Example.com ", "ann@example.COM"), ("Straße", "STRASSE")]
    )
    def test_order_key_is_equal_for_spellings_of_one_record(self, one: str, other: str) -> None:
        """Two spellings of one id never share a request."""
        assert order_key(one) == order_key(other)

    def test_order_key_differs_for_different_records(self) -> None:
        """Ids of different records don't wait for each other."""
        assert len({order_key(text) for text in ("7", "70", "a7", "7a", "a07")}) == 5


class TestEqualValues:
    """Whether HubSpot has a value already, whichever way it writes it."""

    @pytest.mark.parametrize(
        ("definition", "ours", "hubspots"),
        [
            (None, "x", "x"),
            (None, "", None),
            (None, "2024-05-01T12:00:00.000Z", "2024-05-01T12:00:00Z"),
            (of_type("number"), "1", "1.0"),
            (of_type("number"), "1000", "1E3"),
            (of_type("bool"), "true", "True"),
            (of_type("date"), "2024-05-01", "1714521600000"),
            (of_type("date"), "2024-05-01", "2024-05-01T00:00:00Z"),
            (of_type("datetime"), "2024-05-01T12:00:00.123Z", "1714564800123"),
            (of_type("datetime"), "2024-05-01T12:00:00.000Z", "2024-05-01T12:00:00Z"),
            (of_type("enumeration", field_type="checkbox"), "a;b", "b;a"),
            (of_type("enumeration", field_type="checkbox"), ";b", "a;b"),
            (PropertyDefinition(name="email", type="string"), "Ann@example.com", "ann@example.com"),
        ],
    )
    def test_same_meaning_is_equal(self, definition: PropertyDefinition | None, ours: str, hubspots: str) -> None:
        """What HubSpot normalised on its side is not written again."""
        assert equal_values(ours, hubspots, definition)

    @pytest.mark.parametrize(
        ("definition", "ours", "hubspots"),
        [
            (None, "1", "1.0"),
            (None, "x", None),
            (None, "", "x"),
            (of_type("string"), "007", "7"),
            (of_type("string"), "Ann", "ann"),
            (of_type("number"), "1", "abc"),
            (of_type("number"), "1", "2"),
            (of_type("date"), "2024-05-01", "2024-05-02"),
            (of_type("datetime"), "2024-05-01T12:00:00.000Z", "2024-05-01T12:00:00.001Z"),
            (of_type("enumeration", field_type="checkbox"), "a;b", "a"),
            (of_type("enumeration", field_type="checkbox"), ";c", "a;b"),
        ],
    )
    def test_other_meaning_is_not_equal(self, definition: PropertyDefinition | None, ours: str, hubspots: str) -> None:
        """A value that differs is written."""
        assert not equal_values(ours, hubspots, definition)


ZONES: st.SearchStrategy[Any] = st.one_of(st.none(), st.timezones())
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.text(),
    st.text(alphabet=st.characters()),
    st.binary(),
    st.dates(),
    st.times(),
    st.datetimes(timezones=ZONES),
    st.timedeltas(),
    st.uuids(),
    st.complex_numbers(),
    st.fractions(),
    st.lists(st.none() | st.text() | st.integers()),
    st.sets(st.text() | st.integers()),
    st.dictionaries(st.text(), st.integers()),
    st.sampled_from([MISSING, pd.NA, pd.NaT, Plan.PRO, Level.HIGH, object(), int, print, np.add, pd.Period("2024-05")]),
    npst.scalar_dtypes().flatmap(npst.from_dtype),
    npst.arrays(npst.scalar_dtypes(), npst.array_shapes(max_dims=2, max_side=3)),
    st.datetimes(datetime(1680, 1, 1), datetime(2260, 1, 1)).map(pd.Timestamp),
    st.datetimes(datetime(1680, 1, 1), datetime(2260, 1, 1), timezones=st.timezones()).map(pd.Timestamp),
    st.integers().map(str),
    st.floats().map(repr),
)
EVERY_DEFINITION = [None, *(DEFINITIONS[name] for name in sorted({name for name, _, _ in TABLE}))]
DEFINITION = st.sampled_from(EVERY_DEFINITION)
PLAIN = re.compile(r"-?[0-9]+(\.[0-9]*[1-9])?")


@given(DEFINITION, st.lists(SCALARS, max_size=8))
def test_convert_takes_anything(definition: PropertyDefinition | None, values: list[Any]) -> None:
    """Whatever a row holds, it becomes text or a reason, never an exception, and UTF-8 can hold it."""
    converted = convert(definition, *values)
    assert len(converted) == len(values)
    for value in converted:
        assert value is None or isinstance(value, (str, Invalid))
        if isinstance(value, str):
            value.encode()
        elif value is not None:
            value.reason.encode()


@given(DEFINITION, SCALARS.flatmap(lambda value: st.lists(SCALARS | st.just(value), max_size=8)))
def test_convert_column_equals_value_by_value(definition: PropertyDefinition | None, values: list[Any]) -> None:
    """A column gives what each of its values would alone."""
    assert convert(definition, *values) == [convert(definition, value)[0] for value in values]


@given(st.sampled_from(["id_property", "record"]), st.lists(SCALARS, max_size=8))
def test_ids_take_anything(kind: str, values: list[Any]) -> None:
    """Whatever the id column holds, each row gets an id or a reason, and no id is empty."""
    converted = convert_ids(values, id_property="sku" if kind == "id_property" else None)
    assert len(converted) == len(values)
    assert all(isinstance(value, Invalid) or value for value in converted)


@given(
    st.integers(-(10**300), 10**300) | st.decimals(-(10**99), 10**99) | st.floats(allow_nan=False, allow_infinity=False)
)
@example(5e-324)
@example(1.7976931348623157e308)
def test_number_round_trips_in_plain_digits(value: float | Decimal) -> None:
    """A number reaches HubSpot as plain digits that mean exactly it: no exponent, no trailing .0, no noise."""
    for definition in (of_type("number"), None):
        [text] = convert(definition, value)
        assert isinstance(text, str)
        assert PLAIN.fullmatch(text)
        assert text != "-0"
        assert type(value)(text) == value


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_float32_round_trips_without_noise(value: float) -> None:
    """A float32 is written with its own shortest digits, not with those of a float64."""
    single = np.float32(value)
    [text] = convert(of_type("number"), single)
    assert isinstance(text, str)
    assert PLAIN.fullmatch(text)
    assert np.float32(text) == single
    assert len(text.lstrip("-0.").rstrip("0").replace(".", "")) <= 9


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**30), 10**30))
def test_numeric_text_means_its_number(value: float) -> None:
    """A number read from a CSV file, with or without exponent, gives what the number itself gives."""
    assert convert(of_type("number"), repr(value)) == convert(of_type("number"), value)


@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=ZONES))
def test_datetime_round_trips_to_the_millisecond(value: datetime) -> None:
    """A time reaches HubSpot as the same moment, to the millisecond; one without zone is UTC."""
    [text] = convert(of_type("datetime"), value)
    assert isinstance(text, str)
    moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    assert datetime.fromisoformat(text) == moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    assert convert(of_type("datetime"), text) == [text]


@given(st.datetimes(datetime(1680, 1, 1), datetime(2260, 1, 1), timezones=ZONES), st.integers(0, 999))
def test_timestamp_equals_its_datetime(value: datetime, nanosecond: int) -> None:
    """A pandas time gives what Python's does, nanoseconds cut off."""
    stamp = pd.Timestamp(value).as_unit("ns") + pd.Timedelta(nanosecond, "ns")
    # of a time that a zone has twice, pandas may take another one than Python
    assume((stamp.day, stamp.hour) == (value.day, value.hour))
    for definition in (None, of_type("datetime"), of_type("date")):
        converted = [convert(definition, stamp)[0], convert(definition, stamp, "x")[0], convert(definition, value)[0]]
        assert len({entry.category if isinstance(entry, Invalid) else entry for entry in converted}) == 1


def aware_columns(zone: str) -> st.SearchStrategy[list[Any]]:
    times = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1))
    return st.lists(times.map(lambda value: pd.Timestamp(value, tz="UTC").tz_convert(zone)) | st.just(pd.NaT))


STAMPS = st.one_of(
    st.just(pd.NaT),
    st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=ZONES).map(pd.Timestamp),
    st.datetimes(datetime(1680, 1, 1), datetime(2260, 1, 1)).map(lambda value: pd.Timestamp(value).as_unit("ns")),
    st.integers(-(2**62), 2**62).map(pd.Timestamp),
    st.sampled_from([10**12, -(10**12)]).map(lambda seconds: pd.Timestamp(np.datetime64(seconds, "s"))),
)


@given(
    st.sampled_from([None, *map(of_type, ["date", "datetime", "string"])]),
    st.lists(STAMPS, max_size=6) | st.sampled_from(["UTC", "Europe/Berlin"]).flatmap(aware_columns),
)
def test_timestamps_at_once_equal_one_by_one(definition: PropertyDefinition | None, values: list[Any]) -> None:
    """A whole column of pandas times gives what each of them would alone, zones, nulls and far years included."""
    assert convert(definition, *values) == [convert(definition, value, "x")[0] for value in values]


@given(st.dates())
def test_date_round_trips(value: date) -> None:
    """A date stays the same day, as a date, as a time at midnight, as text and as milliseconds."""
    midnight = datetime(value.year, value.month, value.day, tzinfo=UTC)
    milliseconds = (midnight - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    spellings = [value, midnight, midnight.replace(tzinfo=None), value.isoformat(), milliseconds, str(milliseconds)]
    assert convert(of_type("date"), *spellings) == [value.isoformat()] * 6


@given(SCALARS)
def test_plain_is_idempotent(value: Any) -> None:
    """Unwrapping what is unwrapped changes nothing."""
    try:
        inner = scalars.unwrap(value)
    except scalars.REFUSALS:
        return
    again = scalars.unwrap(inner)
    assert type(again) is type(inner)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = ["name", "label", "type", "fieldType", "options", "hasUniqueValue", "modificationMetadata", "externalOptions"]


@given(JSON | st.dictionaries(st.sampled_from(KEYS), JSON) | st.lists(st.dictionaries(st.sampled_from(KEYS), JSON)))
def test_definitions_are_read_from_anything(body: Any) -> None:
    """A reply of any shape gives definitions that convert, never an exception."""
    definition = PropertyDefinition.from_json(body)
    convert(definition, "a", 1, None)
    assert all(definitions_from_json(body))


def test_definition_is_read_as_hubspot_writes_it() -> None:
    """Everything that decides about a value is read from HubSpot's own shape."""
    legacy = next(option for option in DEFINITIONS["plan"].options if option.value == "legacy")
    assert (legacy.label, legacy.hidden) == ("Legacy", True)
    assert DEFINITIONS["customer_number"].unique
    assert DEFINITIONS["createdate"].read_only
    assert DEFINITIONS["lifetime_value"].calculated
    assert DEFINITIONS["hubspot_owner_id"].external_options
    assert DEFINITIONS["interests"].several
