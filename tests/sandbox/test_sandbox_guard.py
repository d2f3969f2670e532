"""The sandbox answers programs on this machine, and no page of somebody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sandbox.hubspot_client import row

if TYPE_CHECKING:
    from tests.sandbox.conftest import Pair

API = "/crm/objects/2026-03/contacts/batch/update"
FAULTS = "/_sandbox/faults"
ACTION = "/_sandbox/do/archive"
PLACES = [("POST", API), ("POST", FAULTS), ("DELETE", FAULTS), ("POST", ACTION), ("GET", "/"), ("GET", "/nowhere")]


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({}, True),
        ({"Host": "localhost"}, True),
        ({"Host": "LOCALHOST:9999"}, True),
        ({"Host": "[::1]:80"}, True),
        ({"Host": "localhost:8765", "Origin": "http://localhost:8765"}, True),
        ({"Host": "evil.example"}, False),
        ({"Host": "evil.example:8765"}, False),
        ({"Host": "127.0.0.1.evil.example"}, False),
        ({"Host": "localhost:x"}, False),
        ({"Host": ""}, False),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://localhost:8080"}, False),
    ],
)
def test_foreign_pages_are_refused(pair: Pair, headers: dict[str, str], passes: bool) -> None:
    """Another Host (DNS rebinding) or a foreign Origin gets 403 everywhere, and nothing happens."""
    for method, path in PLACES:
        response = pair.client.request(method, path, json={"inputs": [row("1")]}, headers=headers)
        assert (response.status_code != 403) == passes
        assert passes or response.json()["message"]
    written = pair.sandbox.objects("contacts")["1"]["properties"]["firstname"] == "New"
    assert (written, bool(pair.sandbox.requests)) == (passes, passes)


def test_the_pages_own_address_is_no_foreign_origin(pair: Pair) -> None:
    """The sandbox's own page may ask it."""
    assert pair.client.request("GET", "/_sandbox/state", headers={"Origin": pair.sandbox.url}).status_code == 200


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize("path", [FAULTS, ACTION])
def test_what_changes_the_sandbox_wants_json(pair: Pair, path: str, content_type: str | None) -> None:
    """A form can't script a fault or an action: 415 without application/json, though the body is JSON."""
    body = b'{"kind": "status", "object_type": "contacts", "record_id": "1"}'
    response = pair.client.request("POST", path, data=body, headers={"Content-Type": content_type})
    assert response.status_code == 415
    assert "application/json" in response.json()["error"]
    assert pair.sandbox.faults.pending == []
    assert "1" in pair.sandbox.objects("contacts")


@pytest.mark.parametrize("body", ["[]", '"archive"', "3", "nope"])
@pytest.mark.parametrize("path", [FAULTS, ACTION])
def test_what_changes_the_sandbox_is_an_object(pair: Pair, path: str, body: str) -> None:
    """A body that is no JSON object gets 400."""
    response = pair.client.request("POST", path, data=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert response.json()["error"]
