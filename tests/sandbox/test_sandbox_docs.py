"""docs/sandbox.md lists every endpoint, switch, fault and action, in the words of the code."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

import pytest

from airflow_provider_hubbatch.sandbox import KINDS, Behaviours, Fault, HubSpotSandbox
from airflow_provider_hubbatch.sandbox.__main__ import _parser
from airflow_provider_hubbatch.sandbox.admin import ACTIONS
from airflow_provider_hubbatch.sandbox.endpoints import ENDPOINTS

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = Path(__file__).parents[2] / "docs" / "sandbox.md"
Rows = list[tuple[str, ...]]


def parameters_of(docstring: str | None) -> dict[str, str]:
    """The ``:param name:`` texts of a docstring, each on one line, in Markdown."""
    found = re.findall(r":param (\w+): (.*?)(?=\n\s*:|\Z)", inspect.cleandoc(docstring or ""), re.DOTALL)
    return {name: as_markdown(text) for name, text in found}


def as_markdown(text: str) -> str:
    text = re.sub(r":\w+:`(?:~?\w+\.)*(\w+)`", r"``\1``", " ".join(text.split()))
    return text.replace("``", "`").replace("|", r"\|").strip()


def choices(hint: Any) -> list[str]:
    if get_origin(hint) is Literal:
        return [f"`{choice}`" for choice in get_args(hint)]
    if get_args(hint):
        return [text for kind in get_args(hint) for text in choices(kind)]
    words = {bool: "", int: "a whole number", float: "a number", type(None): "`none`"}
    return [words[hint]]


def switches() -> Rows:
    texts, hints = parameters_of(Behaviours.__doc__), get_type_hints(Behaviours)
    rows: Rows = []
    for field in fields(Behaviours):
        default = f"`{str(field.default).lower() if isinstance(field.default, bool | None) else field.default}`"
        others = [choice for choice in choices(hints[field.name]) if choice not in {default, ""}]
        rows.append((f"`{field.name}`", ", ".join([default, *others]), texts[field.name]))
    return rows


def endpoints() -> Rows:
    return [
        (f"`{one.method} {one.path}`", f"`{one.legacy_path}`", as_markdown(inspect.getdoc(one.handler) or ""))
        for one in ENDPOINTS
    ]


def faults() -> Rows:
    return [(f"`{kind}`", as_markdown(text)) for kind, text in KINDS.items()]


def fault_details() -> Rows:
    texts = parameters_of(Fault.__doc__)
    return [(f"`{field.name}`", texts[field.name]) for field in fields(Fault) if field.name in texts]


def actions() -> Rows:
    return [
        (
            f"`{name}({', '.join(list(inspect.signature(getattr(HubSpotSandbox, name)).parameters)[1:])})`",
            as_markdown((inspect.getdoc(getattr(HubSpotSandbox, name)) or "").split("\n\n")[0]),
        )
        for name in sorted(ACTIONS)
    ]


def settings() -> Rows:
    texts = parameters_of(HubSpotSandbox.__doc__)
    options = {action.dest: action.option_strings[0] for action in _parser()._actions}
    rows: Rows = []
    for name, parameter in list(inspect.signature(HubSpotSandbox.__init__).parameters.items())[1:]:
        default = parameter.default if isinstance(parameter.default, str | int | float | None) else "..."
        option = f"`{options[name]}`" if name in options else ""
        rows.append((f"`{name}={default!r}`" if default != "..." else f"`{name}`", option, texts[name]))
    return rows


# Heading -> the table's head, and its rows
TABLES: dict[str, tuple[tuple[str, ...], Callable[[], Rows]]] = {
    "Settings": (("", "of the command", ""), settings),
    "Endpoints": (("", "as the official client calls it", ""), endpoints),
    "Actions": (("", ""), actions),
    "Kinds of faults": (("kind", ""), faults),
    "Which requests a fault meets": (("", ""), fault_details),
    "Switches": (("switch", "values, the default first", ""), switches),
}


@pytest.mark.parametrize("heading", TABLES)
def test_the_page_lists_all(heading: str) -> None:
    """Each table of the page is complete, and says what the code says."""
    section = PAGE.read_text().split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    _, rows = TABLES[heading]
    assert lines[2:] == ["| " + " | ".join(row) + " |" for row in rows()]
