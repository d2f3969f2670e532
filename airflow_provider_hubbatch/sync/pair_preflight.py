"""What is known before the first row is sent, of a sync whose rows name two records."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.core.associations import Direction
from airflow_provider_hubbatch.core.pairs import PairMapping, Side, check_kinds
from airflow_provider_hubbatch.core.protocol import account_path, properties_path
from airflow_provider_hubbatch.core.verbs import PAIR_VERBS
from airflow_provider_hubbatch.sync.preflight import Preflight, readable_definitions

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_hubbatch.client.client import HubSpotClient
    from airflow_provider_hubbatch.core.associate_options import AssociateOptions
    from airflow_provider_hubbatch.core.associations import LinkKind
    from airflow_provider_hubbatch.core.costs import Costs
    from airflow_provider_hubbatch.core.model import Chunk


def run_pair_preflight(
    client: HubSpotClient,
    object_type: str,
    options: AssociateOptions,
    first: Chunk,
    *,
    costs: Costs,
    needs_account: bool,
) -> Preflight:
    """Ask HubSpot for what the options need, and check the columns.

    :param first: the first rows.
    :param costs: counts the requests into these.
    :param needs_account: ask for the account's details, too.
    :raises HubSpotError: HubSpot can't be asked, or the columns don't fit.
    """
    spec, to_object_type = options.mapping, options.linked_type
    asked = _Asked(client, object_type, options, costs, needs_account=needs_account)
    kinds = asked.kinds()
    sides = (
        Side("from", object_type, spec.from_column, spec.from_id_property, asked.definitions(object_type)),
        Side("to", to_object_type, spec.to_column, spec.to_id_property, asked.definitions(to_object_type)),
    )
    labels = None if kinds is None else [label for label in kinds if label is not None]
    mapping = PairMapping(spec, sides, labels)
    # the columns of an earlier run's rows prove nothing: the settings may have changed since
    if first.attempts is None:
        mapping.check_columns(first.names, complete=first.complete)
    else:
        mapping.check_settings()
    verb = PAIR_VERBS[options.verb](
        options,
        object_type=object_type,
        api_version=client.api_version,
        kinds=kinds or {},
        definitions=tuple(side.definition for side in sides),
    )
    return Preflight(definitions={}, verb=verb, mapping=mapping, columns={}, account=asked.account())


class _Asked:
    """What HubSpot is asked for, side by side."""

    def __init__(
        self,
        client: HubSpotClient,
        object_type: str,
        options: AssociateOptions,
        costs: Costs,
        *,
        needs_account: bool,
    ) -> None:
        spec, version = options.mapping, client.api_version
        self._client = client
        self._direction = Direction(object_type, options.linked_type, version)
        keyed = [
            one
            for one, name in ((object_type, spec.from_id_property), (options.linked_type, spec.to_id_property))
            if name is not None
        ]
        paths = [self._direction.labels_path] if options.preflight or options.has_labels else []
        paths += [properties_path(one, version) for one in dict.fromkeys(keyed)]
        paths += [account_path(version)] if needs_account else []
        answers = client.side_by_side(paths, costs, max_in_flight=options.max_in_flight) if paths else []
        self._answers: dict[str, Callable[[], Any]] = dict(zip(paths, answers, strict=True))

    def kinds(self) -> dict[str | None, tuple[LinkKind, ...]] | None:
        """The kinds of links by label; ``None``: not asked for.

        :raises SettingsError: there are none.
        """
        ask = self._answers.get(self._direction.labels_path)
        if ask is None:
            return None
        start, end = self._direction.from_object_type, self._direction.to_object_type
        kinds = self._client.association_kinds_in(ask, f"{start} or {end}")
        check_kinds(kinds, start, end)
        return kinds

    def definitions(self, object_type: str) -> dict[str, Any] | None:
        """An object type's property definitions; ``None``: not asked for, empty: not allowed to."""
        ask = self._answers.get(properties_path(object_type, self._client.api_version))
        if ask is None:
            return None
        return readable_definitions(partial(self._client.properties_in, ask, object_type), object_type)

    def account(self) -> dict[str, Any]:
        """The account's details, as far as they are known."""
        ask = self._answers.get(account_path(self._client.api_version))
        return {} if ask is None else self._client.known_account_in(ask)
