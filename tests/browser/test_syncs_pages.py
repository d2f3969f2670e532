"""The page of all syncs, and that of all runs of one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.browser import scenes
from tests.browser.reading import Reader, sync_page
from tests.browser.scripted_airflow import Instance, ScriptedAirflow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from selenium.webdriver import Chrome

pytestmark = pytest.mark.browser

HISTORY = "history.html?dag_id=nightly&task_id=update_contacts"
WIDTHS = (400, 700, 1000, 1600)


@pytest.fixture
def reader(shared_browser: Chrome) -> Iterator[Reader]:
    """Reads the pages of an Airflow of the test's own; in the end the browser has no complaint."""
    with ScriptedAirflow() as airflow:
        reading = Reader(shared_browser, airflow)
        yield reading
        assert [url for url in reading.requests() if not url.startswith((airflow.url, "data:"))] == []
        assert reading.complaints() == []


def several() -> list[Instance]:
    """Four syncs: one with a history, one that failed, one that runs, one mapped."""
    failed = scenes.sync(3_000, 40, dag_id="hourly", task_id="update_deals", started=timedelta(minutes=50))
    running = Instance(dag_id="now", state="running", started=timedelta(seconds=3))
    parts = [replace(one, dag_id="parts") for one in scenes.mapped(3)]
    return [*scenes.history(40), replace(failed, state="failed"), running, *parts]


def names(reader: Reader) -> list[str]:
    """Task, DAG, verb and object of each row, as they are shown."""
    return [" ".join(text.replace(": all runs", "").split()) for text in reader.texts(".syncs td.name")]


def row(reader: Reader, dag_id: str) -> list[str]:
    """What the row of a DAG's only sync shows."""
    (found,) = [one.split() for one in reader.texts(".syncs tbody tr") if dag_id in one.split()]
    return found


def test_every_sync_of_every_dag(reader: Reader) -> None:
    """Each with its state, its last run, its rows, and what was rejected now against before."""
    reader.airflow.instances = several()
    reader.open("syncs.html", shows="4 syncs, 1 failed, 2 running")
    reader.wait_for_text("4 more")
    assert len(names(reader)) == 4
    nightly = " ".join(row(reader, "nightly"))
    for told in ("update contacts", "success", "7 h ago", "9,687", "▲ 4 more", "of the daily limit left"):
        assert told in nightly
    assert "failed" in row(reader, "hourly")
    assert "40" in row(reader, "hourly")
    assert reader.script("return document.querySelectorAll('.sparkline g').length") >= 31
    assert "The last 30 runs, 3 failed" in reader.script("return document.body.textContent")


def test_syncs_are_filtered_and_sorted(reader: Reader) -> None:
    """By text, DAG and state; by any column, both ways."""
    reader.airflow.instances = several()
    reader.open("syncs.html", shows="4 syncs")
    reader.wait_for_text("9,687")
    reader.choose("#filter-dag", "hourly")
    assert names(reader) == ["update_deals hourly update contacts"]
    reader.choose("#filter-dag", "All DAGs")
    reader.choose("#filter-state", "running")
    assert {name.split()[1] for name in names(reader)} == {"now", "parts"}
    reader.choose("#filter-state", "All states")
    reader.one("input[type=search]").send_keys("deals")
    assert names(reader) == ["update_deals hourly update contacts"]
    reader.one("input[type=search]").clear()
    reader.one("input[type=search]").send_keys(" \b")
    reader.one(".sort", "Rejected").click()
    assert reader.one("th[aria-sort=descending]").text == "Rejected"
    assert names(reader)[0].startswith("update_deals")
    reader.one(".sort", "Rejected").click()
    assert names(reader)[-1].startswith("update_deals")


def test_no_sync_yet(reader: Reader) -> None:
    """One sentence."""
    reader.open("syncs.html", shows="No HubSpot sync has run yet.")


def test_a_derived_operator_is_found(reader: Reader) -> None:
    """By the XCom that every sync pushes."""
    derived = replace(scenes.sync(870, 24), operator="CustomersSync", dag_id="derived")
    reader.airflow.instances = [*scenes.history(2), derived]
    reader.open("syncs.html", shows="2 syncs")
    reader.wait_for_text("derived")


def test_syncs_of_a_dag_without_access_are_not_there(reader: Reader) -> None:
    """As Airflow's own lists leave them out."""
    reader.airflow.instances = several()
    reader.airflow.forbidden = frozenset({"hourly"})
    reader.open("syncs.html", shows="3 syncs")
    assert "hourly" not in reader.text()
    reader.open("history.html?dag_id=hourly&task_id=update_deals", shows="You don't have access to this DAG")
    assert all("403" in complaint for complaint in reader.complaints())


def test_the_history_of_a_sync(reader: Reader) -> None:
    """A chart and a row a run; the failed ones stand out; a run without numbers is there too."""
    reader.airflow.instances = scenes.history(40)
    reader.open(HISTORY, shows="the last 40 runs, 3 failed")
    reader.wait_for_text("401,449 rows, 1,007 rejected")
    assert len(reader.all(".run-rows tbody tr")) == 40
    assert reader.script("return document.querySelectorAll('.runs .c-duration').length") == 39
    assert reader.script("return document.querySelectorAll('.runs .run-failed').length") == 3
    assert sum("failed" in text.split() for text in reader.texts(".run-rows tbody tr")) == 3


def test_a_run_leads_to_its_sync_tab(reader: Reader) -> None:
    """From the table and from the chart, around the frame; a mapped run to all of its instances."""
    reader.airflow.instances = scenes.history(3)
    tab = "/runs/scheduled__2026-11-23T05%3A00%3A00%2B00%3A00/tasks/update_contacts/plugin/hubspot-sync"
    reader.open(HISTORY, shows="32,489 rows")
    reader.all(".run-rows .when a")[1].click()
    assert reader.top_address().endswith(tab)
    reader.open(HISTORY, shows="32,489 rows")
    reader.all(".runs .hit")[1].click()
    assert reader.top_address().endswith(tab)
    parts = scenes.mapped(3)
    reader.airflow.instances = parts
    reader.open(HISTORY, shows="3 instances")
    reader.all(".run-rows .when a")[0].click()
    reader.wait_for_text("Instances")
    assert reader.airflow.url in reader.top_address()
    assert sync_page(parts[0], "all").split("?")[0] == "sync.html"


def test_hundreds_of_runs_are_paged(reader: Reader) -> None:
    """40 at first, the older ones when they are asked for."""
    reader.airflow.instances = scenes.history(130)
    reader.open(HISTORY, shows="the last 40 runs")
    reader.one(".pager button", "Older runs").click()
    reader.wait_for_text("the last 80 runs")
    reader.one(".pager button", "Older runs").click()
    reader.wait_for_text("the last 120 runs")


def test_a_history_takes_few_requests(reader: Reader) -> None:
    """One list of runs, one of what they pushed, and each run's numbers once: not again when it is shown again."""
    reader.airflow.instances = scenes.history(40)
    reader.open(HISTORY, shows="401,449 rows")
    assert len(reader.airflow.asked) <= 42
    reader.airflow.asked.clear()
    reader.open(HISTORY, shows="401,449 rows")
    assert len(reader.airflow.asked) <= 2


PAGES = {
    "syncs": "syncs.html",
    "history": HISTORY,
    "sync": sync_page(Instance()),
    "mapped": sync_page(Instance(dag_id="parts"), "all"),
}

# Of every text on the page: its colour against what is behind it (WCAG 2: relative luminance, contrast ratio).
CONTRAST = """
const channel = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
const rgba = (colour) => {
  canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255];
};
const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
const behind = (element) => {
  const layers = [];
  for (let e = element; e; e = e.parentElement) layers.push(rgba(getComputedStyle(e).backgroundColor));
  return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
};
const poor = [];
const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement, style = getComputedStyle(element);
  const unseen = !walker.currentNode.data.trim() || !element.checkVisibility();
  if (unseen || element.closest(".spoken, option, :disabled")) continue;
  const back = behind(element), front = over(rgba(element.closest("svg") ? style.fill : style.color), back);
  const [high, low] = [luminance(front), luminance(back)].sort((a, b) => b - a);
  const ratio = (high + 0.05) / (low + 0.05);
  if (ratio < 4.5) poor.push(`${walker.currentNode.data.trim()}: ${ratio.toFixed(2)}`);
}
return poor;
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("page", PAGES)
def test_pages_fit_and_can_be_read(reader: Reader, page: str, theme: str) -> None:
    """From 400 to 1,600 px nothing is cut off or has to be scrolled sideways; every text has a contrast of 4.5 (AA)."""
    rejected = replace(scenes.sync(9_687, 24, max_rejected=50), run_id="scheduled__2026-11-24T05:00:00+00:00")
    reader.airflow.instances = [rejected, *several()[1:]]
    reader.open(PAGES[page], theme=theme, shows="9,687" if page in {"syncs", "sync"} else "")
    reader.wait_for_text("Run by run" if page == "history" else "")
    for width in WIDTHS:
        reader.resize(width)
        wider = reader.script("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, f"{wider} px too wide at {width}"
    assert reader.script(CONTRAST) == []


UNNAMED = """
const controls = "button, select, input, a[href], [role=slider], [role=region], [role=img]";
const named = (e) => e.getAttribute("aria-label") || e.getAttribute("aria-labelledby") || e.textContent.trim();
return [...document.querySelectorAll(controls)].filter((e) => !named(e)).map((e) => e.outerHTML);
"""


@pytest.mark.parametrize("page", PAGES)
def test_pages_tell_a_screen_reader_what_they_are(reader: Reader, page: str) -> None:
    """One heading of the page, every control with a name, every table with heads, every drawing hidden or named."""
    reader.airflow.instances = several()
    reader.open(PAGES[page], shows="")
    reader.wait_for_text("Run by run" if page == "history" else "update")
    assert len(reader.all("h1")) == 1
    assert reader.script(UNNAMED) == []
    assert reader.all("svg:not([aria-hidden])") == []
    assert reader.all("table:not(:has(th[scope=col]))") == []
