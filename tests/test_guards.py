"""What looks like an accident is noticed before it happens: emptied properties, an extract that broke."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from airflow_provider_hubbatch.core.options import UpdateOptions
from airflow_provider_hubbatch.exceptions import MAX_MESSAGE_CHARACTERS, SettingsError, SyncFailedError
from airflow_provider_hubbatch.hooks import HubSpotHook
from airflow_provider_hubbatch.sandbox import HubSpotSandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


# The requests that give each contact its phone number.
SEEDING = 2 + 15


@pytest.fixture
def hubspot(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubSpotSandbox]:
    """A local HubSpot with 1,500 contacts, each of which has a phone number."""
    with HubSpotSandbox(records={"contacts": 1_500}, requests_per_10_seconds=10_000) as running:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", running.connection())
        hook = HubSpotHook()
        hook.batch_update("contacts", [{"id": one, "phone": "555"} for one in running.objects("contacts")])
        assert len(running.requests) == SEEDING
        yield running


def rows_of(hubspot: HubSpotSandbox, count: int, phone: Any = None) -> list[dict[str, Any]]:
    """Rows of the first contacts; ``phone`` is a value, or makes one of the row's number."""
    ids = list(hubspot.objects("contacts"))[:count]
    return [{"id": one, "city": "Ghent", "phone": phone(n) if callable(phone) else phone} for n, one in enumerate(ids)]


def phones(hubspot: HubSpotSandbox) -> int:
    """How many contacts have one."""
    return sum(bool(record["properties"].get("phone")) for record in hubspot.objects("contacts").values())


def written(hubspot: HubSpotSandbox) -> int:
    return sum("/batch/update" in request.path for request in hubspot.requests[SEEDING:])


@pytest.mark.parametrize("count", [100, 999, 1_000, 1_500])
def test_a_column_that_is_empty_throughout_stops_the_sync(hubspot: HubSpotSandbox, count: int) -> None:
    """With "clear", nothing is written if a column is empty in all of the first 1,000 rows; each has its outcome."""
    rows = rows_of(hubspot, count, phone=lambda n: "555" if n >= 1_000 else None)
    with pytest.raises(SettingsError, match=r"'phone' is empty in all of the first (100|999|1,000) rows") as caught:
        HubSpotHook().batch_update("contacts", rows, null_values="clear")
    assert written(hubspot) == 0
    assert caught.value.report.summary()["not_sent"] == caught.value.report.rows == count


@pytest.mark.parametrize(
    ("count", "phone", "options"),
    [
        (99, None, {}),
        (1_000, lambda n: None if n else "555", {}),
        (1_000, lambda n: "555" if n == 999 else "", {}),
        (1_200, None, {"max_cleared": 1.0}),
        (1_200, None, {"null_values": "skip"}),
        (1_200, lambda n: None if n % 4 == 0 else "555", {"max_cleared": 0.25}),
    ],
)
def test_few_rows_and_sparse_columns_pass(
    hubspot: HubSpotSandbox, count: int, phone: Any, options: dict[str, Any]
) -> None:
    """Fewer than 100 rows tell nothing, one value in 1,000 rows is enough, and both checks can be turned off."""
    report = HubSpotHook().batch_update(
        "contacts", rows_of(hubspot, count, phone), **{"null_values": "clear", **options}
    )
    summary = report.summary()
    assert summary["updated"] == count
    assert summary["cleared"].get("phone", 0) == 1_500 - phones(hubspot)


def test_a_column_that_few_rows_have_is_sparse(hubspot: HubSpotSandbox) -> None:
    """A key that most dicts lack leaves their property alone: the rows that have a null for it mean it."""
    rows = rows_of(hubspot, 1_000)
    for row in rows[10:]:
        del row["phone"]
    summary = HubSpotHook().batch_update("contacts", rows, null_values="clear").summary()
    assert (summary["updated"], summary["cleared"]) == (1_000, {"phone": 10})


def test_one_broken_row_does_not_hide_an_empty_column(hubspot: HubSpotSandbox) -> None:
    """Of a row that is none, nothing is concluded."""
    rows: list[Any] = rows_of(hubspot, 500)
    rows[7] = "no row"
    with pytest.raises(SettingsError, match="'phone'"):
        HubSpotHook().batch_update("contacts", rows, null_values="clear")


def test_a_share_stops_the_sync_before_the_rows_that_exceed_it(hubspot: HubSpotSandbox) -> None:
    """max_cleared is looked at as rows are read: what was sent before had less, what would exceed it isn't sent."""
    rows = rows_of(hubspot, 1_500, phone=lambda n: "555" if n < 1_000 else None)
    with pytest.raises(SettingsError, match=r"empty in 500 of 1,500 rows, more than max_cleared=0.3"):
        HubSpotHook().batch_update("contacts", iter(rows), null_values="clear", max_cleared=0.3)
    assert phones(hubspot) == 1_500


def test_cleared_counts_what_was_emptied(hubspot: HubSpotSandbox) -> None:
    """Only confirmed updates count, and of them only values that were sent."""
    rows = rows_of(hubspot, 20, phone=lambda n: None if n < 10 else "555")
    rows[0]["id"] = "999999999"
    first = HubSpotHook().batch_update("contacts", rows, null_values="clear").summary()
    assert (first["rejected"], first["cleared"]) == (1, {"phone": 9})
    again = HubSpotHook().batch_update("contacts", rows, null_values="clear", skip_unchanged="hubspot").summary()
    assert (again["unchanged"], again["cleared"]) == (19, {})


def test_one_warning_names_the_columns_whose_empty_texts_were_left_alone(
    hubspot: HubSpotSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """An empty text leaves the property alone by default, which one warning a sync says: version 0.1.0 sent it."""
    rows = [{**row, "phone": "", "jobtitle": None} for row in rows_of(hubspot, 1_200)]
    with caplog.at_level(logging.WARNING):
        HubSpotHook().batch_update("contacts", rows)
    (warning,) = [record.getMessage() for record in caplog.records if "Empty texts" in record.getMessage()]
    assert "column 'phone' left the property alone" in warning
    assert "jobtitle" not in warning
    assert phones(hubspot) == 1_500


def test_a_source_that_breaks_while_rows_wait_leaves_none_unaccounted(hubspot: HubSpotSandbox) -> None:
    """Rows that wait for the check when their source fails are not sent, and each has its outcome."""

    def broken() -> Iterator[Any]:
        yield pd.DataFrame(rows_of(hubspot, 150, phone="1"))
        raise OSError("the disk is gone")

    run = HubSpotHook().start_sync("contacts", broken(), UpdateOptions(null_values="clear"))
    with pytest.raises(OSError, match="the disk is gone"):
        run.finish()
    assert run.report.summary()["not_sent"] == 150
    assert written(hubspot) == 0


@pytest.mark.parametrize("wrong", [-0.1, 1.1, 30, True, "0.3", float("nan")])
def test_max_cleared_is_a_share(wrong: Any) -> None:
    """A count, or no share at all, is a wrong setting."""
    with pytest.raises(SettingsError, match=r"max_cleared=.*0\.0 to 1\.0"):
        HubSpotHook().batch_update("contacts", [], max_cleared=wrong)


def few(hubspot: HubSpotSandbox, kind: str) -> Any:
    rows = rows_of(hubspot, 3, "555")
    return {"list": rows, "frame": pd.DataFrame(rows), "empty": [], "generator": iter(rows)}[kind]


@pytest.mark.parametrize(("kind", "came"), [("list", 3), ("frame", 3), ("empty", 0)])
def test_too_few_rows_fail_before_the_first_request(hubspot: HubSpotSandbox, kind: str, came: int) -> None:
    """Where the source knows how many rows it has, nothing is asked of HubSpot."""
    with pytest.raises(SyncFailedError, match=rf"only {came} rows came, and min_rows=4 .*Nothing was sent"):
        HubSpotHook().batch_update("contacts", few(hubspot, kind), min_rows=4)
    assert hubspot.requests[SEEDING:] == []


def test_too_few_rows_fail_at_the_end_of_a_source_without_a_length(hubspot: HubSpotSandbox) -> None:
    """Of a stream, what came is written, and the sync fails once, with its report."""
    with pytest.raises(SyncFailedError, match=r"only 3 rows came.*They were sent") as caught:
        HubSpotHook().batch_update("contacts", few(hubspot, "generator"), min_rows=4)
    assert caught.value.report.summary()["updated"] == 3
    assert HubSpotHook().batch_update("contacts", few(hubspot, "generator"), min_rows=3).summary()["updated"] == 3


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "3"])
def test_min_rows_is_a_count(wrong: Any) -> None:
    """What is no whole number above 0 is a wrong setting."""
    with pytest.raises(SettingsError, match="min_rows="):
        HubSpotHook().batch_update("contacts", [], min_rows=wrong)


def test_an_error_s_text_has_a_most_of_characters(hubspot: HubSpotSandbox) -> None:
    """A table of a thousand wrong columns is told in a message that a mail still shows, correlation id and all."""
    columns = {f"no such property {n}": 1 for n in range(1_000)}
    with pytest.raises(SettingsError, match=r"1000 problems, nothing was sent(?s:.*)characters in all\)$") as caught:
        HubSpotHook().batch_update("contacts", [{"id": 1, **columns}])
    assert len(str(caught.value)) < MAX_MESSAGE_CHARACTERS + 100


@pytest.mark.parametrize("wrong", ["hubspto", "HubSpot", "state", " hubspot"])
def test_skip_unchanged_is_hubspot_or_a_path(wrong: str) -> None:
    """A word that is neither is a slip of the pen, and becomes no file in the working directory."""
    with pytest.raises(SettingsError, match=r"skip_unchanged=.*'hubspot', or a file's path"):
        HubSpotHook().batch_update("contacts", [], skip_unchanged=wrong)
