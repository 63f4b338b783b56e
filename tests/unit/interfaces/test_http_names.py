"""Search by name."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pgmel.candidates import NameIndex
from pgmel.interfaces.http.names import NameSearch
from pgmel.kb import KnowledgeBase
from pgmel.linking import name_kb
from pgmel.records import Entity

NAMES = ["Saint Martin", "Martin", "Martinique", "São Tomé", "Smartin", "Saint Kitts", "Congo"]
ENTITIES = [Entity(f"Q{number}", name) for number, name in enumerate(NAMES)] + [Entity("Q9", "Zaire", ("Congo-Kinshasa", "DR Congo"))]


@pytest.fixture(scope="module")
def kb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KnowledgeBase]:
    with KnowledgeBase.create(tmp_path_factory.mktemp("kb") / "kb.sqlite", ENTITIES) as opened:
        yield opened


def found(kb: KnowledgeBase, query: str, limit: int = 10) -> list[tuple[str, str]]:
    return [(entity.name, match) for entity, match in NameSearch(kb).find(query, limit)]


def test_exact_names_come_before_beginnings_words_and_parts(kb: KnowledgeBase) -> None:
    assert found(kb, "MARTIN")[:4] == [("Martin", "exact"), ("Martinique", "prefix"), ("Saint Martin", "word"), ("Smartin", "part")]


def test_accents_case_spaces_and_punctuation_do_not_matter(kb: KnowledgeBase) -> None:
    assert found(kb, "  sao -  tome", 1) == [("São Tomé", "exact")]


def test_the_last_word_may_go_on(kb: KnowledgeBase) -> None:
    assert found(kb, "c")[0] == ("Congo", "prefix")
    assert found(kb, "saint ki", 1) == [("Saint Kitts", "prefix")]


def test_an_alias_counts_as_a_name(kb: KnowledgeBase) -> None:
    assert found(kb, "congo kinshasa", 1) == [("Zaire", "exact")]
    assert found(kb, "congo") == [("Congo", "exact"), ("Zaire", "prefix")]


def test_slips_are_forgiven(kb: KnowledgeBase) -> None:
    assert found(kb, "Martnique", 1) == [("Martinique", "similar")]


def test_nothing_is_found_where_nothing_fits(kb: KnowledgeBase, tmp_path: Path) -> None:
    assert found(kb, "xqzwk") == []
    assert found(kb, "Marble Zone") == []
    assert found(kb, " ") == []
    assert found(kb, "Congo", 0) == []
    with KnowledgeBase.create(tmp_path / "kb.sqlite", []) as empty:
        assert found(empty, "a") == []


def test_the_index_of_a_bundle_is_used_and_no_other_made(kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch) -> None:
    names = NameIndex.build(name_kb(kb))
    monkeypatch.setattr(NameIndex, "build", None)
    assert NameSearch(kb, names).find("Congo", 1)[0].entity.id == "Q6"
