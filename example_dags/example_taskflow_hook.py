"""### The hook in a `@task` function

For whatever is not "these rows to those records": several object types in one task, a decision in between, another of
HubSpot's endpoints. The hook takes the operator's options, paces and retries as the operator does, and gives back a
report; it's up to the function what to do about rejected rows.

Connections: `warehouse` (a SQLite database with the table `customers`) and `hubspot_default`.
"""

from __future__ import annotations

import logging
from typing import Any

from airflow.sdk import dag, task

from airflow_provider_hubbatch.sources import SqlRows

log = logging.getLogger(__name__)

LOYAL = "SELECT hubspot_id, plan FROM customers WHERE hubspot_id IS NOT NULL AND revenue > 1000 ORDER BY hubspot_id"


@dag(schedule=None, catchup=False, max_active_runs=1, doc_md=__doc__, tags=["example", "hubspot"])
def example_taskflow_hook() -> None:
    """Look first, then write."""

    @task(multiple_outputs=False)  # the summary as one XCom, not one for each of its keys
    def update_loyal_customers() -> dict[str, Any]:
        """Only what HubSpot doesn't have yet is sent; the task fails if more than one row in twenty is rejected."""
        from airflow_provider_hubbatch.hooks import HubSpotHook

        hook = HubSpotHook("hubspot_default")
        known = {definition["name"] for definition in hook.properties("contacts")}
        columns = {"plan": "plan"} if "plan" in known else {"plan": "jobtitle"}

        report = hook.batch_update(
            "contacts",
            SqlRows("warehouse", LOYAL),
            id_column="hubspot_id",
            properties=columns,
            skip_unchanged="hubspot",
        )
        for outcome in report.rejected:
            log.warning("row %s: %s, %s", outcome.row, outcome.category, outcome.message)
        report.raise_for_rejected(max_rejected=0.05)
        return report.summary()

    @task
    def look_at_one(summary: dict[str, Any]) -> str:
        """Any other endpoint, with the same token, pacing and retries."""
        from airflow_provider_hubbatch.hooks import HubSpotHook

        hook = HubSpotHook("hubspot_default")
        reply = hook.request("GET", "/crm/objects/2026-03/contacts?limit=1&properties=plan")
        portal = hook.account()["portalId"]
        plan = reply["results"][0]["properties"]["plan"]
        return f"account {portal}: {summary['updated']} of {summary['rows']} updated; the first contact's plan: {plan}"

    look_at_one(update_loyal_customers())


example_taskflow_hook()
