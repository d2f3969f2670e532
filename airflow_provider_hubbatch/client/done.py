"""How a request ended, retries included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.core.error_reply import NO_REPLY

if TYPE_CHECKING:
    from airflow_provider_hubbatch.core import verdicts
    from airflow_provider_hubbatch.core.error_reply import ErrorReply
    from airflow_provider_hubbatch.core.protocol import Reply


@dataclass(frozen=True, slots=True)
class Done:
    """A request has come to its end, retries included.

    :param purpose: what it was sent for.
    :param reply: the 2xx reply, or the last one.
    :param verdict: ``None`` for a 2xx; else why it is over.
    :param failure: what was wrong, where ``verdict`` is not ``None``.
    :param maybe_applied: a try of it may have had its effect without HubSpot saying so.
    :param crash: an exception of the transport's that ends everything.
    :param sent_at: when it was sent first, on the transport's clock; ``ended_at``: when it was over.
    """

    purpose: Any
    reply: Reply | None
    verdict: verdicts.Final | None = None
    failure: verdicts.Failure | None = None
    maybe_applied: bool = False
    crash: Exception | None = None
    sent_at: float = 0.0
    ended_at: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether there is no 2xx reply to read."""
        return self.verdict is not None or self.crash is not None

    @property
    def error(self) -> ErrorReply:
        """What HubSpot says in a reply that is no 2xx."""
        return self.failure.error if self.failure else NO_REPLY
