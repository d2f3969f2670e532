"""### A shop's orders as deals, every night

Of `make airflow` only: a table that is large enough to be looked at while it is synced. Trigger it, and open the tab
"Sync" of its task: the numbers are refreshed every ten seconds.

Connections: `warehouse` (a SQLite database with the table `orders`) and `hubspot_default`.
"""

from __future__ import annotations

import logging
from typing import Any

from airflow.sdk import dag, task

from airflow_provider_hubbatch.operators import HubSpotBatchUpdateOperator
from airflow_provider_hubbatch.sources import SqlRows

log = logging.getLogger(__name__)

# With ORDER BY, a retry goes on where the last try stopped
ORDERS = """
    SELECT hubspot_id, amount, close_date, stage
    FROM orders
    ORDER BY hubspot_id
    LIMIT {{ params.orders }}
"""


@dag(
    schedule=None,
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["shop", "hubspot"],
    params={"orders": 40_000},
)
def shop_orders_to_hubspot() -> None:
    """SQLite -> HubSpot, in half a minute."""
    update_deals = HubSpotBatchUpdateOperator(
        task_id="update_deals",
        object_type="deals",
        rows=SqlRows("warehouse", ORDERS),
        id_column="hubspot_id",
        properties={"amount": "amount", "close_date": "closedate", "stage": "dealstage"},
        max_rejected=0.01,
    )

    @task
    def tell(summary: dict[str, Any]) -> str:
        """The numbers of the sync, in a sentence; in real life, to a channel."""
        log.info("%d of %d deals updated", summary["updated"], summary["rows"])
        return f"{summary['updated']:,} of {summary['rows']:,} deals updated in {summary['seconds']:.0f} s"

    tell(update_deals.output)


shop_orders_to_hubspot()
