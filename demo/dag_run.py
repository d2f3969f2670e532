"""Run a DAG file in this process with ``dag.test()``, and read what it left in Airflow's database.

As a program: ``python -m demo.dag_run DAG_FILE RESULT_FILE``, with the environment of
:func:`demo.airflow_home.airflow_environment`; the result is JSON.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from airflow.sdk import DAG


@dataclass(frozen=True, slots=True)
class DagResult:
    """A finished run.

    :param dag_id: of the DAG.
    :param run_id: of the run.
    :param state: ``success`` or ``failed``.
    :param tasks: (task id, map index) -> state; the map index is -1 for a task that isn't mapped.
    """

    dag_id: str
    run_id: str
    state: str
    tasks: Mapping[tuple[str, int], str]

    def task_state(self, task_id: str, map_index: int = -1) -> str:
        """The state of one task."""
        return self.tasks[task_id, map_index]

    def xcom(self, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """What a task pushed, as JSON holds it.

        :raises KeyError: where it pushed nothing under this key.
        """
        return self.xcoms(task_id, map_index)[key]

    def xcoms(self, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """Everything that a task pushed, by key."""
        from airflow.models.xcom import XComModel
        from airflow.utils.session import create_session
        from sqlalchemy import select

        pushed = select(XComModel).where(
            XComModel.dag_id == self.dag_id,
            XComModel.run_id == self.run_id,
            XComModel.task_id == task_id,
            XComModel.map_index == map_index,
        )
        with create_session() as session:
            return {entry.key: XComModel.deserialize_value(entry) for entry in session.scalars(pushed)}


def load_dag(path: Path, dag_id: str | None = None) -> DAG:
    """The DAG of a file, which must have just one unless ``dag_id`` says which.

    :raises ImportError: with the traceback of a file that can't be imported.
    """
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:  # before Airflow 3.2
        from airflow.models.dagbag import DagBag  # type: ignore[no-redef]

    bag = DagBag(path, safe_mode=False)
    if bag.import_errors:
        raise ImportError("\n".join(bag.import_errors.values()))
    dags = bag.dags
    if dag_id is None:
        (dag_id,) = dags
    dag: DAG = dags[dag_id]
    return dag


def run_dag(
    path: Path,
    dag_id: str | None = None,
    conf: dict[str, Any] | None = None,
    logical_date: datetime | None = None,
) -> DagResult:
    """Run the DAG of a file that is in the dags folder, in a migrated database."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import select

    when: dict[str, Any] = {} if logical_date is None else {"logical_date": logical_date}
    run = load_dag(path, dag_id).test(run_conf=conf, **when)
    instances = select(TaskInstance).where(TaskInstance.dag_id == run.dag_id, TaskInstance.run_id == run.run_id)
    with create_session() as session:
        tasks = {(ti.task_id, ti.map_index): str(ti.state) for ti in session.scalars(instances)}
    return DagResult(dag_id=run.dag_id, run_id=run.run_id, state=str(run.state), tasks=tasks)


def main(dag_file: str, result_file: str) -> None:
    """Run the DAG, and write its run's state, its tasks' states and what they pushed."""
    from airflow.utils.db import initdb

    initdb()
    result = run_dag(Path(dag_file))
    told = {
        "dag_id": result.dag_id,
        "run_id": result.run_id,
        "state": result.state,
        "tasks": {task_id: state for (task_id, _), state in result.tasks.items()},
        "xcoms": {task_id: result.xcoms(task_id) for task_id, _ in result.tasks},
    }
    Path(result_file).write_text(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
