"""A headless Chromium, where one is installed."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from selenium.webdriver import Chrome

WINDOW = (1280, 1600)
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--lang=en",
    f"--window-size={WINDOW[0]},{WINDOW[1]}",
]


def start_chromium(profile: Path) -> Chrome:
    """A Chromium with an empty profile; skips, and says so, where none is installed."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no Chromium here: install chromium and chromium-driver (Debian) for the browser tests")
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService

    options = ChromeOptions()
    options.binary_location = chromium
    for flag in [*FLAGS, f"--user-data-dir={profile}"]:
        options.add_argument(flag)
    # what the page's console says, and every request that leaves the browser
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # the driver and the page are on loopback: no proxy on the way there
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return Chrome(options=options, service=ChromeService(driver, env=environment))


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chrome]:
    """A Chromium of the test's own."""
    running = start_chromium(tmp_path / "profile")
    try:
        yield running
    finally:
        running.quit()


@pytest.fixture(scope="module")
def shared_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """A Chromium for all tests of a module, which leave no trace in it that others could see."""
    running = start_chromium(tmp_path_factory.mktemp("chromium") / "profile")
    try:
        yield running
    finally:
        running.quit()
