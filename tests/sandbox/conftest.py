"""Sandboxes to talk to, each with a client."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch.sandbox import HubSpotSandbox
from tests.sandbox.hubspot_client import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    MakeSandbox = Callable[..., "Pair"]


@dataclass(frozen=True)
class Pair:
    """A sandbox and a client of it."""

    sandbox: HubSpotSandbox
    client: Client


@pytest.fixture
def make(request: pytest.FixtureRequest) -> Iterator[MakeSandbox]:
    """Start sandboxes with the given settings; behaviours are given by their names."""
    with ExitStack() as stack:

        def start(version: str = "2026-03", behaviours: dict[str, Any] | None = None, **settings: Any) -> Pair:
            settings = {"records": {"contacts": 20}, "behaviours": behaviours, **settings}
            sandbox = stack.enter_context(HubSpotSandbox(**settings))
            return Pair(sandbox, stack.enter_context(Client(sandbox, version=version)))

        yield start


@pytest.fixture
def pair(make: MakeSandbox) -> Pair:
    """A sandbox with 20 contacts, and its client."""
    return make()
