"""No text makes a pattern slow: what a row, a file or a reply holds is matched in time that grows with its length."""

from __future__ import annotations

import ast
import importlib
import itertools
import re
from pathlib import Path

import pytest

import airflow_provider_hubbatch
from tests.core.pattern_steps import TooManyStepsError, steps_of

pytestmark = pytest.mark.slow

ROOT = Path(airflow_provider_hubbatch.__file__).parent
# So long that a quadratic pattern takes many times what a linear one may
LENGTH = 10_000
# Of every text, all that a linear pattern may take: a few steps a character for each of its parts.
STEPS_A_CHARACTER = 100
# Characters that some pattern gives a meaning, one of each kind
ALPHABET = "a1.:/@-;? \n"


def patterns() -> dict[str, tuple[re.Pattern[str], set[str]]]:
    """Every pattern of the package, by name, and the methods that it is used with."""
    found: dict[str, tuple[re.Pattern[str], set[str]]] = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        source = path.read_text()
        if "re.compile" not in source or "sandbox" in parts:
            continue
        module = importlib.import_module(".".join(parts))
        for name, value in vars(module).items():
            several = value if isinstance(value, tuple) else (value,)
            for number, one in enumerate(several):
                if isinstance(one, re.Pattern) and isinstance(one.pattern, str):
                    # the method that starts everywhere is the hardest: what is used by another name is taken to use it
                    methods = set(re.findall(rf"\b{name}\.(\w+)\(", source)) or {"sub"}
                    found[f"{'.'.join(parts[1:])}.{name}{number or ''}"] = one, methods
    return found


PATTERNS = patterns()


def hostile_texts(length: int) -> list[str]:
    """Texts of this length that repeat a character or two, up to an end that fits nothing."""
    units = [*ALPHABET, *map("".join, itertools.permutations(ALPHABET, 2)), "://", "://:", "aa.", "://a:"]
    return [(unit * length)[: length - 2] + end for unit in units for end in ("!\x00", "a.")]


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_takes_steps_in_proportion_to_its_text(name: str) -> None:
    """Twice the length takes at most about twice the steps, whatever the text repeats."""
    pattern, methods = PATTERNS[name]
    for method in methods:
        for short, long in zip(hostile_texts(100), hostile_texts(200), strict=True):
            few = steps_of(pattern, short, method=method, most=10**6)
            many = steps_of(pattern, long, method=method, most=10**7)
            assert many <= 2.2 * few + 200, (pattern.pattern, method, short[:8])


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_gets_through_a_long_text(name: str) -> None:
    """A text of 10,000 characters is decided upon in a few steps a character."""
    pattern, methods = PATTERNS[name]
    texts = ["1" * LENGTH + "x", "a" * LENGTH + "!", "a." * (LENGTH // 2) + "!", "://a:" * (LENGTH // 5)]
    for method, text in itertools.product(methods, texts):
        assert steps_of(pattern, text, method=method, most=STEPS_A_CHARACTER * LENGTH) > 0


def test_steps_tell_a_quadratic_pattern() -> None:
    """The measure itself: a pattern that is known to be quadratic is found out, a linear one is not."""
    quadratic, linear = re.compile(r"[0-9]+\.?[0-9]*x"), re.compile(r"[0-9]+(?:\.[0-9]*)?x")
    few, many = (steps_of(quadratic, "1" * length, method="fullmatch", most=10**7) for length in (200, 400))
    assert many > 3.5 * few
    few, many = (steps_of(linear, "1" * length, method="fullmatch", most=10**7) for length in (200, 400))
    assert many < 2.2 * few
    with pytest.raises(TooManyStepsError):
        steps_of(quadratic, "1" * 10_000, method="fullmatch", most=10**6)


@pytest.mark.parametrize(
    "pattern", [r"a(b|cd)*?e{2,3}", r"(?i)^[^x]++X?", r"(?!.*z)\w+(?=;)", r"(?s).*b|^\S{2}$", r"ab?\b|\Bc"]
)
def test_steps_match_what_python_matches(pattern: str) -> None:
    """The matcher that counts finds what Python finds."""
    from tests.core import pattern_steps

    compiled = re.compile(pattern)
    program = pattern_steps._Compiler(compiled).program(anchored_end=False)
    for text in map("".join, itertools.product("abcdeXz;\n", repeat=4)):
        found = compiled.match(text)
        ours = pattern_steps._run(program, text, 0, pattern_steps.Counter(10**6))
        assert ours == (found.end() if found else None), text


def test_no_pattern_hides_in_a_call() -> None:
    """Every pattern is compiled where the tests above find it: as a name of its module."""
    hidden = []
    for path in ROOT.rglob("*.py"):
        if "sandbox" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = node.func.value
                if isinstance(owner, ast.Name) and owner.id == "re" and node.func.attr not in {"compile", "escape"}:
                    hidden.append(f"{path.name}:{node.lineno}")
    assert hidden == []
