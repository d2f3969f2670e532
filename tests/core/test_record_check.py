"""Rows that name the wrong records are told by what HubSpot has of them."""

from __future__ import annotations

import pytest

from airflow_provider_hubbatch.core.batch_reply import Record
from airflow_provider_hubbatch.core.definitions import PropertyDefinition
from airflow_provider_hubbatch.core.model import Input
from airflow_provider_hubbatch.core.record_check import (
    MISMATCHES_THAT_STOP,
    ROWS_CHECKED,
    MismatchGuard,
    describe_wrong_key,
    disagreements,
    mismatch,
    properties_to_read,
)

DEFINITIONS = {
    "revenue": PropertyDefinition(name="revenue", type="number"),
    "email": PropertyDefinition(name="email", type="string"),
}


@pytest.mark.parametrize(
    ("expected", "held", "names"),
    [
        ({"email": "Ann@Example.com"}, {"email": "ann@example.com"}, []),
        ({"email": "old@example.com"}, {"email": "a@b.c", "hs_additional_emails": "x@y.z;old@example.com"}, []),
        ({"email": "bob@example.com"}, {"email": "ann@example.com"}, ["email"]),
        ({"email": "bob@example.com"}, {}, ["email"]),
        ({"email": "bob@example.com"}, {"email": None}, ["email"]),
        ({"email": ""}, {"email": "ann@example.com"}, []),
        ({"revenue": "1200"}, {"revenue": "1200.0"}, []),
        ({"name": "Acme ", "revenue": "1"}, {"name": " Acme", "revenue": "2"}, ["revenue"]),
        ({"name": "acme"}, {"name": "Acme"}, ["name"]),
    ],
)
def test_a_record_agrees_by_meaning(expected: dict[str, str], held: dict[str, str], names: list[str]) -> None:
    """Numbers by their value, addresses in any case and any of a contact's; what the row doesn't say is no matter."""
    assert disagreements(expected, Record("1", held), DEFINITIONS) == names


def test_a_mismatch_names_the_record_and_the_property_and_no_value() -> None:
    """The error says which record, and of which property it has another value."""
    error = mismatch(["email", "name"], Record("77", {"email": "secret@example.com"}))
    assert error.category == "RECORD_MISMATCH"
    assert "77" in error.message
    assert "'email', 'name'" in error.message
    assert "secret" not in error.message


def test_a_check_of_a_contacts_email_reads_its_other_addresses() -> None:
    """Contacts have more addresses than one; companies don't."""
    assert properties_to_read(["email", "name"], "contacts") == {"email", "name", "hs_additional_emails"}
    assert properties_to_read(["email"], "companies") == {"email"}


def test_ten_mismatches_among_the_first_hundred_rows_stop_the_sync() -> None:
    """The tenth does, wherever it is among them; later ones don't, however many."""
    guard = MismatchGuard()
    told = [guard.note(mismatches=row % 10 == 9) for row in range(ROWS_CHECKED)]
    assert [row for row, problem in enumerate(told) if problem] == [ROWS_CHECKED - 1]
    assert "id_column" in str(told[-1])
    late = MismatchGuard()
    few = MISMATCHES_THAT_STOP - 1
    assert not any(late.note(mismatches=row < few) for row in range(ROWS_CHECKED))
    assert not any(late.note(mismatches=True) for _ in range(1_000))


def warning_of(inputs: list[Input], records: list[Record], id_column: str = "id") -> str | None:
    """The warning, if there is one."""
    return describe_wrong_key(inputs, records, id_column=id_column, columns={"town": "city", "mail": "email"})


def rows(count: int, **properties: str) -> list[Input]:
    """Rows by record id."""
    return [Input(row, row, str(row), str(row), {**properties, "city": "Gent"}) for row in range(count)]


def test_a_wrong_key_is_told_if_no_record_agrees() -> None:
    """Twenty records, none with the email that its row has: a warning; one that agrees is enough to trust the key."""
    records = [Record(str(row), {"email": f"c{row}@example.com"}) for row in range(20)]
    warning = warning_of(rows(20, email="other@example.com"), records, "customer_id")
    assert warning is not None
    assert "'customer_id'" in warning
    assert "must_match={'mail': 'email'}" in warning
    assert "other@example.com" not in warning
    right = [item._replace(properties={"email": "C7@example.com"}) for item in rows(20)]
    assert warning_of(right, records) is None


@pytest.mark.parametrize(
    ("inputs", "records"),
    [
        (rows(20), [Record(str(row), {"email": "x@y.z"}) for row in range(20)]),
        (rows(20, email="a@b.c"), []),
        (rows(20, email="a@b.c"), [Record(str(row), {"email": None}) for row in range(20)]),
        (rows(9, email="a@b.c"), [Record(str(row), {"email": "x@y.z"}) for row in range(9)]),
        (rows(20, email=""), [Record(str(row), {"email": "x@y.z"}) for row in range(20)]),
    ],
)
def test_nothing_is_concluded_where_nothing_can_be_compared(inputs: list[Input], records: list[Record]) -> None:
    """Rows or records without such a property, records that aren't there, few rows: no warning."""
    assert warning_of(inputs, records) is None
