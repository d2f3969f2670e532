"""Inputs that wait for their record to be looked up: what is asked for next, and who goes on with the answer."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Final

from airflow_provider_hubbatch.core.error_reply import NO_ANSWER
from airflow_provider_hubbatch.core.lookup import Found

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_provider_hubbatch.core.error_reply import ErrorReply
    from airflow_provider_hubbatch.core.lookup import Answer, Lookup
    from airflow_provider_hubbatch.core.model import Input

# A reply may lose some results. What so many of them leave out without a word, HubSpot doesn't have.
_SILENT_REPLIES: Final = 3

# So many answers are kept for rows to come, where a lookup's may be: a few megabytes.
_MOST_REMEMBERED: Final = 10_000


class LookupBatch:
    """Some consecutive inputs whose records are being looked up.

    :param asked: those of them that the next request asks for; the others' answer is there, or asked for by another.
    :param number: how many batches were sent before: what is written after that may be newer than what it reads.
    """

    __slots__ = ("asked", "inputs", "number", "silent_replies")

    def __init__(self, inputs: Sequence[Input], asked: Sequence[Input], number: int) -> None:
        self.inputs = deque(inputs)
        self.asked = tuple(asked)
        self.number = number
        self.silent_replies = 0

    @property
    def repeated(self) -> bool:
        """Whether the next reply is the last one that these are asked for in."""
        return self.silent_replies >= _SILENT_REPLIES - 1


class LookupQueue:
    """Inputs that wait for their record to be looked up; they come out in the order they came in, whatever HubSpot's.

    Where the lookup remembers, each id is asked for once, however many inputs have it.
    """

    def __init__(self, lookup: Lookup) -> None:
        self.lookup = lookup
        self._unread: deque[Input] = deque()
        self._batches: deque[LookupBatch] = deque()
        self._unasked = 0
        self._found: dict[int, Found] = {}
        # where the lookup remembers: id -> the rows that wait for its answer; those of them that ask for it, as long as
        # they haven't; and answers
        self._waiting: dict[str, list[int]] = {}
        self._asking: set[int] = set()
        self._remembered: OrderedDict[str, Found] = OrderedDict()

    def __len__(self) -> int:
        """How many inputs are in here."""
        return len(self._unread) + sum(len(batch.inputs) for batch in self._batches)

    @property
    def unasked(self) -> int:
        """How many ids no request has been started for."""
        return self._unasked

    @property
    def oldest(self) -> int | None:
        """The number of the oldest batch that is under way."""
        return self._batches[0].number if self._batches else None

    def add(self, item: Input) -> bool:
        """Put an input behind the others.

        :param item: one without an id only keeps its place: nothing is asked for.
        :returns: whether it can go on at once: see :meth:`ready`.
        """
        if not self.lookup.remembers or self._is_new(item):
            self._unasked += 1
            self._unread.append(item)
        elif self._unread:
            self._unread.append(item)
        elif self._batches:
            self._batches[-1].inputs.append(item)
        else:
            self._batches.append(LookupBatch([item], (), 0))
            return True
        return False

    def take(self, number: int) -> LookupBatch:
        """The next inputs, up to as many as a request may ask for.

        :param number: how many batches were taken before, of all queues.
        """
        inputs: list[Input] = []
        asked = inputs
        if self.lookup.remembers:
            asked = []
            while self._unread:
                if self._unread[0].row in self._asking:
                    if len(asked) == self.lookup.most_inputs:
                        break
                    asked.append(self._unread[0])
                    self._asking.discard(self._unread[0].row)
                inputs.append(self._unread.popleft())
        else:
            inputs += [self._unread.popleft() for _ in range(min(self.lookup.most_inputs, len(self._unread)))]
        self._unasked -= len(asked)
        batch = LookupBatch(inputs, asked, number)
        self._batches.append(batch)
        return batch

    def answer(self, batch: LookupBatch, answers: Sequence[Answer]) -> list[LookupBatch]:
        """Take in what a reply says of the inputs that were asked for.

        :returns: what is to be sent: the batch again, for what the reply leaves out without a word; if it goes on doing
            so, its halves.
        """
        silent = []
        for item, found in zip(batch.asked, answers, strict=True):
            if not isinstance(found, Found):
                silent.append(item)
            else:
                self._take_answer(
                    item, found, is_known=found.error is None or found.error.category != NO_ANSWER.category
                )
        if len(silent) > 1 and batch.repeated and len(silent) == len(batch.asked):
            return self._halves(batch)
        batch.asked = tuple(silent)
        batch.silent_replies += 1
        return [batch] if silent else []

    def refuse(self, batch: LookupBatch, error: ErrorReply, *, split: bool = True) -> list[LookupBatch]:
        """A request was refused whole: its halves are asked for instead; for an input alone it is the answer.

        :param split: ``False``: it is the answer for all of them.
        :returns: what is to be sent.
        """
        if len(batch.asked) > 1 and split:
            return self._halves(batch)
        for item in batch.asked:
            self._take_answer(item, Found(error=error), is_known=False)
        return []

    def ready(self) -> Iterator[tuple[Input, Found, LookupBatch]]:
        """The inputs whose answer is there, as far as no earlier one waits."""
        while self._batches:
            batch = self._batches[0]
            if not batch.inputs:
                self._batches.popleft()
            elif batch.inputs[0].row in self._found:
                item = batch.inputs.popleft()
                yield item, self._found.pop(item.row), batch
            else:
                return

    def _is_new(self, item: Input) -> bool:
        """Whether nobody has asked for this id so far; the input then will. Else its answer is there, or waited for."""
        name, row = self.lookup.told(item.id), item.row
        if not item.id:
            self._found[row] = Found()
            return False
        if name in self._remembered:
            self._found[row] = self._remembered[name]
            return False
        if name in self._waiting:
            self._waiting[name].append(row)
            return False
        self._waiting[name] = [row]
        self._asking.add(row)
        return True

    def _take_answer(self, item: Input, found: Found, *, is_known: bool) -> None:
        """An id has its answer.

        :param is_known: it will be the same for rows to come.
        """
        if not self.lookup.remembers:
            self._found[item.row] = found
            return
        name = self.lookup.told(item.id)
        for row in self._waiting.pop(name):
            self._found[row] = found
        if is_known:
            self._remembered[name] = found
            if len(self._remembered) > _MOST_REMEMBERED:
                self._remembered.popitem(last=False)

    def _halves(self, batch: LookupBatch) -> list[LookupBatch]:
        """What takes a batch's place."""
        inputs, middle = list(batch.inputs), len(batch.asked) // 2
        cut = inputs.index(batch.asked[middle])
        halves = [
            LookupBatch(inputs[:cut], batch.asked[:middle], batch.number),
            LookupBatch(inputs[cut:], batch.asked[middle:], batch.number),
        ]
        index = self._batches.index(batch)
        self._batches.rotate(-index)
        self._batches.popleft()
        self._batches.extendleft(reversed(halves))
        self._batches.rotate(index)
        return halves
