"""Signals whose handlers raise: held where rows would be lost, never swallowed, and never kept by what hangs."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from airflow_provider_hubbatch.sync.signals import HeldSignals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Timeout(BaseException):
    """As Airflow's ``AirflowTaskTimeout``: no ``Exception``."""


class Stopped(Exception):  # noqa: N818 - what a sync that was told to stop ends with
    pass


@pytest.fixture(autouse=True, params=[signal.SIGALRM, signal.SIGINT])
def number(request: pytest.FixtureRequest) -> Iterator[int]:
    """A signal whose handler raises."""

    def handler(*_: object) -> None:
        raise Timeout("as Airflow's")

    before = signal.signal(request.param, handler)
    alarm = signal.getsignal(signal.SIGALRM)
    yield request.param
    assert signal.getsignal(request.param) is handler
    assert signal.getsignal(signal.SIGALRM) is alarm
    assert signal.getitimer(signal.ITIMER_REAL)[1] == 0.0  # once at most, and not ours
    signal.signal(request.param, before)


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@contextmanager
def after(seconds: float, number: int) -> Iterator[None]:
    """Send the signal after a while."""
    timer = threading.Timer(seconds, send, [number])
    timer.start()
    yield
    timer.join()


def hang() -> None:
    """As a storage does whose server is gone."""
    while True:
        time.sleep(60)


def run(body: Callable[[HeldSignals], None], *, storage_seconds: float = 60.0) -> list[BaseException]:
    """Do this while signals are held; gives what was handed over."""
    told: list[BaseException] = []
    with pytest.raises(Timeout), HeldSignals(told.append, storage_seconds=storage_seconds) as held:  # noqa: PT012
        held.holding = True
        body(held)
    return told


def test_what_was_held_is_raised_in_the_end(number: int) -> None:
    """Handed over at once, and raised though nobody did anything about it."""
    told = run(lambda _: send(number))
    assert [type(error) for error in told] == [Timeout]


def test_it_is_raised_instead_of_another_error(number: int) -> None:
    """Whatever the sync ended with; that stays as its context."""
    with pytest.raises(Timeout) as caught, HeldSignals(lambda _: None) as held:  # noqa: PT012
        held.holding = True
        send(number)
        raise Stopped
    assert isinstance(caught.value.__context__, Stopped)


def test_who_was_handed_it_may_raise_it(number: int) -> None:
    """It is no second error then."""
    told: list[BaseException] = []
    with pytest.raises(Timeout) as caught, HeldSignals(told.append) as held:  # noqa: PT012
        held.holding = True
        send(number)
        raise told[0]
    assert caught.value is told[0]


def test_where_nothing_is_held_it_comes_at_once(number: int) -> None:
    """Before the sync, and while rows are read."""
    reached: list[str] = []

    def read(held: HeldSignals) -> None:
        with held.let_through():
            send(number)
            reached.append("the next row")

    assert run(read) == []
    assert reached == []


def test_a_read_that_begins_after_it_does_not_begin(number: int) -> None:
    """It may block for minutes."""

    def read(held: HeldSignals) -> None:
        send(number)
        with held.let_through():
            hang()

    run(read)


def test_a_storage_that_answers_is_not_disturbed(number: int) -> None:
    """A file that is being written is written to its end."""
    done: list[bool] = []

    def write(held: HeldSignals) -> None:
        with after(0.1, number), held.storage():
            time.sleep(1)
            done.append(True)

    run(write)
    assert done


@pytest.mark.parametrize("holding", [True, False])
def test_a_storage_that_hangs_does_not_keep_it(number: int, holding: bool) -> None:
    """It passes through, also if the call begins after it came."""
    reached: list[str] = []

    def write(held: HeldSignals) -> None:
        held.holding = holding
        with suppress(Timeout), after(0.1, number), held.storage():
            hang()
        reached.append("first")
        held.holding = True
        with suppress(Timeout), held.storage():
            hang()
        reached.append("second")
        time.sleep(0.6)
        reached.append("outside of a storage nothing is raised")

    run(write, storage_seconds=0.2)
    assert len(reached) == 3


def test_what_is_done_about_a_storage_that_hangs_may_hang_too(number: int) -> None:
    """Closing the file that couldn't be written, for one."""

    def write(held: HeldSignals) -> None:
        with after(0.1, number), held.storage():
            try:
                hang()
            finally:
                hang()

    run(write, storage_seconds=0.2)


def test_other_threads_are_left_alone(number: int) -> None:
    """No handler raises there."""
    found: list[object] = []

    def elsewhere() -> None:
        with HeldSignals(lambda _: None) as held:
            held.holding = True
            found.append(signal.getsignal(number))

    before = signal.getsignal(number)
    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert found == [before]
