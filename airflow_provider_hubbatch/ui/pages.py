"""The static files of the pages, as an ASGI application that loads its server when the first one is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Message = MutableMapping[str, Any]

FOLDER = Path(__file__).parent / "static"

# Only what is served here runs, only Airflow is asked, and only Airflow may show these pages in a frame.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
_HEADERS = [
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-cache"),  # asked for again each time, answered "not modified": never an old page
]


class Pages:
    """Serves the files of one folder: nothing is computed, read from Airflow or written."""

    def __init__(self) -> None:
        self._files: Any = None

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_HEADERS]
            await send(message)

        if self._files is None:
            from starlette.staticfiles import StaticFiles  # noqa: PLC0415 - in the API server only

            self._files = StaticFiles(directory=FOLDER)
        await self._files(scope, receive, send_with_headers)
