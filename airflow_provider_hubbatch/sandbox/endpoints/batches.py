"""The batch endpoints of objects: update, create, upsert, archive and read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.sandbox.checks import Checker
from airflow_provider_hubbatch.sandbox.endpoints.batch import (
    Row,
    begin,
    find,
    not_found,
    refuse_id_properties,
    reply,
    result,
    shows_nulls,
    well_formed,
)
from airflow_provider_hubbatch.sandbox.inputs import (
    parse_inputs,
    parse_json,
    read_inputs,
    read_names,
    read_text,
    refuse_duplicates,
)
from airflow_provider_hubbatch.sandbox.refusals import refusal
from airflow_provider_hubbatch.sandbox.replies import Reply, validation_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airflow_provider_hubbatch.sandbox.endpoints.batch import Batch
    from airflow_provider_hubbatch.sandbox.inputs import Input
    from airflow_provider_hubbatch.sandbox.portal import Call, Portal
    from airflow_provider_hubbatch.sandbox.store import Record, Table


def update(portal: Portal, call: Call) -> Reply:
    """``batch/update``."""
    batch = begin(portal, call)
    inputs = well_formed(batch, parse_inputs(call.body))
    if inputs is None:
        return reply(batch, [], [])
    refuse_id_properties(batch, {item.id_property for item in inputs})
    refuse_duplicates(inputs)
    rows = _checked_rows(batch, inputs)
    isolates = portal.behaviours.trace_ids_isolate_errors
    rows, errors = _without_bad_rows(batch, rows, lambda good: _write(batch, good), isolates=isolates)
    missing = not_found(batch, [row.input for row in rows if row.record is None])
    results = _write(batch, [row for row in rows if row.record is not None])
    return reply(batch, results, [*missing, *errors])


def create(portal: Portal, call: Call) -> Reply:
    """``batch/create``."""
    batch = begin(portal, call)
    check = Checker(portal, batch.table, batch.version).check
    rows = [Row(item, None, check(item.properties or {}, None)) for item in parse_inputs(call.body)]
    rows, errors = _without_bad_rows(batch, rows, lambda good: _create(batch, good), isolates=True)
    return reply(batch, _create(batch, rows), errors, status=201)


def upsert(portal: Portal, call: Call) -> Reply:
    """``batch/upsert``: contacts by ``email``, everything by its own unique properties."""
    batch = begin(portal, call)
    inputs = parse_inputs(call.body)
    if any(item.id_property is None for item in inputs):
        raise validation_error("idProperty is required for upsert")
    refuse_id_properties(batch, {item.id_property for item in inputs}, by_email=True)
    refuse_duplicates(inputs)
    rows = _checked_rows(batch, [_with_own_id(item) for item in inputs])
    rows, errors = _without_bad_rows(batch, rows, lambda good: _upsert(batch, good), isolates=True)
    return reply(batch, _upsert(batch, rows), errors)


def archive(portal: Portal, call: Call) -> Reply:
    """``batch/archive``: 204, whether or not the records exist."""
    batch = begin(portal, call)
    for item in parse_inputs(call.body):
        portal.store.archive(batch.table, item.id or "")
    return Reply(status=204)


def read(portal: Portal, call: Call) -> Reply:
    """``batch/read``: a merged id gives the surviving record, under its own id."""
    batch = begin(portal, call)
    body = parse_json(call.body)
    id_property = read_text(body, "idProperty") or None
    inputs = well_formed(batch, [item._replace(id_property=id_property, properties={}) for item in read_inputs(body)])
    if inputs is None:
        return reply(batch, [], [])
    refuse_id_properties(batch, {id_property}, by_email=True, by_record_id=True)
    names = (*read_names(body, "properties"), *batch.table.shown_by_default())
    history = read_names(body, "propertiesWithHistory")
    nulls = shows_nulls(portal, batch.version)
    found: dict[str, dict[str, Any]] = {}
    missing = []
    for item in inputs:
        record = batch.table.live(batch.table.merged.get(item.id or "", "")) or find(batch.table, item)
        if record is None:
            missing.append(item)
        else:
            found[record.id] = shown(batch.table, record, names, history, nulls=nulls)
    return reply(batch, list(found.values()), not_found(batch, missing))


def shown(
    table: Table, record: Record, names: Iterable[str], history: Iterable[str] = (), *, nulls: bool
) -> dict[str, Any]:
    """A record with those of the properties that exist, and their history."""
    body = record.as_json([name for name in names if name in table.definitions], nulls=nulls)
    if history:
        body["propertiesWithHistory"] = {
            name: [{"value": record.value(name), "timestamp": record.updated_at, "sourceType": "INTEGRATION"}]
            for name in history
        }
    return body


def _checked_rows(batch: Batch, inputs: list[Input]) -> list[Row]:
    check = Checker(batch.portal, batch.table, batch.version).check
    merged = batch.table.merged
    rows = []
    for item in inputs:
        is_merged = item.id_property is None and item.id in merged
        record = batch.table.live(merged[item.id or ""]) if is_merged else find(batch.table, item)
        rows.append(Row(item, record, check(item.properties or {}, record), is_merged))
    return rows


def _without_bad_rows(
    batch: Batch, rows: list[Row], write: Callable[[list[Row]], object], *, isolates: bool
) -> tuple[list[Row], list[dict[str, Any]]]:
    bad = [row for row in rows if row.checked.problems]
    if not bad:
        return rows, []
    behaviours = batch.portal.behaviours
    if isolates and all(row.input.trace_id for row in bad):
        return [row for row in rows if not row.checked.problems], [_isolated(batch, row) for row in bad]
    if behaviours.partly_written:
        write([row for row in rows[: rows.index(bad[0])] if row.record is not None])
    raise refusal((problem for row in bad for problem in row.checked.problems), batch.table, behaviours)


def _isolated(batch: Batch, row: Row) -> dict[str, Any]:
    problems = row.checked.problems
    behaviours = batch.portal.behaviours
    context: dict[str, list[Any]] = {"objectWriteTraceId": [row.input.trace_id]}
    existing = [problem.existing_id for problem in problems if problem.existing_id is not None]
    if existing and behaviours.existing_id_in == "existing_id":
        context["existingId"] = existing
    elif existing and behaviours.existing_id_in == "ids":
        context["ids"] = existing
    return {**refusal(problems, batch.table, behaviours).body, "context": context}


def _write(batch: Batch, rows: list[Row]) -> list[dict[str, Any]]:
    store, table, behaviours = batch.portal.store, batch.table, batch.portal.behaviours
    results = []
    for row in rows:
        if row.record is None or (row.is_merged and not behaviours.merged_ids_write):
            continue
        changed = store.write(table, row.record, row.checked.values, batch.started_at)
        if not row.is_merged:
            results.append(result(batch, row, row.record, changed))
    return results


def _create(batch: Batch, rows: list[Row]) -> list[dict[str, Any]]:
    results = []
    for row in rows:
        record = batch.portal.store.create(batch.table, row.checked.values, at=batch.started_at)
        results.append(result(batch, row, record, row.checked.values))
    return results


def _upsert(batch: Batch, rows: list[Row]) -> list[dict[str, Any]]:
    results = []
    for row in rows:
        (written,) = _write(batch, [row]) if row.record is not None else _create(batch, [row])
        results.append({**written, "new": row.record is None})
    return results


def _with_own_id(item: Input) -> Input:
    return item._replace(properties={**(item.properties or {}), str(item.id_property): item.id})
