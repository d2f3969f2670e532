"""What a sync makes of refusals: which rows they are about, what they teach, and when they are no row's fault."""

from __future__ import annotations

import itertools
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING

from airflow_provider_hubbatch.core import isolation
from airflow_provider_hubbatch.core.batching import Batch
from airflow_provider_hubbatch.core.definitions import definitions_from_json
from airflow_provider_hubbatch.core.error_reply import OBJECT_NOT_FOUND
from airflow_provider_hubbatch.core.explain import settings_error, systematic_error
from airflow_provider_hubbatch.core.isolation import Group, Isolation, Streak
from airflow_provider_hubbatch.core.learned import Learned
from airflow_provider_hubbatch.core.protocol import decode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_hubbatch.core.costs import Costs
    from airflow_provider_hubbatch.core.definitions import PropertyDefinition
    from airflow_provider_hubbatch.core.error_reply import ErrorReply
    from airflow_provider_hubbatch.core.model import Input
    from airflow_provider_hubbatch.core.protocol import Reply
    from airflow_provider_hubbatch.core.verbs.verb import Operation, Verb
    from airflow_provider_hubbatch.sync.outbox import Outbox

_BUDGET = " (not told apart from its batch: the sync's budget of errors is used up)"


class Definitions(Enum):
    """Whether the property definitions have been asked for, after a refusal that they may explain."""

    UNASKED = "unasked"
    ASKED = "asked"
    ANSWERED = "answered"


class Refusals:
    """What has been refused so far, and what follows from it.

    :param definitions: HubSpot's, by property; ``None``: not read so far.
    :param costs: the sync's.
    """

    def __init__(
        self, verb: Verb, outbox: Outbox, *, definitions: Mapping[str, PropertyDefinition] | None, costs: Costs
    ) -> None:
        self._verb = verb
        self._outbox = outbox
        self._costs = costs
        self._learned = Learned(definitions)
        self._bad_rows = isolation.BadRows()
        # of writes and of lookups: that HubSpot reads a record doesn't say that it takes a write
        self._writes = Streak()
        self._lookups = Streak()
        self._definitions = Definitions.UNASKED
        # rows with values that were refused in others, while the definitions are asked for
        self._doubtful: list[Batch] = []

    @property
    def is_silent(self) -> bool:
        """Whether HubSpot has said nothing for so long that nothing is to be found out by asking."""
        return self._writes.requests > isolation.MAX_SILENT_REPLIES

    @property
    def wants_definitions(self) -> bool:
        """Whether the property definitions are to be asked for, now."""
        return self._learned.wants_definitions and self._definitions is Definitions.UNASKED

    # --- rows ----------------------------------------------------------------------------------------------------

    def sift(self, batch: Batch) -> Isolation:
        """What of a batch is sent, and what is sure to be refused."""
        inputs = batch.inputs
        rejected: list[tuple[Input, ErrorReply]] = []
        if self._learned:
            known = [(item, self._learned.refusal_of(item)) for item in inputs]
            rejected = [(item, error) for item, error in known if error is not None]
            inputs = tuple(item for item, error in known if error is None)
            for _, error in rejected:
                self.count(error, rows=1)
        if self._definitions is Definitions.ASKED:
            doubtful = tuple(filter(self._learned.is_in_doubt, inputs))
            if doubtful:
                self._doubtful.append(batch._replace(inputs=doubtful))
                inputs = tuple(itertools.filterfalse(self._learned.is_in_doubt, inputs))
        return Isolation(tuple(rejected), (Group(inputs),) if inputs else ())

    def note_taken(self, inputs: Sequence[Input], *, accepted: bool = False) -> None:
        """HubSpot has written these.

        :param accepted: it has written rows of their request, these or others.
        """
        if inputs or accepted:
            self._writes = Streak(after_acceptance=True)
        self._bad_rows.note_good(len(inputs))
        self._learned.note_taken(inputs)

    def note_bad(self) -> None:
        """A row was refused."""
        self._bad_rows.note_bad()

    # --- requests ------------------------------------------------------------------------------------------------

    def decide(self, operation: Operation, group: Group, error: ErrorReply) -> Isolation:
        """What to do about a group that HubSpot refused whole."""
        if self._is_wrong_setting(error, operation.id_property):
            return Isolation()
        named = operation.errors_of_named(group.inputs, error)
        decision = isolation.after_refusal(
            group, error, named=named, learned=self._learned, bad_share=self._bad_rows.share
        )
        if not self._is_no_fault(error, decision):
            self.count(error, requests=1)
        if decision.rejected or self._costs.refused_requests <= isolation.MAX_REFUSED_REQUESTS:
            return decision
        spent = replace(error, message=error.reason + _BUDGET)
        return Isolation(tuple((item, spent) for item in group.inputs + group.suspects), isolation.left_aside(group))

    def after_acceptance(self, group: Group) -> Isolation:
        """What to do about the rest of a group, once its inputs were accepted."""
        return isolation.after_acceptance(group, learned=self._learned, bad_share=self._bad_rows.share)

    def split(self, group: Group) -> Group:
        """A part of a group that holds a bad row."""
        return isolation.split(group, self._bad_rows.share)

    def count(self, error: ErrorReply, *, requests: int = 0, rows: int = 0) -> None:
        """Count a refusal; so many in a row, for one reason, end the sync."""
        self._writes = self._writes.refused(error, requests=requests, rows=rows)
        self._end_if_systematic(error, self._writes)

    def count_request(self) -> None:
        """HubSpot has refused a request for its content."""
        self._costs.refused_requests += 1

    # --- lookups -------------------------------------------------------------------------------------------------

    def lookup_answered(self) -> None:
        """A lookup has found records."""
        self._lookups = Streak(after_acceptance=True)

    def lookup_refused(self, error: ErrorReply, id_property: str | None) -> bool:
        """A lookup was refused whole.

        :returns: whether it is worth asking for its parts.
        """
        if self._is_wrong_setting(error, id_property):
            return False
        self._lookups = self._lookups.refused(error, requests=1)
        self._end_if_systematic(error, self._lookups)
        return self._costs.refused_requests <= isolation.MAX_REFUSED_REQUESTS

    # --- definitions ---------------------------------------------------------------------------------------------

    def definitions_asked(self) -> None:
        """The property definitions are being asked for: rows with refused values wait for them."""
        self._definitions = Definitions.ASKED

    def take_definitions(self, reply: Reply | None) -> list[Batch]:
        """Take in the property definitions; that there are none is fine, too: they are good to have, no more.

        :returns: the rows that have waited for them.
        """
        self._definitions = Definitions.ANSWERED
        read = decode(reply.body) if reply else None
        if isinstance(read, dict):
            self._learned.take_definitions(definitions_from_json(read.get("results")))
        waiting: dict[Operation, list[Input]] = {}
        for batch in self._doubtful:
            waiting.setdefault(batch.operation, []).extend(batch.inputs)
        self._doubtful.clear()
        return [
            Batch(operation, tuple(inputs[start : start + operation.most_inputs]))
            for operation, inputs in waiting.items()
            for start in range(0, len(inputs), operation.most_inputs)
        ]

    # --- inside --------------------------------------------------------------------------------------------------

    def _is_no_fault(self, error: ErrorReply, decision: Isolation) -> bool:
        """Whether a refusal says no more than that records are missing, which the sync was told is fine."""
        reasons = [reason for _, reason in decision.rejected] or [error]
        return self._verb.missing_ok and all(reason.category == OBJECT_NOT_FOUND for reason in reasons)

    def _is_wrong_setting(self, error: ErrorReply, id_property: str | None) -> bool:
        wrong = settings_error(error, self._verb.object_type, id_property)
        if wrong is not None:
            self._outbox.end(wrong)
        return wrong is not None

    def _end_if_systematic(self, error: ErrorReply, streak: Streak) -> None:
        if streak.systematic:
            self._outbox.end(systematic_error(error, streak))
