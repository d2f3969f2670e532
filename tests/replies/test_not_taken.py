"""Rows that HubSpot accepts without keeping their values, against a server that does so."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch.core.checkpoint import Checkpoint
from airflow_provider_hubbatch.core.model import Status
from airflow_provider_hubbatch.core.options import UpdateOptions
from airflow_provider_hubbatch.exceptions import SyncStoppedError
from airflow_provider_hubbatch.hooks import HubSpotHook
from airflow_provider_hubbatch.sync.resume import key_of
from airflow_provider_hubbatch.sync.tries import TaskTry
from tests.replies.scripted_hubspot import Answer, ScriptedHubSpot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_provider_hubbatch.sync.sync import Sync

STAGES = [{"value": value, "label": value.title()} for value in ("lead", "customer")]
DEFINITIONS: list[dict[str, Any]] = [
    {"name": "lifecyclestage", "type": "enumeration", "fieldType": "radio", "options": STAGES},
    {"name": "amount", "type": "number"},
    {"name": "city", "type": "string"},
    {"name": "ext", "type": "string", "hasUniqueValue": True},
]


def customers(count: int, **how: Any) -> ScriptedHubSpot:
    """Contacts that are customers, and stay so whatever is sent."""
    records = {str(n): {"lifecyclestage": "customer", "ext": f"E{n}"} for n in range(1, count + 1)}
    how = {"keeps": {"lifecyclestage": "customer"}, "definitions": DEFINITIONS, **how}
    return ScriptedHubSpot(records, **how)


@pytest.mark.parametrize("version", ["2026-03", "2026-09"])
@pytest.mark.parametrize("preflight", [True, False])
def test_a_stage_that_goes_back_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path, version: str, preflight: bool
) -> None:
    """150 customers set back to lead: all updated, each saying that its stage wasn't taken; so do summary and log."""
    with customers(150) as hubspot, caplog.at_level(logging.WARNING):
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", hubspot.connection(api_version=version))
        rows = [{"id": n, "lifecyclestage": "lead", "city": "Bonn", "amount": f"{n}.50"} for n in range(1, 151)]
        report = HubSpotHook().batch_update("contacts", rows, preflight=preflight, results_path=str(tmp_path))
    assert report.counts == {Status.UPDATED: 150}
    summary = report.summary()
    assert (summary["updated"], summary["rejected"], summary["not_taken"]) == (150, 0, {"lifecyclestage": 150})
    assert {tuple(one["not_taken"]) for one in report.results() or []} == {("lifecyclestage",)}
    written = [json.loads(line) for path in tmp_path.glob("*.jsonl") for line in path.read_text().splitlines()]
    assert [one["not_taken"] for one in written] == [["lifecyclestage"]] * 150
    told = [record.getMessage() for record in caplog.records if "another value" in record.getMessage()]
    assert told == ["Written, but HubSpot shows another value (or link) than the one sent: lifecyclestage in 150 rows"]
    report.raise_for_rejected()


SILENT: dict[str, Callable[[Any, Any], Any]] = {
    "no properties": lambda *_: None,
    "defaults only": lambda *_: {"createdate": "2026-01-01T00:00:00Z"},
}


@pytest.mark.parametrize("shows", SILENT.values(), ids=SILENT)
def test_a_reply_that_shows_nothing_leaves_it_open(
    monkeypatch: pytest.MonkeyPatch, shows: Callable[[Any, Any], Any]
) -> None:
    """The rows are updated, and nothing is said of their values."""
    with customers(3, shows=shows) as hubspot:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", hubspot.connection())
        report = HubSpotHook().batch_update("contacts", [{"id": n, "lifecyclestage": "lead"} for n in (1, 2, 3)])
    assert report.counts == {Status.UPDATED: 3}
    assert report.summary()["not_taken"] == {}
    assert not any("not_taken" in one for one in report.results() or [])


def test_a_value_that_the_reply_leaves_out_beside_others_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reply that shows a row's other properties and not this one hasn't taken it."""

    def without_stage(sent: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
        return {name: record[name] for name in sent if name != "lifecyclestage"}

    with customers(1, shows=without_stage) as hubspot:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", hubspot.connection())
        rows = [{"id": 1, "lifecyclestage": "lead", "city": "Bonn"}]
        report = HubSpotHook().batch_update("contacts", rows)
    assert report.summary()["not_taken"] == {"lifecyclestage": 1}


def test_a_batch_that_is_read_back_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a unique property, replies don't say whose record is whose: what is read back shows the values."""

    def without_key(sent: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
        return {name: record[name] for name in sent if name != "ext"}

    with customers(40, shows=without_key) as hubspot:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", hubspot.connection())
        rows = [{"key": f"E{n}", "lifecyclestage": "lead", "city": "Bonn"} for n in range(1, 41)]
        report = HubSpotHook().batch_update("contacts", rows, id_column="key", id_property="ext")
    assert report.counts == {Status.UPDATED: 40}
    assert report.summary()["not_taken"] == {"lifecyclestage": 40}


def test_a_row_that_was_not_taken_is_sent_again_by_the_next_sync(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """``skip_unchanged`` with a path remembers what HubSpot has: not a value that it didn't keep."""
    with customers(2) as hubspot:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", hubspot.connection())
        monkeypatch.setattr(hubspot, "get", _with_account(hubspot))
        rows = [{"id": 1, "lifecyclestage": "lead"}, {"id": 2, "lifecyclestage": "customer"}]
        for counts in ({Status.UPDATED: 2}, {Status.UPDATED: 1, Status.UNCHANGED: 1}):
            report = HubSpotHook().batch_update("contacts", rows, skip_unchanged=str(tmp_path / "state"))
            assert report.counts == counts
            assert report.summary()["not_taken"] == {"lifecyclestage": 1}


def _with_account(hubspot: ScriptedHubSpot) -> Callable[[str], Answer]:
    usual = hubspot.get
    return lambda path: Answer(200, {"portalId": 7}) if path.startswith("/account-info/") else usual(path)


class Store(dict[str, Any]):
    """A task's state store."""

    def set(self, key: str, value: Any) -> None:
        """Store a value, as JSON."""
        self[key] = json.loads(json.dumps(value))

    def delete(self, key: str) -> None:
        """Remove a value."""
        self.pop(key, None)


def _stopped_at_row(run: Sync, row: int) -> None:
    for number, _ in enumerate(run):
        if number == row:
            run.stop()


def test_a_retry_keeps_what_an_earlier_try_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The outcome's names and the summary's counts survive a stopped task."""
    store = Store()
    rows = [{"id": n, "lifecyclestage": "lead"} for n in range(1, 301)]

    def start(hubspot: ScriptedHubSpot) -> Sync:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", hubspot.connection())
        options = UpdateOptions(preflight=False, max_in_flight=1)
        return HubSpotHook().start_sync("contacts", rows, options, this_try=TaskTry(store=store))

    with customers(300) as hubspot:
        with pytest.raises(SyncStoppedError):
            _stopped_at_row(start(hubspot), 50)
        kept = Checkpoint.from_json(store[key_of("update")])
        assert 0 < kept.not_taken["lifecyclestage"] == len(kept.settled) < 300
        report = start(hubspot).finish()
    assert report.resumed_rows == len(kept.settled)
    assert report.summary()["not_taken"] == {"lifecyclestage": 300}
    assert [one["not_taken"] for one in report.results() or []] == [["lifecyclestage"]] * 300
