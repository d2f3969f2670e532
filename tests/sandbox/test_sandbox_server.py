"""The server itself: where it listens, how it starts and stops, and that nothing stalls."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import requests

from airflow_provider_hubbatch.sandbox import HubSpotSandbox
from tests.sandbox.hubspot_client import Client, row

if TYPE_CHECKING:
    from tests.sandbox.conftest import MakeSandbox, Pair


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


def test_it_listens_on_loopback_only(pair: Pair) -> None:
    """The address is 127.0.0.1, and there is no option for another."""
    assert pair.sandbox.url.startswith("http://127.0.0.1:")
    with pytest.raises(TypeError, match="host"):
        HubSpotSandbox(host="0.0.0.0")  # type: ignore[call-arg]


def test_it_starts_and_stops(make: MakeSandbox) -> None:
    """start() returns once it listens; stop() ends it at once, and what it holds can still be looked at."""
    pair = make()
    pair.client.update(row("1"))
    pair.sandbox.stop()
    assert pair.sandbox.objects("contacts")["1"]["properties"]["firstname"] == "New"
    with pytest.raises(requests.ConnectionError):
        pair.client.details()
    pair.sandbox.stop()
    pair.sandbox.start()
    with Client(pair.sandbox) as client:
        assert client.details().status_code == 200
    with pytest.raises(RuntimeError, match="started already"):
        pair.sandbox.start()


def test_stopping_waits_for_nobody(make: MakeSandbox) -> None:
    """stop() ends requests under way, too."""
    pair = make()
    pair.sandbox.faults.add("hang", seconds=600)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(pair.client.details)
        deadline = time.monotonic() + 10
        while not pair.sandbox.statistics["in_flight"] and time.monotonic() < deadline:
            time.sleep(0.005)
        pair.sandbox.stop()
        assert isinstance(waiting.exception(timeout=10), requests.ConnectionError)


def test_a_client_may_die_in_the_midst_of_its_request(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    """A request that breaks off is forgotten: nothing is written, recorded or logged, and the next one passes."""
    address = pair.sandbox.url.removeprefix("http://").split(":")
    with closing(socket.create_connection((address[0], int(address[1])))) as connection:
        path = "/crm/objects/2026-03/contacts/batch/update"
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n{{".encode())
    assert pair.client.details().status_code == 200
    assert [request.method for request in pair.sandbox.requests] == ["GET"]
    assert caplog.records == []


def test_a_taken_port_is_an_error(pair: Pair) -> None:
    """A port that is taken raises OSError."""
    port = int(pair.sandbox.url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        HubSpotSandbox(port=port).start()


def test_kept_alive_connections_do_not_stall(pair: Pair) -> None:
    """Replies leave at once: Nagle's algorithm, which would hold each one back for 40 ms, is off."""
    pair.client.details()
    server = pair.sandbox._server
    assert server is not None
    sockets = [one.transport.get_extra_info("socket") for one in server.server_state.connections]
    assert sockets
    assert all(one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for one in sockets)


def test_latency_holds_up_nobody_else(make: MakeSandbox) -> None:
    """Forty requests of 200 ms, sent at once, are under way at once."""
    pair = make(latency_ms=200, requests_per_10_seconds=None)
    headers = {"Authorization": f"Bearer {pair.sandbox.token}"}
    url = pair.sandbox.url + "/account-info/2026-03/details"
    with ThreadPoolExecutor(40) as pool:
        statuses = list(pool.map(lambda _: requests.get(url, headers=headers, timeout=20).status_code, range(40)))
    assert statuses == [200] * 40
    assert pair.sandbox.statistics["max_in_flight"] > 10


def test_latency_can_be_a_range(make: MakeSandbox) -> None:
    """A range of latency is drawn from."""
    pair = make(latency_ms=(1, 30))
    for _ in range(5):
        pair.client.details()
    times = [request.answered_at - request.received_at for request in pair.sandbox.requests]
    assert all(one >= 0.0009 for one in times)
    assert len({round(one, 4) for one in times}) > 1


def test_importing_the_package_loads_no_web_framework() -> None:
    """Import airflow_provider_hubbatch.sandbox is cheap: FastAPI and uvicorn load when the sandbox is used."""
    code = (
        "import sys, airflow_provider_hubbatch.sandbox as sandbox\n"
        "heavy = {'fastapi', 'uvicorn', 'starlette', 'orjson', 'airflow', 'requests', 'pandas'}\n"
        "print(sorted(heavy & sys.modules.keys()), 'HubSpotSandbox' in sandbox.__all__)"
    )
    assert python(code) == "[] True"


def test_using_it_loads_no_airflow() -> None:
    """The sandbox runs without Airflow."""
    code = (
        "import sys\n"
        "from airflow_provider_hubbatch.sandbox import HubSpotSandbox\n"
        "with HubSpotSandbox(records={'contacts': 1}): pass\n"
        "print(sorted({'airflow', 'requests', 'pandas'} & sys.modules.keys()))"
    )
    assert python(code) == "[]"


@pytest.mark.parametrize("missing", ["fastapi", "uvicorn"])
def test_without_its_extra_it_says_what_to_install(missing: str) -> None:
    """Without FastAPI or uvicorn, an ImportError names the extra."""
    code = (
        "import sys\n"
        f"sys.modules[{missing!r}] = None\n"
        "try:\n    from airflow_provider_hubbatch.sandbox import HubSpotSandbox\n"
        "except ImportError as error:\n    print(error)"
    )
    assert python(code) == (f"The HubSpot sandbox needs {missing}: pip install airflow-provider-hubbatch[sandbox]")
