"""Looking up: inputs wait for their record to be read, and go on in the order in which they came."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from airflow_provider_hubbatch.core.explain import fatal_error
from airflow_provider_hubbatch.core.folded_lookup import FoldedQueue
from airflow_provider_hubbatch.core.lookup import Found
from airflow_provider_hubbatch.core.lookup_queue import LookupQueue
from airflow_provider_hubbatch.core.model import RowOutcome, Status
from airflow_provider_hubbatch.core.record_check import RECORD_MISMATCH, MismatchGuard
from airflow_provider_hubbatch.core.values import order_key
from airflow_provider_hubbatch.core.verbs.verb import LookUp
from airflow_provider_hubbatch.core.verdicts import Refused
from airflow_provider_hubbatch.exceptions import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_hubbatch.client.done import Done
    from airflow_provider_hubbatch.core.lookup import Answer, Lookup
    from airflow_provider_hubbatch.core.lookup_queue import LookupBatch
    from airflow_provider_hubbatch.core.model import Input
    from airflow_provider_hubbatch.core.protocol import Reply, Request
    from airflow_provider_hubbatch.core.verbs.verb import Step, Verb
    from airflow_provider_hubbatch.core.verdicts import Final
    from airflow_provider_hubbatch.sync.outbox import Outbox
    from airflow_provider_hubbatch.sync.refusals import Refusals

log = logging.getLogger(__name__)


class Lookups:
    """The stage of a sync that looks records up.

    :param is_open: whether another row of this key waits to be written, or is under way.
    :param take: carries out a row's next step.
    :param known: takes the doubt from an input that an earlier one of its record has settled, by its present key.
    """

    def __init__(
        self,
        verb: Verb,
        outbox: Outbox,
        refusals: Refusals,
        *,
        is_open: Callable[[str, int], bool],
        take: Callable[[Input, Step], None],
        known: Callable[[Input, str], Input],
    ) -> None:
        self._known = known
        self.outbox = outbox
        self.refusals = refusals
        self._verb = verb
        self._is_open = is_open
        self._take = take
        # in the order in which rows come through them
        self._queues: dict[Lookup, LookupQueue | FoldedQueue] = {}
        self._guard = MismatchGuard()
        self._sent = 0
        # key -> how many lookups had been sent when it was written: what those read may be older
        self._written: dict[str, int] = {}

    def __len__(self) -> int:
        """How many inputs are in here."""
        return sum(map(len, self._queues.values()))

    def add(self, lookup: Lookup, item: Input) -> None:
        """Look an input up, after the others."""
        queue = self._queues.get(lookup)
        if queue is None:
            self._say_once(lookup)
            queue = self._queues[lookup] = FoldedQueue(lookup) if lookup.folds else LookupQueue(lookup)
        if queue.add(item):
            self._go_on(queue)

    def has_batch(self, *, partial: bool) -> bool:
        """Whether there are enough inputs for a request.

        :param partial: fewer than fit one are enough: no further row can join them.
        """
        return self._next_queue(partial=partial) is not None

    def next_batch(self) -> LookupJob | None:
        """The next inputs to look up."""
        queue = self._next_queue(partial=True)
        if queue is None:
            return None
        job = LookupJob(self, queue, queue.take(self._sent))
        self._sent += 1
        return job

    def _next_queue(self, *, partial: bool) -> LookupQueue | FoldedQueue | None:
        """The queue that a request is to be made of: a full one, if there is one.

        :param partial: else the first that has something, unless rows that are looked up in another way may join it.
        """
        full = next((queue for queue in self._queues.values() if _is_full(queue)), None)
        if full is not None or not partial:
            return full
        first = next(filter(len, self._queues.values()), None)
        return first if first is not None and first.unasked else None

    def note_written(self, key: str) -> None:
        """A record has been written: what is being read of it may be older."""
        if self._queues and any(queue.oldest is not None for queue in self._queues.values()):
            self._written[key] = self._sent

    def take_answered(self, queue: LookupQueue | FoldedQueue) -> None:
        """Go on with the inputs whose record is known, as far as no earlier one waits."""
        self._go_on(queue)
        oldest = min((one.oldest for one in self._queues.values() if one.oldest is not None), default=self._sent)
        self._written = {key: sent for key, sent in self._written.items() if sent > oldest}

    def _go_on(self, queue: LookupQueue | FoldedQueue) -> None:
        for item, found, batch in queue.ready():
            key = order_key(found.record.id) if found.record is not None else item.key
            waits, behind_key = self._is_open(key, item.row), key != item.key and self._is_open(item.key, item.row)
            if waits or behind_key or self._written.get(key, 0) > batch.number:
                found = replace(found, is_stale=True, waits=waits, behind_key=behind_key)  # noqa: PLW2901 - the same, known better
            known = item if item.asks_for_link else self._known(item, key)
            step = self._verb.after_lookup(known, found)
            if isinstance(step, RowOutcome) and step.status in (Status.REJECTED, Status.UNKNOWN):
                self.refusals.note_bad()
            if item.must_match is not None and found.record is not None and not isinstance(step, LookUp):
                self._note_comparison(step)
            self._take(item, step)

    def _say_once(self, lookup: Lookup) -> None:
        if lookup.lags and not any(one.lags for one in self._queues):
            log.info(
                "Records are found by HubSpot's search, which may not know yet what was written in the last minute"
            )

    def _note_comparison(self, step: Step) -> None:
        """A row was compared with its record: rows that name the wrong ones end the sync."""
        mismatches = isinstance(step, RowOutcome) and step.category == RECORD_MISMATCH
        problem = self._guard.note(mismatches=mismatches)
        if problem is not None:
            self.outbox.end(SettingsError(problem))


def _is_full(queue: LookupQueue | FoldedQueue) -> bool:
    """Whether a request is to be sent without waiting for more inputs."""
    is_due = queue.lookup.is_urgent and queue.oldest is None
    return queue.unasked >= (1 if is_due else queue.lookup.most_inputs)


@dataclass(frozen=True, slots=True)
class LookupJob:
    """Some inputs whose records are read."""

    stage: Lookups
    queue: LookupQueue | FoldedQueue
    batch: LookupBatch
    reads: ClassVar[bool] = True
    is_suspected: ClassVar[bool] = False
    settles: ClassVar[bool] = False

    def request(self) -> Request:
        """The lookup's."""
        return self.queue.lookup.request(self.batch.asked)

    def unanswered(self, *, maybe_applied: bool) -> None:
        """Reading leaves everything as it is."""

    def answered(self, reply: Reply, done: Done) -> None:  # noqa: ARG002 - reading has no effect
        """Go on with what was found; ask again for what the reply leaves out."""
        found = self.queue.lookup.read(self.batch.asked, reply, repeated=self.batch.repeated)
        if any(isinstance(one, Found) and (one.record is not None or one.links is not None) for one in found):
            self.stage.refusals.lookup_answered()
        self._take(found)

    def failed(self, done: Done, verdict: Final) -> None:
        """That there are no such records is an answer; any other refusal is split, to see what it is about."""
        if not isinstance(verdict, Refused):
            self.stage.outbox.end(fatal_error(verdict, done.error))
            return
        lookup = self.queue.lookup
        self.stage.refusals.count_request()
        if done.error.is_about_absence:
            self._take(lookup.read_absence(self.batch.asked, done.error, repeated=self.batch.repeated))
            return
        split = self.stage.refusals.lookup_refused(done.error, lookup.id_property)
        if self.stage.outbox.ending is None:
            parts = self.queue.refuse(self.batch, done.error, split=split)
            self.stage.outbox.add(*[replace(self, batch=part) for part in parts])
            self.stage.take_answered(self.queue)

    def _take(self, found: Sequence[Answer]) -> None:
        again = self.queue.answer(self.batch, found)
        self.stage.outbox.add(*[replace(self, batch=batch) for batch in again])
        self.stage.take_answered(self.queue)
