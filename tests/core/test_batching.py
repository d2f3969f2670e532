"""Lanes: which rows may share a request, and which wait for an earlier row of their record."""

from __future__ import annotations

from collections import defaultdict
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_hubbatch.core.batching import Lanes
from airflow_provider_hubbatch.core.model import Input
from airflow_provider_hubbatch.core.protocol import MAX_BATCH_INPUTS


def make(row: int, key: str) -> Input:
    """A row of this record."""
    return Input(row, key, key, key, {"city": str(row)})


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 9), max_size=60), st.integers(0, 2**32), st.integers(1, 7))
def test_lanes_hand_out_each_row_once_and_each_record_in_order(records: list[int], seed: int, most: int) -> None:
    """However taking, adding and releasing mix: no row twice, no record twice under way, each record in input order."""
    random, lanes = Random(seed), Lanes()
    waiting = [make(row, f"r{record}") for row, record in enumerate(records)]
    added = list(reversed(waiting))
    under_way: list[Input] = []
    order: dict[str, list[int]] = defaultdict(list)
    while added or len(lanes) or under_way:
        action = random.choice("atr")
        if action == "a" and added:
            lanes.add(added.pop())
        elif action == "t":
            taken = lanes.take(most)
            assert len(taken) <= most
            under_way += taken
            assert len({item.key for item in under_way}) == len(under_way)
            for item in taken:
                order[item.key].append(item.row)
        elif action == "r" and under_way:
            lanes.release(under_way.pop(random.randrange(len(under_way))))
    assert sorted(row for rows in order.values() for row in rows) == list(range(len(records)))
    assert all(rows == sorted(rows) for rows in order.values())
    assert not any(lanes.has(item.key) for item in waiting)


def test_lanes_take_no_more_than_hubspot_allows() -> None:
    """A batch has at most 100 rows unless fewer are asked for."""
    lanes = Lanes()
    for row in range(250):
        lanes.add(make(row, str(row)))
    assert [len(lanes.take()) for _ in range(4)] == [MAX_BATCH_INPUTS, 100, 50, 0]


def test_lanes_count_what_waits() -> None:
    """The length is what was not taken yet; ready is what may go now."""
    lanes = Lanes()
    for row in range(5):
        lanes.add(make(row, "hot"))
    lanes.add(make(5, "cold"))
    assert (len(lanes), lanes.ready) == (6, 2)
    first, _ = lanes.take()
    assert (len(lanes), lanes.ready, lanes.has("hot")) == (4, 0, True)
    lanes.release(first)
    assert (len(lanes), lanes.ready) == (4, 1)


def test_lanes_let_the_next_row_of_a_record_go_first() -> None:
    """A released record's next row goes before rows that came later, so that one record can't fall far behind."""
    lanes = Lanes()
    for row, key in enumerate(["hot", "hot", "a", "b"]):
        lanes.add(make(row, key))
    (first,) = lanes.take(1)
    lanes.release(first)
    assert [item.row for item in lanes.take()] == [1, 2, 3]
