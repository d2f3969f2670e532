"""What anything that sends requests has used; a sync's report is one of these."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Costs:
    """Counters of requests.

    :param requests: requests sent, retries among them.
    :param retries: requests sent again after a failure.
    :param rate_limited: replies 429.
    :param refused_requests: requests that HubSpot refused for their content: isolation's cost.
    """

    requests: int = 0
    retries: int = 0
    rate_limited: int = 0
    refused_requests: int = 0

    def costs(self) -> dict[str, int]:
        """The counters by name."""
        return {name: getattr(self, name) for name in Costs.__slots__}

    def add_costs(self, costs: dict[str, int]) -> None:
        """Count what was used before, or elsewhere.

        :param costs: as :meth:`costs` gives them.
        """
        for name in Costs.__slots__:
            setattr(self, name, getattr(self, name) + costs.get(name, 0))
