"""HubSpot's official Python client works with the sandbox."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch.sandbox.endpoints import ENDPOINTS
from airflow_provider_hubbatch.sandbox.routing import Routes

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.conftest import MakeSandbox, Pair

hubspot = pytest.importorskip("hubspot")


@pytest.fixture
def client(pair: Pair) -> Any:
    """HubSpot's client, pointed at the sandbox by its configuration."""
    return hubspot.Client.create(access_token=pair.sandbox.token, host=pair.sandbox.url)


def test_the_official_client_updates_a_batch(pair: Pair, client: Any) -> None:
    """Its batch update writes, and reads results and errors."""
    from hubspot.crm.objects import BatchInputSimplePublicObjectBatchInput, SimplePublicObjectBatchInput

    inputs = [SimplePublicObjectBatchInput(id=one, properties={"city": "Oslo"}) for one in ("1", "2", "999")]
    reply = client.crm.objects.batch_api.update("contacts", BatchInputSimplePublicObjectBatchInput(inputs=inputs))
    assert {result.id for result in reply.results} == {"1", "2"}
    assert (reply.status, reply.num_errors) == ("COMPLETE", 1)
    assert reply.errors[0].context == {"ids": ["999"]}
    assert pair.sandbox.objects("contacts")["1"]["properties"]["city"] == "Oslo"


def test_the_official_clients_contact_endpoints_work(pair: Pair, client: Any) -> None:
    """Its own classes for contacts read, update and list."""
    from hubspot.crm.contacts import (
        BatchInputSimplePublicObjectBatchInput,
        BatchReadInputSimplePublicObjectId,
        SimplePublicObjectBatchInput,
        SimplePublicObjectId,
    )

    batch = BatchInputSimplePublicObjectBatchInput(
        inputs=[SimplePublicObjectBatchInput(id="C-000003", id_property="customer_number", properties={"city": "Oslo"})]
    )
    assert client.crm.contacts.batch_api.update(batch).results[0].id == "3"
    wanted = BatchReadInputSimplePublicObjectId(
        inputs=[SimplePublicObjectId(id="3")], properties=["city"], properties_with_history=[]
    )
    assert client.crm.contacts.batch_api.read(wanted).results[0].properties["city"] == "Oslo"
    assert len(client.crm.contacts.get_all()) == 20
    assert len(pair.sandbox.requests) == 3


def test_the_official_client_reads_properties_and_errors(client: Any) -> None:
    """Its property endpoints work, and a refused batch is its ApiException."""
    from hubspot.crm.objects import ApiException, BatchInputSimplePublicObjectBatchInput, SimplePublicObjectBatchInput

    plan = client.crm.properties.core_api.get_by_name("contacts", "plan")
    assert [option.value for option in plan.options if option.hidden] == ["legacy"]
    assert len(client.crm.properties.core_api.get_all("contacts").results) > 30
    batch = BatchInputSimplePublicObjectBatchInput(
        inputs=[SimplePublicObjectBatchInput(id="1", properties={"plan": "Veza"})]
    )
    with pytest.raises(ApiException) as refused:
        client.crm.objects.batch_api.update("contacts", batch)
    assert refused.value.status == 400


def test_the_official_client_refreshes_tokens(client: Any) -> None:
    """Its OAuth refresh works."""
    token = client.oauth.tokens_api.create(
        grant_type="refresh_token",
        client_id="sandbox-client-id",
        client_secret="sandbox-client-secret",
        refresh_token="sandbox-refresh-token",
    )
    assert token.access_token
    assert token.expires_in == 1800


# The rest, with plain dicts as bodies, which it takes too


def drive_batches(client: Any, pair: Pair) -> None:
    batch = client.crm.objects.batch_api
    updated = batch.update("contacts", {"inputs": [{"id": "2", "properties": {"city": "Oslo"}}]})
    assert updated.results[0].properties["city"] == "Oslo"
    created = batch.create("contacts", {"inputs": [{"properties": {"email": "New@example.com"}, "associations": []}]})
    assert created.results[0].properties["email"] == "new@example.com"
    keyed = {"idProperty": "email", "properties": {"city": "Rome"}}
    upserted = batch.upsert("contacts", {"inputs": [{"id": one, **keyed} for one in ("new@example.com", "x@y.com")]})
    assert sorted(one.new for one in upserted.results) == [False, True]
    assert batch.archive("contacts", {"inputs": [{"id": created.results[0].id}]}) is None
    wanted = {"inputs": [{"id": created.results[0].id}], "properties": ["city"], "propertiesWithHistory": []}
    (archived,) = batch.read("contacts", wanted, archived=True).results
    assert (archived.archived, archived.properties["city"]) == (True, "Rome")
    assert archived.archived_at >= archived.created_at
    assert batch.read("contacts", wanted).errors[0].context == {"ids": [created.results[0].id]}


def drive_single_records(client: Any, pair: Pair) -> None:
    basic = client.crm.objects.basic_api
    made = basic.create("companies", {"properties": {"name": "Acme", "erp_id": "X"}, "associations": []})
    assert basic.get_by_id("companies", "X", id_property="erp_id").id == made.id
    assert basic.update("companies", "X", {"properties": {"city": "Oslo"}}, id_property="erp_id").id == made.id
    assert len(basic.get_page("companies", limit=2).results) == 2
    assert basic.archive("companies", made.id) is None
    found = client.crm.objects.search_api.do_search(
        "companies",
        {"filterGroups": [{"filters": [{"propertyName": "erp_id", "operator": "IN", "values": ["e-000002"]}]}]},
    )
    assert (found.total, found.results[0].id) == (1, "2")


def drive_associations(client: Any, pair: Pair) -> None:
    v4 = client.crm.associations.v4
    labels = v4.schema.definitions_api.get_all("contacts", "companies").results
    assert {one.label: one.type_id for one in labels} == {None: 279, "Primary": 1}
    ends = {"from": {"id": "1"}, "to": {"id": "2"}}
    default = v4.batch_api.create_default("contacts", "companies", {"inputs": [ends]})
    assert {one.association_spec.association_type_id for one in default.results} == {279, 280}
    types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 1}]
    bad = {"from": {"id": "999"}, "to": {"id": "2"}, "types": types}
    made = v4.batch_api.create("contacts", "companies", {"inputs": [{**ends, "types": types}, bad]})
    assert (made.results[0].labels, made.num_errors) == (["Primary"], 1)
    assert made.errors[0].sub_category == "crm.associations.INVALID_IDENTIFIER"
    read = v4.batch_api.get_page("contacts", "companies", {"inputs": [{"id": "1"}, {"id": "3"}]})
    assert str(read.results[0].to[0].to_object_id) == "2"
    assert read.errors[0].context["fromObjectId"] == ["3"]
    assert v4.batch_api.archive_labels("contacts", "companies", {"inputs": [{**ends, "types": types}]}) is None
    assert v4.batch_api.archive("contacts", "companies", {"inputs": [{**ends, "to": [ends["to"]]}]}) is None
    assert pair.sandbox.associations("contacts", "companies") == {}


def drive_owners(client: Any, pair: Pair) -> None:
    owners = client.crm.owners.owners_api
    first = owners.get_page(limit=2)
    assert [one.id for one in first.results] == ["71001", "71002"]
    rest = owners.get_page(limit=100, after=first.paging.next.after)
    assert len(rest.results) == 3
    assert owners.get_by_id(71001).email == first.results[0].email


def drive_properties(client: Any, pair: Pair) -> None:
    core = client.crm.properties.core_api
    definition = {"name": "tier", "label": "Tier", "type": "string", "fieldType": "text", "groupName": "information"}
    assert core.create("contacts", definition).name == "tier"
    assert core.get_by_name("contacts", "tier").label == "Tier"
    assert "tier" in {one.name for one in core.get_all("contacts").results}


def test_the_official_client_drives_every_endpoint(make: MakeSandbox) -> None:
    """Each family of endpoints, driven by HubSpot's own client, gives it what it expects; none is left out."""
    pair = make(records={"contacts": 5, "companies": 5})
    client = hubspot.Client.create(access_token=pair.sandbox.token, host=pair.sandbox.url)
    for drive in (drive_batches, drive_single_records, drive_associations, drive_owners, drive_properties):
        drive(client, pair)
    routes = Routes()
    driven = {routes.find(request.method, request.path).endpoint for request in pair.sandbox.requests}
    # It has no classes for the account's details; its tokens are tested above
    others = {one for one in ENDPOINTS if one.is_account_info or not one.needs_token}
    assert set(ENDPOINTS) - driven == others
    assert {request.status for request in pair.sandbox.requests} <= {200, 201, 204, 207}


@pytest.mark.parametrize(
    ("status", "category", "call"),
    [
        (400, "VALIDATION_ERROR", lambda crm: crm.objects.batch_api.upsert(
            "contacts", {"inputs": [{"id": "x", "idProperty": "city", "properties": {}}]})),
        (409, "CONFLICT", lambda crm: crm.objects.batch_api.create(
            "contacts", {"inputs": [{"properties": {"customer_number": "C-000001"}, "associations": []}]})),
        (400, "VALIDATION_ERROR", lambda crm: crm.objects.batch_api.archive("contacts", {"inputs": [{"id": "x"}]})),
        (404, "OBJECT_NOT_FOUND", lambda crm: crm.objects.basic_api.get_by_id("contacts", "999")),
        (400, "VALIDATION_ERROR", lambda crm: crm.objects.search_api.do_search("contacts", {"limit": 201})),
        (400, "VALIDATION_ERROR", lambda crm: crm.associations.v4.batch_api.create(
            "contacts", "companies", {"inputs": [{"from": {"id": "1"}, "to": {"id": "1"}, "types": []}]})),
        (404, "OBJECT_NOT_FOUND", lambda crm: crm.owners.owners_api.get_by_id(1)),
    ],
)  # fmt: skip
def test_the_official_client_raises_for_refusals(
    client: Any, status: int, category: str, call: Callable[[Any], Any]
) -> None:
    """A refused request is its ApiException, with HubSpot's category, message and correlation id in the body."""
    with pytest.raises(Exception, match=category) as refused:
        call(client.crm)
    error: Any = refused.value
    # Each family of endpoints has a class of its own by that name
    assert "ApiException" in {kind.__name__ for kind in type(error).__mro__}
    body = json.loads(error.body)
    assert (error.status, body["category"]) == (status, category)
    assert body["message"]
    assert body["correlationId"]
