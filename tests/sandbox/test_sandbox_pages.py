"""The pages for people: what the sandbox holds, a list of each object type, and a page for each record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sandbox.hubspot_client import row

if TYPE_CHECKING:
    from tests.sandbox.conftest import MakeSandbox, Pair

EVIL = "<script>alert(1)</script>"


def test_a_record_has_a_page_where_hubspots_app_has_it(make: MakeSandbox) -> None:
    """Its properties, its links with their labels, what changed last; the account's details lead there."""
    pair = make(records={"contacts": 3, "companies": 2}, portal_id=77)
    pair.sandbox.associate("contacts", "2", "companies", "1", "Primary")
    pair.client.update(row("2", {"city": "Xanadu", "jobtitle": "CTO"}))
    details = pair.client.details().json()
    assert details["uiDomain"] == pair.sandbox.url.removeprefix("http://")
    page = pair.client.get("/contacts/77/record/0-1/2")
    assert page.status_code == 200
    record = pair.sandbox.objects("contacts")["2"]["properties"]
    for shown in (record["email"], "Xanadu", "City", "CTO", "Primary", 'href="/contacts/77/record/0-2/1"'):
        assert shown in page.text
    assert "&rarr; <ins>Xanadu</ins>" in page.text
    assert "/contacts/77/record/0-1/2" in pair.client.get("/").text
    assert pair.sandbox.statistics["total"] == 2


def test_an_archived_record_has_a_page_and_a_merged_one_leads_on(pair: Pair) -> None:
    """An archived record's page says so; a merged one's address leads to the surviving record."""
    pair.sandbox.archive("contacts", "1")
    pair.sandbox.merge("contacts", "2", "3")
    assert "archived 20" in pair.client.get("/contacts/123456/record/contacts/1").text
    moved = pair.client.get("/contacts/123456/record/0-1/2")
    assert moved.url.endswith("/contacts/123456/record/0-1/3")


@pytest.mark.parametrize(
    "path",
    [
        "/contacts/123456/record/0-1/999",
        "/contacts/123456/record/0-99/1",
        "/contacts/999/record/0-1/1",
        "/contacts/999/objects/0-1/views/all/list",
        "/contacts/123456/objects/butterflies/views/all/list",
        "/contacts/<img onerror=alert(1)>/record/0-1/1",
        "/contacts/123456/record/0-1/<img onerror=alert(1)>",
    ],
)
def test_nothing_there_is_a_page_too(pair: Pair, path: str) -> None:
    """Another account, an unknown type or record: 404 and a page that says so, with everything escaped."""
    page = pair.client.get(path)
    assert page.status_code == 404
    assert "Not found" in page.text
    assert "<img" not in page.text


def test_records_are_listed_a_hundred_at_a_time(make: MakeSandbox) -> None:
    """The list of an object type, with a link to each record and to the next hundred."""
    pair = make(records={"contacts": 150})
    first = pair.client.get("/contacts/123456/objects/0-1/views/all/list").text
    assert first.count('href="/contacts/123456/record/0-1/') == 100
    assert "1 to 100 of 150" in first
    assert 'href="/contacts/123456/objects/0-1/views/all/list?after=100"' in first
    rest = pair.client.get("/contacts/123456/objects/0-1/views/all/list", after="100").text
    assert rest.count('href="/contacts/123456/record/0-1/') == 50
    assert "Next" not in rest


def test_everything_from_outside_is_escaped(pair: Pair) -> None:
    """No value, name or label of anybody's becomes part of a page, and nothing on a page may run."""
    pair.sandbox.add_property("contacts", {"name": "evil", "label": EVIL})
    pair.sandbox.add_label("contacts", "contacts", EVIL)
    pair.sandbox.associate("contacts", "1", "contacts", "2", EVIL)
    pair.client.update(row("1", {"evil": EVIL, "firstname": EVIL}))
    for path in ("/", "/contacts/123456/record/0-1/1", "/contacts/123456/objects/0-1/views/all/list"):
        page = pair.client.get(path)
        assert "<script>" not in page.text
        assert "&lt;script&gt;" in page.text
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]


def test_links_to_records_may_lead_elsewhere(make: MakeSandbox) -> None:
    """ui_domain: the account's details lead there instead."""
    assert make(ui_domain="app-eu1.hubspot.com").client.details().json()["uiDomain"] == "app-eu1.hubspot.com"


def test_new_records_are_recent_changes(pair: Pair) -> None:
    """What the API makes is among the changes of the first page."""
    pair.client.batch("create", [{"properties": {"firstname": "Ada", "city": "Xanadu"}}])
    assert "&rarr; <ins>Xanadu</ins>" in pair.client.get("/").text
