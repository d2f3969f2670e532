"""A page a record and a page a list of them, where HubSpot's own app has them: a link to a record leads there."""

from __future__ import annotations

from html import escape
from itertools import islice
from typing import TYPE_CHECKING

from airflow_provider_hubbatch.sandbox.associations import End, in_order
from airflow_provider_hubbatch.sandbox.html import (
    change_cell,
    frame,
    list_path,
    record_link,
    shown_value,
    table,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_hubbatch.sandbox.portal import Portal
    from airflow_provider_hubbatch.sandbox.store import Record, Table

PAGE_ROWS = 100
_LONGEST = 2_000
_COLUMNS = 8


def list_page(portal: Portal, of: Table, *, after: int = 0) -> str:
    """The records of an object type, a hundred at a time."""
    kind = of.object_type
    shown = list(islice(of.records.values(), after, after + PAGE_ROWS))
    following = after + PAGE_ROWS
    address = escape(list_path(portal.portal_id, kind.object_type_id))
    onward = f'<p><a href="{address}?after={following}">Next</a></p>' if following < len(of.records) else ""
    count = f"{min(after + 1, len(of.records)):,} to {after + len(shown):,} of {len(of.records):,}"
    return frame(
        f"{kind.name} - HubSpot sandbox",
        f"{_head(portal)}<h1>{escape(kind.name)}</h1><p class=soft>{count}, in the order in which they were made.</p>"
        f"{records_table(portal, of, shown)}{onward}",
    )


def record_page(portal: Portal, of: Table, record: Record) -> str:
    """One record: its properties, its links and what changed last."""
    kind = of.object_type
    name = next((record.value(one) for one in kind.default_properties if record.value(one)), None)
    times = f"created {record.created_at}, updated {record.updated_at}"
    if record.archived_at is not None:
        times += f", <span class=bad>archived {escape(record.archived_at)}</span>"
    rows = [
        (
            escape(of.definitions[one].label if one in of.definitions else one),
            f"<code>{escape(one)}</code>",
            shown_value(value, most=_LONGEST),
        )
        for one, value in sorted(record.properties.items())
    ]
    back = f'<a href="{escape(list_path(portal.portal_id, kind.object_type_id))}">{escape(kind.name)}</a>'
    return frame(
        f"{kind.singular} {record.id} - HubSpot sandbox",
        f"{_head(portal)}<p>{back}</p><h1>{escape(name or f'{kind.singular} {record.id}')}</h1>"
        f"<p class=soft>{escape(kind.singular)}, record id {escape(record.id)}, {times}</p>"
        f"<h2>Properties</h2>{table(('Property', 'Name', 'Value'), rows)}"
        f"{_links(portal, of, record)}<h2>Recent changes</h2>{_changes(portal, of, record)}",
    )


def missing_page(portal: Portal, what: str) -> str:
    """Nothing is there.

    :param what: What was asked for.
    """
    text = f"{what} is not in account {portal.portal_id} of this sandbox."
    return frame("Not found - HubSpot sandbox", f"{_head(portal)}<h1>Not found</h1><p>{escape(text)}</p>")


def records_table(portal: Portal, of: Table, records: Iterable[Record]) -> str:
    """Records with some of their properties, each with a link to its page."""
    listed = list(records)
    columns = list(dict.fromkeys(name for record in listed for name in record.properties))[:_COLUMNS]
    type_id = of.object_type.object_type_id
    rows = [
        (
            record_link(portal.portal_id, type_id, record.id),
            *(shown_value(record.properties.get(column)) for column in columns),
            escape(record.updated_at[:19]) + ("" if record.archived_at is None else " <span class=bad>archived</span>"),
        )
        for record in listed
    ]
    return table(("id", *(escape(column) for column in columns), "updated"), rows)


def _head(portal: Portal) -> str:
    return f'<p class=soft><a href="/">HubSpot sandbox</a>, account {portal.portal_id}</p>'


def _links(portal: Portal, of: Table, record: Record) -> str:
    start = End(of.object_type.object_type_id, record.id)
    rows = [
        (
            escape(other.object_type.singular),
            record_link(portal.portal_id, other.object_type.object_type_id, record_id),
            escape(", ".join(kind.label for kind in in_order(kinds) if kind.label is not None)),
        )
        for other in portal.store.tables.values()
        for record_id, kinds in portal.store.links.of(start, other.object_type.object_type_id).items()
    ]
    return f"<h2>Associations</h2>{table(('Type', 'Record', 'Labels'), rows)}" if rows else ""


def _changes(portal: Portal, of: Table, record: Record) -> str:
    rows = [
        (f"<span class=soft>{escape(change.at)}</span>", change_cell(change))
        for change in reversed(portal.store.recent_changes)
        if (change.object_type, change.record_id) == (of.object_type.name, record.id)
    ]
    return table(("At", "Changed"), rows) if rows else "<p class=soft>None lately.</p>"
