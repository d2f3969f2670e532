"""What was said or done in a fault run that isn't right, by the sandbox's own records and its log of requests.

None of the package's code takes part: which record a row names, what it shall hold and what became of it are read from
the drawn rows and from HubSpot's side alone.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from tests.verbs.claims import claims, reads_failed
from tests.verbs.dirty_rows import WITNESS
from tests.verbs.truth import TAKEN, Seen, Sending, Truth, held

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_hubbatch.sandbox import RecordedRequest

# What HubSpot keeps itself.
_SYSTEM = frozenset({"hs_object_id", "createdate", "hs_createdate", "hs_lastmodifieddate", "lastmodifieddate"})
# After these HubSpot has not looked at the inputs.
_NEVER_WRITTEN = frozenset({401, 403, 404, 423, 429})
_STATUSES = ("created", "updated", "archived", "unchanged", "missing", "rejected", "unknown", "not_sent")


def lies(seen: Seen) -> list[str]:
    """What was said or done that isn't right; empty, if all is."""
    truth = Truth(seen)
    checks = [
        _accounts,
        _requests,
        claims,
        _order,
        _repeats,
        _creations,
        _archives,
        _final_values,
        _sometimes,
        _untouched,
    ]
    return [f"{check.__name__.strip('_')}: {lie}" for check in checks for lie in check(truth)]


# --- the account --------------------------------------------------------------------------------------------------


def _accounts(truth: Truth) -> Iterator[str]:
    """Every row has exactly one outcome, and all counts are theirs."""
    seen, count = truth.seen, len(truth.rows)
    rows = [one["row"] for one in seen.results]
    if rows != list(range(count)):
        yield f"{len(rows)} outcomes for {count} rows: {_odd(rows, count)}"
    counted = Counter(truth.status.values())
    told = {status: seen.summary.get(status, 0) for status in _STATUSES}
    if told != {status: counted[status] for status in _STATUSES} or seen.summary["rows"] != count:
        yield f"the summary says {told} of {seen.summary['rows']} rows, the outcomes {dict(counted)}"
    categories = Counter(one["category"] for one in seen.results if one["status"] == "rejected")
    if dict(categories) != seen.summary["rejected_by_category"]:
        yield f"rejected_by_category is {seen.summary['rejected_by_category']}, the outcomes have {dict(categories)}"
    if seen.lines is not None and _plain(seen.lines) != _plain(seen.results):
        yield f"the result files differ from the outcomes: {_odd([one['row'] for one in seen.lines], count)}"
    if [one.ending for one in seen.tries] == ["done"]:
        requests = len(seen.tries[0].requests)
        if seen.summary["requests"] != requests:
            yield f"the summary has {seen.summary['requests']} requests, HubSpot got {requests}"


def _odd(rows: list[int], count: int) -> str:
    times = Counter(rows)
    lost = [row for row in range(count) if row not in times]
    return f"lost {lost[:10]}, twice {[row for row, n in times.items() if n > 1][:10]}"


def _plain(outcomes: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(one["row"], one["status"], one.get("category"), one.get("record_id")) for one in outcomes]


# --- what was sent ------------------------------------------------------------------------------------------------


def _requests(truth: Truth) -> Iterator[str]:
    """Each input is its row's: nothing more than the row has, nothing for a row that can't be right."""
    for _, request, inputs in truth.writes:
        if truth.options.get("validate_only"):
            yield f"{len(inputs)} inputs were sent, to validate only"
        ids = [str(one["id"]).casefold() for one in inputs if "id" in one]
        if len(inputs) > 100 or len(set(ids)) < len(ids):
            yield f"a request of {len(inputs)} inputs with {len(set(ids))} different ids"
        for item in inputs:
            rows = truth.rows_of(item)
            if not rows:
                yield f"an input of {request.path} is no row's: {item}"
            for number in rows:
                yield from _input_lies(truth, item, number)


def _input_lies(truth: Truth, item: dict[str, Any], number: int) -> Iterator[str]:
    row, key = truth.rows[number], truth.seen.trouble.id_property
    record = truth.record_of(row)
    properties = dict(item.get("properties") or {})
    # the key may be among them: in the row's own writing
    if key is not None and str(properties.get(key)).casefold() == str(row.name).casefold():
        del properties[key]
    extra = {name: value for name, value in properties.items() if row.wants.get(name) != value}
    if extra:
        yield f"row {number} was sent with {extra}, and has {row.wants}"
    if "id" in item and item.get("idProperty") is None and record is not None and item["id"] != record:
        yield f"row {number} names record {record}, and was sent to {item['id']}"
    if record is None and truth.is_searched:
        yield f"row {number} names no record, or several, and was sent to {item.get('id')}"
    if item.get("idProperty") is not None and item["id"] != row.name:
        yield f"row {number} names {row.name}, and was sent to {item['id']}"
    if all(map(truth.disagrees, truth.rows_of(item))):
        yield f"row {number} says otherwise of record {record} than it is, and was sent"
    if row.unsendable(preflight=truth.options["preflight"]):
        yield f"row {number} was sent in spite of {row.faults}"


# --- order and repetition -----------------------------------------------------------------------------------------


def _order(truth: Truth) -> Iterator[str]:
    """Rows of one record never overtake each other, within a try."""
    by_witness = {row.wants[WITNESS]: number for number, row in enumerate(truth.rows) if row.wants.get(WITNESS)}
    for one in truth.seen.tries:
        last: dict[str, int] = {}
        for record, values in one.changes:
            number = by_witness.get(values.get(WITNESS, ""), -1)
            if number < 0:
                continue
            if number < last.get(record, -1):
                yield f"row {number} of record {record} came after row {last[record]}"
            last[record] = number


def _repeats(truth: Truth) -> Iterator[str]:
    """What HubSpot confirmed isn't sent again, but after a kill; what it may have made never just so."""
    for number, sendings in truth.sent.items():
        row = truth.rows[number]
        for before, after in itertools.pairwise(sendings):
            creates = all(request.path.endswith("/batch/create") for _, request in (before, after))
            # after a kill nobody knows that it was sent: HubSpot refuses a second record of one key
            is_known = before[0] is after[0] or before[0].ending != "kill" or truth.seen.trouble.id_property is None
            if creates and is_known:
                yield from _created_blindly(truth, number, before[1], after[1])
        if row.faults or truth.record_of(row) is None or truth.verb == "archive":
            continue
        if (
            truth.seen.trouble.id_property in (None, "email") or truth.is_searched
        ):  # else results need not say whose they are
            yield from _sent_needlessly(number, sendings)


def _sent_needlessly(number: int, sendings: list[Sending]) -> Iterator[str]:
    for (one, request), (later, _) in itertools.pairwise(sendings):
        if one is later and reads_failed(one):
            continue  # what was to be read back may be sent again
        if request.path.endswith("/batch/create"):
            continue  # somebody was faster: its conflict becomes an update
        if request.status in (200, 201, 207) and request.fault is None and (one is later or one.ending != "kill"):
            yield f"row {number} was sent again after {request.status}, {one.ending}"


def _created_blindly(truth: Truth, number: int, before: RecordedRequest, after: RecordedRequest) -> Iterator[str]:
    """A create that may have reached HubSpot is sent again only once its key has been read."""
    if before.status in _NEVER_WRITTEN:
        return
    if before.status in (400, 409) and not truth.seen.trouble.behaviours["partly_written"]:
        return
    name = str(truth.rows[number].name).casefold()
    asked = any(
        before.received_at <= read.received_at <= after.received_at
        and any(str(one["id"]).casefold() == name for one in read.json["inputs"])
        for read in truth.reads
    )
    if not asked:
        yield f"row {number} was created again after {before.status} {before.fault}, without a look"


# --- the records --------------------------------------------------------------------------------------------------


def _creations(truth: Truth) -> Iterator[str]:
    """No record is made twice, none for nobody, and as many as are called created."""
    if truth.verb not in ("upsert", "create"):
        return
    if truth.seen.trouble.id_property is None:
        yield from _keyless_creations(truth)
        return
    yield from _made_wrongly(truth)
    created: dict[str | None, list[int]] = defaultdict(list)
    for number, status in truth.status.items():
        if status == "created":
            created[truth.rows[number].name].append(number)
    yield from (f"rows {numbers} all created {name}" for name, numbers in created.items() if len(numbers) > 1)
    for made in truth.made_ids.keys() - created.keys():
        said = {truth.status.get(number) for number, row in enumerate(truth.rows) if row.name == made}
        # what a killed try made without learning of it is updated by the next one
        was_killed = any(one.ending == "kill" for one in truth.seen.tries)
        if "unknown" not in said and not (was_killed and "updated" in said):
            yield f"{made} was made, and none of its rows is created: {said}"


def _made_wrongly(truth: Truth) -> Iterator[str]:
    names = {row.name for row in truth.rows if not row.faults}
    for name, records in truth.made_ids.items():
        if len(records) > 1 or name in truth.ids:
            yield f"{name} was made {len(records)} times, and was there before: {name in truth.ids}"
        if name not in names:
            yield f"a record {name!r} was made for no row"


def _keyless_creations(truth: Truth) -> Iterator[str]:
    """Rows that are alike are interchangeable: as many records as rows that made one, not more than may have."""
    made = Counter(_content(values) for values in truth.made.values())
    surely, perhaps = Counter[Any](), Counter[Any]()
    for number, row in enumerate(truth.rows):
        content = _content(row.wants)
        surely[content] += truth.status.get(number) == "created"
        perhaps[content] += truth.status.get(number) in ("created", "unknown")
    for content in made.keys() | perhaps.keys():
        if not surely[content] <= made[content] <= perhaps[content]:
            yield f"{made[content]} records {dict(content)} for {surely[content]} to {perhaps[content]} rows"


def _content(values: dict[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset((name, value) for name, value in values.items() if value)


def _archives(truth: Truth) -> Iterator[str]:
    """Exactly those are archived whose rows say so."""
    archived = set(truth.seen.gone_after) - set(truth.seen.gone)
    surely, perhaps = set(), set()
    for number, row in enumerate(truth.rows):
        if row.name in truth.seen.trouble.merged:  # the sandbox takes a merged id for the surviving record's
            perhaps.add(truth.seen.trouble.merged[row.name])
        record, status = truth.record_of(row), truth.status.get(number)
        if truth.verb == "archive" and record is not None:
            if status == "archived":
                surely.add(record)
            if status in ("archived", "unknown", "missing"):
                perhaps.add(record)
    for record in surely - archived:
        yield f"record {record} is not archived"
    for record in archived - perhaps:
        yield f"record {record} was archived, and no row says so"


def _final_values(truth: Truth) -> Iterator[str]:
    """Each property has the value of the last row that was taken, or of a later one of which nobody knows."""
    possible: dict[tuple[str, str], set[str]] = {}
    for number, row in enumerate(truth.rows):
        record, status = truth.record_of(row), truth.status.get(number)
        if record is None or not (status == "unchanged" or truth.may_have_written(number)) or truth.verb == "create":
            continue
        for name, wanted in row.wants.items():
            if name in truth.when:
                continue
            values = possible.setdefault((record, name), {held(truth.seen.before, record, name)})
            if status == "unchanged" and wanted not in values and not truth.may_have_written(number):
                yield f"row {number} is unchanged, but {name} of record {record} was one of {values}, not {wanted!r}"
            if status in (*TAKEN, "unchanged"):
                values.clear()
            values.add(wanted)
    for (record, name), values in possible.items():
        now = held(truth.seen.after, record, name)
        if now not in values:
            yield f"{name} of record {record} is {now!r}, not one of {values}"


def _sometimes(truth: Truth) -> Iterator[str]:
    """What only new records get is in no other; what only fills replaces nothing; and what is due is there."""
    now: dict[tuple[str, str], str] = {}
    made = set()
    for record, values in truth.changes:
        is_new = record in truth.made and record not in made
        made.add(record)
        for name, value in values.items():
            has = "" if is_new else now.get((record, name), held(truth.seen.before, record, name))
            now[record, name] = value
            when = truth.when.get(name)
            if when and not is_new and value != has and (when == "created" or has):
                yield f"{name} of record {record} went from {has!r} to {value!r}, and is written only when {when}"
    for number, row in enumerate(truth.rows):
        named, status = truth.record_of(row), truth.status.get(number)
        for name, due in truth.when.items():
            is_due = bool(row.wants.get(name)) and (status == "created" or (due == "empty" and status in TAKEN))
            if is_due and named is not None and not held(truth.seen.after, named, name):
                yield f"{name} of record {named} is empty after row {number}"


def _untouched(truth: Truth) -> Iterator[str]:
    """Nothing else has changed: no other record, no other property, no value that no row has."""
    wanted: dict[tuple[str, str], set[str]] = defaultdict(set)
    for number, row in enumerate(truth.rows):
        record = truth.record_of(row)
        if record is not None and truth.may_have_written(number):
            for name, value in row.wants.items():
                wanted[record, name].add(value)
    key, is_keyless = truth.seen.trouble.id_property, truth.seen.trouble.id_property is None
    for record, values in truth.changes:
        for name, value in values.items():
            is_key = name == key and (record in truth.made or value.casefold() == held(truth.seen.before, record, name))
            if value not in wanted[record, name] and not is_key and not (is_keyless and record in truth.made):
                yield f"{name} of record {record} became {value!r}, which no row that was taken has"
    yield from _strangers(truth)
    changed = {(record, name) for record, values in truth.changes for name in values}
    for record, name, before, now in _differences(truth.seen):
        if (record, name) not in changed:
            yield f"{name} of record {record} went from {before!r} to {now!r} without a change"


def _strangers(truth: Truth) -> Iterator[str]:
    before = {**truth.seen.before, **truth.seen.gone}
    after = {**truth.seen.after, **truth.seen.gone_after}
    if set(before) - set(after):
        yield f"records are gone: {set(before) - set(after)}"
    if set(after) - set(before) != set(truth.made) or (truth.made and truth.verb not in ("upsert", "create")):
        yield f"records came: {set(after) - set(before)}"
    if set(truth.seen.gone) - set(truth.seen.gone_after):
        yield f"archived records are back: {set(truth.seen.gone) - set(truth.seen.gone_after)}"


def _differences(seen: Seen) -> Iterator[tuple[str, str, str, str]]:
    for record, kept in {**seen.after, **seen.gone_after}.items():
        for name, value in kept["properties"].items():
            before, now = held({**seen.before, **seen.gone}, record, name), value or ""
            if name not in _SYSTEM and before != now:
                yield record, name, before, now
