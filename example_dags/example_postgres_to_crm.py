"""### Every customer, every night, of which only the changed ones are sent

The whole table, streamed from PostgreSQL: neither XCom nor memory has to hold it. HubSpot is asked for its current
values, a hundred records a request, and gets what differs from them. One line a row, however many there are, goes into
a folder of the run.

Connections: `warehouse_postgres` (with the table `customers`) and `hubspot_default`.
"""

from __future__ import annotations

import os
from typing import Any

from airflow.sdk import dag, task

from airflow_provider_hubbatch.operators import HubSpotBatchUpdateOperator
from airflow_provider_hubbatch.sources import SqlRows

RESULTS = os.environ.get("HUBSPOT_RESULTS", "/tmp/hubspot-results")  # noqa: S108 - a bucket's URL, in real life

# With ORDER BY, a retry goes on where the last try stopped; without, it may have to start over
CUSTOMERS = """
    SELECT customer_number, email, phone, city, country, plan, renewal_date, revenue
    FROM customers
    ORDER BY customer_number, changed_at
"""

# Column of the warehouse -> property of the contact
PROPERTIES = {
    "phone": "phone",
    "city": "city",
    "country": "country",
    "plan": "plan",
    "renewal_date": "renewal_date",
    "revenue": "annualrevenue",
}


@dag(schedule=None, catchup=False, max_active_runs=1, doc_md=__doc__, tags=["example", "hubspot"])
def example_postgres_to_crm() -> None:
    """PostgreSQL -> HubSpot, what has changed."""
    update_contacts = HubSpotBatchUpdateOperator(
        task_id="update_contacts",
        object_type="contacts",
        rows=SqlRows("warehouse_postgres", CUSTOMERS),
        id_column="customer_number",
        id_property="customer_number",
        properties=PROPERTIES,
        skip_unchanged="hubspot",
        results_path=f"{RESULTS}/{{{{ run_id }}}}",
        max_rejected=0.05,
    )

    @task
    def tell(summary: dict[str, Any]) -> str:
        """The numbers of the sync, in a sentence; in real life, to a channel."""
        return f"{summary['rows']:,} rows: {summary['updated']:,} updated, {summary['unchanged']:,} unchanged"

    tell(update_contacts.output)


example_postgres_to_crm()
