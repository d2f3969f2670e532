"""Docs are checked like code: what they show runs, what they list is complete, where they lead exists."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airflow_provider_hubbatch import exceptions, operators
from airflow_provider_hubbatch import exceptions as errors
from airflow_provider_hubbatch.operators.base import HubSpotBatchOperator
from airflow_provider_hubbatch.operators.records import HubSpotRecordsOperator

if TYPE_CHECKING:
    from airflow_provider_hubbatch.sandbox import HubSpotSandbox
    from tests.airflow_dags import RunDag

REPOSITORY = Path(__file__).parent.parent
README = REPOSITORY / "README.md"
ERRORS = REPOSITORY / "docs" / "errors.md"
PAGES = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])

# A block may be marked by a comment on the line before it: <!-- runs --> as a script, <!-- runs as a DAG -->
LINES = re.MULTILINE | re.DOTALL
BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>runs[^>]*) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    mark: str | None
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text()
    return [
        Block(page, text.count("\n", 0, found.start()) + 1, found["language"], found["mark"], found["text"])
        for found in BLOCK.finditer(text)
    ]


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
PYTHON = [block for block in BLOCKS if block.language == "python"]


def test_every_mark_belongs_to_a_block() -> None:
    """A marked block that isn't found would not be run, and nobody would know."""
    marks = sum(page.read_text().count("<!-- runs") for page in PAGES)
    assert marks == sum(block.mark is not None for block in PYTHON)
    assert {block.mark for block in PYTHON} <= {None, "runs", "runs as a DAG"}


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_a_block_compiles(block: Block) -> None:
    """No Python block of the docs has a syntax error."""
    compile(block.text, str(block), "exec")


@pytest.mark.parametrize("block", [block for block in PYTHON if block.mark == "runs"], ids=str)
def test_a_script_of_the_docs_runs(block: Block, sandbox: HubSpotSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is shown as a script runs as it is, against a local HubSpot."""
    monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_TEST", sandbox.connection())  # so that what a block sets is undone
    exec(compile(block.text, str(block), "exec"), {"__name__": "__main__"})


@pytest.mark.airflow
@pytest.mark.parametrize("block", [block for block in PYTHON if block.mark == "runs as a DAG"], ids=str)
def test_a_dag_of_the_docs_runs(block: Block, sandbox: HubSpotSandbox, run_dag: RunDag) -> None:
    """What is shown as a DAG succeeds as it is, against a local HubSpot, and writes something."""
    before = [sandbox.objects(one) for one in ("contacts", "tasks")]
    assert run_dag(block.text).state == "success"
    assert [sandbox.objects(one) for one in ("contacts", "tasks")] != before


def table_after(page: Path, heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    lines = page.read_text().split(f"\n{heading}\n", 1)[1].splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def parameters_of(operator: type) -> dict[str, inspect.Parameter]:
    """The parameters that its own constructor names, in their order."""
    given = inspect.signature(vars(operator)["__init__"]).parameters
    return {name: one for name, one in given.items() if one.kind is one.KEYWORD_ONLY}


# Those that several operators have are on one page.
SHARED = (HubSpotRecordsOperator, HubSpotBatchOperator)
OF_ALL = REPOSITORY / "docs" / "operators.md"
OPERATORS = {
    getattr(operators, name): REPOSITORY / "docs" / page
    for name, page in {
        "HubSpotBatchUpdateOperator": "update.md",
        "HubSpotBatchUpsertOperator": "upsert.md",
        "HubSpotBatchCreateOperator": "create.md",
        "HubSpotBatchArchiveOperator": "archive.md",
        "HubSpotBatchAssociateOperator": "associations.md",
    }.items()
}
each_operator = pytest.mark.parametrize(
    ("operator", "page"), OPERATORS.items(), ids=[page.stem for page in OPERATORS.values()]
)


def documented_in(page: Path) -> dict[str, str]:
    """The parameters of a page's table, with their defaults."""
    return {row[0].strip("`"): row[1].strip("`") for row in table_after(page, "## Parameters")}


def shown_default(parameter: inspect.Parameter) -> str:
    """A parameter's default as the pages write it."""
    if parameter.name == "deferrable":
        return "Airflow's"  # a setting of the deployment, [operators] default_deferrable
    return "" if parameter.default is inspect.Parameter.empty else repr(parameter.default).replace("'", '"')


def templated_in(page: Path) -> list[str]:
    """The parameters of which a page says that they are templated."""
    (sentence,) = re.findall(r"^(`\w+`[^|]*?) are templated", page.read_text(), re.MULTILINE)
    return sorted(re.findall(r"`(\w+)`", sentence))


@each_operator
def test_the_table_has_every_parameter_with_its_default(operator: type[HubSpotBatchOperator], page: Path) -> None:
    """The page's table is the operator's own signature, in its order, and its docstring has each parameter."""
    own = parameters_of(operator)
    documented = documented_in(page)
    assert list(documented) == list(own) == re.findall(r":param (\w+):", inspect.getdoc(operator) or "")
    assert documented == {name: shown_default(one) for name, one in own.items()}


def test_the_table_of_all_has_what_they_share() -> None:
    """What every operator has, and what every operator of records has, is on the page of all."""
    shared = {name: one for operator in SHARED for name, one in parameters_of(operator).items()}
    assert documented_in(OF_ALL) == {name: shown_default(one) for name, one in shared.items()}
    assert list(shared) == [name for one in SHARED for name in re.findall(r":param (\w+):", inspect.getdoc(one) or "")]
    assert templated_in(OF_ALL) == sorted(HubSpotRecordsOperator.template_fields)


@each_operator
def test_the_templated_parameters_are_named(operator: type[HubSpotBatchOperator], page: Path) -> None:
    """The page says which parameters are templated, and no others."""
    called = {attribute: name for name, attribute in operator.named_otherwise.items()}
    own = set(operator.template_fields) - set(HubSpotRecordsOperator.template_fields)
    assert templated_in(page) == sorted(called.get(name, name) for name in own)


def test_every_operator_is_in_the_tables_that_lead_to_it() -> None:
    """The README and the page of all operators name each one, with a link to its page."""
    assert {one.__name__ for one in OPERATORS} == set(operators.__all__)
    for operator, page in OPERATORS.items():
        for text, link in ((README.read_text(), f"](docs/{page.name})"), (OF_ALL.read_text(), f"]({page.name})")):
            assert f"`{operator.__name__}`" in text
            assert link in text


ERROR_CLASSES = [
    name for name, value in vars(errors).items() if isinstance(value, type) and value.__module__ == errors.__name__
]


@pytest.mark.parametrize("name", ERROR_CLASSES)
def test_every_error_is_explained(name: str) -> None:
    """Each exception has its section: what it is, and what to do."""
    sections = dict(re.findall(r"^## `(\w+)`\n(.*?)(?=^## |\Z)", ERRORS.read_text(), LINES))
    assert "**What:**" in sections[name]
    assert "**Do:**" in sections[name]
    assert name in exceptions.__all__


def test_the_tree_of_errors_is_the_classes() -> None:
    """The tree that is drawn has the classes, each below its base."""
    (tree,) = [block.text for block in blocks_of(ERRORS) if block.text.startswith("HubSpotError")]
    bases: dict[str, str | None] = {}
    path: list[str] = []
    for line in tree.splitlines():
        found = re.match(r"(?P<indent>[│├└─ ]*)(?P<name>\w+)", line)
        assert found is not None
        depth = len(found["indent"]) // 4
        path[depth:] = [found["name"]]
        bases[found["name"]] = path[depth - 1] if depth else None
    assert bases == {
        name: None if name == "HubSpotError" else getattr(errors, name).__bases__[0].__name__ for name in ERROR_CLASSES
    }


def without_blocks(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=LINES)


def anchors_of(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every link from page to page has a file, and its anchor a heading."""
    text = without_blocks(page)
    targets = [*re.findall(r"\]\(([^)\s]+)\)", text), *re.findall(r"^\[[^]]+\]: (\S+)$", text, re.MULTILINE)]
    broken = []
    for target in targets:
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        path = (page.parent / file).resolve() if file else page
        if not path.exists() or (anchor and anchor not in anchors_of(path)):
            broken.append(target)
    assert broken == []


def test_the_readme_is_read_in_one_go() -> None:
    """It is short, and has a picture; everything else is in the docs."""
    text = README.read_text()
    assert len(text.splitlines()) < 110
    assert "](docs/images/" in text


def test_the_landing_page_leads_to_every_page() -> None:
    """No page of the docs can be found by chance only."""
    text = (REPOSITORY / "docs" / "README.md").read_text()
    pages = {page.name for page in (REPOSITORY / "docs").glob("*.md")} - {"README.md"}
    assert {name for name in pages if f"]({name}" not in text} == set()
