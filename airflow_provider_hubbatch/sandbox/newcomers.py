"""What comes with a new record: the links that were asked for, and a contact's company."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_hubbatch.sandbox.associations import End, LinkType
from airflow_provider_hubbatch.sandbox.inputs import read_object, read_text
from airflow_provider_hubbatch.sandbox.rules import Problem
from airflow_provider_hubbatch.sandbox.store import Change

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_provider_hubbatch.sandbox.portal import Portal
    from airflow_provider_hubbatch.sandbox.store import Record, Table

INVALID_ASSOCIATION = "INVALID_ASSOCIATION"


class WantedLink(NamedTuple):
    """A link that a record is to have from the start."""

    end: End
    kind: LinkType


class WantedLinks(NamedTuple):
    """What a create's ``associations`` come to."""

    links: list[WantedLink]
    problems: list[Problem]


def wanted_links(portal: Portal, table: Table, associations: list[dict[str, Any]] | None) -> WantedLinks:
    """Looks up whom a new record is to be linked with.

    :param associations: ``[{"to": {"id"}, "types": [{"associationCategory", "associationTypeId"}]}]``.
    :raises RefusedError: 400 for another shape.
    """
    wanted = WantedLinks([], [])
    for association in associations or ():
        record_id = read_text(read_object(association, "to"), "id") or ""
        types = association.get("types")
        for given in types if isinstance(types, list) else ():
            _look_up(portal, table, record_id, given if isinstance(given, dict) else {}, wanted)
    return wanted


def _look_up(portal: Portal, table: Table, record_id: str, given: dict[str, Any], wanted: WantedLinks) -> None:
    category, type_id = read_text(given, "associationCategory") or "", read_text(given, "associationTypeId") or ""
    number = int(type_id) if type_id.isascii() and type_id.isdigit() else 0
    target = portal.store.links.types.target(table.object_type, category, number)
    if target is None:
        wanted.problems.append(_problem(f"{category}-{type_id} is not a valid association type"))
        return
    other = portal.store.table(target[0])
    if other.live(record_id) is not None:
        wanted.links.append(WantedLink(End(target[0], record_id), target[1]))
    elif portal.behaviours.inline_associations == "refused":
        wanted.problems.append(_problem(f"{other.object_type.message_name}={record_id} is not valid"))


def _problem(message: str) -> Problem:
    return Problem(INVALID_ASSOCIATION, message, "associations")


def make(
    portal: Portal,
    table: Table,
    values: Mapping[str, str | None],
    links: Iterable[WantedLink],
    *,
    at: str | None = None,
) -> Record:
    """Makes a record, with its links."""
    record = portal.store.create(table, values, at=at)
    portal.store.recent_changes.append(
        Change(record.created_at, table.object_type.name, record.id, {}, dict(record.properties))
    )
    start = End(table.object_type.object_type_id, record.id)
    by_end: dict[End, list[LinkType]] = {}
    for link in links:
        by_end.setdefault(link.end, []).append(link.kind)
    for end, kinds in by_end.items():
        plain = portal.store.links.types.between(table.object_type, portal.store.table(end.type_id).object_type)[0]
        portal.store.links.replace(start, end, kinds, plain)
    if portal.behaviours.contacts_bring_companies and table.object_type.name == "contacts":
        _bring_company(portal, table, record, at)
    return record


def _bring_company(portal: Portal, contacts: Table, contact: Record, at: str | None) -> None:
    domain = (contact.properties.get("email") or "").partition("@")[2]
    if not domain:
        return
    companies = portal.store.table("companies")
    company = next(
        (one for one in companies.records.values() if one.archived_at is None and one.value("domain") == domain), None
    ) or portal.store.create(companies, {"domain": domain}, at=at)
    kinds = portal.store.links.types.between(contacts.object_type, companies.object_type)
    start = End(contacts.object_type.object_type_id, contact.id)
    end = End(companies.object_type.object_type_id, company.id)
    portal.store.links.replace(start, end, kinds[:2], kinds[0])
