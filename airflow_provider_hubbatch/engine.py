"""The one loop that sends, waits, retries and accounts for every row.

:class:`Dispatcher` carries single requests through pacing and retries; :class:`Sync` feeds rows into it and reads
the replies. Both decide nothing themselves: what to do is asked of ``core``, and what touches the world (the
transport with its sender threads, the clock, randomness) is passed in, so that tests run the whole of it on a
simulated clock.
"""

from __future__ import annotations

import heapq
import itertools
import math
import re
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_hubbatch.core import isolation, protocol, retry
from airflow_provider_hubbatch.core.batching import Lanes
from airflow_provider_hubbatch.core.errors import (
    AuthenticationError,
    DailyQuotaError,
    HubSpotError,
    MissingScopesError,
    RequestRefusedError,
    SettingsError,
    SyncStoppedError,
    SystematicRefusalError,
    UnavailableError,
)
from airflow_provider_hubbatch.core.lookup import (
    NO_ANSWER,
    NOT_FOUND,
    LookupJob,
    LookupQueue,
    changed_properties,
    not_found,
    resolved,
)
from airflow_provider_hubbatch.core.model import Input, RowOutcome, Status
from airflow_provider_hubbatch.core.rate_limit import RateLimitHeaders
from airflow_provider_hubbatch.core.reconcile import MERGED_IDS_PROPERTY, reconcile, reconcile_read_back
from airflow_provider_hubbatch.core.values import order_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from airflow_provider_hubbatch.core.lookup import Lookup
    from airflow_provider_hubbatch.core.protocol import BatchUpdate, ErrorInfo, Record, Reply, Request
    from airflow_provider_hubbatch.core.rate_limit import RateLimiter

# The longest the loop sleeps at once: so often it looks at the stop flag, the progress and the checkpoint clocks.
_TICK_SECONDS = 1.0

# After a stop, requests under way get this long to be answered. Airflow ends a killed task about 5 s after it asked
# (seen with 3.3); the checkpoint and the XComs must fit into what is left.
STOP_GRACE_SECONDS = 3.0

_TOO_MANY = 429

# Calls of the day that a sync doesn't use up: with them it asks when the day begins anew (api-usage, else the account's
# time zone), which a spent quota may refuse to tell.
_CALLS_TO_ASK = 2

# A reply that says PENDING or PROCESSING is read back after this long.
_PENDING_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Completion:
    """How one request ended, as the transport saw it.

    :param tag: what the request was submitted with.
    :param reply: HubSpot's reply, or ``None``.
    :param failure: why there is none.
    :param detail: the transport's words for that, without secrets.
    :param crash: an exception that no retry mends: it ends the sync.
    :param sent: ``False`` if the reply is not the request's own: its token could not be had.
    :param sent_at: seconds on the transport's clock, taken right before sending.
    :param ended_at: the same, taken once the whole reply had been read.
    """

    tag: int
    sent_at: float
    ended_at: float
    reply: Reply | None = None
    failure: retry.FailureKind | None = None
    detail: str = ""
    crash: Exception | None = None
    sent: bool = True


class Transport(Protocol):
    """Sends requests side by side; the engine talks to it from one thread."""

    def submit(self, tag: int, request: Request) -> None:
        """Start a request; returns at once."""

    def wait(self, timeout_seconds: float) -> list[Completion]:
        """What has ended, as soon as there is something; nothing after the timeout, which it sleeps through if idle."""

    def wake(self) -> None:
        """End a ``wait`` that is under way, from another thread or a signal handler."""

    def now(self) -> float:
        """Monotonic seconds."""


@dataclass(slots=True)
class Counters:
    """What the sync has spent.

    :param requests: requests sent, retries among them.
    :param retries: requests sent again after a failure.
    :param rate_limited: replies 429.
    :param refused: requests that HubSpot refused for their content: isolation's cost.
    """

    requests: int = 0
    retries: int = 0
    rate_limited: int = 0
    refused: int = 0


@dataclass(slots=True)
class _Call:
    request: Request
    purpose: Any
    reads: bool = False
    attempt: int = 0
    started_at: float | None = None
    maybe_applied: bool = False
    ticket: int = 0


@dataclass(frozen=True, slots=True)
class Done:
    """A request has come to its end, retries included.

    :param purpose: what it was sent for.
    :param reply: the 2xx reply, or the last one.
    :param verdict: ``None`` for a 2xx; else why it is over.
    :param failure: what was wrong, where ``verdict`` is not ``None``.
    :param maybe_applied: a try of it may have had its effect without HubSpot saying so.
    :param crash: an exception of the transport's that ends everything.
    """

    purpose: Any
    reply: Reply | None
    verdict: retry.Refused | retry.Stop | None = None
    failure: retry.Failure | None = None
    maybe_applied: bool = False
    crash: Exception | None = None


class Dispatcher:
    """Carries requests through pacing and retries, many side by side.

    :param max_in_flight: requests under way at once, those waiting for their retry among them: when HubSpot is
        down, nothing new is started.
    :param daily_reserve: calls of the account's day to leave, as a count or a share; ``None``: don't look.
    """

    def __init__(
        self,
        *,
        transport: Transport,
        limiter: RateLimiter,
        random: Callable[[], float],
        max_in_flight: int,
        policy: retry.RetryPolicy | None = None,
        counters: Counters | None = None,
        daily_reserve: float | None = None,
    ) -> None:
        self.daily_reserve = daily_reserve
        self.counters = counters or Counters()
        self.limiter = limiter
        self._transport = transport
        self._random = random
        self._max_in_flight = max_in_flight
        self._policy = policy or retry.RetryPolicy()
        self._in_flight: dict[int, _Call] = {}
        self._delayed: list[tuple[float, int, _Call]] = []
        self._tags = itertools.count()

    @property
    def pending(self) -> int:
        """Requests under way or waiting for their retry."""
        return len(self._in_flight) + len(self._delayed)

    @property
    def in_flight(self) -> int:
        """Requests under way."""
        return len(self._in_flight)

    @property
    def quota_spent(self) -> bool:
        """Whether one more request could eat into the calls of the day that are to be left."""
        left = self.limiter.daily_remaining
        if self.daily_reserve is None or left is None:
            return False
        reserve = self.daily_reserve
        if isinstance(reserve, float):
            reserve *= self.limiter.daily or 0
        return left - len(self._in_flight) <= reserve + _CALLS_TO_ASK

    def may_send(self) -> bool:
        """Whether a new request may go now; those that wait for a retry go first."""
        return self.pending < self._max_in_flight and not self._due() and self._room()

    def send(self, request: Request, purpose: Any, *, after_seconds: float = 0.0, reads: bool = False) -> None:
        """Send a request, at once or later.

        :param reads: it is sent for what the reply says: a 2xx that makes no sense is a failure, and sent again.
        """
        call = _Call(request, purpose, reads)
        if after_seconds > 0:
            self._delay(call, after_seconds)
        else:
            self._submit(call)

    def send_due(self) -> None:
        """Send again what waits for its retry, as far as its time has come and the limit allows."""
        while self._due() and self._room():
            self._submit(heapq.heappop(self._delayed)[2])

    def wait(self, *, wants_to_send: bool, at_most_seconds: float = _TICK_SECONDS) -> list[Done]:
        """Wait until something has ended, a retry is due, or (if something is to be sent) the limit allows it.

        :param wants_to_send: the caller has more to send, and waits for :meth:`may_send`.
        """
        timeout = min(at_most_seconds, self._seconds_to_next_send(wants_to_send=wants_to_send))
        return self._ended_of(self._transport.wait(timeout))

    def wait_for_replies(self, at_most_seconds: float) -> list[Done]:
        """Wait until something under way has ended; nothing more will be sent."""
        return self._ended_of(self._transport.wait(at_most_seconds))

    def abandon(self) -> list[tuple[Any, bool]]:
        """Give up on everything pending: each purpose, and whether HubSpot may have acted on it."""
        waiting = [(call.purpose, call.maybe_applied) for _, _, call in self._delayed]
        under_way = [(call.purpose, True) for call in self._in_flight.values()]
        self._in_flight.clear()
        self._delayed.clear()
        return under_way + waiting

    def _seconds_to_next_send(self, *, wants_to_send: bool) -> float:
        now = self._transport.now()
        until_due = self._delayed[0][0] - now if self._delayed else math.inf
        if until_due > 0 and not (wants_to_send and self.pending < self._max_in_flight):
            return until_due
        if len(self._in_flight) >= self._max_in_flight or self.quota_spent:
            return math.inf
        return min(self.limiter.wait_seconds(now), until_due) if until_due > 0 else self.limiter.wait_seconds(now)

    def _room(self) -> bool:
        return (
            len(self._in_flight) < self._max_in_flight
            and not self.quota_spent
            and self.limiter.wait_seconds(self._transport.now()) <= 0
        )

    def _due(self) -> bool:
        return bool(self._delayed) and self._delayed[0][0] <= self._transport.now()

    def _ended_of(self, completions: list[Completion]) -> list[Done]:
        ended = [self._ended(completion) for completion in completions]
        return [done for done in ended if done is not None]

    def _delay(self, call: _Call, seconds: float) -> None:
        heapq.heappush(self._delayed, (self._transport.now() + seconds, next(self._tags), call))

    def _submit(self, call: _Call) -> None:
        now = self._transport.now()
        tag = next(self._tags)
        call.attempt += 1
        call.started_at = now if call.started_at is None else call.started_at
        call.ticket = self.limiter.sent(now)
        self.counters.requests += 1
        self.counters.retries += call.attempt > 1
        self._in_flight[tag] = call
        self._transport.submit(tag, call.request)

    def _ended(self, completion: Completion) -> Done | None:
        call = self._in_flight.pop(completion.tag, None)
        if call is None:  # abandoned before
            return None
        if completion.crash is not None:
            self.limiter.lost(call.ticket, sent_at=completion.sent_at, ended_at=completion.ended_at)
            return Done(call.purpose, None, crash=completion.crash, maybe_applied=call.maybe_applied)
        failure = self._account(call, completion)
        if failure is None:
            return Done(call.purpose, completion.reply)
        decision = retry.decide(
            failure,
            attempt=call.attempt,
            elapsed_seconds=completion.ended_at - (call.started_at or completion.ended_at),
            policy=self._policy,
            random=self._random,
        )
        if isinstance(decision, retry.Retry):
            if decision.pause_seconds > 0:
                self.limiter.pause(completion.ended_at + decision.pause_seconds)
            self._delay(call, decision.after_seconds)
            return None
        return Done(call.purpose, completion.reply, decision, failure, call.maybe_applied)

    def _account(self, call: _Call, completion: Completion) -> retry.Failure | None:
        """Tell the limiter how it ended, and read what went wrong, if anything."""
        reply = completion.reply
        if reply is None:
            self.limiter.lost(call.ticket, sent_at=completion.sent_at, ended_at=completion.ended_at)
            kind = completion.failure or retry.FailureKind.CUT
            call.maybe_applied |= kind in (retry.FailureKind.CUT, retry.FailureKind.TIMEOUT)
            return retry.Failure(kind=kind, message=completion.detail)
        if not completion.sent:
            self.limiter.lost(call.ticket, sent_at=completion.sent_at, ended_at=completion.ended_at)
            return retry.failure_from_reply(reply.status, reply.headers, protocol.decode(reply.body))
        self.limiter.answered(
            call.ticket,
            sent_at=completion.sent_at,
            answered_at=completion.ended_at,
            headers=RateLimitHeaders.parse(reply.headers),
            rate_limited=reply.status == _TOO_MANY,
        )
        if 200 <= reply.status < 300:  # noqa: PLR2004 - HTTP's own
            if call.reads and reply.body.strip() and protocol.decode(reply.body) is None:
                return retry.failure_from_reply(reply.status, reply.headers, None)
            return None
        self.counters.rate_limited += reply.status == _TOO_MANY
        call.maybe_applied |= reply.status >= 500  # noqa: PLR2004 - HTTP's own
        failure = retry.failure_from_reply(reply.status, reply.headers, protocol.decode(reply.body))
        # the words become those of exceptions, and these a log's: no row's value may get there
        return failure if call.request.body is None else retry.unquoted(failure)


def call(dispatcher: Dispatcher, request: Request) -> Reply:
    """Send one request, with pacing and retries.

    :returns: the 2xx reply.
    :raises HubSpotError: by its class who acts next.
    """
    while not dispatcher.may_send():
        dispatcher.wait(wants_to_send=True)
    dispatcher.send(request, None, reads=True)
    ended: list[Done] = []
    while not ended:
        dispatcher.send_due()
        ended = dispatcher.wait(wants_to_send=False)
    done = ended[0]
    if done.crash is not None:
        raise done.crash
    if done.verdict is not None or done.reply is None:
        raise _fatal(done.verdict or retry.Refused("no reply"), done.failure, _error_of(done))
    return done.reply


@dataclass(frozen=True, slots=True)
class _Update:
    group: isolation.Group
    resent: bool = False


@dataclass(frozen=True, slots=True)
class _ReadBack:
    """Inputs whose update had no clear answer.

    :param named: records that the update's reply names without telling whose they are (by id property).
    :param emptied: that reply named nothing at all, for any of its inputs.
    """

    inputs: tuple[Input, ...]
    resent: bool
    named: Mapping[str, Record] = field(default_factory=dict)
    emptied: bool = False


_Job = _Update | _ReadBack | LookupJob


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a sync is to do, all checked.

    :param update: the verb.
    :param equal: whether a property's value as sent equals HubSpot's: ``equal(name, ours, hubspots)``.
    :param missing_ok: a record that HubSpot doesn't have is ``missing``, not ``rejected``.
    :param max_in_flight: requests under way at once.
    :param validate_only: send no update; what would be sent is ``not_sent``.
    :param lookup: what to read of every record first; the update then goes by record id.
    :param reads_to_the_end: also when the sync can't go on, so that every row has its outcome: not worth it for rows
        that come from far away.
    """

    update: BatchUpdate
    equal: Callable[[str, str, str | None], bool]
    missing_ok: bool = False
    max_in_flight: int = 16
    validate_only: bool = False
    lookup: Lookup | None = None
    reads_to_the_end: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a sync is, for its log.

    :param rows_read: rows taken from the source.
    :param rows_settled: rows that have their outcome.
    """

    rows_read: int
    rows_settled: int
    counters: Counters
    in_flight: int


@dataclass(slots=True)
class _State:
    settled: int = 0
    bad: int = 0
    exhausted: bool = False
    fatal: BaseException | None = None
    streak: isolation.Streak = field(default_factory=isolation.Streak)
    learned: isolation.Learned = field(default_factory=isolation.Learned)


class Sync:
    """One sync: rows in, one outcome a row out, as a stream.

    :param prepared: the rows in order, each an :class:`Input` ready to send or the outcome it already has.
    :param dispatcher: carries the requests.
    :param tick: called about once a second, with the progress, from the thread that runs the sync.
    """

    def __init__(
        self,
        plan: Plan,
        prepared: Iterable[Sequence[Input | RowOutcome]],
        *,
        dispatcher: Dispatcher,
        transport: Transport,
        tick: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self._plan = plan
        self._prepared = iter(prepared)
        self._dispatcher = dispatcher
        self._transport = transport
        self._tick = tick
        self._lanes = Lanes()
        self._lookups = LookupQueue(plan.lookup) if plan.lookup else None
        # record -> how many lookups had been sent when it was written: what those read may be older
        self._written: dict[str, int] = {}
        self._todo: list[_Job] = []
        # every row that has been read and whose outcome has not been handed on: what is in none of the other places
        # because an exception came between two lines (a task's timeout does) is accounted for by this
        self._open: dict[int, Input | RowOutcome] = {}
        # rows whose update has been sent, and may have had its effect without HubSpot saying so
        self._uncertain: set[int] = set()
        self._outcomes: deque[RowOutcome] = deque()
        self._state = _State()
        # enough to keep every request slot busy while the next rows are prepared, and no more
        self._buffer_rows = 2 * plan.max_in_flight * protocol.MAX_BATCH_INPUTS

    def stop(self, error: BaseException | None = None) -> None:
        """Start no more requests. Safe to call from a signal handler or another thread; the stream ends soon after.

        :param error: what the stream ends with; ``None``: :class:`SyncStoppedError`.
        """
        if self._state.fatal is None:
            self._state.fatal = error or SyncStoppedError("the sync was told to stop; a retry sends what had no reply")
        self._transport.wake()

    def run(self) -> Iterator[RowOutcome]:
        """The outcomes, as they come, in no order; one for every row read, also when it ends with an error.

        :raises HubSpotError: at the end, after every outcome: the sync could not go on.
        """
        try:
            while not self._finished():
                self._feed()
                self._send()
                yield from self._take_outcomes()
                self._receive()
        except GeneratorExit:  # nobody listens any more
            self.stop()
            return
        except BaseException as error:  # noqa: BLE001 - also a task's timeout must account for its rows; raised below
            self._state.fatal = self._state.fatal or error
        yield from self._take_outcomes()
        if self._state.fatal is not None:
            yield from self.wind_up()
            raise self._state.fatal

    def _finished(self) -> bool:
        if self._state.fatal is not None:
            return True
        return self._state.exhausted and not (
            self._dispatcher.pending or self._todo or len(self._lanes) or (self._lookups and len(self._lookups))
        )

    # --- rows in -----------------------------------------------------------------------------------------------

    def _feed(self) -> None:
        while not self._state.exhausted and len(self._open) < self._buffer_rows:
            rows = next(self._prepared, None)
            if rows is None:
                self._state.exhausted = True
                return
            self._open.update({row.row: row for row in rows})
            for row in rows:
                self._take_in(row)
            if self._outcomes:
                return  # hand them on before reading more

    def _take_in(self, row: Input | RowOutcome) -> None:
        if isinstance(row, RowOutcome):
            self._outcomes.append(row)
        elif self._lookups is not None:
            self._lookups.add(row)
        else:
            self._queue(row)

    def _queue(self, item: Input) -> None:
        if self._plan.validate_only:
            self._outcomes.append(_outcome(item, Status.NOT_SENT, category="VALIDATE_ONLY", message="would be sent"))
        else:
            self._lanes.add(item)

    # --- requests out ------------------------------------------------------------------------------------------

    def _send(self) -> None:
        if self._dispatcher.quota_spent and not self._dispatcher.in_flight and not self._finished():
            self._state.fatal = _quota_spent(self._dispatcher.limiter, self._dispatcher.daily_reserve)
        if self._state.fatal is None:
            self._dispatcher.send_due()
        while self._state.fatal is None and self._has_work() and self._dispatcher.may_send():
            job = self._next_job()
            if job is None:
                continue
            if isinstance(job, _Update):
                self._uncertain.update(item.row for item in job.group.inputs)
            self._dispatcher.send(self._request(job), job, reads=isinstance(job, LookupJob))

    def _has_work(self) -> bool:
        return bool(self._todo) or self._has_lookup() or self._has_batch()

    def _next_job(self) -> _Job | None:
        if self._todo:
            return self._todo.pop(0)
        # full batches first: what has been read is written before more is read
        if self._lookups is not None and self._has_lookup() and self._lanes.ready < protocol.MAX_BATCH_INPUTS:
            return self._lookups.take()
        return self._next_batch()

    def _has_lookup(self) -> bool:
        return self._lookups is not None and self._is_worth_sending(self._lookups.unread)

    def _has_batch(self) -> bool:
        if self._lookups is not None and len(self._lookups):
            return self._lanes.ready >= protocol.MAX_BATCH_INPUTS  # more rows may join it
        return self._is_worth_sending(self._lanes.ready)

    def _is_worth_sending(self, rows: int) -> bool:
        """Whether these make a batch: a full one, or what there is when no row can join it any more."""
        return rows >= protocol.MAX_BATCH_INPUTS or (
            rows > 0 and (self._state.exhausted or len(self._open) >= self._buffer_rows)
        )

    def _next_batch(self) -> _Update | None:
        inputs: list[Input] = self._lanes.take()
        if self._state.learned:
            inputs = [item for item in inputs if not self._refused_already(item)]
        return _Update(isolation.Group(tuple(inputs))) if inputs else None

    def _refused_already(self, item: Input) -> bool:
        error = self._state.learned.refusal_of(item)
        if error is None:
            return False
        self._reject(item, error)
        self._count_refusal(error, rows=1)
        return True

    def _request(self, job: _Job) -> Request:
        update = self._plan.update
        if isinstance(job, _Update):
            return update.request(job.group.inputs)
        if isinstance(job, LookupJob):
            return self._lookups.lookup.request(job.asked)  # type: ignore[union-attr]
        names = {name for item in job.inputs for name in item.properties}
        wanted = (*sorted(names), MERGED_IDS_PROPERTY, *([update.id_property] if update.id_property else []))
        read = protocol.BatchRead(update.object_type, wanted, update.id_property, update.api_version)
        return read.request(item.id for item in job.inputs)

    # --- replies in --------------------------------------------------------------------------------------------

    def _receive(self) -> None:
        wants_to_send = self._has_work()
        if (wants_to_send or self._dispatcher.pending) and self._state.fatal is None:
            for done in self._dispatcher.wait(wants_to_send=wants_to_send):
                self._read(done)
        self._tick(self.progress())

    def progress(self) -> Progress:
        """Where the sync is."""
        return Progress(
            rows_read=self._state.settled + len(self._open),
            rows_settled=self._state.settled,
            counters=self._dispatcher.counters,
            in_flight=self._dispatcher.in_flight,
        )

    def _read(self, done: Done) -> None:
        job = done.purpose
        if isinstance(job, _Update) and not done.maybe_applied and not job.resent:
            self._uncertain.difference_update(item.row for item in job.group.inputs)
        if done.crash is not None:
            self._state.fatal = self._state.fatal or done.crash
            return
        match done.verdict:
            case None if isinstance(job, _Update):
                self._read_update(job, done.reply)
            case None if isinstance(job, LookupJob):
                self._read_lookup(job, done.reply)
            case None:
                self._read_read_back(job, done.reply)
            case retry.Refused() if isinstance(job, LookupJob):
                self._refuse_lookup(job, _error_of(done))
            case verdict if isinstance(job, _ReadBack) and not _ends_the_sync(verdict):
                self._settle_unanswered(job.inputs, _error_of(done))
            case retry.Refused():
                self._dispatcher.counters.refused += 1
                self._after_refusal(job.group, _error_of(done))
            case verdict:
                self._state.fatal = self._state.fatal or _fatal(verdict, done.failure)

    # --- lookups -----------------------------------------------------------------------------------------------

    def _read_lookup(self, job: LookupJob, reply: Reply | None) -> None:
        lookups = self._lookups
        if lookups is None:
            return
        parsed = protocol.parse_batch_reply(reply.body if reply else b"")
        if parsed.results:
            self._state.streak = isolation.Streak()
        if lookups.answer(job, parsed):
            self._todo.append(job)
        self._take_looked_up(lookups)

    def _refuse_lookup(self, job: LookupJob, error: ErrorInfo) -> None:
        lookups, counters = self._lookups, self._dispatcher.counters
        if lookups is None:
            return
        counters.refused += 1
        settings_error = _about_settings(error, self._plan.update.object_type, lookups.lookup.id_property)
        if settings_error is not None:
            self._state.fatal = self._state.fatal or settings_error
            return
        self._count_refusal(error, requests=1)
        self._todo += lookups.refuse(job, error, split=counters.refused <= isolation.MAX_REFUSED_REQUESTS)
        self._take_looked_up(lookups)

    def _take_looked_up(self, lookups: LookupQueue) -> None:
        for item, found, job in lookups.ready():
            if found.record is not None:
                self._after_lookup(lookups.lookup, item, found.record, job.number)
            elif found.error is None and lookups.lookup.id_property is None:
                self._queue(item)  # the update's reply will tell
            else:
                self._outcomes.append(self._rejection(item, not_found(lookups.lookup, found.error)))
        oldest = lookups.oldest
        self._written = {key: number for key, number in self._written.items() if number > oldest}

    def _after_lookup(self, lookup: Lookup, item: Input, record: Record, number: int) -> None:
        key = order_key(record.id)
        properties = item.properties
        if lookup.compare and not self._lanes.has(key) and self._written.get(key, 0) <= number:
            properties = changed_properties(lookup, item, record)
        if properties:
            self._open[item.row] = found = resolved(item, record, properties)
            self._queue(found)
        else:
            self._outcomes.append(_outcome(item, Status.UNCHANGED, record_id=record.id, updated_at=record.updated_at))

    # --- updates -----------------------------------------------------------------------------------------------

    def _read_update(self, job: _Update, reply: Reply | None) -> None:
        group, id_property = job.group, self._plan.update.id_property
        parsed = protocol.parse_batch_reply(reply.body if reply else b"")
        reading = reconcile(group.inputs, parsed, id_property=id_property)
        for item, record in reading.confirmed:
            self._settle_updated(item, record)
        for item, error in reading.refused:
            self._reject(item, error)
        if reading.confirmed:
            self._state.streak = isolation.Streak()
        rest = isolation.Group(reading.unsaid, group.suspects, group.aside, searching=group.searching)
        if reading.unsaid and reading.errors:
            self._after_refusal(rest, reading.errors[0])
            return
        emptied = not (reading.confirmed or reading.refused or reading.strays)
        if emptied:
            self._count_refusal(protocol.NO_ANSWER, requests=1)
        if emptied and group.searching and len(reading.unsaid) > 1:
            self._search_silence(rest)
            return
        if reading.unsaid:
            self._uncertain.update(item.row for item in reading.unsaid)
            named = {record.id: record for record in reading.strays}
            pending = parsed.makes_sense and not parsed.confirms
            self._read_back(_ReadBack(reading.unsaid, job.resent, named, emptied), pending=pending)
        self._add_groups(isolation.after_acceptance(rest, bad_share=self._bad_share()))

    def _read_back(self, job: _ReadBack, *, pending: bool) -> None:
        if pending:
            self._dispatcher.send(self._request(job), job, after_seconds=_PENDING_SECONDS)
        else:
            self._todo.append(job)

    def _read_read_back(self, job: _ReadBack, reply: Reply | None) -> None:
        parsed = protocol.parse_batch_reply(reply.body if reply else b"")
        reading = reconcile_read_back(
            job.inputs, parsed, id_property=self._plan.update.id_property, equal=self._plan.equal
        )
        for item, record in reading.written:
            self._settle_updated(item, job.named.get(record.id, record))
        for item, record in reading.merged:
            self._settle(_merged(item, record), item)
        for item, error in reading.refused:
            self._reject(item, error)
        unclear = []
        for item, record in reading.differing:
            if record.id in job.named:  # the update named the record: HubSpot has made another value of ours
                self._settle_updated(item, job.named[record.id])
            else:
                unclear.append(item)
        if reading.strays and reading.unsaid and len(job.inputs) > 1:
            self._todo += [_ReadBack((item,), job.resent, job.named) for item in reading.unsaid]
        else:
            unclear += reading.unsaid
        if unclear:
            self._after_silence(job, tuple(unclear))

    def _after_silence(self, job: _ReadBack, unclear: tuple[Input, ...]) -> None:
        """HubSpot has not said what became of these: once more, in parts if one of them may silence the others."""
        if job.resent:
            self._settle_unanswered(unclear)
        elif job.emptied and len(unclear) > 1:
            self._search_silence(isolation.Group(unclear))
        else:
            self._todo.append(_Update(isolation.Group(unclear, searching=job.emptied), resent=True))

    def _search_silence(self, group: isolation.Group) -> None:
        """One row may have emptied the reply for all: halve, as long as HubSpot speaks at all."""
        if self._state.streak.requests > isolation.MAX_SILENT_REPLIES:
            self._settle_unanswered(group.all_inputs)
        else:
            self._add_groups([isolation.split(group, self._bad_share())])

    def _settle_unanswered(self, inputs: Iterable[Input], error: ErrorInfo | None = None) -> None:
        message = _NO_ANSWER if error is None else f"{_NO_ANSWER}; reading back: {error.category}"
        correlation_id = error.correlation_id if error else None
        for item in inputs:
            unknown = _outcome(item, Status.UNKNOWN, category=NO_ANSWER, message=message, correlation_id=correlation_id)
            self._settle(unknown, item)

    # --- refusals ----------------------------------------------------------------------------------------------

    def _after_refusal(self, group: isolation.Group, error: ErrorInfo) -> None:
        settings_error = _about_settings(error, self._plan.update.object_type, self._plan.update.id_property)
        if settings_error is not None:
            self._state.fatal = self._state.fatal or settings_error
            return
        self._count_refusal(error, requests=1)
        if self._dispatcher.counters.refused > isolation.MAX_REFUSED_REQUESTS:
            for item in group.inputs + group.suspects:
                self._reject(item, error, note=" (not told apart from its batch: the sync's budget of errors is spent)")
            self._add_groups(isolation.after_acceptance(isolation.Group((), aside=group.aside), bad_share=1.0))
            return
        decision = isolation.after_refusal(
            group,
            error,
            id_property=self._plan.update.id_property,
            learned=self._state.learned,
            bad_share=self._bad_share(),
        )
        for item, reason in decision.rejected:
            self._reject(item, reason)
        self._add_groups(decision.groups)

    def _count_refusal(self, error: ErrorInfo, *, requests: int = 0, rows: int = 0) -> None:
        self._state.streak = self._state.streak.refused(error, requests=requests, rows=rows)
        if self._state.streak.systematic and self._state.fatal is None:
            self._state.fatal = _systematic(error, self._state.streak)

    def _add_groups(self, groups: Iterable[isolation.Group]) -> None:
        self._todo += [_Update(group) for group in groups if group.inputs]

    def _bad_share(self) -> float:
        """Of the rows so far, how many proved bad; 1 in 100 as long as nothing is known."""
        return (1 + self._state.bad) / (100 + self._state.settled)

    # --- outcomes ----------------------------------------------------------------------------------------------

    def _reject(self, item: Input, error: ErrorInfo, note: str = "") -> None:
        self._settle(self._rejection(item, error, note), item)

    def _rejection(self, item: Input, error: ErrorInfo, note: str = "") -> RowOutcome:
        if self._plan.missing_ok and error.category == NOT_FOUND:
            return _outcome(item, Status.MISSING, message=error.message)
        self._state.bad += 1
        return _outcome(
            item,
            Status.UNKNOWN if error.category == NO_ANSWER else Status.REJECTED,
            category=error.category,
            message=error.message + note,
            correlation_id=error.correlation_id,
        )

    def _settle_updated(self, item: Input, record: Record) -> None:
        self._settle(RowOutcome(item.row, item.given_id, Status.UPDATED, record.id, record.updated_at), item)

    def _settle(self, outcome: RowOutcome, item: Input) -> None:
        self._lanes.release(item)
        self._uncertain.discard(item.row)
        if self._lookups is not None:
            self._written[item.key] = self._lookups.sent
        self._outcomes.append(outcome if outcome.record_id else outcome._replace(record_id=self._looked_up(item)))

    def _looked_up(self, item: Input) -> str | None:
        """The record id of a row whose update was sent, where a lookup has told it."""
        lookup = self._plan.lookup
        return None if lookup is None or lookup.id_property is None else item.id

    def _take_outcomes(self) -> Iterator[RowOutcome]:
        """Hand on what is settled: each row once, whatever came between."""
        while self._outcomes:
            outcome = self._outcomes[0]
            if outcome.row in self._open:
                self._state.settled += 1
                # in one step: an exception from a signal handler finds the row open, or its outcome handed on
                yield (self._open.pop(outcome.row), outcome)[1]
            if self._outcomes and self._outcomes[0] is outcome:
                self._outcomes.popleft()

    # --- the end -----------------------------------------------------------------------------------------------

    def wind_up(self) -> Iterator[RowOutcome]:
        """Wait briefly for what is under way, then account for all that was read; nothing, once that is done."""
        until = self._transport.now() + STOP_GRACE_SECONDS
        while self._dispatcher.in_flight and (left := until - self._transport.now()) > 0:
            for done in self._dispatcher.wait_for_replies(left):
                self._read(done)
        for job, maybe_applied in self._dispatcher.abandon():
            if isinstance(job, _Update) and not maybe_applied and not job.resent:
                self._uncertain.difference_update(item.row for item in job.group.inputs)
        yield from self._take_outcomes()
        self._outcomes.extend(self._unsettled(row) for row in list(self._open.values()))
        yield from self._take_outcomes()
        if self._plan.reads_to_the_end and not isinstance(self._state.fatal, SyncStoppedError):
            yield from self._rest_not_sent()

    def _unsettled(self, row: Input | RowOutcome) -> RowOutcome:
        if isinstance(row, RowOutcome):
            return row
        if row.row in self._uncertain:
            message = "the sync ended before HubSpot's reply"
            return _outcome(row, Status.UNKNOWN, record_id=self._looked_up(row), message=message)
        return _outcome(row, Status.NOT_SENT)

    def _rest_not_sent(self) -> Iterator[RowOutcome]:
        if not isinstance(self._state.fatal, HubSpotError):
            return  # the rows themselves can't be read, or there is no time for it
        for rows in self._prepared:
            self._open.update({row.row: row for row in rows})
            self._outcomes.extend(self._unsettled(row) for row in rows)
            yield from self._take_outcomes()


_NO_ANSWER = "HubSpot's replies name neither the record nor an error, also after sending it once more"


def _outcome(item: Input, status: Status, **what: Any) -> RowOutcome:
    values = item.values() if status in (Status.REJECTED, Status.UNKNOWN) else None
    return RowOutcome(row=item.row, id=item.given_id, status=status, values=values, **what)


def _merged(item: Input, record: Record) -> RowOutcome:
    return _outcome(
        item,
        Status.REJECTED,
        record_id=record.id,
        category="OBJECT_MERGED",
        message=f"the record was merged into {record.id}: write to that id instead",
    )


def _ends_the_sync(verdict: retry.Refused | retry.Stop) -> bool:
    """Whether a read-back that went wrong is about more than its own rows: not so without the scope to read."""
    return isinstance(verdict, retry.Stop) and verdict.kind is not retry.StopKind.ACCESS


def _error_of(done: Done) -> ErrorInfo:
    return protocol.parse_error(done.reply.status, done.reply.body) if done.reply else protocol.NO_REPLY


def _fatal(
    verdict: retry.Refused | retry.Stop, failure: retry.Failure | None, said: ErrorInfo | None = None
) -> HubSpotError:
    """The exception for a verdict that ends a request for good.

    :param said: HubSpot's error, for the caller of a single request.
    """
    correlation_id = failure.correlation_id if failure else None
    status = (failure.status if failure else None) or 0
    match verdict:
        case retry.Stop(kind=retry.StopKind.ACCESS) if status == 401:  # noqa: PLR2004 - HTTP's own
            return AuthenticationError(
                f"HubSpot doesn't accept the access token: {verdict.reason}. Put a valid one into the connection's "
                "password: that of a service key or private app, not an API key (with OAuth: install the app again)",
                correlation_id=correlation_id,
            )
        case retry.Stop(kind=retry.StopKind.ACCESS):
            scopes = failure.scopes if failure else ()
            wanted = f"the scopes {', '.join(scopes)}" if scopes else "the scopes that this needs"
            return MissingScopesError(
                f"HubSpot forbids this to the access token: {verdict.reason}. Give its app {wanted}",
                scopes=scopes,
                correlation_id=correlation_id,
            )
        case retry.Stop(kind=retry.StopKind.DAILY_QUOTA):
            return DailyQuotaError(
                f"the account's calls of the day are spent: {verdict.reason}",
                retry_after_seconds=verdict.after_seconds,
                correlation_id=correlation_id,
            )
        case retry.Stop(kind=retry.StopKind.SETTINGS):
            return SettingsError(verdict.reason, correlation_id=correlation_id)
        case retry.Stop():
            return UnavailableError(
                f"HubSpot is not available: {verdict.reason}",
                retry_after_seconds=verdict.after_seconds,
                correlation_id=correlation_id,
            )
        case retry.Refused():
            category = failure.category if failure else None
            return RequestRefusedError(
                f"HubSpot refused the request: {verdict.reason}{_problems(said)}",
                status=status,
                category=category,
                correlation_id=correlation_id,
                hubspot_message=said.message if said else None,
            )


def _problems(said: ErrorInfo | None) -> str:
    """``; INVALID_OPTION of 'industry'``: what an error says of properties, without the values."""
    found = dict.fromkeys((one.code or "refused", one.name) for one in (said.properties if said else ()))
    named = [f"{code} of {name!r}" if name else code for code, name in itertools.islice(found, 5)]
    return f"; {', '.join(named)}" if named else ""


def _quota_spent(limiter: RateLimiter, reserve: float | None) -> DailyQuotaError:
    left, daily = limiter.daily_remaining or 0, limiter.daily
    of = f" of {daily:,}" if daily else ""
    kept = f"; daily_quota_reserve={reserve} keeps the others" if reserve else ""
    return DailyQuotaError(f"the account's calls of the day are spent ({left:,}{of} are left{kept})")


def _about_settings(error: ErrorInfo, object_type: str, id_property: str | None) -> SettingsError | None:
    """The refusals that are about the whole sync, whatever its rows (hubspot.com: live replies, no category)."""
    # the beginning only: further on, words may be a row's
    message = error.message.lower()
    if message.startswith("unable to infer object type"):
        return SettingsError(
            f"object_type {object_type!r} is unknown to this HubSpot account",
            correlation_id=error.correlation_id,
        )
    if _NON_UNIQUE.match(message) and id_property is not None:
        return SettingsError(
            f"id_property {id_property!r} can't name a record: HubSpot says that its values aren't unique. Use "
            "a property that was created with unique values, or None with record ids",
            correlation_id=error.correlation_id,
        )
    return None


_NON_UNIQUE = re.compile(r"unable to perform \S+ by non-unique ")


def _systematic(error: ErrorInfo, streak: isolation.Streak) -> SystematicRefusalError:
    if error.category == NO_ANSWER:
        return SystematicRefusalError(
            f"{streak.requests} replies in a row name none of the rows that were sent, and no error: what answers may "
            "not be HubSpot (a proxy, a wrong host in the connection), or these are no records of this object type",
            correlation_id=error.correlation_id,
        )
    category, code, name = isolation.reason_of(error)
    what = f" of property {name!r}" if name else ""
    why = f"{category}{f' {code}' if code else ''}{what}"
    seen = f"{streak.requests} requests and {streak.rows} more rows" if streak.rows else f"{streak.requests} requests"
    return SystematicRefusalError(
        f"HubSpot refuses everything for one and the same reason, {why}: {seen} in a row, nothing accepted in "
        "between. Mend the column or the mapping; the rows that were not sent are not_sent",
        correlation_id=error.correlation_id,
    )
