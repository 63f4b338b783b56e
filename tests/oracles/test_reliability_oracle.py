"""Reliability against slow loops and known values."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgmel.evaluation import assign_folds, measure_reliability, wilson_interval

answers = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)


def slow_bin(probability: float, num_bins: int) -> int:
    for place in range(num_bins):
        if probability < (place + 1) / num_bins:
            return place
    return num_bins - 1


def slow_error(pairs: list[tuple[float, bool]], num_bins: int) -> float:
    error = 0.0
    for place in range(num_bins):
        inside = [pair for pair in pairs if slow_bin(pair[0], num_bins) == place]
        if inside:
            mean = sum(probability for probability, _ in inside) / len(inside)
            share = sum(right for _, right in inside) / len(inside)
            error += len(inside) / len(pairs) * abs(share - mean)
    return error


@given(answers, st.integers(1, 12))
def test_error_bins_and_means_are_those_of_a_slow_loop(pairs: list[tuple[float, bool]], num_bins: int) -> None:
    values, right = zip(*pairs, strict=True)
    found = measure_reliability(values, right, np.random.default_rng(0), num_bins, resamples=2)
    assert found.error == pytest.approx(slow_error(pairs, num_bins), abs=1e-9)
    assert found.brier == pytest.approx(sum((p - r) ** 2 for p, r in pairs) / len(pairs))
    assert found.mean_probability == pytest.approx(sum(values) / len(values))
    assert found.share_right == pytest.approx(sum(right) / len(right))
    for place, one in enumerate(found.bins):
        inside = [pair for pair in pairs if slow_bin(pair[0], num_bins) == place]
        assert (one.low, one.high, one.count) == (place / num_bins, (place + 1) / num_bins, len(inside))
        if inside:
            assert one.mean_probability == pytest.approx(sum(p for p, _ in inside) / len(inside))
            assert one.share_right == wilson_interval(sum(r for _, r in inside), len(inside))
        else:
            assert (one.mean_probability, one.share_right) == (None, None)


@given(st.integers(0, 40), st.integers(1, 40), st.sampled_from([0.8, 0.95, 0.99]))
def test_a_wilson_interval_ends_where_the_score_test_just_rejects(successes: int, trials: int, confidence: float) -> None:
    successes = min(successes, trials)
    found = wilson_interval(successes, trials, confidence)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    assert found.value == successes / trials
    for end in (found.low, found.high):
        if 1e-9 < end < 1 - 1e-9:  # an end that is cut off at 0 or 1 is none of the test's
            assert abs(found.value - end) / math.sqrt(end * (1 - end) / trials) == pytest.approx(z, rel=1e-6)


def test_a_wilson_interval_has_its_published_values() -> None:
    # R: binom::binom.confint(8, 10, methods = "wilson")
    found = wilson_interval(8, 10)
    assert (round(found.low, 4), round(found.high, 4)) == (0.4902, 0.9433)
    none = wilson_interval(0, 10)
    assert (none.low, round(none.high, 4)) == (0.0, 0.2775)


def test_chance_makes_the_error_that_exact_enumeration_gives() -> None:
    values = [0.3, 0.35, 0.7]
    exact = []
    for outcome in range(8):
        hits = [bool(outcome >> place & 1) for place in range(3)]
        weight = math.prod(p if hit else 1 - p for p, hit in zip(values, hits, strict=True))
        exact.append((slow_error(list(zip(values, hits, strict=True)), 10), weight))
    found = measure_reliability(values, [True, True, True], np.random.default_rng(1), resamples=20_000)
    assert found.chance_error == pytest.approx(sum(error * weight for error, weight in exact), abs=0.005)
    below = sum(weight for error, weight in exact if error < found.chance_high - 1e-9)
    up_to = sum(weight for error, weight in exact if error <= found.chance_high + 1e-9)
    assert below <= 0.96
    assert up_to >= 0.94


@given(st.lists(st.integers(0, 8), min_size=1, max_size=50), st.integers(1, 6), st.integers(0, 5))
def test_folds_keep_groups_whole_and_nearly_equal(groups: list[int], num_folds: int, seed: int) -> None:
    fold = assign_folds(groups, num_folds, np.random.default_rng(seed))
    of_group: dict[int, set[int]] = {}
    for group, number in zip(groups, fold.tolist(), strict=True):
        of_group.setdefault(group, set()).add(number)
    assert all(len(numbers) == 1 for numbers in of_group.values())
    sizes = [sum(numbers == {number} for numbers in of_group.values()) for number in range(min(num_folds, len(of_group)))]
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= 1
