"""The operators that DAG authors import."""

from airflow_provider_hubbatch.operators.archive import HubSpotBatchArchiveOperator
from airflow_provider_hubbatch.operators.associate import HubSpotBatchAssociateOperator
from airflow_provider_hubbatch.operators.create import HubSpotBatchCreateOperator
from airflow_provider_hubbatch.operators.update import HubSpotBatchUpdateOperator
from airflow_provider_hubbatch.operators.upsert import HubSpotBatchUpsertOperator

__all__ = [
    "HubSpotBatchArchiveOperator",
    "HubSpotBatchAssociateOperator",
    "HubSpotBatchCreateOperator",
    "HubSpotBatchUpdateOperator",
    "HubSpotBatchUpsertOperator",
]
