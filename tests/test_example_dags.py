"""The example DAGs do in a real Airflow what they are there to show."""

from __future__ import annotations

import ast
import json
import sqlite3
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from demo.check import wrong_records
from demo.run_demo import CHANGED, CHANGED_PROPERTIES, NIGHTLY, NIGHTLY_PROPERTIES
from demo.setting import EXAMPLE_DAGS, Setting, seeded_setting
from demo.warehouse import LEAVING, STRANGER, deletion_requests

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.airflow_dags import RunDag

pytestmark = pytest.mark.airflow

DAG_FILES = sorted(EXAMPLE_DAGS.glob("*.py"))


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setting]:
    """The demo's warehouse and its HubSpot, with the connections that the example DAGs name."""
    with seeded_setting(tmp_path) as seeded:
        for name, value in seeded.connections.items():
            monkeypatch.setenv(name, value)
        yield seeded


def test_changed_customers_reach_hubspot_and_come_back(run_dag: RunDag, setting: Setting) -> None:
    """HubSpot has every accepted row, none of a rejected one, and the warehouse has HubSpot's ids and times."""
    before = setting.sandbox.objects("contacts")
    result = run_dag(EXAMPLE_DAGS / f"{CHANGED}.py")
    after = setting.sandbox.objects("contacts")

    assert result.state == "success"
    rows = result.xcom("changed_customers")
    outcomes = result.xcom("update_contacts", "results")
    rejected = result.xcom("update_contacts", "rejected")
    assert [outcome["row"] for outcome in outcomes] == list(range(len(rows)))
    assert {outcome["category"] for outcome in rejected} == {
        "INVALID_DATE",
        "INVALID_EMAIL",
        "INVALID_OPTION",
        "OBJECT_NOT_FOUND",
    }
    wrong = wrong_records(
        rows,
        id_column="customer_number",
        id_property="customer_number",
        properties=CHANGED_PROPERTIES,
        rejected_ids={outcome["id"] for outcome in rejected},
        before=before,
        after=after,
    )
    assert wrong == []
    assert sum(result.xcom("report_rejected").values()) == len(rejected)

    done = {outcome["id"]: outcome for outcome in outcomes if outcome["status"] == "updated"}
    table = {row["customer_number"]: row for row in setting.rows()}
    assert {number: table[number]["hubspot_id"] for number in done} == {
        number: float(outcome["record_id"]) for number, outcome in done.items()
    }
    assert all(table[number]["hubspot_updated_at"] == after[o["record_id"]]["updatedAt"] for number, o in done.items())
    assert all(table[outcome["id"]]["hubspot_updated_at"] is None for outcome in rejected)


def test_a_second_run_sends_only_what_is_left(run_dag: RunDag, setting: Setting) -> None:
    """What was written back isn't sent again; the rejected rows are, until somebody fixes them."""
    first = run_dag(EXAMPLE_DAGS / f"{CHANGED}.py")
    second = run_dag(EXAMPLE_DAGS / f"{CHANGED}.py")
    rejected = {outcome["id"] for outcome in first.xcom("update_contacts", "rejected")}
    assert {row["customer_number"] for row in second.xcom("changed_customers")} == rejected
    # Now every row fails, which is more than one in twenty: the run says so, and its reports are there all the same
    assert second.state == "failed"
    assert second.task_state("update_contacts") == "failed"
    assert second.task_state("report_rejected") == "success"
    assert second.xcom("write_back") == 0


def test_a_frame_with_float_ids_reaches_hubspot(run_dag: RunDag, setting: Setting) -> None:
    """Every row of a DataFrame is in the record that its float id names; those without an id are told."""
    rows, before = setting.rows(), setting.sandbox.objects("contacts")
    result = run_dag(EXAMPLE_DAGS / f"{NIGHTLY}.py")
    assert result.state == "success"
    rejected = result.xcom("update_contacts", "rejected")
    wrong = wrong_records(
        rows,
        id_column="hubspot_id",
        id_property="hs_object_id",
        properties=NIGHTLY_PROPERTIES,
        rejected_ids={outcome["id"] for outcome in rejected},
        before=before,
        after=setting.sandbox.objects("contacts"),
    )
    assert wrong == []
    summary = result.xcom("update_contacts")
    assert summary["rows"] == len(rows) == summary["updated"] + summary["rejected"]
    assert summary["rejected_by_category"]["MISSING_ID"] == sum(row["hubspot_id"] is None for row in rows)
    assert f"{summary['updated']:,} of {len(rows):,}" in result.xcom("tell")


EMPLOYMENTS = """
CREATE TABLE employments (email TEXT, account_number TEXT, role TEXT, ended_at TEXT);
"""


def test_who_works_where_is_linked(run_dag: RunDag, setting: Setting) -> None:
    """Each contact has its companies, with its role; links that ended are gone; a wrong address is told."""
    sandbox = setting.sandbox
    sandbox.add_records("companies", [{"id": str(one), "erp_id": f"E-{one}"} for one in range(1, 6)])
    sandbox.add_label("contacts", "companies", "Buyer")
    emails = {one: record["properties"]["email"] for one, record in list(sandbox.objects("contacts").items())[:40]}
    sandbox.associate("contacts", "3", "companies", "5", "Buyer")
    rows: list[tuple[Any, ...]] = [
        (email, f"E-{int(one) % 5 + 1}", "Buyer" if int(one) % 2 else None, None) for one, email in emails.items()
    ]
    rows += [("nobody@example.com", "E-1", None, None), (emails["3"], "E-5", None, "2026-10-01")]
    with closing(sqlite3.connect(setting.warehouse)) as database, database:
        database.executescript(EMPLOYMENTS)
        database.executemany("INSERT INTO employments VALUES (?, ?, ?, ?)", rows)
    result = run_dag(EXAMPLE_DAGS / "example_link_companies.py")
    assert result.state == "success"
    assert result.xcom("link")["rejected_by_category"] == {"OBJECT_NOT_FOUND": 1}
    assert result.xcom("unlink")["archived"] == 1
    links = {
        (contact, company): {kind["label"] for kind in kinds}
        for contact, companies in sandbox.associations("contacts", "companies").items()
        for company, kinds in companies.items()
    }
    assert links == {(one, str(int(one) % 5 + 1)): {None, "Buyer"} if int(one) % 2 else {None} for one in emails}


ACCOUNTS_AND_PEOPLE = """
CREATE TABLE accounts (account_number TEXT, name TEXT, city TEXT);
CREATE TABLE people (email TEXT, first_name TEXT, last_name TEXT, account_number TEXT);
"""


def test_companies_contacts_and_their_links_come_in_one_dag(run_dag: RunDag, setting: Setting) -> None:
    """New ones of both are made, known ones updated, all linked; a wrong row of one is told, and costs no other."""
    sandbox = setting.sandbox
    sandbox.add_records("companies", [{"id": str(one), "erp_id": f"E-{one}"} for one in range(1, 4)])
    known = [record["properties"]["email"] for record in list(sandbox.objects("contacts").values())[:10]]
    addresses = [*known, *(f"new.{number}@example.com" for number in range(10))]
    people = [(one, f"First {number}", "Last", f"E-{number % 6 + 1}") for number, one in enumerate(addresses)]
    people.append(("not an address", "Who", "Knows", "E-1"))
    with closing(sqlite3.connect(setting.warehouse)) as database, database:
        database.executescript(ACCOUNTS_AND_PEOPLE)
        accounts = [(f"E-{one}", f"Company {one}", "Gent") for one in range(1, 7)]
        database.executemany("INSERT INTO accounts VALUES (?, ?, ?)", accounts)
        database.executemany("INSERT INTO people VALUES (?, ?, ?, ?)", people)
    result = run_dag(EXAMPLE_DAGS / "example_companies_and_contacts.py")
    assert result.state == "success"
    summaries = {name: result.xcom(name) for name in ("companies", "contacts", "links")}
    assert (summaries["companies"]["created"], summaries["companies"]["updated"]) == (3, 3)
    assert (summaries["contacts"]["created"], summaries["contacts"]["updated"]) == (10, 10)
    assert [summary["rejected"] for summary in summaries.values()] == [0, 1, 1]
    emails = {one: record["properties"]["email"] for one, record in sandbox.objects("contacts").items()}
    numbers = {one: record["properties"]["erp_id"] for one, record in sandbox.objects("companies").items()}
    linked = {
        (emails[contact], numbers[company])
        for contact, companies in sandbox.associations("contacts", "companies").items()
        for company in companies
    }
    assert linked == {(email, number) for email, _, _, number in people[:-1]}
    told = result.xcom("report")
    assert "Contacts to companies: 21 rows: 1 rejected, 20 created" in told
    assert "48 rows in 3 syncs" in told


def test_new_customers_are_created_known_ones_updated(run_dag: RunDag, setting: Setting) -> None:
    """Whoever was missing is in HubSpot once, nobody twice, and the warehouse has everybody's record id."""
    before = setting.sandbox.objects("contacts")
    result = run_dag(EXAMPLE_DAGS / "example_upsert_customers.py")
    after = setting.sandbox.objects("contacts")
    assert result.state == "success"

    rows, summary = result.xcom("new_or_changed"), result.xcom("upsert_contacts")
    absent = {row["email"] for row in rows} - {one["properties"]["email"] for one in before.values()}
    broken = {outcome["id"] for outcome in result.xcom("upsert_contacts", "rejected")}
    assert summary["created"] == len(after) - len(before) == len(absent - broken) > 0
    assert summary["created"] + summary["updated"] + summary["unchanged"] + len(broken) == len(rows)
    by_email = {one["properties"]["email"]: one for one in after.values()}
    assert len(by_email) == len(after)
    last = {row["email"]: row for row in rows if row["email"] not in broken}
    for email, row in last.items():
        held = by_email[email]["properties"]
        assert (held["customer_number"], held["firstname"]) == (row["customer_number"], row["first_name"])
        assert row["city"] in (held.get("city"), None)
    noted = {row["customer_number"]: row for row in setting.rows()}
    assert all(
        noted[row["customer_number"]]["hubspot_id"] == float(by_email[email]["id"]) for email, row in last.items()
    )
    again = run_dag(EXAMPLE_DAGS / "example_upsert_customers.py")
    assert {row["email"] for row in again.xcom("new_or_changed")} == broken
    assert len(setting.sandbox.objects("contacts")) == len(after)


def tasks_in(setting: Setting) -> list[str]:
    return sorted(one["properties"]["hs_task_subject"] for one in setting.sandbox.objects("tasks").values())


def listed(setting: Setting, columns: str) -> list[Any]:
    with closing(sqlite3.connect(setting.warehouse)) as database:
        return database.execute(f"SELECT {columns} FROM renewal_tasks").fetchall()


def test_each_renewal_gets_one_task(run_dag: RunDag, setting: Setting) -> None:
    """Two runs make the tasks of eighty customers, none twice, and the list has each with its record."""
    for run in (1, 2):
        result = run_dag(EXAMPLE_DAGS / "example_create_tasks.py")
        assert result.state == "success"
        assert result.xcom("create_tasks")["created"] == 40
        assert len(tasks_in(setting)) == 40 * run
    made = listed(setting, "customer_number, renewal_date, record_id")
    assert len(set(made)) == len({customer for customer, _, _ in made}) == 80
    held = setting.sandbox.objects("tasks")
    assert all(held[record]["properties"]["hs_timestamp"].startswith(due) for _, due, record in made)


def test_a_task_that_may_be_there_is_not_made_again(run_dag: RunDag, setting: Setting) -> None:
    """A cut leaves the tasks unknown: the run fails, the list has them, and the next run makes other ones only."""
    setting.sandbox.faults.add("cut_after_write", path="/tasks/batch/create")
    assert run_dag(EXAMPLE_DAGS / "example_create_tasks.py").state == "failed"
    assert listed(setting, "status") == [("unknown",)] * 40
    assert run_dag(EXAMPLE_DAGS / "example_create_tasks.py").state == "success"
    assert len(tasks_in(setting)) == 80
    assert len(set(listed(setting, "customer_number"))) == 80


def test_customers_who_asked_for_it_are_archived(run_dag: RunDag, setting: Setting) -> None:
    """They are in the recycle bin, nobody else is, and their requests are closed; so is that of a stranger."""
    there, before = setting.sandbox.objects("contacts"), setting.sandbox.objects("contacts", archived=True)
    result = run_dag(EXAMPLE_DAGS / "example_archive_customers.py")
    assert result.state == "success"
    summary = result.xcom("archive_contacts")
    assert (summary["archived"], summary["missing"], summary["rows"]) == (LEAVING, 1, LEAVING + 1)
    gone = setting.sandbox.objects("contacts", archived=True).keys() - before.keys()
    assert {there[one]["properties"]["email"] for one in gone} == deletion_requests().keys() - {STRANGER}
    with closing(sqlite3.connect(setting.warehouse)) as database:
        assert database.execute("SELECT count(*) FROM deletion_requests WHERE done_at IS NULL").fetchone() == (0,)
    assert run_dag(EXAMPLE_DAGS / "example_archive_customers.py").xcom("archive_contacts")["rows"] == 0


def test_another_customers_address_archives_nobody(run_dag: RunDag, setting: Setting) -> None:
    """A request that has somebody else's address leaves that contact where it is, and stays open."""
    (email, *_), before = deletion_requests(), setting.sandbox.objects("contacts")
    with closing(sqlite3.connect(setting.warehouse)) as database, database:
        database.execute("UPDATE deletion_requests SET customer_number = 'C-000000' WHERE email = ?", [email])
    result = run_dag(EXAMPLE_DAGS / "example_archive_customers.py")
    assert result.state == "failed"
    assert result.xcom("archive_contacts")["rejected_by_category"] == {"RECORD_MISMATCH": 1}
    assert len(setting.sandbox.objects("contacts")) == len(before) - LEAVING + 1
    with closing(sqlite3.connect(setting.warehouse)) as database:
        assert database.execute("SELECT email FROM deletion_requests WHERE done_at IS NULL").fetchall() == [(email,)]


@pytest.mark.parametrize("path", DAG_FILES, ids=lambda path: path.stem)
def test_an_example_names_its_dag_after_its_file(path: Path) -> None:
    """Whoever sees the DAG in Airflow finds its file, and the file starts with what it shows."""
    module = ast.parse(path.read_text())
    assert ast.get_docstring(module)
    assert path.stem in {node.name for node in module.body if isinstance(node, ast.FunctionDef)}


class Channel(BaseHTTPRequestHandler):
    """A chat's webhook, which keeps what is posted."""

    posted: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        self.posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def channel(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """A channel on loopback, to which the connection ``chat`` leads; what was posted there."""
    Channel.posted = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Channel) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        host = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("AIRFLOW_CONN_CHAT", json.dumps({"conn_type": "http", "host": host}))
        yield Channel.posted
        server.shutdown()


@pytest.mark.parametrize("max_rejected", ["0.05", "0"])
def test_people_are_told_in_success_and_failure(
    run_dag: RunDag, setting: Setting, channel: list[dict[str, Any]], max_rejected: str, tmp_path: Path
) -> None:
    """A sync posts one message with its counts and reasons, whether it fails or not, and no row's value."""
    example = (EXAMPLE_DAGS / "example_tell_people.py").read_text()
    result = run_dag(example.replace("max_rejected=0.05", f"max_rejected={max_rejected}"))
    assert result.state == ("failed" if max_rejected == "0" else "success")
    summary = result.xcom("update_contacts")
    (message,) = channel
    lines = message["text"].splitlines()
    assert lines[0].startswith(f":warning: *contacts*: {summary['rows']:,} rows: {summary['rejected']} rejected, ")
    assert "`INVALID_OPTION` of plan (rows " in message["text"]
    renamed = {row["plan"] for row in setting.rows()} - {"free", "starter", "pro", "enterprise", None}
    assert renamed
    assert not any(plan in message["text"] for plan in renamed)
