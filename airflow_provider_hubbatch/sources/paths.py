"""Paths of files with rows: which they are, and what lineage calls them."""

from __future__ import annotations

import os
import re
from typing import Any, TypeGuard

from airflow_provider_hubbatch.core.redact import show_path
from airflow_provider_hubbatch.sources.memory import is_instance

FORMATS = ("parquet", "csv", "jsonl")

_PATH = re.compile(rf"[^\n]*\.({'|'.join(FORMATS)})(\.gz)?", re.IGNORECASE)


def is_path(value: Any) -> TypeGuard[str | os.PathLike[str]]:
    """Whether it is a path object, or a text that ends as the path of a file with rows does."""
    if isinstance(value, str):
        return _PATH.fullmatch(value) is not None
    return isinstance(value, os.PathLike) or is_instance(value, "airflow.sdk.io.path", "ObjectStoragePath")


def dataset_of_path(path: Any) -> tuple[str, str]:
    """A path as OpenLineage names a dataset: namespace and name."""
    scheme, separator, rest = show_path(path).partition("://")
    if not separator:
        return "file", os.path.abspath(scheme)  # noqa: PTH100 - a name, not a file that is opened
    host, _, name = rest.partition("/")
    return f"{scheme}://{host}", name
