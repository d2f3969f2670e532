"""The operator that updates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_hubbatch.core.options import UpdateOptions
from airflow_provider_hubbatch.operators.records import HubSpotRecordsOperator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class HubSpotBatchUpdateOperator(HubSpotRecordsOperator):
    """Update HubSpot CRM records from rows, 100 a request, and account for every row.

    Takes the parameters of :class:`~airflow_provider_hubbatch.operators.records.HubSpotRecordsOperator`, and pushes its
    XComs.

    :param id_column: the column that names the record. Templated.
    :param id_property: ``None``: ``id_column`` holds record ids; else the property whose value it holds.
        Templated.
    :param properties: columns to write: a list, or ``{column: property}``; ``None``: every column but ``id_column``.
        Templated.
    :param null_values: ``skip``: a null or an empty text leaves the property alone; ``clear``: it empties it.
    :param max_cleared: the share of rows (float) in which ``clear`` may empty a property; ``None``: any, but a column
        that is empty in all of the first 1,000 rows stops the sync; ``1.0``: all.
    :param must_match: ``{column: property}``: each record is read first, and a row whose record has another value of
        the property is rejected, nothing written to it. Templated.
    :param skip_unchanged: ``None``: send every row; ``hubspot``: leave out what HubSpot has already, as batch/read
        tells; a path: leave out what the last sync wrote, as the file there says. Templated.
    :param write_when: ``{column: "empty"}``: each record is read first, and the column is written only where HubSpot
        has nothing. Templated.
    :param missing_ok: a record that HubSpot doesn't have is counted as ``missing``, not held against the task.
    """

    options_class: ClassVar = UpdateOptions
    template_fields: Sequence[str] = (
        *HubSpotRecordsOperator.template_fields,
        "id_column",
        "id_property",
        "properties",
        "must_match",
        "skip_unchanged",
        "write_when",
    )

    def __init__(
        self,
        *,
        id_column: str = "id",
        id_property: str | None = None,
        properties: Sequence[str] | Mapping[str, str] | None = None,
        null_values: str = "skip",
        max_cleared: float | None = None,
        must_match: Mapping[str, str] | None = None,
        skip_unchanged: str | None = None,
        write_when: Mapping[str, str] | None = None,
        missing_ok: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.id_column = id_column
        self.id_property = id_property
        self.properties = properties
        self.null_values = null_values
        self.max_cleared = max_cleared
        self.must_match = must_match
        self.skip_unchanged = skip_unchanged
        self.write_when = write_when
        self.missing_ok = missing_ok
        self._options(templated=False)
