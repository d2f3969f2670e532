"""The archive's decisions: where a row goes next."""

from __future__ import annotations

from typing import Any

from airflow_provider_hubbatch.core.lookup import Found
from airflow_provider_hubbatch.core.model import Status
from airflow_provider_hubbatch.core.options import ArchiveOptions
from airflow_provider_hubbatch.core.verbs.archive import Archive
from airflow_provider_hubbatch.core.verbs.verb import LookUp, Write
from tests.core.verbs.deciding import ABSENT, AFTER, BEFORE, BEGAN, REFUSED, before, item, record, verb_of


def archive(id_property: str | None = None, **options: Any) -> Any:
    return verb_of(Archive, ArchiveOptions(id_property=id_property, **options), id_property)


def test_only_keys_and_what_must_match_are_looked_up() -> None:
    """Record ids are archived at once."""
    assert archive().lookup is None
    assert archive("customer_number").lookup is not None
    assert archive(must_match={"who": "name"}).lookup is not None


def test_what_is_there_is_archived_by_its_id() -> None:
    """If it is the one that the row means."""
    verb = archive("customer_number", must_match={"who": "name"})
    step = verb.after_lookup(item(must_match={"name": "x"}), Found(record(name="x")))
    assert (type(step), step.item.id, step.item.must_match) == (Write, "7", None)
    outcome = verb.after_lookup(item(must_match={"name": "x"}), Found(record(name="y")))
    assert (outcome.status, outcome.category, outcome.record_id) == (Status.REJECTED, "RECORD_MISMATCH", "7")


def test_what_is_not_there_is_missing() -> None:
    """Or rejected, as the options want it; any other refusal is the row's."""
    found = Found(error=ABSENT)
    assert archive("customer_number").after_lookup(item(), found).status is Status.MISSING
    assert archive("customer_number", missing_ok=False).after_lookup(item(), found).status is Status.REJECTED
    assert archive("customer_number").after_lookup(item(), Found(error=REFUSED)).status is Status.REJECTED


def test_what_an_earlier_try_has_archived_is_archived() -> None:
    """It is looked for in the recycle bin; what was there before this sync is missing."""
    verb = archive("customer_number")
    step = verb.after_lookup(item(in_doubt_since=BEGAN), Found(error=ABSENT))
    assert isinstance(step, LookUp)
    assert verb.after_lookup(step.item, Found(record()._replace(archived_at=AFTER))).status is Status.ARCHIVED
    assert verb.after_lookup(step.item, Found(record()._replace(archived_at=BEFORE))).status is Status.MISSING
    assert verb.after_lookup(step.item, Found(error=ABSENT)).status is Status.MISSING
    matching = archive("customer_number", must_match={"who": "name"})
    step = matching.after_lookup(item(in_doubt_since=BEGAN, must_match={"name": "x"}), Found(error=ABSENT))
    archived = record(name="y")._replace(archived_at=AFTER)  # by another row, which agreed with it
    assert matching.after_lookup(step.item, Found(archived)).category == "RECORD_MISMATCH"


def test_a_record_that_is_not_in_the_bin_is_looked_for_outside() -> None:
    """Once; a refusal for another reason is the row's."""
    verb = archive()
    step = verb.after_refusal(item(), ABSENT)
    assert (step.lookup, step.item.conflict) == (verb.by_id, ABSENT)
    assert verb.after_refusal(step.item, ABSENT).status is Status.MISSING
    assert verb.after_refusal(item(), REFUSED).status is Status.REJECTED


def test_a_row_behind_another_of_its_record() -> None:
    """The first archives it, for the next ones it isn't there any more; if the first didn't, the next does."""
    verb = archive()
    step = Write(verb.operation, item())
    assert verb.after_predecessor(step, before(Status.ARCHIVED)).status is Status.MISSING
    assert verb.after_predecessor(step, before(Status.REJECTED)) == step
