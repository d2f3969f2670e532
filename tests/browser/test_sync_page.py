"""The tab "Sync": what it shows of syncs of every size and end, and that nobody's data gets out of hand in it."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch.core.model import RowOutcome, Status
from tests.browser import scenes
from tests.browser.reading import Reader, sync_page
from tests.browser.scripted_airflow import Instance, ScriptedAirflow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from selenium.webdriver import Chrome

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def airflow() -> Iterator[ScriptedAirflow]:
    """An Airflow whose task instances each test sets."""
    with ScriptedAirflow() as running:
        yield running


@pytest.fixture
def reader(shared_browser: Chrome, airflow: ScriptedAirflow) -> Iterator[Reader]:
    """Reads the pages; in the end nothing has left the host, and the browser's console has no complaint."""
    airflow.instances, airflow.forbidden = [], frozenset()
    reading = Reader(shared_browser, airflow)
    yield reading
    assert [url for url in reading.requests() if not url.startswith((airflow.url, "blob:", "data:"))] == []
    assert reading.complaints() == []


def show(reader: Reader, one: Instance, shows: str, **options: Any) -> None:
    reader.airflow.instances = [one]
    reader.open(sync_page(one), shows=shows, **options)


# --- every size and end ---------------------------------------------------------------------------------------------


def test_a_sync_without_rows(reader: Reader) -> None:
    """It says so, and draws nothing."""
    show(reader, scenes.sync(0), "There were no rows to sync")
    assert "Why" not in reader.text()
    assert not reader.all("#rows")


def test_a_sync_of_three_rows(reader: Reader) -> None:
    """One of three rejected, which max_rejected doesn't allow: what failed, why, and what to do."""
    show(reader, scenes.sync(3, 1, state="failed"), "3 rows: 2 updated, 1 rejected")
    text = reader.text()
    assert "1 row was not written: more than max_rejected=0 allows." in text
    assert "All other rows (2) are done." in text
    assert "Why 1 row was not written" in text


def test_a_sync_of_870_rows(reader: Reader) -> None:
    """Outcomes with their shares, reasons with property, count, advice and examples, costs, settings."""
    show(reader, scenes.sync(870, 24, max_rejected=0.05), "870 rows: 750 updated, 96 unchanged, 24 rejected")
    assert reader.texts(".legend li") == ["750 updated 86.2 %", "96 unchanged 11 %", "24 rejected 2.8 %"]
    text = reader.text()
    assert "more than max_rejected" not in text
    heads = reader.texts(".reason-head")
    assert {"INVALID_EMAIL of email\n9", "INVALID_DATE of renewal_date\n1"} <= set(heads)
    assert "Correct the address in the source, or leave it empty." in text
    assert "2027-02-30 was not a valid date." in text
    facts = dict(zip(reader.texts(".facts dt"), reader.texts(".facts dd"), strict=True))
    assert facts["Requests"] == "11 79 rows each"
    assert facts["Daily limit left"] == "245,858 of 250,000, 98.3 %"
    assert facts["max_rejected"] == "0.05"
    assert facts["id_property"] == "customer_number"


def test_a_sync_of_100_000_rows(reader: Reader) -> None:
    """The first 1,000 rejected rows are listed, the page says where the others are, and the chart has its table."""
    path = "s3://results/hubspot"
    show(reader, scenes.sync(100_000, 3_214, results_path=path, retries=14, resumed_at=0.7), "3,214 rejected")
    text = reader.text()
    assert f"The first 1,000 of 3,214. All of them are in {path}." in text
    assert "Counted in the first 1,000 rows. In total: 2,590 OBJECT_NOT_FOUND" in text
    assert "Page 1 of 40" in text
    assert reader.script("return document.querySelectorAll('.chart path.line').length") == 3
    assert "resumed" in reader.one(".chart svg").text
    reader.one("#time-table summary").click()
    rows = reader.texts("#time-table tbody tr")
    assert 30 < len(rows) < 50
    assert "100,000" in rows[-1]


def test_a_running_sync_shows_how_far_it_is(reader: Reader) -> None:
    """Rows of all rows, the rate, what is left; later numbers come by themselves, and an open table stays open."""
    running = Instance(state="running", started=timedelta(seconds=33))
    half = scenes.xcoms({Status.UPDATED: 50_000}, total_rows=100_000, over=False)
    show(reader, replace(running, xcoms=half), "50,000 of 100,000 rows done")
    assert "left" in reader.one(".meta").text
    reader.one("#time-table summary").click()
    more = scenes.xcoms({Status.UPDATED: 70_000}, total_rows=100_000, over=False)
    reader.airflow.instances = [replace(running, xcoms=more)]
    reader.wait_for_text("70,000 of 100,000 rows done")
    assert reader.one("#time-table").get_attribute("open") is not None
    reader.airflow.instances = [scenes.sync(100_000)]
    reader.wait_for_text("100,000 rows: 88,889 updated, 11,111 unchanged")


@pytest.mark.parametrize(
    ("instance", "shows"),
    [
        (Instance(operator="_PythonDecoratedOperator", task_id="extract"), "extract isn't a HubSpot sync."),
        (Instance(state="failed"), "The task failed before it pushed anything about its rows."),
        (Instance(state="running", started=timedelta(seconds=3)), "The sync has just started."),
        (Instance(state=None), "The sync hasn't started yet."),
        (Instance(state="upstream_failed"), "The sync didn't run: a task before it failed."),
        (Instance(state="deferred"), "The daily API limit is exhausted"),
        (Instance(state="success"), "This run has no XCom about its rows."),
        (Instance(operator="MySync", xcoms={"return_value": [1, 2]}), "isn't a HubSpot sync."),
    ],
    ids=lambda value: value.state if isinstance(value, Instance) else None,
)
def test_a_calm_sentence_where_there_is_nothing_to_show(reader: Reader, instance: Instance, shows: str) -> None:
    """Another operator's task, one that hasn't begun, one that failed before it had rows."""
    show(reader, instance, shows)


def test_a_sync_that_was_stopped(reader: Reader) -> None:
    """What was not sent is told apart, and that a retry goes on with it."""
    pushed = scenes.xcoms({Status.UPDATED: 400, Status.NOT_SENT: 600})
    show(reader, Instance(state="failed", xcoms=pushed), "The sync stopped early: 600 rows were not sent.")
    show(reader, Instance(state="up_for_retry", xcoms=pushed), "Airflow runs the task again")


def test_an_operator_derived_from_ours_is_a_sync(reader: Reader) -> None:
    """By what it pushed, whatever its class is called."""
    show(reader, replace(scenes.sync(870, 24), operator="CustomersSync"), "870 rows: 750 updated")


def test_statuses_and_verbs_of_later_versions_are_shown(reader: Reader) -> None:
    """What this page doesn't know has its own name, and counts."""
    pushed = scenes.xcoms({Status.UPDATED: 7})
    summary = {**pushed["return_value"], "rows": 10, "verb": "merge", "merged": 3, "to_object_type": "companies"}
    show(reader, Instance(xcoms={**pushed, "return_value": summary}), "10 rows: 7 updated, 3 merged")
    assert reader.one(".kicker").text == "merge contacts → companies"
    link = {"row": 4, "id": "a@b.com", "to_id": 17, "status": "rejected", "category": "CONFLICT", "values": {"x": 1}}
    pushed["return_value"] = summary | {"rejected": 1, "updated": 6}
    show(reader, Instance(xcoms={**pushed, "rejected": [link]}), "Rows not written")
    assert reader.texts("#rows td[data-head=Key]") == ["a@b.com → 17"]


def test_a_mapped_sync_is_summed_and_single(reader: Reader) -> None:
    """All instances added up, with a row each; the failed one is named; each can be chosen."""
    reader.airflow.instances = scenes.mapped(6)
    reader.open(sync_page(reader.airflow.instances[0], "all"), shows="Instances")
    assert reader.one("h1").text == "31,100 of 34,000 rows done"
    assert "4 success, 1 failed, 1 running" in reader.one(".meta").text
    assert len(reader.all(".instances tbody tr")) == 6
    assert set(reader.texts("#rows tbody td[data-head=Instance]")) == {"0", "3"}
    reader.choose(".actions select", "Instance 3")
    reader.wait_for_text("6,700 rows:")
    assert "Instances" not in reader.texts("h2")
    reader.choose(".actions select", "All instances")
    reader.wait_for_text("Instances")


def test_a_mapped_task_without_an_index_is_all_of_it(reader: Reader) -> None:
    """Airflow leaves {MAP_INDEX} as it is where there is none."""
    reader.airflow.instances = scenes.mapped(3)
    reader.open(sync_page(reader.airflow.instances[0], "{MAP_INDEX}"), shows="Instances")


# --- the table ------------------------------------------------------------------------------------------------------


def test_rows_are_filtered_and_paged(reader: Reader) -> None:
    """By reason (from the list or by a click on its bar), by text in any value, page by page."""
    show(reader, scenes.sync(9_000, 60, max_rejected=100), "Rows not written")
    everything = reader.texts("#rows tbody td[data-head=Row]")
    assert len(everything) == 25
    reader.one(".pager button", "Next").click()
    assert not set(reader.texts("#rows tbody td[data-head=Row]")) & set(everything)
    reader.choose("#rows select", "INVALID_EMAIL of email")
    assert set(reader.texts("#rows .reason")) == {"INVALID_EMAIL"}
    assert "of 60 rows" in reader.one("#rows [role=status]").text
    reader.one(".reason-bar", "INVALID_OPTION").click()
    assert set(reader.texts("#rows .reason")) == {"INVALID_OPTION"}
    assert reader.one(".reason-bar[aria-pressed=true]").text.startswith("INVALID_OPTION")
    reader.one(".reason-bar", "INVALID_OPTION").click()
    assert "60 rows" in reader.one("#rows [role=status]").text
    reader.one("#rows input").send_keys("GDAŃSK")
    shown = reader.texts("#rows tbody td[data-head=Row]")
    assert 0 < len(shown) < 60
    reader.one("#rows input").send_keys("nowhere")
    assert "No row matches." in reader.text()


def test_a_row_unfolds_its_values(reader: Reader) -> None:
    """With the property that each column went to, and the one at fault marked; by keyboard too."""
    from selenium.webdriver.common.keys import Keys

    show(reader, scenes.sync(870, 24), "Rows not written")
    reader.choose("#rows select", "INVALID_EMAIL")
    reader.all("#rows .fold")[0].send_keys(Keys.ENTER)
    values = reader.texts("#rows .values > div")
    assert "mail → email\naino.lund2041@" in values
    assert reader.texts("#rows .at-fault") == ["mail → email\naino.lund2041@"]
    reader.all("#rows .fold")[0].send_keys(Keys.SPACE)
    assert reader.all("tr.more:not([hidden])") == []


HOSTILE = {
    "script": "<script>window.hacked = 1</script>",
    "image": "<img src=x onerror='window.hacked = 2'>",
    "quotes": "\"'`'\"><b>bold</b>",
    "hebrew": "שלום <עולם>",
    "override": "\u202egnp.exe",
    "formula": '=HYPERLINK("http://evil.example","click")',
    "phone": "+31 20 1234567",
    "minus": "-12.5",
    "lines": "two\nlines, a comma",
    "nothing": None,
    "list": ["a", {"b": "<i>"}],
}


def hostile() -> Instance:
    """A sync whose every text is somebody's attempt."""
    outcome = RowOutcome(
        0,
        "<script>window.hacked = 3</script>",
        Status.REJECTED,
        record_id="1/../../evil?x=1",
        category="<b>CATEGORY</b>",
        message="property '<u>p</u>' takes <script>window.hacked = 4</script> \u202e",
        correlation_id="<i>id</i>",
        values=HOSTILE,
    )
    pushed = scenes.xcoms({Status.REJECTED: 1, Status.UPDATED: 1}, rejected=[outcome])
    summary = {**pushed["return_value"], "object_type": "<script>window.hacked = 5</script>"}
    timeline = {**pushed["timeline"], "summary": summary, "record_url": "javascript:window.hacked=6//{record_id}"}
    return Instance(
        task_id="update_contacts",
        xcoms={**pushed, "return_value": summary, "timeline": timeline},
        rendered_fields={"rows": "<img src=x onerror='window.hacked = 7'>", "properties": {"<b>c</b>": "<i>p</i>"}},
        links={"<b>link</b>": "javascript:window.hacked=8", "good": "https://app.hubspot.com/x"},
    )


def test_values_are_shown_as_text(reader: Reader) -> None:
    """Markup, quotes and right-to-left text stay what they are, and no address of a script becomes a link."""
    show(reader, hostile(), "Rows not written")
    reader.all("#rows .fold")[0].click()
    text = reader.text()
    for value in ("<script>window.hacked = 1</script>", "<b>CATEGORY</b>", "שלום <עולם>", "<img src=x onerror"):
        assert value in text
    assert reader.script("return window.hacked") is None
    assert (
        reader.script("return document.querySelectorAll('main script, main img, main b b, main u, bdi *').length") == 0
    )
    addresses = reader.script("return [...document.querySelectorAll('a[href]')].map((a) => a.href)")
    assert all(address.startswith(("http://127.0.0.1", "https://app.hubspot.com/")) for address in addresses)
    isolated = reader.script("return [...document.querySelectorAll('bdi')].map((e) => e.textContent)")
    assert {"שלום <עולם>", "\u202egnp.exe", "<b>CATEGORY</b>"} <= set(isolated)


def test_the_download_has_what_is_shown(reader: Reader, tmp_path: Path) -> None:
    """The rows that match, with their values, readable by any CSV reader; no cell runs as a formula."""
    reader.browser.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path), "eventsEnabled": True}
    )
    show(reader, hostile(), "Rows not written")
    reader.one("#rows button", "Download CSV").click()
    file = tmp_path / "nightly-update_contacts-rejected.csv"
    wait_for(file, reader)
    text = file.read_bytes().decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert row["row"] == "0"
    assert row["status"] == "rejected"
    assert row["script"] == HOSTILE["script"]
    assert row["quotes"] == HOSTILE["quotes"]
    assert row["hebrew"] == HOSTILE["hebrew"]
    assert row["lines"] == HOSTILE["lines"]
    assert row["formula"] == "'" + str(HOSTILE["formula"])
    assert row["phone"] == HOSTILE["phone"]
    assert row["minus"] == "-12.5"
    assert row["nothing"] == ""


def test_the_download_is_filtered(reader: Reader, tmp_path: Path) -> None:
    """All pages of what matches, and nothing else."""
    reader.browser.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path), "eventsEnabled": True}
    )
    show(reader, scenes.sync(9_000, 400, max_rejected=500), "Rows not written")
    reader.choose("#rows select", "OBJECT_NOT_FOUND")
    reader.one("#rows button", "Download CSV").click()
    file = tmp_path / "nightly-update_contacts-rejected.csv"
    wait_for(file, reader)
    rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8-sig"))))
    told = reader.one("#rows [role=status]").text
    assert told == f"{len(rows)} of 400 rows"
    assert {row["category"] for row in rows} == {"OBJECT_NOT_FOUND"}


def wait_for(file: Path, reader: Reader) -> None:
    from selenium.webdriver.support.wait import WebDriverWait

    WebDriverWait(reader.browser, 20).until(lambda _: file.exists() and file.stat().st_size > 0)


# --- links ----------------------------------------------------------------------------------------------------------


def test_links_lead_where_they_say(reader: Reader) -> None:
    """Records to the account's own HubSpot in a new tab; Log to Airflow's page, around the frame."""
    show(reader, scenes.sync(870, 24), "HubSpot records")
    first = reader.all("#rows td[data-head=Record] a")[0]
    assert first.get_attribute("href") == scenes.RECORD_URL.replace("{record_id}", first.text)
    assert "noopener" in str(first.get_attribute("rel"))
    reader.one("nav.actions a", "Log").click()
    assert reader.top_address().endswith(
        "/dags/nightly/runs/scheduled__2026-11-24T05%3A00%3A00%2B00%3A00/tasks/update_contacts"
    )


def test_a_key_that_is_a_record_id_leads_to_the_record(reader: Reader) -> None:
    """Where the id column holds record ids, a row that was rejected before it was sent has its link too."""
    one = scenes.sync(870, 24)
    rejected = [{key: value for key, value in row.items() if key != "record_id"} for row in one.xcoms["rejected"]]
    one = replace(one, xcoms={**one.xcoms, "rejected": rejected}, rendered_fields={"id_property": None})
    show(reader, one, "Rows not written")
    reader.choose("#rows select", "INVALID_EMAIL")
    first = reader.all("#rows td[data-head=Record] a")[0]
    assert first.get_attribute("href") == scenes.RECORD_URL.replace("{record_id}", first.text)
    reader.choose("#rows select", "OBJECT_NOT_FOUND")
    assert reader.all("#rows td[data-head=Record] a") == []
    show(reader, replace(one, rendered_fields={"id_property": "customer_number"}), "Rows not written")
    assert reader.all("#rows td[data-head=Record] a") == []


def test_all_runs_of_the_task_are_a_click_away(reader: Reader) -> None:
    """In the same frame, which leads back to the run."""
    show(reader, scenes.sync(870, 24), "All runs of this task")
    reader.one("nav.actions a", "All runs of this task").click()
    reader.wait_for_text("Run by run")


# --- who may see it -------------------------------------------------------------------------------------------------


def test_a_viewer_without_access_sees_nothing(reader: Reader) -> None:
    """Airflow refuses, and the page says what that means, and nothing else."""
    reader.airflow.forbidden = frozenset({"nightly"})
    show(reader, scenes.sync(870, 24), "You don't have access to this DAG, or not to its XComs.")
    assert "870" not in reader.text()
    assert "update_contacts" not in reader.text()
    assert all("403" in complaint for complaint in reader.complaints())


# --- around it ------------------------------------------------------------------------------------------------------


def test_below_a_path_of_the_base_url(shared_browser: Chrome) -> None:
    """Airflow behind a proxy that gives it a path: pages, data and links are all below it."""
    one = scenes.sync(870, 24)
    with ScriptedAirflow([one], prefix="/team/airflow") as airflow:
        reader = Reader(shared_browser, airflow)
        reader.open(sync_page(one), shows="870 rows: 750 updated")
        assert all(url.startswith(airflow.url) for url in reader.requests())
        reader.one("nav.actions a", "Log").click()
        assert reader.top_address().startswith(f"{airflow.url}/dags/nightly/")
        reader.open("syncs.html", shows="1 sync")


def test_it_looks_as_airflow_does(reader: Reader) -> None:
    """Light and dark, also when the viewer changes it."""
    show(reader, scenes.sync(870, 24), "870 rows", theme="dark")
    dark = reader.script("return getComputedStyle(document.querySelector('.card')).backgroundColor")
    assert reader.script("return document.documentElement.dataset.theme") == "dark"
    reader.browser.switch_to.default_content()
    reader.script("document.documentElement.className = 'light'")
    reader.browser.switch_to.frame(0)
    assert reader.script("return document.documentElement.dataset.theme") == "light"
    assert reader.script("return getComputedStyle(document.querySelector('.card')).backgroundColor") != dark


def test_the_chart_can_be_read_by_keyboard(reader: Reader) -> None:
    """Arrow keys walk through time, and each point is told in words."""
    from selenium.webdriver.common.keys import Keys

    show(reader, scenes.sync(100_000, 12, max_rejected=20), "Over time")
    chart = reader.one(".chart")
    chart.send_keys(Keys.HOME)
    assert str(chart.get_attribute("aria-valuetext")).startswith("1.0 s: ")
    chart.send_keys(Keys.ARROW_RIGHT)
    assert str(chart.get_attribute("aria-valuetext")).startswith("2.0 s: ")
    chart.send_keys(Keys.END)
    assert "100,000 rows done" in str(chart.get_attribute("aria-valuetext"))
    assert "100,000 rows done" in reader.one(".readout").text
