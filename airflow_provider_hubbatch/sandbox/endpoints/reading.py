"""``batch/read``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.sandbox.endpoints.batch import (
    begin,
    find,
    not_found,
    refuse_id_properties,
    reply,
    shows_nulls,
    well_formed,
)
from airflow_provider_hubbatch.sandbox.inputs import parse_json, read_inputs, read_names, read_text
from airflow_provider_hubbatch.sandbox.replies import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_hubbatch.sandbox.endpoints.batch import Batch
    from airflow_provider_hubbatch.sandbox.inputs import Input
    from airflow_provider_hubbatch.sandbox.portal import Call, Portal
    from airflow_provider_hubbatch.sandbox.replies import Reply
    from airflow_provider_hubbatch.sandbox.store import Record, Table


def read(portal: Portal, call: Call) -> Reply:
    """``batch/read``: a merged id gives the surviving record, under its own id; ``archived=true``: archived ones."""
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
    archived = call.wants_archived
    found: dict[str, dict[str, Any]] = {}
    missing = []
    for item in inputs:
        record = _archived(batch.table, item) if archived else _live(batch.table, item)
        if record is None:
            missing.append(item)
        else:
            found[record.id] = shown(batch.table, record, names, history, nulls=nulls)
    return reply(batch, list(found.values()), _not_found(batch, missing, is_all=not found))


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


def _live(table: Table, item: Input) -> Record | None:
    if item.id_property is None and item.id in table.merged:
        return table.live(table.merged[item.id])
    return find(table, item)


def _archived(table: Table, item: Input) -> Record | None:
    if item.id_property in {None, "hs_object_id"}:
        return table.archived(item.id or "")
    return table.archived_owner(str(item.id_property), item.id or "")


def _not_found(batch: Batch, missing: list[Input], *, is_all: bool) -> list[dict[str, Any]]:
    errors = not_found(batch, missing)
    by_key = any(item.id_property is not None for item in missing)
    if errors and is_all and by_key and batch.portal.behaviours.none_found_is_404:
        raise RefusedError(404, errors[0])
    return errors
