"""Every verb that writes, as a table: where it goes, five inputs for it, and how many of them took effect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_hubbatch.sandbox import HubSpotSandbox
    from tests.sandbox.hubspot_client import Client

PLAIN = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}]
PRIMARY = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 1}]
RECORDS = {"contacts": 10, "companies": 10}


@dataclass(frozen=True)
class Verb:
    """A verb.

    :param done: How many of the inputs the sandbox has carried out.
    :param status: Of a reply without errors.
    :param prepare: What the sandbox needs before.
    """

    path: str
    inputs: list[dict[str, Any]]
    done: Callable[[HubSpotSandbox], int]
    status: int = 200
    prepare: Callable[[HubSpotSandbox], None] = lambda _: None

    def __str__(self) -> str:
        return self.path.rpartition("2026-03/")[2].replace("batch/", "")

    def post(self, client: Client, **options: Any) -> Any:
        """The request of all five."""
        return client.post(self.path, {"inputs": self.inputs}, **options)


def _links() -> list[dict[str, Any]]:
    return [{"from": {"id": str(number)}, "to": {"id": str(number)}} for number in range(1, 6)]


def _linked(sandbox: HubSpotSandbox) -> None:
    for number in range(1, 6):
        sandbox.associate("contacts", str(number), "companies", str(number), "Primary")


def _new_values(sandbox: HubSpotSandbox) -> int:
    return sum(shown["properties"].get("jobtitle") == "New" for shown in sandbox.objects("contacts").values())


def _count_links(sandbox: HubSpotSandbox) -> int:
    return sum(map(len, sandbox.associations("contacts", "companies").values()))


def _count_labels(sandbox: HubSpotSandbox) -> int:
    links = sandbox.associations("contacts", "companies").values()
    return sum(kind["label"] == "Primary" for ends in links for kinds in ends.values() for kind in kinds)


_NEW = {"jobtitle": "New"}
UPDATE = Verb(
    "/crm/objects/2026-03/contacts/batch/update",
    [{"id": str(number), "properties": _NEW} for number in range(1, 6)],
    _new_values,
)
UPSERT = Verb(
    "/crm/objects/2026-03/contacts/batch/upsert",
    [{"id": f"C-00000{number}", "idProperty": "customer_number", "properties": _NEW} for number in (1, 2, 3)]
    + [{"id": f"X-{number}", "idProperty": "customer_number", "properties": _NEW} for number in (4, 5)],
    _new_values,
)
CREATE = Verb(
    "/crm/objects/2026-03/contacts/batch/create",
    [{"properties": {**_NEW, "email": f"new{number}@example.com"}} for number in range(1, 6)],
    _new_values,
    status=201,
)
ARCHIVE = Verb(
    "/crm/objects/2026-03/contacts/batch/archive",
    [{"id": str(number)} for number in range(1, 6)],
    lambda sandbox: len(sandbox.objects("contacts", archived=True)),
    status=204,
)
_LINKS = "/crm/associations/2026-03/contacts/companies/batch/"
LINK = Verb(_LINKS + "create", [{**link, "types": PLAIN} for link in _links()], _count_links, status=201)
LINK_DEFAULT = Verb(_LINKS + "associate/default", _links(), _count_links)
UNLINK = Verb(
    _LINKS + "archive",
    [{**link, "to": [link["to"]]} for link in _links()],
    lambda sandbox: 5 - _count_links(sandbox),
    status=204,
    prepare=_linked,
)
UNLABEL = Verb(
    _LINKS + "labels/archive",
    [{**link, "types": PRIMARY} for link in _links()],
    lambda sandbox: 5 - _count_labels(sandbox),
    status=204,
    prepare=_linked,
)
VERBS = [UPDATE, UPSERT, CREATE, ARCHIVE, LINK, LINK_DEFAULT, UNLINK, UNLABEL]
every_verb = pytest.mark.parametrize("verb", VERBS, ids=str)
