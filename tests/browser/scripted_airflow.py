"""As much of Airflow's web server as the syncs' pages ask for: its REST API over what a test scripts, and the frame."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import escape
from typing import TYPE_CHECKING, Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route

from airflow_provider_hubbatch.ui.pages import Pages
from demo.standalone import free_port

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request

BACKGROUNDS = {"light": "#fff", "dark": "oklch(0.23 0.03 260)"}  # about Airflow 3.3's
# What Airflow 3.1 and 3.2 allow in the frame of an external view; 3.3 allows downloads too.
SANDBOX = "allow-scripts allow-same-origin allow-forms"


@dataclass(kw_only=True)
class Instance:
    """A task instance, with its XComs.

    :param xcoms: key -> value.
    :param started: how long ago it started.
    """

    dag_id: str = "nightly"
    run_id: str = "scheduled__2026-11-24T05:00:00+00:00"
    task_id: str = "update_contacts"
    map_index: int = -1
    operator: str = "HubSpotBatchUpdateOperator"
    state: str | None = "success"
    started: timedelta = timedelta(hours=7)
    duration: float = 60.0
    try_number: int = 1
    rendered_fields: Mapping[str, Any] = field(default_factory=dict)
    xcoms: Mapping[str, Any] = field(default_factory=dict)
    links: Mapping[str, str | None] = field(default_factory=dict)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def as_json(self) -> dict[str, Any]:
        """As Airflow's API tells it, as far as the pages look."""
        started = self.now - self.started
        over = self.state in {"success", "failed", "skipped"}
        return {
            "id": f"{self.dag_id}/{self.run_id}/{self.task_id}/{self.map_index}/{self.try_number}",
            "dag_id": self.dag_id,
            "dag_run_id": self.run_id,
            "task_id": self.task_id,
            "map_index": self.map_index,
            "dag_display_name": self.dag_id,
            "task_display_name": self.task_id,
            "operator": self.operator,
            "operator_name": self.operator,
            "state": self.state,
            "run_after": started.isoformat(),
            "start_date": None if self.state in {None, "queued", "scheduled"} else started.isoformat(),
            "end_date": (started + timedelta(seconds=self.duration)).isoformat() if over else None,
            "duration": self.duration if over else None,
            "try_number": self.try_number,
            "rendered_map_index": None,
            "rendered_fields": dict(self.rendered_fields),
        }


class ScriptedAirflow:
    """Serves on a free port of loopback, below a path as a deployment behind a proxy has one.

    :param forbidden: DAGs that the viewer may not see.
    :param prefix: the path of the base URL.
    """

    def __init__(
        self, instances: Sequence[Instance] = (), *, forbidden: frozenset[str] = frozenset(), prefix: str = ""
    ) -> None:
        self.instances = list(instances)
        self.forbidden = forbidden
        self.prefix = prefix
        self.asked: list[str] = []
        self.port = free_port()
        routes = [
            Mount("/hubbatch", Pages()),
            Route("/frame", self._frame),
            Route("/api/v2/dags/{dag}/dagRuns/{run}/taskInstances", self._list),
            Route("/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}/xcomEntries", self._xcoms),
            Route("/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}/xcomEntries/{key}", self._xcom),
            Route("/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}/links", self._links),
            Route("/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}", self._one),
            Route("/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}/{index:int}", self._one),
            Route("/{rest:path}", self._other_page),
        ]
        app = Starlette(routes=[Mount(prefix, routes=routes)] if prefix else routes)
        self._server = uvicorn.Server(uvicorn.Config(app, port=self.port, log_level="error", lifespan="off"))
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.port}{self.prefix}"

    def framed(self, page: str, theme: str = "light") -> str:
        """The address of Airflow's page around one of ours."""
        return f"{self.url}/frame?theme={theme}&page={page.replace('%', '%25').replace('&', '%26').replace('+', '%2B')}"

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started:
            self._thread.join(0.01)
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.should_exit = True
        self._thread.join()

    # --- answers ---------------------------------------------------------------------------------------------------

    async def _frame(self, request: Request) -> Response:
        theme, page = request.query_params["theme"], request.query_params["page"]
        return HTMLResponse(
            f'<!doctype html><html class="{escape(theme)}" style="height:100%"><head><base href="{self.prefix}/">'
            f'<title>Airflow</title><link rel="icon" href="data:,"></head>'
            f"<body style='height:100%;margin:0;font-family:sans-serif;background:{BACKGROUNDS[theme]}'>"
            f'<iframe sandbox="{SANDBOX}" src="hubbatch/{escape(page)}" '
            "style='border:none;display:block;height:100%;width:100%'></iframe></body></html>"
        )

    async def _other_page(self, request: Request) -> Response:
        return HTMLResponse(f"<!doctype html><title>Airflow</title><h1>Airflow's page {escape(request.url.path)}</h1>")

    def _matching(self, request: Request) -> list[Instance]:
        wanted = request.path_params
        self.asked.append(request.url.path + (f"?{request.url.query}" if request.url.query else ""))
        return [
            one
            for one in self.instances
            if one.dag_id not in self.forbidden
            and wanted["dag"] in {"~", one.dag_id}
            and wanted["run"] in {"~", one.run_id}
            and wanted.get("task", "~") in {"~", one.task_id}
        ]

    def _refused(self, request: Request) -> Response | None:
        if request.path_params["dag"] in self.forbidden:
            return JSONResponse({"detail": "Forbidden"}, 403)
        return None

    async def _list(self, request: Request) -> Response:
        query = request.query_params
        found = [
            one
            for one in self._matching(request)
            if (not query.getlist("operator") or one.operator in query.getlist("operator"))
            and query.get("task_id") in {None, one.task_id}
        ]
        found.sort(key=lambda one: one.map_index if query["order_by"] == "map_index" else one.started.total_seconds())
        return self._refused(request) or _page(request, "task_instances", [one.as_json() for one in found])

    async def _one(self, request: Request) -> Response:
        index = request.path_params.get("index", -1)
        found = [one for one in self._matching(request) if one.map_index == index]
        if not found:
            return self._refused(request) or JSONResponse({"detail": "not found"}, 404)
        return JSONResponse(found[0].as_json())

    async def _xcoms(self, request: Request) -> Response:
        query = request.query_params
        entries = [
            {name: one.as_json()[name] for name in ("dag_id", "task_id", "map_index", "run_after")}
            | {"run_id": one.run_id, "key": key}
            for one in self._matching(request)
            for key in one.xcoms
            if query.get("xcom_key") in {None, key} and query.get("map_index") in {None, str(one.map_index)}
        ]
        return self._refused(request) or _page(request, "xcom_entries", entries)

    async def _xcom(self, request: Request) -> Response:
        key, index = request.path_params["key"], int(request.query_params["map_index"])
        found = [one for one in self._matching(request) if one.map_index == index and key in one.xcoms]
        if not found:
            return self._refused(request) or JSONResponse({"detail": "not found"}, 404)
        return JSONResponse({"key": key, "value": found[0].xcoms[key]})

    async def _links(self, request: Request) -> Response:
        found = self._matching(request)
        return self._refused(request) or JSONResponse({"extra_links": dict(found[0].links) if found else {}})


def _page(request: Request, key: str, entries: Sequence[Any]) -> Response:
    limit, offset = (int(request.query_params.get(name, default)) for name, default in (("limit", 50), ("offset", 0)))
    limit = min(limit, 100)
    return JSONResponse({key: entries[offset : offset + limit], "total_entries": len(entries)})
