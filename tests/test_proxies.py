"""The connection's transport settings, each against a real proxy or TLS server on loopback."""

from __future__ import annotations

import base64
import json
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch.client.http import Http, SendOptions
from airflow_provider_hubbatch.core.protocol import Request
from airflow_provider_hubbatch.exceptions import SettingsError, UnavailableError
from airflow_provider_hubbatch.hooks import HubSpotHook
from tests.clients import impatient_client
from tests.raw_server import http_reply, serving
from tests.tls import self_signed

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from airflow_provider_hubbatch.client.client import HubSpotClient
    from tests.tls import Certificate

DETAILS = http_reply(b'{"portalId": 7}')
USER, PASSWORD = "me", "p@ss:w0rd/hunter2"
LOGIN = "me:p%40ss%3Aw0rd%2Fhunter2"
NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "requests_ca_bundle", "curl_ca_bundle")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment says nothing of its own."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


class Listener:
    """Accepts connections on loopback, and has each handled in a thread."""

    def __init__(self, handle: Callable[[socket.socket], None]) -> None:
        self.seen: list[Any] = []
        self._handle = handle
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            self._handle(connection)

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()


@pytest.fixture
def listening() -> Iterator[Callable[..., Listener]]:
    """Start listeners, which end with the test."""
    started: list[Listener] = []

    def start(handle: Callable[[socket.socket], None]) -> Listener:
        started.append(Listener(handle))
        return started[-1]

    yield start
    for one in started:
        one.close()


def relay(one: socket.socket, other: socket.socket) -> None:
    """Pass on what comes, both ways, until one side ends."""

    def copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=copy, args=(one, other), daemon=True)
    thread.start()
    copy(other, one)
    thread.join(10)


def tunnel(listening: Callable[..., Listener], to_port: int, context: ssl.SSLContext | None = None) -> Listener:
    """An HTTP proxy that makes tunnels to one port, whatever the host; it notes what it was asked.

    :param context: the proxy itself speaks TLS.
    """

    def handle(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) if context else connection as secured:
            head = b""
            while b"\r\n\r\n" not in head:
                head += secured.recv(65_536)
            proxy.seen.append(head)
            secured.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with socket.create_connection(("127.0.0.1", to_port)) as target:
                relay(secured, target)

    proxy = listening(handle)
    return proxy


def socks5(listening: Callable[..., Listener], to_port: int) -> Listener:
    """A SOCKS5 proxy with a login; it notes the login and the host that it is asked for."""

    def handle(connection: socket.socket) -> None:
        _, methods = connection.recv(2)
        offered = connection.recv(methods)
        login = None
        if 2 in offered:
            connection.sendall(b"\x05\x02")
            _, length = connection.recv(2)
            user = connection.recv(length)
            login = (user.decode(), connection.recv(connection.recv(1)[0]).decode())
            connection.sendall(b"\x01\x00")
        else:
            connection.sendall(b"\x05\x00")
        kind = connection.recv(4)[3]
        host = connection.recv(connection.recv(1)[0]).decode() if kind == 3 else socket.inet_ntoa(connection.recv(4))
        connection.recv(2)
        proxy.seen.append((login, host))
        connection.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
        with socket.create_connection(("127.0.0.1", to_port)) as target:
            relay(connection, target)

    proxy = listening(handle)
    return proxy


def tls_hubspot(listening: Callable[..., Listener], context: ssl.SSLContext) -> Listener:
    """A server with TLS that answers every request with an account; it notes who the client says it is."""

    def handle(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            while secured.recv(65_536):
                hubspot.seen.append(secured.getpeercert())
                secured.sendall(DETAILS)

    hubspot = listening(handle)
    return hubspot


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    """Of ``localhost``."""
    return self_signed(tmp_path)


def connect(monkeypatch: pytest.MonkeyPatch, host: str, **extra: Any) -> HubSpotClient:
    """A client of a connection with this host and extra."""
    connection = {"conn_type": "hubspot", "password": "a-t0ken", "host": host, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", json.dumps(connection))
    return impatient_client()


# --- proxies ------------------------------------------------------------------------------------------------------


def test_https_goes_through_a_tunnel_with_the_proxys_login(
    listening: Callable[..., Listener], certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy gets its login and the host's name, and nothing of the request: that is between us and the host."""
    hubspot = tls_hubspot(listening, certificate.server_context())
    proxy = tunnel(listening, hubspot.port)
    proxies = {"https": f"http://{LOGIN}@127.0.0.1:{proxy.port}"}
    client = connect(monkeypatch, "https://localhost:1", proxies=proxies, verify=str(certificate.ca))
    assert client.account() == {"portalId": 7}
    (head,) = proxy.seen
    assert head.startswith(b"CONNECT localhost:1 HTTP/1.")
    assert base64.b64encode(f"{USER}:{PASSWORD}".encode()) in head
    assert b"a-t0ken" not in head


def test_the_proxy_itself_may_speak_tls(
    listening: Callable[..., Listener], certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``https://`` proxies: TLS to the proxy, and TLS to the host inside it; both are verified."""
    hubspot = tls_hubspot(listening, certificate.server_context())
    proxy = tunnel(listening, hubspot.port, certificate.server_context())
    proxies = {"https": f"https://localhost:{proxy.port}"}
    client = connect(monkeypatch, "https://localhost:1", proxies=proxies, verify=str(certificate.ca))
    assert client.account() == {"portalId": 7}
    with pytest.raises(UnavailableError, match=r"proxy|certificate"):
        connect(monkeypatch, "https://localhost:1", proxies=proxies).account()


@pytest.mark.parametrize(("scheme", "host"), [("socks5h", "hubspot.invalid"), ("socks5", "127.0.0.1")])
def test_socks_proxies(
    listening: Callable[..., Listener], monkeypatch: pytest.MonkeyPatch, scheme: str, host: str
) -> None:
    """With their login; ``socks5h`` leaves the name to the proxy."""
    with serving(lambda connection: connection.sendall(DETAILS)) as hubspot:
        port = int(hubspot.url.rpartition(":")[2])
        proxy = socks5(listening, port)
        client = connect(monkeypatch, f"http://{host}:1", proxies=f"{scheme}://{LOGIN}@127.0.0.1:{proxy.port}")
        assert client.account() == {"portalId": 7}
        assert proxy.seen == [((USER, PASSWORD), host)]


def test_a_proxy_that_wants_a_login_is_a_setting(
    listening: Callable[..., Listener], monkeypatch: pytest.MonkeyPatch
) -> None:
    """407 of the proxy: told at once, with where to put the login."""

    def refuse(connection: socket.socket) -> None:
        connection.recv(65_536)
        proxy.seen.append(None)
        connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")

    proxy = listening(refuse)
    client = connect(monkeypatch, "https://localhost:1", proxies={"https": f"http://127.0.0.1:{proxy.port}"})
    with pytest.raises(SettingsError, match="the proxy wants a login"):
        client.account()
    assert len(proxy.seen) == 1


@pytest.mark.parametrize(
    ("environment", "extra", "through_proxy"),
    [
        ({"HTTP_PROXY": "PROXY"}, {}, True),
        ({"ALL_PROXY": "PROXY"}, {}, True),
        ({"HTTP_PROXY": "PROXY"}, {"trust_env": False}, False),
        ({"HTTP_PROXY": "PROXY", "NO_PROXY": "localhost"}, {}, False),
        ({"HTTP_PROXY": "PROXY", "NO_PROXY": "example.com,.host"}, {}, False),
        ({"HTTP_PROXY": "PROXY", "NO_PROXY": "example.com"}, {}, True),
        ({"HTTP_PROXY": "http://127.0.0.1:9"}, {"proxies": {"http": "PROXY"}}, True),
        ({"NO_PROXY": "localhost"}, {"proxies": {"http": "PROXY"}}, True),
        ({"HTTPS_PROXY": "PROXY"}, {}, False),
        ({}, {"proxies": {"http://localhost": "PROXY"}}, True),
        ({}, {"proxies": {"all": "PROXY"}}, True),
        ({}, {"proxies": {"https": "PROXY"}}, False),
    ],
    ids=str,
)
def test_the_environments_proxies(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], extra: dict[str, Any], through_proxy: bool
) -> None:
    """As everywhere in Python: the connection's proxies first, then the environment's, but for ``NO_PROXY``."""
    host = "api.host" if ".host" in environment.get("NO_PROXY", "") else "localhost"
    with (
        serving(lambda connection: connection.sendall(DETAILS)) as proxy,
        serving(lambda connection: connection.sendall(DETAILS)) as hubspot,
    ):
        for name, value in environment.items():
            monkeypatch.setenv(name, value.replace("PROXY", proxy.url))
        extra = json.loads(json.dumps(extra).replace("PROXY", proxy.url))
        client = connect(monkeypatch, f"http://{host}:{hubspot.url.rpartition(':')[2]}", **extra)
        assert bool(client.send_options.proxy) is through_proxy
        if host == "localhost":
            assert client.account() == {"portalId": 7}
            assert [len(proxy.requests), len(hubspot.requests)] == ([1, 0] if through_proxy else [0, 1])


def test_hooks_session_goes_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """``run()`` uses the proxy of the environment too."""
    with serving(lambda connection: connection.sendall(DETAILS)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        connect(monkeypatch, "http://hubspot.invalid")
        hook = HubSpotHook()
        hook.method = "GET"
        assert hook.run("account-info/2026-03/details").json() == {"portalId": 7}
        assert len(proxy.requests) == 1


# --- certificates -------------------------------------------------------------------------------------------------


def test_verify_may_be_a_folder_of_those_who_are_trusted(
    listening: Callable[..., Listener], certificate: Certificate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is taken instead of the usual certificates: an empty one trusts nobody."""
    hubspot = tls_hubspot(listening, certificate.server_context())
    empty = tmp_path / "folder"
    empty.mkdir()
    with pytest.raises(UnavailableError, match="not trusted"):
        connect(monkeypatch, f"https://localhost:{hubspot.port}", verify=str(empty)).account()


def test_a_client_certificate_is_shown(
    listening: Callable[..., Listener], certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``cert``: a file with certificate and key, or a file of each."""
    hubspot = tls_hubspot(listening, certificate.server_context(wants_client=certificate.ca))
    for cert in (str(certificate.pair), [str(certificate.ca), str(certificate.pair)]):
        host = f"https://localhost:{hubspot.port}"
        client = connect(monkeypatch, host, verify=str(certificate.ca), cert=cert)
        assert client.account() == {"portalId": 7}
    assert [bool(one) for one in hubspot.seen] == [True, True]


def test_files_that_are_no_certificates_are_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Told before anything is sent: a text as ``verify`` or ``cert``, and a key with a password."""
    text = tmp_path / "notes.txt"
    text.write_text("no certificate")
    locked = self_signed(tmp_path, key_password=b"hunter2")
    for extra, words in (
        ({"verify": str(text)}, "verify"),
        ({"cert": str(text)}, "cert"),
        ({"cert": str(locked.pair)}, "password"),
    ):
        with pytest.raises(SettingsError, match=words):
            connect(monkeypatch, "https://localhost:1", **extra)


# --- sockets ------------------------------------------------------------------------------------------------------


def test_connections_are_kept_alive_and_send_at_once() -> None:
    """TCP keep-alive, so that a firewall forgets no idle connection; no waiting for more to send (TCP_NODELAY)."""
    with serving(lambda connection: connection.sendall(DETAILS)) as server:
        http = Http(SendOptions(base_url=server.url), {})
        http.exchange(Request("GET", "/"), {})
        connection: Any = http._pool._get_conn()
        sock = connection.sock
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
        sock.close()
