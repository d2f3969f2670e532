"""Whether rows name the records that they mean: what a row says of its record is compared with what HubSpot has.

A warehouse's own ids, taken for HubSpot's record ids, overwrite strangers, and all of it is "updated".
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_hubbatch.core.error_reply import ErrorReply
from airflow_provider_hubbatch.core.keys import EMAIL, is_by_email
from airflow_provider_hubbatch.core.values import equal_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_provider_hubbatch.core.batch_reply import Record
    from airflow_provider_hubbatch.core.definitions import PropertyDefinition
    from airflow_provider_hubbatch.core.model import Input

RECORD_MISMATCH: Final = "RECORD_MISMATCH"
"""The category of a row whose record has other values than ``must_match`` says."""

# So many rows are looked at before it is said that they name the wrong records, and so many of them must not agree.
ROWS_CHECKED: Final = 100
MISMATCHES_THAT_STOP: Final = 10

# What a warehouse and HubSpot both know of a contact or company, and what seldom changes.
TELLING_PROPERTIES: Final = (EMAIL, "domain", "name")
# Of fewer rows nothing is concluded: three customers with new addresses are no wrong key.
_FEWEST_COMPARED: Final = 10

# HubSpot: a contact's further addresses, as "a;b"
_ADDITIONAL_EMAILS: Final = "hs_additional_emails"


def properties_to_read(names: Iterable[str], object_type: str) -> frozenset[str]:
    """The properties that a check of these needs to see."""
    wanted = frozenset(names)
    return wanted | {_ADDITIONAL_EMAILS} if any(is_by_email(name, object_type) for name in wanted) else wanted


def disagreements(
    expected: Mapping[str, str], record: Record, definitions: Mapping[str, PropertyDefinition]
) -> list[str]:
    """The properties of which a record has another value than the row says, or none.

    :param expected: property -> value as the row has it, as it would be sent; ``""``: the row doesn't say.
    :param definitions: by property, as far as they are known: values are compared by meaning.
    """
    return [
        name
        for name, ours in expected.items()
        if ours and not any(_agree(ours, theirs, definitions.get(name), name) for theirs in _held(record, name))
    ]


def mismatch_of(item: Input, record: Record, definitions: Mapping[str, PropertyDefinition]) -> ErrorReply | None:
    """The error of a row whose record has other values than it says; ``None``: they agree.

    :param definitions: as :func:`disagreements`.
    """
    names = disagreements(item.must_match or {}, record, definitions)
    return mismatch(names, record) if names else None


def mismatch(names: Sequence[str], record: Record) -> ErrorReply:
    """The error of a row whose record has other values of these properties."""
    listed = ", ".join(map(repr, names))
    message = f"the record {record.id} has another value of {listed} than the row says: it is left as it is"
    return ErrorReply(RECORD_MISMATCH, message)


class MismatchGuard:
    """Counts rows of which the record was looked at, until it is sure that they don't all name the wrong ones."""

    def __init__(self) -> None:
        self._rows = 0
        self._mismatches = 0

    def note(self, *, mismatches: bool) -> str | None:
        """One more row was compared.

        :returns: why the sync must not go on, as soon as that is sure.
        """
        if self._rows >= ROWS_CHECKED:
            return None
        self._rows += 1
        self._mismatches += mismatches
        if not mismatches or self._mismatches < MISMATCHES_THAT_STOP:
            return None
        return (
            f"{self._mismatches} of the first {self._rows} rows name records that disagree with must_match: the sync "
            "stopped before it wrote to any. Is id_column right? It must hold HubSpot's own record ids, not the "
            "warehouse's (or the values of id_property)"
        )


def describe_wrong_key(
    inputs: Sequence[Input], records: Iterable[Record], *, id_column: str, columns: Mapping[str, str]
) -> str | None:
    """What to warn of before rows by record id are written, if no record agrees with its row.

    :param inputs: what is to be written, with values of :data:`TELLING_PROPERTIES`.
    :param records: as HubSpot has them.
    :param columns: column -> property.
    """
    by_id = {record.id: record for record in records}
    compared: Counter[str] = Counter()
    for item in inputs:
        record = by_id.get(item.id)
        for name in TELLING_PROPERTIES if record is not None else ():
            ours, theirs = item.properties.get(name), _held(record, name)
            if ours and any(theirs):
                if any(_agree(ours, one, None, name) for one in theirs):
                    return None
                compared[name] += 1
    name, rows = max(compared.items(), key=lambda one: one[1], default=("", 0))
    if rows < _FEWEST_COMPARED:
        return None
    column = next((one for one, written in columns.items() if written == name), name)
    return (
        f"None of {rows} records has the {name} that its row is about to write. Does {id_column!r} hold HubSpot's "
        f"record ids, and not the warehouse's own? must_match={{{column!r}: {name!r}}} rejects rows whose record "
        "disagrees"
    )


def _held(record: Record | None, name: str) -> list[str]:
    if record is None:
        return []
    held = [record.properties.get(name)]
    if name == EMAIL:
        held += str(record.properties.get(_ADDITIONAL_EMAILS) or "").split(";")
    return [one.strip() for one in map(_text, held) if one.strip()]


def _agree(ours: str, theirs: str, definition: PropertyDefinition | None, name: str) -> bool:
    ours = ours.strip()
    return equal_values(ours, theirs, definition) or (name == EMAIL and ours.casefold() == theirs.casefold())


def _text(value: Any) -> str:
    return "" if value is None else str(value)
