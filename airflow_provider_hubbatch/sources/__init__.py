"""Rows of every kind, as chunks: what DAG authors import, and how the sync reads it."""

from airflow_provider_hubbatch.sources.described import FileRows, OwnRun, RejectedRows, SqlRows
from airflow_provider_hubbatch.sources.read import (
    can_be_read_again,
    chunks,
    dataset_of,
    describe,
    total_fresh_rows,
    total_rows,
)

__all__ = [
    "FileRows",
    "OwnRun",
    "RejectedRows",
    "SqlRows",
    "can_be_read_again",
    "chunks",
    "dataset_of",
    "describe",
    "total_fresh_rows",
    "total_rows",
]
