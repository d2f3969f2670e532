"""A sync while HubSpot doesn't answer, in simulated time: what the log says, and how long it is waited out."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from airflow_provider_hubbatch.client.pace import Pace
from airflow_provider_hubbatch.core.model import Status
from airflow_provider_hubbatch.core.sync_report import SyncReport
from airflow_provider_hubbatch.exceptions import UnavailableError
from airflow_provider_hubbatch.sync.progress import ProgressLog
from tests.engine.simulated import SimulatedHubSpot, Simulation, always, make_input, make_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_hubbatch.core.protocol import Request
    from airflow_provider_hubbatch.sync.engine import Progress
    from tests.engine.simulated import Run

ROWS = 400


def run_of(
    faults: Callable[[int, Request], str | None], tick: Callable[[Progress], None] = lambda _: None
) -> tuple[Run, Simulation]:
    """A sync of 400 rows."""
    records: dict[str, dict[str, str]] = {str(number): {} for number in range(ROWS)}
    simulation = Simulation(SimulatedHubSpot(records), faults=faults)
    rows = [make_input(number, str(number)) for number in range(ROWS)]
    return make_run(simulation, rows, max_in_flight=2, tick=tick).drive(), simulation


def down_from(first: int, last: int, kind: str) -> Callable[[int, Request], str | None]:
    """The requests of these numbers meet this fault."""
    return lambda number, _: kind if first <= number <= last else None


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The warnings about HubSpot."""
    return [record.message for record in caplog.records if record.message.startswith("HubSpot: no good reply")]


def test_outage_a_host_that_was_never_reached_is_told_within_half_a_minute() -> None:
    """Nobody listens from the start on: a wrong host is likelier than an outage of five minutes."""
    run, simulation = run_of(always("refused"))
    assert isinstance(run.error, UnavailableError)
    assert "simulated; tried" in str(run.error)
    assert 10 < simulation.now() < 30
    assert run.rows(Status.NOT_SENT) == set(range(ROWS))


def test_outage_of_a_host_that_has_answered_is_waited_out() -> None:
    """The same after a reply, and every other failure from the start: five minutes, as a deployment may take."""
    for faults in (down_from(1, 10_000, "refused"), always("503"), always("cut before")):
        run, simulation = run_of(faults)
        assert isinstance(run.error, UnavailableError)
        assert 295 < simulation.now() < 340


@pytest.mark.parametrize(("kind", "words"), [("503", "503"), ("cut before", "simulated"), ("html 502", "502")])
def test_outage_is_told_once_and_then_seldom(kind: str, words: str, caplog: pytest.LogCaptureFixture) -> None:
    """After five seconds, with what is wrong and how long it is waited out; four times more in five minutes."""
    with caplog.at_level(logging.INFO):
        run_of(always(kind))
    told = warnings(caplog)
    assert 4 <= len(told) <= 5
    assert f"s: {words}" in told[0]
    assert "waited out for 29" in told[0]
    assert "UnavailableError" in told[0]


def test_outage_that_ends_is_told_too(caplog: pytest.LogCaptureFixture) -> None:
    """HubSpot answers again: the log says after how long, and the sync goes on."""
    with caplog.at_level(logging.INFO):
        run, _ = run_of(down_from(1, 12, "503"))
    assert run.rows(Status.UPDATED) == set(range(ROWS))
    assert warnings(caplog)
    assert [record for record in caplog.records if record.message.startswith("HubSpot answers again, after ")]


def test_outage_a_failure_that_a_retry_gets_over_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    """A few failures among replies are no outage."""
    with caplog.at_level(logging.INFO):
        run, _ = run_of(lambda number, _: "503" if number % 3 == 0 else None)
    assert run.error is None
    assert warnings(caplog) == []


def test_outage_is_in_the_progress_line() -> None:
    """The line says that nothing moves, and why, instead of a time that it would take."""
    lines = []

    def tick(progress: Progress) -> None:
        report = SyncReport("contacts")
        lines.append(ProgressLog(logging.getLogger(), report, Pace(), total_rows=ROWS).line(progress, 10.0))

    run_of(down_from(2, 14, "503"), tick)
    stalled = [line for line in lines if "nothing moves, no good reply for" in line]
    assert stalled
    assert all("503" in line and " left" not in line for line in stalled)
    assert "nothing moves" not in lines[0] + lines[-1]
