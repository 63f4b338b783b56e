"""Comparisons of many systems against slow loops and exact enumeration."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgmel.errors import DataError, SettingError
from pgmel.evaluation import MEAN, DataRanks, compare_paired, contrast, pool_strata, sample_paired

FLIPS = 4000


def exact_p(strata: list[list[float]]) -> float:
    """Return the share of all sign assignments whose mean over strata of mean differences is at least as far from 0."""
    observed = abs(sum(sum(part) / len(part) for part in strata))
    extreme = total = 0
    for signs in itertools.product(*(itertools.product((-1, 1), repeat=len(part)) for part in strata)):
        value = sum(sum(s * d for s, d in zip(sign, part, strict=True)) / len(part) for sign, part in zip(signs, strata, strict=True))
        extreme += abs(value) >= observed - 1e-12
        total += 1
    return extreme / total


DIFFERENCES = st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0]), min_size=1, max_size=5)


@settings(max_examples=25, deadline=None)
@given(st.lists(DIFFERENCES, min_size=1, max_size=3))
def test_the_stratified_p_value_is_that_of_all_sign_flips(strata: list[list[float]]) -> None:
    rng = np.random.default_rng(0)
    samples = [sample_paired(np.array(part)[:, None], rng, resamples=1, flips=FLIPS) for part in strata]
    exact = exact_p(strata)
    assert pool_strata(samples).p_values() == [pytest.approx(exact, abs=5 * math.sqrt(exact * (1 - exact) / FLIPS) + 1 / FLIPS)]


def test_grouped_mentions_flip_together() -> None:
    # Two sentences, of two mentions each: four assignments, two of them as extreme as 1, 1, 1, 1.
    samples = sample_paired(np.ones((4, 1)), np.random.default_rng(0), groups=["a", "a", "b", "b"], resamples=5, flips=FLIPS)
    assert samples.p_values()[0] == pytest.approx(0.5, abs=0.05)
    assert set(np.round(samples.flipped[:, 0], 9)) == {-1.0, 0.0, 1.0}


def test_one_stratum_agrees_with_the_comparison_of_two_systems() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.random(200), rng.random(200) + 0.03
    groups = rng.integers(0, 80, 200)
    ours = sample_paired((b - a)[:, None], np.random.default_rng(0), groups, 4000, 4000)
    theirs = compare_paired(a, b, np.random.default_rng(1), groups, 4000)
    [interval] = ours.intervals(0.95)
    assert interval.value == pytest.approx(theirs.difference.value)
    assert (interval.low, interval.high) == pytest.approx((theirs.difference.low, theirs.difference.high), abs=0.01)
    assert ours.p_values()[0] == pytest.approx(theirs.p_value, abs=0.04)


def test_data_sets_have_equal_weight_whatever_their_size() -> None:
    rng = np.random.default_rng(0)
    small = sample_paired(np.full((3, 1), 0.6), rng, resamples=4, flips=4)
    large = sample_paired(np.full((300, 1), 0.2), rng, resamples=4, flips=4)
    pooled = pool_strata([small, large])
    assert pooled.observed[0] == pytest.approx(0.4)
    assert np.allclose(pooled.resampled, 0.4)


def test_the_pooled_bootstrap_is_that_of_a_slow_loop() -> None:
    rng = np.random.default_rng(1)
    parts = [rng.normal(0.1, 1, 40), rng.normal(-0.2, 0.5, 60)]
    pooled = pool_strata([sample_paired(part[:, None], np.random.default_rng(0), resamples=4000, flips=1) for part in parts])
    slow = [np.mean([np.mean(rng.choice(part, len(part))) for part in parts]) for _ in range(4000)]
    [interval] = pooled.intervals(0.9)
    assert (interval.low, interval.high) == pytest.approx(tuple(np.quantile(slow, [0.05, 0.95])), abs=0.02)


def test_what_does_not_fit_together_is_refused() -> None:
    rng = np.random.default_rng(0)
    one, two = (sample_paired(np.ones((3, columns)), rng, resamples=2, flips=2) for columns in (1, 2))
    with pytest.raises(DataError, match="2 shapes"):
        pool_strata([one, two])
    with pytest.raises(SettingError, match="flips must be >= 1, got 0"):
        sample_paired(np.ones((3, 1)), rng, flips=0)


def ranks(*runs: list[float], seeds: tuple[int, ...] = (0, 1, 2)) -> dict[int, np.ndarray]:
    return {seed: np.array(run) for seed, run in zip(seeds, runs, strict=False)}


def test_a_mention_counts_with_its_mean_over_seeds() -> None:
    # a is right in half of its runs, b always: the difference per mention is 0.5, not 1 in one run and 0 in the other
    data = DataRanks({"a": ranks([1, 2], [2, 1]), "b": ranks([1, 1], [1, 1])}, np.array([0, 1]))
    found = contrast({"d": data}, "a", np.random.default_rng(0), resamples=50, flips=2000).found
    assert set(found) == {("b", "d")}
    assert found["b", "d"]["h_at_1"].value.value == pytest.approx(0.5)
    assert found["b", "d"]["mrr"].value.value == pytest.approx(0.25)
    assert found["b", "d"]["h_at_1"].p_value == pytest.approx(0.5, abs=0.05)


def test_the_family_is_every_system_on_every_data_set_and_on_the_mean_by_both_metrics() -> None:
    data = {name: DataRanks({"a": ranks([1, 2, 3]), "b": ranks([1, 1, 2]), "c": ranks([2, 2, 2])}, np.arange(3)) for name in ("one", "two")}
    tests = contrast(data, "a", np.random.default_rng(0), resamples=20, flips=200)
    assert set(tests.found) == {(system, name) for system in "bc" for name in ("one", "two", MEAN)}
    assert tests.num_comparisons == 12
    p_values = [one.p_value for found in tests.found.values() for one in found.values()]
    adjusted = [one.p_adjusted for found in tests.found.values() for one in found.values()]
    assert min(adjusted) == pytest.approx(min(1.0, 12 * min(p_values)))


def test_a_system_that_lacks_a_data_set_has_no_mean() -> None:
    data = {
        "one": DataRanks({"a": ranks([1, 2]), "b": ranks([1, 1]), "c": ranks([1, 1])}, np.arange(2)),
        "two": DataRanks({"a": ranks([1, 2]), "b": ranks([1, 1])}, np.arange(2)),
    }
    found = contrast(data, "a", np.random.default_rng(0), resamples=5, flips=5).found
    assert ("b", MEAN) in found
    assert ("c", MEAN) not in found
    assert found["b", MEAN]["h_at_1"].value.value == pytest.approx(0.5)


def test_without_the_reference_nothing_is_tested() -> None:
    data = {"one": DataRanks({"b": ranks([1, 1])}, np.arange(2)), "two": DataRanks({"a": ranks([1, 1])}, np.arange(2))}
    tests = contrast(data, "a", np.random.default_rng(0))
    assert (tests.found, tests.num_comparisons) == ({}, 0)


RIGHT, WRONG = [1, 1, 1, 1], [2, 2, 2, 2]


def test_only_the_seeds_that_both_have_are_compared() -> None:
    # with seed 0 b is worse (3 of 4 right, not 4); the bad seeds of the reference, which b never ran, would make b look better
    data = DataRanks({"a": ranks(RIGHT, WRONG, WRONG), "b": ranks([1, 1, 1, 2])}, np.arange(4))
    tests = contrast({"d": data}, "a", np.random.default_rng(0), resamples=20, flips=20)
    assert tests.seeds == {("b", "d"): (0,)}
    assert tests.found["b", "d"]["h_at_1"].value.value == pytest.approx(-0.25)
    assert tests.found["b", "d"]["mrr"].value.value == pytest.approx(-0.125)


def test_the_order_of_seeds_does_not_matter() -> None:
    data = DataRanks({"a": ranks(RIGHT, WRONG), "b": ranks(WRONG, RIGHT, seeds=(1, 0))}, np.arange(4))
    tests = contrast({"d": data}, "a", np.random.default_rng(0), resamples=20, flips=20)
    assert tests.found["b", "d"]["h_at_1"].value.value == 0


def test_a_system_without_a_seed_of_the_reference_is_not_tested() -> None:
    data = DataRanks({"a": ranks(RIGHT), "b": ranks(WRONG, seeds=(5,)), "c": ranks(WRONG)}, np.arange(4))
    tests = contrast({"d": data}, "a", np.random.default_rng(0), resamples=20, flips=20)
    assert set(tests.found) == {("c", "d")}
    assert tests.num_comparisons == 2


def test_the_mean_is_over_the_seeds_that_both_have_on_every_data_set() -> None:
    full = DataRanks({"a": ranks(RIGHT, WRONG), "b": ranks(WRONG, RIGHT)}, np.arange(4))
    part = DataRanks({"a": ranks(RIGHT, WRONG), "b": ranks(RIGHT)}, np.arange(4))
    tests = contrast({"one": full, "two": part}, "a", np.random.default_rng(0), resamples=20, flips=20)
    assert tests.seeds == {("b", "one"): (0, 1), ("b", "two"): (0,), ("b", MEAN): (0,)}
    assert tests.found["b", "one"]["h_at_1"].value.value == 0  # -1 with seed 0, +1 with seed 1
    assert tests.found["b", MEAN]["h_at_1"].value.value == pytest.approx(-0.5)
