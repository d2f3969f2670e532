"""Reading HubSpot's 2xx replies, whatever they hold: every input in one group, confirmed only if it is named."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_hubbatch.core.batch_reply import BatchReply, parse_batch_reply
from airflow_provider_hubbatch.core.model import Input
from airflow_provider_hubbatch.core.protocol import Reply
from airflow_provider_hubbatch.core.reconcile import (
    MatchedResults,
    ReadBackReading,
    errors_of_named,
    reconcile,
    reconcile_read_back,
)
from airflow_provider_hubbatch.core.values import equal_values, order_key

STATUSES = ["COMPLETE", "PENDING", "PROCESSING", "CANCELED"]
IDS = ["101", "102", "103", "104", "105"]


def inputs_for(ids: list[str], **properties: str) -> tuple[Input, ...]:
    """One input an id; rows (so trace ids too) from 7000, far from every id."""
    return tuple(
        Input(7000 + place, one, one, order_key(one), properties or {"city": f"Town {one}"})
        for place, one in enumerate(ids)
    )


def equal(_name: str, ours: str, hubspots: str | None) -> bool:
    """Whether HubSpot has the value, without a definition of the property."""
    return equal_values(ours, hubspots)


def reply(body: Any) -> BatchReply:
    """The reply with this JSON body."""
    return parse_batch_reply(Reply(200, {}, orjson.dumps(body)))


def read(body: Any, ids: list[str] = IDS, *, id_property: str | None = None) -> MatchedResults:
    """What this reply says of these ids."""
    return reconcile(inputs_for(ids), reply(body), id_property=id_property)


def read_back(body: Any, ids: list[str] = IDS, *, id_property: str | None = None, **sent: str) -> ReadBackReading:
    """What this reply to a batch/read says of these ids, which were sent with these properties."""
    return reconcile_read_back(inputs_for(ids, **sent), reply(body), id_property=id_property, equal=equal)


def confirmed(reading: MatchedResults) -> list[str]:
    """The ids that were confirmed."""
    return [item.id for item, _ in reading.confirmed]


def unsaid(reading: MatchedResults | ReadBackReading) -> list[str]:
    """The ids that nothing was said about."""
    return [item.id for item in reading.unsaid]


# --- arbitrary replies ----------------------------------------------------------------------------------------------

_scalars = st.none() | st.booleans() | st.integers(-5, 200) | st.floats(allow_nan=False) | st.text(max_size=5)
_names = st.sampled_from([*IDS, "007", "abc", "ABC ", *(str(7000 + place) for place in range(6))]) | st.text(max_size=4)
_ids = _names | st.integers(100, 106) | _scalars
_junk = st.recursive(_scalars | _names, lambda inner: st.lists(inner, max_size=3), max_leaves=5)
_properties = st.dictionaries(
    st.sampled_from(["customer_number", "city", "hs_merged_object_ids"]), _names | _junk, max_size=3
)
_results = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "id": _ids,
            "properties": _properties | _junk,
            "objectWriteTraceId": _names | _junk,
            "updatedAt": st.text(max_size=3) | _junk,
        },
    )
    | _junk,
    max_size=6,
)
_context = st.fixed_dictionaries(
    {}, optional={"ids": st.lists(_ids) | _junk, "id": _ids, "objectWriteTraceId": st.lists(_names) | _names | _junk}
)
_error = st.fixed_dictionaries(
    {},
    optional={
        "category": _junk,
        "subCategory": _junk,
        "message": st.text(max_size=20) | st.just('Property values were not valid: [{"name": "city"}]') | _junk,
        "context": _context | _junk,
        "errors": st.lists(st.fixed_dictionaries({}, optional={"code": _junk, "context": _context | _junk})) | _junk,
        "correlationId": _junk,
    },
)
_bodies = (
    st.fixed_dictionaries(
        {},
        optional={
            "status": st.sampled_from([*STATUSES, "complete", "DONE"]) | _junk,
            "results": _results | _junk,
            "errors": st.lists(_error, max_size=3) | _junk,
            "numErrors": _junk,
        },
    )
    | _junk
)


def _named_by_results(body: Any, item: Input, id_property: str | None) -> bool:
    """Whether a result names this input by its id (or the id property's value) or trace id; told independently."""
    results = body.get("results") if isinstance(body, dict) else None
    for one in results if isinstance(results, list) else []:
        if not isinstance(one, dict):
            continue
        properties = one.get("properties")
        held = properties.get(id_property) if id_property and isinstance(properties, dict) else None
        name = one.get("id") if id_property is None else held
        if isinstance(name, (str, int)) and order_key(str(name)) == item.key:
            return True
        if str(one.get("objectWriteTraceId")) == str(item.row):
            return True
    return False


@settings(max_examples=300, deadline=None)
@given(_bodies, st.sampled_from([None, "customer_number"]), st.lists(_names, unique_by=order_key, max_size=6))
def test_reconcile_puts_every_input_in_exactly_one_group(body: Any, id_property: str | None, ids: list[str]) -> None:
    """Whatever a reply holds, each row is confirmed, refused or unsaid, and confirmed only where a result names it."""
    inputs = inputs_for([one for one in ids if one])
    reading = reconcile(inputs, reply(body), id_property=id_property)
    groups = [item for item, _ in (*reading.confirmed, *reading.refused)] + list(reading.unsaid)
    assert sorted(item.row for item in groups) == [item.row for item in inputs]
    for item, _ in reading.confirmed:
        assert _named_by_results(body, item, id_property)


@settings(max_examples=300, deadline=None)
@given(_bodies, st.sampled_from([None, "customer_number"]), st.lists(_names, unique_by=order_key, max_size=6))
def test_read_back_puts_every_input_in_exactly_one_group(body: Any, id_property: str | None, ids: list[str]) -> None:
    """Whatever a batch/read answers, each row ends in one group, and is written only where its record is named."""
    inputs = inputs_for([one for one in ids if one])
    reading = reconcile_read_back(inputs, reply(body), id_property=id_property, equal=equal)
    told = (*reading.written, *reading.differing, *reading.merged, *reading.refused)
    assert sorted(item.row for item in ([item for item, _ in told] + list(reading.unsaid))) == [
        item.row for item in inputs
    ]
    for item, _ in (*reading.written, *reading.differing):
        assert _named_by_results(body, item, id_property)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=30) | st.sampled_from([b"", b"null", b"[]", b"<html>", b"{", b"[" * 5_000, b"\xff\xfe"]))
def test_reconcile_takes_nothing_from_bytes_that_are_no_reply(body: bytes) -> None:
    """A body that is no JSON object confirms no row."""
    reading = reconcile(inputs_for(IDS), parse_batch_reply(Reply(200, {}, body)), id_property=None)
    assert reading.confirmed == ()


@settings(max_examples=50, deadline=None)
@given(st.permutations(IDS), st.integers(0, 5))
def test_reconcile_matches_by_id_in_any_order(ids: list[str], left_out: int) -> None:
    """Results in any order, some of them missing: exactly the named rows are confirmed, each with its own record."""
    reading = read({"status": "COMPLETE", "results": [{"id": one, "updatedAt": one} for one in ids[left_out:]]})
    assert sorted(confirmed(reading)) == sorted(ids[left_out:])
    assert all(item.id == record.id == record.updated_at for item, record in reading.confirmed)
    assert sorted(unsaid(reading)) == sorted(ids[:left_out])


# --- the table: what one bad row does to its batch --------------------------------------------------------------------


def _good(*ids: str) -> list[dict[str, Any]]:
    return [{"id": one, "properties": {}, "updatedAt": "2026-01-01T00:00:00Z"} for one in ids]


def _not_found(*ids: Any, **context: Any) -> dict[str, Any]:
    message = "Could not get some CONTACT objects, they may be deleted or not exist. Check that ids are valid."
    return {"category": "OBJECT_NOT_FOUND", "message": message, "context": {"ids": list(ids), **context}}


TABLE: dict[str, tuple[dict[str, Any], list[str], list[str], list[str]]] = {
    "ids that don't exist": (
        {"results": _good("101", "104", "105"), "errors": [_not_found("102", "103")]},
        ["101", "104", "105"],
        ["102", "103"],
        [],
    ),
    "ids as numbers": (
        {"results": [{"id": 101}, {"id": 104}, {"id": 105}], "errors": [_not_found(102, 103)]},
        ["101", "104", "105"],
        ["102", "103"],
        [],
    ),
    "trace ids beside the ids": (
        {"results": _good("101"), "errors": [_not_found("102", objectWriteTraceId=["7001"])]},
        ["101"],
        ["102"],
        ["103", "104", "105"],
    ),
    "trace ids alone, one error a row": (
        {
            "results": _good("101", "103", "104"),
            "errors": [
                {"category": "VALIDATION_ERROR", "context": {"objectWriteTraceId": ["7001"]}},
                {"category": "VALIDATION_ERROR", "errors": [{"context": {"objectWriteTraceId": "7004"}}]},
            ],
        },
        ["101", "103", "104"],
        ["102", "105"],
        [],
    ),
    "a merged id, missing without a word": (
        {"results": _good("101", "102", "103", "104")},
        ["101", "102", "103", "104"],
        [],
        ["105"],
    ),
    "a malformed id: empty results": ({"results": []}, [], [], IDS),
    "a malformed id: empty results and errors": ({"results": [], "errors": []}, [], [], IDS),
    "fields missing": ({}, [], [], IDS),
    "a result in an error too": (
        {"results": _good(*IDS), "errors": [_not_found("103")]},
        ["101", "102", "104", "105"],
        ["103"],
        [],
    ),
    "records that were never sent": (
        {"results": _good("101", "999", "998")},
        ["101"],
        [],
        ["102", "103", "104", "105"],
    ),
    "one record twice": ({"results": _good("101", "101", "102")}, ["101", "102"], [], ["103", "104", "105"]),
    "results without an id": ({"results": [{"properties": {}}, {"id": None}, {"id": ""}, 5, None]}, [], [], IDS),
}


@pytest.mark.parametrize("status", ["COMPLETE", "complete", None])
@pytest.mark.parametrize("case", TABLE)
def test_reconcile_reads_each_shape_of_the_table(case: str, status: str | None) -> None:
    """Named rows are confirmed or refused, the others left unsaid: 200 and 207 alike, with the status or without it."""
    body, good, bad, rest = TABLE[case]
    reading = read(body if status is None else {"status": status, **body})
    assert sorted(confirmed(reading)) == good
    assert sorted(item.id for item, _ in reading.refused) == bad
    assert unsaid(reading) == rest


@pytest.mark.parametrize("status", ["PENDING", "PROCESSING", "CANCELED", "DONE", "nonsense"])
def test_reconcile_confirms_nothing_before_the_work_is_complete(status: str) -> None:
    """A status other than COMPLETE confirms no row, even with results; its errors still count."""
    reading = read({"status": status, "results": _good(*IDS), "errors": [_not_found("103")]})
    assert reading.confirmed == ()
    assert [item.id for item, _ in reading.refused] == ["103"]
    assert unsaid(reading) == ["101", "102", "104", "105"]


def test_reconcile_hands_on_errors_that_name_no_row() -> None:
    """An error that names none of the rows is kept for the search, and rejects none by itself."""
    reading = read({"results": _good("101"), "errors": [{"category": "VALIDATION_ERROR"}, _not_found("999")]})
    assert [error.category for error in reading.errors] == ["VALIDATION_ERROR", "OBJECT_NOT_FOUND"]
    assert reading.refused == ()
    assert unsaid(reading) == ["102", "103", "104", "105"]


def test_reconcile_matches_by_the_id_property_or_trace_id() -> None:
    """With an id property, its value or the trace id names the row; a record id of the same digits doesn't."""
    results = [
        {"id": "101", "properties": {"customer_number": "103"}},
        {"id": "5", "properties": {}, "objectWriteTraceId": "7001"},
        {"id": "104", "properties": {"customer_number": None}},
        {"id": "105"},
    ]
    reading = read({"status": "COMPLETE", "results": results}, id_property="customer_number")
    assert [(item.id, record.id) for item, record in reading.confirmed] == [("103", "101"), ("102", "5")]
    assert unsaid(reading) == ["101", "104", "105"]


def test_reconcile_finds_ids_in_another_case_or_padding() -> None:
    """An id that HubSpot repeats in another letter case, or without leading zeros, still names its row."""
    results = [{"id": "1", "properties": {"key": "AB-1"}}, {"id": "2", "properties": {"key": "7"}}]
    reading = read({"results": results}, ["ab-1", "007"], id_property="key")
    assert confirmed(reading) == ["ab-1", "007"]


def test_inputs_named_are_in_input_order() -> None:
    """The rows that a refusal names, by id or trace id, each once, in input order."""
    body = {"errors": [_not_found("104", "102", "999", objectWriteTraceId=["7001", "7000"])]}
    (error,) = reply(body).errors
    assert [item.id for item, _ in errors_of_named(inputs_for(IDS), error, None)] == ["101", "102", "104"]


def test_a_conflict_is_the_trace_ids_and_not_the_other_records() -> None:
    """A trace id says whose error it is: the ids of a conflict are those of the record that has the value already."""
    context = {"ids": ["102"], "objectWriteTraceId": ["7003"]}
    error = {"category": "CONFLICT", "message": "Contact already exists. Existing ID: 102", "context": context}
    reading = read({"results": _good("101", "102", "103", "105"), "errors": [error]})
    assert confirmed(reading) == ["101", "102", "103", "105"]
    assert [item.id for item, _ in reading.refused] == ["104"]


def test_a_conflict_without_trace_ids_blames_no_row_by_its_ids() -> None:
    """A conflict that names a record only, which another row of the batch has written, leaves both rows to be asked."""
    error = {"category": "CONFLICT", "message": "Existing ID: 102", "context": {"ids": ["102"]}}
    reading = read({"results": _good("101", "102", "103", "105"), "errors": [error]})
    assert confirmed(reading) == ["101", "102", "103", "105"]
    assert (unsaid(reading), len(reading.errors)) == (["104"], 1)


@pytest.mark.parametrize("trace_ids", [[], ["7003"], ["nonsense"]])
def test_an_error_about_ids_with_another_rows_trace_id_is_that_rows(trace_ids: list[str]) -> None:
    """Ids name rows where no trace id of the request says otherwise."""
    error = {"category": "VALIDATION_ERROR", "context": {"ids": ["102"], "objectWriteTraceId": trace_ids}}
    reading = read({"results": _good("101", "103", "105"), "errors": [error]})
    assert [item.id for item, _ in reading.refused] == [{"7003": "104"}.get("".join(trace_ids), "102")]


def test_missing_keys_are_read_from_coordinates() -> None:
    """Values at the end of coordinates are missing records, if they are ids that were sent; they may hold colons."""
    ids = ["b", "a:b", "C-7", "x", "101"]
    coordinates = ["<0-1:key>:a:b", "<0-1:key>:c-7", "<0-1:key>:unknown", "101", "<0-1:key>:"]
    error = {"category": "VALIDATION_ERROR", "context": {"missingObjectPropertyValueCoordinates": coordinates}}
    reading = read({"errors": [error]}, ids, id_property="key")
    assert [(item.id, said.category) for item, said in reading.refused] == [
        ("a:b", "OBJECT_NOT_FOUND"),
        ("C-7", "OBJECT_NOT_FOUND"),
    ]


# --- read back ------------------------------------------------------------------------------------------------------


def test_read_back_tells_written_from_differing_gone_and_merged() -> None:
    """The values arrived; or they didn't; or the record is gone; or it lives on under another id."""
    results = [
        {"id": "101", "properties": {"city": "Ghent"}},
        {"id": "102", "properties": {"city": "Lille"}},
        {"id": "900", "properties": {"city": "Ghent", "hs_merged_object_ids": "55;104"}},
    ]
    body = {"status": "COMPLETE", "results": results, "errors": [_not_found("103")]}
    reading = read_back(body, city="Ghent")
    assert [item.id for item, _ in reading.written] == ["101"]
    assert [item.id for item, _ in reading.differing] == ["102"]
    assert [item.id for item, _ in reading.refused] == ["103"]
    assert [(item.id, record.id) for item, record in reading.merged] == [("104", "900")]
    assert unsaid(reading) == ["105"]
    assert reading.strays


@pytest.mark.parametrize("held", ["", None, "ghent", "Gent", 5])
def test_read_back_of_other_values_is_not_written(held: Any) -> None:
    """A record with any other value, or none, doesn't count as written."""
    reading = read_back({"results": [{"id": "101", "properties": {"city": held}}]}, ["101"], city="Ghent")
    assert [item.id for item, _ in reading.differing] == ["101"]
    assert reading.written == ()


@pytest.mark.parametrize("properties", [{}, {"city": None}, {"city": ""}])
def test_read_back_of_a_cleared_value_is_written(properties: dict[str, Any]) -> None:
    """A property that was cleared counts as written when HubSpot shows it empty, or not at all."""
    reading = read_back({"results": [{"id": "101", "properties": properties}]}, ["101"], city="")
    assert [item.id for item, _ in reading.written] == ["101"]


def test_read_back_of_one_id_under_another_is_a_merge() -> None:
    """One record id was asked for and one other record came: that is the surviving one."""
    reading = read_back({"results": [{"id": "900", "properties": {"city": "Ghent"}}]}, ["101"], city="Ghent")
    assert [(item.id, record.id) for item, record in reading.merged] == [("101", "900")]


def test_read_back_of_several_ids_under_others_is_not_guessed() -> None:
    """Which of several rows a foreign record answers isn't told by position."""
    reading = read_back({"results": [{"id": "900"}, {"id": "901"}]}, ["101", "102"])
    assert (reading.merged, unsaid(reading), reading.strays) == ((), ["101", "102"], True)


@pytest.mark.parametrize("status", ["PENDING", "PROCESSING", "CANCELED"])
def test_read_back_that_is_not_complete_says_nothing(status: str) -> None:
    """A read that isn't complete settles no row."""
    reading = read_back({"status": status, "results": [{"id": "101", "properties": {"city": "x"}}]}, ["101"], city="x")
    assert unsaid(reading) == ["101"]


def test_read_back_by_id_property_is_no_merge() -> None:
    """A unique property that HubSpot shows in another spelling ("1.50" as "1.5") is no record that was merged."""
    body = {"results": [{"id": "900", "properties": {"key": "1.5", "city": "Ghent"}}]}
    reading = read_back(body, ["1.50"], id_property="key", city="Ghent")
    assert reading.merged == ()


def test_read_back_by_id_property_ignores_merged_record_ids() -> None:
    """A record id that was merged long ago names no row whose unique property happens to have the same digits."""
    body = {"results": [{"id": "900", "properties": {"key": "K-9", "hs_merged_object_ids": "101"}}]}
    reading = read_back(body, ["101", "102"], id_property="key")
    assert reading.merged == ()
