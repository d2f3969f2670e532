"""One hook in several threads: one token, one pace, nothing mixed up."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from airflow_provider_hubbatch.client.pace import Pace
from airflow_provider_hubbatch.core.model import Status
from airflow_provider_hubbatch.core.protocol import Reply, Window
from airflow_provider_hubbatch.hooks import HubSpotHook
from airflow_provider_hubbatch.sandbox import HubSpotSandbox, OAuthApp

if TYPE_CHECKING:
    import pytest

TOKEN_PATH = "/oauth/2026-03/token"
THREADS = 12


def test_threads_share_a_refresh_token_that_rotates(monkeypatch: pytest.MonkeyPatch) -> None:
    """HubSpot replaces the refresh token at every refresh, and the old one is worth nothing: in 12 threads that start
    at once, each token is refreshed once, and all 600 requests are answered.
    """
    app = OAuthApp(expires_in_seconds=2, rotates_refresh_tokens=True)
    start = threading.Barrier(THREADS)
    with HubSpotSandbox(oauth=app, requests_per_10_seconds=10_000, latency_ms=60) as hubspot:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", hubspot.oauth_connection())
        hook = HubSpotHook()

        def ask(_: int) -> list[int]:
            start.wait(10)
            return [hook.account()["portalId"] for _ in range(50)]

        with ThreadPoolExecutor(THREADS) as pool:
            answers = [one for told in pool.map(ask, range(THREADS)) for one in told]
        refreshes = [one for one in hubspot.requests if one.path == TOKEN_PATH]
        assert answers == [123_456] * (50 * THREADS)
        assert {one.status for one in hubspot.requests} == {200}
        assert len({one.body for one in refreshes}) == len(refreshes) > 2


def test_threads_never_take_one_slot_twice() -> None:
    """However many ask at the same moment, no more may send than one would have been allowed."""
    switch_interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(20):
            pace, start = Pace(requests_per_10_seconds=30), threading.Barrier(8)

            def take(pace: Pace = pace, start: threading.Barrier = start) -> int:
                start.wait(10)
                taken = 0
                for _ in range(20):
                    ticket = pace.take(1_000.0, Window.OBJECTS)
                    if ticket is not None:
                        taken += 1
                        reply = Reply(200, {}, b"{}")
                        pace.answered(ticket, Window.OBJECTS, reply, sent_at=1_000.0, answered_at=1_000.0)
                return taken

            with ThreadPoolExecutor(8) as pool:
                assert sum(one.result() for one in [pool.submit(take) for _ in range(8)]) == 30
    finally:
        sys.setswitchinterval(switch_interval)


def test_threads_share_the_accounts_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six syncs at once on one hook, at an account that allows little: each has its own outcomes, and HubSpot refuses
    none of their requests.
    """
    with HubSpotSandbox(records={"contacts": 300}, requests_per_10_seconds=25) as hubspot:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", hubspot.connection())
        hook, ids = HubSpotHook(), list(hubspot.objects("contacts"))

        def sync(number: int) -> list[str]:
            rows = [{"id": one, "city": f"Town {number}"} for one in ids[50 * number : 50 * number + 50]]
            report = hook.batch_update("contacts", rows)
            assert report.counts == {Status.UPDATED: 50}
            return [one["record_id"] for one in report.results() or []]

        with ThreadPoolExecutor(6) as pool:
            assert [one for written in pool.map(sync, range(6)) for one in written] == ids
        assert {one.status for one in hubspot.requests} == {200}
        towns = [record["properties"]["city"] for record in hubspot.objects("contacts").values()]
    assert towns == [f"Town {number // 50}" for number in range(300)]
