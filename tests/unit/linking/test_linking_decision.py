"""The decision: probabilities, their calibration on dev, and the threshold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from pgmel.errors import DataError, SettingError
from pgmel.linking.calibration import SIMULATED_NIL_SHARE, fit_decision
from pgmel.linking.decision import Decision

Dev = tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]


def draw_dev(temperature: float, nil_score: float, count: int = 4000, candidates: int = 8, seed: int = 0) -> Dev:
    """Draw scores, and then golds from the very softmax that is to be found again."""
    rng = np.random.default_rng(seed)
    scores = -np.sort(-rng.normal(0.5, 0.15, (count, candidates)), axis=1)
    logits = np.concatenate([scores, np.full((count, 1), nil_score)], axis=1) / temperature
    gold = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    is_nil = gold == candidates
    return scores, np.where(is_nil, -1, gold), is_nil


@pytest.mark.parametrize(("temperature", "nil_score"), [(0.05, 0.7), (0.1, 0.5), (0.3, 0.9)])
def test_known_temperature_and_nil_score_are_found_again(temperature: float, nil_score: float) -> None:
    decision = fit_decision(*draw_dev(temperature, nil_score), np.random.default_rng(0))
    assert decision.temperature == pytest.approx(temperature, rel=0.1)
    assert decision.nil_score == pytest.approx(nil_score, abs=0.03)
    assert not decision.simulated_nil


def test_fit_is_the_optimum_of_the_likelihood() -> None:
    scores, position, is_nil = draw_dev(0.1, 0.6, count=500)
    decision = fit_decision(scores, position, is_nil, np.random.default_rng(0))

    def slow_loss(temperature: float, nil_score: float) -> float:
        total = 0.0
        for row in range(len(scores)):
            logits = [score / temperature for score in scores[row]] + [nil_score / temperature]
            gold = len(scores[row]) if position[row] < 0 else position[row]
            total -= logits[gold] - np.log(sum(np.exp(logit) for logit in logits))
        return total / len(scores)

    best = slow_loss(decision.temperature, decision.nil_score)
    for factor, shift in ((1.1, 0), (0.9, 0), (1, 0.02), (1, -0.02)):
        assert slow_loss(decision.temperature * factor, decision.nil_score + shift) > best


def test_probabilities_are_calibrated_on_unseen_mentions() -> None:
    decision = fit_decision(*draw_dev(0.08, 0.65, seed=1), np.random.default_rng(0))
    scores, position, is_nil = draw_dev(0.08, 0.65, count=20_000, seed=2)
    likely, nil = decision.probabilities(scores)
    for probability, right in ((likely[:, 0], position == 0), (nil, is_nil)):
        for low in np.arange(0, 1, 0.1):
            inside = (probability >= low) & (probability < low + 0.1)
            if inside.sum() > 300:
                assert probability[inside].mean() == pytest.approx(right[inside].mean(), abs=0.04)


def test_probabilities_equal_a_slow_softmax_with_nil() -> None:
    decision = Decision(temperature=0.2, nil_score=0.4, threshold=0.5, num_candidates=3)
    likely, nil = decision.probabilities(np.array([[0.9, 0.5, 0.1]]))
    weights = [np.exp(score / 0.2) for score in (0.9, 0.5, 0.1, 0.4)]
    np.testing.assert_allclose([*likely[0], nil[0]], np.array(weights) / sum(weights))


def test_asking_for_more_candidates_changes_no_probability() -> None:
    decision = Decision(0.1, 0.5, 0.5, num_candidates=2)
    scores = np.array([[0.9, 0.8, 0.7, 0.6]])
    few, many = decision.probabilities(scores[:, :2]), decision.probabilities(scores)
    np.testing.assert_array_equal(few[0][0], many[0][0, :2])
    np.testing.assert_array_equal(few[1], many[1])


def test_missing_candidates_have_probability_zero() -> None:
    decision = Decision(0.1, 0.5, 0.0, num_candidates=2)
    likely, nil = decision.probabilities(np.array([[0.9, -np.inf], [-np.inf, -np.inf]]))
    assert likely[0, 1] == 0
    assert likely[1].tolist() == [0, 0]
    assert nil[1] == 1
    assert decision.links(likely[:, 0]).tolist() == [True, False]


def test_lone_candidate_must_pass_the_threshold() -> None:
    decision = Decision(0.1, 0.5, 0.6, num_candidates=1)
    assert decision.links(decision.probabilities(np.array([[0.6], [0.5]]))[0][:, 0]).tolist() == [True, False]


def test_extreme_scores_do_not_overflow() -> None:
    likely, nil = Decision(0.002, 0.0, 0.5, 2).probabilities(np.array([[1e4, -1e4], [-1e4, -1e4]]))
    assert likely.tolist() == [[1, 0], [0, 0]]
    assert nil.tolist() == [0, 1]


@given(
    hnp.arrays(np.float64, st.tuples(st.integers(1, 20), st.integers(1, 5)), elements=st.floats(-1, 1)),
    st.floats(0.002, 10),
    st.floats(-1, 1),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_raising_the_threshold_never_adds_links(
    scores: NDArray[np.float64], temperature: float, nil_score: float, one: float, other: float
) -> None:
    scores = -np.sort(-scores, axis=1)
    lower, higher = (Decision(temperature, nil_score, limit, scores.shape[1]) for limit in sorted((one, other)))
    likely, nil = lower.probabilities(scores)
    assert not (higher.links(likely[:, 0]) & ~lower.links(likely[:, 0])).any()
    np.testing.assert_allclose(likely.sum(axis=1) + nil, 1)


def accuracy(decision: Decision, scores: NDArray[np.float64], position: NDArray[np.int64], is_nil: NDArray[np.bool_]) -> float:
    linked = decision.links(decision.probabilities(scores)[0][:, 0])
    return float(np.where(linked, position == 0, is_nil).mean())


@pytest.mark.parametrize("seed", range(3))
def test_threshold_is_the_most_accurate_one(seed: int) -> None:
    scores, position, is_nil = draw_dev(0.1, 0.7, count=150, seed=seed)
    decision = fit_decision(scores, position, is_nil, np.random.default_rng(0))
    best = max(
        accuracy(Decision(decision.temperature, decision.nil_score, limit, 8), scores, position, is_nil)
        for limit in np.linspace(0, 1, 2001)
    )
    assert accuracy(decision, scores, position, is_nil) == pytest.approx(decision.accuracy)
    assert decision.accuracy == pytest.approx(best)


def test_without_nil_mentions_a_share_loses_its_gold() -> None:
    rng = np.random.default_rng(3)
    scores = -np.sort(-np.concatenate([rng.normal(0.9, 0.03, (500, 1)), rng.normal(0.4, 0.1, (500, 7))], axis=1), axis=1)
    position, is_nil = np.zeros(500, dtype=np.int64), np.zeros(500, dtype=bool)
    decision = fit_decision(scores, position, is_nil, np.random.default_rng(0))
    assert decision.simulated_nil
    assert decision.num_nil == round(SIMULATED_NIL_SHARE * 500)
    assert decision.accuracy == pytest.approx(1, abs=0.01)
    links = decision.links(decision.probabilities(np.array([[0.9] + [0.4] * 7, [0.55] + [0.4] * 7]))[0][:, 0])
    assert links.tolist() == [True, False]
    assert decision == fit_decision(scores, position, is_nil, np.random.default_rng(0))


def test_arguments_are_left_as_they_were() -> None:
    scores, position, _ = draw_dev(0.1, 0.0, count=50)
    copies = scores.copy(), position.copy()
    fit_decision(scores, position, np.zeros(50, dtype=bool), np.random.default_rng(0))
    np.testing.assert_array_equal(scores, copies[0])
    np.testing.assert_array_equal(position, copies[1])


@pytest.mark.parametrize(
    ("position", "is_nil"),
    [(np.zeros(6, int), np.ones(6, bool)), (np.full(6, -1), np.zeros(6, bool)), (np.zeros(6, int), np.zeros(6, bool))],
)
def test_one_sided_dev_gives_a_finite_decision(position: NDArray[np.int64], is_nil: NDArray[np.bool_]) -> None:
    scores = np.array([[0.9, -np.inf]] * 6)
    decision = fit_decision(scores, position, is_nil, np.random.default_rng(0))
    likely, nil = decision.probabilities(scores)
    assert np.isfinite([decision.temperature, decision.nil_score]).all()
    np.testing.assert_allclose(likely.sum(axis=1) + nil, 1)


def test_small_faultless_dev_does_not_make_the_linker_certain() -> None:
    scores = np.array([[0.9, 0.3]] * 20 + [[0.4, 0.3]] * 20)
    position = np.array([0] * 20 + [-1] * 20)
    decision = fit_decision(scores, position, position < 0, np.random.default_rng(0))
    assert decision.accuracy == 1
    assert decision.probabilities(scores)[0][:, 0].max() < 0.9999


def test_nothing_to_fit_on() -> None:
    with pytest.raises(DataError, match="needs dev mentions with candidates"):
        fit_decision(np.zeros((0, 5)), np.zeros(0, int), np.zeros(0, bool), np.random.default_rng(0))


def test_shapes_that_do_not_fit() -> None:
    for position, is_nil in (
        (np.zeros(3, int), np.zeros(4, bool)),
        (np.zeros(4, int), np.zeros(3, bool)),
        (np.full(4, 2), np.zeros(4, bool)),
    ):
        with pytest.raises(ValueError, match="shapes do not fit"):
            fit_decision(np.zeros((4, 2)), position, is_nil, np.random.default_rng(0))


def test_decision_survives_json() -> None:
    import msgspec

    decision = fit_decision(*draw_dev(0.1, 0.6, count=100), np.random.default_rng(0))
    assert Decision.from_dict(msgspec.json.decode(msgspec.json.encode(decision.to_dict()))) == decision


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"temperature": 0.0}, "temperature must be > 0, got 0.0"),
        ({"temperature": float("nan")}, "temperature must be > 0"),
        ({"nil_score": float("inf")}, "nil_score must be finite"),
        ({"threshold": 1.5}, "threshold must be between 0 and 1, got 1.5"),
        ({"num_candidates": 0}, "num_candidates must be at least 1"),
        ({"temperature": "warm"}, "Expected `float`"),
    ],
)
def test_values_out_of_range(values: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        Decision.from_dict({"temperature": 0.1, "nil_score": 0.5, "threshold": 0.5, "num_candidates": 4, **values})


def test_missing_value() -> None:
    with pytest.raises(SettingError, match="threshold"):
        Decision.from_dict({"temperature": 0.1, "nil_score": 0.5, "num_candidates": 4})
