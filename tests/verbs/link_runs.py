"""Fault runs of syncs that link records: drawn from a seed, carried out, and checked against HubSpot's own links.

The suite runs some tens. The long form: ``python -m tests.verbs.link_runs --runs 500``.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.sandbox import HubSpotSandbox
from tests.verbs.link_oracle import lies
from tests.verbs.trouble import FIRST_ID, drawn_endings, drawn_faults

if TYPE_CHECKING:
    from tests.verbs.trouble import Ending, Kind

CONTACTS, COMPANIES = 120, 40
# No record has these.
ABSENT = {None: 880_001, "email": "nobody@example.com", "customer_number": "C-none", "erp_id": "E-none"}
LABELS = ("Billing", "Shipping", "Primary")
# from the other side they are called so
INVERSE = {"Shipping": "Ships to"}

Links = dict[str, dict[str, set[str | None]]]

BEHAVIOURS: dict[str, tuple[Any, ...]] = {
    "association_ids_as_numbers": (True, True, False),
    "association_archive_status": (204, 200),
    "association_limit": (None, None, None, None, 3),
    "association_limit_refuses": ("row", "batch"),
    "default_links_both_ways": (True, False),
    "unlinked_in_read": ("error", "error", "left_out"),
    "association_page": (500, 500, 1, 2),
    "missing_keys": ("ids", "ids", "coordinates_400", "coordinates_404"),
    "none_found_is_404": (False, True),
    "correlation_id_in_bodies": (True, False),
    "association_headers": ("own", "objects", "none"),
}


@dataclass(frozen=True, kw_only=True)
class MadeLink:
    """A row, and what is right for it.

    :param given: the row.
    :param pair: the record ids that it means; ``None``: one of its sides is no record.
    :param label: that it names; ``None``: none.
    :param fault: why it can't be done; ``None``: it can.
    """

    given: dict[str, Any]
    pair: tuple[str, str] | None
    label: str | None = None
    fault: str | None = None


@dataclass(frozen=True, kw_only=True)
class LinkTrouble:
    """One fault run, drawn.

    :param before: the links that there are before: from record -> to record -> labels.
    """

    seed: int
    object_type: str
    to_object_type: str
    rows: list[MadeLink]
    options: dict[str, Any]
    before: Links
    behaviours: dict[str, Any]
    faults: list[Kind]
    endings: list[Ending]
    api_version: str
    latency_ms: float
    verb: str = "associate"

    @property
    def removes(self) -> bool:
        """Whether links are taken away."""
        return bool(self.options["remove"])

    def new_options(self, options: dict[str, Any]) -> Any:
        """The sync's options."""
        from airflow_provider_hubbatch.core.associate_options import AssociateOptions

        return AssociateOptions(to_object_type=self.to_object_type, **options)

    def sandbox(self) -> HubSpotSandbox:
        """A HubSpot with the records and links that there are before."""
        sandbox = HubSpotSandbox(
            requests_per_10_seconds=10_000,
            behaviours=self.behaviours,
            seed=self.seed,
            latency_ms=self.latency_ms,
            records={
                "contacts": [_contact(number) for number in range(CONTACTS)],
                "companies": [_company(number) for number in range(COMPANIES)],
            },
        )
        for label in LABELS:
            if label != "Primary":
                sandbox.add_label("contacts", "companies", label, inverse=INVERSE.get(label))
                sandbox.add_label("contacts", "contacts", label)
        for start, ends in self.before.items():
            for end, labels in ends.items():
                sandbox.associate(self.object_type, start, self.to_object_type, end, *sorted(filter(None, labels)))
        for kind, details, probability in self.faults:
            sandbox.faults.randomly(kind, probability=probability, path="/batch/", **details)
        return sandbox

    def connection(self, sandbox: HubSpotSandbox) -> str:
        """An Airflow connection to it."""
        return sandbox.connection(api_version=self.api_version)

    def links(self, sandbox: HubSpotSandbox) -> Links:
        """The links that there are: from record -> to record -> labels, ``None`` for the unlabeled link."""
        found = sandbox.associations(self.object_type, self.to_object_type)
        return {
            start: {end: {kind["label"] for kind in kinds} for end, kinds in ends.items()}
            for start, ends in found.items()
        }

    def __str__(self) -> str:
        settings = {**self.options, "types": [self.object_type, self.to_object_type], "api_version": self.api_version}
        faults = [f"{kind} {details or ''} {share:.3f}" for kind, details, share in self.faults]
        return json.dumps(
            {"rows": len(self.rows), **settings, "behaviours": self.behaviours, "faults": faults}
            | {"endings": [f"{one.kind} after {one.after_requests}" for one in self.endings]},
            default=str,
        )


def _contact(number: int) -> dict[str, str]:
    contact = {
        "id": str(FIRST_ID + number),
        "email": f"person.{number}@example.com",
        "customer_number": f"C-{number:04d}",
    }
    if number % 5 == 0:
        contact["hs_additional_emails"] = f"also.{number}@example.com"
    return contact


def _company(number: int) -> dict[str, str]:
    return {"id": str(FIRST_ID + number), "name": f"Company {number}", "erp_id": f"E-{number:04d}"}


def draw(seed: int) -> LinkTrouble:
    """The fault run of this seed."""
    draws = Random(f"associate {seed}")
    types = draws.choice([("contacts", "companies")] * 3 + [("companies", "contacts"), ("contacts", "contacts")])
    keys = tuple(draws.choice(_KEYS[one]) for one in types)
    labels = _labels(types)
    way = draws.choice(["plain", "plain", "label", "column"])
    remove = draws.random() < 0.3
    label = draws.choice(labels) if way == "label" else None
    rows = _rows(draws, types, keys, labels if way == "column" else [label], remove=remove)
    faults, behaviours = drawn_faults(draws), {name: draws.choice(values) for name, values in BEHAVIOURS.items()}
    if "Primary" in {row.label for row in rows} or remove:
        behaviours["association_limit"] = None
    return LinkTrouble(
        seed=seed,
        object_type=types[0],
        to_object_type=types[1],
        rows=rows,
        options={
            "from_column": "start",
            "to_column": "end",
            "from_id_property": keys[0],
            "to_id_property": keys[1],
            "label": label,
            "label_column": "kind" if way == "column" else None,
            "remove": remove,
            "preflight": draws.random() < 0.5,
            "max_in_flight": draws.choice([1, 2, 4, 16]),
            "validate_only": draws.random() < 0.03,
        },
        before=_before(draws, types, labels, rows),
        behaviours=behaviours,
        faults=faults,
        endings=drawn_endings(draws),
        api_version=draws.choice(["2026-03", "2026-03", "2026-09"]),
        latency_ms=draws.choice([0.0, 0.0, 5.0, 20.0]),
    )


_KEYS: dict[str, list[str | None]] = {
    "contacts": [None, "email", "customer_number"],
    "companies": [None, "erp_id"],
}


def _labels(types: tuple[str, str]) -> list[str]:
    """Those that there are in this direction."""
    if types == ("contacts", "contacts"):
        return [label for label in LABELS if label != "Primary"]
    return [INVERSE.get(label, label) if types[0] == "companies" else label for label in LABELS]


def _rows(
    draws: Random, types: tuple[str, str], keys: tuple[Any, ...], labels: list[Any], *, remove: bool
) -> list[MadeLink]:
    count = draws.choice([1, 7, 60, 250, 900])
    bad, repeated = draws.choice([0.0, 0.02, 0.15]), draws.choice([0.0, 0.1, 0.6])
    has_column = len(labels) > 1
    rows: list[MadeLink] = []
    for _ in range(count):
        if rows and draws.random() < repeated:
            numbers = draws.choice([row.pair or ("101", "102") for row in rows])
            pair = numbers
        else:
            pair = tuple(str(FIRST_ID + draws.randrange(_COUNTS[one])) for one in types)  # type: ignore[assignment]
        label = draws.choice([*labels, None] if has_column else labels)
        fault = None
        given = {"start": _named(draws, pair[0], types[0], keys[0]), "end": _named(draws, pair[1], types[1], keys[1])}
        if draws.random() < bad:
            side = draws.choice([0, 1])
            fault = draws.choice(["absent", "null", "malformed"])
            given[("start", "end")[side]] = {"absent": ABSENT[keys[side]], "null": None, "malformed": True}[fault]
        elif has_column and draws.random() < bad:
            fault, label = "unknown label", "Nonsense"
        elif has_column and label is None and remove:
            fault = "no label"
        elif pair[0] == pair[1] and types[0] == types[1]:
            fault = "itself"
        if has_column:
            given["kind"] = label
        rows.append(MadeLink(given=given, pair=None if fault else pair, label=label, fault=fault))
    return rows


_COUNTS = {"contacts": CONTACTS, "companies": COMPANIES}


def _named(draws: Random, record: str, object_type: str, key: str | None) -> Any:
    number = int(record) - FIRST_ID
    if key is None:
        return draws.choice([record, int(record), f" {record}", float(record)])
    if key == "email":
        names = [f"person.{number}@example.com", f"Person.{number}@Example.com "]
        return draws.choice([*names, *([f"also.{number}@example.com"] if number % 5 == 0 else [])])
    return f"{'C' if object_type == 'contacts' else 'E'}-{number:04d}"


def _before(draws: Random, types: tuple[str, str], labels: list[str], rows: list[MadeLink]) -> Links:
    """Links of the pairs of some rows, and others."""
    pairs = [row.pair for row in rows if row.pair is not None and draws.random() < 0.3]
    pairs += [("101", str(FIRST_ID + number)) for number in range(1, 9)]
    links: Links = {}
    kept = [label for label in labels if label != "Primary"]
    for start, end in pairs:
        chosen = {label for label in kept if draws.random() < 0.4}
        links.setdefault(start, {})[end] = {None, *chosen}
        if types[0] == types[1]:
            links.setdefault(end, {})[start] = {None, *chosen}
    return links


def command(trouble: LinkTrouble) -> str:
    """What repeats a fault run."""
    return f"python -m tests.verbs.link_runs --seed {trouble.seed} --runs 1"


def check(seed: int, folder: Path) -> Any:
    """Draw a fault run, carry it out, and assert that all of it is right."""
    from tests.verbs.fault_runs import run_links

    trouble = draw(seed)
    seen = run_links(trouble, folder)
    found = lies(seen)
    assert not found, "\n".join(
        [
            f"{len(found)} lies; repeat them with: {command(trouble)}",
            *found[:20],
            str(trouble),
            f"tries: {[one.ending for one in seen.tries]}, summary: {seen.summary}",
        ]
    )
    return seen


def main() -> int:
    """The long form."""
    from tests.verbs.fault_runs import numbers_of, use_airflow_in

    parser = argparse.ArgumentParser(prog="python -m tests.verbs.link_runs", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="the first one")
    parser.add_argument("--log", action="store_true", help="show the log of the syncs")
    options = parser.parse_args()
    totals: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="hubbatch-link-runs-") as home:
        use_airflow_in(Path(home), level="INFO" if options.log else "CRITICAL")
        for seed in range(options.seed, options.seed + options.runs):
            try:
                totals += numbers_of(check(seed, Path(home) / str(seed)))
            except AssertionError as error:
                totals["failed"] += 1
                sys.stdout.write(f"seed {seed}: {error}\n")
    sys.stdout.write(f"{options.runs} runs of associate: {dict(totals)}\n")
    return 1 if totals["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
