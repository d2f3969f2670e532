"""A sync that is stopped and run again with the same state: nothing lost, nothing that was confirmed sent twice."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from airflow_provider_hubbatch.exceptions import DailyQuotaError, SyncStoppedError
from airflow_provider_hubbatch.sandbox import HubSpotSandbox
from airflow_provider_hubbatch.sync import result_files
from airflow_provider_hubbatch.sync.resume import key_of
from tests.object_store import ObjectStore
from tests.resume.resuming import (
    DictStore,
    Hanging,
    Timeout,
    after_batches,
    alarm_raises,
    lines_of,
    rows_of,
    send_alarm,
    stopped_after,
    sync,
    times_sent,
    updates,
    when,
    wrong_titles,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


ROWS = 3_000


@pytest.fixture
def hubspot(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubSpotSandbox]:
    """A HubSpot with 3,000 contacts that takes 40 ms a request."""
    with HubSpotSandbox(records={"contacts": ROWS}, latency_ms=30, requests_per_10_seconds=10_000) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", sandbox.connection())
        yield sandbox


STORAGE = "store://bucket/results"


@pytest.fixture
def storage() -> ObjectStore:
    """A storage as S3 is, which the path ``STORAGE`` is in."""
    return ObjectStore.empty()


@pytest.fixture
def rows(hubspot: HubSpotSandbox) -> list[dict[str, Any]]:
    """A row for every contact, and 30 for contacts that don't exist, spread among them."""
    given = rows_of(hubspot.objects("contacts"))
    for number in range(30):
        given[100 * number + 7]["id"] = f"9{number:09d}"
    return given


def test_a_stopped_sync_goes_on_and_sends_nothing_twice(
    hubspot: HubSpotSandbox, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    """What was stopped goes on: each row is sent once in all, and counted once in summary, rejected and files."""
    store = DictStore()
    first = stopped_after(8, sync(rows, store, results_path=str(tmp_path)), hubspot)
    assert 0 < first.summary()["updated"] < ROWS - 30
    assert first.rows == len(lines_of(tmp_path))
    first_rejected = first.summary()["rejected"]

    second = sync(rows, store, results_path=str(tmp_path)).finish()
    summary = second.summary()
    assert (summary["rows"], summary["updated"], summary["rejected"]) == (ROWS, ROWS - 30, 30)
    assert summary["resumed_rows"] == first.summary()["updated"] + first_rejected > 0
    assert set(times_sent(updates(hubspot)).values()) == {1}
    assert wrong_titles(hubspot, rows) == []

    assert [line["row"] for line in lines_of(tmp_path)] == list(range(ROWS))
    assert sorted(outcome.row for outcome in second.rejected) == [100 * number + 7 for number in range(30)]
    assert all(outcome._asdict()["values"] == rows[outcome.row] for outcome in second.rejected)
    assert all(outcome.id == rows[outcome.row]["id"] for outcome in second.rejected)
    assert summary["requests"] == len(hubspot.requests)
    assert summary["seconds"] > first.seconds
    assert store.texts == {}


def test_three_tries_are_one_report(hubspot: HubSpotSandbox, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    """Stopped twice, the third try's report is about all rows."""
    store = DictStore()
    options = {"results_path": str(tmp_path)}
    stopped_after(8, sync(rows, store, **options), hubspot)
    second = stopped_after(8, sync(rows, store, **options), hubspot)
    third = sync(rows, store, **options).finish().summary()
    assert 0 < second.resumed_rows < third["resumed_rows"]
    assert (third["rows"], third["updated"], third["rejected"]) == (ROWS, ROWS - 30, 30)
    assert [line["row"] for line in lines_of(tmp_path)] == list(range(ROWS))
    assert set(times_sent(updates(hubspot)).values()) == {1}


@pytest.mark.parametrize("batches", [1, 8, 15])
def test_a_timeout_costs_no_rows_account(
    hubspot: HubSpotSandbox, rows: list[dict[str, Any]], tmp_path: Path, batches: int
) -> None:
    """An exception out of a signal handler, whenever it comes, ends the sync with one outcome for every row read."""
    store = DictStore()
    run = sync(rows, store, results_path=str(tmp_path))
    with alarm_raises(), after_batches(batches, hubspot, send_alarm), pytest.raises(Timeout):
        run.finish()
    lines = lines_of(tmp_path)
    assert len(lines) == len({line["row"] for line in lines}) == run.report.rows > 0
    again = sync(rows, store, results_path=str(tmp_path)).finish().summary()
    assert (again["updated"], again["rejected"]) == (ROWS - 30, 30)
    assert again["resumed_rows"] > 0
    assert set(times_sent(updates(hubspot)).values()) == {1}
    assert [line["row"] for line in lines_of(tmp_path)] == list(range(ROWS))


@pytest.mark.parametrize("how", ["stop", "timeout"])
def test_a_stop_is_checkpointed_at_once(hubspot: HubSpotSandbox, rows: list[dict[str, Any]], how: str) -> None:
    """Before the replies under way are waited for: a SIGKILL that comes meanwhile costs no more than these."""
    store, in_flight = DictStore(), []

    def note(method: str) -> None:
        if method == "set":
            in_flight.append(hubspot.statistics["in_flight"])

    store.before = note
    run = sync(rows, store)
    hubspot.faults.add("hang", path="/batch/update", skip=6, count=None, seconds=1.5)
    hanging = hubspot.faults.pending[0]
    act = run.stop if how == "stop" else send_alarm
    with (
        alarm_raises(),
        when(lambda: hanging.hits >= 2, act),
        pytest.raises(SyncStoppedError if how == "stop" else Timeout),
    ):
        run.finish()
    assert in_flight == [2, 0]
    assert run.report.summary()["updated"] > 600


def test_a_timeout_ends_a_read_that_blocks(hubspot: HubSpotSandbox, rows: list[dict[str, Any]]) -> None:
    """A source that hangs doesn't hold the timeout up, and what was read before has its outcome."""
    woken = []

    class Slow:
        def __iter__(self) -> Iterator[dict[str, Any]]:
            yield from rows[:1_000]
            threading.Timer(0.2, send_alarm).start()
            time.sleep(60)
            woken.append(True)

    with alarm_raises(), pytest.raises(Timeout):
        sync(Slow(), DictStore()).finish()
    assert woken == []


def test_a_consumer_that_raises_leaves_a_checkpoint(hubspot: HubSpotSandbox, rows: list[dict[str, Any]]) -> None:
    """Who iterates and raises in the middle can go on: only what it wasn't given yet, or was in flight, comes again."""
    store = DictStore()
    run = iter(sync(rows, store))
    given = []
    for outcome in run:
        given.append(outcome.row)
        if len(given) == 1_050:
            break
    run.close()  # type: ignore[attr-defined]
    time.sleep(0.2)
    before = len(updates(hubspot))
    summary = sync(rows, store).finish().summary()
    assert summary["resumed_rows"] == 1_050
    assert (summary["updated"], summary["rejected"]) == (ROWS - 30, 30)
    again = times_sent(updates(hubspot)[before:])
    assert not set(given) & set(again)
    assert len([row for row, times in times_sent(updates(hubspot)).items() if times > 1]) <= (2 + 2) * 100


def resume_with(rows: Any, store: DictStore, caplog: pytest.LogCaptureFixture, **options: Any) -> dict[str, Any]:
    with caplog.at_level(logging.INFO, logger="airflow_provider_hubbatch"):
        return sync(rows, store, **options).finish().summary()


def test_other_rows_start_over(
    hubspot: HubSpotSandbox, rows: list[dict[str, Any]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A value changed upstream between the tries: all rows are sent again, and the log says why."""
    store = DictStore()
    stopped_after(8, sync(rows, store, results_path=str(tmp_path)), hubspot)
    changed = [{**row, "jobtitle": f"New {row['jobtitle']}"} if number == 3 else row for number, row in enumerate(rows)]
    summary = resume_with(changed, store, caplog, results_path=str(tmp_path))
    assert "Starting over: the rows are not those of the try that left a checkpoint" in caplog.text
    assert summary["resumed_rows"] == 0
    assert (summary["updated"], summary["rejected"]) == (ROWS - 30, 30)
    assert wrong_titles(hubspot, changed) == []
    assert [line["row"] for line in lines_of(tmp_path)] == list(range(ROWS))


def test_fewer_rows_start_over(
    hubspot: HubSpotSandbox, rows: list[dict[str, Any]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Rows gone upstream: the new ones are all sent, and no line of the old ones is left."""
    store = DictStore()
    stopped_after(8, sync(rows, store, results_path=str(tmp_path)), hubspot)
    summary = resume_with(rows[:50], store, caplog, results_path=str(tmp_path))
    assert "Starting over: the rows are not" in caplog.text
    assert (summary["rows"], summary["updated"], summary["rejected"], summary["resumed_rows"]) == (50, 49, 1, 0)
    assert [line["row"] for line in lines_of(tmp_path)] == list(range(50))
    stopped_after(8, sync(rows, store, results_path=str(tmp_path)), hubspot)
    assert resume_with([], store, caplog, results_path=str(tmp_path))["rows"] == 0
    assert lines_of(tmp_path) == []
    assert store.texts == {}


def test_more_rows_at_the_end_go_on(hubspot: HubSpotSandbox, rows: list[dict[str, Any]]) -> None:
    """Rows that came since, behind those that were read: the sync goes on with them."""
    store = DictStore()
    first = stopped_after(8, sync(rows[:2_000], store), hubspot)
    summary = sync(rows, store).finish().summary()
    assert summary["resumed_rows"] == first.summary()["updated"] + first.summary()["rejected"] > 0
    assert summary["rows"] == ROWS
    assert set(times_sent(updates(hubspot)).values()) == {1}


def test_other_settings_start_over(
    hubspot: HubSpotSandbox, rows: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    """A setting that the outcomes depend on, changed between the tries, starts the sync over."""
    store = DictStore()
    stopped_after(8, sync(rows, store), hubspot)
    summary = resume_with(rows, store, caplog, missing_ok=True)
    assert "Starting over: the settings have changed" in caplog.text
    assert (summary["updated"], summary["missing"], summary["resumed_rows"]) == (ROWS - 30, 30, 0)


@pytest.mark.parametrize("pace", [{"max_in_flight": 8}, {"requests_per_10_seconds": 100}, {"max_rejected": 50}])
def test_another_pace_goes_on(hubspot: HubSpotSandbox, rows: list[dict[str, Any]], pace: dict[str, Any]) -> None:
    """Settings that no row's outcome depends on may change between the tries."""
    store = DictStore()
    stopped_after(8, sync(rows, store), hubspot)
    assert sync(rows, store, **pace).finish().resumed_rows > 0


@pytest.mark.parametrize(
    "damage", [[], "text", {}, {"version": 1}, {"version": 99}, {"settled": "x"}, {"counts": {"updated": 1}}], ids=str
)
def test_a_damaged_checkpoint_starts_over(
    hubspot: HubSpotSandbox, rows: list[dict[str, Any]], caplog: pytest.LogCaptureFixture, damage: Any
) -> None:
    """A checkpoint that can't be read, or of another version, is forgotten, and the log says so."""
    store = DictStore()
    stopped_after(5, sync(rows[:1_500], store), hubspot)
    store.set(
        key_of("update"), {**store.get(key_of("update")), **damage} if isinstance(damage, dict) and damage else damage
    )
    summary = resume_with(rows[:1_500], store, caplog)
    assert "Starting over: the checkpoint of an earlier try can't be used" in caplog.text
    assert (summary["rows"], summary["resumed_rows"]) == (1_500, 0)
    assert store.texts == {}


def test_a_checkpoint_that_is_not_used_is_gone_at_once(hubspot: HubSpotSandbox, rows: list[dict[str, Any]]) -> None:
    """Rows A, stopped; rows B, killed before a first checkpoint; rows A again: what B wrote is written over."""
    store = DictStore()
    stopped_after(8, sync(rows, store), hubspot)
    other = rows_of([row["id"] for row in rows], title="Other")
    killed = sync(other, store)
    killed._recorder._save_checkpoint = lambda: None  # type: ignore[method-assign]  # as a SIGKILL
    stopped_after(8, killed, hubspot)
    assert sync(rows, store).finish().resumed_rows == 0
    assert wrong_titles(hubspot, rows) == []


def test_result_files_that_are_gone_start_over(
    hubspot: HubSpotSandbox, rows: list[dict[str, Any]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A retry on a worker that hasn't the first try's files writes them all again: one line a row, always."""
    store = DictStore()
    stopped_after(8, sync(rows, store, results_path=str(tmp_path)), hubspot)
    for file in tmp_path.iterdir():
        file.unlink()
    summary = resume_with(rows, store, caplog, results_path=str(tmp_path))
    assert "Starting over: the result files" in caplog.text
    assert summary["resumed_rows"] == 0
    assert [line["row"] for line in lines_of(tmp_path)] == list(range(ROWS))


@pytest.mark.parametrize("broken", ["get", "set", "delete"])
def test_a_store_that_fails_costs_no_rows(
    hubspot: HubSpotSandbox, rows: list[dict[str, Any]], caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    """Without its store a sync runs, and says what that costs."""
    store = DictStore(broken)
    stopped_after(8, sync(rows, store), hubspot)
    summary = resume_with(rows, store, caplog)
    assert (summary["updated"], summary["rejected"]) == (ROWS - 30, 30)
    assert "RuntimeError" in caplog.text
    assert bool(summary["resumed_rows"]) == (broken == "delete")


def test_rows_that_can_be_read_once_start_over(hubspot: HubSpotSandbox, rows: list[dict[str, Any]]) -> None:
    """A generator can't be compared with what an earlier try read: no checkpoint is kept."""
    store = DictStore()
    stopped_after(8, sync((row for row in rows), store), hubspot)
    assert store.texts == {}
    assert sync((row for row in rows), store).finish().summary()["updated"] == ROWS - 30


def test_a_frame_goes_on(hubspot: HubSpotSandbox, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    """A DataFrame resumes as a list does, and its rejected rows come with their values."""
    store, frame = DictStore(), pd.DataFrame(rows)
    stopped_after(8, sync(frame, store, results_path=str(tmp_path)), hubspot)
    report = sync(frame, store, results_path=str(tmp_path)).finish()
    assert report.resumed_rows > 0
    assert (report.summary()["updated"], report.summary()["rejected"]) == (ROWS - 30, 30)
    assert all(outcome._asdict()["values"] == rows[outcome.row] for outcome in report.rejected)
    assert set(times_sent(updates(hubspot)).values()) == {1}


def test_emails_go_on(hubspot: HubSpotSandbox) -> None:
    """By email, with the lookup that it takes: a resumed sync updates each contact once."""
    contacts = hubspot.objects("contacts")
    rows = [
        {"email": contact["properties"]["email"], "jobtitle": f"Title {number}"}
        for number, contact in enumerate(contacts.values())
    ]
    rows[5]["email"] = "nobody@example.com"
    options = {"id_column": "email", "id_property": "email", "skip_unchanged": "hubspot"}
    store = DictStore()
    first = stopped_after(8, sync(rows, store, **options), hubspot)
    assert 0 < first.summary()["updated"] < ROWS - 1
    summary = sync(rows, store, **options).finish().summary()
    assert summary["resumed_rows"] > 0
    assert (summary["rows"], summary["updated"], summary["rejected"]) == (ROWS, ROWS - 1, 1)
    assert set(times_sent(updates(hubspot)).values()) == {1}
    again = sync(rows, DictStore(), **options).finish().summary()
    assert (again["unchanged"], again["updated"]) == (ROWS - 1, 0)


def test_unchanged_rows_go_on(hubspot: HubSpotSandbox, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    """With a file of fingerprints, a stopped and resumed sync remembers what both tries wrote."""
    options = {"skip_unchanged": str(tmp_path / "state"), "missing_ok": True}
    store = DictStore()
    stopped_after(8, sync(rows, store, **options), hubspot)
    summary = sync(rows, store, **options).finish().summary()
    assert summary["resumed_rows"] > 0
    assert (summary["updated"] + summary["unchanged"], summary["missing"]) == (ROWS - 30, 30)
    again = sync(rows, DictStore(), **options).finish().summary()
    assert (again["unchanged"], again["updated"], again["missing"]) == (ROWS - 30, 0, 30)


def test_two_rows_of_a_record_keep_their_order(hubspot: HubSpotSandbox) -> None:
    """Rows of one record, stopped anywhere and resumed, take effect in input order."""
    ids = list(hubspot.objects("contacts"))[:1_000]
    rows = rows_of(ids * 3)
    store = DictStore()
    stopped_after(8, sync(rows, store), hubspot)
    stopped_after(8, sync(rows, store), hubspot)
    summary = sync(rows, store).finish().summary()
    assert summary["updated"] == len(rows)
    assert wrong_titles(hubspot, rows) == []


def test_a_full_disk_stops_the_sync_and_loses_no_account(
    hubspot: HubSpotSandbox, rows: list[dict[str, Any]], storage: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Result files that can't be written in the middle: the sync stops, says so, and a retry completes them."""

    def full(what: str, _: str) -> None:
        if what == "put":
            raise OSError(28, "No space left on device")

    store = DictStore()
    stopped_after(8, sync(rows, store, results_path=STORAGE), hubspot)
    monkeypatch.setattr(result_files, "MAX_PART_ROWS", 100)
    run = sync(rows, store, results_path=STORAGE)
    with (
        after_batches(2, hubspot, lambda: setattr(storage, "before", full)),
        pytest.raises(SyncStoppedError, match=r"the result files can't be written .*No space left.*a retry goes"),
    ):
        run.finish()
    assert run.report.rows <= ROWS
    storage.before = lambda *_: None
    summary = sync(rows, store, results_path=STORAGE).finish().summary()
    assert (summary["updated"], summary["rejected"]) == (ROWS - 30, 30)
    assert storage.rows() == list(range(ROWS))


@pytest.mark.parametrize("batches", [0, 5])
def test_a_timeout_passes_a_storage_that_hangs(
    hubspot: HubSpotSandbox, rows: list[dict[str, Any]], storage: ObjectStore, batches: int
) -> None:
    """From the start, or on the way: every row has its outcome all the same, and the next try writes the files."""
    store = DictStore()
    run = sync(rows, store, results_path=STORAGE)
    if not batches:
        storage.before = Hanging("put")
    with (
        after_batches(batches, hubspot, lambda: setattr(storage, "before", Hanging("put"))),
        alarm_raises(),
        pytest.raises(Timeout),
    ):
        run.finish()
    assert run.report.rows == (ROWS if batches else 0)
    storage.before = lambda *_: None
    summary = sync(rows, store, results_path=STORAGE).finish().summary()
    assert (summary["updated"], summary["rejected"]) == (ROWS - 30, 30)
    assert storage.rows() == list(range(ROWS))


@pytest.mark.parametrize("what", ["get", "set", "delete"])
def test_a_timeout_passes_a_state_store_that_hangs(
    hubspot: HubSpotSandbox, rows: list[dict[str, Any]], what: str
) -> None:
    """Airflow's API is gone: the timeout ends the task, and the next try has the checkpoint that was there."""
    store = DictStore()
    first = stopped_after(8, sync(rows, store), hubspot)
    before = dict(store.texts)
    store.before = Hanging(what)
    run = sync(rows, store)
    with (
        after_batches(4, hubspot, run.stop) if what == "set" else nullcontext(),
        alarm_raises(),
        pytest.raises(Timeout),
    ):
        run.finish()
    assert store.texts == before
    store.before = lambda *_: None
    summary = sync(rows, store).finish().summary()
    assert (summary["updated"], summary["rejected"]) == (ROWS - 30, 30)
    assert summary["resumed_rows"] == first.summary()["updated"] + first.summary()["rejected"]


def test_a_timeout_at_the_very_end_is_raised_and_keeps_what_was_done(
    hubspot: HubSpotSandbox, rows: list[dict[str, Any]], storage: ObjectStore
) -> None:
    """It came while the last file was written: the task fails by it, and its retry has nothing left to send."""

    def alarm(what: str, _: str) -> None:
        if what == "put" and not sent:
            sent.append(True)
            send_alarm()

    sent: list[bool] = []
    store = DictStore()
    run = sync(rows, store, results_path=STORAGE)
    with after_batches(25, hubspot, lambda: setattr(storage, "before", alarm)), alarm_raises(), pytest.raises(Timeout):
        run.finish()
    assert run.report.rows == ROWS
    count = len(updates(hubspot))
    summary = sync(rows, store, results_path=STORAGE).finish().summary()
    assert summary["resumed_rows"] == ROWS == summary["rows"]
    assert len(updates(hubspot)) == count
    assert storage.rows() == list(range(ROWS))


def test_the_quota_stops_before_the_reserve(
    hubspot: HubSpotSandbox, rows: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    """Down to the reserve, the sync ends with the time to come back; after it, it goes on where it was."""
    store = DictStore()
    hubspot.spend_daily_quota(leave=20, resets_in_seconds=3)
    with pytest.raises(DailyQuotaError, match=r"\(5 of 250,000 are left; .*=3 keeps .*resets at") as caught:
        sync(rows, store, daily_quota_reserve=3).finish()
    assert 3 <= hubspot.state()["daily_remaining"] <= 4  # asking for the reset costs a call, or two
    assert caught.value.retry_after_seconds == pytest.approx(3, abs=2)
    time.sleep(max(caught.value.retry_after_seconds or 0, 0) + 0.2)
    summary = sync(rows, store, daily_quota_reserve=3).finish().summary()
    assert (summary["updated"], summary["rejected"]) == (ROWS - 30, 30)
    assert summary["resumed_rows"] > 0
    assert set(times_sent(updates(hubspot)).values()) == {1}


@pytest.mark.parametrize("in_flight", [1, 16])
def test_a_share_of_the_quota_is_left(hubspot: HubSpotSandbox, rows: list[dict[str, Any]], in_flight: int) -> None:
    """A reserve as a share of the account's limit is kept too, whatever is under way."""
    hubspot.set_limits(requests_per_10_seconds=1_000, daily_limit=40)
    with pytest.raises(DailyQuotaError):
        sync(rows, DictStore(), daily_quota_reserve=0.5, max_in_flight=in_flight).finish()
    assert hubspot.state()["daily_remaining"] >= 20
    assert hubspot.state()["daily_remaining"] <= 22
