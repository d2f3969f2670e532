"""Errors of access end it all at the first reply; names from rows and settings lead to no other endpoint."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch.core.model import Status
from airflow_provider_hubbatch.exceptions import (
    AccessError,
    AuthenticationError,
    MissingScopesError,
    SettingsError,
)
from airflow_provider_hubbatch.hooks import HubSpotHook
from airflow_provider_hubbatch.sandbox import HubSpotSandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "pat-na1-of-this-test"
READS = ["crm.objects.contacts.read", "crm.schemas.contacts.read"]
NASTY = [
    "../../oauth",
    "..%2f..",
    "a/b",
    "a.b",
    ".",
    "..",
    "a\nb",
    "a\r\nX-Evil: 1",
    "a?b=c",
    "a#b",
    "a b",
    "\u0000",
    "%2e%2e",
]


@pytest.fixture
def hubspot(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubSpotSandbox]:
    """A local HubSpot whose token may read contacts only."""
    with HubSpotSandbox(records={"contacts": 400}, tokens={TOKEN: READS}) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", sandbox.connection())
        yield sandbox


def rows_of(hubspot: HubSpotSandbox) -> list[dict[str, Any]]:
    return [{"id": one, "city": "Ghent"} for one in hubspot.objects("contacts")]


@pytest.mark.parametrize("place", ["context", "errors"])
def test_access_missing_scope_ends_it_at_the_first_reply(hubspot: HubSpotSandbox, place: str) -> None:
    """403: one update was sent of four, no retry, the scope is named wherever HubSpot names it, rows are not_sent."""
    hubspot.switch(missing_scopes_in=place)
    with pytest.raises(MissingScopesError, match=r"crm\.objects\.contacts\.write") as caught:
        HubSpotHook().batch_update("contacts", rows_of(hubspot), max_in_flight=1)
    assert caught.value.scopes == ("crm.objects.contacts.write",)
    assert [one.status for one in hubspot.requests if one.path.endswith("/batch/update")] == [403]
    assert caught.value.report.counts == {Status.NOT_SENT: 400}


@pytest.mark.parametrize("preflight", [True, False])
def test_access_wrong_token_ends_it_at_the_first_reply(
    monkeypatch: pytest.MonkeyPatch, hubspot: HubSpotSandbox, preflight: bool
) -> None:
    """401: one request in all."""
    connection = {**json.loads(hubspot.connection()), "password": "pat-na1-another"}
    monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", json.dumps(connection))
    with pytest.raises(AuthenticationError):
        HubSpotHook().batch_update("contacts", rows_of(hubspot), max_in_flight=1, preflight=preflight)
    assert [one.status for one in hubspot.requests] == [401]


@pytest.mark.parametrize("kind", ["unauthorized", "missing_scopes"])
def test_access_lost_on_the_way_sends_nothing_after_it(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that ends amid a sync of 60 requests: those under way are answered, none is started after the refusal."""
    with HubSpotSandbox(records={"contacts": 6_000}, requests_per_10_seconds=None, latency_ms=30) as hubspot:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", hubspot.connection())
        hubspot.faults.add(kind, path="/batch/update", skip=10, count=None)
        with pytest.raises(AccessError) as caught:
            HubSpotHook().batch_update("contacts", rows_of(hubspot), max_in_flight=4, preflight=False)
        updates = [one for one in hubspot.requests if one.path.endswith("/batch/update")]
        first = min(one.answered_at for one in updates if one.fault)
        # a moment for the reply to be read
        assert [one for one in updates if one.received_at > first + 0.1] == []
        assert len(updates) <= 20
        report = caught.value.report
        assert sum(report.counts.values()) == 6_000
        assert report.counts[Status.UPDATED] == 1_000


@pytest.mark.parametrize("name", NASTY)
def test_access_no_object_type_leads_elsewhere(hubspot: HubSpotSandbox, name: str) -> None:
    """An object type is a word: anything else is a wrong setting, before anything is sent."""
    with pytest.raises(SettingsError, match="object_type"):
        HubSpotHook().batch_update(name, [{"id": 1, "city": "x"}])
    with pytest.raises(SettingsError):
        HubSpotHook().properties(name)
    assert hubspot.requests == []


@pytest.mark.parametrize("name", NASTY)
def test_access_no_id_column_or_property_leads_elsewhere(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Ids, property names and id properties go into bodies only: every request goes to the one endpoint."""
    with HubSpotSandbox(records={"contacts": 3}) as hubspot:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", hubspot.connection())
        hook = HubSpotHook()
        report = hook.batch_update("contacts", [{"id": name, "city": "x"}], preflight=False)
        assert report.counts[Status.UPDATED] == 0
        report = hook.batch_update("contacts", [{"id": "1", name: "x"}], preflight=False)
        assert report.counts[Status.UPDATED] == 0
        with pytest.raises(SettingsError):
            hook.batch_update("contacts", [{"id": "1", "city": "x"}], id_property=name)
        ours = "/crm/objects/2026-03/contacts/batch/"
        assert {one.path for one in hubspot.requests} <= {
            f"{ours}update",
            f"{ours}read",
            "/crm/properties/2026-03/contacts",
            "/account-info/2026-03/details",
        }
        assert {header for one in hubspot.requests for header in one.headers if "evil" in header} == set()
