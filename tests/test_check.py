"""``python -m airflow_provider_hubbatch check``: what it says, and with which exit status it ends."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_hubbatch.check import UNREACHABLE, WELL, WRONG, main
from airflow_provider_hubbatch.sandbox import HubSpotSandbox
from airflow_provider_hubbatch.sandbox.tokens import DEFAULT_TOKEN

READS = ("crm.objects.contacts.read", "crm.schemas.contacts.read")


def checked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    status = main(["check", *arguments])
    return status, capsys.readouterr().out


def line_of(text: str, start: str) -> list[str]:
    """The words of the line that starts so."""
    (line,) = [one for one in text.splitlines() if one.startswith(f"{start} ")]
    return line.split()


def test_check_shows_the_account_its_limits_and_what_is_left(
    sandbox: HubSpotSandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without an object type: which account, its limits, what is left today and when that resets, and the scopes."""
    status, text = checked(capsys)
    assert status == WELL
    assert sandbox.url in text
    assert "123456 (standard)" in text
    assert "190 requests per 10 seconds" in text
    assert "of 250,000 requests left; resets at 20" in text
    assert line_of(text, "crm.objects.deals.write") == ["crm.objects.deals.write", "write", "deals", "granted"]
    assert "All is well." in text


def test_check_writes_nothing(sandbox: HubSpotSandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is checked, no record changes: no update that it sends has an input."""
    rows = tmp_path / "rows.csv"
    rows.write_text("id,city\n7,Porto\n")
    before = sandbox.objects("contacts")
    assert checked(capsys, "contacts", "--rows", str(rows))[0] == WELL
    assert sandbox.objects("contacts") == before
    sent = [one.body for one in sandbox.requests if one.path.endswith("/batch/update")]
    assert sent == [b'{"inputs":[]}']


def test_check_shows_an_object_types_properties(sandbox: HubSpotSandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """With an object type: each property with its type, label, options, and whether it is unique or read-only."""
    status, text = checked(capsys, "contacts")
    assert status == WELL
    assert line_of(text, "customer_number") == ["customer_number", "string", "Customer", "number", "unique"]
    assert line_of(text, "createdate")[-1] == "read-only"
    assert line_of(text, "plan")[-5:] == ["free,", "starter,", "pro,", "enterprise,", "legacy"]
    assert line_of(text, "hubspot_owner_id")[-1] == "owners"
    assert "by id_property: customer_number, email." in text


@pytest.mark.parametrize("object_type", ["contacts", "tickets", "pets", "2-1234567", "line_items"])
def test_check_knows_every_kind_of_object_type(
    sandbox: HubSpotSandbox, capsys: pytest.CaptureFixture[str], object_type: str
) -> None:
    """Standard and custom objects, by name or id."""
    status, text = checked(capsys, object_type)
    assert status == WELL
    assert f"Rows name {object_type} by record id" in text


def test_check_names_missing_scopes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A scope that the object type needs and the token lacks is named, and the exit status is 1."""
    with HubSpotSandbox(tokens={DEFAULT_TOKEN: READS}) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", sandbox.connection())
        status, text = checked(capsys, "contacts")
        assert status == WRONG
        assert line_of(text, "crm.objects.contacts.read")[-1] == "granted"
        assert line_of(text, "crm.objects.contacts.write")[-1] == "MISSING"
        assert "To write contacts, add the scope crm.objects.contacts.write to the service key" in text
        assert line_of(text, "customer_number")

        status, text = checked(capsys)
        assert status == WELL  # no object type was asked for: which scopes are needed is the user's to say
        assert line_of(text, "crm.objects.companies.write")[-1] == "MISSING"
        assert "No token needs all of these" in text


def test_check_says_when_properties_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the scope to read the properties nothing can be checked against them: exit status 1, and the scope."""
    with HubSpotSandbox(tokens={DEFAULT_TOKEN: ("crm.objects.contacts.write",)}) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", sandbox.connection())
        status, text = checked(capsys, "contacts")
        assert status == WRONG
        assert "The properties of contacts can't be read" in text
        assert "crm.schemas.contacts.read" in text


def test_check_says_what_becomes_of_rows(
    sandbox: HubSpotSandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file of rows: how many would be sent, how many rejected and why; a row's value only where it is asked for."""
    rows = tmp_path / "rows.csv"
    rows.write_text("number,town,plan,age\nC-1,Porto,gold,5\nC-2,Oslo,free,6\n")
    arguments = ["contacts", "--rows", str(rows), "--id-column", "number", "--id-property", "customer_number"]
    arguments += ["--properties", "town=city,plan"]
    status, text = checked(capsys, *arguments)
    assert status == WRONG
    assert "2 rows: 1 rejected, 1 not sent" in text
    assert "1 INVALID_OPTION of plan" in text
    assert "C-1" not in text
    assert "C-1" in checked(capsys, *arguments, "--show-values")[1]


def test_check_says_that_a_column_goes_nowhere(
    sandbox: HubSpotSandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A column that no property matches is a wrong setting: exit status 1, with the near miss."""
    rows = tmp_path / "rows.csv"
    rows.write_text("id,citty\n1,Porto\n")
    status, text = checked(capsys, "contacts", "--rows", str(rows))
    assert status == WRONG
    assert "did you mean 'city'" in text


@pytest.mark.parametrize(
    ("connection", "status", "said"),
    [
        ('{"conn_type": "hubspot", "host": "http://127.0.0.1:9", "password": "x"}', UNREACHABLE, "nothing listens"),
        ('{"conn_type": "hubspot"}', WRONG, "password"),
        (None, WRONG, "there is no connection 'hubspot_default'"),
    ],
)
def test_check_tells_what_is_wrong_from_what_may_pass(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    connection: str | None,
    status: int,
    said: str,
) -> None:
    """A wrong connection ends with 1, a HubSpot that can't be reached with 3: a script may try that again."""
    if connection is not None:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", connection)
    found, text = checked(capsys)
    assert found == status
    assert said in text


def test_check_refuses_a_wrong_token(
    sandbox: HubSpotSandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A token that HubSpot doesn't accept ends with 1."""
    monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", sandbox.connection().replace(DEFAULT_TOKEN, "pat-na1-wrong"))
    status, text = checked(capsys, "contacts")
    assert status == WRONG
    assert "doesn't accept the access token" in text
    assert "pat-na1-wrong" not in text


def test_check_knows_its_object_types(sandbox: HubSpotSandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """An object type that the account doesn't have is told before anything is said about its scopes."""
    status, text = checked(capsys, "butterflies")
    assert status == WRONG
    assert "'butterflies' is unknown" in text
    assert "granted" not in text


NEWCOMERS = "mail,town,plan\nann@example.org,Porto,free\nbob@example.org,Oslo,gold\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--verb upsert --id-column mail --id-property email", "2 rows: 1 rejected, 1 not sent"),
        ("--verb create", "2 rows: 1 rejected, 1 not sent"),
        ("--verb create --id-column mail --id-property email --existing skip", "2 rows: 1 rejected, 1 not sent"),
        ("--verb upsert --id-column mail", "a record id names what exists"),
        ("--verb upsert --id-column mail --id-property city", "'city' isn't unique"),
        ("--verb create --existing skip", "needs a key"),
    ],
)
def test_check_checks_rows_for_each_verb(
    sandbox: HubSpotSandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: str, said: str
) -> None:
    """The file is checked for what the sync is to do, with that verb's parameters; nothing is written."""
    rows = tmp_path / "rows.csv"
    rows.write_text(NEWCOMERS)
    before = sandbox.objects("contacts")
    given = ["contacts", "--rows", str(rows), "--properties", "town=city,plan", *arguments.split()]
    status, text = checked(capsys, *given)
    assert status == WRONG
    assert said in text
    assert sandbox.objects("contacts") == before
    assert not any(one.path.endswith(("/batch/create", "/batch/upsert")) for one in sandbox.requests)


def test_check_says_what_would_be_archived(
    sandbox: HubSpotSandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Records that are there would be archived; one that isn't is missing, and no reason to fail."""
    rows = tmp_path / "rows.csv"
    rows.write_text("id\n7\n8\nseven\n")
    status, text = checked(capsys, "contacts", "--rows", str(rows), "--verb", "archive")
    assert status == WRONG
    assert "3 rows: 1 rejected, 2 not sent" in text
    rows.write_text(f"mail\n{sandbox.objects('contacts')['7']['properties']['email']}\nnobody@example.org\n")
    by_email = ["--id-column", "mail", "--id-property", "email"]
    status, text = checked(capsys, "contacts", "--rows", str(rows), "--verb", "archive", *by_email)
    assert status == WELL
    assert "2 rows: 1 not sent, 1 missing" in text
    assert sandbox.objects("contacts")["7"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--rows", "x.csv"],
        ["contacts", "--null-values", "zap"],
        ["a", "b"],
        ["contacts", "--verb", "merge"],
        ["contacts", "--verb", "archive", "--properties", "town=city"],
        ["contacts", "--verb", "create", "--null-values", "clear"],
        ["contacts", "--existing", "skip"],
    ],
)
def test_check_refuses_a_wrong_command_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong command line ends with 2, as programs do."""
    with pytest.raises(SystemExit) as ended:
        main(["check", *arguments])
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.airflow
def test_check_reads_airflows_own_connections(airflow_db: Path, sandbox: HubSpotSandbox) -> None:
    """As a command of its own it finds the connections of Airflow's database, and prints no log lines."""
    added = ["airflow", "connections", "add", "hubspot_other", "--conn-json", sandbox.connection()]
    subprocess.run(added, check=True, capture_output=True)
    try:
        command = [sys.executable, "-m", "airflow_provider_hubbatch", "check", "contacts", "--conn-id", "hubspot_other"]
        told = subprocess.run(command, check=False, capture_output=True, text=True)
    finally:
        subprocess.run(["airflow", "connections", "delete", "hubspot_other"], check=True, capture_output=True)
    assert told.returncode == WELL, told.stdout + told.stderr
    assert told.stdout.startswith("Connection   hubspot_other, at http://127.0.0.1:")
    assert "INFO" not in told.stdout + told.stderr


def test_the_page_has_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    """docs/check.md lists what --help does."""
    with pytest.raises(SystemExit):
        main(["check", "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    page = (Path(__file__).parent.parent / "docs" / "check.md").read_text()
    assert {one for one in options if f"`{one}`" not in page} == set()
