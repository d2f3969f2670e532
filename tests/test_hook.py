"""The hook against a local HubSpot: requests, definitions, the account, and batch updates row by row."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch.core.model import Status
from airflow_provider_hubbatch.exceptions import (
    RequestRefusedError,
    SettingsError,
)
from airflow_provider_hubbatch.hooks import HubSpotHook, user_agent
from airflow_provider_hubbatch.sandbox import HubSpotSandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_hubbatch.core.sync_report import SyncReport

SECRET = "hunter2"


@pytest.fixture
def hubspot(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubSpotSandbox]:
    """A local HubSpot with 120 contacts, which the connection ``hubspot_default`` leads to; as fast as it can."""
    with HubSpotSandbox(records={"contacts": 120}, requests_per_10_seconds=10_000) as running:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", running.connection())
        yield running


def ids_of(hubspot: HubSpotSandbox) -> list[str]:
    """The record ids of its contacts."""
    return list(hubspot.objects("contacts"))


def statuses(report: SyncReport) -> dict[int, str]:
    """Row -> status; each row once."""
    results = report.results() or []
    assert len({one["row"] for one in results}) == len(results) == report.rows
    return {one["row"]: one["status"] for one in results}


def updates(hubspot: HubSpotSandbox) -> int:
    """How many update requests there were."""
    return sum("/batch/update" in request.path for request in hubspot.requests)


# --- headers ------------------------------------------------------------------------------------------------------


def test_hook_sends_exactly_these_headers(monkeypatch: pytest.MonkeyPatch, hubspot: HubSpotSandbox) -> None:
    """Token, User-Agent and what HTTP needs; nothing of the connection's extra, its login or host becomes a header."""
    extra = {"X-Secret": SECRET, "headers": {"X-More": SECRET}, "api_version": "2026-03", "client_secret": SECRET}
    connection = {**json.loads(hubspot.connection()), "login": "me", "extra": {**extra, "stream": True}}
    monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", json.dumps(connection))
    HubSpotHook().batch_update("contacts", [{"id": ids_of(hubspot)[0], "city": "Ghent"}])
    for request in hubspot.requests:
        headers = dict(request.headers)
        assert headers.pop("authorization") == f"Bearer {hubspot.token}"
        assert headers.pop("user-agent") == user_agent()
        assert headers.pop("content-type") == "application/json"
        assert set(headers) <= {"host", "accept", "accept-encoding", "connection", "content-length"}
        assert SECRET not in json.dumps(request.headers)
        assert hubspot.token not in request.path + json.dumps(request.query)


def test_user_agent_has_both_versions() -> None:
    """HubSpot's support can see which provider and which Airflow it was."""
    words = user_agent().split()
    assert [word.partition("/")[0] for word in words] == ["airflow-provider-hubbatch", "apache-airflow"]
    assert all(word.partition("/")[2] for word in words)


def test_hook_ignores_netrc_and_cookies(
    monkeypatch: pytest.MonkeyPatch, hubspot: HubSpotSandbox, tmp_path: Any
) -> None:
    """A netrc file for the host doesn't take the token's place."""
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login me password {SECRET}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    HubSpotHook().account()
    assert hubspot.requests[-1].headers["authorization"] == f"Bearer {hubspot.token}"


# --- request ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example/crm",
        "@evil.example/crm",
        ":80@evil.example/",
        "http://evil.example/",
        "crm/objects",
        "",
        "/crm/../oauth",
        "/crm/./x",
        "/crm/%2e%2e/x",
        "/..",
        "/crm\nX-Evil: 1",
        "/crm\r\nX-Evil: 1",
        "/crm x",
        "/crm#x",
        "/crm\\..\\x",
        "/crm\x00",
        "/\u00e9",
    ],
)
def test_hook_request_takes_only_paths(hubspot: HubSpotSandbox, path: str) -> None:
    """What could lead to another host, leave the path or end a line is refused before anything is sent."""
    with pytest.raises(SettingsError, match="path"):
        HubSpotHook().request("GET", path)
    assert hubspot.requests == []


@pytest.mark.parametrize("path", ["/@evil.example/x", "/x?next=//evil.example/..", "/x;y=1,2"])
def test_hook_request_stays_on_the_host(hubspot: HubSpotSandbox, path: str) -> None:
    """Whatever path is taken, the request goes to the connection's host."""
    with pytest.raises(RequestRefusedError) as caught:
        HubSpotHook().request("GET", path)
    assert caught.value.status == 404
    assert len(hubspot.requests) == 1


def test_hook_request_gives_the_json(hubspot: HubSpotSandbox) -> None:
    """Any endpoint, with a query or a body; its JSON comes back."""
    hook, record_id = HubSpotHook(), ids_of(hubspot)[0]
    body = {"inputs": [{"id": record_id}], "properties": ["city"], "propertiesWithHistory": []}
    reply = hook.request("post", "/crm/objects/2026-03/contacts/batch/read", body)
    assert [one["id"] for one in reply["results"]] == [record_id]
    assert hook.request("GET", "/account-info/2026-03/details?x=1")["portalId"] == 123_456


def test_hook_request_that_is_refused_says_why(hubspot: HubSpotSandbox) -> None:
    """A refusal has HubSpot's status, category, words and correlation id."""
    with pytest.raises(RequestRefusedError) as caught:
        HubSpotHook().request("POST", "/crm/objects/2026-03/contacts/batch/update", {"inputs": "x"})
    assert caught.value.status == 400
    assert caught.value.correlation_id
    assert caught.value.correlation_id in str(caught.value)


@pytest.mark.parametrize(
    "fault", [{"kind": "garbage"}, {"kind": "truncated"}, {"kind": "deep"}, {"kind": "cut_before_write"}]
)
def test_hook_request_is_sent_again_after_nonsense(hubspot: HubSpotSandbox, fault: dict[str, Any]) -> None:
    """A reply that makes no sense, or none, is asked for once more."""
    hubspot.faults.add(**fault)
    assert HubSpotHook().account()["portalId"] == 123_456


def test_hook_follows_no_redirect(hubspot: HubSpotSandbox) -> None:
    """A redirect isn't HubSpot's API: a wrong setting, and nothing is sent elsewhere."""
    with HubSpotSandbox() as elsewhere:
        hubspot.faults.add("redirect", location=elsewhere.url + "/steal")
        with pytest.raises(SettingsError):
            HubSpotHook().account()
        assert elsewhere.requests == []


# --- definitions, account, connection -----------------------------------------------------------------------------


def test_hook_properties_are_hubspots(hubspot: HubSpotSandbox) -> None:
    """The definitions of an object type, as HubSpot gives them."""
    names = {one["name"]: one for one in HubSpotHook().properties("contacts")}
    assert names["customer_number"]["hasUniqueValue"] is True


@pytest.mark.parametrize("object_type", ["butterflies", "2-999", "a/b", ""])
def test_hook_properties_of_an_unknown_type_is_a_wrong_setting(hubspot: HubSpotSandbox, object_type: str) -> None:
    """An object type that this account doesn't have is named in the error."""
    with pytest.raises(SettingsError, match="object_type"):
        HubSpotHook().properties(object_type)


def test_hook_account_is_hubspots(hubspot: HubSpotSandbox) -> None:
    """The account's details."""
    account = HubSpotHook().account()
    assert (account["portalId"], account["timeZone"]) == (123_456, "Europe/Berlin")


def test_hook_test_connection_says_which_account_it_is(hubspot: HubSpotSandbox) -> None:
    """A right token: the account, its limit and what is left of the day."""
    works, sentence = HubSpotHook().test_connection()
    assert works, sentence
    assert "123456 (standard)" in sentence
    assert "API calls left today" in sentence


def test_hook_test_connection_says_that_the_token_is_wrong(
    monkeypatch: pytest.MonkeyPatch, hubspot: HubSpotSandbox
) -> None:
    """A wrong token: one request, and what to do, without the token."""
    connection = {**json.loads(hubspot.connection()), "password": f"pat-{SECRET}"}
    monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", json.dumps(connection))
    works, sentence = HubSpotHook().test_connection()
    assert not works
    assert "token" in sentence
    assert SECRET not in sentence
    assert len(hubspot.requests) == 1


@pytest.mark.parametrize("fields", [{"password": ""}, {"host": "ftp://x"}, {"extra": {"timeout": "soon"}}])
def test_hook_test_connection_says_which_field_is_wrong(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any]
) -> None:
    """A field that is wrong is named, without a request."""
    monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", json.dumps({"conn_type": "hubspot", "password": "t", **fields}))
    works, sentence = HubSpotHook().test_connection()
    assert not works
    assert next(iter(fields.get("extra", fields))) in sentence


def test_hook_test_connection_to_nowhere_answers_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that nobody listens on: the button says so within seconds."""
    monkeypatch.setenv(
        "AIRFLOW_CONN_HUBSPOT_DEFAULT",
        json.dumps({"conn_type": "hubspot", "password": "t", "host": "http://127.0.0.1:9"}),
    )
    hook, said = HubSpotHook(), []
    thread = threading.Thread(target=lambda: said.append(hook.test_connection()), daemon=True)
    thread.start()
    thread.join(5)
    assert said
    assert not said[0][0]


def test_hook_get_conn_and_run_work_with_the_token(hubspot: HubSpotSandbox) -> None:
    """HttpHook's own ways: a session, and run(), with the bearer token and the connection's host."""
    hook = HubSpotHook()
    session = hook.get_conn()
    assert session.get(hubspot.url + "/account-info/2026-03/details", timeout=10).json()["portalId"] == 123_456
    hook.method = "GET"
    assert hook.run("account-info/2026-03/details").json()["portalId"] == 123_456
    assert {request.headers["authorization"] for request in hubspot.requests} == {f"Bearer {hubspot.token}"}


def test_hook_names_a_ca_bundle_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ``verify`` that is no file is a wrong setting of the connection."""
    extra = {"verify": "/nowhere/ca.pem"}
    connection = {"conn_type": "hubspot", "password": "t", "host": "https://127.0.0.1:9", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", json.dumps(connection))
    with pytest.raises(SettingsError, match="verify"):
        HubSpotHook().account()


# --- batch_update -------------------------------------------------------------------------------------------------


def test_hook_batch_update_writes_every_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """2,500 rows in 25 requests: HubSpot has every value, and every outcome names its record."""
    with HubSpotSandbox(records={"contacts": 2_500}, requests_per_10_seconds=10_000) as hubspot:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", hubspot.connection())
        ids = ids_of(hubspot)
        rows = [{"id": one, "city": f"Town {row}", "score": row} for row, one in enumerate(ids)]
        report = HubSpotHook().batch_update("contacts", rows)
        held = {one: record["properties"] for one, record in hubspot.objects("contacts").items()}
        assert {one: (held[one]["city"], held[one]["score"]) for one in ids} == {
            one: (f"Town {row}", str(row)) for row, one in enumerate(ids)
        }
        assert report.counts == {Status.UPDATED: 2_500}
        assert updates(hubspot) == 25


def test_hook_batch_update_applies_rows_of_one_record_in_order(hubspot: HubSpotSandbox) -> None:
    """Three rows a record, in one call: the last one wins."""
    ids = ids_of(hubspot)
    rows = [{"id": one, "city": f"{turn} {one}"} for turn in range(3) for one in ids]
    report = HubSpotHook().batch_update("contacts", rows)
    assert report.counts == {Status.UPDATED: 360}
    assert {one: record["properties"]["city"] for one, record in hubspot.objects("contacts").items()} == {
        one: f"2 {one}" for one in ids
    }


@pytest.mark.parametrize("echo", [False, True])
def test_hook_batch_update_by_unique_property(hubspot: HubSpotSandbox, echo: bool) -> None:
    """Rows named by a unique property, whether or not the reply repeats it: all updated, with their record ids."""
    hubspot.switch(results_echo_id_property=echo)
    ids = ids_of(hubspot)
    for number, one in enumerate(ids):
        hubspot.set_value("contacts", one, "customer_number", f"C-{number}")
    rows = [{"number": f"C-{row}", "city": "Ghent"} for row in range(120)] + [{"number": "C-x", "city": "Ghent"}]
    report = HubSpotHook().batch_update("contacts", rows, id_column="number", id_property="customer_number")
    by_row = {one["row"]: one for one in report.results() or []}
    assert [by_row[row]["record_id"] for row in range(120)] == ids
    assert (by_row[120]["status"], by_row[120]["category"]) == ("rejected", "OBJECT_NOT_FOUND")


@pytest.mark.parametrize("preflight", [True, False])
@pytest.mark.parametrize("missing_ok", [True, False])
def test_hook_refuses_to_rename_the_key_itself(hubspot: HubSpotSandbox, preflight: bool, missing_ok: bool) -> None:
    """A column that writes the id property is refused before an update: read back by its old key, a renamed record
    would look missing, and another row's record might be taken for it.
    """
    hubspot.set_value("contacts", ids_of(hubspot)[0], "customer_number", "a")
    hubspot.set_value("contacts", ids_of(hubspot)[1], "customer_number", "b")
    hubspot.faults.add("result_left_out", path="/batch/update", results=1)
    rows = [{"old": "b", "customer_number": "c"}, {"old": "a", "customer_number": "b"}]
    options = {"id_column": "old", "id_property": "customer_number", "preflight": preflight, "missing_ok": missing_ok}
    with pytest.raises(SettingsError, match=r"'customer_number' can't be written to .* the column 'old'"):
        HubSpotHook().batch_update("contacts", rows, **options)
    assert updates(hubspot) == 0
    assert [hubspot.objects("contacts")[one]["properties"]["customer_number"] for one in ids_of(hubspot)[:2]] == [
        "a",
        "b",
    ]


def _refused_by_value(hubspot: HubSpotSandbox, ids: list[str]) -> list[dict[str, Any]]:
    return [{"id": one, "plan": "platinum" if row == 7 else "pro"} for row, one in enumerate(ids)]


VALUE_MODES: list[dict[str, Any]] = [
    {},
    {"trace_ids_isolate_errors": True},
    {"errors_quote_value": False},
    {"errors_name_nothing": True},
    {"error_details": "first"},
    {"error_details": "none"},
    {"partly_written": True},
]


@pytest.mark.parametrize("behaviour", VALUE_MODES, ids=[str(mode) for mode in VALUE_MODES])
def test_hook_a_bad_value_costs_only_its_row(hubspot: HubSpotSandbox, behaviour: dict[str, Any]) -> None:
    """A value that HubSpot refuses, however it says so: that row is rejected with its words, the others are written."""
    hubspot.switch(**behaviour)
    ids = ids_of(hubspot)
    report = HubSpotHook().batch_update("contacts", _refused_by_value(hubspot, ids), preflight=False)
    assert statuses(report) == {row: "rejected" if row == 7 else "updated" for row in range(120)}
    (rejected,) = report.rejected
    assert (rejected.values, rejected.id) == ({"id": ids[7], "plan": "platinum"}, ids[7])
    assert rejected.correlation_id or behaviour.get("trace_ids_isolate_errors")
    held = hubspot.objects("contacts")
    assert all(held[one]["properties"]["plan"] == "pro" for row, one in enumerate(ids) if row != 7)


def test_hook_a_bad_value_never_leaves_with_preflight(hubspot: HubSpotSandbox) -> None:
    """With preflight, the same row costs no refused request."""
    report = HubSpotHook().batch_update("contacts", _refused_by_value(hubspot, ids_of(hubspot)))
    assert statuses(report)[7] == "rejected"
    assert updates(hubspot) == 2
    assert report.refused_requests == 0


@pytest.mark.parametrize("name_trace_ids", [True, False])
def test_hook_ids_that_do_not_exist_cost_only_their_rows(hubspot: HubSpotSandbox, name_trace_ids: bool) -> None:
    """Unknown and archived ids: rejected, or missing with missing_ok; the others are written, in as few requests."""
    hubspot.switch(missing_errors_name_trace_ids=name_trace_ids)
    ids = ids_of(hubspot)
    hubspot.archive("contacts", ids[3])
    rows = [{"id": one, "city": "Ghent"} for one in [*ids, "999999999"]]
    for missing_ok, status in ((False, "rejected"), (True, "missing")):
        report = HubSpotHook().batch_update("contacts", rows, missing_ok=missing_ok)
        assert statuses(report) == {row: status if row in (3, 120) else "updated" for row in range(121)}
    assert updates(hubspot) == 4


def test_hook_a_merged_id_is_rejected_and_names_the_survivor(hubspot: HubSpotSandbox) -> None:
    """An id that was merged into another record, of which HubSpot's reply says nothing."""
    ids = ids_of(hubspot)
    hubspot.merge("contacts", ids[3], ids[4])
    report = HubSpotHook().batch_update("contacts", [{"id": one, "city": f"T {one}"} for one in ids])
    assert statuses(report) == {row: "rejected" if row == 3 else "updated" for row in range(120)}
    assert (report.rejected[0].category, report.rejected[0].record_id) == ("OBJECT_MERGED", ids[4])
    assert hubspot.objects("contacts")[ids[4]]["properties"]["city"] == f"T {ids[4]}"


def test_hook_a_malformed_id_is_rejected_before_it_leaves(hubspot: HubSpotSandbox) -> None:
    """An id that can be none of HubSpot's never empties a batch's reply."""
    bad = ["abc", "", None, "12.5", "-4", "1e99", float("nan"), True]
    rows = [{"id": one, "city": "Ghent"} for one in [*ids_of(hubspot), *bad]]
    report = HubSpotHook().batch_update("contacts", rows)
    assert statuses(report) == {row: "rejected" if row >= 120 else "updated" for row in range(128)}
    assert updates(hubspot) == 2


@pytest.mark.parametrize("preflight", [True, False])
def test_hook_a_property_that_does_not_exist(hubspot: HubSpotSandbox, preflight: bool) -> None:
    """With preflight an error before the first update; without, one refusal, and the rows that have it are rejected."""
    rows = [{"id": one, "city": "Ghent", "citty": "x" if row < 5 else None} for row, one in enumerate(ids_of(hubspot))]
    if preflight:
        with pytest.raises(SettingsError, match="'city'"):
            HubSpotHook().batch_update("contacts", rows)
        assert updates(hubspot) == 0
        return
    report = HubSpotHook().batch_update("contacts", rows, preflight=False)
    assert statuses(report) == {row: "rejected" if row < 5 else "updated" for row in range(120)}
    assert updates(hubspot) == 3


def test_hook_a_read_only_property_without_preflight(hubspot: HubSpotSandbox) -> None:
    """A read-only property that HubSpot refuses: the rows that have it are rejected."""
    rows = [
        {"id": one, "city": "Ghent", "createdate": 5 if row < 5 else None} for row, one in enumerate(ids_of(hubspot))
    ]
    report = HubSpotHook().batch_update("contacts", rows, preflight=False)
    assert statuses(report) == {row: "rejected" if row < 5 else "updated" for row in range(120)}


@pytest.mark.parametrize("conflict", ["CONFLICTING_UNIQUE_VALUE", "CONFLICT", "OBJECT_ALREADY_EXISTS"])
def test_hook_a_unique_value_of_another_record(hubspot: HubSpotSandbox, conflict: str) -> None:
    """A unique value that another record has: that row is rejected, the others, the owner's too, are written."""
    hubspot.switch(unique_conflict=conflict)
    ids = ids_of(hubspot)
    hubspot.set_value("contacts", ids[0], "customer_number", "C-0")
    rows = [{"id": one, "customer_number": "C-0" if row == 50 else f"N-{row}"} for row, one in enumerate(ids) if row]
    rows = [{"id": ids[0], "city": "Ghent"}, *rows]
    report = HubSpotHook().batch_update("contacts", rows)
    assert statuses(report) == {row: "rejected" if row == 50 else "updated" for row in range(120)}


@pytest.mark.parametrize("status", ["PENDING", "PROCESSING", "CANCELED"])
def test_hook_a_reply_that_is_not_complete_is_read_back(hubspot: HubSpotSandbox, status: str) -> None:
    """A reply of any other status confirms nothing: the records are read, and their rows are updated."""
    hubspot.faults.add("reply_status", reply_status=status, path="/batch/update", written=True)
    report = HubSpotHook().batch_update("contacts", [{"id": one, "city": "Ghent"} for one in ids_of(hubspot)])
    assert report.counts == {Status.UPDATED: 120}


def test_hook_batch_update_without_the_scope_to_read_definitions(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A token that may write but not read definitions: a warning, and on without preflight."""
    tokens = {"writer": ["crm.objects.contacts.write"]}
    with HubSpotSandbox(records={"contacts": 5}, tokens=tokens) as hubspot:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", hubspot.connection())
        report = HubSpotHook().batch_update("contacts", [{"id": one, "city": "x"} for one in ids_of(hubspot)])
    assert report.counts == {Status.UPDATED: 5}
    assert "definitions" in caplog.text


def test_hook_batch_update_by_what_is_no_property_is_a_wrong_setting(hubspot: HubSpotSandbox) -> None:
    """Refused before the first update, naming it."""
    with pytest.raises(SettingsError, match="email_x"):
        HubSpotHook().batch_update("contacts", [{"id": "x", "phone": "1"}], id_property="email_x")
    assert updates(hubspot) == 0
