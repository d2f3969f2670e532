"""### Customers who asked to be taken out of the CRM

Their contacts are archived: HubSpot keeps them in its recycle bin for 90 days, from which they can be restored.
(Permanent deletion, as privacy laws may ask for, is another function of HubSpot's.) Who was archived, or wasn't there
any more, is noted in the warehouse.

Nobody goes by mistake: each request must have the contact's own customer number, and more requests than are likely stop
the task before it archives anybody. `validate_only=True` would say who is to go.

Connections: `warehouse` (a SQLite database with the table `deletion_requests`) and `hubspot_default`.
"""

from __future__ import annotations

from contextlib import closing
from typing import Any

from airflow.providers.sqlite.hooks.sqlite import SqliteHook
from airflow.sdk import dag, task

from airflow_provider_hubbatch.operators import HubSpotBatchArchiveOperator
from airflow_provider_hubbatch.sources import SqlRows

OPEN_REQUESTS = """
    SELECT email, customer_number FROM deletion_requests WHERE done_at IS NULL ORDER BY asked_at, email
"""


@dag(schedule=None, catchup=False, max_active_runs=1, doc_md=__doc__, tags=["example", "hubspot"])
def example_archive_customers() -> None:
    """Warehouse -> HubSpot's recycle bin -> a note in the warehouse."""
    archive_contacts = HubSpotBatchArchiveOperator(
        task_id="archive_contacts",
        object_type="contacts",
        rows=SqlRows("warehouse", OPEN_REQUESTS),
        id_column="email",
        id_property="email",
        must_match={"customer_number": "customer_number"},
        max_archived=100,  # more than this on one day is a broken query, not a wish
    )

    @task
    def note(results: list[dict[str, Any]], run_after: str) -> int:
        """Close the requests of everybody who isn't in HubSpot any more."""
        gone = [(run_after, outcome["id"]) for outcome in results if outcome["status"] in {"archived", "missing"}]
        with closing(SqliteHook("warehouse").get_conn()) as connection, connection:
            connection.executemany("UPDATE deletion_requests SET done_at = ? WHERE email = ?", gone)
        return len(gone)

    # A teardown runs whatever became of the sync, and leaves the run's state to it
    note(archive_contacts.output["results"], "{{ dag_run.run_after.isoformat() }}").as_teardown()


example_archive_customers()
