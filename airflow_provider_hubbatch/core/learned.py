"""What a refusal teaches: about rows that are still to be sent, and about which row of its batch it is.

A value that HubSpot refuses in one row may be right in another: a deal's stage depends on its pipeline, a dependent
field's option on its controlling field, and either may stand in the record only. So a refusal is held against rows
that HubSpot has not refused themselves only where nothing else can matter: the property can't be written at all, or
the value can't be right in any row (by its format, or by the property's definition).

Any other value counts as refused only where HubSpot has refused a row for it. Where that happened
:data:`REFUSALS_THAT_TELL` times, in as many rows, and the value was never taken, it is held against the other rows of a
batch too, once one more of them has been refused alone.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_provider_hubbatch.core.definitions import PropertyDefinition
    from airflow_provider_hubbatch.core.error_reply import ErrorReply, PropertyError
    from airflow_provider_hubbatch.core.model import Input

# Refusals of a property, whatever the row or its value.
UNWRITABLE_CODES = frozenset({"PROPERTY_DOESNT_EXIST", "READ_ONLY_VALUE", "CALCULATED_VALUE"})

# Refusals of a value for its format, whatever else the row has.
FORMAT_CODES = frozenset(
    {"INVALID_BOOLEAN", "INVALID_DATE", "INVALID_DOUBLE", "INVALID_EMAIL", "INVALID_FLOAT", "INVALID_INTEGER"}
    | {"INVALID_LONG", "INVALID_NUMBER"}
)

# How HubSpot's own messages quote a value (live replies): what stands before or between these words is the value.
_QUOTING = (
    re.compile(r"(?s)^(.*) was not one of the allowed options"),
    re.compile(r"(?s)^(.*) was not a valid \w+"),
    re.compile(r"(?s)^(.*) is not a valid \w+"),
    re.compile(r"(?s)^Email address (.*) is invalid"),
    re.compile(r'(?s)^"(.*)" (?:is|was) (?:not|an invalid) '),
)

# Rows refused for one value, with none taken, before it is held against others: by chance alone, with half of the rows
# good, one value in a thousand.
REFUSALS_THAT_TELL = 10

# Values remembered; a sync with more distinct bad values than this has other worries.
_MAX_VALUES = 10_000


class Quote(NamedTuple):
    """A value that a refusal quotes, of one property; HubSpot may have changed its case or padding."""

    name: str
    text: str
    found: PropertyError

    def may_be_about(self, item: Input) -> bool:
        """Whether the record may have this value once the input is written: it has it, or leaves the property alone."""
        return item.properties.get(self.name) is None or self.is_held_by(item)

    def is_held_by(self, item: Input) -> bool:
        """Whether the input has this value, or as one of several options."""
        value = item.properties.get(self.name)
        if not value:
            return False
        text = _folded(self.text)
        return text == _folded(value) or any(text == _folded(one) for one in value.split(";"))


@dataclass(slots=True)
class Learned:
    """What refusals have taught so far.

    :param definitions: HubSpot's, by property; ``None``: not known.
    :param unwritable: property -> the refusal that says it can't be written.
    :param bad_values: (property, value) -> the refusal that quotes it, for values that are right in no row.
    :param wants_definitions: they would tell more: a value that several rows have was refused.
    """

    definitions: Mapping[str, PropertyDefinition] | None = None
    unwritable: dict[str, ErrorReply] = field(default_factory=dict)
    bad_values: dict[tuple[str, str], ErrorReply] = field(default_factory=dict)
    wants_definitions: bool = False
    _refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    _quotes: dict[tuple[str, str], tuple[Quote, ErrorReply]] = field(default_factory=dict)
    _names: set[str] = field(default_factory=set)
    _taken: set[tuple[str, str]] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.unwritable or self.bad_values)

    def refusal_of(self, item: Input) -> ErrorReply | None:
        """The refusal that is sure to meet this input, if any is."""
        for name, value in item.properties.items():
            error = self.unwritable.get(name) or self.bad_values.get((name, value))
            if error is not None:
                return error
        return None

    def learn(self, error: ErrorReply, inputs: Sequence[Input]) -> None:
        """Remember what a refusal says of every row.

        :param inputs: those of the request.
        """
        for found in error.properties:
            if found.name is not None and found.code in UNWRITABLE_CODES:
                self.unwritable.setdefault(found.name, error)
        for quote in quotes_of(error, inputs):
            rows = sum(item.properties.get(quote.name) == quote.text for item in inputs)
            if rows and self._is_bad_everywhere(quote):
                self._remember(quote, error)
            elif rows and self.definitions is None and len(self._quotes) < _MAX_VALUES:
                self.wants_definitions |= rows > 1 or (quote.name, quote.text) in self._quotes
                self._quotes[quote.name, quote.text] = (quote, error)

    def take_definitions(self, definitions: Mapping[str, PropertyDefinition]) -> None:
        """Take in what HubSpot says of its properties, after refusals that it may explain."""
        self.definitions = definitions
        for quote, error in self._quotes.values():
            if self._is_bad_everywhere(quote):
                self._remember(quote, error)
        self._quotes.clear()

    def note_refused(self, quote: Quote, item: Input) -> None:
        """HubSpot has refused this very input for a value."""
        held = (quote.name, item.properties[quote.name])
        if held not in self.bad_values and len(self._refused) < _MAX_VALUES:
            self._refused[held] += 1
            self._names.add(quote.name)

    def note_taken(self, inputs: Iterable[Input]) -> None:
        """HubSpot has written these: what they hold may be right in other rows too."""
        if not self._names:
            return
        for item in inputs:
            for name in self._names & item.properties.keys():
                held = (name, item.properties[name])
                if held in self._refused:
                    self._taken.add(held)

    def is_in_doubt(self, item: Input) -> bool:
        """Whether a refusal has quoted one of the input's values, of which the definitions may tell more."""
        return any(held in self._quotes for held in item.properties.items())

    def was_taken(self, quote: Quote, item: Input) -> bool:
        """Whether HubSpot has taken the input's value in another row, after refusing it."""
        return (quote.name, item.properties.get(quote.name)) in self._taken

    def is_refused_throughout(self, quote: Quote, item: Input) -> bool:
        """Whether HubSpot has refused the input's value so often, and never taken it, that no row will do."""
        held = (quote.name, item.properties.get(quote.name, ""))
        return self._refused[held] >= REFUSALS_THAT_TELL and held not in self._taken

    def _is_bad_everywhere(self, quote: Quote) -> bool:
        if quote.found.code in FORMAT_CODES:
            return True
        definition = (self.definitions or {}).get(quote.name)
        return definition is not None and _is_no_option(definition, quote)

    def _remember(self, quote: Quote, error: ErrorReply) -> None:
        if len(self.bad_values) < _MAX_VALUES:
            self.bad_values.setdefault((quote.name, quote.text), error)


def quotes_of(error: ErrorReply, inputs: Sequence[Input]) -> list[Quote]:
    """The values that an error quotes, as far as these inputs have them."""
    quotes = []
    for found in error.properties:
        if found.name is None or found.is_conflict or found.is_about_a_lack:
            continue
        texts = (match[1] for pattern in _QUOTING if (match := pattern.search(found.message)))
        candidates = (Quote(found.name, text, found) for text in texts)
        quotes += [next(filter(lambda quote: any(map(quote.is_held_by, inputs)), candidates), None)]
    return [quote for quote in quotes if quote is not None]


def likely_rows(error: ErrorReply, inputs: Sequence[Input]) -> list[Input]:
    """The inputs that an error is probably about: those with a property that it names, or lacking one."""
    names = {found.name for found in error.properties if not found.is_about_a_lack}
    missed = {found.name for found in error.properties if found.is_about_a_lack}
    return [
        item
        for item in inputs
        if not names.isdisjoint(item.properties) or any(not item.properties.get(name or "") for name in missed)
    ]


def _is_no_option(definition: PropertyDefinition, quote: Quote) -> bool:
    """Whether the account has no such option, or no such owner, so that no row can have this value."""
    if definition.holds_owners:
        return (quote.found.code or "").startswith("INVALID_")
    if definition.external_options or definition.type != "enumeration" or not definition.options:
        return False
    options = {option.value for option in definition.options}
    wanted = quote.text.removeprefix(";").split(";") if definition.several else [quote.text]
    return not options.issuperset(wanted)


def _folded(text: str) -> str:
    return text.strip().casefold()
