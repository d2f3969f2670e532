"""The rows of a query, streamed through any DB-API hook of Airflow."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, AirflowNotFoundException, BaseHook

from airflow_provider_hubbatch.core.model import Chunk
from airflow_provider_hubbatch.exceptions import HubSpotError, SettingsError
from airflow_provider_hubbatch.sources import memory
from airflow_provider_hubbatch.sources.columns import check_names, choose_columns

if TYPE_CHECKING:
    from airflow_provider_hubbatch.sources.described import SqlRows

log = logging.getLogger(__name__)

# The name of a server-side cursor; each is alone in its connection.
CURSOR_NAME = "airflow_provider_hubbatch"


# The providers of SQL databases that aren't called as their connection type is
_PROVIDERS = {
    "athena": "amazon",
    "drill": "apache-drill",
    "druid": "apache-druid",
    "gcpbigquery": "google",
    "gcpcloudsqldb": "google",
    "google_cloud_platform": "google",
    "hive_cli": "apache-hive",
    "hiveserver2": "apache-hive",
    "impala": "apache-impala",
    "mssql": "microsoft-mssql",
    "pinot": "apache-pinot",
    "redshift": "amazon",
}


def read_query(source: SqlRows, chunk_rows: int, columns: Sequence[str] | None) -> Generator[Chunk]:
    """The query's rows; the connection is closed whatever happens.

    :param source: the connection and the query.
    :param chunk_rows: the most rows a chunk may have.
    :param columns: those that are needed; ``None``: all.
    :raises SettingsError: no such connection, one that is no database, or a statement whose result is no table with
        distinct column names. What the database itself says is raised as its driver raises it.
    """
    sql, hook = _statement(source), _hook(source.conn_id)
    with _named(source), closing(hook.get_conn()) as connection, _cursor(connection) as cursor:
        cursor.arraysize = source.chunk_rows
        # without parameters a % in the query means itself
        cursor.execute(*((sql, source.parameters) if source.parameters else (sql,)))
        rows = cursor.fetchmany(source.chunk_rows)
        # psycopg2's server-side cursor knows its columns only after a fetch
        names = _read_names(cursor.description)
        chosen, unasked = choose_columns(names, columns, "The query's result")
        first_row = 0
        while rows:
            for start in range(0, len(rows), chunk_rows):
                part = rows[start : start + chunk_rows]
                yield Chunk(first_row, _gather(names, chosen, part), len(part), unasked=unasked)
                first_row += len(part)
            del rows, part  # or they would be held beside the next ones
            rows = cursor.fetchmany(source.chunk_rows)


def _statement(source: SqlRows) -> str:
    sql = source.sql
    if not isinstance(sql, str) or not sql.strip():
        raise SettingsError(f"SqlRows: `sql` must be one query as text, not {type(sql).__name__}.")
    if sql.endswith(".sql") and len(sql.split()) == 1:
        raise SettingsError(
            f"SqlRows: the file {sql!r} wasn't loaded: Airflow does that where SqlRows is a templated field, "
            "such as the operator's `rows`. Elsewhere give the query itself: Path(...).read_text()."
        )
    if not isinstance(source.chunk_rows, int) or source.chunk_rows < 1:
        raise SettingsError(f"SqlRows: `chunk_rows` must be a whole number above 0, not {source.chunk_rows!r}.")
    # some databases refuse it, and none needs it
    return sql.strip().rstrip(";")


def _hook(conn_id: str) -> Any:
    try:
        connection: Any = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException as error:
        raise SettingsError(
            f"SqlRows: Airflow has no connection {conn_id!r}. Add it in Airflow, or correct conn_id."
        ) from error
    try:
        hook = connection.get_hook()
    except (AirflowException, ImportError) as error:
        kind = connection.conn_type
        package = f"apache-airflow-providers-{_PROVIDERS.get(kind, str(kind).replace('_', '-'))}"
        raise SettingsError(
            f"SqlRows: the provider for connection {conn_id!r} of type {kind!r} isn't installed on this worker: "
            f"pip install {package}"
        ) from error
    # by name: where there is a DB-API hook the module is installed, elsewhere it needn't be
    if not memory.is_instance(hook, "airflow.providers.common.sql.hooks.sql", "DbApiHook"):
        raise SettingsError(
            f"SqlRows: connection {conn_id!r} is of type {connection.conn_type!r}, and {type(hook).__name__} "
            "is no hook for a SQL database (a DbApiHook)."
        )
    return hook


@contextmanager
def _named(source: SqlRows) -> Iterator[None]:
    """Say which query it was that the database fails: the error itself stays the driver's, and as worth a retry."""
    try:
        yield
    except (HubSpotError, GeneratorExit):
        raise
    except Exception as error:
        log.error("%s failed: %s", source, type(error).__name__)  # noqa: TRY400 - it is raised
        error.add_note(f"in {source}, of the connection {source.conn_id!r}")
        raise


@contextmanager
def _cursor(connection: Any) -> Iterator[Any]:
    cursor = _open_cursor(connection)
    try:
        yield cursor
    finally:
        # it sends a statement, which fails where the query has: that error is the one to see
        with suppress(Exception):
            cursor.close()


def _open_cursor(connection: Any) -> Any:
    """A cursor that streams: psycopg's plain ones hold the whole result in memory."""
    driver = type(connection).__module__.partition(".")[0]
    if driver == "psycopg2":
        connection.set_session(readonly=True, autocommit=False)
        return connection.cursor(name=CURSOR_NAME)
    if driver == "psycopg":
        connection.autocommit = False
        connection.read_only = True
        return connection.cursor(name=CURSOR_NAME)
    return connection.cursor()


def _read_names(description: Sequence[Sequence[Any]] | None) -> list[str]:
    if description is None:
        raise SettingsError("SqlRows: `sql` is no query: the database answered without columns.")
    return check_names([column[0] for column in description], "The query's result")


def _gather(names: Sequence[str], chosen: Sequence[str], rows: Sequence[Any]) -> dict[str, Sequence[Any]]:
    # a connection's extra can make dicts of rows
    records = [row.values() for row in rows] if isinstance(rows[0], Mapping) else rows
    values = dict(zip(names, zip(*records, strict=True), strict=True))
    return {name: values[name] for name in chosen}
