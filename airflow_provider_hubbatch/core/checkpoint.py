"""Where a sync stands, small enough for Airflow's state store whatever the sync's size: what a retry goes on from."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from airflow_provider_hubbatch.core.costs import Costs
from airflow_provider_hubbatch.core.model import Input, LinkedTo, RowOutcome, Status
from airflow_provider_hubbatch.core.packing import RowRanges, TooLargeError, pack, unpack
from airflow_provider_hubbatch.core.result_names import Parts, checked_parts
from airflow_provider_hubbatch.core.sync_report import MAX_KEPT_OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Sequence


# Raised when a checkpoint of an earlier version can't be read as this one; such a one is ignored.
VERSION = 6

# Airflow warns above 64 KB; half of it leaves room for its own wrapping, and a write stays quick.
MAX_BYTES = 32_000

# What one of its texts may be when it is unpacked. zlib packs 1,032 to 1 at best: nothing that fits is more than this.
_MAX_UNPACKED_BYTES = 32_000_000

# Kept of an outcome; its id and source row are read again with the rows.
_KEPT = (
    "row",
    "status",
    "record_id",
    "updated_at",
    "category",
    "message",
    "correlation_id",
    "to_record_id",
    "not_taken",
)
_MESSAGE = _KEPT.index("message")

# How long messages may be when a checkpoint gets too large, before outcomes are left out of it.
_MESSAGE_LENGTHS = (300, 80, 0)


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
            if isinstance(row, Input) and row.pair is None and row.links is None:
                parts += (row.id, row.properties)
            else:
                parts += _told(row)
        self._hash.update(orjson.dumps(parts)[1:-1] + b",")
        self.rows += len(rows)

    def hexdigest(self) -> str:
        """The hash of the rows so far."""
        return self._hash.hexdigest()


def _told(row: Input | RowOutcome) -> tuple[Any, ...]:
    """What of a row makes it the same one, where it isn't an input of one record without links."""
    if not isinstance(row, Input):
        return row.status, row.category, row.message
    if row.links is not None:
        return row.id, row.properties, row.links.named
    return () if row.pair is None else (row.pair.from_id, row.pair.to_id, row.pair.label)


def settings_fingerprint(**settings: Any) -> str:
    """A hash of everything that a sync's outcomes depend on, apart from its rows."""
    text = orjson.dumps(settings, option=orjson.OPT_SORT_KEYS, default=str)
    return hashlib.blake2b(text, digest_size=16).hexdigest()


@dataclass(slots=True, kw_only=True)
class Checkpoint:
    """Where a sync stands.

    :param settings: :func:`settings_fingerprint` of its settings.
    :param account: which account it is about; nothing secret.
    :param rows_read: so many rows had been read; ``digest`` is over these.
    :param settled: rows that have their outcome for good (:attr:`RowOutcome.is_settled`).
    :param counts: status -> rows, of those.
    :param not_taken: property -> rows of those, as the report counts them.
    :param cleared: as ``not_taken``.
    :param rejected: outcomes of the first rejected and unknown rows; their ids and source rows are read again.
    :param outcomes: those of every row, as long as there are few; ``None``: too many.
    :param result_parts: result files that are complete: of each try its id, and up to which number.
    :param began: when the first row was written, by HubSpot's clock (ISO 8601): what is older isn't this sync's.
        ``None``: none was, or it makes no difference.
    :param sent_up_to: rows before this one may have been sent since: kept by syncs that send no row twice.
    :param timeline: how it went so far, as :meth:`Timeline.as_json` gives it; ``None``: there was no room for it.
    """

    settings: str
    account: str
    rows_read: int
    digest: str
    settled: RowRanges
    counts: Counter[Status] = field(default_factory=Counter)
    rejected_by_category: Counter[str] = field(default_factory=Counter)
    not_taken: Counter[str] = field(default_factory=Counter)
    cleared: Counter[str] = field(default_factory=Counter)
    rejected: list[RowOutcome] = field(default_factory=list)
    outcomes: list[RowOutcome] | None = None
    result_parts: Parts = ()
    costs: dict[str, int] = field(default_factory=dict)
    started_at: str | None = None
    seconds: float = 0.0
    timeline: dict[str, Any] | None = None
    began: str | None = None
    sent_up_to: int = 0

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
            "not_taken": dict(self.not_taken),
            "cleared": dict(self.cleared),
            "rejected": _pack_outcomes(self.rejected),
            "outcomes": None if self.outcomes is None else _pack_outcomes(self.outcomes),
            "result_parts": [list(pair) for pair in self.result_parts],
            "costs": self.costs,
            "started_at": self.started_at,
            "seconds": self.seconds,
            "began": self.began,
            "sent_up_to": self.sent_up_to,
            "timeline": None if self.timeline is None else pack(orjson.dumps(self.timeline)),
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
        stored = _Stored(data)
        try:
            checkpoint = cls(
                settings=stored.text("settings"),
                account=stored.text("account"),
                rows_read=stored.count("rows_read"),
                digest=stored.text("digest"),
                settled=RowRanges.unpack(stored.text("settled")),
                counts=Counter({Status(name): count for name, count in stored.counts("counts").items()}),
                rejected_by_category=Counter(stored.counts("rejected_by_category")),
                not_taken=Counter(stored.counts("not_taken")),
                cleared=Counter(stored.counts("cleared")),
                rejected=_unpack_outcomes(stored.text("rejected")),
                outcomes=None if data["outcomes"] is None else _unpack_outcomes(stored.text("outcomes")),
                result_parts=checked_parts(data["result_parts"]),
                costs={name: stored.counts("costs").get(name, 0) for name in Costs().costs()},
                started_at=None if data["started_at"] is None else stored.text("started_at"),
                seconds=stored.seconds("seconds"),
                began=None if data["began"] is None else stored.text("began"),
                sent_up_to=stored.count("sent_up_to"),
                timeline=None if data["timeline"] is None else stored.json("timeline"),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"it is damaged ({type(error).__name__})") from error
        if not checkpoint._agrees():
            raise ValueError("it is damaged (its numbers don't agree)")
        return checkpoint

    def _agrees(self) -> bool:
        """Whether it can be: every settled row was read, and is counted once."""
        outcomes = [*self.rejected, *(self.outcomes or ())]
        return (
            self.settled.end <= self.rows_read
            and self.sent_up_to <= self.rows_read
            and self.counts.total() == len(self.settled)
            and (self.outcomes is None or len(self.outcomes) == len(self.settled))
            and all(outcome.row in self.settled for outcome in outcomes)
        )


def _pack_outcomes(outcomes: Sequence[RowOutcome], message_length: int | None = None) -> str:
    """By column, which packs best.

    :param message_length: so much of every message; ``None``: all of it.
    """
    columns: list[list[Any]] = [[getattr(outcome, name) for outcome in outcomes] for name in _KEPT]
    if message_length is not None:
        columns[_MESSAGE] = [_shortened(message, message_length) for message in columns[_MESSAGE]]
    return pack(orjson.dumps(columns))


def _shortened(message: str | None, length: int) -> str | None:
    if message is None or len(message) <= length:
        return message
    return f"{message[:length]}..." if length else None


def _unpack_outcomes(text: str) -> list[RowOutcome]:
    rows, statuses, *others = orjson.loads(unpack(text, _MAX_UNPACKED_BYTES))
    if len(rows) > MAX_KEPT_OUTCOMES:
        raise ValueError("there are more outcomes than are ever kept")
    outcomes = []
    for row, status, *texts, to_record, not_taken in zip(rows, statuses, *others, strict=True):
        parts = [text for text in (*texts, to_record) if text is not None] + not_taken
        if type(row) is not int or not all(isinstance(part, str) for part in parts):
            raise TypeError("an outcome's parts are of other types")
        to = None if to_record is None else LinkedTo(None, to_record)
        outcomes.append(RowOutcome(row, None, Status(status), *texts)._replace(not_taken=tuple(not_taken), to=to))
    return outcomes


class _Stored:
    """What was stored, each value of the type that it must be.

    Its methods raise ``KeyError``, ``TypeError`` and ``ValueError``.
    """

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data

    def text(self, name: str) -> str:
        value = self._data[name]
        if not isinstance(value, str):
            raise TypeError(f"{name} is no text")
        if len(value) > MAX_BYTES:
            raise ValueError(f"{name} is longer than a whole checkpoint")
        return value

    def count(self, name: str) -> int:
        return _checked_count(self._data[name])

    def counts(self, name: str) -> dict[str, int]:
        return {str(key): _checked_count(count) for key, count in self._data[name].items()}

    def seconds(self, name: str) -> float:
        value = self._data[name]
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value < math.inf:
            raise TypeError(f"{name} is no time")
        return float(value)

    def json(self, name: str) -> Any:
        return orjson.loads(unpack(self.text(name), _MAX_UNPACKED_BYTES))


def _checked_count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise TypeError("a count is none")
    return value


def _size(data: dict[str, Any]) -> int:
    return len(orjson.dumps(data))
