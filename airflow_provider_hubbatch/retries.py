"""Which failures Airflow retries, and when: a default retry policy, where Airflow has them (3.3 and later).

Everywhere else the exceptions themselves do it: what a retry can't fix is raised as ``AirflowFailException``.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow_provider_hubbatch.exceptions import HubSpotError, SyncStoppedError, UnavailableError

try:
    from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy
except ImportError:  # before Airflow 3.3
    RetryPolicy = None  # type: ignore[assignment,misc]

WORTH_A_RETRY = (UnavailableError, SyncStoppedError)
"""What Airflow's retries can fix."""


def with_retry_policy(kwargs: dict[str, Any]) -> dict[str, Any]:
    """The operator's arguments, with this provider's retry policy unless the user has one, here or in default_args.

    :param kwargs: what Airflow passes to an operator: it holds the merged ``default_args`` too.
    """
    given = (kwargs.get("retry_policy"), (kwargs.get("default_args") or {}).get("retry_policy"))
    if RetryPolicy is None or given != (None, None):
        return kwargs
    return {**kwargs, "retry_policy": HubSpotRetryPolicy()}


if RetryPolicy is not None:

    class HubSpotRetryPolicy(RetryPolicy):
        """Retry when HubSpot asked to; fail at once what a retry can't fix; all else as the task says."""

        def evaluate(
            self,
            exception: BaseException,
            try_number: int,  # noqa: ARG002 - Airflow's signature
            max_tries: int,  # noqa: ARG002 - Airflow's signature
            context: Any = None,  # noqa: ARG002 - Airflow's signature
        ) -> RetryDecision:
            """Decide by the exception's class."""
            if isinstance(exception, UnavailableError) and exception.retry_after_seconds is not None:
                delay = timedelta(seconds=exception.retry_after_seconds)
                return RetryDecision.retry(delay, reason=str(exception))
            if isinstance(exception, HubSpotError) and not isinstance(exception, WORTH_A_RETRY):
                return RetryDecision.fail(reason=str(exception))
            return RetryDecision.default()

        def serialize(self) -> dict[str, Any]:
            """Nothing to tell: it has no settings."""
            return {}

        @classmethod
        def deserialize(cls, data: dict[str, Any]) -> HubSpotRetryPolicy:  # noqa: ARG003 - Airflow's signature
            """A new one."""
            return cls()
