"""Which column goes to which property, checked before the first update; and rows made ready to send, by column."""

from __future__ import annotations

from itertools import count, repeat
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_hubbatch.core.definitions import RECORD_ID_PROPERTY, PropertyDefinition
from airflow_provider_hubbatch.core.keys import IdUse
from airflow_provider_hubbatch.core.mapping_spec import MappingSpec, raise_for
from airflow_provider_hubbatch.core.model import MISSING, Chunk, Input, RowOutcome, Status
from airflow_provider_hubbatch.core.new_links import with_links
from airflow_provider_hubbatch.core.owners import OWNERS_UNREAD, OwnersWantedError
from airflow_provider_hubbatch.core.properties import (
    NAMES_QUOTED,
    KnownProperties,
    did_you_mean,
    nearest,
)
from airflow_provider_hubbatch.core.values import (
    Converted,
    Converter,
    Invalid,
    compile_converter,
    convert_ids,
    order_key,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from airflow_provider_hubbatch.core.clearing import ConvertedColumn, EmptyValues
    from airflow_provider_hubbatch.core.duplicates import Duplicates
    from airflow_provider_hubbatch.core.new_links import LinkColumn
    from airflow_provider_hubbatch.core.owners import Owners

# Columns whose conversion is kept: as many as a sync may write, and not every key that ever comes up.
_MOST_CONVERTERS: Final = 2_000


# Rows bring columns that nobody asked for: what to do about those that HubSpot has no property for.
_SAY_WHICH: Final = "To write some of the columns only, give properties=[...] or {column: property}"


def compile_mapping(
    spec: MappingSpec,
    *,
    chunk_columns: Sequence[Any] | None,
    complete: bool,
    definitions: Mapping[str, PropertyDefinition] | None,
    object_type: str,
    preflight: bool = True,
    looked_up: bool = False,
    links: Sequence[LinkColumn] = (),
) -> RowMapping:
    """Check the mapping against the rows' columns and HubSpot's definitions, once, before the first update.

    :param chunk_columns: the columns of the first chunk; ``None``: the first rows say nothing of what the others have,
        so that :meth:`RowMapping.check_columns` is left to the caller.
    :param complete: no row has other columns than these.
    :param definitions: HubSpot's, by name; ``None``: unknown, so that nothing is checked against them.
    :param object_type: as in the path.
    :param preflight: check columns and values against the definitions; ``False``: only ``id_property``.
    :param looked_up: the records are read first, and written by record id, whatever names them in the rows.
    :param links: the columns that name the records which new ones are linked with.
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
    mapping = RowMapping(spec, properties, links)
    if chunk_columns is None:
        raise_for(list(properties.id_problems(spec.id_property)))
    else:
        mapping.check_columns(chunk_columns, complete=complete)
    return mapping


def _pairs(spec: MappingSpec, columns: Iterable[Any]) -> Iterator[tuple[Any, str]]:
    """The columns to write, with the property of each."""
    unwritten = spec.unwritten
    for column in columns:
        if spec.properties is None:
            if column not in unwritten:
                yield column, column
        elif column in spec.properties and (column, spec.properties[column]) != (spec.id_column, spec.id_property):
            yield column, spec.properties[column]


def column_problems(
    settings: Iterable[tuple[str, str | None]], columns: Sequence[Any], *, complete: bool
) -> Iterator[str]:
    """The columns that settings name and that the rows don't have.

    :param settings: setting and column; ``None``: it names none.
    :param columns: of the rows, or of the first ones.
    :param complete: no row has other columns than these.
    """
    names = _texts(columns)
    rows = "rows" if complete else "first rows"
    for setting, wanted in settings:
        if wanted is not None and wanted not in names:
            quoted = ", ".join(names[:NAMES_QUOTED]) + (", ..." if len(names) > NAMES_QUOTED else "")
            yield (
                f"{setting} names the column {wanted!r}, which the {rows} don't have "
                f"(they have: {quoted or 'none'}){did_you_mean(nearest(wanted, names))}"
            )


def _write_when_problems(spec: MappingSpec, columns: Sequence[Any]) -> Iterator[str]:
    written = _texts(column for column, _ in _pairs(spec, columns))
    for column in spec.write_when:
        if column not in written:
            why = "isn't written" if column in columns else "isn't there"
            yield f"write_when names the column {column!r}, which {why}{did_you_mean(nearest(column, written))}"


def _texts(columns: Iterable[Any]) -> list[str]:
    return [column for column in columns if isinstance(column, str)]


class RowMapping:
    """A mapping: makes the rows of every chunk ready to send.

    ``names`` are the properties that the columns go to that were checked, in their order.
    """

    def __init__(self, spec: MappingSpec, properties: KnownProperties, links: Sequence[LinkColumn] = ()) -> None:
        self.spec = spec
        self._links = links
        self.names: tuple[str, ...] = ()
        self.is_checked = False
        self._properties = properties
        # record ids have one spelling only, once they are converted
        self._by_record_id = spec.id_property in {None, RECORD_ID_PROPERTY}
        self._converters: dict[Any, Converter] = {}
        self._owners: Owners | None = None

    def check_columns(self, columns: Sequence[Any], *, complete: bool) -> None:
        """Check the columns of the first rows against settings and definitions.

        :param complete: no row has other columns than these.
        :raises SettingsError: one, that lists every problem.
        """
        spec, properties = self.spec, self._properties
        settings: list[tuple[str, str | None]] = [("id_column", spec.id_column)]
        settings += [("properties", name) for name in spec.properties or ()]
        settings += [("must_match", name) for name in spec.must_match]
        settings += [(link.setting, link.column) for link in spec.links]
        problems, advice = list(column_problems(settings, columns, complete=complete)), ""
        problems += _write_when_problems(spec, columns)
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
        raise_for(problems, advice)
        self.names = tuple(name for _, name in pairs)
        self.is_checked = True

    def definition(self, name: str) -> PropertyDefinition | None:
        """HubSpot's definition of a property, where it is known."""
        return self._properties.get(name)

    def take_owners(self, owners: Owners) -> None:
        """The account's owners are known: from now on their addresses become their ids."""
        self._owners = owners
        self._converters.clear()

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
        :raises OwnersWantedError: the rows name owners by address, and :meth:`take_owners` hasn't told who they are.
        """
        given = self.spec.ids_in(chunk)
        identifiers = self._identifiers(given)
        pairs = list(_pairs(self.spec, chunk.columns))
        cells = [self._converter(column, name)(chunk.columns[column]) for column, name in pairs]
        expected = self._expected(chunk)
        linked = [column.cells(chunk, self._owners) for column in self._links]
        refused = _refused(chunk, [identifiers, *cells, *expected.values(), *linked])
        if self._owners is None and any(
            one.category == OWNERS_UNREAD for reasons in refused.values() for one in reasons
        ):
            raise OwnersWantedError(self._owner_properties(name for _, name in pairs), self.take_owners)
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
        if expected:
            prepared = _with_expectations(prepared, expected)
        return with_links(prepared, self._links, linked) if linked else prepared

    def _expected(self, chunk: Chunk) -> dict[str, Sequence[Converted]]:
        """What the records must have: property -> one value a row."""
        missing = [MISSING] * chunk.length
        return {
            name: compile_converter(
                self.definition(name), name=name, object_type=self._properties.object_type, owners=self._owners
            )(chunk.columns.get(column, missing))
            for column, name in self.spec.must_match.items()
        }

    def _owner_properties(self, names: Iterable[str]) -> list[str]:
        """Those of these properties, and of the expected ones, that hold owners."""
        key = self.spec.id_property or ""
        known = {name: self.definition(name) for name in (key, *names, *self.spec.must_match.values())}
        return [name for name, one in known.items() if one is not None and one.holds_owners]

    def _identifiers(self, given: Sequence[Any]) -> list[str | Invalid]:
        if self.spec.is_keyless:
            return [""] * len(given)
        return convert_ids(
            given,
            id_property=self.spec.id_property,
            definition=self.definition(self.spec.id_property or ""),
            object_type=self._properties.object_type,
            owners=self._owners,
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
            # what is written only sometimes never empties anything
            null_values="skip" if column in self.spec.write_when else self.spec.null_values,
            object_type=self._properties.object_type,
            owners=self._owners,
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
