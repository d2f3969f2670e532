"""Sender threads: they do HTTP and nothing else, each with a ``requests.Session`` of its own."""

from __future__ import annotations

import queue
import ssl
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import requests
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import HTTPError, ReadTimeoutError

from airflow_provider_hubbatch.client.dispatcher import Completion
from airflow_provider_hubbatch.client.tokens import RefreshUnansweredError
from airflow_provider_hubbatch.core.protocol import Reply, Request
from airflow_provider_hubbatch.core.verdicts import FailureKind
from airflow_provider_hubbatch.exceptions import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airflow_provider_hubbatch.client.tokens import Token

# HubSpot gives up on a request after 100 s itself (its 524); a little more lets its answer arrive.
DEFAULT_TIMEOUT_SECONDS = (10.0, 110.0)

# A reply to 100 inputs with every property of a record is far below this; what is larger is no reply of HubSpot's.
MAX_REPLY_BYTES = 64 * 1024 * 1024
_READ_BYTES = 256 * 1024

# What is shorter would also be found where it is no secret.
_SHORTEST_SECRET = 8


@dataclass(frozen=True, slots=True)
class SendOptions:
    """What every request is sent with.

    :param base_url: scheme, host and port, no slash at the end.
    :param timeout_seconds: to connect, and between two bytes; the whole reply may take twice the second.
    :param verify: ``requests``' meaning: ``True``, ``False`` or the path of a CA bundle.
    :param cert: ``requests``' meaning: a client certificate.
    :param proxies: ``requests``' meaning: scheme -> URL.
    """

    base_url: str
    timeout_seconds: tuple[float, float] = DEFAULT_TIMEOUT_SECONDS
    verify: bool | str = True
    cert: str | tuple[str, str] | None = None
    proxies: dict[str, str] | None = None


class ThreadedTransport:
    """The engine's transport: at most ``threads`` requests side by side. Use it as a context manager.

    :param new_session: makes a thread's session, with its headers and adapters.
    :param token: gives the value of the ``Authorization`` header before each request.
    """

    def __init__(
        self,
        *,
        options: SendOptions,
        new_session: Callable[[], requests.Session],
        token: Token,
        threads: int,
    ) -> None:
        self._options = options
        self._new_session = new_session
        self._token = token
        self._most_threads = threads
        self._threads: list[threading.Thread] = []
        self._requests: queue.SimpleQueue[tuple[int, Request] | None] = queue.SimpleQueue()
        self._completions: queue.SimpleQueue[Completion | None] = queue.SimpleQueue()
        self._under_way = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def now(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def submit(self, tag: int, request: Request) -> None:
        """Start a request; returns at once."""
        self._under_way += 1
        if len(self._threads) < min(self._under_way, self._most_threads):
            thread = threading.Thread(target=self._serve, name=f"hubspot-sender-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._requests.put((tag, request))

    def wait(self, timeout_seconds: float) -> list[Completion]:
        """What has ended: waits for the first, then takes what else is there."""
        ended: list[Completion] = []
        try:
            completion = self._completions.get(timeout=max(timeout_seconds, 0.0))
            while completion is not None:
                ended.append(completion)
                completion = self._completions.get_nowait()
        except queue.Empty:
            pass
        self._under_way -= len(ended)
        return ended

    def wake(self) -> None:
        """End a ``wait`` that is under way; safe in a signal handler."""
        self._completions.put(None)

    def close(self) -> None:
        """Let the threads end. One that still waits for a reply ends with it, and holds nothing up."""
        for _ in self._threads:
            self._requests.put(None)
        for thread in self._threads:
            thread.join(timeout=0.1)

    def _serve(self) -> None:
        with self._new_session() as session:
            while (job := self._requests.get()) is not None:
                self._completions.put(self._send(session, *job))

    def _send(self, session: requests.Session, tag: int, request: Request) -> Completion:
        sent_at = self.now()
        has_token = False
        try:
            headers = {"Authorization": self._token.authorization()}
            has_token, sent_at = True, self.now()
            reply = without_secrets(exchange(session, self._options, request, headers), self._token.secrets())
        except RefreshUnansweredError as error:
            return Completion(tag, sent_at, self.now(), failure=FailureKind.REFUSED, detail=f"no access token: {error}")
        except _WRONG_SETTINGS as error:
            return Completion(tag, sent_at, self.now(), crash=_wrong_setting(error))
        except requests.RequestException as error:
            kind, detail = failure_kind(error), describe_failure(error)
            if not has_token:  # the request itself never left
                kind = kind if kind is FailureKind.TLS else FailureKind.REFUSED
                detail = f"no access token: {detail}"
            return Completion(tag, sent_at, self.now(), failure=kind, detail=detail)
        except Exception as error:  # noqa: BLE001 - a thread can't raise; the engine does, in the task's thread
            return Completion(tag, sent_at, self.now(), crash=error)
        return Completion(tag, sent_at, self.now(), reply=reply)


def exchange(session: requests.Session, options: SendOptions, request: Request, headers: dict[str, str]) -> Reply:
    """Send one request and read its reply, whatever its status.

    :param headers: besides the session's.
    :raises requests.RequestException: there is no reply.
    """
    prepared = session.prepare_request(
        requests.Request(request.method, options.base_url + request.path, data=request.body, headers=headers)
    )
    # redirects are never followed: HubSpot's API has none, and the token goes to no other host
    with session.send(
        prepared,
        timeout=options.timeout_seconds,
        verify=options.verify,
        cert=options.cert,
        proxies=options.proxies or {},
        allow_redirects=False,
        stream=True,
    ) as response:
        body = _read(response, time.monotonic() + 2 * options.timeout_seconds[1])
        return Reply(response.status_code, CaseInsensitiveDict(response.headers), body)


def _read(response: requests.Response, deadline: float) -> bytes:
    parts, size = [], 0
    while part := _next_part(response):
        parts.append(part)
        size += len(part)
        if size > MAX_REPLY_BYTES:
            raise requests.exceptions.ContentDecodingError("the reply is larger than any of HubSpot's")
        if time.monotonic() > deadline:
            raise requests.exceptions.ReadTimeout("the reply takes too long to arrive")
    return b"".join(parts)


def _next_part(response: requests.Response) -> bytes:
    """What has arrived, and not a full block: waiting for one, a body that trickles would never meet its deadline."""
    try:
        return response.raw.read1(_READ_BYTES, decode_content=True)
    except ReadTimeoutError as error:
        raise requests.exceptions.ReadTimeout(error) from error
    except HTTPError as error:
        raise requests.exceptions.ChunkedEncodingError(error) from error


def without_secrets(reply: Reply, secrets: Iterable[str]) -> Reply:
    """The reply without any secret that it repeats, as a proxy's page or a debugging server does: what it says gets
    into outcomes and exceptions.
    """
    body, headers = reply.body, reply.headers
    for secret in secrets:
        if len(secret) < _SHORTEST_SECRET:
            continue
        body = body.replace(secret.encode(), b"***")
        if any(secret in value for value in headers.values()):
            headers = CaseInsensitiveDict({name: value.replace(secret, "***") for name, value in headers.items()})
    return reply if body is reply.body and headers is reply.headers else Reply(reply.status, headers, body)


def failure_kind(error: requests.RequestException) -> FailureKind:
    """How far a request came that ended in an exception of ``requests``."""
    causes = _causes(error)
    if isinstance(error, requests.exceptions.SSLError):
        lost = any(isinstance(cause, (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError)) for cause in causes)
        return FailureKind.CUT if lost else FailureKind.TLS
    if isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.ProxyError):
        return FailureKind.REFUSED
    if isinstance(error, requests.exceptions.Timeout):
        return FailureKind.TIMEOUT
    if any(type(cause).__name__ in ("NewConnectionError", "NameResolutionError") for cause in causes):
        return FailureKind.REFUSED
    return FailureKind.CUT


def describe_failure(error: BaseException) -> str:
    """A transport error in words, with what to look at; without URLs, which may hold a proxy's password."""
    causes = _causes(error)
    system = [cause for cause in causes if isinstance(cause, OSError) and cause.strerror]
    why = f" ({_reason(system[-1])})" if system else ""
    if isinstance(error, requests.exceptions.ProxyError):
        if any("407" in str(cause) for cause in causes):
            return "the proxy wants a login (407): put it into proxies in the connection's extra"
        return f"the proxy can't be reached{why}: check proxies in the connection's extra, or HTTPS_PROXY"
    if isinstance(error, requests.exceptions.SSLError):
        return _describe_tls(causes, why)
    if any(type(cause).__name__ == "NameResolutionError" for cause in causes):
        return f"the host's name can't be resolved{why}: check the connection's host"
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return "nothing answers at the host: check the connection's host, the firewall and the proxies"
    if isinstance(error, requests.exceptions.Timeout):
        return "no reply in time"
    if failure_kind(error) is FailureKind.REFUSED:  # type: ignore[arg-type]
        return f"nothing listens at the host{why}: check the connection's host and port"
    return f"the connection broke{why}"


def _describe_tls(causes: list[BaseException], why: str) -> str:
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return (
            f"the host's certificate is not trusted{why}: give the path of your own CA's certificate as verify in the "
            "connection's extra"
        )
    if "WRONG_VERSION_NUMBER" in why:
        return f"the host speaks no TLS there{why}: check the connection's host and port"
    return f"TLS failed{why}"


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError) and error.verify_message:
        return error.verify_message
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason
    return error.strerror or type(error).__name__


# What requests says of settings that can't work, whatever the network does
_WRONG_SETTINGS = (
    requests.exceptions.InvalidProxyURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
)


def _wrong_setting(error: requests.RequestException) -> SettingsError:
    """What is wrong, without the URL: it may hold a proxy's password."""
    if isinstance(error, requests.exceptions.InvalidProxyURL):
        return SettingsError("proxies in the connection's extra, or HTTPS_PROXY, is no URL of a proxy")
    return SettingsError(
        f"the connection's host or proxies can't be used ({type(error).__name__}): hosts are http:// or https://, and "
        "socks proxies need the package pysocks"
    )


def _causes(error: BaseException) -> list[BaseException]:
    """An exception and what is behind it: causes, contexts, and what urllib3 puts into ``args`` and ``reason``."""
    found: list[BaseException] = []
    left: list[Any] = [error]
    while left and len(found) < 20:  # noqa: PLR2004 - a bound against cycles
        one = left.pop(0)
        if isinstance(one, BaseException) and one not in found:
            found.append(one)
            left += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
    return found
