"""The operator that archives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_hubbatch.core.options import ArchiveOptions
from airflow_provider_hubbatch.operators.records import HubSpotRecordsOperator

if TYPE_CHECKING:
    from collections.abc import Sequence


class HubSpotBatchArchiveOperator(HubSpotRecordsOperator):
    """Archive HubSpot CRM records, which can be restored from HubSpot's recycle bin within 90 days.

    Takes the parameters of :class:`~airflow_provider_hubbatch.operators.records.HubSpotRecordsOperator`, and pushes its
    XComs.

    :param id_column: the column that names the record. Templated.
    :param id_property: ``None``: ``id_column`` holds record ids; else the property with unique values, or a contact's
        ``email``, that it is a value of. Templated.
    :param missing_ok: a record that isn't there (any more) is counted as ``missing``, not held against the task.
    :param max_archived: more rows than this fail the task before anything is archived.
    """

    options_class: ClassVar = ArchiveOptions
    template_fields: Sequence[str] = (
        *HubSpotRecordsOperator.template_fields,
        "id_column",
        "id_property",
    )

    def __init__(
        self,
        *,
        id_column: str = "id",
        id_property: str | None = None,
        missing_ok: bool = True,
        max_archived: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.id_column = id_column
        self.id_property = id_property
        self.missing_ok = missing_ok
        self.max_archived = max_archived
        self._options(templated=False)
