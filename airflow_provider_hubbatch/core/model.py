"""The words of this package: row, input, batch, outcome, report.

Those of which there is one a row are named tuples: as frozen as a dataclass, and made in half the time.

``row`` (warehouse side) -> ``input`` (one object of a request) -> ``batch`` (the inputs of one request)
-> ``outcome`` (what became of one row) -> ``report`` (all of a sync).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from airflow_provider_hubbatch.core.json_values import encode_row, encode_value, escape_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_hubbatch.core.associations import LinkKind, RecordLinks
    from airflow_provider_hubbatch.core.batch_reply import Record
    from airflow_provider_hubbatch.core.error_reply import ErrorReply


class _Missing:
    """The type of :data:`MISSING`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = _Missing()
"""Stands in a :class:`Chunk` where a row (a dict) has no such key. Not a null: it always leaves the property alone."""


VALIDATE_ONLY: Final = "VALIDATE_ONLY"
"""The category of a row that would have been sent, in a look before the leap."""


class Status(StrEnum):
    """What became of one row."""

    CREATED = "created"
    """HubSpot has made the record for this row."""
    UPDATED = "updated"
    """HubSpot's reply names the record; ``not_taken`` names what it kept another value of."""
    ARCHIVED = "archived"
    """HubSpot has moved the record to its recycle bin for this row."""
    UNCHANGED = "unchanged"
    """Nothing to write: HubSpot, or the last sync, has these values already."""
    MISSING = "missing"
    """HubSpot doesn't have the record, and the sync was told that this is fine (``missing_ok``)."""
    REJECTED = "rejected"
    """It can't be written as it is; ``category`` and ``message`` say why."""
    UNKNOWN = "unknown"
    """HubSpot never said, and reading back didn't settle it."""
    NOT_SENT = "not_sent"
    """The sync stopped before this row's turn."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some consecutive rows of the source, by column.

    :param first_row: the 0-based index, in the whole source, of the chunk's first row.
    :param columns: column name -> one value a row, all of one length; :data:`MISSING` where a row has no such key.
        A list, or anything indexable by position (a pandas or Arrow column is turned into a list by the source).
    :param length: how many rows.
    :param complete: the source has exactly these columns (a DataFrame, a query, a file with a schema); ``False``
        for dicts, of which a later one may bring other keys.
    :param invalid: row offset in the chunk -> what is wrong with it, for rows that are no mapping at all.
    :param attempts: of rows that an earlier run didn't write: how often each is sent again, this time included;
        ``None`` for all others.
    :param unasked: where a column that was asked for is missing: names of the source's other ones.
    """

    first_row: int
    columns: Mapping[str, Sequence[Any]]
    length: int
    complete: bool = True
    invalid: Mapping[int, str] = field(default_factory=dict)
    unasked: Sequence[str] = ()
    attempts: Sequence[int] | None = None

    @property
    def names(self) -> list[str]:
        """The columns that the source has, as far as anybody needs to know."""
        return [*self.columns, *self.unasked]

    def row(self, offset: int) -> dict[str, Any]:
        """The source row at ``offset`` (0-based in this chunk), as a new dict, absent keys left out."""
        return {name: values[offset] for name, values in self.columns.items() if values[offset] is not MISSING}


class Pair(NamedTuple):
    """The two records that an input links, and their link.

    :param given_to: the ``to_column``'s value as the row has it.
    :param from_id: what the row names the one record by: its record id, or a value of ``from_id_property``.
    :param to_id: as ``from_id``, of the other one.
    :param label: the link's label, as HubSpot shows it; ``None``: the unlabeled link.
    :param from_record: the record id; ``None``: it is to be looked up. ``to_record``: as this.
    :param read: the links of the one that their link starts from, as far as they have been read; ``None``: not at all.
    :param held: the kinds of their link, as HubSpot had it.
    :param carried: rows of the same pair whose kinds of link are sent along, and wait for what becomes of this one.
    :param carried_kinds: those kinds.
    :param alone: no other row's kinds are sent along any more: with them it was refused.
    :param sent: how often it was sent without a reply that says what became of it.
    """

    given_to: Any
    from_id: str
    to_id: str
    label: str | None = None
    from_record: str | None = None
    to_record: str | None = None
    read: RecordLinks | None = None
    held: frozenset[LinkKind] = frozenset()
    carried: tuple[int, ...] = ()
    carried_kinds: frozenset[LinkKind] = frozenset()
    alone: bool = False
    sent: int = 0

    def known_records(self, *, proven: bool) -> tuple[str | None, str | None]:
        """The record ids of both sides, where they are known to be some: looked up.

        :param proven: HubSpot has told that both are there: so are those that the row itself has.
        """
        return (
            self.from_record if proven or self.from_record != self.from_id else None,
            self.to_record if proven or self.to_record != self.to_id else None,
        )


class NewLinks(NamedTuple):
    """The links that a row's new record is to have from the start; one entry a setting, in the order of the settings.

    :param named: what the row names the linked record by: its record id, or a value of the setting's property;
        ``None``: no link.
    :param records: its record id; ``None``: no link, or it is to be looked up.
    :param looked_up: so many of them have been looked up, as far as they need to be.
    :param asked: which of them is being looked up, or read back; ``None``: none.
    :param own: the row's own id and key, while a linked record is looked up.
    :param missing: why a linked record can't be found; the row isn't sent.
    :param made: HubSpot has made the record: the outcome, as far as its links have been read back.
    :param read: the links that it has, as far as they have been read; ``None``: not at all.
    """

    named: tuple[str | None, ...]
    records: tuple[str | None, ...]
    looked_up: int = 0
    asked: int | None = None
    own: tuple[str, str] | None = None
    missing: ErrorReply | None = None
    made: RowOutcome | None = None
    read: RecordLinks | None = None


class LinkedTo(NamedTuple):
    """The other side of a link, in the outcome of its row.

    :param id: the ``to_column``'s value as given.
    :param record_id: HubSpot's record id, where it is known.
    :param kinds: the kinds that the link has now; ``None``: nobody knows. No part of the result.
    """

    id: Any
    record_id: str | None = None
    kinds: frozenset[LinkKind] | None = None


class Input(NamedTuple):
    """One object of a request: a row made ready to send.

    :param row: the row's 0-based index in the source.
    :param given_id: the id column's value as the row has it.
    :param id: what HubSpot is told: the record id, or the value of ``id_property``.
    :param key: equal for two inputs exactly if they may name the same record (whatever case or padding the id
        has): no two of one key share a request, and they take effect in input order.
    :param properties: property name -> string, as HubSpot takes it (``""`` clears).
    :param source: the chunk and offset of the row, from which a rejected outcome takes its ``values``.
    :param record: the record as HubSpot had it, where it was looked up.
    :param must_match: property name -> what the record must have of it, before anything is written; ``""``: the row
        doesn't say. ``None``: whatever it has.
    :param in_doubt_since: an earlier request may have had its effect without HubSpot saying so: when the first such one
        was sent, by HubSpot's clock (ISO 8601; ``""``: nobody knows). ``None``: there was none.
    :param shares_doubt: another row of its key is in doubt too: only its values tell whether a record came of it.
    :param conflict: why HubSpot refused to make a record for it: one is in the way.
    :param pair: of a row that links two records: both of them. ``id`` is that of the one that is looked for, or that
        the link starts from.
    :param links: of a row whose new record is to have some: those.
    """

    row: int
    given_id: Any
    id: str
    key: str
    properties: Mapping[str, str]
    source: tuple[Chunk, int] | None = None
    record: Record | None = None
    must_match: Mapping[str, str] | None = None
    in_doubt_since: str | None = None
    shares_doubt: bool = False
    conflict: ErrorReply | None = None
    pair: Pair | None = None
    links: NewLinks | None = None

    @property
    def asks_for_link(self) -> bool:
        """Whether it is being looked up for a link: what is found is another record than its own."""
        return self.links is not None and self.links.asked is not None

    @property
    def trace_id(self) -> str:
        """The ``objectWriteTraceId`` of this row: its index, the same on every try."""
        return str(self.row)

    def values(self) -> dict[str, Any] | None:
        """The source row, for fixing and sending again."""
        return None if self.source is None else self.source[0].row(self.source[1])

    def outcome(self, status: Status, **what: Any) -> RowOutcome:
        """What became of this row, with its source row where somebody may want to fix it.

        :param what: further parts of the outcome.
        """
        if status in (Status.REJECTED, Status.UNKNOWN):
            what["values"] = self.values()
        record_id = None if self.record is None else self.record.id
        if self.pair is not None:
            proven = status in (Status.CREATED, Status.ARCHIVED, Status.UNCHANGED)
            record_id, to_record = self.pair.known_records(proven=proven)
            what = {"to": LinkedTo(self.pair.given_to, to_record), **what}
        return RowOutcome(self.row, self.given_id, status, **{"record_id": record_id, **what})


class RowOutcome(NamedTuple):
    """What became of one row.

    :param row: 0-based index of the row in the source.
    :param id: the id column's value as given.
    :param status: one of :class:`Status`.
    :param record_id: HubSpot's record id, where it is known.
    :param updated_at: HubSpot's ``updatedAt`` of the record, ISO 8601, as it was answered.
    :param category: why, in one word: HubSpot's category or code, or ours for what was never sent.
    :param message: why, in a sentence.
    :param correlation_id: HubSpot's id of the refusing reply: what its support asks for.
    :param values: the source row, for rejected and unknown outcomes.
    :param not_taken: of an updated row, the properties that HubSpot's reply shows with another value than the one sent.
    :param changes: in a look before the leap: property -> HubSpot's value, and the one that would be sent.
    :param attempts: how often this row was sent again, out of an earlier run's result files.
    :param cleared: of an updated row, the properties that it emptied: counted in the summary, no part of the result.
    :param to: of a link: its other side.
    :param unread: of a created row: the links that it was made with and that nobody has read back; no part of the
        result.
    :param cut_off: of an unknown row: the sync ended before HubSpot's reply; no part of the result.
    """

    row: int
    id: Any
    status: Status
    record_id: str | None = None
    updated_at: str | None = None
    category: str | None = None
    message: str | None = None
    correlation_id: str | None = None
    values: Mapping[str, Any] | None = None
    not_taken: tuple[str, ...] = ()
    attempts: int | None = None
    changes: Mapping[str, tuple[str | None, str]] | None = None
    cleared: tuple[str, ...] = ()
    cut_off: bool = False
    to: LinkedTo | None = None
    unread: tuple[str, ...] = ()

    @property
    def to_id(self) -> Any:
        """Of a link: the ``to_column``'s value as given."""
        return None if self.to is None else self.to.id

    @property
    def to_record_id(self) -> str | None:
        """Of a link: HubSpot's record id of the other side, where it is known."""
        return None if self.to is None else self.to.record_id

    @property
    def is_settled(self) -> bool:
        """Whether the row has its outcome for good, so that a retry leaves it alone.

        A row of which HubSpot said nothing after all was tried is settled too: later rows of its record may have been
        written since, and it must not be written over them.
        """
        return self.status is not Status.NOT_SENT and not self.cut_off

    def as_dict(self) -> dict[str, Any]:
        """The outcome as the result files and XComs have it: absent keys left out, all of it fit for JSON."""
        outcome: dict[str, Any] = {"row": self.row, "id": encode_value(self.id), "status": self.status.value}
        if self.to is not None:
            outcome["to_id"] = encode_value(self.to.id)
            if self.to.record_id is not None:
                outcome["to_record_id"] = escape_text(self.to.record_id)
        for key in ("record_id", "updated_at", "category", "message", "correlation_id"):
            value = getattr(self, key)
            if value is not None:
                outcome[key] = escape_text(value)
        if self.attempts is not None:
            outcome["attempts"] = self.attempts
        if self.not_taken:
            outcome["not_taken"] = list(self.not_taken)
        if self.changes is not None:
            outcome["changes"] = {
                escape_text(name): [old if old is None else escape_text(old), new]
                for name, (old, new) in self.changes.items()
            }
        if self.values is not None:
            outcome["values"], cut = encode_row(self.values)
            if cut:
                outcome["values_cut"] = list(cut)
        return outcome

    @property
    def values_cut(self) -> tuple[str, ...]:
        """The columns that :meth:`as_dict` leaves out of ``values``, since JSON can't hold what they have."""
        return () if self.values is None else encode_row(self.values)[1]
