"""The links that new records have from the start: what rows say of them, and what is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.core.keys import IdUse
from airflow_provider_hubbatch.core.link_spec import unknown_label
from airflow_provider_hubbatch.core.model import MISSING, Chunk, Input, NewLinks, RowOutcome
from airflow_provider_hubbatch.core.properties import KnownProperties
from airflow_provider_hubbatch.core.search_lookup import lookups_for
from airflow_provider_hubbatch.core.values import MISSING_ID, Invalid, convert_ids

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow_provider_hubbatch.core.associations import Direction, LinkKind
    from airflow_provider_hubbatch.core.definitions import PropertyDefinition
    from airflow_provider_hubbatch.core.link_spec import LinkSpec
    from airflow_provider_hubbatch.core.lookup import Lookup
    from airflow_provider_hubbatch.core.owners import Owners
    from airflow_provider_hubbatch.core.values import Converted


@dataclass(frozen=True, kw_only=True, eq=False)
class LinkColumn:
    """A column that names the records which new ones are linked with, and all that is known of such links.

    :param kinds: the kinds of link that the setting may mean; the first one is sent.
    :param definition: HubSpot's of the property that the column holds, where it is known.
    :param lookup: finds the record ids; ``None``: rows have them.
    """

    spec: LinkSpec
    direction: Direction
    kinds: tuple[LinkKind, ...]
    definition: PropertyDefinition | None = None
    lookup: Lookup | None = None

    @classmethod
    def known(
        cls,
        spec: LinkSpec,
        direction: Direction,
        kinds: Mapping[str | None, tuple[LinkKind, ...]],
        definitions: Mapping[str, PropertyDefinition] | None,
    ) -> LinkColumn:
        """A column, once HubSpot has told what there is.

        :param kinds: of links in this direction, by label; ``None``: HubSpot's unlabeled link.
        :param definitions: of the linked records' properties; ``None``: not read, empty: not allowed to.
        """
        definition = (definitions or {}).get(spec.id_property or "")
        lookup = lookups_for(
            object_type=spec.object_type,
            api_version=direction.api_version,
            id_property=spec.id_property,
            definition=definition,
            by_record_id=True,
        ).lookup
        return cls(
            spec=spec, direction=direction, kinds=kinds.get(spec.label, ()), definition=definition, lookup=lookup
        )

    def cells(self, chunk: Chunk, owners: Owners | None) -> list[Converted]:
        """What a chunk's rows name the linked record by; ``None``: an empty cell, no link."""
        converted = convert_ids(
            chunk.columns.get(self.spec.column, [MISSING] * chunk.length),
            id_property=self.spec.id_property,
            definition=self.definition,
            object_type=self.spec.object_type,
            owners=owners,
        )
        return [self._cell(one) if isinstance(one, Invalid) else one for one in converted]

    def _cell(self, invalid: Invalid) -> Invalid | None:
        if invalid.category == MISSING_ID:
            return None
        return Invalid(invalid.category, f"{self.spec.where}: {invalid.reason}")

    def association(self, record_id: str) -> dict[str, Any]:
        """The link, as a create names it."""
        return {"to": {"id": record_id}, "types": [self.kinds[0].as_json()]}

    def is_held(self, held: frozenset[LinkKind] | None) -> bool:
        """Whether a record has the link.

        :param held: the kinds of link that it has with the other one; ``None``: they aren't linked.
        """
        if held is None or self.spec.label is None:
            return held is not None
        return not held.isdisjoint(self.kinds)


def link_problems(
    spec: LinkSpec,
    direction: Direction,
    kinds: Mapping[str | None, tuple[LinkKind, ...]],
    definitions: Mapping[str, PropertyDefinition] | None,
) -> Iterator[str]:
    """Why new records can't be linked as a setting says; the parameters are those of :meth:`LinkColumn.known`."""
    start, labels = direction.from_object_type, [label for label in kinds if label is not None]
    if not kinds:
        yield f"{spec.setting}: HubSpot links no {start} with {spec.object_type}"
    elif spec.label is not None and spec.label not in kinds:
        yield f"{spec.setting}: {unknown_label(spec.label, labels, start, spec.object_type)}"
    elif spec.label is None and None not in kinds:
        named = ", ".join(map(repr, sorted(labels)))
        yield f"{spec.setting}: links from {start} to {spec.object_type} need a label; there are: {named}"
    known = KnownProperties(
        definitions or None,
        spec.object_type,
        preflight=True,
        key=None,
        id_column=spec.column,
        id_use=IdUse.EXISTING,
    )
    yield from (f"{spec.setting}: {problem}" for problem in known.id_problems(spec.id_property))


def with_links(
    rows: Sequence[Input | RowOutcome], columns: Sequence[LinkColumn], cells: Sequence[Sequence[Converted]]
) -> list[Input | RowOutcome]:
    """Rows ready to send, with the links that their new records are to have.

    :param cells: of each column, what the rows have in it; of rows that are sent, none is invalid.
    :returns: where some rows are looked up, each has links, if only none: so that it doesn't overtake them.
    """
    are_ids = [column.lookup is None for column in columns]
    keeps_places = not all(are_ids)
    linked: list[Input | RowOutcome] = []
    for row, named in zip(rows, zip(*cells, strict=True), strict=True):
        if isinstance(row, Input) and (keeps_places or any(named)):
            names = tuple(None if one is None else str(one) for one in named)
            records = tuple(name if is_id else None for name, is_id in zip(names, are_ids, strict=True))
            linked.append(row._replace(links=NewLinks(names, records)))
        else:
            linked.append(row)
    return linked
