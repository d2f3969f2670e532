"""### Tell a channel how it went

A notifier, for success and failure alike: it pulls what the sync has pushed and posts a few lines, such as

    :warning: *contacts*: 1,250 rows: 32 rejected, 1,218 updated
    31 `INVALID_OPTION` of plan (rows 17, 204, 871, ...)
    1 `OBJECT_NOT_FOUND` (row 12)
    Every outcome is in s3://warehouse/hubspot/2026-01-03

Connections: `warehouse` (a SQLite database with the table `customers`), `hubspot_default`, and `chat`, of type HTTP: a
channel's webhook.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import BaseNotifier
from airflow.providers.http.hooks.http import HttpHook
from airflow.sdk import dag

from airflow_provider_hubbatch.operators import HubSpotBatchUpdateOperator
from airflow_provider_hubbatch.reports import summary_text
from airflow_provider_hubbatch.sources import SqlRows

if TYPE_CHECKING:
    from airflow.sdk import Context

PLANS = "SELECT customer_number, plan FROM customers ORDER BY customer_number, changed_at"


class ChatNotifier(BaseNotifier):
    """Posts a sync's summary. No row's value is in it."""

    def notify(self, context: Context) -> None:
        """Post what the task has pushed; it has nothing to say where it didn't come so far."""
        ti = context["ti"]
        summary = ti.xcom_pull(task_ids=ti.task_id, key="return_value")
        rejected = ti.xcom_pull(task_ids=ti.task_id, key="rejected")
        text = summary_text(summary, rejected, slack=True) if summary else f":warning: {ti.task_id} did not begin"
        HttpHook(method="POST", http_conn_id="chat").run(json={"text": text})


@dag(schedule=None, catchup=False, max_active_runs=1, doc_md=__doc__, tags=["example", "hubspot"])
def example_tell_people() -> None:
    """SQLite -> HubSpot, and a message."""
    tell = ChatNotifier()
    HubSpotBatchUpdateOperator(
        task_id="update_contacts",
        object_type="contacts",
        rows=SqlRows("warehouse", PLANS),
        id_column="customer_number",
        id_property="customer_number",
        max_rejected=0.05,
        on_success_callback=tell,
        on_failure_callback=tell,
    )


example_tell_people()
