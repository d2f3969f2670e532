"""``make airflow``: Airflow's web page with the example DAGs, the warehouse and a local HubSpot, until Ctrl-C."""

from __future__ import annotations

import shutil
import signal
import socket
import sys
import threading

from demo.setting import EXAMPLE_DAGS, REPOSITORY, seeded_setting
from demo.standalone import Standalone, free_port

FOLDER = REPOSITORY / ".airflow"
AIRFLOW_PORT = 8080
SANDBOX_PORT = 8765


def main() -> int:
    """Run both until a signal comes; gives the exit code."""
    told_to_end = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told_to_end.set())
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    with seeded_setting(FOLDER, port=free_or(SANDBOX_PORT), latency_ms=(150, 350)) as setting:
        print(f"Starting Airflow (about half a minute; its log: {FOLDER.name}/home/standalone.log) ...", flush=True)
        home = FOLDER / "home"
        airflow = Standalone(home, EXAMPLE_DAGS, setting.connections, port=free_or(AIRFLOW_PORT), stop=told_to_end)
        with airflow:
            if not told_to_end.is_set():
                print(
                    f"\n  Airflow        {airflow.url}   (no password: everybody is an admin, on this machine only)"
                    f"\n  Local HubSpot  {setting.sandbox.url}   (what it holds, and every request)"
                    f"\n  Warehouse      {setting.warehouse.relative_to(REPOSITORY)}   (SQLite)"
                    "\n\n  Open a DAG, press Trigger, look at the XComs of update_contacts. Ctrl-C ends both.\n",
                    flush=True,
                )
            told_to_end.wait()
            print("Ending Airflow ...", flush=True)
    return 0


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
