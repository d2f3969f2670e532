"""What the engine sends: each job makes its request and reads its own reply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from airflow_provider_hubbatch.client.done import Done
    from airflow_provider_hubbatch.core.protocol import Reply, Request
    from airflow_provider_hubbatch.core.verdicts import Final


class Job(Protocol):
    """One request, and what it is for."""

    @property
    def reads(self) -> bool:
        """Whether it is sent for what the reply says: a 2xx that makes no sense is a failure, and sent again."""

    @property
    def is_suspected(self) -> bool:
        """Whether it is a part of a request that HubSpot failed while it answered others."""

    @property
    def settles(self) -> bool:
        """Whether it tells what became of rows that were written: worth sending also when the sync ends."""

    def request(self) -> Request | None:
        """The request to send, right before it is sent; ``None``: other jobs have taken this one's place."""

    def unanswered(self, *, maybe_applied: bool) -> None:
        """The request has come to its end without a 2xx reply.

        :param maybe_applied: a try of it may have had its effect without HubSpot saying so.
        """

    def answered(self, reply: Reply, done: Done) -> None:
        """Read a 2xx reply.

        :param done: how the request went.
        """

    def failed(self, done: Done, verdict: Final) -> None:
        """There is no 2xx reply.

        :param verdict: why it is over.
        """
