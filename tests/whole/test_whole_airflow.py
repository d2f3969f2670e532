"""The whole Airflow that other tests stand on. The last one here: it ends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
import pytest

from tests.test_airflow_harness import dag_source

if TYPE_CHECKING:
    from tests.whole.shared_airflow import SharedAirflow

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(900)]


def test_standalone_runs_a_dag_and_leaves_no_process(airflow: SharedAirflow) -> None:
    """A run in a whole Airflow can be started, awaited and read; once it has ended, none of its processes is left."""
    with airflow.holding({"trivial.py": dag_source(fails=False)}, {}):
        run_id = airflow.trigger("trivial")
        assert airflow.wait("trivial", run_id) == "success"
        assert airflow.xcom("trivial", run_id, "stumble") == 12
        assert airflow.task_states("trivial", run_id)["double[1]"] == "success"
        assert "numbers" in airflow.log("trivial", run_id, "numbers")
    home = str(airflow.home)
    assert [process for process in psutil.process_iter() if _home_of(process) == home]
    airflow.stop()
    assert [process for process in psutil.process_iter() if _home_of(process) == home] == []


def _home_of(process: psutil.Process) -> str | None:
    try:
        environment: dict[str, str] = process.environ()
    except psutil.Error:
        return None
    return environment.get("AIRFLOW_HOME")
