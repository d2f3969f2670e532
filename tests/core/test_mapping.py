# ruff: noqa: PD011 - an outcome has values too
"""Columns matched with properties before the first update, and rows made ready to send."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_hubbatch.core.definitions import PropertyDefinition, definitions_from_json
from airflow_provider_hubbatch.core.keys import IdUse
from airflow_provider_hubbatch.core.mapping import RowMapping, compile_mapping
from airflow_provider_hubbatch.core.mapping_spec import MappingSpec
from airflow_provider_hubbatch.core.model import MISSING, Chunk, Input, RowOutcome, Status
from airflow_provider_hubbatch.core.properties import nearest
from airflow_provider_hubbatch.exceptions import SettingsError
from airflow_provider_hubbatch.sandbox.schema import seeded_properties

DEFINITIONS = definitions_from_json([definition.as_json() for definition in seeded_properties("contacts").values()])


def mapping_of(
    columns: list[Any],
    *,
    complete: bool = True,
    definitions: dict[str, PropertyDefinition] | None = DEFINITIONS,
    object_type: str = "contacts",
    preflight: bool = True,
    looked_up: bool = False,
    **settings: Any,
) -> RowMapping:
    return compile_mapping(
        MappingSpec.checked(**settings),
        chunk_columns=columns,
        complete=complete,
        definitions=definitions,
        object_type=object_type,
        preflight=preflight,
        looked_up=looked_up,
    )


def chunk_of(*rows: dict[str, Any], first_row: int = 0, complete: bool = False) -> Chunk:
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row.get(name, MISSING) for row in rows] for name in names}
    return Chunk(first_row, columns, len(rows), complete=complete)


def prepare(*rows: dict[str, Any], **settings: Any) -> list[Input | RowOutcome]:
    chunk = chunk_of(*rows)
    return mapping_of(list(chunk.columns), complete=False, **settings).prepare(chunk)


def problems(columns: list[Any], **settings: Any) -> str:
    with pytest.raises(SettingsError) as raised:
        mapping_of(columns, **settings)
    return str(raised.value)


class TestSpec:
    """The settings as a DAG's author writes them."""

    def test_spec_takes_a_list_a_dict_or_nothing(self) -> None:
        """Properties are a list of columns, a dict of column to property, or all columns."""
        assert MappingSpec.checked(properties=["a", "b"]).properties == {"a": "a", "b": "b"}
        assert MappingSpec.checked(properties=("a",)).properties == {"a": "a"}
        assert MappingSpec.checked(properties={"A": "a"}).properties == {"A": "a"}
        assert MappingSpec.checked() == MappingSpec("id", None, None, "skip")

    @pytest.mark.parametrize(
        ("settings", "setting"),
        [
            ({"id_column": ""}, "id_column"),
            ({"id_column": None}, "id_column"),
            ({"id_column": 5}, "id_column"),
            ({"id_property": ""}, "id_property"),
            ({"id_property": ["email"]}, "id_property"),
            ({"null_values": "drop"}, "null_values"),
            ({"null_values": ["skip"]}, "null_values"),
            ({"properties": []}, "properties"),
            ({"properties": {}}, "properties"),
            ({"properties": "email"}, "properties"),
            ({"properties": {"email"}}, "properties"),
            ({"properties": ["a", ""]}, "properties"),
            ({"properties": [1]}, "properties"),
            ({"properties": {"a": None}}, "properties"),
            ({"properties": ["a", "b", "a"]}, "properties"),
            ({"properties": {"a": "x", "b": "x"}}, "'x': 'a', 'b'"),
        ],
    )
    def test_spec_refuses_by_name(self, settings: dict[str, Any], setting: str) -> None:
        """A wrong setting is refused with its name."""
        with pytest.raises(SettingsError, match=setting):
            MappingSpec.checked(**settings)

    def test_spec_lists_every_problem(self) -> None:
        """One error names every setting that is wrong."""
        with pytest.raises(SettingsError, match=r"(?s)3 problems.*id_column.*null_values.*properties"):
            MappingSpec.checked(id_column="", null_values="no", properties=5)


class TestCompile:
    """What is refused before the first update."""

    def test_compile_lists_every_problem_once(self) -> None:
        """One error lists all that doesn't fit, each with what was probably meant."""
        message = problems(["ID", "Firstname", "Life cycle stage", "lifetime_value", "createdate", "score"])
        assert "5 problems" in message
        assert "id_column names the column 'id', which the rows don't have" in message
        assert "did you mean 'ID'?" in message
        assert "no property 'Firstname'; did you mean 'firstname'?" in message
        assert "no property 'Life cycle stage'; did you mean 'lifecyclestage'?" in message
        assert "'lifetime_value' is calculated" in message
        assert "'createdate' is read-only" in message

    def test_compile_knows_labels(self) -> None:
        """A column named as HubSpot's users see the property is led to its name."""
        assert "did you mean 'jobtitle'?" in problems(["id", "Job title"])
        assert "did you mean 'hubspot_owner_id'?" in problems(["id", "owner"])

    def test_compile_refuses_an_archived_property(self) -> None:
        """An archived property can't be written."""
        definitions = {"old": PropertyDefinition(name="old", type="string", archived=True)}
        assert "'old' is archived" in problems(["id", "old"], definitions=definitions)

    def test_compile_names_the_column_of_a_renamed_property(self) -> None:
        """Where column and property differ, the message has both."""
        message = problems(["id", "Mail"], properties={"Mail": "emial"})
        assert "no property 'emial' (column 'Mail'); did you mean 'email'?" in message

    def test_compile_misses_a_mapped_column(self) -> None:
        """A column that properties names must be there."""
        message = problems(["id", "score"], properties=["score", "scores"])
        assert "properties names the column 'scores', which the rows don't have (they have: id, score)" in message

    @pytest.mark.parametrize("definitions", [None, {}, DEFINITIONS])
    @pytest.mark.parametrize("column", [5, None, "", ("a", "b")])
    def test_compile_refuses_a_column_that_cannot_be_a_property(self, column: Any, definitions: Any) -> None:
        """A column without a name, or with one that is no text, is refused, definitions or not."""
        assert "can't be a property" in problems(["id", column], definitions=definitions)

    @pytest.mark.parametrize("definitions", [None, DEFINITIONS])
    def test_compile_never_writes_the_record_id(self, definitions: Any) -> None:
        """A column hs_object_id beside the id column is refused, and the message says what it is for."""
        assert "id_column='hs_object_id'" in problems(["id", "hs_object_id"], definitions=definitions)
        assert mapping_of(["hs_object_id", "score"], id_column="hs_object_id").names == ("score",)

    def test_compile_needs_something_to_write(self) -> None:
        """Rows of nothing but ids are refused."""
        assert "nothing to write" in problems(["id"])

    def test_compile_checks_nothing_without_definitions(self) -> None:
        """Without definitions, or with preflight off, HubSpot is the judge of names and values."""
        unchecked: list[dict[str, Any]] = [{"definitions": None}, {"definitions": {}}, {"preflight": False}]
        for settings in unchecked:
            mapping = mapping_of(["id", "Firstname", "createdate", "score"], **settings)
            [row] = mapping.prepare(chunk_of({"id": 1, "Firstname": "a", "createdate": 1, "score": "many"}))
            assert isinstance(row, Input)
            assert row.properties == {"Firstname": "a", "createdate": "1", "score": "many"}

    @pytest.mark.parametrize("preflight", [True, False])
    def test_compile_takes_any_property_as_the_name_of_a_record_that_is_there(self, preflight: bool) -> None:
        """Unique or not; one that doesn't exist is told with the one that was probably meant."""
        for name in ("phone", "customer_number", "score", "plan"):
            mapping_of(["id", "city"], id_property=name, preflight=preflight)
        assert "did you mean 'customer_number'?" in problems(["id", "score"], id_property="customernumber")

    @pytest.mark.parametrize("id_use", [IdUse.EITHER, IdUse.NEW])
    def test_compile_refuses_a_key_of_new_records_that_is_not_unique(self, id_use: IdUse) -> None:
        """The error says so, and which ones are; a contact's email is, another object's isn't."""
        message = problems(["id", "score"], id_property="phone", id_use=id_use)
        assert "'phone' isn't unique" in message
        assert "customer_number" in message
        definitions = DEFINITIONS | {"email": PropertyDefinition(name="email", type="string")}
        for object_type in ("contacts", "contact", "0-1"):
            mapping_of(["id", "score"], id_property="email", object_type=object_type, id_use=id_use)
        settings: dict[str, Any] = {"id_property": "email", "definitions": definitions, "id_use": id_use}
        assert "'email' isn't unique" in problems(["id", "score"], object_type="companies", **settings)

    @pytest.mark.parametrize("definitions", [None, {}, DEFINITIONS])
    @pytest.mark.parametrize("preflight", [True, False])
    @pytest.mark.parametrize(
        ("columns", "properties", "new"),
        [
            (["old", "customer_number", "city"], None, "customer_number"),
            (["old", "new", "city"], {"new": "customer_number", "city": "city"}, "new"),
            (["old", "city", "customer_number"], ["customer_number"], "customer_number"),
        ],
    )
    def test_mapping_refuses_to_write_the_key(
        self, columns: list[Any], properties: Any, new: str, definitions: Any, preflight: bool
    ) -> None:
        """A column that goes to the property which names the records is refused, naming it and the id column."""
        settings = {"id_column": "old", "id_property": "customer_number", "properties": properties}
        told = problems(columns, definitions=definitions, preflight=preflight, **settings)
        assert f"the column {new!r} can't be written to 'customer_number'" in told
        assert "the column 'old' (id_column)" in told
        by_record_id = mapping_of(columns, definitions=definitions, preflight=preflight, looked_up=True, **settings)
        assert "customer_number" in by_record_id.names

    @pytest.mark.parametrize("looked_up", [True, False])
    def test_mapping_does_not_write_the_column_that_names_the_record(self, looked_up: bool) -> None:
        """The id column among the properties is its record's value already: it is left out, as it is without a list."""
        settings: dict[str, Any] = {"id_column": "number", "id_property": "customer_number", "looked_up": looked_up}
        mapping = mapping_of(["number", "city"], properties={"number": "customer_number", "city": "city"}, **settings)
        assert mapping.names == ("city",)
        assert "nothing to write" in problems(["number"], properties={"number": "customer_number"}, **settings)

    def test_mapping_refuses_a_key_that_a_later_row_brings(self) -> None:
        """A dict that brings the key's property later is rejected, alone; a null in it renames nothing."""
        settings: dict[str, Any] = {"id_column": "old", "id_property": "customer_number", "preflight": False}
        mapping = mapping_of(["old", "city"], complete=False, **settings)
        renamed, same = mapping.prepare(
            chunk_of(
                {"old": "A", "city": "Bonn", "customer_number": "B"},
                {"old": "C", "city": "Bonn", "customer_number": None},
            )
        )
        assert isinstance(renamed, RowOutcome)
        assert renamed.category == "READ_ONLY_VALUE"
        assert isinstance(same, Input)
        assert same.properties == {"city": "Bonn"}

    @pytest.mark.parametrize("name", [None, "hs_object_id", "customer_number"])
    def test_compile_takes_record_ids_and_unique_properties(self, name: str | None) -> None:
        """Record ids and properties that are unique by their definition name records."""
        assert mapping_of(["id", "score"], id_property=name).names == ("score",)


class TestPrepare:
    """Rows made ready to send."""

    def test_prepare_makes_inputs(self) -> None:
        """A row becomes one input: its id as digits, its values as HubSpot takes them, its nulls left out."""
        chunk = chunk_of({"id": 7.0, "score": 1.0, "is_active": True, "city": None}, first_row=40)
        [entry] = mapping_of(list(chunk.columns)).prepare(chunk)
        assert entry == Input(40, 7.0, "7", "7", {"score": "1", "is_active": "true"}, (chunk, 0))

    def test_prepare_lists_every_bad_property_of_a_row(self) -> None:
        """A rejected row says everything that is wrong with it, and gives its source back."""
        row = {"id": "x", "score": "many", "plan": "gold", "city": "Bern"}
        good, bad = prepare({"id": 1, "score": 1}, row)
        assert isinstance(good, Input)
        assert isinstance(bad, RowOutcome)
        assert (bad.row, bad.id, bad.status, bad.category) == (1, "x", Status.REJECTED, "INVALID_ID")
        assert bad.values == row
        assert bad.message is not None
        assert all(word in bad.message for word in ("the id", "'score'", "'plan'"))
        assert "city" not in bad.message

    def test_prepare_takes_a_row_without_values_as_unchanged(self) -> None:
        """A row that leaves every property alone is unchanged: there's nothing to write."""
        chunk = chunk_of({"id": 1, "score": None}, {"id": 2, "score": 2})
        nothing, _ = mapping_of(["id", "score"]).prepare(chunk)
        assert isinstance(nothing, RowOutcome)
        assert (nothing.status, nothing.category) == (Status.UNCHANGED, "NOTHING_TO_WRITE")

    def test_prepare_clears_on_request(self) -> None:
        """With null_values="clear" a null empties the property, and a missing key leaves it alone."""
        rows = ({"id": 1, "score": None, "city": None}, {"id": 2, "score": 2})
        first, second = prepare(*rows, null_values="clear")
        assert isinstance(first, Input)
        assert isinstance(second, Input)
        assert (first.properties, second.properties) == ({"score": "", "city": ""}, {"score": "2"})

    def test_prepare_rejects_a_row_that_is_no_mapping(self) -> None:
        """A row that is no mapping costs only itself, and is judged for nothing else."""
        chunk = Chunk(0, {"id": [1, MISSING], "score": [1, MISSING]}, 2, complete=False, invalid={1: "an int"})
        _, bad = mapping_of(["id", "score"], complete=False).prepare(chunk)
        assert isinstance(bad, RowOutcome)
        assert (bad.category, bad.message, bad.id, bad.values) == ("INVALID_ROW", "an int", None, None)

    def test_prepare_writes_only_the_properties_asked_for(self) -> None:
        """Columns that properties doesn't name are left out, whatever they hold."""
        [entry] = prepare({"id": 1, "Points": 5, "junk": {}}, properties={"Points": "score"})
        assert isinstance(entry, Input)
        assert entry.properties == {"score": "5"}

    def test_prepare_rejects_rows_with_a_property_that_came_up_late(self) -> None:
        """A later key that no property matches rejects the rows that have a value for it, and no others."""
        mapping = mapping_of(["id", "score"], complete=False)
        late = chunk_of(
            {"id": 1, "score": 1},
            {"id": 2, "score": 2, "scoer": 3},
            {"id": 3, "score": 3, "scoer": None},
            {"id": 4, "city": "Bern"},
            {"id": 5, "createdate": "2024-05-01"},
            first_row=100,
        )
        entries = mapping.prepare(late)
        kinds = [entry.category if isinstance(entry, RowOutcome) else dict(entry.properties) for entry in entries]
        assert kinds == [
            {"score": "1"},
            "PROPERTY_DOESNT_EXIST",
            {"score": "3"},
            {"city": "Bern"},
            "READ_ONLY_VALUE",
        ]
        assert isinstance(entries[1], RowOutcome)
        assert "did you mean 'score'?" in str(entries[1].message)

    def test_prepare_bounds_what_keys_without_end_cost(self) -> None:
        """Keys that are values are refused row by row, each with its reason, and only the first with a suggestion."""
        mapping = mapping_of(["id", "score"], complete=False)
        entries = mapping.prepare(chunk_of(*({"id": n, f"scoer {n}": n} for n in range(2_100))))
        reasons = [entry.message or "" for entry in entries if isinstance(entry, RowOutcome)]
        assert len(reasons) == 2_100
        assert all(f"have no property 'scoer {n}'" in reason for n, reason in enumerate(reasons))
        assert ["did you mean" in reason for reason in reasons].count(True) <= 50
        assert len(mapping._converters) <= 2_000

    def test_prepare_leaves_alone_what_a_later_chunk_lacks(self) -> None:
        """A column, even the id's, may be gone from a later chunk: its rows are judged by what they have."""
        mapping = mapping_of(["id", "score", "city"], complete=False, properties=["score", "city"])
        one, other = (
            mapping.prepare(chunk_of({"id": 1, "city": "Bern"}))[0],
            mapping.prepare(chunk_of({"city": "x"}))[0],
        )
        assert isinstance(one, Input)
        assert one.properties == {"city": "Bern"}
        assert isinstance(other, RowOutcome)
        assert (other.category, other.id) == ("MISSING_ID", None)

    def test_prepare_gives_unique_ids_a_key_of_their_own(self) -> None:
        """Two spellings of one id get one key, so that they take effect in input order."""
        entries = prepare(
            {"id": "Ann@Example.com", "score": 1}, {"id": " ann@example.com", "score": 2}, id_property="email"
        )
        inputs = [entry for entry in entries if isinstance(entry, Input)]
        assert [entry.id for entry in inputs] == ["Ann@Example.com", "ann@example.com"]
        assert len({entry.key for entry in inputs}) == 1

    def test_prepare_takes_an_empty_chunk(self) -> None:
        """A chunk without rows gives none."""
        assert mapping_of(["id", "score"]).prepare(Chunk(0, {"id": [], "score": []}, 0)) == []

    def test_prepare_takes_a_frame_with_gaps(self) -> None:
        """A DataFrame whose integers became floats for a gap still gives whole ids and numbers."""
        frame = pd.DataFrame({"id": [1.0, 2.0, None], "score": [10, None, 30], "city": ["Bern", "Wien", None]})
        chunk = Chunk(0, {str(name): frame[name].tolist() for name in frame.columns}, len(frame))
        one, two, bad = mapping_of(list(chunk.columns)).prepare(chunk)
        assert isinstance(one, Input)
        assert isinstance(two, Input)
        assert isinstance(bad, RowOutcome)
        assert (one.id, one.properties) == ("1", {"score": "10", "city": "Bern"})
        assert (two.id, two.properties) == ("2", {"city": "Wien"})
        assert bad.category == "MISSING_ID"


CELLS = st.one_of(
    st.none(),
    st.just(MISSING),
    st.integers(-5, 10**12),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["pro", "free", "news;events", "2024-05-01", True, pd.NA, pd.NaT]),
    st.lists(st.text(max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=1),
)
COLUMNS = [
    "id",
    "score",
    "plan",
    "interests",
    "renewal_date",
    "last_synced_at",
    "is_active",
    "city",
    "golf",
    "createdate",
]


@given(
    st.integers(0, 12).flatmap(
        lambda length: st.fixed_dictionaries(
            {"id": st.lists(CELLS, min_size=length, max_size=length)},
            optional={name: st.lists(CELLS, min_size=length, max_size=length) for name in COLUMNS[1:]},
        )
    ),
    st.integers(0, 10**9),
    st.sampled_from(["skip", "clear"]),
    st.sets(st.integers(0, 11)),
)
def test_prepare_gives_one_result_a_row_in_order(
    columns: dict[str, list[Any]], first_row: int, null_values: str, invalid: set[int]
) -> None:
    """Whatever the rows hold, each gets exactly one result, in row order, and none is changed."""
    length = len(columns["id"])
    before = copy.deepcopy(columns)
    mapping = mapping_of(["id", "score"], complete=False, null_values=null_values)
    broken = {offset: "broken" for offset in invalid if offset < length}
    entries = mapping.prepare(Chunk(first_row, columns, length, complete=False, invalid=broken))
    assert [entry.row for entry in entries] == list(range(first_row, first_row + length))
    assert repr(columns) == repr(before)
    for offset, entry in enumerate(entries):
        if isinstance(entry, Input):
            assert entry.id
            assert entry.key
            assert entry.properties
            assert all(isinstance(value, str) for value in entry.properties.values())
            assert offset not in broken
        else:
            assert entry.message
            assert entry.status in {Status.REJECTED, Status.UNCHANGED}
            json.dumps(entry.as_dict())


@pytest.mark.parametrize(
    ("name", "candidates", "expected"),
    [
        ("Email", ["email", "emails"], "email"),
        ("first_name", ["firstname", "lastname"], "firstname"),
        ("lifecyclestag", ["lifecyclestage"], "lifecyclestage"),
        ("golf", ["firstname", "lastname"], None),
        ("", ["firstname"], None),
        ("x", [], None),
    ],
)
def test_nearest_names_what_was_meant(name: str, candidates: list[str], expected: str | None) -> None:
    """Another case, another punctuation or a slip of the pen finds the name that was meant; nothing else does."""
    assert nearest(name, candidates) == expected


def test_core_loads_no_library_of_values() -> None:
    """A DAG file that imports the mapping loads neither pandas nor numpy nor pyarrow."""
    script = (
        "import sys, airflow_provider_hubbatch.core.mapping;"
        "print(sorted({'pandas', 'numpy', 'pyarrow', 'airflow', 'requests'} & set(sys.modules)))"
    )
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "[]"


class TestVerbs:
    """What rows may be for verbs that make records, or that write no values."""

    @pytest.mark.parametrize("id_use", [IdUse.EITHER, IdUse.NEW])
    def test_a_row_with_only_its_key_makes_its_record(self, id_use: IdUse) -> None:
        """There is nothing else to write, and still something to do."""
        (made,) = prepare({"mail": "a@x.org"}, id_column="mail", id_property="email", id_use=id_use)
        assert isinstance(made, Input)
        assert (made.id, made.key, made.properties) == ("a@x.org", "a@x.org", {})

    def test_keyless_rows_are_each_their_own(self) -> None:
        """The id column names the row in its outcome only: empty, doubled or odd, it is no fault."""
        rows = prepare(
            {"nr": 7, "city": "x"}, {"nr": 7, "city": "x"}, {"nr": None, "city": "y"}, {"city": "z"},
            id_column="nr", id_use=IdUse.NEW,
        )  # fmt: skip
        assert all(isinstance(one, Input) for one in rows)
        assert [(one.given_id, one.id, one.properties) for one in rows if isinstance(one, Input)] == [
            (7, "", {"city": "x"}),
            (7, "", {"city": "x"}),
            (None, "", {"city": "y"}),
            (None, "", {"city": "z"}),
        ]
        assert len({one.key for one in rows if isinstance(one, Input)}) == 4

    def test_keyless_rows_need_no_id_column(self) -> None:
        """All columns are written; a row without a value makes no empty record."""
        made, nothing = prepare({"city": "x"}, {"city": None}, id_column=None, id_use=IdUse.NEW)
        assert isinstance(made, Input)
        assert isinstance(nothing, RowOutcome)
        assert nothing.category == "NOTHING_TO_WRITE"

    def test_ids_alone_are_enough_where_no_values_are_written(self) -> None:
        """Of all columns only the id is read."""
        spec = MappingSpec.writes_nothing(id_column="id", id_property=None)
        mapping = compile_mapping(
            spec, chunk_columns=["id", "anything"], complete=True, definitions=None, object_type="contacts"
        )
        (item,) = mapping.prepare(chunk_of({"id": 7, "anything": 8}))
        assert isinstance(item, Input)
        assert (item.id, item.properties, spec.columns) == ("7", {}, ["id"])

    @pytest.mark.parametrize(
        ("id_use", "id_property", "words"),
        [
            (IdUse.EITHER, None, "a record id names what exists"),
            (IdUse.EITHER, "hs_object_id", "a record id names what exists"),
            (IdUse.EITHER, "city", "isn't unique, so nothing tells whether a record is there"),
            (IdUse.NEW, "hs_object_id", "a new record gets its id from HubSpot"),
            (IdUse.NEW, "city", "isn't unique, so nothing tells whether a record is there"),
        ],
    )
    def test_a_property_that_cannot_name_new_records_is_refused(
        self, id_use: IdUse, id_property: str | None, words: str
    ) -> None:
        """The message says why, and what would do."""
        said = problems(["id", "plan"], id_use=id_use, id_property=id_property)
        assert words in said
        assert "customer_number" in said or "unique values" in said

    @pytest.mark.parametrize("name", ["hs_sku", "hs_external_id", "hs_external_object_ids"])
    def test_keys_by_nature_count_as_unique(self, name: str) -> None:
        """Whatever their definition says."""
        known = {name: PropertyDefinition(name=name, type="string"), "city": PropertyDefinition(name="city")}
        for id_use in IdUse:
            mapping = mapping_of(["id", "city"], definitions=known, id_property=name, id_use=id_use)
            assert mapping.names == ("city",)

    def test_a_key_needs_its_column(self) -> None:
        """``id_property`` alone says nothing."""
        with pytest.raises(SettingsError, match="id_column"):
            MappingSpec.checked(id_column=None, id_property="email", id_use=IdUse.NEW)
        with pytest.raises(SettingsError, match="id_column"):
            MappingSpec.checked(id_column=None)

    def test_no_other_column_goes_to_the_key(self) -> None:
        """Not by email either: the key of a new record is the row's."""
        said = problems(
            ["mail", "other"], id_column="mail", id_property="email", properties={"other": "email"}, id_use=IdUse.EITHER
        )
        assert "names the records" in said
