"""The account's owners."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.sandbox.replies import Reply, json_reply, not_found, validation_error

if TYPE_CHECKING:
    from airflow_provider_hubbatch.sandbox.portal import Call, Portal

MAX_PAGE = 500


def list_owners(portal: Portal, call: Call) -> Reply:
    """A page of owners; the archived ones if asked for, or the one with an email address."""
    limit, after = call.query.get("limit", "100"), call.query.get("after", "0")
    if not (limit.isdigit() and after.isdigit() and 1 <= int(limit) <= MAX_PAGE):
        raise validation_error(f"limit must be 1 to {MAX_PAGE}, and after what the last page gave")
    archived, email = call.wants_archived, call.query.get("email", "").lower()
    found = [
        owner
        for owner in portal.store.owners.by_id.values()
        if owner.archived == archived and (not email or owner.email.lower() == email)
    ]
    first, end = int(after), int(after) + int(limit)
    body: dict[str, Any] = {"results": [owner.as_json() for owner in found[first:end]]}
    if end < len(found):
        body["paging"] = {"next": {"after": str(end), "link": f"?after={end}"}}
    return json_reply(200, body)


def get_owner(portal: Portal, call: Call) -> Reply:
    """One owner."""
    owner = portal.store.owners.by_id.get(call.name)
    if owner is None or owner.archived != (call.wants_archived):
        raise not_found()
    return json_reply(200, owner.as_json())
