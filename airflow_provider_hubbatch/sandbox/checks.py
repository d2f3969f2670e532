"""Whether HubSpot takes a row's values, and the error it gives for those that it doesn't."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from airflow_provider_hubbatch.sandbox.replies import RefusedError, error_body, validation_error
from airflow_provider_hubbatch.sandbox.schema import LIFECYCLE_STAGES, PropertyDefinition
from airflow_provider_hubbatch.sandbox.values import InvalidValueError, stored_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_provider_hubbatch.sandbox.behaviours import Behaviours
    from airflow_provider_hubbatch.sandbox.store import Record, Table

CONFLICT = "CONFLICTING_UNIQUE_VALUE"
CONDITIONAL = "MISSING_CONDITIONAL_REQUIRED_PROPERTY"


class Problem(NamedTuple):
    """Why HubSpot refuses one property of a row."""

    error: str
    message: str
    name: str
    existing_id: str | None = None


@dataclass(slots=True)
class Checked:
    """A row's values as they would be stored, and what is wrong with the others."""

    values: dict[str, str | None] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)


class Checker:
    """Checks the rows of one batch, one after the other: two of them can't claim one unique value.

    :param version: The API version: from 2026-09 on dates are normalised and conditional rules enforced.
    """

    def __init__(self, table: Table, behaviours: Behaviours, *, version: str, portal_id: int) -> None:
        self._table = table
        self._behaviours = behaviours
        self._is_2026_09 = version >= "2026-09"
        self._portal_id = portal_id
        self._claims: dict[tuple[str, str], str] = {}

    def check(self, properties: Mapping[str, Any], record: Record | None) -> Checked:
        """What HubSpot makes of a row's properties.

        :param record: The record that the row updates; ``None`` for one yet to be created.
        """
        checked = Checked()
        for name, sent in properties.items():
            if sent is None and not self._behaviours.null_clears:
                continue
            value = _as_text(sent)
            definition = self._table.definitions.get(name)
            if definition is None or definition.archived:
                message = f'Property "{name}" does not exist'
                checked.problems.append(Problem("PROPERTY_DOESNT_EXIST", message, name))
            elif definition.is_read_only:
                if self._behaviours.read_only_writes == "refused":
                    message = f'"{name}" is a read only property; its value cannot be set.'
                    checked.problems.append(Problem("READ_ONLY_VALUE", message, name))
            else:
                self._check_value(definition, value, record, checked)
        if self._is_2026_09 and self._table.rules:
            self._check_rules(record, checked)
        return checked

    def _check_value(self, definition: PropertyDefinition, value: str, record: Record | None, checked: Checked) -> None:
        name = definition.name
        try:
            _refuse_longer(value, self._behaviours.max_value_characters)
            stored = stored_value(definition, value, normalise_dates=self._is_2026_09)
        except InvalidValueError as error:
            quoted = value if self._behaviours.errors_quote_value else "The value"
            checked.problems.append(Problem(error.error, error.message.replace("{value}", quoted), name))
            return
        if definition.field_type == "checkbox" and stored.startswith(";"):
            stored = _appended(record.properties.get(name) if record else None, stored)
        if name == "lifecyclestage" and record is not None and _moves_backward(record.properties.get(name), stored):
            if self._behaviours.lifecyclestage_backward == "error":
                message = "Lifecycle stage can only be moved forward."
                checked.problems.append(Problem("INVALID_LIFECYCLE_STAGE", message, name))
            return
        if name in self._table.owners_of and stored and not self._claim(name, stored, record, checked):
            return
        if self._is_2026_09 and definition.type == "date" and stored != value:
            checked.warnings.append(_normalised(name))
        checked.values[name] = stored

    def _claim(self, name: str, value: str, record: Record | None, checked: Checked) -> bool:
        own_id = record.id if record else "a new record"
        owner = self._table.owner(name, value)
        taken_by = owner.id if owner is not None else self._claims.get((name, value))
        if taken_by is None or taken_by == own_id != "a new record":
            self._claims[name, value] = own_id
            return True
        quoted = value if self._behaviours.errors_quote_value else "..."
        coordinates = f"portalId={self._portal_id}, objectTypeId={self._table.object_type.object_type_id}"
        message = (
            f"Cannot set PropertyValueCoordinates{{{coordinates}, propertyName={name}, value={quoted}}} on {own_id}. "
            f"{taken_by} already has that value."
        )
        checked.problems.append(Problem(CONFLICT, message, name, taken_by))
        return False

    def _check_rules(self, record: Record | None, checked: Checked) -> None:
        after = {**(record.properties if record else {}), **checked.values}
        for rule in self._table.rules:
            if after.get(rule.when_property) == rule.when_value and not after.get(rule.required):
                message = f'Property "{rule.required}" is required when "{rule.when_property}" is "{rule.when_value}".'
                checked.problems.append(Problem(CONDITIONAL, message, rule.required))


def refusal(problems: Iterable[Problem], table: Table, behaviours: Behaviours) -> RefusedError:
    """The error for rows with these problems; each is named once however many rows have it."""
    distinct = list(dict.fromkeys(problems))
    if all(problem.error == CONFLICT for problem in distinct):
        return _conflict(distinct[0], table, behaviours)
    if behaviours.errors_name_nothing:
        return validation_error("Property values were not valid")
    listed = [
        {"isValid": False, "message": problem.message, "error": problem.error, "name": problem.name}
        for problem in distinct
    ]
    message = "Property values were not valid: " + orjson.dumps(listed).decode()
    conditional = all(problem.error == CONDITIONAL for problem in distinct)
    category = CONDITIONAL if conditional else "VALIDATION_ERROR"
    return RefusedError(400, error_body(message, category, errors=_details(distinct, behaviours)))


def _conflict(problem: Problem, table: Table, behaviours: Behaviours) -> RefusedError:
    if behaviours.unique_conflict == CONFLICT:
        return validation_error(problem.message, errors=_details([problem], behaviours))
    message = f"{table.object_type.singular} already exists. Existing ID: {problem.existing_id}"
    return RefusedError(409, error_body(message, behaviours.unique_conflict))


def _details(problems: list[Problem], behaviours: Behaviours) -> list[dict[str, Any]]:
    if behaviours.error_details == "none":
        return []
    shown = problems[:1] if behaviours.error_details == "first" else problems
    return [
        {"message": problem.message, "code": problem.error, "context": {"propertyName": [problem.name]}}
        for problem in shown
    ]


def _refuse_longer(value: str, limit: int | None) -> None:
    if limit is not None and len(value) > limit:
        raise InvalidValueError("VALUE_TOO_LONG", f"The value is too long: the maximum is {limit} characters.")


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _appended(before: str | None, addition: str) -> str:
    chosen = [*(before or "").split(";"), *addition.split(";")]
    return ";".join(dict.fromkeys(value for value in chosen if value))


def _moves_backward(before: str | None, after: str) -> bool:
    if not after or before not in LIFECYCLE_STAGES or after not in LIFECYCLE_STAGES:
        return False
    return LIFECYCLE_STAGES.index(after) < LIFECYCLE_STAGES.index(before)


def _normalised(name: str) -> dict[str, Any]:
    return {
        "category": "PROPERTY_VALUE_NORMALIZED",
        "message": f"The value of {name} was normalized.",
        "context": {"propertyName": [name]},
    }
