"""Rows of every kind, as chunks: what DAG authors import, and how the sync reads it."""

from airflow_provider_hubbatch.sources.described import FileRows, SqlRows
from airflow_provider_hubbatch.sources.read import chunks, dataset_of, describe, total_rows

__all__ = ["FileRows", "SqlRows", "chunks", "dataset_of", "describe", "total_rows"]
