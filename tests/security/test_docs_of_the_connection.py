"""The connection's page says what is: its examples are connections, its fields the form's, its sentences real ones."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import airflow_provider_hubbatch
from airflow_provider_hubbatch import get_provider_info
from airflow_provider_hubbatch.client.scopes import STANDARD_TYPES, scope_name
from airflow_provider_hubbatch.client.settings import ConnectionSettings

DOCS = Path(__file__).parent.parent.parent / "docs"
PAGE = (DOCS / "connection.md").read_text()
EXAMPLES = re.findall(r"^```(?:json|uri)\n(.*?)\n```$", PAGE, re.MULTILINE)
OURS: list[str] = re.findall(r"^\| `([^`]+)` \|", PAGE.partition("## The test button")[2], re.MULTILINE)


def test_page_shows_examples_of_both_kinds() -> None:
    """URIs and JSON, tokens and OAuth."""
    assert {(one.startswith("{"), "oauth" in one) for one in EXAMPLES} == {
        (json_, oauth) for json_ in (True, False) for oauth in (True, False)
    }


@pytest.mark.parametrize("example", EXAMPLES)
def test_example_is_a_connection(example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pasted as it is, an example gives the settings that it shows."""
    from airflow.sdk import Connection

    monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", example)
    settings = ConnectionSettings.from_connection(Connection.get("hubspot_default"))
    if "oauth" in example:
        assert settings.oauth == ("1234", "5678", "9abc")
    else:
        assert (settings.token, settings.oauth) == ("pat-na1-1234", None)
    if "requests_per" in example:
        assert (settings.requests_per_10_seconds, settings.timeout_seconds[0], settings.verify) == (100, 5.0, True)
        assert (settings.proxies or {})["https"] == "http://proxy:3128"
    if example.startswith("{"):
        assert json.loads(example)["conn_type"] == "hubspot"
    assert settings.base_url == ("http://127.0.0.1:8765" if "8765" in example else "https://api.hubapi.com")


def test_page_has_every_field_of_the_form() -> None:
    """Each label stands beside its key."""
    (form,) = get_provider_info()["connection-types"]
    for name, declared in form["conn-fields"].items():
        assert f"| {declared['label']} | extra `{name}` |" in PAGE
    for label in form["ui-field-behaviour"]["relabeling"].values():
        assert f"| {label} |" in PAGE


@pytest.mark.parametrize("sentence", [one for one in OURS if one != "Bad Request"])
def test_page_quotes_what_is_said(sentence: str) -> None:
    """Each sentence of the table is one of the package's."""
    sources = "".join(path.read_text() for path in Path(airflow_provider_hubbatch.__file__).parent.rglob("*.py"))
    assert sentence in re.sub(r'"\s+f?"', "", sources)


def test_page_names_the_scopes_that_are_checked() -> None:
    """The security page has each write scope that the button looks for."""
    page = (DOCS / "security.md").read_text()
    assert [name for name in STANDARD_TYPES if f"`{scope_name(name, 'write')}`" not in page] == []
