"""``python -m airflow_provider_hubbatch check``: what a connection, an object type and a file of rows come to.

Nothing is written to HubSpot. The exit status is for scripts: 0: all is well; 1: something must be put right (the
connection, the token, a scope, a setting, rows); 2: the command line is wrong; 3: HubSpot can't be reached now.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.core.options import OPTIONS
from airflow_provider_hubbatch.exceptions import HubSpotError, MissingScopesError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow_provider_hubbatch.client.client import HubSpotClient
    from airflow_provider_hubbatch.core.definitions import PropertyDefinition
    from airflow_provider_hubbatch.hooks import HubSpotHook

WELL, WRONG, UNREACHABLE = 0, 1, 3

# What a file of rows can be checked for.
_VERBS = ("update", "upsert", "create", "archive")
# Parameters of their operators that have an option of the same name here.
_ROWS_OPTIONS = ("id_column", "id_property", "properties", "null_values", "existing")

# Options of a property that a line shows; an account may have hundreds.
_OPTIONS_SHOWN = 12


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    :param arguments: without the program's name; ``None``: the command line's.
    :returns: the exit status.
    """
    options = _parser().parse_args(arguments)
    if options.rows is not None and options.object_type is None:
        options.command.error("--rows needs an object type, as in: check contacts --rows customers.csv")
    for name in _given_for_rows(options).keys() - {one.name for one in fields(OPTIONS[options.verb])}:
        options.command.error(f"--{name.replace('_', '-')}: {options.verb} has no such parameter")
    try:
        return _check(options)
    except UnavailableError as error:
        _say(f"\nHubSpot can't be checked now: {error}")
        return UNREACHABLE
    except HubSpotError as error:
        _say(f"\nWrong: {error}")
        return WRONG


def _check(options: argparse.Namespace) -> int:
    from airflow_provider_hubbatch.client.scopes import STANDARD_TYPES  # noqa: PLC0415 - not for --help
    from airflow_provider_hubbatch.hooks import HubSpotHook  # noqa: PLC0415 - as above

    hook = HubSpotHook(options.conn_id)
    client = _client(hook)
    wrong = _check_account(client)
    if options.object_type is None:
        _check_scopes(client, STANDARD_TYPES)
    elif not wrong:
        properties, unreadable = _read_properties(client, options.object_type)
        wrong |= _check_scopes(client, (options.object_type,), needed=True) or bool(unreadable)
        _say(f"\n{unreadable}" if unreadable else "")
        _show_properties(options.object_type, properties)
    if options.rows is not None and not wrong:
        wrong |= _check_rows(hook, options)
    _say("\nSomething has to be put right: see above." if wrong else "\nAll is well.")
    return WRONG if wrong else WELL


def _client(hook: HubSpotHook) -> HubSpotClient:
    from airflow.providers.common.compat.sdk import AirflowNotFoundException  # noqa: PLC0415 - not for --help

    from airflow_provider_hubbatch.exceptions import SettingsError  # noqa: PLC0415 - as above

    try:
        return hook.quick_client()
    except AirflowNotFoundException:
        raise SettingsError(
            f"there is no connection {hook.hubspot_conn_id!r}. Add one of type HubSpot in Airflow (Admin, "
            f"Connections), or set AIRFLOW_CONN_{hook.hubspot_conn_id.upper()}"
        ) from None


# --- the account ------------------------------------------------------------------------------------------------------


def _check_account(client: HubSpotClient) -> bool:
    details = client.account()
    settings, pace = client.settings, client.pace
    kind = str(details.get("accountType") or "unknown").lower().replace("_", " ")
    cap = " (the connection's cap)" if settings.requests_per_10_seconds else ""
    facts = [
        ("Connection", f"{settings.conn_id}, at {settings.base_url}, API version {settings.api_version}"),
        ("Account", f"{details.get('portalId', 'HubSpot does not say which')} ({kind})"),
        ("Time zone", str(details.get("timeZone") or "unknown")),
        ("Limit", f"{pace.requests_per_10_seconds():.0f} requests per 10 seconds{cap}"),
        ("Daily limit", _daily(client, details)),
        *(("Warning", danger) for danger in settings.dangers),
    ]
    _table(facts)
    if not details.get("portalId"):
        _say("What answers is not HubSpot's API: it names no account. Check the connection's host.")
        return True
    client.check_account(details)
    return False


def _daily(client: HubSpotClient, details: dict[str, Any]) -> str:
    left, limit = client.pace.daily_remaining, client.pace.daily
    if left is None:
        return "HubSpot doesn't tell it to this token"
    of = f" of {limit:,}" if limit else ""
    return f"{left:,}{of} requests left; resets at {client.daily_reset(details).isoformat(timespec='minutes')}"


# --- scopes -----------------------------------------------------------------------------------------------------------


def _check_scopes(client: HubSpotClient, object_types: Sequence[str], *, needed: bool = False) -> bool:
    """Show which scopes the token has.

    :param needed: these object types are to be written; else none is missed, since no token needs them all.
    :returns: whether one that a sync can't do without is missing.
    """
    from airflow_provider_hubbatch.client.scopes import find_scope  # noqa: PLC0415 - not for --help

    found = [find_scope(client, name, access) for name in object_types for access in ("read", "write")]
    words = {True: "granted", False: "MISSING", None: "not known"}
    _say("")
    _table([("Scope", "for", "")] + [(scope.name, scope.purpose, words[scope.granted]) for scope in found])
    lacking = [scope for scope in found if scope.granted is False]
    if lacking and not needed:
        _say("No token needs all of these; give an object type to see what its sync needs.")
        return False
    for scope in lacking:
        _say(f"To {scope.purpose}, add the scope {scope.name} to the service key or private app in HubSpot.")
    return any(scope.purpose.startswith("write") for scope in lacking)


# --- properties -------------------------------------------------------------------------------------------------------


def _read_properties(client: HubSpotClient, object_type: str) -> tuple[list[PropertyDefinition], str]:
    """The properties by name, and why they can't be read."""
    from airflow_provider_hubbatch.core.definitions import definitions_from_json  # noqa: PLC0415 - not for --help

    try:
        definitions = definitions_from_json(client.properties(object_type))
    except MissingScopesError as error:
        return [], f"The properties of {object_type} can't be read: {error}"
    return sorted((one for one in definitions.values() if not one.archived), key=lambda one: one.name), ""


def _show_properties(object_type: str, properties: Sequence[PropertyDefinition]) -> None:
    from airflow_provider_hubbatch.core.keys import keys_of  # noqa: PLC0415 - not for --help

    if not properties:
        return
    head = ("Property", "type", "label", "", "options")
    _table([head, *((one.name, _type(one), one.label, _notes(one), _options(one)) for one in properties)])
    keys = keys_of(properties, object_type)
    named = f", or by id_property: {', '.join(keys)}" if keys else "; no other property has unique values"
    _say(
        f"{len(properties)} properties. Rows name {object_type} by record id{named}. Update and archive\n"
        "find them by any other property too, where no two have the same value; upsert needs a unique one."
    )


def _type(definition: PropertyDefinition) -> str:
    return f"{definition.type}, several" if definition.several else definition.type


def _notes(definition: PropertyDefinition) -> str:
    notes = ["unique"] if definition.unique else []
    if definition.calculated or definition.read_only:
        notes.append("read-only")
    return ", ".join(notes)


def _options(definition: PropertyDefinition) -> str:
    values = [option.value for option in definition.options]
    if definition.holds_owners:
        return "owners"
    if definition.external_options:
        return "kept elsewhere in HubSpot"
    shown = ", ".join(values[:_OPTIONS_SHOWN])
    return f"{shown}, ... ({len(values)} in all)" if len(values) > _OPTIONS_SHOWN else shown


# --- rows -------------------------------------------------------------------------------------------------------------


def _check_rows(hook: HubSpotHook, options: argparse.Namespace) -> bool:
    from airflow_provider_hubbatch.reports import summary_text  # noqa: PLC0415 - not for --help

    checked = OPTIONS[options.verb](**_given_for_rows(options), validate_only=True)
    report = hook.start_sync(options.object_type, options.rows, checked).finish()
    text = summary_text(report.summary(), report.rejected_entries(), values=options.show_values)
    outcomes = text.rpartition("\n")[0]  # the last line says where a task leaves them
    _say(f"\nRows of {options.rows}; nothing was sent, 'not sent' is what a sync would send\n{outcomes}")
    return bool(report.rejected)


def _given_for_rows(options: argparse.Namespace) -> dict[str, Any]:
    """The verb's parameters that the command line gives; the others keep their defaults."""
    given = {name: getattr(options, name) for name in _ROWS_OPTIONS}
    return {name: value for name, value in given.items() if value is not None}


# --- the terminal -----------------------------------------------------------------------------------------------------


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _table(rows: Iterable[tuple[str, ...]]) -> None:
    """Columns side by side, two blanks apart."""
    cells = [tuple(" ".join(cell.split()) for cell in row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        _say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


# --- the command line -------------------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m airflow_provider_hubbatch")
    commands = parser.add_subparsers(metavar="check", required=True)
    check = commands.add_parser(
        "check",
        help="what a connection, an object type and a file of rows come to; nothing is written",
        description="Show a connection's account, limits and scopes; an object type's properties; and what would "
        "become of a file of rows. Nothing is written to HubSpot.",
        epilog="Exit status: 0 all is well; 1 something must be put right; 2 the command line is wrong; 3 HubSpot "
        "can't be reached now.",
    )
    add = check.add_argument
    add("object_type", nargs="?", help="contacts, companies, 2-1234567, ...: show its properties")
    add("--conn-id", default="hubspot_default", help="the Airflow connection (default: %(default)s)")
    add("--rows", metavar="FILE", help="a .csv, .jsonl or .parquet file, checked as a sync with validate_only does")
    add("--verb", choices=_VERBS, default="update", help="what the sync is to do (default: %(default)s)")
    add("--id-column", metavar="COLUMN", help="the column that names the record (default: id; to create: none)")
    add("--id-property", metavar="PROPERTY", help="the property that this column holds (default: record ids)")
    add(
        "--properties",
        type=_properties,
        metavar="COLUMN[=PROPERTY],...",
        help="the columns to write: town=city,plan (default: every column)",
    )
    add("--null-values", choices=("skip", "clear"), help="what an empty cell does (default: skip)")
    add("--existing", choices=("reject", "skip"), help="to create: what a record that is there does (default: reject)")
    add("--show-values", action="store_true", help="quote the id and the reason of one rejected row a reason")
    check.set_defaults(command=check)
    return parser


def _properties(text: str) -> dict[str, str]:
    """``town=city,plan`` -> ``{"town": "city", "plan": "plan"}``"""
    pairs = [part.strip().partition("=") for part in text.split(",")]
    return {column.strip(): (name or column).strip() for column, _, name in pairs}
