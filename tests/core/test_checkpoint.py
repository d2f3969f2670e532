"""Checkpoints: small, whole or not at all, and bound to the very rows that they are about."""

from __future__ import annotations

import itertools
import random
import tracemalloc
from collections import Counter
from contextlib import suppress
from typing import Any, NamedTuple

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_hubbatch.core.checkpoint import (
    MAX_BYTES,
    Checkpoint,
    RowsDigest,
    settings_fingerprint,
)
from airflow_provider_hubbatch.core.model import Input, RowOutcome, Status
from airflow_provider_hubbatch.core.packing import RowRanges, TooLargeError, pack

ROWS = st.lists(st.integers(0, 60), max_size=80)


def ranges_of(rows: Any) -> RowRanges:
    ranges = RowRanges()
    for row in rows:
        ranges.add(row)
    return ranges


@given(ROWS)
def test_ranges_are_a_set(rows: list[int]) -> None:
    """Whatever is put in, in whatever order, is in; nothing else is; and it is kept as few ranges."""
    ranges, model = ranges_of(rows), set(rows)
    assert [row in ranges for row in range(-1, 62)] == [row in model for row in range(-1, 62)]
    assert len(ranges) == len(model)
    assert ranges.end == max(model, default=-1) + 1
    parts = list(ranges)
    assert [row for start, end in parts for row in range(start, end)] == sorted(model)
    assert all(start < end for start, end in parts)
    assert all(one[1] < other[0] for one, other in itertools.pairwise(parts))


@given(st.lists(st.integers(0, 10**9), max_size=50))
def test_ranges_survive_packing(rows: list[int]) -> None:
    """Unpacked, they are what was packed, and can be added to."""
    ranges = ranges_of(rows)
    again = RowRanges.unpack(ranges.pack())
    assert list(again) == list(ranges)
    again.add(5)
    assert 5 in again


@given(st.text(max_size=40) | st.binary(max_size=40).map(lambda data: data.decode("latin-1")))
def test_damaged_ranges_are_no_ranges(text: str) -> None:
    """A text that nobody packed is refused, or at least holds ranges that can be."""
    damaged = {"settled": text}
    with pytest.raises(ValueError, match="damaged"):
        Checkpoint.from_json({**checkpoint().as_json(), **damaged})


ITEMS = st.lists(
    st.tuples(st.text(max_size=5), st.dictionaries(st.sampled_from("abc"), st.text(max_size=3), max_size=3))
)


@given(ITEMS, st.randoms(use_true_random=False))
def test_a_digest_hangs_on_rows_and_not_on_chunks(items: list[tuple[str, dict[str, str]]], dice: random.Random) -> None:
    """However the rows are cut into chunks, the digest is the same; of other rows it is another."""
    inputs = [Input(row, id_, id_, id_, properties) for row, (id_, properties) in enumerate(items)]
    whole, cut = RowsDigest(), RowsDigest()
    whole.add(inputs)
    left = list(inputs)
    while left:
        size = dice.randint(1, len(left))
        cut.add(left[:size])
        left = left[size:]
    assert (whole.rows, whole.hexdigest()) == (cut.rows, cut.hexdigest())
    if inputs:
        other = RowsDigest()
        other.add([inputs[0]._replace(id=inputs[0].id + "0"), *inputs[1:]])
        assert other.hexdigest() != whole.hexdigest()


def test_a_digest_sees_rejected_rows_too() -> None:
    """A row that can't be sent counts as it stands: fixed, it is another."""
    bad = RowOutcome(0, "1", Status.REJECTED, category="INVALID_DATE", message="no date")
    one, other = RowsDigest(), RowsDigest()
    one.add([bad])
    other.add([Input(0, "1", "1", "1", {"date": "2026-01-01"})])
    assert one.hexdigest() != other.hexdigest()


def test_settings_in_another_order_are_the_same() -> None:
    """The fingerprint depends on what the settings are, not on how they are written down."""
    assert settings_fingerprint(a=1, b={"x": 1, "y": 2}) == settings_fingerprint(b={"y": 2, "x": 1}, a=1)
    assert settings_fingerprint(a=1) != settings_fingerprint(a="1")


def checkpoint(**changes: Any) -> Checkpoint:
    """A checkpoint of five rows, of which one is rejected."""
    rejected = RowOutcome(1, "7", Status.REJECTED, category="OBJECT_NOT_FOUND", message="no such", correlation_id="c")
    outcomes = [RowOutcome(row, str(row), Status.UPDATED, str(row), "2026-01-01T00:00:00Z") for row in (0, 2, 3)]
    settings: dict[str, Any] = {
        "settings": "s",
        "account": "portal 1",
        "rows_read": 5,
        "digest": "d",
        "settled": RowRanges([(0, 4)]),
        "counts": Counter({Status.UPDATED: 3, Status.REJECTED: 1}),
        "rejected_by_category": Counter({"OBJECT_NOT_FOUND": 1}),
        "not_taken": Counter({"city": 2}),
        "cleared": Counter({"phone": 1}),
        "rejected": [rejected],
        "outcomes": [*outcomes, rejected],
        "result_parts": (("0a1b2c3d", 2), ("4e5f6071", 1)),
        "costs": {"requests": 3, "retries": 1, "rate_limited": 0, "refused_requests": 1},
        "started_at": "2026-01-01T00:00:00.000Z",
        "seconds": 1.5,
    }
    return Checkpoint(**(settings | changes))


def test_a_checkpoint_is_read_as_it_was_written() -> None:
    """Through JSON and back, all is there but ids and source rows, which come with the rows."""
    before = checkpoint()
    after = Checkpoint.from_json(orjson.loads(orjson.dumps(before.as_json())))
    for name in (
        "settings",
        "account",
        "rows_read",
        "digest",
        "counts",
        "rejected_by_category",
        "not_taken",
        "cleared",
        "result_parts",
        "costs",
    ):
        assert getattr(after, name) == getattr(before, name)
    assert (after.started_at, after.seconds) == (before.started_at, before.seconds)
    assert list(after.settled) == [(0, 4)]
    assert after.rejected == [one._replace(id=None) for one in before.rejected]
    assert after.outcomes == [one._replace(id=None) for one in before.outcomes or []]


@given(st.sampled_from(sorted(checkpoint().as_json())), st.data())
def test_a_damaged_checkpoint_is_refused(name: str, data: st.DataObject) -> None:
    """Whatever stands in place of one of its values: it is refused in words, or is a checkpoint that can be."""
    junk = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=8) | st.lists(st.integers(), max_size=2)
    damaged = {**checkpoint().as_json(), name: data.draw(junk | st.dictionaries(st.text(max_size=3), st.integers()))}
    read = None
    with suppress(ValueError):
        read = Checkpoint.from_json(damaged)
    assert read is None or read.counts.total() == len(read.settled) <= read.rows_read


@pytest.mark.parametrize("name", sorted(checkpoint().as_json()))
def test_a_checkpoint_without_one_of_its_parts_is_refused(name: str) -> None:
    """Nothing is made up for what is missing."""
    data = checkpoint().as_json()
    del data[name]
    with pytest.raises(ValueError, match=r"it is (damaged|of another version)"):
        Checkpoint.from_json(data)


@pytest.mark.parametrize(
    "changes",
    [
        {"rows_read": 3},
        {"counts": {"updated": 4}, "rows_read": 9, "settled": RowRanges([(0, 3)]).pack()},
        {"settled": RowRanges([(1, 5)]).pack()},
    ],
)
def test_numbers_that_do_not_agree_are_refused(changes: dict[str, Any]) -> None:
    """A checkpoint that would count a row twice or not at all isn't used."""
    with pytest.raises(ValueError, match="don't agree"):
        Checkpoint.from_json({**checkpoint().as_json(), **changes})


class Bomb(NamedTuple):
    """A short text that unpacks to so many bytes; packing it takes a while."""

    size: int
    unit: bytes = b"\x01"

    def text(self) -> str:
        return pack(self.unit * (self.size // len(self.unit)))


@pytest.mark.parametrize(
    "changes",
    [
        {"settled": Bomb(1_500_000)},
        {"settled": pack(b"\xff" * 900_000)},
        {"settled": pack(b"\xff")},
        {"settled": pack(b"\x00\x01")[:-2]},
        {"rejected": pack(b"[[" + b"0," * 2_000_000 + b"0],[]]")},
        {"rejected": Bomb(200_000_000)},
        {"outcomes": Bomb(200_000_000, b"[")},
        {"timeline": Bomb(200_000_000)},
        {"settings": "x" * 40_000},
        {"rejected": pack(orjson.dumps([[1], ["rejected"], [[]], [None], [None], [None], [None]]))},
        {"rejected": pack(orjson.dumps([[True], ["rejected"], *[[None]] * 5]))},
        {"rows_read": 5.0},
        {"rows_read": "5"},
        {"rows_read": True},
        {"result_parts": [["0a1b2c3d", -1]]},
        {"result_parts": [["../../etc", 1]]},
        {"result_parts": [["0a1b2c3d", 1], ["0a1b2c3d", 2]]},
        {"result_parts": [["0a1b2c3d", 10**12]]},
        {"result_parts": [["0a1b2c3d", True]]},
        {"result_parts": [["0a1b2c3d"]]},
        {"result_parts": [[f"{number:08x}", 1] for number in range(2_000)]},
        {"result_parts": {"0a1b2c3d": 1}},
        {"seconds": "1"},
        {"seconds": -1.0},
        {"seconds": float("nan")},
        {"seconds": float("inf")},
        {"settings": 1},
        {"account": None},
        {"digest": ["d"]},
        {"started_at": 1},
        {"costs": {"requests": -1}},
        {"costs": {"requests": 2**70}},
        {"costs": {"requests": None}},
        {"counts": {"updated": 5, "rejected": -1}},
        {"rejected_by_category": {"CODE": 1.5}},
    ],
    ids=lambda changes: f"{next(iter(changes))}={str(next(iter(changes.values())))[:12]}",
)
def test_what_is_stored_is_of_its_type_and_size(changes: dict[str, Any]) -> None:
    """Whoever wrote it: a value of another type, or a text that unpacks to more than it may, is refused in words."""
    changes = {name: value.text() if isinstance(value, Bomb) else value for name, value in changes.items()}
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="it is damaged"):
            Checkpoint.from_json({**checkpoint().as_json(), **changes})
        assert tracemalloc.get_traced_memory()[1] < 150_000_000
    finally:
        tracemalloc.stop()


def test_a_million_rows_fit() -> None:
    """A million rows, the last thousands settled in disorder, 1,000 rejected with long messages: under 32 KB."""
    dice = random.Random(1)
    settled = RowRanges([(0, 996_000)])
    for row in dice.sample(range(996_000, 1_000_000), 2_000):
        settled.add(row)
    rejected = [
        RowOutcome(
            row,
            f"{dice.randrange(10**11)}",
            Status.REJECTED,
            category="VALIDATION_ERROR",
            message=f"{dice.randbytes(20).hex()} was not one of the allowed options: {dice.randbytes(400).hex()}",
            correlation_id=f"{dice.randbytes(16).hex()}",
            values={"big": "x" * 1_000},
        )
        for row in sorted(dice.sample(range(996_000), 1_000))
    ]
    counts = Counter({Status.UPDATED: len(settled) - 1_000, Status.REJECTED: 1_000})
    large = checkpoint(rows_read=1_000_000, settled=settled, counts=counts, rejected=rejected, outcomes=None)
    data = orjson.dumps(large.as_json())
    assert len(data) <= MAX_BYTES
    read = Checkpoint.from_json(orjson.loads(data))
    assert list(read.settled) == list(settled)
    assert read.counts == counts
    assert len(read.rejected) >= 500  # random ids of replies don't pack; of real ones one stands for many rows
    assert {one.category for one in read.rejected} == {"VALIDATION_ERROR"}


def test_messages_are_shortened_before_rows_are_left_out() -> None:
    """Of 1,000 rows refused by a hundred replies every one is kept, with what fits of its message."""
    dice = random.Random(1)
    replies = [dice.randbytes(16).hex() for _ in range(100)]
    rejected = [
        RowOutcome(row, row, Status.REJECTED, None, None, "CODE", dice.randbytes(300).hex(), replies[row // 10])
        for row in range(1_000)
    ]
    counts = Counter({Status.REJECTED: 1_000})
    large = checkpoint(
        rows_read=1_000, settled=RowRanges([(0, 1_000)]), counts=counts, rejected=rejected, outcomes=rejected
    )
    data = large.as_json()
    assert len(orjson.dumps(data)) <= MAX_BYTES
    read = Checkpoint.from_json(data)
    assert [one.row for one in read.rejected] == list(range(1_000))
    assert [one.correlation_id for one in read.rejected] == [one.correlation_id for one in rejected]


def test_the_outcomes_of_a_small_sync_fit() -> None:
    """A thousand outcomes with ids of 36 characters and HubSpot's own times and ids are kept, all of them."""
    dice = random.Random(1)
    outcomes = [
        RowOutcome(
            row,
            dice.randbytes(18).hex(),
            Status.UPDATED,
            str(dice.randrange(10**10, 10**11)),
            f"2026-01-01T00:00:{row % 60:02d}.{dice.randrange(1000):03d}Z",
        )
        for row in range(1_000)
    ]
    counts = Counter({Status.UPDATED: 1_000})
    data = checkpoint(
        rows_read=1_000, settled=RowRanges([(0, 1_000)]), counts=counts, rejected=[], outcomes=outcomes
    ).as_json()
    assert len(orjson.dumps(data)) <= MAX_BYTES
    assert len(Checkpoint.from_json(data).outcomes or ()) == 1_000


def test_gaps_without_end_are_too_large() -> None:
    """A checkpoint that can't be made small says so, instead of being written."""
    dice = random.Random(1)
    settled = ranges_of(sorted(dice.sample(range(1_000_000), 60_000)))
    huge = checkpoint(rows_read=1_000_000, settled=settled, counts=Counter({Status.UPDATED: len(settled)}))
    with pytest.raises(TooLargeError, match="gaps"):
        huge.as_json()


def test_what_is_settled() -> None:
    """All but what the sync's end left open: a row that HubSpot never answered for isn't written over later ones."""
    settled = {status for status in Status if RowOutcome(0, 1, status).is_settled}
    assert settled == set(Status) - {Status.NOT_SENT}
    assert RowOutcome(0, 1, Status.UNKNOWN, category="NO_ANSWER").is_settled
    assert not RowOutcome(0, 1, Status.UNKNOWN, cut_off=True).is_settled
    assert not RowOutcome(0, 1, Status.NOT_SENT, category="VALIDATE_ONLY").is_settled
