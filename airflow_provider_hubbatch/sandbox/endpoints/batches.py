"""The batch endpoints that write records: update, create, upsert and archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.sandbox.checks import Checker
from airflow_provider_hubbatch.sandbox.endpoints.batch import (
    Results,
    Row,
    begin,
    find,
    not_found,
    refuse_id_properties,
    reply,
    well_formed,
)
from airflow_provider_hubbatch.sandbox.endpoints.isolation import Isolation, without_bad_rows
from airflow_provider_hubbatch.sandbox.inputs import parse_creates, parse_inputs, refuse_duplicates, refuse_twice
from airflow_provider_hubbatch.sandbox.newcomers import make, wanted_links
from airflow_provider_hubbatch.sandbox.replies import Reply, validation_error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_hubbatch.sandbox.endpoints.batch import Batch
    from airflow_provider_hubbatch.sandbox.inputs import Input
    from airflow_provider_hubbatch.sandbox.portal import Call, Portal
    from airflow_provider_hubbatch.sandbox.store import Record


def update(portal: Portal, call: Call) -> Reply:
    """``batch/update``: by record id, or by a unique property as ``idProperty``."""
    batch = begin(portal, call)
    inputs = well_formed(batch, parse_inputs(call.body))
    if inputs is None:
        return reply(batch, [], [])
    refuse_id_properties(batch, {item.id_property for item in inputs})
    refuse_duplicates(inputs)
    isolates = portal.behaviours.trace_ids_isolate_errors
    rows, errors = without_bad_rows(
        batch,
        _checked_rows(batch, inputs),
        lambda good: _write(batch, good),
        Isolation(values=isolates, conflicts=isolates, makes=False),
    )
    missing = not_found(batch, [row.input for row in rows if row.record is None])
    return reply(batch, _write(batch, rows), [*missing, *errors])


def create(portal: Portal, call: Call) -> Reply:
    """``batch/create``: 201; links from the start by ``associations``."""
    batch = begin(portal, call)
    inputs = parse_creates(call.body)
    if portal.behaviours.create_duplicates == "refused":
        refuse_twice(_keys(batch, inputs))
    rows, errors = without_bad_rows(
        batch,
        list(_new_rows(batch, inputs)),
        lambda good: _create(batch, good),
        Isolation(values=True, conflicts=portal.behaviours.create_conflicts_isolate, makes=True),
    )
    return reply(batch, _create(batch, rows), errors, status=201)


def upsert(portal: Portal, call: Call) -> Reply:
    """``batch/upsert``: contacts by ``email``, others by the keys of their type, all by the account's unique ones."""
    batch = begin(portal, call)
    inputs = parse_inputs(call.body)
    if any(item.id_property is None for item in inputs):
        raise validation_error("idProperty is required for upsert")
    if any(not item.id or item.properties is None for item in inputs):
        raise validation_error("id and properties are required for upsert")
    refuse_id_properties(batch, {item.id_property for item in inputs}, by_email=True)
    refuse_duplicates(inputs)
    by_email = any(item.id_property == "email" for item in inputs)
    rows, errors = without_bad_rows(
        batch,
        list(_upserted_rows(batch, inputs)),
        lambda good: _upsert(batch, good),
        Isolation(
            values=not by_email or portal.behaviours.email_upserts != "all_or_nothing",
            conflicts=portal.behaviours.upsert_conflicts_isolate,
            makes=True,
        ),
    )
    return reply(batch, _upsert(batch, rows), errors)


def archive(portal: Portal, call: Call) -> Reply:
    """``batch/archive``: 204, whether or not the records exist; an id that is no number refuses the batch."""
    batch = begin(portal, call)
    inputs = parse_inputs(call.body)
    malformed = [str(item.id) for item in inputs if not (item.id or "").isdecimal()]
    if malformed:
        raise validation_error(f"Invalid record id: {', '.join(malformed)}", context={"ids": malformed})
    merged = batch.table.merged if portal.behaviours.merged_ids_write else {}
    for item in inputs:
        portal.store.archive(batch.table, merged.get(item.id or "", item.id or ""))
    return Reply(status=204)


def _checked_rows(batch: Batch, inputs: list[Input]) -> list[Row]:
    check = Checker(batch.portal, batch.table, batch.version).check
    merged = batch.table.merged
    rows = []
    for item in inputs:
        is_merged = item.id_property is None and item.id in merged
        record = batch.table.live(merged[item.id or ""]) if is_merged else find(batch.table, item)
        rows.append(Row(item, record, check(item.properties or {}, record), is_merged))
    return rows


def _new_rows(batch: Batch, inputs: list[Input]) -> Iterator[Row]:
    check = Checker(batch.portal, batch.table, batch.version).check
    for item in inputs:
        row = Row(item, None, check(item.properties or {}, None))
        wanted = wanted_links(batch.portal, batch.table, item.associations)
        row.checked.problems.extend(wanted.problems)
        row.links = wanted.links
        yield row


def _upserted_rows(batch: Batch, inputs: list[Input]) -> Iterator[Row]:
    check = Checker(batch.portal, batch.table, batch.version).check
    clears_rest = batch.portal.behaviours.email_upserts == "clear_rest"
    for item in inputs:
        record, properties = find(batch.table, item), item.properties or {}
        if record is None:
            properties = {str(item.id_property): item.id, **properties}
        elif clears_rest and item.id_property == "email":
            kept = {*properties, *batch.table.indexed}
            properties = {**{name: "" for name in record.properties if name not in kept}, **properties}
        yield Row(item, record, check(properties, record))


def _keys(batch: Batch, inputs: list[Input]) -> Iterator[tuple[str, str]]:
    for item in inputs:
        for name, value in (item.properties or {}).items():
            if name in batch.table.owners_of and value:
                yield name, str(value)


def _write(batch: Batch, rows: list[Row]) -> list[dict[str, Any]]:
    store, table, show = batch.portal.store, batch.table, Results(batch).of
    merged_ids_write = batch.portal.behaviours.merged_ids_write
    results = []
    for row in rows:
        if row.record is None or (row.is_merged and not merged_ids_write):
            continue
        changed = store.write(table, row.record, row.checked.values, batch.started_at)
        if not row.is_merged:
            results.append(show(row, row.record, changed))
    return results


def _create(batch: Batch, rows: list[Row]) -> list[dict[str, Any]]:
    show = Results(batch).of
    return [show(row, _made(batch, row), row.checked.values) for row in rows]


def _upsert(batch: Batch, rows: list[Row]) -> list[dict[str, Any]]:
    store, table, show = batch.portal.store, batch.table, Results(batch).of
    results = []
    for row in rows:
        if row.record is None:
            written = show(row, _made(batch, row), row.checked.values)
        else:
            changed = store.write(table, row.record, row.checked.values, batch.started_at)
            written = show(row, row.record, changed)
        results.append({**written, "new": row.record is None})
    return results


def _made(batch: Batch, row: Row) -> Record:
    return make(batch.portal, batch.table, row.checked.values, row.links, at=batch.started_at)
