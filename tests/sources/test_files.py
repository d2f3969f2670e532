"""Rows from Parquet, CSV and JSON lines files."""

from __future__ import annotations

import gzip
import json
import sys
import tracemalloc
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem
from pyarrow import parquet

from airflow_provider_hubbatch.core.definitions import definitions_from_json
from airflow_provider_hubbatch.core.mapping import compile_mapping
from airflow_provider_hubbatch.core.mapping_spec import MappingSpec
from airflow_provider_hubbatch.core.model import Input
from airflow_provider_hubbatch.exceptions import SettingsError
from airflow_provider_hubbatch.sources import FileRows, chunks, describe, files, total_rows


def read(rows: Any, **options: Any) -> list[dict[str, Any]]:
    return [part.row(offset) for part in chunks(rows, **options) for offset in range(part.length)]


def invalid(rows: Any) -> dict[int, str]:
    return {part.first_row + offset: text for part in chunks(rows) for offset, text in part.invalid.items()}


def written(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_csv_values_are_text(tmp_path: Path) -> None:
    """A CSV file's values stay the text they are, leading zeros and all; an empty field is a null."""
    path = written(tmp_path / "a.csv", 'id,zip,note,blob\n1,00123,,1e5\n2, x ,"",a\x00b\n')
    assert read(path) == [
        {"id": "1", "zip": "00123", "note": None, "blob": "1e5"},
        {"id": "2", "zip": " x ", "note": None, "blob": "a\x00b"},
    ]
    (part,) = chunks(str(path))
    assert part.complete
    assert total_rows(path) is None


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_csv_has_quoted_newlines_marks_and_any_line_end(tmp_path: Path, end: str, mark: bytes) -> None:
    """A byte order mark is no part of the first name, and a quoted field may hold line ends, commas and quotes."""
    text = f'id,note{end}1,"two{end}lines, ""quoted"""{end}{end}2,é{end}'
    assert read(written(tmp_path / "a.csv", mark + text.encode())) == [
        {"id": "1", "note": f'two{end}lines, "quoted"'},
        {"id": "2", "note": "é"},
    ]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "cp1252"])
def test_csv_takes_encodings_and_delimiters(tmp_path: Path, encoding: str) -> None:
    """Another encoding and another delimiter can be given."""
    path = written(tmp_path / "export.txt", "id;city\n1;Köln\n".encode(encoding))
    assert read(FileRows(path, format="csv", encoding=encoding, delimiter=";")) == [{"id": "1", "city": "Köln"}]


def test_csv_rows_that_do_not_fit_cost_only_themselves(tmp_path: Path) -> None:
    """A line with too few or too many fields, a broken quote or foreign bytes is one invalid row, named by its line."""
    lines = [b"id,city", b"1,Paris", b"2", b'3,"a\nb"', b"4,x,y", b"5,K\xf6ln", b'6,"x"y', b"7,Rome"]
    path = written(tmp_path / "a.csv", b"\n".join(lines))
    assert invalid(path) == {
        1: "row 1 (line 3) has 1 fields where the header has 2",
        3: "row 3 (line 6) has 3 fields where the header has 2",
        4: "row 4 (line 7) is not in the given encoding",
        5: "row 5 (line 8) has text after a closing quote",
    }
    assert [row.get("id") for row in read(path)] == ["1", None, "3", None, None, None, "7"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("id,name,id\n1,2,3\n", "more than one column named 'id'"),
        ("id,,name\n1,2,3\n", "without a name .column 2."),
        (b"id,st\xe4dt\n1,2\n", "give its `encoding`"),
        ('id,name\n1,"never closed\n2,x\n3,y\n', "lines 2-4: unexpected end"),
        ('id,name\n1,x\n2,"never closed\n3,"y"\n4,z\n', "lines 3-4: ',' expected after"),
        ("id,name\n1,2,3\n2,3,4\n", "None of the first 2 rows can be read: row 0 .line 2. has 3 fields"),
    ],
)
def test_csv_that_cannot_be_told_apart_is_refused(tmp_path: Path, content: bytes | str, said: str) -> None:
    """A file whose columns or rows can't be told for sure is refused, not guessed at."""
    with pytest.raises(SettingsError, match=said):
        read(written(tmp_path / "a.csv", content))


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_empty_text_files_are_no_rows(tmp_path: Path, name: str) -> None:
    """An empty file is an empty sync."""
    assert list(chunks(written(tmp_path / name, ""))) == []


def test_json_lines_lose_no_digit(tmp_path: Path) -> None:
    """Numbers of any size keep all their digits; blank lines are no rows; a later row may have other keys."""
    lines = ['{"id": 123456789012345678901234567890}', "", '{"id": 1, "sum": 0.1234567890123456789}', "  "]
    path = written(tmp_path / "a.jsonl", "\ufeff" + "\r\n".join(lines))
    assert read(path) == [{"id": 123456789012345678901234567890}, {"id": 1, "sum": Decimal("0.1234567890123456789")}]
    (part,) = chunks(path)
    assert not part.complete


def test_json_lines_that_are_no_object_cost_only_themselves(tmp_path: Path) -> None:
    """A line that is no JSON, or no object, is one invalid row, named by its line and without its content."""
    lines = [b'{"id": 1}', b'{"id": secret}', b"[1, 2]", b'{"id": "K\xf6ln"}', b"[" * 100_000, b'{"id": 2}']
    problems = invalid(written(tmp_path / "a.jsonl", b"\n".join(lines)))
    assert problems == {
        1: "row 1 (line 2) is no JSON: Expecting value at character 8",
        2: "row 2 (line 3) is a list, expected an object",
        3: "row 3 (line 4) is not in the given encoding",
        4: "row 4 (line 5) can't be read: RecursionError",
    }


def test_json_that_is_one_array_is_refused(tmp_path: Path) -> None:
    """A JSON array in place of JSON lines is refused before anything is sent."""
    with pytest.raises(SettingsError, match=r"row 0 \(line 1\) is a list, expected an object"):
        read(written(tmp_path / "a.jsonl", '[{"id": 1}]'))


def frame_file(path: Path, **options: Any) -> Path:
    table = pa.table(
        {
            "id": pa.array([1, 2, None], pa.int64()),
            "amount": pa.array([Decimal("1.50"), None, Decimal("-3.00")], pa.decimal128(10, 2)),
            "day": pa.array([date(2024, 2, 29), None, None]),
            "seen_at": pa.array([datetime(2024, 1, 1, tzinfo=UTC), None, None], pa.timestamp("us", tz="UTC")),
            "tags": pa.array([["a", "b"], [], None]),
            "extra": pa.array([{"n": 1}, None, None]),
            "kind": pa.array(["x", "y", "x"]).dictionary_encode(),
        }
    )
    parquet.write_table(table, path, **options)
    return path


def test_parquet_values_keep_their_types(tmp_path: Path) -> None:
    """Integers with gaps stay integers, decimals stay exact, times keep their zone, lists and structs are Python's."""
    path = frame_file(tmp_path / "a.parquet", row_group_size=2)
    rows = read(path)
    assert rows[0] == {
        "id": 1,
        "amount": Decimal("1.50"),
        "day": date(2024, 2, 29),
        "seen_at": datetime(2024, 1, 1, tzinfo=UTC),
        "tags": ["a", "b"],
        "extra": {"n": 1},
        "kind": "x",
    }
    assert [row["id"] for row in rows] == [1, 2, None]
    assert total_rows(path) == total_rows(str(path)) == 3
    assert read(parquet.read_table(path), chunk_rows=2) == rows


def test_parquet_values_out_of_range_cost_only_their_row(tmp_path: Path) -> None:
    """A time that Python can't hold makes its own row invalid, and no other."""
    path = tmp_path / "a.parquet"
    times = pa.array([0, 400_000_000_000, None], pa.timestamp("s"))
    parquet.write_table(pa.table({"id": [1, 2, 3], "seen": times}), path)
    assert invalid(path) == {1: "row 1 has a timestamp[ms] in column 'seen' that Python can't represent"}
    assert [row["id"] for row in read(path)] == [1, 2, 3]


def test_parquet_is_read_by_the_columns_needed(tmp_path: Path) -> None:
    """Only the columns in use are read; with one that isn't there, the names of all are known, for the error."""
    path = frame_file(tmp_path / "a.parquet")
    for rows in (path, parquet.read_table(path)):
        assert [list(part.columns) for part in chunks(rows, columns=["amount", "id"])] == [["id", "amount"]]
        assert [(list(part.columns), len(part.names)) for part in chunks(rows, columns=["id", "absent"])] == [
            (["id"], 7)
        ]
        assert [(part.length, list(part.columns), len(part.names)) for part in chunks(rows, columns=["absent"])] == [
            (part.length, [], 7) for part in chunks(rows)
        ]


def test_parquet_leaves_out_an_index_without_a_name(tmp_path: Path) -> None:
    """The index that pandas writes into a Parquet file is no column of the rows."""
    path = tmp_path / "a.parquet"
    pd.DataFrame({"id": [1, 2]}, index=[7, 9]).to_parquet(path)
    assert read(path) == [{"id": 1}, {"id": 2}]


def test_parquet_that_is_none_is_refused(tmp_path: Path) -> None:
    """A file that only has the name of a Parquet file, or has two columns of one name, is refused by its path."""
    with pytest.raises(SettingsError, match=r"a\.parquet' can't be read as Parquet"):
        read(written(tmp_path / "a.parquet", "id,name\n"))
    path = tmp_path / "b.parquet"
    parquet.write_table(pa.table([pa.array([1]), pa.array([2])], names=["id", "id"]), path)
    with pytest.raises(SettingsError, match="more than one column named 'id'"):
        read(path)


def test_parquet_without_pyarrow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pyarrow, reading Parquet says what to install."""
    path = frame_file(tmp_path / "a.parquet")
    monkeypatch.delitem(sys.modules, "airflow_provider_hubbatch.sources.arrow", raising=False)
    monkeypatch.delattr("airflow_provider_hubbatch.sources.arrow", raising=False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(SettingsError, match=r"airflow-provider-hubbatch\[parquet\]"):
        read(path)


@pytest.mark.parametrize("packed", [False, True])
def test_a_line_that_is_too_long_costs_its_row(tmp_path: Path, packed: bool) -> None:
    """However long a line of JSON is, its memory is bounded; it is a rejected row, and those around it are read."""
    long = b'{"id": 2, "note": "' + b"x" * 60_000_000 + b'"}\n'
    content = b'{"id": 1}\n' + long + b'{"id": 3}\n' + long[:-1]
    path = tmp_path / f"a.jsonl{'.gz' if packed else ''}"
    path.write_bytes(gzip.compress(content, 1) if packed else content)
    del content, long
    tracemalloc.start()
    try:
        found = list(chunks(str(path)))
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()
    ids = [part.row(offset)["id"] for part in found for offset in range(part.length) if offset not in part.invalid]
    assert ids == [1, 3]
    problems = {part.first_row + offset: text for part in found for offset, text in part.invalid.items()}
    assert problems == {
        1: "row 1 (line 2) is longer than 10,000,000 characters",
        3: "row 3 (line 4) is longer than 10,000,000 characters",
    }


def test_a_line_of_csv_that_is_too_long_ends_it(tmp_path: Path) -> None:
    """Nobody knows then where a row ends."""
    path = written(tmp_path / "a.csv", b"id,note\n1,a\n2," + b"x" * 11_000_000 + b"\n")
    with pytest.raises(SettingsError, match=r"can't be read on: line 3 is longer than 10,000,000 characters"):
        read(path)


def test_a_file_that_is_one_line_without_an_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no file with rows, and reading it would never end."""
    monkeypatch.setattr(files, "MAX_LINE_CHARACTERS", 1_000)
    path = written(tmp_path / "a.jsonl", b'{"id": 1}\n' + b"x" * 200_000)
    with pytest.raises(SettingsError, match=r"can't be read on: line 2 has no end"):
        read(path)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_gzipped_files_are_read_as_they_are(tmp_path: Path, kind: str) -> None:
    """Every format may be gzipped; one that breaks off is told, with its path, and no row is made up."""
    plain = tmp_path / f"a.{kind}"
    if kind == "parquet":
        frame_file(plain)
    else:
        plain.write_text("id\n1\n2\n" if kind == "csv" else '{"id": "1"}\n{"id": "2"}\n')
    zipped = written(tmp_path / f"a.{kind}.GZ", gzip.compress(plain.read_bytes()))
    assert read(str(zipped)) == read(plain)
    assert total_rows(zipped) is None
    broken = written(tmp_path / f"broken.{kind}.gz", zipped.read_bytes()[:-12])
    with pytest.raises(SettingsError, match="broken"):
        read(broken)
    with pytest.raises(SettingsError, match="false"):
        read(written(tmp_path / f"false.{kind}.gz", plain.read_bytes()))


def test_parquet_csv_and_json_lines_give_the_same_rows(tmp_path: Path) -> None:
    """The same rows in each format have the same columns, and the same values as far as the format has types."""
    rows = [{"id": str(n), "name": None if n % 3 else f"name {n}"} for n in range(2_500)]
    pd.DataFrame(rows).to_parquet(tmp_path / "a.parquet")
    pd.DataFrame(rows).to_csv(tmp_path / "a.csv", index=False)
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for kind in ("parquet", "csv", "jsonl"):
        assert read(tmp_path / f"a.{kind}") == rows
        assert [part.length for part in chunks(tmp_path / f"a.{kind}")] == [1_000, 1_000, 500]


TYPED_ROWS = [
    {
        "id": 9007199254740993 + n,
        "firstname": f"name, {n}" if n % 3 else None,
        "date_of_birth": date(1980, 2, 29) + timedelta(days=n),
        "last_seen": datetime(2024, 3, 31, 1, 30, tzinfo=UTC) + timedelta(minutes=n),
        "amount": Decimal(n) / 4,
        "ratio": n / 10,
        "subscribed": n % 2 == 0,
    }
    for n in range(25)
]
TYPES = {"date_of_birth": "date", "last_seen": "datetime", "amount": "number", "ratio": "number", "subscribed": "bool"}


def test_formats_with_and_without_types_send_the_same(tmp_path: Path) -> None:
    """Dates, times, decimals, floats, booleans and nulls reach HubSpot as the same text from every format."""
    parquet.write_table(pa.Table.from_pylist(TYPED_ROWS), tmp_path / "a.parquet")
    pd.DataFrame(TYPED_ROWS).to_csv(tmp_path / "a.csv", index=False)
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row, default=str) + "\n" for row in TYPED_ROWS))
    definitions = definitions_from_json(
        [
            {"name": name, "label": name, "type": TYPES.get(name, "string"), "fieldType": "text"}
            for name in TYPED_ROWS[0]
        ]
    )
    sent = []
    for kind in ("parquet", "csv", "jsonl"):
        (part,) = chunks(tmp_path / f"a.{kind}")
        mapping = compile_mapping(
            MappingSpec.checked(),
            chunk_columns=list(part.columns),
            complete=part.complete,
            definitions=definitions,
            object_type="contacts",
            preflight=True,
        )
        sent.append([(row.id, row.properties) for row in mapping.prepare(part) if isinstance(row, Input)])
    assert sent[0] == sent[1] == sent[2]
    assert len(sent[0]) == 25
    assert sent[0][2] == (
        "9007199254740995",
        {
            "firstname": "name, 2",
            "date_of_birth": "1980-03-02",
            "last_seen": "2024-03-31T01:32:00.000Z",
            "amount": "0.5",
            "ratio": "0.2",
            "subscribed": "true",
        },
    )


def test_lists_of_paths_are_read_one_after_the_other(tmp_path: Path) -> None:
    """Rows may be a list of files, as a task that finds them gives it."""
    paths = [written(tmp_path / f"{n}.csv", f"id\n{n}\n") for n in range(3)]
    assert [row["id"] for row in read([str(path) for path in paths])] == ["0", "1", "2"]
    assert [part.first_row for part in chunks(paths)] == [0, 1, 2]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_object_storage_is_read_through_its_connection(tmp_path: Path, kind: str) -> None:
    """A URL is opened by Airflow's ObjectStoragePath, with the connection given, in the URL or beside it."""
    path = tmp_path / f"a.{kind}"
    if kind == "parquet":
        parquet.write_table(pa.table({"id": ["1"]}), path)
    else:
        path.write_text("id\n1\n" if kind == "csv" else '{"id": "1"}\n')
    store = MemoryFileSystem()
    store.pipe(f"/bucket/a.{kind}", path.read_bytes())
    attach("memory", "lake", fs=store)
    beside = FileRows(f"memory://bucket/a.{kind}", conn_id="lake")
    inside = f"memory://lake@bucket/a.{kind}"
    for rows in (beside, inside, FileRows(inside), ObjectStoragePath(inside), path.as_uri()):
        assert read(rows) == [{"id": "1"}]
    assert total_rows(beside) == (1 if kind == "parquet" else None)
    with pytest.raises(SettingsError, match=r"no file 'memory://lake@bucket/absent\.csv'"):
        read("memory://lake@bucket/absent.csv")


def test_files_that_cannot_be_opened_are_named(tmp_path: Path) -> None:
    """A missing file, a folder, a foreign URL, an unknown ending, format or encoding: each is named with its path."""
    (tmp_path / "folder.csv").mkdir()
    for rows, said in [
        (tmp_path / "absent.csv", "no file .*absent.csv"),
        (tmp_path / "folder.csv", "no file .*folder.csv"),
        ("nowhere://bucket/a.csv", "can't open 'nowhere://bucket/a.csv'"),
        (tmp_path / "a.xlsx", "can't tell the format of .*a.xlsx"),
        (FileRows("a.csv", format="excel"), "one of parquet, csv, jsonl"),
        (FileRows(written(tmp_path / "a.csv", "id\n"), encoding="klingon"), "unknown encoding: klingon"),
    ]:
        with pytest.raises(SettingsError, match=said):
            read(rows)


def test_paths_are_shown_without_secrets() -> None:
    """A password or a signature in a URL shows in no representation and no error."""
    assert describe("https://me:secret@host/a.csv") == "FileRows(path='https://***@host/a.csv')"
    signed = FileRows("https://host/a.csv?signature=secret", format="csv")
    assert repr(signed) == "FileRows(path='https://host/a.csv?***', format='csv')"


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_files_are_closed_when_reading_ends_early(tmp_path: Path, kind: str) -> None:
    """Closing the chunks closes the file."""
    path = tmp_path / f"closes.{kind}"
    if kind == "parquet":
        frame_file(path)
    else:
        path.write_text("id\n1\n2\n" if kind == "csv" else '{"id": 1}\n{"id": 2}\n')
    reader = chunks(path, chunk_rows=1)
    next(reader)
    reader.close()
    links = [link.readlink() for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    assert path not in links
