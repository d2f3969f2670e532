"""An Airflow of its own: a home folder, SQLite, no settings of the surrounding shell."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path


def airflow_environment(home: Path, dags_folder: Path) -> dict[str, str]:
    """The whole environment of a process that shall see this Airflow, and no other.

    :param home: ``AIRFLOW_HOME``, also of the SQLite database and the logs; made where it is missing.
    :param dags_folder: where its DAG files are.
    :returns: a copy of this process's environment without its ``AIRFLOW*`` variables, with this Airflow's.
    """
    home.mkdir(parents=True, exist_ok=True)
    inherited = {name: value for name, value in os.environ.items() if not name.upper().startswith("AIRFLOW")}
    return inherited | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), inherited.get("PATH", os.defpath)]),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__CORE__AUTH_MANAGER": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags_folder),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "4",  # each idle worker of the local executor holds 135 MB
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        # on a busy machine the API server may not answer for a while: by default a task gives up after 5 s, five times
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
    }
