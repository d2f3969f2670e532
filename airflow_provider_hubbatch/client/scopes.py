"""What a token may do, found out without writing anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_hubbatch.client.tokens import OAuthToken
from airflow_provider_hubbatch.core import protocol
from airflow_provider_hubbatch.exceptions import HubSpotError, MissingScopesError, RequestRefusedError

if TYPE_CHECKING:
    from typing import Literal

    from airflow_provider_hubbatch.client.client import HubSpotClient

    Access = Literal["read", "write"]

# The object types that every account has.
STANDARD_TYPES = ("contacts", "companies", "deals", "tickets")

_BATCHES = {"read": "read", "write": "update"}


@dataclass(frozen=True, slots=True)
class ScopeFound:
    """One scope that a sync may need.

    :param name: as HubSpot's settings list it.
    :param purpose: what it is for: ``write contacts``.
    :param granted: ``None`` where HubSpot's answer doesn't tell.
    """

    name: str
    purpose: str
    granted: bool | None


def scope_name(object_type: str, access: Access) -> str:
    """The scope that gives access to an object type's records (HubSpot: "Scopes")."""
    name = object_type.casefold()
    if name == "tickets":
        return "tickets"
    custom = name.startswith(("2-", "p_")) or (name[0] == "p" and name[1:].partition("_")[0].isdecimal())
    return f"crm.objects.{'custom' if custom else name}.{access}"


def find_scope(client: HubSpotClient, object_type: str, access: Access) -> ScopeFound:
    """Whether the token may read or write an object type's records.

    An OAuth token's refresh tells its scopes. For another token HubSpot is asked to read or update no record at all.
    """
    name, purpose = scope_name(object_type, access), f"{access} {object_type}"
    told = granted_scopes(client)
    if told:
        return ScopeFound(name, purpose, name in told)
    path = protocol.batch_path(object_type, _BATCHES[access], client.api_version)
    try:
        client.request("POST", path, {"inputs": []})
    except MissingScopesError as error:
        return ScopeFound(" or ".join(error.scopes) or name, purpose, granted=False)
    except RequestRefusedError as error:
        # a 400 says that the request was read, so that the token may
        return ScopeFound(name, purpose, True if error.status == 400 else None)  # noqa: PLR2004 - HTTP's own
    except HubSpotError:
        return ScopeFound(name, purpose, granted=None)
    return ScopeFound(name, purpose, granted=True)


def granted_scopes(client: HubSpotClient) -> frozenset[str]:
    """What an OAuth refresh says that its token may do; nothing where that isn't told."""
    token = client.token
    return (token.scopes or frozenset()) if isinstance(token, OAuthToken) else frozenset()
