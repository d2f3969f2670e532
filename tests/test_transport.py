"""The sender threads, against real servers on loopback: good ones, broken ones and hostile ones."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch.client.http import Http, SendOptions
from airflow_provider_hubbatch.client.settings import DEFAULT_TIMEOUT_SECONDS
from airflow_provider_hubbatch.client.tokens import FixedToken
from airflow_provider_hubbatch.client.transport import Channel, Senders
from airflow_provider_hubbatch.core.protocol import Request
from airflow_provider_hubbatch.core.redact import Redactor
from airflow_provider_hubbatch.core.verdicts import FailureKind
from airflow_provider_hubbatch.exceptions import SettingsError
from tests.raw_server import http_reply, serving
from tests.tls import self_signed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_provider_hubbatch.client.dispatcher import Completion
    from airflow_provider_hubbatch.client.tokens import Token

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
SECRET = "hunter2"
TOKEN = FixedToken("t0ken")


class Tokens:
    """One token after the other; then none."""

    def __init__(self, *tokens: str) -> None:
        self._left = list(tokens)

    def authorization(self) -> str:
        """The next one."""
        return f"Bearer {self._left.pop(0)}"

    def is_outdated(self, authorization: str, /) -> bool:
        """Nobody asks."""
        raise NotImplementedError


def transport_to(url: str, *, token: Token = TOKEN, **options: Any) -> Channel:
    """The transport under test."""
    options = {"timeout_seconds": (2.0, 5.0), **options}
    return Senders(Http(SendOptions(base_url=url, **options), {}).exchange, token, Redactor()).channel()


def send(url: str, path: str = "/crm", body: bytes | None = b"{}", **options: Any) -> Completion:
    """Send one request, and how it ended."""
    transport = transport_to(url, **options)
    transport.submit(7, Request("POST", path, body))
    (completion,) = ended_of(transport, 1)
    return completion


def ended_of(transport: Channel, count: int) -> list[Completion]:
    """Wait until so many requests have ended."""
    ended: list[Completion] = []
    give_up = time.monotonic() + 30
    while len(ended) < count and time.monotonic() < give_up:
        ended += transport.wait(1.0)
    return ended


# --- good replies -------------------------------------------------------------------------------------------------


def test_transport_gives_the_reply_with_its_times() -> None:
    """Status, headers in any case, the body decompressed, and when it was sent and had been read."""
    packed = gzip.compress(b'{"results": []}')
    with serving(http_reply(packed, "Content-Encoding: gzip", "X-HubSpot-RateLimit-Max: 190")) as server:
        completion = send(server.url)
    assert completion.reply is not None
    assert (completion.tag, completion.reply.status, completion.reply.body) == (7, 200, b'{"results": []}')
    assert completion.reply.headers["x-hubspot-ratelimit-max"] == "190"
    assert completion.sent_at <= completion.ended_at


@pytest.mark.parametrize("status", ["204 No Content", "207 Multi-Status", "400 Bad", "401 No", "429 Slow", "503 Down"])
def test_transport_gives_every_status_as_a_reply(status: str) -> None:
    """A refusal is a reply, and no exception."""
    with serving(http_reply(b"", status=status)) as server:
        completion = send(server.url)
    assert completion.reply is not None
    assert completion.reply.status == int(status[:3])


def test_transport_sends_side_by_side_and_reuses_connections() -> None:
    """As many requests at once as there are threads, each on its own connection that is kept open."""
    barrier = threading.Barrier(4, timeout=10)

    def together(connection: socket.socket) -> None:
        barrier.wait()
        connection.sendall(OK)

    with serving(together) as server:
        transport = transport_to(server.url)
        ended: list[Completion] = []
        for turn in range(3):
            for tag in range(4):
                transport.submit(4 * turn + tag, Request("POST", "/crm", b"{}"))
            ended += ended_of(transport, 4)
        assert server.connections == 4
    assert sorted(completion.tag for completion in ended) == list(range(12))
    assert all(completion.reply for completion in ended)


def test_transport_gives_each_channel_its_own_replies() -> None:
    """Two syncs share threads and connections, and each is told of its own requests only."""
    with serving(OK) as server:
        senders = Senders(Http(SendOptions(base_url=server.url), {}).exchange, TOKEN, Redactor())
        channels = [senders.channel() for _ in range(2)]
        for tag, channel in enumerate(channels):
            for number in range(5):
                channel.submit(10 * tag + number, Request("POST", "/crm", b"{}"))
        for tag, channel in enumerate(channels):
            assert sorted(one.tag for one in ended_of(channel, 5)) == [10 * tag + number for number in range(5)]


def test_transport_wake_ends_a_wait() -> None:
    """wake() from another thread ends a wait at once."""
    transport = transport_to("http://127.0.0.1:9")
    threading.Timer(0.05, transport.wake).start()
    assert transport.wait(3_600.0) == []


def test_transport_has_timeouts_unless_told_otherwise() -> None:
    """Without settings, connecting and waiting both end some time."""
    assert SendOptions(base_url="http://x").timeout_seconds == DEFAULT_TIMEOUT_SECONDS
    assert all(0 < seconds <= 120 for seconds in DEFAULT_TIMEOUT_SECONDS)


def test_transport_asks_for_authorization_before_each_request() -> None:
    """A token that changed is used by the next request, and stands in no other header."""
    with serving(OK) as server:
        transport = transport_to(server.url, token=Tokens("one", "two"))
        for tag in range(2):
            transport.submit(tag, Request("POST", "/crm", b"{}"))
            ended_of(transport, 1)
        assert [_header(request, b"authorization") for request in server.requests] == [b"Bearer one", b"Bearer two"]
        assert all(request.count(b"Bearer") == 1 for request in server.requests)


def _header(request: bytes, name: bytes) -> bytes | None:
    for line in request.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]:
        if line.lower().startswith(name + b":"):
            return line.partition(b":")[2].strip()
    return None


# --- bad ones -----------------------------------------------------------------------------------------------------


def test_transport_follows_no_redirect() -> None:
    """A redirect is a reply; the token goes to no other host, and nothing is sent twice."""
    with serving(OK) as elsewhere:
        for status in ("301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"):
            with serving(http_reply(b"", f"Location: {elsewhere.url}/steal", status=status)) as server:
                completion = send(server.url)
            assert completion.reply is not None
            assert completion.reply.status == int(status[:3])
            assert len(server.requests) == 1
        assert elsewhere.requests == []


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x00\xff\x00\xff\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n",
    ],
)
def test_transport_calls_what_is_no_whole_reply_a_cut(reply: bytes) -> None:
    """A connection that ends too early, or talks no HTTP, may have had its effect: that is a cut."""
    with serving(reply) as server:
        completion = send(server.url)
    assert (completion.reply, completion.failure, completion.crash) == (None, FailureKind.CUT, None)


def test_transport_calls_a_refused_connection_refused() -> None:
    """Nobody listens: nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    completion = send(f"http://127.0.0.1:{port}")
    assert completion.failure is FailureKind.REFUSED
    assert "refused" in completion.detail.lower()


def test_transport_calls_an_unknown_host_refused() -> None:
    """No such host: nothing was sent."""
    assert send("http://hubspot.invalid").failure is FailureKind.REFUSED


def test_transport_ends_a_silent_connection() -> None:
    """A server that never answers ends in a timeout."""

    def say_nothing(_: socket.socket) -> None:
        server.done.wait(20)

    with serving(say_nothing) as server:
        completion = send(server.url, timeout_seconds=(1.0, 0.2))
    assert completion.failure is FailureKind.TIMEOUT


def test_transport_stops_an_endless_body() -> None:
    """A body that never ends is given up, and memory stays bounded."""

    def pour(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not server.done.is_set():
            connection.sendall(b"x" * 1_000_000)

    with serving(pour) as server:
        completion = send(server.url)
    assert (completion.reply, completion.failure) == (None, FailureKind.CUT)


def test_transport_stops_a_body_that_unpacks_without_end() -> None:
    """A small reply that unpacks to more than any of HubSpot's is given up."""
    with serving(http_reply(gzip.compress(bytes(100_000_000)), "Content-Encoding: gzip")) as server:
        completion = send(server.url)
    assert (completion.reply, completion.failure) == (None, FailureKind.CUT)


TRICKLES: dict[str, tuple[bytes, bytes]] = {
    "status line": (b"HTTP/1.1 200 ", b"O"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "one header": (b"HTTP/1.1 200 OK\r\nX: ", b"y"),
    "100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "body": (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x"),
    "body without an end": (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
}


def trickling(first: bytes, again: bytes) -> Callable[[socket.socket], None]:
    """Send these bytes, then others every 50 ms, for half a minute: never long enough apart for a timeout."""

    def trickle(connection: socket.socket) -> None:
        connection.sendall(first)
        for _ in range(600):
            connection.sendall(again)
            time.sleep(0.05)
        connection.shutdown(socket.SHUT_RDWR)

    return trickle


@pytest.mark.parametrize("part", TRICKLES)
def test_transport_ends_a_reply_that_trickles(part: str) -> None:
    """A reply that comes byte by byte, whichever part of it, has no more time than any other: the whole request ends
    in a timeout, after that to connect and twice that to wait.
    """
    with serving(trickling(*TRICKLES[part])) as server:
        completion = send(server.url, timeout_seconds=(0.4, 0.4))
    assert completion.failure is FailureKind.TIMEOUT


def test_transport_ends_a_proxy_that_trickles() -> None:
    """The same of a proxy that is asked for a tunnel: then nothing was sent."""
    with serving(trickling(b"HTTP/1.1 200 Fine\r\n", b"X: y\r\n")) as proxy:
        completion = send("https://hubspot.invalid", proxy=proxy.url, timeout_seconds=(0.4, 0.4))
    assert completion.failure is FailureKind.REFUSED


def test_transport_does_not_trust_an_unknown_certificate(tmp_path: Path) -> None:
    """A certificate that nobody vouches for ends the exchange before anything is sent, as a TLS failure."""
    context, received = self_signed(tmp_path).server_context(), []
    listener = socket.create_server(("127.0.0.1", 0))

    def greet() -> None:
        connection, _ = listener.accept()
        with suppress(OSError), context.wrap_socket(connection, server_side=True) as secured:
            received.append(secured.recv(65_536))

    thread = threading.Thread(target=greet, daemon=True)
    thread.start()
    with listener:
        completion = send(f"https://127.0.0.1:{listener.getsockname()[1]}")
        thread.join(10)
    assert completion.failure is FailureKind.TLS
    assert received in ([], [b""])


def test_transport_calls_a_connection_lost_in_the_handshake_no_tls_failure() -> None:
    """A connection that breaks during the TLS handshake is tried again; it says nothing of certificates."""
    listener = socket.create_server(("127.0.0.1", 0))

    def hang_up() -> None:
        connection, _ = listener.accept()
        connection.recv(1)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65_536):
            pass
        connection.close()

    threading.Thread(target=hang_up, daemon=True).start()
    with listener:
        completion = send(f"https://127.0.0.1:{listener.getsockname()[1]}")
    assert completion.failure is FailureKind.REFUSED


# --- proxies and settings -----------------------------------------------------------------------------------------


def test_transport_sends_through_a_proxy() -> None:
    """A proxy gets the request with its own login; HubSpot's token stays in Authorization."""
    with serving(OK) as proxy:
        completion = send("http://hubspot.invalid", proxy=proxy.url.replace("http://", f"http://me:{SECRET}@"))
        (request,) = proxy.requests
    assert completion.reply is not None
    assert request.startswith(b"POST http://hubspot.invalid/crm HTTP/1.1\r\n")
    assert _header(request, b"authorization") == b"Bearer t0ken"
    assert (_header(request, b"proxy-authorization") or b"").startswith(b"Basic ")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_transport_names_no_proxy_password(scheme: str) -> None:
    """What is said of a proxy that can't be reached has no password in it."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    proxy = f"http://me:{SECRET}@127.0.0.1:{port}"
    completion = send(f"{scheme}://hubspot.invalid", proxy=proxy)
    assert completion.failure is FailureKind.REFUSED
    assert completion.detail
    assert SECRET not in completion.detail


@pytest.mark.parametrize(
    "options",
    [{"proxy": "http://"}, {"proxy": "socks9://127.0.0.1:1"}, {"proxy": "http://x:y"}],
)
def test_transport_retries_no_setting_that_can_not_work(options: dict[str, Any]) -> None:
    """A proxy that is none is a wrong setting, before anything is sent."""
    with pytest.raises(SettingsError, match="prox"):
        send("http://127.0.0.1:9", **options)


def test_transport_hands_on_what_a_retry_cannot_fix() -> None:
    """An exception of ours, such as that of a token that can't be had, comes out as it is."""
    transport = transport_to("http://127.0.0.1:9", token=Tokens())
    transport.submit(1, Request("POST", "/crm", b"{}"))
    (completion,) = ended_of(transport, 1)
    assert isinstance(completion.crash, IndexError)
