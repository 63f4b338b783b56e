"""NIL: precision, recall, what is undefined, and the curve over the threshold."""

import numpy as np
import pytest

from pgmel.errors import DataError
from pgmel.evaluation import NilMetrics, measure_nil, nil_curve


def count(gold: list[int], answer: list[int], right: list[int], **more) -> NilMetrics:
    return measure_nil(gold, answer, right, 200, 0.95, np.random.default_rng(0), **more)


def test_figures_of_known_answers() -> None:
    #            hit, missed, false, right link, wrong link, hit
    found = count([1, 1, 0, 0, 0, 1], [1, 0, 1, 0, 0, 1], [0, 1, 1, 1, 0, 1])
    assert (found.true_nil, found.missed_nil, found.false_nil, found.num_nil, found.num_mentions) == (2, 1, 1, 3, 6)
    assert found.precision.value == pytest.approx(2 / 3)
    assert found.recall.value == pytest.approx(2 / 3)
    assert found.f1.value == pytest.approx(2 / 3)
    assert found.accuracy.value == pytest.approx(3 / 6)


def test_a_link_counts_only_where_neither_gold_nor_answer_is_nil() -> None:
    assert count([1, 0], [0, 1], [1, 1]).accuracy.value == 0.0


def test_precision_is_undefined_without_nil_answers_and_recall_without_nil_mentions() -> None:
    silent = count([1, 0], [0, 0], [0, 1])
    assert silent.precision is None
    assert (silent.recall.value, silent.f1.value) == (0.0, 0.0)
    full = count([0, 0], [1, 0], [1, 1])
    assert full.recall is None
    assert full.precision.value == 0.0
    neither = count([0, 0], [0, 0], [1, 1])
    assert (neither.precision, neither.recall, neither.f1) == (None, None, None)
    assert neither.accuracy.value == 1.0


def test_the_interval_passes_over_resamples_without_nil() -> None:
    found = count([1] + [0] * 9, [1] + [0] * 9, [1] * 10)
    assert (found.recall.low, found.recall.high) == (1.0, 1.0)


def test_groups_are_resampled_whole() -> None:
    gold, answer = np.repeat([1, 1, 0, 0], 25), np.repeat([1, 0, 0, 1], 25)
    single, grouped = count(gold, answer, gold), count(gold, answer, gold, groups=np.arange(100) // 25)
    assert grouped.recall.high - grouped.recall.low > 2 * (single.recall.high - single.recall.low)


def test_answers_must_be_of_the_same_mentions() -> None:
    with pytest.raises(DataError, match=r"\(2,\), \(1,\) and \(2,\)"):
        count([1, 0], [1], [0, 0])


def test_the_curve_agrees_with_counting_at_every_threshold() -> None:
    rng = np.random.default_rng(1)
    gold = rng.random(300) < 0.3
    values = np.round(np.where(gold, rng.beta(2, 4, 300), rng.beta(4, 2, 300)), 2)
    curve = nil_curve(values, gold)
    for threshold, precision, recall in zip(curve.thresholds, curve.precision, curve.recall, strict=True):
        answered = values < threshold
        assert recall == pytest.approx((answered & gold).sum() / gold.sum())
        assert np.isnan(precision) if not answered.any() else precision == pytest.approx(gold[answered].mean())
    assert curve.recall[-1] == 1.0
    assert np.all(np.diff(curve.recall) >= 0)


def test_the_curve_is_thinned_and_keeps_its_ends() -> None:
    values = np.random.default_rng(2).random(1000)
    curve = nil_curve(values, values < 0.5, points=50)
    assert len(curve.thresholds) == 50
    assert curve.thresholds[0] == values.min()
    assert curve.recall[-1] == 1.0


def test_the_curve_of_no_mentions_is_refused() -> None:
    with pytest.raises(DataError, match="at least one"):
        nil_curve([], [])
