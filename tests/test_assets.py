"""Assets of HubSpot: their URIs, and that Airflow knows the scheme."""

from __future__ import annotations

from typing import TYPE_CHECKING

import airflow
import pytest
from airflow.sdk import Asset

from airflow_provider_hubbatch.assets import convert_asset_to_openlineage, create_asset

if TYPE_CHECKING:
    from airflow_provider_hubbatch.sandbox import HubSpotSandbox
    from tests.airflow_dags import RunDag

pytestmark = [pytest.mark.airflow, pytest.mark.versions]


def test_an_asset_is_an_account_s_object_type() -> None:
    """Made by its parts or by its URI, it is one and the same asset."""
    made = create_asset(portal_id=123456, object_type="contacts")
    assert made.uri == "hubspot://123456/contacts"
    assert made == Asset("hubspot://123456/contacts")
    assert Asset("hubspot://123456/contacts/").uri == made.uri


@pytest.mark.parametrize("uri", ["hubspot://mine/contacts", "hubspot://123456", "hubspot://123456/contacts/7"])
def test_a_uri_that_names_no_object_type_is_refused(uri: str) -> None:
    """Airflow asks the provider whether a ``hubspot://`` URI makes sense, when the DAG file is read."""
    with pytest.raises(ValueError, match="hubspot://123456/contacts"):
        Asset(uri)


@pytest.mark.filterwarnings("ignore:ProvidersManager:Warning")  # the way that every Airflow has
def test_airflow_knows_the_scheme() -> None:
    """The scheme's handler, factory and OpenLineage converter are registered."""
    from airflow.providers_manager import ProvidersManager

    manager = ProvidersManager()
    manager.initialize_providers_asset_uri_resources()
    assert "hubspot" in manager.asset_uri_handlers
    assert "hubspot" in manager.asset_factories
    assert "hubspot" in manager.asset_to_openlineage_converters


def test_openlineage_names_it_as_the_operator_does() -> None:
    """An asset and a sync's lineage are one dataset."""
    dataset = convert_asset_to_openlineage(create_asset(portal_id=1, object_type="2-77"), None)
    assert (dataset.namespace, dataset.name) == ("hubspot://1", "2-77")


OUTLETS = """
from airflow.sdk import Asset, DAG
from airflow_provider_hubbatch.assets import create_asset
from airflow_provider_hubbatch.operators import HubSpotBatchUpdateOperator

with DAG("outlets", schedule=None, default_args={"object_type": "contacts"}):
    HubSpotBatchUpdateOperator(
        task_id="update",
        rows=[{"id": 1, "city": "x"}, {"id": 2, "city": "y"}],
        outlets=[create_asset(portal_id=123456, object_type="contacts"), Asset("something_else")],
    )
    HubSpotBatchUpdateOperator(
        task_id="failing",
        rows=[{"id": "x", "city": "x"}],
        outlets=[create_asset(portal_id=123456, object_type="deals")],
    )
"""


def test_an_asset_event_carries_the_summary(run_dag: RunDag, sandbox: HubSpotSandbox) -> None:
    """Each outlet's event has the summary; a failed task makes no event."""
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    if airflow.__version__.startswith("3.0."):
        pytest.skip("dag.test() of Airflow 3.0 takes every asset for an inactive one")
    result = run_dag(OUTLETS)
    assert result.task_state("update") == "success"
    assert result.task_state("failing") == "failed"
    with create_session() as session:
        query = select(AssetModel.uri, AssetEvent.extra).join(AssetEvent, AssetEvent.asset_id == AssetModel.id)
        events = [(uri, extra) for uri, extra in session.execute(query.where(AssetEvent.source_dag_id == "outlets"))]
    assert sorted(uri for uri, _ in events) == ["hubspot://123456/contacts", "something_else"]
    summary = result.xcom("update")
    assert all({name: extra[name] for name in summary} == summary for _, extra in events)
