"""What the environment adds to a connection: proxies, ``NO_PROXY``, CA certificates. The rules are requests' own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import requests
from requests.utils import DEFAULT_CA_BUNDLE_PATH, select_proxy

from airflow_provider_hubbatch.client.http import SendOptions
from airflow_provider_hubbatch.exceptions import SettingsError

if TYPE_CHECKING:
    from airflow_provider_hubbatch.client.settings import ConnectionSettings


def send_options(settings: ConnectionSettings) -> SendOptions:
    """The connection's transport settings, with the environment's where it says nothing.

    :raises SettingsError: a file of certificates is not there.
    """
    session = requests.Session()
    session.trust_env = settings.trust_env
    merged = session.merge_environment_settings(
        settings.base_url, dict(settings.proxies or {}), stream=None, verify=settings.verify, cert=settings.cert
    )
    verify, cert = True if merged["verify"] is None else merged["verify"], merged["cert"]
    for name, paths in (("verify", [verify]), ("cert", cert if isinstance(cert, tuple) else [cert])):
        missing = [path for path in paths if isinstance(path, str) and not Path(path).exists()]
        if missing:
            raise SettingsError(
                f"{name} of connection {settings.conn_id!r} (its extra, or the environment's CA bundle) is "
                f"{missing[0]!r}: there is no such file here"
            )
    return SendOptions(
        base_url=settings.base_url,
        timeout_seconds=settings.timeout_seconds,
        verify=verify,
        ca_bundle=DEFAULT_CA_BUNDLE_PATH,
        cert=cert,
        proxy=select_proxy(settings.base_url, merged["proxies"]),
    )
