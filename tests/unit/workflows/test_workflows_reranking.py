"""The second stage in training, measuring and bundles."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_runs import ToyRun, quick_settings, run_cli, write_lines

from pgmel.candidates import NameIndex
from pgmel.evaluation import rank_against_kb
from pgmel.files import read_json
from pgmel.linking import Linker, check_bundle, read_card
from pgmel.linking.reranking import FEATURES, EntityFacts, MentionFacts, Reranker, pair_features
from pgmel.records import Entity
from pgmel.settings import Settings
from pgmel.testing import toy_world
from pgmel.training import TrainingInterruptedError
from pgmel.workflows.build_index import build_bundle
from pgmel.workflows.calibrate import PrecisionChanges, calibrate_bundle
from pgmel.workflows.deciding import decision_goals
from pgmel.workflows.evaluate import evaluate_bundle
from pgmel.workflows.kb import KbOptions, change_kb
from pgmel.workflows.measuring import Vectors, add_second_stage, embed, find_top, fit_nil, make_ranker, measure_split, rank_in_kb
from pgmel.workflows.preparation import prepare
from pgmel.workflows.report import report_run
from pgmel.workflows.reranking import _misspell_some, auxiliary_settings, hold_out, reads_text, train_reranker
from pgmel.workflows.train import train

WEIGHT = -0.6
"""Of words of the sentence in the description: below 0, so that ranking again changes many ranks."""

LEAST = ("pgmel.workflows.reranking.LEAST_MENTIONS", "pgmel.linking.reranking.fitting.LEAST_MENTIONS")


@pytest.fixture(scope="module")
def reranked_run(toy_data: Path, toy_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> ToyRun:
    """A run with a second stage; the toy world is too small for one but for lowered limits."""
    settings = quick_settings(f"features.cache_dir={toy_cache}")
    folder = tmp_path_factory.mktemp("runs") / "reranked"
    with pytest.MonkeyPatch.context() as patch:
        for limit in LEAST:
            patch.setattr(limit, 5)
        patch.setattr("pgmel.linking.reranking.fitting.FittedReranking.helps", True)
        run = train(settings, folder, toy_data, show_progress=False)
    assert run.reranked is not None
    return ToyRun(toy_data, settings, folder, run)


@pytest.fixture(params=[0, 2], ids=["nearest alone", "by name too"])
def preferring(request: pytest.FixtureRequest) -> Reranker:
    """A re-ranker of three candidates, and of two by name, that looks at one feature."""
    weights = np.zeros(len(FEATURES), np.float32)
    weights[FEATURES.index("described_count")] = WEIGHT
    return Reranker(weights, 3, by_name=request.param)


class TestTraining:
    def test_the_toy_world_is_too_small_for_one(self, toy_run: ToyRun) -> None:
        assert toy_run.result.reranked is None
        assert read_card(toy_run.folder / "bundle")["reranker"] is None
        assert "reranked" not in read_json(toy_run.folder / "results.json")

    def test_results_and_card_hold_both_stages(self, reranked_run: ToyRun) -> None:
        run, results = reranked_run.result, read_json(reranked_run.folder / "results.json")
        card = read_card(run.bundle)
        assert run.reranked is not None
        assert run.second_stage is not None
        assert list(results) == ["zero_shot", "trained", "reranked", "second_stage"]
        assert card["scores"] == {name: results[name] for name in ("zero_shot", "trained", "reranked")}
        assert results["second_stage"]["mean_a"] == results["trained"]["overall"]["h_at_1"]["value"]
        assert results["second_stage"]["mean_b"] == results["reranked"]["overall"]["h_at_1"]["value"]
        assert results["reranked"]["system"] == "re-ranked"
        assert set(card["reranker"]["weights"]) == set(FEATURES)
        assert card["reranker"]["by_name"] == 5
        assert card["reranker"]["about"]["held_out_mentions"] > 5
        assert run.final is run.reranked
        assert check_bundle(run.bundle) == []

    def test_it_can_be_switched_off(self, toy_data: Path, toy_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("pgmel.workflows.train.train_reranker", lambda *_: pytest.fail("a second stage was trained"))
        settings = quick_settings(f"features.cache_dir={toy_cache}", "linking.rerank=false")
        assert train(settings, tmp_path / "run", toy_data, show_progress=False).reranked is None

    def test_a_model_of_pictures_alone_gets_none(self) -> None:
        assert reads_text(Settings())
        assert not reads_text(quick_settings("features.lexical_weight=0"))
        assert reads_text(quick_settings("features.lexical_weight=1"))

    def test_nothing_of_dev_is_read(self, reranked_run: ToyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for limit in LEAST:
            monkeypatch.setattr(limit, 5)
        monkeypatch.setattr("pgmel.linking.reranking.fitting.FittedReranking.helps", True)
        material, settings = reranked_run.result.material, reranked_run.settings
        without = replace(
            material,
            splits={"train": material.splits["train"]},
            dataset=replace(material.dataset, splits={"train": material.dataset.splits["train"]}),
        )
        prepared = prepare(material, settings, "cpu", False)
        found = train_reranker(without, prepared, settings, tmp_path, torch.device("cpu"), show_progress=False)
        assert found is not None
        np.testing.assert_allclose(found.weights, Reranker.load(reranked_run.result.bundle / "reranker").weights, atol=1e-5)

    def test_held_out_clusters_are_whole(self, toy_run: ToyRun, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(LEAST[0], 5)
        split = toy_run.result.material.splits["train"]
        shared = tuple(replace(mention, context=f"sentence {row % 12}") for row, mention in enumerate(split.mentions))
        held = hold_out(replace(split, mentions=shared), np.arange(len(shared)), 0)
        assert held is not None
        assert len({row % 12 for row in np.flatnonzero(held)}) == 3
        assert not {row % 12 for row in np.flatnonzero(held)} & {row % 12 for row in np.flatnonzero(~held)}

    def test_some_held_out_mentions_come_again_misspelt(self, toy_run: ToyRun, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("pgmel.workflows.reranking.MISSPELT", 4)
        split = toy_run.result.material.splits["train"]
        made = _misspell_some(split, toy_run.result.material, np.random.default_rng(0))
        assert len(split.mentions) // 8 < len(made.mentions) <= len(split.mentions) // 4
        places = {mention.id: place for place, mention in enumerate(split.mentions)}
        for copy, gold, place in zip(made.mentions, made.gold_rows, made.rows, strict=True):
            written = split.mentions[places[copy.id]]
            assert copy.surface != written.surface
            assert (gold, place) == (split.gold_rows[places[copy.id]], places[copy.id])
        assert len(made.features) == len(made.mentions)

    def test_the_auxiliary_training_is_cheap(self) -> None:
        settings = auxiliary_settings(
            Settings.model_validate(
                {"training": {"epochs": 8}, "features": {"train_encoder": "lora"}, "negatives": {"sampler": "generator"}}
            )
        )
        assert (settings.training.epochs, settings.features.train_encoder, settings.negatives.sampler) == (3, "none", "hardest")

    @pytest.mark.parametrize("name", ["train", "held-out", "held-out, held out"])
    def test_the_held_out_part_is_not_called_like_the_training_split(self, name: str) -> None:
        settings = auxiliary_settings(Settings.model_validate({"data": {"train_split": name}}))
        assert settings.data.train_split == name != settings.data.dev_split

    def test_an_interrupted_auxiliary_training_goes_on(self, reranked_run: ToyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for limit in LEAST:
            monkeypatch.setattr(limit, 5)
        monkeypatch.setattr("pgmel.linking.reranking.fitting.FittedReranking.helps", True)
        material, settings = reranked_run.result.material, reranked_run.settings
        prepared = prepare(material, settings, "cpu", False)

        def attempt() -> Reranker | None:
            return train_reranker(material, prepared, settings, tmp_path, torch.device("cpu"), show_progress=False)

        with monkeypatch.context() as patch:
            patch.setattr("pgmel.training.distributed.World.agree", lambda self, here, device: True)
            with pytest.raises(TrainingInterruptedError):
                attempt()
        assert list((tmp_path / "reranking" / "checkpoints").iterdir())
        found = attempt()
        assert found is not None
        np.testing.assert_allclose(found.weights, Reranker.load(reranked_run.result.bundle / "reranker").weights, atol=1e-5)

    def test_a_finished_run_is_not_trained_again(self, reranked_run: ToyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = Path(shutil.copytree(reranked_run.folder, tmp_path / "again"))
        monkeypatch.setattr("pgmel.training.game.Game.discriminator_loss", lambda *_: pytest.fail("a step was made"))
        for limit in LEAST:
            monkeypatch.setattr(limit, 5)
        monkeypatch.setattr("pgmel.linking.reranking.fitting.FittedReranking.helps", True)
        run = train(reranked_run.settings, folder, reranked_run.data, show_progress=False)
        assert run.reranked is not None
        assert reranked_run.result.reranked is not None
        assert run.reranked.result.overall == reranked_run.result.reranked.result.overall


class TestMeasuring:
    @pytest.fixture
    def vectors(self, toy_run: ToyRun, preferring: Reranker) -> Vectors:
        material, embedder = toy_run.result.material, toy_run.result.embedder
        return add_second_stage(embed(embedder, material, "dev"), preferring, material, "dev")

    def slow_scores(self, toy_run: ToyRun, vectors: Vectors, place: int, kept: list[int]) -> dict[int, float]:
        """Return the score of every kept entity after ranking again, by loops."""
        material = toy_run.result.material
        dense = {row: float(vectors.mentions[place] @ vectors.entities[row]) for row in kept}
        assert vectors.second is not None
        by_name = vectors.second._rescorer.reranker.by_name
        order = sorted(kept, key=lambda row: (-dense[row], row))
        names = NameIndex.build((row, entity.name, entity.aliases) for row, entity in enumerate(material.dataset.entities))
        _, (found,) = names.search([material.splits["dev"].mentions[place].surface], 30)
        chosen = dict.fromkeys([*order[:3], *[row for row in found.tolist() if row in kept][:by_name]])
        mention = MentionFacts.of(material.splits["dev"].mentions[place])
        column = FEATURES.index("described_count")
        new = dict(dense)
        for row in chosen:
            new[row] += WEIGHT * float(pair_features(mention, [EntityFacts.of(material.dataset.entities[row])])[0, column])
        lowest = min(new[row] for row in chosen)
        drop = min(0.0, lowest - max((dense[row] for row in order if row not in chosen), default=-9.0) - 1e-5)
        return {row: score + (0.0 if row in chosen else drop) for row, score in new.items()}

    def test_the_best_candidates_are_those_of_slow_loops(self, toy_run: ToyRun, vectors: Vectors) -> None:
        scores, rows, _ = find_top(vectors, 8)
        for place in range(len(rows)):
            slow = self.slow_scores(toy_run, vectors, place, list(range(30)))
            np.testing.assert_allclose(scores[place], sorted(slow.values(), reverse=True)[:8], atol=1e-6)
            np.testing.assert_allclose(scores[place], [slow[row] for row in rows[place]], atol=1e-6)

    def test_a_part_of_the_kb_is_ranked_again_for_itself(self, toy_run: ToyRun, vectors: Vectors) -> None:
        split = toy_run.result.material.splits["dev"]
        kept = np.arange(30) % 3 != 0
        scores, rows, _ = make_ranker(vectors, split)(kept, 2)
        annotated = np.flatnonzero(split.rankable | split.is_nil)
        for line, place in enumerate(annotated):
            slow = self.slow_scores(toy_run, vectors, int(place), np.flatnonzero(kept).tolist())
            np.testing.assert_allclose(scores[line], sorted(slow.values(), reverse=True)[:2], atol=1e-5)
            assert kept[rows[line]].all()

    def test_ranks_are_those_of_slow_loops(self, toy_run: ToyRun, vectors: Vectors) -> None:
        split = toy_run.result.material.splits["dev"]
        places = np.flatnonzero(split.rankable)
        ranks = rank_in_kb(vectors.take(places), split.gold_rows[places])
        for line, place in enumerate(places):
            slow = self.slow_scores(toy_run, vectors, int(place), list(range(30)))
            gold = slow[int(split.gold_rows[place])]
            higher = sum(score > gold + 1e-6 for score in slow.values())
            tied = sum(abs(score - gold) <= 1e-6 for score in slow.values())
            assert (ranks.optimistic[line], ranks.pessimistic[line]) == (1 + higher, higher + tied)
        plain = rank_against_kb(vectors.mentions[places], vectors.entities, split.gold_rows[places])
        changed = int((plain.realistic != ranks.realistic).sum())
        assert changed > 3

    def test_what_ties_beyond_the_list_ties_still(self, toy_run: ToyRun, preferring: Reranker) -> None:
        material = toy_run.result.material
        split = material.splits["dev"]
        place = np.flatnonzero(split.rankable)[:1]
        gold = split.gold_rows[place]
        twins = material.dataset.entities[int(gold[0])]
        entities = tuple(replace(twins, id=f"T{row}") for row in range(30))
        flat = Vectors(np.ones((30, 1), np.float32), np.ones((30, 1), np.float32))
        bound = add_second_stage(flat, preferring, replace(material, dataset=replace(material.dataset, entities=entities)), "dev").take(
            place
        )
        ranks = rank_in_kb(bound, np.array([1]))
        assert (ranks.optimistic[0], ranks.realistic[0], ranks.pessimistic[0]) == (1, 15.5, 30)

    def test_a_gold_entity_that_came_by_name_alone_can_come_first(self, toy_run: ToyRun) -> None:
        material = toy_run.result.material
        split = material.splits["dev"]
        weights = np.zeros(len(FEATURES), np.float32)
        weights[FEATURES.index("any_slipped")] = 5.0
        names = tuple(Entity(f"E{row}", f"Name{chr(97 + row % 26)}zzz") for row in range(30))
        mentions = tuple(replace(split.mentions[0], id=f"M{row}", surface="Naemczzz", context="") for row in range(2))
        changed = replace(material, dataset=replace(material.dataset, entities=names), splits={"dev": replace(split, mentions=mentions)})
        flat = Vectors(np.ones((2, 1), np.float32), np.linspace(1, 0, 30, dtype=np.float32)[:, None])
        gold = np.array([28, 20])  # "Nameczzz" is 2 and 28; the other one keeps its place, but for those that came by name
        for by_name, expected in ((0, [29, 21]), (2, [2, 22])):
            bound = add_second_stage(flat, Reranker(weights, 2, by_name=by_name), changed, "dev")
            assert rank_in_kb(bound, gold).realistic.tolist() == expected

    def test_candidate_lists_are_ranked_again(self, toy_run: ToyRun, vectors: Vectors) -> None:
        material = toy_run.result.material
        split = material.splits["dev"]
        ids = [entity.id for entity in material.dataset.entities]
        listed = tuple(replace(mention, candidates=tuple(ids[3:9])) for mention in split.mentions)
        changed = replace(material, splits={**material.splits, "dev": replace(split, mentions=listed)})
        measured = measure_split(vectors, changed, "dev", toy_run.settings, "re-ranked", "candidates")
        for line, place in enumerate(measured.rows):
            gold = int(split.gold_rows[place])
            slow = self.slow_scores(toy_run, vectors, int(place), sorted({*range(3, 9), gold}))
            assert measured.ranks.optimistic[line] == 1 + sum(score > slow[gold] + 1e-6 for score in slow.values())

    def test_dev_is_linked_as_it_was_measured(self, reranked_run: ToyRun) -> None:
        run = reranked_run.result
        assert run.reranked is not None
        assert run.decision is not None
        split = run.material.splits["dev"]
        scores, rows, _ = find_top(run.reranked.vectors, 10)
        with Linker.load(run.bundle) as linker:
            links = linker.link(split.mentions)
        ids = [entity.id for entity in run.material.dataset.entities]
        best = [link.candidates[0] for link in links]
        np.testing.assert_allclose([one.score for one in best], scores[:, 0], atol=2e-3)  # the bundle's vectors are float16
        clear = scores[:, 0] - scores[:, 1] > 5e-3
        assert clear.sum() > 10
        assert [one.entity_id for one, is_clear in zip(best, clear, strict=True) if is_clear] == [ids[row] for row in rows[clear, 0]]

    def test_evaluate_says_what_training_said(self, reranked_run: ToyRun) -> None:
        run = reranked_run.result
        found = evaluate_bundle(run.bundle, reranked_run.data, "dev", show_progress=False)
        assert run.reranked is not None
        assert run.trained is not None
        assert found.system == "re-ranked"
        assert found.overall == run.reranked.result.overall
        assert found.single_vector is not None
        assert found.single_vector.overall == run.trained.result.overall
        assert found.second_stage == run.second_stage


class TestWhatPeopleRead:
    def test_the_report_shows_both_stages(self, reranked_run: ToyRun, tmp_path: Path) -> None:
        written = report_run(reranked_run.folder, tmp_path / "r.html", show_progress=False)
        assert [one.name for one in written.data.systems] == ["zero-shot", "trained", "re-ranked"]
        assert any("second stage" in note for note in written.data.notes)
        assert "data or encoders are no longer" not in written.data.notice

    def test_evaluate_prints_both_stages(self, reranked_run: ToyRun) -> None:
        outcome = run_cli("evaluate", "--bundle", str(reranked_run.result.bundle), "--data", str(reranked_run.data))
        assert outcome.code == 0
        for words in ("single vector", "re-ranked", "Second stage: H@1"):
            assert words in outcome.out


def test_another_kb_takes_it_along_if_asked_and_a_changed_one_links_as_one_built_anew(reranked_run: ToyRun, tmp_path: Path) -> None:
    entities = [entity for entity in toy_world().entities if entity.id != "E04"]
    write_lines(tmp_path / "kb" / "kb.jsonl", [record(entity) for entity in entities])
    build_bundle(reranked_run.result.bundle, tmp_path / "kb", tmp_path / "bundle", show_progress=False, keep_second_stage=True)
    update = write_lines(tmp_path / "u.jsonl", [{"id": "E01", "description": "a river, mouth and delta of 1850"}])
    change_kb(tmp_path / "bundle", update, "update", KbOptions(), device="cpu", show_progress=False)
    final = [replace(one, description="a river, mouth and delta of 1850") if one.id == "E01" else one for one in entities]
    write_lines(tmp_path / "kb2" / "kb.jsonl", [record(entity) for entity in final])
    build_bundle(reranked_run.result.bundle, tmp_path / "kb2", tmp_path / "anew", show_progress=False, keep_second_stage=True)
    mentions = toy_world().splits["test"]
    with Linker.load(tmp_path / "bundle") as changed, Linker.load(tmp_path / "anew") as anew:
        assert changed.reranker is not None
        np.testing.assert_array_equal(changed.reranker.weights, Reranker.load(reranked_run.result.bundle / "reranker").weights)
        assert changed.link(mentions) == anew.link(mentions)
    assert check_bundle(tmp_path / "bundle") == []


def test_by_default_another_kb_gets_the_single_vector_and_its_own_decision(reranked_run: ToyRun, tmp_path: Path) -> None:
    write_lines(tmp_path / "kb" / "kb.jsonl", [record(entity) for entity in toy_world().entities])
    about = build_bundle(reranked_run.result.bundle, tmp_path / "kb", tmp_path / "bundle", show_progress=False)
    run = reranked_run.result
    vectors, dev = run.trained.vectors, run.material.splits["dev"]
    without = fit_nil(vectors, dev, reranked_run.settings.linking.top_k, reranked_run.settings.seed, decision_goals(reranked_run.settings))
    with Linker.load(tmp_path / "bundle") as linker:
        assert linker.reranker is None
        assert linker.decision == without != run.decision
    assert about["second_stage"] is False
    assert check_bundle(tmp_path / "bundle") == []


def test_calibrating_renews_the_decision_of_both_stages(reranked_run: ToyRun, tmp_path: Path) -> None:
    shutil.copytree(reranked_run.result.bundle, tmp_path / "bundle")
    old = read_card(tmp_path / "bundle")
    changes = PrecisionChanges(nil_precision=0.3)
    decision = calibrate_bundle(tmp_path / "bundle", reranked_run.data, "dev", changes, show_progress=False)
    card = read_card(tmp_path / "bundle")
    assert card["decision"] == decision.to_dict() != old["decision"]
    assert card["reranker"]["decision_without"] not in (old["reranker"]["decision_without"], card["decision"])
    assert {**card["reranker"], "decision_without": 0} == {**old["reranker"], "decision_without": 0}


def test_a_calibrated_decision_is_known_as_such_in_a_bundle_without_the_second_stage(reranked_run: ToyRun, tmp_path: Path) -> None:
    shutil.copytree(reranked_run.result.bundle, tmp_path / "bundle")
    calibrate_bundle(tmp_path / "bundle", reranked_run.data, "test", PrecisionChanges(nil_precision=0.3), show_progress=False)
    old = read_card(tmp_path / "bundle")
    for keep in (False, True):
        build_bundle(tmp_path / "bundle", reranked_run.data, tmp_path / str(keep), keep_second_stage=keep, show_progress=False)
        card = read_card(tmp_path / str(keep))
        assert card["calibrated"] == old["calibrated"]
        assert card["decision"] == (old["decision"] if keep else old["reranker"]["decision_without"])
        assert "pgmel calibrate" in card["decision_note"]


def record(entity: Entity) -> dict[str, object]:
    return {"id": entity.id, "name": entity.name, "aliases": list(entity.aliases), "description": entity.description}
