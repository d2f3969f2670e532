"""What tests of a verb's decisions share: inputs, records, errors."""

from __future__ import annotations

from typing import Any

from airflow_provider_hubbatch.core.batch_reply import Record
from airflow_provider_hubbatch.core.error_reply import OBJECT_NOT_FOUND, ErrorReply
from airflow_provider_hubbatch.core.model import Input, RowOutcome, Status

BEGAN = "2026-05-01T10:00:00.000Z"
BEFORE = "2026-05-01T09:00:00.000Z"
AFTER = "2026-05-01T11:00:00.000Z"
ABSENT = ErrorReply(OBJECT_NOT_FOUND, "there is none")
CONFLICT = ErrorReply("CONFLICT", "Contact already exists. Existing ID: 7", existing_id="7")
REFUSED = ErrorReply("VALIDATION_ERROR", "no")


def item(**what: Any) -> Input:
    """The row 4, of the key K."""
    return Input(4, "K", "K", "k", {"city": "Ghent"})._replace(**what)


def record(created_at: str = BEFORE, **properties: str) -> Record:
    """The record 7."""
    return Record("7", properties, created_at=created_at)


def before(status: Status, record_id: str | None = "7") -> RowOutcome:
    """What became of the row 3, of the same key."""
    return RowOutcome(3, "K", status, record_id)


def verb_of(verb: Any, options: Any, id_property: str | None = "customer_number") -> Any:
    """The verb as these options want it."""
    return verb.for_sync(
        options, object_type="contacts", id_property=id_property, api_version="2026-03", definitions={}
    )
