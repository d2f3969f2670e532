"""The create's decisions: where a row goes next."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_hubbatch.core.lookup import Found
from airflow_provider_hubbatch.core.model import Status
from airflow_provider_hubbatch.core.options import CreateOptions
from airflow_provider_hubbatch.core.verbs.create import Create
from airflow_provider_hubbatch.core.verbs.verb import LookUp, Write
from tests.core.verbs.deciding import ABSENT, AFTER, BEGAN, CONFLICT, REFUSED, before, item, record, verb_of


def create(id_property: str | None = "customer_number", **options: Any) -> Any:
    options = {} if id_property is None else {"id_column": "key", "id_property": id_property, **options}
    return verb_of(Create, CreateOptions(**options), id_property)


def test_only_what_is_to_be_skipped_is_looked_up_first() -> None:
    """All others are made at once."""
    assert create().lookup is None
    assert create(None).by_key is None
    assert create(existing="skip").lookup is not None


@pytest.mark.parametrize(("options", "status"), [({}, Status.REJECTED), ({"existing": "skip"}, Status.UNCHANGED)])
def test_what_is_there_already(options: dict[str, Any], status: Status) -> None:
    """It makes no new record: a conflict, or unchanged; unless an earlier request of this row has made it."""
    verb = create(**options)
    outcome = verb.after_lookup(item(), Found(record()))
    assert (outcome.status, outcome.record_id) == (status, "7")
    assert verb.after_lookup(item(in_doubt_since=BEGAN), Found(record(AFTER))).status is Status.CREATED
    assert verb.after_lookup(item(in_doubt_since=BEGAN), Found(record())).status is status
    second = item(in_doubt_since=BEGAN, shares_doubt=True)
    assert verb.after_lookup(second, Found(record(AFTER, city="Oslo"))).status is status
    behind = Found(record(AFTER), is_stale=True, behind_key=True)
    assert verb.after_lookup(second, behind) == Write(verb.operation, second)
    after = verb.after_predecessor(Write(verb.operation, item()), before(Status.CREATED))
    assert (after.status, after.record_id) == (status, "7")


def test_what_is_not_there_is_made() -> None:
    """Unless a conflict was with another record."""
    verb = create()
    assert verb.after_lookup(item(), Found(error=ABSENT)) == Write(verb.operation, item())
    assert verb.after_lookup(item(), Found(error=REFUSED)).category == "VALIDATION_ERROR"
    assert verb.after_lookup(item(conflict=CONFLICT), Found(error=ABSENT)).category == "CONFLICT"


def test_a_conflict_is_looked_at_where_it_may_be_the_rows_own() -> None:
    """In doubt, or to be skipped: by the key; else it is a conflict at once."""
    assert create().after_refusal(item(), CONFLICT).record_id == "7"
    assert isinstance(create().after_refusal(item(in_doubt_since=BEGAN), CONFLICT), LookUp)
    skipping = create(existing="skip")
    assert isinstance(skipping.after_refusal(item(), CONFLICT), LookUp)
    assert skipping.after_refusal(item(conflict=CONFLICT), CONFLICT).status is Status.UNCHANGED
    assert create(None).after_refusal(item(in_doubt_since=BEGAN), CONFLICT).status is Status.REJECTED
    assert create().after_refusal(item(), REFUSED).category == "VALIDATION_ERROR"


def test_a_row_behind_another_of_its_key() -> None:
    """If nobody knows what became of that one, the key is looked up; if it made nothing, this one does."""
    verb = create()
    step = Write(verb.operation, item())
    assert isinstance(verb.after_predecessor(step, before(Status.UNKNOWN, None)), LookUp)
    assert verb.after_predecessor(step, before(Status.REJECTED, None)) == step
    nothing_to_compare = Write(verb.operation, item(properties={}, in_doubt_since=BEGAN))
    assert verb.after_predecessor(nothing_to_compare, before(Status.UNKNOWN, None)).status is Status.UNKNOWN
