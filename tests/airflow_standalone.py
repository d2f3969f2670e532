"""A whole Airflow in processes of its own, driven through its REST API."""

from __future__ import annotations

from demo.standalone import Standalone
from tests.airflow_api import AirflowApi


class AirflowUnderTest(AirflowApi, Standalone):
    """``airflow standalone`` with what a test asks of it: trigger, wait, read.

    ::

        with AirflowUnderTest(tmp_path / "home", dags_folder, environment=connections) as airflow:
            run_id = airflow.trigger("my_dag")
            assert airflow.wait("my_dag", run_id) == "success"
    """
