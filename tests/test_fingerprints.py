"""``skip_unchanged`` with a path: rows that the last sync wrote are left out, and no other row ever is."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_hubbatch.core.model import Input, RowOutcome, Status
from airflow_provider_hubbatch.core.values import order_key
from airflow_provider_hubbatch.exceptions import SettingsError, SyncFailedError
from airflow_provider_hubbatch.hooks import HubSpotHook
from airflow_provider_hubbatch.sync.fingerprints import BYTES_A_RECORD, Fingerprints

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_hubbatch.sandbox import HubSpotSandbox

pytestmark = pytest.mark.slow

OWNER = {"portal": 1, "object_type": "contacts", "id_property": None}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state" / "contacts.fingerprints"


def contacts(count: int = 200, city: str = "Zürich") -> list[dict[str, Any]]:
    return [{"id": n, "city": city, "firstname": f"name {n}"} for n in range(1, count + 1)]


def sync(rows: Any, state: Path, **options: Any) -> Any:
    return HubSpotHook().batch_update("contacts", rows, skip_unchanged=str(state), **options)


def updates(sandbox: HubSpotSandbox) -> list[Any]:
    """The batches that were sent since the last look."""
    found = [request for request in sandbox.requests if request.path.endswith("/batch/update")]
    sandbox.forget_requests()
    return found


def counts(report: Any) -> dict[str, int]:
    return {status.value: count for status, count in report.counts.items() if count}


# --- whole syncs ---------------------------------------------------------------------------------------------------


def test_second_sync_of_unchanged_rows_asks_for_definitions_and_account_only(
    sandbox: HubSpotSandbox, state: Path
) -> None:
    """The first sync sends every row; the second one none, with an outcome for each, and leaves the file alone."""
    first = sync(contacts(), state)
    assert counts(first) == {"updated": 200}
    content = state.read_bytes()
    assert len(content) <= 200 * 40
    assert len(content) - content.index(b"\n") - 1 == 200 * BYTES_A_RECORD
    updates(sandbox)

    second = sync(contacts(), state)
    assert counts(second) == {"unchanged": 200}
    assert second.requests == len(sandbox.requests) == 2
    assert {request.method for request in sandbox.requests} == {"GET"}
    assert state.read_bytes() == content
    assert {outcome.record_id for outcome in second.outcomes} == {str(n) for n in range(1, 201)}
    assert [path.name for path in state.parent.iterdir()] == [state.name]


def test_changed_rows_alone_are_sent(sandbox: HubSpotSandbox, state: Path) -> None:
    """Of many rows, those that differ from the last sync are sent, new ones too, with all of their properties."""
    sync(contacts(150), state)
    updates(sandbox)
    rows = contacts(160)
    rows[7]["city"] = "Wien"
    assert counts(sync(rows, state)) == {"updated": 11, "unchanged": 149}
    assert counts(sync(rows, state)) == {"unchanged": 160}
    assert sandbox.objects("contacts")["8"]["properties"]["city"] == "Wien"


@pytest.mark.parametrize(
    "changed",
    [
        {"properties": ["city"]},
        {"properties": {"city": "city", "firstname": "lastname"}},
        {"null_values": "clear", "max_cleared": 1.0, "properties": ["city", "firstname", "gone"]},
    ],
    ids=["fewer", "renamed", "cleared"],
)
def test_changed_mapping_sends_every_row(sandbox: HubSpotSandbox, state: Path, changed: dict[str, Any]) -> None:
    """Another mapping makes another update of every row, and each is sent."""
    sandbox.add_property("contacts", {"name": "gone", "type": "string"})
    rows = [{**row, "gone": None} for row in contacts(120)]
    sync(rows, state, properties=["city", "firstname"])
    assert counts(sync(rows, state, **changed)) == {"updated": 120}


def test_a_cleared_value_is_sent_once(sandbox: HubSpotSandbox, state: Path) -> None:
    """With ``null_values="clear"``, a value that became null is sent, and then remembered as empty."""
    rows = contacts(3)
    sync(rows, state, null_values="clear")
    rows[1]["city"] = None
    assert counts(sync(rows, state, null_values="clear")) == {"updated": 1, "unchanged": 2}
    assert not sandbox.objects("contacts")["2"]["properties"].get("city")
    assert counts(sync(rows, state, null_values="clear")) == {"unchanged": 3}


def test_rejected_rows_are_sent_again_every_time(sandbox: HubSpotSandbox, state: Path) -> None:
    """A row that HubSpot doesn't take is tried in every sync, and one that it no longer takes is forgotten."""
    rows = contacts(150)
    rows[3]["id"] = 999_999
    for _ in range(3):
        report = sync(rows, state)
        assert report.counts[Status.REJECTED] == 1
    with pytest.raises(SyncFailedError):
        report.raise_for_rejected(0)
    sandbox.archive("contacts", "5")
    rows[4]["city"] = "Wien"
    assert counts(sync(rows, state)) == {"rejected": 2, "unchanged": 148}
    rows[4]["city"] = "Zürich"
    assert counts(sync(rows, state)) == {"rejected": 2, "unchanged": 148}, "what it had once isn't believed any more"


def test_unknown_rows_are_sent_again(sandbox: HubSpotSandbox, state: Path) -> None:
    """A row of which HubSpot never said what became is sent next time, also with the value it had before."""
    sync(contacts(2), state)
    sandbox.faults.add("empty_results", count=None, path="/batch/")
    report = sync([{**contacts(1)[0], "city": "Wien"}], state)
    assert counts(report) == {"unknown": 1}
    sandbox.faults.clear()
    assert counts(sync(contacts(2), state)) == {"updated": 1, "unchanged": 1}


def test_duplicates_are_sent_in_order(sandbox: HubSpotSandbox, state: Path) -> None:
    """Where a row changes a record, later rows of it are sent even if they equal what the last sync wrote."""
    (row,) = contacts(1)
    sync([row], state)
    changed = {**row, "city": "Wien"}
    assert counts(sync([changed, row], state)) == {"updated": 2}
    assert sandbox.objects("contacts")["1"]["properties"]["city"] == "Zürich"
    assert counts(sync([row], state)) == {"unchanged": 1}
    assert counts(sync([row, row, row], state)) == {"unchanged": 3}


def test_two_addresses_of_one_contact_are_never_remembered(sandbox: HubSpotSandbox, state: Path) -> None:
    """Rows that name one contact by two addresses change what the other wrote: both are sent, every time."""
    sandbox.set_value("contacts", "1", "email", "one@example.com")
    sandbox.set_value("contacts", "1", "hs_additional_emails", "uno@example.com")
    sandbox.set_value("contacts", "2", "email", "two@example.com")
    cities = {"one@example.com": "Wien", "uno@example.com": "Linz", "two@example.com": "Graz"}
    rows = [{"id": address, "city": city} for address, city in cities.items()]
    for expected in ({"updated": 3}, {"updated": 2, "unchanged": 1}, {"updated": 2, "unchanged": 1}):
        assert counts(sync(rows, state, id_property="email")) == expected
        assert sandbox.objects("contacts")["1"]["properties"]["city"] == "Linz"


def test_validate_only_remembers_nothing(sandbox: HubSpotSandbox, state: Path) -> None:
    """A dry sync neither makes the file nor changes it."""
    assert counts(sync(contacts(5), state, validate_only=True)) == {"not_sent": 5}
    assert not state.parent.exists()
    sync(contacts(5), state)
    content = state.read_bytes()
    assert counts(sync(contacts(6, "Wien"), state, validate_only=True)) == {"not_sent": 6}
    assert state.read_bytes() == content


def test_a_sync_that_nobody_finishes_forgets_what_it_sent(sandbox: HubSpotSandbox, state: Path) -> None:
    """Outcomes that nobody waited for aren't remembered; those that came are."""
    stream = HubSpotHook().iter_batch_update("contacts", contacts(200), skip_unchanged=str(state))
    seen = {next(stream).row for _ in range(3)}
    stream.close()  # type: ignore[attr-defined]
    report = sync(contacts(200), state)
    unchanged = {outcome.row for outcome in report.outcomes if outcome.status is Status.UNCHANGED}
    assert unchanged <= seen | set(range(200))
    assert report.counts[Status.UPDATED] >= 100


def test_a_damaged_file_costs_a_warning(sandbox: HubSpotSandbox, state: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With a file that isn't whole, every row is sent, and the file is a good one after it."""
    sync(contacts(150), state)
    state.write_bytes(state.read_bytes()[:-1])
    with caplog.at_level(logging.WARNING):
        assert counts(sync(contacts(150), state)) == {"updated": 150}
    assert "is ignored, and every row is sent" in caplog.text
    assert counts(sync(contacts(150), state)) == {"unchanged": 150}


def test_another_id_property_is_another_file(sandbox: HubSpotSandbox, state: Path) -> None:
    """Ids that are values of a property are not those that were record ids."""
    sandbox.add_property("contacts", {"name": "number", "type": "string", "hasUniqueValue": True})
    sandbox.set_value("contacts", "2", "number", "1")
    rows = contacts(1)
    sync(rows, state)
    assert counts(sync(rows, state, id_property="number")) == {"updated": 1}
    assert sandbox.objects("contacts")["2"]["properties"]["firstname"] == "name 1"


def test_a_file_that_cannot_be_written_at_the_end_costs_a_warning(
    sandbox: HubSpotSandbox, state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The rows are written and told so; only the memory of them is lost."""
    run = HubSpotHook().iter_batch_update("contacts", contacts(), skip_unchanged=str(state))
    outcomes = [next(run)]
    shutil.rmtree(state.parent)
    state.parent.write_text("a file where the folder was")
    with caplog.at_level(logging.WARNING):
        outcomes += run
    assert {outcome.status for outcome in outcomes} == {Status.UPDATED}
    assert len(outcomes) == 200
    assert "isn't remembered" in caplog.text


def test_a_path_that_cannot_be_written_fails_before_anything_is_sent(sandbox: HubSpotSandbox, tmp_path: Path) -> None:
    """A path that can't be a file's is a wrong setting."""
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "state"):
        with pytest.raises(SettingsError, match="skip_unchanged"):
            sync(contacts(), path)
    with pytest.raises(SettingsError, match="skip_unchanged"):
        HubSpotHook().batch_update("contacts", contacts(), skip_unchanged="nowhere://bucket/state")
    assert updates(sandbox) == []


# --- the file ------------------------------------------------------------------------------------------------------


def make_input(row: int, name: str, properties: dict[str, str]) -> Input:
    return Input(row, name, name, order_key(name), properties)


def write(path: Path, rows: Iterable[tuple[str, str]]) -> None:
    """One sync that writes all of these."""
    prints = Fingerprints(str(path), OWNER)
    prints.load()
    for item in prints.leave_out_unchanged([make_input(n, name, {"a": a}) for n, (name, a) in enumerate(rows)]):
        if isinstance(item, Input):
            prints.note(RowOutcome(item.row, item.id, Status.UPDATED, item.id))
    prints.save()


def sent(path: Path, rows: Iterable[tuple[str, str]]) -> set[str]:
    """The ids of the rows that a sync would send."""
    prints = Fingerprints(str(path), OWNER, writes=False)
    prints.load()
    inputs = [make_input(n, name, {"a": a}) for n, (name, a) in enumerate(rows)]
    return {item.id for item in prints.leave_out_unchanged(inputs) if isinstance(item, Input)}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: content[:-1],
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: content.replace(b'"records":2', b'"records":1'),
        lambda content: content.replace(b'"records":2', b'"records":-1'),
        lambda content: content.replace(b'"portal":1', b'"portal":2'),
        lambda content: content.replace(b'"contacts"', b'"companies"'),
        lambda content: content.replace(b"fingerprints 2", b"fingerprints 9"),
        lambda content: content + b"more",
        lambda content: content.replace(b'"records":2', b'"records":2.0'),
        lambda content: content.replace(b'"records":2', b'"records":true'),
        lambda content: content.replace(b'"records":2', b'"records":99999999999999999999'),
        lambda content: content.split(b"\n")[0].ljust(100_000),
    ],
)
def test_a_damaged_file_is_ignored(tmp_path: Path, caplog: pytest.LogCaptureFixture, spoil: Any) -> None:
    """A file that isn't whole, or of another account, object type or version, is ignored with a warning."""
    path = tmp_path / "state"
    rows = [("1", "a"), ("2", "b")]
    write(path, rows)
    content = path.read_bytes()
    assert spoil(content) != content
    path.write_bytes(spoil(content))
    with caplog.at_level(logging.WARNING):
        assert sent(path, rows) == {"1", "2"}
    assert "is ignored, and every row is sent" in caplog.text


FOREIGN = [
    b"id,city\n1,Wien\n",
    b"\n",
    b"[1, 2]\n",
    b'{"id": 1}\n',
    bytes(range(256)) * 20,
    b'{"format":"airflow-provider',
    b"x" * 10_000_000,
]


@pytest.mark.parametrize("content", FOREIGN, ids=lambda content: repr(content[:20]))
@pytest.mark.parametrize("writes", [True, False])
def test_a_file_that_is_not_ours_is_never_replaced(tmp_path: Path, content: bytes, writes: bool) -> None:
    """A file of another program, named by mistake, stops the sync before it writes; the message names the path."""
    path = tmp_path / "customers.csv"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"skip_unchanged: .*customers\.csv is no file of this .* another path"):
        Fingerprints(str(path), OWNER, writes=writes).load()
    assert path.read_bytes() == content


def test_the_rows_own_file_is_never_replaced(sandbox: HubSpotSandbox, tmp_path: Path) -> None:
    """Given for both, the file with the rows stays, and nothing is sent."""
    path = tmp_path / "customers.csv"
    path.write_text("id,city\n1,Wien\n")
    with pytest.raises(SettingsError, match="skip_unchanged"):
        sync(str(path), path)
    assert path.read_text() == "id,city\n1,Wien\n"
    assert updates(sandbox) == []


def test_an_empty_file_may_be_replaced(tmp_path: Path) -> None:
    """As ``touch`` or ``mktemp`` make it."""
    path = tmp_path / "state"
    path.touch()
    write(path, [("1", "a")])
    assert sent(path, [("1", "a")]) == set()


@pytest.mark.parametrize("content", ["my notes", "0123456789abcdef0", "{}"])
def test_a_note_beside_it_that_is_not_ours_is_never_replaced(tmp_path: Path, content: str) -> None:
    """Nor is the small file that stands beside the state while a sync is under way."""
    note = tmp_path / ".state.under-way"
    note.write_text(content)
    prints = Fingerprints(str(tmp_path / "state"), OWNER)
    with pytest.raises(SettingsError, match=r"skip_unchanged: .*under-way"):
        prints.load()
    assert note.read_text() == content


def test_a_device_is_not_read(tmp_path: Path) -> None:
    """What has no end is no file of ours."""
    for name in ("zero", "pipe"):
        path = tmp_path / name
        if name == "zero":
            path.symlink_to("/dev/zero")
        else:
            os.mkfifo(path)
        with pytest.raises(SettingsError, match="skip_unchanged"):
            Fingerprints(str(path), OWNER).load()


def test_a_file_that_can_not_be_read_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody knows whose it is: every row is sent, the file stays as it is, and isn't believed afterwards."""
    path = tmp_path / "state"
    write(path, [("1", "a")])
    before = path.read_bytes()

    def fails(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    prints = Fingerprints(str(path), OWNER)
    with monkeypatch.context() as patch:
        patch.setattr("fsspec.implementations.local.LocalFileSystem._open", fails)
        prints.load()
    (item,) = prints.leave_out_unchanged([make_input(0, "1", {"a": "b"})])
    assert isinstance(item, Input)
    prints.note(RowOutcome(0, "1", Status.UPDATED, "1"))
    prints.save()
    assert path.read_bytes() == before
    assert "can't be read (PermissionError)" in caplog.text
    assert sent(path, [("1", "a")]) == {"1"}


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    """Whatever the umask says."""
    before = os.umask(0o000)
    try:
        path = tmp_path / "state"
        prints = Fingerprints(str(path), OWNER)
        prints.load()
        prints.leave_out_unchanged([make_input(0, "1", {"a": "b"})])
        assert {one.stat().st_mode & 0o777 for one in tmp_path.iterdir()} == {0o600}
        prints.save()
        assert {one.stat().st_mode & 0o777 for one in tmp_path.iterdir()} == {0o600}
    finally:
        os.umask(before)


def test_a_killed_sync_makes_the_next_one_send_everything(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What a killed sync wrote is remembered nowhere, so that nothing is taken for unchanged after it."""
    path = tmp_path / "state"
    write(path, [("1", "old"), ("2", "old")])
    killed = Fingerprints(str(path), OWNER)
    killed.load()
    killed.leave_out_unchanged([make_input(0, "1", {"a": "new"})])
    del killed
    with caplog.at_level(logging.WARNING):
        assert sent(path, [("1", "old"), ("2", "old")]) == {"1", "2"}
    assert "was killed" in caplog.text
    write(path, [("1", "old"), ("2", "old")])
    assert sent(path, [("1", "old"), ("2", "old")]) == set()


def test_two_syncs_at_once_remember_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whichever of them ends first, the state that they leave is not believed."""
    for first, second in ((0, 1), (1, 0)):
        path = tmp_path / f"state-{first}"
        write(path, [("1", "old")])
        both = [Fingerprints(str(path), OWNER), Fingerprints(str(path), OWNER)]
        for number, prints in enumerate(both):
            prints.load()
            prints.leave_out_unchanged([make_input(0, "1", {"a": f"new {number}"})])
        for number in (first, second):
            both[number].note(RowOutcome(0, "1", Status.UPDATED, "1"))
            both[number].save()
        for value in ("old", "new 0", "new 1"):
            assert sent(path, [("1", value)]) == {"1"}
    assert "at the same time" in caplog.text


def test_a_reader_sees_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    """The file is replaced in one step."""
    path = tmp_path / "state"
    rows = [(str(n), "a") for n in range(1, 20_000)]
    write(path, rows)
    seen: list[bytes] = []
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            seen.append(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    whole = {path.read_bytes()}
    for value in "bcdefgh":
        write(path, [(name, value) for name, _ in rows])
        whole.add(path.read_bytes())
    ended.set()
    reader.join()
    assert set(seen) <= whole
    assert len(whole) == 8


def test_the_file_says_nothing_of_the_rows(tmp_path: Path) -> None:
    """Of values and ids that are no record ids, there are hashes only."""
    path = tmp_path / "state"
    write(path, [("someone@example.com", "secret town")])
    head, _, body = path.read_bytes().partition(b"\n")
    assert set(json.loads(head)) == {"format", "portal", "object_type", "id_property", "records", "checksum"}
    assert len(body) == BYTES_A_RECORD


# --- any history ---------------------------------------------------------------------------------------------------

NAMES = ["1", "2", "3", "ABC", "abc", "7", "007"]
VALUES = st.dictionaries(st.sampled_from("ab"), st.sampled_from(["", "x", "y"]), min_size=1)
# What became of a row, and whether it was written: HubSpot's "no" doesn't prove that nothing was.
FATES = st.sampled_from(
    [(Status.UPDATED, True)] * 3
    + [(status, written) for status in (Status.REJECTED, Status.UNKNOWN) for written in (True, False)]
    + [(Status.NOT_SENT, False), (Status.MISSING, False)]
)
ROWS = st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=8)
ENDS = st.sampled_from(["saved", "saved", "saved", "killed", "abandoned"])


@settings(max_examples=300)
@given(history=st.lists(st.tuples(ROWS, st.lists(FATES, min_size=8, max_size=8), ENDS), max_size=6), last=ROWS)
def test_whatever_happened_before_a_sync_ends_as_if_all_was_sent(history: Any, last: Any) -> None:
    """After any failed, killed or broken off syncs, leaving rows out changes nothing of what HubSpot has then."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state"
        hubspot: dict[str, dict[str, str]] = {}
        for rows, fates, end in history:
            simulate(path, hubspot, rows, fates, end)
        expected = {name: dict(held) for name, held in hubspot.items()}
        for name, values in last:
            expected.setdefault(order_key(name), {}).update(values)
        simulate(path, hubspot, last, [(Status.UPDATED, True)] * len(last), "saved")
        assert hubspot == expected


def simulate(
    path: Path,
    hubspot: dict[str, dict[str, str]],
    rows: list[tuple[str, dict[str, str]]],
    fates: list[tuple[Status, bool]],
    end: str,
) -> None:
    """One sync; an id in another case, or with leading zeros, names the same record."""
    prints = Fingerprints(str(path), OWNER)
    prints.load()
    inputs = [make_input(number, name, values) for number, (name, values) in enumerate(rows)]
    for part in (inputs[:3], inputs[3:]):
        for item in prints.leave_out_unchanged(part):
            if not isinstance(item, Input):
                continue
            status, written = fates[item.row]
            if written:
                hubspot.setdefault(item.key, {}).update(item.properties)
            if end != "abandoned":
                record = item.key if status is Status.UPDATED else None
                prints.note(RowOutcome(item.row, item.id, status, record))
    if end != "killed":
        prints.save()
