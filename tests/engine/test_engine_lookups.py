"""A verb that looks up two records a row, by lookups that remember: each key is asked for once, and the last row wins.

The made-up ``Point`` writes to one record which other one it belongs to, as a link would.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_hubbatch.core.lookup import BatchReadLookup, resolved
from airflow_provider_hubbatch.core.model import Input, Status
from airflow_provider_hubbatch.core.verbs.update import BatchUpdate
from airflow_provider_hubbatch.core.verbs.verb import LookUp, Verb, Write
from tests.engine.simulated import TRANSIENT, SimulatedHubSpot, Simulation, make_input, make_run, randomly

if TYPE_CHECKING:
    from airflow_provider_hubbatch.core.lookup import Found
    from airflow_provider_hubbatch.core.verbs.verb import Step

VERSION = "2026-03"


def by_key() -> BatchReadLookup:
    return BatchReadLookup(object_type="contacts", api_version=VERSION, id_property="key", remembers=True)


@dataclass(frozen=True, kw_only=True)
class Point(Verb):
    """Write to the record of a row's key the id of the record of its other key."""

    name: ClassVar[str] = "point"
    doing: ClassVar[str] = "Pointing"
    done: ClassVar[tuple[Status, ...]] = (Status.UPDATED,)

    others: BatchReadLookup

    def after_lookup(self, item: Input, found: Found) -> Step:
        if found.record is None:
            assert found.error is not None
            return self.after_refusal(item, found.error)
        if item.record is None:
            own = resolved(item, found.record, item.properties)
            return LookUp(self.others, own._replace(id=item.properties["to"]))
        return Write(self.operation, item._replace(id=item.record.id, properties={"to": found.record.id}))


@dataclass(frozen=True, kw_only=True)
class Keyed(Verb):
    """Write to the record of a key."""

    name: ClassVar[str] = "keyed"
    doing: ClassVar[str] = "Keying"
    done: ClassVar[tuple[Status, ...]] = (Status.UPDATED,)

    def after_lookup(self, item: Input, found: Found) -> Step:
        assert found.record is not None
        return Write(self.operation, resolved(item, found.record, item.properties))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=120),
    st.booleans(),
    st.sampled_from([0.0, 0.3]),
    st.integers(0, 2**32),
    st.tuples(st.sampled_from([1, 3, 16]), st.sampled_from([7, 40, 1_000])),
)
def test_engine_looks_up_both_sides_of_a_row(
    pairs: list[tuple[int, int]], same: bool, share: float, seed: int, sizes: tuple[int, int]
) -> None:
    """Whether both sides have one lookup or two, and whatever is cut: every row has its outcome, rows of one record
    take effect in order, and no key is asked for twice.

    :param sizes: requests under way at once, and rows of a chunk.
    """
    max_in_flight, chunk = sizes
    hubspot = SimulatedHubSpot({str(1_000 + n): {"key": f"K-{n}"} for n in range(11)})
    simulation = Simulation(hubspot, faults=randomly(seed, share, TRANSIENT), seed=seed)
    first = by_key()
    update = BatchUpdate(object_type="contacts", api_version=VERSION)
    verb = Point(
        object_type="contacts",
        api_version=VERSION,
        operation=update,
        lookup=first,
        others=first if same else by_key(),
    )
    rows = [make_input(row, f"K-{one}", to=f"K-{other}") for row, (one, other) in enumerate(pairs)]
    run = make_run(simulation, rows, verb=verb, chunk=chunk, seed=seed, max_in_flight=max_in_flight).drive()
    assert run.error is None
    assert Counter(outcome.row for outcome in run.outcomes) == Counter(range(len(rows)))
    for written in hubspot.writes.values():
        assert written == sorted(written)
    there = [(one, other) for one, other in pairs if max(one, other) < 11]
    if share:
        return
    assert len(run.rows(Status.UPDATED)) == len(there)
    assert {one.category for one in run.outcomes if one.status is Status.REJECTED} <= {"OBJECT_NOT_FOUND"}
    last = {str(1_000 + one): str(1_000 + other) for one, other in there}
    assert {name: held["to"] for name, held in hubspot.records.items() if "to" in held} == last
    reads = [request for request in simulation.requests if request.path.endswith("/batch/read")]
    asked = Counter(one["id"] for request in reads for one in orjson.loads(request.body or b"")["inputs"])
    sides = 1 if same else 2
    assert all(asked[f"K-{n}"] <= sides for n in range(11))


def test_many_rows_of_few_keys_ask_for_each_once() -> None:
    """20,000 rows of 300 keys: three lookups."""
    rows = [make_input(row, f"K-{row % 300}") for row in range(20_000)]
    hubspot = SimulatedHubSpot({str(1_000 + n): {"key": f"K-{n}"} for n in range(300)})
    simulation = Simulation(hubspot)
    verb = Keyed(
        object_type="contacts",
        api_version=VERSION,
        operation=BatchUpdate(object_type="contacts", api_version=VERSION),
        lookup=by_key(),
    )
    run = make_run(simulation, rows, verb=verb, chunk=500).drive()
    assert len(run.rows(Status.UPDATED)) == 20_000
    assert Counter(request.path.rpartition("/")[2] for request in simulation.requests)["read"] == 3
    for written in hubspot.writes.values():
        assert written == sorted(written)
