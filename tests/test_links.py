"""Links: the addresses, and that Airflow keeps them with the task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import requests
from airflow.models.taskinstancekey import TaskInstanceKey

from airflow_provider_hubbatch.hooks import HubSpotHook
from airflow_provider_hubbatch.links import (
    HubSpotObjectsLink,
    ResultFilesLink,
    SyncLink,
    folder_address,
    objects_address,
    record_address,
)
from airflow_provider_hubbatch.ui.plugin import HubSpotSyncsPlugin

if TYPE_CHECKING:
    from airflow_provider_hubbatch.sandbox import HubSpotSandbox
    from tests.airflow_dags import RunDag

ACCOUNT = {"portalId": 123456, "uiDomain": "app-eu1.hubspot.com"}


@pytest.mark.parametrize(
    ("object_type", "type_id"),
    [("contacts", "0-1"), ("companies", "0-2"), ("deals", "0-3"), ("tickets", "0-5"), ("2-1234567", "2-1234567")],
)
def test_objects_link_leads_to_the_account_s_list(object_type: str, type_id: str) -> None:
    """The object's list, in the account's own region of HubSpot."""
    address = objects_address(ACCOUNT, object_type)
    assert address == f"https://app-eu1.hubspot.com/contacts/123456/objects/{type_id}/views/all/list"


@pytest.mark.parametrize(
    ("account", "object_type"),
    [
        ({}, "contacts"),
        ({"portalId": None}, "contacts"),
        (ACCOUNT, "p1_pets"),
        (ACCOUNT, "../../evil"),
        ({"portalId": "1/../2"}, "contacts"),
        ({"portalId": 1, "uiDomain": "evil.example/app.hubspot.com"}, "contacts"),
        ({"portalId": 1, "uiDomain": "javascript:alert(1)"}, "contacts"),
        ({"portalId": 1, "uiDomain": "127.0.0.1:80@evil.example"}, "contacts"),
        ({"portalId": 1, "uiDomain": "10.0.0.1:8080"}, "contacts"),
    ],
)
def test_objects_link_is_empty_where_it_would_be_a_guess(account: dict[str, Any], object_type: str) -> None:
    """Without a known account and object type id there is no link; what HubSpot says can't lead to another site."""
    assert objects_address(account, object_type) == ""
    assert record_address(account, object_type) == ""


def test_a_record_s_address() -> None:
    """A record's page in the account's own region; of the local HubSpot, its own."""
    assert record_address(ACCOUNT, "deals") == "https://app-eu1.hubspot.com/contacts/123456/record/0-3/{record_id}"
    local = {"portalId": 123456, "uiDomain": "127.0.0.1:8765"}
    assert record_address(local, "contacts") == "http://127.0.0.1:8765/contacts/123456/record/0-1/{record_id}"
    assert objects_address(local, "2-77") == "http://127.0.0.1:8765/contacts/123456/objects/2-77/views/all/list"


def test_links_to_the_local_hubspot_open_its_pages(sandbox: HubSpotSandbox) -> None:
    """What a task links to can be opened in a demo: the local HubSpot has a page for each list and each record."""
    account = HubSpotHook().account()
    listed = requests.get(objects_address(account, "contacts"), timeout=10)
    record = requests.get(record_address(account, "contacts").format(record_id=7), timeout=10)
    email = sandbox.objects("contacts")["7"]["properties"]["email"]
    assert (listed.status_code, record.status_code) == (200, 200)
    assert email in listed.text
    assert email in record.text


def test_objects_link_needs_no_ui_domain() -> None:
    """Older replies name no domain: HubSpot leads on from its main one."""
    assert objects_address({"portalId": 1}, "contacts").startswith("https://app.hubspot.com/contacts/1/")


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("s3://bucket/a b/results", "https://s3.console.aws.amazon.com/s3/buckets/bucket?prefix=a%20b/results/"),
        ("s3://my_conn@bucket/x/", "https://s3.console.aws.amazon.com/s3/buckets/bucket?prefix=x/"),
        ("gs://bucket/results", "https://console.cloud.google.com/storage/browser/bucket/results"),
        ("https://user:secret@files.example/x", "https://files.example/x"),
        ("/data/results", ""),
        ("file:///data/results", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_result_files_link_is_the_storage_s_own_page(path: str | None, address: str) -> None:
    """A bucket's page in its console; nothing for a folder that no browser can open, and never a password."""
    assert folder_address(path) == address


LINKED = """
from airflow.sdk import DAG
from airflow_provider_hubbatch.operators import HubSpotBatchUpdateOperator

with DAG("linked", schedule=None, default_args={"object_type": "contacts"}):
    HubSpotBatchUpdateOperator(task_id="good", rows=[{"id": 1, "city": "x"}], results_path="@folder@")
    HubSpotBatchUpdateOperator(task_id="bad", rows=[{"id": "bad", "city": "x"}])
    HubSpotBatchUpdateOperator(task_id="wrong", rows=[{"id": 1, "city": "x"}], object_type="{{ 'no/such' }}")
    HubSpotBatchUpdateOperator.partial(task_id="mapped").expand(rows=[[{"id": 1, "city": "x"}], []])
"""


@pytest.mark.airflow
@pytest.mark.versions
def test_links_are_kept_whatever_becomes_of_the_task(run_dag: RunDag, sandbox: HubSpotSandbox, tmp_path: Any) -> None:
    """Airflow has the links of successful, failed and mapped tasks; where HubSpot wasn't asked, they are empty."""
    result = run_dag(LINKED.replace("@folder@", str(tmp_path)))
    objects, files = f"_link_{HubSpotObjectsLink.__name__}", f"_link_{ResultFilesLink.__name__}"
    address = f"{sandbox.url}/contacts/123456/objects/0-1/views/all/list"
    assert "contacts" in requests.get(address, timeout=10).text
    assert result.xcom("good", objects) == result.xcom("bad", objects) == address
    assert result.xcom("mapped", objects, map_index=0) == address
    assert result.xcom("wrong", objects) == ""
    assert result.xcom("good", files) == ""


@pytest.mark.airflow
@pytest.mark.versions
def test_the_sync_link_leads_to_the_task_s_own_tab(run_dag: RunDag, sandbox: HubSpotSandbox, tmp_path: Any) -> None:
    """Of a mapped instance too, with the run id encoded; none in Airflow 3.0, which has no such tab."""
    result = run_dag(LINKED.replace("@folder@", str(tmp_path)))
    run = quote(result.run_id, safe="")
    expected = f"/dags/linked/runs/{run}/tasks/good/plugin/hubspot-sync" if HubSpotSyncsPlugin.external_views else ""
    assert result.xcom("good", "_link_SyncLink") == expected
    mapped = result.xcom("mapped", "_link_SyncLink", map_index=1)
    assert mapped == expected.replace("/good/", "/mapped/mapped/1/")


@pytest.mark.parametrize("base", ["https://airflow.example/team/a", "https://airflow.example/team/a/"])
def test_the_sync_link_is_below_the_base_url(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment behind a proxy has a path; ids are encoded."""
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base)
    key = TaskInstanceKey("d", "a b", "manual__2026-11-24T17:57:10+00:00", 1, -1)
    address = SyncLink().get_link(None, ti_key=key)
    assert address == (
        "https://airflow.example/team/a/dags/d/runs/manual__2026-11-24T17%3A57%3A10%2B00%3A00/tasks/a%20b/plugin/hubspot-sync"
    )
