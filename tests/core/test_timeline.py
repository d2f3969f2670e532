"""The timeline: small whatever the sync, true to what had been done by when."""

from __future__ import annotations

import itertools
import random
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_hubbatch.core.checkpoint import MAX_BYTES, Checkpoint
from airflow_provider_hubbatch.core.packing import RowRanges
from airflow_provider_hubbatch.core.timeline import MAX_POINTS, Timeline


def note(timeline: Timeline, seconds: float, *, rate: float = 100.0, last: bool = False) -> None:
    """A sync that settles ``rate`` rows and sends a hundredth of that in requests, every second."""
    done = round(seconds * rate)
    timeline.note(seconds, rows=done, requests=done // 100, rate_limited=done // 1000, rejected=done // 50, last=last)


STEPS = st.lists(st.floats(0.0, 90.0), min_size=1, max_size=600)


@given(STEPS, st.integers(0, 50_000))
def test_a_timeline_is_small_and_in_order(steps: list[float], rate: int) -> None:
    """However often it is told and however long the sync takes: at most 200 points, each later than the one before and
    with no less done; the last one is where the sync ended.
    """
    timeline, seconds = Timeline(), 0.0
    for step in steps:
        seconds += step
        note(timeline, seconds, rate=rate)
    note(timeline, seconds, rate=rate, last=True)
    points = timeline.points
    assert 1 <= len(points) <= MAX_POINTS
    for earlier, later in itertools.pairwise(points):
        assert earlier.seconds < later.seconds
        assert earlier.rows <= later.rows
        assert earlier.rate_limited <= later.rate_limited
        assert earlier.rejected <= later.rejected
    assert points[-1].seconds == round(seconds, 1)
    assert points[-1].rows == round(seconds * rate)


@pytest.mark.parametrize("hours", [0.001, 0.05, 1, 24, 500])
def test_a_timeline_is_some_kilobytes(hours: float) -> None:
    """Half a minute or three weeks: under 8 KB as JSON, and never so coarse that a chart of it has nothing to show."""
    timeline, end = Timeline(), round(hours * 3600)
    for second in range(1, end + 1, max(1, end // 20_000)):
        note(timeline, second, rate=1_900)
    note(timeline, end, rate=1_900, last=True)
    assert len(orjson.dumps(timeline.as_json())) < 8_000
    assert len(timeline.points) >= min(end, 90)


def test_points_are_spread_evenly() -> None:
    """A long sync's points lie as close at its beginning as at its end."""
    timeline = Timeline()
    for second in range(1, 5_000):
        note(timeline, second)
    gaps = {round(later.seconds - earlier.seconds) for earlier, later in itertools.pairwise(timeline.points)}
    assert gaps == {32}
    assert round(timeline.points[0].seconds) == 32


@given(st.lists(st.tuples(st.floats(0.05, 3.0), st.integers(0, 40)), min_size=1, max_size=400))
def test_the_fullest_ten_seconds_are_kept(told: list[tuple[float, int]]) -> None:
    """Merging neighbours keeps the most requests of any ten seconds, and no more than were sent in ten seconds."""
    timeline, seconds, sent, times = Timeline(), 0.0, 0, []
    for step, requests in told:
        seconds += step
        sent += requests
        times.append((seconds, requests))
        timeline.note(seconds, rows=0, requests=sent, rate_limited=0, rejected=0)
    timeline.note(seconds, rows=0, requests=sent, rate_limited=0, rejected=0, last=True)
    most = max(point.requests for point in timeline.points)
    # what was sent between two looks may be counted in full or not at all
    fewest, most_sent = (
        max(sum(requests for at, requests in times if end - window < at <= end) for end, _ in times)
        for window in (6.9, 13.1)
    )
    assert fewest - 1 <= most <= most_sent + 1


def test_requests_are_those_of_ten_seconds() -> None:
    """19 requests a second are 190 in ten seconds, from the tenth second on, and none once it waits."""
    timeline = Timeline()
    for tenth in range(1, 600):
        sent = min(tenth, 300) * 19 // 10
        timeline.note(tenth / 10, rows=0, requests=sent, rate_limited=0, rejected=0)
    by_second = {round(point.seconds): point.requests for point in timeline.points}
    assert [by_second[second] for second in (5, 10, 20, 30)] == pytest.approx([95, 190, 190, 190], abs=2)
    assert by_second[35] == pytest.approx(114, abs=2)
    assert by_second[45] == 0


@given(STEPS, st.floats(0, 5_000))
def test_a_resumed_timeline_goes_on(steps: list[float], saved_at: float) -> None:
    """Through a checkpoint and back: the points up to it are there, what came after it is not, and the requests of the
    try before are not counted into the new one's first ten seconds.
    """
    first, seconds = Timeline(), 0.0
    for step in steps:
        seconds += step
        note(first, seconds)
    saved_at = min(saved_at, seconds)
    again = Timeline.from_json(orjson.loads(orjson.dumps(first.as_json())))
    done = round(saved_at * 100)
    again.resume(saved_at, rows=done, requests=done // 100, rejected=done // 50)
    for second in range(1, 30):
        note(again, saved_at + second)
    note(again, saved_at + 30, last=True)
    assert again.resumed_at == [round(saved_at, 1)]
    assert len(again.points) <= MAX_POINTS
    assert again.points[-1].rows == round((saved_at + 30) * 100)
    later = [point for point in again.points if point.seconds > saved_at + 0.1]
    assert all(point.requests <= 11 for point in later if point.seconds <= saved_at + 10 and again._interval == 1)
    for one, other in itertools.pairwise(again.points):
        assert one.seconds < other.seconds
        assert one.rows <= other.rows


@pytest.mark.parametrize("stopped_at", [7.04, 7.05, 7.06, 7.09, 7.1])
def test_the_point_of_a_stop_is_kept(stopped_at: float) -> None:
    """A try ends with a point, and its checkpoint is of that moment: the next try goes on behind it."""
    timeline = Timeline()
    note(timeline, stopped_at, last=True)
    timeline.resume(stopped_at, rows=704, requests=7, rejected=14)
    assert [point.seconds for point in timeline.points] == [round(stopped_at, 1)]


JUNK: Any = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["points", "seconds", "rows"]), inner),
    max_leaves=8,
)


@given(JUNK)
def test_a_damaged_timeline_is_an_empty_one(junk: Any) -> None:
    """What no timeline wrote costs the chart, and nothing else."""
    timeline = Timeline.from_json(junk)
    assert timeline.points == []
    note(timeline, 1.0, last=True)
    assert len(timeline.points) == 1


def test_a_full_timeline_fits_a_checkpoint() -> None:
    """200 points beside everything else: the checkpoint stays under its bound, and holds them."""
    dice, timeline = random.Random(1), Timeline()
    rows = sent = 0
    for second in range(1, 200):
        rows, sent = rows + dice.randrange(3_000), sent + dice.randrange(30)
        timeline.note(second * 1.0, rows=rows, requests=sent, rate_limited=second // 7, rejected=rows // 90)
    saved = Checkpoint(
        account="portal 1", settings="s", rows_read=0, digest="d", settled=RowRanges(), timeline=timeline.as_json()
    )
    data = saved.as_json()
    assert len(orjson.dumps(data)) < MAX_BYTES / 8
    assert Timeline.from_json(Checkpoint.from_json(data).timeline).points == timeline.points
