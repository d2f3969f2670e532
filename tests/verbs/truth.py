"""What a fault run was, as seen from HubSpot's side, and what its rows mean there."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tests.verbs.dirty_rows import WITNESS
from tests.verbs.trouble import SEARCHED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_hubbatch.sandbox import RecordedRequest
    from tests.verbs.dirty_rows import MadeRow
    from tests.verbs.trouble import Trouble

Records = dict[str, dict[str, Any]]
Sending = tuple["Try", "RecordedRequest"]

# The requests by which a verb may write.
WRITES = {
    "update": ("update",),
    "upsert": ("upsert", "update", "create"),
    "create": ("create",),
    "archive": ("archive",),
}
# What a row may be called whose values HubSpot has because of it.
TAKEN = ("created", "updated")


@dataclass(frozen=True, kw_only=True)
class Try:
    """One try of a sync, as seen from HubSpot.

    :param ending: how it ended: ``done``, ``stop``, ``kill`` or the class of its error.
    :param requests: those that came in during it.
    :param changes: of records, during it, new ones too: (record id, property -> value).
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

    :param ids: every name that a row may give a record that was there before -> its record id.
    :param ambiguous: names that several records have: they name none.
    """

    seen: Seen
    ids: dict[str, str] = field(default_factory=dict)
    ambiguous: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for record_id, record in self.seen.before.items():
            for name in _names(record_id, record["properties"], self.seen.trouble.id_property):
                if name in self.ids and self.is_searched:
                    self.ambiguous.add(name)
                self.ids[name] = record_id
        for name in self.ambiguous:
            del self.ids[name]

    @property
    def is_searched(self) -> bool:
        """Whether records are named by a property that several may have the same value of."""
        return self.seen.trouble.id_property == SEARCHED

    @property
    def verb(self) -> str:
        """The verb's name."""
        return self.seen.trouble.verb

    @property
    def rows(self) -> list[MadeRow]:
        """The rows, with what is right for each."""
        return self.seen.trouble.rows

    @property
    def options(self) -> dict[str, Any]:
        """The sync's."""
        return self.seen.trouble.options

    @cached_property
    def made(self) -> dict[str, dict[str, str]]:
        """Record id -> the values that it was made with, of every record that wasn't there before."""
        made: dict[str, dict[str, str]] = {}
        for record, values in self.changes:
            if record not in self.seen.before and record not in self.seen.gone:
                made.setdefault(record, values)
        return made

    @cached_property
    def made_ids(self) -> dict[str, list[str]]:
        """Name -> the records that were made with it as their key."""
        key, ids = self.seen.trouble.id_property, defaultdict(list)
        for record, values in self.made.items():
            if key is not None:
                ids[values.get(key, "")].append(record)
        return ids

    def record_of(self, row: MadeRow) -> str | None:
        """The id of the record that a row names, where there is one, or came to be."""
        if row.name is None:
            return None
        return self.ids.get(row.name) or next(iter(self.made_ids.get(row.name, ())), None)

    @cached_property
    def when(self) -> dict[str, str]:
        """Property -> when it is written, if not always."""
        columns = self.options.get("properties") or {}
        return {columns.get(name, name): when for name, when in (self.options.get("write_when") or {}).items()}

    def disagrees(self, number: int) -> bool:
        """Whether a row says otherwise of its record than HubSpot had it from the beginning."""
        row = self.rows[number]
        record, says = self.ids.get(row.name or ""), row.says
        if record is None or says is None:
            return False
        (checked,) = self.options["must_match"].values()
        properties = self.seen.before[record]["properties"]
        has = [properties.get(checked) or ""]
        if checked == "email":
            has += (properties.get("hs_additional_emails") or "").split(";")
        return says.casefold() not in (one.casefold() for one in has)

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
        ends = tuple(f"/batch/{name}" for name in WRITES[self.verb])
        return [
            (one, request, request.json["inputs"])
            for one in self.seen.tries
            for request in one.requests
            if request.path.endswith(ends)
        ]

    @cached_property
    def sent(self) -> dict[int, list[Sending]]:
        """Row -> the requests that carried it."""
        sent: dict[int, list[Sending]] = {}
        for one, request, inputs in self.writes:
            for item in inputs:
                for row in self.rows_of(item):
                    sent.setdefault(row, []).append((one, request))
        return sent

    def rows_of(self, item: dict[str, Any]) -> list[int]:
        """The rows that an input may be about: one by its trace id; by record id, all that name the record."""
        if "objectWriteTraceId" in item:
            return [int(item["objectWriteTraceId"])]
        return self.rows_by_record.get(str(item.get("id")), [])

    @cached_property
    def rows_by_record(self) -> dict[str, list[int]]:
        """Record id -> the rows that name it."""
        rows: dict[str, list[int]] = {}
        for number, row in enumerate(self.rows):
            # a record id that no record has may be sent, too
            named = self.record_of(row) or (row.name if self.seen.trouble.id_property is None else None)
            if named is not None:
                rows.setdefault(named, []).append(number)
        return rows

    def sendings(self, number: int) -> list[Sending]:
        """The requests that carried a row."""
        return self.sent.get(number, [])

    @cached_property
    def reads(self) -> list[RecordedRequest]:
        """The requests that read records."""
        return [one for a_try in self.seen.tries for one in a_try.requests if one.path.endswith("/batch/read")]

    @cached_property
    def searches(self) -> list[RecordedRequest]:
        """The requests that search for records."""
        return [one for a_try in self.seen.tries for one in a_try.requests if one.path.endswith("/search")]

    def reads_of(self, number: int) -> list[RecordedRequest]:
        """Those that read a row's record, by its name or its id."""
        row = self.rows[number]
        names = {str(name).casefold() for name in (row.name, self.record_of(row)) if name is not None}
        return [
            one for one in self.reads if not names.isdisjoint(str(item["id"]).casefold() for item in one.json["inputs"])
        ]

    def searches_for(self, number: int) -> list[RecordedRequest]:
        """Those that search for a row's record."""
        name = self.rows[number].name
        return [
            one
            for one in self.searches
            if name in {str(value).casefold() for value in one.json["filterGroups"][0]["filters"][0]["values"]}
        ]

    @cached_property
    def changes(self) -> list[tuple[str, dict[str, str]]]:
        """Every change of a record, in order."""
        return [change for one in self.seen.tries for change in one.changes]

    def may_have_written(self, number: int) -> bool:
        """Whether a row's values may be HubSpot's because of this run.

        What a try wrote without learning of it is ``unchanged`` to a later one that compares; and HubSpot may have
        written a part of a batch that it refused.
        """
        status = self.status.get(number)
        if status == "rejected":
            return self.excused(number)
        return status in (*TAKEN, "unknown") or (status == "unchanged" and number in self.sent)

    def excused(self, number: int) -> bool:
        """Whether HubSpot refused this row by a fault: alone in a refused request, or failing while others didn't."""
        carriers = [request for _, request in self.sendings(number)]
        carriers += [*self.reads_of(number), *self.searches_for(number)]
        return any(request.fault == "status" and (request.status or 0) >= 400 for request in carriers)

    def witnessed(self, number: int) -> bool:
        """Whether a record was seen with this row's own value."""
        wanted = self.rows[number].wants.get(WITNESS)
        return wanted is not None and any(values.get(WITNESS) == wanted for _, values in self.changes)

    def arrived(self, number: int, name: str) -> bool:
        """Whether the row's record once had its value of a property."""
        row = self.rows[number]
        record, wanted = self.record_of(row), row.wants[name]
        if record is None:
            return False
        return wanted == held(self.seen.before, record, name) or any(
            one == record and values.get(name, "" if record in self.made else None) == wanted
            for one, values in self.changes
        )


def held(records: Records, record: str, name: str) -> str:
    """A record's value of a property; empty where there is none."""
    return records.get(record, {}).get("properties", {}).get(name) or ""


def _names(record_id: str, properties: dict[str, Any], id_property: str | None) -> Iterator[str]:
    if id_property is None:
        yield record_id
    elif id_property == "email":
        yield from (properties.get("hs_additional_emails") or "").split(";")
        yield properties.get("email") or ""
    elif id_property == SEARCHED:
        yield (properties.get(id_property) or "").strip().casefold()
    else:
        yield properties.get(id_property) or ""
