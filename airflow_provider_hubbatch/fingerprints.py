"""What the last sync wrote, as 16 bytes a record: rows that have not changed since are not sent (``skip_unchanged``).

The file is a line of JSON that says whose it is, then the keys (8 bytes a record, sorted), then the fingerprints. Only
confirmed rows are remembered: a row that failed is forgotten, so that it is tried again next time.
"""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from airflow.sdk import ObjectStoragePath

from airflow_provider_hubbatch.core.model import Input, RowOutcome, Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

log = logging.getLogger(__name__)

_MAGIC = "airflow-provider-hubbatch fingerprints 1"
_WORD = np.dtype("<u8")


class Fingerprints:
    """The fingerprints of one destination's records.

    :param path: any path or URL that ``ObjectStoragePath`` takes.
    :param owner: what the file must say to be used: account, object type, id property.
    """

    def __init__(self, path: str, owner: dict[str, Any]) -> None:
        self._path = ObjectStoragePath(path)
        self._owner = {"format": _MAGIC, **owner}
        self._keys = np.empty(0, _WORD)
        self._prints = np.empty(0, _WORD)
        self._touched = np.empty(0, bool)
        self._under_way: dict[int, tuple[int, int]] = {}
        self._new = _Words()
        self._forgotten = _Words()

    def load(self) -> None:
        """Read the file; one that is damaged, or of another destination, is ignored with a warning."""
        try:
            if not self._path.exists():
                log.info("No earlier sync is remembered in %s: every row is sent", self._path)
                return
            head, _, body = self._path.read_bytes().partition(b"\n")
            said = orjson.loads(head)
        except (OSError, ValueError) as error:
            self._ignore(f"it can't be read ({type(error).__name__})")
            return
        rows = said.pop("rows", None) if isinstance(said, dict) else None
        checksum = said.pop("checksum", None) if isinstance(said, dict) else None
        if said != self._owner:
            self._ignore("it is of another account, object type or id property, or no file of this provider")
        elif not isinstance(rows, int) or len(body) != 16 * rows or checksum != _checksum(body):
            self._ignore("it is damaged")
        else:
            self._keys = np.frombuffer(body, _WORD, rows)
            self._prints = np.frombuffer(body, _WORD, rows, 8 * rows)
            self._touched = np.zeros(rows, bool)

    def leave_out_unchanged(self, rows: Sequence[Input | RowOutcome]) -> list[Input | RowOutcome]:
        """Replace the inputs that the last sync wrote just so by their outcome.

        A second row of a record that is written in this sync is always sent: the first one changes what HubSpot has.
        """
        inputs = [row for row in rows if isinstance(row, Input)]
        keys = np.fromiter((_key(item) for item in inputs), _WORD, len(inputs))
        prints = np.fromiter((_print(item) for item in inputs), _WORD, len(inputs))
        unchanged = iter(self._unchanged(keys, prints))
        words = zip(keys.tolist(), prints.tolist(), strict=True)
        kept: list[Input | RowOutcome] = []
        for row in rows:
            if isinstance(row, RowOutcome):
                kept.append(row)
                continue
            word = next(words)
            if next(unchanged):
                kept.append(RowOutcome(row=row.row, id=row.given_id, status=Status.UNCHANGED))
            else:
                self._under_way[row.row] = word
                kept.append(row)
        return kept

    def note(self, outcome: RowOutcome) -> None:
        """A row has its outcome: remember it, or forget what was known of its record."""
        word = self._under_way.pop(outcome.row, None)
        if word is None or outcome.status is Status.NOT_SENT:
            return
        if outcome.status in (Status.UPDATED, Status.UNCHANGED):
            self._new.add(*word)
        else:
            self._forgotten.add(*word)

    def save(self) -> None:
        """Write the file anew, in one step: a reader sees the old one or the new one."""
        keys, prints = self._merged()
        body = keys.tobytes() + prints.tobytes()
        head = orjson.dumps({**self._owner, "rows": len(keys), "checksum": _checksum(body)})
        temporary = self._path.parent / f".{self._path.name}.new"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(head + b"\n" + body)
        self._path.fs.mv(temporary.path, self._path.path)

    def _unchanged(self, keys: np.ndarray[Any, Any], prints: np.ndarray[Any, Any]) -> Iterator[bool]:
        if not len(self._keys):
            yield from [False] * len(keys)
            return
        places = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        known = self._keys[places] == keys
        same = (known & (self._prints[places] == prints)).tolist()
        for place, is_known, is_same in zip(places.tolist(), known.tolist(), same, strict=True):
            if is_known and not is_same:
                self._touched[place] = True
            yield is_same and not self._touched[place]

    def _merged(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """What was known, without what was forgotten, with what is new; of one record the last."""
        new_keys, new_prints = self._new.arrays()
        forgotten, _ = self._forgotten.arrays()
        stays = ~np.isin(self._keys, forgotten)
        keys = np.concatenate([self._keys[stays], new_keys])
        prints = np.concatenate([self._prints[stays], new_prints])
        order = np.argsort(keys, kind="stable")
        keys, prints = keys[order], prints[order]
        last = np.append(keys[1:] != keys[:-1], [True]) if len(keys) else np.empty(0, bool)
        return keys[last], prints[last]

    def _ignore(self, why: str) -> None:
        log.warning("skip_unchanged: %s is ignored, and every row is sent: %s", self._path, why)


class _Words:
    """Pairs of 64-bit words, kept as 16 bytes each."""

    def __init__(self) -> None:
        self._parts: list[np.ndarray[Any, Any]] = []
        self._open: list[tuple[int, int]] = []

    def add(self, key: int, value: int) -> None:
        self._open.append((key, value))
        if len(self._open) >= 10_000:  # noqa: PLR2004 - often enough that Python's objects stay few
            self._pack()

    def arrays(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        self._pack()
        pairs = np.concatenate(self._parts) if self._parts else np.empty((0, 2), _WORD)
        return pairs[:, 0], pairs[:, 1]

    def _pack(self) -> None:
        if self._open:
            self._parts.append(np.array(self._open, _WORD))
            self._open = []


def _key(item: Input) -> int:
    return int.from_bytes(hashlib.blake2b(item.key.encode(), digest_size=8).digest(), "little")


def _print(item: Input) -> int:
    text = orjson.dumps(item.properties, option=orjson.OPT_SORT_KEYS)
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def _checksum(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=16).hexdigest()
