"""A PostgreSQL server of the tests' own, on loopback, made of the programs that are installed."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Self

from demo.standalone import free_port

NOT_THERE = "no PostgreSQL server here: neither initdb on PATH or by pg_config, nor in /usr/lib/postgresql"


def postgres_programs() -> Path | None:
    """The folder of PostgreSQL's server programs: the one on PATH, pg_config's, or Debian's newest."""
    folders = [Path(found).parent] if (found := shutil.which("initdb")) else []
    if pg_config := shutil.which("pg_config"):
        answer = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False)
        folders.append(Path(answer.stdout.strip()))
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -float(path.parent.name))
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "pg_ctl").exists()), None)


class PostgresServer:
    """A server for the time of a ``with`` block.

    :param programs: :func:`postgres_programs`.
    :ivar fields: of an Airflow connection to it.
    """

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._user = _unprivileged()
        self._folder = Path(tempfile.mkdtemp(prefix="hubbatch-postgres-"))
        self._port = free_port()
        self.fields: dict[str, Any] = {
            "conn_type": "postgres",
            "host": "127.0.0.1",
            "port": self._port,
            "login": "hubbatch",
            "schema": "postgres",
        }

    def __enter__(self) -> Self:
        if self._user is not None:
            entry = pwd.getpwnam(self._user)
            os.chown(self._folder, entry.pw_uid, entry.pw_gid)
        self._run("initdb", "-U", "hubbatch", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            with contextlib.suppress(AssertionError):  # stopped by the test
                self.stop()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start it; it keeps its port and its data."""
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self._run("pg_ctl", "-w", "-l", str(self._folder / "server.log"), "-o", options, "start")

    def stop(self) -> None:
        """Stop it at once: clients' connections are cut."""
        self._run("pg_ctl", "-m", "immediate", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), "-D", str(self._folder / "data"), *arguments]
        output = self._folder.parent / f"{self._folder.name}.log"
        with output.open("ab") as log:
            groups: list[int] | None = None if self._user is None else []
            done = subprocess.run(
                command,
                cwd=self._folder,
                user=self._user,
                extra_groups=groups,
                stdout=log,
                stderr=log,
                check=False,
                timeout=60,
            )
        text = output.read_text()
        output.unlink()
        assert done.returncode == 0, f"{program} failed: {text}"


def _unprivileged() -> str | None:
    """Whom to run the server as: it refuses root."""
    if os.geteuid() != 0:
        return None
    users = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in users else "nobody"
