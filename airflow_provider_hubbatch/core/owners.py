"""Owners by email address: a warehouse knows people by their addresses, a property of owners takes HubSpot's ids.

The account's owners are read when the first address comes up, and not before: see :class:`OwnersWantedError`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_hubbatch.core.protocol import entries_of, text_of
from airflow_provider_hubbatch.core.scalars import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

UNKNOWN_OWNER: Final = "UNKNOWN_OWNER"
"""The category of a row with an address that no active owner has."""
OWNERS_UNREAD: Final = "OWNERS_UNREAD"
"""The category of a row with an owner's address, as long as the account's owners aren't known."""

# HubSpot, Scopes
OWNERS_SCOPE: Final = "crm.objects.owners.read"


class UnknownOwnerError(RefusedError):
    """No active owner has this address, or more than one."""

    category = UNKNOWN_OWNER


class OwnersUnreadError(RefusedError):
    """An owner's address, and the account's owners aren't known."""

    category = OWNERS_UNREAD


class OwnersWantedError(Exception):
    """Rows name owners by their addresses: they can be made ready once the account's owners are known.

    :ivar names: the properties of owners that the rows have.
    :ivar take: is told who the account's owners are.
    """

    def __init__(self, names: Iterable[str], take: Callable[[Owners], None]) -> None:
        super().__init__("the account's owners are wanted")
        self.names = tuple(names)
        self.take = take


@dataclass(frozen=True, slots=True)
class Owners:
    """The account's owners, by email address.

    :param ids: address in one case -> the ids of the active owners who have it.
    """

    ids: Mapping[str, tuple[str, ...]]

    @classmethod
    def from_json(cls, entries: Any) -> Owners:
        """Read the ``results`` of the owners endpoint, whatever they hold; archived owners are left out.

        :param entries: of all pages.
        """
        ids: dict[str, tuple[str, ...]] = {}
        for entry in entries_of(entries):
            owner_id, address = text_of(entry.get("id")), text_of(entry.get("email"))
            if owner_id is None or address is None or entry.get("archived") is True:
                continue
            name = _folded(address)
            if owner_id not in ids.get(name, ()):
                ids[name] = (*ids.get(name, ()), owner_id)
        return cls(ids)

    def id_of(self, address: str) -> str:
        """The id of the owner with this address, in whatever case.

        :raises UnknownOwnerError: there is none, or not one alone.
        """
        found = self.ids.get(_folded(address), ())
        if len(found) == 1:
            return found[0]
        if found:
            raise UnknownOwnerError(f"owners {', '.join(found)} have this address: give the id of one of them")
        raise UnknownOwnerError(
            "no owner of this account has this address, or only an archived one. Add the person to HubSpot as a user, "
            "or give another owner's address or id"
        )


def owner_id(text: str, owners: Owners | None) -> str:
    """What a property of owners is sent for a text: an id as it is, for an address its owner's.

    :param owners: the account's; ``None``: not known so far.
    :raises RefusedError: it is neither an id nor the address of an active owner.
    """
    if text.isascii() and text.isdigit():
        return text
    if "@" not in text:
        raise RefusedError
    if owners is None:
        raise OwnersUnreadError
    return owners.id_of(text)


def _folded(address: str) -> str:
    return address.strip().casefold()
