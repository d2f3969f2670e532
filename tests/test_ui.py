"""The plugin and its static files, as Airflow and a browser get them; what the pages do is in tests/browser."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from airflow.plugins_manager import AirflowPlugin
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from airflow_provider_hubbatch import get_provider_info, operators
from airflow_provider_hubbatch.core.model import Status
from airflow_provider_hubbatch.ui.pages import CONTENT_SECURITY_POLICY, FOLDER, Pages
from airflow_provider_hubbatch.ui.plugin import URL_PREFIX, HubSpotSyncsPlugin

REPOSITORY = Path(__file__).parent.parent
FILES = sorted(path for path in FOLDER.iterdir() if path.is_file())
CLASS = "airflow_provider_hubbatch.ui.plugin.HubSpotSyncsPlugin"


# --- in every process -------------------------------------------------------------------------------------------------

IMPORT = """
import sys
import airflow.sdk
from airflow.providers.common.compat.sdk import BaseOperator
import airflow.plugins_manager
before = set(sys.modules)
import airflow_provider_hubbatch.ui.plugin
print(*sorted(set(sys.modules) - before))
"""


def test_a_worker_pays_next_to_nothing_for_the_plugin() -> None:
    """Every process of Airflow imports it: two small modules of ours, and no web server."""
    told = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True)
    imported = told.stdout.splitlines()[-1].split()
    ours = {"airflow_provider_hubbatch.ui", "airflow_provider_hubbatch.ui.pages", "airflow_provider_hubbatch.ui.plugin"}
    assert ours <= set(imported)
    assert set(imported) - ours - {"airflow_provider_hubbatch"} == set()


@pytest.mark.versions
def test_the_plugin_is_there_where_airflow_has_pages_for_it() -> None:
    """From Airflow 3.1 on a tab and a page; in 3.0 a plugin without anything."""
    expected = ["task_instance", "nav"] if hasattr(AirflowPlugin, "external_views") else []
    assert [view["destination"] for view in HubSpotSyncsPlugin.external_views] == expected
    assert len(HubSpotSyncsPlugin.fastapi_apps) == bool(expected)
    assert issubclass(HubSpotSyncsPlugin, AirflowPlugin)


@pytest.mark.airflow
@pytest.mark.versions
def test_airflow_takes_the_plugin() -> None:
    """Airflow loads it without an error, once, from the entry point."""
    program = (
        "from airflow import plugins_manager as p, providers_manager\n"
        "info = [one for one in p.get_plugin_info() if one['name'] == 'hubspot_syncs']\n"
        "print(len(info), len(info[0].get('external_views', [])))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    views = len(HubSpotSyncsPlugin.external_views)
    assert told.stdout.splitlines()[-1] == f"1 {views}"
    assert "hubspot" not in told.stderr.lower()


def test_entry_point_and_description_name_the_plugin() -> None:
    """Both ways by which Airflow finds it lead to the same class."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    (entry,) = project["entry-points"]["airflow.plugins"].values()
    (described,) = get_provider_info()["plugins"]
    assert entry.replace(":", ".") == described["plugin-class"] == CLASS
    assert described["name"] == HubSpotSyncsPlugin.name


SERVER = """
import sys
from starlette.testclient import TestClient
from airflow.api_fastapi.app import create_app
client = TestClient(create_app("core"), base_url="http://localhost")
page = client.get("/hubbatch/sync.html")
xcom = client.get("/api/v2/dags/d/dagRuns/r/taskInstances/t/xcomEntries/timeline")
print(page.status_code, page.headers.get("content-security-policy"), xcom.status_code, sep="|")
"""


@pytest.mark.airflow
@pytest.mark.versions
def test_the_pages_are_for_anybody_and_the_data_is_not(airflow_db: Path) -> None:
    """Airflow serves the files, in which there is nothing; without a token nobody gets any of what they would show."""
    environment = os.environ | {"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False"}
    told = subprocess.run([sys.executable, "-c", SERVER], capture_output=True, text=True, check=True, env=environment)
    page, policy, xcom = told.stdout.splitlines()[-1].split("|")
    assert page == "200"  # in 3.0 Airflow's own page, as for any address
    assert policy == (CONTENT_SECURITY_POLICY if HubSpotSyncsPlugin.external_views else "None")
    assert xcom == "401"


# --- what is served ---------------------------------------------------------------------------------------------------


@pytest.fixture
def client() -> TestClient:
    """Airflow's server, as far as it mounts the files."""
    return TestClient(Starlette(routes=[Mount(URL_PREFIX, Pages())]), base_url="http://localhost")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_is_served_with_a_strict_policy(client: TestClient, path: Path) -> None:
    """Only what is served here runs, nobody else is asked, and only Airflow may put it into a frame."""
    reply = client.get(f"{URL_PREFIX}/{path.name}")
    assert reply.status_code == 200
    assert reply.content == path.read_bytes()
    assert reply.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert reply.headers["x-content-type-options"] == "nosniff"
    again = client.get(f"{URL_PREFIX}/{path.name}", headers={"if-none-match": reply.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("path", ["", "/", "/none.html", "/../plugin.py", "/%2e%2e/plugin.py", "/..%2fplugin.py"])
def test_nothing_else_is_served(client: TestClient, path: str) -> None:
    """No list of files, no file outside of the folder."""
    assert client.get(URL_PREFIX + path).status_code in {404, 405}


def test_nothing_can_be_sent(client: TestClient) -> None:
    """Files are read, that is all."""
    assert client.post(f"{URL_PREFIX}/sync.html", json={}).status_code == 405


def test_the_policy_allows_no_inline_code() -> None:
    """Neither inline scripts nor styles, no other host, no form."""
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "default-src 'none'" in CONTENT_SECURITY_POLICY
    assert "frame-ancestors 'self'" in CONTENT_SECURITY_POLICY
    assert "http" not in CONTENT_SECURITY_POLICY


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix == ".js"], ids=lambda path: path.name)
def test_no_script_makes_markup_of_text(path: Path) -> None:
    """Values become text nodes: no way from a string to markup or code is used anywhere."""
    markup = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|srcdoc|DOMParser|createContextualFragment"
    assert re.findall(rf"{markup}|eval\(|new Function", path.read_text()) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_file_names_another_host(path: Path) -> None:
    """Works offline: nothing is loaded from anywhere else."""
    addresses = set(re.findall(r"https?://[^\s\"'`)]+", path.read_text()))
    assert addresses <= {"http://www.w3.org/2000/svg"}


# --- words ------------------------------------------------------------------------------------------------------------


def words() -> dict[str, Any]:
    told: dict[str, Any] = json.loads((FOLDER / "words.json").read_text())
    return told


def test_every_status_and_operator_has_a_word_and_a_colour() -> None:
    """What the package can push is known to the pages."""
    assert {status.value for status in Status} <= set(words()["statuses"])
    assert {name for name in operators.__all__ if name.endswith("Operator")} <= set(words()["operators"])
    style = (FOLDER / "style.css").read_text()
    assert {status for status in words()["statuses"] if f".s-{status} " not in style} == set()


def test_every_reason_of_ours_has_its_advice() -> None:
    """Whatever docs/errors.md lists as a category of ours, the page says what to do about it."""
    table = (REPOSITORY / "docs" / "errors.md").read_text().split("## Why a row was rejected", 1)[1]
    lines = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    listed = {name for line in lines for name in re.findall(r"`([A-Z_]+)`", line)}
    assert listed - set(words()["reasons"]) == set()
    assert all(advice.endswith((".", "?")) for advice in words()["reasons"].values())
