"""Thresholds for a stated precision.

The share of right answers above a threshold is known from few answers where the threshold is high, so it is not enough that the share on
dev reaches what was asked for: its lower bound has to, one standard error below it (Wilson's score interval, 84 % one-sided). Otherwise a
handful of lucky answers would set the threshold. Answers may be weighted; their number then counts in units of the largest weight, which
is on the safe side.

Source: Wilson 1927 (interval of a share).
"""

from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pgmel.linking.decision import StatedPrecision

__all__ = ["Choice", "choose_threshold", "state_precision"]

Floats = npt.NDArray[np.float64]

_STANDARD_ERRORS = 1.0


class Choice(NamedTuple):
    """A threshold, and the highest precision that any threshold reaches.

    Attributes:
        threshold: None if no threshold reaches the precision that was asked for.
        attainable: Largest lower bound over all thresholds; 0 without answers.
    """

    threshold: float | None
    attainable: float


def choose_threshold(
    confidence: Floats,
    is_right: npt.NDArray[np.bool_],
    weights: Floats,
    precision: float,
    right_otherwise: npt.NDArray[np.bool_] | None = None,
) -> Choice:
    """Choose, of the thresholds above which answers reach a precision, the one that gains most.

    Args:
        confidence: (answers,); an answer is given where it is at least the threshold.
        is_right: (answers,).
        weights: (answers,), how much each counts.
        precision: Share of right answers wanted.
        right_otherwise: (answers,), whether not giving the answer would be right: a right answer gains one, and one where the other would
            have been right loses one. None: every answer is a gain, so that the lowest threshold is chosen.

    Returns:
        The threshold lies in the middle between the least confident answer that is given and the next one, which is not.
    """
    order = np.argsort(-confidence, kind="stable")
    ranked, weights = confidence[order], weights[order]
    given = np.cumsum(weights)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.cumsum(weights * is_right[order]) / given
        lowest, _ = _score_interval(share, given / weights.max(initial=0.0), _STANDARD_ERRORS)
    next_one = np.append(ranked[1:], 0.0)
    lowest = np.where(next_one < ranked, lowest, 0.0)  # equal answers are given together or not at all
    attainable = float(lowest.max(initial=0.0))
    possible = np.flatnonzero(lowest >= precision)
    if not len(possible):
        return Choice(None, attainable)
    gain = given if right_otherwise is None else np.cumsum(weights * (is_right.astype(float) - right_otherwise)[order])
    last = possible[np.argmax(np.round(gain[possible], 9))]  # of equal gains the fewest answers; sums of weights are not exact
    middle = (ranked[last] + next_one[last]) / 2
    return Choice(float(middle if middle > next_one[last] else ranked[last]), attainable)


def state_precision(
    target: float | None, is_right: npt.NDArray[np.bool_], weights: Floats, unit: float = 1.0, attainable: float | None = None
) -> StatedPrecision:
    """Return the share of right answers among those given, with Wilson's 95 % interval.

    Args:
        target: What was asked for.
        is_right: (answers,), of the answers given.
        weights: (answers,), how much each counts.
        unit: The largest weight that any answer can have.
        attainable: Kept beside it.
    """
    total = float(weights.sum())
    if total <= 0:
        return StatedPrecision(target, None, None, None, 0, attainable)
    share = float(weights @ is_right) / total
    low, high = (float(end[0]) for end in _score_interval(np.array([share]), np.array([total / unit]), NormalDist().inv_cdf(0.975)))
    return StatedPrecision(target, share, min(low, share), max(high, share), round(total), attainable)


def _score_interval(share: Floats, number: Floats, z: float) -> tuple[Floats, Floats]:
    middle = (share + z * z / (2 * number)) / (1 + z * z / number)
    half = z / (1 + z * z / number) * np.sqrt(share * (1 - share) / number + z * z / (4 * number * number))
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)
