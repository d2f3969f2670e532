"""Imports point down only, as docs/design.md draws the layers."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import airflow_provider_hubbatch

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = "airflow_provider_hubbatch"
ROOT = Path(airflow_provider_hubbatch.__file__).parent

# What a layer may import of this package, the lowest first.
MAY_IMPORT = {
    "": frozenset({"provider_info"}),  # the package itself: every DAG file that names an operator pays for it
    "provider_info": frozenset[str](),
    "ui": frozenset({"ui"}),  # every process of Airflow pays for the plugin
    "assets": frozenset[str](),
    "exceptions": frozenset[str](),
    "retries": frozenset({"exceptions"}),
    "core": frozenset({"core", "exceptions"}),
    "lineage": frozenset({"assets", "core"}),
    "links": frozenset({"core", "ui"}),
    "sources": frozenset({"core", "exceptions", "sources"}),
    "reports": frozenset({"core", "sources"}),
    "client": frozenset({"client", "core", "exceptions"}),
    "sync": frozenset({"assets", "client", "core", "exceptions", "lineage", "sources", "sync"}),
    "hooks": frozenset({"", "client", "core", "exceptions", "sync"}),
    "operators": frozenset({"core", "exceptions", "hooks", "lineage", "links", "operators"})
    | frozenset({"retries", "sources", "sync"}),
    "check": frozenset({"client", "core", "exceptions", "hooks", "reports", "sources"}),
    "__main__": frozenset({"check"}),
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

# What can be read at one sitting.
MOST_LINES = 410
MOST_METHODS = 20

MODULES = sorted(ROOT.rglob("*.py"))
CORE = sorted((ROOT / "core").rglob("*.py"))


def layer_of(module: str) -> str:
    """``airflow_provider_hubbatch.core.model`` -> ``core``."""
    return module.removeprefix(PACKAGE).lstrip(".").split(".")[0]


def name_of(path: Path) -> str:
    """``airflow_provider_hubbatch/core/model.py`` -> ``airflow_provider_hubbatch.core.model``."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULE_NAMES = {name_of(path) for path in MODULES}


@cache
def tree_of(path: Path) -> ast.Module:
    """A file, parsed once."""
    return ast.parse(path.read_text())


def imports_of(path: Path, *, for_types: bool = True) -> Iterator[tuple[int, str]]:
    """(line, absolute name) of every import in a file, wherever in it, also in functions.

    :param for_types: also of what only type checkers see.
    """
    tree = tree_of(path)
    unseen = {
        inner
        for node in ast.walk(tree)
        if not for_types and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node not in unseen:
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            assert node.module is not None
            for alias in node.names:
                # "from package import core" names a module as its alias
                inner = f"{node.module}.{alias.name}"
                is_module = node.module.split(".")[0] == PACKAGE and inner in MODULE_NAMES
                yield node.lineno, inner if is_module or node.module == PACKAGE else node.module


def test_imports_point_down() -> None:
    """A module imports only its own layer and those below it."""
    wrong = [
        f"{path}:{line} imports {imported}"
        for path in MODULES
        for line, imported in imports_of(path)
        if imported.split(".")[0] == PACKAGE
        and not imported.startswith(f"{PACKAGE}.__version__")
        and not imported.startswith(f"{PACKAGE}.get_provider_info")
        and layer_of(imported) not in MAY_IMPORT[layer_of(name_of(path))]
    ]
    assert wrong == []


def test_no_modules_import_each_other() -> None:
    """There is no circle of imports, not even for type checkers: each module can be read after those below it."""
    names = {name_of(path): path for path in MODULES}
    below = {}
    for name, path in names.items():
        # of the sandbox, what is only for type checkers may point up: a record knows the table that it lies in
        imported = imports_of(path, for_types="sandbox" not in name)
        below[name] = {one for _, one in imported if one in names and one != name}
    while free := [name for name, imported in below.items() if not imported & below.keys()]:
        for name in free:
            del below[name]
    assert below == {}


def test_a_layer_stays_free_of_what_is_not_its_own() -> None:
    """The core knows no Airflow, no HTTP, no clock, no log; the client knows no Airflow, which only names types."""
    assert [
        f"{path}:{line} imports {name}"
        for path in MODULES
        for line, name in imports_of(path)
        if name.split(".")[0] in NOT_FOR.get(layer_of(name_of(path)), frozenset())
        and (path.name, name) != ("settings.py", "airflow.sdk")  # its Connection
    ] == []


def test_core_asks_no_clock() -> None:
    """What time it is comes into the core as an argument."""
    asked = [
        f"{path}:{node.lineno}"
        for path in CORE
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS
    ]
    assert asked == []


def test_core_needs_nothing_installed_but_orjson_where_json_is_made() -> None:
    """The core runs on the standard library; only what reads and writes JSON in bulk has a parser from outside."""
    import sys

    for path in CORE:
        outside = {name.split(".")[0] for _, name in imports_of(path)} - {PACKAGE} - set(sys.stdlib_module_names)
        assert outside <= ({"orjson"} if path.stem in {"protocol", "checkpoint"} else set()), path


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


def test_modules_and_classes_can_be_read_at_one_sitting() -> None:
    """No module is long; a class of many methods says in its docstring why it is one."""
    too_long = {path: lines for path in MODULES if (lines := path.read_text().count("\n")) > MOST_LINES}
    assert too_long == {}
    for path in MODULES:
        for one in ast.walk(tree_of(path)):
            if isinstance(one, ast.ClassDef):
                methods = sum(isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef)) for inner in one.body)
                why = ast.get_docstring(one) or ""
                assert methods <= MOST_METHODS or "Many methods: " in why, f"{path}: {one.name}"
