"""Measure the decision between linking and answering NIL."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pgmel.errors import DataError
from pgmel.evaluation.bootstrap import Interval, group_sums, percentile_intervals, resample_sums

__all__ = ["NilCurve", "NilMetrics", "measure_nil", "nil_curve"]


@dataclass(frozen=True, slots=True)
class NilMetrics:
    """How well a linker says "none of these", and what that leaves of its links.

    Args:
        precision: Share of the NIL answers that are right; None where the linker never answered NIL.
        recall: Share of the NIL mentions that were answered NIL; None where there are none.
        f1: Harmonic mean of the two; None where neither is defined.
        accuracy: Share of all mentions decided rightly: NIL said of a NIL mention, or the right entity of another.
        threshold: Probability or score below which the linker answered NIL, if it had one.
        true_nil: NIL mentions answered NIL.
        false_nil: Mentions of an entity answered NIL.
        missed_nil: NIL mentions linked to some entity.
        num_mentions: All mentions.
        confidence: Level of the intervals.
        num_folds: Parts of cross-fitting, where what decided was fitted on these very mentions; 1 where they are too few for that, so that
            the figures are in-sample and too good; 0 where what decided had not seen them.
    """

    precision: Interval | None
    recall: Interval | None
    f1: Interval | None
    accuracy: Interval
    threshold: float | None
    true_nil: int
    false_nil: int
    missed_nil: int
    num_mentions: int
    confidence: float
    num_folds: int = 0

    @property
    def is_in_sample(self) -> bool:
        """Whether what decided was fitted on these very mentions."""
        return self.num_folds == 1

    @property
    def num_nil(self) -> int:
        """Mentions whose gold is NIL."""
        return self.true_nil + self.missed_nil

    def to_dict(self) -> dict[str, Any]:
        """Return plain dicts and numbers, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class NilCurve:
    """Precision and recall of NIL at every threshold that changes an answer, thinned to a number of points.

    Args:
        thresholds: Rising; NIL is answered below them.
        precision: NaN where nothing is answered NIL.
        recall: In the order of the thresholds.
    """

    thresholds: npt.NDArray[np.float64]
    precision: npt.NDArray[np.float64]
    recall: npt.NDArray[np.float64]


def measure_nil(
    gold_is_nil: npt.ArrayLike,
    answer_is_nil: npt.ArrayLike,
    link_is_right: npt.ArrayLike,
    bootstrap: int,
    confidence: float,
    rng: np.random.Generator,
    groups: Sequence[Any] | npt.NDArray[Any] | None = None,
    threshold: float | None = None,
) -> NilMetrics:
    """Measure NIL answers.

    Args:
        gold_is_nil: Bool (mentions,): the annotators found no entity.
        answer_is_nil: Bool (mentions,): the linker answered NIL.
        link_is_right: Bool (mentions,): the entity linked is the gold one; read only where neither gold nor answer is NIL.
        bootstrap: Resamples behind the intervals.
        confidence: Level of the intervals.
        rng: Source of the resamples.
        groups: One key per mention, as in ``measure``.
        threshold: What the linker's answers came from, to be kept beside the figures.

    Raises:
        DataError: If the three do not have the same length, or there are no mentions.
    """
    gold, answer, right = (np.asarray(part, bool) for part in (gold_is_nil, answer_is_nil, link_is_right))
    if not gold.shape == answer.shape == right.shape or gold.ndim != 1:
        raise DataError(
            f"gold, answers and links must be of the same mentions; their shapes are {gold.shape}, {answer.shape} and {right.shape}"
        )
    decided = np.where(gold | answer, gold & answer, right)
    sums, sizes = group_sums(np.stack([gold & answer, answer & ~gold, gold & ~answer, decided], axis=1), groups)
    table = np.column_stack([sums, sizes])
    values = _rates(table.sum(axis=0)[None])[0]
    intervals = percentile_intervals(values, _rates(resample_sums(table, bootstrap, rng)), confidence)
    precision, recall, f1 = (None if np.isnan(interval.value) else interval for interval in intervals[:3])
    true_nil, false_nil, missed_nil = (int(count) for count in sums.sum(axis=0)[:3])
    return NilMetrics(precision, recall, f1, intervals[3], threshold, true_nil, false_nil, missed_nil, len(gold), confidence)


def nil_curve(probabilities: npt.ArrayLike, gold_is_nil: npt.ArrayLike, points: int = 200) -> NilCurve:
    """Return precision and recall of NIL over the threshold.

    Args:
        probabilities: (mentions,) probability, or score, of the best candidate; NIL is answered below the threshold.
        gold_is_nil: Bool (mentions,).
        points: Most points returned, >= 2.

    Raises:
        DataError: If the two do not have the same length, or there are no mentions.
    """
    values, gold = np.asarray(probabilities, np.float64), np.asarray(gold_is_nil, bool)
    if values.shape != gold.shape or values.ndim != 1 or values.size == 0:
        raise DataError(f"probabilities of shape {values.shape} and gold of shape {gold.shape} must be of the same mentions, at least one")
    order = np.argsort(values, kind="stable")
    ranked, nil_before = values[order], np.concatenate([[0], np.cumsum(gold[order])])
    thresholds = np.unique(np.append(ranked, np.nextafter(ranked[-1], np.inf)))
    if len(thresholds) > points:
        thresholds = thresholds[np.linspace(0, len(thresholds) - 1, points).round().astype(int)]
    answered = np.searchsorted(ranked, thresholds, side="left")
    with np.errstate(invalid="ignore", divide="ignore"):
        return NilCurve(thresholds, nil_before[answered] / answered, nil_before[answered] / nil_before[-1])


def _rates(table: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Turn (rows, [true, false, missed, decided, mentions]) into (rows, [precision, recall, F1, accuracy]); NaN where undefined."""
    true, false, missed, decided, mentions = table.T
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.stack([true / (true + false), true / (true + missed), 2 * true / (2 * true + false + missed), decided / mentions], axis=1)
