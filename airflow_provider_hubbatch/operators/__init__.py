"""The operators that DAG authors import."""

from airflow_provider_hubbatch.operators.update import HubSpotBatchUpdateOperator

__all__ = ["HubSpotBatchUpdateOperator"]
