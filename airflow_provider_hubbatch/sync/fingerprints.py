"""What the last sync wrote, as 24 bytes a record: rows that have not changed since are not sent (``skip_unchanged``).

The file is a line of JSON that says whose it is, then three words of 8 bytes a record: the ids (sorted), the
fingerprints of the values, the record ids. Only confirmed rows are remembered: a row that failed, whose fate is
unknown, or of which HubSpot kept another value, is forgotten, so that it is sent next time.

A second small file stands beside it from before the first update until the new state is written. Found at the
beginning of a sync, it says that another one was killed, or is under way: what it wrote meanwhile isn't remembered
anywhere, so that the state can't be trusted, and everything is sent.
"""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_hubbatch.core.model import Input, RowOutcome, Status
from airflow_provider_hubbatch.core.redact import printable, show_error, show_path
from airflow_provider_hubbatch.exceptions import SettingsError
from airflow_provider_hubbatch.sources.storage import make_private, size_of, start_of, write_private

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Words = np.ndarray[Any, np.dtype[np.uint64]]

log = logging.getLogger(__name__)

_MAGIC = "airflow-provider-hubbatch fingerprints 2"

# What a file of ours begins with, whatever its version
_MAGIC_START = b'{"format":"airflow-provider-hubbatch fingerprints '

# Its first line is shorter; a file whose first line isn't is damaged.
_MAX_HEAD_BYTES = 4_096

# What stands in the file beside it: also as much of it as a process wrote that was killed then
_MARK = re.compile(rb"[0-9a-f]{0,16}")
_WORD = np.dtype("<u8")
_WORDS = 3
BYTES_A_RECORD = _WORDS * _WORD.itemsize

# In place of a fingerprint: what is in HubSpot isn't known.
_FORGOTTEN = 0
# In place of a record id that isn't known.
_NO_RECORD = 0

_LONGEST_NUMBER = 19


class Fingerprints:
    """The fingerprints of one destination's records.

    :param path: any path or URL that ``ObjectStoragePath`` takes.
    :param owner: what the file must say to be used: ``portal`` (the account's id), object type, id property.
    :param writes: whether the sync writes to HubSpot at all.
    :raises SettingsError: no such storage.
    """

    def __init__(self, path: str, owner: Mapping[str, Any], *, writes: bool = True) -> None:
        try:
            self._path = ObjectStoragePath(path)
        except (ValueError, ImportError) as error:
            raise SettingsError(
                f"skip_unchanged: {show_path(path)} can't be opened: {show_error(error, path)}"
            ) from printable(error, path)
        self._under_way_path = self._path.parent / f".{self._path.name}.under-way"
        self._owner = {"format": _MAGIC, **owner}
        self._writes = writes
        self._by_record_id = owner.get("id_property") is None
        self._mark = ""
        self._unreadable = False
        self._keys, self._prints, self._records = _columns(b"", 0)
        self._touched = np.zeros(0, bool)
        self._under_way: dict[int, tuple[int, int]] = {}
        self._events = _Events()

    def load(self) -> None:
        """Read the file; one that is damaged, or of another destination, is ignored with a warning.

        :raises SettingsError: what is there isn't ours, and would be replaced at the end.
        """
        try:
            content = self._read()
            left_behind = self._is_marked()
        except SettingsError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the storage raises: then every row is sent
            self._unreadable = True
            self._ignore(f"it can't be read ({type(error).__name__})")
            return
        if content is None:
            log.info("No earlier sync is remembered in %s: every row is sent", self._shown)
            return
        why_not = self._take(*content)
        if why_not is None and left_behind:
            why_not = "the sync before was killed, or another one is under way"
            self._keys, self._prints, self._records = _columns(b"", 0)
        if why_not is not None:
            self._ignore(why_not)
        self._touched = np.zeros(len(self._keys), bool)

    def leave_out_unchanged(self, rows: Sequence[Input | RowOutcome]) -> list[Input | RowOutcome]:
        """Replace the inputs that the last sync wrote with the same values by their outcome.

        A second row of a record that is written in this sync is always sent: the first one changes what HubSpot has.

        :raises SettingsError: there is something to write, and the state can't be.
        """
        inputs = [row for row in rows if isinstance(row, Input)]
        words = list(zip(map(_key, inputs), map(_print, inputs), strict=True))
        unchanged = self._unchanged(words)
        outcomes = {
            item.row: RowOutcome(item.row, item.given_id, Status.UNCHANGED, item.id if self._by_record_id else None)
            for item, same in zip(inputs, unchanged, strict=True)
            if same
        }
        to_send = {item.row: word for item, word in zip(inputs, words, strict=True) if item.row not in outcomes}
        if to_send and self._writes and not self._mark:
            self._mark_under_way()
        self._under_way |= to_send
        return [outcomes.get(row.row, row) for row in rows] if outcomes else list(rows)

    def note(self, outcome: RowOutcome) -> None:
        """A row has its outcome: remember it, or forget what was known of its record."""
        word = self._under_way.pop(outcome.row, None)
        if word is None or outcome.status is Status.NOT_SENT:
            return
        key, fingerprint = word
        confirmed = outcome.status in (Status.CREATED, Status.UPDATED, Status.UNCHANGED) and not outcome.not_taken
        record = _NO_RECORD if outcome.record_id is None else _word_of_record(outcome.record_id)
        self._events.add((key, fingerprint if confirmed else _FORGOTTEN, record))

    def save(self) -> None:
        """Replace the file in one step: a reader sees the old one or the new one.

        What the storage raises is a warning: the rows are written, and the next sync only sends more of them.
        """
        if not self._mark:
            return  # nothing was sent: the state is as it was
        for key, _ in self._under_way.values():  # nobody waited for their outcome
            self._events.add((key, _FORGOTTEN, _NO_RECORD))
        self._under_way.clear()
        if self._unreadable:
            self._warn_not_remembered(f"{self._shown} couldn't be read before, so that it isn't replaced")
            return
        try:
            if start_of(self._under_way_path, 64) == self._mark.encode():
                self._replace_file()
                self._under_way_path.unlink()
                return
        except Exception as error:  # noqa: BLE001 - whatever the storage raises
            self._warn_not_remembered(f"{self._shown} can't be written ({type(error).__name__})")
            return
        self._warn_not_remembered(f"another sync has used {self._shown} at the same time")
        with suppress(Exception):
            # so that the other one doesn't remember anything either, or nobody what it has
            write_private(self._under_way_path, self._mark.encode())

    @property
    def _shown(self) -> str:
        return show_path(self._path)

    def _mark_under_way(self) -> None:
        self._mark = secrets.token_hex(8)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_private(self._under_way_path, self._mark.encode())
        except (OSError, ValueError, ImportError) as error:
            self._mark = ""
            raise SettingsError(
                f"skip_unchanged: {self._shown} can't be written: {type(error).__name__}: "
                f"{show_error(error, self._path)}"
            ) from printable(error, self._path)

    def _read(self) -> tuple[bytes, bytes] | None:
        """The file's first line and what follows it; ``None`` if there is no file, or an empty one.

        What follows is read only if it has the length that the first line says.

        :raises SettingsError: it is no file of ours.
        """
        try:
            size = size_of(self._path)
        except IsADirectoryError as error:
            raise SettingsError(f"skip_unchanged: {self._shown} is a folder: give the path of a file") from error
        except ValueError as error:
            raise SettingsError(f"skip_unchanged: {self._shown}: {error}: give another path") from error
        if not size:
            return None
        with self._path.open("rb") as file:
            start = file.read(_MAX_HEAD_BYTES)
            if not start.startswith(_MAGIC_START):
                raise SettingsError(
                    f"skip_unchanged: {self._shown} is no file of this package, and would be replaced: give another "
                    "path, or remove it if it may go"
                )
            head, _, body = start.partition(b"\n")
            if len(head) + 1 + BYTES_A_RECORD * _records(_said(head)) == size:
                body += file.read(size - len(start))
        return head, body

    def _is_marked(self) -> bool:
        """Whether a sync before has left the small file behind that says that it is under way.

        :raises SettingsError: something else has its name.
        """
        mark = start_of(self._under_way_path, 64)
        if mark is not None and not _MARK.fullmatch(mark):
            raise SettingsError(
                f"skip_unchanged: {show_path(self._under_way_path)} is no file of this package, and would be replaced: "
                "give another path, or remove it if it may go"
            )
        return mark is not None

    def _take(self, head: bytes, body: bytes) -> str | None:
        """Take in a file's content.

        :returns: why it is ignored, if it is.
        """
        said = _said(head)
        if said.get("format") != _MAGIC:
            return "it is damaged, or no file of this version"
        if said.get("portal") is None or said["portal"] != self._owner["portal"]:
            return "it is of another HubSpot account, or HubSpot doesn't tell whose token this is"
        names = (*self._owner, "write_when")
        if any(said.get(name) != self._owner.get(name) for name in names):
            return "it is of another object type, id property or write_when"
        records = _records(said)
        if len(body) != BYTES_A_RECORD * records or said.get("checksum") != _checksum(body):
            return "it is damaged"
        self._keys, self._prints, self._records = _columns(body, records)
        return None

    def _unchanged(self, words: Sequence[tuple[int, int]]) -> Iterator[bool]:
        if not len(self._keys) or not words:
            yield from [False] * len(words)
            return
        pairs = np.array(words, _WORD)
        places = np.minimum(np.searchsorted(self._keys, pairs[:, 0]), len(self._keys) - 1)
        known = self._keys[places] == pairs[:, 0]
        same = known & (self._prints[places] == pairs[:, 1])
        for place, is_known, is_same in zip(places.tolist(), known.tolist(), same.tolist(), strict=True):
            if is_known and not is_same:
                self._touched[place] = True
            yield is_same and not self._touched[place]

    def _replace_file(self) -> None:
        columns = self._merged()
        body = b"".join(column.tobytes() for column in columns)
        head = orjson.dumps({**self._owner, "records": len(columns[0]), "checksum": _checksum(body)})
        temporary = self._path.parent / f".{self._path.name}.{self._mark}"
        try:
            make_private(temporary)
            with temporary.open("wb") as file:
                file.writelines((head, b"\n", body))
            self._path.fs.mv(temporary.path, self._path.path)
        except BaseException:
            with suppress(Exception):
                temporary.unlink()
            raise

    def _merged(self) -> tuple[Words, Words, Words]:
        """What was known and what happened since: of each id the last, unless it is forgotten.

        Ids that turn out to name one record (two addresses of a contact) are forgotten, too: of their rows, each
        changes what the other has written.
        """
        new = self._events.columns()
        known = (self._keys, self._prints, self._records)
        keys, prints, records = (np.concatenate(pair) for pair in zip(known, new, strict=True))
        order = np.argsort(keys, kind="stable")
        last = order[np.append(keys[order][1:] != keys[order][:-1], [True])] if len(order) else order
        keys, prints, records = keys[last], prints[last], records[last]
        named, where, times = np.unique(records, return_inverse=True, return_counts=True)
        alone = (times == 1) | (named == _NO_RECORD)
        stays = (prints != _FORGOTTEN) & alone[where] if len(keys) else np.zeros(0, bool)
        return keys[stays], prints[stays], records[stays]

    def _ignore(self, why: str) -> None:
        log.warning("skip_unchanged: %s is ignored, and every row is sent: %s", self._shown, why)

    def _warn_not_remembered(self, why: str) -> None:
        log.warning("skip_unchanged: what was written isn't remembered, and the next sync sends every row: %s", why)


class _Events:
    """What happened to records, in order, kept as three words each."""

    def __init__(self) -> None:
        self._parts: list[np.ndarray[Any, Any]] = []
        self._open: list[tuple[int, int, int]] = []

    def add(self, event: tuple[int, int, int]) -> None:
        self._open.append(event)
        if len(self._open) >= 10_000:  # noqa: PLR2004 - often enough that Python's objects stay few
            self._pack()

    def columns(self) -> tuple[Words, Words, Words]:
        self._pack()
        events = np.concatenate(self._parts) if self._parts else np.empty((0, _WORDS), _WORD)
        return events[:, 0], events[:, 1], events[:, 2]

    def _pack(self) -> None:
        if self._open:
            self._parts.append(np.array(self._open, _WORD))
            self._open = []


def _columns(body: bytes | memoryview, records: int) -> tuple[Words, Words, Words]:
    one, two, three = np.frombuffer(body, _WORD, _WORDS * records).reshape(_WORDS, records)
    return one, two, three


def _hashed(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


def _key(item: Input) -> int:
    return _hashed(item.key.encode(errors="surrogatepass"))


def _print(item: Input) -> int:
    return _hashed(orjson.dumps(item.properties, option=orjson.OPT_SORT_KEYS)) or 1


def _word_of_record(record_id: str) -> int:
    if record_id.isascii() and record_id.isdigit() and len(record_id) < _LONGEST_NUMBER:
        return int(record_id)
    return _hashed(record_id.encode(errors="surrogatepass"))


def _checksum(body: bytes | memoryview) -> str:
    return hashlib.blake2b(body, digest_size=16).hexdigest()


def _said(head: bytes) -> dict[str, Any]:
    """What a file's first line says; nothing, where it is damaged."""
    try:
        said = orjson.loads(head)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _records(said: Mapping[str, Any]) -> int:
    """How many records a file says that it has; -1 for anything that can't be."""
    records = said.get("records")
    return records if isinstance(records, int) and not isinstance(records, bool) and records >= 0 else -1
