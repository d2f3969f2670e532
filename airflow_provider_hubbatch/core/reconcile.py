"""What a 2xx reply says of each input: confirmed, refused by name, or nothing.

Matched by identity only, never by position: HubSpot's results come in any order and may leave rows out without a
word. Whatever the reply holds, every input ends in exactly one of the groups.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow_provider_hubbatch.core.error_reply import OBJECT_NOT_FOUND, ErrorReply, id_in_coordinates
from airflow_provider_hubbatch.core.values import order_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from airflow_provider_hubbatch.core.batch_reply import BatchReply, Record
    from airflow_provider_hubbatch.core.model import Input

# Contacts, companies and others list here the ids that were merged into them, as "1;2"
MERGED_IDS_PROPERTY = "hs_merged_object_ids"

# What is longer is no row's number
_MAX_TRACE_ID = 18


@dataclass(frozen=True, slots=True)
class MatchedResults:
    """What a reply to a write says.

    :param confirmed: the reply names the record: written.
    :param refused: an error of the reply names the input. An input that stands in ``results`` too counts as
        refused: a contradiction is no confirmation.
    :param unsaid: neither; ``errors`` may be about them.
    :param errors: those errors that name none of the inputs.
    :param strays: records of the reply that can't be told to be one of the inputs'.
    """

    confirmed: tuple[tuple[Input, Record], ...]
    refused: tuple[tuple[Input, ErrorReply], ...]
    unsaid: tuple[Input, ...]
    errors: tuple[ErrorReply, ...]
    strays: tuple[Record, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadBackReading:
    """What a batch/read says of inputs whose write had no clear answer.

    :param written: the record has the values: they arrived.
    :param differing: the record is there, with other values.
    :param merged: the record lives on under another id, that of the record given.
    :param refused: an error names the input (it doesn't exist, mostly).
    :param unsaid: the reply doesn't tell.
    :param strays: it holds records that answer none of the inputs: the survivors of merges, perhaps.
    """

    written: tuple[tuple[Input, Record], ...]
    differing: tuple[tuple[Input, Record], ...]
    merged: tuple[tuple[Input, Record], ...]
    refused: tuple[tuple[Input, ErrorReply], ...]
    unsaid: tuple[Input, ...]
    strays: bool


class _Waiting:
    """The inputs of one request that nothing has been said about yet, found by whatever names them."""

    def __init__(self, inputs: Iterable[Input], id_property: str | None) -> None:
        self.by_row = {item.row: item for item in inputs}
        self._by_key = {item.key: item for item in self.by_row.values()}
        self._id_property = id_property

    def by_id(self, value: str) -> Input | None:
        """The input that was sent with this id."""
        return self._by_key.get(value) or self._by_key.get(order_key(value))

    def by_trace(self, trace_id: str) -> Input | None:
        """The input that was sent with this trace id: its row's number."""
        if len(trace_id) > _MAX_TRACE_ID or not (trace_id.isascii() and trace_id.isdigit()):
            return None
        item = self.by_row.get(int(trace_id))
        return item if item is not None and item.trace_id == trace_id else None

    def by_record(self, record: Record) -> Input | None:
        """The input whose record this is: by the id it was sent with, else by trace id."""
        if self._id_property is None:
            named = self.by_id(record.id)
        else:
            value = record.properties.get(self._id_property)
            named = self.by_id(value) if isinstance(value, str) else None
        if named is None and record.trace_id is not None:
            named = self.by_trace(record.trace_id)
        return named

    def by_error(self, error: ErrorReply) -> dict[int, tuple[Input, ErrorReply]]:
        """The inputs that an error names, by row, each with what it says of it.

        A trace id says whose error it is; ``ids`` may then be another record's, unless they are said not to exist.
        Where a record is in the way, they are that one's.
        """
        named = [self.by_trace(one) for one in error.trace_ids]
        if error.category == OBJECT_NOT_FOUND or not (error.is_conflict or any(named)):
            named += [self.by_id(one) for one in error.ids]
        missing = [id_in_coordinates(one, self.by_id) for one in error.coordinates]
        not_found = replace(error, category=OBJECT_NOT_FOUND)
        found = [(item, error) for item in named]
        found += [(self.by_id(one), not_found) for one in missing if one is not None]
        return {item.row: (item, said) for item, said in found if item is not None}


def errors_of_named(
    inputs: Sequence[Input], error: ErrorReply, id_property: str | None
) -> list[tuple[Input, ErrorReply]]:
    """The inputs that an error names, in input order, each with what it says of it."""
    return [named for _, named in sorted(_Waiting(inputs, id_property).by_error(error).items())]


def reconcile(inputs: Sequence[Input], reply: BatchReply, *, id_property: str | None) -> MatchedResults:
    """Read a 2xx reply to a write.

    :param inputs: what was sent, no key twice.
    :returns: every input in exactly one of ``confirmed``, ``refused``, ``unsaid``.
    """
    waiting = _Waiting(inputs, id_property)
    refused, errors = _take_refused(waiting, reply.errors)
    confirmed, strays = [], []
    for record in reply.results if reply.confirms else ():
        item = waiting.by_record(record)
        if item is None:
            strays.append(record)
        elif waiting.by_row.pop(item.row, None) is not None:
            confirmed.append((item, record))
    unsaid = tuple(waiting.by_row.values())
    return MatchedResults(tuple(confirmed), tuple(refused), unsaid, tuple(errors), tuple(strays))


def reconcile_read_back(
    inputs: Sequence[Input],
    reply: BatchReply,
    *,
    id_property: str | None,
    equal: Callable[[str, str, str | None], bool],
) -> ReadBackReading:
    """Read a 2xx reply to a batch/read of inputs that a write left unsaid.

    :param equal: whether a property's value as we sent it equals HubSpot's: ``equal(name, ours, hubspots)``.
    :returns: every input in exactly one of the groups.
    """
    waiting = _Waiting(inputs, id_property)
    refused, _ = _take_refused(waiting, reply.errors)
    written, differing, strays = [], [], []
    for record in reply.results if reply.confirms else ():
        item = waiting.by_record(record)
        if item is None or waiting.by_row.pop(item.row, None) is None:
            strays.append(record)
        elif all(equal(name, ours, _held(record, name)) for name, ours in item.properties.items()):
            written.append((item, record))
        else:
            differing.append((item, record))
    # HubSpot's lists of merged ids hold record ids: by an id property there is nothing to find in them
    merged = _take_merged(waiting, strays, alone=len(inputs) == 1) if id_property is None else []
    unsaid = tuple(waiting.by_row.values())
    return ReadBackReading(tuple(written), tuple(differing), tuple(merged), tuple(refused), unsaid, bool(strays))


def _take_refused(
    waiting: _Waiting, errors: Iterable[ErrorReply]
) -> tuple[list[tuple[Input, ErrorReply]], list[ErrorReply]]:
    refused, nameless = [], []
    for error in errors:
        named = waiting.by_error(error)
        if not named:
            nameless.append(error)
        refused += [named[row] for row in named if waiting.by_row.pop(row, None) is not None]
    return refused, nameless


def _take_merged(waiting: _Waiting, strays: list[Record], *, alone: bool) -> list[tuple[Input, Record]]:
    """The inputs whose record came back under another id: HubSpot lists the old ids, or only one was asked for."""
    merged = []
    for record in strays:
        for old_id in merged_ids(record):
            item = waiting.by_id(old_id)
            if item is not None and waiting.by_row.pop(item.row, None) is not None:
                merged.append((item, record))
    if alone and len(strays) == 1 and waiting.by_row:
        merged.append((waiting.by_row.popitem()[1], strays[0]))
    return merged


def merged_ids(record: Record) -> list[str]:
    """The ids of records that were merged into this one."""
    return [one for one in str(record.properties.get(MERGED_IDS_PROPERTY) or "").split(";") if one]


def merged_error(record: Record) -> ErrorReply:
    """The error of a row whose record was merged into this one."""
    message = f"the record was merged into {record.id}: write to that id instead"
    return ErrorReply("OBJECT_MERGED", message)


def _held(record: Record, name: str) -> str | None:
    value = record.properties.get(name)
    return value if value is None or isinstance(value, str) else str(value)
