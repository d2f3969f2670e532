"""HubSpot's side of the wire: paths, request bodies and what its replies say, whatever they leave out.

The shapes are those of ``/crm/objects/{version}/{objectType}/batch/{verb}``. A verb is one entry here: what is
true of all of them (100 inputs, results without order, errors whose every field may be missing) is said once.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import orjson

from airflow_provider_hubbatch.exceptions import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_provider_hubbatch.core.model import Input

DEFAULT_API_VERSION = "2026-03"

# HubSpot: "The maximum number of inputs supported in a batch is 100" (its own 400; docs, Using object APIs)
MAX_BATCH_INPUTS = 100

# Names of object types as HubSpot has them: contacts, 0-1, 2-1234567, p1_pets. Nothing else may become a path.
_OBJECT_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,200}")
_API_VERSION = re.compile(r"20[0-9]{2}-[0-9]{2}(-beta)?|v[34]")


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, but for what the transport adds: the host, the token, the timeouts.

    :param body: JSON, or ``None`` for none.
    """

    method: str
    path: str
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP reply.

    :param headers: names in any case.
    :param body: as it came, decompressed.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class PropertyError:
    """One entry of a refusal about a property's value.

    :param name: the property, or ``None`` where the entry doesn't name it.
    :param code: ``PROPERTY_DOESNT_EXIST``, ``INVALID_OPTION``, ``READ_ONLY_VALUE``, ...
    :param message: HubSpot's words, which often quote the value.
    """

    name: str | None
    code: str | None
    message: str


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """A standard error of HubSpot's, with what it names.

    :param category: its category, else a code it holds, else ``HTTP_<status>``.
    :param message: HubSpot's words.
    :param ids: ``context.ids``: the ids as they were sent.
    :param trace_ids: ``context.objectWriteTraceId``.
    :param properties: what it says of single properties.
    :param scopes: ``requiredGranularScopes``, for a 403.
    """

    category: str
    message: str
    correlation_id: str | None = None
    ids: frozenset[str] = frozenset()
    trace_ids: frozenset[str] = frozenset()
    properties: tuple[PropertyError, ...] = ()
    scopes: tuple[str, ...] = ()


NO_REPLY = ErrorInfo(category="NO_REPLY", message="no reply")
NO_ANSWER = ErrorInfo(category="NO_ANSWER", message="a reply that names none of the rows")


class Record(NamedTuple):
    """One object of a reply's ``results``; only ``id`` is sure to be there.

    :param trace_id: ``objectWriteTraceId``, usually absent.
    """

    id: str
    properties: Mapping[str, Any]
    updated_at: str | None = None
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class BatchReply:
    """A 2xx reply to a batch request, as far as it makes sense.

    :param status: ``COMPLETE``, ``PENDING``, ``PROCESSING``, ``CANCELED``; ``None`` where it is left out.
    :param makes_sense: ``False`` for a body that is no JSON object.
    """

    status: str | None
    results: tuple[Record, ...] = ()
    errors: tuple[ErrorInfo, ...] = ()
    makes_sense: bool = True

    @property
    def confirms(self) -> bool:
        """Whether a record among ``results`` has been written: not so while the work is pending or canceled."""
        return self.makes_sense and self.status in (None, "COMPLETE")


@dataclass(frozen=True, slots=True)
class BatchUpdate:
    """The update verb, for one object type.

    :param object_type: ``contacts``, ``2-1234567``, ``p1_pets``, ...
    :param id_property: sent with every input unless ``None``.
    """

    object_type: str
    id_property: str | None = None
    api_version: str = DEFAULT_API_VERSION

    def request(self, inputs: Sequence[Input]) -> Request:
        """The request that updates these, at most :data:`MAX_BATCH_INPUTS`, no key twice."""
        return Request("POST", batch_path(self.object_type, "update", self.api_version), encode(self._body(inputs)))

    def _body(self, inputs: Sequence[Input]) -> dict[str, Any]:
        if self.id_property is None:
            entries = [
                {"id": item.id, "objectWriteTraceId": item.trace_id, "properties": item.properties} for item in inputs
            ]
        else:
            entries = [
                {
                    "id": item.id,
                    "idProperty": self.id_property,
                    "objectWriteTraceId": item.trace_id,
                    "properties": item.properties,
                }
                for item in inputs
            ]
        return {"inputs": entries}


@dataclass(frozen=True, slots=True)
class BatchRead:
    """The read verb: what HubSpot has of some records.

    :param properties: the properties wanted.
    :param id_property: what ``ids`` are values of; top-level here, unlike in update.
    """

    object_type: str
    properties: tuple[str, ...]
    id_property: str | None = None
    api_version: str = DEFAULT_API_VERSION

    def request(self, ids: Iterable[str]) -> Request:
        """The request that reads these ids, at most :data:`MAX_BATCH_INPUTS`."""
        body: dict[str, Any] = {
            "inputs": [{"id": one} for one in ids],
            "properties": list(self.properties),
            "propertiesWithHistory": [],
        }
        if self.id_property is not None:
            body["idProperty"] = self.id_property
        return Request("POST", batch_path(self.object_type, "read", self.api_version), encode(body))


def checked_object_type(object_type: Any) -> str:
    """The object type, if it can be one.

    :raises SettingsError: it isn't text, or has characters that no object type has (a slash, a dot, a newline).
    """
    if not isinstance(object_type, str) or not _OBJECT_TYPE.fullmatch(object_type):
        msg = (
            f"object_type {object_type!r} can't be an object type: give a name or id as HubSpot has it, "
            "such as 'contacts', 'deals', '2-1234567' or 'p1_pets'"
        )
        raise SettingsError(msg)
    return object_type


def checked_api_version(version: Any) -> str:
    """The API version, if it can be one: dated as ``2026-03``.

    :raises SettingsError: it can't.
    """
    if not isinstance(version, str) or not _API_VERSION.fullmatch(version):
        raise SettingsError(f"api_version {version!r} of the connection is no HubSpot API version such as '2026-03'")
    return version


def batch_path(object_type: str, verb: str, api_version: str) -> str:
    """The path of a batch endpoint."""
    return f"/crm/objects/{api_version}/{quote(object_type, safe='')}/batch/{verb}"


def properties_path(object_type: str, api_version: str) -> str:
    """The path of an object type's property definitions."""
    return f"/crm/properties/{api_version}/{quote(object_type, safe='')}"


def account_path(api_version: str) -> str:
    """The path of the account's details: it proves a token, not its scopes."""
    return f"/account-info/{api_version}/details"


def daily_usage_path(api_version: str) -> str:
    """The path of a private app's calls of the day, with the account's reset."""
    return f"/account-info/{api_version}/api-usage/daily/private-apps"


def encode(body: Any) -> bytes:
    """JSON as HubSpot takes it."""
    return orjson.dumps(body)


def decode(body: bytes) -> Any:
    """What a body holds, or ``None`` for one that is no JSON (too deep counts as none)."""
    try:
        return orjson.loads(body)
    except (orjson.JSONDecodeError, RecursionError):
        return None


def parse_batch_reply(body: bytes) -> BatchReply:
    """Read a 2xx body to a batch request, 200 and 207 alike (2026-09 has no 207). Never raises."""
    data = decode(body)
    if not isinstance(data, dict):
        return BatchReply(status=None, makes_sense=False)
    status = data.get("status")
    return BatchReply(
        status=status.upper() if isinstance(status, str) else None,
        results=tuple(_records(data.get("results"))),
        errors=tuple(_error(entry, None, "") for entry in _dicts(data.get("errors"))),
    )


def parse_error(status: int, body: bytes) -> ErrorInfo:
    """Read the body of a 4xx or 5xx, whatever it leaves out. Never raises.

    :param status: the HTTP status, which names the category where the body doesn't.
    """
    data = decode(body)
    if not isinstance(data, dict):
        return ErrorInfo(category=f"HTTP_{status}", message=f"HTTP {status} with a body that is no JSON object")
    return _error(data, f"HTTP_{status}", f"HTTP {status}")


def _records(results: Any) -> Iterable[Record]:
    for entry in _dicts(results):
        record_id, properties = entry.get("id"), entry.get("properties")
        updated_at, trace_id = entry.get("updatedAt"), entry.get("objectWriteTraceId")
        if type(record_id) is not str or not record_id:
            record_id = _text(record_id)
            if record_id is None:
                continue
        yield Record(
            record_id,
            properties if type(properties) is dict else {},
            updated_at if type(updated_at) is str else None,
            None if trace_id is None else _text(trace_id),
        )


def _error(data: dict[str, Any], fallback_category: str | None, fallback_message: str) -> ErrorInfo:
    message = _text(data.get("message")) or fallback_message or "HubSpot gave no reason"
    details = list(_dicts(data.get("errors")))
    contexts = [data.get("context"), *(detail.get("context") for detail in details)]
    properties = tuple(_property_errors(message, details))
    codes = [found.code for found in properties if found.code]
    category = (
        _code(data.get("category"))
        or _code(data.get("subCategory"))
        or next(iter(codes), None)
        or fallback_category
        or "UNKNOWN_ERROR"
    )
    return ErrorInfo(
        category=category,
        message=message,
        correlation_id=_code(data.get("correlationId")),
        ids=frozenset(_context(contexts, "ids", "id")),
        trace_ids=frozenset(_context(contexts, "objectWriteTraceId", "objectWriteTraceIds")),
        properties=properties,
        scopes=tuple(dict.fromkeys(_context(contexts, "requiredGranularScopes", "requiredScopes"))),
    )


def _property_errors(message: str, details: list[dict[str, Any]]) -> Iterable[PropertyError]:
    """What an error says of properties: the JSON list inside its message, and its ``errors``."""
    seen: set[tuple[str | None, str | None]] = set()
    listed: list[tuple[dict[str, Any], Any, Any]] = [
        (entry, entry.get("name"), entry.get("error")) for entry in _listed_in(message)
    ]
    for detail in details:
        names = _context([detail.get("context")], "propertyName", "propertyNames", "property")
        fallback: Any = detail.get("name") or detail.get("in")
        listed += [(detail, name, detail.get("code")) for name in [*names] or [fallback]]
    for entry, name, code in listed:
        found = PropertyError(_text(name), _code(code), _text(entry.get("message")) or "")
        # the list in the message and `errors` tell the same thing twice, in the same order
        if (found.name, found.message) not in seen and (found.name or found.code):
            seen.add((found.name, found.message))
            yield found


def _listed_in(message: str) -> Iterable[dict[str, Any]]:
    """The objects of the JSON list that follows "Property values were not valid: "."""
    start = message.find("[{")
    if start < 0:
        return ()
    try:
        found, _ = json.JSONDecoder().raw_decode(message, start)
    except (ValueError, RecursionError):
        return ()
    return _dicts(found)


def _context(contexts: Iterable[Any], *keys: str) -> Iterable[str]:
    for context in contexts:
        if not isinstance(context, dict):
            continue
        for key in keys:
            value = context.get(key)
            for one in value if isinstance(value, list) else [value]:
                text = _text(one)
                if text is not None:
                    yield text


def _dicts(value: Any) -> Iterable[dict[str, Any]]:
    return (entry for entry in value if isinstance(entry, dict)) if isinstance(value, list) else ()


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None


def _code(value: Any) -> str | None:
    """A category, a code or a correlation id: it goes into logs and errors as it is, so it is one word."""
    text = _text(value)
    return text if text and _CODE.fullmatch(text) else None
