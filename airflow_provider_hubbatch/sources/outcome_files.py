"""Result files, read: the outcomes of earlier syncs, streamed from any storage that Airflow reaches."""

from __future__ import annotations

import logging
import posixpath
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from airflow_provider_hubbatch.core.redact import printable, show_error, show_path
from airflow_provider_hubbatch.core.result_names import (
    MAX_CLAIM_BYTES,
    Claim,
    claim_name,
    is_of_task,
    order_names,
)
from airflow_provider_hubbatch.exceptions import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from airflow.sdk import ObjectStoragePath

    from airflow_provider_hubbatch.sources.described import OwnRun

log = logging.getLogger(__name__)

# A line of more is none that a sync has written: it is never held whole.
MAX_LINE_BYTES = 64_000_000

# What a storage calls the time at which a file was written.
_MODIFIED = ("mtime", "LastModified", "last_modified", "updated", "modified", "created")


@dataclass(frozen=True, slots=True)
class OutcomeFiles:
    """The result files of one sync.

    :param task: what they are called after.
    :param paths: as their storage names them, by name; also those that don't count.
    :param folder: where they are, as a log shows it.
    """

    task: str
    paths: Mapping[str, str]
    folder: str
    storage: Any

    def counted(self) -> list[str]:
        """The paths of those that count, in the order in which they are to be read.

        :raises SettingsError: what says which ones count can't be read.
        """
        claim = self._read_claim()
        names = order_names(self.paths, {} if claim is None else {self.task: claim})
        return [self.paths[name] for name in names.get(self.task, ())]

    def has_ended(self) -> bool:
        """Whether every row of the sync has its line, as far as anything tells.

        :raises SettingsError: as :meth:`counted`.
        """
        claim = self._read_claim()
        return claim is None or claim.ended

    def read(self) -> Iterator[dict[str, Any]]:
        """The outcomes of all files that count, one a line."""
        for path in self.counted():
            yield from self.read_file(path)

    def read_file(self, path: str) -> Iterator[dict[str, Any]]:
        """The outcomes of one file. A line that is none, as a kill may leave it, is counted in the log."""
        damaged = 0
        with self.storage.open(path, "rb") as file:
            while line := file.readline(MAX_LINE_BYTES):
                outcome = _parse(line)
                if outcome is None:
                    damaged += bool(line.strip())
                else:
                    yield outcome
        if damaged:
            log.warning("%d lines of %s are no outcomes, and left out", damaged, show_path(path))

    def are_once(self) -> bool:
        """Whether a row of which HubSpot didn't say what became of it may have created a record that nothing finds.

        :raises SettingsError: as :meth:`counted`.
        """
        claim = self._read_claim()
        return claim is not None and claim.once

    def _read_claim(self) -> Claim | None:
        """What says which files count; ``None`` where somebody has copied them without it."""
        path = self.paths.get(claim_name(self.task))
        if path is None:
            return None
        try:
            with self.storage.open(path, "rb") as file:
                return Claim.from_json(file.read(MAX_CLAIM_BYTES + 1))
        except (ValueError, OSError) as error:
            raise SettingsError(
                f"{show_path(path)} can't be read, which says what files of {self.task} count: {type(error).__name__}"
            ) from printable(error, path)


def _parse(line: bytes) -> dict[str, Any] | None:
    with suppress(ValueError):
        outcome = orjson.loads(line)
        if isinstance(outcome, dict) and type(outcome.get("row")) is int and isinstance(outcome.get("status"), str):
            return outcome
    return None


def writes_into(own: OwnRun, folder: Any, *, or_below: bool = False) -> bool:
    """Whether a sync's result files are in this folder.

    :param folder: as :func:`open_folder` gives it.
    """
    if own.results_path is None:
        return False
    path = open_folder(own.results_path)
    ours, theirs = f"{path.path.rstrip('/')}/", f"{folder.path.rstrip('/')}/"
    return path.fs.protocol == folder.fs.protocol and (ours.startswith(theirs) if or_below else ours == theirs)


def open_folder(folder: str) -> Any:
    """A folder as Airflow's storages see it.

    :raises SettingsError: there is no storage of this kind.
    """
    from airflow.providers.common.compat.sdk import ObjectStoragePath  # noqa: PLC0415 - loads fsspec

    try:
        path = ObjectStoragePath(folder)
        path.fs.invalidate_cache()  # another process may have written there since
    except Exception as error:
        raise SettingsError(f"{show_path(folder)} is no folder of result files: {type(error).__name__}") from error
    return path


def list_folder(folder: Any) -> list[OutcomeFiles]:
    """The result files of one run's folder, task by task.

    :param folder: as :func:`open_folder` gives it.
    """
    return _group(folder, folder.fs.find(folder.path, maxdepth=1))


def result_paths(results_path: Any, task_id: str | None) -> list[ObjectStoragePath]:
    """The result files of a folder that count.

    :param results_path: the folder.
    :param task_id: of this task alone, all of its mapped instances; ``None``: of every task that left files there.
    :raises SettingsError: the folder can't be read.
    """
    folder = open_folder(results_path)
    try:
        found = list_folder(folder)
    except OSError as error:
        raise SettingsError(
            f"the result files in {show_path(results_path)} can't be listed: {show_error(error, results_path)}"
        ) from printable(error, results_path)
    mine = [files for files in found if task_id is None or is_of_task(files.task, task_id)]
    return [folder / posixpath.basename(path) for files in mine for path in files.counted()]


def list_runs(folder: Any) -> list[tuple[Any, list[OutcomeFiles]]]:
    """The folders of runs below a folder, the one that was written to last first, with their result files.

    :param folder: as :func:`open_folder` gives it.
    """
    base = folder.path.rstrip("/")
    paths: dict[str, list[str]] = {}
    written: dict[str, float] = {}
    for path, info in folder.fs.find(base, maxdepth=2, detail=True).items():
        run, _, file = str(path).removeprefix(f"{base}/").partition("/")
        if file:
            paths.setdefault(run, []).append(str(path))
            written[run] = max(written.get(run, 0.0), _modified(info))
    newest = sorted(paths, key=lambda run: (written[run], run), reverse=True)
    return [(folder / run, _group(folder / run, paths[run])) for run in newest]


def _group(folder: Any, paths: Iterable[str]) -> list[OutcomeFiles]:
    by_name = {posixpath.basename(path): path for path in paths}
    return [OutcomeFiles(task, by_name, show_path(folder), folder.fs) for task in order_names(by_name, {})]


def _modified(info: Mapping[str, Any]) -> float:
    for key in _MODIFIED:
        value = info.get(key)
        if isinstance(value, str):
            with suppress(ValueError):
                value = datetime.fromisoformat(value)
        if isinstance(value, datetime):
            return value.timestamp()
        if isinstance(value, (int, float)):
            return float(value)
    return 0.0
