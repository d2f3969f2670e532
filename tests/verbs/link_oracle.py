"""What is right in a fault run of links: told from HubSpot's own links and the requests that it got.

Nothing here is the package's: what each row means is drawn with it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.verbs.link_runs import Links, LinkTrouble, MadeLink
    from tests.verbs.truth import Try

_STATUSES = ("created", "updated", "archived", "unchanged", "missing", "rejected", "unknown", "not_sent")
# After faults of these kinds what became of a row may stay unknown; after a 400 it may be rejected.
_UNCLEAR = frozenset(
    {"garbage", "truncated", "empty_results", "empty_body", "result_left_out", "foreign_results", "reply_status"}
)


@dataclass(frozen=True, kw_only=True)
class SeenLinks:
    """All that was seen of a fault run.

    :param after: the links that there are in the end.
    :param summary: of the last try, which is about all rows.
    :param results: one outcome a row, as the XCom has them.
    :param lines: those of the result files; ``None``: there are none.
    """

    trouble: LinkTrouble
    after: Links
    tries: list[Try]
    summary: dict[str, Any]
    results: list[dict[str, Any]]
    lines: list[dict[str, Any]] | None = None

    @property
    def rows(self) -> list[MadeLink]:
        """The rows, with what is right for each."""
        return self.trouble.rows

    @property
    def status(self) -> dict[int, str]:
        """Row -> what it was called."""
        return {one["row"]: one["status"] for one in self.results}

    @property
    def fault_kinds(self) -> set[str]:
        """The faults that requests have met."""
        return {request.fault for one in self.tries for request in one.requests if request.fault is not None}


def lies(seen: SeenLinks) -> list[str]:
    """What was said or done that isn't right; empty, if all is."""
    checks = [_requests, _claims, _links_made, _links_kept, _records]
    # each row has one outcome, or there is no telling what else is right
    accounts = list(_accounts(seen))
    return accounts or [f"{check.__name__.strip('_')}: {lie}" for check in checks for lie in check(seen)]


def _accounts(seen: SeenLinks) -> Iterator[str]:
    """Every row has exactly one outcome, and all counts are theirs."""
    rows = [one["row"] for one in seen.results]
    if rows != list(range(len(seen.rows))):
        yield f"{len(rows)} outcomes for {len(seen.rows)} rows"
    counted = Counter(seen.status.values())
    if {status: seen.summary.get(status, 0) for status in _STATUSES} != {one: counted[one] for one in _STATUSES}:
        yield f"the summary says {seen.summary}, the outcomes {dict(counted)}"
    if seen.lines is not None:
        told = [
            [(one["row"], one["status"], one.get("to_record_id")) for one in some]
            for some in (seen.lines, seen.results)
        ]
        if told[0] != told[1]:
            yield "the result files differ from the outcomes"


def _requests(seen: SeenLinks) -> Iterator[str]:
    """Each pair that is sent is a row's, once a request, and no more than fit."""
    pairs = {row.pair for row in seen.rows} | _absent_pairs(seen)
    for path, inputs in _writes(seen):
        if seen.trouble.options["validate_only"]:
            yield f"{path} was sent, to validate only"
        sent = list(_pairs_of(inputs))
        starts = {start for start, _ in sent}
        if len(sent) > 2_000 or len(set(sent)) < len(sent):
            yield f"{path}: {len(sent)} inputs, {len(set(sent))} different pairs"
        if path.endswith("/batch/archive") and len(starts) > 100:
            yield f"{path}: links of {len(starts)} records"
        strangers = [pair for pair in sent if pair not in pairs]
        if strangers:
            yield f"{path}: no row has {strangers[:3]}"


def _absent_pairs(seen: SeenLinks) -> set[tuple[str, str]]:
    """A record id that no record has may be sent: the reply tells."""
    found = set()
    for row in seen.rows:
        sides = [_as_id(row.given[name]) for name in ("start", "end")]
        if row.fault == "absent" and None not in sides:
            found.add((str(sides[0]), str(sides[1])))
    keys = (seen.trouble.options["from_id_property"], seen.trouble.options["to_id_property"])
    if keys == (None, None):
        return found
    # the other side may have been looked up
    return found | {(start, end) for start in _names(seen) for end in _names(seen)}


def _names(seen: SeenLinks) -> set[str]:
    return {str(one) for one in range(101, 101 + 120)} | {"880001"}


def _as_id(value: Any) -> str | None:
    try:
        return str(int(float(value)))
    except (TypeError, ValueError):
        return None


def _writes(seen: SeenLinks) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for one in seen.tries:
        for request in one.requests:
            if "/associations/" in request.path and request.method == "POST" and not request.path.endswith("/read"):
                yield request.path, request.json["inputs"]


def _pairs_of(inputs: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for item in inputs:
        ends = item["to"] if isinstance(item["to"], list) else [item["to"]]
        for end in ends:
            yield item["from"]["id"], end["id"]


def _claims(seen: SeenLinks) -> Iterator[str]:
    """What a row is called is what it can be."""
    good = "archived" if seen.trouble.removes else "created"
    unclear = bool(_UNCLEAR & seen.fault_kinds)
    refused = "status" in seen.fault_kinds or seen.trouble.behaviours.get("association_limit") is not None
    ended = seen.tries[-1].ending != "done"
    for number, row in enumerate(seen.rows):
        status, outcome = seen.status.get(number), seen.results[number]
        allowed = {"rejected"} if row.fault else {good}
        if not row.fault and row.label is not None and not seen.trouble.removes:
            allowed.add("unchanged")
        if row.fault == "absent" and seen.trouble.removes:
            allowed.add("archived")  # HubSpot doesn't tell that there is no such record
        if unclear or ended:
            allowed.add("unknown")
        if refused or unclear:
            allowed.add("rejected")
        if ended or seen.trouble.options["validate_only"]:
            allowed.add("not_sent")
        if status not in allowed:
            yield f"row {number} ({row.fault}) is {status}: {outcome.get('category')} {outcome.get('message')}"
        if outcome.get("category") == "OBJECT_NOT_FOUND" and "side" not in outcome["message"]:
            yield f"row {number}: {outcome['message']}"


def _links_made(seen: SeenLinks) -> Iterator[str]:
    """A row's link is there, or isn't any more, as its outcome says."""
    last_primary: dict[str, tuple[str, str]] = {}
    side = 1 if seen.trouble.object_type == "companies" else 0
    for number, row in enumerate(seen.rows):
        if (
            row.pair is not None
            and row.label == "Primary"
            and seen.status.get(number) in ("created", "unknown", "unchanged")
        ):
            last_primary[row.pair[side]] = row.pair
    for number, row in enumerate(seen.rows):
        if row.pair is None:
            continue
        start, end = row.pair
        labels = seen.after.get(start, {}).get(end, set())
        status = seen.status.get(number)
        if status in ("created", "unchanged"):
            is_moved = row.label == "Primary" and last_primary[row.pair[side]] != row.pair
            if row.label not in labels and not is_moved:
                yield f"row {number} is {status}, and {row.pair} has {labels}, not {row.label}"
            if not labels:
                yield f"row {number} is {status}, and {row.pair} has no link"
        if status == "archived" and row.label in labels:
            yield f"row {number} is archived, and {row.pair} still has {row.label}"


def _links_kept(seen: SeenLinks) -> Iterator[str]:
    """Nothing else has changed: each link and label that came or went is a row's that says so, or may."""
    came: dict[tuple[str, str], set[str | None]] = defaultdict(set)
    went: dict[tuple[str, str], set[str | None]] = defaultdict(set)
    takes_all: set[tuple[str, str]] = set()
    moved: set[str] = set()
    removes, side = seen.trouble.removes, 1 if seen.trouble.object_type == "companies" else 0
    for number, row in enumerate(seen.rows):
        # a refusal by a fault, or in a batch, proves nothing
        if row.pair is None or (seen.status.get(number) == "not_sent" and len(seen.tries) == 1):
            continue
        if removes:
            went[row.pair].add(row.label)
            takes_all |= {row.pair} if row.label is None else set()
        else:
            came[row.pair] |= {row.label, None}
            moved |= {row.pair[side]} if row.label == "Primary" else set()
    before, after = seen.trouble.before, seen.after
    is_same = seen.trouble.object_type == seen.trouble.to_object_type
    for pair in {(start, end) for links in (before, after) for start in links for end in links[start]}:
        start, end = pair
        was, now = before.get(start, {}).get(end, set()), after.get(start, {}).get(end, set())
        pairs = [pair, (end, start)] if is_same else [pair]
        may_come = {label for one in pairs for label in came[one]}
        may_go = {label for one in pairs for label in went[one]}
        if now - was - may_come:
            yield f"{pair} got {now - was}, and no row says so"
        lost = was - now - may_go
        if lost and not any(one in takes_all for one in pairs) and not (lost == {"Primary"} and pair[side] in moved):
            yield f"{pair} lost {was - now}: it had {was}"


def _records(seen: SeenLinks) -> Iterator[str]:
    """Outcomes name the records that their rows mean."""
    for number, row in enumerate(seen.rows):
        outcome = seen.results[number]
        if outcome["status"] in ("created", "archived", "unchanged") and row.pair is not None:
            told = (outcome.get("record_id"), outcome.get("to_record_id"))
            if told != row.pair:
                yield f"row {number} names {row.pair}, its outcome {told}"
        if "to_id" not in outcome:
            yield f"row {number} has no to_id"
