"""Single values: what they are beneath their library, and the one text that HubSpot takes for each.

Every function here takes a value of one kind and gives its text, or raises: :class:`RefusedError` where there is more
to say than the kind of value, else anything (:data:`REFUSALS`). ``values`` puts them together by property.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, ClassVar, Final
from uuid import UUID


class RefusedError(ValueError):
    """The value can't be sent; its message says more than its kind does, and never quotes it.

    :cvar category: why, in a word, where that is another than its property's.
    """

    category: ClassVar[str | None] = None


# Objects of unknown libraries may raise anything: the row is rejected, and the sync goes on.
REFUSALS: Final = (Exception,)

# 2024-05-01T12:34:56.789, and the day of it
_ISO_LENGTH: Final = 23
_DAY_LENGTH: Final = 10
_NAT: Final = "NaT"
_MIDNIGHT: Final = "T00:00:00.000"
# Above the digits of the greatest float (309) and of the smallest (324 places); "1e999999999" would fill the memory.
MAX_DIGITS: Final = 400
_SORTABLE: Final = (str, int, float, Decimal, date, UUID)
_INT64: Final = 2**63
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_MS: Final = 86_400_000
# 31 December 9999, rounded up.
_MAX_EPOCH_MS: Final = 10**15
# Milliseconds as small as this are of 1970; seconds and numbers like 20240501 are as small, and far likelier.
_LIKELY_SECONDS: Final = 10**10

_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_DIGITS: Final = re.compile(r"-?[0-9]{1,16}")
_MOMENT: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ]([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?)"
    r" ?(Z|z|UTC|[+-][0-9]{2}(?::?[0-9]{2}(?::?[0-9]{2})?)?)?)?",
)
# A shape, not a proof: HubSpot's own check isn't published, so what may be an address passes.
_EMAIL: Final = re.compile(r"[^\s@;,<>()]+@(?:[\w-]+\.)+[\w-]{2,}")
# HubSpot refuses these around anything but text (changelog: "Enhanced Validations for Non-String Properties").
_BLANKS: Final = " \t\n\r\v\f\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2028\u2029\u202f\u205f\u2060\u3000\ufeff" + "".join(
    map(chr, range(0x2000, 0x200E))
)
_TRUE: Final = frozenset({"true", "yes", "t", "y", "on", "1"})
_FALSE: Final = frozenset({"false", "no", "f", "n", "off", "0"})


def unwrap(value: Any) -> Any:
    """The value as a plain Python one: numpy and pandas scalars, enum members, subclasses and collections unwrapped.

    :param value: anything.
    :returns: ``None`` for every kind of null (None, NaN, NaT, NA); exactly a str, int, float, bool, Decimal, date,
        datetime, time or list; what is none of these, as it is.
    """
    if value is None or is_null(value):
        return None
    if isinstance(value, Enum):
        return unwrap(value.value)
    if type(value).__module__ == "numpy":
        return _from_numpy(value)
    if find_package(type(value)) == "pyarrow" and hasattr(value, "as_py"):
        return unwrap(value.as_py())
    for convert in (_from_text_or_number, _from_time, _from_collection):
        found = convert(value)
        if found is not None:
            return found
    return value


def find_package(kind: type) -> str:
    """The top-level package of a type: ``pandas`` for a Timestamp, whose module moved between pandas 2 and 3."""
    return kind.__module__.partition(".")[0]


def is_null(value: Any) -> bool:
    """Whether it is None, NaN, NaT or NA; asked of nothing else whether it equals itself."""
    if value is None:
        return True
    if isinstance(value, Decimal):
        return value.is_nan()
    kind = type(value)
    if kind.__name__ in {"NAType", "NaTType"}:
        return find_package(kind) == "pandas"
    if isinstance(value, float) or (kind.__module__ == "numpy" and not hasattr(value, "__len__")):
        return bool(value != value)  # noqa: PLR0124 - that is how NaN is told
    return False


def _from_numpy(value: Any) -> Any:
    if type(value).__name__ == "ndarray":
        return list(value) if value.ndim else unwrap(value[()])
    kind = value.dtype.kind
    if kind == "f":
        # 0.1 as float32 is 0.10000000149011612 as float64: numpy's own text is the shortest that means it
        return Decimal(str(value))
    if kind == "M":
        found = value.item()
        found = value.astype("datetime64[ms]").item() if isinstance(found, int) else found
        if not isinstance(found, date):
            raise RefusedError("it lies outside the years 1 to 9999")
        return found
    return value if kind in "mcV" else value.item()


def _from_text_or_number(value: Any) -> Any:
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, Decimal):
        return Decimal(value)
    return str(value) if isinstance(value, UUID) else None


def _from_time(value: Any) -> Any:
    if isinstance(value, datetime):
        _check_year(value)
        clock = (value.hour, value.minute, value.second, value.microsecond)
        return datetime(value.year, value.month, value.day, *clock, tzinfo=value.tzinfo, fold=value.fold)
    if isinstance(value, date):
        return date(value.year, value.month, value.day)
    if isinstance(value, time):
        return time(value.hour, value.minute, value.second, value.microsecond, tzinfo=value.tzinfo)
    return None


def _from_collection(value: Any) -> Any:
    if isinstance(value, AbstractSet):
        # a set has no order of its own: the same set must give the same text
        return sorted(value, key=lambda item: str(item) if isinstance(item, _SORTABLE) else "")
    return list(value) if isinstance(value, (list, tuple)) else None


def _check_year(value: datetime) -> None:
    # a pandas Timestamp of seconds reaches beyond, and its datetime part is then another year's
    if not 1 <= value.year <= 9999:  # noqa: PLR2004 - Python's own range
        raise RefusedError("it lies outside the years 1 to 9999")


def describe(value: Any) -> str:
    """The kind and shape of a value, for a message that must not quote it. It never raises."""
    try:
        return _described(value)
    except Exception:  # noqa: BLE001 - an object of an unknown library may refuse to say even what it is
        return f"a value of type {type.__getattribute__(type(value), '__name__')}"


def _described(value: Any) -> str:
    if isinstance(value, str):
        return f"text of {len(value)} character{'s' * (len(value) != 1)}"
    if isinstance(value, (list, tuple, AbstractSet)) and type(value).__module__ == "builtins":
        return f"a {type(value).__name__} of {len(value)} item{'s' * (len(value) != 1)}"
    if isinstance(value, Mapping):
        return f"a {type(value).__name__} of keys and values"
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return "an infinite float"
    return f"a value of type {type(value).__name__}"


def strip_blanks(text: str) -> str:
    """Text without blanks and invisible characters around it."""
    return text.strip(_BLANKS)


def check_text(text: str) -> str:
    """Text as it is.

    :raises RefusedError: for lone surrogates, which UTF-8 can't hold.
    """
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise RefusedError("it holds half a surrogate pair, which is no character") from None
    return text


def format_bool(value: bool) -> str:
    """``true`` or ``false``."""
    return "true" if value else "false"


def format_int(value: int) -> str:
    """Its digits."""
    if -_INT64 < value < _INT64:
        return str(value)
    return format_decimal(Decimal(value)) if value.bit_length() < MAX_DIGITS * 4 else _too_long()


def format_float(value: float) -> str:
    """The shortest digits that mean this float, without exponent or trailing ``.0``."""
    text = repr(value)
    if text.endswith(".0"):
        return text[:-2] if value else "0"
    return text if "e" not in text and "n" not in text else format_decimal(Decimal(text))


def format_decimal(value: Decimal) -> str:
    """Its digits, without exponent or trailing zeros after the point."""
    if not value.is_finite():
        raise RefusedError("it is not finite")
    if not value:
        return "0"
    if abs(value.adjusted()) > MAX_DIGITS or len(value.as_tuple().digits) > MAX_DIGITS:
        return _too_long()
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _too_long() -> str:
    raise RefusedError(f"it has more than {MAX_DIGITS} digits")


def normalize_number(text: str) -> str:
    """A number written as text, plainly or with an exponent, as plain digits."""
    if not _NUMBER.fullmatch(text):
        raise RefusedError
    return format_decimal(Decimal(text))


def convert_number_to_bool(value: float | Decimal) -> str:
    """1 is true, 0 is false, all else is neither."""
    if value not in (0, 1):
        raise RefusedError
    return format_bool(bool(value))


def parse_bool(text: str) -> str:
    """The usual words for true and false, in any case."""
    word = text.casefold()
    if word not in _TRUE and word not in _FALSE:
        raise RefusedError
    return format_bool(word in _TRUE)


def check_email(text: str) -> str:
    """An email address; only its shape is checked."""
    if not _EMAIL.fullmatch(text):
        raise RefusedError
    return check_text(text)


def parse_moment(text: str) -> date:
    """A date, or a date and time, written as ISO 8601 (also with a blank for the ``T`` and ``UTC`` for the ``Z``).

    :returns: a ``datetime`` where the text has a time, else a ``date``.
    """
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise RefusedError
    day, clock, zone = match.groups()
    if clock is None:
        return date.fromisoformat(day)
    return datetime.fromisoformat(f"{day}T{clock}{'+00:00' if zone in {'Z', 'z', 'UTC'} else zone or ''}")


def convert_epoch(milliseconds: float | Decimal) -> datetime:
    """Milliseconds since 1970 as a time in UTC."""
    if not -_MAX_EPOCH_MS < milliseconds < _MAX_EPOCH_MS:
        raise RefusedError("as milliseconds since 1970 it lies beyond the year 9999")
    return _EPOCH + timedelta(milliseconds=int(milliseconds // 1))


def format_datetime(value: datetime) -> str:
    """ISO 8601 in UTC with milliseconds, finer parts cut off; a time without zone is UTC."""
    text = _iso(value)
    if len(text) > _ISO_LENGTH:
        # longer by an offset
        text = _iso(value.astimezone(UTC))[:_ISO_LENGTH]
    return text + "Z"


def _iso(value: datetime) -> str:
    _check_year(value)
    # the base class's method: a subclass (Timestamp, pendulum) has another signature, or writes nanoseconds
    return datetime.isoformat(value, "T", "milliseconds")


def format_timestamps(values: Sequence[Any], null: str | None) -> list[str | None]:
    """:func:`format_datetime` of a whole column of pandas Timestamps and NaT, three times as fast."""
    index = sys.modules["pandas"].DatetimeIndex(values)
    return [f"{text}Z" if text != _NAT else null for text in _isos(index.tz_convert(None) if index.tz else index)]


def format_timestamp_days(values: Sequence[Any], null: str | None) -> list[str | None]:
    """:func:`format_day` of a whole column of pandas Timestamps and NaT without zone.

    :raises RefusedError: where they have zones, so that each is to be judged by itself.
    """
    index = sys.modules["pandas"].DatetimeIndex(values)
    if index.tz is not None:
        raise RefusedError
    return [text[:_DAY_LENGTH] if text != _NAT else null for text in _isos(index)]


def _isos(index: Any) -> list[str]:
    texts: list[str] = sys.modules["numpy"].datetime_as_string(index.to_numpy(), unit="ms").tolist()
    if not {*map(len, texts)} <= {_ISO_LENGTH, len(_NAT)}:
        raise RefusedError("one lies outside the years 1 to 9999")
    return texts


def format_midnight(value: date) -> str:
    """A day as its midnight UTC."""
    return f"{value.isoformat()}T00:00:00.000Z"


def normalize_datetime(text: str) -> str:
    """ISO 8601 or epoch milliseconds as a time in UTC."""
    if _DIGITS.fullmatch(text):
        return format_epoch(int(text))
    moment = parse_moment(text)
    return format_datetime(moment) if isinstance(moment, datetime) else format_midnight(moment)


def format_epoch(milliseconds: float | Decimal) -> str:
    """Epoch milliseconds as a time in UTC; what looks like seconds or like 20240501 is refused."""
    if milliseconds and -_LIKELY_SECONDS < milliseconds < _LIKELY_SECONDS:
        raise RefusedError("as milliseconds it lies in 1970 or next to it: seconds, or a date written as a number?")
    return format_datetime(convert_epoch(milliseconds))


def format_day(value: datetime) -> str:
    """The day of a time, where it is beyond doubt.

    Midnight in its own zone is that day; any other time is too, as long as UTC has the same day.
    """
    text = _iso(value)
    if len(text) > _ISO_LENGTH and not text.startswith(_MIDNIGHT, _DAY_LENGTH):
        moment = _iso(value.astimezone(UTC))
        if moment[:_DAY_LENGTH] != text[:_DAY_LENGTH]:
            raise RefusedError("its day in its own zone is another than in UTC: make it a date first")
    return text[:_DAY_LENGTH]


def normalize_day(text: str) -> str:
    """ISO 8601 or epoch milliseconds at midnight UTC as a day."""
    if _DIGITS.fullmatch(text):
        return format_epoch_day(int(text))
    moment = parse_moment(text)
    return format_day(moment) if isinstance(moment, datetime) else moment.isoformat()


def format_epoch_day(milliseconds: float | Decimal) -> str:
    """Epoch milliseconds at midnight UTC as a day."""
    if milliseconds % _DAY_MS:
        raise RefusedError("as milliseconds since 1970 it is not at midnight UTC")
    return convert_epoch(milliseconds).date().isoformat()
