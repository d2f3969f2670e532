"""A HubSpot on loopback that says what a test tells it to: a real server, whose every reply is a function's.

It holds records, updates and reads them truthfully, in a shuffled order, and answers as the test scripts wherever that
is about to happen. It shares no code with the package.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any, Self

NOT_FOUND = "Could not get some CONTACT objects, they may be deleted or not exist. Check that ids are valid."
# So that a sync against it isn't paced
UNPACED = {
    "X-HubSpot-RateLimit-Max": "10000",
    "X-HubSpot-RateLimit-Remaining": "9999",
    "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
}
UPDATED_AT = "2026-05-01T10:00:00.000Z"

Json = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """One reply.

    :param body: JSON, or the bytes as they are to be sent.
    """

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)

    def raw(self) -> bytes:
        """The body's bytes."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


Script = Callable[[str, Json], Answer | None]
"""Asked about every request to a batch endpoint, with its verb and its body, before it is carried out; ``None``: it is
carried out."""


@dataclass
class ScriptedHubSpot:
    """Use it as a context manager.

    :param records: record id -> properties.
    :param script: says what to answer instead.
    :param id_property: the unique property that requests may name records by.
    :param definitions: of the properties endpoint.
    :param keeps: property -> the value that a record has after an update, whatever was sent.
    :param shows: what an update's reply shows of a record's properties; by default those that were sent.
    """

    records: dict[str, Json]
    script: Script = lambda _verb, _body: None
    id_property: str | None = None
    definitions: list[Json] = field(default_factory=list)
    keeps: Mapping[str, Any] = field(default_factory=dict)
    shows: Callable[[Json, Json], Json | None] = lambda sent, record: {name: record.get(name) for name in sent}
    updates: list[Json] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        hubspot = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def do_GET(self) -> None:
                self._send(hubspot.get(self.path))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self._send(hubspot.post(self.path, json.loads(body or b"{}")))

            def _send(self, answer: Answer) -> None:
                raw = answer.raw()
                self.send_response(answer.status)
                headers = {
                    "Content-Type": "application/json",
                    **UNPACED,
                    **answer.headers,
                    "Content-Length": str(len(raw)),
                }
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(raw)
                self.wfile.flush()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
                """Nothing: a test's output is its own."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._lock = threading.Lock()
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def connection(self, **extra: Any) -> str:
        """An Airflow connection to it, as the JSON of an ``AIRFLOW_CONN_...`` variable."""
        host = f"http://127.0.0.1:{self._server.server_address[1]}"
        return json.dumps({"conn_type": "hubspot", "host": host, "password": "pat-scripted", "extra": extra})

    # --- what it answers --------------------------------------------------------------------------------------

    def get(self, path: str) -> Answer:
        """The property definitions; there is nothing else to get."""
        self.paths.append(path)
        if path.startswith("/crm/properties/"):
            return Answer(200, {"results": self.definitions})
        return Answer(404, {"status": "error", "message": "resource not found"})

    def post(self, path: str, body: Json) -> Answer:
        """A batch request, one at a time."""
        verb = path.rsplit("/", 1)[1]
        with self._lock:
            self.paths.append(path)
            if verb == "update":
                self.updates.append(body)
            return self.script(verb, body) or self.carried_out(verb, body, errors_in_207="/2026-09/" not in path)

    def carried_out(self, verb: str, body: Json, *, errors_in_207: bool = True) -> Answer:
        """What HubSpot does: update or read what exists, in no order, and name what doesn't."""
        results, missing = [], []
        for one in body["inputs"]:
            record_id = self.find(one["id"], one.get("idProperty") or body.get("idProperty"))
            if record_id is None:
                missing.append(one["id"])
                continue
            record = self.records[record_id]
            if verb == "update":
                record.update({name: self.keeps.get(name, value) for name, value in one["properties"].items()})
                shown = self.shows(one["properties"], record)
            else:
                shown = {name: record.get(name) for name in body["properties"]}
            results.append({"id": record_id, "properties": shown, "updatedAt": UPDATED_AT})
        Random(len(results)).shuffle(results)
        reply: Json = {"status": "COMPLETE", "results": results}
        if missing:
            error = {
                "status": "error",
                "category": "OBJECT_NOT_FOUND",
                "message": NOT_FOUND,
                "context": {"ids": missing},
            }
            reply |= {"numErrors": 1, "errors": [error]}
        return Answer(207 if missing and errors_in_207 else 200, reply)

    def find(self, name: str, id_property: str | None) -> str | None:
        """The record of this id, or with this value of the unique property."""
        if id_property is None:
            return name if name in self.records else None
        return next((one for one, held in self.records.items() if held.get(id_property) == name), None)
