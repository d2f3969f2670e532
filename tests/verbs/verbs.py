"""The verbs, as tests of what they share call them: one entry a verb."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from airflow_provider_hubbatch.core.sync_report import SyncReport
    from airflow_provider_hubbatch.hooks import HubSpotHook
    from airflow_provider_hubbatch.sandbox import HubSpotSandbox, RecordedRequest

Rows = list[dict[str, Any]]
# (parameter, a wrong value as Python, what the message must have)
Wrong = tuple[str, str, str]

WRONG_TYPES: tuple[Wrong, ...] = (
    ("object_type", "'contacts/../companies'", "object_type"),
    ("object_type", "None", "object_type"),
)
WRONG_FOR_ALL: tuple[Wrong, ...] = (
    ("rows", "None", "rows"),
    ("rows", "42", "rows"),
    ("rows", "{'id': 1}", "rows"),
    ("min_rows", "0", "min_rows"),
    ("max_rejected", "1.5", "max_rejected"),
    ("max_rejected", "-1", "max_rejected"),
    ("results_path", "7", "results_path"),
    ("results_path", "'nowhere://x/y'", "results_path"),
    ("preflight", "'no'", "preflight"),
    ("validate_only", "0", "validate_only"),
    ("max_in_flight", "0", "max_in_flight"),
    ("requests_per_10_seconds", "0", "requests_per_10_seconds"),
    ("daily_quota_reserve", "2.0", "daily_quota_reserve"),
)
WRONG_FOR_VALUES: tuple[Wrong, ...] = (
    ("properties", "'city'", "properties"),
    ("properties", "['town']", "town"),
    ("null_values", "'erase'", "null_values"),
    ("max_cleared", "7", "max_cleared"),
    ("must_match", "{'town': 'city'}", "must_match"),
    ("write_when", "{'city': 'always'}", "write_when"),
    ("write_when", "{'town': 'empty'}", "write_when"),
    ("skip_unchanged", "True", "skip_unchanged"),
)
WRONG_IDS: tuple[Wrong, ...] = (
    ("id_column", "'nr'", "nr"),
    ("id_column", "None", "id_column"),
    ("id_property", "7", "id_property"),
)


@dataclass(frozen=True, kw_only=True)
class Verb:
    """One verb. Its rows are numbered from 1 to 200; the fixture ``hubspot`` has a contact and a company of each.

    :param label: what tests call it, where there are several of one verb.
    :param operator: its class's name.
    :param where: its parameters that say what is written.
    :param path: how the path of its writing requests ends.
    :param success: what becomes of a good row.
    :param row: the good row of a number, with a text that is found in HubSpot by ``done``.
    :param bad: a row that is rejected before anything is sent, and its category.
    :param done: the numbers of the rows whose effect HubSpot has, each as often as it has it.
    :param most_inputs: so many rows go in a request.
    :param dataset: what lineage calls what is written; ``None``: the first of ``where``.
    :param settles: whether every row comes to its end after a request that may have had its effect.
    :param wrong: wrong settings besides those of all verbs.
    """

    name: str
    label: str = ""
    operator: str
    where: Mapping[str, Any]
    path: str
    success: str
    row: Callable[[int, str], dict[str, Any]]
    bad: tuple[dict[str, Any], str]
    done: Callable[[HubSpotSandbox, str], list[int]]
    most_inputs: int = 100
    dataset: str | None = None
    settles: bool = True
    wrong: tuple[Wrong, ...] = field(default=(*WRONG_TYPES, *WRONG_FOR_ALL))

    def rows(self, numbers: Iterable[int], value: str = "Gent") -> Rows:
        """The good rows of these numbers."""
        return [self.row(number, value) for number in numbers]

    def sync(self, hook: HubSpotHook, rows: Any, **options: Any) -> SyncReport:
        """All of it, by the hook."""
        report: SyncReport = getattr(hook, f"batch_{self.name}")(rows=rows, **{**self.where, **options})
        return report

    def stream(self, hook: HubSpotHook, rows: Any, **options: Any) -> Any:
        """Its outcomes, by the hook."""
        return getattr(hook, f"iter_batch_{self.name}")(rows=rows, **{**self.where, **options})

    def writes(self, sandbox: HubSpotSandbox) -> list[RecordedRequest]:
        """The requests that write."""
        return [request for request in sandbox.requests if request.path.endswith(self.path)]

    def __str__(self) -> str:
        return self.label or self.name


def _in_cities(key: str, prefix: str = "", suffix: str = "") -> Callable[[HubSpotSandbox, str], list[int]]:
    """The numbers of the contacts whose city has the row's text, by their key; as often as there are such contacts.

    :param key: ``id``, or the property with the number between a prefix and a suffix.
    """

    def numbers(sandbox: HubSpotSandbox, value: str) -> list[int]:
        found = []
        for one, record in sandbox.objects("contacts").items():
            name = one if key == "id" else record["properties"].get(key) or ""
            number = name.removeprefix(prefix).removesuffix(suffix)
            if record["properties"].get("city") == f"{value} {number}":
                found.append(int(number))
        return found

    return numbers


def _made_cities(sandbox: HubSpotSandbox, value: str) -> list[int]:
    """The numbers in the cities of all contacts."""
    cities = [record["properties"].get("city") or "" for record in sandbox.objects("contacts").values()]
    return [int(city.removeprefix(f"{value} ")) for city in cities if city.startswith(f"{value} ")]


UPDATE = Verb(
    name="update",
    operator="HubSpotBatchUpdateOperator",
    where={"object_type": "contacts"},
    path="/batch/update",
    success="updated",
    row=lambda number, value: {"id": number, "city": f"{value} {number}"},
    bad=({"id": "bad", "city": "Gent"}, "INVALID_ID"),
    done=_in_cities("id"),
    wrong=(*WRONG_TYPES, *WRONG_FOR_ALL, *WRONG_FOR_VALUES, *WRONG_IDS, ("missing_ok", "'yes'", "missing_ok")),
)
UPSERT = Verb(
    name="upsert",
    operator="HubSpotBatchUpsertOperator",
    where={"object_type": "contacts", "id_column": "key", "id_property": "customer_number"},
    path="/batch/upsert",
    success="created",
    row=lambda number, value: {"key": f"N-{number}", "city": f"{value} {number}"},
    bad=({"key": None, "city": "Gent"}, "MISSING_ID"),
    done=_in_cities("customer_number", "N-"),
    wrong=(*WRONG_TYPES, *WRONG_FOR_ALL, *WRONG_FOR_VALUES, *WRONG_IDS, ("id_property", "None", "id_property")),
)
UPSERT_BY_EMAIL = Verb(
    name="upsert",
    label="upsert by email",
    operator="HubSpotBatchUpsertOperator",
    where={"object_type": "contacts", "id_column": "key", "id_property": "email"},
    path="/batch/create",
    success="created",
    row=lambda number, value: {"key": f"new.{number}@example.com", "city": f"{value} {number}"},
    bad=({"key": "no address", "city": "Gent"}, "INVALID_ID"),
    done=_in_cities("email", "new.", "@example.com"),
    wrong=(*WRONG_TYPES, *WRONG_FOR_ALL, *WRONG_FOR_VALUES, *WRONG_IDS),
)
CREATE = Verb(
    name="create",
    operator="HubSpotBatchCreateOperator",
    where={"object_type": "contacts", "id_column": "key", "id_property": "customer_number"},
    path="/batch/create",
    success="created",
    row=lambda number, value: {"key": f"N-{number}", "city": f"{value} {number}"},
    bad=({"key": None, "city": "Gent"}, "MISSING_ID"),
    done=_in_cities("customer_number", "N-"),
    wrong=(
        *WRONG_TYPES,
        *WRONG_FOR_ALL,
        ("properties", "['town']", "town"),
        *WRONG_IDS,
        ("existing", "'update'", "existing"),
    ),
)
CREATE_WITHOUT_KEY = Verb(
    name="create",
    label="create without a key",
    operator="HubSpotBatchCreateOperator",
    where={"object_type": "contacts"},
    path="/batch/create",
    success="created",
    row=lambda number, value: {"city": f"{value} {number}"},
    bad=({"city": "Gent", "plan": "nonsense"}, "INVALID_OPTION"),
    done=_made_cities,
    settles=False,
    wrong=(*WRONG_TYPES, *WRONG_FOR_ALL, ("properties", "['town']", "town")),
)
ARCHIVE = Verb(
    name="archive",
    operator="HubSpotBatchArchiveOperator",
    where={"object_type": "contacts"},
    path="/batch/archive",
    success="archived",
    row=lambda number, _: {"id": number},
    bad=({"id": "bad"}, "INVALID_ID"),
    done=lambda sandbox, _: [int(one) for one in sandbox.objects("contacts", archived=True)],
    wrong=(
        *WRONG_TYPES,
        *WRONG_FOR_ALL,
        *WRONG_IDS,
        ("missing_ok", "'yes'", "missing_ok"),
        ("max_archived", "0.5", "max_archived"),
        ("must_match", "'city'", "must_match"),
    ),
)


WRONG_PAIRS: tuple[Wrong, ...] = (
    ("from_object_type", "'contacts/../companies'", "from_object_type"),
    ("to_object_type", "None", "to_object_type"),
    ("from_column", "'nr'", "nr"),
    ("to_column", "None", "to_column"),
    ("from_id_property", "7", "from_id_property"),
    ("to_id_property", "'nickname'", "nickname"),
    ("label", "''", "label"),
    ("label", "'Boss'", "Primary"),
    ("label_column", "'kind'", "kind"),
    ("remove", "'yes'", "remove"),
)


def _linked(sandbox: HubSpotSandbox, _: str = "") -> list[int]:
    """The numbers of the contacts that are linked with the company of their number."""
    links = sandbox.associations("contacts", "companies")
    return [int(number) for number, companies in links.items() if number in companies]


PAIRS = {
    "from_object_type": "contacts",
    "to_object_type": "companies",
    "from_column": "contact",
    "to_column": "company",
}
ASSOCIATE = Verb(
    name="associate",
    operator="HubSpotBatchAssociateOperator",
    where=PAIRS,
    path="/batch/associate/default",
    success="created",
    row=lambda number, _: {"contact": number, "company": number},
    bad=({"contact": "bad", "company": 1}, "INVALID_ID"),
    done=_linked,
    most_inputs=2_000,
    dataset="associations/contacts/companies",
    wrong=(*WRONG_FOR_ALL, *WRONG_PAIRS),
)
ASSOCIATE_BY_KEY = Verb(
    name="associate",
    label="associate by key",
    operator="HubSpotBatchAssociateOperator",
    where={**PAIRS, "from_id_property": "customer_number", "to_id_property": "erp_id"},
    path="/batch/associate/default",
    success="created",
    row=lambda number, _: {"contact": f"C-{number:06}", "company": f"E-{number:06}"},
    bad=({"contact": "C-000001", "company": None}, "MISSING_ID"),
    done=_linked,
    most_inputs=2_000,
    dataset="associations/contacts/companies",
    wrong=(*WRONG_FOR_ALL, *WRONG_PAIRS),
)

# Labels that are there already are left alone, so that a second sync of the same rows isn't like the first.
ASSOCIATE_WITH_LABEL = replace(
    ASSOCIATE_BY_KEY,
    label="associate with a label",
    where={**ASSOCIATE_BY_KEY.where, "label": "Primary"},
    path="/companies/batch/create",
)


def _is_there(verb: Verb) -> bool:
    from airflow_provider_hubbatch.hooks import HubSpotHook

    return hasattr(HubSpotHook, f"batch_{verb.name}")


# A verb is tested from the moment that the hook has it.
VERBS = tuple(
    filter(
        _is_there, (UPDATE, UPSERT, UPSERT_BY_EMAIL, CREATE, CREATE_WITHOUT_KEY, ARCHIVE, ASSOCIATE, ASSOCIATE_BY_KEY)
    )
)
