"""Signals whose handlers raise, kept away from where an exception would lose rows.

Airflow's task timeout is an exception raised by a signal handler: it can come between any two instructions, also
between taking a row's outcome and counting it. While such an exception is held, the sync is told to end; it is raised
as soon as nothing can be lost to it, at the latest when all is done. Nor can a storage that hangs keep it: what still
waits there some seconds after the signal is broken off.
"""

from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Airflow's task timeout; Ctrl+C in dag.test(); SIGTERM, by which Airflow ends a task
_SIGNALS = (signal.SIGALRM, signal.SIGINT, signal.SIGTERM)

# A call to a storage may take so long from the signal on, or from its own start if that comes later. Most take
# milliseconds, and a file or checkpoint that is broken off costs the retry what it would have known.
STORAGE_SECONDS = 2.0

_LOOK_EVERY_SECONDS = 0.25


class HeldSignals:
    """Calls the handlers that are there, and hands over what they raise while :attr:`holding`.

    A context manager: at its end, what was held is raised. Does nothing in other threads than the main one, since there
    no handler raises.

    :param hand_over: called with the exception, from the signal handler.
    :param storage_seconds: how long a storage may go on after a signal.
    """

    def __init__(self, hand_over: Callable[[BaseException], None], *, storage_seconds: float = STORAGE_SECONDS) -> None:
        self._hand_over = hand_over
        self._storage_seconds = storage_seconds
        self._before: dict[int, Any] = {}
        self._held: BaseException | None = None
        self._held_at = 0.0
        self._timer_before = (0.0, 0.0)
        self._storage_since: float | None = None
        self.holding = False

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if callable(signal.getsignal(number)):
                    self._install(number)
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self.holding = False
        if self._held is not None:
            signal.setitimer(signal.ITIMER_REAL, *self._timer_before)
        for number, handler in self._before.items():
            if signal.getsignal(number) == self._handle:
                signal.signal(number, handler)
        if error is not self._held:
            self.raise_held()

    def raise_held(self) -> None:
        """Raise what was held, if anything was."""
        if self._held is not None:
            raise self._held

    @contextmanager
    def let_through(self) -> Iterator[None]:
        """For what may take long and holds no rows: there the handlers may raise, also what was held before."""
        holding, self.holding = self.holding, False
        try:
            self.raise_held()
            yield
        finally:
            self.holding = holding

    @contextmanager
    def storage(self) -> Iterator[None]:
        """For calls to a storage: what is held is raised there if the call doesn't end."""
        since, self._storage_since = self._storage_since, time.monotonic()
        try:
            yield
        finally:
            self._storage_since = since

    def _install(self, number: int) -> None:
        self._before[number] = signal.getsignal(number)
        signal.signal(number, self._handle)

    def _handle(self, number: int, frame: Any) -> None:
        if self._held is not None and number == signal.SIGALRM:  # our own timer
            self._break_off()
            return
        try:
            self._before[number](number, frame)
        except BaseException as error:
            if self._held is None:
                self._hold(error)
            if not self.holding:
                raise
            self._hand_over(error)

    def _hold(self, error: BaseException) -> None:
        self._held, self._held_at = error, time.monotonic()
        if signal.SIGALRM not in self._before:
            self._install(signal.SIGALRM)
        self._timer_before = signal.setitimer(signal.ITIMER_REAL, _LOOK_EVERY_SECONDS, _LOOK_EVERY_SECONDS)

    def _break_off(self) -> None:
        if self._held is None or self._storage_since is None:
            return
        now = time.monotonic()
        if now - max(self._storage_since, self._held_at) >= self._storage_seconds:
            self._storage_since = now  # what is done about it may hang too
            raise self._held
