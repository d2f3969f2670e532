"""What is known before the first row is sent: HubSpot's definitions, the verb, and what becomes of each column."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.core.definitions import definitions_from_json
from airflow_provider_hubbatch.core.mapping import compile_mapping
from airflow_provider_hubbatch.core.verbs import LINKING_VERBS, VERBS
from airflow_provider_hubbatch.exceptions import MissingScopesError
from airflow_provider_hubbatch.sync.link_preflight import read_link_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_provider_hubbatch.client.client import HubSpotClient
    from airflow_provider_hubbatch.core.costs import Costs
    from airflow_provider_hubbatch.core.definitions import PropertyDefinition
    from airflow_provider_hubbatch.core.link_spec import LinkSpec
    from airflow_provider_hubbatch.core.mapping import RowMapping
    from airflow_provider_hubbatch.core.mapping_spec import MappingSpec
    from airflow_provider_hubbatch.core.model import Chunk
    from airflow_provider_hubbatch.core.new_links import LinkColumn
    from airflow_provider_hubbatch.core.options import RecordOptions
    from airflow_provider_hubbatch.core.pairs import PairMapping
    from airflow_provider_hubbatch.core.verbs.verb import Verb

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """What is known before the first row is sent.

    :param definitions: HubSpot's, by property; ``None``: not read, empty: not allowed to.
    :param mapping: makes rows ready to send.
    :param columns: which column goes to which property, of the columns that are there.
    :param account: the account's details, as far as they are known.
    """

    definitions: Mapping[str, PropertyDefinition] | None
    verb: Verb
    mapping: RowMapping | PairMapping
    columns: dict[str, str]
    account: dict[str, Any]


def run_preflight(
    client: HubSpotClient, object_type: str, options: RecordOptions, first: Chunk, *, costs: Costs, needs_account: bool
) -> Preflight:
    """Ask HubSpot for what the options need, and check the columns.

    :param first: the first rows.
    :param costs: counts the requests into these.
    :param needs_account: ask for the account's details, too.
    :raises HubSpotError: HubSpot can't be asked, or the columns don't fit.
    """
    spec = options.mapping
    properties, account = _asked(client, object_type, options, costs, needs_account=needs_account)
    definitions = readable_definitions(properties, object_type)
    links = _links(client, object_type, options, spec.links, costs)
    verb = VERBS[options.verb](
        options,
        object_type=object_type,
        id_property=spec.id_property,
        api_version=client.api_version,
        definitions=definitions or {},
    )
    if links:
        verb = LINKING_VERBS[type(verb)](verb, links)
    mapping = compile_mapping(
        spec,
        # those of an earlier run's rows prove nothing: the settings may have changed since
        chunk_columns=first.names if first.attempts is None else None,
        complete=first.complete,
        definitions=definitions,
        object_type=object_type,
        preflight=options.preflight,
        looked_up=verb.lookup is not None,
        links=links,
    )
    return Preflight(
        definitions=definitions, verb=verb, mapping=mapping, columns=_columns(spec, first), account=account()
    )


def _columns(spec: MappingSpec, first: Chunk) -> dict[str, str]:
    given = spec.properties
    if given is None:
        given = {name: name for name in first.columns if name not in spec.unwritten}
    return {column: name for column, name in given.items() if column in first.columns}


def _links(
    client: HubSpotClient, object_type: str, options: RecordOptions, specs: Sequence[LinkSpec], costs: Costs
) -> tuple[LinkColumn, ...]:
    """What HubSpot says of the links that new records are to have, where they are to have some."""
    if not specs:
        return ()
    return read_link_columns(
        client, object_type, specs, costs, max_in_flight=options.max_in_flight, readable=readable_definitions
    )


def _asked(
    client: HubSpotClient, object_type: str, options: RecordOptions, costs: Costs, *, needs_account: bool
) -> tuple[Callable[[], list[dict[str, Any]] | None], Callable[[], dict[str, Any]]]:
    """HubSpot's property definitions, which preflight and an id property need, and the account's details.

    :returns: a function for each, which returns it or raises; nothing, where it isn't needed.
    """
    needs_properties = options.preflight or options.mapping.id_property is not None
    if needs_properties and needs_account:
        return client.properties_and_account(object_type, costs, max_in_flight=options.max_in_flight)
    return (
        partial(client.properties, object_type, costs) if needs_properties else lambda: None,
        partial(client.account_if_known, costs) if needs_account else dict,
    )


def readable_definitions(
    properties: Callable[[], list[dict[str, Any]] | None], object_type: str
) -> dict[str, PropertyDefinition] | None:
    """HubSpot's definitions; ``None``: not read, empty: not allowed to."""
    try:
        read = properties()
        return None if read is None else definitions_from_json(read)
    except MissingScopesError as error:
        log.warning(
            "The token may not read the property definitions of %s, so that columns and values are not checked "
            "before they are sent: %s",
            object_type,
            error,
        )
        return {}
