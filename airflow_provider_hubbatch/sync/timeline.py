"""The XCom ``timeline``: how a sync goes, to look at while it runs and afterwards."""

from __future__ import annotations

import logging
import time
from dataclasses import fields
from types import NoneType
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.core.model import Status
from airflow_provider_hubbatch.core.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_hubbatch.client.pace import Pace
    from airflow_provider_hubbatch.core.options import SyncOptions
    from airflow_provider_hubbatch.core.sync_report import SyncReport

log = logging.getLogger(__name__)

# Often enough to look on, rare enough to cost nothing: one push takes about 6 ms of the thread that runs the sync.
PUBLISH_EVERY_SECONDS = 10.0

# Airflow shows these among the rendered fields; each may be long.
_TEMPLATED = frozenset({"id_column", "id_property", "properties", "skip_unchanged", "results_path"})


class LiveTimeline:
    """Notes where a sync is, and publishes it every ten seconds.

    :param report: the sync's; its costs are up to date whenever :meth:`tick` is called.
    :param publish: takes :meth:`value`; ``None``: nobody looks on. If it fails, that costs the timeline, not the sync.
    :param failed: told what it has raised.
    """

    def __init__(
        self,
        report: SyncReport,
        options: SyncOptions,
        publish: Callable[[dict[str, Any]], None] | None = None,
        *,
        failed: Callable[[Exception], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._report = report
        self._options = options
        self._pace: Pace | None = None
        self._total_rows: int | None = None
        self._publish = publish
        self._failed = failed
        self._clock = clock
        self._next_at = clock() + PUBLISH_EVERY_SECONDS
        self._timeline = Timeline()

    def start(self, pace: Pace, *, total_rows: int | None) -> None:
        """The sync begins.

        :param pace: says the limit and what is left of the day.
        :param total_rows: ``None``: not known before they are read.
        """
        self._pace, self._total_rows = pace, total_rows

    def resume(self, timeline: Any) -> None:
        """Go on from what an earlier try left.

        :param timeline: :meth:`points` as the checkpoint has it; the report is as that try left it.
        """
        report = self._report
        self._timeline = Timeline.from_json(timeline)
        self._timeline.resume(
            report.seconds, rows=self._settled(), requests=report.requests, rejected=report.counts[Status.REJECTED]
        )

    def tick(self, *, last: bool = False) -> None:
        """Note where the report is, and publish if it is time.

        :param last: this try has ended.
        """
        report = self._report
        self._timeline.note(
            report.seconds,
            rows=self._settled(),
            requests=report.requests,
            rate_limited=report.rate_limited,
            rejected=report.counts[Status.REJECTED],
            last=last,
        )
        if self._publish is not None and not last and self._clock() >= self._next_at:
            self.publish()

    def publish(self) -> None:
        """Publish where the sync is: for the last time by its caller, once it has ended."""
        self._next_at = self._clock() + PUBLISH_EVERY_SECONDS
        if self._publish is None:
            return
        try:
            self._publish(self.value())
        except Exception as error:  # noqa: BLE001 - whatever Airflow raises; the sync doesn't need it
            self._publish = None
            log.warning("The XCom timeline can't be pushed, and is not tried again: %s", type(error).__name__)
            self._failed(error)

    def points(self) -> dict[str, Any]:
        """The points alone, for a checkpoint."""
        return self._timeline.as_json()

    def value(self) -> dict[str, Any]:
        """What the XCom holds, fit for JSON: no value of a row is in it.

        ``summary`` is the return value as far as it is known, ``settings`` has the sync's that are no template,
        ``total_rows`` says how many rows there are (``None``: not known beforehand), ``limit`` how many requests are
        allowed in 10 seconds, ``daily`` and ``daily_remaining`` what the account has of requests a day (``None``:
        HubSpot hasn't said).
        """
        pace, cap = self._pace, self._options.requests_per_10_seconds
        return {
            "summary": self._report.summary(),
            "settings": self._settings(),
            "total_rows": self._total_rows,
            "limit": None if pace is None else round(pace.requests_per_10_seconds(cap)),
            "daily": None if pace is None else pace.daily,
            "daily_remaining": None if pace is None else pace.daily_remaining,
            **self._timeline.as_json(),
        }

    def _settings(self) -> dict[str, Any]:
        given = {one.name: getattr(self._options, one.name) for one in fields(self._options)}
        shown = (str, int, float, NoneType)
        return {name: value for name, value in given.items() if name not in _TEMPLATED and isinstance(value, shown)}

    def _settled(self) -> int:
        """Rows done: those that a stopped sync will send on a retry are not."""
        counts = self._report.counts
        return counts.total() - (0 if self._options.validate_only else counts[Status.NOT_SENT])
