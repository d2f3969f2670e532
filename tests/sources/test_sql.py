"""Rows from real databases, through Airflow's own hooks."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from airflow_provider_hubbatch.exceptions import SettingsError
from airflow_provider_hubbatch.sources import SqlRows, chunks, total_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_hubbatch.core.model import Chunk

pytestmark = pytest.mark.slow

psycopg: Any = pytest.importorskip("psycopg")
psycopg2: Any = pytest.importorskip("psycopg2")

# What a process may grow by while it reads, however many rows there are; measured: 7 to 15 MB.
MOST_GROWTH_MB = 30


@pytest.fixture
def lite(tmp_path: Path, connect: Callable[..., str]) -> str:
    path = tmp_path / "crm.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("create table contacts (id integer, email text, amount real)")
        database.executemany(
            "insert into contacts values (?, ?, ?)", [(n, f"user{n}@example.com", n / 2) for n in range(2_500)]
        )
        database.commit()
    return connect("lite", conn_type="sqlite", host=str(path))


@pytest.fixture(params=["psycopg", "psycopg2"])
def pg(
    request: pytest.FixtureRequest,
    warehouse: dict[str, Any],
    connect: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """A connection to PostgreSQL, by each of the drivers that Airflow's hook may use."""
    monkeypatch.setattr("airflow.providers.postgres.hooks.postgres.USE_PSYCOPG3", request.param == "psycopg")
    return connect("pg", **warehouse)


@pytest.fixture
def sessions(warehouse: dict[str, Any]) -> Iterator[Callable[[], int]]:
    """How many connections PostgreSQL has, this fixture's own aside."""
    own = {"host": warehouse["host"], "port": warehouse["port"], "user": warehouse["login"], "dbname": "postgres"}
    with psycopg.connect(**own, autocommit=True) as connection:

        def count() -> int:
            query = "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> %s"
            for _ in range(50):  # a server process ends a moment after its client has gone
                (found,) = connection.execute(query, [connection.info.backend_pid]).fetchone() or (0,)
                if found == 0:
                    break
                connection.execute("select pg_sleep(0.02)")
            return int(found)

        yield count


def values(parts: list[Chunk], column: str) -> list[Any]:
    return [value for part in parts for value in part.columns[column]]


def open_files(path_part: str) -> list[str]:
    links = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return [link for link in links if path_part in link]


def test_sql_rows_come_in_order_in_small_chunks(lite: str) -> None:
    """A query's rows come in its order, each once, in chunks that are smaller than what is fetched at a time."""
    rows = SqlRows(lite, "select * from contacts order by id;", chunk_rows=700)
    parts = list(chunks(rows, chunk_rows=300))
    assert values(parts, "id") == list(range(2_500))
    assert [part.first_row for part in parts] == [sum(p.length for p in parts[:i]) for i in range(len(parts))]
    assert max(part.length for part in parts) == 300
    assert list(parts[0].columns) == ["id", "email", "amount"]
    assert parts[0].complete
    assert total_rows(rows) is None


@pytest.mark.parametrize(("placeholder", "parameters"), [(":id", {"id": 7}), ("?", [7]), ("?", (7,))])
def test_sql_rows_take_parameters(lite: str, placeholder: str, parameters: Any) -> None:
    """Parameters reach the driver as a dict or a list, not as text in the query."""
    (part,) = chunks(SqlRows(lite, f"select email from contacts where id = {placeholder}", parameters))
    assert part.row(0) == {"email": "user7@example.com"}


def test_sql_rows_without_parameters_leave_percent_signs_alone(lite: str, pg: str) -> None:
    """A query may have LIKE 'a%' as it stands."""
    assert values(list(chunks(SqlRows(lite, "select id from contacts where email like 'user24%'"))), "id")
    assert values(list(chunks(SqlRows(pg, "select name from contacts where name like '%99999'"))), "name")


def test_sql_rows_of_nothing_are_no_chunks(lite: str, pg: str) -> None:
    """A query without rows is an empty sync, not an error."""
    assert list(chunks(SqlRows(lite, "select id from contacts where id < 0"))) == []
    assert list(chunks(SqlRows(pg, "select name from contacts where false"))) == []


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("select id, email as id from contacts", "more than one column named 'id'"),
        ('select id as "" from contacts', "column without a name"),
        ("delete from contacts", "is no query"),
        ("queries/contacts.sql", "queries/contacts.sql' wasn't loaded"),
        ("  ", "must be one query"),
        (["select 1"], "must be one query as text, not list"),
    ],
)
def test_sql_rows_refuse_what_is_no_table(lite: str, sql: Any, said: str) -> None:
    """A statement that can't give rows with distinct column names is a wrong setting, and nothing is changed by it."""
    with pytest.raises(SettingsError, match=said):
        list(chunks(SqlRows(lite, sql)))
    assert len(values(list(chunks(SqlRows(lite, "select id from contacts"))), "id")) == 2_500


def test_sql_rows_refuse_connections_that_are_no_database(connect: Callable[..., str]) -> None:
    """A connection that is missing, of an unknown type or no database is named."""
    connect("web", conn_type="http", host="localhost")
    connect("odd", conn_type="no_such_type")
    for conn_id, said in [("absent", "no connection 'absent'"), ("odd", "'no_such_type'"), ("web", "HttpHook")]:
        with pytest.raises(SettingsError, match=said):
            list(chunks(SqlRows(conn_id, "select 1")))
    with pytest.raises(SettingsError, match="`chunk_rows`"):
        list(chunks(SqlRows("web", "select 1", chunk_rows=0)))


def test_sql_rows_leave_the_databases_own_errors_alone(lite: str, pg: str) -> None:
    """What the database says is raised as its driver raises it, for Airflow's retries to see."""
    with pytest.raises(sqlite3.OperationalError):
        list(chunks(SqlRows(lite, "select absent from contacts")))
    with pytest.raises((psycopg.Error, psycopg2.Error)):
        list(chunks(SqlRows(pg, "select absent from contacts")))


def test_sql_rows_close_sqlite_whatever_happens(lite: str) -> None:
    """However reading ends, the database file is closed."""
    rows = SqlRows(lite, "select * from contacts", chunk_rows=100)
    list(chunks(rows))
    reader = chunks(rows)
    next(reader)
    assert open_files("crm.db")
    reader.close()
    reader = chunks(rows)
    next(reader)
    with pytest.raises(ZeroDivisionError):
        reader.throw(ZeroDivisionError())
    with pytest.raises(SettingsError):
        list(chunks(SqlRows(lite, "select 1 as a, 2 as a")))
    assert open_files("crm.db") == []


def test_sql_rows_close_postgres_whatever_happens(pg: str, sessions: Callable[[], int]) -> None:
    """However reading ends, the server is left without a connection."""
    rows = SqlRows(pg, "select name from contacts", chunk_rows=100)
    with closing(chunks(rows)) as parts:
        next(parts)
    with pytest.raises((psycopg.Error, psycopg2.Error)):
        list(chunks(SqlRows(pg, 'select 1 / ("row" - 1500) from contacts', chunk_rows=1_000)))
    with pytest.raises(SettingsError, match="more than one column"):
        list(chunks(SqlRows(pg, "select 1, 2")))
    assert sessions() == 0


def test_sql_rows_stream_from_postgres(pg: str) -> None:
    """The first rows of a result too big for any memory come at once: it stays on the server."""
    with closing(chunks(SqlRows(pg, "select generate_series(1, 1000000000000) as n"))) as parts:
        assert next(parts).columns["n"][:2] == (1, 2)


def test_sql_rows_cannot_write_to_postgres(pg: str) -> None:
    """The query runs in a read-only transaction."""
    with pytest.raises((psycopg.errors.ReadOnlySqlTransaction, psycopg2.errors.ReadOnlySqlTransaction)):
        list(chunks(SqlRows(pg, "select nextval('touched')")))


def test_sql_rows_read_200_000_rows_of_every_type(pg: str) -> None:
    """Every row of a big table comes once, and its values as Python's own types, with nothing rounded."""
    count = 0
    for part in chunks(SqlRows(pg, 'select * from contacts order by "row"')):
        assert part.first_row == count
        assert part.columns["row"] == tuple(range(count, count + part.length))
        count += part.length
    assert count == 200_000
    (part,) = chunks(SqlRows(pg, 'select * from contacts where "row" = %(row)s', {"row": 3}))
    row = part.row(0)
    assert str(row.pop("key")) == str(UUID(int=3))  # psycopg2 gives text
    assert row.pop("seen_at") == datetime(2024, 3, 30, 23, 30, 3, tzinfo=UTC)
    assert row == {
        "row": 3,
        "big": 9007199254740996,
        "amount": Decimal("0.4286"),
        "share": 3 * 0.1,
        "name": "name 3",
        "subscribed": False,
        "day": date(2020, 2, 29) + timedelta(days=3),
        "seen": datetime(2024, 3, 31, 1, 30, 3),  # noqa: DTZ001 - a timestamp without zone has none
        "extra": {"n": 3},
        "tags": ["a", "b3"],
        "nothing": None,
    }


@pytest.mark.parametrize("kind", ["dictcursor", "namedtuplecursor"])
def test_sql_rows_read_whatever_rows_the_connection_makes(
    warehouse: dict[str, Any], connect: Callable[..., str], kind: str
) -> None:
    """A connection whose extra asks for another cursor gives the same rows."""
    connect("pg", **warehouse, extra={"cursor": kind})
    (part,) = chunks(SqlRows("pg", 'select "row", name from contacts where "row" < 2 order by 1'))
    assert part.columns == {"row": (0, 1), "name": ("name 0", "name 1")}


MEASURE = """
import gc, sys
from pathlib import Path
from airflow_provider_hubbatch.sources import SqlRows, chunks

def megabytes(key):
    return int(Path("/proc/self/status").read_text().split(key + ":")[1].split()[0]) / 1024

list(chunks(SqlRows("measured", "select 1 as n")))
gc.collect()
for sql in sys.argv[1:]:
    Path("/proc/self/clear_refs").write_text("5")
    idle = megabytes("VmRSS")
    count = sum(part.length for part in chunks(SqlRows("measured", sql)))
    print("measured", count, megabytes("VmHWM") - idle)
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_sql_rows_need_no_more_memory_for_more_rows(
    kind: str, request: pytest.FixtureRequest, connect: Callable[..., str]
) -> None:
    """A process grows by a few batches while it reads a query, however many rows that has."""
    fields = {"conn_type": "sqlite", "host": ":memory:"} if kind == "sqlite" else request.getfixturevalue("warehouse")
    connect("measured", **fields)
    text = ", ".join(f"'column {n} ' || n as c{n}" for n in range(10))
    queries = [
        f"with recursive s(n) as (select 1 union all select n + 1 from s where n < {rows}) select n, {text} from s"
        for rows in (20_000, 150_000)
    ]
    command = [sys.executable, "-c", MEASURE, *queries]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    measured = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("measured")]
    assert [int(count) for count, _ in measured] == [20_000, 150_000]
    assert all(float(growth_mb) < MOST_GROWTH_MB for _, growth_mb in measured)


def test_a_query_that_fails_is_named(lite: str, caplog: pytest.LogCaptureFixture) -> None:
    """The driver's error stays as it is, and says of which connection and query; the log too, without the literals."""
    source = SqlRows(lite, "select id from customers where name = 'Geheimnis'")
    with pytest.raises(Exception, match="no such table: customers") as caught:
        list(chunks(source))
    (note,) = caught.value.__notes__
    assert "of the connection 'lite'" in note
    assert "select" in note
    assert "Geheimnis" not in note + caplog.text
    assert "SqlRows(conn_id='lite'" in caplog.text
