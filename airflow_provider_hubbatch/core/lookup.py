"""Reading records before they are updated: emails become record ids, and what HubSpot has already isn't sent.

One batch/read serves both. From it on, a row is addressed by record id, whatever named it before.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.core.model import Input
from airflow_provider_hubbatch.core.protocol import MAX_BATCH_INPUTS, BatchRead, ErrorInfo
from airflow_provider_hubbatch.core.values import order_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from airflow_provider_hubbatch.core.protocol import BatchReply, Record

EMAIL = "email"
# HubSpot: a contact's further addresses, as "a;b"; they identify it too (docs, Contacts)
ADDITIONAL_EMAILS = "hs_additional_emails"

NOT_FOUND = "OBJECT_NOT_FOUND"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """What is read of every record before it is updated.

    :param object_type: as in the path.
    :param id_property: what the rows' ids are values of; ``None``: record ids.
    :param compare: leave out what HubSpot has already.
    :param equal: whether a property's value as sent equals HubSpot's: ``equal(name, ours, hubspots)``.
    """

    object_type: str
    id_property: str | None
    api_version: str
    compare: bool
    equal: Callable[[str, str, str | None], bool]

    def read(self, inputs: Sequence[Input]) -> BatchRead:
        """The read that looks these up."""
        wanted = {name for item in inputs for name in item.properties} if self.compare else set()
        if self.id_property == EMAIL:
            wanted |= {EMAIL, ADDITIONAL_EMAILS}
        elif self.id_property is not None:
            wanted.add(self.id_property)
        return BatchRead(self.object_type, tuple(sorted(wanted)), self.id_property, self.api_version)


@dataclass(frozen=True, slots=True)
class Found:
    """What a lookup says of one input.

    :param record: the record, or ``None``.
    :param error: why there is none, where HubSpot says so.
    """

    record: Record | None = None
    error: ErrorInfo | None = None


def read_lookup(lookup: Lookup, inputs: Sequence[Input], reply: BatchReply) -> list[Found]:
    """Tell which record belongs to which input.

    A reply doesn't repeat what was asked for, so that the record's own properties have to tell: for an email its
    primary address first, then the secondary ones, in any case.

    :returns: one entry an input, in order.
    """
    by_key: dict[str, Record] = {}
    for record in reply.results:
        for key in _secondary_keys(lookup, record):
            by_key.setdefault(key, record)
    for record in reply.results:
        for key in _primary_keys(lookup, record):
            by_key[key] = record
    errors = {order_key(one): error for error in reply.errors for one in error.ids}
    return [Found(by_key.get(item.key), None if item.key in by_key else errors.get(item.key)) for item in inputs]


def resolved(item: Input, record: Record, properties: Mapping[str, str]) -> Input:
    """The input, addressed by record id."""
    return Input(item.row, item.given_id, record.id, order_key(record.id), properties, item.source)


def changed_properties(lookup: Lookup, item: Input, record: Record) -> dict[str, str]:
    """Those of the input's properties that HubSpot has with another value."""
    return {
        name: ours
        for name, ours in item.properties.items()
        if not lookup.equal(name, ours, _text(record.properties.get(name)))
    }


def not_found(lookup: Lookup, error: ErrorInfo | None) -> ErrorInfo:
    """The error of an input whose record isn't there."""
    if error is not None:
        return error
    what = f"record has this {lookup.id_property}" if lookup.id_property else "record has this id"
    return ErrorInfo(NOT_FOUND, f"no {lookup.object_type} {what}: batch/read doesn't return one")


def _primary_keys(lookup: Lookup, record: Record) -> list[str]:
    if lookup.id_property is None:
        return [order_key(record.id)]
    value = record.properties.get(lookup.id_property)
    return [order_key(value)] if isinstance(value, str) and value else []


def _secondary_keys(lookup: Lookup, record: Record) -> list[str]:
    value = record.properties.get(ADDITIONAL_EMAILS) if lookup.id_property == EMAIL else None
    return [order_key(one) for one in value.split(";") if one] if isinstance(value, str) else []


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else str(value)


class LookupJob:
    """Some consecutive inputs whose records are being read.

    :param number: how many lookups were sent before: what is written after that may be newer than what it reads.
    """

    __slots__ = ("asked", "found", "inputs", "number", "repeated")

    def __init__(self, inputs: Sequence[Input], number: int) -> None:
        self.inputs = tuple(inputs)
        self.asked = self.inputs
        self.number = number
        self.found: dict[int, Found] = {}
        self.repeated = False

    @property
    def complete(self) -> bool:
        """Whether every input has its answer."""
        return len(self.found) == len(self.inputs)


class LookupQueue:
    """Inputs that wait for their record to be read; they come out in the order they came in, whatever HubSpot's."""

    def __init__(self, lookup: Lookup) -> None:
        self.lookup = lookup
        self._unread: deque[Input] = deque()
        self._jobs: deque[LookupJob] = deque()
        self._sent = 0

    def __len__(self) -> int:
        """How many inputs are in here."""
        return len(self._unread) + sum(len(job.inputs) for job in self._jobs)

    @property
    def unread(self) -> int:
        """How many inputs no read has been started for."""
        return len(self._unread)

    @property
    def sent(self) -> int:
        """How many lookups have been started."""
        return self._sent

    @property
    def oldest(self) -> int:
        """The number of the oldest lookup that is under way; that of the next one, if none is."""
        return self._jobs[0].number if self._jobs else self._sent

    def add(self, item: Input) -> None:
        """Put an input behind the others."""
        self._unread.append(item)

    def take(self) -> LookupJob:
        """The next inputs to read."""
        inputs = [self._unread.popleft() for _ in range(min(MAX_BATCH_INPUTS, len(self._unread)))]
        job = LookupJob(inputs, self._sent)
        self._sent += 1
        self._jobs.append(job)
        return job

    def answer(self, job: LookupJob, reply: BatchReply) -> bool:
        """Take in a reply.

        :returns: whether the job is to be sent once more, for what the reply leaves out without a word.
        """
        silent = []
        for item, found in zip(job.asked, read_lookup(self.lookup, job.asked, reply), strict=True):
            if found.record is None and found.error is None and not job.repeated and self.lookup.id_property:
                silent.append(item)
            else:
                job.found[item.row] = found
        job.asked, job.repeated = tuple(silent), True
        return bool(silent)

    def refuse(self, job: LookupJob, error: ErrorInfo) -> list[LookupJob]:
        """A read was refused whole: its halves are read instead, an input alone has its answer.

        :returns: what is to be sent.
        """
        if len(job.inputs) == 1:
            job.found[job.inputs[0].row] = Found(error=error)
            return []
        middle = len(job.inputs) // 2
        halves = [LookupJob(part, job.number) for part in (job.inputs[:middle], job.inputs[middle:])]
        index = self._jobs.index(job)
        del self._jobs[index]
        for half in reversed(halves):
            self._jobs.insert(index, half)
        return halves

    def ready(self) -> Iterator[tuple[Input, Found, LookupJob]]:
        """The inputs whose answer is there, as far as no earlier one waits."""
        while self._jobs and self._jobs[0].complete:
            job = self._jobs.popleft()
            for item in job.inputs:
                yield item, job.found[item.row], job
