"""Finding the bad rows of a batch that HubSpot refused whole: read the error first, then split, within a budget.

HubSpot mostly doesn't say which row it refuses a batch for. In this order, the cheapest first:

1. the error names ids or trace ids: those rows are it;
2. it says what is wrong in any row (``learned``): every row that has it, now and later;
3. it quotes a value: the one row that can have it; where several can, the others are sent without them, which leaves
   fewer, and then one of them alone;
4. it names a property: the search begins with the rows that it is probably about;
5. it tells nothing: the batch is halved. A group known to hold a bad row is never sent whole again, and what a
   refused half leaves unknown is put aside and sent together at the end (binary splitting, about log2(n) + 2
   requests a bad row, where plain halving takes 2 log2(n)).

No row is rejected for what another row has: it is named, or was sent alone, or it alone of a refused batch can have the
value that the error quotes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow_provider_hubbatch.core.learned import Learned, likely_rows, quotes_of

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from airflow_provider_hubbatch.core.error_reply import ErrorReply
    from airflow_provider_hubbatch.core.model import Input

# A reason this often in a row, with no row accepted in between, is the table's and not a row's. With 16 requests in
# flight it ends a hopeless sync well under 100 requests. Once rows have been accepted it takes more: the search through
# one batch in which every row is bad must not end a sync.
SYSTEMATIC_REFUSALS = 40
SYSTEMATIC_REFUSALS_AFTER_ACCEPTANCE = 250
SYSTEMATIC_ROWS = 1_000

# Replies in a row that name no row at all, while looking for the row that empties them: halving 100 rows takes 7.
MAX_SILENT_REPLIES = 8

# HubSpot wants errors under 5 % of an app's requests a day; the smallest daily limit is 250,000. A sync takes at
# most this much of it for itself.
MAX_REFUSED_REQUESTS = 5_000


@dataclass(frozen=True, slots=True)
class Group:
    """Inputs to send together, while looking for the bad ones of a refused batch.

    :param inputs: what is sent.
    :param suspects: holds a bad row for sure, if ``inputs`` prove to be clean.
    :param aside: nothing is known about these; sent together once the search has found its row.
    :param quoting: the refusal that quotes values of the ``suspects``, while all others of its batch are sent.
    """

    inputs: tuple[Input, ...]
    suspects: tuple[Input, ...] = ()
    aside: tuple[Input, ...] = ()
    quoting: ErrorReply | None = None

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


def after_refusal(
    group: Group,
    error: ErrorReply,
    *,
    named: Sequence[tuple[Input, ErrorReply]],
    learned: Learned,
    bad_share: float,
) -> Isolation:
    """Decide about a group that was refused whole.

    :param error: the refusal.
    :param named: the inputs that it names, each with what it says of it.
    :param learned: added to.
    :param bad_share: of the rows so far, how many proved bad: above 0 and at most 1.
    """
    learned.learn(error, group.inputs)
    if len(group.inputs) == 1:
        return _refused_alone(group, named[0][1] if named else error, learned, bad_share)
    if named and _is_about_duplicates(error):
        return _each_alone(group, [item for item, _ in named])
    if named:
        unnamed = _others(group.all_inputs, {item.row for item, _ in named})
        return Isolation(tuple(named), _sent_together(unnamed))
    refused = _refused_by_what_is_known(group, learned) | _only_ones(group.inputs, error, learned)
    rejected = tuple((item, refused[item.row]) for item in group.all_inputs if item.row in refused)
    left = Group(_others(group.inputs, refused), aside=_others(group.suspects + group.aside, refused))
    return Isolation(rejected, _still_to_send(left, error, learned, bad_share, found=bool(rejected)))


def after_acceptance(group: Group, *, learned: Learned, bad_share: float) -> Isolation:
    """Decide about what of a group is still to be sent, once its ``inputs`` were accepted."""
    if not group.suspects:
        return Isolation(groups=_sent_together(group.aside, _may_be_clean(bad_share)))
    if group.quoting is None:
        return Isolation(groups=(_narrowed(Group(group.suspects, aside=group.aside), bad_share),))
    only = _only_ones(group.suspects, group.quoting, learned)
    rejected = tuple((item, group.quoting) for item in group.suspects if item.row in only)
    left = Group(_others(group.suspects, only), aside=group.aside)
    return Isolation(rejected, _still_to_send(left, group.quoting, learned, bad_share, found=bool(only)))


def left_aside(group: Group) -> tuple[Group, ...]:
    """What of a group is still to be sent, where nothing is said about its ``inputs`` and ``suspects``."""
    return _sent_together(group.aside)


def _refused_alone(group: Group, error: ErrorReply, learned: Learned, bad_share: float) -> Isolation:
    """An input alone in a request: the refusal is about it; and about others, where its value never does."""
    item = group.inputs[0]
    refused = {item.row: error} | _refused_by_what_is_known(group, learned)
    for quote in quotes_of(error, group.inputs):
        learned.note_refused(quote, item)
        if learned.is_refused_throughout(quote, item):
            value = item.properties[quote.name]
            refused |= {one.row: error for one in group.suspects if one.properties.get(quote.name) == value}
    rejected = tuple((one, refused[one.row]) for one in group.all_inputs if one.row in refused)
    return Isolation(rejected, _sent_together(_others(group.all_inputs, refused), _may_be_clean(bad_share)))


def _refused_by_what_is_known(group: Group, learned: Learned) -> dict[int, ErrorReply]:
    found = ((item.row, learned.refusal_of(item)) for item in group.all_inputs) if learned else ()
    return {row: error for row, error in found if error is not None}


def _only_ones(inputs: Sequence[Input], error: ErrorReply, learned: Learned) -> dict[int, ErrorReply]:
    """Those of the inputs (one of which the error is about) that alone can have a value which it quotes."""
    only = {}
    for quote in quotes_of(error, inputs):
        possible = [item for item in inputs if quote.may_be_about(item)]
        if len(possible) == 1 and possible[0].row not in only:
            learned.note_refused(quote, possible[0])
            only[possible[0].row] = error
    return only


def _still_to_send(
    group: Group, error: ErrorReply, learned: Learned, bad_share: float, *, found: bool
) -> tuple[Group, ...]:
    """What to send of a refused group, of which nothing but ``inputs`` and ``aside`` is left.

    :param found: at least one row that the error is about has been found.
    """
    quotes = quotes_of(error, group.inputs)
    suspects = tuple(item for item in group.inputs if any(quote.is_held_by(item) for quote in quotes))
    if suspects and len(suspects) < len(group.inputs):
        others = _others(group.inputs, {item.row for item in suspects})
        return (Group(others, suspects, group.aside, quoting=error),)
    for quote in quotes if len(suspects) > 1 else ():
        # the last one: the rows before it, of the same kind perhaps, have been refused or taken already
        alone = next(filter(quote.is_held_by, reversed(suspects)))
        if not learned.was_taken(quote, alone):
            return (Group((alone,), _others(suspects, {alone.row}), group.aside),)
    if found or not group.inputs:
        return _sent_together(group.all_inputs)
    likely = tuple(likely_rows(error, group.inputs)) or group.inputs
    aside = _others(group.inputs, {item.row for item in likely})
    return (_narrowed(Group(likely, aside=group.aside + aside), bad_share),)


def _narrowed(group: Group, bad_share: float) -> Group:
    """The part of a group to send first, of which ``inputs`` hold a bad row: down to one row alone."""
    return split(group, bad_share) if len(group.inputs) > 1 else group


def _each_alone(group: Group, named: list[Input]) -> Isolation:
    """HubSpot takes these for one record: one request each, the next one only after the last has been answered."""
    rest = _others(group.all_inputs, {item.row for item in named})
    first = Group((named[0],), aside=tuple(named[1:]))
    return Isolation(groups=(first, *_sent_together(rest)))


def _others(inputs: tuple[Input, ...], rows: Container[int]) -> tuple[Input, ...]:
    return tuple(item for item in inputs if item.row not in rows)


def _sent_together(inputs: tuple[Input, ...], most: int | None = None) -> tuple[Group, ...]:
    """One group of what is left, in input order: so many of them at once, the rest after them.

    :param most: ``None``: all, as they were in one request before.
    """
    if not inputs:
        return ()
    ordered = tuple(sorted(inputs, key=lambda item: item.row))
    first = ordered[:most]
    return (Group(first, aside=ordered[len(first) :]),)


def _may_be_clean(bad_share: float) -> int:
    """So many rows that nothing is known of are worth sending at once: they are clean every tenth time."""
    return max(1, int(2.3 / bad_share))


def split(group: Group, bad_share: float) -> Group:
    """Halve a group that holds a bad row; smaller first parts where many rows are bad (Hwang's group size)."""
    size = min(len(group.inputs) // 2, max(1, int(0.69 / bad_share)))
    return Group(
        inputs=group.inputs[:size],
        suspects=group.inputs[size:],
        aside=group.suspects + group.aside,
    )


def _is_about_duplicates(error: ErrorReply) -> bool:
    return "duplicate" in error.message.lower()


@dataclass(slots=True)
class BadRows:
    """How many rows prove bad, of all and of the last ones: bad rows come in clusters too."""

    rows: int = 0
    bad: int = 0
    _recent: float = 0.0

    @property
    def share(self) -> float:
        """Of the rows, how many are bad: above 0 and at most 1; 1 in 100 as long as nothing is known."""
        return max((1 + self.bad) / (100 + self.rows), self._recent)

    def note_good(self, rows: int) -> None:
        """So many rows were accepted."""
        self.rows += rows
        self._recent *= 0.97**rows

    def note_bad(self) -> None:
        """A row proved bad."""
        self.rows += 1
        self.bad += 1
        self._recent = 0.97 * self._recent + 0.03


@dataclass(frozen=True, slots=True)
class Streak:
    """Refusals in a row for one and the same reason, with no row accepted in between.

    :param after_acceptance: rows have been accepted before.
    :param reason: (category, code, property).
    :param requests: refused requests of the streak.
    :param rows: rows of the streak that were rejected without a request, by what had been learned.
    """

    after_acceptance: bool = False
    reason: tuple[str, str, str] | None = None
    requests: int = 0
    rows: int = 0

    def refused(self, error: ErrorReply, *, requests: int = 0, rows: int = 0) -> Streak:
        """The streak after one more refusal."""
        reason = reason_of(error)
        if reason != self.reason:
            return Streak(self.after_acceptance, reason, requests, rows)
        return replace(self, requests=self.requests + requests, rows=self.rows + rows)

    @property
    def systematic(self) -> bool:
        """Whether the reason is the table's or the settings', not a row's."""
        most = SYSTEMATIC_REFUSALS_AFTER_ACCEPTANCE if self.after_acceptance else SYSTEMATIC_REFUSALS
        return self.requests >= most or self.rows >= SYSTEMATIC_ROWS


def reason_of(error: ErrorReply) -> tuple[str, str, str]:
    """Why HubSpot refuses, without the values: (category, code, property)."""
    first = error.properties[0] if error.properties else None
    return (error.category, (first.code if first else None) or "", (first.name if first else None) or "")
