"""Associate: links between two records for each row, with a label or without, made or taken away.

A side that isn't a record id is looked up first, the from side before the to side. Rows of one pair wait for each
other. HubSpot replaces the labels of a pair: so those that it has are read before a label is added, and labels of one
pair in several rows are sent together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from airflow_provider_hubbatch.core.associations import PRIMARY, Direction, LinkKind
from airflow_provider_hubbatch.core.definitions import is_companies
from airflow_provider_hubbatch.core.error_reply import NO_ANSWER, OBJECT_NOT_FOUND, ErrorReply
from airflow_provider_hubbatch.core.model import Input, RowOutcome, Status
from airflow_provider_hubbatch.core.search_lookup import lookups_for
from airflow_provider_hubbatch.core.values import order_key
from airflow_provider_hubbatch.core.verbs.links import (
    AssociateDefault,
    AssociateLabeled,
    LinkOperation,
    RemoveLabels,
    RemoveLinks,
    linked_outcome,
)
from airflow_provider_hubbatch.core.verbs.pairs import LinksLookup, pair_of, records_of
from airflow_provider_hubbatch.core.verbs.verb import LookUp, Verb, Write

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_hubbatch.core.associate_options import AssociateOptions
    from airflow_provider_hubbatch.core.definitions import PropertyDefinition
    from airflow_provider_hubbatch.core.lookup import Found, Lookup
    from airflow_provider_hubbatch.core.verbs.verb import Step

# So often a row is sent of which HubSpot's replies say nothing, and which hasn't arrived.
_MOST_SENDINGS = 3

SAME_RECORD = ErrorReply("SAME_RECORD", "both sides are one record: HubSpot links no record with itself")
_STILL_THERE = "HubSpot took the request that takes the link away, and still has it"


@dataclass(frozen=True, kw_only=True)
class Associate(Verb):
    """The verb.

    :param labeled: how rows with a label are written; ``operation``: those without.
    :param links: reads the links of records.
    :param from_side: looks the one side up; ``None``: rows have its record ids. ``to_side``: as this.
    :param removes: links are taken away.
    :param primary_of: links may become the one primary link of a record: ``from`` or ``to``, on which side that is.
    """

    name: ClassVar[str] = "associate"
    doing: ClassVar[str] = "Linking"
    done: ClassVar[tuple[Status, ...]] = (Status.CREATED, Status.ARCHIVED)
    decides_first: ClassVar[bool] = True

    operation: LinkOperation
    labeled: LinkOperation
    links: LinksLookup
    from_side: Lookup | None = None
    to_side: Lookup | None = None
    removes: bool = False
    primary_of: str | None = None

    @classmethod
    def for_pairs(
        cls,
        options: AssociateOptions,
        *,
        object_type: str,
        api_version: str,
        kinds: Mapping[str | None, tuple[LinkKind, ...]],
        definitions: tuple[PropertyDefinition | None, PropertyDefinition | None] = (None, None),
    ) -> Associate:
        """The verb as a sync's options want it.

        :param object_type: of the side that links start from.
        :param kinds: of links, by label.
        :param definitions: HubSpot's of the properties that name the one and the other side, where they are known.
        """

        def side(of_type: str, id_property: str | None, definition: PropertyDefinition | None) -> Lookup | None:
            return lookups_for(
                object_type=of_type,
                api_version=api_version,
                id_property=id_property,
                definition=definition,
                by_record_id=True,
            ).lookup

        direction = Direction(object_type, options.linked_type, api_version)
        links = LinksLookup(direction=direction)
        plain, labeled = (RemoveLinks, RemoveLabels) if options.remove else (AssociateDefault, AssociateLabeled)
        spec = options.mapping
        return cls(
            object_type=object_type,
            api_version=api_version,
            operation=plain(direction=direction, links=links, kinds=kinds),
            labeled=labeled(direction=direction, links=links, kinds=kinds),
            links=links,
            from_side=side(object_type, spec.from_id_property, definitions[0]),
            to_side=side(options.linked_type, spec.to_id_property, definitions[1]),
            removes=options.remove,
            primary_of=_primary_of(options, object_type, kinds),
        )

    # --- steps ---------------------------------------------------------------------------------------------------

    def first_step(self, item: Input) -> Step:
        """The sides are looked up, one after the other, as far as rows don't have their record ids."""
        pair = pair_of(item)
        if pair.from_record is None and self.from_side is not None:
            return LookUp(self.from_side, item._replace(id=pair.from_id, key=order_key(pair.from_id)))
        if pair.to_record is None and self.to_side is not None:
            return LookUp(self.to_side, item._replace(id=pair.to_id, key=order_key(pair.to_id)))
        start, end = records_of(item)
        if start == end and self.links.direction.is_symmetric:
            return self.after_refusal(item, SAME_RECORD)
        item = item._replace(id=start, key=self._key(start, end))
        if pair.label is not None and not self.removes:
            return LookUp(self.links, item)
        return self._write(item)

    def _write(self, item: Input) -> Write:
        return Write(self.operation if pair_of(item).label is None else self.labeled, item)

    def _key(self, start: str, end: str) -> str:
        """Rows of one pair wait for each other, whichever side they start from; where a record has one primary link,
        all rows of the record do.
        """
        if self.links.direction.is_symmetric:
            return " ".join(sorted((start, end)))
        match self.primary_of:
            case "from":
                return f"{start} *"
            case "to":
                return f"* {end}"
        return f"{start} {end}"

    def after_lookup(self, item: Input, found: Found) -> Step:
        """What was looked up: the from side, the to side, or the links that there are."""
        pair = pair_of(item)
        if pair.from_record is None:
            return self._after_side(item, found, "from")
        if pair.to_record is None:
            return self._after_side(item, found, "to")
        if found.links is None:
            return self.after_refusal(item, found.error or NO_ANSWER)
        held = found.links.get(records_of(item)[1])
        return self._before_write(item, held, found) if pair.sent == 0 else self._after_write(item, held)

    def _after_side(self, item: Input, found: Found, side: str) -> Step:
        pair = pair_of(item)
        if found.record is None:
            error = found.error or NO_ANSWER
            return self.after_refusal(item, replace(error, message=f"the {side} side: {error.reason}"))
        record = found.record.id
        known = pair._replace(from_record=record) if side == "from" else pair._replace(to_record=record)
        return self.first_step(item._replace(pair=known))

    def _before_write(self, item: Input, held: frozenset[LinkKind] | None, found: Found) -> Step:
        """A label that is there already is left alone; else the ones that are there are sent with it."""
        held = held or frozenset()
        has_it = self.labeled.has(item, held)
        # other rows only add labels, but that they may make another link the primary one
        if found.is_stale and not (has_it and pair_of(item).label != PRIMARY):
            # what the rows before it have written is known once they have their outcome
            return self._write(item) if found.waits else LookUp(self.links, item)
        if has_it:
            return linked_outcome(item, Status.UNCHANGED, held)
        return self._write(item._replace(pair=pair_of(item)._replace(held=held)))

    def _after_write(self, item: Input, held: frozenset[LinkKind] | None) -> Step:
        """A reply said nothing of this row: whether it has had its effect, the links tell."""
        pair = pair_of(item)
        if self.labeled.has(item, held) is not self.removes:
            status = Status.ARCHIVED if self.removes else Status.CREATED
            return linked_outcome(item, status, held or frozenset())
        if pair.sent < _MOST_SENDINGS:
            # which links it has is known now; what was carried is there or not, whatever this row's is
            return self._write(item._replace(pair=pair._replace(held=held or frozenset())))
        message = _STILL_THERE if self.removes else NO_ANSWER.message
        return item.outcome(Status.UNKNOWN, category=NO_ANSWER.category, message=message)

    def after_refusal(self, item: Input, error: ErrorReply) -> Step:
        """What was refused with the labels of other rows goes without them."""
        pair = pair_of(item)
        if pair.carried and error.category != OBJECT_NOT_FOUND:
            return self._write(item._replace(pair=pair._replace(carried=(), carried_kinds=frozenset(), alone=True)))
        return Verb.after_refusal(self, item, error)

    def after_predecessor(self, step: Write, before: RowOutcome) -> Step:
        """A row whose link the one before it has made, or taken away, has its outcome too."""
        item, to = step.item, before.to
        is_done = before.status in (*self.done, Status.UNCHANGED)
        if to is None or not is_done or (before.record_id, to.record_id) != records_of(item):
            return self._after_another(item)
        if pair_of(item).label is None:
            return linked_outcome(item, before.status, to.kinds)
        if to.kinds is None:
            return self._after_another(item)
        if self.labeled.has(item, to.kinds) is not self.removes:
            return linked_outcome(item, before.status, to.kinds)
        return self._write(item._replace(pair=pair_of(item)._replace(held=to.kinds)))

    def _after_another(self, item: Input) -> Step:
        """A row behind one that doesn't tell which labels the pair has now."""
        if pair_of(item).label is not None and not self.removes:
            return LookUp(self.links, item)
        return self._write(item)


def _primary_of(
    options: AssociateOptions, object_type: str, kinds: Mapping[str | None, tuple[LinkKind, ...]]
) -> str | None:
    """Whether rows may make links primary, of which a record has one; its side is the one that is no company."""
    may_be = options.label == PRIMARY or (options.label_column is not None and PRIMARY in kinds)
    if options.remove or not may_be:
        return None
    return "to" if is_companies(object_type) else "from"
