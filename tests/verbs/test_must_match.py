"""Rows that name the wrong records are noticed, whatever would have been done to those."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch.exceptions import SettingsError
from airflow_provider_hubbatch.hooks import HubSpotHook
from airflow_provider_hubbatch.sandbox import HubSpotSandbox

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

COUNT = 150


@dataclass(frozen=True, kw_only=True)
class Way:
    """A verb, and how its rows name their records.

    :param requests: for 150 rows whose records are all there, by endpoint.
    """

    verb: str
    id_property: str | None
    requests: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.verb} by {self.id_property or 'record id'}"

    def sync(self, rows: list[dict[str, Any]], **options: Any) -> Any:
        """Its sync, of rows whose contact must have their name."""
        options = {"id_property": self.id_property, "must_match": {"who": "firstname"}, **options}
        if self.verb != "archive":
            options.setdefault("properties", ["city"])
        return getattr(HubSpotHook(), f"batch_{self.verb}")("contacts", rows, **options)

    def row(self, number: int, who: str | None = "") -> dict[str, Any]:
        """The row of a contact; ``who``: what it says of its name."""
        keys = {None: number, "email": f"C{number}@example.com", "company": f"firm {number}"}
        key = keys.get(self.id_property, f"C-{number}")
        return {"id": key, "who": f"Name {number}" if who == "" else who, "city": "Ghent"}


WAYS = [
    Way(verb="update", id_property=None, requests={"read": 2, "update": 2}),
    Way(verb="upsert", id_property="customer_number", requests={"read": 2, "update": 2}),
    Way(verb="upsert", id_property="email", requests={"read": 2, "update": 2}),
    Way(verb="archive", id_property=None, requests={"read": 4, "archive": 2}),
    Way(verb="archive", id_property="customer_number", requests={"read": 4, "archive": 2}),
    Way(verb="archive", id_property="email", requests={"read": 4, "archive": 2}),
    Way(verb="archive", id_property="company", requests={"read": 4, "archive": 2}),
]
every_way = pytest.mark.parametrize("way", WAYS, ids=str)
upserts = pytest.mark.parametrize("way", [way for way in WAYS if way.verb == "upsert"], ids=str)


@pytest.fixture
def hubspot(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubSpotSandbox]:
    """Contacts 1 to 150, each with a name, an address, a customer number and a company."""
    contacts = [
        {"id": str(n), "firstname": f"Name {n}", "email": f"c{n}@example.com"}
        | {"customer_number": f"C-{n}", "company": f"Firm {n}"}
        for n in range(1, COUNT + 1)
    ]
    with HubSpotSandbox(records={"contacts": contacts}, requests_per_10_seconds=10_000) as running:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", running.connection())
        yield running


def touched(hubspot: HubSpotSandbox) -> set[str]:
    """The contacts that are in Ghent, or archived."""
    there = {one for one, it in hubspot.objects("contacts").items() if it["properties"].get("city") == "Ghent"}
    return there | set(hubspot.objects("contacts", archived=True))


@every_way
def test_a_row_whose_record_disagrees_is_rejected(way: Way, hubspot: HubSpotSandbox) -> None:
    """Its record stays as it is, and all others have their effect; each record is read once before."""
    wrong = {3, 99, 150}
    report = way.sync([way.row(n, "Somebody" if n in wrong else "") for n in range(1, COUNT + 1)])
    assert {one.row + 1 for one in report.rejected} == wrong
    assert {(one.category, one.record_id) for one in report.rejected} == {("RECORD_MISMATCH", str(n)) for n in wrong}
    assert touched(hubspot) == {str(n) for n in range(1, COUNT + 1)} - {str(n) for n in wrong}
    paths = [one.path.rpartition("/batch/")[2] for one in hubspot.requests if "/batch/" in one.path]
    assert {path: paths.count(path) for path in paths} == way.requests


@every_way
def test_ten_rows_that_disagree_among_the_first_hundred_stop_the_sync(way: Way, hubspot: HubSpotSandbox) -> None:
    """A column of other ids: nothing is written or archived, and the error asks about id_column."""
    with pytest.raises(SettingsError, match="Is id_column right") as caught:
        way.sync([way.row(n, "Somebody" if n % 9 == 0 else "") for n in range(1, COUNT + 1)])
    assert touched(hubspot) == set()
    summary = caught.value.report.summary()
    assert summary["rows"] == summary["rejected"] + summary["not_sent"] == COUNT


@every_way
def test_an_empty_cell_says_nothing(way: Way, hubspot: HubSpotSandbox) -> None:
    """A row that doesn't say has its effect, whatever its record has."""
    hubspot.set_value("contacts", "2", "firstname", "Somebody")
    report = way.sync([way.row(1, None), way.row(2, " ")])
    assert report.summary()["rejected"] == 0
    assert touched(hubspot) == {"1", "2"}


@every_way
def test_a_record_that_is_not_there_agrees_with_nobody(way: Way, hubspot: HubSpotSandbox) -> None:
    """An upsert makes it; the others say that it isn't there."""
    report = way.sync([way.row(1), way.row(777)])
    said = [one["status"] for one in report.results()]
    assert said[1] == {"update": "rejected", "upsert": "created", "archive": "missing"}[way.verb]
    assert said[0] == ("archived" if way.verb == "archive" else "updated")


@upserts
def test_later_rows_of_a_new_key_are_compared_with_what_the_first_has_made(way: Way, hubspot: HubSpotSandbox) -> None:
    """The first makes the record, with its name; the next one agrees, the third doesn't."""
    rows = [way.row(777), {**way.row(777), "city": "Oslo"}, {**way.row(777, "Somebody"), "city": "Rome"}]
    report = way.sync(rows, properties={"who": "firstname", "city": "city"})
    assert [one["status"] for one in report.results()] == ["created", "updated", "rejected"]
    (made,) = [it for it in hubspot.objects("contacts").values() if it["properties"]["firstname"] == "Name 777"]
    assert made["properties"]["city"] == "Oslo"


@upserts
def test_a_record_that_came_in_between_is_compared(way: Way, hubspot: HubSpotSandbox) -> None:
    """Somebody else makes the record between the look and the create: the conflict becomes a comparison."""
    name = "email" if way.id_property == "email" else "customer_number"
    value = way.row(777)["id"].lower() if name == "email" else way.row(777)["id"]
    hubspot.faults.add("result_left_out", results=1, path="/batch/read", count=3)
    hubspot.set_value("contacts", "5", name, value)
    report = way.sync([way.row(777)])
    assert [(one["status"], one["category"]) for one in report.results()] == [("rejected", "RECORD_MISMATCH")]
    assert touched(hubspot) == set()
