"""What Airflow retries and when, by the exception; and whose policy counts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.definitions.retry_policy import ExceptionRetryPolicy, RetryAction, RetryDecision, RetryPolicy

from airflow_provider_hubbatch import exceptions as errors
from airflow_provider_hubbatch.operators import HubSpotBatchUpdateOperator
from airflow_provider_hubbatch.retries import WORTH_A_RETRY, HubSpotRetryPolicy, with_retry_policy


def decide(error: BaseException) -> RetryDecision:
    return HubSpotRetryPolicy().evaluate(error, 1, 3)


def operator(**options: Any) -> HubSpotBatchUpdateOperator:
    options = {"task_id": "update", "object_type": "contacts", "rows": [], **options}
    return HubSpotBatchUpdateOperator(**options)


@pytest.mark.parametrize("kind", [errors.UnavailableError, errors.DailyQuotaError])
def test_what_hubspot_asked_for_is_waited(kind: type[errors.UnavailableError]) -> None:
    """The delay is HubSpot's, and the reason is kept with the retry."""
    decision = decide(kind("gone for a while", retry_after_seconds=120))
    assert decision == RetryDecision.retry(timedelta(seconds=120), reason="gone for a while")


@pytest.mark.parametrize(
    "error",
    [
        errors.UnavailableError("down"),
        errors.SyncStoppedError("stopped"),
        ValueError("not ours"),
        OSError("a database's"),
        KeyboardInterrupt(),
    ],
)
def test_all_else_is_the_tasks_own(error: BaseException) -> None:
    """Without a delay of HubSpot's, and for exceptions of others, the task's retries and retry_delay count."""
    assert decide(error) == RetryDecision.default()


@pytest.mark.parametrize(
    "kind",
    [
        errors.SettingsError,
        errors.AuthenticationError,
        errors.MissingScopesError,
        errors.SystematicRefusalError,
        errors.SyncFailedError,
    ],
)
def test_what_a_retry_cannot_fix_fails_at_once(kind: type[errors.HubSpotError]) -> None:
    """Also where somebody raises it without the operator, from a ``@task`` with this policy."""
    decision = decide(kind("hopeless"))
    assert (decision.action, decision.reason) == (RetryAction.FAIL, "hopeless")
    assert not issubclass(kind, WORTH_A_RETRY)


def test_the_operator_has_the_policy() -> None:
    """Nobody needs to ask for it."""
    assert isinstance(operator().retry_policy, HubSpotRetryPolicy)


def test_the_users_own_policy_wins() -> None:
    """Given to the task, or in default_args."""
    own = ExceptionRetryPolicy(rules=[])
    assert operator(retry_policy=own).retry_policy is own
    with DAG("d", schedule=None, default_args={"retry_policy": own}):
        assert operator().retry_policy is own
        assert operator(task_id="other", retry_policy=HubSpotRetryPolicy()).retry_policy is not own
    with DAG("e", schedule=None, default_args={"retries": 5}):
        task = operator()
    assert isinstance(task.retry_policy, HubSpotRetryPolicy)
    assert task.retries == 5


def test_mapped_tasks_have_it_too() -> None:
    """A mapped task, once it runs, has the policy; the user's wins there as well."""
    own = ExceptionRetryPolicy(rules=[])
    options: dict[str, Any] = {"object_type": "contacts"}
    with DAG("d", schedule=None):
        mapped = HubSpotBatchUpdateOperator.partial(task_id="a", **options).expand(rows=[[{"id": 1}]])
        theirs = HubSpotBatchUpdateOperator.partial(task_id="b", retry_policy=own, **options).expand(rows=[[]])
    policies = [one.unmap({"rows": []}).retry_policy for one in (mapped, theirs)]
    assert isinstance(policies[0], HubSpotRetryPolicy)
    assert policies[1] is own


def test_the_policy_survives_serialization() -> None:
    """Airflow may write it down and read it again."""
    assert isinstance(HubSpotRetryPolicy.deserialize(HubSpotRetryPolicy().serialize()), RetryPolicy)


def test_arguments_are_left_as_they_are() -> None:
    """The caller's dict isn't changed."""
    given: dict[str, Any] = {"task_id": "x"}
    assert "retry_policy" in with_retry_policy(given)
    assert given == {"task_id": "x"}
