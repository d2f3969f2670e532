"""HubSpot's clock, told by its replies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_hubbatch.core.batch_reply import BatchReply
from airflow_provider_hubbatch.core.server_clock import ServerClock, is_since, seconds_of, text_of_seconds


@given(st.floats(0, 2e9), st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 30)), min_size=1), st.floats(0, 1e6))
def test_a_moment_is_never_later_than_it_was(offset: float, replies: list[tuple[float, float]], at: float) -> None:
    """However long replies take, and however coarse their times are."""
    clock = ServerClock()
    for sent, took in replies:
        told = text_of_seconds(sent + took / 2 + offset)
        reply = BatchReply(None, started_at=told, completed_at=told)
        clock.note_batch(reply, sent_at=sent, received_at=sent + took)
    moment = seconds_of(clock.moment(at))
    assert moment is not None
    assert moment <= at + offset + 1e-3
    assert moment >= at + offset - min(took for _, took in replies) - 3e-3


def test_a_date_header_tells_the_second() -> None:
    """Better than nothing; a batch's own times are finer."""
    clock = ServerClock()
    assert clock.moment(5.0) is None
    for nonsense in (None, "", "yesterday"):
        clock.note_date(nonsense, sent_at=4.9, received_at=5.0)
    assert clock.moment(5.0) is None
    clock.note_date("Tue, 24 Nov 2026 10:00:07 GMT", sent_at=4.9, received_at=5.0)
    assert clock.moment(5.0) == "2026-11-24T10:00:07.000+00:00"
    reply = BatchReply(None, started_at="2026-11-24T10:00:07.250Z", completed_at="2026-11-24T10:00:07.500Z")
    clock.note_batch(reply, sent_at=4.7, received_at=5.0)
    assert clock.moment(6.0) == "2026-11-24T10:00:08.500+00:00"


def test_the_machine_s_own_clock_tells_the_fraction() -> None:
    """Where it agrees with HubSpot's second; one that is wrong isn't believed."""
    second = seconds_of("2026-11-24T10:00:07Z")
    assert second is not None
    for own, expected in [(0.4, "07.400"), (30.0, "07.000"), (-1.0, "07.000")]:
        clock = ServerClock(second - 5.0 + own)
        clock.note_date("Tue, 24 Nov 2026 10:00:07 GMT", sent_at=4.9, received_at=5.0)
        assert clock.moment(5.0) == f"2026-11-24T10:00:{expected}+00:00"


def test_replies_that_contradict_each_other_leave_no_nonsense() -> None:
    """HubSpot's servers may differ, and a clock may be set."""
    clock = ServerClock()
    clock.note_date("Tue, 24 Nov 2026 10:00:07 GMT", sent_at=4.9, received_at=5.0)
    clock.note_date("Tue, 24 Nov 2026 09:00:00 GMT", sent_at=5.9, received_at=6.0)
    moment = clock.moment(6.0)
    assert moment is not None
    assert moment <= "2026-11-24T10:00:08.000+00:00"


@pytest.mark.parametrize(
    ("moment", "since", "is_so"),
    [
        ("2026-11-24T10:00:00.000Z", "2026-11-24T10:00:00.000+00:00", True),
        ("2026-11-24T10:00:00.001Z", "2026-11-24T10:00:00.000+00:00", True),
        ("2026-11-24T09:59:59.999Z", "2026-11-24T10:00:00.000+00:00", False),
        ("2026-11-24T10:00:00", "2026-11-24T10:00:00.000+00:00", True),
        (None, "2026-11-24T10:00:00.000+00:00", False),
        ("soon", "2026-11-24T10:00:00.000+00:00", False),
        ("2026-11-24T10:00:00.000Z", None, False),
    ],
)
def test_what_is_older_is_told(moment: str | None, since: str | None, is_so: bool) -> None:
    """To the millisecond; where a time isn't known, nothing is claimed."""
    assert is_since(moment, since) is is_so
