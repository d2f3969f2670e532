"""The sandbox's own page and endpoints, ``/`` and ``/_sandbox``: for people, and for programs in other processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import Request  # noqa: TC002 - FastAPI reads the annotations
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from airflow_provider_hubbatch.sandbox.controls import Controls
from airflow_provider_hubbatch.sandbox.html import record_path
from airflow_provider_hubbatch.sandbox.pages import overview
from airflow_provider_hubbatch.sandbox.record_pages import list_page, missing_page, record_page

if TYPE_CHECKING:
    from fastapi import FastAPI

    from airflow_provider_hubbatch.sandbox.portal import Portal
    from airflow_provider_hubbatch.sandbox.traffic import RecordedRequest

# The methods of Controls that POST /_sandbox/do/<name> calls with the body's keys as arguments.
ACTIONS = frozenset(
    {
        "add_label",
        "add_object_type",
        "add_owner",
        "add_pipeline",
        "add_property",
        "add_records",
        "archive",
        "archive_owner",
        "associate",
        "expire_tokens",
        "forget_requests",
        "make_dependent",
        "merge",
        "occupy_window",
        "remove_property",
        "require_on_create",
        "require_when",
        "reset_limits",
        "rotate_token",
        "set_limits",
        "set_value",
        "spend_daily_quota",
        "switch",
    }
)


# A form of a foreign page can't have this type
_NO_JSON = "This wants Content-Type: application/json, also without a body."


def is_admin_path(path: str) -> bool:
    """Whether a path is the sandbox's own, and none of HubSpot's API."""
    return path in {"/", "/favicon.ico"} or path.startswith(("/_sandbox", "/contacts/"))


def add_admin_routes(app: FastAPI, portal: Portal) -> None:
    """Adds the routes: they need no token, and take no part in limits, faults and latency."""
    admin = _Admin(portal)
    app.get("/")(admin.page)
    app.get("/favicon.ico")(admin.no_icon)
    app.get("/contacts/{portal_id}/objects/{object_type}/views/all/list")(admin.list)
    app.get("/contacts/{portal_id}/record/{object_type}/{record_id}")(admin.record)
    app.get("/_sandbox/state")(admin.state)
    app.get("/_sandbox/requests")(admin.requests)
    app.get("/_sandbox/objects/{object_type}")(admin.objects)
    app.get("/_sandbox/associations/{from_type}/{to_type}")(admin.associations)
    app.get("/_sandbox/faults")(admin.faults)
    app.post("/_sandbox/faults")(admin.add_fault)
    app.delete("/_sandbox/faults")(admin.clear_faults)
    app.post("/_sandbox/do/{action}")(admin.act)
    app.exception_handler(HTTPException)(_http_error)
    app.exception_handler(RequestValidationError)(_invalid_request)


async def _http_error(request: Request, error: HTTPException) -> JSONResponse:
    place = f"{request.method} {request.url.path}"
    return JSONResponse({"error": f"{place}: {error.detail}"}, status_code=error.status_code)


async def _invalid_request(_request: Request, error: RequestValidationError) -> JSONResponse:
    reasons = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
    return JSONResponse({"error": "; ".join(reasons)}, status_code=400)


class _Admin:
    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._controls = Controls(portal)

    async def page(self) -> HTMLResponse:
        with self._portal.lock:
            return _page(overview(self._portal))

    async def list(self, portal_id: str, object_type: str, after: int = 0) -> HTMLResponse:
        with self._portal.lock:
            table = self._portal.store.find(object_type)
            if table is None or portal_id != str(self._portal.portal_id):
                return _page(missing_page(self._portal, f"{object_type} of account {portal_id}"), 404)
            return _page(list_page(self._portal, table, after=max(0, after)))

    async def record(self, portal_id: str, object_type: str, record_id: str) -> Response:
        with self._portal.lock:
            table = self._portal.store.find(object_type)
            if table is not None and portal_id == str(self._portal.portal_id):
                type_id = table.object_type.object_type_id
                if record_id in table.merged:  # as HubSpot's app, to the surviving one
                    survivor = table.merged[record_id]
                    return RedirectResponse(record_path(self._portal.portal_id, type_id, survivor))
                record = table.records.get(record_id)
                if record is not None:
                    return _page(record_page(self._portal, table, record))
            return _page(missing_page(self._portal, f"{object_type} {record_id} of account {portal_id}"), 404)

    async def no_icon(self) -> Response:
        return Response(status_code=204)

    async def state(self) -> JSONResponse:
        return JSONResponse(self._controls.state())

    async def requests(self, limit: int = 100) -> JSONResponse:
        last = self._controls.requests[-limit:] if limit > 0 else []
        return JSONResponse({**self._controls.statistics, "requests": [_summary(request) for request in last]})

    async def objects(self, object_type: str, archived: bool = False) -> JSONResponse:
        try:
            return JSONResponse(self._controls.objects(object_type, archived=archived))
        except KeyError as error:
            return _complaint(error, 404)

    async def associations(self, from_type: str, to_type: str) -> JSONResponse:
        try:
            return JSONResponse(self._controls.associations(from_type, to_type))
        except KeyError as error:
            return _complaint(error, 404)

    async def faults(self) -> JSONResponse:
        return JSONResponse([fault.as_json() for fault in self._controls.faults.pending])

    async def add_fault(self, request: Request) -> JSONResponse:
        if not _is_json(request):
            return _complaint(ValueError(_NO_JSON), 415)
        try:
            details = await _json(request)
            with self._portal.lock:
                faults = self._controls.faults
                add = faults.randomly if "probability" in details else faults.add
                return JSONResponse(add(**details).as_json(), status_code=201)
        except (TypeError, ValueError) as error:
            return _complaint(error, 400)

    async def clear_faults(self) -> JSONResponse:
        with self._portal.lock:
            self._controls.faults.clear()
        return JSONResponse([])

    async def act(self, action: str, request: Request) -> JSONResponse:
        if not _is_json(request):
            return _complaint(ValueError(_NO_JSON), 415)
        if action not in ACTIONS:
            return _complaint(KeyError(f"No action {action!r}. There are: {', '.join(sorted(ACTIONS))}."), 404)
        try:
            arguments: dict[str, Any] = await _json(request) if await request.body() else {}
            return JSONResponse({"result": getattr(self._controls, action)(**arguments)})
        except (KeyError, TypeError, ValueError) as error:
            return _complaint(error, 400)


def _page(html: str, status: int = 200) -> HTMLResponse:
    # Nothing of a record runs or loads anything, should it ever get past the escaping
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return HTMLResponse(html, status_code=status, headers={"Content-Security-Policy": policy})


async def _json(request: Request) -> dict[str, Any]:
    body = await request.json()
    if not isinstance(body, dict):
        raise TypeError("The body must be a JSON object.")
    return body


def _is_json(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def _summary(request: RecordedRequest) -> dict[str, Any]:
    return {
        "method": request.method,
        "path": request.path,
        "status": request.status,
        "fault": request.fault,
        "received_at": request.received_at,
        "counted_at": request.counted_at,
        "answered_at": request.answered_at,
    }


def _complaint(error: Exception, status: int) -> JSONResponse:
    return JSONResponse({"error": str(error.args[0]) if error.args else str(error)}, status_code=status)
