"""The syncs of a distributed Airflow: DAGs with one task, ``update``, mapped over files of rows."""

from __future__ import annotations

import json
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.reports import result_files
from airflow_provider_hubbatch.sandbox import HubSpotSandbox
from tests.celery.cluster import BUCKET
from tests.resume.killing import write_rows
from tests.resume.resuming import rows_of, updates

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from airflow_provider_hubbatch.sandbox import RecordedRequest
    from tests.celery.cluster import AirflowCluster

WINDOW_SECONDS = 10.0

DAGS = """
import json
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG

from airflow_provider_hubbatch.operators import HubSpotBatchUpdateOperator

for dag_id, (parts, options) in json.loads(Path(__file__).with_suffix(".json").read_text()).items():
    options = {"retry_delay": timedelta(seconds=1), **options}
    with DAG(dag_id, schedule=None):
        HubSpotBatchUpdateOperator.partial(task_id="update", object_type="contacts", **options).expand(rows=parts)
"""


@dataclass(frozen=True)
class Account:
    """A HubSpot account, and the syncs that write to it.

    :param name: of the connection.
    :param rows: DAG id -> part -> its rows, each of a contact of its own.
    """

    name: str
    sandbox: HubSpotSandbox
    rows: dict[str, list[list[dict[str, Any]]]]

    @classmethod
    def start(cls, name: str, parts: dict[str, list[int]], **settings: Any) -> Account:
        """Start a HubSpot in this process, with a contact for each row.

        :param parts: DAG id -> how many rows each of its mapped tasks has.
        """
        count = sum(sum(sizes) for sizes in parts.values())
        sandbox = HubSpotSandbox(records={"contacts": count}, **settings).start()
        rest = iter(rows_of(sandbox.objects("contacts")))
        rows = {dag_id: [[next(rest) for _ in range(size)] for size in sizes] for dag_id, sizes in parts.items()}
        return cls(name, sandbox, rows)

    def files(self, folder: Path, dag_id: str) -> list[str]:
        """The rows of a DAG's mapped tasks, as files."""
        return [write_rows(folder / f"{dag_id}-{index}.jsonl", rows) for index, rows in enumerate(self.rows[dag_id])]

    def task_of(self) -> dict[str, tuple[str, int]]:
        """A record's id -> DAG id and map index of the sync that writes it."""
        return {
            row["id"]: (dag_id, index)
            for dag_id, parts in self.rows.items()
            for index, rows in enumerate(parts)
            for row in rows
        }

    def sent(self) -> dict[tuple[str, int], list[RecordedRequest]]:
        """DAG id and map index -> its updates, in the order of HubSpot's answers."""
        task_of = self.task_of()
        sent: dict[tuple[str, int], list[RecordedRequest]] = {task: [] for task in task_of.values()}
        for request in updates(self.sandbox):
            sent[task_of[request.json["inputs"][0]["id"]]].append(request)
        return sent


def write_dags(folder: Path, dags: dict[str, tuple[list[str], dict[str, Any]]]) -> None:
    """A DAG file with a DAG for each: id -> the files of rows, and what the operator is given."""
    folder.mkdir(exist_ok=True)
    (folder / "syncs.json").write_text(json.dumps(dags))
    (folder / "syncs.py").write_text(DAGS)


def results_path(dag_id: str) -> str:
    """A folder on the S3 server, through the cluster's connection ``storage``."""
    return f"s3://storage@{BUCKET}/{dag_id}"


def lines_of(dag_id: str, index: int) -> list[int]:
    """The rows in the result files that count of a mapped task."""
    files = [path for path in result_files(results_path(dag_id)) if path.name.startswith(f"update-{index}-")]
    return sorted(json.loads(line)["row"] for path in files for line in path.read_text().splitlines())


@dataclass
class Run:
    """A run of a DAG, as Airflow's API shows it."""

    cluster: AirflowCluster
    dag_id: str
    run_id: str

    @classmethod
    def start(cls, cluster: AirflowCluster, dag_id: str) -> Run:
        """Trigger it."""
        return cls(cluster, dag_id, cluster.trigger(dag_id))

    def tasks(self) -> list[dict[str, Any]]:
        """Its mapped tasks, by index."""
        path = f"dags/{self.dag_id}/dagRuns/{self.run_id}/taskInstances"
        found = self.cluster.call("GET", path).json()["task_instances"]
        return sorted((one for one in found if one["map_index"] >= 0), key=lambda one: int(one["map_index"]))

    def summaries(self) -> list[dict[str, Any]]:
        """What each of its mapped tasks gave back."""
        return [self.xcom(one["map_index"]) for one in self.tasks()]

    def xcom(self, index: int, key: str = "return_value") -> Any:
        """What a mapped task pushed."""
        path = f"dags/{self.dag_id}/dagRuns/{self.run_id}/taskInstances/update/xcomEntries/{key}"
        params = {"deserialize": "true", "map_index": str(index)}
        return self.cluster.call("GET", path, params=params).json()["value"]

    def log(self, index: int, try_number: int = 1) -> str:
        """A try's log, one event a line."""
        path = f"dags/{self.dag_id}/dagRuns/{self.run_id}/taskInstances/update/logs/{try_number}"
        reply = self.cluster.call("GET", path, params={"map_index": str(index)})
        return "\n".join(str(event) for event in reply.json()["content"])

    def wait_for_updates(self, account: Account, count: int) -> None:
        """Wait until each of its tasks has had so many answers of HubSpot."""

        def sent() -> bool:
            return all(len(ones) >= count for (dag_id, _), ones in account.sent().items() if dag_id == self.dag_id)

        self.cluster.wait_until(sent, f"{count} updates of each task of {self.dag_id}")

    def wait(self) -> str:
        """Wait for its end; gives its state."""
        return self.cluster.wait(self.dag_id, self.run_id)


def most_in_a_window(requests: Iterable[RecordedRequest]) -> int:
    """The most requests that HubSpot counted in any ten seconds."""
    counted = sorted(one.counted_at for one in requests if one.counted_at is not None)
    return max(bisect_left(counted, start + WINDOW_SECONDS) - number for number, start in enumerate(counted))
