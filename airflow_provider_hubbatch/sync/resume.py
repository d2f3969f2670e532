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

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_hubbatch.core.model import RowOutcome, Status
    from airflow_provider_hubbatch.core.result_names import Parts
    from airflow_provider_hubbatch.core.sync_report import SyncReport
    from airflow_provider_hubbatch.sync.tries import StateStore, TaskTry

log = logging.getLogger(__name__)

# A killed task sends again what was confirmed since its last checkpoint, which is promised to be at most 5 s old. The
# engine looks at the clock once a second; writing one takes about 15 ms.
SAVE_EVERY_SECONDS = 3.5

KEY = "hubspot_batch_update"


class Checkpoints:
    """The checkpoint of one task instance's sync.

    :param this_try: whose it is; what the store refuses it means that another one has followed.
    :param store: where it is kept.
    """

    def __init__(self, this_try: TaskTry, store: StateStore, *, clock: Callable[[], float] = time.monotonic) -> None:
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
            data = self._store.get(KEY)
        except Exception as error:  # noqa: BLE001 - whatever the store's backend raises; a sync works without it
            self.start_over(f"the task's state can't be read ({type(error).__name__})")
            return None
        if data is None:
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
            return self._store.get(KEY) is not None
        except Exception:  # noqa: BLE001 - whatever the store's backend raises
            return True

    def start_over(self, why: str) -> None:
        """Forget the checkpoint at once: what is written from now on is not what it is about, should this try die too.

        :param why: for the task's log.
        """
        log.warning("Starting over: %s", why)
        self.drop()

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint whose rows have proved to be the same."""
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
        )
        try:
            self._store.set(KEY, checkpoint.as_json())
        except TooLargeError as error:
            log.warning("No checkpoint is saved, since %s: a retry repeats more", error)
        except Exception as error:  # noqa: BLE001 - whatever the store's backend raises
            log.warning("The checkpoint can't be saved (%s): a retry repeats more", type(error).__name__)
            self._try.note(error)

    def drop(self) -> None:
        """The sync has ended: clearing the task is to run it in full."""
        try:
            self._store.delete(KEY)
        except Exception as error:  # noqa: BLE001 - whatever the store's backend raises
            log.warning("The checkpoint can't be removed (%s)", type(error).__name__)
            self._try.note(error)
