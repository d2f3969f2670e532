"""Looking up what many rows name and what may change: each different key once for all rows that wait, no longer.

As :class:`~airflow_provider_hubbatch.core.lookup_queue.LookupQueue`, for lookups that fold. A key whose request has
left is asked for again for rows that come later: they are to know what it has by then.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

from airflow_provider_hubbatch.core.lookup import Found, Further
from airflow_provider_hubbatch.core.lookup_queue import LookupBatch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_provider_hubbatch.core.error_reply import ErrorReply
    from airflow_provider_hubbatch.core.lookup import Answer, Lookup
    from airflow_provider_hubbatch.core.model import Input


class _Key:
    """One key, and how far its lookup has come.

    :ivar batch: that asks for it; ``None``: it waits for one.
    """

    __slots__ = ("batch", "found", "inputs")

    def __init__(self) -> None:
        self.batch: LookupBatch | None = None
        self.found: Found | None = None
        self.inputs = 0


class FoldedQueue:
    """Inputs that wait for what their key has; they come out in the order they came in, whatever HubSpot's."""

    def __init__(self, lookup: Lookup) -> None:
        self.lookup = lookup
        self._waiting: deque[tuple[Input, _Key]] = deque()
        # the keys that no request has been started for, each with the input that asks for it
        self._unasked: dict[str, tuple[_Key, Input]] = {}
        # row of that input -> the key
        self._asked: dict[int, _Key] = {}
        # number of a batch -> how many inputs wait for its keys
        self._numbers: Counter[int] = Counter()

    def __len__(self) -> int:
        """How many inputs are in here."""
        return len(self._waiting)

    @property
    def unasked(self) -> int:
        """How many keys no request has been started for."""
        return len(self._unasked)

    @property
    def oldest(self) -> int | None:
        """The number of the oldest batch that inputs still wait for."""
        return min(self._numbers, default=None)

    def add(self, item: Input) -> bool:
        """Put an input behind the others.

        :returns: whether it can go on at once: never.
        """
        key, _ = self._unasked.setdefault(self.lookup.told(item.id), (_Key(), item))
        key.inputs += 1
        self._waiting.append((item, key))
        return False

    def take(self, number: int) -> LookupBatch:
        """The next keys, up to as many as a request may ask for.

        :param number: how many batches were taken before, of all queues.
        """
        names = list(self._unasked)[: self.lookup.most_inputs]
        taken = [self._unasked.pop(name) for name in names]
        batch = LookupBatch((), [item for _, item in taken], number)
        for key, item in taken:
            key.batch = batch
            self._asked[item.row] = key
            self._numbers[number] += key.inputs
        return batch

    def answer(self, batch: LookupBatch, answers: Sequence[Answer]) -> list[LookupBatch]:
        """Take in what a reply says of the keys that were asked for.

        :returns: what is to be sent: the batch again, for what the reply has only a part of, or leaves out without a
            word; if it goes on doing so, its halves.
        """
        silent, further = [], []
        for item, found in zip(batch.asked, answers, strict=True):
            match found:
                case None:
                    silent.append(item)
                case Further():
                    further.append(found.item)
                case _:
                    self._asked.pop(item.row).found = found
        if len(silent) > 1 and batch.repeated and len(silent) == len(batch.asked):
            return _halves(batch)
        batch.asked = (*further, *silent)
        batch.silent_replies += bool(silent)
        return [batch] if batch.asked else []

    def refuse(self, batch: LookupBatch, error: ErrorReply, *, split: bool = True) -> list[LookupBatch]:
        """A request was refused whole: its halves are asked for instead; for a key alone it is the answer.

        :param split: ``False``: it is the answer for all of them.
        :returns: what is to be sent.
        """
        if len(batch.asked) > 1 and split:
            return _halves(batch)
        for item in batch.asked:
            self._asked.pop(item.row).found = Found(error=error)
        return []

    def ready(self) -> Iterator[tuple[Input, Found, LookupBatch]]:
        """The inputs whose answer is there, as far as no earlier one waits."""
        while self._waiting:
            item, key = self._waiting[0]
            if key.found is None or key.batch is None:
                return
            self._waiting.popleft()
            number = key.batch.number
            self._numbers[number] -= 1
            if not self._numbers[number]:
                del self._numbers[number]
            yield item, key.found, key.batch


def _halves(batch: LookupBatch) -> list[LookupBatch]:
    """What takes a batch's place."""
    middle = len(batch.asked) // 2
    return [LookupBatch((), part, batch.number) for part in (batch.asked[:middle], batch.asked[middle:])]
