"""CRM search: what it finds, how it pages, how it lags; and owners."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox.hubspot_client import row

if TYPE_CHECKING:
    from tests.sandbox.conftest import MakeSandbox, Pair

PEOPLE = [
    {"firstname": "Ada", "city": "Oslo", "score": "5", "plan": "pro", "renewal_date": "2026-01-05"},
    {"firstname": "Ben", "city": "oslo ", "score": "12", "plan": "free", "renewal_date": "2026-02-05"},
    {"firstname": "Carl", "city": "Porto Alegre", "score": "100", "email": "carl@example.com"},
    {"firstname": "Dora"},
]


def search(pair: Pair, *filters: dict[str, Any], object_type: str = "contacts", **body: Any) -> Any:
    groups = {"filterGroups": [{"filters": list(filters)}]} if filters else {}
    return pair.client.post(f"/crm/objects/{pair.client.version}/{object_type}/search", {**groups, **body})


def found(response: Any) -> list[str]:
    assert response.status_code == 200, response.text
    return [result["id"] for result in response.json()["results"]]


def when(name: str, operator: str, value: Any = None, **more: Any) -> dict[str, Any]:
    key = "values" if isinstance(value, list) else "value"
    return {"propertyName": name, "operator": operator, **({} if value is None else {key: value}), **more}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (when("city", "IN", ["oslo", "nowhere"]), ["1", "2"]),
        (when("city", "IN", ["Oslo"]), []),
        (when("city", "NOT_IN", ["oslo"]), ["3"]),
        (when("city", "EQ", "OSLO"), ["1", "2"]),
        (when("city", "NEQ", "oslo"), ["3"]),
        (when("plan", "IN", ["pro"]), ["1"]),
        (when("plan", "IN", ["Pro"]), []),
        (when("score", "EQ", "5.0"), ["1"]),
        (when("score", "GT", "5"), ["2", "3"]),
        (when("score", "GTE", "12"), ["2", "3"]),
        (when("score", "LT", "12"), ["1"]),
        (when("score", "LTE", "12"), ["1", "2"]),
        (when("score", "BETWEEN", "5", highValue="12"), ["1", "2"]),
        (when("renewal_date", "GT", "2026-01-31"), ["2"]),
        (when("renewal_date", "LT", "1769817600000"), ["1"]),
        (when("city", "HAS_PROPERTY"), ["1", "2", "3"]),
        (when("city", "NOT_HAS_PROPERTY"), ["4"]),
        (when("city", "CONTAINS_TOKEN", "alegre"), ["3"]),
        (when("city", "NOT_CONTAINS_TOKEN", "alegre"), ["1", "2", "4"]),
        (when("email", "CONTAINS_TOKEN", "*@example.com"), ["3"]),
        (when("hs_object_id", "IN", ["2", "4", "999"]), ["2", "4"]),
    ],
    ids=str,
)
def test_filters(make: MakeSandbox, condition: dict[str, Any], expected: list[str]) -> None:
    """Texts are compared without case and outer white space (IN by lower case values), numbers and dates by size."""
    pair = make(records={"contacts": PEOPLE})
    response = search(pair, condition)
    assert found(response) == expected
    assert response.json()["total"] == len(expected)


def test_in_may_find_any_case(make: MakeSandbox) -> None:
    """With search_text="any_case", IN finds texts in any case."""
    pair = make(records={"contacts": PEOPLE}, behaviours={"search_text": "any_case"})
    assert found(search(pair, when("city", "IN", ["OSLO"]))) == ["1", "2"]


def test_groups_are_alternatives(make: MakeSandbox) -> None:
    """All filters of one of the groups; a query looks into every property; sorts bring an order."""
    pair = make(records={"contacts": PEOPLE})
    groups = [
        {"filters": [when("city", "EQ", "oslo"), when("plan", "EQ", "free")]},
        {"filters": [when("score", "GT", "50")]},
    ]
    assert found(search(pair, filterGroups=groups)) == ["2", "3"]
    assert found(search(pair, query="ALEGRE")) == ["3"]
    assert found(search(pair, sorts=[{"propertyName": "score", "direction": "DESCENDING"}])) == ["3", "2", "1", "4"]
    assert found(search(pair, sorts=["firstname"])) == ["1", "2", "3", "4"]


def test_results_have_the_properties_asked_for(make: MakeSandbox) -> None:
    """Properties that were asked for, or some defaults; the record's own times always."""
    pair = make(records={"contacts": PEOPLE})
    (result,) = search(pair, when("firstname", "EQ", "ada"), properties=["city", "nope"]).json()["results"]
    assert result["properties"].keys() == {"city", "createdate", "hs_object_id", "lastmodifieddate"}
    (result,) = search(pair, when("firstname", "EQ", "ada")).json()["results"]
    assert result["properties"].keys() > {"firstname", "lastname", "email"}


def test_pages_go_on_with_after(make: MakeSandbox) -> None:
    """A page has up to 200; total counts all; the last page has no paging."""
    pair = make(records={"companies": 250}, searches_per_second=None)
    first = search(pair, object_type="companies", limit=200)
    rest = search(pair, object_type="companies", limit=200, after=first.json()["paging"]["next"]["after"])
    assert (len(found(first)), len(found(rest)), first.json()["total"]) == (200, 50, 250)
    assert "paging" not in rest.json()
    assert len(found(search(pair, object_type="companies"))) == 10


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 201},
        {"limit": 0},
        {"limit": "x"},
        {"after": "10000"},
        {"after": "x"},
        {"filterGroups": [{"filters": [when("city", "IN", ["x"] * 101)]}]},
        {"filterGroups": [{"filters": [when("city", "IN", [])]}]},
        {"filterGroups": [{"filters": [when("city", "IN")]}]},
        {"filterGroups": [{"filters": [when("city", "EQ")]}]},
        {"filterGroups": [{"filters": [when("city", "LIKE", "x")]}]},
        {"filterGroups": [{"filters": [when("nope", "EQ", "x")]}]},
        {"filterGroups": [{"filters": [when("score", "BETWEEN", "1")]}]},
        {"filterGroups": [{"filters": [when("city", "EQ", "x")]}] * 6},
        {"filterGroups": [{"filters": [when("city", "EQ", "x")] * 7}]},
        {"filterGroups": "x"},
        {"sorts": ["nope"]},
        {"sorts": ["city", "score"]},
    ],
    ids=str,
)
def test_what_search_does_not_take(pair: Pair, body: dict[str, Any]) -> None:
    """Over a limit, an unknown property or operator, a filter without its value: 400."""
    response = search(pair, **body)
    assert response.status_code == 400
    assert response.json()["message"]


def test_only_10000_results_can_be_paged_through(make: MakeSandbox) -> None:
    """The total is right beyond 10,000, and paging ends there."""
    pair = make(records={"companies": [{}] * 10_050})
    last = search(pair, object_type="companies", limit=200, after="9900").json()
    assert last["total"] == 10_050
    assert len(last["results"]) == 100
    assert search(pair, object_type="companies", after="10000").status_code == 400


class Clock:
    """Time that goes on when it is told to."""

    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def test_search_lags_behind(make: MakeSandbox) -> None:
    """With search_lag_seconds, search knows nothing of a change until then; reads by id or key know at once."""
    clock = Clock()
    pair = make(records={"contacts": PEOPLE}, clock=clock, behaviours={"search_lag_seconds": 30})
    clock.seconds += 60
    oslo = when("city", "EQ", "oslo")
    made = pair.client.batch("create", [{"properties": {"city": "Oslo"}}]).json()["results"][0]["id"]
    pair.client.update(row("1", {"city": "Rome"}), row("3", {"city": "Oslo"}))
    pair.sandbox.archive("contacts", "2")
    assert pair.client.read(made, properties=("city",)).json()["results"][0]["properties"]["city"] == "Oslo"
    assert found(search(pair, oslo)) == ["1", "2"]
    shown = search(pair, oslo, properties=["city"]).json()["results"][0]
    assert shown["properties"]["city"] == "Oslo"
    clock.seconds += 15
    pair.client.update(row("1", {"city": "Oslo"}))
    assert found(search(pair, oslo)) == ["1", "2"]
    clock.seconds += 15
    assert found(search(pair, oslo)) == ["3", "5"]
    clock.seconds += 15
    assert found(search(pair, oslo)) == ["1", "3", "5"]


def test_without_lag_search_knows_at_once(pair: Pair) -> None:
    """By default search doesn't lag."""
    pair.client.update(row("1", {"city": "Xanadu"}))
    assert found(search(pair, when("city", "EQ", "xanadu"))) == ["1"]
    pair.sandbox.archive("contacts", "1")
    assert found(search(pair, when("city", "EQ", "xanadu"))) == []


# Owners


def owners(pair: Pair, **params: str) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = pair.client.get("/crm/owners/2026-03", **params).json()["results"]
    return results


def test_owners_come_in_pages(pair: Pair) -> None:
    """GET owners: active ones, page by page, each with its email, its id and the user's, which differ."""
    first = pair.client.get("/crm/owners/2026-03", limit="3").json()
    rest = pair.client.get("/crm/owners/2026-03", limit="3", after=first["paging"]["next"]["after"]).json()
    assert [one["id"] for one in (*first["results"], *rest["results"])] == [str(71000 + n) for n in range(1, 6)]
    assert "paging" not in rest
    assert first["results"][0].keys() >= {"id", "email", "userId", "firstName", "lastName", "archived", "type"}
    assert str(first["results"][0]["userId"]) != first["results"][0]["id"]
    assert pair.client.get("/crm/owners/2026-03", limit="501").status_code == 400


def test_owners_can_be_added_and_deactivated(pair: Pair) -> None:
    """add_owner and archive_owner; archived owners are listed only if asked for, and own nothing any more."""
    added = pair.sandbox.add_owner("New@example.com", "New", "Owner")
    assert pair.client.update(row("1", {"hubspot_owner_id": added})).status_code == 200
    pair.sandbox.archive_owner("71001")
    assert {one["id"] for one in owners(pair)} == {"71002", "71003", "71004", "71005", added}
    assert [one["id"] for one in owners(pair, archived="true")] == ["71001"]
    assert [one["id"] for one in owners(pair, email="new@EXAMPLE.com")] == [added]
    assert pair.client.update(row("1", {"hubspot_owner_id": "71001"})).status_code == 400
    assert pair.client.get(f"/crm/owners/2026-03/{added}").json()["email"] == "New@example.com"
    assert pair.client.get("/crm/owners/2026-03/71001").status_code == 404
    assert pair.client.get("/crm/owners/2026-03/71001", archived="true").json()["archived"] is True


def test_the_owner_property_refers_to_owners(pair: Pair) -> None:
    """The definition of hubspot_owner_id says that its values are owners."""
    definition = pair.client.get("/crm/properties/2026-03/contacts/hubspot_owner_id").json()
    assert definition["referencedObjectType"] == "OWNER"
    assert (definition["type"], definition["externalOptions"], definition["options"]) == ("enumeration", True, [])
