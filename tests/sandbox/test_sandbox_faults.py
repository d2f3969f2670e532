"""Scripted and random faults: each does what it says, to the requests that it is meant for."""

from __future__ import annotations

import socket
import time
from contextlib import closing
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
import requests

from airflow_provider_hubbatch.sandbox import KINDS
from airflow_provider_hubbatch.sandbox.effects import _EFFECTS
from airflow_provider_hubbatch.sandbox.faults import FaultScript
from tests.sandbox.hubspot_client import row

if TYPE_CHECKING:
    from tests.sandbox.conftest import Pair

BATCH = [row(str(number)) for number in range(1, 6)]


def written(pair: Pair) -> set[str]:
    """The records that got the batch's value."""
    objects = pair.sandbox.objects("contacts")
    return {one for one, shown in objects.items() if shown["properties"]["firstname"] == "New"}


ALL = {"1", "2", "3", "4", "5"}


def test_every_kind_has_an_effect() -> None:
    """Each kind that is listed is built."""
    assert _EFFECTS.keys() == KINDS.keys()


@pytest.mark.parametrize("policy", ["TEN_SECONDLY_ROLLING", "SECONDLY", "DAILY"])
@pytest.mark.parametrize("retry_after", [None, 2, "2000"])
def test_rate_limited(pair: Pair, policy: str, retry_after: float | str | None) -> None:
    """429 of each policy, with and without Retry-After; it takes no place in the window and writes nothing."""
    pair.sandbox.faults.add("rate_limited", policy=policy, retry_after=retry_after)
    response = pair.client.update(*BATCH)
    assert response.status_code == 429
    assert response.json()["policyName"] == policy
    assert response.headers.get("Retry-After") == (None if retry_after is None else str(retry_after))
    assert pair.sandbox.requests[0].counted_at is None
    assert pair.sandbox.statistics["rate_limited"] == {policy: 1}
    assert written(pair) == set()
    assert pair.client.update(*BATCH).status_code == 200


@pytest.mark.parametrize(
    ("kind", "details", "status", "content_type"),
    [
        ("locked", {}, 423, "application/json"),
        ("migrating", {"retry_after": 30}, 477, "application/json"),
        ("unauthorized", {}, 401, "application/json"),
        ("missing_scopes", {}, 403, "application/json"),
        ("html", {}, 502, "text/html"),
        ("html", {"status": 200}, 200, "text/html"),
        ("redirect", {}, 307, "application/json"),
        ("status", {}, 503, "application/json"),
        *[("status", {"status": status}, status, "application/json") for status in (500, 502, 504, 521, 523, 524, 525)],
    ],
)
def test_a_status_comes_instead_of_the_write(
    pair: Pair, kind: str, details: dict[str, Any], status: int, content_type: str
) -> None:
    """423, 477, 401, 403, redirects, HTML pages and any other status: nothing is written."""
    pair.sandbox.faults.add(kind, **details)
    response = pair.client.update(*BATCH)
    assert response.status_code == status
    assert response.headers["Content-Type"].startswith(content_type)
    assert written(pair) == set()
    assert pair.sandbox.requests[0].fault == kind
    assert pair.client.update(*BATCH).status_code == 200


def test_a_migration_says_how_long(pair: Pair) -> None:
    """477 has Retry-After in seconds."""
    pair.sandbox.faults.add("migrating", retry_after=30)
    assert pair.client.update(*BATCH).headers["Retry-After"] == "30"


def test_a_redirect_leads_elsewhere(pair: Pair) -> None:
    """A redirect names another address."""
    pair.sandbox.faults.add("redirect", location="http://127.0.0.1:1/other", status=302)
    response = pair.client.update(*BATCH)
    assert (response.status_code, response.headers["Location"]) == (302, "http://127.0.0.1:1/other")


def test_a_status_may_come_after_the_write(pair: Pair) -> None:
    """With written=True, the error comes though everything was written."""
    pair.sandbox.faults.add("status", status=504, written=True, message="processing limits met", category="TIMEOUT")
    response = pair.client.update(*BATCH)
    assert response.status_code == 504
    assert (response.json()["message"], response.json()["category"]) == ("processing limits met", "TIMEOUT")
    assert written(pair) == ALL


@pytest.mark.parametrize(("kind", "expected"), [("cut_before_write", set()), ("cut_after_write", ALL)])
def test_a_cut_closes_the_socket(pair: Pair, kind: str, expected: set[str]) -> None:
    """The client sees its connection broken, before or after the write; the next request passes."""
    pair.client.details()
    pair.sandbox.faults.add(kind)
    with pytest.raises(requests.ConnectionError):
        pair.client.update(*BATCH)
    assert written(pair) == expected
    assert pair.sandbox.requests[-1].status is None
    assert pair.client.update(*BATCH).status_code == 200


def test_a_refused_batch_can_be_cut_too(pair: Pair) -> None:
    """A fault meets a request whatever its reply would be."""
    pair.sandbox.faults.add("cut_after_write")
    with pytest.raises(requests.ConnectionError):
        pair.client.update(row("1", {"plan": "Veza"}))


def test_a_cut_may_come_in_the_midst_of_the_reply(pair: Pair) -> None:
    """Half of the reply arrives, then the connection breaks; everything was written."""
    pair.sandbox.faults.add("cut_during_reply")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        pair.client.update(*BATCH)
    assert written(pair) == ALL


@pytest.mark.parametrize(("is_written", "at_once"), [(True, ALL), (False, set())])
def test_a_hang_outlasts_the_clients_patience(pair: Pair, is_written: bool, at_once: set[str]) -> None:
    """No answer comes in time, whether or not the write came before the wait."""
    pair.sandbox.faults.add("hang", seconds=60, written=is_written)
    with pytest.raises(requests.exceptions.ReadTimeout):
        pair.client.post("/crm/objects/2026-03/contacts/batch/update", {"inputs": BATCH}, timeout=0.2)
    assert written(pair) == at_once
    assert pair.sandbox.statistics["in_flight"] == 1


def test_a_short_hang_ends_in_the_usual_reply(pair: Pair) -> None:
    """After its seconds, a hang gives the usual reply."""
    pair.sandbox.faults.add("hang", seconds=0.05)
    assert pair.client.update(*BATCH).status_code == 200
    request = pair.sandbox.requests[0]
    assert request.answered_at - request.received_at >= 0.049
    assert written(pair) == ALL


def test_a_drip_keeps_every_read_short(pair: Pair) -> None:
    """The reply arrives in small pieces: no single read times out, and the whole takes its seconds."""
    pair.sandbox.faults.add("drip", seconds=0.2)
    began = time.monotonic()
    assert len(pair.client.update(*BATCH).json()["results"]) == 5
    assert time.monotonic() - began >= 0.15


@pytest.mark.parametrize("kind", ["garbage", "truncated", "empty_body"])
def test_a_2xx_that_is_no_json(pair: Pair, kind: str) -> None:
    """Garbage, half of the JSON, or no body at all, with a 2xx, though everything was written."""
    pair.sandbox.faults.add(kind)
    response = pair.client.update(*BATCH)
    assert response.status_code == 200
    with pytest.raises(requests.exceptions.JSONDecodeError):
        response.json()
    assert written(pair) == ALL


@pytest.mark.parametrize(("is_written", "expected"), [(None, set()), (True, ALL)])
def test_empty_results(pair: Pair, is_written: bool | None, expected: set[str]) -> None:
    """An empty 2xx, with and without having written."""
    pair.sandbox.faults.add("empty_results", written=is_written)
    response = pair.client.update(*BATCH)
    assert response.status_code == 200
    assert response.json()["results"] == []
    assert written(pair) == expected


@pytest.mark.parametrize("status", ["PENDING", "PROCESSING", "CANCELED"])
@pytest.mark.parametrize(("is_written", "expected"), [(False, set()), (True, ALL)])
@pytest.mark.parametrize("keep", [True, False])
def test_reply_status(pair: Pair, status: str, is_written: bool, expected: set[str], keep: bool) -> None:
    """A reply that isn't COMPLETE, with and without having written, with and without results."""
    pair.sandbox.faults.add("reply_status", reply_status=status, written=is_written, keep_results=keep)
    response = pair.client.update(*BATCH)
    assert response.json()["status"] == status
    assert len(response.json()["results"]) == (5 if keep and is_written else 0)
    assert written(pair) == expected


@pytest.mark.parametrize("is_written", [True, False])
def test_a_result_left_out(pair: Pair, is_written: bool) -> None:
    """Some results are missing without a word, and were written or not."""
    pair.sandbox.faults.add("result_left_out", results=2, written=is_written)
    response = pair.client.update(*BATCH)
    assert response.status_code == 200
    assert len(response.json()["results"]) == 3
    assert len(written(pair)) == (5 if is_written else 3)


@pytest.mark.parametrize("is_written", [True, False])
def test_the_result_of_one_input_left_out(pair: Pair, is_written: bool) -> None:
    """The result of a certain record is missing."""
    pair.sandbox.faults.add("result_left_out", input_id="3", written=is_written)
    response = pair.client.update(*BATCH)
    assert {result["id"] for result in response.json()["results"]} == {"1", "2", "4", "5"}
    assert written(pair) == (ALL if is_written else ALL - {"3"})


def test_foreign_results(pair: Pair) -> None:
    """Results of ids that were never sent stand among the right ones."""
    pair.sandbox.faults.add("foreign_results", results=3)
    ids = {result["id"] for result in pair.client.update(*BATCH).json()["results"]}
    assert len(ids) == 8
    assert ids > ALL


def test_an_enormous_reply(pair: Pair) -> None:
    """A reply of so many bytes."""
    pair.sandbox.faults.add("huge", size_bytes=3_000_000)
    response = pair.client.update(*BATCH)
    assert len(response.content) == 3_000_000
    assert len(response.json()["results"]) == 5


def test_a_deep_reply(pair: Pair) -> None:
    """A reply that is nested so deep that parsers give up."""
    pair.sandbox.faults.add("deep")
    response = pair.client.update(*BATCH)
    assert response.status_code == 200
    with pytest.raises(RecursionError):
        response.json()


def test_a_reply_of_ones_own(pair: Pair) -> None:
    """Any status, headers and body."""
    body = {"status": "error", "message": "as you like it"}
    pair.sandbox.faults.add("reply", status=418, headers={"X-Odd": "1"}, body=body)
    response = pair.client.update(*BATCH)
    assert (response.status_code, response.headers["X-Odd"], response.json()) == (418, "1", body)
    pair.sandbox.faults.add("reply", body="plain", headers={"Content-Type": "text/plain"}, written=True)
    response = pair.client.update(*BATCH)
    assert (response.status_code, response.text) == (200, "plain")
    assert written(pair) == ALL


def test_faults_choose_their_requests(pair: Pair) -> None:
    """count, skip, path, method and input_id say which requests a fault meets."""
    faults = pair.sandbox.faults
    fault = faults.add("status", count=2, skip=1)
    assert [pair.client.details().status_code for _ in range(4)] == [200, 503, 503, 200]
    assert fault.hits == 2
    faults.add("status", path="batch/update", method="post")
    assert (pair.client.details().status_code, pair.client.update(*BATCH).status_code) == (200, 503)
    poison = faults.add("status", status=500, input_id="3", count=None)
    statuses = [pair.client.update(row(one)).status_code for one in ("3", "4", "3")]
    assert statuses == [500, 200, 500]
    assert faults.pending == [poison]
    faults.clear()
    assert pair.client.update(row("3")).status_code == 200


def test_faults_meet_no_request_over_the_limit(pair: Pair) -> None:
    """A request that gets a 429 anyway leaves the script alone."""
    pair.sandbox.spend_daily_quota()
    fault = pair.sandbox.faults.add("status")
    assert pair.client.details().status_code == 429
    assert fault.hits == 0


def test_an_unknown_fault_is_refused(pair: Pair) -> None:
    """A kind that doesn't exist is told at once, with those that do."""
    with pytest.raises(ValueError, match="There are: rate_limited, locked"):
        pair.sandbox.faults.add("explode")


def test_random_faults_follow_their_seed(pair: Pair) -> None:
    """Random faults strike their share of requests, the same ones for the same seed."""

    def struck(seed: int) -> list[bool]:
        script = FaultScript(seed=seed)
        script.randomly("status", probability=0.05)
        return [script.take(method="GET", path="/", body=b"") is not None for _ in range(2000)]

    assert struck(1) == struck(1) != struck(2)
    assert 60 < sum(struck(1)) < 140
    pair.sandbox.faults.randomly("status", probability=1.0, path="details")
    assert {pair.client.details().status_code for _ in range(3)} == {503}
    assert pair.client.update(*BATCH).status_code == 200


def test_faults_can_be_scripted_over_http(pair: Pair) -> None:
    """POST /_sandbox/faults scripts a fault, GET lists them, DELETE forgets them."""
    response = pair.client.post("/_sandbox/faults", {"kind": "status", "status": 502, "count": 3})
    assert response.status_code == 201
    assert response.json() == {"kind": "status", "status": 502, "count": 3, "left": 3}
    assert pair.client.details().status_code == 502
    (pending,) = pair.client.get("/_sandbox/faults").json()
    assert (pending["left"], pending["hits"]) == (2, 1)
    assert pair.client.delete("/_sandbox/faults").json() == []
    assert pair.client.details().status_code == 200
    assert pair.client.post("/_sandbox/faults", {"kind": "status", "probability": 1}).status_code == 201
    assert pair.client.details().status_code == 503


@pytest.mark.parametrize("body", [{"kind": "nope"}, {"kind": "status", "colour": "red"}, {}, {"kind": 3}])
def test_a_wrong_fault_over_http_is_refused(pair: Pair, body: dict[str, Any]) -> None:
    """A fault that can't be: 400 with the reason."""
    response = pair.client.post("/_sandbox/faults", body)
    assert response.status_code == 400
    assert response.json()["error"]


def test_a_cut_leaves_other_connections_alone(pair: Pair) -> None:
    """A cut closes its own connection only."""
    pair.sandbox.faults.add("hang", seconds=0.3, path="api-usage")
    statuses: list[int] = []

    def slow() -> None:
        statuses.append(
            requests.get(
                pair.sandbox.url + "/account-info/2026-03/api-usage/daily/private-apps",
                headers={"Authorization": f"Bearer {pair.sandbox.token}"},
                timeout=10,
            ).status_code
        )

    thread = Thread(target=slow)
    thread.start()
    deadline = time.monotonic() + 5
    while pair.sandbox.statistics["in_flight"] == 0 and time.monotonic() < deadline:
        time.sleep(0.005)
    pair.sandbox.faults.add("cut_before_write")
    with pytest.raises(requests.ConnectionError):
        pair.client.details()
    thread.join()
    assert statuses == [200]


def test_a_cut_sends_no_byte(pair: Pair) -> None:
    """On the wire, a cut is an end without a byte of reply."""
    pair.sandbox.faults.add("cut_before_write")
    port = int(pair.sandbox.url.rpartition(":")[2])
    token = pair.sandbox.token
    head = f"GET /account-info/2026-03/details HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
    with closing(socket.create_connection(("127.0.0.1", port), timeout=5)) as connection:
        connection.sendall(head.encode())
        assert connection.recv(1000) == b""
