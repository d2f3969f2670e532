"""What the fixture ``run_dag`` does: run a DAG file, or a DAG's source text, in this process."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from demo.dag_run import DagResult, run_dag

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["DagResult", "RunDag", "TaskRecord", "rendered_fields", "run_dag_file"]


class RunDag(Protocol):
    """What the fixture ``run_dag`` gives."""

    def __call__(
        self,
        source: Path | str,
        *,
        dag_id: str | None = None,
        conf: dict[str, Any] | None = None,
        logical_date: datetime | None = None,
    ) -> DagResult:
        """Run a DAG to its end.

        :param source: a DAG file, or the text of one.
        :param dag_id: which one of several in the file.
        :param conf: the run's ``conf``.
        :param logical_date: of the run; ``None``: now.
        """


def run_dag_file(
    dags_folder: Path,
    source: Path | str,
    dag_id: str | None,
    conf: dict[str, Any] | None,
    logical_date: datetime | None = None,
) -> DagResult:
    """Put ``source`` into ``dags_folder``, as ``dag.test()`` wants it there, run it and take it out again."""
    name = source.name if isinstance(source, Path) else "dag_of_a_test.py"
    path = dags_folder / name
    if isinstance(source, Path):
        shutil.copy(source, path)
    else:
        path.write_text(source)
    try:
        return run_dag(path, dag_id, conf, logical_date)
    finally:
        path.unlink()


class TaskRecord:
    """What failed tasks leave for a test: the operator ``Noted`` of :attr:`source` notes exception and try.

    (A callback can't: Airflow 3.0 tells it no exception.)

    :param path: the file that it is noted in.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def source(self) -> str:
        """The text to put before a DAG's: it defines ``Noted``, the operator that notes what it raises."""
        return f"""
class Noted(HubSpotBatchUpdateOperator):
    def execute(self, context):
        try:
            return super().execute(context)
        except Exception as error:
            ti = context["ti"]
            noted = {{"task": ti.task_id, "try": ti.try_number, "class": type(error).__name__, "message": str(error)}}
            with open({str(self._path)!r}, "a") as file:
                file.write(json.dumps(noted) + "\\n")
            raise
"""

    def of(self, task_id: str) -> list[dict[str, Any]]:
        """What was noted of a task, try by try."""
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        return [noted for noted in map(json.loads, lines) if noted["task"] == task_id]


def rendered_fields(result: DagResult, task_id: str) -> dict[str, Any]:
    """What the page "Rendered Templates" shows of a task."""
    from airflow.models.renderedtifields import RenderedTaskInstanceFields
    from airflow.utils.session import create_session
    from sqlalchemy import select

    shown = select(RenderedTaskInstanceFields).where(
        RenderedTaskInstanceFields.dag_id == result.dag_id,
        RenderedTaskInstanceFields.run_id == result.run_id,
        RenderedTaskInstanceFields.task_id == task_id,
    )
    with create_session() as session:
        (entry,) = session.scalars(shown)
        return dict(entry.rendered_fields)
