"""The page that shows what the sandbox holds, for a person who looks on while a DAG runs."""

from __future__ import annotations

from heapq import nlargest
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_hubbatch.sandbox.portal import Portal
    from airflow_provider_hubbatch.sandbox.store import Change, Table
    from airflow_provider_hubbatch.sandbox.traffic import RecordedRequest

_SHOWN = 25
_PACES = {
    "objects": "Last 10 seconds",
    "associations": "Associations in the last 10 seconds",
    "search": "Searches in the last second",
}
_STYLE = """
:root { color-scheme: light dark; --line: #8883; --soft: #8889; --good: #00a38d; --bad: #d94c53; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
p { margin: .3rem 0; } .soft { color: var(--soft); } a { color: inherit; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .8rem; margin: 1.2rem 0; }
.card { border: 1px solid var(--line); border-radius: .5rem; padding: .7rem .9rem; }
.card b { display: block; font-size: 1.4rem; font-variant-numeric: tabular-nums; }
meter { width: 100%; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; color: var(--soft); } del { color: var(--soft); }
ins { text-decoration: none; color: var(--good); }
.bad { color: var(--bad); } code { font-size: .9em; overflow-wrap: anywhere; }
"""


def overview(portal: Portal) -> str:
    """The page as HTML. Everything that came from outside is escaped."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>HubSpot sandbox</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f"<h1>HubSpot sandbox</h1><p class=soft>Account {portal.portal_id}, {escape(portal.settings.time_zone)}. "
        "For demos and tests: it keeps nothing, and is no production server.</p>"
        f"{_cards(portal)}{_limits(portal)}"
        f"<h2>Recent changes</h2>{_changes(portal.store.recent_changes)}"
        f"<h2>Last requests</h2>{_requests(portal)}"
        f"<h2>Records</h2>{''.join(_records(table) for table in portal.store.tables.values() if table.records)}"
        "</body></html>"
    )


def _cards(portal: Portal) -> str:
    traffic = portal.traffic
    failed = sum(count for status, count in traffic.by_status.items() if not status.startswith("2"))
    cards = {name: len(table.records) for name, table in portal.store.tables.items() if table.records}
    cards |= {"requests": traffic.total, "not 2xx": failed, "in flight": traffic.in_flight}
    return (
        "<div class=cards>"
        + "".join(f"<div class=card>{escape(name)}<b>{count:,}</b></div>" for name, count in cards.items())
        + "</div>"
    )


def _limits(portal: Portal) -> str:
    now = portal.clock()
    meters = [
        _meter(f"{_PACES[name]}, app {number}", window.occupied(now), window.limit)
        for name, pace in portal.paces.items()
        for number, window in enumerate(pace.windows.values(), start=1)
    ]
    meters.append(_meter("Today", portal.quota.spent, portal.quota.limit))
    waiting = len(portal.faults.pending)
    faults = f"<p>Scripted faults that wait for their requests: {waiting}</p>" if waiting else ""
    return "<h2>Limits</h2>" + "".join(meters) + faults


def _meter(label: str, used: int, limit: int | None) -> str:
    if limit is None:
        return f"<p>{label}: {used:,} calls, no limit</p>"
    gauge = f'<meter min=0 max="{limit}" high="{limit * 0.9:.0f}" value="{used}"></meter>'
    return f"<p>{label}: {used:,} of {limit:,} calls {gauge}</p>"


def _changes(changes: Iterable[Change]) -> str:
    rows = [
        (
            f"<span class=soft>{escape(change.at[11:23])}</span>",
            f"{escape(change.object_type)} {escape(change.record_id)}",
            "<br>".join(
                f"{escape(name)}: <del>{_value(change.before[name])}</del> &rarr; <ins>{_value(after)}</ins>"
                for name, after in change.after.items()
            ),
        )
        for change in list(changes)[: -_SHOWN - 1 : -1]
    ]
    return _table(("At (UTC)", "Record", "Changed"), rows) if rows else "<p class=soft>None yet.</p>"


def _requests(portal: Portal) -> str:
    last = list(portal.traffic.requests)[: -_SHOWN - 1 : -1]
    rows = [
        (
            f"{escape(request.method)} <code>{escape(request.path)}</code>",
            _status(request),
            f"{(request.answered_at - request.received_at) * 1000:,.1f} ms",
        )
        for request in last
    ]
    return _table(("Request", "Status", "Took"), rows) if rows else "<p class=soft>None yet.</p>"


def _status(request: RecordedRequest) -> str:
    status = "cut" if request.status is None else str(request.status)
    fault = f" ({escape(request.fault)})" if request.fault else ""
    return f"{status}{fault}" if status.startswith("2") else f"<span class=bad>{status}{fault}</span>"


def _records(table: Table) -> str:
    name = table.object_type.name
    latest = nlargest(_SHOWN, table.records.values(), key=lambda record: record.updated_at)
    columns = list(dict.fromkeys(name for record in latest for name in record.properties))[:8]
    rows = [
        (
            escape(record.id),
            *(_value(record.properties.get(column)) for column in columns),
            escape(record.updated_at[:19]),
        )
        for record in latest
    ]
    link = f'<a href="/_sandbox/objects/{escape(name)}">all as JSON</a>'
    heads = ("id", *(escape(column) for column in columns), "updated")
    summary = f"{escape(name)}, the last {len(latest)} of {len(table.records):,} to change ({link})"
    return f"<details><summary>{summary}</summary>{_table(heads, rows)}</details>"


def _value(value: str | None) -> str:
    if not value:
        return "<span class=soft>(empty)</span>"
    return escape(value if len(value) <= 80 else value[:79] + "…")


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{head}</th>" for head in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
