"""What the Airflow connection says: where HubSpot is, how to get in, how to send. Read once a hook."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_hubbatch.core.account import checked_portal_id
from airflow_provider_hubbatch.core.options import checked_requests_per_10_seconds
from airflow_provider_hubbatch.core.protocol import DEFAULT_API_VERSION, checked_api_version
from airflow_provider_hubbatch.exceptions import SettingsError

if TYPE_CHECKING:
    from airflow.sdk import Connection

# HubSpot has one host for every region
DEFAULT_HOST = "https://api.hubapi.com"

# HubSpot gives up on a request after 100 s itself (its 524); a little more lets its answer arrive.
DEFAULT_TIMEOUT_SECONDS = (10.0, 110.0)

_TRUE = frozenset({"true", "1", "yes", "on"})
# As requests takes them; without a scheme it is http
_PROXY = re.compile(r"(?:(?:https?|socks4a?|socks5h?)://|(?!.*://))[^:/@\s]", re.IGNORECASE)
_FALSE = frozenset({"false", "0", "no", "off"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSettings:
    """A connection of type ``hubspot``, checked.

    :param base_url: scheme, host and port, no slash at the end.
    :param token: the access token; empty for OAuth.
    :param oauth: client id, client secret and refresh token of an OAuth app; ``None`` for a fixed token.
    :param portal_id: the account that it must lead to; ``None``: any.
    :param timeout_seconds: to connect, and to wait for the reply.
    :param verify: as ``requests`` has it.
    """

    conn_id: str
    base_url: str
    token: str = field(repr=False, default="")
    oauth: tuple[str, str, str] | None = field(repr=False, default=None)
    portal_id: int | None = None
    api_version: str = DEFAULT_API_VERSION
    requests_per_10_seconds: int | None = None
    timeout_seconds: tuple[float, float] = DEFAULT_TIMEOUT_SECONDS
    verify: bool | str = True
    cert: str | tuple[str, str] | None = None
    proxies: dict[str, str] | None = field(repr=False, default=None)
    trust_env: bool = True

    @property
    def token_fingerprint(self) -> str:
        """A hash of what gets in: the same for the same token, and nothing can be learned of it."""
        client_id, _, refresh_token = self.oauth or ("", "", "")
        text = json.dumps([self.token, client_id, refresh_token])
        return hashlib.blake2b(text.encode(), digest_size=16, person=b"hubbatch token").hexdigest()

    @property
    def dangers(self) -> list[str]:
        """What in this connection lets others read along: each a sentence for the log."""
        found = []
        parts = urlsplit(self.base_url)
        if self.verify is False:
            found.append(
                f"connection {self.conn_id!r} doesn't verify certificates (verify is false): anybody on the way to "
                "HubSpot can read the token and the rows. Give the path of your CA's certificate as verify instead"
            )
        if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
            found.append(
                f"the host of connection {self.conn_id!r} is http://: anybody on the way there can read the token "
                "and the rows"
            )
        return found

    @classmethod
    def from_connection(cls, connection: Connection) -> ConnectionSettings:
        """Read and check a connection.

        :raises SettingsError: naming the field, and never with a secret.
        """
        conn_id = str(connection.conn_id)
        extra = _Extra(conn_id, connection.extra_dejson)
        oauth = extra.oauth()
        return cls(
            conn_id=conn_id,
            base_url=_base_url(connection),
            token="" if oauth else _token(connection),
            oauth=oauth,
            portal_id=extra.portal_id(),
            api_version=checked_api_version(extra.get("api_version") or DEFAULT_API_VERSION),
            requests_per_10_seconds=extra.count("requests_per_10_seconds"),
            timeout_seconds=extra.timeout(),
            verify=extra.verify(),
            cert=extra.cert(),
            proxies=extra.proxies(),
            trust_env=extra.flag("trust_env", default=True),
        )


class _Extra:
    """The connection's extra: values come as JSON, or as text from a form or URI."""

    def __init__(self, conn_id: str, values: dict[str, Any]) -> None:
        self._conn_id = conn_id
        self._values = values

    def get(self, *names: str) -> Any:
        """The first of these keys that has a value."""
        return next((value for name in names if (value := self._values.get(name)) not in (None, "")), None)

    def wrong(self, name: str, wanted: str) -> SettingsError:
        return SettingsError(f"extra {name!r} of connection {self._conn_id!r}: give {wanted}")

    def count(self, name: str) -> int | None:
        value = self.get(name)
        if isinstance(value, str) and value.strip().isdecimal():
            value = int(value)
        return checked_requests_per_10_seconds(value, f"extra {name!r} of connection {self._conn_id!r}")

    def portal_id(self) -> int | None:
        value = self.get("portal_id")
        found = checked_portal_id(value)
        if value is not None and found is None:
            raise self.wrong("portal_id", "the HubSpot account's id, a number such as 123456")
        return found

    def flag(self, name: str, *, default: bool) -> bool:
        value = self.get(name)
        if value is None:
            return default
        text = str(value).strip().lower()
        if text not in _TRUE | _FALSE:
            raise self.wrong(name, "true or false")
        return text in _TRUE

    def oauth(self) -> tuple[str, str, str] | None:
        auth_type = str(self.get("auth_type") or "token").strip().lower()
        if auth_type == "token":
            return None
        if auth_type != "oauth":
            raise self.wrong("auth_type", "token or oauth")
        names = ("client_id", "client_secret", "refresh_token")
        client_id, client_secret, refresh_token = (str(self.get(name) or "").strip() for name in names)
        missing = [name for name in names if not self.get(name)]
        if missing:
            raise SettingsError(
                f"connection {self._conn_id!r} has auth_type oauth, and no {', '.join(missing)} in its extra"
            )
        return client_id, client_secret, refresh_token

    def timeout(self) -> tuple[float, float]:
        value = self.get("timeout")
        if value is None:
            return DEFAULT_TIMEOUT_SECONDS
        pair = value if isinstance(value, (list, tuple)) else [value, value]
        try:
            connect, read = (float(one) for one in pair if not isinstance(one, bool))
        except (TypeError, ValueError):
            raise self.wrong("timeout", "seconds, or [seconds to connect, seconds to wait]") from None
        if not (0 < connect <= 3_600 and 0 < read <= 3_600):  # noqa: PLR2004 - an hour
            raise self.wrong("timeout", "seconds above 0, at most 3600")
        return connect, read

    def verify(self) -> bool | str:
        value = self.get("verify", "verify_ssl")
        if value is None or isinstance(value, bool):
            return True if value is None else value
        text = value.strip() if isinstance(value, str) else ""
        if text.lower() in _TRUE | _FALSE:
            return text.lower() in _TRUE
        if not text:
            raise self.wrong("verify", "true, false, or the path of a file or folder of CA certificates")
        return text

    def cert(self) -> str | tuple[str, str] | None:
        value = self.get("cert")
        if value is None:
            return None
        paths = value if isinstance(value, list) else [value]
        if len(paths) not in (1, 2) or not all(isinstance(path, str) for path in paths):
            raise self.wrong("cert", "the path of a certificate, or [path of certificate, path of key]")
        return (paths[0], paths[1]) if len(paths) == 2 else paths[0]  # noqa: PLR2004 - certificate and key

    def proxies(self) -> dict[str, str] | None:
        value = self.get("proxies", "proxy")
        if isinstance(value, str):
            value = _object(value) or {"http": value, "https": value}
        if value is None:
            return None
        if isinstance(value, dict) and all(isinstance(one, str) and _PROXY.match(one) for one in value.values()):
            return value
        raise self.wrong("proxies", 'an object such as {"https": "http://proxy:3128"}')


def _is_loopback(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _token(connection: Connection) -> str:
    token = (connection.password or "").strip()
    if not token:
        raise SettingsError(
            f"connection {connection.conn_id!r} has no access token: put that of a service key or private app into its "
            "password"
        )
    if not token.isascii() or any(character.isspace() for character in token):
        raise SettingsError(
            f"the password of connection {connection.conn_id!r} is no access token: it has spaces in it"
        )
    return token


def _object(text: str) -> dict[str, Any] | None:
    """The JSON object of a text: what a connection's URI makes of one."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _base_url(connection: Connection) -> str:
    host = (connection.host or "").strip()
    host = host.rstrip("/") if not host.endswith("://") else host
    if not host:
        host = DEFAULT_HOST
    elif "://" not in host:
        host = f"{connection.schema or 'https'}://{host}"
    try:
        parts = urlsplit(host)
        port = parts.port or connection.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise SettingsError(
            f"the host of connection {connection.conn_id!r} is no base URL: leave it empty for {DEFAULT_HOST}, or give "
            "something like http://127.0.0.1:8765"
        )
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{name}{f':{port}' if port else ''}{parts.path.rstrip('/')}"
