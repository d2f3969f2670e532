"""The operator that upserts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_hubbatch.core.options import UpsertOptions
from airflow_provider_hubbatch.operators.records import HubSpotRecordsOperator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class HubSpotBatchUpsertOperator(HubSpotRecordsOperator):
    """Create the HubSpot CRM records of rows that aren't there, update the others, and account for every row.

    Takes the parameters of :class:`~airflow_provider_hubbatch.operators.records.HubSpotRecordsOperator`, and pushes its
    XComs.

    :param id_property: the property by whose value a record is found or made: one with unique values, or a contact's
        ``email``. Templated.
    :param id_column: the column that holds that value. Templated.
    :param properties: columns to write: a list, or ``{column: property}``; ``None``: every column but ``id_column``.
        Templated.
    :param null_values: ``skip``: a null or an empty text leaves the property alone; ``clear``: it empties it.
    :param max_cleared: the share of rows (float) in which ``clear`` may empty a property; ``None``: any, but a column
        that is empty in all of the first 1,000 rows stops the sync; ``1.0``: all.
    :param must_match: ``{column: property}``: each key is looked up first, and a row whose record is there and has
        another value of the property is rejected, nothing written to it. Templated.
    :param skip_unchanged: ``None``: send every row; ``hubspot``: leave out what HubSpot has already, as batch/read
        tells; a path: leave out what the last sync wrote, as the file there says. Templated.
    :param write_when: ``{column: "created" | "empty"}``: each key is looked up first; a column is written only when the
        row creates its record, or only where HubSpot has nothing. Templated.
    """

    options_class: ClassVar = UpsertOptions
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
        id_property: str,
        id_column: str = "id",
        properties: Sequence[str] | Mapping[str, str] | None = None,
        null_values: str = "skip",
        max_cleared: float | None = None,
        must_match: Mapping[str, str] | None = None,
        skip_unchanged: str | None = None,
        write_when: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.id_property = id_property
        self.id_column = id_column
        self.properties = properties
        self.null_values = null_values
        self.max_cleared = max_cleared
        self.must_match = must_match
        self.skip_unchanged = skip_unchanged
        self.write_when = write_when
        self._options(templated=False)
