"""Imports point down only, as docs/design.md draws the layers."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import airflow_provider_hubbatch

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = "airflow_provider_hubbatch"
ROOT = Path(airflow_provider_hubbatch.__file__).parent

# What a layer may import of this package. A module that is in none of them is Airflow's side, which may import all
# but the sandbox.
MAY_IMPORT = {
    "": frozenset({"provider_info"}),  # the package itself: every DAG file that names the operator pays for it
    "provider_info": frozenset[str](),
    "ui": frozenset({"ui"}),  # every process of Airflow pays for the plugin
    "exceptions": frozenset[str](),
    "core": frozenset({"core", "exceptions"}),
    "sources": frozenset({"core", "exceptions", "sources"}),
    "client": frozenset({"client", "core", "exceptions"}),
    "sync": frozenset({"assets", "client", "core", "exceptions", "lineage", "sources", "sync"}),
    "sandbox": frozenset({"sandbox"}),
}

# Decisions are data in, data out: whatever makes them depend on the machine or the moment stays outside.
IMPURE = frozenset(
    {"airflow", "asyncio", "concurrent", "http", "io", "logging", "numpy", "os", "pandas", "pathlib", "pyarrow"}
    | {"random", "requests", "secrets", "socket", "sqlite3", "subprocess", "threading", "time", "urllib3"}
)
NOT_FOR = {
    "core": IMPURE,
    "client": frozenset({"airflow", "numpy", "pandas", "pyarrow"}),
    "sandbox": frozenset({"airflow", "numpy", "pandas", "pyarrow"}),
}
CLOCKS = frozenset({"now", "utcnow", "today"})

MODULES = sorted(ROOT.rglob("*.py"))


def layer_of(module: str) -> str:
    """``airflow_provider_hubbatch.core.model`` -> ``core``."""
    return module.removeprefix(PACKAGE).lstrip(".").split(".")[0]


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """(line, absolute name) of every import in a file, wherever in it: also in functions and for type checkers."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            assert node.module is not None
            # "from package import core" names the layer as its alias
            if node.module == PACKAGE:
                yield from ((node.lineno, f"{PACKAGE}.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, node.module


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_down(path: Path) -> None:
    """A module imports only its own layer and those below it."""
    own = layer_of(name_of(path))
    wrong = []
    for line, imported in imports_of(path):
        if imported.split(".")[0] != PACKAGE or layer_of(imported) == "__version__":
            continue
        allowed = MAY_IMPORT.get(own)
        if (layer_of(imported) not in allowed) if allowed is not None else (layer_of(imported) == "sandbox"):
            wrong.append(f"{path.name}:{line} imports {imported}")
    assert wrong == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_layer_stays_free_of_what_is_not_its_own(path: Path) -> None:
    """The core knows no Airflow, no HTTP, no clock, no log; the client knows no Airflow, which only names types."""
    banned = NOT_FOR.get(layer_of(name_of(path)), frozenset())
    assert [
        f"{path.name}:{line} imports {name}"
        for line, name in imports_of(path)
        if name.split(".")[0] in banned and (path.name, name) != ("settings.py", "airflow.sdk")  # its Connection
    ] == []


@pytest.mark.parametrize("path", sorted((ROOT / "core").glob("*.py")), ids=name_of)
def test_core_asks_no_clock(path: Path) -> None:
    """What time it is comes into the core as an argument."""
    calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    asked = [f"{path.name}:{c.lineno}" for c in calls if isinstance(c.func, ast.Attribute) and c.func.attr in CLOCKS]
    assert asked == []


@pytest.mark.parametrize("path", sorted((ROOT / "core").glob("*.py")), ids=name_of)
def test_core_needs_nothing_installed_but_orjson_where_json_is_made(path: Path) -> None:
    """The core runs on the standard library; only what reads and writes JSON in bulk has a parser from outside."""
    import sys

    outside = {name.split(".")[0] for _, name in imports_of(path)} - {PACKAGE} - set(sys.stdlib_module_names)
    assert outside <= ({"orjson"} if path.stem in {"protocol", "checkpoint"} else set())


def test_a_provider_info_costs_nothing() -> None:
    """Airflow reads the provider's description in every process; it imports nothing but the standard library."""
    import subprocess
    import sys

    program = (
        "import sys; import airflow_provider_hubbatch as package; package.get_provider_info(); "
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'airflow', 'requests', 'pandas', 'orjson'}))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
