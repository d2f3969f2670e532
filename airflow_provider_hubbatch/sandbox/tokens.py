"""Who may call: private app tokens with their scopes, and one OAuth app."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow_provider_hubbatch.sandbox.replies import RefusedError, error_body

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

DEFAULT_TOKEN = "pat-na1-sandbox-0001"  # noqa: S105 - the sandbox's own, for made-up records


@dataclass(frozen=True, kw_only=True)
class AccessToken:
    """A token that is known.

    :param scopes: What it may do; ``None``: everything.
    :param app: Tokens of one app share a rolling window.
    :param expires_at: On the sandbox's clock; ``None``: never.
    """

    value: str
    scopes: frozenset[str] | None
    app: str
    is_oauth: bool = False
    expires_at: float | None = None

    def allows(self, one_of: tuple[str, ...]) -> bool:
        """Whether it has one of these scopes; no scope at all is always allowed."""
        return self.scopes is None or not one_of or not self.scopes.isdisjoint(one_of)


@dataclass(frozen=True, kw_only=True)
class OAuthApp:
    """The OAuth app that may refresh its tokens.

    :param expires_in_seconds: How long an access token lives.
    :param rotates_refresh_tokens: Each refresh answers with a new refresh token and ends the old one.
    """

    client_id: str = "sandbox-client-id"
    client_secret: str = "sandbox-client-secret"  # noqa: S105 - as above
    refresh_token: str = "sandbox-refresh-token"  # noqa: S105 - as above
    expires_in_seconds: float = 1800
    rotates_refresh_tokens: bool = False
    scopes: frozenset[str] | None = None


class Tokens:
    """Every token that is known.

    :param clock: Seconds, for the tokens that expire.
    """

    def __init__(
        self, tokens: Mapping[str, Collection[str] | None], *, oauth: OAuthApp, clock: Callable[[], float]
    ) -> None:
        self.oauth = oauth
        self._clock = clock
        self._known = {
            value: AccessToken(value=value, scopes=None if scopes is None else frozenset(scopes), app=value)
            for value, scopes in tokens.items()
        }
        self._minted = 0
        self.main = next(iter(self._known), "")

    def find(self, value: str) -> AccessToken | None:
        """The token of this value, unless it has expired."""
        token = self._known.get(value)
        if token is None or (token.expires_at is not None and self._clock() >= token.expires_at):
            return None
        return token

    def expire(self, value: str | None = None) -> None:
        """Ends this token, or all that OAuth gave out."""
        for known in list(self._known.values()):
            if known.value == value or (value is None and known.is_oauth):
                self._known[known.value] = replace(known, expires_at=self._clock())

    def rotate(self) -> str:
        """Replaces the main token, as an admin does in HubSpot.

        :returns: The new one.
        """
        self._minted += 1
        old = self._known.pop(self.main)
        self.main = f"{DEFAULT_TOKEN}-rotated-{self._minted}"
        self._known[self.main] = replace(old, value=self.main)
        return self.main

    def refresh(self, form: Mapping[str, str], bad_refresh_token_error: str) -> AccessToken:
        """A new access token for the form of an OAuth refresh.

        :raises RefusedError: 400, if anything in the form is wrong.
        """
        if form.get("grant_type") != "refresh_token":
            raise _refused("BAD_GRANT_TYPE", "missing or unknown grant type")
        if form.get("client_id") != self.oauth.client_id:
            raise _refused("BAD_CLIENT_ID", "missing or unknown client id")
        if form.get("client_secret") != self.oauth.client_secret:
            raise _refused("BAD_CLIENT_SECRET", "missing or invalid client secret")
        if form.get("refresh_token") != self.oauth.refresh_token:
            if bad_refresh_token_error == "invalid_grant":  # noqa: S105 - an error code
                description = "refresh token is invalid, expired or revoked"
                raise RefusedError(400, {"error": "invalid_grant", "error_description": description})
            raise _refused("BAD_REFRESH_TOKEN", "missing or invalid refresh token")
        return self._mint()

    def _mint(self) -> AccessToken:
        self._minted += 1
        if self.oauth.rotates_refresh_tokens:
            self.oauth = replace(self.oauth, refresh_token=f"sandbox-refresh-token-{self._minted}")
        token = AccessToken(
            value=f"sandbox-oauth-access-token-{self._minted}",
            scopes=self.oauth.scopes,
            app=self.oauth.client_id,
            is_oauth=True,
            expires_at=self._clock() + self.oauth.expires_in_seconds,
        )
        self._known[token.value] = token
        return token


def _refused(status: str, message: str) -> RefusedError:
    return RefusedError(400, {**error_body(message), "status": status})
