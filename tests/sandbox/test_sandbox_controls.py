"""What tests and people do to a sandbox beside HubSpot's API, in this process and over HTTP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch.sandbox import Behaviours, HubSpotSandbox, Option, PropertyDefinition
from airflow_provider_hubbatch.sandbox.behaviours import parse_behaviour
from tests.sandbox.hubspot_client import row

if TYPE_CHECKING:
    from tests.sandbox.conftest import MakeSandbox, Pair


def test_seeded_records_are_believable_and_repeatable() -> None:
    """Ids run from 1 in each type; the same seed gives the same records, another one others."""
    first, again, other = (
        HubSpotSandbox(records={"contacts": 50, "deals": 3}, seed=seed).objects("contacts") for seed in (1, 1, 2)
    )
    assert list(first) == [str(number) for number in range(1, 51)]
    assert {one: shown["properties"]["email"] for one, shown in first.items()} == {
        one: shown["properties"]["email"] for one, shown in again.items()
    }
    assert first["17"]["properties"]["email"] != other["17"]["properties"]["email"]
    assert first["17"]["properties"]["email"].endswith(".17@example.com")
    assert len({shown["properties"]["firstname"] for shown in first.values()}) > 10


def test_a_merged_id_is_no_new_records_id() -> None:
    """An id that was merged away goes on to mean the surviving record, whatever is made later."""
    sandbox = HubSpotSandbox(records={"contacts": [{"id": "3"}, {"id": "4"}]})
    sandbox.merge("contacts", "3", "4")
    assert sandbox.add_records("contacts", [{"city": "Gent"}, {"city": "Lille"}]) == ["5", "6"]


@pytest.mark.parametrize("object_type", ["contacts", "companies", "deals", "tickets", "pets"])
def test_seeded_records_pass_their_own_checks(object_type: str) -> None:
    """Every seeded value is one that HubSpot would take."""
    sandbox = HubSpotSandbox(records={object_type: 40})
    own = ("hs_object_id", "createdate", "hs_lastmodifieddate")
    for shown in sandbox.objects(object_type).values():
        for name, value in shown["properties"].items():
            if name not in own:
                sandbox.set_value(object_type, shown["id"], name, value)
                assert sandbox.objects(object_type)[shown["id"]]["properties"][name] == value


def test_records_can_be_given(make: MakeSandbox) -> None:
    """Records may be given by their properties, with or without an id, and more can be added."""
    pair = make(records={"companies": [{"id": 901, "name": "Acme", "numberofemployees": 7}, {"name": "Other"}]})
    companies = pair.sandbox.objects("0-2")
    assert companies["901"]["properties"]["numberofemployees"] == "7"
    assert len(companies) == 2
    assert pair.sandbox.add_records("companies", 2) == ["3", "4"]
    assert pair.client.update(row("901", {"name": "Acme Inc"}), object_type="companies").status_code == 200


@pytest.mark.parametrize("record", [{"nope": "x"}, {"plan": "Veza"}])
def test_given_records_are_checked(record: dict[str, str]) -> None:
    """A given record with an unknown property or a bad value is refused at once."""
    with pytest.raises(ValueError, match=r"nope|Veza"):
        HubSpotSandbox(records={"contacts": [record]})


def test_an_unknown_object_type_is_refused_at_once() -> None:
    """Records of a type that doesn't exist are refused, with the types that do."""
    with pytest.raises(KeyError, match="there are contacts"):
        HubSpotSandbox(records={"butterflies": 1})


def test_objects_are_copies(pair: Pair) -> None:
    """Changing what objects() gave changes nothing."""
    pair.sandbox.objects("contacts")["1"]["properties"]["firstname"] = "Changed"
    assert pair.sandbox.objects("contacts")["1"]["properties"]["firstname"] != "Changed"


def test_values_can_be_set_from_behind(pair: Pair) -> None:
    """set_value acts as somebody in HubSpot's app would: HubSpot's next replies have it."""
    pair.sandbox.set_value("contacts", "1", "plan", "enterprise")
    assert pair.client.read("1", properties=("plan",)).json()["results"][0]["properties"]["plan"] == "enterprise"
    with pytest.raises(ValueError, match="plan"):
        pair.sandbox.set_value("contacts", "1", "plan", "Veza")


def test_definitions_can_be_added_and_removed(pair: Pair) -> None:
    """add_property takes our definition or HubSpot's JSON; remove_property makes it unknown."""
    options = (Option(label="Red", value="red"),)
    pair.sandbox.add_property(
        "contacts", PropertyDefinition(name="colour", type="enumeration", field_type="select", options=options)
    )
    pair.sandbox.add_property("contacts", {"name": "badge", "hasUniqueValue": True})
    assert pair.client.update(row("1", {"colour": "red", "badge": "b1"})).status_code == 200
    assert pair.client.update(row("2", {"badge": "b1"})).status_code == 400
    assert pair.client.update(row("b1", {}, idProperty="badge")).json()["results"][0]["id"] == "1"
    pair.sandbox.remove_property("contacts", "colour")
    assert pair.client.update(row("1", {"colour": "red"})).status_code == 400


def test_object_types_can_be_added(pair: Pair) -> None:
    """add_object_type makes another type, with a property of each kind."""
    pair.sandbox.add_object_type("cars", "2-777")
    assert pair.sandbox.add_records("cars", [{"plan": "pro"}]) == ["1"]
    assert pair.client.update(row("1", {"plan": "free"}), object_type="2-777").status_code == 200


def test_requests_are_recorded(pair: Pair) -> None:
    """Each request is kept: method, path, headers, body, status and times; the record can't be changed."""
    pair.client.update(row("1"))
    (request,) = pair.sandbox.requests
    assert (request.method, request.path) == ("POST", "/crm/objects/2026-03/contacts/batch/update")
    assert request.headers["authorization"] == f"Bearer {pair.sandbox.token}"
    assert request.json == {"inputs": [row("1")]}
    assert request.status == 200
    assert request.counted_at is not None
    assert request.received_at <= request.counted_at <= request.answered_at
    with pytest.raises(AttributeError):
        request.status = 500  # type: ignore[misc]
    pair.sandbox.forget_requests()
    assert pair.sandbox.requests == []
    assert pair.sandbox.statistics["total"] == 0


def test_records_of_requests_are_bounded(make: MakeSandbox) -> None:
    """Bodies may be left out, and only so many requests are kept."""
    pair = make(record_bodies=False, max_recorded_requests=3)
    for _ in range(5):
        pair.client.update(row("1"))
    assert [request.json for request in pair.sandbox.requests] == [None] * 3
    assert pair.sandbox.statistics["total"] == 5


def test_a_connection_is_ready_to_paste(pair: Pair) -> None:
    """connection() is the JSON of an AIRFLOW_CONN_ variable; by OAuth too."""
    assert json.loads(pair.sandbox.connection()) == {
        "conn_type": "hubspot",
        "host": pair.sandbox.url,
        "password": pair.sandbox.token,
    }
    assert json.loads(pair.sandbox.connection(api_version="2026-09"))["extra"] == {"api_version": "2026-09"}
    extra = json.loads(pair.sandbox.oauth_connection())["extra"]
    assert extra.keys() == {"auth_type", "client_id", "client_secret", "refresh_token"}


def test_behaviours_are_switched_while_it_runs(pair: Pair) -> None:
    """switch() changes a behaviour from the next request on; unknown names and values are refused."""
    pair.sandbox.switch(null_clears=True, shuffle_results=False)
    pair.client.update(row("1", {"city": None}))
    assert pair.sandbox.objects("contacts")["1"]["properties"]["city"] == ""
    for wrong in ({"no_such": True}, {"null_clears": "yes"}, {"count_at": 2}, {"unique_conflict": "x"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            pair.sandbox.switch(**wrong)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("null_clears=true", {"null_clears": True}),
        ("shuffle_results=False", {"shuffle_results": False}),
        ("max_body_bytes=1000", {"max_body_bytes": 1000}),
        ("max_body_bytes=none", {"max_body_bytes": None}),
        ("count_at=0.5", {"count_at": 0.5}),
        ("count_at=reply", {"count_at": "reply"}),
        ("error_details=none", {"error_details": "none"}),
        ("retry_after_on_429=none", {"retry_after_on_429": "none"}),
    ],
)
def test_behaviours_can_be_written_as_text(text: str, expected: dict[str, Any]) -> None:
    """Each behaviour can be given as name=value."""
    assert parse_behaviour(text) == expected
    assert Behaviours().changed(**expected)


def test_every_behaviour_is_documented() -> None:
    """Each switch has a line in the docstring."""
    for name in vars(Behaviours()):
        assert f":param {name}:" in (Behaviours.__doc__ or "")


def test_the_page_shows_what_it_holds(pair: Pair) -> None:
    """The page has records, changes, requests and limits, with everything escaped, and needs no token."""
    pair.client.update(row("1", {"firstname": "<script>alert(1)</script>"}))
    pair.client.update(row("1", {"plan": "<b>"}))
    page = pair.client.get("/").text
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "2 of 190 calls" in page
    assert "batch/update" in page
    assert pair.sandbox.token not in page


def test_the_state_can_be_asked_for(pair: Pair) -> None:
    """GET /_sandbox/state, /requests and /objects tell what the sandbox holds; they are no requests themselves."""
    pair.client.update(row("1"))
    state = pair.client.get("/_sandbox/state").json()
    assert state["records"]["contacts"] == 20
    assert state["behaviours"]["null_clears"] is False
    requests = pair.client.get("/_sandbox/requests").json()
    assert requests["total"] == 1
    assert requests["requests"][0]["path"] == "/crm/objects/2026-03/contacts/batch/update"
    assert pair.client.get("/_sandbox/requests", limit="0").json()["requests"] == []
    assert pair.client.get("/_sandbox/objects/contacts").json() == pair.sandbox.objects("contacts")
    assert pair.client.get("/_sandbox/objects/butterflies").status_code == 404


def test_the_controls_work_over_http(pair: Pair) -> None:
    """POST /_sandbox/do/<name> does what the method of that name does."""

    def do(action: str, **arguments: Any) -> Any:
        return pair.client.post(f"/_sandbox/do/{action}", arguments)

    do("archive", object_type="contacts", record_id="1")
    do("merge", object_type="contacts", from_id="2", into_id="3")
    assert do("add_records", object_type="contacts", records=2).json() == {"result": ["21", "22"]}
    do("set_value", object_type="contacts", record_id="4", property_name="city", value="Oslo")
    do("switch", null_clears=True)
    do("add_property", object_type="contacts", definition={"name": "badge"})
    assert pair.client.update(row("4", {"badge": "x", "plan": None})).status_code == 200
    objects = pair.sandbox.objects("contacts")
    assert objects.keys() & {"1", "2"} == set()
    assert (objects["4"]["properties"]["city"], objects["4"]["properties"]["plan"]) == ("Oslo", "")
    do("spend_daily_quota", leave=0)
    assert pair.client.details().status_code == 429
    do("reset_limits")
    assert pair.client.details().status_code == 200
    assert do("rotate_token").json()["result"] == pair.sandbox.token
    assert do("explode").status_code == 404
    assert do("merge", object_type="contacts", from_id="1", into_id="9999").status_code == 400
    assert do("archive", colour="red").status_code == 400


def test_single_records_and_pages_work(pair: Pair) -> None:
    """GET lists records page by page; PATCH updates one, or says what is wrong."""
    path = "/crm/objects/2026-03/contacts"
    first = pair.client.get(path, limit="15", properties="plan").json()
    rest = pair.client.get(path, limit="15", after=first["paging"]["next"]["after"]).json()
    assert [one["id"] for one in (*first["results"], *rest["results"])] == [str(number) for number in range(1, 21)]
    assert "paging" not in rest
    assert pair.client.get(path, limit="500").status_code == 400
    assert pair.client.patch(f"{path}/1", {"properties": {"city": "Oslo"}}).json()["properties"]["city"] == "Oslo"
    assert pair.client.patch(f"{path}/1", {"properties": {"plan": "Veza"}}).status_code == 400
    assert pair.client.patch(f"{path}/1", {}).status_code == 400
    assert pair.client.patch(f"{path}/999", {"properties": {}}).status_code == 404
