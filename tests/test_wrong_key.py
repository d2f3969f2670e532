"""Rows that name the wrong records are noticed before strangers are overwritten."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch.exceptions import SettingsError
from airflow_provider_hubbatch.hooks import HubSpotHook
from airflow_provider_hubbatch.sandbox import HubSpotSandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNT = 350


@pytest.fixture
def hubspot(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubSpotSandbox]:
    """Contacts 1 to 350, numbered C-1 and on, each with two addresses; and 99999, which nobody writes to."""
    contacts: list[dict[str, Any]] = [
        {
            "id": str(number),
            "email": f"c{number}@example.com",
            "hs_additional_emails": f"old{number}@example.com",
            "customer_number": f"C-{number}",
        }
        for number in range(1, COUNT + 1)
    ]
    contacts.append({"id": "99999", "email": "stranger@example.com"})
    with HubSpotSandbox(records={"contacts": contacts}, requests_per_10_seconds=10_000) as running:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", running.connection())
        yield running


def rows_of(*wrong: int, count: int = COUNT, **more: Any) -> list[dict[str, Any]]:
    """A row for each contact; those of the wrong numbers are about somebody else."""
    return [
        {
            "id": number,
            "number": f"C-{number}",
            "mail": f"c{number if number not in wrong else 5_000 + number}@Example.com",
            "city": "Ghent",
            **more,
        }
        for number in range(1, count + 1)
    ]


def synced(rows: list[dict[str, Any]], **options: Any) -> Any:
    """A sync that writes the city, of rows whose address must be the record's."""
    options = {"properties": ["city"], "must_match": {"mail": "email"}, **options}
    return HubSpotHook().batch_update("contacts", rows, **options)


def written(hubspot: HubSpotSandbox) -> set[int]:
    """The contacts in Ghent."""
    return {int(one) for one, it in hubspot.objects("contacts").items() if it["properties"].get("city") == "Ghent"}


def counted(hubspot: HubSpotSandbox) -> dict[str, int]:
    """How many requests of each kind there were."""
    paths = [request.path.rpartition("/batch/")[2] for request in hubspot.requests if "/batch/" in request.path]
    return {verb: paths.count(verb) for verb in set(paths)}


@pytest.mark.parametrize(
    ("options", "requests"),
    [
        ({}, {"read": 4, "update": 4}),
        ({"skip_unchanged": "hubspot"}, {"read": 4, "update": 4}),
        ({"preflight": False}, {"read": 4, "update": 4}),
        ({"id_column": "number", "id_property": "customer_number"}, {"read": 4, "update": 4}),
    ],
)
def test_a_row_whose_record_disagrees_is_rejected(
    hubspot: HubSpotSandbox, options: dict[str, Any], requests: dict[str, int]
) -> None:
    """Seven rows are about somebody else: they are rejected, and nothing is written to the records that they name. Each
    record is read once, with skip_unchanged too.
    """
    wrong = {7, 50, 51, 100, 200, 349, 350}
    report = synced(rows_of(*wrong), **options)
    assert {outcome.row + 1 for outcome in report.rejected} == wrong
    assert {outcome.category for outcome in report.rejected} == {"RECORD_MISMATCH"}
    assert {outcome.record_id for outcome in report.rejected} == {str(number) for number in wrong}
    assert report.summary()["updated"] == COUNT - len(wrong)
    assert written(hubspot) == set(range(1, COUNT + 1)) - wrong
    assert counted(hubspot) == requests


def test_any_address_of_a_contact_agrees_and_an_empty_cell_says_nothing(hubspot: HubSpotSandbox) -> None:
    """A row with a former address of its contact, or with none, is written."""
    rows = rows_of(count=3)
    rows[0]["mail"], rows[1]["mail"], rows[2]["mail"] = "OLD1@example.com", None, "  "
    assert synced(rows).summary()["updated"] == 3


def test_a_record_without_the_value_disagrees(hubspot: HubSpotSandbox) -> None:
    """A record that has no such value isn't the one that the row means."""
    hubspot.set_value("contacts", "7", "email", "")
    report = synced(rows_of(count=20))
    assert [outcome.row + 1 for outcome in report.rejected] == [7]


@pytest.mark.parametrize("more", [{}, {"id_column": "number", "id_property": "customer_number"}])
def test_ten_rows_that_disagree_among_the_first_hundred_stop_the_sync(
    hubspot: HubSpotSandbox, more: dict[str, Any]
) -> None:
    """A column of other ids: nothing is written, and the error asks about id_column; every row has its outcome."""
    with pytest.raises(SettingsError, match="Is id_column right") as caught:
        synced(rows_of(*range(5, 100, 9)), **more)
    assert written(hubspot) == set()
    summary = caught.value.report.summary()
    assert summary["rejected"] >= 10
    assert summary["rows"] == summary["rejected"] + summary["not_sent"]


def test_many_rows_that_disagree_later_are_rejected(hubspot: HubSpotSandbox) -> None:
    """After the first hundred rows the column is known to be right: bad rows cost only themselves."""
    wrong = set(range(150, 250))
    report = synced(rows_of(*wrong), max_rejected=100)
    assert report.summary()["rejected"] == 100
    assert written(hubspot) == set(range(1, COUNT + 1)) - wrong


@pytest.mark.parametrize("missing_ok", [False, True])
def test_a_record_that_is_not_there_is_not_written_unseen(hubspot: HubSpotSandbox, missing_ok: bool) -> None:
    """A record that can't be read, since it was never there or was merged, is not written to, and said to be so."""
    hubspot.merge("contacts", "3", "4")
    hubspot.merge("contacts", "2", "99999")
    hubspot.switch(merged_ids_write=True)
    rows = [*rows_of(count=5), {"id": 777, "mail": "c777@example.com", "city": "Ghent"}]
    report = synced(rows, missing_ok=missing_ok)
    told = {one["row"]: (one["status"], one.get("category")) for one in report.results()}
    assert told[1] == told[2] == ("rejected", "OBJECT_MERGED")
    assert told[5] == (("missing", None) if missing_ok else ("rejected", "OBJECT_NOT_FOUND"))
    assert written(hubspot) == {1, 4, 5}
    update = next(request for request in hubspot.requests if request.path.endswith("/batch/update"))
    assert {one["id"] for one in update.json["inputs"]} == {"1", "4", "5"}


def test_columns_that_are_compared_are_not_written_by_default(hubspot: HubSpotSandbox) -> None:
    """Where properties says nothing, every column is written that no other parameter names."""
    rows = [{"id": 1, "email": "C1@example.com", "city": "Ghent"}]
    HubSpotHook().batch_update("contacts", rows, must_match={"email": "email"})
    update = next(request for request in hubspot.requests if request.path.endswith("/batch/update"))
    assert update.json["inputs"][0]["properties"] == {"city": "Ghent"}


def test_a_look_before_the_leap_compares_too(hubspot: HubSpotSandbox) -> None:
    """With validate_only the rows that disagree are rejected, and the others would be sent."""
    summary = synced(rows_of(9), validate_only=True).summary()
    assert (summary["rejected"], summary["not_sent"]) == (1, COUNT - 1)
    assert written(hubspot) == set()


@pytest.mark.parametrize(
    ("must_match", "words"),
    [
        ("email", "must_match must be a dict"),
        ({}, "must_match must name"),
        ({"mail": ""}, "must_match must name"),
        ({"mial": "email"}, "did you mean 'mail'"),
        ({"mail": "emial"}, "did you mean 'email'"),
    ],
)
def test_a_wrong_must_match_fails_before_anything_is_sent(hubspot: HubSpotSandbox, must_match: Any, words: str) -> None:
    """Each mistake is named, with the near miss."""
    with pytest.raises(SettingsError, match=words):
        synced(rows_of(count=3), must_match=must_match)
    assert counted(hubspot) == {}


# --- the warning --------------------------------------------------------------------------------------------------


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The warnings about the key."""
    return [one.getMessage() for one in caplog.records if "HubSpot's record ids" in one.getMessage()]


def test_a_warehouses_own_ids_are_warned_of(hubspot: HubSpotSandbox, caplog: pytest.LogCaptureFixture) -> None:
    """Rows by record id that are all about other contacts than the records: one warning, which says what to do."""
    rows = [{"id": n + 1, "email": f"somebody{n}@example.org", "city": "Ghent"} for n in range(300)]
    with caplog.at_level(logging.WARNING):
        HubSpotHook().batch_update("contacts", rows, max_in_flight=1)
    assert len(warned(caplog)) == 1
    assert "must_match={'email': 'email'}" in warned(caplog)[0]
    assert "somebody" not in caplog.text
    assert counted(hubspot) == {"read": 1, "update": 3}
    assert "/batch/read" in next(one.path for one in hubspot.requests if "/batch/" in one.path)


@pytest.mark.parametrize(
    ("rows", "options", "reads"),
    [
        ([{"id": n, "email": f"c{n}@example.com", "city": "Ghent"} for n in range(1, 300)], {}, 1),
        ([{"id": n, "city": "Ghent"} for n in range(1, 300)], {}, 0),
        ([{"id": n, "email": f"x{n}@example.org"} for n in range(1, 300)], {"preflight": False}, 0),
        (
            [{"id": f"C-{n}", "email": f"x{n}@example.org"} for n in range(1, 300)],
            {"id_property": "customer_number"},
            0,
        ),
    ],
)
def test_no_warning_where_records_agree_or_nothing_can_be_compared(
    hubspot: HubSpotSandbox,
    caplog: pytest.LogCaptureFixture,
    rows: list[dict[str, Any]],
    options: dict[str, Any],
    reads: int,
) -> None:
    """Nothing to compare, no preflight, or another key than record ids: no further request, and no warning."""
    with caplog.at_level(logging.WARNING):
        HubSpotHook().batch_update("contacts", rows, **options)
    assert warned(caplog) == []
    assert counted(hubspot).get("read", 0) == reads


def test_the_look_at_the_key_costs_no_sync_its_end(hubspot: HubSpotSandbox) -> None:
    """HubSpot refuses the read: the sync goes on as if it had not been asked."""
    hubspot.faults.add("status", status=403, path="/batch/read")
    rows = [{"id": n, "email": f"x{n}@example.org"} for n in range(1, 200)]
    assert HubSpotHook().batch_update("contacts", rows).summary()["updated"] == 199
