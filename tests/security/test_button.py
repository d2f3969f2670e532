"""What the connection form's button says: of good connections, and of each way in which one can be wrong."""

from __future__ import annotations

import json
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch.hooks import HubSpotHook
from airflow_provider_hubbatch.sandbox import HubSpotSandbox, OAuthApp
from tests.tls import self_signed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "pat-na1-5ecret-t0ken"
OURS = "crm.objects.contacts.write"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment has no proxy of its own."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def press(monkeypatch: pytest.MonkeyPatch, connection: str | None = None, **fields: Any) -> tuple[bool, str]:
    """Press the button; it never shows a secret."""
    value = connection or json.dumps({"conn_type": "hubspot", "password": TOKEN, **fields})
    monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", value)
    works, said = HubSpotHook().test_connection()
    assert TOKEN not in said
    assert "hunter2" not in said
    return works, said


@pytest.fixture
def unused_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def test_button_names_account_kind_limit_and_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that a right connection leads to, in one sentence; and nothing was changed by asking."""
    with HubSpotSandbox(records={"contacts": 3}, account_type="DEVELOPER_TEST") as hubspot:
        before = hubspot.objects("contacts")
        works, said = press(monkeypatch, hubspot.connection())
        assert works
        assert said.startswith(
            "HubSpot account 123456 (developer test): 190 requests per 10 s, 249,999 API calls left today. "
            "No write scope was found missing"
        )
        assert "Custom objects: not checked" in said
        assert hubspot.objects("contacts") == before
        assert [one.json for one in hubspot.requests[1:]] == [{"inputs": []}] * 4


def test_button_says_that_the_connection_caps_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cap of the connection's own is told as such."""
    with HubSpotSandbox() as hubspot:
        assert (
            "50 requests per 10 s as this connection caps it"
            in press(monkeypatch, hubspot.connection(requests_per_10_seconds=50))[1]
        )


def test_button_names_missing_write_scopes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a token that may write contacts only, the others are named."""
    with HubSpotSandbox(tokens={TOKEN: [OURS]}) as hubspot:
        works, said = press(monkeypatch, hubspot.connection())
    assert works
    assert "Missing write scopes: crm.objects.companies.write (to write companies), crm.objects.deals.write" in said
    assert "tickets (to write tickets)" in said
    assert OURS not in said


def test_button_reads_the_scopes_of_an_oauth_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """OAuth's refresh tells the scopes: nothing else is asked for them."""
    with HubSpotSandbox(oauth=OAuthApp(scopes=frozenset({OURS, "tickets"}))) as hubspot:
        works, said = press(monkeypatch, hubspot.oauth_connection())
        assert works
        assert "Missing write scopes: crm.objects.companies.write (to write companies), crm.objects.deals.write" in said
        assert len(hubspot.requests) == 2


@pytest.mark.parametrize("status", [404, 500])
def test_button_says_what_it_could_not_check(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """Where the answer doesn't tell whether a scope is there, it says "not checked"."""
    with HubSpotSandbox() as hubspot:
        hubspot.faults.add("status", status=status, path="/batch/update", count=None)
        works, said = press(monkeypatch, hubspot.connection())
    assert works
    assert said.endswith("Write scopes: not checked")


def test_button_wrong_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """401: put a valid token into the password; one request."""
    with HubSpotSandbox() as hubspot:
        works, said = press(monkeypatch, host=hubspot.url)
        assert len(hubspot.requests) == 1
    assert (works, "doesn't accept the access token" in said) == (False, True)


def test_button_wrong_oauth(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refresh token that HubSpot doesn't take."""
    with HubSpotSandbox() as hubspot:
        works, said = press(monkeypatch, hubspot.oauth_connection(refresh_token="nonsense-hunter2"))
    assert (works, "doesn't refresh the OAuth token" in said) == (False, True)


def test_button_nobody_listens(monkeypatch: pytest.MonkeyPatch, unused_port: int) -> None:
    """A wrong port."""
    works, said = press(monkeypatch, host=f"http://127.0.0.1:{unused_port}")
    assert (works, "nothing listens at the connection's host" in said) == (False, True)


def test_button_no_such_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong name."""
    works, said = press(monkeypatch, host="https://hubspot.invalid")
    assert not works
    assert "the name of the connection's host https://hubspot.invalid can't be resolved" in said


def test_button_dead_proxy(monkeypatch: pytest.MonkeyPatch, unused_port: int) -> None:
    """A proxy that nobody listens on, whose password isn't shown."""
    proxy = f"http://me:hunter2@127.0.0.1:{unused_port}"
    for scheme in ("http", "https"):
        works, said = press(
            monkeypatch, host=f"{scheme}://hubspot.invalid", extra={"proxies": {"http": proxy, "https": proxy}}
        )
        assert (works, "the proxy can't be reached" in said) == (False, True)
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    assert "the proxy can't be reached" in press(monkeypatch)[1]


@pytest.mark.parametrize("proxy", ["http://", "socks9://127.0.0.1:1"])
def test_button_nonsense_proxy(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    """A proxy that is none."""
    works, said = press(monkeypatch, extra={"proxies": {"https": proxy}})
    assert (works, "prox" in said) == (False, True)


def test_button_a_host_that_is_not_hubspot(monkeypatch: pytest.MonkeyPatch) -> None:
    """A redirect, a page, an answer that names no account: each says that this isn't HubSpot's API."""
    with HubSpotSandbox() as hubspot:
        for fault, words in (
            ({"kind": "redirect"}, "this is not HubSpot's API, check host and proxies"),
            ({"kind": "html", "status": 200}, "200 with a body that is not the JSON asked for"),
            ({"kind": "reply", "body": {"hello": "world"}}, "it names no account"),
            ({"kind": "html", "status": 407}, "check host and proxies"),
        ):
            hubspot.faults.clear()
            hubspot.faults.add(count=None, **fault)
            works, said = press(monkeypatch, hubspot.connection())
            assert (works, words in said) == (False, True), said


def test_button_hubspot_down_or_throttling(monkeypatch: pytest.MonkeyPatch) -> None:
    """What passes is tried again for a few seconds only, then told."""
    with HubSpotSandbox() as hubspot:
        for fault, words in (
            ({"kind": "status", "status": 503}, "503"),
            ({"kind": "rate_limited", "retry_after": 10}, "429"),
            ({"kind": "migrating", "retry_after": 3600}, "477"),
            ({"kind": "hang", "seconds": 60}, "no reply in time"),
        ):
            hubspot.faults.clear()
            hubspot.faults.add(count=None, **fault)  # type: ignore[arg-type]
            works, said = press(monkeypatch, hubspot.connection(timeout=2))
            assert (works, words in said) == (False, True), said


# --- certificates ----------------------------------------------------------------------------------------------------


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[tuple[str, Path, list[bytes]]]:
    """A server with a certificate that nobody vouches for: its URL, the certificate, what it was sent."""
    certificate = self_signed(tmp_path)
    context, pem = certificate.server_context(), certificate.ca
    received: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(plain, server_side=True) as secured:
                    received.append(secured.recv(65_536))
                    body = b'{"portalId": 7, "accountType": "SANDBOX"}'
                    secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body))
                    secured.sendall(body)
            except OSError:
                continue

    threading.Thread(target=serve, daemon=True).start()
    yield f"https://localhost:{listener.getsockname()[1]}", pem, received
    listener.close()


def test_button_certificate_that_nobody_vouches_for(
    monkeypatch: pytest.MonkeyPatch, tls_server: tuple[str, Path, list[bytes]]
) -> None:
    """A self-signed certificate: said so at once, with what to do; the token was not sent."""
    url, _, received = tls_server
    works, said = press(monkeypatch, host=url)
    assert (works, "the host's certificate is not trusted (self-signed certificate" in said) == (False, True), said
    assert "verify" in said
    assert received == []


def test_button_honours_verify_as_a_path(
    monkeypatch: pytest.MonkeyPatch, tls_server: tuple[str, Path, list[bytes]], capfd: pytest.CaptureFixture[str]
) -> None:
    """With the CA's certificate as verify, or in the environment, the same host is trusted, without a warning."""
    url, pem, received = tls_server
    works, said = press(monkeypatch, host=url, extra={"verify": str(pem)})
    assert works, said
    assert said.startswith("HubSpot account 7 (sandbox)")
    assert b"Authorization: Bearer " + TOKEN.encode() in received[0]
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pem))
    assert press(monkeypatch, host=url)[0]
    assert not press(monkeypatch, host=url, extra={"trust_env": False})[0]
    assert "warning" not in capfd.readouterr().out.lower()


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_button_warns_once_of_certificates_that_are_not_verified(
    monkeypatch: pytest.MonkeyPatch, tls_server: tuple[str, Path, list[bytes]], capfd: pytest.CaptureFixture[str]
) -> None:
    """Verify off: it works, and the log warns, once."""
    works, said = press(monkeypatch, host=tls_server[0], extra={"verify": False})
    assert works, said
    assert capfd.readouterr().out.count("can read the token and the rows") == 1


def test_button_no_tls_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Https to a port that speaks plain HTTP."""
    with HubSpotSandbox() as hubspot:
        works, said = press(monkeypatch, host=hubspot.url.replace("http:", "https:"))
    assert (works, "the host speaks no TLS there" in said) == (False, True), said


@pytest.mark.parametrize("extra", [{"verify": "/nowhere/ca.pem"}, {"cert": "/nowhere/cert.pem"}])
def test_button_names_a_file_that_is_not_there(monkeypatch: pytest.MonkeyPatch, extra: dict[str, str]) -> None:
    """A path of certificates that doesn't exist."""
    works, said = press(monkeypatch, extra=extra)
    assert (works, "there is no such file here" in said) == (False, True)
    assert next(iter(extra)) in said


def test_button_warns_of_plain_http_to_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """http:// to another machine sends the token in clear: the log says so. On loopback it is nobody's business."""
    press(monkeypatch, host="http://hubspot.invalid")
    assert "is http://" in capfd.readouterr().out
    with HubSpotSandbox() as hubspot:
        press(monkeypatch, hubspot.connection())
    assert "is http://" not in capfd.readouterr().out


# --- the form of older Airflows --------------------------------------------------------------------------------------


def test_form_of_older_airflows_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 3.2 the hook tells the form's fields, with the stand-ins for WTForms that Airflow has: the same form."""
    import sys
    from types import ModuleType

    from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService

    from airflow_provider_hubbatch import get_provider_info

    wtforms, validators = ModuleType("wtforms"), ModuleType("wtforms.validators")
    for name in ("StringField", "IntegerField", "PasswordField"):
        setattr(wtforms, name, getattr(HookMetaService, f"Mock{name}"))
    validators.Optional = HookMetaService.MockOptional  # type: ignore[attr-defined]
    validators.any_of = HookMetaService.MockEnum  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wtforms", wtforms)
    monkeypatch.setitem(sys.modules, "wtforms.validators", validators)
    (form,) = get_provider_info()["connection-types"]
    shown = {name: widget.param.dump() for name, widget in HubSpotHook.get_connection_form_widgets().items()}
    assert list(shown) == list(form["conn-fields"])
    for name, declared in form["conn-fields"].items():
        schema = shown[name]["schema"]
        assert schema["title"] == declared["label"]
        assert shown[name]["description"] == declared["description"]
        assert shown[name]["value"] == declared["schema"].get("default")
        for key in ("type", "format", "enum"):
            assert schema.get(key) == declared["schema"].get(key)
    behaviour = HubSpotHook.get_ui_field_behaviour()
    assert behaviour["hidden_fields"] == form["ui-field-behaviour"]["hidden-fields"]
    assert set(behaviour) == {"hidden_fields", "relabeling", "placeholders"}
