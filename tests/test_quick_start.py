"""docs/quick-start.md, word for word: in a copy of the clone, with an empty home folder.

Its environment finds installed what pip would install; ``make artefact`` installs everything from scratch.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import pytest

from demo.standalone import free_port
from tests.environments import from_scratch, see_what_is_installed_here

REPOSITORY = Path(__file__).parent.parent
PAGE = (REPOSITORY / "docs" / "quick-start.md").read_text()
BLOCK = re.compile(r"^(?P<second><!-- second terminal -->\n)?```bash\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
# The page's port, which may be taken on this machine
PORT = "8765"

# The page's environment, below the home folder
VENV = "hubspot-quick-start"

# What a clone doesn't have
LEFT_BEHIND = shutil.ignore_patterns(".venv*", ".git", ".demo", ".airflow", ".hypothesis", "*_cache*", "build", "dist")


class Terminal:
    """A shell, as the reader has it."""

    def __init__(self, clone: Path, environment: dict[str, str]) -> None:
        self._shell = subprocess.Popen(
            ["bash", "--norc", "-e"],
            cwd=clone,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def paste(self, text: str) -> None:
        _open(self._shell.stdin).write(text)
        _open(self._shell.stdin).flush()

    def run(self, text: str) -> str:
        """What these lines print; each must succeed."""
        self.paste(f"{text}\necho '=== done'\n")
        return self.read_until("=== done")

    def read_until(self, wanted: str) -> str:
        """What is printed up to the line that begins so."""
        lines = []
        for line in _open(self._shell.stdout):
            lines.append(line)
            if line.startswith(wanted):
                return "".join(lines)
        pytest.fail(f"the shell ended before {wanted!r}:\n{''.join(lines)}")

    def close(self) -> None:
        with self._shell:
            os.killpg(self._shell.pid, signal.SIGKILL)


def _open(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    shutil.copytree(REPOSITORY, tmp_path / "clone", ignore=LEFT_BEHIND)
    return tmp_path / "clone"


def empty_environment(home: Path) -> dict[str, str]:
    """Nothing of this run's Airflow; pip's cache and settings, so that it doesn't take an hour."""
    home.mkdir()
    variables = {name: value for name, value in os.environ.items() if name.startswith("PIP_") or name == "LANG"}
    cache = subprocess.run([sys.executable, "-m", "pip", "cache", "dir"], capture_output=True, text=True, check=True)
    (home / "bin").mkdir()
    (home / "bin" / "python3").symlink_to(Path(sys.base_prefix) / "bin" / "python3")
    path = os.pathsep.join([str(home / "bin"), "/usr/local/bin", "/usr/bin", "/bin"])
    if not from_scratch():
        see_what_is_installed_here(home / VENV)
        variables |= {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0"}  # 0 as in False: no isolation
    return variables | {"HOME": str(home), "PATH": path, "PIP_CACHE_DIR": cache.stdout.strip(), "PYTHONUNBUFFERED": "1"}


@pytest.mark.airflow
@pytest.mark.timeout(1200)
def test_the_quick_start_works_word_for_word(clone: Path, tmp_path: Path) -> None:
    """The blocks of the page, pasted one by one, end with a DAG that has updated records, and with a checked file."""
    page = PAGE.replace(PORT, str(free_port()))
    home = tmp_path / "home"
    environment = empty_environment(home)
    (dag_path,) = re.findall(r"^Save this as `~/(.+?)`:$", page, re.MULTILINE)
    (dag_text,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (expected,) = re.findall(r"^```\n(contacts: .*?)^```$", page, re.MULTILINE | re.DOTALL)
    with ExitStack() as stack:
        first, second = (Terminal(clone, environment) for _ in range(2))
        stack.callback(first.close)
        stack.callback(second.close)
        printed = ""
        for block in BLOCK.finditer(page):
            if block["second"]:
                second.paste(block["text"])
                second.read_until("HubSpot sandbox on")
                continue
            if "airflow dags test" in block["text"]:
                (home / dag_path).write_text(dag_text)
            printed += first.run(block["text"])
    assert "crm.objects.contacts.write  write contacts  granted" in printed
    # the page's lines, but for how long it took and what it cost
    for line in expected.splitlines():
        assert re.split(r" in |; ", line)[0] in printed
    assert "state=success" in printed
    assert "Contacts: 3 rows: 3 not sent" in printed
