"""Which columns of a source are read."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.exceptions import SettingsError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

# An account can buy 1,000 properties an object type beside HubSpot's own few hundred. More columns than that are a
# table on its side, or keys that are values; each would be a list of its own for every chunk.
MAX_COLUMNS = 2_000

# Of the columns that nobody asked for, so many are named in an error about one that is missing.
MAX_NAMES_KEPT = 1_000


def check_names(names: Iterable[Any], what: str) -> list[str]:
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


def choose_columns(
    names: Collection[str], wanted: Sequence[str] | None, what: str
) -> tuple[list[str], tuple[str, ...]]:
    """The columns to read, in the source's order; and, where a wanted one is missing, names of the others.

    :param names: all columns that the source has.
    :param wanted: those that will be used; ``None``: all.
    :param what: the source, as the subject of an error's sentence.
    :raises SettingsError: there are more than :data:`MAX_COLUMNS` to read.
    """
    asked = None if wanted is None else set(wanted)
    chosen = list(names) if asked is None else [name for name in names if name in asked]
    if len(chosen) > MAX_COLUMNS:
        raise SettingsError(
            f"{what} has {len(chosen):,} columns to write, more than an object type can have properties "
            f"({MAX_COLUMNS:,} at most): name those to write in `properties`."
        )
    if asked is None or len(chosen) == len(asked):
        return chosen, ()
    return chosen, tuple(islice((name for name in names if name not in asked), MAX_NAMES_KEPT))
