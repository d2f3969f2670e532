"""A HubSpot and the way to it, in simulated time: the engine runs whole, with no thread, no socket and no sleep.

:class:`SimulatedHubSpot` holds records and answers batch/update and batch/read as HubSpot does, :class:`Simulation`
is the engine's transport to it: a clock and a queue of events. What goes wrong is scripted, or drawn from a seed.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

import orjson

from airflow_provider_hubbatch.client.dispatcher import Completion, Dispatcher
from airflow_provider_hubbatch.client.pace import Pace
from airflow_provider_hubbatch.core.costs import Costs
from airflow_provider_hubbatch.core.model import Input, RowOutcome, Status
from airflow_provider_hubbatch.core.protocol import Reply, Request
from airflow_provider_hubbatch.core.values import order_key
from airflow_provider_hubbatch.core.verbs.update import BatchUpdate, Update
from airflow_provider_hubbatch.core.verdicts import FailureKind, RetryPolicy
from airflow_provider_hubbatch.sync.engine import Engine, Plan, Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from airflow_provider_hubbatch.core.lookup import BatchReadLookup
    from airflow_provider_hubbatch.core.verbs.verb import Verb

# What may happen to one request. Those of the first list are harmless: HubSpot or the way to it recovers, and every
# row can still be written. After those of the second, what became of a row may stay unknown.
TRANSIENT = ["429", "secondly", "503", "423", "html 502", "refused", "cut before", "cut after", "timeout"]
UNCLEAR = ["empty", "no body", "html 200", "half", "left out", "left out unwritten", "pending", "pending written"]
UNCLEAR += ["foreign", "canceled", "error without a name", "list"]

_STATUS_BODIES: dict[str, tuple[int, Any]] = {
    "429": (429, {"status": "error", "policyName": "TEN_SECONDLY_ROLLING", "errorType": "RATE_LIMIT"}),
    "secondly": (429, {"status": "error", "policyName": "SECONDLY", "errorType": "RATE_LIMIT"}),
    "daily": (429, {"status": "error", "policyName": "DAILY", "errorType": "RATE_LIMIT", "correlationId": "c-day"}),
    "503": (503, {"status": "error", "message": "try again"}),
    "423": (423, {"status": "error", "category": "LOCKED"}),
    "401": (401, {"status": "error", "category": "INVALID_AUTHENTICATION", "correlationId": "c-401"}),
    "403": (
        403,
        {
            "status": "error",
            "category": "MISSING_SCOPES",
            "correlationId": "c-403",
            "errors": [{"context": {"requiredGranularScopes": ["crm.objects.contacts.write"]}}],
        },
    ),
    "unknown type": (400, {"status": "error", "message": "Unable to infer object type from: butterflies"}),
    "non-unique": (
        400,
        {"message": "Unable to perform update/upsert by non-unique 0-1 property domain in portal ID 123"},
    ),
}


class TaskTimeoutError(BaseException):
    """As Airflow's: no Exception, and raised wherever the task is just then."""


def make_input(row: int, record: str, **properties: str) -> Input:
    """A row for this record; without properties, one that names the row."""
    return Input(row, record, record, order_key(record), properties or {"city": f"town {row}"})


@dataclass
class SimulatedHubSpot:
    """Records, by id, and every write that reached them.

    :param merged: old id -> surviving id.
    :param id_property: the unique property that updates may name records by.
    :param refuses: whether a row's properties are refused; its batch then is.
    :param tells: what the refusal says: ``ids``, ``trace ids``, ``quotes``, ``property`` or ``nothing``.
    :param limit: requests in any 10 s; ``None``: any number.
    :param definitions: the property definitions, as the properties endpoint has them.
    """

    records: dict[str, dict[str, str]]
    merged: dict[str, str] = field(default_factory=dict)
    id_property: str | None = None
    refuses: Callable[[dict[str, str]], bool] = lambda _: False
    tells: str = "nothing"
    limit: int | None = None
    definitions: list[dict[str, Any]] = field(default_factory=list)
    writes: dict[str, list[int]] = field(default_factory=dict)
    refused: int = 0
    over_limit: int = 0
    _window: deque[float] = field(default_factory=deque)

    def counted(self, now: float) -> dict[str, str] | None:
        """Take a place in the rolling window: the reply's headers, or ``None`` if it is full."""
        if self.limit is None:
            return {}
        while self._window and self._window[0] <= now - 10:
            self._window.popleft()
        if len(self._window) >= self.limit:
            self.over_limit += 1
            return None
        self._window.append(now)
        return {
            "X-HubSpot-RateLimit-Max": str(self.limit),
            "X-HubSpot-RateLimit-Remaining": str(self.limit - len(self._window)),
            "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
        }

    def answer(self, request: Request, without: Sequence[str] = ()) -> tuple[int, dict[str, Any]]:
        """Carry a request out.

        :param without: ids whose inputs are overlooked.
        """
        if request.method == "GET":
            return 200, {"results": self.definitions}
        body = orjson.loads(request.body or b"{}")
        inputs = [one for one in body["inputs"] if one["id"] not in without]
        if request.path.endswith("/batch/read"):
            return self._read(inputs, body)
        return self._update(inputs)

    def _update(self, inputs: list[dict[str, Any]]) -> tuple[int, dict[str, Any]]:
        assert len({one["id"] for one in inputs}) == len(inputs) <= 100
        bad = [one for one in inputs if self.refuses(one["properties"])]
        if bad:
            self.refused += 1
            return 400, self._refusal(bad)
        results, missing = [], []
        for one in inputs:
            record_id = self._find(one["id"], one.get("idProperty"))
            if one["id"] in self.merged and not one.get("idProperty"):
                continue
            if record_id is None:
                missing.append(one["id"])
                continue
            self.records[record_id].update(one["properties"])
            self.writes.setdefault(record_id, []).append(int(one["objectWriteTraceId"]))
            results.append({"id": record_id, "properties": one["properties"], "updatedAt": "2026-01-01T00:00:00Z"})
        return self._batch_reply(results[::-1], missing)

    def _read(self, inputs: list[dict[str, Any]], body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        results, missing = {}, []
        for one in inputs:
            record_id = self.merged.get(one["id"]) or self._find(one["id"], body.get("idProperty"))
            if record_id is None:
                missing.append(one["id"])
            else:
                shown = {name: self.records[record_id].get(name) for name in body["properties"]}
                results[record_id] = {"id": record_id, "properties": shown}
        return self._batch_reply(list(results.values()), missing)

    def _find(self, name: str, id_property: str | None) -> str | None:
        if id_property is None:
            return name if name in self.records else None
        return next((one for one, held in self.records.items() if held.get(id_property) == name), None)

    def _batch_reply(self, results: list[dict[str, Any]], missing: list[str]) -> tuple[int, dict[str, Any]]:
        body: dict[str, Any] = {"status": "COMPLETE", "results": results}
        if missing:
            message = "Could not get some CONTACT objects, they may be deleted or not exist."
            body["errors"] = [{"category": "OBJECT_NOT_FOUND", "message": message, "context": {"ids": missing}}]
        return 207 if missing else 200, body

    def _refusal(self, bad: list[dict[str, Any]]) -> dict[str, Any]:
        body: dict[str, Any] = {"status": "error", "category": "VALIDATION_ERROR", "correlationId": "c-400"}
        match self.tells:
            case "ids":
                return {**body, "message": "no", "context": {"ids": [one["id"] for one in bad]}}
            case "trace ids":
                return {**body, "message": "no", "context": {"objectWriteTraceId": [bad[0]["objectWriteTraceId"]]}}
            case "quotes" | "property":
                listed = []
                for one in bad:
                    value = one["properties"]["plan"] if self.tells == "quotes" else "The value"
                    words = f"{value} was not one of the allowed options: [free, pro]"
                    listed.append({"isValid": False, "message": words, "error": "INVALID_OPTION", "name": "plan"})
                return {**body, "message": "Property values were not valid: " + orjson.dumps(listed).decode()}
        return {**body, "message": "Property values were not valid"}


Faults = "Callable[[int, Request], str | None]"


def scripted(*kinds: str | None) -> Callable[[int, Request], str | None]:
    """The faults of the first requests, in order; then none."""
    return lambda number, _: kinds[number] if number < len(kinds) else None


def always(kind: str | None) -> Callable[[int, Request], str | None]:
    """Every request meets this fault."""
    return lambda *_: kind


def randomly(seed: int, share: float, kinds: Sequence[str]) -> Callable[[int, Request], str | None]:
    """This share of the requests meets one of these faults."""
    random = Random(seed)
    return lambda *_: random.choice(kinds) if random.random() < share else None


class Simulation:
    """The engine's transport: simulated time, and what happens on the way.

    :param faults: what the request of this number meets.
    :param latency: seconds from sending to the reply; HubSpot acts half way.
    """

    def __init__(
        self,
        hubspot: SimulatedHubSpot,
        *,
        faults: Callable[[int, Request], str | None] = always(None),  # noqa: B008 - it holds no state
        latency: float = 0.3,
        seed: int = 0,
    ) -> None:
        self.hubspot = hubspot
        self.requests: list[Request] = []
        self.at_submit: Callable[[int], None] = lambda _: None
        self.at_wait: Callable[[float], None] = lambda _: None
        self.in_flight = self.most_in_flight = 0
        self._faults = faults
        self._latency = latency
        self._random = Random(seed)
        self._now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._ended: list[Completion] = []
        self._woken = False

    # --- what the engine asks of a transport -----------------------------------------------------------------

    def now(self) -> float:
        """Simulated seconds."""
        return self._now

    def wake(self) -> None:
        """End the next ``wait`` at once."""
        self._woken = True

    def submit(self, tag: int, request: Request) -> None:
        """Send a request."""
        number = len(self.requests)
        self.requests.append(request)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        kind = self._faults(number, request)
        sent_at, latency = self._now, self._latency * self._random.uniform(0.5, 1.5)
        self._at(sent_at + latency / 2, lambda: self._arrive(tag, request, kind, sent_at, latency / 2))
        self.at_submit(number)

    def wait(self, timeout_seconds: float) -> list[Completion]:
        """Let time pass until a request has ended."""
        self.at_wait(timeout_seconds)
        assert not math.isnan(timeout_seconds)
        until = self._now + min(max(timeout_seconds, 0.0), 3_600.0)
        while not self._ended and not self._woken and self._events and self._events[0][0] <= until:
            self._now, _, action = heapq.heappop(self._events)
            action()
        if not self._ended and not self._woken:
            self._now = until
        self._woken = False
        ended, self._ended = self._ended, []
        self.in_flight -= len(ended)
        return ended

    # --- what happens ----------------------------------------------------------------------------------------

    def _at(self, time: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time, next(self._order), action))

    def _arrive(self, tag: int, request: Request, kind: str | None, sent_at: float, rest: float) -> None:
        if kind in _STATUS_BODIES:
            status, body = _STATUS_BODIES[kind]
            return self._reply(tag, sent_at, rest, Reply(status, {}, orjson.dumps(body)))
        match kind:
            case "refused" | "cut before":
                failure = FailureKind.REFUSED if kind == "refused" else FailureKind.CUT
                return self._fail(tag, sent_at, rest, failure)
            case "cut after":
                self.hubspot.answer(request)
                return self._fail(tag, sent_at, rest, FailureKind.CUT)
            case "timeout":
                if self._random.random() < 0.5:
                    self.hubspot.answer(request)
                return self._fail(tag, sent_at, 20.0, FailureKind.TIMEOUT)
            case "crash":
                return self._end(tag, sent_at, rest, crash=RuntimeError("no thread can send this"))
            case "html 502":
                return self._reply(tag, sent_at, rest, Reply(502, {}, b"<html>Bad gateway</html>"))
        headers = self.hubspot.counted(self._now)
        if headers is None:
            status, body = _STATUS_BODIES["429"]
            return self._reply(tag, sent_at, rest, Reply(status, {}, orjson.dumps(body)))
        status, raw = self._answer(request, kind)
        return self._reply(tag, sent_at, rest, Reply(status, headers, raw))

    def _answer(self, request: Request, kind: str | None) -> tuple[int, bytes]:
        """HubSpot's reply, spoilt as the fault says."""
        if kind in {"empty", "pending", "canceled", "error without a name"}:
            body: dict[str, Any] = {"status": "COMPLETE" if kind == "empty" else kind.upper(), "results": []}
            if kind == "error without a name":
                body = {"status": "COMPLETE", "results": [], "errors": [{"category": "INTERNAL_ERROR"}]}
            return 200, orjson.dumps(body)
        inputs = orjson.loads(request.body or b"{}").get("inputs", [])
        left_out = [inputs[0].get("id")] if inputs and kind == "left out unwritten" else []
        status, reply = self.hubspot.answer(request, left_out)
        if status >= 400:
            return status, orjson.dumps(reply)
        results = reply["results"]
        spoilt: dict[str, Any] = {
            "left out": {**reply, "results": results[1:]},
            "pending written": {"status": "PENDING", "results": []},
            "foreign": {**reply, "results": [{"id": "999999"}, *results[1:]]},
            "list": results,
        }
        if kind in {"no body", "html 200"}:
            return 200, b"" if kind == "no body" else b"<html>Welcome</html>"
        raw = orjson.dumps(spoilt.get(kind or "", reply))
        return status, raw[: len(raw) // 2] if kind == "half" else raw

    def _reply(self, tag: int, sent_at: float, after: float, reply: Reply) -> None:
        self._end(tag, sent_at, after, reply=reply)

    def _fail(self, tag: int, sent_at: float, after: float, kind: FailureKind) -> None:
        self._end(tag, sent_at, after, failure=kind, detail="simulated")

    def _end(self, tag: int, sent_at: float, after: float, **how: Any) -> None:
        ended_at = self._now + after
        self._at(ended_at, lambda: self._ended.append(Completion(tag, sent_at, ended_at, **how)))


@dataclass
class Run:
    """A sync over a simulation, and what came of it.

    :param outcomes: as they came.
    :param error: what it ended with.
    """

    sync: Engine
    simulation: Simulation
    costs: Costs
    dispatcher: Dispatcher
    outcomes: list[RowOutcome] = field(default_factory=list)
    error: BaseException | None = None
    at_outcome: Callable[[RowOutcome], None] = lambda _: None

    def drive(self) -> Run:
        """Run it to its end."""
        try:
            for outcome in self.sync.run():
                self.outcomes.append(outcome)
                self.at_outcome(outcome)
        except BaseException as error:  # noqa: BLE001 - what it ended with is looked at
            self.error = error
        return self

    def rows(self, status: Status) -> set[int]:
        """The rows with this outcome."""
        return {outcome.row for outcome in self.outcomes if outcome.status is status}


def make_run(
    simulation: Simulation,
    rows: Iterable[Input | RowOutcome],
    *,
    chunk: int = 1_000,
    seed: int = 0,
    tick: Callable[[Progress], None] = lambda _: None,
    verb: Verb | None = None,
    max_in_flight: int = 16,
    policy: RetryPolicy | None = None,
    **plan: Any,
) -> Run:
    """A sync of these rows, ready to be driven.

    :param chunk: rows that the source gives at once.
    :param verb: what is done with them; :func:`make_update` by default.
    :param plan: parameters of the update that it is otherwise, and further ones of the plan.
    """
    costs = Costs()
    dispatcher = Dispatcher(
        transport=simulation,
        pace=Pace(),
        random=Random(seed).random,
        max_in_flight=max_in_flight,
        policy=policy,
        costs=costs,
    )
    of_plan = {name: plan.pop(name) for name in [*plan] if name in Plan.__dataclass_fields__}
    validate_only = of_plan.get("validate_only", False)
    made = Plan(verb=verb or make_update(validate_only=validate_only, **plan), max_in_flight=max_in_flight, **of_plan)
    sync = Engine(made, _chunks(rows, chunk), dispatcher=dispatcher, transport=simulation, tick=tick)
    return Run(sync, simulation, costs, dispatcher)


def make_update(
    *,
    id_property: str | None = None,
    lookup: BatchReadLookup | None = None,
    missing_ok: bool = False,
    clears: bool = False,
    validate_only: bool = False,
) -> Update:
    """The update of contacts; with a lookup that reads values, of what has changed."""
    compares = lookup is not None and lookup.reads_values
    version = "2026-03"
    operation = BatchUpdate(object_type="contacts", api_version=version, id_property=id_property, clears=clears)
    return Update(
        object_type="contacts",
        api_version=version,
        operation=operation,
        lookup=lookup,
        missing_ok=missing_ok,
        skip_unchanged=compares,
        shows_changes=compares and validate_only,
    )


def _chunks(rows: Iterable[Input | RowOutcome], chunk: int) -> Iterable[list[Input | RowOutcome]]:
    iterator = iter(rows)
    while part := list(itertools.islice(iterator, chunk)):
        yield part
