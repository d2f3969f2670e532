"""Checkpoints in a state store: written by time, read if they fit, and never in a sync's way."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from airflow_provider_hubbatch.core.checkpoint import RowsDigest
from airflow_provider_hubbatch.core.model import Input, RowOutcome, Status
from airflow_provider_hubbatch.core.sync_report import SyncReport
from airflow_provider_hubbatch.sync.resume import SAVE_EVERY_SECONDS, Checkpoints, key_of
from airflow_provider_hubbatch.sync.tries import TaskTry
from tests.resume.resuming import DictStore

if TYPE_CHECKING:
    from collections.abc import Sequence

# The engine looks at the clock once a second
TICK_SECONDS = 1.0


class Clock:
    """Seconds, as the test says."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def save(checkpoints: Checkpoints, outcomes: Sequence[RowOutcome], *, rows: int = 10) -> None:
    """Note these outcomes of so many rows, and save."""
    report, digest = SyncReport("contacts"), RowsDigest()
    digest.add([Input(row, row, str(row), str(row), {}) for row in range(rows)])
    for outcome in outcomes:
        report.add(outcome)
        checkpoints.note(outcome)
    checkpoints.save(report, digest, result_parts=(), seconds=1.0)


def outcomes_of(*statuses: Status) -> list[RowOutcome]:
    return [RowOutcome(row, str(row), status) for row, status in enumerate(statuses)]


def test_what_was_saved_is_loaded() -> None:
    """Rows that are settled are, those that a retry sends again aren't, and the counts are of the settled ones."""
    store = DictStore()
    checkpoints = Checkpoints(TaskTry(), store)
    assert checkpoints.load("settings", "portal 1") is None
    outcomes = outcomes_of(Status.UPDATED, Status.NOT_SENT, Status.UNKNOWN, Status.REJECTED, Status.UNCHANGED)
    outcomes[2] = outcomes[2]._replace(cut_off=True)
    save(checkpoints, outcomes)
    loaded = Checkpoints(TaskTry(), store).load("settings", "portal 1")
    assert loaded is not None
    assert list(loaded.settled) == [(0, 1), (3, 5)]
    assert loaded.counts == {Status.UPDATED: 1, Status.REJECTED: 1, Status.UNCHANGED: 1}
    assert [one.row for one in loaded.rejected] == [3]


def test_a_resumed_sync_saves_all_of_both_tries() -> None:
    """The checkpoint of a second try is about the first one's rows too."""
    store = DictStore()
    first = Checkpoints(TaskTry(), store)
    first.load("settings", "portal 1")
    save(first, outcomes_of(Status.UPDATED, Status.UPDATED))
    second = Checkpoints(TaskTry(), store)
    loaded = second.load("settings", "portal 1")
    assert loaded is not None
    second.resume(loaded)
    for outcome in (RowOutcome(2, "2", Status.UPDATED), RowOutcome(3, "3", Status.REJECTED)):
        second.note(outcome)
    report, digest = SyncReport("contacts", outcomes=None), RowsDigest()
    digest.add([Input(row, row, str(row), str(row), {}) for row in range(10)])
    second.save(report, digest, result_parts=(("0a1b2c3d", 1),), seconds=2.0)
    third = Checkpoints(TaskTry(), store).load("settings", "portal 1")
    assert third is not None
    assert (len(third.settled), third.counts) == (4, {Status.UPDATED: 3, Status.REJECTED: 1})


def test_a_checkpoint_is_due_in_time() -> None:
    """With the engine's tick, two checkpoints are never more than five seconds apart."""
    clock = Clock()
    checkpoints = Checkpoints(TaskTry(), DictStore(), clock=clock)
    assert not checkpoints.due
    clock.seconds = SAVE_EVERY_SECONDS
    assert checkpoints.due
    save(checkpoints, [])
    assert not checkpoints.due
    assert SAVE_EVERY_SECONDS + TICK_SECONDS < 5.0


@pytest.mark.parametrize(
    ("settings", "account", "why"),
    [
        ("other", "portal 1", "the settings have changed"),
        ("", "portal 1", "the settings have changed"),
        ("settings", "portal 2", "the checkpoint is about another HubSpot account"),
        ("settings", "token 1", "the checkpoint is about another HubSpot account"),
    ],
)
def test_a_checkpoint_of_another_sync_is_dropped(
    settings: str, account: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is not used, the log says why, and it is gone before anything else is written."""
    store = DictStore()
    checkpoints = Checkpoints(TaskTry(), store)
    checkpoints.load("settings", "portal 1")
    save(checkpoints, outcomes_of(Status.UPDATED))
    assert Checkpoints(TaskTry(), store).load(settings, account) is None
    assert f"Starting over: {why}" in caplog.text
    assert store.texts == {}


def test_a_damaged_checkpoint_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever it is, it is no reason to fail."""
    store = DictStore()
    store.set(key_of("update"), {"version": 0})
    assert Checkpoints(TaskTry(), store).load("settings", "portal 1") is None
    assert "Starting over: the checkpoint of an earlier try can't be used, it is of another version" in caplog.text
    assert store.texts == {}


@pytest.mark.parametrize("broken", ["get", "set", "delete"])
def test_a_store_that_raises_is_no_reason_to_fail(broken: str, caplog: pytest.LogCaptureFixture) -> None:
    """Its failures are warnings, without what the store said: that may hold anything."""
    checkpoints = Checkpoints(TaskTry(), DictStore(broken))
    with caplog.at_level(logging.WARNING):
        assert checkpoints.load("settings", "portal 1") is None
        save(checkpoints, outcomes_of(Status.UPDATED))
        checkpoints.drop()
    assert "(RuntimeError)" in caplog.text
    assert "today" not in caplog.text


def test_gaps_without_end_cost_the_checkpoint_only(caplog: pytest.LogCaptureFixture) -> None:
    """A checkpoint that would be too large isn't written; the last one stays."""
    store = DictStore()
    checkpoints = Checkpoints(TaskTry(), store)
    save(checkpoints, outcomes_of(Status.UPDATED))
    before = dict(store.texts)
    gaps = [RowOutcome(row * (3 + row % 7) ** 2, str(row), Status.UPDATED) for row in range(1, 60_000)]
    save(checkpoints, gaps, rows=1)
    assert "No checkpoint is saved" in caplog.text
    assert store.texts == before
