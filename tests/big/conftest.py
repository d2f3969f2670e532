"""The databases of the tests of sources."""

from __future__ import annotations

from tests.sources.conftest import connect, postgres, warehouse

__all__ = ["connect", "postgres", "warehouse"]
