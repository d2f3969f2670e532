"""Records linked from the start, against a local HubSpot: every link right, nothing made without its record."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch.exceptions import SettingsError
from airflow_provider_hubbatch.hooks import HubSpotHook
from airflow_provider_hubbatch.sandbox import HubSpotSandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

Rows = list[dict[str, Any]]
BY_EMAIL = {"column": "email", "id_property": "email"}
BY_OWN_KEY = {"column": "account", "id_property": "erp_id"}


@pytest.fixture
def hubspot(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubSpotSandbox]:
    """A HubSpot with contacts and companies; a test's parameter says how it behaves."""
    records, behaviours = {"contacts": 200, "companies": 60}, getattr(request, "param", {})
    with HubSpotSandbox(records=records, requests_per_10_seconds=10_000, behaviours=behaviours) as running:
        running.add_label("tasks", "companies", "Billing")
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", running.connection())
        yield running


def create(rows: Rows, links: Any, **options: Any) -> Any:
    return HubSpotHook().batch_create(
        "tasks", rows, links=links, properties={"subject": "hs_task_subject"}, id_column="subject", **options
    )


def linked(sandbox: HubSpotSandbox, other: str) -> dict[str, dict[str, set[str]]]:
    """Subject of a task -> linked record -> labels of the link, of which the unlabeled one is none."""
    subjects = {one: task["properties"]["hs_task_subject"] for one, task in sandbox.objects("tasks").items()}
    return {
        subjects[task]: {
            record: {kind["label"] for kind in kinds if kind["label"] is not None} for record, kinds in ends.items()
        }
        for task, ends in sandbox.associations("tasks", other).items()
        if ends
    }


def requests(sandbox: HubSpotSandbox) -> Counter[str]:
    """How many requests went to which endpoint since they were looked at last."""
    counted = Counter(request.path.split("/2026-03/")[1] for request in sandbox.requests)
    sandbox.forget_requests()
    return counted


def tasks(count: int) -> Rows:
    """Tasks, each for a contact of the 200 and a company of the 60."""
    return [
        {
            "subject": f"Call {number}",
            "contact": str(number % 200 + 1),
            "company": str(number % 60 + 1),
        }
        for number in range(count)
    ]


def keyed(sandbox: HubSpotSandbox, rows: Rows) -> Rows:
    """The same, by email and own key."""
    contacts, companies = sandbox.objects("contacts"), sandbox.objects("companies")
    return [
        {
            "subject": row["subject"],
            "email": contacts[row["contact"]]["properties"]["email"],
            "account": companies[row["company"]]["properties"]["erp_id"],
        }
        for row in rows
    ]


# --- what is sent -------------------------------------------------------------------------------------------------


def test_record_ids_go_with_the_create(hubspot: HubSpotSandbox) -> None:
    """Nothing is looked up; the links are read back, and all are as the rows say."""
    rows = tasks(450)
    report = create(rows, {"contacts": "contact", "companies": "company"}, preflight=False)
    assert report.summary()["created"] == 450
    assert linked(hubspot, "contacts") == {row["subject"]: {row["contact"]: set()} for row in rows}
    assert linked(hubspot, "companies") == {row["subject"]: {row["company"]: set()} for row in rows}
    asked = requests(hubspot)
    assert asked["tasks/batch/create"] == 5
    assert asked["tasks/contacts/labels"] == asked["tasks/companies/labels"] == 1
    assert 1 <= asked["tasks/contacts/batch/read"] <= 5
    assert not {"contacts/batch/read", "companies/batch/read"} & asked.keys()


def test_each_different_key_is_looked_up_once(hubspot: HubSpotSandbox) -> None:
    """1,000 rows by 200 addresses and 60 own keys: two requests and one; the label is found by its name."""
    rows = tasks(1_000)
    links = {"contacts": BY_EMAIL, "companies": {**BY_OWN_KEY, "label": "Billing"}}
    assert create(keyed(hubspot, rows), links).summary()["created"] == 1_000
    assert linked(hubspot, "contacts") == {row["subject"]: {row["contact"]: set()} for row in rows}
    assert linked(hubspot, "companies") == {row["subject"]: {row["company"]: {"Billing"}} for row in rows}
    asked = requests(hubspot)
    assert (asked["contacts/batch/read"], asked["companies/batch/read"]) == (2, 1)
    assert asked["tasks/batch/create"] == 10


def test_any_property_names_a_linked_record(hubspot: HubSpotSandbox) -> None:
    """A company's domain is searched for; what several companies have, links none."""
    hubspot.set_value("companies", "1", "domain", "one.example")
    hubspot.set_value("companies", "2", "domain", "two.example")
    hubspot.set_value("companies", "3", "domain", "two.example")
    rows: Rows = [
        {"subject": "a", "domain": "ONE.example "},
        {"subject": "b", "domain": "two.example"},
        {"subject": "c", "domain": "three.example"},
        {"subject": "d", "domain": None},
    ]
    report = create(rows, {"companies": {"column": "domain", "id_property": "domain"}})
    assert linked(hubspot, "companies") == {"a": {"1": set()}}
    told = {one.id: (one.status.value, one.category) for one in report.outcomes}
    assert told == {
        "a": ("created", None),
        "b": ("rejected", "AMBIGUOUS_ID"),
        "c": ("rejected", "OBJECT_NOT_FOUND"),
        "d": ("created", None),
    }
    assert sorted(one["properties"]["hs_task_subject"] for one in hubspot.objects("tasks").values()) == ["a", "d"]


@pytest.mark.parametrize("empty", [None, "", "  ", float("nan")])
def test_an_empty_cell_is_no_link(hubspot: HubSpotSandbox, empty: Any) -> None:
    """Also where other rows have one, by whatever names the record."""
    rows = [{"subject": "a", "contact": empty}, {"subject": "b", "contact": "7"}, {"subject": "c"}]
    assert create(rows, {"contacts": "contact"}).summary()["created"] == 3
    assert linked(hubspot, "contacts") == {"b": {"7": set()}}


def test_the_links_column_is_not_written(hubspot: HubSpotSandbox) -> None:
    """Without `properties`, every column is but those that other parameters name."""
    rows = [{"hs_task_subject": "a", "contact": "7"}]
    assert HubSpotHook().batch_create("tasks", rows, links={"contacts": "contact"}).summary()["created"] == 1
    assert linked(hubspot, "contacts") == {"a": {"7": set()}}


# --- what isn't there ---------------------------------------------------------------------------------------------


def test_a_record_that_is_not_there_rejects_its_row(hubspot: HubSpotSandbox) -> None:
    """Before anything is created; the message names the object type and the column."""
    rows = [{"subject": "a", "email": "nobody@example.com"}, *keyed(hubspot, tasks(1))]
    report = create(rows, {"contacts": BY_EMAIL})
    assert report.summary()["created"] == report.summary()["rejected"] == 1
    outcome = report.outcomes[0] if report.outcomes[0].id == "a" else report.outcomes[1]
    assert outcome.category == "OBJECT_NOT_FOUND"
    assert "the link to contacts (column 'email')" in outcome.message
    assert "Nothing was created" in outcome.message
    assert len(hubspot.objects("tasks")) == 1


def test_a_value_that_names_no_record_rejects_its_row(hubspot: HubSpotSandbox) -> None:
    """Before anything is sent."""
    report = create([{"subject": "a", "contact": "seven"}], {"contacts": "contact"})
    (outcome,) = report.outcomes
    assert (outcome.status.value, outcome.category) == ("rejected", "INVALID_ID")
    assert "the link to contacts (column 'contact')" in outcome.message
    assert not hubspot.objects("tasks")


def test_hubspot_refuses_a_record_id_that_is_not_there(hubspot: HubSpotSandbox) -> None:
    """Its row is rejected, and the others are created with their links."""
    rows = tasks(150)
    rows[70]["contact"] = "999999"
    report = create(rows, {"contacts": "contact"})
    assert (report.summary()["created"], report.summary()["rejected"]) == (149, 1)
    assert [one.id for one in report.rejected] == ["Call 70"]
    assert len(linked(hubspot, "contacts")) == 149


@pytest.mark.parametrize("hubspot", [{"inline_associations": "dropped"}], indirect=True)
def test_a_link_that_hubspot_drops_is_named(hubspot: HubSpotSandbox, caplog: pytest.LogCaptureFixture) -> None:
    """The record is created, and `not_taken` names the object type; the log says so once."""
    rows = tasks(3)
    rows[1]["contact"] = "999999"
    report = create(rows, {"companies": "company", "contacts": "contact"})
    assert {one.id: one.not_taken for one in report.outcomes} == {
        "Call 0": (),
        "Call 1": ("contacts",),
        "Call 2": (),
    }
    assert report.summary()["not_taken"] == {"contacts": 1}
    assert [one for one in caplog.messages if "(or link) than the one sent: contacts in 1 rows" in one]


@pytest.mark.parametrize("hubspot", [{"results_echo": "nothing"}], indirect=True)
def test_links_of_records_that_nobody_can_tell_apart_are_unread(
    hubspot: HubSpotSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """All are created, none has a record id, and the log says how many links were not read back."""
    report = create(tasks(5), {"contacts": "contact"})
    assert report.summary()["created"] == 5
    assert {one.record_id for one in report.outcomes} == {None}
    assert [one for one in caplog.messages if "not read back" in one and "contacts in 5 rows" in one]
    assert len(linked(hubspot, "contacts")) == 5


def test_rows_that_differ_in_their_links_only_are_not_interchangeable(hubspot: HubSpotSandbox) -> None:
    """Which of two like records is linked with whom isn't guessed; like rows with one link are told apart no less."""
    rows = [{"subject": "Call", "contact": str(number)} for number in (1, 2, 3, 3)]
    report = create(rows, {"contacts": "contact"})
    assert report.summary()["created"] == 4
    assert not report.summary()["not_taken"]
    ends = Counter(end for ends in hubspot.associations("tasks", "contacts").values() for end in ends)
    assert ends == {"1": 1, "2": 1, "3": 2}


# --- with a key ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("existing", ["reject", "skip"])
def test_what_is_there_already_is_told_and_its_links_left_alone(hubspot: HubSpotSandbox, existing: str) -> None:
    """A row whose record is there makes none, and links nothing."""
    rows = [{"key": f"N-{number}", "account": str(number % 60 + 1)} for number in range(150)]
    hubspot.add_records("contacts", [{"id": "5000", "customer_number": "N-3"}])
    report = HubSpotHook().batch_create(
        "contacts",
        [{**row, "city": "Gent"} for row in rows],
        id_column="key",
        id_property="customer_number",
        existing=existing,
        links={"companies": {"column": "account", "label": "Primary"}},
    )
    summary = report.summary()
    assert summary["created"] == 149
    assert summary["unchanged" if existing == "skip" else "rejected"] == 1
    links = hubspot.associations("contacts", "companies")
    assert not links.get("5000")
    assert sum(map(len, links.values())) == 149


def test_two_rows_of_one_key_make_one_record(hubspot: HubSpotSandbox) -> None:
    """With the links of the first."""
    rows = [{"key": "N-1", "city": "Gent", "account": one} for one in ("7", "8")]
    report = HubSpotHook().batch_create(
        "contacts", rows, id_column="key", id_property="customer_number", links={"companies": "account"}
    )
    assert (report.summary()["created"], report.summary()["rejected_by_category"]) == (1, {"CONFLICT": 1})
    assert [list(ends) for ends in hubspot.associations("contacts", "companies").values() if ends] == [["7"]]


# --- settings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("links", "what"),
    [
        ({"companies": {"column": "company", "label": "Biling"}}, r"links\['companies'\].*'Billing'.*did you mean"),
        ({"companies": {"column": "company", "id_property": "erp"}}, r"links\['companies'\].*'erp'"),
        ({"companies": "firm"}, r"links\['companies'\] names the column 'firm'"),
        ({"butterflies": "company"}, "butterflies"),
        ({"line_items": "company"}, r"links\['line_items'\]: HubSpot links no tasks with line_items"),
    ],
)
def test_a_wrong_setting_fails_before_anything_is_written(hubspot: HubSpotSandbox, links: Any, what: str) -> None:
    """The error says which one, and what there is."""
    with pytest.raises(SettingsError, match=what):
        create(tasks(2), links)
    assert not hubspot.objects("tasks")


def test_a_look_before_the_leap_finds_missing_records(hubspot: HubSpotSandbox) -> None:
    """validate_only looks linked records up, and creates nothing."""
    rows = [{"subject": "a", "email": "nobody@example.com"}, *keyed(hubspot, tasks(3))]
    report = create(rows, {"contacts": BY_EMAIL}, validate_only=True)
    assert (report.summary()["not_sent"], report.summary()["rejected"]) == (3, 1)
    assert not hubspot.objects("tasks")
