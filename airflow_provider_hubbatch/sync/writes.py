"""Writing: inputs become batches, replies become outcomes, and what HubSpot leaves open is read back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from airflow_provider_hubbatch.core.batch_reply import parse_batch_reply
from airflow_provider_hubbatch.core.error_reply import NO_ANSWER
from airflow_provider_hubbatch.core.isolation import Group
from airflow_provider_hubbatch.core.model import RowOutcome, Status
from airflow_provider_hubbatch.core.verbs.verb import Write
from airflow_provider_hubbatch.sync.write_jobs import ReadBackJob, Sending, WriteJob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from airflow_provider_hubbatch.client.done import Done
    from airflow_provider_hubbatch.core.batching import Batch, Lanes
    from airflow_provider_hubbatch.core.error_reply import ErrorReply
    from airflow_provider_hubbatch.core.isolation import Isolation
    from airflow_provider_hubbatch.core.model import Input
    from airflow_provider_hubbatch.core.protocol import Reply, Request
    from airflow_provider_hubbatch.core.server_clock import ServerClock
    from airflow_provider_hubbatch.core.verbs.verb import LookUp, Operation, Step, Verb
    from airflow_provider_hubbatch.core.verdicts import Final
    from airflow_provider_hubbatch.sync.jobs import Job
    from airflow_provider_hubbatch.sync.ledger import Ledger
    from airflow_provider_hubbatch.sync.outbox import Outbox
    from airflow_provider_hubbatch.sync.refusals import Refusals


class Writes:
    """The stage of a sync that writes.

    Many methods: each thing that a job may find out has a name.

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
        # requests under way whose rows are looked up afterwards
        self.to_be_looked_up = 0
        # of rows that were in doubt and have their outcome: later ones of their key aren't
        self._known_keys: set[str] = set()

    def next_batch(self) -> Job | None:
        """The next inputs to write; those that are sure to be refused have their outcome at once."""
        batch = self._lanes.take()
        return None if batch is None else self._sifted(batch)

    def _sifted(self, batch: Batch) -> Job | None:
        if self._known_keys:
            batch = batch._replace(inputs=tuple(self.known(item, item.key) for item in batch.inputs))
        decision = self.refusals.sift(batch)
        for item, error in decision.rejected:
            self.reject(item, error)
        if not decision.groups:
            return None
        if batch.operation.is_repeatable or self._verb.lookup is not None:
            return WriteJob(self, batch.operation, decision.groups[0])
        return self._looked_for_first(batch.operation, decision.groups[0])

    def _looked_for_first(self, operation: Operation, group: Group) -> Job | None:
        """Inputs that an earlier try may have sent are read back before they are sent, by what must not be repeated."""
        doubted = tuple(item for item in group.inputs if item.in_doubt_since is not None)
        if not doubted:
            return WriteJob(self, operation, group)
        rest = replace(group, inputs=tuple(item for item in group.inputs if item.in_doubt_since is None))
        if rest.inputs:
            self.send_groups(operation, [rest], Sending.FIRST)
        elif rest.all_inputs:
            self.send_groups(operation, [Group(rest.all_inputs)], Sending.SEARCH)
        return ReadBackJob(self, operation, doubted, Sending.FIRST, 0.0, lost=1)

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

    def known(self, item: Input, key: str) -> Input:
        """An input that is in doubt, unless an earlier one of its record has settled that.

        :param key: the record's, where it has been found: rows that were looked up before go by it.
        """
        if item.in_doubt_since is not None and not self._known_keys.isdisjoint((item.key, key)):
            return item._replace(in_doubt_since=None)
        return item

    # --- what jobs find out --------------------------------------------------------------------------------------

    def settle(self, item: Input, outcome: RowOutcome) -> None:
        """A row has its outcome; the next one of its key goes on."""
        self.ledger.settle(outcome)
        if outcome.status is not Status.UNCHANGED:  # then nothing was written: what is being read of it holds
            self._note(item.key)
        self._settle_doubt(item, outcome)
        following = self._lanes.release(item)
        if following:
            self._go_on_after(following, outcome)

    def hold(self, item: Input, outcome: RowOutcome) -> None:
        """A row has this outcome, unless a lookup tells more; the next one of its key waits for that."""
        self.ledger.hold(outcome)
        self._settle_doubt(item, outcome)

    def _settle_doubt(self, item: Input, outcome: RowOutcome) -> None:
        if item.in_doubt_since is not None and outcome.status in (Status.CREATED, Status.ARCHIVED):
            self._known_keys.add(item.key)

    def confirm(self, written: Iterable[tuple[Input, RowOutcome]], *, accepted: bool = False) -> None:
        """HubSpot has written these.

        :param accepted: it has written rows of this request, these or others.
        """
        written = list(written)
        self.refusals.note_taken([item for item, _ in written], accepted=accepted)
        if not self._verb.looks_after:
            for item, outcome in written:
                self.settle(item, outcome)
            return
        for item, outcome in written:
            step = self._verb.after_writing(item, outcome)
            if isinstance(step, RowOutcome):
                self.settle(item, step)
            else:
                self._go_on(item, step)

    def reject(self, item: Input, error: ErrorReply) -> None:
        """HubSpot refuses a row, or is sure to."""
        step = self._verb.after_refusal(item, error)
        if not isinstance(step, RowOutcome):
            self._go_on(item, step)
            return
        if step.status in (Status.REJECTED, Status.UNKNOWN):
            self.refusals.note_bad()
        self.settle(item, step)

    def look_further(self, steps: Sequence[tuple[Input, LookUp]]) -> None:
        """HubSpot has answered a request with these, and another step tells what became of them."""
        self.ledger.doubt(item for item, _ in steps)
        for item, step in steps:
            self._go_on(item, step)

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
            if self._known_keys:
                step = step._replace(item=self.known(step.item, step.item.key))
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
