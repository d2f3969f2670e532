"""HubSpot's other limits, of associations and of search, in simulated time: neither holds up the other requests."""

from __future__ import annotations

import bisect
import itertools
from random import Random

import pytest

from airflow_provider_hubbatch.client.calls import call
from airflow_provider_hubbatch.client.dispatcher import Dispatcher
from airflow_provider_hubbatch.client.pace import Pace
from airflow_provider_hubbatch.core.protocol import Reply, Request, Window
from tests.engine.simulated import SimulatedHubSpot, Simulation

SEARCH = Request("POST", "/crm/objects/2026-03/contacts/search", b'{"inputs": []}', repeatable=True)
LINK = Request("POST", "/crm/associations/2026-03/contacts/companies/batch/create", b'{"inputs": []}', repeatable=True)
READ = Request("POST", "/crm/objects/2026-03/contacts/batch/read", b'{"inputs": [], "properties": []}', repeatable=True)
SPENT = {
    "X-HubSpot-RateLimit-Max": "1",
    "X-HubSpot-RateLimit-Remaining": "0",
    "X-HubSpot-RateLimit-Daily": "1000",
    "X-HubSpot-RateLimit-Daily-Remaining": "0",
}


def dispatcher_of(simulation: Simulation, pace: Pace) -> Dispatcher:
    """A dispatcher in simulated time."""
    return Dispatcher(transport=simulation, pace=pace, random=Random(0).random, max_in_flight=16)


def use_up(pace: Pace, window: Window) -> None:
    """Send as much as may be sent in this window now."""
    for now in itertools.count():
        ticket = pace.take(now / 100, window)
        if ticket is None and now > 100:
            return
        if ticket is not None:
            pace.answered(ticket, window, Reply(200, {}, b""), sent_at=now / 100, answered_at=now / 100)


@pytest.mark.parametrize(
    ("method", "path", "window"),
    [
        ("POST", "/crm/objects/2026-03/contacts/search", Window.SEARCH),
        ("POST", "/crm/v3/objects/2-1234567/search?a=b", Window.SEARCH),
        ("POST", "/crm/associations/2026-03/contacts/companies/batch/create", Window.ASSOCIATIONS),
        ("POST", "/crm/v4/associations/contacts/companies/batch/labels/archive", Window.ASSOCIATIONS),
        ("POST", "/crm/objects/2026-03/contacts/batch/update", Window.OBJECTS),
        ("GET", "/crm/associations/2026-03/contacts/companies/labels", Window.OBJECTS),
        ("GET", "/crm/objects/2026-03/contacts/search", Window.OBJECTS),
        ("GET", "/crm/v3/owners?limit=100&path=/crm/objects/contacts/search", Window.OBJECTS),
    ],
)
def test_window_of_a_request_is_its_paths(method: str, path: str, window: Window) -> None:
    """As HubSpot counts them: whether a request of the operators' or of hook.request."""
    assert Request(method, path).window is window


@pytest.mark.parametrize("window", [Window.ASSOCIATIONS, Window.SEARCH])
def test_window_objects_learn_nothing_from_other_replies(window: Window) -> None:
    """Which limit their headers speak of is unknown: neither the ten seconds nor the daily limit is read from them."""
    pace = Pace()
    ticket = pace.take(0.0, window)
    assert ticket is not None
    pace.answered(ticket, window, Reply(200, SPENT, b""), sent_at=0.0, answered_at=0.1)
    assert pace.requests_per_10_seconds() == 100
    assert (pace.daily, pace.daily_remaining) == (None, None)
    assert pace.wait_seconds(0.2, Window.OBJECTS) == 0.0


def test_window_of_links_is_a_hundred_in_ten_seconds() -> None:
    """The smaller of the limits that HubSpot documents for associations."""
    simulation = Simulation(SimulatedHubSpot({}), latency=0.1)
    dispatcher = dispatcher_of(simulation, Pace())
    for _ in range(250):
        dispatcher.send(LINK, None)
    sent_at: list[float] = []
    simulation.at_submit = lambda _: sent_at.append(simulation.now())
    while dispatcher.pending:
        dispatcher.send_due()
        dispatcher.wait(wants_to_send=False)
    assert len(simulation.requests) == 250
    assert max(number - bisect.bisect_left(sent_at, at - 10) + 1 for number, at in enumerate(sent_at)) <= 100
    assert simulation.now() < 25


def test_window_of_search_holds_up_nothing_else() -> None:
    """Forty searches wait for their five a second, while two hundred reads go past them."""
    simulation = Simulation(SimulatedHubSpot({}), latency=0.1)
    dispatcher = dispatcher_of(simulation, Pace())
    sent_at: list[float] = []

    def note(_: int) -> None:
        if simulation.requests[-1] is SEARCH:
            sent_at.append(simulation.now())

    simulation.at_submit = note
    for _ in range(40):
        dispatcher.send(SEARCH, "search")
    reads, searches_before = 90, None
    while dispatcher.pending or reads:
        dispatcher.send_due()
        while reads and dispatcher.may_send():
            dispatcher.send(READ, "read")
            reads -= 1
        if not reads and searches_before is None:
            searches_before = len(sent_at)
        dispatcher.wait(wants_to_send=bool(reads))
    assert searches_before is not None
    assert searches_before < 20
    assert len(sent_at) == 40
    assert max(number - bisect.bisect_left(sent_at, at - 1) + 1 for number, at in enumerate(sent_at)) <= 5
    assert 7.5 < simulation.now() < 10


@pytest.mark.parametrize("request_", [SEARCH, LINK])
def test_window_of_objects_holds_up_no_other(request_: Request) -> None:
    """A search by hook.request leaves at once, though updates use the account's limit up."""
    pace = Pace()
    use_up(pace, Window.OBJECTS)
    assert pace.take(2.0, Window.OBJECTS) is None
    simulation = Simulation(SimulatedHubSpot({}), latency=0.1)
    simulation.wait(2.0)
    call(dispatcher_of(simulation, pace), request_)
    assert simulation.now() < 2.3


def test_window_that_is_refused_pauses_alone() -> None:
    """A 429 of a search, with HubSpot's wish to wait, is about searches; a 503 with one is about everything."""
    pace = Pace()
    pace.pause(10.0, Window.SEARCH)
    assert (pace.wait_seconds(1.0, Window.SEARCH), pace.wait_seconds(1.0, Window.OBJECTS)) == (9.0, 0.0)
    pace.pause(5.0)
    assert [pace.wait_seconds(1.0, window) for window in Window] == [4.0, 4.0, 9.0]
