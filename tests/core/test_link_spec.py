"""The setting `links`: what is right, and what a wrong one is told."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_hubbatch.core.link_spec import LinkSpec, links_checked
from airflow_provider_hubbatch.core.options import CreateOptions
from airflow_provider_hubbatch.exceptions import SettingsError


@pytest.mark.parametrize(
    ("links", "specs"),
    [
        (None, []),
        ({"contacts": "contact_id"}, [LinkSpec("contacts", "contact_id")]),
        (
            {"companies": {"column": "account", "id_property": "external_id", "label": "Billing"}},
            [LinkSpec("companies", "account", "external_id", "Billing")],
        ),
        ({"0-2": {"column": "account", "id_property": "hs_object_id"}}, [LinkSpec("0-2", "account")]),
        (
            {"contacts": "a", "p1_pets": {"column": "b", "id_property": None, "label": None}},
            [LinkSpec("contacts", "a"), LinkSpec("p1_pets", "b")],
        ),
    ],
)
def test_links_are_read(links: Any, specs: list[LinkSpec]) -> None:
    """A column's name stands for a dict with nothing else; a record id's property for none."""
    assert list(links_checked(links)) == specs


@pytest.mark.parametrize(
    ("links", "words"),
    [
        ({}, ["links must be a dict", "an empty dict"]),
        ("contacts", ["links must be a dict", "a str"]),
        (["contacts"], ["links must be a dict", "a list"]),
        ({"contacts": 7}, ["links['contacts']", "a column's name", "a int"]),
        ({"contacts": " "}, ["links['contacts']", "an empty text"]),
        ({"contacts": None}, ["links['contacts']", "a NoneType"]),
        ({"contacts": ["id"]}, ["links['contacts']", "a list"]),
        ({"contacts": {}}, ["links['contacts']['column']"]),
        ({"contacts": {"id_property": "email"}}, ["links['contacts']['column']"]),
        ({"contacts": {"column": "a", "id_property": 7}}, ["links['contacts']['id_property']"]),
        ({"contacts": {"column": "a", "label": ""}}, ["links['contacts']['label']", "an empty text"]),
        ({"contacts": {"column": "a", "lable": "b"}}, ["links['contacts']", "'lable'", "did you mean 'label'"]),
        ({"con/tacts": "a"}, ["links: the key 'con/tacts'", "can't be an object type"]),
        ({7: "a"}, ["links: the key 7"]),
        ({"contacts": 7, "companies": {"colum": "a"}}, ["links['contacts']", "links['companies']", "'column'"]),
    ],
)
def test_a_wrong_setting_says_which_key(links: Any, words: list[str]) -> None:
    """All of them at once, in the constructor already."""
    with pytest.raises(SettingsError) as refused:
        CreateOptions(links=links)
    assert all(word in str(refused.value) for word in words), str(refused.value)
