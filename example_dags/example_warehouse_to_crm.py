"""### A model's scores to the CRM, every night

The whole table, as a DataFrame, by HubSpot record id. The columns are named as the properties are, so no mapping is
needed; the record ids come as floats (1042.0), because the column has gaps, and are sent as "1042".

Connections: `warehouse` (a SQLite database with the table `customers`) and `hubspot_default`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.sqlite.hooks.sqlite import SqliteHook
from airflow.sdk import dag, task

from airflow_provider_hubbatch.operators import HubSpotBatchUpdateOperator

if TYPE_CHECKING:
    import pandas as pd

SCORES = """
    SELECT hubspot_id, score, plan, lifecycle_stage AS lifecyclestage, active AS is_active, renewal_date
    FROM customers
    ORDER BY changed_at
"""


@dag(schedule=None, catchup=False, max_active_runs=1, doc_md=__doc__, tags=["example", "hubspot"])
def example_warehouse_to_crm() -> None:
    """SQLite -> DataFrame -> HubSpot."""

    @task
    def scores() -> pd.DataFrame:
        """The table as it is, gaps and all."""
        return SqliteHook("warehouse").get_df(SCORES)

    update_contacts = HubSpotBatchUpdateOperator(
        task_id="update_contacts",
        object_type="contacts",
        rows=scores(),
        id_column="hubspot_id",
        null_values="skip",  # a missing score leaves HubSpot's as it is; "clear" would empty it
        max_rejected=0.05,
    )

    @task
    def tell(summary: dict[str, Any]) -> str:
        """The numbers of the sync, in a sentence; in real life, to a channel."""
        return (
            f"{summary['updated']:,} of {summary['rows']:,} contacts updated in {summary['seconds']:.1f} s; "
            f"rejected: {summary['rejected_by_category'] or 'none'}"
        )

    tell(update_contacts.output)


example_warehouse_to_crm()
