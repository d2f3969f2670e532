"""What a checkpoint holds as short text: packed bytes, and sets of row numbers. Bounded when they are unpacked."""

from __future__ import annotations

import base64
import zlib
from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# A text of a checkpoint's size can be packed from so many bytes of ranges at most: a million gaps take less.
MAX_RANGES_BYTES = 1_000_000

# Row numbers are below 2**63.
_MAX_VARINT_BYTES = 9


class TooLargeError(ValueError):
    """A checkpoint doesn't fit the state store, however little is said in it."""


def pack(data: bytes) -> str:
    """Bytes as short text."""
    return base64.b85encode(zlib.compress(data, 6)).decode("ascii")


def unpack(text: str, max_bytes: int) -> bytes:
    """What :func:`pack` was given.

    :param max_bytes: so much is unpacked at most, however short the text is.
    :raises ValueError: it is damaged, or more.
    """
    try:
        packed = base64.b85decode(text)
        unpacking = zlib.decompressobj()
        data = unpacking.decompress(packed, max_bytes)
    except zlib.error as error:
        raise ValueError("it can't be unpacked") from error
    if not unpacking.eof or unpacking.unused_data:
        raise ValueError("it is cut off, or more than can be")
    return data


class RowRanges:
    """A set of row numbers that are nearly consecutive: kept as ranges."""

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in ranges:
            self._starts.append(start)
            self._ends.append(end)

    def __contains__(self, row: int) -> bool:
        index = bisect_right(self._starts, row) - 1
        return index >= 0 and row < self._ends[index]

    def __len__(self) -> int:
        return sum(end - start for start, end in self)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """The ranges, each without its end."""
        return iter(zip(self._starts, self._ends, strict=True))

    @property
    def end(self) -> int:
        """One more than the highest row; 0 if there is none."""
        return self._ends[-1] if self._ends else 0

    def add(self, row: int) -> None:
        """Put in one row."""
        index = bisect_right(self._starts, row)
        joins_left = index > 0 and self._ends[index - 1] >= row
        if joins_left and self._ends[index - 1] > row:
            return
        joins_right = index < len(self._starts) and self._starts[index] == row + 1
        if joins_left and joins_right:
            self._ends[index - 1] = self._ends.pop(index)
            del self._starts[index]
        elif joins_left:
            self._ends[index - 1] = row + 1
        elif joins_right:
            self._starts[index] = row
        else:
            self._starts.insert(index, row)
            self._ends.insert(index, row + 1)

    def pack(self) -> str:
        """As short text: the gaps and lengths, as variable-length integers.

        :raises TooLargeError: there are too many.
        """
        numbers, last = [], 0
        for start, end in self:
            numbers += [start - last, end - start]
            last = end
        data = b"".join(map(_varint, numbers))
        if len(data) > MAX_RANGES_BYTES:
            raise TooLargeError("there are too many gaps between the rows that are settled")
        return pack(data)

    @classmethod
    def unpack(cls, text: str) -> RowRanges:
        """What :meth:`pack` gave.

        :raises ValueError: it is damaged.
        """
        numbers = list(_varints(unpack(text, MAX_RANGES_BYTES)))
        ranges: list[tuple[int, int]] = []
        last = 0
        for gap, length in zip(numbers[::2], numbers[1::2], strict=True):
            if not length or (ranges and not gap):
                raise ValueError("it is damaged (ranges that are none)")
            ranges.append((last + gap, last + gap + length))
            last += gap + length
        return cls(ranges)


def _varint(number: int) -> bytes:
    parts = []
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def _varints(data: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in data:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:  # noqa: PLR2004 - the last byte of a number
            yield number
            number = shift = 0
        elif shift >= 7 * _MAX_VARINT_BYTES:
            raise ValueError("it is damaged (a number without an end)")
    if shift:
        raise ValueError("it is damaged (a number is cut off)")
