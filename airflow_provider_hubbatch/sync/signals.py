"""Signals whose handlers raise, kept away from where an exception would lose rows.

Airflow's task timeout is an exception raised by a signal handler: it can come between any two instructions, also
between taking a row's outcome and counting it. While they are held back, what a handler raises is handed over instead.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Airflow's task timeout; Ctrl+C in dag.test(); whoever's termination
_SIGNALS = (signal.SIGALRM, signal.SIGINT, signal.SIGTERM)


class HeldSignals:
    """Calls the handlers that are there, and hands over what they raise while :attr:`holding`.

    Does nothing in other threads than the main one, since there no handler raises.

    :param hand_over: called with the exception, from the signal handler.
    """

    def __init__(self, hand_over: Callable[[BaseException], None]) -> None:
        self._hand_over = hand_over
        self._handlers: dict[int, Callable[[int, Any], Any]] = {}
        self._held: BaseException | None = None
        self.holding = False

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                handler = signal.getsignal(number)
                if callable(handler):
                    self._handlers[number] = handler
                    signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            if signal.getsignal(number) == self._handle:
                signal.signal(number, handler)

    @contextmanager
    def let_through(self) -> Iterator[None]:
        """For what may take long and holds no rows: there the handlers may raise, also what was held before."""
        holding, self.holding = self.holding, False
        try:
            if self._held is not None:
                raise self._held
            yield
        finally:
            self.holding = holding

    def _handle(self, number: int, frame: Any) -> None:
        if not self.holding:
            self._handlers[number](number, frame)
            return
        try:
            self._handlers[number](number, frame)
        except BaseException as error:  # noqa: BLE001 - raised by whoever it is handed to
            self._held = error
            self._hand_over(error)
