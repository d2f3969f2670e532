"""### A table in parts, side by side, within one account's limit

Each part is a task instance of its own, with its own retries. All of them share the account's limit by what HubSpot's
replies tell, so that more parts don't make it faster; a pool says how many workers they may take. At the end there is
one report of all parts, also if some of them failed.

Connections: `warehouse` (a SQLite database with the table `customers`) and `hubspot_default`.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task

from airflow_provider_hubbatch.operators import HubSpotBatchUpdateOperator
from airflow_provider_hubbatch.reports import combined_report
from airflow_provider_hubbatch.sources import SqlRows

PARTS = 3

# All rows of a customer are in the same part: only within one part do they take effect in order
PART = """
    SELECT hubspot_id, score, plan
    FROM customers
    WHERE CAST(substr(customer_number, 3) AS INTEGER) % ? = ?
    ORDER BY changed_at
"""


def rows_of(part: int) -> SqlRows:
    """The rows of a part; called where the part is synced, so that no row goes through XCom."""
    return SqlRows("warehouse", PART, parameters=[PARTS, part])


@dag(schedule=None, catchup=False, max_active_runs=1, doc_md=__doc__, tags=["example", "hubspot"])
def example_mapped_chunks() -> None:
    """SQLite, in parts -> HubSpot -> one report."""

    @task
    def parts() -> list[int]:
        """One number a part; in real life as many as there are regions, files or days."""
        return list(range(PARTS))

    update_contacts = HubSpotBatchUpdateOperator.partial(
        task_id="update_contacts",
        object_type="contacts",
        id_column="hubspot_id",
        max_rejected=0.05,
        pool="default_pool",  # in real life one for HubSpot, with as many slots as syncs may run at once
        max_active_tis_per_dagrun=2,
    ).expand(rows=parts().map(rows_of))

    @task(trigger_rule="all_done")
    def report(summaries: Any) -> dict[str, Any]:
        """One summary of all parts: a part that failed has pushed its own, too."""
        return combined_report(summaries)

    report(update_contacts.output)


example_mapped_chunks()
