"""Fill an Airflow that nobody has used yet: its list of connections, and some weeks of runs.

As a program, in the environment of :func:`demo.airflow_home.airflow_environment`: ``python -m demo.history DAGS_FOLDER
CONNECTIONS``, of which the second is JSON: connection id -> the connection as an ``AIRFLOW_CONN_...`` variable has it.

Each sync runs once, really; then its run is copied in Airflow's database to the days before, with the numbers of
:mod:`demo.past_runs`, and the run itself removed.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from demo.dag_run import run_dag
from demo.past_runs import Night, log_lines, pushed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from demo.dag_run import DagResult

# What a task takes besides its sync.
_START_SECONDS = 1.4


@dataclass(frozen=True, slots=True)
class Past:
    """The runs of a sync before today.

    :param task_id: the sync's.
    :param every: between two runs.
    :param hour: of the last one, in UTC.
    :param rows: about how many each had; 0: as many as the run that really was.
    :param bad: runs ago -> share of its rows that were rejected, so that it failed.
    :param mostly: why they were.
    :param conf: of the run that really is.
    :param numbered: the id column, if the id of row ``n`` is ``n + 1``.
    """

    dag_id: str
    task_id: str
    runs: int
    every: timedelta
    hour: int
    rows: int = 0
    bad: Mapping[int, float] = field(default_factory=dict)
    mostly: str | None = None
    conf: dict[str, Any] | None = None
    numbered: str | None = None


DAY = timedelta(days=1)
PASTS = (
    Past("example_mapped_chunks", "update_contacts", runs=6, every=DAY, hour=1),
    Past("example_asset_schedule", "update_contacts", runs=9, every=DAY, hour=2),
    Past(
        "shop_orders_to_hubspot",
        "update_deals",
        runs=40,
        every=DAY,
        hour=3,
        rows=38_000,
        bad={5: 0.061, 6: 0.022, 23: 0.013},
        mostly="INVALID_OPTION",
        conf={"orders": 3_000},
        numbered="hubspot_id",
    ),
    Past(
        "example_warehouse_to_crm", "update_contacts", runs=21, every=DAY, hour=4, bad={9: 0.11}, mostly="INVALID_DATE"
    ),
    Past("example_hubspot_batch_update", "update_contacts", runs=24, every=DAY / 6, hour=6),
)


def main(dags_folder: str, connections: str) -> None:
    """Make the database, the list of connections and the past."""
    from airflow.utils.db import initdb
    from airflow.utils.session import create_session

    initdb()
    add_connections(json.loads(connections))
    for past in PASTS:
        result = run_dag(Path(dags_folder) / f"{past.dag_id}.py", past.dag_id, past.conf)
        with create_session() as session:
            make_past(session, past, result)


def add_connections(given: Mapping[str, str]) -> None:
    """Put them into the list, where they can be looked at, changed and tested."""
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    with create_session() as session:
        for conn_id, text in given.items():
            fields = json.loads(text)
            scheme, _, port = fields["host"].rpartition(":")
            if scheme.startswith("http") and port.isdigit():  # the button Test wants the port in a field of its own
                fields |= {"host": scheme, "port": int(port)}
            session.add(Connection(conn_id=conn_id, **fields))


def make_past(session: Session, past: Past, result: DagResult) -> None:
    """Copy the run to each time before, then remove it."""
    real, random = RealRun.read(session, result), Random(past.dag_id)
    last = datetime.now(UTC).replace(hour=past.hour, minute=0, second=0, microsecond=0)
    while last > datetime.now(UTC) - timedelta(hours=1):
        last -= past.every
    for ago in range(past.runs):
        started_at = last - ago * past.every + timedelta(seconds=random.uniform(0.5, 4.0))
        real.copy(planned(real, past, ago, started_at, random), started_at)
    real.remove()


@dataclass(slots=True)
class Instance:
    """A task instance of the past.

    :param row: of the table ``task_instance``.
    :param xcoms: what it pushed otherwise than the real one; ``None``: nothing at all.
    """

    row: dict[str, Any]
    log: list[str]
    xcoms: Mapping[str, Any] | None = field(default_factory=dict)


def planned(real: RealRun, past: Past, ago: int, started_at: datetime, random: Random) -> list[Instance]:
    """The task instances of one run: as the real one's, at another time, with other numbers."""
    copies, failed, shift = [], ago in past.bad, started_at - real.started_at
    last_sync = [one for one in real.instances if one["task_id"] == past.task_id][-1]
    for old in real.instances:
        row = {**old, "start_date": old["start_date"] + shift, "end_date": old["end_date"] + shift}
        copy = Instance(
            row, ["This run is made up, for the demo (demo/history.py); the numbers are those of a run like it"]
        )
        if old["task_id"] == past.task_id:
            once = real.xcoms_of(old)
            night = _night(past, once["return_value"], row["start_date"], random, ago)
            copy.xcoms = pushed(once, night, random)
            copy.log += log_lines(copy.xcoms)
            row["end_date"] = row["start_date"] + timedelta(seconds=night.seconds + _START_SECONDS)
            row["state"] = "failed" if failed else "success"
            if old is last_sync:
                shift += row["end_date"] - (old["end_date"] + shift)
        elif failed and old["start_date"] > last_sync["start_date"]:
            row |= {"state": "upstream_failed", "end_date": row["start_date"]}
            copy.xcoms = None
        copies.append(copy)
    return copies


def _night(past: Past, summary: Mapping[str, Any], started_at: datetime, random: Random, ago: int) -> Night:
    rows = int(past.rows * (1 - 0.004 * ago) * random.uniform(0.97, 1.05)) if past.rows else summary["rows"]
    if not past.rows and past.every < DAY:
        rows = int(rows * random.uniform(0.35, 1.0))
    usual = round(summary["rejected"] * random.uniform(0.4, 1.1))
    rejected = round(rows * past.bad[ago]) if ago in past.bad else min(usual, rows // 30)
    limited = random.randrange(3, 15) if past.rows and ago % 11 == 3 else 0
    return Night(started_at, rows, rejected, past.mostly if ago in past.bad else None, limited, past.numbered)


class RealRun:
    """A run as Airflow's tables have it.

    :param run: the row of ``dag_run``.
    :param instances: rows of ``task_instance``, in the order in which they ran.
    :param beside: rows of the tables beside: ``xcom``, ``rendered_task_instance_fields``.
    """

    def __init__(
        self,
        session: Session,
        result: DagResult,
        run: Mapping[str, Any],
        instances: list[dict[str, Any]],
        beside: Mapping[Any, list[dict[str, Any]]],
    ) -> None:
        self.instances = instances
        self._session = session
        self._xcoms = {key: result.xcoms(*key) for key in result.tasks}
        self._run = run
        self._beside = beside

    @classmethod
    def read(cls, session: Session, result: DagResult) -> RealRun:
        """The run that has just been."""
        from airflow.models import DagRun, TaskInstance
        from airflow.models.renderedtifields import RenderedTaskInstanceFields
        from airflow.models.xcom import XComModel
        from sqlalchemy import select

        def rows(model: Any) -> list[dict[str, Any]]:
            table = model.__table__
            of_the_run = (table.c.dag_id == result.dag_id) & (table.c.run_id == result.run_id)
            return [dict(row) for row in session.execute(select(table).where(of_the_run)).mappings()]

        (run,) = rows(DagRun)
        instances = sorted(rows(TaskInstance), key=lambda one: one["start_date"])
        return cls(session, result, run, instances, {one: rows(one) for one in (XComModel, RenderedTaskInstanceFields)})

    @property
    def started_at(self) -> datetime:
        """When its first task began."""
        moment: datetime = self.instances[0]["start_date"]
        return moment

    def xcoms_of(self, instance: Mapping[str, Any]) -> dict[str, Any]:
        """What it pushed."""
        return dict(self._xcoms[instance["task_id"], instance["map_index"]])

    def copy(self, instances: list[Instance], started_at: datetime) -> None:
        """Write a run with these task instances."""
        from airflow.models import DagRun
        from sqlalchemy import insert, select

        failed = any(one.row["state"] == "failed" for one in instances)
        moments = ("logical_date", "run_after", "queued_at", "start_date", "data_interval_start", "data_interval_end")
        run_id = f"manual__{started_at.isoformat()}"
        run = {**self._run, **dict.fromkeys(moments, started_at), "run_id": run_id}
        run |= {"end_date": max(one.row["end_date"] for one in instances), "state": "failed" if failed else "success"}
        del run["id"]
        self._session.execute(insert(DagRun.__table__).values(run))
        numbers = select(DagRun.id).where(DagRun.dag_id == run["dag_id"], DagRun.run_id == run_id)
        for one in instances:
            self._add(one, run_id, self._session.scalars(numbers).one())
            _write_log(one)

    def _add(self, instance: Instance, run_id: str, run_number: int) -> None:
        from airflow.models import TaskInstance
        from airflow.models.xcom import XComModel
        from sqlalchemy import insert
        from uuid6 import uuid7

        row = instance.row
        row |= {"id": uuid7(), "run_id": run_id, "queued_dttm": row["start_date"], "scheduled_dttm": row["start_date"]}
        row["duration"] = (row["end_date"] - row["start_date"]).total_seconds()
        self._session.execute(insert(TaskInstance.__table__).values(row))
        if instance.xcoms is None:
            return
        for model, rows in self._beside.items():
            for one in rows:
                of_it = (one["task_id"], one["map_index"]) == (row["task_id"], row["map_index"])
                if of_it and one.get("key") not in instance.xcoms:
                    number = {"dag_run_id": run_number} if "dag_run_id" in one else {}
                    copied = {**one, "run_id": run_id, **number}
                    self._session.execute(insert(model.__table__).values(copied))
        key = {name: row[name] for name in ("dag_id", "task_id", "map_index", "run_id")}
        for name, value in instance.xcoms.items():
            XComModel.set(key=name, value=value, **key, session=self._session)

    def remove(self) -> None:
        """It was for the copies only."""
        from airflow.models import DagRun

        self._session.delete(self._session.get(DagRun, self._run["id"]))


def _write_log(instance: Instance) -> None:
    """Where Airflow looks for the log of a task that has ended."""
    from airflow.configuration import conf

    row = instance.row
    parts = [f"{name}={row[name]}" for name in ("dag_id", "run_id", "task_id")]
    if row["map_index"] >= 0:
        parts.append(f"map_index={row['map_index']}")
    folder = Path(conf.get("logging", "base_log_folder")).joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    at = row["end_date"].isoformat()
    lines = [
        json.dumps({"timestamp": at, "level": "warning" if line.startswith("Failed") else "info", "event": line})
        for line in instance.log
    ]
    (folder / f"attempt={row['try_number']}.log").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
