"""The re-ranker: its scores, its fit, its files, and its place in a bundle."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
import pytest
from safetensors.numpy import save_file
from toy_bundle import make_decision, write_toy_bundle

from pgmel.candidates import CandidateTable
from pgmel.errors import BundleError
from pgmel.files import read_json, write_json
from pgmel.index import EntityIndex
from pgmel.kb import KnowledgeBase
from pgmel.linking import INDEX, KB_FILE, CandidateSearch, Linker, check_bundle, read_card, write_bundle
from pgmel.linking.reranking import (
    FEATURES,
    EntityFacts,
    MentionFacts,
    Reranker,
    Rescorer,
    WordAssociations,
    fit_reranking,
    pair_features,
    shortlist,
)
from pgmel.models import Embedder
from pgmel.records import Entity, Mention

ENTITIES = [Entity("a", "Anna Lee", description="painter"), Entity("b", "Bert Lee"), Entity("c", "Cora Lee"), Entity("d", "Lee")]
MENTION = Mention("m", "Lee", "Bert Lee", 5, 8)


def weighing(depth: int = 10, **weights: float) -> Reranker:
    """Return a re-ranker that weighs some features."""
    vector = np.zeros(len(FEATURES), np.float32)
    for name, weight in weights.items():
        vector[FEATURES.index(name)] = weight
    return Reranker(vector, depth, {"held_out_mentions": 7})


def fetch(rows: Sequence[int]) -> list[Entity]:
    return [ENTITIES[row] for row in rows]


def table(dense: list[list[float]], rows: list[list[int]], lexical: list[list[float]] | None = None) -> CandidateTable:
    scores = np.array(dense, np.float32)
    return CandidateTable(np.array(rows), scores, np.zeros_like(scores) if lexical is None else np.array(lexical, np.float32))


class TestShortlist:
    def test_the_nearest_and_the_best_by_name_come_first(self) -> None:
        listed, counts = shortlist(table([[0.9, 0.8, 0.7, 0.6, 0.5]], [[4, 3, 2, 1, 0]], [[0.1, 0.0, 0.0, 0.3, 0.2]]), 2, 2)
        assert listed.rows.tolist() == [[4, 3, 1, 0, 2]]
        assert counts.tolist() == [4]

    def test_what_is_near_in_both_counts_once(self) -> None:
        listed, counts = shortlist(table([[0.9, 0.8, 0.7, 0.6]], [[4, 3, 2, 1]], [[0.9, 0.0, 0.1, 0.3]]), 2, 2)
        assert listed.rows.tolist() == [[4, 3, 1, 2]]
        assert counts.tolist() == [3]

    def test_of_equal_names_the_first_rows_are_taken(self) -> None:
        listed, _ = shortlist(table([[0.9, 0.8, 0.7, 0.6]], [[4, 9, 2, 1]], [[0.0, 0.5, 0.5, 0.5]]), 1, 2)
        assert listed.rows.tolist() == [[4, 2, 1, 9]]

    def test_what_has_no_like_name_is_no_candidate_by_name(self) -> None:
        listed, counts = shortlist(table([[0.9, 0.8, 0.7]], [[4, 3, 2]], [[0.0, 0.0, 0.0]]), 1, 2)
        assert (listed.rows.tolist(), counts.tolist()) == ([[4, 3, 2]], [1])

    def test_absent_candidates_are_not_chosen(self) -> None:
        listed, counts = shortlist(table([[0.9, -np.inf, -np.inf]], [[4, -1, -1]], [[0.0, 0.5, 0.0]]), 2, 2)
        assert (listed.rows.tolist(), counts.tolist()) == ([[4, -1, -1]], [1])


class TestRescoring:
    def test_scores_are_similarity_plus_weighted_features(self) -> None:
        reranker = weighing(before_fits=0.5, name_equal=0.25)
        dense = np.array([[0.9, 0.8, 0.7, 0.6]], np.float32)
        scores = Rescorer(reranker, fetch).rescore([MentionFacts.of(MENTION)], np.array([[0, 1, 2, 3]]), dense, [4])
        np.testing.assert_allclose(scores, [[0.9, 1.3, 0.7, 0.85]], rtol=1e-6)

    def test_reordering_sorts_and_takes_rows_along(self) -> None:
        found = table([[0.9, 0.8, 0.7, 0.6]], [[0, 1, 2, 3]])
        scores, rows, *_ = Rescorer(weighing(before_fits=0.5), fetch).reorder([MentionFacts.of(MENTION)], found)
        assert rows.tolist() == [[1, 0, 2, 3]]
        np.testing.assert_allclose(scores, [[1.3, 0.9, 0.7, 0.6]], rtol=1e-6)

    def test_those_behind_the_depth_stay_behind_in_their_order(self) -> None:
        found = table([[0.9, 0.8, 0.7, 0.6]], [[0, 1, 2, 3]])
        scores, rows, _, counts = Rescorer(weighing(2, words_besides=-0.5), fetch).reorder([MentionFacts.of(MENTION)], found)
        assert counts.tolist() == [2]
        assert rows.tolist() == [[0, 1, 2, 3]]
        np.testing.assert_allclose(scores, [[0.4, 0.3, 0.3, 0.2]], atol=2e-5)
        assert scores[0, 2] < scores[0, 1]

    def test_one_that_came_by_name_can_win(self) -> None:
        found = table([[0.9, 0.8, 0.7, 0.6]], [[0, 2, 3, 1]], [[0.0, 0.0, 0.0, 0.9]])
        scores, rows, similarities, counts = Rescorer(replace(weighing(1, before_fits=0.5), by_name=1), fetch).reorder(
            [MentionFacts.of(MENTION)], found
        )
        assert (rows.tolist(), counts.tolist()) == ([[1, 0, 2, 3]], [2])
        np.testing.assert_allclose(similarities, [[0.6, 0.9, 0.8, 0.7]])
        np.testing.assert_allclose(scores, [[1.1, 0.9, 0.8, 0.7]], atol=1e-6)

    def test_missing_candidates_stay_last(self) -> None:
        found = table([[0.9, 0.8, -np.inf], [-np.inf] * 3], [[0, 1, -1], [-1, -1, -1]])
        scores, rows, *_ = Rescorer(weighing(before_fits=0.5), fetch).reorder([MentionFacts.of(MENTION)] * 2, found)
        assert rows.tolist() == [[1, 0, -1], [-1, -1, -1]]
        assert np.isneginf(scores[0, 2])
        assert np.isneginf(scores[1]).all()

    def test_entities_are_fetched_once(self) -> None:
        asked: list[int] = []
        rescorer = Rescorer(weighing(), lambda rows: asked.extend(rows) or fetch(rows))
        for _ in range(2):
            rescorer.rescore([MentionFacts.of(MENTION)], np.array([[2, 0]]), np.zeros((1, 2), np.float32), [2])
        assert sorted(asked) == [0, 2]

    def test_a_full_memory_is_emptied(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("pgmel.linking.reranking.rescorer.MOST_KEPT", 2)
        rescorer = Rescorer(weighing(name_equal=1), fetch)
        for _ in range(2):
            scores = rescorer.rescore([MentionFacts.of(MENTION)], np.array([[0, 1, 2, 3]]), np.zeros((1, 4), np.float32), [4])
            assert scores.tolist() == [[0, 0, 0, 1]]

    def test_parts_add_up_to_the_change(self) -> None:
        reranker = Reranker(np.random.default_rng(0).normal(size=len(FEATURES)).astype(np.float32))
        mention, entity = MentionFacts.of(MENTION), EntityFacts.of(ENTITIES[1])
        change = reranker.rescore(np.zeros((1, 1), np.float32), [mention], [[entity]])[0, 0]
        assert sum(reranker.parts(mention, entity).values()) == pytest.approx(change, abs=1e-5)


def simulated(num: int, rng: np.random.Generator, telling: int, weight: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw mentions whose gold candidate follows from score and one feature by a softmax."""
    dense = -np.sort(-rng.normal(0.5, 0.1, (num, 6)), axis=1)
    features = np.zeros((num, 6, len(FEATURES)))
    features[:, :, :8] = rng.integers(0, 2, (num, 6, 8))
    logits = 20 * (dense + weight * features[:, :, telling])
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return dense, features, (shares.cumsum(axis=1) < rng.random((num, 1))).sum(axis=1)


class TestFitting:
    def test_the_weight_of_a_telling_feature_is_found(self) -> None:
        dense, features, position = simulated(3000, np.random.default_rng(0), telling=3, weight=0.15)
        fitted = fit_reranking(dense, features, position, range(3000), np.random.default_rng(0))
        assert fitted.weights is not None
        assert fitted.weights[3] == pytest.approx(0.15, abs=0.02)
        assert np.abs(np.delete(fitted.weights, 3)).max() < 0.02
        assert fitted.helps

    def test_features_that_tell_nothing_do_not_help(self) -> None:
        dense, features, position = simulated(300, np.random.default_rng(1), telling=3, weight=0.0)
        fitted = fit_reranking(dense, features, position, range(300), np.random.default_rng(0))
        assert not fitted.helps

    def test_it_is_judged_on_sentences_that_were_not_fitted_on(self) -> None:
        # Within a sentence chance has made one feature decide everything; across sentences it says nothing.
        rng = np.random.default_rng(2)
        position = np.repeat(rng.integers(0, 2, 60), 5)
        features = np.zeros((300, 2, len(FEATURES)))
        groups = np.repeat(np.arange(60), 5)
        features[np.arange(300), position, groups % len(FEATURES)] = rng.choice([-1.0, 1.0], 60)[groups]
        fitted = fit_reranking(np.tile([0.6, 0.5], (300, 1)), features, position, groups.tolist(), np.random.default_rng(0))
        whole = fit_reranking(np.tile([0.6, 0.5], (300, 1)), features, position, range(300), np.random.default_rng(0))
        assert fitted.gain is not None
        assert whole.gain is not None
        assert fitted.gain.mean_b < whole.gain.mean_b
        assert (fitted.gain.num_groups, whole.gain.num_groups) == (60, 300)

    def test_too_few_mentions_give_nothing(self) -> None:
        dense, features, position = simulated(49, np.random.default_rng(0), telling=3, weight=0.15)
        fitted = fit_reranking(dense, features, position, range(49), np.random.default_rng(0))
        assert fitted.weights is None
        assert not fitted.helps

    def test_mentions_without_their_gold_entity_take_no_part(self) -> None:
        dense, features, position = simulated(400, np.random.default_rng(0), telling=3, weight=0.15)
        lost = position.copy()
        lost[:100] = -1
        rest = fit_reranking(dense[100:], features[100:], position[100:], range(300), np.random.default_rng(0))
        whole = fit_reranking(dense, features, lost, range(400), np.random.default_rng(0))
        assert whole.num_mentions == 300
        assert whole.weights is not None
        assert rest.weights is not None
        np.testing.assert_allclose(whole.weights, rest.weights, atol=1e-4)

    def test_made_up_mentions_are_fitted_on_and_not_measured(self) -> None:
        dense, features, position = simulated(400, np.random.default_rng(0), telling=3, weight=0.15)
        made_up = np.arange(400) >= 300
        whole = fit_reranking(dense, features, position, range(400), np.random.default_rng(0))
        fitted = fit_reranking(dense, features, position, range(400), np.random.default_rng(0), made_up)
        assert (fitted.num_mentions, fitted.num_made_up) == (300, 100)
        np.testing.assert_array_equal(fitted.weights, whole.weights)
        assert fitted.gain is not None
        assert fitted.gain.num_mentions == 300
        order = np.argsort(-dense[:300], axis=1)
        assert fitted.gain.mean_a == pytest.approx(np.mean(1 / (1 + np.argmax(order == position[:300, None], axis=1))))

    def test_absent_candidates_take_no_part(self) -> None:
        dense, features, position = simulated(200, np.random.default_rng(0), telling=3, weight=0.15)
        wider = np.concatenate([dense, np.full((200, 2), -np.inf)], axis=1)
        padded = np.concatenate([features, np.full((200, 2, len(FEATURES)), 5.0)], axis=1)
        rng = np.random.default_rng
        plain, wide = (fit_reranking(*one, position, range(200), rng(0)) for one in ((dense, features), (wider, padded)))
        assert plain.weights is not None
        assert wide.weights is not None
        np.testing.assert_allclose(plain.weights, wide.weights, atol=1e-4)


class TestFiles:
    def test_a_re_ranker_survives_its_files(self, tmp_path: Path) -> None:
        reranker = replace(weighing(5, before_fits=0.5), by_name=3)
        reranker.save(tmp_path)
        loaded = Reranker.load(tmp_path)
        np.testing.assert_array_equal(loaded.weights, reranker.weights)
        assert (loaded.depth, loaded.by_name, loaded.forgiving, loaded.about) == (5, 3, True, {"held_out_mentions": 7})

    def test_one_of_the_format_before_scores_as_it_did(self, tmp_path: Path) -> None:
        weighing(5, name_part=0.5, years_equal=0.25).save(tmp_path)
        old = [name for name in FEATURES if name not in ("words_slipped", "any_slipped")]
        values = read_json(tmp_path / "reranker.json")
        kept = {key: value for key, value in values.items() if key not in ("by_name", "forgiving")}
        write_json(tmp_path / "reranker.json", {**kept, "format": 1, "features": old})
        weights = np.array([{"name_part": 0.5, "years_equal": 0.25}.get(name, 0.0) for name in old], np.float32)
        save_file({"weights": weights}, tmp_path / "reranker.safetensors")
        loaded = Reranker.load(tmp_path)
        assert (loaded.by_name, loaded.forgiving) == (0, False)
        lees = [EntityFacts.of(ENTITIES[1]), EntityFacts.of(Entity("e", "Alder", description="1900"))]
        assert loaded.bonuses(MentionFacts.of(Mention("m", "Lee", "Lee in 1900")), lees).tolist() == [0.5, 0.25]
        assert loaded.bonuses(MentionFacts.of(Mention("m", "Bret", "Bret")), lees).tolist() == [0, 0]

    def test_files_of_other_features_are_refused(self, tmp_path: Path) -> None:
        weighing().save(tmp_path)
        values = read_json(tmp_path / "reranker.json")
        write_json(tmp_path / "reranker.json", {**values, "features": [*FEATURES[1:], "another"]})
        with pytest.raises(BundleError, match="another version"):
            Reranker.load(tmp_path)

    @pytest.mark.parametrize("name", ["reranker.json", "reranker.safetensors"])
    def test_a_damaged_file_is_named(self, tmp_path: Path, name: str) -> None:
        weighing().save(tmp_path)
        (tmp_path / name).write_bytes(b"{")
        with pytest.raises(BundleError, match=f"{tmp_path.name} is missing or damaged"):
            Reranker.load(tmp_path)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle whose second stage prefers entities whose description has a word of the sentence."""
    plain = write_toy_bundle(tmp_path / "plain", make_decision(nil_score=-2.0, threshold=0.0), lexical_weight=1.0)
    with KnowledgeBase.open(plain / KB_FILE) as kb:
        write_bundle(
            tmp_path / "bundle",
            kb,
            Embedder.load(plain / "model"),
            EntityIndex.load(plain / INDEX),
            {key: value for key, value in read_card(plain).items() if key not in ("files", "kb", "index", "versions")},
            reranker=weighing(4, described_any=3.0),
        )
    return tmp_path / "bundle"


class TestInABundle:
    def test_links_follow_the_new_scores(self, bundle: Path) -> None:
        mention = Mention("m", "Congo", "Congo, a place called by many names")
        with Linker.load(bundle) as linker:
            (link,) = linker.link([mention], top_k=8)
            dense = EntityIndex.load(bundle / INDEX)
            assert linker.reranker is not None
            by_id = {entity.id: entity for entity in linker.kb.iter_entities()}
        scores = [candidate.score for candidate in link.candidates]
        assert scores == sorted(scores, reverse=True)
        assert len(dense.vectors) == len(by_id)
        facts = MentionFacts.of(mention)
        for candidate in link.candidates[:4]:
            (row,) = pair_features(facts, [EntityFacts.of(by_id[candidate.entity_id])])
            assert (candidate.score > 2) == (row[FEATURES.index("described_any")] > 0)

    def test_candidates_by_name_are_ranked_again_beside_the_nearest(self, bundle: Path) -> None:
        mention = Mention("m", "Samoa Congo", "Samoa Congo, a place called by many names")
        with Linker.load(bundle) as plain:
            again = replace(weighing(1, described_any=3.0), by_name=4)
            linker = Linker(plain.kb, plain.index, plain._embedder, plain._encoders, candidates=plain.candidates, reranker=again)
            (link,) = linker.link([mention], top_k=12)
            assert linker.candidates.names is not None
            _, (named,) = linker.candidates.names.search(["Samoa Congo"], 4)
            vector = linker._embedder.embed_mentions(linker._encoders.encode_mentions([mention], show_progress=False))
            dense, (nearest, *_) = (part[0].tolist() for part in linker.index.search(vector, 30))
            score = dict(zip(linker.index.search(vector, 30)[1][0].tolist(), dense, strict=True))
            chosen = {nearest, *named.tolist()} - {-1}
            facts = {row: EntityFacts.of(entity) for row, entity in zip(chosen, linker.kb.get_many(list(chosen)), strict=True)}
            new = {row: score[row] + float(again.bonuses(MentionFacts.of(mention), [facts[row]])[0]) for row in chosen}
            ids = linker.kb.ids_of(sorted(chosen, key=lambda row: -new[row]))
        assert len(chosen) > 1
        assert [candidate.entity_id for candidate in link.candidates[: len(chosen)]] == ids
        np.testing.assert_allclose([one.score for one in link.candidates[: len(chosen)]], sorted(new.values(), reverse=True), rtol=1e-5)

    def test_search_is_asked_for_as_many_names_as_are_ranked_again(self, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with Linker.load(bundle) as plain:
            again = replace(weighing(1), by_name=4)
            linker = Linker(plain.kb, plain.index, plain._embedder, plain._encoders, candidates=plain.candidates, reranker=again)
            asked: list[int] = []
            propose = CandidateSearch.propose
            monkeypatch.setattr(
                CandidateSearch, "propose", lambda self, *of, **how: asked.append(how["named"]) or propose(self, *of, **how)
            )
            linker.link([MENTION], top_k=1)
        assert asked == [4]

    def test_nil_is_decided_by_similarities_too(self, bundle: Path) -> None:
        mention = Mention("m", "Congo", "Congo, a place called by many names")
        with Linker.load(bundle) as plain:
            parts = (plain.kb, plain.index, plain._embedder, plain._encoders)
            decisions = [replace(make_decision(nil_score=9.0, threshold=0.0), nearness_weight=weight) for weight in (0.0, 40.0)]
            nil = [
                Linker(*parts, decision, candidates=plain.candidates, reranker=plain.reranker).link([mention])[0].probability
                for decision in decisions
            ]
        assert nil[0] is not None
        assert nil[1] is not None
        assert nil[0] != nil[1]

    def test_few_candidates_asked_for_are_the_first_of_many(self, bundle: Path) -> None:
        mentions = [Mention("m", "Congo", "Congo, a place called by many names"), Mention("n", "Sudan", "another Sudan")]
        with Linker.load(bundle) as linker:
            few, many = linker.link(mentions, top_k=1), linker.link(mentions, top_k=12)
        assert [link.candidates for link in few] == [link.candidates[:1] for link in many]
        assert [link.probability for link in few] == [link.probability for link in many]

    def test_a_bundle_without_one_has_none(self, tmp_path: Path) -> None:
        with Linker.load(write_toy_bundle(tmp_path / "plain", None)) as linker:
            assert linker.reranker is None

    def test_a_sound_bundle_passes_the_check(self, bundle: Path) -> None:
        assert check_bundle(bundle) == []

    def test_a_changed_weight_is_noticed(self, bundle: Path) -> None:
        weighing(4, described_any=2.0).save(bundle / "reranker")
        assert any("reranker.safetensors is not the file" in fault for fault in check_bundle(bundle))

    def test_a_missing_file_is_said_when_it_is_opened(self, bundle: Path) -> None:
        (bundle / "reranker" / "reranker.safetensors").unlink()
        with pytest.raises(BundleError, match="re-ranker"):
            Linker.load(bundle)


def pairs(*texts: tuple[str, str]) -> list[tuple[MentionFacts, EntityFacts]]:
    """Return mentions in sentences, each with the description of its gold entity."""
    return [
        (MentionFacts.of(Mention("m", "X", sentence)), EntityFacts.of(Entity("e", "X", description=description)))
        for sentence, description in texts
    ]


class _InOrder(frozenset[str]):
    """A set of words that is gone through in a given order."""

    words: list[str]

    def __new__(cls, words: Sequence[str]) -> Self:
        made = super().__new__(cls, words)
        made.words = list(words)
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(self.words)


class TestAssociations:
    @pytest.fixture
    def learned(self) -> WordAssociations:
        return WordAssociations.learn(pairs(*[("senate vote", "politician male")] * 30, *[("goal scored", "footballer male")] * 30))

    def test_entities_whose_words_go_with_the_sentence_come_first(self, learned: WordAssociations) -> None:
        (mention, politician), (_, footballer) = pairs(("the senate sat", "politician male"), ("", "footballer male"))
        found = learned.measure(mention, [politician, footballer, EntityFacts.of(Entity("e", "X"))])
        assert (found[0] > found[1]).all()
        assert found[2].tolist() == [0, 0]

    def test_figures_are_those_of_a_slow_loop(self, learned: WordAssociations) -> None:
        mention, entity = pairs(("a goal in the senate", "male politician unknown"))[0]
        # N = 60; "male" is in 60 descriptions, "politician" in 30; each of the two words of the sentence stands in 30 mentions.
        male, politician = np.log1p(30 * 60 / (5 * 60)), np.log1p(30 * 60 / (5 * 30))
        mean, best = (male + politician) / 2 + male / 2, (politician + male) / np.sqrt(2)
        np.testing.assert_allclose(learned.measure(mention, [entity]), [[mean, best]], rtol=1e-3)

    def test_the_order_in_which_a_process_keeps_words_does_not_count(self) -> None:
        words = [f"word{number}" for number in range(40)]
        # Counts of many sizes, so that sums in another order round in another way.
        texts = [(" ".join(words[:count]), " ".join(words[-count:]) + " known") for count in range(1, 41) for _ in range(count % 7 + 1)]
        learned = WordAssociations.learn(pairs(*texts))
        mention, entity = pairs((" ".join(words), " ".join(words)))[0]
        found = [
            learned.measure(replace(mention, telling=_InOrder(some)), [replace(entity, described=_InOrder(some))])
            for some in (words, words[::-1], words[1::2] + words[::2], sorted(words, key=lambda word: word[::-1]))
        ]
        assert all(np.array_equal(one, found[0]) for one in found)

    def test_rare_words_are_not_known(self) -> None:
        learned = WordAssociations.learn(pairs(*[("senate", "politician")] * 30, ("stray", "politician"), ("senate", "baker")))
        assert learned.words() == {"sentence": ["senate"], "description": ["politician"]}
        assert len(learned) == 1

    def test_nothing_learned_tells_nothing(self) -> None:
        mention, entity = pairs(("the senate", "politician"))[0]
        assert WordAssociations.learn([]).measure(mention, [entity]).tolist() == [[0, 0]]

    def test_they_are_saved_with_the_re_ranker(self, learned: WordAssociations, tmp_path: Path) -> None:
        mention, entity = pairs(("the senate sat", "politician male"))[0]
        reranker = replace(weighing(associated_best=0.5), associations=learned)
        reranker.save(tmp_path)
        loaded = Reranker.load(tmp_path)
        assert reranker.bonuses(mention, [entity])[0] > 0.5
        assert np.array_equal(loaded.bonuses(mention, [entity]), reranker.bonuses(mention, [entity]))
        assert loaded.parts(mention, entity)["associations"] == pytest.approx(reranker.bonuses(mention, [entity])[0], rel=1e-3)

    def test_a_table_that_does_not_fit_is_damage(self, learned: WordAssociations, tmp_path: Path) -> None:
        replace(weighing(), associations=learned).save(tmp_path)
        values = read_json(tmp_path / "reranker.json")
        write_json(tmp_path / "reranker.json", {**values, "words": {"sentence": ["one"], "description": []}})
        with pytest.raises(BundleError, match="missing or damaged"):
            Reranker.load(tmp_path)
