"""Which column goes to which property, checked before the first update; and rows made ready to send, by column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, repeat
from typing import TYPE_CHECKING, Any, Final, get_args

from airflow_provider_hubbatch.core.definitions import RECORD_ID_PROPERTY, PropertyDefinition
from airflow_provider_hubbatch.core.keys import IdUse
from airflow_provider_hubbatch.core.model import MISSING, Chunk, Input, RowOutcome, Status
from airflow_provider_hubbatch.core.properties import (
    NAMES_QUOTED,
    KnownProperties,
    describe_name,
    did_you_mean,
    is_name,
    nearest,
)
from airflow_provider_hubbatch.core.values import (
    Converted,
    Converter,
    Invalid,
    NullValues,
    compile_converter,
    convert_ids,
    order_key,
)
from airflow_provider_hubbatch.exceptions import SettingsError

if TYPE_CHECKING:
    from airflow_provider_hubbatch.core.clearing import ConvertedColumn, EmptyValues
    from airflow_provider_hubbatch.core.duplicates import Duplicates

# Columns whose conversion is kept: as many as a sync may write, and not every key that ever comes up.
_MOST_CONVERTERS: Final = 2_000


# Rows bring columns that nobody asked for: what to do about those that HubSpot has no property for.
_SAY_WHICH: Final = "To write some of the columns only, give properties=[...] or {column: property}"


def _raise_for(problems: Sequence[str], advice: str = "") -> None:
    if len(problems) == 1:
        sentences = [problems[0], *([advice] if advice else []), "Nothing was sent"]
        raise SettingsError(" ".join(one if one.endswith("?") else f"{one}." for one in sentences).rstrip("."))
    if problems:
        heading = f"{len(problems)} problems, nothing was sent{f'. {advice}' if advice else ''}"
        raise SettingsError("\n- ".join([heading, *problems]))


@dataclass(frozen=True, slots=True)
class MappingSpec:
    """The settings that say what a row's columns are.

    :param id_column: the column that names the record.
    :param id_property: the unique property that it holds; ``None``: record ids.
    :param properties: column -> property; ``None``: every column but ``id_column``, by its own name. ``id_column``
        is never written to ``id_property``: its record has this value.
    :param null_values: ``skip`` or ``clear``.
    :param id_use: what the ids are, for the verb.
    :param must_match: column -> property of which the record must have the row's value.
    """

    id_column: str | None
    id_property: str | None
    properties: Mapping[str, str] | None
    null_values: NullValues
    id_use: IdUse = IdUse.EXISTING
    must_match: Mapping[str, str] = field(default_factory=dict)

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
    def columns(self) -> list[str] | None:
        """The columns that are read; ``None``: all."""
        named = [] if self.id_column is None else [self.id_column]
        return None if self.properties is None else list(dict.fromkeys([*named, *self.properties, *self.must_match]))

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
        if id_property is not None and not is_name(id_property):
            problems.append(f"id_property must be a property's name or None, not {describe_name(id_property)}")
        if null_values not in get_args(NullValues):
            problems.append(f"null_values={null_values!r}: give 'skip' or 'clear'")
        problems += [*_properties_problems(properties), *_must_match_problems(must_match)]
        _raise_for(problems)
        columns = None if properties is None else dict(_given_pairs(properties))
        return cls(id_column, id_property, columns, null_values, id_use, dict(must_match or {}))

    @classmethod
    def writes_nothing(cls, *, id_column: Any, id_property: Any) -> MappingSpec:
        """As :meth:`checked`, for a verb that takes the rows' ids only."""
        checked = cls.checked(id_column=id_column, id_property=id_property)
        return cls(checked.id_column, checked.id_property, {}, "skip")


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


def _given_pairs(properties: Mapping[str, str] | Sequence[str]) -> list[tuple[str, str]]:
    return list(properties.items()) if isinstance(properties, Mapping) else [(name, name) for name in properties]


def compile_mapping(
    spec: MappingSpec,
    *,
    chunk_columns: Sequence[Any] | None,
    complete: bool,
    definitions: Mapping[str, PropertyDefinition] | None,
    object_type: str,
    preflight: bool = True,
    looked_up: bool = False,
) -> RowMapping:
    """Check the mapping against the rows' columns and HubSpot's definitions, once, before the first update.

    :param chunk_columns: the columns of the first chunk; ``None``: the first rows say nothing of what the others have,
        so that :meth:`RowMapping.check_columns` is left to the caller.
    :param complete: no row has other columns than these.
    :param definitions: HubSpot's, by name; ``None``: unknown, so that nothing is checked against them.
    :param object_type: as in the path.
    :param preflight: check columns and values against the definitions; ``False``: only ``id_property``.
    :param looked_up: the records are read first, and written by record id, whatever names them in the rows.
    :raises SettingsError: one, that lists every problem.
    """
    key = None if looked_up and spec.id_use is IdUse.EXISTING else spec.id_property
    properties = KnownProperties(
        definitions or None,
        object_type,
        preflight=preflight,
        key=key,
        id_column=spec.id_column,
        id_use=spec.id_use,
    )
    mapping = RowMapping(spec, properties)
    if chunk_columns is None:
        _raise_for(list(properties.id_problems(spec.id_property)))
    else:
        mapping.check_columns(chunk_columns, complete=complete)
    return mapping


def _pairs(spec: MappingSpec, columns: Iterable[Any]) -> Iterator[tuple[Any, str]]:
    """The columns to write, with the property of each."""
    for column in columns:
        if spec.properties is None:
            if column != spec.id_column and column not in spec.must_match:
                yield column, column
        elif column in spec.properties and (column, spec.properties[column]) != (spec.id_column, spec.id_property):
            yield column, spec.properties[column]


def _column_problems(spec: MappingSpec, columns: Sequence[Any], *, complete: bool) -> Iterator[str]:
    names = _texts(columns)
    rows = "rows" if complete else "first rows"
    named = [("properties", name) for name in spec.properties or ()]
    named += [("must_match", name) for name in spec.must_match]
    for setting, wanted in [("id_column", spec.id_column), *named]:
        if wanted is not None and wanted not in names:
            quoted = ", ".join(names[:NAMES_QUOTED]) + (", ..." if len(names) > NAMES_QUOTED else "")
            yield (
                f"{setting} names the column {wanted!r}, which the {rows} don't have "
                f"(they have: {quoted or 'none'}){did_you_mean(nearest(wanted, names))}"
            )


def _texts(columns: Iterable[Any]) -> list[str]:
    return [column for column in columns if isinstance(column, str)]


class RowMapping:
    """A mapping: makes the rows of every chunk ready to send.

    ``names`` are the properties that the columns go to that were checked, in their order.
    """

    def __init__(self, spec: MappingSpec, properties: KnownProperties) -> None:
        self.spec = spec
        self.names: tuple[str, ...] = ()
        self.is_checked = False
        self._properties = properties
        # record ids have one spelling only, once they are converted
        self._by_record_id = spec.id_property in {None, RECORD_ID_PROPERTY}
        self._converters: dict[Any, Converter] = {}

    def check_columns(self, columns: Sequence[Any], *, complete: bool) -> None:
        """Check the columns of the first rows against settings and definitions.

        :param complete: no row has other columns than these.
        :raises SettingsError: one, that lists every problem.
        """
        spec, properties = self.spec, self._properties
        problems, advice = list(_column_problems(spec, columns, complete=complete)), ""
        problems += properties.id_problems(spec.id_property)
        pairs = list(_pairs(spec, columns))
        has_id = spec.id_column is None or spec.id_column in columns
        meant_as_id = None if has_id else nearest(str(spec.id_column), _texts(columns))
        for column, name in pairs:
            refusal = properties.refusal(column, name)
            if refusal is not None and (meant_as_id is None or column != meant_as_id):
                problems.append(refusal.reason)
                if spec.properties is None and refusal.category == "PROPERTY_DOESNT_EXIST":
                    advice = _SAY_WHICH
        problems += properties.must_match_problems(spec.must_match)
        if not pairs and not problems and not spec.may_write_nothing:
            named = f" beside the column {spec.id_column!r}, which names the record" if spec.id_column else ""
            problems.append(f"there is nothing to write{named}")
        _raise_for(problems, advice)
        self.names = tuple(name for _, name in pairs)
        self.is_checked = True

    def definition(self, name: str) -> PropertyDefinition | None:
        """HubSpot's definition of a property, where it is known."""
        return self._properties.get(name)

    def prepare(
        self, chunk: Chunk, empty: EmptyValues | None = None, duplicates: Duplicates | None = None
    ) -> list[Input | RowOutcome]:
        """Make rows ready to send.

        :param chunk: of any columns: a property unknown to HubSpot that comes up in a later chunk rejects the rows
            that have a value for it; a column that is gone leaves its property alone.
        :param empty: takes in what the rows have no value for.
        :param duplicates: takes in which records the rows name.
        :returns: one entry a row, in row order: an input, or the outcome of a row that isn't sent: ``rejected`` with
            every reason, or ``unchanged`` where the row leaves every property alone.
        """
        given = self.spec.ids_in(chunk)
        identifiers = self._identifiers(given)
        pairs = list(_pairs(self.spec, chunk.columns))
        cells = [self._converter(column, name)(chunk.columns[column]) for column, name in pairs]
        expected = self._expected(chunk)
        refused = _refused(chunk, [identifiers, *cells, *expected.values()])
        columns = [(column, name, converted) for (column, name), converted in zip(pairs, cells, strict=True)]
        gaps = [column for column in columns if None in column[2]]
        properties = _properties_by_row(columns, gaps, chunk.length)
        if empty is not None:
            empty.add(chunk, columns, gaps)
        keys = identifiers if self._by_record_id else list(map(_key, identifiers))
        if self.spec.is_keyless:
            keys = [f"row {chunk.first_row + offset}" for offset in range(chunk.length)]
            given = [None if value is MISSING else value for value in given]
        if duplicates is not None:
            duplicates.add(chunk.first_row, keys, properties, refused)
        may_write_nothing = self.spec.may_write_nothing
        rows = zip(count(), count(chunk.first_row), given, identifiers, keys, properties, strict=False)
        prepared = [
            Input(row, given_id, identifier, key, written, (chunk, offset))
            if (written or may_write_nothing) and offset not in refused
            else _not_sent(chunk, offset, given_id, refused.get(offset, ()))
            for offset, row, given_id, identifier, key, written in rows
        ]
        return _with_expectations(prepared, expected) if expected else prepared

    def _expected(self, chunk: Chunk) -> dict[str, Sequence[Converted]]:
        """What the records must have: property -> one value a row."""
        missing = [MISSING] * chunk.length
        return {
            name: compile_converter(self.definition(name), name=name, object_type=self._properties.object_type)(
                chunk.columns.get(column, missing)
            )
            for column, name in self.spec.must_match.items()
        }

    def _identifiers(self, given: Sequence[Any]) -> list[str | Invalid]:
        if self.spec.is_keyless:
            return [""] * len(given)
        return convert_ids(
            given,
            id_property=self.spec.id_property,
            definition=self.definition(self.spec.id_property or ""),
            object_type=self._properties.object_type,
        )

    def _converter(self, column: Any, name: Any) -> Converter:
        converter = self._converters.get(column)
        if converter is None:
            converter = self._compiled(column, name)
            if len(self._converters) < _MOST_CONVERTERS:
                self._converters[column] = converter
        return converter

    def _compiled(self, column: Any, name: Any) -> Converter:
        convert = compile_converter(
            self._properties.get(name) if self._properties.preflight else None,
            name=str(name),
            null_values=self.spec.null_values,
            object_type=self._properties.object_type,
        )
        refusal = self._properties.refusal(column, name)
        if refusal is None:
            return convert
        return lambda values: [None if converted is None else refusal for converted in convert(values)]


def _key(identifier: str | Invalid) -> str:
    return order_key(identifier) if isinstance(identifier, str) else ""


def _refused(chunk: Chunk, columns: Iterable[Sequence[Converted]]) -> dict[int, list[Invalid]]:
    """What is wrong, by row offset: the row as a whole, its id, its values in the order of the columns."""
    refused = {offset: [Invalid("INVALID_ROW", reason)] for offset, reason in chunk.invalid.items()}
    for column in columns:
        if Invalid not in set(map(type, column)):
            continue
        for offset, value in enumerate(column):
            if isinstance(value, Invalid) and offset not in chunk.invalid:
                refused.setdefault(offset, []).append(value)
    return refused


def _properties_by_row(
    columns: Sequence[ConvertedColumn], gaps: Sequence[ConvertedColumn], length: int
) -> list[dict[str, Any]]:
    """One dict a row; what leaves a property alone is taken out again, since few columns have gaps."""
    if not columns:
        return [{} for _ in range(length)]
    names = [name for _, name, _ in columns]
    rows = list(map(dict, map(zip, repeat(names), zip(*(cells for _, _, cells in columns), strict=True))))
    for _, name, cells in gaps:
        for row, cell in zip(rows, cells, strict=True):
            if cell is None:
                del row[name]
    return rows


def _with_expectations(
    rows: Sequence[Input | RowOutcome], expected: Mapping[str, Sequence[Converted]]
) -> list[Input | RowOutcome]:
    columns = list(zip(*expected.values(), strict=True))
    return [
        row._replace(must_match={name: str(value or "") for name, value in zip(expected, values, strict=True)})
        if isinstance(row, Input)
        else row
        for row, values in zip(rows, columns, strict=True)
    ]


def _not_sent(chunk: Chunk, offset: int, given: Any, reasons: Sequence[Invalid]) -> RowOutcome:
    if not reasons:
        return RowOutcome(
            row=chunk.first_row + offset,
            id=given,
            status=Status.UNCHANGED,
            category="NOTHING_TO_WRITE",
            message="the row has a value for no property",
        )
    return RowOutcome(
        row=chunk.first_row + offset,
        id=None if given is MISSING else given,
        status=Status.REJECTED,
        category=reasons[0].category,
        message="; ".join(reason.reason for reason in reasons),
        values=chunk.row(offset) or None,
    )
