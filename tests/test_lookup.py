"""Reading records before they are updated, on a simulated clock: however a row names its record, the last row wins."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from airflow_provider_hubbatch.core.isolation import MAX_REFUSED_REQUESTS
from airflow_provider_hubbatch.core.lookup import BatchReadLookup
from airflow_provider_hubbatch.core.model import Input, RowOutcome, Status
from airflow_provider_hubbatch.core.protocol import Reply
from airflow_provider_hubbatch.core.values import order_key
from airflow_provider_hubbatch.exceptions import SettingsError, SystematicRefusalError
from tests.engine.simulated import (
    TRANSIENT,
    UNCLEAR,
    Run,
    SimulatedHubSpot,
    Simulation,
    always,
    make_run,
    randomly,
    scripted,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_hubbatch.core.protocol import Request

pytestmark = pytest.mark.slow


class Contacts(SimulatedHubSpot):
    """Contacts that are found by primary and secondary addresses in any case; reads of some ids are refused whole."""

    refused_reads: frozenset[str] = frozenset()

    def _find(self, name: str, id_property: str | None) -> str | None:
        if id_property != "email":
            return super()._find(name, id_property)
        wanted = name.lower()
        for primary in (True, False):
            for record_id, held in self.records.items():
                addresses = [held["email"]] if primary else held.get("hs_additional_emails", "").split(";")
                if wanted in addresses:
                    return record_id
        return None

    def _read(self, inputs: list[dict[str, Any]], body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        assert len({one["id"] for one in inputs}) == len(inputs) <= 100
        if self.refused_reads & {one["id"] for one in inputs}:
            self.refused += 1
            return 400, {"status": "error", "category": "VALIDATION_ERROR", "message": "no", "correlationId": "c-read"}
        return super()._read(inputs, body)


def contacts(count: int) -> Contacts:
    """Each with three addresses."""
    return Contacts(
        {
            str(n): {
                "email": f"c{n}@example.com",
                "hs_additional_emails": f"c{n}@example.org;c{n}.alt@example.net",
                "city": "Bonn",
            }
            for n in range(1, count + 1)
        }
    )


def lookup(*, compare: bool = False, id_property: str | None = "email") -> BatchReadLookup:
    return BatchReadLookup(object_type="contacts", id_property=id_property, api_version="2026-03", reads_values=compare)


def row_of(number: int, name: str, **properties: str) -> Input:
    return Input(number, name, name, order_key(name), properties or {"city": f"town {number}"})


def run(
    hubspot: SimulatedHubSpot, rows: Sequence[Input | RowOutcome], *, what: BatchReadLookup | None = None, **how: Any
) -> Run:
    simulation = Simulation(hubspot, faults=how.pop("faults", always(None)), seed=how.get("seed", 0))
    return make_run(simulation, rows, lookup=what or lookup(), **how).drive()


def requests(done: Run, verb: str) -> list[list[str]]:
    """The ids of each request of this verb."""
    sent = [request for request in done.simulation.requests if request.path.endswith(f"/batch/{verb}")]
    return [[one["id"] for one in orjson.loads(request.body or b"")["inputs"]] for request in sent]


def state(hubspot: SimulatedHubSpot) -> dict[str, dict[str, str]]:
    return {name: dict(held) for name, held in hubspot.records.items()}


def name_of(random: Random, n: int) -> str:
    """One of the addresses of a contact, in any case."""
    address = random.choice([f"c{n}@example.com", f"c{n}@example.org", f"c{n}.alt@example.net"])
    return random.choice([address, address.upper(), address.title()])


# --- addresses -----------------------------------------------------------------------------------------------------


def test_addresses_are_looked_up_a_hundred_at_a_time_and_updates_go_by_record_id() -> None:
    """1,000 rows by address are 10 reads and 10 updates, each address asked for once, whatever its case."""
    hubspot = contacts(1_000)
    random = Random(1)
    rows = [row_of(n, name_of(random, n + 1)) for n in range(1_000)]
    done = run(hubspot, rows)
    assert done.error is None
    assert [len(ids) for ids in requests(done, "read")] == [100] * 10
    assert [len(ids) for ids in requests(done, "update")] == [100] * 10
    assert {name for ids in requests(done, "update") for name in ids} == set(hubspot.records)
    assert done.rows(Status.UPDATED) == set(range(1_000))
    assert {outcome.row: outcome.record_id for outcome in done.outcomes} == {n: str(n + 1) for n in range(1_000)}
    assert all(held["city"] == f"town {int(n) - 1}" for n, held in hubspot.records.items())


def test_the_same_contact_by_several_addresses_keeps_the_last_row() -> None:
    """Rows of one contact take effect in input order whichever of its addresses they give."""
    hubspot = contacts(1)
    names = ["c1@example.com", "C1@Example.org", "c1.alt@example.net", "C1@EXAMPLE.COM"] * 60
    done = run(hubspot, [row_of(n, name) for n, name in enumerate(names)])
    assert hubspot.writes["1"] == list(range(240))
    assert hubspot.records["1"]["city"] == "town 239"
    assert done.rows(Status.UPDATED) == set(range(240))


def test_a_primary_address_comes_before_a_secondary_one() -> None:
    """Where one contact's secondary address is another's primary one, it names the latter."""
    hubspot = contacts(2)
    hubspot.records["1"]["hs_additional_emails"] = "c2@example.com"
    run(hubspot, [row_of(0, "c1@example.com", city="one"), row_of(1, "c2@example.com", city="two")])
    assert (hubspot.records["1"]["city"], hubspot.records["2"]["city"]) == ("one", "two")


@pytest.mark.parametrize("missing_ok", [False, True])
def test_unknown_addresses_are_told(missing_ok: bool) -> None:
    """A row whose address no contact has is rejected as OBJECT_NOT_FOUND, or missing where that is fine."""
    rows = [row_of(0, "c1@example.com"), row_of(1, "nobody@example.com"), row_of(2, "c2@example.com")]
    done = run(contacts(2), rows, missing_ok=missing_ok)
    (outcome,) = (one for one in done.outcomes if one.row == 1)
    assert outcome.status is (Status.MISSING if missing_ok else Status.REJECTED)
    assert missing_ok or outcome.category == "OBJECT_NOT_FOUND"
    assert done.rows(Status.UPDATED) == {0, 2}


def test_what_a_reply_leaves_out_is_asked_for_again() -> None:
    """An address that a reply doesn't mention is read twice more before it counts as unknown."""
    hubspot = contacts(100)
    done = run(hubspot, [row_of(n, f"c{n + 1}@example.com") for n in range(100)], faults=scripted("left out"))
    assert done.rows(Status.UPDATED) == set(range(100))
    assert [len(ids) for ids in requests(done, "read")] == [100, 1]

    unlucky = run(contacts(1), [row_of(0, "c1@example.com")], faults=scripted("left out", "left out"))
    assert unlucky.rows(Status.UPDATED) == {0}

    silent = run(contacts(1), [row_of(0, "c1@example.com")], faults=scripted(*["left out"] * 3))
    (outcome,) = silent.outcomes
    assert (outcome.status, outcome.category) == (Status.REJECTED, "OBJECT_NOT_FOUND")


@pytest.mark.parametrize("missing_ok", [False, True])
@pytest.mark.parametrize("kind", ["no body", "pending", "canceled"])
def test_replies_without_sense_are_no_answer(kind: str, missing_ok: bool) -> None:
    """A reply that isn't one doesn't make a contact missing: the row is unknown, and nothing is written."""
    hubspot = contacts(1)
    done = run(hubspot, [row_of(0, "c1@example.com")], faults=always(kind), missing_ok=missing_ok)
    (outcome,) = done.outcomes
    assert (outcome.status, outcome.category) == (Status.UNKNOWN, "NO_ANSWER")
    assert hubspot.writes == {}


def test_an_error_that_names_nobody_is_the_reason_of_those_left_out() -> None:
    """What HubSpot says is said on, rather than that there is no such contact."""
    done = run(contacts(1), [row_of(0, "c1@example.com")], faults=always("error without a name"), missing_ok=True)
    assert [(one.status, one.category) for one in done.outcomes] == [(Status.REJECTED, "INTERNAL_ERROR")]


def test_a_refused_read_costs_only_the_row_that_it_is_refused_for() -> None:
    """Refused reads are halved until the one bad address is alone; its row has HubSpot's words."""
    hubspot = contacts(300)
    hubspot.refused_reads = frozenset({"c77@example.com"})
    done = run(hubspot, [row_of(n, f"c{n + 1}@example.com") for n in range(300)])
    (outcome,) = (one for one in done.outcomes if one.status is not Status.UPDATED)
    assert (outcome.row, outcome.status, outcome.category) == (76, Status.REJECTED, "VALIDATION_ERROR")
    assert outcome.correlation_id == "c-read"
    assert hubspot.refused <= 8
    assert len(done.outcomes) == 300


def test_reads_refused_for_the_same_reason_end_the_sync() -> None:
    """When every read is refused, the sync stops instead of halving on and on."""
    hubspot = contacts(2_000)
    hubspot.refused_reads = frozenset(held["email"] for held in hubspot.records.values())
    done = run(hubspot, [row_of(n, f"c{n + 1}@example.com") for n in range(2_000)])
    assert isinstance(done.error, SystematicRefusalError)
    assert hubspot.refused < 100 < MAX_REFUSED_REQUESTS
    assert len(done.outcomes) == 2_000 or done.rows(Status.UPDATED) == set()


def test_a_property_that_cannot_be_looked_up_is_a_wrong_setting() -> None:
    """HubSpot's refusal of the id property in batch/read ends the sync at once, with its name."""
    done = run(
        contacts(1), [row_of(0, "x")], what=lookup(id_property="nick", compare=True), faults=always("non-unique")
    )
    assert isinstance(done.error, SettingsError)
    assert "'nick'" in str(done.error)
    assert len(done.simulation.requests) == 1


@pytest.mark.parametrize("kind", TRANSIENT)
def test_reads_are_retried_like_updates(kind: str) -> None:
    """What passes by is waited out."""
    done = run(contacts(150), [row_of(n, f"c{n + 1}@example.com") for n in range(150)], faults=scripted(kind, kind))
    assert done.error is None
    assert done.rows(Status.UPDATED) == set(range(150))
    assert done.costs.retries == 2


def test_reads_are_paced_like_updates() -> None:
    """Reads and updates together stay within the account's limit."""
    hubspot = contacts(6_000)
    hubspot.limit = 20
    hubspot.writes = {}
    done = run(hubspot, [row_of(n, f"c{n + 1}@example.com") for n in range(6_000)], max_in_flight=4)
    assert done.rows(Status.UPDATED) == set(range(6_000))
    assert hubspot.over_limit == 0


def test_rejected_rows_carry_the_record_id_that_was_looked_up() -> None:
    """Who fixes a row by address is told which record it is."""
    hubspot = contacts(3)
    hubspot.refuses = lambda properties: properties["city"] == "no"
    done = run(hubspot, [row_of(0, "c1@example.com"), row_of(1, "c2@example.com", city="no")])
    assert {(one.row, one.status, one.record_id) for one in done.outcomes} == {
        (0, Status.UPDATED, "1"),
        (1, Status.REJECTED, "2"),
    }


# --- values of unique properties -----------------------------------------------------------------------------------


def reply(records: dict[str, str], missing: Sequence[str] = ()) -> Reply:
    results = [{"id": record_id, "properties": {"number": value}} for record_id, value in records.items()]
    errors = [{"category": "OBJECT_NOT_FOUND", "message": "gone", "context": {"ids": list(missing)}}]
    body = {"status": "COMPLETE", "results": results, "errors": errors}
    return Reply(200, {}, orjson.dumps(body))


@pytest.mark.parametrize(
    ("records", "missing", "expected"),
    [
        ({"1": "007", "2": "7"}, [], {"007": "1", "7": "2"}),
        ({"2": "7"}, ["007"], {"007": None, "7": "2"}),
        ({"1": "007"}, [], {"007": "1", "7": "1"}),  # HubSpot may compare numbers
        ({"1": "ABC", "2": "abc"}, ["Abc"], {"ABC": "1", "abc": "2", "Abc": None}),
        ({"1": "ABC", "2": "abc"}, [], {"Abc": None}),
    ],
)
def test_values_that_look_alike_are_not_mixed_up(
    records: dict[str, str], missing: list[str], expected: dict[str, str | None]
) -> None:
    """The values "007" and "7" may be two records': the text that was asked for decides, and doubt picks none."""
    inputs = [row_of(n, name) for n, name in enumerate(expected)]
    found = lookup(id_property="number").read(inputs, reply(records, missing), repeated=False)
    assert [one.record.id if one and one.record else None for one in found] == list(expected.values())


def test_values_that_look_alike_are_all_asked_for() -> None:
    """No value stands in for another one in the request."""
    body = orjson.loads(
        lookup(id_property="number").request([row_of(0, "7"), row_of(1, "007"), row_of(2, "7")]).body or b""
    )
    assert [one["id"] for one in body["inputs"]] == ["7", "007"]
    assert body["properties"] == ["number"]


# --- comparing -----------------------------------------------------------------------------------------------------


def test_rows_of_one_record_are_compared_with_what_the_earlier_ones_wrote() -> None:
    """A row that equals HubSpot's old value is sent if an earlier row changes it, in the same lookup or not."""
    for between in (0, 50, 150, 5_000):
        hubspot = contacts(6_000)
        rows = [row_of(0, "1", city="Wien")]
        rows += [row_of(n + 1, str(n + 2), city="Bonn") for n in range(between)]
        rows += [row_of(between + 1, "1", city="Bonn")]
        done = run(hubspot, rows, what=lookup(compare=True, id_property=None))
        assert hubspot.records["1"]["city"] == "Bonn"
        assert hubspot.writes == {"1": [0, between + 1]}
        assert done.rows(Status.UNCHANGED) == set(range(1, between + 1))


@pytest.mark.parametrize("compare", [False, True])
@pytest.mark.parametrize("seed", range(60))
def test_the_last_row_wins_whatever_happens_to_requests(seed: int, compare: bool) -> None:
    """Replies late, lost, throttled, empty or cut: each record ends with what its rows say, in input order."""
    random = Random(seed)
    hubspot = contacts(random.choice([1, 3, 40]))
    by_address = random.random() < 0.7
    rows = []
    for number in range(random.choice([20, 300, 900])):
        n = random.randint(1, len(hubspot.records))
        properties = {
            name: random.choice(["Bonn", "Wien", ""]) for name in random.sample(["city", "plan"], random.randint(1, 2))
        }
        rows.append(row_of(number, name_of(random, n) if by_address else str(n), **properties))
    before = state(hubspot)
    kinds: list[str] = TRANSIENT if seed % 2 else [*TRANSIENT, *UNCLEAR]
    done = run(
        hubspot,
        rows,
        what=lookup(compare=compare, id_property="email" if by_address else None),
        faults=randomly(seed, 0.15, kinds),
        seed=seed,
        chunk=random.choice([7, 100, 1_000]),
        max_in_flight=random.choice([1, 3, 16]),
    )
    assert done.error is None
    assert sorted(outcome.row for outcome in done.outcomes) == list(range(len(rows)))
    status = {outcome.row: outcome.status for outcome in done.outcomes}
    doubtful = {address_of(hubspot, row) for row in rows if status[row.row] is Status.UNKNOWN}
    for row in rows:
        if status[row.row] in (Status.UPDATED, Status.UNCHANGED):
            before[address_of(hubspot, row)].update(row.properties)
    after = state(hubspot)
    for record_id in set(after) - doubtful:
        assert not_empty(after[record_id]) == not_empty(before[record_id])
    if seed % 2:
        assert set(status.values()) <= {Status.UPDATED, Status.UNCHANGED}


def not_empty(properties: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in properties.items() if value}


def address_of(hubspot: SimulatedHubSpot, row: Input) -> str:
    found = hubspot._find(row.id, "email" if "@" in row.id else None)
    assert found is not None
    return found


def test_a_second_sync_sends_no_update() -> None:
    """What HubSpot has already isn't sent; every row is told so, with its record."""
    hubspot = contacts(500)
    rows = [row_of(n, f"c{n + 1}@example.com") for n in range(500)]
    what = lookup(compare=True)
    run(hubspot, rows, what=what)
    again = run(hubspot, rows, what=what)
    assert requests(again, "update") == []
    assert again.rows(Status.UNCHANGED) == set(range(500))
    assert {outcome.row: outcome.record_id for outcome in again.outcomes} == {n: str(n + 1) for n in range(500)}


def test_a_stop_accounts_for_rows_at_every_stage() -> None:
    """Rows not read yet, being read and being written have one outcome each; what may be written has its record id."""
    for stop_at in range(1, 40):
        hubspot = contacts(1_500)
        simulation = Simulation(hubspot, seed=stop_at)
        going = make_run(simulation, [row_of(n, f"c{n + 1}@example.com") for n in range(1_500)], lookup=lookup())

        def stop(number: int, going: Run = going, stop_at: int = stop_at) -> None:
            if number == stop_at:
                going.sync.stop()

        simulation.at_submit = stop
        going.drive()
        assert sorted(outcome.row for outcome in going.outcomes) == list(range(len(going.outcomes)))
        written = {int(record) - 1 for record in hubspot.writes}
        assert written <= going.rows(Status.UPDATED) | going.rows(Status.UNKNOWN)
        assert all(outcome.record_id for outcome in going.outcomes if outcome.status is Status.UNKNOWN)


def is_read(request: Request) -> bool:
    return request.path.endswith("/batch/read")


def test_no_scope_to_read_ends_the_sync() -> None:
    """Without the scope that reading takes, nothing is written, and the scope is named."""
    hubspot = contacts(1)
    done = run(hubspot, [row_of(0, "c1@example.com")], faults=lambda _, request: "403" if is_read(request) else None)
    assert "crm.objects" in str(done.error)
    assert hubspot.writes == {}
