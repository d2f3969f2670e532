"""The pages about a task and a sync, as somebody in Airflow's own web app sees them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from demo.setting import EXAMPLE_DAGS, seeded_setting

if TYPE_CHECKING:
    from pathlib import Path

    from selenium.webdriver import Chrome

    from tests.airflow_standalone import AirflowUnderTest
    from tests.whole.shared_airflow import SharedAirflow

pytestmark = [pytest.mark.browser, pytest.mark.airflow, pytest.mark.timeout(900)]

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


def frame_text(browser: Chrome, url: str, wanted: str) -> str:
    """The text of the frame in a page, once it has what is wanted of it; the browser stays in the frame."""
    from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.wait import WebDriverWait

    browser.get(url)
    lost = [NoSuchElementException, StaleElementReferenceException]

    def there(page: Chrome) -> bool:
        page.switch_to.default_content()
        page.switch_to.frame(page.find_element(By.TAG_NAME, "iframe"))
        return wanted in page.find_element(By.TAG_NAME, "body").text

    WebDriverWait(browser, WAIT_SECONDS, ignored_exceptions=lost).until(there, f"no {wanted!r} in the frame of {url}")
    return browser.find_element(By.TAG_NAME, "body").text


def test_the_pages_of_a_task_can_be_read(browser: Chrome, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Log, rendered fields, XComs, link and asset are where one looks for them; no row's value but among the XComs."""
    airflow: SharedAirflow = request.getfixturevalue("airflow")  # not started where the browser is missing
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    with seeded_setting(tmp_path) as setting:
        first = next(iter(setting.sandbox.objects("contacts")))
        example = (EXAMPLE_DAGS / "example_asset_schedule.py").read_text()
        dags = {"example_asset_schedule.py": example, "shown.py": SHOWN.replace("@id@", first)}
        with airflow.holding(dags, setting.connections):
            shown, synced = airflow.trigger("shown"), airflow.trigger("example_asset_schedule")
            assert airflow.wait("shown", shown) == "failed"
            assert airflow.wait("example_asset_schedule", synced) == "success"
            task = f"{airflow.url}/dags/shown/runs/{quote(shown, safe='')}/tasks/failing"
            seen = {}
            for name, url, wanted in (
                ("log", task, "INVALID_ID (row 1)"),
                ("rendered", f"{task}/rendered_templates", "list of dicts"),
                ("xcom", f"{task}/xcom", "return_value"),
                ("details", f"{task}/details", "HubSpot records"),
                ("assets", f"{airflow.url}/assets", "hubspot://123456/contacts"),
            ):
                seen[name] = text_of(browser, url, wanted)
                browser.save_screenshot(str(pictures / f"{name}.png"))
            for name, url, wanted in (
                ("sync", f"{task}/plugin/hubspot-sync", "2 rows: 1 updated, 1 rejected"),
                ("syncs", f"{airflow.url}/plugin/hubspot-syncs", "2 syncs, 1 failed"),
            ):
                seen[name] = frame_text(browser, url, wanted)
                browser.save_screenshot(str(pictures / f"{name}.png"))
            follow_the_history(browser, f"{task}/plugin/hubspot-sync")
            seen["timeline"] = shown_timeline(airflow, shown)
            complaints = console(browser)
    assert "contacts: 1 updated, 1 rejected" in seen["log"]
    assert "Failed: 1 INVALID_ID (row 1)" in seen["log"]
    assert "2 rows (list of dicts)" in seen["rendered"]
    assert "rejected" in seen["xcom"]
    assert "results" in seen["xcom"]
    assert SECRET_TOWN not in seen["log"] + seen["rendered"] + seen["details"] + seen["timeline"]
    assert "1 row was not written: more than max_rejected=0 allows." in seen["sync"]
    assert "INVALID_ID" in seen["sync"]
    assert "example_asset_schedule" in seen["syncs"]
    assert [one for one in complaints if "/hubbatch/" in one and "escape its sandboxing" not in one] == []


def follow_the_history(browser: Chrome, tab: str) -> None:
    """From the list to the runs of the failed sync, and from its run to the tab: around the frame."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.wait import WebDriverWait

    waiting = WebDriverWait(browser, WAIT_SECONDS)
    (link,) = [one for one in browser.find_elements(By.CSS_SELECTOR, "td.name a") if "failing" in one.text]
    link.click()
    waiting.until(lambda page: page.find_elements(By.CSS_SELECTOR, ".run-rows .when a"))
    browser.find_element(By.CSS_SELECTOR, ".run-rows .when a").click()
    browser.switch_to.default_content()
    waiting.until(lambda page: page.current_url == tab)


def shown_timeline(airflow: AirflowUnderTest, run_id: str) -> str:
    """What the pages read of the sync that failed, as text."""
    return json.dumps(airflow.xcom("shown", run_id, "failing", "timeline"))


def console(browser: Chrome) -> list[str]:
    """What the browser complains of."""
    untyped: Any = browser
    return [entry["message"] for entry in untyped.get_log("browser") if entry["level"] in {"SEVERE", "WARNING"}]
