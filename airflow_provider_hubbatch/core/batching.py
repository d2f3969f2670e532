"""Which inputs may share a request, and which must wait for an earlier one of the same record."""

from __future__ import annotations

from collections import deque
from itertools import islice, takewhile
from typing import TYPE_CHECKING, NamedTuple

from airflow_provider_hubbatch.core.verbs.verb import Write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_hubbatch.core.model import Input
    from airflow_provider_hubbatch.core.verbs.verb import Operation


# Where requests are counted by records: so many requests' inputs are gathered before the first one is made.
_WORTH_WAITING_FOR = 8


class Batch(NamedTuple):
    """The inputs of one request, no key twice."""

    operation: Operation
    inputs: tuple[Input, ...]


class _Ready(deque["Input"]):
    """The inputs that may go by one operation, in order."""

    def __init__(self, operation: Operation) -> None:
        super().__init__()
        self._most = operation.most_inputs

    @property
    def is_full(self) -> bool:
        """Whether there is enough for a request."""
        return len(self) >= self._most

    def take(self) -> tuple[Input, ...]:
        """The inputs of one request."""
        return tuple(self.popleft() for _ in range(min(self._most, len(self))))


class _ReadyByRecord:
    """As :class:`_Ready`, of an operation whose requests are counted by records: what is of one record goes together.

    :param most_records: inputs of so many different ids fit a request.
    """

    def __init__(self, operation: Operation, most_records: int) -> None:
        self._most_inputs = operation.most_inputs
        self._most_records = most_records
        self._by_record: dict[str, deque[Input]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def is_full(self) -> bool:
        """Whether it is worth making a request: the inputs of one record may be far apart, and go together."""
        return self._count >= _WORTH_WAITING_FOR * self._most_inputs

    def append(self, item: Input) -> None:
        """Behind the others of its record."""
        self._by_record.setdefault(item.id, deque()).append(item)
        self._count += 1

    def appendleft(self, item: Input) -> None:
        """Before the others of its record."""
        self._by_record.setdefault(item.id, deque()).appendleft(item)
        self._count += 1

    def take(self) -> tuple[Input, ...]:
        """The inputs of one request."""
        taken: list[Input] = []
        for record in list(islice(self._by_record, self._most_records)):
            ready = self._by_record[record]
            while ready and len(taken) < self._most_inputs:
                taken.append(ready.popleft())
            if not ready:
                del self._by_record[record]
        self._count -= len(taken)
        return tuple(taken)


class Lanes:
    """The inputs that wait to be written, one lane a key, whatever operation each goes by.

    Only the first input of a lane is ever handed out, and the next one not before the first has been released: so no
    key stands twice in one request, and rows of one record take effect in input order whatever is in flight, split or
    sent again.
    """

    def __init__(self) -> None:
        self._ready: dict[Operation, _Ready | _ReadyByRecord] = {}
        # of each lane: the row that holds it, and those behind
        self._heads: dict[str, int] = {}
        self._behind: dict[str, deque[Write]] = {}
        # row -> keys of further lanes that it holds: those that it had before it was addressed otherwise
        self._kept: dict[int, list[str]] = {}
        self._waiting = 0

    def __len__(self) -> int:
        """How many inputs have been added and not yet taken."""
        return sum(map(len, self._ready.values())) + self._waiting

    def has(self, key: str, row: int) -> bool:
        """Whether an input of this record waits or is under way, other than this row's."""
        return self._heads.get(key, row) != row

    def add(self, operation: Operation, item: Input) -> None:
        """Put an input behind all others of its key."""
        if self._heads.setdefault(item.key, item.row) == item.row:
            self._ready_for(operation).append(item)
        else:
            self._behind.setdefault(item.key, deque()).append(Write(operation, item))
            self._waiting += 1

    def put_first(self, operation: Operation, item: Input) -> None:
        """The first input of a lane, as :meth:`release` gave it, may go, before others that came later."""
        self._ready_for(operation).appendleft(item)

    def keep(self, item: Input) -> None:
        """An input goes on under another key: until it is released, its lane waits for it all the same."""
        self._kept.setdefault(item.row, []).append(item.key)

    def has_batch(self, *, partial: bool) -> bool:
        """Whether there is a batch to take.

        :param partial: one that isn't full counts too: no input can join it any more.
        """
        return any(len(ready) if partial else ready.is_full for ready in self._ready.values())

    def take(self) -> Batch | None:
        """Hand out the inputs of one request, full ones first; each is then under way until it is released."""
        for operation, ready in sorted(self._ready.items(), key=lambda one: not one[1].is_full):
            inputs = ready.take()
            if inputs:
                join = operation.join
                if join is not None:
                    inputs = tuple(join(item, self._behind_of(item, operation)) for item in inputs)
                return Batch(operation, inputs)
        return None

    def _behind_of(self, item: Input, operation: Operation) -> list[Input]:
        """The inputs right behind this one that are written by the same operation."""
        behind = takewhile(lambda step: step.operation is operation, self._behind.get(item.key, ()))
        return [step.item for step in behind]

    def release(self, item: Input) -> Sequence[Write]:
        """An input is settled.

        :returns: the next one of each lane that it held, which holds its lane from now on.
        """
        if item.key not in self._behind and item.row not in self._kept:  # as most are
            if self._heads.get(item.key) == item.row:
                del self._heads[item.key]
            return ()
        keys = (item.key, *self._kept.pop(item.row, ()))
        return [step for key in keys if (step := self._next_of(key, item.row)) is not None]

    def _next_of(self, key: str, row: int) -> Write | None:
        """The next row of a lane, if this one holds it."""
        if self._heads.get(key) != row:
            return None
        behind = self._behind.get(key)
        if behind is None:
            del self._heads[key]
            return None
        step = behind.popleft()
        self._waiting -= 1
        self._heads[key] = step.item.row
        if not behind:
            del self._behind[key]
        return step

    def _ready_for(self, operation: Operation) -> _Ready | _ReadyByRecord:
        ready = self._ready.get(operation)
        if ready is None:
            most = operation.most_records
            ready = _Ready(operation) if most is None else _ReadyByRecord(operation, most)
            self._ready[operation] = ready
        return ready
