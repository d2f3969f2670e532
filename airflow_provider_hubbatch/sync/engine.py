"""The one loop that feeds rows to the dispatcher, reads the replies, and accounts for every row.

It decides nothing: what a reply says and what to do about it is asked of ``core``.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.core import isolation, protocol, verdicts
from airflow_provider_hubbatch.core.batch_reply import BatchReply, parse_batch_reply
from airflow_provider_hubbatch.core.batching import Lanes
from airflow_provider_hubbatch.core.definitions import definitions_from_json
from airflow_provider_hubbatch.core.echo import not_taken
from airflow_provider_hubbatch.core.error_reply import NO_ANSWER, OBJECT_NOT_FOUND, TOO_LARGE
from airflow_provider_hubbatch.core.explain import fatal_error, quota_error, settings_error, systematic_error
from airflow_provider_hubbatch.core.learned import Learned
from airflow_provider_hubbatch.core.lookup import (
    LookupJob,
    LookupQueue,
    changed_properties,
    list_changes,
    resolved,
)
from airflow_provider_hubbatch.core.model import Input, RowOutcome, Status
from airflow_provider_hubbatch.core.reconcile import (
    MERGED_IDS_PROPERTY,
    errors_of_named,
    reconcile,
    reconcile_read_back,
)
from airflow_provider_hubbatch.core.values import order_key
from airflow_provider_hubbatch.exceptions import AccessError, HubSpotError, SyncStoppedError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from airflow_provider_hubbatch.client.dispatcher import Counters, Dispatcher, Done, Transport
    from airflow_provider_hubbatch.core.batch_reply import Record
    from airflow_provider_hubbatch.core.definitions import PropertyDefinition
    from airflow_provider_hubbatch.core.error_reply import ErrorReply
    from airflow_provider_hubbatch.core.lookup import Lookup
    from airflow_provider_hubbatch.core.protocol import BatchUpdate, Reply, Request

# After a stop, requests under way get this long to be answered. Airflow ends a killed task about 5 s after it asked
# (seen with 3.3); the checkpoint and the XComs must fit into what is left.
STOP_GRACE_SECONDS = 3.0


# A reply that says PENDING or PROCESSING is read back after this long.
_PENDING_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class _Update:
    """Inputs to send together.

    :param resent: a reply to them has left it open before.
    :param suspected: they are a part of what HubSpot failed (5xx) while it answered others.
    """

    group: isolation.Group
    resent: bool = False
    suspected: bool = False


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


class _Definitions(Enum):
    """Whether the engine has asked for the property definitions, after a refusal that they may explain."""

    UNASKED = "unasked"
    ASKED = "asked"
    ANSWERED = "answered"


@dataclass(frozen=True, slots=True)
class _ReadDefinitions:
    """The property definitions, which tell which of the refused values are right in no row."""


_Job = _Update | _ReadBack | LookupJob | _ReadDefinitions


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a sync is to do, all checked.

    :param update: the verb.
    :param equal: whether a property's value as sent equals HubSpot's: ``equal(name, ours, hubspots)``.
    :param missing_ok: a record that HubSpot doesn't have is ``missing``, not ``rejected``.
    :param clears: rows may have empty values, which empty their property: each is counted.
    :param keeps_rows: outcomes are written down: what wasn't sent with its source row, for sending it later.
    :param definitions: HubSpot's, by property; ``None``: not read so far, which the engine does where it helps.
    :param max_in_flight: requests under way at once.
    :param validate_only: send no update; what would be sent is ``not_sent``.
    :param lookup: what to read of every record first; the update then goes by record id.
    :param reads_to_the_end: also when the sync can't go on, so that every row has its outcome: not worth it for rows
        that come from far away.
    """

    update: BatchUpdate
    equal: Callable[[str, str, str | None], bool]
    missing_ok: bool = False
    clears: bool = False
    keeps_rows: bool = False
    definitions: Mapping[str, PropertyDefinition] | None = None
    max_in_flight: int = 16
    validate_only: bool = False
    lookup: Lookup | None = None
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
    counters: Counters
    in_flight: int
    stalled: str | None = None


@dataclass(slots=True)
class _State:
    settled: int = 0
    exhausted: bool = False
    fatal: BaseException | None = None
    learned: Learned = field(default_factory=Learned)
    bad_rows: isolation.BadRows = field(default_factory=isolation.BadRows)
    # of updates and of lookups: that HubSpot reads a record doesn't say that it takes an update
    streak: isolation.Streak = field(default_factory=isolation.Streak)
    lookup_streak: isolation.Streak = field(default_factory=isolation.Streak)
    definitions: _Definitions = _Definitions.UNASKED


class Sync:
    """One sync: rows in, one outcome a row out, as a stream.

    :param prepared: the rows in order, each an :class:`Input` ready to send or the outcome it already has.
    :param dispatcher: carries the requests.
    :param tick: called about once a second, with the progress, from the thread that runs the sync.
    :param at_end: called when the sync ends early, before what is under way is waited for. It must not raise.
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
        before_rest: Callable[[], None] = lambda: None,
    ) -> None:
        self._plan = plan
        self._prepared = iter(prepared)
        self._dispatcher = dispatcher
        self._transport = transport
        self._tick = tick
        self._at_end = at_end
        self._before_rest = before_rest
        self._lanes = Lanes()
        self._lookups = LookupQueue(plan.lookup) if plan.lookup else None
        # record -> how many lookups had been sent when it was written: what those read may be older
        self._written: dict[str, int] = {}
        self._todo: list[_Job] = []
        # rows with values that were refused in others, while the definitions are asked for
        self._doubtful: list[Input] = []
        # every row that has been read and whose outcome has not been handed on: what is in none of the other places
        # because an exception came between two lines (a task's timeout does) is accounted for by this
        self._open: dict[int, Input | RowOutcome] = {}
        # rows whose update has been sent, and may have had its effect without HubSpot saying so
        self._uncertain: set[int] = set()
        # those of them that were in a request without a clear answer: that a later one is refused doesn't settle them
        self._doubted: set[int] = set()
        self._outcomes: deque[RowOutcome] = deque()
        self._state = _State(learned=Learned(plan.definitions))
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
            yield from self._take_outcomes()
        except GeneratorExit:  # nobody listens any more
            self.stop()
            return
        except BaseException as error:  # noqa: BLE001 - also a task's timeout must account for its rows; raised below
            self._state.fatal = self._state.fatal or error
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
            self._would_send(item)
        else:
            self._lanes.add(item)

    def _would_send(self, item: Input, **what: Any) -> None:
        self._outcomes.append(self._not_sent(item, category="VALIDATE_ONLY", message="would be sent", **what))

    # --- requests out ------------------------------------------------------------------------------------------

    def _send(self) -> None:
        if self._dispatcher.quota_spent and not self._dispatcher.in_flight and not self._finished():
            self._state.fatal = quota_error(
                self._dispatcher.pace.daily_remaining or 0,
                self._dispatcher.pace.daily,
                self._dispatcher.daily_reserve,
            )
        if self._state.fatal is None:
            self._dispatcher.send_due()
        while self._state.fatal is None and self._has_work() and self._dispatcher.may_send():
            job = self._next_job()
            if job is None:
                continue
            request = self._request(job)
            if isinstance(job, _Update):
                if len(request.body or b"") > protocol.MAX_REQUEST_BYTES:
                    self._divide(job)
                    continue
                self._uncertain.update(item.row for item in job.group.inputs)
            self._dispatcher.send(
                request,
                job,
                reads=isinstance(job, (LookupJob, _ReadDefinitions)),
                suspected=isinstance(job, _Update) and job.suspected,
            )

    def _divide(self, job: _Update) -> None:
        """What is too large for one request goes in two; a row that is so alone is rejected."""
        group = job.group
        if len(group.inputs) == 1:
            self._reject(group.inputs[0], TOO_LARGE)
        middle = len(group.inputs) // 2
        parts = [group.inputs[:middle], group.inputs[middle:]] if middle else []
        # what was learned of the others is not worth keeping here: they are sought anew
        parts.append(group.suspects + group.aside)
        self._todo[:0] = [_Update(isolation.Group(part), job.resent, job.suspected) for part in parts if part]

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
        if self._state.definitions is _Definitions.ASKED:
            self._doubtful += filter(self._state.learned.is_in_doubt, inputs)
            inputs = list(itertools.filterfalse(self._state.learned.is_in_doubt, inputs))
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
        if isinstance(job, _ReadDefinitions):
            return protocol.Request("GET", protocol.properties_path(update.object_type, update.api_version))
        names = {name for item in job.inputs for name in item.properties}
        wanted = (*sorted(names), MERGED_IDS_PROPERTY, *([update.id_property] if update.id_property else []))
        read = protocol.BatchRead(update.object_type, wanted, update.id_property, update.api_version)
        return read.request(item.id for item in job.inputs)

    # --- replies in --------------------------------------------------------------------------------------------

    def _receive(self) -> None:
        wants_to_send = self._has_work()
        if (wants_to_send or self._dispatcher.pending) and self._state.fatal is None:
            ended = self._dispatcher.wait(wants_to_send=wants_to_send)
            for done in ended:
                if done.failed:
                    self._read(done)
            self._send()  # what is ready, before the good replies are read: HubSpot need not wait for that
            for done in ended:
                if not done.failed:
                    self._read(done)
        self._tick(self.progress())

    def progress(self) -> Progress:
        """Where the sync is."""
        return Progress(
            rows_read=self._state.settled + len(self._open),
            rows_settled=self._state.settled,
            counters=self._dispatcher.counters,
            in_flight=self._dispatcher.in_flight,
            stalled=self._dispatcher.stalled,
        )

    def _read(self, done: Done) -> None:
        job = done.purpose
        if isinstance(job, _Update) and (done.verdict is not None or done.crash is not None):
            self._note_failed(job, maybe_applied=done.maybe_applied)
        if done.crash is not None:
            self._state.fatal = self._state.fatal or done.crash
            return
        if done.verdict is None:
            self._read_success(job, done.reply)
        else:
            self._read_failure(job, done, done.verdict)

    def _read_success(self, job: _Job, reply: Reply | None) -> None:
        match job:
            case _Update():
                self._read_update(job, reply)
            case LookupJob():
                self._read_lookup(job, parse_batch_reply(reply))
            case _ReadDefinitions():
                self._read_definitions(reply)
            case _ReadBack():
                self._read_read_back(job, parse_batch_reply(reply))

    def _read_failure(self, job: _Job, done: Done, verdict: verdicts.Final) -> None:
        match verdict, job:
            case _, _ReadDefinitions():
                self._read_definitions(None)
            case verdicts.Refused(), LookupJob():
                self._refuse_lookup(job, done.error)
            case verdicts.Refused(), _ReadBack() if done.error.is_about_absence:
                self._read_back_nothing(job, done.error)
            case _, _ReadBack() if not _ends_the_sync(verdict):
                self._settle_unanswered(job.inputs, done.error)
            case verdicts.Refused(), _Update():
                self._dispatcher.counters.refused += 1
                server_failed = done.reply is not None and done.reply.status >= 500  # noqa: PLR2004 - HTTP's own
                self._after_refusal(job.group, done.error, suspected=server_failed)
            case _:
                self._state.fatal = self._state.fatal or fatal_error(verdict, done.error)

    # --- lookups -----------------------------------------------------------------------------------------------

    def _read_lookup(self, job: LookupJob, reply: BatchReply) -> None:
        lookups = self._lookups
        if lookups is None:
            return
        if reply.results:
            self._state.lookup_streak = isolation.Streak(after_acceptance=True)
        if lookups.answer(job, reply):
            self._todo.append(job)
        self._take_looked_up(lookups)

    def _refuse_lookup(self, job: LookupJob, error: ErrorReply) -> None:
        lookups, counters = self._lookups, self._dispatcher.counters
        if lookups is None:
            return
        counters.refused += 1
        wrong = settings_error(error, self._plan.update.object_type, lookups.lookup.id_property)
        if wrong is not None:
            self._state.fatal = self._state.fatal or wrong
            return
        if error.is_about_absence:
            self._read_lookup(job, _nothing_found(error))
            return
        streak = self._state.lookup_streak = self._state.lookup_streak.refused(error, requests=1)
        self._stop_if_systematic(error, streak)
        self._todo += lookups.refuse(job, error, split=counters.refused <= isolation.MAX_REFUSED_REQUESTS)
        self._take_looked_up(lookups)

    def _take_looked_up(self, lookups: LookupQueue) -> None:
        for item, found, job in lookups.ready():
            if found.record is not None:
                self._after_lookup(lookups.lookup, item, found.record, job.number)
            elif found.error is None:
                self._queue(item)  # the update's reply will tell
            else:
                self._outcomes.append(self._rejection(item, found.error))
        oldest = lookups.oldest
        self._written = {key: number for key, number in self._written.items() if number > oldest}

    def _after_lookup(self, lookup: Lookup, item: Input, record: Record, number: int) -> None:
        key = order_key(record.id)
        properties = item.properties
        if lookup.compare and not self._lanes.has(key) and self._written.get(key, 0) <= number:
            properties = changed_properties(lookup, item, record)
        known: dict[str, Any] = {"record_id": record.id, "updated_at": record.updated_at}
        if lookup.compare and self._plan.validate_only:
            known["changes"] = list_changes(item, record, properties)
        if not properties:
            self._outcomes.append(_outcome(item, Status.UNCHANGED, **known))
        elif self._plan.validate_only:
            self._would_send(item, **known)
        else:
            self._open[item.row] = found = resolved(item, record, properties)
            self._lanes.add(found)

    # --- updates -----------------------------------------------------------------------------------------------

    def _read_update(self, job: _Update, reply: Reply | None) -> None:
        group, id_property = job.group, self._plan.update.id_property
        parsed = parse_batch_reply(reply)
        reading = reconcile(group.inputs, parsed, id_property=id_property)
        for item, record in reading.confirmed:
            self._settle_updated(item, record)
        for item, error in reading.refused:
            self._reject(item, error)
        self._note_taken([item for item, _ in reading.confirmed], accepted=bool(reading.strays))
        rest = replace(group, inputs=reading.unsaid)
        if reading.unsaid and reading.errors:
            self._after_refusal(rest, reading.errors[0], suspected=job.suspected)
            return
        emptied = not (reading.confirmed or reading.refused or reading.strays)
        if emptied:
            self._count_refusal(_silence(parsed), requests=1)
        if emptied and group.searching and len(reading.unsaid) > 1:
            self._search_silence(rest, _silence(parsed))
            return
        if reading.unsaid:
            self._doubted.update(item.row for item in reading.unsaid)
            named = {record.id: record for record in reading.strays}
            pending = parsed.makes_sense and not parsed.confirms
            self._read_back(_ReadBack(reading.unsaid, job.resent, named, emptied), pending=pending)
        rest = replace(rest, quoting=None) if emptied else rest
        self._carry_out(
            isolation.after_acceptance(rest, learned=self._state.learned, bad_share=self._state.bad_rows.share),
            suspected=job.suspected,
        )

    def _note_failed(self, job: _Update, *, maybe_applied: bool) -> None:
        """A request has failed: its rows are as certain as they were before it, unless HubSpot may have acted on it."""
        rows = {item.row for item in job.group.inputs}
        if maybe_applied:
            self._doubted |= rows
        else:
            self._uncertain -= rows - self._doubted

    def _note_taken(self, inputs: Sequence[Input], *, accepted: bool = False) -> None:
        """HubSpot has written these, or (by id property) at least some of a request's."""
        if inputs or accepted:
            self._state.streak = isolation.Streak(after_acceptance=True)
        self._state.bad_rows.note_good(len(inputs))
        self._state.learned.note_taken(inputs)

    def _read_back(self, job: _ReadBack, *, pending: bool) -> None:
        if pending:
            self._dispatcher.send(self._request(job), job, after_seconds=_PENDING_SECONDS)
        else:
            self._todo.append(job)

    def _read_read_back(self, job: _ReadBack, reply: BatchReply) -> None:
        reading = reconcile_read_back(
            job.inputs, reply, id_property=self._plan.update.id_property, equal=self._plan.equal
        )
        self._note_taken([item for item, _ in reading.written])
        for item, record in reading.written:
            self._settle_updated(item, job.named.get(record.id, record), shown=record)
        for item, record in reading.merged:
            self._settle(_merged(item, record, reply.correlation_id), item)
        for item, error in reading.refused:
            self._reject(item, error)
        unclear = []
        for item, record in reading.differing:
            if record.id in job.named:  # the update named the record: HubSpot has made another value of ours
                self._settle_updated(item, job.named[record.id], shown=record)
            else:
                unclear.append(item)
        if reading.strays and reading.unsaid and len(job.inputs) > 1:
            self._todo += [_ReadBack((item,), job.resent, job.named) for item in reading.unsaid]
        else:
            unclear += reading.unsaid
        if unclear:
            self._after_silence(job, tuple(unclear), _silence(reply))

    def _read_back_nothing(self, job: _ReadBack, error: ErrorReply) -> None:
        """HubSpot has none of these records, or none of those that it names."""
        named = errors_of_named(job.inputs, error, self._plan.update.id_property)
        missing = named or [(item, error) for item in job.inputs]
        for item, reason in missing:
            self._reject(item, reason)
        rows = {item.row for item, _ in missing}
        rest = tuple(item for item in job.inputs if item.row not in rows)
        if rest:
            self._todo.append(replace(job, inputs=rest))

    def _after_silence(self, job: _ReadBack, unclear: tuple[Input, ...], silence: ErrorReply) -> None:
        """HubSpot has not said what became of these: once more, in parts if one of them may silence the others."""
        if job.resent:
            self._settle_unanswered(unclear, silence)
        elif job.emptied and len(unclear) > 1:
            self._search_silence(isolation.Group(unclear), silence)
        else:
            self._todo.append(_Update(isolation.Group(unclear, searching=job.emptied), resent=True))

    def _search_silence(self, group: isolation.Group, silence: ErrorReply) -> None:
        """One row may have emptied the reply for all: halve, as long as HubSpot speaks at all."""
        if self._state.streak.requests > isolation.MAX_SILENT_REPLIES:
            self._settle_unanswered(group.all_inputs, silence)
        else:
            self._add_groups([isolation.split(group, self._state.bad_rows.share)])

    def _settle_unanswered(self, inputs: Iterable[Input], error: ErrorReply) -> None:
        """HubSpot never said what became of these.

        :param error: its last reply: :data:`NO_ANSWER`, or why the records can't be read back.
        """
        why = "" if error.category == NO_ANSWER.category else f"; reading back: {error.category}"
        what = {"category": NO_ANSWER.category, "message": NO_ANSWER.message + why}
        for item in inputs:
            unknown = _outcome(item, Status.UNKNOWN, **what, correlation_id=error.correlation_id)
            self._settle(unknown, item)

    # --- refusals ----------------------------------------------------------------------------------------------

    def _after_refusal(self, group: isolation.Group, error: ErrorReply, *, suspected: bool) -> None:
        wrong = settings_error(error, self._plan.update.object_type, self._plan.update.id_property)
        if wrong is not None:
            self._state.fatal = self._state.fatal or wrong
            return
        decision = isolation.after_refusal(
            group,
            error,
            id_property=self._plan.update.id_property,
            learned=self._state.learned,
            bad_share=self._state.bad_rows.share,
        )
        if not self._is_no_fault(error, decision):
            self._count_refusal(error, requests=1)
        self._ask_for_definitions()
        if not decision.rejected and self._dispatcher.counters.refused > isolation.MAX_REFUSED_REQUESTS:
            self._give_up_searching(group, error)
        else:
            self._carry_out(decision, suspected=suspected)

    def _is_no_fault(self, error: ErrorReply, decision: isolation.Isolation) -> bool:
        """Whether a refusal says no more than that records are missing, which the sync was told is fine."""
        reasons = [reason for _, reason in decision.rejected] or [error]
        return self._plan.missing_ok and all(reason.category == OBJECT_NOT_FOUND for reason in reasons)

    def _give_up_searching(self, group: isolation.Group, error: ErrorReply) -> None:
        for item in group.inputs + group.suspects:
            self._reject(item, error, note=" (not told apart from its batch: the sync's budget of errors is spent)")
        if group.aside:
            self._add_groups([isolation.Group(group.aside, searching=True)])

    def _carry_out(self, decision: isolation.Isolation, *, suspected: bool) -> None:
        for item, reason in decision.rejected:
            self._reject(item, reason)
        self._add_groups(decision.groups, suspected=suspected)

    def _ask_for_definitions(self) -> None:
        """Ask what of a refused value's property is valid, once; rows with such values wait for the answer."""
        if self._state.learned.wants_definitions and self._state.definitions is _Definitions.UNASKED:
            self._state.definitions = _Definitions.ASKED
            self._todo.insert(0, _ReadDefinitions())

    def _read_definitions(self, reply: Reply | None) -> None:
        """Take in the answer; none is fine, too: they are good to have, no more."""
        self._state.definitions = _Definitions.ANSWERED
        read = protocol.decode(reply.body) if reply else None
        if isinstance(read, dict):
            self._state.learned.take_definitions(definitions_from_json(read.get("results")))
        doubtful = [item for item in self._doubtful if not self._refused_already(item)]
        self._doubtful.clear()
        self._add_groups(
            isolation.Group(tuple(doubtful[start : start + protocol.MAX_BATCH_INPUTS]))
            for start in range(0, len(doubtful), protocol.MAX_BATCH_INPUTS)
        )

    def _definition_of(self, name: str) -> PropertyDefinition | None:
        return (self._state.learned.definitions or {}).get(name)

    def _count_refusal(self, error: ErrorReply, *, requests: int = 0, rows: int = 0) -> None:
        self._state.streak = self._state.streak.refused(error, requests=requests, rows=rows)
        self._stop_if_systematic(error, self._state.streak)

    def _stop_if_systematic(self, error: ErrorReply, streak: isolation.Streak) -> None:
        if streak.systematic and self._state.fatal is None:
            self._state.fatal = systematic_error(error, streak)

    def _add_groups(self, groups: Iterable[isolation.Group], *, suspected: bool = False) -> None:
        self._todo += [_Update(group, suspected=suspected) for group in groups if group.inputs]

    # --- outcomes ----------------------------------------------------------------------------------------------

    def _reject(self, item: Input, error: ErrorReply, note: str = "") -> None:
        self._settle(self._rejection(item, error, note), item)

    def _rejection(self, item: Input, error: ErrorReply, note: str = "") -> RowOutcome:
        if self._plan.missing_ok and error.category == OBJECT_NOT_FOUND:
            return _outcome(item, Status.MISSING, message=error.reason, correlation_id=error.correlation_id)
        self._state.bad_rows.note_bad()
        return _outcome(
            item,
            Status.UNKNOWN if error.category == NO_ANSWER.category else Status.REJECTED,
            category=error.category,
            message=error.reason + note,
            correlation_id=error.correlation_id,
        )

    def _settle_updated(self, item: Input, record: Record, *, shown: Record | None = None) -> None:
        """HubSpot has written this row.

        :param shown: the record as it is now; ``None``: as ``record``, the update's reply, has it.
        """
        missed = not_taken(item.properties, (shown or record).properties, self._definition_of)
        outcome = RowOutcome(item.row, item.given_id, Status.UPDATED, record.id, record.updated_at, not_taken=missed)
        if self._plan.clears:
            emptied = (name for name, value in item.properties.items() if value == "" and name not in missed)
            outcome = outcome._replace(cleared=tuple(emptied))
        self._settle(outcome, item)

    def _settle(self, outcome: RowOutcome, item: Input) -> None:
        self._lanes.release(item)
        self._uncertain.discard(item.row)
        self._doubted.discard(item.row)
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
        self._at_end()
        self._let_go(self._dispatcher.abandon_retries())
        until = self._transport.now() + STOP_GRACE_SECONDS
        while (left := until - self._transport.now()) > 0 and (wait := self._seconds_to_settle()) < math.inf:
            for done in self._dispatcher.wait_for_replies(min(left, wait)):
                self._read(done)
        self._let_go(self._dispatcher.abandon())
        yield from self._take_outcomes()
        self._outcomes.extend(self._unsettled(row) for row in list(self._open.values()))
        yield from self._take_outcomes()
        if self._plan.reads_to_the_end and not isinstance(self._state.fatal, SyncStoppedError):
            yield from self._rest_not_sent()

    def _let_go(self, abandoned: Iterable[tuple[_Job, bool]]) -> None:
        for job, maybe_applied in abandoned:
            if isinstance(job, _Update):
                self._note_failed(job, maybe_applied=maybe_applied)

    def _seconds_to_settle(self) -> float:
        """Read back what has been sent, as far as the pace allows.

        :returns: how long to wait for the next reply or read; infinite: nothing more will be settled.
        """
        ended_by = self._state.fatal
        answers = not isinstance(ended_by, (AccessError, UnavailableError))
        read_backs = [job for job in self._todo if isinstance(job, _ReadBack)] if answers else []
        for job in read_backs:
            if not self._dispatcher.may_send():
                break
            self._todo.remove(job)
            self._dispatcher.send(self._request(job), job)
        if self._dispatcher.in_flight:
            return STOP_GRACE_SECONDS
        wait = self._dispatcher.seconds_to_next_send(wants_to_send=True) if read_backs else 0.0
        return wait if wait > 0 else math.inf

    def _unsettled(self, row: Input | RowOutcome) -> RowOutcome:
        if isinstance(row, RowOutcome):
            return row
        if row.row in self._uncertain:
            message = "the sync ended before HubSpot's reply"
            return _outcome(row, Status.UNKNOWN, record_id=self._looked_up(row), message=message)
        return self._not_sent(row)

    def _not_sent(self, item: Input, **what: Any) -> RowOutcome:
        return _outcome(item, Status.NOT_SENT, values=item.values() if self._plan.keeps_rows else None, **what)

    def _rest_not_sent(self) -> Iterator[RowOutcome]:
        if not isinstance(self._state.fatal, HubSpotError):
            return  # the rows themselves can't be read, or there is no time for it
        self._before_rest()
        for rows in self._prepared:
            self._open.update({row.row: row for row in rows})
            self._outcomes.extend(self._unsettled(row) for row in rows)
            yield from self._take_outcomes()


def _outcome(item: Input, status: Status, **what: Any) -> RowOutcome:
    if status in (Status.REJECTED, Status.UNKNOWN):
        what["values"] = item.values()
    return RowOutcome(row=item.row, id=item.given_id, status=status, **what)


def _silence(reply: BatchReply) -> ErrorReply:
    """A reply that says nothing of the rows, as an error."""
    return replace(NO_ANSWER, correlation_id=reply.correlation_id)


def _merged(item: Input, record: Record, correlation_id: str | None) -> RowOutcome:
    return _outcome(
        item,
        Status.REJECTED,
        record_id=record.id,
        category="OBJECT_MERGED",
        message=f"the record was merged into {record.id}: write to that id instead",
        correlation_id=correlation_id,
    )


def _nothing_found(error: ErrorReply) -> BatchReply:
    """What a read that HubSpot answers with a 404 says: it has none of the records that the error names, or none at
    all.
    """
    return BatchReply(None, errors=(error,), correlation_id=error.correlation_id)


def _ends_the_sync(verdict: verdicts.Final) -> bool:
    """Whether a read-back that went wrong is about more than its own rows: not so without the scope to read."""
    return isinstance(verdict, verdicts.Stop) and verdict.kind is not verdicts.StopKind.ACCESS
