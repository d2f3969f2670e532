"""The operator that links records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_hubbatch.core.associate_options import AssociateOptions
from airflow_provider_hubbatch.operators.base import HubSpotBatchOperator

if TYPE_CHECKING:
    from collections.abc import Sequence


class HubSpotBatchAssociateOperator(HubSpotBatchOperator):
    """Link the two HubSpot records that each row names, or take their link away: up to 2,000 pairs a request.

    Takes the parameters of :class:`~airflow_provider_hubbatch.operators.base.HubSpotBatchOperator`, and pushes its
    XComs.

    :param from_object_type: the object type of the records that links start from: ``contacts``, ... Templated.
    :param to_object_type: the object type of the records that they lead to: ``companies``, ... Templated.
    :param from_column: the column that names the one record. Templated.
    :param to_column: the column that names the other record. Templated.
    :param from_id_property: ``None``: ``from_column`` holds record ids; else the property with unique values, or a
        contact's ``email``, that it is a value of. Templated.
    :param to_id_property: as ``from_id_property``, of ``to_column``. Templated.
    :param label: the label of the links, as HubSpot shows it in this direction; other labels of a pair stay. ``None``:
        HubSpot's unlabeled link. Templated.
    :param label_column: the column that holds each row's label; where it is empty: the unlabeled link. Templated.
    :param remove: take the links away, with all of their labels; with ``label`` or ``label_column`` only the label.
    """

    options_class: ClassVar = AssociateOptions
    # an operator's label is what Airflow shows of it in the graph
    named_otherwise: ClassVar = {"label": "association_label"}
    template_fields: Sequence[str] = (
        "from_object_type",
        "to_object_type",
        *HubSpotBatchOperator.template_fields,
        "from_column",
        "to_column",
        "from_id_property",
        "to_id_property",
        "association_label",
        "label_column",
    )

    def __init__(
        self,
        *,
        from_object_type: str,
        to_object_type: str,
        from_column: str,
        to_column: str,
        from_id_property: str | None = None,
        to_id_property: str | None = None,
        label: str | None = None,
        label_column: str | None = None,
        remove: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.from_object_type = from_object_type
        self.to_object_type = to_object_type
        self.from_column = from_column
        self.to_column = to_column
        self.from_id_property = from_id_property
        self.to_id_property = to_id_property
        self.association_label = label
        self.label_column = label_column
        self.remove = remove
        self._options(templated=False)

    @property
    def shown_object_type(self) -> Any:
        """``from_object_type``."""
        return self.from_object_type
