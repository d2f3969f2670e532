"""The report: a fold over outcomes, its summary, and when it fails."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_hubbatch.core.model import RowOutcome, Status
from airflow_provider_hubbatch.core.sync_report import SyncReport
from airflow_provider_hubbatch.exceptions import SettingsError, SyncFailedError


def report_of(*statuses: Status | str, **fields: Any) -> SyncReport:
    """A report of one row a status."""
    report = SyncReport("contacts", **fields)
    outcomes = (
        RowOutcome(
            row=row,
            id=row,
            status=Status(status),
            category="VALIDATION_ERROR" if status == "rejected" else None,
            message="Secret Value was not one of the options" if status == "rejected" else None,
            correlation_id=f"c-{row}" if status == "rejected" else None,
            values={"city": "Secret Value"} if status in ("rejected", "unknown") else None,
        )
        for row, status in enumerate(statuses)
    )
    for outcome in outcomes:
        report.add(outcome)
    return report


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(list(Status)), max_size=50))
def test_report_counts_add_up_to_the_rows(statuses: list[Status]) -> None:
    """The counts of the summary add up to the rows read; it is fit for JSON."""
    summary = report_of(*statuses).summary()
    assert sum(summary[status.value] for status in Status) == summary["rows"] == len(statuses)
    assert summary["rejected_by_category"] == ({"VALIDATION_ERROR": n} if (n := summary["rejected"]) else {})
    assert json.loads(json.dumps(summary)) == summary


def test_report_summary_has_the_keys_of_the_contract() -> None:
    """The return value's keys, no more and no less."""
    wanted = (
        "verb object_type rows created updated archived unchanged missing rejected unknown not_sent "
        "rejected_by_category not_taken cleared duplicates requests retries rate_limited resumed_rows "
        "results_path started_at completed_at seconds"
    )
    assert list(report_of("updated").summary()) == wanted.split()


def test_report_keeps_at_most_1000_outcomes() -> None:
    """Of very many rows, the first 1,000 rejected and unknown ones are kept, and the results not at all."""
    report = report_of(*["rejected", "unknown", "updated"] * 700)
    assert (report.rows, len(report.rejected), report.results()) == (2_100, 1_000, None)
    assert report_of(*["updated"] * 1_001).results() is None


def test_report_results_are_in_row_order_without_values() -> None:
    """Up to 1,000 outcomes, by row, with no row's values and no absent keys."""
    report = SyncReport("contacts")
    for row in range(999, -1, -1):
        report.add(RowOutcome(row=row, id=str(row), status=Status.UNKNOWN, values={"a": 1}))
    results = report.results() or []
    assert [one["row"] for one in results] == list(range(1_000))
    assert results[3] == {"row": 3, "id": "3", "status": "unknown"}


@pytest.mark.parametrize(
    ("statuses", "max_rejected", "fails"),
    [
        (["updated", "unchanged", "missing", "not_sent"], 0, False),
        (["rejected"], 0, True),
        (["unknown"], 0, True),
        (["rejected", "unknown", "updated"], 2, False),
        (["rejected", "unknown", "updated"], 1, True),
        (["rejected", "updated"], 0.5, False),
        (["rejected", "rejected", "updated"], 0.5, True),
        (["rejected"], 0.0, True),
        ([], 0, False),
        ([], 0.5, False),
    ],
)
def test_report_fails_above_max_rejected(statuses: list[str], max_rejected: float, fails: bool) -> None:
    """Rejected and unknown rows count; a count or a share of them is allowed, and not one more."""
    report = report_of(*statuses, max_rejected=max_rejected)
    if not fails:
        report.raise_for_rejected()
        return
    with pytest.raises(SyncFailedError) as caught:
        report.raise_for_rejected()
    assert caught.value.report is report


@pytest.mark.parametrize("max_rejected", [-1, 1.0, 1.5, -0.1, float("nan"), True, "1", None.__class__])
def test_report_refuses_a_max_rejected_that_is_none(max_rejected: Any) -> None:
    """A count below 0, a share of 1 or more, or something else is a wrong setting."""
    with pytest.raises(SettingsError, match="max_rejected"):
        report_of("updated").raise_for_rejected(max_rejected)


def test_report_failure_says_which_rows_and_quotes_no_value() -> None:
    """The error has counts, categories, rows and correlation ids; none of a row's values, and not HubSpot's quotes."""
    with pytest.raises(SyncFailedError) as caught:
        report_of("updated", *["rejected"] * 7, "unknown").raise_for_rejected()
    text = str(caught.value)
    assert text.startswith("8 of 9 rows failed, more than max_rejected=0 allows. Fix them and run again: ")
    assert "7 VALIDATION_ERROR (rows 1, 2, 3, ...); 1 unknown (row 8) [correlation c-1]" in text
    assert "Secret" not in text
    assert caught.value.correlation_id == "c-1"


def test_report_failure_warns_of_creating_twice() -> None:
    """Where rows have no key, the error never advises to send an unknown one again without a look into HubSpot."""
    report = report_of("created", "unknown", "unknown", "rejected")
    report.once = True
    with pytest.raises(SyncFailedError) as caught:
        report.raise_for_rejected()
    text = str(caught.value)
    assert text.startswith("3 of 4 rows failed, more than max_rejected=0 allows. 2 may have been created: look in")
    assert "run again" not in text


def test_report_failure_accounts_for_every_row_that_failed() -> None:
    """Of many categories the commonest are named, and what the others come to."""
    report = SyncReport("contacts")
    for number in range(1, 8):
        for row in range(number):
            report.add(RowOutcome(10 * number + row, 1, Status.REJECTED, category=f"REASON_{number}"))
    with pytest.raises(SyncFailedError) as caught:
        report.raise_for_rejected()
    _, _, why = str(caught.value).partition("Why: ")
    assert why.endswith("; and 10 more of 4 other kinds")
    assert sum(int(reason.removeprefix("and ").split()[0]) for reason in why.split("; ")) == report.rows


def test_report_failure_does_not_call_unsent_rows_written() -> None:
    """Where rows were not sent, the error doesn't say that all others were written."""
    with pytest.raises(SyncFailedError) as caught:
        report_of("rejected", "not_sent", "not_sent").raise_for_rejected()
    assert "all others were" not in str(caught.value)


@pytest.mark.parametrize("given_id", [float("nan"), None, 12, "a", b"\xff", {1, 2}])
def test_outcomes_are_fit_for_json(given_id: Any) -> None:
    """Whatever a row holds, its outcome can be written as JSON."""
    outcome = RowOutcome(row=0, id=given_id, status=Status.REJECTED, values={"a": given_id, "b": [given_id]})
    json.dumps(outcome.as_dict(), allow_nan=False)
