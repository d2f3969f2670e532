"""Why rows were not written, in words for logs, errors and summaries: reasons with their property, counted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from airflow_provider_hubbatch.core.model import RowOutcome

Outcome = Mapping[str, Any]

_ROWS_NAMED: Final = 3
_PROPERTIES_NAMED: Final = 5
_MOST_CHARACTERS: Final = 120

# Messages of this package begin with the property, and say what it takes; HubSpot's hold a list in which it stands.
_PROPERTY: Final = re.compile(r"property '([A-Za-z0-9_]{1,200})' |.{1,200}? have no property '([A-Za-z0-9_]{1,200})'")
_TAKES: Final = re.compile(r"property '[A-Za-z0-9_]{1,200}' takes ([^;]{1,2000}?); the row has ")
_OPTIONS: Final = re.compile(r"one of its options \((.*)\)(.*)")
_HUBSPOTS: Final = "Property values were not valid: "
_NAME: Final = re.compile(r"[A-Za-z0-9_]{1,200}")


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason, and the rows that it is one of.

    :param category: HubSpot's category or ours; ``unknown`` for rows of which HubSpot never said.
    :param count: how many rows.
    :param known: those of their outcomes that were kept.
    """

    category: str
    count: int
    known: Sequence[Outcome] = ()

    @property
    def of(self) -> str:
        """``plan``: the properties that it is about; empty where none is named."""
        names = dict.fromkeys(name for one in self.known for name in find_properties(_message(one)))
        return ", ".join(list(names)[:_PROPERTIES_NAMED])

    @property
    def where(self) -> str:
        """``(rows 17, 204, 871, ...)``: the first rows; empty where none is known."""
        rows = sorted(int(one["row"]) for one in self.known)
        named = ", ".join(f"{row:,}" for row in rows[:_ROWS_NAMED]) + (", ..." if self.count > _ROWS_NAMED else "")
        return f"(row{'s' * (self.count != 1)} {named})" if rows else ""

    @property
    def allowed(self) -> str:
        """``allowed are free, starter, pro``: what the property takes, where this package says it."""
        if not self.known or any(one.get("correlation_id") for one in self.known):
            return ""  # HubSpot's words, which may quote a row
        found = {found[1] if (found := _TAKES.match(_message(one))) else "" for one in self.known}
        if len(found) != 1:
            return ""
        accepts = found.pop()
        options = _OPTIONS.fullmatch(accepts)
        text = f"allowed are {options[1]}{options[2]}" if options else accepts and f"allowed is {accepts}"
        return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS].rpartition(', ')[0]}, ..."

    def words(self, *, mark: str = "") -> str:
        """``5 INVALID_OPTION of plan (rows 17, 204, 871, ...): allowed are free, starter, pro``

        :param mark: put around the category.
        """
        of, where, allowed = self.of, self.where, self.allowed
        parts = [
            f"{self.count:,} {mark}{self.category}{mark}",
            *([f"of {of}"] if of else []),
            *([where] if where else []),
        ]
        return " ".join(parts) + (f": {allowed}" if allowed else "")


def kept(outcomes: Iterable[RowOutcome]) -> list[Outcome]:
    """Of a report's outcomes, what reasons are made of."""
    return [
        {
            "row": one.row,
            "status": one.status.value,
            "category": one.category,
            "message": one.message,
            "correlation_id": one.correlation_id,
        }
        for one in outcomes
    ]


def group_reasons(by_category: Mapping[str, int], unknown: int, outcomes: Iterable[Outcome]) -> list[Reason]:
    """The reasons, the commonest first. Their counts add up to the rejected and unknown rows.

    :param by_category: category -> rejected rows.
    :param unknown: rows whose outcome is unknown.
    :param outcomes: of these rows those that were kept: ``row``, ``status``, ``category``, ``message``, ...
    """
    known: dict[str, list[Outcome]] = {}
    for one in outcomes:
        rejected = one["status"] == "rejected"
        known.setdefault(str(one.get("category") or "UNKNOWN_ERROR") if rejected else "unknown", []).append(one)
    counts = [*by_category.items(), *([("unknown", unknown)] if unknown else [])]
    reasons = [one for name, count in counts for one in _by_property(Reason(name, count, known.get(name, ())))]
    return sorted(reasons, key=lambda reason: -reason.count)


def _by_property(reason: Reason) -> list[Reason]:
    """A reason for each property, where every row of it is known."""
    if len(reason.known) != reason.count:
        return [reason]
    parts: dict[tuple[str, ...], list[Outcome]] = {}
    for one in reason.known:
        parts.setdefault(tuple(find_properties(_message(one))), []).append(one)
    return [Reason(reason.category, len(rows), rows) for rows in parts.values()]


def first_reasons(reasons: Sequence[Reason], most: int, *, mark: str = "") -> list[str]:
    """The first reasons in words, and what the others come to: ``and 5 more of 2 other kinds``.

    :param most: texts at most.
    """
    shown = len(reasons) if len(reasons) <= most else most - 1
    rest = reasons[shown:]
    more = [f"and {sum(one.count for one in rest):,} more of {len(rest)} other kinds"] if rest else []
    return [*(one.words(mark=mark) for one in reasons[:shown]), *more]


def _message(outcome: Outcome) -> str:
    return str(outcome.get("message") or "")


def find_properties(message: str) -> list[str]:
    """The properties that a message is about; a value that it quotes is none of them."""
    ours = _PROPERTY.match(message)
    if ours is not None:
        return [ours[1] or ours[2]]
    if not message.startswith(_HUBSPOTS):
        return []
    try:
        listed, _ = json.JSONDecoder().raw_decode(message, len(_HUBSPOTS))
    except (ValueError, RecursionError):
        return []
    names = [one.get("name") for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return [name for name in names if isinstance(name, str) and _NAME.fullmatch(name)]
