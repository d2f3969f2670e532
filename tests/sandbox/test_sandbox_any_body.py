"""Whatever a client sends, the sandbox answers, and answers as HubSpot does: with results or with an error."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_hubbatch.sandbox import HubSpotSandbox
from airflow_provider_hubbatch.sandbox.endpoints import ENDPOINTS
from airflow_provider_hubbatch.sandbox.portal import Call
from airflow_provider_hubbatch.sandbox.replies import RefusedError, Reply

if TYPE_CHECKING:
    from airflow_provider_hubbatch.sandbox.endpoints import Endpoint

pytestmark = pytest.mark.slow

CASES = int(os.environ.get("HUBBATCH_FUZZ_CASES", "20"))

NAMES = ["firstname", "email", "hs_additional_emails", "plan", "score", "renewal_date", "last_synced_at", "interests",
         "lifecyclestage", "customer_number", "hs_object_id", "nope"]  # fmt: skip
TEXTS = st.text(max_size=8) | st.sampled_from(["", "pro", ";news", "1772236800000", "2026-02-28", "a@b.co;c@d.co"])
SCALARS = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | TEXTS
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=5
)
ENDS = st.fixed_dictionaries({"id": st.sampled_from(["1", "2", "9", "x"]) | ANYTHING}) | ANYTHING
TYPES = st.lists(
    st.fixed_dictionaries(
        {
            "associationCategory": st.sampled_from(["HUBSPOT_DEFINED", "USER_DEFINED"]),
            "associationTypeId": st.sampled_from([1, 279, "279", 449, 7]) | ANYTHING,
        }
    ),
    max_size=2,
)
INPUTS = st.fixed_dictionaries(
    {},
    optional={
        "from": ENDS,
        "to": ENDS | st.lists(ENDS, max_size=2),
        "types": TYPES | ANYTHING,
        "associations": st.lists(st.fixed_dictionaries({"to": ENDS, "types": TYPES | ANYTHING}), max_size=2) | ANYTHING,
        "after": TEXTS | ANYTHING,
        "id": st.sampled_from(["1", "2", "3", "9", "C-000001"]) | ANYTHING,
        "properties": st.dictionaries(st.sampled_from(NAMES), SCALARS | ANYTHING, max_size=4) | ANYTHING,
        "idProperty": st.sampled_from(["customer_number", "email"]) | ANYTHING,
        "objectWriteTraceId": TEXTS | ANYTHING,
    },
)
OPERATORS = ["IN", "EQ", "GT", "BETWEEN", "HAS_PROPERTY", "CONTAINS_TOKEN", "NOPE"]
FILTERS = st.fixed_dictionaries(
    {"propertyName": st.sampled_from(NAMES), "operator": st.sampled_from(OPERATORS) | ANYTHING},
    optional={"value": TEXTS | ANYTHING, "highValue": TEXTS | ANYTHING, "values": st.lists(TEXTS) | ANYTHING},
)
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "inputs": st.lists(INPUTS, max_size=5) | ANYTHING,
        "properties": ANYTHING,
        "propertiesWithHistory": ANYTHING,
        "idProperty": ANYTHING,
        "name": TEXTS,
        "options": ANYTHING,
        "associations": ANYTHING,
        "limit": st.integers(0, 300) | ANYTHING,
        "after": st.integers(0, 3) | ANYTHING,
        "query": TEXTS | ANYTHING,
        "sorts": st.lists(st.sampled_from(NAMES), max_size=1) | ANYTHING,
        "filterGroups": st.lists(st.fixed_dictionaries({"filters": st.lists(FILTERS, max_size=2)}), max_size=2)
        | ANYTHING,
    },
)


@pytest.mark.parametrize(
    "endpoint", [one for one in ENDPOINTS if one.method != "GET"], ids=lambda one: f"{one.method} {one.path}"
)
@settings(max_examples=CASES, deadline=None)
@given(data=st.data())
def test_any_body_gets_an_answer(endpoint: Endpoint, data: st.DataObject) -> None:
    """For any body: a 2xx with JSON, or a refusal with a message; never a failure of the sandbox itself."""
    sandbox = HubSpotSandbox(records={"contacts": 3, "companies": 2}, behaviours=data.draw(behaviours()))
    sandbox.merge("contacts", "3", "2")
    body = data.draw(BODIES | ANYTHING)
    call = Call(
        method=endpoint.method,
        path=endpoint.path,
        version=data.draw(st.sampled_from(["2026-03", "2026-09"])),
        object_type="contacts",
        to_type=data.draw(st.sampled_from(["companies", "contacts", "pets", "products"])),
        name="1",
        query={"archived": data.draw(st.sampled_from(["true", "false", ""]))},
        headers={},
        body=orjson.dumps(body),
    )
    try:
        reply = endpoint.handler(sandbox._portal, call)
    except RefusedError as refused:
        reply = refused.reply("correlation")
        assert reply.status in {400, 404, 409}
        shown = orjson.loads(reply.body)
        assert shown.get("message") or shown.get("error") or shown["errors"][0]["message"]
    else:
        assert_accounts_for(reply, body if "/batch/" in endpoint.path else None)


def behaviours() -> st.SearchStrategy[dict[str, Any]]:
    switches = ["trace_ids_isolate_errors", "null_clears", "partly_written", "merged_ids_write", "errors_name_nothing",
                "upsert_conflicts_isolate", "create_conflicts_isolate", "none_found_is_404", "contacts_bring_companies",
                "association_ids_as_numbers", "results_echo_id_property"]  # fmt: skip
    return st.fixed_dictionaries(
        {name: st.booleans() for name in switches}
        | {
            "malformed_ids": st.sampled_from(["empty_reply", "row_left_out"]),
            "mixed_id_properties": st.sampled_from(["accepted", "refused"]),
            "read_only_writes": st.sampled_from(["refused", "ignored"]),
            "results_echo": st.sampled_from(["sent", "changed", "defaults", "nothing"]),
            "email_upserts": st.sampled_from(["keep_rest", "clear_rest", "all_or_nothing"]),
            "create_duplicates": st.sampled_from(["refused", "later_conflicts"]),
            "inline_associations": st.sampled_from(["refused", "dropped"]),
            "missing_keys": st.sampled_from(["ids", "coordinates_404", "coordinates_400"]),
            "unlinked_in_read": st.sampled_from(["error", "left_out"]),
        }
    )


def assert_accounts_for(reply: Reply, body: Any) -> None:
    """No more results and errors than there were inputs."""
    assert reply.status in {200, 201, 204, 207}
    if reply.status == 204:
        return
    shown = orjson.loads(reply.body)
    if isinstance(body, dict) and isinstance(body.get("inputs"), list) and "results" in shown:
        both_ways = 2 if "associationSpec" in str(shown["results"]) else 1
        assert len(shown["results"]) / both_ways + len(shown.get("errors", [])) <= len(body["inputs"])
