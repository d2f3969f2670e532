"""A sync's summary for a person, in two to six lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

Outcome = Mapping[str, Any]

_MOST_LINES: Final = 6
_ROWS_NAMED: Final = 3
_PROPERTIES_NAMED: Final = 5
_MOST_CHARACTERS: Final = 200

_STATUSES: Final = ("rejected", "unknown", "not_sent", "created", "updated", "archived", "unchanged", "missing")
# Messages of this package begin with the property; HubSpot's hold a list in which it stands.
_PROPERTY: Final = re.compile(r"property '([A-Za-z0-9_]{1,200})' |.{1,200}? have no property '([A-Za-z0-9_]{1,200})'")
_HUBSPOTS: Final = "Property values were not valid: "
_NAME: Final = re.compile(r"[A-Za-z0-9_]{1,200}")
# What Slack wants escaped (docs, "Formatting text for app surfaces")
_SLACK: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def write_summary(summary: Mapping[str, Any], rejected: Iterable[Outcome], *, slack: bool, values: bool) -> str:
    """The text; see :func:`airflow_provider_hubbatch.reports.summary_text`."""
    reasons = [_write_reason(*one, slack=slack, values=values) for one in _group(summary, list(rejected))]
    told = reasons[: _MOST_LINES - 2]
    more = f"{len(reasons) - len(told)} more reasons; " if len(told) < len(reasons) else ""
    lines = [_write_headline(summary, slack=slack), *told, more + _write_rest(summary)]
    text = "\n".join(line[0].upper() + line[1:] for line in lines)
    return text.translate(_SLACK) if slack else text


def _write_headline(summary: Mapping[str, Any], *, slack: bool) -> str:
    counts = [f"{summary[name]:,} {name.replace('_', ' ')}" for name in _STATUSES if summary.get(name)]
    syncs = f" in {summary['syncs']:,} syncs" if "syncs" in summary else ""
    rows = f"{summary['rows']:,} row{'s' * (summary['rows'] != 1)}{syncs}"
    told = f"{rows}: {', '.join(counts)}" if counts else f"no rows{syncs}"
    what = summary["object_type"] or "several object types"
    if not slack:
        return f"{what}: {told}"
    failed = summary["rejected"] or summary["unknown"] or summary["not_sent"]
    return f"{':warning:' if failed else ':white_check_mark:'} *{what}*: {told}"


def _write_rest(summary: Mapping[str, Any]) -> str:
    where = f"every outcome is in {summary['results_path']}" if summary["results_path"] else ""
    if summary["rejected"] or summary["unknown"]:
        return where or "the first of these rows are in XCom 'rejected'"
    spent = f"{summary['requests']:,} requests, {summary['seconds']:,.0f} s"
    return f"{spent}; {where}" if where else spent


def _group(summary: Mapping[str, Any], rejected: list[Outcome]) -> list[tuple[str, int, list[Outcome]]]:
    """Why rows were not written: the reason, of how many rows it is one, and those of them that are known."""
    reasons = [
        (category, count, [one for one in rejected if one["status"] == "rejected" and _category(one) == category])
        for category, count in summary["rejected_by_category"].items()
    ]
    unknown = [one for one in rejected if one["status"] == "unknown"]
    if summary["unknown"]:
        reasons.append(("unknown", summary["unknown"], unknown))
    return sorted(reasons, key=lambda reason: -reason[1])


def _category(outcome: Outcome) -> str:
    return str(outcome.get("category") or "UNKNOWN_ERROR")


def _write_reason(reason: str, count: int, outcomes: list[Outcome], *, slack: bool, values: bool) -> str:
    names = dict.fromkeys(name for one in outcomes for name in _find_properties(str(one.get("message") or "")))
    of = f" of {', '.join(list(names)[:_PROPERTIES_NAMED])}" if names else ""
    rows = sorted(int(one["row"]) for one in outcomes)
    named = ", ".join(f"{row:,}" for row in rows[:_ROWS_NAMED]) + (", ..." if count > _ROWS_NAMED else "")
    where = f" (row{'s' * (count != 1)} {named})" if rows else ""
    example = ""
    if values and outcomes:
        first = min(outcomes, key=lambda one: int(one["row"]))
        said = " ".join(str(first.get("message") or "").split())[:_MOST_CHARACTERS]
        example = f", such as {first.get('id')}: {said}"
    return f"{count:,} {f'`{reason}`' if slack else reason}{of}{where}{example}"


def _find_properties(message: str) -> list[str]:
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
