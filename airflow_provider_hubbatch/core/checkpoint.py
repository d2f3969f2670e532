"""Where a sync stands, small enough for Airflow's state store whatever the sync's size: what a retry goes on from."""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from airflow_provider_hubbatch.core.model import Input, RowOutcome, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from airflow_provider_hubbatch.core.report import SyncReport

# Raised when a checkpoint of an earlier version can't be read as this one; such a one is ignored.
VERSION = 1

# Airflow warns above 64 KB; half of it leaves room for its own wrapping, and a write stays quick.
MAX_BYTES = 32_000

_COUNTED = ("requests", "retries", "rate_limited", "refused_requests")


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
        """As short text: the gaps and lengths, as variable-length integers."""
        numbers, last = [], 0
        for start, end in self:
            numbers += [start - last, end - start]
            last = end
        return _pack(b"".join(map(_varint, numbers)))

    @classmethod
    def unpack(cls, text: str) -> RowRanges:
        """What :meth:`pack` gave.

        :raises ValueError: it is damaged.
        """
        numbers = list(_varints(_unpack(text)))
        ranges, last = [], 0
        for gap, length in zip(numbers[::2], numbers[1::2], strict=True):
            ranges.append((last + gap, last + gap + length))
            last += gap + length
        return cls(ranges)


class RowsDigest:
    """A running hash over the rows read so far, as they are to be sent, however they are cut into chunks."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self.rows = 0

    def add(self, rows: Sequence[Input | RowOutcome]) -> None:
        """Take in the next rows."""
        self._hash.update(b"".join(map(_row_bytes, rows)))
        self.rows += len(rows)

    def hexdigest(self) -> str:
        """The hash of the rows so far."""
        return self._hash.hexdigest()


def settings_fingerprint(**settings: Any) -> str:
    """A hash of everything that a sync's outcomes hang on, apart from its rows."""
    text = orjson.dumps(settings, option=orjson.OPT_SORT_KEYS, default=str)
    return hashlib.blake2b(text, digest_size=16).hexdigest()


@dataclass(slots=True, kw_only=True)
class Checkpoint:
    """Where a sync stands.

    :param settings: :func:`settings_fingerprint` of its settings.
    :param rows_read: so many rows had been read; ``digest`` is over these.
    :param settled: rows that have their outcome for good: updated, unchanged, missing or rejected.
    :param counts: status -> rows, of those.
    :param rejected: outcomes of the first rejected rows, without their source rows, which are read again.
    :param outcomes: those of every row, as long as there are few; ``None``: too many.
    :param result_parts: result files that are complete.
    """

    settings: str
    rows_read: int
    digest: str
    settled: RowRanges
    counts: Counter[Status] = field(default_factory=Counter)
    rejected_by_category: Counter[str] = field(default_factory=Counter)
    rejected: list[RowOutcome] = field(default_factory=list)
    outcomes: list[RowOutcome] | None = None
    result_parts: int = 0
    costs: dict[str, int] = field(default_factory=dict)
    started_at: str | None = None
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """For the state store, at most :data:`MAX_BYTES`: what doesn't fit is left out, the rows' outcomes first."""
        data = {
            "version": VERSION,
            "settings": self.settings,
            "rows_read": self.rows_read,
            "digest": self.digest,
            "settled": self.settled.pack(),
            "counts": {status.value: count for status, count in self.counts.items()},
            "rejected_by_category": dict(self.rejected_by_category),
            "rejected": _pack_outcomes(self.rejected),
            "outcomes": None if self.outcomes is None else _pack_outcomes(self.outcomes),
            "result_parts": self.result_parts,
            "costs": self.costs,
            "started_at": self.started_at,
            "seconds": self.seconds,
        }
        if _size(data) > MAX_BYTES:
            data["outcomes"] = None
        kept = len(self.rejected)
        while _size(data) > MAX_BYTES and kept:
            kept //= 2
            data["rejected"] = _pack_outcomes(self.rejected[:kept])
        return data

    @classmethod
    def from_json(cls, data: Any) -> Checkpoint:
        """What :meth:`as_json` gave.

        :raises ValueError: it is damaged, or of another version.
        """
        if not isinstance(data, dict) or data.get("version") != VERSION:
            raise ValueError("it is of another version")
        try:
            return cls(
                settings=str(data["settings"]),
                rows_read=int(data["rows_read"]),
                digest=str(data["digest"]),
                settled=RowRanges.unpack(data["settled"]),
                counts=Counter({Status(name): int(count) for name, count in data["counts"].items()}),
                rejected_by_category=Counter({str(k): int(v) for k, v in data["rejected_by_category"].items()}),
                rejected=_unpack_outcomes(data["rejected"]),
                outcomes=None if data["outcomes"] is None else _unpack_outcomes(data["outcomes"]),
                result_parts=int(data["result_parts"]),
                costs={name: int(data["costs"].get(name, 0)) for name in _COUNTED},
                started_at=data["started_at"],
                seconds=float(data["seconds"]),
            )
        except (KeyError, TypeError, AttributeError, binascii.Error, zlib.error) as error:
            raise ValueError(f"it is damaged ({type(error).__name__})") from error


def costs_of(report: SyncReport) -> dict[str, int]:
    """What a report has counted besides rows."""
    return {name: getattr(report, name) for name in _COUNTED}


def _row_bytes(row: Input | RowOutcome) -> bytes:
    if isinstance(row, Input):
        return orjson.dumps((row.id, row.properties))
    return orjson.dumps((row.status, row.category, row.message))


def _pack_outcomes(outcomes: Sequence[RowOutcome]) -> str:
    entries = []
    for outcome in outcomes:
        entry = outcome.as_dict()
        entry.pop("values", None)
        entries.append(entry)
    return _pack(orjson.dumps(entries))


def _unpack_outcomes(text: str) -> list[RowOutcome]:
    outcomes = []
    for entry in orjson.loads(_unpack(text)):
        status = Status(entry.pop("status"))
        outcomes.append(RowOutcome(status=status, **entry))
    return outcomes


def _pack(data: bytes) -> str:
    return base64.b85encode(zlib.compress(data, 6)).decode("ascii")


def _unpack(text: str) -> bytes:
    return zlib.decompress(base64.b85decode(text))


def _size(data: dict[str, Any]) -> int:
    return len(orjson.dumps(data))


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
