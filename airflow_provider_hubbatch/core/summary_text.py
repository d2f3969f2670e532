"""A sync's summary for a person, in two to six lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from airflow_provider_hubbatch.core.reasons import Outcome, Reason, group_reasons

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MOST_LINES: Final = 6
_MOST_CHARACTERS: Final = 200

_STATUSES: Final = ("rejected", "unknown", "not_sent", "created", "updated", "archived", "unchanged", "missing")
# What Slack wants escaped (docs, "Formatting text for app surfaces")
_SLACK: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def write_summary(summary: Mapping[str, Any], rejected: Iterable[Outcome], *, slack: bool, values: bool) -> str:
    """The text; see :func:`airflow_provider_hubbatch.reports.summary_text`."""
    reasons = group_reasons(summary["rejected_by_category"], summary["unknown"], rejected)
    told = [_write_reason(one, slack=slack, values=values) for one in reasons[: _MOST_LINES - 2]]
    rest = reasons[len(told) :]
    more = f"{sum(one.count for one in rest):,} more of {len(rest)} other kinds; " if rest else ""
    lines = [_write_headline(summary, slack=slack), *told, more + _write_rest(summary)]
    text = "\n".join(line[0].upper() + line[1:] for line in lines)
    return text.translate(_SLACK) if slack else text


def _write_headline(summary: Mapping[str, Any], *, slack: bool) -> str:
    counts = [f"{summary[name]:,} {name.replace('_', ' ')}" for name in _STATUSES if summary.get(name)]
    syncs = f" in {summary['syncs']:,} syncs" if "syncs" in summary else ""
    rows = f"{summary['rows']:,} row{'s' * (summary['rows'] != 1)}{syncs}"
    told = f"{rows}: {', '.join(counts)}" if counts else f"no rows{syncs}"
    what = summary["object_type"] or "several object types"
    if summary.get("to_object_type"):
        what = f"{what} to {summary['to_object_type']}"
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


def _write_reason(reason: Reason, *, slack: bool, values: bool) -> str:
    example = ""
    if values and reason.known:
        first = min(reason.known, key=lambda one: int(one["row"]))
        said = " ".join(str(first.get("message") or "").split())[:_MOST_CHARACTERS]
        example = f", such as {first.get('id')}: {said}"
    return reason.words(mark="`" if slack else "") + example
