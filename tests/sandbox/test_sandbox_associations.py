"""Links between records: making, labelling, reading and taking them away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch.sandbox import HubSpotSandbox
from tests.sandbox.verbs import PLAIN, PRIMARY, RECORDS

if TYPE_CHECKING:
    from tests.sandbox.conftest import MakeSandbox, Pair

ROOT = "/crm/associations/2026-03/contacts/companies"
UNLABELED, LABELED = "batch/associate/default", "batch/create"


@pytest.fixture
def linked(make: MakeSandbox) -> Pair:
    """Ten contacts, ten companies, and the label "Billing" between them."""
    pair = make(records=RECORDS)
    pair.sandbox.add_label("contacts", "companies", "Billing", inverse="Billed by")
    return pair


def link(from_id: Any, to_id: Any, types: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    given = {"from": {"id": from_id}, "to": {"id": to_id}}
    return given if types is None else {**given, "types": types}


def post(pair: Pair, tail: str, *inputs: dict[str, Any], root: str = ROOT) -> Any:
    return pair.client.post(f"{root}/{tail}", {"inputs": list(inputs)})


def kinds(pair: Pair, direction: str = "contacts/companies") -> dict[str | None, dict[str, Any]]:
    """The association types by their label, as a create names them."""
    found = pair.client.get(f"/crm/associations/2026-03/{direction}/labels").json()["results"]
    return {one["label"]: {"associationCategory": one["category"], "associationTypeId": one["typeId"]} for one in found}


def labels_of(pair: Pair, from_id: str, to_id: str) -> list[str | None]:
    links = pair.sandbox.associations("contacts", "companies")
    return [kind["label"] for kind in links.get(from_id, {}).get(to_id, [])]


def test_labels_have_a_direction(linked: Pair) -> None:
    """GET labels: the unlabeled type, the primary company and the account's own, by other ids the other way round."""
    assert linked.client.get(f"{ROOT}/labels").json()["results"] == [
        {"category": "HUBSPOT_DEFINED", "typeId": 279, "label": None},
        {"category": "HUBSPOT_DEFINED", "typeId": 1, "label": "Primary"},
        {"category": "USER_DEFINED", "typeId": 1001, "label": "Billing"},
    ]
    back = linked.client.get("/crm/associations/2026-03/0-2/0-1/labels").json()["results"]
    assert {one["label"]: one["typeId"] for one in back} == {None: 280, "Primary": 2, "Billed by": 1002}
    assert linked.client.get("/crm/associations/2026-03/contacts/butterflies/labels").status_code == 400


def test_an_unlabeled_link_is_told_from_both_sides(linked: Pair) -> None:
    """associate/default: 200, and each link twice, with its type in each direction; making it again changes nothing."""
    for _ in range(2):
        response = post(linked, UNLABELED, link("1", "2"))
        assert response.status_code == 200
        there, back = sorted(response.json()["results"], key=lambda one: one["associationSpec"]["associationTypeId"])
        assert (there["from"], there["to"]) == ({"id": "1"}, {"id": "2"})
        assert there["associationSpec"] == PLAIN[0]
        assert (back["from"], back["to"]) == ({"id": "2"}, {"id": "1"})
    assert linked.sandbox.associations("companies", "contacts")["2"]["1"][0]["typeId"] == 280


def test_a_labeled_link_is_unlabeled_too(linked: Pair) -> None:
    """batch/create: 201; the reply's ids are numbers, its labels names; the unlabeled type is always there."""
    response = post(linked, LABELED, link("1", "2", [kinds(linked)["Billing"]]))
    assert response.status_code == 201
    assert response.json()["results"] == [
        {
            "fromObjectTypeId": "0-1",
            "fromObjectId": 1,
            "toObjectTypeId": "0-2",
            "toObjectId": 2,
            "labels": ["Billing"],
        }
    ]
    assert labels_of(linked, "1", "2") == [None, "Billing"]
    back = linked.sandbox.associations("companies", "contacts")["2"]["1"]
    assert [kind["label"] for kind in back] == [None, "Billed by"]


def test_labels_replace_labels(linked: Pair) -> None:
    """A create replaces the pair's labels; several go together; the default link keeps them."""
    types = kinds(linked)
    post(linked, LABELED, link("1", "2", [types["Primary"]]))
    post(linked, LABELED, link("1", "2", [types["Billing"]]))
    assert labels_of(linked, "1", "2") == [None, "Billing"]
    post(linked, LABELED, link("1", "2", [types["Billing"], types["Primary"]]))
    post(linked, UNLABELED, link("1", "2"))
    assert labels_of(linked, "1", "2") == ["Primary", None, "Billing"]
    post(linked, LABELED, link("1", "2", PLAIN))
    assert labels_of(linked, "1", "2") == [None]


@pytest.mark.parametrize("direction", ["there", "back"])
def test_a_contact_has_one_primary_company(linked: Pair, direction: str) -> None:
    """Another primary company takes the first one's label, from either side; a company is primary to many."""
    post(linked, LABELED, link("1", "2", PRIMARY), link("5", "2", PRIMARY))
    if direction == "there":
        post(linked, LABELED, link("1", "3", PRIMARY))
    else:
        post(linked, LABELED, link("3", "1", [kinds(linked, "companies/contacts")["Primary"]]),
             root="/crm/associations/2026-03/companies/contacts")  # fmt: skip
    assert labels_of(linked, "1", "2") == [None]
    assert labels_of(linked, "1", "3") == ["Primary", None]
    assert labels_of(linked, "5", "2") == ["Primary", None]


@pytest.mark.parametrize(
    ("from_id", "to_id", "named"),
    [("999", "2", ["999"]), ("1", "999", ["999"]), ("x", "y", ["x", "y"]), ("", "2", [""]), ("10", "2", ["10"])],
)
@pytest.mark.parametrize("tail", [UNLABELED, LABELED])
def test_an_id_that_is_none_costs_only_its_link(
    linked: Pair, tail: str, from_id: str, to_id: str, named: list[str]
) -> None:
    """Unknown, archived and malformed ids: INVALID_IDENTIFIER names them; the other links are made."""
    linked.sandbox.archive("contacts", "10")
    types = PLAIN if tail == LABELED else None
    response = post(linked, tail, link("1", "1", types), link(from_id, to_id, types))
    assert response.status_code == (207 if tail == LABELED else 200)
    (error,) = response.json()["errors"]
    assert error["category"] == "VALIDATION_ERROR"
    assert error["subCategory"] == "crm.associations.INVALID_IDENTIFIER"
    assert error["context"] == {"id": named}
    assert labels_of(linked, "1", "1") == [None]


def test_a_record_is_not_linked_with_itself(make: MakeSandbox) -> None:
    """A record with itself: an error without any context; others of its type are linked."""
    pair = make(records=RECORDS)
    root = "/crm/associations/2026-03/contacts/contacts"
    response = post(pair, UNLABELED, link("1", "1"), link("1", "2"), root=root)
    (error,) = response.json()["errors"]
    assert error.keys() == {"status", "category", "message"}
    assert pair.sandbox.associations("contacts", "contacts").keys() == {"1", "2"}


@pytest.mark.parametrize("refuses", ["row", "batch"])
def test_there_may_be_a_limit_of_links(make: MakeSandbox, refuses: str) -> None:
    """Over association_limit: an error without context for the link, or for the whole batch; old links may stay."""
    pair = make(records=RECORDS, behaviours={"association_limit": 2, "association_limit_refuses": refuses})
    response = post(pair, UNLABELED, *(link("1", str(number)) for number in (1, 2, 3)))
    assert response.status_code == (200 if refuses == "row" else 400)
    error = response.json()["errors"][0] if refuses == "row" else response.json()
    assert "context" not in error
    assert post(pair, LABELED, link("1", "1", PRIMARY)).status_code == 201


@pytest.mark.parametrize(
    "types",
    [
        [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 280}],
        [{"associationCategory": "USER_DEFINED", "associationTypeId": 279}],
        [*PLAIN, {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 7777}],
        [],
    ],
)
@pytest.mark.parametrize("tail", [LABELED, "batch/labels/archive"])
def test_a_kind_of_the_other_direction_refuses_the_batch(linked: Pair, types: list[dict[str, Any]], tail: str) -> None:
    """Types of the other direction, of another category or of nobody, or none: 400 for all, and no link is made."""
    response = post(linked, tail, link("1", "2", PLAIN), link("2", "3", types))
    assert response.status_code == 400
    assert response.json()["message"] == "One or more associations are invalid"
    assert linked.sandbox.associations("contacts", "companies") == {}


def test_some_types_are_never_linked(make: MakeSandbox) -> None:
    """Types that HubSpot doesn't link: 400; custom types are linked with all."""
    pair = make(records={"products": 1, "contacts": 1, "pets": 1})
    response = post(pair, UNLABELED, link("1", "1"), root="/crm/associations/2026-03/contacts/products")
    assert response.status_code == 400
    assert response.json()["message"] == "No default association exists between CONTACT and PRODUCT"
    root = "/crm/associations/2026-03/pets/contacts"
    assert post(pair, UNLABELED, link("1", "1"), root=root).status_code == 200
    assert kinds(pair, "pets/contacts")[None]["associationCategory"] == "USER_DEFINED"


@pytest.mark.parametrize("status", [204, 200])
def test_links_are_taken_away_with_their_labels(make: MakeSandbox, status: int) -> None:
    """batch/archive: 204 (or 200), several per record; links that don't exist are no error; both sides are gone."""
    pair = make(records=RECORDS, behaviours={"association_archive_status": status})
    for number in ("1", "2", "3"):
        pair.sandbox.associate("contacts", "1", "companies", number, "Primary")
    inputs = {"from": {"id": "1"}, "to": [{"id": "1"}, {"id": "2"}, {"id": "9"}]}
    response = post(pair, "batch/archive", inputs, {"from": {"id": "999"}, "to": [{"id": "1"}]})
    assert response.status_code == status
    assert pair.sandbox.associations("contacts", "companies")["1"].keys() == {"3"}
    assert pair.sandbox.associations("companies", "contacts").keys() == {"3"}


def test_a_label_is_taken_away(linked: Pair) -> None:
    """labels/archive takes the label and leaves the link; with the unlabeled type goes the whole link."""
    linked.sandbox.associate("contacts", "1", "companies", "2", "Billing", "Primary")
    billing = [kinds(linked)["Billing"]]
    assert post(linked, "batch/labels/archive", link("1", "2", billing)).status_code == 204
    assert labels_of(linked, "1", "2") == ["Primary", None]
    assert post(linked, "batch/labels/archive", link("1", "3", billing)).status_code == 204
    assert post(linked, "batch/labels/archive", link("1", "2", PLAIN)).status_code == 204
    assert linked.sandbox.associations("contacts", "companies") == {}


def test_links_are_read_page_by_page(make: MakeSandbox) -> None:
    """batch/read: each link with all its types; a record with more links than a page has goes on with `after`."""
    pair = make(records=RECORDS, behaviours={"association_page": 4})
    for number in range(1, 11):
        pair.sandbox.associate("contacts", "1", "companies", str(number), *(["Primary"] if number == 3 else []))
    pair.sandbox.associate("contacts", "2", "companies", "5")
    found, after = [], "0"
    while after:
        response = post(pair, "batch/read", {"id": "1", "after": after}, {"id": "2"})
        (page,) = [one for one in response.json()["results"] if one["from"] == {"id": "1"}]
        found += page["to"]
        after = page.get("paging", {}).get("next", {}).get("after")
    assert [one["toObjectId"] for one in found] == list(range(1, 11))
    assert found[2]["associationTypes"] == [
        {"category": "HUBSPOT_DEFINED", "typeId": 1, "label": "Primary"},
        {"category": "HUBSPOT_DEFINED", "typeId": 279, "label": None},
    ]


@pytest.mark.parametrize("switch", ["error", "left_out"])
def test_a_record_without_links(make: MakeSandbox, switch: str) -> None:
    """A record without links: NO_ASSOCIATIONS_FOUND in the 207, or nothing at all; a malformed id is an error."""
    pair = make(records=RECORDS, behaviours={"unlinked_in_read": switch})
    pair.sandbox.associate("contacts", "1", "companies", "1")
    response = post(pair, "batch/read", {"id": "1"}, {"id": "2"})
    assert len(response.json()["results"]) == 1
    if switch == "left_out":
        assert response.status_code == 200
    else:
        assert response.status_code == 207
        assert response.json()["errors"] == [
            {
                "status": "error",
                "category": "OBJECT_NOT_FOUND",
                "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
                "message": "No company is associated with contact 2.",
                "context": {"fromObjectId": ["2"], "fromObjectType": ["contact"], "toObjectType": ["company"]},
            }
        ]
    malformed = post(pair, "batch/read", {"id": "x"}).json()["errors"][0]
    assert malformed["subCategory"] == "crm.associations.INVALID_IDENTIFIER"


def test_links_to_archived_records_are_not_read(linked: Pair) -> None:
    """A link to an archived record is in no reply; a merged record's links are the surviving one's."""
    linked.sandbox.associate("contacts", "1", "companies", "1", "Billing")
    linked.sandbox.associate("contacts", "1", "companies", "2")
    linked.sandbox.archive("companies", "2")
    (page,) = post(linked, "batch/read", {"id": "1"}).json()["results"]
    assert [one["toObjectId"] for one in page["to"]] == [1]
    linked.sandbox.merge("contacts", "1", "4")
    assert labels_of(linked, "4", "1") == [None, "Billing"]
    assert "1" not in linked.sandbox.associations("contacts", "companies")


def test_ids_may_be_texts_and_links_told_once(make: MakeSandbox) -> None:
    """association_ids_as_numbers and default_links_both_ways can be switched off; ids may be sent as numbers."""
    behaviours = {"association_ids_as_numbers": False, "default_links_both_ways": False}
    pair = make(records=RECORDS, behaviours=behaviours)
    (result,) = post(pair, LABELED, link(1, 2, PLAIN)).json()["results"]
    assert (result["fromObjectId"], result["toObjectId"]) == ("1", "2")
    assert len(post(pair, UNLABELED, link(1, 3)).json()["results"]) == 1
    assert post(pair, "batch/read", {"id": 1}).json()["results"][0]["to"][0]["toObjectId"] == "2"


@pytest.mark.parametrize("tail", [UNLABELED, LABELED, "batch/read"])
def test_2026_09_answers_200_whatever_happened(make: MakeSandbox, tail: str) -> None:
    """From 2026-09 on, 200 with errors and numErrors, for creates too."""
    pair = make(records=RECORDS)
    root = ROOT.replace("2026-03", "2026-09")
    good = {"id": "1"} if tail == "batch/read" else link("1", "1", PLAIN)
    bad = {"id": "x"} if tail == "batch/read" else link("1", "999", PLAIN)
    pair.sandbox.associate("contacts", "1", "companies", "2")
    for inputs, errors in ([good, bad], 1), ([good], 0):
        response = post(pair, tail, *inputs, root=root)
        assert response.status_code == 200
        assert (response.json()["numErrors"], len(response.json()["errors"])) == (errors, errors)


def test_2000_links_fit_a_request(make: MakeSandbox) -> None:
    """A request takes 2,000 links."""
    pair = make(records={"contacts": 1000, "companies": 2})
    inputs = [link(str(number), company) for number in range(1, 1001) for company in ("1", "2")]
    assert len(post(pair, UNLABELED, *inputs).json()["results"]) == 4000
    assert len(pair.sandbox.associations("contacts", "companies")) == 1000


def test_links_are_set_up_from_behind(linked: Pair) -> None:
    """Two records are linked by label names; what doesn't exist is refused; both go over HTTP, too."""
    for wrong in (("1", "companies", "2", "Nope"), ("1", "products", "2")):
        with pytest.raises(ValueError, match="have the labels"):
            linked.sandbox.associate("contacts", *wrong)
    with pytest.raises(KeyError):
        linked.sandbox.associate("contacts", "999", "companies", "1")
    with pytest.raises(ValueError, match="already"):
        linked.sandbox.add_label("contacts", "companies", "Billing")
    with pytest.raises(ValueError, match="links no contacts with products"):
        linked.sandbox.add_label("contacts", "products", "Buys")
    action = {"from_type": "contacts", "from_id": "1", "to_type": "companies", "to_id": "1"}
    assert linked.client.post("/_sandbox/do/associate", action).status_code == 200
    shown = linked.client.get("/_sandbox/associations/contacts/companies").json()
    assert shown == linked.sandbox.associations("contacts", "companies") == {
        "1": {"1": [{"category": "HUBSPOT_DEFINED", "typeId": 279, "label": None}]}
    }  # fmt: skip
    assert linked.client.get("/_sandbox/associations/contacts/butterflies").status_code == 404


def test_associations_are_copies() -> None:
    """Changing what associations() gave changes nothing."""
    sandbox = HubSpotSandbox(records=RECORDS)
    sandbox.associate("contacts", "1", "companies", "1")
    sandbox.associations("contacts", "companies")["1"].clear()
    assert sandbox.associations("contacts", "companies")["1"].keys() == {"1"}
