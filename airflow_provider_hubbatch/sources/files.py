"""The rows of Parquet, CSV and JSON lines files, streamed."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import shutil
import tempfile
import zlib
from contextlib import contextmanager
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from airflow_provider_hubbatch.core.model import MISSING, Chunk
from airflow_provider_hubbatch.core.redact import printable, show_error, show_path
from airflow_provider_hubbatch.exceptions import SettingsError
from airflow_provider_hubbatch.sources import memory
from airflow_provider_hubbatch.sources.columns import check_names, choose_columns
from airflow_provider_hubbatch.sources.paths import FORMATS

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from airflow_provider_hubbatch.sources.described import FileRows

    Record = tuple[Any, str | None]
    """A row, and what is wrong with it; what is wrong completes "row 17 ..."."""

# A line of more is no row that a request could take: it is a rejected row, and is never held whole.
MAX_LINE_CHARACTERS = 10_000_000

_TOO_LONG = f"is longer than {MAX_LINE_CHARACTERS:,} characters"

# What is skipped of such a line before its file is given up
_MAX_SKIPPED_LINES = 100

# What the error handler "surrogateescape" makes of bytes that are no text in the file's encoding.
_UNDECODABLE = re.compile("[\udc80-\udcff]")


def read_file(source: FileRows, chunk_rows: int, columns: Sequence[str] | None) -> Generator[Chunk]:
    """The file's rows; it is closed whatever happens.

    :param source: the file.
    :param chunk_rows: the most rows a chunk may have.
    :param columns: those that are needed; ``None``: all.
    :raises SettingsError: there is no such file, it isn't of its format, or it breaks off.
    """
    kind, zipped = _kind(source)
    if kind == "parquet":
        return _read_parquet(source, zipped, chunk_rows, columns)
    return (_read_csv if kind == "csv" else _read_json_lines)(source, zipped, chunk_rows, columns)


def count_rows(source: FileRows) -> int | None:
    """How many rows a Parquet file says it has; ``None`` for other formats.

    :param source: the file.
    """
    if _kind(source) != ("parquet", False):
        return None
    from airflow_provider_hubbatch.sources import arrow  # noqa: PLC0415 - loads pyarrow

    with _opened(source, zipped=False) as file:
        return arrow.count_rows(file, show(source))


def show(source: FileRows) -> str:
    """The file, as an error names it."""
    return repr(show_path(source.path))


def _kind(source: FileRows) -> tuple[str, bool]:
    """The file's format, and whether it is gzipped."""
    *_, before, last = ("", "", *str(source.path).lower().split("."))
    zipped = last == "gz"
    kind = source.format or (before if zipped else last)
    if kind not in FORMATS:
        raise SettingsError(
            f"FileRows can't tell the format of {show(source)}: give `format`, one of {', '.join(FORMATS)}."
        )
    return kind, zipped


@contextmanager
def _opened(source: FileRows, *, zipped: bool) -> Iterator[IO[bytes]]:
    with _open(source) as file:
        if not zipped:
            yield file
            return
        with gzip.GzipFile(fileobj=file) as unzipped:
            yield unzipped  # type: ignore[misc]  # typeshed: a GzipFile is no IO[bytes]


def _open(source: FileRows) -> IO[bytes]:
    path = source.path
    local = isinstance(path, Path) or (isinstance(path, str) and "://" not in path)
    try:
        if local and source.conn_id is None:
            return open(path, "rb")  # noqa: PTH123 - the caller closes it
        return _open_stored(path, source.conn_id)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise SettingsError(f"FileRows: there is no file {show(source)}.") from printable(error, path)
    except (ValueError, ImportError) as error:
        raise SettingsError(f"FileRows can't open {show(source)}: {show_error(error, path)}") from printable(
            error, path
        )


def _open_stored(path: Any, conn_id: str | None) -> IO[bytes]:
    from airflow.providers.common.compat.sdk import (  # noqa: PLC0415 - loads fsspec
        AirflowNotFoundException,
        ObjectStoragePath,
    )

    try:
        stored = ObjectStoragePath(path, conn_id=conn_id) if conn_id or not hasattr(path, "fs") else path
        # the file system's open(), because the path's own wraps the file in something that is none to Arrow
        return stored.fs.open(stored.path, "rb")  # type: ignore[no-any-return]
    except AirflowNotFoundException as error:
        raise SettingsError(f"FileRows can't open {show_path(path)!r}: {show_error(error, path)}") from printable(
            error, path
        )


def _read_parquet(source: FileRows, zipped: bool, chunk_rows: int, columns: Sequence[str] | None) -> Generator[Chunk]:
    from airflow_provider_hubbatch.sources import arrow  # noqa: PLC0415 - loads pyarrow

    with _damage_named(source), _opened(source, zipped=zipped) as file, tempfile.TemporaryFile() as unzipped:
        if zipped:
            # its directory is at its end
            shutil.copyfileobj(file, unzipped)
        yield from arrow.read_parquet(unzipped if zipped else file, show(source), chunk_rows, columns)


def _read_csv(source: FileRows, zipped: bool, chunk_rows: int, columns: Sequence[str] | None) -> Generator[Chunk]:
    with _damage_named(source), _opened(source, zipped=zipped) as file:
        undecodable: list[str] = []
        lines = _whole(_lines(file, source.encoding, "", undecodable))
        reader = csv.reader(lines, delimiter=source.delimiter, strict=True)
        header = next(filter(None, reader), [])
        if undecodable:
            raise SettingsError(f"The header of {show(source)} is no {source.encoding}: give its `encoding`.")
        names = check_names(header, f"The header of {show(source)}")
        chosen, unasked = choose_columns(names, columns, show(source))
        places = [names.index(name) for name in chosen]
        first_row = 0
        records = _csv_records(reader, len(names), undecodable)
        while part := list(islice(records, chunk_rows)):
            fields = [fields for fields, _ in part]
            texts = {
                name: [None if row[place] == "" else row[place] for row in fields]
                for name, place in zip(chosen, places, strict=True)
            }
            yield Chunk(first_row, texts, len(part), invalid=_problems(part), unasked=unasked)
            first_row += len(part)


def _csv_records(reader: Any, width: int, undecodable: list[str]) -> Iterator[Record]:
    while True:
        first_line = reader.line_num + 1
        problem: str | None = None
        fields: list[str] = []
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problem = str(error)
        lines = f"line {first_line}" if reader.line_num <= first_line else f"lines {first_line}-{reader.line_num}"
        if problem and not (reader.line_num == first_line and "expected after" in problem):
            # nobody knows how many rows a quote that is never closed swallowed
            raise _Damage(f"{lines}: {problem} (is a quote never closed?)")
        if problem:
            problem = "has text after a closing quote"
        elif not fields:
            continue
        elif undecodable:
            problem = "is not in the given encoding"
        elif len(fields) != width:
            problem = f"has {len(fields)} fields where the header has {width}"
        undecodable.clear()
        yield ([MISSING] * width if problem else fields), problem and f"({lines}) {problem}"


def _read_json_lines(
    source: FileRows, zipped: bool, chunk_rows: int, columns: Sequence[str] | None
) -> Generator[Chunk]:
    with _damage_named(source), _opened(source, zipped=zipped) as file:
        undecodable: list[str] = []
        records = _json_records(_lines(file, source.encoding, "\n", undecodable), undecodable)
        first_row = 0
        while part := list(islice(records, chunk_rows)):
            yield from memory.dicts_chunks([row for row, _ in part], _problems(part), first_row, columns)
            first_row += len(part)


def _json_records(lines: Iterable[str | None], undecodable: list[str]) -> Iterator[Record]:
    # a float would lose digits that the file has
    decode = json.JSONDecoder(parse_float=Decimal).decode
    for number, line in enumerate(lines, start=1):
        if line is None:
            yield None, f"(line {number}) {_TOO_LONG}"
            continue
        if line.isspace():
            continue
        row, problem = None, None
        try:
            row = decode(line)
        except json.JSONDecodeError as error:
            problem = f"(line {number}) is no JSON: {error.msg} at character {error.colno}"
        except (ValueError, RecursionError) as error:
            problem = f"(line {number}) can't be read: {type(error).__name__}"
        if undecodable:
            problem = f"(line {number}) is not in the given encoding"
            undecodable.clear()
        elif problem is None and not isinstance(row, dict):
            problem = f"(line {number}) is {memory.describe_type(row)}, expected an object"
        yield row, problem


def _lines(file: IO[bytes], encoding: str, newline: str, undecodable: list[str]) -> Iterator[str | None]:
    """The file's lines as text, ``None`` for one that is too long; one that can't be decoded is put into
    ``undecodable`` as well.
    """
    with io.TextIOWrapper(file, encoding, errors="surrogateescape", newline=newline) as text:
        number = 0
        while line := text.readline(MAX_LINE_CHARACTERS + 1):
            number += 1
            if len(line) > MAX_LINE_CHARACTERS:
                _skip_line(text, line, number)
                yield None
                continue
            if not line.isascii() and _UNDECODABLE.search(line):
                undecodable.append(line)
            yield line


def _skip_line(text: io.TextIOWrapper, line: str, number: int) -> None:
    """Read up to the line's end, if it has one."""
    for _ in range(_MAX_SKIPPED_LINES):
        if not line or line.endswith(("\n", "\r")):
            return
        line = text.readline(MAX_LINE_CHARACTERS)
    raise _Damage(f"line {number} has no end")


def _whole(lines: Iterable[str | None]) -> Iterator[str]:
    """Lines of which none may be too long, since nobody would know then where a row ends."""
    for number, line in enumerate(lines, start=1):
        if line is None:
            raise _Damage(f"line {number} {_TOO_LONG}")
        yield line


def _problems(part: list[Record]) -> dict[int, str]:
    return {offset: problem for offset, (_, problem) in enumerate(part) if problem is not None}


class _Damage(Exception):  # noqa: N818 - never leaves this module
    pass


@contextmanager
def _damage_named(source: FileRows) -> Iterator[None]:
    """Says of which file it is that it can't be read on."""
    try:
        yield
    except LookupError as error:
        if type(error) is not LookupError:
            raise
        raise SettingsError(f"FileRows: {error} (`encoding` for {show(source)}).") from error
    except (UnicodeError, EOFError, gzip.BadGzipFile, zlib.error, _Damage) as error:
        reason = f"it is no {error.encoding}" if isinstance(error, UnicodeDecodeError) else str(error)
        raise SettingsError(f"{show(source)} can't be read on: {reason}") from error
