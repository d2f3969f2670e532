"""What was asked of the sandbox: every request, and the counts."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

import orjson


@dataclass(frozen=True, kw_only=True)
class RecordedRequest:
    """One request that was answered, or whose connection was cut.

    :param headers: Names in lower case.
    :param body: Empty if the sandbox records no bodies.
    :param status: ``None`` where the connection was cut before a reply.
    :param received_at: Seconds on the sandbox's clock (monotonic), as are the other times.
    :param counted_at: When it took its place in the rolling window; ``None``: it took none.
    :param fault: The kind of the scripted fault that it met.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    status: int | None
    received_at: float
    counted_at: float | None
    answered_at: float
    fault: str | None = None

    @property
    def json(self) -> Any:
        """The body, parsed; ``None`` without a body or where it is no JSON."""
        try:
            return orjson.loads(self.body) if self.body else None
        except orjson.JSONDecodeError:
            return None


@dataclass(kw_only=True)
class Traffic:
    """The last requests, and counts over all of them.

    :param requests: In the order of their answers.
    """

    requests: deque[RecordedRequest]
    record_bodies: bool = True
    total: int = 0
    in_flight: int = 0
    max_in_flight: int = 0
    by_status: Counter[str] = field(default_factory=Counter)
    rate_limited: Counter[str] = field(default_factory=Counter)

    def begin(self) -> None:
        """A request has arrived."""
        self.total += 1
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def end(self, request: RecordedRequest) -> None:
        """A request has been answered."""
        self.in_flight -= 1
        self.by_status["cut" if request.status is None else str(request.status)] += 1
        self.requests.append(request)

    def forget(self) -> None:
        """Starts again; requests under way stay so."""
        self.requests.clear()
        self.by_status.clear()
        self.rate_limited.clear()
        self.total = self.max_in_flight = self.in_flight

    def as_json(self) -> dict[str, Any]:
        """The counts."""
        return {
            "total": self.total,
            "in_flight": self.in_flight,
            "max_in_flight": self.max_in_flight,
            "by_status": dict(self.by_status),
            "rate_limited": dict(self.rate_limited),
        }
