"""Finding records by search: what a reply proves, and what is asked again."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_hubbatch.core.definitions import PropertyDefinition
from airflow_provider_hubbatch.core.error_reply import ErrorReply
from airflow_provider_hubbatch.core.keys import KeyKind, kind_of_key
from airflow_provider_hubbatch.core.lookup import BatchReadLookup, Found
from airflow_provider_hubbatch.core.lookup_queue import LookupQueue
from airflow_provider_hubbatch.core.model import Input
from airflow_provider_hubbatch.core.protocol import Reply, Window
from airflow_provider_hubbatch.core.search_lookup import SearchLookup, lookups_for
from airflow_provider_hubbatch.core.values import order_key

TEXT = PropertyDefinition(name="domain", type="string")
NUMBER = PropertyDefinition(name="domain", type="number")


def search(definition: PropertyDefinition | None = TEXT) -> SearchLookup:
    return SearchLookup(object_type="companies", api_version="2026-03", id_property="domain", definition=definition)


def row_of(number: int, name: str) -> Input:
    return Input(number, name, name, order_key(name), {"city": "Gent"})


def rows_of(*names: str) -> list[Input]:
    return [row_of(number, name) for number, name in enumerate(names)]


def reply_of(*records: tuple[str, Any], total: Any = ..., **more: Any) -> Reply:
    results = [{"id": one, "properties": {} if value is None else {"domain": value}} for one, value in records]
    body = {"total": len(results) if total is ... else total, "results": results, **more}
    return Reply(200, {"x-hubspot-correlation-id": "c-1"}, orjson.dumps(body))


def told(answers: list[Found | None]) -> list[str | None]:
    """The record, the category of an error, or nothing."""
    return [
        None
        if one is None
        else one.record.id
        if one.record is not None
        else one.error.category
        if one.error is not None
        else "?"
        for one in answers
    ]


def read(rows: list[Input], reply: Reply, *, repeated: bool = False, **how: Any) -> list[str | None]:
    return told(search(**how).read(rows, reply, repeated=repeated))


def test_the_request_has_each_value_once_as_search_takes_it() -> None:
    """Text in lower case, since search finds no other; in its own window."""
    request = search().request(rows_of("Acme.com", "ACME.com", "b.com"))
    body = json.loads(request.body or b"")
    (wanted,) = body["filterGroups"][0]["filters"]
    assert wanted == {"propertyName": "domain", "operator": "IN", "values": ["acme.com", "b.com"]}
    assert (body["limit"], body["properties"]) == (200, ["domain"])
    assert (request.window, request.repeatable) == (Window.SEARCH, True)


@pytest.mark.parametrize(
    ("kind", "ours", "sent", "hubspots"),
    [
        ("string", "Acme.COM", "acme.com", " acme.com "),
        ("", "Acme.COM", "acme.com", "ACME.com"),
        ("number", "7.5", "7.5", "7.50"),
        ("date", "2024-02-29", "1709164800000", "2024-02-29"),
        ("datetime", "2024-02-29T12:00:00.000Z", "1709208000000", "2024-02-29T12:00:00Z"),
        ("datetime", "2024-02-29T12:00:00.000Z", "1709208000000", "1709208000000"),
        ("enumeration", "Pro", "Pro", "Pro"),
        ("bool", "true", "true", "true"),
    ],
)
def test_values_are_compared_as_hubspot_compares(kind: str, ours: str, sent: str, hubspots: str) -> None:
    """Text without case and outer blanks, numbers and times by what they mean, options as they are."""
    definition = PropertyDefinition(name="domain", type=kind)
    assert search(definition).told(ours) == sent
    assert read(rows_of(ours), reply_of(("1", hubspots)), definition=definition) == ["1"]


@pytest.mark.parametrize(("kind", "hubspots"), [("enumeration", "pro"), ("number", "many"), ("string", "acme.org")])
def test_another_value_is_another_record(kind: str, hubspots: str) -> None:
    """A record with a value that wasn't asked for is none of the rows', whatever search takes for equal."""
    definition = PropertyDefinition(name="domain", type=kind)
    rows = rows_of("7" if kind == "number" else "Pro")
    assert read(rows, reply_of(("1", hubspots)), definition=definition) == ["OBJECT_NOT_FOUND"]


def test_none_one_or_several() -> None:
    """A complete reply says it of every row; two writings of one value are one."""
    rows = rows_of("a.com", "b.com", "c.com", "A.com")
    reply = reply_of(("2", "b.com"), ("11", "C.com"), ("9", " c.com"), ("1", "a.COM"))
    assert read(rows, reply) == ["1", "2", "AMBIGUOUS_ID", "1"]
    found = search().read(rows_of("c.com", "x.com"), reply_of(("11", "C.com"), ("9", "c.com")), repeated=False)
    assert found[0] is not None
    assert found[0].error is not None
    assert "records have this domain: 9, 11. None of them is touched" in found[0].error.reason
    assert found[0].error.correlation_id == "c-1"


@pytest.mark.parametrize(
    "reply",
    [
        reply_of(("1", "a.com"), total=2),
        reply_of(("1", "a.com"), total=0),
        reply_of(("1", "a.com"), total=None),
        reply_of(("1", "a.com"), total=True),
        reply_of(("1", "a.com"), total="1"),
        reply_of(("1", "a.com"), ("2", None)),
        reply_of(("1", "a.com"), ("2", "")),
        reply_of(("1", "a.com"), ("1", "a.com")),
        Reply(200, {}, b'{"total": 1}'),
        Reply(200, {}, b'{"total": 0, "results": {}}'),
        Reply(200, {}, b'{"total": 1, "results": [{"properties": {"domain": "a.com"}}]}'),
        Reply(200, {}, b"[]"),
        Reply(200, {}, b"null"),
    ],
)
def test_a_reply_that_is_not_whole_proves_neither_one_nor_none(reply: Reply) -> None:
    """A page that is short, another total, no value, nonsense: asked again, and in the end unknown, alone."""
    assert read(rows_of("a.com", "b.com"), reply) == [None, None]
    assert read(rows_of("a.com", "b.com"), reply, repeated=True) == [None, None]
    assert read(rows_of("a.com"), reply, repeated=True) == ["NO_ANSWER"]


def test_several_are_several_whatever_is_missing() -> None:
    """Of a value that thousands share, one page is enough; the message doesn't claim to name all."""
    records = [(str(number), "a.com") for number in range(1, 201)]
    (found, other) = search().read(rows_of("a.com", "b.com"), reply_of(*records, total=12_345), repeated=False)
    assert other is None
    assert found is not None
    assert found.error is not None
    assert "1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and more" in found.error.reason


def test_a_refusal_says_nothing_of_records() -> None:
    """A search that finds none answers so; what says otherwise isn't about the rows."""
    error = ErrorReply("OBJECT_NOT_FOUND", "resource not found", status=404)
    assert told(search().read_absence(rows_of("a", "b"), error, repeated=False)) == [None, None]
    assert told(search().read_absence(rows_of("a"), error, repeated=True)) == ["NO_ANSWER"]


@pytest.mark.parametrize(
    ("id_property", "object_type", "definition", "kind"),
    [
        (None, "companies", None, KeyKind.RECORD_ID),
        ("hs_object_id", "companies", None, KeyKind.RECORD_ID),
        ("email", "contacts", PropertyDefinition(name="email"), KeyKind.EMAIL),
        ("email", "companies", PropertyDefinition(name="email"), KeyKind.SEARCHED),
        ("domain", "companies", PropertyDefinition(name="domain"), KeyKind.SEARCHED),
        ("domain", "companies", None, KeyKind.UNIQUE),
        ("erp_id", "companies", PropertyDefinition(name="erp_id", unique=True), KeyKind.UNIQUE),
        ("hs_sku", "products", PropertyDefinition(name="hs_sku"), KeyKind.UNIQUE),
    ],
)
def test_the_lookup_that_a_key_needs(
    id_property: str | None, object_type: str, definition: PropertyDefinition | None, kind: KeyKind
) -> None:
    """None for record ids and unique properties, batch/read for addresses, search for all else."""
    assert kind_of_key(id_property, object_type, definition) is kind
    given = {
        "object_type": object_type,
        "api_version": "2026-03",
        "id_property": id_property,
        "definition": definition,
    }
    needed = {KeyKind.SEARCHED: SearchLookup, KeyKind.EMAIL: BatchReadLookup}.get(kind, type(None))
    first, then = lookups_for(**given)  # type: ignore[arg-type]
    assert (type(first), then) == (needed, None)
    by_id = BatchReadLookup if kind is KeyKind.UNIQUE else needed
    assert type(lookups_for(**given, by_record_id=True).lookup) is by_id  # type: ignore[arg-type]
    # what is found by search may be behind: what records have is read by their ids
    first, then = lookups_for(**given, reads_also=frozenset({"name"}))  # type: ignore[arg-type]
    assert type(first) is (SearchLookup if kind is KeyKind.SEARCHED else BatchReadLookup)
    assert (then is not None) == (kind is KeyKind.SEARCHED)


# --- the queue -----------------------------------------------------------------------------------------------------


class Index:
    """A search over records that may lose results, gives short pages, and never lies otherwise."""

    def __init__(self, held: list[str], lost: list[bool], page: int) -> None:
        self.records = [(str(100 + number), value) for number, value in enumerate(held)]
        self.lost = lost
        self.page = page
        self.searches = 0

    def answer(self, asked: list[Input]) -> Reply:
        self.searches += 1
        wanted = {one.id.lower() for one in asked}
        found = [one for one in self.records if one[1].lower() in wanted]
        shown = found[: self.page]
        if self.lost and self.lost.pop():
            shown = shown[1:]
        return reply_of(*shown, total=len(found))

    def truth(self, name: str) -> str:
        ids = [record for record, value in self.records if value.lower() == name.lower()]
        return "OBJECT_NOT_FOUND" if not ids else ids[0] if len(ids) == 1 else "AMBIGUOUS_ID"


NAMES = st.integers(0, 12).map(lambda number: f"k{number}") | st.integers(0, 12).map(lambda number: f"K{number}")


@given(
    st.lists(NAMES, max_size=60),
    st.lists(NAMES, max_size=60),
    st.lists(st.booleans(), max_size=10),
    st.integers(3, 20),
    st.data(),
)
def test_every_row_comes_out_once_in_order_with_its_own_record(
    names: list[str], held: list[str], lost: list[bool], page: int, data: st.DataObject
) -> None:
    """Whatever is shared, lost or cut, and in whatever order replies come: never a wrong record, never one of several;
    each value is asked for once, unless a reply leaves it open.
    """
    index, queue = Index(held, lost, page), LookupQueue(search())
    index_is_whole = not any(lost) and page >= len(held)
    came: list[tuple[int, Found]] = []
    flying: list[Any] = []

    def go_on() -> None:
        came.extend((item.row, found) for item, found, _ in queue.ready())

    waiting = list(reversed(rows_of(*names)))
    while waiting or len(queue):
        choices = [*(["add"] if waiting else []), *(["ask"] if queue.unasked else []), *(["answer"] if flying else [])]
        match data.draw(st.sampled_from(choices)):
            case "add":
                if queue.add(waiting.pop()):
                    go_on()
            case "ask":
                flying.append(queue.take(0))
            case "answer":
                batch = flying.pop(data.draw(st.integers(0, len(flying) - 1)))
                asked = list(batch.asked)
                answers = queue.lookup.read(asked, index.answer(asked), repeated=batch.repeated)
                flying += queue.answer(batch, answers)
                go_on()
    assert [row for row, _ in came] == list(range(len(names)))
    for row, found in came:
        (said,) = told([found])
        assert said == index.truth(names[row]) or (said == "NO_ANSWER" and not index_is_whole)
    if index_is_whole:
        assert index.searches <= len({name.lower() for name in names})


def test_a_value_is_asked_for_once_in_thousands_of_rows() -> None:
    """20 values in 5,000 rows: one search; those that come later need none."""
    queue = LookupQueue(search())
    rows = rows_of(*[f"k{number % 20}" for number in range(5_000)])
    assert not any(map(queue.add, rows[:4_000]))
    assert queue.unasked == 20
    batch = queue.take(0)
    assert (len(batch.asked), len(queue), queue.unasked) == (20, 4_000, 0)
    index = Index([f"K{number}" for number in range(20)], [], 200)
    queue.answer(batch, queue.lookup.read(batch.asked, index.answer(list(batch.asked)), repeated=False))
    assert [item.row for item, _, _ in queue.ready()] == list(range(4_000))
    for row in rows[4_000:]:
        assert queue.add(row)
        (came,) = queue.ready()
        assert came[0] is row
    assert len(queue) == 0


def test_what_is_remembered_is_bounded() -> None:
    """A million different values don't stay."""
    queue = LookupQueue(search())
    for first in range(0, 12_000, 100):
        for row in range(first, first + 100):
            queue.add(row_of(row, f"k{row}"))
        batch = queue.take(0)
        queue.answer(batch, queue.lookup.read(batch.asked, reply_of(), repeated=False))
        assert len(list(queue.ready())) == 100
    assert len(queue._remembered) == 10_000
    assert (len(queue._found), len(queue._waiting)) == (0, 0)
