"""What a DAG's author writes, Airflow renders and the log shows of rows that aren't read yet."""

from __future__ import annotations

import graphlib
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pytest
from airflow.sdk import DAG, BaseOperator

from airflow_provider_hubbatch import sources
from airflow_provider_hubbatch.exceptions import SettingsError
from airflow_provider_hubbatch.sources import FileRows, RejectedRows, SqlRows, chunks, describe, memory, total_rows
from airflow_provider_hubbatch.sources.columns import MAX_COLUMNS, MAX_NAMES_KEPT

if TYPE_CHECKING:
    from tests.airflow_dags import RunDag


class Reads(BaseOperator):
    """An operator with rows in a templated field."""

    template_fields = ("rows",)

    def __init__(self, rows: Any, **options: Any) -> None:
        super().__init__(**options)
        self.rows = rows


def rendered(rows: Any, folder: Path | None = None, **dag_options: Any) -> Any:
    with DAG("reads", schedule=None, **dag_options) as dag:
        task = Reads(task_id="read", rows=rows)
    if folder is not None:
        dag.fileloc = str(folder / "dag.py")
    task.render_template_fields({"task": task, "ds": "2024-02-29"})
    return task.rows


def test_sql_rows_are_rendered_into_new_ones() -> None:
    """Templates in every field are rendered, and the object in the DAG file stays as it is for the next task."""
    rows = SqlRows("wh_{{ ds }}", "select '{{ ds }}'", {"since": "{{ ds }}", "top": 3}, chunk_rows=5)
    assert rendered(rows) == SqlRows("wh_2024-02-29", "select '2024-02-29'", {"since": "2024-02-29", "top": 3}, 5)
    assert rows.conn_id == "wh_{{ ds }}"
    assert rendered(FileRows(Path("absent.csv"))) == FileRows(Path("absent.csv"))
    assert rendered([RejectedRows("s3://b/{{ ds }}", ["rejected"], task_id="t_{{ ds }}"), [{"id": "{{ ds }}"}]]) == [
        RejectedRows("s3://b/2024-02-29", ["rejected"], task_id="t_2024-02-29"),
        [{"id": "2024-02-29"}],
    ]
    assert rendered(FileRows("{{ ds }}.csv", conn_id="c", delimiter=";")) == FileRows(
        "2024-02-29.csv", conn_id="c", delimiter=";"
    )


def test_sql_rows_need_a_task_to_be_rendered() -> None:
    """Rendered with a context of one's own making, without its task, they say so."""
    with pytest.raises(SettingsError, match="`task`"):
        SqlRows("wh", "select 1").resolve({"ds": "2024-02-29"})


def test_sql_rows_load_sql_files_from_where_operators_do(tmp_path: Path) -> None:
    """A .sql file is found in the DAG's folder or its template_searchpath, and rendered with what it includes."""
    (tmp_path / "dags" / "sql").mkdir(parents=True)
    (tmp_path / "shared").mkdir()
    (tmp_path / "dags" / "sql" / "a.sql").write_text("select * from t where {% include 'b.sql' %}\n")
    (tmp_path / "shared" / "b.sql").write_text("day = '{{ ds }}'")
    options = {"template_searchpath": [str(tmp_path / "shared")]}
    sql = "select * from t where day = '2024-02-29'"
    assert rendered(SqlRows("wh", "sql/a.sql"), tmp_path / "dags", **options) == SqlRows("wh", sql)
    assert rendered(SqlRows("wh", "sql/a.sql"), tmp_path / "dags", **options, render_template_as_native_obj=True) == (
        SqlRows("wh", sql)
    )
    with pytest.raises(SettingsError, match=f"no file 'absent.sql'.*{tmp_path}/dags, {tmp_path}/shared"):
        rendered(SqlRows("wh", "absent.sql"), tmp_path / "dags", **options)


def test_representations_show_no_data() -> None:
    """What "Rendered Templates" and the log show is how the query begins and the path, never a value or a row."""
    rows = SqlRows("wh", "select id, email from contacts", {"email": "ann@example.com"})
    assert repr(rows) == (
        "SqlRows(conn_id='wh', sql='select id, email from contacts' (hash 245a9ed4), parameters={'email': ...})"
    )
    assert "parameters=[..., ...], chunk_rows=7)" in repr(SqlRows("wh", "select 1", ["ann", 2], 7))
    assert describe(SqlRows("wh", "select " + "x, " * 500, ["a"] * 50)).endswith(" ...)")
    assert len(describe(SqlRows("wh", "select " + "x, " * 500, ["a"] * 50))) <= 200


@pytest.mark.parametrize(
    "sql",
    [
        "select * from t where email = 'ann@example.com'",
        "select * from t where n=4711",
        "select * from t where name = E'ann'",
        "select * from t -- ann",
        "select * from t /* ann */",
        "select * from t # ann",
        "select * from t where x = $$ann$$",
        "select 'ann'",
        "'ann'",
        'select * from t where x = "ann"',
        "select a, b, c, d, e, f, g from a_table_with_a_long_name where deep in (ann)",
    ],
)
def test_a_query_is_shown_without_its_literals(sql: str) -> None:
    """The text ends before the first literal or comment; the hash tells one query from another."""
    shown = repr(SqlRows("wh", sql))
    assert not any(literal in shown for literal in ("ann", "4711", "$$"))
    assert shown.split("(hash")[1] != repr(SqlRows("wh", sql + " ")).split("(hash")[1]


@pytest.mark.parametrize(
    ("rows", "said", "count"),
    [
        ([{"id": "secret"}] * 1_204, "1,204 rows (list of dicts)", 1_204),
        ([[{"id": "secret"}] * 3, [], [{}]], "4 rows (list of 3 sources)", 4),
        ([], "0 rows (list of dicts)", 0),
        ([pd.DataFrame({"id": [1, 2]}), [{}]], "3 rows (list of 2 sources)", 3),
        ([SqlRows("wh", "select 1"), [{}]], "list of 2 sources", None),
        (
            [RejectedRows("a"), SqlRows("wh", "select")],
            "RejectedRows(results_path='a'), then SqlRows(conn_id='wh', sql='select' (hash 8a682daa))",
            None,
        ),
        (pd.DataFrame({"id": range(1_000)}), "DataFrame of 1,000 rows x 1 column", 1_000),
        (pa.table({"id": [1, 2]}), "2 rows (Table)", 2),
        ({1: {"id": "secret"}}.values(), "1 row (dict_values)", 1),
        (iter([{"id": "secret"}]), "list_iterator", None),
        ("a secret", "str", None),
        (None, "NoneType", None),
        ({"id": "secret"}, "dict", None),
    ],
)
def test_rows_are_described_and_counted_without_reading(rows: Any, said: str, count: int | None) -> None:
    """Rows are described by kind and number, where that is known without reading them."""
    assert describe(rows) == said
    assert total_rows(rows) == count


def test_files_are_described_without_being_opened() -> None:
    """To describe rows opens no file, not even to count them."""
    assert describe(["absent.parquet", "b.parquet"]) == "list of 2 sources"
    assert describe("absent.parquet") == "FileRows(path='absent.parquet')"
    with pytest.raises(SettingsError, match=r"no file 'absent\.parquet'"):
        total_rows(["absent.parquet"])


class Mapped(Sequence[Any]):
    """Stands for Airflow's LazyXComSequence: each slice is a request."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items
        self.slices: list[slice] = []

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, key: Any) -> Any:
        self.slices.append(key)
        return self.items[key]


@pytest.mark.parametrize(
    ("items", "requests"),
    [([{"id": n} for n in range(950)], 12), ([[{"id": n}] * 400 for n in range(10)], 7), ([], 1)],
)
def test_mapped_results_are_read_by_few_slices(items: list[Any], requests: int) -> None:
    """The results of a mapped task come in order, by slices of about one chunk's rows."""
    mapped = Mapped(items)
    assert list(memory.iterate_lazy_xcom(mapped, 1_000)) == items
    assert len(mapped.slices) <= requests
    assert all(isinstance(key, slice) for key in mapped.slices)


def test_a_generator_is_read_only_as_far_as_asked() -> None:
    """Rows of a generator are taken when a chunk is asked for, not before."""
    taken = []

    def rows() -> Iterator[dict[str, int]]:
        for n in range(10):
            taken.append(n)
            yield {"id": n}

    reader = chunks(rows(), chunk_rows=3)
    assert taken == []
    assert next(reader).columns == {"id": [0, 1, 2]}
    assert taken == [0, 1, 2]


def wide(kind: str, folder: Path) -> Any:
    """Three rows of four columns, of which two are asked for."""
    rows = [{"id": n, "name": f"n{n}", "ssn": "secret", "hash": "secret"} for n in range(3)]
    frame = pd.DataFrame(rows)
    match kind:
        case "dicts":
            return rows
        case "odd dicts":
            return [{**rows[0], 1: 2}, *rows[1:]]
        case "lists":
            return [rows[:1], rows[1:]]
        case "frame":
            return frame
        case "arrow":
            return pa.table(frame)
        case "csv":
            frame.to_csv(folder / "a.csv", index=False)
        case "jsonl":
            frame.to_json(folder / "a.jsonl", orient="records", lines=True)
        case "parquet":
            frame.to_parquet(folder / "a.parquet")
        case "sql":
            return SqlRows("lite", "select 1 as id, 'n' as name, 'secret' as ssn, 'secret' as hash")
    return str(folder / f"a.{kind}")


@pytest.mark.parametrize("kind", ["dicts", "odd dicts", "lists", "frame", "arrow", "csv", "jsonl", "parquet", "sql"])
def test_only_columns_in_use_are_gathered(kind: str, tmp_path: Path, connect: Any) -> None:
    """Of any source, a column that no setting names is not held; where one is missing, the others' names are told."""
    connect("lite", conn_type="sqlite", host=":memory:")
    for part in chunks(wide(kind, tmp_path), columns=["name", "id"]):
        assert list(part.columns) == ["id", "name"]
    first = next(chunks(wide(kind, tmp_path), columns=["id", "nmae"]))
    assert list(first.columns) == ["id"]
    assert {"id", "name", "ssn", "hash"} <= set(first.names)


def test_sparse_dicts_cost_what_is_asked_for() -> None:
    """A thousand rows that have sixty keys of their own each are a chunk of the two columns in use."""
    rows = [{"id": n, "name": "x"} | {f"key {n} {k}": "x" for k in range(60)} for n in range(1_000)]
    (part,) = chunks(rows, columns=["id", "name"])
    assert (list(part.columns), part.length, part.unasked) == (["id", "name"], 1_000, ())
    (part,) = chunks(rows, columns=["id", "absent"])
    assert (list(part.columns), len(part.unasked)) == (["id"], MAX_NAMES_KEPT)


def test_rows_have_a_most_of_columns() -> None:
    """More columns than an object type can have properties: a table is refused, a dict is one bad row."""
    names = [f"c{n}" for n in range(MAX_COLUMNS + 1)]
    with pytest.raises(SettingsError, match=r"2,001 columns .*`properties`"):
        list(chunks(pd.DataFrame([[1] * len(names)], columns=names)))
    rows = [{"id": 1}, dict.fromkeys(names, 1), *({"id": n, f"c{n}": 1} for n in range(2 * MAX_COLUMNS))]
    parts = list(chunks(rows))
    assert sum(part.length for part in parts) == len(rows)
    assert max(len(part.columns) for part in parts) <= MAX_COLUMNS
    assert {part.first_row + offset: why for part in parts for offset, why in part.invalid.items()} == {
        1: "row 1 has 2,001 columns, more than an object type can have properties (2,000 at most)"
    }


def test_sources_import_in_one_direction() -> None:
    """No module of the sources imports one that imports it, also where only a type checker would."""
    folder = Path(sources.__file__).parent
    imports = {
        path.stem: set(re.findall(r"airflow_provider_hubbatch\.sources\.?(\w*) import", path.read_text()))
        | {
            name
            for names in re.findall(r"airflow_provider_hubbatch\.sources import ([\w, ]+)", path.read_text())
            for name in names.split(", ")
        }
        for path in folder.glob("*.py")
        if path.stem != "__init__"
    }
    order = list(graphlib.TopologicalSorter(imports).static_order())
    assert order.index("described") < order.index("sql") < order.index("read")


def test_importing_sources_loads_nothing_heavy() -> None:
    """A DAG file that imports SqlRows and FileRows loads no pandas, numpy, pyarrow, SQL or HTTP module by it."""
    heavy = ["airflow", "pandas", "numpy", "pyarrow", "sqlalchemy", "requests", "csv", "gzip", "fsspec"]
    code = (
        "import sys; from airflow_provider_hubbatch.sources import FileRows, SqlRows; SqlRows('a', 'b'); "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


DAG_SOURCE = """
import pandas as pd
from airflow.sdk import dag, task
from airflow_provider_hubbatch.sources import SqlRows, chunks

@dag(schedule=None)
def reads():
    @task
    def read(rows):
        return [part.row(n) for part in chunks(rows) for n in range(part.length)]

    @task
    def extract(n):
        return [{"id": n}, {"id": n + 1}]

    @task
    def frame(n):
        return pd.DataFrame({"id": [n]})

    queries = [SqlRows("lite", "select 1 as id"), SqlRows("lite", "select {{ ti.map_index }} + 10 as id")]
    read.override(task_id="queries").expand(rows=queries)
    same = SqlRows("lite", "select {{ ti.map_index }} as id")
    @task
    def shared(n, rows):
        return [part.row(0) for part in chunks(rows)]
    shared.partial(rows=same).expand(n=["a", "b"])
    read.override(task_id="lists")(extract.expand(n=[10, 20]))
    read.override(task_id="frames")(frame.expand(n=[1, 2]))

reads()
"""


@pytest.mark.airflow
def test_sources_in_a_real_dag(run_dag: RunDag, connect: Any) -> None:
    """SqlRows work mapped and shared between mapped tasks; mapped tasks' lists and DataFrames are read as one."""
    connect("lite", conn_type="sqlite", host=":memory:")
    result = run_dag(DAG_SOURCE)
    assert result.state == "success"
    assert [result.xcom("queries", map_index=n) for n in (0, 1)] == [[{"id": 1}], [{"id": 11}]]
    assert [result.xcom("shared", map_index=n) for n in (0, 1)] == [[{"id": 0}], [{"id": 1}]]
    assert result.xcom("lists") == [{"id": 10}, {"id": 11}, {"id": 20}, {"id": 21}]
    assert result.xcom("frames") == [{"id": 1}, {"id": 2}]
