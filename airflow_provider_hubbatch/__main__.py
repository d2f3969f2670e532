"""``python -m airflow_provider_hubbatch check``: see :mod:`airflow_provider_hubbatch.check`."""

import logging
import os
import sys

from airflow_provider_hubbatch.check import main

if __name__ == "__main__":
    # As Airflow's own commands do it: connections are read from its database, too
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    # What a task's log would say is printed here, in its place
    logging.getLogger("airflow_provider_hubbatch").setLevel(logging.CRITICAL)
    sys.exit(main())
