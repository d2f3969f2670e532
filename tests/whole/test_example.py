"""An example DAG in a whole Airflow, with scheduler, workers and API server, as in production."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from demo.run_demo import CHANGED
from demo.setting import EXAMPLE_DAGS, seeded_setting

if TYPE_CHECKING:
    from pathlib import Path

    from tests.whole.shared_airflow import SharedAirflow

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(900)]


def test_an_example_runs_in_a_whole_airflow(airflow: SharedAirflow, tmp_path: Path) -> None:
    """It does the same as in one process, and its XComs are there."""
    dags = {f"{CHANGED}.py": (EXAMPLE_DAGS / f"{CHANGED}.py").read_text()}
    with seeded_setting(tmp_path) as setting, airflow.holding(dags, setting.connections):
        run_id = airflow.trigger(CHANGED)
        assert airflow.wait(CHANGED, run_id) == "success"
        summary = airflow.xcom(CHANGED, run_id, "update_contacts")
        assert summary["updated"] == airflow.xcom(CHANGED, run_id, "write_back")
        assert summary["rejected"] == len(airflow.xcom(CHANGED, run_id, "update_contacts", "rejected"))
        log = airflow.log(CHANGED, run_id, "update_contacts")
    assert setting.sandbox.token not in log
    assert f"{summary['updated']} updated" in log
