"""Result files: one line a row, whatever storage, whatever earlier tries left, whatever fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_hubbatch.core.model import RowOutcome, Status
from airflow_provider_hubbatch.exceptions import SettingsError
from airflow_provider_hubbatch.sync import result_files
from airflow_provider_hubbatch.sync.result_files import ResultFiles
from tests.object_store import ObjectStore

if TYPE_CHECKING:
    from collections.abc import Iterable


def outcome_of(row: int, status: Status = Status.UPDATED, **what: Any) -> RowOutcome:
    return RowOutcome(row, str(row), status, **what)


def write(files: ResultFiles, rows: Iterable[int]) -> None:
    for row in rows:
        files.add(outcome_of(row))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def rows_in(folder: Any) -> list[int]:
    """The rows of all lines, in order."""
    lines = [line for path in folder.iterdir() for line in path.read_text().splitlines()]
    return sorted(json.loads(line)["row"] for line in lines)


@pytest.fixture(params=["path", "file://", "memory://"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder that isn't there yet, on each storage."""
    if request.param == "memory://":
        attach("memory", fs=MemoryFileSystem())  # as a provider of a storage does
        return f"memory://{tmp_path.name}/results"
    return f"{request.param if '://' in request.param else ''}{tmp_path / 'new' / 'results'}"


def test_every_outcome_is_a_line(folder: str) -> None:
    """Parts are numbered, what a retry will send again stands in a file of its own, rejected rows have their values."""
    files = ResultFiles(folder, "task")
    files.start()
    write(files, range(3))
    assert files.close_part() == 1
    assert files.close_part() == 1
    files.add(outcome_of(3, Status.REJECTED, category="CODE", values={"a": 1}))
    files.add(outcome_of(4, Status.NOT_SENT))
    files.add(outcome_of(5, Status.UNKNOWN, values={"a": 2}))
    files.add(outcome_of(6, Status.UNKNOWN, category="NO_ANSWER"))
    files.close()
    where = ObjectStoragePath(folder)
    texts = {path.name: path.read_text() for path in where.iterdir()}
    assert sorted(texts) == ["task-00001.jsonl", "task-00002.jsonl", "task-unsettled.jsonl"]
    assert [json.loads(line)["row"] for line in texts["task-00002.jsonl"].splitlines()] == [3, 6]
    assert json.loads(texts["task-00002.jsonl"].splitlines()[0]) == {
        "row": 3,
        "id": "3",
        "status": "rejected",
        "category": "CODE",
        "values": {"a": 1},
    }
    assert [json.loads(line)["row"] for line in texts["task-unsettled.jsonl"].splitlines()] == [4, 5]
    assert rows_in(where) == list(range(7))
    assert files.error is None


def test_a_retry_goes_on_behind_the_parts_that_count(folder: str) -> None:
    """Of an earlier try stay the parts that its checkpoint knows; a later part, begun or whole, is replaced."""
    first = ResultFiles(folder, "task")
    first.start()
    write(first, range(4))
    first.close_part()
    write(first, range(4, 6))
    first.add(outcome_of(6, Status.NOT_SENT))
    first.close()
    second = ResultFiles(folder, "task", kept_parts=1)
    assert second.has_kept_parts()
    second.start()
    write(second, range(4, 9))
    second.close()
    assert rows_in(ObjectStoragePath(folder)) == list(range(9))


def test_a_new_run_removes_all_of_the_earlier_one(tmp_path: Path) -> None:
    """Also where it has fewer rows."""
    first = ResultFiles(str(tmp_path), "task")
    first.start()
    for row in range(3):
        write(first, [row])
        first.close_part()
    first.add(outcome_of(9, Status.NOT_SENT))
    first.close()
    second = ResultFiles(str(tmp_path), "task")
    second.start()
    write(second, [0])
    second.close()
    assert names(tmp_path) == ["task-00001.jsonl"]


def test_other_files_stay(tmp_path: Path) -> None:
    """Those of other tasks, of mapped ones beside it, and whatever else lies there."""
    others = ["task-1-00001.jsonl", "task-1-unsettled.jsonl", "my-task-00001.jsonl", "task.jsonl", "task-00001.json"]
    others += ["task-x-00001.jsonl", "task-old.jsonl", "notes.txt", "task--1.jsonl"]
    for name in others:
        (tmp_path / name).write_text("mine")
    (tmp_path / "task-00007.jsonl").write_text("left over")
    files = ResultFiles(str(tmp_path), "task")
    files.start()
    files.close()
    assert names(tmp_path) == sorted(others)


def test_parts_that_are_gone_are_missed(tmp_path: Path) -> None:
    """On another worker, or after a clean-up, the parts that a checkpoint counts on aren't there."""
    assert ResultFiles(str(tmp_path / "nowhere"), "task").has_kept_parts()
    assert not ResultFiles(str(tmp_path / "nowhere"), "task", kept_parts=1).has_kept_parts()
    (tmp_path / "task-00002.jsonl").write_text("")
    assert not ResultFiles(str(tmp_path), "task", kept_parts=2).has_kept_parts()


def test_a_part_is_closed_when_it_is_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits to be written stays small, checkpoint or not."""
    monkeypatch.setattr(result_files, "MAX_PART_ROWS", 10)
    files = ResultFiles(str(tmp_path), "task")
    files.start()
    write(files, range(25))
    assert names(tmp_path) == ["task-00001.jsonl", "task-00002.jsonl"]
    files.close()
    assert rows_in(tmp_path) == list(range(25))


@pytest.mark.parametrize("folder", ["{tmp}/file/results", "{tmp}/file", "/proc/self", "nosuch://bucket/results"])
def test_a_folder_that_can_not_be_written_is_a_setting(folder: str, tmp_path: Path) -> None:
    """It is found out before anything is sent, and the message names the option and the folder."""
    (tmp_path / "file").write_text("no folder")
    folder = folder.replace("{tmp}", str(tmp_path))
    with pytest.raises(SettingsError, match="results_path: ") as caught:
        ResultFiles(folder, "task").start()
    assert folder in str(caught.value)


def test_no_password_is_shown() -> None:
    """A URL's password stays out of the message."""
    with pytest.raises(SettingsError) as caught:
        ResultFiles("nosuch://user:secret@host/results", "task").start()
    assert "secret@" not in str(caught.value).split(":", 2)[1]


@pytest.mark.parametrize("fails_at", [1, 2, 3])
def test_a_full_disk_is_told_and_raises_nothing(monkeypatch: pytest.MonkeyPatch, fails_at: int) -> None:
    """Complete parts stay, nothing is written any more, and ``error`` says why: the sync has rows to account for."""
    monkeypatch.setattr(result_files, "MAX_PART_ROWS", 10)
    storage = ObjectStore.empty()
    files = ResultFiles("store://bucket/results", "task")
    files.start()
    write(files, range(4))
    assert files.close_part() == 1
    puts = 0

    def full(what: str, _: str) -> None:
        nonlocal puts
        puts += what == "put"
        if puts >= fails_at:
            raise OSError(28, "No space left on device")

    storage.before = full
    write(files, range(4, 40))
    files.add(outcome_of(40, Status.NOT_SENT))
    assert files.close_part() == fails_at
    files.close()
    assert isinstance(files.error, OSError)
    assert storage.rows() == list(range(4 + 10 * (fails_at - 1)))


def test_values_that_json_has_not_are_written(tmp_path: Path) -> None:
    """A line is JSON, whatever the row held."""
    files = ResultFiles(str(tmp_path), "task")
    files.start()
    values = {"nan": float("nan"), "bytes": b"\xff", "half": "\ud800", "path": Path("x")}
    files.add(outcome_of(0, Status.REJECTED, category="C", message="m", values=values))
    files.close()
    (line,) = (tmp_path / "task-00001.jsonl").read_text().splitlines()
    assert json.loads(line)["values"]["nan"] is None
