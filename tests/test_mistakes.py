"""What people do wrong in their first hours, and what they are told: what happened, and what to do."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch.exceptions import HubSpotError
from airflow_provider_hubbatch.hooks import HubSpotHook
from airflow_provider_hubbatch.operators import HubSpotBatchCreateOperator, HubSpotBatchUpdateOperator
from airflow_provider_hubbatch.sandbox import HubSpotSandbox
from airflow_provider_hubbatch.sandbox.tokens import DEFAULT_TOKEN
from airflow_provider_hubbatch.sources import FileRows, SqlRows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROWS = ({"id": 1, "city": "Porto"}, {"id": 2, "city": "Oslo"})
# How wide a line of a task's log is on a laptop's screen
LINE = 180


@dataclass(frozen=True)
class Mistake:
    """Something wrong, and what must be in the message.

    :param what: it happened, or is wrong.
    :param to_do: what helps.
    """

    what: str
    to_do: str
    options: Mapping[str, Any] = field(default_factory=dict)
    rows: Any = ROWS
    object_type: str = "contacts"
    connection: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.what[:40]}"


SETTINGS = [
    Mistake("max_rejected='5%'", "a count .* or a share of rows", {"max_rejected": "5%"}),
    Mistake("max_rejected=-1", "an int of 0 or more", {"max_rejected": -1}),
    Mistake("max_rejected=1.5", "from 0.0 to below 1.0", {"max_rejected": 1.5}),
    Mistake("max_in_flight=0", "from 1 to 256", {"max_in_flight": 0}),
    Mistake("min_rows=0", "a whole number above 0", {"min_rows": 0}),
    Mistake("null_values='null'", "give 'skip' or 'clear'", {"null_values": "null"}),
    Mistake("max_cleared=5", "a float from 0.0 to 1.0", {"max_cleared": 5}),
    Mistake("properties is empty", "leave it out to write every column", {"properties": []}),
    Mistake("properties must be a list .* not a str", "a list of columns or a dict", {"properties": "city"}),
    Mistake("2 columns for the property 'city'", "'a', 'b'", {"properties": {"a": "city", "b": "city"}}),
    Mistake("must_match must be a dict", "{column: property}, not a str", {"must_match": "email"}),
    Mistake("write_when='city'", "'created' or 'empty'", {"write_when": "city"}),
    Mistake("write_when of the column 'city' is 'new'", "give 'created' or 'empty'", {"write_when": {"city": "new"}}),
    Mistake(
        "write_when of the column 'city' is 'created', and an update creates no record",
        "or upsert",
        {"write_when": {"city": "created"}},
    ),
    Mistake("skip_unchanged='hubspt'", "'hubspot', or a file's path", {"skip_unchanged": "hubspt"}),
    Mistake("skip_unchanged=True", "a path or URL as text, or None", {"skip_unchanged": True}),
    Mistake("requests_per_10_seconds=0", "a whole number above 0", {"requests_per_10_seconds": 0}),
    Mistake("daily_quota_reserve=1.5", "a count .* or a share", {"daily_quota_reserve": 1.5}),
    Mistake("preflight='no'", "give True or False", {"preflight": "no"}),
    Mistake("results_path=''", "a path or URL as text", {"results_path": ""}),
]

COLUMNS = [
    Mistake("id_column names the column 'ID'.*have: id, city", "did you mean 'id'?", {"id_column": "ID"}),
    Mistake(
        "write_when names the column 'citty', which isn't there", "mean 'city'", {"write_when": {"citty": "empty"}}
    ),
    Mistake("write_when names the column 'id', which isn't written", "", {"write_when": {"id": "empty"}}),
    Mistake("names the column 'town'.*have: id, city", "properties names", {"properties": ["town"]}),
    Mistake("contacts have no property 'citty'", "did you mean 'city'?", rows=[{"id": 1, "citty": "x"}]),
    Mistake("contacts have no property 'age'", r"give properties=\[", rows=[{"id": 1, "city": "x", "age": 5}]),
    Mistake(
        "'createdate' is read-only", "leave the column 'createdate' out", rows=[{"id": 1, "createdate": "2026-01-01"}]
    ),
    Mistake("nothing to write beside", "the column 'id', which names the record", rows=[{"id": 1}]),
    Mistake("'hs_object_id' can't be written", "makes it name the record", rows=[{"id": 1, "hs_object_id": 5}]),
    Mistake("have no property 'emial'", "did you mean 'email'?", {"id_property": "emial"}),
]

THE_REST = [
    Mistake("object_type 'contcts' is unknown", "did you mean 'contacts'?", object_type="contcts"),
    Mistake("object_type 'butterflies' is unknown", "a name such as contacts", object_type="butterflies"),
    Mistake("'my contacts' can't be an object type", "such as 'contacts'", object_type="my contacts"),
    Mistake("no API version '2031-03'.*connection 'hubspot_default'", "leave it out", extra={"api_version": "2031-03"}),
    Mistake("api_version 'latest'", "such as '2026-03'", extra={"api_version": "latest"}),
    Mistake("extra 'timeout' of connection 'hubspot_default'", "seconds", extra={"timeout": "soon"}),
    Mistake("extra 'auth_type' of connection", "token or oauth", extra={"auth_type": "key"}),
    Mistake("no client_id, client_secret, refresh_token", "in its extra", extra={"auth_type": "oauth"}),
    Mistake("belongs to HubSpot account 123456", "portal_id", extra={"portal_id": 5}),
    Mistake("extra 'portal_id' of connection", "a number such as", extra={"portal_id": "mine"}),
    Mistake(
        "doesn't accept the access token of connection 'hubspot_default'",
        "a valid one into the connection's password",
        connection={"password": "pat-wrong"},
    ),
    Mistake("connection 'hubspot_default' has no access token", "into its password", connection={"password": ""}),
    Mistake("host of connection 'hubspot_default'", "", connection={"host": "ftp://hubspot"}),
    Mistake("`rows` is None", "Did the upstream task return", rows=None),
    Mistake("`rows` is an int", "expected a list of dicts", rows=5),
    Mistake("`rows` is a text", "pass the task's `.output`", rows="[{'id': 1}]"),
    Mistake("row 0 is an int, expected a dict", "A row is a dict", rows=[1, 2]),
    Mistake("no file '/nowhere/customers.csv'", "FileRows", rows="/nowhere/customers.csv"),
    Mistake("'/nowhere/customers.xlsx'", "parquet", rows=FileRows("/nowhere/customers.xlsx")),
    Mistake("no connection 'warehouse'", "add it in Airflow", rows=SqlRows("warehouse", "select 1")),
    Mistake(
        "provider for connection 'snow' of type 'snowflake' isn't installed",
        "pip install apache-airflow-providers-snowflake",
        rows=SqlRows("snow", "select 1"),
    ),
    Mistake("connection 'web' is of type 'http'", "SQL database", rows=SqlRows("web", "select 1")),
    Mistake("`sql` must be one query", "as text", rows=SqlRows("snow", "")),
    Mistake("results_path: foo://bucket is no folder", "foo", {"results_path": "foo://bucket"}),
]

FAILED_ROWS = [
    Mistake(
        "1 INVALID_OPTION of plan",
        "allowed are free, starter, pro, enterprise, legacy",
        rows=[{"id": 1, "plan": "gold"}],
    ),
    Mistake(
        "1 UNKNOWN_OWNER of hubspot_owner_id",
        "allowed is an owner's id .* or email address",
        rows=[{"id": 1, "hubspot_owner_id": "nobody@example.com"}],
    ),
    Mistake("1 INVALID_NUMBER of score", "a number: digits", rows=[{"id": 1, "score": "1,000"}]),
    Mistake("1 INVALID_DATE of renewal_date", "YYYY-MM-DD", rows=[{"id": 1, "renewal_date": "soon"}]),
    Mistake("1 INVALID_EMAIL of email", "name@example.com", rows=[{"id": 1, "email": "nobody"}]),
    Mistake("1 of 1 row failed.*1 INVALID_ID", "fix it and run again", rows=[{"id": "x1", "city": "x"}]),
    Mistake(
        "1 AMBIGUOUS_ID", "see XCom 'rejected'", {"id_property": "lifecyclestage"}, rows=[{"id": "lead", "city": "x"}]
    ),
    Mistake("1 MISSING_ID", "see XCom 'rejected'", rows=[{"id": None, "city": "x"}, {"id": 1, "city": "x"}]),
    Mistake(
        "2 of 2 rows failed.*2 OBJECT_NOT_FOUND",
        "them",
        rows=[{"id": n, "city": "x"} for n in (77, 78)],
    ),
    Mistake("only 2 rows came, and min_rows=5", "is the extract complete", {"min_rows": 5}),
]

MISTAKES = [*SETTINGS, *COLUMNS, *THE_REST, *FAILED_ROWS]

# Of a create's links from the start.
LINKS_SETTINGS = [
    Mistake("links must be a dict .* not a str", "Leave it out to link nothing", {"links": "company"}),
    Mistake("links must be a dict .* not an empty dict", "Leave it out", {"links": {}}),
    Mistake(r"links\['companies'\] must be a column's name", "or a dict with 'column'", {"links": {"companies": 7}}),
    Mistake(r"links\['companies'\]\['column'\] must be", "a column's name", {"links": {"companies": {"label": "x"}}}),
    Mistake(
        r"links\['companies'\] has a key 'lable'",
        "did you mean 'label'",
        {"links": {"companies": {"column": "firm", "lable": "x"}}},
    ),
    Mistake("links: the key 'my firms' can't be an object type", "such as 'contacts'", {"links": {"my firms": "firm"}}),
]
LINKS = [
    *LINKS_SETTINGS,
    Mistake(r"links\['companies'\] names the column 'town'", "have: city, firm", {"links": {"companies": "town"}}),
    Mistake("object_type 'companys' is unknown", "did you mean 'companies'", {"links": {"companys": "firm"}}),
    Mistake(
        r"links\['companies'\]: .* no label 'Primray'",
        "there are: 'Primary'.*did you mean 'Primary'",
        {"links": {"companies": {"column": "firm", "label": "Primray"}}},
    ),
    Mistake(
        r"links\['companies'\]: .*no property 'erp'",
        "did you mean 'erp_id'",
        {"links": {"companies": {"column": "firm", "id_property": "erp"}}},
    ),
    Mistake("1 INVALID_ID", "see XCom 'rejected'|fix", {"links": {"companies": "firm"}}),
]


@pytest.fixture(scope="module")
def hubspot() -> Iterator[HubSpotSandbox]:
    with HubSpotSandbox(records={"contacts": 10}) as running:
        yield running


def told(mistake: Mistake, hubspot: HubSpotSandbox, monkeypatch: pytest.MonkeyPatch) -> str:
    """The message of the error."""
    connection = json.loads(hubspot.connection()) | dict(mistake.connection) | {"extra": dict(mistake.extra)}
    monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW_CONN_SNOW", '{"conn_type": "snowflake"}')
    monkeypatch.setenv("AIRFLOW_CONN_WEB", '{"conn_type": "http"}')
    with pytest.raises(HubSpotError) as caught:
        HubSpotHook().batch_update(mistake.object_type, mistake.rows, **mistake.options).raise_for_rejected()
    return str(caught.value)


def lines_of(message: str) -> int:
    """Lines that it takes in a task's log."""
    return sum(math.ceil(max(len(line), 1) / LINE) for line in message.splitlines())


def test_there_are_many() -> None:
    """The table has what issues and questions are about."""
    assert len(MISTAKES) >= 40


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_a_mistake_is_told_with_what_to_do(
    mistake: Mistake, hubspot: HubSpotSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each message says what happened and what to do, in three lines of a log's page at most, and shows no token."""
    message = told(mistake, hubspot, monkeypatch)
    assert re.search(mistake.what, message), message
    assert re.search(mistake.to_do, message, re.IGNORECASE), message
    assert lines_of(message) <= 3, message
    assert DEFAULT_TOKEN not in message
    assert "pat-wrong" not in message


@pytest.mark.parametrize("mistake", LINKS, ids=str)
def test_a_mistake_with_links_is_told_with_what_to_do(
    mistake: Mistake, hubspot: HubSpotSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As any other, before anything is created."""
    monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", hubspot.connection())
    with pytest.raises(HubSpotError) as caught:
        HubSpotHook().batch_create("contacts", [{"city": "Porto", "firm": "x"}], **mistake.options).raise_for_rejected()
    message = str(caught.value)
    assert re.search(mistake.what, message), message
    assert re.search(mistake.to_do, message, re.IGNORECASE), message
    assert lines_of(message) <= 3, message
    assert len(hubspot.objects("contacts")) == 10


@pytest.mark.parametrize("mistake", LINKS_SETTINGS, ids=str)
def test_wrong_links_fail_the_dag_file(mistake: Mistake) -> None:
    """They are checked while the DAG is parsed, unless they hold a template."""
    with pytest.raises(HubSpotError, match=mistake.what):
        HubSpotBatchCreateOperator(task_id="create", object_type="contacts", rows=[], **mistake.options)


def test_links_may_be_templates() -> None:
    """What they are is known only when the task runs."""
    links = {"contacts": {"column": "{{ params.column }}", "label": "{{ params.label }}"}}
    operator = HubSpotBatchCreateOperator(task_id="create", object_type="tasks", rows=[], links=links)
    operator.render_template_fields({"params": {"column": "contact", "label": "Billing"}})
    assert operator.links == {"contacts": {"column": "contact", "label": "Billing"}}


@pytest.mark.parametrize("mistake", SETTINGS, ids=str)
def test_a_wrong_setting_fails_the_dag_file(mistake: Mistake) -> None:
    """A setting that no template can put right is told while the DAG is parsed, in the same words."""
    with pytest.raises(HubSpotError, match=mistake.what):
        HubSpotBatchUpdateOperator(task_id="update", object_type="contacts", rows=[], **mistake.options)
