"""The decision measured with gold entities taken out of the KB."""

from typing import Any

import numpy as np
import pytest
from toy_runs import ToyRun, quick_settings

from pgmel.errors import SettingError
from pgmel.evaluation import draw_removed, measure_nil
from pgmel.linking import Decision, DevScores, cross_fit, fit_decision
from pgmel.settings import Settings
from pgmel.workflows.clusters import clusters_of
from pgmel.workflows.deciding import Found, RemovedJudgement, decision_goals, judge_nil, judge_removed
from pgmel.workflows.evaluate import evaluate_bundle
from pgmel.workflows.material import Split

ENTITIES, MENTIONS, KEPT = 40, 120, 6
DECISION = Decision(0.05, 0.6, 0.3, KEPT, nil_threshold=0.5)


class World:
    """Mentions with scores for every entity, five of them NIL, and the sentences that pairs of them share."""

    def __init__(self, material: Any) -> None:
        rng = np.random.default_rng(0)
        self.gold = rng.integers(0, ENTITIES, MENTIONS)
        self.gold[:5] = -1
        self.table = rng.normal(0.4, 0.1, (MENTIONS, ENTITIES))
        rows = np.arange(5, MENTIONS)
        self.table[rows, self.gold[5:]] += rng.normal(0.35, 0.15, MENTIONS - 5)
        mentions = tuple(material.splits["dev"].mentions[0].__class__(str(row), "x", f"sentence {row // 2}") for row in range(MENTIONS))
        self.split = Split(mentions, material.splits["dev"].features, self.gold, self.gold < 0)
        self.asked: list[tuple[np.ndarray, int]] = []

    def rank(self, kept: np.ndarray, count: int) -> Found:
        self.asked.append((kept.copy(), count))
        table = np.where(kept, self.table, -np.inf)
        rows = np.argsort(-table, axis=1)[:, :count]
        return Found(np.take_along_axis(table, rows, axis=1), rows, None)

    def judge(self, is_fitted_here: bool, settings: Settings, share: float = 0.2) -> RemovedJudgement:
        return judge_removed(self.rank, ENTITIES, self.split, DECISION, is_fitted_here, settings, share)


@pytest.fixture
def world(toy_run: ToyRun) -> World:
    return World(toy_run.result.material)


@pytest.fixture
def settings() -> Settings:
    return quick_settings()


def test_figures_are_those_of_a_slow_loop_over_the_smaller_kb(world: World, settings: Settings) -> None:
    found = world.judge(False, settings).result
    removed = set(draw_removed(world.gold, 0.2, np.random.default_rng(settings.seed)).tolist())
    golds = sorted(set(world.gold[5:].tolist()))
    assert found.num_removed == len(removed) == round(0.2 * len(golds))
    assert (found.num_entities, found.num_folds, found.share) == (ENTITIES - len(removed), 0, 0.2)
    true_nil = false_nil = missed_nil = decided = wrong = 0
    for row in range(MENTIONS):
        ranked = sorted((entity for entity in range(ENTITIES) if entity not in removed), key=lambda entity: -world.table[row, entity])
        weights = [np.exp(world.table[row, entity] / 0.05) for entity in ranked[:KEPT]]
        total = sum(weights) + np.exp(0.6 / 0.05)
        answers_nil = weights[0] / total < 0.3 or np.exp(0.6 / 0.05) / total >= 0.5
        is_nil = world.gold[row] < 0 or world.gold[row] in removed
        is_right = not is_nil and ranked[0] == world.gold[row]
        true_nil += is_nil and answers_nil
        false_nil += answers_nil and not is_nil
        missed_nil += is_nil and not answers_nil
        decided += is_nil if answers_nil else is_right
        wrong += not is_right
    assert (found.nil.true_nil, found.nil.false_nil, found.nil.missed_nil) == (true_nil, false_nil, missed_nil)
    assert min(true_nil, false_nil, missed_nil) > 0
    assert found.nil.accuracy.value == pytest.approx(decided / MENTIONS)
    assert found.nil.threshold == 0.5
    assert found.risk.risks[-1].risk.value == pytest.approx(wrong / MENTIONS)
    assert found.reliability.share_right == pytest.approx(1 - wrong / MENTIONS)
    assert found.reliability.error_interval is not None


def test_mentions_that_fitted_the_decision_are_judged_by_others_fitted_on_the_whole_kb(world: World, settings: Settings) -> None:
    found = world.judge(True, settings).result
    assert [(int(kept.sum()), count) for kept, count in world.asked] == [(found.num_entities, KEPT), (ENTITIES, KEPT + 1)]
    whole, rows, _ = world.rank(np.ones(ENTITIES, bool), KEPT + 1)
    hit = rows == world.gold[:, None]
    dev = DevScores(whole, np.where(hit.any(axis=1), hit.argmax(axis=1), -1), world.split.is_nil)
    groups = clusters_of(world.split, np.arange(MENTIONS))
    folds, fitted = cross_fit(dev, np.random.default_rng(settings.seed), groups, decision_goals(settings), KEPT)
    removed = draw_removed(world.gold, 0.2, np.random.default_rng(settings.seed))
    kept = np.ones(ENTITIES, bool)
    kept[removed] = False
    scores, candidates, _ = world.rank(kept, KEPT)
    linked = np.empty(MENTIONS, bool)
    for row in range(MENTIONS):
        likely, nil = fitted[folds[row]].probabilities(scores[row : row + 1])
        linked[row] = fitted[folds[row]].links(likely[:, 0], nil)[0]
    is_nil = world.split.is_nil | np.isin(world.gold, removed)
    expected = measure_nil(is_nil, ~linked, candidates[:, 0] == world.gold, 100, 0.95, np.random.default_rng(0), groups)
    assert (found.num_folds, found.nil.true_nil, found.nil.false_nil) == (5, expected.true_nil, expected.false_nil)


def test_nil_mentions_of_the_split_that_the_decision_was_fitted_on_are_judged_by_others(world: World, settings: Settings) -> None:
    whole = world.rank(np.ones(ENTITIES, bool), KEPT + 1)
    own, none = judge_nil(whole, world.split, DECISION, False, settings)
    linked, num_folds = judge_nil(whole, world.split, DECISION, True, settings)
    likely, nil = DECISION.probabilities(whole.scores[:, :KEPT])
    assert (none, num_folds) == (0, 5)
    np.testing.assert_array_equal(own, DECISION.links(likely[:, 0], nil))
    hit = whole.rows == world.gold[:, None]
    dev = DevScores(whole.scores, np.where(hit.any(axis=1), hit.argmax(axis=1), -1), world.split.is_nil)
    groups = clusters_of(world.split, np.arange(MENTIONS))
    folds, fitted = cross_fit(dev, np.random.default_rng(settings.seed), groups, decision_goals(settings), KEPT)
    for row in range(MENTIONS):
        likely, nil = fitted[folds[row]].probabilities(whole.scores[row : row + 1, :KEPT])
        assert linked[row] == fitted[folds[row]].links(likely[:, 0], nil)[0]


def test_too_few_sentences_are_judged_in_sample_and_marked(world: World, settings: Settings) -> None:
    few = Split(world.split.mentions[:12], world.split.features, world.gold[:12], world.split.is_nil[:12])
    found = Found(*(part[:12] for part in world.rank(np.ones(ENTITIES, bool), KEPT + 1)[:2]), None)
    assert judge_nil(found, few, DECISION, True, settings)[1] == 1


def test_curves_end_where_the_figures_are(world: World, settings: Settings) -> None:
    result, nil_curve, risk_curve = world.judge(False, settings)
    assert risk_curve.risk[-1] == pytest.approx(result.risk.risks[-1].risk.value)
    assert nil_curve.recall[-1] == 1
    assert nil_curve.precision[-1] == pytest.approx(result.nil.num_nil / MENTIONS)


def test_the_same_entities_are_removed_for_the_same_seed(world: World) -> None:
    one, same, other = (world.judge(False, quick_settings(f"seed={seed}")).result for seed in (0, 0, 1))
    assert one == same
    assert other.nil != one.nil


def test_goals_are_those_of_the_settings() -> None:
    goals = decision_goals(quick_settings("linking.nil_precision=0.7", "linking.link_precision=0.95", "linking.nil_share=0.1"))
    assert (goals.nil_precision, goals.link_precision, goals.nil_share) == (0.7, 0.95, 0.1)


def test_a_bundle_is_measured_with_golds_removed(toy_run: ToyRun) -> None:
    def removed(split: str, share: float) -> Any:
        return evaluate_bundle(toy_run.folder / "bundle", toy_run.data, split, remove_gold=share, show_progress=False).removed_gold

    dev, test = removed("dev", 0.3), removed("test", 0.3)
    assert dev.num_folds == 5
    assert test.num_folds == 0
    assert dev.num_entities + dev.num_removed == 30
    assert dev.nil.num_nil > toy_run.result.material.splits["dev"].is_nil.sum()
    with pytest.raises(SettingError, match="must be between 0 and 1"):
        removed("dev", 1.5)


def test_training_fits_for_the_precisions_of_the_settings(toy_run: ToyRun) -> None:
    decision = toy_run.result.decision
    assert decision is not None
    assert decision.nil_precision is not None
    assert decision.nil_precision.target == 0.8
    dev = DevScores(np.array([[0.9, 0.1]] * 12), np.zeros(12, np.int64), np.zeros(12, bool))
    assert fit_decision(dev, np.random.default_rng(0), goals=decision_goals(quick_settings("linking.nil_share=0.4"))).nil_share == 0.4
