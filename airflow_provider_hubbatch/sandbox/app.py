"""The HTTP side: each request waits its latency, is counted, meets its fault, is carried out and recorded."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Match

from airflow_provider_hubbatch.sandbox.admin import add_admin_routes, is_admin_path
from airflow_provider_hubbatch.sandbox.effects import spoil_reply, spoil_request
from airflow_provider_hubbatch.sandbox.endpoints import VERSIONS, Endpoint
from airflow_provider_hubbatch.sandbox.guard import OnlyThisMachine
from airflow_provider_hubbatch.sandbox.portal import Call, Portal
from airflow_provider_hubbatch.sandbox.replies import RefusedError, Reply, error_body, json_reply, not_found
from airflow_provider_hubbatch.sandbox.routing import Routes
from airflow_provider_hubbatch.sandbox.traffic import RecordedRequest
from airflow_provider_hubbatch.sandbox.values import timestamp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

    from airflow_provider_hubbatch.sandbox.faults import Fault
    from airflow_provider_hubbatch.sandbox.tokens import AccessToken

_DROP_SECONDS = 0.02


@dataclass(slots=True)
class Visit:
    """One request under way."""

    call: Call
    endpoint: Endpoint
    received_at: float
    correlation_id: str = ""
    token: AccessToken | None = None
    counted_at: float | None = None
    fault: Fault | None = None


def create_app(portal: Portal) -> FastAPI:
    """The sandbox as an ASGI app."""
    app = FastAPI(title="HubSpot sandbox", openapi_url=None)
    # A route of its own: the sandbox finds endpoints and checks bodies itself, as HubSpot does.
    app.router.routes.append(HubSpot(portal))
    add_admin_routes(app, portal)
    app.add_middleware(OnlyThisMachine)
    return app


class HubSpot(BaseRoute):
    """Serves the endpoints of one account, and says in HubSpot's words what is none."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._routes = Routes()

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Every path but the sandbox's own."""
        return (Match.NONE if is_admin_path(scope["path"]) else Match.FULL), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        request = Request(scope, receive)
        try:
            body = await request.body()
        except ClientDisconnect:  # killed in the midst of its request: nobody to answer
            return
        response = await self._serve(request, body)
        await response(scope, receive, send)

    async def _serve(self, request: Request, body: bytes) -> Response:
        portal = self._portal
        endpoint, parts = self._routes.find(request.method, request.scope["path"])
        visit = Visit(_call(request, parts, body), endpoint, portal.clock())
        with portal.lock:
            portal.traffic.begin()
            visit.correlation_id = portal.correlation_id()
            latency = portal.draw_latency_seconds()
        await _pause(latency * portal.behaviours.count_fraction)
        reply, rest_seconds = await self._answer(visit, latency)
        await _pause(rest_seconds)
        with portal.lock:
            portal.traffic.end(self._recorded(visit, reply))
        return await _send(request, reply)

    async def _answer(self, visit: Visit, latency: float) -> tuple[Reply, float]:
        rest_seconds = latency * (1 - self._portal.behaviours.count_fraction)
        try:
            with self._portal.lock:
                self._admit(visit)
        except RefusedError as refused:
            return self._finished(visit, refused), 0.0
        if visit.fault is not None and visit.fault.kind == "hang":
            return await self._hang(visit, visit.fault), rest_seconds
        return self._carry_out(visit), rest_seconds

    async def _hang(self, visit: Visit, fault: Fault) -> Reply:
        if fault.is_written:
            reply = self._carry_out(visit)
            await _pause(fault.seconds)
            return reply
        await _pause(fault.seconds)
        return self._carry_out(visit)

    def _admit(self, visit: Visit) -> None:
        portal, call, endpoint = self._portal, visit.call, visit.endpoint
        if call.version not in VERSIONS:
            raise not_found(f"No version {call.version} of {call.path}")
        if endpoint.needs_token:
            visit.token = portal.authenticate(call)
            spares_daily = endpoint.is_account_info and portal.behaviours.daily_limit_spares_account_info
            portal.refuse_over_limit(portal.paces[endpoint.pace], visit.token, spares_daily=spares_daily)
        visit.fault = portal.faults.take(method=call.method, path=call.path, body=call.body)
        if visit.token is not None and (visit.fault is None or visit.fault.kind != "rate_limited"):
            visit.counted_at = portal.count(portal.paces[endpoint.pace], visit.token)

    def _carry_out(self, visit: Visit) -> Reply:
        with self._portal.lock:
            try:
                return self._finished(visit, self._spoilt(visit, visit.fault) if visit.fault else self._handle(visit))
            except RefusedError as refused:
                return self._finished(visit, refused)

    def _spoilt(self, visit: Visit, fault: Fault) -> Reply:
        portal, call = self._portal, visit.call
        if fault.is_written or fault.kind in {"hang", "result_left_out"}:
            try:
                reply = self._handle(visit, spoil_request(fault, call.body))
            except RefusedError as refused:
                reply = self._refusal(visit, refused)
        else:
            reply = _nothing_done(visit.endpoint.status_of(call.version), timestamp(portal.now()))
        if fault.kind == "rate_limited":
            portal.traffic.rate_limited[fault.policy] += 1
        return spoil_reply(fault, reply, call.body)

    def _handle(self, visit: Visit, body: bytes | None = None) -> Reply:
        portal, call, endpoint = self._portal, visit.call, visit.endpoint
        if visit.token is not None:
            portal.authorize(visit.token, endpoint.needs(portal, call))
        limit = portal.behaviours.max_body_bytes
        if limit is not None and len(call.body) > limit:
            raise RefusedError(413, error_body(f"The request is too large: the maximum is {limit} bytes."))
        return endpoint.handler(portal, call if body is None else replace(call, body=body))

    def _refusal(self, visit: Visit, refused: RefusedError) -> Reply:
        behaviours = self._portal.behaviours
        correlation_id = visit.correlation_id if behaviours.correlation_id_in_bodies else None
        return refused.reply(correlation_id, in_details_only=behaviours.reasons_in_details_only)

    def _finished(self, visit: Visit, outcome: Reply | RefusedError) -> Reply:
        portal = self._portal
        with portal.lock:
            reply = self._refusal(visit, outcome) if isinstance(outcome, RefusedError) else outcome
            limits = portal.limit_headers(visit.endpoint.pace, visit.token) if visit.token is not None else {}
            headers = {"X-HubSpot-Correlation-Id": visit.correlation_id, **limits}
            if portal.behaviours.date_header:
                headers["Date"] = portal.http_date()
        if reply.headers:
            given = {name.lower() for name in reply.headers}
            headers = {name: value for name, value in headers.items() if name.lower() not in given}
        return replace(reply, headers={**headers, **reply.headers})

    def _recorded(self, visit: Visit, reply: Reply) -> RecordedRequest:
        call = visit.call
        return RecordedRequest(
            method=call.method,
            path=call.path,
            query=call.query,
            headers=call.headers,
            body=call.body if self._portal.traffic.record_bodies else b"",
            status=None if reply.cut else reply.status,
            received_at=visit.received_at,
            counted_at=visit.counted_at,
            answered_at=self._portal.clock(),
            fault=visit.fault.kind if visit.fault else None,
        )


def _nothing_done(status: int, now: str) -> Reply:
    if status == 204:
        return Reply(status=status)
    return json_reply(status, {"status": "COMPLETE", "results": [], "startedAt": now, "completedAt": now})


def _call(request: Request, parts: dict[str, str], body: bytes) -> Call:
    return Call(
        method=request.method,
        path=request.scope["path"],
        version=parts.get("version", "2026-03"),
        object_type=parts.get("object_type", ""),
        to_type=parts.get("to_type", ""),
        name=parts.get("name", ""),
        query=dict(request.query_params),
        headers=dict(request.headers),
        body=body,
    )


async def _pause(seconds: float) -> None:
    if seconds > 0:
        await asyncio.sleep(seconds)


async def _send(request: Request, reply: Reply) -> Response:
    if reply.cut is not None:
        await _cut(request, reply)
    headers = {**reply.headers, "Content-Type": reply.content_type}
    if reply.drip_seconds and not reply.body:
        await _pause(reply.drip_seconds)
    elif reply.drip_seconds:
        headers["Content-Length"] = str(len(reply.body))
        return StreamingResponse(_drops(reply), status_code=reply.status, headers=headers)
    response = Response(reply.body, status_code=reply.status, headers=headers)
    if reply.status == 204:
        del response.headers["Content-Type"]
    return response


async def _drops(reply: Reply) -> AsyncIterator[bytes]:
    drops = max(1, min(len(reply.body), int(reply.drip_seconds / _DROP_SECONDS)))
    size = -(-len(reply.body) // drops)
    for place in range(0, len(reply.body), size):
        await asyncio.sleep(reply.drip_seconds / drops)
        yield reply.body[place : place + size]


async def _cut(request: Request, reply: Reply) -> None:
    """Closes the socket under the request: the client sees a broken connection, not an error of HTTP."""
    transport: asyncio.Transport = request.state.transport
    if reply.cut == "during_reply":
        head = f"HTTP/1.1 {reply.status} OK\r\nContent-Type: {reply.content_type}\r\nContent-Length: {len(reply.body)}"
        half = head.encode() + b"\r\n\r\n" + reply.body[: len(reply.body) // 2]
        transport.write(half if reply.body else half[: len("HTTP/1.1 2")])
        transport.close()
    else:
        transport.abort()
    await request.receive()
