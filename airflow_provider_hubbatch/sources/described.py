"""What a DAG file says of rows that are read later: a query, a file.

Nothing is read here, and no pandas, pyarrow or database module is loaded.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence, Sized
from dataclasses import KW_ONLY, dataclass, fields, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ClassVar, Self

from airflow_provider_hubbatch.core.redact import show_path
from airflow_provider_hubbatch.exceptions import SettingsError

if TYPE_CHECKING:
    import os

# What comes before a query's first literal or comment: it may hold what no log should.
_FIRST_WORDS = re.compile(r"[^'\"`$\d\-/#]{0,60}")


class DescribedRows:
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


@dataclass(frozen=True, slots=True)
class OwnRun:
    """The sync that reads: it must not read what it writes.

    :param results_path: where it writes its result files, if it does.
    :param name: what they are called after.
    """

    results_path: str | None
    name: str


@dataclass(repr=False)
class SqlRows(DescribedRows):
    """The rows of a query, streamed: memory doesn't grow with their number.

    A PostgreSQL connection is read through a server-side cursor in a read-only transaction that stays open for as
    long as the sync takes; any other by ``fetchmany``. (MySQL's client fetches all of a result at once unless the
    connection's extra says ``{"cursor": "SSCursor"}``.) Without ``ORDER BY`` the database may give the rows in another
    order next time.

    It is shown by the query's first words and a hash of all of it: its literals stay out of logs.

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
        return _show(self, sql=_show_query(self.sql), parameters=_show_parameters(self.parameters))

    def _render(self, name: str, context: Mapping[str, Any]) -> Any:
        if name == "sql" and isinstance(self.sql, str) and self.sql.endswith(".sql"):
            return _render_file(self.sql, context)
        return super()._render(name, context)


@dataclass(repr=False)
class FileRows(DescribedRows):
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


@dataclass(repr=False)
class RejectedRows(DescribedRows):
    """The rows of an earlier run that were not written, out of its result files: to send them again.

    Rows that were rejected, unknown or not sent; once each; none whose record was written later in that run. Their
    number and what is left out is in the log.

    :param results_path: the folder of that run's result files, or with ``latest`` the one above the runs' folders.
        Templated.
    :param statuses: which rows: statuses (``rejected``, ``unknown``, ``not_sent``) and categories (``INVALID_OPTION``).
        ``None``: all three, but neither what ``validate_only`` didn't send nor what may have been created.
    :param latest: read the newest earlier run below ``results_path`` that has files of this task. Before the first run
        there are no rows.
    :param task_id: read that task's files instead of this one's. Templated.
    :param max_attempts: leave out rows that were sent again so often already.
    """

    results_path: str
    statuses: Sequence[str] | None = None
    latest: bool = False
    task_id: str | None = None
    max_attempts: int = 3

    template_fields: ClassVar[tuple[str, ...]] = ("results_path", "task_id")

    def __repr__(self) -> str:
        return _show(self, results_path=repr(show_path(self.results_path)))


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


def _show_query(sql: Any) -> str:
    """``'select id, email from contacts ...' (hash 1f3a9c2e)``"""
    if not isinstance(sql, str):
        return f"<{type(sql).__name__}>"
    text = " ".join(sql.split())
    found = _FIRST_WORDS.match(text)
    first = found[0] if found else ""
    if len(first) < len(text):
        # the last word may be cut, or the name that a literal belongs to
        first = f"{first.rpartition(' ')[0]} ..."
    digest = hashlib.blake2b(sql.encode(errors="backslashreplace"), digest_size=4).hexdigest()
    return f"{first.strip()!r} (hash {digest})"


def _show_parameters(parameters: Any) -> str:
    if isinstance(parameters, Mapping):
        return f"{{{', '.join(f'{name!r}: ...' for name in parameters)}}}"
    return f"[{', '.join(['...'] * len(parameters))}]" if isinstance(parameters, Sized) else "..."
