"""What is known of the links of new records, before the first row is sent."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from airflow_provider_hubbatch.core.associations import Direction
from airflow_provider_hubbatch.core.mapping_spec import raise_for
from airflow_provider_hubbatch.core.new_links import LinkColumn, link_problems
from airflow_provider_hubbatch.core.protocol import properties_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from airflow_provider_hubbatch.client.client import HubSpotClient
    from airflow_provider_hubbatch.core.costs import Costs
    from airflow_provider_hubbatch.core.definitions import PropertyDefinition
    from airflow_provider_hubbatch.core.link_spec import LinkSpec


def read_link_columns(
    client: HubSpotClient,
    object_type: str,
    specs: Sequence[LinkSpec],
    costs: Costs,
    *,
    max_in_flight: int,
    readable: Callable[[Callable[[], list[dict[str, Any]] | None], str], Mapping[str, PropertyDefinition] | None],
) -> tuple[LinkColumn, ...]:
    """Ask HubSpot, once and side by side, for the labels of links and for the properties that name linked records.

    :param costs: counts the requests into these.
    :param readable: reads property definitions, where the token may.
    :raises SettingsError: there is no such object type, label or property: one error, that lists every problem.
    :raises HubSpotError: HubSpot can't be asked.
    """
    directions = [Direction(object_type, spec.object_type, client.api_version) for spec in specs]
    keyed = [spec.object_type for spec in specs if spec.id_property is not None]
    paths = [direction.labels_path for direction in directions]
    paths += [properties_path(one, client.api_version) for one in keyed]
    answers = dict(zip(paths, client.side_by_side(paths, costs, max_in_flight=max_in_flight), strict=True))
    problems: list[str] = []
    columns: list[LinkColumn] = []
    for spec, direction in zip(specs, directions, strict=True):
        kinds = client.association_kinds_in(answers[direction.labels_path], f"{object_type} or {spec.object_type}")
        ask = answers.get(properties_path(spec.object_type, client.api_version))
        definitions = None
        if ask is not None:
            definitions = readable(partial(client.properties_in, ask, spec.object_type), spec.object_type)
        problems += link_problems(spec, direction, kinds, definitions)
        columns.append(LinkColumn.known(spec, direction, kinds, definitions))
    raise_for(problems)
    return tuple(columns)
