"""One batch update from beginning to end: rows checked and mapped, sent by the engine, folded into a report."""

from __future__ import annotations

import itertools
import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch import sources
from airflow_provider_hubbatch.core import protocol
from airflow_provider_hubbatch.core.definitions import RECORD_ID_PROPERTY, definitions_from_json
from airflow_provider_hubbatch.core.errors import HubSpotError, MissingScopesError
from airflow_provider_hubbatch.core.mapping import MappingSpec, RowMapping, compile_mapping
from airflow_provider_hubbatch.core.report import SyncReport
from airflow_provider_hubbatch.core.values import equal_values
from airflow_provider_hubbatch.engine import Counters, Plan, Sync
from airflow_provider_hubbatch.progress import ProgressLog, closing_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_hubbatch.core.definitions import PropertyDefinition
    from airflow_provider_hubbatch.core.model import Chunk, RowOutcome
    from airflow_provider_hubbatch.core.options import SyncOptions
    from airflow_provider_hubbatch.hooks import HubSpotHook

log = logging.getLogger(__name__)


class BatchUpdateRun:
    """A sync: iterate over it once, for one outcome a row.

    The outcomes come as HubSpot answers, in no order. When it ends with an exception, every row read has had its
    outcome before, and the exception carries the report.

    :param hook: the way to HubSpot.
    :param rows: whatever the operator takes.
    """

    def __init__(self, hook: HubSpotHook, object_type: str, rows: Any, options: SyncOptions) -> None:
        self._hook = hook
        self._rows = rows
        self._options = options
        self._object_type = protocol.checked_object_type(object_type)
        self._spec = MappingSpec.checked(
            id_column=options.id_column,
            id_property=None if options.id_property == RECORD_ID_PROPERTY else options.id_property,
            properties=options.properties,
            null_values=options.null_values,
        )
        self._sync: Sync | None = None
        self._stopped = False
        self._counters = Counters()
        self.report = SyncReport(object_type=object_type, max_rejected=options.max_rejected)

    def stop(self) -> None:
        """Start no more requests; what has no reply soon is accounted for. Safe in a signal handler."""
        self._stopped = True
        if self._sync is not None:
            self._sync.stop()

    def __iter__(self) -> Iterator[RowOutcome]:
        """The outcomes.

        :raises HubSpotError: the sync could not be done, or not to its end.
        """
        started = time.monotonic()
        self.report.started_at = _now()
        chunks = sources.chunks(self._rows, columns=self._columns())
        try:
            yield from self._outcomes(chunks)
        except HubSpotError as error:
            error.report = self.report
            raise
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()
            self._note_costs(time.monotonic() - started)

    def _columns(self) -> list[str] | None:
        wanted = self._spec.properties
        return None if wanted is None else list(dict.fromkeys([self._spec.id_column, *wanted]))

    def _outcomes(self, chunks: Iterator[Chunk]) -> Iterator[RowOutcome]:
        first = next(chunks, None)
        if first is None:
            log.info("There are no rows: nothing to send to HubSpot")
            return
        mapping = self._mapping(first)
        log.info(
            "Updating %s in HubSpot from %s: %s in column %r, %d properties",
            self._object_type,
            sources.describe(self._rows),
            f"the property {self._spec.id_property}" if self._spec.id_property else "the record id",
            self._spec.id_column,
            len(mapping.names),
        )
        prepared = (mapping.prepare(chunk) for chunk in itertools.chain([first], chunks))
        with self._hook.transport(self._options.max_in_flight) as transport:
            dispatcher = self._hook.dispatcher(transport, self._options.max_in_flight, self._counters)
            progress = ProgressLog(log, self.report, dispatcher.limiter, total_rows=sources.total_rows(self._rows))
            sync = self._sync = Sync(
                self._plan(mapping), prepared, dispatcher=dispatcher, transport=transport, tick=progress.tick
            )
            if self._stopped:
                sync.stop()
            yield from self._folded(sync)

    def _folded(self, sync: Sync) -> Iterator[RowOutcome]:
        try:
            for outcome in sync.run():
                self.report.add(outcome)
                yield outcome
        except GeneratorExit:
            raise
        except BaseException:
            # raised by the sync itself, which has accounted for everything, or between two outcomes of it
            for outcome in sync.wind_up():
                self.report.add(outcome)
                yield outcome
            raise

    def _mapping(self, first: Chunk) -> RowMapping:
        return compile_mapping(
            self._spec,
            chunk_columns=list(first.columns),
            complete=first.complete,
            definitions=self._definitions(),
            object_type=self._object_type,
        )

    def _definitions(self) -> dict[str, PropertyDefinition] | None:
        """HubSpot's definitions, which preflight and an id property need; ``None`` without the scope to read them."""
        if not self._options.preflight and self._spec.id_property is None:
            return None
        try:
            return definitions_from_json(self._hook.properties(self._object_type))
        except MissingScopesError as error:
            log.warning(
                "The token may not read the property definitions of %s, so that columns and values are not checked "
                "before they are sent: %s",
                self._object_type,
                error,
            )
            return None

    def _plan(self, mapping: RowMapping) -> Plan:
        return Plan(
            update=protocol.BatchUpdate(self._object_type, self._spec.id_property, self._hook.api_version),
            equal=lambda name, ours, hubspots: equal_values(ours, hubspots, mapping.definition(name)),
            missing_ok=self._options.missing_ok,
            max_in_flight=self._options.max_in_flight,
            validate_only=self._options.validate_only,
        )

    def _note_costs(self, seconds: float) -> None:
        report, counters = self.report, self._counters
        report.requests, report.retries = counters.requests, counters.retries
        report.rate_limited, report.refused_requests = counters.rate_limited, counters.refused
        report.completed_at, report.seconds = _now(), seconds
        log.info("%s", closing_line(report, self._hook.limiter().daily_remaining))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
