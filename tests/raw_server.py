"""A server on loopback that does to each connection what a test says, byte by byte."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class RawServer:
    """A server on loopback that does to each connection what it is told, byte by byte.

    :param behave: gets the connection, once a whole request has been read from it.
    """

    def __init__(self, behave: Callable[[socket.socket], None]) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.done = threading.Event()
        self._behave = behave
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection:
            try:
                while request := _read_request(connection):
                    self.requests.append(request)
                    self._behave(connection)
            except OSError:
                pass

    def close(self) -> None:
        """Stop listening; what still talks ends."""
        self.done.set()
        self._listener.close()


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65_536)
        if not part:
            return b""
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while lengths and len(body) < lengths[0]:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


@contextmanager
def serving(behave: Callable[[socket.socket], None] | bytes) -> Iterator[RawServer]:
    """A raw server that behaves so, or always answers these bytes and closes."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(behave)  # type: ignore[arg-type]
        connection.shutdown(socket.SHUT_RDWR)

    server = RawServer(answer if isinstance(behave, bytes) else behave)
    try:
        yield server
    finally:
        server.close()


def http_reply(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """The bytes of a reply."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
