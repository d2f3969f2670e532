"""Every row has one outcome, ``updated`` is never said without HubSpot, and the last row of a record wins."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_hubbatch.core.model import RowOutcome, Status
from airflow_provider_hubbatch.exceptions import HubSpotError, UnavailableError
from tests.engine.simulated import (
    TRANSIENT,
    UNCLEAR,
    SimulatedHubSpot,
    Simulation,
    always,
    make_input,
    make_run,
    randomly,
    scripted,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_hubbatch.core.model import Input
    from tests.engine.simulated import Run

pytestmark = pytest.mark.slow


def hubspot_with(records: int, **more: object) -> SimulatedHubSpot:
    """A HubSpot with records 1000 and on, each with a customer number."""
    held = {str(1_000 + number): {"customer_number": f"C-{number}"} for number in range(records)}
    return SimulatedHubSpot(held, **more)  # type: ignore[arg-type]


def rows_over(records: int, rows: int, seed: int) -> list[Input]:
    """Rows for random ones of these records, each row with a value of its own."""
    random = Random(seed)
    return [make_input(row, str(1_000 + random.randrange(records))) for row in range(rows)]


def assert_accounted(run: Run, rows: int) -> None:
    """Each row has exactly one outcome."""
    assert Counter(outcome.row for outcome in run.outcomes) == Counter(range(rows))


def assert_true(run: Run, rows: list[Input], hubspot: SimulatedHubSpot) -> None:
    """What is called updated was written, and no older row of a record was written after a newer one."""
    updated = run.rows(Status.UPDATED)
    for record, written in hubspot.writes.items():
        assert written == sorted(written), f"rows of record {record} overtook each other"
    for item in rows:
        if item.row in updated:
            record = item.id
            assert item.row in hubspot.writes.get(record, ())


# --- whatever happens ---------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(0, 25), min_size=1, max_size=150),
    st.lists(st.none() | st.sampled_from([*TRANSIENT, *UNCLEAR]), max_size=25),
    st.sampled_from([0.0, 0.3, 0.9]),
    st.integers(0, 2**32),
    st.sampled_from([1, 3, 16]),
)
def test_engine_gives_each_row_one_outcome_whatever_happens(
    records: list[int], script: list[str | None], share: float, seed: int, max_in_flight: int
) -> None:
    """Any faults, unknown records, rows of one record: each row has one outcome, and ``updated`` is true."""
    hubspot = hubspot_with(20)
    hubspot.merged["1020"] = "1001"
    first, later = scripted(*script), randomly(seed, share, [*TRANSIENT, *UNCLEAR])
    simulation = Simulation(hubspot, faults=lambda number, request: first(number, request) or later(number, request))
    rows = [make_input(row, str(1_000 + record)) for row, record in enumerate(records)]
    run = make_run(simulation, rows, chunk=40, seed=seed, max_in_flight=max_in_flight).drive()
    assert run.error is None or isinstance(run.error, HubSpotError)
    assert_accounted(run, len(rows))
    assert_true(run, rows, hubspot)
    assert simulation.most_in_flight <= max_in_flight


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 25), st.booleans()), min_size=1, max_size=150),
    st.sampled_from(["ids", "trace ids", "quotes", "property", "nothing"]),
    st.sampled_from([0.0, 0.2]),
    st.integers(0, 2**32),
)
def test_engine_rejects_bad_rows_and_writes_the_good_ones(
    rows: list[tuple[int, bool]], tells: str, share: float, seed: int
) -> None:
    """A bad row costs only itself, also among rows of its own record and while connections are cut."""
    hubspot = hubspot_with(26, refuses=lambda properties: properties["plan"].startswith("bad"), tells=tells)
    simulation = Simulation(hubspot, faults=randomly(seed, share, TRANSIENT), seed=seed)
    inputs = [
        make_input(row, str(1_000 + record), plan=f"{'bad' if bad else 'good'} {row}")
        for row, (record, bad) in enumerate(rows)
    ]
    run = make_run(simulation, inputs, chunk=40, seed=seed).drive()
    assert run.error is None
    assert_accounted(run, len(rows))
    assert run.rows(Status.REJECTED) == {row for row, (_, bad) in enumerate(rows) if bad}
    assert run.rows(Status.UPDATED) == {row for row, (_, bad) in enumerate(rows) if not bad}
    assert_true(run, inputs, hubspot)


@pytest.mark.parametrize("seed", range(40))
def test_engine_lets_the_last_row_of_each_record_win(seed: int) -> None:
    """1,000 rows over 150 records under random faults: every row is written, and each record ends with its last one."""
    hubspot = hubspot_with(150, limit=190)
    rows = rows_over(150, 1_000, seed)
    share = [0.05, 0.15, 0.3][seed % 3]
    simulation = Simulation(hubspot, faults=randomly(seed, share, TRANSIENT), latency=0.3, seed=seed)
    run = make_run(simulation, rows, seed=seed, chunk=250).drive()
    assert run.error is None
    assert run.rows(Status.UPDATED) == set(range(1_000))
    last = {item.id: item.properties["city"] for item in rows}
    assert {one: hubspot.records[one]["city"] for one in last} == last
    assert_true(run, rows, hubspot)


@pytest.mark.parametrize("seed", range(20))
def test_engine_lets_the_last_written_row_win_under_unclear_replies(seed: int) -> None:
    """With replies that say nothing, a record holds its last updated row's value, or that of a later unknown one."""
    hubspot = hubspot_with(150)
    rows = rows_over(150, 1_000, seed)
    run = make_run(Simulation(hubspot, faults=randomly(seed, 0.2, [*TRANSIENT, *UNCLEAR]), seed=seed), rows).drive()
    assert_accounted(run, 1_000)
    assert_true(run, rows, hubspot)
    updated = run.rows(Status.UPDATED)
    for record, held in hubspot.records.items():
        last = max((item.row for item in rows if item.id == record and item.row in updated), default=-1)
        assert last < 0 or int(held["city"].removeprefix("town ")) >= last


@pytest.mark.parametrize("kind", [*TRANSIENT, *UNCLEAR])
@pytest.mark.parametrize("share", [1, 3])
def test_engine_gets_over_one_fault(kind: str, share: int) -> None:
    """After any single fault, at the first request or each of the first three, all rows are written and said to be."""
    hubspot = hubspot_with(300)
    rows = [make_input(row, str(1_000 + row)) for row in range(300)]
    run = make_run(Simulation(hubspot, faults=scripted(*[kind] * share)), rows).drive()
    assert run.error is None
    assert_accounted(run, 300)
    assert run.rows(Status.UPDATED) == set(range(300))
    assert set(hubspot.writes) == {item.id for item in rows}


# --- one record, one id, one property -----------------------------------------------------------------------------


def test_engine_says_missing_gone_and_merged_records() -> None:
    """An unknown id is rejected, or missing with missing_ok; a merged one is rejected and names the survivor."""
    rows = [make_input(0, "1000"), make_input(1, "777"), make_input(2, "888"), make_input(3, "1001")]
    for missing_ok, status in ((False, Status.REJECTED), (True, Status.MISSING)):
        hubspot = hubspot_with(5, merged={"888": "1004"})
        run = make_run(Simulation(hubspot), rows, missing_ok=missing_ok).drive()
        by_row = {outcome.row: outcome for outcome in run.outcomes}
        assert [by_row[row].status for row in range(4)] == ["updated", status, "rejected", "updated"]
        assert (by_row[2].category, by_row[2].record_id) == ("OBJECT_MERGED", "1004")
        assert "1004" in (by_row[2].message or "")


def test_engine_names_every_merged_record_of_a_batch() -> None:
    """Several merged records in one batch: each rejected row names its own survivor; the others are written."""
    merged = {str(2_000 + number): str(1_000 + number) for number in range(10)}
    hubspot = hubspot_with(100, merged=merged)
    rows = [make_input(row, str(2_000 + row) if row < 10 else str(1_000 + row)) for row in range(100)]
    run = make_run(Simulation(hubspot), rows).drive()
    assert run.rows(Status.UPDATED) == set(range(10, 100))
    survivors = {one.row: one.record_id for one in run.outcomes if one.status is Status.REJECTED}
    assert survivors == {row: str(1_000 + row) for row in range(10)}


def test_engine_updates_by_a_unique_property() -> None:
    """Records named by a unique property are updated though the reply doesn't repeat it; outcomes have record ids."""
    hubspot = hubspot_with(250)
    rows = [make_input(row, f"C-{row}") for row in range(250)]
    run = make_run(Simulation(hubspot), rows, id_property="customer_number").drive()
    assert {one.row: one.record_id for one in run.outcomes} == {row: str(1_000 + row) for row in range(250)}
    assert run.rows(Status.UPDATED) == set(range(250))


def test_engine_believes_an_update_by_unique_property_whose_value_hubspot_changes() -> None:
    """Where HubSpot tidies a value up, a row named by a unique property is still updated: the reply has its record."""
    hubspot = hubspot_with(3)
    update = hubspot.answer

    def tidying(request: object, without: tuple[str, ...] = ()) -> tuple[int, dict[str, object]]:
        answer = update(request, without)  # type: ignore[arg-type]
        for held in hubspot.records.values():
            held["city"] = held.get("city", "").title()
        return answer

    hubspot.answer = tidying  # type: ignore[method-assign, assignment]
    rows = [make_input(row, f"C-{row}") for row in range(3)]
    run = make_run(Simulation(hubspot), rows, id_property="customer_number").drive()
    assert run.rows(Status.UPDATED) == {0, 1, 2}


def test_engine_sends_a_hot_record_in_order() -> None:
    """10,000 rows of one record are sent one after the other, and all of them."""
    hubspot = hubspot_with(1)
    rows = [make_input(row, "1000") for row in range(10_000)]
    run = make_run(Simulation(hubspot, latency=0.05), rows).drive()
    assert run.rows(Status.UPDATED) == set(range(10_000))
    assert hubspot.writes["1000"] == list(range(10_000))


def test_engine_hands_on_outcomes_of_rows_that_are_not_sent() -> None:
    """Rows that are rejected before sending keep their outcome; the rest is sent."""
    rows: list[Input | RowOutcome] = [make_input(row, str(1_000 + row)) for row in range(50)]
    rows[10] = RowOutcome(row=10, id="x", status=Status.REJECTED, category="INVALID_ID")
    run = make_run(Simulation(hubspot_with(50)), rows).drive()
    assert_accounted(run, 50)
    assert run.rows(Status.REJECTED) == {10}


def test_engine_finds_the_row_that_empties_its_batchs_reply() -> None:
    """An id that HubSpot takes for malformed empties the whole reply (2xx, nothing written): only its row suffers."""
    hubspot = hubspot_with(100)
    answer = hubspot.answer

    def empty_for_malformed(request: object, without: tuple[str, ...] = ()) -> tuple[int, dict[str, object]]:
        if b'"id":"666"' in (request.body or b""):  # type: ignore[attr-defined]
            return 200, {"status": "COMPLETE", "results": []}
        return answer(request, without)  # type: ignore[arg-type]

    hubspot.answer = empty_for_malformed  # type: ignore[method-assign, assignment]
    rows = [make_input(row, "666" if row == 50 else str(1_000 + row)) for row in range(100)]
    run = make_run(Simulation(hubspot), rows).drive()
    assert_accounted(run, 100)
    assert run.rows(Status.UPDATED) == set(range(100)) - {50}


@pytest.mark.parametrize("kind", ["empty", "no body", "html 200", "canceled", "pending"])
def test_engine_calls_rows_unknown_that_hubspot_never_speaks_of(kind: str) -> None:
    """Where no reply ever says anything, rows end as unknown, in few requests and little time; none as updated.

    A few more than a batch, because one row may be what silences the others.
    """
    rows = [make_input(row, str(1_000 + row)) for row in range(100)]
    simulation = Simulation(hubspot_with(0), faults=always(kind))
    run = make_run(simulation, rows).drive()
    assert run.error is None
    assert run.rows(Status.UNKNOWN) == set(range(100))
    assert len(simulation.requests) <= 20


def test_engine_keeps_within_memory() -> None:
    """A stream of 100,000 rows is read as it is sent: what is read and not yet settled stays bounded."""
    read = settled = most = 0

    def source() -> object:
        nonlocal read, most
        for row in range(100_000):
            read += 1
            most = max(most, read - settled)
            yield make_input(row, str(row))

    hubspot = SimulatedHubSpot({str(row): {} for row in range(100_000)})
    run = make_run(Simulation(hubspot, latency=2.0), source(), max_in_flight=16)  # type: ignore[arg-type]
    for _ in run.sync.run():
        settled += 1
    assert settled == 100_000
    assert most <= 2 * 16 * 100 + 2 * 1_000  # twice what may be in flight, and the chunk that is being read


def test_engine_fills_its_batches() -> None:
    """Rows of different records go 100 a request, however small the source's chunks are."""
    for chunk in (1, 7, 99, 100, 1_000):
        simulation = Simulation(hubspot_with(1_000))
        run = make_run(simulation, rows=[make_input(row, str(1_000 + row)) for row in range(1_000)], chunk=chunk)
        assert run.drive().error is None
        assert len(simulation.requests) == 10


@pytest.mark.parametrize("invalid", [0, 1])
def test_engine_wastes_no_time_on_rows_that_are_not_sent(invalid: int) -> None:
    """Rows that need no request, alone or among others, don't hold the sync up."""
    rows: list[Input | RowOutcome] = [
        RowOutcome(row=row, id=row, status=Status.UNCHANGED)
        if invalid or row % 10
        else make_input(row, str(1_000 + row))
        for row in range(1_000)
    ]
    simulation = Simulation(hubspot_with(1_000))
    run = make_run(simulation, rows, chunk=20).drive()
    assert_accounted(run, 1_000)
    assert simulation.now() <= 2.0


def test_engine_validating_only_sends_nothing() -> None:
    """validate_only: no request, every row not_sent, and no time spent."""
    simulation = Simulation(hubspot_with(0))
    run = make_run(simulation, rows_over(10, 5_000, 0), validate_only=True).drive()
    assert run.rows(Status.NOT_SENT) == set(range(5_000))
    assert simulation.requests == []
    assert simulation.now() <= 2.0


def test_engine_outlasts_an_outage_within_its_patience() -> None:
    """HubSpot is down for two minutes: the sync waits, starts nothing new meanwhile, and finishes."""
    hubspot = hubspot_with(1_000)
    rows = [make_input(row, str(1_000 + row)) for row in range(1_000)]
    simulation = Simulation(hubspot)
    simulation._faults = lambda *_: "503" if simulation.now() < 120 else None
    run = make_run(simulation, rows).drive()
    assert run.error is None
    assert run.rows(Status.UPDATED) == set(range(1_000))
    assert len(simulation.requests) < 250


@pytest.mark.parametrize("kind", ["503", "cut before", "429", "timeout"])
def test_engine_gives_up_after_its_patience(kind: str) -> None:
    """HubSpot is down for good: after some minutes UnavailableError, with every row read accounted for."""
    rows = [make_input(row, str(1_000 + row)) for row in range(1_000)]
    simulation = Simulation(hubspot_with(1_000), faults=always(kind))
    run = make_run(simulation, rows).drive()
    assert isinstance(run.error, UnavailableError)
    assert_accounted(run, 1_000)
    assert not run.rows(Status.UPDATED)
    assert 200 < simulation.now() < 400


@pytest.mark.parametrize("batches", [1, 10])
def test_engine_finds_the_row_that_hubspot_stumbles_over(batches: int) -> None:
    """A row for which HubSpot answers 503 again and again, while it answers others, costs only itself."""
    hubspot = hubspot_with(100 * batches)
    rows = [make_input(row, str(1_000 + row)) for row in range(100 * batches)]
    simulation = Simulation(
        hubspot,
        faults=lambda _, request: "503" if b'"id":"1037"' in (request.body or b"") else None,
    )
    run = make_run(simulation, rows).drive()
    if batches == 1:  # no other request tells that HubSpot is up
        assert isinstance(run.error, UnavailableError)
        return
    assert run.error is None
    assert run.rows(Status.REJECTED) == {37}
    assert run.rows(Status.UPDATED) == set(range(1_000)) - {37}
    assert len(simulation.requests) < 100
    assert simulation.now() < 300


def test_engine_takes_no_outage_for_a_bad_row() -> None:
    """Half of all requests get a 503 for a while: no row is rejected for it."""
    hubspot = hubspot_with(3_000)
    rows = [make_input(row, str(1_000 + row)) for row in range(3_000)]
    for seed in range(5):
        simulation = Simulation(hubspot, faults=randomly(seed, 0.5, ["503"]), seed=seed)
        run = make_run(simulation, rows, seed=seed).drive()
        assert run.rows(Status.UPDATED) == set(range(3_000))


def test_engine_sends_before_it_reads_on() -> None:
    """As soon as there is a full batch it leaves: rows that come slowly don't hold up those that are there."""
    simulation = Simulation(SimulatedHubSpot({str(number): {} for number in range(1_000)}))
    sent_before: list[int] = []

    def rows() -> Iterator[Input]:
        for row in range(1_000):
            sent_before.append(len(simulation.requests))
            yield make_input(row, str(row))

    run = make_run(simulation, rows(), chunk=100).drive()
    assert run.rows(Status.UPDATED) == set(range(1_000))
    assert sent_before[100] == 1
    assert sent_before[200] == 2


def test_engine_waits_for_no_reply_before_it_reads_on() -> None:
    """A row that is rejected before it is sent holds up no other: the last rows leave beside the first ones."""
    simulation = Simulation(SimulatedHubSpot({str(number): {} for number in range(300)}))
    bad = RowOutcome(0, "x", Status.REJECTED, category="INVALID_ID")
    rows: list[Input | RowOutcome] = [bad]
    rows += [make_input(row, str(row)) for row in range(1, 150)]
    run = make_run(simulation, rows).drive()
    assert run.error is None
    assert simulation.most_in_flight == 2
