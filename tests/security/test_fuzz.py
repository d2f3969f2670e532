"""Whatever HubSpot, or something in its place, answers: no crash, no hang, one outcome for each row.

The suite runs a few hundred cases; the long form, of as many as you like::

    HUBBATCH_FUZZ_CASES=20000 make test PYTEST_ARGS="tests/security/test_fuzz.py --timeout=7200"
"""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_hubbatch.client.calls import call
from airflow_provider_hubbatch.client.dispatcher import Dispatcher
from airflow_provider_hubbatch.client.pace import Pace
from airflow_provider_hubbatch.client.tokens import OAuthToken, RefreshUnansweredError
from airflow_provider_hubbatch.core import protocol
from airflow_provider_hubbatch.core.batch_reply import parse_batch_reply
from airflow_provider_hubbatch.core.costs import Costs
from airflow_provider_hubbatch.core.daily_limit import next_midnight, parsed_moment
from airflow_provider_hubbatch.core.definitions import definitions_from_json
from airflow_provider_hubbatch.core.error_reply import parse_error
from airflow_provider_hubbatch.core.lookup import BatchReadLookup
from airflow_provider_hubbatch.core.model import Status
from airflow_provider_hubbatch.core.protocol import Reply, Request
from airflow_provider_hubbatch.core.redact import Redactor
from airflow_provider_hubbatch.exceptions import HubSpotError, SyncStoppedError
from tests.engine.simulated import SimulatedHubSpot, Simulation, make_input, make_run

pytestmark = pytest.mark.slow

CASES = int(os.environ.get("HUBBATCH_FUZZ_CASES", "100"))
MOST_REQUESTS = 2_000
IDS = [str(number) for number in range(1, 8)]

TEXTS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(IDS),
    st.sampled_from(["", "999999", "1.0", "COMPLETE", "PENDING", "CANCELED", "VALIDATION_ERROR", "OBJECT_NOT_FOUND"]),
    st.sampled_from(["INVALID_OPTION", "city", "DAILY", "SECONDLY", "ten_secondly_rolling", "../../oauth", "\x00"]),
    st.sampled_from(["\r\nX-Evil: 1", "Unable to infer object type from: x", "CONTACT already exists. Existing ID: 3"]),
    st.sampled_from(
        [
            "Duplicate IDs found in batch input: [1]. IDs must be unique",
            'Property values were not valid: [{"name": "city", "error": "INVALID_OPTION", "message": "town 1"}]',
            "Property values were not valid: [{" * 50,
            "9" * 5000,
        ]
    ),
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False, allow_infinity=False), TEXTS
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(TEXTS, inner, max_size=5)),
    max_leaves=12,
)
FIELDS = ["status", "results", "errors", "category", "message", "context", "correlationId", "subCategory", "numErrors"]
FIELDS += ["id", "ids", "properties", "updatedAt", "objectWriteTraceId", "propertyName", "code", "in", "policyName"]
FIELDS += ["requiredGranularScopes", "name", "errorType", "links", "archived", "access_token", "expires_in", "scopes"]


def mangled(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects with HubSpot's own fields, and anything in them."""
    return st.one_of(st.lists(inner, max_size=6), st.dictionaries(st.sampled_from(FIELDS), inner, max_size=8))


ALMOST = st.recursive(SCALARS, mangled, max_leaves=25)
PROPERTIES = st.one_of(st.dictionaries(st.sampled_from(["city", "hs_merged_object_ids"]), SCALARS), ALMOST)
RECORDS = st.fixed_dictionaries(
    {"id": st.one_of(st.sampled_from(IDS), ALMOST)},
    optional={
        "properties": PROPERTIES,
        "updatedAt": SCALARS,
        "objectWriteTraceId": st.one_of(st.sampled_from(["0", "1", "2"]), ALMOST),
    },
)
ERRORS = st.fixed_dictionaries(
    {},
    optional={"category": TEXTS, "message": TEXTS, "correlationId": SCALARS, "subCategory": ALMOST}
    | {
        "context": st.one_of(
            st.fixed_dictionaries(
                {}, optional={"ids": st.lists(st.sampled_from([*IDS, "77"])), "objectWriteTraceId": ALMOST}
            ),
            ALMOST,
        ),
        "errors": ALMOST,
    },
)
BATCHES = st.fixed_dictionaries(
    {"results": st.one_of(st.lists(RECORDS, max_size=9), ALMOST)},
    optional={"status": TEXTS, "errors": st.one_of(st.lists(ERRORS, max_size=4), ALMOST), "numErrors": SCALARS},
)
BODIES = st.one_of(
    BATCHES.map(lambda data: json.dumps(data).encode()),
    ERRORS.map(lambda data: json.dumps(data).encode()),
    ALMOST.map(lambda data: json.dumps(data).encode()),
    ANYTHING.map(lambda data: json.dumps(data, ensure_ascii=False).encode("utf-8", "surrogatepass")),
    ANYTHING.map(lambda data: json.dumps(data).encode("utf-16")),
    BATCHES.map(lambda data: json.dumps(data).encode()[:-3]),
    st.binary(max_size=60),
    st.sampled_from([b"", b"null", b"[]", b"{}", b"\xef\xbb\xbf{}", b"NaN", b"1e999", b"<html>"]),
    st.sampled_from([b"[" * 100_000, b'{"a":' * 5_000, b'{"results":' + b"[" * 900 + b"]" * 900 + b"}"]),
    st.just(b'{"message": "' + b"x" * 200_000 + b'"}'),
)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "Retry-After",
            "Date",
            "X-HubSpot-RateLimit-Max",
            "X-HubSpot-RateLimit-Remaining",
            "X-HubSpot-RateLimit-Interval-Milliseconds",
            "X-HubSpot-RateLimit-Daily",
            "X-HubSpot-RateLimit-Daily-Remaining",
            "X-HubSpot-Correlation-Id",
        ]
    ),
    st.one_of(
        st.sampled_from(["0", "-1", "1", "10", "1e400", "nan", "inf", "9" * 400, "\u0663"]),
        st.just("Wed, 21 Oct 2099 07:28:00 GMT"),
        st.text(max_size=12),
    ),
    max_size=3,
)
STATUSES = st.one_of(
    st.sampled_from([200, 200, 200, 201, 204, 207, 400, 400, 400, 404, 409, 413, 423, 429, 477, 500, 502, 503, 504]),
    st.sampled_from([401, 403, 302, 307, 407, 408, 422, 451, 521, 523, 524, 525, 526]),
    st.integers(100, 999),
)
REPLIES = st.lists(st.builds(Reply, STATUSES, HEADERS, BODIES), min_size=1, max_size=6)


class Hostile(Simulation):
    """Answers these, in turn, then (for ever, or not at all) as HubSpot does.

    :param for_ever: it never becomes HubSpot again.
    """

    def __init__(self, replies: list[Reply], *, for_ever: bool) -> None:
        super().__init__(SimulatedHubSpot({one: {} for one in IDS}))
        self._replies = replies
        self._for_ever = for_ever

    def submit(self, tag: int, request: Request) -> None:
        """Send a request; a loop that never ends is found here."""
        assert len(self.requests) < MOST_REQUESTS, "it goes on and on"
        super().submit(tag, request)

    def _arrive(self, tag: int, request: Request, kind: str | None, sent_at: float, rest: float) -> None:
        number = len(self.requests) - 1
        if number < len(self._replies) or self._for_ever:
            return self._reply(tag, sent_at, rest, self._replies[number % len(self._replies)])
        return super()._arrive(tag, request, kind, sent_at, rest)


def lookup(*, by_email: bool) -> BatchReadLookup:
    return BatchReadLookup(
        object_type="contacts",
        id_property="email" if by_email else None,
        api_version="2026-03",
        reads_values=True,
    )


@settings(max_examples=CASES)
@given(
    replies=REPLIES,
    for_ever=st.booleans(),
    rows=st.lists(st.sampled_from(IDS), min_size=1, max_size=12),
    id_property=st.sampled_from([None, None, "customer_number"]),
    missing_ok=st.booleans(),
    looks_up=st.sampled_from([None, None, "id", "email"]),
)
def test_fuzz_every_row_has_one_outcome(
    *,
    replies: list[Reply],
    for_ever: bool,
    rows: list[str],
    id_property: str | None,
    missing_ok: bool,
    looks_up: str | None,
) -> None:
    """Any replies to any sync: it ends, by itself, with one outcome a row, and none is called updated by a reply that
    doesn't name its record.
    """
    simulation = Hostile(replies, for_ever=for_ever)
    plan: dict[str, Any] = {"missing_ok": missing_ok, "reads_to_the_end": True}
    if looks_up is not None:
        plan["lookup"], id_property = lookup(by_email=looks_up == "email"), None
    run = make_run(
        simulation,
        [make_input(row, one) for row, one in enumerate(rows)],
        id_property=id_property,
        max_in_flight=3,
        **plan,
    ).drive()
    assert sorted(outcome.row for outcome in run.outcomes) == list(range(len(rows)))
    assert run.error is None or (isinstance(run.error, HubSpotError) and not isinstance(run.error, SyncStoppedError))
    for outcome in run.outcomes:
        json.dumps(outcome.as_dict())
        if outcome.status is Status.UPDATED and id_property is None and looks_up != "email":
            assert outcome.record_id is not None
    if run.error is not None:
        assert len(str(run.error)) < 2_000
        assert "\n" not in str(run.error)


@settings(max_examples=CASES)
@given(replies=REPLIES, body=st.sampled_from([None, b"{}"]))
def test_fuzz_a_single_request_ends(replies: list[Reply], body: bytes | None) -> None:
    """Any replies to one request: a reply, or an error of ours."""
    simulation = Hostile(replies, for_ever=True)
    dispatcher = Dispatcher(transport=simulation, pace=Pace(), random=lambda: 0.5, max_in_flight=1, costs=Costs())
    try:
        reply = call(dispatcher, Request("GET" if body is None else "POST", "/x", body))
    except HubSpotError as error:
        assert str(error)  # noqa: PT017 - either way is right
    else:
        assert 200 <= reply.status < 300


@settings(max_examples=CASES)
@given(body=BODIES, status=STATUSES)
def test_fuzz_what_reads_a_body_never_raises(body: bytes, status: int) -> None:
    """Batch replies, errors, definitions, the account, times: read as far as they make sense, whatever they are."""
    parse_batch_reply(Reply(status, {}, body))
    error = parse_error(Reply(status, {}, body))
    assert error.category
    data = protocol.decode(body)
    entries = data.get("results") if isinstance(data, dict) else data
    definitions_from_json([entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else [])
    moment = parsed_moment(data)
    assert moment is None or moment.tzinfo is not None
    next_midnight(parsed_moment(0) or moment, data if isinstance(data, dict) else {})  # type: ignore[arg-type]
    Redactor("a-secret-of-ours").reply(Reply(status, {"X": "y"}, body))


@settings(max_examples=CASES)
@given(reply=st.builds(Reply, STATUSES, HEADERS, BODIES), told=ALMOST)
def test_fuzz_the_token_endpoint(reply: Reply, told: Any) -> None:
    """Whatever the token endpoint answers: a token that can be a header's value, or an error of ours."""
    almost_right = json.dumps({"access_token": "t0ken", "expires_in": told, "scopes": told}).encode()
    for one in (reply, Reply(200, {}, almost_right)):
        token = OAuthToken(
            client_id="c",
            client_secret="s",
            refresh_token="r",
            post=lambda *_, one=one: one,
            api_version="2026-03",
            redactor=Redactor(),
        )
        try:
            value = token.authorization()
        except (HubSpotError, RefreshUnansweredError) as error:
            assert len(str(error).splitlines()) == 1  # noqa: PT017 - either way is right
        else:
            assert value.isascii()
            assert len(value.split()) == 2
