"""A local HubSpot: a server on loopback that behaves as HubSpot's CRM API does, for demos and tests.

``with HubSpotSandbox(records={"contacts": 1000}) as sandbox: ...``, or
``python -m airflow_provider_hubbatch.sandbox``. Importing this package loads no web framework; using it does.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_hubbatch.sandbox.behaviours import Behaviours
    from airflow_provider_hubbatch.sandbox.definitions import Option, PropertyDefinition
    from airflow_provider_hubbatch.sandbox.faults import KINDS, Fault, FaultScript
    from airflow_provider_hubbatch.sandbox.server import HubSpotSandbox
    from airflow_provider_hubbatch.sandbox.tokens import OAuthApp
    from airflow_provider_hubbatch.sandbox.traffic import RecordedRequest

__all__ = [
    "KINDS",
    "Behaviours",
    "Fault",
    "FaultScript",
    "HubSpotSandbox",
    "OAuthApp",
    "Option",
    "PropertyDefinition",
    "RecordedRequest",
]

_MODULES = {
    "KINDS": "faults",
    "Behaviours": "behaviours",
    "Fault": "faults",
    "FaultScript": "faults",
    "HubSpotSandbox": "server",
    "OAuthApp": "tokens",
    "Option": "definitions",
    "PropertyDefinition": "definitions",
    "RecordedRequest": "traffic",
}
_NEEDED = frozenset({"fastapi", "orjson", "starlette", "uvicorn"})


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _NEEDED:
            raise
        raise ImportError(
            f"The HubSpot sandbox needs {error.name}: pip install airflow-provider-hubbatch[sandbox]"
        ) from error
