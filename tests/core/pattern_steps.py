"""Counts the steps that a backtracking matcher, such as Python's, takes for a pattern and a text.

Seconds say little on a busy machine; steps are the same everywhere. A pattern is compiled into the usual few
instructions (one character, split, jump, ...) and run with an explicit stack, so that long texts cost no recursion.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as sre_parser  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_CATEGORIES = {
    sre.CATEGORY_DIGIT: re.compile(r"\d"),
    sre.CATEGORY_NOT_DIGIT: re.compile(r"\D"),
    sre.CATEGORY_SPACE: re.compile(r"\s"),
    sre.CATEGORY_NOT_SPACE: re.compile(r"\S"),
    sre.CATEGORY_WORD: re.compile(r"\w"),
    sre.CATEGORY_NOT_WORD: re.compile(r"\W"),
}
_ATOMIC = (sre.POSSESSIVE_REPEAT, sre.ATOMIC_GROUP)


class TooManyStepsError(Exception):
    """A match takes more steps than it may."""


@dataclass
class Counter:
    """Steps taken so far, and how many there may be."""

    most: int
    steps: int = 0

    def count(self) -> None:
        self.steps += 1
        if self.steps > self.most:
            raise TooManyStepsError


def steps_of(pattern: re.Pattern[str], text: str, *, method: str, most: int) -> int:
    """How many steps ``pattern.method(text)`` takes.

    :param method: ``match`` and ``fullmatch`` start at the beginning only, all others everywhere.
    :raises TooManyStepsError: more than ``most``.
    """
    program = _Compiler(pattern).program(anchored_end=method == "fullmatch")
    counter = Counter(most)
    start = 0
    while start <= len(text):
        end = _run(program, text, start, counter)
        if method in {"match", "fullmatch"}:
            break
        if end is not None and method == "search":
            break
        start = start + 1 if end is None or end == start else end
    return counter.steps


class _Compiler:
    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._flags = pattern.flags
        self._tree = sre_parser.parse(pattern.pattern, pattern.flags)

    def program(self, *, anchored_end: bool) -> list[tuple[Any, ...]]:
        end = [("at", lambda text, place: place == len(text))] if anchored_end else []
        return [*self._sequence(self._tree), *end, ("found",)]

    def _sequence(self, nodes: Any) -> list[tuple[Any, ...]]:
        return [instruction for node in nodes for instruction in self._node(*node)]

    def _node(self, kind: Any, what: Any) -> list[tuple[Any, ...]]:
        if kind in (sre.LITERAL, sre.NOT_LITERAL, sre.IN, sre.ANY):
            return [("character", cache(self._test(kind, what)))]
        if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            return self._repeat(*what, greedy=kind is sre.MAX_REPEAT)
        if kind is sre.SUBPATTERN:
            return self._sequence(what[-1])
        if kind in _ATOMIC:
            inner = self._repeat(*what, greedy=True) if kind is sre.POSSESSIVE_REPEAT else self._sequence(what)
            return [("atomic", [*inner, ("found",)])]
        if kind is sre.BRANCH:
            return self._branches([self._sequence(branch) for branch in what[1]])
        if kind in (sre.ASSERT, sre.ASSERT_NOT):
            assert what[0] == 1, "only what comes after is looked at"
            return [("ahead", [*self._sequence(what[1]), ("found",)], kind is sre.ASSERT)]
        if kind is sre.AT:
            return [("at", _PLACES[what])]
        raise NotImplementedError(kind)

    @staticmethod
    def _branches(branches: list[list[tuple[Any, ...]]]) -> list[tuple[Any, ...]]:
        *first, last = branches
        program = last
        for branch in reversed(first):
            program = [("split", 1, len(branch) + 2), *branch, ("jump", len(program) + 1), *program]
        return program

    def _repeat(self, least: int, most: Any, nodes: Any, *, greedy: bool) -> list[tuple[Any, ...]]:
        body = self._sequence(nodes)
        skip = len(body) + 1
        program = body * least
        if most is sre.MAXREPEAT:
            ways = (1, skip + 1) if greedy else (skip + 1, 1)
            return [*program, ("split", *ways), *body, ("jump", -skip)]
        for left in range(most - least, 0, -1):
            over = left * skip
            program += [("split", *((1, over) if greedy else (over, 1))), *body]
        return program

    def _test(self, kind: Any, what: Any) -> Callable[[str], bool]:
        folded = bool(self._flags & re.IGNORECASE)
        if kind is sre.ANY:
            dot_all = bool(self._flags & re.DOTALL)
            return lambda one: dot_all or one != "\n"
        members = what if kind is sre.IN else [(sre.LITERAL, what)]
        negated = kind is sre.NOT_LITERAL or members[0][0] is sre.NEGATE
        tests = [_member(*member) for member in members if member[0] is not sre.NEGATE]

        def test(one: str) -> bool:
            return any(check(way) for check in tests for way in ({one, one.lower(), one.upper()} if folded else {one}))

        return (lambda one: not test(one)) if negated else test


def _is_boundary(text: str, place: int) -> bool:
    """Whether a word begins or ends here."""
    before, after = text[max(place - 1, 0) : place], text[place : place + 1]
    return (_WORD.match(before) is None) is not (_WORD.match(after) is None)


_WORD = re.compile(r"\w")
_PLACES: dict[Any, Callable[[str, int], bool]] = {
    sre.AT_BOUNDARY: _is_boundary,
    sre.AT_NON_BOUNDARY: lambda text, place: not _is_boundary(text, place),
    sre.AT_BEGINNING: lambda _, place: place == 0,
    sre.AT_BEGINNING_STRING: lambda _, place: place == 0,
    sre.AT_END: lambda text, place: place == len(text),
    sre.AT_END_STRING: lambda text, place: place == len(text),
}


def _member(kind: Any, what: Any) -> Callable[[str], bool]:
    if kind is sre.LITERAL:
        return lambda one: ord(one) == what
    if kind is sre.RANGE:
        return lambda one: what[0] <= ord(one) <= what[1]
    assert kind is sre.CATEGORY
    return lambda one: _CATEGORIES[what].match(one) is not None


def _run(program: list[tuple[Any, ...]], text: str, start: int, counter: Counter) -> int | None:
    """Where a match that begins at ``start`` ends; ``None`` if there is none."""
    stack = [(0, start)]
    while stack:
        line, place = stack.pop()
        counter.count()
        what, *operands = program[line]
        if what == "found":
            return place
        if what == "split":
            first, second = operands
            stack += [(line + second, place), (line + first, place)]
        elif what == "jump":
            stack.append((line + operands[0], place))
        elif (end := _end_of(what, operands, text, place, counter)) is not None:
            stack.append((line + 1, end))
    return None


def _end_of(what: str, operands: list[Any], text: str, place: int, counter: Counter) -> int | None:
    """Where an instruction that takes text, or looks at it, ends; ``None`` if it doesn't fit."""
    if what == "character":
        return place + 1 if place < len(text) and operands[0](text[place]) else None
    if what == "at":
        return place if operands[0](text, place) else None
    end = _run(operands[0], text, place, counter)
    if what == "atomic":
        return end
    return place if (end is not None) is operands[1] else None
