"""Which inputs may share a request, and which must wait for an earlier one of the same record."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from airflow_provider_hubbatch.core.verbs.verb import Write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_hubbatch.core.model import Input
    from airflow_provider_hubbatch.core.verbs.verb import Operation


class Batch(NamedTuple):
    """The inputs of one request, no key twice."""

    operation: Operation
    inputs: tuple[Input, ...]


class Lanes:
    """The inputs that wait to be written, one lane a key, whatever operation each goes by.

    Only the first input of a lane is ever handed out, and the next one not before the first has been released: so no
    key stands twice in one request, and rows of one record take effect in input order whatever is in flight, split or
    sent again.
    """

    def __init__(self) -> None:
        self._ready: dict[Operation, deque[Input]] = {}
        # of each lane: the row that holds it, and those behind
        self._heads: dict[str, int] = {}
        self._behind: dict[str, deque[Write]] = {}
        # row -> keys of further lanes that it holds: those that it had before it was addressed otherwise
        self._kept: dict[int, list[str]] = {}
        self._waiting = 0

    def __len__(self) -> int:
        """How many inputs have been added and not yet taken."""
        return sum(map(len, self._ready.values())) + self._waiting

    def has(self, key: str) -> bool:
        """Whether an input of this record waits or is under way."""
        return key in self._heads

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
        return any(len(ready) >= (1 if partial else operation.most_inputs) for operation, ready in self._ready.items())

    def take(self) -> Batch | None:
        """Hand out the inputs of one request, full ones first; each is then under way until it is released."""
        for operation, ready in sorted(self._ready.items(), key=lambda one: len(one[1]) < one[0].most_inputs):
            size = min(operation.most_inputs, len(ready))
            if size:
                return Batch(operation, tuple(ready.popleft() for _ in range(size)))
        return None

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

    def _ready_for(self, operation: Operation) -> deque[Input]:
        ready = self._ready.get(operation)
        if ready is None:
            ready = self._ready[operation] = deque()
        return ready
