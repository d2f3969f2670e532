"""Real databases for rows to come from: SQLite files, and a PostgreSQL server of the tests' own."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What every kind of column that a warehouse may have looks like; "row" is the row's index.
TYPES_OF_EVERY_KIND = """
select n::int as "row", 9007199254740993 + n as big, (n / 7.0)::numeric(20, 4) as amount, n * 0.1::float8 as share,
  'name ' || n as name, n % 2 = 0 as subscribed, date '2020-02-29' + n % 1000 as day,
  timestamp '2024-03-31 01:30:00' + n * interval '1 second' as seen,
  timestamptz '2024-03-31 01:30:00+02' + n * interval '1 second' as seen_at,
  ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid as key,
  jsonb_build_object('n', n) as extra, array['a', 'b' || n] as tags, null::text as nothing
from generate_series(0, {last}) as n
"""


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Define an Airflow connection for this test: ``connect("warehouse", conn_type="sqlite", host=...)``."""

    def define(conn_id: str, **fields: Any) -> str:
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))
        return conn_id

    return define


@pytest.fixture(scope="session")
def postgres() -> Iterator[dict[str, Any]]:
    """The fields of an Airflow connection to a PostgreSQL server that lives as long as the session."""
    with postgres_server() as fields:
        yield fields


@contextmanager
def postgres_server() -> Iterator[dict[str, Any]]:
    """A PostgreSQL server on loopback for the time of a ``with`` block; gives the fields of an Airflow connection."""
    programs = _postgres_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server here: neither initdb on PATH or by pg_config, nor in /usr/lib/postgresql")
    with (
        tempfile.TemporaryDirectory(prefix="hubbatch-postgres-", ignore_cleanup_errors=True) as folder,
        _server(programs, Path(folder)) as port,
    ):
        yield {"conn_type": "postgres", "host": "127.0.0.1", "port": port, "login": "hubbatch", "schema": "postgres"}


@pytest.fixture(scope="session")
def warehouse(postgres: dict[str, Any]) -> dict[str, Any]:
    """The server's connection fields, with 200,000 rows of every kind in the table ``contacts``."""
    import psycopg

    with psycopg.connect(
        host=postgres["host"], port=postgres["port"], user=postgres["login"], dbname=postgres["schema"]
    ) as connection:
        connection.execute("create table contacts as " + TYPES_OF_EVERY_KIND.format(last=199_999))
        connection.execute("create sequence touched")
    return postgres


def _postgres_programs() -> Path | None:
    """The folder of PostgreSQL's server programs: the one on PATH, pg_config's, or Debian's newest."""
    folders = [Path(found).parent] if (found := shutil.which("initdb")) else []
    if pg_config := shutil.which("pg_config"):
        answer = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False)
        folders.append(Path(answer.stdout.strip()))
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -float(path.parent.name))
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "pg_ctl").exists()), None)


def _unprivileged() -> str | None:
    """Whom to run the server as: it refuses root."""
    if os.geteuid() != 0:
        return None
    users = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in users else "nobody"


@contextmanager
def _server(programs: Path, folder: Path) -> Iterator[int]:
    user = _unprivileged()
    if user is not None:
        os.chown(folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def run(program: str, *arguments: str) -> None:
        command = [str(programs / program), "-D", str(folder / "data"), *arguments]
        output = folder.parent / f"{folder.name}.log"
        with output.open("ab") as log:
            groups: list[int] | None = None if user is None else []
            done = subprocess.run(
                command, cwd=folder, user=user, extra_groups=groups, stdout=log, stderr=log, check=False, timeout=60
            )
        text = output.read_text()
        output.unlink()
        assert done.returncode == 0, f"{program} failed: {text}"

    run("initdb", "-U", "hubbatch", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
    run("pg_ctl", "-w", "-l", str(folder / "server.log"), "-o", options, "start")
    try:
        yield port
    finally:
        run("pg_ctl", "-m", "immediate", "stop")
