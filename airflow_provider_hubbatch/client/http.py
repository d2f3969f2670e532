"""One HTTP exchange with HubSpot over urllib3, by the connection's transport settings."""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError, LocationValueError, ProxySchemeUnknown, ProxySchemeUnsupported
from urllib3.util import Retry, Timeout, make_headers
from urllib3.util.ssl_ import create_urllib3_context

from airflow_provider_hubbatch.client.http_failures import no_reply
from airflow_provider_hubbatch.client.settings import DEFAULT_TIMEOUT_SECONDS
from airflow_provider_hubbatch.core.protocol import Reply
from airflow_provider_hubbatch.exceptions import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from urllib3.connectionpool import HTTPConnectionPool

    from airflow_provider_hubbatch.core.protocol import Request

# A reply to 100 inputs with every property of a record is far below this; what is larger is no reply of HubSpot's.
MAX_REPLY_BYTES = 64 * 1024 * 1024
_READ_BYTES = 256 * 1024

# The connections kept open at most: as many as there may be requests under way.
_MOST_CONNECTIONS = 256

# Nothing is repeated and no redirect is followed: HubSpot's API has none, and the token goes to no other host.
_NO_RETRIES = Retry(total=False, redirect=False)

# TCP keep-alive as providers-http switches it on: a probe after a minute without traffic, then every 20 s, five times.
_KEEP_ALIVE = [
    (level, getattr(socket, name), value)
    for level, name, value in (
        (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
        (socket.IPPROTO_TCP, "TCP_KEEPIDLE", 60),
        (socket.IPPROTO_TCP, "TCP_KEEPINTVL", 20),
        (socket.IPPROTO_TCP, "TCP_KEEPCNT", 5),
    )
    if hasattr(socket, name)
]
_SOCKET_OPTIONS = [*HTTPConnection.default_socket_options, *_KEEP_ALIVE]


@dataclass(frozen=True, slots=True)
class SendOptions:
    """What every request is sent with, the environment's settings included.

    :param base_url: scheme, host and port, no slash at the end.
    :param timeout_seconds: to connect, and between two bytes. A whole request, from connecting to the last byte of the
        reply, may take the first and twice the second.
    :param verify: ``True``, ``False`` or the path of a file or folder of CA certificates.
    :param ca_bundle: the CA certificates of ``verify=True``; ``None``: the system's.
    :param cert: the path of a client certificate, or of the certificate and its key.
    :param proxy: the URL of the proxy to go through.
    """

    base_url: str
    timeout_seconds: tuple[float, float] = DEFAULT_TIMEOUT_SECONDS
    verify: bool | str = True
    ca_bundle: str | None = None
    cert: str | tuple[str, str] | None = None
    proxy: str | None = None

    def __repr__(self) -> str:
        """Without the proxy, whose URL may hold a password."""
        return f"SendOptions({self.base_url!r})"


class Http:
    """Connections to HubSpot's host, kept open. Any number of threads may send at once.

    :param headers: sent with every request.
    :raises SettingsError: an option can't work.
    """

    def __init__(self, options: SendOptions, headers: Mapping[str, str]) -> None:
        connect, read = options.timeout_seconds
        self._most_seconds = connect + 2 * read
        self._timeout = Timeout(connect=connect, read=read)
        self._headers = dict(headers)
        self._pool = _new_pool(options)
        self._host = options.base_url
        parts = urlsplit(options.base_url)
        forwards = self._pool.proxy is not None and parts.scheme == "http"
        self._prefix = options.base_url if forwards else parts.path

    def exchange(self, request: Request, headers: Mapping[str, str]) -> Reply:
        """Send one request and read its reply, whatever its status.

        :param headers: besides those of every request.
        :raises NoReplyError: there is no reply.
        :raises SettingsError: the proxy wants a login.
        """
        _under_way.deadline, _under_way.sent = time.monotonic() + self._most_seconds, False
        try:
            response = self._pool.urlopen(
                request.method,
                self._prefix + request.path,
                body=request.body,
                headers={**self._headers, **headers},
                retries=_NO_RETRIES,
                redirect=False,
                assert_same_host=False,
                timeout=self._timeout,
                preload_content=False,
            )
            try:
                body = _read(response)
            except BaseException:
                response.close()
                raise
            finally:
                response.release_conn()
        except HTTPError as error:
            raise no_reply(error, self._host, sent=_under_way.sent) from error
        return Reply(response.status, response.headers, body)


def _read(response: urllib3.BaseHTTPResponse) -> bytes:
    parts, size = [], 0
    # What has arrived, and not a full block: a body that trickles would fill none before its deadline
    while part := response.read1(_READ_BYTES, decode_content=True):
        parts.append(part)
        size += len(part)
        if size > MAX_REPLY_BYTES:
            raise urllib3.exceptions.DecodeError("the reply is larger than any of HubSpot's")
    return parts[0] if len(parts) == 1 else b"".join(parts)


# --- the deadline of a whole request -------------------------------------------------------------------------------


class _UnderWay(threading.local):
    """The request that this thread is sending.

    :ivar deadline: when it has to have ended.
    :ivar sent: whether a byte of it may have left.
    """

    deadline = float("inf")
    sent = False


_under_way = _UnderWay()


class _Incoming(io.RawIOBase):
    """What a connection receives, up to the deadline: a timeout between two bytes alone never ends what trickles."""

    def __init__(self, connection: Any) -> None:
        self._socket = connection
        self._timeout = connection.gettimeout()
        self._raw = connection.makefile("rb", buffering=0)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Wait for the next bytes.

        :raises TimeoutError: none came in time.
        """
        left = _under_way.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the reply takes too long to arrive")
        if self._timeout is None or left < self._timeout:
            self._socket.settimeout(left)
        received: int | None = self._raw.readinto(buffer)
        return received

    def close(self) -> None:
        """Let go of the connection."""
        self._raw.close()
        super().close()


class _IncomingOf:
    """Stands for the connection where a reply is read."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What is received, buffered."""
        return io.BufferedReader(_Incoming(self._connection))


def _response(connection: Any, *args: Any, **options: Any) -> http.client.HTTPResponse:
    return http.client.HTTPResponse(_IncomingOf(connection), *args, **options)  # type: ignore[arg-type]


class _Noting:
    """Notes that a request is being sent, and reads its reply up to the deadline: of each kind of connection."""

    response_class = staticmethod(_response)
    sock: Any

    def connect(self) -> None:
        """Connect; what a proxy is told on the way is no part of the request."""
        try:
            super().connect()  # type: ignore[misc]
        finally:
            _under_way.sent = False

    def send(self, data: Any) -> None:
        """Send a part of the request."""
        if self.sock is None:
            self.connect()
        _under_way.sent = True
        super().send(data)  # type: ignore[misc]


# --- settings --------------------------------------------------------------------------------------------------------


def _new_pool(options: SendOptions) -> HTTPConnectionPool:
    kwargs: dict[str, Any] = {
        "maxsize": _MOST_CONNECTIONS,
        "socket_options": _SOCKET_OPTIONS,
        "cert_reqs": "CERT_NONE" if options.verify is False else "CERT_REQUIRED",
        "ssl_context": _ssl_context(options),
    }
    parts = urlsplit(options.base_url)
    try:
        manager = _new_manager(options.proxy, kwargs)
        pool = manager.connection_from_host(parts.hostname, parts.port, parts.scheme)
    except (LocationValueError, ProxySchemeUnknown, ProxySchemeUnsupported, ValueError, ImportError) as error:
        raise _wrong_proxy(error) from None
    connection = pool.ConnectionCls
    pool.ConnectionCls = type(connection.__name__, (_Noting, connection), {})
    return pool


def _new_manager(proxy: str | None, kwargs: dict[str, Any]) -> urllib3.PoolManager:
    if not proxy:
        return urllib3.PoolManager(**kwargs)
    url = proxy if "://" in proxy else f"http://{proxy}"
    parts, login = urlsplit(url), _login(url)
    if not parts.hostname:
        raise LocationValueError("no host")
    if parts.scheme.lower().startswith("socks"):
        from urllib3.contrib.socks import SOCKSProxyManager  # noqa: PLC0415 - needs pysocks

        username, password = (*login, None, None)[:2]
        return SOCKSProxyManager(url, username, password, **kwargs)
    headers = make_headers(proxy_basic_auth=_basic(login)) if login else None
    return urllib3.ProxyManager(url, proxy_headers=headers, proxy_ssl_context=kwargs["ssl_context"], **kwargs)


def _login(proxy: str) -> list[str]:
    """Name and password of a proxy's URL, as far as it has them."""
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return [unquote(part) for part in (parts.username, parts.password) if part is not None]


def _basic(login: list[str]) -> str:
    return ":".join([*login, ""][:2])


def proxy_secrets(proxy: str | None) -> list[str]:
    """What nobody must see of a proxy's URL: its password, also as it is sent."""
    try:
        login = _login(proxy or "")
        headers = make_headers(proxy_basic_auth=_basic(login)) if login else {}
    except ValueError:  # it is no URL, and is told as that
        return []
    return [*login[1:], *(value.removeprefix("Basic ") for value in headers.values())]


def _wrong_proxy(error: Exception) -> SettingsError:
    """What is wrong, without the URL: it may hold a proxy's password."""
    if isinstance(error, ImportError):
        return SettingsError(
            "proxies in the connection's extra, or the environment, names a SOCKS proxy: install the package pysocks"
        )
    return SettingsError(
        "proxies in the connection's extra, or HTTPS_PROXY, is no URL of a proxy: give something like http://proxy:3128"
    )


def _ssl_context(options: SendOptions) -> ssl.SSLContext | None:
    """Made once: reading the CA certificates for each connection takes more time than the handshake."""
    if not options.base_url.startswith("https:") and not (options.proxy or "").lower().startswith("https:"):
        return None
    context = create_urllib3_context(cert_reqs=ssl.CERT_NONE if options.verify is False else ssl.CERT_REQUIRED)
    if options.verify is not False:
        _load_authorities(context, options)
    if options.cert:
        certificate, key = options.cert if isinstance(options.cert, tuple) else (options.cert, None)
        try:
            context.load_cert_chain(certificate, key, password=_no_password)
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"cert of the connection can't be used: {_unreadable(error)}. Give a certificate and its key as PEM "
                "files, the key without a password"
            ) from None
    return context


def _load_authorities(context: ssl.SSLContext, options: SendOptions) -> None:
    path = options.verify if isinstance(options.verify, str) else options.ca_bundle
    if path is None:
        context.load_default_certs()
        return
    try:
        context.load_verify_locations(**{"capath" if Path(path).is_dir() else "cafile": path})
    except OSError as error:
        raise SettingsError(
            f"verify of the connection, or the environment's CA bundle, is {path!r}, which can't be used: "
            f"{_unreadable(error)}. Give a file or folder of CA certificates in PEM form"
        ) from None


def _unreadable(error: Exception) -> str:
    return (isinstance(error, OSError) and (getattr(error, "reason", None) or error.strerror)) or str(error)


def _no_password() -> str:
    raise ValueError("its key has a password")
