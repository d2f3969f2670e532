"""The one loop: rows become requests, replies go to the jobs that they answer, every row has its outcome.

It knows no verb and decides nothing: what is sent, what a reply says and what comes next is asked of ``core``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_hubbatch.client.dispatcher import LONGEST_WAIT_SECONDS
from airflow_provider_hubbatch.core.batching import Lanes
from airflow_provider_hubbatch.core.explain import quota_error
from airflow_provider_hubbatch.core.model import RowOutcome
from airflow_provider_hubbatch.core.verbs.verb import LookUp, Write
from airflow_provider_hubbatch.exceptions import AccessError, HubSpotError, SyncStoppedError, UnavailableError
from airflow_provider_hubbatch.sync.ledger import Ledger
from airflow_provider_hubbatch.sync.lookups import Lookups
from airflow_provider_hubbatch.sync.outbox import Outbox
from airflow_provider_hubbatch.sync.refusals import Refusals
from airflow_provider_hubbatch.sync.writes import Writes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from airflow_provider_hubbatch.client.dispatcher import Dispatcher, Transport
    from airflow_provider_hubbatch.client.done import Done
    from airflow_provider_hubbatch.core.costs import Costs
    from airflow_provider_hubbatch.core.definitions import PropertyDefinition
    from airflow_provider_hubbatch.core.model import Input
    from airflow_provider_hubbatch.core.verbs.verb import Operation, Step, Verb
    from airflow_provider_hubbatch.sync.jobs import Job

# After a stop, requests under way get this long to be answered. Airflow ends a killed task about 5 s after it asked
# (seen with 3.3); the checkpoint and the XComs must fit into what is left.
STOP_GRACE_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a sync is to do, all checked.

    :param verb: what becomes of each row.
    :param definitions: HubSpot's, by property; ``None``: not read so far, which the engine does where it helps.
    :param keeps_rows: outcomes are written down: what wasn't sent with its source row, for sending it later.
    :param max_in_flight: requests under way at once.
    :param validate_only: write nothing; what would be written is ``not_sent``.
    :param reads_to_the_end: also when the sync can't go on, so that every row has its outcome: not worth it for rows
        that come from far away.
    """

    verb: Verb
    definitions: Mapping[str, PropertyDefinition] | None = None
    keeps_rows: bool = False
    max_in_flight: int = 16
    validate_only: bool = False
    reads_to_the_end: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a sync is, for its log.

    :param rows_read: rows taken from the source.
    :param rows_settled: rows that have their outcome.
    :param stalled: why nothing moves, for how long; ``None``: it moves.
    """

    rows_read: int
    rows_settled: int
    costs: Costs
    in_flight: int
    stalled: str | None = None


class Engine:
    """Rows in, one outcome a row out, as a stream.

    Many methods: each step of its loop has a name, and is short.

    :param prepared: the rows in order, each an :class:`Input` ready to send or the outcome it already has.
    :param dispatcher: carries the requests.
    :param tick: called about once a second, with the progress, from the thread that runs the sync.
    :param at_end: called when the sync ends early, before what is under way is waited for. It must not raise.
    :param before_write: called right before rows are sent to be written.
    :param before_rest: called when the sync has ended early, before the rows left are read to be accounted for.
    """

    def __init__(
        self,
        plan: Plan,
        prepared: Iterable[Sequence[Input | RowOutcome]],
        *,
        dispatcher: Dispatcher,
        transport: Transport,
        tick: Callable[[Progress], None] = lambda _: None,
        at_end: Callable[[], None] = lambda: None,
        before_write: Callable[[Sequence[Input]], None] = lambda _: None,
        before_rest: Callable[[], None] = lambda: None,
    ) -> None:
        self._plan = plan
        self._prepared = iter(prepared)
        self._dispatcher = dispatcher
        self._transport = transport
        self._tick = tick
        self._at_end = at_end
        self._before_rest = before_rest
        self._ledger = Ledger(keeps_rows=plan.keeps_rows)
        self._outbox = outbox = Outbox(dispatcher)
        self._lanes = Lanes()
        refusals = Refusals(plan.verb, outbox, definitions=plan.definitions, costs=dispatcher.costs)
        self._lookups = Lookups(
            plan.verb, outbox, refusals, is_open=self._lanes.has, take=self._take, known=self._known
        )
        self._writes = Writes(
            plan.verb,
            self._lanes,
            self._ledger,
            outbox,
            refusals,
            clock=dispatcher.pace.clock,
            take=self._take,
            note=self._lookups.note_written,
            before_write=before_write,
        )
        self._exhausted = False
        # enough to keep every request slot busy while the next rows are prepared, and no more
        self._buffer_rows = 2 * plan.max_in_flight * plan.verb.operation.most_inputs

    def add(self, job: Job) -> None:
        """Send this too, before all that waits."""
        self._outbox.add_first(job)

    def stop(self, error: BaseException | None = None) -> None:
        """Start no more requests. Safe to call from a signal handler or another thread; the stream ends soon after.

        :param error: what the stream ends with; ``None``: :class:`SyncStoppedError`.
        """
        self._outbox.end(error or SyncStoppedError("the sync was told to stop; a retry sends what had no reply"))
        self._transport.wake()

    def run(self) -> Iterator[RowOutcome]:
        """The outcomes, as they come, in no order; one for every row read, also when it ends with an error.

        :raises HubSpotError: at the end, after every outcome: the sync could not go on.
        """
        try:
            while not self._finished():
                self._feed()
                self._send()
                yield from self._ledger.hand_on()
                self._receive()
            yield from self._ledger.hand_on()
        except GeneratorExit:  # nobody listens any more
            self.stop()
            return
        except BaseException as error:  # noqa: BLE001 - also a task's timeout must account for its rows; raised below
            self._outbox.end(error)
        if self._outbox.ending is not None:
            yield from self.wind_up()
            raise self._outbox.ending

    def progress(self) -> Progress:
        """Where the sync is."""
        return Progress(
            rows_read=self._ledger.read,
            rows_settled=self._ledger.settled,
            costs=self._dispatcher.costs,
            in_flight=self._dispatcher.in_flight,
            stalled=self._dispatcher.stalled,
        )

    def _finished(self) -> bool:
        if self._outbox.ending is not None:
            return True
        return self._exhausted and not (
            self._dispatcher.pending or len(self._outbox) or len(self._lanes) or len(self._lookups)
        )

    # --- rows in -------------------------------------------------------------------------------------------------

    def _feed(self) -> None:
        verb = self._plan.verb
        while self._may_read_rows():
            rows = next(self._prepared, None)
            if rows is None:
                self._exhausted = True
                return
            self._ledger.take_in(rows)
            for row in rows:
                if isinstance(row, RowOutcome):
                    self._ledger.settle(row)
                elif verb.lookup is not None:
                    self._lookups.add(verb.lookup, row)
                elif verb.decides_first:
                    self._take(row, verb.first_step(row))
                else:
                    self._write(verb.operation, row)
            if self._ledger.has_outcomes or (self._has_work() and self._dispatcher.may_send()):
                return  # hand them on, and send what can be sent, before more is read and prepared

    def _may_read_rows(self) -> bool:
        return not self._exhausted and self._ledger.open < self._buffer_rows

    def _take(self, item: Input, step: Step) -> None:
        """Carry out a row's next step.

        :param item: the row as it was before.
        """
        match step:
            case RowOutcome():
                self._writes.settle(item, step)
            case LookUp():
                if step.outcome is not None:
                    self._writes.hold(step.item, step.outcome)
                self._lookups.add(step.lookup, step.item)
            case Write():
                self._ledger.replace(step.item)
                self._write(step.operation, step.item)

    def _known(self, item: Input, key: str) -> Input:
        return self._writes.known(item, key)

    def _write(self, operation: Operation, item: Input) -> None:
        if self._plan.validate_only:
            self._writes.settle(item, self._ledger.not_sent(item, self._plan.verb.would_write(item)))
        else:
            self._lanes.add(operation, item)

    # --- requests out --------------------------------------------------------------------------------------------

    def _send(self) -> None:
        dispatcher, outbox = self._dispatcher, self._outbox
        if dispatcher.quota_spent and not dispatcher.in_flight and not self._finished():
            pace = dispatcher.pace
            outbox.end(quota_error(pace.daily_remaining or 0, pace.daily, dispatcher.daily_reserve))
        if outbox.ending is None:
            dispatcher.send_due()
        while outbox.ending is None and self._has_work() and dispatcher.may_send():
            job = self._next_job()
            if job is not None:
                outbox.send(job)

    def _has_work(self) -> bool:
        return bool(len(self._outbox)) or self._has_lookup() or self._has_write()

    def _next_job(self) -> Job | None:
        if len(self._outbox):
            return self._outbox.take()
        # full batches first: what has been read is written before more is read
        if self._has_lookup() and not self._lanes.has_batch(partial=False):
            return self._lookups.next_batch()
        return self._writes.next_batch()

    def _has_lookup(self) -> bool:
        # rows that are being written may join, where what became of them is looked up
        return self._lookups.has_batch(partial=self._no_row_can_join() and not self._writes.to_be_looked_up)

    def _has_write(self) -> bool:
        # rows that are being looked up may join a batch
        return self._lanes.has_batch(partial=self._no_row_can_join() and not len(self._lookups))

    def _no_row_can_join(self) -> bool:
        return self._exhausted or self._ledger.open >= self._buffer_rows

    # --- replies in ----------------------------------------------------------------------------------------------

    def _receive(self) -> None:
        wants_to_send = self._has_work()
        if (wants_to_send or self._dispatcher.pending) and self._outbox.ending is None:
            at_most_seconds = 0.0 if self._may_read_rows() else LONGEST_WAIT_SECONDS
            ended = self._dispatcher.wait(wants_to_send=wants_to_send, at_most_seconds=at_most_seconds)
            for done in ended:
                if done.failed:
                    self._read(done)
            self._send()  # what is ready, before the good replies are read: HubSpot need not wait for that
            for done in ended:
                if not done.failed:
                    self._read(done)
        self._tick(self.progress())

    def _read(self, done: Done) -> None:
        job: Job = done.purpose
        if done.failed:
            job.unanswered(maybe_applied=done.maybe_applied)
        if done.crash is not None:
            self._outbox.end(done.crash)
        elif done.verdict is not None:
            job.failed(done, done.verdict)
        elif done.reply is not None:
            job.answered(done.reply, done)

    # --- the end -------------------------------------------------------------------------------------------------

    def wind_up(self) -> Iterator[RowOutcome]:
        """Wait briefly for what is under way, then account for all that was read; nothing, once that is done."""
        self._at_end()
        self._let_go(self._dispatcher.abandon_retries())
        until = self._transport.now() + STOP_GRACE_SECONDS
        while (left := until - self._transport.now()) > 0 and (wait := self._seconds_to_settle()) < math.inf:
            for done in self._dispatcher.wait_for_replies(min(left, wait)):
                self._read(done)
        self._let_go(self._dispatcher.abandon())
        yield from self._ledger.hand_on()
        self._ledger.close()
        yield from self._ledger.hand_on()
        if self._plan.reads_to_the_end and not isinstance(self._outbox.ending, SyncStoppedError):
            yield from self._rest_not_sent()

    @staticmethod
    def _let_go(abandoned: Iterable[tuple[Job, bool]]) -> None:
        for job, maybe_applied in abandoned:
            job.unanswered(maybe_applied=maybe_applied)

    def _seconds_to_settle(self) -> float:
        """Read back what has been written, as far as the pace allows.

        :returns: how long to wait for the next reply or read; infinite: nothing more will be settled.
        """
        answers = not isinstance(self._outbox.ending, (AccessError, UnavailableError))
        more = answers and self._outbox.send_what_settles()
        if self._dispatcher.in_flight:
            return STOP_GRACE_SECONDS
        wait = self._dispatcher.seconds_to_next_send(wants_to_send=True) if more else 0.0
        return wait if wait > 0 else math.inf

    def _rest_not_sent(self) -> Iterator[RowOutcome]:
        if not isinstance(self._outbox.ending, HubSpotError):
            return  # the rows themselves can't be read, or there is no time for it
        self._before_rest()
        for rows in self._prepared:
            self._ledger.take_in(rows)
            self._ledger.close()
            yield from self._ledger.hand_on()
