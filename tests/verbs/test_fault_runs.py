"""Syncs of dirty rows against a HubSpot in trouble: nothing lost, nothing wrong, nothing said that isn't so."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.verbs.fault_runs import check, command, run
from tests.verbs.oracle import lies
from tests.verbs.trouble import SEARCHED, draw
from tests.verbs.verbs import VERBS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.verbs.truth import Seen

pytestmark = pytest.mark.slow

# How many seeds of each verb for records the suite runs; the long form runs as many as you like.
SEEDS = {"update": 40, "upsert": 20, "create": 20, "archive": 10}


# a kill leaves what it comes upon to the garbage collector, as a dead process leaves it to the system
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("verb", "seed"), [(verb, seed) for verb, seeds in SEEDS.items() for seed in range(seeds)])
def test_whatever_happens_every_row_is_told_the_truth(verb: str, seed: int, tmp_path: Path) -> None:
    """Dirt, cuts, refusals, nonsense, stops and kills: each row has one outcome, HubSpot has what the outcomes say."""
    check(seed, verb, tmp_path)


def test_no_verb_is_left_out() -> None:
    """Each verb has its fault runs; links have some of their own (``test_link_runs.py``)."""
    assert {verb.name for verb in VERBS} == {*SEEDS, "associate"}


# --- the oracle notices -------------------------------------------------------------------------------------------


def _run_of_400(id_property: str | None, folder: Path) -> Seen:
    trouble = next(
        replace(trouble, faults=[], endings=[])
        for trouble in (draw(seed, "update") for seed in range(1_000))
        if len(trouble.rows) == 400
        and trouble.id_property == id_property
        and trouble.options["skip_unchanged"] is None
        and not (trouble.options["validate_only"] or trouble.options["missing_ok"])
    )
    return run(trouble, folder)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """A run of 400 rows in which nothing went wrong but the rows."""
    return _run_of_400(None, tmp_path_factory.mktemp("seen"))


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """The same, by names that several records have."""
    return _run_of_400(SEARCHED, tmp_path_factory.mktemp("searched"))


def _outcome(seen: Seen, status: str) -> dict[str, Any]:
    return next(one for one in seen.results if one["status"] == status and seen.trouble.rows[one["row"]].wants)


def _lose_an_outcome(seen: Seen) -> None:
    del seen.results[7]


def _miscount(seen: Seen) -> None:
    seen.summary["updated"] += 1


def _call_rejected_what_was_updated(seen: Seen) -> None:
    _outcome(seen, "updated").update(status="rejected", category="VALIDATION_ERROR")


def _call_updated_what_was_rejected(seen: Seen) -> None:
    _outcome(seen, "rejected").update(status="updated", record_id="101")


def _call_unknown_what_was_updated(seen: Seen) -> None:
    _outcome(seen, "updated").update(status="unknown")


def _name_another_record(seen: Seen) -> None:
    _outcome(seen, "updated").update(record_id="50")


def _write_what_no_row_has(seen: Seen) -> None:
    seen.tries[0].changes.append(("101", {"city": "Atlantis"}))


def _end_with_an_older_row(seen: Seen) -> None:
    record = _outcome(seen, "updated")["record_id"]
    seen.after[record]["properties"]["jobtitle"] = "as it was"


def _change_a_bystander(seen: Seen) -> None:
    seen.after["50"]["properties"]["city"] = "Atlantis"


def _archive_a_record(seen: Seen) -> None:
    seen.gone_after["50"] = seen.after.pop("50")


def _send_it_all_again(seen: Seen) -> None:
    seen.tries[0].requests.extend(seen.tries[0].requests)


@pytest.mark.parametrize(
    "tamper",
    [
        _lose_an_outcome,
        _miscount,
        _call_rejected_what_was_updated,
        _call_updated_what_was_rejected,
        _call_unknown_what_was_updated,
        _name_another_record,
        _write_what_no_row_has,
        _end_with_an_older_row,
        _change_a_bystander,
        _archive_a_record,
        _send_it_all_again,
    ],
)
def test_the_oracle_notices(seen: Seen, tamper: Callable[[Seen], None]) -> None:
    """What is told or held otherwise than it happened is found."""
    assert lies(seen) == []
    told = deepcopy(seen)
    tamper(told)
    assert lies(told)


def _ambiguous(seen: Seen) -> dict[str, Any]:
    return next(one for one in seen.results if one.get("category") == "AMBIGUOUS_ID")


def _call_missing_what_several_have(seen: Seen) -> None:
    _ambiguous(seen).update(category="OBJECT_NOT_FOUND")


def _write_to_one_of_several(seen: Seen) -> None:
    row = seen.trouble.rows[_ambiguous(seen)["row"]]
    record = next(
        name for name, one in seen.before.items() if str(one["properties"].get(SEARCHED)).strip().casefold() == row.name
    )
    seen.tries[0].changes.append((record, dict(row.wants)))


def _call_ambiguous_what_one_has(seen: Seen) -> None:
    seen.summary["rejected_by_category"]["AMBIGUOUS_ID"] += 1
    seen.summary["rejected_by_category"]["OBJECT_NOT_FOUND"] -= 1
    next(one for one in seen.results if one.get("category") == "OBJECT_NOT_FOUND").update(category="AMBIGUOUS_ID")


@pytest.mark.parametrize(
    "tamper", [_call_missing_what_several_have, _write_to_one_of_several, _call_ambiguous_what_one_has]
)
def test_the_oracle_notices_what_several_records_are(searched: Seen, tamper: Callable[[Seen], None]) -> None:
    """Of a name that several records have, none is written, and the row is told so; of no other name."""
    assert lies(searched) == []
    told = deepcopy(searched)
    tamper(told)
    assert lies(told)


def test_a_failing_run_says_how_to_repeat_it() -> None:
    """The command has the verb and the seed, which everything is drawn from."""
    assert command(draw(7, "update")) == "python -m tests.verbs.fault_runs --verb update --seed 7 --runs 1"
    assert str(draw(7, "update")) == str(draw(7, "update"))
