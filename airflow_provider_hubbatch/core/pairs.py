"""Rows that name two records: which columns say so, checked, and the rows made ready to be linked, by column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_hubbatch.core.definitions import RECORD_ID_PROPERTY, PropertyDefinition
from airflow_provider_hubbatch.core.keys import IdUse
from airflow_provider_hubbatch.core.link_spec import unknown_label
from airflow_provider_hubbatch.core.mapping import column_problems
from airflow_provider_hubbatch.core.mapping_spec import raise_for
from airflow_provider_hubbatch.core.model import MISSING, Chunk, Input, LinkedTo, Pair, RowOutcome, Status
from airflow_provider_hubbatch.core.properties import KnownProperties, describe_name, is_name
from airflow_provider_hubbatch.core.values import Converted, Invalid, compile_converter, convert_ids
from airflow_provider_hubbatch.exceptions import SettingsError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from airflow_provider_hubbatch.core.clearing import EmptyValues
    from airflow_provider_hubbatch.core.duplicates import Duplicates

UNKNOWN_LABEL = "UNKNOWN_LABEL"
MISSING_LABEL = "MISSING_LABEL"


@dataclass(frozen=True, slots=True)
class PairSpec:
    """The settings that say what a row's columns are, where it names two records.

    :param from_column: the column that names the record that links start from; ``to_column``: the other one's.
    :param from_id_property: the property whose values it holds; ``None``: record ids. ``to_id_property``: as this.
    :param label: of every row's link; ``None``: none, or ``label_column`` says.
    :param label_column: the column that holds each row's label; where it is empty, the link has none.
    :param needs_label: a row without a label is rejected.
    """

    from_column: str
    to_column: str
    from_id_property: str | None = None
    to_id_property: str | None = None
    label: str | None = None
    label_column: str | None = None
    needs_label: bool = False
    clears: ClassVar[bool] = False
    is_keyless: ClassVar[bool] = False

    @property
    def columns(self) -> list[str]:
        """The columns that are read."""
        named = [self.from_column, self.to_column, *([] if self.label_column is None else [self.label_column])]
        return list(dict.fromkeys(named))

    @property
    def naming(self) -> str:
        """What names the records, in words."""
        sides = ((self.from_id_property, self.from_column), (self.to_id_property, self.to_column))
        return " and ".join(
            f"{f'the property {name}' if name else 'the record id'} in column {column!r}" for name, column in sides
        )

    def ids_in(self, chunk: Chunk) -> Sequence[Any]:
        """What a chunk's rows have in the from column."""
        return chunk.columns.get(self.from_column, [None] * chunk.length)

    @classmethod
    def checked(
        cls,
        *,
        from_column: Any,
        to_column: Any,
        from_id_property: Any = None,
        to_id_property: Any = None,
        label: Any = None,
        label_column: Any = None,
        remove: bool = False,
    ) -> PairSpec:
        """The settings as the operator has them, checked.

        :raises SettingsError: naming each setting that is wrong.
        """
        columns = {"from_column": from_column, "to_column": to_column}
        if label_column is not None:
            columns["label_column"] = label_column
        problems = [
            f"{setting} must be a column's name, not {describe_name(column)}"
            for setting, column in columns.items()
            if not is_name(column)
        ]
        for setting, name in (("from_id_property", from_id_property), ("to_id_property", to_id_property)):
            if name is not None and not is_name(name):
                problems.append(f"{setting} must be a property's name or None, not {describe_name(name)}")
        if label is not None and not is_name(label):
            problems.append(f"label must be a label's name or None, not {describe_name(label)}")
        if label is not None and label_column is not None:
            problems.append("label and label_column are both given: give one of them")
        raise_for(problems)
        return cls(
            from_column,
            to_column,
            None if from_id_property == RECORD_ID_PROPERTY else from_id_property,
            None if to_id_property == RECORD_ID_PROPERTY else to_id_property,
            label,
            label_column,
            remove and label_column is not None,
        )


@dataclass(frozen=True, slots=True)
class Side:
    """What is known of one side of the links.

    :param name: ``from`` or ``to``.
    :param definitions: HubSpot's, by property; ``None``: not read, empty: not allowed to.
    """

    name: str
    object_type: str
    column: str
    id_property: str | None
    definitions: Mapping[str, PropertyDefinition] | None = None

    @property
    def definition(self) -> PropertyDefinition | None:
        """HubSpot's of its property, where it is known."""
        return (self.definitions or {}).get(self.id_property or "")

    def ids(self, chunk: Chunk) -> tuple[Sequence[Any], list[str | Invalid]]:
        """What a chunk's rows have in the column, and as HubSpot is told it."""
        given = chunk.columns.get(self.column, [MISSING] * chunk.length)
        converted = convert_ids(
            given,
            id_property=self.id_property,
            definition=self.definition,
            object_type=self.object_type,
        )
        return given, [self._named(one) if isinstance(one, Invalid) else one for one in converted]

    def _named(self, invalid: Invalid) -> Invalid:
        return Invalid(invalid.category, f"the {self.name} side (column {self.column!r}): {invalid.reason}")

    def problems(self) -> Iterator[str]:
        """Why its property can't name records."""
        known = KnownProperties(
            self.definitions or None,
            self.object_type,
            preflight=True,
            key=None,
            id_column=self.column,
            id_use=IdUse.EXISTING,
        )
        yield from (f"{self.name}_{problem}" for problem in known.id_problems(self.id_property))


class PairMapping:
    """Makes the rows of every chunk ready to be linked.

    :param labels: those that there are; ``None``: nobody has asked, as none is needed.
    """

    def __init__(self, spec: PairSpec, sides: tuple[Side, Side], labels: Collection[str] | None) -> None:
        self.spec = spec
        self.names: tuple[str, ...] = ()
        self.is_checked = False
        self._sides = sides
        self._labels = labels

    def check_columns(self, columns: Sequence[Any], *, complete: bool) -> None:
        """Check the columns of the first rows against the settings.

        :param complete: no row has other columns than these.
        :raises SettingsError: one, that lists every problem.
        """
        spec = self.spec
        named = [("from_column", spec.from_column), ("to_column", spec.to_column), ("label_column", spec.label_column)]
        problems = [*column_problems(named, columns, complete=complete), *self._setting_problems()]
        raise_for(problems)
        self.is_checked = True

    def check_settings(self) -> None:
        """Check the settings alone.

        :raises SettingsError: one, that lists every problem.
        """
        raise_for(list(self._setting_problems()))

    def _setting_problems(self) -> Iterator[str]:
        """What is wrong whatever the rows are."""
        for side in self._sides:
            yield from side.problems()
        if self.spec.label is not None and self._labels is not None and self.spec.label not in self._labels:
            yield f"label: {self._unknown(self.spec.label)}"

    def _unknown(self, label: str) -> str:
        start, end = (side.object_type for side in self._sides)
        return unknown_label(label, self._labels or (), start, end)

    def prepare(
        self,
        chunk: Chunk,
        empty: EmptyValues | None = None,  # noqa: ARG002 - links have no values
        duplicates: Duplicates | None = None,  # noqa: ARG002 - rows of one pair don't contradict each other
    ) -> list[Input | RowOutcome]:
        """Make rows ready to be linked.

        :returns: one entry a row, in row order: an input, or the outcome of a row that is rejected.
        """
        (given, starts), (given_to, ends) = (side.ids(chunk) for side in self._sides)
        labels = self._labels_of(chunk)
        by_key = [side.id_property is not None for side in self._sides]
        rows: list[Input | RowOutcome] = []
        for offset, (start, end, label) in enumerate(zip(starts, ends, labels, strict=True)):
            number, source = chunk.first_row + offset, (chunk, offset)
            invalid = [one for one in (start, end, label) if isinstance(one, Invalid)]
            if offset in chunk.invalid:
                invalid = [Invalid("INVALID_ROW", chunk.invalid[offset])]
            if invalid or isinstance(start, Invalid) or isinstance(end, Invalid) or isinstance(label, Invalid):
                rows.append(_rejected(chunk, offset, (given[offset], given_to[offset]), invalid))
                continue
            pair = Pair(given_to[offset], start, end, label, None if by_key[0] else start, None if by_key[1] else end)
            rows.append(Input(number, given[offset], start, f"{start} {end}", {}, source, pair=pair))
        return rows

    def _labels_of(self, chunk: Chunk) -> Sequence[Converted]:
        spec = self.spec
        if spec.label_column is None:
            return [spec.label] * chunk.length
        convert = compile_converter(None, name=spec.label_column, object_type=self._sides[0].object_type)
        column = convert(chunk.columns.get(spec.label_column, [MISSING] * chunk.length))
        known = {label: self._checked(label) for label in set(column) if not isinstance(label, Invalid)}
        return [label if isinstance(label, Invalid) else known[label] for label in column]

    def _checked(self, label: str | None) -> Converted:
        if not label:
            if not self.spec.needs_label:
                return None
            reason = (
                f"the column {self.spec.label_column!r} is empty: without a label, all of the link would be removed"
            )
            return Invalid(MISSING_LABEL, reason)
        if self._labels is not None and label not in self._labels:
            return Invalid(UNKNOWN_LABEL, self._unknown(label))
        return label


def _rejected(chunk: Chunk, offset: int, given: tuple[Any, Any], reasons: Sequence[Invalid]) -> RowOutcome:
    start, end = (None if one is MISSING else one for one in given)
    return RowOutcome(
        row=chunk.first_row + offset,
        id=start,
        status=Status.REJECTED,
        category=reasons[0].category,
        message="; ".join(reason.reason for reason in reasons),
        values=chunk.row(offset) or None,
        to=LinkedTo(end),
    )


def check_kinds(labels: Collection[str | None], from_object_type: str, to_object_type: str) -> None:
    """Make sure that there are links of this direction at all.

    :param labels: of the kinds that HubSpot has, the unlabeled one's ``None`` among them.
    :raises SettingsError: there are none.
    """
    if not labels:
        raise SettingsError(
            f"HubSpot links no {from_object_type} with {to_object_type}: from_object_type and to_object_type must be "
            "two object types that it has associations for"
        )
