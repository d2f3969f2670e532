"""Rows that are in memory already: dicts, DataFrames, Arrow tables, the XComs of mapped tasks.

Each reader yields :class:`Chunk` objects numbered from its own first row, with an ``invalid`` text that completes
"row 17 ..."; :func:`airflow_provider_hubbatch.sources.chunks` makes of them the chunks of the whole.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

from airflow_provider_hubbatch.core.model import MISSING, Chunk
from airflow_provider_hubbatch.sources.columns import MAX_COLUMNS, check_names, choose_columns

# One slice of a mapped task's XComs is one answer of Airflow's API server, which holds all of it in memory.
MAX_XCOMS_A_SLICE = 100

_FLOAT_BYTES = 8


def is_instance(value: Any, module: str, name: str) -> bool:
    """Whether it is an instance of that class, without importing the module: if it is, somebody else has."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(value, getattr(loaded, name, ()))


def is_frame(value: Any) -> bool:
    """Whether it is a pandas DataFrame."""
    return is_instance(value, "pandas", "DataFrame")


def is_arrow(value: Any) -> bool:
    """Whether it offers itself as an Arrow stream: a ``pyarrow.Table``, a polars DataFrame, a DuckDB relation."""
    return hasattr(type(value), "__arrow_c_stream__") and not is_instance(value, "pandas", "Series")


def is_lazy_xcom(value: Any) -> bool:
    """Whether it stands for the XComs of a mapped task."""
    return is_instance(value, "airflow.sdk.execution_time.lazy_sequence", "LazyXComSequence")


def describe_type(value: Any) -> str:
    """What to say of a value whose content must not be shown: a list, an int."""
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def read_dicts(rows: Iterable[Any], chunk_rows: int, columns: Sequence[str] | None) -> Generator[Chunk]:
    """Any iterable whose items should be dicts; one that isn't is an invalid row."""
    remaining = iter(rows)
    first_row = 0
    while part := list(islice(remaining, chunk_rows)):
        invalid = {
            offset: f"is {describe_type(row)}, expected a dict"
            for offset, row in enumerate(part)
            if not isinstance(row, Mapping)
        }
        yield from dicts_chunks(part, invalid, first_row, columns)
        first_row += len(part)


def dicts_chunks(
    part: Sequence[Any], invalid: Mapping[int, str], first_row: int, columns: Sequence[str] | None
) -> Generator[Chunk]:
    """Some dicts as a chunk, or as several where together they have too many keys.

    :param part: the rows.
    :param invalid: the offsets of those that are no dicts, and why.
    :param first_row: where the chunk begins.
    :param columns: those that are needed; ``None``: all.
    """
    names = _list_keys(part)
    if names is None:
        part, invalid = _convert_keys(part, invalid)
        names = dict.fromkeys(chain.from_iterable(part))
    if columns is None and len(names) > MAX_COLUMNS:
        if len(part) > 1:
            middle = len(part) // 2
            first = {offset: why for offset, why in invalid.items() if offset < middle}
            second = {offset - middle: why for offset, why in invalid.items() if offset >= middle}
            yield from dicts_chunks(part[:middle], first, first_row, columns)
            yield from dicts_chunks(part[middle:], second, first_row + middle, columns)
            return
        why = f"has {len(names):,} columns, more than an object type can have properties ({MAX_COLUMNS:,} at most)"
        part, invalid, names = [{}], {0: why}, {}
    chosen, unasked = choose_columns(names, columns, "`rows`")
    values = {name: [row.get(name, MISSING) for row in part] for name in chosen}
    yield Chunk(first_row, values, len(part), complete=False, invalid=invalid, unasked=unasked)


def _list_keys(part: Sequence[Any]) -> dict[str, None] | None:
    """The keys of plain dicts whose keys are plain texts; ``None`` for any other rows."""
    if set(map(type, part)) != {dict}:
        return None
    names = dict.fromkeys(chain.from_iterable(part))
    return names if set(map(type, names)) <= {str} else None


def _convert_keys(part: Sequence[Any], invalid: Mapping[int, str]) -> tuple[list[dict[str, Any]], dict[int, str]]:
    """The rows as plain dicts whose keys are plain texts; what can't be made one is an invalid row."""
    dicts, problems = [], dict(invalid)
    for offset, row in enumerate(part):
        texts: dict[str, Any] = {}
        if offset not in problems:
            try:
                texts = {str(key): row[key] for key in row}
                if len(texts) < len(row):
                    problems[offset] = "has two keys of one name"
            except Exception as error:  # noqa: BLE001 - whatever a mapping of an unknown library raises
                problems[offset] = f"can't be read: it raises {type(error).__name__}"
        dicts.append({} if offset in problems else texts)
    return dicts, problems


def read_frame(frame: Any, chunk_rows: int, columns: Sequence[str] | None) -> Generator[Chunk]:
    """A pandas DataFrame, column by column (a row at a time would turn integers into floats); no index."""
    names = check_names(frame.columns, "The DataFrame given as `rows`")
    chosen, unasked = choose_columns(names, columns, "The DataFrame given as `rows`")
    series = {name: frame.iloc[:, names.index(name)] for name in chosen}
    for start in range(0, len(frame), chunk_rows):
        values = {name: _list_values(column.iloc[start : start + chunk_rows]) for name, column in series.items()}
        yield Chunk(start, values, min(chunk_rows, len(frame) - start), unasked=unasked)


def _list_values(column: Any) -> list[Any]:
    """A column's values: as Python's, but for the narrow floats, whose digits Python's float would add to."""
    narrow = getattr(column.dtype, "kind", "") == "f" and getattr(column.dtype, "itemsize", 8) < _FLOAT_BYTES
    return list(column.to_numpy()) if narrow else column.tolist()


def iterate_lazy_xcom(items: Sequence[Any], chunk_rows: int) -> Iterator[Any]:
    """The XComs of a mapped task, in slices that hold about ``chunk_rows`` rows: each slice is one request."""
    size, start = 1, 0
    while part := items[start : start + size]:
        yield from part
        start += len(part)
        rows = sum(1 if isinstance(item, Mapping) or not hasattr(item, "__len__") else len(item) for item in part)
        size = max(1, min(MAX_XCOMS_A_SLICE, len(part) * chunk_rows // max(rows, 1)))
