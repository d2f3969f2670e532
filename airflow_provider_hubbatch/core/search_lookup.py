"""Looking records up by a property whose values needn't be unique, such as a company's domain: CRM search.

``POST /crm/objects/{version}/{objectType}/search``. One request asks for 100 values; which of them name one record is
told by a reply that holds all that it says there are. There is never a second page: a full page of 200 results for at
most 100 values shows some of them more than once, and those are settled: so the others are asked for again without
them, and a value that thousands of records share costs one request.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from airflow_provider_hubbatch.core import scalars
from airflow_provider_hubbatch.core.batch_reply import Record, parse_batch_reply
from airflow_provider_hubbatch.core.error_reply import NO_ANSWER, OBJECT_NOT_FOUND, ErrorReply
from airflow_provider_hubbatch.core.keys import KeyKind, kind_of_key
from airflow_provider_hubbatch.core.lookup import BatchReadLookup, Found, Lookup
from airflow_provider_hubbatch.core.mapping_spec import When
from airflow_provider_hubbatch.core.protocol import Request, decode, encode, search_path
from airflow_provider_hubbatch.core.record_check import properties_to_read

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from airflow_provider_hubbatch.core.definitions import PropertyDefinition
    from airflow_provider_hubbatch.core.model import Input
    from airflow_provider_hubbatch.core.protocol import Reply

AMBIGUOUS_ID: Final = "AMBIGUOUS_ID"
"""The category of a row whose key several records have: none of them is written."""

# HubSpot, Search the CRM: at most 100 values in an IN, and 200 results a page
MOST_VALUES: Final = 100
_PAGE: Final = 200

# Record ids that a message names.
_IDS_NAMED: Final = 10

_TIMES: Final = frozenset({"date", "datetime"})
# Whose values search takes for what they are; it compares text without its case and the blanks around it.
_EXACT: Final = frozenset({"enumeration", "bool"})


@dataclass(frozen=True, slots=True)
class SearchReply:
    """A 2xx reply to a search, as far as it makes sense.

    :param records: those that it shows with a value of the property, by that value's meaning and then by id.
    :param is_complete: these are all that there are: as many as its ``total`` says, and each with its value.
    """

    records: Mapping[Hashable, Mapping[str, Record]] = field(default_factory=dict)
    is_complete: bool = False
    correlation_id: str | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class SearchLookup:
    """Records by any property: CRM search, up to a minute behind. None is found where two have the value.

    :param id_property: what the rows' ids are values of.
    :param definition: HubSpot's: by it values are compared.
    """

    object_type: str
    api_version: str
    id_property: str
    definition: PropertyDefinition | None = None
    most_inputs: ClassVar[int] = MOST_VALUES
    remembers: ClassVar[bool] = True
    folds: ClassVar[bool] = False
    is_urgent: ClassVar[bool] = False
    lags: ClassVar[bool] = True

    def request(self, inputs: Sequence[Input]) -> Request:
        """The request that looks these up, each value once."""
        values = list(dict.fromkeys(self.told(item.id) for item in inputs))
        wanted = {"propertyName": self.id_property, "operator": "IN", "values": values}
        body = {"filterGroups": [{"filters": [wanted]}], "properties": [self.id_property], "limit": _PAGE}
        return Request("POST", search_path(self.object_type, self.api_version), encode(body), repeatable=True)

    def told(self, identifier: str) -> str:
        """A value as search takes it: text in lower case, times in milliseconds (HubSpot, Search the CRM)."""
        kind = self._kind
        if kind in _TIMES:
            return _milliseconds(identifier) or identifier
        return identifier if kind == "number" or kind in _EXACT else identifier.lower()

    def read(self, inputs: Sequence[Input], reply: Reply, *, repeated: bool) -> list[Found | None]:
        """Tell which record belongs to which input: the one that has its value, if no other has it too.

        That none has it, or no other, only a complete reply says; that several have it, any.
        """
        found = self._parsed(reply)
        answers = [self._answer(item, found) for item in inputs]
        if repeated and answers == [None]:
            # asked for alone, again and again, its records are never shown: which are meant can't be known
            return [Found(error=replace(NO_ANSWER, correlation_id=found.correlation_id))]
        return answers

    def read_absence(self, inputs: Sequence[Input], error: ErrorReply, *, repeated: bool) -> list[Found | None]:
        """A search that finds nothing says so by an empty reply: this is none about records."""
        silence = Found(error=replace(NO_ANSWER, correlation_id=error.correlation_id))
        return [silence if repeated else None for _ in inputs]

    def _answer(self, item: Input, found: SearchReply) -> Found | None:
        records = found.records.get(self._meaning(item.id), {})
        if len(records) > 1:
            return Found(error=self._ambiguous(records, found))
        if not found.is_complete:
            return None
        if not records:
            message = f"no {self.object_type} record has this {self.id_property}: search finds none"
            return Found(error=ErrorReply(OBJECT_NOT_FOUND, message, correlation_id=found.correlation_id))
        return Found(next(iter(records.values())))

    def _ambiguous(self, records: Iterable[str], found: SearchReply) -> ErrorReply:
        ids = sorted(records, key=lambda one: (len(one), one))
        named = ", ".join(ids[:_IDS_NAMED])
        more = "" if found.is_complete and len(ids) <= _IDS_NAMED else " and more"
        message = (
            f"several {self.object_type} records have this {self.id_property}: {named}{more}. None of them is touched. "
            "Merge them in HubSpot, or name the one that is meant by its record id"
        )
        return ErrorReply(AMBIGUOUS_ID, message, correlation_id=found.correlation_id)

    def _parsed(self, reply: Reply) -> SearchReply:
        body = decode(reply.body)
        results = parse_batch_reply(reply).results
        total = body.get("total") if isinstance(body, dict) else None
        listed = body.get("results") if isinstance(body, dict) else None
        records: dict[Hashable, dict[str, Record]] = {}
        have_values = True
        for record in results:
            value = record.properties.get(self.id_property)
            if value in (None, ""):
                have_values = False
            else:
                shown = Record(record.id, {self.id_property: value}, record.updated_at)
                records.setdefault(self._meaning(str(value)), {})[record.id] = shown
        # a value that isn't asked for is another's: search may take for equal what isn't
        is_whole = isinstance(listed, list) and type(total) is int and total == len({one.id for one in results})
        return SearchReply(records, is_whole and have_values, reply.correlation_id)

    @property
    def _kind(self) -> str:
        return self.definition.type if self.definition is not None else ""

    def _meaning(self, value: str) -> Hashable:
        """What is the same for two values that are one to HubSpot."""
        kind = self._kind
        if kind in _EXACT:
            return value
        try:
            if kind == "number":
                return Decimal(value)
            if kind in _TIMES:
                return _milliseconds(value) or value
        except scalars.REFUSALS:
            return value
        return scalars.strip_blanks(value).casefold()


def _milliseconds(value: str) -> str | None:
    """Milliseconds since 1970 of a time as HubSpot has it: ISO 8601, or these already."""
    if value.isascii() and value.removeprefix("-").isdigit():
        return value
    try:
        moment = datetime.fromisoformat(value if "T" in value else f"{value}T00:00:00+00:00")
        return str(round(moment.timestamp() * 1000))
    except (ValueError, OverflowError):
        return None


class Before(NamedTuple):
    """What is looked up before a row is written.

    :param lookup: what every row begins with; ``None``: nothing.
    :param reading: reads what a record has that the lookup has found, by record id; ``None``: the lookup does that.
    """

    lookup: Lookup | None = None
    reading: Lookup | None = None


def what_decides(
    object_type: str, must_match: Mapping[str, str] | None, when: Mapping[str, When] | None = None
) -> frozenset[str]:
    """The properties that are read of a record, since what is written to it hangs on them, if anything is.

    :param must_match: column -> property.
    :param when: property -> when it is written.
    """
    filled = {name for name, one in (when or {}).items() if one is When.EMPTY}
    return properties_to_read((must_match or {}).values(), object_type) | filled


def lookups_for(
    *,
    object_type: str,
    api_version: str,
    id_property: str | None,
    definition: PropertyDefinition | None,
    by_record_id: bool = False,
    reads_values: bool = False,
    reads_also: frozenset[str] = frozenset(),
) -> Before:
    """The lookups that rows need before they can be written, by what names their records.

    :param id_property: what the rows' ids are values of; ``None``: record ids.
    :param definition: HubSpot's of that property, where it is known.
    :param by_record_id: the verb takes record ids and writes no values: unique properties are looked up, too, and what
        was found serves all rows that name it alike.
    :param reads_values: it must be known what the records have of what is written to them.
    :param reads_also: further properties on which hangs what is written to the records, if anything.
    """
    kind = kind_of_key(id_property, object_type, definition)
    reads = reads_values or bool(reads_also)
    searched = kind is KeyKind.SEARCHED
    read = BatchReadLookup(
        object_type=object_type,
        api_version=api_version,
        id_property=None if searched else id_property,
        reads_values=reads_values,
        reads_also=reads_also,
        must_find=bool(reads_also),
        remembers=by_record_id,
    )
    if searched:
        search = SearchLookup(
            object_type=object_type, api_version=api_version, id_property=str(id_property), definition=definition
        )
        return Before(search, read if reads else None)
    if reads or kind is KeyKind.EMAIL or (by_record_id and kind is KeyKind.UNIQUE):
        return Before(read)
    return Before()
