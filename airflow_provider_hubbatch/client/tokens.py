"""Access tokens: a fixed one, or one of an OAuth app that is refreshed before it expires."""

from __future__ import annotations

import logging
import re
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlencode

from airflow_provider_hubbatch.core import protocol
from airflow_provider_hubbatch.core.error_reply import parse_error
from airflow_provider_hubbatch.exceptions import AuthenticationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_hubbatch.core.protocol import Reply
    from airflow_provider_hubbatch.core.redact import Redactor

log = logging.getLogger(__name__)

# A token is renewed this long before it expires, or in the second half of a shorter life.
_RENEW_BEFORE_SECONDS = 60.0
_RENEW_IN_LAST_SHARE = 0.5

# HubSpot: access tokens live 1,800 s; for a reply that doesn't say
_DEFAULT_EXPIRES_IN_SECONDS = 1_800.0

# Statuses of the token endpoint that may pass: the request that needed the token is sent again.
_PASSING = frozenset({408, 423, 429})

# What may follow "Bearer " and can be no second header.
_TOKEN = re.compile(r"[!-~]{1,8192}")
_REASON = re.compile(r"[A-Za-z0-9_.-]{1,100}")


class RefreshUnansweredError(Exception):
    """The token endpoint can't answer now: there is no token, and nothing was sent.

    :param correlation_id: HubSpot's id of its reply.
    """

    def __init__(self, message: str, correlation_id: str | None = None) -> None:
        super().__init__(message)
        self.correlation_id = correlation_id


class Token(Protocol):
    """Where the ``Authorization`` header comes from."""

    def authorization(self) -> str:
        """The header's value, valid now; may send a request and take as long. Called by many threads at once."""

    def is_outdated(self, authorization: str, /) -> bool:
        """Whether a header's value that was given before has expired by our own clock, or been replaced."""


@dataclass(frozen=True, slots=True)
class FixedToken:
    """The token of a service key or private app."""

    value: str = field(repr=False)

    def authorization(self) -> str:
        """The header's value."""
        return f"Bearer {self.value}"

    def is_outdated(self, _authorization: str, /) -> bool:
        """Never: nobody here knows when it expires."""
        return False


class OAuthToken:
    """The token of an OAuth app: refreshed by its ``expires_in``, once for all threads, and never because of a 401.

    :param client_id: the app's.
    :param client_secret: the app's.
    :param refresh_token: the account's consent.
    :param post: sends a form to a path of HubSpot's and gives the reply, whatever its status.
    :param api_version: of the token endpoint.
    :param redactor: is told every secret.
    :ivar scopes: what the last reply says that the token may do; ``None``: it doesn't say.
    """

    def __init__(
        self,
        *,
        client_id: str,
        client_secret: str,
        refresh_token: str,
        post: Callable[[str, bytes], Reply],
        api_version: str,
        redactor: Redactor,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client_id = client_id
        self._client_secret = client_secret
        self._refresh_token = refresh_token
        self._post = post
        self._path = f"/oauth/{api_version}/token"
        self._clock = clock
        self._lock = threading.Lock()
        self._access_token = ""
        self._renew_at = self._expires_at = float("-inf")
        self._redactor = redactor
        redactor.add(client_secret, refresh_token)
        self._told = False
        self._asked = 0
        self._failure: Exception | None = None
        self.scopes: frozenset[str] | None = None

    def authorization(self) -> str:
        """The header's value, of a token that is valid for a while yet.

        :raises AuthenticationError: HubSpot doesn't give one, and won't; asked once, it isn't asked again.
        :raises RefreshUnansweredError: it can't give one now. Also :class:`NoReplyError`, as it comes.
        """
        asked_before = self._asked
        with self._lock:
            if self._clock() >= self._renew_at:
                self._raise_failure(asked_before)
                self._refresh()
            return f"Bearer {self._access_token}"

    def is_outdated(self, authorization: str, /) -> bool:
        """Whether a token that was given before has expired by its ``expires_in``, or been replaced.

        A request that HubSpot answers with 401 took too long to arrive then, and is worth sending with the next token.
        """
        with self._lock:
            return authorization != f"Bearer {self._access_token}" or self._clock() >= self._expires_at

    def _raise_failure(self, asked_before: int) -> None:
        """Whoever waited while a refresh failed shares its failure, instead of asking once more each."""
        failure = self._failure
        if failure is not None and (self._asked != asked_before or isinstance(failure, AuthenticationError)):
            raise failure.with_traceback(None)

    def _refresh(self) -> None:
        self._failure = None
        try:
            self._read(self._clock(), self._post(self._path, self._form()))
        except Exception as error:
            self._failure = error
            raise
        finally:
            self._asked += 1

    def _form(self) -> bytes:
        form = {
            "grant_type": "refresh_token",
            "client_id": self._client_id,
            "client_secret": self._client_secret,
            "refresh_token": self._refresh_token,
        }
        return urlencode(form).encode("ascii")

    def _read(self, asked_at: float, reply: Reply) -> None:
        shown = self._redactor.reply(reply)  # what it says of a refusal is told
        if reply.status >= 500 or reply.status in _PASSING:  # noqa: PLR2004 - HTTP's own
            message = f"the token endpoint answered {reply.status}"
            raise RefreshUnansweredError(message, parse_error(shown).correlation_id)
        if reply.status == 200 and not isinstance(protocol.decode(reply.body), dict):  # noqa: PLR2004 - HTTP's own
            raise RefreshUnansweredError("the token endpoint's answer is no JSON object", shown.correlation_id)
        if reply.status != 200 or not self._take(asked_at, protocol.decode(reply.body)):  # noqa: PLR2004 - HTTP's own
            raise _refused(shown)

    def _take(self, asked_at: float, granted: dict[str, Any]) -> bool:
        """Take what is granted, if there is a token in it."""
        token = granted.get("access_token")
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            return False
        life = _seconds(granted.get("expires_in"))
        self._access_token = token
        # counted from when it was asked for: HubSpot's clock began no earlier
        self._expires_at = asked_at + life
        self._renew_at = self._expires_at - min(_RENEW_BEFORE_SECONDS, life * _RENEW_IN_LAST_SHARE)
        self._redactor.add(token)
        scopes = granted.get("scopes")
        self.scopes = frozenset(one for one in scopes if isinstance(one, str)) if isinstance(scopes, list) else None
        self._keep(granted.get("refresh_token"))
        return True

    def _keep(self, refresh_token: Any) -> None:
        """HubSpot may give a new refresh token: it serves for this run, but a task can't store it."""
        if not isinstance(refresh_token, str) or refresh_token in ("", self._refresh_token):
            return
        self._refresh_token = refresh_token
        self._redactor.add(refresh_token)
        if not self._told:
            self._told = True
            log.warning(
                "HubSpot has replaced the OAuth refresh token. The new one serves for this run, but a task can't put "
                "it into the connection: if the next run can't refresh, authorize the app again and store its token"
            )


_AUTHORIZE_AGAIN = (
    "the refresh token is wrong, revoked or of another app: install the app in the account again, and put the refresh "
    "token that it then gets into the connection"
)
_REMEDIES = {
    "invalid_grant": _AUTHORIZE_AGAIN,
    "BAD_REFRESH_TOKEN": _AUTHORIZE_AGAIN,
    "BAD_CLIENT_ID": "client_id names no app",
    "BAD_CLIENT_SECRET": "client_secret is not the app's",
    "invalid_client": "client_id and client_secret are not those of one app",
}


def _refused(reply: Reply) -> AuthenticationError:
    data = protocol.decode(reply.body)
    said = data if isinstance(data, dict) else {}
    # both ways in which HubSpot answers here: {"status": "BAD_REFRESH_TOKEN", ...} and {"error": "invalid_grant", ...}
    words = [word for key in ("error", "status", "category") if isinstance(word := said.get(key), str)]
    reason = next((word for word in words if word != "error" and _REASON.fullmatch(word)), "no reason")
    what = _REMEDIES.get(reason, "check client_id, client_secret and refresh_token in the connection's extra")
    return AuthenticationError(
        f"HubSpot doesn't refresh the OAuth token (HTTP {reply.status} {reason}): {what}",
        correlation_id=parse_error(reply).correlation_id,
    )


def _seconds(value: Any) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= 31 * 86_400:
        return float(value)
    return _DEFAULT_EXPIRES_IN_SECONDS
