"""``airflow standalone`` as a context manager: free ports, its own process group, nothing left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Self

import psutil
import requests

from demo.airflow_home import airflow_environment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Seen on two cores: healthy after 25 s; a busy machine needs several times that
HEALTHY_WITHIN_SECONDS = 180
STOPPED_WITHIN_SECONDS = 15


def free_port() -> int:
    """A port of the loopback interface that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Standalone:
    """A whole Airflow (scheduler, DAG processor, API server, triggerer) for the time of a ``with`` block.

    :param home: its ``AIRFLOW_HOME``; what its processes print goes to ``standalone.log`` in it.
    :param dags_folder: where its DAG files are.
    :param environment: more environment variables, such as connections.
    :param port: the API server's port; a free one when ``None``.
    :param stop: once it is set, the start is no longer waited for.
    """

    def __init__(
        self,
        home: Path,
        dags_folder: Path,
        environment: Mapping[str, str] | None = None,
        *,
        port: int | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_path = home / "standalone.log"
        self._environment = (
            airflow_environment(home, dags_folder)
            | {
                "AIRFLOW__API__BASE_URL": self.url,
                "AIRFLOW__API__HOST": "127.0.0.1",
                "AIRFLOW__API__PORT": str(self.port),
                "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
                "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
                "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
            }
            | dict(environment or {})
        )
        self._stop = stop or threading.Event()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self.log_path.open("wb") as log:
            self._process = subprocess.Popen(
                ["airflow", "standalone"],  # noqa: S607 - PATH starts with this environment's folder
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_until_healthy()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End every process of it: asked first, then killed."""
        if self._process is None:
            return
        process, self._process = self._process, None
        family = [psutil.Process(process.pid)] if process.poll() is None else []
        family += [child for parent in family for child in parent.children(recursive=True)]
        # The leader alone would leave its children on the port, and one of these may have left the group
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        _, alive = psutil.wait_procs(family, timeout=STOPPED_WITHIN_SECONDS)
        for survivor in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                survivor.kill()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _wait_until_healthy(self) -> None:
        deadline = time.monotonic() + HEALTHY_WITHIN_SECONDS
        while time.monotonic() < deadline:
            if self._process is not None and self._process.poll() is not None:
                raise RuntimeError(f"airflow standalone ended with {self._process.returncode}; see {self.log_path}")
            if self._is_healthy() or self._stop.wait(0.5):
                return
        raise TimeoutError(f"airflow standalone isn't healthy after {HEALTHY_WITHIN_SECONDS} s; see {self.log_path}")

    def _is_healthy(self) -> bool:
        try:
            health = requests.get(f"{self.url}/api/v2/monitor/health", timeout=5).json()
        except (requests.RequestException, ValueError):
            return False
        parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
        return all(health.get(part, {}).get("status") == "healthy" for part in parts)
