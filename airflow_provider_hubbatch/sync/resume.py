"""Checkpoints in Airflow's task state store: written by time, from the main thread, so that a retry goes on."""

from __future__ import annotations

import logging
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.core.checkpoint import (
    Checkpoint,
    RowsDigest,
)
from airflow_provider_hubbatch.core.packing import RowRanges, TooLargeError
from airflow_provider_hubbatch.exceptions import UnconfirmedRequestError

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_hubbatch.core.model import RowOutcome, Status
    from airflow_provider_hubbatch.core.result_names import Parts
    from airflow_provider_hubbatch.core.sync_report import SyncReport
    from airflow_provider_hubbatch.exceptions import HubSpotError
    from airflow_provider_hubbatch.sync.tries import StateStore, TaskTry

log = logging.getLogger(__name__)

# A killed task sends again what was confirmed since its last checkpoint, which is promised to be at most 5 s old. The
# engine looks at the clock once a second; writing one takes about 15 ms.
SAVE_EVERY_SECONDS = 3.5


# What is kept of a sync that sends no row twice, once it has ended.
_ENDED = {"ended": True}


def may_be_twice(why: str) -> UnconfirmedRequestError:
    """The error for a sync that would perhaps create records again.

    :param why: what keeps it from knowing which ones are there.
    """
    return UnconfirmedRequestError(
        f"an earlier try of this task may have created records, and without a key they can't be found again: {why}. "
        "This try has sent nothing. Look in HubSpot (or in the earlier try's results) which records are there, then "
        "start a new DAG run with the rows that are left"
    )


def cannot_resume(error: HubSpotError) -> HubSpotError:
    """The error for a sync that a retry can't go on with, and that must not start over."""
    unconfirmed = UnconfirmedRequestError(
        f"{error}. This isn't tried again: records may have been created, and Airflow keeps no state for this task, so "
        "that a retry can't know which. The task's results say which rows were created and which are unknown; start a "
        "new DAG run with the rows that are left",
        correlation_id=error.correlation_id,
    )
    unconfirmed.report = error.report
    return unconfirmed


def key_of(verb: str) -> str:
    """Under which name a verb's checkpoint is kept."""
    return f"hubspot_batch_{verb}"


class Checkpoints:
    """The checkpoint of one task instance's sync.

    :param this_try: whose it is; what the store refuses it means that another one has followed.
    :param store: where it is kept.
    :param verb: of the sync.
    :param once: no row may be sent twice, whatever happens: starting over is refused, also when the task is cleared.
    :ivar is_lost: the store fails: nothing tells the next try what this one does.
    :ivar began: when the first row was written, by HubSpot's clock.
    :ivar sent_up_to: rows before this one may be sent before the next checkpoint is saved.
    """

    def __init__(
        self,
        this_try: TaskTry,
        store: StateStore,
        *,
        verb: str = "update",
        once: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._once = once
        self.is_lost = False
        self.began: str | None = None
        self.sent_up_to = 0
        self._key = key_of(verb)
        self._try = this_try
        self._store = store
        self._clock = clock
        self._saved_at = clock()
        self._settled = RowRanges()
        self._counts: Counter[Status] = Counter()
        self._settings = ""
        self._account = ""

    def load(self, settings: str, account: str) -> Checkpoint | None:
        """The checkpoint that an earlier try left, if it is one of a sync with the same settings and account.

        :param settings: the fingerprint of this sync's settings.
        :param account: what tells the account from all others.
        """
        self._settings, self._account = settings, account
        try:
            data = self._store.get(self._key)
        except Exception as error:  # noqa: BLE001 - whatever the store's backend raises; a sync works without it
            self.is_lost = True
            if not self._once:
                self.start_over(f"the task's state can't be read ({type(error).__name__})")
            return None
        if data is None:
            return None
        if data == _ENDED:
            self.start_over("this task has ended before, and was cleared")
            return None
        try:
            checkpoint = Checkpoint.from_json(data)
        except ValueError as error:
            self.start_over(f"the checkpoint of an earlier try can't be used, {error}")
            return None
        if checkpoint.account != account:
            self.start_over("the checkpoint is about another HubSpot account, or nothing tells that it is this one")
            return None
        if checkpoint.settings != settings:
            self.start_over("the settings have changed since the try that left a checkpoint")
            return None
        return checkpoint

    def has_any(self) -> bool:
        """Whether an earlier try left a checkpoint, usable or not."""
        try:
            return self._store.get(self._key) is not None
        except Exception:  # noqa: BLE001 - whatever the store's backend raises
            return True

    def start_over(self, why: str) -> None:
        """Forget the checkpoint at once: what is written from now on is not what it is about, should this try die too.

        :param why: for the task's log.
        :raises UnconfirmedRequestError: this would send rows again that must not be.
        """
        if self._once:
            raise may_be_twice(why)
        log.warning("Starting over: %s", why)
        self._forget()

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint whose rows have proved to be the same."""
        self.began, self.sent_up_to = checkpoint.began, checkpoint.sent_up_to
        self._settled = checkpoint.settled
        self._counts = checkpoint.counts.copy()

    def note(self, outcome: RowOutcome) -> None:
        """A row has its outcome."""
        if outcome.is_settled:
            self._settled.add(outcome.row)
            self._counts[outcome.status] += 1

    @property
    def due(self) -> bool:
        """Whether it is time to save."""
        return self._clock() - self._saved_at >= SAVE_EVERY_SECONDS

    def save(
        self,
        report: SyncReport,
        digest: RowsDigest,
        *,
        result_parts: Parts,
        seconds: float,
        timeline: dict[str, Any] | None = None,
    ) -> None:
        """Save where the sync stands. A store that fails costs the checkpoint, not the sync."""
        self._saved_at = self._clock()
        checkpoint = Checkpoint(
            settings=self._settings,
            account=self._account,
            rows_read=digest.rows,
            digest=digest.hexdigest(),
            settled=self._settled,
            counts=self._counts,
            rejected_by_category=report.rejected_by_category,
            not_taken=report.not_taken,
            cleared=report.cleared,
            rejected=[one for one in report.rejected if one.is_settled],
            outcomes=None if report.outcomes is None else [one for one in report.outcomes if one.is_settled],
            result_parts=result_parts,
            costs=report.costs(),
            started_at=report.started_at,
            seconds=seconds,
            timeline=timeline,
            began=self.began,
            sent_up_to=self.sent_up_to,
        )
        try:
            self._store.set(self._key, checkpoint.as_json())
        except TooLargeError as error:
            log.warning("No checkpoint is saved, since %s: a retry repeats more", error)
            self.is_lost = True
        except Exception as error:  # noqa: BLE001 - whatever the store's backend raises
            log.warning("The checkpoint can't be saved (%s): a retry repeats more", type(error).__name__)
            self.is_lost = True
            self._try.note(error)

    def drop(self) -> None:
        """The sync has ended: clearing the task is to run it in full, unless that would do things twice."""
        if self._once and self.sent_up_to:
            try:
                self._store.set(self._key, _ENDED)
            except Exception as error:  # noqa: BLE001 - whatever the store's backend raises
                log.warning("That this task has ended can't be saved (%s)", type(error).__name__)
                self._try.note(error)
        else:
            self._forget()

    def _forget(self) -> None:
        try:
            self._store.delete(self._key)
        except Exception as error:  # noqa: BLE001 - whatever the store's backend raises
            log.warning("The checkpoint can't be removed (%s)", type(error).__name__)
            self._try.note(error)
