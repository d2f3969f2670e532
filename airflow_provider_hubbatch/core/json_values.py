"""A row's values as JSON can hold them: whole, faithful, and never an exception.

What is written here may be read again and sent: a value comes back with the meaning that it had, or it isn't there.
A column whose value JSON can't hold so (bytes, an infinite float, an object of an unknown library) is left out, and
named.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from typing import Any, Final

from airflow_provider_hubbatch.core import scalars

# HubSpot's values are flat; what is nested deeper has no end, or no meaning there. Airflow's and orjson's own limits
# are higher.
MAX_NESTING: Final = 20
# Of one value: a few lists that hold each other, or one list many times, would have no end, or as good as none.
MAX_ITEMS: Final = 100_000

_INT64: Final = 2**63
_DIGITS_OF_INT64: Final = 19


class _NotJsonError(ValueError):
    """JSON can't hold it so that it means the same when it is read."""


def encode_value(value: Any) -> Any:
    """One value, such as a row's id, as JSON can hold it; what JSON can't hold is described.

    :param value: anything.
    :returns: str, int, float, bool, None, or lists and dicts of them. NaN, NaT and NA become ``None``, dates and times
        ISO 8601, Decimals and whole numbers beyond 64 bits their digits.
    """
    if type(value) is int and -_INT64 < value < _INT64:
        return value
    try:
        return _Nested().convert(value)
    except Exception:  # noqa: BLE001 - whatever an object of an unknown library does
        return f"<{scalars.describe(value)}>"


def encode_row(values: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A source row as JSON can hold it.

    :param values: column -> value.
    :returns: the row, and the columns that are left out of it because JSON can't hold their values.
    """
    row, cut = {}, []
    for column, value in values.items():
        name = escape_text(column)
        try:
            row[name] = _Nested().convert(value)
        except Exception:  # noqa: BLE001 - as above
            cut.append(name)
    return row, tuple(cut)


def escape_text(text: str) -> str:
    """Text that UTF-8 can hold: half a surrogate pair is written as an escape."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def _make_number(digits: str) -> float | str:
    """A Decimal as a number, where a reader gets exactly its digits back; else as text."""
    if "." not in digits and len(digits) < _DIGITS_OF_INT64:
        return int(digits)
    number = float(digits)
    return number if scalars.format_float(number) == digits else digits


class _Nested:
    """The conversion of one value and what is in it."""

    def __init__(self) -> None:
        self._items_left = MAX_ITEMS

    def convert(self, value: Any, depth: int = 0) -> Any:
        plain = scalars.unwrap(value)
        match plain:
            case None | bool():
                return plain
            case str():
                return scalars.check_text(plain)
            case int():
                return plain if -_INT64 <= plain < _INT64 else scalars.format_int(plain)
            case float() if math.isfinite(plain):
                return plain
            case Decimal():
                return _make_number(scalars.format_decimal(plain))
            case date() | time():
                return plain.isoformat()
            case list():
                self._enter(len(plain), depth)
                return [self.convert(item, depth + 1) for item in plain]
            case Mapping():
                self._enter(len(plain), depth)
                return {escape_text(str(key)): self.convert(item, depth + 1) for key, item in plain.items()}
        raise _NotJsonError

    def _enter(self, items: int, depth: int) -> None:
        self._items_left -= items
        if depth >= MAX_NESTING or self._items_left < 0:
            raise _NotJsonError
