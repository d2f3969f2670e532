"""HubSpot's words for rows whose values it doesn't take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from airflow_provider_hubbatch.sandbox.checks import CONFLICT
from airflow_provider_hubbatch.sandbox.replies import RefusedError, error_body, validation_error
from airflow_provider_hubbatch.sandbox.rules import CONDITIONAL, REQUIRED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_hubbatch.sandbox.behaviours import Behaviours
    from airflow_provider_hubbatch.sandbox.rules import Problem
    from airflow_provider_hubbatch.sandbox.store import Table

_LACKING = frozenset({CONDITIONAL, REQUIRED})


def refusal(problems: Iterable[Problem], table: Table, behaviours: Behaviours) -> RefusedError:
    """The error for rows with these problems; each is named once however many rows have it."""
    distinct = list(dict.fromkeys(problems))
    if all(problem.error == CONFLICT for problem in distinct):
        return _conflict(distinct[0], table, behaviours)
    if behaviours.errors_name_nothing:
        return validation_error("Property values were not valid")
    details = _details(distinct, behaviours)
    # HubSpot: an admin's rule is told in errors[] (changelog of 2026-09); no example has a message beside them
    if details and all(problem.error in _LACKING for problem in distinct):
        return validation_error(None, errors=details)
    listed = [
        {"isValid": False, "message": problem.message, "error": problem.error, "name": problem.name}
        for problem in distinct
    ]
    return validation_error("Property values were not valid: " + orjson.dumps(listed).decode(), errors=details)


def _conflict(problem: Problem, table: Table, behaviours: Behaviours) -> RefusedError:
    if behaviours.unique_conflict == CONFLICT:
        return validation_error(problem.message, errors=_details([problem], behaviours))
    message = f"{table.object_type.singular} already exists"
    if problem.existing_id is not None:
        message += f". Existing ID: {problem.existing_id}"
    return RefusedError(409, error_body(message, behaviours.unique_conflict))


def _details(problems: list[Problem], behaviours: Behaviours) -> list[dict[str, Any]]:
    if behaviours.error_details == "none":
        return []
    shown = problems[:1] if behaviours.error_details == "first" else problems
    return [
        {"message": problem.message, "code": problem.error, "context": {"propertyName": [problem.name]}}
        for problem in shown
    ]
