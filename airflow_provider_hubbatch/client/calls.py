"""A request or a few, sent and waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_hubbatch.core import verdicts
from airflow_provider_hubbatch.core.explain import fatal_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_hubbatch.client.dispatcher import Dispatcher
    from airflow_provider_hubbatch.client.done import Done
    from airflow_provider_hubbatch.core.protocol import Reply, Request


def call(dispatcher: Dispatcher, request: Request) -> Reply:
    """Send one request, with pacing and retries.

    :returns: the 2xx reply.
    :raises HubSpotError: by its class who acts next.
    """
    return reply_of(call_all(dispatcher, [request])[0])


def call_all(dispatcher: Dispatcher, requests: Sequence[Request]) -> list[Done]:
    """Send some requests side by side, with pacing and retries.

    :returns: how each ended; only the first, if it failed: then the others are given up.
    """
    ended: dict[int, Done] = {}
    try:
        for number, request in enumerate(requests):
            dispatcher.send(request, number, reads=True)
        while len(ended) < len(requests):
            dispatcher.send_due()
            ended.update((done.purpose, done) for done in dispatcher.wait(wants_to_send=False))
            if 0 in ended and ended[0].failed:
                dispatcher.abandon()
                return [ended[0]]
    except BaseException:  # a task's timeout, for one
        dispatcher.abandon()
        raise
    return [ended[number] for number in range(len(requests))]


def reply_of(done: Done) -> Reply:
    """The 2xx reply of a request that has ended.

    :raises HubSpotError: there is none; by its class who acts next.
    """
    if done.crash is not None:
        raise done.crash
    if done.verdict is not None or done.reply is None:
        raise fatal_error(done.verdict or verdicts.Refused("no reply"), done.error)
    return done.reply
