"""Syncs of dirty pairs against a HubSpot in trouble: every link right, no other label lost, nothing said that isn't."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.verbs.fault_runs import run_links
from tests.verbs.link_oracle import lies
from tests.verbs.link_runs import check, draw

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.verbs.link_oracle import SeenLinks

SEEDS = 30


# a kill leaves what it comes upon to the garbage collector, as a dead process leaves it to the system
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_happens_every_link_is_told_the_truth(seed: int, tmp_path: Path) -> None:
    """Dirt, cuts, refusals, nonsense, stops and kills: each row has one outcome, HubSpot the links that they say."""
    check(seed, tmp_path)


def _quiet_run(folder: Path, *, removes: bool) -> SeenLinks:
    trouble = next(
        replace(trouble, faults=[], endings=[], behaviours={})
        for trouble in map(draw, range(1_000))
        if len(trouble.rows) == 250
        and trouble.removes is removes
        and trouble.options["label"] not in (None, "Primary")
        and trouble.object_type != trouble.to_object_type
        and not trouble.options["validate_only"]
        and any(row.fault == "absent" for row in trouble.rows)
    )
    return run_links(trouble, folder)


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> SeenLinks:
    """A run that adds a label to 250 pairs, in which nothing went wrong but the rows."""
    return _quiet_run(tmp_path_factory.mktemp("linked"), removes=False)


@pytest.fixture(scope="module")
def unlinked(tmp_path_factory: pytest.TempPathFactory) -> SeenLinks:
    """The same, which takes the label away."""
    return _quiet_run(tmp_path_factory.mktemp("unlinked"), removes=True)


def _outcome(seen: SeenLinks, status: str) -> dict[str, Any]:
    return next(one for one in seen.results if one["status"] == status)


def _lose_an_outcome(seen: SeenLinks) -> None:
    del seen.results[7]


def _miscount(seen: SeenLinks) -> None:
    seen.summary["created"] += 1


def _call_rejected_what_was_linked(seen: SeenLinks) -> None:
    _outcome(seen, "created").update(status="rejected", category="VALIDATION_ERROR", message="no")


def _call_linked_what_was_rejected(seen: SeenLinks) -> None:
    _outcome(seen, "rejected").update(status="created")


def _name_another_record(seen: SeenLinks) -> None:
    _outcome(seen, "created").update(to_record_id="7")


def _lose_a_link(seen: SeenLinks) -> None:
    made = _outcome(seen, "created")
    del seen.after[made["record_id"]][made["to_record_id"]]


def _lose_the_label_of_another(seen: SeenLinks) -> None:
    label = seen.trouble.options["label"]
    links = next(
        kinds
        for start, ends in seen.after.items()
        for end, kinds in ends.items()
        if seen.trouble.before.get(start, {}).get(end, set()) - {None, label}
    )
    links.intersection_update({None, label})


def _link_a_stranger(seen: SeenLinks) -> None:
    seen.after.setdefault("999", {})["998"] = {None}


@pytest.mark.parametrize(
    "tamper",
    [
        _lose_an_outcome,
        _miscount,
        _call_rejected_what_was_linked,
        _call_linked_what_was_rejected,
        _name_another_record,
        _lose_a_link,
        _lose_the_label_of_another,
        _link_a_stranger,
    ],
)
def test_the_oracle_notices(linked: SeenLinks, tamper: Callable[[SeenLinks], None]) -> None:
    """What is told or held otherwise than it happened is found."""
    assert lies(linked) == []
    told = deepcopy(linked)
    tamper(told)
    assert lies(told)


def test_the_oracle_notices_what_was_not_taken_away(unlinked: SeenLinks) -> None:
    """A label that is still there, and one of another row that is gone."""
    assert lies(unlinked) == []
    still, gone = deepcopy(unlinked), deepcopy(unlinked)
    taken = _outcome(still, "archived")
    ends = still.after.setdefault(taken["record_id"], {})
    ends.setdefault(taken["to_record_id"], {None}).add(still.trouble.options["label"])
    assert lies(still)
    gone.after.pop(next(start for start in gone.after if gone.trouble.before.get(start)))
    assert lies(gone)
