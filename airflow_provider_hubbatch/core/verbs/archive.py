"""Archive: records move to HubSpot's recycle bin, from which they can be restored within 90 days.

``POST /crm/objects/{version}/{objectType}/batch/archive``. Its reply, 204, names nobody, and is the same for records
that never were: so every batch is read back among the archived records, and what isn't there among the others.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

from airflow_provider_hubbatch.core.batch_reply import parse_batch_reply
from airflow_provider_hubbatch.core.error_reply import NO_ANSWER, OBJECT_NOT_FOUND, ErrorReply
from airflow_provider_hubbatch.core.lookup import BatchReadLookup, resolved
from airflow_provider_hubbatch.core.model import Input, RowOutcome, Status
from airflow_provider_hubbatch.core.protocol import MAX_BATCH_INPUTS, BatchRead, Request, batch_path, encode
from airflow_provider_hubbatch.core.reconcile import errors_of_named, reconcile
from airflow_provider_hubbatch.core.record_check import mismatch_of
from airflow_provider_hubbatch.core.search_lookup import lookups_for, what_decides
from airflow_provider_hubbatch.core.server_clock import is_since
from airflow_provider_hubbatch.core.verbs.verb import LookUp, Reading, Said, Settling, Verb, Write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_hubbatch.core.batch_reply import Record
    from airflow_provider_hubbatch.core.definitions import PropertyDefinition
    from airflow_provider_hubbatch.core.lookup import Found, Lookup
    from airflow_provider_hubbatch.core.options import ArchiveOptions
    from airflow_provider_hubbatch.core.protocol import Reply
    from airflow_provider_hubbatch.core.verbs.verb import Step

_PERHAPS_ARCHIVED = "the record isn't there any more; perhaps an earlier try of this task has archived it"
_ARCHIVED_BEFORE = ErrorReply(OBJECT_NOT_FOUND, "the record was archived before this sync")


@dataclass(frozen=True, kw_only=True, eq=False)
class BatchArchive:
    """The operation: move records to the recycle bin, by record id."""

    object_type: str
    api_version: str
    id_property: ClassVar[str | None] = None
    most_inputs: ClassVar[int] = MAX_BATCH_INPUTS
    most_records: ClassVar[int | None] = None
    looks_further: ClassVar[bool] = False
    join: ClassVar[None] = None
    creates: ClassVar[bool] = False
    tells_afterwards: ClassVar[bool] = True
    is_repeatable: ClassVar[bool] = True

    def request(self, inputs: Sequence[Input]) -> Request:
        """The request that archives these."""
        body = {"inputs": [{"id": item.id} for item in inputs]}
        path = batch_path(self.object_type, "archive", self.api_version)
        return Request("POST", path, encode(body), repeatable=True)

    def read(self, inputs: Sequence[Input], reply: Reply) -> Reading:
        """A good reply names nobody: all are read back."""
        said = Said.NOTHING if reply.body.strip() else Said.SOMETHING
        return Reading(said=said, unsaid=tuple(inputs))

    def errors_of_named(self, inputs: Sequence[Input], error: ErrorReply) -> list[tuple[Input, ErrorReply]]:
        """The inputs that an error names by id."""
        return errors_of_named(inputs, error, None)

    def read_back(self, inputs: Sequence[Input]) -> Request:
        """The request that reads them among the archived records."""
        read = BatchRead(self.object_type, (), None, self.api_version, archived=True)
        return read.request(item.id for item in inputs)

    def settle(self, inputs: Sequence[Input], reply: Reply, strays: Mapping[str, Record]) -> Settling:  # noqa: ARG002 - of other operations
        """What was archived since the request was sent was archived by it."""
        found = reconcile(inputs, parse_batch_reply(reply), id_property=None)
        confirmed, refused = [], list(found.refused)
        for item, record in found.confirmed:
            if is_since(record.archived_at, item.in_doubt_since):
                confirmed.append((item, _archived(item, record)))
            else:
                refused.append((item, _ARCHIVED_BEFORE))
        return Settling(confirmed=confirmed, refused=refused, unclear=found.unsaid)


def _archived(item: Input, record: Record) -> RowOutcome:
    return RowOutcome(item.row, item.given_id, Status.ARCHIVED, record.id, record.archived_at)


@dataclass(frozen=True, kw_only=True)
class Archive(Verb):
    """The verb.

    :param by_id: reads records that are not archived.
    :param archived_by_key: finds those that an earlier try has archived; ``None``: the rows have record ids, or keys
        that are searched, which finds no archived record.
    :param reading: reads what records have, by record id, where the lookup that finds them may be behind.
    :param definitions: HubSpot's, by property, by which values are compared.
    """

    name: ClassVar[str] = "archive"
    doing: ClassVar[str] = "Archiving"
    done: ClassVar[tuple[Status, ...]] = (Status.ARCHIVED,)
    asks_when: ClassVar[bool] = True

    operation: BatchArchive
    by_id: BatchReadLookup
    archived_by_key: BatchReadLookup | None = None
    reading: Lookup | None = None
    definitions: Mapping[str, PropertyDefinition] = field(default_factory=dict)

    @classmethod
    def for_sync(
        cls,
        options: ArchiveOptions,
        *,
        object_type: str,
        id_property: str | None,
        api_version: str,
        definitions: Mapping[str, PropertyDefinition],
    ) -> Archive:
        """The verb as a sync's options want it."""
        lookup, reading = lookups_for(
            object_type=object_type,
            api_version=api_version,
            id_property=id_property,
            definition=definitions.get(id_property or ""),
            by_record_id=True,
            reads_also=what_decides(object_type, options.must_match),
        )
        return cls(
            object_type=object_type,
            api_version=api_version,
            operation=BatchArchive(object_type=object_type, api_version=api_version),
            lookup=lookup,
            by_id=BatchReadLookup(object_type=object_type, api_version=api_version, id_property=None),
            archived_by_key=replace(lookup, archived=True) if isinstance(lookup, BatchReadLookup) else None,
            missing_ok=options.missing_ok,
            reading=reading,
            definitions=definitions,
        )

    def after_lookup(self, item: Input, found: Found) -> Step:
        """A record that is there and agrees is archived; one that isn't there, perhaps was so by an earlier try."""
        if item.record is None and item.conflict is not None and self.archived_by_key is not None:
            return self._after_archived_lookup(item, found)
        if found.record is None:
            is_absent = found.error is None or found.error.is_about_absence
            if item.record is None and item.in_doubt_since is not None and is_absent and self.lookup is not None:
                return self._perhaps_archived(item, found.error or _ARCHIVED_BEFORE)
            return Verb.after_refusal(self, item, found.error or item.conflict or _ARCHIVED_BEFORE)
        if self.reading is not None and item.record is None:
            return LookUp(self.reading, resolved(item, found.record, {}))
        mismatch = mismatch_of(item, found.record, self.definitions)
        if mismatch is not None:
            return Verb.after_refusal(self, item._replace(record=found.record), mismatch)
        return Write(self.operation, resolved(item, found.record, {})._replace(must_match=None))

    def _perhaps_archived(self, item: Input, absence: ErrorReply) -> Step:
        """An earlier try may have archived the record: its key finds it among the archived ones, if anything does."""
        if self.archived_by_key is None:
            return item.outcome(Status.UNKNOWN, category=NO_ANSWER.category, message=_PERHAPS_ARCHIVED)
        return LookUp(self.archived_by_key, item._replace(conflict=absence))

    def _after_archived_lookup(self, item: Input, found: Found) -> Step:
        if found.record is None:
            return Verb.after_refusal(self, item, found.error or item.conflict or _ARCHIVED_BEFORE)
        mismatch = mismatch_of(item, found.record, self.definitions)
        if mismatch is not None:  # another row of this record has archived it
            return Verb.after_refusal(self, item, mismatch)
        if is_since(found.record.archived_at, item.in_doubt_since):
            return item.outcome(Status.ARCHIVED, record_id=found.record.id, updated_at=found.record.archived_at)
        return Verb.after_refusal(self, item, _ARCHIVED_BEFORE)

    def after_refusal(self, item: Input, error: ErrorReply) -> Step:
        """What isn't among the archived records never was, unless the request had no effect: reading it tells."""
        if error.category == OBJECT_NOT_FOUND and error is not _ARCHIVED_BEFORE and item.conflict is None:
            return LookUp(self.by_id, item._replace(conflict=error))
        return Verb.after_refusal(self, item, error)

    def after_predecessor(self, step: Write, before: RowOutcome) -> Step:
        """The first row archives the record; for the next ones it isn't there any more."""
        if before.status is Status.ARCHIVED:
            gone = ErrorReply(OBJECT_NOT_FOUND, f"row {before.row} names the same record, and has archived it")
            return Verb.after_refusal(self, step.item, gone)
        return step
