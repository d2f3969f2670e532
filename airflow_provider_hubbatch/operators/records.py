"""What the operators have in common that write to the records of one object type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.operators.base import HubSpotBatchOperator

if TYPE_CHECKING:
    from collections.abc import Sequence


class HubSpotRecordsOperator(HubSpotBatchOperator):
    """An operator for the records of one object type.

    Takes the parameters of :class:`~airflow_provider_hubbatch.operators.base.HubSpotBatchOperator` besides.

    :param object_type: ``contacts``, ``companies``, ``deals``, ``tickets``, ``2-1234567``, ``p1_pets``: any CRM
        object. Templated.
    """

    template_fields: Sequence[str] = ("object_type", *HubSpotBatchOperator.template_fields)

    def __init__(self, *, object_type: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.object_type = object_type

    @property
    def shown_object_type(self) -> Any:
        """``object_type``."""
        return self.object_type
