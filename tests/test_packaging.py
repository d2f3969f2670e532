"""The package as Airflow, pip and a reader of its source meet it."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

import airflow_provider_hubbatch
from airflow_provider_hubbatch import get_provider_info

if TYPE_CHECKING:
    from collections.abc import Iterator

DISTRIBUTION = "airflow-provider-hubbatch"
ROOT = Path(airflow_provider_hubbatch.__file__).parent
REPOSITORY = ROOT.parent


@cache
def airflow_providers() -> dict[str, Any]:
    """What ``airflow providers ... -o json`` prints, by subcommand; in one process: Airflow takes long to start."""
    commands = ("list", "hooks", "widgets", "behaviours")
    program = "from airflow.cli.cli_parser import get_parser\n" + "".join(
        f"args = get_parser().parse_args(['providers', {command!r}, '-o', 'json']); print('\\n==='); args.func(args)\n"
        for command in commands
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    parts = told.stdout.split("\n===\n")[1:]
    return {name: json.loads(part[part.index("[") :]) for name, part in zip(commands, parts, strict=True)}


def test_provider_info_is_valid() -> None:
    """Airflow accepts the provider's description."""
    import airflow

    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)


def test_provider_info_names_this_distribution() -> None:
    """The description and what pip installs have one name and one version."""
    assert get_provider_info()["package-name"] == DISTRIBUTION
    assert importlib.metadata.metadata(DISTRIBUTION)["Name"] == DISTRIBUTION
    assert importlib.metadata.version(DISTRIBUTION) == airflow_provider_hubbatch.__version__


def test_provider_info_names_what_exists() -> None:
    """Every module and class that the description names can be imported."""
    info = get_provider_info()
    modules = [name for kind in ("operators", "hooks") for entry in info[kind] for name in entry["python-modules"]]
    classes = [entry["hook-class-name"] for entry in info["connection-types"]]
    for name in modules:
        __import__(name)
    for name in classes:
        module, _, attribute = name.rpartition(".")
        assert hasattr(__import__(module, fromlist=[attribute]), attribute)


@pytest.mark.airflow
def test_airflow_lists_the_provider() -> None:
    """``airflow providers list`` shows the package."""
    mine = [row for row in airflow_providers()["list"] if row["package_name"] == DISTRIBUTION]
    assert [row["version"] for row in mine] == [airflow_provider_hubbatch.__version__]


@pytest.mark.airflow
def test_airflow_lists_the_hook() -> None:
    """``airflow providers hooks`` shows the connection type, imported without an error."""
    mine = [row for row in airflow_providers()["hooks"] if row["connection_type"] == "hubspot"]
    assert len(mine) == 1
    assert mine[0]["class"] == "airflow_provider_hubbatch.hooks.HubSpotHook"
    assert mine[0]["hook_name"] == "HubSpot"


@pytest.mark.airflow
def test_airflow_lists_the_connection_fields() -> None:
    """``airflow providers widgets`` and ``behaviours`` show the connection form's own fields."""
    fields = {row["connection_parameter_name"] for row in airflow_providers()["widgets"]}
    assert {name for name in fields if "hubspot" in name}
    behaviours = {row["field_behaviours"] for row in airflow_providers()["behaviours"]}
    assert "hubspot" in behaviours


def test_a_dag_file_pays_little_for_the_operator() -> None:
    """Importing the operator after Airflow's SDK loads none of the heavy packages; the task does, when it runs."""
    program = """
import sys
from airflow.sdk import DAG, BaseOperator, task
before = set(sys.modules)
import airflow_provider_hubbatch.operators
print(sorted({name.split(".")[0] for name in set(sys.modules) - before} & {"numpy", "pandas", "pyarrow", "requests"}))
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines()[-1] == "[]"


def public_definitions(path: Path) -> Iterator[tuple[str, ast.AST]]:
    """The module, its public classes and functions, and their public methods."""
    module = ast.parse(path.read_text())
    yield path.stem, module
    for node in module.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and not node.name.startswith("_"):
            if "overload" in map(ast.unparse, node.decorator_list):
                continue
            yield node.name, node
            if isinstance(node, ast.ClassDef):
                yield from ((f"{node.name}.{method.name}", method) for method in public_methods(node))


def public_methods(node: ast.ClassDef) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for method in node.body:
        if isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef)) and not method.name.startswith("_"):
            decorators = {ast.unparse(decorator) for decorator in method.decorator_list}
            if not decorators & {"override", "overload"} and not any(d.endswith(".setter") for d in decorators):
                yield method


PUBLIC_MODULES = [
    path for path in sorted(ROOT.rglob("*.py")) if not path.stem.startswith("_") or path.stem == "__init__"
]


def test_what_is_public_has_a_docstring() -> None:
    """Every public module, class, function and method says what it is for."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bare = [
        f"{path}: {name}"
        for path in PUBLIC_MODULES
        for name, node in public_definitions(path)
        if isinstance(node, documented) and not ast.get_docstring(node)
    ]
    assert bare == []


def test_pins_are_plain_and_complete() -> None:
    """``constraints.txt`` holds ``name==version`` lines only, and what is installed here obeys them."""
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert all(name and version and " " not in name + version for name, version in pins.items())
    installed = {name: importlib.metadata.version(name) for name in pins if _is_installed(name)}
    assert {name: version for name, version in installed.items() if version != pins[name]} == {}


# Imported under another name than the distribution's.
DISTRIBUTIONS = {"airflow": "apache-airflow", "attr": "attrs"}
# Airflow has these where the code that imports them runs: its templates' engine, and its connection form before 3.2.
AIRFLOWS_OWN = {"jinja2", "wtforms"}
PROVIDERS = {name: f"apache-airflow-providers-{name}" for name in ("http", "standard", "postgres", "openlineage")} | {
    "common.compat": "apache-airflow-providers-common-compat"
}


def imported_distributions() -> set[str]:
    """What the package imports from outside the standard library, wherever in a file."""
    found = set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else names
            for name in names:
                provider = name.removeprefix("airflow.providers.") if name.startswith("airflow.providers.") else None
                if provider is not None:
                    found.add(next(value for key, value in PROVIDERS.items() if provider.startswith(key)))
                else:
                    top = name.split(".")[0]
                    found.add(DISTRIBUTIONS.get(top, top))
    return found - set(sys.stdlib_module_names) - AIRFLOWS_OWN - {"airflow_provider_hubbatch"}


def test_what_is_imported_is_declared() -> None:
    """Every package that is imported is a dependency, or of an extra; and nothing is declared that isn't imported."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    declared = {re.split(r"[<>=\[]", line)[0] for line in [*project["dependencies"], *extras]}
    # only where OpenLineage is installed does Airflow ask for what imports its provider
    # postgres: its hook is Airflow's to find
    assert imported_distributions() - declared == {"apache-airflow-providers-openlineage"}
    assert declared - imported_distributions() == {"apache-airflow-providers-postgres"}


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
