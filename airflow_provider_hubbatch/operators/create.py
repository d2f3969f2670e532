"""The operator that creates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_hubbatch.core.options import CreateOptions
from airflow_provider_hubbatch.operators.records import HubSpotRecordsOperator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class HubSpotBatchCreateOperator(HubSpotRecordsOperator):
    """Create a HubSpot CRM record for every row, once, and account for every row.

    Takes the parameters of :class:`~airflow_provider_hubbatch.operators.records.HubSpotRecordsOperator`, and pushes its
    XComs.

    :param properties: columns to write: a list, or ``{column: property}``; ``None``: every column but ``id_column``.
        Templated.
    :param id_column: the column that holds the row's key; without ``id_property`` it names the row in its outcome only.
        ``None``: there is none. Templated.
    :param id_property: the property with unique values, or a contact's ``email``, that the key is a value of: it is
        written, and tells what is there already. ``None``: the rows have no key. Templated.
    :param existing: what a row is whose record is there already: ``reject``: rejected, as ``CONFLICT``; ``skip``:
        unchanged.
    :param links: the records that each new one is linked with from the start: ``{object type: column}``, or
        ``{object type: {"column", "id_property", "label"}}``. The column holds record ids, or values of
        ``id_property``, which are looked up; where it is empty, there is no link. ``label``: as HubSpot shows it;
        without one, HubSpot's unlabeled link. Templated.
    """

    options_class: ClassVar = CreateOptions
    template_fields: Sequence[str] = (
        *HubSpotRecordsOperator.template_fields,
        "id_column",
        "id_property",
        "properties",
        "links",
    )

    def __init__(
        self,
        *,
        properties: Sequence[str] | Mapping[str, str] | None = None,
        id_column: str | None = None,
        id_property: str | None = None,
        existing: str = "reject",
        links: Mapping[str, str | Mapping[str, str | None]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.properties = properties
        self.id_column = id_column
        self.id_property = id_property
        self.existing = existing
        self.links = links
        self._options(templated=False)
