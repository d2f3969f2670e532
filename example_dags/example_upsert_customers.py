"""### New customers are created, known ones updated, and their record ids noted in the warehouse

Customers are found in HubSpot by their email address, secondary addresses too; who isn't there is created. Nobody is
created twice, whatever happens on the way: a retry looks first. Afterwards the warehouse knows each customer's record
id, by which other syncs can name them.

Connections: `warehouse` (a SQLite database with the table `customers`) and `hubspot_default`.
"""

from __future__ import annotations

from contextlib import closing
from typing import Any

from airflow.providers.sqlite.hooks.sqlite import SqliteHook
from airflow.sdk import dag, task

from airflow_provider_hubbatch.operators import HubSpotBatchUpsertOperator

# XCom `results` has every outcome of up to 1,000 rows; what is over waits for the next run
NEW_OR_CHANGED = """
    SELECT customer_number, first_name, last_name, email, phone, city, country, changed_at
    FROM customers
    WHERE hubspot_id IS NULL OR synced_at IS NULL OR changed_at > synced_at
    ORDER BY changed_at
    LIMIT 1000
"""
NOTE = "UPDATE customers SET hubspot_id = ?, synced_at = ? WHERE customer_number = ?"


def as_dicts(cursor: Any) -> list[dict[str, Any]]:
    """The rows of a query, by column."""
    columns = [column[0] for column in cursor.description]
    return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]


@dag(schedule=None, catchup=False, max_active_runs=1, doc_md=__doc__, tags=["example", "hubspot"])
def example_upsert_customers() -> None:
    """Warehouse -> HubSpot, whoever is missing there too -> record ids in the warehouse."""

    @task
    def new_or_changed() -> list[dict[str, Any]]:
        """The rows to send."""
        return SqliteHook("warehouse").run(NEW_OR_CHANGED, handler=as_dicts)

    customers = new_or_changed()

    upsert_contacts = HubSpotBatchUpsertOperator(
        task_id="upsert_contacts",
        object_type="contacts",
        rows=customers,
        id_column="email",
        id_property="email",
        properties={
            "customer_number": "customer_number",
            "first_name": "firstname",
            "last_name": "lastname",
            "phone": "phone",
            "city": "city",
            "country": "country",
        },
        max_rejected=10,  # some addresses are always broken
    )

    @task
    def note_record_ids(customers: list[dict[str, Any]], results: list[dict[str, Any]]) -> int:
        """Note the record id of everybody who is in HubSpot now, and that this state of the row is there."""
        done = []
        for outcome in results:
            if outcome["status"] in {"created", "updated", "unchanged"}:
                row = customers[outcome["row"]]
                done.append((outcome["record_id"], row["changed_at"], row["customer_number"]))
        with closing(SqliteHook("warehouse").get_conn()) as connection, connection:
            connection.executemany(NOTE, done)
        return len(done)

    # A teardown runs whatever became of the sync, and leaves the run's state to it
    note_record_ids(customers, upsert_contacts.output["results"]).as_teardown()


example_upsert_customers()
