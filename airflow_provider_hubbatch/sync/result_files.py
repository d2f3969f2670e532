"""Result files: one outcome a row, as JSON lines, in a folder on any storage that Airflow reaches.

What is settled for good goes into numbered parts, written as the sync goes and closed at every checkpoint, so that a
retry can tell which lines count: object stores can't append. What a retry will send again (``unknown``,
``not_sent``) stands in a file of its own. All of them carry the id of the try that wrote them, and a small file beside
them says which tries' files count: so a try that Airflow has given up can't spoil its successor's, and notices.

A storage that fails in the middle (a full disk) must not cost the sync its account of the rows: nothing here raises
then, but ``error`` is set and nothing more is written, and the sync is to stop and to keep the checkpoint that goes
with the last complete part.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
from airflow.sdk import ObjectStoragePath

from airflow_provider_hubbatch.core.redact import printable, show_error, show_path
from airflow_provider_hubbatch.core.result_names import (
    MAX_CLAIM_BYTES,
    Claim,
    Parts,
    claim_name,
    looks_like_outcomes,
    parse_name,
    part_name,
    unsettled_name,
)
from airflow_provider_hubbatch.exceptions import SettingsError
from airflow_provider_hubbatch.sources.storage import make_private, names_in, start_of, write_private

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from airflow_provider_hubbatch.core.model import RowOutcome
    from airflow_provider_hubbatch.sync.tries import TaskTry

# A part is closed when it has this many rows, checkpoint or not: what waits to be written stays small.
MAX_PART_ROWS = 50_000

# Lines are handed to the storage in blocks of about this size.
_BLOCK_BYTES = 256 * 1024

# So much of a file tells whether it has outcomes in it.
_START_BYTES = 64 * 1024


class ResultFiles:
    """Writes the result files of one try into a folder: :mod:`~airflow_provider_hubbatch.core.result_names`.

    :param folder: any path or URL that ``ObjectStoragePath`` takes; made if it isn't there.
    :param name: what the files' names begin with: the task's, so that mapped tasks can share a folder.
    :param this_try: which try writes.
    :param earlier: the parts of tries before that count; all other files of this name are removed first.
    :param once: the rows have no key: one of which HubSpot didn't say what became of it is never sent again by itself.
    :param storage: entered around everything that may hang. An exception that it lets in is raised, and the files are
        given up then.
    :ivar error: why nothing is written any more.
    """

    def __init__(
        self,
        folder: str,
        name: str,
        this_try: TaskTry,
        *,
        earlier: Parts = (),
        once: bool = False,
        storage: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._folder = _storage_path(folder)
        self._name = name
        self._try = this_try
        self._claim = Claim(
            try_id=this_try.id,
            task=this_try.task,
            number=this_try.number,
            started_at=this_try.started_at,
            earlier=earlier,
            once=once,
        )
        self._parts = 0
        self._storage = storage
        self._part = self._next_part()
        self._unsettled = _Lines(self._folder / unsettled_name(name, this_try.id))
        self.error: BaseException | None = None

    def has_kept_parts(self) -> bool:
        """Whether the parts of earlier tries are where this one looks: another worker has other local folders."""
        try:
            there = names_in(self._folder)
        except Exception:  # noqa: BLE001 - whatever the storage raises, they aren't there
            there = set()
        return there.issuperset(self._claim.kept_names(self._name))

    def start(self) -> None:
        """Make the folder, take it over for this try, and remove what doesn't count any more.

        :raises SettingsError: it can't be written, or a file that would be replaced or removed isn't ours.
        :raises SyncStoppedError: a later try has it already.
        """
        foreign = None
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            names = names_in(self._folder)
            before = self._claim_before(names)
            if before is not None and before.follows(self._claim):
                self._try.give_way()
            foreign = next(self._foreign(names, before), None)
            if foreign is None and not self._try.superseded:
                write_private(self._claim_path, self._claim.as_json())
                self._remove(filter(self._is_left_over, names))
        except Exception as error:  # noqa: BLE001 - whatever its storage raises
            raise SettingsError(
                f"results_path: the folder {show_path(self._folder)} can't be written: {type(error).__name__}: "
                f"{show_error(error, self._folder)}"
            ) from printable(error, self._folder)
        self._try.raise_if_superseded()
        if foreign is not None:
            raise SettingsError(
                f"results_path: {show_path(self._folder / foreign)} has no outcomes of this package in it, and would "
                "be replaced or removed: give another folder, or remove the file if it may go"
            )

    def add(self, outcome: RowOutcome) -> None:
        """Write one outcome; rejected and unknown ones with their source row."""
        line = orjson.dumps(outcome.as_dict()) + b"\n"
        lines = self._part if outcome.is_settled else self._unsettled
        if lines.add(line):
            with self._writing():
                lines.flush()
        if self._part.lines >= MAX_PART_ROWS:
            self.close_part()

    def close_part(self) -> Parts:
        """Finish the part under way.

        :returns: which parts are complete, of this try and of those before that count.
        """
        if self._part.lines and self._is_ours():
            with self._writing():
                self._part.close()
                self._parts += 1
                self._part = self._next_part()
        own: Parts = ((self._try.id, self._parts),) if self._parts else ()
        return (*self._claim.earlier, *own)

    def close(self, *, ended: bool = True) -> None:
        """Finish all files, and remove what a try that was given up has written meanwhile.

        :param ended: every row has its line; else the sync was stopped before it had read all of them.
        """
        self.close_part()
        if self._is_ours():
            with self._writing():
                self._unsettled.close()
                strays = list(filter(self._is_left_over, names_in(self._folder)))
                self._remove(name for name in strays if self._has_outcomes(name))
                if ended:
                    write_private(self._claim_path, replace(self._claim, ended=True).as_json())

    def give_way(self) -> None:
        """Write nothing more, and take away what no result can need: another try has followed."""
        self._give_up(InterruptedError("another try has followed"))
        with suppress(Exception), self._storage():
            claim = self._read_claim()
            own = [part_name(self._name, self._try.id, number) for number in range(1, self._parts + 2)]
            own.append(unsettled_name(self._name, self._try.id))
            self._remove(file for file in own if claim.try_id != self._try.id and not claim.counts(self._name, file))

    def _is_ours(self) -> bool:
        """Whether this try may write: nothing has failed, and nobody else has taken the files over."""
        if self.error is None:
            with self._writing():
                claim = self._read_claim()
                if claim.try_id != self._try.id:
                    self._taken_over(claim)
        return self.error is None

    def _taken_over(self, claim: Claim) -> None:
        if self._try.task and claim.task == self._try.task:
            self._try.give_way()
            self._try.raise_if_superseded()
        raise SettingsError(
            f"results_path: another sync ({claim.task or 'of no task'}) writes files of the same name into "
            f"{show_path(self._folder)}, and this one has stopped: give each run its own folder, as with "
            "{{ run_id }} in the path"
        )

    def _read_claim(self) -> Claim:
        content = start_of(self._claim_path, MAX_CLAIM_BYTES + 1)
        if content is None:
            raise FileNotFoundError(f"{self._claim_path.name} is gone: was the folder emptied while the sync ran?")
        return Claim.from_json(content)

    def _claim_before(self, names: set[str]) -> Claim | None:
        """Who had the files before; ``None``: nobody, or nobody of ours."""
        if self._claim_path.name not in names:
            return None
        try:
            return self._read_claim()
        except ValueError:
            return None

    def _foreign(self, names: set[str], claim: Claim | None) -> Iterator[str]:
        """Files that would be replaced or removed, and aren't ours."""
        if claim is None and self._claim_path.name in names:
            yield self._claim_path.name
        for name in filter(self._is_left_over, sorted(names)):
            if (claim is None or not claim.counts(self._name, name)) and not self._has_outcomes(name):
                yield name

    def _is_left_over(self, name: str) -> bool:
        parsed = parse_name(name)
        return parsed is not None and parsed.task == self._name and not self._claim.counts(self._name, name)

    def _has_outcomes(self, name: str) -> bool:
        return looks_like_outcomes(start_of(self._folder / name, _START_BYTES) or b"")

    def _remove(self, names: Iterable[str]) -> None:
        for name in names:
            with suppress(FileNotFoundError):
                (self._folder / name).unlink()

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

    def _next_part(self) -> _Lines:
        return _Lines(self._folder / part_name(self._name, self._try.id, self._parts + 1))

    @property
    def _claim_path(self) -> ObjectStoragePath:
        return self._folder / claim_name(self._name)


class _Lines:
    """A file that is opened when its first block is full."""

    def __init__(self, path: Any) -> None:
        self._path = path
        self._file: Any = None
        self._block: list[bytes] = []
        self._bytes = 0
        self._given_up = False
        self.lines = 0

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
            make_private(self._path)
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
