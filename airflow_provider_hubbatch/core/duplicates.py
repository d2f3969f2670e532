"""Rows that name the same record with other values: written one after the other, and the last one wins.

Nobody is told of it by HubSpot, and with ``skip_unchanged`` such rows are sent in every run again. How many there are
is exact within a window of rows, which costs next to nothing; two rows that are farther apart are not counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

# A row is compared with so many rows before it, and with up to twice as many: about as many as a sync holds anyway.
WINDOW_ROWS: Final = 4_000
# Pairs of rows that the log names.
_PAIRS_KEPT: Final = 3


class Duplicates:
    """Counts rows whose record one of the rows just before them names too, with other values."""

    def __init__(self) -> None:
        self._before = _Span()
        self._now = _Span()
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
        if len(self._now) >= WINDOW_ROWS:
            self._before, self._now = self._now, _Span()
        distinct = set(keys)
        if len(distinct) < len(keys) or self._before.has_any(distinct) or self._now.has_any(distinct):
            self._compare(_Part(first_row, keys, properties), distinct, refused)
        self._now.add(_Part(first_row, keys, properties), distinct)

    def _compare(self, part: _Part, distinct: set[Any], refused: Collection[int]) -> None:
        latest = self._before.rows_of(distinct) | self._now.rows_of(distinct)
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


class _Span:
    """Some consecutive rows, up to a window full."""

    def __init__(self) -> None:
        self._parts: list[_Part] = []
        self._keys: set[Any] = set()
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    def has_any(self, keys: set[Any]) -> bool:
        return not self._keys.isdisjoint(keys)

    def add(self, part: _Part, keys: set[Any]) -> None:
        self._parts.append(part)
        self._keys |= keys
        self._rows += len(part.keys)

    def rows_of(self, keys: set[Any]) -> dict[Any, tuple[int, Mapping[str, str]]]:
        """The last row of each of these keys that is here."""
        common = keys & self._keys
        return {
            key: (part.first_row + offset, written)
            for part in self._parts
            for offset, (key, written) in enumerate(zip(part.keys, part.properties, strict=True))
            if common and key in common and written
        }
