"""What the fixture ``run_dag`` does: run a DAG file, or a DAG's source text, in this process."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Protocol

from demo.dag_run import DagResult, run_dag

__all__ = ["DagResult", "RunDag", "run_dag_file"]


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
        return run_dag(path, dag_id, conf)
    finally:
        path.unlink()
