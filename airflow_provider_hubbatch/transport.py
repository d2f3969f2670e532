"""Sender threads: they do HTTP and nothing else, each with a ``requests.Session`` of its own."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import requests
from requests.structures import CaseInsensitiveDict

from airflow_provider_hubbatch.auth import RefreshUnansweredError
from airflow_provider_hubbatch.core.protocol import Reply, Request
from airflow_provider_hubbatch.core.retry import FailureKind
from airflow_provider_hubbatch.engine import Completion

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_hubbatch.auth import Token

# HubSpot gives up on a request after 100 s itself (its 524); a little more lets its answer arrive.
DEFAULT_TIMEOUT_SECONDS = (10.0, 110.0)

# A reply to 100 inputs with every property of a record is far below this; what is larger is no reply of HubSpot's.
MAX_REPLY_BYTES = 64 * 1024 * 1024
_READ_BYTES = 256 * 1024


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
        try:
            authorization = self._token.authorization()
            sent_at = self.now()
            reply = exchange(session, self._options, request, {"Authorization": authorization})
        except RefreshUnansweredError as error:
            return Completion(tag, sent_at, self.now(), reply=error.reply)
        except requests.RequestException as error:
            kind = failure_kind(error)
            return Completion(tag, sent_at, self.now(), failure=kind, detail=describe_failure(error))
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
    for part in response.iter_content(_READ_BYTES):
        parts.append(part)
        size += len(part)
        if size > MAX_REPLY_BYTES:
            raise requests.exceptions.ContentDecodingError("the reply is larger than any of HubSpot's")
        if time.monotonic() > deadline:
            raise requests.exceptions.ReadTimeout("the reply takes too long to arrive")
    return b"".join(parts)


def failure_kind(error: requests.RequestException) -> FailureKind:
    """How far a request came that ended in an exception of ``requests``."""
    if isinstance(error, requests.exceptions.SSLError):
        return FailureKind.TLS
    if isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.ProxyError):
        return FailureKind.REFUSED
    if isinstance(error, requests.exceptions.Timeout):
        return FailureKind.TIMEOUT
    if any(type(cause).__name__ in ("NewConnectionError", "NameResolutionError") for cause in _causes(error)):
        return FailureKind.REFUSED
    return FailureKind.CUT


def describe_failure(error: BaseException) -> str:
    """A transport error in words without URLs, which may hold a proxy's password."""
    words = type(error).__name__
    system = [cause for cause in _causes(error) if isinstance(cause, OSError) and cause.strerror]
    return f"{words}: {system[-1].strerror}" if system else words


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
