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
from airflow_provider_hubbatch.exceptions import SettingsError

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


def a_type(value: Any) -> str:
    """What to say of a value whose content must not be shown: a list, an int."""
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def column_names(names: Iterable[Any], what: str) -> list[str]:
    """The names as text.

    :param names: of a table's columns, in order.
    :param what: the table, as the subject of an error's sentence.
    :raises SettingsError: one of them is empty, or there twice, so that a column can't be told by its name.
    """
    texts = [name if isinstance(name, str) else str(name) for name in names]
    if unnamed := [str(position) for position, name in enumerate(texts, start=1) if not name.strip()]:
        raise SettingsError(f"{what} has a column without a name (column {', '.join(unnamed)}): give it one.")
    if len(set(texts)) < len(texts):
        twice = sorted({name for name in texts if texts.count(name) > 1})
        raise SettingsError(f"{what} has more than one column named {', '.join(map(repr, twice))}: rename all but one.")
    return texts


def from_dicts(rows: Iterable[Any], chunk_rows: int) -> Generator[Chunk]:
    """Any iterable whose items should be dicts; one that isn't is an invalid row."""
    remaining = iter(rows)
    first_row = 0
    while part := list(islice(remaining, chunk_rows)):
        invalid = {
            offset: f"is {a_type(row)}, expected a dict"
            for offset, row in enumerate(part)
            if not isinstance(row, Mapping)
        }
        yield dicts_chunk(part, invalid, first_row)
        first_row += len(part)


def dicts_chunk(part: list[Any], invalid: Mapping[int, str], first_row: int) -> Chunk:
    """A chunk of some dicts.

    :param part: the rows.
    :param invalid: the offsets of those that are no dicts, and why.
    :param first_row: where the chunk begins.
    """
    dicts: list[Mapping[Any, Any]] = (
        [{} if offset in invalid else row for offset, row in enumerate(part)] if invalid else part
    )
    keys = list(dict.fromkeys(chain.from_iterable(dicts)))
    # an empty key is the mapping's to judge: here it only must not be taken for another one
    names = keys if all(type(key) is str for key in keys) else column_names(keys, "`rows`")
    columns = {name: [row.get(key, MISSING) for row in dicts] for name, key in zip(names, keys, strict=True)}
    return Chunk(first_row, columns, len(part), complete=False, invalid=invalid)


def from_frame(frame: Any, chunk_rows: int) -> Generator[Chunk]:
    """A pandas DataFrame, column by column (a row at a time would turn integers into floats); no index."""
    names = column_names(frame.columns, "The DataFrame given as `rows`")
    series = [frame.iloc[:, position] for position in range(len(names))]
    for start in range(0, len(frame), chunk_rows):
        columns = {
            name: _values(column.iloc[start : start + chunk_rows]) for name, column in zip(names, series, strict=True)
        }
        yield Chunk(start, columns, min(chunk_rows, len(frame) - start))


def _values(column: Any) -> list[Any]:
    """A column's values: as Python's, but for the narrow floats, whose digits Python's float would add to."""
    narrow = getattr(column.dtype, "kind", "") == "f" and getattr(column.dtype, "itemsize", 8) < _FLOAT_BYTES
    return list(column.to_numpy()) if narrow else column.tolist()


def from_lazy_xcom(items: Sequence[Any], chunk_rows: int) -> Iterator[Any]:
    """The XComs of a mapped task, in slices that hold about ``chunk_rows`` rows: each slice is one request."""
    size, start = 1, 0
    while part := items[start : start + size]:
        yield from part
        start += len(part)
        rows = sum(1 if isinstance(item, Mapping) or not hasattr(item, "__len__") else len(item) for item in part)
        size = max(1, min(MAX_XCOMS_A_SLICE, len(part) * chunk_rows // max(rows, 1)))
