"""What ``make demo``, ``make airflow`` and the tests of the example DAGs share: a warehouse and a local HubSpot."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.sandbox import HubSpotSandbox
from demo.warehouse import Customer, deleted_contacts, hubspot_contacts, seed_warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parent.parent
EXAMPLE_DAGS = REPOSITORY / "example_dags"


@dataclass(frozen=True, slots=True)
class Setting:
    """The shop's warehouse beside its HubSpot account, which is some weeks behind.

    :param warehouse: the SQLite file.
    :param customers: the rows of its table.
    :param sandbox: the local HubSpot, running.
    """

    warehouse: Path
    customers: list[Customer]
    sandbox: HubSpotSandbox

    def rows(self) -> list[dict[str, Any]]:
        """The table as it is now, in the order in which it changed."""
        with closing(sqlite3.connect(self.warehouse)) as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute("SELECT * FROM customers ORDER BY changed_at")]

    @property
    def connections(self) -> dict[str, str]:
        """The connections of the example DAGs, as environment variables."""
        warehouse = json.dumps({"conn_type": "sqlite", "host": str(self.warehouse)})
        return {"AIRFLOW_CONN_HUBSPOT_DEFAULT": self.sandbox.connection(), "AIRFLOW_CONN_WAREHOUSE": warehouse}


@contextmanager
def seeded_setting(folder: Path, *, port: int = 0, latency_ms: float | tuple[float, float] = 0.0) -> Iterator[Setting]:
    """Seed the warehouse, start the sandbox.

    :param folder: where the warehouse's file goes.
    :param port: the sandbox's; 0 for a free one.
    :param latency_ms: how long the sandbox takes for an answer.
    """
    warehouse = folder / "warehouse.db"
    customers = seed_warehouse(warehouse)
    with HubSpotSandbox(records={"contacts": hubspot_contacts()}, port=port, latency_ms=latency_ms) as sandbox:
        for record_id in deleted_contacts():
            sandbox.archive("contacts", record_id)
        yield Setting(warehouse, customers, sandbox)
