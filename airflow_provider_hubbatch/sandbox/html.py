"""The sandbox's pages: their frame, their tables, and how a value looks. Everything from outside is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_hubbatch.sandbox.store import Change

_STYLE = """
:root { color-scheme: light dark; --line: #8883; --soft: #7a7a7a; --good: #00a38d; --bad: #d94c53; }
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


def frame(title: str, body: str) -> str:
    """A whole page.

    :param title: As text.
    :param body: As HTML.
    """
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>{body}</body></html>'
    )


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of HTML cells."""
    head = "".join(f"<th>{head}</th>" for head in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def shown_value(text: str | None, *, most: int = 80) -> str:
    """A property's value, cut where it is long."""
    if not text:
        return "<span class=soft>(empty)</span>"
    return escape(text if len(text) <= most else text[: most - 1] + "…")


def list_path(portal_id: int, type_id: str) -> str:
    """Where HubSpot's app has the list of an object type's records."""
    return f"/contacts/{portal_id}/objects/{type_id}/views/all/list"


def record_path(portal_id: int, type_id: str, record_id: str) -> str:
    """Where HubSpot's app has a record."""
    return f"/contacts/{portal_id}/record/{type_id}/{record_id}"


def record_link(portal_id: int, type_id: str, record_id: str, text: str | None = None) -> str:
    """A link to a record's page."""
    return f'<a href="{escape(record_path(portal_id, type_id, record_id))}">{escape(text or record_id)}</a>'


def change_cell(change: Change) -> str:
    """What changed, property by property."""
    return "<br>".join(
        f"{escape(name)}: <del>{shown_value(change.before.get(name))}</del> &rarr; <ins>{shown_value(after)}</ins>"
        for name, after in change.after.items()
    )
