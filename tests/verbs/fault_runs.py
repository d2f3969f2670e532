"""Fault runs: syncs of dirty rows against a HubSpot in trouble, each drawn from a seed and checked by an oracle.

The suite runs some tens. The long form: ``python -m tests.verbs.fault_runs --runs 500 --verb update``.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.verbs.link_oracle import SeenLinks
from tests.verbs.oracle import lies
from tests.verbs.trouble import Ending, Trouble, draw
from tests.verbs.truth import Records, Seen, Try

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_hubbatch.core.sync_report import SyncReport
    from airflow_provider_hubbatch.sandbox import HubSpotSandbox, RecordedRequest
    from tests.resume.resuming import DictStore
    from tests.verbs.link_runs import LinkTrouble

CONNECTION = "fault_runs"
# Airflow would go on retrying; by then HubSpot has recovered.
MAX_TRIES = 8
# Checkpoints are written by the clock; a fault run lasts as many tenths of a second as a sync lasts seconds.
CLOCK_FACTOR = 30.0


class Killed(BaseException):
    """What comes out of a try that is killed: no ``Exception``, so that nothing takes it for an error of its own."""


def run(trouble: Trouble, folder: Path, *, look: Callable[[HubSpotSandbox], None] = lambda _: None) -> Seen:
    """Carry a fault run out.

    :param folder: for the result files.
    :param look: called in the end, for what else is to be seen in HubSpot.
    """
    from tests.resume.resuming import lines_of

    has_files = trouble.seed % 2 == 0
    options = {**trouble.options, "results_path": str(folder / "results")} if has_files else trouble.options
    with trouble.sandbox() as sandbox:
        os.environ[f"AIRFLOW_CONN_{CONNECTION.upper()}"] = trouble.connection(sandbox)
        before, gone = _records(sandbox, trouble), _records(sandbox, trouble, archived=True)
        tries, report = _tries(trouble, options, sandbox)
        look(sandbox)
        return Seen(
            trouble=trouble,
            before=before,
            gone=gone,
            after=_records(sandbox, trouble),
            gone_after=_records(sandbox, trouble, archived=True),
            tries=tries,
            summary=report.summary(),
            results=report.results() or [],
            lines=lines_of(folder / "results", "sync") if has_files else None,
        )


def run_links(trouble: LinkTrouble, folder: Path) -> SeenLinks:
    """As :func:`run`, of a sync that links records."""
    from tests.resume.resuming import lines_of

    has_files = trouble.seed % 2 == 0
    options = {**trouble.options, "results_path": str(folder / "results")} if has_files else trouble.options
    with trouble.sandbox() as sandbox:
        os.environ[f"AIRFLOW_CONN_{CONNECTION.upper()}"] = trouble.connection(sandbox)
        tries, report = _tries(trouble, options, sandbox)
        return SeenLinks(
            trouble=trouble,
            after=trouble.links(sandbox),
            tries=tries,
            summary=report.summary(),
            results=report.results() or [],
            lines=lines_of(folder / "results", "sync") if has_files else None,
        )


def _tries(
    trouble: Trouble | LinkTrouble, options: dict[str, Any], sandbox: HubSpotSandbox
) -> tuple[list[Try], SyncReport]:
    """Try until the sync is done, as Airflow would."""
    from tests.resume.resuming import DictStore

    store, tries = DictStore(), list[Try]()
    sandbox.forget_requests()
    while True:
        ending = trouble.endings[len(tries)] if len(tries) < len(trouble.endings) else None
        if len(tries) == MAX_TRIES - 1:
            sandbox.faults.clear()
        one, report = _try(trouble, options, sandbox, store, ending, number=len(tries) + 1)
        tries.append(one)
        if one.ending in ("done", "SystematicRefusalError") or len(tries) == MAX_TRIES:
            return tries, report


def _records(sandbox: HubSpotSandbox, trouble: Trouble, *, archived: bool = False) -> Records:
    return deepcopy(sandbox.objects(trouble.object_type, archived=archived))


def _try(
    trouble: Trouble | LinkTrouble,
    options: dict[str, Any],
    sandbox: HubSpotSandbox,
    store: DictStore,
    ending: Ending | None,
    *,
    number: int,
) -> tuple[Try, Any]:
    from airflow_provider_hubbatch.exceptions import HubSpotError

    changes = sandbox._portal.store.recent_changes
    seen_requests, seen_changes = len(sandbox.requests), len(changes)
    sync, how = _sync(trouble, options, _KillableStore(store), number), "done"
    try:
        with _ended(ending, sync, sandbox):
            for _ in sync:
                pass
    except Killed:
        how = "kill"
    except HubSpotError as error:
        how = "stop" if type(error).__name__ == "SyncStoppedError" else type(error).__name__
    _wait_until_idle(sandbox)
    requests: list[RecordedRequest] = sandbox.requests[seen_requests:]
    done = [(one.record_id, _texts(one.after)) for one in list(changes)[seen_changes:]]
    return Try(ending=how, requests=requests, changes=done), sync.report


def _texts(values: dict[str, str | None]) -> dict[str, str]:
    return {name: value or "" for name, value in values.items()}


def _sync(trouble: Trouble | LinkTrouble, options: dict[str, Any], store: _KillableStore, number: int) -> Any:
    """A sync that has not begun, as the operator starts it, but of little patience."""
    from airflow_provider_hubbatch.core.verdicts import RetryPolicy
    from airflow_provider_hubbatch.hooks import HubSpotHook
    from airflow_provider_hubbatch.sync.resume import Checkpoints
    from airflow_provider_hubbatch.sync.tries import TaskTry

    this_try = TaskTry("a task", number, store)
    policy = RetryPolicy(backoff_base_seconds=0.02, backoff_cap_seconds=0.1, window_seconds=0.1)
    hook = HubSpotHook(CONNECTION)
    hook._client = hook._new_client(hook._read_settings(), policy)
    sync = hook.start_sync(
        trouble.object_type,
        [row.given for row in trouble.rows],
        trouble.new_options(options),
        name="sync",
        this_try=this_try,
    )
    sync._recorder.checkpoints = Checkpoints(
        this_try,
        store,
        verb=trouble.verb,
        once=sync._spec.is_keyless,
        clock=lambda: time.monotonic() * CLOCK_FACTOR,
    )
    sync.store = store  # type: ignore[attr-defined]
    return sync


class _KillableStore:
    """A state store that a killed process writes to no more."""

    def __init__(self, store: DictStore) -> None:
        self._store = store
        self.is_dead = False

    def get(self, key: str, default: Any = None) -> Any:
        return self._store.get(key, default)

    def set(self, key: str, value: Any) -> None:
        if not self.is_dead:
            self._store.set(key, value)

    def delete(self, key: str) -> None:
        if not self.is_dead:
            self._store.delete(key)


@contextmanager
def _ended(ending: Ending | None, sync: Any, sandbox: HubSpotSandbox) -> Iterator[None]:
    """Stop or kill the sync once HubSpot has got so many more requests."""
    if ending is None:
        yield
        return

    def kill(*_: object) -> None:
        sync.store.is_dead = True
        raise Killed

    handler = signal.signal(signal.SIGUSR1, kill)
    act: Callable[[], object] = sync.stop
    if ending.kind == "kill":
        act = lambda: os.kill(os.getpid(), signal.SIGUSR1)  # noqa: E731 - one of two
    over, wanted = threading.Event(), sandbox.statistics["total"] + ending.after_requests

    def watch() -> None:
        while not over.wait(0.002):
            if sandbox.statistics["total"] >= wanted:
                act()
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        with suppress(Killed):
            watcher.join()
        signal.signal(signal.SIGUSR1, handler)


def _wait_until_idle(sandbox: HubSpotSandbox) -> None:
    """What a process that is gone has sent is answered all the same."""
    deadline = time.monotonic() + 10
    while sandbox.statistics["in_flight"] and time.monotonic() < deadline:
        time.sleep(0.005)


def command(trouble: Trouble) -> str:
    """What repeats a fault run."""
    return f"python -m tests.verbs.fault_runs --verb {trouble.verb} --seed {trouble.seed} --runs 1"


def check(seed: int, verb: str, folder: Path) -> Seen:
    """Draw a fault run, carry it out, and assert that all of it is right."""
    trouble = draw(seed, verb)
    seen = run(trouble, folder)
    found = lies(seen)
    assert not found, "\n".join(
        [
            f"{len(found)} lies; repeat them with: {command(trouble)}",
            *found[:20],
            str(trouble),
            f"tries: {[one.ending for one in seen.tries]}, summary: {seen.summary}",
        ]
    )
    return seen


def main() -> int:
    """The long form."""
    parser = argparse.ArgumentParser(prog="python -m tests.verbs.fault_runs", description=__doc__.splitlines()[0])
    parser.add_argument("--verb", default="update")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="the first one")
    parser.add_argument("--log", action="store_true", help="show the log of the syncs")
    options = parser.parse_args()
    totals: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="hubbatch-fault-runs-") as home:
        use_airflow_in(Path(home), level="INFO" if options.log else "CRITICAL")
        for seed in range(options.seed, options.seed + options.runs):
            began = time.monotonic()
            try:
                seen = check(seed, options.verb, Path(home) / str(seed))
            except AssertionError as error:
                totals["failed"] += 1
                sys.stdout.write(f"seed {seed}: {error}\n")
                continue
            totals += numbers_of(seen)
            if options.log:
                sys.stdout.write(f"seed {seed}: {time.monotonic() - began:.1f} s\n")
    sys.stdout.write(f"{options.runs} runs of {options.verb}: {dict(totals)}\n")
    return 1 if totals["failed"] else 0


def numbers_of(seen: Seen | SeenLinks) -> Counter[str]:
    """What a run came to, for adding up."""
    numbers = Counter({name: value for name, value in seen.summary.items() if isinstance(value, int)})
    numbers["tries"] = len(seen.tries)
    numbers.update(f"ended by {one.ending}" for one in seen.tries)
    numbers["faults"] = sum(request.fault is not None for one in seen.tries for request in one.requests)
    return numbers


def use_airflow_in(home: Path, level: str) -> None:
    """Have Airflow's own files there."""
    from demo.airflow_home import airflow_environment

    os.environ.update(airflow_environment(home, home / "dags") | {"AIRFLOW__LOGGING__LOGGING_LEVEL": level})


if __name__ == "__main__":
    sys.exit(main())
