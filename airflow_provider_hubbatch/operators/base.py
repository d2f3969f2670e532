"""What every operator has: rows from an upstream task in, one sync, and what became of every row in XComs.

A DAG file that imports an operator loads neither pandas nor requests: those come when the task runs.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator, conf

from airflow_provider_hubbatch.core.options import COMPARE_WITH_HUBSPOT, SyncOptions
from airflow_provider_hubbatch.core.sync_report import WRITTEN
from airflow_provider_hubbatch.exceptions import DailyQuotaError, HubSpotError, SettingsError
from airflow_provider_hubbatch.links import HubSpotObjectsLink, ResultFilesLink, SyncLink, record_address
from airflow_provider_hubbatch.retries import WORTH_A_RETRY, with_retry_policy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_hubbatch.core.sync_report import SyncReport
    from airflow_provider_hubbatch.sync.sync import Sync
    from airflow_provider_hubbatch.sync.tries import TaskTry


class HubSpotBatchOperator(BaseOperator):
    """The life of every operator's task, from its rows to its XComs.

    Everything that can be done is done; then the task fails if more rows than ``max_rejected`` were rejected or
    unknown. XComs, pushed in success and failure: ``return_value`` (a summary), ``rejected`` (the first 1,000
    rejected and unknown outcomes, with their source rows), ``results`` (every outcome, up to 1,000 rows), ``timeline``
    (how it went over time; also every ten seconds while it runs).

    :param rows: a list of dicts, a list of such lists (a mapped upstream task's output), a DataFrame, any iterable of
        dicts, ``SqlRows``, ``FileRows``, ``RejectedRows``, or the path of a ``.parquet``, ``.csv`` or ``.jsonl`` file;
        or a list of such sources. Two rows of one record take effect in input order. Templated.
    :param min_rows: fewer rows than this fail the task, before the first request where their number is known.
    :param max_rejected: rows that may fail before the task does: a count (int) or a share (float below 1).
    :param results_path: a folder for one outcome a row, as JSON lines: any path or URL that ``ObjectStoragePath``
        takes. Templated.
    :param preflight: check columns and values against HubSpot's property definitions before anything is sent.
    :param validate_only: everything but the write: what would be sent is ``not_sent``.
    :param resume: a retry goes on where the last try was stopped (Airflow 3.3 and later; else it starts over).
    :param max_in_flight: requests under way at once.
    :param requests_per_10_seconds: send at most so many; ``None``: as the connection says, else as HubSpot's replies.
    :param daily_quota_reserve: requests a day to leave for others: a count (int) or a share of the account's limit
        (float below 1).
    :param deferrable: when the daily API limit is exhausted, wait for its reset without a worker.
    :param hubspot_conn_id: the connection. Templated.
    :raises SettingsError: a parameter that isn't templated has a value that it can't have.
    """

    options_class: ClassVar[type[SyncOptions]]
    """What the verb's options are; each is an attribute of the operator."""

    named_otherwise: ClassVar[Mapping[str, str]] = {}
    """Of options whose name Airflow's operators have for something else: the attribute."""

    template_fields: Sequence[str] = ("rows", "results_path", "hubspot_conn_id")
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "properties": "json",
        "must_match": "json",
        "write_when": "json",
        "links": "json",
    }
    operator_extra_links = (SyncLink(), HubSpotObjectsLink(), ResultFilesLink())
    ui_color = "#ffe8de"

    def __init__(
        self,
        *,
        rows: Any,
        min_rows: int | None = None,
        max_rejected: float = 0,
        results_path: str | None = None,
        preflight: bool = True,
        validate_only: bool = False,
        resume: bool = True,
        max_in_flight: int = 16,
        requests_per_10_seconds: int | None = None,
        daily_quota_reserve: float = 0,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        hubspot_conn_id: str = "hubspot_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**with_retry_policy(kwargs))
        self.rows = rows
        self.min_rows = min_rows
        self.max_rejected = max_rejected
        self.results_path = results_path
        self.preflight = preflight
        self.validate_only = validate_only
        self.resume = resume
        self.max_in_flight = max_in_flight
        self.requests_per_10_seconds = requests_per_10_seconds
        self.daily_quota_reserve = daily_quota_reserve
        self.deferrable = deferrable
        self.hubspot_conn_id = hubspot_conn_id
        self._killed = False
        self._run: Sync | None = None

    def _options(self, *, templated: bool = True) -> Any:
        """The verb's options, checked.

        :param templated: ``False``: before templates are rendered: what they stand for keeps its default.
        :raises SettingsError: naming the one that is wrong.
        """
        named = {one.name: self.named_otherwise.get(one.name, one.name) for one in fields(self.options_class)}
        given = {name: getattr(self, attribute) for name, attribute in named.items()}
        if templated:
            return self.options_class(**given)
        known = {n: value for n, value in given.items() if named[n] not in self.template_fields or _is_literal(value)}
        options = self.options_class(**known)
        if known.keys() == given.keys():
            options.mapping  # noqa: B018 - checks what the columns are
        return options

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the sync.

        :returns: the summary.
        :raises AirflowFailException: no retry would help; its cause says why.
        :raises HubSpotError: a retry may help.
        """
        try:
            self._run = self._start(context)
            if self._killed:
                self._run.stop()
            self._run.finish(lambda report: self._push(context, report))
            self._run.report.raise_for_rejected()
            self._describe_asset_events(context)
        except DailyQuotaError as error:
            self._wait_for_quota(context, error)
            raise
        except WORTH_A_RETRY:
            raise
        except HubSpotError as error:
            raise AirflowFailException(str(error)) from error
        return self._run.report.summary()

    def execute_after_quota_reset(self, context: Context, event: Any = None) -> dict[str, Any]:  # noqa: ARG002
        """Go on, once the account's daily API limit has been reset."""
        return self.execute(context)

    def on_kill(self) -> None:
        """Start no more requests; the task then accounts for its rows and ends by itself.

        Airflow calls it from the moment the task runs: what comes before the sync is remembered.
        """
        self._killed = True
        if self._run is not None:
            self._run.stop()

    @property
    def shown_object_type(self) -> Any:
        """The object type of the records that rows and their outcomes name first."""
        raise NotImplementedError

    def account_details(self) -> dict[str, Any]:
        """The account's details as far as this try knows them, for the links."""
        return {} if self._run is None else self._run.account

    def get_openlineage_facets_on_complete(self, ti: Any) -> Any:  # noqa: ARG002 - OpenLineage's signature
        """What OpenLineage is told: the object written, rows by outcome, and which column went to which property."""
        if self._run is None:
            return None
        from airflow_provider_hubbatch.lineage import openlineage  # noqa: PLC0415 - only where it is used
        from airflow_provider_hubbatch.sources import dataset_of  # noqa: PLC0415 - as above

        run = self._run
        return openlineage(run.report, run.account, run.columns, dataset_of(self._given_rows()))

    def get_openlineage_facets_on_failure(self, ti: Any) -> Any:
        """As on success: a sync that failed has written rows too."""
        return self.get_openlineage_facets_on_complete(ti)

    def _describe_asset_events(self, context: Context) -> None:
        from airflow_provider_hubbatch.lineage import describe_asset_events  # noqa: PLC0415 - when the task runs

        if self.outlets and self._run is not None:
            describe_asset_events(self.outlets, context["outlet_events"], self._run.report)

    def _given_rows(self) -> Any:
        return self.rows.rows if isinstance(self.rows, _RenderedRows) else self.rows

    def _start(self, context: Context) -> Sync:
        from airflow_provider_hubbatch.hooks import HubSpotHook  # noqa: PLC0415 - loads requests

        options = self._options()
        map_index = context["ti"].map_index
        self._refuse_shared_state(context, map_index)
        return HubSpotHook(self.hubspot_conn_id).start_sync(
            self.shown_object_type,
            self._given_rows(),
            options,
            name=self.task_id if map_index is None or map_index < 0 else f"{self.task_id}-{map_index}",
            this_try=self._this_try(context),
            publish=self._publisher(context),
        )

    def _refuse_shared_state(self, context: Context, map_index: int | None) -> None:
        """Mapped tasks must not share a file of ``skip_unchanged``: each would replace what the others remember."""
        path = getattr(self, "skip_unchanged", None)
        if path in (None, COMPARE_WITH_HUBSPOT) or map_index is None or map_index < 0:
            return
        task = context["dag"].get_task(self.task_id)
        given = getattr(task, "partial_kwargs", vars(task)).get("skip_unchanged")
        if isinstance(given, str) and "map_index" not in given:
            raise SettingsError(
                f"skip_unchanged={given!r} is one file for all mapped tasks, which would replace each other's: put "
                "{{ ti.map_index }} into the path, if a record's rows always come to the same one of them, or compare "
                'with HubSpot: skip_unchanged="hubspot"'
            )

    def _this_try(self, context: Context) -> TaskTry:
        from airflow_provider_hubbatch.sync.tries import TaskTry  # noqa: PLC0415 - when the task runs

        ti, store = context["ti"], context.get("task_state_store")
        if self.resume and store is None:
            self.log.info("This Airflow keeps no state for tasks (3.3 does): a retry can't go on where this try stops")
        task = f"{ti.dag_id} {ti.run_id} {ti.task_id} {ti.map_index}"
        started_at = ti.start_date.timestamp() if ti.start_date else 0.0
        return TaskTry(task, ti.try_number, store, started_at=started_at, resumes=self.resume)

    def _wait_for_quota(self, context: Context, error: DailyQuotaError) -> None:
        """Defer until the account's daily limit is reset, if that is wanted and nothing would be sent twice."""
        ended = self._killed or self._run is None or self._run.superseded
        nothing_sent = error.report is not None and not any(map(error.report.counts.get, WRITTEN))
        goes_on = self.resume and context.get("task_state_store") is not None
        if ended or not self.deferrable or not (nothing_sent or goes_on):
            return
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger  # noqa: PLC0415 - seldom

        after = error.retry_after_seconds
        moment = datetime.now(UTC) + timedelta(seconds=3_600 if after is None else after)
        self.log.info("%s; deferring until then", error)
        self.defer(trigger=DateTimeTrigger(moment), method_name=self.execute_after_quota_reset.__name__)

    def _publisher(self, context: Context) -> Callable[[dict[str, Any]], None] | None:
        """What pushes the XCom ``timeline``; ``None`` for a task that pushes none."""
        if not self.do_xcom_push:
            return None

        def publish(timeline: dict[str, Any]) -> None:
            if self._run is None or self._run.superseded:
                return
            address = record_address(self.account_details(), str(self.shown_object_type))
            context["ti"].xcom_push(key="timeline", value={**timeline, "record_url": address})

        return publish

    def _push(self, context: Context, report: SyncReport) -> None:
        """Push the XComs: also ``return_value``, which Airflow pushes for successful tasks only."""
        if not self.do_xcom_push:
            return
        ti = context["ti"]
        ti.xcom_push(key="return_value", value=report.summary())
        ti.xcom_push(key="rejected", value=report.rejected_entries())
        results = report.results()
        if results is not None:
            ti.xcom_push(key="results", value=results)
        if self._run is not None:
            self._run.timeline.publish()

    def _do_render_template_fields(self, parent: Any, *args: Any, **kwargs: Any) -> None:
        """Render as ever, then hide the rows from "Rendered Templates": they are data, and may be many."""
        super()._do_render_template_fields(parent, *args, **kwargs)
        if parent is self and not isinstance(self.rows, _RenderedRows):
            self.rows = _RenderedRows(self.rows)


def _is_literal(value: Any) -> bool:
    """Whether a setting is what it will be when the task runs: no template, and no other task's output."""
    if isinstance(value, str):
        return "{{" not in value and "{%" not in value
    if isinstance(value, (list, tuple)):
        return all(map(_is_literal, value))
    if isinstance(value, dict):
        return all(map(_is_literal, (*value, *value.values())))
    return value is None or isinstance(value, (bool, int, float))


class _RenderedRows:
    """Rows that show what they are instead of what is in them."""

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    def __repr__(self) -> str:
        from airflow_provider_hubbatch.sources import describe  # noqa: PLC0415 - when the task runs

        return describe(self.rows)
