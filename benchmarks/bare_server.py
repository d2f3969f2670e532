"""A server without latency that speaks as much HubSpot as a sync needs: what is measured against it is the client.

It answers batch/update, batch/read and unlabeled links, the property definitions, the labels of links and the
account's details in HubSpot's shapes, and sends its rate limit headers. It checks nothing; the sandbox does that, and
is slower for it.

Nobody knows of which moment HubSpot's ``Remaining`` is, so it can be told in several ways (:data:`MEANINGS`).

    python benchmarks/bare_server.py --port 8766 --limit 190 --interval-ms 10000 --latency-ms 300
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import socket
import subprocess
import sys
import time
from bisect import bisect_right
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROPERTIES = {
    "employees": "number",
    "revenue": "number",
    "city": "string",
    "renewal_date": "date",
    "synced_at": "datetime",
    "active": "bool",
}
# HubSpot's own words are believed up to this: Max, and an interval that a limit this high never fills
GENEROUS_LIMIT = 10_000
GENEROUS_INTERVAL_MS = 100
# What ``Remaining`` is: of the moment when the request was counted, as it arrived; of the reply; of a counter
# that lags by 0.2 s; up to three more or less; rounded to tens; missing, with all other headers, in every other reply.
MEANINGS = ("counting", "reply", "lagging", "off", "rounded", "missing")
LAG_SECONDS = 0.2

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_RATE_LIMITED = {"status": "error", "errorType": "RATE_LIMIT", "policyName": "TEN_SECONDLY_ROLLING"}


class Account:
    """What the server holds and counts.

    :param limit: requests per interval.
    :param keeps: whether values written are kept, for batch/read.
    :param remaining: one of :data:`MEANINGS`.
    """

    def __init__(self, *, limit: int, interval_ms: int, latency_ms: float, keeps: bool, remaining: str) -> None:
        self.limit, self.interval_ms = limit, interval_ms
        self.latency_seconds = latency_ms / 1000
        self.counts = {"update": 0, "links": 0, "read": 0, "rows": 0, "other": 0, "429": 0}
        self.records: dict[str, dict[str, str]] | None = {} if keeps else None
        self._remaining = remaining
        self._window: deque[float] = deque()

    def answer(self, path: str, body: bytes) -> Callable[[], bytes]:
        """Count a request when it arrives; the whole reply is made when it is written."""
        if path == "/counts":
            counts = _reply(b"200 OK", {**self.counts, "records": len(self.records or {})}, b"")
            return lambda: counts
        now = time.monotonic()
        used = self._used_at(now)
        status, content = b"429 Too Many Requests", _RATE_LIMITED
        if used >= self.limit:
            self.counts["429"] += 1
        else:
            self._window.append(now)
            used += 1
            status, content = b"200 OK", self._answer(path, body)
        return lambda: _reply(status, content, self._headers(used, now))

    def _used_at(self, moment: float) -> int:
        """How many were counted in the window that ended then."""
        interval = self.interval_ms / 1000
        kept_since = time.monotonic() - interval - LAG_SECONDS - self.latency_seconds
        while self._window and self._window[0] <= kept_since:
            self._window.popleft()
        return bisect_right(self._window, moment) - bisect_right(self._window, moment - interval)

    def _headers(self, used: int, counted_at: float) -> bytes:
        """The limit's headers, as of now.

        :param used: when the request was counted.
        """
        match self._remaining:
            case "reply":
                used = self._used_at(time.monotonic())
            case "lagging":
                used = self._used_at(counted_at - LAG_SECONDS)
            case "off":
                used += random.randint(-3, 3)
            case "rounded":
                used = self.limit - round(self.limit - used, -1)
            case "missing" if random.random() < 0.5:
                return b""
        return (
            f"X-HubSpot-RateLimit-Max: {self.limit}\r\n"
            f"X-HubSpot-RateLimit-Remaining: {min(max(self.limit - used, 0), self.limit)}\r\n"
            f"X-HubSpot-RateLimit-Interval-Milliseconds: {self.interval_ms}\r\n"
        ).encode()

    def _answer(self, path: str, body: bytes) -> dict[str, Any]:
        if path.endswith("/batch/update"):
            return self._updated(orjson.loads(body)["inputs"])
        if path.endswith("/batch/read"):
            return self._read(orjson.loads(body))
        if path.endswith("/batch/associate/default"):
            return self._linked(orjson.loads(body)["inputs"])
        self.counts["other"] += 1
        if path.endswith("/labels"):
            return {"results": [{"category": "HUBSPOT_DEFINED", "typeId": 279, "label": None}]}
        if "/properties/" in path:
            names = [{"name": name, "label": name, "type": kind} for name, kind in PROPERTIES.items()]
            return {"results": names}
        return {"portalId": 1, "accountType": "STANDARD", "timeZone": "UTC"}

    def _updated(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        self.counts["update"] += 1
        self.counts["rows"] += len(inputs)
        if self.records is not None:
            for one in inputs:
                self.records.setdefault(one["id"], {}).update(one["properties"])
        return _batch([{"id": one["id"], "properties": {}} for one in inputs])

    def _linked(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        self.counts["links"] += 1
        self.counts["rows"] += len(inputs)
        kind = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}
        return {"status": "COMPLETE", "results": [{**one, "associationSpec": kind} for one in inputs]}

    def _read(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.counts["read"] += 1
        held = self.records or {}
        return _batch([{"id": one["id"], "properties": held.get(one["id"], {})} for one in asked["inputs"]])


def _batch(results: list[dict[str, Any]]) -> dict[str, Any]:
    moment = "2026-01-01T00:00:00.000Z"
    for result in results:
        result.update(createdAt=moment, updatedAt=moment, archived=False)
    return {"status": "COMPLETE", "results": results, "startedAt": moment, "completedAt": moment}


def _reply(status: bytes, content: Any, headers: bytes) -> bytes:
    body = orjson.dumps(content)
    head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%b\r\n"
    return head % (status, len(body), headers) + body


class Connection(asyncio.Protocol):
    """One kept-alive connection of a client that waits for each reply, as ours does."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._parts: list[bytes] = []
        self._missing = 0
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Collect a request, then answer it."""
        self._parts.append(data)
        self._missing -= len(data)
        if self._missing > 0:
            return
        request = b"".join(self._parts)
        head, end, body = request.partition(b"\r\n\r\n")
        length = int(found[1]) if (found := _LENGTH.search(head)) else 0
        if not end or len(body) < length:
            self._parts, self._missing = [request], length - len(body) if end else 0
            return
        self._parts, self._missing = [], 0
        reply = self._account.answer(head.split(b" ", 2)[1].decode(), body)
        if self._account.latency_seconds:
            asyncio.get_running_loop().call_later(self._account.latency_seconds, self._write, reply)
        else:
            self._write(reply)

    def _write(self, reply: Callable[[], bytes]) -> None:
        self._transport.write(reply())


async def serve(port: int, account: Account) -> None:
    """Serve until the process ends; the port is printed once it listens."""
    # With the protocol named, or asyncio leaves Nagle's algorithm on
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", port))
    server = await asyncio.get_running_loop().create_server(lambda: Connection(account), sock=listener)
    print(listener.getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


@contextmanager
def bare_server(*options: str) -> Iterator[str]:
    """The server in a process of its own, for the time of a ``with`` block; gives its URL.

    :param options: of the command line.
    """
    with subprocess.Popen([sys.executable, __file__, *options], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--limit", type=int, default=GENEROUS_LIMIT)
    parser.add_argument("--interval-ms", type=int, default=GENEROUS_INTERVAL_MS)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--keep", action="store_true", help="keep what is written, for batch/read")
    parser.add_argument(
        "--remaining", choices=MEANINGS, default="counting", help="what X-HubSpot-RateLimit-Remaining is"
    )
    options = parser.parse_args()
    account = Account(
        limit=options.limit,
        interval_ms=options.interval_ms,
        latency_ms=options.latency_ms,
        keeps=options.keep,
        remaining=options.remaining,
    )
    asyncio.run(serve(options.port, account))


if __name__ == "__main__":
    main()
