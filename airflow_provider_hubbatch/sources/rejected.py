"""The rows of an earlier run that were not written, out of its result files.

The files are read three times, so that memory doesn't grow with all of their outcomes: to choose rows, to leave out
those whose record was written later in that run, and to hand on what is left. A chosen row costs some 60 bytes.
"""

from __future__ import annotations

import logging
from array import array
from collections import Counter
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_provider_hubbatch.core.clearing import CLEARING_STOPPED
from airflow_provider_hubbatch.core.model import VALIDATE_ONLY, Status
from airflow_provider_hubbatch.core.redact import show_path
from airflow_provider_hubbatch.core.result_names import is_of_task
from airflow_provider_hubbatch.core.values import order_key
from airflow_provider_hubbatch.exceptions import SettingsError
from airflow_provider_hubbatch.sources.memory import dicts_chunks
from airflow_provider_hubbatch.sources.outcome_files import list_folder, list_runs, open_folder, writes_into

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from airflow_provider_hubbatch.core.model import Chunk
    from airflow_provider_hubbatch.sources.described import OwnRun, RejectedRows
    from airflow_provider_hubbatch.sources.outcome_files import OutcomeFiles

    Outcome = Mapping[str, Any]
    Numbers = np.ndarray[Any, np.dtype[np.int64]]

log = logging.getLogger(__name__)

_NOT_WRITTEN = frozenset({"rejected", "unknown", "not_sent"})
_WRITTEN = frozenset({"created", "updated", "archived", "unchanged"})
# Not sent on purpose: a look before the leap, and rows that were about to empty a property.
_ON_PURPOSE = frozenset({VALIDATE_ONLY, CLEARING_STOPPED})

# Rows of one record must come in their order: so many of such rows are held at once, to be sorted.
_MAX_SORTED_ROWS = 50_000
# A row number behind all others.
_AFTER_ALL = 2**62
# What is compared at once with the chosen rows.
_COMPARED_ROWS = 10_000


def read_rejected(
    source: RejectedRows, own: OwnRun | None, chunk_rows: int, columns: Sequence[str] | None
) -> Generator[Chunk]:
    """The rows to send again.

    :param source: which run's, and which of its rows.
    :param own: the sync that reads them.
    :param chunk_rows: the most rows a chunk may have.
    :param columns: those that are needed; ``None``: all.
    :raises SettingsError: the folder is the one that this sync writes to, or it isn't clear whose files are meant.
    """
    choice = _Choice.checked(source)
    for replay in _find_latest(source, own, choice) if source.latest else _find_named(source, own, choice):
        log.info("%s", replay.describe())
        replay.warn()
        rows = replay.rows()
        while part := list(islice(rows, chunk_rows)):
            yield from _make_chunks(part, columns)


def _make_chunks(part: Sequence[Outcome], columns: Sequence[str] | None) -> Iterator[Chunk]:
    rows = [outcome["values"] for outcome in part]
    invalid = {
        offset: f"of an earlier run can't be sent again: its result file could not hold {', '.join(map(repr, cut))}"
        for offset, outcome in enumerate(part)
        if (cut := outcome.get("values_cut"))
    }
    attempts = [_attempts(outcome) + 1 for outcome in part]
    for chunk in dicts_chunks(rows, invalid, 0, columns):
        yield replace(chunk, attempts=attempts[chunk.first_row : chunk.first_row + chunk.length])


# --- which files ------------------------------------------------------------------------------------------------------


def _find_named(source: RejectedRows, own: OwnRun | None, choice: _Choice) -> list[_Replay]:
    """The files of the folder that was named."""
    folder = open_folder(source.results_path)
    if own is not None and writes_into(own, folder) and source.task_id in (None, own.name):
        raise SettingsError(
            f"RejectedRows: {show_path(folder)} is where this sync writes its own results. Put the run into "
            'results_path, as "s3://bucket/hubspot/{{ run_id }}", and name an earlier run\'s folder here, or the '
            "folder above with latest=True"
        )
    found = list_folder(folder)
    if not found:
        log.warning("RejectedRows: there are no result files in %s, and so no rows to send again", show_path(folder))
    return [_Replay(files, choice) for files in _of_one_task(found, source, own)]


def _of_one_task(found: Sequence[OutcomeFiles], source: RejectedRows, own: OwnRun | None) -> list[OutcomeFiles]:
    """Of a folder that several tasks share, the files of the one that is meant."""
    if source.task_id is not None:
        return [files for files in found if is_of_task(files.task, source.task_id)]
    ours = [files for files in found if own is not None and files.task == own.name]
    if ours or not found:
        return ours
    tasks = [files.task for files in found]
    first = min(tasks, key=len)
    owner = first.rpartition("-")[0] if first.rpartition("-")[2].isdecimal() else first
    if not all(is_of_task(task, owner) for task in tasks):
        raise SettingsError(
            f"RejectedRows: {found[0].folder} has result files of several tasks ({', '.join(tasks[:5])}): name one "
            "with task_id"
        )
    return list(found)


def _find_latest(source: RejectedRows, own: OwnRun | None, choice: _Choice) -> list[_Replay]:
    """The files of the newest earlier run below a folder; none, before there is one."""
    base = open_folder(source.results_path)
    name = source.task_id or (own.name if own is not None else None)
    if own is not None and writes_into(own, base):
        raise SettingsError(
            f"RejectedRows: this sync's results_path is {show_path(base)} itself, so that each run removes the results "
            'of the one before. Put the run into it, as "s3://bucket/hubspot/{{ run_id }}"'
        )
    replays: list[_Replay] = []
    later: list[OutcomeFiles] = []
    for folder, found in list_runs(base):
        if own is not None and writes_into(own, folder, or_below=True):
            continue
        files = [
            one
            for one in found
            if name is None or one.task == name or (source.task_id and is_of_task(one.task, source.task_id))
        ]
        run = [_Replay(one, choice, later) for one in files]
        # a look before the leap has written nothing, and carried nothing over
        if not run or any(replay.only_looked for replay in run):
            continue
        replays = [*run, *replays]
        if all(one.has_ended() for one in files):
            return replays
        # what it had still to send again is in the run before it
        later = [*later, *files]
    if not replays:
        log.info("RejectedRows: no earlier run has result files below %s: no rows to send again", show_path(base))
    return replays


# --- which rows -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Choice:
    """Which outcomes' rows are sent again."""

    statuses: frozenset[str]
    categories: frozenset[str]
    by_default: bool
    max_attempts: int

    @classmethod
    def checked(cls, source: RejectedRows) -> _Choice:
        if not isinstance(source.max_attempts, int) or isinstance(source.max_attempts, bool) or source.max_attempts < 1:
            raise SettingsError(f"RejectedRows: max_attempts={source.max_attempts!r}: give a whole number above 0")
        given = source.statuses
        if given is None:
            return cls(_NOT_WRITTEN, frozenset(), by_default=True, max_attempts=source.max_attempts)
        if isinstance(given, str) or not given or not all(isinstance(one, str) for one in given):
            raise SettingsError(f"RejectedRows: statuses={given!r}: give a list of statuses or categories, or None")
        statuses = frozenset(one for one in given if one.islower())
        wrong = statuses - {status.value for status in Status}
        if wrong:
            raise SettingsError(
                f"RejectedRows: there is no status {', '.join(map(repr, sorted(wrong)))}; statuses are "
                f"{', '.join(repr(status.value) for status in Status)}, categories are in upper case"
            )
        return cls(statuses, frozenset(given) - statuses, by_default=False, max_attempts=source.max_attempts)

    def takes(self, outcome: Outcome) -> bool:
        """Whether such rows are asked for."""
        status, category = outcome["status"], outcome.get("category")
        if category in self.categories:
            return True
        if status not in self.statuses or (category in _ON_PURPOSE and status == "not_sent"):
            return False
        # what has no id was to be created: it may be there
        return not (self.by_default and status == "unknown" and outcome.get("id") is None)

    def for_files(self, files: OutcomeFiles) -> _Choice:
        """The same for rows without a key: of what may have been created nothing is sent again by itself."""
        if not self.by_default or not files.are_once():
            return self
        return replace(self, statuses=self.statuses - {"unknown"})

    def problem(self, outcome: Outcome) -> str | None:
        """Why a row that is asked for isn't sent again nevertheless."""
        if not isinstance(outcome.get("values"), dict):
            return "without their source row in the files"
        if _attempts(outcome) >= self.max_attempts:
            return f"sent again {self.max_attempts} times already"
        return None


def _attempts(outcome: Outcome) -> int:
    attempts = outcome.get("attempts", 0)
    return attempts if type(attempts) is int else 0


def _key(outcome: Outcome) -> int:
    """Equal for the outcomes of one record (or link), as far as their ids tell."""
    one, other = outcome.get("id"), outcome.get("to_id")
    if one is None:
        return hash(("no id", outcome["row"]))
    return hash((order_key(_text(one)), None if other is None else order_key(_text(other))))


def _text(identifier: Any) -> str:
    return str(int(identifier)) if isinstance(identifier, float) and identifier.is_integer() else str(identifier)


class _Replay:
    """The rows of one sync that are to be sent again.

    :param files: its result files.
    :param choice: which rows.
    :param later: the result files of later runs: what was written then must not be written over.
    """

    def __init__(self, files: OutcomeFiles, choice: _Choice, later: Sequence[OutcomeFiles] = ()) -> None:
        self._files = files
        self._later = later
        self._choice = choice.for_files(files)
        self._left_out: Counter[str] = Counter()
        self._spans: dict[str, tuple[int, int]] = {}
        self.only_looked = False
        chosen = self._survey()
        chosen = self._leave_out_written(chosen)
        self._counts = {
            name: int(count) for number, name in enumerate(chosen.names) if (count := (chosen.statuses == number).sum())
        }
        self._alone, self._together = chosen.split()

    def describe(self) -> str:
        """What is sent again, and what isn't, as the log has it."""
        counts = ", ".join(f"{count:,} {status}" for status, count in self._counts.items()) or "no rows"
        left_out = "; ".join(f"{count:,} {why}" for why, count in self._left_out.most_common())
        text = f"Sending again from {self._files.folder} ({self._files.task}): {counts}"
        return f"{text}; left out: {left_out}" if left_out else text

    def warn(self) -> None:
        """Say that rows may be nowhere: what a sync had not read when it was stopped has no line."""
        if not self._files.has_ended():
            log.warning(
                "RejectedRows: the run in %s was stopped before it had read all its rows, and those are not in its "
                "files: clear its task %s, unless a later run reads them anyway",
                self._files.folder,
                self._files.task,
            )

    def rows(self) -> Iterator[Outcome]:
        """Their outcomes: those of one record in row order."""
        yield from self._read(self._alone)
        for start in range(0, len(self._together), _MAX_SORTED_ROWS):
            part = self._together[start : start + _MAX_SORTED_ROWS]
            yield from sorted(self._read(part), key=lambda outcome: int(outcome["row"]))

    def _survey(self) -> _Chosen:
        """The rows that are asked for."""
        rows, keys, statuses = array("q"), array("q"), array("b")
        names: dict[str, int] = {}
        for path in self._files.counted():
            for outcome in self._files.read_file(path):
                self.only_looked = self.only_looked or outcome.get("category") == VALIDATE_ONLY
                if not self._choice.takes(outcome):
                    continue
                why_not = self._choice.problem(outcome)
                if why_not is not None:
                    self._left_out[why_not] += 1
                    continue
                row = outcome["row"]
                lowest, highest = self._spans.get(path, (row, row))
                self._spans[path] = min(lowest, row), max(highest, row)
                rows.append(row)
                keys.append(_key(outcome))
                statuses.append(names.setdefault(outcome["status"], len(names)))
        numbers, first = np.unique(np.frombuffer(rows, np.int64), return_index=True)
        return _Chosen(
            numbers, np.frombuffer(keys, np.int64)[first], np.frombuffer(statuses, np.int8)[first], list(names)
        )

    def _leave_out_written(self, chosen: _Chosen) -> _Chosen:
        """Leave out rows whose record was written later: an older value must not follow a newer one."""
        records, record_of_row = np.unique(chosen.keys, return_inverse=True)
        last_written = np.full(len(records), -1, np.int64)
        for rows, keys in self._written() if len(records) else ():
            places = np.minimum(np.searchsorted(records, keys), len(records) - 1)
            same = records[places] == keys
            np.maximum.at(last_written, places[same], rows[same])
        kept = chosen.rows > last_written[record_of_row]
        if not kept.all():
            self._left_out["whose record was written later"] = int((~kept).sum())
        return chosen.only(kept)

    def _written(self) -> Iterator[tuple[Numbers, Numbers]]:
        """Row numbers and keys of what was written; later runs come after every row."""
        own = ((outcome["row"], outcome) for outcome in self._files.read())
        others = ((_AFTER_ALL, outcome) for files in self._later for outcome in files.read())
        written = ((row, _key(outcome)) for row, outcome in chain(own, others) if outcome["status"] in _WRITTEN)
        while part := list(islice(written, _COMPARED_ROWS)):
            rows, keys = zip(*part, strict=True)
            yield np.array(rows, np.int64), np.array(keys, np.int64)

    def _read(self, rows: Numbers) -> Iterator[Outcome]:
        """The outcomes of these rows (sorted), each once, as the files have them."""
        if not len(rows):
            return
        missing = np.ones(len(rows), bool)
        outcomes = chain.from_iterable(
            self._files.read_file(path)
            for path, (lowest, highest) in self._spans.items()
            if lowest <= rows[-1] and highest >= rows[0]
        )
        while part := list(islice(outcomes, _COMPARED_ROWS)):
            numbers = np.array([outcome["row"] for outcome in part], np.int64)
            places = np.minimum(np.searchsorted(rows, numbers), len(rows) - 1)
            for offset in np.flatnonzero(rows[places] == numbers).tolist():
                outcome, place = part[offset], places[offset]
                if missing[place] and self._choice.takes(outcome) and self._choice.problem(outcome) is None:
                    missing[place] = False
                    yield outcome


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Rows that are asked for, as columns.

    :param rows: their numbers, sorted.
    :param keys: equal for two rows of one record.
    :param statuses: the places of their statuses in ``names``.
    """

    rows: Numbers
    keys: Numbers
    statuses: np.ndarray[Any, np.dtype[np.int8]]
    names: list[str]

    def only(self, kept: np.ndarray[Any, np.dtype[np.bool_]]) -> _Chosen:
        return _Chosen(self.rows[kept], self.keys[kept], self.statuses[kept], self.names)

    def split(self) -> tuple[Numbers, Numbers]:
        """The rows that are alone with their record, and those that share it with others."""
        _, place, counts = np.unique(self.keys, return_inverse=True, return_counts=True)
        alone = counts[place] == 1
        return self.rows[alone], self.rows[~alone]
