"""Run a DAG file in this process with ``dag.test()``, and look at what it left."""

from __future__ import annotations

import importlib.util
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

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


class RunDag(Protocol):
    """What the fixture ``run_dag`` gives."""

    def __call__(
        self, source: Path | str, *, dag_id: str | None = None, conf: dict[str, Any] | None = None
    ) -> DagResult:
        """Run a DAG to its end.

        :param source: a DAG file, or the text of one.
        :param dag_id: which one of several in the file.
        :param conf: the run's ``conf``.
        """


def run_dag_file(dags_folder: Path, source: Path | str, dag_id: str | None, conf: dict[str, Any] | None) -> DagResult:
    """Put ``source`` into ``dags_folder``, as ``dag.test()`` wants it there, run it and take it out again."""
    name = source.name if isinstance(source, Path) else "dag_of_a_test.py"
    path = dags_folder / name
    if isinstance(source, Path):
        shutil.copy(source, path)
    else:
        path.write_text(source)
    try:
        return _run(load_dag(path, dag_id), conf)
    finally:
        path.unlink()


def load_dag(path: Path, dag_id: str | None = None) -> DAG:
    """The DAG of a file, which must have just one unless ``dag_id`` says which."""
    from airflow.sdk import DAG

    spec = importlib.util.spec_from_file_location(f"dag_file_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    dags = {dag.dag_id: dag for dag in vars(module).values() if isinstance(dag, DAG)}
    if dag_id is None:
        (dag_id,) = dags
    return dags[dag_id]


def _run(dag: DAG, conf: dict[str, Any] | None) -> DagResult:
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import select

    run = dag.test(run_conf=conf)
    instances = select(TaskInstance).where(TaskInstance.dag_id == dag.dag_id, TaskInstance.run_id == run.run_id)
    with create_session() as session:
        tasks = {(ti.task_id, ti.map_index): str(ti.state) for ti in session.scalars(instances)}
    return DagResult(dag_id=dag.dag_id, run_id=run.run_id, state=str(run.state), tasks=tasks)
