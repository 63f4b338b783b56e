"""Queries as clients may write them, and the mentions that are made of them."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgmel.interfaces.http.limits import Limits
from pgmel.interfaces.http.problems import Problem
from pgmel.interfaces.http.reconciliation.matching import to_mention
from pgmel.interfaces.http.reconciliation.queries import Condition, DraftBatch, Query, queries_of_draft, queries_of_text
from pgmel.records import Mention

LIMITS = Limits()
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
OBJECTS = st.sampled_from(["id", "name", "x"])
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(OBJECTS, inner), max_leaves=6)
FIELDS = {
    "query": SCALARS,
    "type": VALUES,
    "limit": SCALARS,
    "properties": VALUES | st.lists(st.fixed_dictionaries({"pid": SCALARS, "v": VALUES}), max_size=2),
    "type_strict": SCALARS,
}
CONDITIONS = st.fixed_dictionaries(
    {"matchType": st.sampled_from(["name", "property"]), "propertyValue": VALUES},
    optional={"propertyId": SCALARS, "required": SCALARS},
)
DRAFT_FIELDS = {"type": SCALARS, "limit": SCALARS, "conditions": st.lists(CONDITIONS, max_size=2)}


def query(text: str, *conditions: Condition) -> Query:
    return Query(text, (), 10, conditions)


@given(VALUES | st.dictionaries(st.text(max_size=3), VALUES | st.fixed_dictionaries({}, optional=FIELDS), max_size=3))
def test_any_json_is_a_batch_or_a_problem(value: Any) -> None:
    try:
        found = queries_of_text(json.dumps(value), LIMITS)
    except Problem:
        return
    assert found.keys() == value.keys()
    for one in found.values():
        assert 1 <= one.limit <= LIMITS.top_k
        mention = to_mention(one, "1")
        assert mention is None or mention.surface.strip()


@given(st.lists(st.fixed_dictionaries({}, optional=DRAFT_FIELDS), max_size=3))
def test_any_json_of_the_draft_is_a_batch_or_a_problem(queries: list[Any]) -> None:
    try:
        batch = msgspec.json.decode(json.dumps({"queries": queries}), type=DraftBatch)
        found = queries_of_draft(batch, LIMITS)
    except (Problem, msgspec.DecodeError):
        return
    assert len(found) == len(queries)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Paris", ("Paris",)),
        (1960, ("1960",)),
        (2.5, ("2.5",)),
        (True, ("true",)),
        ({"id": "Q90", "name": "Paris"}, ("Paris",)),
        ({"id": "Q90"}, ("Q90",)),
        (["a", {"id": "b"}, None, 3], ("a", "b", "3")),
        (None, ()),
    ],
)
def test_values_become_texts(value: Any, expected: tuple[str, ...]) -> None:
    found = queries_of_text(json.dumps({"q0": {"query": "x", "properties": [{"pid": "p", "v": value}]}}), LIMITS)
    assert found["q0"].conditions == (Condition("p", expected),)


def test_types_are_taken_by_their_id() -> None:
    found = queries_of_text(json.dumps({"q0": {"query": "x", "type": ["a", {"id": "b", "name": "B"}]}}), LIMITS)
    assert found["q0"].types == ("a", "b")


def test_the_text_around_a_name_comes_first_and_facts_after_it() -> None:
    made = query("Congo", Condition("capital", ("Kinshasa",)), Condition("context", ("The Congo is long.",)), Condition("year", ("1960",)))
    assert to_mention(made, "7") == Mention("7", "Congo", "The Congo is long. capital: Kinshasa; year: 1960", 4, 9)


def test_a_name_that_does_not_stand_in_the_text_has_no_place() -> None:
    assert to_mention(query("Congo", Condition("description", ("a river",))), "7") == Mention("7", "Congo", "a river")


def test_what_something_is_not_is_no_context() -> None:
    assert to_mention(query("Congo", Condition("kind", ("river",), True, "none")), "7") == Mention("7", "Congo")


def test_further_names_of_the_draft_are_context() -> None:
    batch = msgspec.convert({"queries": [{"conditions": [{"matchType": "name", "propertyValue": ["Congo", "Zaire"]}]}]}, DraftBatch)
    assert to_mention(queries_of_draft(batch, LIMITS)[0], "7") == Mention("7", "Congo", "Zaire")
