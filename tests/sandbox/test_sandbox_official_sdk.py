"""HubSpot's newer Python client, hubspot-sdk, drives every endpoint, and believes every reply.

It checks each reply against HubSpot's own types (``_strict_response_validation``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch.sandbox.endpoints import ENDPOINTS
from airflow_provider_hubbatch.sandbox.routing import Routes
from tests.sandbox.verbs import PLAIN, PRIMARY

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.conftest import MakeSandbox, Pair

sdk = pytest.importorskip("hubspot_sdk")

PAIR_FROM = {"from_object_type": "contacts"}
# Its types know ids of linked records as texts; recorded replies have numbers
TEXT_IDS = {"association_ids_as_numbers": False}


@pytest.fixture
def pair(make: MakeSandbox) -> Pair:
    """Some contacts, companies, deals and pets."""
    return make(records={"contacts": 20, "companies": 5, "deals": 5, "pets": 3}, behaviours=TEXT_IDS)


def connect(pair: Pair, token: str | None = None, *, strict: bool = True) -> Any:
    """The client, pointed at the sandbox, without its own retries."""
    return sdk.HubSpot(
        access_token=token or pair.sandbox.token,
        base_url=pair.sandbox.url,
        max_retries=0,
        _strict_response_validation=strict,
    )


def new(number: int, **more: Any) -> dict[str, Any]:
    named = {"email": f"new{number}@example.com", "firstname": "New", "lastname": "One"}
    return {"properties": named, "associations": [], **more}


def drive_batches(client: Any, pair: Pair) -> None:
    batch = client.crm.objects.contacts.batch
    updated = batch.update(inputs=[{"id": one, "properties": {"city": "Oslo"}} for one in ("1", "2")])
    assert (updated.status, {one.id for one in updated.results}) == ("COMPLETE", {"1", "2"})
    assert all(one.properties["city"] == "Oslo" for one in updated.results)
    made = batch.create(inputs=[new(1, object_write_trace_id="a"), new(2, object_write_trace_id="b")])
    assert {one.properties["email"] for one in made.results} == {"new1@example.com", "new2@example.com"}
    keys = ("C-000003", "X-1")
    named = {"firstname": "Ada", "lastname": "Bauer"}
    rows = [
        {"id": key, "id_property": "customer_number", "properties": {**named, "email": f"{key}@example.com"}}
        for key in keys
    ]
    upserted = batch.upsert(inputs=rows)
    assert {(one.properties["email"], one.new) for one in upserted.results} == {
        ("c-000003@example.com", False),
        ("x-1@example.com", True),
    }
    read = batch.get(
        inputs=[{"id": "C-000004"}],
        properties=["plan"],
        properties_with_history=["plan"],
        id_property="customer_number",
    )
    assert read.results[0].id == "4"
    assert read.results[0].properties_with_history["plan"][0].value == read.results[0].properties["plan"]
    assert batch.delete(inputs=[{"id": "5"}, {"id": "999"}]) is None
    (archived,) = batch.get(inputs=[{"id": "5"}], properties=[], properties_with_history=[], archived=True).results
    assert archived.archived_at >= archived.created_at


def drive_single_records(client: Any, pair: Pair) -> None:
    contacts = client.crm.objects.contacts
    made = contacts.create(**new(9))
    assert contacts.get(made.id).properties["email"] == "new9@example.com"
    changed = contacts.update("new9@example.com", properties={"city": "Rome"}, id_property="email")
    assert (changed.id, changed.properties["city"]) == (made.id, "Rome")
    assert contacts.delete(made.id) is None
    with pytest.raises(sdk.NotFoundError) as gone:
        contacts.get(made.id)
    assert gone.value.body["category"] == "OBJECT_NOT_FOUND"
    assert len(list(contacts.list(limit=7))) == len(pair.sandbox.objects("contacts"))


def drive_search(client: Any, pair: Pair) -> None:
    emails = [pair.sandbox.objects("contacts")[one]["properties"]["email"] for one in ("11", "12")]
    filters = [{"filters": [{"property_name": "email", "operator": "IN", "values": emails}]}]
    found = client.crm.objects.contacts.search(
        after="", filter_groups=filters, limit=1, properties=["email", "city"], sorts=["email"]
    )
    assert (found.total, len(found.results), found.paging.next.after) == (2, 1, "1")
    rest = client.crm.objects.contacts.search(
        after=found.paging.next.after, filter_groups=filters, limit=1, properties=["email"], sorts=["email"]
    )
    assert {found.results[0].id, rest.results[0].id} == {"11", "12"}


def drive_associations(client: Any, pair: Pair) -> None:
    links, labels = (
        client.crm.associations.batch,
        client.crm.associations_schema.labels.list_labels("companies", **PAIR_FROM),
    )
    assert {one.label: one.type_id for one in labels.results} == {None: 279, "Primary": 1}
    default = links.create_default("companies", **PAIR_FROM, inputs=[{"from": {"id": "1"}, "to": {"id": "2"}}])
    assert {one.association_spec.association_type_id for one in default.results} == {279, 280}
    made = links.create("companies", **PAIR_FROM, inputs=[{"from": {"id": "2"}, "to": {"id": "3"}, "types": PRIMARY}])
    assert (made.results[0].from_object_id, made.results[0].labels) == ("2", ["Primary"])
    read = links.get("companies", **PAIR_FROM, inputs=[{"id": "1"}, {"id": "2"}])
    assert {one.from_.id: one.to[0].to_object_id for one in read.results} == {"1": "2", "2": "3"}
    assert links.delete_labels(
        "companies", **PAIR_FROM, inputs=[{"from": {"id": "2"}, "to": {"id": "3"}, "types": PRIMARY}]
    ) is None  # fmt: skip
    assert pair.sandbox.associations("contacts", "companies")["2"]["3"][0]["label"] is None
    assert links.delete("companies", **PAIR_FROM, inputs=[{"from": {"id": "2"}, "to": [{"id": "3"}]}]) is None
    assert "2" not in pair.sandbox.associations("contacts", "companies")


def drive_owners(client: Any, pair: Pair) -> None:
    found = list(client.crm.owners.list(limit=2))
    assert [one.id for one in found] == ["71001", "71002", "71003", "71004", "71005"]
    assert client.crm.owners.get(71002).email == found[1].email
    pair.sandbox.archive_owner("71005")
    assert [one.id for one in client.crm.owners.list(archived=True)] == ["71005"]


def drive_properties(client: Any, pair: Pair) -> None:
    properties = client.crm.properties
    assert any(one.name == "customer_number" and one.has_unique_value for one in properties.list("contacts").results)
    made = properties.create(
        "contacts", name="tier", label="Tier", type="string", field_type="text", group_name="contactinformation"
    )
    assert properties.get("tier", object_type="contacts").label == made.label == "Tier"


def drive_account(client: Any, pair: Pair) -> None:
    assert client.account.get().portal_id == 123_456
    usage = client.account.get_daily_private_apps_usage().results[0]
    assert 0 < usage.current_usage < usage.usage_limit


DRIVES: list[Callable[[Any, Pair], None]] = [
    drive_batches,
    drive_single_records,
    drive_search,
    drive_associations,
    drive_owners,
    drive_properties,
    drive_account,
]


@pytest.mark.parametrize("drive", DRIVES, ids=lambda drive: drive.__name__)
def test_the_sdk_gets_what_it_expects(pair: Pair, drive: Callable[[Any, Pair], None]) -> None:
    """A family of endpoints, driven by HubSpot's own client, which checks the shape of every reply."""
    with connect(pair) as client:
        drive(client, pair)
    assert {request.status for request in pair.sandbox.requests} <= {200, 201, 204, 404}


def test_the_sdk_drives_every_endpoint(pair: Pair) -> None:
    """No endpoint of the sandbox is left out by the tests above; tokens are refreshed by form, which it doesn't do."""
    with connect(pair) as client:
        for drive in DRIVES:
            drive(client, pair)
    routes = Routes()
    driven = {routes.find(request.method, request.path).endpoint for request in pair.sandbox.requests}
    assert {one.path for one in set(ENDPOINTS) - driven} == {"/oauth/{version}/token"}


def test_the_sdk_takes_numbers_as_ids(make: MakeSandbox) -> None:
    """Ids of linked records are numbers in HubSpot's replies, whatever its types say: its client takes them."""
    pair = make(records={"contacts": 2, "companies": 2})
    with connect(pair, strict=False) as client:
        made = client.crm.associations.batch.create(
            "companies", **PAIR_FROM, inputs=[{"from": {"id": "1"}, "to": {"id": "2"}, "types": PLAIN}]
        )
    assert (made.results[0].from_object_id, made.results[0].to_object_id) == (1, 2)


def errors_of(batch: Any) -> list[dict[str, Any]]:
    """The errors in a 207, which its types don't know, but keep."""
    errors: list[dict[str, Any]] = batch.model_extra["errors"]
    assert batch.model_extra["numErrors"] == len(errors)
    return errors


def test_the_sdk_sees_the_errors_of_a_207(pair: Pair) -> None:
    """Rows that are refused in a 2xx: missing ids, values, conflicts, links to nobody and records without links."""
    with connect(pair) as client:
        batch, links = client.crm.objects.contacts.batch, client.crm.associations.batch
        updated = batch.update(inputs=[{"id": "1", "properties": {"city": "x"}}, {"id": "999", "properties": {}}])
        assert errors_of(updated)[0]["context"] == {"ids": ["999"]}
        email = pair.sandbox.objects("contacts")["7"]["properties"]["email"]
        taken = new(3, object_write_trace_id="taken") | {"properties": {"email": email}}
        bad = new(4, object_write_trace_id="bad") | {"properties": {"plan": "Veza"}}
        refused = {one["context"]["objectWriteTraceId"][0]: one for one in errors_of(batch.create(inputs=[taken, bad]))}
        assert refused["taken"]["category"] == "CONFLICT"
        assert refused["bad"]["category"] == "VALIDATION_ERROR"
        linked = links.create(
            "companies", **PAIR_FROM, inputs=[{"from": {"id": "1"}, "to": {"id": "99"}, "types": PLAIN}]
        )
        assert errors_of(linked)[0]["subCategory"] == "crm.associations.INVALID_IDENTIFIER"
        read = links.get("companies", **PAIR_FROM, inputs=[{"id": "3"}])
        assert errors_of(read)[0]["subCategory"] == "crm.associations.NO_ASSOCIATIONS_FOUND"
    # Its type of an error has keys that real ones leave out
    with connect(pair, strict=False) as client:
        default = client.crm.associations.batch.create_default(
            "companies", **PAIR_FROM, inputs=[{"from": {"id": "x"}, "to": {"id": "1"}}]
        )
    assert (default.num_errors, default.errors[0].context) == (1, {"id": ["x"]})


def update(client: Any, **properties: str) -> Any:
    return client.crm.objects.contacts.batch.update(inputs=[{"id": "1", "properties": properties}])


def create(client: Any, email: str) -> Any:
    return client.crm.objects.contacts.batch.create(inputs=[{"properties": {"email": email}, "associations": []}])


@pytest.mark.parametrize(
    ("error", "status", "category", "call"),
    [
        ("BadRequestError", 400, "VALIDATION_ERROR", lambda client: update(client, plan="Veza")),
        ("BadRequestError", 400, "VALIDATION_ERROR", lambda client: update(client, nope="x")),
        ("BadRequestError", 400, "VALIDATION_ERROR", lambda client: update(client, customer_number="C-000002")),
        ("ConflictError", 409, "CONFLICT", lambda client: create(client, "taken@example.com")),
        ("NotFoundError", 404, "OBJECT_NOT_FOUND", lambda client: client.crm.objects.contacts.get("999")),
        ("NotFoundError", 404, "OBJECT_NOT_FOUND", lambda client: client.crm.owners.get(1)),
        (
            "NotFoundError",
            404,
            "OBJECT_NOT_FOUND",
            lambda client: client.crm.properties.get("nope", object_type="contacts"),
        ),
        (
            "BadRequestError",
            400,
            "VALIDATION_ERROR",
            lambda client: client.crm.associations.batch.create(
                "companies",
                **PAIR_FROM,
                inputs=[{"from": {"id": "1"}, "to": {"id": "1"}, "types": [{**PLAIN[0], "associationTypeId": 9}]}],
            ),
        ),
        (
            "BadRequestError",
            400,
            "VALIDATION_ERROR",
            lambda client: client.crm.objects.contacts.search(
                after="", filter_groups=[], limit=201, properties=[], sorts=[]
            ),
        ),
        (
            "BadRequestError",
            400,
            "VALIDATION_ERROR",
            lambda client: client.crm.objects.contacts.batch.delete(inputs=[{"id": "x"}]),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_sdk_raises_for_refusals(
    pair: Pair, error: str, status: int, category: str, call: Callable[[Any], Any]
) -> None:
    """A refused request is its exception, with HubSpot's category, message and correlation id."""
    pair.sandbox.set_value("contacts", "3", "email", "taken@example.com")
    with connect(pair) as client, pytest.raises(getattr(sdk, error)) as refused:
        call(client)
    assert refused.value.status_code == status
    assert refused.value.body["category"] == category
    assert refused.value.body["message"]
    assert refused.value.body["correlationId"] == refused.value.response.headers["x-hubspot-correlation-id"]


def test_the_sdk_tells_tokens_scopes_and_limits_apart(make: MakeSandbox) -> None:
    """A wrong token, a missing scope and a full window are its three exceptions."""
    pair = make(tokens={"all": None, "none": ["crm.objects.deals.read"]}, requests_per_10_seconds=1)
    with connect(pair, "garbage") as client, pytest.raises(sdk.AuthenticationError):
        update(client, city="x")
    with connect(pair, "none") as client, pytest.raises(sdk.PermissionDeniedError) as forbidden:
        update(client, city="x")
    assert forbidden.value.body["category"] == "MISSING_SCOPES"
    with connect(pair, "all") as client:
        update(client, city="x")
        with pytest.raises(sdk.RateLimitError) as limited:
            update(client, city="x")
    assert limited.value.body["policyName"] == "TEN_SECONDLY_ROLLING"
