"""Reliability of probabilities: direction, chance, folds, and what is refused."""

import numpy as np
import pytest

from pgmel.errors import DataError, SettingError
from pgmel.evaluation import Reliability, assign_folds, measure_reliability, wilson_interval

DICE = np.random.default_rng(5)
TRUE = DICE.random(4000)
RIGHT = DICE.random(4000) < TRUE


def measure(values: np.ndarray, right: np.ndarray = RIGHT) -> Reliability:
    return measure_reliability(values, right, np.random.default_rng(0))


def test_exact_probabilities_show_no_more_error_than_chance() -> None:
    found = measure(TRUE)
    assert found.error <= found.chance_high
    assert found.chance_error < found.chance_high < 0.05
    assert found.mean_probability == pytest.approx(found.share_right, abs=0.02)


@pytest.mark.parametrize("power", [0.3, 3.0])
def test_bent_probabilities_show_more(power: float) -> None:
    found = measure(TRUE**power)
    assert found.error > 3 * found.chance_high
    assert (found.mean_probability > found.share_right) == (power < 1)
    assert found.brier > measure(TRUE).brier


def test_fewer_answers_make_more_error_by_chance() -> None:
    assert measure(TRUE[:100], RIGHT[:100]).chance_error > 3 * measure(TRUE).chance_error


def test_a_probability_on_a_border_belongs_to_the_upper_bin_and_one_to_the_last() -> None:
    found = measure_reliability([0.0, 0.1, 0.3, 1.0], [False] * 4, np.random.default_rng(0))
    assert [one.count for one in found.bins] == [1, 1, 0, 1, 0, 0, 0, 0, 0, 1]


def test_the_same_dice_give_the_same_figures() -> None:
    assert measure(TRUE) == measure(TRUE)
    assert measure(TRUE).to_dict()["bins"][0]["count"] > 0


@pytest.mark.parametrize(
    ("values", "right"),
    [([], []), ([0.5], [True, False]), ([[0.5]], [[True]]), ([1.5], [True]), ([float("nan")], [True]), ([-0.1], [True])],
)
def test_what_are_no_probabilities_with_outcomes_is_refused(values: list, right: list) -> None:
    with pytest.raises(DataError):
        measure_reliability(values, right, np.random.default_rng(0))


@pytest.mark.parametrize("options", [{"num_bins": 0}, {"resamples": 0}, {"confidence": 1.0}])
def test_settings_out_of_range_are_refused(options: dict) -> None:
    with pytest.raises(SettingError):
        measure_reliability([0.5], [True], np.random.default_rng(0), **options)


@pytest.mark.parametrize(("successes", "trials"), [(1, 0), (3, 2), (-1, 2)])
def test_an_interval_of_impossible_counts_is_refused(successes: int, trials: int) -> None:
    with pytest.raises(SettingError, match=f"got {successes} in {trials}"):
        wilson_interval(successes, trials)


def test_rare_mentions_are_shared_out_evenly() -> None:
    groups = list(range(40))
    rare = np.arange(40) < 5
    for seed in range(20):
        fold = assign_folds(groups, 5, np.random.default_rng(seed), rare)
        assert sorted(fold[rare].tolist()) == [0, 1, 2, 3, 4]
        assert np.bincount(fold).tolist() == [8] * 5


def test_folds_are_shuffled_by_the_dice() -> None:
    folds = {tuple(assign_folds(list(range(12)), 3, np.random.default_rng(seed)).tolist()) for seed in range(5)}
    assert len(folds) == 5


def test_no_fold_is_refused_and_no_mention_is_no_fault() -> None:
    with pytest.raises(SettingError):
        assign_folds(["a"], 0, np.random.default_rng(0))
    assert len(assign_folds([], 5, np.random.default_rng(0))) == 0
