"""``make demo``: the example DAGs in a real Airflow, against a local HubSpot, and a report of what happened."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from demo.airflow_home import airflow_environment
from demo.check import wrong_records
from demo.setting import EXAMPLE_DAGS, REPOSITORY, Setting, seeded_setting

if TYPE_CHECKING:
    from pathlib import Path

    from demo.check import Records

FOLDER = REPOSITORY / ".demo"
LOG = FOLDER / "airflow.log"
# HubSpot takes about this long for a batch of 100 (seen in public traces)
LATENCY_MS = (150, 350)

CHANGED = "example_hubspot_batch_update"
NIGHTLY = "example_warehouse_to_crm"
CHANGED_PROPERTIES = {
    "first_name": "firstname",
    "last_name": "lastname",
    "email": "email",
    "phone": "phone",
    "city": "city",
    "country": "country",
    "lifecycle_stage": "lifecyclestage",
    "plan": "plan",
    "active": "is_active",
    "birthday": "date_of_birth",
    "renewal_date": "renewal_date",
    "revenue": "annualrevenue",
}
NIGHTLY_PROPERTIES = {
    "score": "score",
    "plan": "plan",
    "lifecycle_stage": "lifecyclestage",
    "active": "is_active",
    "renewal_date": "renewal_date",
}


@dataclass(frozen=True, slots=True)
class Act:
    """One DAG run of the demo.

    :param told: what :func:`demo.dag_run.main` wrote of it.
    :param before: HubSpot's records before it, by record id.
    :param after: and after it.
    :param wrong: what in them isn't as the outcomes say.
    """

    dag_id: str
    told: dict[str, Any]
    before: Records
    after: Records
    wrong: list[str]

    @property
    def summary(self) -> dict[str, Any]:
        """The operator's return value."""
        summary: dict[str, Any] = self.told["xcoms"]["update_contacts"]["return_value"]
        return summary

    @property
    def rejected(self) -> list[dict[str, Any]]:
        """The operator's XCom ``rejected``."""
        rejected: list[dict[str, Any]] = self.told["xcoms"]["update_contacts"]["rejected"]
        return rejected


def main() -> int:
    """Run the demo; gives the exit code."""
    console = Console(highlight=False)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    with seeded_setting(FOLDER, latency_ms=LATENCY_MS) as setting:
        rows, customers = len(setting.customers), len({row.customer_number for row in setting.customers})
        console.print()
        console.print("[bold]A shop's warehouse and its HubSpot account, which is some weeks behind[/]")
        console.print(f"  Warehouse  {rows:,} rows of {customers:,} customers, with the dirt that real tables have")
        console.print(f"  HubSpot    {len(_contacts(setting)):,} contacts, in a sandbox at {setting.sandbox.url}")
        console.print()
        try:
            look = look_before(console, setting)
            acts = [act(console, setting, CHANGED), act(console, setting, NIGHTLY)]
        except DemoError as error:
            console.print(f"[red]{error}[/]")
            return 1
        limit = setting.sandbox.statistics["max_in_10_seconds"]
    show_look(console, *look)
    show_counts(console, acts)
    show_rejected(console, acts)
    show_a_record(console, acts)
    show_the_end(console, acts, setting, fullest_window=limit)
    return 1 if any(one.wrong for one in acts) else 0


class DemoError(Exception):
    """The demo can't go on."""


def act(console: Console, setting: Setting, dag_id: str) -> Act:
    """Run a DAG through Airflow, in a process of its own, and check HubSpot's records."""
    rows, before = setting.rows(), _contacts(setting)
    result = FOLDER / f"{dag_id}.json"
    environment = airflow_environment(FOLDER / "airflow", EXAMPLE_DAGS) | setting.connections
    command = [sys.executable, "-m", "demo.dag_run", str(EXAMPLE_DAGS / f"{dag_id}.py"), str(result)]
    with console.status(f"Airflow runs {dag_id} ..."), LOG.open("ab") as log:
        ended = subprocess.run(  # noqa: S603 - our own program
            command, env=environment, cwd=REPOSITORY, stdout=log, stderr=log, stdin=subprocess.DEVNULL, check=False
        )
    if ended.returncode or not result.exists():
        raise DemoError(f"Airflow could not run {dag_id}; its log: {LOG}")
    told = json.loads(result.read_text())
    if told["state"] != "success":
        raise DemoError(f"{dag_id} ended as {told['state']}: {told['tasks']}; Airflow's log: {LOG}")
    console.print(f"  [green]✓[/] {dag_id}  ({len(told['tasks'])} tasks)")
    after = _contacts(setting)
    return Act(dag_id, told, before, after, _wrong(told, rows, before, after))


def look_before(console: Console, setting: Setting) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """Look what the nightly sync would change: its summary, and an example of each property."""
    folder = FOLDER / "look"
    folder.mkdir()
    before = _contacts(setting)
    environment = airflow_environment(FOLDER / "airflow", EXAMPLE_DAGS) | setting.connections
    with console.status("A look before the leap ..."), LOG.open("ab") as log:
        ended = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "demo.look", str(folder)],
            env=environment,
            cwd=REPOSITORY,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    if ended.returncode or _contacts(setting) != before:
        raise DemoError(f"The look before the leap went wrong; its log: {LOG}")
    examples: dict[str, list[Any]] = {}
    for path in sorted((folder / "outcomes").glob("*.jsonl")):
        for outcome in map(json.loads, path.read_text().splitlines()):
            for name, change in outcome.get("changes", {}).items():
                examples.setdefault(name, [outcome["record_id"], *change])
    return json.loads((folder / "summary.json").read_text()), examples


def _wrong(told: dict[str, Any], rows: list[dict[str, Any]], before: Records, after: Records) -> list[str]:
    rejected = {outcome["id"] for outcome in told["xcoms"]["update_contacts"]["rejected"]}
    if told["dag_id"] == CHANGED:
        rows = told["xcoms"]["changed_customers"]["return_value"]
        properties, id_column, id_property = CHANGED_PROPERTIES, "customer_number", "customer_number"
    else:
        properties, id_column, id_property = NIGHTLY_PROPERTIES, "hubspot_id", "hs_object_id"
    return wrong_records(
        rows,
        id_column=id_column,
        id_property=id_property,
        properties=properties,
        rejected_ids=rejected,
        before=before,
        after=after,
    )


def show_look(console: Console, summary: dict[str, Any], examples: dict[str, list[Any]]) -> None:
    """What the nightly sync would have changed before anything was sent."""
    table = Table(
        title="A look before the leap (validate_only)",
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=True,
    )
    for heading in ("property", "would change", "for example", "from", "to"):
        table.add_column(heading, justify="right" if heading == "would change" else "left")
    for name, count in summary["changes"].items():
        record_id, old, new = examples[name]
        table.add_row(name, f"{count:,}", f"contact {record_id}", old or "-", new)
    console.print()
    console.print(table)
    console.print(
        f"  {summary['unchanged']:,} of {summary['rows']:,} rows are in HubSpot as they are; nothing was sent."
    )


def show_counts(console: Console, acts: list[Act]) -> None:
    """What became of the rows, one column a DAG."""
    table = Table(title="What became of the rows", title_justify="left", title_style="bold", box=None, pad_edge=True)
    table.add_column("")
    for one in acts:
        table.add_column(one.dag_id, justify="right")
    for key in ("rows", "updated", "unchanged", "rejected", "unknown", "not_sent", "requests", "retries"):
        style = "green" if key == "updated" else "yellow" if key in {"rejected", "unknown"} else ""
        table.add_row(key, *(f"{one.summary[key]:,}" for one in acts), style=style)
    table.add_row("seconds", *(f"{one.summary['seconds']:.1f}" for one in acts))
    table.add_row(
        "rows a second", *(f"{one.summary['rows'] / max(one.summary['seconds'], 0.001):,.0f}" for one in acts)
    )
    console.print()
    console.print(table)


def show_rejected(console: Console, acts: list[Act]) -> None:
    """Why rows were rejected, with an example of each reason."""
    table = Table(title="Rejected, by reason", title_justify="left", title_style="bold", box=None, pad_edge=True)
    table.add_column("rows", justify="right")
    table.add_column("category")
    table.add_column("for example", overflow="fold")
    reasons: dict[str, list[dict[str, Any]]] = {}
    for one in acts:
        for outcome in one.rejected:
            reasons.setdefault(str(outcome.get("category")), []).append(outcome)
    for reason, outcomes in sorted(reasons.items(), key=lambda item: -len(item[1])):
        table.add_row(str(len(outcomes)), reason, f"{outcomes[0]['id']}: {outcomes[0].get('message')}")
    console.print()
    console.print(table)


def show_a_record(console: Console, acts: list[Act]) -> None:
    """One contact before, and now."""
    before, after = acts[0].before, acts[-1].after
    names = ("firstname", "lastname", *dict.fromkeys([*CHANGED_PROPERTIES.values(), *NIGHTLY_PROPERTIES.values()]))

    def changes(record_id: str) -> int:
        old, new = before[record_id]["properties"], after[record_id]["properties"]
        return sum(old.get(name) != new.get(name) for name in names)

    record_id = max(after, key=changes)
    old, new = before[record_id]["properties"], after[record_id]["properties"]
    table = Table(title=f"Contact {record_id}", title_justify="left", title_style="bold", box=None, pad_edge=True)
    for heading in ("property", "before", "now"):
        table.add_column(heading, overflow="fold")
    for name in dict.fromkeys(names):
        if old.get(name) or new.get(name):
            style = "" if old.get(name) == new.get(name) else "green"
            table.add_row(name, old.get(name) or "-", f"[{style or 'default'}]{new.get(name) or '-'}[/]")
    console.print()
    console.print(table)


def show_the_end(console: Console, acts: list[Act], setting: Setting, *, fullest_window: int) -> None:
    """Whether all of it is true, and where to look next."""
    with closing(sqlite3.connect(setting.warehouse)) as database:
        noted = database.execute("SELECT count(*) FROM customers WHERE hubspot_updated_at IS NOT NULL").fetchone()[0]
    wrong = [sentence for one in acts for sentence in one.wrong]
    console.print()
    if wrong:
        console.print(f"[red]{len(wrong)} values in HubSpot are not what the outcomes say:[/]")
        for sentence in wrong[:10]:
            console.print(f"  {sentence}")
    else:
        console.print("[green]Checked against the local HubSpot's own records: every outcome is true.[/]")
    console.print(f"Written back to the warehouse: record ids and HubSpot's times of {noted:,} rows.")
    console.print(f"Fullest 10 seconds: {fullest_window} of the 190 requests that HubSpot allows.")
    console.print()
    console.print("[bold]Where to look next[/]")
    places = {
        "make airflow": "the same in Airflow's web page, to click through",
        f"{_shown(EXAMPLE_DAGS)}/": "the two DAGs, to copy from",
        f"{_shown(FOLDER)}/*.json": "what the two runs left in XCom",
        f"{_shown(LOG)}": "Airflow's log of them",
        "README.md": "your own HubSpot account, your own rows",
    }
    for place, what in places.items():
        console.print(f"  {place:<20} {what}")
    console.print()


def _shown(path: Path) -> Path:
    return path.relative_to(REPOSITORY)


def _contacts(setting: Setting) -> Records:
    return setting.sandbox.objects("contacts")


if __name__ == "__main__":
    sys.exit(main())
