"""Replies that could mislead: whatever HubSpot leaves out, shuffles or quotes, rows end on their own evidence.

Through the hook, against servers on loopback: the sandbox, and one that tells the truth untidily.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_hubbatch.core.learned import REFUSALS_THAT_TELL
from airflow_provider_hubbatch.exceptions import SystematicRefusalError
from airflow_provider_hubbatch.hooks import HubSpotHook
from airflow_provider_hubbatch.sandbox import HubSpotSandbox
from tests.replies.scripted_hubspot import Answer, ScriptedHubSpot
from tests.replies.truthful_hubspot import DEFINITIONS, TruthfulHubSpot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_hubbatch.core.sync_report import SyncReport

pytestmark = pytest.mark.slow

CASES = int(os.environ.get("HUBBATCH_TRUTHFUL_CASES", "60"))


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedHubSpot]:
    """A server whose answer each test sets, and the default connection to it."""
    with ScriptedHubSpot({}, definitions=DEFINITIONS) as running:
        os.environ["AIRFLOW_CONN_HUBSPOT_DEFAULT"] = running.connection()
        yield running
        del os.environ["AIRFLOW_CONN_HUBSPOT_DEFAULT"]


def synced(server: ScriptedHubSpot, hubspot: TruthfulHubSpot, rows: list[dict[str, Any]], **options: Any) -> SyncReport:
    """A sync of contacts with this HubSpot."""
    server.script = hubspot.answer
    server.paths.clear()
    server.updates.clear()
    return HubSpotHook().batch_update("contacts", rows, **options)


def rows_of(report: SyncReport, status: str) -> set[int]:
    """The rows with this outcome."""
    return {outcome.row for outcome in report.outcomes or [] if outcome.status == status}


# --- a truthful HubSpot ---------------------------------------------------------------------------------------------

_rows = st.lists(
    st.fixed_dictionaries(
        {"exists": st.sampled_from([True, True, True, True, False])},
        optional={
            "plan": st.sampled_from(["free", "pro", "closed", "bad 1", "bad 2"]),
            "stage": st.sampled_from(["new", "won", "solved"]),
            "pipeline": st.sampled_from(["sales", "support"]),
            "employees": st.sampled_from(["5", "17", "x1"]),
            "reason": st.sampled_from(["", "moved"]),
            "tax_number": st.sampled_from(["own", "other", "outside"]),
        },
    ),
    min_size=1,
    max_size=40,
)
_manners = st.fixed_dictionaries(
    {
        "says": st.frozensets(st.sampled_from(["ids", "trace ids", "list", "details", "first", "quotes"])),
        "isolates": st.booleans(),
        "names_other": st.booleans(),
        "tells": st.sampled_from([1.0, 1.0, 0.8, 0.0]),
        "echoes": st.frozensets(st.sampled_from(["trace", "key"])),
        "not_found": st.sampled_from(["errors", "404", "coordinates"]),
        "seed": st.integers(0, 2**16),
    }
)


_options = st.fixed_dictionaries({"preflight": st.booleans(), "missing_ok": st.booleans()})


def _held(row: int, drawn: dict[str, Any]) -> dict[str, str]:
    pipeline = ["sales", "support"][(row * 7 + len(drawn)) % 2]
    emails = {"email": f"c{row}@example.com", "hs_additional_emails": f"second{row}@example.com;third{row}@example.com"}
    return {"ext": f"E:{row}", "tax_number": f"T-{row}", "pipeline": pipeline, "stage": "new", **emails}


def _sent(row: int, drawn: dict[str, Any], stages: Counter[str]) -> dict[str, Any]:
    sent = {name: value for name, value in drawn.items() if name != "exists"}
    stages[sent.get("stage", "")] += 1
    if stages[sent.get("stage", "")] >= REFUSALS_THAT_TELL:
        sent.pop("stage", None)  # from there on, what was never taken is held against its batch
    if "tax_number" in sent:
        sent["tax_number"] = {"own": f"T-{row}", "other": f"T-{row + 1}", "outside": "T-outside"}[sent["tax_number"]]
    return {"city": f"town {row}", **sent}


def _key(row: int, by: str | None) -> str:
    if by == "email":
        return [f"c{row}@example.com", f"Second{row}@Example.com", f"third{row}@example.com"][row % 3]
    return f"E:{row}" if by == "ext" else str(1_000 + row)


@settings(max_examples=CASES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_rows, _manners, st.sampled_from([None, "ext", "email"]), _options)
def test_each_row_ends_as_hubspot_did_with_it(
    server: ScriptedHubSpot,
    drawn: list[dict[str, Any]],
    manner: dict[str, Any],
    by: str | None,
    options: dict[str, bool],
) -> None:
    """Whatever a truthful HubSpot omits, shuffles or quotes: what it wrote is updated, what it refused for itself is
    rejected, what it doesn't have is missing, and nothing else; by record id, unique property and email.
    """
    stages: Counter[str] = Counter()
    sent = [_sent(row, one, stages) for row, one in enumerate(drawn)]
    held = {str(1_000 + row): _held(row, one) for row, one in enumerate(drawn) if one["exists"]}
    held["77"] = {"tax_number": "T-outside", "ext": "outside", "pipeline": "sales", "email": "outside@example.com"}
    hubspot = TruthfulHubSpot(held, **manner)
    absent = {row for row, one in enumerate(drawn) if not one["exists"]}
    bad = {
        row
        for row, one in enumerate(sent)
        if row not in absent and hubspot.problems(held[str(1_000 + row)], one, str(1_000 + row))
    }
    if options["preflight"]:  # what no record can have is rejected before it is sent
        unsent = {
            row for row, one in enumerate(sent) if "bad" in one.get("plan", "") or "x" in one.get("employees", "")
        }
        bad, absent = bad | unsent, absent - unsent
    rows = [{"id": _key(row, by), **one} for row, one in enumerate(sent)]
    try:
        report = synced(server, hubspot, rows, id_property=by, **options)
    except SystematicRefusalError as error:
        report = error.report
        assert rows_of(report, "updated") <= hubspot.written
        assert rows_of(report, "rejected") <= bad | absent
        return
    assert rows_of(report, "updated") == set(range(len(rows))) - bad - absent
    assert rows_of(report, "rejected") == bad | (set() if options["missing_ok"] else absent)
    assert rows_of(report, "missing") == (absent if options["missing_ok"] else set())
    assert rows_of(report, "updated") == hubspot.written


# --- refusals in a row ----------------------------------------------------------------------------------------------


@pytest.fixture
def contacts(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubSpotSandbox]:
    """A sandbox with 4,000 contacts, numbered C-1 and on, whose connection is the default one."""
    held = [
        {"id": str(number), "customer_number": f"C-{number}", "email": f"c{number}@example.com"}
        for number in range(1, 4_001)
    ]
    taken = {"id": "99999", "email": "taken@example.com"}
    with HubSpotSandbox(records={"contacts": [*held, taken]}, requests_per_10_seconds=10_000) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", sandbox.connection())
        yield sandbox


@pytest.mark.parametrize("id_property", [None, "customer_number"])
def test_rows_that_are_accepted_end_a_streak_of_refusals(contacts: HubSpotSandbox, id_property: str | None) -> None:
    """20 rows with an email that another record has, among 4,000: they are rejected, all others written; also where
    the results name neither key nor row.
    """
    rows = [
        {
            "id": f"C-{number}" if id_property else number,
            "email": "taken@example.com" if number % 200 == 7 else f"new{number}@example.com",
        }
        for number in range(1, 4_001)
    ]
    report = HubSpotHook().batch_update("contacts", rows, id_property=id_property)
    assert report.summary()["rejected"] == 20
    assert report.summary()["updated"] == 3_980


def test_missing_records_with_missing_ok_are_no_reason_to_stop(server: ScriptedHubSpot) -> None:
    """6,000 keys that HubSpot doesn't have, refused a batch at a time: a green sync with 6,000 missing rows."""
    hubspot = TruthfulHubSpot({}, not_found="coordinates")
    rows = [{"id": f"K:{row}", "city": "x"} for row in range(6_000)]
    report = synced(server, hubspot, rows, id_property="ext", missing_ok=True, preflight=False)
    assert report.summary()["missing"] == 6_000
    assert len(server.updates) == 60


# --- one row's refusal, and the others ------------------------------------------------------------------------------


def deals(rows: int, bad: set[int]) -> TruthfulHubSpot:
    """Records in the pipeline ``sales``, those of the bad rows in ``support``."""
    pipelines = {row: "support" if row in bad else "sales" for row in range(rows)}
    return TruthfulHubSpot({str(1_000 + row): {"pipeline": pipeline} for row, pipeline in pipelines.items()})


@pytest.mark.parametrize(
    ("bad", "most"),
    [({0}, 45), ({1_500}, 45), ({2_999}, 45), ({0, 1, 250, 251, 252, 2_000}, 90), (set(range(100)), 280)],
)
def test_a_stage_refused_in_one_pipeline_is_right_in_another(server: ScriptedHubSpot, bad: set[int], most: int) -> None:
    """3,000 rows with one stage, a few of them of records in another pipeline: only these are rejected, in few
    requests, though HubSpot's refusal quotes the value that all of them have.
    """
    hubspot = deals(3_000, bad)
    report = synced(server, hubspot, [{"id": 1_000 + row, "stage": "won"} for row in range(3_000)])
    assert {outcome.row for outcome in report.rejected} == bad
    assert report.summary()["updated"] == 3_000 - len(bad)
    assert len(server.updates) <= most


def test_a_row_that_changes_the_pipeline_is_blamed_for_the_stage_that_its_record_has(server: ScriptedHubSpot) -> None:
    """A stage that is refused because one row changes the pipeline: the one other row that carries this stage is
    written.
    """
    hubspot = deals(100, set())
    for held in hubspot.records.values():
        held["stage"] = "won"
    rows: list[dict[str, Any]] = [{"id": 1_000 + row, "city": "x"} for row in range(100)]
    rows[30]["stage"], rows[70]["pipeline"] = "won", "support"
    report = synced(server, hubspot, rows)
    assert {outcome.row for outcome in report.rejected} == {70}
    assert report.summary()["updated"] == 99


@pytest.mark.parametrize("says", [{"list", "quotes"}, {"details"}, {"list", "details"}])
def test_a_missing_required_property_is_missed_by_the_row_that_lacks_it(
    server: ScriptedHubSpot, says: set[str]
) -> None:
    """A refusal that names a property which one row must have: the only row that carries it is not to blame."""
    hubspot = TruthfulHubSpot({str(1_000 + row): {"pipeline": "sales"} for row in range(100)}, frozenset(says))
    rows: list[dict[str, Any]] = [{"id": 1_000 + row, "plan": "pro"} for row in range(100)]
    rows[20] |= {"plan": "closed", "reason": "moved"}
    rows[60]["plan"] = "closed"
    report = synced(server, hubspot, rows)
    assert {outcome.row for outcome in report.rejected} == {60}
    assert report.summary()["updated"] == 99


def test_the_only_row_with_a_property_is_not_blamed_for_its_name(server: ScriptedHubSpot) -> None:
    """An error that names a property, and is about another row all the same: the row that carries it is asked alone."""
    refused = {"status": "error", "category": "VALIDATION_ERROR", "message": "account rule on 'reason'"}
    details = [{"code": "RULE_VIOLATED", "message": "see 'reason'", "context": {"propertyName": ["reason"]}}]

    def answer(_: str, body: dict[str, Any]) -> Answer:
        if any(one["properties"].get("plan") == "closed" for one in body["inputs"]):
            return Answer(400, refused | {"errors": details})
        return Answer(200, {"status": "COMPLETE", "results": [{"id": one["id"]} for one in body["inputs"]]})

    server.script = answer
    rows: list[dict[str, Any]] = [{"id": 1_000 + row, "plan": "pro"} for row in range(100)]
    rows[20]["reason"], rows[60]["plan"] = "moved", "closed"
    report = HubSpotHook().batch_update("contacts", rows, preflight=False)
    assert {outcome.row for outcome in report.rejected} == {60}
    assert report.summary()["updated"] == 99


def test_a_value_that_no_row_can_have_is_sent_once_or_twice(server: ScriptedHubSpot) -> None:
    """A bad option in every third of 3,000 rows, unchecked before: HubSpot's definitions, read then, tell that it is
    none of its options, and the other rows with it are rejected unsent.
    """
    hubspot = TruthfulHubSpot({str(1_000 + row): {"pipeline": "sales"} for row in range(3_000)})
    rows = [{"id": 1_000 + row, "plan": "pro" if row % 3 else "gone"} for row in range(3_000)]
    report = synced(server, hubspot, rows, preflight=False, max_in_flight=1)
    assert {outcome.row for outcome in report.rejected} == set(range(0, 3_000, 3))
    assert [path for path in server.paths if "/batch/" not in path] == ["/crm/properties/2026-03/contacts"]
    assert len(server.updates) <= 40


@pytest.mark.parametrize("isolates", [True, False])
@pytest.mark.parametrize("id_property", [None, "ext"])
def test_a_conflict_with_a_record_that_another_row_updates(
    server: ScriptedHubSpot, id_property: str | None, isolates: bool
) -> None:
    """A conflict names the record that has the value, which another row of the batch updates: only the row that wants
    the value is rejected.
    """
    held = {
        str(1_000 + row): {"tax_number": f"T-{row}", "ext": str(1_001 + row), "pipeline": "sales"} for row in range(99)
    }
    hubspot = TruthfulHubSpot(held, isolates=isolates, names_other=True)
    rows: list[dict[str, Any]] = [{"id": (1_001 if id_property else 1_000) + row, "city": "x"} for row in range(99)]
    rows[7]["tax_number"] = "T-50"
    report = synced(server, hubspot, rows, id_property=id_property)
    assert {outcome.row for outcome in report.rejected} == {7}
    assert report.summary()["updated"] == 98
