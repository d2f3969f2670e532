"""Upsert: records that exist get new values, those that don't are made, by a key that both have.

By a unique property in one request, ``POST /crm/objects/{version}/{objectType}/batch/upsert``: results say whether they
are ``new``. HubSpot's upsert by a contact's email takes no part of a contact's properties ("partial upserts are not
supported when using email"), and one conflict refuses all of its rows: so addresses are looked up, and then records are
updated by record id, or made.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_hubbatch.core.batch_reply import Record
from airflow_provider_hubbatch.core.keys import is_by_email
from airflow_provider_hubbatch.core.lookup import (
    BatchReadLookup,
    changed_properties,
    due_properties,
    list_changes,
    resolved,
)
from airflow_provider_hubbatch.core.mapping_spec import When
from airflow_provider_hubbatch.core.model import Input, RowOutcome, Status
from airflow_provider_hubbatch.core.options import COMPARE_WITH_HUBSPOT
from airflow_provider_hubbatch.core.record_check import mismatch_of
from airflow_provider_hubbatch.core.search_lookup import what_decides
from airflow_provider_hubbatch.core.server_clock import is_since
from airflow_provider_hubbatch.core.verbs.create import BatchCreate, conflicts, made_by
from airflow_provider_hubbatch.core.verbs.update import BatchUpdate, is_writable, rereading
from airflow_provider_hubbatch.core.verbs.verb import LookUp, Settling, Verb, Write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_hubbatch.core.definitions import PropertyDefinition
    from airflow_provider_hubbatch.core.error_reply import ErrorReply
    from airflow_provider_hubbatch.core.lookup import Found
    from airflow_provider_hubbatch.core.options import UpsertOptions
    from airflow_provider_hubbatch.core.protocol import Reply
    from airflow_provider_hubbatch.core.verbs.verb import Step


@dataclass(frozen=True, kw_only=True, eq=False)
class BatchUpsert(BatchUpdate):
    """The operation: set properties of the records of these keys, and make those that aren't there."""

    endpoint: ClassVar[str] = "upsert"
    creates: ClassVar[bool] = True

    def settle(self, inputs: Sequence[Input], reply: Reply, strays: Mapping[str, Record]) -> Settling:
        """A record that isn't there was not made, so far."""
        found = BatchUpdate.settle(self, inputs, reply, strays)
        absent = tuple(item for item, error in found.refused if error.is_about_absence)
        refused = [(item, error) for item, error in found.refused if not error.is_about_absence]
        return replace(found, refused=refused, unclear=(*found.unclear, *absent))

    def written(self, item: Input, record: Record, shown: Record, *, since: str | None = None) -> RowOutcome:
        """``new`` tells whether the record was made; where an earlier request may have made it, its age does."""
        created = record.is_new
        if not created:
            earliest = item.in_doubt_since or (since if created is None else None)
            created = is_since(record.created_at, earliest)
        if created:
            return self.outcome(Status.CREATED, item, record, shown)
        return self.outcome(Status.UPDATED if item.properties else Status.UNCHANGED, item, record, shown)


@dataclass(frozen=True, kw_only=True, eq=False)
class UpdateOfUpsert(BatchUpdate):
    """The operation: set properties of records that a lookup has found."""

    def written(self, item: Input, record: Record, shown: Record, *, since: str | None = None) -> RowOutcome:  # noqa: ARG002 - of operations that create
        """A record that an earlier try has made for this row was created."""
        is_own = item.record is not None and made_by(item, item.record)
        return self.outcome(Status.CREATED if is_own else Status.UPDATED, item, record, shown)


@dataclass(frozen=True, kw_only=True)
class Upsert(Verb):
    """The verb.

    :param operation: of rows whose record isn't there, or of all that aren't looked up.
    :param update: of rows whose record is there, by record id.
    :param by_key: finds the record of a row's key; ``after_conflict``: with the values that the row has.
    :param again: reads by record id what has changed since a record was looked up.
    :param when: property -> when it is written; the others always.
    :param reads_again: what is written to a record hangs on what it has (``must_match``, ``write_when``).
    :param skip_unchanged: leave out what HubSpot has already, as the lookup tells.
    :param shows_changes: tell what would be changed, as far as the lookup tells.
    """

    name: ClassVar[str] = "upsert"
    doing: ClassVar[str] = "Upserting"
    done: ClassVar[tuple[Status, ...]] = (Status.CREATED, Status.UPDATED)
    asks_when: ClassVar[bool] = True

    operation: BatchUpsert | BatchCreate
    update: UpdateOfUpsert
    by_key: BatchReadLookup
    after_conflict: BatchReadLookup
    again: BatchReadLookup
    when: Mapping[str, When] = field(default_factory=dict)
    reads_again: bool = False
    skip_unchanged: bool = False
    shows_changes: bool = False

    @classmethod
    def for_sync(
        cls,
        options: UpsertOptions,
        *,
        object_type: str,
        id_property: str,
        api_version: str,
        definitions: Mapping[str, PropertyDefinition],
    ) -> Upsert:
        """The verb as a sync's options want it."""
        skips = options.skip_unchanged == COMPARE_WITH_HUBSPOT
        # nothing may be written to a record that nobody has seen: what isn't there is made, and never just upserted
        when = options.mapping.when
        makes_absent = is_by_email(id_property, object_type) or bool(options.must_match or when)
        reads_also = what_decides(object_type, options.must_match, when)
        where: Mapping[str, Any] = {"object_type": object_type, "api_version": api_version}
        key: Mapping[str, Any] = {
            **where,
            "id_property": id_property,
            "reads_also": reads_also,
        }
        by_key = BatchReadLookup(**key, reads_values=skips)
        clears = options.null_values == "clear"
        operation: BatchUpsert | BatchCreate
        if makes_absent:
            operation = BatchCreate(**where, id_property=id_property, lookup=by_key, definitions=definitions)
        else:
            operation = BatchUpsert(
                **where,
                id_property=id_property,
                sends_key=is_writable(id_property, definitions),
                definitions=definitions,
                clears=clears,
            )
        return cls(
            **where,
            operation=operation,
            lookup=by_key if makes_absent or skips else None,
            update=UpdateOfUpsert(**where, definitions=definitions, clears=clears),
            by_key=by_key,
            after_conflict=BatchReadLookup(**key, reads_values=True),
            again=rereading(object_type, api_version, reads_also, reads_values=skips),
            when=when,
            reads_again=bool(options.must_match or when),
            skip_unchanged=skips,
            shows_changes=skips and options.validate_only,
        )

    def after_lookup(self, item: Input, found: Found) -> Step:
        """A record that is there is written by its record id; one that isn't is made."""
        if found.record is None:
            return self._after_absence(item, found)
        if found.behind_key:
            return Write(self.operation, item)
        is_own = made_by(item, found.record)
        mismatch = None if is_own else mismatch_of(item, found.record, self.update.definitions)
        if mismatch is not None:
            return Verb.after_refusal(self, item._replace(record=found.record), mismatch)
        if is_own and item.conflict is not None and not changed_properties(item, found.record, self.update.equal):
            return item.outcome(Status.CREATED, record_id=found.record.id, updated_at=found.record.updated_at)
        if not is_own:
            item = item._replace(must_match=None)
            if found.is_stale and self._hangs_on_values(item):
                waiting = resolved(item, found.record, due_properties(item, self.when, None))
                return Write(self.update, waiting) if found.waits else LookUp(self.again, waiting)
            item = item._replace(properties=due_properties(item, self.when, found.record))
        properties: Mapping[str, str] = item.properties
        if self.skip_unchanged and not found.is_stale and not is_own:
            properties = changed_properties(item, found.record, self.update.equal)
        found_item = resolved(item, found.record, properties)
        if properties or (is_own and found.waits):  # an earlier row of this key may be the one that made it
            return Write(self.update, found_item)
        changes = list_changes(item, found.record, ()) if self.shows_changes else None
        return _nothing_to_write(found_item, found.record)._replace(changes=changes)

    def _after_absence(self, item: Input, found: Found) -> Step:
        if found.error is not None and not found.error.is_about_absence:
            return Verb.after_refusal(self, item, found.error)
        return Write(self.operation, item) if item.conflict is None else conflicts(item, item.conflict)

    def after_refusal(self, item: Input, error: ErrorReply) -> Step:
        """A conflict on making a record: somebody was faster with this key, or another property is taken."""
        if not error.is_conflict:
            return Verb.after_refusal(self, item, error)
        is_new = isinstance(self.operation, BatchCreate) and item.record is None
        if is_new and (item.conflict is None or item.conflict is error):  # a read-back may have found the record
            return LookUp(self.after_conflict, item._replace(conflict=error))
        return conflicts(item, error)

    def after_predecessor(self, step: Write, before: RowOutcome) -> Step:
        """The first row of a key makes its record, the next ones write to it."""
        if before.status is Status.CREATED and step.item.in_doubt_since is not None:
            step = step._replace(item=step.item._replace(in_doubt_since=None))
        if step.operation is not self.operation and step.item.record is not None:
            return self._behind(step, step.item.record)
        if isinstance(self.operation, BatchUpsert):
            return step
        if self.reads_again:
            return LookUp(self.by_key, step.item)
        if before.record_id is None:
            return LookUp(self.by_key, step.item) if before.status in (Status.UNKNOWN, *self.done) else step
        if before.status is Status.REJECTED:  # it names another record than its own
            return step
        record = Record(before.record_id, {})
        if not step.item.properties:
            return step.item.outcome(Status.UNCHANGED, record_id=before.record_id)
        return Write(self.update, resolved(step.item, record, step.item.properties))

    def _behind(self, step: Write, record: Record) -> Step:
        """The next step of a row whose record was there, behind another one of the record."""
        if self.when and not made_by(step.item, record):
            step = step._replace(item=step.item._replace(properties=due_properties(step.item, self.when, None)))
            if self._hangs_on_values(step.item):
                return LookUp(self.again, step.item)
        return step if step.item.properties else _nothing_to_write(step.item, record)

    def _hangs_on_values(self, item: Input) -> bool:
        """Whether what is written to the record hangs on what it has, so that this must not be older than a row."""
        return any(self.when.get(name) is When.EMPTY for name in item.properties)

    def would_write(self, item: Input) -> RowOutcome:
        """Each change is shown, where the record has been looked up."""
        outcome = Verb.would_write(self, item)
        if item.record is None:
            return outcome
        changes = list_changes(item, item.record, item.properties) if self.shows_changes else None
        return outcome._replace(updated_at=item.record.updated_at, changes=changes)


def _nothing_to_write(item: Input, record: Record) -> RowOutcome:
    """The outcome of a row whose record is as it wants it: perhaps since an earlier try has made it."""
    status = Status.CREATED if made_by(item, record) else Status.UNCHANGED
    return item.outcome(status, record_id=record.id, updated_at=record.updated_at)
