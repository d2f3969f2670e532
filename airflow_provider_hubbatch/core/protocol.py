"""HubSpot's side of the wire: a request's path and body, a reply as it comes, JSON that may hold anything.

The shapes are those of ``/crm/objects/{version}/{objectType}/batch/{verb}``. What replies say is read in
``batch_reply`` (a 2xx) and ``error_reply``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson

from airflow_provider_hubbatch.exceptions import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DEFAULT_API_VERSION = "2026-03"

# HubSpot: "The maximum number of inputs supported in a batch is 100" (its own 400; docs, Using object APIs)
MAX_BATCH_INPUTS = 100
# HubSpot's limit of a request's size is unknown; many gateways refuse bodies above 10 MB.
MAX_REQUEST_BYTES = 8_000_000

# The objects that every account may have, by the names of their paths (HubSpot: "CRM, understanding object types")
STANDARD_OBJECT_TYPES = (
    *("contacts", "companies", "deals", "tickets", "products", "line_items", "quotes", "leads", "orders", "carts"),
    *("invoices", "subscriptions", "payments", "appointments", "courses", "listings", "services", "goals", "users"),
    *("calls", "emails", "meetings", "notes", "tasks", "communications", "postal_mail", "feedback_submissions"),
)

# Names of object types as HubSpot has them: contacts, 0-1, 2-1234567, p1_pets. Nothing else may become a path.
_OBJECT_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_WORD = re.compile(r"[A-Za-z0-9_.:-]{1,200}")
_API_VERSION = re.compile(r"20[0-9]{2}-[0-9]{2}(-beta)?|v[34]")

# Reading, searching, and writing what the request names: the same in the dated versions and in v3 and v4.
_REPEATABLE_POST = re.compile(
    r"/.*/batch/(?:read|update|upsert|archive)/?"
    r"|/.*/search/?"
    r"|/crm/(?:v[34]/)?associations/.*/batch/(?:create|associate/default|labels/archive)/?"
)

# What HubSpot counts apart from all other requests: associations in batches, and searching records.
_ASSOCIATIONS = re.compile(r"/crm/(?:v[34]/)?associations/.*/batch/.*")
_SEARCH = re.compile(r"/crm/(?:v3/)?objects/.*/search/?")


class Window(Enum):
    """The requests that share one of HubSpot's limits."""

    OBJECTS = "objects"
    """As its headers tell, and all that is not of another window."""
    ASSOCIATIONS = "associations"
    SEARCH = "search"


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, but for what the transport adds: the host, the token, the timeouts.

    :param body: JSON, or ``None`` for none.
    :param repeatable: doing it twice does no harm. Else it is not sent again once it may have reached HubSpot.
    """

    method: str
    path: str
    body: bytes | None = field(default=None, repr=False)
    repeatable: bool = False

    @property
    def window(self) -> Window:
        """The limit that it counts against."""
        path = self.path.partition("?")[0]
        if self.method == "POST" and _SEARCH.fullmatch(path):
            return Window.SEARCH
        return Window.ASSOCIATIONS if _ASSOCIATIONS.fullmatch(path) else Window.OBJECTS


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP reply.

    :param headers: names in any case.
    :param body: as it came, decompressed.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def header(self, name: str) -> str | None:
        """A header as it came.

        :param name: in lower case.
        """
        return next((value for given, value in self.headers.items() if given.lower() == name), None)

    @property
    def correlation_id(self) -> str | None:
        """HubSpot's id of the reply; the body of an error mostly repeats it, that of a 2xx never does."""
        return word_of(self.header("x-hubspot-correlation-id"))


@dataclass(frozen=True, slots=True)
class BatchRead:
    """The read verb: what HubSpot has of some records.

    :param properties: the properties wanted.
    :param id_property: what ``ids`` are values of; top-level here, unlike in update.
    :param archived: read archived records, and no others.
    """

    object_type: str
    properties: tuple[str, ...]
    id_property: str | None = None
    api_version: str = DEFAULT_API_VERSION
    archived: bool = False

    def request(self, ids: Iterable[str]) -> Request:
        """The request that reads these ids, at most :data:`MAX_BATCH_INPUTS`."""
        body: dict[str, Any] = {
            "inputs": [{"id": one} for one in ids],
            "properties": list(self.properties),
            "propertiesWithHistory": [],
        }
        if self.id_property is not None:
            body["idProperty"] = self.id_property
        path = batch_path(self.object_type, "read", self.api_version) + ("?archived=true" if self.archived else "")
        return Request("POST", path, encode(body), repeatable=True)


def is_repeatable(method: str, path: str) -> bool:
    """Whether sending a request twice does no harm, as far as its method and path tell.

    All but POST say so themselves. Of POSTs, those that read, and those that set what is named: twice comes to the
    same.
    """
    return method.upper() != "POST" or _REPEATABLE_POST.fullmatch(path.partition("?")[0]) is not None


def checked_object_type(object_type: Any, setting: str = "object_type") -> str:
    """The object type, if it can be one.

    :param setting: what to call it in the error.
    :raises SettingsError: it isn't text, or has characters that no object type has (a slash, a dot, a newline).
    """
    if not isinstance(object_type, str) or not _OBJECT_TYPE.fullmatch(object_type):
        msg = (
            f"{setting} {object_type!r} can't be an object type: give a name or id as HubSpot has it, "
            "such as 'contacts', 'deals', '2-1234567' or 'p1_pets'"
        )
        raise SettingsError(msg)
    return object_type


def checked_api_version(version: Any) -> str:
    """The API version, if it can be one: dated as ``2026-03``.

    :raises SettingsError: it can't.
    """
    if not isinstance(version, str) or not _API_VERSION.fullmatch(version):
        raise SettingsError(f"api_version {version!r} of the connection is no HubSpot API version such as '2026-03'")
    return version


def batch_path(object_type: str, verb: str, api_version: str) -> str:
    """The path of a batch endpoint."""
    return f"/crm/objects/{api_version}/{quote(object_type, safe='')}/batch/{verb}"


def search_path(object_type: str, api_version: str) -> str:
    """The path of searching records."""
    return f"/crm/objects/{api_version}/{quote(object_type, safe='')}/search"


def properties_path(object_type: str, api_version: str) -> str:
    """The path of an object type's property definitions."""
    return f"/crm/properties/{api_version}/{quote(object_type, safe='')}"


def owners_path(api_version: str) -> str:
    """The path of the account's owners."""
    return f"/crm/owners/{api_version}"


def account_path(api_version: str) -> str:
    """The path of the account's details: it proves a token, not its scopes."""
    return f"/account-info/{api_version}/details"


def daily_usage_path(api_version: str) -> str:
    """The path of a private app's daily usage, with the account's reset."""
    return f"/account-info/{api_version}/api-usage/daily/private-apps"


def encode(body: Any) -> bytes:
    """JSON as HubSpot takes it."""
    return orjson.dumps(body)


def decode(body: bytes) -> Any:
    """What a body holds, or ``None`` for one that is no JSON (too deep counts as none)."""
    try:
        return orjson.loads(body)
    except (orjson.JSONDecodeError, RecursionError):
        return None


def entries_of(value: Any) -> Iterable[dict[str, Any]]:
    """The objects of a list; nothing where it is none."""
    return (entry for entry in value if isinstance(entry, dict)) if isinstance(value, list) else ()


def text_of(value: Any) -> str | None:
    """A text, or a whole number as one; ``None`` for anything else, and for an empty text."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None


def word_of(value: Any) -> str | None:
    """A category, a code, a scope or a correlation id: it goes into logs and errors as it is, so it is one word."""
    text = text_of(value)
    return text if text and _WORD.fullmatch(text) else None
