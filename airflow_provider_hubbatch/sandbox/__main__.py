"""``python -m airflow_provider_hubbatch.sandbox``: a local HubSpot until Ctrl+C or SIGTERM."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from threading import Event
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.sandbox import Behaviours, HubSpotSandbox, OAuthApp
from airflow_provider_hubbatch.sandbox.behaviours import parse_behaviour
from airflow_provider_hubbatch.sandbox.tokens import DEFAULT_TOKEN

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    :returns: The exit status: 0, or 2 for settings that can't work.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        sandbox = _sandbox(options)
        sandbox.start()
    except (KeyError, OSError, TypeError, ValueError) as error:
        parser.error(str(error.args[0]) if isinstance(error, KeyError) else str(error))
    ended = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    sys.stdout.write(_greeting(sandbox))
    sys.stdout.flush()
    ended.wait()
    sandbox.stop()
    sys.stdout.write("HubSpot sandbox stopped.\n")
    return 0


def _sandbox(options: argparse.Namespace) -> HubSpotSandbox:
    behaviours = Behaviours()
    for given in options.behaviour:
        behaviours = behaviours.changed(**given)
    sandbox = HubSpotSandbox(
        records=dict(options.records),
        port=options.port,
        latency_ms=options.latency_ms,
        requests_per_10_seconds=options.requests_per_10_seconds,
        daily_limit=options.daily_limit,
        association_requests_per_10_seconds=options.association_requests_per_10_seconds,
        association_daily_limit=options.association_daily_limit,
        searches_per_second=options.searches_per_second,
        token=options.token,
        oauth=OAuthApp(
            expires_in_seconds=options.oauth_expires_in_seconds,
            rotates_refresh_tokens=options.rotate_refresh_tokens,
        ),
        behaviours=behaviours,
        time_zone=options.time_zone,
        portal_id=options.portal_id,
        ui_domain=options.ui_domain,
        extra_properties=options.extra_properties,
        record_bodies=False,
        max_recorded_requests=10_000,
        seed=options.seed,
    )
    for fault in options.fault:
        add = sandbox.faults.randomly if "probability" in fault else sandbox.faults.add
        add(**fault)
    return sandbox


def _greeting(sandbox: HubSpotSandbox) -> str:
    held = ", ".join(f"{count:,} {name}" for name, count in sandbox.state()["records"].items() if count)
    return (
        f"HubSpot sandbox on {sandbox.url} with {held or 'no records'}. "
        "For demos and tests: no production server. Ctrl+C stops it.\n"
        f"export AIRFLOW_CONN_HUBSPOT_DEFAULT='{sandbox.connection()}'\n"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_hubbatch.sandbox",
        description="A local HubSpot for demos and tests. It listens on 127.0.0.1 only and keeps nothing.",
    )
    add = parser.add_argument
    add("--port", type=int, default=8765, help="0: any free one (default: %(default)s)")
    add(
        "--records",
        type=_records,
        nargs="+",
        action="extend",
        default=[],
        metavar="TYPE=COUNT",
        help="believable records to start with: contacts=1000 deals=200",
    )
    add("--latency-ms", type=_latency, default=0.0, metavar="MS", help="how long each request takes: 300, or 100-400")
    add(
        "--requests-per-10-seconds",
        type=_limit,
        default=190,
        metavar="N",
        help="the rolling limit; none: no limit (default: %(default)s)",
    )
    add(
        "--daily-limit",
        type=_limit,
        default=250_000,
        metavar="N",
        help="the daily API limit; none: no limit (default: %(default)s)",
    )
    add(
        "--association-requests-per-10-seconds",
        type=_limit,
        default=100,
        metavar="N",
        help="the associations' own rolling limit; none: no limit (default: %(default)s)",
    )
    add(
        "--association-daily-limit",
        type=_limit,
        default=500_000,
        metavar="N",
        help="the associations' own daily limit; none: no limit (default: %(default)s)",
    )
    add(
        "--searches-per-second",
        type=_limit,
        default=5,
        metavar="N",
        help="searches a second for the account; none: no limit (default: %(default)s)",
    )
    add("--token", default=DEFAULT_TOKEN, help="the access token (default: %(default)s)")
    add("--oauth-expires-in-seconds", type=float, default=1800, metavar="S", help="life of an OAuth access token")
    add("--rotate-refresh-tokens", action="store_true", help="each OAuth refresh ends the old refresh token")
    add(
        "--behaviour",
        type=_behaviour,
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=VALUE",
        help="a switch, as null_clears=true; docs/sandbox.md lists them, and so does sandbox.Behaviours",
    )
    add(
        "--fault",
        type=_fault,
        action="append",
        default=[],
        metavar="JSON",
        help='a scripted fault, as {"kind": "status", "status": 503, "count": 2}, or a random one, with "probability"',
    )
    add("--extra-properties", type=int, default=0, metavar="N", help="further text properties on every object type")
    add("--portal-id", type=int, default=123_456, metavar="N", help="the account's id (default: %(default)s)")
    add(
        "--ui-domain",
        metavar="NAME",
        help="where links to records lead, as app.hubspot.com (default: the sandbox's own pages)",
    )
    add("--time-zone", default="Europe/Berlin", help="the account's (default: %(default)s)")
    add("--seed", type=int, default=0, help="of everything random (default: %(default)s)")
    return parser


def _records(text: str) -> tuple[str, int]:
    name, separator, count = text.partition("=")
    if not separator or not count.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no TYPE=COUNT, as contacts=1000")
    return name, int(count)


def _latency(text: str) -> float | tuple[float, float]:
    low, separator, high = text.partition("-")
    return (float(low), float(high)) if separator else float(low)


def _limit(text: str) -> int | None:
    return None if text.lower() == "none" else int(text)


def _behaviour(text: str) -> dict[str, Any]:
    try:
        given = parse_behaviour(text)
        Behaviours().changed(**given)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return given


def _fault(text: str) -> dict[str, Any]:
    try:
        fault = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no JSON: {error}") from None
    if not isinstance(fault, dict):
        raise argparse.ArgumentTypeError(f"{text!r} is no JSON object")
    return fault


if __name__ == "__main__":
    sys.exit(main())
