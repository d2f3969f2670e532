"""One way to one HubSpot account: requests of every kind, with one token, one pace and one way to retry."""

from __future__ import annotations

import logging
import random
import re
import threading
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote

from airflow_provider_hubbatch.client.calls import call, call_all, reply_of
from airflow_provider_hubbatch.client.dispatcher import Dispatcher
from airflow_provider_hubbatch.client.environment import send_options
from airflow_provider_hubbatch.client.http import Http, proxy_secrets
from airflow_provider_hubbatch.client.http_failures import NoReplyError
from airflow_provider_hubbatch.client.pace import Pace
from airflow_provider_hubbatch.client.tokens import FixedToken, OAuthToken, RefreshUnansweredError
from airflow_provider_hubbatch.client.transport import Senders
from airflow_provider_hubbatch.core import protocol
from airflow_provider_hubbatch.core.account import portal_id_of, wrong_account
from airflow_provider_hubbatch.core.associations import kinds_in
from airflow_provider_hubbatch.core.costs import Costs
from airflow_provider_hubbatch.core.daily_limit import next_midnight, reset_in_usage
from airflow_provider_hubbatch.core.explain import named_object_type, unknown_object_type
from airflow_provider_hubbatch.core.rate_limit import Cap
from airflow_provider_hubbatch.core.redact import Redactor
from airflow_provider_hubbatch.core.server_clock import ServerClock
from airflow_provider_hubbatch.exceptions import (
    AuthenticationError,
    DailyQuotaError,
    HubSpotError,
    RequestRefusedError,
    SettingsError,
    UnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_hubbatch.client.dispatcher import Transport
    from airflow_provider_hubbatch.client.done import Done
    from airflow_provider_hubbatch.client.settings import ConnectionSettings
    from airflow_provider_hubbatch.client.tokens import Token
    from airflow_provider_hubbatch.core.associations import LinkKind
    from airflow_provider_hubbatch.core.verdicts import RetryPolicy

log = logging.getLogger(__name__)

# A path of HubSpot's API: no host, no dot segments, nothing that ends a line or starts a query of another
_PATH = re.compile(r"/(?!/)[A-Za-z0-9_.~!$&'()*+,;=:@%/?-]*")

_HEADERS = {"Accept": "*/*", "Accept-Encoding": "gzip, deflate", "Content-Type": "application/json"}

# When nobody says when the account's daily limit resets.
_ASK_AGAIN_AFTER = timedelta(hours=1)


class HasChannels(Protocol):
    """What sends requests."""

    def channel(self) -> Transport:
        """A transport for one sync or one request."""


class HubSpotClient:
    """Sends requests to one HubSpot account. Any number of threads may use it at once.

    :param settings: the connection.
    :param user_agent: the header's value.
    :param mask: is told every secret, before anything that may show it is logged.
    :param policy: how long a request is retried; ``None``: as long as a task waits.
    :param senders: what sends; ``None``: threads of its own.
    :ivar send_options: the transport settings, the environment's included.
    :ivar redactor: takes the connection's secrets out of what others say.
    :raises SettingsError: the connection's settings can't work on this machine.
    """

    def __init__(
        self,
        settings: ConnectionSettings,
        *,
        user_agent: str,
        mask: Callable[[str], None] = lambda _: None,
        policy: RetryPolicy | None = None,
        senders: HasChannels | None = None,
    ) -> None:
        self.settings = settings
        clock = ServerClock(time.time() - time.monotonic())
        self.pace = Pace(settings.requests_per_10_seconds, clock=clock)
        self._policy = policy
        self._mask = mask
        self._masked: set[str] = set()
        self._masking = threading.Lock()
        self.send_options = send_options(settings)
        self.redactor = Redactor(settings.token, *proxy_secrets(self.send_options.proxy))
        http = Http(self.send_options, {"User-Agent": user_agent, **_HEADERS})
        self.token: Token = FixedToken(settings.token)
        if settings.oauth is not None:
            self.token = _oauth_token(settings, settings.oauth, http, self.redactor)
        self._senders = senders or Senders(http.exchange, self.token, self.redactor)
        self.mask_secrets()

    @property
    def api_version(self) -> str:
        """The dated version in every path."""
        return self.settings.api_version

    def channel(self) -> Transport:
        """A transport for one sync: to be given to :meth:`dispatcher`, and used from one thread."""
        return self._senders.channel()

    def dispatcher(
        self,
        transport: Transport,
        *,
        max_in_flight: int,
        costs: Costs,
        daily_reserve: float | None = None,
        requests_per_10_seconds: int | None = None,
    ) -> Dispatcher:
        """What carries many requests through pacing and retries.

        :param daily_reserve: calls of the account's day to leave; ``None``: don't look.
        :param requests_per_10_seconds: a cap, for this dispatcher alone; ``None``: the connection's.
        """
        return Dispatcher(
            transport=transport,
            pace=self.pace,
            random=random.random,
            max_in_flight=max_in_flight,
            policy=self._policy,
            costs=costs,
            daily_reserve=daily_reserve,
            cap=None if requests_per_10_seconds is None else Cap(requests_per_10_seconds),
            connection=self.settings.conn_id,
        )

    def authorization(self) -> str:
        """The value of the ``Authorization`` header, for requests that don't go through this client.

        :raises AuthenticationError: HubSpot doesn't give a token.
        :raises UnavailableError: it can't give one now.
        """
        try:
            value = self.token.authorization()
        except (RefreshUnansweredError, NoReplyError) as error:
            reason, correlation_id = str(error), getattr(error, "correlation_id", None)
        else:
            self.mask_secrets()
            return value
        # raised here, so that it carries nothing of the refresh
        raise UnavailableError(f"HubSpot is not available: no access token: {reason}", correlation_id=correlation_id)

    def mask_secrets(self) -> None:
        """Tell of every secret that is new, such as a token that was refreshed."""
        with self._masking:
            new = [secret for secret in self.redactor.secrets if secret not in self._masked]
            self._masked.update(new)
        for secret in new:
            self._mask(secret)

    # --- any endpoint ------------------------------------------------------------------------------------------

    def request(
        self,
        method: str,
        path: str,
        json: Any = None,
        *,
        repeatable: bool | None = None,
        costs: Costs | None = None,
    ) -> Any:
        """Send one request.

        :param method: ``GET``, ``POST``, ...
        :param path: from the host's root, with its query: ``/crm/v3/owners?limit=100``.
        :param json: the body.
        :param repeatable: doing it twice does no harm; ``None``: as method and path tell.
        :param costs: counts the requests into these.
        :returns: what the reply's JSON holds, or ``None`` for an empty one.
        :raises HubSpotError: by its class who acts next.
        """
        if not _PATH.fullmatch(path) or {"..", "."} & set(unquote(path.partition("?")[0]).split("/")):
            raise SettingsError(f"path {path!r} is no path of HubSpot's API: it starts with one slash, as '/crm/...'")
        if repeatable is None:
            repeatable = protocol.is_repeatable(method, path)
        body = None if json is None else protocol.encode(json)
        request = protocol.Request(method.upper(), path, body, repeatable=repeatable)
        dispatcher = self.dispatcher(self.channel(), max_in_flight=1, costs=costs or Costs())
        try:
            return protocol.decode(call(dispatcher, request).body)
        finally:
            self.mask_secrets()

    # --- the account -------------------------------------------------------------------------------------------

    def properties(self, object_type: str, costs: Costs | None = None) -> list[dict[str, Any]]:
        """The property definitions of an object type, as HubSpot gives them.

        :param costs: counts the requests into these.
        :raises SettingsError: there is no such object type.
        """
        path = protocol.properties_path(protocol.checked_object_type(object_type), self.api_version)
        return self.properties_in(partial(self.request, "GET", path, costs=costs), object_type)

    def properties_and_account(
        self, object_type: str, costs: Costs, *, max_in_flight: int
    ) -> tuple[Callable[[], list[dict[str, Any]]], Callable[[], dict[str, Any]]]:
        """What :meth:`properties` and :meth:`account_if_known` give, asked for side by side.

        :param max_in_flight: one after the other, if only one request may be under way.
        :returns: a function for each, which returns and raises as the method does.
        """
        path = protocol.properties_path(protocol.checked_object_type(object_type), self.api_version)
        paths = (path, protocol.account_path(self.api_version))
        properties, account = self.side_by_side(paths, costs, max_in_flight=max_in_flight)
        return partial(self.properties_in, properties, object_type), partial(self.known_account_in, account)

    def side_by_side(self, paths: Sequence[str], costs: Costs, *, max_in_flight: int) -> list[Callable[[], Any]]:
        """What some GET requests answer, asked for side by side.

        :param paths: if the first can't be read, the others may not be wanted: they are asked for again where they are.
        :param max_in_flight: one after the other, if only one request may be under way.
        :returns: a function for each, which returns what the reply's JSON holds, or raises, as :meth:`request` does.
        """
        requests = [protocol.Request("GET", path, repeatable=True) for path in paths]
        dispatcher = self.dispatcher(self.channel(), max_in_flight=max_in_flight, costs=costs)
        try:
            ended = call_all(dispatcher, requests)
        finally:
            self.mask_secrets()
        answers: list[Callable[[], Any]] = [partial(_content_of, done) for done in ended]
        return [*answers, *(partial(self.request, "GET", path, costs=costs) for path in paths[len(ended) :])]

    def properties_in(self, ask: Callable[[], Any], object_type: str) -> list[dict[str, Any]]:
        """As :meth:`properties`.

        :param ask: gives what HubSpot answers.
        """
        try:
            reply = ask()
        except RequestRefusedError as error:
            wrong = self._wrong_path(error, object_type)
            if wrong is None:
                raise
            raise wrong from error
        results = reply.get("results") if isinstance(reply, dict) else None
        if not isinstance(results, list):
            raise UnavailableError(
                f"HubSpot answered with something else than the property definitions of {object_type}"
            )
        return [entry for entry in results if isinstance(entry, dict)]

    def association_kinds_in(self, ask: Callable[[], Any], object_type: str) -> dict[str | None, tuple[LinkKind, ...]]:
        """The kinds of links from one object type to another, by label.

        :param ask: gives what HubSpot answers.
        :param object_type: what to name where HubSpot knows one of them not, and doesn't say which.
        :raises SettingsError: there is no such object type.
        """
        try:
            return kinds_in(ask())
        except RequestRefusedError as error:
            wrong = self._wrong_path(error, object_type)
            if wrong is None:
                raise
            raise wrong from error

    def _wrong_path(self, error: RequestRefusedError, object_type: str) -> SettingsError | None:
        """The setting in a path that HubSpot doesn't know, if it is one."""
        if error.status == 404 and "object type" not in (error.hubspot_message or ""):  # noqa: PLR2004 - HTTP's own
            return SettingsError(
                f"HubSpot has no API version {self.api_version!r}, which connection {self.settings.conn_id!r} names in "
                f"its extra (api_version). Leave it out for {protocol.DEFAULT_API_VERSION}",
                correlation_id=error.correlation_id,
            )
        named = named_object_type(error.hubspot_message or "") or object_type
        return unknown_object_type(named, error.correlation_id) if error.status in (400, 404) else None

    def account(self, costs: Costs | None = None) -> dict[str, Any]:
        """The account's details: ``portalId``, ``accountType``, ``timeZone``, ``uiDomain``, ...

        :param costs: counts the requests into these.
        """
        return _object(self.request("GET", protocol.account_path(self.api_version), costs=costs))

    def account_if_known(self, costs: Costs | None = None) -> dict[str, Any]:
        """The account's details, or nothing where HubSpot doesn't tell them: they are good to have, no more.

        Unless the connection has a ``portal_id``: then they must be read, and be that account's.

        :param costs: counts the request into these.
        :raises SettingsError: it is another account than ``portal_id`` says, or HubSpot doesn't tell which.
        :raises AuthenticationError: the token is wrong.
        :raises UnavailableError: ``portal_id`` can't be checked now; an exhausted daily limit is always raised.
        """
        return self.known_account_in(partial(self.account, costs))

    def known_account_in(self, ask: Callable[[], Any]) -> dict[str, Any]:
        """As :meth:`account_if_known`.

        :param ask: gives what HubSpot answers.
        """
        details: dict[str, Any] = {}
        try:
            details = _object(ask())
        except (AuthenticationError, DailyQuotaError):
            raise
        except HubSpotError as error:
            if self.settings.portal_id is not None and isinstance(error, UnavailableError):
                raise
            log.debug("The account's details can't be read: %s", type(error).__name__)
        self.check_account(details)
        return details

    def check_account(self, account: dict[str, Any]) -> None:
        """Make sure that the account is the one that the connection's ``portal_id`` names, where it has one.

        :param account: its details; empty: HubSpot doesn't tell.
        :raises SettingsError: it isn't.
        """
        wanted = self.settings.portal_id
        wrong = None if wanted is None else wrong_account(wanted, account, self.settings.conn_id)
        if wrong is not None:
            raise wrong

    def account_identity(self, account: dict[str, Any]) -> str:
        """What is the same for two syncs only if they write to one account.

        :param account: its details; where HubSpot doesn't tell them, a hash of the token stands for it.
        """
        portal_id = portal_id_of(account)
        return f"token {self.settings.token_fingerprint}" if portal_id is None else f"portal {portal_id}"

    def daily_reset(self, account: dict[str, Any] | None = None) -> datetime:
        """When the account's daily limit resets, in UTC.

        As HubSpot's api-usage says; else midnight in the account's time zone. If HubSpot tells neither (an exhausted
        limit may refuse both), an hour from now: by then it may, and asking costs one call.

        :param account: its details, where they are known already.
        """
        reset = reset_in_usage(self._readable(protocol.daily_usage_path(self.api_version)), datetime.now(UTC))
        if reset is not None:
            return reset
        account = account or self._readable(protocol.account_path(self.api_version))
        now = datetime.now(UTC)
        return next_midnight(now, account) if account else now + _ASK_AGAIN_AFTER

    def _readable(self, path: str) -> dict[str, Any]:
        """What an endpoint says; nothing, where it can't be asked now."""
        try:
            reply = self.request("GET", path)
        except HubSpotError as error:
            log.debug("%s can't be read: %s", path, type(error).__name__)
            return {}
        return _object(reply)


def _content_of(done: Done) -> Any:
    return protocol.decode(reply_of(done).body)


def _object(content: Any) -> dict[str, Any]:
    return content if isinstance(content, dict) else {}


def _oauth_token(
    settings: ConnectionSettings, oauth: tuple[str, str, str], http: Http, redactor: Redactor
) -> OAuthToken:
    client_id, client_secret, refresh_token = oauth

    def post(path: str, form: bytes) -> protocol.Reply:
        request = protocol.Request("POST", path, form)
        return http.exchange(request, {"Content-Type": "application/x-www-form-urlencoded"})

    return OAuthToken(
        client_id=client_id,
        client_secret=client_secret,
        refresh_token=refresh_token,
        post=post,
        api_version=settings.api_version,
        redactor=redactor,
    )
