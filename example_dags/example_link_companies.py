"""### Who works where: contacts linked with their companies, every night

A table of pairs in the warehouse says who works for which company, and as what. Contacts are named by email, companies
by the warehouse's own number, which is a unique property in HubSpot. Then the links of people who have left are taken
away.

Connections: `warehouse` (a SQLite database with the table `employments`) and `hubspot_default`.
"""

from __future__ import annotations

import os

from airflow.sdk import dag

from airflow_provider_hubbatch.operators import HubSpotBatchAssociateOperator
from airflow_provider_hubbatch.sources import SqlRows

RESULTS = os.environ.get("HUBSPOT_RESULTS", "/tmp/hubspot-results")  # noqa: S108 - a bucket's URL, in real life

WORKS_FOR = "SELECT email, account_number, role FROM employments WHERE ended_at IS NULL ORDER BY email, account_number"
HAS_LEFT = "SELECT email, account_number FROM employments WHERE ended_at IS NOT NULL ORDER BY email, account_number"

# Which columns name the two records of a row, and by which properties
PAIR = {
    "from_object_type": "contacts",
    "from_column": "email",
    "from_id_property": "email",
    "to_object_type": "companies",
    "to_column": "account_number",
    "to_id_property": "erp_id",
}


@dag(schedule="@daily", catchup=False, max_active_runs=1, doc_md=__doc__, tags=["example", "hubspot"])
def example_link_companies() -> None:
    """Links that are wanted, then those that are not wanted any more."""
    link = HubSpotBatchAssociateOperator(
        task_id="link",
        **PAIR,
        rows=SqlRows("warehouse", WORKS_FOR),
        label_column="role",
        results_path=f"{RESULTS}/link_companies/{{{{ ds }}}}",
        max_rejected=0.05,
    )
    unlink = HubSpotBatchAssociateOperator(
        task_id="unlink",
        **PAIR,
        rows=SqlRows("warehouse", HAS_LEFT),
        remove=True,
        max_rejected=0.05,
    )
    link >> unlink


example_link_companies()
