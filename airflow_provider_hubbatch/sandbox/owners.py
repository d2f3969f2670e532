"""The account's owners: who a record may belong to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.sandbox.values import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

_FIRST_ID = 71_001
_FIRST_USER_ID = 9_001
_SEEDED = (("Ines", "Costa"), ("Felix", "Bauer"), ("Hana", "Sato"), ("Omar", "Haddad"), ("Sofia", "Rossi"))


@dataclass(frozen=True, kw_only=True)
class Owner:
    """One owner.

    :param user_id: The user's id, which is not the owner's.
    """

    id: str
    email: str
    first_name: str
    last_name: str
    user_id: int
    at: str
    archived: bool = False

    def as_json(self) -> dict[str, Any]:
        """HubSpot's shape."""
        return {
            "id": self.id,
            "email": self.email,
            "type": "PERSON",
            "firstName": self.first_name,
            "lastName": self.last_name,
            "userId": None if self.archived else self.user_id,
            "userIdIncludingInactive": self.user_id,
            "createdAt": self.at,
            "updatedAt": self.at,
            "archived": self.archived,
            "teams": [],
        }


class Owners:
    """All owners, archived ones included.

    :param now: The wall clock.
    """

    def __init__(self, *, now: Callable[[], datetime]) -> None:
        self._now = now
        self.by_id: dict[str, Owner] = {}
        self.active: frozenset[str] = frozenset()
        for first, last in _SEEDED:
            self.add(f"{first}.{last}@example.com".lower(), first, last)

    def add(self, email: str, first_name: str = "", last_name: str = "", *, archived: bool = False) -> Owner:
        """A new owner."""
        place = len(self.by_id)
        owner = Owner(
            id=str(_FIRST_ID + place),
            email=email,
            first_name=first_name,
            last_name=last_name,
            user_id=_FIRST_USER_ID + place,
            at=timestamp(self._now()),
            archived=archived,
        )
        self._keep(owner)
        return owner

    def archive(self, owner_id: str) -> None:
        """An owner who left.

        :raises KeyError: for an unknown one.
        """
        self._keep(replace(self.by_id[owner_id], archived=True))

    def _keep(self, owner: Owner) -> None:
        self.by_id[owner.id] = owner
        self.active = frozenset(one.id for one in self.by_id.values() if not one.archived)
