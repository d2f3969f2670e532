"""OAuth: one refresh for all threads, before the token expires; failures are waited out, or told with what to do."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch.client.client import HubSpotClient
from airflow_provider_hubbatch.client.http_failures import NoReplyError
from airflow_provider_hubbatch.client.tokens import OAuthToken, RefreshUnansweredError
from airflow_provider_hubbatch.core.protocol import Reply, Request
from airflow_provider_hubbatch.core.redact import Redactor
from airflow_provider_hubbatch.core.verdicts import FailureKind, RetryPolicy
from airflow_provider_hubbatch.exceptions import AuthenticationError, UnavailableError
from airflow_provider_hubbatch.hooks import HubSpotHook
from airflow_provider_hubbatch.sandbox import HubSpotSandbox, OAuthApp

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_hubbatch.sandbox import RecordedRequest

TOKEN_PATH = "/oauth/2026-03/token"
LIFE_SECONDS = 1.0


def connected(monkeypatch: pytest.MonkeyPatch, hubspot: HubSpotSandbox, **extra: Any) -> HubSpotHook:
    monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", hubspot.oauth_connection(**extra))
    return HubSpotHook()


def refreshes(hubspot: HubSpotSandbox) -> list[RecordedRequest]:
    return [one for one in hubspot.requests if one.path == TOKEN_PATH]


def test_oauth_a_hundred_threads_share_each_refresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """100 senders and a token that lives 1 s, for 4 s: each token was asked for once, and no 401 is anybody's answer.

    On a busy machine a request may take longer to arrive than its token lives: it is told apart, and sent again.
    """
    app = OAuthApp(expires_in_seconds=LIFE_SECONDS)
    with HubSpotSandbox(oauth=app, requests_per_10_seconds=None, daily_limit=None, latency_ms=200) as hubspot:
        hook = connected(monkeypatch, hubspot)
        sent = ended = good = 0
        transport = hook.client.channel()
        started = transport.now()
        until = started + 4
        while ended < sent or transport.now() < until:
            while sent - ended < 100 and transport.now() < until:
                transport.submit(sent, Request("GET", "/account-info/2026-03/details"))
                sent += 1
            for completion in transport.wait(1.0):
                ended += 1
                good += completion.reply is not None
                assert completion.failure in (None, FailureKind.NO_TOKEN)
                assert completion.reply is None or completion.reply.status == 200
        seconds = transport.now() - started
        asked = refreshes(hubspot)
        tokens = {one.headers["authorization"] for one in hubspot.requests if one.path != TOKEN_PATH}
    assert good > 100
    assert tokens == {f"Bearer sandbox-oauth-access-token-{number}" for number in range(1, len(asked) + 1)}
    # a refresh comes when half of a life has passed, not before: one for each token
    assert 2 <= len(asked) <= 1 + seconds / (LIFE_SECONDS / 2)


def test_oauth_a_token_that_expires_on_the_way_costs_a_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """A 401 for a token that has expired by our own clock: the request goes again with the next one, a create too."""
    with HubSpotSandbox() as hubspot:
        hook = connected(monkeypatch, hubspot)
        token = hook.client.token
        assert isinstance(token, OAuthToken)
        token._clock = ClockThatRuns([0.0])
        assert hook.account()
        hubspot.expire_tokens()
        token._clock = ClockThatRuns([0.0, 1800.0])  # when the token is taken, and when the 401 is there
        body = {"inputs": [{"properties": {"email": "a@example.com"}}]}
        created = hook.request("POST", "/crm/objects/2026-03/contacts/batch/create", body, repeatable=False)
        assert len(created["results"]) == 1
        assert [one.status for one in hubspot.requests] == [200, 200, 401, 200, 201]


def test_oauth_keeps_a_changed_refresh_token_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """HubSpot replaces the refresh token at every refresh: each refresh uses the last one, and the log tells once."""
    app = OAuthApp(expires_in_seconds=1, rotates_refresh_tokens=True)
    with HubSpotSandbox(oauth=app) as hubspot:
        hook = connected(monkeypatch, hubspot)
        clock = Clock()
        token = hook.client.token
        assert isinstance(token, OAuthToken)
        token._clock = clock
        for _ in range(3):
            token.authorization()
            clock.now += 1
        assert len({one.body for one in refreshes(hubspot)}) == 3
        assert {one.status for one in refreshes(hubspot)} == {200}
    told = [record for record in caplog.records if "replaced the OAuth refresh token" in record.message]
    assert len(told) == 1
    assert "sandbox-refresh-token" not in caplog.text


@pytest.mark.parametrize(
    ("error", "extra", "words"),
    [
        ("invalid_grant", {"refresh_token": "nonsense-refresh"}, "install the app in the account again"),
        ("BAD_REFRESH_TOKEN", {"refresh_token": "nonsense-refresh"}, "install the app in the account again"),
        ("BAD_CLIENT_ID", {"client_id": "nobody"}, "client_id names no app"),
        ("BAD_CLIENT_SECRET", {"client_secret": "nonsense-secret"}, "client_secret is not the app's"),
    ],
)
def test_oauth_refusal_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, error: str, extra: dict[str, str], words: str
) -> None:
    """A refused refresh ends the sync at once: one request in all, HubSpot's reason, what to do, no secret."""
    with HubSpotSandbox(records={"contacts": 5}) as hubspot:
        if error in {"invalid_grant", "BAD_REFRESH_TOKEN"}:
            hubspot.switch(bad_refresh_token_error=error)
        hook = connected(monkeypatch, hubspot, **extra)
        rows = [{"id": one, "city": "Ghent"} for one in hubspot.objects("contacts")]
        with pytest.raises(AuthenticationError, match=words) as caught:
            hook.batch_update("contacts", rows)
        assert error in str(caught.value)
        assert "nonsense" not in str(caught.value)
        assert [one.path for one in hubspot.requests] == [TOKEN_PATH]
        with pytest.raises(AuthenticationError):
            hook.account()
        assert len(hubspot.requests) == 1  # refused once is refused


def test_oauth_never_refreshes_because_of_a_401(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that HubSpot ended early: the first 401 ends it all; nothing is refreshed, nothing more is sent."""
    with HubSpotSandbox(records={"contacts": 5}) as hubspot:
        hook = connected(monkeypatch, hubspot)
        assert hook.account()
        hubspot.expire_tokens()
        with pytest.raises(AuthenticationError):
            hook.account()
        assert [one.status for one in hubspot.requests] == [200, 200, 401]


def test_oauth_waits_for_a_token_endpoint_that_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """The token endpoint fails for a while: nothing is sent meanwhile, then everything is."""
    with HubSpotSandbox(records={"contacts": 250}) as hubspot:
        hubspot.faults.add("status", status=503, path="/oauth/", count=1)
        hubspot.faults.add("cut_before_write", path="/oauth/", count=1)
        hubspot.faults.add("garbage", path="/oauth/", count=1)
        hook = connected(monkeypatch, hubspot)
        rows = [{"id": one, "city": "Ghent"} for one in hubspot.objects("contacts")]
        report = hook.batch_update("contacts", rows, preflight=False)
        assert report.summary()["updated"] == 250
        assert len(refreshes(hubspot)) == 4
        assert {one.status for one in hubspot.requests if one.path != TOKEN_PATH} == {200}


def test_oauth_a_token_endpoint_that_stays_down_is_told_with_its_correlation_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What HubSpot's support asks for is in the exception, though the request itself never left."""
    with HubSpotSandbox() as hubspot:
        hubspot.faults.add("status", status=503, path="/oauth/", count=None)
        settings = connected(monkeypatch, hubspot).client.settings
        policy = RetryPolicy(max_elapsed_seconds=0.2, backoff_cap_seconds=0.1)
        client = HubSpotClient(settings, user_agent="test", policy=policy)
        with pytest.raises(UnavailableError, match="the token endpoint answered 503") as caught:
            client.account()
        assert caught.value.correlation_id
        assert caught.value.correlation_id in str(caught.value)
        assert {one.path for one in hubspot.requests} == {TOKEN_PATH}


class Clock:
    """Seconds, as told."""

    now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


class ClockThatRuns:
    """One time after the other, the last one for good."""

    def __init__(self, times: list[float]) -> None:
        self._times = times

    def __call__(self) -> float:
        """The next one."""
        return self._times.pop(0) if len(self._times) > 1 else self._times[0]


def token_of(
    post: Callable[[str, bytes], Reply], clock: Clock | None = None, redactor: Redactor | None = None
) -> OAuthToken:
    return OAuthToken(
        client_id="id",
        client_secret="client-5ecret",
        refresh_token="refresh-t0ken",
        post=post,
        api_version="2026-03",
        redactor=redactor or Redactor(),
        clock=clock or Clock(),
    )


@pytest.mark.parametrize("failure", [503, 429, NoReplyError(FailureKind.REFUSED, "down"), 400])
def test_oauth_all_who_wait_share_a_failed_refresh(failure: int | Exception) -> None:
    """50 threads that need a token while the endpoint is down ask it once, not 50 times one after the other."""
    asked: list[bytes] = []
    all_wait = threading.Event()

    def post(_: str, form: bytes) -> Reply:
        asked.append(form)
        all_wait.wait(10)
        if isinstance(failure, Exception):
            raise failure
        return Reply(failure, {}, b"{}")

    token = token_of(post)
    errors: list[BaseException] = []

    def need() -> None:
        try:
            token.authorization()
        except Exception as error:  # noqa: BLE001 - looked at below
            errors.append(error)

    threads = [threading.Thread(target=need) for _ in range(50)]
    for thread in threads:
        thread.start()
    threading.Timer(0.5, all_wait.set).start()
    for thread in threads:
        thread.join(20)
    assert len(asked) == 1
    assert len(errors) == 50
    with pytest.raises((RefreshUnansweredError, NoReplyError, AuthenticationError)):
        token.authorization()
    assert len(asked) == (1 if failure == 400 else 2)  # later, it is asked again, unless it refused


@pytest.mark.parametrize(
    ("told", "renewed_after"),
    [(1800, 1740), (2, 1.0), (100, 50), ("soon", 1740), (-5, 1740), (True, 1740), (1e300, 1740), (None, 1740)],
)
def test_oauth_renews_before_the_time_that_hubspot_tells(told: Any, renewed_after: float) -> None:
    """A minute before the end, or after half of a short life; half an hour where nothing sensible is told."""
    clock = Clock()
    count = 0

    def post(*_: object) -> Reply:
        nonlocal count
        count += 1
        return Reply(200, {}, json.dumps({"access_token": f"t{count}", "expires_in": told}).encode())

    token = token_of(post, clock)
    assert token.authorization() == "Bearer t1"
    clock.now = renewed_after - 0.01
    assert token.authorization() == "Bearer t1"
    clock.now = renewed_after
    assert token.authorization() == "Bearer t2"


def test_oauth_a_token_is_outdated_when_it_has_expired_or_been_replaced() -> None:
    """What a 401 is compared with: the time that HubSpot told, and the token that is used now."""
    clock, names = Clock(), iter("ab")
    token = token_of(lambda *_: Reply(200, {}, json.dumps({"access_token": next(names)}).encode()), clock)
    first = token.authorization()
    clock.now = 1799.9
    assert not token.is_outdated(first)
    clock.now = 1800.0
    assert token.is_outdated(first)
    second = token.authorization()
    assert token.is_outdated(first)
    assert not token.is_outdated(second)


@pytest.mark.parametrize("token", ["", "two words", "a\r\nX-Evil: 1", "t\u00f6ken", 5, None, ["x"], "x" * 10_000])
def test_oauth_takes_no_token_that_is_none(token: Any) -> None:
    """An access token that could be no header's value is refused, and not shown."""
    asked = token_of(lambda *_: Reply(200, {}, json.dumps({"access_token": token}).encode()))
    with pytest.raises(AuthenticationError) as caught:
        asked.authorization()
    assert "Evil" not in str(caught.value)


def test_oauth_secrets_are_known_to_the_masker() -> None:
    """Client secret, refresh tokens and access tokens: old ones and new ones."""
    body = {"access_token": "acc3ss", "refresh_token": "n3w-refresh", "scopes": ["a", 5]}
    redactor = Redactor()
    token = token_of(lambda *_: Reply(200, {}, json.dumps(body).encode()), redactor=redactor)
    token.authorization()
    assert redactor.secrets == ["client-5ecret", "refresh-t0ken", "acc3ss", "n3w-refresh"]
    assert token.scopes == frozenset({"a"})
