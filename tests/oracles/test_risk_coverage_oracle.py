"""Risk and coverage against slow loops, exact enumeration and known values."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgmel.errors import DataError, SettingError
from pgmel.evaluation import COVERAGES, draw_removed, measure_reliability, measure_risk_coverage, risk_curve

answers = st.lists(st.tuples(st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.9]), st.booleans()), min_size=1, max_size=6)
many = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40)


def slow_risks(pairs: list[tuple[float, bool]]) -> list[float]:
    """Average the risk of the first 1, 2, ... answers over all orders in which the confidence does not rise."""
    orders = [order for order in itertools.permutations(pairs) if all(a[0] >= b[0] for a, b in itertools.pairwise(order))]
    return [
        sum(sum(not right for _, right in order[:count]) / count for order in orders) / len(orders) for count in range(1, len(pairs) + 1)
    ]


def slow_best_area(pairs: list[tuple[float, bool]]) -> float:
    ordered = sorted((right for _, right in pairs), reverse=True)
    return sum(sum(not right for right in ordered[:count]) / count for count in range(1, len(pairs) + 1)) / len(pairs)


@given(answers)
def test_areas_and_risks_are_those_of_a_slow_loop_over_all_orders(pairs: list[tuple[float, bool]]) -> None:
    confidence, right = zip(*pairs, strict=True)
    risks = slow_risks(pairs)
    found = measure_risk_coverage(confidence, right, 2, 0.95, np.random.default_rng(0))
    area = sum(risks) / len(risks)
    assert found.aurc.value == pytest.approx(area)
    assert found.excess_aurc.value == pytest.approx(area - slow_best_area(pairs), abs=1e-12)
    for one, coverage in zip(found.risks, COVERAGES, strict=True):
        assert one.coverage == coverage
        assert one.risk.value == pytest.approx(risks[math.ceil(coverage * len(pairs) - 1e-9) - 1])
    curve = risk_curve(confidence, right)
    np.testing.assert_allclose(curve.risk, risks)
    np.testing.assert_allclose(curve.coverage, [(place + 1) / len(pairs) for place in range(len(pairs))])


@given(many)
def test_risk_at_full_coverage_is_the_share_of_wrong_answers(pairs: list[tuple[float, bool]]) -> None:
    confidence, right = zip(*pairs, strict=True)
    found = measure_risk_coverage(confidence, right, 2, 0.95, np.random.default_rng(0))
    assert found.risks[-1].risk.value == pytest.approx(1 - sum(right) / len(right))
    assert 0 <= found.excess_aurc.value <= found.aurc.value <= 1


@given(many)
def test_only_the_order_of_the_confidences_counts(pairs: list[tuple[float, bool]]) -> None:
    confidence, right = (np.array(column) for column in zip(*((round(value, 2), hit) for value, hit in pairs), strict=True))
    one, other = (measure_risk_coverage(values, right, 2, 0.95, np.random.default_rng(0)) for values in (confidence, 5 * confidence - 3))
    assert one.aurc.value == pytest.approx(other.aurc.value)


@given(many)
def test_sorting_right_answers_first_leaves_no_excess(pairs: list[tuple[float, bool]]) -> None:
    right = np.array([hit for _, hit in pairs])
    assert measure_risk_coverage(right.astype(float), right, 2, 0.95, np.random.default_rng(0)).excess_aurc.value == pytest.approx(
        0, abs=1e-12
    )


def test_intervals_are_the_quantiles_of_resampled_sentences() -> None:
    rng = np.random.default_rng(1)
    confidence, groups = rng.random(60).round(1), rng.integers(0, 25, 60)
    right = rng.random(60) < confidence
    found = measure_risk_coverage(confidence, right, 400, 0.9, np.random.default_rng(7), groups)
    positions = {key: place for place, key in enumerate(dict.fromkeys(groups.tolist()))}
    draws = np.random.default_rng(7).integers(0, len(positions), size=(400, len(positions)))
    areas, ends = [], []
    for draw in draws:
        rows = np.concatenate(
            [np.flatnonzero(groups == key) for key, place in positions.items() for _ in range(int((draw == place).sum()))]
        )
        drawn = measure_risk_coverage(confidence[rows], right[rows], 1, 0.9, np.random.default_rng(0))
        areas.append(drawn.aurc.value)
        ends.append(drawn.risks[1].risk.value)
    for interval, values in ((found.aurc, areas), (found.risks[1].risk, ends)):
        assert (interval.low, interval.high) == (pytest.approx(np.quantile(values, 0.05)), pytest.approx(np.quantile(values, 0.95)))


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    rng = np.random.default_rng(0)
    confidence, right = rng.random(5000), rng.random(5000) < 0.7
    whole, thin = risk_curve(confidence, right, 5000), risk_curve(confidence, right, 100)
    assert len(whole.risk) == 5000
    assert len(thin.risk) <= 100
    assert (thin.coverage[0], thin.coverage[-1]) == (1 / 5000, 1)
    np.testing.assert_array_equal(thin.risk, whole.risk[np.round(thin.coverage * 5000).astype(int) - 1])


def test_confidences_and_outcomes_of_different_mentions() -> None:
    with pytest.raises(DataError, match="must be of the same mentions"):
        measure_risk_coverage([0.5], [True, False], 10, 0.95, np.random.default_rng(0))
    with pytest.raises(DataError, match="must be of the same mentions"):
        risk_curve([], [])
    with pytest.raises(DataError, match="1 mentions but 2 group keys"):
        measure_risk_coverage([0.5], [True], 10, 0.95, np.random.default_rng(0), groups=[1, 2])


def test_the_calibration_error_has_the_interval_of_resampled_sentences() -> None:
    rng = np.random.default_rng(2)
    values, groups = rng.random(80), rng.integers(0, 30, 80)
    right = rng.random(80) < np.where(values < 0.5, 0.3 * values, 0.7 + 0.3 * values)  # too high below, too low above
    found = measure_reliability(values, right, np.random.default_rng(3), 5, 0.9, 300, groups).error_interval
    assert measure_reliability(values, right, np.random.default_rng(3), 5, 0.9, 300).error_interval is None
    errors = []
    sentences = [np.flatnonzero(groups == key) for key in np.unique(groups)]
    for _ in range(2000):
        rows = np.concatenate([sentences[place] for place in rng.integers(0, len(sentences), len(sentences))])
        member = np.minimum((values[rows] * 5).astype(int), 4)
        gaps = [(right[rows][member == place] - values[rows][member == place]).sum() for place in range(5)]
        errors.append(sum(map(abs, gaps)) / len(rows))
    assert found is not None
    assert found.low == pytest.approx(np.quantile(errors, 0.05), abs=0.02)
    assert found.high == pytest.approx(np.quantile(errors, 0.95), abs=0.02)
    assert found.low < found.value < found.high


@given(st.lists(st.integers(-1, 12), min_size=2, max_size=40), st.floats(0.05, 0.95), st.integers(0, 3))
def test_removed_entities_are_golds_of_the_asked_share(rows: list[int], share: float, seed: int) -> None:
    golds = {row for row in rows if row >= 0}
    if len(golds) < 2:
        with pytest.raises(DataError, match="at least two are needed"):
            draw_removed(rows, share, np.random.default_rng(seed))
        return
    removed = draw_removed(rows, share, np.random.default_rng(seed))
    assert set(removed.tolist()) < golds
    assert len(removed) == min(max(round(share * len(golds)), 1), len(golds) - 1)
    assert removed.tolist() == sorted(set(removed.tolist())) == draw_removed(rows, share, np.random.default_rng(seed)).tolist()


@pytest.mark.parametrize("share", [0.0, 1.0, -0.2])
def test_a_share_to_remove_out_of_range(share: float) -> None:
    with pytest.raises(SettingError, match="must be between 0 and 1"):
        draw_removed([0, 1, 2], share, np.random.default_rng(0))
