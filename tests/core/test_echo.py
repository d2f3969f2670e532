"""What a reply shows of the values that were sent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_hubbatch.core.definitions import PropertyDefinition
from airflow_provider_hubbatch.core.echo import not_taken

DEFINITIONS = {
    "stage": PropertyDefinition(name="stage", type="enumeration", field_type="select"),
    "boxes": PropertyDefinition(name="boxes", type="enumeration", field_type="checkbox"),
    "amount": PropertyDefinition(name="amount", type="number"),
    "opted": PropertyDefinition(name="opted", type="bool"),
    "day": PropertyDefinition(name="day", type="date"),
    "time": PropertyDefinition(name="time", type="datetime"),
    "phone": PropertyDefinition(name="phone", type="phone_number"),
    "domain": PropertyDefinition(name="domain", type="string"),
    "site": PropertyDefinition(name="site", type="string"),
    "note": PropertyDefinition(name="note", type="string"),
    "email": PropertyDefinition(name="email", type="string"),
}


def told(sent: dict[str, str], shown: dict[str, Any], *, defined: bool = True) -> tuple[str, ...]:
    return not_taken(sent, shown, DEFINITIONS.get if defined else lambda _: None)


# property, sent, shown
REFORMATTED = [
    ("stage", "Customer", "customer"),
    ("boxes", "a;b", "b;a"),
    ("boxes", ";a", "b;a"),
    ("boxes", ";a;c", "a;b;c"),
    ("amount", "7", "7.00"),
    ("amount", "-7.50", "-7.5"),
    ("amount", "1000", 1000),
    ("opted", "true", True),
    ("opted", "true", "True"),
    ("day", "2024-02-29", "1709164800000"),
    ("time", "2024-02-29T12:00:00.000Z", "2024-02-29T13:00:00+01:00"),
    ("time", "2024-02-29T12:00:00.000Z", "1709208000000"),
    ("phone", "(0171) 123-4567", "+49 171 1234567"),
    ("phone", "617.555.0199", "+16175550199"),
    ("domain", "https://www.Example.com/about?x=1", "example.com"),
    ("site", "example.com", "https://www.example.com/"),
    ("note", "  Two  words ", "Two words"),
    ("note", "a & b", "<p>a &amp; b</p>"),
    ("email", "Ann@Example.com", "ann@example.com"),
    ("note", "", None),
    ("note", "", ""),
]
OTHERWISE = [
    ("stage", "lead", "customer"),
    ("stage", "lead", None),
    ("boxes", "a;b", "a"),
    ("boxes", ";a", "b;c"),
    ("amount", "7", "8"),
    ("amount", "-5", "5"),
    ("opted", "true", "false"),
    ("opted", "true", False),
    ("day", "2024-02-29", "2024-03-01"),
    ("time", "2024-02-29T12:00:00.000Z", "2024-02-29T12:00:00+01:00"),
    ("phone", "617-555-0199", "+16175550100"),
    ("domain", "example.com", "example.org"),
    ("site", "https://example.com/a", "https://example.com/b"),
    ("note", "two words", "two other words"),
    ("note", "5", "15"),
    ("note", "!", "?"),
    ("note", "x", ""),
    ("note", "", "still here"),
    ("email", "ann@example.com", "bob@example.com"),
]


@pytest.mark.parametrize(("name", "sent", "shown"), REFORMATTED)
@pytest.mark.parametrize("defined", [True, False])
def test_what_is_only_written_otherwise_is_taken(name: str, sent: str, shown: Any, defined: bool) -> None:
    """Cleared, appended and reformatted values are what was sent, whether the property's definition is known or not."""
    assert told({name: sent, "other": "x"}, {name: shown, "other": "x"}, defined=defined) == ()


def test_a_phone_number_without_its_blanks_is_taken() -> None:
    """HubSpot formats what the definition says is a phone number, with a country code or without."""
    assert told({"phone": "555 01-99"}, {"phone": "5550199"}) == ()
    assert told({"phone": "555 01-99"}, {"phone": "5550198"}) == ("phone",)


@pytest.mark.parametrize(("name", "sent", "shown"), OTHERWISE)
@pytest.mark.parametrize("defined", [True, False])
def test_another_value_is_named(name: str, sent: str, shown: Any, defined: bool) -> None:
    """A value that means something else isn't what was sent."""
    assert told({name: sent, "other": "x"}, {name: shown, "other": "x"}, defined=defined) == (name,)


def test_what_a_reply_leaves_out_beside_others_is_named() -> None:
    """A reply that shows the row's other properties and not this one has not taken it; a cleared one may be absent."""
    assert told({"stage": "lead", "note": "x", "site": ""}, {"note": "x", "createdate": "2026"}) == ("stage",)


@pytest.mark.parametrize("shown", [{}, {"createdate": "2026-01-01T00:00:00Z", "hs_object_id": "5"}])
def test_a_reply_that_echoes_nothing_leaves_it_open(shown: dict[str, Any]) -> None:
    """Some replies show nothing of what was sent: then nothing is said about it."""
    assert told({"stage": "lead", "note": "x"}, shown) == ()


_texts = st.text(max_size=8) | st.sampled_from([sent for _, sent, _ in REFORMATTED])
_shown = _texts | st.none() | st.booleans() | st.integers() | st.floats() | st.lists(st.none(), max_size=2)
_names = st.sampled_from([*DEFINITIONS, "unknown"])


@given(st.dictionaries(_names, _texts), st.dictionaries(_names | st.text(max_size=3), _shown), st.booleans())
def test_any_reply_is_read(sent: dict[str, str], shown: dict[str, Any], defined: bool) -> None:
    """Whatever a reply shows, only properties that were sent are named, and none that it shows as sent."""
    named = told(sent, shown, defined=defined)
    assert set(named) <= set(sent)
    assert not [name for name in named if shown.get(name) == sent[name]]
    assert told(sent, dict(sent), defined=defined) == ()
