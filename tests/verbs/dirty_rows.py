"""Rows with dirt in them, drawn from a seed, and what HubSpot shall hold because of each.

What a value comes to is written beside it, so that nothing here needs the package's own conversions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from random import Random

# Whose value is another one in every row, so that a record tells which row wrote it last.
WITNESS = "jobtitle"
KEY_COLUMN = "key"
# What must be so of a row's record, where it has one.
CHECKED_COLUMN = "who"
# What the rows' columns are called where a mapping renames them.
RENAMED = "the {}"
NULLS = (None, math.nan, pd.NaT, pd.NA, "", "  ")


class Value(NamedTuple):
    """A value as the row has it, and as HubSpot shall hold it.

    :param text: ``None``: nobody takes it.
    :param preflight_only: it is the definitions that make it right: without them HubSpot refuses it.
    """

    given: Any
    text: str | None
    preflight_only: bool = False


VALUES: dict[str, tuple[Value, ...]] = {
    "city": (Value("Gent", "Gent"), Value("Ħal Far", "Ħal Far"), Value(" Oslo ", " Oslo ")),
    "zip": (Value("00501", "00501"), Value(1010, "1010"), Value(2000.0, "2000")),
    "score": (
        Value(3, "3"),
        Value(2.5, "2.5"),
        Value(Decimal("1.50"), "1.5"),
        Value(np.int64(4), "4"),
        Value("7", "7"),
        Value("1e3", "1000", preflight_only=True),
    ),
    "plan": (Value("pro", "pro"), Value("starter", "starter"), Value("Enterprise", "enterprise", preflight_only=True)),
    "renewal_date": (Value(date(2026, 5, 1), "2026-05-01"), Value("2027-01-31", "2027-01-31")),
    "last_synced_at": (
        Value(datetime(2026, 5, 1, 10, 30, tzinfo=UTC), "2026-05-01T10:30:00.000Z"),
        Value(pd.Timestamp("2026-05-02", tz="UTC"), "2026-05-02T00:00:00.000Z"),
    ),
    "is_active": (Value(True, "true"), Value(False, "false"), Value("yes", "true", preflight_only=True)),
    "interests": (Value(["news", "events"], "news;events"), Value("offers;news", "offers;news")),
}
BAD_VALUES: dict[str, Callable[[int], Any]] = {
    "plan": lambda row: f"nonsense {row % 7}",
    "score": lambda row: f"{row},5",
    "renewal_date": lambda _: "2026-13-45",
    "is_active": lambda _: "perhaps",
}


class Fault(NamedTuple):
    """Why a row can't be written as it is.

    :param known: who can tell: anybody who looks at the row (``row``), by the property definitions (``preflight``), or
        HubSpot only (``hubspot``).
    """

    what: str
    known: str


@dataclass(frozen=True)
class MadeRow:
    """One row, and what is right for it.

    :param given: what the sync gets.
    :param name: the key that it names its record by, in one writing; ``None``: it names none.
    :param wants: property -> what HubSpot shall hold; ``""``: nothing.
    :param faults: why it can't be written as it is; empty: it can.
    :param says: what its record must have of a property before it is written; ``None``: whatever it has.
    """

    given: Any
    name: str | None
    wants: dict[str, str] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    says: str | None = None

    def unsendable(self, *, preflight: bool) -> bool:
        """Whether nobody may send it to HubSpot.

        :param preflight: whether it was checked by the property definitions.
        """
        return any(fault.known == "row" or (preflight and fault.known == "preflight") for fault in self.faults)


@dataclass(frozen=True, kw_only=True)
class Keys:
    """The keys that rows may name records by.

    :param good: in one writing.
    :param writings: the ways to write a key.
    :param malformed: what is no key at all.
    :param records: key -> what its record has of the property that is checked; empty: none is.
    """

    good: Sequence[str]
    writings: Sequence[Callable[[str], Any]]
    malformed: Sequence[Any]
    records: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Dirt:
    """How dirty the rows are.

    :param bad: the share of rows with something wrong.
    :param nulls: the share of values that are null.
    :param repeated: the share of rows that name a record which an earlier row named.
    :param clears: whether a null empties its property.
    :param preflight: whether values are checked and converted by the definitions.
    :param renames: whether the columns have other names than the properties.
    :param taken: property -> a value that another record has, and no other may have.
    :param has_values: whether there is anything beside the key.
    """

    bad: float = 0.05
    nulls: float = 0.1
    repeated: float = 0.2
    clears: bool = False
    preflight: bool = True
    renames: bool = False
    taken: Mapping[str, str] = field(default_factory=dict)
    has_values: bool = True


def make_rows(count: int, keys: Keys | None, dirt: Dirt, random: Random) -> list[MadeRow]:
    """Rows, the first of which is a good one with every column.

    :param keys: ``None``: rows without a key.
    """
    maker = _Maker(keys, dirt, random)
    return [maker.make(row) for row in range(count)]


class _Maker:
    def __init__(self, keys: Keys | None, dirt: Dirt, random: Random) -> None:
        self._keys = keys
        self._dirt = dirt
        self._random = random
        self._named: list[str] = []

    def make(self, row: int) -> MadeRow:
        chance = self._random.random
        if row and chance() < 0.003:
            return MadeRow(given=42, name=None, faults=(Fault("no row at all", "row"),))
        name, given, faults = self._key(row)
        says = self._says(name, given)
        wants: dict[str, str] = {}
        for column, value in self._values(row).items():
            given[column] = value.given
            text = self._text(value, faults, column)
            if text is not None:
                wants[column] = text
        if row and self._dirt.has_values and chance() < self._dirt.bad / 2:
            self._spoil(row, given, wants, faults)
        if self._dirt.renames:
            kept = (KEY_COLUMN, CHECKED_COLUMN)
            given = {name if name in kept else RENAMED.format(name): value for name, value in given.items()}
        return MadeRow(given, name, wants, tuple(faults), says)

    def _says(self, name: str | None, given: dict[str, Any]) -> str | None:
        """What the row has in the column that is checked: mostly what its record has."""
        if self._keys is None or not self._keys.records:
            return None
        says = self._keys.records.get(name or "")
        if says is not None and self._random.random() < 0.02:
            says = "nobody@example.org"
        if says is None or self._random.random() < 0.1:
            given[CHECKED_COLUMN] = self._random.choice(NULLS)
            return None
        given[CHECKED_COLUMN] = says.upper() if "@" in says and self._random.random() < 0.5 else says
        return says

    def _key(self, row: int) -> tuple[str | None, dict[str, Any], list[Fault]]:
        keys, random = self._keys, self._random
        if keys is None:
            return f"row {row}", {}, []
        if row and random.random() < self._dirt.bad / 2:
            given = random.choice([{}, *({KEY_COLUMN: one} for one in (*NULLS, *keys.malformed))])
            return None, dict(given), [Fault("names no record", "row")]
        again = self._named and random.random() < self._dirt.repeated
        name = random.choice(self._named if again else keys.good)
        self._named.append(name)
        return name, {KEY_COLUMN: random.choice(keys.writings)(name)}, []

    def _values(self, row: int) -> dict[str, Value]:
        random = self._random
        if not self._dirt.has_values:
            return {}
        if row and random.random() < 0.1:  # no witness; without a key, there may be more of its kind
            return {} if self._keys is not None and random.random() < 0.5 else {"city": Value("Gent", "Gent")}
        values = {WITNESS: Value(f"by row {row}", f"by row {row}")}
        for column, choices in VALUES.items():
            if row and random.random() < 0.5:
                continue
            is_null = row and random.random() < self._dirt.nulls
            values[column] = Value(random.choice(NULLS), None) if is_null else random.choice(choices)
        return values

    def _text(self, value: Value, faults: list[Fault], column: str) -> str | None:
        if value.text is None:
            return "" if self._dirt.clears else None
        if value.preflight_only and not self._dirt.preflight:
            faults.append(Fault(f"the value of {column}", "hubspot"))
            return str(value.given)
        return value.text

    def _spoil(self, row: int, given: dict[str, Any], wants: dict[str, str], faults: list[Fault]) -> None:
        random = self._random
        kinds = [*BAD_VALUES, *self._dirt.taken, *([] if self._dirt.preflight else ["nonesuch"])]
        kind = random.choice(kinds)
        if kind in BAD_VALUES:
            given[kind] = BAD_VALUES[kind](row)
        else:
            given[kind] = self._dirt.taken.get(kind, "a property that doesn't exist")
        wants[kind] = str(given[kind])
        faults.append(Fault(f"the value of {kind}", "preflight" if kind in BAD_VALUES else "hubspot"))
