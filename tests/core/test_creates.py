"""Results of a create: whose they are, without trace ids and in any order; each input in exactly one group."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_hubbatch.core.batch_reply import BatchReply, Record, parse_batch_reply
from airflow_provider_hubbatch.core.creates import CreateReading, read_creates
from airflow_provider_hubbatch.core.error_reply import parse_error
from airflow_provider_hubbatch.core.model import Input
from airflow_provider_hubbatch.core.protocol import Reply
from airflow_provider_hubbatch.core.values import equal_values, order_key

if TYPE_CHECKING:
    from collections.abc import Sequence

BEGAN = "2026-11-24T10:00:00.000Z"


def inputs_of(*properties: dict[str, str], key: str | None = None) -> list[Input]:
    """Rows to create, by their properties."""
    return [
        Input(row, None, one[key] if key else "", order_key(one[key]) if key else f"row {row}", one)
        for row, one in enumerate(properties)
    ]


def result(number: int, created_at: str = BEGAN, **properties: Any) -> dict[str, Any]:
    return {"id": str(number), "properties": properties, "createdAt": created_at}


def reply_of(*results: dict[str, Any], errors: Sequence[dict[str, Any]] = (), status: str = "COMPLETE") -> BatchReply:
    body = {"status": status, "startedAt": BEGAN, "results": list(results), "errors": list(errors)}
    return parse_batch_reply(Reply(201, {}, orjson.dumps(body)))


def read(inputs: list[Input], reply: BatchReply, key: str | None = None) -> CreateReading:
    def key_of(record: Record) -> str | None:
        value = record.properties.get(key) if key else None
        return order_key(value) if isinstance(value, str) else None

    return read_creates(
        inputs, reply, key_of=key_of if key else None, equal=lambda _, ours, theirs: equal_values(ours, theirs)
    )


def created(reading: CreateReading) -> dict[int, str | None]:
    """Row -> record id."""
    return {item.row: record.id if record else None for item, record in reading.created}


def test_a_result_is_told_by_its_key() -> None:
    """An email that HubSpot keeps in lower case, in another order."""
    inputs = inputs_of({"email": "A@x.org"}, {"email": "b@x.org"}, key="email")
    assert created(read(inputs, reply_of(result(7, email="b@x.org"), result(8, email="a@x.org")), "email")) == {
        0: "8",
        1: "7",
    }


def test_a_result_is_told_by_its_trace_id() -> None:
    """Where HubSpot echoes it, whatever the properties."""
    inputs = inputs_of({"name": "x"}, {"name": "x"})
    results = [{**result(7), "objectWriteTraceId": "1"}, {**result(8), "objectWriteTraceId": "0"}]
    assert created(read(inputs, reply_of(*results))) == {0: "8", 1: "7"}


def test_a_result_is_told_by_what_it_echoes() -> None:
    """Also where HubSpot writes a value otherwise, or shows properties that nobody sent."""
    inputs = inputs_of({"name": "x", "at": "2026-01-01T10:00:00Z"}, {"name": "y", "at": "2026-01-01T10:00:00Z"})
    shown = [
        result(7, name="y", at="2026-01-01T11:00:00+01:00", stage="new"),
        result(8, name="x", at="2026-01-01T10:00:00Z", stage="new"),
    ]
    assert created(read(inputs, reply_of(*shown))) == {0: "8", 1: "7"}


def test_rows_that_are_alike_are_interchangeable() -> None:
    """Each has a record of its own; the one that is left out of the reply is left open."""
    inputs = inputs_of({"name": "x"}, {"name": "x"}, {"name": "x"})
    reading = read(inputs, reply_of(result(7, name="x"), result(8, name="x")))
    assert sorted(created(reading).values(), key=str) == ["7", "8"]
    assert len(reading.unsaid) == 1


def test_a_row_with_a_part_of_another_s_properties_is_told_too() -> None:
    """The result that fits one row only is its; then the other's is clear as well."""
    inputs = inputs_of({"name": "x"}, {"name": "x", "city": "y"})
    for shown in itertools.permutations([result(7, name="x", city="y"), result(8, name="x", city=None)]):
        assert created(read(inputs, reply_of(*shown))) == {0: "8", 1: "7"}


def test_a_complete_count_confirms_what_nothing_tells_apart() -> None:
    """As many results as rows, no errors: all are there, without their ids; one less, and none is sure."""
    inputs = inputs_of({"name": "x"}, {"name": "y"})
    assert created(read(inputs, reply_of(result(7), result(8)))) == {0: None, 1: None}
    reading = read(inputs, reply_of(result(7)))
    assert (created(reading), len(reading.unsaid)) == ({}, 2)
    nameless = {"category": "VALIDATION_ERROR", "message": "no"}
    assert created(read(inputs, reply_of(result(7), result(8), errors=[nameless]))) == {}


def test_records_that_are_older_than_the_request_are_nobody_s() -> None:
    """Foreign records in a reply neither count nor fit."""
    inputs = inputs_of({"name": "x"}, {"name": "y"})
    old = "2026-11-24T09:59:59.000Z"
    reading = read(inputs, reply_of(result(7, created_at=old, name="x"), result(8, created_at=old)))
    assert (created(reading), len(reading.strays)) == ({}, 2)


def test_one_record_is_no_two_rows_record() -> None:
    """The same id twice in a reply confirms one row."""
    inputs = inputs_of({"name": "x"}, {"name": "x"})
    assert len(read(inputs, reply_of(result(7, name="x"), result(7, name="x"))).created) == 1


def test_work_that_is_under_way_confirms_nothing() -> None:
    """PENDING and CANCELED name records that may not come to be."""
    inputs = inputs_of({"name": "x"})
    for status in ("PENDING", "CANCELED"):
        assert created(read(inputs, reply_of(result(7, name="x"), status=status))) == {}


def test_an_error_names_its_row() -> None:
    """By trace id, whatever record it says is in the way."""
    inputs = inputs_of({"email": "a@x.org"}, {"email": "b@x.org"}, key="email")
    error = {
        "category": "CONFLICT",
        "message": "Contact already exists. Existing ID: 1",
        "context": {"objectWriteTraceId": ["0"], "ids": ["1"]},
    }
    reading = read(inputs, reply_of(result(7, email="b@x.org"), errors=[error]), "email")
    assert created(reading) == {1: "7"}
    ((item, said),) = reading.refused
    assert (item.row, said.existing_id, said.is_conflict) == (0, "1", True)


SENT = st.lists(st.dictionaries(st.sampled_from("abc"), st.sampled_from("xy"), min_size=1), max_size=6)


@given(SENT, st.data())
def test_every_input_is_in_one_group_and_every_record_is_one_s(sent: list[dict[str, str]], data: st.DataObject) -> None:
    """Whatever is left out, doubled or foreign: nothing is lost, nothing is confirmed by what isn't there."""
    inputs = inputs_of(*sent)
    shown = [
        result(10 + row, **{name: one[name] for name in data.draw(st.sets(st.sampled_from(sorted(one))))})
        for row, one in enumerate(sent)
        if data.draw(st.booleans())
    ]
    reading = read(inputs, reply_of(*data.draw(st.permutations(shown))))
    rows = [item.row for item, _ in reading.created] + [item.row for item in reading.unsaid]
    assert sorted(rows) == list(range(len(sent)))
    ids = [record.id for _, record in reading.created if record]
    assert len(ids) == len(set(ids))
    assert len(reading.created) <= len(shown)
    by_id = {one["id"]: one["properties"] for one in shown}
    for item, record in reading.created:
        if record is not None:
            assert by_id[record.id] == item.properties


def test_a_conflict_tells_the_record_that_is_in_the_way() -> None:
    """In the message, or in the context; two different ones tell none."""

    def existing(**body: Any) -> str | None:
        return parse_error(Reply(409, {}, orjson.dumps({"category": "CONFLICT", **body}))).existing_id

    assert existing(message="Contact already exists. Existing ID: 171591000198") == "171591000198"
    assert existing(message="Contact already exists", context={"existingId": ["7"]}) == "7"
    assert existing(errors=[{"message": "A contact already exists. Existing ID: 29265", "in": "email"}]) == "29265"
    assert existing(message="Existing ID: 1. Existing ID: 2") is None
    assert existing(message="Contact already exists") is None
