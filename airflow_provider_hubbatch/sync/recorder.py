"""What a sync leaves behind: its report, result files, fingerprints, checkpoint and timeline."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.core.options import COMPARE_WITH_HUBSPOT
from airflow_provider_hubbatch.core.redact import show_error, show_path
from airflow_provider_hubbatch.core.sync_report import SyncReport
from airflow_provider_hubbatch.exceptions import HubSpotError, SyncStoppedError
from airflow_provider_hubbatch.lineage import emit_metrics
from airflow_provider_hubbatch.sync.progress import (
    ProgressLog,
    changes_line,
    closing_line,
    duplicates_lines,
    left_alone_lines,
    not_taken_lines,
    rejected_lines,
    unread_lines,
)
from airflow_provider_hubbatch.sync.result_files import ResultFiles
from airflow_provider_hubbatch.sync.resume import Checkpoints
from airflow_provider_hubbatch.sync.timeline import LiveTimeline

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_hubbatch.client.client import HubSpotClient
    from airflow_provider_hubbatch.core.checkpoint import Checkpoint
    from airflow_provider_hubbatch.core.model import Input, RowOutcome
    from airflow_provider_hubbatch.core.options import SyncOptions
    from airflow_provider_hubbatch.core.result_names import Parts
    from airflow_provider_hubbatch.core.verbs.verb import Verb
    from airflow_provider_hubbatch.sync.engine import Progress
    from airflow_provider_hubbatch.sync.fingerprints import Fingerprints
    from airflow_provider_hubbatch.sync.intake import Intake, ResumedRows
    from airflow_provider_hubbatch.sync.signals import HeldSignals
    from airflow_provider_hubbatch.sync.tries import TaskTry

log = logging.getLogger(__name__)

# A checkpoint is written so many rows ahead of those that are sent, where a retry must know which ones may have been:
# about one a second at HubSpot's usual pace.
_ROWS_AHEAD = 2_000


class Recorder:
    """Folds a sync's outcomes into everything that is kept of them.

    :param name: what result files are called after.
    :param resumes: whether the rows can be compared with an earlier try's.
    :param publish: takes the timeline's value every ten seconds.
    :param signals: hold back what would come between two outcomes; a storage that hangs doesn't keep them.
    :param stop: ends the sync with an error.
    :ivar checkpoints: ``None``: no retry goes on from here.
    :ivar earlier: the report of the tries before.
    :ivar has_sent: whether rows were sent to be written.
    :ivar all_read: whether the rows have come to their end.
    """

    def __init__(
        self,
        client: HubSpotClient,
        object_type: str,
        options: SyncOptions,
        *,
        name: str,
        this_try: TaskTry,
        resumes: bool,
        publish: Callable[[dict[str, Any]], None] | None,
        signals: HeldSignals,
        stop: Callable[[BaseException], None],
    ) -> None:
        self._client = client
        self._options = options
        self._name = name
        self._try = this_try
        self._signals = signals
        self._stop = stop
        store = this_try.store if this_try.resumes and resumes else None
        self.checkpoints = (
            None if store is None else Checkpoints(this_try, store, verb=options.verb, once=options.mapping.is_keyless)
        )
        self.all_read = False
        self.has_sent = False
        self._looks_ahead = False
        self._intake: Intake | None = None
        self._progress: ProgressLog | None = None
        self._total_rows: int | None = None
        self._checkpoint_is_final = False
        self._saved_at_once = False
        self._files: ResultFiles | None = None
        self._fingerprints: Fingerprints | None = None
        if options.results_path is not None:
            self.result_files()  # no such storage: told before HubSpot is asked for anything
        self._started = time.monotonic()
        self._seconds_before = 0.0
        self._kept_parts: Parts = ()
        self.report = SyncReport(
            object_type=object_type,
            verb=options.verb,
            to_object_type=options.linked_type,
            max_rejected=options.max_rejected,
            once=options.mapping.is_keyless,
            results_path=None if options.results_path is None else show_path(options.results_path),
        )
        self.timeline = LiveTimeline(self.report, options, publish, failed=this_try.note)
        self.earlier = SyncReport(object_type=object_type, verb=options.verb)

    # --- the beginning -------------------------------------------------------------------------------------------

    def start(self, *, total_rows: int | None) -> None:
        """The sync begins."""
        self._started = time.monotonic()
        self.report.started_at = _now()
        self._total_rows = total_rows
        self.timeline.start(self._client.pace, total_rows=total_rows)

    def result_files(self, earlier: Parts = ()) -> ResultFiles:
        """Those of this try, not begun.

        :param earlier: the parts of tries before that count.
        """
        folder, once = str(self._options.results_path), self._options.mapping.is_keyless
        return ResultFiles(folder, self._name, self._try, earlier=earlier, once=once, storage=self._signals.storage)

    def resume(self, checkpoint: Checkpoint, again: ResumedRows) -> None:
        """Go on from what an earlier try has recorded.

        :param again: its rows, read again.
        """
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
            object_type=report.object_type, verb=report.verb, counts=report.counts.copy(), seconds=checkpoint.seconds
        )
        for one in (report, self.earlier):
            one.add_costs(checkpoint.costs)
        self._kept_parts = checkpoint.result_parts
        report.seconds = checkpoint.seconds
        self.timeline.resume(checkpoint.timeline)
        if self.checkpoints is not None:
            self.checkpoints.resume(checkpoint)
        log.info("Going on where an earlier try was stopped: %d rows are settled", report.resumed_rows)

    def open_files(self) -> None:
        """Take the result files over from earlier tries.

        :raises SyncStoppedError: another try has followed.
        """
        self._try.look()
        self._try.raise_if_superseded()
        if self._options.results_path is not None:
            self._files = self.result_files(self._kept_parts)
            self._files.start()

    def load_fingerprints(self, path: str, owner: dict[str, Any]) -> Fingerprints:
        """What the last sync wrote, by its file; outcomes go there too from now on.

        :param owner: whose fingerprints they are.
        """
        from airflow_provider_hubbatch.sync.fingerprints import Fingerprints  # noqa: PLC0415 - loads numpy

        self._fingerprints = Fingerprints(path, owner, writes=not self._options.validate_only)
        self._fingerprints.load()
        return self._fingerprints

    def follow(self, intake: Intake, verb: Verb) -> None:
        """From now on rows are sent: a checkpoint tells how far these have come."""
        self._intake = intake
        self._looks_ahead = verb.asks_when
        self._progress = ProgressLog(log, self.report, self._client.pace, total_rows=self._total_rows)

    # --- while it runs -------------------------------------------------------------------------------------------

    def note(self, outcome: RowOutcome) -> None:
        """A row has its outcome."""
        self.report.add(outcome)
        if self.checkpoints is not None and not self._checkpoint_is_final:
            self.checkpoints.note(outcome)
        if self._fingerprints is not None:
            self._fingerprints.note(outcome)
        if self._files is not None:
            self._files.add(outcome)

    def tick(self, progress: Progress) -> None:
        """About a second has passed."""
        with self._signals.storage():
            self._client.mask_secrets()
            if self._progress is not None:
                self._progress.tick(progress)
            self._note_costs()
            self.timeline.tick()
            if self._files is not None and self._files.error is not None:
                self._stop(_unwritten(self._files.error, self._options.results_path))
            if self.checkpoints is not None and self.checkpoints.due:
                self._save_checkpoint()
            if self._try.superseded:
                self._give_way()

    @property
    def is_blind(self) -> bool:
        """Whether no row may be sent twice, and a retry wouldn't know which ones were."""
        is_lost = self.checkpoints is None or self.checkpoints.is_lost
        return is_lost and self._options.mapping.is_keyless

    def before_write(self, inputs: Sequence[Input]) -> None:
        """Rows are sent. Where a retry must know that they may have been, it is written down ahead."""
        self.has_sent = True
        checkpoints, intake = self.checkpoints, self._intake
        if not self._looks_ahead or checkpoints is None or intake is None or checkpoints.is_lost:
            return
        beyond = max(item.row for item in inputs) + 1
        if beyond <= checkpoints.sent_up_to:
            return
        if checkpoints.began is None:
            checkpoints.began = self._client.pace.clock.moment(time.monotonic()) or ""
        checkpoints.sent_up_to = min(beyond + _ROWS_AHEAD, intake.digest.rows)
        with self._signals.storage():
            self._save_checkpoint()

    def save_at_once(self) -> None:
        """A stop was noticed. Airflow ends the process some seconds after it, perhaps before the last checkpoint."""
        if not self._saved_at_once:
            self._saved_at_once = True
            with suppress(BaseException), self._signals.storage():  # a timeout that comes here is held
                self._save_checkpoint()

    def save_for_the_last_time(self) -> None:
        """A retry goes on from here: what is read from now on is only accounted for, and read again by the retry."""
        with self._signals.storage():
            self._save_checkpoint()
        self._checkpoint_is_final = True

    def _save_checkpoint(self) -> None:
        if self._try.superseded or self._checkpoint_is_final:
            return
        if self.checkpoints is None or self._intake is None or not self._intake.digest.rows:
            return  # nothing has happened since the checkpoint that is there, if there is one
        self._note_costs()
        parts = self._files.close_part() if self._files is not None else ()
        if self._files is not None and self._files.error is not None:
            return  # the rows since the last part have no line: a retry sends them again
        self.checkpoints.save(
            self.report,
            self._intake.digest,
            result_parts=parts,
            seconds=self.report.seconds,
            timeline=self.timeline.points(),
        )

    def _give_way(self) -> None:
        """Another try has followed: end, and touch nothing that is its too."""
        files, self._files, self._fingerprints = self._files, None, None
        if files is not None:
            files.give_way()
        self._stop(self._try.error())

    def _note_costs(self) -> None:
        report = self.report
        report.duplicates = self._intake.duplicates.count if self._intake else 0
        report.completed_at = _now()
        report.seconds = self._seconds_before + time.monotonic() - self._started

    # --- the end -------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close what is open.

        :raises SyncStoppedError: the result files can't be written, or another try has followed.
        """
        with self._signals.storage():
            if self._try.look():
                self._give_way()
                raise self._try.error()
        if self._files is not None:
            self._files.close(ended=self.all_read)
            if self._files.error is not None:
                raise _unwritten(self._files.error, self._options.results_path)
        fingerprints, self._fingerprints = self._fingerprints, None
        if fingerprints is not None:
            with self._signals.storage():
                fingerprints.save()

    def end(self, *, finished: bool) -> None:
        """Close what is open, whatever happened; then say what became of the rows.

        :param finished: a retry would have nothing to go on from.
        """
        self._note_costs()
        self.timeline.tick(last=True)
        if self.checkpoints is not None and not finished:
            with self._signals.storage():
                self._save_checkpoint()
        with suppress(HubSpotError):  # there is another error already
            self.close()
        if self.checkpoints is not None and finished:
            with self._signals.storage():
                self.checkpoints.drop()
        emit_metrics(self.report, self.earlier)
        log.info("%s", closing_line(self.report, self._client.pace.daily_remaining))
        if self._options.validate_only and self._options.compares_with == COMPARE_WITH_HUBSPOT:
            log.info("%s", changes_line(self.report))
        noticed = [*rejected_lines(self.report), *not_taken_lines(self.report), *unread_lines(self.report)]
        if self._intake is not None:
            noticed += [*duplicates_lines(self._intake.duplicates), *left_alone_lines(self._intake.empty)]
        for line in noticed:
            log.warning("%s", line)


def _unwritten(error: BaseException, folder: str | None) -> HubSpotError:
    if isinstance(error, HubSpotError):
        return error
    what = f"{type(error).__name__}: {show_error(error, folder)}"
    return SyncStoppedError(
        f"the result files can't be written ({what}), so the sync stopped; a retry goes on from the last complete file"
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
