"""### Changed customers to HubSpot, and back what became of them

Every customer that changed in the warehouse since its last sync is brought up to date in HubSpot. They are found by
their customer number, a unique property of the contacts. What became of each row is used downstream: one task reports
the rows that HubSpot wouldn't take, one notes record ids and times in the warehouse, so that the next run starts with
what is left.

Connections: `warehouse` (a SQLite database with the table `customers`) and `hubspot_default`.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from contextlib import closing
from typing import Any

from airflow.providers.sqlite.hooks.sqlite import SqliteHook
from airflow.sdk import dag, task

from airflow_provider_hubbatch.operators import HubSpotBatchUpdateOperator

log = logging.getLogger(__name__)

# XCom `results` has every outcome of up to 1,000 rows; what is over waits for the next run
CHANGED = """
    SELECT customer_number, first_name, last_name, email, phone, city, country,
           lifecycle_stage, plan, active, birthday, renewal_date, revenue, changed_at
    FROM customers
    WHERE synced_at IS NULL OR changed_at > synced_at
    ORDER BY changed_at
    LIMIT 1000
"""

# Column of the warehouse -> property of the contact. What isn't named here (changed_at) stays here.
PROPERTIES = {
    "first_name": "firstname",
    "last_name": "lastname",
    "email": "email",
    "phone": "phone",
    "city": "city",
    "country": "country",
    "lifecycle_stage": "lifecyclestage",
    "plan": "plan",
    "active": "is_active",
    "birthday": "date_of_birth",
    "renewal_date": "renewal_date",
    "revenue": "annualrevenue",
}


def as_dicts(cursor: Any) -> list[dict[str, Any]]:
    """The rows of a query, by column."""
    columns = [column[0] for column in cursor.description]
    return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]


@dag(schedule=None, catchup=False, max_active_runs=1, doc_md=__doc__, tags=["example", "hubspot"])
def example_hubspot_batch_update() -> None:
    """Warehouse -> HubSpot -> warehouse, for the rows that changed."""

    @task
    def changed_customers() -> list[dict[str, Any]]:
        """The rows to send."""
        return SqliteHook("warehouse").run(CHANGED, handler=as_dicts)

    customers = changed_customers()

    update_contacts = HubSpotBatchUpdateOperator(
        task_id="update_contacts",
        object_type="contacts",
        rows=customers,
        id_column="customer_number",
        id_property="customer_number",
        properties=PROPERTIES,
        max_rejected=0.05,  # one row in twenty may fail before the task does; all others are written either way
    )

    @task
    def report_rejected(rejected: list[dict[str, Any]]) -> dict[str, int]:
        """Say who couldn't be updated and why; in real life, to a channel or a ticket."""
        by_reason = defaultdict(list)
        for outcome in rejected:
            by_reason[outcome["category"]].append(outcome)
        for reason, outcomes in by_reason.items():
            log.warning("%d x %s", len(outcomes), reason)
            for outcome in outcomes:
                log.warning("  %s: %s", outcome["id"], outcome["message"])
        return {reason: len(outcomes) for reason, outcomes in by_reason.items()}

    @task
    def write_back(customers: list[dict[str, Any]], results: list[dict[str, Any]]) -> int:
        """Note HubSpot's record id and time of every row that HubSpot has now."""
        done = [
            (
                outcome["record_id"],
                outcome.get("updated_at"),
                customers[outcome["row"]]["changed_at"],
                outcome["id"],
            )
            for outcome in results
            if outcome["status"] in {"updated", "unchanged"}
        ]
        with closing(SqliteHook("warehouse").get_conn()) as connection, connection:
            connection.executemany(
                "UPDATE customers SET hubspot_id = ?, hubspot_updated_at = ?, synced_at = ? WHERE customer_number = ?",
                done,
            )
        return len(done)

    # Teardown tasks run whether or not the update failed, since its XComs are there either way, and leave the run's
    # state to the update.
    reported = report_rejected(update_contacts.output["rejected"])
    written = write_back(customers, update_contacts.output["results"])
    reported.as_teardown()
    written.as_teardown()


example_hubspot_batch_update()
