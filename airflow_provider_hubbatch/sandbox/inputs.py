"""From a request's body to its inputs, or to HubSpot's complaint about it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from airflow_provider_hubbatch.sandbox.replies import RefusedError, error_body, validation_error

if TYPE_CHECKING:
    from collections.abc import Iterable

# HubSpot: "limited to 100 inputs per request" (docs, Using object APIs)
MAX_INPUTS = 100
_NAMES = ("id", "idProperty", "objectWriteTraceId")


class Input(NamedTuple):
    """One object of a batch; ``None`` where the request left something out."""

    id: str | None
    properties: dict[str, Any] | None
    id_property: str | None = None
    trace_id: str | None = None
    associations: list[dict[str, Any]] | None = None


def parse_json(body: bytes) -> dict[str, Any]:
    """The body as a JSON object.

    :raises RefusedError: 400 "Invalid input JSON on line ..., column ..." for anything else.
    """
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _invalid_json(str(error.msg), line=error.lineno, column=error.colno) from None
    if not isinstance(parsed, dict):
        raise _invalid_json("Cannot deserialize an object from this value")
    return parsed


def parse_inputs(body: bytes) -> list[Input]:
    """The inputs of a batch.

    :raises RefusedError: 400 if the body is no JSON, of another shape, or has more than 100 inputs.
    """
    return read_inputs(parse_json(body))


def read_inputs(parsed: dict[str, Any]) -> list[Input]:
    """The inputs of a batch whose body is parsed already; errors as :func:`parse_inputs`."""
    return [_input(item) for item in read_items(parsed)]


def read_items(parsed: dict[str, Any], *, most: int = MAX_INPUTS) -> list[dict[str, Any]]:
    """The inputs of a batch as they are.

    :raises RefusedError: 400 for anything but a list of objects, or for more than ``most``.
    """
    items = parsed.get("inputs")
    if not isinstance(items, list):
        raise _invalid_json("Cannot deserialize a list from the value of inputs")
    if len(items) > most:
        raise validation_error(
            f"The maximum number of inputs supported in a batch is {most}. The batch had {len(items)}."
        )
    if not all(isinstance(item, dict) for item in items):
        raise _invalid_json("Cannot deserialize an input from this value")
    return items


def read_object(item: dict[str, Any], key: str) -> dict[str, Any]:
    """An object in an input, as ``from`` of a link.

    :raises RefusedError: 400 for anything else.
    """
    value = item.get(key)
    if not isinstance(value, dict):
        raise _invalid_json(f"Cannot deserialize an object from the value of {key}")
    return value


def parse_creates(body: bytes) -> list[Input]:
    """The inputs of a create, with the links that they ask for; errors as :func:`parse_inputs`."""
    items = read_items(parse_json(body))
    return [_input(item)._replace(associations=read_associations(item)) for item in items]


def read_associations(item: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The links that a new record is to have from the start.

    :raises RefusedError: 400 for anything but a list of objects.
    """
    links = item.get("associations")
    if links is None:
        return None
    if not isinstance(links, list) or not all(isinstance(link, dict) for link in links):
        raise _invalid_json("Cannot deserialize a list of associations from the value of associations")
    return links


def read_names(parsed: dict[str, Any], key: str) -> list[str]:
    """A list of names in a body, as ``properties`` of batch/read.

    :raises RefusedError: 400 for anything else.
    """
    names = parsed.get(key) or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _invalid_json(f"Cannot deserialize a list of strings from the value of {key}")
    return names


def refuse_duplicates(inputs: list[Input]) -> None:
    """Refuses a batch that names an id twice; two writings of one email are one.

    :raises RefusedError: 400, naming the ids.
    """
    if len({(item.id_property, item.id) for item in inputs}) == len(inputs) and not any(
        item.id_property == "email" for item in inputs
    ):
        return
    refuse_twice((item.id_property, item.id) for item in inputs if item.id is not None)


def refuse_twice(named: Iterable[tuple[str | None, str]]) -> None:
    """Refuses a batch in which a property has a value twice.

    :param named: Each property (``None``: the record id) with each value that a row has of it.
    :raises RefusedError: 400, naming the values.
    """
    counts = Counter((name, value.lower() if name == "email" else value) for name, value in named)
    twice = [value for (_, value), count in counts.items() if count > 1]
    if twice:
        message = f"Duplicate IDs found in batch input: [{', '.join(twice)}]. IDs must be unique"
        raise validation_error(message, context={"ids": twice})


def read_properties(item: dict[str, Any]) -> dict[str, Any] | None:
    """The ``properties`` of an input or of a body.

    :raises RefusedError: 400 for anything but texts, numbers, booleans and nulls by name.
    """
    properties = item.get("properties")
    if properties is None:
        return None
    if not isinstance(properties, dict):
        raise _invalid_json("Cannot deserialize a map from the value of properties")
    for value in properties.values():
        if not isinstance(value, str) and isinstance(value, (dict, list)):
            raise _invalid_json("Cannot deserialize a string from the value of a property")
    return properties


def _input(item: dict[str, Any]) -> Input:
    properties = read_properties(item)
    named = [item.get(key) for key in _NAMES]
    if not all(name is None or isinstance(name, str) for name in named):
        named = [read_text(item, key) for key in _NAMES]
    record_id, id_property, trace_id = named
    return Input(record_id, properties, id_property, trace_id)


def read_text(item: dict[str, Any], key: str) -> str | None:
    """A text in a body; numbers and booleans are taken as their text.

    :raises RefusedError: 400 for lists and objects.
    """
    value = item.get(key)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (dict, list)):
        raise _invalid_json(f"Cannot deserialize a string from the value of {key}")
    return str(value)


def _invalid_json(reason: str, *, line: int = 1, column: int = 1) -> RefusedError:
    return RefusedError(400, error_body(f"Invalid input JSON on line {line}, column {column}: {reason}"))
