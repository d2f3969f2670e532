"""One Airflow home for the whole session, chosen before anything imports Airflow; and the fixtures around it."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from airflow_provider_hubbatch.sandbox import HubSpotSandbox
from demo.airflow_home import airflow_environment
from tests.airflow_dags import run_dag_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from tests.airflow_dags import RunDag

AIRFLOW_HOME = Path(tempfile.mkdtemp(prefix="hubbatch-tests-"))
DAGS_FOLDER = AIRFLOW_HOME / "dags"
DAGS_FOLDER.mkdir()
REPOSITORY = Path(__file__).parent.parent

# A busy machine is no reason to fail
hypothesis.settings.register_profile(
    "hubbatch", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("hubbatch")

for _name in [name for name in os.environ if name.upper().startswith("AIRFLOW")]:
    del os.environ[_name]
os.environ.update(
    airflow_environment(AIRFLOW_HOME, DAGS_FOLDER)
    | {"AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING", "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False"}
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest, first; but the two whole Airflows, which keep a machine busy, one after the other."""
    starts = ["tests/resume/test_resume_in_airflow.py", "tests/big/", "tests/browser/", "tests/core/", "tests/whole/"]
    items.sort(
        key=lambda item: next((n for n, start in enumerate(starts) if item.nodeid.startswith(start)), len(starts))
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With several processes, a file's tests run in one of them, with what they share; so does ``tests/whole/``."""
    from xdist.scheduler import LoadScopeScheduling

    config.option.loadscopereorder = False
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = _file_of
    return scheduler


def _file_of(nodeid: str) -> str:
    return "tests/whole/" if nodeid.startswith("tests/whole/") else nodeid.partition("::")[0]


def pytest_unconfigure() -> None:
    """Take the Airflow home away."""
    shutil.rmtree(AIRFLOW_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def airflow_db() -> Path:
    """A migrated Airflow database, made once a session, on first use; gives ``AIRFLOW_HOME``."""
    from airflow.utils.db import initdb

    initdb()
    return AIRFLOW_HOME


@pytest.fixture
def run_dag(airflow_db: Path) -> RunDag:
    """Run a DAG file, or a DAG's source text, through Airflow in this process."""

    def run(
        source: Path | str,
        *,
        dag_id: str | None = None,
        conf: dict[str, Any] | None = None,
        logical_date: datetime | None = None,
    ) -> Any:
        return run_dag_file(airflow_db / "dags", source, dag_id, conf, logical_date)

    return run


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubSpotSandbox]:
    """A local HubSpot with 200 contacts, which the connection ``hubspot_default`` leads to."""
    with HubSpotSandbox(records={"contacts": 200}) as running:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", running.connection())
        yield running
