"""Real databases for rows to come from: SQLite files, and a PostgreSQL server of the tests' own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.postgres import NOT_THERE, PostgresServer, postgres_programs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What every kind of column that a warehouse may have looks like; "row" is the row's index.
TYPES_OF_EVERY_KIND = """
select n::int as "row", 9007199254740993 + n as big, (n / 7.0)::numeric(20, 4) as amount, n * 0.1::float8 as share,
  'name ' || n as name, n % 2 = 0 as subscribed, date '2020-02-29' + n % 1000 as day,
  timestamp '2024-03-31 01:30:00' + n * interval '1 second' as seen,
  timestamptz '2024-03-31 01:30:00+02' + n * interval '1 second' as seen_at,
  ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid as key,
  jsonb_build_object('n', n) as extra, array['a', 'b' || n] as tags, null::text as nothing
from generate_series(0, {last}) as n
"""


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Define an Airflow connection for this test: ``connect("warehouse", conn_type="sqlite", host=...)``."""

    def define(conn_id: str, **fields: Any) -> str:
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))
        return conn_id

    return define


@pytest.fixture(scope="session")
def postgres() -> Iterator[dict[str, Any]]:
    """The fields of an Airflow connection to a PostgreSQL server that lives as long as the session."""
    programs = postgres_programs()
    if programs is None:
        pytest.skip(NOT_THERE)
    with PostgresServer(programs) as server:
        yield server.fields


@pytest.fixture(scope="session")
def warehouse(postgres: dict[str, Any]) -> dict[str, Any]:
    """The server's connection fields, with 200,000 rows of every kind in the table ``contacts``."""
    import psycopg

    with psycopg.connect(
        host=postgres["host"], port=postgres["port"], user=postgres["login"], dbname=postgres["schema"]
    ) as connection:
        connection.execute("create table contacts as " + TYPES_OF_EVERY_KIND.format(last=199_999))
        connection.execute("create sequence touched")
    return postgres
