"""The Airflow that the tests of this folder share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import browser
from tests.whole.shared_airflow import SharedAirflow

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["browser"]


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedAirflow]:
    """A whole Airflow; each test brings its DAGs and connections, and takes them with it."""
    with SharedAirflow(tmp_path_factory.mktemp("airflow")) as running:
        yield running
