"""What tests, admins and other programs do to the account, beside HubSpot's API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from random import Random
from types import EllipsisType
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.sandbox.associations import End, in_order
from airflow_provider_hubbatch.sandbox.definitions import ObjectType, PropertyDefinition
from airflow_provider_hubbatch.sandbox.records import believable_record
from airflow_provider_hubbatch.sandbox.rules import ConditionalRule, CreateRule, DependentRule, PipelineRule
from airflow_provider_hubbatch.sandbox.schema import seeded_properties
from airflow_provider_hubbatch.sandbox.values import InvalidValueError, stored_value, timestamp

if TYPE_CHECKING:
    from airflow_provider_hubbatch.sandbox.faults import FaultScript
    from airflow_provider_hubbatch.sandbox.portal import Portal
    from airflow_provider_hubbatch.sandbox.rules import Rule
    from airflow_provider_hubbatch.sandbox.store import Record, Table
    from airflow_provider_hubbatch.sandbox.traffic import RecordedRequest

Records = int | Iterable[Mapping[str, Any]]


class Controls:
    """The account, seen from behind. Safe to use from any thread.

    Many methods: each is one thing that somebody could look at or do in an account.
    """

    def __init__(self, portal: Portal) -> None:
        self._portal = portal

    @property
    def faults(self) -> FaultScript:
        """The scripted and random faults: ``faults.add("status", status=503, count=2)``."""
        return self._portal.faults

    @property
    def token(self) -> str:
        """The access token that may do everything, or the first of those that were given."""
        return self._portal.tokens.main

    @property
    def requests(self) -> list[RecordedRequest]:
        """The requests so far, in the order of their answers."""
        with self._portal.lock:
            return list(self._portal.traffic.requests)

    @property
    def statistics(self) -> dict[str, Any]:
        """Counts over all requests, and the fullest that the windows have been."""
        with self._portal.lock:
            paces = self._portal.paces
            return {
                **self._portal.traffic.as_json(),
                "max_in_10_seconds": paces["objects"].peak,
                "max_associations_in_10_seconds": paces["associations"].peak,
                "max_searches_in_1_second": paces["search"].peak,
                "daily_spent": self._portal.quota.spent,
            }

    def forget_requests(self) -> None:
        """Empties ``requests`` and starts the counts again."""
        with self._portal.lock:
            self._portal.traffic.forget()

    def objects(self, object_type: str, *, archived: bool = False) -> dict[str, dict[str, Any]]:
        """Copies of the records, as HubSpot shows them, by record id.

        :param archived: The archived ones instead.
        :raises KeyError: for an unknown object type.
        """
        with self._portal.lock:
            records = self._portal.store.table(object_type).records.values()
            return {one.id: one.as_json() for one in records if (one.archived_at is not None) == archived}

    def add_records(self, object_type: str, records: Records) -> list[str]:
        """Adds records: so many believable ones, or these properties (``id`` is the record id, if given).

        :returns: Their ids.
        :raises ValueError: for a property that doesn't exist or a value that HubSpot would refuse.
        """
        with self._portal.lock:
            table = self._portal.store.table(object_type)
            if isinstance(records, int):
                random = Random(f"{self._portal.settings.seed} {object_type}")
                first = len(table.records) + 1
                rows = (believable_record(object_type, first + offset, random) for offset in range(records))
                now = timestamp(self._portal.now())
                return [self._portal.store.create(table, row, at=now).id for row in rows]
            return [self._add_record(table, dict(row)).id for row in records]

    def _add_record(self, table: Table, row: dict[str, Any]) -> Record:
        record_id = row.pop("id", None)
        values = {name: self._stored(table, name, value) for name, value in row.items()}
        return self._portal.store.create(table, values, record_id=None if record_id is None else str(record_id))

    def _stored(self, table: Table, name: str, value: Any) -> str:
        definition = table.definitions.get(name)
        if definition is None:
            raise ValueError(f"{table.object_type.name} have no property {name!r}.")
        text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        try:
            return stored_value(definition, text, owners=self._portal.store.owners.active, normalise_dates=False)
        except InvalidValueError as error:
            raise ValueError(f"{name}: {error.message.replace('{value}', text)}") from None

    def set_value(self, object_type: str, record_id: str, property_name: str, value: str | None) -> None:
        """Sets a property, as somebody in HubSpot's app would.

        :raises KeyError: for an unknown record.
        :raises ValueError: as :meth:`add_records`.
        """
        with self._portal.lock:
            table = self._portal.store.table(object_type)
            values = {property_name: self._stored(table, property_name, value)}
            self._portal.store.write(table, table.records[record_id], values)

    def archive(self, object_type: str, record_id: str) -> None:
        """Archives a record."""
        with self._portal.lock:
            self._portal.store.archive(self._portal.store.table(object_type), record_id)

    def merge(self, object_type: str, from_id: str, into_id: str) -> None:
        """Merges one record into another: its id goes on to mean the surviving one.

        :raises KeyError: if either doesn't exist.
        """
        with self._portal.lock:
            self._portal.store.merge(self._portal.store.table(object_type), from_id, into_id)

    def add_property(self, object_type: str, definition: PropertyDefinition | Mapping[str, Any]) -> None:
        """Adds or replaces a property definition.

        :param definition: Ours, or HubSpot's JSON.
        """
        if not isinstance(definition, PropertyDefinition):
            definition = PropertyDefinition.from_json(dict(definition))
        with self._portal.lock:
            self._portal.store.table(object_type).add_property(definition)

    def remove_property(self, object_type: str, name: str) -> None:
        """Deletes a property definition.

        :raises KeyError: for an unknown one.
        """
        with self._portal.lock:
            self._portal.store.table(object_type).remove_property(name)

    def add_object_type(self, name: str, object_type_id: str, *, singular: str | None = None) -> None:
        """Adds an object type with the properties that every type has.

        :param object_type_id: A custom type's begins with ``2-``.
        """
        scope = "custom" if object_type_id.startswith("2-") else name
        kind = ObjectType(
            name=name, object_type_id=object_type_id, singular=singular or name.removesuffix("s").title(), scope=scope
        )
        with self._portal.lock:
            self._portal.store.add_type(kind, seeded_properties(name))

    def require_when(self, object_type: str, required: str, when_property: str, when_value: str) -> None:
        """An admin's conditional rule: enforced from version 2026-09 on, or ``always`` by ``conditional_rules``."""
        self._add_rule(
            object_type, ConditionalRule(required=required, when_property=when_property, when_value=when_value)
        )

    def require_on_create(self, object_type: str, required: str) -> None:
        """An admin's rule: a new record must have this property; enforced as those of :meth:`require_when`."""
        self._add_rule(object_type, CreateRule(required=required))

    def make_dependent(
        self, object_type: str, name: str, controlling: str, allowed: Mapping[str, Iterable[str]]
    ) -> None:
        """Makes a property a dependent field.

        :param allowed: For each value of ``controlling`` the values that ``name`` may have.
        """
        by_value = {value: tuple(names) for value, names in allowed.items()}
        self._add_rule(object_type, DependentRule(name=name, controlling=controlling, allowed=by_value))

    def _add_rule(self, object_type: str, rule: Rule) -> None:
        with self._portal.lock:
            self._portal.store.table(object_type).rules.append(rule)

    def add_pipeline(self, object_type: str, name: str, stages: Iterable[str]) -> None:
        """Adds a pipeline with its stages to deals or tickets.

        :raises KeyError: for an object type without pipelines.
        """
        with self._portal.lock:
            table = self._portal.store.table(object_type)
            rule = next((one for one in table.rules if isinstance(one, PipelineRule)), None)
            if rule is None:
                raise KeyError(f"{object_type} have no pipelines.")
            rule.stages[name] = tuple(stages)
            table.add_options(rule.pipeline, [name])
            table.add_options(rule.stage, rule.stages[name])

    def add_label(self, from_type: str, to_type: str, label: str, *, inverse: str | None = None) -> int:
        """Adds an association label.

        :param inverse: What it is called from the other side; ``None``: the same.
        :returns: Its type id from the first side.
        :raises ValueError: for a label that there is already, or types that HubSpot doesn't link.
        """
        with self._portal.lock:
            store = self._portal.store
            types = (store.table(from_type).object_type, store.table(to_type).object_type)
            return store.links.types.add_label(*types, label, inverse).type_id

    def associate(self, from_type: str, from_id: str, to_type: str, to_id: str, *labels: str) -> None:
        """Links two records; the labels that their link had are replaced.

        :raises KeyError: for an unknown record.
        :raises ValueError: for an unknown label, or types that HubSpot doesn't link.
        """
        with self._portal.lock:
            store = self._portal.store
            tables = (store.table(from_type), store.table(to_type))
            kinds = store.links.types.between(tables[0].object_type, tables[1].object_type)
            by_label = {kind.label: kind for kind in kinds}
            unknown = [label for label in labels if label not in by_label]
            if unknown or not kinds:
                raise ValueError(f"{from_type} and {to_type} have the labels {[*by_label]}, not {unknown}.")
            start, end = (
                End(table.object_type.object_type_id, table.records[record_id].id)
                for table, record_id in zip(tables, (from_id, to_id), strict=True)
            )
            store.links.replace(start, end, [by_label[label] for label in labels], kinds[0])

    def associations(self, from_type: str, to_type: str) -> dict[str, dict[str, list[dict[str, Any]]]]:
        """All links from one object type to another: for each record the linked ones, each with the link's types.

        :returns: ``{from_id: {to_id: [{"category", "typeId", "label"}]}}``; the unlabeled type has no label.
        :raises KeyError: for an unknown object type.
        """
        with self._portal.lock:
            store = self._portal.store
            type_ids = [store.table(name).object_type.object_type_id for name in (from_type, to_type)]
            return {
                from_id: {to_id: [kind.as_json() for kind in in_order(kinds)] for to_id, kinds in links.items()}
                for from_id, links in store.links.all(*type_ids).items()
                if links
            }

    def add_owner(self, email: str, first_name: str = "", last_name: str = "", *, archived: bool = False) -> str:
        """Adds an owner.

        :returns: The owner's id.
        """
        with self._portal.lock:
            return self._portal.store.owners.add(email, first_name, last_name, archived=archived).id

    def archive_owner(self, owner_id: str) -> None:
        """Deactivates an owner.

        :raises KeyError: for an unknown one.
        """
        with self._portal.lock:
            self._portal.store.owners.archive(owner_id)

    def switch(self, **behaviours: Any) -> None:
        """Switches behaviours: ``switch(null_clears=True)``.

        :raises ValueError: for a name or a value that doesn't exist.
        """
        with self._portal.lock:
            self._portal.switch(self._portal.behaviours.changed(**behaviours))

    def expire_tokens(self, token: str | None = None) -> None:
        """Ends this token, or every access token that OAuth gave out."""
        with self._portal.lock:
            self._portal.tokens.expire(token)

    def rotate_token(self) -> str:
        """Replaces the access token; the old one gets 401.

        :returns: The new one.
        """
        with self._portal.lock:
            return self._portal.tokens.rotate()

    def spend_daily_quota(self, *, leave: int = 0, resets_in_seconds: float | None = None) -> None:
        """Leaves so many calls of today's limit.

        :param resets_in_seconds: When the daily limit resets; ``None``: at midnight in the account's time zone.
        """
        with self._portal.lock:
            self._portal.quota.spend(leave=leave, resets_in_seconds=resets_in_seconds)

    def set_limits(
        self,
        *,
        requests_per_10_seconds: int | None,
        daily_limit: int | None,
        association_requests_per_10_seconds: int | EllipsisType | None = ...,
        searches_per_second: int | EllipsisType | None = ...,
    ) -> None:
        """Gives the account other limits, as a bought add-on does; those that aren't named stay."""
        with self._portal.lock:
            self._portal.quota.limit = daily_limit
            for name, limit in (
                ("objects", requests_per_10_seconds),
                ("associations", association_requests_per_10_seconds),
                ("search", searches_per_second),
            ):
                if not isinstance(limit, EllipsisType):
                    self._portal.paces[name].set_limit(limit)

    def occupy_window(self, places: int, token: str | None = None, *, pace: str = "objects") -> None:
        """Takes places in the rolling window of a token's app, as other programs with this token do.

        :param pace: Which window: ``objects``, ``associations`` or ``search``.
        :raises KeyError: for an unknown token or pace.
        """
        with self._portal.lock:
            known = self._portal.tokens.find(token or self.token)
            if known is None:
                raise KeyError(f"No token {token!r}.")
            self._portal.paces[pace].window(known).occupy(places, self._portal.clock())

    def reset_limits(self) -> None:
        """Frees every rolling window and resets the daily limits."""
        with self._portal.lock:
            for pace in self._portal.paces.values():
                pace.clear()

    def state(self) -> dict[str, Any]:
        """What the account holds, in short."""
        portal = self._portal
        with portal.lock:
            return {
                "portal_id": portal.portal_id,
                "records": {name: table.count_live() for name, table in portal.store.tables.items()},
                "requests_per_10_seconds": portal.paces["objects"].limit,
                "daily_limit": portal.quota.limit,
                "daily_remaining": portal.quota.remaining,
                "statistics": self.statistics,
                "faults": [fault.as_json() for fault in portal.faults.pending],
                "behaviours": vars(copy(portal.behaviours)),
            }
