"""Whose the results of a create are, in no order and mostly without a trace id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.core.reconcile import errors_of_named
from airflow_provider_hubbatch.core.server_clock import seconds_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from airflow_provider_hubbatch.core.batch_reply import BatchReply, Record
    from airflow_provider_hubbatch.core.error_reply import ErrorReply
    from airflow_provider_hubbatch.core.model import Input

_Sent = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class CreateReading:
    """What a 2xx reply to a create says; every input is in exactly one of ``created``, ``refused``, ``unsaid``.

    :param created: with its record; ``None``: the reply confirms as many as were sent, but doesn't tell whose is which.
    :param refused: an error of the reply names the input.
    :param errors: those errors that name none.
    :param strays: records that can't be told to be one of the inputs'.
    """

    created: tuple[tuple[Input, Record | None], ...]
    refused: tuple[tuple[Input, ErrorReply], ...]
    unsaid: tuple[Input, ...]
    errors: tuple[ErrorReply, ...]
    strays: tuple[Record, ...] = ()


def read_creates(
    inputs: Sequence[Input],
    reply: BatchReply,
    *,
    key_of: Callable[[Record], str | None] | None,
    equal: Callable[[str, str, str | None], bool],
) -> CreateReading:
    """Tell the results of a create apart: by trace id, by key; where there is none, by the properties that they echo.

    :param inputs: what was sent, no key twice.
    :param key_of: a record's key as :attr:`Input.key` has it, where it shows it; ``None``: the inputs have no key.
    :param equal: whether a property's value as sent equals HubSpot's: ``equal(name, ours, hubspots)``.
    """
    waiting = {item.row: item for item in inputs}
    refused, errors = [], []
    for error in reply.errors:
        named = errors_of_named(inputs, error, None)
        if not named:
            errors.append(error)
        refused += [(item, said) for item, said in named if waiting.pop(item.row, None) is not None]
    created: list[tuple[Input, Record | None]] = []
    left = _take_named(waiting, _each_once(reply), created, key_of)
    if key_of is None:
        fresh = [record for record in left if not _is_older(record, reply)]
        fresh = _take_alike(waiting, fresh, created, equal)
        if waiting and not errors and len(fresh) == len(waiting):
            # as many as were sent, and nothing else: all are there, whichever is whose
            created += [(item, None) for item in waiting.values()]
            waiting.clear()
    return CreateReading(tuple(created), tuple(refused), tuple(waiting.values()), tuple(errors), tuple(left))


def _each_once(reply: BatchReply) -> list[Record]:
    return list({record.id: record for record in reply.results}.values()) if reply.confirms else []


def _is_older(record: Record, reply: BatchReply) -> bool:
    """Whether a record was there before HubSpot began with the request: then it is somebody else's."""
    created, began = seconds_of(record.created_at), seconds_of(reply.started_at)
    return created is not None and began is not None and created < began


def _take_named(
    waiting: dict[int, Input],
    records: Iterable[Record],
    created: list[tuple[Input, Record | None]],
    key_of: Callable[[Record], str | None] | None,
) -> list[Record]:
    """The inputs whose trace id or key a record shows.

    :returns: the records that show neither.
    """
    by_key = {item.key: item for item in waiting.values()}
    by_trace = {item.trace_id: item for item in waiting.values()}
    left = []
    for record in records:
        key = None if key_of is None else key_of(record)
        named = by_trace.get(record.trace_id or "") or (None if key is None else by_key.get(key))
        if named is None:
            left.append(record)
        elif waiting.pop(named.row, None) is not None:
            created.append((named, record))
    return left


class _Alike:
    """Inputs that wait for their record, by what was sent: those that are alike are interchangeable."""

    def __init__(self, waiting: Iterable[Input]) -> None:
        self._by_names: dict[_Sent, dict[_Sent, list[Input]]] = {}
        for item in waiting:
            names = tuple(sorted(item.properties))
            values = tuple(item.properties[name] for name in names)
            self._by_names.setdefault(names, {}).setdefault(values, []).append(item)
        # (names, those of them that a record shows) -> their values -> all values
        self._shown: dict[tuple[_Sent, _Sent], dict[_Sent, list[_Sent]]] = {}

    def take(self, record: Record, equal: Callable[[str, str, str | None], bool] | None) -> Input | None:
        """The input whose properties a record shows, all of them, and that no other input could have got.

        :param equal: ``None``: compare texts.
        """
        found = [(names, values) for names in self._by_names for values in self._possible(names, record, equal)]
        if len(found) != 1 or not all(name in record.properties for name in found[0][0]):
            return None
        names, values = found[0]
        alike = self._by_names[names][values]
        if len({item.links and item.links.records for item in alike}) > 1:  # they would have got other links
            return None
        item = alike.pop(0)
        if not alike:
            del self._by_names[names][values]
        return item

    def _possible(
        self, names: _Sent, record: Record, equal: Callable[[str, str, str | None], bool] | None
    ) -> Iterator[_Sent]:
        """What was sent that the record doesn't speak against."""
        properties, alive = record.properties, self._by_names[names]
        shown = tuple(name for name in names if name in properties)
        if equal is None:
            by_shown = self._shown.get((names, shown)) or self._index(names, shown)
            possible = by_shown.get(tuple(properties[name] for name in shown), ())
            yield from (values for values in possible if values in alive)
            return
        for values in alive:
            sent = zip(names, values, strict=True)
            if all(equal(name, ours, _text(properties[name])) for name, ours in sent if name in properties):
                yield values

    def _index(self, names: _Sent, shown: _Sent) -> dict[_Sent, list[_Sent]]:
        index = self._shown[names, shown] = {}
        for values in self._by_names[names]:
            sent = dict(zip(names, values, strict=True))
            index.setdefault(tuple(sent[name] for name in shown), []).append(values)
        return index


def _take_alike(
    waiting: dict[int, Input],
    records: list[Record],
    created: list[tuple[Input, Record | None]],
    equal: Callable[[str, str, str | None], bool],
) -> list[Record]:
    """The inputs whose properties a record shows. One that fits several waits until others have taken all but one.

    :returns: the records that aren't told apart.
    """
    alike = _Alike(waiting.values())
    left, before = records, -1
    while len(left) != before:
        before, rest = len(left), []
        for record in left:
            item = alike.take(record, None) or alike.take(record, equal)
            if item is None:
                rest.append(record)
            else:
                del waiting[item.row]
                created.append((item, record))
        left = rest
    return left


def _text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else str(value)
