"""Create: a record for every row, once; with a key, what is there already is told; without one, nothing is sent twice.

``POST /crm/objects/{version}/{objectType}/batch/create``. HubSpot has no idempotency key: a request that may have
reached it is never just sent again. With a key the record is looked up; without one, what became of the row is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_hubbatch.core.batch_reply import parse_batch_reply
from airflow_provider_hubbatch.core.creates import read_creates
from airflow_provider_hubbatch.core.echo import not_taken
from airflow_provider_hubbatch.core.error_reply import NO_ANSWER, ErrorReply
from airflow_provider_hubbatch.core.lookup import BatchReadLookup, changed_properties
from airflow_provider_hubbatch.core.model import Input, RowOutcome, Status
from airflow_provider_hubbatch.core.options import SKIP_EXISTING
from airflow_provider_hubbatch.core.protocol import MAX_BATCH_INPUTS, Request, batch_path, encode
from airflow_provider_hubbatch.core.reconcile import errors_of_named
from airflow_provider_hubbatch.core.server_clock import is_since
from airflow_provider_hubbatch.core.values import equal_values, order_key
from airflow_provider_hubbatch.core.verbs.update import said_by
from airflow_provider_hubbatch.core.verbs.verb import LookUp, Reading, Said, Settling, Verb, Write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_hubbatch.core.batch_reply import Record
    from airflow_provider_hubbatch.core.definitions import PropertyDefinition
    from airflow_provider_hubbatch.core.lookup import Found
    from airflow_provider_hubbatch.core.new_links import LinkColumn
    from airflow_provider_hubbatch.core.options import CreateOptions
    from airflow_provider_hubbatch.core.protocol import Reply
    from airflow_provider_hubbatch.core.verbs.verb import Step

_ONE_OF_THESE = "an earlier try may have made the record for this row, or for one before it that has this key, too"

# The category of a row whose record is there already, or whose unique value another record has.
CONFLICT = "CONFLICT"


@dataclass(frozen=True, kw_only=True, eq=False)
class BatchCreate:
    """The operation: make records.

    :param id_property: the key's property, which is sent among the others; ``None``: the inputs have no key.
    :param lookup: finds a record by its key; ``None``, as ``id_property``.
    :param definitions: HubSpot's, by property, by which values are compared.
    :param links: the columns that name records which new ones are linked with.
    """

    object_type: str
    api_version: str
    id_property: str | None = None
    lookup: BatchReadLookup | None = None
    definitions: Mapping[str, PropertyDefinition] = field(default_factory=dict)
    links: tuple[LinkColumn, ...] = ()
    most_inputs: ClassVar[int] = MAX_BATCH_INPUTS
    most_records: ClassVar[int | None] = None
    looks_further: ClassVar[bool] = False
    join: ClassVar[None] = None
    creates: ClassVar[bool] = True
    is_repeatable: ClassVar[bool] = False

    def request(self, inputs: Sequence[Input]) -> Request:
        """The request that makes these."""
        entries = [
            {"objectWriteTraceId": item.trace_id, "properties": self._sent(item), **self._associations(item)}
            for item in inputs
        ]
        return Request("POST", batch_path(self.object_type, "create", self.api_version), encode({"inputs": entries}))

    def _sent(self, item: Input) -> dict[str, str]:
        """What a new record is to have: nothing that only empties."""
        key = {} if self.id_property is None else {self.id_property: item.id}
        return {**key, **{name: value for name, value in item.properties.items() if value}}

    def _associations(self, item: Input) -> dict[str, Any]:
        """The links that the new record is to have, where it is to have some."""
        if item.links is None:
            return {}
        linked = zip(self.links, item.links.records, strict=True)
        associations = [column.association(record) for column, record in linked if record is not None]
        return {"associations": associations} if associations else {}

    def read(self, inputs: Sequence[Input], reply: Reply) -> Reading:
        """Results show what was sent, and mostly no trace id."""
        body = parse_batch_reply(reply)
        found = read_creates(inputs, body, key_of=None if self.id_property is None else self._key_of, equal=self.equal)
        return Reading(
            said=Said.SOMETHING if found.created or found.refused or found.strays else said_by(body),
            confirmed=[(item, self.created(item, record)) for item, record in found.created],
            refused=found.refused,
            unsaid=found.unsaid,
            errors=found.errors,
            strays={record.id: record for record in found.strays},
        )

    def _key_of(self, record: Record) -> str | None:
        value = record.properties.get(self.id_property or "")
        return order_key(value) if isinstance(value, str) and value else None

    def errors_of_named(self, inputs: Sequence[Input], error: ErrorReply) -> list[tuple[Input, ErrorReply]]:
        """The inputs that an error names by trace id."""
        return errors_of_named(inputs, error, self.id_property)

    @property
    def tells_afterwards(self) -> bool:
        """Without a key there is no finding a record again."""
        return self.lookup is not None

    @property
    def _by_key(self) -> BatchReadLookup:
        if self.lookup is None:
            raise NotImplementedError  # only inputs with a key are read back
        return self.lookup

    def read_back(self, inputs: Sequence[Input]) -> Request:
        """The request that looks the keys up."""
        return self._by_key.request(inputs)

    def settle(self, inputs: Sequence[Input], reply: Reply, strays: Mapping[str, Record]) -> Settling:
        """A record that isn't older than the request was made by it; an older one was there before."""
        confirmed, refused, unclear = [], [], []
        for item, found in zip(inputs, self._by_key.read(inputs, reply, repeated=True), strict=True):
            if found is None or (found.error is not None and found.error.is_about_absence):
                unclear.append(item)
            elif found.record is None:
                refused.append((item, found.error or NO_ANSWER))
            elif found.record.id in strays or self.made(item, found.record):
                confirmed.append((item, self.created(item, found.record)))
            else:
                there = exists(found.record)
                refused.append((item._replace(conflict=there), there))
        return Settling(confirmed=confirmed, refused=refused, unclear=tuple(unclear))

    def equal(self, name: str, ours: str, hubspots: str | None) -> bool:
        """Whether a value as sent equals what HubSpot has of the property."""
        return equal_values(ours, hubspots, self.definitions.get(name))

    def made(self, item: Input, record: Record) -> bool:
        """Whether a record came of an earlier request with this input."""
        return made_by(item, record) and not (item.shares_doubt and changed_properties(item, record, self.equal))

    def created(self, item: Input, record: Record | None) -> RowOutcome:
        """The outcome of a row whose record was made.

        :param record: ``None``: it is there, and nobody knows which one it is.
        """
        if record is None:
            return RowOutcome(item.row, item.given_id, Status.CREATED)
        sent = self._sent(item)
        missed = not_taken(sent, {**sent, **record.properties}, self.definitions.get)
        return RowOutcome(item.row, item.given_id, Status.CREATED, record.id, record.updated_at, not_taken=missed)


def made_by(item: Input, record: Record) -> bool:
    """Whether a record may be what came of an earlier request with this input."""
    return item.in_doubt_since is not None and is_since(record.created_at, item.in_doubt_since)


def exists(record: Record) -> ErrorReply:
    """That there is a record with this key already, as an error."""
    return ErrorReply(CONFLICT, "a record with this key is there already", existing_id=record.id)


def conflicts(item: Input, error: ErrorReply) -> RowOutcome:
    """The outcome of a row whose record can't be made, since another one is in the way."""
    return item.outcome(
        Status.REJECTED,
        record_id=error.existing_id,
        category=CONFLICT,
        message=error.reason,
        correlation_id=error.correlation_id,
    )


@dataclass(frozen=True, kw_only=True)
class Create(Verb):
    """The verb.

    :param by_key: finds the record of a row's key; ``None``: the rows have none.
    :param skips_existing: a row whose record is there already is ``unchanged``, not ``rejected``.
    """

    name: ClassVar[str] = "create"
    doing: ClassVar[str] = "Creating"
    done: ClassVar[tuple[Status, ...]] = (Status.CREATED,)
    asks_when: ClassVar[bool] = True

    operation: BatchCreate
    by_key: BatchReadLookup | None = None
    skips_existing: bool = False

    @classmethod
    def for_sync(
        cls,
        options: CreateOptions,
        *,
        object_type: str,
        id_property: str | None,
        api_version: str,
        definitions: Mapping[str, PropertyDefinition],
    ) -> Create:
        """The verb as a sync's options want it."""
        by_key = None
        if id_property is not None:
            by_key = BatchReadLookup(object_type=object_type, api_version=api_version, id_property=id_property)
        operation = BatchCreate(
            object_type=object_type,
            api_version=api_version,
            id_property=id_property,
            lookup=by_key,
            definitions=definitions,
        )
        skips = options.existing == SKIP_EXISTING
        return cls(
            object_type=object_type,
            api_version=api_version,
            operation=operation,
            lookup=by_key if skips else None,
            by_key=by_key,
            skips_existing=skips,
        )

    def after_lookup(self, item: Input, found: Found) -> Step:
        """What is there already makes no new record; nor does a row that conflicts with a record of another key."""
        if found.behind_key:
            return Write(self.operation, item)
        if found.record is not None:
            if self.operation.made(item, found.record):
                return self.operation.created(item, found.record)
            return self._exists(item, found.record.id, item.conflict or exists(found.record))
        if found.error is not None and not found.error.is_about_absence:
            return self.after_refusal(item, found.error)
        return Write(self.operation, item) if item.conflict is None else conflicts(item, item.conflict)

    def after_refusal(self, item: Input, error: ErrorReply) -> Step:
        """A conflict may be with the record that an earlier request made, or that is to be skipped: the key tells."""
        if not error.is_conflict:
            return Verb.after_refusal(self, item, error)
        if (
            self.by_key is not None
            and item.conflict is None
            and (item.in_doubt_since is not None or self.skips_existing)
        ):
            return LookUp(self.by_key, item._replace(conflict=error))
        if error.existing_id is not None and item.conflict is error:  # the key was looked up
            return self._exists(item, error.existing_id, error)
        return conflicts(item, error)

    def after_predecessor(self, step: Write, before: RowOutcome) -> Step:
        """The first row of a key makes its record; for the next ones it is there."""
        if before.status in (Status.CREATED, Status.UNCHANGED):
            there = ErrorReply(CONFLICT, f"row {before.row} has this key, too", existing_id=before.record_id)
            return self._exists(step.item, before.record_id, there)
        if before.status is Status.UNKNOWN and self.by_key is not None:
            if step.item.in_doubt_since is not None and not step.item.properties:  # no value tells them apart
                return step.item.outcome(Status.UNKNOWN, category=NO_ANSWER.category, message=_ONE_OF_THESE)
            return LookUp(self.by_key, step.item._replace(shares_doubt=True))
        if before.category == CONFLICT and step.item.in_doubt_since is not None:
            # the record that is there may be what an earlier row made without anybody knowing
            return step._replace(item=step.item._replace(shares_doubt=True))
        return step

    def _exists(self, item: Input, record_id: str | None, error: ErrorReply) -> RowOutcome:
        if self.skips_existing:
            return item.outcome(Status.UNCHANGED, record_id=record_id)
        return conflicts(item, replace(error, existing_id=record_id))
