"""A page of ours in Airflow's frame, as a person reads and clicks it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

    from tests.browser.scripted_airflow import Instance, ScriptedAirflow

WAIT_SECONDS = 20


def sync_page(one: Instance, map_index: Any = None) -> str:
    """The address of a task instance's tab, as Airflow 3.1 makes it: nothing is encoded."""
    index = one.map_index if map_index is None else map_index
    return f"sync.html?dag_id={one.dag_id}&run_id={one.run_id}&task_id={one.task_id}&map_index={index}"


class Reader:
    """Opens pages, finds what they show, and knows what the browser asked for and complained of.

    :param airflow: whose pages these are.
    """

    def __init__(self, browser: Chrome, airflow: ScriptedAirflow) -> None:
        self.browser = browser
        self.airflow = airflow
        browser.get("about:blank")
        self.requests()  # forget what came before
        self.complaints()

    def open(self, page: str, *, theme: str = "light", width: int = 1280, shows: str = "") -> None:
        """Show a page in Airflow's frame, and wait until it has this text."""
        self.browser.switch_to.default_content()
        self.resize(width)
        self.browser.get(self.airflow.framed(page, theme))
        self.browser.switch_to.frame(0)
        self.wait_for_text(shows)

    def resize(self, width: int, height: int = 1200) -> None:
        """As wide as this, however narrow a window can be."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def text(self) -> str:
        """What the page shows."""
        return str(self.browser.execute_script("return document.querySelector('main').innerText"))

    def wait_for_text(self, wanted: str, seconds: float = WAIT_SECONDS) -> None:
        """Wait until the page shows this, and no longer that it loads."""
        from selenium.webdriver.support.wait import WebDriverWait

        def there(_: Chrome) -> bool:
            text = self.text()
            return wanted in text and "Loading ..." not in text

        WebDriverWait(self.browser, seconds, poll_frequency=0.1).until(there, f"no {wanted!r} in {self.text()!r}")

    def all(self, css: str) -> list[WebElement]:
        """The elements."""
        from selenium.webdriver.common.by import By

        return self.browser.find_elements(By.CSS_SELECTOR, css)

    def one(self, css: str, text: str = "") -> WebElement:
        """The only element of this kind with this text."""
        found = [element for element in self.all(css) if text in element.text]
        assert len(found) == 1, f"{len(found)} x {css} with {text!r}"
        return found[0]

    def texts(self, css: str) -> list[str]:
        """The texts of all elements of this kind."""
        return [
            str(one) for one in self.script(f"return [...document.querySelectorAll({css!r})].map((e) => e.innerText)")
        ]

    def script(self, program: str, *arguments: Any) -> Any:
        """The value of some JavaScript in the page."""
        return self.browser.execute_script(program, *arguments)

    def choose(self, css: str, text: str) -> None:
        """Choose an entry of a list by its text."""
        from selenium.webdriver.support.select import Select

        options = [option.text for option in Select(self.one(css)).options]
        (chosen,) = [option for option in options if option.startswith(text)]
        Select(self.one(css)).select_by_visible_text(chosen)

    def top_address(self) -> str:
        """Where the page around the frame is."""
        self.browser.switch_to.default_content()
        return self.browser.current_url

    def requests(self) -> list[str]:
        """The addresses that were asked for since the last time this was."""
        events = [json.loads(entry["message"])["message"] for entry in self._log("performance")]
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]

    def complaints(self) -> list[str]:
        """Errors and warnings of the browser's console, but for the one about Airflow's own frame."""
        return [
            entry["message"]
            for entry in self._log("browser")
            if entry["level"] in {"SEVERE", "WARNING"} and "can escape its sandboxing" not in entry["message"]
        ]

    def _log(self, kind: str) -> list[dict[str, Any]]:
        untyped: Any = self.browser
        entries: list[dict[str, Any]] = untyped.get_log(kind)
        return entries
