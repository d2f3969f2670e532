"""A HubSpot of nothing but a rolling window, and clients of it, in simulated time: for measuring the pacer.

``python -m tests.core.simulated_hubspot`` prints how near to the limit the pacer comes, over latencies, moments of
counting, meanings of ``Remaining``, clients and faults. Everything is drawn from a seed: every number can be had again.
"""

from __future__ import annotations

import bisect
import heapq
import itertools
import random
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from airflow_provider_hubbatch.core.protocol import Reply
from airflow_provider_hubbatch.core.rate_limit import Cap, RateLimiter, RateLimitHeaders
from airflow_provider_hubbatch.core.verdicts import (
    Failure,
    FailureKind,
    Retry,
    RetryPolicy,
    decide,
    failure_from_reply,
)

if TYPE_CHECKING:
    from collections.abc import Callable

LATENCIES: dict[str, Callable[[random.Random, float], float]] = {
    "constant": lambda _rng, seconds: seconds,
    "jitter 30 %": lambda rng, seconds: seconds * rng.uniform(0.7, 1.3),
    "long tail": lambda rng, seconds: seconds * rng.lognormvariate(0.0, 0.5),
}

# Where between sending (0) and answering (1) HubSpot counts a request: nobody knows.
COUNT_POINTS: dict[str, Callable[[random.Random], float]] = {
    "arrival": lambda _rng: 0.0,
    "half": lambda _rng: 0.5,
    "reply": lambda _rng: 1.0,
    "random": lambda rng: rng.random(),
}


# What ``Remaining`` says: of the request itself and the one after the other; nobody knows.
MEANINGS = ("counting", "reply", "lagging", "off", "rounded", "missing")
LAG_SECONDS = 0.2


@dataclass(frozen=True)
class Setting:
    """What is simulated.

    :param limit: requests in any ``interval`` seconds.
    :param latency_seconds: of a request, spread as ``latency`` (a key of :data:`LATENCIES`) says.
    :param count_point: a key of :data:`COUNT_POINTS`.
    :param handshake_seconds: what the first request of a connection takes in addition, before it arrives.
    :param thread_seconds: a sender starts up to so much later than the pacer was told.
    :param fault_rate: share of requests that end, in equal parts, as an arbitrary 429, a cut or a 503.
    :param headers: whether replies have the rate limit's headers.
    :param remaining: what ``Remaining`` says. ``counting``: what remained when the request was counted; ``reply``: when
        the reply was written; ``lagging``: a moment before; ``off``: up to three more or less; ``rounded``: to tens;
        ``missing``: every other reply has no headers.
    """

    limit: int = 190
    interval: float = 10.0
    latency_seconds: float = 0.3
    latency: str = "constant"
    count_point: str = "arrival"
    handshake_seconds: float = 0.0
    thread_seconds: float = 0.005
    fault_rate: float = 0.0
    headers: bool = True
    remaining: str = "counting"
    in_flight: int = 16
    cap: int | None = None
    seed: int = 0


class Pacer(Protocol):
    """What a client asks before it sends: the pacer under test, or none."""

    def wait_seconds(self, now: float) -> float: ...
    def sent(self, now: float) -> int: ...
    def answered(
        self,
        ticket: int,
        *,
        sent_at: float,
        answered_at: float,
        headers: RateLimitHeaders | None,
        rate_limited: bool,
    ) -> None: ...
    def lost(self, ticket: int, *, sent_at: float, ended_at: float) -> None: ...


class Capped:
    """The pacer with a cap of its own, as a sync has one."""

    def __init__(self, requests_per_10_seconds: int, limiter: Pacer) -> None:
        self._cap, self._limiter = Cap(requests_per_10_seconds), limiter
        self.answered, self.lost = self._limiter.answered, self._limiter.lost

    def wait_seconds(self, now: float) -> float:
        """The longer wait of both."""
        return max(self._cap.wait_seconds(now), self._limiter.wait_seconds(now))

    def sent(self, now: float) -> int:
        """One more for both."""
        self._cap.sent(now)
        return self._limiter.sent(now)


class Unpaced:
    """Sends as fast as the bound in flight allows: with a patient server, the best that is possible."""

    def wait_seconds(self, now: float) -> float:  # noqa: ARG002 - a pacer's
        return 0.0

    def sent(self, now: float) -> int:  # noqa: ARG002 - a pacer's
        return 0

    def answered(
        self,
        ticket: int,
        *,
        sent_at: float,
        answered_at: float,
        headers: RateLimitHeaders | None,
        rate_limited: bool,
    ) -> None: ...
    def lost(self, ticket: int, *, sent_at: float, ended_at: float) -> None: ...


class World:
    """Simulated time and HubSpot's window.

    :param patient: an ideal server: it lets a request wait for its slot instead of refusing it.
    """

    def __init__(self, setting: Setting, *, patient: bool = False) -> None:
        self.setting = setting
        self.patient = patient
        self.rng = random.Random(setting.seed)
        self.now = 0.0
        self.window: deque[float] = deque()
        self.counted: list[float] = []
        self.refused = 0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def at(self, time: float, action: Callable[[], None]) -> None:
        """Do ``action`` at ``time``."""
        heapq.heappush(self._events, (time, next(self._order), action))

    def run(self, until: float = 3600.0) -> None:
        """Let time pass until nothing is left to do."""
        while self._events and self.now < until:
            self.now, _, action = heapq.heappop(self._events)
            action()

    def count(self) -> tuple[bool, int, float]:
        """HubSpot counts one request now.

        :returns: whether it is within the limit, what remains, and how long a patient server makes it wait.
        """
        limit, interval = self.setting.limit, self.setting.interval
        while self.window and self.window[0] <= self.now - interval:
            self.window.popleft()
        wait = 0.0
        if len(self.window) >= limit:
            if not self.patient:
                self.refused += 1
                return False, 0, 0.0
            wait = self.window[len(self.window) - limit] + interval - self.now
        self.window.append(self.now + wait)
        self.counted.append(self.now + wait)
        return True, max(limit - len(self.window), 0), wait

    def remaining_at(self, time: float) -> int:
        """What remained then."""
        until = bisect.bisect_right(self.counted, time)
        since = bisect.bisect_right(self.counted, time - self.setting.interval)
        return max(self.setting.limit - (until - since), 0)

    def told(self, remaining: int, counted_at: float) -> int | None:
        """What a reply that is written now says.

        :param remaining: when its request was counted.
        """
        limit = self.setting.limit
        match self.setting.remaining:
            case "reply":
                return self.remaining_at(self.now)
            case "lagging":
                return self.remaining_at(counted_at - LAG_SECONDS)
            case "off":
                return min(max(remaining + self.rng.randint(-3, 3), 0), limit)
            case "rounded":
                return min(round(remaining, -1), limit)
            case "missing" if self.rng.random() < 0.5:
                return None
        return remaining


class Client:
    """One process: the engine's loop over ``batches`` requests, reduced to its times.

    :param start: when it begins.
    """

    def __init__(self, world: World, batches: int, pacer: Pacer, *, name: str = "", start: float = 0.0) -> None:
        self.world, self.pacer = world, pacer
        self.rng = random.Random(f"{world.setting.seed} {name}")
        self.ready: deque[int] = deque([0] * batches)  # how often each was sent
        self.left = batches
        self.in_flight = self.connections = self.requests = 0
        self.finished_at = 0.0
        self._wake_at = -1.0
        world.at(start, self.wake)

    def wake(self) -> None:
        """Send what may be sent; come back when it is worth asking again."""
        now = self.world.now
        while self.ready and self.in_flight < self.world.setting.in_flight:
            wait = self.pacer.wait_seconds(now)
            if wait > 0.0:
                if not now < self._wake_at <= now + wait:
                    self._wake_at = now + wait
                    self.world.at(self._wake_at, self.wake)
                return
            self._send(self.ready.popleft() + 1)

    def _send(self, attempt: int) -> None:
        world, setting, rng = self.world, self.world.setting, self.world.rng
        self.in_flight += 1
        self.requests += 1
        ticket = self.pacer.sent(world.now)
        latency = LATENCIES[setting.latency](rng, setting.latency_seconds)
        until_counted = latency * COUNT_POINTS[setting.count_point](rng)
        after = latency - until_counted
        if self.connections < self.in_flight:
            self.connections += 1
            until_counted += setting.handshake_seconds
        fault = rng.random() / setting.fault_rate if setting.fault_rate else 1.0
        sent_at = world.now + rng.uniform(0.0, setting.thread_seconds)

        def counted() -> None:
            if fault < 1 / 3:
                world.at(world.now + after, lambda: self._end(ticket, attempt, sent_at, 429, None))
                return
            accepted, remaining, wait = world.count()
            status = 429 if not accepted else 0 if fault < 2 / 3 else 503 if fault < 1.0 else 200
            counted_at = world.now

            def reply() -> None:
                told = world.told(remaining, counted_at) if setting.headers else None
                headers = None if told is None else RateLimitHeaders(setting.limit, told, setting.interval)
                self._end(ticket, attempt, sent_at, status, headers)

            world.at(world.now + wait + after, reply)

        world.at(sent_at + until_counted, counted)

    def _end(self, ticket: int, attempt: int, sent_at: float, status: int, headers: RateLimitHeaders | None) -> None:
        now = self.world.now
        self.in_flight -= 1
        if status == 0:
            self.pacer.lost(ticket, sent_at=sent_at, ended_at=now)
        else:
            self.pacer.answered(ticket, sent_at=sent_at, answered_at=now, headers=headers, rate_limited=status == 429)
        if status == 200:
            self.left -= 1
            self.finished_at = now
        else:
            self._again(attempt, status)
        self.wake()

    def _again(self, attempt: int, status: int) -> None:
        failure = failure_from_reply(Reply(status, {}, b"")) if status else Failure(FailureKind.CUT)
        decision = decide(
            failure,
            attempt=attempt,
            elapsed_seconds=0.0,
            policy=RetryPolicy(),
            random=self.rng.random,
            repeatable=True,
        )
        assert isinstance(decision, Retry)

        def ready() -> None:
            self.ready.appendleft(attempt)
            self.wake()

        self.world.at(self.world.now + decision.after_seconds, ready)


@dataclass(frozen=True)
class Result:
    """What a run came to: seconds until the last reply, ours and the ideal's; when each client finished."""

    seconds: float
    ideal_seconds: float
    requests: int
    refused: int
    left: int
    finishes: tuple[float, ...]
    counted: tuple[float, ...]

    @property
    def share(self) -> float:
        """Of the speed that was possible."""
        return self.ideal_seconds / self.seconds

    @property
    def refused_share(self) -> float:
        """Of the requests, those that were over the limit."""
        return self.refused / self.requests

    @property
    def spread(self) -> float:
        """How much later the last client finished than the first, of the whole time."""
        return (max(self.finishes) - min(self.finishes)) / self.seconds


def measure(
    setting: Setting,
    batches: int = 400,
    starts: tuple[float, ...] = (0.0,),
    limiter: Callable[[Callable[[], float]], Pacer] = RateLimiter,
) -> Result:
    """Run clients with the pacer; and unpaced, without faults, against a patient server, for the ideal.

    :param batches: of each client.
    :param starts: when each begins.
    :param limiter: makes a pacer.
    """
    world = World(setting)
    clients = []
    for number, start in enumerate(starts):
        pacer = limiter(random.Random(f"{setting.seed} {number}").random)
        if setting.cap:
            pacer = Capped(setting.cap, pacer)
        clients.append(Client(world, batches, pacer, name=str(number), start=start))
    world.run()
    ideal = World(
        replace(setting, fault_rate=0.0, limit=min(setting.limit, setting.cap or setting.limit)), patient=True
    )
    best = [Client(ideal, batches, Unpaced(), start=start) for start in starts]
    ideal.run()
    return Result(
        seconds=max(client.finished_at for client in clients),
        ideal_seconds=max(client.finished_at for client in best),
        requests=sum(client.requests for client in clients),
        refused=world.refused,
        left=sum(client.left for client in clients),
        finishes=tuple(client.finished_at for client in clients),
        counted=tuple(world.counted),
    )


def _line(title: str, setting: Setting, seeds: int, batches: int = 400, starts: tuple[float, ...] = (0.0,)) -> str:
    results = [measure(replace(setting, seed=seed), batches, starts) for seed in range(seeds)]
    return (
        f"{title:62} share worst {min(r.share for r in results):.3f} mean {sum(r.share for r in results) / seeds:.3f}"
        f"  429 worst {max(r.refused_share for r in results):.4f}  spread worst {max(r.spread for r in results):.2f}"
        f"{'  LOST' if any(r.left for r in results) else ''}"
    )


def main(seeds: int = 5) -> None:
    """Print the tables; "share" is of the ideal: the same requests in flight against a server that never refuses."""
    speeds = ((0.05, 16), (0.3, 16), (2.0, 16), (2.0, 64))
    for limit, (seconds, in_flight), latency, point in itertools.product(
        (100, 190, 250), speeds, LATENCIES, COUNT_POINTS
    ):
        setting = Setting(limit, latency_seconds=seconds, in_flight=in_flight, latency=latency, count_point=point)
        title = f"1 client, {limit}/10 s, {seconds} s {latency}, {in_flight} in flight, at {point}"
        print(_line(title, setting, seeds))  # noqa: T201
    for batches, (seconds, in_flight), point, starts in itertools.product(
        (100, 400), speeds[:3], COUNT_POINTS, ((0.0,) * 4, (0.0, 0.3, 0.5, 0.8), (0.0, 1.0, 2.0, 3.0), (0.0, 12.0))
    ):
        setting = Setting(latency_seconds=seconds, in_flight=in_flight, latency="jitter 30 %", count_point=point)
        title = f"{len(starts)} clients from {starts}, {batches} each, {seconds} s, at {point}"
        print(_line(title, setting, seeds, batches, starts))  # noqa: T201
    for remaining, limit, number in itertools.product(MEANINGS, (100, 190), (1, 4, 8)):
        setting = Setting(limit, latency="jitter 30 %", remaining=remaining)
        title = f"{number} clients, {limit}/10 s, 0.3 s, Remaining: {remaining}"
        print(_line(title, setting, seeds, 400, (0.0,) * number))  # noqa: T201
    for limit, latency_seconds, number in itertools.product((50, 100, 190), (0.05, 0.3), (2, 4, 8, 16)):
        setting = Setting(limit, latency_seconds=latency_seconds, latency="jitter 30 %")
        title = f"{number} clients, {limit}/10 s, {latency_seconds} s, 400 each"
        print(_line(title, setting, seeds, 400, (0.0,) * number))  # noqa: T201
    for seconds, point in itertools.product((0.05, 0.3), COUNT_POINTS):
        setting = Setting(latency_seconds=seconds, latency="jitter 30 %", count_point=point, fault_rate=0.05)
        print(_line(f"1 client, 5 % faults, {seconds} s, at {point}", setting, seeds))  # noqa: T201


if __name__ == "__main__":
    main()
