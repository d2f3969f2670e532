"""The harness that other tests stand on: running a DAG in this process tells the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.airflow_dags import RunDag

pytestmark = pytest.mark.airflow

DAG_SOURCE = """
from airflow.sdk import dag, get_current_context, task

@dag(schedule=None)
def trivial():
    @task
    def numbers():
        get_current_context()["ti"].xcom_push("many", list(range(100)))
        return [1, 2, 3]

    @task
    def double(number):
        return number * 2

    @task
    def stumble(doubled):
        if {fails}:
            raise ValueError("as asked")
        return sum(doubled)

    stumble(double.expand(number=numbers()))

trivial()
"""


def dag_source(*, fails: bool) -> str:
    return DAG_SOURCE.replace("{fails}", str(fails))


def test_run_dag_gives_states_and_xcoms(run_dag: RunDag) -> None:
    """A run's state, its tasks' states and everything they pushed can be read after it."""
    result = run_dag(dag_source(fails=False))
    assert result.state == "success"
    assert result.xcom("numbers") == [1, 2, 3]
    assert result.xcom("numbers", "many") == list(range(100))
    assert result.xcom("double", map_index=2) == 6
    assert result.xcom("stumble") == 12


def test_run_dag_tells_a_failed_run(run_dag: RunDag) -> None:
    """A task that raises makes its run ``failed``; no exception hides it."""
    result = run_dag(dag_source(fails=True))
    assert result.state == "failed"
    assert result.task_state("stumble") == "failed"
    assert result.task_state("numbers") == "success"
    assert result.xcoms("stumble") == {}
