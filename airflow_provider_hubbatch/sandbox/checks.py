"""Whether HubSpot takes a row's values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.sandbox.rules import PipelineRule, Problem, RowState
from airflow_provider_hubbatch.sandbox.schema import LIFECYCLE_STAGES
from airflow_provider_hubbatch.sandbox.values import InvalidValueError, stored_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_hubbatch.sandbox.definitions import PropertyDefinition
    from airflow_provider_hubbatch.sandbox.portal import Portal
    from airflow_provider_hubbatch.sandbox.store import Record, Table

CONFLICT = "CONFLICTING_UNIQUE_VALUE"
_NEW = "a new record"


class Checked:
    """A row's values as they would be stored, and what is wrong with the others.

    ``hidden`` are properties that the result doesn't show though they were sent.
    """

    __slots__ = ("hidden", "problems", "values", "warnings")

    def __init__(self) -> None:
        self.values: dict[str, str | None] = {}
        self.problems: list[Problem] = []
        self.warnings: list[dict[str, Any]] = []
        self.hidden: set[str] = set()


class Checker:
    """Checks the rows of one batch, one after the other: two of them can't claim one unique value.

    :param version: The API version: from 2026-09 on dates are normalised and admins' rules enforced.
    """

    def __init__(self, portal: Portal, table: Table, version: str) -> None:
        self._table = table
        self._behaviours = behaviours = portal.behaviours
        self._portal_id = portal.portal_id
        self._owners = portal.store.owners.active
        self._is_2026_09 = version >= "2026-09"
        self._most_characters = behaviours.max_value_characters
        self._refuses_white_space = behaviours.white_space == "refused"
        self._looks_at_texts = self._refuses_white_space or self._most_characters is not None
        enforces = self._is_2026_09 or behaviours.conditional_rules == "always"
        self._rules = [rule for rule in table.rules if enforces or not rule.is_admins]
        self._stages = {rule.stage for rule in self._rules if isinstance(rule, PipelineRule)}
        self._plain = frozenset[str]() if self._looks_at_texts else table.plain
        self._claims: dict[tuple[str, str], str] = {}

    def check(self, properties: Mapping[str, Any], record: Record | None) -> Checked:
        """What HubSpot makes of a row's properties.

        :param record: The record that the row updates; ``None`` for one yet to be created.
        """
        checked = Checked()
        definitions, null_clears = self._table.definitions, self._behaviours.null_clears
        plain, values = self._plain, checked.values
        for name, sent in properties.items():
            if name in plain and isinstance(sent, str):
                values[name] = sent
                continue
            if sent is None and not null_clears:
                continue
            definition = definitions.get(name)
            if definition is None or definition.archived:
                message = f'Property "{name}" does not exist'
                checked.problems.append(Problem("PROPERTY_DOESNT_EXIST", message, name))
            elif definition.is_read_only:
                self._refuse_read_only(name, checked)
            else:
                self._check_value(definition, sent if isinstance(sent, str) else _as_text(sent), record, checked)
        if self._rules:
            self._check_rules(properties, record, checked)
        return checked

    def _refuse_read_only(self, name: str, checked: Checked) -> None:
        if self._behaviours.read_only_writes == "refused":
            message = f'"{name}" is a read only property; its value cannot be set.'
            checked.problems.append(Problem("READ_ONLY_VALUE", message, name))
        else:
            checked.hidden.add(name)

    def _check_value(self, definition: PropertyDefinition, value: str, record: Record | None, checked: Checked) -> None:
        name = definition.name
        try:
            if self._looks_at_texts:
                self._refuse_text(definition, value)
            if name in self._stages:
                stored = value
            else:
                stored = stored_value(definition, value, owners=self._owners, normalise_dates=self._is_2026_09)
        except InvalidValueError as error:
            quoted = value if self._behaviours.errors_quote_value else "The value"
            checked.problems.append(Problem(error.error, error.message.replace("{value}", quoted), name))
            return
        if definition.field_type == "checkbox" and stored.startswith(";"):
            stored = _appended(record.properties.get(name) if record else None, stored)
        if name == "lifecyclestage" and record is not None and _moves_backward(record.properties.get(name), stored):
            self._leave_stage(checked)
            return
        if name in self._table.owners_of and stored and not self._claim(name, stored, record, checked):
            return
        if self._is_2026_09 and definition.type == "date" and stored != value:
            checked.warnings.append(_normalised(name))
        checked.values[name] = stored

    def _refuse_text(self, definition: PropertyDefinition, value: str) -> None:
        limit = self._most_characters
        if limit is not None and len(value) > limit:
            raise InvalidValueError("VALUE_TOO_LONG", f"The value is too long: the maximum is {limit} characters.")
        if self._refuses_white_space and definition.type != "string" and value != value.strip():
            raise InvalidValueError("LEADING_TRAILING_WHITESPACE", '"{value}" includes leading or trailing whitespace.')

    def _leave_stage(self, checked: Checked) -> None:
        match self._behaviours.lifecyclestage_backward:
            case "error":
                message = "Lifecycle stage can only be moved forward."
                checked.problems.append(Problem("INVALID_LIFECYCLE_STAGE", message, "lifecyclestage"))
            case "left_out":
                checked.hidden.add("lifecyclestage")

    def _claim(self, name: str, value: str, record: Record | None, checked: Checked) -> bool:
        own_id = record.id if record else _NEW
        owner = self._table.owner(name, value)
        taken_by = owner.id if owner is not None else self._claims.get((name, value))
        if taken_by is None or taken_by == own_id != _NEW:
            self._claims[name, value] = own_id
            return True
        quoted = value if self._behaviours.errors_quote_value else "..."
        coordinates = f"portalId={self._portal_id}, objectTypeId={self._table.object_type.object_type_id}"
        message = (
            f"Cannot set PropertyValueCoordinates{{{coordinates}, propertyName={name}, value={quoted}}} on {own_id}. "
            f"{taken_by} already has that value."
        )
        checked.problems.append(Problem(CONFLICT, message, name, None if taken_by == _NEW else taken_by))
        return False

    def _check_rules(self, properties: Mapping[str, Any], record: Record | None, checked: Checked) -> None:
        after = {**(record.properties if record else {}), **checked.values}
        row = RowState(properties, after, record is None, self._behaviours.errors_quote_value)
        for rule in self._rules:
            problem = rule.problem(row)
            if problem is not None:
                checked.problems.append(problem)


def _as_text(value: Any) -> str:
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
