"""The settings that say what a row's columns are, checked as far as they can be without rows and definitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, get_args

from airflow_provider_hubbatch.core.keys import IdUse, is_record_id, refusal_of_record_ids
from airflow_provider_hubbatch.core.properties import describe_name, is_name
from airflow_provider_hubbatch.core.values import NullValues
from airflow_provider_hubbatch.exceptions import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_provider_hubbatch.core.link_spec import LinkSpec
    from airflow_provider_hubbatch.core.model import Chunk


class When(StrEnum):
    """When a column is written, if not always."""

    CREATED = "created"
    """Only when the row makes its record."""
    EMPTY = "empty"
    """Only where HubSpot has nothing."""


@dataclass(frozen=True, slots=True)
class MappingSpec:
    """The settings that say what a row's columns are.

    :param id_column: the column that names the record.
    :param id_property: the property that it holds; ``None``: record ids.
    :param properties: column -> property; ``None``: every column but ``id_column``, by its own name. ``id_column``
        is never written to ``id_property``: its record has this value.
    :param null_values: ``skip`` or ``clear``.
    :param id_use: what the ids are, for the verb.
    :param must_match: column -> property of which the record must have the row's value.
    :param write_when: column -> when it is written; the others always.
    :param links: the records that new ones are linked with.
    """

    id_column: str | None
    id_property: str | None
    properties: Mapping[str, str] | None
    null_values: NullValues
    id_use: IdUse = IdUse.EXISTING
    must_match: Mapping[str, str] = field(default_factory=dict)
    write_when: Mapping[str, When] = field(default_factory=dict)
    links: tuple[LinkSpec, ...] = ()

    @property
    def when(self) -> dict[str, When]:
        """``write_when`` by property."""
        columns = self.properties or {}
        return {columns.get(column, column): when for column, when in self.write_when.items()}

    @property
    def is_keyless(self) -> bool:
        """Whether nothing in a row names its record."""
        return self.id_use is IdUse.NEW and self.id_property is None

    @property
    def clears(self) -> bool:
        """Whether a null empties its property."""
        return self.null_values == "clear"

    @property
    def may_write_nothing(self) -> bool:
        """Whether a row without a value is worth a request: it makes its record, or the verb writes no values."""
        return self.properties == {} or (self.id_use is not IdUse.EXISTING and not self.is_keyless)

    @property
    def naming(self) -> str:
        """What names the records, in words."""
        if self.is_keyless:
            return "rows without a key"
        what = f"the property {self.id_property}" if self.id_property else "the record id"
        return f"{what} in column {self.id_column!r}"

    @property
    def unwritten(self) -> frozenset[str | None]:
        """The columns that other parameters name: they are written only where ``properties`` says so."""
        return frozenset((self.id_column, *self.must_match, *(link.column for link in self.links)))

    @property
    def columns(self) -> list[str] | None:
        """The columns that are read; ``None``: all."""
        named = [] if self.id_column is None else [self.id_column]
        if self.properties is None:
            return None
        linked = [link.column for link in self.links]
        return list(dict.fromkeys([*named, *self.properties, *self.must_match, *linked]))

    def ids_in(self, chunk: Chunk) -> Sequence[Any]:
        """What a chunk's rows have in the id column, where there is one."""
        nothing = [None] * chunk.length
        return nothing if self.id_column is None else chunk.columns.get(self.id_column, nothing)

    @classmethod
    def checked(
        cls,
        *,
        id_column: Any = "id",
        id_property: Any = None,
        properties: Any = None,
        null_values: Any = "skip",
        id_use: IdUse = IdUse.EXISTING,
        must_match: Any = None,
        write_when: Any = None,
        links: tuple[LinkSpec, ...] = (),
    ) -> MappingSpec:
        """The settings as the operator has them, checked.

        :param properties: a list of columns, or ``{column: property}``, or ``None``.
        :raises SettingsError: naming each setting that is wrong.
        """
        problems = []
        if id_column is None and id_use is IdUse.NEW:
            if id_property is not None:
                problems.append("id_property names a key's property: id_column must say which column holds its values")
        elif not is_name(id_column):
            problems.append(f"id_column must be a column's name, not {describe_name(id_column)}")
        if is_record_id(id_property):
            refusal = refusal_of_record_ids(id_property, id_use)
            problems += [] if refusal is None else [refusal]
            id_property = None
        elif not is_name(id_property):
            problems.append(f"id_property must be a property's name or None, not {describe_name(id_property)}")
        if null_values not in get_args(NullValues):
            problems.append(f"null_values={null_values!r}: give 'skip' or 'clear'")
        problems += [*_properties_problems(properties), *_must_match_problems(must_match)]
        problems += _write_when_problems(write_when, id_use)
        raise_for(problems)
        columns = None if properties is None else dict(_given_pairs(properties))
        when = {column: When(word) for column, word in (write_when or {}).items()}
        return cls(id_column, id_property, columns, null_values, id_use, dict(must_match or {}), when, links)

    @classmethod
    def writes_nothing(cls, *, id_column: Any, id_property: Any, must_match: Any = None) -> MappingSpec:
        """As :meth:`checked`, for a verb that writes no values."""
        checked = cls.checked(id_column=id_column, id_property=id_property, must_match=must_match)
        return replace(checked, properties={})


def _properties_problems(properties: Any) -> Iterator[str]:
    if properties is None:
        return
    if not isinstance(properties, (list, tuple, Mapping)):
        yield f"properties must be a list of columns or a dict {{column: property}}, not a {type(properties).__name__}"
        return
    if not properties:
        yield "properties is empty: name a column to write, or leave it out to write every column"
    pairs = _given_pairs(properties)
    names = [name for pair in pairs for name in pair]
    if not all(map(is_name, names)):
        yield "properties must hold names of columns and properties only: non-empty texts"
        return
    columns: dict[str, list[str]] = {}
    for column, name in pairs:
        columns.setdefault(name, []).append(column)
    for name, sources in columns.items():
        if len(sources) > 1:
            yield f"properties has {len(sources)} columns for the property {name!r}: {', '.join(map(repr, sources))}"


def _must_match_problems(must_match: Any) -> Iterator[str]:
    if must_match is None:
        return
    if not isinstance(must_match, Mapping):
        yield f"must_match must be a dict {{column: property}}, not a {type(must_match).__name__}"
    elif not must_match or not all(is_name(name) for pair in must_match.items() for name in pair):
        yield "must_match must name at least one column and the property that it is compared with: non-empty texts"


def _write_when_problems(write_when: Any, id_use: IdUse) -> Iterator[str]:
    if write_when is None:
        return
    if not isinstance(write_when, Mapping) or not write_when:
        yield f"write_when={write_when!r}: give a dict {{column: 'created' or 'empty'}}, or None"
        return
    for column, word in write_when.items():
        if not is_name(column):
            yield f"write_when must hold names of columns: non-empty texts, not {describe_name(column)}"
        elif word not in list(When):
            yield f"write_when of the column {column!r} is {word!r}: give 'created' or 'empty'"
        elif word == When.CREATED and id_use is IdUse.EXISTING:
            yield (
                f"write_when of the column {column!r} is 'created', and an update creates no record: give 'empty', or "
                "upsert"
            )


def _given_pairs(properties: Mapping[str, str] | Sequence[str]) -> list[tuple[str, str]]:
    return list(properties.items()) if isinstance(properties, Mapping) else [(name, name) for name in properties]


def raise_for(problems: Sequence[str], advice: str = "") -> None:
    """Say all that is wrong with the settings, if anything is.

    :param advice: what to do.
    :raises SettingsError: that lists the problems.
    """
    if len(problems) == 1:
        sentences = [problems[0], *([advice] if advice else []), "Nothing was sent"]
        raise SettingsError(" ".join(one if one.endswith("?") else f"{one}." for one in sentences).rstrip("."))
    if problems:
        heading = f"{len(problems)} problems, nothing was sent{f'. {advice}' if advice else ''}"
        raise SettingsError("\n- ".join([heading, *problems]))
