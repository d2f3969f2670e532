"""Owners by email address, against the local HubSpot."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch.check import WRONG, main
from airflow_provider_hubbatch.exceptions import SettingsError, UnavailableError
from airflow_provider_hubbatch.hooks import HubSpotHook
from airflow_provider_hubbatch.sandbox import HubSpotSandbox
from airflow_provider_hubbatch.sandbox.tokens import DEFAULT_TOKEN

if TYPE_CHECKING:
    from pathlib import Path

SCOPES = ("crm.objects.contacts.read", "crm.objects.contacts.write", "crm.schemas.contacts.read")
INES = "ines.costa@example.com"


def rows_of(*owners: Any) -> list[dict[str, Any]]:
    return [{"id": number, "hubspot_owner_id": owner} for number, owner in enumerate(owners, start=1)]


def owners_of(sandbox: HubSpotSandbox) -> list[str | None]:
    return [record["properties"].get("hubspot_owner_id") for record in sandbox.objects("contacts").values()]


def reads(sandbox: HubSpotSandbox) -> list[str]:
    return [request.path for request in sandbox.requests if "/crm/owners/" in request.path]


def test_addresses_become_ids(sandbox: HubSpotSandbox, caplog: pytest.LogCaptureFixture) -> None:
    """In any case; ids pass as they are; an unknown or archived owner rejects its row, and no address is logged."""
    caplog.set_level(logging.DEBUG)
    felix = sandbox.add_owner("felix.new@example.com")
    gone = sandbox.add_owner("gone@example.com", archived=True)
    rows = rows_of(INES, "Felix.New@Example.COM", felix, "nobody@example.com", "gone@example.com", None)
    report = HubSpotHook().batch_update("contacts", rows)
    assert report.summary()["rejected_by_category"] == {"UNKNOWN_OWNER": 2}
    assert owners_of(sandbox)[:6] == ["71001", felix, felix, None, None, None]
    assert len(reads(sandbox)) == 1
    assert gone not in owners_of(sandbox)
    assert report.summary()["requests"] == len(sandbox.requests)
    assert "@example" not in caplog.text.casefold()
    assert all("@" not in str(one.message) for one in report.rejected)


def test_owners_are_read_once_a_sync_page_by_page(sandbox: HubSpotSandbox) -> None:
    """However many rows and chunks name them: a request for every hundred owners, 3 for 205."""
    made = [sandbox.add_owner(f"owner{number}@example.com") for number in range(200)]
    rows = [[{"id": n + 1, "hubspot_owner_id": f"owner{n}@example.com"}] for n in range(200)]
    report = HubSpotHook().batch_update("contacts", rows)
    assert report.summary()["updated"] == 200
    assert owners_of(sandbox)[:200] == made
    assert len(reads(sandbox)) == 3


def test_ids_alone_ask_for_nothing(sandbox: HubSpotSandbox) -> None:
    """A token without the scope will do for them."""
    assert HubSpotHook().batch_update("contacts", rows_of("71001", 71002)).summary()["updated"] == 2
    assert reads(sandbox) == []


def test_a_missing_scope_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only where an address comes up: nothing more is sent, and every row has its outcome."""
    with HubSpotSandbox(records={"contacts": 300}, tokens={DEFAULT_TOKEN: SCOPES}) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", sandbox.connection())
        assert HubSpotHook().batch_update("contacts", rows_of(71001)).summary()["updated"] == 1
        with pytest.raises(SettingsError, match=r"hubspot_owner_id.*crm\.objects\.owners\.read") as caught:
            HubSpotHook().batch_update("contacts", rows_of(71002, INES, 71002), results_path=str(tmp_path))
        summary = caught.value.report.summary()
        assert (summary["rows"], summary["not_sent"]) == (3, 3)
        lines = [json.loads(line) for path in tmp_path.glob("*.jsonl") for line in path.read_text().splitlines()]
        assert [one["values"]["hubspot_owner_id"] for one in lines] == [71002, INES, 71002]
        assert owners_of(sandbox)[:3] == ["71001", None, None]


def test_rows_read_before_owners_fail_are_accounted_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The first address in a later chunk: what was sent before is written, all others are not_sent, to the last row."""
    with HubSpotSandbox(records={"contacts": 400}, tokens={DEFAULT_TOKEN: SCOPES}) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", sandbox.connection())
        parts = []
        for first in (1, 101, 201, 301):
            part = tmp_path / f"rows-{first}.csv"
            owners = [INES if number in (250, 399) else 71001 for number in range(first, first + 100)]
            lines = [f"{first + place},{owner}" for place, owner in enumerate(owners)]
            part.write_text("\n".join(["id,hubspot_owner_id", *lines]))
            parts.append(str(part))
        with pytest.raises(SettingsError, match="owners") as caught:
            HubSpotHook().batch_update("contacts", parts, results_path=str(tmp_path / "results"))
        summary = caught.value.report.summary()
        lines = [line for path in (tmp_path / "results").glob("*.jsonl") for line in path.read_text().splitlines()]
        outcomes = [json.loads(line) for line in lines]
        written = {str(one["id"]) for one in outcomes if one["status"] == "updated"}
        assert sorted(one["row"] for one in outcomes) == list(range(400))
        assert {one["status"] for one in outcomes} <= {"updated", "not_sent", "unknown"}
        assert summary["rows"] == 400
        assert all(int(one["id"]) <= 200 for one in outcomes if one["status"] != "not_sent")
        assert {
            name for name, one in sandbox.objects("contacts").items() if one["properties"].get("hubspot_owner_id")
        } >= written
        assert len(reads(sandbox)) == 1


def test_owners_that_cannot_be_read_are_waited_for(sandbox: HubSpotSandbox) -> None:
    """As every other request."""
    sandbox.faults.add("status", status=503, count=2, path="/crm/owners/")
    sandbox.faults.add("truncated", path="/crm/owners/", skip=2)
    assert HubSpotHook().batch_update("contacts", rows_of(INES)).summary()["updated"] == 1


@pytest.mark.parametrize(
    "body",
    [
        "",
        [],
        {"results": "none"},
        {"results": [{"id": "1", "email": INES}], "paging": {"next": {"after": "7"}}},
    ],
)
def test_what_is_no_list_of_owners_ends_the_sync(sandbox: HubSpotSandbox, body: Any) -> None:
    """Also a page that leads to itself: nothing is sent, and nobody is rejected."""
    sandbox.faults.add("reply", body=body, count=None, path="/crm/owners/")
    with pytest.raises(UnavailableError, match="owners") as caught:
        HubSpotHook().batch_update("contacts", rows_of(INES))
    assert caught.value.report.summary()["not_sent"] == 1
    assert len(reads(sandbox)) <= 2


def test_a_look_before_the_leap_reads_owners_too(
    sandbox: HubSpotSandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With validate_only, and on the command line."""
    report = HubSpotHook().batch_update("contacts", rows_of(INES, "nobody@example.com"), validate_only=True)
    assert (report.summary()["not_sent"], report.summary()["rejected"]) == (1, 1)
    rows = tmp_path / "rows.csv"
    rows.write_text(f"id,hubspot_owner_id\n1,{INES}\n2,nobody@example.com\n")
    assert main(["check", "contacts", "--rows", str(rows)]) == WRONG
    text = capsys.readouterr().out
    assert "2 rows: 1 rejected, 1 not sent" in text
    assert "1 UNKNOWN_OWNER of hubspot_owner_id" in text
    assert "nobody@example.com" not in text


def test_a_record_of_another_owner_is_told(sandbox: HubSpotSandbox) -> None:
    """must_match compares with an owner's address, too."""
    felix = sandbox.add_owner("felix.new@example.com")
    sandbox.set_value("contacts", "1", "hubspot_owner_id", felix)
    sandbox.set_value("contacts", "2", "hubspot_owner_id", "71001")
    rows = [{"id": n, "owner": "felix.new@example.com", "city": "Gent"} for n in (1, 2)]
    report = HubSpotHook().batch_update("contacts", rows, must_match={"owner": "hubspot_owner_id"})
    assert report.summary()["rejected_by_category"] == {"RECORD_MISMATCH": 1}
    assert report.summary()["updated"] == 1
