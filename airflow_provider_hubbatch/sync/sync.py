"""One sync from beginning to end: rows checked and mapped, sent by the engine, and recorded."""

from __future__ import annotations

import gc
import itertools
import logging
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch import sources
from airflow_provider_hubbatch.core import protocol
from airflow_provider_hubbatch.core.checkpoint import settings_fingerprint
from airflow_provider_hubbatch.core.clearing import hold_until_checked
from airflow_provider_hubbatch.core.mapping_spec import MappingSpec
from airflow_provider_hubbatch.core.options import COMPARE_WITH_HUBSPOT, RecordOptions
from airflow_provider_hubbatch.exceptions import (
    AccessError,
    DailyQuotaError,
    HubSpotError,
    SyncFailedError,
    SyncStoppedError,
    SystematicRefusalError,
    UnavailableError,
)
from airflow_provider_hubbatch.lineage import note_hook_lineage
from airflow_provider_hubbatch.sync.engine import Engine, Plan
from airflow_provider_hubbatch.sync.intake import not_asked
from airflow_provider_hubbatch.sync.key_check import KeyCheckJob, may_have_the_wrong_key, with_key_check
from airflow_provider_hubbatch.sync.owners import read_owners
from airflow_provider_hubbatch.sync.pair_preflight import run_pair_preflight
from airflow_provider_hubbatch.sync.preflight import run_preflight
from airflow_provider_hubbatch.sync.reader import RowReader
from airflow_provider_hubbatch.sync.recorder import Recorder
from airflow_provider_hubbatch.sync.resume import cannot_resume, may_be_twice
from airflow_provider_hubbatch.sync.signals import HeldSignals
from airflow_provider_hubbatch.sync.tries import TaskTry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from airflow_provider_hubbatch.client.client import HubSpotClient
    from airflow_provider_hubbatch.core.associate_options import AssociateOptions
    from airflow_provider_hubbatch.core.checkpoint import Checkpoint
    from airflow_provider_hubbatch.core.model import Chunk, Input, RowOutcome
    from airflow_provider_hubbatch.core.sync_report import SyncReport
    from airflow_provider_hubbatch.sync.intake import Intake, Prepared
    from airflow_provider_hubbatch.sync.jobs import Job
    from airflow_provider_hubbatch.sync.preflight import Preflight

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

    Besides the ``report`` and the ``timeline`` of all tries it has the ``account``'s details as far as they are known,
    and which column went to which property (``columns``).
    """

    def __init__(
        self,
        client: HubSpotClient,
        object_type: str,
        rows: Any,
        options: RecordOptions | AssociateOptions,
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
        setting = "object_type" if options.linked_type is None else "from_object_type"
        self._object_type = protocol.checked_object_type(object_type, setting)
        self._spec = options.mapping
        self._try = this_try or TaskTry()
        self._intake: Intake | None = None
        self._engine: Engine | None = None
        self._stopped = False
        self._signals = HeldSignals(self.stop)
        self._recorder = Recorder(
            client,
            object_type,
            options,
            name=name,
            this_try=self._try,
            # rows that can be read once only can't be compared with an earlier try's
            resumes=sources.can_be_read_again(rows),
            publish=publish,
            signals=self._signals,
            stop=self.stop,
        )
        self._reader = RowReader(
            rows,
            options,
            name=name,
            recorder=self._recorder,
            signals=self._signals,
            is_stopped=lambda: self._stopped and self._engine is None,
            stop=self.stop,
            read_owners=lambda names: read_owners(client, names, costs=self.report),
        )
        self.report = self._recorder.report
        self.timeline = self._recorder.timeline
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
        end = self._recorder.end
        self._recorder.start(total_rows=sources.total_rows(self._rows))
        try:
            if self._options.min_rows is not None:
                self._refuse_few_rows(sources.total_fresh_rows(self._rows))
            yield from self._outcomes()
            self._recorder.close()
            self._signals.raise_held()
            self._refuse_few_rows(self.report.rows - (self._intake.replayed_rows if self._intake else 0))
        except HubSpotError as error:
            error.report = self.report
            if self._cannot_go_on(error):
                end(finished=False)
                raise cannot_resume(error) from error
            end(finished=isinstance(error, (SystematicRefusalError, SyncFailedError)))
            if isinstance(error, DailyQuotaError):
                self._say_when(error)
            raise
        except BaseException:
            end(finished=False)
            raise
        end(finished=True)

    def _cannot_go_on(self, error: HubSpotError) -> bool:
        """Whether a retry, which the error asks for, would perhaps create records again."""
        recorder = self._recorder
        asks_for_a_retry = isinstance(error, (SyncStoppedError, UnavailableError))
        return asks_for_a_retry and recorder.is_blind and recorder.has_sent and bool(self._try.task)

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
        reader = self._reader
        reader.raise_if_stopped()
        with reader.chunks() as chunks:
            first = next(chunks, None)
            if first is None:
                log.info("There are no rows: nothing to send to HubSpot")
                self._recorder.all_read = True
                self._recorder.open_files()
                return
            reader.raise_if_stopped()
            try:
                known = self._preflight(first)
            except (AccessError, UnavailableError):
                yield from self._unread(itertools.chain([first], chunks))
                raise
            self._log_start(known)
            intake = self._intake = reader.new_intake(known.mapping)
            checkpoint = self._checkpoint()
            left = reader.left(intake, itertools.chain([first], chunks), checkpoint)
            if left is not None:
                yield from self._synced(known, intake, left)
                return
        # the rows were read up to the checkpoint, and are not the ones that it was about
        with reader.chunks() as chunks:
            intake = self._intake = reader.new_intake(known.mapping)
            yield from self._synced(known, intake, reader.prepared(intake, chunks))

    def _unread(self, chunks: Iterable[Chunk]) -> Iterator[RowOutcome]:
        """The outcomes of all rows where HubSpot can't even be asked.

        Not where an earlier try came further: its result files stay as they are, and a retry goes on from there.
        """
        recorder = self._recorder
        if self._options.results_path is None or (recorder.checkpoints is not None and recorder.checkpoints.has_any()):
            return
        recorder.open_files()
        for chunk in self._reader.until_stopped(chunks):
            for outcome in not_asked(chunk, self._spec.ids_in(chunk)):
                recorder.note(outcome)
                yield outcome
        recorder.all_read = True

    def _checkpoint(self) -> Checkpoint | None:
        """What an earlier try left, if it is of this very sync."""
        checkpoint, checkpoints = None, self._recorder.checkpoints
        if checkpoints is not None:
            settings = self._client.settings
            fingerprint = settings_fingerprint(
                object_type=self._object_type,
                **self._options.what_outcomes_depend_on(),
                host=settings.base_url,
                api_version=settings.api_version,
            )
            checkpoint = checkpoints.load(fingerprint, self._client.account_identity(self.account))
        if self._recorder.is_blind and self._try.number > 1:
            raise may_be_twice("Airflow keeps no state for this task, so nothing tells what became of the rows")
        return checkpoint

    # --- before the first row ------------------------------------------------------------------------------------

    def _preflight(self, first: Chunk) -> Preflight:
        client, options, needs_account = self._client, self._options, self._needs_account()
        if isinstance(options, RecordOptions):
            known = run_preflight(
                client, self._object_type, options, first, costs=self.report, needs_account=needs_account
            )
        else:
            known = run_pair_preflight(
                client, self._object_type, options, first, costs=self.report, needs_account=needs_account
            )
        self.columns, self.account = known.columns, known.account
        note_hook_lineage(self._lineage_context, self.account, self.report)
        return known

    def _needs_account(self) -> bool:
        return (
            self._options.preflight
            or self._recorder.checkpoints is not None
            or self._client.settings.portal_id is not None
            or self._remembers
        )

    @property
    def _remembers(self) -> bool:
        """Whether unchanged rows are told by what the last sync wrote."""
        return self._options.compares_with not in (None, COMPARE_WITH_HUBSPOT)

    def _log_start(self, known: Preflight) -> None:
        written = f", {len(self.columns)} {'property' if len(self.columns) == 1 else 'properties'}"
        log.info(
            "%s %s in HubSpot from %s: %s%s",
            known.verb.doing,
            self.report.subject,
            sources.describe(self._rows),
            self._spec.naming,
            written if isinstance(self._spec, MappingSpec) else "",
        )

    # --- the sync ------------------------------------------------------------------------------------------------

    def _synced(self, known: Preflight, intake: Intake, prepared: Iterable[Prepared]) -> Iterator[RowOutcome]:
        options, recorder = self._options, self._recorder
        recorder.open_files()
        rows = self._rows_to_send(known, intake, prepared)
        transport = self._client.channel()
        dispatcher = self._client.dispatcher(
            transport,
            max_in_flight=options.max_in_flight,
            costs=self.report,
            daily_reserve=options.daily_quota_reserve,
            requests_per_10_seconds=options.requests_per_10_seconds,
        )
        recorder.follow(intake, known.verb)
        with _frozen_heap():
            self._engine = Engine(
                self._plan(known),
                rows,
                dispatcher=dispatcher,
                transport=transport,
                tick=recorder.tick,
                at_end=lambda: recorder.save_at_once() if self._stopped else None,
                before_write=recorder.before_write,
                before_rest=recorder.save_for_the_last_time,
            )
            if self._stopped:
                self._engine.stop()
            self._signals.holding = True
            yield from self._folded(self._engine, intake)

    def _rows_to_send(
        self, known: Preflight, intake: Intake, prepared: Iterable[Prepared]
    ) -> Iterable[Sequence[Input | RowOutcome]]:
        """The rows, past everything that may hold them back."""
        rows: Iterable[Sequence[Input | RowOutcome]] = (one.rows for one in prepared)
        spec = self._spec
        if not isinstance(spec, MappingSpec):
            return rows
        if spec.clears:
            rows = hold_until_checked(prepared, intake.empty, self.stop)
        if self._remembers:
            owner = {
                "portal": self.account.get("portalId"),
                "object_type": self._object_type,
                "id_property": spec.id_property,
                **({"write_when": spec.when} if spec.when else {}),
            }
            fingerprints = self._recorder.load_fingerprints(str(self._options.compares_with), owner)
            rows = map(fingerprints.leave_out_unchanged, rows)
        if self._options.preflight and may_have_the_wrong_key(spec, known.verb, self.columns):
            rows = with_key_check(
                rows, partial(self._key_check, spec), lambda job: self._engine.add(job) if self._engine else None
            )
        return rows

    def _key_check(self, spec: MappingSpec, inputs: Sequence[Input]) -> Job:
        return KeyCheckJob(
            inputs=inputs,
            object_type=self._object_type,
            api_version=self._client.api_version,
            id_column=str(spec.id_column),
            columns=self.columns,
            warn=lambda warning: log.warning("%s", warning),
        )

    def _plan(self, known: Preflight) -> Plan:
        return Plan(
            verb=known.verb,
            keeps_rows=self._options.results_path is not None,
            definitions=known.definitions,
            max_in_flight=self._options.max_in_flight,
            validate_only=self._options.validate_only,
            # what a night with an outage leaves undone is found in its result files, to the last row
            reads_to_the_end=sources.total_rows(self._rows) is not None or self._options.results_path is not None,
        )

    def _folded(self, engine: Engine, intake: Intake) -> Iterator[RowOutcome]:
        try:
            for outcome in map(intake.complete, engine.run()):
                self._recorder.note(outcome)
                yield outcome
        except GeneratorExit:
            raise
        except BaseException:
            # raised by the sync itself, which has accounted for everything, or between two outcomes of it
            for outcome in map(intake.complete, engine.wind_up()):
                self._recorder.note(outcome)
                yield outcome
            raise

    def _say_when(self, error: DailyQuotaError) -> None:
        """Add when the account's daily API limit is reset."""
        reset = self._client.daily_reset(self.account)
        error.retry_after_seconds = max((reset - datetime.now(UTC)).total_seconds(), 0.0)
        error.args = (f"{error.args[0]}; it resets at {reset.isoformat(timespec='minutes')}",)


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
