"""Single requests: paced, retried, many side by side. It decides nothing: what to do is asked of ``core``.

The transport (with its sender threads), the clock and randomness are passed in, so that tests run the whole of it on a
simulated clock.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_hubbatch.client.done import Done
from airflow_provider_hubbatch.core import protocol, verdicts
from airflow_provider_hubbatch.core.costs import Costs
from airflow_provider_hubbatch.core.error_reply import NO_REPLY
from airflow_provider_hubbatch.core.outage import Outage
from airflow_provider_hubbatch.core.protocol import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_hubbatch.client.pace import Pace
    from airflow_provider_hubbatch.core.protocol import Reply, Request
    from airflow_provider_hubbatch.core.rate_limit import Cap

log = logging.getLogger(__name__)

# The longest that a loop sleeps at once: so often it looks at the stop flag, the progress and the checkpoint clocks.
LONGEST_WAIT_SECONDS = 1.0

_TOO_MANY = 429

# So many other requests answered since a request was first sent say that it isn't HubSpot that is down.
_SUCCESSES_THAT_TELL = 3

# Calls of the day that a sync doesn't use up: with them it asks when the daily limit resets (api-usage, else the
# account's time zone), which an exhausted limit may refuse to tell.
_CALLS_TO_ASK = 2


@dataclass(frozen=True, slots=True)
class Completion:
    """How one request ended, as the transport saw it.

    :param tag: what the request was submitted with.
    :param reply: HubSpot's reply, or ``None``.
    :param failure: why there is none.
    :param detail: the transport's words for that, without secrets.
    :param correlation_id: of what HubSpot answered instead, when it was asked for an access token.
    :param crash: an exception that no retry helps against: it ends the sync.
    :param sent_at: seconds on the transport's clock, taken right before sending.
    :param ended_at: the same, taken once the whole reply had been read.
    """

    tag: int
    sent_at: float
    ended_at: float
    reply: Reply | None = None
    failure: verdicts.FailureKind | None = None
    detail: str = ""
    correlation_id: str | None = None
    crash: Exception | None = None


class Transport(Protocol):
    """Sends requests side by side; the engine talks to it from one thread."""

    def submit(self, tag: int, request: Request) -> None:
        """Start a request; returns at once."""

    def wait(self, timeout_seconds: float) -> list[Completion]:
        """What has ended, as soon as there is something; nothing after the timeout, which it sleeps through if idle."""

    def wake(self) -> None:
        """End a ``wait`` that is under way, from another thread or a signal handler."""

    def now(self) -> float:
        """Monotonic seconds."""


@dataclass(slots=True)
class _Call:
    request: Request
    purpose: Any
    reads: bool = False
    suspected: bool = False
    attempt: int = 0
    started_at: float = math.inf
    maybe_applied: bool = False
    ticket: int = 0
    sent_at: float = 0.0
    successes_before: int = 0


class Dispatcher:
    """Carries requests through pacing and retries, many side by side.

    Many methods: half of them answer a question of its loop (is there room, how long until then) in a line or two.

    :param max_in_flight: requests under way at once, those waiting for their retry among them: when HubSpot is
        down, nothing new is started.
    :param daily_reserve: calls of the account's day to leave, as a count or a share; ``None``: don't look.
    :param cap: instead of the connection's.
    :param connection: what errors call the connection.
    """

    def __init__(
        self,
        *,
        transport: Transport,
        pace: Pace,
        random: Callable[[], float],
        max_in_flight: int,
        policy: verdicts.RetryPolicy | None = None,
        costs: Costs | None = None,
        daily_reserve: float | None = None,
        cap: Cap | None = None,
        connection: str = "",
    ) -> None:
        self._connection = connection
        self.daily_reserve = daily_reserve
        self.costs = costs or Costs()
        self.pace = pace
        self._cap = cap
        self._transport = transport
        self._random = random
        self._max_in_flight = max_in_flight
        self._policy = policy or verdicts.RetryPolicy()
        self._in_flight: dict[int, _Call] = {}
        self._delayed: dict[Window, list[tuple[float, int, _Call]]] = {window: [] for window in Window}
        self._tags = itertools.count()
        self._successes = 0
        self._outage = Outage()
        self._patience_seconds = self._policy.max_elapsed_seconds

    @property
    def pending(self) -> int:
        """Requests under way or waiting, for their retry or for their window."""
        return len(self._in_flight) + sum(map(len, self._delayed.values()))

    @property
    def in_flight(self) -> int:
        """Requests under way."""
        return len(self._in_flight)

    @property
    def quota_spent(self) -> bool:
        """Whether one more request could eat into what is to be left of the daily limit."""
        left = self.pace.daily_remaining
        if self.daily_reserve is None or left is None:
            return False
        reserve = self.daily_reserve
        if isinstance(reserve, float):
            reserve *= self.pace.daily or 0
        return left - len(self._in_flight) <= reserve + _CALLS_TO_ASK

    @property
    def stalled(self) -> str | None:
        """Why nothing moves, for how long; ``None`` as long as HubSpot answers."""
        return self._outage.stalled(self._transport.now())

    def may_send(self, window: Window = Window.OBJECTS) -> bool:
        """Whether a new request may go now; those that wait for a retry go first.

        :param window: the request's. Requests of other windows may be given to :meth:`send` all the same: they wait
            there, and keep nothing waiting.
        """
        return self._has_place(window) and not self._due(window) and self._room(window)

    def send(
        self,
        request: Request,
        purpose: Any,
        *,
        after_seconds: float = 0.0,
        reads: bool = False,
        suspected: bool = False,
    ) -> None:
        """Send a request, at once or later; when there is no room, as soon as there is.

        :param reads: it is sent for what the reply says: a 2xx that makes no sense is a failure, and sent again.
        :param suspected: a part of a request that HubSpot failed while it answered others.
        """
        call = _Call(request, purpose, reads, suspected)
        if after_seconds > 0 or len(self._in_flight) >= self._max_in_flight:
            self._delay(call, after_seconds)
        else:
            self._submit(call)

    def send_due(self) -> None:
        """Send again what waits for its retry, as far as its time has come and the limit allows."""
        for window, delayed in self._delayed.items():
            while self._due(window) and self._room(window):
                self._submit(heapq.heappop(delayed)[2])

    def wait(self, *, wants_to_send: bool, at_most_seconds: float = LONGEST_WAIT_SECONDS) -> list[Done]:
        """Wait until something has ended, a retry is due, or (if something is to be sent) the limit allows it.

        :param wants_to_send: the caller has more to send, and waits for :meth:`may_send`.
        """
        timeout = min(at_most_seconds, self.seconds_to_next_send(wants_to_send=wants_to_send))
        ended = self._ended_of(self._transport.wait(timeout))
        self._warn_of_outage()
        return ended

    def wait_for_replies(self, at_most_seconds: float) -> list[Done]:
        """Wait until something under way has ended; nothing more will be sent."""
        return self._ended_of(self._transport.wait(at_most_seconds))

    def abandon_retries(self) -> list[tuple[Any, bool]]:
        """Give up on what waits for its retry: each purpose, and whether HubSpot may have acted on it."""
        waiting = [(call.purpose, call.maybe_applied) for call in self._waiting()]
        for delayed in self._delayed.values():
            delayed.clear()
        return waiting

    def abandon(self) -> list[tuple[Any, bool]]:
        """Give up on everything pending: each purpose, and whether HubSpot may have acted on it."""
        under_way = [(call.purpose, True) for call in self._in_flight.values()]
        for call in self._in_flight.values():
            self.pace.lost(call.ticket, call.request.window, sent_at=call.sent_at, ended_at=self._transport.now())
        self._in_flight.clear()
        return under_way + self.abandon_retries()

    def seconds_to_next_send(self, *, wants_to_send: bool) -> float:
        """How long until a retry is due or, for something new, the limit allows it; infinite: after the next reply."""
        return min(
            self._seconds_to_next_of(window, wants_to_send=wants_to_send and window is Window.OBJECTS)
            for window in Window
        )

    def _seconds_to_next_of(self, window: Window, *, wants_to_send: bool) -> float:
        now, delayed = self._transport.now(), self._delayed[window]
        until_due = delayed[0][0] - now if delayed else math.inf
        if until_due > 0 and not (wants_to_send and self._has_place(window)):
            return until_due
        if len(self._in_flight) >= self._max_in_flight or self.quota_spent:
            return math.inf
        wait = self.pace.wait_seconds(now, window, self._cap)
        return min(wait, until_due) if until_due > 0 else wait

    def _has_place(self, window: Window) -> bool:
        """Whether one more of a window's requests is not too many: those that wait for other windows don't count."""
        return len(self._in_flight) + len(self._delayed[window]) < self._max_in_flight

    def _room(self, window: Window) -> bool:
        return (
            len(self._in_flight) < self._max_in_flight
            and not self.quota_spent
            and self.pace.wait_seconds(self._transport.now(), window, self._cap) <= 0
        )

    def _due(self, window: Window) -> bool:
        delayed = self._delayed[window]
        return bool(delayed) and delayed[0][0] <= self._transport.now()

    def _waiting(self) -> Iterator[_Call]:
        return (call for delayed in self._delayed.values() for _, _, call in delayed)

    def _ended_of(self, completions: list[Completion]) -> list[Done]:
        ended = [self._ended(completion) for completion in completions]
        return [done for done in ended if done is not None]

    def _delay(self, call: _Call, seconds: float) -> None:
        heapq.heappush(self._delayed[call.request.window], (self._transport.now() + seconds, next(self._tags), call))

    def _submit(self, call: _Call) -> None:
        now = self._transport.now()
        ticket = self.pace.take(now, call.request.window, self._cap)
        if ticket is None:  # another thread of this client's was faster, or its window is another than was asked for
            self._delay(call, 0.0)
            return
        tag = next(self._tags)
        call.ticket, call.sent_at = ticket, now
        call.attempt += 1
        if call.attempt == 1:
            call.started_at, call.successes_before = now, self._successes
        self.costs.requests += 1
        self.costs.retries += call.attempt > 1
        self._in_flight[tag] = call
        self._transport.submit(tag, call.request)

    def _ended(self, completion: Completion) -> Done | None:
        call = self._in_flight.pop(completion.tag, None)
        if call is None:  # abandoned before
            return None
        if completion.reply is None:
            self.pace.lost(call.ticket, call.request.window, sent_at=completion.sent_at, ended_at=completion.ended_at)
        else:
            self.pace.answered(
                call.ticket,
                call.request.window,
                completion.reply,
                sent_at=completion.sent_at,
                answered_at=completion.ended_at,
            )
        if completion.crash is not None:
            return Done(call.purpose, None, crash=completion.crash, maybe_applied=call.maybe_applied)
        failure = self._failure(call, completion)
        if failure is None:
            self._successes += 1
            self._note_answer(completion.ended_at)
            return Done(
                call.purpose,
                completion.reply,
                maybe_applied=call.maybe_applied,
                sent_at=call.started_at,
                ended_at=completion.ended_at,
            )
        if verdicts.may_have_taken_effect(failure):
            call.maybe_applied = True
            self.pace.reached = True  # there was a connection, if no answer
        decision = verdicts.decide(
            failure,
            attempt=call.attempt,
            elapsed_seconds=completion.ended_at - call.started_at,
            policy=self._policy,
            random=self._random,
            repeatable=call.request.repeatable,
            reached=self.pace.reached,
            others_succeed=call.suspected or self._successes - call.successes_before >= _SUCCESSES_THAT_TELL,
        )
        if isinstance(decision, verdicts.Retry):
            if decision.pause_seconds > 0:
                windows = [call.request.window] if failure.status == _TOO_MANY else []
                self.pace.pause(completion.ended_at + decision.pause_seconds, *windows)
            self._delay(call, decision.after_seconds)
            self._note_failure(completion.ended_at, failure)
            return None
        if isinstance(decision, verdicts.Stop):
            decision = replace(decision, connection=self._connection)
        if isinstance(decision, verdicts.Refused):
            self._note_answer(completion.ended_at)
        return Done(
            call.purpose,
            completion.reply,
            decision,
            failure,
            call.maybe_applied,
            sent_at=call.started_at,
            ended_at=completion.ended_at,
        )

    def _note_answer(self, now: float) -> None:
        lasted = self._outage.answered(now)
        if lasted is not None:
            log.info("HubSpot answers again, after %.0f s", lasted)

    def _note_failure(self, now: float, failure: verdicts.Failure) -> None:
        self._patience_seconds = self._policy.patience_seconds(failure.kind, reached=self.pace.reached)
        # HubSpot's own words may quote a row's value
        self._outage.failed(now, verdicts.describe(replace(failure, quotable=False)))

    def _warn_of_outage(self) -> None:
        now = self._transport.now()
        self._outage.waiting(now, min((call.sent_at for call in self._in_flight.values()), default=None))
        problem = self._outage.warning(now)
        if problem is not None:
            calls = [*self._in_flight.values(), *self._waiting()]
            oldest = min((call.started_at for call in calls), default=now)
            log.warning(
                "HubSpot: %s. This is waited out for %.0f s more at the longest; then it ends with UnavailableError, "
                "which Airflow's retries can go on from",
                problem,
                max(min(oldest, now) + self._patience_seconds - now, 0.0),
            )

    def _failure(self, call: _Call, completion: Completion) -> verdicts.Failure | None:
        """What went wrong, if anything."""
        reply = completion.reply
        if reply is None:
            kind = completion.failure or verdicts.FailureKind.CUT
            error = replace(NO_REPLY, message=completion.detail, correlation_id=completion.correlation_id)
            return verdicts.Failure(kind, error)
        if 200 <= reply.status < 300:  # noqa: PLR2004 - HTTP's own
            if call.reads and reply.body.strip() and protocol.decode(reply.body) is None:
                return verdicts.failure_from_reply(reply)
            return None
        self.costs.rate_limited += reply.status == _TOO_MANY
        # HubSpot's words may quote the request's values
        return verdicts.failure_from_reply(reply, quotable=call.request.body is None)
