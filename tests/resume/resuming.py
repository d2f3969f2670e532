"""What the tests of resuming share: a store, syncs over it, and what the sandbox and the results say afterwards."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch.core.options import UpdateOptions
from airflow_provider_hubbatch.exceptions import SyncStoppedError
from airflow_provider_hubbatch.hooks import HubSpotHook
from airflow_provider_hubbatch.sync.tries import TaskTry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from airflow_provider_hubbatch.core.sync_report import SyncReport
    from airflow_provider_hubbatch.sandbox import HubSpotSandbox, RecordedRequest
    from airflow_provider_hubbatch.sync.sync import Sync


class DictStore:
    """Airflow's task state store, as a dict of JSON texts.

    :param broken: the methods that raise.
    :ivar before: called with a method's name before it does anything.
    """

    def __init__(self, *broken: str) -> None:
        self.broken = set(broken)
        self.before: Callable[[str], object] = lambda _: None
        self.texts: dict[str, str] = {}
        self.sizes: list[int] = []

    def get(self, key: str, default: Any = None) -> Any:
        self._break("get")
        return json.loads(self.texts[key]) if key in self.texts else default

    def set(self, key: str, value: Any) -> None:
        self._break("set")
        self.texts[key] = json.dumps(value)
        self.sizes.append(len(self.texts[key]))

    def delete(self, key: str) -> None:
        self._break("delete")
        self.texts.pop(key, None)

    def _break(self, method: str) -> None:
        self.before(method)
        if method in self.broken:
            raise RuntimeError(f"no {method} today")


def sync(rows: Any, store: DictStore | None, **options: Any) -> Sync:
    """A sync of contacts that has not begun, as the operator starts it."""
    options = {"max_in_flight": 2, **options}
    return HubSpotHook().start_sync(
        "contacts", rows, UpdateOptions(**options), name="update", this_try=TaskTry("a task", 1, store)
    )


def rows_of(ids: Iterable[str], *, title: str = "Title") -> list[dict[str, Any]]:
    """A row for each id, with a job title that is the row's own."""
    return [{"id": id_, "jobtitle": f"{title} {number}"} for number, id_ in enumerate(ids)]


def updates(sandbox: HubSpotSandbox) -> list[RecordedRequest]:
    """The batch updates that HubSpot got, in the order of its answers."""
    return writes(sandbox, "update")


def writes(sandbox: HubSpotSandbox, verb: str) -> list[RecordedRequest]:
    """As :func:`updates`, of any verb."""
    return [request for request in sandbox.requests if request.path.endswith(f"/batch/{verb}")]


def times_sent(requests: Iterable[RecordedRequest]) -> Counter[int]:
    """Row -> how often it was sent, by its trace id."""
    return Counter(int(item["objectWriteTraceId"]) for request in requests for item in request.json["inputs"])


def lines_of(folder: Path | str, name: str = "update") -> list[dict[str, Any]]:
    """The outcomes in the result files, in row order."""
    files = sorted(Path(folder).glob(f"{name}-*.jsonl"))
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    return sorted(lines, key=lambda line: int(line["row"]))


def wrong_titles(sandbox: HubSpotSandbox, rows: Iterable[dict[str, Any]]) -> list[str]:
    """The ids of the rows whose record hasn't the row's job title (of several rows of a record, the last's)."""
    records = sandbox.objects("contacts")
    wanted = {str(row["id"]): row["jobtitle"] for row in rows}
    return [id_ for id_, title in wanted.items() if id_ in records and records[id_]["properties"]["jobtitle"] != title]


@contextmanager
def after_batches(batches: int, hubspot: HubSpotSandbox, act: Callable[[], object]) -> Iterator[None]:
    """Do something once HubSpot has answered so many more batches."""
    sent = len(updates(hubspot)) + batches
    with when(lambda: len(updates(hubspot)) >= sent, act):
        yield


@contextmanager
def when(happens: Callable[[], bool], act: Callable[[], object]) -> Iterator[None]:
    """Do something, from another thread, as soon as something is true."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.003):
            if happens():
                act()
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def stopped_after(batches: int, run: Any, hubspot: HubSpotSandbox) -> SyncReport:
    """The report of a run that is told to stop once HubSpot has answered so many more batches."""
    with after_batches(batches, hubspot, run.stop), pytest.raises(SyncStoppedError) as caught:
        run.finish()
    assert caught.value.report is run.report
    report: SyncReport = run.report
    return report


class Timeout(BaseException):
    """As Airflow's ``AirflowTaskTimeout``: raised by a signal handler, and no ``Exception``."""


@contextmanager
def alarm_raises() -> Iterator[None]:
    """SIGALRM raises, as for a task with an ``execution_timeout``."""

    def handler(*_: object) -> None:
        raise Timeout("as Airflow's")

    before = signal.signal(signal.SIGALRM, handler)
    try:
        yield
        assert signal.getsignal(signal.SIGALRM) is handler
    finally:
        signal.signal(signal.SIGALRM, before)


def send_alarm() -> None:
    os.kill(os.getpid(), signal.SIGALRM)


class Hanging:
    """What never returns once it is asked; a timeout comes a moment later.

    :param what: the call that hangs.
    """

    def __init__(self, what: str) -> None:
        self.what = what

    def __call__(self, what: str, _: str = "") -> None:
        if what == self.what:
            threading.Timer(0.1, send_alarm).start()
            while True:
                time.sleep(60)
