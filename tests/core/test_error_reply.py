"""What HubSpot says when it refuses, read from whatever comes back."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_hubbatch.core.batch_reply import parse_batch_reply
from airflow_provider_hubbatch.core.error_reply import ErrorReply, parse_error
from airflow_provider_hubbatch.core.protocol import Reply


def error(body: Any, status: int = 400, **headers: str) -> ErrorReply:
    """What is read from this error."""
    return parse_error(
        Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, orjson.dumps(body))
    )


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


@pytest.mark.parametrize("name", ["requiredGranularScopes", "requiredScopes", "missingScopes"])
def test_parse_error_reads_scopes_wherever_they_are(name: str) -> None:
    """The scopes that a 403 requires, under whichever name, from its top, its context or its details, each once."""
    scopes = {name: ["crm.objects.contacts.write", 1.5, "two words"]}
    in_a_detail = {"errors": [None, {}, {"context": scopes}]}
    bodies = [scopes, {"context": scopes}, in_a_detail, {"errors": [scopes]}, {"context": scopes, **in_a_detail}]
    assert {error(body, 403).scopes for body in bodies} == {("crm.objects.contacts.write",)}
    assert error({"context": {name: "tickets"}}, 403).scopes == ("tickets",)


def test_parse_error_takes_the_correlation_id_from_wherever_it_is() -> None:
    """From the body, which is about this error; else from the reply's header."""
    assert error({"correlationId": "in-body"}, X_HubSpot_Correlation_Id="in-header").correlation_id == "in-body"
    assert error({"correlationId": None}, X_HubSpot_Correlation_Id="in-header").correlation_id == "in-header"
    assert error(None, X_HubSpot_Correlation_Id="in-header").correlation_id == "in-header"


def test_parse_error_takes_the_reasons_of_the_details_where_there_is_no_message() -> None:
    """Each once; HubSpot's 2026-09 has replies with no message of their own."""
    details = [{"message": "stage is required", "code": "MISSING_CONDITIONAL_REQUIRED_PROPERTY"}, {"message": "b"}] * 2
    found = error({"category": "VALIDATION_ERROR", "errors": details})
    assert (found.message, found.code) == ("stage is required; b", "MISSING_CONDITIONAL_REQUIRED_PROPERTY")
    assert error({"message": "own", "errors": details}).message == "own"


def test_parse_error_keeps_the_coordinates_of_missing_values() -> None:
    """As they came: the value that no record has stands at the end of each."""
    context = {"missingObjectPropertyValueCoordinates": ["0-1:chip:A:7", "0-1:chip:B"]}
    assert error({"context": context}, 404).coordinates == ("0-1:chip:A:7", "0-1:chip:B")


def test_parse_error_reads_how_long_to_wait_and_for_which_limit() -> None:
    """The headers as they came, the limit's name in upper case."""
    found = error({"policyName": "ten_secondly_rolling", "errorType": "rate_limit"}, 429, Retry_After="3", Date="now")
    assert (found.policy_name, found.category) == ("TEN_SECONDLY_ROLLING", "RATE_LIMIT")
    assert (found.retry_after, found.date) == ("3", "now")


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


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "HubSpot gave no reason"),
        (b" \n", "HubSpot gave no reason"),
        *(
            (body, "the reply's body is no JSON object")
            for body in (b"<html>502</html>", b"{", b"\xff", b"[" * 100_000)
        ),
        (b'{"message": [{', "the reply's body is no JSON object"),
        (b"{}", "HubSpot gave no reason"),
    ],
)
def test_parse_error_reads_a_body_that_is_no_json(body: bytes, reason: str) -> None:
    """A proxy's page, half a reply or endless nesting gives an error with the status, and raises nothing."""
    found = parse_error(Reply(502, {}, body))
    assert (found.category, found.status, found.reason) == ("HTTP_502", 502, reason)


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
    came = Reply(status, {}, raw)
    found, reply = parse_error(came), parse_batch_reply(came)
    for one in (found, *reply.errors):
        assert one.category
        assert one.reason
        assert all(isinstance(name, str) for name in (*one.ids, *one.trace_ids, *one.scopes, *one.coordinates))
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
