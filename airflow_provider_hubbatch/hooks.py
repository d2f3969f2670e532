"""The hook: a connection to HubSpot, with one token, one pace and one way to retry for everything it does."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from datetime import time as datetime_time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo

import requests
from airflow.providers.common.compat.sdk import mask_secret
from airflow.providers.http.hooks.http import HttpHook
from requests_toolbelt.adapters.socket_options import TCPKeepAliveAdapter

from airflow_provider_hubbatch import __version__, get_provider_info
from airflow_provider_hubbatch.client.dispatcher import Counters, Dispatcher, call
from airflow_provider_hubbatch.client.settings import DEFAULT_HOST, ConnectionSettings
from airflow_provider_hubbatch.client.tokens import FixedToken, OAuthToken
from airflow_provider_hubbatch.client.transport import SendOptions, ThreadedTransport, exchange
from airflow_provider_hubbatch.core import protocol
from airflow_provider_hubbatch.core.account import portal_id_of, wrong_account
from airflow_provider_hubbatch.core.error_reply import parse_error
from airflow_provider_hubbatch.core.options import SyncOptions
from airflow_provider_hubbatch.core.rate_limit import RateLimiter
from airflow_provider_hubbatch.exceptions import (
    AuthenticationError,
    DailyQuotaError,
    HubSpotError,
    RequestRefusedError,
    SettingsError,
    UnavailableError,
)
from airflow_provider_hubbatch.sync.sync import BatchUpdateRun

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

    from airflow_provider_hubbatch.client.tokens import Token
    from airflow_provider_hubbatch.core.model import RowOutcome
    from airflow_provider_hubbatch.core.sync_report import SyncReport
    from airflow_provider_hubbatch.core.verdicts import RetryPolicy

# A path of HubSpot's API: no host, no dot segments, nothing that ends a line or starts a query of another
_PATH = re.compile(r"/(?!/)[A-Za-z0-9_.~!$&'()*+,;=:@%/?-]*")


# When nobody says when the account's calls of the day begin anew.
_ASK_AGAIN_AFTER = timedelta(hours=1)


class HubSpotHook(HttpHook):
    """Talk to HubSpot with an Airflow connection of type ``hubspot``.

    Everything that one hook does shares its token, its pacing and its retries. The connection is read once, when it
    is first needed.

    :param hubspot_conn_id: the connection.
    """

    conn_name_attr = "hubspot_conn_id"
    default_conn_name = "hubspot_default"
    conn_type = "hubspot"
    hook_name = "HubSpot"
    default_host = DEFAULT_HOST

    def __init__(self, hubspot_conn_id: str = default_conn_name) -> None:
        super().__init__(method="POST", http_conn_id=hubspot_conn_id)
        self.hubspot_conn_id = hubspot_conn_id
        self._settings: ConnectionSettings | None = None
        self._limiter: RateLimiter | None = None
        self._token: Token | None = None
        self._masked: set[str] = set()
        self._patience: RetryPolicy | None = None

    # --- the connection form -----------------------------------------------------------------------------------

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """The form's own fields, for Airflow before 3.2; later ones read them in the provider's description."""
        from wtforms import IntegerField, PasswordField, StringField  # noqa: PLC0415 - not where no form is shown
        from wtforms.validators import Optional, any_of  # noqa: PLC0415 - as above

        widgets = {}
        for name, declared in _form()["conn-fields"].items():
            schema = declared["schema"]
            field = IntegerField if "integer" in schema["type"] else StringField
            if schema.get("format") == "password":
                field = PasswordField
            validators = [Optional(), *([any_of(schema["enum"])] if "enum" in schema else [])]
            widgets[name] = field(
                declared["label"],
                validators=validators,
                description=declared["description"],
                default=schema.get("default"),
            )
        return widgets

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Which of Airflow's fields the form hides, and what it calls the others; for Airflow before 3.2."""
        behaviour = _form()["ui-field-behaviour"]
        return {name.replace("-", "_"): value for name, value in behaviour.items()}

    # --- any endpoint ------------------------------------------------------------------------------------------

    def get_conn(
        self, headers: dict[Any, Any] | None = None, extra_options: dict[str, Any] | None = None
    ) -> requests.Session:
        """A ``requests`` session with the token and the connection's transport settings, as HttpHook's ``run`` uses it.

        Nothing of the connection's extra becomes a header. Prefer :meth:`request`, which paces and retries.

        :param headers: more headers.
        :param extra_options: as HttpHook has them: ``timeout``, ``verify``, ``proxies``, ...
        """
        settings = self.settings()
        self.base_url = settings.base_url
        self._base_url_initialized = True
        session = self._new_session()
        session.headers.update({"Authorization": self.token().authorization(), **(headers or {})})
        self.mask_secrets()
        session.verify, session.cert = settings.verify, settings.cert
        session.proxies = settings.proxies or {}
        self.merged_extra = {"timeout": settings.timeout_seconds, "allow_redirects": False, **(extra_options or {})}
        return session

    def check_response(self, response: requests.Response) -> None:
        """What :meth:`run` does about a refusal: raise, without logging what HubSpot says, which may quote values.

        :raises RequestRefusedError: the status is no 2xx.
        """
        if not 200 <= response.status_code < 300:  # noqa: PLR2004 - HTTP's own
            error = parse_error(protocol.Reply(response.status_code, response.headers, response.content))
            raise RequestRefusedError(
                f"HubSpot answered {response.status_code} {error.category}",
                status=response.status_code,
                category=error.category,
                correlation_id=error.correlation_id,
                hubspot_message=error.message or None,
            )

    def request(self, method: str, path: str, json: Any = None, *, counters: Counters | None = None) -> Any:
        """Send one request to any endpoint of HubSpot's, with the same token, pacing and retries.

        :param method: ``GET``, ``POST``, ...
        :param path: from the host's root, with its query: ``/crm/v3/owners?limit=100``.
        :param json: the body.
        :param counters: counts the requests into these.
        :returns: what the reply's JSON holds, or ``None`` for an empty one.
        :raises HubSpotError: by its class: access, refused, unavailable.
        """
        if not _PATH.fullmatch(path) or {"..", "."} & set(unquote(path.partition("?")[0]).split("/")):
            raise SettingsError(f"path {path!r} is no path of HubSpot's API: it starts with one slash, as '/crm/...'")
        body = None if json is None else protocol.encode(json)
        with self.transport(threads=1) as transport:
            reply = call(
                self.dispatcher(transport, 1, counters or Counters()), protocol.Request(method.upper(), path, body)
            )
        self.mask_secrets()
        data = protocol.decode(reply.body)
        if data is None and reply.body.strip() not in (b"", b"null"):
            raise UnavailableError(
                f"HubSpot answered {method.upper()} {path} with a body that is no JSON",
                correlation_id=reply.correlation_id,
            )
        return data

    def properties(self, object_type: str, counters: Counters | None = None) -> list[dict[str, Any]]:
        """The property definitions of an object type, as HubSpot gives them.

        :param counters: counts the requests into these.
        :raises SettingsError: there is no such object type.
        """
        path = protocol.properties_path(protocol.checked_object_type(object_type), self.settings().api_version)
        try:
            reply = self.request("GET", path, counters=counters)
        except RequestRefusedError as error:
            if error.status in (400, 404):
                raise SettingsError(
                    f"object_type {object_type!r} is unknown to this HubSpot account: {error}",
                    correlation_id=error.correlation_id,
                ) from error
            raise
        results = reply.get("results") if isinstance(reply, dict) else None
        if not isinstance(results, list):
            raise UnavailableError(
                f"HubSpot answered with something else than the property definitions of {object_type}"
            )
        return [entry for entry in results if isinstance(entry, dict)]

    def account(self) -> dict[str, Any]:
        """The account's details: ``portalId``, ``accountType``, ``timeZone``, ``uiDomain``, ..."""
        details = self.request("GET", protocol.account_path(self.settings().api_version))
        return details if isinstance(details, dict) else {}

    def account_if_known(self, counters: Counters | None = None) -> dict[str, Any]:
        """The account's details, or nothing where HubSpot doesn't tell them: they are good to have, no more.

        Unless the connection has a ``portal_id``: then they must be read, and be that account's.

        :param counters: counts the request into these.
        :raises SettingsError: it is another account than ``portal_id`` says, or HubSpot doesn't tell which.
        :raises AuthenticationError: the token is wrong.
        :raises UnavailableError: ``portal_id`` can't be checked now; a spent daily limit is always raised.
        """
        wanted = self.settings().portal_id
        told: Any = None
        try:
            told = self.request("GET", protocol.account_path(self.api_version), counters=counters)
        except (AuthenticationError, DailyQuotaError):
            raise
        except HubSpotError as error:
            if wanted is not None and isinstance(error, UnavailableError):
                raise
            self.log.debug("The account's details can't be read: %s", type(error).__name__)
        details: dict[str, Any] = told if isinstance(told, dict) else {}
        wrong = None if wanted is None else wrong_account(wanted, details, self.hubspot_conn_id)
        if wrong is not None:
            raise wrong
        return details

    def account_identity(self, account: dict[str, Any]) -> str:
        """What is the same for two syncs only if they write to one account.

        :param account: its details; where HubSpot doesn't tell them, a hash of the token stands for it.
        """
        portal_id = portal_id_of(account)
        return f"token {self.settings().token_fingerprint}" if portal_id is None else f"portal {portal_id}"

    def daily_reset(self, account: dict[str, Any] | None = None) -> datetime:
        """When the account's calls of the day begin anew, in UTC.

        As HubSpot's api-usage says; else midnight in the account's time zone. If HubSpot tells neither (a spent quota
        may refuse both), an hour from now: by then it may, and asking costs one call.

        :param account: its details, where they are known already.
        """
        usage = self._told(protocol.daily_usage_path(self.api_version))
        results = usage.get("results")
        for entry in [usage, *(results if isinstance(results, list) else [])]:
            resets_at = parsed_moment(entry.get("resetsAt")) if isinstance(entry, dict) else None
            if resets_at is not None and timedelta(0) < resets_at - datetime.now(UTC) <= timedelta(hours=25):
                return resets_at
        account = account or self._told(protocol.account_path(self.api_version))
        now = datetime.now(UTC)
        return next_midnight(now, account) if account else now + _ASK_AGAIN_AFTER

    def _told(self, path: str) -> dict[str, Any]:
        """What an endpoint says; nothing, where it can't be asked now."""
        try:
            reply = self.request("GET", path)
        except HubSpotError as error:
            self.log.debug("%s can't be read: %s", path, type(error).__name__)
            return {}
        return reply if isinstance(reply, dict) else {}

    def test_connection(self) -> tuple[bool, str]:
        """Whether the connection works, and a sentence for the connection form's button; within seconds."""
        from airflow_provider_hubbatch.client.connection_test import tested  # noqa: PLC0415 - for the form only

        return tested(self)

    def impatient(self, policy: RetryPolicy, timeout_seconds: tuple[float, float]) -> HubSpotHook:
        """A hook of the same connection for somebody who waits for the answer.

        :param policy: instead of the task's, which waits for minutes.
        :param timeout_seconds: at most; the connection's own, where they are shorter.
        """
        settings = self.settings()
        shorter = tuple(min(pair) for pair in zip(settings.timeout_seconds, timeout_seconds, strict=True))
        hook = HubSpotHook(self.hubspot_conn_id)
        hook._settings = replace(settings, timeout_seconds=(shorter[0], shorter[1]))
        hook._patience = policy
        return hook

    # --- batches -----------------------------------------------------------------------------------------------

    def batch_update(self, object_type: str, rows: Any, **options: Any) -> SyncReport:
        """Update records from rows, and say what became of each.

        :param object_type: ``contacts``, ``2-1234567``, ``p1_pets``, ...
        :param rows: dicts, a DataFrame, ``SqlRows``, a path, ...: whatever the operator takes.
        :param options: the operator's: :class:`~airflow_provider_hubbatch.core.options.SyncOptions`.
        :returns: the report; ``report.raise_for_rejected()`` fails if too many rows did.
        :raises HubSpotError: the sync could not be done or not be finished; ``error.report`` says how far it came.
        """
        return self.start_batch_update(object_type, rows, SyncOptions(**options)).finish()

    def iter_batch_update(self, object_type: str, rows: Any, **options: Any) -> Iterator[RowOutcome]:
        """As :meth:`batch_update`, but gives the outcomes as they come, in no order, at constant memory."""
        yield from self.start_batch_update(object_type, rows, SyncOptions(**options))

    def start_batch_update(self, object_type: str, rows: Any, options: SyncOptions, **run: Any) -> BatchUpdateRun:
        """A sync that has not begun: iterate over it for its outcomes, stop it from anywhere.

        :param run: the further parameters of :class:`~airflow_provider_hubbatch.sync.sync.BatchUpdateRun`.
        :raises SettingsError: a setting is wrong.
        """
        return BatchUpdateRun(self, object_type, rows, options, **run)

    # --- inside ------------------------------------------------------------------------------------------------

    def settings(self) -> ConnectionSettings:
        """The connection, read once and checked.

        :raises SettingsError: naming the field that is wrong.
        """
        if self._settings is None:
            self._settings = ConnectionSettings.from_connection(self.get_connection(self.hubspot_conn_id))
            for danger in self._settings.dangers:
                self.log.warning("%s", danger[0].upper() + danger[1:])
        return self._settings

    def limiter(self) -> RateLimiter:
        """The pace that everything of this hook shares."""
        if self._limiter is None:
            self._limiter = RateLimiter(requests_per_10_seconds=self.settings().requests_per_10_seconds)
        return self._limiter

    def dispatcher(
        self,
        transport: ThreadedTransport,
        max_in_flight: int,
        counters: Counters,
        daily_reserve: float | None = None,
    ) -> Dispatcher:
        """What carries requests through pacing and retries."""
        return Dispatcher(
            transport=transport,
            limiter=self.limiter(),
            random=random.random,
            max_in_flight=max_in_flight,
            policy=self._patience,
            counters=counters,
            daily_reserve=daily_reserve,
        )

    def transport(self, threads: int) -> ThreadedTransport:
        """Sender threads for up to so many requests at once."""
        return ThreadedTransport(
            options=_send_options(self.settings()),
            new_session=self._new_session,
            token=self.token(),
            threads=threads,
        )

    @property
    def api_version(self) -> str:
        """The dated version in every path."""
        return self.settings().api_version

    def token(self) -> Token:
        """Where every request's token comes from."""
        if self._token is None:
            settings = self.settings()
            self._token = FixedToken(settings.token) if settings.oauth is None else self._oauth_token(settings)
            self.mask_secrets()
        return self._token

    def mask_secrets(self) -> None:
        """Tell Airflow's masker every secret seen so far; from the main thread, which alone talks to Airflow."""
        for secret in self.token().secrets():
            if secret not in self._masked:
                self._masked.add(secret)
                mask_secret(secret)

    def _oauth_token(self, settings: ConnectionSettings) -> OAuthToken:
        client_id, client_secret, refresh_token = settings.oauth or ("", "", "")
        options = _send_options(settings)

        def post(path: str, form: bytes) -> protocol.Reply:
            with self._new_session() as session:
                headers = {"Content-Type": "application/x-www-form-urlencoded"}
                return exchange(session, options, protocol.Request("POST", path, form), headers)

        return OAuthToken(
            client_id=client_id,
            client_secret=client_secret,
            refresh_token=refresh_token,
            post=post,
            api_version=settings.api_version,
        )

    def _new_session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False  # what the environment says is in the send options; no netrc in place of the token
        session.headers.update({"User-Agent": user_agent(), "Content-Type": "application/json"})
        session.mount("http://", TCPKeepAliveAdapter())
        session.mount("https://", TCPKeepAliveAdapter())
        return session


def parsed_moment(value: Any) -> datetime | None:
    """A time of HubSpot's, ISO 8601 or epoch milliseconds; ``None`` for anything else."""
    try:
        if isinstance(value, (int, float)):
            return datetime.fromtimestamp(value / 1000, UTC)
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError, OverflowError, OSError):
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def next_midnight(now: datetime, account: dict[str, Any]) -> datetime:
    """The next midnight in the account's time zone.

    :param account: its details, as far as they are known: ``timeZone``, ``utcOffsetMilliseconds``.
    """
    zone: tzinfo = UTC
    try:
        zone = ZoneInfo(account["timeZone"])
    except (KeyError, TypeError, ValueError, OSError):
        offset = account.get("utcOffsetMilliseconds")
        if isinstance(offset, (int, float)) and abs(offset) < 24 * 3_600_000:
            zone = timezone(timedelta(milliseconds=offset))
    tomorrow = now.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(tomorrow, datetime_time.min, zone).astimezone(UTC)


def user_agent() -> str:
    """``airflow-provider-hubbatch/0.1.0 apache-airflow/3.3.2``"""
    from airflow import __version__ as airflow_version  # noqa: PLC0415 - lazy in Airflow itself

    return f"airflow-provider-hubbatch/{__version__} apache-airflow/{airflow_version}"


def _send_options(settings: ConnectionSettings) -> SendOptions:
    """The connection's transport settings, with the environment's proxies and CA bundle where it says nothing."""
    session = requests.Session()
    session.trust_env = settings.trust_env
    merged = session.merge_environment_settings(
        settings.base_url, settings.proxies or {}, stream=None, verify=settings.verify, cert=settings.cert
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
        cert=cert,
        proxies=dict(merged["proxies"]),
    )


def _form() -> dict[str, Any]:
    """What the provider's description says of the connection form."""
    (described,) = get_provider_info()["connection-types"]
    return dict(described)
