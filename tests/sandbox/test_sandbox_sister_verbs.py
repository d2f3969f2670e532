"""Create, upsert, archive and reading the archived: HubSpot's errors, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch.sandbox import HubSpotSandbox
from tests.sandbox.hubspot_client import row

if TYPE_CHECKING:
    from tests.sandbox.conftest import MakeSandbox, Pair


def new(trace: str | None = None, **properties: Any) -> dict[str, Any]:
    """An input of a create."""
    return {"properties": properties} | ({"objectWriteTraceId": trace} if trace else {})


def keyed(key: str, trace: str | None = None, by: str = "customer_number", **properties: Any) -> dict[str, Any]:
    """An input of an upsert."""
    return {"id": key, "idProperty": by, **new(trace, **properties)}


def email_of(pair: Pair, record_id: str) -> str:
    email: str = pair.sandbox.objects("contacts")[record_id]["properties"]["email"]
    return email


# Create


def test_results_of_a_create_echo_what_was_sent_and_no_trace_id(pair: Pair) -> None:
    """201; each result has its record id, the properties that were sent and its createdAt, an email in lower case."""
    response = pair.client.batch("create", [new("t", email="Ada@Example.com", city="Oslo"), new("u", city="Rome")])
    assert response.status_code == 201
    first, second = sorted(response.json()["results"], key=lambda one: int(one["id"]))
    assert (first["properties"]["email"], first["properties"]["city"]) == ("ada@example.com", "Oslo")
    assert second["properties"]["city"] == "Rome"
    assert "objectWriteTraceId" not in response.text
    assert first["createdAt"] == first["updatedAt"] == response.json()["startedAt"]
    assert pair.sandbox.objects("contacts")[first["id"]]["properties"]["email"] == "ada@example.com"


@pytest.mark.parametrize("name", ["email", "customer_number"])
@pytest.mark.parametrize("alone", [True, False])
def test_a_key_that_exists_refuses_a_create_without_trace_ids(pair: Pair, name: str, alone: bool) -> None:
    """Without trace ids: 409 CONFLICT for the whole batch; the existing record is named if there is one input only."""
    existing = pair.sandbox.objects("contacts")["7"]["properties"][name]
    response = pair.client.batch("create", [new(**{name: existing})] + ([] if alone else [new(city="Oslo")]))
    assert response.status_code == 409
    assert response.json()["category"] == "CONFLICT"
    assert response.json()["message"] == "Contact already exists" + (". Existing ID: 7" if alone else "")
    assert len(pair.sandbox.objects("contacts")) == 20


@pytest.mark.parametrize(
    ("place", "more"), [("message", {}), ("existing_id", {"existingId": ["7"]}), ("ids", {"ids": ["7"]})]
)
def test_a_key_that_exists_costs_only_its_row_with_trace_ids(
    make: MakeSandbox, place: str, more: dict[str, Any]
) -> None:
    """With trace ids: 207, the others are made; the message has the existing id, the context the trace id."""
    pair = make(behaviours={"existing_id_in": place})
    response = pair.client.batch("create", [new("a", email=email_of(pair, "7")), new("b", email="new@example.com")])
    assert response.status_code == 207
    assert [result["id"] for result in response.json()["results"]] == ["21"]
    (error,) = response.json()["errors"]
    assert error["category"] == "CONFLICT"
    assert error["message"] == "Contact already exists. Existing ID: 7"
    assert error["context"] == {"objectWriteTraceId": ["a"], **more}
    assert response.json()["numErrors"] == 1


def test_a_key_that_exists_may_refuse_a_create_with_trace_ids(make: MakeSandbox) -> None:
    """With create_conflicts_isolate off: 409 for all in spite of trace ids; a value still costs only its row."""
    pair = make(behaviours={"create_conflicts_isolate": False})
    assert pair.client.batch("create", [new("a", email=email_of(pair, "7")), new("b")]).status_code == 409
    assert pair.client.batch("create", [new("a", plan="Veza"), new("b")]).status_code == 207


def test_a_secondary_address_is_a_key_that_exists(pair: Pair) -> None:
    """A create with an email that is another contact's secondary address conflicts with that contact."""
    pair.sandbox.set_value("contacts", "7", "hs_additional_emails", "second@example.com")
    response = pair.client.batch("create", [new(email="Second@example.com")])
    assert response.status_code == 409
    assert response.json()["message"].endswith("Existing ID: 7")


@pytest.mark.parametrize("bad", [{"plan": "Veza"}, {"nope": "x"}, {"lifetime_value": "5"}])
def test_a_refused_value_costs_only_its_row_with_trace_ids(pair: Pair, bad: dict[str, str]) -> None:
    """With trace ids, 207 and one VALIDATION_ERROR a bad row; without, 400 for all, and nothing is made."""
    response = pair.client.batch("create", [new("a", **bad), new("b", city="Oslo")])
    assert response.status_code == 207
    assert len(response.json()["results"]) == 1
    (error,) = response.json()["errors"]
    assert (error["category"], error["context"]) == ("VALIDATION_ERROR", {"objectWriteTraceId": ["a"]})
    response = pair.client.batch("create", [new(**bad), new(city="Oslo")])
    assert (response.status_code, response.json()["category"]) == (400, "VALIDATION_ERROR")
    assert len(pair.sandbox.objects("contacts")) == 21


def test_a_create_without_trace_ids_lists_the_problem_of_every_row(pair: Pair) -> None:
    """Without trace ids, the list in the message is repeated per row."""
    message = pair.client.batch("create", [new(plan="Veza")] * 3).json()["message"]
    assert message.count("Veza was not one of the allowed options") == 3


@pytest.mark.parametrize(("switch", "status"), [("refused", 400), ("later_conflicts", 207)])
def test_one_key_twice_in_a_create(make: MakeSandbox, switch: str, status: int) -> None:
    """Two rows of one key, in other writing too: the whole batch is refused, or the later one conflicts."""
    pair = make(behaviours={"create_duplicates": switch})
    response = pair.client.batch("create", [new("a", email="New@example.com"), new("b", email="new@example.com")])
    assert response.status_code == status
    if status == 400:
        assert response.json()["context"] == {"ids": ["new@example.com"]}
    else:
        assert response.json()["errors"][0]["context"] == {"objectWriteTraceId": ["b"]}
        assert "Existing ID" not in response.json()["errors"][0]["message"]
    assert len(pair.sandbox.objects("contacts")) == (20 if status == 400 else 21)


def test_a_partly_written_create_makes_the_rows_before(make: MakeSandbox) -> None:
    """With partly_written, a refused create has made the rows before the bad one all the same."""
    pair = make(behaviours={"partly_written": True})
    assert pair.client.batch("create", [new(city="Oslo"), new(plan="Veza"), new()]).status_code == 400
    assert len(pair.sandbox.objects("contacts")) == 21


# Links from the start

TO_COMPANY = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}]


def test_a_record_can_be_made_with_its_links(make: MakeSandbox) -> None:
    """associations: the new record is linked with records of any type, with labels; single creates too."""
    pair = make(records={"contacts": 1, "companies": 2, "deals": 1})
    billing = pair.sandbox.add_label("contacts", "companies", "Billing")
    links = [
        {"to": {"id": "1"}, "types": TO_COMPANY},
        {"to": {"id": 2}, "types": [{"associationCategory": "USER_DEFINED", "associationTypeId": billing}]},
        {"to": {"id": "1"}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 4}]},
    ]
    assert pair.client.batch("create", [{**new(), "associations": links}]).status_code == 201
    path = "/crm/objects/2026-03/contacts"
    assert pair.client.post(path, {**new(), "associations": links[:1]}).status_code == 201
    companies = pair.sandbox.associations("contacts", "companies")
    assert {one: [*ends] for one, ends in companies.items()} == {"2": ["1", "2"], "3": ["1"]}
    assert [kind["label"] for kind in companies["2"]["2"]] == [None, "Billing"]
    assert pair.sandbox.associations("deals", "contacts")["1"].keys() == {"2"}


@pytest.mark.parametrize("switch", ["refused", "dropped"])
@pytest.mark.parametrize("traced", [True, False])
def test_a_link_to_nobody(make: MakeSandbox, switch: str, traced: bool) -> None:
    """A link to a record that doesn't exist refuses its row, or is left out of a record that is made without it."""
    pair = make(behaviours={"inline_associations": switch})
    bad = {**new("a" if traced else None), "associations": [{"to": {"id": "999"}, "types": TO_COMPANY}]}
    response = pair.client.batch("create", [bad, new("b" if traced else None)])
    if switch == "dropped":
        assert (response.status_code, len(response.json()["results"])) == (201, 2)
        assert pair.sandbox.associations("contacts", "companies") == {}
        return
    assert response.status_code == (207 if traced else 400)
    body = response.json()["errors"][0] if traced else response.json()
    assert body["message"] == "one or more associations are not valid"
    assert len(pair.sandbox.objects("contacts")) == (21 if traced else 20)


def test_a_link_of_an_unknown_kind_is_refused(pair: Pair) -> None:
    """A kind of link that contacts don't have: the row is refused."""
    kind = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 9999}]
    response = pair.client.batch("create", [{**new(), "associations": [{"to": {"id": "1"}, "types": kind}]}])
    assert response.status_code == 400
    assert response.json()["message"] == "one or more associations are not valid"


@pytest.mark.parametrize("on", [True, False])
def test_a_contact_may_bring_its_company(make: MakeSandbox, on: bool) -> None:
    """With contacts_bring_companies, a new contact's domain finds or makes a company, and they are linked."""
    pair = make(records={"companies": [{"domain": "acme.com"}]}, behaviours={"contacts_bring_companies": on})
    pair.client.batch("create", [new(email="a@acme.com"), new(email="b@other.com"), new(city="Oslo")])
    assert len(pair.sandbox.objects("companies")) == (2 if on else 1)
    linked = pair.sandbox.associations("contacts", "companies")
    assert linked.keys() == ({"1", "2"} if on else set())
    assert not on or [kind["label"] for kind in linked["1"]["1"]] == ["Primary", None]


# Upsert


def test_upsert_tells_what_is_new(pair: Pair) -> None:
    """200; new tells created from updated; a new record has its key and its createdAt."""
    response = pair.client.batch("upsert", [keyed("C-000004", city="Oslo"), keyed("X-1", city="Oslo")])
    assert response.status_code == 200
    results = {result["id"]: result for result in response.json()["results"]}
    assert {one: shown["new"] for one, shown in results.items()} == {"4": False, "21": True}
    assert results["21"]["createdAt"] == response.json()["startedAt"] > results["4"]["createdAt"]
    assert pair.sandbox.objects("contacts")["21"]["properties"]["customer_number"] == "X-1"
    assert "customer_number" not in results["21"]["properties"]


def test_the_key_is_echoed_if_it_was_sent_among_the_properties(pair: Pair) -> None:
    """A key that was sent among the properties, too, is in its result."""
    sent = [keyed(key, customer_number=key) for key in ("C-000004", "X-1")]
    results = pair.client.batch("upsert", sent).json()["results"]
    assert {one["properties"]["customer_number"] for one in results} == {"C-000004", "X-1"}


@pytest.mark.parametrize(
    ("object_type", "key"),
    [
        ("contacts", "email"),
        ("products", "hs_sku"),
        ("line_items", "hs_external_id"),
        ("tickets", "hs_external_object_ids"),
    ],
)
def test_some_keys_need_no_set_up(make: MakeSandbox, object_type: str, key: str) -> None:
    """Emails, SKUs and external ids are keys whatever their definitions say; no two records share one."""
    pair = make(records={})
    definition = pair.client.get(f"/crm/properties/2026-03/{object_type}/{key}").json()
    assert definition["hasUniqueValue"] is False
    value = "a@example.com" if key == "email" else "A-1"
    for is_new in (True, False):
        response = pair.client.batch("upsert", [keyed(value, by=key, notes_text="x")], object_type)
        assert [result["new"] for result in response.json()["results"]] == [is_new]
    assert pair.client.batch("create", [new(**{key: value})], object_type).status_code == 409
    assert pair.client.read(value, object_type=object_type, idProperty=key).json()["results"][0]["id"] == "1"


@pytest.mark.parametrize(
    ("object_type", "key", "type_id"),
    [("companies", "domain", "0-2"), ("deals", "dealname", "0-3"), ("contacts", "hs_object_id", "0-1")],
)
def test_upsert_refuses_a_property_that_is_not_unique(
    make: MakeSandbox, object_type: str, key: str, type_id: str
) -> None:
    """A company's domain, a deal's name, hs_object_id: 400 for the whole batch."""
    response = make(portal_id=123).client.batch("upsert", [keyed("x", by=key)], object_type)
    assert response.status_code == 400
    message = f"Unable to perform update/upsert by non-unique {type_id} property {key} in portal ID 123"
    assert response.json()["message"] == message


@pytest.mark.parametrize("bad", [{"id": "X"}, {"idProperty": "customer_number"}, {"id": "", "idProperty": "email"}])
def test_upsert_needs_a_key(pair: Pair, bad: dict[str, Any]) -> None:
    """An input without id or idProperty: 400, and no record is made."""
    assert pair.client.batch("upsert", [{**new(city="Oslo"), **bad}]).status_code == 400
    assert len(pair.sandbox.objects("contacts")) == 20


@pytest.mark.parametrize(
    ("by", "first", "second"),
    [("customer_number", "X-1", "X-1"), ("email", "a@example.com", "A@Example.com")],
)
def test_one_key_twice_refuses_an_upsert(pair: Pair, by: str, first: str, second: str) -> None:
    """The same key twice, also two writings of one email: the whole batch is refused, with trace ids too."""
    response = pair.client.batch("upsert", [keyed(first, "a", by=by), keyed(second, "b", by=by), keyed("C", by=by)])
    assert response.status_code == 400
    assert response.json()["context"] == {"ids": [first]}
    assert len(pair.sandbox.objects("contacts")) == 20


def test_a_refused_value_costs_only_its_row_in_an_upsert(pair: Pair) -> None:
    """With trace ids: 207, whether the row would make a record or update one; without: 400 for all."""
    rows = [keyed("X-1", "a", plan="Veza"), keyed("C-000004", "b", plan="Veza"), keyed("C-000005", "c", city="Oslo")]
    response = pair.client.batch("upsert", rows)
    assert response.status_code == 207
    assert [error["context"]["objectWriteTraceId"] for error in response.json()["errors"]] == [["a"], ["b"]]
    assert pair.sandbox.objects("contacts")["5"]["properties"]["city"] == "Oslo"
    assert pair.client.batch("upsert", [keyed("X-1", plan="Veza"), keyed("C-000005")]).status_code == 400


@pytest.mark.parametrize(("isolates", "status"), [(False, 409), (True, 207)])
def test_another_records_unique_value_refuses_an_upsert(make: MakeSandbox, isolates: bool, status: int) -> None:
    """A unique value that another record has: 409 for the whole batch, in spite of trace ids, or as switched."""
    pair = make(behaviours={"upsert_conflicts_isolate": isolates})
    rows = [keyed("C-000004", "a", email=email_of(pair, "7")), keyed("C-000005", "b", city="Oslo")]
    response = pair.client.batch("upsert", rows)
    assert response.status_code == status
    error = response.json()["errors"][0] if isolates else response.json()
    assert error["category"] == "CONFLICT"
    written = pair.sandbox.objects("contacts")["5"]["properties"]["city"] == "Oslo"
    assert written == isolates


def test_an_email_finds_its_contact_in_any_writing(pair: Pair) -> None:
    """Upsert by email: folded to lower case; a secondary address finds its contact and leaves the first one alone."""
    pair.sandbox.set_value("contacts", "7", "hs_additional_emails", "second@example.com")
    email = email_of(pair, "7")
    for written in (email.upper(), "Second@Example.com"):
        (result,) = pair.client.batch("upsert", [keyed(written, by="email", city=written)]).json()["results"]
        assert (result["id"], result["new"]) == ("7", False)
    assert email_of(pair, "7") == email
    made = pair.client.batch("upsert", [keyed("New@Example.com", by="email")]).json()["results"][0]
    assert email_of(pair, made["id"]) == "new@example.com"


@pytest.mark.parametrize(
    ("switch", "kept", "status"),
    [("keep_rest", True, 207), ("clear_rest", False, 207), ("all_or_nothing", True, 400)],
)
def test_partial_upserts_by_email(make: MakeSandbox, switch: str, kept: bool, status: int) -> None:
    """What isn't sent stays or is emptied; or one bad row refuses the batch. By other keys it always stays."""
    pair = make(behaviours={"email_upserts": switch})
    before = pair.sandbox.objects("contacts")["7"]["properties"]
    pair.client.batch("upsert", [keyed(before["email"], by="email", city="Oslo")])
    after = pair.sandbox.objects("contacts")["7"]["properties"]
    assert (after["city"], after["email"], after["customer_number"]) == ("Oslo", before["email"], "C-000007")
    assert after["firstname"] == (before["firstname"] if kept else "")
    pair.client.batch("upsert", [keyed("C-000008", city="Oslo")])
    assert pair.sandbox.objects("contacts")["8"]["properties"]["firstname"]
    rows = [keyed(email_of(pair, "9"), "a", by="email", plan="Veza"), keyed("n@example.com", "b", by="email")]
    assert pair.client.batch("upsert", rows).status_code == status


# Archive, and reading the archived


def test_archive_says_nothing(pair: Pair) -> None:
    """204 without a body for ids that exist, that don't, and that were archived before."""
    pair.sandbox.archive("contacts", "2")
    response = pair.client.batch("archive", [{"id": "1"}, {"id": "2"}, {"id": "999"}, {"id": "1"}])
    assert (response.status_code, response.content) == (204, b"")
    assert pair.sandbox.objects("contacts", archived=True).keys() == {"1", "2"}


@pytest.mark.parametrize("bad", [{"id": "12x"}, {"id": ""}, {}])
def test_a_malformed_id_refuses_an_archive(pair: Pair, bad: dict[str, str]) -> None:
    """An id that is no number: 400 for the whole batch, and nothing is archived."""
    assert pair.client.batch("archive", [{"id": "1"}, bad]).status_code == 400
    assert "1" in pair.sandbox.objects("contacts")


def test_the_archived_can_be_read(pair: Pair) -> None:
    """batch/read?archived=true gives archived records only, with archivedAt; live and unknown ones are missing."""
    before = pair.sandbox.objects("contacts")["1"]
    pair.client.batch("archive", [{"id": "1"}])
    path = "/crm/objects/2026-03/contacts/batch/read?archived=true"
    body = {"inputs": [{"id": "1"}, {"id": "2"}, {"id": "999"}], "properties": ["city"]}
    response = pair.client.post(path, body)
    assert response.status_code == 207
    (result,) = response.json()["results"]
    assert (result["id"], result["archived"], result["createdAt"]) == ("1", True, before["createdAt"])
    assert result["archivedAt"] >= response.json()["startedAt"][:10]
    assert response.json()["errors"][0]["context"] == {"ids": ["2", "999"]}
    keys = {"inputs": [{"id": "C-000001"}], "idProperty": "customer_number"}
    assert [one["id"] for one in pair.client.post(path, keys).json()["results"]] == ["1"]
    assert pair.client.read("1").json()["results"] == []


def test_the_key_of_an_archived_record_is_free(pair: Pair) -> None:
    """An archived record's key finds nothing any more, and a new record may have it."""
    pair.client.batch("archive", [{"id": "1"}])
    (result,) = pair.client.batch("upsert", [keyed("C-000001", city="Oslo")]).json()["results"]
    assert (result["id"], result["new"]) == ("21", True)


@pytest.mark.parametrize(("switch", "status"), [(False, 207), (True, 404)])
def test_none_of_the_keys_exists(make: MakeSandbox, switch: str, status: int) -> None:
    """With none_found_is_404, a read by keys that no record has is a 404, not a 207; one that exists makes it 207."""
    client = make(behaviours={"none_found_is_404": switch}).client
    response = client.read("X-1", "X-2", idProperty="customer_number")
    assert response.status_code == status
    error = response.json() if switch else response.json()["errors"][0]
    assert (error["category"], error["context"]) == ("OBJECT_NOT_FOUND", {"ids": ["X-1", "X-2"]})
    assert client.read("X-1", "C-000001", idProperty="customer_number").status_code == 207
    assert client.read("999").status_code == 207


# Both versions


@pytest.mark.parametrize("verb", ["update", "upsert", "create", "read"])
def test_2026_09_has_no_207(make: MakeSandbox, verb: str) -> None:
    """From 2026-09 on, errors and numErrors are in every 2xx body, also when there are none."""
    client = make(version="2026-09", behaviours={"trace_ids_isolate_errors": True}).client
    good = {
        "update": row("1", objectWriteTraceId="g"),
        "upsert": keyed("C-000002", "g", city="Oslo"),
        "create": new("g", city="Oslo"),
        "read": {"id": "1"},
    }[verb]
    bad = {
        "update": row("2", {"plan": "Veza"}, objectWriteTraceId="b"),
        "upsert": keyed("X", "b", plan="Veza"),
        "create": new("b", plan="Veza"),
        "read": {"id": "999"},
    }[verb]
    status = 201 if verb == "create" else 200
    response = client.batch(verb, [good, bad])
    assert (response.status_code, response.json()["numErrors"]) == (status, 1)
    assert len(response.json()["results"]) == 1
    response = client.batch(verb, [{**good}] if verb != "create" else [new("h", city="Rome")])
    assert (response.status_code, response.json()["numErrors"], response.json()["errors"]) == (status, 0, [])


def test_the_sandboxs_own_records_have_believable_products() -> None:
    """Products come with names, prices and SKUs."""
    products = HubSpotSandbox(records={"products": 3}).objects("products")
    assert [shown["properties"]["hs_sku"] for shown in products.values()] == ["SKU-000001", "SKU-000002", "SKU-000003"]
