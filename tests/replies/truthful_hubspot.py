"""A HubSpot that tells the truth untidily: it refuses rows for what they are, and says of it what it likes.

Contacts with a unique ``ext``, an ``email`` (and secondary ones), and rules of every kind: a value that is right in no
row, a stage that is right in some pipelines, a property that another one makes required, a value that another record
has.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

import orjson

from tests.replies.scripted_hubspot import Answer

PLANS = ["free", "pro", "closed"]
STAGES = {"sales": ["new", "won"], "support": ["new", "solved"]}
DEFINITIONS: list[dict[str, Any]] = [
    {"name": "ext", "type": "string", "hasUniqueValue": True},
    {"name": "email", "type": "string"},
    {"name": "city", "type": "string"},
    {"name": "tax_number", "type": "string", "hasUniqueValue": True},
    {"name": "plan", "type": "enumeration", "options": [{"value": one} for one in PLANS]},
    {"name": "pipeline", "type": "enumeration", "externalOptions": True},
    {"name": "stage", "type": "enumeration", "externalOptions": True},
    {"name": "employees", "type": "number"},
    {"name": "reason", "type": "string"},
]


class Problem(NamedTuple):
    """Why a row is refused."""

    name: str
    code: str
    message: str
    other: str | None = None


@dataclass
class TruthfulHubSpot:
    """Records and rules, and a manner of telling.

    :param records: by record id.
    :param says: what the refusal of a batch holds: any of ``ids``, ``trace ids``, ``list`` (the JSON list in its
        message), ``details`` (``errors``), ``first`` (of those only the first problem), ``quotes`` (values are quoted).
    :param isolates: a bad row costs only itself, in a 2xx, named by its trace id.
    :param names_other: a conflict names the record that has the value, in ``context.ids``.
    :param tells: of the rows that were written, how many stand in ``results``.
    :param echoes: ``trace``, ``key``: what results repeat.
    :param not_found: keys that no record has: ``errors`` (2xx), ``404`` or ``coordinates``.
    """

    records: dict[str, dict[str, str]]
    says: frozenset[str] = frozenset({"list", "quotes"})
    isolates: bool = False
    names_other: bool = False
    tells: float = 1.0
    echoes: frozenset[str] = frozenset()
    not_found: str = "errors"
    seed: int = 0
    written: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)
    missing: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._random = Random(self.seed)

    def answer(self, verb: str, body: dict[str, Any]) -> Answer:
        """Carry a request out."""
        return self._read(body) if verb == "read" else self._update(body["inputs"])

    def problems(self, record: dict[str, str], sent: dict[str, str], own_id: str) -> list[Problem]:
        """What is wrong with a row for this record."""
        after, found = {**record, **sent}, []
        if sent.get("plan", "") not in ("", *PLANS):
            found.append(
                self._problem("plan", "INVALID_OPTION", sent["plan"], "was not one of the allowed options: [free]")
            )
        if sent.get("employees", "") and not sent["employees"].isdigit():
            found.append(self._problem("employees", "INVALID_INTEGER", sent["employees"], "is not a valid integer"))
        if {"stage", "pipeline"} & set(sent) and after.get("stage") not in (None, *STAGES[after["pipeline"]]):
            told = f"is not a valid pipeline stage ID. Valid options are: pipelineId={after['pipeline']} : [new]"
            found.append(self._problem("stage", "INVALID_OPTION", after["stage"], told))
        if after.get("plan") == "closed" and not after.get("reason"):
            code = "MISSING_CONDITIONAL_REQUIRED_PROPERTY"
            found.append(Problem("reason", code, 'Property "reason" is required when "plan" is "closed".'))
        taken = next(
            (one for one, held in self.records.items() if held.get("tax_number") == sent.get("tax_number")), own_id
        )
        if sent.get("tax_number") and taken != own_id:
            found.append(Problem("tax_number", "CONFLICTING_UNIQUE_VALUE", f"{taken} already has that value.", taken))
        return found

    def _problem(self, name: str, code: str, value: str, words: str) -> Problem:
        return Problem(name, code, f"{value if 'quotes' in self.says else 'The value'} {words}")

    def _update(self, inputs: list[dict[str, Any]]) -> Answer:
        assert len({one["id"] for one in inputs}) == len(inputs) <= 100
        found = [(one, self._find(one["id"], one.get("idProperty"))) for one in inputs]
        absent = [one for one, record_id in found if record_id is None]
        self.missing.update(int(one["objectWriteTraceId"]) for one in absent)
        if absent and self.not_found != "errors":
            return self._none_of(absent)
        bad: list[tuple[dict[str, Any], str, list[Problem]]] = []
        good: list[tuple[dict[str, Any], str, list[Problem]]] = []
        for one, record_id in found:
            if record_id is not None:
                problems = self.problems(self.records[record_id], one["properties"], record_id)
                (bad if problems else good).append((one, record_id, problems))
        self.refused.update(int(one["objectWriteTraceId"]) for one, _, _ in bad)
        errors = [self._refusal(list(problems), [one]) for one, _, problems in bad]
        if bad and not self.isolates:
            problems = [problem for _, _, some in bad for problem in some]
            return Answer(400, self._refusal(problems, [one for one, _, _ in bad]))
        results = [self._write(one, record_id) for one, record_id, _ in good]
        if absent:
            errors.append(self._absence(absent))
        self._random.shuffle(results)
        kept = [one for one in results if self._random.random() < self.tells]
        return Answer(200, {"status": "COMPLETE", "results": kept, "errors": errors})

    def _write(self, one: dict[str, Any], record_id: str) -> dict[str, Any]:
        self.records[record_id].update(one["properties"])
        self.written.add(int(one["objectWriteTraceId"]))
        result: dict[str, Any] = {
            "id": record_id,
            "properties": {"createdate": "2026-01-01"},
            "updatedAt": "2026-01-01",
        }
        if "trace" in self.echoes:
            result["objectWriteTraceId"] = one["objectWriteTraceId"]
        if "key" in self.echoes:
            result["properties"] |= {"ext": self.records[record_id]["ext"]}
        return result

    def _refusal(self, problems: list[Problem], inputs: list[dict[str, Any]]) -> dict[str, Any]:
        shown = problems[:1] if "first" in self.says else problems
        others = [problem.other for problem in problems if problem.other]
        error: dict[str, Any] = {
            "status": "error",
            "category": "VALIDATION_ERROR",
            "message": "not valid",
            "context": {},
        }
        is_conflict = bool(others) and len(others) == len(problems)
        if is_conflict:
            error |= {"category": "CONFLICT", "message": f"Contact already exists. Existing ID: {others[0]}"}
        elif "list" in self.says:
            listed = [{"isValid": False, "error": one.code, "name": one.name, "message": one.message} for one in shown]
            error["message"] = "Property values were not valid: " + orjson.dumps(listed).decode()
        if "details" in self.says:
            error["errors"] = [
                {"message": one.message, "code": one.code, "context": {"propertyName": [one.name]}} for one in shown
            ]
        if is_conflict and self.names_other:
            error["context"]["ids"] = others[:1]
        elif "ids" in self.says and not others:
            error["context"]["ids"] = [one["id"] for one in inputs]
        if self.isolates or "trace ids" in self.says:
            error["context"]["objectWriteTraceId"] = [one["objectWriteTraceId"] for one in inputs]
        return error

    def _read(self, body: dict[str, Any]) -> Answer:
        results, absent = {}, []
        for one in body["inputs"]:
            record_id = self._find(one["id"], body.get("idProperty"))
            if record_id is None:
                absent.append(one)
            else:
                held = self.records[record_id]
                results[record_id] = {
                    "id": record_id,
                    "properties": {name: held.get(name) for name in body["properties"]},
                }
        if absent and (self.not_found == "coordinates" or not results):
            return self._none_of(absent)
        shown = list(results.values())
        self._random.shuffle(shown)
        errors = [self._absence(absent)] if absent else []
        return Answer(207, {"status": "COMPLETE", "results": shown, "errors": errors})

    def _find(self, name: str, id_property: str | None) -> str | None:
        if id_property is None:
            return name if name in self.records else None
        for record_id, held in self.records.items():
            if held.get(id_property) == name:
                return record_id
            if id_property == "email" and name in held.get("hs_additional_emails", "").split(";"):
                return record_id
        return None

    def _none_of(self, absent: list[dict[str, Any]]) -> Answer:
        error = {"status": "error", "category": "OBJECT_NOT_FOUND", "message": "no such objects", "context": {}}
        if self.not_found == "coordinates":
            places = [f"<0-1:ext>:{one['id']}" for one in absent]
            context = {"missingObjectPropertyValueCoordinates": places}
            return Answer(400, error | {"category": "VALIDATION_ERROR", "context": context})
        return Answer(404, error)

    def _absence(self, absent: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "category": "OBJECT_NOT_FOUND",
            "message": "no such objects",
            "context": {"ids": [one["id"] for one in absent]},
        }
