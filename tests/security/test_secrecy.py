"""Nothing to steal: every byte that a sync leaves anywhere, searched for secrets and for rows' values."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import subprocess
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch.core.options import UpdateOptions
from airflow_provider_hubbatch.exceptions import (
    AuthenticationError,
    HubSpotError,
    MissingScopesError,
    RequestRefusedError,
    SyncFailedError,
    UnavailableError,
)
from airflow_provider_hubbatch.hooks import HubSpotHook
from airflow_provider_hubbatch.sandbox import HubSpotSandbox, OAuthApp
from airflow_provider_hubbatch.sync.sync import Sync
from demo.airflow_home import airflow_environment
from tests.clients import impatient_client

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parent.parent.parent
TOKEN = "pat-na1-s3cr3t-4cc3ss"
OAUTH = OAuthApp(client_id="app-of-a-test", client_secret="cl13nt-s3cr3t", refresh_token="r3fr3sh-s3cr3t")
MINTED = "sandbox-oauth-access-token"
SECRETS = [TOKEN, OAUTH.client_secret, OAUTH.refresh_token, MINTED, "pr0xy-p4ssw0rd"]
# a row's values: none of them may be in a log or an exception
VALUE = "Zaphod-Beeblebrox"
BAD_VALUE = "Slartibartfast"
VALUES = [VALUE, BAD_VALUE, "zaphod@example"]


def found(text: str | bytes, needles: list[str]) -> list[str]:
    """Which of these are in a text, as they are or in base 64's neighbourhood of JSON and URLs."""
    data = text.encode() if isinstance(text, str) else text
    return [needle for needle in needles if needle.encode() in data]


def printed(path: Path) -> str:
    """What a process printed, without the lines in which ``dag.test()`` at DEBUG traces Airflow's messages to itself:
    what it is asked to mask, and XComs.
    """
    lines = path.read_text(errors="replace").splitlines()
    return "\n".join(line for line in lines if "loc=supervisor.py" not in line)


# --- a whole Airflow run ---------------------------------------------------------------------------------------------

SCENARIOS = [
    "token_updates",
    "token_rejects",
    "token_wrong",
    "token_without_scope",
    "token_meets_faults",
    "token_echoed",
    "oauth_updates",
    "oauth_refused",
]
DAG_SOURCE = """
from airflow.sdk import DAG, task
from airflow_provider_hubbatch.operators import HubSpotBatchUpdateOperator

ROWS = {rows!r}

with DAG("secrecy", schedule=None):
    @task(show_return_value_in_logs=False)  # Airflow's own line about what a function returns
    def pages():
        return [ROWS[:2], ROWS[2:]]

    @task(show_return_value_in_logs=False)
    def extract():
        return ROWS

    rows = extract()
    for name in {names!r}:
        HubSpotBatchUpdateOperator(
            task_id=name,
            object_type="contacts",
            rows=rows,
            preflight=name == "token_updates",
            results_path={results!r} + "/" + name,
            hubspot_conn_id=name,
        )
    HubSpotBatchUpdateOperator.partial(
        task_id="mapped", object_type="contacts", hubspot_conn_id="oauth_updates"
    ).expand(rows=pages())
"""


@pytest.fixture(scope="module")
def left_behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Any], list[Any]]]:
    """Runs every scenario in an Airflow of its own, logging at DEBUG; gives its home, the result and all requests."""
    folder = tmp_path_factory.mktemp("secrecy")
    home, dags = folder / "home", folder / "dags"
    dags.mkdir()
    environment = airflow_environment(home, dags) | {"AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG"}
    sandboxes: dict[str, HubSpotSandbox] = {}
    try:
        for name in SCENARIOS:
            scopes = ["crm.objects.contacts.read"] if name == "token_without_scope" else None
            sandboxes[name] = HubSpotSandbox(records={"contacts": 3}, tokens={TOKEN: scopes}, oauth=OAUTH).start()
            environment[f"AIRFLOW_CONN_{name.upper()}"] = _connection(name, sandboxes[name])
        faults = sandboxes["token_meets_faults"].faults
        faults.add("status", status=500, message=f"{BAD_VALUE} is too much", path="batch/update")
        faults.add("cut_after_write", path="batch/update")
        faults.add("rate_limited", path="batch/update")
        sandboxes["token_echoed"].faults.add(
            "reply",
            status=400,
            path="batch/update",
            count=None,
            body={"category": "ECHO", "message": f"Bearer {TOKEN}"},
        )
        ids = list(sandboxes["token_updates"].objects("contacts"))
        rows = [{"id": one, "firstname": VALUE, "email": f"zaphod@example.{one}.org", "plan": "pro"} for one in ids]
        rows[1]["plan"] = BAD_VALUE
        program = DAG_SOURCE.format(rows=rows, names=SCENARIOS, results=str(folder / "results"))
        (dags / "secrecy.py").write_text(program)
        result = folder / "result.json"
        with (folder / "output.txt").open("wb") as output:
            subprocess.run(
                [sys.executable, "-m", "demo.dag_run", str(dags / "secrecy.py"), str(result)],
                check=True,
                cwd=REPOSITORY,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        requests = [request for one in sandboxes.values() for request in one.requests]
        yield folder, json.loads(result.read_text()), requests
    finally:
        for one in sandboxes.values():
            one.stop()


def _connection(name: str, sandbox: HubSpotSandbox) -> str:
    if name == "oauth_updates":
        return sandbox.oauth_connection()
    if name == "oauth_refused":
        return sandbox.oauth_connection(refresh_token=f"{OAUTH.refresh_token}-of-another-app")
    connection = {**json.loads(sandbox.connection()), "password": TOKEN}
    if name == "token_wrong":
        connection["password"] = f"{TOKEN}-of-another-account"
    return json.dumps(connection)


@pytest.mark.airflow
def test_secrecy_the_run_went_through_all_of_it(left_behind: tuple[Path, dict[str, Any], list[Any]]) -> None:
    """The run that is searched below had updates, rejections, refusals, faults and errors in it."""
    folder, result, requests = left_behind
    states = {name: state for name, state in result["tasks"].items() if name in SCENARIOS}
    assert states == dict.fromkeys(SCENARIOS, "failed")  # one row of each is bad
    counts = {name: result["xcoms"][name]["return_value"] for name in SCENARIOS}
    for name in ("token_updates", "token_rejects", "token_meets_faults", "oauth_updates"):
        assert (counts[name]["updated"], counts[name]["rejected"]) == (2, 1), name
    for name in ("token_wrong", "token_without_scope", "oauth_refused"):
        assert counts[name]["updated"] == 0
    assert {request.status for request in requests} >= {200, 400, 401, 403, 429, 500, None}
    rejected = result["xcoms"]["token_rejects"]["rejected"]
    assert rejected[0]["values"]["plan"] == BAD_VALUE  # there, and in the result files, they belong
    assert found(b"".join(path.read_bytes() for path in (folder / "results").rglob("*.jsonl")), [BAD_VALUE])


@pytest.mark.airflow
def test_secrecy_no_secret_is_left_anywhere(left_behind: tuple[Path, dict[str, Any], list[Any]]) -> None:
    """No token or secret in Airflow's database (XComs, rendered fields, task state), its logs at DEBUG, all that it
    printed, or the result files.
    """
    folder, result, _ = left_behind
    searched = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.name for path in searched} >= {"airflow.db", "output.txt", "result.json"}
    texts = {str(path): printed(path) if path.name == "output.txt" else path.read_bytes() for path in searched}
    assert {name: leaks for name, text in texts.items() if (leaks := found(text, SECRETS))} == {}
    assert found(json.dumps(result), SECRETS) == []


@pytest.mark.airflow
def test_secrecy_headers_hold_the_token_in_authorization_only(
    left_behind: tuple[Path, dict[str, Any], list[Any]],
) -> None:
    """Of all that was sent, the token is in Authorization, OAuth's secrets in the token endpoint's form: only there."""
    _, _, requests = left_behind
    assert len(requests) > 15
    for request in requests:
        others = {name: value for name, value in request.headers.items() if name != "authorization"}
        assert found(json.dumps(others), SECRETS) == []
        assert found(request.path + json.dumps(request.query), [*SECRETS, *VALUES]) == []
        if request.path == "/oauth/2026-03/token":
            assert "authorization" not in request.headers
        else:
            assert found(request.body, SECRETS) == []
            assert request.headers["authorization"].startswith("Bearer ")


@pytest.mark.airflow
def test_secrecy_no_value_of_a_row_is_in_a_log(left_behind: tuple[Path, dict[str, Any], list[Any]]) -> None:
    """No row's value in any line at DEBUG, of any logger: also where HubSpot's error quotes it."""
    folder, _, _ = left_behind
    logs = [*folder.rglob("*.log"), folder / "output.txt"]
    assert sum(path.stat().st_size for path in logs) > 10_000
    lines = [(path.name, line) for path in logs for line in printed(path).splitlines() if found(line, VALUES)]
    assert lines == []


@pytest.mark.airflow
def test_secrecy_rendered_fields_hold_no_rows(left_behind: tuple[Path, dict[str, Any], list[Any]]) -> None:
    """The page "Rendered Templates" shows what the rows are, not what is in them: of plain and of mapped tasks."""
    folder, _, _ = left_behind
    with sqlite3.connect(folder / "home" / "airflow.db") as database:
        rendered = database.execute("select task_id, rendered_fields from rendered_task_instance_fields").fetchall()
    ours = [fields for task_id, fields in rendered if task_id in SCENARIOS or task_id == "mapped"]
    assert len(ours) == len(SCENARIOS) + 2
    for fields in ours:
        assert found(fields, VALUES) == []
        assert "rows" in json.loads(fields)


# --- without Airflow's masker: our own words --------------------------------------------------------------------------


class Everything(logging.Handler):
    """Keeps every record of every logger, unmasked."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it, with its traceback."""
        self.lines.append(logging.Formatter("%(name)s %(message)s").format(record))


@pytest.fixture
def everything() -> Iterator[Everything]:
    """All that is logged, at DEBUG, urllib3's lines too."""
    root, handler = logging.getLogger(), Everything()
    level = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(handler)
    for name in ("urllib3", "airflow_provider_hubbatch"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    try:
        yield handler
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def texts_of(error: BaseException) -> str:
    """All that can be printed of an exception: text, repr, the traceback with causes and contexts, and its locals."""
    printed = traceback.TracebackException.from_exception(error)
    parts = ["".join(printed.format()), str(error), repr(error)]
    chain: list[BaseException | None] = [error]
    while (one := chain.pop()) is not None:
        parts += [str(one), repr(one), repr(one.args)]
        chain.append(one.__cause__ or one.__context__)
    return "\n".join(parts)


FAILURES: dict[str, tuple[dict[str, Any], type[HubSpotError]]] = {
    "rejected rows": ({}, SyncFailedError),
    "401": ({"kind": "reply", "status": 401, "body": {"message": f"{BAD_VALUE} {TOKEN}"}}, AuthenticationError),
    "403": ({"kind": "missing_scopes"}, MissingScopesError),
    "cut": ({"kind": "cut_after_write"}, UnavailableError),
    "500": ({"kind": "status", "status": 500, "message": f"can't set {BAD_VALUE}"}, UnavailableError),
    "429": ({"kind": "reply", "status": 429, "body": {"message": f"slow, {BAD_VALUE}"}}, UnavailableError),
    "daily": (
        {"kind": "reply", "status": 429, "body": {"message": f"DAILY {BAD_VALUE} {TOKEN}", "policyName": "DAILY"}},
        UnavailableError,
    ),
    "redirect": (
        {"kind": "reply", "status": 302, "headers": {"Location": f"http://x/{BAD_VALUE}"}, "body": BAD_VALUE},
        HubSpotError,
    ),
    "525": ({"kind": "status", "status": 525, "message": f"{BAD_VALUE}"}, UnavailableError),
}


@pytest.mark.parametrize("oauth", [False, True], ids=["token", "oauth"])
@pytest.mark.parametrize("failure", FAILURES)
def test_secrecy_of_exceptions_and_unmasked_logs(
    failure: str,
    oauth: bool,
    monkeypatch: pytest.MonkeyPatch,
    everything: Everything,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Whatever a sync ends with: no secret and no row's value in its exception, its causes, or any line of any logger,
    before any masking.
    """
    fault, kind = FAILURES[failure]
    with HubSpotSandbox(records={"contacts": 3}, tokens={TOKEN: None}, oauth=OAUTH) as hubspot:
        if fault:
            hubspot.faults.add(**fault, path="batch/update", count=None)
        connection = hubspot.oauth_connection() if oauth else hubspot.connection()
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", connection)
        ids = list(hubspot.objects("contacts"))
        rows = [{"id": one, "firstname": VALUE, "plan": BAD_VALUE if one == ids[0] else "pro"} for one in ids]
        client = impatient_client(0.2)
        with pytest.raises(kind) as caught:
            Sync(client, "contacts", rows, UpdateOptions(preflight=False)).finish().raise_for_rejected()
    minted = client.redactor.secrets
    secrets = [*SECRETS, *minted]
    texts = texts_of(caught.value)
    assert found(texts, [*secrets, *VALUES]) == []
    logged = "\n".join(everything.lines) + "".join(capfd.readouterr())
    assert "urllib3" in logged
    assert found(logged, [*secrets, *VALUES]) == []


def test_secrecy_of_a_single_request(monkeypatch: pytest.MonkeyPatch, everything: Everything) -> None:
    """``request`` with a body: the text says which property and why; HubSpot's words, which quote the value, are an
    attribute.
    """
    with HubSpotSandbox(records={"contacts": 1}, tokens={TOKEN: None}) as hubspot:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", hubspot.connection())
        (record_id,) = hubspot.objects("contacts")
        hook = HubSpotHook()
        with pytest.raises(RequestRefusedError) as caught:
            hook.request("PATCH", f"/crm/objects/2026-03/contacts/{record_id}", {"properties": {"plan": BAD_VALUE}})
        assert "INVALID_OPTION of 'plan'" in str(caught.value)
        assert BAD_VALUE in str(caught.value.hubspot_message)
        assert found(texts_of(caught.value), [*SECRETS, *VALUES]) == []
        # HttpHook's own way logs the body of an error; ours doesn't
        hook.method = "PATCH"
        with pytest.raises(RequestRefusedError) as caught:
            hook.run(f"crm/objects/2026-03/contacts/{record_id}", json.dumps({"properties": {"plan": BAD_VALUE}}))
        assert found(texts_of(caught.value), [*SECRETS, *VALUES]) == []
    assert found("\n".join(everything.lines), [*SECRETS, *VALUES]) == []


@pytest.mark.parametrize("oauth", [False, True], ids=["token", "oauth"])
def test_secrecy_of_local_variables(oauth: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tracker that records the local variables of a traceback gets no secret from ours."""
    with HubSpotSandbox(tokens={f"{TOKEN}-right": None}, oauth=OAUTH) as hubspot:
        wrong = hubspot.oauth_connection(refresh_token=f"{OAUTH.refresh_token}-wrong")
        if not oauth:
            wrong = json.dumps({**json.loads(hubspot.connection()), "password": f"{TOKEN}-wrong"})
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", wrong)
        with pytest.raises(AuthenticationError) as caught:
            HubSpotHook().account()
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
    ours = [frame for frame in frames if "airflow_provider_hubbatch" in frame.filename]
    assert ours
    for frame in ours:
        assert found(json.dumps(frame.locals), SECRETS) == [], frame.name


def test_secrecy_of_a_redirect(monkeypatch: pytest.MonkeyPatch) -> None:
    """No redirect is followed, so that no other host gets the token: neither by us, nor by HttpHook's own ways."""
    with HubSpotSandbox(tokens={TOKEN: None}) as hubspot, HubSpotSandbox() as elsewhere:
        hubspot.faults.add("redirect", location=f"{elsewhere.url}/account-info/2026-03/details", count=None)
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", hubspot.connection(allow_redirects=True))
        hook = HubSpotHook()
        with pytest.raises(HubSpotError):
            hook.account()
        hook.method = "GET"
        with pytest.raises(RequestRefusedError):
            hook.run("account-info/2026-03/details")
        assert elsewhere.requests == []


def test_secrecy_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A netrc of the worker's doesn't take the token's place, whatever it holds for HubSpot's host."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password pr0xy-p4ssw0rd\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with HubSpotSandbox(tokens={TOKEN: None}) as hubspot:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", hubspot.connection())
        assert HubSpotHook().account()
        assert {request.headers["authorization"] for request in hubspot.requests} == {f"Bearer {TOKEN}"}
    assert os.environ["NETRC"] == str(netrc)
