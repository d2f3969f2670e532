"""Linking records, against a local HubSpot: every link right, as few requests as can be, labels kept."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch.exceptions import SettingsError
from airflow_provider_hubbatch.hooks import HubSpotHook
from airflow_provider_hubbatch.reports import outcomes_frame
from airflow_provider_hubbatch.sandbox import HubSpotSandbox
from airflow_provider_hubbatch.sources import RejectedRows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

Pair = tuple[str, str]
BY_ID = {"from_column": "contact", "to_column": "company"}
BY_KEY = {**BY_ID, "from_id_property": "email", "to_id_property": "erp_id"}


@pytest.fixture
def hubspot(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubSpotSandbox]:
    """A HubSpot with contacts and companies, and two labels of its own; a test's parameter says how it behaves."""
    records, behaviours = {"contacts": 400, "companies": 120}, getattr(request, "param", {})
    with HubSpotSandbox(records=records, requests_per_10_seconds=10_000, behaviours=behaviours) as running:
        running.add_label("contacts", "companies", "Billing")
        running.add_label("contacts", "companies", "Ships", inverse="Gets shipments")
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", running.connection())
        yield running


def labels(sandbox: HubSpotSandbox) -> dict[Pair, set[str]]:
    """The links from contacts to companies, each with its labels, of which the unlabeled one is none."""
    return {
        (contact, company): {kind["label"] for kind in kinds if kind["label"] is not None}
        for contact, companies in sandbox.associations("contacts", "companies").items()
        for company, kinds in companies.items()
    }


def requests(sandbox: HubSpotSandbox) -> Counter[str]:
    """How many batch requests went to which endpoint since they were looked at last."""
    counted = Counter(request.path.split("/2026-03/")[1] for request in sandbox.requests if "/batch/" in request.path)
    sandbox.forget_requests()
    return counted


def link(rows: Sequence[Mapping[str, Any]], **options: Any) -> Any:
    return HubSpotHook().batch_associate("contacts", "companies", rows, **{**BY_ID, **options})


def rows_of(pairs: list[Pair]) -> list[dict[str, Any]]:
    return [{"contact": contact, "company": company} for contact, company in pairs]


def keyed(sandbox: HubSpotSandbox, pairs: list[Pair]) -> list[dict[str, Any]]:
    contacts, companies = sandbox.objects("contacts"), sandbox.objects("companies")
    return [
        {
            "contact": contacts[contact]["properties"]["email"],
            "company": companies[company]["properties"]["erp_id"],
        }
        for contact, company in pairs
    ]


def some_pairs(count: int, *, contacts: int = 400, companies: int = 120, seed: int = 1) -> list[Pair]:
    """Different pairs, in any order."""
    every = [(str(one), str(other)) for one in range(1, contacts + 1) for other in range(1, companies + 1)]
    return Random(seed).sample(every, count)


# --- requests -----------------------------------------------------------------------------------------------------


def test_a_request_takes_two_thousand_unlabeled_pairs(hubspot: HubSpotSandbox) -> None:
    """4,500 pairs of record ids: three requests, and every link is there."""
    pairs = some_pairs(4_500)
    assert link(rows_of(pairs)).summary()["created"] == 4_500
    assert labels(hubspot) == {pair: set() for pair in pairs}
    assert requests(hubspot) == {"contacts/companies/batch/associate/default": 3}


def test_each_different_key_is_looked_up_once(hubspot: HubSpotSandbox) -> None:
    """3,000 pairs by email and own key: 400 different emails take 4 requests, 120 numbers 2."""
    pairs = some_pairs(3_000)
    assert link(keyed(hubspot, pairs), **BY_KEY).summary()["created"] == 3_000
    assert labels(hubspot) == {pair: set() for pair in pairs}
    assert requests(hubspot) == {
        "contacts/batch/read": 4,
        "companies/batch/read": 2,
        "contacts/companies/batch/associate/default": 2,
    }


def test_labels_cost_a_read_per_thousand_records(hubspot: HubSpotSandbox) -> None:
    """2,500 pairs with a label that start from 400 records: one read; and what has the label is left alone."""
    pairs = some_pairs(2_500)
    assert link(rows_of(pairs), label="Billing").summary()["created"] == 2_500
    assert labels(hubspot) == {pair: {"Billing"} for pair in pairs}
    assert requests(hubspot) == {"contacts/companies/batch/read": 1, "contacts/companies/batch/create": 2}
    assert link(rows_of(pairs), label="Billing").summary()["unchanged"] == 2_500
    assert requests(hubspot) == {"contacts/companies/batch/read": 1}


def test_taking_away_costs_a_request_per_hundred_records(hubspot: HubSpotSandbox) -> None:
    """2,500 links of 400 contacts are gone after four requests and a read; those of others stay."""
    pairs = some_pairs(2_600)
    link(rows_of(pairs))
    requests(hubspot)
    report = link(rows_of(pairs[:2_500]), remove=True)
    assert report.summary()["archived"] == 2_500
    assert labels(hubspot) == {pair: set() for pair in pairs[2_500:]}
    assert requests(hubspot) == {"contacts/companies/batch/archive": 4, "contacts/companies/batch/read": 1}


def test_the_window_of_associations_is_kept(hubspot: HubSpotSandbox) -> None:
    """HubSpot takes 100 batch requests of associations in ten seconds: 130 are paced, and none is refused."""
    hubspot.add_records("contacts", [{"id": str(one)} for one in range(10_001, 23_001)])
    rows = [{"contact": one, "company": 1} for one in range(10_001, 23_001)]
    report = link(rows, remove=True)
    assert (report.summary()["archived"], report.rate_limited) == (13_000, 0)
    assert requests(hubspot) == {"contacts/companies/batch/archive": 130, "contacts/companies/batch/read": 13}


@pytest.mark.parametrize("hubspot", [{"association_page": 25}], indirect=True)
def test_the_links_of_a_record_are_read_to_their_end(hubspot: HubSpotSandbox) -> None:
    """Labels of a company with hundreds of contacts come page by page; each pair keeps its own."""
    for contact in range(1, 101):
        hubspot.associate("companies", "7", "contacts", str(contact), "Gets shipments")
    rows = [{"company": "7", "contact": str(contact)} for contact in range(1, 101)]
    sides = {"from_column": "company", "to_column": "contact"}
    report = HubSpotHook().batch_associate("companies", "contacts", rows, **sides, label="Billing")
    assert report.summary()["created"] == 100
    assert labels(hubspot) == {(str(contact), "7"): {"Billing", "Ships"} for contact in range(1, 101)}


def test_a_side_may_be_found_by_any_property(hubspot: HubSpotSandbox) -> None:
    """Companies by domain, which HubSpot doesn't hold unique: none of several that have it is linked."""
    companies = hubspot.objects("companies")
    for company in ("3", "4"):
        hubspot.set_value("companies", company, "domain", "shared.example.com")
    rows: list[dict[str, Any]] = [
        {"contact": contact, "company": companies[str(contact % 100 + 1)]["properties"]["domain"]}
        for contact in range(1, 401)
    ]
    rows[0]["company"], rows[1]["company"] = "shared.example.com", "nobody.example.com"
    wanted = {(str(row["contact"]), str(row["contact"] % 100 + 1)) for row in rows[2:]}
    wanted = {pair for pair in wanted if pair[1] not in ("3", "4")}
    report = link(rows, to_id_property="domain")
    categories = {one.row: one.category for one in report.rejected}
    assert (categories[0], categories[1]) == ("AMBIGUOUS_ID", "OBJECT_NOT_FOUND")
    assert labels(hubspot) == {pair: set() for pair in wanted}
    searches = sum(request.path.endswith("/search") for request in hubspot.requests)
    assert searches <= 5


# --- labels -------------------------------------------------------------------------------------------------------


def test_a_label_leaves_the_others_alone(hubspot: HubSpotSandbox) -> None:
    """HubSpot replaces a pair's labels; a new one is added all the same, to new links and to old ones."""
    hubspot.associate("contacts", "1", "companies", "1", "Billing", "Primary")
    hubspot.associate("contacts", "2", "companies", "2")
    link(rows_of([("1", "1"), ("2", "2"), ("3", "3")]), label="Ships")
    assert labels(hubspot) == {
        ("1", "1"): {"Billing", "Primary", "Ships"},
        ("2", "2"): {"Ships"},
        ("3", "3"): {"Ships"},
    }


def test_labels_of_one_pair_go_together(hubspot: HubSpotSandbox) -> None:
    """Three rows of one pair, each with its label, and one without: one request, all labels there."""
    hubspot.associate("contacts", "1", "companies", "1", "Billing")
    rows: list[dict[str, Any]] = [
        {"contact": 1, "company": 1, "kind": "Ships"},
        {"contact": 1, "company": 1, "kind": "Billing"},
        {"contact": 1, "company": 1, "kind": "Ships"},
        {"contact": 2, "company": 1, "kind": "Ships"},
        {"contact": 2, "company": 1, "kind": "Billing"},
        {"contact": 3, "company": 1, "kind": None},
    ]
    report = link(rows, label_column="kind")
    said = {one["row"]: one["status"] for one in report.results()}
    assert said == {0: "created", 1: "unchanged", 2: "created", 3: "created", 4: "created", 5: "created"}
    assert labels(hubspot) == {("1", "1"): {"Billing", "Ships"}, ("2", "1"): {"Billing", "Ships"}, ("3", "1"): set()}
    counted = requests(hubspot)
    assert counted["contacts/companies/batch/create"] == 1


def test_the_last_primary_company_wins(hubspot: HubSpotSandbox) -> None:
    """A contact has one primary company: rows that contradict each other take effect in their order."""
    rows = [{"contact": str(one), "company": str(company)} for company in range(1, 6) for one in range(1, 101)]
    report = link(rows, label="Primary")
    assert report.summary()["created"] == 500
    primary = {contact: company for (contact, company), kinds in labels(hubspot).items() if "Primary" in kinds}
    assert primary == {str(contact): "5" for contact in range(1, 101)}


def test_a_label_is_one_of_its_direction(hubspot: HubSpotSandbox) -> None:
    """From the other side a label may have another name; one that there isn't is told before anything is written."""
    link(rows_of([("1", "1")]), label="Ships")
    sides = {"from_column": "company", "to_column": "contact"}
    HubSpotHook().batch_associate("companies", "contacts", rows_of([("2", "1")]), **sides, label="Gets shipments")
    assert labels(hubspot) == {("1", "1"): {"Ships"}, ("2", "1"): {"Ships"}}
    hubspot.forget_requests()
    with pytest.raises(SettingsError, match=r"'Ships' \(there are: 'Billing', 'Gets shipments', 'Primary'\)"):
        HubSpotHook().batch_associate("companies", "contacts", rows_of([("2", "1")]), **sides, label="Ships")
    assert requests(hubspot) == {}


def test_a_row_with_an_unknown_label_is_rejected(hubspot: HubSpotSandbox) -> None:
    """In a column, an unknown label costs its row only; the message names those that exist."""
    rows = [{"contact": 1, "company": 1, "kind": "Boss"}, {"contact": 2, "company": 1, "kind": "Billing"}]
    report = link(rows, label_column="kind")
    (rejected,) = report.rejected
    assert (rejected.row, rejected.category) == (0, "UNKNOWN_LABEL")
    assert "'Billing', 'Primary', 'Ships'" in rejected.message
    assert labels(hubspot) == {("2", "1"): {"Billing"}}


def test_only_the_label_is_taken_away(hubspot: HubSpotSandbox) -> None:
    """With a label the link and its other labels stay; a row without one would take all away, and is rejected."""
    for contact in ("1", "2", "3"):
        hubspot.associate("contacts", contact, "companies", "1", "Billing", "Ships")
    rows = [
        {"contact": 1, "company": 1, "kind": "Billing"},
        {"contact": 2, "company": 1, "kind": "Billing"},
        {"contact": 2, "company": 1, "kind": "Ships"},
        {"contact": 3, "company": 1, "kind": ""},
    ]
    report = link(rows, label_column="kind", remove=True)
    assert (report.summary()["archived"], report.summary()["rejected_by_category"]) == (3, {"MISSING_LABEL": 1})
    assert labels(hubspot) == {("1", "1"): {"Ships"}, ("2", "1"): set(), ("3", "1"): {"Billing", "Ships"}}


# --- outcomes -----------------------------------------------------------------------------------------------------


def test_an_outcome_has_both_sides(hubspot: HubSpotSandbox) -> None:
    """What the row says of each side, and its record id; the summary has both object types."""
    report = link(keyed(hubspot, [("5", "6")]), **BY_KEY)
    (outcome,) = report.results()
    assert outcome == {
        "row": 0,
        "id": hubspot.objects("contacts")["5"]["properties"]["email"],
        "to_id": "E-000006",
        "record_id": "5",
        "to_record_id": "6",
        "status": "created",
    }
    assert (report.summary()["object_type"], report.summary()["to_object_type"]) == ("contacts", "companies")


def test_rejected_pairs_are_sent_again(hubspot: HubSpotSandbox, tmp_path: Path) -> None:
    """Result files have both sides of every row; ``RejectedRows`` replays those that failed."""
    rows = [{"contact": 1, "company": "E-000001"}, {"contact": 2, "company": "E-new"}]
    link(rows, to_id_property="erp_id", results_path=str(tmp_path / "first"))
    frame = outcomes_frame(tmp_path / "first").sort_values("row")
    assert list(frame["to_id"]) == ["E-000001", "E-new"]
    assert frame["to_record_id"].fillna("").tolist() == ["1", ""]
    (company,) = hubspot.add_records("companies", [{"erp_id": "E-new"}])
    report = HubSpotHook().batch_associate(
        "contacts", "companies", RejectedRows(str(tmp_path / "first")), **BY_ID, to_id_property="erp_id"
    )
    (outcome,) = report.results() or []
    assert (outcome["status"], outcome["to_id"], outcome["to_record_id"]) == ("created", "E-new", company)


def test_a_look_before_the_leap_shows_both_records(hubspot: HubSpotSandbox) -> None:
    """``validate_only`` looks both sides up, and links nothing."""
    report = link(keyed(hubspot, [("5", "6")]), **BY_KEY, validate_only=True)
    (outcome,) = report.results()
    assert (outcome["status"], outcome["record_id"], outcome["to_record_id"]) == ("not_sent", "5", "6")
    assert labels(hubspot) == {}


def test_a_pair_is_sent_once_and_each_of_its_rows_is_told(hubspot: HubSpotSandbox) -> None:
    """Three rows of one pair: one input, three outcomes."""
    report = link([*rows_of([("1", "1")] * 3), *rows_of([("2", "1")])])
    assert {one["status"] for one in report.results()} == {"created"}
    (request,) = [one for one in hubspot.requests if one.path.endswith("/default")]
    assert len(request.json["inputs"]) == 2


@pytest.mark.parametrize("by_key", [False, True], ids=["record ids", "keys"])
def test_a_side_that_is_not_there_is_named(hubspot: HubSpotSandbox, by_key: bool) -> None:
    """A pair of which one side doesn't exist is rejected, and says which; the others are linked."""
    rows = (
        keyed(hubspot, [("1", "1"), ("2", "2"), ("3", "3")])
        if by_key
        else rows_of([("1", "1"), ("2", "2"), ("3", "3")])
    )
    rows[0]["contact"] = "nobody@example.com" if by_key else "990001"
    rows[1]["company"] = "E-none" if by_key else "990002"
    report = link(rows, **(BY_KEY if by_key else {}))
    told = {one.row: (one.category, one.message.partition(":")[0]) for one in report.rejected}
    assert told == {0: ("OBJECT_NOT_FOUND", "the from side"), 1: ("OBJECT_NOT_FOUND", "the to side")}
    assert labels(hubspot) == {("3", "3"): set()}


@pytest.mark.parametrize("hubspot", [{"association_limit": 2}], indirect=True)
def test_an_error_that_names_nobody_is_isolated(hubspot: HubSpotSandbox) -> None:
    """Over a limit of links HubSpot doesn't say whose: each such row is found, the others are linked."""
    pairs = [(str(contact), str(company)) for contact in range(1, 41) for company in range(1, 3)]
    over = [("7", "9"), ("23", "9")]
    report = link(rows_of([*pairs[:50], *over, *pairs[50:]]))
    summary = report.summary()
    assert (summary["created"], summary["rejected"]) == (80, 2)
    assert len(labels(hubspot)) == 80


def test_a_record_is_not_linked_with_itself(hubspot: HubSpotSandbox) -> None:
    """Of contacts with contacts, a pair of one record is rejected before anything is sent."""
    rows = [{"contact": 1, "company": "1.0"}, {"contact": 1, "company": 2}]
    report = HubSpotHook().batch_associate("contacts", "contacts", rows, **BY_ID)
    assert report.summary()["rejected_by_category"] == {"SAME_RECORD": 1}
    assert list(hubspot.associations("contacts", "contacts")["1"]) == ["2"]


def test_records_of_one_number_are_told_apart(hubspot: HubSpotSandbox) -> None:
    """Contact 1 with company 2 and contact 2 with company 1: replies that tell links from both sides mislead nobody."""
    hubspot.faults.add("result_left_out", results=1, written=False, path="/default")
    pairs = [("1", "2"), ("2", "1"), ("3", "4"), ("4", "3"), ("5", "5")]
    report = link(rows_of(pairs))
    assert report.summary()["created"] == 5
    assert labels(hubspot) == {pair: set() for pair in pairs}


def test_types_that_are_not_linked_are_told_before_anything_is_written(hubspot: HubSpotSandbox) -> None:
    """Where HubSpot has no links between two object types, that is the message."""
    with pytest.raises(SettingsError, match="HubSpot links no contacts with line_items"):
        HubSpotHook().batch_associate("contacts", "line_items", rows_of([("1", "1")]), **BY_ID)


def test_labels_that_have_gone_with_a_reply_are_not_taken_for_none(hubspot: HubSpotSandbox) -> None:
    """A reply that loses a record's links is asked for again: its labels stay."""
    for contact in range(1, 31):
        hubspot.associate("contacts", str(contact), "companies", "1", "Billing")
    hubspot.faults.add("result_left_out", results=9, path="/companies/batch/read", count=2)
    link(rows_of([(str(contact), "1") for contact in range(1, 31)]), label="Ships")
    assert labels(hubspot) == {(str(contact), "1"): {"Billing", "Ships"} for contact in range(1, 31)}
