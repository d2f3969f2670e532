"""What is decided over what came back for one request."""

from __future__ import annotations

import math

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_hubbatch.core.protocol import Reply
from airflow_provider_hubbatch.core.verdicts import (
    Decision,
    Failure,
    FailureKind,
    Refused,
    Retry,
    RetryPolicy,
    Stop,
    StopKind,
    decide,
    failure_from_reply,
    retry_after_seconds,
)

POLICY = RetryPolicy()
DATE = "Tue, 24 Nov 2026 10:00:00 GMT"


def reply(status: int, body: object = None, headers: dict[str, str] | None = None) -> Reply:
    """A reply with this JSON, or with no body at all."""
    return Reply(status, headers or {}, b"" if body is None else orjson.dumps(body))


def decision(
    status: int, body: object = None, headers: dict[str, str] | None = None, *, attempt: int = 1, elapsed: float = 0.0
) -> Decision:
    """What is decided over a reply, with the dice at one half."""
    failure = failure_from_reply(reply(status, body, headers))
    return decide(failure, attempt=attempt, elapsed_seconds=elapsed, policy=POLICY, random=lambda: 0.5, repeatable=True)


@pytest.mark.parametrize("status", [401, 403])
def test_decide_stops_at_once_when_the_token_does_not_do(status: int) -> None:
    """401 and 403 end the sync at the first reply, scopes named or not."""
    stop = decision(status, {"message": "no"})
    assert isinstance(stop, Stop)
    assert stop.kind is StopKind.ACCESS


@pytest.mark.parametrize("status", [400, 402, 404, 405, 409, 413, 414, 415, 422, 431, 451, 499])
def test_decide_refuses_what_is_about_the_request(status: int) -> None:
    """Other 4xx are never sent again as they are."""
    assert isinstance(decision(status, {"message": "Property values were not valid"}), Refused)


@pytest.mark.parametrize("status", [200, 207, 408, 500, 502, 503, 504, 505, 520, 521, 523, 524, 530])
def test_decide_backs_off_from_what_may_pass(status: int) -> None:
    """Server errors, time-outs and a 2xx that is no JSON are sent again, after half of a second, two, four..."""
    waits = []
    for attempt in (1, 2, 3, 9):
        retry = decision(status, attempt=attempt)
        assert isinstance(retry, Retry)
        assert not retry.rate_limited
        waits.append(retry.after_seconds)
    assert waits == [0.5, 1.0, 2.0, 15.0]


@pytest.mark.parametrize("status", [522, 525, 526])
def test_decide_leaves_what_stays_broken_to_later(status: int) -> None:
    """HubSpot asks not to retry these: the sync ends as unavailable."""
    stop = decision(status)
    assert isinstance(stop, Stop)
    assert stop.kind is StopKind.UNAVAILABLE


@pytest.mark.parametrize("status", [301, 302, 307, 308, 407])
def test_decide_stops_where_no_hubspot_answers(status: int) -> None:
    """A redirect isn't followed with a token in hand; a proxy's login is somebody's to give."""
    stop = decision(status)
    assert isinstance(stop, Stop)
    assert stop.kind is StopKind.SETTINGS
    assert "check host" in stop.reason


@pytest.mark.parametrize(
    ("body", "longest", "pause"),
    [
        ({"policyName": "TEN_SECONDLY_ROLLING"}, 1.0, False),
        ({"policyName": "ten_secondly_rolling", "category": "RATE_LIMITS"}, 1.0, False),
        ({"message": "You have reached your ten_secondly_rolling limit.", "errorType": "RATE_LIMIT"}, 1.0, False),
        ({"policyName": "SECONDLY"}, 1.5, True),
        ({"message": "You have reached your secondly limit."}, 1.5, True),
        ({}, 1.0, False),
        (None, 1.0, False),
    ],
)
def test_decide_429_waits_by_its_policy(body: object, longest: float, pause: bool) -> None:
    """The burst limit costs the one request a moment, the one-second limit a second for all."""
    retry = decision(429, body)
    assert isinstance(retry, Retry)
    assert retry.rate_limited
    assert 0.0 < retry.after_seconds <= longest
    assert (retry.pause_seconds > 0.0) is pause


@pytest.mark.parametrize(
    "body", [{"policyName": "DAILY"}, {"policyName": "daily"}, {"message": "You have reached your daily limit."}]
)
def test_decide_never_retries_the_daily_limit(body: object) -> None:
    """The daily limit is exhausted: no retry would help."""
    stop = decision(429, body, {"Retry-After": "1"})
    assert isinstance(stop, Stop)
    assert stop.kind is StopKind.DAILY_QUOTA


@pytest.mark.parametrize(
    ("raw", "seconds"),
    [("3", 3.0), ("0.5", 0.5), ("2500", 2.5), ("10000", 10.0), ("9" * 30, 10.0), ("86400000", 10.0)],
)
def test_decide_429_honours_retry_after_clamped(raw: str, seconds: float) -> None:
    """Seconds or milliseconds, and never longer than the window."""
    retry = decision(429, {"policyName": "TEN_SECONDLY_ROLLING"}, {"retry-after": raw})
    assert isinstance(retry, Retry)
    assert retry.after_seconds == seconds


def test_decide_waits_for_a_lock() -> None:
    """A 423 holds for two seconds."""
    retry = decision(423)
    assert isinstance(retry, Retry)
    assert retry.after_seconds == 2.5


@pytest.mark.parametrize(("raw", "waited"), [("5", 5.0), ("60", 60.0), (DATE.replace("10:00:00", "10:00:07"), 7.0)])
def test_decide_honours_retry_after(raw: str, waited: float) -> None:
    """Of a 503 and of a short migration; as seconds or as a date."""
    for status in (477, 503):
        retry = decision(status, None, {"Retry-After": raw, "Date": DATE})
        assert isinstance(retry, Retry)
        assert retry.after_seconds == waited


def test_decide_leaves_a_long_migration_to_airflow() -> None:
    """A 477 that asks for hours ends the try, and says for how long."""
    stop = decision(477, None, {"Retry-After": "86400"})
    assert stop == Stop(StopKind.UNAVAILABLE, "477", 86400.0)


def test_decide_is_not_hung_by_a_huge_hint() -> None:
    """A 503 that asks for a year is asked again within a minute."""
    retry = decision(503, None, {"Retry-After": "31536000"})
    assert isinstance(retry, Retry)
    assert retry.after_seconds == POLICY.max_hint_seconds


@pytest.mark.parametrize("raw", ["", "-1", "soon", "nan", "inf", "Tue, 99 Nov 2026", "1e999"])
def test_retry_after_nonsense_is_none(raw: str) -> None:
    """What can't be read is no hint."""
    assert retry_after_seconds(failure_from_reply(reply(503, None, {"Retry-After": raw, "Date": DATE}))) is None


@pytest.mark.parametrize("kind", [FailureKind.REFUSED, FailureKind.CUT, FailureKind.TIMEOUT])
def test_decide_sends_again_what_was_cut(kind: FailureKind) -> None:
    """Setting a property twice is harmless, so a request whose fate is unknown is sent again."""
    retry = decide(Failure(kind), attempt=1, elapsed_seconds=0.0, policy=POLICY, random=lambda: 0.5, repeatable=True)
    assert isinstance(retry, Retry)


def test_decide_does_not_repeat_a_failed_certificate() -> None:
    """TLS that fails is for somebody to fix."""
    stop = decide(
        Failure(FailureKind.TLS), attempt=1, elapsed_seconds=0.0, policy=POLICY, random=lambda: 0.5, repeatable=True
    )
    assert isinstance(stop, Stop)


def test_decide_waits_out_an_outage_of_minutes_and_no_longer() -> None:
    """A HubSpot that is down is asked for five minutes, the last time at their end; then it is Airflow's to retry."""
    elapsed, attempt = 0.0, 1
    while isinstance(made := decision(503, attempt=attempt, elapsed=elapsed), Retry):
        elapsed += made.after_seconds
        attempt += 1
    assert isinstance(made, Stop)
    assert made.kind is StopKind.UNAVAILABLE
    assert elapsed == POLICY.max_elapsed_seconds
    assert 10 < attempt < POLICY.max_attempts
    assert isinstance(decision(503, attempt=POLICY.max_attempts), Stop)


@pytest.mark.parametrize("in_body", [True, False])
def test_failure_describes_itself(in_body: bool) -> None:
    """With what its support asks for first, whether the body or a header has it."""
    body = {"category": "RATE_LIMITS", "message": "ten_secondly_rolling limit."}
    headers = {} if in_body else {"X-HubSpot-Correlation-Id": "5f1c"}
    retry = decision(429, body | ({"correlationId": "5f1c"} if in_body else {}), headers)
    assert isinstance(retry, Retry)
    assert retry.reason == "[correlation 5f1c] 429 RATE_LIMITS: ten_secondly_rolling limit"


def test_failure_keeps_words_that_may_quote_a_value_to_itself() -> None:
    """Of a request with a body, the reason says status and category only; which limit it hit is read all the same."""
    body = {"category": "VALIDATION_ERROR", "message": "Veza was not one of the allowed options"}
    refused = decide(
        failure_from_reply(reply(400, body), quotable=False),
        attempt=1,
        elapsed_seconds=0.0,
        policy=POLICY,
        random=lambda: 0.5,
        repeatable=True,
    )
    assert refused == Refused("400 VALIDATION_ERROR")
    daily = failure_from_reply(reply(429, {"message": "You have reached your daily limit."}), quotable=False)
    stop = decide(daily, attempt=1, elapsed_seconds=0.0, policy=POLICY, random=lambda: 0.5, repeatable=True)
    assert stop == Stop(StopKind.DAILY_QUOTA, "429")


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(
    ["category", "errorType", "policyName", "message", "correlationId", "context", "errors", "subCategory"]
)
hints = st.text(max_size=12) | st.floats().map(str) | st.integers().map(str) | st.just(DATE)


@given(
    status=st.integers(100, 999),
    body=json_values | st.dictionaries(fields, json_values),
    headers=st.dictionaries(st.sampled_from(["Retry-After", "date"]), hints),
    attempt=st.integers(1, 10_000),
    elapsed=st.floats(0.0, 1e6),
    dice=st.floats(0.0, 1.0, exclude_max=True),
)
def test_decide_never_raises_and_never_waits_for_long(
    *, status: int, body: object, headers: dict[str, str], attempt: int, elapsed: float, dice: float
) -> None:
    """Whatever comes back: a finite wait, within the time that is left, or an end."""
    failure = failure_from_reply(reply(status, body, headers))
    made = decide(
        failure, attempt=attempt, elapsed_seconds=elapsed, policy=POLICY, random=lambda: dice, repeatable=True
    )
    if isinstance(made, Retry):
        assert attempt < POLICY.max_attempts
        assert math.isfinite(made.after_seconds)
        assert 0.0 <= made.after_seconds <= min(POLICY.max_hint_seconds, POLICY.max_elapsed_seconds - elapsed)
        assert 0.0 <= made.pause_seconds <= POLICY.window_seconds
    if isinstance(made, Stop) and made.after_seconds is not None:
        assert math.isfinite(made.after_seconds)


@pytest.mark.parametrize(("attempt", "others_succeed"), [(4, True), (5, False), (5, True)])
def test_decide_suspects_a_row_when_hubspot_fails_one_request_alone(attempt: int, *, others_succeed: bool) -> None:
    """A 5xx for the fifth time, while other requests are answered, is about the request: its rows are told apart."""
    failure = failure_from_reply(reply(500))
    made = decide(
        failure,
        attempt=attempt,
        elapsed_seconds=10.0,
        policy=POLICY,
        random=lambda: 0.5,
        repeatable=True,
        others_succeed=others_succeed,
    )
    assert isinstance(made, Refused if (attempt, others_succeed) == (5, True) else Retry)
