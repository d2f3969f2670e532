"""One sync from beginning to end: rows checked and mapped, sent by the engine, folded into a report."""

from __future__ import annotations

import gc
import itertools
import logging
import time
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch import sources
from airflow_provider_hubbatch.core import protocol
from airflow_provider_hubbatch.core.checkpoint import settings_fingerprint
from airflow_provider_hubbatch.core.clearing import EmptyValues, hold_until_checked
from airflow_provider_hubbatch.core.definitions import definitions_from_json
from airflow_provider_hubbatch.core.keys import IdUse
from airflow_provider_hubbatch.core.mapping import RowMapping, compile_mapping
from airflow_provider_hubbatch.core.model import RowOutcome, Status
from airflow_provider_hubbatch.core.options import COMPARE_WITH_HUBSPOT
from airflow_provider_hubbatch.core.record_check import TELLING_PROPERTIES
from airflow_provider_hubbatch.core.redact import show_error, show_path
from airflow_provider_hubbatch.core.sync_report import SyncReport
from airflow_provider_hubbatch.core.verbs import VERBS
from airflow_provider_hubbatch.exceptions import (
    AccessError,
    DailyQuotaError,
    HubSpotError,
    MissingScopesError,
    SyncFailedError,
    SyncStoppedError,
    SystematicRefusalError,
    UnavailableError,
)
from airflow_provider_hubbatch.lineage import emit_metrics, note_hook_lineage
from airflow_provider_hubbatch.sync.engine import Engine, Plan
from airflow_provider_hubbatch.sync.intake import Intake, Prepared, ResumedRows
from airflow_provider_hubbatch.sync.key_check import KeyCheckJob, with_key_check
from airflow_provider_hubbatch.sync.progress import (
    ProgressLog,
    changes_line,
    closing_line,
    duplicates_lines,
    left_alone_lines,
    not_taken_lines,
    rejected_lines,
)
from airflow_provider_hubbatch.sync.result_files import ResultFiles
from airflow_provider_hubbatch.sync.resume import Checkpoints
from airflow_provider_hubbatch.sync.signals import HeldSignals
from airflow_provider_hubbatch.sync.timeline import LiveTimeline
from airflow_provider_hubbatch.sync.tries import TaskTry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from airflow_provider_hubbatch.client.client import HubSpotClient
    from airflow_provider_hubbatch.core.checkpoint import Checkpoint
    from airflow_provider_hubbatch.core.definitions import PropertyDefinition
    from airflow_provider_hubbatch.core.model import Chunk, Input
    from airflow_provider_hubbatch.core.options import UpdateOptions
    from airflow_provider_hubbatch.core.result_names import Parts
    from airflow_provider_hubbatch.core.verbs.verb import Verb
    from airflow_provider_hubbatch.sync.engine import Progress
    from airflow_provider_hubbatch.sync.fingerprints import Fingerprints
    from airflow_provider_hubbatch.sync.jobs import Job

log = logging.getLogger(__name__)


class Sync:
    """A sync: iterate over it once, for one outcome a row.

    The outcomes come as HubSpot answers, in no order; those of rows that an earlier try settled don't come again, but
    are in the report. When it ends with an exception, every row read has had its outcome before, and the exception
    carries the report.

    :param client: the way to HubSpot.
    :param rows: whatever the operator takes.
    :param name: what result files are called after.
    :param this_try: whose try it is: where to go on from, and whether Airflow still counts on it; ``None``: nobody's.
    :param publish: takes the ``timeline``'s value every ten seconds, while the sync runs.
    :param lineage_context: what Airflow's hook lineage names as the writer.

    Besides the ``report`` and the ``timeline`` of all tries it has the report of the tries before (``earlier``), the
    ``account``'s details as far as they are known, and which column went to which property (``columns``).
    """

    def __init__(
        self,
        client: HubSpotClient,
        object_type: str,
        rows: Any,
        options: UpdateOptions,
        *,
        name: str = "outcomes",
        this_try: TaskTry | None = None,
        publish: Callable[[dict[str, Any]], None] | None = None,
        lineage_context: Any = None,
    ) -> None:
        self._client = client
        self._lineage_context = lineage_context
        self._rows = rows
        self._options = options
        self._name = name
        self._object_type = protocol.checked_object_type(object_type)
        self._spec = options.mapping
        self._try = this_try or TaskTry()
        # rows that can be read once only can't be compared with an earlier try's
        store = self._try.store if self._try.resumes and sources.can_be_read_again(rows) else None
        self._checkpoints = None if store is None else Checkpoints(self._try, store)
        self._intake: Intake | None = None
        self._checkpoint_is_final = False
        self._all_read = False
        self._saved_at_once = False
        self._files: ResultFiles | None = None
        self._fingerprints: Fingerprints | None = None
        self._definitions: dict[str, PropertyDefinition] | None = None
        self._verb: Verb
        self._engine: Engine | None = None
        self._stopped = False
        self._signals = HeldSignals(self.stop)
        if options.results_path is not None:
            self._result_files()  # no such storage: told before HubSpot is asked for anything
        self._started = time.monotonic()
        self._seconds_before = 0.0
        self._kept_parts: Parts = ()
        self.report = SyncReport(
            object_type=object_type,
            max_rejected=options.max_rejected,
            results_path=None if options.results_path is None else show_path(options.results_path),
        )
        self.timeline = LiveTimeline(self.report, options, publish)
        self.earlier = SyncReport(object_type=object_type)
        self.account: dict[str, Any] = {}
        self.columns: dict[str, str] = {}

    def stop(self, error: BaseException | None = None) -> None:
        """Start no more requests; what has no reply soon is accounted for. Safe in a signal handler.

        :param error: what it ends with; ``None``: ``SyncStoppedError``.
        """
        self._stopped = True
        if self._engine is not None:
            self._engine.stop(error)

    @property
    def superseded(self) -> bool:
        """Whether another try has followed, as far as this one has noticed."""
        return self._try.superseded

    def finish(self, tell: Callable[[SyncReport], None] | None = None) -> SyncReport:
        """Do all of it. A task's timeout ends it between two outcomes, so that no row is lost to it.

        :param tell: given the report in the end, however it ended, unless another try has followed.
        :returns: the report.
        :raises HubSpotError: as iterating does.
        """
        with self._signals:
            try:
                for _ in self:
                    pass
            finally:
                if tell is not None and not self._try.superseded:
                    with self._signals.storage():
                        tell(self.report)
            self._try.raise_if_superseded()
        return self.report

    def __iter__(self) -> Iterator[RowOutcome]:
        """The outcomes.

        :raises HubSpotError: the sync could not be done, or not to its end.
        """
        self._started = time.monotonic()
        self.report.started_at = _now()
        self.timeline.start(self._client.pace, total_rows=sources.total_rows(self._rows))
        try:
            if self._options.min_rows is not None:
                self._refuse_few_rows(sources.total_fresh_rows(self._rows))
            yield from self._outcomes()
            self._close()
            self._signals.raise_held()
            self._refuse_few_rows(self.report.rows - (self._intake.replayed_rows if self._intake else 0))
        except HubSpotError as error:
            error.report = self.report
            self._end(finished=isinstance(error, (SystematicRefusalError, SyncFailedError)))
            if isinstance(error, DailyQuotaError):
                self._say_when(error)
            raise
        except BaseException:
            self._end(finished=False)
            raise
        self._end(finished=True)

    def _refuse_few_rows(self, rows: int | None) -> None:
        """Fewer rows than expected are a broken extract: told before the first request, where the number is known."""
        wanted = self._options.min_rows
        if wanted is None or rows is None or rows >= wanted:
            return
        sent = "They were sent: only at its end did the source tell how many there are" if self.report.rows else ""
        raise SyncFailedError(
            f"only {rows:,} row{'s' * (rows != 1)} came, and min_rows={wanted} says that there are more. "
            f"{sent or 'Nothing was sent'}. Is the extract complete?"
        )

    # --- rows in -----------------------------------------------------------------------------------------------

    def _outcomes(self) -> Iterator[RowOutcome]:
        self._raise_if_stopped()
        with self._chunks() as chunks:
            first = next(chunks, None)
            if first is None:
                log.info("There are no rows: nothing to send to HubSpot")
                self._all_read = True
                self._open_files()
                return
            self._raise_if_stopped()
            try:
                mapping = self._mapping(first)
            except (AccessError, UnavailableError):
                yield from self._unread(itertools.chain([first], chunks))
                raise
            self._log_start()
            intake = self._intake = self._new_intake(mapping)
            left = self._resumed(intake, itertools.chain([first], chunks))
            if left is not None:
                yield from self._synced(intake, left)
                return
        # the rows were read up to the checkpoint, and are not the ones that it was about
        with self._chunks() as chunks:
            intake = self._intake = self._new_intake(mapping)
            yield from self._synced(intake, self._prepared(intake, chunks))

    def _unread(self, chunks: Iterable[Chunk]) -> Iterator[RowOutcome]:
        """The outcomes of all rows where HubSpot can't even be asked: with their source rows, for sending them later.

        Not where an earlier try came further: its result files stay as they are, and a retry goes on from there.
        """
        if self._options.results_path is None or (self._checkpoints is not None and self._checkpoints.has_any()):
            return
        self._open_files()
        for chunk in self._until_stopped(chunks):
            for offset, given_id in enumerate(self._spec.ids_in(chunk)):
                row = chunk.first_row + offset
                tries = 0 if chunk.attempts is None else chunk.attempts[offset] - 1
                values = chunk.row(offset) or None
                outcome = RowOutcome(row, given_id, Status.NOT_SENT, values=values, attempts=tries or None)
                self._note(outcome)
                yield outcome
        self._all_read = True

    def _new_intake(self, mapping: RowMapping) -> Intake:
        empty = EmptyValues(clears=self._clears, max_cleared=self._options.max_cleared)
        return Intake(mapping, empty, digests=self._checkpoints is not None)

    @property
    def _clears(self) -> bool:
        return self._spec.null_values == "clear"

    def _chunks(self) -> closing[Any]:
        own = sources.OwnRun(self._options.results_path, self._name)
        return closing(sources.chunks(self._rows, columns=self._spec.columns, own=own))

    def _prepared(self, intake: Intake, chunks: Iterable[Chunk]) -> Iterator[Prepared]:
        waiting = iter(chunks)
        while True:
            with self._signals.let_through():
                chunk = next(waiting, None)
            if chunk is None:
                self._all_read = True
                return
            yield intake.prepare(chunk)

    def _resumed(self, intake: Intake, chunks: Iterable[Chunk]) -> Iterator[Prepared] | None:
        """The rows that are still to be done; ``None`` if these are not the rows of the try that left a checkpoint."""
        checkpoint = self._load_checkpoint()
        if checkpoint is None or self._checkpoints is None:
            return self._prepared(intake, chunks)
        if checkpoint.result_parts and not self._result_files(checkpoint.result_parts).has_kept_parts():
            self._checkpoints.start_over("the result files of the try that left a checkpoint are not there")
            return self._prepared(intake, chunks)
        again = ResumedRows(checkpoint, intake, self._until_stopped(chunks))
        if not again.are_the_same():
            self._checkpoints.start_over("the rows are not those of the try that left a checkpoint")
            return None
        self._checkpoints.resume(checkpoint)
        self._restore(checkpoint, again)
        return itertools.chain(again.unsettled, self._prepared(intake, again.rest()))

    def _until_stopped(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        for chunk in chunks:
            self._raise_if_stopped()
            yield chunk

    def _raise_if_stopped(self) -> None:
        """Before there is anything to stop, a stop is looked at here.

        :raises SyncStoppedError: there was one.
        """
        if self._stopped and self._engine is None:
            raise SyncStoppedError("the task was told to stop before anything was sent; a retry goes on from there")

    def _load_checkpoint(self) -> Checkpoint | None:
        if self._checkpoints is None:
            return None
        return self._checkpoints.load(self._settings(), self._client.account_identity(self.account))

    def _restore(self, checkpoint: Checkpoint, again: ResumedRows) -> None:
        report = self.report
        report.counts = checkpoint.counts
        report.rejected_by_category = checkpoint.rejected_by_category
        report.not_taken, report.cleared = checkpoint.not_taken, checkpoint.cleared
        report.rejected = again.rejected
        report.outcomes = again.outcomes
        report.resumed_rows = len(checkpoint.settled)
        report.started_at = checkpoint.started_at or report.started_at
        self._seconds_before = checkpoint.seconds
        self.earlier = SyncReport(
            object_type=report.object_type, counts=report.counts.copy(), seconds=checkpoint.seconds
        )
        for one in (report, self.earlier):
            one.add_costs(checkpoint.costs)
        self._kept_parts = checkpoint.result_parts
        report.seconds = checkpoint.seconds
        self.timeline.resume(checkpoint.timeline)
        log.info("Going on where an earlier try was stopped: %d rows are settled", report.resumed_rows)

    def _settings(self) -> str:
        """A fingerprint of what the outcomes hang on."""
        options, settings = self._options, self._client.settings
        return settings_fingerprint(
            object_type=self._object_type,
            id_column=options.id_column,
            id_property=self._spec.id_property,
            properties=self._spec.properties,
            null_values=options.null_values,
            must_match=options.must_match,
            missing_ok=options.missing_ok,
            validate_only=options.validate_only,
            skip_unchanged=options.skip_unchanged,
            results_path=options.results_path,
            host=settings.base_url,
            api_version=settings.api_version,
        )

    # --- the sync ----------------------------------------------------------------------------------------------

    def _synced(self, intake: Intake, prepared: Iterable[Prepared]) -> Iterator[RowOutcome]:
        options = self._options
        self._open_files()
        rows: Iterable[Sequence[Input | RowOutcome]] = (one.rows for one in prepared)
        if self._clears:
            rows = hold_until_checked(prepared, intake.empty, self.stop)
        if options.skip_unchanged not in (None, COMPARE_WITH_HUBSPOT):
            self._fingerprints = self._loaded_fingerprints(str(options.skip_unchanged))
            rows = map(self._fingerprints.leave_out_unchanged, rows)
        if self._may_have_the_wrong_key():
            rows = with_key_check(rows, self._key_check, lambda job: self._engine.add(job) if self._engine else None)
        transport = self._client.channel()
        dispatcher = self._client.dispatcher(
            transport,
            max_in_flight=options.max_in_flight,
            costs=self.report,
            daily_reserve=options.daily_quota_reserve,
            requests_per_10_seconds=options.requests_per_10_seconds,
        )
        self._progress = ProgressLog(log, self.report, self._client.pace, total_rows=sources.total_rows(self._rows))
        with _frozen_heap():
            self._engine = Engine(
                self._plan(),
                rows,
                dispatcher=dispatcher,
                transport=transport,
                tick=self._tick,
                at_end=self._save_checkpoint_at_once,
                before_rest=self._save_last_checkpoint,
            )
            if self._stopped:
                self._engine.stop()
            self._signals.holding = True
            yield from self._folded(self._engine, intake)

    def _may_have_the_wrong_key(self) -> bool:
        """Whether the first records are looked at: rows name them by record id, and nothing else checks that."""
        spec, verb = self._spec, self._verb
        by_record_id = spec.id_property is None and spec.id_use is IdUse.EXISTING and verb.lookup is None
        return self._options.preflight and by_record_id and not {*TELLING_PROPERTIES}.isdisjoint(self.columns.values())

    def _key_check(self, inputs: Sequence[Input]) -> Job:
        return KeyCheckJob(
            inputs=inputs,
            object_type=self._object_type,
            api_version=self._client.api_version,
            id_column=str(self._spec.id_column),
            columns=self.columns,
            warn=lambda warning: log.warning("%s", warning),
        )

    def _open_files(self) -> None:
        self._try.look()
        self._try.raise_if_superseded()
        if self._options.results_path is not None:
            self._files = self._result_files(self._kept_parts)
            self._files.start()

    def _result_files(self, earlier: Parts = ()) -> ResultFiles:
        folder = str(self._options.results_path)
        once = self._spec.is_keyless
        return ResultFiles(folder, self._name, self._try, earlier=earlier, once=once, storage=self._signals.storage)

    def _folded(self, engine: Engine, intake: Intake) -> Iterator[RowOutcome]:
        try:
            for outcome in map(intake.complete, engine.run()):
                self._note(outcome)
                yield outcome
        except GeneratorExit:
            raise
        except BaseException:
            # raised by the sync itself, which has accounted for everything, or between two outcomes of it
            for outcome in map(intake.complete, engine.wind_up()):
                self._note(outcome)
                yield outcome
            raise

    def _note(self, outcome: RowOutcome) -> None:
        self.report.add(outcome)
        if self._checkpoints is not None and not self._checkpoint_is_final:
            self._checkpoints.note(outcome)
        if self._fingerprints is not None:
            self._fingerprints.note(outcome)
        if self._files is not None:
            self._files.add(outcome)

    def _tick(self, progress: Progress) -> None:
        with self._signals.storage():
            self._client.mask_secrets()
            self._progress.tick(progress)
            self._note_costs()
            self.timeline.tick()
            if self._files is not None and self._files.error is not None:
                self.stop(_unwritten(self._files.error, self._options.results_path))
            if self._checkpoints is not None and self._checkpoints.due:
                self._save_checkpoint()
            if self._try.superseded:
                self._give_way()

    def _give_way(self) -> None:
        """Another try has followed: end, and touch nothing that is its too."""
        files, self._files, self._fingerprints = self._files, None, None
        if files is not None:
            files.give_way()
        self.stop(self._try.error())

    def _save_checkpoint_at_once(self) -> None:
        """A stop was noticed. Airflow ends the process some seconds after it, perhaps before the last checkpoint."""
        if self._stopped and not self._saved_at_once:
            self._saved_at_once = True
            with suppress(BaseException), self._signals.storage():  # a timeout that comes here is held
                self._save_checkpoint()

    def _save_last_checkpoint(self) -> None:
        """A retry goes on from here: what is read from now on is only accounted for, and read again by the retry."""
        with self._signals.storage():
            self._save_checkpoint()
        self._checkpoint_is_final = True

    def _save_checkpoint(self) -> None:
        if self._try.superseded or self._checkpoint_is_final:
            return
        if self._checkpoints is None or self._engine is None or self._intake is None or not self._intake.digest.rows:
            return  # nothing has happened since the checkpoint that is there, if there is one
        self._note_costs()
        parts = self._files.close_part() if self._files is not None else ()
        if self._files is not None and self._files.error is not None:
            return  # the rows since the last part have no line: a retry sends them again
        self._checkpoints.save(
            self.report,
            self._intake.digest,
            result_parts=parts,
            seconds=self.report.seconds,
            timeline=self.timeline.points(),
        )

    def _loaded_fingerprints(self, path: str) -> Fingerprints:
        from airflow_provider_hubbatch.sync.fingerprints import Fingerprints  # noqa: PLC0415 - loads numpy

        owner = {
            "portal": self.account.get("portalId"),
            "object_type": self._object_type,
            "id_property": self._spec.id_property,
        }
        fingerprints = Fingerprints(path, owner, writes=not self._options.validate_only)
        fingerprints.load()
        return fingerprints

    def _mapping(self, first: Chunk) -> RowMapping:
        properties, account = self._asked()
        mapping = self._checked_mapping(first, properties)
        wanted = self._spec.properties
        given = wanted or {name: name for name in first.columns if name != self._spec.id_column}
        self.columns = {column: name for column, name in given.items() if column in first.columns}
        self.account = account()
        note_hook_lineage(self._lineage_context, self.account, self._object_type)
        return mapping

    def _asked(self) -> tuple[Callable[[], list[dict[str, Any]] | None], Callable[[], dict[str, Any]]]:
        """HubSpot's property definitions, which preflight and an id property need, and the account's details.

        :returns: a function for each, which returns it or raises; nothing, where it isn't needed.
        """
        client, object_type, report = self._client, self._object_type, self.report
        needs_properties = self._options.preflight or self._spec.id_property is not None
        if needs_properties and self._needs_account():
            return client.properties_and_account(object_type, report, max_in_flight=self._options.max_in_flight)
        return (
            partial(client.properties, object_type, report) if needs_properties else lambda: None,
            partial(client.account_if_known, report) if self._needs_account() else dict,
        )

    def _needs_account(self) -> bool:
        options = self._options
        return (
            options.preflight
            or self._checkpoints is not None
            or self._client.settings.portal_id is not None
            or options.skip_unchanged not in (None, COMPARE_WITH_HUBSPOT)
        )

    def _checked_mapping(self, first: Chunk, properties: Callable[[], list[dict[str, Any]] | None]) -> RowMapping:
        self._definitions = self._readable_definitions(properties)
        self._verb = VERBS[self._options.verb].for_sync(
            self._options,
            object_type=self._object_type,
            id_property=self._spec.id_property,
            api_version=self._client.api_version,
            definitions=self._definitions or {},
        )
        return compile_mapping(
            self._spec,
            # those of an earlier run's rows prove nothing: the settings may have changed since
            chunk_columns=first.names if first.attempts is None else None,
            complete=first.complete,
            definitions=self._definitions,
            object_type=self._object_type,
            preflight=self._options.preflight,
            looked_up=self._verb.lookup is not None,
        )

    def _readable_definitions(
        self, properties: Callable[[], list[dict[str, Any]] | None]
    ) -> dict[str, PropertyDefinition] | None:
        """HubSpot's definitions; ``None``: not read, empty: not allowed to."""
        try:
            read = properties()
            return None if read is None else definitions_from_json(read)
        except MissingScopesError as error:
            log.warning(
                "The token may not read the property definitions of %s, so that columns and values are not checked "
                "before they are sent: %s",
                self._object_type,
                error,
            )
            return {}

    def _plan(self) -> Plan:
        return Plan(
            verb=self._verb,
            keeps_rows=self._options.results_path is not None,
            definitions=self._definitions,
            max_in_flight=self._options.max_in_flight,
            validate_only=self._options.validate_only,
            # what a night with an outage leaves undone is found in its result files, to the last row
            reads_to_the_end=sources.total_rows(self._rows) is not None or self._options.results_path is not None,
        )

    def _log_start(self) -> None:
        log.info(
            "%s %s in HubSpot from %s: %s in column %r, %d %s",
            VERBS[self._options.verb].doing,
            self._object_type,
            sources.describe(self._rows),
            f"the property {self._spec.id_property}" if self._spec.id_property else "the record id",
            self._spec.id_column,
            len(self.columns),
            "property" if len(self.columns) == 1 else "properties",
        )

    # --- the end -----------------------------------------------------------------------------------------------

    def _close(self) -> None:
        """Close what is open.

        :raises SyncStoppedError: the result files can't be written, or another try has followed.
        """
        with self._signals.storage():
            if self._try.look():
                self._give_way()
                raise self._try.error()
        if self._files is not None:
            self._files.close(ended=self._all_read)
            if self._files.error is not None:
                raise _unwritten(self._files.error, self._options.results_path)
        fingerprints, self._fingerprints = self._fingerprints, None
        if fingerprints is not None:
            with self._signals.storage():
                fingerprints.save()

    def _end(self, *, finished: bool) -> None:
        """Close what is open, whatever happened; then say what became of the rows."""
        self._note_costs()
        self.timeline.tick(last=True)
        if self._checkpoints is not None and not finished:
            with self._signals.storage():
                self._save_checkpoint()
        with suppress(HubSpotError):  # there is another error already
            self._close()
        if self._checkpoints is not None and finished:
            with self._signals.storage():
                self._checkpoints.drop()
        emit_metrics(self.report, self.earlier)
        log.info("%s", closing_line(self.report, self._client.pace.daily_remaining))
        if self._options.validate_only and self._options.skip_unchanged == COMPARE_WITH_HUBSPOT:
            log.info("%s", changes_line(self.report))
        noticed = [*rejected_lines(self.report), *not_taken_lines(self.report)]
        if self._intake is not None:
            noticed += [*duplicates_lines(self._intake.duplicates), *left_alone_lines(self._intake.empty)]
        for line in noticed:
            log.warning("%s", line)

    def _say_when(self, error: DailyQuotaError) -> None:
        """Add when the account's day begins anew."""
        reset = self._client.daily_reset(self.account)
        error.retry_after_seconds = max((reset - datetime.now(UTC)).total_seconds(), 0.0)
        error.args = (f"{error.args[0]}; it resets at {reset.isoformat(timespec='minutes')}",)

    def _note_costs(self) -> None:
        report = self.report
        report.duplicates = self._intake.duplicates.count if self._intake else 0
        report.completed_at = _now()
        report.seconds = self._seconds_before + time.monotonic() - self._started


def _unwritten(error: BaseException, folder: str | None) -> HubSpotError:
    if isinstance(error, HubSpotError):
        return error
    what = f"{type(error).__name__}: {show_error(error, folder)}"
    return SyncStoppedError(
        f"the result files can't be written ({what}), so the sync stopped; a retry goes on from the last complete file"
    )


@contextmanager
def _frozen_heap() -> Iterator[None]:
    """Keep the garbage collector away from what is there already: walking over all rows again and again took a fifth
    of a sync's time (benchmarks/). Nothing that a sync makes forms cycles that need it.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
