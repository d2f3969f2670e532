"""Sender threads: they do HTTP and nothing else, for everything that one client does."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING

from airflow_provider_hubbatch.client.dispatcher import Completion
from airflow_provider_hubbatch.client.http_failures import NoReplyError
from airflow_provider_hubbatch.client.tokens import RefreshUnansweredError
from airflow_provider_hubbatch.core.verdicts import FailureKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_hubbatch.client.tokens import Token
    from airflow_provider_hubbatch.core.protocol import Reply, Request
    from airflow_provider_hubbatch.core.redact import Redactor

# A thread without work ends after this long: a hook has no end of its own, and must not keep threads for ever.
_IDLE_SECONDS = 5.0

_UNAUTHORIZED = 401

_Job = tuple["Channel", int, "Request"]


class Senders:
    """Threads that send requests: as many as there are requests under way.

    :param exchange: sends one request with these headers, and gives the reply.
    :param token: gives the value of the ``Authorization`` header before each request.
    :param redactor: takes secrets out of every reply.
    """

    def __init__(
        self, exchange: Callable[[Request, Mapping[str, str]], Reply], token: Token, redactor: Redactor
    ) -> None:
        self._exchange = exchange
        self._token = token
        self._redactor = redactor
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._lock = threading.Lock()
        # threads that wait for work, less the jobs that are there for them
        self._free = 0
        self._started = 0

    def channel(self) -> Channel:
        """A transport for one sync or one request: its completions come to it alone."""
        return Channel(self)

    def submit(self, job: _Job) -> None:
        """Have a request sent; returns at once."""
        with self._lock:
            self._jobs.put(job)
            if self._free:
                self._free -= 1
                return
            self._started += 1
            name = f"hubspot-sender-{self._started}"
        threading.Thread(target=self._serve, name=name, daemon=True).start()

    def _serve(self) -> None:
        while (job := self._next()) is not None:
            channel, tag, request = job
            completion = self._send(tag, request)
            with self._lock:  # before it is told: what is sent next finds this thread
                self._free += 1
            channel.complete(completion)
            del job, channel, request, completion  # while it waits, a thread holds nothing of what it has sent

    def _next(self) -> _Job | None:
        try:
            return self._jobs.get(timeout=_IDLE_SECONDS)
        except queue.Empty:
            with self._lock:
                if self._free:
                    self._free -= 1
                    return None
        return self._jobs.get()  # it came at the last moment

    def _send(self, tag: int, request: Request) -> Completion:
        sent_at = time.monotonic()
        has_token, correlation_id = False, None
        try:
            authorization = self._token.authorization()
            has_token, sent_at = True, time.monotonic()
            reply = self._redactor.reply(self._exchange(request, {"Authorization": authorization}))
        except RefreshUnansweredError as error:
            failure, detail = FailureKind.NO_TOKEN, f"no access token: {error}"
            correlation_id = error.correlation_id
        except NoReplyError as error:
            failure, detail = error.kind, str(error)
            if not has_token:  # the request itself never left
                failure = failure if failure is FailureKind.TLS else FailureKind.REFUSED
                detail = f"no access token: {detail}"
        except Exception as error:  # noqa: BLE001 - a thread can't raise; the engine does, in the task's thread
            return Completion(tag, sent_at, time.monotonic(), crash=error)
        else:
            if reply.status != _UNAUTHORIZED or not self._token.is_outdated(authorization):
                return Completion(tag, sent_at, time.monotonic(), reply=reply)
            failure, detail = FailureKind.NO_TOKEN, "the access token expired before the request arrived"
            correlation_id = reply.correlation_id
        return Completion(tag, sent_at, time.monotonic(), failure=failure, detail=detail, correlation_id=correlation_id)


class Channel:
    """The engine's transport: its requests go to the sender threads, and come back to it. For one thread."""

    def __init__(self, senders: Senders) -> None:
        self._senders = senders
        self._completions: queue.SimpleQueue[Completion | None] = queue.SimpleQueue()

    def now(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def submit(self, tag: int, request: Request) -> None:
        """Start a request; returns at once."""
        self._senders.submit((self, tag, request))

    def complete(self, completion: Completion) -> None:
        """Take what became of a request, from the thread that sent it."""
        self._completions.put(completion)

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
        return ended

    def wake(self) -> None:
        """End a ``wait`` that is under way; safe in a signal handler."""
        self._completions.put(None)
