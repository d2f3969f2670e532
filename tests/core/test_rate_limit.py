"""The pacer, in simulated time: at the limit, never over it, and fair to others."""

from __future__ import annotations

import bisect
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_hubbatch.core.rate_limit import RateLimiter, RateLimitHeaders
from tests.core.simulated_hubspot import Setting, measure

pytestmark = pytest.mark.slow

TOGETHER = (0.0, 0.0, 0.0, 0.0)


def most_in_a_window(counted: tuple[float, ...], interval: float = 10.0) -> int:
    """The most requests counted in any ``interval``."""
    times = sorted(counted)
    return max(number - bisect.bisect_right(times, time - interval) + 1 for number, time in enumerate(times))


@pytest.mark.parametrize("count_point", ["arrival", "half", "reply"])
@pytest.mark.parametrize("latency", ["constant", "jitter 30 %"])
@pytest.mark.parametrize("seconds", [0.05, 0.3])
@pytest.mark.parametrize("limit", [100, 190, 250])
def test_rate_limiter_alone_uses_the_window_whole_and_gets_no_429(
    limit: int, seconds: float, latency: str, count_point: str
) -> None:
    """Whenever HubSpot counts a request, a task alone runs at 0.97 of the limit or more, and is never refused."""
    result = measure(Setting(limit, latency_seconds=seconds, latency=latency, count_point=count_point))
    assert (result.refused, result.left) == (0, 0)
    assert result.share >= 0.97


@pytest.mark.parametrize(
    ("latency", "count_point"), [("constant", "half"), ("constant", "reply"), ("jitter 30 %", "arrival")]
)
@pytest.mark.parametrize("in_flight", [16, 64])
def test_rate_limiter_alone_keeps_to_the_limit_at_two_seconds(latency: str, count_point: str, in_flight: int) -> None:
    """At 2 s a request, 0.93 of what the bound in flight and the window allow, and no refusal."""
    setting = Setting(latency_seconds=2.0, latency=latency, count_point=count_point, in_flight=in_flight)
    result = measure(setting)
    assert result.refused == 0
    assert result.share >= 0.93


def test_rate_limiter_learns_of_irregular_counting() -> None:
    """Where each request is counted at a moment of its own, the headers show it, and distance is kept."""
    for seed in range(3):
        result = measure(Setting(latency="jitter 30 %", count_point="random", seed=seed))
        assert result.refused == 0
        assert result.share >= 0.94


def test_rate_limiter_survives_slow_handshakes() -> None:
    """The first requests of the connections take half a second longer: no refusal."""
    result = measure(Setting(handshake_seconds=0.5, count_point="reply"))
    assert result.refused == 0
    assert result.share >= 0.97


@pytest.mark.parametrize(("remaining", "share"), [("reply", 0.97), ("lagging", 0.95), ("off", 0.95), ("missing", 0.95)])
@pytest.mark.parametrize("latency", ["constant", "jitter 30 %"])
def test_rate_limiter_alone_whatever_remaining_means(remaining: str, share: float, latency: str) -> None:
    """What remains may be told as of the reply, by a counter that lags or is off by a few, or in some replies only: the
    limit is used all the same, and never run over.
    """
    for seed in range(2):
        result = measure(Setting(latency=latency, remaining=remaining, seed=seed))
        assert (result.refused, result.left) == (0, 0)
        assert result.share >= share


def test_rate_limiter_alone_where_remaining_is_rounded() -> None:
    """To tens: 0.95 of the limit, and no refusal."""
    result = measure(Setting(latency="jitter 30 %", remaining="rounded"))
    assert result.refused == 0
    assert result.share >= 0.95


@pytest.mark.parametrize("batches", [100, 400])
@pytest.mark.parametrize("count_point", ["arrival", "reply"])
def test_rate_limiters_share_an_account(batches: int, count_point: str) -> None:
    """Four processes, started together, run at 0.9 of the limit together, with at most 1 % of refusals."""
    result = measure(Setting(latency="jitter 30 %", count_point=count_point), batches, TOGETHER)
    assert result.left == 0
    assert result.share >= 0.9
    assert result.refused_share <= 0.01


@pytest.mark.parametrize("latency_seconds", [0.05, 0.3])
@pytest.mark.parametrize("limit", [50, 100, 190])
@pytest.mark.parametrize("processes", [8, 16])
def test_rate_limiters_share_an_account_however_many(processes: int, limit: int, latency_seconds: float) -> None:
    """Eight or sixteen processes of 400 requests, started together: at most 1 % of refusals, at any limit."""
    setting = Setting(limit, latency_seconds=latency_seconds, latency="jitter 30 %")
    result = measure(setting, 400, (0.0,) * processes)
    assert result.left == 0
    assert result.refused_share <= 0.01
    assert result.share >= 0.8


@pytest.mark.parametrize("remaining", ["reply", "off", "rounded", "missing"])
def test_rate_limiters_share_an_account_whatever_remaining_means(remaining: str) -> None:
    """Eight processes: at most 1 % of refusals."""
    result = measure(Setting(latency="jitter 30 %", remaining=remaining), 400, (0.0,) * 8)
    assert result.left == 0
    assert result.refused_share <= 0.01


@pytest.mark.parametrize(("batches", "share"), [(400, 0.87), (1600, 0.93)])
def test_rate_limiters_share_an_account_whatever_their_start(batches: int, share: float) -> None:
    """Started one after the other within 3 s, too; and the last isn't starved."""
    result = measure(Setting(latency="jitter 30 %"), batches, (0.0, 1.0, 2.0, 3.0))
    assert result.left == 0
    assert result.share >= share
    assert result.refused_share <= 0.01


def test_rate_limiter_lets_a_newcomer_in() -> None:
    """A process that finds the whole window taken gets through, and doesn't hammer."""
    result = measure(Setting(latency="jitter 30 %"), 400, (0.0, 12.0))
    assert result.left == 0
    assert result.share >= 0.85
    assert result.refused_share <= 0.01


@pytest.mark.parametrize("seconds", [0.05, 0.3])
def test_rate_limiter_with_faults(seconds: float) -> None:
    """With 5 % of arbitrary 429s, 503s and cuts, everything gets through at 0.85 of the limit or more."""
    for seed in range(2):
        result = measure(Setting(latency_seconds=seconds, latency="jitter 30 %", fault_rate=0.05, seed=seed))
        assert result.left == 0
        assert result.share >= 0.85


def test_rate_limiter_keeps_to_a_cap() -> None:
    """A cap below the account's limit holds in every window, and is used."""
    result = measure(Setting(cap=50), 200)
    assert most_in_a_window(result.counted) <= 50
    assert result.share >= 0.97


def test_rate_limiter_without_headers_keeps_to_the_smallest_documented_limit() -> None:
    """Where replies say nothing, at most 100 go out in any 10 s."""
    result = measure(Setting(limit=190, headers=False), 250)
    assert result.refused == 0
    assert most_in_a_window(result.counted) <= 100


def test_rate_limiter_heeds_another_interval() -> None:
    """The interval is the account's to say."""
    result = measure(Setting(limit=20, interval=1.0, latency_seconds=0.02), 200)
    assert result.refused == 0
    assert result.share >= 0.9


def test_rate_limiter_starts_with_few() -> None:
    """While nothing is known of the account, two requests go out, not sixteen."""
    limiter = RateLimiter(lambda: 0.5)
    for _ in range(2):
        assert limiter.wait_seconds(0.0) == 0.0
        limiter.sent(0.0)
    assert limiter.wait_seconds(0.0) > 0.0


def test_rate_limiter_pauses() -> None:
    """A server's hint holds for every request, and the longer of two counts."""
    limiter = RateLimiter(lambda: 0.5)
    limiter.pause(5.0)
    limiter.pause(3.0)
    assert limiter.wait_seconds(1.0) == 4.0
    assert limiter.wait_seconds(5.0) == 0.0


def test_rate_limiter_refused_alone_waits_ever_longer() -> None:
    """Refused again and again with nobody else in sight, it asks ever more seldom: no busy loop."""
    limiter, now, waits = RateLimiter(lambda: 0.5), 0.0, []
    for _ in range(6):
        assert limiter.wait_seconds(now) == 0.0
        ticket = limiter.sent(now)
        limiter.answered(ticket, sent_at=now, answered_at=now + 0.1, headers=None, rate_limited=True)
        waits.append(limiter.wait_seconds(now + 0.1))
        now += 0.1 + waits[-1]
    assert waits == pytest.approx([0.5, 1.0, 2.0, 4.0, 5.0, 5.0])


def test_headers_are_read_whatever_their_case() -> None:
    """All five, in any case; the deprecated one-second pair is left alone."""
    headers = {
        "x-hubspot-ratelimit-MAX": "190",
        "X-HubSpot-RateLimit-Remaining": "0",
        "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
        "X-HubSpot-RateLimit-Daily": "250000",
        "X-HubSpot-RateLimit-Daily-Remaining": "249998",
        "X-HubSpot-RateLimit-Secondly": "19",
        "X-HubSpot-RateLimit-Secondly-Remaining": "0",
    }
    assert RateLimitHeaders.parse(headers) == RateLimitHeaders(190, 0, 10.0, 250_000, 249_998)


@pytest.mark.parametrize("nonsense", ["0", "-1", "1000000000", "", "many", "1e3", "nan"])
def test_headers_of_nonsense_neither_stop_nor_unleash(nonsense: str) -> None:
    """A limit of 0, of 10**9 or of letters leaves the limit in force as it was."""
    headers = RateLimitHeaders.parse({"X-HubSpot-RateLimit-Max": nonsense})
    assert headers.max is None
    limiter = RateLimiter(lambda: 0.5)
    limiter.answered(limiter.sent(0.0), sent_at=0.0, answered_at=0.1, headers=headers, rate_limited=False)
    assert limiter.requests_per_10_seconds == 100


def test_rate_limiter_follows_a_limit_that_changes() -> None:
    """An add-on bought during a run counts at once; so does a limit that shrinks."""
    limiter = RateLimiter(lambda: 0.5)
    for number, (limit, in_force) in enumerate([(190, 190), (250, 250), (100, 100)]):
        headers = RateLimitHeaders(max=limit, remaining=limit - 1 - number, daily=1000, daily_remaining=number)
        limiter.answered(
            limiter.sent(number), sent_at=number, answered_at=number + 0.1, headers=headers, rate_limited=False
        )
        assert limiter.requests_per_10_seconds == in_force
    assert (limiter.daily, limiter.daily_remaining) == (1000, 2)


replies = st.tuples(
    st.sampled_from(["answered", "429", "lost"]),
    st.floats(0.0, 30.0),
    st.floats(0.0, 5.0),
    st.one_of(
        st.none(),
        st.builds(
            RateLimitHeaders,
            st.sampled_from([None, 1, 100, 10_000]),
            st.integers(0, 10_000),
            st.sampled_from([None, 0.001, 10.0, 60.0]),
        ),
    ),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(replies, max_size=40))
def test_rate_limiter_always_answers_with_a_finite_wait(
    events: list[tuple[str, float, float, RateLimitHeaders | None]],
) -> None:
    """Whatever HubSpot says, the pacer neither raises nor stops for good: in the end it lets one through."""
    limiter, now = RateLimiter(lambda: 0.5), 0.0
    for kind, after, latency, headers in events:
        now += after
        ticket = limiter.sent(now)
        now += latency
        if kind == "lost":
            limiter.lost(ticket, sent_at=now - latency, ended_at=now)
        else:
            limiter.answered(
                ticket, sent_at=now - latency, answered_at=now, headers=headers, rate_limited=kind == "429"
            )
        wait = limiter.wait_seconds(now)
        assert math.isfinite(wait)
        assert wait >= 0.0
    for _ in range(3_000):
        wait = limiter.wait_seconds(now)
        if wait == 0.0:
            return
        now += wait
    pytest.fail("nothing may be sent any more")


def test_rate_limiter_believes_the_least_calls_left_of_replies_that_cross() -> None:
    """A reply that comes late doesn't raise what is left of the daily limit; the next day does."""
    limiter = RateLimiter(lambda: 0.5)
    tickets = [limiter.sent(0.0), limiter.sent(0.1)]
    for ticket, sent_at, remaining in zip(reversed(tickets), (0.1, 0.0), (22, 23), strict=True):
        headers = RateLimitHeaders(daily=40, daily_remaining=remaining)
        limiter.answered(ticket, sent_at=sent_at, answered_at=0.5, headers=headers, rate_limited=False)
    assert limiter.daily_remaining == 22
    headers = RateLimitHeaders(daily=40, daily_remaining=39)
    limiter.answered(limiter.sent(1.0), sent_at=1.0, answered_at=1.3, headers=headers, rate_limited=False)
    assert limiter.daily_remaining == 39
