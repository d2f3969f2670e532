"""The client: what all that one hook does has in common, and what is repeated."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch.client.client import HubSpotClient
from airflow_provider_hubbatch.client.settings import ConnectionSettings
from airflow_provider_hubbatch.core.model import Status
from airflow_provider_hubbatch.core.options import UpdateOptions
from airflow_provider_hubbatch.core.protocol import is_repeatable
from airflow_provider_hubbatch.exceptions import UnavailableError, UnconfirmedRequestError
from airflow_provider_hubbatch.hooks import HubSpotHook
from airflow_provider_hubbatch.sandbox import HubSpotSandbox
from airflow_provider_hubbatch.sync.sync import Sync
from tests.clients import impatient_client
from tests.engine.simulated import SimulatedHubSpot, Simulation
from tests.raw_server import http_reply, serving

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

CREATE = "/crm/objects/2026-03/contacts/batch/create"
BODY = {"inputs": [{"properties": {"email": "only@once.example"}}]}


@pytest.fixture
def hubspot(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubSpotSandbox]:
    """A local HubSpot without a record, which the connection ``hubspot_default`` points at."""
    with HubSpotSandbox(requests_per_10_seconds=10_000) as running:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", running.connection())
        yield running


# --- what is repeated ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "cut_after_write"},
        {"kind": "cut_during_reply"},
        {"kind": "garbage"},
        {"kind": "truncated"},
        {"kind": "status", "status": 500, "written": True},
        {"kind": "status", "status": 504, "written": True},
    ],
    ids=str,
)
def test_request_creates_once_where_the_reply_is_lost(hubspot: HubSpotSandbox, fault: dict[str, Any]) -> None:
    """A create whose reply is lost after the write is not sent again: one record, and an error that says so."""
    hubspot.faults.add(**fault, path=CREATE, count=None)
    with pytest.raises(UnconfirmedRequestError, match="may have taken effect"):
        HubSpotHook().request("POST", CREATE, BODY)
    assert len(hubspot.objects("contacts")) == 1
    assert len(hubspot.requests) == 1


@pytest.mark.parametrize("fault", [{"kind": "rate_limited"}, {"kind": "locked"}], ids=str)
def test_request_repeats_a_create_that_hubspot_did_not_take(hubspot: HubSpotSandbox, fault: dict[str, Any]) -> None:
    """What HubSpot refused for now had no effect: it is sent again, and creates one record."""
    hubspot.faults.add(**fault, path=CREATE)
    assert len(HubSpotHook().request("POST", CREATE, BODY)["results"]) == 1
    assert len(hubspot.objects("contacts")) == 1
    assert len(hubspot.requests) == 2


def test_request_repeats_a_create_that_never_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens: nothing was sent, so that it is tried again, and is told as HubSpot not being available."""
    connection = '{"conn_type": "hubspot", "password": "a-token", "host": "http://127.0.0.1:9"}'
    monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", connection)
    with pytest.raises(
        UnavailableError,
        match=r"nothing listens at the connection's host http://127\.0\.0\.1:9 .* tried (?!1 )\d+ times",
    ):
        impatient_client().request("POST", CREATE, BODY)


def test_request_repeats_what_the_caller_calls_repeatable(hubspot: HubSpotSandbox) -> None:
    """``repeatable=True``: the caller knows that a second time does no harm."""
    hubspot.faults.add("cut_before_write", path=CREATE)
    assert HubSpotHook().request("POST", CREATE, BODY, repeatable=True)["results"]
    assert len(hubspot.requests) == 2


def test_request_does_not_repeat_what_the_caller_calls_unrepeatable(hubspot: HubSpotSandbox) -> None:
    """``repeatable=False``, whatever the path."""
    hubspot.faults.add("cut_before_write")
    with pytest.raises(UnconfirmedRequestError):
        HubSpotHook().request("GET", "/account-info/2026-03/details", repeatable=False)
    assert len(hubspot.requests) == 1


OBJECTS = "/crm/objects/2026-03/contacts"
LINKS = "/crm/associations/2026-03/contacts/companies"


@pytest.mark.parametrize(
    ("method", "path", "repeatable"),
    [
        ("GET", OBJECTS, True),
        ("patch", f"{OBJECTS}/1", True),
        ("PUT", "/crm/v3/lists/1/memberships/add", True),
        ("DELETE", f"{OBJECTS}/1", True),
        ("POST", f"{OBJECTS}/batch/update", True),
        ("POST", f"{OBJECTS}/batch/upsert", True),
        ("POST", f"{OBJECTS}/batch/archive", True),
        ("POST", f"{OBJECTS}/batch/read?archived=true", True),
        ("POST", f"{OBJECTS}/search", True),
        ("POST", "/crm/v3/objects/deals/search/", True),
        ("POST", f"{LINKS}/batch/create", True),
        ("POST", f"{LINKS}/batch/associate/default", True),
        ("POST", f"{LINKS}/batch/archive", True),
        ("POST", f"{LINKS}/batch/labels/archive", True),
        ("POST", f"{LINKS}/batch/read", True),
        ("POST", "/crm/v4/associations/contacts/companies/batch/create", True),
        ("POST", f"{OBJECTS}/batch/create", False),
        ("post", OBJECTS, False),
        ("POST", f"{LINKS}/labels", False),
        ("POST", f"{OBJECTS}/merge", False),
        ("POST", f"{OBJECTS}/batch/create?next=/batch/update", False),
        ("POST", "/crm/v3/objects/associations/batch/create", False),
        ("POST", "/crm/v3/research", False),
    ],
)
def test_is_repeatable_by_method_and_path(method: str, path: str, repeatable: bool) -> None:
    """Of POSTs, those that read, search, update, upsert, archive or link; all other methods."""
    assert is_repeatable(method, path) is repeatable


# --- what is shared -----------------------------------------------------------------------------------------------


class SimulatedSenders:
    """All that a client sends goes to one simulation, and its clock."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation

    def channel(self) -> Simulation:
        """The simulation."""
        return self.simulation


def simulated_client(limit: int, cap: int | None = None) -> tuple[HubSpotClient, Simulation]:
    """A client of an account with this limit, whose connection has this cap."""
    records: dict[str, dict[str, str]] = {str(number): {} for number in range(1, 5_001)}
    simulation = Simulation(SimulatedHubSpot(records, limit=limit))
    settings = ConnectionSettings(conn_id="c", base_url="http://x", token="a-token", requests_per_10_seconds=cap)
    return HubSpotClient(settings, user_agent="test", senders=SimulatedSenders(simulation)), simulation


def seconds_of_a_sync(client: HubSpotClient, simulation: Simulation, cap: int | None) -> float:
    """How long 50 requests take in simulated time."""
    before = simulation.now()
    rows = [{"id": number, "city": "Ghent"} for number in range(1, 5_001)]
    options = UpdateOptions(preflight=False, requests_per_10_seconds=cap)
    assert Sync(client, "contacts", rows, options).finish().counts == {Status.UPDATED: 5_000}
    return simulation.now() - before


def test_client_a_cap_ends_with_its_sync() -> None:
    """A sync with a cap, then one without on the same client: that one runs at the account's pace."""
    client, simulation = simulated_client(limit=190)
    assert seconds_of_a_sync(client, simulation, cap=10) > 40
    assert seconds_of_a_sync(client, simulation, cap=None) < 10
    assert simulation.hubspot.over_limit == 0


def test_client_a_sync_has_its_cap_instead_of_the_connections() -> None:
    """The connection's cap is for all that has none of its own, and comes back after it."""
    client, simulation = simulated_client(limit=190, cap=10)
    assert seconds_of_a_sync(client, simulation, cap=None) > 40
    assert seconds_of_a_sync(client, simulation, cap=100) < 10
    assert seconds_of_a_sync(client, simulation, cap=None) > 40


def test_client_one_transport_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """The preflight's requests, a sync's and single ones go over one connection, which is kept open."""
    body = b'{"results": [{"id": "1", "name": "city", "type": "string"}], "portalId": 7}'

    def answer(connection: socket.socket) -> None:
        connection.sendall(http_reply(body))

    with serving(answer) as server:
        connection = {"conn_type": "hubspot", "password": "a-token", "host": server.url}
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", json.dumps(connection))
        hook = HubSpotHook()
        for _ in range(3):
            report = hook.batch_update("contacts", [{"id": "1", "city": "Ghent"}], max_in_flight=1)
            assert report.counts == {Status.UPDATED: 1}
            hook.account()
        assert len(server.requests) == 12
        assert server.connections == 1


def test_client_asks_for_properties_and_account_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither waits for the other's reply: a small sync takes two answering times, not three."""
    both_asked = threading.Barrier(2)
    replies: list[socket.socket] = []

    def answer(connection: socket.socket) -> None:
        if len(server.requests) <= 2:
            both_asked.wait(20)  # nobody is answered before both have asked
        replies.append(connection)
        connection.sendall(http_reply(b'{"results": [{"id": "1", "name": "city", "type": "string"}], "portalId": 7}'))

    with serving(answer) as server:
        connection = {"conn_type": "hubspot", "password": "a-token", "host": server.url}
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", json.dumps(connection))
        report = HubSpotHook().batch_update("contacts", [{"id": "1", "city": "Ghent"}])
        assert report.counts == {Status.UPDATED: 1}
        assert report.requests == len(replies) == 3
