"""What a sync tells the world around Airflow: metrics, OpenLineage events, asset events; seen from outside, in a whole
Airflow, with a StatsD server on loopback and OpenLineage's file transport.
"""

from __future__ import annotations

import importlib
import re
import uuid
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from airflow_provider_hubbatch.lineage import METRICS
from airflow_provider_hubbatch.operators import HubSpotBatchUpdateOperator
from demo.setting import EXAMPLE_DAGS, REPOSITORY, seeded_setting

if TYPE_CHECKING:
    from pathlib import Path

    from tests.whole.shared_airflow import SharedAirflow

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(900)]

EXAMPLE = "example_asset_schedule"
FOLLOWER = "example_asset_schedule_follower"

TELLING = """
from airflow.sdk import dag, task
from airflow_provider_hubbatch.hooks import HubSpotHook
from airflow_provider_hubbatch.operators import HubSpotBatchUpdateOperator

@dag(schedule=None)
def telling():
    HubSpotBatchUpdateOperator(
        task_id="from_file",
        object_type="contacts",
        rows="@rows@",
        properties={"town": "city", "tel": "phone"},
        max_rejected=1,
        results_path="@results@",
    )
    HubSpotBatchUpdateOperator(
        task_id="failing",
        object_type="contacts",
        rows=[{"id": "@id@", "city": "Here"}, {"id": "none", "city": "Nowhere"}],
    )

    @task
    def with_hook():
        return HubSpotHook().batch_update("contacts", [{"id": "@id@", "city": "Hooked"}]).summary()

    with_hook()

telling()
"""


@dataclass(frozen=True)
class Told:
    """What was heard of two runs, one of the example and one of the DAG above."""

    statsd: list[str]
    events: list[dict[str, Any]]
    asset_events: list[dict[str, Any]]
    follower: list[str]
    summaries: dict[str, dict[str, Any]]
    links: dict[str, dict[str, str | None]]
    rows: Path

    def lineage(self, task: str, kind: str) -> dict[str, Any]:
        """The OpenLineage event of a task."""
        (event,) = [one for one in self.events if one["job"]["name"] == task and one["eventType"] == kind]
        return event


@pytest.fixture(scope="module")
def told(airflow: SharedAirflow, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Run both DAGs in a whole Airflow, once for all tests here."""
    folder = tmp_path_factory.mktemp("told")
    rows = folder / "rows.csv"
    metrics_before, events_before = len(airflow.statsd.lines), len(airflow.lineage())
    with seeded_setting(folder) as setting:
        ids = list(setting.sandbox.objects("contacts"))[:4]
        rows.write_text("id,town,tel,name\n" + "".join(f"{id_},Here,+1 555 010{id_},x\n" for id_ in [*ids, "none"]))
        results = folder / "results"
        source = TELLING.replace("@rows@", str(rows)).replace("@id@", ids[0]).replace("@results@", str(results))
        example_source = (EXAMPLE_DAGS / f"{EXAMPLE}.py").read_text()
        dags = {f"{EXAMPLE}.py": example_source, "telling.py": source}
        with airflow.holding(dags, setting.connections):
            example, telling = airflow.trigger(EXAMPLE), airflow.trigger("telling")
            assert airflow.wait(EXAMPLE, example) == "success"
            assert airflow.wait("telling", telling) == "failed"
            runs = airflow._wait_for(
                lambda: airflow._get(f"dags/{FOLLOWER}/dagRuns")["dag_runs"], "a run of the follower"
            )
            assert airflow.wait(FOLLOWER, runs[0]["dag_run_id"]) == "success"
            asset_events = airflow._get("assets/events")["asset_events"]
            heard = {
                "asset_events": [event for event in asset_events if event["source_run_id"] == example],
                "follower": airflow.xcom(FOLLOWER, runs[0]["dag_run_id"], "tell"),
                "summaries": {
                    "update_contacts": airflow.xcom(EXAMPLE, example, "update_contacts"),
                    **{name: airflow.xcom("telling", telling, name) for name in ("from_file", "failing", "with_hook")},
                },
                "links": {
                    name: airflow._get(f"dags/{dag}/dagRuns/{run}/taskInstances/{name}/links")["extra_links"]
                    for dag, run, name in (
                        (EXAMPLE, example, "update_contacts"),
                        ("telling", telling, "from_file"),
                        ("telling", telling, "failing"),
                    )
                },
            }
    events = airflow.lineage()[events_before:]
    return Told(statsd=airflow.statsd.lines[metrics_before:], events=events, rows=rows, **heard)


def test_each_status_and_cost_is_a_metric(told: Told) -> None:
    """Rows by outcome, requests and seconds arrive at StatsD under the documented names, tagged by object type."""
    counted: Counter[str] = Counter()
    timings = []
    for line in told.statsd:
        found = re.fullmatch(r"airflow\.(hubspot_batch_update[^:,]*)((?:,[^:]*)?):([^|]+)\|(\w+).*", line)
        if found is None:
            continue
        name, tags, value, kind = found.groups()
        assert name.removeprefix("hubspot_batch_update.") in METRICS
        assert "object_type=contacts" in tags.split(",")
        if kind == "ms":
            timings.append(float(value))
        else:
            counted[name.removeprefix("hubspot_batch_update.")] += int(float(value))
    totals: Counter[str] = Counter()
    for summary in told.summaries.values():
        for name in ("updated", "unchanged", "missing", "rejected", "unknown", "not_sent"):
            totals[f"rows.{name}"] += summary[name]
        for name in ("requests", "retries", "rate_limited"):
            totals[name] += summary[name]
    assert +counted == +totals
    assert counted["rows.rejected"] == totals["rows.rejected"] > 0
    assert len(timings) == len(told.summaries)
    assert sum(timings) / 1000 == pytest.approx(sum(one["seconds"] for one in told.summaries.values()), abs=0.1)


def test_openlineage_knows_where_rows_went_and_came_from(told: Told) -> None:
    """The event of a finished sync has the object, its rows, and which column of the file went to which property."""
    event = told.lineage("telling.from_file", "COMPLETE")
    (output,) = event["outputs"]
    assert (output["namespace"], output["name"]) == ("hubspot://123456", "contacts")
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == told.summaries["from_file"]["updated"] == 4
    assert [field["name"] for field in output["facets"]["schema"]["fields"]] == ["city", "phone"]
    (source,) = event["inputs"]
    assert source["name"] == str(told.rows)
    columns = output["facets"]["columnLineage"]["fields"]
    assert {name: field["inputFields"][0]["field"] for name, field in columns.items()} == {
        "city": "town",
        "phone": "tel",
    }
    assert {field["inputFields"][0]["name"] for field in columns.values()} == {source["name"]}
    facet = event["run"]["facets"]["hubspot_batchUpdate"]
    assert facet["columns"] == {"town": "city", "tel": "phone"}
    assert (facet["summary"]["updated"], facet["summary"]["rejected"]) == (4, 1)


def test_openlineage_knows_what_a_failed_sync_has_written(told: Told) -> None:
    """A sync that failed over its rejected rows has written the others: its event says so."""
    event = told.lineage("telling.failing", "FAIL")
    (output,) = event["outputs"]
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 1
    assert event["run"]["facets"]["hubspot_batchUpdate"]["summary"]["rejected_by_category"] == {"INVALID_ID": 1}
    assert event["run"]["facets"]["errorMessage"]["message"]


def test_openlineage_knows_a_query_s_table(told: Told) -> None:
    """Rows of a query: the asset that the task names as its outlet, and the object that was written, are one."""
    event = told.lineage(f"{EXAMPLE}.update_contacts", "COMPLETE")
    assert {(one["namespace"], one["name"]) for one in event["outputs"]} == {("hubspot://123456", "contacts")}
    assert event["run"]["facets"]["hubspot_batchUpdate"]["columns"] == {"score": "score"}


def test_openlineage_knows_what_the_hook_wrote(told: Told) -> None:
    """A task function that uses the hook needs to say nothing: hook-level lineage names the object."""
    event = told.lineage("telling.with_hook", "COMPLETE")
    assert ("hubspot://123456", "contacts") in {(one["namespace"], one["name"]) for one in event["outputs"]}


def test_openlineage_events_are_valid(told: Told) -> None:
    """Every event has what the specification requires, and every facet what its generated class takes."""
    assert {one["eventType"] for one in told.events} >= {"START", "COMPLETE", "FAIL"}
    checked = set()
    for event in told.events:
        assert datetime.fromisoformat(event["eventTime"]).tzinfo is not None
        assert uuid.UUID(event["run"]["runId"])
        assert event["producer"].startswith("https://")
        assert event["schemaURL"].startswith("https://openlineage.io/spec/")
        assert event["job"]["namespace"] == "tests"
        datasets = [*event.get("inputs", []), *event.get("outputs", [])]
        assert all(one["namespace"] and one["name"] for one in datasets)
        holders = [event["run"].get("facets", {}), event["job"].get("facets", {})]
        holders += [one.get(kind) or {} for one in datasets for kind in ("facets", "outputFacets", "inputFacets")]
        for facets in holders:
            for name, facet in facets.items():
                assert facet["_producer"].startswith("https://"), name
                assert facet["_schemaURL"].startswith("https://"), name
                if facet_class(facet["_schemaURL"], name):
                    checked.add(name)
    assert checked >= {"schema", "columnLineage", "outputStatistics", "errorMessage"}


GENERATED = {
    "schema": ("schema_dataset", "SchemaDatasetFacet"),
    "columnLineage": ("column_lineage_dataset", "ColumnLineageDatasetFacet"),
    "outputStatistics": ("output_statistics_output_dataset", "OutputStatisticsOutputDatasetFacet"),
    "errorMessage": ("error_message_run", "ErrorMessageRunFacet"),
}


def facet_class(schema_url: str, name: str) -> bool:
    """Whether OpenLineage's client has a class for this facet, whose schema is the one that is named."""
    if name not in GENERATED:
        return False
    module, attribute = GENERATED[name]
    generated = getattr(importlib.import_module(f"openlineage.client.generated.{module}"), attribute)
    assert schema_url == generated._get_schema()
    assert attrs.has(generated)
    return True


def test_an_asset_event_carries_the_summary(told: Told) -> None:
    """A DAG that is scheduled on the asset runs after the sync, and reads the summary in the event."""
    (event,) = [one for one in told.asset_events if one["source_task_id"] == "update_contacts"]
    summary = told.summaries["update_contacts"]
    assert {name: event["extra"][name] for name in summary} == summary
    assert told.follower == [f"{summary['updated']} of {summary['rows']} contacts updated"]


def test_the_links_are_on_the_task_s_page(told: Told) -> None:
    """The records in HubSpot are a click away, after a failed sync too; a local folder can't be opened by a browser."""
    records = re.compile(r"http://127\.0\.0\.1:\d+/contacts/123456/objects/0-1/views/all/list")
    assert all(records.fullmatch(links["HubSpot records"] or "") for links in told.links.values())
    assert {links["Result files"] for links in told.links.values()} <= {None, ""}


def test_every_metric_is_documented() -> None:
    """The docs' table is the metrics, with their meanings."""
    page = (REPOSITORY / "docs" / "airflow.md").read_text()
    rows = re.findall(r"^\| `hubspot_batch_update\.([.\w]+)` \| (counter|timing) \| (.+) \|$", page, re.MULTILINE)
    assert {name: meaning for name, _, meaning in rows} == METRICS


def test_every_link_is_documented() -> None:
    """The docs' table names the links as Airflow's page does."""
    page = (REPOSITORY / "docs" / "airflow.md").read_text()
    assert all(f"\n| {link.name} |" in page for link in HubSpotBatchUpdateOperator.operator_extra_links)
