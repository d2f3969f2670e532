"""Lanes: which rows may share a request, and which wait for an earlier row of their record."""

from __future__ import annotations

from collections import defaultdict
from random import Random
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_hubbatch.core.batching import Lanes
from airflow_provider_hubbatch.core.model import Input
from airflow_provider_hubbatch.core.protocol import MAX_BATCH_INPUTS
from airflow_provider_hubbatch.core.verbs.update import BatchUpdate

if TYPE_CHECKING:
    from collections.abc import Sequence

UPDATE = BatchUpdate(object_type="contacts", api_version="2026-03")


class Few(BatchUpdate):
    """An operation of which so many inputs fit a request."""

    def __init__(self, most_inputs: int) -> None:
        super().__init__(object_type="contacts", api_version="2026-03")
        object.__setattr__(self, "most_inputs", most_inputs)


class OfFewRecords(Few):
    """An operation of which inputs of so many records fit a request, and that takes along what is behind them."""

    def __init__(self, most_inputs: int, most_records: int) -> None:
        super().__init__(most_inputs)
        object.__setattr__(self, "most_records", most_records)

        def join(item: Input, others: Sequence[Input]) -> Input:
            return item._replace(properties={"with": ",".join(str(one.row) for one in others)})

        object.__setattr__(self, "join", join)


def taken_from(lanes: Lanes) -> list[Input]:
    """The inputs of the next batch."""
    batch = lanes.take()
    return [] if batch is None else list(batch.inputs)


def release(lanes: Lanes, item: Input) -> None:
    """The input is settled; those behind it go, as they are."""
    for step in lanes.release(item):
        lanes.put_first(*step)


def make(row: int, key: str) -> Input:
    """A row of this record."""
    return Input(row, key, key, key, {"city": str(row)})


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 9), max_size=60), st.integers(0, 2**32), st.integers(1, 7))
def test_lanes_hand_out_each_row_once_and_each_record_in_order(records: list[int], seed: int, most: int) -> None:
    """However taking, adding and releasing mix: no row twice, no record twice under way, each record in input order."""
    random, lanes = Random(seed), Lanes()
    operations = [Few(most), Few(most)]
    waiting = [make(row, f"r{record}") for row, record in enumerate(records)]
    added = list(reversed(waiting))
    under_way: list[Input] = []
    order: dict[str, list[int]] = defaultdict(list)
    while added or len(lanes) or under_way:
        action = random.choice("atr")
        if action == "a" and added:
            lanes.add(random.choice(operations), added.pop())
        elif action == "t":
            taken = taken_from(lanes)
            assert len(taken) <= most
            under_way += taken
            assert len({item.key for item in under_way}) == len(under_way)
            for item in taken:
                order[item.key].append(item.row)
        elif action == "r" and under_way:
            release(lanes, under_way.pop(random.randrange(len(under_way))))
    assert sorted(row for rows in order.values() for row in rows) == list(range(len(records)))
    assert all(rows == sorted(rows) for rows in order.values())
    assert not any(lanes.has(item.key, -1) for item in waiting)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 5), max_size=40), st.integers(0, 2**32))
def test_lanes_wait_for_a_row_that_goes_on_under_another_key(records: list[int], seed: int) -> None:
    """A row that is addressed otherwise after it was taken holds its old lane until it is settled, and the new one."""
    random, lanes = Random(seed), Lanes()
    for row, record in enumerate(records):
        lanes.add(UPDATE, make(row, f"r{record}"))
    settled: list[int] = []
    moved: set[int] = set()
    while len(lanes):
        for item in taken_from(lanes):
            assert item.row in moved or not any(
                row not in settled for row in range(item.row) if records[row] == records[item.row]
            )
            if item.row not in moved and random.random() < 0.5:
                moved.add(item.row)
                lanes.keep(item)
                lanes.add(UPDATE, item._replace(key=f"n{records[item.row]}"))
            else:
                settled.append(item.row)
                release(lanes, item)
    assert sorted(settled) == list(range(len(records)))
    assert not any(lanes.has(f"{kind}{record}", -1) for record in records for kind in "rn")


def test_lanes_take_no_more_than_fit_a_request() -> None:
    """A batch has as many rows as its operation allows, and those of one operation only; full ones come first."""
    lanes = Lanes()
    many = Few(150)
    for row in range(120):
        lanes.add(many, make(row, str(row)))
    for row in range(120, 370):
        lanes.add(UPDATE, make(row, str(row)))
    batches = [lanes.take() for _ in range(5)]
    assert [(one.operation is many, len(one.inputs)) if one else None for one in batches] == [
        (False, MAX_BATCH_INPUTS),
        (False, 100),
        (True, 120),
        (False, 50),
        None,
    ]


def test_lanes_count_what_waits() -> None:
    """The length is what was not taken yet; there is a batch, if any of it may go now."""
    lanes = Lanes()
    for row in range(5):
        lanes.add(UPDATE, make(row, "hot"))
    lanes.add(UPDATE, make(5, "cold"))
    assert (len(lanes), lanes.has_batch(partial=True), lanes.has_batch(partial=False)) == (6, True, False)
    first, _ = taken_from(lanes)
    assert (len(lanes), lanes.has_batch(partial=True), lanes.has("hot", -1)) == (4, False, True)
    release(lanes, first)
    assert (len(lanes), lanes.has_batch(partial=True)) == (4, True)


def test_lanes_let_the_next_row_of_a_record_go_first() -> None:
    """A released record's next row goes before rows that came later, so that one record can't fall far behind."""
    lanes = Lanes()
    for row, key in enumerate(["hot", "hot", "a", "b"]):
        lanes.add(Few(1) if row == 0 else UPDATE, make(row, key))
    (first,) = taken_from(lanes)
    release(lanes, first)
    assert [item.row for item in taken_from(lanes)] == [1, 2, 3]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=60), st.integers(1, 9), st.integers(1, 3))
def test_inputs_of_one_record_go_together(pairs: list[tuple[int, int]], most: int, records: int) -> None:
    """A request has inputs of few records, all that are ready of each, as far as they fit; none is lost."""
    lanes, operation = Lanes(), OfFewRecords(most, records)
    for row, (record, other) in enumerate(pairs):
        lanes.add(operation, Input(row, record, str(record), f"{record} {other}", {}))
    seen: list[int] = []
    while len(lanes):
        batch = lanes.take()
        assert batch is not None
        inputs = list(batch.inputs)
        assert 0 < len(inputs) <= most
        assert len({item.id for item in inputs}) <= records
        for item in inputs:
            behind = [row for row, pair in enumerate(pairs) if pair == pairs[item.row] and row > item.row]
            assert item.properties["with"] == ",".join(map(str, behind))
            release(lanes, item)
        seen += [item.row for item in inputs]
    assert sorted(seen) == list(range(len(pairs)))
