"""What a sync tells the world besides its result: metrics, asset events, hook lineage, OpenLineage facets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import Asset, Stats, get_hook_lineage_collector

from airflow_provider_hubbatch.assets import SCHEME
from airflow_provider_hubbatch.core.model import Status
from airflow_provider_hubbatch.core.sync_report import WRITTEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_provider_hubbatch.core.sync_report import SyncReport

METRICS = {
    **{f"rows.{status.value}": f"rows that ended as `{status.value}`" for status in Status},
    "requests": "requests sent, retries among them",
    "retries": "requests sent again after a failure",
    "rate_limited": "replies 429",
    "duration": "how long the sync took, in milliseconds",
}
"""The metrics of every verb and what they count; tagged with ``object_type``, those of links with ``to_object_type``,
too.
"""


def metric(verb: str, name: str) -> str:
    """A metric's full name: ``hubspot_batch_update.rows.updated``."""
    return f"hubspot_batch_{verb}.{name}"


def emit_metrics(report: SyncReport, earlier: SyncReport) -> None:
    """Count what this try has done.

    :param report: of all tries.
    :param earlier: of those before.
    """
    tags = {"object_type": report.object_type}
    if report.to_object_type is not None:
        tags["to_object_type"] = report.to_object_type
    for status in Status:
        rows = report.counts[status] - earlier.counts[status]
        if rows > 0:
            # the outcome is in the name: plain StatsD has no tags
            Stats.incr(metric(report.verb, f"rows.{status.value}"), rows, tags=tags)
    for name in ("requests", "retries", "rate_limited"):
        Stats.incr(metric(report.verb, name), getattr(report, name) - getattr(earlier, name), tags=tags)
    Stats.timing(metric(report.verb, "duration"), (report.seconds - earlier.seconds) * 1000, tags=tags)


def describe_asset_events(outlets: Iterable[Any], events: Any, report: SyncReport) -> None:
    """Put the summary into the event of every asset that the task says it updates."""
    for outlet in outlets:
        if isinstance(outlet, Asset):
            events[outlet].extra.update(report.summary())


def note_hook_lineage(hook: Any, account: Mapping[str, Any], report: SyncReport) -> None:
    """Tell Airflow's hook lineage what is written in HubSpot."""
    portal = account.get("portalId")
    if portal is not None:
        get_hook_lineage_collector().add_output_asset(hook, uri=f"{SCHEME}://{portal}/{report.dataset}")


def openlineage(
    report: SyncReport, account: Mapping[str, Any], properties: Mapping[str, str], source: tuple[str, str] | None
) -> Any:
    """The facets of a sync.

    :param properties: column -> property.
    :param source: namespace and name of the dataset that the rows come from, where it has one.
    :returns: an ``OperatorLineage``.
    """
    from airflow.providers.common.compat.openlineage.facet import (  # noqa: PLC0415 - only where it is used
        ColumnLineageDatasetFacet,
        Dataset,
        Fields,
        InputField,
        OutputDataset,
        OutputStatisticsOutputDatasetFacet,
        SchemaDatasetFacet,
        SchemaDatasetFacetFields,
    )
    from airflow.providers.openlineage.extractors import OperatorLineage  # noqa: PLC0415 - as above

    facets: dict[str, Any] = {
        "schema": SchemaDatasetFacet([SchemaDatasetFacetFields(one) for one in properties.values()])
    }
    inputs = []
    if source is not None:
        inputs.append(Dataset(*source))
        facets["columnLineage"] = ColumnLineageDatasetFacet(
            {name: Fields([InputField(*source, column)]) for column, name in properties.items()}
        )
    output = OutputDataset(
        namespace=f"{SCHEME}://{account.get('portalId', 'unknown')}",
        name=report.dataset,
        facets=facets,
        outputFacets={
            "outputStatistics": OutputStatisticsOutputDatasetFacet(rowCount=sum(report.counts[one] for one in WRITTEN))
        },
    )
    return OperatorLineage(
        inputs=inputs,
        outputs=[output],
        run_facets={f"hubspot_batch{report.verb.title()}": _run_facet(report, properties)},
    )


def _run_facet(report: SyncReport, properties: Mapping[str, str]) -> Any:
    import attr  # noqa: PLC0415 - only where OpenLineage is used
    from airflow.providers.common.compat.openlineage.facet import RunFacet  # noqa: PLC0415 - as above

    @attr.define
    class HubSpotSyncFacet(RunFacet):
        """Rows by outcome, requests, and which column went to which property."""

        summary: dict[str, Any]
        columns: dict[str, str]

    summary = {name: value for name, value in report.summary().items() if name != "results_path"}
    return HubSpotSyncFacet(summary=summary, columns=dict(properties))
