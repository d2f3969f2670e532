"""What search doesn't see yet: HubSpot's index is behind its records."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_hubbatch.sandbox.store import Record, Table


class _Change(NamedTuple):
    at: float
    table: Table
    record: Record
    before: dict[str, str | None]
    was_there: bool


class SearchLag:
    """Remembers changes until search has seen them.

    :param clock: Seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.seconds = 0.0
        self._clock = clock
        self._changes: deque[_Change] = deque()

    def note(
        self, table: Table, record: Record, before: dict[str, str | None] | None = None, *, was_there: bool = True
    ) -> None:
        """A record has changed.

        :param before: The values that it had.
        :param was_there: ``False`` for a record that was just made.
        """
        if self.seconds:
            now = self._clock()
            self._forget(now)
            self._changes.append(_Change(now, table, record, before or {}, was_there))

    def seen(self, table: Table) -> Iterator[tuple[Record, dict[str, str | None]]]:
        """The records that search finds, each with the values that it knows."""
        self._forget(self._clock())
        past: dict[str, tuple[bool, dict[str, str | None]]] = {}
        for change in reversed(self._changes):
            if change.table is table:
                _, values = past.get(change.record.id, (True, change.record.properties))
                past[change.record.id] = (change.was_there, {**values, **change.before})
        for record in table.records.values():
            was_there, values = past.get(record.id, (record.archived_at is None, record.properties))
            if was_there:
                yield record, values

    def _forget(self, now: float) -> None:
        while self._changes and self._changes[0].at <= now - self.seconds:
            self._changes.popleft()
