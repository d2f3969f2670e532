"""The upsert's decisions: where a row goes next."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_hubbatch.core.lookup import Found, resolved
from airflow_provider_hubbatch.core.model import RowOutcome, Status
from airflow_provider_hubbatch.core.options import UpsertOptions
from airflow_provider_hubbatch.core.verbs.create import BatchCreate
from airflow_provider_hubbatch.core.verbs.upsert import BatchUpsert, Upsert
from airflow_provider_hubbatch.core.verbs.verb import LookUp, Write
from tests.core.verbs.deciding import ABSENT, AFTER, BEGAN, CONFLICT, REFUSED, before, item, record, verb_of

WHEN = {"owner": "created", "phone": "empty"}
VALUES = {"city": "Ghent", "owner": "9", "phone": "1"}


def upsert(id_property: str = "email", **options: Any) -> Any:
    return verb_of(Upsert, UpsertOptions(id_property=id_property, **options), id_property)


@pytest.mark.parametrize(
    ("id_property", "options", "looks_first", "operation"),
    [
        ("customer_number", {}, False, BatchUpsert),
        ("customer_number", {"skip_unchanged": "hubspot"}, True, BatchUpsert),
        ("customer_number", {"must_match": {"who": "name"}}, True, BatchCreate),
        ("customer_number", {"write_when": WHEN}, True, BatchCreate),
        ("email", {}, True, BatchCreate),
    ],
)
def test_how_rows_begin(id_property: str, options: dict[str, Any], looks_first: bool, operation: type) -> None:
    """A unique property is upserted; where records must be seen first, what isn't there is created."""
    verb = upsert(id_property, **options)
    assert (verb.lookup is not None) == looks_first
    assert type(verb.operation) is operation


def test_a_record_that_is_not_there_is_made() -> None:
    """By its key, with all of it; any other refusal of the lookup is the row's."""
    verb = upsert()
    assert verb.after_lookup(item(), Found(error=ABSENT)) == Write(verb.operation, item())
    refused = verb.after_lookup(item(), Found(error=REFUSED))
    assert (refused.status, refused.category) == (Status.REJECTED, "VALIDATION_ERROR")
    conflict = verb.after_lookup(item(conflict=CONFLICT), Found(error=ABSENT))
    assert (conflict.status, conflict.record_id) == (Status.REJECTED, "7")


def test_a_record_that_is_there_is_updated_by_its_id() -> None:
    """With what differs, where that is to be left out; what is read may be older than a row of this sync."""
    step = upsert().after_lookup(item(), Found(record()))
    assert (step.item.id, step.item.properties) == ("7", {"city": "Ghent"})
    same = Found(record(city="Ghent"))
    assert upsert(skip_unchanged="hubspot").after_lookup(item(), same).status is Status.UNCHANGED
    stale = Found(record(city="Ghent"), is_stale=True)
    assert isinstance(upsert(skip_unchanged="hubspot").after_lookup(item(), stale), Write)


def test_a_row_waits_behind_one_of_its_key() -> None:
    """A record that was found may be what the row before has made: the row goes behind it, by its key."""
    verb = upsert()
    assert verb.after_lookup(item(), Found(record(), is_stale=True, behind_key=True)) == Write(verb.operation, item())


def test_what_an_earlier_try_has_made_is_created() -> None:
    """It is written once more, all of it; after a conflict only if it differs."""
    verb = upsert(write_when=WHEN, must_match={"who": "name"})
    doubted = item(in_doubt_since=BEGAN, properties=VALUES, must_match={"name": "x"})
    step = verb.after_lookup(doubted, Found(record(AFTER)))
    assert (step.operation, step.item.properties) == (verb.update, VALUES)
    found = Found(record(AFTER, **VALUES))
    assert verb.after_lookup(doubted._replace(conflict=CONFLICT), found).status is Status.CREATED


@pytest.mark.parametrize(("has", "due"), [({}, {"city": "Ghent", "phone": "1"}), ({"phone": "2"}, {"city": "Ghent"})])
def test_what_is_due_hangs_on_the_record(has: dict[str, str], due: dict[str, str]) -> None:
    """Nothing that only new records get; what only fills, where there is nothing."""
    verb = upsert(write_when=WHEN)
    assert verb.after_lookup(item(properties=VALUES), Found(record(**has))).item.properties == due


def test_what_was_read_too_early_is_read_again() -> None:
    """At once, or behind the row that is still to be written."""
    verb = upsert(write_when=WHEN)
    again = verb.after_lookup(item(properties=VALUES), Found(record(), is_stale=True))
    assert (type(again), again.lookup, again.item.id) == (LookUp, verb.again, "7")
    waiting = verb.after_lookup(item(properties=VALUES), Found(record(), is_stale=True, waits=True))
    assert isinstance(waiting, Write)
    assert verb.after_predecessor(waiting, before(Status.REJECTED)).lookup is verb.again
    nothing_to_fill = verb.after_lookup(item(), Found(record(), is_stale=True, waits=True))
    assert verb.after_predecessor(nothing_to_fill, before(Status.UPDATED)) == nothing_to_fill


def test_a_record_that_disagrees_is_left_alone() -> None:
    """The row is rejected, naming it."""
    outcome = upsert(must_match={"who": "name"}).after_lookup(item(must_match={"name": "x"}), Found(record(name="y")))
    assert (outcome.category, outcome.record_id) == ("RECORD_MISMATCH", "7")


def test_a_conflict_is_looked_at() -> None:
    """Somebody was faster; once looked at, or of an update, it is the row's."""
    verb = upsert()
    step = verb.after_refusal(item(), CONFLICT)
    assert (step.lookup, step.item.conflict) == (verb.after_conflict, CONFLICT)
    assert verb.after_refusal(item(record=record()), CONFLICT).status is Status.REJECTED
    assert verb.after_refusal(item(), REFUSED).status is Status.REJECTED
    assert upsert("customer_number").after_refusal(item(), CONFLICT).record_id == "7"


@pytest.mark.parametrize(
    ("ended", "goes_on"),
    [
        (before(Status.CREATED), "update"),
        (before(Status.CREATED, None), "look"),
        (before(Status.UNKNOWN, None), "look"),
        (before(Status.REJECTED), "create"),
        (before(Status.REJECTED, None), "create"),
    ],
)
def test_a_row_behind_another_of_its_key(ended: RowOutcome, goes_on: str) -> None:
    """It writes to the record that was made; where none is known, the key is looked up; else it makes the record."""
    verb = upsert()
    step = verb.after_predecessor(Write(verb.operation, item()), ended)
    told = "look" if isinstance(step, LookUp) else {verb.update: "update", verb.operation: "create"}[step.operation]
    assert told == goes_on
    reading = upsert(write_when=WHEN)
    assert reading.after_predecessor(Write(reading.operation, item()), ended).lookup is reading.by_key


def test_a_row_without_values_behind_another() -> None:
    """The record is there: nothing is written to it."""
    verb = upsert()
    assert verb.after_predecessor(Write(verb.operation, item(properties={})), before(Status.CREATED)).status is (
        Status.UNCHANGED
    )
    found = resolved(item(in_doubt_since=BEGAN), record(AFTER), {})
    assert verb.after_predecessor(Write(verb.update, found), before(Status.CREATED)).status is Status.UNCHANGED
    assert verb.after_predecessor(Write(verb.update, found), before(Status.REJECTED)).status is Status.CREATED
