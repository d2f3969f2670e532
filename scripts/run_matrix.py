"""``make test-matrix``: the tests that touch Airflow, on every minor version of it and every Python that is found.

An environment for each is made of its pins (``constraints/airflow-3.0.txt``, ...; ``constraints.txt`` for the newest)
in ``.venv-matrix/``, once. A Python that isn't there, or that an Airflow doesn't run on, is skipped with a notice.

    python scripts/run_matrix.py [--only 3.0] [--only 3.1-3.12] [-- pytest's arguments]

Pythons are found as ``PYTHON311``, ``PYTHON312``, ``PYTHON313`` in the environment, ``python3.11``, ... on ``PATH``,
and among pyenv's versions.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
VENVS = REPOSITORY / ".venv-matrix"

PINS = {
    "3.0": REPOSITORY / "constraints" / "airflow-3.0.txt",
    "3.1": REPOSITORY / "constraints" / "airflow-3.1.txt",
    "3.2": REPOSITORY / "constraints" / "airflow-3.2.txt",
    "3.3": REPOSITORY / "constraints.txt",
}
PYTHONS = ("3.11", "3.12", "3.13")
# By Airflow's own metadata: 3.0 asks for Python below 3.13
NOT_RUN = {("3.0", "3.13"): "Airflow 3.0 doesn't run on Python 3.13"}
MARKER = "versions"
# What the tests need beside the package
TOOLS = (
    "apache-airflow-providers-openlineage",
    "apache-airflow-providers-sqlite",
    "apache-airflow-providers-standard",
    "hypothesis",
    "jsonschema",
    "psutil",
    "pytest",
    "pytest-timeout",
    "rich",
)


@dataclass(frozen=True)
class Cell:
    """One field of the matrix."""

    airflow: str
    python: str

    def __str__(self) -> str:
        return f"{self.airflow}-{self.python}"

    @property
    def venv(self) -> Path:
        """Its environment."""
        return VENVS / str(self)

    @property
    def interpreter(self) -> str:
        """The Python inside of it."""
        return str(self.venv / "bin" / "python")


def find_python(version: str) -> str | None:
    """A Python of this minor version, if there is one."""
    given = os.environ.get(f"PYTHON{version.replace('.', '')}")
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    candidates = [given, f"python{version}", *map(str, sorted(pyenv.glob(f"{version}.*/bin/python")))]
    candidates.append(sys.executable)
    return next((found for one in candidates if one and (found := shutil.which(one)) and runs_as(found, version)), None)


def runs_as(python: str, version: str) -> bool:
    """Whether it starts and is of this version: pyenv's shims may not."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    told = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return told.returncode == 0 and told.stdout.strip() == version


def make_environment(cell: Cell, python: str) -> None:
    """Make the environment of its pins, and nothing else, unless it is there already."""
    pins = PINS[cell.airflow]
    wanted = hashlib.sha256(pins.read_bytes()).hexdigest()
    mark = cell.venv / ".ready"
    if mark.exists() and mark.read_text() == wanted:
        return
    print(f"{cell}: installing {pins.relative_to(REPOSITORY)} ...", flush=True)
    shutil.rmtree(cell.venv, ignore_errors=True)
    subprocess.run([python, "-m", "venv", cell.venv], check=True)
    uv = shutil.which("uv")
    install = (
        [uv, "pip", "install", "--quiet", "--python", cell.interpreter]
        if uv
        else [cell.interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    )
    bounds = ["--constraint", pins, "--build-constraint", pins]
    subprocess.run([*install, *bounds, *TOOLS, "--editable", f"{REPOSITORY}[sandbox,parquet]"], check=True)
    subprocess.run([cell.interpreter, "-m", "pip", "check"], check=True)
    mark.write_text(wanted)


def marked_files() -> list[str]:
    """The modules with the marker: others may import what only the newest Airflow has."""
    modules = sorted((REPOSITORY / "tests").rglob("test_*.py"))
    return [str(path.relative_to(REPOSITORY)) for path in modules if f"mark.{MARKER}" in path.read_text()]


def run_tests(cell: Cell, arguments: list[str]) -> str:
    """Run the tests; gives pytest's closing line."""
    path = os.pathsep.join([str(cell.venv / "bin"), os.environ.get("PATH", os.defpath)])
    inherited = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    # An Airflow warns of its own dependencies, which have moved on since: that is no error of this package
    options = ["-m", MARKER, "-o", "filterwarnings=default", "-p", "no:cacheprovider", "-q", "--disable-warnings"]
    files = arguments if any(one.startswith("tests") for one in arguments) else [*arguments, *marked_files()]
    command = [cell.interpreter, "-m", "pytest", *options, *files]
    process = subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env=inherited | {"PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    closing = ""
    for line in process.stdout or ():
        print(line, end="", flush=True)
        if re.search(r"\b(passed|failed|skipped|error|errors|no tests ran)\b.* in [0-9.]+s", line):
            closing = re.sub(r"\x1b\[[0-9;]*m", "", line).strip("= \n")
    code = process.wait()
    return closing if code == 0 else f"FAILED: {closing or f'exit code {code}'}"


def main() -> int:
    """Run what was asked for; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[], help="an Airflow (3.0), or one with a Python (3.0-3.12)")
    parser.add_argument("pytest", nargs="*", help="arguments for pytest")
    options = parser.parse_args()
    results: dict[str, str] = {}
    for cell in (Cell(airflow, python) for airflow in PINS for python in PYTHONS):
        if options.only and not {cell.airflow, str(cell)} & set(options.only):
            continue
        python = find_python(cell.python)
        if (cell.airflow, cell.python) in NOT_RUN:
            results[str(cell)] = f"not run: {NOT_RUN[cell.airflow, cell.python]}"
        elif python is None:
            results[str(cell)] = (
                f"not run: no Python {cell.python} is found here (PYTHON{cell.python.replace('.', '')})"
            )
        else:
            started = time.monotonic()
            try:
                make_environment(cell, python)
                results[str(cell)] = run_tests(cell, options.pytest)
            except subprocess.CalledProcessError as error:
                results[str(cell)] = f"FAILED: the environment can't be made: {error}"
            print(f"{cell}: {results[str(cell)]} ({time.monotonic() - started:.0f} s in all)", flush=True)
    print("\nAirflow  Python")
    for name, result in results.items():
        airflow, _, python = name.partition("-")
        print(f"{airflow:<8} {python:<6}  {result}")
    return 1 if any(result.startswith("FAILED") for result in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
