"""Update: records that exist get new values, by record id or by a unique property; by any other key after a lookup.

``POST /crm/objects/{version}/{objectType}/batch/update``. Setting a value twice is harmless, so whatever a reply leaves
open is read back, and sent once more.

Results show the properties that were sent, unchanged ones too (seen live), and not the ``idProperty``: so the key is
sent among the properties, where it can be written, and results are told apart by it. Where they show none, the records
are read back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_hubbatch.core.batch_reply import parse_batch_reply
from airflow_provider_hubbatch.core.echo import not_taken
from airflow_provider_hubbatch.core.lookup import (
    BatchReadLookup,
    changed_properties,
    due_properties,
    list_changes,
    resolved,
)
from airflow_provider_hubbatch.core.model import Input, RowOutcome, Status
from airflow_provider_hubbatch.core.options import COMPARE_WITH_HUBSPOT
from airflow_provider_hubbatch.core.protocol import MAX_BATCH_INPUTS, BatchRead, Request, batch_path, encode
from airflow_provider_hubbatch.core.reconcile import (
    MERGED_IDS_PROPERTY,
    errors_of_named,
    merged_error,
    reconcile,
    reconcile_read_back,
)
from airflow_provider_hubbatch.core.record_check import mismatch_of
from airflow_provider_hubbatch.core.search_lookup import lookups_for, what_decides
from airflow_provider_hubbatch.core.values import equal_values
from airflow_provider_hubbatch.core.verbs.verb import LookUp, Reading, Said, Settling, Verb, Write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_hubbatch.core.batch_reply import BatchReply, Record
    from airflow_provider_hubbatch.core.definitions import PropertyDefinition
    from airflow_provider_hubbatch.core.error_reply import ErrorReply
    from airflow_provider_hubbatch.core.lookup import Found, Lookup
    from airflow_provider_hubbatch.core.mapping_spec import When
    from airflow_provider_hubbatch.core.options import UpdateOptions
    from airflow_provider_hubbatch.core.protocol import Reply
    from airflow_provider_hubbatch.core.verbs.verb import Step


@dataclass(frozen=True, kw_only=True, eq=False)
class BatchUpdate:
    """The operation: set properties of records that exist.

    :param object_type: ``contacts``, ``2-1234567``, ``p1_pets``, ...
    :param id_property: what the ids are values of, sent with every input; ``None``: record ids.
    :param sends_key: send the key among the properties, too: results then tell whose they are.
    :param definitions: HubSpot's, by property, by which values are compared; what isn't there is compared as text.
    :param clears: inputs may have empty values, which empty their property: each is counted.
    """

    object_type: str
    api_version: str
    id_property: str | None = None
    sends_key: bool = False
    definitions: Mapping[str, PropertyDefinition] = field(default_factory=dict)
    clears: bool = False
    most_inputs: ClassVar[int] = MAX_BATCH_INPUTS
    endpoint: ClassVar[str] = "update"
    creates: ClassVar[bool] = False
    tells_afterwards: ClassVar[bool] = True
    is_repeatable: ClassVar[bool] = True
    most_records: ClassVar[int | None] = None
    looks_further: ClassVar[bool] = False
    join: ClassVar[None] = None

    def request(self, inputs: Sequence[Input]) -> Request:
        """The request that writes these."""
        entries = [
            {"id": item.id, "objectWriteTraceId": item.trace_id, "properties": self._sent(item)} for item in inputs
        ]
        if self.id_property is not None:
            entries = [{**entry, "idProperty": self.id_property} for entry in entries]
        path = batch_path(self.object_type, self.endpoint, self.api_version)
        return Request("POST", path, encode({"inputs": entries}), repeatable=True)

    def _sent(self, item: Input) -> Mapping[str, str]:
        return {str(self.id_property): item.id, **item.properties} if self.sends_key else item.properties

    def read(self, inputs: Sequence[Input], reply: Reply) -> Reading:
        """Results name the records that were written."""
        body = parse_batch_reply(reply)
        found = reconcile(inputs, body, id_property=self.id_property)
        return Reading(
            said=said_by(body) if not (found.confirmed or found.refused or found.strays) else Said.SOMETHING,
            confirmed=[
                (item, self.written(item, record, record, since=body.started_at)) for item, record in found.confirmed
            ],
            refused=found.refused,
            unsaid=found.unsaid,
            errors=found.errors,
            strays={record.id: record for record in found.strays},
        )

    def errors_of_named(self, inputs: Sequence[Input], error: ErrorReply) -> list[tuple[Input, ErrorReply]]:
        """The inputs that an error names by id, trace id or coordinates."""
        return errors_of_named(inputs, error, self.id_property)

    def read_back(self, inputs: Sequence[Input]) -> Request:
        """The request that reads the records, with what was to be written."""
        names = {name for item in inputs for name in item.properties}
        wanted = (*sorted(names), MERGED_IDS_PROPERTY, *([self.id_property] if self.id_property else []))
        read = BatchRead(self.object_type, wanted, self.id_property, self.api_version)
        return read.request(item.id for item in inputs)

    def settle(self, inputs: Sequence[Input], reply: Reply, strays: Mapping[str, Record]) -> Settling:
        """A record that has the values was written; so was one that the update's reply names, whatever it has."""
        body = parse_batch_reply(reply)
        found = reconcile_read_back(inputs, body, id_property=self.id_property, equal=self.equal)
        named = [(item, record) for item, record in found.differing if record.id in strays]
        differing = tuple(item for item, record in found.differing if record.id not in strays)
        in_parts = found.unsaid if found.strays and len(inputs) > 1 else ()
        return Settling(
            confirmed=[
                (item, self.written(item, strays.get(record.id, record), record))
                for item, record in (*found.written, *named)
            ],
            ended=[(item, _merged(item, record, body)) for item, record in found.merged],
            refused=found.refused,
            unclear=differing if in_parts else differing + found.unsaid,
            in_parts=in_parts,
        )

    def equal(self, name: str, ours: str, hubspots: str | None) -> bool:
        """Whether a value as sent equals what HubSpot has of the property."""
        return equal_values(ours, hubspots, self.definitions.get(name))

    def written(self, item: Input, record: Record, shown: Record, *, since: str | None = None) -> RowOutcome:  # noqa: ARG002 - of operations that create
        """The outcome of a row that was written.

        :param record: as the write's reply has it, where it names it.
        :param shown: the record as it is now.
        :param since: when HubSpot began with the request.
        """
        return self.outcome(Status.UPDATED, item, record, shown)

    def outcome(self, status: Status, item: Input, record: Record, shown: Record) -> RowOutcome:
        """As :meth:`written`, of this status."""
        missed = not_taken(item.properties, shown.properties, self.definitions.get)
        outcome = RowOutcome(item.row, item.given_id, status, record.id, record.updated_at, not_taken=missed)
        if not self.clears:
            return outcome
        emptied = (name for name, value in item.properties.items() if value == "" and name not in missed)
        return outcome._replace(cleared=tuple(emptied))


@dataclass(frozen=True, kw_only=True)
class Update(Verb):
    """The verb; where records are looked up first, its operation goes by record id.

    :param skip_unchanged: leave out what HubSpot has already, as the lookup tells.
    :param shows_changes: tell what would be changed, as far as the lookup tells.
    :param reading: reads what records have, by record id, where the lookup that finds them may be behind.
    :param when: property -> when it is written; the others always.
    :param again: reads by record id what has changed since a record was looked up.
    """

    name: ClassVar[str] = "update"
    doing: ClassVar[str] = "Updating"
    done: ClassVar[tuple[Status, ...]] = (Status.UPDATED,)

    operation: BatchUpdate
    skip_unchanged: bool = False
    shows_changes: bool = False
    reading: Lookup | None = None
    when: Mapping[str, When] = field(default_factory=dict)
    again: Lookup | None = None

    @classmethod
    def for_sync(
        cls,
        options: UpdateOptions,
        *,
        object_type: str,
        id_property: str | None,
        api_version: str,
        definitions: Mapping[str, PropertyDefinition],
    ) -> Update:
        """The verb as a sync's options want it."""
        compares, when = options.skip_unchanged == COMPARE_WITH_HUBSPOT, options.mapping.when
        reads_also = what_decides(object_type, options.must_match, when)
        lookup, reading = lookups_for(
            object_type=object_type,
            api_version=api_version,
            id_property=id_property,
            definition=definitions.get(id_property or ""),
            reads_values=compares,
            reads_also=reads_also,
        )
        operation = BatchUpdate(
            object_type=object_type,
            api_version=api_version,
            id_property=None if lookup else id_property,
            sends_key=lookup is None and is_writable(id_property, definitions),
            definitions=definitions,
            clears=options.null_values == "clear",
        )
        return cls(
            object_type=object_type,
            api_version=api_version,
            operation=operation,
            lookup=lookup,
            missing_ok=options.missing_ok,
            skip_unchanged=compares,
            shows_changes=compares and options.validate_only,
            reading=reading,
            when=when,
            again=rereading(object_type, api_version, reads_also, reads_values=compares) if when else None,
        )

    def after_lookup(self, item: Input, found: Found) -> Step:
        """A record that is there is written by its record id; of one that isn't, by record id, the update tells."""
        if found.record is None:
            return Write(self.operation, item) if found.error is None else self.after_refusal(item, found.error)
        if self.reading is not None and item.record is None:
            return LookUp(self.reading, resolved(item, found.record, item.properties))
        mismatch = mismatch_of(item, found.record, self.operation.definitions)
        if mismatch is not None:
            return self.after_refusal(item._replace(record=found.record), mismatch)
        item = item._replace(must_match=None)
        if self.again is not None and found.is_stale and not self.when.keys().isdisjoint(item.properties):
            waiting = resolved(item, found.record, item.properties)
            return Write(self.operation, waiting) if found.waits else LookUp(self.again, waiting)
        properties: Mapping[str, Any] = due_properties(item, self.when, found.record)
        item = item._replace(properties=properties)
        if self.skip_unchanged and not found.is_stale:
            properties = changed_properties(item, found.record, self.operation.equal)
        found_item = resolved(item, found.record, properties)
        if properties:
            return Write(self.operation, found_item)
        changes = list_changes(item, found.record, ()) if self.shows_changes else None
        return found_item.outcome(Status.UNCHANGED, updated_at=found.record.updated_at, changes=changes)

    def after_predecessor(self, step: Write, before: RowOutcome) -> Step:
        """What was read of its record is older than what the row before has written."""
        if self.again is None or self.when.keys().isdisjoint(step.item.properties):
            return Verb.after_predecessor(self, step, before)
        return LookUp(self.again, step.item)

    def would_write(self, item: Input) -> RowOutcome:
        """Each change is shown, where the record has been looked up."""
        outcome = Verb.would_write(self, item)
        if item.record is None:
            return outcome
        changes = list_changes(item, item.record, item.properties) if self.shows_changes else None
        return outcome._replace(updated_at=item.record.updated_at, changes=changes)


def rereading(object_type: str, api_version: str, reads_also: frozenset[str], *, reads_values: bool) -> BatchReadLookup:
    """The lookup that reads records by their ids, once more."""
    return BatchReadLookup(
        object_type=object_type,
        api_version=api_version,
        id_property=None,
        reads_values=reads_values,
        reads_also=reads_also,
        must_find=True,
    )


def is_writable(name: str | None, definitions: Mapping[str, PropertyDefinition]) -> bool:
    """Whether HubSpot lets a property be written, as far as its definition tells."""
    definition = definitions.get(name or "")
    return definition is not None and not (definition.read_only or definition.calculated or definition.archived)


def said_by(reply: BatchReply) -> Said:
    """What a reply says that names nothing."""
    return Said.PENDING if reply.makes_sense and not reply.confirms else Said.NOTHING


def _merged(item: Input, record: Record, reply: BatchReply) -> RowOutcome:
    error = merged_error(record)
    return item.outcome(
        Status.REJECTED,
        record_id=record.id,
        category=error.category,
        message=error.message,
        correlation_id=reply.correlation_id,
    )
