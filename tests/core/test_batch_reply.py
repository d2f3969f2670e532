"""What a 2xx says of records, read from whatever comes back."""

from __future__ import annotations

import orjson
import pytest

from airflow_provider_hubbatch.core.batch_reply import parse_batch_reply
from airflow_provider_hubbatch.core.protocol import Reply


def test_parse_batch_reply_keeps_what_the_outcome_needs() -> None:
    """A result's id, times and trace id; numbers as text; extra fields ignored."""
    body = {"status": "complete", "results": [{"id": 5, "updatedAt": "2026-01-01T00:00:00Z", "objectWriteTraceId": 7}]}
    (record,) = parse_batch_reply(Reply(200, {}, orjson.dumps(body))).results
    assert (record.id, record.updated_at, record.trace_id) == ("5", "2026-01-01T00:00:00Z", "7")


@pytest.mark.parametrize(("status", "confirms"), [(None, True), ("COMPLETE", True), ("Pending", False), ("x", False)])
def test_batch_reply_confirms_only_when_complete(status: str | None, confirms: bool) -> None:
    """Only COMPLETE, or no status at all, confirms what the results name."""
    assert parse_batch_reply(Reply(200, {}, orjson.dumps({"status": status}))).confirms is confirms


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"5", b'"x"', b"<html>", b"{"])
def test_batch_reply_of_no_object_makes_no_sense(body: bytes) -> None:
    """A body that is no JSON object confirms nothing."""
    reply = parse_batch_reply(Reply(200, {}, body))
    assert (reply.makes_sense, reply.confirms, reply.results) == (False, False, ())
    assert parse_batch_reply(None) == reply


def test_errors_of_a_2xx_have_the_replys_correlation_id() -> None:
    """It is in the reply's header only, unless an error has one of its own."""
    errors = [{"category": "OBJECT_NOT_FOUND"}, {"category": "CONFLICT", "correlationId": "own"}, {}, None]
    reply = parse_batch_reply(
        Reply(207, {"X-HubSpot-Correlation-Id": "in-header"}, orjson.dumps({"results": [], "errors": errors}))
    )
    assert reply.correlation_id == "in-header"
    assert [(one.category, one.correlation_id, one.status) for one in reply.errors] == [
        ("OBJECT_NOT_FOUND", "in-header", 207),
        ("CONFLICT", "own", 207),
        ("UNKNOWN_ERROR", "in-header", 207),
    ]
