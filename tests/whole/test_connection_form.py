"""The connection form in Airflow's own pages, filled in, tested with its button, saved and opened again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch.sandbox import HubSpotSandbox, OAuthApp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

    from tests.airflow_standalone import AirflowUnderTest

pytestmark = [pytest.mark.browser, pytest.mark.airflow, pytest.mark.timeout(900)]

TOKEN = "pat-na1-typed-into-a-form"
OAUTH = OAuthApp(
    client_id="form-client",
    client_secret="form-client-5ecret",
    refresh_token="form-refresh-t0ken",
    scopes=frozenset({"crm.objects.contacts.write"}),
)
WAIT_SECONDS = 60


@pytest.fixture
def hubspot() -> Iterator[HubSpotSandbox]:
    """A local HubSpot with a token that may write contacts, and an OAuth app."""
    with HubSpotSandbox(tokens={TOKEN: ["crm.objects.contacts.write"]}, oauth=OAUTH) as sandbox:
        yield sandbox


@dataclass
class Pages:
    """The pages about connections, as somebody at the keyboard uses them.

    :param pictures: where screenshots go.
    """

    browser: Chrome
    airflow: AirflowUnderTest
    pictures: Path

    def one(self, css: str, text: str = "") -> WebElement:
        """The visible element of this kind that shows this text, as soon as there is one."""
        from selenium.webdriver.common.by import By
        from selenium.webdriver.support.wait import WebDriverWait

        def find(browser: Chrome) -> WebElement | None:
            found = browser.find_elements(By.CSS_SELECTOR, css)
            return next((one for one in found if one.is_displayed() and text in one.text), None)

        wait = WebDriverWait(self.browser, WAIT_SECONDS, ignored_exceptions=_stale())
        element = wait.until(find, f"no {css} with {text!r}")
        assert element is not None
        return element

    def click(self, css: str, text: str = "") -> None:
        """Click it, once it can be."""
        from selenium.webdriver.support.wait import WebDriverWait

        def clicked(_: Chrome) -> bool:
            self.one(css, text).click()
            return True

        WebDriverWait(self.browser, WAIT_SECONDS, ignored_exceptions=_stale()).until(clicked)

    def choose(self, combobox: WebElement, value: str) -> None:
        """Choose from a list by typing."""
        from selenium.webdriver.common.keys import Keys

        combobox.send_keys(value)
        self.one("[role=option]", value)
        combobox.send_keys(Keys.ENTER)

    def open_list(self) -> None:
        """The list of connections."""
        self.browser.get(f"{self.airflow.url}/connections")
        self.one("button", "Add Connection")

    def open_empty_form(self, connection_id: str) -> None:
        """The form of a new connection of type HubSpot, with all of its fields shown."""
        self.open_list()
        self.click("button", "Add Connection")
        self.one("input[name=connection_id]").send_keys(connection_id)
        self.choose(self.one("[role=dialog] input[role=combobox]"), "HubSpot")
        self.one("input[name=password]")

    def type_host(self, hubspot: HubSpotSandbox) -> None:
        """Lead the connection to the local HubSpot."""
        host, _, port = hubspot.url.rpartition(":")
        self.one("input[name=host]").send_keys(host)
        # Airflow 3.3's page tests a connection without a port as one with port 0, which its API refuses: 400
        self.port_field().send_keys(port)

    def port_field(self) -> WebElement:
        """Airflow's field for the port."""
        return self.one("[role=dialog] input[name=port]")

    def open_extra_fields(self) -> None:
        """Unfold the form's own fields."""
        self.click("[role=dialog] button", "Extra Fields")
        self.one("[name=element_client_id]")

    def save(self) -> None:
        """Press Save, and wait for the dialog's end."""
        from selenium.webdriver.common.by import By
        from selenium.webdriver.support.wait import WebDriverWait

        self.click("[role=dialog] button", "Save")
        WebDriverWait(self.browser, WAIT_SECONDS).until_not(
            lambda browser: browser.find_elements(By.CSS_SELECTOR, "[role=dialog] input[name=connection_id]")
        )

    def press_test(self) -> str:
        """Press the button that tests the only connection; gives what is said."""
        self.open_list()
        self.click("button[aria-label='Test Connection']")
        toast = self.one("[data-scope=toast][data-part=root]", "Connection")
        return toast.text

    def picture(self, name: str) -> None:
        """Take a screenshot."""
        assert self.browser.save_screenshot(str(self.pictures / f"{name}.png"))


def _stale() -> list[Any]:
    from selenium.common.exceptions import ElementClickInterceptedException, StaleElementReferenceException

    return [ElementClickInterceptedException, StaleElementReferenceException]


@pytest.fixture
def pages(browser: Chrome, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pages]:
    """The pages, with no connection in the list."""
    airflow: AirflowUnderTest = request.getfixturevalue("airflow")  # not started where the browser is missing
    opened = Pages(browser, airflow, tmp_path)
    yield opened
    for one in airflow.call("GET", "connections").json()["connections"]:
        airflow.call("DELETE", f"connections/{one['connection_id']}")


def test_form_with_a_token(pages: Pages, hubspot: HubSpotSandbox) -> None:
    """Token and host typed in, saved, tested: the button names the account and what the token lacks. Opened again, the
    token isn't shown, and saving once more keeps it.
    """
    pages.open_empty_form("hubspot_default")
    pages.picture("1 empty")
    pages.type_host(hubspot)
    password = pages.one("input[name=password]")
    assert password.get_attribute("type") == "password"
    password.send_keys(TOKEN)
    for hidden in ("schema", "login"):
        assert hidden not in {one.get_attribute("name") for one in _inputs(pages)}
    pages.save()
    said = pages.press_test()
    pages.picture("2 tested")
    assert "success" in said.lower()
    assert "HubSpot account 123456 (standard): 190 requests per 10 s" in said
    assert "Missing write scopes: crm.objects.companies.write" in said
    assert "crm.objects.contacts.write" not in said
    pages.open_list()
    pages.click("button[aria-label='Edit Connection']")
    assert pages.one("input[name=host]").get_attribute("value") == "http://127.0.0.1"
    assert TOKEN not in pages.browser.page_source
    pages.picture("3 opened again")
    pages.one("textarea[name=description]").send_keys("of the marketing team")
    pages.save()
    assert "HubSpot account 123456" in pages.press_test()


def test_form_with_oauth(pages: Pages, hubspot: HubSpotSandbox) -> None:
    """OAuth chosen from the list, its secrets as password fields: the button refreshes a token. Opened again, what was
    typed is there, but for the secrets.
    """
    pages.open_empty_form("hubspot_oauth")
    pages.type_host(hubspot)
    pages.open_extra_fields()
    pages.picture("1 extra fields")
    comboboxes = [one for one in _inputs(pages) if one.get_attribute("role") == "combobox" and one.is_displayed()]
    pages.choose(comboboxes[-1], "oauth")
    for name, value in {
        "client_id": OAUTH.client_id,
        "client_secret": OAUTH.client_secret,
        "refresh_token": OAUTH.refresh_token,
    }.items():
        field = pages.one(f"[name=element_{name}]")
        assert field.get_attribute("type") == ("text" if name == "client_id" else "password")
        field.send_keys(value)
    pages.one("[name=element_requests_per_10_seconds]").send_keys("50")
    pages.one("[name=element_portal_id]").send_keys("123456")
    pages.picture("2 filled in")
    pages.save()
    said = pages.press_test()
    pages.picture("3 tested")
    assert "HubSpot account 123456 (standard): 50 requests per 10 s as this connection caps it" in said
    assert "Missing write scopes: crm.objects.companies.write" in said
    stored = pages.airflow.call("GET", "connections/hubspot_oauth").json()
    assert json.loads(stored["extra"])["requests_per_10_seconds"] == 50
    assert json.loads(stored["extra"])["portal_id"] == 123_456
    pages.open_list()
    pages.click("button[aria-label='Edit Connection']")
    pages.open_extra_fields()
    assert pages.one("[name=element_client_id]").get_attribute("value") == OAUTH.client_id
    pages.picture("4 opened again")
    assert OAUTH.client_secret not in pages.browser.page_source
    assert OAUTH.refresh_token not in pages.browser.page_source


def test_form_with_a_wrong_token(pages: Pages, hubspot: HubSpotSandbox) -> None:
    """A token that HubSpot doesn't know: the button says what to do, and doesn't show the token."""
    pages.open_empty_form("hubspot_default")
    pages.type_host(hubspot)
    pages.one("input[name=password]").send_keys("pat-na1-wr0ng-one")
    pages.save()
    said = pages.press_test()
    pages.picture("1 refused")
    assert "HubSpot doesn't accept the access token" in said
    assert "wr0ng" not in pages.browser.page_source


def _inputs(pages: Pages) -> list[WebElement]:
    from selenium.webdriver.common.by import By

    return pages.browser.find_elements(By.CSS_SELECTOR, "[role=dialog] input")
