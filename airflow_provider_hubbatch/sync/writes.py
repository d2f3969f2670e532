"""Writing: inputs become batches, replies become outcomes, and what HubSpot leaves open is read back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from airflow_provider_hubbatch.core.batch_reply import parse_batch_reply
from airflow_provider_hubbatch.core.error_reply import NO_ANSWER, TOO_LARGE
from airflow_provider_hubbatch.core.explain import fatal_error
from airflow_provider_hubbatch.core.isolation import Group
from airflow_provider_hubbatch.core.model import RowOutcome, Status
from airflow_provider_hubbatch.core.protocol import MAX_REQUEST_BYTES
from airflow_provider_hubbatch.core.verbs.verb import Said, Settling, Write
from airflow_provider_hubbatch.core.verdicts import Refused, Stop, StopKind, Unconfirmed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from airflow_provider_hubbatch.client.dispatcher import Done
    from airflow_provider_hubbatch.core.batch_reply import Record
    from airflow_provider_hubbatch.core.batching import Batch, Lanes
    from airflow_provider_hubbatch.core.error_reply import ErrorReply
    from airflow_provider_hubbatch.core.isolation import Isolation
    from airflow_provider_hubbatch.core.model import Input
    from airflow_provider_hubbatch.core.protocol import Reply, Request
    from airflow_provider_hubbatch.core.server_clock import ServerClock
    from airflow_provider_hubbatch.core.verbs.verb import LookUp, Operation, Step, Verb
    from airflow_provider_hubbatch.core.verdicts import Final
    from airflow_provider_hubbatch.sync.ledger import Ledger
    from airflow_provider_hubbatch.sync.outbox import Outbox
    from airflow_provider_hubbatch.sync.refusals import Refusals

# A reply that says PENDING or PROCESSING is read back after this long.
_PENDING_SECONDS = 2.0

# So often inputs are sent again of which a read-back says that nothing arrived; then it is one of them, perhaps.
_MAX_LOST = 5


class Sending(Enum):
    """Why inputs are sent."""

    FIRST = "first"
    """They are a batch of rows whose turn it is."""
    SEARCH = "search"
    """They are a part of a batch that HubSpot refused, or whose reply said nothing: it holds a bad row, perhaps."""
    SUSPECTED = "suspected"
    """As :attr:`SEARCH`, of a batch that HubSpot failed (5xx) while it answered others."""
    AGAIN = "again"
    """A reply to them has left it open before, and so did the read-back."""


class Writes:
    """The stage of a sync that writes.

    :param clock: HubSpot's.
    :param take: carries out the next step of a row: ``take(row as it was, step)``.
    :param before_write: called right before inputs are sent.
    :param note: told the key of each row that has its outcome.
    """

    def __init__(
        self,
        verb: Verb,
        lanes: Lanes,
        ledger: Ledger,
        outbox: Outbox,
        refusals: Refusals,
        *,
        clock: ServerClock,
        take: Callable[[Input, Step], None],
        note: Callable[[str], None],
        before_write: Callable[[Sequence[Input]], None],
    ) -> None:
        self.before_write = before_write
        self.clock = clock
        self.ledger = ledger
        self.outbox = outbox
        self.refusals = refusals
        self._verb = verb
        self._lanes = lanes
        self._take = take
        self._note = note
        # of rows that were in doubt and have their outcome: later ones of their key aren't
        self._known_keys: set[str] = set()

    def next_batch(self) -> WriteJob | None:
        """The next inputs to write; those that are sure to be refused have their outcome at once."""
        batch = self._lanes.take()
        return None if batch is None else self._sifted(batch)

    def _sifted(self, batch: Batch) -> WriteJob | None:
        if self._known_keys:
            batch = batch._replace(inputs=tuple(map(self.known, batch.inputs)))
        decision = self.refusals.sift(batch)
        for item, error in decision.rejected:
            self.reject(item, error)
        return WriteJob(self, batch.operation, decision.groups[0]) if decision.groups else None

    def read_back(self, job: ReadBackJob, *, after_seconds: float = 0.0) -> None:
        """Find out what became of these, if anything tells."""
        if job.operation.tells_afterwards:
            self.outbox.add(job, after_seconds=after_seconds)
        else:
            self.give_up(job.inputs, NO_ANSWER)

    def doubted(
        self, inputs: Iterable[Input], reply: Reply, done: Done, *, sent_at: float | None = None
    ) -> list[Input]:
        """These inputs, with when a request that may have had its effect was first sent, by HubSpot's clock.

        :param reply: tells what time it is there.
        :param sent_at: when it was sent; ``None``: it is the one that has this reply.
        """
        self.clock.note_batch(parse_batch_reply(reply), sent_at=done.sent_at, received_at=done.ended_at)
        return self.in_doubt(inputs, done.sent_at if sent_at is None else sent_at)

    def in_doubt(self, inputs: Iterable[Input], sent_at: float) -> list[Input]:
        """As :meth:`doubted`, without a reply."""
        since = self.clock.moment(sent_at) or ""
        return [item if item.in_doubt_since is not None else item._replace(in_doubt_since=since) for item in inputs]

    def known(self, item: Input) -> Input:
        """An input that is in doubt, unless an earlier one of its key has settled that."""
        if item.in_doubt_since is not None and item.key in self._known_keys:
            return item._replace(in_doubt_since=None)
        return item

    # --- what jobs find out --------------------------------------------------------------------------------------

    def settle(self, item: Input, outcome: RowOutcome) -> None:
        """A row has its outcome; the next one of its key goes on."""
        self.ledger.settle(outcome)
        self._note(item.key)
        if item.in_doubt_since is not None and outcome.status not in (Status.REJECTED, Status.UNKNOWN):
            self._known_keys.add(item.key)
        following = self._lanes.release(item)
        if following:
            self._go_on_after(following, outcome)

    def confirm(self, written: Iterable[tuple[Input, RowOutcome]], *, accepted: bool = False) -> None:
        """HubSpot has written these.

        :param accepted: it has written rows of this request, these or others.
        """
        written = list(written)
        self.refusals.note_taken([item for item, _ in written], accepted=accepted)
        for item, outcome in written:
            self.settle(item, outcome)

    def reject(self, item: Input, error: ErrorReply) -> None:
        """HubSpot refuses a row, or is sure to."""
        step = self._verb.after_refusal(item, error)
        if not isinstance(step, RowOutcome):
            self._go_on(item, step)
            return
        if step.status in (Status.REJECTED, Status.UNKNOWN):
            self.refusals.note_bad()
        self.settle(item, step)

    def give_up(self, inputs: Iterable[Input], error: ErrorReply) -> None:
        """HubSpot never said what became of these.

        :param error: its last reply: :data:`NO_ANSWER`, or why they can't be read back.
        """
        why = "" if error.category == NO_ANSWER.category else f"; reading back: {error.category}"
        for item in inputs:
            unknown = item.outcome(
                Status.UNKNOWN,
                category=NO_ANSWER.category,
                message=NO_ANSWER.message + why,
                correlation_id=error.correlation_id,
            )
            self.settle(item, unknown)

    def send_groups(self, operation: Operation, groups: Iterable[Group], sending: Sending) -> None:
        """Send these, when there is room."""
        self.outbox.add(*[WriteJob(self, operation, group, sending) for group in groups if group.inputs])

    def refused(self, operation: Operation, group: Group, error: ErrorReply, sending: Sending) -> None:
        """HubSpot has refused these whole.

        :param sending: why parts of them are sent.
        """
        decision = self.refusals.decide(operation, group, error)
        if self.refusals.wants_definitions:
            self.refusals.definitions_asked()
            self.outbox.add_first(DefinitionsJob(self))
        self.carry_out(operation, decision, sending)

    def definitions_request(self) -> Request:
        """The verb's."""
        return self._verb.definitions_request()

    def take_definitions(self, reply: Reply | None) -> None:
        """What the property definitions tell; rows that waited for them go on.

        :param reply: ``None``: they can't be read.
        """
        for batch in self.refusals.take_definitions(reply):
            job = self._sifted(batch)
            if job is not None:
                self.outbox.add(job)

    def carry_out(self, operation: Operation, decision: Isolation, sending: Sending) -> None:
        """Do what isolation has decided."""
        for item, error in decision.rejected:
            self.reject(item, error)
        self.send_groups(operation, decision.groups, sending)

    def search_silence(self, operation: Operation, group: Group, silence: ErrorReply) -> None:
        """One row may have emptied the reply for all: halve, as long as HubSpot speaks at all."""
        if self.refusals.is_silent:
            self.give_up(group.all_inputs, silence)
        else:
            self.send_groups(operation, [self.refusals.split(group)], Sending.SEARCH)

    def _go_on_after(self, steps: Iterable[Write], before: RowOutcome) -> None:
        """The rows before these, of their keys, have their outcome."""
        waiting = [(step, before) for step in steps]
        while waiting:
            step, before = waiting.pop()
            following = self._verb.after_predecessor(step, before)
            if isinstance(following, RowOutcome):
                self.ledger.settle(following)
                self._note(step.item.key)
                waiting += [(one, following) for one in self._lanes.release(step.item)]
            else:
                self._go_on(step.item, following)

    def _go_on(self, item: Input, step: Write | LookUp) -> None:
        """The first row of a lane takes another step than it would have."""
        if isinstance(step, Write) and step.item.key == item.key:
            self.ledger.replace(step.item)
            self._lanes.put_first(step.operation, step.item)
        else:
            self._lanes.keep(item)
            self._take(item, step)


@dataclass(frozen=True, slots=True)
class WriteJob:
    """Inputs that are sent together.

    :param lost: how often they were sent before, by an operation that must not be repeated, and didn't arrive.
    """

    stage: Writes
    operation: Operation
    group: Group
    sending: Sending = Sending.FIRST
    lost: int = 0
    reads: ClassVar[bool] = False
    settles: ClassVar[bool] = False

    @property
    def is_suspected(self) -> bool:
        """They are a part of what HubSpot failed while it answered others."""
        return self.sending is Sending.SUSPECTED

    def request(self) -> Request | None:
        """The operation's, unless it is too large."""
        request = self.operation.request(self.group.inputs)
        if len(request.body or b"") > MAX_REQUEST_BYTES:
            self._divide()
            return None
        self.stage.before_write(self.group.inputs)
        self.stage.ledger.sent(self.group.inputs)
        return request

    def unanswered(self, *, maybe_applied: bool) -> None:
        """What was refused for sure, or never arrived, has had no effect."""
        self.stage.ledger.failed(self.group.inputs, maybe_applied=maybe_applied)

    def answered(self, reply: Reply, done: Done) -> None:
        """Rows that the reply names have their outcome; what it leaves open is read back."""
        stage, group = self.stage, self.group
        inputs = stage.doubted(group.inputs, reply, done) if done.maybe_applied else group.inputs
        reading = self.operation.read(inputs, reply)
        stage.confirm(reading.confirmed, accepted=bool(reading.strays))
        for item, error in reading.refused:
            stage.reject(item, error)
        rest = replace(group, inputs=reading.unsaid)
        if reading.unsaid and reading.errors:
            self._refused(rest, done, self._search, reading.errors[0])
            return
        is_silent = reading.said is not Said.SOMETHING
        if is_silent:
            silence = replace(NO_ANSWER, correlation_id=reply.correlation_id)
            stage.refusals.count(silence, requests=1)
            if self._is_part and len(reading.unsaid) > 1:
                stage.search_silence(self.operation, rest, silence)
                return
        if reading.unsaid:
            stage.ledger.doubt(reading.unsaid)
            stage.read_back(
                ReadBackJob(
                    stage,
                    self.operation,
                    reading.unsaid,
                    self.sending,
                    done.sent_at,
                    strays=reading.strays,
                    was_silent=is_silent,
                ),
                after_seconds=_PENDING_SECONDS if reading.said is Said.PENDING else 0.0,
            )
        rest = replace(rest, quoting=None) if is_silent else rest
        stage.carry_out(self.operation, stage.refusals.after_acceptance(rest), self._search)

    def failed(self, done: Done, verdict: Final) -> None:
        """A refusal is about some of the rows; what may have taken effect is read back."""
        match verdict:
            case Refused():
                server_failed = done.reply is not None and done.reply.status >= 500  # noqa: PLR2004 - HTTP's own
                self.stage.refusals.count_request()
                sending = Sending.SUSPECTED if server_failed else Sending.SEARCH
                self._refused(self.group, done, sending)
            case Unconfirmed():
                job = ReadBackJob(
                    self.stage, self.operation, self.group.inputs, self.sending, done.sent_at, lost=self.lost + 1
                )
                self.stage.read_back(job)
                others = Group(self.group.suspects + self.group.aside)
                self.stage.send_groups(self.operation, [others], self._search)
            case Stop():
                self.stage.outbox.end(fatal_error(verdict, done.error))

    def _refused(self, group: Group, done: Done, sending: Sending, error: ErrorReply | None = None) -> None:
        """HubSpot has refused these whole; nobody promises that none of them was written.

        :param error: ``None``: the request's.
        """
        error = error or done.error
        if self.operation.creates and self.operation.tells_afterwards:
            group = replace(group, inputs=tuple(self.stage.in_doubt(group.inputs, done.sent_at)))
            if not self.operation.is_repeatable:
                self.stage.outbox.add(LookJob(self.stage, self.operation, group, error, sending))
                return
        self.stage.refused(self.operation, group, error, sending)

    def _divide(self) -> None:
        """What is too large for one request goes in two; a row that is so alone is rejected."""
        group = self.group
        if len(group.inputs) == 1:
            self.stage.reject(group.inputs[0], TOO_LARGE)
        middle = len(group.inputs) // 2
        parts = [group.inputs[:middle], group.inputs[middle:]] if middle else []
        # what was learned of the others is not worth keeping here: they are sought anew
        parts.append(group.suspects + group.aside)
        self.stage.outbox.add_first(*[replace(self, group=Group(part)) for part in parts if part])

    @property
    def _is_part(self) -> bool:
        return self.sending in (Sending.SEARCH, Sending.SUSPECTED)

    @property
    def _search(self) -> Sending:
        return Sending.SUSPECTED if self.is_suspected else Sending.SEARCH


@dataclass(frozen=True, slots=True)
class ReadBackJob:
    """Inputs whose write had no clear reply.

    :param sending: why they were sent.
    :param sent_at: when the write was sent first, on the transport's clock.
    :param strays: records that the write's reply names without telling whose they are.
    :param was_silent: that reply named nothing at all, for any of its inputs.
    :param lost: so often there was no reply, and they may not be sent again before it is known that they didn't arrive.
    """

    stage: Writes
    operation: Operation
    inputs: tuple[Input, ...]
    sending: Sending
    sent_at: float
    strays: Mapping[str, Record] = field(default_factory=dict)
    was_silent: bool = False
    lost: int = 0
    reads: ClassVar[bool] = False
    is_suspected: ClassVar[bool] = False
    settles: ClassVar[bool] = True

    def request(self) -> Request:
        """The operation's."""
        return self.operation.read_back(self.inputs)

    def unanswered(self, *, maybe_applied: bool) -> None:
        """Reading leaves everything as it is."""

    def answered(self, reply: Reply, done: Done) -> None:
        """What was written is settled; what wasn't is sent once more."""
        inputs = self.stage.doubted(self.inputs, reply, done, sent_at=self.sent_at)
        settling = self.operation.settle(inputs, reply, self.strays)
        self.stage.confirm(settling.confirmed)
        for item, outcome in settling.ended:
            self.stage.settle(item, outcome)
        for item, error in settling.refused:
            self.stage.reject(item, error)
        self._after_silence(settling, replace(NO_ANSWER, correlation_id=reply.correlation_id))

    def failed(self, done: Done, verdict: Final) -> None:
        """HubSpot has none of the records, or can't tell."""
        if isinstance(verdict, Refused) and done.error.is_about_absence:
            self._read_absence(done.error)
        elif isinstance(verdict, Stop) and verdict.kind is not StopKind.ACCESS:
            self.stage.outbox.end(fatal_error(verdict, done.error))
        else:  # about these rows only; so is a token without the scope to read
            self.stage.give_up(self.inputs, done.error)

    def _after_silence(self, settling: Settling, silence: ErrorReply) -> None:
        """HubSpot has not said what became of some: once more, in parts if one of them may silence the others."""
        unclear = settling.unclear
        self.stage.outbox.add(*[replace(self, inputs=(item,), was_silent=False) for item in settling.in_parts])
        if not unclear:
            return
        if self.lost:
            self._after_loss(unclear, silence)
        elif self.sending is Sending.AGAIN:
            self.stage.give_up(unclear, silence)
        elif self.was_silent and len(unclear) > 1:
            self.stage.search_silence(self.operation, Group(unclear), silence)
        else:
            self.stage.send_groups(self.operation, [Group(unclear)], Sending.AGAIN)

    def _after_loss(self, unclear: tuple[Input, ...], silence: ErrorReply) -> None:
        """These didn't arrive: once more, in the end in parts, if one of them may be what HubSpot stumbles over."""
        if self.lost < _MAX_LOST:
            self.stage.outbox.add(WriteJob(self.stage, self.operation, Group(unclear), self.sending, self.lost))
        elif len(unclear) > 1:
            parts = [self.stage.refusals.split(Group(unclear))]
            self.stage.send_groups(self.operation, parts, Sending.SUSPECTED)
        else:
            self.stage.give_up(unclear, silence)

    def _read_absence(self, error: ErrorReply) -> None:
        """HubSpot has none of these records, or none of those that it names."""
        named = self.operation.errors_of_named(self.inputs, error) or [(item, error) for item in self.inputs]
        if self.operation.creates:
            unclear = self.stage.in_doubt([item for item, _ in named], self.sent_at)
            self._after_silence(Settling(unclear=tuple(unclear)), error)
        else:
            for item, reason in named:
                self.stage.reject(item, reason)
        rows = {item.row for item, _ in named}
        rest = tuple(item for item in self.inputs if item.row not in rows)
        if rest:
            self.stage.outbox.add(replace(self, inputs=rest))


@dataclass(frozen=True, slots=True)
class LookJob:
    """Inputs of a refused request that are looked for before they are sent again: some may have been written.

    :param error: the refusal.
    :param sending: why parts of them are sent.
    """

    stage: Writes
    operation: Operation
    group: Group
    error: ErrorReply
    sending: Sending
    reads: ClassVar[bool] = True
    is_suspected: ClassVar[bool] = False
    settles: ClassVar[bool] = True

    def request(self) -> Request:
        """The operation's."""
        return self.operation.read_back(self.group.inputs)

    def unanswered(self, *, maybe_applied: bool) -> None:
        """Reading leaves everything as it is."""

    def answered(self, reply: Reply, done: Done) -> None:
        """What is there is settled; the refusal is about the others."""
        inputs = self.stage.doubted(self.group.inputs, reply, done)
        settling = self.operation.settle(inputs, reply, {})
        self.stage.confirm(settling.confirmed)
        for item, error in settling.refused:
            self.stage.reject(item, error)
        self._go_on(settling.unclear)

    def failed(self, done: Done, verdict: Final) -> None:
        """None of them is there, or nothing tells."""
        if isinstance(verdict, Refused) and done.error.is_about_absence:
            self._go_on(self.group.inputs)
        elif isinstance(verdict, Stop) and verdict.kind is not StopKind.ACCESS:
            self.stage.outbox.end(fatal_error(verdict, done.error))
        else:
            self.stage.give_up(self.group.inputs, done.error)
            self._send_others()

    def _go_on(self, inputs: Sequence[Input]) -> None:
        group = replace(self.group, inputs=tuple(inputs))
        if inputs:
            self.stage.refused(self.operation, group, self.error, self.sending)
        else:
            self._send_others()

    def _send_others(self) -> None:
        """Those of the batch that weren't in the refused request: what was learned of them holds no more."""
        others = Group(self.group.suspects + self.group.aside)
        self.stage.send_groups(self.operation, [others], self.sending)


@dataclass(frozen=True, slots=True)
class DefinitionsJob:
    """The property definitions, which tell which of the refused values are right in no row."""

    stage: Writes
    reads: ClassVar[bool] = True
    is_suspected: ClassVar[bool] = False
    settles: ClassVar[bool] = False

    def request(self) -> Request:
        """The verb's."""
        return self.stage.definitions_request()

    def unanswered(self, *, maybe_applied: bool) -> None:
        """Reading leaves everything as it is."""

    def answered(self, reply: Reply, done: Done) -> None:  # noqa: ARG002 - reading has no effect
        """Rows that waited for them go on."""
        self.stage.take_definitions(reply)

    def failed(self, done: Done, verdict: Final) -> None:  # noqa: ARG002 - they are good to have, no more
        """They go on without."""
        self.stage.take_definitions(None)
