"""Mapped syncs in a real Airflow: one report of all, result files side by side, no shared memory of the last sync."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch.core.model import RowOutcome, Status
from airflow_provider_hubbatch.core.sync_report import SyncReport
from airflow_provider_hubbatch.reports import combined_report

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_hubbatch.sandbox import HubSpotSandbox
    from tests.airflow_dags import RunDag

DAG_SOURCE = """
from airflow.sdk import dag, task

from airflow_provider_hubbatch.operators import HubSpotBatchUpdateOperator
from airflow_provider_hubbatch.reports import combined_report
from airflow_provider_hubbatch.sources import FileRows

@dag(schedule=None)
def mapped():
    @task
    def chunks():
        rows = [{"id": n, "city": f"town {n}"} for n in range(1, 13)]
        return [rows[start:start + 5] for start in range(0, 12, 5)]

    @task
    def kwargs():
        return [
            {"rows": [{"id": 1, "city": "Wien"}], "properties": ["city"]},
            {"rows": "FOLDER/rows.csv", "properties": {"town": "city"}, "max_rejected": 1},
        ]

    @task(trigger_rule="all_done")
    def report(summaries):
        return combined_report(summaries)

    shared = {"object_type": "contacts", OPTIONS}
    update = HubSpotBatchUpdateOperator.partial(task_id="update", **shared).expand(rows=chunks())
    each = HubSpotBatchUpdateOperator.partial(task_id="each", trigger_rule="all_done", **shared).expand_kwargs(kwargs())
    update >> each
    report.override(task_id="report_update")(update.output)
    report.override(task_id="report_each")(each.output)

mapped()
"""


def dag_source(folder: Path, **options: str) -> str:
    given = ", ".join(f"{name!r}: {value!r}" for name, value in options.items())
    return DAG_SOURCE.replace("FOLDER", str(folder)).replace("OPTIONS", given)


def lines(folder: Path, pattern: str) -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(folder.glob(pattern)) for line in path.read_text().splitlines()]


@pytest.mark.airflow
def test_mapped_syncs_have_one_report_and_results_of_their_own(
    run_dag: RunDag, sandbox: HubSpotSandbox, tmp_path: Path
) -> None:
    """Chunks by ``expand``, other settings by ``expand_kwargs``: all rows arrive, reports add up, no file is lost."""
    (tmp_path / "rows.csv").write_text("id,town\n20,Linz\n999999,Graz\n")
    results = tmp_path / "results"
    result = run_dag(dag_source(tmp_path, results_path=str(results)))
    assert result.state == "success"

    combined = result.xcom("report_update")
    assert (combined["rows"], combined["updated"], combined["syncs"]) == (12, 12, 3)
    assert combined["requests"] == sum(result.xcom("update", map_index=index)["requests"] for index in range(3))
    assert combined["results_path"] == str(results)
    assert result.xcom("report_each")["rejected_by_category"] == {"OBJECT_NOT_FOUND": 1}

    held = {name: record["properties"].get("city") for name, record in sandbox.objects("contacts").items()}
    assert {name: held[str(name)] for name in range(2, 13)} == {name: f"town {name}" for name in range(2, 13)}
    assert (held["1"], held["20"]) == ("Wien", "Linz")
    assert [len(lines(results, f"update-{index}-*.jsonl")) for index in range(3)] == [5, 5, 2]
    assert len(lines(results, "*.jsonl")) == 15


@pytest.mark.airflow
def test_mapped_syncs_refuse_one_memory_for_all(run_dag: RunDag, sandbox: HubSpotSandbox, tmp_path: Path) -> None:
    """One file for all is refused before anything is sent; one for each, by map index, remembers that one's rows."""
    (tmp_path / "rows.csv").write_text("id,town\n20,Linz\n")
    before = sandbox.objects("contacts")
    refused = run_dag(dag_source(tmp_path, skip_unchanged=str(tmp_path / "one")))
    assert {refused.task_state("update", index) for index in range(3)} == {"failed"}
    assert refused.xcom("report_update")["syncs"] == 0
    assert sandbox.objects("contacts") == before

    source = dag_source(tmp_path, skip_unchanged=str(tmp_path / "of-{{ ti.task_id }}-{{ ti.map_index }}"))
    assert run_dag(source).xcom("report_update")["updated"] == 12
    assert run_dag(source).xcom("report_update")["unchanged"] == 12
    assert len(list(tmp_path.glob("of-*"))) == 5


def summary(*statuses: Status, **details: Any) -> dict[str, Any]:
    report = SyncReport("contacts")
    for row, status in enumerate(statuses):
        report.add(RowOutcome(row, row, status, category="BAD"))
    return {**report.summary(), **details}


def test_a_combined_report_adds_up() -> None:
    """Counts are summed, times span all syncs, which overlap; what isn't common to all is left open."""
    one = summary(Status.UPDATED, Status.REJECTED, requests=3, results_path="x")
    one |= {"started_at": "2026-01-01T00:00:00.000Z", "completed_at": "2026-01-01T00:01:00.000Z", "seconds": 60.0}
    two = summary(Status.UNKNOWN, Status.REJECTED, Status.REJECTED, requests=4, results_path="y")
    two |= {"started_at": "2026-01-01T00:00:30.000Z", "completed_at": "2026-01-01T00:01:30.500Z", "seconds": 60.5}
    combined = combined_report([one, None, two])
    assert list(combined) == [*SyncReport("contacts").summary(), "syncs"]
    assert combined == {
        **SyncReport("contacts").summary(),
        "rows": 5,
        "updated": 1,
        "rejected": 3,
        "unknown": 1,
        "rejected_by_category": {"BAD": 3},
        "requests": 7,
        "started_at": "2026-01-01T00:00:00.000Z",
        "completed_at": "2026-01-01T00:01:30.500Z",
        "seconds": 90.5,
        "syncs": 2,
    }


def test_a_combined_report_of_nothing() -> None:
    """Where no instance ran, nothing was done."""
    assert combined_report([]) == {**SyncReport("").summary(), "verb": None, "object_type": None, "syncs": 0}
