"""A checkpoint is about one HubSpot account, and a connection may say which account it must be."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch.core.options import UpdateOptions
from airflow_provider_hubbatch.exceptions import DailyQuotaError, SettingsError, UnavailableError
from airflow_provider_hubbatch.hooks import HubSpotHook
from airflow_provider_hubbatch.sandbox import HubSpotSandbox
from airflow_provider_hubbatch.sync.sync import Sync
from tests.clients import impatient_client
from tests.resume.resuming import DictStore, rows_of, stopped_after, sync, times_sent, updates, wrong_titles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROWS = 1_500
ACCOUNT = "/account-info/2026-03/details"


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., HubSpotSandbox]]:
    """Start an account with 1,500 contacts, at the address of those before it, which are gone."""
    running: list[HubSpotSandbox] = []
    port = 0

    def start(**options: Any) -> HubSpotSandbox:
        nonlocal port
        for sandbox in running:
            sandbox.stop()
        sandbox = HubSpotSandbox(
            records={"contacts": ROWS}, latency_ms=30, requests_per_10_seconds=10_000, port=port, **options
        ).start()
        running.append(sandbox)
        port = int(sandbox.url.rpartition(":")[2])
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", sandbox.connection())
        return sandbox

    yield start
    for sandbox in running:
        sandbox.stop()


@pytest.mark.parametrize("preflight", [True, False])
def test_another_account_starts_over(
    account: Callable[..., HubSpotSandbox], caplog: pytest.LogCaptureFixture, preflight: bool
) -> None:
    """The connection leads to another account since: every row is sent there, and the log says why."""
    first, store = account(portal_id=1), DictStore()
    rows = rows_of(first.objects("contacts"))
    stopped_after(5, sync(rows, store, preflight=preflight), first)
    second = account(portal_id=2)
    with caplog.at_level(logging.WARNING):
        summary = sync(rows, store, preflight=preflight).finish().summary()
    assert (summary["updated"], summary["resumed_rows"]) == (ROWS, 0)
    assert wrong_titles(second, rows) == []
    assert "Starting over: the checkpoint is about another HubSpot account" in caplog.text


@pytest.mark.parametrize("preflight", [True, False])
def test_the_same_account_goes_on(account: Callable[..., HubSpotSandbox], preflight: bool) -> None:
    """It is asked for once a try, also without preflight."""
    hubspot, store = account(), DictStore()
    rows = rows_of(hubspot.objects("contacts"))
    stopped_after(5, sync(rows, store, preflight=preflight), hubspot)
    assert sync(rows, store, preflight=preflight).finish().resumed_rows > 0
    assert set(times_sent(updates(hubspot)).values()) == {1}
    assert len([request for request in hubspot.requests if request.path == ACCOUNT]) == 2


def test_without_a_checkpoint_nobody_asks(account: Callable[..., HubSpotSandbox]) -> None:
    """A sync that nothing depends on costs no call for it."""
    hubspot = account()
    HubSpotHook().batch_update("contacts", rows_of(hubspot.objects("contacts")), preflight=False)
    assert [request.path for request in hubspot.requests if "batch/update" not in request.path] == []


def test_where_the_account_is_not_told_the_token_is(
    account: Callable[..., HubSpotSandbox], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same token goes on; another one starts over; the checkpoint has nothing of it."""
    tokens = {"pat-na1-the-one": None, "pat-na1-the-other": None}
    hubspot, store = account(tokens=tokens), DictStore()
    hubspot.faults.add("missing_scopes", path=ACCOUNT, count=None)
    rows = rows_of(hubspot.objects("contacts"))
    stopped_after(3, sync(rows, store), hubspot)
    assert "pat-na1" not in json.dumps(store.texts)
    second = stopped_after(3, sync(rows, store), hubspot)
    assert second.resumed_rows > 0
    other = json.loads(hubspot.connection()) | {"password": "pat-na1-the-other"}
    monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", json.dumps(other))
    with caplog.at_level(logging.WARNING):
        assert sync(rows, store).finish().resumed_rows == 0
    assert "Starting over: the checkpoint is about another HubSpot account" in caplog.text


def test_an_account_that_is_not_told_any_more_starts_over(account: Callable[..., HubSpotSandbox]) -> None:
    """Nothing says that it is still the same one."""
    hubspot, store = account(), DictStore()
    rows = rows_of(hubspot.objects("contacts"))
    stopped_after(5, sync(rows, store), hubspot)
    hubspot.faults.add("missing_scopes", path=ACCOUNT, count=None)
    assert sync(rows, store).finish().resumed_rows == 0


def test_a_spent_quota_keeps_the_checkpoint(account: Callable[..., HubSpotSandbox]) -> None:
    """HubSpot doesn't tell the account then: no reason to start over, since nothing can be sent either."""
    hubspot, store = account(), DictStore()
    rows = rows_of(hubspot.objects("contacts"))
    stopped_after(5, sync(rows, store, preflight=False), hubspot)
    hubspot.spend_daily_quota(leave=0, resets_in_seconds=60)
    with pytest.raises(DailyQuotaError):
        sync(rows, store, preflight=False).finish()
    hubspot.reset_limits()
    assert sync(rows, store, preflight=False).finish().resumed_rows > 0


@pytest.mark.parametrize("options", [{}, {"preflight": False}, {"validate_only": True}], ids=str)
@pytest.mark.parametrize("wanted", [7, "7", " 7 "])
def test_the_wrong_account_is_not_written_to(
    account: Callable[..., HubSpotSandbox], monkeypatch: pytest.MonkeyPatch, wanted: int | str, options: dict[str, Any]
) -> None:
    """portal_id in the connection's extra: another account stops the sync before its first write, naming both."""
    hubspot = account(portal_id=8)
    monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", hubspot.connection(portal_id=wanted))
    with pytest.raises(SettingsError, match=r"'hubspot_default'.* account 8.*portal_id.* 7") as caught:
        HubSpotHook().batch_update("contacts", rows_of(hubspot.objects("contacts")), **options)
    assert updates(hubspot) == []
    assert caught.value.report.rows == 0


def test_the_right_account_is_written_to(
    account: Callable[..., HubSpotSandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard costs one call, and no row."""
    hubspot = account(portal_id=7)
    monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", hubspot.connection(portal_id=7))
    report = HubSpotHook().batch_update("contacts", rows_of(hubspot.objects("contacts")), preflight=False)
    assert report.summary()["updated"] == ROWS
    assert report.summary()["requests"] == len(hubspot.requests) == ROWS // 100 + 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "missing_scopes"}, SettingsError),
        ({"kind": "reply", "body": {"portalId": True}}, SettingsError),
        ({"kind": "reply", "body": ["nonsense"]}, SettingsError),
        ({"kind": "garbage"}, UnavailableError),
    ],
    ids=str,
)
def test_an_account_that_can_not_be_checked_is_not_written_to(
    account: Callable[..., HubSpotSandbox],
    monkeypatch: pytest.MonkeyPatch,
    fault: dict[str, Any],
    error: type[Exception],
) -> None:
    """A guard that is set and can't look stops the sync; what may pass is left to a retry."""
    hubspot = account(portal_id=7)
    monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", hubspot.connection(portal_id=7))
    hubspot.faults.add(**fault, path=ACCOUNT, count=None)
    with pytest.raises(error) as caught:
        Sync(impatient_client(), "contacts", rows_of(hubspot.objects("contacts")), UpdateOptions()).finish()
    assert type(caught.value) is error
    assert updates(hubspot) == []


@pytest.mark.parametrize("wanted", ["eight", 0, -1, True, 1.5, [7]])
def test_a_portal_id_that_is_none_is_a_setting(
    account: Callable[..., HubSpotSandbox], monkeypatch: pytest.MonkeyPatch, wanted: Any
) -> None:
    """The message names the key and the connection."""
    monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", account().connection(portal_id=wanted))
    with pytest.raises(SettingsError, match=r"'portal_id' of connection 'hubspot_default'.* number"):
        _ = HubSpotHook().client


def test_the_button_says_that_it_is_another_account(
    account: Callable[..., HubSpotSandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first sync does."""
    hubspot = account(portal_id=8)
    monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", hubspot.connection(portal_id=7))
    works, words = HubSpotHook().test_connection()
    assert not works
    assert "account 8" in words
    assert "portal_id says 7" in words
