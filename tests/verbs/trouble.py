"""Everything that a fault run draws from its seed: the records, the rows, the settings, HubSpot's ways and faults."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.sandbox import HubSpotSandbox
from tests.verbs.dirty_rows import CHECKED_COLUMN, KEY_COLUMN, RENAMED, Dirt, Keys, MadeRow, make_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# How often a request meets one of them: (kind, its details, weight).
Kind = tuple[str, dict[str, Any], float]
# After these HubSpot recovers and says all.
TRANSIENT: tuple[Kind, ...] = (
    ("cut_before_write", {}, 3),
    ("cut_after_write", {}, 3),
    ("cut_during_reply", {}, 2),
    ("status", {"status": 503}, 2),
    ("status", {"status": 504, "written": True}, 2),
    ("html", {"status": 502}, 1),
    ("drip", {"seconds": 0.1}, 1),
)
# After these what became of a row may stay unknown.
UNCLEAR: tuple[Kind, ...] = (
    ("garbage", {}, 2),
    ("truncated", {}, 2),
    ("empty_results", {}, 2),
    ("empty_results", {"written": True}, 2),
    ("empty_body", {}, 1),
    ("result_left_out", {"results": 3}, 2),
    ("result_left_out", {"results": 2, "written": False}, 2),
    ("foreign_results", {"results": 2}, 1),
    ("reply_status", {"reply_status": "CANCELED", "written": True}, 1),
)
# These end a try, or refuse what is right.
HARD: tuple[Kind, ...] = (
    ("unauthorized", {}, 1),
    ("missing_scopes", {}, 1),
    ("status", {"status": 400, "category": "VALIDATION_ERROR", "message": "Property values were not valid"}, 2),
)
# These make the client wait for seconds: a few a run at most.
SLOW: tuple[Kind, ...] = (
    ("locked", {}, 1),
    ("rate_limited", {}, 1),
    ("rate_limited", {"policy": "SECONDLY"}, 1),
    ("reply_status", {"reply_status": "PENDING", "written": True}, 1),
    ("reply_status", {"reply_status": "PROCESSING"}, 1),
)

BEHAVIOURS: dict[str, tuple[Any, ...]] = {
    "trace_ids_isolate_errors": (False, True),
    "missing_errors_name_trace_ids": (True, False),
    "results_echo_trace_ids": (False, True),
    "results_echo_id_property": (False, True),
    "errors_quote_value": (True, False),
    "errors_name_nothing": (False, False, True),
    "error_details": ("all", "first", "none"),
    "partly_written": (False, False, True),
    "unique_conflict": ("CONFLICTING_UNIQUE_VALUE", "CONFLICT", "OBJECT_ALREADY_EXISTS"),
    "category_on_429": (False, True),
    "missing_keys": ("ids", "ids", "coordinates_400", "coordinates_404"),
    "results_echo": ("sent", "sent", "changed", "defaults", "nothing"),
    "cleared_values": ("by_version", "empty", "null"),
    "existing_id_in": ("message", "existing_id", "ids"),
    "reasons_in_details_only": (False, False, True),
    "correlation_id_in_bodies": (True, False),
    "none_found_is_404": (False, True),
    "create_conflicts_isolate": (True, False),
    "upsert_conflicts_isolate": (False, True),
    "create_duplicates": ("refused", "later_conflicts"),
    "search_text": ("lower_case_only", "any_case"),
}

# A property whose values several records may have, by which records are searched for.
SEARCHED = "company"

FIRST_ID = 101
# Whose values no other record may have; no row names it.
TAKEN = {"id": "50", "email": "taken@example.com", "customer_number": "C-taken"}


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a try is made to end.

    :param kind: ``stop`` (told to, as when a task is cleared) or ``kill`` (what it would still have written is lost).
    :param after_requests: once HubSpot has got so many requests of it.
    """

    kind: str
    after_requests: int


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """One fault run, drawn.

    :param rows: with what is right for each.
    :param options: of the sync.
    :param faults: (kind, details, probability), for batch requests.
    :param endings: of the first tries.
    """

    seed: int
    verb: str
    object_type: str
    id_property: str | None
    rows: list[MadeRow]
    options: dict[str, Any]
    behaviours: dict[str, Any]
    faults: list[Kind]
    endings: list[Ending]
    api_version: str
    contacts: int
    latency_ms: float
    search_lag_seconds: float = 0.0

    @property
    def merged(self) -> dict[str, str]:
        """Record ids that were merged away -> the surviving record's."""
        return {str(FIRST_ID + number): str(FIRST_ID + number + 1) for number in _merged(self.contacts)}

    def new_options(self, options: dict[str, Any]) -> Any:
        """The sync's options."""
        from airflow_provider_hubbatch.core.options import OPTIONS

        return OPTIONS[self.verb](**options)

    def records(self) -> dict[str, list[dict[str, str]]]:
        """Object type -> the records that there are before."""
        return {"contacts": [TAKEN, *map(_contact, range(self.contacts))]}

    def sandbox(self) -> HubSpotSandbox:
        """A HubSpot with the records that there are before."""
        sandbox = HubSpotSandbox(
            requests_per_10_seconds=10_000,
            behaviours=self.behaviours,
            seed=self.seed,
            latency_ms=self.latency_ms,
            records=self.records(),
        )
        # all of them, from now on: what became of each record is read here
        sandbox._portal.store.recent_changes = type(sandbox._portal.store.recent_changes)()
        for number in _gone(self.contacts):
            sandbox.archive("contacts", str(FIRST_ID + number))
        for gone, survivor in self.merged.items():
            sandbox.merge("contacts", gone, survivor)
        for kind, details, probability in self.faults:
            for path in ("/batch/", "/search"):
                sandbox.faults.randomly(kind, probability=probability, path=path, **details)
        sandbox.switch(search_lag_seconds=self.search_lag_seconds)
        return sandbox

    def connection(self, sandbox: HubSpotSandbox) -> str:
        """An Airflow connection to it."""
        return sandbox.connection(api_version=self.api_version)

    def __str__(self) -> str:
        settings = {**self.options, "api_version": self.api_version, "id_property": self.id_property}
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
        "jobtitle": "as it was",
        "city": "Old Town",
        "plan": "free",
        "score": "1",
    }
    # some have their neighbour's, in another case
    contact[SEARCHED] = _firm(number - 1).upper() if number % 7 == 3 else f" {_firm(number)}"
    if number % 5 == 0:
        contact["hs_additional_emails"] = f"also.{number}@example.com;third.{number}@example.com"
    return contact


def _firm(number: int) -> str:
    return f"Müller {number:04d} & Co"


def _gone(contacts: int) -> range:
    return range(3, contacts, 40)


def _merged(contacts: int) -> range:
    return range(11, contacts - 1, 60)


def _update(random: Random) -> Drawn:
    id_property = random.choice([None, None, "email", "customer_number", SEARCHED])
    return id_property, {**_values(random), "missing_ok": random.random() < 0.4}


def _upsert(random: Random) -> Drawn:
    return random.choice(["email", "customer_number"]), _values(random)


def _create(random: Random) -> Drawn:
    id_property = random.choice([None, "email", "customer_number"])
    return id_property, {} if id_property is None else {"existing": random.choice(["reject", "skip"])}


def _archive(random: Random) -> Drawn:
    return random.choice([None, None, "email", "customer_number"]), {"missing_ok": random.random() < 0.6}


# The key, and the options that are the verb's own.
Drawn = tuple[str | None, dict[str, Any]]
_DRAWN: Mapping[str, Callable[[Random], Drawn]] = {
    "update": _update,
    "upsert": _upsert,
    "create": _create,
    "archive": _archive,
}


def draw(seed: int, verb: str) -> Trouble:
    """The fault run of this seed."""
    random = Random(f"{verb} {seed}")
    contacts = random.choice([30, 120, 250])
    id_property, options = _DRAWN[verb](random)
    is_keyless = verb == "create" and id_property is None
    dirt = _dirt(
        random,
        clears=options.get("null_values") == "clear",
        taken={name: TAKEN[name] for name in ("customer_number", "email") if name != id_property},
        has_values=verb != "archive",
    )
    keys = None if is_keyless else _contact_keys(contacts, id_property, has_new=verb in ("upsert", "create"))
    checked = _checked(random, verb, id_property)
    if keys is not None and checked is not None:
        keys = replace(keys, records=_records(contacts, id_property, checked))
        options["must_match"] = {CHECKED_COLUMN: checked}
    rows = make_rows(_row_count(random), keys, dirt, random)
    if verb in ("update", "upsert") and random.random() < 0.3:
        when = {"zip": "empty", "city": random.choice(["created", "empty"]) if verb == "upsert" else "empty"}
        options["write_when"] = {RENAMED.format(name) if dirt.renames else name: one for name, one in when.items()}
    ways = _ways(random)
    if is_keyless:  # a 4xx is taken to have made nothing: the docs say so
        ways["behaviours"]["partly_written"] = False
    return Trouble(
        seed=seed,
        verb=verb,
        object_type="contacts",
        id_property=id_property,
        rows=rows,
        options={
            **options,
            **({} if is_keyless else {"id_column": KEY_COLUMN, "id_property": id_property}),
            "preflight": dirt.preflight,
            "max_in_flight": random.choice([1, 2, 4, 16]),
            "validate_only": random.random() < 0.03,
            **_renaming(rows, dirt),
        },
        contacts=contacts,
        **ways,
    )


def _checked(random: Random, verb: str, id_property: str | None) -> str | None:
    """The property that a row and its record must have the same value of."""
    if verb == "create" or random.random() < 0.7:
        return None
    return random.choice([one for one in ("customer_number", "email") if one != id_property])


def _records(contacts: int, id_property: str | None, checked: str) -> dict[str, str]:
    """Key -> what its record has of the property that is checked."""
    records = {}
    for number in sorted({*range(contacts)} - {*_gone(contacts)}):
        contact = _contact(number)
        addresses = [contact["email"], *contact.get("hs_additional_emails", "").split(";")]
        names = {None: [contact["id"]], "email": addresses, SEARCHED: [_firm(number).casefold()]}
        for name in names.get(id_property, [contact["customer_number"]]):
            records[name] = addresses[-1] if checked == "email" and number % 3 else contact[checked]
    return {name: value for name, value in records.items() if name and value}


def _values(random: Random) -> dict[str, Any]:
    """The options of the verbs that write values over others."""
    return {
        "null_values": random.choice(["skip", "skip", "clear"]),
        "max_cleared": 1.0,
        "skip_unchanged": random.choice([None, None, "hubspot"]),
    }


def _row_count(random: Random) -> int:
    return random.choice([1, 7, 60, 100, 101, 199, 250, 400])


def _dirt(random: Random, **more: Any) -> Dirt:
    return Dirt(
        bad=random.choice([0.0, 0.02, 0.05, 0.15]),
        nulls=random.choice([0.0, 0.1, 0.3]),
        repeated=random.choice([0.0, 0.1, 0.6]),
        preflight=random.random() < 0.5,
        renames=more["has_values"] and random.random() < 0.3,
        **more,
    )


def _renaming(rows: Sequence[MadeRow], dirt: Dirt) -> dict[str, Any]:
    """The mapping of renamed columns to properties: of those that are among the first rows."""
    if not dirt.renames:
        return {}
    columns = {name for row in rows if isinstance(row.given, dict) for name in row.given}
    columns -= {KEY_COLUMN, CHECKED_COLUMN}
    prefix = len(RENAMED.format(""))
    return {"properties": {column: column[prefix:] for column in sorted(columns)}}


def _contact_keys(contacts: int, id_property: str | None, *, has_new: bool) -> Keys:
    numbers, new = range(contacts), range(contacts if has_new else 0)
    match id_property:
        case None:
            good = [str(FIRST_ID + number) for number in numbers] + ["880001", "880002"]
            writings: list[Callable[[str], Any]] = [str, int, float, lambda one: f" {one}", lambda one: f"00{one}.0"]
            return Keys(good=good, writings=writings, malformed=("abc", "12.5", 0, True, -3))
        case "email":
            good = [f"person.{number}@example.com" for number in numbers]
            good += [f"{word}.{number}@example.com" for number in numbers[::5] for word in ("also", "third")]
            good += ["nobody@example.com", *(f"new.{number}@example.com" for number in new)]
            writings = [str, str.upper, lambda one: f" {one} ", str.title]
            return Keys(good=good, writings=writings, malformed=("no address", "two@", 7))
        case "company":
            good = [_firm(number).casefold() for number in numbers] + ["nobody & co"]
            writings = [str, str.upper, lambda one: f" {one}\t", str.title]
            return Keys(good=good, writings=writings, malformed=(True, ["Müller"]))
    good = [f"C-{number:04d}" for number in numbers] + ["C-none", *(f"N-{number:04d}" for number in new)]
    return Keys(good=good, writings=[str, lambda one: f"  {one}\t"], malformed=(True, ["C-0001"]))


def drawn_faults(random: Random) -> list[Kind]:
    """What goes wrong, and how often."""
    kinds = list(TRANSIENT)
    if random.random() < 0.5:
        kinds += UNCLEAR
    share = random.choice([0.0, 0.05, 0.15, 0.35])
    chosen = [kind for kind in kinds if random.random() < 0.6]
    total = sum(weight for *_, weight in chosen) or 1
    faults = [(kind, details, share * weight / total) for kind, details, weight in chosen] if share else []
    if random.random() < 0.15:
        kind, details, _ = random.choice(HARD)
        faults.append((kind, details, 0.03))
    if random.random() < 0.15:
        kind, details, _ = random.choice(SLOW)
        faults.append((kind, {**details, "count": 1}, 0.2))
    return faults


def drawn_endings(random: Random) -> list[Ending]:
    """How the first tries end."""
    return [
        Ending(kind=random.choice(["stop", "kill"]), after_requests=random.randrange(1, 12))
        for _ in range(random.choice([0, 0, 1, 1, 2, 4]))
    ]


def _ways(random: Random) -> dict[str, Any]:
    """HubSpot's ways and faults, the API's version, how the tries end."""
    faults, endings = drawn_faults(random), drawn_endings(random)
    return {
        "behaviours": {name: random.choice(values) for name, values in BEHAVIOURS.items()},
        "faults": faults,
        "endings": endings,
        "api_version": random.choice(["2026-03", "2026-03", "2026-09"]),
        "latency_ms": random.choice([0.0, 0.0, 5.0, 20.0]),
        "search_lag_seconds": random.choice([0.0, 60.0]),
    }
