"""What one bad row does to its batch: it costs only itself, or all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_hubbatch.sandbox.checks import CONFLICT
from airflow_provider_hubbatch.sandbox.refusals import refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_hubbatch.sandbox.endpoints.batch import Batch, Row


class Isolation(NamedTuple):
    """Which problems of a row with a trace id cost only that row.

    :param values: A refused value.
    :param conflicts: A unique value that another record has.
    :param makes: Whether the verb may make records.
    """

    values: bool
    conflicts: bool
    makes: bool

    def holds_for(self, row: Row) -> bool:
        """Whether this row costs only itself."""
        if not row.input.trace_id:
            return False
        conflicts = any(problem.error == CONFLICT for problem in row.checked.problems)
        return self.conflicts if conflicts else self.values


def without_bad_rows(
    batch: Batch, rows: list[Row], write: Callable[[list[Row]], object], isolation: Isolation
) -> tuple[list[Row], list[dict[str, Any]]]:
    """The good rows, and one error for each of the others.

    :param write: Writes the rows before the first bad one, where a refused batch is partly written.
    :raises RefusedError: of the whole batch.
    """
    bad = [row for row in rows if row.checked.problems]
    if not bad:
        return rows, []
    fatal = [row for row in bad if not isolation.holds_for(row)]
    if not fatal:
        return [row for row in rows if not row.checked.problems], [_isolated(batch, row, isolation) for row in bad]
    if batch.portal.behaviours.partly_written:
        write(rows[: rows.index(bad[0])])
    problems = [problem for row in fatal for problem in row.checked.problems]
    raise refusal(problems, batch.table, batch.portal.behaviours, makes=isolation.makes, rows=len(rows))


def _isolated(batch: Batch, row: Row, isolation: Isolation) -> dict[str, Any]:
    problems = row.checked.problems
    behaviours = batch.portal.behaviours
    context: dict[str, list[Any]] = {"objectWriteTraceId": [row.input.trace_id]}
    existing = [problem.existing_id for problem in problems if problem.existing_id is not None]
    if existing and behaviours.existing_id_in == "existing_id":
        context["existingId"] = existing
    elif existing and behaviours.existing_id_in == "ids":
        context["ids"] = existing
    return {**refusal(problems, batch.table, behaviours, makes=isolation.makes).body, "context": context}
