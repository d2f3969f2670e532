"""The operator that archives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_hubbatch.core.options import ArchiveOptions
from airflow_provider_hubbatch.operators.records import HubSpotRecordsOperator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class HubSpotBatchArchiveOperator(HubSpotRecordsOperator):
    """Archive HubSpot CRM records, which can be restored from HubSpot's recycle bin within 90 days.

    Takes the parameters of :class:`~airflow_provider_hubbatch.operators.records.HubSpotRecordsOperator`, and pushes its
    XComs.

    :param id_column: the column that names the record. Templated.
    :param id_property: ``None``: ``id_column`` holds record ids; else the property with unique values, or a contact's
        ``email``, that it is a value of. Templated.
    :param missing_ok: a record that isn't there (any more) is counted as ``missing``, not held against the task.
    :param max_archived: more rows than this fail the task before anything is archived.
    :param must_match: ``{column: property}``: each record is read first, and a row whose record has another value of
        the property is rejected, its record not archived. Templated.
    """

    options_class: ClassVar = ArchiveOptions
    template_fields: Sequence[str] = (
        *HubSpotRecordsOperator.template_fields,
        "id_column",
        "id_property",
        "must_match",
    )

    def __init__(
        self,
        *,
        id_column: str = "id",
        id_property: str | None = None,
        missing_ok: bool = True,
        max_archived: int | None = None,
        must_match: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.id_column = id_column
        self.id_property = id_property
        self.missing_ok = missing_ok
        self.max_archived = max_archived
        self.must_match = must_match
        self._options(templated=False)
