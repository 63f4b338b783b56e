"""Candidates by vectors, by name, and by both, with exact scores, best vector first; and linkers that use them."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_bundle import make_decision, write_toy_bundle

from pgmel.candidates import NameIndex
from pgmel.errors import BundleError, IndexFileError, SettingError
from pgmel.index import EntityIndex
from pgmel.kb import KnowledgeBase
from pgmel.linking import CandidateSearch, Linker, read_card
from pgmel.records import Entity, Mention
from pgmel.workflows.kb import check_kb

NAMES = ["Congo", "Georgia", "Korea", "Samoa", "Macedonia", "Luxembourg", "Brazzaville", "Guinea", "Mexico", "Virgin Islands"]
VECTORS = np.random.default_rng(0).standard_normal((10, 8)).astype(np.float16)
QUERIES = np.random.default_rng(1).standard_normal((3, 8)).astype(np.float32)
SURFACES = ["Luxemburg", "Islands, Virgin", "xqxqx"]


def search(**how: Any) -> CandidateSearch:
    names = NameIndex.build((row, name, ()) for row, name in enumerate(NAMES))
    return CandidateSearch(EntityIndex.build(VECTORS), **{"names": names, **how})


@pytest.mark.parametrize("source", ["dense", "lexical", "fused"])
def test_every_candidate_has_its_exact_score_and_the_best_comes_first(source: str) -> None:
    table = search(source=source, num_candidates=6).propose(QUERIES, SURFACES)
    exact = QUERIES.astype(np.float64) @ VECTORS.astype(np.float64).T
    for number in range(3):
        there = table.rows[number] >= 0
        np.testing.assert_allclose(table.dense[number][there], exact[number][table.rows[number][there]], rtol=1e-6)
        assert (np.diff(table.dense[number][there]) <= 0).all()
        assert np.isneginf(table.dense[number][~there]).all()
        assert sorted(~there) == list(~there)


def test_by_vectors_alone_no_name_is_looked_at() -> None:
    table = search(source="dense").propose(QUERIES, SURFACES, 4)
    assert table.rows.tolist() == EntityIndex.build(VECTORS).search(QUERIES, 4)[1].tolist()
    assert not table.lexical.any()


def test_by_name_alone_only_names_count() -> None:
    table = search(source="lexical").propose(QUERIES, SURFACES, 1)
    assert table.rows[:2, 0].tolist() == [5, 9]
    assert table.lexical[1, 0] == 1.0
    assert not table.present[2].any()


def test_what_is_found_by_name_joins_what_is_found_by_vectors() -> None:
    index = EntityIndex.build(np.eye(40))
    names = NameIndex.build((row, f"{'abcdefghijklmnopqrstuvwxyz'[row % 26] * 3} {row}", ()) for row in range(40))
    towards = np.linspace(1, 0, 40, dtype=np.float32)[None]
    alone = CandidateSearch(index, None, num_candidates=20).propose(towards, ["nnn 39"])
    fused = CandidateSearch(index, names, num_candidates=20).propose(towards, ["nnn 39"])
    assert 39 not in alone.rows
    assert fused.rows[0, -1] == 39
    assert (fused.dense[0, -1], fused.lexical[0, -1]) == (0.0, 1.0)
    assert fused.rows[0, :10].tolist() == alone.rows[0, :10].tolist()


def test_the_first_by_vectors_are_there_if_they_have_to_be() -> None:
    index = EntityIndex.build(np.eye(60))
    names = NameIndex.build((row, "same name", ()) for row in range(30, 60))
    towards = np.linspace(1, 0, 60, dtype=np.float32)[None]
    found = CandidateSearch(index, names, num_candidates=5)
    assert set(range(20)) > set(found.propose(towards, ["same name"], 20).rows[0].tolist()) - set(range(30, 60))
    assert found.propose(towards, ["same name"], sure=20).rows[0].tolist() == list(range(20))


def test_the_first_by_name_are_there_if_they_have_to_be() -> None:
    index = EntityIndex.build(np.eye(60))
    names = NameIndex.build((row, "same name", ()) for row in range(30, 60))
    towards = np.linspace(1, 0, 60, dtype=np.float32)[None]
    found = CandidateSearch(index, names, num_candidates=5).propose(towards, ["same name"], sure=20, named=3)
    assert found.rows[0].tolist() == [*range(20), 30, 31, 32]
    np.testing.assert_allclose(found.dense[0, -3:], towards[0, 30:33], rtol=1e-6)


def test_without_names_candidates_come_from_vectors() -> None:
    made = CandidateSearch(EntityIndex.build(VECTORS))
    assert made.source == "dense"
    assert made.propose(QUERIES, SURFACES).width == 100


def test_an_unknown_source_is_refused() -> None:
    with pytest.raises(SettingError, match=r"linking\.candidates must be one of dense, fused, lexical; got 'fuzed'.*'fused'"):
        search(source="fuzed")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_bundle(tmp_path_factory.mktemp("toy") / "bundle", make_decision())


def with_linking(bundle: Path, target: Path, **linking: object) -> Path:
    shutil.copytree(bundle, target)
    card = json.loads((target / "card.json").read_text())
    card["settings"]["linking"] = linking
    (target / "card.json").write_text(json.dumps(card))
    return target


MENTIONS = [Mention(text, text) for text in ("Congo", "Macedonai", "Islands Virgin", "Saint-Martín", "Xqzwk", "")]


def test_links_are_those_of_the_vectors_alone(bundle: Path, tmp_path: Path) -> None:
    with Linker.load(bundle) as fused, Linker.load(with_linking(bundle, tmp_path / "bundle", candidates="dense")) as dense:
        assert (fused.candidates.source, dense.candidates.source) == ("fused", "dense")
        for top_k in (1, 5, 14):
            assert fused.link(MENTIONS, top_k) == dense.link(MENTIONS, top_k)


def test_by_name_alone_a_linker_sees_only_what_has_such_a_name(bundle: Path, tmp_path: Path) -> None:
    with Linker.load(with_linking(bundle, tmp_path / "bundle", candidates="lexical", num_candidates=3)) as linker:
        near, far = linker.link([Mention("a", "Georgja"), Mention("b", "%%%")])
    assert near.candidates[0].name == "Georgia"
    assert 1 <= len(near.candidates) <= 8
    assert far.is_nil
    assert far.candidates == ()


def test_a_bundle_without_names_is_linked_by_vectors_and_its_check_says_so(bundle: Path, tmp_path: Path) -> None:
    old = with_linking(bundle, tmp_path / "bundle", nil=True)
    card = json.loads((old / "card.json").read_text())
    card["files"] = {name: about for name, about in card["files"].items() if not name.startswith("names/")}
    del card["names"]
    (old / "card.json").write_text(json.dumps(card))
    shutil.rmtree(old / "names")
    with Linker.load(old) as linker, Linker.load(bundle) as present:
        assert linker.candidates.source == "dense"
        assert linker.link(MENTIONS) == present.link(MENTIONS)
    [said] = [finding for finding in check_kb(old, show_progress=False) if finding.part == "names"]
    assert said.level == "warning"
    assert "has no name index" in said.text


def test_names_that_are_missing_or_damaged_are_an_error(bundle: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    (broken / "names" / "names.safetensors").write_bytes(b"")
    with pytest.raises(IndexFileError, match=f"name index {broken}/names is damaged"):
        Linker.load(broken)
    shutil.rmtree(broken / "names")
    with pytest.raises(IndexFileError, match=f"name index {broken}/names does not exist"):
        Linker.load(broken)


def test_names_of_another_knowledge_base_are_refused(bundle: Path, tmp_path: Path) -> None:
    mixed = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    NameIndex.build([(0, "Congo", ())], "other").save(mixed / "names")
    with pytest.raises(IndexFileError, match="name index was built over another knowledge base"):
        Linker.load(mixed)


@pytest.mark.parametrize("linking", [{"candidates": "fuzed"}, {"num_candidates": "many"}])
def test_impossible_settings_in_a_card_are_named(bundle: Path, tmp_path: Path, linking: dict[str, object]) -> None:
    with pytest.raises(BundleError, match=r"card of the bundle .* is damaged: .*(fuzed|many)"):
        Linker.load(with_linking(bundle, tmp_path / "bundle", **linking))


def test_a_bundle_says_how_many_names_it_has(bundle: Path) -> None:
    assert read_card(bundle)["names"] == {"names": 14}


def test_parts_put_together_by_hand_are_checked(tmp_path: Path) -> None:
    index = EntityIndex.build(np.eye(4)[:1])
    candidates = CandidateSearch(index, NameIndex.build([(0, "Congo", ())], "other"))
    parts: Any = type("Parts", (), {"dim": 4})()
    with KnowledgeBase.create(tmp_path / "kb.sqlite", [Entity("Q0", "Congo")]) as kb, pytest.raises(IndexFileError, match="name index"):
        Linker(kb, index, parts, parts, candidates=candidates)
