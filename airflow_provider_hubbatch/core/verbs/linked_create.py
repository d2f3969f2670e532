"""Create with links from the start: notes, tasks and line items make sense only with a record that they hang on.

Keys of linked records are looked up first, so that a record which isn't there keeps its row from making a new one. The
links go with the create (``associations``). Its reply doesn't show them, so that they are read afterwards: up to 1,000
records a request.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, ClassVar

from airflow_provider_hubbatch.core.error_reply import NO_ANSWER, ErrorReply
from airflow_provider_hubbatch.core.model import Input, NewLinks, RowOutcome, Status
from airflow_provider_hubbatch.core.values import order_key
from airflow_provider_hubbatch.core.verbs.create import Create
from airflow_provider_hubbatch.core.verbs.pairs import LinksLookup
from airflow_provider_hubbatch.core.verbs.verb import LookUp, Write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_hubbatch.core.associations import RecordLinks
    from airflow_provider_hubbatch.core.lookup import Found
    from airflow_provider_hubbatch.core.new_links import LinkColumn
    from airflow_provider_hubbatch.core.verbs.verb import Step


@dataclass(frozen=True, kw_only=True, eq=False)
class NewLinksLookup(LinksLookup):
    """The links of records that have just been made."""

    is_urgent: ClassVar[bool] = True

    def read_so_far(self, item: Input) -> RecordLinks | None:
        """The links of an input's record, as far as they have been read; ``None``: not at all."""
        return links_of(item).read

    def with_read(self, item: Input, links: RecordLinks) -> Input:
        """The input, with what has been read of its record's links."""
        return item._replace(links=links_of(item)._replace(read=links))


def links_of(item: Input) -> NewLinks:
    """The links of an input that has some."""
    if item.links is None:
        raise TypeError("an input without links")
    return item.links


@dataclass(frozen=True, kw_only=True)
class LinkedCreate(Create):
    """The verb.

    :param columns: the columns that name the linked records.
    :param reads: what reads the links of new records back, for each of these.
    """

    decides_first: ClassVar[bool] = True
    looks_after: ClassVar[bool] = True

    columns: tuple[LinkColumn, ...] = ()
    reads: tuple[NewLinksLookup, ...] = ()

    @classmethod
    def of(cls, create: Create, columns: Sequence[LinkColumn]) -> LinkedCreate:
        """A create, with links from the start."""
        given = {one.name: getattr(create, one.name) for one in fields(Create)}
        given["operation"] = replace(create.operation, links=tuple(columns))
        reads = tuple(NewLinksLookup(direction=column.direction) for column in columns)
        return cls(**given, columns=tuple(columns), reads=reads)

    def first_step(self, item: Input) -> Step:
        """The linked records are looked up, one after the other, as far as rows don't have their record ids.

        Rows without a link go the same way: none overtakes another one of its key.
        """
        links = item.links
        if links is None:
            return Write(self.operation, item)
        for place in range(links.looked_up, len(self.columns)):
            lookup, named = self.columns[place].lookup, links.named[place] or ""
            if lookup is not None:
                asked = links._replace(asked=place, own=(item.id, item.key))
                return LookUp(lookup, item._replace(id=named, key=order_key(named), links=asked))
        return Write(self.operation, item)

    def after_lookup(self, item: Input, found: Found) -> Step:
        """What was looked up: a linked record, the links of the new one, or the row's own key."""
        links = item.links
        if links is None:
            return Create.after_lookup(self, item, found)
        if links.asked is not None and links.made is not None:
            return self._after_reading(item, links, links.asked, links.made, found)
        if links.asked is not None:
            return self._after_linked(item, links, links.asked, found)
        step = Create.after_lookup(self, item, found)
        if isinstance(step, Write):
            return self.first_step(step.item) if links.missing is None else self.after_refusal(item, links.missing)
        is_made = isinstance(step, RowOutcome) and step.status is Status.CREATED
        return self.after_writing(item, step) if is_made and isinstance(step, RowOutcome) else step

    def _after_linked(self, item: Input, links: NewLinks, place: int, found: Found) -> Step:
        own_id, own_key = links.own or (item.id, item.key)
        links = links._replace(asked=None, own=None, looked_up=place + 1)
        item = item._replace(id=own_id, key=own_key, links=links)
        if links.named[place] is None:
            return self.first_step(item)
        if found.record is None:
            return self._after_absence(item, links, self.columns[place], found.error or NO_ANSWER)
        records = tuple(found.record.id if at == place else one for at, one in enumerate(links.records))
        return self.first_step(item._replace(links=links._replace(records=records)))

    def _after_absence(self, item: Input, links: NewLinks, column: LinkColumn, error: ErrorReply) -> Step:
        """The row makes no record; but an earlier try, which found the linked one, may have made it."""
        missing = replace(error, message=f"{column.spec.where}: {error.reason}. Nothing was created")
        if item.in_doubt_since is None or self.by_key is None:
            return self.after_refusal(item, missing)
        # only its values tell whether a record came of it, or of a later row of its key
        return LookUp(self.by_key, item._replace(links=links._replace(missing=missing), shares_doubt=True))

    # --- once the record is there --------------------------------------------------------------------------------

    def after_writing(self, item: Input, outcome: RowOutcome) -> Step:
        """The reply doesn't show the links: they are read, where it is known of which record."""
        if item.links is None:
            return outcome
        if outcome.record_id is None or item.links.missing is not None:
            return outcome._replace(unread=self._names(item.links))
        return self._read_back(item, item.links, outcome, 0)

    def _names(self, links: NewLinks, begin: int = 0) -> tuple[str, ...]:
        """What outcomes call a row's links, from this one on."""
        places = range(begin, len(links.named))
        return tuple(self.columns[place].spec.object_type for place in places if links.named[place] is not None)

    def _read_back(self, item: Input, links: NewLinks, outcome: RowOutcome, begin: int) -> Step:
        """Read the next one of a row's links, if there is one.

        :param outcome: with what is known of those before it.
        """
        place = next((at for at in range(begin, len(links.records)) if links.records[at] is not None), None)
        if place is None or outcome.record_id is None:
            return outcome
        asked = links._replace(asked=place, made=outcome, read=None)
        unread = outcome._replace(unread=(*outcome.unread, *self._names(links, place)))
        return LookUp(self.reads[place], item._replace(id=outcome.record_id, links=asked), unread)

    def _after_reading(self, item: Input, links: NewLinks, place: int, made: RowOutcome, found: Found) -> Step:
        name = self.columns[place].spec.object_type
        if found.links is None:
            made = made._replace(unread=(*made.unread, name))
        elif not self.columns[place].is_held(found.links.get(links.records[place] or "")):
            made = made._replace(not_taken=(*made.not_taken, name))
        return self._read_back(item, links, made, place + 1)
