"""The jobs that wait to be sent, and why nothing more is sent."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_hubbatch.client.dispatcher import Dispatcher
    from airflow_provider_hubbatch.sync.jobs import Job


class Outbox:
    """First in, first out; jobs that wait for a time of their own go to the dispatcher at once.

    :ivar ending: what the sync ends with, once it is to end early.
    """

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._jobs: deque[Job] = deque()
        self.ending: BaseException | None = None

    def __len__(self) -> int:
        return len(self._jobs)

    def end(self, error: BaseException) -> None:
        """Nothing more is sent, for this reason; the first one counts."""
        self.ending = self.ending or error

    def add(self, *jobs: Job, after_seconds: float = 0.0) -> None:
        """Send these, when there is room; or after this long, when there is."""
        if after_seconds:
            for job in jobs:
                self.send(job, after_seconds=after_seconds)
        else:
            self._jobs.extend(jobs)

    def add_first(self, *jobs: Job) -> None:
        """Send these before the others."""
        self._jobs.extendleft(reversed(jobs))

    def take(self) -> Job | None:
        """The next job."""
        return self._jobs.popleft() if self._jobs else None

    def send(self, job: Job, *, after_seconds: float = 0.0) -> None:
        """Send a job now, or after this long."""
        request = job.request()
        if request is not None:
            self._dispatcher.send(
                request, job, after_seconds=after_seconds, reads=job.reads, suspected=job.is_suspected
            )

    def send_what_settles(self) -> bool:
        """Send the jobs that tell what became of rows, as far as there is room.

        :returns: whether some are left.
        """
        jobs = [job for job in self._jobs if job.settles]
        while jobs and self._dispatcher.may_send():
            job = jobs.pop(0)
            self._jobs.remove(job)
            self.send(job)
        return bool(jobs)
