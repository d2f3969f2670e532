"""The setting that says which records new ones are linked with from the start, checked as far as it can be alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_hubbatch.core.keys import is_record_id
from airflow_provider_hubbatch.core.properties import NAMES_QUOTED, describe_name, did_you_mean, is_name, nearest
from airflow_provider_hubbatch.core.protocol import checked_object_type
from airflow_provider_hubbatch.exceptions import SettingsError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_PARTS: Final = ("column", "id_property", "label")


@dataclass(frozen=True, slots=True)
class LinkSpec:
    """Which records of one object type new ones are linked with.

    :param column: the column that names the record; where it is empty, there is no link.
    :param id_property: the property whose values it holds; ``None``: record ids.
    :param label: the link's label, as HubSpot shows it from the new record's side; ``None``: the unlabeled link.
    """

    object_type: str
    column: str
    id_property: str | None = None
    label: str | None = None

    @property
    def setting(self) -> str:
        """What messages call it."""
        return f"links[{self.object_type!r}]"

    @property
    def where(self) -> str:
        """What messages about a row's link call it."""
        return f"the link to {self.object_type} (column {self.column!r})"


def links_checked(links: Any) -> tuple[LinkSpec, ...]:
    """The setting as the operator has it: ``{object type: column, or {"column", "id_property", "label"}}``.

    :raises SettingsError: one, that names each key that is wrong.
    """
    if links is None:
        return ()
    if not isinstance(links, Mapping) or not links:
        given = "an empty dict" if isinstance(links, Mapping) else f"a {type(links).__name__}"
        raise SettingsError(
            "links must be a dict {object type: column}, or {object type: {'column', 'id_property', 'label'}}, not "
            f"{given}. Leave it out to link nothing"
        )
    problems = [problem for object_type, given in links.items() for problem in _problems(object_type, given)]
    if problems:
        raise SettingsError("; ".join(problems))
    return tuple(_spec(object_type, given) for object_type, given in links.items())


def _spec(object_type: str, given: str | Mapping[str, str | None]) -> LinkSpec:
    if isinstance(given, str):
        return LinkSpec(object_type, given)
    id_property = given.get("id_property")
    return LinkSpec(
        object_type, str(given["column"]), None if is_record_id(id_property) else id_property, given.get("label")
    )


def _problems(object_type: Any, given: Any) -> Iterator[str]:
    setting = f"links[{object_type!r}]"
    try:
        checked_object_type(object_type, "links: the key")
    except SettingsError as error:
        yield str(error)
    if not isinstance(given, Mapping):
        if not is_name(given):
            yield f"{setting} must be a column's name, or a dict with 'column', not {describe_name(given)}"
        return
    for part in given:
        if part not in _PARTS:
            yield (
                f"{setting} has a key {part!r} that it can't have: its keys are {', '.join(map(repr, _PARTS))}"
                f"{did_you_mean(nearest(str(part), _PARTS))}"
            )
    if not is_name(given.get("column")):
        yield f"{setting}['column'] must be a column's name, not {describe_name(given.get('column'))}"
    for part, what in (("id_property", "a property's name or None"), ("label", "a label's name or None")):
        value = given.get(part)
        if value is not None and not is_name(value):
            yield f"{setting}[{part!r}] must be {what}, not {describe_name(value)}"


def unknown_label(label: str, labels: Collection[str], start: str, end: str) -> str:
    """That there is no such label, and which ones there are.

    :param start: the object type that links start from; ``end``: the other one.
    """
    known = sorted(labels)
    quoted = ", ".join(map(repr, known[:NAMES_QUOTED])) + (", ..." if len(known) > NAMES_QUOTED else "")
    there = f"there are: {quoted}" if known else "there is none"
    return f"links from {start} to {end} have no label {label!r} ({there}){did_you_mean(nearest(label, known))}"
