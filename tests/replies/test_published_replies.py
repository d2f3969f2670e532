"""Every published reply, through the hook against a server that gives it: what it says, and about which row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch import exceptions
from airflow_provider_hubbatch.core.model import Status
from airflow_provider_hubbatch.hooks import HubSpotHook
from tests.replies import published
from tests.replies.scripted_hubspot import Answer, Json, ScriptedHubSpot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_hubbatch.core.sync_report import SyncReport

HEADERS = {"X-HubSpot-Correlation-Id": published.IN_HEADER}
ROWS = 6
FIRST_BAD = 2
DEFINITIONS: list[Json] = [
    {"name": "ext", "type": "string", "hasUniqueValue": True},
    {"name": "city", "type": "string"},
]

# In 2026-03, errors beside results make a 207; 2026-09 has none.
VERSIONS = pytest.mark.parametrize("version", ["2026-03", "2026-09"])


def table(replies: Mapping[str, Any]) -> pytest.MarkDecorator:
    """A case for every one of these."""
    return pytest.mark.parametrize("reply", replies.values(), ids=list(replies))


def name_of(row: int, *, key: bool) -> str:
    """What names a row's record: its id, or its value of the unique property."""
    return f"E{row}" if key else str(501 + row)


def rows_of(
    bad: Sequence[int] = (),
    properties: Mapping[str, str] | None = None,
    others: Mapping[str, str] | None = None,
    *,
    key: bool = False,
) -> list[Json]:
    """Six rows, some of which have what HubSpot doesn't take; the last one may have some of it and be right."""
    rows: list[Json] = [{"id": name_of(row, key=key), "city": f"Town {row}"} for row in range(ROWS)]
    for row in bad:
        rows[row] |= properties or {}
    rows[-1] |= others or {}
    return rows


def hubspot_with_rows(**how: Any) -> ScriptedHubSpot:
    """A HubSpot that has their records."""
    records = {str(501 + row): {"ext": f"E{row}"} for row in range(ROWS)}
    return ScriptedHubSpot(records, definitions=DEFINITIONS, **how)


def sync(
    monkeypatch: pytest.MonkeyPatch, hubspot: ScriptedHubSpot, version: str, rows: Any, **options: Any
) -> SyncReport:
    """The report of a sync of these rows."""
    monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", hubspot.connection(api_version=version))
    return HubSpotHook().batch_update("contacts", rows, preflight=False, **options)


def filled(template: Any, bad: Sequence[Json]) -> Any:
    """A reply, with what stands in angle brackets from these inputs."""
    if isinstance(template, dict):
        return {name: filled(value, bad) for name, value in template.items()}
    if template == ["<coordinates>"]:
        return [f"0-1:ext:{one['id']}" for one in bad]
    if template in (["<ids>"], ["<traces>"]):
        key = "id" if template == ["<ids>"] else "objectWriteTraceId"
        return [one[key] for one in bad]
    if isinstance(template, list):
        return [filled(one, bad) for one in template]
    if isinstance(template, str):
        value = next((value for name, value in bad[0]["properties"].items() if name != "city"), "")
        texts = {"<id>": bad[0]["id"], "<trace>": bad[0]["objectWriteTraceId"], "<value>": value}
        for placeholder, text in texts.items():
            template = template.replace(placeholder, text)
    return template


def those_in(body: Json, ids: set[str]) -> list[Json]:
    """The inputs of a request that have one of these ids."""
    return [one for one in body["inputs"] if one["id"] in ids]


def assert_only_these_are_bad(report: SyncReport, bad: Sequence[int], category: str) -> None:
    """The bad rows are rejected for this, every other row is updated, each row once."""
    outcomes = {outcome.row: outcome for outcome in report.outcomes or []}
    assert sorted(outcomes) == list(range(ROWS)) == sorted(outcome.row for outcome in report.outcomes or [])
    assert {row: (one.status, one.category) for row, one in outcomes.items()} == {
        row: (Status.REJECTED, category) if row in bad else (Status.UPDATED, None) for row in range(ROWS)
    }


def test_the_table_has_its_sources() -> None:
    """Every reply says where its like was published; there are enough of them to mean something."""
    tables: list[dict[str, Any]] = [held for held in vars(published).values() if type(held) is dict]
    sources = [reply.source for replies in tables for reply in replies.values() if hasattr(reply, "source")]
    assert len(sources) >= 60
    assert all(len(source) > 10 for source in sources)


@VERSIONS
@table(published.REFUSALS)
def test_a_refused_batch_costs_only_the_row_that_it_is_about(
    monkeypatch: pytest.MonkeyPatch, reply: published.Refusal, version: str
) -> None:
    """The bad row has HubSpot's category, words and correlation id, wherever they were; every other row is written."""
    bad = range(FIRST_BAD, FIRST_BAD + reply.bad)
    ids = {name_of(row, key=reply.key) for row in bad}

    def refusing(verb: str, body: Json) -> Answer | None:
        found = those_in(body, ids) if verb == "update" else []
        return Answer(reply.status, filled(reply.body, found), HEADERS) if found else None

    rows = rows_of(bad, reply.properties, reply.others, key=reply.key)
    with hubspot_with_rows(script=refusing) as hubspot:
        report = sync(monkeypatch, hubspot, version, rows, id_property="ext" if reply.key else None)
    assert_only_these_are_bad(report, bad, reply.category)
    value = next(iter(reply.properties.values()))
    for outcome in report.rejected:
        assert (outcome.message or "").startswith(reply.message.replace("<value>", value))
        assert outcome.correlation_id == reply.correlation_id


@VERSIONS
@table(published.BESIDES)
def test_an_error_beside_results_costs_only_the_row_that_it_is_about(
    monkeypatch: pytest.MonkeyPatch, reply: published.Beside, version: str
) -> None:
    """The row that the error names, or that alone has no result, is rejected; the correlation id is the header's."""
    bad = range(FIRST_BAD, FIRST_BAD + reply.bad)
    ids = {name_of(row, key=reply.key) for row in bad}

    def partly(verb: str, body: Json) -> Answer | None:
        found = those_in(body, ids)
        if not found:
            return None
        good = {**body, "inputs": [one for one in body["inputs"] if one not in found]}
        told = hubspot.carried_out(verb, good).body
        if verb == "update":
            told |= {"errors": filled(reply.errors, found), "numErrors": len(reply.errors)}
        return Answer(200 if version == "2026-09" else 207, told, HEADERS)

    rows = rows_of(bad, {"plan": "Veza"}, key=reply.key)
    with hubspot_with_rows(script=partly) as hubspot:
        report = sync(monkeypatch, hubspot, version, rows, id_property="ext" if reply.key else None)
    assert_only_these_are_bad(report, bad, reply.category)
    for outcome in report.rejected:
        message = reply.message.replace("<value>", "Veza").replace("<id>", str(501 + outcome.row))
        assert (outcome.message or "").startswith(message)
        assert outcome.correlation_id == reply.correlation_id


@VERSIONS
@table(published.SILENCES)
def test_a_row_that_a_success_says_nothing_of_is_not_updated(
    monkeypatch: pytest.MonkeyPatch, reply: published.Silence, version: str
) -> None:
    """A 2xx without a word about a row confirms nothing; its outcome has the reply's correlation id."""
    (bad,) = ids = {str(501 + FIRST_BAD)}

    def silent(verb: str, body: Json) -> Answer | None:
        found = those_in(body, ids)
        if not found:
            return None
        good = {**body, "inputs": [] if reply.empties else [one for one in body["inputs"] if one["id"] != bad]}
        told = hubspot.carried_out(verb, good).body
        if verb == "read" and reply.merged_into is not None:
            told["results"].append({"id": reply.merged_into, "properties": {"hs_merged_object_ids": bad}})
        return Answer(200, told, HEADERS)

    with hubspot_with_rows(script=silent) as hubspot:
        report = sync(monkeypatch, hubspot, version, rows_of())
    assert report.counts == {Status.UPDATED: ROWS - 1, Status(reply.status): 1}
    (outcome,) = report.rejected
    assert (outcome.row, outcome.category) == (FIRST_BAD, reply.category)
    assert outcome.correlation_id == published.IN_HEADER


@VERSIONS
@table(published.ENDS)
def test_what_is_about_no_row_ends_the_sync(
    monkeypatch: pytest.MonkeyPatch, reply: published.End, version: str
) -> None:
    """The exception's class says who acts next; it has the scopes and the correlation id, wherever they were."""
    by_key = "non-unique" in str(reply.body)
    ending = hubspot_with_rows(script=lambda *_: Answer(reply.status, reply.body, HEADERS))
    with ending as hubspot, pytest.raises(getattr(exceptions, reply.error)) as caught:
        sync(monkeypatch, hubspot, version, rows_of(key=by_key), id_property="ext" if by_key else None)
    assert type(caught.value).__name__ == reply.error
    assert reply.says in str(caught.value)
    assert caught.value.correlation_id == reply.correlation_id
    assert getattr(caught.value, "scopes", ()) == reply.scopes
    assert caught.value.report.counts[Status.REJECTED] == caught.value.report.counts[Status.UPDATED] == 0
    assert caught.value.report.rows == ROWS


@table(published.SINGLES)
def test_a_refused_single_request_keeps_hubspots_words(
    monkeypatch: pytest.MonkeyPatch, reply: published.Single
) -> None:
    """Status, category, words and correlation id, for the caller; the words aren't in the exception's text."""
    with hubspot_with_rows(script=lambda *_: Answer(reply.status, reply.body, HEADERS)) as hubspot:
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", hubspot.connection())
        with pytest.raises(exceptions.RequestRefusedError) as caught:
            HubSpotHook().request("POST", "/crm/objects/2026-03/contacts/batch/read", {"inputs": []})
    error = caught.value
    assert (error.status, error.category, error.hubspot_message) == (reply.status, reply.category, reply.message)
    assert error.correlation_id == reply.correlation_id
    assert reply.message is None or reply.message not in str(error)


@VERSIONS
@table(published.PASSINGS)
def test_what_passes_is_sent_again(monkeypatch: pytest.MonkeyPatch, reply: published.Passing, version: str) -> None:
    """A limit, a lock, a page of a gateway: the same request once more, and every row is updated."""
    answers = [Answer(reply.status, reply.body, {**HEADERS, **reply.headers})]
    with hubspot_with_rows(script=lambda *_: answers.pop() if answers else None) as hubspot:
        report = sync(monkeypatch, hubspot, version, rows_of())
    assert report.counts == {Status.UPDATED: ROWS}
    assert (report.retries, report.rate_limited) == (1, int(reply.status == 429))


@VERSIONS
@table(published.DUPLICATES)
def test_rows_taken_for_one_record_are_sent_one_by_one(
    monkeypatch: pytest.MonkeyPatch, reply: published.Duplicates, version: str
) -> None:
    """Nothing is wrong with any of them: each is written, the one after the other."""
    ids = {"502", "504"}

    def refusing(verb: str, body: Json) -> Answer | None:
        found = those_in(body, ids) if verb == "update" else []
        return Answer(reply.status, filled(reply.body, found), HEADERS) if len(found) > 1 else None

    with hubspot_with_rows(script=refusing) as hubspot:
        report = sync(monkeypatch, hubspot, version, rows_of())
    assert report.counts == {Status.UPDATED: ROWS}


@VERSIONS
@table(published.ACCEPTED)
def test_unusual_successes_are_successes(
    monkeypatch: pytest.MonkeyPatch, reply: published.Accepted, version: str
) -> None:
    """Every row that the results name is updated, whatever stands beside them, by one request."""

    def answer(verb: str, body: Json) -> Answer:
        return Answer(reply.status, {**hubspot.carried_out(verb, body).body, **reply.reply})

    with hubspot_with_rows(script=answer) as hubspot:
        report = sync(monkeypatch, hubspot, version, rows_of())
    assert report.counts == {Status.UPDATED: ROWS}
    assert report.requests == 1
