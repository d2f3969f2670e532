"""The batch endpoints: update, read, create, upsert and archive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.sandbox.checks import Checked, Checker, Problem, refusal
from airflow_provider_hubbatch.sandbox.inputs import (
    Input,
    parse_inputs,
    parse_json,
    read_inputs,
    read_names,
    read_text,
    refuse_duplicates,
)
from airflow_provider_hubbatch.sandbox.replies import Reply, error_body, json_reply, validation_error
from airflow_provider_hubbatch.sandbox.values import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airflow_provider_hubbatch.sandbox.portal import Call, Portal
    from airflow_provider_hubbatch.sandbox.store import Record, Table


@dataclass(slots=True)
class Row:
    """An input, the record that it means, and what its values came to."""

    input: Input
    record: Record | None
    checked: Checked
    is_merged: bool = False


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What all rows of one request share."""

    portal: Portal
    call: Call
    table: Table
    started_at: str

    @property
    def version(self) -> str:
        """The API version of the path."""
        return self.call.version


def update(portal: Portal, call: Call) -> Reply:
    """``batch/update``."""
    batch = _begin(portal, call)
    inputs = parse_inputs(call.body)
    if any(_is_malformed(item) for item in inputs):
        if portal.behaviours.malformed_ids == "empty_reply":
            return _reply(batch, [], [])
        inputs = [item for item in inputs if not _is_malformed(item)]
    _refuse_id_properties(batch, {item.id_property for item in inputs})
    refuse_duplicates(inputs)
    rows = _checked_rows(batch, inputs)
    isolates = portal.behaviours.trace_ids_isolate_errors
    rows, errors = _without_bad_rows(batch, rows, lambda good: _write(batch, good), isolates=isolates)
    missing = [row.input for row in rows if row.record is None]
    results = _write(batch, [row for row in rows if row.record is not None])
    return _reply(batch, results, [*_not_found(batch, missing), *errors])


def create(portal: Portal, call: Call) -> Reply:
    """``batch/create``."""
    batch = _begin(portal, call)
    check = checker(portal, batch.table, batch.version).check
    rows = [Row(item, None, check(item.properties or {}, None)) for item in parse_inputs(call.body)]
    rows, errors = _without_bad_rows(batch, rows, lambda good: _create(batch, good), isolates=True)
    return _reply(batch, _create(batch, rows), errors, status=201)


def upsert(portal: Portal, call: Call) -> Reply:
    """``batch/upsert``: contacts by ``email``, everything by its own unique properties."""
    batch = _begin(portal, call)
    inputs = parse_inputs(call.body)
    if any(item.id_property is None for item in inputs):
        raise validation_error("idProperty is required for upsert")
    _refuse_id_properties(batch, {item.id_property for item in inputs}, by_email=True)
    refuse_duplicates(inputs)
    rows = _checked_rows(batch, [_with_own_id(item) for item in inputs])
    rows, errors = _without_bad_rows(batch, rows, lambda good: _upsert(batch, good), isolates=True)
    return _reply(batch, _upsert(batch, rows), errors)


def read(portal: Portal, call: Call) -> Reply:
    """``batch/read``: a merged id gives the surviving record, under its own id."""
    batch = _begin(portal, call)
    body = parse_json(call.body)
    id_property = read_text(body, "idProperty") or None
    inputs = [item._replace(id_property=id_property, properties={}) for item in read_inputs(body)]
    if any(_is_malformed(item) for item in inputs):
        if portal.behaviours.malformed_ids == "empty_reply":
            return _reply(batch, [], [])
        inputs = [item for item in inputs if not _is_malformed(item)]
    _refuse_id_properties(batch, {id_property}, by_email=True, by_record_id=True)
    names = (*read_names(body, "properties"), *batch.table.shown_by_default())
    history = read_names(body, "propertiesWithHistory")
    found: dict[str, dict[str, Any]] = {}
    missing = []
    for item in inputs:
        record = batch.table.live(batch.table.merged.get(item.id or "", "")) or _find(batch.table, item)
        if record is None:
            missing.append(item)
        else:
            found[record.id] = _shown(batch.table, record, names, history)
    return _reply(batch, list(found.values()), _not_found(batch, missing))


def archive(portal: Portal, call: Call) -> Reply:
    """``batch/archive``: 204, whether or not the records exist."""
    batch = _begin(portal, call)
    for item in parse_inputs(call.body):
        portal.store.archive(batch.table, item.id or "")
    return Reply(status=204)


def _begin(portal: Portal, call: Call) -> Batch:
    return Batch(portal=portal, call=call, table=portal.table(call), started_at=timestamp(portal.now()))


def checker(portal: Portal, table: Table, version: str) -> Checker:
    """Checks the values of one request."""
    return Checker(table, portal.behaviours, version=version, portal_id=portal.portal_id)


def _is_malformed(item: Input) -> bool:
    if not item.id or item.properties is None:
        return True
    return item.id_property is None and not (item.id.isascii() and item.id.isdigit())


def _refuse_id_properties(
    batch: Batch, names: set[str | None], *, by_email: bool = False, by_record_id: bool = False
) -> None:
    table = batch.table
    if len(names) > 1 and batch.portal.behaviours.mixed_id_properties == "refused":
        raise validation_error("All inputs of a batch must have the same idProperty")
    by_email = by_email or batch.portal.behaviours.email_identifies_contacts
    for name in names - {None}:
        is_email = by_email and name == "email" and table.object_type.name == "contacts"
        if is_email or (by_record_id and name == "hs_object_id") or table.is_unique(str(name)):
            continue
        message = (
            f"Unable to perform update/upsert by non-unique {table.object_type.object_type_id} property {name} "
            f"in portal ID {batch.portal.portal_id}"
        )
        raise validation_error(message)


def _find(table: Table, item: Input) -> Record | None:
    if item.id is None:
        return None
    return table.live(item.id) if item.id_property is None else table.owner(item.id_property, item.id)


def _checked_rows(batch: Batch, inputs: list[Input]) -> list[Row]:
    check = checker(batch.portal, batch.table, batch.version).check
    merged = batch.table.merged
    rows = []
    for item in inputs:
        is_merged = item.id_property is None and item.id in merged
        record = batch.table.live(merged[item.id or ""]) if is_merged else _find(batch.table, item)
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
    problems: Iterable[Problem] = row.checked.problems
    body = refusal(problems, batch.table, batch.portal.behaviours).body
    return {**body, "context": {"objectWriteTraceId": [row.input.trace_id]}}


def _not_found(batch: Batch, missing: list[Input]) -> list[dict[str, Any]]:
    if not missing:
        return []
    context: dict[str, list[Any]] = {"ids": [item.id for item in missing]}
    traces = [item.trace_id for item in missing if item.trace_id]
    if traces and batch.portal.behaviours.missing_errors_name_trace_ids:
        context["objectWriteTraceId"] = traces
    message = (
        f"Could not get some {batch.table.object_type.message_name} objects, they may be deleted or not exist. "
        "Check that ids are valid."
    )
    return [error_body(message, "OBJECT_NOT_FOUND", context=context)]


def _write(batch: Batch, rows: list[Row]) -> list[dict[str, Any]]:
    store, table, behaviours = batch.portal.store, batch.table, batch.portal.behaviours
    results = []
    for row in rows:
        if row.record is None or (row.is_merged and not behaviours.merged_ids_write):
            continue
        changed = store.write(table, row.record, row.checked.values, batch.started_at)
        if not row.is_merged:
            results.append(_result(batch, row, row.record, changed))
    return results


def _create(batch: Batch, rows: list[Row]) -> list[dict[str, Any]]:
    results = []
    for row in rows:
        record = batch.portal.store.create(batch.table, row.checked.values, at=batch.started_at)
        results.append(_result(batch, row, record, row.checked.values))
    return results


def _upsert(batch: Batch, rows: list[Row]) -> list[dict[str, Any]]:
    results = []
    for row in rows:
        (result,) = _write(batch, [row]) if row.record is not None else _create(batch, [row])
        results.append({**result, "new": row.record is None})
    return results


def _with_own_id(item: Input) -> Input:
    return item._replace(properties={**(item.properties or {}), str(item.id_property): item.id})


def _result(batch: Batch, row: Row, record: Record, changed: Iterable[str]) -> dict[str, Any]:
    behaviours = batch.portal.behaviours
    names = (*changed, *batch.table.shown_by_default())
    if behaviours.results_echo_id_property and row.input.id_property:
        names = (*names, row.input.id_property)
    elif row.input.id_property:
        names = tuple(name for name in names if name != row.input.id_property)
    result = record.as_json(names)
    if behaviours.results_echo_trace_ids and row.input.trace_id:
        result["objectWriteTraceId"] = row.input.trace_id
    if row.checked.warnings:
        result["warnings"] = row.checked.warnings
    return result


def _shown(table: Table, record: Record, names: Iterable[str], history: list[str]) -> dict[str, Any]:
    known = [name for name in names if name in table.definitions]
    shown = record.as_json(known)
    if history:
        shown["propertiesWithHistory"] = {
            name: [{"value": record.value(name), "timestamp": record.updated_at, "sourceType": "INTEGRATION"}]
            for name in history
        }
    return shown


def _reply(batch: Batch, results: list[dict[str, Any]], errors: list[dict[str, Any]], *, status: int = 200) -> Reply:
    portal = batch.portal
    if portal.behaviours.shuffle_results:
        portal.shuffle(results)
    body: dict[str, Any] = {
        "status": portal.behaviours.reply_status,
        "results": results,
        "startedAt": batch.started_at,
        "completedAt": timestamp(portal.now()),
    }
    is_2026_09 = batch.version >= "2026-09"
    if errors or is_2026_09:
        body["numErrors"] = len(errors)
        body["errors"] = errors
    return json_reply(207 if errors and not is_2026_09 else status, body)
