"""All of a sync: a fold over its outcomes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.core.costs import Costs
from airflow_provider_hubbatch.core.model import RowOutcome, Status
from airflow_provider_hubbatch.core.reasons import Reason, first_reasons, group_reasons, kept
from airflow_provider_hubbatch.core.xcom_outcomes import list_rejected, list_results
from airflow_provider_hubbatch.exceptions import SettingsError, SyncFailedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# What fits an XCom without hurting the metadata database; results_path takes every row.
MAX_KEPT_OUTCOMES = 1_000

# What a row has become that HubSpot has written.
WRITTEN = (Status.CREATED, Status.UPDATED, Status.ARCHIVED)

# What a row has become that counts towards max_rejected.
_FAILED = frozenset({Status.REJECTED, Status.UNKNOWN})

# Reasons named in an error's text; the others are in XCom and the result files.
_REASONS_NAMED = 4


@dataclass(slots=True)
class SyncReport(Costs):
    """What became of a sync's rows. Made by folding outcomes into it, one by one.

    :param object_type: as HubSpot was told; of links: of the records that they start from.
    :param to_object_type: of links: of the records that they lead to; ``None``: the sync links nothing.
    :param verb: of the sync: ``update``, ``upsert``, ...
    :param max_rejected: what :meth:`raise_for_rejected` allows unless it is told otherwise.
    :param once: sending an unknown row again may create its record twice: the rows have no key.
    :param counts: status -> rows.
    :param rejected_by_category: category -> rejected rows.
    :param changes: in a look before the leap: property -> rows that would change it.
    :param duplicates: rows whose record one of the rows just before them names too, with other values.
    :param cleared: property -> updated rows that emptied it.
    :param unread: object type -> created rows whose link to it nobody has read back; of this try.
    :param not_taken: property -> updated rows of which HubSpot shows another value than the one sent.
    :param rejected: the first 1,000 rejected and unknown outcomes, with their source rows.
    :param outcomes: every outcome, as long as there are at most 1,000; else ``None``.
    :param started_at: ISO 8601, UTC.
    :param seconds: how long it took.
    """

    object_type: str
    verb: str = "update"
    to_object_type: str | None = None
    max_rejected: float = 0
    once: bool = False
    counts: Counter[Status] = field(default_factory=Counter)
    rejected_by_category: Counter[str] = field(default_factory=Counter)
    not_taken: Counter[str] = field(default_factory=Counter)
    cleared: Counter[str] = field(default_factory=Counter)
    unread: Counter[str] = field(default_factory=Counter)
    rejected: list[RowOutcome] = field(default_factory=list)
    outcomes: list[RowOutcome] | None = field(default_factory=list)
    changes: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    resumed_rows: int = 0
    results_path: str | None = None
    started_at: str | None = None
    completed_at: str | None = None
    seconds: float = 0.0

    @property
    def subject(self) -> str:
        """What was written, in words: ``contacts``, ``contacts to companies``."""
        return self.object_type if self.to_object_type is None else f"{self.object_type} to {self.to_object_type}"

    @property
    def dataset(self) -> str:
        """What was written, as lineage calls it within the account: the links of two object types are one of both."""
        if self.to_object_type is None:
            return self.object_type
        return f"associations/{self.object_type}/{self.to_object_type}"

    @property
    def rows(self) -> int:
        """Rows read; each has one outcome."""
        return self.counts.total()

    def add(self, outcome: RowOutcome) -> None:
        """Count one more outcome."""
        self.counts[outcome.status] += 1
        if outcome.status is Status.REJECTED:
            self.rejected_by_category[outcome.category or "UNKNOWN_ERROR"] += 1
        if outcome.not_taken:
            self.not_taken.update(outcome.not_taken)
        if outcome.changes:
            self.changes.update(outcome.changes.keys())
        if outcome.cleared:
            self.cleared.update(outcome.cleared)
        if outcome.unread:
            self.unread.update(outcome.unread)
        if outcome.status in (Status.REJECTED, Status.UNKNOWN) and len(self.rejected) < MAX_KEPT_OUTCOMES:
            self.rejected.append(outcome)
        if self.outcomes is not None:
            self.outcomes.append(outcome)
            if len(self.outcomes) > MAX_KEPT_OUTCOMES:
                self.outcomes = None

    def summary(self) -> dict[str, Any]:
        """The operator's ``return_value``: counts, costs and times, fit for JSON.

        Where XCom ``rejected`` has no room for all outcomes that were kept, ``rejected_listed`` says how many it has.
        """
        listed = len(self.rejected_entries())
        return {
            "verb": self.verb,
            "object_type": self.object_type,
            **({} if self.to_object_type is None else {"to_object_type": self.to_object_type}),
            "rows": self.rows,
            **{status.value: self.counts[status] for status in Status},
            "rejected_by_category": dict(self.rejected_by_category.most_common()),
            **({"rejected_listed": listed} if listed < len(self.rejected) else {}),
            "not_taken": dict(self.not_taken.most_common()),
            "cleared": dict(self.cleared.most_common()),
            "duplicates": self.duplicates,
            **({"changes": dict(self.changes.most_common())} if self.changes else {}),
            "requests": self.requests,
            "retries": self.retries,
            "rate_limited": self.rate_limited,
            "resumed_rows": self.resumed_rows,
            "results_path": self.results_path,
            "started_at": self.started_at,
            "completed_at": self.completed_at,
            "seconds": round(self.seconds, 3),
        }

    def results(self) -> list[dict[str, Any]] | None:
        """Every outcome as the XCom ``results`` has it, in row order; ``None`` for more than 1,000 rows."""
        if self.outcomes is None:
            return None
        return list_results(sorted(self.outcomes, key=lambda one: one.row))

    def rejected_entries(self) -> list[dict[str, Any]]:
        """The first rejected and unknown outcomes, with their source rows, as the XCom ``rejected`` has them."""
        return list_rejected(self.rejected)

    def raise_for_rejected(self, max_rejected: float | None = None) -> None:
        """Fail if too many rows failed.

        :param max_rejected: rejected and unknown rows allowed: a count (int), or a share of the rows (float below 1);
            ``None``: as the sync's options say.
        :raises SyncFailedError: there are more; all other rows were written.
        """
        max_rejected = (
            self.max_rejected if max_rejected is None else check_count_or_share(max_rejected, "max_rejected", of="rows")
        )
        failed = self.counts[Status.REJECTED] + self.counts[Status.UNKNOWN]
        allowed = max_rejected * self.rows if isinstance(max_rejected, float) else max_rejected
        if failed > allowed:
            raise SyncFailedError(self._failure(failed, max_rejected), correlation_id=self._correlation(), report=self)

    def reasons(self) -> list[Reason]:
        """Why rows were rejected or are unknown, the commonest reason first."""
        return group_reasons(self.rejected_by_category, self.counts[Status.UNKNOWN], kept(self.rejected))

    def _failure(self, failed: int, max_rejected: float) -> str:
        """What happened and what to do come first: a log's page shows the beginning of a line."""
        rows = "row" if self.rows == 1 else "rows"
        advice = f"Fix {'it' if failed == 1 else 'them'} and run again"
        if self.once and (unknown := self.counts[Status.UNKNOWN]):
            advice = (
                f"{unknown:,} may have been created: look in HubSpot, and send only what isn't there, in a new DAG run"
            )
        place = self.results_path or "XCom 'rejected'"
        first = f" (the first {MAX_KEPT_OUTCOMES:,})" if failed > MAX_KEPT_OUTCOMES and not self.results_path else ""
        others = [f"{count:,} {status.value}" for status, count in self.counts.items() if status not in _FAILED]
        rest = f" Of the other rows: {', '.join(others)}." if others else ""
        why = "; ".join(first_reasons(self.reasons(), _REASONS_NAMED))
        return (
            f"{failed:,} of {self.rows:,} {rows} failed, more than max_rejected={max_rejected} allows. "
            f"{advice}: see {place}{first}.{rest} Why: {why}{self._quoted_correlation()}"
        )

    def _quoted_correlation(self) -> str:
        correlation = self._correlation()
        return f" [correlation {correlation}]" if correlation else ""

    def _correlation(self) -> str | None:
        return next((outcome.correlation_id for outcome in self.rejected if outcome.correlation_id), None)


def check_count_or_share(value: Any, setting: str, *, of: str) -> float:
    """A count (int) or a share (float), if it can be one.

    :param setting: what to call it in the error.
    :param of: what it counts.
    :raises SettingsError: it is no count of 0 or more, and no share from 0 to below 1.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, float) and 0 <= value < 1:
        return value
    raise SettingsError(
        f"{setting}={value!r}: give a count (an int of 0 or more) or a share of {of} (a float from 0.0 to below 1.0)"
    )


_SUMMED = (
    *(status.value for status in Status),
    "rows",
    "duplicates",
    "requests",
    "retries",
    "rate_limited",
    "resumed_rows",
)


def combine(summaries: Iterable[Mapping[str, Any] | None]) -> dict[str, Any]:
    """One summary of several syncs: rows and requests added up, times from the first start to the last end.

    :param summaries: of :meth:`SyncReport.summary`; ``None`` for a sync that left none.
    :returns: the same keys, and ``syncs``: how many there were. ``object_type`` and ``results_path`` are those that all
        have in common, else ``None``.
    """
    told = [summary for summary in summaries if summary is not None]
    categories: Counter[str] = Counter()
    not_taken: Counter[str] = Counter()
    cleared: Counter[str] = Counter()
    for summary in told:
        categories.update(summary["rejected_by_category"])
        not_taken.update(summary["not_taken"])
        cleared.update(summary["cleared"])
    started = min((one["started_at"] for one in told if one["started_at"]), default=None)
    completed = max((one["completed_at"] for one in told if one["completed_at"]), default=None)
    combined = {
        "verb": _in_common(told, "verb"),
        "object_type": _in_common(told, "object_type"),
        **{name: sum(one[name] for one in told) for name in _SUMMED},
        "rejected_by_category": dict(categories.most_common()),
        "not_taken": dict(not_taken.most_common()),
        "cleared": dict(cleared.most_common()),
        "results_path": _in_common(told, "results_path"),
        "started_at": started,
        "completed_at": completed,
        "seconds": _seconds_between(started, completed),
    }
    return {name: combined[name] for name in SyncReport("").summary()} | {"syncs": len(told)}


def _in_common(summaries: list[Mapping[str, Any]], name: str) -> Any:
    values = {summary[name] for summary in summaries}
    return values.pop() if len(values) == 1 else None


def _seconds_between(started: str | None, completed: str | None) -> float:
    if started is None or completed is None:
        return 0.0
    return round((datetime.fromisoformat(completed) - datetime.fromisoformat(started)).total_seconds(), 3)
