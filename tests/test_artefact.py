"""The artefact: wheel and sdist as they would be uploaded, and the wheel in an environment that has no source tree."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import airflow_provider_hubbatch
from demo.airflow_home import airflow_environment
from demo.setting import EXAMPLE_DAGS, seeded_setting
from tests.environments import from_scratch, see_what_is_installed_here

if TYPE_CHECKING:
    from email.message import Message

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parent.parent
NAME, VERSION = "airflow_provider_hubbatch", airflow_provider_hubbatch.__version__
SOURCES = {str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / NAME).rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both: the wheel is built from the sdist, as a packager would."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(REPOSITORY)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    return built / f"{NAME}-{VERSION}-py3-none-any.whl"


def metadata_of(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        return Parser().parsestr(archive.read(f"{NAME}-{VERSION}.dist-info/METADATA").decode())


def test_only_these_two_are_built(built: Path) -> None:
    """A pure Python wheel and an sdist of one version."""
    assert sorted(path.name for path in built.iterdir()) == [
        f"{NAME}-{VERSION}-py3-none-any.whl",
        f"{NAME}-{VERSION}.tar.gz",
    ]


def test_the_wheel_is_the_package_and_nothing_else(wheel: Path) -> None:
    """Every file of the package with its marker of types, the licence, the entry points; no tests, no demo."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        entry_points = archive.read(f"{NAME}-{VERSION}.dist-info/entry_points.txt").decode()
    package = {name for name in names if not name.startswith(f"{NAME}-{VERSION}.dist-info/")}
    assert package == {name for name in SOURCES if "__pycache__" not in name}
    assert f"{NAME}/py.typed" in package
    assert f"{NAME}-{VERSION}.dist-info/licenses/LICENSE" in names
    assert "[apache_airflow_provider]\nprovider_info = airflow_provider_hubbatch:get_provider_info" in entry_points


def test_the_sdist_has_what_a_packager_needs(built: Path) -> None:
    """Sources, tests, docs, pins; nothing that a run leaves behind."""
    with tarfile.open(built / f"{NAME}-{VERSION}.tar.gz") as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "constraints.txt", "Makefile"} <= names
    assert {name for name in SOURCES if "__pycache__" not in name} <= names
    assert {"tests/conftest.py", "docs/versions.md", "example_dags/example_taskflow_hook.py"} <= names
    left = re.compile(r"(^|/)(\.venv|\.airflow|\.demo|\.ci|__pycache__|\.hypothesis|\.git/)|\.pyc$|\.db$")
    assert [name for name in names if left.search(name)] == []


def test_the_metadata_says_what_pip_and_pypi_show(wheel: Path) -> None:
    """Name, version, licence, Pythons, dependencies, and a readable description."""
    told = metadata_of(wheel)
    assert (told["Name"], told["Version"]) == ("airflow-provider-hubbatch", VERSION)
    assert told["License-Expression"] == "Apache-2.0"
    assert told["License-File"] == "LICENSE"
    assert told["Requires-Python"] == ">=3.11"
    assert told["Description-Content-Type"] == "text/markdown"
    assert str(told.get_payload()).startswith("# airflow-provider-hubbatch")
    needed = {str(line) for line in told.get_all("Requires-Dist", []) if "extra ==" not in line}
    assert "apache-airflow>=3.0" in needed
    assert {re.split(r"[<>=]", line)[0] for line in needed} == {
        "apache-airflow",
        "apache-airflow-providers-common-compat",
        "apache-airflow-providers-http",
        "apache-airflow-providers-standard",
        "attrs",
        "fsspec",
        "numpy",
        "orjson",
        "pandas",
        "requests",
        "urllib3",
    }
    assert set(told.get_all("Provides-Extra", [])) == {"parquet", "postgres", "sandbox"}
    classifiers = told.get_all("Classifier", [])
    assert "Framework :: Apache Airflow :: Provider" in classifiers
    assert "Typing :: Typed" in classifiers


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel; all else it sees is what is installed here, but not the source tree.

    To install everything from scratch takes a minute or more: ``make artefact`` does that.
    """
    venv = tmp_path_factory.mktemp("installed") / "venv"
    if from_scratch():
        return empty_environment(venv, wheel)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    python = venv / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*command, str(wheel)], check=True)
    see_what_is_installed_here(venv)
    return python


def empty_environment(venv: Path, wheel: Path) -> Path:
    """An environment with what pip installs for the wheel, and the provider that the example DAG reads with."""
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    python = venv / "bin" / "python"
    uv = shutil.which("uv")
    pip = [uv, "pip", "install", "--python", str(python)] if uv else [str(python), "-m", "pip", "install"]
    pins = str(REPOSITORY / "constraints.txt")
    command = [*pip, "--quiet", "--constraint", pins, str(wheel), "apache-airflow-providers-sqlite"]
    subprocess.run(command, check=True)
    return python


def run(python: Path, home: Path, *command: str, environment: dict[str, str] | None = None) -> str:
    """Run a program of the environment far away from the source tree; gives what it prints."""
    variables = airflow_environment(home, home / "dags") | (environment or {})
    variables["PATH"] = os.pathsep.join([str(python.parent), variables["PATH"]])
    variables.pop("PYTHONPATH", None)
    done = subprocess.run(command, cwd=home, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_works_without_the_source_tree(installed: Path, tmp_path: Path) -> None:
    """Airflow lists the provider, and an example DAG runs against the sandbox, both of the wheel."""
    home = tmp_path / "home"
    (home / "dags").mkdir(parents=True)
    where = "import airflow_provider_hubbatch as package; print(package.__file__)"
    assert str(installed.parent.parent) in run(installed, home, str(installed), "-P", "-c", where)

    listed = run(installed, home, "airflow", "providers", "list", "-o", "json")
    providers: list[dict[str, Any]] = json.loads(listed[listed.index("[") :])
    (mine,) = [one for one in providers if one["package_name"] == "airflow-provider-hubbatch"]
    assert mine["version"] == VERSION

    dag_file = home / "dags" / "example_taskflow_hook.py"
    shutil.copy(EXAMPLE_DAGS / dag_file.name, dag_file)
    shutil.copy(REPOSITORY / "demo" / "dag_run.py", home / "dag_run.py")
    with seeded_setting(tmp_path) as setting:
        program = [str(installed), "dag_run.py", str(dag_file), str(home / "result.json")]
        run(installed, home, *program, environment=setting.connections)
        assert setting.sandbox.requests
    result = json.loads((home / "result.json").read_text())
    assert result["state"] == "success"
    assert result["xcoms"]["update_loyal_customers"]["return_value"]["updated"] > 0
