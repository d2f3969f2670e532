"""Who may talk to the sandbox: programs on this machine, and its own page. No page of somebody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

from airflow_provider_hubbatch.sandbox.replies import error_body

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Receive, Scope, Send

_OWN_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})


class OnlyThisMachine:
    """Refuses requests that a browser sends for a foreign page, with 403.

    A page can't read the answers of another address, but it can make a browser send requests there, and with a name of
    its own that leads to 127.0.0.1 (DNS rebinding) it could read them, too. So the ``Host`` must be this machine's
    own, and an ``Origin`` (browsers send it, programs don't) must be the sandbox's.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets the request through, or refuses it."""
        reason = _foreign(scope["headers"])
        if reason is None:
            await self._app(scope, receive, send)
        else:
            await JSONResponse({**error_body(reason), "error": reason}, status_code=403)(scope, receive, send)


def _foreign(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    host, origin = "", None
    for name, value in headers:
        if name == b"host":
            host = value.decode("latin-1").lower()
        elif name == b"origin":
            origin = value.decode("latin-1").lower()
    machine, _, port = host.rpartition(":")
    if (machine if machine and port.isdigit() else host) not in _OWN_NAMES:
        return "The sandbox answers to 127.0.0.1 and localhost only, not to another Host."
    if origin is not None and origin.partition("://")[2] != host:
        return "The sandbox takes no requests from another page's Origin."
    return None
