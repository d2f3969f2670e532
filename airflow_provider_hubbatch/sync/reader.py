"""A sync's rows on their way in: read as they come, from where an earlier try has left off."""

from __future__ import annotations

import itertools
from contextlib import closing
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch import sources
from airflow_provider_hubbatch.core.clearing import EmptyValues
from airflow_provider_hubbatch.exceptions import SyncFailedError, SyncStoppedError
from airflow_provider_hubbatch.sync.intake import Intake, Prepared, ResumedRows, not_asked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from airflow_provider_hubbatch.core.checkpoint import Checkpoint
    from airflow_provider_hubbatch.core.mapping import RowMapping
    from airflow_provider_hubbatch.core.model import Chunk, RowOutcome
    from airflow_provider_hubbatch.core.options import SyncOptions
    from airflow_provider_hubbatch.core.owners import Owners
    from airflow_provider_hubbatch.core.pairs import PairMapping
    from airflow_provider_hubbatch.sync.recorder import Recorder
    from airflow_provider_hubbatch.sync.signals import HeldSignals

_NO_RESULT_FILES = (
    "the result files of the try that left a checkpoint are not there (a folder of another worker? On a storage that "
    "all workers reach, a retry goes on)"
)


class RowReader:
    """Reads a sync's rows, chunk by chunk, and makes them ready to send.

    :param rows: whatever the operator takes.
    :param name: the sync's, by which its result files are called.
    :param recorder: told when all is read; knows what earlier tries have left.
    :param signals: may raise while a chunk is waited for.
    :param is_stopped: whether the sync was told to end before there was anything to stop.
    :param stop: ends the sync with an error.
    :param read_owners: asks HubSpot for the account's owners, of whom the rows have these properties.
    """

    def __init__(
        self,
        rows: Any,
        options: SyncOptions,
        *,
        name: str,
        recorder: Recorder,
        signals: HeldSignals,
        is_stopped: Callable[[], bool],
        stop: Callable[[BaseException], None],
        read_owners: Callable[[Sequence[str]], Owners],
    ) -> None:
        self._rows = rows
        self._options = options
        self._spec = options.mapping
        self._name = name
        self._recorder = recorder
        self._signals = signals
        self._is_stopped = is_stopped
        self._stop = stop
        self._read_owners = read_owners

    def chunks(self) -> closing[Any]:
        """The rows as they come, from the first on."""
        own = sources.OwnRun(self._options.results_path, self._name)
        chunks = sources.chunks(self._rows, columns=self._spec.columns, own=own)
        most = self._options.most_rows
        return closing(chunks if most is None else _at_most(most, chunks))

    def new_intake(self, mapping: RowMapping | PairMapping) -> Intake:
        """For reading the rows from the first on."""
        empty = EmptyValues(clears=self._spec.clears, max_cleared=self._options.most_cleared)
        return Intake(
            mapping, empty, digests=self._recorder.checkpoints is not None, read_owners=self._asked_for_owners
        )

    def prepared(self, intake: Intake, chunks: Iterable[Chunk]) -> Iterator[Prepared]:
        """All of these rows, ready to send; from where they can't be made so, the sync ends, and they are not sent."""
        waiting = iter(chunks)
        can_prepare = True
        while True:
            with self._signals.let_through():
                chunk = next(waiting, None)
            if chunk is None:
                self._recorder.all_read = True
                return
            prepared = self._prepared(intake, chunk) if can_prepare else None
            can_prepare = prepared is not None
            yield prepared or Prepared(list(self._not_sent(chunk)))

    def _prepared(self, intake: Intake, chunk: Chunk) -> Prepared | None:
        try:
            return intake.prepare(chunk)
        except BaseException as error:  # noqa: BLE001 - the sync ends with it, and these rows have their outcome
            self._stop(error)
            return None

    def _not_sent(self, chunk: Chunk) -> Iterator[RowOutcome]:
        keeps_rows = self._options.results_path is not None
        for outcome in not_asked(chunk, self._spec.ids_in(chunk)):
            yield outcome if keeps_rows else outcome._replace(values=None)

    def _asked_for_owners(self, names: Sequence[str]) -> Owners:
        with self._signals.let_through():
            return self._read_owners(names)

    def left(self, intake: Intake, chunks: Iterable[Chunk], checkpoint: Checkpoint | None) -> Iterator[Prepared] | None:
        """The rows that are still to be done.

        :param chunks: all of them.
        :param checkpoint: what an earlier try left, if it has left anything.
        :returns: ``None``: these are not the rows of that try, and have been read now.
        """
        recorder = self._recorder
        if checkpoint is None or recorder.checkpoints is None:
            return self.prepared(intake, chunks)
        if checkpoint.result_parts and not recorder.result_files(checkpoint.result_parts).has_kept_parts():
            recorder.checkpoints.start_over(_NO_RESULT_FILES)
            return self.prepared(intake, chunks)
        again = ResumedRows(checkpoint, intake, self.until_stopped(chunks))
        if not again.are_the_same():
            recorder.checkpoints.start_over("the rows are not those of the try that left a checkpoint")
            return None
        recorder.resume(checkpoint, again)
        rows: Iterator[Prepared] = itertools.chain(again.unsettled, self.prepared(intake, again.rest()))
        if self._spec.is_keyless:
            return again.perhaps_sent(rows)
        return rows if checkpoint.began is None else again.in_doubt(rows)

    def until_stopped(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """The rows, for reading them before there is anything to stop.

        :raises SyncStoppedError: the sync was told to end.
        """
        for chunk in chunks:
            self.raise_if_stopped()
            yield chunk

    def raise_if_stopped(self) -> None:
        """Before there is anything to stop, a stop is looked at here.

        :raises SyncStoppedError: there was one.
        """
        if self._is_stopped():
            raise SyncStoppedError("the task was told to stop before anything was sent; a retry goes on from there")


def _at_most(most: int, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """All of the rows, once it is known that there aren't more than so many."""
    with closing(chunks):  # type: ignore[type-var]
        held, rows = [], 0
        for chunk in chunks:
            held.append(chunk)
            rows += chunk.length
            if rows > most:
                raise SyncFailedError(
                    f"more than max_archived={most} rows came: nothing was archived. Are these the right rows?"
                )
        yield from held
