"""The account's owners, read when rows name the first of them by address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow_provider_hubbatch.core.owners import OWNERS_SCOPE, Owners
from airflow_provider_hubbatch.core.protocol import entries_of, owners_path, text_of
from airflow_provider_hubbatch.exceptions import MissingScopesError, SettingsError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_hubbatch.client.client import HubSpotClient
    from airflow_provider_hubbatch.core.costs import Costs

# HubSpot, Owners: the default of a page
_PAGE = 100


def read_owners(client: HubSpotClient, names: Sequence[str], *, costs: Costs) -> Owners:
    """Ask HubSpot for the account's active owners, page by page.

    :param names: the properties for which they are wanted.
    :param costs: counts the requests into these.
    :raises SettingsError: the token may not read them.
    :raises HubSpotError: HubSpot can't be asked.
    """
    path = f"{owners_path(client.api_version)}?limit={_PAGE}"
    found: list[Any] = []
    seen: set[str] = set()
    after: str | None = ""
    while after is not None:
        page = _page(client, f"{path}&after={quote(after, safe='')}" if after else path, names, costs)
        found += entries_of(page["results"])
        after = _next_page(page)
        if after in seen:
            raise UnavailableError("HubSpot gives the same page of the account's owners again and again")
        seen.add(after or "")
    return Owners.from_json(found)


def _page(client: HubSpotClient, path: str, names: Sequence[str], costs: Costs) -> dict[str, Any]:
    try:
        page = client.request("GET", path, costs=costs)
    except MissingScopesError as error:
        raise SettingsError(
            f"the rows have owners' email addresses for {', '.join(names)}, and the token may not read the account's "
            f"owners: give its app the scope {OWNERS_SCOPE}, or give the owners' ids",
            correlation_id=error.correlation_id,
        ) from error
    if not isinstance(page, dict) or not isinstance(page.get("results"), list):
        raise UnavailableError("HubSpot answered with something else than the account's owners")
    return page


def _next_page(page: dict[str, Any]) -> str | None:
    paging = page.get("paging")
    following = paging.get("next") if isinstance(paging, dict) else None
    return text_of(following.get("after")) if isinstance(following, dict) else None
