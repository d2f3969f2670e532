"""Finding the bad rows of a refused batch: all of them, only them, and with few requests.

The pure decisions are driven to the end against a HubSpot that refuses a batch if any of its rows is bad.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_hubbatch.core.definitions import Option, PropertyDefinition
from airflow_provider_hubbatch.core.error_reply import ErrorReply, PropertyError
from airflow_provider_hubbatch.core.isolation import (
    MAX_REFUSED_REQUESTS,
    BadRows,
    Group,
    Isolation,
    Streak,
    after_acceptance,
    after_refusal,
)
from airflow_provider_hubbatch.core.learned import REFUSALS_THAT_TELL, Learned
from airflow_provider_hubbatch.core.model import Input
from airflow_provider_hubbatch.core.reconcile import errors_of_named

pytestmark = pytest.mark.slow

# As the sandbox has it: what is none of these options is refused in every row.
PLANS = {"plan": PropertyDefinition(name="plan", type="enumeration", options=(Option("free"), Option("pro")))}

MODES = ["ids", "first id", "trace ids", "quotes", "quotes first", "property", "nothing", "duplicates"]


def make(row: int, value: str, name: str = "plan", **more: str) -> Input:
    """A row with one property that HubSpot may refuse; its row number is far from its id."""
    return Input(row, str(500_000 + row), str(500_000 + row), str(500_000 + row), {name: value, "city": "x", **more})


def refused(group: Group, error: ErrorReply, learned: Learned, bad_share: float = 0.01) -> Isolation:
    """The decision about a group of record ids that was refused with this error."""
    named = errors_of_named(group.inputs, error, None)
    return after_refusal(group, error, named=named, learned=learned, bad_share=bad_share)


@dataclass
class Refusing:
    """A HubSpot that refuses a whole batch for its bad rows, and says more or less about them.

    :param mode: what its errors say.
    """

    mode: str
    bad: set[int]
    requests: int = 0
    refused: int = 0
    accepted: Counter[int] = field(default_factory=Counter)

    def send(self, inputs: tuple[Input, ...]) -> ErrorReply | None:
        """Take a batch: accepted whole, or refused whole with this error."""
        assert 1 <= len(inputs) <= 100
        self.requests += 1
        bad = [item for item in inputs if item.row in self.bad]
        if not bad:
            self.accepted.update(item.row for item in inputs)
            return None
        self.refused += 1
        return self._error(bad)

    def _error(self, bad: list[Input]) -> ErrorReply:
        first = bad[:1]
        match self.mode:
            case "ids" | "first id" | "duplicates":
                named = bad if self.mode != "first id" else first
                message = "Duplicate IDs found in batch input" if self.mode == "duplicates" else "no such record"
                return ErrorReply("VALIDATION_ERROR", message, ids=frozenset(item.id for item in named))
            case "trace ids":
                return ErrorReply("VALIDATION_ERROR", "bad", trace_ids=frozenset(item.trace_id for item in bad))
            case "quotes" | "quotes first":
                named = bad if self.mode == "quotes" else first
                return ErrorReply("VALIDATION_ERROR", "not valid", properties=tuple(map(_quoting, named)))
            case "property":
                names = dict.fromkeys(name for item in bad for name in item.properties if name != "city")
                found = tuple(PropertyError(name, "INVALID_OPTION", "The value is wrong") for name in names)
                return ErrorReply("VALIDATION_ERROR", "not valid", properties=found)
        return ErrorReply("VALIDATION_ERROR", "Property values were not valid")


def _quoting(item: Input) -> PropertyError:
    message = f"{item.properties['plan']} was not one of the allowed options: [free, pro]"
    return PropertyError("plan", "INVALID_OPTION", message)


@dataclass
class Search:
    """What became of the rows of some batches, driven one request after the other."""

    hubspot: Refusing
    rejected: Counter[int] = field(default_factory=Counter)
    learned: Learned = field(default_factory=Learned)
    bad_rows: BadRows = field(default_factory=BadRows)

    def run(self, inputs: list[Input], batch: int = 100) -> None:
        """Send these in batches, and find what is bad in those that are refused."""
        for start in range(0, len(inputs), batch):
            clean = []
            for item in inputs[start : start + batch]:
                if self.learned.refusal_of(item):
                    self.rejected[item.row] += 1
                else:
                    clean.append(item)
            self._drive(deque([Group(tuple(clean))] if clean else []))

    def _drive(self, groups: deque[Group]) -> None:
        while groups:
            group = groups.popleft()
            self._check(group)
            decision = self._decision(group, self.hubspot.send(group.inputs))
            self._note(decision)
            left = [item.row for one in decision.groups for item in one.all_inputs]
            accounted = left + [item.row for item, _ in decision.rejected] + self._taken
            assert sorted(accounted) == sorted(item.row for item in group.all_inputs)
            groups.extend(decision.groups)
            assert self.hubspot.requests < 100_000

    def _decision(self, group: Group, error: ErrorReply | None) -> Isolation:
        self._taken = [] if error else [item.row for item in group.inputs]
        if error is None:
            self.learned.note_taken(group.inputs)
            return after_acceptance(group, learned=self.learned, bad_share=self.bad_rows.share)
        return refused(group, error, self.learned, self.bad_rows.share)

    def _check(self, group: Group) -> None:
        rows = [item.row for item in group.all_inputs]
        assert len(set(rows)) == len(rows)
        assert group.inputs

    def _note(self, decision: Isolation) -> None:
        self.bad_rows.note_good(len(self._taken))
        for item, _ in decision.rejected:
            self.rejected[item.row] += 1
            self.bad_rows.note_bad()


def search(mode: str, inputs: list[Input], bad: set[int], batch: int = 100, *, definitions: Any = None) -> Search:
    """Drive these rows to the end."""
    found = Search(Refusing(mode, bad), learned=Learned(definitions))
    found.run(inputs, batch)
    return found


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(MODES),
    st.lists(st.booleans(), min_size=1, max_size=120),
    st.integers(1, 100),
    st.integers(0, 2**32),
)
def test_isolation_rejects_the_bad_rows_and_no_other(mode: str, bad: list[bool], batch: int, seed: int) -> None:
    """Whatever the errors say, each good row is accepted once, each bad one rejected once, and none is lost."""
    random = Random(seed)
    values = {True: "wrong", False: "free"}
    names = ["plan"] if mode.startswith("quotes") else ["plan", "tier"]
    inputs = [make(row, f"{values[one]} {random.randrange(5)}", random.choice(names)) for row, one in enumerate(bad)]
    found = search(mode, inputs, {row for row, one in enumerate(bad) if one}, batch)
    assert found.rejected == Counter(row for row, one in enumerate(bad) if one)
    assert found.hubspot.accepted == Counter(row for row, one in enumerate(bad) if not one)


def _table(seed: int, *, distinct: bool, share: float = 0.01) -> tuple[list[Input], set[int]]:
    random = Random(seed)
    bad = {row for row in range(4_000) if random.random() < share}
    return [make(row, f"wrong {row if distinct else row % 3}" if row in bad else "free") for row in range(4_000)], bad


def _times(mode: str, *, distinct: bool, share: float = 0.01, definitions: Any = None) -> float:
    """Requests as a multiple of the clean 40, the mean of 20 tables."""
    total = 0
    for seed in range(20):
        inputs, bad = _table(seed, distinct=distinct, share=share)
        found = search(mode, inputs, bad, definitions=definitions)
        assert set(found.rejected) == bad
        total += found.hubspot.requests
    return total / 20 / 40


def test_isolation_costs_1_7_times_where_values_are_quoted() -> None:
    """At 1 % bad rows, each with a value of its own: at most 1.7 times the clean number of requests (1.63 is least)."""
    assert 1.5 < _times("quotes", distinct=True) <= 1.7


def test_isolation_costs_next_to_nothing_where_bad_values_come_back() -> None:
    """Where the same bad values come back, they are refused once each and then no more: near the clean number."""
    assert _times("quotes", distinct=False, definitions=PLANS) <= 1.1


def test_isolation_costs_2_times_where_values_that_come_back_may_be_right_elsewhere() -> None:
    """Where nothing tells that a value is bad in every row, each batch with one goes twice, and little more."""
    assert _times("quotes", distinct=False) <= 2


def test_isolation_of_a_bad_value_in_most_rows_costs_few_requests() -> None:
    """Where two of three rows have a value that HubSpot refuses again and again, a batch costs about four requests."""
    inputs = [make(row, "gone" if row % 3 else "free") for row in range(4_000)]
    found = search("quotes", inputs, {row for row in range(4_000) if row % 3})
    assert set(found.rejected) == {row for row in range(4_000) if row % 3}
    assert found.hubspot.requests <= 4 * 40 + 2 * REFUSALS_THAT_TELL


@pytest.mark.parametrize("mode", ["ids", "trace ids"])
def test_isolation_costs_1_7_times_where_rows_are_named(mode: str) -> None:
    """Where the error names the rows, a batch with bad rows goes twice."""
    assert _times(mode, distinct=True) <= 1.7


def test_isolation_costs_10_times_where_nothing_is_told() -> None:
    """At 1 % bad rows and errors that tell nothing: at most 10 times the clean number of requests."""
    assert _times("nothing", distinct=True) <= 10


def test_isolation_of_many_bad_rows_costs_less_than_one_request_a_row() -> None:
    """Where 1 row in 5 is bad and nothing is told, the search isn't dearer than sending the rows one by one."""
    assert _times("nothing", distinct=True, share=0.2) <= 100


def test_isolation_of_a_batch_of_bad_rows_in_a_clean_table_costs_few_requests_a_row() -> None:
    """100 bad rows in a row among 3,000, and errors that tell nothing: little more than two requests for each."""
    inputs = [make(row, "x") for row in range(3_000)]
    found = search("nothing", inputs, set(range(1_500, 1_600)))
    assert found.hubspot.requests <= 30 + 250


def test_isolation_of_one_bad_row_is_a_binary_search() -> None:
    """One bad row among 100 is found in about log2(100) + 2 requests."""
    for bad in range(100):
        found = search("nothing", [make(row, "x") for row in range(100)], {bad})
        assert found.hubspot.requests <= math.ceil(math.log2(100)) + 3


def test_isolation_seeks_only_among_rows_with_the_named_property() -> None:
    """Rows without the property that the error names are not part of the search."""
    inputs = [make(row, "x", "plan" if row % 20 == 0 else "tier") for row in range(100)]
    found = search("property", inputs, {40})
    assert found.rejected == {40: 1}
    assert found.hubspot.requests <= 6


# --- learning --------------------------------------------------------------------------------------------------------


def test_isolation_learns_a_property_that_does_not_exist_once() -> None:
    """A property that doesn't exist is told by one refusal; each row that has it is then rejected unsent."""
    error = ErrorReply("VALIDATION_ERROR", "no", properties=(PropertyError("plam", "PROPERTY_DOESNT_EXIST", "no"),))
    learned = Learned()
    group = Group(tuple(make(row, "x", "plam" if row < 60 else "plan") for row in range(100)))
    decision = refused(group, error, learned)
    assert [item.row for item, _ in decision.rejected] == list(range(60))
    assert [item.row for one in decision.groups for item in one.all_inputs] == list(range(60, 100))
    assert learned.refusal_of(make(1_000, "anything", "plam")) is error
    assert learned.refusal_of(make(1_001, "anything", "plan")) is None


@pytest.mark.parametrize("code", ["CONFLICTING_UNIQUE_VALUE", "OBJECT_ALREADY_EXISTS", "DUPLICATE_VALUE"])
def test_isolation_learns_nothing_from_a_conflict(code: str) -> None:
    """That another record has a value says nothing of other rows."""
    learned = Learned()
    error = ErrorReply("X", "x", properties=(PropertyError("plan", code, "A-1 is not a valid value"),))
    learned.learn(error, [make(1, "A-1")])
    assert not learned


@pytest.mark.parametrize(
    ("message", "value"),
    [
        ("Veza was not one of the allowed options: [a, b]", "Veza"),
        ("Email address example.lcom is invalid", "example.lcom"),
        ("abc was not a valid number", "abc"),
        ("12,5 is not a valid integer", "12,5"),
        (
            "a was not one of the allowed options was not one of the allowed options: [b]",
            "a was not one of the allowed options",
        ),
        ("two\nlines was not one of the allowed options: []", "two\nlines"),
        ("", None),
        ("The value is too long", None),
    ],
)
def test_isolation_reads_a_quoted_value(message: str, value: str | None) -> None:
    """A value that HubSpot quotes is found, whatever it holds; only if a row of the batch has exactly that value."""
    learned = Learned()
    error = ErrorReply("X", "x", properties=(PropertyError("plan", "INVALID_NUMBER", message),))
    learned.learn(error, [make(1, value or "x"), make(2, "other")])
    assert set(learned.bad_values) == ({("plan", value)} if value else set())
    other = Learned()
    other.learn(error, [make(2, "other")])
    assert not other


def test_isolation_of_a_conflict_spares_the_record_that_has_the_value() -> None:
    """A conflict that names the record which has the value already doesn't reject that record's own row."""
    message = "Contact already exists. Existing ID: 500003"
    error = ErrorReply("CONFLICT", message, ids=frozenset({"500003"}))
    group = Group(tuple(make(row, str(row)) for row in range(10)))
    decision = refused(group, error, Learned())
    assert 3 not in [item.row for item, _ in decision.rejected]


# --- systematic refusals ---------------------------------------------------------------------------------------------


def test_streak_is_systematic_after_40_requests_for_one_reason() -> None:
    """The same reason 40 times in a row, or for 1,000 rows without a request, is the table's and not a row's."""
    error = ErrorReply("VALIDATION_ERROR", "a", properties=(PropertyError("plan", "INVALID_OPTION", "a"),))
    streak = Streak()
    for _ in range(39):
        streak = streak.refused(error, requests=1)
    assert not streak.systematic
    assert streak.refused(error, requests=1).systematic
    assert not Streak().refused(error, rows=999).systematic
    assert Streak().refused(error, rows=999).refused(error, rows=1).systematic


def test_streak_starts_over_with_another_reason() -> None:
    """Another property, code or category is another reason; other words or values are not."""
    streak = Streak()
    for place in range(100):
        name = ["plan", "tier"][place % 2]
        error = ErrorReply("X", f"words {place}", properties=(PropertyError(name, "INVALID_OPTION", f"{place}"),))
        streak = streak.refused(error, requests=1)
    assert (streak.requests, streak.systematic) == (1, False)


def test_isolation_budget_is_within_hubspots_wish() -> None:
    """The refused requests that one sync may spend stay under 5 % of the smallest daily limit."""
    assert MAX_REFUSED_REQUESTS <= 0.05 * 250_000
