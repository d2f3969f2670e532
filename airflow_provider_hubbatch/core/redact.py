"""What is taken out of everything that is shown: secrets, in whatever spelling, and what a URL carries of them."""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from airflow_provider_hubbatch.core.protocol import Reply, decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterable

HIDDEN = "***"

# What is shorter would also be found where it is no secret; in the values of a good reply only what is longer still.
_SHORTEST = 5
_SHORTEST_IN_VALUES = 8

# JSON may write any character so; these are the ones that secrets are made of.
_ESCAPED_ASCII = re.compile(rb"\\u00[2-7][0-9A-Fa-f]")

_ESCAPED_IN_URL = re.compile(r"%[0-9A-F]{2}")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}+://[^\s'\"<>]+")
_WEB = frozenset({"http", "https", "ftp", "ftps", "sftp"})
# What a path on an object storage may name before an "@": a connection of Airflow's, or a container.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,62}")
_HOST_AND_PORT = re.compile(r"[A-Za-z0-9.\[\]-]+:[0-9]{1,5}")


class Redactor:
    """Knows the secrets of a connection, and takes them out of what others say.

    A proxy's page or a debugging server may repeat what it was sent, and what a reply says gets into outcomes,
    exceptions and logs.
    """

    def __init__(self, *secrets: str) -> None:
        self._spellings: dict[str, tuple[str, ...]] = {}
        self.add(*secrets)

    @property
    def secrets(self) -> list[str]:
        """All that are known by now."""
        return list(self._spellings)

    def add(self, *secrets: str) -> None:
        """Know more secrets; the empty text is none."""
        new = {secret: _spellings(secret) for secret in secrets if secret}
        # one assignment: other threads see the old ones or all
        self._spellings = {**self._spellings, **new}

    def text(self, text: str) -> str:
        """A text without secrets."""
        return _without(text, self._found(_SHORTEST))

    def reply(self, reply: Reply) -> Reply:
        """A reply without secrets, in headers and body.

        The values of a good one are the account's: there a short secret would be found by chance.
        """
        good = 200 <= reply.status < 300  # noqa: PLR2004 - HTTP's own
        spellings = self._found(_SHORTEST_IN_VALUES if good else _SHORTEST)
        body, headers = reply.body, reply.headers
        if any(spelling in value for value in headers.values() for spelling in spellings):
            headers = {name: self.text(value) for name, value in headers.items()}
        if any(spelling.encode() in body for spelling in spellings) or _ESCAPED_ASCII.search(body):
            body = _body_without(body, spellings)
        return reply if body is reply.body and headers is reply.headers else Reply(reply.status, headers, body)

    def _found(self, shortest: int) -> list[str]:
        return [one for secret, spellings in self._spellings.items() if len(secret) >= shortest for one in spellings]


def _without(text: str, spellings: Iterable[str]) -> str:
    for spelling in spellings:
        text = text.replace(spelling, HIDDEN)
    return text


def _body_without(body: bytes, spellings: list[str]) -> bytes:
    data = decode(body)
    if data is None:
        for spelling in spellings:
            body = body.replace(spelling.encode(), HIDDEN.encode())
        return body
    try:
        shown = _value_without(data, spellings)
        return body if shown == data else encode(shown)
    except (RecursionError, TypeError):  # nested deeper than any of HubSpot's
        return HIDDEN.encode()


def _value_without(value: Any, spellings: list[str]) -> Any:
    if isinstance(value, str):
        return _without(value, spellings)
    if isinstance(value, list):
        return [_value_without(one, spellings) for one in value]
    if isinstance(value, dict):
        return {_without(name, spellings): _value_without(one, spellings) for name, one in value.items()}
    return value


def _spellings(secret: str) -> tuple[str, ...]:
    """How a page, a URL or JSON writes it; the longest first, so that nothing is left of it."""
    written = json.dumps(secret)[1:-1]
    plain = json.dumps(secret, ensure_ascii=False)[1:-1]
    quoted = quote(secret, safe="")
    lower = _ESCAPED_IN_URL.sub(lambda found: found[0].lower(), quoted)
    found = {secret, written, plain, written.replace("/", "\\/"), quoted, lower, quote_plus(secret)}
    return tuple(sorted({*found, html.escape(secret)}, key=lambda one: (-len(one), one)))


def show_path(path: Any) -> str:
    """A path or URL without the login, the password or the signature that it may carry.

    What an object storage's path has before its "@" stays where it can be no secret: ``s3://aws_default@bucket`` names
    a connection of Airflow's.
    """
    start, login, address, mark, signature = _parts(str(path))
    login = login and f"{login if _is_a_name(start, login) else HIDDEN}@"
    return f"{start}{login}{address}{mark}{signature and HIDDEN}"


def show_error(error: BaseException, path: Any) -> str:
    """What an exception about a path says, without the path's secrets, also where it tells a part of them."""
    start, login, _, _, signature = _parts(str(path))
    secrets = [] if _is_a_name(start, login) else [login, *login.partition(":")[::2]]
    secrets += [signature, *(pair.partition("=")[2] for pair in signature.split("&"))]
    return Redactor(*secrets).text(without_url_secrets(error))


def printable(error: BaseException, path: Any) -> BaseException | None:
    """The exception as a cause, unless it tells the path's secrets: a traceback prints what its causes say."""
    return error if show_error(error, path) == str(error) else None


def without_url_secrets(text: Any) -> str:
    """A text, such as an exception's, with every URL in it shown as :func:`show_path` does."""
    return _URL.sub(lambda found: show_path(found[0]), str(text))


def _parts(path: str) -> tuple[str, str, str, str, str]:
    """``https://``, what comes before an "@", the address, the mark after it, and what that leads to."""
    scheme, separator, rest = path.partition("://")
    if not separator or scheme.lower() == "file":
        return "", "", path, "", ""
    login, _, address = rest.rpartition("@")
    if _is_part_of_the_path(scheme, login):
        login, address = "", rest
    before, mark, query = address.partition("?")
    if not mark:
        before, mark, query = address.partition("#")
        if "=" not in query:  # a number sign in a file's name
            before, mark, query = address, "", ""
    return f"{scheme}://", login, before, mark, query


def _is_part_of_the_path(scheme: str, before: str) -> bool:
    """Whether an "@" comes after the host: no password has been there."""
    host, slash, _ = before.partition("/")
    has_port = scheme.lower() in _WEB and _HOST_AND_PORT.fullmatch(host) is not None
    return bool(slash) and (has_port or ":" not in before)


def _is_a_name(start: str, login: str) -> bool:
    return start.removesuffix("://").lower() not in _WEB and _NAME.fullmatch(login) is not None
