"""Attributes and types of a KB, found without reading more than time allows."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pgmel.kb import KnowledgeBase, catalogue, change_file, gather_catalogue, split_values
from pgmel.records import Entity

TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=6)


def make_kb(path: Path, attributes: list[dict[str, str]]) -> KnowledgeBase:
    return KnowledgeBase.create(path / "kb.sqlite", [Entity(f"E{n}", f"name {n}", attributes=found) for n, found in enumerate(attributes)])


def test_attributes_and_types_are_counted_the_most_frequent_first(tmp_path: Path) -> None:
    rows = [{"kind": "city", "area": "3"}, {"kind": "river; border"}, {}, {"kind": "city"}]
    with make_kb(tmp_path, rows) as kb:
        found = gather_catalogue(kb, "kind")
    assert list(found.attributes.items()) == [("kind", 3), ("area", 1)]
    assert list(found.types.items()) == [("city", 2), ("border", 1), ("river", 1)]
    assert found.complete


def test_without_a_type_attribute_there_are_no_types(tmp_path: Path) -> None:
    with make_kb(tmp_path, [{"kind": "city"}]) as kb:
        assert gather_catalogue(kb).types == {}


@given(st.lists(st.dictionaries(TEXT, TEXT, max_size=3), max_size=9), st.integers(1, 4))
@hypothesis_settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_every_row_is_counted_once_whatever_the_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, str]], block: int
) -> None:
    monkeypatch.setattr(catalogue, "_BLOCK", block)
    with make_kb(tmp_path, rows) as kb:
        found = gather_catalogue(kb, "a", budget_s=60)
    assert dict(found.attributes) == Counter(key for row in rows for key in row)
    assert dict(found.types) == Counter(value for row in rows for value in split_values(row.get("a", "")))


def test_removed_entities_are_not_counted(tmp_path: Path) -> None:
    make_kb(tmp_path, [{"kind": "city"}, {"kind": "river"}, {"kind": "city"}]).close()
    with change_file(tmp_path / "kb.sqlite") as change:
        change.remove("E1")
    with KnowledgeBase.open(tmp_path / "kb.sqlite") as kb:
        assert dict(gather_catalogue(kb, "kind").types) == {"city": 2}


def test_reading_ends_when_time_is_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "_BLOCK", 1)
    clock = iter(range(100))
    monkeypatch.setattr(catalogue.time, "monotonic", lambda: next(clock))
    with make_kb(tmp_path, [{f"a{n}": "x"} for n in range(10)]) as kb:
        found = gather_catalogue(kb, budget_s=3)
    assert len(found.attributes) == 3
    assert not found.complete
    assert set(found.attributes) != {"a0", "a1", "a2"}, "what is read stands for all of the KB"


def test_rare_types_beyond_the_limit_are_dropped_and_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "_MOST_TYPES", 2)
    with make_kb(tmp_path, [{"kind": kind} for kind in ("a", "a", "b", "b", "c")]) as kb:
        found = gather_catalogue(kb, "kind")
    assert dict(found.types) == {"a": 2, "b": 2}
    assert not found.complete


def test_values_of_a_list_are_told_apart() -> None:
    assert split_values("red; green;  red ; ") == ["red", "green"]
