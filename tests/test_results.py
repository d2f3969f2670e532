"""Result files: one line a row, whatever storage, whatever earlier tries left, whatever fails or others write."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_hubbatch.core.model import RowOutcome, Status
from airflow_provider_hubbatch.exceptions import SettingsError, SyncStoppedError
from airflow_provider_hubbatch.reports import result_files as result_files_of
from airflow_provider_hubbatch.sync import result_files
from airflow_provider_hubbatch.sync.result_files import ResultFiles
from airflow_provider_hubbatch.sync.tries import TaskTry
from tests.object_store import ObjectStore

if TYPE_CHECKING:
    from collections.abc import Iterable

TASK = "a_dag a_run task -1"


def a_try(number: int = 1, task: str = TASK, *, hours: float | None = None) -> TaskTry:
    """A task's try, an hour after the one before."""
    return TaskTry(task, number, started_at=1.7e9 + 3_600 * (number if hours is None else hours))


def outcome_of(row: int, status: Status = Status.UPDATED, **what: Any) -> RowOutcome:
    return RowOutcome(row, str(row), status, **what)


def write(files: ResultFiles, rows: Iterable[int]) -> None:
    for row in rows:
        files.add(outcome_of(row))


def started(folder: Any, this_try: TaskTry | None = None, **how: Any) -> ResultFiles:
    files = ResultFiles(str(folder), "task", this_try or a_try(), **how)
    files.start()
    return files


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def lines_in(folder: Any) -> list[dict[str, Any]]:
    """All lines of all files, as a reader of every ``*.jsonl`` sees them."""
    where = ObjectStoragePath(str(folder))
    paths = [where / path.rpartition("/")[2] for path in where.fs.ls(where.path, detail=False)]
    texts = [path.read_text() for path in paths if path.name.endswith(".jsonl")]
    return [json.loads(line) for text in texts for line in text.splitlines()]


def rows_in(folder: Any) -> list[int]:
    """The rows of all lines, in order."""
    return sorted(line["row"] for line in lines_in(folder))


@pytest.fixture(params=["path", "file://", "memory://", "store://"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder that isn't there yet, on each storage."""
    if request.param == "memory://":
        attach("memory", fs=MemoryFileSystem())  # as a provider of a storage does
        return f"memory://{tmp_path.name}/results"
    if request.param == "store://":
        ObjectStore.empty()
        return "store://bucket/results"
    return f"{request.param if '://' in request.param else ''}{tmp_path / 'new' / 'results'}"


def test_every_outcome_is_a_line(folder: str) -> None:
    """Parts are numbered, what a retry will send again stands in a file of its own, rejected rows have their values."""
    this_try = a_try()
    files = started(folder, this_try)
    write(files, range(3))
    assert files.close_part() == ((this_try.id, 1),)
    assert files.close_part() == ((this_try.id, 1),)
    files.add(outcome_of(3, Status.REJECTED, category="CODE", values={"a": 1}))
    files.add(outcome_of(4, Status.NOT_SENT))
    files.add(outcome_of(5, Status.UNKNOWN, values={"a": 2}, cut_off=True))
    files.add(outcome_of(6, Status.UNKNOWN, category="NO_ANSWER"))
    files.close()
    where = ObjectStoragePath(folder)
    texts = {path.rpartition("/")[2]: where.fs.cat(path).decode() for path in where.fs.ls(where.path, detail=False)}
    first, second, unsettled = (f"task-{this_try.id}-{part}.jsonl" for part in ("00001", "00002", "unsettled"))
    assert sorted(texts) == sorted([first, second, unsettled, "task.try.json"])
    assert [json.loads(line)["row"] for line in texts[second].splitlines()] == [3, 6]
    assert json.loads(texts[second].splitlines()[0]) == {
        "row": 3,
        "id": "3",
        "status": "rejected",
        "category": "CODE",
        "values": {"a": 1},
    }
    assert [json.loads(line)["row"] for line in texts[unsettled].splitlines()] == [4, 5]
    assert rows_in(folder) == list(range(7))
    assert files.error is None


def test_a_retry_goes_on_behind_the_parts_that_count(folder: str) -> None:
    """Of earlier tries stay the parts that the checkpoint knows; a later part, begun or whole, is removed."""
    first = started(folder)
    write(first, range(4))
    parts = first.close_part()
    write(first, range(4, 6))
    first.add(outcome_of(6, Status.NOT_SENT))
    first.close()
    second = ResultFiles(folder, "task", a_try(2), earlier=parts)
    assert second.has_kept_parts()
    second.start()
    write(second, range(4, 8))
    parts = second.close_part()
    write(second, range(8, 11))
    second.close()
    assert rows_in(folder) == list(range(11))
    third = started(folder, a_try(3), earlier=parts)
    write(third, range(8, 12))
    third.close()
    assert rows_in(folder) == list(range(12))


def test_a_new_run_removes_all_of_the_earlier_one(folder: str) -> None:
    """Also where it has fewer rows."""
    first = started(folder, a_try(task="an earlier run"))
    for row in range(3):
        write(first, [row])
        first.close_part()
    first.add(outcome_of(9, Status.NOT_SENT))
    first.close()
    second = started(folder)
    write(second, [0])
    second.close()
    assert rows_in(folder) == [0]


# --- what isn't ours -----------------------------------------------------------------------------------------------


def test_other_files_stay(tmp_path: Path) -> None:
    """Those of other tasks, of mapped ones beside it, and whatever else lies there."""
    others = ["task-1-0a1b2c3d-00001.jsonl", "task-1.try.json", "my-task-0a1b2c3d-00001.jsonl", "task.jsonl"]
    others += ["task-0a1b2c3d-00001.json", "task-0a1b2c3d-1.jsonl", "task-old.jsonl", "notes.txt", "task-00001.jsonl"]
    others += ["task-0A1B2C3D-00001.jsonl", "task-0a1b2c3d4-00001.jsonl", "xtask-0a1b2c3d-00001.jsonl"]
    for name in others:
        (tmp_path / name).write_text("mine")
    (tmp_path / "task-0a1b2c3d-00007.jsonl").write_text('{"row":1,"id":1,"status":"updated"}\n')
    (tmp_path / "task-0a1b2c3d-unsettled.jsonl").write_text("")
    started(tmp_path).close()
    assert names(tmp_path) == sorted([*others, "task.try.json"])


FOREIGN = ["mine\n", '{"id": 1}\n', '{"row": 1}\n', "[]\n", '{"rows":', "\n", "\x00" * 100, "x" * 1_000_000]


@pytest.mark.parametrize("content", FOREIGN, ids=lambda content: repr(content[:10]))
@pytest.mark.parametrize("name", ["task-0a1b2c3d-00001.jsonl", "task-0a1b2c3d-unsettled.jsonl", "task.try.json"])
def test_a_file_that_is_not_ours_is_never_removed(tmp_path: Path, name: str, content: str) -> None:
    """Called as ours, and with something else in it: the sync stops before it writes, and names the path."""
    (tmp_path / name).write_text(content)
    other = tmp_path / "task-00000000-00001.jsonl"
    other.write_text('{"row":1,"id":1,"status":"updated"}\n')
    with pytest.raises(SettingsError, match=f"results_path: .*{name} has no outcomes of this package"):
        started(tmp_path)
    assert (tmp_path / name).read_text() == content
    assert names(tmp_path) == sorted([name, other.name])


@pytest.mark.parametrize("content", ["", "{", '{"row":12,"id"', '{"row":1,"id":1,"status":"updated"}\n{"row":'])
def test_what_a_killed_try_left_is_removed(tmp_path: Path, content: str) -> None:
    """Empty, or broken off anywhere."""
    (tmp_path / "task-0a1b2c3d-00001.jsonl").write_text(content)
    started(tmp_path).close()
    assert names(tmp_path) == ["task.try.json"]


def test_only_their_owner_may_read_them(tmp_path: Path) -> None:
    """On a local disk, whatever the umask says: rejected rows stand in them."""
    before = os.umask(0o000)
    try:
        files = started(tmp_path)
        write(files, range(3))
        files.add(outcome_of(3, Status.NOT_SENT))
        files.close()
        assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == [0o600] * 3
    finally:
        os.umask(before)


# --- tries side by side --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("resumed", [True, False])
@pytest.mark.parametrize("order", ["during", "after"])
def test_a_try_that_was_given_up_can_not_spoil_the_next_one(folder: str, resumed: bool, order: str) -> None:
    """A frozen worker goes on beside the task's next try, or after it: one line a row stays."""
    old_try, new_try = a_try(1), a_try(2)
    old = started(folder, old_try)
    write(old, range(3))
    parts = old.close_part()
    write(old, range(3, 5))
    new = started(folder, new_try, earlier=parts if resumed else ())
    write(new, range(3 if resumed else 0, 6))
    new.close_part()
    if order == "after":
        write(new, range(6, 9))
        new.close()
    write(old, range(5, 9))
    old.close_part()
    write(old, range(9, 12))
    old.add(outcome_of(12, Status.NOT_SENT))
    old.close()
    if order == "during":
        write(new, range(6, 9))
        new.close()
    assert rows_in(folder) == list(range(9))
    assert old_try.superseded
    assert isinstance(old.error, SyncStoppedError)
    assert (new.error, new_try.superseded) == (None, False)


def test_a_try_that_was_given_up_takes_its_own_files_away(folder: str) -> None:
    """Those that the next one doesn't count."""
    old = started(folder, a_try(1))
    write(old, range(3))
    parts = old.close_part()
    new = started(folder, a_try(2), earlier=parts)
    write(old, range(3, 9))
    old.give_way()
    assert rows_in(folder) == [0, 1, 2]
    new.close()


def test_a_try_that_comes_late_leaves_the_files_alone(folder: str) -> None:
    """It was given up before it had begun to write; its successor has ended meanwhile."""
    new = started(folder, a_try(2))
    write(new, range(3))
    new.close()
    late = a_try(1)
    with pytest.raises(SyncStoppedError, match="given up"):
        started(folder, late)
    assert late.superseded
    assert rows_in(folder) == [0, 1, 2]


def test_a_run_that_was_deleted_and_made_again_takes_its_folder_over(folder: str) -> None:
    """Its tries are counted from 1 again: it is no late try of the run before."""
    before = started(folder, a_try(3, hours=3))
    write(before, range(5))
    before.close()
    again = started(folder, a_try(1, hours=24))
    write(again, range(2))
    again.close()
    assert rows_in(folder) == [0, 1]


def test_workers_whose_clocks_differ_are_told_by_the_number(folder: str) -> None:
    """A retry that seems to have started before the try that it follows is a retry all the same."""
    before = started(folder, a_try(1, hours=1.001))
    write(before, range(5))
    before.close()
    retry = started(folder, a_try(2, hours=1.0))
    write(retry, range(5))
    retry.close()
    assert rows_in(folder) == list(range(5))


def test_what_was_written_in_between_is_swept_up(tmp_path: Path) -> None:
    """By a try that never noticed that it was given up: the next one's end removes it, but nothing that isn't ours."""
    files = started(tmp_path)
    write(files, range(3))
    (tmp_path / "task-0a1b2c3d-00009.jsonl").write_text('{"row":1,"id":1,"status":"updated"}\n')
    (tmp_path / "task-0a1b2c3d-00010.jsonl").write_text("mine")
    files.close()
    assert len(names(tmp_path)) == 3
    assert "task-0a1b2c3d-00010.jsonl" in names(tmp_path)


@pytest.mark.parametrize("task", ["another run", ""])
def test_two_runs_in_one_folder_are_told(folder: str, task: str) -> None:
    """The first one's files would be lost: it stops, and says what to do."""
    first_try = a_try(task=task)
    first = started(folder, first_try)
    write(first, range(3))
    second = started(folder)
    write(second, range(5))
    first.close()
    second.close()
    assert isinstance(first.error, SettingsError)
    assert "give each run its own folder" in str(first.error)
    assert not first_try.superseded
    assert rows_in(folder) == list(range(5))


def test_a_folder_that_was_emptied_is_told(tmp_path: Path) -> None:
    """The lines are gone: the sync can't go on as if they were there."""
    files = started(tmp_path)
    write(files, range(3))
    (tmp_path / "task.try.json").unlink()
    files.close()
    assert "was the folder emptied" in str(files.error)


# --- what fails ----------------------------------------------------------------------------------------------------


def test_parts_that_are_gone_are_missed(tmp_path: Path) -> None:
    """On another worker, or after a clean-up, the parts that a checkpoint counts on aren't there."""
    parts = (("0a1b2c3d", 2), ("4e5f6071", 1))
    assert ResultFiles(str(tmp_path / "nowhere"), "task", a_try()).has_kept_parts()
    assert not ResultFiles(str(tmp_path / "nowhere"), "task", a_try(), earlier=parts).has_kept_parts()
    for name in ("task-0a1b2c3d-00001.jsonl", "task-0a1b2c3d-00002.jsonl"):
        (tmp_path / name).write_text("")
    assert not ResultFiles(str(tmp_path), "task", a_try(), earlier=parts).has_kept_parts()
    (tmp_path / "task-4e5f6071-00001.jsonl").write_text("")
    assert ResultFiles(str(tmp_path), "task", a_try(), earlier=parts).has_kept_parts()


def test_a_part_is_closed_when_it_is_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits to be written stays small, checkpoint or not."""
    monkeypatch.setattr(result_files, "MAX_PART_ROWS", 10)
    files = started(tmp_path)
    write(files, range(25))
    assert len(names(tmp_path)) == 3
    files.close()
    assert rows_in(tmp_path) == list(range(25))


@pytest.mark.parametrize("folder", ["{tmp}/file/results", "{tmp}/file", "/proc/self", "nosuch://bucket/results"])
def test_a_folder_that_can_not_be_written_is_a_setting(folder: str, tmp_path: Path) -> None:
    """It is found out before anything is sent, and the message names the option and the folder."""
    (tmp_path / "file").write_text("no folder")
    folder = folder.replace("{tmp}", str(tmp_path))
    with pytest.raises(SettingsError, match="results_path: ") as caught:
        started(folder)
    assert folder in str(caught.value)


def test_no_password_is_shown() -> None:
    """A URL's password stays out of the message."""
    with pytest.raises(SettingsError) as caught:
        started("nosuch://user:secret@host/results")
    assert "secret@" not in str(caught.value).split(":", 2)[1]


@pytest.mark.parametrize("fails_at", [1, 2, 3])
def test_a_full_disk_is_told_and_raises_nothing(monkeypatch: pytest.MonkeyPatch, fails_at: int) -> None:
    """Complete parts stay, nothing is written any more, and ``error`` says why: the sync has rows to account for."""
    monkeypatch.setattr(result_files, "MAX_PART_ROWS", 10)
    storage = ObjectStore.empty()
    this_try = a_try()
    files = started("store://bucket/results", this_try)
    write(files, range(4))
    assert files.close_part() == ((this_try.id, 1),)
    puts = 0

    def full(what: str, _: str) -> None:
        nonlocal puts
        puts += what == "put"
        if puts >= fails_at:
            raise OSError(28, "No space left on device")

    storage.before = full
    write(files, range(4, 40))
    files.add(outcome_of(40, Status.NOT_SENT))
    assert files.close_part() == ((this_try.id, fails_at),)
    files.close()
    assert isinstance(files.error, OSError)
    assert storage.rows() == list(range(4 + 10 * (fails_at - 1)))


def test_values_that_json_has_not_are_written(tmp_path: Path) -> None:
    """A line is JSON, whatever the row held."""
    files = started(tmp_path)
    values = {"nan": float("nan"), "bytes": b"\xff", "half": "\ud800", "path": Path("x")}
    files.add(outcome_of(0, Status.REJECTED, category="C", message="m", values=values))
    files.close()
    (line,) = lines_in(tmp_path)
    assert line["values"]["nan"] is None


# --- reading them --------------------------------------------------------------------------------------------------


def rows_that_count(folder: Any, task_id: str | None = None) -> list[int]:
    lines = [line for path in result_files_of(folder, task_id) for line in path.read_text().splitlines()]
    return sorted(json.loads(line)["row"] for line in lines)


def test_a_reader_is_given_the_files_that_count(folder: str) -> None:
    """Of the last try all, of those before what it went on from; not what a try that was given up wrote later."""
    first = started(folder)
    write(first, range(4))
    parts = first.close_part()
    second = started(folder, a_try(2), earlier=parts)
    write(second, range(4, 7))
    second.add(outcome_of(7, Status.NOT_SENT))
    second.close()
    stray = ObjectStoragePath(folder) / "task-0a1b2c3d-00009.jsonl"
    stray.write_text('{"row":1,"id":1,"status":"updated"}\n')
    assert rows_in(folder) == sorted([*range(8), 1])
    assert rows_that_count(folder) == list(range(8))


def test_a_reader_may_ask_for_one_task(tmp_path: Path) -> None:
    """With its mapped instances, and without tasks whose names begin as its does."""
    for row, name in enumerate(["task", "task-0", "task-11", "task-x", "other"]):
        files = ResultFiles(str(tmp_path), name, a_try())
        files.start()
        write(files, [row])
        files.close()
    assert rows_that_count(tmp_path) == [0, 1, 2, 3, 4]
    assert rows_that_count(tmp_path, "task") == [0, 1, 2]
    assert rows_that_count(tmp_path, "other") == [4]
    assert rows_that_count(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"format":"airflow-provider-hubbatch results 9"}', "x" * 1_000_000]
)
def test_a_reader_is_told_of_what_it_can_not_read(tmp_path: Path, content: str) -> None:
    """Nothing is left out in silence."""
    (tmp_path / "task.try.json").write_text(content)
    (tmp_path / "task-0a1b2c3d-00001.jsonl").write_text("")
    with pytest.raises(SettingsError, match=r"task\.try\.json can't be read"):
        result_files_of(tmp_path)
