"""What is the same for every verb: outcomes, streams, results, faults, resuming, Airflow's side; one test for all."""

from __future__ import annotations

import json
import logging
import math
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch.exceptions import (
    AuthenticationError,
    DailyQuotaError,
    HubSpotError,
    MissingScopesError,
    SettingsError,
    SyncFailedError,
    UnavailableError,
)
from airflow_provider_hubbatch.hooks import HubSpotHook
from airflow_provider_hubbatch.reports import result_files
from airflow_provider_hubbatch.sandbox import HubSpotSandbox
from tests.airflow_dags import TaskRecord
from tests.resume.resuming import lines_of
from tests.verbs.verbs import ASSOCIATE_WITH_LABEL, VERBS, Verb

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_provider_hubbatch.core.sync_report import SyncReport
    from tests.airflow_dags import RunDag

pytestmark = pytest.mark.slow

SECRET = "hunter2"
NUMBERS = range(1, 121)

every_verb = pytest.mark.parametrize("verb", VERBS, ids=str)


@pytest.fixture
def hubspot(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubSpotSandbox]:
    """A local HubSpot with 200 contacts and companies, to which the connection ``hubspot_default`` leads; very fast."""
    with HubSpotSandbox(records={"contacts": 200, "companies": 200}, requests_per_10_seconds=10_000) as running:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", running.connection())
        yield running


def statuses(report: SyncReport) -> dict[int, str]:
    """Row -> status; each row once."""
    results = report.results() or []
    assert len({one["row"] for one in results}) == len(results) == report.rows
    return {one["row"]: one["status"] for one in results}


# --- the hook -----------------------------------------------------------------------------------------------------


def test_no_verb_is_left_out() -> None:
    """Every batch method of the hook is in the table, and has its stream beside it."""
    batches = {name.removeprefix("batch_") for name in vars(HubSpotHook) if name.startswith("batch_")}
    streams = {name.removeprefix("iter_batch_") for name in vars(HubSpotHook) if name.startswith("iter_batch_")}
    assert {verb.name for verb in VERBS} == batches == streams


@every_verb
def test_every_row_has_its_effect_and_its_outcome(verb: Verb, hubspot: HubSpotSandbox) -> None:
    """120 good rows and a bad one in two requests: each outcome is true, and the bad one says why, with its row."""
    bad, category = verb.bad
    report = verb.sync(HubSpotHook(), [*verb.rows(NUMBERS), bad])
    assert statuses(report) == {row: verb.success if row < 120 else "rejected" for row in range(121)}
    assert sorted(verb.done(hubspot, "Gent")) == list(NUMBERS)
    assert len(verb.writes(hubspot)) == math.ceil(120 / verb.most_inputs)
    (rejected,) = report.rejected
    assert (rejected.row, rejected.category, rejected.values) == (120, category, bad)
    summary = report.summary()
    assert (summary["rows"], summary[verb.success], summary["rejected"]) == (121, 120, 1)
    assert summary["rejected_by_category"] == {category: 1}
    assert summary["requests"] == len(hubspot.requests)
    assert json.dumps(summary)


@every_verb
def test_outcomes_come_as_a_stream(verb: Verb, hubspot: HubSpotSandbox) -> None:
    """The same, one by one, each row once, with what Airflow would be told of it."""
    outcomes = list(verb.stream(HubSpotHook(), verb.rows(NUMBERS)))
    assert sorted(one.row for one in outcomes) == list(range(120))
    assert {one.as_dict()["status"] for one in outcomes} == {verb.success}
    assert sorted(verb.done(hubspot, "Gent")) == list(NUMBERS)


@every_verb
def test_no_rows_take_no_request(verb: Verb, hubspot: HubSpotSandbox) -> None:
    """No rows: an empty report, and not one request."""
    assert verb.sync(HubSpotHook(), []).rows == 0
    assert hubspot.requests == []


@every_verb
def test_a_report_fails_only_when_asked(verb: Verb, hubspot: HubSpotSandbox) -> None:
    """The good rows are done whatever the bad ones are; ``max_rejected``, a count or a share, decides on failing."""
    bad = {**verb.bad[0], "city": SECRET}
    report = verb.sync(HubSpotHook(), [*verb.rows(range(1, 9)), bad, bad], max_rejected=0.25)
    report.raise_for_rejected()
    report.raise_for_rejected(2)
    for too_strict in (0, 1, 0.1):
        with pytest.raises(SyncFailedError, match="2 of 10 rows") as caught:
            report.raise_for_rejected(too_strict)
        assert SECRET not in str(caught.value)
    assert sorted(verb.done(hubspot, "Gent")) == list(range(1, 9))


@every_verb
def test_every_outcome_is_a_line(verb: Verb, hubspot: HubSpotSandbox, tmp_path: Path) -> None:
    """``results_path`` gets one line a row, the rejected one's with its values."""
    bad, _ = verb.bad
    report = verb.sync(HubSpotHook(), [bad, *verb.rows(NUMBERS)], results_path=str(tmp_path))
    lines = lines_of(tmp_path, "outcomes")
    assert [line["row"] for line in lines] == list(range(121))
    assert lines[0]["values"] == bad
    assert [{**line, "values": None} for line in lines] == [{**one, "values": None} for one in report.results() or []]


@every_verb
def test_validate_only_writes_nothing(verb: Verb, hubspot: HubSpotSandbox) -> None:
    """``validate_only``: what would be sent and what is rejected; HubSpot stays as it is."""
    before = hubspot.objects("contacts")
    report = verb.sync(HubSpotHook(), [*verb.rows(NUMBERS), verb.bad[0]], validate_only=True)
    assert statuses(report) == {row: "not_sent" if row < 120 else "rejected" for row in range(121)}
    assert verb.writes(hubspot) == []
    assert verb.done(hubspot, "Gent") == []
    assert hubspot.objects("contacts") == before


@every_verb
def test_too_few_rows_fail_before_anything_is_sent(verb: Verb, hubspot: HubSpotSandbox) -> None:
    """``min_rows``: a broken extract ends the sync before its first request."""
    with pytest.raises(SyncFailedError, match="min_rows=50"):
        verb.sync(HubSpotHook(), verb.rows(range(1, 10)), min_rows=50)
    assert hubspot.requests == []


@every_verb
def test_an_unknown_object_type_is_named(verb: Verb, hubspot: HubSpotSandbox) -> None:
    """With preflight or without: the wrong setting is named, and nothing is written."""
    *_, setting = (name for name in verb.where if name.endswith("object_type"))
    for preflight in (True, False):
        with pytest.raises(SettingsError, match="butterflies"):
            verb.sync(HubSpotHook(), verb.rows(range(1, 5)), preflight=preflight, **{setting: "butterflies"})
    assert verb.done(hubspot, "Gent") == []


@every_verb
def test_the_reserve_of_the_day_is_left(verb: Verb, hubspot: HubSpotSandbox) -> None:
    """``daily_quota_reserve``: the sync ends before it takes what is to be left, and says when the limit resets."""
    hubspot.spend_daily_quota(leave=20)
    with pytest.raises(DailyQuotaError, match="resets at") as caught:
        verb.sync(HubSpotHook(), verb.rows(range(1, 10)), daily_quota_reserve=25)
    assert {*statuses(caught.value.report).values()} == {"not_sent"}
    assert verb.done(hubspot, "Gent") == []
    assert hubspot.state()["daily_remaining"] > 10


@every_verb
@pytest.mark.parametrize(
    ("kind", "error"), [("unauthorized", AuthenticationError), ("missing_scopes", MissingScopesError)]
)
def test_a_sync_ends_without_access(
    verb: Verb, hubspot: HubSpotSandbox, kind: str, error: type[HubSpotError], caplog: pytest.LogCaptureFixture
) -> None:
    """401 and 403 end the sync at once, with the report; no token, no value in error or log."""
    hubspot.faults.add(kind, count=None, path=verb.path)
    with caplog.at_level(logging.DEBUG), pytest.raises(error) as caught:
        verb.sync(HubSpotHook(), verb.rows(NUMBERS, SECRET))
    assert set(statuses(caught.value.report).values()) == {"not_sent"}
    assert len(verb.writes(hubspot)) <= 2
    assert hubspot.token not in str(caught.value) + caplog.text
    assert SECRET not in str(caught.value) + caplog.text


@every_verb
def test_a_sync_says_who_is_down(verb: Verb, hubspot: HubSpotSandbox) -> None:
    """What no waiting helps, such as Cloudflare's 525, is told at once, with every row accounted for."""
    hubspot.faults.add("html", status=525, count=None, path=verb.path)
    with pytest.raises(UnavailableError) as caught:
        verb.sync(HubSpotHook(), verb.rows(NUMBERS))
    assert caught.value.report.rows == 120


# fault -> whether HubSpot has carried the request out, as far as anybody without its records can tell
FAULTS: list[tuple[dict[str, Any], bool]] = [
    ({"kind": "rate_limited"}, False),
    ({"kind": "locked"}, False),
    ({"kind": "status", "status": 503}, True),
    ({"kind": "html", "status": 502}, True),
    ({"kind": "html", "status": 200}, True),
    ({"kind": "cut_before_write"}, True),
    ({"kind": "cut_after_write"}, True),
    ({"kind": "cut_during_reply"}, True),
    ({"kind": "garbage"}, True),
    ({"kind": "truncated"}, True),
    ({"kind": "empty_body"}, True),
    ({"kind": "empty_results"}, True),
    ({"kind": "result_left_out", "results": 3}, True),
    ({"kind": "result_left_out", "results": 3, "written": False}, True),
    ({"kind": "foreign_results", "results": 3}, True),
    ({"kind": "huge", "size_bytes": 70_000_000}, True),
    ({"kind": "deep"}, True),
]


@pytest.mark.parametrize("verb", [*VERBS, ASSOCIATE_WITH_LABEL], ids=str)
@pytest.mark.parametrize(("fault", "unclear"), FAULTS, ids=[str(fault) for fault, _ in FAULTS])
def test_a_sync_gets_over_a_fault(verb: Verb, hubspot: HubSpotSandbox, fault: dict[str, Any], unclear: bool) -> None:
    """After any single fault every row has its effect once and is said to; where nobody can know, it is unknown."""
    met = hubspot.faults.add(path=verb.path, **fault)
    report = verb.sync(HubSpotHook(), verb.rows(NUMBERS))
    assert met.hits == 1
    done = verb.done(hubspot, "Gent")
    assert len(done) == len(set(done))
    if verb.settles or not unclear:
        assert set(statuses(report).values()) == {verb.success}
        assert sorted(done) == list(NUMBERS)
        return
    said = statuses(report)
    assert set(said.values()) <= {verb.success, "unknown"}
    assert {row + 1 for row, status in said.items() if status == verb.success} <= set(done)


# --- the operator -------------------------------------------------------------------------------------------------

IMPORTS = """
import json
from datetime import timedelta
from airflow.sdk import DAG, dag, task
from airflow_provider_hubbatch.hooks import HubSpotHook
from airflow_provider_hubbatch.operators import @operator@
"""

TELLING = """
class Telling(@operator@):
    def execute(self, context):
        try:
            return super().execute(context)
        finally:
            facets = self.get_openlineage_facets_on_complete(None)
            (output,) = facets.outputs
            (name,) = facets.run_facets
            context["ti"].xcom_push(key="lineage", value={
                "where": [output.namespace, output.name],
                "rows": output.outputFacets["outputStatistics"].rowCount,
                "facet": name,
                "summary": facets.run_facets[name].summary,
            })

@dag(schedule=None, default_args={**@where@, "retries": 2, "retry_delay": timedelta(0)})
def telling():
    @task
    def extract():
        return @rows@[0:8]

    @task
    def parts():
        return [@rows@[8:11], @rows@[11:16]]

    @task
    def for_the_hook():
        return @rows@[16:24]

    Telling(task_id="good", rows=extract(), results_path="@folder@/good")
    Noted(task_id="bad", rows=[*@rows@[24:32], @bad@])
    Telling(task_id="allowed", rows=[*@rows@[32:40], @bad@], max_rejected=0.5)
    @operator@.partial(task_id="mapped", results_path="@folder@/mapped").expand(rows=parts())
    Noted(task_id="unwritable", rows=@rows@, results_path="@folder@/file")
    Noted(task_id="unconnected", rows=@rows@, hubspot_conn_id="unknown")

    @task
    def by_hook(rows):
        report = HubSpotHook().batch_@verb@(rows=rows, **@where@)
        report.raise_for_rejected()
        return report.summary()

    by_hook(for_the_hook())

telling()
"""


def source_of(verb: Verb, source: str, failures: TaskRecord, **words: Any) -> str:
    """A DAG's source for this verb."""
    source = IMPORTS + failures.source.replace("HubSpotBatchUpdateOperator", verb.operator) + source
    words = {"where": dict(verb.where), "operator": verb.operator, "verb": verb.name, **words}
    for name, value in words.items():
        source = source.replace(f"@{name}@", value if isinstance(value, str) else repr(value))
    return source


@pytest.fixture
def failures(tmp_path: Path) -> TaskRecord:
    """What the operator ``Noted`` in a DAG's source notes."""
    return TaskRecord(tmp_path / "failures.jsonl")


@every_verb
@pytest.mark.airflow
@pytest.mark.versions
def test_a_task_tells_all_in_success_and_failure(
    verb: Verb, run_dag: RunDag, hubspot: HubSpotSandbox, failures: TaskRecord, tmp_path: Path
) -> None:
    """XComs, result files, links and lineage of good and failed tasks; mapped ones; the hook; who is tried again."""
    (tmp_path / "file").write_text("a file where a folder should be")
    bad, category = verb.bad
    words = {"rows": verb.rows(range(1, 41)), "bad": bad, "folder": str(tmp_path)}
    result = run_dag(source_of(verb, TELLING, failures, **words))

    good = result.xcoms("good")
    assert good["return_value"]["rows"] == good["return_value"][verb.success] == 8
    assert [one["status"] for one in good["results"]] == [verb.success] * 8
    assert good["rejected"] == []
    assert good["timeline"]["summary"] == good["return_value"]
    assert good["_link_HubSpotObjectsLink"].startswith(f"{hubspot.url}/contacts/123456/objects/")
    assert [line["row"] for line in lines_of(tmp_path / "good", "good")] == list(range(8))
    assert good["lineage"]["where"] == ["hubspot://123456", verb.dataset or next(iter(verb.where.values()))]
    assert good["lineage"]["rows"] == 8
    assert good["lineage"]["summary"][verb.success] == 8

    # failed over its row, once: no retry would help; everything is told all the same
    assert result.task_state("bad") == "failed"
    assert [one["class"] for one in failures.of("bad")] == ["AirflowFailException"]
    told = result.xcoms("bad")
    assert told["return_value"]["rejected_by_category"] == {category: 1}
    assert [one["values"] for one in told["rejected"]] == [bad]
    assert told["results"][8]["status"] == "rejected"
    assert told["_link_HubSpotObjectsLink"] == good["_link_HubSpotObjectsLink"]
    assert result.task_state("allowed") == "success"
    assert result.xcom("allowed", "lineage")["summary"]["rejected"] == 1

    assert [result.xcom("mapped", map_index=index)["rows"] for index in range(2)] == [3, 5]
    assert [path.name[:9] for path in result_files(tmp_path / "mapped", "mapped")] == ["mapped-0-", "mapped-1-"]
    assert result.xcom("by_hook")["rows"] == 8

    assert [one["class"] for one in failures.of("unwritable")] == ["AirflowFailException"]
    assert [(one["try"], one["class"]) for one in failures.of("unconnected")] == [
        (number, "AirflowNotFoundException") for number in (1, 2, 3)
    ]


WRONG_SETTINGS = """
with DAG("wrong", schedule=None, default_args={"retries": 2, "retry_delay": timedelta(0)}):
    for number, (setting, value, _) in enumerate(@wrong@):
        Noted(task_id=f"wrong_{number}", **{**@where@, "rows": @good@, setting: eval(value)})
"""

OUTRIGHT = {"min_rows", "max_rejected", "preflight", "validate_only", "max_in_flight", "requests_per_10_seconds"} | {
    "daily_quota_reserve",
    "max_cleared",
    "missing_ok",
    "remove",
}


def outright(verb: Verb, wrong: tuple[str, str, str]) -> str | None:
    """What the operator's constructor says of a wrong setting; ``None``: it can't tell yet."""
    from airflow_provider_hubbatch import operators

    setting, value, _ = wrong
    try:
        getattr(operators, verb.operator)(task_id="wrong", **{**verb.where, "rows": [], setting: eval(value)})
    except SettingsError as error:
        return str(error)
    return None


@every_verb
@pytest.mark.airflow
def test_a_wrong_setting_is_named_before_anything_is_written(
    verb: Verb, run_dag: RunDag, hubspot: HubSpotSandbox, failures: TaskRecord
) -> None:
    """Each wrong setting fails its task at the first try, named in the message; HubSpot is asked, at the most."""
    wrong = [one for one in verb.wrong if outright(verb, one) is None]
    run_dag(source_of(verb, WRONG_SETTINGS, failures, wrong=wrong, good=verb.rows(range(1, 3))))
    told = {}
    for number, (setting, value, word) in enumerate(wrong):
        noted = failures.of(f"wrong_{number}")
        if [one["class"] for one in noted] != ["AirflowFailException"] or word not in noted[0]["message"]:
            told[f"{setting}={value}"] = noted
    assert told == {}
    # what is wrong with columns is told together with what HubSpot's definitions say of them, which are read with the
    # account's details
    asked = {(request.method, request.path.rpartition("/")[0]) for request in hubspot.requests}
    read = ("/crm/properties/2026-03", "/account-info/2026-03", "/crm/associations/2026-03/contacts/companies")
    assert asked <= {("GET", path) for path in read}


@every_verb
@pytest.mark.airflow
def test_a_wrong_setting_that_is_not_templated_fails_the_dag_file(verb: Verb) -> None:
    """What can't be otherwise when the task runs is told when the DAG is read; a template's value isn't known there."""
    from airflow_provider_hubbatch import operators

    make = getattr(operators, verb.operator)
    told = {one: outright(verb, one) for one in verb.wrong}
    assert [one for one, message in told.items() if message is None and one[0] in OUTRIGHT] == []
    assert [one for one, message in told.items() if message is not None and one[2] not in message] == []
    make(task_id="right", **{**verb.where, "rows": "{{ params.path }}", "results_path": "{{ params.folder }}"})


TEMPLATED = """
TEMPLATES = {name: "{{ params." + name + " }}" for name in @where@}
with DAG("templated", schedule=None, params=@where@):
    @operator@(
        task_id="one",
        **TEMPLATES,
        rows="{{ '@folder@' }}/rows.jsonl",
        results_path="@folder@/{{ dag.dag_id }}",
        hubspot_conn_id="hubspot_{{ 'default' }}",
    )
"""


@every_verb
@pytest.mark.airflow
@pytest.mark.versions
def test_fields_are_templated(
    verb: Verb, run_dag: RunDag, hubspot: HubSpotSandbox, failures: TaskRecord, tmp_path: Path
) -> None:
    """Jinja works in the parameters that say what is written, in rows, results_path and hubspot_conn_id."""
    lines = "".join(f"{json.dumps(row)}\n" for row in verb.rows(range(1, 4)))
    (tmp_path / "rows.jsonl").write_text(lines)
    result = run_dag(source_of(verb, TEMPLATED, failures, folder=str(tmp_path)))
    assert result.state == "success"
    assert sorted(verb.done(hubspot, "Gent")) == [1, 2, 3]
    assert [line["row"] for line in lines_of(tmp_path / "templated", "one")] == [0, 1, 2]
