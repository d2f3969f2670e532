"""The options of a sync, checked: the operator's parameters and the hook's keyword arguments are these."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_hubbatch.core.keys import IdUse
from airflow_provider_hubbatch.core.link_spec import links_checked
from airflow_provider_hubbatch.core.mapping_spec import MappingSpec
from airflow_provider_hubbatch.core.sync_report import check_count_or_share
from airflow_provider_hubbatch.exceptions import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_hubbatch.core.pairs import PairSpec

COMPARE_WITH_HUBSPOT = "hubspot"
SKIP_EXISTING = "skip"

# How a sync goes about its work, and when it is content with it: a retry may have other ones of these.
_MAKES_NO_DIFFERENCE = frozenset(
    {"min_rows", "max_rejected", "preflight", "max_in_flight", "requests_per_10_seconds", "daily_quota_reserve"}
    | {"max_cleared", "max_archived"}
)

# More threads than this gain nothing: 250 requests per 10 s at HubSpot's slowest keep 64 busy only above 2.5 s each.
_MOST_IN_FLIGHT = 256
# Any number of rows: only something that is no count is refused.
_MOST_ROWS = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncOptions:
    """What every verb's options have; names, defaults and meanings are the operators'.

    :param min_rows: fewer rows fail the sync; rows that are sent again (``RejectedRows``) don't count.
    :param max_rejected: rows that may fail before the sync does: a count or a share.
    :param results_path: a folder for one outcome a row, as JSON lines, on any storage that Airflow reaches.
    :param preflight: check columns and values against the property definitions first.
    :param validate_only: everything but the write.
    :param max_in_flight: requests under way at once.
    :param requests_per_10_seconds: cap; ``None``: the connection's, else what HubSpot's replies say.
    :param daily_quota_reserve: requests a day to leave for others: a count (int) or a share of the account's limit
        (float).
    """

    verb: ClassVar[str]
    """The verb that takes these."""

    min_rows: int | None = None
    max_rejected: float = 0
    results_path: str | None = None
    preflight: bool = True
    validate_only: bool = False
    max_in_flight: int = 16
    requests_per_10_seconds: int | None = None
    daily_quota_reserve: float = 0

    def __post_init__(self) -> None:
        """Check what can be checked without rows and definitions.

        :raises SettingsError: naming the option.
        """
        check_count_or_share(self.max_rejected, "max_rejected", of="rows")
        check_count_or_share(self.daily_quota_reserve, "daily_quota_reserve", of="the account's requests a day")
        if self.min_rows is not None and not _is_count(self.min_rows, _MOST_ROWS):
            raise SettingsError(f"min_rows={self.min_rows!r}: give a whole number above 0, or None")
        self._check_paths("results_path")
        self._check_flags("preflight", "validate_only")
        if not _is_count(self.max_in_flight, _MOST_IN_FLIGHT):
            raise SettingsError(
                f"max_in_flight={self.max_in_flight!r}: give a whole number from 1 to {_MOST_IN_FLIGHT}"
            )
        checked_requests_per_10_seconds(self.requests_per_10_seconds, "requests_per_10_seconds")

    @property
    def mapping(self) -> MappingSpec | PairSpec:
        """What the rows' columns are, checked.

        :raises SettingsError: naming each option that is wrong.
        """
        raise NotImplementedError

    @property
    def linked_type(self) -> str | None:
        """Of the records that rows link to: their object type; ``None``: rows link nothing."""
        return None

    @property
    def compares_with(self) -> str | None:
        """What unchanged rows are told by: ``hubspot``, a path, or nothing."""
        return None

    @property
    def most_cleared(self) -> float | None:
        """``max_cleared``, where the verb has it."""
        return None

    @property
    def most_rows(self) -> int | None:
        """More rows than this stop the sync before its first request; ``None``: any number may come."""
        return None

    def what_outcomes_depend_on(self) -> dict[str, Any]:
        """All that makes a difference to what becomes of the rows."""
        told = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in _MAKES_NO_DIFFERENCE}
        return {"verb": self.verb, **told}

    def _check_paths(self, *names: str) -> None:
        for name in names:
            value = getattr(self, name)
            if value is not None and not (isinstance(value, str) and value.strip()):
                raise SettingsError(f"{name}={value!r}: give a path or URL as text, or None")

    def _check_flags(self, *names: str) -> None:
        for name in names:
            if not isinstance(getattr(self, name), bool):
                raise SettingsError(f"{name}={getattr(self, name)!r}: give True or False")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordOptions(SyncOptions):
    """What options of verbs for records have, whichever of them a user may set.

    :param id_column: the column that names the record.
    :param id_property: ``None``: it holds record ids; else the property whose value it holds.
    """

    id_use: ClassVar[IdUse] = IdUse.EXISTING
    """What the ids are, for the verb."""

    id_column: str | None = "id"
    id_property: str | None = None

    @property
    def mapping(self) -> MappingSpec:
        """What the rows' columns are, checked.

        :raises SettingsError: naming each option that is wrong.
        """
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueOptions(RecordOptions):
    """What options of verbs that write values to records have.

    :param properties: columns to write: a list, or ``{column: property}``; ``None``: every column but ``id_column``.
    :param null_values: ``skip``: a null or an empty text leaves the property alone; ``clear`` empties it.
    :param max_cleared: the share of rows in which ``clear`` may empty a property; ``None``: any, but not all of the
        first 1,000.
    :param must_match: ``{column: property}``: reject a row whose record is there and has another value of the property.
    :param write_when: ``{column: "created" | "empty"}``: write it only when the row makes its record, or only where
        HubSpot has nothing.
    :param skip_unchanged: ``None``; ``hubspot``: leave out what HubSpot has already, as batch/read tells; a path:
        leave out the rows whose values the last sync wrote, as the file there says.
    """

    properties: Sequence[str] | Mapping[str, str] | None = None
    null_values: str = "skip"
    max_cleared: float | None = None
    must_match: Mapping[str, str] | None = None
    skip_unchanged: str | None = None
    write_when: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        """As the base's.

        :raises SettingsError: naming the option.
        """
        SyncOptions.__post_init__(self)
        if self.max_cleared is not None and not (isinstance(self.max_cleared, float) and 0 <= self.max_cleared <= 1):
            raise SettingsError(
                f"max_cleared={self.max_cleared!r}: give a share of the rows, a float from 0.0 to 1.0, or None"
            )
        self._check_paths("skip_unchanged")
        self._check_skip_unchanged()

    @property
    def mapping(self) -> MappingSpec:
        """What the rows' columns are, checked.

        :raises SettingsError: naming each option that is wrong.
        """
        return MappingSpec.checked(
            id_column=self.id_column,
            id_property=self.id_property,
            properties=self.properties,
            null_values=self.null_values,
            must_match=self.must_match,
            write_when=self.write_when,
            id_use=self.id_use,
        )

    @property
    def compares_with(self) -> str | None:
        """``skip_unchanged``."""
        return self.skip_unchanged

    @property
    def most_cleared(self) -> float | None:
        """``max_cleared``."""
        return self.max_cleared

    def _check_skip_unchanged(self) -> None:
        """A word that is no path is a typing error: it would become a file in the working directory."""
        value = self.skip_unchanged
        if value in (None, COMPARE_WITH_HUBSPOT) or {"/", "."} & set(str(value)):
            return
        raise SettingsError(
            f"skip_unchanged={value!r}: give {COMPARE_WITH_HUBSPOT!r}, or a file's path, with a slash or a dot"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateOptions(ValueOptions):
    """How rows become updates.

    :param missing_ok: a record that HubSpot doesn't have is counted, not held against the sync.
    """

    verb: ClassVar[str] = "update"

    missing_ok: bool = False

    def __post_init__(self) -> None:
        """As the base's.

        :raises SettingsError: naming the option.
        """
        ValueOptions.__post_init__(self)
        self._check_flags("missing_ok")


@dataclass(frozen=True, slots=True, kw_only=True)
class UpsertOptions(ValueOptions):
    """How rows become upserts."""

    verb: ClassVar[str] = "upsert"
    id_use: ClassVar[IdUse] = IdUse.EITHER


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateOptions(RecordOptions):
    """How rows become new records.

    :param id_column: the column that names the row in its outcome, or that holds its key; ``None``: none does.
    :param id_property: the unique property whose value the key is, which is written; ``None``: the rows have no key.
    :param properties: columns to write: a list, or ``{column: property}``; ``None``: every column but ``id_column``.
    :param existing: what a row is whose record is there already: ``reject``: rejected; ``skip``: unchanged.
    :param links: the records that new ones are linked with from the start: ``{object type: column}``, or ``{object
        type: {"column", "id_property", "label"}}``. The column is not written.
    """

    verb: ClassVar[str] = "create"
    id_use: ClassVar[IdUse] = IdUse.NEW

    id_column: str | None = None
    properties: Sequence[str] | Mapping[str, str] | None = None
    existing: str = "reject"
    links: Mapping[str, str | Mapping[str, str | None]] | None = None

    def __post_init__(self) -> None:
        """As the base's.

        :raises SettingsError: naming the option.
        """
        SyncOptions.__post_init__(self)
        if self.existing not in ("reject", SKIP_EXISTING):
            raise SettingsError(f"existing={self.existing!r}: give 'reject' or {SKIP_EXISTING!r}")
        links_checked(self.links)

    @property
    def mapping(self) -> MappingSpec:
        """What the rows' columns are, checked.

        :raises SettingsError: naming each option that is wrong.
        """
        if self.existing == SKIP_EXISTING and self.id_property is None:
            raise SettingsError(
                f"existing={SKIP_EXISTING!r} needs a key: without id_property nothing tells whether a record is there"
            )
        return MappingSpec.checked(
            id_column=self.id_column,
            id_property=self.id_property,
            properties=self.properties,
            id_use=self.id_use,
            links=links_checked(self.links),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveOptions(RecordOptions):
    """Which records are archived.

    :param missing_ok: a record that isn't there (any more) is counted, not held against the sync.
    :param max_archived: more rows than this stop the sync before its first request.
    :param must_match: ``{column: property}``: reject a row whose record has another value of the property.
    """

    verb: ClassVar[str] = "archive"

    missing_ok: bool = True
    max_archived: int | None = None
    must_match: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        """As the base's.

        :raises SettingsError: naming the option.
        """
        SyncOptions.__post_init__(self)
        self._check_flags("missing_ok")
        if self.max_archived is not None and not _is_count(self.max_archived, _MOST_ROWS):
            raise SettingsError(f"max_archived={self.max_archived!r}: give a whole number above 0, or None")

    @property
    def mapping(self) -> MappingSpec:
        """What the rows' columns are, checked: their ids, and what their records must have.

        :raises SettingsError: naming each option that is wrong.
        """
        return MappingSpec.writes_nothing(
            id_column=self.id_column, id_property=self.id_property, must_match=self.must_match
        )

    @property
    def most_rows(self) -> int | None:
        """``max_archived``."""
        return self.max_archived


OPTIONS: Mapping[str, type[RecordOptions]] = {
    one.verb: one for one in (UpdateOptions, UpsertOptions, CreateOptions, ArchiveOptions)
}
"""By verb."""


def checked_requests_per_10_seconds(value: Any, setting: str) -> int | None:
    """A cap on requests, if it can be one.

    :param setting: what to call it in the error.
    :raises SettingsError: it is neither ``None`` nor a whole number above 0.
    """
    if value is None or _is_count(value, 1_000_000):
        return value  # type: ignore[no-any-return]
    raise SettingsError(f"{setting}={value!r}: give a whole number above 0, or None for what HubSpot's replies say")


def _is_count(value: Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most
