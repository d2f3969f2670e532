"""Result files: one outcome a row, as JSON lines, in a folder on any storage that Airflow reaches.

What is settled for good goes into numbered parts, written as the sync goes and closed at every checkpoint, so that a
retry can tell which lines count: object stores can't append. What a retry will send again (``unknown``,
``not_sent``) stands in a file of its own, which the retry replaces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from airflow.sdk import ObjectStoragePath

from airflow_provider_hubbatch.core.errors import SettingsError
from airflow_provider_hubbatch.core.model import Status

if TYPE_CHECKING:
    from airflow_provider_hubbatch.core.model import RowOutcome

# A part is closed when it has this many rows, checkpoint or not: what waits to be written stays small.
MAX_PART_ROWS = 50_000

# Lines are handed to the storage in blocks of about this size.
_BLOCK_BYTES = 256 * 1024

UNSETTLED = (Status.UNKNOWN, Status.NOT_SENT)


class ResultFiles:
    """Writes ``{name}-00001.jsonl``, ``{name}-00002.jsonl``, ... and ``{name}-unsettled.jsonl`` into a folder.

    :param folder: any path or URL that ``ObjectStoragePath`` takes; made if it isn't there.
    :param name: what the files' names begin with: the task's, so that mapped tasks can share a folder.
    :param kept_parts: so many parts of an earlier try stay; all other files of this name are removed first.
    """

    def __init__(self, folder: str, name: str, *, kept_parts: int = 0) -> None:
        self._folder = ObjectStoragePath(folder)
        self._name = name
        self._parts = kept_parts
        self._part = _Lines(self._path(self._parts + 1))
        self._unsettled = _Lines(self._folder / f"{name}-unsettled.jsonl")

    def start(self) -> None:
        """Make the folder and remove what an earlier try or run left.

        :raises SettingsError: the folder can't be written.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for path in list(self._folder.iterdir()):
                if self._is_left_over(path.name):
                    path.unlink()
        except (OSError, ValueError, ImportError) as error:
            raise SettingsError(
                f"results_path: the folder {self._folder} can't be written: {type(error).__name__}: {error}"
            ) from error

    def add(self, outcome: RowOutcome) -> None:
        """Write one outcome; rejected and unknown ones with their source row."""
        line = orjson.dumps(outcome.as_dict()) + b"\n"
        if outcome.status in UNSETTLED:
            self._unsettled.add(line)
            return
        self._part.add(line)
        if self._part.lines >= MAX_PART_ROWS:
            self.close_part()

    def close_part(self) -> int:
        """Finish the part under way.

        :returns: how many parts are complete.
        """
        if self._part.lines:
            self._part.close()
            self._parts += 1
            self._part = _Lines(self._path(self._parts + 1))
        return self._parts

    def close(self) -> None:
        """Finish all files."""
        self.close_part()
        self._unsettled.close()

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
        self.lines = 0

    def add(self, line: bytes) -> None:
        self._block.append(line)
        self._bytes += len(line)
        self.lines += 1
        if self._bytes >= _BLOCK_BYTES:
            self._flush()

    def close(self) -> None:
        if self._block:
            self._flush()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _flush(self) -> None:
        if self._file is None:
            self._file = self._path.open("wb")
        self._file.write(b"".join(self._block))
        self._block, self._bytes = [], 0
