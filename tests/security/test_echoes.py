"""Servers and proxies that repeat what they were sent, and everything of ours that could be kept: no secret in it."""

from __future__ import annotations

import base64
import json
import logging
import pickle
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch import exceptions
from airflow_provider_hubbatch.core.options import UpdateOptions
from airflow_provider_hubbatch.core.protocol import Reply, Request
from airflow_provider_hubbatch.exceptions import AuthenticationError, HubSpotError, RequestRefusedError
from airflow_provider_hubbatch.hooks import HubSpotHook
from airflow_provider_hubbatch.sandbox import HubSpotSandbox, OAuthApp
from airflow_provider_hubbatch.sync.sync import Sync
from tests.clients import impatient_client
from tests.raw_server import http_reply, serving

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

TOKEN = "pat-na1/5ecret+t0ken"
PROXY_PASSWORD = "pr0xy/p4ss"
BASIC = base64.b64encode(f"me:{PROXY_PASSWORD}".encode()).decode()
OAUTH = OAuthApp(client_id="app", client_secret="cl13nt-s3cr3t", refresh_token="r3fr3sh-s3cr3t")
SECRETS = [TOKEN, PROXY_PASSWORD, BASIC, OAUTH.client_secret, OAUTH.refresh_token]


def numbered(text: str) -> str:
    """JSON that writes every character by its number."""
    return "".join(f"\\u{ord(one):04x}" for one in text)


def everything_of(error: BaseException) -> str:
    """What can be printed or kept of an exception: texts, attributes, its pickle, local variables."""
    parts = [str(error), repr(error), repr(vars(error)), repr(pickle.dumps(error))]
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    ours = [frame for frame in shown.stack if "airflow_provider_hubbatch" in frame.filename]
    return "\n".join([*parts, *shown.format_exception_only(), *(repr(frame.locals) for frame in ours)])


def leaks(text: str) -> list[str]:
    """Which secrets are in a text, in some spelling."""
    spellings = {one: {one, json.dumps(one)[1:-1], numbered(one), one.replace("/", "\\/")} for one in SECRETS}
    return [one for one, spelled in spellings.items() if any(spelling in text for spelling in spelled)]


def connect(monkeypatch: pytest.MonkeyPatch, host: str, **extra: Any) -> None:
    connection = {"conn_type": "hubspot", "password": TOKEN, "host": host, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", json.dumps(connection))


ECHOES: dict[str, Callable[[str], bytes]] = {
    "message": lambda said: json.dumps({"message": said, "category": "ECHO"}).encode(),
    "escaped": lambda said: f'{{"message": "{numbered(said)}", "category": "ECHO"}}'.encode(),
    "slashes": lambda said: json.dumps({"message": said}).replace("/", "\\/").encode(),
    "correlation id": lambda said: json.dumps({"correlationId": said, "message": "no"}).encode(),
    "category": lambda said: json.dumps({"category": said, "status": said, "subCategory": said}).encode(),
    "policy": lambda said: json.dumps({"policyName": said, "errorType": said}).encode(),
    "details": lambda said: json.dumps({"errors": [{"message": said, "code": said, "in": said}]}).encode(),
    "context": lambda said: json.dumps({"context": {"requiredGranularScopes": [said], "ids": [said]}}).encode(),
    "page": lambda said: f"<html>You sent {said}</html>".encode(),
}


@pytest.mark.parametrize("status", [400, 401, 403, 500])
@pytest.mark.parametrize("echo", ECHOES)
def test_echoes_of_a_server_that_repeats_all_it_was_sent(
    echo: str, status: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """In whatever field, and in the correlation id's header: no secret in the exception, its pickle, or the log."""
    said = f"Bearer {TOKEN} {PROXY_PASSWORD} {BASIC}"

    def answer(connection: socket.socket) -> None:
        header = f"X-HubSpot-Correlation-Id: {TOKEN}"
        connection.sendall(http_reply(ECHOES[echo](said), header, status=f"{status} No"))

    with serving(answer) as proxy, caplog.at_level(logging.DEBUG):
        login = f"me:{PROXY_PASSWORD.replace('/', '%2F')}"
        connect(monkeypatch, "http://hubspot.invalid", proxies=proxy.url.replace("://", f"://{login}@"))
        client = impatient_client(0.05)
        with pytest.raises(HubSpotError) as single:
            client.request("GET", "/crm/v3/owners")
        run = Sync(client, "contacts", [{"id": "1", "city": "x"}], UpdateOptions(preflight=False))
        with pytest.raises(HubSpotError) as whole:
            run.finish().raise_for_rejected()
    assert proxy.requests
    assert leaks(everything_of(single.value) + everything_of(whole.value)) == []
    assert leaks(json.dumps(whole.value.report.summary()) + json.dumps(whole.value.report.results())) == []
    assert leaks(caplog.text) == []


@pytest.mark.parametrize("secret", [OAUTH.client_secret, OAUTH.refresh_token])
@pytest.mark.parametrize("echo", ECHOES)
def test_echoes_of_the_token_endpoint(
    echo: str, secret: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is sent the app's secrets, and may repeat them: as ``status``, ``error`` or anything else."""
    with HubSpotSandbox(oauth=OAUTH) as hubspot, caplog.at_level(logging.DEBUG):
        for body in (ECHOES[echo](secret), json.dumps({"error": secret, "correlationId": secret}).encode()):
            hubspot.faults.clear()
            hubspot.faults.add("reply", status=400, body=body.decode(), path="/oauth/", count=None)
            monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", hubspot.oauth_connection())
            hook = HubSpotHook()
            for ask in (hook.account, hook.get_conn):
                with pytest.raises(AuthenticationError) as caught:
                    ask()
                assert leaks(everything_of(caught.value)) == []
    assert leaks(caplog.text) == []


def test_echoes_through_httphooks_own_way(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """``get_conn()`` and ``run()``: a refusal that repeats the token, and a token endpoint that is down."""
    with serving(http_reply(ECHOES["message"](TOKEN), status="400 No")) as server, caplog.at_level(logging.DEBUG):
        connect(monkeypatch, server.url)
        hook = HubSpotHook()
        with pytest.raises(RequestRefusedError) as caught:
            hook.run("crm/v3/owners")
    assert leaks(everything_of(caught.value) + caplog.text) == []
    oauth = {"auth_type": "oauth", "client_id": "app", "client_secret": OAUTH.client_secret}
    connect(monkeypatch, "http://127.0.0.1:9", **oauth, refresh_token=OAUTH.refresh_token)
    with pytest.raises(HubSpotError, match="no access token") as down:
        HubSpotHook().get_conn()
    assert leaks(everything_of(down.value)) == []
    assert (down.value.__cause__, down.value.__context__) == (None, None)


# --- what can be kept ---------------------------------------------------------------------------------------------

MADE: dict[str, dict[str, Any]] = {
    "MissingScopesError": {"scopes": ("a.b",)},
    "RequestRefusedError": {"status": 400, "category": "ECHO", "hubspot_message": "no"},
    "UnavailableError": {"retry_after_seconds": 5.0},
    "DailyQuotaError": {"retry_after_seconds": 5.0},
}


@pytest.mark.parametrize("name", exceptions.__all__)
def test_every_exception_survives_a_pickle(name: str) -> None:
    """With its text and all its attributes: a pool of processes hands exceptions on so."""
    error = getattr(exceptions, name)("what happened", correlation_id="5f1c", **MADE.get(name, {}))
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), vars(again)) == (str(error), vars(error))


def test_a_hook_pickles_without_its_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes without what it has read of the connection, and reads it again where it arrives."""
    with HubSpotSandbox(tokens={TOKEN: None}) as hubspot:
        connect(monkeypatch, hubspot.url, proxies={"https": f"http://me:{PROXY_PASSWORD.replace('/', '%2F')}@p:1"})
        hook = HubSpotHook()
        hook.get_conn(extra_options={"proxies": {"http": PROXY_PASSWORD}})
        assert hook.account()["portalId"] == 123_456
        kept = pickle.dumps(hook)
        assert leaks(repr(kept)) == []
        assert pickle.loads(kept).account()["portalId"] == 123_456


def test_requests_and_replies_show_no_body() -> None:
    """In a debugger, a log or a tracker: method, path and status only."""
    assert TOKEN not in repr(Request("POST", "/x", TOKEN.encode())) + repr(Reply(200, {"X": TOKEN}, TOKEN.encode()))
