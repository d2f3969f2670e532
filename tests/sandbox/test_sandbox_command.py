"""``python -m airflow_provider_hubbatch.sandbox``, in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = [sys.executable, "-m", "airflow_provider_hubbatch.sandbox"]


@contextmanager
def running(*options: str) -> Iterator[tuple[subprocess.Popen[str], str, dict[str, Any]]]:
    """The process, its first line, and the connection that it prints."""
    with subprocess.Popen(
        [*COMMAND, "--port", "0", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            out = process.stdout
            assert out is not None
            first, second = out.readline(), out.readline()
            yield process, first, json.loads(second.split("=", 1)[1].strip("'\n"))
        finally:
            process.kill()


def rest_of(stream: IO[str] | None) -> str:
    return stream.read() if stream is not None else ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_a_connection_and_ends_cleanly(number: signal.Signals) -> None:
    """It says where it listens and that it is no production server; SIGTERM and Ctrl+C end it with status 0."""
    with running("--records", "contacts=12", "deals=3", "--records", "pets=1") as (process, first, connection):
        assert connection["host"] in first
        assert "12 contacts, 3 deals, 1 pets" in first
        assert "no production server" in first
        headers = {"Authorization": f"Bearer {connection['password']}"}
        details = requests.get(connection["host"] + "/account-info/2026-03/details", headers=headers, timeout=10)
        assert details.status_code == 200
        process.send_signal(number)
        assert process.wait(timeout=20) == 0
        assert rest_of(process.stderr) == ""


def test_its_options_reach_the_sandbox() -> None:
    """Limits, latency, token, behaviours and faults can be given as options."""
    options = [
        *("--requests-per-10-seconds", "50", "--daily-limit", "none", "--latency-ms", "1-5", "--token", "secret"),
        *("--behaviour", "null_clears=true", "count_at=reply", "--extra-properties", "3"),
        *("--fault", '{"kind": "status", "status": 502}'),
        *("--fault", '{"kind": "locked", "probability": 0.5, "path": "nowhere"}'),
    ]
    with running(*options) as (_, _, connection):
        assert connection["password"] == "secret"
        state = requests.get(connection["host"] + "/_sandbox/state", timeout=10).json()
        assert state["requests_per_10_seconds"] == 50
        assert state["daily_limit"] is None
        assert (state["behaviours"]["null_clears"], state["behaviours"]["count_at"]) == (True, "reply")
        assert [fault["kind"] for fault in state["faults"]] == ["status", "locked"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--host", "0.0.0.0"], "unrecognized arguments"),
        (["--records", "contacts"], "TYPE=COUNT"),
        (["--records", "butterflies=3"], "there are contacts"),
        (["--behaviour", "nope=1"], "No such behaviour: nope"),
        (["--behaviour", "count_at=soon"], "count_at can't be 'soon'"),
        (["--fault", "nope"], "is no JSON"),
        (["--fault", '{"kind": "nope"}'], "There are: rate_limited"),
        (["--latency-ms", "slow"], "--latency-ms"),
        (["--time-zone", "Mars/Olympus"], "Mars/Olympus"),
    ],
)
def test_wrong_options_are_explained(options: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Settings that can't work: status 2 and one line that says why."""
    from airflow_provider_hubbatch.sandbox.__main__ import main

    with pytest.raises(SystemExit) as ended:
        main(["--port", "0", *options])
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err
