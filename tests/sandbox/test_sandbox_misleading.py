"""Replies that can mislead: errors that name another row, another place or nothing, and values that weren't taken."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox.hubspot_client import Client, row

if TYPE_CHECKING:
    from tests.sandbox.conftest import MakeSandbox, Pair


def problem(response: Any) -> dict[str, Any]:
    """The first problem of the list in a refusal's message."""
    first: dict[str, Any] = json.loads(response.json()["message"].removeprefix("Property values were not valid: "))[0]
    return first


@pytest.mark.parametrize(
    ("echo", "shown"),
    [
        ("sent", {"plan", "city", "email"}),
        ("changed", {"city", "email"}),
        ("defaults", {"email"}),
        ("nothing", set()),
    ],
)
@pytest.mark.parametrize("verb", ["update", "upsert"])
def test_results_echo_more_or_less(make: MakeSandbox, echo: str, shown: set[str], verb: str) -> None:
    """Results have what was sent, unchanged values too, or what changed, with some defaults; or these; or nothing."""
    pair = make(behaviours={"results_echo": echo})
    before = pair.sandbox.objects("contacts")["1"]["properties"]
    key = {"update": {"id": "1"}, "upsert": {"id": before["customer_number"], "idProperty": "customer_number"}}
    inputs = [{**key[verb], "properties": {"plan": before["plan"], "city": "Xanadu"}}]
    (result,) = pair.client.batch(verb, inputs).json()["results"]
    assert result["id"] == "1"
    assert result["properties"].keys() & {"plan", "city", "email"} == shown


@pytest.mark.parametrize(("sends_key", "shown"), [(True, True), (False, False)])
def test_results_have_the_key_if_it_was_sent_as_a_property(pair: Pair, sends_key: bool, shown: bool) -> None:
    """A key that is only the input's id is in no result; one that was sent among the properties, too, is."""
    properties = {"city": "Oslo"} | ({"customer_number": "C-000003"} if sends_key else {})
    (result,) = pair.client.update(row("C-000003", properties, idProperty="customer_number")).json()["results"]
    assert ("customer_number" in result["properties"]) == shown


@pytest.mark.parametrize(("pipeline", "status"), [("default", 400), ("renewals", 200)])
def test_a_stage_is_right_in_its_pipeline_only(make: MakeSandbox, pipeline: str, status: int) -> None:
    """A stage of another pipeline is refused, and the message quotes it with the stages that would do."""
    client = make(records={"deals": 2}).client
    response = client.update(row("1", {"pipeline": pipeline, "dealstage": "registered"}), object_type="deals")
    assert response.status_code == status
    if status == 400:
        stages = "appointmentscheduled, qualifiedtobuy, contractsent, closedwon, closedlost"
        assert problem(response) == {
            "isValid": False,
            "message": "registered is not a valid pipeline stage ID. "
            f"Valid options are: pipelineId=default : [{stages}]",
            "error": "INVALID_OPTION",
            "name": "dealstage",
        }


def test_a_stage_may_be_refused_in_a_row_without_it(make: MakeSandbox) -> None:
    """A row that only changes the pipeline leaves the record's stage in the wrong one, and is refused for it."""
    client = make(records={"deals": [{"pipeline": "default", "dealstage": "closedwon"}]}).client
    assert problem(client.update(row("1", {"pipeline": "renewals"}), object_type="deals"))["name"] == "dealstage"
    assert client.update(row("1", {"amount": "5"}), object_type="deals").status_code == 200


def test_pipelines_can_be_added(make: MakeSandbox) -> None:
    """add_pipeline makes a pipeline with its stages; types without pipelines have none."""
    pair = make(records={"tickets": 1})
    pair.sandbox.add_pipeline("tickets", "9", ["91", "92"])
    moved = row("1", {"hs_pipeline": "9", "hs_pipeline_stage": "92"})
    assert pair.client.update(moved, object_type="tickets").status_code == 200
    with pytest.raises(KeyError, match="no pipelines"):
        pair.sandbox.add_pipeline("contacts", "9", [])


def test_a_dependent_field_goes_by_its_controlling_one(pair: Pair) -> None:
    """A value that one row may have is refused in another, by what its controlling property holds."""
    pair.sandbox.make_dependent("contacts", "plan", "size_band", {"small": ["free"], "large": ["pro", "enterprise"]})
    assert pair.client.update(row("1", {"size_band": "large", "plan": "pro"})).status_code == 200
    refused = problem(pair.client.update(row("2", {"size_band": "small", "plan": "pro"})))
    assert (refused["name"], refused["error"]) == ("plan", "INVALID_OPTION")
    assert refused["message"] == "pro was not one of the allowed options: [free]"
    assert problem(pair.client.update(row("1", {"size_band": "small"})))["name"] == "plan"
    assert pair.client.update(row("1", {"city": "Oslo"})).status_code == 200


def test_conditional_rules_may_hold_before_2026_09(make: MakeSandbox) -> None:
    """With conditional_rules="always", the refusal names a property that the row lacks."""
    pair = make(behaviours={"conditional_rules": "always"})
    pair.sandbox.require_when("contacts", "jobtitle", "plan", "enterprise")
    (detail,) = pair.client.update(row("1", {"plan": "enterprise", "city": "Oslo"})).json()["errors"]
    assert detail["code"] == "MISSING_CONDITIONAL_REQUIRED_PROPERTY"
    assert detail["context"] == {"propertyName": ["jobtitle"]}
    assert pair.client.update(row("1", {"plan": "enterprise", "jobtitle": "CTO"})).status_code == 200


def test_a_2xx_has_its_correlation_id_in_the_header_only(pair: Pair) -> None:
    """An error inside a 2xx has no correlation id; the header has it, as every reply's."""
    response = pair.client.update(row("1"), row("999"))
    assert response.headers["X-HubSpot-Correlation-Id"]
    assert "correlationId" not in response.text


@pytest.mark.parametrize("in_bodies", [True, False])
def test_a_4xx_may_have_its_correlation_id_in_the_header_only(make: MakeSandbox, in_bodies: bool) -> None:
    """With correlation_id_in_bodies off, only the header has it."""
    response = make(behaviours={"correlation_id_in_bodies": in_bodies}).client.update(row("1", {"plan": "Veza"}))
    header = response.headers["X-HubSpot-Correlation-Id"]
    assert response.json().get("correlationId") == (header if in_bodies else None)


def test_a_reason_may_stand_in_the_details_only(make: MakeSandbox) -> None:
    """With reasons_in_details_only, a 400 has no message beside its errors."""
    body = make(behaviours={"reasons_in_details_only": True}).client.update(row("1", {"plan": "Veza"})).json()
    assert "message" not in body
    assert body["errors"][0]["message"].startswith("Veza was not one of the allowed options")


@pytest.mark.parametrize(
    ("place", "context", "details"),
    [
        ("context", {"requiredGranularScopes": ["crm.objects.contacts.write"]}, None),
        ("missing_scopes", {"missingScopes": ["crm.objects.contacts.write"]}, None),
        ("errors", None, {"requiredGranularScopes": ["crm.objects.contacts.write"]}),
        ("required_scopes", None, {"requiredScopes": ["crm.objects.contacts.write"]}),
        ("nowhere", None, None),
    ],
)
def test_missing_scopes_are_named_in_several_ways(
    make: MakeSandbox, place: str, context: dict[str, Any] | None, details: dict[str, Any] | None
) -> None:
    """A 403 names the scopes in its context, in its details, by either word, or not at all."""
    pair = make(tokens={"reader": ["crm.objects.contacts.read"]}, behaviours={"missing_scopes_in": place})
    with Client(pair.sandbox, token="reader") as client:
        body = client.update(row("1")).json()
    assert body["category"] == "MISSING_SCOPES"
    assert body.get("context") == context
    assert [one["context"] for one in body.get("errors", [])] == ([details] if details else [])


@pytest.mark.parametrize(
    ("place", "more"), [("message", {}), ("existing_id", {"existingId": ["7"]}), ("ids", {"ids": ["7"]})]
)
def test_a_conflict_inside_a_2xx_names_two_records(make: MakeSandbox, place: str, more: dict[str, Any]) -> None:
    """The trace id is the bad row's; the record that has the value is in the message, or in the context too."""
    behaviours = {"trace_ids_isolate_errors": True, "unique_conflict": "CONFLICT", "existing_id_in": place}
    pair = make(behaviours=behaviours)
    response = pair.client.update(
        row("1", {"customer_number": "C-000007"}, objectWriteTraceId="bad"), row("7", objectWriteTraceId="good")
    )
    assert response.status_code == 207
    assert [result["id"] for result in response.json()["results"]] == ["7"]
    (error,) = response.json()["errors"]
    assert (error["category"], error["message"]) == ("CONFLICT", "Contact already exists. Existing ID: 7")
    assert error["context"] == {"objectWriteTraceId": ["bad"], **more}


@pytest.mark.parametrize(("told", "status"), [("coordinates_404", 404), ("coordinates_400", 400)])
@pytest.mark.parametrize("verb", ["update", "read"])
def test_missing_keys_may_be_told_as_coordinates(make: MakeSandbox, told: str, status: int, verb: str) -> None:
    """With missing_keys, the batch is refused, and its context ends in the keys that no record has."""
    pair = make(behaviours={"missing_keys": told})
    if verb == "update":
        inputs = [row(one, idProperty="customer_number") for one in ("C-000001", "X", "Y")]
        response = pair.client.batch("update", inputs)
    else:
        response = pair.client.read("C-000001", "X", "Y", idProperty="customer_number")
    assert response.status_code == status
    coordinates = response.json()["context"]["missingObjectPropertyValueCoordinates"]
    assert coordinates == ["0-1:customer_number:X", "0-1:customer_number:Y"]
    assert pair.sandbox.objects("contacts")["1"]["properties"]["firstname"] != "New"
    assert pair.client.update(row("999")).status_code == 207


@pytest.mark.parametrize(("backward", "shown"), [("ignored", "customer"), ("left_out", None)])
def test_a_value_may_not_be_taken(make: MakeSandbox, backward: str, shown: str | None) -> None:
    """A stage that doesn't move back: 200, and the result shows the stage as it is, or the other properties only."""
    pair = make(
        records={"contacts": [{"lifecyclestage": "customer"}]}, behaviours={"lifecyclestage_backward": backward}
    )
    response = pair.client.update(row("1", {"lifecyclestage": "lead", "city": "Oslo"}))
    assert response.status_code == 200
    (result,) = response.json()["results"]
    assert result["properties"].get("lifecyclestage") == shown
    assert result["properties"]["city"] == "Oslo"


@pytest.mark.parametrize(("white_space", "status"), [("kept", 200), ("refused", 400)])
def test_white_space_around_a_phone_number(make: MakeSandbox, white_space: str, status: int) -> None:
    """Outer white space is kept, or refused where that is switched on; of plain texts never."""
    client = make(behaviours={"white_space": white_space}).client
    response = client.update(row("1", {"phone": " +49 30 123"}))
    assert response.status_code == status
    if status == 400:
        assert problem(response)["error"] == "LEADING_TRAILING_WHITESPACE"
    assert client.update(row("1", {"city": " Oslo "})).status_code == 200


@pytest.mark.parametrize(
    ("version", "switch", "shown"),
    [
        ("2026-03", "by_version", ""),
        ("2026-09", "by_version", None),
        ("2026-03", "null", None),
        ("2026-09", "empty", ""),
    ],
)
def test_a_cleared_value_is_shown_as_null_or_empty(
    make: MakeSandbox, version: str, switch: str, shown: str | None
) -> None:
    """A cleared value is null from 2026-09 on, or as switched."""
    client = make(version=version, behaviours={"cleared_values": switch}).client
    (result,) = client.update(row("1", {"city": ""})).json()["results"]
    assert result["properties"]["city"] == shown
    assert client.read("1", properties=("city",)).json()["results"][0]["properties"]["city"] == shown


@pytest.mark.parametrize("sent", [True, False])
def test_replies_tell_the_time(make: MakeSandbox, sent: bool) -> None:
    """Every reply has HubSpot's Date, unless that is switched off; errors too."""
    client = make(behaviours={"date_header": sent}).client
    for response in (client.update(row("1")), client.update(row("1", {"plan": "Veza"})), client.get("/crm/nothing")):
        assert ("Date" in response.headers) == sent
