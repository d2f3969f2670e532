"""Rows that name the same record with other values: written one after the other, and the last one wins.

Nobody is told of it by HubSpot, and with ``skip_unchanged`` such rows are sent in every run again. How many there are
is exact within a window of rows, which costs next to nothing; two rows that are farther apart are not counted.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

# A row is compared with so many rows before it, and at most with all of a chunk more.
WINDOW_ROWS: Final = 1_000
# Pairs of rows that the log names.
_PAIRS_KEPT: Final = 3


class Duplicates:
    """Counts rows whose record one of the rows just before them names too, with other values."""

    def __init__(self) -> None:
        self._window: deque[_Part] = deque()
        self._rows = 0
        self.count = 0
        self.pairs: list[tuple[int, int]] = []
        """The row numbers of the first ones, each with that of the row before it."""

    def add(
        self, first_row: int, keys: Sequence[Any], properties: Sequence[Mapping[str, str]], refused: Collection[int]
    ) -> None:
        """Take in the next rows.

        :param keys: one a row, equal for two rows of one record.
        :param properties: what each row writes; nothing where it writes nothing.
        :param refused: the offsets of rows that are not sent.
        """
        part = _Part(first_row, keys, properties, set(keys))
        if len(part.distinct) < len(keys) or not all(
            map(part.distinct.isdisjoint, (one.distinct for one in self._window))
        ):
            self._compare(part, refused)
        self._window.append(part)
        self._rows += len(keys)
        while self._rows - len(self._window[0].keys) >= WINDOW_ROWS:
            self._rows -= len(self._window.popleft().keys)

    def _compare(self, part: _Part, refused: Collection[int]) -> None:
        latest: dict[Any, tuple[int, Mapping[str, str]]] = {}
        for one in self._window:
            latest |= one.rows_of(part.distinct)
        for offset, (key, written) in enumerate(zip(part.keys, part.properties, strict=True)):
            if not key or not written or offset in refused:
                continue
            row = part.first_row + offset
            before = latest.get(key)
            latest[key] = (row, written)
            if before is not None and before[1] != written:
                self.count += 1
                if len(self.pairs) < _PAIRS_KEPT:
                    self.pairs.append((before[0], row))


class _Part(NamedTuple):
    """The rows of one chunk."""

    first_row: int
    keys: Sequence[Any]
    properties: Sequence[Mapping[str, str]]
    distinct: set[Any]

    def rows_of(self, keys: set[Any]) -> dict[Any, tuple[int, Mapping[str, str]]]:
        """The last row of each of these keys that is here."""
        common = keys & self.distinct
        return {
            key: (self.first_row + offset, written)
            for offset, (key, written) in enumerate(zip(self.keys, self.properties, strict=True))
            if key in common and written
        }
