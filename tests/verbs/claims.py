"""Whether what a row was called is so: one question a status."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.verbs.dirty_rows import MadeRow
    from tests.verbs.truth import Truth, Try


def claims(truth: Truth) -> Iterator[str]:
    """What each row was called is so."""
    for number, row in enumerate(truth.rows):
        status = truth.status.get(number, "nothing")
        lie = _CLAIMS[status](truth, number, row) or _agreement_lie(truth, number, status)
        if lie:
            yield f"row {number} ({row.name}, {row.faults or 'good'}) is {status}, but {lie} [{_said(truth, number)}]"


def _agreement_lie(truth: Truth, number: int, status: str) -> str | None:
    """What is wrong about a row that must agree with its record."""
    mismatch = truth.outcomes.get(number, {}).get("category") == "RECORD_MISMATCH"
    if mismatch and not truth.disagrees(number):
        return "it agrees with its record"
    if truth.disagrees(number) and status in ("created", "updated", "archived", "unchanged"):
        return None if status == "unchanged" and not truth.rows[number].wants else "it disagrees with its record"
    return None


def _said(truth: Truth, number: int) -> str:
    outcome = truth.outcomes.get(number, {})
    sent = [f"{request.status} {request.fault or ''}".strip() for _, request in truth.sendings(number)]
    return f"{outcome.get('category')}: {outcome.get('message')}; sent: {sent}"


def _created(truth: Truth, number: int, row: MadeRow) -> str | None:
    if truth.verb not in ("upsert", "create") or row.faults:
        return "can't be"
    if not truth.sendings(number):
        return "was never sent"
    if truth.seen.trouble.id_property is None:
        return None  # counted with all those that are alike
    if row.name in truth.ids:
        return "its record was there before"
    told = truth.outcomes[number].get("record_id") is not None  # a reply need not say whose a new record is
    return (_is_its_record(truth, number) if told else None) or _all_arrived(truth, number)


def _updated(truth: Truth, number: int, row: MadeRow) -> str | None:
    record = truth.record_of(row)
    if truth.verb not in ("update", "upsert") or row.faults or record is None:
        return "can't be"
    if not truth.sendings(number):
        return "was never sent"
    return _is_its_record(truth, number) or _all_arrived(truth, number)


def _is_its_record(truth: Truth, number: int) -> str | None:
    named, record = truth.outcomes[number].get("record_id"), truth.record_of(truth.rows[number])
    return None if named == record else f"the outcome names record {named}, not {record}"


def _all_arrived(truth: Truth, number: int) -> str | None:
    wants = truth.rows[number].wants
    return next(
        (f"{name} never got its value" for name in wants if name not in truth.when and not truth.arrived(number, name)),
        None,
    )


def _archived(truth: Truth, number: int, row: MadeRow) -> str | None:
    record = truth.record_of(row)
    if truth.verb != "archive" or row.faults or record is None:
        return "can't be"
    if record not in truth.seen.gone_after:
        return "its record is still there"
    return _is_its_record(truth, number)


def _rejected(truth: Truth, number: int, row: MadeRow) -> str | None:
    if truth.witnessed(number) and not truth.excused(number):
        return "it was written"
    if row.faults or truth.excused(number) or truth.disagrees(number):
        return None
    if truth.verb == "create":
        return _rightly_conflicts(truth, number, row)
    if (row.name in truth.ambiguous) != (truth.outcomes[number].get("category") == "AMBIGUOUS_ID"):
        return f"several records have its name: {row.name in truth.ambiguous}"
    if truth.verb != "upsert" and (truth.record_of(row) is None or _denied(truth, number)):
        return None
    if truth.verb == "archive" and _archived_before(truth, number):
        return None if not truth.options.get("missing_ok") else "missing_ok is on"
    return "nothing is wrong with it"


def _rightly_conflicts(truth: Truth, number: int, row: MadeRow) -> str | None:
    if truth.seen.trouble.id_property is None or truth.options.get("existing") == "skip":
        return "nothing is wrong with it"
    if truth.record_of(row) is None:
        return "there is no other record with its key"
    if truth.outcomes[number].get("category") != "CONFLICT":
        return "it is a conflict"
    return _is_its_record(truth, number)


def _denied(truth: Truth, number: int) -> bool:
    """Whether HubSpot, asked twice and more, left this row's record out as if there were none."""
    denials = [request.fault in ("empty_results", "result_left_out") for request in truth.reads_of(number)]
    return denials.count(True) > 1


def _archived_before(truth: Truth, number: int) -> bool:
    """Whether an earlier row has archived this row's record."""
    record = truth.record_of(truth.rows[number])
    return record in truth.seen.gone_after and truth.rows_by_record[str(record)][0] != number


def _missing(truth: Truth, number: int, row: MadeRow) -> str | None:
    record = truth.record_of(row)
    if row.name is None or truth.verb not in ("update", "archive"):
        return "can't be"
    if not truth.options.get("missing_ok"):
        return "missing_ok is off"
    if row.name in truth.ambiguous:
        return "several records have its name"
    if record is None or _denied(truth, number):
        return None
    if truth.verb == "archive" and _archived_before(truth, number):
        return None
    return "there is such a record"


def _unchanged(truth: Truth, number: int, row: MadeRow) -> str | None:
    if row.unsendable(preflight=truth.options["preflight"]) or (row.faults and truth.verb != "create"):
        return "it is faulty"
    if truth.verb == "create":  # whatever HubSpot would have said of its values: they weren't sent
        there = truth.record_of(row) is not None and truth.options.get("existing") == "skip"
        return _is_its_record(truth, number) if there else "there was no such record"
    if not row.wants and truth.verb == "update":
        return None
    if truth.options.get("skip_unchanged") is None and not truth.when.keys() >= row.wants.keys():
        return "it has something to write"
    if truth.record_of(row) is None:
        return "there is no such record"
    return _all_arrived(truth, number)


def _unknown(truth: Truth, number: int, row: MadeRow) -> str | None:
    tries = truth.seen.tries
    if all(one.ending == "done" for one in tries) and not truth.seen.trouble.faults:
        return "nothing went wrong"
    if row.name is None:
        return "it can't be sent"
    if tries[-1].ending != "done" and truth.sendings(number):
        return None  # the sync ended before HubSpot's reply, or before it was read back
    if any(request.fault for _, request in truth.sendings(number)) or any(map(reads_failed, tries)):
        return None
    if truth.seen.trouble.id_property is None and truth.verb == "create" and any(one.ending != "done" for one in tries):
        return None  # made without a key: what a try that ended didn't learn is never learned
    return "HubSpot answered clearly whenever it was sent"


def reads_failed(one: Try) -> bool:
    """Whether what was to be read met a fault."""
    return any(request.path.endswith(("/batch/read", "/search")) and request.fault for request in one.requests)


def _not_sent(truth: Truth, number: int, row: MadeRow) -> str | None:
    last = truth.seen.tries[-1]
    if truth.options.get("validate_only"):
        return "it is faulty" if row.unsendable(preflight=truth.options["preflight"]) else None
    if last.ending == "done":
        return "the sync came to its end"
    if truth.witnessed(number) and len(truth.seen.tries) == 1:
        return "it was written"
    statuses = [request.status for one, request in truth.sendings(number) if one is last]
    refused = all(status is not None and 400 <= status < 500 for status in statuses)
    return None if refused else f"it was sent, and answered {statuses}"


def _nothing(*_: object) -> str:
    return "has no outcome"


_CLAIMS: dict[str, Callable[[Truth, int, MadeRow], str | None]] = {
    "created": _created,
    "updated": _updated,
    "archived": _archived,
    "rejected": _rejected,
    "missing": _missing,
    "unchanged": _unchanged,
    "unknown": _unknown,
    "not_sent": _not_sent,
    "nothing": _nothing,
}
