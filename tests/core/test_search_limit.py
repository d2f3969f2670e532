"""Searching, in simulated time: five a second for the account, shared without any headers."""

from __future__ import annotations

import pytest

from airflow_provider_hubbatch.core.search_limit import SearchLimiter
from tests.core.simulated_hubspot import Setting, measure


def searching(latency_seconds: float, seed: int = 0) -> Setting:
    """HubSpot's limit of searches, and replies that say nothing of it."""
    return Setting(
        limit=5, interval=1.0, latency_seconds=latency_seconds, latency="jitter 30 %", headers=False, seed=seed
    )


@pytest.mark.parametrize("latency_seconds", [0.05, 0.3])
def test_search_alone_uses_the_limit_and_gets_no_429(latency_seconds: float) -> None:
    """Five a second, and none refused."""
    for seed in range(3):
        result = measure(searching(latency_seconds, seed), 200, limiter=SearchLimiter)
        assert (result.refused, result.left) == (0, 0)
        assert result.share >= 0.85


@pytest.mark.parametrize(("processes", "refused_share"), [(2, 0.06), (4, 0.12), (8, 0.22)])
def test_search_is_shared_politely(processes: int, refused_share: float) -> None:
    """Tasks that search at the same time slow down by what is refused; all get through, side by side."""
    for seed in range(3):
        result = measure(searching(0.3, seed), 200, (0.0,) * processes, limiter=SearchLimiter)
        assert result.left == 0
        assert result.share >= 0.55
        assert result.refused_share <= refused_share
        assert result.spread <= 0.4
