"""Addresses and ``skip_unchanged="hubspot"`` against the local HubSpot: what is equal to it isn't sent."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch.core.model import Status
from airflow_provider_hubbatch.hooks import HubSpotHook

if TYPE_CHECKING:
    from airflow_provider_hubbatch.sandbox import HubSpotSandbox

KINDS = {
    "a_number": "number",
    "a_date": "date",
    "a_time": "datetime",
    "a_bool": "bool",
    "a_text": "string",
}
OPTIONS = [{"value": value, "label": value.title()} for value in "abc"]


@pytest.fixture
def typed(sandbox: HubSpotSandbox) -> HubSpotSandbox:
    """The sandbox with a property of every type."""
    for name, kind in KINDS.items():
        options = [{"value": value, "label": value} for value in ("true", "false")] if kind == "bool" else []
        sandbox.add_property("contacts", {"name": name, "type": kind, "options": options})
    sandbox.add_property(
        "contacts", {"name": "boxes", "type": "enumeration", "fieldType": "checkbox", "options": OPTIONS}
    )
    sandbox.add_property("contacts", {"name": "number", "type": "string", "hasUniqueValue": True})
    return sandbox


def sync(rows: Any, **options: Any) -> dict[str, int]:
    report = HubSpotHook().batch_update("contacts", rows, **{"skip_unchanged": "hubspot", **options})
    assert report.outcomes is not None
    unchanged = [outcome for outcome in report.outcomes if outcome.status is Status.UNCHANGED]
    assert all(outcome.record_id or outcome.category == "NOTHING_TO_WRITE" for outcome in unchanged)
    return {status.value: count for status, count in report.counts.items() if count}


def sent(sandbox: HubSpotSandbox, verb: str = "update") -> dict[str, dict[str, str]]:
    """Record id -> properties, of all updates since the last look."""
    found = [request for request in sandbox.requests if request.path.endswith(f"/batch/{verb}")]
    sandbox.forget_requests()
    inputs = [one for request in found for one in (request.json or {})["inputs"]]
    return {one["id"]: one.get("properties", {}) for one in inputs}


EQUAL: list[tuple[str, Any, list[Any]]] = [
    ("a_number", "7", [7, 7.0, "7", Decimal("7.00"), "7.0"]),
    ("a_number", "7.50", [7.5, Decimal("7.5"), "7.500"]),
    ("a_date", "2024-02-29", [date(2024, 2, 29), "2024-02-29", datetime(2024, 2, 29, tzinfo=UTC)]),
    ("a_time", "2024-02-29T12:00:00Z", [datetime(2024, 2, 29, 12, tzinfo=UTC), "2024-02-29T13:00:00+01:00"]),
    ("a_time", "2024-02-29T12:00:00Z", [datetime(2024, 2, 29, 12)]),  # noqa: DTZ001 - a naive time is UTC
    ("a_bool", "true", [True, "true", "True"]),
    ("boxes", "a;b", ["b;a", "a;b", ["b", "a"], ["B", "A"], ";a"]),
    ("a_text", "Zürich", ["Zürich"]),
]


@pytest.mark.parametrize(("name", "held", "rows"), EQUAL)
def test_values_of_the_same_meaning_are_unchanged(typed: HubSpotSandbox, name: str, held: str, rows: list[Any]) -> None:
    """However a value is written on either side, no update is sent if it means the same."""
    for row in range(len(rows)):
        typed.set_value("contacts", str(row + 1), name, held)
    given = [{"id": number, name: value} for number, value in enumerate(rows, start=1)]
    assert sync(given) == {"unchanged": len(rows)}
    assert sent(typed) == {}


def test_only_what_differs_is_sent(typed: HubSpotSandbox) -> None:
    """Of a row, those properties are sent that HubSpot has with another value; null clears only where that is asked."""
    typed.set_value("contacts", "1", "a_number", "7")
    typed.set_value("contacts", "1", "a_text", "old")
    typed.set_value("contacts", "2", "a_text", "old")
    rows = [{"id": 1, "a_number": 7.0, "a_text": "new"}, {"id": 2, "a_number": None, "a_text": None}]
    assert sync(rows) == {"updated": 1, "unchanged": 1}
    assert sent(typed) == {"1": {"a_text": "new"}}
    assert sync(rows, null_values="clear") == {"unchanged": 1, "updated": 1}
    assert sent(typed) == {"2": {"a_text": ""}}
    assert sync(rows, null_values="clear") == {"unchanged": 2}


def test_what_changed_in_hubspot_meanwhile_is_written_again(typed: HubSpotSandbox) -> None:
    """The comparison is with what HubSpot has now, no matter who wrote it."""
    rows = [{"id": n, "city": "Bonn"} for n in range(1, 151)]
    sync(rows)
    typed.set_value("contacts", "42", "city", "Wien")
    sent(typed)
    assert sync(rows) == {"unchanged": 149, "updated": 1}
    assert sent(typed) == {"42": {"city": "Bonn"}}


@pytest.mark.parametrize("missing_ok", [False, True])
def test_missing_records_are_told(typed: HubSpotSandbox, missing_ok: bool) -> None:
    """A record that HubSpot doesn't have, or has deleted, is told so from the read alone."""
    typed.archive("contacts", "2")
    rows = [{"id": n, "city": "Bonn"} for n in (1, 2, 999_999)]
    assert sync(rows, missing_ok=missing_ok) == {"updated": 1, "missing" if missing_ok else "rejected": 2}


def test_a_merged_record_is_told(typed: HubSpotSandbox) -> None:
    """Its old id is refused with the new one, as without the comparison."""
    typed.merge("contacts", "1", "2")
    report = HubSpotHook().batch_update("contacts", [{"id": 1, "city": "Bonn"}], skip_unchanged="hubspot")
    (outcome,) = report.rejected
    assert (outcome.category, outcome.record_id) == ("OBJECT_MERGED", "2")


def test_by_a_unique_property(typed: HubSpotSandbox) -> None:
    """Records named by a unique property are compared, and then written by record id."""
    typed.set_value("contacts", "1", "number", "007")
    typed.set_value("contacts", "2", "number", "7")
    typed.set_value("contacts", "1", "city", "Bonn")
    rows = [{"id": "007", "city": "Bonn"}, {"id": "7", "city": "Wien"}, {"id": "8", "city": "Linz"}]
    assert sync(rows, id_property="number") == {"unchanged": 1, "updated": 1, "rejected": 1}
    assert sent(typed) == {"2": {"city": "Wien"}}


@pytest.mark.parametrize("skip_unchanged", [None, "hubspot"])
def test_by_email(typed: HubSpotSandbox, skip_unchanged: str | None) -> None:
    """Primary and secondary addresses in any case lead to the contact; unknown ones are told."""
    typed.set_value("contacts", "1", "email", "ann@example.com")
    typed.set_value("contacts", "1", "hs_additional_emails", "ann@example.org;anna@example.net")
    typed.set_value("contacts", "2", "email", "bob@example.com")
    typed.set_value("contacts", "2", "city", "Bonn")
    rows = [
        {"email": "Ann@Example.com", "city": "Wien"},
        {"email": "ANNA@example.net", "city": "Linz"},
        {"email": "bob@example.com", "city": "Bonn"},
        {"email": "nobody@example.com", "city": "Bonn"},
        {"email": "ann@example.org", "city": "Graz"},
    ]
    options: dict[str, Any] = {"id_column": "email", "id_property": "email", "skip_unchanged": skip_unchanged}
    unchanged = {"unchanged": 1} if skip_unchanged else {}
    assert sync(rows, **options) == {"updated": 4 - len(unchanged), "rejected": 1, **unchanged}
    assert typed.objects("contacts")["1"]["properties"]["city"] == "Graz"
    if skip_unchanged:
        assert sync([rows[4], rows[2]], **options) == {"unchanged": 2}


@pytest.mark.parametrize("missing_ok", [True, False])
@pytest.mark.parametrize("missing_keys", ["ids", "coordinates_400", "coordinates_404"])
def test_a_refusal_that_names_one_address_denies_no_other(
    typed: HubSpotSandbox, missing_keys: str, missing_ok: bool
) -> None:
    """A read that comes back empty, then one that is refused for the one unknown address: the others are found."""
    typed.switch(missing_keys=missing_keys)
    contacts = list(typed.objects("contacts").values())[:60]
    rows = [{"email": one["properties"]["email"], "city": "Wien"} for one in contacts]
    rows.insert(30, {"email": "nobody@example.com", "city": "Wien"})
    typed.faults.add("empty_results", path="/batch/read")
    told = sync(rows, id_column="email", id_property="email", missing_ok=missing_ok)
    assert told == {"updated": 60, "missing" if missing_ok else "rejected": 1}


@pytest.mark.parametrize("by_email", [True, False])
@pytest.mark.parametrize("fault", [None, "result_left_out", "empty_body", "cut_after_write"])
def test_records_that_are_looked_up_may_be_given_new_keys(
    typed: HubSpotSandbox, by_email: bool, fault: str | None
) -> None:
    """Updates go by record id then, so that a record is found again whatever becomes of its key or of the reply."""
    key, names = ("email", ["a@example.com", "b@example.com", "c@example.com"]) if by_email else ("number", list("abc"))
    typed.set_value("contacts", "1", key, names[0])
    typed.set_value("contacts", "2", key, names[1])
    if fault:
        typed.faults.add(fault, path="/batch/update", results=1)
    rows = [{"old": names[1], key: names[2]}, {"old": names[0], key: names[1]}]
    options = {"id_column": "old", "id_property": key, "skip_unchanged": None if by_email else "hubspot"}
    report = HubSpotHook().batch_update("contacts", rows, **options)
    assert {one.row: (one.status, one.record_id) for one in report.outcomes or []} == {
        0: (Status.UPDATED, "2"),
        1: (Status.UPDATED, "1"),
    }
    assert [typed.objects("contacts")[one]["properties"][key] for one in ("1", "2")] == [names[1], names[2]]


def test_reads_meet_faults(typed: HubSpotSandbox) -> None:
    """A read that is throttled, cut off, or answered by a proxy's page is repeated; a refused one is halved."""
    typed.set_value("contacts", "7", "email", "seven@example.com")
    faults: list[tuple[str, dict[str, Any]]] = [
        ("rate_limited", {}),
        ("cut_before_write", {}),
        ("html", {}),
        ("garbage", {}),
        ("empty_results", {}),
        ("status", {"status": 400, "category": "VALIDATION_ERROR", "count": None, "input_id": "bad@example.com"}),
    ]
    for kind, details in faults:
        typed.faults.add(kind, path="/batch/read", **details)
    rows = [{"email": "seven@example.com", "city": "Bonn"}, {"email": "bad@example.com", "city": "Bonn"}]
    report = HubSpotHook().batch_update("contacts", rows, id_column="email", id_property="email")
    assert {outcome.row: outcome.status for outcome in report.outcomes or []} == {
        0: Status.UPDATED,
        1: Status.REJECTED,
    }
    assert report.retries >= 3


def test_a_second_sync_of_many_rows_reads_and_writes_nothing(sandbox: HubSpotSandbox) -> None:
    """3,000 unchanged rows cost 30 reads and no update."""
    sandbox.add_records("contacts", 2_800)
    rows = [{"id": n, "city": f"town {n}", "firstname": "x"} for n in range(1, 3_001)]
    hook = HubSpotHook()
    assert hook.batch_update("contacts", rows, skip_unchanged="hubspot").counts == {Status.UPDATED: 3_000}
    sandbox.forget_requests()
    assert hook.batch_update("contacts", rows, skip_unchanged="hubspot").counts == {Status.UNCHANGED: 3_000}
    paths = [request.path.rsplit("/", 1)[1] for request in sandbox.requests if "/batch/" in request.path]
    assert paths == ["read"] * 30
