"""What one bad row does to its batch: every kind of bad row."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox.hubspot_client import row

if TYPE_CHECKING:
    from tests.sandbox.conftest import MakeSandbox, Pair

NOT_FOUND = "Could not get some CONTACT objects, they may be deleted or not exist. Check that ids are valid."


def result_ids(response: Any) -> list[str]:
    return sorted((result["id"] for result in response.json()["results"]), key=int)


def listed_problems(response: Any) -> list[dict[str, Any]]:
    """The JSON list that follows "Property values were not valid: "."""
    message = response.json()["message"]
    assert message.startswith("Property values were not valid: [")
    problems: list[dict[str, Any]] = json.loads(message.removeprefix("Property values were not valid: "))
    return problems


def test_good_rows_come_back_in_another_order_with_ids_changes_and_defaults(pair: Pair) -> None:
    """Results carry id, changed properties and some defaults, no trace id, and not the inputs' order."""
    response = pair.client.update(*(row(str(number), objectWriteTraceId=f"t{number}") for number in range(1, 11)))
    body = response.json()
    assert response.status_code == 200
    assert body["status"] == "COMPLETE"
    assert body.keys() == {"status", "results", "startedAt", "completedAt"}
    assert [result["id"] for result in body["results"]] != [str(number) for number in range(1, 11)]
    assert result_ids(response) == [str(number) for number in range(1, 11)]
    for result in body["results"]:
        assert result.keys() == {"id", "properties", "createdAt", "updatedAt", "archived"}
        assert result["properties"]["firstname"] == "New"
        assert {"email", "hs_object_id", "lastmodifieddate"} <= result["properties"].keys()


def test_results_are_shuffled_even_when_there_are_two(pair: Pair) -> None:
    """Two results never come in the order of their inputs."""
    for _ in range(5):
        response = pair.client.update(row("1"), row("2"))
        assert [result["id"] for result in response.json()["results"]] == ["2", "1"]


def test_results_can_come_in_input_order(make: MakeSandbox) -> None:
    """With shuffle_results off, results come in input order."""
    client = make(behaviours={"shuffle_results": False}).client
    response = client.update(row("3"), row("1"), row("2"))
    assert [result["id"] for result in response.json()["results"]] == ["3", "1", "2"]


def test_ids_that_do_not_exist_share_one_error_and_the_others_are_written(pair: Pair) -> None:
    """Unknown and archived ids: 207, one OBJECT_NOT_FOUND that names every bad id, the other rows are written."""
    pair.sandbox.archive("contacts", "5")
    response = pair.client.update(row("1"), row("99999"), row("5"), row("2"))
    body = response.json()
    assert response.status_code == 207
    assert result_ids(response) == ["1", "2"]
    assert body["numErrors"] == 1
    (error,) = body["errors"]
    assert error["category"] == "OBJECT_NOT_FOUND"
    assert error["message"] == NOT_FOUND
    assert error["context"] == {"ids": ["99999", "5"]}
    assert pair.sandbox.objects("contacts")["2"]["properties"]["firstname"] == "New"


def test_missing_ids_are_named_with_their_trace_ids(pair: Pair) -> None:
    """With trace ids sent, the error's context names them beside the ids."""
    response = pair.client.update(row("99999", objectWriteTraceId="a"), row("1", objectWriteTraceId="b"))
    assert response.json()["errors"][0]["context"] == {"ids": ["99999"], "objectWriteTraceId": ["a"]}


def test_missing_ids_may_come_without_trace_ids(make: MakeSandbox) -> None:
    """The trace ids in that error can be switched off."""
    client = make(behaviours={"missing_errors_name_trace_ids": False}).client
    response = client.update(row("99999", objectWriteTraceId="a"))
    assert response.json()["errors"][0]["context"] == {"ids": ["99999"]}


def test_a_merged_id_is_just_missing_from_the_results(pair: Pair) -> None:
    """An id merged into another record: 200, no error, no result, nothing written; batch/read gives its new id."""
    pair.sandbox.merge("contacts", "3", "4")
    response = pair.client.update(row("3"), row("1"))
    assert response.status_code == 200
    assert result_ids(response) == ["1"]
    assert "errors" not in response.json()
    assert pair.sandbox.objects("contacts")["4"]["properties"]["firstname"] != "New"
    assert result_ids(pair.client.read("3")) == ["4"]


def test_a_merged_id_may_reach_the_surviving_record(make: MakeSandbox) -> None:
    """With merged_ids_write, the surviving record is written, still without a result."""
    pair = make(behaviours={"merged_ids_write": True})
    pair.sandbox.merge("contacts", "3", "4")
    assert pair.client.update(row("3")).json()["results"] == []
    assert pair.sandbox.objects("contacts")["4"]["properties"]["firstname"] == "New"


@pytest.mark.parametrize(
    "bad",
    [{"id": "12x", "properties": {}}, {"id": "", "properties": {}}, {"properties": {}}, {"id": "1"}, {"id": "-4"}],
)
def test_a_malformed_row_empties_the_reply(pair: Pair, bad: dict[str, Any]) -> None:
    """A malformed id or a wrong shape: 2xx, empty results, no errors, and nothing was written."""
    response = pair.client.update(row("2"), bad)
    assert response.status_code == 200
    assert response.json()["results"] == []
    assert "errors" not in response.json()
    assert pair.sandbox.objects("contacts")["2"]["properties"]["firstname"] != "New"


def test_a_malformed_row_may_cost_only_itself(make: MakeSandbox) -> None:
    """With malformed_ids="row_left_out", the other rows are written."""
    client = make(behaviours={"malformed_ids": "row_left_out"}).client
    assert result_ids(client.update(row("2"), row("12x"))) == ["2"]


def test_the_same_id_twice_refuses_the_batch(pair: Pair) -> None:
    """The same id twice: 400 VALIDATION_ERROR that names the id."""
    response = pair.client.update(row("1"), row("2"), row("1"))
    body = response.json()
    assert response.status_code == 400
    assert body["category"] == "VALIDATION_ERROR"
    assert body["message"] == "Duplicate IDs found in batch input: [1]. IDs must be unique"
    assert body["context"] == {"ids": ["1"]}
    assert body["correlationId"]


def test_an_unknown_property_refuses_the_batch(pair: Pair) -> None:
    """A property that doesn't exist: 400, errors[].code and propertyName, no row named, nothing written."""
    response = pair.client.update(row("1"), row("2", {"favourite_tea": "green"}))
    body = response.json()
    assert response.status_code == 400
    assert body["category"] == "VALIDATION_ERROR"
    (detail,) = body["errors"]
    assert detail["code"] == "PROPERTY_DOESNT_EXIST"
    assert detail["context"] == {"propertyName": ["favourite_tea"]}
    assert pair.sandbox.objects("contacts")["1"]["properties"]["firstname"] != "New"


def test_property_names_are_matched_exactly(pair: Pair) -> None:
    """A name in another case doesn't exist."""
    assert pair.client.update(row("1", {"FirstName": "x"})).json()["errors"][0]["code"] == "PROPERTY_DOESNT_EXIST"


@pytest.mark.parametrize(
    ("name", "value", "code", "message"),
    [
        ("plan", "Veza", "INVALID_OPTION",
         "Veza was not one of the allowed options: [free, starter, pro, enterprise, legacy]"),
        ("email", "example.lcom", "INVALID_EMAIL", "Email address example.lcom is invalid"),
        ("annualrevenue", "1,000", "INVALID_INTEGER", "1,000 was not a valid number."),
        ("loyalty_code", "A1", "INVALID_ALPHA", "A1 must consist of letters only."),
    ],
)  # fmt: skip
def test_a_bad_value_refuses_the_batch(pair: Pair, name: str, value: str, code: str, message: str) -> None:
    """A bad option, email, number or admin's rule: 400 with a JSON list in its message; no row is named."""
    response = pair.client.update(row("1"), row("2", {name: value}, objectWriteTraceId="t2"))
    assert response.status_code == 400
    assert response.json()["category"] == "VALIDATION_ERROR"
    assert listed_problems(response) == [{"isValid": False, "message": message, "error": code, "name": name}]
    assert response.json()["errors"][0]["code"] == code
    assert "t2" not in response.text
    assert pair.sandbox.objects("contacts")["1"]["properties"]["firstname"] != "New"


@pytest.mark.parametrize(("details", "shown"), [("all", 2), ("first", 1), ("none", 0)])
def test_details_may_be_fewer_than_the_problems(make: MakeSandbox, details: str, shown: int) -> None:
    """Errors may be missing, or hold fewer entries than the message's list."""
    client = make(behaviours={"error_details": details}).client
    response = client.update(row("1", {"plan": "a"}), row("2", {"plan": "b"}))
    assert len(listed_problems(response)) == 2
    assert len(response.json().get("errors", [])) == shown
    assert ("errors" in response.json()) == (shown > 0)


def test_messages_may_leave_the_value_out(make: MakeSandbox) -> None:
    """With errors_quote_value off, no message holds a value."""
    client = make(behaviours={"errors_quote_value": False}).client
    response = client.update(row("1", {"plan": "Veza"}), row("2", {"email": "Veza@"}))
    assert "Veza" not in response.text
    assert {problem["name"] for problem in listed_problems(response)} == {"plan", "email"}


def test_a_refusal_may_name_nothing(make: MakeSandbox) -> None:
    """With errors_name_nothing, a bare 400 VALIDATION_ERROR names neither property nor value."""
    client = make(behaviours={"errors_name_nothing": True}).client
    body = client.update(row("1", {"plan": "Veza"})).json()
    assert body.keys() == {"status", "message", "category", "correlationId"}
    assert "plan" not in body["message"]
    assert "Veza" not in body["message"]


def test_trace_ids_may_isolate_bad_values(make: MakeSandbox) -> None:
    """With trace_ids_isolate_errors: 207, one error a bad row with its trace id, the other rows are written."""
    client = make(behaviours={"trace_ids_isolate_errors": True}).client
    response = client.update(
        row("1", objectWriteTraceId="t1"),
        row("2", {"plan": "Veza"}, objectWriteTraceId="t2"),
        row("3", {"nope": "x", "email": "bad"}, objectWriteTraceId="t3"),
        row("99999", objectWriteTraceId="t4"),
    )
    body = response.json()
    assert response.status_code == 207
    assert result_ids(response) == ["1"]
    assert body["numErrors"] == 3
    not_found, *isolated = body["errors"]
    assert not_found["category"] == "OBJECT_NOT_FOUND"
    assert [error["context"] for error in isolated] == [{"objectWriteTraceId": ["t2"]}, {"objectWriteTraceId": ["t3"]}]
    assert {error["category"] for error in isolated} == {"VALIDATION_ERROR"}
    assert len(isolated[1]["errors"]) == 2


def test_a_bad_row_without_trace_id_is_not_isolated(make: MakeSandbox) -> None:
    """Isolation needs a trace id in every bad row."""
    client = make(behaviours={"trace_ids_isolate_errors": True}).client
    response = client.update(row("1", {"plan": "Veza"}), row("2", {"plan": "Veza"}, objectWriteTraceId="t2"))
    assert response.status_code == 400


def test_rows_before_a_bad_one_may_be_written(make: MakeSandbox) -> None:
    """With partly_written, a 400 leaves the rows before the bad one written."""
    pair = make(behaviours={"partly_written": True})
    assert pair.client.update(row("1"), row("2", {"plan": "Veza"}), row("3")).status_code == 400
    objects = pair.sandbox.objects("contacts")
    assert [objects[one]["properties"]["firstname"] == "New" for one in ("1", "2", "3")] == [True, False, False]


@pytest.mark.parametrize(
    "name", ["hs_object_id", "createdate", "lastmodifieddate", "hs_email_domain", "lifetime_value"]
)
def test_a_read_only_property_refuses_the_batch(pair: Pair, name: str) -> None:
    """A read-only or calculated property: 400 READ_ONLY_VALUE."""
    response = pair.client.update(row("1", {name: "5"}))
    assert response.status_code == 400
    assert listed_problems(response)[0]["error"] == "READ_ONLY_VALUE"


def test_a_read_only_property_may_be_ignored(make: MakeSandbox) -> None:
    """With read_only_writes="ignored", only the other properties are written."""
    client = make(behaviours={"read_only_writes": "ignored"}).client
    response = client.update(row("1", {"lifetime_value": "5", "firstname": "New"}))
    assert response.status_code == 200
    assert "lifetime_value" not in response.json()["results"][0]["properties"]


def test_another_records_unique_value_is_refused(pair: Pair) -> None:
    """A unique value that another record has: 400 CONFLICTING_UNIQUE_VALUE."""
    response = pair.client.update(row("1", {"customer_number": "C-000002"}))
    assert response.status_code == 400
    assert response.json()["errors"][0]["code"] == "CONFLICTING_UNIQUE_VALUE"
    assert "2 already has that value" in response.json()["message"]
    assert pair.client.update(row("2", {"customer_number": "C-000002"})).status_code == 200


def test_two_rows_can_not_claim_one_unique_value(pair: Pair) -> None:
    """Two rows of one batch with the same unique value conflict."""
    response = pair.client.update(row("1", {"customer_number": "X"}), row("2", {"customer_number": "X"}))
    assert response.json()["errors"][0]["code"] == "CONFLICTING_UNIQUE_VALUE"


@pytest.mark.parametrize("category", ["CONFLICT", "OBJECT_ALREADY_EXISTS"])
def test_a_unique_conflict_may_be_a_409(make: MakeSandbox, category: str) -> None:
    """The same as 409 for the batch, with the existing record's id."""
    pair = make(behaviours={"unique_conflict": category})
    email = pair.sandbox.objects("contacts")["7"]["properties"]["email"]
    response = pair.client.update(row("1", {"email": email.upper()}))
    assert response.status_code == 409
    assert response.json()["category"] == category
    assert response.json()["message"] == "Contact already exists. Existing ID: 7"


@pytest.mark.parametrize(
    ("object_type", "id_property", "type_id"),
    [
        ("contacts", "email", "0-1"),
        ("contacts", "hs_object_id", "0-1"),
        ("companies", "domain", "0-2"),
        ("deals", "dealname", "0-3"),
    ],
)
def test_an_id_property_that_is_not_unique_refuses_the_batch(
    make: MakeSandbox, object_type: str, id_property: str, type_id: str
) -> None:
    """hs_object_id, company domain, deal dealname and contact email: 400 for the whole batch."""
    client = make(portal_id=123).client
    response = client.update(row("x", {}, idProperty=id_property), object_type=object_type)
    assert response.status_code == 400
    message = f"Unable to perform update/upsert by non-unique {type_id} property {id_property} in portal ID 123"
    assert response.json()["message"] == message


def test_a_unique_property_identifies_records(pair: Pair) -> None:
    """An own unique property works as idProperty; its value isn't repeated in the result."""
    response = pair.client.update(
        row("C-000003", idProperty="customer_number"), row("C-999999", idProperty="customer_number")
    )
    (result,) = response.json()["results"]
    assert result["id"] == "3"
    assert "customer_number" not in result["properties"]
    assert response.json()["errors"][0]["context"] == {"ids": ["C-999999"]}


def test_results_may_echo_what_was_sent(make: MakeSandbox) -> None:
    """Trace ids and the idProperty's value can be switched on in results."""
    client = make(behaviours={"results_echo_trace_ids": True, "results_echo_id_property": True}).client
    response = client.update(row("C-000003", idProperty="customer_number", objectWriteTraceId="t"))
    (result,) = response.json()["results"]
    assert result["objectWriteTraceId"] == "t"
    assert result["properties"]["customer_number"] == "C-000003"


def test_email_may_identify_contacts(make: MakeSandbox) -> None:
    """With email_identifies_contacts, update takes idProperty email, as the reference page says."""
    pair = make(behaviours={"email_identifies_contacts": True})
    email = pair.sandbox.objects("contacts")["7"]["properties"]["email"]
    assert result_ids(pair.client.update(row(email, idProperty="email"))) == ["7"]


@pytest.mark.parametrize(("mixed", "status"), [("refused", 400), ("accepted", 200)])
def test_different_id_properties_in_one_batch(make: MakeSandbox, mixed: str, status: int) -> None:
    """Mixing idProperty in one batch is refused, or accepted where that is switched on."""
    client = make(behaviours={"mixed_id_properties": mixed}).client
    response = client.update(row("C-000003", idProperty="customer_number"), row("4"))
    assert response.status_code == status


def test_an_unknown_object_type_is_refused(pair: Pair) -> None:
    """An unknown object type: 400 without a category."""
    response = pair.client.update(row("1"), object_type="butterflies")
    assert response.status_code == 400
    assert response.json()["message"] == "Unable to infer object type from: butterflies"
    assert "category" not in response.json()


@pytest.mark.parametrize("name", ["contacts", "contact", "0-1"])
def test_object_types_have_several_names(pair: Pair, name: str) -> None:
    """An object type goes by its name, its singular and its id."""
    assert pair.client.update(row("1"), object_type=name).status_code == 200


@pytest.mark.parametrize("name", ["pets", "2-1234567", "p1_pets"])
def test_custom_object_types_have_several_names(make: MakeSandbox, name: str) -> None:
    """A custom type goes by its name, its id and its fully qualified name."""
    client = make(records={"pets": 2}).client
    assert client.update(row("1", {"name": "Rex", "species": "dog"}), object_type=name).status_code == 200
    missing = client.update(row("9", {}), object_type=name).json()["errors"][0]["message"]
    assert missing.startswith("Could not get some 2-1234567 objects")


def test_more_than_100_inputs_are_refused(pair: Pair) -> None:
    """101 inputs: 400 VALIDATION_ERROR."""
    response = pair.client.update(*(row(str(number)) for number in range(101)))
    assert response.status_code == 400
    assert response.json()["category"] == "VALIDATION_ERROR"
    assert response.json()["message"].startswith("The maximum number of inputs supported in a batch is 100. ")


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b'{"inputs":\n [\n  {"id": nope}]}', "on line 3, column 10: "),
        (b"", "on line 1, column 1: "),
        (b"[]", "on line 1, column 1: "),
        (b"{}", "on line 1, column 1: "),
        (b'{"inputs": ["1"]}', "on line 1, column 1: "),
        (b'{"inputs": [{"id": "1", "properties": []}]}', "on line 1, column 1: "),
        (b'{"inputs": [{"id": "1", "properties": {"city": ["a"]}}]}', "on line 1, column 1: "),
        (b'{"inputs": [{"id": {}, "properties": {}}]}', "on line 1, column 1: "),
    ],
)
def test_a_body_of_another_shape_is_refused(pair: Pair, body: bytes, where: str) -> None:
    """A body that isn't JSON, or of another shape: 400 without a category."""
    response = pair.client.post("/crm/objects/2026-03/contacts/batch/update", data=body)
    assert response.status_code == 400
    assert response.json()["message"].startswith("Invalid input JSON " + where)
    assert "category" not in response.json()


def test_a_body_may_be_too_large(make: MakeSandbox) -> None:
    """With max_body_bytes, a larger body gets 413 and nothing is written."""
    pair = make(behaviours={"max_body_bytes": 200})
    assert pair.client.update(row("1")).status_code == 200
    assert pair.client.update(row("2", {"firstname": "x" * 200})).status_code == 413


def test_updated_at_stays_when_nothing_changes(pair: Pair) -> None:
    """UpdatedAt stays as it was when nothing changed, and moves when something did."""
    before = pair.client.update(row("1")).json()["results"][0]["updatedAt"]
    assert pair.client.update(row("1")).json()["results"][0]["updatedAt"] == before
    assert pair.client.update(row("1", {"firstname": "Newer"})).json()["results"][0]["updatedAt"] > before


def test_the_status_may_be_another(make: MakeSandbox) -> None:
    """With reply_status, each batch reply has that status."""
    client = make(behaviours={"reply_status": "PENDING"}).client
    assert client.update(row("1")).json()["status"] == "PENDING"
