"""Owners by email address: the pure part."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_hubbatch.core.definitions import PropertyDefinition
from airflow_provider_hubbatch.core.mapping import compile_mapping
from airflow_provider_hubbatch.core.mapping_spec import MappingSpec
from airflow_provider_hubbatch.core.model import Chunk, Input, RowOutcome
from airflow_provider_hubbatch.core.owners import Owners, OwnersWantedError
from airflow_provider_hubbatch.core.values import Invalid, compile_converter

OWNERS = Owners.from_json(
    [
        {"id": "71", "email": "Ann@Example.com"},
        {"id": 72, "email": "bob@example.com", "archived": False},
        {"id": "73", "email": "gone@example.com", "archived": True},
        {"id": "74", "email": "back@example.com", "archived": True},
        {"id": "75", "email": "back@example.com"},
        {"id": "76", "email": "two@example.com"},
        {"id": "77", "email": "TWO@example.com"},
        {"id": "76", "email": "two@example.com"},
        {"id": "78"},
        {"email": "nobody@example.com"},
        "nonsense",
        None,
    ]
)
ONE = PropertyDefinition(
    name="hubspot_owner_id", type="enumeration", field_type="select", referenced_object_type="OWNER"
)
SEVERAL = PropertyDefinition(name="team", type="enumeration", field_type="checkbox", referenced_object_type="OWNER")
UNKNOWN = "UNKNOWN_OWNER"


@pytest.mark.parametrize(
    ("definition", "value", "expected"),
    [
        (ONE, "ann@example.com", "71"),
        (ONE, " ANN@example.COM ", "71"),
        (ONE, ["ann@example.com"], "71"),
        (ONE, "bob@example.com", "72"),
        (ONE, "back@example.com", "75"),
        (ONE, "71", "71"),
        (ONE, 999, "999"),
        (ONE, 71.0, "71"),
        (ONE, "gone@example.com", UNKNOWN),
        (ONE, "nobody@example.com", UNKNOWN),
        (ONE, "two@example.com", UNKNOWN),
        (ONE, "@", UNKNOWN),
        (ONE, "Ann", "INVALID_OPTION"),
        (ONE, -1, "INVALID_OPTION"),
        (SEVERAL, "ann@example.com;72", "71;72"),
        (SEVERAL, ["bob@example.com", "Ann@example.com"], "72;71"),
        (SEVERAL, ";bob@example.com", ";72"),
        (SEVERAL, ["bob@example.com", "nobody@example.com"], UNKNOWN),
    ],
)
def test_an_address_becomes_its_owners_id(definition: PropertyDefinition, value: Any, expected: str) -> None:
    """In any case, alone or among several; ids pass as they are; what names no active owner rejects its row."""
    [converted] = compile_converter(definition, name=definition.name, owners=OWNERS)([value])
    if isinstance(converted, Invalid):
        assert converted.category == expected
        assert not isinstance(value, str) or len(value) < 3 or value not in converted.reason
    else:
        assert converted == expected


def test_the_reason_says_what_to_do() -> None:
    """An unknown address: add the person or give another; two owners of one address: their ids."""
    convert = compile_converter(ONE, name="hubspot_owner_id", owners=OWNERS)
    unknown, two = convert(["nobody@example.com", "two@example.com"])
    assert isinstance(unknown, Invalid)
    assert isinstance(two, Invalid)
    assert "Add the person to HubSpot as a user, or give another owner's address or id" in unknown.reason
    assert "owners 76, 77 have this address: give the id of one of them" in two.reason


@pytest.mark.parametrize("entries", [None, "x", {"id": 1}, [[], 3]])
def test_whatever_a_reply_holds_is_read(entries: Any) -> None:
    """Nonsense has no owners."""
    assert Owners.from_json(entries).ids == {}


def prepared(
    rows: list[Any], *, owners: Owners | None, must_match: dict[str, str] | None = None
) -> list[Input | RowOutcome]:
    spec = MappingSpec.checked(must_match=must_match)
    mapping = compile_mapping(
        spec,
        chunk_columns=["id", "hubspot_owner_id", "old"],
        complete=True,
        definitions={"hubspot_owner_id": ONE, "old": ONE},
        object_type="contacts",
    )
    if owners is not None:
        mapping.take_owners(owners)
    length = len(rows)
    columns = {"id": list(range(1, length + 1)), "hubspot_owner_id": rows, "old": ["bob@example.com"] * length}
    return mapping.prepare(Chunk(0, columns if must_match else {**columns, "old": [None] * length}, length))


def test_owners_are_wanted_where_an_address_comes_up_only() -> None:
    """Rows with ids alone never ask for them."""
    assert [row.properties for row in prepared(["71", 72, None], owners=None) if isinstance(row, Input)] == [
        {"hubspot_owner_id": "71"},
        {"hubspot_owner_id": "72"},
    ]
    with pytest.raises(OwnersWantedError) as caught:
        prepared(["71", "ann@example.com"], owners=None)
    assert caught.value.names == ("hubspot_owner_id", "old")


def test_rows_are_ready_once_the_owners_are_known() -> None:
    """The same rows, then; what a record must have is an address, too."""
    rows = prepared(["ann@example.com", "nobody@example.com"], owners=OWNERS, must_match={"old": "old"})
    assert isinstance(rows[0], Input)
    assert isinstance(rows[1], RowOutcome)
    assert (rows[0].properties, rows[0].must_match) == ({"hubspot_owner_id": "71"}, {"old": "72"})
    assert rows[1].category == UNKNOWN
