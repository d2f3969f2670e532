"""The hook in ``@task`` functions, and the example that shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from demo.setting import EXAMPLE_DAGS, Setting, seeded_setting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_provider_hubbatch.sandbox import HubSpotSandbox
    from tests.airflow_dags import RunDag

pytestmark = [pytest.mark.airflow, pytest.mark.versions]

TASKFLOW = """
from airflow.sdk import dag, task
from airflow_provider_hubbatch.exceptions import SyncFailedError
from airflow_provider_hubbatch.hooks import HubSpotHook

@dag(schedule=None)
def taskflow():
    @task
    def whole(rows):
        report = HubSpotHook().batch_update("contacts", rows, properties=["city"], max_rejected=1)
        report.raise_for_rejected()
        return report.summary()

    @task
    def stream(rows):
        return sorted(outcome.row for outcome in HubSpotHook().iter_batch_update("contacts", rows))

    @task
    def strict(rows):
        report = HubSpotHook().batch_update("contacts", rows)
        try:
            report.raise_for_rejected()
        except SyncFailedError as error:
            return [str(error), [outcome.as_dict() for outcome in error.report.rejected]]

    @task
    def other(number):
        return HubSpotHook().request("GET", f"/crm/objects/2026-03/contacts/{number}?properties=city")

    rows = [{"id": 1, "city": "Turku"}, {"id": "none", "city": "Turku"}]
    whole(rows) >> other.expand(number=[1, 2])
    stream([{"id": number, "city": "Pori"} for number in range(3, 153)])
    strict(rows)

taskflow()
"""


def test_the_hook_works_in_task_functions(run_dag: RunDag, sandbox: HubSpotSandbox) -> None:
    """Whole and as a stream, with the operator's options, and for any other endpoint; its results fit XCom."""
    result = run_dag(TASKFLOW)
    assert result.state == "success"
    assert result.xcom("whole")["updated"] == 1
    assert result.xcom("stream") == list(range(150))
    message, rejected = result.xcom("strict")
    assert "1 of 2 rows failed" in message
    assert "1 INVALID_ID (row 1)" in message
    assert [one["values"]["city"] for one in rejected] == ["Turku"]
    assert result.xcom("other", map_index=0)["properties"]["city"] == "Turku"


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setting]:
    """The demo's warehouse and its HubSpot."""
    with seeded_setting(tmp_path) as seeded:
        for name, value in seeded.connections.items():
            monkeypatch.setenv(name, value)
        yield seeded


def test_the_example_updates_the_loyal_customers(run_dag: RunDag, setting: Setting) -> None:
    """The second run finds that HubSpot has everything, and sends no update."""
    first = run_dag(EXAMPLE_DAGS / "example_taskflow_hook.py")
    assert first.state == "success"
    summary = first.xcom("update_loyal_customers")
    loyal = [row for row in setting.rows() if row["hubspot_id"] is not None and (row["revenue"] or 0) > 1000]
    assert summary["rows"] == len(loyal) > 100
    assert summary["updated"] > 0
    assert first.xcom("look_at_one").startswith(f"account 123456: {summary['updated']} of {len(loyal)} updated")

    setting.sandbox.forget_requests()
    second = run_dag(EXAMPLE_DAGS / "example_taskflow_hook.py")
    again = second.xcom("update_loyal_customers")
    assert again["updated"] == 0
    assert again["unchanged"] == summary["updated"] + summary["unchanged"]
    assert not [request for request in setting.sandbox.requests if request.path.endswith("/batch/update")]
