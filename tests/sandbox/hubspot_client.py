"""The few lines of a HubSpot client that the sandbox's own tests need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from airflow_provider_hubbatch.sandbox import HubSpotSandbox

TIMEOUT_SECONDS = 20


class Client:
    """Real requests to a sandbox, over one kept-alive connection."""

    def __init__(self, sandbox: HubSpotSandbox, token: str | None = None, version: str = "2026-03") -> None:
        self.version = version
        self._url = sandbox.url
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token or sandbox.token}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._session.close()

    def get(self, path: str, **params: str) -> requests.Response:
        return self._session.get(self._url + path, params=params, timeout=TIMEOUT_SECONDS)

    def post(self, path: str, json: Any = None, *, data: Any = None, timeout: float = TIMEOUT_SECONDS) -> Any:
        return self._session.post(self._url + path, json=json, data=data, timeout=timeout, allow_redirects=False)

    def patch(self, path: str, json: Any) -> requests.Response:
        return self._session.patch(self._url + path, json=json, timeout=TIMEOUT_SECONDS)

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        """Any request."""
        return self._session.request(method, self._url + path, timeout=TIMEOUT_SECONDS, **options)

    def delete(self, path: str) -> requests.Response:
        return self._session.delete(self._url + path, timeout=TIMEOUT_SECONDS)

    def batch(
        self, verb: str, inputs: list[dict[str, Any]], object_type: str = "contacts", **body: Any
    ) -> requests.Response:
        """A batch of this verb."""
        path = f"/crm/objects/{self.version}/{object_type}/batch/{verb}"
        response: requests.Response = self.post(path, {"inputs": inputs, **body})
        return response

    def update(self, *inputs: dict[str, Any], object_type: str = "contacts") -> requests.Response:
        """A batch update of these inputs."""
        return self.batch("update", list(inputs), object_type)

    def read(
        self, *ids: str, properties: tuple[str, ...] = (), object_type: str = "contacts", **body: Any
    ) -> requests.Response:
        """A batch read of these ids."""
        inputs = [{"id": one} for one in ids]
        return self.batch("read", inputs, object_type, properties=list(properties), **body)

    def details(self) -> requests.Response:
        """The cheapest request."""
        return self.get(f"/account-info/{self.version}/details")


def row(record_id: str, properties: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """An input of a batch update."""
    return {"id": record_id, "properties": {"firstname": "New"} if properties is None else dict(properties), **more}
