"""CRM search."""

from __future__ import annotations

import re
from datetime import datetime
from fnmatch import fnmatchcase
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_hubbatch.sandbox.endpoints.batch import shows_nulls
from airflow_provider_hubbatch.sandbox.inputs import parse_json, read_names, read_text
from airflow_provider_hubbatch.sandbox.replies import Reply, json_reply, validation_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airflow_provider_hubbatch.sandbox.definitions import PropertyDefinition
    from airflow_provider_hubbatch.sandbox.portal import Call, Portal
    from airflow_provider_hubbatch.sandbox.store import Record, Table

# HubSpot: "Paging, limits and rate limits" (docs, Search the CRM)
MAX_PAGE = 200
MAX_RESULTS = 10_000
MAX_GROUPS = 5
MAX_FILTERS = 6
MAX_VALUES = 100

Comparable = str | float
Found = tuple["Record", "Mapping[str, str | None]"]


class Filter(NamedTuple):
    """One condition.

    :param name: The property.
    :param operands: What its value is compared with, in the form of :func:`_comparable`.
    """

    name: str
    definition: PropertyDefinition
    matches: Callable[[Comparable | None, list[Comparable]], bool]
    operands: list[Comparable]

    def holds(self, record: Record, values: Mapping[str, str | None]) -> bool:
        """Whether a record meets it."""
        value = values.get(self.name) or record.value(self.name)
        return self.matches(_comparable(self.definition, value), self.operands)


def search(portal: Portal, call: Call) -> Reply:
    """The records that meet all filters of a group, as far as search has seen them."""
    table = portal.table(call)
    body = parse_json(call.body)
    limit, after = _page(body)
    groups = _groups(body, table, any_case=portal.behaviours.search_text == "any_case")
    query = (read_text(body, "query") or "").casefold()
    found = _sorted(body, table, [
        (record, values)
        for record, values in portal.store.lag.seen(table)
        if (not groups or any(all(one.holds(record, values) for one in group) for group in groups))
        and (not query or any(query in (value or "").casefold() for value in values.values()))
    ])  # fmt: skip
    names, nulls = _shown(body, table), shows_nulls(portal, call.version)
    page = list(islice(found, after, after + limit))
    reply: dict[str, Any] = {
        "total": len(found),
        "results": [_as_seen(record, values, names, nulls=nulls) for record, values in page],
    }
    if after + limit < len(found):
        reply["paging"] = {"next": {"after": str(after + limit)}}
    return json_reply(200, reply)


def _page(body: dict[str, Any]) -> tuple[int, int]:
    limit, after = read_text(body, "limit") or "10", read_text(body, "after") or "0"
    if not (limit.isdigit() and 1 <= int(limit) <= MAX_PAGE):
        raise validation_error(f"limit must be between 1 and {MAX_PAGE}")
    if not after.isdigit() or int(after) >= MAX_RESULTS:
        raise validation_error(f"Paging past {MAX_RESULTS} results is not possible", errors=[{"message": "after"}])
    return min(int(limit), MAX_RESULTS - int(after)), int(after)


def _groups(body: dict[str, Any], table: Table, *, any_case: bool) -> list[list[Filter]]:
    given = _objects(body, "filterGroups")
    alone = _objects(body, "filters")
    groups = [_objects(group, "filters") for group in given] + ([alone] if alone else [])
    if len(groups) > MAX_GROUPS or any(len(group) > MAX_FILTERS for group in groups):
        raise validation_error(f"At most {MAX_GROUPS} filter groups of at most {MAX_FILTERS} filters are supported")
    return [[_filter(one, table, any_case=any_case) for one in group] for group in groups]


def _objects(body: dict[str, Any], key: str) -> list[dict[str, Any]]:
    items = body.get(key) or []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise validation_error(f"{key} must be a list of objects")
    return items


def _filter(given: dict[str, Any], table: Table, *, any_case: bool) -> Filter:
    name, operator = read_text(given, "propertyName") or "", read_text(given, "operator") or ""
    definition = table.definitions.get(name)
    if definition is None:
        details = [
            {
                "message": f'Property "{name}" does not exist',
                "code": "PROPERTY_DOESNT_EXIST",
                "context": {"propertyName": [name]},
            }
        ]
        raise validation_error("There was a problem with the request.", errors=details)
    if operator not in _OPERATORS:
        raise validation_error(f"Invalid operator {operator}")
    operands = _operands(given, operator)
    if operator in {"IN", "NOT_IN"} and definition.type == "string" and not any_case:
        # HubSpot: "when searching string properties, values must be lowercase" (docs, Search the CRM: IN, NOT_IN)
        operands = [operand for operand in operands if operand == operand.lower()]
    wanted = [_comparable(definition, operand) for operand in operands]
    return Filter(name, definition, _OPERATORS[operator], [one for one in wanted if one is not None])


def _operands(given: dict[str, Any], operator: str) -> list[str]:
    if operator in {"IN", "NOT_IN"}:
        values = read_names(given, "values")
        if not 1 <= len(values) <= MAX_VALUES:
            raise validation_error(f"{operator} takes 1 to {MAX_VALUES} values")
        return values
    if operator in {"HAS_PROPERTY", "NOT_HAS_PROPERTY"}:
        return []
    keys = ("value", "highValue") if operator == "BETWEEN" else ("value",)
    operands = [read_text(given, key) for key in keys]
    if None in operands:
        raise validation_error(f"{operator} needs {' and '.join(keys)}")
    return [operand for operand in operands if operand is not None]


def _comparable(definition: PropertyDefinition, value: str | None) -> Comparable | None:
    """A value as search compares it: numbers and times by size, texts without case and outer white space."""
    if not value:
        return None
    if definition.type == "number":
        try:
            return float(value)
        except ValueError:
            return value
    if definition.type in {"date", "datetime"}:
        return _milliseconds(value)
    return value if definition.type in {"enumeration", "bool"} else value.strip().casefold()


def _milliseconds(value: str) -> Comparable:
    try:
        return float(value)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(value if "T" in value else value + "T00:00:00+00:00")
    except ValueError:
        return value
    return moment.timestamp() * 1000


def _compared(test: Callable[[Any, list[Any]], bool]) -> Callable[[Comparable | None, list[Comparable]], bool]:
    def matches(value: Comparable | None, operands: list[Comparable]) -> bool:
        if value is None or any(type(operand) is not type(value) for operand in operands):
            return False
        return bool(operands) and test(value, operands)

    return matches


def _contains_token(value: Comparable | None, operands: list[Comparable]) -> bool:
    tokens = re.findall(r"[^\s@]+|@[^\s]+", str(value or ""))
    return any(fnmatchcase(token, str(operand)) for token in [*tokens, str(value or "")] for operand in operands)


_OPERATORS: dict[str, Callable[[Comparable | None, list[Comparable]], bool]] = {
    "EQ": lambda value, operands: value in operands,
    "NEQ": lambda value, operands: value is not None and value not in operands,
    "IN": lambda value, operands: value in operands,
    "NOT_IN": lambda value, operands: value is not None and value not in operands,
    "HAS_PROPERTY": lambda value, _: value is not None,
    "NOT_HAS_PROPERTY": lambda value, _: value is None,
    "LT": _compared(lambda value, operands: value < operands[0]),
    "LTE": _compared(lambda value, operands: value <= operands[0]),
    "GT": _compared(lambda value, operands: value > operands[0]),
    "GTE": _compared(lambda value, operands: value >= operands[0]),
    "BETWEEN": _compared(lambda value, operands: operands[0] <= value <= operands[-1]),
    "CONTAINS_TOKEN": _contains_token,
    "NOT_CONTAINS_TOKEN": lambda value, operands: not _contains_token(value, operands),
}


def _sorted(body: dict[str, Any], table: Table, found: list[Found]) -> list[Found]:
    sorts = body.get("sorts") or []
    if not isinstance(sorts, list) or len(sorts) > 1:
        raise validation_error("sorts takes one property")
    for sort in sorts:
        given = sort if isinstance(sort, dict) else {"propertyName": str(sort)}
        name = read_text(given, "propertyName") or ""
        definition = table.definitions.get(name.removeprefix("-"))
        if definition is None:
            raise validation_error(f'Property "{name}" does not exist')
        descends = given.get("direction") == "DESCENDING" or name.startswith("-")
        found = sorted(found, key=lambda one: _sort_key(definition, *one), reverse=descends)
    return found


def _sort_key(definition: PropertyDefinition, record: Record, values: Mapping[str, str | None]) -> tuple[int, Any]:
    value = _comparable(definition, values.get(definition.name) or record.value(definition.name))
    return (0, "") if value is None else (1, value) if isinstance(value, float) else (2, value)


def _shown(body: dict[str, Any], table: Table) -> list[str]:
    asked = [name for name in read_names(body, "properties") if name in table.definitions]
    return [*(asked or table.object_type.default_properties), *table.kept_by_hubspot()]


def _as_seen(record: Record, values: Mapping[str, str | None], names: list[str], *, nulls: bool) -> dict[str, Any]:
    shown = record.as_json(names, nulls=nulls)
    if values is not record.properties:
        shown["properties"] |= dict(_values_seen(values, names))
    return shown


def _values_seen(values: Mapping[str, str | None], names: list[str]) -> Iterator[tuple[str, str | None]]:
    return ((name, values[name]) for name in names if name in values)
