"""Scripted and random faults: what goes wrong, with which requests, how often."""

from __future__ import annotations

from dataclasses import dataclass, fields
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.sandbox.inputs import parse_json
from airflow_provider_hubbatch.sandbox.replies import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "rate_limited": "429 of a policy, with Retry-After if retry_after is given; not counted in the rolling window",
        "locked": "423",
        "migrating": "477 with Retry-After (retry_after, in seconds)",
        "status": "any status, with HubSpot's error body",
        "html": "any status, with an HTML page as proxies send it",
        "unauthorized": "401",
        "missing_scopes": "403 MISSING_SCOPES, naming scopes",
        "redirect": "a redirect (status 307 unless given) to location",
        "cut_before_write": "the connection is closed without a reply; nothing was written",
        "cut_after_write": "the connection is closed without a reply; everything was written",
        "cut_during_reply": "the connection is closed in the midst of the reply (without a body: of its first line); "
        "everything was written",
        "hang": "no answer for so many seconds, then the usual one; written: the write comes before the wait",
        "drip": "the usual reply, arriving in small pieces over so many seconds",
        "garbage": "200 and bytes that are no JSON",
        "truncated": "200 and only the first half of the JSON",
        "empty_results": "the usual status, no results, no errors",
        "empty_body": "the usual status and no body at all",
        "result_left_out": "as many results as given by results (or those of input_id) are missing; "
        "written=False: these inputs aren't carried out, either",
        "foreign_results": "as many results as given by results are of ids that were never sent",
        "reply_status": "the reply's status is reply_status (PENDING, PROCESSING, CANCELED); results with keep_results",
        "huge": "a reply of size_bytes",
        "deep": "JSON nested depth levels deep",
        "reply": "the given status, headers and body",
    }
)
# The kinds that spoil the reply to a write that was carried out. The others come instead of it.
_WRITTEN = frozenset(
    {
        "cut_after_write",
        "cut_during_reply",
        "drip",
        "garbage",
        "truncated",
        "empty_body",
        "result_left_out",
        "foreign_results",
        "huge",
        "deep",
    }
)
_STATUSES: Mapping[str, int] = MappingProxyType({"status": 503, "html": 502, "redirect": 307, "reply": 200})


@dataclass(kw_only=True)
class Fault:
    """One scripted fault. Only ``kind`` is needed; what else matters depends on it (see ``KINDS``).

    :param count: How many requests it meets; ``None``: every one.
    :param skip: How many matching requests go unharmed before.
    :param path: Only requests whose path holds this.
    :param method: Only requests of this method.
    :param input_id: Only batches that hold an input of this id, of this end of a link, or, of a new record, with this
        value.
    :param status: The reply's status, for the kinds that have any.
    :param policy: Of a 429: ``TEN_SECONDLY_ROLLING``, ``SECONDLY``, ``DAILY`` or anything.
    :param retry_after: The value of ``Retry-After``.
    :param seconds: How long a ``hang`` or a ``drip`` takes.
    :param written: Whether the request is carried out all the same; ``None``: as the kind says.
    :param category: ``category`` of a ``status`` fault's body; with ``rate_limited``, any text adds HubSpot's.
    :param message: ``message`` of a ``status`` fault's body.
    :param body: Of a ``reply``: text as it is, anything else as JSON.
    :param hits: How many requests it has met.
    """

    kind: str
    count: int | None = 1
    skip: int = 0
    path: str | None = None
    method: str | None = None
    input_id: str | None = None
    status: int | None = None
    policy: str = "TEN_SECONDLY_ROLLING"
    retry_after: str | float | None = None
    seconds: float = 3600.0
    written: bool | None = None
    category: str | None = None
    message: str | None = None
    location: str = "http://127.0.0.1:9/elsewhere"
    scopes: tuple[str, ...] = ("crm.objects.contacts.write",)
    results: int = 1
    reply_status: str = "PENDING"
    keep_results: bool = False
    size_bytes: int = 50_000_000
    depth: int = 100_000
    headers: dict[str, str] | None = None
    body: Any = None
    hits: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"No such fault: {self.kind!r}. There are: {', '.join(KINDS)}.")
        self.scopes = tuple(self.scopes)

    @property
    def is_written(self) -> bool:
        """Whether the request is carried out."""
        return self.kind in _WRITTEN if self.written is None else self.written

    @property
    def reply_code(self) -> int:
        """The status of the reply that the fault makes up."""
        return self.status or _STATUSES.get(self.kind, 200)

    @property
    def is_over(self) -> bool:
        """Whether it will meet no more requests."""
        return self.count is not None and self.hits >= self.count

    def matches(self, *, method: str, path: str, body: bytes) -> bool:
        """Whether it is meant for such a request."""
        if self.is_over or (self.path is not None and self.path not in path):
            return False
        if self.method is not None and self.method.upper() != method:
            return False
        return self.input_id is None or any(self.input_id in names_of(item) for item in inputs_of(body))

    def as_json(self) -> dict[str, Any]:
        """Those of its fields that were set, and what is left of it."""
        given = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "kind"}
        defaults = {field.name: field.default for field in fields(self)}
        return {
            "kind": self.kind,
            **{name: value for name, value in given.items() if value != defaults[name]},
            "left": None if self.count is None else self.count - self.hits,
        }


class FaultScript:
    """The faults that wait for their requests. Scripted ones come first, in the order they were added.

    :param seed: Of the random ones.
    """

    def __init__(self, *, seed: int = 0) -> None:
        self._script: list[Fault] = []
        self._random = Random(seed)
        self._chaos: list[tuple[float, Fault]] = []

    def add(self, kind: str, **details: Any) -> Fault:
        """Scripts a fault for the next request, or for those that the details say.

        :param kind: One of ``KINDS``.
        :param details: Fields of :class:`Fault`: ``count``, ``path``, ``status``, ...
        :returns: The fault; its ``hits`` count the requests that it met.
        """
        fault = Fault(kind=kind, **details)
        self._script.append(fault)
        return fault

    def randomly(self, kind: str, *, probability: float, **details: Any) -> Fault:
        """Strikes this share of all (matching) requests, by the script's seed.

        :param probability: 0.0 to 1.0.
        """
        fault = Fault(kind=kind, **{"count": None, **details})
        self._chaos.append((probability, fault))
        return fault

    def clear(self) -> None:
        """Forgets every fault."""
        self._script.clear()
        self._chaos.clear()

    @property
    def pending(self) -> list[Fault]:
        """The faults that are not over yet."""
        return [fault for fault in (*self._script, *(fault for _, fault in self._chaos)) if not fault.is_over]

    def take(self, *, method: str, path: str, body: bytes) -> Fault | None:
        """The fault that meets this request."""
        for fault in self._script:
            if fault.matches(method=method, path=path, body=body):
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                fault.hits += 1
                return fault
        for probability, fault in self._chaos:
            if fault.matches(method=method, path=path, body=body) and self._random.random() < probability:
                fault.hits += 1
                return fault
        return None


def inputs_of(body: bytes) -> list[dict[str, Any]]:
    """A batch's inputs; none for any other body."""
    try:
        inputs = parse_json(body).get("inputs")
    except RefusedError:
        return []
    return [item for item in inputs if isinstance(item, dict)] if isinstance(inputs, list) else []


def names_of(item: Mapping[str, Any]) -> set[str]:
    """What an input or a result can be told by: its id, its two ends, or, of a new record, its values."""
    named = [item.get("id"), item.get("fromObjectId"), item.get("toObjectId")]
    named.extend(end.get("id") for end in (item.get("from"), item.get("to")) if isinstance(end, dict))
    if all(name is None for name in named) or "createdAt" in item:
        properties = item.get("properties")
        named.extend(properties.values() if isinstance(properties, dict) else ())
    return {str(name) for name in named if name is not None}
