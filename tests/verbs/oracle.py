"""What is true of a fault run, by the sandbox's own records and its log of requests; and what was said that isn't.

None of the package's code takes part: which record a row names, what it shall hold and what became of it are read from
the drawn rows and from HubSpot's side alone.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tests.verbs.dirty_rows import WITNESS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_hubbatch.sandbox import RecordedRequest
    from tests.verbs.dirty_rows import MadeRow
    from tests.verbs.trouble import Trouble

Records = dict[str, dict[str, Any]]

# What HubSpot keeps itself.
_SYSTEM = frozenset({"hs_object_id", "createdate", "hs_createdate", "hs_lastmodifieddate", "lastmodifieddate"})
_STATUSES = ("created", "updated", "archived", "unchanged", "missing", "rejected", "unknown", "not_sent")


@dataclass(frozen=True, kw_only=True)
class Try:
    """One try of a sync, as seen from HubSpot.

    :param ending: how it ended: ``done``, ``stop``, ``kill`` or the class of its error.
    :param requests: those that came in during it.
    :param changes: of records, during it: (record id, property -> value).
    """

    ending: str
    requests: list[RecordedRequest]
    changes: list[tuple[str, dict[str, str]]]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """All that was seen of a fault run.

    :param before: the records of the object type when it began; ``gone``: the archived ones.
    :param summary: of the last try, which is about all rows.
    :param results: one outcome a row, as the XCom has them.
    :param lines: those of the result files; ``None``: there are none.
    """

    trouble: Trouble
    before: Records
    gone: Records
    after: Records
    gone_after: Records
    tries: list[Try]
    summary: dict[str, Any]
    results: list[dict[str, Any]]
    lines: list[dict[str, Any]] | None = None


@dataclass
class Truth:
    """What the rows of a run mean, and what HubSpot did about them.

    :param ids: every name that a row may give a record -> its record id.
    """

    seen: Seen
    ids: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for record_id, record in self.seen.before.items():
            for name in _names(record_id, record["properties"], self.seen.trouble.id_property):
                self.ids[name] = record_id

    @property
    def rows(self) -> list[MadeRow]:
        return self.seen.trouble.rows

    def record_of(self, row: MadeRow) -> str | None:
        """The id of the record that a row names, where there is one."""
        return None if row.name is None else self.ids.get(row.name)

    @cached_property
    def outcomes(self) -> dict[int, dict[str, Any]]:
        """Row -> its outcome."""
        return {one["row"]: one for one in self.seen.results}

    @cached_property
    def status(self) -> dict[int, str]:
        """Row -> what it was called."""
        return {row: one["status"] for row, one in self.outcomes.items()}

    @cached_property
    def writes(self) -> list[tuple[Try, RecordedRequest, list[dict[str, Any]]]]:
        """The requests that write, with their inputs."""
        end = f"/batch/{self.seen.trouble.verb}"
        return [
            (one, request, request.json["inputs"])
            for one in self.seen.tries
            for request in one.requests
            if request.path.endswith(end)
        ]

    @cached_property
    def sent(self) -> dict[int, list[tuple[Try, RecordedRequest]]]:
        """Row -> the requests that carried it."""
        sent: dict[int, list[tuple[Try, RecordedRequest]]] = {}
        for one, request, inputs in self.writes:
            for item in inputs:
                sent.setdefault(int(item["objectWriteTraceId"]), []).append((one, request))
        return sent

    def sendings(self, number: int) -> list[tuple[Try, RecordedRequest]]:
        """The requests that carried a row."""
        return self.sent.get(number, [])

    @cached_property
    def reads(self) -> list[RecordedRequest]:
        """The requests that read records."""
        return [one for a_try in self.seen.tries for one in a_try.requests if one.path.endswith("/batch/read")]

    def may_have_written(self, number: int) -> bool:
        """Whether a row's values may be HubSpot's because of this run.

        What a try wrote without learning of it is ``unchanged`` to a later one that compares.
        """
        status = self.status.get(number)
        if status == "rejected":
            return _excused(self, number)  # and HubSpot may have written a part of a batch that it refused
        return status in ("updated", "unknown") or (status == "unchanged" and number in self.sent)

    @cached_property
    def changes(self) -> list[tuple[str, dict[str, str]]]:
        """Every change of a record, in order."""
        return [change for one in self.seen.tries for change in one.changes]


def _names(record_id: str, properties: dict[str, Any], id_property: str | None) -> Iterator[str]:
    if id_property is None:
        yield record_id
    elif id_property == "email":
        yield from (properties.get("hs_additional_emails") or "").split(";")
        yield properties.get("email") or ""
    else:
        yield properties.get(id_property) or ""


def lies(seen: Seen) -> list[str]:
    """What was said or done that isn't right; empty, if all is."""
    truth = Truth(seen)
    checks = [_accounts, _requests, _claims, _order, _repeats, _final_values, _untouched]
    return [f"{check.__name__[1:]}: {lie}" for check in checks for lie in check(truth)]


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
    for _, _, inputs in truth.writes:
        if truth.seen.trouble.options.get("validate_only"):
            yield f"{len(inputs)} inputs were sent, to validate only"
        ids = [str(one["id"]).casefold() for one in inputs]
        if len(inputs) > 100 or len(set(ids)) < len(ids):
            yield f"a request of {len(inputs)} inputs with {len(set(ids))} different ids"
        for item in inputs:
            yield from _input_lies(truth, item)


def _input_lies(truth: Truth, item: dict[str, Any]) -> Iterator[str]:
    number = int(item["objectWriteTraceId"])
    row = truth.rows[number]
    record = truth.record_of(row)
    extra = {name: value for name, value in item["properties"].items() if row.wants.get(name) != value}
    if extra:
        yield f"row {number} was sent with {extra}, and has {row.wants}"
    if item.get("idProperty") is None and record is not None and item["id"] != record:
        yield f"row {number} names record {record}, and was sent to {item['id']}"
    if item.get("idProperty") is not None and item["id"] != row.name:
        yield f"row {number} names {row.name}, and was sent to {item['id']}"
    if row.unsendable(preflight=truth.seen.trouble.options["preflight"]):
        yield f"row {number} was sent in spite of {row.faults}"


# --- what was said ------------------------------------------------------------------------------------------------


def _claims(truth: Truth) -> Iterator[str]:
    """What each row was called is so."""
    for number, row in enumerate(truth.rows):
        status = truth.status.get(number, "nothing")
        lie = _CLAIMS[status](truth, number, row)
        if lie:
            yield f"row {number} ({row.name}, {row.faults or 'good'}) is {status}, but {lie} [{_said(truth, number)}]"


def _said(truth: Truth, number: int) -> str:
    outcome = truth.outcomes.get(number, {})
    sent = [f"{request.status} {request.fault or ''}".strip() for _, request in truth.sendings(number)]
    return f"{outcome.get('category')}: {outcome.get('message')}; sent: {sent}"


def _updated(truth: Truth, number: int, row: MadeRow) -> str | None:
    record = truth.record_of(row)
    if row.faults or record is None:
        return "can't be"
    if truth.outcomes[number].get("record_id") != record:
        return f"the outcome names record {truth.outcomes[number].get('record_id')}, not {record}"
    if not truth.sendings(number):
        return "was never sent"
    return next((f"{name} never got its value" for name in row.wants if not _arrived(truth, number, name)), None)


def _arrived(truth: Truth, number: int, name: str) -> bool:
    """Whether the record once had this row's value of a property."""
    row, record = truth.rows[number], truth.record_of(truth.rows[number])
    wanted = row.wants[name]
    if record is None:
        return False
    before = truth.seen.before.get(record, {}).get("properties", {}).get(name) or ""
    return wanted == before or any(one == record and values.get(name) == wanted for one, values in truth.changes)


def _rejected(truth: Truth, number: int, row: MadeRow) -> str | None:
    if _witnessed(truth, number) and not _excused(truth, number):
        return "it was written"
    if row.faults or truth.record_of(row) is None or _excused(truth, number) or _denied(truth, number):
        return None
    return "nothing is wrong with it"


def _witnessed(truth: Truth, number: int) -> bool:
    """Whether a record was seen with this row's own value."""
    wanted = truth.rows[number].wants.get(WITNESS)
    return wanted is not None and any(values.get(WITNESS) == wanted for _, values in truth.changes)


def _excused(truth: Truth, number: int) -> bool:
    """Whether HubSpot refused this row by a fault: it was alone in a refused request, or failed with others."""
    return any(request.fault == "status" and (request.status or 0) >= 400 for _, request in truth.sendings(number))


def _denied(truth: Truth, number: int) -> bool:
    """Whether HubSpot, asked twice and more, left this row's record out as if there were none."""
    if truth.sendings(number):
        return False
    name = str(truth.rows[number].name).casefold()
    denials = [
        request.fault in ("empty_results", "result_left_out")
        for request in truth.reads
        if any(name == str(one["id"]).casefold() for one in request.json["inputs"])
    ]
    return denials.count(True) > 1


def _missing(truth: Truth, number: int, row: MadeRow) -> str | None:
    if (truth.record_of(row) is not None and not _denied(truth, number)) or row.name is None:
        return "there is such a record"
    return None if truth.seen.trouble.options.get("missing_ok") else "missing_ok is off"


def _unchanged(truth: Truth, number: int, row: MadeRow) -> str | None:
    if row.faults:
        return "it is faulty"
    if not row.wants:
        return None
    if truth.seen.trouble.options.get("skip_unchanged") is None:
        return "it has something to write"
    if truth.record_of(row) is None:
        return "there is no such record"
    return next((f"{name} never had its value" for name in row.wants if not _arrived(truth, number, name)), None)


def _unknown(truth: Truth, number: int, row: MadeRow) -> str | None:
    if all(one.ending == "done" for one in truth.seen.tries) and not truth.seen.trouble.faults:
        return "nothing went wrong"
    if row.name is None:
        return "it can't be sent"
    if truth.seen.tries[-1].ending != "done" and truth.sendings(number):
        return None  # the sync ended before HubSpot's reply, or before it was read back
    if any(request.fault for _, request in truth.sendings(number)) or any(map(_reads_failed, truth.seen.tries)):
        return None
    return "HubSpot answered clearly whenever it was sent"


def _reads_failed(one: Try) -> bool:
    return any(request.path.endswith("/batch/read") and request.fault for request in one.requests)


def _not_sent(truth: Truth, number: int, row: MadeRow) -> str | None:
    last = truth.seen.tries[-1]
    if truth.seen.trouble.options.get("validate_only"):
        return "it is faulty" if row.unsendable(preflight=truth.seen.trouble.options["preflight"]) else None
    if last.ending == "done":
        return "the sync came to its end"
    if _witnessed(truth, number) and len(truth.seen.tries) == 1:
        return "it was written"
    statuses = [request.status for one, request in truth.sendings(number) if one is last]
    refused = all(status is not None and 400 <= status < 500 for status in statuses)
    return None if refused else f"it was sent, and answered {statuses}"


def _nothing(*_: object) -> str:
    return "has no outcome"


_CLAIMS: dict[str, Callable[[Truth, int, MadeRow], str | None]] = {
    "updated": _updated,
    "rejected": _rejected,
    "missing": _missing,
    "unchanged": _unchanged,
    "unknown": _unknown,
    "not_sent": _not_sent,
    "nothing": _nothing,
}


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
    """What HubSpot confirmed isn't sent again, but after a kill."""
    if truth.seen.trouble.id_property not in (None, "email"):
        return  # results need not say whose they are
    for number, sendings in truth.sent.items():
        row = truth.rows[number]
        if row.faults or truth.record_of(row) is None:
            continue
        for (one, request), (later, _) in itertools.pairwise(sendings):
            if one is later and _reads_failed(one):
                continue  # what was to be read back may be sent again
            if request.status in (200, 201, 207) and request.fault is None and (one is later or one.ending != "kill"):
                yield f"row {number} was sent again after {request.status}, {one.ending}"


# --- the records --------------------------------------------------------------------------------------------------


def _final_values(truth: Truth) -> Iterator[str]:
    """Each property has the value of the last row that was taken, or of a later one of which nobody knows."""
    possible: dict[tuple[str, str], set[str]] = {}
    for number, row in enumerate(truth.rows):
        record, status = truth.record_of(row), truth.status.get(number)
        if record is None or not (status == "unchanged" or truth.may_have_written(number)):
            continue
        for name, wanted in row.wants.items():
            held = possible.setdefault((record, name), {_held(truth.seen.before, record, name)})
            if status == "unchanged" and wanted not in held and not truth.may_have_written(number):
                yield f"row {number} is unchanged, but {name} of record {record} was one of {held}, not {wanted!r}"
            if status in ("updated", "unchanged"):
                held.clear()
            held.add(wanted)
    for (record, name), held in possible.items():
        now = _held(truth.seen.after, record, name)
        if now not in held:
            yield f"{name} of record {record} is {now!r}, not one of {held}"


def _held(records: Records, record: str, name: str) -> str:
    return records.get(record, {}).get("properties", {}).get(name) or ""


def _untouched(truth: Truth) -> Iterator[str]:
    """Nothing else has changed: no other record, no other property, no value that no row has."""
    wanted: dict[tuple[str, str], set[str]] = defaultdict(set)
    for number, row in enumerate(truth.rows):
        record = truth.record_of(row)
        if record is not None and truth.may_have_written(number):
            for name, value in row.wants.items():
                wanted[record, name].add(value)
    for record, values in truth.changes:
        for name, value in values.items():
            if value not in wanted[record, name]:
                yield f"{name} of record {record} became {value!r}, which no row that was taken has"
    yield from _strangers(truth.seen)
    changed = {(record, name) for record, values in truth.changes for name in values}
    for record, name, before, now in _differences(truth.seen):
        if (record, name) not in changed:
            yield f"{name} of record {record} went from {before!r} to {now!r} without a change"


def _strangers(seen: Seen) -> Iterator[str]:
    if set(seen.before) != set(seen.after):
        yield f"records came or went: {set(seen.before) ^ set(seen.after)}"
    if set(seen.gone) != set(seen.gone_after):
        yield f"records were archived: {set(seen.gone) ^ set(seen.gone_after)}"


def _differences(seen: Seen) -> Iterator[tuple[str, str, str, str]]:
    for record, kept in seen.after.items():
        for name, value in kept["properties"].items():
            before, now = _held(seen.before, record, name), value or ""
            if name not in _SYSTEM and before != now:
                yield record, name, before, now
