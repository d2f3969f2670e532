"""The operator in a real Airflow: every way of writing a DAG, and what Airflow shows of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch import retries
from airflow_provider_hubbatch.reports import result_files
from tests.airflow_dags import TaskRecord, rendered_fields

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_hubbatch.sandbox import HubSpotSandbox
    from tests.airflow_dags import RunDag

pytestmark = pytest.mark.airflow

IMPORTS = """
import json
from datetime import timedelta
from airflow.sdk import DAG, TaskGroup, dag, get_current_context, task, task_group
from airflow_provider_hubbatch.operators import HubSpotBatchUpdateOperator
"""


@pytest.fixture
def failures(tmp_path: Path) -> TaskRecord:
    """What the operator ``Noted`` in a DAG's source notes."""
    return TaskRecord(tmp_path / "failures.jsonl")


def cities(sandbox: HubSpotSandbox, *ids: int) -> list[str | None]:
    """The city of each of these contacts."""
    records = sandbox.objects("contacts")
    return [records[str(number)]["properties"].get("city") for number in ids]


def updates(sandbox: HubSpotSandbox) -> int:
    return sum(request.path.endswith("/batch/update") for request in sandbox.requests)


# --- rows in --------------------------------------------------------------------------------------------------------

ROWS = """
@dag(schedule=None)
def rows_in():
    @task
    def a_list():
        return [{"id": 1, "city": "list"}, {"id": "2", "city": "list"}]

    @task
    def a_part(first):
        return [{"id": first, "city": "mapped"}, {"id": first + 1, "city": "mapped"}]

    @task
    def a_row(number):
        return {"id": number, "city": "lazy"}

    @task
    def a_frame():
        import pandas as pd
        return pd.DataFrame({"id": [20.0, 21.0, None], "city": ["frame", "frame", "frame"]})

    def update(name, rows, **options):
        return HubSpotBatchUpdateOperator(task_id=name, object_type="contacts", rows=rows, **options)

    update("list", a_list())
    update("lists", a_part.expand(first=[3, 5, 7]))
    update("lazy", a_row.expand(number=[10, 11, 12, 13]))
    update("frame", a_frame(), max_rejected=1)
    update("literal", [{"id": 30, "city": "literal"}])
    update("file", "@folder@/rows.csv")
    update("templated_file", "@folder@/{{ 'rows' }}.jsonl", task_group=None)
    update("nothing", [])

rows_in()
"""


@pytest.mark.versions
def test_rows_come_in_every_way(run_dag: RunDag, sandbox: HubSpotSandbox, tmp_path: Path) -> None:
    """A list, a mapped upstream's lists, its single rows, a DataFrame, a literal, a file: all reach HubSpot."""
    (tmp_path / "rows.csv").write_text("id,city\n40,csv\n41,csv\n")
    (tmp_path / "rows.jsonl").write_text('{"id": 50, "city": "jsonl"}\n')
    result = run_dag(IMPORTS + ROWS.replace("@folder@", str(tmp_path)))
    assert result.state == "success"
    assert cities(sandbox, 1, 2) == ["list"] * 2
    assert cities(sandbox, 3, 4, 5, 6, 7, 8) == ["mapped"] * 6
    assert cities(sandbox, 10, 11, 12, 13) == ["lazy"] * 4
    assert cities(sandbox, 20, 21) == ["frame"] * 2
    assert cities(sandbox, 30, 40, 41, 50) == ["literal", "csv", "csv", "jsonl"]
    assert result.xcom("lists")["rows"] == 6
    assert result.xcom("lazy")["updated"] == 4
    assert result.xcom("frame")["rejected_by_category"] == {"MISSING_ID": 1}
    assert result.xcom("nothing")["rows"] == 0
    assert result.xcom("nothing", "results") == []


# --- ways of writing a DAG ------------------------------------------------------------------------------------------

TEMPLATED = """
with DAG("templated", schedule=None, params={"object": "contacts", "key": "number", "property": "phone"}):
    HubSpotBatchUpdateOperator(
        task_id="update",
        object_type="{{ params.object }}",
        rows=[{"number": 1, "town": "{{ dag.dag_id }}"}],
        id_column="{{ params.key }}",
        id_property="{{ 'hs_object_id' }}",
        properties={"town": "{{ params.property }}"},
        results_path="@folder@/{{ dag.dag_id }}",
        skip_unchanged="@folder@/{{ task.task_id }}.state",
        hubspot_conn_id="hubspot_{{ 'default' }}",
    )
"""


@pytest.mark.versions
def test_fields_are_templated(run_dag: RunDag, sandbox: HubSpotSandbox, tmp_path: Path) -> None:
    """Jinja and params work in every templated field, inside rows and mappings too, and a run's conf counts."""
    result = run_dag(IMPORTS + TEMPLATED.replace("@folder@", str(tmp_path)), conf={"property": "city"})
    assert result.state == "success"
    assert cities(sandbox, 1) == ["templated"]
    assert result.xcom("update")["results_path"] == f"{tmp_path}/templated"
    assert [path.name[:7] for path in result_files(tmp_path / "templated", "update")] == ["update-"]
    assert (tmp_path / "update.state").exists()


NATIVE = """
with DAG("native", schedule=None, render_template_as_native_obj=@native@, params={"columns": ["city"]}):
    @task
    def extract():
        return [{"id": 1, "city": "native", "phone": "none of HubSpot's business"}]

    rows = extract()
    update = Noted(
        task_id="update",
        object_type="contacts",
        rows="{{ ti.xcom_pull(task_ids='extract') }}",
        properties="{{ params.columns }}",
    )
    rows >> update
"""


@pytest.mark.versions
def test_native_templates_give_rows_and_columns(run_dag: RunDag, sandbox: HubSpotSandbox, failures: TaskRecord) -> None:
    """With ``render_template_as_native_obj`` a Jinja expression may be the rows, and the list of columns."""
    phone = sandbox.objects("contacts")["1"]["properties"].get("phone")
    assert run_dag(IMPORTS + failures.source + NATIVE.replace("@native@", "True")).state == "success"
    assert cities(sandbox, 1) == ["native"]
    assert sandbox.objects("contacts")["1"]["properties"].get("phone") == phone


@pytest.mark.versions
def test_a_text_instead_of_rows_is_explained(run_dag: RunDag, sandbox: HubSpotSandbox, failures: TaskRecord) -> None:
    """Without it, Jinja makes a text of the rows: the task fails before any request, and says what to do."""
    result = run_dag(IMPORTS + failures.source + NATIVE.replace("@native@", "False"))
    assert result.task_state("update") == "failed"
    (noted,) = failures.of("update")
    assert noted["class"] == "AirflowFailException"
    assert "properties" in noted["message"] or "`rows` is a text" in noted["message"]
    assert "none of HubSpot's business" not in noted["message"]
    assert sandbox.requests == []


DAGS_OF_ALL_KINDS = """
ARGS = {"object_type": "contacts", "max_rejected": 1, "retries": 0, "hubspot_conn_id": "hubspot_default"}

@dag(schedule=None, default_args=ARGS)
def of_all_kinds():
    @task
    def parts():
        return [[{"id": 1, "city": "part"}], [{"id": 2, "city": "part"}, {"id": "none", "city": "part"}]]

    @task_group
    def group(rows):
        @task
        def upper(rows):
            return [row | {"city": row["city"].upper()} for row in rows]

        return HubSpotBatchUpdateOperator(task_id="update", rows=upper(rows)).output

    HubSpotBatchUpdateOperator(task_id="from_default_args", rows=[{"id": 10, "city": "args"}, {"id": "x", "city": ""}])
    HubSpotBatchUpdateOperator.partial(task_id="mapped", results_path="@folder@").expand(rows=parts())
    HubSpotBatchUpdateOperator.partial(task_id="mapped_kwargs", rows=[{"id": 3, "a": "a", "b": "b"}]).expand_kwargs(
        [{"properties": {"a": "city"}}, {"properties": {"b": "company"}, "validate_only": True}]
    )
    group([{"id": 4, "city": "one group"}])
    group.override(group_id="mapped_group").expand(
        rows=[[{"id": 5, "city": "group"}], [{"id": 6, "city": "group"}]]
    )
    HubSpotBatchUpdateOperator(task_id="silent", rows=[{"id": 7, "city": "silent"}], do_xcom_push=False)

    @task
    def ending(summaries):
        return sum(summary["updated"] for summary in summaries)

    with TaskGroup("classic"):
        classic = HubSpotBatchUpdateOperator.partial(task_id="update").expand(rows=parts())
        ending(classic.output)

of_all_kinds()
"""


@pytest.mark.versions
def test_dags_of_all_kinds(run_dag: RunDag, sandbox: HubSpotSandbox, tmp_path: Path) -> None:
    """default_args, ``.partial().expand()``, ``.expand_kwargs()``, task groups, mapped ones too, and no XComs."""
    company = sandbox.objects("contacts")["3"]["properties"].get("company")
    result = run_dag(IMPORTS + DAGS_OF_ALL_KINDS.replace("@folder@", str(tmp_path)))
    assert result.state == "success"
    assert result.xcom("from_default_args")["rejected"] == 1
    assert [result.xcom("mapped", map_index=index)["rows"] for index in range(2)] == [1, 2]
    assert [path.name[:9] for path in result_files(tmp_path)] == ["mapped-0-", "mapped-1-"]
    assert cities(sandbox, 3, 4, 5, 6, 7) == ["a", "ONE GROUP", "GROUP", "GROUP", "silent"]
    assert sandbox.objects("contacts")["3"]["properties"].get("company") == company
    assert result.xcom("mapped_kwargs", map_index=1)["not_sent"] == 1
    assert result.xcom("group.update")["updated"] == 1
    assert result.xcom("classic.ending") == 2
    links = {"_link_SyncLink", "_link_HubSpotObjectsLink", "_link_ResultFilesLink"}
    assert set(result.xcoms("silent")) - links == set()


# --- results out ----------------------------------------------------------------------------------------------------

RESULTS = """
@dag(schedule=None)
def results_out():
    def rows(count):
        return [{"id": 1 + number % 200, "city": f"city {number}"} for number in range(count)]

    def update(name, rows, **options):
        return HubSpotBatchUpdateOperator(task_id=name, object_type="contacts", rows=rows, **options)

    update("thousand", rows(1_000))
    update("more", rows(1_001))
    update("too_bad", [{"id": f"bad {number}", "city": "x"} for number in range(1_100)])
    update("too_bad_and_tried", [{"id": 1, "city": "x"}, {"id": "bad", "city": "x"}], retries=3)

results_out()
"""


@pytest.mark.versions
def test_results_are_xcoms_up_to_a_thousand_rows(run_dag: RunDag, sandbox: HubSpotSandbox) -> None:
    """``results`` has up to 1,000 rows or isn't there; ``rejected`` has the first 1,000, with their source rows."""
    result = run_dag(IMPORTS + RESULTS)
    assert result.state == "failed"
    assert [one["row"] for one in result.xcom("thousand", "results")] == list(range(1_000))
    assert result.xcom("thousand")["rows"] == result.xcom("thousand")["updated"] == 1_000
    assert "results" not in result.xcoms("more")
    assert result.xcom("more")["updated"] == 1_001
    assert result.xcom("more", "rejected") == []

    assert result.task_state("too_bad") == result.task_state("too_bad_and_tried") == "failed"
    summary, rejected = result.xcom("too_bad"), result.xcom("too_bad", "rejected")
    assert summary["rows"] == summary["rejected"] == 1_100
    assert summary["rejected_by_category"] == {"INVALID_ID": 1_100}
    assert [one["row"] for one in rejected] == list(range(1_000))
    assert rejected[5]["values"] == {"id": "bad 5", "city": "x"}
    assert all(one["message"] and one["category"] == "INVALID_ID" for one in rejected)

    # what failed has told everything too, once: no retry would help
    after_failure = result.xcoms("too_bad_and_tried")
    assert after_failure["return_value"]["updated"] == 1
    assert [one["status"] for one in after_failure["results"]] == ["updated", "rejected"]
    assert [one["id"] for one in after_failure["rejected"]] == ["bad"]
    assert json.dumps(after_failure)


# --- what Airflow shows ---------------------------------------------------------------------------------------------

SHOWN = """
@dag(schedule=None)
def shown():
    @task
    def extract():
        return [{"id": 1, "city": "Geheimnis"}, {"id": 2, "city": "Geheimnis"}]

    @task
    def frame():
        import pandas as pd
        return pd.DataFrame({"id": [1, 2], "city": ["Geheimnis", "Geheimnis"]})

    @task
    def one(number):
        return {"id": number, "city": "Geheimnis"}

    def update(name, rows):
        return HubSpotBatchUpdateOperator(task_id=name, object_type="contacts", rows=rows, properties={"city": "city"})

    update("dicts", extract())
    update("frames", frame())
    update("lazy", one.expand(number=[1, 2]))
    update("literal", [{"id": 1, "city": "Geheimnis"}])

shown()
"""


@pytest.mark.versions
def test_rendered_fields_show_what_the_rows_are(run_dag: RunDag, sandbox: HubSpotSandbox) -> None:
    """The page "Rendered Templates" describes the rows and shows none of them."""
    result = run_dag(IMPORTS + SHOWN)
    assert result.state == "success"
    fields = {name: rendered_fields(result, name) for name in ("dicts", "frames", "lazy", "literal")}
    assert "Geheimnis" not in json.dumps(fields, default=str)
    assert "2 rows (list of dicts)" in fields["dicts"]["rows"]
    assert "DataFrame of 2 rows x 2 columns" in fields["frames"]["rows"]
    assert "LazyXComSequence" in fields["lazy"]["rows"]
    assert "1 row (list of dicts)" in fields["literal"]["rows"]
    assert fields["dicts"]["object_type"] == "contacts"
    assert _as_mapping(fields["dicts"]["properties"]) == {"city": "city"}


def _as_mapping(shown: Any) -> Any:
    return json.loads(shown) if isinstance(shown, str) else shown


# --- retries --------------------------------------------------------------------------------------------------------

POLICIES = """
from airflow.sdk.definitions.retry_policy import ExceptionRetryPolicy
from airflow_provider_hubbatch.retries import HubSpotRetryPolicy

mine = ExceptionRetryPolicy(rules=[])
with DAG("policies", schedule=None, default_args={"object_type": "contacts", "rows": []}):
    assert isinstance(HubSpotBatchUpdateOperator(task_id="default").retry_policy, HubSpotRetryPolicy)
    assert HubSpotBatchUpdateOperator(task_id="own", retry_policy=mine).retry_policy is mine
with DAG("own_for_all", schedule=None, default_args={"object_type": "contacts", "rows": [], "retry_policy": mine}):
    assert HubSpotBatchUpdateOperator(task_id="own").retry_policy is mine
with DAG("group", schedule=None):
    with TaskGroup("group", default_args={"retry_policy": mine}):
        # Airflow copies a group's default_args
        own = HubSpotBatchUpdateOperator(task_id="own", object_type="contacts", rows=[])
        assert isinstance(own.retry_policy, ExceptionRetryPolicy)
    mapped = HubSpotBatchUpdateOperator.partial(task_id="mapped", object_type="contacts").expand(rows=[[], []])
"""


@pytest.mark.versions
def test_a_user_can_have_a_retry_policy_of_their_own() -> None:
    """The provider's retry policy is a default: one on the task, in default_args or in a group's wins."""
    if not hasattr(retries, "HubSpotRetryPolicy"):
        pytest.skip("this Airflow has no retry policies (3.3 has)")
    exec(compile(IMPORTS + POLICIES, "policies", "exec"), {})
