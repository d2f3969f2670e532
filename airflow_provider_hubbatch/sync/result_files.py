"""Result files: one outcome a row, as JSON lines, in a folder on any storage that Airflow reaches.

What is settled for good goes into numbered parts, written as the sync goes and closed at every checkpoint, so that a
retry can tell which lines count: object stores can't append. What a retry will send again (``unknown``,
``not_sent``) stands in a file of its own, which the retry replaces.

A storage that fails in the middle (a full disk) must not cost the sync its account of the rows: nothing here raises
then, but ``error`` is set and nothing more is written, and the sync is to stop and to keep the checkpoint that goes
with the last complete part.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

import orjson
from airflow.sdk import ObjectStoragePath

from airflow_provider_hubbatch.core.checkpoint import is_settled
from airflow_provider_hubbatch.core.redact import printable, show_error, show_path
from airflow_provider_hubbatch.exceptions import SettingsError
from airflow_provider_hubbatch.sync.storage import names_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_hubbatch.core.model import RowOutcome

# A part is closed when it has this many rows, checkpoint or not: what waits to be written stays small.
MAX_PART_ROWS = 50_000

# Lines are handed to the storage in blocks of about this size.
_BLOCK_BYTES = 256 * 1024


class ResultFiles:
    """Writes ``{name}-00001.jsonl``, ``{name}-00002.jsonl``, ... and ``{name}-unsettled.jsonl`` into a folder.

    :param folder: any path or URL that ``ObjectStoragePath`` takes; made if it isn't there.
    :param name: what the files' names begin with: the task's, so that mapped tasks can share a folder.
    :param kept_parts: so many parts of an earlier try stay; all other files of this name are removed first.
    :param storage: entered around everything that may hang. An exception that it lets in is raised, and the files are
        given up then.
    """

    def __init__(
        self,
        folder: str,
        name: str,
        *,
        kept_parts: int = 0,
        storage: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._folder = _storage_path(folder)
        self._name = name
        self._parts = kept_parts
        self._storage = storage
        self._part = _Lines(self._path(self._parts + 1))
        self._unsettled = _Lines(self._folder / f"{name}-unsettled.jsonl")
        self.error: BaseException | None = None

    def has_kept_parts(self) -> bool:
        """Whether the parts of the earlier try are where this one looks: another worker has other local folders."""
        try:
            there = names_in(self._folder)
        except Exception:  # noqa: BLE001 - whatever the storage raises, they aren't there
            there = set()
        return all(self._path(number).name in there for number in range(1, self._parts + 1))

    def start(self) -> None:
        """Make the folder, remove what an earlier try or run left, and prove that it can be written.

        :raises SettingsError: it can't.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for name in names_in(self._folder):
                if self._is_left_over(name):
                    (self._folder / name).unlink()
            self._unsettled.probe()
        except Exception as error:  # noqa: BLE001 - whatever its storage raises
            raise SettingsError(
                f"results_path: the folder {show_path(self._folder)} can't be written: {type(error).__name__}: "
                f"{show_error(error, self._folder)}"
            ) from printable(error, self._folder)

    def add(self, outcome: RowOutcome) -> None:
        """Write one outcome; rejected and unknown ones with their source row."""
        line = orjson.dumps(outcome.as_dict()) + b"\n"
        lines = self._part if is_settled(outcome) else self._unsettled
        if lines.add(line):
            with self._writing():
                lines.flush()
        if self._part.lines >= MAX_PART_ROWS:
            self.close_part()

    def close_part(self) -> int:
        """Finish the part under way.

        :returns: how many parts are complete.
        """
        if self._part.lines and self.error is None:
            with self._writing():
                self._part.close()
                self._parts += 1
                self._part = _Lines(self._path(self._parts + 1))
        return self._parts

    def close(self) -> None:
        """Finish all files."""
        self.close_part()
        if self.error is None:
            with self._writing():
                self._unsettled.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Whatever the storage raises is an ``error``. A task's timeout, which ends what hangs, is raised too."""
        try:
            with self._storage():
                yield
        except BaseException as error:
            self._give_up(error)
            if not isinstance(error, Exception):
                raise

    def _give_up(self, error: BaseException) -> None:
        self.error = self.error or error
        for lines in (self._part, self._unsettled):
            lines.give_up(close=isinstance(error, Exception))

    def _path(self, number: int) -> ObjectStoragePath:
        return self._folder / f"{self._name}-{number:05d}.jsonl"

    def _is_left_over(self, name: str) -> bool:
        middle = name.removeprefix(f"{self._name}-").removesuffix(".jsonl")
        if name != f"{self._name}-{middle}.jsonl":
            return False
        return middle == "unsettled" or (middle.isdecimal() and int(middle) > self._parts)


class _Lines:
    """A file that is opened when its first block is full."""

    def __init__(self, path: Any) -> None:
        self._path = path
        self._file: Any = None
        self._block: list[bytes] = []
        self._bytes = 0
        self._given_up = False
        self.lines = 0

    def probe(self) -> None:
        """Make the file and remove it again."""
        with self._path.open("wb") as file:
            file.write(b"\n")
        self._path.unlink()

    def give_up(self, *, close: bool) -> None:
        """Write nothing more, nor hold anything for it.

        :param close: not what hangs.
        """
        self._given_up = True
        self._block.clear()
        if self._file is not None and close:
            with suppress(Exception):
                self._file.close()

    def add(self, line: bytes) -> bool:
        """Take a line; whether it is time to flush."""
        if self._given_up:
            return False
        self._block.append(line)
        self._bytes += len(line)
        self.lines += 1
        return self._bytes >= _BLOCK_BYTES

    def close(self) -> None:
        if self._block:
            self.flush()
        if self._file is not None:
            self._file.close()

    def flush(self) -> None:
        if self._file is None:
            self._file = self._path.open("wb")
        self._file.write(b"".join(self._block))
        self._block, self._bytes = [], 0


def _storage_path(folder: str) -> ObjectStoragePath:
    """The folder as Airflow's storages see it.

    :raises SettingsError: there is no storage of this kind.
    """
    try:
        return ObjectStoragePath(folder)
    except Exception as error:  # noqa: BLE001 - whatever its storage raises
        raise SettingsError(
            f"results_path: {show_path(folder)} is no folder: {type(error).__name__}: {show_error(error, folder)}"
        ) from printable(error, folder)
