"""Airflow's REST API, as a user's scripts drive it: trigger, wait, read."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from pathlib import Path

# A busy machine is no reason to fail
RUN_WITHIN_SECONDS = 300
ANSWER_WITHIN_SECONDS = 120


class AirflowApi:
    """An Airflow with the simple auth manager, in which everybody is an admin.

    :ivar url: of its API server.
    :ivar log_path: where to look when it doesn't do what is waited for.
    """

    url: str
    log_path: Path
    _token: str | None = None

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None) -> str:
        """Start a run, as soon as the DAG processor knows the DAG; gives the run id."""
        self._wait_for(lambda: self._get(f"dags/{dag_id}", missing_ok=True), f"the DAG {dag_id}")
        reply = self._call("POST", f"dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": conf or {}})
        return str(reply.json()["dag_run_id"])

    def wait(self, dag_id: str, run_id: str) -> str:
        """Wait for the run's end; gives its state."""

        def ended() -> str | None:
            state = self._get(f"dags/{dag_id}/dagRuns/{run_id}")["state"]
            return state if state in {"success", "failed"} else None

        return str(self._wait_for(ended, f"the end of {run_id}"))

    def wait_for_task(self, dag_id: str, run_id: str, task_id: str, states: set[str]) -> str:
        """Wait until a task is in one of ``states``; gives which."""

        def reached() -> str | None:
            state = self.task_states(dag_id, run_id).get(task_id)
            return state if state in states else None

        return str(self._wait_for(reached, f"{task_id} in {sorted(states)}"))

    def task_states(self, dag_id: str, run_id: str) -> dict[str, str | None]:
        """Task id -> state; of mapped tasks, ``task_id[map_index]``."""
        instances = self._get(f"dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
        return {
            ti["task_id"] if ti["map_index"] < 0 else f"{ti['task_id']}[{ti['map_index']}]": ti["state"]
            for ti in instances
        }

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """What a task pushed, as the API shows it."""
        entries = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries"
        return self._get(f"{entries}/{key}", params={"deserialize": "true"})["value"]

    def log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1) -> str:
        """A try's log, one event a line."""
        reply = self._call("GET", f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{try_number}")
        return "\n".join(str(event) for event in reply.json()["content"])

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """Any other endpoint below ``/api/v2/``."""
        return self._call(method, path, **options)

    def _get(self, path: str, *, missing_ok: bool = False, params: dict[str, str] | None = None) -> Any:
        reply = self._call("GET", path, missing_ok=missing_ok, params=params)
        return None if reply.status_code == 404 else reply.json()

    def _call(self, method: str, path: str, *, missing_ok: bool = False, **options: Any) -> requests.Response:
        if self._token is None:
            # The simple auth manager, with everybody an admin, gives everybody a token
            login = requests.get(f"{self.url}/auth/token", timeout=ANSWER_WITHIN_SECONDS)
            login.raise_for_status()
            self._token = str(login.json()["access_token"])
        headers = {"Authorization": f"Bearer {self._token}"}
        options = {"timeout": ANSWER_WITHIN_SECONDS, **options}
        reply = requests.request(method, f"{self.url}/api/v2/{path}", headers=headers, **options)
        if not (missing_ok and reply.status_code == 404):
            assert reply.ok, f"{method} {path}: {reply.status_code} {reply.text}"
        return reply

    def _wait_for(self, probe: Any, what: str) -> Any:
        deadline = time.monotonic() + RUN_WITHIN_SECONDS
        while time.monotonic() < deadline:
            if found := probe():
                return found
            time.sleep(0.5)
        raise TimeoutError(f"no sign of {what} after {RUN_WITHIN_SECONDS} s; see {self.log_path}")
