"""The hook: a connection to HubSpot, with one token, one pace and one way to retry for everything it does."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import requests
from airflow.providers.common.compat.sdk import mask_secret
from airflow.providers.http.hooks.http import HttpHook

from airflow_provider_hubbatch import __version__, get_provider_info
from airflow_provider_hubbatch.client.client import HubSpotClient
from airflow_provider_hubbatch.client.settings import DEFAULT_HOST, ConnectionSettings
from airflow_provider_hubbatch.core import protocol
from airflow_provider_hubbatch.core.associate_options import AssociateOptions
from airflow_provider_hubbatch.core.error_reply import parse_error
from airflow_provider_hubbatch.core.options import ArchiveOptions, CreateOptions, UpdateOptions, UpsertOptions
from airflow_provider_hubbatch.exceptions import HubSpotError, RequestRefusedError
from airflow_provider_hubbatch.sync.sync import Sync

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_hubbatch.core.model import RowOutcome
    from airflow_provider_hubbatch.core.options import RecordOptions
    from airflow_provider_hubbatch.core.sync_report import SyncReport
    from airflow_provider_hubbatch.core.verdicts import RetryPolicy


class HubSpotHook(HttpHook):
    """Talk to HubSpot with an Airflow connection of type ``hubspot``.

    Everything that one hook does shares its token, its pacing and its retries; several threads may use it at once. The
    connection is read once, when it is first needed.

    Many methods: each of HubSpot's batch endpoints has two, its report and its stream of outcomes.

    :param hubspot_conn_id: the connection.
    """

    conn_name_attr = "hubspot_conn_id"
    default_conn_name = "hubspot_default"
    conn_type = "hubspot"
    hook_name = "HubSpot"
    default_host = DEFAULT_HOST

    def __init__(self, hubspot_conn_id: str = default_conn_name) -> None:
        super().__init__(method="POST", http_conn_id=hubspot_conn_id)
        self.hubspot_conn_id = hubspot_conn_id
        self._client: HubSpotClient | None = None
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """What it was made of: the client belongs to this process, and has secrets."""
        own = vars(HubSpotHook())
        added = {name: value for name, value in vars(self).items() if name not in own}
        return {**added, "hubspot_conn_id": self.hubspot_conn_id, "method": self.method}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A hook of the same connection, which reads it again."""
        HubSpotHook.__init__(self, state["hubspot_conn_id"])
        vars(self).update(state)

    # --- the connection form -----------------------------------------------------------------------------------

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """The form's own fields, for Airflow before 3.2; later ones read them in the provider's description."""
        from wtforms import IntegerField, PasswordField, StringField  # noqa: PLC0415 - not where no form is shown
        from wtforms.validators import Optional, any_of  # noqa: PLC0415 - as above

        widgets = {}
        for name, declared in _form()["conn-fields"].items():
            schema = declared["schema"]
            field = IntegerField if "integer" in schema["type"] else StringField
            if schema.get("format") == "password":
                field = PasswordField
            validators = [Optional(), *([any_of(schema["enum"])] if "enum" in schema else [])]
            widgets[name] = field(
                declared["label"],
                validators=validators,
                description=declared["description"],
                default=schema.get("default"),
            )
        return widgets

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Which of Airflow's fields the form hides, and what it calls the others; for Airflow before 3.2."""
        behaviour = _form()["ui-field-behaviour"]
        return {name.replace("-", "_"): value for name, value in behaviour.items()}

    # --- any endpoint ------------------------------------------------------------------------------------------

    def get_conn(
        self, headers: dict[Any, Any] | None = None, extra_options: dict[str, Any] | None = None
    ) -> requests.Session:
        """A ``requests`` session with the token and the connection's transport settings, as HttpHook's ``run`` uses it.

        Nothing of the connection's extra becomes a header. Prefer :meth:`request`, which paces and retries.

        :param headers: more headers.
        :param extra_options: as HttpHook has them: ``timeout``, ``verify``, ``proxies``, ...
        """
        client = self.client
        options = client.send_options
        self.base_url = options.base_url
        self._base_url_initialized = True
        session = requests.Session()
        session.trust_env = False  # what the environment says is in the options; no netrc in place of the token
        self._configure_session_from_mount_adapters(session)
        session.headers.update({"User-Agent": user_agent(), "Content-Type": "application/json"})
        session.headers.update({"Authorization": client.authorization(), **(headers or {})})
        session.verify, session.cert = options.verify, options.cert
        session.proxies = {"all": options.proxy} if options.proxy else {}
        self.merged_extra = {"timeout": options.timeout_seconds, "allow_redirects": False, **(extra_options or {})}
        return session

    def check_response(self, response: requests.Response) -> None:
        """What :meth:`run` does about a refusal: raise, without logging what HubSpot says, which may quote values.

        :raises RequestRefusedError: the status is no 2xx.
        """
        if not 200 <= response.status_code < 300:  # noqa: PLR2004 - HTTP's own
            reply = protocol.Reply(response.status_code, response.headers, response.content)
            error = parse_error(self.client.redactor.reply(reply))
            raise RequestRefusedError(
                f"HubSpot answered {response.status_code} {error.category}",
                status=response.status_code,
                category=error.category,
                correlation_id=error.correlation_id,
                hubspot_message=error.message or None,
            )

    def request(self, method: str, path: str, json: Any = None, *, repeatable: bool | None = None) -> Any:
        """Send one request to any endpoint of HubSpot's, with the same token, pacing and retries.

        What may have reached HubSpot without a reply is sent again only where doing it twice does no harm: every
        method but POST, and of POSTs those whose path reads, searches, updates, upserts, archives or links.

        :param method: ``GET``, ``POST``, ...
        :param path: from the host's root, with its query: ``/crm/v3/owners?limit=100``.
        :param json: the body.
        :param repeatable: ``True``: sending it twice does no harm; ``False``: it does; ``None``: as described above.
        :returns: what the reply's JSON holds, or ``None`` for an empty one.
        :raises UnconfirmedRequestError: it may have taken effect, and was not sent again.
        :raises HubSpotError: by its class: access, refused, unavailable.
        """
        return self.client.request(method, path, json, repeatable=repeatable)

    def properties(self, object_type: str) -> list[dict[str, Any]]:
        """The property definitions of an object type, as HubSpot gives them.

        :raises SettingsError: there is no such object type.
        """
        return self.client.properties(object_type)

    def account(self) -> dict[str, Any]:
        """The account's details: ``portalId``, ``accountType``, ``timeZone``, ``uiDomain``, ..."""
        return self.client.account()

    def test_connection(self) -> tuple[bool, str]:
        """Whether the connection works, and a sentence for the connection form's button; within seconds."""
        from airflow_provider_hubbatch.client import connection_test  # noqa: PLC0415 - for the form only

        try:
            return connection_test.describe(self.quick_client())
        except HubSpotError as error:
            return False, str(error)
        except Exception as error:  # noqa: BLE001 - the form shows what it is, but not words that nobody has checked
            return False, f"The connection can't be tested ({type(error).__name__})"

    # --- batches -----------------------------------------------------------------------------------------------

    def batch_update(self, object_type: str, rows: Any, **options: Any) -> SyncReport:
        """Update records from rows, and say what became of each.

        :param object_type: ``contacts``, ``2-1234567``, ``p1_pets``, ...
        :param rows: dicts, a DataFrame, ``SqlRows``, a path, ...: whatever the operator takes.
        :param options: the operator's: :class:`~airflow_provider_hubbatch.core.options.UpdateOptions`.
        :returns: the report; ``report.raise_for_rejected()`` fails if too many rows did.
        :raises HubSpotError: the sync could not be done or not be finished; ``error.report`` says how far it came.
        """
        return self.start_sync(object_type, rows, UpdateOptions(**options)).finish()

    def iter_batch_update(self, object_type: str, rows: Any, **options: Any) -> Iterator[RowOutcome]:
        """As :meth:`batch_update`, but gives the outcomes as they come, in no order, at constant memory."""
        yield from self.start_sync(object_type, rows, UpdateOptions(**options))

    def batch_upsert(self, object_type: str, rows: Any, **options: Any) -> SyncReport:
        """Create the records of rows that HubSpot doesn't have, update the others; otherwise as :meth:`batch_update`.

        :param options: the operator's: :class:`~airflow_provider_hubbatch.core.options.UpsertOptions`.
        """
        return self.start_sync(object_type, rows, UpsertOptions(**options)).finish()

    def iter_batch_upsert(self, object_type: str, rows: Any, **options: Any) -> Iterator[RowOutcome]:
        """As :meth:`batch_upsert`, but gives the outcomes as they come, in no order, at constant memory."""
        yield from self.start_sync(object_type, rows, UpsertOptions(**options))

    def batch_create(self, object_type: str, rows: Any, **options: Any) -> SyncReport:
        """Create a record for every row; otherwise as :meth:`batch_update`.

        :param options: the operator's: :class:`~airflow_provider_hubbatch.core.options.CreateOptions`.
        """
        return self.start_sync(object_type, rows, CreateOptions(**options)).finish()

    def iter_batch_create(self, object_type: str, rows: Any, **options: Any) -> Iterator[RowOutcome]:
        """As :meth:`batch_create`, but gives the outcomes as they come, in no order, at constant memory."""
        yield from self.start_sync(object_type, rows, CreateOptions(**options))

    def batch_archive(self, object_type: str, rows: Any, **options: Any) -> SyncReport:
        """Archive the records of rows, which can be restored within 90 days; otherwise as :meth:`batch_update`.

        :param options: the operator's: :class:`~airflow_provider_hubbatch.core.options.ArchiveOptions`.
        """
        return self.start_sync(object_type, rows, ArchiveOptions(**options)).finish()

    def iter_batch_archive(self, object_type: str, rows: Any, **options: Any) -> Iterator[RowOutcome]:
        """As :meth:`batch_archive`, but gives the outcomes as they come, in no order, at constant memory."""
        yield from self.start_sync(object_type, rows, ArchiveOptions(**options))

    def batch_associate(self, from_object_type: str, to_object_type: str, rows: Any, **options: Any) -> SyncReport:
        """Link the two records that each row names, or take their link away; otherwise as :meth:`batch_update`.

        :param options: the operator's: :class:`~airflow_provider_hubbatch.core.associate_options.AssociateOptions`;
            ``from_column`` and ``to_column`` at least.
        """
        linked = AssociateOptions(to_object_type=to_object_type, **options)
        return self.start_sync(from_object_type, rows, linked).finish()

    def iter_batch_associate(
        self, from_object_type: str, to_object_type: str, rows: Any, **options: Any
    ) -> Iterator[RowOutcome]:
        """As :meth:`batch_associate`, but gives the outcomes as they come, in no order, at constant memory."""
        linked = AssociateOptions(to_object_type=to_object_type, **options)
        yield from self.start_sync(from_object_type, rows, linked)

    def start_sync(self, object_type: str, rows: Any, options: RecordOptions | AssociateOptions, **run: Any) -> Sync:
        """A sync that has not begun: iterate over it for its outcomes, stop it from anywhere.

        :param options: they say which verb.
        :param run: the further parameters of :class:`~airflow_provider_hubbatch.sync.sync.Sync`.
        :raises SettingsError: a setting is wrong.
        """
        return Sync(self.client, object_type, rows, options, lineage_context=self, **run)

    # --- inside ------------------------------------------------------------------------------------------------

    @property
    def client(self) -> HubSpotClient:
        """The way to HubSpot: made of the connection when it is first needed, and shared by all threads.

        :raises SettingsError: naming the connection's field that is wrong.
        """
        with self._lock:
            if self._client is None:
                self._client = self._new_client(self._read_settings())
            return self._client

    def quick_client(self) -> HubSpotClient:
        """A client of its own that gives up within seconds, for somebody who waits for the answer.

        :raises SettingsError: as :attr:`client`.
        """
        from airflow_provider_hubbatch.client import connection_test  # noqa: PLC0415 - not where tasks run

        settings = connection_test.patient_for_seconds(self._read_settings())
        return self._new_client(settings, connection_test.POLICY)

    def _new_client(self, settings: ConnectionSettings, policy: RetryPolicy | None = None) -> HubSpotClient:
        return HubSpotClient(settings, user_agent=user_agent(), mask=mask_secret, policy=policy)

    def _read_settings(self) -> ConnectionSettings:
        settings = ConnectionSettings.from_connection(self.get_connection(self.hubspot_conn_id))
        for danger in settings.dangers:
            self.log.warning("%s", danger[0].upper() + danger[1:])
        return settings


def user_agent() -> str:
    """``airflow-provider-hubbatch/0.1.0 apache-airflow/3.3.2``"""
    from airflow import __version__ as airflow_version  # noqa: PLC0415 - lazy in Airflow itself

    return f"airflow-provider-hubbatch/{__version__} apache-airflow/{airflow_version}"


def _form() -> dict[str, Any]:
    """What the provider's description says of the connection form."""
    (described,) = get_provider_info()["connection-types"]
    return dict(described)
