"""What HubSpot makes of a value: stored as it is, stored otherwise, or refused."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

    from airflow_provider_hubbatch.sandbox.definitions import PropertyDefinition

_NUMBER = re.compile(r"-?(\d+\.?\d*|\.\d+)", re.ASCII)
_MILLISECONDS = re.compile(r"-?\d{1,15}", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_EMAIL = re.compile(r"[^@\s;,<>()]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}")
_MIDNIGHT_MS = 86_400_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class InvalidValueError(ValueError):
    """HubSpot refuses the value.

    :param error: HubSpot's code, as ``INVALID_OPTION``.
    :param message: Its sentence, with ``{value}`` where it quotes the value.
    """

    def __init__(self, error: str, message: str) -> None:
        super().__init__(error)
        self.error = error
        self.message = message


def timestamp(moment: datetime) -> str:
    """A time as HubSpot writes it: ISO 8601, UTC, milliseconds."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def stored_value(definition: PropertyDefinition, value: str, *, owners: Container[str], normalise_dates: bool) -> str:
    """The value as HubSpot stores it.

    :param value: As sent; ``""`` clears and is never refused.
    :param owners: The ids of those who may own a record.
    :param normalise_dates: A date that isn't midnight is cut to its day, as from version 2026-09, instead of refused.
    :raises InvalidValueError: where HubSpot refuses it.
    """
    if not value:
        return value
    if definition.letters_only and not value.isalpha():
        raise InvalidValueError("INVALID_ALPHA", "{value} must consist of letters only.")
    match definition.type:
        case "number":
            return _number(value)
        case "bool" | "enumeration":
            return _enumeration(definition, value, owners)
        case "date":
            return _date(value, normalise=normalise_dates)
        case "datetime":
            return _datetime(value)
    return _email(value) if definition.name == "email" else value


def _number(value: str) -> str:
    if not _NUMBER.fullmatch(value):
        raise InvalidValueError("INVALID_INTEGER", "{value} was not a valid number.")
    return value


def _email(value: str) -> str:
    if not _EMAIL.fullmatch(value):
        raise InvalidValueError("INVALID_EMAIL", "Email address {value} is invalid")
    return value.lower()


def _enumeration(definition: PropertyDefinition, value: str, owners: Container[str]) -> str:
    if definition.name == "hs_additional_emails":
        return ";".join(_email(address) for address in value.split(";"))
    if definition.external_options:
        if definition.holds_owner and value not in owners:
            raise InvalidValueError("INVALID_OPTION", "{value} was not one of the allowed options: []")
        return value
    chosen = value.removeprefix(";").split(";") if definition.field_type == "checkbox" else [value]
    if not definition.allowed_values.issuperset(chosen):
        listed = ", ".join(option.value for option in definition.options)
        raise InvalidValueError("INVALID_OPTION", "{value} was not one of the allowed options: " + f"[{listed}]")
    return value


def _date(value: str, *, normalise: bool) -> str:
    if _MILLISECONDS.fullmatch(value):
        milliseconds = int(value)
        if milliseconds % _MIDNIGHT_MS and not normalise:
            moment = _moment(milliseconds, "INVALID_DATE")
            time = f"{moment.hour}:{moment.minute}:{moment.second}.{moment.microsecond // 1000}"
            raise InvalidValueError("INVALID_DATE", f"{{value}} is at {time} UTC, not midnight!")
        return _moment(milliseconds, "INVALID_DATE").date().isoformat()
    try:
        if _DAY.fullmatch(value):
            return date.fromisoformat(value).isoformat()
        if normalise:
            return _datetime(value)[:10]
    except ValueError:
        pass
    raise InvalidValueError("INVALID_DATE", "{value} was not a valid date.")


def _datetime(value: str) -> str:
    if _MILLISECONDS.fullmatch(value):
        return timestamp(_moment(int(value), "INVALID_LONG"))
    try:
        moment = datetime.fromisoformat(value) if "T" in value else None
        if moment is not None and moment.tzinfo is not None:
            return timestamp(moment)
    except (OverflowError, ValueError):
        pass
    raise InvalidValueError("INVALID_LONG", "{value} was not a valid long.")


def _moment(milliseconds: int, error: str) -> datetime:
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        raise InvalidValueError(error, "{value} is out of range.") from None
