"""### Last night's rows again, and a table of what became of each

Every night the day's changes go to HubSpot, after the rows that the night before could not write: rejected ones that
somebody has fixed since, and all that an outage left. What is written leaves that list by itself; what fails three
times more stays out. Then the outcome of every row goes into the warehouse, where SQL tells why a customer isn't in
HubSpot.

Connections: `warehouse` (a SQLite database with the table `customers`) and `hubspot_default`.
"""

from __future__ import annotations

import os

from airflow.providers.sqlite.hooks.sqlite import SqliteHook
from airflow.sdk import dag, task

from airflow_provider_hubbatch.operators import HubSpotBatchUpdateOperator
from airflow_provider_hubbatch.reports import outcomes_frame
from airflow_provider_hubbatch.sources import RejectedRows, SqlRows

RESULTS = os.environ.get("HUBSPOT_RESULTS", "/tmp/hubspot-results")  # noqa: S108 - a bucket's URL, in real life

# With a folder for each run, the next one finds what this one leaves
RUN_RESULTS = f"{RESULTS}/second_chances/{{{{ ds }}}}"

CHANGED_TODAY = """
    SELECT customer_number, city, plan
    FROM customers
    WHERE substr(changed_at, 1, 10) = '{{ ds }}'
    ORDER BY customer_number, changed_at
"""

SYNC_LOG = """
    CREATE TABLE IF NOT EXISTS hubspot_sync_log
    (run TEXT, task TEXT, "row" INTEGER, "key" TEXT, status TEXT, reason TEXT, "time" TEXT)
"""

# Why does a customer not arrive?
WHY = """SELECT run, status, reason FROM hubspot_sync_log WHERE "key" = ? ORDER BY run DESC, "row" DESC"""


@dag(schedule="@daily", catchup=False, max_active_runs=1, doc_md=__doc__, tags=["example", "hubspot"])
def example_second_chances() -> None:
    """What failed yesterday, then what changed today; and a log of both."""
    update_contacts = HubSpotBatchUpdateOperator(
        task_id="update_contacts",
        object_type="contacts",
        rows=[RejectedRows(f"{RESULTS}/second_chances", latest=True), SqlRows("warehouse", CHANGED_TODAY)],
        id_column="customer_number",
        id_property="customer_number",
        properties=["city", "plan"],
        results_path=RUN_RESULTS,
        max_rejected=0.05,
    )

    @task
    def keep_log(folder: str, run: str) -> int:
        """Put every outcome into the warehouse; a run that is repeated replaces its own."""
        hook = SqliteHook("warehouse")
        hook.run(SYNC_LOG)
        hook.run("DELETE FROM hubspot_sync_log WHERE run = :run", parameters={"run": run})
        rows = 0
        for frame in outcomes_frame(folder, chunk_rows=50_000):
            reason = frame["category"].fillna("") + ": " + frame["message"].fillna("")
            log = frame[["task", "row", "status"]].assign(
                run=run,
                key=frame["id"],
                reason=reason.where(frame["category"].notna()),
                time=frame["updated_at"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
            )
            log.to_sql("hubspot_sync_log", hook.get_sqlalchemy_engine(), if_exists="append", index=False)
            rows += len(log)
        return rows

    # a teardown runs whatever became of the sync, and leaves the run's state to it
    update_contacts >> keep_log(RUN_RESULTS, "{{ ds }}").as_teardown()


example_second_chances()
