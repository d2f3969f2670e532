"""### A task in HubSpot for each customer whose contract ends soon

Tasks, notes and deals usually have no key: nothing tells HubSpot that a task is there already. So the warehouse keeps a
list of those that were made, and a run leaves them out.

A request that is cut off may have reached HubSpot, and a second one might make a second task. So its rows are never
sent again: they end as `unknown`, and the run fails. The list has them too: look in HubSpot whether their tasks are
there, and take those that aren't off the list. The next run makes them.

Connections: `warehouse` (a SQLite database with the table `customers`) and `hubspot_default`.
"""

from __future__ import annotations

from contextlib import closing
from typing import Any

from airflow.providers.sqlite.hooks.sqlite import SqliteHook
from airflow.sdk import dag, task

from airflow_provider_hubbatch.operators import HubSpotBatchCreateOperator

LIST = """
    CREATE TABLE IF NOT EXISTS renewal_tasks
    (customer_number TEXT, renewal_date TEXT, status TEXT, record_id TEXT)
"""
WITHOUT_TASK = """
    SELECT DISTINCT customer_number, renewal_date, 'Talk to ' || first_name || ' about the new contract'
    FROM customers
    WHERE plan = 'enterprise' AND renewal_date IS NOT NULL
    AND (customer_number, renewal_date) NOT IN (SELECT customer_number, renewal_date FROM renewal_tasks)
    ORDER BY renewal_date, customer_number
    LIMIT 40
"""


@dag(schedule=None, catchup=False, max_active_runs=1, doc_md=__doc__, tags=["example", "hubspot"])
def example_create_tasks() -> None:
    """Warehouse -> HubSpot, once each -> a list in the warehouse."""

    @task
    def renewals() -> list[dict[str, Any]]:
        """The next forty contracts that end and have no task yet."""
        warehouse = SqliteHook("warehouse")
        warehouse.run(LIST)
        return [
            {"customer": number, "due": due, "title": title, "status": "NOT_STARTED"}
            for number, due, title in warehouse.get_records(WITHOUT_TASK)
        ]

    rows = renewals()

    create_tasks = HubSpotBatchCreateOperator(
        task_id="create_tasks",
        object_type="tasks",
        rows=rows,
        id_column="customer",  # names the row in its outcome; it is no key, since no id_property says which one
        properties={"title": "hs_task_subject", "due": "hs_timestamp", "status": "hs_task_status"},
    )

    @task
    def keep_list(rows: list[dict[str, Any]], results: list[dict[str, Any]]) -> int:
        """Put what was created, or perhaps was, on the list."""
        made = [
            (outcome["id"], rows[outcome["row"]]["due"], outcome["status"], outcome.get("record_id"))
            for outcome in results
            if outcome["status"] in {"created", "unknown"}
        ]
        with closing(SqliteHook("warehouse").get_conn()) as connection, connection:
            connection.executemany("INSERT INTO renewal_tasks VALUES (?, ?, ?, ?)", made)
        return len(made)

    # A teardown runs whatever became of the sync, and leaves the run's state to it
    keep_list(rows, create_tasks.output["results"]).as_teardown()


example_create_tasks()
