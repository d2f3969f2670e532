"""The requests of the stage that writes, one class a kind: what is sent, and what follows from the reply."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, ClassVar, Protocol

from airflow_provider_hubbatch.core.error_reply import NO_ANSWER, TOO_LARGE
from airflow_provider_hubbatch.core.explain import fatal_error
from airflow_provider_hubbatch.core.isolation import Group
from airflow_provider_hubbatch.core.protocol import MAX_REQUEST_BYTES
from airflow_provider_hubbatch.core.verbs.verb import Said, Settling
from airflow_provider_hubbatch.core.verdicts import Refused, Stop, StopKind, Unconfirmed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from airflow_provider_hubbatch.client.done import Done
    from airflow_provider_hubbatch.core.batch_reply import Record
    from airflow_provider_hubbatch.core.error_reply import ErrorReply
    from airflow_provider_hubbatch.core.isolation import Isolation
    from airflow_provider_hubbatch.core.model import Input, RowOutcome
    from airflow_provider_hubbatch.core.protocol import Reply, Request
    from airflow_provider_hubbatch.core.verbs.verb import LookUp, Operation
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


class Stage(Protocol):
    """What a job needs of the stage that writes (``writes.py``)."""

    ledger: Ledger
    outbox: Outbox
    refusals: Refusals
    before_write: Callable[[Sequence[Input]], None]
    to_be_looked_up: int

    def send_groups(self, operation: Operation, groups: Iterable[Group], sending: Sending) -> None:
        """Send these, when there is room."""

    def refused(self, operation: Operation, group: Group, error: ErrorReply, sending: Sending) -> None:
        """HubSpot has refused these whole.

        :param sending: why parts of them are sent.
        """

    def read_back(self, job: ReadBackJob, *, after_seconds: float = 0.0) -> None:
        """Find out what became of these, if anything tells."""

    def doubted(
        self, inputs: Iterable[Input], reply: Reply, done: Done, *, sent_at: float | None = None
    ) -> list[Input]:
        """These inputs, with when a request that may have had its effect was first sent, by HubSpot's clock.

        :param reply: tells what time it is there.
        :param sent_at: when it was sent; ``None``: it is the one that has this reply.
        """

    def in_doubt(self, inputs: Iterable[Input], sent_at: float) -> list[Input]:
        """As :meth:`doubted`, without a reply."""

    def settle(self, item: Input, outcome: RowOutcome) -> None:
        """A row has its outcome; the next one of its key goes on."""

    def confirm(self, written: Iterable[tuple[Input, RowOutcome]], *, accepted: bool = False) -> None:
        """HubSpot has written these.

        :param accepted: it has written rows of this request, these or others.
        """

    def reject(self, item: Input, error: ErrorReply) -> None:
        """HubSpot refuses a row, or is sure to."""

    def look_further(self, steps: Sequence[tuple[Input, LookUp]]) -> None:
        """HubSpot has answered a request with these, and another step tells what became of them."""

    def give_up(self, inputs: Iterable[Input], error: ErrorReply) -> None:
        """HubSpot never said what became of these.

        :param error: its last reply: :data:`NO_ANSWER`, or why they can't be read back.
        """

    def carry_out(self, operation: Operation, decision: Isolation, sending: Sending) -> None:
        """Do what isolation has decided."""

    def search_silence(self, operation: Operation, group: Group, silence: ErrorReply) -> None:
        """One row may have emptied the reply for all: halve, as long as HubSpot speaks at all."""


@dataclass(frozen=True, slots=True)
class WriteJob:
    """Inputs that are sent together.

    :param lost: how often they were sent before, by an operation that must not be repeated, and didn't arrive.
    """

    stage: Stage
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
        self.stage.to_be_looked_up += self.operation.looks_further
        self.stage.ledger.sent(self.group.inputs)
        return request

    def unanswered(self, *, maybe_applied: bool) -> None:
        """What was refused for sure, or never arrived, has had no effect."""
        self.stage.to_be_looked_up -= self.operation.looks_further
        self.stage.ledger.failed(self.group.inputs, maybe_applied=maybe_applied)

    def answered(self, reply: Reply, done: Done) -> None:
        """Rows that the reply names have their outcome; what it leaves open is read back."""
        stage, group = self.stage, self.group
        stage.to_be_looked_up -= self.operation.looks_further
        inputs = stage.doubted(group.inputs, reply, done) if done.maybe_applied else group.inputs
        reading = self.operation.read(inputs, reply)
        stage.confirm(reading.confirmed, accepted=bool(reading.strays))
        for item, error in reading.refused:
            stage.reject(item, error)
        stage.look_further(reading.further)
        rest = replace(group, inputs=reading.unsaid)
        if reading.unsaid and reading.errors:
            self._refused(rest, done, self._search, reading.errors[0])
            return
        is_silent = reading.said is not Said.SOMETHING
        if is_silent:
            silence = replace(NO_ANSWER, correlation_id=reply.correlation_id)
            stage.refusals.count(silence, requests=1)
            if self._is_part and len(reading.unsaid) > 1 and self.operation.is_repeatable:
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
        # what was learned of the others is not worth keeping here: they are looked for again
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

    stage: Stage
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

    stage: Stage
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
        if settling.refused:  # one of these may be what the refusal was about
            self._send(settling.unclear)
        else:
            self._go_on(settling.unclear)

    def failed(self, done: Done, verdict: Final) -> None:
        """None of them is there, or nothing tells."""
        if isinstance(verdict, Refused) and done.error.is_about_absence:
            self._go_on(self.group.inputs)
        elif isinstance(verdict, Stop) and verdict.kind is not StopKind.ACCESS:
            self.stage.outbox.end(fatal_error(verdict, done.error))
        else:
            self.stage.give_up(self.group.inputs, done.error)
            self._send(())

    def _go_on(self, inputs: Sequence[Input]) -> None:
        group = replace(self.group, inputs=tuple(inputs))
        if inputs:
            self.stage.refused(self.operation, group, self.error, self.sending)
        else:
            self._send(())

    def _send(self, inputs: tuple[Input, ...]) -> None:
        """These and the others of the batch, of which what was learned holds no more."""
        others = Group(inputs + self.group.suspects + self.group.aside)
        self.stage.send_groups(self.operation, [others], self.sending)
