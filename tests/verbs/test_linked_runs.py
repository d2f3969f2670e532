"""Creates with links from the start, against a HubSpot in trouble: every link right, nothing said that isn't so."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.verbs.fault_runs import run
from tests.verbs.linked_runs import Links, check, draw_linked, link_lies, links_in

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.verbs.truth import Seen

SEEDS = 15


# a kill leaves what it comes upon to the garbage collector, as a dead process leaves it to the system
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_happens_every_new_record_has_its_link(seed: int, tmp_path: Path) -> None:
    """Dirt, cuts, refusals, nonsense, stops and kills: no record without its row, no link that no row wants."""
    check(seed, tmp_path)


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Seen, Links]:
    """A run in which nothing went wrong but the rows."""
    trouble = next(
        replace(one, faults=[], endings=[], behaviours={}, search_lag_seconds=0.0)
        for one in map(draw_linked, range(1_000))
        if len(one.rows) == 100 and one.id_property is not None and one.label and not one.options["validate_only"]
    )
    links = Links()
    seen = run(trouble, tmp_path_factory.mktemp("linked"), look=lambda sandbox: links.update(links_in(sandbox)))
    return seen, links


def _record(seen: Seen, links: Links) -> str:
    """A record that was created with its link."""
    created = [str(one["record_id"]) for one in seen.results if one["status"] == "created" and one.get("record_id")]
    return next(one for one in created if links.get(one))


def _lose_a_link(seen: Seen, links: Links) -> None:
    del links[_record(seen, links)]


def _lose_a_label(seen: Seen, links: Links) -> None:
    links[_record(seen, links)] = {company: {None} for company in links[_record(seen, links)]}


def _link_another_company(seen: Seen, links: Links) -> None:
    links[_record(seen, links)]["5999"] = {None}


def _link_a_record_that_was_there(seen: Seen, links: Links) -> None:
    links["101"] = dict(links[_record(seen, links)])


def _name_a_link_that_is_there(seen: Seen, links: Links) -> None:
    record = _record(seen, links)
    next(one for one in seen.results if one.get("record_id") == record)["not_taken"] = ["companies"]


@pytest.mark.parametrize(
    "tamper",
    [
        _lose_a_link,
        _lose_a_label,
        _link_another_company,
        _link_a_record_that_was_there,
        _name_a_link_that_is_there,
    ],
)
def test_the_oracle_of_new_links_notices(linked: tuple[Seen, Links], tamper: Callable[[Seen, Links], None]) -> None:
    """What is told or held otherwise than it happened is found."""
    assert link_lies(*linked) == []
    seen, links = deepcopy(linked)
    tamper(seen, links)
    assert link_lies(seen, links)
