"""HubSpot's side of the wire: what is sent, and what is read from whatever comes back."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_hubbatch.core import protocol
from airflow_provider_hubbatch.core.model import Input
from airflow_provider_hubbatch.core.protocol import BatchRead, BatchUpdate, ErrorInfo, parse_batch_reply, parse_error
from airflow_provider_hubbatch.exceptions import SettingsError

ROWS = [Input(7, 12.0, "12", "12", {"city": "Ghent"}), Input(9, "13", "13", "13", {"city": ""})]


def error(body: Any, status: int = 400) -> ErrorInfo:
    """What is read from this error."""
    return parse_error(status, orjson.dumps(body))


def test_batch_update_sends_ids_trace_ids_and_properties() -> None:
    """An update goes to the dated path; each row has its trace id, which is its index; no idProperty for record ids."""
    request = BatchUpdate("contacts").request(ROWS)
    assert (request.method, request.path) == ("POST", "/crm/objects/2026-03/contacts/batch/update")
    assert orjson.loads(request.body or b"") == {
        "inputs": [
            {"id": "12", "objectWriteTraceId": "7", "properties": {"city": "Ghent"}},
            {"id": "13", "objectWriteTraceId": "9", "properties": {"city": ""}},
        ]
    }


def test_batch_update_sends_one_id_property_with_every_row() -> None:
    """With an id property, every input names it."""
    request = BatchUpdate("p1_pets", "chip_id", "2026-09").request(ROWS)
    assert request.path == "/crm/objects/2026-09/p1_pets/batch/update"
    assert [one["idProperty"] for one in orjson.loads(request.body or b"")["inputs"]] == ["chip_id", "chip_id"]


def test_batch_read_asks_by_the_id_property_at_the_top() -> None:
    """A read names its idProperty once, for all ids."""
    request = BatchRead("contacts", ("city",), "email").request(["a@b.example", "c@d.example"])
    assert request.path == "/crm/objects/2026-03/contacts/batch/read"
    assert orjson.loads(request.body or b"") == {
        "inputs": [{"id": "a@b.example"}, {"id": "c@d.example"}],
        "properties": ["city"],
        "propertiesWithHistory": [],
        "idProperty": "email",
    }
    assert "idProperty" not in orjson.loads(BatchRead("contacts", ()).request(["1"]).body or b"")


@pytest.mark.parametrize("object_type", ["contacts", "0-1", "2-1234567", "p1_pets", "line_items"])
def test_checked_object_type_takes_what_hubspot_has(object_type: str) -> None:
    """Names and ids of object types are taken as they are."""
    assert protocol.checked_object_type(object_type) == object_type


@pytest.mark.parametrize(
    "object_type",
    ["", "a/b", "..", ".", "con tacts", "contacts\n", "contacts?x=1", "a#b", "%2e%2e", "é", "x" * 101, None, 5],
)
def test_checked_object_type_lets_nothing_else_into_a_path(object_type: Any) -> None:
    """What could leave the path, or is no text, is a wrong setting."""
    with pytest.raises(SettingsError, match="object_type"):
        protocol.checked_object_type(object_type)


@pytest.mark.parametrize("version", ["", "2026", "2026-3", "../v3", "2026-03\n", None, 3])
def test_checked_api_version_refuses_what_is_none(version: Any) -> None:
    """An API version is a date, such as 2026-03."""
    with pytest.raises(SettingsError, match="api_version"):
        protocol.checked_api_version(version)


# --- errors -----------------------------------------------------------------------------------------------------------


def test_parse_error_reads_what_a_not_found_names() -> None:
    """Ids, as numbers or text, and trace ids, from the top and from the details."""
    found = error(
        {
            "category": "OBJECT_NOT_FOUND",
            "message": "Could not get some CONTACT objects",
            "correlationId": "5f1c",
            "context": {"ids": [1, "2"], "objectWriteTraceId": "7"},
            "errors": [{"message": "x", "context": {"ids": ["3"], "objectWriteTraceId": ["8"]}}],
        }
    )
    assert (found.category, found.correlation_id) == ("OBJECT_NOT_FOUND", "5f1c")
    assert (set(found.ids), set(found.trace_ids)) == ({"1", "2", "3"}, {"7", "8"})


VETOED = (
    'Property values were not valid: [{"isValid":false,"message":"Veza was not one of the allowed options: [a, b]",'
    '"error":"INVALID_OPTION","name":"plan"},{"isValid":false,"message":"Email address example.lcom is invalid",'
    '"error":"INVALID_EMAIL","name":"email"}]'
)


@pytest.mark.parametrize(
    "details",
    [
        None,
        [],
        [{"message": "Veza was not one of the allowed options: [a, b]", "code": "INVALID_OPTION", "in": "plan"}],
    ],
)
def test_parse_error_reads_the_list_in_a_message(details: Any) -> None:
    """The properties that a message lists are read, each once, however many of them the details repeat."""
    found = error({"category": "VALIDATION_ERROR", "message": VETOED, "errors": details})
    assert [(one.name, one.code) for one in found.properties] == [
        ("plan", "INVALID_OPTION"),
        ("email", "INVALID_EMAIL"),
    ]
    assert found.properties[1].message == "Email address example.lcom is invalid"


def test_parse_error_reads_properties_from_the_details() -> None:
    """A property that doesn't exist is named in the details' context."""
    detail = {"message": "no", "code": "PROPERTY_DOESNT_EXIST", "context": {"propertyName": ["plam", "zip2"]}}
    found = error({"category": "VALIDATION_ERROR", "message": "no", "errors": [detail]})
    assert [(one.name, one.code) for one in found.properties] == [
        ("plam", "PROPERTY_DOESNT_EXIST"),
        ("zip2", "PROPERTY_DOESNT_EXIST"),
    ]


def test_parse_error_reads_scopes_wherever_they_are() -> None:
    """The scopes that a 403 requires, from its context or its details, each once."""
    scopes = {"requiredGranularScopes": ["crm.objects.contacts.write"]}
    assert error({"context": scopes}, 403).scopes == ("crm.objects.contacts.write",)
    assert error({"context": scopes, "errors": [{"context": scopes}]}, 403).scopes == ("crm.objects.contacts.write",)


@pytest.mark.parametrize(
    ("body", "category"),
    [
        ({"category": "RATE_LIMITS", "subCategory": "x"}, "RATE_LIMITS"),
        ({"subCategory": "crm.VALIDATION"}, "crm.VALIDATION"),
        ({"subCategory": {"name": "x"}}, "HTTP_400"),
        ({"errors": [{"code": "PROPERTY_DOESNT_EXIST"}]}, "PROPERTY_DOESNT_EXIST"),
        ({"message": "Unable to infer object type from: butterflies"}, "HTTP_400"),
        ({}, "HTTP_400"),
        ([], "HTTP_400"),
        ("text", "HTTP_400"),
        (None, "HTTP_400"),
    ],
)
def test_parse_error_always_has_a_category(body: Any, category: str) -> None:
    """The category is HubSpot's, else a code that the error holds, else the HTTP status."""
    assert error(body).category == category


@pytest.mark.parametrize("body", [b"", b"<html>502</html>", b"{", b"\xff", b"[" * 100_000, b'{"message": [{'])
def test_parse_error_reads_a_body_that_is_no_json(body: bytes) -> None:
    """A proxy's page, half a reply or endless nesting gives an error with the status, and raises nothing."""
    found = parse_error(502, body)
    assert (found.category, "502" in found.message) == ("HTTP_502", True)


_junk = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "status",
                    "category",
                    "message",
                    "errors",
                    "context",
                    "ids",
                    "id",
                    "objectWriteTraceId",
                    "code",
                    "name",
                    "in",
                    "propertyName",
                    "results",
                    "properties",
                    "updatedAt",
                    "subCategory",
                    "requiredGranularScopes",
                    "error",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@settings(max_examples=300, deadline=None)
@given(_junk, st.integers(100, 599))
def test_replies_of_any_shape_are_read(body: Any, status: int) -> None:
    """Whatever JSON comes back, reading it raises nothing, and every text that it gives is a text."""
    raw = orjson.dumps(body)
    found, reply = parse_error(status, raw), parse_batch_reply(raw)
    for one in (found, *reply.errors):
        assert one.category
        assert one.message
        assert all(isinstance(name, str) for name in (*one.ids, *one.trace_ids, *one.scopes))
        assert all(isinstance(detail.message, str) for detail in one.properties)
    assert all(isinstance(record.id, str) and record.id for record in reply.results)
    assert all(isinstance(record.properties, dict) for record in reply.results)


@settings(max_examples=200, deadline=None)
@given(
    st.text(max_size=40), st.sampled_from(["[{", "[{}]", '[{"name": 5}]', "[{" * 2_000, '[{"name": "a"}] tail', "[1]"])
)
def test_parse_error_reads_any_message(text: str, listed: str) -> None:
    """Whatever stands in a message, reading it raises nothing and the words are kept."""
    message = f"{text}{listed}"
    assert error({"message": message}).message == message


def test_parse_batch_reply_keeps_what_the_outcome_needs() -> None:
    """A result's id, times and trace id; numbers as text; extra fields ignored."""
    body = {"status": "complete", "results": [{"id": 5, "updatedAt": "2026-01-01T00:00:00Z", "objectWriteTraceId": 7}]}
    (record,) = parse_batch_reply(orjson.dumps(body)).results
    assert (record.id, record.updated_at, record.trace_id) == ("5", "2026-01-01T00:00:00Z", "7")


@pytest.mark.parametrize(("status", "confirms"), [(None, True), ("COMPLETE", True), ("Pending", False), ("x", False)])
def test_batch_reply_confirms_only_when_complete(status: str | None, confirms: bool) -> None:
    """Only COMPLETE, or no status at all, confirms what the results name."""
    assert parse_batch_reply(orjson.dumps({"status": status})).confirms is confirms


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"5", b'"x"', b"<html>", b"{"])
def test_batch_reply_of_no_object_makes_no_sense(body: bytes) -> None:
    """A body that is no JSON object confirms nothing."""
    reply = parse_batch_reply(body)
    assert (reply.makes_sense, reply.confirms, reply.results) == (False, False, ())
