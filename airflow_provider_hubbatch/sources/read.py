"""Rows of any kind as chunks: an upstream task's, a DataFrame's, a query's, a file's, any dicts.

Nothing is read, and no pandas, pyarrow or database module is loaded, before :func:`chunks` is asked for the first row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Sized
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain, groupby, islice
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.exceptions import SettingsError
from airflow_provider_hubbatch.sources import memory
from airflow_provider_hubbatch.sources.described import DescribedRows, FileRows, OwnRun, RejectedRows, SqlRows
from airflow_provider_hubbatch.sources.paths import dataset_of_path, is_path

if TYPE_CHECKING:
    from collections.abc import Generator

    from airflow_provider_hubbatch.core.model import Chunk

# Rows under way keep their chunk alive: small ones bound the memory.
CHUNK_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class _Reading:
    """How rows are read; see :func:`chunks`."""

    chunk_rows: int
    columns: Sequence[str] | None
    own: OwnRun | None


def chunks(
    rows: Any, *, chunk_rows: int = CHUNK_ROWS, columns: Sequence[str] | None = None, own: OwnRun | None = None
) -> Generator[Chunk]:
    """Any kind of rows as chunks of consecutive rows, read when they are asked for.

    Close the iterator, or exhaust it: it holds a database connection or a file open.

    :param rows: a list of dicts, a list of lists of dicts, a DataFrame, a ``LazyXComSequence``, any iterable of
        dicts, :class:`SqlRows`, :class:`FileRows`, :class:`RejectedRows`, or the path of a file that
        :class:`FileRows` reads; or a list of such sources, which are read one after the other.
    :param chunk_rows: the most rows a chunk may have.
    :param columns: the columns that will be used: no other is gathered, nor read where the source is column-wise;
        ``None``: all.
    :param own: the sync that reads, whose own result files are not to be read.
    :raises SettingsError: these are no rows, or none of the first chunk's can be read.
    """
    if chunk_rows < 1:
        raise ValueError(f"`chunk_rows` must be above 0, not {chunk_rows}")
    return _number_rows(_read(rows, _Reading(chunk_rows, columns, own)))


def total_rows(rows: Any) -> int | None:
    """How many rows there are, where that is known without reading them.

    :param rows: see :func:`chunks`.
    :raises SettingsError: there is no such Parquet file.
    :returns: ``None`` for a query, a generator, a CSV or JSON lines file, the XComs of a mapped task, and what an
        earlier run didn't write.
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


def total_fresh_rows(rows: Any) -> int | None:
    """As :func:`total_rows`, without those of an earlier run, :class:`RejectedRows`.

    :param rows: see :func:`chunks`.
    """
    if isinstance(rows, RejectedRows):
        return 0
    if isinstance(rows, (list, tuple)) and any(isinstance(item, RejectedRows) for item in rows):
        return total_rows([item for item in rows if not isinstance(item, RejectedRows)])
    return total_rows(rows)


def can_be_read_again(rows: Any) -> bool:
    """Whether a retry, or a second look, finds the same rows: not so once an iterator is used up.

    :param rows: see :func:`chunks`.
    """
    return not any(isinstance(item, Iterator) for item in (rows if isinstance(rows, (list, tuple)) else [rows]))


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
    if isinstance(rows, DescribedRows):
        return _shorten(repr(rows))
    if is_path(rows):
        return repr(FileRows(rows))
    if memory.is_frame(rows):
        return f"DataFrame of {_counted(len(rows), 'row')} x {_counted(len(rows.columns), 'column')}"
    kind = type(rows).__name__
    if isinstance(rows, (list, tuple)):
        if rows and all(isinstance(item, DescribedRows) for item in rows):
            return _shorten(", then ".join(map(describe, rows)))
        kind += f" of {len(rows):,} sources" if _is_source(next(iter(rows), None)) else " of dicts"
        if any(isinstance(item, FileRows) or is_path(item) for item in rows[:1]):
            return kind  # to count them means to open them
    count = total_rows(rows)
    return kind if count is None else f"{_counted(count, 'row')} ({kind})"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"


def _read(rows: Any, how: _Reading) -> Generator[Chunk]:
    """The chunks of one source; each numbers its rows from 0."""
    if isinstance(rows, SqlRows):
        from airflow_provider_hubbatch.sources.sql import read_query  # noqa: PLC0415 - loads database modules

        return read_query(rows, how.chunk_rows, how.columns)
    if isinstance(rows, RejectedRows):
        from airflow_provider_hubbatch.sources.rejected import read_rejected  # noqa: PLC0415 - loads numpy and fsspec

        return read_rejected(rows, how.own, how.chunk_rows, how.columns)
    if isinstance(rows, FileRows) or is_path(rows):
        from airflow_provider_hubbatch.sources.files import read_file  # noqa: PLC0415 - loads what its format needs

        return read_file(rows if isinstance(rows, FileRows) else FileRows(rows), how.chunk_rows, how.columns)
    if memory.is_frame(rows):
        return memory.read_frame(rows, how.chunk_rows, how.columns)
    if memory.is_arrow(rows):
        from airflow_provider_hubbatch.sources import arrow  # noqa: PLC0415 - loads pyarrow

        return arrow.read_stream(rows, how.chunk_rows, how.columns)
    if memory.is_lazy_xcom(rows):
        return _read_items(memory.iterate_lazy_xcom(rows, how.chunk_rows), how)
    return _read_items(_iterate(rows), how)


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
    kind = "None" if rows is None else memory.describe_type(rows)
    hint = {"None": " Did the upstream task return them?", "a dict": " Put it in a list."}.get(kind, "")
    raise SettingsError(
        f"`rows` is {kind}: expected a list of dicts, a DataFrame, an iterable of dicts, SqlRows or FileRows.{hint}"
    )


def _read_items(items: Iterator[Any], how: _Reading) -> Generator[Chunk]:
    """Rows, or sources of rows: the first item decides which."""
    head = list(islice(items, 1))
    items = chain(head, items)
    if not any(map(_is_source, head)):
        yield from memory.read_dicts(items, how.chunk_rows, how.columns)
        return
    for joined, group in groupby(items, key=lambda item: _is_list_of_rows(item) or not _is_source(item)):
        if joined:
            nested = (item if _is_list_of_rows(item) else [item] for item in group)
            yield from memory.read_dicts(chain.from_iterable(nested), how.chunk_rows, how.columns)
        else:
            for item in group:
                yield from _read(item, how)


def _number_rows(parts: Generator[Chunk]) -> Generator[Chunk]:
    """The same chunks, their rows numbered over all of them."""
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
    described = isinstance(value, (DescribedRows, Iterator)) or is_path(value)
    return described or memory.is_frame(value) or memory.is_arrow(value) or memory.is_lazy_xcom(value)


def _is_list_of_rows(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and (not value or isinstance(value[0], Mapping))


def _shorten(text: str, most: int = 200) -> str:
    return text if len(text) <= most else f"{text[: most - 5]} ...)"
