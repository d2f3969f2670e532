"""Values: what HubSpot takes, and how it shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox.hubspot_client import row

if TYPE_CHECKING:
    from tests.sandbox.conftest import MakeSandbox, Pair


def stored(pair: Pair, record_id: str = "1", object_type: str = "contacts") -> dict[str, Any]:
    properties: dict[str, Any] = pair.sandbox.objects(object_type)[record_id]["properties"]
    return properties


@pytest.mark.parametrize(
    ("name", "sent", "kept"),
    [
        ("firstname", "Zoë", "Zoë"),
        ("is_active", "true", "true"),
        ("is_active", "false", "false"),
        ("score", "1234567.25", "1234567.25"),
        ("score", "-3", "-3"),
        ("score", ".5", ".5"),
        ("renewal_date", "2026-02-28", "2026-02-28"),
        ("renewal_date", "1772236800000", "2026-02-28"),
        ("last_synced_at", "2026-02-28T12:30:00+02:00", "2026-02-28T10:30:00.000Z"),
        ("last_synced_at", "2026-02-28T12:30:00.125Z", "2026-02-28T12:30:00.125Z"),
        ("last_synced_at", "1772281800000", "2026-02-28T12:30:00.000Z"),
        ("plan", "pro", "pro"),
        ("plan", "legacy", "legacy"),
        ("size_band", "small", "small"),
        ("interests", "news;events", "news;events"),
        ("hubspot_owner_id", "71001", "71001"),
        ("phone", "+49 30 123", "+49 30 123"),
        ("email", "New.Address@Example.com", "new.address@example.com"),
        ("hs_additional_emails", "a@example.com;b@example.com", "a@example.com;b@example.com"),
        ("loyalty_code", "abc", "abc"),
    ],
)
def test_a_good_value_is_kept(pair: Pair, name: str, sent: str, kept: str) -> None:
    """Each type takes the strings that HubSpot takes, and keeps them in HubSpot's form."""
    response = pair.client.update(row("1", {name: sent}))
    assert response.status_code == 200
    assert stored(pair)[name] == kept


@pytest.mark.parametrize(
    ("name", "sent", "code"),
    [
        ("is_active", "True", "INVALID_OPTION"),
        ("is_active", "1", "INVALID_OPTION"),
        ("score", "1.2.3", "INVALID_INTEGER"),
        ("score", "1e5", "INVALID_INTEGER"),
        ("score", "12,5", "INVALID_INTEGER"),
        ("renewal_date", "28.02.2026", "INVALID_DATE"),
        ("renewal_date", "2026-02-30", "INVALID_DATE"),
        ("renewal_date", "2026-W05-1", "INVALID_DATE"),
        ("renewal_date", "1772236800001", "INVALID_DATE"),
        ("renewal_date", "2026-02-28T00:00:00Z", "INVALID_DATE"),
        ("last_synced_at", "2026-02-28", "INVALID_LONG"),
        ("last_synced_at", "2026-02-28T12:30:00", "INVALID_LONG"),
        ("last_synced_at", "999999999999999", "INVALID_LONG"),
        ("last_synced_at", "0001-01-01T00:00:00+05:00", "INVALID_LONG"),
        ("score", "٣", "INVALID_INTEGER"),
        ("plan", "Pro", "INVALID_OPTION"),
        ("interests", "news;sports", "INVALID_OPTION"),
        ("hubspot_owner_id", "9", "INVALID_OPTION"),
        ("email", "no at", "INVALID_EMAIL"),
        ("hs_additional_emails", "a@example.com;b", "INVALID_EMAIL"),
    ],
)
def test_a_bad_value_is_refused(pair: Pair, name: str, sent: str, code: str) -> None:
    """Each type refuses what HubSpot refuses."""
    response = pair.client.update(row("1", {name: sent}))
    assert response.status_code == 400
    assert response.json()["errors"][0]["code"] == code


def test_a_date_that_is_not_midnight_is_told_so(pair: Pair) -> None:
    """A date in epoch ms must be midnight UTC."""
    message = pair.client.update(row("1", {"renewal_date": "1772281800000"})).json()["errors"][0]["message"]
    assert message == "1772281800000 is at 12:30:0.0 UTC, not midnight!"


def test_an_empty_string_clears(pair: Pair) -> None:
    """An empty string empties any property, numbers and options too; one left out stays."""
    pair.client.update(row("1", {"score": "5", "plan": "pro", "city": "Oslo"}))
    pair.client.update(row("1", {"score": "", "plan": ""}))
    assert stored(pair)["score"] == ""
    assert stored(pair)["plan"] == ""
    assert stored(pair)["city"] == "Oslo"


@pytest.mark.parametrize(("clears", "kept"), [(False, "Oslo"), (True, "")])
def test_null_clears_or_not(make: MakeSandbox, clears: bool, kept: str) -> None:
    """A null leaves the property alone, or clears it where null_clears is on."""
    pair = make(behaviours={"null_clears": clears})
    pair.sandbox.set_value("contacts", "1", "city", "Oslo")
    assert pair.client.update(row("1", {"city": None})).status_code == 200
    assert stored(pair)["city"] == kept


def test_values_that_are_no_strings_are_made_strings(pair: Pair) -> None:
    """JSON numbers and booleans are taken as their text."""
    assert pair.client.update(row("1", {"score": 5, "is_active": True})).status_code == 200
    assert (stored(pair)["score"], stored(pair)["is_active"]) == ("5", "true")


def test_a_leading_semicolon_appends(pair: Pair) -> None:
    """;c adds to the checkboxes that are set, once."""
    pair.client.update(row("1", {"interests": "news;events"}))
    pair.client.update(row("1", {"interests": ";offers;news"}))
    assert stored(pair)["interests"] == "news;events;offers"


@pytest.mark.parametrize(("backward", "status"), [("ignored", 200), ("error", 400)])
def test_lifecyclestage_moves_forward_only(make: MakeSandbox, backward: str, status: int) -> None:
    """A backward move of lifecyclestage is ignored, or refused where that is switched on."""
    pair = make(
        records={"contacts": [{"lifecyclestage": "customer"}]}, behaviours={"lifecyclestage_backward": backward}
    )
    assert pair.client.update(row("1", {"lifecyclestage": "lead"})).status_code == status
    assert stored(pair)["lifecyclestage"] == "customer"
    assert pair.client.update(row("1", {"lifecyclestage": "evangelist"})).status_code == 200
    assert stored(pair)["lifecyclestage"] == "evangelist"


def test_lifecyclestage_moves_backward_once_cleared(make: MakeSandbox) -> None:
    """Cleared first, lifecyclestage may take any stage."""
    pair = make(records={"contacts": [{"lifecyclestage": "customer"}]})
    pair.client.update(row("1", {"lifecyclestage": ""}))
    pair.client.update(row("1", {"lifecyclestage": "lead"}))
    assert stored(pair)["lifecyclestage"] == "lead"


def test_a_value_may_be_too_long(make: MakeSandbox) -> None:
    """With max_value_characters, a longer value is refused."""
    client = make(behaviours={"max_value_characters": 10}).client
    assert client.update(row("1", {"city": "x" * 10})).status_code == 200
    response = client.update(row("1", {"city": "x" * 11}))
    assert response.status_code == 400
    assert response.json()["errors"][0]["context"] == {"propertyName": ["city"]}


@pytest.mark.parametrize("sent", ["1772281800000", "2026-02-28T12:30:00Z"])
def test_from_2026_09_dates_are_normalised_with_a_warning(make: MakeSandbox, sent: str) -> None:
    """2026-09 cuts a date to its day, and the result warns of it."""
    pair = make(version="2026-09")
    (result,) = pair.client.update(row("1", {"renewal_date": sent})).json()["results"]
    assert stored(pair)["renewal_date"] == "2026-02-28"
    assert result["warnings"][0]["category"] == "PROPERTY_VALUE_NORMALIZED"
