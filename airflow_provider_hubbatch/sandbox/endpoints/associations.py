"""The associations' endpoints: links between records, and what kinds of them there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_hubbatch.sandbox.associations import End, LinkType, in_order
from airflow_provider_hubbatch.sandbox.inputs import parse_json, read_items, read_object, read_text
from airflow_provider_hubbatch.sandbox.replies import RefusedError, Reply, error_body, json_reply, validation_error
from airflow_provider_hubbatch.sandbox.values import timestamp

if TYPE_CHECKING:
    from airflow_provider_hubbatch.sandbox.portal import Call, Portal
    from airflow_provider_hubbatch.sandbox.store import Table

# HubSpot: "Limits" (docs, Associations v4)
MAX_LINKS = 2_000
MAX_READ = 1_000
MAX_ARCHIVED = 100
Errors = list[dict[str, Any]]


class Link(NamedTuple):
    """One input: whom to link with whom."""

    start: End
    end: End
    kinds: list[LinkType]


class Links:
    """What all inputs of one request share."""

    def __init__(self, portal: Portal, call: Call) -> None:
        self.portal, self.call = portal, call
        self.behaviours = portal.behaviours
        self.store = portal.store.links
        self.from_table, self.to_table = portal.table(call), portal.to_table(call)
        self.kinds = self.store.types.between(self.from_table.object_type, self.to_table.object_type)
        self.started_at = timestamp(portal.now())

    @property
    def plain(self) -> LinkType:
        """The unlabeled kind.

        :raises RefusedError: 400, where HubSpot links no such records.
        """
        if not self.kinds:
            names = f"{self.from_table.object_type.message_name} and {self.to_table.object_type.message_name}"
            raise validation_error(f"No default association exists between {names}")
        return self.kinds[0]

    def parse(self, *, most: int, with_kinds: bool = False) -> list[Link]:
        """The inputs.

        :raises RefusedError: 400 for a body of another shape, too many inputs, or kinds that don't exist.
        """
        return [
            Link(
                self.start(read_object(item, "from")),
                End(self.to_table.object_type.object_type_id, read_text(read_object(item, "to"), "id") or ""),
                self._kinds(item) if with_kinds else [],
            )
            for item in read_items(parse_json(self.call.body), most=most)
        ]

    def start(self, named: dict[str, Any]) -> End:
        """Where a link starts."""
        return End(self.from_table.object_type.object_type_id, read_text(named, "id") or "")

    def _kinds(self, item: dict[str, Any]) -> list[LinkType]:
        known = {(kind.category, str(kind.type_id)): kind for kind in self.kinds}
        asked = [(read_text(one, "associationCategory"), read_text(one, "associationTypeId")) for one in _specs(item)]
        unknown = [f"{category}-{type_id}" for category, type_id in asked if (category, type_id) not in known]
        if unknown or not asked:
            # live: the message and its context, for a kind that these two object types don't have
            raise validation_error("One or more associations are invalid", context={"associationSpec": unknown})
        return [known[str(category), str(type_id)] for category, type_id in asked]

    def reply(self, results: list[dict[str, Any]], errors: Errors, *, status: int, partial: int = 207) -> Reply:
        """The reply of a batch of links."""
        if self.behaviours.shuffle_results:
            self.portal.shuffle(results)
        body: dict[str, Any] = {
            "status": self.behaviours.reply_status,
            "results": results,
            "startedAt": self.started_at,
            "completedAt": timestamp(self.portal.now()),
        }
        is_2026_09 = self.call.version >= "2026-09"
        if errors or is_2026_09:
            body |= {"numErrors": len(errors), "errors": errors}
        return json_reply(200 if is_2026_09 else partial if errors else status, body)

    def shown_id(self, record_id: str) -> int | str:
        """A record id as replies show it."""
        return int(record_id) if self.behaviours.association_ids_as_numbers else record_id


def create(portal: Portal, call: Call) -> Reply:
    """``associations/batch/create``: links with labels; the labels that a pair had are replaced."""
    links = Links(portal, call)
    results, errors = [], []
    plain = links.plain
    for link in links.parse(most=MAX_LINKS, with_kinds=True):
        error = _error(links, link)
        if error is not None:
            errors.append(error)
            continue
        kept = links.store.replace(link.start, link.end, link.kinds, plain)
        results.append(
            {
                "fromObjectTypeId": link.start.type_id,
                "fromObjectId": links.shown_id(link.start.record_id),
                "toObjectTypeId": link.end.type_id,
                "toObjectId": links.shown_id(link.end.record_id),
                "labels": [kind.label for kind in in_order(kept) if kind.label is not None],
            }
        )
    return links.reply(results, errors, status=201)


def create_default(portal: Portal, call: Call) -> Reply:
    """``associations/batch/associate/default``: links without labels; a link that is there keeps its labels."""
    links = Links(portal, call)
    plain = links.plain
    back = links.store.types.back(
        links.from_table.object_type.object_type_id, links.to_table.object_type.object_type_id, plain
    )
    results: list[dict[str, Any]] = []
    errors: Errors = []
    for link in links.parse(most=MAX_LINKS):
        error = _error(links, link)
        if error is not None:
            errors.append(error)
            continue
        links.store.ensure(link.start, link.end, plain)
        results.append(_default_link(link.start, link.end, plain))
        if portal.behaviours.default_links_both_ways:
            results.append(_default_link(link.end, link.start, back))
    return links.reply(results, errors, status=200, partial=200)


def archive(portal: Portal, call: Call) -> Reply:
    """``associations/batch/archive``: takes links away, all their labels too; also where there are none."""
    links = Links(portal, call)
    for item in read_items(parse_json(call.body), most=MAX_ARCHIVED):
        start = links.start(read_object(item, "from"))
        for named in _list(item, "to"):
            end = End(links.to_table.object_type.object_type_id, read_text(named, "id") or "")
            links.store.remove(start, end)
    if portal.behaviours.association_archive_status == 204:
        return Reply(status=204)
    return links.reply([], [], status=200)


def archive_labels(portal: Portal, call: Call) -> Reply:
    """``associations/batch/labels/archive``: takes labels away; with the unlabeled kind goes the whole link."""
    links = Links(portal, call)
    for link in links.parse(most=MAX_LINKS, with_kinds=True):
        links.store.remove(link.start, link.end, link.kinds)
    return Reply(status=204)


def read(portal: Portal, call: Call) -> Reply:
    """``associations/batch/read``: the links of each record, page by page."""
    links = Links(portal, call)
    results, errors = [], []
    for item in read_items(parse_json(call.body), most=MAX_READ):
        start = links.start(item)
        if not _is_id(start.record_id):
            errors.append(_invalid_identifier([start.record_id]))
            continue
        shown = _page(links, start, read_text(item, "after") or "0")
        if shown["to"]:
            results.append(shown)
        elif portal.behaviours.unlinked_in_read == "error":
            errors.append(_unlinked(links, start))
    return links.reply(results, errors, status=200)


def labels(portal: Portal, call: Call) -> Reply:
    """The kinds of links from one object type to another, in this direction; the unlabeled one has no label."""
    return json_reply(200, {"results": [kind.as_json() for kind in Links(portal, call).kinds]})


def _page(links: Links, start: End, after: str) -> dict[str, Any]:
    first = int(after) if after.isdigit() else 0
    size = links.behaviours.association_page
    live = links.to_table.live
    linked = links.store.of(start, links.to_table.object_type.object_type_id)
    found = [(record_id, kinds) for record_id, kinds in linked.items() if live(record_id) is not None]
    shown: dict[str, Any] = {
        "from": {"id": start.record_id},
        "to": [
            {
                "toObjectId": links.shown_id(record_id),
                "associationTypes": [kind.as_json() for kind in in_order(kinds)],
            }
            for record_id, kinds in found[first : first + size]
        ],
    }
    if first + size < len(found):
        after = str(first + size)
        shown["paging"] = {"next": {"after": after, "link": f"?after={after}"}}
    return shown


def _error(links: Links, link: Link) -> dict[str, Any] | None:
    sides = ((links.from_table, link.start.record_id), (links.to_table, link.end.record_id))
    bad = [record_id for table, record_id in sides if not _exists(table, record_id)]
    if bad:
        return _invalid_identifier(bad)
    if link.start == link.end:
        # live: nothing in it says whom it is about
        return error_body("A record can't be associated with itself", "VALIDATION_ERROR")
    limit = links.behaviours.association_limit
    linked = links.store.of(link.start, link.end.type_id)
    if limit is not None and link.end.record_id not in linked and len(linked) >= limit:
        error = error_body(f"The limit of {limit} associations has been reached", "VALIDATION_ERROR")
        if links.behaviours.association_limit_refuses == "batch":
            raise RefusedError(400, error)
        return error
    return None


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _exists(table: Table, record_id: str) -> bool:
    return _is_id(record_id) and table.live(record_id) is not None


def _invalid_identifier(ids: list[str]) -> dict[str, Any]:
    return error_body(
        f"{', '.join(ids)} is not a valid identifier",
        "VALIDATION_ERROR",
        subCategory="crm.associations.INVALID_IDENTIFIER",
        context={"id": ids},
    )


def _unlinked(links: Links, start: End) -> dict[str, Any]:
    near, far = links.from_table.object_type.singular.lower(), links.to_table.object_type.singular.lower()
    return error_body(
        f"No {far} is associated with {near} {start.record_id}.",
        "OBJECT_NOT_FOUND",
        subCategory="crm.associations.NO_ASSOCIATIONS_FOUND",
        context={"fromObjectId": [start.record_id], "fromObjectType": [near], "toObjectType": [far]},
    )


def _default_link(start: End, end: End, kind: LinkType) -> dict[str, Any]:
    return {
        "from": {"id": start.record_id},
        "to": {"id": end.record_id},
        "associationSpec": {"associationCategory": kind.category, "associationTypeId": kind.type_id},
    }


def _specs(item: dict[str, Any]) -> list[dict[str, Any]]:
    return _list(item, "types")


def _list(item: dict[str, Any], key: str) -> list[dict[str, Any]]:
    items = item.get(key)
    if not isinstance(items, list) or not all(isinstance(one, dict) for one in items):
        raise validation_error(f"{key} must be a list of objects")
    return items
