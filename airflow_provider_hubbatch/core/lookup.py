"""Looking records up before they are written: emails become record ids, and it is known what HubSpot has.

One batch/read serves both. From it on, a row is addressed by record id, whatever named it before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from airflow_provider_hubbatch.core.batch_reply import BatchReply, parse_batch_reply
from airflow_provider_hubbatch.core.error_reply import NO_ANSWER, OBJECT_NOT_FOUND, ErrorReply, id_in_coordinates
from airflow_provider_hubbatch.core.keys import EMAIL
from airflow_provider_hubbatch.core.mapping_spec import When
from airflow_provider_hubbatch.core.protocol import MAX_BATCH_INPUTS, BatchRead, Request
from airflow_provider_hubbatch.core.reconcile import MERGED_IDS_PROPERTY, merged_error, merged_ids
from airflow_provider_hubbatch.core.values import order_key

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence

    from airflow_provider_hubbatch.core.associations import LinkKind
    from airflow_provider_hubbatch.core.batch_reply import Record
    from airflow_provider_hubbatch.core.model import Input
    from airflow_provider_hubbatch.core.protocol import Reply

# HubSpot: a contact's further addresses, as "a;b"; they identify it too (docs, Contacts)
ADDITIONAL_EMAILS = "hs_additional_emails"


@dataclass(frozen=True, slots=True)
class Found:
    """What a lookup says of one input.

    :param record: the record, or ``None``.
    :param error: why there is none; ``None``, if the lookup leaves that to the write's reply.
    :param links: in place of a record: the records that this one is linked with, each with the kinds of the link.
    :param is_stale: this sync has written the record since, or is about to: HubSpot may have other values by now.
    :param waits: a row before this one, of the same key, has no outcome so far.
    :param behind_key: a row before this one, of its key, has no outcome so far: the record is that one's, perhaps.
    """

    record: Record | None = None
    error: ErrorReply | None = None
    links: Mapping[str, frozenset[LinkKind]] | None = None
    is_stale: bool = False
    waits: bool = False
    behind_key: bool = False


class Further(NamedTuple):
    """A reply has a part of the answer: the input to ask on with."""

    item: Input


Answer = Found | Further | None
"""What a reply says of an input; ``None``: it leaves it out without a word, so ask again."""


class Lookup(Protocol):
    """One way to find records. What it finds is by record id from then on, whatever named it before."""

    @property
    def object_type(self) -> str:
        """As in the path."""

    @property
    def id_property(self) -> str | None:
        """What the inputs' ids are values of; ``None``: record ids."""

    @property
    def most_inputs(self) -> int:
        """So many inputs fit a request."""

    @property
    def folds(self) -> bool:
        """Whether a key is asked for once for all inputs that wait for it: what it has doesn't depend on the row."""

    @property
    def remembers(self) -> bool:
        """Whether a record once found serves all rows that name it alike: not where more than its id is wanted."""

    @property
    def is_urgent(self) -> bool:
        """Whether a few inputs are worth a request, if none is under way: rows that have been written wait for it."""

    @property
    def lags(self) -> bool:
        """Whether it finds records as they were up to a minute ago."""

    def told(self, identifier: str) -> str:
        """An id as HubSpot is told it: equal for two that are the same to it."""

    def request(self, inputs: Sequence[Input]) -> Request:
        """The request that looks these up, each record once."""

    def read(self, inputs: Sequence[Input], reply: Reply, *, repeated: bool) -> Sequence[Answer]:
        """Tell which record belongs to which input.

        :param repeated: these were asked for before, more than once, and the replies left them out.
        :returns: one entry an input, in order.
        """

    def read_absence(self, inputs: Sequence[Input], error: ErrorReply, *, repeated: bool) -> Sequence[Answer]:
        """As :meth:`read`, of a refusal that says that HubSpot doesn't have the records."""


@dataclass(frozen=True, kw_only=True, eq=False)
class BatchReadLookup:
    """Records by record id or unique property, and contacts by email: batch/read.

    :param id_property: what the rows' ids are values of; ``None``: record ids.
    :param reads_values: read what the inputs are about to write, too.
    :param reads_also: further properties to read.
    :param archived: look among the archived records instead of the others.
    :param must_find: a record that isn't found is an error, also by record id: the write must not go without it.
    :param remembers: nothing is written to the records: what was found once serves all rows that name it alike.
    """

    object_type: str
    api_version: str
    id_property: str | None
    reads_values: bool = False
    reads_also: frozenset[str] = frozenset()
    archived: bool = False
    must_find: bool = False
    remembers: bool = False
    folds: ClassVar[bool] = False
    is_urgent: ClassVar[bool] = False
    most_inputs: ClassVar[int] = MAX_BATCH_INPUTS
    lags: ClassVar[bool] = False

    def request(self, inputs: Sequence[Input]) -> Request:
        """The request that looks these up, each record once."""
        read_of = inputs if self.reads_values else [item for item in inputs if item.shares_doubt]
        wanted = {name for item in read_of for name in item.properties}
        wanted |= self.reads_also
        if self.id_property is None and self.must_find:
            wanted.add(MERGED_IDS_PROPERTY)
        if self.id_property == EMAIL:
            wanted |= {EMAIL, ADDITIONAL_EMAILS}
        elif self.id_property is not None:
            wanted.add(self.id_property)
        names = tuple(sorted(wanted))
        read = BatchRead(self.object_type, names, self.id_property, self.api_version, archived=self.archived)
        return read.request(dict.fromkeys(self.told(item.id) for item in inputs))

    def told(self, identifier: str) -> str:
        """An id as HubSpot is told it and tells it: it keeps addresses in lower case."""
        return identifier.lower() if self.id_property == EMAIL else identifier

    def read(self, inputs: Sequence[Input], reply: Reply, *, repeated: bool) -> list[Found | None]:
        """Tell which record belongs to which input.

        A reply doesn't repeat what was asked for, so that the record's own properties have to tell: the value as it was
        asked for, for an email the primary address before the secondary ones; then, unless HubSpot says that it doesn't
        have this one, a value that differs in case or padding only, if one record alone has such a value.
        """
        return self._told_apart(inputs, parse_batch_reply(reply), repeated=repeated)

    def read_absence(self, inputs: Sequence[Input], error: ErrorReply, *, repeated: bool) -> list[Found | None]:
        """HubSpot has none of the records that the error names, or none at all."""
        reply = BatchReply(None, errors=(error,), correlation_id=error.correlation_id)
        return self._told_apart(inputs, reply, repeated=repeated)

    def _told_apart(self, inputs: Sequence[Input], reply: BatchReply, *, repeated: bool) -> list[Found | None]:
        found = _records_of(self, inputs, reply)
        if self.id_property is None and not self.must_find:
            return [one or Found() for one in found]  # the write's reply will tell
        # a refusal that names some of them says nothing of the others: silence is counted in what answers all
        refuses_some = not reply.results and any(one is not None for one in found)
        # one of the other records that it has may be what one of these was merged into
        has_others = self.id_property is None and len(inputs) > 1 and len(reply.results) > sum(map(bool, found))
        if repeated and not refuses_some and not has_others:
            return [one or Found(error=_not_returned(self, reply)) for one in found]
        return found


def _records_of(lookup: BatchReadLookup, inputs: Sequence[Input], reply: BatchReply) -> list[Found | None]:
    exact: dict[str, Record] = {}
    similar: dict[str, set[str]] = {}
    by_id = {record.id: record for record in reply.results}
    for names in (_secondary_names, _primary_names):
        for record in reply.results:
            for name in names(lookup, record):
                exact[lookup.told(name)] = record
                similar.setdefault(order_key(name), set()).add(record.id)
    errors = _errors_by_id(reply, {lookup.told(item.id) for item in inputs}, lookup)
    if lookup.id_property is None and lookup.must_find:
        errors |= {old: merged_error(record) for record in reply.results for old in merged_ids(record)}
        if len(inputs) == len(reply.results) == 1:  # asked for alone: that is the one, whatever its id
            errors.setdefault(inputs[0].id, merged_error(reply.results[0]))
    found: list[Found | None] = []
    for item in inputs:
        told = lookup.told(item.id)
        candidates = similar.get(item.key, ())
        if told in exact:
            found.append(Found(exact[told]))
        elif told in errors:
            found.append(Found(error=errors[told]))
        else:
            found.append(Found(by_id[next(iter(candidates))]) if len(candidates) == 1 else None)
    return found


def _errors_by_id(reply: BatchReply, asked: Container[str], lookup: BatchReadLookup) -> dict[str, ErrorReply]:
    errors = {lookup.told(one): error for error in reply.errors for one in error.ids}
    for error in reply.errors:
        for coordinates in error.coordinates:
            missing = id_in_coordinates(lookup.told(coordinates), asked.__contains__)
            if missing is not None:
                errors[missing] = replace(error, category=OBJECT_NOT_FOUND)
    return errors


def resolved(item: Input, record: Record, properties: Mapping[str, str]) -> Input:
    """The input, addressed by record id."""
    return item._replace(id=record.id, key=order_key(record.id), properties=properties, record=record)


def list_changes(item: Input, record: Record, names: Iterable[str]) -> dict[str, tuple[str | None, str]]:
    """What HubSpot has and what the input would make of it, by property: ``(old, new)``."""
    return {name: (_text(record.properties.get(name)) or None, item.properties[name]) for name in names}


def changed_properties(item: Input, record: Record, equal: Callable[[str, str, str | None], bool]) -> dict[str, str]:
    """Those of the input's properties that HubSpot has with another value.

    :param equal: whether a property's value as sent equals HubSpot's: ``equal(name, ours, hubspots)``.
    """
    return {
        name: ours
        for name, ours in item.properties.items()
        if not equal(name, ours, _text(record.properties.get(name)))
    }


def due_properties(item: Input, when: Mapping[str, When], record: Record | None) -> Mapping[str, str]:
    """Those of the input's properties that are written to a record that is there.

    :param when: property -> when it is written.
    :param record: as HubSpot has it now; ``None``: that is to be read first, and decides on the rest.
    """
    if not when:
        return item.properties
    return {
        name: value
        for name, value in item.properties.items()
        if name not in when or (when[name] is When.EMPTY and (record is None or not _text(record.properties.get(name))))
    }


def _not_returned(lookup: BatchReadLookup, reply: BatchReply) -> ErrorReply:
    """The error of an input whose record a reply leaves out, without an error that could be about it."""
    unnamed = next((error for error in reply.errors if not (error.ids or error.coordinates)), None)
    if unnamed is not None:
        return unnamed
    if not reply.confirms:
        return replace(NO_ANSWER, correlation_id=reply.correlation_id)
    what = lookup.id_property or "id"
    message = f"no {lookup.object_type} record has this {what}: batch/read doesn't return one"
    return ErrorReply(OBJECT_NOT_FOUND, message, correlation_id=reply.correlation_id)


def _primary_names(lookup: BatchReadLookup, record: Record) -> list[str]:
    if lookup.id_property is None:
        return [record.id]
    value = record.properties.get(lookup.id_property)
    return [value] if isinstance(value, str) and value else []


def _secondary_names(lookup: BatchReadLookup, record: Record) -> list[str]:
    value = record.properties.get(ADDITIONAL_EMAILS) if lookup.id_property == EMAIL else None
    return [one.strip() for one in value.split(";") if one.strip()] if isinstance(value, str) else []


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else str(value)
