"""Which HubSpot account this is: what its details say, and whether it is the one that it must be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.exceptions import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping


def portal_id_of(details: Mapping[str, Any]) -> int | None:
    """The account's id; ``None`` where its details hold none.

    :param details: HubSpot's reply to ``GET /account-info/{version}/details``.
    """
    return checked_portal_id(details.get("portalId"))


def checked_portal_id(value: Any) -> int | None:
    """An account's id as a number, or ``None`` for what can't be one.

    :param value: a number, or its digits: what a form or a URI makes of it.
    """
    if isinstance(value, str) and value.strip().isdecimal() and value.isascii():
        value = int(value[:20])
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def wrong_account(wanted: int, details: Mapping[str, Any], conn_id: str) -> SettingsError | None:
    """Why an account must not be written to; ``None`` if it is the right one.

    :param wanted: the account's id as the connection's ``portal_id`` says.
    :param details: the account's, empty where HubSpot doesn't tell them.
    """
    found = portal_id_of(details)
    if found == wanted:
        return None
    if found is None:
        return SettingsError(
            f"portal_id of connection {conn_id!r} can't be checked, since HubSpot doesn't tell this token which "
            f"account it is for: nothing was written. Take portal_id ({wanted}) out of the connection's extra to go "
            "without this check"
        )
    return SettingsError(
        f"connection {conn_id!r} belongs to HubSpot account {found}, and its portal_id says {wanted}: nothing was "
        "written. Put the right account's token into the connection, or correct portal_id in its extra"
    )
