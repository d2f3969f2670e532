"""Finding the bad rows of a batch that HubSpot refused whole: read the error first, then split, within a budget.

HubSpot mostly doesn't say which row it refuses a batch for. In this order, the cheapest first:

1. the error names ids or trace ids: those rows are it;
2. it names a property that can't be written at all: every row that has it, now and later;
3. it quotes a value of a property: the rows with that value, now and later;
4. it tells nothing: the batch is halved. A group known to hold a bad row is never sent whole again, and what a
   refused half leaves unknown is put aside and sent together at the end (binary splitting, about log2(n) + 2
   requests a bad row, where plain halving takes 2 log2(n)).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from airflow_provider_hubbatch.core.reconcile import inputs_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_hubbatch.core.error_reply import ErrorReply, PropertyError
    from airflow_provider_hubbatch.core.model import Input

# Refusals that no value of the row can mend: the property can't be written.
UNWRITABLE_CODES = frozenset({"PROPERTY_DOESNT_EXIST", "READ_ONLY_VALUE", "CALCULATED_VALUE"})

# How HubSpot's own messages quote a value (live replies): what stands before or between these words is the value.
_QUOTING = (
    re.compile(r"(?s)^(.*) was not one of the allowed options"),
    re.compile(r"(?s)^(.*) was not a valid \w+"),
    re.compile(r"(?s)^(.*) is not a valid \w+"),
    re.compile(r"(?s)^Email address (.*) is invalid"),
    re.compile(r'(?s)^"(.*)" (?:is|was) (?:not|an invalid) '),
)

# Refusals that hang on the record as well as on the value: another record may have it, so nothing is learned.
_CONFLICT = re.compile(r"CONFLICT|UNIQUE|DUPLICATE|ALREADY", re.IGNORECASE)

# A reason this often in a row, with no row accepted in between, is the table's and not a row's. With 16 requests in
# flight it ends a hopeless sync well under 100 requests.
SYSTEMATIC_REFUSALS = 40
SYSTEMATIC_ROWS = 1_000

# Replies in a row that name no row at all, while the row is sought that empties them: halving 100 rows takes 7.
MAX_SILENT_REPLIES = 8

# HubSpot wants errors under 5 % of an app's requests a day; the smallest daily limit is 250,000. A sync takes at
# most this much of it for itself.
MAX_REFUSED_REQUESTS = 5_000


@dataclass(frozen=True, slots=True)
class Group:
    """Inputs to send together, while the bad ones of a refused batch are sought.

    :param inputs: what is sent.
    :param suspects: holds a bad row for sure, if ``inputs`` prove to be clean.
    :param aside: nothing is known about these; sent together once the search has found its row.
    :param searching: part of a search: a refusal has been seen.
    """

    inputs: tuple[Input, ...]
    suspects: tuple[Input, ...] = ()
    aside: tuple[Input, ...] = ()
    searching: bool = False

    @property
    def all_inputs(self) -> tuple[Input, ...]:
        """Every input that this group still has to account for."""
        return self.inputs + self.suspects + self.aside


@dataclass(frozen=True, slots=True)
class Isolation:
    """What to do about a refusal.

    :param rejected: these rows are refused, for this reason.
    :param groups: to be sent; with ``rejected`` they hold every input of the group once.
    """

    rejected: tuple[tuple[Input, ErrorReply], ...] = ()
    groups: tuple[Group, ...] = ()


@dataclass(frozen=True, slots=True)
class Learned:
    """What refusals have taught about all rows.

    :param unwritable: property -> the refusal that says it can't be written.
    :param bad_values: (property, value) -> the refusal that quotes it.
    """

    unwritable: dict[str, ErrorReply] = field(default_factory=dict)
    bad_values: dict[tuple[str, str], ErrorReply] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.unwritable or self.bad_values)

    def refusal_of(self, item: Input) -> ErrorReply | None:
        """The refusal that is sure to meet this input, if any is."""
        for name, value in item.properties.items():
            error = self.unwritable.get(name) or self.bad_values.get((name, value))
            if error is not None:
                return error
        return None


# Values remembered; a sync with more distinct bad values than this has other worries.
_MAX_BAD_VALUES = 10_000


def after_refusal(
    group: Group, error: ErrorReply, *, id_property: str | None, learned: Learned, bad_share: float
) -> Isolation:
    """Decide about a group that was refused whole.

    :param error: the refusal.
    :param learned: added to, where the error teaches something about other rows too.
    :param bad_share: of the rows so far, how many proved bad: above 0 and at most 1.
    """
    if len(group.inputs) == 1:
        return _found(group, error)
    if error.ids or error.trace_ids:
        named = inputs_named(group.inputs, error, id_property)
        if named and _is_about_duplicates(error):
            return _each_alone(group, named)
        # a conflict may name the other record, the one that has the value already
        if named and not _is_about_conflict(error):
            return _without(group, {item.row for item in named}, error)
    learn(error, group.inputs, learned)
    known = {item.row: refusal for item in group.inputs if (refusal := learned.refusal_of(item)) is not None}
    if known:
        rejected = tuple((item, known[item.row]) for item in group.inputs if item.row in known)
        rest = _rest(group, set(known))
        return Isolation(rejected, _sent_together(rest))
    return _among_carriers(group, error, bad_share)


def after_acceptance(group: Group, *, bad_share: float) -> tuple[Group, ...]:
    """What of a group is still to be sent, once its ``inputs`` were accepted."""
    if not group.suspects:
        return _sent_together(group.aside)
    if len(group.suspects) == 1:
        return (Group(group.suspects, aside=group.aside, searching=True),)
    return (split(Group(group.suspects, aside=group.aside, searching=True), bad_share),)


def learn(error: ErrorReply, inputs: Sequence[Input], learned: Learned) -> None:
    """Remember what a refusal says of all rows: properties that can't be written, values that aren't taken."""
    for found in error.properties:
        if found.name is None:
            continue
        if found.code in UNWRITABLE_CODES:
            learned.unwritable.setdefault(found.name, error)
        elif len(learned.bad_values) < _MAX_BAD_VALUES and not _CONFLICT.search(found.code or ""):
            value = _quoted_value(found, inputs)
            if value is not None:
                learned.bad_values.setdefault((found.name, value), error)


def _quoted_value(found: PropertyError, inputs: Sequence[Input]) -> str | None:
    """The value that a message quotes, if one of the inputs has exactly this value in that property."""
    held = {value for item in inputs if (value := item.properties.get(found.name or ""))}
    for pattern in _QUOTING:
        match = pattern.search(found.message)
        if match is not None and match.group(1) in held:
            return match.group(1)
    return None


def _found(group: Group, error: ErrorReply) -> Isolation:
    """An input alone in a request: the refusal is about it."""
    return Isolation(((group.inputs[0], error),), _sent_together(group.suspects + group.aside))


def _among_carriers(group: Group, error: ErrorReply, bad_share: float) -> Isolation:
    """The bad row is among those that have a property which the error names; all of them, if it names none."""
    names = {found.name for found in error.properties}
    carriers = tuple(item for item in group.inputs if not names.isdisjoint(item.properties))
    others = tuple(item for item in group.inputs if names.isdisjoint(item.properties))
    if not carriers or not others:
        return Isolation(groups=(split(group, bad_share),))
    narrowed = replace(group, inputs=carriers, aside=group.aside + others)
    if len(carriers) == 1:
        return _found(narrowed, error)
    return Isolation(groups=(split(narrowed, bad_share),))


def _without(group: Group, rows: set[int], error: ErrorReply) -> Isolation:
    rejected = tuple((item, error) for item in group.inputs if item.row in rows)
    return Isolation(rejected, _sent_together(_rest(group, rows)))


def _each_alone(group: Group, named: list[Input]) -> Isolation:
    """HubSpot takes these for one record: one request each, the next one only after the last has been answered."""
    rest = _rest(group, {item.row for item in named})
    first = Group((named[0],), aside=tuple(named[1:]), searching=True)
    return Isolation(groups=(first, *_sent_together(rest)))


def _rest(group: Group, rows: set[int]) -> tuple[Input, ...]:
    return tuple(item for item in group.all_inputs if item.row not in rows)


def _sent_together(inputs: tuple[Input, ...]) -> tuple[Group, ...]:
    """One group of what is left, in input order."""
    return (Group(tuple(sorted(inputs, key=lambda item: item.row)), searching=True),) if inputs else ()


def split(group: Group, bad_share: float) -> Group:
    """Halve a group that holds a bad row; smaller first parts where many rows are bad (Hwang's group size)."""
    size = min(len(group.inputs) // 2, max(1, int(0.69 / bad_share)))
    return Group(
        inputs=group.inputs[:size],
        suspects=group.inputs[size:],
        aside=group.suspects + group.aside,
        searching=True,
    )


def _is_about_conflict(error: ErrorReply) -> bool:
    codes = [found.code or "" for found in error.properties]
    return any(_CONFLICT.search(word) for word in (error.category, *codes))


def _is_about_duplicates(error: ErrorReply) -> bool:
    return "duplicate" in error.message.lower()


@dataclass(frozen=True, slots=True)
class Streak:
    """Refusals in a row for one and the same reason, with no row accepted in between.

    :param reason: (category, code, property).
    :param requests: refused requests of the streak.
    :param rows: rows of the streak that were rejected without a request, by what had been learned.
    """

    reason: tuple[str, str, str] | None = None
    requests: int = 0
    rows: int = 0

    def refused(self, error: ErrorReply, *, requests: int = 0, rows: int = 0) -> Streak:
        """The streak after one more refusal."""
        reason = reason_of(error)
        if reason != self.reason:
            return Streak(reason, requests, rows)
        return replace(self, requests=self.requests + requests, rows=self.rows + rows)

    @property
    def systematic(self) -> bool:
        """Whether the reason is the table's or the settings', not a row's."""
        return self.requests >= SYSTEMATIC_REFUSALS or self.rows >= SYSTEMATIC_ROWS


def reason_of(error: ErrorReply) -> tuple[str, str, str]:
    """Why HubSpot refuses, without the values: (category, code, property)."""
    first = error.properties[0] if error.properties else None
    return (error.category, (first.code if first else None) or "", (first.name if first else None) or "")
