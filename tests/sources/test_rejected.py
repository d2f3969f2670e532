"""The rows of an earlier run that were not written, read out of its result files."""

from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_hubbatch.core.result_names import Claim, is_of_task, order_names
from airflow_provider_hubbatch.exceptions import SettingsError
from airflow_provider_hubbatch.sources import OwnRun, RejectedRows, chunks, describe, total_fresh_rows, total_rows
from airflow_provider_hubbatch.sources import rejected as rejected_module

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def outcome(row: int, status: str = "rejected", **what: Any) -> dict[str, Any]:
    """An outcome's line; those that weren't written have their source row."""
    given_id = what.pop("id", row)
    values = {"id": given_id, "city": f"town {row}"}
    entry = {"row": row, "id": given_id, "status": status, "values": values, **what}
    if status in {"updated", "unchanged", "missing"}:
        del entry["values"]
    return {key: value for key, value in entry.items() if value is not None or key == "id"}


def write(folder: Any, name: str, outcomes: Iterable[dict[str, Any]]) -> None:
    path = ObjectStoragePath(str(folder)) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(one) + "\n" for one in outcomes))


def read(source: Any, own: OwnRun | None = None, **options: Any) -> list[dict[str, Any]]:
    return [part.row(offset) for part in chunks(source, own=own, **options) for offset in range(part.length)]


def rows(source: Any, own: OwnRun | None = None) -> list[int]:
    """The numbers of the rows in the earlier run."""
    return [int(row["city"].removeprefix("town ")) for row in read(source, own)]


@pytest.fixture(params=["path", "file://", "memory://"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder that isn't there yet, on each storage."""
    if request.param == "memory://":
        attach("memory", fs=MemoryFileSystem())
        return f"memory://{tmp_path.name}/results"
    return f"{request.param if '://' in request.param else ''}{tmp_path / 'new' / 'results'}"


def test_rows_that_were_not_written_come_again(folder: str, caplog: pytest.LogCaptureFixture) -> None:
    """Rejected, unknown and not sent rows of every file come as they were, once each; the log says how many."""
    write(folder, "sync-0a1b2c3d-00001.jsonl", [outcome(0, "updated"), outcome(1), outcome(2, "unchanged")])
    write(folder, "sync-0a1b2c3d-00002.jsonl", [outcome(3), outcome(1), outcome(4, "missing")])
    write(folder, "sync-0a1b2c3d-unsettled.jsonl", [outcome(5, "unknown"), outcome(6, "not_sent")])
    with caplog.at_level(logging.INFO):
        parts = list(chunks(RejectedRows(folder)))
    assert [part.row(n) for part in parts for n in range(part.length)] == [
        {"id": row, "city": f"town {row}"} for row in (1, 3, 5, 6)
    ]
    assert [list(part.attempts or ()) for part in parts] == [[1, 1, 1, 1]]
    assert "(sync): 2 rejected, 1 unknown, 1 not_sent" in caplog.text
    assert "town" not in caplog.text


def test_only_what_is_needed_is_held(tmp_path: Path) -> None:
    """Columns that the new sync doesn't name are left out; rows come in chunks."""
    write(tmp_path, "sync-0a1b2c3d-00001.jsonl", map(outcome, range(25)))
    parts = list(chunks(RejectedRows(str(tmp_path)), chunk_rows=10, columns=["id"]))
    assert [(part.first_row, part.length, list(part.columns)) for part in parts] == [
        (0, 10, ["id"]),
        (10, 10, ["id"]),
        (20, 5, ["id"]),
    ]
    assert [list(part.attempts or ()) for part in parts] == [[1] * 10, [1] * 10, [1] * 5]


@pytest.mark.parametrize(
    ("statuses", "wanted"),
    [
        (None, [0, 1, 2, 6]),
        (["rejected"], [0, 1]),
        (["unknown"], [2, 3]),
        (("not_sent",), [6]),
        (["INVALID_OPTION"], [1]),
        (["VALIDATE_ONLY", "unknown"], [2, 3, 4]),
        (["CLEARING_STOPPED"], [5]),
        (["rejected", "unknown", "not_sent"], [0, 1, 2, 3, 6]),
    ],
)
def test_statuses_and_categories_choose_rows(tmp_path: Path, statuses: Any, wanted: list[int]) -> None:
    """By default nothing is sent again that was held back on purpose, or that a create may have made already."""
    write(
        tmp_path,
        "sync-0a1b2c3d-00001.jsonl",
        [
            outcome(0, category="OBJECT_NOT_FOUND"),
            outcome(1, category="INVALID_OPTION"),
            outcome(2, "unknown", category="NO_ANSWER"),
            outcome(3, "unknown", id=None),
            outcome(4, "not_sent", category="VALIDATE_ONLY"),
            outcome(5, "not_sent", category="CLEARING_STOPPED"),
            outcome(6, "not_sent"),
        ],
    )
    assert rows(RejectedRows(str(tmp_path), statuses=statuses)) == wanted


def test_what_may_have_been_created_is_not_sent_again_by_itself(tmp_path: Path) -> None:
    """Rows without a key, of which HubSpot never said what became, are sent again only if they are asked for."""
    lines = [outcome(0), outcome(1, "unknown"), outcome(2, "unknown", category="NO_ANSWER"), outcome(3, "not_sent")]
    write(tmp_path, "sync-0123abcd-00001.jsonl", lines)
    claim = Claim(try_id="0123abcd", once=True, ended=True)
    (tmp_path / "sync.try.json").write_bytes(claim.as_json())
    assert rows(RejectedRows(str(tmp_path))) == [0, 3]
    assert rows(RejectedRows(str(tmp_path), statuses=["unknown"])) == [1, 2]
    assert Claim.from_json(claim.as_json()) == claim


@pytest.mark.parametrize("statuses", ["rejected", [], ["rejectd"], [1], ["Rejected", "updted"]])
def test_statuses_that_are_none_are_refused(tmp_path: Path, statuses: Any) -> None:
    """A word that is no status is named."""
    with pytest.raises(SettingsError, match="status"):
        read(RejectedRows(str(tmp_path), statuses=statuses))


def test_an_older_value_does_not_follow_a_newer_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A row is left out if a later row of its record was written, however its id is spelled; an earlier one is none."""
    write(
        tmp_path,
        "sync-0a1b2c3d-00001.jsonl",
        [
            outcome(0, id="7"),
            outcome(1, id="Ann@X.com"),
            outcome(2, "updated", id="8"),
            outcome(3, id="8"),
            outcome(4, id=9.0),
            outcome(5, "unchanged", id="09"),
            outcome(6, "updated", id=" ann@x.com"),
            outcome(7, "updated", id=7),
            outcome(8, id=None),
            outcome(9, "updated", id=None),
            outcome(10, id=11),
            outcome(11, "missing", id=11),
        ],
    )
    with caplog.at_level(logging.INFO):
        assert rows(RejectedRows(str(tmp_path))) == [3, 8, 10]
    assert "left out: 3 whose record was written later" in caplog.text


def test_links_are_told_by_both_ends(tmp_path: Path) -> None:
    """A link's row is left out for a later row of the same two records only."""
    lines = [outcome(0, id=1, to_id=5), outcome(1, id=1, to_id=6), outcome(2, "updated", id=1, to_id=5)]
    write(tmp_path, "sync-0a1b2c3d-00001.jsonl", lines)
    assert rows(RejectedRows(str(tmp_path))) == [1]


@pytest.mark.parametrize("most_sorted", [2, 50_000])
def test_rows_of_one_record_come_in_their_order(
    tmp_path: Path, most_sorted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever file has them, and however many there are at once."""
    monkeypatch.setattr(rejected_module, "_MAX_SORTED_ROWS", most_sorted)
    write(tmp_path, "sync-0a1b2c3d-00001.jsonl", [outcome(5, id=1), outcome(9, id=1), outcome(4), outcome(7, id=2)])
    write(tmp_path, "sync-0a1b2c3d-unsettled.jsonl", [outcome(2, "not_sent", id=1), outcome(3, "not_sent", id=2)])
    assert rows(RejectedRows(str(tmp_path))) == [4, 2, 3, 5, 7, 9]


def test_attempts_are_counted_and_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A row that was sent again max_attempts times stays out, and the log says so."""
    lines = [
        outcome(0),
        outcome(1, attempts=1),
        outcome(2, attempts=2),
        outcome(3, attempts=3),
        outcome(4, attempts="x"),
    ]
    write(tmp_path, "sync-0a1b2c3d-00001.jsonl", lines)
    with caplog.at_level(logging.INFO):
        (part,) = chunks(RejectedRows(str(tmp_path)))
    assert list(part.attempts or ()) == [1, 2, 3, 1]
    assert "left out: 1 sent again 3 times already" in caplog.text
    assert len(read(RejectedRows(str(tmp_path), max_attempts=9))) == 5
    with pytest.raises(SettingsError, match="max_attempts=0"):
        read(RejectedRows(str(tmp_path), max_attempts=0))


def test_a_row_whose_values_are_not_whole_is_not_sent(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A part of a row must never be sent for the whole: it is an invalid row, and one without values isn't there."""
    write(tmp_path, "sync-0a1b2c3d-00001.jsonl", [outcome(0), outcome(1, values_cut=["blob"]), outcome(2, values=None)])
    with caplog.at_level(logging.INFO):
        (part,) = chunks(RejectedRows(str(tmp_path)))
    assert part.length == 2
    assert list(part.invalid) == [1]
    assert "could not hold 'blob'" in part.invalid[1]
    assert "1 without their source row" in caplog.text


def test_lines_that_are_no_outcomes_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What a kill left of a line costs that line only."""
    torn = json.dumps(outcome(1))[:-5]
    (tmp_path / "sync-0a1b2c3d-00001.jsonl").write_text(f"{json.dumps(outcome(0))}\n[1]\n{{}}\n\nnull\n{torn}")
    assert rows(RejectedRows(str(tmp_path))) == [0]
    assert "4 lines of" in caplog.text


# --- which files --------------------------------------------------------------------------------------------------


def test_the_folder_of_the_own_run_is_refused(tmp_path: Path) -> None:
    """A sync can't read what it writes; another task's files in its folder it can."""
    write(tmp_path, "sync-0a1b2c3d-00001.jsonl", [outcome(0)])
    for spelling in (str(tmp_path), f"{tmp_path}/", f"file://{tmp_path}"):
        for task_id in (None, "again"):
            with pytest.raises(SettingsError, match="where this sync writes its own results"):
                read(RejectedRows(spelling, task_id=task_id), OwnRun(str(tmp_path), "again"))
    assert rows(RejectedRows(str(tmp_path), task_id="sync"), OwnRun(str(tmp_path), "again")) == [0]
    assert rows(RejectedRows(str(tmp_path)), OwnRun(f"{tmp_path}/other", "again")) == [0]


def test_a_folder_of_several_tasks_is_told_apart(tmp_path: Path) -> None:
    """Mapped instances belong together; among different tasks, one's own files are meant, or one is to be named."""
    for number, task in enumerate(["sync-0", "sync-1", "sync-10"]):
        write(tmp_path, f"{task}-0a1b2c3d-00001.jsonl", [outcome(number)])
    assert rows(RejectedRows(str(tmp_path))) == [0, 1, 2]
    assert rows(RejectedRows(str(tmp_path)), OwnRun("/elsewhere", "sync-1")) == [1]
    write(tmp_path, "other-0a1b2c3d-00001.jsonl", [outcome(7)])
    with pytest.raises(SettingsError, match=r"several tasks \(other, sync-0, .*task_id"):
        read(RejectedRows(str(tmp_path)))
    assert rows(RejectedRows(str(tmp_path)), OwnRun(None, "other")) == [7]
    assert rows(RejectedRows(str(tmp_path), task_id="sync")) == [0, 1, 2]
    assert rows(RejectedRows(str(tmp_path), task_id="sync-1")) == [1]


def test_a_folder_without_results_is_no_rows(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Before the first run there is nothing to send again, which the log says; other files are no results."""
    (tmp_path / "notes.jsonl").write_text("{}\n")
    with caplog.at_level(logging.INFO):
        assert read(RejectedRows(str(tmp_path))) == []
        assert read(RejectedRows(f"{tmp_path}/absent", latest=True), OwnRun(f"{tmp_path}/absent/1", "sync")) == []
    assert "there are no result files in" in caplog.text
    assert "no earlier run has result files" in caplog.text


def run(base: str, name: str, at: float, outcomes: Iterable[dict[str, Any]], task: str = "sync") -> None:
    """The results of a run, written at that time."""
    write(f"{base}/{name}", f"{task}-0a1b2c3d-00001.jsonl", outcomes)
    os.utime(f"{base}/{name}/{task}-0a1b2c3d-00001.jsonl", (at, at))


def test_latest_reads_the_run_that_was_written_last(tmp_path: Path) -> None:
    """Whatever the runs are called, the newest one with files of this task is read, and never one's own."""
    base = str(tmp_path)
    run(base, "scheduled__2026-01-01", 100, [outcome(1)])
    run(base, "manual__2025", 300, [outcome(2)])
    run(base, "scheduled__2026-01-02", 200, [outcome(3)])
    run(base, "scheduled__2026-01-09", 900, [outcome(4)], task="other")
    run(base, "own", 1_000, [outcome(5)])
    own = OwnRun(f"{base}/own/", "sync")
    assert rows(RejectedRows(base, latest=True), own) == [2]
    assert rows(RejectedRows(base, latest=True, task_id="other"), own) == [4]
    assert rows(RejectedRows(base, latest=True, task_id="nobody"), own) == []
    assert rows(RejectedRows(base, latest=True), OwnRun(f"{base}/own/deeper", "sync")) == [2]


def test_latest_passes_over_a_look_before_the_leap(tmp_path: Path) -> None:
    """A run with validate_only has written nothing: what the run before it left is still to be sent."""
    base = str(tmp_path)
    run(base, "1", 100, [outcome(1)])
    run(base, "2", 200, [outcome(2), outcome(3, "not_sent", category="VALIDATE_ONLY")])
    assert rows(RejectedRows(base, latest=True), OwnRun(f"{base}/3", "sync")) == [1]


def test_latest_reads_a_run_that_left_nothing(tmp_path: Path) -> None:
    """A run in which all went well ends the chain: what failed before it was sent again by it."""
    base = str(tmp_path)
    run(base, "1", 100, [outcome(1)])
    run(base, "2", 200, [outcome(1, "updated")])
    assert rows(RejectedRows(base, latest=True), OwnRun(f"{base}/3", "sync")) == []


def test_latest_needs_a_folder_a_run(tmp_path: Path) -> None:
    """Where each run replaces the results of the one before, there is nothing that latest could find."""
    with pytest.raises(SettingsError, match="Put the run into it"):
        read(RejectedRows(str(tmp_path), latest=True), OwnRun(str(tmp_path), "sync"))


def test_latest_works_on_a_storage_without_times(tmp_path: Path) -> None:
    """On any storage, by the time that it tells, else by name."""
    attach("memory", fs=MemoryFileSystem())
    base = f"memory://{tmp_path.name}/runs"
    for day in ("01", "02", "03"):
        write(f"{base}/2026-01-{day}", "sync-0a1b2c3d-00001.jsonl", [outcome(int(day))])
    assert rows(RejectedRows(base, latest=True), OwnRun(f"{base}/2026-01-03", "sync")) == [2]


# --- beside other rows --------------------------------------------------------------------------------------------


def test_sources_are_read_one_after_the_other(tmp_path: Path) -> None:
    """First what is left of an earlier run, then the rest; nothing is folded, and each row has its own number."""
    write(tmp_path, "sync-0a1b2c3d-00001.jsonl", [outcome(0, id=1), outcome(1, id=2)])
    both = [RejectedRows(str(tmp_path)), [{"id": 1, "city": "new"}, {"id": 3, "city": "new"}]]
    parts = list(chunks(both))
    assert [value for part in parts for value in part.columns["id"]] == [1, 2, 1, 3]
    assert [(part.first_row, part.attempts) for part in parts] == [(0, [1, 1]), (2, None)]
    assert total_rows(both) is None
    assert total_fresh_rows(both) == 2
    assert total_fresh_rows(RejectedRows("x")) == 0


def test_rejected_rows_are_described() -> None:
    """As any other rows that are read later."""
    assert describe(RejectedRows("s3://key:secret@bucket/runs", latest=True)) == (
        "RejectedRows(results_path='s3://***@bucket/runs', latest=True)"
    )


@given(st.lists(st.sampled_from(["a", "a-1", "b", "é-x"]), max_size=4), st.lists(st.integers(1, 10**6), max_size=3))
def test_names_are_told_apart(tasks: list[str], parts: list[int]) -> None:
    """Parts come by number, then what is unsettled; other files are none."""
    names = [f"{task}-0a1b2c3d-{part:05d}.jsonl" for task in tasks for part in parts] + [
        f"{task}-0a1b2c3d-unsettled.jsonl" for task in tasks
    ]
    ordered = order_names({*names, "x.jsonl", "a-1.jsonl", "-00001.jsonl", "a-unsettled.json"}, {})
    assert set(ordered) == set(tasks)
    for task, found in ordered.items():
        files = [f"{part:05d}.jsonl" for part in sorted(set(parts))] + ["unsettled.jsonl"]
        assert found == [f"{task}-0a1b2c3d-{file}" for file in files]


def test_only_files_that_count_are_read(tmp_path: Path) -> None:
    """Of the try that came last all of them, of those before the parts that it went on from; earlier tries first."""
    claim = Claim(try_id="11111111", task="t", number=3, earlier=(("ffffffff", 1), ("00000000", 2)))
    (tmp_path / "sync.try.json").write_bytes(claim.as_json())
    write(tmp_path, "sync-ffffffff-00001.jsonl", [outcome(1)])
    write(tmp_path, "sync-ffffffff-00002.jsonl", [outcome(90)])
    write(tmp_path, "sync-ffffffff-unsettled.jsonl", [outcome(91)])
    write(tmp_path, "sync-00000000-00002.jsonl", [outcome(3)])
    write(tmp_path, "sync-00000000-00001.jsonl", [outcome(2)])
    write(tmp_path, "sync-11111111-unsettled.jsonl", [outcome(5, "not_sent")])
    write(tmp_path, "sync-11111111-00001.jsonl", [outcome(4)])
    write(tmp_path, "sync-22222222-00001.jsonl", [outcome(92)])
    assert rows(RejectedRows(str(tmp_path))) == [1, 2, 3, 4, 5]


def test_a_folder_whose_files_nobody_can_tell_apart_is_told(tmp_path: Path) -> None:
    """What says which files count is damaged: nothing is sent again from a guess."""
    (tmp_path / "sync.try.json").write_text("{")
    write(tmp_path, "sync-ffffffff-00001.jsonl", [outcome(1)])
    with pytest.raises(SettingsError, match=r"sync\.try\.json can't be read, which says what files of sync count"):
        rows(RejectedRows(str(tmp_path)))


@pytest.mark.parametrize(
    ("task", "is_its"), [("sync", True), ("sync-0", True), ("sync-12", True), ("sync-x", False), ("syn", False)]
)
def test_mapped_instances_belong_to_their_task(task: str, is_its: bool) -> None:
    """A number behind a task's id is a mapped instance's."""
    assert is_of_task(task, "sync") is is_its
