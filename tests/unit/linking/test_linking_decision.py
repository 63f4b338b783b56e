"""The decision: from scores to probabilities, and to links and NIL."""

import dataclasses

import msgspec
import numpy as np
import pytest
from decision_draws import draw_dev, slow_evidence
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from pgmel.errors import SettingError
from pgmel.linking.calibration import fit_decision
from pgmel.linking.decision import Decision, level_and_lead


@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 5)), elements=st.floats(-1, 1)), st.floats(0.02, 10))
def test_level_and_lead_are_those_of_a_slow_loop(scores: NDArray[np.float64], temperature: float) -> None:
    scores = -np.sort(-scores, axis=1)
    found = np.stack(level_and_lead(scores, temperature), axis=1)
    np.testing.assert_allclose(found, [slow_evidence(row, temperature) for row in scores], rtol=1e-6, atol=1e-6)


@given(
    hnp.arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 5)), elements=st.floats(-1, 1)),
    st.floats(0.02, 1),
    st.floats(0.1, 30),
    st.floats(0, 3),
    st.floats(0, 1),
)
def test_a_better_best_candidate_never_makes_nil_likelier(
    scores: NDArray[np.float64], temperature: float, level_weight: float, lead_weight: float, step: float
) -> None:
    scores = -np.sort(-scores, axis=1)
    decision = Decision(temperature, 0.1, 0.0, scores.shape[1], level_weight=level_weight, lead_weight=lead_weight, nearness_weight=2.0)
    better = scores.copy()
    better[:, 0] += step
    (before, nil_before), (after, nil_after) = (decision.probabilities(one, one) for one in (scores, better))
    assert (nil_after <= nil_before + 1e-12).all()
    assert (after[:, 0] >= before[:, 0] - 1e-12).all()


def test_probabilities_of_an_older_bundle_equal_a_slow_softmax_with_nil() -> None:
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


def test_nearness_is_the_highest_similarity_of_the_candidates_that_count() -> None:
    decision = Decision(0.2, 0.4, 0.0, num_candidates=2, level_weight=5.0, nearness_weight=3.0)
    scores, near = np.array([[0.9, 0.5, 0.1], [-np.inf] * 3]), np.array([[0.2, 0.6, 0.9], [-np.inf] * 3])
    _, nil = decision.probabilities(scores, near)
    level = 0.9 + 0.2 * np.log1p(np.exp(-0.4 / 0.2))
    np.testing.assert_allclose(nil, [1 / (1 + np.exp(5 * (level - 0.4) + 3 * 0.6)), 1.0])


def test_missing_candidates_have_probability_zero() -> None:
    decision = Decision(0.1, 0.5, 0.0, num_candidates=2)
    likely, nil = decision.probabilities(np.array([[0.9, -np.inf], [-np.inf, -np.inf]]))
    assert likely[0, 1] == 0
    assert likely[1].tolist() == [0, 0]
    assert nil[1] == 1
    assert decision.links(likely[:, 0], nil).tolist() == [True, False]


def test_lone_candidate_must_pass_the_threshold() -> None:
    decision = Decision(0.1, 0.5, 0.6, num_candidates=1)
    likely, nil = decision.probabilities(np.array([[0.6], [0.5]]))
    assert decision.links(likely[:, 0], nil).tolist() == [True, False]


def test_nil_is_answered_from_its_threshold_on() -> None:
    decision = Decision(0.1, 0.5, 0.2, num_candidates=1, nil_threshold=0.4)
    links = decision.links(np.array([0.61, 0.6, 0.3, 0.19, 0.9]), np.array([0.39, 0.4, 0.1, 0.1, 0.5]))
    assert links.tolist() == [True, False, True, False, False]


def test_a_least_probability_overrides_both_thresholds() -> None:
    decision = Decision(0.1, 0.5, 0.2, num_candidates=1, nil_threshold=0.4).with_min_probability(0.5)
    assert decision.links(np.array([0.55, 0.45]), np.array([0.45, 0.1])).tolist() == [True, False]
    with pytest.raises(SettingError, match=r"between 0 and 1, got 1\.5"):
        decision.with_min_probability(1.5)


def test_extreme_scores_do_not_overflow() -> None:
    likely, nil = Decision(0.002, 0.0, 0.5, 2).probabilities(np.array([[1e4, -1e4], [-1e4, -1e4]]))
    assert likely.tolist() == [[1, 0], [0, 0]]
    assert nil.tolist() == [0, 1]
    likely, nil = Decision(1.0, 0.0, 0.5, 2, level_weight=1.0, lead_weight=1.0).probabilities(np.array([[3e38, -3e38], [-np.inf, -np.inf]]))
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
    assert not (higher.links(likely[:, 0], nil) & ~lower.links(likely[:, 0], nil)).any()
    np.testing.assert_allclose(likely.sum(axis=1) + nil, 1)
    eager, shy = (dataclasses.replace(lower, nil_threshold=limit) for limit in sorted((one, other)))
    assert not (eager.links(likely[:, 0], nil) & ~shy.links(likely[:, 0], nil)).any()


def test_decision_survives_json() -> None:
    decision = fit_decision(draw_dev(0.1, 0.6, count=100), np.random.default_rng(0))
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
        ({"level_weight": 0.0}, "level_weight must be > 0"),
        ({"lead_weight": -0.1}, "lead_weight must be >= 0"),
        ({"nil_threshold": 1.1}, "nil_threshold must be between 0 and 1"),
    ],
)
def test_values_out_of_range(values: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        Decision.from_dict({"temperature": 0.1, "nil_score": 0.5, "threshold": 0.5, "num_candidates": 4, **values})


def test_missing_value() -> None:
    with pytest.raises(SettingError, match="threshold"):
        Decision.from_dict({"temperature": 0.1, "nil_score": 0.5, "num_candidates": 4})
