"""The lines that say how a sync is going."""

from __future__ import annotations

import logging

import pytest

from airflow_provider_hubbatch.client.pace import Pace
from airflow_provider_hubbatch.core.costs import Costs
from airflow_provider_hubbatch.core.sync_report import SyncReport
from airflow_provider_hubbatch.sync.engine import Progress
from airflow_provider_hubbatch.sync.progress import ProgressLog


def line(*, settled: int, seconds: float, total_rows: int | None = 10_000, resumed: int = 0) -> str:
    """The line of a try that settled so many rows in so many seconds."""
    report = SyncReport("contacts", resumed_rows=resumed)
    log = ProgressLog(logging.getLogger(), report, Pace(), total_rows=total_rows)
    return log.line(Progress(rows_read=settled, rows_settled=settled, costs=Costs(), in_flight=0), seconds)


def test_the_line_says_how_far_how_fast_how_long() -> None:
    """Rows done, of how many, and the time that the rest takes at this pace."""
    assert line(settled=2_000, seconds=10).startswith("2,000 of 10,000 rows (20 %), 200 rows/s, about 40 s left; ")


def test_after_a_resume_it_counts_the_rows_of_all_tries() -> None:
    """The pace is that of this try, and the time left is that of what is still to be done."""
    told = line(settled=1_000, seconds=10, resumed=6_000)
    assert told.startswith("7,000 of 10,000 rows (70 %), 100 rows/s, about 30 s left; ")


@pytest.mark.parametrize("resumed", [0, 6_000])
def test_without_a_total_it_says_what_is_done(resumed: int) -> None:
    """A query doesn't say how many rows it has."""
    told = line(settled=1_000, seconds=10, total_rows=None, resumed=resumed)
    assert told.startswith(f"{1_000 + resumed:,} rows, 100 rows/s; ")


def test_nothing_settled_yet_is_no_division() -> None:
    """At the very start there is no pace."""
    assert line(settled=0, seconds=0).startswith("0 of 10,000 rows (0 %); ")
