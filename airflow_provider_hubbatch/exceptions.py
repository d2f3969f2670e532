"""Every exception that this package raises; :mod:`airflow_provider_hubbatch.core.errors` draws their tree."""

from airflow_provider_hubbatch.core.errors import (
    AccessError,
    AuthenticationError,
    DailyQuotaError,
    HubSpotError,
    MissingScopesError,
    RequestRefusedError,
    SettingsError,
    SyncFailedError,
    SyncStoppedError,
    SystematicRefusalError,
    UnavailableError,
)

__all__ = [
    "AccessError",
    "AuthenticationError",
    "DailyQuotaError",
    "HubSpotError",
    "MissingScopesError",
    "RequestRefusedError",
    "SettingsError",
    "SyncFailedError",
    "SyncStoppedError",
    "SystematicRefusalError",
    "UnavailableError",
]
