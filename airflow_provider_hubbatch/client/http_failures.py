"""Why there was no reply: urllib3's exceptions in words, with what to look at."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import urllib3

from airflow_provider_hubbatch.core.verdicts import FailureKind
from airflow_provider_hubbatch.exceptions import SettingsError

if TYPE_CHECKING:
    from urllib3.exceptions import HTTPError


class NoReplyError(Exception):
    """A request has ended without a reply.

    :param kind: how far it came.
    """

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def no_reply(error: HTTPError, host: str, *, sent: bool) -> Exception:
    """What to raise for an exception of urllib3's.

    :param sent: a part of the request, or all of it, had been sent.
    """
    causes = _causes(error)
    if any("Tunnel connection failed: 407" in str(cause) for cause in causes):
        return SettingsError(
            "the proxy wants a login (407): put it into the proxy's URL, in proxies of the connection's extra"
        )
    return NoReplyError(_failure_kind(error, causes, sent=sent), _describe(error, causes, host, sent=sent))


def _failure_kind(error: HTTPError, causes: list[BaseException], *, sent: bool) -> FailureKind:
    """How far a request came that ended in an exception of urllib3's."""
    if sent:
        timed_out = isinstance(error, urllib3.exceptions.TimeoutError)
        return FailureKind.TIMEOUT if timed_out else FailureKind.CUT
    return FailureKind.TLS if _is_about_tls(error, causes) else FailureKind.REFUSED


def _is_about_tls(error: HTTPError, causes: list[BaseException]) -> bool:
    """Whether the handshake failed for what stays so, and not because the connection was lost in it."""
    lost = any(isinstance(cause, (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError)) for cause in causes)
    return isinstance(error, urllib3.exceptions.SSLError) and not lost


def _describe(error: HTTPError, causes: list[BaseException], host: str, *, sent: bool) -> str:
    """The failure in words, with what to look at; without a proxy's URL, which may hold a password."""
    system = [cause for cause in causes if isinstance(cause, OSError) and cause.strerror]
    why = f" ({_reason(system[-1])})" if system else ""
    if sent:
        timed_out = isinstance(error, urllib3.exceptions.TimeoutError)
        return "no reply in time" if timed_out else f"the connection broke{why}"
    if isinstance(error, urllib3.exceptions.ProxyError):
        return f"the proxy can't be reached{why}: check proxies in the connection's extra, or HTTPS_PROXY"
    if _is_about_tls(error, causes):
        return _describe_tls(causes, why)
    if isinstance(error, urllib3.exceptions.NameResolutionError):
        return f"the name of the connection's host {host} can't be resolved{why}: check it, and this machine's DNS"
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        return f"nothing listens at the connection's host {host}{why}: check host and port"
    if isinstance(error, urllib3.exceptions.TimeoutError):
        return f"the connection's host {host} doesn't answer: check it, the firewall and the proxies"
    return f"the connection broke before anything was sent{why}"


def _describe_tls(causes: list[BaseException], why: str) -> str:
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return (
            f"the host's certificate is not trusted{why}: give the path of your own CA's certificate as verify in the "
            "connection's extra"
        )
    if "WRONG_VERSION_NUMBER" in why:
        return f"the host speaks no TLS there{why}: check the connection's host and port"
    return f"TLS failed{why}"


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError) and error.verify_message:
        return error.verify_message
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason
    return error.strerror or type(error).__name__


def _causes(error: BaseException) -> list[BaseException]:
    """An exception and what is behind it: causes, contexts, and what urllib3 puts into ``args`` and ``reason``."""
    found: list[BaseException] = []
    left: list[Any] = [error]
    while left and len(found) < 20:  # noqa: PLR2004 - a bound against cycles
        one = left.pop(0)
        if isinstance(one, BaseException) and one not in found:
            found.append(one)
            left += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
    return found
