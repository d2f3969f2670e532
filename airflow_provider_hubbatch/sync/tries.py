"""Whose try a sync is, and whether Airflow still counts on it.

A try that Airflow has given up (a frozen worker, a lost network, a task that was cleared while it ran) may run on
beside its successor. In Airflow's API each try of a task instance has an id of its own, and the state store refuses the
id of a try that another one has followed: 404, with a reason.

A task's process can also outlive the one that supervises it, its parent, through which it talks to Airflow: a worker's
main process is killed alone, or the supervisor by the system that is out of memory. Nobody tells Airflow any more that
the try is alive, so that another one will follow.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Mapping
from typing import Any, Protocol

from airflow_provider_hubbatch.exceptions import SyncStoppedError

log = logging.getLogger(__name__)

# Nothing is stored here. To remove it is the cheapest call that the state store refuses a superseded try.
_NO_KEY = "hubspot_is_this_try_current"

# What Airflow's API (3.3) answers a try that isn't the task instance's any more
_REFUSALS = frozenset({404, 409, 410})


class StateStore(Protocol):
    """Airflow's ``context["task_state_store"]`` (3.3), as far as it is used."""

    def get(self, key: str, default: Any = None) -> Any:
        """The stored value."""

    def set(self, key: str, value: Any) -> None:
        """Store a value."""

    def delete(self, key: str) -> None:
        """Remove a value."""


class TaskTry:
    """One try of a task instance; or of nothing that Airflow knows.

    :param task: which task instance: the same for all of its tries, and for no other's. Empty: there is none.
    :param number: Airflow's ``try_number``.
    :param started_at: when the try started, in seconds since the epoch.
    :param store: the task's state; ``None``: there is none (Airflow before 3.3, or no task).
    :param resumes: whether it goes on from what an earlier try left, and leaves something to the next.
    :ivar id: its own, in the names of its result files.
    :ivar superseded: another try has followed, or is sure to. It must not touch what they share: result files, state,
        XComs.
    """

    def __init__(
        self,
        task: str = "",
        number: int = 0,
        store: StateStore | None = None,
        *,
        started_at: float = 0.0,
        resumes: bool = True,
    ) -> None:
        self.task = task
        self.number = number
        self.started_at = started_at
        self.store = store
        self.resumes = resumes and store is not None
        self.id = secrets.token_hex(4)
        self.superseded = False
        self._supervisor = os.getppid()

    def look(self) -> bool:
        """Ask Airflow whether it still counts on this try, where it can be asked: one call.

        :returns: whether it doesn't.
        """
        if self.store is not None and not self.superseded:
            try:
                self.store.delete(_NO_KEY)
            except Exception as error:  # noqa: BLE001 - whatever the store's backend raises
                self.note(error)
        return self.superseded

    def note(self, error: Exception) -> None:
        """A call to Airflow has raised this: it may mean that another try has followed, or will."""
        if _is_refusal(error) or (isinstance(error, EOFError | OSError) and os.getppid() != self._supervisor):
            self.give_way()

    def give_way(self) -> None:
        """Another try has followed."""
        if not self.superseded:
            self.superseded = True
            log.warning("%s", _GIVES_WAY)

    def error(self) -> SyncStoppedError:
        """What a sync ends with when another try has followed."""
        return SyncStoppedError(_GIVES_WAY)

    def raise_if_superseded(self) -> None:
        """Raise if another try has followed.

        :raises SyncStoppedError: so it is.
        """
        if self.superseded:
            raise self.error()


_GIVES_WAY = (
    "Airflow has given up this try of the task (its worker was killed or out of reach, or the task was cleared while "
    "it ran) and another one follows: this one stops, and leaves result files, state and XComs to it"
)


def _is_refusal(error: Exception) -> bool:
    """Whether it is the API's own refusal of a try, as ``AirflowRuntimeError`` tells it: a 404 with a ``reason``.

    An API that doesn't know the state store at all answers 404 too, without one.
    """
    told = getattr(getattr(error, "error", None), "detail", None)
    if not isinstance(told, Mapping) or told.get("status_code") not in _REFUSALS:
        return False
    body = told.get("detail")
    why = body.get("detail") if isinstance(body, Mapping) else None
    return isinstance(why, Mapping) and isinstance(why.get("reason"), str)
