"""What a verb is made of: operations and lookups (what is sent, what a reply says), and the decisions between them.

A row's input takes steps: it is looked up, or written by one of the verb's operations, until it has its outcome. After
each step the verb says which is the next one; the engine only carries them out.
"""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

from airflow_provider_hubbatch.core.error_reply import NO_ANSWER, OBJECT_NOT_FOUND
from airflow_provider_hubbatch.core.model import VALIDATE_ONLY, Input, RowOutcome, Status
from airflow_provider_hubbatch.core.protocol import Request, properties_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_provider_hubbatch.core.batch_reply import Record
    from airflow_provider_hubbatch.core.error_reply import ErrorReply
    from airflow_provider_hubbatch.core.lookup import Found, Lookup
    from airflow_provider_hubbatch.core.protocol import Reply


class Said(Enum):
    """How much a 2xx reply to a write says."""

    SOMETHING = "something"
    """It names rows, records or errors; of an operation whose replies never do: as much as ever."""
    NOTHING = "nothing"
    """It names none, though it should: perhaps nothing was written."""
    PENDING = "pending"
    """HubSpot is still at it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a 2xx reply to a write says of its inputs; each is in one of ``confirmed``, ``refused``, ``unsaid``,
    ``further``.

    :param confirmed: HubSpot has done it, with the outcome.
    :param refused: an error of the reply names the input.
    :param unsaid: neither; ``errors`` may be about them.
    :param errors: those errors that name none of the inputs.
    :param strays: records of the reply that can't be told to be one of the inputs', by record id.
    :param further: nothing is said of these, and they take another step, which tells.
    """

    said: Said
    confirmed: Sequence[tuple[Input, RowOutcome]] = ()
    refused: Sequence[tuple[Input, ErrorReply]] = ()
    unsaid: tuple[Input, ...] = ()
    errors: Sequence[ErrorReply] = ()
    strays: Mapping[str, Record] = field(default_factory=dict)
    further: Sequence[tuple[Input, LookUp]] = ()


@dataclass(frozen=True, slots=True)
class Settling:
    """What a read-back says of inputs that a write left open; each is in one of the groups.

    :param confirmed: HubSpot has done it, with the outcome.
    :param ended: it hasn't, and won't: with the outcome.
    :param refused: an error of the reply names the input.
    :param unclear: it hasn't, or the reply doesn't tell; they may be sent again.
    :param in_parts: the reply speaks of some of these, and doesn't tell of which: to be read one by one.
    """

    confirmed: Sequence[tuple[Input, RowOutcome]] = ()
    ended: Sequence[tuple[Input, RowOutcome]] = ()
    refused: Sequence[tuple[Input, ErrorReply]] = ()
    unclear: tuple[Input, ...] = ()
    in_parts: tuple[Input, ...] = ()


class Operation(Protocol):
    """One way to write inputs: a batch endpoint.

    Its requests say themselves whether repeating them is harmless (:attr:`Request.repeatable`).
    """

    @property
    def id_property(self) -> str | None:
        """What the inputs' ids are values of; ``None``: record ids."""

    @property
    def most_inputs(self) -> int:
        """So many inputs fit a request."""

    @property
    def creates(self) -> bool:
        """Whether it makes the records that aren't there: that one isn't is no refusal then."""

    @property
    def most_records(self) -> int | None:
        """Inputs of so many different ids fit a request; ``None``: that makes no difference."""

    @property
    def looks_further(self) -> bool:
        """Whether a good reply names nobody, and a further step (:attr:`Reading.further`) tells of each input."""

    @property
    def join(self) -> Callable[[Input, Sequence[Input]], Input] | None:
        """Gives an input what the rows behind it, of its key, write: they wait for what becomes of it. ``None``: what
        they write is their own business.
        """

    def request(self, inputs: Sequence[Input]) -> Request:
        """The request that writes these, no key twice."""

    def read(self, inputs: Sequence[Input], reply: Reply) -> Reading:
        """What a 2xx reply says of each input."""

    def errors_of_named(self, inputs: Sequence[Input], error: ErrorReply) -> list[tuple[Input, ErrorReply]]:
        """The inputs that an error names, in input order, each with what it says of it."""

    @property
    def is_repeatable(self) -> bool:
        """Whether doing it twice does no harm."""

    @property
    def tells_afterwards(self) -> bool:
        """Whether anything tells, after a write without a clear reply, what became of its inputs."""

    def read_back(self, inputs: Sequence[Input]) -> Request:
        """The request that does."""

    def settle(self, inputs: Sequence[Input], reply: Reply, strays: Mapping[str, Record]) -> Settling:
        """What a 2xx reply to :meth:`read_back` says.

        :param strays: of the write's reply.
        """


class Write(NamedTuple):
    """A row's next step: it is written."""

    operation: Operation
    item: Input


class LookUp(NamedTuple):
    """A row's next step: its record is looked up.

    :param outcome: HubSpot has done it, and this is what became of the row if the lookup tells no more.
    """

    lookup: Lookup
    item: Input
    outcome: RowOutcome | None = None


Step = RowOutcome | Write | LookUp


@dataclass(frozen=True, kw_only=True)
class Verb(ABC):
    """What becomes of each row of a sync.

    :cvar name: as in the names of metrics and checkpoints.
    :cvar doing: as a log's line begins: "Updating contacts".
    :cvar done: the statuses of rows for which HubSpot has done it.
    :cvar asks_when: what has become of a row depends on when its record was made or archived.
    :cvar decides_first: rows don't all begin alike: :meth:`first_step` says how each does.
    :cvar looks_after: what HubSpot has done may take another step: :meth:`after_writing` says which.
    :param object_type: as in the path.
    :param operation: how rows are written, unless a decision says otherwise.
    :param lookup: what every row begins with; ``None``: it is written at once.
    :param missing_ok: a record that HubSpot doesn't have is ``missing``, not ``rejected``.
    """

    name: ClassVar[str]
    doing: ClassVar[str]
    done: ClassVar[tuple[Status, ...]]
    asks_when: ClassVar[bool] = False
    decides_first: ClassVar[bool] = False
    looks_after: ClassVar[bool] = False

    object_type: str
    api_version: str
    operation: Operation
    lookup: Lookup | None = None
    missing_ok: bool = False

    def first_step(self, item: Input) -> Step:
        """A row's first step, where that isn't the same for all."""
        raise NotImplementedError  # a verb whose rows all begin alike

    def after_lookup(self, item: Input, found: Found) -> Step:
        """A row's next step, once its record has been looked up."""
        raise NotImplementedError  # a verb that looks nothing up

    def would_write(self, item: Input) -> RowOutcome:
        """The outcome of a row that would be written, in a look before the leap."""
        return item.outcome(Status.NOT_SENT, category=VALIDATE_ONLY, message="would be sent")

    def after_refusal(self, item: Input, error: ErrorReply) -> Step:
        """A row's next step, once HubSpot has refused it, or doesn't have its record."""
        if self.missing_ok and error.category == OBJECT_NOT_FOUND:
            return item.outcome(Status.MISSING, message=error.reason, correlation_id=error.correlation_id)
        return item.outcome(
            Status.UNKNOWN if error.category == NO_ANSWER.category else Status.REJECTED,
            category=error.category,
            message=error.reason,
            correlation_id=error.correlation_id,
        )

    def after_writing(self, item: Input, outcome: RowOutcome) -> Step:  # noqa: ARG002 - for verbs that look further
        """A row's next step, once HubSpot has confirmed it."""
        return outcome

    def after_predecessor(self, step: Write, before: RowOutcome) -> Step:  # noqa: ARG002 - for verbs that create
        """A row's next step, once the row before it, of the same key, has its outcome.

        :param step: what it was before.
        """
        return step

    def definitions_request(self) -> Request:
        """The request for the object type's property definitions."""
        return Request("GET", properties_path(self.object_type, self.api_version))
