"""HubSpot's words for rows whose values it doesn't take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from airflow_provider_hubbatch.sandbox.checks import CONFLICT
from airflow_provider_hubbatch.sandbox.newcomers import INVALID_ASSOCIATION
from airflow_provider_hubbatch.sandbox.replies import RefusedError, error_body, validation_error
from airflow_provider_hubbatch.sandbox.rules import CONDITIONAL, REQUIRED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_hubbatch.sandbox.behaviours import Behaviours
    from airflow_provider_hubbatch.sandbox.rules import Problem
    from airflow_provider_hubbatch.sandbox.store import Table

_LACKING = frozenset({CONDITIONAL, REQUIRED})


def refusal(
    problems: Sequence[Problem], table: Table, behaviours: Behaviours, *, makes: bool = False, rows: int = 1
) -> RefusedError:
    """The error for rows with these problems.

    :param makes: Whether the rows may make records: a key that exists is a 409 then, and problems are repeated.
    :param rows: How many rows the request has, if the error is about all of it.
    """
    if not makes:
        problems = list(dict.fromkeys(problems))
    if all(problem.error == CONFLICT for problem in problems):
        return _conflict(problems[0], table, behaviours, makes=makes, rows=rows)
    if behaviours.errors_name_nothing:
        return validation_error("Property values were not valid")
    details = _details(problems, behaviours)
    if any(problem.error == INVALID_ASSOCIATION for problem in problems):
        return validation_error("one or more associations are not valid", errors=details)
    # HubSpot: an admin's rule is told in errors[] (changelog of 2026-09); no example has a message beside them
    if details and all(problem.error in _LACKING for problem in problems):
        return validation_error(None, errors=details)
    listed = [
        {"isValid": False, "message": problem.message, "error": problem.error, "name": problem.name}
        for problem in problems
    ]
    return validation_error("Property values were not valid: " + orjson.dumps(listed).decode(), errors=details)


def _conflict(problem: Problem, table: Table, behaviours: Behaviours, *, makes: bool, rows: int) -> RefusedError:
    category = behaviours.unique_conflict
    if category == CONFLICT:
        if not makes:
            return validation_error(problem.message, errors=_details([problem], behaviours))
        category = "CONFLICT"
    message = f"{table.object_type.singular} already exists"
    if problem.existing_id is not None and (rows == 1 or not makes):
        message += f". Existing ID: {problem.existing_id}"
    return RefusedError(409, error_body(message, category))


def _details(problems: Sequence[Problem], behaviours: Behaviours) -> list[dict[str, Any]]:
    if behaviours.error_details == "none":
        return []
    shown = problems[:1] if behaviours.error_details == "first" else problems
    return [
        {"message": problem.message, "code": problem.error, "context": {"propertyName": [problem.name]}}
        for problem in shown
    ]
