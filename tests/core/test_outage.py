"""When the log says that HubSpot doesn't answer."""

from __future__ import annotations

from airflow_provider_hubbatch.core.outage import Outage


def warned_at(outage: Outage, seconds: range) -> list[int]:
    """At which of these seconds a warning came."""
    return [now for now in seconds if outage.warning(float(now)) is not None]


def test_outage_is_told_after_five_seconds_and_then_ever_more_seldom() -> None:
    """A failure that a retry gets over is nobody's business; one that lasts is told, not in every line."""
    outage = Outage()
    outage.failed(100.0, "503")
    assert warned_at(outage, range(100, 400)) == [105, 135, 195, 315]


def test_outage_says_what_is_wrong_now_and_for_how_long() -> None:
    """The last problem counts, from the first one on."""
    outage = Outage()
    outage.failed(100.0, "503")
    assert outage.stalled(104.0) is None
    outage.failed(104.0, "nothing listens")
    assert outage.stalled(112.0) == "no good reply for 12 s: nothing listens"


def test_outage_ends_with_a_reply() -> None:
    """It is told how long it was, if it was told at all; the next one is told again."""
    outage = Outage()
    outage.failed(100.0, "503")
    assert outage.answered(103.0) is None
    outage.failed(200.0, "503")
    assert warned_at(outage, range(200, 210)) == [205]
    assert outage.answered(210.0) == 10.0
    assert (outage.stalled(300.0), outage.warning(300.0)) == (None, None)
    outage.failed(300.0, "503")
    assert warned_at(outage, range(300, 310)) == [305]


def test_outage_of_silence() -> None:
    """Nothing fails and nothing comes back: told after a quarter of a minute, since replies may be slow."""
    outage = Outage()
    told = []
    for now in range(100, 130):
        outage.waiting(float(now), 100.0)
        if (warning := outage.warning(float(now))) is not None:
            told.append((now, warning))
    assert told == [(115, "no good reply for 15 s: requests are under way, and no reply comes")]


def test_outage_is_none_as_long_as_others_are_answered() -> None:
    """One slow request among many that are answered is no outage; nor is having nothing to send."""
    outage = Outage()
    for now in range(100, 200):
        outage.answered(float(now))
        outage.waiting(float(now), 100.0)
        assert outage.warning(float(now)) is None
    outage.waiting(1_000.0, None)
    assert outage.warning(1_000.0) is None
