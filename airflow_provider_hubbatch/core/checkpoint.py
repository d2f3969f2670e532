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

    from airflow_provider_hubbatch.core.sync_report import SyncReport

# Raised when a checkpoint of an earlier version can't be read as this one; such a one is ignored.
VERSION = 3

# Airflow warns above 64 KB; half of it leaves room for its own wrapping, and a write stays quick.
MAX_BYTES = 32_000

_COUNTED = ("requests", "retries", "rate_limited", "refused_requests")

# Kept of an outcome; its id and source row are read again with the rows.
_KEPT = ("row", "status", "record_id", "updated_at", "category", "message", "correlation_id")
_MESSAGE = _KEPT.index("message")

# How long messages may be when a checkpoint gets too large, before outcomes are left out of it.
_MESSAGE_LENGTHS = (300, 80, 0)


class TooLargeError(ValueError):
    """A checkpoint doesn't fit the state store, however little is said in it."""


def is_settled(outcome: RowOutcome) -> bool:
    """Whether a row has its outcome for good, so that a retry leaves it alone.

    A row of which HubSpot said nothing after all was tried (``unknown``, with a category) is settled too: later rows of
    its record may have been written since, and it must not be written over them.
    """
    return outcome.status is not Status.NOT_SENT and (
        outcome.status is not Status.UNKNOWN or outcome.category is not None
    )


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
        ranges: list[tuple[int, int]] = []
        last = 0
        for gap, length in zip(numbers[::2], numbers[1::2], strict=True):
            if not length or (ranges and not gap):
                raise ValueError("it is damaged (ranges that are none)")
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
        if not rows:
            return
        parts: list[Any] = []  # of all rows in one list: encoding them one by one took nine times as long
        for row in rows:
            parts += (row.id, row.properties) if isinstance(row, Input) else (row.status, row.category, row.message)
        self._hash.update(orjson.dumps(parts)[1:-1] + b",")
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
    :param account: which account it is about; nothing secret.
    :param rows_read: so many rows had been read; ``digest`` is over these.
    :param settled: rows that have their outcome for good (:func:`is_settled`).
    :param counts: status -> rows, of those.
    :param rejected: outcomes of the first rejected and unknown rows; their ids and source rows are read again.
    :param outcomes: those of every row, as long as there are few; ``None``: too many.
    :param result_parts: result files that are complete.
    :param timeline: how it went so far, as :meth:`Timeline.as_json` gives it; ``None``: there was no room for it.
    """

    settings: str
    account: str
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
    timeline: dict[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """For the state store, at most :data:`MAX_BYTES`: where it would be more, messages are shortened first, then
        the rows' outcomes left out.

        :raises TooLargeError: there are too many gaps between the rows that are settled.
        """
        data = {
            "version": VERSION,
            "settings": self.settings,
            "account": self.account,
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
            "timeline": None if self.timeline is None else _pack(orjson.dumps(self.timeline)),
        }
        for length in _MESSAGE_LENGTHS:
            if _size(data) <= MAX_BYTES:
                return data
            data["rejected"] = _pack_outcomes(self.rejected, length)
            data["outcomes"] = None if self.outcomes is None else _pack_outcomes(self.outcomes, length)
        if _size(data) > MAX_BYTES:
            data["outcomes"] = data["timeline"] = None
        kept = len(self.rejected)
        while _size(data) > MAX_BYTES and kept:
            kept //= 2
            data["rejected"] = _pack_outcomes(self.rejected[:kept], 0)
        if _size(data) > MAX_BYTES:
            raise TooLargeError("there are too many gaps between the rows that are settled")
        return data

    @classmethod
    def from_json(cls, data: Any) -> Checkpoint:
        """What :meth:`as_json` gave.

        :raises ValueError: it is damaged, or of another version.
        """
        if not isinstance(data, dict) or data.get("version") != VERSION:
            raise ValueError("it is of another version")
        try:
            checkpoint = cls(
                settings=str(data["settings"]),
                account=str(data["account"]),
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
                timeline=None if data["timeline"] is None else orjson.loads(_unpack(data["timeline"])),
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, binascii.Error, zlib.error) as error:
            raise ValueError(f"it is damaged ({type(error).__name__})") from error
        if not checkpoint._agrees():
            raise ValueError("it is damaged (its numbers don't agree)")
        return checkpoint

    def _agrees(self) -> bool:
        """Whether it can be: every settled row was read, and is counted once."""
        outcomes = [*self.rejected, *(self.outcomes or ())]
        return (
            self.settled.end <= self.rows_read
            and min(self.counts.values(), default=0) >= 0
            and self.counts.total() == len(self.settled)
            and self.result_parts >= 0
            and (self.outcomes is None or len(self.outcomes) == len(self.settled))
            and all(outcome.row in self.settled for outcome in outcomes)
        )


def costs_of(report: SyncReport) -> dict[str, int]:
    """What a report has counted besides rows."""
    return {name: getattr(report, name) for name in _COUNTED}


def _pack_outcomes(outcomes: Sequence[RowOutcome], message_length: int | None = None) -> str:
    """By column, which packs best.

    :param message_length: so much of every message; ``None``: all of it.
    """
    columns: list[list[Any]] = [[getattr(outcome, name) for outcome in outcomes] for name in _KEPT]
    if message_length is not None:
        columns[_MESSAGE] = [_shortened(message, message_length) for message in columns[_MESSAGE]]
    return _pack(orjson.dumps(columns))


def _shortened(message: str | None, length: int) -> str | None:
    if message is None or len(message) <= length:
        return message
    return f"{message[:length]}..." if length else None


def _unpack_outcomes(text: str) -> list[RowOutcome]:
    rows, statuses, *others = orjson.loads(_unpack(text))
    outcomes = []
    for row, status, *rest in zip(rows, statuses, *others, strict=True):
        if not isinstance(row, int):
            raise TypeError("a row's number is none")
        outcomes.append(RowOutcome(row, None, Status(status), *rest))
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
