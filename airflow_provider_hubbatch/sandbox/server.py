"""The sandbox as a server: uvicorn in a thread, on loopback only."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Self

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from airflow_provider_hubbatch.sandbox.app import create_app
from airflow_provider_hubbatch.sandbox.behaviours import Behaviours
from airflow_provider_hubbatch.sandbox.controls import Controls, Records
from airflow_provider_hubbatch.sandbox.portal import Portal, Settings, utc_now
from airflow_provider_hubbatch.sandbox.tokens import DEFAULT_TOKEN, OAuthApp

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime
    from types import TracebackType

LOOPBACK = "127.0.0.1"
_START_SECONDS = 30


class HubSpotSandbox(Controls):
    """A local HubSpot for demos and tests. It is no production server: it keeps nothing and serves this machine only.

    Use it as a context manager, or with :meth:`start` and :meth:`stop`. Scripted faults: :attr:`faults`.

    :param records: For each object type how many believable records it starts with, their ids from ``1`` on, or a list
        of their properties.
    :param port: ``0``: any free one.
    :param latency_ms: How long each request takes: a number, or a range to draw from.
    :param requests_per_10_seconds: The rolling limit of each app; ``None``: none, and no headers about it.
    :param daily_limit: The account's daily API limit; ``None``: none.
    :param association_requests_per_10_seconds: The associations' own rolling limit of each app; ``None``: none.
    :param association_daily_limit: The associations' own daily limit; ``None``: none.
    :param searches_per_second: Searches a second for the account; ``None``: any number.
    :param token: The access token that may do everything.
    :param tokens: Access tokens, each with its scopes (``None``: all); instead of ``token``.
    :param oauth: The OAuth app that may refresh.
    :param behaviours: What HubSpot may do either way: :class:`Behaviours`, or those of its fields that are switched.
    :param portal_id: The account's id.
    :param account_type: As the account's details tell.
    :param time_zone: The account's: its daily limit resets at midnight there.
    :param ui_domain: Where people look at the records, as the account's details tell: links to records lead there.
        ``None``: the sandbox's own pages.
    :param extra_properties: So many further text properties on every object type.
    :param record_bodies: ``False``: :attr:`requests` keeps no bodies.
    :param max_recorded_requests: :attr:`requests` keeps so many of the last.
    :param seed: Of everything random: records, the order of results, latency, random faults.
    :param clock: Seconds, monotonic: the rolling window, the tokens' expiry and the recorded times go by it.
    :param now: The wall clock: the records' times and the daily limit go by it.
    """

    def __init__(
        self,
        *,
        records: Mapping[str, Records] | None = None,
        port: int = 0,
        latency_ms: float | tuple[float, float] = 0.0,
        requests_per_10_seconds: int | None = 190,
        daily_limit: int | None = 250_000,
        association_requests_per_10_seconds: int | None = 100,
        association_daily_limit: int | None = 500_000,
        searches_per_second: int | None = 5,
        token: str = DEFAULT_TOKEN,
        tokens: Mapping[str, Collection[str] | None] | None = None,
        oauth: OAuthApp | None = None,
        behaviours: Behaviours | Mapping[str, Any] | None = None,
        portal_id: int = 123_456,
        account_type: str = "STANDARD",
        ui_domain: str | None = None,
        time_zone: str = "Europe/Berlin",
        extra_properties: int = 0,
        record_bodies: bool = True,
        max_recorded_requests: int = 100_000,
        seed: int = 0,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        settings = Settings(
            requests_per_10_seconds=requests_per_10_seconds,
            daily_limit=daily_limit,
            association_requests_per_10_seconds=association_requests_per_10_seconds,
            association_daily_limit=association_daily_limit,
            searches_per_second=searches_per_second,
            latency_ms=latency_ms,
            tokens=tokens or {token: None},
            oauth=oauth or OAuthApp(),
            behaviours=behaviours if isinstance(behaviours, Behaviours) else Behaviours().changed(**(behaviours or {})),
            portal_id=portal_id,
            account_type=account_type,
            ui_domain=ui_domain,
            time_zone=time_zone,
            extra_properties=extra_properties,
            record_bodies=record_bodies,
            max_recorded_requests=max_recorded_requests,
            seed=seed,
            clock=clock,
            now=now,
        )
        super().__init__(Portal(settings))
        for object_type, given in (records or {}).items():
            self.add_records(object_type, given)
        self._port = port
        self._server: _Server | None = None
        self._thread: Thread | None = None

    @property
    def url(self) -> str:
        """Its address, once it is started."""
        return f"http://{LOOPBACK}:{self._port}"

    def connection(self, **extra: Any) -> str:
        """An Airflow connection to it, as the JSON of an ``AIRFLOW_CONN_...`` variable.

        :param extra: For the connection's extra.
        """
        connection = {"conn_type": "hubspot", "host": self.url, "password": self.token}
        return json.dumps({**connection, "extra": extra} if extra else connection)

    def oauth_connection(self, **extra: Any) -> str:
        """An Airflow connection by OAuth, as :meth:`connection` else."""
        oauth = self._portal.tokens.oauth
        credentials = {
            "auth_type": "oauth",
            "client_id": oauth.client_id,
            "client_secret": oauth.client_secret,
            "refresh_token": oauth.refresh_token,
        }
        return json.dumps({"conn_type": "hubspot", "host": self.url, "extra": {**credentials, **extra}})

    def start(self) -> Self:
        """Listens, and returns once it does.

        :raises OSError: if the port is taken.
        """
        if self._thread is not None:
            raise RuntimeError("The sandbox is started already.")
        listener = _listen(self._port)
        self._port = listener.getsockname()[1]
        if self._portal.settings.ui_domain is None:
            self._portal.ui_domain = f"{LOOPBACK}:{self._port}"
        self._server = _Server(self._portal)
        self._thread = Thread(target=self._server.run, args=([listener],), name="hubspot-sandbox", daemon=True)
        self._thread.start()
        if not self._server.is_up.wait(_START_SECONDS):
            raise RuntimeError("The sandbox didn't start.")
        return self

    def stop(self) -> None:
        """Closes every connection, those in use too, and stops. What it holds can still be looked at."""
        if self._server is not None and self._thread is not None:
            self._server.end()
            self._thread.join()
        self._server = self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


class _Protocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """Hands the connection's transport to the app, which closes it where a fault says so."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Keeps the transport where requests find it: in their state."""
        super().connection_made(transport)
        self.app_state = {"transport": transport}


class _Server(uvicorn.Server):
    """uvicorn, stopped from another thread and without its waits."""

    def __init__(self, portal: Portal) -> None:
        config = uvicorn.Config(
            create_app(portal),
            http=_Protocol,
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            date_header=False,
            timeout_keep_alive=75,
        )
        super().__init__(config)
        self.is_up = Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = asyncio.Event()

    def end(self) -> None:
        """Stops it."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._ended.set)

    async def main_loop(self) -> None:
        """Runs until :meth:`end`."""
        self._loop = asyncio.get_running_loop()
        self.is_up.set()
        await self._ended.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Closes the sockets and ends what is under way."""
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        for task in list(self.server_state.tasks):
            task.cancel()


def _listen(port: int) -> socket.socket:
    # With the protocol named, or asyncio leaves Nagle's algorithm on for the accepted sockets,
    # and each request of a kept-alive connection waits 40 ms for the peer's delayed ACK.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
    except OSError:
        listener.close()
        raise
    return listener
