"""What the batch endpoints share: whom an input means, what a result shows, how the reply looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.sandbox.replies import RefusedError, Reply, error_body, json_reply, validation_error
from airflow_provider_hubbatch.sandbox.values import timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow_provider_hubbatch.sandbox.checks import Checked
    from airflow_provider_hubbatch.sandbox.inputs import Input
    from airflow_provider_hubbatch.sandbox.newcomers import WantedLink
    from airflow_provider_hubbatch.sandbox.portal import Call, Portal
    from airflow_provider_hubbatch.sandbox.store import Record, Table


@dataclass(slots=True)
class Row:
    """An input, the record that it means, and what its values came to.

    :param links: Those that a new record is to have from the start.
    """

    input: Input
    record: Record | None
    checked: Checked
    is_merged: bool = False
    links: Sequence[WantedLink] = ()


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What all rows of one request share.

    :param version: The API version of the path.
    """

    portal: Portal
    table: Table
    version: str
    started_at: str


def begin(portal: Portal, call: Call) -> Batch:
    """The batch of a request."""
    return Batch(portal=portal, table=portal.table(call), version=call.version, started_at=timestamp(portal.now()))


def is_malformed(item: Input) -> bool:
    """Whether HubSpot ignores it without a word."""
    if not item.id or item.properties is None:
        return True
    return item.id_property is None and not (item.id.isascii() and item.id.isdigit())


def well_formed(batch: Batch, inputs: list[Input]) -> list[Input] | None:
    """The inputs that HubSpot looks at; ``None``: it ignores the whole batch because of the others."""
    if not any(is_malformed(item) for item in inputs):
        return inputs
    if batch.portal.behaviours.malformed_ids == "empty_reply":
        return None
    return [item for item in inputs if not is_malformed(item)]


def refuse_id_properties(
    batch: Batch, names: set[str | None], *, by_email: bool = False, by_record_id: bool = False
) -> None:
    """Refuses a batch whose ``idProperty`` identifies nothing, or that mixes several.

    :param by_email: Whether a contact's email will do.
    :param by_record_id: Whether ``hs_object_id`` will do.
    :raises RefusedError: 400.
    """
    if len(names) > 1 and batch.portal.behaviours.mixed_id_properties == "refused":
        raise validation_error("All inputs of a batch must have the same idProperty")
    for name in names - {None}:
        refuse_id_property(batch.portal, batch.table, str(name), by_email=by_email, by_record_id=by_record_id)


def refuse_id_property(
    portal: Portal, table: Table, name: str, *, by_email: bool = False, by_record_id: bool = False
) -> None:
    """As :func:`refuse_id_properties`, for one."""
    is_email = name == "email" and table.object_type.name == "contacts"
    if is_email and (by_email or portal.behaviours.email_identifies_contacts):
        return
    if (by_record_id and name == "hs_object_id") or (table.is_key(name) and not is_email):
        return
    raise validation_error(
        f"Unable to perform update/upsert by non-unique {table.object_type.object_type_id} property {name} "
        f"in portal ID {portal.portal_id}"
    )


def find(table: Table, item: Input) -> Record | None:
    """The record that an input means, merged ids aside."""
    if item.id is None:
        return None
    return table.live(item.id) if item.id_property is None else table.owner(item.id_property, item.id)


def not_found(batch: Batch, missing: list[Input]) -> list[dict[str, Any]]:
    """The one error that names all inputs without a record; none without any.

    :raises RefusedError: Where missing keys are told as coordinates, of the whole batch.
    """
    if not missing:
        return []
    behaviours = batch.portal.behaviours
    type_id = batch.table.object_type.object_type_id
    message = (
        f"Could not get some {batch.table.object_type.message_name} objects, they may be deleted or not exist. "
        "Check that ids are valid."
    )
    keys = [item for item in missing if item.id_property is not None]
    if keys and behaviours.missing_keys != "ids":
        coordinates = [f"{type_id}:{item.id_property}:{item.id}" for item in keys]
        status = 400 if behaviours.missing_keys == "coordinates_400" else 404
        category = "VALIDATION_ERROR" if status == 400 else "OBJECT_NOT_FOUND"
        context: dict[str, list[Any]] = {"missingObjectPropertyValueCoordinates": coordinates}
        raise RefusedError(status, error_body(message, category, context=context))
    context = {"ids": [item.id for item in missing]}
    traces = [item.trace_id for item in missing if item.trace_id]
    if traces and behaviours.missing_errors_name_trace_ids:
        context["objectWriteTraceId"] = traces
    return [error_body(message, "OBJECT_NOT_FOUND", context=context)]


class Results:
    """How the written rows of a batch are shown."""

    def __init__(self, batch: Batch) -> None:
        behaviours = batch.portal.behaviours
        self._echo = behaviours.results_echo
        self._echoes_key = behaviours.results_echo_id_property
        self._echoes_traces = behaviours.results_echo_trace_ids
        self._defaults = batch.table.shown_by_default()
        self._nulls = shows_nulls(batch.portal, batch.version)

    def of(self, row: Row, record: Record, changed: Iterable[str]) -> dict[str, Any]:
        """One row's result.

        :param changed: The properties that have other values now.
        """
        item, checked = row.input, row.checked
        names = self._names(item, changed)
        if checked.hidden:
            names = [name for name in names if name not in checked.hidden]
        shown = record.as_json(names, nulls=self._nulls)
        if self._echoes_traces and item.trace_id:
            shown["objectWriteTraceId"] = item.trace_id
        if checked.warnings:
            shown["warnings"] = checked.warnings
        return shown

    def _names(self, item: Input, changed: Iterable[str]) -> Iterable[str]:
        sent, key = item.properties or {}, item.id_property
        match self._echo:
            case "sent":
                names = (*sent, *self._defaults)
            case "changed":
                names = (*changed, *self._defaults)
            case "defaults":
                names = self._defaults
            case _:
                return ()
        if key is None:
            return names
        if self._echoes_key:
            return (*names, key)
        return names if key in sent else [name for name in names if name != key]


def shows_nulls(portal: Portal, version: str) -> bool:
    """Whether a cleared value is shown as ``null``."""
    shown = portal.behaviours.cleared_values
    return version >= "2026-09" if shown == "by_version" else shown == "null"


def reply(batch: Batch, results: list[dict[str, Any]], errors: list[dict[str, Any]], *, status: int = 200) -> Reply:
    """The reply of a batch.

    :param status: The one without errors; with some it is 207, before 2026-09.
    """
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
