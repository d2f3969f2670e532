"""Links: what replies say of pairs, whatever they are; and the steps of a row."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_hubbatch.core.associate_options import AssociateOptions
from airflow_provider_hubbatch.core.associations import Direction, LinkKind, kinds_in
from airflow_provider_hubbatch.core.lookup import Found
from airflow_provider_hubbatch.core.model import Input, Pair, RowOutcome, Status
from airflow_provider_hubbatch.core.protocol import Reply
from airflow_provider_hubbatch.core.verbs.associate import Associate
from airflow_provider_hubbatch.core.verbs.links import AssociateDefault, AssociateLabeled, RemoveLinks
from airflow_provider_hubbatch.core.verbs.pairs import LinksLookup
from airflow_provider_hubbatch.core.verbs.verb import LookUp, Said, Write

if TYPE_CHECKING:
    from collections.abc import Mapping

DIRECTION = Direction("contacts", "companies", "2026-03")
LINKS = LinksLookup(direction=DIRECTION)
PLAIN, BILLING, SHIPPING = LinkKind("HUBSPOT_DEFINED", 279), LinkKind("USER_DEFINED", 7), LinkKind("USER_DEFINED", 8)
KINDS: Mapping[str | None, tuple[LinkKind, ...]] = {None: (PLAIN,), "Billing": (BILLING,), "Shipping": (SHIPPING,)}
DEFAULT = AssociateDefault(direction=DIRECTION, links=LINKS, kinds=KINDS)
LABELED = AssociateLabeled(direction=DIRECTION, links=LINKS, kinds=KINDS)
REMOVE = RemoveLinks(direction=DIRECTION, links=LINKS, kinds=KINDS)


def pair(row: int, start: str, end: str, label: str | None = None) -> Input:
    """A row of these two records."""
    linked = Pair(end, start, end, label, start, end)
    return Input(row, start, start, f"{start} {end}", {}, pair=linked)


def reply(body: Any, status: int = 200) -> Reply:
    return Reply(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode())


def default_link(start: str, end: str, type_id: int = 279) -> dict[str, Any]:
    spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": type_id}
    return {"from": {"id": start}, "to": {"id": end}, "associationSpec": spec}


def invalid(*ids: str) -> dict[str, Any]:
    return {
        "status": "error",
        "category": "VALIDATION_ERROR",
        "subCategory": "crm.associations.INVALID_IDENTIFIER",
        "message": f"{ids} is not a valid identifier",
        "context": {"id": list(ids)},
    }


IDS = st.sampled_from(["1", "2", "3", "4"])
ENTRIES = st.one_of(
    st.builds(default_link, IDS, IDS, st.sampled_from([279, 280])),
    st.builds(lambda start, end: {"fromObjectId": int(start), "toObjectId": int(end), "labels": []}, IDS, IDS),
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=3), st.lists, max_leaves=3),
)
ERRORS = st.one_of(st.builds(invalid, IDS), st.just({"message": "no"}), st.just([]), st.just({"context": 7}))
BODIES = st.one_of(
    st.fixed_dictionaries(
        {},
        optional={
            "status": st.sampled_from(["COMPLETE", "PENDING", "CANCELED", 7]),
            "results": st.lists(ENTRIES, max_size=6),
            "errors": st.lists(ERRORS, max_size=3),
        },
    ),
    st.binary(max_size=20),
)


@given(st.sets(st.tuples(IDS, IDS), min_size=1), BODIES, st.sampled_from([DEFAULT, LABELED, REMOVE]))
def test_every_pair_is_in_one_group_whatever_the_reply(pairs: set[tuple[str, str]], body: Any, operation: Any) -> None:
    """Each pair is confirmed, refused, left open or looked up; confirmed only by a link from and to its records."""
    inputs = [pair(row, start, end, "Billing") for row, (start, end) in enumerate(sorted(pairs))]
    reading = operation.read(inputs, reply(body))
    groups = [
        *(item.row for item, _ in reading.confirmed),
        *(item.row for item, _ in reading.refused),
        *(item.row for item in reading.unsaid),
        *(item.row for item, _ in reading.further),
    ]
    assert sorted(groups) == [item.row for item in inputs]
    assert bool(reading.unsaid) <= bool(reading.errors)
    results = body.get("results", []) if isinstance(body, dict) else []
    named = {
        (
            str(one.get("fromObjectId", one.get("from", {}).get("id"))),
            str(one.get("toObjectId", one.get("to", {}).get("id"))),
        )
        for one in results
        if isinstance(one, dict)
    }
    for item, outcome in reading.confirmed:
        assert item.pair is not None
        assert (item.pair.from_record, item.pair.to_record) in named
        assert outcome.status is Status.CREATED


def test_a_link_told_from_the_other_side_confirms_no_pair_of_the_same_numbers() -> None:
    """Contact 1 with company 2 was made and told from both sides; contact 2 with company 1 was not."""
    inputs = [pair(0, "1", "2"), pair(1, "2", "1"), pair(2, "5", "6")]
    links = [default_link("1", "2"), default_link("2", "1", 280), default_link("5", "6"), default_link("6", "5", 280)]
    reading = DEFAULT.read(inputs, reply({"status": "COMPLETE", "results": links}))
    assert [item.row for item, _ in reading.confirmed] == [0, 2]
    assert [item.row for item, _ in reading.further] == [1]


def test_an_id_on_both_sides_is_blamed_on_nobody() -> None:
    """HubSpot says that 5 is no valid id, and contact 5 and company 5 are asked for: it may be either."""
    inputs = [pair(0, "5", "6"), pair(1, "4", "5"), pair(2, "7", "8")]
    reading = DEFAULT.read(inputs, reply({"results": [default_link("7", "8")], "errors": [invalid("5")]}))
    assert reading.refused == []
    assert [item.row for item in reading.unsaid] == [0, 1]


@pytest.mark.parametrize(("bad", "side"), [("5", "the from side"), ("6", "the to side")])
def test_the_side_that_does_not_exist_is_named(bad: str, side: str) -> None:
    """HubSpot names an id only; the message says which side of the row it is."""
    reading = DEFAULT.read([pair(0, "5", "6")], reply({"results": [], "errors": [invalid(bad)]}))
    ((_, error),) = reading.refused
    assert (error.category, error.message.partition(":")[0]) == ("OBJECT_NOT_FOUND", side)


def test_a_reply_that_names_nobody_says_nothing() -> None:
    """Of links that are made, silence is odd; of links that are taken away, it is how HubSpot answers."""
    assert DEFAULT.read([pair(0, "1", "2")], reply({"status": "COMPLETE", "results": []})).said is Said.NOTHING
    assert DEFAULT.read([pair(0, "1", "2")], reply({"status": "PENDING"})).said is Said.PENDING
    assert REMOVE.read([pair(0, "1", "2")], reply(b"", 204)).said is Said.SOMETHING


def test_one_entry_takes_all_links_of_a_record_away() -> None:
    """``from`` once, all of its ``to``."""
    inputs = [pair(0, "1", "2"), pair(1, "3", "2"), pair(2, "1", "4")]
    body = json.loads(REMOVE.request(inputs).body or b"")
    assert body["inputs"] == [
        {"from": {"id": "1"}, "to": [{"id": "2"}, {"id": "4"}]},
        {"from": {"id": "3"}, "to": [{"id": "2"}]},
    ]


def test_labels_that_a_pair_has_are_sent_with_the_new_one() -> None:
    """What it had, what the row wants, and what the rows behind it want."""
    item = pair(0, "1", "2", "Billing")
    assert item.pair is not None
    item = item._replace(pair=item.pair._replace(held=frozenset({PLAIN})))
    assert LABELED.join is not None
    joined = LABELED.join(item, [pair(1, "1", "2", "Shipping"), pair(2, "1", "9", "Shipping")])
    assert joined.pair is not None
    assert joined.pair.carried == (1,)
    (entry,) = json.loads(LABELED.request([joined]).body or b"")["inputs"]
    assert [one["associationTypeId"] for one in entry["types"]] == [279, 7, 8]


def test_a_label_that_the_reply_does_not_show_was_not_taken() -> None:
    """The link is there, without its label: the outcome names it."""
    links = [{"fromObjectId": 1, "toObjectId": 2, "labels": ["Shipping"]}]
    reading = LABELED.read([pair(0, "1", "2", "Billing")], reply({"results": links}, 201))
    ((_, outcome),) = reading.confirmed
    assert outcome.not_taken == ("Billing",)


def verb(**options: Any) -> Associate:
    given = AssociateOptions(to_object_type="companies", from_column="a", to_column="b", **options)
    return Associate.for_pairs(given, object_type="contacts", api_version="2026-03", kinds=KINDS)


def test_a_row_behind_one_of_its_pair_sends_what_that_one_has_left() -> None:
    """The same label: done; another one: with all that the pair has now; after a refusal the labels are read again."""
    by_column = verb(label_column="kind")
    step = Write(by_column.labeled, pair(1, "1", "2", "Shipping"))
    first = pair(0, "1", "2", "Billing")
    before = LABELED.linked(first, parse_one(["Billing"]))
    following = by_column.after_predecessor(step, before)
    assert isinstance(following, Write)
    assert following.item.pair is not None
    assert following.item.pair.held == {BILLING}
    both = before._replace(to=before.to._replace(kinds=frozenset({BILLING, SHIPPING}))) if before.to else before
    done = by_column.after_predecessor(step, both)
    assert isinstance(done, RowOutcome)
    assert done.status is Status.CREATED
    refused = first.outcome(Status.REJECTED, category="X")
    assert isinstance(by_column.after_predecessor(step, refused), LookUp)


def parse_one(labels: list[str]) -> Any:
    from airflow_provider_hubbatch.core.associations import parse_links

    return parse_links(reply({"results": [{"fromObjectId": 1, "toObjectId": 2, "labels": labels}]})).links[0]


def test_a_label_is_read_again_where_the_pair_was_written_since() -> None:
    """Labels that were read before another row's write would take that row's away."""
    by_label = verb(label="Billing")
    item = pair(0, "1", "2", "Billing")
    stale = Found(links={"2": frozenset({SHIPPING})}, is_stale=True)
    assert isinstance(by_label.after_lookup(item, stale), LookUp)
    fresh = by_label.after_lookup(item, Found(links={"2": frozenset({SHIPPING})}))
    assert isinstance(fresh, Write)
    assert fresh.item.pair is not None
    assert fresh.item.pair.held == {SHIPPING}
    there = by_label.after_lookup(item, Found(links={"2": frozenset({BILLING})}))
    assert isinstance(there, RowOutcome)
    assert there.status is Status.UNCHANGED


def test_links_are_read_to_their_last_page() -> None:
    """A reply with a next page is gone on with; a page that never comes is no end."""
    item = pair(0, "1", "2", "Billing")
    kinds = [{"category": "USER_DEFINED", "typeId": 8, "label": "Shipping"}]
    page = {
        "from": {"id": "1"},
        "to": [{"toObjectId": 2, "associationTypes": kinds}],
        "paging": {"next": {"after": "9"}},
    }
    (further,) = LINKS.read([item], reply({"results": [page]}), repeated=False)
    assert not isinstance(further, Found)
    assert further is not None
    assert json.loads(LINKS.request([further.item]).body or b"")["inputs"] == [{"id": "1", "after": "9"}]
    last = {"from": {"id": "1"}, "to": [{"toObjectId": "3", "associationTypes": kinds}]}
    (found,) = LINKS.read([further.item], reply({"results": [last]}), repeated=False)
    assert isinstance(found, Found)
    assert found.links == {"2": frozenset({SHIPPING}), "3": frozenset({SHIPPING})}
    (lost,) = LINKS.read([further.item], reply({"results": []}), repeated=True)
    assert isinstance(lost, Found)
    assert lost.error is not None


def test_kinds_are_known_by_their_labels() -> None:
    """The unlabeled kind has none; what makes no sense is left out."""
    entries = [
        {"category": "HUBSPOT_DEFINED", "typeId": 279, "label": None},
        {"category": "USER_DEFINED", "typeId": 7, "label": "Billing"},
        {"category": "USER_DEFINED", "label": "Odd"},
        7,
    ]
    assert kinds_in({"results": entries}) == {None: (PLAIN,), "Billing": (BILLING,)}
    assert kinds_in([]) == {}
