"""What is known of an object type's properties, and what to say of a column that goes to none."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_hubbatch.core.definitions import RECORD_ID_PROPERTY, PropertyDefinition
from airflow_provider_hubbatch.core.keys import (
    IdUse,
    is_record_id,
    keys_of,
    names_records,
    refusal_of_property,
)
from airflow_provider_hubbatch.core.rules import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

# Names of a list that a message quotes.
NAMES_QUOTED: Final = 20
# Unknown columns for which the property that was probably meant is looked for: each takes up to 40 ms in an account
# with a thousand properties, and keys that are values never end.
_MOST_SUGGESTIONS: Final = 50
_NEAR: Final = 0.75
_PUNCTUATION: Final = re.compile(r"[\W_]+")
_LEAVE_OUT: Final = ": leave the column {!r} out (properties says which columns to write)"


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that was probably meant: another case or punctuation first, then a slip of the pen.

    :returns: ``None`` where nothing is near.
    """
    folded: dict[str, str] = {}
    for candidate in candidates:
        folded.setdefault(_folded(candidate), candidate)
    wanted = _folded(name)
    found = [wanted] if wanted in folded else difflib.get_close_matches(wanted, folded, n=1, cutoff=_NEAR)
    return folded[found[0]] if found else None


def _folded(name: str) -> str:
    return _PUNCTUATION.sub("", name.casefold())


def did_you_mean(name: str | None) -> str:
    """The end of a message that a name isn't known."""
    return f"; did you mean {name!r}?" if name else ""


def is_name(value: Any) -> bool:
    """Whether it can name a column or a property."""
    return isinstance(value, str) and bool(value.strip())


def describe_name(value: Any) -> str:
    """What a value is that is no name."""
    return "an empty text" if isinstance(value, str) else f"a {type(value).__name__}"


class KnownProperties:
    """What is known of an object type's properties.

    :param key: the property that requests name records by, whose values come from ``id_column``.
    """

    def __init__(
        self,
        definitions: Mapping[str, PropertyDefinition] | None,
        object_type: str,
        *,
        preflight: bool,
        key: str | None,
        id_column: str | None,
        id_use: IdUse = IdUse.EXISTING,
    ) -> None:
        self.definitions = definitions
        self.object_type = object_type
        self.preflight = preflight
        self._suggestions_left = _MOST_SUGGESTIONS
        self._key = key
        self._id_column = id_column
        self._id_use = id_use

    def get(self, name: str) -> PropertyDefinition | None:
        """HubSpot's definition of a property, where it is known."""
        return (self.definitions or {}).get(name)

    def refusal(self, column: Any, name: Any) -> Invalid | None:
        """Why this column can't be written to this property, whatever its values."""
        if not is_name(name):
            reason = f"the column {column!r} can't be a property: its name is {describe_name(name)}"
            return Invalid("PROPERTY_DOESNT_EXIST", reason)
        if name == RECORD_ID_PROPERTY:
            reason = f"{name!r} can't be written: it is the record id (id_column={column!r} makes it name the record)"
            return Invalid("READ_ONLY_VALUE", reason)
        if name == self._key:
            return Invalid("READ_ONLY_VALUE", self._renames(column))
        if self.definitions is None or not self.preflight:
            return None
        definition = self.get(name)
        if definition is None:
            return Invalid("PROPERTY_DOESNT_EXIST", self.unknown(name, column))
        why = _why_not_writable(definition)
        return Invalid("READ_ONLY_VALUE", f"property {name!r} {why}{_LEAVE_OUT.format(column)}") if why else None

    def must_match_problems(self, must_match: Mapping[str, str]) -> Iterator[str]:
        """The properties that records can't be compared by, since there are none of these names."""
        if self.definitions is not None and self.preflight:
            for column, name in must_match.items():
                if name not in self.definitions:
                    yield f"must_match: {self.unknown(name, column)}"

    def _renames(self, column: str) -> str:
        """Why a column can't be written to the key: if a reply leaves a row open, its record is read back by it."""
        why = (
            f"the column {column!r} can't be written to {self._key!r}, since this property names the records "
            f"(id_property) and its values come from the column {self._id_column!r} (id_column)"
        )
        if self._id_use is not IdUse.EXISTING:
            return f"{why}{_LEAVE_OUT.format(column)}"
        return (
            f"{why}. To change it, give record ids (id_property=None), or have the records looked up first "
            f"(skip_unchanged='hubspot'); else leave the column {column!r} out (properties says which columns to write)"
        )

    def unknown(self, name: str, column: str | None = None) -> str:
        """That there is no such property, and which one was probably meant."""
        source = f" (column {column!r})" if column not in {None, name} else ""
        return f"{self.object_type} have no property {name!r}{source}{did_you_mean(self._suggest(name))}"

    def _suggest(self, name: str) -> str | None:
        """The property that was probably meant, by its name or its label."""
        if self._suggestions_left == 0:
            return None
        self._suggestions_left -= 1
        known = self.definitions or {}
        labels = {definition.label: name for name, definition in known.items() if definition.label}
        return nearest(name, known) or labels.get(nearest(name, labels) or "")

    def id_problems(self, name: str | None) -> Iterator[str]:
        """Why the id property can't name records."""
        if name is None or is_record_id(name) or self.definitions is None:
            return
        definition = self.get(name)
        if definition is None:
            yield f"id_property: {self.unknown(name)}"
        elif not names_records(definition, self.object_type):
            others = keys_of(self.definitions.values(), self.object_type)
            refusal = refusal_of_property(name, self._id_use, others[:NAMES_QUOTED])
            if refusal is not None:
                yield refusal


def _why_not_writable(definition: PropertyDefinition) -> str | None:
    if definition.archived:
        return "is archived"
    if definition.calculated:
        return "is calculated by HubSpot"
    return "is read-only" if definition.read_only else None
