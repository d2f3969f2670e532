"""The engine carries out verbs that it doesn't know: several operations and lookups in one sync, in order.

Two made-up verbs stand for those with more steps than an update. ``Put`` looks a key up, then updates the record or
creates it; what creating leaves open is read back, and a conflict is looked up. ``Remove`` gets replies that tell
nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_hubbatch.core.batch_reply import parse_batch_reply
from airflow_provider_hubbatch.core.error_reply import ErrorReply
from airflow_provider_hubbatch.core.lookup import BatchReadLookup, Found, resolved
from airflow_provider_hubbatch.core.model import Input, RowOutcome, Status
from airflow_provider_hubbatch.core.protocol import BatchRead, Request, batch_path, encode
from airflow_provider_hubbatch.core.reconcile import errors_of_named, reconcile
from airflow_provider_hubbatch.core.values import order_key
from airflow_provider_hubbatch.core.verbs.update import BatchUpdate
from airflow_provider_hubbatch.core.verbs.verb import LookUp, Reading, Said, Settling, Verb, Write
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
    from collections.abc import Mapping, Sequence

    from airflow_provider_hubbatch.core.batch_reply import Record
    from airflow_provider_hubbatch.core.protocol import Reply
    from airflow_provider_hubbatch.core.verbs.verb import Operation, Step

VERSION = "2026-03"


@dataclass
class Creating(SimulatedHubSpot):
    """Creates records too, one for each ``key``; and archives them, without a word.

    :param rival: keys that somebody else creates right before they are created here.
    """

    rival: set[str] = field(default_factory=set)
    created: Counter[str] = field(default_factory=Counter)
    archived: set[str] = field(default_factory=set)

    def answer(self, request: Request, without: Sequence[str] = ()) -> tuple[int, dict[str, Any]]:
        if request.path.endswith("/batch/create"):
            return self._create(orjson.loads(request.body or b"")["inputs"])
        if request.path.endswith("/batch/archive"):
            ids = {one["id"] for one in orjson.loads(request.body or b"")["inputs"]}
            self.archived |= ids & self.records.keys()
            return 204, {"results": []}
        return super().answer(request, without)

    def _create(self, inputs: list[dict[str, Any]]) -> tuple[int, dict[str, Any]]:
        for one in inputs:
            key = one["properties"]["key"]
            if key in self.rival:
                self.rival.discard(key)
                self._add({"key": key})
            record_id = self._find(key, "key")
            if record_id is not None:
                message = f"Contact already exists. Existing ID: {record_id}"
                return 409, {"status": "error", "category": "CONFLICT", "message": message}
        results = []
        for one in inputs:
            record_id = self._add(one["properties"])
            self.writes.setdefault(record_id, []).append(int(one["objectWriteTraceId"]))
            results.append({"id": record_id, "properties": one["properties"]})
        return 201, {"status": "COMPLETE", "results": results[::-1]}

    def _add(self, properties: dict[str, str]) -> str:
        record_id = str(5_000 + len(self.records))
        self.records[record_id] = dict(properties)
        self.created[properties["key"]] += 1
        return record_id


@dataclass(frozen=True, kw_only=True, eq=False)
class Create:
    """Makes records; never sent again while one may have been made."""

    id_property: str = "key"
    most_inputs: ClassVar[int] = 100
    most_records: ClassVar[int | None] = None
    looks_further: ClassVar[bool] = False
    join: ClassVar[None] = None
    creates: ClassVar[bool] = False
    tells_afterwards: ClassVar[bool] = True
    is_repeatable: ClassVar[bool] = False

    def request(self, inputs: Sequence[Input]) -> Request:
        entries = [
            {"objectWriteTraceId": item.trace_id, "properties": {**item.properties, "key": item.id}} for item in inputs
        ]
        return Request("POST", batch_path("contacts", "create", VERSION), encode({"inputs": entries}))

    def read(self, inputs: Sequence[Input], reply: Reply) -> Reading:
        found = reconcile(inputs, parse_batch_reply(reply), id_property="key")
        return Reading(
            said=Said.SOMETHING if found.confirmed or found.refused else Said.NOTHING,
            confirmed=[(item, created(item, record)) for item, record in found.confirmed],
            refused=found.refused,
            unsaid=found.unsaid,
            errors=found.errors,
        )

    def errors_of_named(self, inputs: Sequence[Input], error: ErrorReply) -> list[tuple[Input, ErrorReply]]:
        return errors_of_named(inputs, error, "key")

    def read_back(self, inputs: Sequence[Input]) -> Request:
        return BatchRead("contacts", ("key", "city"), "key", VERSION).request(item.id for item in inputs)

    def settle(self, inputs: Sequence[Input], reply: Reply, strays: Mapping[str, Record]) -> Settling:  # noqa: ARG002
        found = reconcile(inputs, parse_batch_reply(reply), id_property="key")
        absent = tuple(item for item, _ in found.refused)
        own = [one for one in found.confirmed if one[1].properties["city"] == one[0].properties["city"]]
        others = [one for one in found.confirmed if one not in own]
        return Settling(
            confirmed=[(item, created(item, record)) for item, record in own],
            refused=[(item, ErrorReply("CONFLICT", f"Existing ID: {record.id}")) for item, record in others],
            ended=[(item, item.outcome(Status.UNKNOWN, category="NO_ANSWER")) for item in found.unsaid],
            unclear=absent,
        )


@dataclass(frozen=True, kw_only=True)
class Put(Verb):
    """Update the record of a key, or create it."""

    name: ClassVar[str] = "put"
    doing: ClassVar[str] = "Putting"
    done: ClassVar[tuple[Status, ...]] = (Status.UPDATED,)

    create: Operation
    by_id: BatchReadLookup

    def after_lookup(self, item: Input, found: Found) -> Step:
        if found.record is not None:
            return Write(self.operation, resolved(item, found.record, item.properties))
        if found.error is not None and not found.error.is_about_absence:  # nobody knows whether it is there
            return self.after_refusal(item, found.error)
        if item.id.isdecimal():  # the record of a conflict, which HubSpot doesn't show
            return item.outcome(Status.UNKNOWN, category="NO_ANSWER")
        return Write(self.create, item)

    def after_refusal(self, item: Input, error: ErrorReply) -> Step:
        existing = re.search(r"Existing ID: (\d+)", error.message)
        if existing is None:
            return super().after_refusal(item, error)
        return LookUp(self.by_id, item._replace(id=existing[1]))

    def after_predecessor(self, step: Write, before: RowOutcome) -> Step:
        if step.operation is not self.create or before.record_id is None:
            return step
        key = order_key(before.record_id)
        return Write(self.operation, step.item._replace(id=before.record_id, key=key))


@dataclass(frozen=True, kw_only=True, eq=False)
class Archive:
    """Takes records away; what became of them is always read."""

    id_property: str | None = None
    most_inputs: ClassVar[int] = 30
    most_records: ClassVar[int | None] = None
    looks_further: ClassVar[bool] = False
    join: ClassVar[None] = None
    creates: ClassVar[bool] = False
    tells_afterwards: ClassVar[bool] = True
    is_repeatable: ClassVar[bool] = True

    def request(self, inputs: Sequence[Input]) -> Request:
        body = encode({"inputs": [{"id": item.id} for item in inputs]})
        return Request("POST", batch_path("contacts", "archive", VERSION), body, repeatable=True)

    def read(self, inputs: Sequence[Input], reply: Reply) -> Reading:  # noqa: ARG002 - it tells nothing
        return Reading(Said.SOMETHING, unsaid=tuple(inputs))

    def errors_of_named(self, inputs: Sequence[Input], error: ErrorReply) -> list[tuple[Input, ErrorReply]]:
        return errors_of_named(inputs, error, None)

    def read_back(self, inputs: Sequence[Input]) -> Request:
        return BatchRead("contacts", (), None, VERSION).request(item.id for item in inputs)

    def settle(self, inputs: Sequence[Input], reply: Reply, strays: Mapping[str, Record]) -> Settling:  # noqa: ARG002
        found = reconcile(inputs, parse_batch_reply(reply), id_property=None)
        return Settling(
            confirmed=[(item, item.outcome(Status.UPDATED, record_id=one.id)) for item, one in found.confirmed],
            refused=found.refused,
            unclear=found.unsaid,
        )


@dataclass(frozen=True, kw_only=True)
class Remove(Verb):
    """Archive records."""

    name: ClassVar[str] = "remove"
    doing: ClassVar[str] = "Removing"
    done: ClassVar[tuple[Status, ...]] = (Status.UPDATED,)


def created(item: Input, record: Record) -> RowOutcome:
    """The outcome of a row whose record was made."""
    return item.outcome(Status.UPDATED, record_id=record.id, category="created")


def put() -> Put:
    """The verb, for contacts."""
    by_key = BatchReadLookup(object_type="contacts", api_version=VERSION, id_property="key")
    by_id = BatchReadLookup(object_type="contacts", api_version=VERSION, id_property=None)
    update = BatchUpdate(object_type="contacts", api_version=VERSION)
    return Put(
        object_type="contacts", api_version=VERSION, operation=update, lookup=by_key, create=Create(), by_id=by_id
    )


def rows_of(keys: Sequence[int]) -> list[Input]:
    """A row for each of these keys, each with a value of its own."""
    return [make_input(row, f"K-{key}") for row, key in enumerate(keys)]


def times_created(simulation: Simulation, row: int) -> int:
    """How often a row's create was sent."""
    creates = [request for request in simulation.requests if request.path.endswith("/create")]
    traces = [one["objectWriteTraceId"] for request in creates for one in orjson.loads(request.body or b"")["inputs"]]
    return traces.count(str(row))


def held(hubspot: SimulatedHubSpot) -> dict[str, str | None]:
    """What HubSpot has: key -> city."""
    return {one["key"]: one.get("city") for one in hubspot.records.values()}


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(0, 25), min_size=1, max_size=150),
    st.sets(st.integers(0, 25), max_size=4),
    st.sampled_from([0.0, 0.2, 0.5]),
    st.integers(0, 2**32),
    st.sampled_from([1, 3, 16]),
)
def test_engine_creates_once_and_updates_in_order(
    keys: list[int], rivals: set[int], share: float, seed: int, max_in_flight: int
) -> None:
    """Rows of keys that exist, don't, or that somebody else creates meanwhile, while connections are cut: each key has
    one record, with the values of its last row; every row has its outcome. Only a row for which HubSpot failed again
    and again, while it answered others, is given up: its create is unknown, its update or lookup is rejected for that;
    and one whose create was lost five times is unknown.
    """
    hubspot = Creating({str(1_000 + n): {"key": f"K-{n}"} for n in range(0, 26, 3)})
    hubspot.rival = {f"K-{n}" for n in rivals if n % 3}
    simulation = Simulation(hubspot, faults=randomly(seed, share, TRANSIENT), seed=seed)
    rows = rows_of(keys)
    run = make_run(simulation, rows, verb=put(), chunk=30, seed=seed, max_in_flight=max_in_flight).drive()
    assert run.error is None
    assert Counter(outcome.row for outcome in run.outcomes) == Counter(range(len(rows)))
    unclear = [one for one in run.outcomes if one.status is not Status.UPDATED]
    told = {one.row: (one.message if one.status is Status.UNKNOWN else one.category) for one in unclear}
    unexplained = [row for row, why in told.items() if "HTTP_50" not in str(why)]
    assert all(times_created(simulation, row) >= 5 for row in unexplained)
    assert {one.status for one in unclear} <= {Status.UNKNOWN, Status.REJECTED}
    assert max(hubspot.created.values(), default=1) == 1
    assert Counter(one["key"] for one in hubspot.records.values()).most_common(1)[0][1] == 1
    for written in hubspot.writes.values():
        assert written == sorted(written)
    if unclear:
        return
    last = {item.id: item.properties["city"] for item in rows}
    assert {key: city for key, city in held(hubspot).items() if city} == last
    by_key = {one["key"]: record_id for record_id, one in hubspot.records.items()}
    assert {one.row: one.record_id for one in run.outcomes} == {item.row: by_key[item.id] for item in rows}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 25), min_size=1, max_size=100), st.sampled_from([0.2, 0.6]), st.integers(0, 2**32))
def test_engine_creates_nothing_twice_whatever_the_replies(keys: list[int], share: float, seed: int) -> None:
    """Replies that say nothing or nonsense: a row may stay unknown, and no record is made twice."""
    hubspot = Creating({str(1_000 + n): {"key": f"K-{n}"} for n in range(0, 26, 3)})
    simulation = Simulation(hubspot, faults=randomly(seed, share, [*TRANSIENT, *UNCLEAR]), seed=seed)
    run = make_run(simulation, rows_of(keys), verb=put(), chunk=30, seed=seed).drive()
    assert Counter(outcome.row for outcome in run.outcomes) == Counter(range(len(keys)))
    assert Counter(one["key"] for one in hubspot.records.values()).most_common(1)[0][1] == 1
    written = {row for rows in hubspot.writes.values() for row in rows}
    assert run.rows(Status.UPDATED) <= written


def test_engine_pools_what_it_looked_up_into_full_batches() -> None:
    """1,000 keys, every second one there: ten lookups, then five full updates and five full creates."""
    hubspot = Creating({str(1_000 + n): {"key": f"K-{n}"} for n in range(0, 1_000, 2)})
    simulation = Simulation(hubspot)
    run = make_run(simulation, rows_of(range(1_000)), verb=put()).drive()
    assert run.rows(Status.UPDATED) == set(range(1_000))
    paths = Counter(request.path.rpartition("/")[2] for request in simulation.requests)
    assert paths == {"read": 10, "update": 5, "create": 5}


@pytest.mark.parametrize("kind", ["cut after", "cut before", "timeout", "503", "html 200"])
def test_engine_reads_back_what_may_have_been_created(kind: str) -> None:
    """A create whose reply is missing is read back, and sent again only for the keys that aren't there."""
    hubspot = Creating({})
    simulation = Simulation(hubspot, faults=scripted(None, kind))
    run = make_run(simulation, rows_of(range(60)), verb=put()).drive()
    assert run.rows(Status.UPDATED) == set(range(60))
    assert hubspot.created == Counter({f"K-{n}": 1 for n in range(60)})
    paths = [request.path.rpartition("/")[2] for request in simulation.requests]
    assert paths[:3] == ["read", "create", "read"]


def test_engine_confirms_by_reading_where_replies_tell_nothing() -> None:
    """Replies without a body are as they should be: read once, no row is sent twice or sought."""
    hubspot = Creating({str(1_000 + n): {"key": f"K-{n}"} for n in range(90)})
    simulation = Simulation(hubspot)
    verb = Remove(object_type="contacts", api_version=VERSION, operation=Archive())
    rows = [make_input(row, str(1_000 + row)) for row in range(95)]
    run = make_run(simulation, rows, verb=verb).drive()
    assert run.rows(Status.UPDATED) == set(range(90))
    assert {one.row for one in run.outcomes if one.category == "OBJECT_NOT_FOUND"} == set(range(90, 95))
    paths = Counter(request.path.rpartition("/")[2] for request in simulation.requests)
    assert paths == {"archive": 4, "read": 4}
    assert hubspot.archived == {str(1_000 + n) for n in range(90)}


def test_engine_gives_up_on_a_write_whose_effect_cannot_be_read() -> None:
    """HubSpot answers no read: rows that may have been created end as unknown, and are not sent again."""
    hubspot = Creating({})
    random = Random(0)
    simulation = Simulation(hubspot, faults=always("cut after"), seed=random.randrange(100))
    simulation._faults = lambda number, request: (
        "cut after" if request.path.endswith("/create") else "403" if number > 1 else None
    )
    run = make_run(simulation, rows_of(range(50)), verb=put()).drive()
    assert run.error is None
    assert run.rows(Status.UNKNOWN) == set(range(50))
    assert [request.path.rpartition("/")[2] for request in simulation.requests] == ["read", "create", "read"]


def test_engine_finds_the_row_on_which_every_create_fails() -> None:
    """HubSpot fails on one row's create again and again: the others of its batch are created, that one is unknown."""
    hubspot = Creating({})
    simulation = Simulation(
        hubspot,
        faults=lambda _, request: "503" if b'"K-37"' in (request.body or b"") and "create" in request.path else None,
    )
    run = make_run(simulation, rows_of(range(100)), verb=put()).drive()
    assert run.error is None
    assert run.rows(Status.UNKNOWN) == {37}
    assert run.rows(Status.UPDATED) == set(range(100)) - {37}
    assert len(simulation.requests) < 150
