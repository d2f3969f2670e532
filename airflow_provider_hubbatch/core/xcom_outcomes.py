"""Outcomes as XComs hold them: small enough for Airflow's metadata database, whatever the rows hold.

A long value is left out whole and its column named in ``values_cut``: a part of a value must never be sent on. Result
files have everything.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_hubbatch.core.model import RowOutcome

# What of one value, message or id a person reads on a task's page, and no more.
MAX_CHARACTERS: Final = 1_000

# An XCom is a row of the metadata database, read whole by Airflow's API server: 1 MB is what databases and Airflow's
# own pages take without trouble.
MAX_BYTES: Final = 1_000_000

# One row with a thousand long columns must not leave the others without a place.
_MAX_ENTRY_BYTES: Final = MAX_BYTES // 10

# How long messages may be where there are many, until all outcomes fit.
_MESSAGE_LENGTHS: Final = (MAX_CHARACTERS, 300, 80, 0)


def list_rejected(outcomes: Iterable[RowOutcome]) -> list[dict[str, Any]]:
    """The first of these outcomes that fit an XCom, with their source rows.

    :param outcomes: rejected and unknown ones.
    """
    entries: list[dict[str, Any]] = []
    left = MAX_BYTES
    for outcome in outcomes:
        entry = _leave_out_long_values(_shorten(outcome.as_dict(), MAX_CHARACTERS))
        size = _count_bytes(entry)
        if size > _MAX_ENTRY_BYTES:
            entry["values_cut"] = [*entry.pop("values", ()), *entry.get("values_cut", ())]
            size = _count_bytes(entry)
        left -= size
        if left < 0:
            break
        entries.append(entry)
    return entries


def list_results(outcomes: Iterable[RowOutcome]) -> list[dict[str, Any]]:
    """All of these outcomes, without rows' values; messages are shortened until they fit an XCom.

    :param outcomes: as many as the XCom ``results`` may have.
    """
    entries: list[dict[str, Any]] = []
    whole = [outcome._replace(values=None, changes=None).as_dict() for outcome in outcomes]
    for length in _MESSAGE_LENGTHS:
        entries = [_shorten(entry, length) for entry in whole]
        if sum(map(_count_bytes, entries)) <= MAX_BYTES:
            break
    return entries


def _shorten(entry: dict[str, Any], message_length: int) -> dict[str, Any]:
    """The same with a message and an id that are no longer than a person reads."""
    shorter = dict(entry)
    message = shorter.get("message")
    if message is not None and len(message) > message_length:
        shorter["message"] = f"{message[:message_length]}..."
    for name in ("id", "to_id"):
        if _measure(shorter.get(name)) > MAX_CHARACTERS:
            shorter[name] = f"<{_measure(shorter[name]):,} characters>"
    return shorter


def _leave_out_long_values(entry: dict[str, Any]) -> dict[str, Any]:
    values = entry.get("values")
    if values is None:
        return entry
    long = [name for name, value in values.items() if _measure(value) > MAX_CHARACTERS]
    if not long:
        return entry
    short = {name: value for name, value in values.items() if name not in set(long)}
    return {**entry, "values": short, "values_cut": [*long, *entry.get("values_cut", ())]}


def _measure(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    return len(json.dumps(value)) if isinstance(value, (list, dict)) else 0


def _count_bytes(entry: dict[str, Any]) -> int:
    return len(json.dumps(entry)) + len(", ")
