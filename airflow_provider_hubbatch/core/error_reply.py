"""What HubSpot says when it refuses, read in one place: the body of a 4xx or 5xx, or an entry of a 2xx's ``errors``.

Every field of an error is optional, and most of them come in several shapes and places.
"""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.core.protocol import MAX_REQUEST_BYTES, decode, entries_of, text_of, word_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from airflow_provider_hubbatch.core.protocol import Reply

# Reasons of single details that one message quotes.
_REASONS_JOINED = 5

# Under which names a 403 tells them, in its context (the documented place) or elsewhere; else in a sentence.
_SCOPES = ("requiredGranularScopes", "requiredScopes", "missingScopes")
_SCOPES_IN_WORDS = re.compile(r"(?i)scopes are required:([^\n]{1,2000})")
_BETWEEN_SCOPES = re.compile(r"[,;\s]+(?:(?:or|and)\s+)?")

# Under which names a context tells properties.
_PROPERTIES = ("propertyName", "propertyNames", "property", "properties")

# Codes and categories of refusals that depend on other records: another one has the value.
_CONFLICT = re.compile(r"CONFLICT|UNIQUE|DUPLICATE|ALREADY", re.IGNORECASE)
# Codes of refusals for a value that the row doesn't have: MISSING_CONDITIONAL_REQUIRED_PROPERTY.
_LACKING = re.compile(r"MISSING|REQUIRED", re.IGNORECASE)


# How a conflict's message ends, and under which name a context may tell the same.
_EXISTING_ID = re.compile(r"(?i)\bexisting ID: ?([0-9]{1,19})\b")
_EXISTING = ("existingId", "existingObjectId")


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

    @property
    def is_conflict(self) -> bool:
        """Whether another record is in the way."""
        return bool(_CONFLICT.search(self.code or ""))

    @property
    def is_about_a_lack(self) -> bool:
        """Whether it is about a value that the row doesn't have."""
        return bool(_LACKING.search(self.code or ""))


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """An error of HubSpot's, with what it names.

    :param category: its category in upper case, else a code it holds, else ``HTTP_<status>``: one word.
    :param message: HubSpot's words, which may quote a row's values; ``""`` where it gives none.
    :param status: the HTTP status of the reply that it stands in.
    :param code: the first code of its details: ``MISSING_CONDITIONAL_REQUIRED_PROPERTY``, ``INVALID_OPTION``, ...
    :param sub_category: ``crm.associations.INVALID_IDENTIFIER``, ...
    :param policy_name: the ``policyName`` of a 429, in upper case: ``TEN_SECONDLY_ROLLING``, ``SECONDLY``, ``DAILY``.
    :param correlation_id: what HubSpot's support asks for, from the body, else from the reply's header.
    :param ids: ``context.ids``: the ids as they were sent; of a conflict perhaps the other record's.
    :param trace_ids: ``context.objectWriteTraceId``.
    :param coordinates: ``context.missingObjectPropertyValueCoordinates`` as they came: each ends with a colon and a
        value of ``idProperty`` that no record has. A value may hold colons itself: compare with what was sent.
    :param existing_id: of a conflict: the id of the record that is in the way, where it is told.
    :param properties: what it says of single properties.
    :param scopes: those that a 403 says are required.
    :param retry_after: the ``Retry-After`` header as it came.
    :param date: the reply's ``Date`` header as it came: ``Retry-After`` may be a date, and this says what time it is.
    """

    category: str
    message: str = ""
    status: int | None = None
    code: str | None = None
    sub_category: str | None = None
    policy_name: str | None = None
    correlation_id: str | None = None
    ids: frozenset[str] = frozenset()
    trace_ids: frozenset[str] = frozenset()
    coordinates: tuple[str, ...] = ()
    existing_id: str | None = None
    properties: tuple[PropertyError, ...] = ()
    scopes: tuple[str, ...] = ()
    retry_after: str | None = None
    date: str | None = None

    @property
    def reason(self) -> str:
        """Why, in a sentence: HubSpot's words where it has any."""
        return self.message or "HubSpot gave no reason"

    @property
    def is_about_absence(self) -> bool:
        """Whether it is about records that HubSpot doesn't have, whatever its status and category."""
        return self.category == OBJECT_NOT_FOUND or bool(self.coordinates)

    @property
    def is_conflict(self) -> bool:
        """Whether another record is in the way: the ids that it names may be that one's."""
        return bool(_CONFLICT.search(self.category)) or any(found.is_conflict for found in self.properties)


def id_in_coordinates(coordinates: str, is_known: Callable[[str], object]) -> str | None:
    """The id at the end of ``coordinates`` of an error: the longest that is known, as an id may hold colons itself."""
    _, *parts = coordinates.split(":")
    ends = (":".join(parts[place:]) for place in range(len(parts)))
    return next(filter(is_known, ends), None)


# The category of a record that HubSpot doesn't have.
OBJECT_NOT_FOUND = "OBJECT_NOT_FOUND"

# The message of a reply that is a page of a proxy, a firewall or a gateway, or half of one of HubSpot's.
NOT_JSON = "the reply's body is no JSON object"

TOO_LARGE = ErrorReply("TOO_LARGE", f"the row alone is a request of more than {MAX_REQUEST_BYTES:,} bytes: not sent")
NO_REPLY = ErrorReply("NO_REPLY", "no reply")
NO_ANSWER = ErrorReply("NO_ANSWER", "HubSpot's replies name neither the record nor an error")


def parse_error(reply: Reply) -> ErrorReply:
    """Read a reply that is no 2xx, or a 2xx whose body makes no sense. Never raises."""
    data = decode(reply.body)
    if isinstance(data, dict):
        return parse_error_entry(data, reply, f"HTTP_{reply.status}")
    words = {"message": NOT_JSON} if reply.body.strip() else {}
    return parse_error_entry(words, reply, f"HTTP_{reply.status}")


def parse_error_entry(data: dict[str, Any], reply: Reply, fallback_category: str = "UNKNOWN_ERROR") -> ErrorReply:
    """Read a standard error.

    :param data: the body of an error, or an entry of a 2xx's ``errors``.
    :param reply: what it stands in.
    :param fallback_category: where it has neither a category nor a code.
    """
    details = list(entries_of(data.get("errors")))
    contexts = [data.get("context"), *(detail.get("context") for detail in details)]
    message = text_of(data.get("message")) or _reasons(details)
    properties = tuple(_property_errors(message, data, details))
    code = next((found.code for found in properties if found.code), None)
    category = _upper(data.get("category")) or _upper(data.get("errorType"))
    return ErrorReply(
        category=category or word_of(data.get("subCategory")) or code or fallback_category,
        message=message,
        status=reply.status,
        code=code,
        sub_category=word_of(data.get("subCategory")),
        policy_name=_upper(data.get("policyName")),
        correlation_id=word_of(data.get("correlationId")) or reply.correlation_id,
        ids=frozenset(_texts(contexts, "ids", "id")),
        trace_ids=frozenset(_texts(contexts, "objectWriteTraceId", "objectWriteTraceIds")),
        coordinates=tuple(_texts(contexts, "missingObjectPropertyValueCoordinates")),
        existing_id=_existing_id([data, *details], contexts),
        properties=properties,
        scopes=_scopes([data, *details], contexts),
        retry_after=reply.header("retry-after"),
        date=reply.header("date"),
    )


def _reasons(details: Iterable[dict[str, Any]]) -> str:
    """The words of the details, where the error itself has none (2026-09)."""
    reasons = dict.fromkeys(filter(None, (text_of(detail.get("message")) for detail in details)))
    return "; ".join(itertools.islice(reasons, _REASONS_JOINED))


def _existing_id(places: list[dict[str, Any]], contexts: list[Any]) -> str | None:
    """The one record that a conflict is about: told under a name, else in a sentence."""
    named = {one for one in _texts(contexts, *_EXISTING) if one.isascii() and one.isdigit()}
    told = named or {match[1] for text in _texts(places, "message") for match in _EXISTING_ID.finditer(text)}
    return told.pop() if len(told) == 1 else None


def _scopes(places: list[dict[str, Any]], contexts: list[Any]) -> tuple[str, ...]:
    """The scopes that are told under a name, else those of a sentence."""
    named = list(filter(word_of, _texts([*places, *contexts], *_SCOPES)))
    if not named:
        sentences = (_SCOPES_IN_WORDS.search(text) for text in _texts(places, "message"))
        parts = (part.strip(".") for told in sentences if told for part in _BETWEEN_SCOPES.split(told[1]))
        named = [part for part in parts if word_of(part)]
    return tuple(dict.fromkeys(named))


def _property_errors(message: str, data: dict[str, Any], details: list[dict[str, Any]]) -> Iterator[PropertyError]:
    """What an error says of properties: JSON lists inside its messages, its details, its context."""
    listed, plain = [*_listed_in(message), *entries_of(data.get("validationResults"))], []
    for detail in details:
        inner = list(_listed_in(text_of(detail.get("message")) or ""))
        listed += inner
        plain += [] if inner else [detail]
    found = [PropertyError(text_of(one.get("name")), *_code_and_words(one, "error")) for one in listed]
    for detail in plain:
        names: list[str | None] = [*_texts([detail.get("context")], *_PROPERTIES)]
        names = names or [text_of(detail.get("name") or detail.get("in"))]
        found += [PropertyError(name, *_code_and_words(detail, "code")) for name in names]
    found += [PropertyError(name, None, message) for name in _texts([data.get("context")], *_PROPERTIES)]
    yield from _each_once(found)


def _code_and_words(entry: dict[str, Any], code: str) -> tuple[str | None, str]:
    return word_of(entry.get(code)), text_of(entry.get("message")) or ""


def _each_once(found: list[PropertyError]) -> Iterator[PropertyError]:
    """A list in a message and the details tell the same thing twice, in the same order."""
    seen: set[tuple[str | None, str]] = set()
    for one in found:
        if (one.name, one.message) not in seen and (one.name or one.code):
            seen.add((one.name, one.message))
            yield one


def _listed_in(message: str) -> Iterable[dict[str, Any]]:
    """The objects of the JSON list that follows "Property values were not valid: "."""
    start = message.find("[{")
    if start < 0:
        return ()
    try:
        found, _ = json.JSONDecoder().raw_decode(message, start)
    except (ValueError, RecursionError):
        return ()
    return entries_of(found)


def _texts(places: Iterable[Any], *keys: str) -> Iterator[str]:
    """The texts under these keys, each of which may hold one or a list."""
    for place in places:
        if not isinstance(place, dict):
            continue
        for key in keys:
            value = place.get(key)
            for one in value if isinstance(value, list) else [value]:
                text = text_of(one)
                if text is not None:
                    yield text


def _upper(value: Any) -> str | None:
    word = word_of(value)
    return word.upper() if word else None
