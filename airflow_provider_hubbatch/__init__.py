"""Keep HubSpot CRM records in step with a warehouse, from Apache Airflow."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def get_provider_info() -> dict[str, Any]:
    """What Airflow reads of this provider, through the entry point ``apache_airflow_provider``."""
    from airflow_provider_hubbatch.provider_info import get_provider_info as described  # noqa: PLC0415 - when asked

    return described()
