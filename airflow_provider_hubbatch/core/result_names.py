"""What result files are called, and in which order a folder's are read: one place for those who write and read them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

# "{task}-00001.jsonl": settled for good. "{task}-unsettled.jsonl": what a retry sends again.
_NAME: Final = re.compile(r"(?P<task>.+)-(?:(?P<part>[0-9]{5,18})|unsettled)\.jsonl", re.DOTALL)
# What a mapped task's index adds to its name.
_INDEX: Final = re.compile(r"-[0-9]{1,10}")


class ResultName(NamedTuple):
    """A result file's name, taken apart.

    :param task: what the files of one sync are called after: a task's id, with ``-{index}`` for a mapped one.
    :param part: the number of a part; ``None``: the file of what is unsettled.
    """

    task: str
    part: int | None


def parse_name(name: str) -> ResultName | None:
    """A file's name, if it is one of a result file's.

    :param name: without its folder.
    """
    found = _NAME.fullmatch(name)
    return found and ResultName(found["task"], int(found["part"]) if found["part"] else None)


def is_of_task(task: str, task_id: str) -> bool:
    """Whether files called after ``task`` are those of this task or of one of its mapped instances."""
    return task == task_id or (task.startswith(task_id) and _INDEX.fullmatch(task.removeprefix(task_id)) is not None)


def order_names(names: Iterable[str]) -> dict[str, list[str]]:
    """The result files among these, by task, in the order in which they are to be read.

    Of one record, what is settled was sent before what is not.
    """
    by_task: dict[str, list[tuple[bool, int, str]]] = {}
    for name in names:
        parsed = parse_name(name)
        if parsed is not None:
            by_task.setdefault(parsed.task, []).append((parsed.part is None, parsed.part or 0, name))
    return {task: [name for _, _, name in sorted(by_task[task])] for task in sorted(by_task)}
