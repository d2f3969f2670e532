"""Single records: read, create, update, archive, and pages of them."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.sandbox.checks import Checker
from airflow_provider_hubbatch.sandbox.endpoints.batch import Results, Row, begin, refuse_id_property, shows_nulls
from airflow_provider_hubbatch.sandbox.inputs import Input, parse_json, read_associations, read_properties
from airflow_provider_hubbatch.sandbox.newcomers import make, wanted_links
from airflow_provider_hubbatch.sandbox.refusals import refusal
from airflow_provider_hubbatch.sandbox.replies import Reply, json_reply, not_found, validation_error

if TYPE_CHECKING:
    from airflow_provider_hubbatch.sandbox.portal import Call, Portal
    from airflow_provider_hubbatch.sandbox.store import Record, Table


def get_object(portal: Portal, call: Call) -> Reply:
    """One record, by its id or by ``idProperty``; a merged id gives the surviving one."""
    table = portal.table(call)
    record = _find(portal, table, call)
    nulls = shows_nulls(portal, call.version)
    return json_reply(200, record.as_json(_asked_for(call, table), nulls=nulls))


def create_object(portal: Portal, call: Call) -> Reply:
    """Makes one record, with its links."""
    batch = begin(portal, call)
    item = Input(None, _properties(call))
    row = Row(item, None, Checker(portal, batch.table, batch.version).check(item.properties or {}, None))
    wanted = wanted_links(portal, batch.table, read_associations(parse_json(call.body)))
    problems = [*row.checked.problems, *wanted.problems]
    if problems:
        raise refusal(problems, batch.table, portal.behaviours, makes=True)
    record = make(portal, batch.table, row.checked.values, wanted.links, at=batch.started_at)
    return json_reply(201, Results(batch).of(row, record, row.checked.values))


def update_object(portal: Portal, call: Call) -> Reply:
    """Updates one record, by its id or by ``idProperty``."""
    batch = begin(portal, call)
    item = Input(call.name, _properties(call), call.query.get("idProperty") or None)
    record = _find(portal, batch.table, call)
    row = Row(item, record, Checker(portal, batch.table, batch.version).check(item.properties or {}, record))
    if row.checked.problems:
        raise refusal(row.checked.problems, batch.table, portal.behaviours)
    changed = portal.store.write(batch.table, record, row.checked.values, batch.started_at)
    return json_reply(200, Results(batch).of(row, record, changed))


def archive_object(portal: Portal, call: Call) -> Reply:
    """Archives one record: 204, whether or not it exists."""
    portal.store.archive(portal.table(call), call.name)
    return Reply(status=204)


def list_objects(portal: Portal, call: Call) -> Reply:
    """A page of records, and where the next one begins."""
    table = portal.table(call)
    limit, after = call.query.get("limit", "10"), call.query.get("after", "0")
    if not (limit.isdigit() and after.isdigit() and 1 <= int(limit) <= 100):
        raise validation_error("limit must be 1 to 100, and after what the last page gave")
    archived = call.wants_archived
    found = (record for record in table.records.values() if (record.archived_at is not None) == archived)
    page = list(islice(found, int(after), int(after) + int(limit) + 1))
    names, nulls = _asked_for(call, table), shows_nulls(portal, call.version)
    body: dict[str, Any] = {"results": [record.as_json(names, nulls=nulls) for record in page[: int(limit)]]}
    if len(page) > int(limit):
        body["paging"] = {"next": {"after": str(int(after) + int(limit))}}
    return json_reply(200, body)


def _find(portal: Portal, table: Table, call: Call) -> Record:
    id_property = call.query.get("idProperty") or None
    if id_property is not None:
        refuse_id_property(portal, table, id_property, by_email=True, by_record_id=True)
        record = table.owner(id_property, call.name)
    elif call.wants_archived:
        record = table.archived(call.name)
    else:
        record = table.live(table.merged.get(call.name, call.name))
    if record is None:
        raise not_found()
    return record


def _properties(call: Call) -> dict[str, Any]:
    properties = read_properties(parse_json(call.body))
    if properties is None:
        raise validation_error("properties are required")
    return properties


def _asked_for(call: Call, table: Table) -> tuple[str, ...]:
    asked = call.query.get("properties", "").split(",")
    return (*(name for name in asked if name in table.definitions), *table.shown_by_default())
