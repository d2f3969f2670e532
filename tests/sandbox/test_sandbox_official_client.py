"""HubSpot's official Python client works with the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.sandbox.conftest import Pair

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
