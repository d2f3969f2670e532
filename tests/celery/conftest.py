"""One distributed Airflow for all tests: it takes a minute to start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.celery import cluster, sharing
from tests.celery.cluster import AirflowCluster
from tests.celery.syncs import Account, results_path, write_dags
from tests.resume.killing import LATENCY_MS

if TYPE_CHECKING:
    from collections.abc import Iterator

# An account whose limit nothing here meets
ROOMY: dict[str, Any] = {"requests_per_10_seconds": 10_000, "latency_ms": LATENCY_MS}

# Of two requests at a time: 500 rows a second
SLOW: dict[str, Any] = {"max_in_flight": 2, "retries": 2}


@dataclass(frozen=True)
class World:
    """The Airflow, and each HubSpot account by its connection's name."""

    airflow: AirflowCluster
    accounts: dict[str, Account]


def accounts() -> dict[str, Account]:
    """DAG id -> rows of each of its mapped tasks, account by account."""
    started = [
        Account.start("shared", sharing.parts(4_000), **sharing.SETTINGS),
        Account.start("lost", {"lost": [8_000] * 4, "local": [8_000] * 2}, **ROOMY),
        Account.start("orphaned", {"orphaned": [16_000]}, **ROOMY),
        Account.start("deferred", {"deferred": [2_000]}, **ROOMY),
        Account.start("outage", {"outage": [9_000] * 2}, **ROOMY),
    ]
    return {account.name: account for account in started}


def options() -> dict[str, dict[str, Any]]:
    """What each DAG's operator is given beside its connection and a folder on the S3 server."""
    return {
        "lost": SLOW,
        # a worker's own disk: its working folder
        "local": {**SLOW, "results_path": "results"},
        "orphaned": SLOW,
        "deferred": {"deferrable": True, "daily_quota_reserve": 5},
        "outage": SLOW,
    }


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Everything is up."""
    if why := cluster.missing():
        pytest.skip(why)
    home = tmp_path_factory.mktemp("cluster")
    hubspots = accounts()
    try:
        dags = {
            dag_id: (
                account.files(home, dag_id),
                {"hubspot_conn_id": name, "results_path": results_path(dag_id)} | options().get(dag_id, {}),
            )
            for name, account in hubspots.items()
            for dag_id in account.rows
        }
        write_dags(home / "dags", dags)
        connections = {f"AIRFLOW_CONN_{name.upper()}": one.sandbox.connection() for name, one in hubspots.items()}
        with (
            AirflowCluster(home / "home", home / "dags", connections) as airflow,
            pytest.MonkeyPatch.context() as patch,
        ):
            # so that this process reads result files as a user's DAG does
            patch.setenv("AIRFLOW_CONN_STORAGE", airflow.storage)
            yield World(airflow, hubspots)
    finally:
        for account in hubspots.values():
            account.sandbox.stop()
