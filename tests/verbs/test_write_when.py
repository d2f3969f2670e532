"""Columns that are written only when a record is made, or only where HubSpot has nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch.hooks import HubSpotHook
from airflow_provider_hubbatch.sandbox import HubSpotSandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNT = 150
KEYS = ["email", "customer_number"]
by_every_key = pytest.mark.parametrize("key", KEYS)


@pytest.fixture
def hubspot(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubSpotSandbox]:
    """Contacts 1 to 150; those with an odd number have a phone."""
    contacts = [
        {"id": str(n), "email": f"c{n}@example.com", "customer_number": f"C-{n}", "company": f"Firm {n}"}
        | ({"phone": "old"} if n % 2 else {})
        for n in range(1, COUNT + 1)
    ]
    with HubSpotSandbox(records={"contacts": contacts}, requests_per_10_seconds=10_000) as running:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", running.connection())
        yield running


def row(key: str, number: int, **values: Any) -> dict[str, Any]:
    """A contact's row."""
    names = {"id": number, "email": f"C{number}@example.com", "company": f"firm {number}"}
    return {"key": names.get(key, f"C-{number}"), "city": "Ghent", "jobtitle": "new", "phone": "new", **values}


def synced(verb: str, key: str, rows: list[dict[str, Any]], **options: Any) -> list[str]:
    """The statuses of a sync."""
    options = {"id_column": "key", "id_property": None if key == "id" else key, **options}
    report = getattr(HubSpotHook(), f"batch_{verb}")("contacts", rows, **options)
    return [one["status"] for one in report.results()]


def upserted(key: str, rows: list[dict[str, Any]], **options: Any) -> list[str]:
    """The statuses of an upsert that writes job titles to new contacts, and phones to those that have none."""
    return synced("upsert", key, rows, **{"write_when": {"jobtitle": "created", "phone": "empty"}, **options})


def values(hubspot: HubSpotSandbox, key: str, number: int) -> list[str | None]:
    """The city, job title and phone of the contact with this row's key."""
    name = "hs_object_id" if key == "id" else key
    (found,) = [
        it["properties"]
        for it in hubspot.objects("contacts").values()
        if (it["properties"].get(name) or "").lower() == str(row(key, number)["key"]).lower()
    ]
    return [found.get(name) or None for name in ("city", "jobtitle", "phone")]


def counted(hubspot: HubSpotSandbox) -> dict[str, int]:
    paths = [one.path.rpartition("/batch/")[2] for one in hubspot.requests if "/batch/" in one.path]
    return {path: paths.count(path) for path in paths}


@by_every_key
@pytest.mark.parametrize("skip", [None, "hubspot"])
def test_an_upsert_writes_what_is_due(hubspot: HubSpotSandbox, key: str, skip: str | None) -> None:
    """A new record gets all of it; one that is there no job title, and a phone only if it has none. 2 requests per 100
    rows, however mixed.
    """
    rows = [row(key, n) for n in range(51, COUNT + 51)]
    statuses = upserted(key, rows, skip_unchanged=skip)
    assert statuses == ["updated"] * 100 + ["created"] * 50
    assert values(hubspot, key, 52) == ["Ghent", None, "new"]
    assert values(hubspot, key, 53) == ["Ghent", None, "old"]
    assert values(hubspot, key, 199) == ["Ghent", "new", "new"]
    assert counted(hubspot) == {"read": 2, "update": 1, "create": 1}


@pytest.mark.parametrize("key", ["id", "email", "customer_number"])
@pytest.mark.parametrize("skip", [None, "hubspot"])
def test_an_update_fills_what_is_empty(hubspot: HubSpotSandbox, key: str, skip: str | None) -> None:
    """Each record is read once; a phone that is there stays."""
    rows = [row(key, n) for n in range(1, 101)]
    assert set(synced("update", key, rows, write_when={"phone": "empty"}, skip_unchanged=skip)) == {"updated"}
    assert values(hubspot, key, 2) == ["Ghent", "new", "new"]
    assert values(hubspot, key, 3) == ["Ghent", "new", "old"]
    assert counted(hubspot) == {"read": 1, "update": 1}


def test_records_that_are_searched_are_filled(hubspot: HubSpotSandbox) -> None:
    """What search has found is read by record id before it is written."""
    synced("update", "company", [row("company", n) for n in (1, 2)], write_when={"phone": "empty"})
    assert [values(hubspot, "id", n)[2] for n in (1, 2)] == ["old", "new"]


@pytest.mark.parametrize(("verb", "key"), [("update", "id"), ("update", "email"), *(("upsert", key) for key in KEYS)])
def test_the_first_row_of_a_record_fills_it(hubspot: HubSpotSandbox, verb: str, key: str) -> None:
    """The next ones find it filled, in whatever batch they are; a row that fills nothing leaves it to the next."""
    rows = [row(key, 2, phone=None), row(key, 2, phone="first"), row(key, 2, phone="second")]
    rows += [row(key, n) for n in range(3, 130)] + [row(key, 2, phone="third", city="Oslo")]
    statuses = synced(verb, key, rows, write_when={"phone": "empty"})
    assert set(statuses) == {"updated"}
    assert values(hubspot, key, 2) == ["Oslo", "new", "first"]


@by_every_key
def test_the_first_row_of_a_new_key_creates_it(hubspot: HubSpotSandbox, key: str) -> None:
    """Of the next ones no job title is written, and a phone only if the first had none."""
    rows = [
        row(key, 777, phone=None),
        row(key, 777, jobtitle="second", phone="2"),
        row(key, 777, jobtitle="x", phone="3"),
    ]
    assert upserted(key, rows) == ["created", "updated", "updated"]
    assert values(hubspot, key, 777) == ["Ghent", "new", "2"]


@by_every_key
@pytest.mark.parametrize("fault", ["cut_after_write", "cut_before_write", "garbage"])
def test_a_create_that_was_cut_loses_nothing(hubspot: HubSpotSandbox, key: str, fault: str) -> None:
    """Its record is found, or made again: it has all that is written only then."""
    hubspot.faults.add(fault, path="/batch/create", count=1)
    assert upserted(key, [row(key, n) for n in range(700, 720)]) == ["created"] * 20
    assert {tuple(values(hubspot, key, n)) for n in range(700, 720)} == {("Ghent", "new", "new")}


@by_every_key
def test_somebody_who_was_faster_keeps_what_is_theirs(hubspot: HubSpotSandbox, key: str) -> None:
    """The record came between the look and the create: its conflict becomes an update of what is due."""
    hubspot.faults.add("result_left_out", results=1, path="/batch/read", count=3)
    assert upserted(key, [row(key, 3)]) == ["updated"]
    assert values(hubspot, key, 3) == ["Ghent", None, "old"]


def test_nothing_due_is_unchanged(hubspot: HubSpotSandbox) -> None:
    """A row whose columns are all of no use is not sent; nor does such a column empty anything."""
    rows = [{"id": 1, "phone": "new"}, {"id": 2, "phone": None}]
    report = HubSpotHook().batch_update("contacts", rows, write_when={"phone": "empty"}, null_values="clear")
    assert [one["status"] for one in report.results() or []] == ["unchanged", "unchanged"]
    assert counted(hubspot) == {"read": 1}


@by_every_key
def test_a_look_before_the_leap_shows_what_is_due(hubspot: HubSpotSandbox, key: str) -> None:
    """``changes`` has no column that would be left out."""
    options = {"id_column": "key", "id_property": key, "skip_unchanged": "hubspot", "validate_only": True}
    when = {"jobtitle": "created", "phone": "empty"}
    outcomes = HubSpotHook().iter_batch_upsert("contacts", [row(key, 1), row(key, 2)], write_when=when, **options)
    assert [one.changes for one in sorted(outcomes)] == [
        {"city": (None, "Ghent")},
        {"city": (None, "Ghent"), "phone": (None, "new")},
    ]


@by_every_key
def test_it_works_beside_must_match(hubspot: HubSpotSandbox, key: str) -> None:
    """A row whose record disagrees is rejected; the properties of renamed columns are meant."""
    rows = [row(key, 1, who="Firm 1", tel="9"), row(key, 2, who="Firm 2", tel="9"), row(key, 3, who="x", tel="9")]
    options = {"must_match": {"who": "company"}, "properties": {"tel": "phone"}, "write_when": {"tel": "empty"}}
    assert upserted(key, rows, **options) == ["unchanged", "updated", "rejected"]
    assert [values(hubspot, key, n)[2] for n in (1, 2, 3)] == ["old", "9", "old"]
