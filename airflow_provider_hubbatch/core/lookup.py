"""Reading records before they are updated: emails become record ids, and what HubSpot has already isn't sent.

One batch/read serves both. From it on, a row is addressed by record id, whatever named it before.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.core.error_reply import NO_ANSWER, OBJECT_NOT_FOUND, ErrorReply, id_in_coordinates
from airflow_provider_hubbatch.core.model import Input
from airflow_provider_hubbatch.core.protocol import MAX_BATCH_INPUTS, BatchRead, Request
from airflow_provider_hubbatch.core.values import order_key

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence

    from airflow_provider_hubbatch.core.batch_reply import BatchReply, Record

EMAIL = "email"
# HubSpot: a contact's further addresses, as "a;b"; they identify it too (docs, Contacts)
ADDITIONAL_EMAILS = "hs_additional_emails"


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

    def request(self, inputs: Sequence[Input]) -> Request:
        """The request that looks these up, each record once."""
        wanted = {name for item in inputs for name in item.properties} if self.compare else set()
        if self.id_property == EMAIL:
            wanted |= {EMAIL, ADDITIONAL_EMAILS}
        elif self.id_property is not None:
            wanted.add(self.id_property)
        read = BatchRead(self.object_type, tuple(sorted(wanted)), self.id_property, self.api_version)
        return read.request(dict.fromkeys(self.told(item.id) for item in inputs))

    def told(self, identifier: str) -> str:
        """An id as HubSpot is told it and tells it: it keeps addresses in lower case."""
        return identifier.lower() if self.id_property == EMAIL else identifier


@dataclass(frozen=True, slots=True)
class Found:
    """What a lookup says of one input.

    :param record: the record, or ``None``.
    :param error: why there is none; ``None``, if that is left to the update's reply (by record id).
    """

    record: Record | None = None
    error: ErrorReply | None = None


def read_lookup(lookup: Lookup, inputs: Sequence[Input], reply: BatchReply) -> list[Found]:
    """Tell which record belongs to which input.

    A reply doesn't repeat what was asked for, so that the record's own properties have to tell: the value as it was
    asked for, for an email the primary address before the secondary ones; then, unless HubSpot says that it doesn't
    have this one, a value that differs in case or padding only, if one record alone has such a value.

    :returns: one entry an input, in order.
    """
    exact: dict[str, Record] = {}
    similar: dict[str, set[str]] = {}
    by_id = {record.id: record for record in reply.results}
    for names in (_secondary_names, _primary_names):
        for record in reply.results:
            for name in names(lookup, record):
                exact[lookup.told(name)] = record
                similar.setdefault(order_key(name), set()).add(record.id)
    errors = _errors_by_id(reply, {lookup.told(item.id) for item in inputs}, lookup)
    found = []
    for item in inputs:
        told = lookup.told(item.id)
        candidates = similar.get(item.key, ())
        if told in exact:
            found.append(Found(exact[told]))
        elif told not in errors and len(candidates) == 1:
            found.append(Found(by_id[next(iter(candidates))]))
        else:
            found.append(Found(error=errors.get(told)))
    return found


def _errors_by_id(reply: BatchReply, asked: Container[str], lookup: Lookup) -> dict[str, ErrorReply]:
    errors = {lookup.told(one): error for error in reply.errors for one in error.ids}
    for error in reply.errors:
        for coordinates in error.coordinates:
            missing = id_in_coordinates(lookup.told(coordinates), asked.__contains__)
            if missing is not None:
                errors[missing] = replace(error, category=OBJECT_NOT_FOUND)
    return errors


def resolved(item: Input, record: Record, properties: Mapping[str, str]) -> Input:
    """The input, addressed by record id."""
    return Input(item.row, item.given_id, record.id, order_key(record.id), properties, item.source)


def list_changes(item: Input, record: Record, names: Iterable[str]) -> dict[str, tuple[str | None, str]]:
    """What HubSpot has and what the input would make of it, by property: ``(old, new)``."""
    return {name: (_text(record.properties.get(name)) or None, item.properties[name]) for name in names}


def changed_properties(lookup: Lookup, item: Input, record: Record) -> dict[str, str]:
    """Those of the input's properties that HubSpot has with another value."""
    return {
        name: ours
        for name, ours in item.properties.items()
        if not lookup.equal(name, ours, _text(record.properties.get(name)))
    }


def _not_returned(lookup: Lookup, reply: BatchReply) -> ErrorReply:
    """The error of an input whose record a reply leaves out, without an error that could be about it."""
    unnamed = next((error for error in reply.errors if not (error.ids or error.coordinates)), None)
    if unnamed is not None:
        return unnamed
    if not reply.confirms:
        return replace(NO_ANSWER, correlation_id=reply.correlation_id)
    message = f"no {lookup.object_type} record has this {lookup.id_property}: batch/read doesn't return one"
    return ErrorReply(OBJECT_NOT_FOUND, message, correlation_id=reply.correlation_id)


def _primary_names(lookup: Lookup, record: Record) -> list[str]:
    if lookup.id_property is None:
        return [record.id]
    value = record.properties.get(lookup.id_property)
    return [value] if isinstance(value, str) and value else []


def _secondary_names(lookup: Lookup, record: Record) -> list[str]:
    value = record.properties.get(ADDITIONAL_EMAILS) if lookup.id_property == EMAIL else None
    return [one.strip() for one in value.split(";") if one.strip()] if isinstance(value, str) else []


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
        read = read_lookup(self.lookup, job.asked, reply)
        # a refusal that names some of them says nothing of the others: silence is counted in what answers all
        refuses_some = not reply.results and any(found.error is not None for found in read)
        for item, found in zip(job.asked, read, strict=True):
            answered = found.record is not None or found.error is not None
            if answered or self.lookup.id_property is None:
                job.found[item.row] = found
            elif job.repeated and not refuses_some:
                job.found[item.row] = Found(error=_not_returned(self.lookup, reply))
            else:
                silent.append(item)
        job.asked, job.repeated = tuple(silent), True
        return bool(silent)

    def refuse(self, job: LookupJob, error: ErrorReply, *, split: bool = True) -> list[LookupJob]:
        """A read was refused whole: its halves are read instead; for an input alone the refusal is the answer.

        :param split: ``False``: it is the answer for all of them.
        :returns: what is to be sent.
        """
        if len(job.asked) == 1 or not split:
            for item in job.asked:
                job.found[item.row] = Found(error=error)
            return []
        middle = len(job.inputs) // 2
        halves = [LookupJob(part, job.number) for part in (job.inputs[:middle], job.inputs[middle:])]
        index = self._jobs.index(job)
        self._jobs.rotate(-index)
        self._jobs.popleft()
        self._jobs.extendleft(reversed(halves))
        self._jobs.rotate(index)
        return halves

    def ready(self) -> Iterator[tuple[Input, Found, LookupJob]]:
        """The inputs whose answer is there, as far as no earlier one waits."""
        while self._jobs and self._jobs[0].complete:
            job = self._jobs.popleft()
            for item in job.inputs:
                yield item, job.found[item.row], job
