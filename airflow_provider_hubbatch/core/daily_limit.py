"""When an account's daily limit resets, by what HubSpot says of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from datetime import time as datetime_time
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

# A day, and the hour by which it may be longer
_LONGEST = timedelta(hours=25)


def reset_in_usage(usage: Mapping[str, Any], now: datetime) -> datetime | None:
    """The reset that a reply of api-usage tells, if it is still to come."""
    results = usage.get("results")
    for entry in [usage, *(results if isinstance(results, list) else [])]:
        resets_at = parsed_moment(entry.get("resetsAt")) if isinstance(entry, dict) else None
        if resets_at is not None and timedelta(0) < resets_at - now <= _LONGEST:
            return resets_at
    return None


def next_midnight(now: datetime, account: Mapping[str, Any]) -> datetime:
    """The next midnight in the account's time zone.

    :param account: its details, as far as they are known: ``timeZone``, ``utcOffsetMilliseconds``.
    """
    zone: tzinfo = UTC
    try:
        zone = ZoneInfo(account["timeZone"])
    except (KeyError, TypeError, ValueError, OSError):
        offset = account.get("utcOffsetMilliseconds")
        if isinstance(offset, (int, float)) and abs(offset) < 24 * 3_600_000:
            zone = timezone(timedelta(milliseconds=offset))
    tomorrow = now.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(tomorrow, datetime_time.min, zone).astimezone(UTC)


def parsed_moment(value: Any) -> datetime | None:
    """A time of HubSpot's, ISO 8601 or epoch milliseconds; ``None`` for anything else."""
    try:
        if isinstance(value, (int, float)):
            return datetime.fromtimestamp(value / 1000, UTC)
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError, OverflowError, OSError):
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
