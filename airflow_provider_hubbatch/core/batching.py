"""Which inputs may share a request, and which must wait for an earlier one of the same record."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from airflow_provider_hubbatch.core.protocol import MAX_BATCH_INPUTS

if TYPE_CHECKING:
    from airflow_provider_hubbatch.core.model import Input


class Lanes:
    """The inputs that wait to be sent, one lane a record.

    Only the first input of a lane is ever handed out, and the next one not before the first has been released:
    so no key stands twice in one request, and rows of one record take effect in input order whatever is in
    flight, split or sent again.
    """

    def __init__(self) -> None:
        self._ready: deque[Input] = deque()
        self._lanes: dict[str, deque[Input] | None] = {}
        self._held = 0

    def __len__(self) -> int:
        """How many inputs have been added and not yet taken."""
        return len(self._ready) + self._held

    @property
    def ready(self) -> int:
        """How many inputs may be sent now."""
        return len(self._ready)

    def has(self, key: str) -> bool:
        """Whether an input of this record waits or is under way."""
        return key in self._lanes

    def add(self, item: Input) -> None:
        """Put an input behind all others of its record."""
        lane = self._lanes.get(item.key, self)
        if lane is self:
            self._lanes[item.key] = None
            self._ready.append(item)
            return
        if lane is None:
            lane = self._lanes[item.key] = deque()
        lane.append(item)  # type: ignore[union-attr]
        self._held += 1

    def take(self, most: int = MAX_BATCH_INPUTS) -> list[Input]:
        """Hand out up to ``most`` inputs, no record twice; each is then under way until it is released."""
        return [self._ready.popleft() for _ in range(min(most, len(self._ready)))]

    def release(self, item: Input) -> None:
        """The input is settled: the next one of its record may go, before others that came later."""
        lane = self._lanes.get(item.key)
        if lane:
            self._ready.appendleft(lane.popleft())
            self._held -= 1
        else:
            self._lanes.pop(item.key, None)
