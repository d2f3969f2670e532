"""HubSpot's side of the wire: what is sent, and a reply's headers."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from airflow_provider_hubbatch.core import protocol
from airflow_provider_hubbatch.core.protocol import BatchRead, Reply
from airflow_provider_hubbatch.exceptions import SettingsError


def test_batch_read_asks_by_the_id_property_at_the_top() -> None:
    """A read names its idProperty once, for all ids."""
    request = BatchRead("contacts", ("city",), "email").request(["a@b.example", "c@d.example"])
    assert request.path == "/crm/objects/2026-03/contacts/batch/read"
    assert orjson.loads(request.body or b"") == {
        "inputs": [{"id": "a@b.example"}, {"id": "c@d.example"}],
        "properties": ["city"],
        "propertiesWithHistory": [],
        "idProperty": "email",
    }
    assert "idProperty" not in orjson.loads(BatchRead("contacts", ()).request(["1"]).body or b"")


@pytest.mark.parametrize("object_type", ["contacts", "0-1", "2-1234567", "p1_pets", "line_items"])
def test_checked_object_type_takes_what_hubspot_has(object_type: str) -> None:
    """Names and ids of object types are taken as they are."""
    assert protocol.checked_object_type(object_type) == object_type


@pytest.mark.parametrize(
    "object_type",
    ["", "a/b", "..", ".", "con tacts", "contacts\n", "contacts?x=1", "a#b", "%2e%2e", "é", "x" * 101, None, 5],
)
def test_checked_object_type_lets_nothing_else_into_a_path(object_type: Any) -> None:
    """What could leave the path, or is no text, is a wrong setting."""
    with pytest.raises(SettingsError, match="object_type"):
        protocol.checked_object_type(object_type)


@pytest.mark.parametrize("version", ["", "2026", "2026-3", "../v3", "2026-03\n", None, 3])
def test_checked_api_version_refuses_what_is_none(version: Any) -> None:
    """An API version is a date, such as 2026-03."""
    with pytest.raises(SettingsError, match="api_version"):
        protocol.checked_api_version(version)


@pytest.mark.parametrize("given", ["x-hubspot-correlation-id", "X-HubSpot-Correlation-Id"])
def test_a_reply_has_its_correlation_id_in_a_header(given: str) -> None:
    """Its name in any case; what is no id is none."""
    assert Reply(207, {"Date": "x", given: "5f1c-07"}, b"").correlation_id == "5f1c-07"
    assert Reply(207, {given: "two words"}, b"").correlation_id is None
    assert Reply(207, {}, b"").correlation_id is None
