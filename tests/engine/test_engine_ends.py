"""How a sync ends before its rows do: told to stop, interrupted, refused as a whole, or locked out."""

from __future__ import annotations

import sys
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch.client import dispatcher
from airflow_provider_hubbatch.core import batching, isolation, lookup, reconcile
from airflow_provider_hubbatch.core.lookup import BatchReadLookup
from airflow_provider_hubbatch.core.model import Status
from airflow_provider_hubbatch.exceptions import (
    AuthenticationError,
    DailyQuotaError,
    HubSpotError,
    MissingScopesError,
    SettingsError,
    SyncStoppedError,
    SystematicRefusalError,
)
from airflow_provider_hubbatch.sync import engine
from airflow_provider_hubbatch.sync.engine import STOP_GRACE_SECONDS
from tests.engine.simulated import (
    TRANSIENT,
    SimulatedHubSpot,
    Simulation,
    TaskTimeoutError,
    always,
    make_input,
    make_run,
    randomly,
    scripted,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from airflow_provider_hubbatch.core.model import Input
    from tests.engine.simulated import Run

pytestmark = pytest.mark.slow


def simulation_of(records: int = 3_000, **more: Any) -> Simulation:
    """A HubSpot that has records 1000 and on, and the way to it."""
    hubspot = {name: more.pop(name) for name in ("refuses", "tells", "merged") if name in more}
    return Simulation(SimulatedHubSpot({str(1_000 + number): {} for number in range(records)}, **hubspot), **more)


def rows_of(rows: int, records: int = 3_000) -> list[Input]:
    """Rows for the records in turn."""
    return [make_input(row, str(1_000 + row % records)) for row in range(rows)]


def assert_accounted(run: Run, read: int) -> None:
    """Each row that was read has exactly one outcome, and what is called updated was written."""
    counts = Counter(outcome.row for outcome in run.outcomes)
    assert counts == Counter(range(read))
    written = {row for rows in run.simulation.hubspot.writes.values() for row in rows}
    assert run.rows(Status.UPDATED) <= written


def read_by(run: Run) -> int:
    """How many rows the sync has read from its source."""
    return run.sync.progress().rows_read


# --- told to stop -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [0, 1, 100, 1_234, 2_900])
def test_engine_stopped_between_outcomes_accounts_for_every_row(after: int) -> None:
    """After stop() no request starts, requests under way are waited for, and every row has its outcome at last."""
    simulation = simulation_of()
    run = make_run(simulation, rows_of(3_000))
    sent_at_stop: list[int] = []

    def stop(_: object) -> None:
        if len(run.outcomes) > after and not sent_at_stop:
            run.sync.stop()
            sent_at_stop.append(len(simulation.requests))

    run.at_outcome = stop
    run.drive()
    assert isinstance(run.error, SyncStoppedError)
    assert len(simulation.requests) == sent_at_stop[0]
    assert_accounted(run, read_by(run))
    assert run.rows(Status.UPDATED) | run.rows(Status.NOT_SENT) == set(range(read_by(run)))


def test_engine_stopped_before_it_begins_sends_nothing() -> None:
    """A sync that is stopped before it runs sends no request."""
    simulation = simulation_of()
    run = make_run(simulation, rows_of(500))
    run.sync.stop()
    run.drive()
    assert isinstance(run.error, SyncStoppedError)
    assert simulation.requests == []


def test_engine_stopped_while_it_waits_ends_soon() -> None:
    """stop() from a signal handler, while replies are awaited that don't come: over within the grace, rows unknown."""
    simulation = simulation_of(latency=500.0)
    run = make_run(simulation, rows_of(3_000))
    waits = 0

    def stop(_: float) -> None:
        nonlocal waits
        waits += 1
        if waits == 30:
            run.sync.stop()
            simulation.stopped_at = simulation.now()  # type: ignore[attr-defined]

    simulation.at_wait = stop
    run.drive()
    assert isinstance(run.error, SyncStoppedError)
    assert simulation.now() - simulation.stopped_at <= STOP_GRACE_SECONDS + 0.1  # type: ignore[attr-defined]
    assert_accounted(run, read_by(run))
    assert run.rows(Status.UNKNOWN) == set(range(100 * len(simulation.requests)))


def test_engine_forgets_no_doubt_when_a_part_is_refused() -> None:
    """A batch that HubSpot may have carried out (503), then parts of it that HubSpot refuses, then the end: what has no
    outcome is unknown, and not called not_sent.
    """
    simulation = simulation_of(refuses=lambda _: True, faults=scripted("503", None, None, "401"))
    run = make_run(simulation, rows_of(8), max_in_flight=1).drive()
    assert isinstance(run.error, AuthenticationError)
    assert len(simulation.requests) == 4
    assert run.rows(Status.UNKNOWN) == set(range(8))


@pytest.mark.parametrize("error", [None, SystematicRefusalError("everything is refused")])
def test_engine_stopped_reads_back_what_is_under_way(error: HubSpotError | None) -> None:
    """By a unique property, where replies don't say whose the results are: rows under way at a stop are read back, and
    are updated; only what was never sent is not_sent.
    """
    records = {str(1_000 + number): {"customer_number": f"C-{number}"} for number in range(3_000)}
    simulation = Simulation(SimulatedHubSpot(records))
    run = make_run(simulation, [make_input(row, f"C-{row}") for row in range(3_000)], id_property="customer_number")
    simulation.at_submit = lambda sent: run.sync.stop(error) if sent == 12 else None
    run.drive()
    assert type(run.error) is type(error or SyncStoppedError(""))
    updates = [request for request in simulation.requests if request.path.endswith("/batch/update")]
    assert not [request for request in simulation.requests[13:] if request in updates]
    assert run.rows(Status.UPDATED) == set(range(100 * len(updates)))
    assert run.rows(Status.UNKNOWN) == set()
    assert_accounted(run, read_by(run))


def test_engine_that_may_not_go_on_reads_nothing_back() -> None:
    """A sync that ends for a wrong token sends nothing more, and calls unknown what had no clear reply."""
    records = {str(1_000 + number): {"customer_number": f"C-{number}"} for number in range(3_000)}
    simulation = Simulation(SimulatedHubSpot(records), faults=lambda number, _: "401" if number == 9 else None)
    run = make_run(simulation, [make_input(row, f"C-{row}") for row in range(3_000)], id_property="customer_number")
    run.drive()
    assert isinstance(run.error, AuthenticationError)
    reads = [request for request in simulation.requests if request.path.endswith("/batch/read")]
    assert len(reads) <= 10
    assert_accounted(run, read_by(run))


def test_engine_stopped_while_it_sends_starts_no_more_requests() -> None:
    """stop() in the midst of a burst of requests: the one being sent is the last."""
    simulation = simulation_of(latency=5.0)
    run = make_run(simulation, rows_of(3_000))
    simulation.at_submit = lambda sent: run.sync.stop() if sent == 0 else None
    run.drive()
    assert isinstance(run.error, SyncStoppedError)
    assert_accounted(run, read_by(run))
    assert len(simulation.requests) == 1


def test_engine_stopped_sends_nothing_again() -> None:
    """After stop() a request that waits for its retry isn't sent again, even if its time has come."""
    simulation = simulation_of(faults=always("503"))
    run = make_run(simulation, rows_of(300))
    waits = 0

    def stop(_: float) -> None:
        nonlocal waits
        waits += 1
        if waits == 8:
            run.sync.stop()
            simulation.stopped_with = len(simulation.requests)  # type: ignore[attr-defined]

    simulation.at_wait = stop
    run.drive()
    assert len(simulation.requests) == simulation.stopped_with  # type: ignore[attr-defined]
    assert_accounted(run, read_by(run))


def test_engine_left_by_its_consumer_sends_nothing_more() -> None:
    """Whoever stops taking outcomes ends the sync."""
    simulation = simulation_of()
    run = make_run(simulation, rows_of(3_000))
    stream: Iterator[Any] = run.sync.run()
    next(stream)
    sent = len(simulation.requests)
    stream.close()  # type: ignore[attr-defined]
    assert len(simulation.requests) == sent


def test_engine_winding_up_gives_outcomes_that_were_not_taken() -> None:
    """Interrupted between two outcomes, winding up gives all the others: those of the same reply too."""
    run = make_run(simulation_of(), rows_of(3_000))
    stream = run.sync.run()
    run.outcomes.append(next(stream))
    run.sync.stop()
    run.outcomes += run.sync.wind_up()
    assert_accounted(run, read_by(run))


# --- interrupted --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [1, 2, 3, 5, 8, 13, 21])
def test_engine_interrupted_while_it_waits_accounts_for_every_row(after: int) -> None:
    """A task's timeout, raised while replies are awaited: no new request, every row has its outcome, raised last."""
    simulation = simulation_of(faults=randomly(after, 0.2, TRANSIENT))
    run = make_run(simulation, rows_of(3_000, 500))
    waits = 0

    def interrupt(_: float) -> None:
        nonlocal waits
        waits += 1
        if waits == after:
            simulation.interrupted_with = len(simulation.requests)  # type: ignore[attr-defined]
            raise TaskTimeoutError

    simulation.at_wait = interrupt
    run.drive()
    assert isinstance(run.error, TaskTimeoutError)
    assert len(simulation.requests) == simulation.interrupted_with  # type: ignore[attr-defined]
    assert_accounted(run, read_by(run))


@pytest.mark.parametrize("number", [0, 1, 7])
def test_engine_interrupted_while_it_sends_accounts_for_every_row(number: int) -> None:
    """A task's timeout, raised while a request is being sent: every row has its outcome."""
    simulation = simulation_of()
    run = make_run(simulation, rows_of(3_000))

    def interrupt(sent: int) -> None:
        if sent == number:
            raise TaskTimeoutError

    simulation.at_submit = interrupt
    run.drive()
    assert isinstance(run.error, TaskTimeoutError)
    assert_accounted(run, read_by(run))


def test_engine_interrupted_by_its_source_accounts_for_the_rows_before() -> None:
    """The source of the rows fails: those read before have their outcome, and its exception is raised last."""

    def source() -> Iterator[Input]:
        yield from rows_of(2_000)
        raise ConnectionResetError("the warehouse hung up")

    run = make_run(simulation_of(), source()).drive()
    assert isinstance(run.error, ConnectionResetError)
    assert_accounted(run, 2_000)


def test_engine_interrupted_by_a_crash_accounts_for_every_row() -> None:
    """What a retry can't fix in the transport ends the sync with its exception; rows are accounted for."""
    run = make_run(simulation_of(faults=scripted(None, None, "crash")), rows_of(3_000)).drive()
    assert isinstance(run.error, RuntimeError)
    assert_accounted(run, read_by(run))


INTERRUPTIBLE = {module.__file__ for module in (dispatcher, engine, batching, isolation, lookup, reconcile)}


def _interrupted_at(line: int, run: Run) -> int:
    """Drive the sync, and raise a task's timeout at the nth line that the engine executes; how many it executed."""
    lines = 0

    def trace(frame: FrameType, event: str, _: object) -> Callable[..., Any] | None:
        nonlocal lines
        if frame.f_code.co_filename not in INTERRUPTIBLE:
            return None
        if event == "line":
            lines += 1
            if lines == line:
                raise TaskTimeoutError
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        run.drive()
    finally:
        sys.settrace(before)
    return lines


def _interruptible_run(seed: int) -> Run:
    hubspot = SimulatedHubSpot(
        {str(1_000 + number): {} for number in range(40)},
        refuses=lambda properties: properties["plan"].startswith("bad"),
    )
    random = Random(seed)
    rows = [
        make_input(row, str(1_000 + random.randrange(45)), plan=f"{'bad' if row % 29 == 0 else 'good'} {row}")
        for row in range(120)
    ]
    simulation = Simulation(hubspot, faults=randomly(seed, 0.2, [*TRANSIENT, "left out", "empty"]), seed=seed)
    return make_run(simulation, rows, chunk=40)


@pytest.mark.parametrize("seed", range(2))
def test_engine_interrupted_anywhere_accounts_for_every_row(seed: int) -> None:
    """A signal's exception may come at any line of the engine: also then every row has one outcome."""
    lines = _interrupted_at(-1, _interruptible_run(seed))
    lost: Counter[int] = Counter()
    random = Random(seed)
    for line in sorted(random.sample(range(1, lines), 60)):
        run = _interruptible_run(seed)
        _interrupted_at(line, run)
        assert isinstance(run.error, TaskTimeoutError)
        outcomes = Counter(outcome.row for outcome in run.outcomes)
        # whole chunks of 40: rows that the sync never got hold of have no outcome, all others one
        if outcomes != Counter(range(len(run.outcomes))) or len(run.outcomes) % 40:
            lost[line] = len(run.outcomes)
    assert not lost, f"rows without an outcome or with two, by line of {lines}: {dict(lost)}"


# --- refused as a whole -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tells", ["trace ids", "quotes", "property", "nothing"])
@pytest.mark.parametrize("max_in_flight", [1, 16, 48])
def test_engine_stops_early_when_everything_is_refused(tells: str, max_in_flight: int) -> None:
    """200 batches in which every row is refused: fewer than 100 requests, then one error that gives the reason."""
    simulation = simulation_of(20_000, refuses=lambda _: True, tells=tells)
    rows = [make_input(row, str(1_000 + row), plan=f"bad {row}") for row in range(20_000)]
    run = make_run(simulation, rows, max_in_flight=max_in_flight).drive()
    assert isinstance(run.error, SystematicRefusalError)
    assert "VALIDATION_ERROR" in str(run.error)
    assert "bad " not in str(run.error)
    assert run.error.correlation_id == "c-400"
    assert len(simulation.requests) < 100
    assert_accounted(run, read_by(run))
    assert not run.rows(Status.UPDATED)


def test_engine_stops_early_though_lookups_find_records() -> None:
    """Every update is refused, while batch/read finds the records: that says nothing of updates, and the sync stops."""
    simulation = simulation_of(20_000, refuses=lambda _: True, tells="nothing")
    rows = [make_input(row, str(1_000 + row), plan=f"bad {row}") for row in range(20_000)]
    found = BatchReadLookup(object_type="contacts", id_property=None, api_version="2026-03", reads_values=True)
    run = make_run(simulation, rows, lookup=found).drive()
    assert isinstance(run.error, SystematicRefusalError)
    assert len(simulation.requests) < 200


def test_engine_costs_1_7_times_at_one_bad_row_in_100() -> None:
    """40 batches with 1 % bad rows whose values are quoted: at most 1.7 times the clean number of requests."""
    requests = 0
    for seed in range(10):
        random = Random(seed)
        bad = {row for row in range(4_000) if random.random() < 0.01}
        rows = [
            make_input(row, str(1_000 + row), plan=f"{'bad' if row in bad else 'ok'} {row}") for row in range(4_000)
        ]
        simulation = simulation_of(4_000, refuses=lambda held: held["plan"].startswith("bad"), tells="quotes")
        run = make_run(simulation, rows, seed=seed).drive()
        assert run.rows(Status.REJECTED) == bad
        assert run.rows(Status.UPDATED) == set(range(4_000)) - bad
        requests += len(simulation.requests)
    assert requests / 10 / 40 <= 1.7


def test_engine_costs_10_times_where_errors_tell_nothing() -> None:
    """The same with errors that tell nothing: at most 10 times."""
    requests = 0
    for seed in range(10):
        random = Random(seed)
        bad = {row for row in range(4_000) if random.random() < 0.01}
        rows = [
            make_input(row, str(1_000 + row), plan=f"{'bad' if row in bad else 'ok'} {row}") for row in range(4_000)
        ]
        simulation = simulation_of(4_000, refuses=lambda held: held["plan"].startswith("bad"))
        run = make_run(simulation, rows, seed=seed).drive()
        assert run.error is None
        assert run.rows(Status.REJECTED) == bad
        requests += len(simulation.requests)
    assert requests / 10 / 40 <= 10


# --- locked out ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "error", "quoted"),
    [
        ("401", AuthenticationError, "c-401"),
        ("403", MissingScopesError, "c-403"),
        ("daily", DailyQuotaError, "c-day"),
        ("unknown type", SettingsError, None),
    ],
)
def test_engine_ends_at_the_first_such_reply(kind: str, error: type[HubSpotError], quoted: str | None) -> None:
    """A wrong token, a missing scope, a spent day, an unknown type: no retry, no request after the reply."""
    simulation = simulation_of(faults=always(kind))
    run = make_run(simulation, rows_of(3_000)).drive()
    assert type(run.error) is error
    assert run.error.correlation_id == quoted
    assert len(simulation.requests) <= 8  # those that were under way when the first reply came
    assert simulation.now() < 2
    assert_accounted(run, read_by(run))
    assert run.rows(Status.NOT_SENT) == set(range(read_by(run)))


@pytest.mark.parametrize("kind", ["401", "403", "daily", "unknown type"])
def test_engine_with_one_request_at_a_time_ends_after_one(kind: str) -> None:
    """Sending one by one, the first such reply is the last."""
    simulation = simulation_of(faults=always(kind))
    make_run(simulation, rows_of(3_000), max_in_flight=1).drive()
    assert len(simulation.requests) == 1


def test_engine_names_the_missing_scopes() -> None:
    """403: the error names the scopes that HubSpot wants."""
    run = make_run(simulation_of(faults=always("403")), rows_of(10)).drive()
    assert isinstance(run.error, MissingScopesError)
    assert run.error.scopes == ("crm.objects.contacts.write",)
    assert "crm.objects.contacts.write" in str(run.error)


def test_engine_refuses_an_id_property_that_is_not_unique() -> None:
    """A property that can't name records is a wrong setting, named in the error; nothing was written."""
    simulation = simulation_of(faults=always("non-unique"))
    run = make_run(simulation, rows_of(300), id_property="domain").drive()
    assert isinstance(run.error, SettingsError)
    assert "'domain'" in str(run.error)
    assert_accounted(run, 300)


def test_engine_keeps_what_was_written_before_the_end() -> None:
    """The token is revoked in the midst: rows written before are updated, the others not_sent."""
    simulation = simulation_of()
    simulation._faults = lambda number, _: "401" if number >= 12 else None
    run = make_run(simulation, rows_of(3_000)).drive()
    assert isinstance(run.error, AuthenticationError)
    assert_accounted(run, read_by(run))
    assert len(run.rows(Status.UPDATED)) == 1_200


def test_engine_waits_no_longer_than_a_little_for_a_full_limit() -> None:
    """At a rolling limit of 100 in 10 s, 400 batches take as long as they must, and no request is over it."""
    simulation = simulation_of(40_000)
    simulation.hubspot.limit = 100
    run = make_run(simulation, rows_of(40_000, 40_000)).drive()
    assert run.error is None
    assert len(run.rows(Status.UPDATED)) == 40_000
    assert simulation.hubspot.over_limit == 0
    assert simulation.now() < 36
