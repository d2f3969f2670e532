"""Every fault meets every verb: what was carried out, and what the client sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from airflow_provider_hubbatch.sandbox import KINDS
from tests.sandbox.hubspot_client import Client
from tests.sandbox.verbs import RECORDS, VERBS, every_verb

if TYPE_CHECKING:
    from tests.sandbox.conftest import MakeSandbox, Pair
    from tests.sandbox.verbs import Verb

pytestmark = pytest.mark.slow

# Kind, details, how many of five inputs are carried out, and the status (0: no reply, None: the verb's own)
FAULTS: list[tuple[str, dict[str, Any], int, int | None]] = [
    ("rate_limited", {}, 0, 429),
    ("rate_limited", {"policy": "DAILY"}, 0, 429),
    ("locked", {}, 0, 423),
    ("migrating", {}, 0, 477),
    ("status", {}, 0, 503),
    ("status", {"status": 500, "written": True}, 5, 500),
    ("status", {"status": 504, "written": True}, 5, 504),
    ("status", {"status": 524, "written": False}, 0, 524),
    ("html", {}, 0, 502),
    ("html", {"status": 200, "written": True}, 5, 200),
    ("unauthorized", {}, 0, 401),
    ("missing_scopes", {}, 0, 403),
    ("redirect", {}, 0, 307),
    ("cut_before_write", {}, 0, 0),
    ("cut_after_write", {}, 5, 0),
    ("cut_during_reply", {}, 5, 0),
    ("hang", {"seconds": 60}, 0, 0),
    ("hang", {"seconds": 60, "written": True}, 5, 0),
    ("hang", {"seconds": 0.01}, 5, None),
    ("drip", {"seconds": 0.02}, 5, None),
    ("garbage", {}, 5, 200),
    ("truncated", {}, 5, None),
    ("empty_results", {}, 0, None),
    ("empty_results", {"written": True}, 5, None),
    ("empty_body", {}, 5, None),
    ("result_left_out", {"results": 2}, 5, None),
    ("result_left_out", {"results": 2, "written": False}, 3, None),
    ("foreign_results", {"results": 2}, 5, None),
    ("reply_status", {}, 0, None),
    ("reply_status", {"written": True, "keep_results": True}, 5, None),
    ("huge", {"size_bytes": 10_000}, 5, None),
    ("deep", {"depth": 10}, 5, 200),
    ("reply", {"status": 418, "body": "no"}, 0, 418),
    ("reply", {"status": 200, "body": {"results": []}, "written": True}, 5, 200),
]


def test_every_kind_is_tried() -> None:
    """The table below has every kind."""
    assert {kind for kind, *_ in FAULTS} == KINDS.keys()


def started(make: MakeSandbox, verb: Verb) -> Pair:
    pair = make(records=RECORDS)
    verb.prepare(pair.sandbox)
    return pair


@every_verb
def test_every_fault_meets_every_verb(make: MakeSandbox, verb: Verb) -> None:
    """Each kind of fault is carried out or not as it says, whatever the verb, and the next request passes."""
    for kind, details, done, status in FAULTS:
        pair = started(make, verb)
        pair.sandbox.faults.add(kind, **details)
        try:
            response = verb.post(pair.client, timeout=0.2 if kind == "hang" else 10)
        except requests.RequestException:
            seen = 0
        else:
            seen = response.status_code
        assert seen == (verb.status if status is None else status), (kind, details)
        assert verb.done(pair.sandbox) == done, (kind, details)
        with Client(pair.sandbox) as client:
            assert client.details().status_code == 200


@every_verb
def test_a_reply_is_the_usual_one_without_faults(make: MakeSandbox, verb: Verb) -> None:
    """Without faults, all five are carried out; a 204 has no body, any other reply one result each at least."""
    pair = started(make, verb)
    response = verb.post(pair.client)
    assert response.status_code == verb.status
    assert verb.done(pair.sandbox) == 5
    if verb.status == 204:
        assert response.content == b""
    else:
        assert response.json()["status"] == "COMPLETE"
        assert len(response.json()["results"]) >= 5


@every_verb
def test_a_fault_may_be_about_one_input(make: MakeSandbox, verb: Verb) -> None:
    """input_id: an input's id, a side of a link, or a value of a new record. Its result is missing, and its effect."""
    ids = {"/upsert": "X-4", "/create": "new4@example.com"}
    named = next((one for tail, one in ids.items() if verb.path.endswith(tail) and "objects" in verb.path), "4")
    pair = started(make, verb)
    pair.sandbox.faults.add("status", status=500, input_id="nobody's", count=None)
    fault = pair.sandbox.faults.add("result_left_out", input_id=named, written=False)
    response = verb.post(pair.client)
    assert response.status_code == verb.status
    assert verb.done(pair.sandbox) == 4
    assert fault.hits == 1


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb.status != 204], ids=str)
def test_foreign_results_stand_among_the_right_ones(make: MakeSandbox, verb: Verb) -> None:
    """foreign_results adds results that nobody asked for, in the verb's own shape."""
    pair = started(make, verb)
    pair.sandbox.faults.add("foreign_results", results=2)
    results = verb.post(pair.client).json()["results"]
    foreign = [one for one in results if "900000001" in str(one)]
    assert foreign
    assert foreign[0].keys() & next(one for one in results if one not in foreign).keys()


@every_verb
def test_a_body_that_is_no_batch_is_refused(make: MakeSandbox, verb: Verb) -> None:
    """A body that isn't JSON, or of another shape, gets 400 from every verb, and nothing is carried out."""
    pair = started(make, verb)
    for body in (b"", b"nope", b"[]", b"{}", b'{"inputs": 3}', b'{"inputs": ["1"]}'):
        response = pair.client.post(verb.path, data=body)
        assert response.status_code == 400
        assert response.json()["message"].startswith("Invalid input JSON on line 1")
        assert "category" not in response.json()
    assert verb.done(pair.sandbox) == 0


@every_verb
def test_too_many_inputs_are_refused(make: MakeSandbox, verb: Verb) -> None:
    """More inputs than the verb takes: 400 VALIDATION_ERROR that says how many it does."""
    pair = started(make, verb)
    most = 2000 if "associations" in verb.path and not verb.path.endswith("batch/archive") else 100
    response = pair.client.post(verb.path, {"inputs": [verb.inputs[0]] * (most + 1)})
    assert response.status_code == 400
    assert response.json()["message"].startswith(f"The maximum number of inputs supported in a batch is {most}. ")
    assert verb.done(pair.sandbox) == 0
