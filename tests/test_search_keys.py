"""Updates by a property whose values needn't be unique, against the local HubSpot."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch.exceptions import MissingScopesError, SettingsError
from airflow_provider_hubbatch.hooks import HubSpotHook
from airflow_provider_hubbatch.sandbox import HubSpotSandbox
from airflow_provider_hubbatch.sandbox.tokens import DEFAULT_TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_hubbatch.core.sync_report import SyncReport

COUNT = 400
# every twentieth domain is a second company's too, in another case
SHARED = range(0, COUNT, 20)
BY_DOMAIN = {"id_column": "domain", "id_property": "domain"}


@pytest.fixture
def hubspot(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubSpotSandbox]:
    """400 companies with their domains, 20 of which a second one has too; and one without any."""
    companies = [{"id": str(1_000 + n), "domain": f"c{n}.example.com", "city": "old"} for n in range(COUNT)]
    companies += [{"id": str(5_000 + n), "domain": f"C{n}.Example.COM", "city": "old"} for n in SHARED]
    companies += [{"id": "9", "name": "nowhere", "city": "old"}]
    with HubSpotSandbox(records={"companies": companies}, requests_per_10_seconds=10_000) as running:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", running.connection())
        yield running


def rows_of(*numbers: int, city: str = "new") -> list[dict[str, Any]]:
    return [{"domain": f"c{number}.example.com", "city": f"{city} {number}"} for number in numbers or range(COUNT)]


def sync(rows: Any, **options: Any) -> SyncReport:
    return HubSpotHook().batch_update("companies", rows, **{**BY_DOMAIN, **options})


def counts(report: SyncReport) -> dict[str, int]:
    return {status.value: count for status, count in report.counts.items() if count}


def cities(hubspot: HubSpotSandbox) -> dict[str, str]:
    held = {name: one["properties"].get("city") or "" for name, one in hubspot.objects("companies").items()}
    return {name: city for name, city in held.items() if city != "old"}  # of all companies, those that were written


def sent(hubspot: HubSpotSandbox, end: str) -> list[dict[str, Any]]:
    return [one.json or {} for one in hubspot.requests if one.path.endswith(end)]


@pytest.mark.parametrize("search_text", ["lower_case_only", "any_case"])
def test_four_hundred_companies_by_domain(
    hubspot: HubSpotSandbox, search_text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Each row reaches its own company, however the domain is written; of a shared one none is written, and the row is
    told which they are. Five searches at most; the log says once that search is behind.
    """
    caplog.set_level(logging.INFO)
    hubspot.switch(search_text=search_text)
    rows = rows_of()
    for row in rows[::3]:
        row["domain"] = f" {row['domain'].upper()}\t"
    report = sync(rows)
    assert counts(report) == {"updated": COUNT - len(SHARED), "rejected": len(SHARED)}
    assert cities(hubspot) == {str(1_000 + n): f"new {n}" for n in range(COUNT) if n not in SHARED}
    assert len(sent(hubspot, "/search")) <= 5
    assert len(sent(hubspot, "/batch/update")) == 4
    for one in report.rejected:
        assert one.category == "AMBIGUOUS_ID"
        assert f"this domain: {1_000 + one.row}, {5_000 + one.row}. None of them" in str(one.message)
        assert one.record_id is None
    assert caplog.text.count("in the last minute") == 1
    assert "example.com" not in caplog.text.lower()


def test_a_value_that_thousands_share_costs_one_search(hubspot: HubSpotSandbox) -> None:
    """It is told to be shared from one page; the others of its batch are asked for again without it."""
    for number in range(700):
        hubspot.set_value("companies", str(1_000 + number % 300), "domain", "gmail.com")
    rows = [*rows_of(*range(301, 400)), {"domain": "gmail.com", "city": "new"}]
    report = sync(rows)
    assert report.summary()["rejected_by_category"] == {"AMBIGUOUS_ID": 5}
    assert " and more. None of them" in str(next(one.message for one in report.rejected if one.row == 99))
    assert len(sent(hubspot, "/search")) == 2
    assert report.summary()["updated"] == 95


@pytest.mark.parametrize("missing_ok", [False, True])
def test_what_no_record_has_is_missing(hubspot: HubSpotSandbox, missing_ok: bool) -> None:
    """Told by the search alone; an empty key names nothing."""
    rows = [*rows_of(1), {"domain": "nobody.example.com", "city": "x"}, {"domain": " ", "city": "x"}]
    report = sync(rows, missing_ok=missing_ok)
    assert counts(report) == (
        {"updated": 1, "missing": 1, "rejected": 1} if missing_ok else {"updated": 1, "rejected": 2}
    )
    expected = {"MISSING_ID": 1} if missing_ok else {"OBJECT_NOT_FOUND": 1, "MISSING_ID": 1}
    assert report.summary()["rejected_by_category"] == expected


def test_two_rows_of_one_record_take_effect_in_order(hubspot: HubSpotSandbox) -> None:
    """Whatever the writing of the key: the last row wins; each value is searched for once."""
    rows = [row for turn in range(5) for row in rows_of(*range(1, 11), city=f"turn {turn}")]
    for row in rows[1::2]:
        row["domain"] = row["domain"].title()
    assert counts(sync(rows, max_in_flight=4)) == {"updated": 50}
    assert cities(hubspot) == {str(1_000 + n): f"turn 4 {n}" for n in range(1, 11)}
    assert len(sent(hubspot, "/search")) == 1


@pytest.mark.parametrize("lag_seconds", [0.0, 60.0])
def test_unchanged_ones_are_left_out(hubspot: HubSpotSandbox, lag_seconds: float) -> None:
    """They are compared with what HubSpot has, which search may not know yet."""
    hubspot.switch(search_lag_seconds=lag_seconds)
    assert counts(sync(rows_of(1, 2, 3))) == {"updated": 3}
    hubspot.forget_requests()
    rows = [*rows_of(1), *rows_of(2, city="newer"), *rows_of(3, city="newer"), *rows_of(3)]
    assert counts(sync(rows, skip_unchanged="hubspot", max_in_flight=1)) == {"unchanged": 1, "updated": 3}
    assert cities(hubspot) == {"1001": "new 1", "1002": "newer 2", "1003": "new 3"}
    assert len(sent(hubspot, "/batch/read")) == 1


def test_a_look_before_the_leap_shows_changes(hubspot: HubSpotSandbox) -> None:
    """As for every other key."""
    report = sync(rows_of(1, 20), skip_unchanged="hubspot", validate_only=True)
    assert report.outcomes is not None
    by_row = {one.row: one for one in report.outcomes}
    assert (by_row[0].record_id, by_row[0].changes) == ("1001", {"city": ("old", "new 1")})
    assert by_row[1].category == "AMBIGUOUS_ID"
    assert cities(hubspot) == {}


def test_values_are_cleared_and_records_compared(hubspot: HubSpotSandbox) -> None:
    """null_values and must_match work with such a key; disagreeing records are counted once each."""
    hubspot.set_value("companies", "1001", "name", "One")
    rows = [
        {"domain": "c1.example.com", "city": None, "who": "One"},
        {"domain": "c2.example.com", "city": "x", "who": "Two"},
    ]
    report = sync(rows, null_values="clear", max_cleared=1.0, must_match={"who": "name"})
    assert report.summary()["rejected_by_category"] == {"RECORD_MISMATCH": 1}
    assert cities(hubspot) == {"1001": ""}


def test_each_row_is_compared_once(hubspot: HubSpotSandbox) -> None:
    """Ten that disagree among the first hundred rows end the sync before anything is written, wherever they are."""
    for number in range(1, 100):
        hubspot.set_value("companies", str(1_000 + number), "name", f"C {number}")
    numbers = [number for number in range(1, 100) if number not in SHARED]
    wrong = numbers[-10:]
    rows = [
        {**row, "who": f"C {n if n not in wrong else 0}"} for n, row in zip(numbers, rows_of(*numbers), strict=True)
    ]
    with pytest.raises(SettingsError, match="10 of the first 95 rows"):
        sync(rows, must_match={"who": "name"})


def test_records_are_archived_by_such_a_key(hubspot: HubSpotSandbox) -> None:
    """As they are updated: of several that have the value none is touched."""
    rows = [{"domain": f"C{n}.example.com"} for n in (1, 2, 20, 999)]
    report = HubSpotHook().batch_archive("companies", rows, **BY_DOMAIN)
    assert counts(report) == {"archived": 2, "missing": 1, "rejected": 1}
    assert set(hubspot.objects("companies", archived=True)) == {"1001", "1002"}
    assert len(sent(hubspot, "/search")) == 1


@pytest.mark.parametrize("verb", ["batch_upsert", "batch_create"])
def test_new_records_are_not_made_by_such_a_key(hubspot: HubSpotSandbox, verb: str) -> None:
    """The error says why, and which property would do."""
    with pytest.raises(SettingsError, match=r"'domain' isn't unique, so nothing tells whether .* erp_id"):
        getattr(HubSpotHook(), verb)("companies", rows_of(1), **BY_DOMAIN)


def test_a_key_may_change(hubspot: HubSpotSandbox) -> None:
    """The record is found by its old domain, and written by its id."""
    rows = [{"domain": "c1.example.com", "new": "one.example.com"}]
    assert counts(sync(rows, properties={"new": "domain"})) == {"updated": 1}
    assert hubspot.objects("companies")["1001"]["properties"]["domain"] == "one.example.com"


@pytest.mark.parametrize(
    ("kind", "details", "value"),
    [
        ("number", {}, 7),
        ("date", {}, "2024-02-29"),
        ("datetime", {}, "2024-02-29T12:00:00Z"),
        ("enumeration", {"options": [{"value": "gold", "label": "Gold"}, {"value": "tin", "label": "Tin"}]}, "Gold"),
        ("phone_number", {}, "+32 9 1234567"),
    ],
)
def test_any_type_of_property_names_records(
    hubspot: HubSpotSandbox, kind: str, details: dict[str, Any], value: Any
) -> None:
    """Its value is what the definition makes of the row's."""
    hubspot.add_property("companies", {"name": "key", "type": kind, **details})
    held = "gold" if kind == "enumeration" else "7" if kind == "number" else str(value)
    hubspot.set_value("companies", "1001", "key", held)
    report = sync([{"key": value, "city": "x"}], id_column="key", id_property="key")
    assert counts(report) == {"updated": 1}
    assert cities(hubspot) == {"1001": "x"}


@pytest.mark.parametrize(
    ("kind", "details"),
    [
        ("empty_results", {}),
        ("result_left_out", {"results": 2}),
        ("foreign_results", {"results": 2}),
        ("truncated", {}),
        ("garbage", {}),
        ("empty_body", {}),
        ("cut_during_reply", {}),
        ("rate_limited", {"policy": "SECONDLY"}),
        ("status", {"status": 503}),
    ],
)
def test_a_reply_that_misleads_once_costs_no_row(hubspot: HubSpotSandbox, kind: str, details: dict[str, Any]) -> None:
    """It is asked again; nobody is missing, and nobody of a shared domain is written."""
    hubspot.faults.add(kind, path="/search", count=2, **details)
    report = sync(rows_of(*range(30)))
    assert report.summary()["rejected_by_category"] == {"AMBIGUOUS_ID": 2}
    assert report.summary()["updated"] == 28
    assert set(cities(hubspot)) == {str(1_000 + n) for n in range(30) if n not in SHARED}


def test_a_search_that_is_refused_is_split(hubspot: HubSpotSandbox) -> None:
    """Down to the value that it is about."""
    hubspot.faults.add("status", path="/search", count=1, status=400, category="VALIDATION_ERROR", message="no")
    assert sync(rows_of(1, 2, 3)).summary()["updated"] == 3
    assert len(sent(hubspot, "/search")) == 3


def test_a_token_that_may_not_search_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the scope that reading takes."""
    scopes = ("crm.objects.companies.write", "crm.schemas.companies.read")
    with HubSpotSandbox(records={"companies": 3}, tokens={DEFAULT_TOKEN: scopes}) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", sandbox.connection())
        with pytest.raises(MissingScopesError, match=r"crm\.objects\.companies\.read"):
            sync(rows_of(1))


def test_an_owner_may_name_records_too(hubspot: HubSpotSandbox) -> None:
    """Odd, but the owner's address is understood here as in a value."""
    hubspot.set_value("companies", "1001", "hubspot_owner_id", "71001")
    rows = [{"owner": "Ines.Costa@example.com", "city": "x"}, {"owner": "nobody@example.com", "city": "x"}]
    report = sync(rows, id_column="owner", id_property="hubspot_owner_id")
    assert report.summary()["rejected_by_category"] == {"UNKNOWN_OWNER": 1}
    assert cities(hubspot) == {"1001": "x"}
