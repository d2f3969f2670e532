"""The rolling window, the daily quota and what HubSpot's headers tell of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_hubbatch.sandbox import OAuthApp
from airflow_provider_hubbatch.sandbox.limits import WINDOW_SECONDS, RollingWindow
from tests.sandbox.hubspot_client import Client, row

if TYPE_CHECKING:
    from tests.sandbox.conftest import MakeSandbox


class Clock:
    """Time that goes on when it is told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(seconds=self.seconds)


@pytest.fixture
def clock() -> Clock:
    """A clock for a sandbox."""
    return Clock()


def rate_headers(response: Any) -> dict[str, str]:
    prefix = "x-hubspot-ratelimit-"
    return {
        name.lower().removeprefix(prefix): value
        for name, value in response.headers.items()
        if name.lower().startswith(prefix)
    }


def test_each_reply_tells_what_is_left(make: MakeSandbox, clock: Clock) -> None:
    """Every reply carries the rolling limit, what is left of it, and the daily pair."""
    client = make(requests_per_10_seconds=100, daily_limit=250_000, clock=clock).client
    client.details()
    assert rate_headers(client.details()) == {
        "max": "100",
        "remaining": "98",
        "interval-milliseconds": "10000",
        "daily": "250000",
        "daily-remaining": "249998",
    }


def test_a_full_window_answers_429(make: MakeSandbox, clock: Clock) -> None:
    """The request over the limit gets HubSpot's 429, writes nothing and takes no place in the window."""
    pair = make(requests_per_10_seconds=3, clock=clock)
    assert [pair.client.details().status_code for _ in range(3)] == [200, 200, 200]
    response = pair.client.update(row("1"))
    assert response.status_code == 429
    body = response.json()
    assert body.pop("correlationId")
    assert body == {
        "status": "error",
        "message": "You have reached your ten_secondly_rolling limit.",
        "errorType": "RATE_LIMIT",
        "policyName": "TEN_SECONDLY_ROLLING",
    }
    assert "Retry-After" not in response.headers
    assert rate_headers(response)["remaining"] == "0"
    assert pair.sandbox.objects("contacts")["1"]["properties"]["firstname"] != "New"
    assert pair.sandbox.statistics["rate_limited"] == {"TEN_SECONDLY_ROLLING": 1}
    assert [request.counted_at is None for request in pair.sandbox.requests] == [False, False, False, True]


def test_the_window_rolls(make: MakeSandbox, clock: Clock) -> None:
    """Places come free one by one, each 10 seconds after it was taken."""
    client = make(requests_per_10_seconds=2, clock=clock).client
    assert client.details().status_code == 200
    clock.seconds += 6
    assert client.details().status_code == 200
    clock.seconds += 3.9
    assert client.details().status_code == 429
    clock.seconds += 0.1
    assert client.details().status_code == 200
    assert client.details().status_code == 429
    clock.seconds += 6
    assert client.details().status_code == 200


def test_429s_may_take_places(make: MakeSandbox, clock: Clock) -> None:
    """With count_429s, requests over the limit keep the window full."""
    client = make(requests_per_10_seconds=1, clock=clock, behaviours={"count_429s": True}).client
    assert client.details().status_code == 200
    clock.seconds += 6
    assert client.details().status_code == 429
    clock.seconds += 6
    assert client.details().status_code == 429


@pytest.mark.parametrize(("unit", "value"), [("seconds", "8"), ("milliseconds", "7001")])
def test_a_429_may_say_when_to_come_back(make: MakeSandbox, clock: Clock, unit: str, value: str) -> None:
    """With retry_after_on_429, in seconds or in milliseconds; and with its category."""
    behaviours = {"retry_after_on_429": unit, "category_on_429": True}
    client = make(requests_per_10_seconds=1, clock=clock, behaviours=behaviours).client
    client.details()
    clock.seconds += 3
    response = client.details()
    assert response.headers["Retry-After"] == value
    assert response.json()["category"] == "RATE_LIMITS"


@pytest.mark.parametrize(("count_at", "before", "after"), [("arrival", 0, 0.1), ("reply", 0.1, 0), (0.5, 0.05, 0.05)])
def test_when_a_request_is_counted_is_a_switch(
    make: MakeSandbox, count_at: str | float, before: float, after: float
) -> None:
    """A request takes its place at its arrival, at its reply, or at a fraction of its latency."""
    pair = make(latency_ms=100, behaviours={"count_at": count_at})
    pair.client.details()
    (request,) = pair.sandbox.requests
    assert request.counted_at is not None
    assert request.counted_at - request.received_at >= before - 0.001
    assert request.answered_at - request.counted_at >= after - 0.001


def test_no_limit_means_no_headers(make: MakeSandbox) -> None:
    """Without a rolling limit, any number of requests passes and no header speaks of it."""
    client = make(requests_per_10_seconds=None).client
    responses = [client.details() for _ in range(30)]
    assert {response.status_code for response in responses} == {200}
    assert rate_headers(responses[-1]) == {}


def test_headers_can_be_left_out(make: MakeSandbox) -> None:
    """With rate_limit_headers off, the limit holds without a word."""
    client = make(requests_per_10_seconds=1, behaviours={"rate_limit_headers": False}).client
    assert rate_headers(client.details()) == {}
    assert client.details().status_code == 429


def test_deprecated_headers_mislead(make: MakeSandbox) -> None:
    """With secondly_headers, the deprecated pair says that nothing is left, though there is."""
    client = make(behaviours={"secondly_headers": True}).client
    client.details()
    response = client.details()
    assert response.status_code == 200
    assert rate_headers(response)["secondly-remaining"] == "0"


def test_a_spent_daily_quota_answers_429_daily(make: MakeSandbox, clock: Clock) -> None:
    """An exhausted daily limit: 429 DAILY for every app until midnight in the account's time zone."""
    pair = make(daily_limit=2, clock=clock, now=clock.now, tokens={"one": None, "two": None}, time_zone="UTC")
    with Client(pair.sandbox, token="two") as other:
        assert pair.client.details().status_code == 200
        assert other.details().status_code == 200
        response = pair.client.details()
        assert response.status_code == 429
        assert response.json()["policyName"] == "DAILY"
        assert response.json()["message"] == "You have reached your daily limit."
        assert rate_headers(response)["daily-remaining"] == "0"
        assert other.details().status_code == 429
        clock.seconds += 12 * 3600
        assert pair.client.details().status_code == 200


def test_account_info_may_answer_when_the_quota_is_spent(make: MakeSandbox, clock: Clock) -> None:
    """With daily_limit_spares_account_info, api-usage still tells when the limit resets."""
    pair = make(clock=clock, now=clock.now, behaviours={"daily_limit_spares_account_info": True})
    pair.sandbox.spend_daily_quota(resets_in_seconds=90)
    assert pair.client.update(row("1")).status_code == 429
    usage = pair.client.get("/account-info/2026-03/api-usage/daily/private-apps").json()["results"][0]
    assert usage["resetsAt"] == "2026-03-01T12:18:10.000Z"
    clock.seconds += 90
    assert pair.client.update(row("1")).status_code == 200


def test_the_quota_can_be_spent_and_given_back(make: MakeSandbox, clock: Clock) -> None:
    """spend_daily_quota leaves so many calls; reset_limits frees quota and windows."""
    pair = make(requests_per_10_seconds=5, clock=clock)
    pair.sandbox.spend_daily_quota(leave=1)
    assert [pair.client.details().status_code for _ in range(2)] == [200, 429]
    pair.sandbox.reset_limits()
    assert [pair.client.details().status_code for _ in range(6)] == [200] * 5 + [429]
    pair.sandbox.reset_limits()
    assert pair.client.details().status_code == 200


def test_others_may_use_the_same_window(make: MakeSandbox, clock: Clock) -> None:
    """occupy_window takes places as another program with this token would; set_limits changes the limits."""
    pair = make(requests_per_10_seconds=5, clock=clock)
    pair.sandbox.occupy_window(4)
    assert rate_headers(pair.client.details())["remaining"] == "0"
    assert pair.client.details().status_code == 429
    pair.sandbox.set_limits(requests_per_10_seconds=10, daily_limit=None)
    assert rate_headers(pair.client.details()) == {"max": "10", "remaining": "4", "interval-milliseconds": "10000"}
    with pytest.raises(KeyError, match="unknown"):
        pair.sandbox.occupy_window(1, token="unknown")


def test_apps_have_windows_of_their_own(make: MakeSandbox, clock: Clock) -> None:
    """The rolling limit is each app's; the daily quota is shared."""
    pair = make(requests_per_10_seconds=1, clock=clock, tokens={"one": None, "two": None})
    with Client(pair.sandbox, token="two") as other:
        assert pair.client.details().status_code == 200
        assert pair.client.details().status_code == 429
        assert rate_headers(other.details())["daily-remaining"] == "249998"


def test_oauth_tokens_get_no_daily_headers(make: MakeSandbox) -> None:
    """The daily pair isn't sent to OAuth apps."""
    pair = make(oauth=OAuthApp())
    form = {
        "grant_type": "refresh_token",
        "client_id": "sandbox-client-id",
        "client_secret": "sandbox-client-secret",
        "refresh_token": "sandbox-refresh-token",
    }
    token = pair.client.post("/oauth/2026-03/token", data=form).json()["access_token"]
    with Client(pair.sandbox, token=token) as client:
        assert rate_headers(client.details()).keys() == {"max", "remaining", "interval-milliseconds"}


SEARCH = "/crm/objects/2026-03/contacts/search"
LINKS = "/crm/associations/2026-03/contacts/companies/batch/read"
LABELS = "/crm/associations/2026-03/contacts/companies/labels"
READ = {"inputs": [{"id": "1"}]}  # which has no links: 207


def test_search_has_a_window_of_its_own(make: MakeSandbox, clock: Clock) -> None:
    """Five searches a second for the account: 429 SECONDLY; no headers, and no place in the ten-second window."""
    pair = make(requests_per_10_seconds=2, clock=clock, tokens={"one": None, "two": None})
    with Client(pair.sandbox, token="two") as other:
        responses = [client.post(SEARCH, {}) for client in (pair.client, other, pair.client, other, pair.client)]
        assert {response.status_code for response in responses} == {200}
        assert [rate_headers(response) for response in responses] == [{}] * 5
        refused = other.post(SEARCH, {})
        assert refused.status_code == 429
        assert refused.json()["policyName"] == "SECONDLY"
        assert refused.json()["message"] == "You have reached your secondly limit."
        assert rate_headers(refused) == {}
        assert rate_headers(pair.client.details())["remaining"] == "1"
        clock.seconds += 1
        assert other.post(SEARCH, {}).status_code == 200
    assert pair.sandbox.statistics["max_searches_in_1_second"] == 5


@pytest.mark.parametrize(
    ("switch", "headers"),
    [
        ("own", {"max": "3", "remaining": "2", "interval-milliseconds": "10000"}),
        ("objects", {"max": "2", "remaining": "2", "interval-milliseconds": "10000"}),
        ("none", {}),
    ],
)
def test_associations_have_a_window_of_their_own(
    make: MakeSandbox, clock: Clock, switch: str, headers: dict[str, str]
) -> None:
    """Associations have their own ten seconds and day; their headers speak of these, of others, or of none."""
    pair = make(
        requests_per_10_seconds=2,
        daily_limit=100,
        association_requests_per_10_seconds=3,
        association_daily_limit=4,
        clock=clock,
        behaviours={"association_headers": switch},
    )
    shown = rate_headers(pair.client.post(LINKS, READ))
    daily = {"own": ("4", "3"), "objects": ("100", "100")}.get(switch)
    assert shown == (headers | {"daily": daily[0], "daily-remaining": daily[1]} if daily else {})
    assert [pair.client.post(LINKS, READ).status_code for _ in range(3)] == [207, 207, 429]
    assert [pair.client.details().status_code for _ in range(3)] == [200, 200, 429]
    clock.seconds += 10
    assert pair.client.post(LINKS, READ).status_code == 207
    assert pair.client.post(LINKS, READ).json()["policyName"] == "DAILY"
    assert pair.client.details().status_code == 200
    assert pair.sandbox.statistics["max_associations_in_10_seconds"] == 3


def test_the_labels_of_links_are_counted_as_all_else(make: MakeSandbox, clock: Clock) -> None:
    """Only the batch requests of associations have a window of their own."""
    pair = make(requests_per_10_seconds=2, association_requests_per_10_seconds=1, clock=clock)
    assert [pair.client.get(LABELS).status_code for _ in range(3)] == [200, 200, 429]
    assert pair.client.post(LINKS, READ).status_code == 207


def test_every_window_can_be_filled_and_changed(make: MakeSandbox, clock: Clock) -> None:
    """occupy_window takes places in any of the windows; set_limits leaves alone what it doesn't name."""
    pair = make(clock=clock)
    for pace, places, path in (("search", 5, SEARCH), ("associations", 100, LINKS)):
        pair.sandbox.occupy_window(places, pace=pace)
        assert pair.client.post(path, READ).status_code == 429
    pair.sandbox.set_limits(requests_per_10_seconds=5, daily_limit=None)
    assert pair.client.post(LINKS, READ).status_code == 429
    pair.sandbox.set_limits(
        requests_per_10_seconds=5,
        daily_limit=None,
        association_requests_per_10_seconds=200,
        searches_per_second=None,
    )
    assert pair.client.post(LINKS, READ).status_code == 207
    assert pair.client.post(SEARCH, {}).status_code == 200
    with pytest.raises(KeyError, match="nothing"):
        pair.sandbox.occupy_window(1, pace="nothing")


@given(
    limit=st.integers(1, 5),
    pauses=st.lists(st.floats(0, 12, allow_nan=False, allow_infinity=False), max_size=40),
)
def test_no_10_seconds_hold_more_than_the_limit(limit: int, pauses: list[float]) -> None:
    """Whatever the pauses, no 10 seconds hold more counted requests than the limit, and none is refused below it."""
    window, now = RollingWindow(limit), 0.0
    counted: list[float] = []
    for pause in pauses:
        now += pause
        recent = [one for one in counted if one > now - WINDOW_SECONDS]
        assert window.is_full(now) == (len(recent) >= limit)
        if not window.is_full(now):
            window.count(now)
            counted.append(now)
    assert window.peak <= limit
