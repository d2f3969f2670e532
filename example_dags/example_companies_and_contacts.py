"""### Companies, the people who work there, and the links between them, in one DAG

Two tables of the warehouse: companies are upserted by the warehouse's own number, a unique property in HubSpot, and
people by their email address. Then each person is linked with their company. At the end one report says what became
of the rows of all three.

Connections: `warehouse` (a SQLite database with the tables `accounts` and `people`) and `hubspot_default`.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task

from airflow_provider_hubbatch.operators import HubSpotBatchAssociateOperator, HubSpotBatchUpsertOperator
from airflow_provider_hubbatch.reports import combined_report, summary_text
from airflow_provider_hubbatch.sources import SqlRows

ACCOUNTS = "SELECT account_number, name, city FROM accounts ORDER BY account_number"
PEOPLE = "SELECT email, first_name, last_name, account_number FROM people ORDER BY email"


@dag(schedule="@daily", catchup=False, max_active_runs=1, doc_md=__doc__, tags=["example", "hubspot"])
def example_companies_and_contacts() -> None:
    """Both sides side by side, then their links."""
    companies = HubSpotBatchUpsertOperator(
        task_id="companies",
        object_type="companies",
        rows=SqlRows("warehouse", ACCOUNTS),
        id_column="account_number",
        id_property="erp_id",
        properties=["name", "city"],
        max_rejected=0.05,
    )
    contacts = HubSpotBatchUpsertOperator(
        task_id="contacts",
        object_type="contacts",
        rows=SqlRows("warehouse", PEOPLE),
        id_column="email",
        id_property="email",
        properties={"first_name": "firstname", "last_name": "lastname"},
        max_rejected=0.05,
    )
    links = HubSpotBatchAssociateOperator(
        task_id="links",
        from_object_type="contacts",
        from_column="email",
        from_id_property="email",
        to_object_type="companies",
        to_column="account_number",
        to_id_property="erp_id",
        rows=SqlRows("warehouse", PEOPLE),
        max_rejected=0.05,
        trigger_rule="all_done",  # records that are there are linked, also when some others were rejected
    )
    syncs = [companies, contacts, links]

    @task(trigger_rule="all_done")
    def report(summaries: Any, rejected: Any) -> str:
        """What became of the rows, sync by sync, and all together."""
        parts = [summary_text(one, why) for one, why in zip(summaries, rejected, strict=True) if one is not None]
        text = "\n\n".join([*parts, summary_text(combined_report(summaries))])
        print(text)
        return text

    [companies, contacts] >> links
    report([one.output for one in syncs], [one.output["rejected"] for one in syncs])


example_companies_and_contacts()
