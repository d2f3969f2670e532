"""``make airflow``: Airflow's web page with the example DAGs, the warehouse and a local HubSpot, until Ctrl-C."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from demo.airflow_home import airflow_environment
from demo.setting import EXAMPLE_DAGS, REPOSITORY, seeded_setting
from demo.shop import ORDERS, ROLE, Shop, seed_companies, seed_orders
from demo.standalone import Standalone, free_port

if TYPE_CHECKING:
    from pathlib import Path

    from demo.setting import Setting

FOLDER = REPOSITORY / ".airflow"
DEMO_DAGS = REPOSITORY / "demo" / "dags"
AIRFLOW_PORT = 8080
SANDBOX_PORT = 8765

# The example of PostgreSQL runs only where there is a server: this is its connection, from the shell.
POSTGRES = "AIRFLOW_CONN_WAREHOUSE_POSTGRES"
POSTGRES_EXAMPLE = "example_postgres_to_crm.py"


def main() -> int:
    """Run both until a signal comes; gives the exit code."""
    told_to_end = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told_to_end.set())
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    latency_ms = (150, 350)  # HubSpot takes about this long for a batch of 100 (seen in public traces)
    with seeded_setting(FOLDER, port=free_or(SANDBOX_PORT), latency_ms=latency_ms) as setting:
        setting.sandbox.add_records("deals", ORDERS)
        for record_id in seed_orders(setting.warehouse):
            setting.sandbox.archive("deals", record_id)
        setting.sandbox.add_records("companies", seed_companies(setting.warehouse))
        setting.sandbox.add_label("contacts", "companies", ROLE)
        dags = linked_dags(FOLDER / "dags")
        print("Making some weeks of history (about half a minute) ...", flush=True)
        if not told_to_end.is_set() and not made_past(dags, setting):
            print(f"That failed, so there is none; the log: {FOLDER.name}/home/history.log", flush=True)
        shop = Shop(setting.warehouse, told_to_end)
        print(f"Starting Airflow (about half a minute; its log: {FOLDER.name}/home/standalone.log) ...", flush=True)
        with Standalone(FOLDER / "home", dags, postgres(), port=free_or(AIRFLOW_PORT), stop=told_to_end) as airflow:
            if not told_to_end.is_set():
                shop.start()
                print(welcome(airflow, setting), flush=True)
            told_to_end.wait()
            print("Ending Airflow ...", flush=True)
    return 0


def welcome(airflow: Standalone, setting: Setting) -> str:
    """Where everything is, and what to look at first."""
    return f"""
  Airflow        {airflow.url}   (no password: everybody is an admin, on this machine only)
  All syncs      {airflow.url}/plugin/hubspot-syncs   (their history is made up; what you trigger is real)
  Local HubSpot  {setting.sandbox.url}   (what it holds, and every request)
  Warehouse      {setting.warehouse.relative_to(REPOSITORY)}   (SQLite)

  Trigger shop_orders_to_hubspot, and watch the tab "Sync" of its task update_deals. Ctrl-C ends everything.
"""


def linked_dags(folder: Path) -> Path:
    """A DAGs folder with the examples that can run here, and the demo's own DAG."""
    folder.mkdir()
    for path in sorted([*EXAMPLE_DAGS.glob("*.py"), *DEMO_DAGS.glob("*.py")]):
        if path.name != POSTGRES_EXAMPLE or postgres():
            (folder / path.name).symlink_to(path)
    return folder


def postgres() -> dict[str, str]:
    """The connection to a PostgreSQL server, where the shell has one and its provider is installed."""
    there = POSTGRES in os.environ and importlib.util.find_spec("airflow.providers.postgres") is not None
    return {POSTGRES: os.environ[POSTGRES]} if there else {}


def made_past(dags: Path, setting: Setting) -> bool:
    """Fill Airflow's database; whether that worked."""
    home = FOLDER / "home"
    environment = airflow_environment(home, dags)
    prefix = "AIRFLOW_CONN_"
    connections = {name.removeprefix(prefix).lower(): text for name, text in setting.connections.items()}
    command = [sys.executable, "-m", "demo.history", str(dags), json.dumps(connections)]
    with (home / "history.log").open("wb") as log:
        ended = subprocess.run(  # noqa: S603 - our own program
            command, env=environment, cwd=REPOSITORY, stdout=log, stderr=log, stdin=subprocess.DEVNULL, check=False
        )
    return ended.returncode == 0


def free_or(port: int) -> int:
    """This port, or any free one where somebody has it."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return free_port()
    return port


if __name__ == "__main__":
    sys.exit(main())
