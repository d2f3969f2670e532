"""Where rows come from: an upstream task, a DataFrame, a query, a file, anything that yields dicts.

:class:`SqlRows` and :class:`FileRows` say in a DAG file what to read; nothing is read, and no pandas, pyarrow or
database module is loaded, before :func:`chunks` is asked for the first row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Sized
from contextlib import closing
from dataclasses import KW_ONLY, dataclass, fields, replace
from itertools import chain, groupby, islice
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ClassVar, Self

from airflow_provider_hubbatch.exceptions import SettingsError
from airflow_provider_hubbatch.sources import memory
from airflow_provider_hubbatch.sources.paths import dataset_of_path, is_path, show_path

if TYPE_CHECKING:
    import os
    from collections.abc import Generator

    from airflow_provider_hubbatch.core.model import Chunk

# Rows under way keep their chunk alive: small ones bound the memory.
CHUNK_ROWS = 1_000


class _Source:
    """Rows that are described first and read later."""

    template_fields: ClassVar[tuple[str, ...]]

    def resolve(self, context: Mapping[str, Any]) -> Self:
        """What Airflow calls to render a templated field that holds this object.

        A new object, because one in a DAG file may serve many mapped tasks and tries.

        :param context: the task's context.
        :raises SettingsError: there is no such ``.sql`` file, or no ``task`` in the context.
        """
        if "task" not in context:
            raise SettingsError(f"{type(self).__name__} is rendered by a task: its context must have `task` in it.")
        rendered = {name: self._render(name, context) for name in self.template_fields}
        return replace(self, **rendered)  # type: ignore[type-var]

    def _render(self, name: str, context: Mapping[str, Any]) -> Any:
        value = getattr(self, name)
        # some versions of Airflow take Path.resolve for a way to render it
        return value if isinstance(value, PurePath) else context["task"].render_template(value, context)


@dataclass(repr=False)
class SqlRows(_Source):
    """The rows of a query, streamed: memory doesn't grow with their number.

    A PostgreSQL connection is read through a server-side cursor in a read-only transaction that stays open for as
    long as the sync takes; any other by ``fetchmany``. (MySQL's client fetches all of a result at once unless the
    connection's extra says ``{"cursor": "SSCursor"}``.) Without ``ORDER BY`` the database may give the rows in another
    order next time.

    :param conn_id: an Airflow connection whose hook is a DB-API hook. Templated.
    :param sql: one query, or the path of a ``.sql`` file in the DAG's folder or its ``template_searchpath``. Templated.
    :param parameters: a dict or list for the query's placeholders, as the database's driver writes them. Templated;
        a task whose output is used here has to be set upstream by ``>>``.
    :param chunk_rows: how many rows to fetch at a time.
    """

    conn_id: str
    sql: str
    parameters: Mapping[str, Any] | Sequence[Any] | None = None
    chunk_rows: int = 10_000

    template_fields: ClassVar[tuple[str, ...]] = ("conn_id", "sql", "parameters")

    def __repr__(self) -> str:
        return _show(self, parameters=_show_parameters(self.parameters))

    def read(self, chunk_rows: int, columns: Sequence[str] | None) -> Generator[Chunk]:  # noqa: ARG002
        """The rows; see :func:`chunks`."""
        from airflow_provider_hubbatch.sources.sql import read_query  # noqa: PLC0415 - loads database modules

        return read_query(self, chunk_rows)

    def _render(self, name: str, context: Mapping[str, Any]) -> Any:
        if name == "sql" and isinstance(self.sql, str) and self.sql.endswith(".sql"):
            return _render_file(self.sql, context)
        return super()._render(name, context)


@dataclass(repr=False)
class FileRows(_Source):
    """The rows of a Parquet, CSV or JSON lines file, streamed: memory doesn't grow with their number.

    :param path: a local path, or the URL of anything that Airflow's ``ObjectStoragePath`` opens. Templated.
    :param conn_id: the Airflow connection to open it with. Templated.
    :param format: ``parquet``, ``csv`` or ``jsonl``; ``None``: by the path's ending, ``.gz`` aside. Templated.
    :param encoding: of a CSV or JSON lines file; the default is UTF-8 with or without a byte order mark.
    :param delimiter: between the fields of a CSV file.
    """

    path: str | os.PathLike[str]
    _: KW_ONLY
    conn_id: str | None = None
    format: str | None = None
    encoding: str = "utf-8-sig"
    delimiter: str = ","

    template_fields: ClassVar[tuple[str, ...]] = ("path", "conn_id", "format")

    def __repr__(self) -> str:
        return _show(self, path=repr(show_path(self.path)))

    def read(self, chunk_rows: int, columns: Sequence[str] | None) -> Generator[Chunk]:
        """The rows; see :func:`chunks`."""
        from airflow_provider_hubbatch.sources.files import read_file  # noqa: PLC0415 - loads what its format needs

        return read_file(self, chunk_rows, columns)


def chunks(rows: Any, *, chunk_rows: int = CHUNK_ROWS, columns: Sequence[str] | None = None) -> Generator[Chunk]:
    """Any kind of rows as chunks of consecutive rows, read when they are asked for.

    Close the iterator, or exhaust it: it holds a database connection or a file open.

    :param rows: a list of dicts, a list of lists of dicts, a DataFrame, a ``LazyXComSequence``, any iterable of
        dicts, :class:`SqlRows`, :class:`FileRows`, or the path of a file that :class:`FileRows` reads.
    :param chunk_rows: the most rows a chunk may have.
    :param columns: the columns that will be used, so that a column-wise file need not be read whole; ``None``: all.
    :raises SettingsError: these are no rows, or none of the first chunk's can be read.
    """
    if chunk_rows < 1:
        raise ValueError(f"`chunk_rows` must be above 0, not {chunk_rows}")
    return _numbered(_read(rows, chunk_rows, columns))


def total_rows(rows: Any) -> int | None:
    """How many rows there are, where that is known without reading them.

    :param rows: see :func:`chunks`.
    :raises SettingsError: there is no such Parquet file.
    :returns: ``None`` for a query, a generator, a CSV or JSON lines file, and the XComs of a mapped task.
    """
    if isinstance(rows, FileRows):
        from airflow_provider_hubbatch.sources.files import count_rows  # noqa: PLC0415 - loads what its format needs

        return count_rows(rows)
    if is_path(rows):
        return total_rows(FileRows(rows))
    if isinstance(rows, (list, tuple)) and rows and _is_source(rows[0]):
        counts = [1 if isinstance(item, Mapping) else total_rows(item) for item in rows]
        return None if None in counts else sum(count or 0 for count in counts)
    if memory.is_lazy_xcom(rows) or isinstance(rows, (str, bytes, Mapping)):
        return None
    return len(rows) if isinstance(rows, Sized) else None


def dataset_of(rows: Any) -> tuple[str, str] | None:
    """The dataset that rows come from, as OpenLineage names one: namespace and name.

    :param rows: see :func:`chunks`.
    :returns: ``None`` for rows that have none of their own; those of a query are told by Airflow's SQL hooks.
    """
    path = rows.path if isinstance(rows, FileRows) else rows
    return dataset_of_path(path) if is_path(path) else None


def describe(rows: Any) -> str:
    """What the rows are, in a line that shows none of their values.

    :param rows: see :func:`chunks`.
    """
    if isinstance(rows, SqlRows):
        return _shorten(repr(rows))
    if isinstance(rows, FileRows):
        return repr(rows)
    if is_path(rows):
        return repr(FileRows(rows))
    if memory.is_frame(rows):
        return f"DataFrame of {len(rows):,} rows x {len(rows.columns):,} columns"
    kind = type(rows).__name__
    if isinstance(rows, (list, tuple)):
        kind += f" of {len(rows):,} sources" if _is_source(next(iter(rows), None)) else " of dicts"
        if any(isinstance(item, FileRows) or is_path(item) for item in rows[:1]):
            return kind  # to count them means to open them
    count = total_rows(rows)
    return kind if count is None else f"{count:,} rows ({kind})"


def _read(rows: Any, chunk_rows: int, columns: Sequence[str] | None) -> Generator[Chunk]:
    if isinstance(rows, (SqlRows, FileRows)):
        return rows.read(chunk_rows, columns)
    if is_path(rows):
        return FileRows(rows).read(chunk_rows, columns)
    if memory.is_frame(rows):
        return memory.from_frame(rows, chunk_rows)
    if memory.is_arrow(rows):
        from airflow_provider_hubbatch.sources import arrow  # noqa: PLC0415 - loads pyarrow

        return arrow.from_stream(rows, chunk_rows, columns)
    if memory.is_lazy_xcom(rows):
        return _from_items(memory.from_lazy_xcom(rows, chunk_rows), chunk_rows, columns)
    return _from_items(_iterate(rows), chunk_rows, columns)


def _iterate(rows: Any) -> Iterator[Any]:
    """The items of any iterable that can be rows."""
    if isinstance(rows, str):
        raise SettingsError(
            f"`rows` is a text of {len(rows):,} characters, and no path that ends in .parquet, .csv or .jsonl. "
            "A Jinja template makes a text of everything: pass the task's `.output` instead, "
            "or set `render_template_as_native_obj=True` on the DAG. For a file of another name use FileRows."
        )
    try:
        if not isinstance(rows, (Mapping, bytes, bytearray, memoryview)):
            return iter(rows)
    except TypeError:
        pass
    kind = "None" if rows is None else memory.a_type(rows)
    hint = {"None": " Did the upstream task return them?", "a dict": " Put it in a list."}.get(kind, "")
    raise SettingsError(
        f"`rows` is {kind}: expected a list of dicts, a DataFrame, an iterable of dicts, SqlRows or FileRows.{hint}"
    )


def _from_items(items: Iterator[Any], chunk_rows: int, columns: Sequence[str] | None) -> Generator[Chunk]:
    """Rows, or sources of rows: the first item decides which."""
    head = list(islice(items, 1))
    items = chain(head, items)
    if not any(map(_is_source, head)):
        yield from memory.from_dicts(items, chunk_rows)
        return
    for joined, group in groupby(items, key=lambda item: _is_list_of_rows(item) or not _is_source(item)):
        if joined:
            nested = (item if _is_list_of_rows(item) else [item] for item in group)
            yield from memory.from_dicts(chain.from_iterable(nested), chunk_rows)
        else:
            for item in group:
                yield from _read(item, chunk_rows, columns)


def _numbered(parts: Generator[Chunk]) -> Generator[Chunk]:
    first_row = 0
    with closing(parts):
        for part in parts:
            invalid = {offset: f"row {first_row + offset} {text}" for offset, text in part.invalid.items()}
            if first_row == 0 and len(invalid) == part.length:
                raise SettingsError(
                    f"None of the first {part.length:,} rows can be read: {invalid[0]}. A row is a dict of column "
                    "names and values; a query's rows come with their names from SqlRows."
                )
            yield replace(part, first_row=first_row, invalid=invalid)
            first_row += part.length


def _is_source(value: Any) -> bool:
    """Whether it is no row but holds rows; a list of plain values is a row whose column names got lost."""
    if isinstance(value, (list, tuple)):
        return _is_list_of_rows(value) or _is_source(value[0])
    return isinstance(value, (SqlRows, FileRows)) or is_path(value) or memory.is_frame(value) or memory.is_arrow(value)


def _is_list_of_rows(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and (not value or isinstance(value[0], Mapping))


def _render_file(path: str, context: Mapping[str, Any]) -> Any:
    from jinja2 import TemplateNotFound  # noqa: PLC0415 - loaded by Airflow when it renders

    task = context["task"]
    environment = task.get_template_env()
    folders = getattr(environment.loader, "searchpath", [])
    try:
        source = environment.loader.get_source(environment, path)[0] if environment.loader else None
    except TemplateNotFound:
        source = None
    if source is None:
        raise SettingsError(
            f"SqlRows found no file {path!r} in the DAG's folder or its template_searchpath: {', '.join(folders)}."
        )
    return task.render_template(source, context, environment)


def _show(source: Any, **shown: str) -> str:
    """Like a dataclass's repr, but without fields that have their default, and with some shown otherwise."""
    parts = [
        f"{field.name}={shown.get(field.name) or repr(getattr(source, field.name))}"
        for field in fields(source)
        if getattr(source, field.name) != field.default
    ]
    return f"{type(source).__name__}({', '.join(parts)})"


def _show_parameters(parameters: Any) -> str:
    if isinstance(parameters, Mapping):
        return f"{{{', '.join(f'{name!r}: ...' for name in parameters)}}}"
    return f"[{', '.join(['...'] * len(parameters))}]" if isinstance(parameters, Sized) else "..."


def _shorten(text: str, most: int = 200) -> str:
    return text if len(text) <= most else f"{text[: most - 5]} ...)"
