"""Every row that is read has exactly one outcome: which rows have none yet, and what becomes of them if none comes."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from airflow_provider_hubbatch.core.model import Input, RowOutcome, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


class Ledger:
    """The rows between being read and having their outcome handed on.

    :param keeps_rows: outcomes of rows that weren't sent carry the source row, for sending it later.
    """

    def __init__(self, *, keeps_rows: bool) -> None:
        self._keeps_rows = keeps_rows
        # every row that has been read and whose outcome has not been handed on: what is in none of the other places
        # because an exception came between two lines (a task's timeout does) is accounted for by this
        self._open: dict[int, Input | RowOutcome] = {}
        # rows whose write has been sent, and may have had its effect without HubSpot saying so
        self._uncertain: set[int] = set()
        # those of them that were in a request without a clear answer: that a later one is refused doesn't settle them
        self._doubted: set[int] = set()
        self._outcomes: deque[RowOutcome] = deque()
        self.settled = 0

    @property
    def open(self) -> int:
        """How many rows have been read and have no outcome that was handed on."""
        return len(self._open)

    @property
    def read(self) -> int:
        """How many rows have been read."""
        return self.settled + len(self._open)

    @property
    def has_outcomes(self) -> bool:
        """Whether there are outcomes to hand on."""
        return bool(self._outcomes)

    def take_in(self, rows: Sequence[Input | RowOutcome]) -> None:
        """Rows have been read."""
        self._open.update({row.row: row for row in rows})

    def replace(self, item: Input) -> None:
        """A row's input is another one now: addressed by record id."""
        if item.row in self._open:
            self._open[item.row] = item

    def hold(self, outcome: RowOutcome) -> None:
        """A row has this outcome, unless it has another one by the end."""
        if outcome.row in self._open:
            self._open[outcome.row] = outcome

    def sent(self, inputs: Iterable[Input]) -> None:
        """These are being written: from now on it may have had its effect."""
        self._uncertain |= _rows_of(inputs)

    def doubt(self, inputs: Iterable[Input]) -> None:
        """HubSpot has answered a request with these, and leaves open what became of them."""
        self._doubted |= _rows_of(inputs)

    def failed(self, inputs: Iterable[Input], *, maybe_applied: bool) -> None:
        """A request has failed: its rows are as certain as they were before it, unless HubSpot may have acted on it."""
        rows = _rows_of(inputs)
        if maybe_applied:
            self._doubted |= rows
        else:
            self._uncertain -= rows - self._doubted

    def settle(self, outcome: RowOutcome) -> None:
        """A row has its outcome."""
        self._uncertain.discard(outcome.row)
        self._doubted.discard(outcome.row)
        self._outcomes.append(outcome)

    def hand_on(self) -> Iterator[RowOutcome]:
        """Hand on what is settled: each row once, whatever comes between."""
        while self._outcomes:
            outcome = self._outcomes[0]
            if outcome.row in self._open:
                self.settled += 1
                # in one step: an exception from a signal handler finds the row open, or its outcome handed on
                yield (self._open.pop(outcome.row), outcome)[1]
            if self._outcomes and self._outcomes[0] is outcome:
                self._outcomes.popleft()

    def close(self) -> None:
        """Nothing more comes: every row that is open has the outcome that it has now."""
        self._outcomes.extend(self._cut_off(row) for row in list(self._open.values()))

    def not_sent(self, item: Input, outcome: RowOutcome | None = None) -> RowOutcome:
        """The outcome of a row that isn't sent.

        :param outcome: what more is known of it.
        """
        outcome = outcome or item.outcome(Status.NOT_SENT, record_id=None)
        return outcome._replace(values=item.values()) if self._keeps_rows else outcome

    def _cut_off(self, row: Input | RowOutcome) -> RowOutcome:
        if isinstance(row, RowOutcome):
            return row
        if row.row in self._uncertain or row.in_doubt_since is not None:
            return row.outcome(Status.UNKNOWN, message="the sync ended before HubSpot's reply", cut_off=True)
        return self.not_sent(row)


def _rows_of(inputs: Iterable[Input]) -> set[int]:
    """The rows that a request with these is about: those too whose links are sent along."""
    rows = set()
    for item in inputs:
        rows.add(item.row)
        if item.pair is not None and item.pair.carried:
            rows.update(item.pair.carried)
    return rows
