"""What a reply shows of the values that were sent: HubSpot may accept a row and keep another value.

It moves a ``lifecyclestage`` forward only, for one, and says nothing about it (HubSpot: "Lifecycle stages"; its users
report a success without a change). The row is updated all the same; its outcome names the property.
"""

from __future__ import annotations

import html
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_hubbatch.core import scalars
from airflow_provider_hubbatch.core.values import equal_values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_hubbatch.core.definitions import PropertyDefinition

# Of these types a value has one meaning, however it is written.
_EXACT: Final = frozenset({"number", "bool", "date", "datetime", "enumeration"})

_TAG: Final = re.compile(r"<[^<>]*>")
_BEFORE_HOST: Final = re.compile(r"(?i)\s*(?:https?://)?(?:www\.)?")
_NOT_A_DIGIT: Final = re.compile(r"[^0-9]+")
_PHONE: Final = re.compile(r"[0-9+()./x\s-]+")


def not_taken(
    sent: Mapping[str, str], shown: Mapping[str, Any], definition_of: Callable[[str], PropertyDefinition | None]
) -> tuple[str, ...]:
    """The properties that a record has with another value than the one sent, as far as a reply shows any of them.

    :param sent: property -> value, as HubSpot was told; ``""`` clears.
    :param shown: the properties of the record in HubSpot's reply. None of those sent: that leaves it open.
    :param definition_of: HubSpot's definition of a property, where it is known.
    :returns: their names, in the order of ``sent``. What HubSpot only writes otherwise (a phone number, a date, a
        number, the order of options) isn't among them.
    """
    if sent.items() <= shown.items():  # the usual reply, told at once
        return ()
    if shown.keys().isdisjoint(sent):
        return ()
    return tuple(
        name for name, ours in sent.items() if not _is_taken(name, ours, _text(shown.get(name)), definition_of(name))
    )


def _is_taken(name: str, ours: str, theirs: str, definition: PropertyDefinition | None) -> bool:
    if equal_values(ours, theirs, definition):
        return True
    if not ours or not theirs:
        return False
    if ours.casefold() == theirs.casefold() or _same_options(ours, theirs):
        return True
    if definition is None and _same_number_or_time(ours, theirs):
        return True
    if definition is not None and definition.type in _EXACT:
        return False
    is_phone = definition is not None and "phone" in (definition.type + definition.field_type)
    if _PHONE.fullmatch(ours) and (is_phone or "+" in theirs):
        return _same_phone(ours, theirs)
    return _same_text(name, ours, theirs)


def _same_options(ours: str, theirs: str) -> bool:
    """Whether both are the same options in another order; ``;a`` appends to those that are there."""
    if ";" not in ours:
        return False
    wanted, present = ({item.strip() for item in text.split(";")} - {""} for text in (ours, theirs))
    return wanted <= present if ours.startswith(";") else wanted == present


def _same_number_or_time(ours: str, theirs: str) -> bool:
    try:
        return Decimal(ours) == Decimal(theirs)
    except ArithmeticError:
        pass
    try:
        return scalars.normalize_datetime(ours) == scalars.normalize_datetime(theirs)
    except scalars.REFUSALS:
        return False


def _same_phone(ours: str, theirs: str) -> bool:
    """Whether only punctuation and the country code differ."""
    national = _NOT_A_DIGIT.sub("", ours).lstrip("0")
    return bool(national) and _NOT_A_DIGIT.sub("", theirs).endswith(national)


def _same_text(name: str, ours: str, theirs: str) -> bool:
    """Whether only punctuation, case, mark-up or a URL's scheme differ."""
    if name == "domain":  # of a company: HubSpot keeps the host of a URL
        ours = _BEFORE_HOST.sub("", ours, count=1).partition("/")[0]
    folded = _folded(ours)
    return any(map(str.isalpha, folded)) and folded == _folded(theirs)


def _folded(text: str) -> str:
    words = html.unescape(_TAG.sub("", _BEFORE_HOST.sub("", text, count=1)))
    return "".join(filter(str.isalnum, words.casefold()))


def _text(value: Any) -> str:
    """A property's value as HubSpot shows it: mostly text, ``None`` where it is empty."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
