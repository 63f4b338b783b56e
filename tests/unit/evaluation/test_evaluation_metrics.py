"""Metrics, bootstrap, slices of metrics, several seeds, paired comparison."""

import math
import time

import numpy as np
import pytest

from pgmel.errors import DataError, SettingError
from pgmel.evaluation import METRICS, Interval, Metrics, Ranks, aggregate_seeds, compare_paired, measure, measure_slices
from pgmel.evaluation.bootstrap import group_sums, percentile_intervals, resample_sums


def make_ranks(optimistic, tied=0) -> Ranks:
    low = np.asarray(optimistic, np.float64)
    return Ranks(low, low + np.asarray(tied) / 2, low + tied, np.zeros(len(low), np.float32))


def quick(ranks: Ranks, seed: int = 0, **more) -> Metrics:
    return measure(ranks, 200, 0.95, np.random.default_rng(seed), **more)


def test_metrics_of_known_ranks() -> None:
    metrics = quick(make_ranks([1, 2, 4, 10, 20]))
    values = [metrics.interval(name).value for name in METRICS]
    assert values == pytest.approx([0.2, 0.4, 0.6, 0.8, (1 + 1 / 2 + 1 / 4 + 1 / 10 + 1 / 20) / 5, 37 / 5])
    assert metrics.num_mentions == 5


def test_the_headline_follows_the_rule_for_ties_and_all_three_are_kept() -> None:
    ranks = make_ranks([1, 1, 2], tied=[0, 1, 2])  # realistic 1, 1.5, 3; pessimistic 1, 2, 4
    metrics = quick(ranks)
    assert metrics.ties == "realistic"
    assert metrics.h_at_1.value == pytest.approx(1 / 3)
    assert quick(ranks, ties="optimistic").h_at_1.value == pytest.approx(2 / 3)
    assert {rule: values["mean_rank"] for rule, values in metrics.variants.items()} == pytest.approx(
        {"realistic": 5.5 / 3, "optimistic": 4 / 3, "pessimistic": 7 / 3}
    )
    assert metrics.tied_share == pytest.approx(2 / 3)


def test_intervals_hold_the_value_and_narrow_with_more_mentions() -> None:
    rng = np.random.default_rng(0)
    few, many = (quick(make_ranks(rng.geometric(0.5, n))) for n in (50, 5000))
    for metrics in (few, many):
        assert all(metrics.interval(name).low <= metrics.interval(name).value <= metrics.interval(name).high for name in METRICS)
    assert (many.h_at_1.high - many.h_at_1.low) < 0.2 * (few.h_at_1.high - few.h_at_1.low)


def test_the_same_seed_gives_the_same_interval() -> None:
    ranks = make_ranks(np.random.default_rng(1).geometric(0.3, 100))
    assert quick(ranks, seed=4) == quick(ranks, seed=4)
    assert quick(ranks, seed=4).mrr != quick(ranks, seed=5).mrr


def test_the_interval_has_the_width_of_the_normal_approximation() -> None:
    ranks = make_ranks(np.repeat([1, 2], [700, 300]))
    interval = measure(ranks, 4000, 0.95, np.random.default_rng(2)).h_at_1
    expected = 1.96 * math.sqrt(0.7 * 0.3 / 1000)
    assert interval.high - 0.7 == pytest.approx(expected, rel=0.1)
    assert 0.7 - interval.low == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("grouped", [False, True])
def test_bootstrap_intervals_cover_the_truth_about_as_often_as_they_say(grouped: bool) -> None:
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(200):
        if grouped:  # 100 sentences with 3 mentions that always share their fate
            hits, groups = np.repeat(rng.random(100) < 0.6, 3), np.repeat(np.arange(100), 3)
        else:
            hits, groups = rng.random(120) < 0.6, None
        sums, sizes = group_sums(hits[:, None], groups)
        drawn = resample_sums(np.column_stack([sums, sizes]), 400, rng)
        (interval,) = percentile_intervals([hits.mean()], drawn[:, :1] / drawn[:, 1:], 0.9)
        covered += interval.low <= 0.6 <= interval.high
    assert 0.83 <= covered / 200 <= 0.97


def test_groups_widen_the_interval_of_mentions_that_share_their_fate() -> None:
    hits = np.repeat(np.random.default_rng(4).random(100) < 0.5, 9)
    ranks = make_ranks(np.where(hits, 1, 2))
    single, grouped = quick(ranks), quick(ranks, groups=[f"sentence {row // 9}" for row in range(900)])
    assert (grouped.h_at_1.high - grouped.h_at_1.low) > 2 * (single.h_at_1.high - single.h_at_1.low)
    assert (grouped.num_groups, single.num_groups) == (100, 900)
    assert grouped.h_at_1.value == single.h_at_1.value


def test_groups_of_different_size_weigh_by_their_mentions() -> None:
    sums, sizes = group_sums([[1.0], [0.0], [0.0], [1.0]], ["a", "b", "b", "b"])
    np.testing.assert_array_equal(sums[:, 0], [1, 1])
    np.testing.assert_array_equal(sizes, [1, 3])
    metrics = quick(make_ranks([1, 2, 2, 1]), groups=["a", "b", "b", "b"])
    assert metrics.h_at_1 == Interval(0.5, 1 / 3, 1.0)  # resamples hold only a (1/1), only b (1/3), or both (2/4)


def test_a_thousand_resamples_of_five_thousand_mentions_take_under_a_second() -> None:
    ranks = make_ranks(np.random.default_rng(5).geometric(0.3, 5000))
    start = time.process_time()
    measure(ranks, 1000, 0.95, np.random.default_rng(0))
    assert time.process_time() - start < 1


def test_batches_of_resamples_count_every_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgmel.evaluation.bootstrap._MOST_DRAWS", 25)
    drawn = resample_sums(np.ones((10, 1)), 7, np.random.default_rng(0))
    np.testing.assert_array_equal(drawn, np.full((7, 1), 10.0))


def test_nothing_to_measure_is_refused() -> None:
    with pytest.raises(DataError, match="no mentions to measure"):
        quick(make_ranks([]))


def test_group_keys_must_be_one_per_mention() -> None:
    with pytest.raises(DataError, match="2 mentions but 3 group keys"):
        quick(make_ranks([1, 2]), groups=[1, 2, 3])


@pytest.mark.parametrize(("bootstrap", "confidence", "message"), [(0, 0.95, "got 0"), (10, 1.0, "got 1.0"), (10, 0.0, "got 0.0")])
def test_bootstrap_settings_out_of_range_are_refused(bootstrap: int, confidence: float, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        measure(make_ranks([1]), bootstrap, confidence, np.random.default_rng(0))


def test_format_says_what_was_measured() -> None:
    text = quick(make_ranks([1, 1, 2, 30])).format()
    assert "H@1 0.500 [" in text
    assert "Mean rank 8.5" in text
    assert "(4 mentions, realistic ties, 95% intervals)" in text


def test_an_interval_without_bounds_is_its_value() -> None:
    assert Interval(0.5).format() == "0.500"
    assert Interval(0.5, 0.25, 0.75).format(2) == "0.50 [0.25, 0.75]"


def test_slices_are_measured_on_their_own_mentions_and_groups() -> None:
    masks = {"first": np.array([True, True, False, False]), "rest": np.array([False, False, True, True]), "none": np.zeros(4, bool)}
    found = measure_slices(make_ranks([1, 1, 2, 1]), masks, 100, 0.95, np.random.default_rng(0), groups=["a", "a", "b", "c"])
    assert list(found) == ["first", "rest"]
    assert (found["first"].h_at_1.value, found["rest"].h_at_1.value) == (1.0, 0.5)
    assert (found["first"].num_groups, found["rest"].num_groups) == (1, 2)


def test_a_slice_of_another_length_is_refused() -> None:
    with pytest.raises(DataError, match="'odd' has a mask of shape \\(3,\\) for 2 mentions"):
        measure_slices(make_ranks([1, 2]), {"odd": np.ones(3, bool)}, 100, 0.95, np.random.default_rng(0))


def test_seeds_are_averaged_with_a_t_interval() -> None:
    runs = [quick(make_ranks(np.repeat([1, 2], [hits, 100 - hits]))) for hits in (80, 82, 87)]
    summary = aggregate_seeds(runs)
    # By hand: mean 0.83, standard deviation 0.0360555, t(0.975, 2) = 4.302653.
    half = 4.302653 * 0.0360555 / math.sqrt(3)
    assert summary.metrics["h_at_1"].value == pytest.approx(0.83)
    assert summary.metrics["h_at_1"].low == pytest.approx(0.83 - half, abs=1e-6)
    assert summary.metrics["h_at_1"].high == pytest.approx(0.83 + half, abs=1e-6)
    assert summary.runs["h_at_1"] == pytest.approx((0.80, 0.82, 0.87))


def test_seed_intervals_stay_where_the_metric_can_be() -> None:
    runs = [quick(make_ranks(np.repeat([1, 2], [hits, 10 - hits]))) for hits in (10, 6)]
    summary = aggregate_seeds(runs)
    assert (summary.metrics["h_at_1"].low, summary.metrics["h_at_1"].high) == (0.0, 1.0)
    assert summary.metrics["mean_rank"].low == 1.0


def test_one_seed_has_no_interval() -> None:
    summary = aggregate_seeds([quick(make_ranks([1, 2]))])
    assert summary.metrics["h_at_1"] == Interval(0.5)
    assert summary.num_seeds == 1


def test_runs_that_differ_in_mentions_or_ties_are_not_averaged() -> None:
    with pytest.raises(DataError, match="2 mentions with realistic ties, 1 mentions with realistic ties"):
        aggregate_seeds([quick(make_ranks([1, 2])), quick(make_ranks([1]))])
    with pytest.raises(DataError, match="optimistic"):
        aggregate_seeds([quick(make_ranks([1])), quick(make_ranks([1]), ties="optimistic")])
    with pytest.raises(DataError, match="no runs"):
        aggregate_seeds([])


def test_a_system_that_is_better_everywhere_is_significantly_better() -> None:
    found = compare_paired(np.zeros(50), np.ones(50), np.random.default_rng(0), resamples=999)
    assert found.difference == Interval(1.0, 1.0, 1.0)
    assert found.p_value == pytest.approx(0.001)
    assert (found.only_a, found.only_b) == (0, 50)


def test_equal_systems_do_not_differ() -> None:
    hits = np.random.default_rng(1).random(80) < 0.5
    found = compare_paired(hits, hits, np.random.default_rng(0), resamples=500)
    assert (found.difference.value, found.p_value) == (0.0, 1.0)


def test_the_difference_is_b_minus_a() -> None:
    found = compare_paired([1, 1, 0, 0], [1, 1, 1, 0], np.random.default_rng(0), resamples=500)
    assert found.difference.value == 0.25
    assert (found.mean_a, found.mean_b) == (0.5, 0.75)


def test_p_values_of_equal_systems_are_spread_evenly() -> None:
    rng = np.random.default_rng(2)
    p = [compare_paired(rng.random(60), rng.random(60), rng, resamples=199).p_value for _ in range(200)]
    assert 0.02 <= np.mean(np.array(p) <= 0.05) <= 0.09
    assert 0.4 <= np.mean(p) <= 0.6


def test_groups_make_a_difference_that_rests_on_few_sentences_less_sure() -> None:
    a, b = np.zeros(40), np.repeat([1, 0], [30, 10])
    single = compare_paired(a, b, np.random.default_rng(0), resamples=999)
    grouped = compare_paired(a, b, np.random.default_rng(0), groups=np.arange(40) // 10, resamples=999)
    assert single.p_value < 0.01 < 0.2 < grouped.p_value
    assert grouped.num_groups == 4


def test_systems_on_different_mentions_are_not_compared() -> None:
    with pytest.raises(DataError, match=r"\(2,\) and \(3,\)"):
        compare_paired([0, 1], [0, 1, 1], np.random.default_rng(0))
