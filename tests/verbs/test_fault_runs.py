"""Syncs of dirty rows against a HubSpot in trouble: nothing lost, nothing wrong, nothing said that isn't so."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.verbs.fault_runs import check, command, run
from tests.verbs.oracle import lies
from tests.verbs.trouble import draw
from tests.verbs.verbs import VERBS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.verbs.truth import Seen

# How many seeds of each verb the suite runs; the long form runs as many as you like.
SEEDS = {"update": 40, "upsert": 20, "create": 20, "archive": 10}


# a kill leaves what it comes upon to the garbage collector, as a dead process leaves it to the system
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("verb", "seed"), [(verb, seed) for verb in sorted({verb.name for verb in VERBS}) for seed in range(SEEDS[verb])]
)
def test_whatever_happens_every_row_is_told_the_truth(verb: str, seed: int, tmp_path: Path) -> None:
    """Dirt, cuts, refusals, nonsense, stops and kills: each row has one outcome, HubSpot has what the outcomes say."""
    check(seed, verb, tmp_path)


# --- the oracle notices -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """A run of 400 rows in which nothing went wrong but the rows."""
    trouble = next(
        replace(trouble, faults=[], endings=[])
        for trouble in (draw(seed, "update") for seed in range(1_000))
        if len(trouble.rows) == 400 and trouble.id_property is None and trouble.options["skip_unchanged"] is None
    )
    return run(trouble, tmp_path_factory.mktemp("seen"))


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


def test_a_failing_run_says_how_to_repeat_it() -> None:
    """The command has the verb and the seed, which everything is drawn from."""
    assert command(draw(7, "update")) == "python -m tests.verbs.fault_runs --verb update --seed 7 --runs 1"
    assert str(draw(7, "update")) == str(draw(7, "update"))
