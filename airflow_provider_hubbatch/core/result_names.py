"""Which files of a results folder are a sync's result: how they are called, and which of them count.

Result files belong to a try: ``{name}-{try}-00001.jsonl``, ``{name}-{try}-00002.jsonl``, ...,
``{name}-{try}-unsettled.jsonl``. Beside them ``{name}.try.json`` says whose the result is: all files of one try, and of
the tries that it went on from those parts that had been complete. A try that finds another's id there has been
superseded.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FORMAT = "airflow-provider-hubbatch results 1"

# What a claim begins with, whatever its version
_START = b'{"format":"airflow-provider-hubbatch results '

_CLAIM_END = ".try.json"

# More is no claim: with a thousand tries it is 30 KB.
MAX_CLAIM_BYTES = 100_000
MAX_TRIES = 1_000

_TRY_ID: Final = re.compile(r"[0-9a-f]{8}")
_FILE: Final = re.compile(r"(.+)-([0-9a-f]{8})-(?:([0-9]{5,7})|unsettled)\.jsonl", re.DOTALL)
# What a mapped task's index adds to its name.
_INDEX: Final = re.compile(r"-[0-9]{1,10}")

# What the first line of a file with outcomes begins with
_LINE_START = b'{"row":'

Parts = tuple[tuple[str, int], ...]
"""Complete parts: of each try its id, and up to which number."""


def part_name(name: str, try_id: str, number: int) -> str:
    """A numbered part, from 1: what is settled for good."""
    return f"{name}-{try_id}-{number:05d}.jsonl"


def unsettled_name(name: str, try_id: str) -> str:
    """What a retry sends again."""
    return f"{name}-{try_id}-unsettled.jsonl"


def claim_name(name: str) -> str:
    """What says which files count."""
    return f"{name}{_CLAIM_END}"


def claimed_name(file: str) -> str | None:
    """Of which name's files a file says which count; ``None`` for any other file."""
    name = file.removesuffix(_CLAIM_END)
    return name if name not in ("", file) else None


class ResultName(NamedTuple):
    """A result file's name, taken apart.

    :param task: what the files of one sync are called after: a task's id, with ``-{index}`` for a mapped one.
    :param try_id: whose file it is.
    :param part: the number of a part; ``None``: the file of what is unsettled.
    """

    task: str
    try_id: str
    part: int | None


def parse_name(file: str) -> ResultName | None:
    """A file's name, if it is one of a result file's.

    :param file: without its folder.
    """
    found = _FILE.fullmatch(file)
    return found and ResultName(found[1], found[2], int(found[3]) if found[3] else None)


def is_of_task(task: str, task_id: str) -> bool:
    """Whether files called after ``task`` are those of this task or of one of its mapped instances."""
    return task == task_id or (task.startswith(task_id) and _INDEX.fullmatch(task.removeprefix(task_id)) is not None)


def order_names(names: Iterable[str], claims: Mapping[str, Claim]) -> dict[str, list[str]]:
    """The result files among these that count, by task, in the order in which they are to be read.

    Of one record, what is settled was sent before what is not, and by an earlier try before a later one.

    :param claims: by task, which tries' files count. Where none is known, all do: somebody has copied them.
    """
    by_task: dict[str, list[tuple[bool, int, str, int, str]]] = {}
    for name in names:
        parsed = parse_name(name)
        claim = claims.get(parsed.task) if parsed is not None else None
        if parsed is None or (claim is not None and not claim.counts(parsed.task, name)):
            continue
        place = 0 if claim is None else claim.place(parsed.try_id)
        entry = (parsed.part is None, place, parsed.try_id, parsed.part or 0, name)
        by_task.setdefault(parsed.task, []).append(entry)
    return {task: [entry[-1] for entry in sorted(by_task[task])] for task in sorted(by_task)}


def looks_like_outcomes(start: bytes) -> bool:
    """Whether a file that is called as ours has outcomes in it, or nothing.

    :param start: its first bytes; as much of its first line as there is.
    """
    line, end, _ = start.partition(b"\n")
    if not end:  # a line of which more is to come, or that broke off
        return line[: len(_LINE_START)] == _LINE_START[: len(line)]
    said = _decoded(line)
    return isinstance(said, dict) and {"row", "status"} <= said.keys()


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Whose the result files of one name are.

    :param try_id: the try that writes them, or that wrote them last.
    :param task: which task instance's try that is; empty: not one that Airflow knows.
    :param number: Airflow's ``try_number``; 0 where there is no task instance.
    :param started_at: when it started, in seconds since the epoch, by its worker's clock; 0.0 where nobody knows.
    :param earlier: the parts of the tries before that count.
    :param ended: whether every row has its line: not while it writes, nor where it was stopped before it had read all.
    :param once: the rows have no key by which a created record would be found: an unclear one is never just sent again.
    """

    try_id: str
    task: str = ""
    number: int = 0
    started_at: float = 0.0
    earlier: Parts = ()
    ended: bool = False
    once: bool = False

    def counts(self, name: str, file: str) -> bool:
        """Whether a file is a part of the result."""
        found = parse_name(file)
        if found is None or found.task != name:
            return False
        kept = dict(self.earlier).get(found.try_id, 0)
        return found.try_id == self.try_id or (found.part is not None and found.part <= kept)

    def place(self, try_id: str) -> int:
        """The tries in their order."""
        tries = [earlier for earlier, _ in self.earlier]
        return tries.index(try_id) if try_id in tries else len(tries)

    def follows(self, other: Claim) -> bool:
        """Whether this is a later try of the same task instance.

        By its number and by the clock: a run that was deleted and made again counts its tries from 1, and of two tries
        that follow each other at once, the workers' clocks may not agree.
        """
        same = self.task != "" and self.task == other.task
        return same and self.number > other.number and self.started_at > other.started_at

    def kept_names(self, name: str) -> list[str]:
        """The files of the tries before that count."""
        return [part_name(name, try_id, number) for try_id, last in self.earlier for number in range(1, last + 1)]

    def as_json(self) -> bytes:
        """What stands in the file."""
        said = {
            "format": FORMAT,
            "try": self.try_id,
            "task": self.task,
            "try_number": self.number,
            "started_at": self.started_at,
            "earlier": dict(self.earlier),
            "ended": self.ended,
            "once": self.once,
        }
        return json.dumps(said, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Claim:
        """What :meth:`as_json` gave.

        :raises ValueError: it is something else.
        """
        if not content.startswith(_START) or len(content) > MAX_CLAIM_BYTES:
            raise ValueError("it is none")
        said = _decoded(content)
        if not isinstance(said, dict) or said["format"] != FORMAT:
            raise ValueError("it is of another version, or damaged")
        ((try_id, number),) = checked_parts([[said.get("try"), said.get("try_number")]])
        task, earlier = said.get("task"), said.get("earlier")
        started_at = said.get("started_at")
        if not (isinstance(task, str) and isinstance(started_at, float) and isinstance(earlier, dict)):
            raise ValueError("it is damaged")  # noqa: TRY004 - as everything else that is wrong with it
        kept = checked_parts(list(earlier.items()))
        return cls(
            try_id=try_id,
            task=task,
            number=number,
            started_at=started_at,
            earlier=kept,
            ended=said.get("ended") is True,
            once=said.get("once") is True,
        )


def _decoded(content: bytes) -> Any:
    """What JSON holds; ``None`` for what is none."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def checked_parts(value: Any) -> Parts:
    """Complete parts as they were stored.

    :raises ValueError: they can't be.
    """
    if not isinstance(value, list) or len(value) > MAX_TRIES:
        raise ValueError("they are no parts")
    parts = []
    for pair in value:
        try_id, last = pair if isinstance(pair, (list, tuple)) and len(pair) == 2 else (None, None)  # noqa: PLR2004
        if not isinstance(try_id, str) or not _TRY_ID.fullmatch(try_id) or type(last) is not int:
            raise ValueError("they are no parts")
        if not 0 <= last < 10**7:
            raise ValueError("they are no parts")
        parts.append((try_id, last))
    if len(dict(parts)) != len(parts):
        raise ValueError("they are no parts")
    return tuple(parts)
