"""What a 2xx says, whatever it leaves out: results in no order, errors that may stand beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_hubbatch.core.error_reply import ErrorReply, parse_error_entry
from airflow_provider_hubbatch.core.protocol import decode, entries_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_provider_hubbatch.core.protocol import Reply


class Record(NamedTuple):
    """One object of a reply's ``results``; only ``id`` is sure to be there.

    :param updated_at: ISO 8601, as it came; so the other times.
    :param trace_id: ``objectWriteTraceId``, usually absent.
    :param archived_at: of an archived record.
    :param is_new: of an upsert: whether it has made the record; ``None``: it doesn't say.
    """

    id: str
    properties: Mapping[str, Any]
    updated_at: str | None = None
    trace_id: str | None = None
    created_at: str | None = None
    archived_at: str | None = None
    is_new: bool | None = None


@dataclass(frozen=True, slots=True)
class BatchReply:
    """A 2xx reply to a batch request, as far as it makes sense.

    :param status: ``COMPLETE``, ``PENDING``, ``PROCESSING``, ``CANCELED``; ``None`` where it is left out.
    :param started_at: when HubSpot began and ended its work, by its own clock, ISO 8601; so ``completed_at``.
    :param errors: of single records; each has the reply's correlation id, which only a header tells.
    :param makes_sense: ``False`` for a body that is no JSON object.
    :param correlation_id: HubSpot's id of the reply.
    """

    status: str | None
    results: tuple[Record, ...] = ()
    errors: tuple[ErrorReply, ...] = ()
    makes_sense: bool = True
    correlation_id: str | None = None
    started_at: str | None = None
    completed_at: str | None = None

    @property
    def confirms(self) -> bool:
        """Whether a record among ``results`` has been written: not so while the work is pending or canceled."""
        return self.makes_sense and self.status in (None, "COMPLETE")


def parse_batch_reply(reply: Reply | None) -> BatchReply:
    """Read a 2xx to a batch request, 200 and 207 alike (2026-09 has no 207); none makes no sense. Never raises."""
    data = decode(reply.body) if reply else None
    return envelope_of(data, reply, tuple(_records(data.get("results"))) if isinstance(data, dict) else ())


def envelope_of(data: Any, reply: Reply | None, results: tuple[Record, ...] = ()) -> BatchReply:
    """What every batch reply has, whatever its results are.

    :param data: what its body holds.
    """
    if reply is None or not isinstance(data, dict):
        return BatchReply(status=None, makes_sense=False, correlation_id=reply.correlation_id if reply else None)
    status = data.get("status")
    return BatchReply(
        status=status.upper() if isinstance(status, str) else None,
        results=results,
        errors=tuple(parse_error_entry(entry, reply) for entry in entries_of(data.get("errors"))),
        correlation_id=reply.correlation_id,
        started_at=text_of(data.get("startedAt")),
        completed_at=text_of(data.get("completedAt")),
    )


def _records(results: Any) -> Iterable[Record]:
    for entry in entries_of(results):
        record_id, properties = entry.get("id"), entry.get("properties")
        updated_at, trace_id = entry.get("updatedAt"), entry.get("objectWriteTraceId")
        created_at, archived_at, is_new = entry.get("createdAt"), entry.get("archivedAt"), entry.get("new")
        if type(record_id) is not str or not record_id:
            record_id = text_of(record_id)
            if record_id is None:
                continue
        yield Record(
            record_id,
            properties if type(properties) is dict else {},
            updated_at if type(updated_at) is str else None,
            None if trace_id is None else text_of(trace_id),
            created_at if type(created_at) is str else None,
            archived_at if type(archived_at) is str else None,
            is_new if type(is_new) is bool else None,
        )
