"""The rows of Parquet files and Arrow tables."""

from __future__ import annotations

import os
import re
from contextlib import closing, contextmanager
from typing import IO, TYPE_CHECKING, Any

from airflow_provider_hubbatch.core.model import MISSING, Chunk
from airflow_provider_hubbatch.exceptions import SettingsError
from airflow_provider_hubbatch.sources.columns import check_names, choose_columns

# Read once, when pyarrow is loaded: Arrow's own allocator keeps 25 MB of what a streamed file has used (benchmarks/)
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

try:
    import pyarrow as pa
    from pyarrow import parquet
except ImportError as error:
    raise SettingsError(
        "Parquet files and Arrow tables need pyarrow: pip install 'airflow-provider-hubbatch[parquet]'"
    ) from error

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

# A column of a row group is read in pieces of this size, not whole.
BUFFER_BYTES = 1 << 18

# What pandas names the columns in which it keeps an index without a name.
_INDEX_COLUMN = re.compile(r"__index_level_\d+__")


def read_parquet(file: IO[bytes], shown: str, chunk_rows: int, columns: Sequence[str] | None) -> Generator[Chunk]:
    """The rows of a Parquet file, without those columns that aren't needed.

    :param file: opened, and left open.
    :param shown: what to call it in an error.
    :param chunk_rows: the most rows a chunk may have.
    :param columns: those that are needed; ``None``: all.
    """
    with _opened(file, shown) as opened:
        needed, unasked = _choose(opened.schema_arrow.names, columns, shown)
        first_row = 0
        batches = opened.iter_batches(batch_size=chunk_rows, columns=needed, use_threads=False)
        for batch in batches:
            yield _make_chunk(batch, first_row, unasked)
            first_row += batch.num_rows


def count_rows(file: IO[bytes], shown: str) -> int:
    """How many rows a Parquet file says it has.

    :param file: opened, and left open.
    :param shown: what to call it in an error.
    """
    with _opened(file, shown) as opened:
        return int(opened.metadata.num_rows)


def read_stream(table: Any, chunk_rows: int, columns: Sequence[str] | None) -> Generator[Chunk]:
    """The rows of anything that offers itself as an Arrow stream.

    :param table: e.g. a ``pyarrow.Table``.
    :param chunk_rows: the most rows a chunk may have.
    :param columns: those that are needed; ``None``: all.
    """
    with closing(pa.RecordBatchReader.from_stream(table)) as batches:
        needed, unasked = _choose(batches.schema.names, columns, f"The {type(table).__name__} given as `rows`")
        first_row = 0
        for batch in batches:
            for start in range(0, batch.num_rows, chunk_rows):
                part = batch.select(needed).slice(start, chunk_rows)
                yield _make_chunk(part, first_row, unasked)
                first_row += part.num_rows


@contextmanager
def _opened(file: IO[bytes], shown: str) -> Iterator[Any]:
    try:
        # pre_buffer would hold whole row groups in memory
        with parquet.ParquetFile(file, pre_buffer=False, buffer_size=BUFFER_BYTES) as opened:
            yield opened
    except pa.ArrowInvalid as error:
        raise SettingsError(f"{shown} can't be read as Parquet: {error}") from error


def _choose(names: Sequence[str], columns: Sequence[str] | None, what: str) -> tuple[list[str], tuple[str, ...]]:
    own = [name for name in check_names(names, what) if not _INDEX_COLUMN.fullmatch(name)]
    return choose_columns(own, columns, what)


def _make_chunk(batch: Any, first_row: int, unasked: tuple[str, ...]) -> Chunk:
    invalid: dict[int, str] = {}
    columns = {
        name: _list_values(name, column, invalid)
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    }
    return Chunk(first_row, columns, batch.num_rows, invalid=invalid, unasked=unasked)


def _list_values(name: str, column: Any, invalid: dict[int, str]) -> list[Any]:
    try:
        return list(column.to_pylist())
    except (ValueError, OverflowError):
        # one date of the year 10000, say: only its own row must suffer for it
        return [_value(name, scalar, offset, invalid) for offset, scalar in enumerate(column)]


def _value(name: str, scalar: Any, offset: int, invalid: dict[int, str]) -> Any:
    try:
        return scalar.as_py()
    except (ValueError, OverflowError):
        invalid[offset] = f"has a {scalar.type} in column {name!r} that Python can't represent"
        return MISSING
