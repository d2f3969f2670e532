"""For tasks downstream of a sync: its outcomes as a table, its summary as a text, several summaries as one."""

from __future__ import annotations

import json
import os
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Literal, overload

from airflow_provider_hubbatch.core.summary_text import write_summary
from airflow_provider_hubbatch.core.sync_report import combine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import pandas as pd
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_hubbatch.core.model import RowOutcome

    Outcomes = str | os.PathLike[str] | ObjectStoragePath | Iterable[Mapping[str, Any] | RowOutcome]
    Values = Literal["json", "columns"] | None

__all__ = ["combined_report", "outcomes_frame", "result_files", "summary_text"]


def combined_report(summaries: Iterable[Mapping[str, Any] | None]) -> dict[str, Any]:
    """One summary of all instances of a mapped ``HubSpotBatchUpdateOperator``.

    ::

        @task(trigger_rule="all_done")  # also when some instances failed: they have pushed their summaries
        def report(summaries):
            return combined_report(summaries)

        report(update.output)

    :param summaries: the task's ``.output``, or any summaries.
    :returns: a summary as one sync has it, rows and requests added up, ``seconds`` from the first start to the last
        end; and ``syncs``: how many there were.
    """
    return combine(summaries)


# --- result files -----------------------------------------------------------------------------------------------------


def result_files(results_path: Any, task_id: str | None = None) -> list[ObjectStoragePath]:
    """The files in a results folder that count: each row stands in them once.

    ::

        for path in result_files("s3://bucket/hubspot/2026-03-01"):
            outcomes = [json.loads(line) for line in path.read_text().splitlines()]

    Once a task has ended these are all ``*.jsonl`` files that it left. While it runs, or where a worker that Airflow
    had given up came back after its successor had ended, there may be more, which don't count.

    :param results_path: a sync's ``results_path``.
    :param task_id: of this task alone, all of its mapped instances; ``None``: of every task that left files there.
    :raises SettingsError: the folder can't be read.
    """
    from airflow_provider_hubbatch.sources.outcome_files import result_paths  # noqa: PLC0415 - loads fsspec

    return result_paths(results_path, task_id)


# --- outcomes as a table ----------------------------------------------------------------------------------------------

# The columns of a frame, in order, with their types; what is a list or a dict in an outcome is JSON text here.
_COLUMNS = {
    "task": "string",
    "row": "int64",
    "id": "string",
    "to_id": "string",
    "record_id": "string",
    "to_record_id": "string",
    "status": "string",
    "category": "string",
    "message": "string",
    "correlation_id": "string",
    "updated_at": "datetime64[us, UTC]",
    "attempts": "int64",
    "not_taken": "string",
    "changes": "string",
    "values": "string",
    "values_cut": "string",
}
_JSON = ("not_taken", "changes", "values", "values_cut")

# Outcomes that are made a part of a frame at once.
_PART_ROWS = 10_000


@overload
def outcomes_frame(
    outcomes: Outcomes, *, chunk_rows: None = None, values: Values = "json", task_id: str | None = None
) -> pd.DataFrame: ...


@overload
def outcomes_frame(
    outcomes: Outcomes, *, chunk_rows: int, values: Values = "json", task_id: str | None = None
) -> Iterator[pd.DataFrame]: ...


def outcomes_frame(
    outcomes: Outcomes, *, chunk_rows: int | None = None, values: Values = "json", task_id: str | None = None
) -> pd.DataFrame | Iterator[pd.DataFrame]:
    """Outcomes as a pandas DataFrame, one row an outcome, ready for ``to_sql``.

    Texts are ``string``, ``row`` and ``attempts`` whole numbers, ``updated_at`` a time in UTC; ``not_taken``,
    ``changes`` and ``values_cut`` are JSON text. ``task`` is what the result files are called after.

    :param outcomes: the ``results_path`` of a sync (its files are read as far as they are needed); or outcomes: the
        XComs ``results`` or ``rejected``, or what ``iter_batch_update`` gives.
    :param chunk_rows: give an iterator of DataFrames of at most so many rows, so that memory doesn't grow with their
        number.
    :param values: the source rows: ``json``, one column of JSON text; ``columns``, a column ``values.{name}`` each (in
        chunks, those that the chunk has); ``None``: none.
    :param task_id: of a folder that several tasks share, read this one's files.
    :raises SettingsError: there is no such storage.
    """
    if values not in ("json", "columns", None):
        raise ValueError(f"values={values!r}: give 'json', 'columns' or None")
    if chunk_rows is not None and chunk_rows < 1:
        raise ValueError(f"chunk_rows={chunk_rows}: give a number above 0, or None")
    entries = _read_entries(outcomes, task_id)
    if chunk_rows is not None:
        return (_make_frame(part, values) for part in _split(entries, chunk_rows))
    import pandas as pd  # noqa: PLC0415 - not in a DAG file that imports combined_report

    frames = [_make_frame(part, values) for part in _split(entries, _PART_ROWS)]
    return pd.concat(frames, ignore_index=True) if frames else _make_frame([], values)


def _read_entries(outcomes: Outcomes, task_id: str | None) -> Iterator[dict[str, Any]]:
    if not isinstance(outcomes, (str, os.PathLike)) and not hasattr(outcomes, "fs"):
        for outcome in outcomes:
            yield dict(outcome if isinstance(outcome, dict) else outcome.as_dict())  # type: ignore[union-attr]
        return
    from airflow_provider_hubbatch.core.result_names import is_of_task  # noqa: PLC0415 - with the files
    from airflow_provider_hubbatch.sources.outcome_files import list_folder, open_folder  # noqa: PLC0415 - loads fsspec

    for files in list_folder(open_folder(str(outcomes))):
        if task_id is None or is_of_task(files.task, task_id):
            yield from ({**outcome, "task": files.task} for outcome in files.read())


def _split(entries: Iterator[dict[str, Any]], rows: int) -> Iterator[list[dict[str, Any]]]:
    while part := list(islice(entries, rows)):
        yield part


def _make_frame(part: list[dict[str, Any]], values: Values) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - as above

    columns: dict[str, Any] = {}
    for name, kind in _COLUMNS.items():
        if name == "values" and values != "json":
            if values == "columns":
                columns |= _spread_values(part)
            continue
        cells = [entry.get(name) for entry in part]
        if kind == "int64":
            columns[name] = pd.array([cell or 0 for cell in cells], dtype="int64")
        elif kind == "string":
            texts = [_json_text(cell) if name in _JSON else _text(cell) for cell in cells]
            columns[name] = pd.array(texts, dtype="string")
        else:
            moments = pd.to_datetime(pd.Series(cells, dtype="object"), utc=True, errors="coerce", format="ISO8601")
            columns[name] = moments.dt.as_unit("us")
    return pd.DataFrame(columns)


def _spread_values(part: list[dict[str, Any]]) -> dict[str, Any]:
    import pandas as pd  # noqa: PLC0415 - as above

    rows = [entry.get("values") or {} for entry in part]
    names = dict.fromkeys(chain.from_iterable(rows))
    return {f"values.{name}": pd.Series([_plain(row.get(name)) for row in rows], dtype="object") for name in names}


def _plain(cell: Any) -> Any:
    """A cell that a database takes."""
    return _json_text(cell) if isinstance(cell, (list, dict)) else cell


def _text(cell: Any) -> str | None:
    if cell is None or isinstance(cell, str):
        return cell
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else _json_text(cell)


def _json_text(cell: Any) -> str | None:
    return None if cell is None else json.dumps(cell, ensure_ascii=False)


# --- a summary as a text ----------------------------------------------------------------------------------------------


def summary_text(
    summary: Mapping[str, Any],
    rejected: Iterable[Mapping[str, Any]] | None = None,
    *,
    slack: bool = False,
    values: bool = False,
) -> str:
    """A sync's summary for a person, in two to six lines: what became of the rows, why, and where the rest is.

    ::

        contacts: 1,250 rows: 32 rejected, 1,218 updated
        31 INVALID_OPTION of plan (rows 17, 204, 871, ...): allowed are free, starter, pro
        1 OBJECT_NOT_FOUND (row 12)
        Every outcome is in s3://warehouse/hubspot/2026-01-03

    :param summary: the XCom ``return_value``, or :meth:`SyncReport.summary`.
    :param rejected: the XCom ``rejected``: the reasons then come with their properties and row numbers.
    :param slack: as Slack's markdown.
    :param values: quote the id and the reason of one row a reason, which may hold the row's values; else no row's value
        is in the text.
    """
    return write_summary(summary, rejected or (), slack=slack, values=values)
