"""The account itself, what it used today, and its OAuth tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from airflow_provider_hubbatch.sandbox.replies import Reply, json_reply
from airflow_provider_hubbatch.sandbox.values import timestamp

if TYPE_CHECKING:
    from airflow_provider_hubbatch.sandbox.portal import Call, Portal

# HubSpot's clients want a number here, whatever the account may
_NO_LIMIT = 2**31 - 1


def account_details(portal: Portal, _call: Call) -> Reply:
    """The account: the cheapest way to test a token."""
    offset = portal.now().astimezone(portal.quota.zone).utcoffset() or timedelta()
    minutes = int(offset.total_seconds() // 60)
    return json_reply(
        200,
        {
            "portalId": portal.portal_id,
            "accountType": portal.settings.account_type,
            "timeZone": portal.settings.time_zone,
            "companyCurrency": "EUR",
            "additionalCurrencies": [],
            "utcOffset": f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}",
            "utcOffsetMilliseconds": minutes * 60_000,
            "uiDomain": portal.ui_domain,
            "dataHostingLocation": "na1",
        },
    )


def daily_usage(portal: Portal, _call: Call) -> Reply:
    """The calls that all private apps made today."""
    usage: dict[str, Any] = {
        "name": "private-apps-api-calls-daily",
        "usageLimit": _NO_LIMIT if portal.quota.limit is None else portal.quota.limit,
        "currentUsage": portal.quota.spent,
        "collectedAt": timestamp(portal.now()),
        "fetchStatus": "SUCCESS",
        "resetsAt": timestamp(portal.quota.resets_at),
    }
    return json_reply(200, {"results": [usage]})


def refresh_token(portal: Portal, call: Call) -> Reply:
    """A new access token for an OAuth refresh token."""
    form = dict(parse_qsl(call.body.decode(errors="replace")))
    token = portal.tokens.refresh(form, portal.behaviours.bad_refresh_token_error)
    return json_reply(
        200,
        {
            "access_token": token.value,
            "refresh_token": portal.tokens.oauth.refresh_token,
            "expires_in": int(portal.tokens.oauth.expires_in_seconds),
            "token_type": "bearer",
            "token_use": "access_token",
            "hub_id": portal.portal_id,
            "user_id": 4242,
            "scopes": sorted(token.scopes or ()),
        },
    )
