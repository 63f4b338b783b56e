"""The decision fitted on dev by maximum likelihood."""

import functools
from dataclasses import replace

import numpy as np
import pytest
from decision_draws import draw_clear, draw_dev, slow_evidence
from numpy.typing import NDArray
from scipy.optimize import minimize

from pgmel.errors import DataError
from pgmel.linking.calibration import DecisionGoals, DevScores, cross_fit, fit_decision
from pgmel.linking.decision import Decision


@pytest.mark.parametrize("temperature", [0.05, 0.1, 0.3])
def test_known_temperature_is_found_again(temperature: float) -> None:
    decision = fit_decision(draw_dev(temperature, 0.7), np.random.default_rng(0))
    assert decision.temperature == pytest.approx(temperature, rel=0.1)
    assert not decision.simulated_nil


def test_a_softmax_with_constant_nil_is_a_special_case() -> None:
    # Gold drawn from exp(s / T) and exp(nil / T): the level then decides alone, with weight 1 / T.
    decision = fit_decision(draw_dev(0.1, 0.7, count=20_000), np.random.default_rng(0))
    assert decision.level_weight == pytest.approx(10, rel=0.1)
    assert decision.nil_score == pytest.approx(0.7, abs=0.03)
    assert decision.lead_weight < 0.1


def test_fit_is_the_optimum_of_the_penalised_likelihood() -> None:
    dev = draw_clear(60)
    decision = fit_decision(dev, np.random.default_rng(0))
    features = np.array([slow_evidence(row, decision.temperature) for row in dev.scores])
    centre, spread = features.mean(axis=0), features.std(axis=0)

    def slow_loss(temperature: float, level_weight: float, nil_score: float, lead_weight: float) -> float:
        weights = (level_weight * spread[0], lead_weight * spread[1])
        loss = 0.25 * (weights[0] ** 2 + weights[1] ** 2)
        middle = level_weight * (centre[0] - nil_score) + lead_weight * centre[1]
        loss += 0.5 * (np.log1p(np.exp(middle)) + np.log1p(np.exp(-middle)))
        for row, place, (level, lead) in zip(dev.scores, dev.position, features, strict=True):
            log_odds = level_weight * (level - nil_score) + lead_weight * lead
            loss += np.log1p(np.exp(-log_odds if place >= 0 else log_odds))
            if place >= 0:
                loss -= row[place] / temperature - np.log(sum(np.exp(score / temperature) for score in row))
        return float(loss)

    found = np.array([decision.level_weight, decision.nil_score, decision.lead_weight])
    assert found[2] > 0.05
    at_temperature = functools.partial(slow_loss, decision.temperature)
    best = minimize(lambda unknowns: at_temperature(*unknowns), found * [1.3, 1.02, 0.7], method="Nelder-Mead", options={"xatol": 1e-6})
    np.testing.assert_allclose(found, best.x, rtol=2e-3)
    for factor in (0.9, 1.1):
        assert slow_loss(decision.temperature * factor, *found) > slow_loss(decision.temperature, *found)


@pytest.mark.parametrize(("factor", "shift"), [(50.0, 0.0), (1.0, -7.0), (0.01, 3.0)])
@pytest.mark.parametrize("nil_score", [0.7, -5.0])
def test_probabilities_do_not_depend_on_the_scale_of_the_scores(factor: float, shift: float, nil_score: float) -> None:
    dev = draw_dev(0.1, nil_score, count=400)
    moved = dev._replace(scores=dev.scores * factor + shift)
    plain, other = (fit_decision(one, np.random.default_rng(0)) for one in (dev, moved))
    for one, two in zip(plain.probabilities(dev.scores), other.probabilities(moved.scores), strict=True):
        np.testing.assert_allclose(one, two, atol=2e-4)
    assert plain.nil_precision is not None
    assert other.nil_precision is not None
    assert plain.nil_precision.num_answers == pytest.approx(other.nil_precision.num_answers, abs=2)


def test_probabilities_are_calibrated_on_unseen_mentions() -> None:
    decision = fit_decision(draw_dev(0.08, 0.65, seed=1), np.random.default_rng(0))
    scores, position, is_nil, _ = draw_dev(0.08, 0.65, count=20_000, seed=2)
    likely, nil = decision.probabilities(scores)
    for probability, right in ((likely[:, 0], position == 0), (nil, is_nil)):
        for low in np.arange(0, 1, 0.1):
            inside = (probability >= low) & (probability < low + 0.1)
            if inside.sum() > 300:
                assert probability[inside].mean() == pytest.approx(right[inside].mean(), abs=0.04)


def test_without_nil_mentions_each_counts_with_and_without_its_gold() -> None:
    rng = np.random.default_rng(3)
    scores = -np.sort(-np.concatenate([rng.normal(0.9, 0.03, (500, 1)), rng.normal(0.4, 0.1, (500, 7))], axis=1), axis=1)
    dev = DevScores(scores, np.zeros(500, dtype=np.int64), np.zeros(500, dtype=bool))
    decision = fit_decision(dev, np.random.default_rng(0), num_candidates=7)
    assert decision.simulated_nil
    assert (decision.num_mentions, decision.num_nil, decision.nil_share) == (500, 0, 0.2)
    assert decision.accuracy == pytest.approx(1, abs=0.01)
    likely, nil = decision.probabilities(np.array([[0.9] + [0.4] * 6, [0.55] + [0.4] * 6]))
    assert decision.links(likely[:, 0], nil).tolist() == [True, False]


def test_simulated_nil_equals_mentions_written_out_with_weights() -> None:
    """A dev of five: four copies of each mention with the gold, one without it, is what a fifth of simulated NIL stands for."""
    dev = draw_dev(0.1, -9.0, count=300)
    assert not dev.is_nil.any()
    rows, columns = np.arange(300), np.arange(8)
    without = np.array([np.delete(row, place) for row, place in zip(dev.scores, dev.position, strict=True)])
    kept = np.where(dev.position < 7, dev.position, -1)
    written = DevScores(
        np.concatenate([dev.scores[:, :7]] * 4 + [without]),
        np.concatenate([kept] * 4 + [np.full(300, -1)]),
        np.concatenate([np.zeros(1200, bool), np.ones(300, bool)]),
    )
    assert len(rows) == 300
    assert len(columns) == 8
    simulated = fit_decision(dev, np.random.default_rng(0), num_candidates=7)
    counted = fit_decision(written, np.random.default_rng(0))
    assert simulated.temperature == pytest.approx(counted.temperature, rel=0.01)
    for one, two in zip(simulated.probabilities(without), counted.probabilities(without), strict=True):
        np.testing.assert_allclose(one, two, atol=0.02)


def test_a_gold_that_is_taken_out_leaves_no_trace() -> None:
    dev = draw_dev(0.1, -9.0, count=100)
    longer = dev._replace(scores=np.pad(dev.scores, ((0, 0), (0, 1)), constant_values=-np.inf))
    assert fit_decision(dev, np.random.default_rng(0)) == fit_decision(longer, np.random.default_rng(0), num_candidates=8)


def test_the_assumed_share_of_nil_moves_the_probability_of_nil() -> None:
    dev = draw_dev(0.1, -9.0, count=300)
    few, many = (fit_decision(dev, np.random.default_rng(0), goals=DecisionGoals(nil_share=share)) for share in (0.05, 0.4))
    assert (few.probabilities(dev.scores)[1] < many.probabilities(dev.scores)[1]).all()
    mean = float(few.probabilities(dev.scores)[1].mean())
    assert mean < 0.1


def test_a_decision_draws_nothing() -> None:
    dev = draw_dev(0.1, -9.0, count=200)
    one, two = (fit_decision(dev, np.random.default_rng(seed)) for seed in (0, 1))
    for name in ("temperature", "nil_score", "level_weight", "lead_weight", "threshold", "nil_threshold"):
        assert getattr(one, name) == getattr(two, name)


def test_cross_fitting_judges_no_mention_by_a_decision_that_saw_its_sentence() -> None:
    dev = draw_dev(0.1, 0.7, count=120)
    groups = [place // 3 for place in range(120)]
    folds, fitted = cross_fit(dev, np.random.default_rng(0), groups)
    assert len(fitted) == 5
    assert all(len(set(folds[start : start + 3])) == 1 for start in range(0, 120, 3))
    for part, decision in enumerate(fitted):
        alone = fit_decision(dev.take(folds != part), np.random.default_rng(0))
        assert decision.temperature == alone.temperature
        assert decision.nil_threshold == alone.nil_threshold
    assert cross_fit(dev.take(np.arange(27)), np.random.default_rng(0), groups[:27])[1] == ()


def test_arguments_are_left_as_they_were() -> None:
    scores, position, *_ = draw_dev(0.1, 0.0, count=50)
    copies = scores.copy(), position.copy()
    fit_decision(DevScores(scores, position, np.zeros(50, dtype=bool)), np.random.default_rng(0))
    np.testing.assert_array_equal(scores, copies[0])
    np.testing.assert_array_equal(position, copies[1])


@pytest.mark.parametrize(
    ("position", "is_nil"),
    [(np.zeros(6, int), np.ones(6, bool)), (np.full(6, -1), np.zeros(6, bool)), (np.zeros(6, int), np.zeros(6, bool))],
)
@pytest.mark.parametrize("scores", [[0.9, -np.inf], [0.4, 0.4], [-np.inf, -np.inf]])
def test_one_sided_dev_gives_a_finite_decision(position: NDArray[np.int64], is_nil: NDArray[np.bool_], scores: list[float]) -> None:
    table = np.array([scores] * 6)
    position = np.where(np.isfinite(table[:, 0]), position, -1)
    decision = fit_decision(DevScores(table, position, is_nil), np.random.default_rng(0))
    likely, nil = decision.probabilities(table)
    assert np.isfinite([decision.temperature, decision.nil_score]).all()
    np.testing.assert_allclose(likely.sum(axis=1) + nil, 1)


def test_small_faultless_dev_does_not_make_the_linker_certain() -> None:
    scores = np.array([[0.9, 0.3]] * 20 + [[0.4, 0.3]] * 20)
    position = np.array([0] * 20 + [-1] * 20)
    decision = fit_decision(DevScores(scores, position, position < 0), np.random.default_rng(0))
    assert decision.accuracy == 1
    assert decision.probabilities(scores)[0][:, 0].max() < 0.9999


def test_nothing_to_fit_on() -> None:
    with pytest.raises(DataError, match="needs dev mentions with candidates"):
        fit_decision(DevScores(np.zeros((0, 5)), np.zeros(0, int), np.zeros(0, bool)), np.random.default_rng(0))


def test_shapes_that_do_not_fit() -> None:
    for position, is_nil in (
        (np.zeros(3, int), np.zeros(4, bool)),
        (np.zeros(4, int), np.zeros(3, bool)),
        (np.full(4, 2), np.zeros(4, bool)),
    ):
        with pytest.raises(ValueError, match="shapes do not fit"):
            fit_decision(DevScores(np.zeros((4, 2)), position, is_nil), np.random.default_rng(0))


class TestNearness:
    """Scores of a re-ranker that tell which candidate it is, and similarities that tell whether it is one."""

    @staticmethod
    def draw(count: int, seed: int) -> DevScores:
        rng = np.random.default_rng(seed)
        is_nil = rng.random(count) < 0.3
        scores = -np.sort(-rng.normal(0.5, 0.1, (count, 5)), axis=1)
        scores[:, 0] += 0.3
        near = rng.normal(0.3, 0.05, (count, 5))
        near[:, 2] += np.where(is_nil, 0.0, 0.25)
        return DevScores(scores, np.where(is_nil, -1, 0), is_nil, near)

    def test_nil_is_told_by_the_highest_similarity(self) -> None:
        dev = self.draw(600, 0)
        decision = fit_decision(dev, np.random.default_rng(0))
        other = self.draw(2000, 1)
        _, nil = decision.probabilities(other.scores, other.similarities)
        assert decision.nearness_weight > 1
        assert np.mean((nil > 0.5) == other.is_nil) > 0.95
        blind = fit_decision(DevScores(dev.scores, dev.position, dev.is_nil), np.random.default_rng(0))
        assert blind.nearness_weight == 0
        assert np.mean((blind.probabilities(other.scores)[1] > 0.5) == other.is_nil) < 0.75

    def test_cross_fitting_takes_similarities_along(self) -> None:
        dev = self.draw(600, 0)
        folds, fitted = cross_fit(dev, np.random.default_rng(0))
        for part, decision in enumerate(fitted):
            assert decision == fit_on(dev.take(folds != part))
            assert decision.nearness_weight > 1

    def test_simulated_nil_loses_the_similarity_of_the_gold_too(self) -> None:
        near = np.random.default_rng(0).normal(0.3, 0.05, (400, 5))
        near[:, 0] += 0.25  # the gold: without it nothing is near, and scores that are all the same tell nothing
        dev = DevScores(np.zeros((400, 5)), np.zeros(400, np.int64), np.zeros(400, bool), near)
        decision = fit_decision(dev, np.random.default_rng(0), num_candidates=4)
        sure, lost = (decision.probabilities(np.zeros((400, 4)), some)[1] for some in (near[:, :4], near[:, 1:]))
        assert decision.simulated_nil
        assert np.median(sure) < 0.1
        assert np.median(lost) > 0.5

    def test_a_decision_that_needs_similarities_says_so(self) -> None:
        decision = fit_decision(self.draw(100, 0), np.random.default_rng(0))
        with pytest.raises(ValueError, match="similarities"):
            decision.probabilities(np.zeros((1, 5)))

    def test_similarities_must_be_of_the_same_candidates(self) -> None:
        dev = self.draw(100, 0)
        assert dev.similarities is not None
        with pytest.raises(ValueError, match="similarities"):
            fit_decision(dev._replace(similarities=dev.similarities[:, :3]), np.random.default_rng(0))


def fit_on(dev: DevScores) -> Decision:
    """Return the decision of some mentions, without the figures that only cross-fitting gives."""
    fitted = fit_decision(dev, np.random.default_rng(0))
    bare = [
        replace(one, reached=None, low=None, high=None, num_answers=0) if one is not None else None
        for one in (fitted.nil_precision, fitted.link_precision)
    ]
    return replace(fitted, accuracy=None, num_folds=0, nil_precision=bare[0], link_precision=bare[1])
