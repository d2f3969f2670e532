"""A distributed Airflow in processes of its own: PostgreSQL, Redis, an S3 server, all of its parts, two workers."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import psutil
import requests

from demo.airflow_home import airflow_environment
from demo.standalone import free_port
from tests.airflow_api import AirflowApi
from tests.postgres import NOT_THERE, PostgresServer, postgres_programs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

# Six processes import Airflow at once; seen on two cores: 60 s
UP_WITHIN_SECONDS = 300
STOPPED_WITHIN_SECONDS = 15

WORKERS = ("one", "two")
SLOTS = 6
BUCKET = "results"

# So long after its last heartbeat a task is given up; 300 s by default.
GIVEN_UP_SECONDS = 20

SETTINGS = {
    "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
    "AIRFLOW__CORE__PARALLELISM": "32",
    "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(SLOTS),
    "AIRFLOW__API__WORKERS": "1",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(GIVEN_UP_SECONDS),
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
}


def missing() -> str | None:
    """Why there can be no cluster here; ``None``: there can."""
    if importlib.util.find_spec("airflow.providers.celery") is None:
        return "Airflow's Celery provider isn't in this environment: make test-celery makes one that has it"
    if shutil.which("redis-server") is None:
        return "no Redis here: redis-server isn't on PATH (on Debian and Ubuntu: the package redis-server)"
    return NOT_THERE if postgres_programs() is None else None


class Part:
    """A process and all that it starts.

    :param log_path: what they print.
    """

    def __init__(
        self, command: list[str], log_path: Path, environment: Mapping[str, str], folder: Path | None = None
    ) -> None:
        self.log_path = log_path
        with log_path.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                command,
                env=dict(environment),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        """Whether the first process of it is there."""
        return self._process.poll() is None

    def output(self) -> str:
        """What its processes have printed."""
        return self.log_path.read_bytes()[self._log_start :].decode(errors="replace")

    def family(self) -> list[psutil.Process]:
        """All processes of it."""
        with contextlib.suppress(psutil.NoSuchProcess):
            first = psutil.Process(self._process.pid)
            return [first, *first.children(recursive=True)]
        return []

    def kill(self, but: int | None = None) -> float:
        """SIGKILL to all processes of it, as when a machine is lost; gives when, on the monotonic clock.

        :param but: the process that survives.
        """
        family = [process for process in self.family() if process.pid != but]
        for process in family:  # so that no parent sees its child die
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
        killed_at = time.monotonic()
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family, timeout=STOPPED_WITHIN_SECONDS)
        self._process.wait()
        return killed_at

    def sweep(self) -> None:
        """Kill what is left of it, also children whose parents have ended."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def stop(parts: list[Part]) -> None:
    """Ask every process of them to end, then kill those that don't."""
    family = [process for part in parts for process in part.family()]
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGTERM)
    _, alive = psutil.wait_procs(family, timeout=STOPPED_WITHIN_SECONDS)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    for part in parts:
        part.sweep()


class AirflowCluster(AirflowApi):
    """A distributed Airflow for the time of a ``with`` block.

    :param home: its ``AIRFLOW_HOME``, of all its parts; what they print goes to ``{part}.log`` in it. Each worker's
        working folder is one of its own in it, ``worker-{name}``: what a worker's own disk is.
    :param dags_folder: where its DAG files are.
    :param environment: more environment variables, such as connections.
    :ivar database: the PostgreSQL server that its metadata is in.
    :ivar storage: the connection ``storage``, to the S3 server.
    :ivar parts: name -> part: ``worker-one``, ``triggerer``, ...
    """

    def __init__(self, home: Path, dags_folder: Path, environment: Mapping[str, str] | None = None) -> None:
        programs = postgres_programs()
        assert programs is not None, NOT_THERE
        self.home = home
        self.database = PostgresServer(programs)
        self.parts: dict[str, Part] = {}
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        self.log_path = home
        self._redis_port, self._s3_port = free_port(), free_port()
        self.s3_url = f"http://127.0.0.1:{self._s3_port}"
        database = "127.0.0.1:{port}/{schema}".format(**self.database.fields)
        self.storage = json.dumps(
            {
                "conn_type": "aws",
                "login": "key",
                "password": "secret",
                "extra": {"endpoint_url": self.s3_url, "region_name": "eu-west-1"},
            }
        )
        self._environment = (
            airflow_environment(home, dags_folder)
            | SETTINGS
            | {
                "AIRFLOW__API__BASE_URL": self.url,
                "AIRFLOW__API__HOST": "127.0.0.1",
                "AIRFLOW__API__PORT": str(port),
                "AIRFLOW__CELERY__BROKER_URL": f"redis://127.0.0.1:{self._redis_port}/0",
                "AIRFLOW__CELERY__RESULT_BACKEND": f"db+postgresql+psycopg2://hubbatch@{database}",
                "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://hubbatch@{database}",
                "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
                "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
                "AIRFLOW_CONN_STORAGE": self.storage,
            }
            | dict(environment or {})
        )
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._start_services()
            self._run_airflow("db", "migrate")
            for name in ("api-server", "scheduler", "dag-processor", "triggerer", *WORKERS):
                self.start(f"worker-{name}" if name in WORKERS else name)
            self.wait_until(self._is_up, "the whole of Airflow")
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def start(self, name: str) -> None:
        """Start one of Airflow's parts; also after it was killed."""
        command, folder = [name], self.home
        if name.startswith("worker-"):
            folder = self.home / name
            folder.mkdir(exist_ok=True)
            # a machine's worker would serve its logs to the API server; here they share a folder
            command = ["celery", "worker", "--celery-hostname", f"{name}@%h", "--skip-serve-logs"]
        self._start(name, [f"{sys.prefix}/bin/airflow", *command], folder)

    def restart_ended(self) -> None:
        """Start what has ended by itself, as a process manager does: some parts of Airflow end with their database."""
        for name in [name for name, part in self.parts.items() if not part.running]:
            self.start(name)

    def worker_of(self, pid: int) -> str:
        """The worker that a task's process belongs to."""
        return next(
            name
            for name, part in self.parts.items()
            if name.startswith("worker-") and pid in {process.pid for process in part.family()}
        )

    def workers_up(self) -> set[str]:
        """The workers that take tasks."""
        return {
            name
            for name in self.parts
            if name.startswith("worker-") and self.parts[name].running and "ready." in self.parts[name].output()
        }

    def wait_until(self, probe: Callable[[], Any], what: str, within_seconds: float = UP_WITHIN_SECONDS) -> Any:
        """Wait until something is true; gives what it gives."""
        deadline = time.monotonic() + within_seconds
        while time.monotonic() < deadline:
            if found := probe():
                return found
            time.sleep(0.2)
        raise TimeoutError(f"no sign of {what} after {within_seconds} s; see {self.home}")

    def _start_services(self) -> None:
        self._stack.enter_context(self.database)
        self._stack.callback(self._stop_parts)
        redis = ["redis-server", "--port", str(self._redis_port), "--bind", "127.0.0.1", "--save", ""]
        self._start("redis", redis, self.home)
        s3 = [f"{sys.prefix}/bin/moto_server", "--host", "127.0.0.1", "--port", str(self._s3_port)]
        self._start("s3", s3, self.home)
        for port in (self._redis_port, self._s3_port):
            self.wait_until(partial(_listens, port), "Redis and the S3 server")
        requests.put(f"{self.s3_url}/{BUCKET}", timeout=30).raise_for_status()

    def _stop_parts(self) -> None:
        stop(list(self.parts.values()))

    def _start(self, name: str, command: list[str], folder: Path) -> None:
        if name in self.parts:
            self.parts[name].sweep()
        self.parts[name] = Part(command, self.home / f"{name}.log", self._environment, folder)

    def _run_airflow(self, *arguments: str) -> None:
        command = [f"{sys.prefix}/bin/airflow", *arguments]
        done = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, check=False, timeout=UP_WITHIN_SECONDS
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _is_up(self) -> bool:
        for name, part in self.parts.items():
            assert part.running, f"{name} has ended: {part.output()[-2_000:]}"
        try:
            health = requests.get(f"{self.url}/api/v2/monitor/health", timeout=5).json()
        except (requests.RequestException, ValueError):
            return False
        parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
        healthy = all(health.get(part, {}).get("status") == "healthy" for part in parts)
        return healthy and len(self.workers_up()) == len(WORKERS)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
