"""Neighbours of gold entities by names, words and attributes, and near duplicates, against slow loops."""

import math
from collections import Counter

import numpy as np
import pytest
from scipy import sparse

from pgmel.candidates import NEIGHBOUR_RULES, build_neighbours, duplicate_groups, find_near_duplicates
from pgmel.candidates import neighbours as neighbours_module
from pgmel.candidates.attributes import attribute_items
from pgmel.records import Entity

ENTITIES = (
    Entity("0", "Peter Brook", description="Sex: male. Birth: 1900, Erie. Occupation: painter, sculptor."),
    Entity("1", "Peter Brooke", description="Sex: male. Birth: 1900, Erie. Occupation: painter, sculptor, actor."),
    Entity("2", "Peter Brook", description="Sex: male. Birth: 1970, Rome. Occupation: cyclist."),
    Entity("3", "Anna Weiss", description="Sex: male. Birth: 1900, Erie. Occupation: painter, sculptor."),
    Entity("4", "Erie", description="A town by a lake; its painters are known."),
    Entity("5", "Érie"),
    Entity("6", "ERIE"),
    Entity("7", "Lake Erie", ("Erie",), attributes={"kind": "lake", "in": "Canada, United States"}),
    Entity("8", "Lake Huron", attributes={"kind": "lake", "in": "Canada, United States"}),
    Entity("9", "Peter Brook", description="Sex: male. Birth: 1900, Erie. Occupation: painter, sculptor."),
)
ALL = np.arange(len(ENTITIES))
GROUPS = duplicate_groups([f"{entity.name}\n{entity.description}" for entity in ENTITIES])


def features_of(rule: str, entity: Entity) -> list[str]:
    if rule == "jaccard":
        return list(attribute_items(entity))
    text = " ".join((entity.name, *entity.aliases) if rule == "lexical" else (entity.description, *entity.attributes.values()))
    text = text.lower().replace("é", "e")
    if rule == "tfidf":
        return [word for word in "".join(mark if mark.isalnum() else " " for mark in text).split() if len(word) > 1]
    # A word shorter than the n-gram is one n-gram as a whole, once.
    found = []
    for word in (f" {part} " for part in text.split()):
        for n in range(2, 5):
            found += [word[i : i + n] for i in range(len(word) - n + 1)] if len(word) > n else [word]
            if len(word) <= n:
                break
    return found


def slow_similarity(rule: str, one: Entity, other: Entity) -> float:
    mine, theirs = features_of(rule, one), features_of(rule, other)
    if rule == "jaccard":
        union = set(mine) | set(theirs)
        return len(set(mine) & set(theirs)) / len(union) if union else 0.0
    frequency = Counter(part for entity in ENTITIES for part in set(features_of(rule, entity)))

    def vector(parts: list[str]) -> dict[str, float]:
        weights = {
            part: (1 + math.log(count)) * (math.log((1 + len(ENTITIES)) / (1 + frequency[part])) + 1)
            for part, count in Counter(parts).items()
        }
        length = math.sqrt(sum(weight**2 for weight in weights.values()))
        return {part: weight / length for part, weight in weights.items()}

    left, right = vector(mine), vector(theirs)
    return sum(weight * right.get(part, 0.0) for part, weight in left.items())


@pytest.mark.parametrize("cells", [1, 25, 1 << 22])
@pytest.mark.parametrize("rule", NEIGHBOUR_RULES)
def test_lists_hold_the_most_similar_entities_of_a_slow_loop(rule: str, cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours_module, "CELLS", cells)
    found = build_neighbours(rule, ENTITIES, ALL, 4, GROUPS, False)
    for row, entity in enumerate(ENTITIES):
        similar = {other: slow_similarity(rule, entity, ENTITIES[other]) for other in range(len(ENTITIES)) if GROUPS[other] != GROUPS[row]}
        expected = sorted((value for value in similar.values() if value > 0), reverse=True)[:4]
        listed = found.rows[row][found.mask[row]].tolist()
        assert len(set(listed)) == len(listed)
        assert [similar[other] for other in listed] == pytest.approx(expected, abs=1e-5)
        assert not found.rows[row][~found.mask[row]].any()


@pytest.mark.parametrize("rule", NEIGHBOUR_RULES)
def test_the_table_is_transposed_once_however_many_parts_it_is_compared_in(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    turned: list[int] = []
    turn = sparse.csc_matrix.tocsr

    def count(matrix: sparse.csc_matrix, copy: bool = False) -> sparse.csr_matrix:
        turned.append(matrix.shape[1])
        return turn(matrix, copy)

    monkeypatch.setattr(neighbours_module, "CELLS", 1)
    monkeypatch.setattr(sparse.csc_matrix, "tocsr", count)
    build_neighbours(rule, ENTITIES, ALL, 4, GROUPS, False)
    assert turned.count(len(ENTITIES)) == 1


def test_an_entity_that_says_nothing_has_no_neighbours_and_a_kb_that_says_nothing_has_none_at_all() -> None:
    assert not build_neighbours("tfidf", ENTITIES, ALL, 4, GROUPS, False).mask[5].any()
    silent = tuple(Entity(str(number), f"name {number}") for number in range(5))
    for rule in ("tfidf", "jaccard"):
        assert not build_neighbours(rule, silent, np.arange(5), 3, np.arange(5), False).mask.any()
    assert build_neighbours("lexical", silent, np.arange(5), 3, np.arange(5), False).mask.all()


def test_lists_are_padded_where_the_kb_is_smaller_and_only_chosen_entities_get_one() -> None:
    found = build_neighbours("lexical", ENTITIES, np.array([7, 0]), 30, GROUPS, False)
    assert found.rows.shape == found.mask.shape == (2, 30)
    assert (found.rows.dtype, found.mask.dtype) == (np.int64, bool)
    assert found.rows[0, 0] in (4, 5, 6, 8)
    assert not np.isin(found.rows[1][found.mask[1]], [0, 9]).any()


def test_equal_overlaps_are_shared_out_by_chance_and_the_same_every_time() -> None:
    crowd = tuple(Entity(str(number), f"name {number}", description="male, politician") for number in range(200))
    first, again = (build_neighbours("jaccard", crowd, np.arange(200), 5, np.arange(200), False).rows for _ in range(2))
    assert np.array_equal(first, again)
    assert len(np.unique(first)) > 150


@pytest.mark.parametrize(
    ("entity", "items"),
    [
        (ENTITIES[0], ["sex: male", "birth: 1900", "birth: erie", "occupation: painter", "occupation: sculptor"]),
        (ENTITIES[7], ["kind: lake", "in: canada", "in: united states"]),
        (Entity("", "", description="blood, button, Type"), ["blood", "button", "type"]),
        (
            Entity("", "", description="A town by Érie says this: nothing."),
            ["a", "town", "by", "erie", "says", "this", "nothing"],
        ),
        (Entity("", "", description="3, 3:30, clock"), ["3", "3", "30", "clock"]),
        (Entity("", ""), []),
    ],
)
def test_attributes_are_taken_from_the_record_or_read_from_the_description(entity: Entity, items: list[str]) -> None:
    assert list(attribute_items(entity)) == items


def near(*pairs: tuple[str, str], aliases: tuple[str, ...] = ()) -> bool:
    """Return whether the first of some entities (name, description) is a near duplicate of the second."""
    entities = tuple(Entity(str(number), name, description=text) for number, (name, text) in enumerate(pairs))
    found = find_near_duplicates(entities, np.array([0]), np.arange(len(entities)), False)
    return 1 in found[0].tolist()


FACTS = "Sex: male. Birth: 1900, Erie. Occupation: painter."
CROWD = tuple((f"{first} {last}", "Sex: female.") for first in ("Ida", "Kim", "Lou") for last in ("Moll", "Vogt", "Quist"))


def test_alike_names_with_the_same_attributes_are_near_duplicates() -> None:
    assert near(("Peter Brook", FACTS), ("Peter Brooke", FACTS), *CROWD)


def test_a_shared_name_with_other_attributes_is_what_linking_is_about() -> None:
    assert not near(("Peter Brook", FACTS), ("Peter Brook", "Sex: male. Birth: 1970, Rome. Occupation: cyclist."), *CROWD)
    assert not near(("Peter Brook", FACTS), ("Peter Brook", "Sex: male. Birth: 1900, Erie. Occupation: cyclist."), *CROWD)


def test_shared_attributes_with_another_name_are_no_near_duplicates() -> None:
    assert not near(("Peter Brook", FACTS), ("Anna Weiss", FACTS), *CROWD)


def test_a_single_shared_attribute_says_too_little() -> None:
    assert not near(("flag: Niger", "flag"), ("flag: Nigeria", "flag"), *CROWD)
    assert near(("flag: Niger", "flag, Africa"), ("flag: Nigeria", "flag, Africa"), *CROWD)


def test_without_attributes_only_the_same_name_will_do() -> None:
    assert near(("Érie Town", ""), ("ERIE TOWN", ""), *CROWD)
    assert not near(("Erie Town", ""), ("Erie Towns", ""), *CROWD)
    assert not near(("Erie Town", ""), ("Erie Town", FACTS), *CROWD)


def test_near_duplicates_are_padded_and_leave_known_duplicates_and_the_entity_itself_out() -> None:
    found = find_near_duplicates(ENTITIES, ALL, GROUPS, False)
    assert found.dtype == np.int64
    assert [sorted(row[row >= 0].tolist()) for row in found] == [[1], [0, 9], [], [], [], [6], [5], [], [], [1]]
    assert find_near_duplicates(ENTITIES[:1], np.array([0]), np.arange(1), False).shape == (1, 0)
