"""### What comes after a sync: a DAG scheduled on a HubSpot asset

The first DAG writes the scores of the warehouse to the contacts, and says so by its outlet: the asset
`hubspot://123456/contacts` (the account's id and the object type). The second one runs whenever the first has
succeeded; the asset event carries the sync's summary, so it knows how many contacts have changed without asking anyone.

Connections: `warehouse` (a SQLite database with the table `customers`) and `hubspot_default`.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task

from airflow_provider_hubbatch.assets import create_asset
from airflow_provider_hubbatch.operators import HubSpotBatchUpdateOperator
from airflow_provider_hubbatch.sources import SqlRows

# Your account's id is in every address of HubSpot's app, and in the connection form's test
CONTACTS = create_asset(portal_id=123456, object_type="contacts")

SCORES = "SELECT hubspot_id, score FROM customers WHERE hubspot_id IS NOT NULL ORDER BY hubspot_id"


@dag(schedule=None, catchup=False, max_active_runs=1, doc_md=__doc__, tags=["example", "hubspot"])
def example_asset_schedule() -> None:
    """Warehouse -> HubSpot, and an event of the asset."""
    HubSpotBatchUpdateOperator(
        task_id="update_contacts",
        object_type="contacts",
        rows=SqlRows("warehouse", SCORES),
        id_column="hubspot_id",
        max_rejected=0.05,
        outlets=[CONTACTS],
    )


@dag(schedule=[CONTACTS], catchup=False, doc_md=__doc__, tags=["example", "hubspot"])
def example_asset_schedule_follower() -> None:
    """Runs after each sync of the contacts."""

    @task
    def tell(triggering_asset_events: Any = None) -> list[str]:
        """What each sync did; in real life, whatever needs the contacts to be fresh."""
        summaries = [event.extra for event in triggering_asset_events[CONTACTS]]
        return [f"{summary['updated']} of {summary['rows']} contacts updated" for summary in summaries]

    tell()


example_asset_schedule()
example_asset_schedule_follower()
