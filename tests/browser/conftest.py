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


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chrome]:
    """A Chromium with an empty profile; skips, and says so, where none is installed."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no Chromium here: install chromium and chromium-driver (Debian) for the browser tests")
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService

    options = ChromeOptions()
    options.binary_location = chromium
    for flag in [*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"]:
        options.add_argument(flag)
    # the driver and the page are on loopback: no proxy on the way there
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    running = Chrome(options=options, service=ChromeService(driver, env=environment))
    try:
        yield running
    finally:
        running.quit()
