"""What a fault does to a request and to its reply."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from airflow_provider_hubbatch.sandbox.faults import Fault, inputs_of, names_of
from airflow_provider_hubbatch.sandbox.inputs import parse_json
from airflow_provider_hubbatch.sandbox.replies import (
    RefusedError,
    Reply,
    error_body,
    json_reply,
    missing_scopes,
    rate_limited,
    unauthorized,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_HTML = b"<html><head><title>%d</title></head><body><center><h1>%d</h1></center><hr>cloudflare</body></html>\n"
_GARBAGE = b'\x89\x00\xff\xfe{"status": COMPLETE, <results>' + bytes(range(128, 256))
_FOREIGN_ID = 900_000_001


def spoil_request(fault: Fault, body: bytes) -> bytes:
    """The body to carry out instead: without the inputs that are to be left out unwritten."""
    if fault.kind != "result_left_out" or fault.is_written:
        return body
    inputs = inputs_of(body)
    if fault.input_id is not None:
        kept = [item for item in inputs if fault.input_id not in names_of(item)]
    else:
        kept = inputs[: max(0, len(inputs) - fault.results)]
    return orjson.dumps({**parse_json(body), "inputs": kept}) if inputs else body


def spoil_reply(fault: Fault, reply: Reply, body: bytes) -> Reply:
    """The reply that the fault leaves.

    :param reply: The usual one, or that of an empty batch if nothing was carried out.
    :param body: The request's body.
    :raises RefusedError: for the faults that are HubSpot's own errors.
    """
    return _EFFECTS[fault.kind](fault, reply, body)


def _rate_limited(fault: Fault, _reply: Reply, _body: bytes) -> Reply:
    retry_after = None if fault.retry_after is None else str(fault.retry_after)
    raise rate_limited(fault.policy, category=fault.category is not None, retry_after=retry_after)


def _locked(_fault: Fault, _reply: Reply, _body: bytes) -> Reply:
    raise RefusedError(
        423, error_body("The resource is locked. Wait at least 2 seconds before the next try.", "LOCKED")
    )


def _migrating(fault: Fault, _reply: Reply, _body: bytes) -> Reply:
    headers = {"Retry-After": str(1 if fault.retry_after is None else fault.retry_after)}
    raise RefusedError(477, error_body("The account is being migrated.", "MIGRATION_IN_PROGRESS"), headers)


def _status(fault: Fault, _reply: Reply, _body: bytes) -> Reply:
    headers = dict(fault.headers or {})
    if fault.retry_after is not None:
        headers["Retry-After"] = str(fault.retry_after)
    message = fault.message or "Something went wrong on the other side"
    raise RefusedError(fault.reply_code, error_body(message, fault.category), headers)


def _html(fault: Fault, _reply: Reply, _body: bytes) -> Reply:
    code = fault.reply_code
    return Reply(status=code, body=_HTML % (code, code), content_type="text/html")


def _unauthorized(_fault: Fault, _reply: Reply, _body: bytes) -> Reply:
    raise unauthorized(0)


def _missing_scopes(fault: Fault, _reply: Reply, _body: bytes) -> Reply:
    raise missing_scopes(fault.scopes, "context")


def _redirect(fault: Fault, _reply: Reply, _body: bytes) -> Reply:
    return Reply(status=fault.reply_code, headers={"Location": fault.location})


def _cut(_fault: Fault, reply: Reply, _body: bytes) -> Reply:
    return replace(reply, cut="before_reply")


def _cut_during_reply(_fault: Fault, reply: Reply, _body: bytes) -> Reply:
    return replace(reply, cut="during_reply")


def _drip(fault: Fault, reply: Reply, _body: bytes) -> Reply:
    return replace(reply, drip_seconds=fault.seconds)


def _unspoilt(_fault: Fault, reply: Reply, _body: bytes) -> Reply:
    return reply


def _garbage(_fault: Fault, _reply: Reply, _body: bytes) -> Reply:
    return Reply(status=200, body=_GARBAGE)


def _truncated(_fault: Fault, reply: Reply, _body: bytes) -> Reply:
    return replace(reply, body=reply.body[: len(reply.body) // 2])


def _empty_body(_fault: Fault, reply: Reply, _body: bytes) -> Reply:
    return replace(reply, body=b"")


def _empty_results(_fault: Fault, reply: Reply, _body: bytes) -> Reply:
    return _edited(reply, lambda parsed: {**parsed, "results": []})


def _result_left_out(fault: Fault, reply: Reply, _body: bytes) -> Reply:
    if not fault.is_written:
        return reply

    def leave_out(parsed: dict[str, Any]) -> dict[str, Any]:
        results = parsed["results"]
        if fault.input_id is not None:
            return {**parsed, "results": [one for one in results if fault.input_id not in names_of(one)]}
        return {**parsed, "results": results[fault.results :]}

    return _edited(reply, leave_out)


def _foreign_results(fault: Fault, reply: Reply, body: bytes) -> Reply:
    sent = {name for item in inputs_of(body) for name in names_of(item)}
    ids = [str(_FOREIGN_ID + offset) for offset in range(fault.results + len(sent))]
    foreign = [one for one in ids if one not in sent][: fault.results]

    def add(parsed: dict[str, Any]) -> dict[str, Any]:
        is_link = any("fromObjectId" in one or "from" in one for one in parsed["results"])
        made = [_foreign_link(one) if is_link else _foreign_record(one) for one in foreign]
        return {**parsed, "results": [*made, *parsed["results"]]}

    return _edited(reply, add)


def _foreign_record(record_id: str) -> dict[str, Any]:
    at = "2026-01-01T00:00:00.000Z"
    return {"id": record_id, "properties": {}, "createdAt": at, "updatedAt": at, "archived": False}


def _foreign_link(record_id: str) -> dict[str, Any]:
    ends = {"fromObjectId": int(record_id), "toObjectId": int(record_id) + 1}
    return {**ends, "labels": [], "from": {"id": record_id}, "to": {"id": str(int(record_id) + 1)}}


def _reply_status(fault: Fault, reply: Reply, _body: bytes) -> Reply:
    return _edited(
        reply,
        lambda parsed: {
            **parsed,
            "status": fault.reply_status,
            "results": parsed["results"] if fault.keep_results else [],
        },
    )


def _huge(fault: Fault, reply: Reply, _body: bytes) -> Reply:
    return replace(reply, body=reply.body.rstrip() + b" " * max(0, fault.size_bytes - len(reply.body)))


def _deep(fault: Fault, _reply: Reply, _body: bytes) -> Reply:
    return Reply(status=200, body=b'{"results":' + b"[" * fault.depth + b"]" * fault.depth + b"}")


def _scripted(fault: Fault, _reply: Reply, _body: bytes) -> Reply:
    headers = {name.lower(): value for name, value in (fault.headers or {}).items()}
    content_type = headers.pop("content-type", None)
    body = fault.body.encode() if isinstance(fault.body, str) else orjson.dumps(fault.body)
    reply = Reply(status=fault.reply_code, body=b"" if fault.body is None else body, headers=headers)
    return reply if content_type is None else replace(reply, content_type=content_type)


def _edited(reply: Reply, edit: Callable[[dict[str, Any]], dict[str, Any]]) -> Reply:
    parsed = orjson.loads(reply.body) if reply.body else None
    if not isinstance(parsed, dict) or not isinstance(parsed.get("results"), list):
        return reply
    return replace(reply, body=json_reply(reply.status, edit(parsed)).body)


_EFFECTS: dict[str, Callable[[Fault, Reply, bytes], Reply]] = {
    "rate_limited": _rate_limited,
    "locked": _locked,
    "migrating": _migrating,
    "status": _status,
    "html": _html,
    "unauthorized": _unauthorized,
    "missing_scopes": _missing_scopes,
    "redirect": _redirect,
    "cut_before_write": _cut,
    "cut_after_write": _cut,
    "cut_during_reply": _cut_during_reply,
    "hang": _unspoilt,
    "drip": _drip,
    "garbage": _garbage,
    "truncated": _truncated,
    "empty_results": _empty_results,
    "empty_body": _empty_body,
    "result_left_out": _result_left_out,
    "foreign_results": _foreign_results,
    "reply_status": _reply_status,
    "huge": _huge,
    "deep": _deep,
    "reply": _scripted,
}
