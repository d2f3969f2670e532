"""How one property takes values: by its definition, or by the values' Python type where there is none.

A rule holds one conversion for each exact Python type, from ``scalars``. A column whose values are of one type looks
it up once; every other column goes value by value through the same conversions, so both ways agree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from types import NoneType
from typing import Any, Final

from airflow_provider_hubbatch.core import scalars
from airflow_provider_hubbatch.core.definitions import PropertyDefinition, is_contacts
from airflow_provider_hubbatch.core.model import MISSING
from airflow_provider_hubbatch.core.owners import Owners, owner_id
from airflow_provider_hubbatch.core.scalars import REFUSALS, RefusedError

# A message names no more of a property's options.
_OPTIONS_NAMED: Final = 10
# Enumerations that hold one option; of another field type (or none told) several may be right.
_SINGLE_FIELDS: Final = frozenset({"select", "radio", "booleancheckbox"})


@dataclass(frozen=True, slots=True)
class Invalid:
    """A value that can't be sent.

    :param category: why, in a word: HubSpot's where it has one (``INVALID_OPTION``), else ours.
    :param reason: the property, what kind of value the row has, and what would be accepted; never the value.
    """

    category: str
    reason: str


Converted = str | Invalid | None
"""A converted value: text to send (``""`` clears), ``None`` to leave the property alone, or what is wrong with it."""
Converter = Callable[[Sequence[Any]], list[Converted]]

_OneValue = Callable[[Any], str | None]
_Text = Callable[[Any], str]


# The options of a single checkbox, whether its type says bool or enumeration.
_TRUE_AND_FALSE: Final = {"true", "false"}

_AtOnce = Callable[[Sequence[Any], str | None], list[Any]]
_AT_ONCE: Final[dict[_OneValue | None, _AtOnce]] = {
    scalars.format_datetime: scalars.format_timestamps,
    scalars.format_day: scalars.format_timestamp_days,
}


def _is_timestamp(kind: type) -> bool:
    return kind.__name__ == "Timestamp" and scalars.find_package(kind) == "pandas"


@dataclass(frozen=True, slots=True)
class Rule:
    """How one property takes values.

    :param accepts: what it takes, as the end of "takes ...".
    :param by_type: exact Python type -> its conversion, which raises one of ``REFUSALS`` for what it can't.
    """

    subject: str
    category: str
    accepts: str
    by_type: dict[type, _OneValue]

    def column(self, values: Sequence[Any]) -> list[Converted]:
        """Convert a column; the type is looked up once where all values have the same."""
        kinds = set(map(type, values))
        try:
            at_once = self._at_once(kinds)
            if at_once is not None:
                return at_once(values, self.by_type[NoneType](None))
            if len(kinds) == 1:
                return list(map(self._for_type(kinds.pop()), values))
            conversions = {kind: self._for_type(kind) for kind in kinds}
            return [conversions[type(value)](value) for value in values]
        except REFUSALS:
            return [self.one(value) for value in values]

    def one(self, value: Any) -> Converted:
        """Convert one value."""
        try:
            return self._for_type(type(value))(value)
        except REFUSALS as error:
            refused = error if isinstance(error, RefusedError) else RefusedError()
            detail = f": {refused}" if refused.args else ""
            reason = f"{self.subject} takes {self.accepts}; the row has {scalars.describe(value)}{detail}"
            return Invalid(refused.category or self.category, reason)

    def _at_once(self, kinds: set[type]) -> _AtOnce | None:
        """The conversion of a whole column of pandas times."""
        if not kinds or not all(_is_timestamp(kind) or kind.__name__ == "NaTType" for kind in kinds):
            return None
        return _AT_ONCE.get(self.by_type.get(datetime))

    def _for_type(self, kind: type) -> _OneValue:
        found = self.by_type.get(kind)
        if found is None and _is_timestamp(kind):
            # pandas' time is a datetime in all that counts here, and slow to unwrap
            found = self.by_type.get(datetime)
        return found or self._unwrapped

    def _unwrapped(self, value: Any) -> str | None:
        inner = scalars.unwrap(value)
        convert = self.by_type.get(type(inner))
        if convert is None:
            raise RefusedError
        return convert(inner)


def rule_for(
    definition: PropertyDefinition | None,
    subject: str,
    null: str | None,
    *,
    object_type: str = "",
    strip: bool = False,
    owners: Owners | None = None,
) -> Rule:
    """The rule of one property.

    :param definition: HubSpot's definition; without one, values are converted by their Python type.
    :param subject: what messages call it: ``property 'amount'``.
    :param null: what a null gives: ``""`` clears, ``None`` leaves alone.
    :param object_type: as in the path; of contacts alone, ``email`` must be an address.
    :param strip: blanks around text are no part of it; of all but text properties that is so anyway.
    :param owners: the account's, for properties that hold them; ``None``: not known so far.
    """
    if definition and definition.type == "enumeration" and definition.holds_owners:
        accepts = "an owner's id (digits, not a user's id) or email address"
        rule = _options_rule(definition, subject, null, lambda text: owner_id(text, owners), accepts)
    else:
        rule = _rule(definition, subject, null, contacts=is_contacts(object_type), strip=strip)
    rule.by_type[NoneType] = lambda _: null
    rule.by_type[type(MISSING)] = lambda _: None
    return rule


def _rule(
    definition: PropertyDefinition | None, subject: str, null: str | None, *, contacts: bool, strip: bool
) -> Rule:
    match definition.type if definition else "":
        case "number":
            return _number_rule(subject, null)
        case "bool":
            return _bool_rule(definition, subject, null)
        case "date":
            return _date_rule(subject, null)
        case "datetime":
            return _datetime_rule(subject, null)
        case "enumeration" if definition and {option.value for option in definition.options} == _TRUE_AND_FALSE:
            return _bool_rule(definition, subject, null)
        case "enumeration" if definition:
            return _enumeration_rule(definition, subject, null)
        case "phone_number":
            return _text_rule(subject, null, strip=True)
    if definition and definition.name == "email" and contacts:
        by_type: dict[type, _OneValue] = {str: _nullable_text(scalars.check_email, null)}
        return Rule(subject, "INVALID_EMAIL", "an email address, as name@example.com", by_type)
    return _text_rule(subject, null, strip=strip)


def _nullable_text(convert: _Text, null: str | None, *, strip: bool = True) -> _OneValue:
    """A conversion of text that knows empty text, which is a null.

    :param strip: the blanks around text are no part of it.
    """

    def converted(text: str) -> str | None:
        return convert(text) if text and not text.isspace() else null

    def stripped(text: str) -> str | None:
        inner = scalars.strip_blanks(text)
        return convert(inner) if inner else null

    return stripped if strip else converted


def _nullable(convert: _Text, null: str | None) -> _OneValue:
    """A conversion of floats that knows NaN."""
    return lambda value: convert(value) if value == value else null  # noqa: PLR0124 - that is how NaN is told


def _nullable_decimal(convert: _Text, null: str | None) -> _OneValue:
    # comparing a signalling NaN raises
    return lambda value: null if value.is_nan() else convert(value)


def _numbers(null: str | None) -> dict[type, _OneValue]:
    return {
        int: scalars.format_int,
        float: _nullable(scalars.format_float, null),
        Decimal: _nullable_decimal(scalars.format_decimal, null),
    }


def _scalar_texts(null: str | None, *, strip: bool) -> dict[type, _OneValue]:
    """Conversions by Python type alone."""
    return {
        **_numbers(null),
        str: _nullable_text(scalars.check_text, null, strip=strip),
        bool: scalars.format_bool,
        date: date.isoformat,
        datetime: scalars.format_datetime,
        time: time.isoformat,
    }


def _text_rule(subject: str, null: str | None, *, strip: bool = False) -> Rule:
    by_type = _scalar_texts(null, strip=strip)
    by_type[list] = _joining(dict(by_type), null)
    return Rule(subject, "INVALID_TEXT", "text, a number, a bool, a date, a time or a list of these", by_type)


def _number_rule(subject: str, null: str | None) -> Rule:
    by_type = {
        **_numbers(null),
        str: _nullable_text(scalars.normalize_number, null),
        bool: lambda value: "1" if value else "0",
    }
    return Rule(subject, "INVALID_NUMBER", "a number: digits and one point, no thousands separator", by_type)


def _bool_rule(definition: PropertyDefinition | None, subject: str, null: str | None) -> Rule:
    label = _Options(definition).value_of if definition else scalars.parse_bool

    def word_or_label(text: str) -> str:
        try:
            return scalars.parse_bool(text)
        except RefusedError:
            return label(text)

    by_type: dict[type, _OneValue] = {
        bool: scalars.format_bool,
        int: scalars.convert_number_to_bool,
        float: _nullable(scalars.convert_number_to_bool, null),
        Decimal: _nullable_decimal(scalars.convert_number_to_bool, null),
        str: _nullable_text(word_or_label, null),
    }
    return Rule(subject, "INVALID_BOOLEAN", "true or false, yes or no, 1 or 0", by_type)


def _date_rule(subject: str, null: str | None) -> Rule:
    by_type: dict[type, _OneValue] = {
        date: date.isoformat,
        datetime: scalars.format_day,
        int: scalars.format_epoch_day,
        float: _nullable(scalars.format_epoch_day, null),
        Decimal: _nullable_decimal(scalars.format_epoch_day, null),
        str: _nullable_text(scalars.normalize_day, null),
    }
    accepts = "a date, YYYY-MM-DD, or milliseconds since 1970 at midnight UTC"
    return Rule(subject, "INVALID_DATE", accepts, by_type)


def _datetime_rule(subject: str, null: str | None) -> Rule:
    by_type: dict[type, _OneValue] = {
        datetime: scalars.format_datetime,
        date: scalars.format_midnight,
        int: scalars.format_epoch,
        float: _nullable(scalars.format_epoch, null),
        Decimal: _nullable_decimal(scalars.format_epoch, null),
        str: _nullable_text(scalars.normalize_datetime, null),
    }
    accepts = "a date and time, ISO 8601 (without zone: UTC), or milliseconds since 1970"
    return Rule(subject, "INVALID_DATE", accepts, by_type)


def _enumeration_rule(definition: PropertyDefinition, subject: str, null: str | None) -> Rule:
    return _options_rule(definition, subject, null, *_option_lookup(definition))


def _options_rule(definition: PropertyDefinition, subject: str, null: str | None, option: _Text, accepts: str) -> Rule:
    one = {kind: _then(convert, option) for kind, convert in _scalar_texts(null, strip=True).items()}
    by_type = dict(one)
    if definition.several:
        accepts += ", or several as a list or a;b"
        by_type[str] = _nullable_text(_several(option), null)
    single = definition.field_type in _SINGLE_FIELDS
    by_type[list] = _joining(one, null, at_most=1 if single else None)
    return Rule(subject, "INVALID_OPTION", accepts, by_type)


def _then(convert: _OneValue, option: _Text) -> _OneValue:
    def converted(value: Any) -> str | None:
        text = convert(value)
        return option(text) if text else text

    return converted


def _option_lookup(definition: PropertyDefinition) -> tuple[_Text, str]:
    """The check of one option's text, and what it accepts in words."""
    if definition.external_options or not definition.options:
        return lambda text: text, "an option's value"
    values = [option.value for option in definition.options]
    shown = ", ".join(values[:_OPTIONS_NAMED])
    more = len(values) - _OPTIONS_NAMED
    return _Options(definition).value_of, f"one of its options ({shown}{f' and {more} more' if more > 0 else ''})"


class _Options:
    """Texts for the options of one enumeration, the surest first: value, label, either in another case."""

    def __init__(self, definition: PropertyDefinition) -> None:
        self._values = {option.value: option.value for option in definition.options}
        self._labels: dict[str, set[str]] = {}
        self._folded: dict[str, set[str]] = {}
        for option in definition.options:
            label = scalars.strip_blanks(option.label)
            self._labels.setdefault(label, set()).add(option.value)
            for text in (option.value, label):
                self._folded.setdefault(text.casefold(), set()).add(option.value)

    def value_of(self, text: str) -> str:
        """The option's value.

        :raises RefusedError: where no option fits, or more than one.
        """
        value = self._values.get(text)
        if value is not None:
            return value
        found = self._labels.get(text) or self._folded.get(text.casefold()) or ()
        if len(found) > 1:
            raise RefusedError("it is the label of more than one option: give the option's value")
        for value in found:
            return value
        raise RefusedError


def _several(option: _Text) -> _Text:
    """The conversion of ``a;b`` and ``;a`` (which appends), option by option."""

    def converted(text: str) -> str:
        items = [option(scalars.strip_blanks(item)) for item in text.removeprefix(";").split(";")]
        return (";" if text.startswith(";") else "") + ";".join(items)

    return converted


def _joining(by_type: dict[type, _OneValue], null: str | None, *, at_most: int | None = None) -> _OneValue:
    """The conversion of a list: its items as ``a;b``, nulls and empty ones left out; without any other it is a null."""

    def converted(values: list[Any]) -> str | None:
        inner = [item for item in map(scalars.unwrap, values) if item is not None]
        texts = [text for text in (_item(by_type, item) for item in inner) if text]
        if not texts:
            return null
        if at_most is not None and len(texts) > at_most:
            raise RefusedError("it takes only one")
        return ";".join(texts)

    return converted


def _item(by_type: dict[type, _OneValue], value: Any) -> str | None:
    convert = by_type.get(type(value))
    if convert is None:
        raise RefusedError(f"an item is {scalars.describe(value)}")
    text = convert(value)
    if text and ";" in text:
        raise RefusedError("an item holds a semicolon, which HubSpot takes for the end of the item")
    return text
