"""The endpoints beside batch/update, and the two versions of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox.hubspot_client import row

if TYPE_CHECKING:
    from tests.sandbox.conftest import MakeSandbox, Pair


def test_read_gives_the_properties_asked_for(pair: Pair) -> None:
    """batch/read gives the properties asked for, null where nothing is set, and some defaults."""
    response = pair.client.read("2", "1", properties=("plan", "score", "no_such_property"))
    assert response.status_code == 200
    results = {result["id"]: result["properties"] for result in response.json()["results"]}
    assert results.keys() == {"1", "2"}
    assert results["1"]["plan"] == pair.sandbox.objects("contacts")["1"]["properties"]["plan"]
    assert results["1"]["score"] is None
    assert "no_such_property" not in results["1"]
    assert results["1"]["hs_object_id"] == "1"


def test_read_names_what_is_missing(pair: Pair) -> None:
    """batch/read answers 207 and one OBJECT_NOT_FOUND for the ids that it doesn't find."""
    response = pair.client.read("1", "888", "999")
    assert response.status_code == 207
    assert response.json()["errors"][0]["context"] == {"ids": ["888", "999"]}


def test_read_takes_one_id_property_for_all(pair: Pair) -> None:
    """In batch/read, idProperty is top-level; a unique property and a contact's email work."""
    email = pair.sandbox.objects("contacts")["4"]["properties"]["email"]
    assert pair.client.read(email.title(), idProperty="email").json()["results"][0]["id"] == "4"
    assert pair.client.read("C-000005", idProperty="customer_number").json()["results"][0]["id"] == "5"
    assert pair.client.read("x", idProperty="city").status_code == 400


def test_read_finds_contacts_by_secondary_addresses(pair: Pair) -> None:
    """hs_additional_emails identify a contact, too; the record comes once however often it was asked for."""
    pair.client.update(row("4", {"hs_additional_emails": "second@example.com;third@example.com"}))
    email = pair.sandbox.objects("contacts")["4"]["properties"]["email"]
    response = pair.client.read(
        "second@example.com", "third@example.com", email, idProperty="email", properties=("hs_additional_emails",)
    )
    (result,) = response.json()["results"]
    assert result["id"] == "4"
    assert result["properties"]["hs_additional_emails"] == "second@example.com;third@example.com"


def test_read_gives_a_history_if_asked(pair: Pair) -> None:
    """PropertiesWithHistory come with their values."""
    (result,) = pair.client.read("1", propertiesWithHistory=["plan"]).json()["results"]
    assert result["propertiesWithHistory"]["plan"][0]["value"]


def test_a_merged_contact_keeps_the_others_address(pair: Pair) -> None:
    """After a merge, both addresses lead to the surviving record."""
    gone = pair.sandbox.objects("contacts")["3"]["properties"]["email"]
    pair.sandbox.merge("contacts", "3", "4")
    assert pair.client.read(gone, idProperty="email").json()["results"][0]["id"] == "4"
    pair.sandbox.merge("contacts", "4", "5")
    assert pair.client.read("3").json()["results"][0]["id"] == "5"


def test_create_makes_records_and_isolates_traced_rows(pair: Pair) -> None:
    """batch/create: 201; a bad row with a trace id costs only itself, 207."""
    good = {"properties": {"firstname": "Ada"}, "objectWriteTraceId": "a"}
    response = pair.client.batch("create", [good])
    assert response.status_code == 201
    record_id = response.json()["results"][0]["id"]
    assert pair.sandbox.objects("contacts")[record_id]["properties"]["firstname"] == "Ada"
    bad = {"properties": {"plan": "Veza"}, "objectWriteTraceId": "b"}
    response = pair.client.batch("create", [good, bad])
    assert response.status_code == 207
    assert len(response.json()["results"]) == 1
    assert response.json()["errors"][0]["context"] == {"objectWriteTraceId": ["b"]}


def test_upsert_updates_or_creates(pair: Pair) -> None:
    """batch/upsert goes by an own unique property or a contact's email, and says which records are new."""
    email = pair.sandbox.objects("contacts")["4"]["properties"]["email"]
    response = pair.client.batch(
        "upsert", [row(email, idProperty="email"), row("fresh@example.com", idProperty="email")]
    )
    assert response.status_code == 200
    assert {result["id"]: result["new"] for result in response.json()["results"]} == {"4": False, "21": True}
    assert pair.sandbox.objects("contacts")["21"]["properties"]["email"] == "fresh@example.com"
    assert pair.client.batch("upsert", [row("1")]).status_code == 400


def test_archive_takes_records_away(pair: Pair) -> None:
    """batch/archive: 204, and the records are found no more."""
    response = pair.client.batch("archive", [{"id": "1"}, {"id": "999"}])
    assert (response.status_code, response.content) == (204, b"")
    assert pair.client.read("1").status_code == 207
    assert "1" not in pair.sandbox.objects("contacts")
    assert pair.sandbox.objects("contacts", archived=True)["1"]["archivedAt"]


SINGLE = "/crm/objects/2026-03/contacts"


def test_one_object_can_be_read(pair: Pair) -> None:
    """A single record: its object, or 404 OBJECT_NOT_FOUND; archived ones if asked for."""
    pair.sandbox.merge("contacts", "3", "4")
    assert pair.client.get(f"{SINGLE}/3", properties="plan").json()["id"] == "4"
    response = pair.client.get(f"{SINGLE}/999")
    assert response.status_code == 404
    assert response.json()["category"] == "OBJECT_NOT_FOUND"
    pair.sandbox.archive("contacts", "5")
    assert pair.client.get(f"{SINGLE}/5").status_code == 404
    assert pair.client.get(f"{SINGLE}/5", archived="true").json()["archivedAt"]
    assert [one["id"] for one in pair.client.get(SINGLE, archived="true").json()["results"]] == ["5"]


def test_one_object_is_shown_as_in_a_batch(make: MakeSandbox) -> None:
    """A single create or update has the warnings and echoes of a batch's results."""
    pair = make(version="2026-09")
    path = SINGLE.replace("2026-03", "2026-09")
    sent = {"properties": {"renewal_date": "2026-02-28T12:30:00Z", "city": ""}}
    for response in (pair.client.post(path, sent), pair.client.patch(f"{path}/1", sent)):
        shown = response.json()
        assert shown["warnings"][0]["category"] == "PROPERTY_VALUE_NORMALIZED"
        assert (shown["properties"]["renewal_date"], shown["properties"]["city"]) == ("2026-02-28", None)
    pair.sandbox.switch(results_echo="nothing")
    assert pair.client.patch(f"{path}/1", sent).json()["properties"] == {}


@pytest.mark.parametrize("id_property", ["email", "customer_number", "hs_object_id"])
def test_one_object_goes_by_a_property(pair: Pair, id_property: str) -> None:
    """A single record is read and updated by a contact's email or a unique property; another one is refused."""
    value = pair.sandbox.objects("contacts")["7"]["properties"][id_property]
    assert pair.client.get(f"{SINGLE}/{value}", idProperty=id_property).json()["id"] == "7"
    changed = pair.client.patch(f"{SINGLE}/{value}?idProperty={id_property}", {"properties": {"city": "Oslo"}})
    assert (changed.status_code, changed.json()["id"]) == (200, "7")
    assert pair.sandbox.objects("contacts")["7"]["properties"]["city"] == "Oslo"
    assert pair.client.patch(f"{SINGLE}/Oslo?idProperty=city", {"properties": {"city": "Rome"}}).status_code == 400
    assert pair.client.patch(f"{SINGLE}/nobody?idProperty={id_property}", {"properties": {}}).status_code == 404


def test_one_object_is_made_and_archived(pair: Pair) -> None:
    """POST makes a record: 201 and its object; DELETE archives it: 204, and once more 204."""
    made = pair.client.post(SINGLE, {"properties": {"email": "New@Example.com", "plan": "pro"}})
    assert made.status_code == 201
    assert made.json()["properties"]["email"] == "new@example.com"
    assert pair.sandbox.objects("contacts")[made.json()["id"]]["properties"]["plan"] == "pro"
    assert pair.client.post(SINGLE, {"properties": {"plan": "Veza"}}).status_code == 400
    assert pair.client.post(SINGLE, {}).status_code == 400
    assert [pair.client.delete(f"{SINGLE}/{made.json()['id']}").status_code for _ in range(2)] == [204, 204]
    assert made.json()["id"] not in pair.sandbox.objects("contacts")


def test_2026_09_never_answers_207(make: MakeSandbox) -> None:
    """From 2026-09, numErrors and errors sit in the 200 body."""
    client = make(version="2026-09").client
    response = client.update(row("1"), row("999"))
    assert response.status_code == 200
    assert response.json()["numErrors"] == 1
    assert response.json()["errors"][0]["context"] == {"ids": ["999"]}
    assert client.update(row("1")).json()["errors"] == []


@pytest.mark.parametrize(("version", "status"), [("2026-03", 200), ("2026-09", 400)])
def test_conditional_rules_hold_from_2026_09(make: MakeSandbox, version: str, status: int) -> None:
    """An admin's conditional-required rule is enforced by 2026-09 only."""
    pair = make(version=version, records={"deals": 3})
    pair.sandbox.require_when("deals", "closed_lost_reason", "dealstage", "closedlost")
    response = pair.client.update(row("1", {"dealstage": "closedlost"}), object_type="deals")
    assert response.status_code == status
    if status == 400:
        body = response.json()
        assert body["category"] == "VALIDATION_ERROR"
        assert "message" not in body
        assert body["errors"] == [
            {
                "code": "MISSING_CONDITIONAL_REQUIRED_PROPERTY",
                "message": "closed_lost_reason is required because of a conditional property rule based on [dealstage]",
                "context": {"propertyName": ["closed_lost_reason"]},
            }
        ]
    good = row("2", {"dealstage": "closedlost", "closed_lost_reason": "Price"})
    assert pair.client.update(good, object_type="deals").status_code == 200


@pytest.mark.parametrize("version", ["2026-03", "2026-09"])
def test_a_new_record_may_need_a_property(make: MakeSandbox, version: str) -> None:
    """An admin's rule about new records: 400 MISSING_REQUIRED_PROPERTY, from 2026-09 on; updates don't mind."""
    pair = make(version=version)
    pair.sandbox.require_on_create("contacts", "plan")
    refused = pair.client.batch("create", [{"properties": {"firstname": "Ada"}}])
    if version == "2026-03":
        assert refused.status_code == 201
    else:
        assert refused.status_code == 400
        assert refused.json()["errors"][0]["code"] == "MISSING_REQUIRED_PROPERTY"
        assert pair.client.batch("create", [{"properties": {"plan": "pro"}}]).status_code == 201
    pair.sandbox.set_value("contacts", "1", "plan", "")
    assert pair.client.update(row("1")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/account-info/2020-01/details", 404),
        ("GET", "/crm/nothing", 404),
        ("GET", "/crm", 404),
        ("GET", "/crm/objects/2026-03/contacts/batch/update", 405),
        ("PUT", "/crm/objects/2026-03/contacts", 405),
        ("PROPFIND", "/account-info/2026-03/details", 405),
        ("TRACE", "/nowhere", 404),
    ],
)
def test_what_is_no_endpoint_is_told_in_hubspots_words(pair: Pair, method: str, path: str, status: int) -> None:
    """404 for a version or a path that isn't there, 405 for another method: HubSpot's error body, with its id."""
    response = pair.client.request(method, path)
    assert response.status_code == status
    assert response.json().keys() >= {"status", "message", "correlationId"}
    assert response.headers["X-HubSpot-Correlation-Id"] == response.json()["correlationId"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/_sandbox/nothing", 404),
        ("PUT", "/_sandbox/state", 405),
        ("GET", "/_sandbox/requests?limit=many", 400),
        ("GET", "/_sandbox/objects/contacts?archived=perhaps", 400),
    ],
)
def test_the_sandboxs_own_endpoints_have_one_shape_of_error(pair: Pair, method: str, path: str, status: int) -> None:
    """What can't be asked of the sandbox's own endpoints: an error that says why."""
    response = pair.client.request(method, path)
    assert response.status_code == status
    assert response.json().keys() == {"error"}


@pytest.mark.parametrize("object_type", ["contacts", "companies", "deals", "tickets", "pets"])
def test_every_kind_of_property_is_seeded(pair: Pair, object_type: str) -> None:
    """Each object type has a property of each kind."""
    found = pair.client.get(f"/crm/properties/2026-03/{object_type}").json()["results"]
    kinds = {(one["type"], one["fieldType"]) for one in found}
    assert kinds >= {
        ("string", "text"),
        ("string", "textarea"),
        ("number", "number"),
        ("date", "date"),
        ("datetime", "date"),
        ("bool", "booleancheckbox"),
        ("enumeration", "select"),
        ("enumeration", "radio"),
        ("enumeration", "checkbox"),
    }
    assert any(one["hasUniqueValue"] and not one["modificationMetadata"]["readOnlyValue"] for one in found)
    assert any(one["calculated"] for one in found)
    assert any(one["externalOptions"] for one in found)
    assert any(option["hidden"] for one in found for option in one["options"])


def test_a_property_definition_has_hubspots_shape(pair: Pair) -> None:
    """A definition has the fields of HubSpot's."""
    definition = pair.client.get("/crm/properties/2026-03/0-1/customer_number").json()
    assert definition["hasUniqueValue"] is True
    assert definition["modificationMetadata"].keys() == {"archivable", "readOnlyDefinition", "readOnlyValue"}
    assert pair.client.get("/crm/properties/2026-03/contacts/nothing").status_code == 404
    assert pair.client.get("/crm/properties/2026-03/butterflies").status_code == 400


def test_properties_can_be_created(pair: Pair) -> None:
    """POST adds a custom property: 201; once more 409; a bad name 400; and its values are checked."""
    definition: dict[str, Any] = {
        "name": "tshirt",
        "label": "T-shirt",
        "type": "enumeration",
        "fieldType": "select",
        "groupName": "contactinformation",
        "options": [{"label": "Small", "value": "s"}, {"label": "Large", "value": "l", "hidden": True}],
    }
    path = "/crm/properties/2026-03/contacts"
    assert pair.client.post(path, definition).status_code == 201
    assert pair.client.post(path, definition).status_code == 409
    assert pair.client.post(path, {**definition, "name": "T Shirt"}).status_code == 400
    assert pair.client.update(row("1", {"tshirt": "l"})).status_code == 200
    assert pair.client.update(row("1", {"tshirt": "xl"})).status_code == 400
    assert pair.client.get(f"{path}/tshirt").json()["options"][1]["hidden"] is True


def test_archived_properties_do_not_exist_for_values(pair: Pair) -> None:
    """An archived property is listed only if asked for, and takes no values."""
    pair.sandbox.add_property("contacts", {"name": "old_field", "archived": True})
    path = "/crm/properties/2026-03/contacts"
    assert "old_field" not in {one["name"] for one in pair.client.get(path).json()["results"]}
    assert [one["name"] for one in pair.client.get(path, archived="true").json()["results"]] == ["old_field"]
    assert pair.client.update(row("1", {"old_field": "x"})).json()["errors"][0]["code"] == "PROPERTY_DOESNT_EXIST"


def test_there_may_be_hundreds_of_properties(make: MakeSandbox) -> None:
    """extra_properties adds text properties to every object type."""
    client = make(extra_properties=300).client
    assert len(client.get("/crm/properties/2026-03/contacts").json()["results"]) > 300
    assert client.update(row("1", {"extra_0300": "x"})).status_code == 200


def test_account_details_and_usage(make: MakeSandbox) -> None:
    """account-info tells the account, its time zone, the calls made today and when the limit resets."""
    pair = make(portal_id=77, time_zone="Asia/Kolkata", daily_limit=1000)
    details = pair.client.details().json()
    assert details["portalId"] == 77
    assert details["accountType"] == "STANDARD"
    assert (details["utcOffset"], details["utcOffsetMilliseconds"]) == ("+05:30", 19_800_000)
    usage = pair.client.get("/account-info/2026-03/api-usage/daily/private-apps").json()["results"][0]
    assert (usage["usageLimit"], usage["currentUsage"]) == (1000, 2)
    assert usage["resetsAt"].endswith("T18:30:00.000Z")


def test_usage_has_a_number_as_limit_without_one(make: MakeSandbox) -> None:
    """Without a daily limit, usageLimit is a number all the same, as HubSpot's clients want it."""
    client = make(daily_limit=None).client
    usage = client.get("/account-info/2026-03/api-usage/daily/private-apps").json()["results"][0]
    assert usage["usageLimit"] > usage["currentUsage"] == 1
