"""The page that shows what the sandbox holds, for a person who looks on while a DAG runs."""

from __future__ import annotations

from heapq import nlargest
from html import escape
from typing import TYPE_CHECKING

from airflow_provider_hubbatch.sandbox.html import change_cell, frame, list_path, record_link, table
from airflow_provider_hubbatch.sandbox.record_pages import records_table

if TYPE_CHECKING:
    from airflow_provider_hubbatch.sandbox.portal import Portal
    from airflow_provider_hubbatch.sandbox.store import Table
    from airflow_provider_hubbatch.sandbox.traffic import RecordedRequest

_SHOWN = 25
_PACES = {
    "objects": "Last 10 seconds",
    "associations": "Associations in the last 10 seconds",
    "search": "Searches in the last second",
}


def overview(portal: Portal) -> str:
    """The page as HTML."""
    records = "".join(_records(portal, one) for one in portal.store.tables.values() if one.records)
    return frame(
        "HubSpot sandbox",
        f"<h1>HubSpot sandbox</h1><p class=soft>Account {portal.portal_id}, {escape(portal.settings.time_zone)}. "
        "For demos and tests: it keeps nothing, and is no production server.</p>"
        f"{_cards(portal)}{_limits(portal)}"
        f"<h2>Recent changes</h2>{_changes(portal)}"
        f"<h2>Last requests</h2>{_requests(portal)}"
        f"<h2>Records</h2>{records}",
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


def _changes(portal: Portal) -> str:
    type_ids = {name: one.object_type.object_type_id for name, one in portal.store.tables.items()}
    rows = [
        (
            f"<span class=soft>{escape(change.at[11:23])}</span>",
            f"{escape(change.object_type)} "
            + record_link(portal.portal_id, type_ids[change.object_type], change.record_id),
            change_cell(change),
        )
        for change in list(portal.store.recent_changes)[: -_SHOWN - 1 : -1]
    ]
    return table(("At (UTC)", "Record", "Changed"), rows) if rows else "<p class=soft>None yet.</p>"


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
    return table(("Request", "Status", "Took"), rows) if rows else "<p class=soft>None yet.</p>"


def _status(request: RecordedRequest) -> str:
    status = "cut" if request.status is None else str(request.status)
    fault = f" ({escape(request.fault)})" if request.fault else ""
    return f"{status}{fault}" if status.startswith("2") else f"<span class=bad>{status}{fault}</span>"


def _records(portal: Portal, of: Table) -> str:
    kind = of.object_type
    latest = nlargest(_SHOWN, of.records.values(), key=lambda record: record.updated_at)
    link = f'<a href="{escape(list_path(portal.portal_id, kind.object_type_id))}">all</a>'
    as_json = f'<a href="/_sandbox/objects/{escape(kind.name)}">as JSON</a>'
    summary = f"{escape(kind.name)}, the last {len(latest)} of {len(of.records):,} to change ({link}, {as_json})"
    return f"<details><summary>{summary}</summary>{records_table(portal, of, latest)}</details>"
