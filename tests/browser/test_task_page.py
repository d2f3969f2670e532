"""The pages about a task, as somebody in Airflow's web app sees them after a sync that failed."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from demo.setting import EXAMPLE_DAGS, seeded_setting
from tests.airflow_standalone import AirflowUnderTest

if TYPE_CHECKING:
    from pathlib import Path

    from selenium.webdriver import Chrome

pytestmark = [pytest.mark.browser, pytest.mark.airflow]

WAIT_SECONDS = 60
SECRET_TOWN = "Geheimnishausen"

SHOWN = f"""
from airflow.sdk import dag
from airflow_provider_hubbatch.operators import HubSpotBatchUpdateOperator

@dag(schedule=None)
def shown():
    HubSpotBatchUpdateOperator(
        task_id="failing",
        object_type="contacts",
        rows=[{{"id": "@id@", "city": "{SECRET_TOWN}"}}, {{"id": "none", "city": "{SECRET_TOWN}"}}],
        properties={{"city": "city"}},
    )

shown()
"""


def text_of(browser: Chrome, url: str, wanted: str) -> str:
    """The page's text, once it has what is wanted of it."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.wait import WebDriverWait

    browser.get(url)
    wait = WebDriverWait(browser, WAIT_SECONDS)
    wait.until(lambda page: wanted in page.find_element(By.TAG_NAME, "body").text, f"no {wanted!r} on {url}")
    return browser.find_element(By.TAG_NAME, "body").text


def test_the_pages_of_a_task_can_be_read(browser: Chrome, tmp_path: Path) -> None:
    """Log, rendered fields, XComs, link and asset are where one looks for them; no row's value but among the XComs."""
    dags, pictures = tmp_path / "dags", tmp_path / "pictures"
    dags.mkdir()
    pictures.mkdir()
    shutil.copy(EXAMPLE_DAGS / "example_asset_schedule.py", dags)
    with seeded_setting(tmp_path) as setting:
        first = next(iter(setting.sandbox.objects("contacts")))
        (dags / "shown.py").write_text(SHOWN.replace("@id@", first))
        with AirflowUnderTest(tmp_path / "home", dags, setting.connections) as airflow:
            shown, synced = airflow.trigger("shown"), airflow.trigger("example_asset_schedule")
            assert airflow.wait("shown", shown) == "failed"
            assert airflow.wait("example_asset_schedule", synced) == "success"
            task = f"{airflow.url}/dags/shown/runs/{quote(shown, safe='')}/tasks/failing"
            seen = {}
            for name, url, wanted in (
                ("log", task, "first in row 1"),
                ("rendered", f"{task}/rendered_templates", "list of dicts"),
                ("xcom", f"{task}/xcom", "return_value"),
                ("details", f"{task}/details", "HubSpot records"),
                ("assets", f"{airflow.url}/assets", "hubspot://123456/contacts"),
            ):
                seen[name] = text_of(browser, url, wanted)
                browser.save_screenshot(str(pictures / f"{name}.png"))
    assert "contacts: 1 updated, 1 rejected" in seen["log"]
    assert "1 rejected: INVALID_ID, first in row 1" in seen["log"]
    assert "2 rows (list of dicts)" in seen["rendered"]
    assert "rejected" in seen["xcom"]
    assert "results" in seen["xcom"]
    assert SECRET_TOWN not in seen["log"] + seen["rendered"] + seen["details"]
