"""Fault runs of creates with links from the start: those of ``create``, whose rows name a company besides.

The suite runs some tens. The long form: ``python -m tests.verbs.linked_runs --runs 500``.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, fields, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from tests.verbs.dirty_rows import NULLS, Fault, MadeRow
from tests.verbs.oracle import lies
from tests.verbs.trouble import Trouble, draw

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_provider_hubbatch.sandbox import HubSpotSandbox
    from tests.verbs.truth import Seen

COMPANIES, FIRST_COMPANY = 40, 5_001
COLUMN = "its company"
LABEL = "Billing"
ABSENT: dict[str | None, Any] = {None: 880_001, "erp_id": "E-none", "domain": "nowhere.example"}
# Several companies have this one.
SHARED = "shared.example"

# Contact -> company -> labels.
Links = dict[str, dict[str, set[str | None]]]
BEHAVIOURS: dict[str, tuple[Any, ...]] = {
    "inline_associations": ("refused", "refused", "dropped"),
    "association_ids_as_numbers": (True, True, False),
    "unlinked_in_read": ("error", "error", "left_out"),
}


@dataclass(frozen=True, kw_only=True)
class LinkedTrouble(Trouble):
    """One fault run, drawn.

    :param linked: row -> the company that it is to be linked with; rows without one aren't.
    """

    linked: dict[int, str]

    def records(self) -> dict[str, list[dict[str, str]]]:
        """Companies, too."""
        return {**super().records(), "companies": [_company(number) for number in range(COMPANIES)]}

    def sandbox(self) -> HubSpotSandbox:
        """A HubSpot with a label for links to companies."""
        sandbox = super().sandbox()
        sandbox.add_label("contacts", "companies", LABEL)
        return sandbox

    @property
    def label(self) -> str | None:
        """That the links are to have."""
        setting: dict[str, str | None] = self.options["links"]["companies"]
        return setting["label"]


def _company(number: int) -> dict[str, str]:
    domain = SHARED if number % 10 == 4 else f"company{number}.example"
    return {"id": str(FIRST_COMPANY + number), "erp_id": f"E-{number:04d}", "domain": domain}


def draw_linked(seed: int) -> LinkedTrouble:
    """The fault run of this seed."""
    trouble, draws = draw(seed, "create"), Random(f"linked {seed}")
    key, label = draws.choice([None, "erp_id", "domain"]), draws.choice([None, None, LABEL, "Primary"])
    behaviours = {name: draws.choice(values) for name, values in BEHAVIOURS.items()}
    bad, rows, linked = draws.choice([0.0, 0.02, 0.1]), [], {}
    for number, row in enumerate(trouble.rows):
        made, company = _with_company(row, key, bad, draws, drops=behaviours["inline_associations"] == "dropped")
        rows.append(made)
        if company is not None:
            linked[number] = company
    given = {one.name: getattr(trouble, one.name) for one in fields(Trouble)}
    return LinkedTrouble(
        **{
            **given,
            "rows": rows,
            "options": {
                **trouble.options,
                "links": {"companies": {"column": COLUMN, "id_property": key, "label": label}},
            },
            "behaviours": {**trouble.behaviours, **behaviours},
            # which rows a refused lookup of companies is about, only the package's own code could tell
            "faults": [one for one in trouble.faults if one[1].get("status") != 400],
        },
        linked=linked,
    )


def _with_company(
    row: MadeRow, key: str | None, bad: float, draws: Random, *, drops: bool
) -> tuple[MadeRow, str | None]:
    """A row that names a company, and which one; ``None``: none that there is."""
    if not isinstance(row.given, dict):
        return row, None
    chance, number = draws.random(), draws.randrange(COMPANIES)
    fault, company = None, str(FIRST_COMPANY + number)
    named: Any
    if chance < 0.2:
        named, company = draws.choice(NULLS), ""
    elif draws.random() < bad:
        what = draws.choice(["absent", "malformed"])
        named = ABSENT[key] if what == "absent" else ["x"]
        company = str(named) if what == "absent" and key is None else ""
        if what == "malformed":
            fault = Fault("its company", "row")
        elif key is not None or not drops:
            fault = Fault("its company", "hubspot")
    elif key == "domain":
        domain = _company(number)["domain"]
        named = draws.choice([domain, domain.upper(), f" {domain}"])
        if domain == SHARED:
            fault, company = Fault("its companies", "hubspot"), ""
    else:
        named = f"E-{number:04d}" if key else draws.choice([company, int(company), f" {company}"])
    faults = (*row.faults, *([] if fault is None else [fault]))
    return replace(row, given={**row.given, COLUMN: named}, faults=faults), company or None


# --- the oracle ---------------------------------------------------------------------------------------------------


def link_lies(seen: Seen, links: Links) -> list[str]:
    """What was said of a run, or done, that isn't right."""
    found = [lie for lie in lies(seen) if not _is_denied(seen, lie)]
    return [*found, *_told(seen, links), *_made(seen, links), *_sent(seen)]


def _trouble(seen: Seen) -> LinkedTrouble:
    assert isinstance(seen.trouble, LinkedTrouble)
    return seen.trouble


def _is_denied(seen: Seen, lie: str) -> bool:
    """Whether a lie is that a company isn't there, which HubSpot said again and again."""
    denials = [
        request.fault
        for one in seen.tries
        for request in one.requests
        if "/companies/" in request.path and request.fault in ("empty_results", "result_left_out", "garbage")
    ]
    return len(denials) > 1 and lie.startswith("claims: ") and "the link to companies" in lie


def _told(seen: Seen, links: Links) -> Iterator[str]:
    """A record has its row's link, and no other, or its row says that it hasn't."""
    trouble = _trouble(seen)
    for outcome in seen.results:
        row, record = outcome["row"], outcome.get("record_id")
        if outcome["status"] != "created" or record is None:
            continue
        wanted, held = trouble.linked.get(row), links.get(record, {})
        is_linked = wanted in held and (trouble.label is None or trouble.label in held[wanted])
        is_named = "companies" in outcome.get("not_taken", ())
        if is_named and (wanted is None or is_linked):
            yield f"row {row} says that its link to {wanted} was not taken, and record {record} has {held}"
        may_be_unread = seen.tries[-1].ending != "done" or any(one.ending != "done" for one in seen.tries)
        if wanted is not None and not is_linked and not (is_named or may_be_unread or _has_faults(seen)):
            yield f"row {row} says nothing of its link to {wanted}, and record {record} has {held}"
        if set(held) - {wanted}:
            yield f"row {row} wants a link to {wanted}, and record {record} has {held}"


def _has_faults(seen: Seen) -> bool:
    """Whether links may not have been read."""
    return any("/associations/" in request.path and request.fault for one in seen.tries for request in one.requests)


def _made(seen: Seen, links: Links) -> Iterator[str]:
    """Records that are linked are those that were made, each as some row says that may have made one."""
    trouble = _trouble(seen)
    possible = (
        {company for row, company in trouble.linked.items() if seen.results[row]["status"] in ("created", "unknown")}
        if len(seen.results) == len(trouble.rows)
        else set(trouble.linked.values())
    )
    for record, held in links.items():
        if held and record in seen.before:
            yield f"record {record} was there before, and has been linked with {held}"
        if set(held) - possible:
            yield f"record {record} is linked with {held}, and no row that was taken says so"


def _sent(seen: Seen) -> Iterator[str]:
    """What each row was sent with is its own company, by record id; a faulty one is never sent."""
    trouble = _trouble(seen)
    by_key = trouble.options["links"]["companies"]["id_property"] is not None
    for one in seen.tries:
        for request in one.requests:
            if not request.path.endswith("/batch/create"):
                continue
            for item in request.json["inputs"]:
                row = int(item["objectWriteTraceId"])
                ends = [link["to"]["id"] for link in item.get("associations", ())]
                wanted = trouble.linked.get(row)
                if ends != ([] if wanted is None else [wanted]):
                    yield f"row {row} was sent with links to {ends}, and wants {wanted}"
                if by_key and any(fault.what.startswith("its compan") for fault in trouble.rows[row].faults):
                    yield f"row {row} was sent, and its company is none"


# --- running ------------------------------------------------------------------------------------------------------


def command(trouble: LinkedTrouble) -> str:
    """What repeats a fault run."""
    return f"python -m tests.verbs.linked_runs --seed {trouble.seed} --runs 1"


def check(seed: int, folder: Path) -> tuple[Seen, Links]:
    """Draw a fault run, carry it out, and assert that all of it is right."""
    from tests.verbs.fault_runs import run

    trouble, links = draw_linked(seed), Links()
    seen = run(trouble, folder, look=lambda sandbox: links.update(links_in(sandbox)))
    found = link_lies(seen, links)
    assert not found, "\n".join(
        [
            f"{len(found)} lies; repeat them with: {command(trouble)}",
            *found[:20],
            str(trouble),
            f"tries: {[one.ending for one in seen.tries]}, summary: {seen.summary}",
        ]
    )
    return seen, links


def links_in(sandbox: HubSpotSandbox) -> Links:
    """The links from contacts to companies."""
    found = sandbox.associations("contacts", "companies")
    return {
        start: {end: {kind["label"] for kind in kinds} for end, kinds in ends.items()} for start, ends in found.items()
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """The long form."""
    from tests.verbs.fault_runs import numbers_of, use_airflow_in

    parser = argparse.ArgumentParser(prog="python -m tests.verbs.linked_runs", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="the first one")
    parser.add_argument("--log", action="store_true", help="show the log of the syncs")
    options = parser.parse_args(arguments)
    totals: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="hubbatch-linked-runs-") as home:
        use_airflow_in(Path(home), level="INFO" if options.log else "CRITICAL")
        for seed in range(options.seed, options.seed + options.runs):
            try:
                seen, links = check(seed, Path(home) / str(seed))
                totals += numbers_of(seen)
                totals["links"] += sum(map(len, links.values()))
            except AssertionError as error:
                totals["failed"] += 1
                sys.stdout.write(f"seed {seed}: {error}\n")
    sys.stdout.write(f"{options.runs} runs of create with links: {dict(totals)}\n")
    return 1 if totals["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
