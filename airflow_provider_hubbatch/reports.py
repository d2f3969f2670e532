"""For tasks downstream of a sync."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_hubbatch.core.sync_report import combine

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["combined_report"]


def combined_report(summaries: Iterable[Mapping[str, Any] | None]) -> dict[str, Any]:
    """One summary of all instances of a mapped ``HubSpotBatchUpdateOperator``.

    ::

        @task(trigger_rule="all_done")  # also when some instances failed: they have pushed their summaries
        def report(summaries):
            return combined_report(summaries)

        report(update.output)

    :param summaries: the task's ``.output``, or any summaries.
    :returns: a summary as one sync has it, rows and requests added up, ``seconds`` from the first start to the last
        end; and ``syncs``: how many there were.
    """
    return combine(summaries)
