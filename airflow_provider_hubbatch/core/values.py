"""From a row's values to what HubSpot takes: whole columns, ids, and comparing with what HubSpot has.

Every value goes to HubSpot as a string.

=============== ======================================================================================
property        takes
=============== ======================================================================================
string          text as it is; numbers without exponent or trailing ``.0``; bools; dates and times as
                ISO 8601; lists as ``a;b``
number          numbers, numeric text (also with an exponent), bools as 1 and 0
bool            bools, 1 and 0, ``true`` ``yes`` ``t`` ``y`` ``on`` ``1`` and their opposites, in any case
date            dates; times of which the day is beyond doubt; ISO 8601; epoch milliseconds at midnight UTC
datetime        times (without zone: UTC), dates (midnight UTC), ISO 8601, epoch milliseconds
enumeration     an option's value, else its label, else either in another case if only one option fits;
                for checkboxes also lists and ``a;b``, and ``;a`` to append
owner           the owner's id, or an active owner's email address, which becomes its id
contact email   what has the shape of an address
=============== ======================================================================================

Null (None, NaN, NaT, NA, also an empty text or list) leaves the property alone or clears it, as ``null_values`` says. A
text of nothing but blanks is empty. Around anything but text, blanks are removed, since HubSpot refuses them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, Literal

from airflow_provider_hubbatch.core import scalars
from airflow_provider_hubbatch.core.definitions import RECORD_ID_PROPERTY, PropertyDefinition, is_contacts
from airflow_provider_hubbatch.core.model import MISSING
from airflow_provider_hubbatch.core.rules import Converted, Invalid, Rule, rule_for
from airflow_provider_hubbatch.core.scalars import REFUSALS, RefusedError

if TYPE_CHECKING:
    from airflow_provider_hubbatch.core.owners import Owners

__all__ = [
    "Converted",
    "Converter",
    "Invalid",
    "NullValues",
    "PropertyDefinition",
    "compile_converter",
    "convert_ids",
    "equal_values",
    "order_key",
]

NullValues = Literal["skip", "clear"]
Converter = Callable[[Sequence[Any]], list[Converted]]

# A float holds every whole number up to here; beyond, it may name another record.
_MAX_EXACT_FLOAT: Final = 2**53
_MAX_RECORD_ID: Final = 2**63
# "123.0" is what a column of floats becomes in a CSV file.
MISSING_ID: Final = "MISSING_ID"
"""The category of an id that is empty."""

_RECORD_ID: Final = re.compile(r"0*([1-9][0-9]{0,18})(?:\.0*)?")
_ID_NOT_OF: Final = (bool, list)


def compile_converter(
    definition: PropertyDefinition | None,
    *,
    name: str,
    null_values: NullValues = "skip",
    object_type: str = "",
    owners: Owners | None = None,
) -> Converter:
    """The conversion of a column's values for one property.

    :param definition: HubSpot's definition of the property; without one, values are converted by their Python type.
    :param name: the property's name, for messages.
    :param null_values: ``skip``: a null leaves the property alone; ``clear``: it empties it.
    :param object_type: as in the path; of contacts alone, ``email`` must be an address.
    :param owners: the account's; without them an owner's address gives an :class:`Invalid` of ``OWNERS_UNREAD``.
    :returns: a function of a column (``MISSING`` where a row has no such key) that gives one :data:`Converted` a
        value, in order, and never raises.
    """
    null = "" if null_values == "clear" else None
    return rule_for(definition, f"property {name!r}", null, object_type=object_type, owners=owners).column


def convert_ids(
    column: Sequence[Any],
    *,
    id_property: str | None = None,
    definition: PropertyDefinition | None = None,
    object_type: str = "",
    owners: Owners | None = None,
) -> list[str | Invalid]:
    """The ids of a column's rows, as HubSpot is told them.

    :param column: the id column; ``MISSING`` where a row has no such key.
    :param id_property: the property that the column holds; without one (or ``hs_object_id``), record ids.
    :param definition: HubSpot's definition of that property, where it is known.
    :param object_type: as in the path; a contact's ``email`` must be an address.
    :param owners: as for :func:`compile_converter`.
    :returns: one text a row, never empty, or an :class:`Invalid` of the category ``MISSING_ID`` or ``INVALID_ID``.
    """
    names_record = id_property in {None, RECORD_ID_PROPERTY}
    rule = _record_id_rule() if names_record else _key_rule(str(id_property), definition, object_type, owners)
    return [value or _missing_id(id_property) for value in rule.column(column)]


def _record_id_rule() -> Rule:
    by_type: dict[type, Callable[[Any], str | None]] = {
        NoneType: lambda _: "",
        type(MISSING): lambda _: "",
        str: _record_id_of_text,
        int: _record_id_of_int,
        float: _record_id_of_float,
        Decimal: _record_id_of_decimal,
    }
    return Rule("the id", "INVALID_ID", "a record id: a whole number above 0", by_type)


def _key_rule(id_property: str, definition: PropertyDefinition | None, object_type: str, owners: Owners | None) -> Rule:
    if id_property == "email" and is_contacts(object_type) and definition is None:
        definition = PropertyDefinition(name="email", type="string")
    subject = f"the id, a value of {id_property!r},"
    rule = rule_for(definition, subject, "", object_type=object_type, strip=True, owners=owners)
    by_type = {kind: convert for kind, convert in rule.by_type.items() if kind not in _ID_NOT_OF}
    return replace(rule, category="INVALID_ID", by_type=by_type)


def _missing_id(id_property: str | None) -> Invalid:
    wanted = f"a value of {id_property!r}" if id_property else "a record id"
    return Invalid(MISSING_ID, f"the id is empty: the row names no record; give it {wanted}")


def _record_id_of_text(text: str) -> str:
    inner = scalars.strip_blanks(text)
    match = _RECORD_ID.fullmatch(inner)
    if match is None and inner:
        raise RefusedError
    return match[1] if match else ""


def _record_id_of_int(value: int) -> str:
    if not 0 < value < _MAX_RECORD_ID:
        raise RefusedError("it is not above 0, or beyond 64 bits")
    return str(value)


def _record_id_of_float(value: float) -> str:
    if value != value:  # noqa: PLR0124 - that is how NaN is told
        return ""
    if value > _MAX_EXACT_FLOAT:
        raise RefusedError("a float as great as this has lost digits: make the column a whole number or text")
    return _record_id_of_int(_whole(value))


def _record_id_of_decimal(value: Decimal) -> str:
    if value.is_nan():
        return ""
    if value > _MAX_RECORD_ID:
        raise RefusedError("it is beyond 64 bits")
    return _record_id_of_int(_whole(value))


def _whole(value: float | Decimal) -> int:
    if value != int(value):
        raise RefusedError("it has a fraction")
    return int(value)


def order_key(identifier: str) -> str:
    """Equal for two ids that may name the same record, whatever their case, padding or leading zeros.

    :param identifier: an id as :func:`convert_ids` gives it.
    """
    key = scalars.strip_blanks(identifier).casefold()
    return key.lstrip("0") or "0" if key.isascii() and key.isdigit() else key


def equal_values(ours: str, hubspots: str | None, definition: PropertyDefinition | None = None) -> bool:
    """Whether HubSpot has already what we would send.

    :param ours: a converted value, as sent.
    :param hubspots: the property in a reply: ``None`` where it is empty.
    :param definition: HubSpot's definition; without one, only times in ISO 8601 are compared by meaning.
    """
    theirs = hubspots or ""
    if ours == theirs:
        return True
    if not ours or not theirs:
        return False
    if definition and definition.several:
        return _equal_options(ours, theirs)
    try:
        return bool(_meaning(ours, definition) == _meaning(theirs, definition))
    except REFUSALS:
        return False


def _equal_options(ours: str, theirs: str) -> bool:
    wanted = {item for item in ours.split(";") if item}
    present = {item for item in theirs.split(";") if item}
    return wanted <= present if ours.startswith(";") else wanted == present


def _meaning(text: str, definition: PropertyDefinition | None) -> Any:
    """What a text means to HubSpot, so that two texts of one meaning are equal."""
    match definition.type if definition else "":
        case "number":
            return Decimal(text)
        case "bool":
            return text.casefold()
        case "date":
            return scalars.normalize_day(text)
        case "datetime":
            return scalars.normalize_datetime(text)
    if definition is None:
        moment = scalars.parse_moment(text)
        return scalars.format_datetime(moment) if isinstance(moment, datetime) else moment
    return text.casefold() if definition.name == "email" else text
