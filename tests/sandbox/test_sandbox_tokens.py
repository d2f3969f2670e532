"""Who may call: tokens, scopes and OAuth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from airflow_provider_hubbatch.sandbox import OAuthApp
from tests.sandbox.hubspot_client import TIMEOUT_SECONDS, Client, row

if TYPE_CHECKING:
    from tests.sandbox.conftest import MakeSandbox, Pair

FORM = {
    "grant_type": "refresh_token",
    "client_id": "sandbox-client-id",
    "client_secret": "sandbox-client-secret",
    "refresh_token": "sandbox-refresh-token",
}


def refresh(pair: Pair, **changes: str) -> Any:
    return pair.client.post("/oauth/2026-03/token", data={**FORM, **changes})


def status_with(pair: Pair, token: str) -> int:
    with Client(pair.sandbox, token=token) as client:
        return client.details().status_code


def test_no_token_gets_401(pair: Pair) -> None:
    """Without a token: 401 INVALID_AUTHENTICATION, and the request isn't counted."""
    response = requests.get(pair.sandbox.url + "/account-info/2026-03/details", timeout=TIMEOUT_SECONDS)
    assert response.status_code == 401
    assert response.json()["category"] == "INVALID_AUTHENTICATION"
    assert pair.sandbox.requests[0].counted_at is None


def test_a_garbage_token_is_told_that_it_expired_long_ago(pair: Pair) -> None:
    """A garbage token: 401, "expired ... day(s) ago"."""
    with Client(pair.sandbox, token="garbage") as client:
        response = client.details()
    assert response.status_code == 401
    assert response.json()["message"].startswith("The OAuth token used to make this call expired 20")
    assert response.json()["message"].endswith(" day(s) ago.")


def test_a_token_can_be_rotated(pair: Pair) -> None:
    """After a rotation the old token gets 401, the new one passes."""
    old = pair.sandbox.token
    new = pair.sandbox.rotate_token()
    assert pair.sandbox.token == new
    assert (status_with(pair, old), status_with(pair, new)) == (401, 200)


def test_a_token_can_be_ended(make: MakeSandbox) -> None:
    """expire_tokens ends one token and leaves the others."""
    pair = make(tokens={"one": None, "two": None})
    pair.sandbox.expire_tokens("one")
    assert (status_with(pair, "one"), status_with(pair, "two")) == (401, 200)


@pytest.mark.parametrize(
    ("object_type", "read_scopes", "write_scope"),
    [
        ("contacts", ["crm.objects.contacts.read"], "crm.objects.contacts.write"),
        ("2-1234567", ["crm.objects.custom.read"], "crm.objects.custom.write"),
    ],
)
def test_a_missing_scope_gets_403(
    make: MakeSandbox, object_type: str, read_scopes: list[str], write_scope: str
) -> None:
    """A token that may only read: account and batch/read pass, update gets 403 MISSING_SCOPES that names the scope."""
    pair = make(records={"contacts": 1, "pets": 1}, tokens={"reader": read_scopes})
    assert pair.client.details().status_code == 200
    assert pair.client.get(f"/crm/properties/2026-03/{object_type}").status_code == 200
    assert pair.client.read("1", object_type=object_type).status_code == 200
    response = pair.client.update(row("1"), object_type=object_type)
    assert response.status_code == 403
    assert response.json()["category"] == "MISSING_SCOPES"
    assert response.json()["context"] == {"requiredGranularScopes": [write_scope]}


def test_tickets_have_one_scope(make: MakeSandbox) -> None:
    """Tickets are read and written with the scope tickets."""
    pair = make(records={"tickets": 1}, tokens={"some": ["tickets"]})
    assert pair.client.update(row("1", {"subject": "x"}), object_type="tickets").status_code == 200
    assert pair.client.update(row("1")).status_code == 403


def test_scopes_may_be_named_in_errors(make: MakeSandbox) -> None:
    """The scopes may be in errors[].context instead."""
    client = make(tokens={"none": []}, behaviours={"missing_scopes_in": "errors"}).client
    body = client.update(row("1")).json()
    assert "context" not in body
    assert body["errors"][0]["context"] == {"requiredGranularScopes": ["crm.objects.contacts.write"]}


def test_oauth_refresh_gives_a_token_that_expires(make: MakeSandbox) -> None:
    """A refresh answers as HubSpot's does; its token works until it expires, on the sandbox's clock."""
    seconds = [0.0]
    pair = make(oauth=OAuthApp(expires_in_seconds=1800), clock=lambda: seconds[0])
    body = refresh(pair).json()
    assert body["expires_in"] == 1800
    assert body["refresh_token"] == FORM["refresh_token"]
    assert body["token_type"] == "bearer"
    assert body["hub_id"] == 123_456
    seconds[0] = 1799
    assert status_with(pair, body["access_token"]) == 200
    seconds[0] = 1800
    assert status_with(pair, body["access_token"]) == 401


def test_oauth_tokens_can_be_ended(pair: Pair) -> None:
    """expire_tokens without a token ends what OAuth gave out, and nothing else."""
    token = refresh(pair).json()["access_token"]
    pair.sandbox.expire_tokens()
    assert (status_with(pair, token), status_with(pair, pair.sandbox.token)) == (401, 200)


def test_refresh_tokens_may_rotate(make: MakeSandbox) -> None:
    """With rotating refresh tokens, each refresh ends the one it used."""
    pair = make(oauth=OAuthApp(rotates_refresh_tokens=True))
    second = refresh(pair).json()["refresh_token"]
    assert second != FORM["refresh_token"]
    assert refresh(pair).status_code == 400
    assert refresh(pair, refresh_token=second).status_code == 200


def test_a_bad_refresh_token_is_an_invalid_grant(pair: Pair) -> None:
    """A bad refresh token: 400 invalid_grant, or BAD_REFRESH_TOKEN where that is switched on."""
    response = refresh(pair, refresh_token="old")
    assert response.status_code == 400
    assert response.json()["error"] == "invalid_grant"
    pair.sandbox.switch(bad_refresh_token_error="BAD_REFRESH_TOKEN")
    assert refresh(pair, refresh_token="old").json()["status"] == "BAD_REFRESH_TOKEN"


@pytest.mark.parametrize(
    ("field", "status"),
    [("client_id", "BAD_CLIENT_ID"), ("client_secret", "BAD_CLIENT_SECRET"), ("grant_type", "BAD_GRANT_TYPE")],
)
def test_a_wrong_oauth_form_says_what_is_wrong(pair: Pair, field: str, status: str) -> None:
    """Anything else wrong in the form: 400 that names it."""
    response = refresh(pair, **{field: "wrong"})
    assert response.status_code == 400
    assert response.json()["status"] == status


BOTH = {
    "crm.objects.contacts.read",
    "crm.objects.contacts.write",
    "crm.objects.companies.read",
    "crm.objects.companies.write",
}


@pytest.mark.parametrize(
    ("method", "path", "needs"),
    [
        ("POST", "/crm/objects/2026-03/contacts/batch/create", {"crm.objects.contacts.write"}),
        ("POST", "/crm/objects/2026-03/contacts/batch/upsert", {"crm.objects.contacts.write"}),
        ("POST", "/crm/objects/2026-03/contacts/batch/archive", {"crm.objects.contacts.write"}),
        ("POST", "/crm/objects/2026-03/contacts/batch/read", {"crm.objects.contacts.read"}),
        ("POST", "/crm/objects/2026-03/contacts/search", {"crm.objects.contacts.read"}),
        ("DELETE", "/crm/objects/2026-03/contacts/1", {"crm.objects.contacts.write"}),
        ("POST", "/crm/objects/2026-03/tickets/batch/create", {"tickets"}),
        ("POST", "/crm/objects/2026-03/pets/batch/create", {"crm.objects.custom.write"}),
        ("POST", "/crm/associations/2026-03/contacts/companies/batch/create", BOTH),
        ("POST", "/crm/associations/2026-03/contacts/companies/batch/associate/default", BOTH),
        ("POST", "/crm/associations/2026-03/contacts/companies/batch/archive", BOTH),
        ("POST", "/crm/associations/2026-03/contacts/companies/batch/labels/archive", BOTH),
        (
            "GET",
            "/crm/associations/2026-03/contacts/companies/labels",
            {"crm.objects.contacts.read", "crm.objects.companies.read"},
        ),
        (
            "POST",
            "/crm/associations/2026-03/contacts/companies/batch/read",
            {"crm.objects.contacts.read", "crm.objects.companies.read"},
        ),
        ("GET", "/crm/owners/2026-03", {"crm.objects.owners.read"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "+".join(sorted(value)),
)
def test_each_endpoint_needs_its_scopes(make: MakeSandbox, method: str, path: str, needs: set[str]) -> None:
    """Without one of its scopes, an endpoint answers 403 and names those that are missing; with all, it answers."""
    tokens: dict[str, list[str]] = {"nothing": [], "all": [*needs]}
    tokens |= {f"without {scope}": [*(needs - {scope})] for scope in needs}
    pair = make(tokens=tokens, records={"contacts": 1})
    for token in tokens:
        with Client(pair.sandbox, token=token) as client:
            response = client.request(method, path, json={"inputs": []})
        if token == "all":
            assert response.status_code < 300
        else:
            assert response.status_code == 403
            missing = response.json()["context"]["requiredGranularScopes"]
            assert set(missing) == (needs if token == "nothing" else {token.removeprefix("without ")})
