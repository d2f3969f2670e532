"""From a request's path to its endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from airflow_provider_hubbatch.sandbox.endpoints import ENDPOINTS, OTHER_METHOD, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_hubbatch.sandbox.endpoints import Endpoint

_PARAMETER = "{}"


class Found(NamedTuple):
    """An endpoint, and what stands in the path for its parameters."""

    endpoint: Endpoint
    parts: dict[str, str]


class _Node:
    def __init__(self) -> None:
        self.next: dict[str, _Node] = {}
        self.endpoints: dict[str, tuple[Endpoint, list[str]]] = {}


class Routes:
    """Every path of the endpoints, as a tree of its segments; a segment of its own goes before a parameter."""

    def __init__(self, endpoints: Iterable[Endpoint] = ENDPOINTS) -> None:
        self._root = _Node()
        for endpoint in endpoints:
            for path in (endpoint.path, endpoint.legacy_path):
                self._add(path, endpoint)

    def find(self, method: str, path: str) -> Found:
        """The endpoint of a request; those for an unknown path and for another method are endpoints, too."""
        node, values = self._root, []
        for segment in path.strip("/").split("/"):
            following = node.next.get(segment)
            if following is None:
                following = node.next.get(_PARAMETER)
                if following is None:
                    return Found(UNKNOWN, {})
                values.append(segment)
            node = following
        if not node.endpoints:
            return Found(UNKNOWN, {})
        endpoint, names = node.endpoints.get(method, (OTHER_METHOD, []))
        return Found(endpoint, dict(zip(names, values, strict=False)))

    def _add(self, path: str, endpoint: Endpoint) -> None:
        node, names = self._root, []
        for segment in path.strip("/").split("/"):
            is_parameter = segment.startswith("{")
            if is_parameter:
                names.append(segment.strip("{}"))
            node = node.next.setdefault(_PARAMETER if is_parameter else segment, _Node())
        node.endpoints[endpoint.method] = (endpoint, names)
