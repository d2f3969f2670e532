"""Where a row goes next that links its new record from the start: pure decisions, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_hubbatch.core.associations import Direction, LinkKind
from airflow_provider_hubbatch.core.batch_reply import Record
from airflow_provider_hubbatch.core.error_reply import OBJECT_NOT_FOUND, ErrorReply
from airflow_provider_hubbatch.core.link_spec import LinkSpec
from airflow_provider_hubbatch.core.lookup import Found
from airflow_provider_hubbatch.core.model import Input, NewLinks, RowOutcome, Status
from airflow_provider_hubbatch.core.new_links import LinkColumn
from airflow_provider_hubbatch.core.options import CreateOptions
from airflow_provider_hubbatch.core.protocol import decode
from airflow_provider_hubbatch.core.verbs.create import Create
from airflow_provider_hubbatch.core.verbs.linked_create import LinkedCreate
from airflow_provider_hubbatch.core.verbs.verb import LookUp, Write

if TYPE_CHECKING:
    from airflow_provider_hubbatch.core.verbs.verb import Step

PLAIN, BILLING = LinkKind("HUBSPOT_DEFINED", 204), LinkKind("USER_DEFINED", 1001)
KINDS: dict[str | None, tuple[LinkKind, ...]] = {None: (PLAIN,), "Billing": (BILLING,)}


def verb(*specs: LinkSpec, **options: Any) -> LinkedCreate:
    create = Create.for_sync(
        CreateOptions(**options),
        object_type="tasks",
        id_property=options.get("id_property"),
        api_version="2026-03",
        definitions={},
    )
    columns = [
        LinkColumn.known(one, Direction("tasks", one.object_type, "2026-03"), KINDS, definitions=None) for one in specs
    ]
    return LinkedCreate.of(create, columns)


CONTACT = LinkSpec("contacts", "contact", "email")
COMPANY = LinkSpec("companies", "account", label="Billing")
MADE = Record("900", {"subject": "Call"}, "2026-01-01T00:00:00Z")


def row(named: tuple[str | None, ...], records: tuple[str | None, ...], **more: Any) -> Input:
    return Input(7, "a", "", "row 7", {"subject": "Call"}, links=NewLinks(named, records), **more)


def looked_up(step: Step) -> LookUp:
    assert isinstance(step, LookUp)
    return step


def outcome(step: Step) -> RowOutcome:
    assert isinstance(step, RowOutcome)
    return step


def test_a_row_without_links_is_written_at_once() -> None:
    """As a create without links."""
    create = verb(CONTACT)
    item = row((), ())._replace(links=None)
    assert create.first_step(item) == Write(create.operation, item)


def test_record_ids_are_not_looked_up() -> None:
    """They go with the create as they are, each with its kind of link."""
    create = verb(COMPANY)
    step = create.first_step(row(("5",), ("5",)))
    assert isinstance(step, Write)
    (sent,) = decode(create.operation.request([step.item]).body or b"")["inputs"]
    assert sent["associations"] == [
        {"to": {"id": "5"}, "types": [{"associationCategory": "USER_DEFINED", "associationTypeId": 1001}]}
    ]


def test_keys_are_looked_up_one_after_the_other() -> None:
    """Each under its own name; then the row is written under its own again, with the record ids."""
    create = verb(CONTACT, LinkSpec("companies", "account", "erp_id"))
    step = looked_up(create.first_step(row(("ann@example.com", "E-1"), (None, None))))
    assert (step.lookup.object_type, step.item.id, step.outcome) == ("contacts", "ann@example.com", None)
    step = looked_up(create.after_lookup(step.item, Found(Record("11", {}))))
    assert (step.lookup.object_type, step.item.id) == ("companies", "E-1")
    last = create.after_lookup(step.item, Found(Record("22", {})))
    assert isinstance(last, Write)
    assert last.item._replace(links=None) == row((), ())._replace(links=None)
    assert last.item.links == NewLinks(("ann@example.com", "E-1"), ("11", "22"), looked_up=2)


def test_one_lookup_serves_all_rows() -> None:
    """So that each different key is asked for once."""
    create = verb(CONTACT)
    first, second = (looked_up(create.first_step(row((one,), (None,)))).lookup for one in ("a@x.com", "b@x.com"))
    assert first is second
    assert first.remembers


@pytest.mark.parametrize("category", [OBJECT_NOT_FOUND, "AMBIGUOUS_ID"])
def test_a_record_that_is_not_found_rejects_the_row(category: str) -> None:
    """The message names the object type and the column."""
    create = verb(CONTACT)
    step = looked_up(create.first_step(row(("ann@example.com",), (None,))))
    told = outcome(create.after_lookup(step.item, Found(error=ErrorReply(category, "there is none"))))
    assert (told.row, told.id, told.status, told.category) == (7, "a", Status.REJECTED, category)
    assert told.message == "the link to contacts (column 'contact'): there is none. Nothing was created"


def test_what_a_try_before_may_have_made_is_looked_for() -> None:
    """A row whose linked record is gone by now is created all the same, if it was made; its link isn't read."""
    create = verb(CONTACT, id_column="key", id_property="erp_id")
    item = row(("ann@example.com",), (None,), in_doubt_since="2026-01-01T00:00:00Z")._replace(id="K", key="k")
    gone = Found(error=ErrorReply(OBJECT_NOT_FOUND, "none"))
    step = looked_up(create.after_lookup(looked_up(create.first_step(item)).item, gone))
    assert (step.lookup, step.item.id, step.item.key) == (create.by_key, "K", "k")
    told = outcome(create.after_lookup(step.item, gone))
    assert (told.status, told.category) == (Status.REJECTED, OBJECT_NOT_FOUND)
    assert "the link to contacts" in str(told.message)
    made = MADE._replace(created_at="2026-01-01T00:00:05Z")
    told = outcome(create.after_lookup(step.item, Found(made)))
    assert (told.status, told.record_id, told.unread) == (Status.CREATED, "900", ("contacts",))
    another = made._replace(properties={"subject": "Write"})
    assert outcome(create.after_lookup(step.item, Found(another))).category == "CONFLICT"


def test_a_row_without_a_link_keeps_its_place() -> None:
    """It goes through the same lookups, which ask nothing for it: so it doesn't overtake another row of its key."""
    create = verb(CONTACT)
    step = looked_up(create.first_step(row((None,), (None,))))
    assert step.item.id == ""
    last = create.after_lookup(step.item, Found())
    assert isinstance(last, Write)
    assert "associations" not in decode(create.operation.request([last.item]).body or b"")["inputs"][0]


# --- once the record is there -------------------------------------------------------------------------------------


def created(item: Input) -> RowOutcome:
    return RowOutcome(item.row, item.given_id, Status.CREATED, "900")


def test_links_are_read_one_after_the_other() -> None:
    """A row that is cut off in between is created, with the links that nobody has read."""
    create, item = verb(COMPANY, CONTACT), row(("5", "a@x.com"), ("5", "11"))
    step = looked_up(create.after_writing(item, created(item)))
    assert (step.item.id, step.item.key, step.lookup.is_urgent) == ("900", "row 7", True)
    assert step.outcome == created(item)._replace(unread=("companies", "contacts"))
    step = looked_up(create.after_lookup(step.item, Found(links={"5": frozenset({PLAIN, BILLING})})))
    assert step.outcome == created(item)._replace(unread=("contacts",))
    assert create.after_lookup(step.item, Found(links={"11": frozenset({PLAIN})})) == created(item)


@pytest.mark.parametrize(
    ("links", "not_taken"),
    [
        ({}, ("companies",)),
        ({"6": frozenset({PLAIN, BILLING})}, ("companies",)),
        ({"5": frozenset({PLAIN})}, ("companies",)),
        ({"5": frozenset({PLAIN, BILLING}), "6": frozenset({PLAIN})}, ()),
    ],
)
def test_a_link_that_is_not_there_is_named(links: Any, not_taken: tuple[str, ...]) -> None:
    """So is one without its label."""
    create, item = verb(COMPANY), row(("5",), ("5",))
    step = looked_up(create.after_writing(item, created(item)))
    told = outcome(create.after_lookup(step.item, Found(links=links)))
    assert (told.status, told.not_taken, told.unread) == (Status.CREATED, not_taken, ())


def test_links_that_cannot_be_read_are_unread() -> None:
    """The row is created all the same; what is said of its properties stays."""
    create, item = verb(COMPANY), row(("5",), ("5",))
    done = created(item)._replace(not_taken=("subject",))
    step = looked_up(create.after_writing(item, done))
    told = outcome(create.after_lookup(step.item, Found(error=ErrorReply("FORBIDDEN", "no"))))
    assert (told.not_taken, told.unread) == (("subject",), ("companies",))


def test_links_of_nobody_knows_which_record_are_unread() -> None:
    """There is nothing to read them of."""
    create, item = verb(COMPANY), row(("5",), ("5",))
    told = outcome(create.after_writing(item, created(item)._replace(record_id=None)))
    assert (told.status, told.unread) == (Status.CREATED, ("companies",))
