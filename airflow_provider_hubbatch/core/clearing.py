"""Empty values, and the guard against emptying a property by accident: an extract that lost a column looks like this.

With ``null_values="skip"`` the columns with empty texts are noted, since somebody may have meant them to clear. With
``"clear"`` a property that a sync is about to empty in too many rows stops it, before they are sent.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from airflow_provider_hubbatch.core import scalars
from airflow_provider_hubbatch.core.model import MISSING, RowOutcome, Status
from airflow_provider_hubbatch.exceptions import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from airflow_provider_hubbatch.core.model import Chunk, Input
    from airflow_provider_hubbatch.core.rules import Converted

    Rows = Sequence[Input | RowOutcome]
    ConvertedColumn = tuple[str, str, Sequence[Converted]]
    """A column's name, its property, and the converted values."""

# So many rows tell a column that is empty throughout from one that is sparse.
ROWS_CHECKED: Final = 1_000
# Of fewer rows nothing is concluded: three customers without a phone number are no broken extract.
FEWEST_ROWS_CHECKED: Final = 100


class EmptyValues:
    """What a sync's rows have no value for, by property.

    :param clears: whether a null empties its property.
    :param max_cleared: the share of rows in which a property may be emptied; ``None``: any, but not all of the first
        1,000.
    """

    def __init__(self, *, clears: bool = False, max_cleared: float | None = None) -> None:
        self._clears = clears
        self._max_cleared = max_cleared
        self._cleared: Counter[str] = Counter()
        self._columns: dict[str, str] = {}
        self._rows = 0
        self.left_alone: dict[str, None] = {}
        """The columns whose empty texts left their property alone, in the order in which they were found."""

    @property
    def is_undecided(self) -> bool:
        """Whether more rows are to be read before any is sent."""
        return self._clears and self._max_cleared is None and self._rows < ROWS_CHECKED

    def add(self, chunk: Chunk, columns: Sequence[ConvertedColumn], gaps: Sequence[ConvertedColumn]) -> None:
        """Take in the next rows.

        :param columns: of each column its name, its property and the converted values.
        :param gaps: those of them that leave their property alone somewhere.
        """
        if self._clears:
            self._count(chunk, columns)
            return
        for column, _, cells in gaps:
            if column not in self.left_alone:
                values = chunk.columns[column]
                empty = (values[offset] for offset, cell in enumerate(cells) if cell is None)
                if any(value is not None and value is not MISSING and not scalars.is_null(value) for value in empty):
                    self.left_alone[column] = None

    def _count(self, chunk: Chunk, columns: Sequence[ConvertedColumn]) -> None:
        # where no share is given, only the first rows count
        taken = chunk.length if self._max_cleared is not None else min(chunk.length, ROWS_CHECKED - self._rows)
        if taken <= 0:
            return
        # of what is no row at all nothing is concluded
        self._rows += taken - sum(1 for offset in chunk.invalid if offset < taken)
        for column, name, cells in columns:
            self._columns[name] = column
            self._cleared[name] += cells[:taken].count("")

    def problem(self) -> str | None:
        """Why the rows so far must not be sent; ``None`` where nothing speaks against it."""
        if not self._clears or self._rows < FEWEST_ROWS_CHECKED:
            return None
        name, count = max(self._cleared.items(), key=lambda one: one[1], default=("", 0))
        if self._max_cleared is None:
            if count < self._rows:
                return None
            what = f"the column {self._columns[name]!r} is empty in all of the first {self._rows:,} rows"
            hint = "name a share that may be emptied (max_cleared=1.0: all)"
        else:
            if count <= self._max_cleared * self._rows:
                return None
            what = (
                f"the column {self._columns[name]!r} is empty in {count:,} of {self._rows:,} rows, more than "
                f"max_cleared={self._max_cleared} allows"
            )
            hint = "raise max_cleared"
        return (
            f'null_values="clear" would empty the property {name!r}: {what}. The sync stopped before it. Is the '
            f"extract complete? If this is meant, {hint}; else leave the column out of `properties`"
        )


CLEARING_STOPPED: Final = "CLEARING_STOPPED"
"""The category of rows that were not sent because they were about to empty a property throughout."""


def hold_until_checked(
    batches: Iterable[tuple[Rows, bool]], empty: EmptyValues, stop: Callable[[BaseException], None]
) -> Iterator[Rows]:
    """Rows on their way to be sent; the first ones wait until enough of them are known.

    :param batches: prepared rows, which ``empty`` has taken in; and whether they are exempt.
    :param stop: ends the sync with an error; rows handed on after it are accounted for, and not sent.
    """
    held: list[tuple[Rows, bool]] = []
    try:
        for rows, exempt in batches:
            held.append((rows, exempt))
            if not empty.is_undecided or all(one for _, one in held):
                yield from _check(held, empty, stop)
                held.clear()
    except GeneratorExit:
        raise
    except BaseException as error:  # noqa: BLE001 - the rows read before the source failed have their outcome too
        stop(error)
        yield from (rows for rows, _ in held)
        return
    yield from _check(held, empty, stop)


def _check(held: list[tuple[Rows, bool]], empty: EmptyValues, stop: Callable[[BaseException], None]) -> Iterator[Rows]:
    problem = empty.problem()
    if problem is not None:
        stop(SettingsError(problem))
    for rows, exempt in held:
        yield rows if problem is None or exempt else [_not_sent(row) for row in rows]


def _not_sent(row: Input | RowOutcome) -> RowOutcome:
    """What becomes of a row of an extract that isn't complete: it is not to be sent again as it is."""
    if isinstance(row, RowOutcome):
        return row
    return RowOutcome(
        row.row,
        row.given_id,
        Status.NOT_SENT,
        category=CLEARING_STOPPED,
        message="the sync stopped before it emptied a property throughout",
        values=row.values(),
    )
