"""Search by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgmel.interfaces.http import names
from pgmel.interfaces.http.names import NameMatch, NameSearch

NAMES = ["Saint Martin", "Martin", "Martinique", "São Tomé", "Smartin", "Saint Kitts", "Congo"]
search = NameSearch(NAMES)


def found(query: str, limit: int = 10) -> list[tuple[str, str]]:
    return [(NAMES[place], match) for place, match in search.find(query, limit)]


def test_exact_names_come_before_beginnings_words_and_parts() -> None:
    assert found("MARTIN")[:4] == [("Martin", "exact"), ("Martinique", "prefix"), ("Saint Martin", "word"), ("Smartin", "part")]


def test_accents_case_and_spaces_do_not_matter() -> None:
    assert found("  sao  tome", 1) == [("São Tomé", "exact")]


def test_slips_are_forgiven() -> None:
    assert found("Martnique", 1) == [("Martinique", "similar")]


def test_nothing_is_found_where_nothing_fits() -> None:
    assert found("xqzwk") == []
    assert found(" ") == []
    assert NameSearch([]).find("a") == []


def test_too_many_names_are_not_searched_by_likeness(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "FUZZY_LIMIT", 3)
    assert NameSearch(NAMES).find("Martinqiue") == []


@given(st.lists(st.text(max_size=8), max_size=12), st.integers(1, 5))
def test_every_name_is_found_by_itself(listed: list[str], limit: int) -> None:
    made = NameSearch(listed)
    for name in listed:
        hits = made.find(name, limit)
        assert len(hits) <= limit
        assert len({place for place, _ in hits}) == len(hits)
        assert not hits or hits[0] == NameMatch(hits[0].place, "exact")
        if name.strip() and any(mark.isalnum() for mark in name):
            assert hits
