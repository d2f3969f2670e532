"""One whole Airflow for every test that needs one and changes none of its settings: it takes half a minute to start."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.airflow_standalone import AirflowUnderTest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


class SharedAirflow(AirflowUnderTest):
    """A whole Airflow that also tells a StatsD server and OpenLineage what its tasks do.

    :param folder: of its own.
    :ivar home: its ``AIRFLOW_HOME``.
    :ivar statsd: what it has heard.
    """

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.statsd = StatsD()
        self._dags = folder / "dags"
        self._dags.mkdir()
        self._lineage = folder / "lineage.jsonl"
        self._lineage.touch()
        transport = {"type": "file", "log_file_path": str(self._lineage), "append": True}
        environment = {
            "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "1",
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
            "AIRFLOW__METRICS__STATSD_PORT": str(self.statsd.port),
            "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "True",
            "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
            "AIRFLOW__OPENLINEAGE__NAMESPACE": "tests",
        }
        super().__init__(self.home, self._dags, environment)

    def stop(self) -> None:
        """End every process of it."""
        super().stop()
        self.statsd.stop()

    @contextmanager
    def holding(self, dags: Mapping[str, str], connections: Mapping[str, str]) -> Iterator[None]:
        """Have these DAG files and connections for the time of a ``with`` block, and nothing left of them after it.

        :param dags: a file's name -> its text.
        :param connections: as environment variables: ``AIRFLOW_CONN_...`` -> JSON.
        """
        for name, value in connections.items():
            connection = {"connection_id": name.removeprefix("AIRFLOW_CONN_").lower(), **json.loads(value)}
            if isinstance(connection.get("extra"), dict):
                connection["extra"] = json.dumps(connection["extra"])
            self.call("POST", "connections", json=connection)
        for name, text in dags.items():
            (self._dags / name).write_text(text)
        try:
            yield
        except BaseException:  # what it was to run may never end
            for run in self._unfinished():
                path = f"dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}"
                self.call("PATCH", path, json={"state": "failed"})
            raise
        finally:
            for name in dags:
                (self._dags / name).unlink()
            self._wait_for(lambda: not self._unfinished(), "the end of every run")
            for dag in self._get("dags", params={"exclude_stale": "false"})["dags"]:
                self.call("DELETE", f"dags/{dag['dag_id']}")
            for connection in self._get("connections")["connections"]:
                self.call("DELETE", f"connections/{connection['connection_id']}")

    def lineage(self) -> list[dict[str, Any]]:
        """The OpenLineage events so far, in their order."""
        return [json.loads(line) for line in self._lineage.read_text().splitlines()]

    def _unfinished(self) -> list[dict[str, Any]]:
        runs = self._get("dags/~/dagRuns")["dag_runs"]
        return [run for run in runs if run["state"] not in ("success", "failed")]


class StatsD:
    """A StatsD server: keeps what it is sent, with the tags that the InfluxDB flavour puts behind the name."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
        self._socket.settimeout(0.2)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self.port: int = self._socket.getsockname()[1]
        self.lines: list[str] = []
        self._thread.start()

    def stop(self) -> None:
        """Stop listening."""
        self._stopped.set()
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while not self._stopped.is_set():
            try:
                self.lines += self._socket.recv(65_536).decode().splitlines()
            except TimeoutError:
                continue
