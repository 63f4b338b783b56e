"""Whether probabilities mean what they say: of all answers given with probability 0.8, eight in ten should be right.

A reliability diagram sorts answers into bins by their probability and sets the share of right ones beside the mean probability; the
expected calibration error is the mean gap between the two, weighted by the bins' counts. Even perfect probabilities show some gap, because
shares of few answers scatter; so the error is given beside what chance alone would make of it (outcomes drawn from the probabilities
themselves). Both treat mentions as independent; where mentions share sentences, shares scatter a little more than the intervals say.

A calibration must not be judged on the mentions it was fitted on: ``assign_folds`` cuts a split into parts for cross-fitting, in which each
part is judged by a calibration fitted on the others.

Sources: Naeini et al. 2015, "Obtaining Well Calibrated Probabilities Using Bayesian Binning", and Guo et al. 2017, "On Calibration of
Modern Neural Networks" (bins of equal width, expected calibration error); Bröcker and Smith 2007, "Increasing the Reliability of
Reliability Diagrams" (resampling from the forecast itself); Wilson 1927 (interval of a share).
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from pgmel.errors import DataError, SettingError
from pgmel.evaluation.bootstrap import Interval, group_sums, percentile_intervals, resample_sums

__all__ = ["Reliability", "ReliabilityBin", "assign_folds", "measure_reliability", "wilson_interval"]

_MOST_DRAWS = 4_000_000


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Answers whose probabilities lie between ``low`` and ``high``.

    Args:
        low: Lower edge; a probability on the border of two bins belongs to the upper one, 1 to the last.
        high: Upper edge.
        count: Answers in the bin.
        mean_probability: Their mean probability; None in an empty bin.
        share_right: Share of right ones, with its Wilson interval; None in an empty bin.
    """

    low: float
    high: float
    count: int
    mean_probability: float | None
    share_right: Interval | None


@dataclass(frozen=True, slots=True)
class Reliability:
    """How far probabilities can be trusted.

    Args:
        bins: From 0 to 1, of equal width.
        error: Expected calibration error: mean over answers of the gap between their bin's mean probability and share of right ones.
        chance_error: What the error would be on average if every answer were right with just its probability; it is not 0 where bins
            hold few answers.
        chance_high: The error that perfect probabilities would exceed with probability 1 - ``confidence``.
        mean_probability: Over all answers; above ``share_right`` means over-confident.
        share_right: Over all answers.
        brier: Mean squared gap between probability and outcome (0 or 1); smaller is better.
        num_mentions: Answers measured.
        confidence: Level of the intervals.
        error_interval: The error with its bootstrap interval, where one was asked for. Resamples scatter more than the sample does, so it
            leans upwards; an error of 0 cannot be inside.
    """

    bins: tuple[ReliabilityBin, ...]
    error: float
    chance_error: float
    chance_high: float
    mean_probability: float
    share_right: float
    brier: float
    num_mentions: int
    confidence: float
    error_interval: Interval | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain dicts and numbers, ready for JSON."""
        return asdict(self)


def measure_reliability(
    probabilities: npt.ArrayLike,
    right: npt.ArrayLike,
    rng: np.random.Generator,
    num_bins: int = 10,
    confidence: float = 0.95,
    resamples: int = 1000,
    groups: Sequence[Any] | npt.NDArray[Any] | None = None,
) -> Reliability:
    """Compare probabilities with outcomes.

    Args:
        probabilities: (mentions,) probability of each answer, 0 to 1.
        right: Bool (mentions,): whether it was right.
        rng: Source of the outcomes that chance would give.
        num_bins: Bins of equal width, >= 1.
        confidence: Level of the intervals, between 0 and 1.
        resamples: How often outcomes are drawn, >= 1.
        groups: One key per mention, as in ``measure``, for a bootstrap interval around the error; None gives none.

    Raises:
        DataError: If the two do not have the same length, there are no mentions, or a probability is not between 0 and 1.
        SettingError: If the bins, the confidence or the resamples are out of range.
    """
    values, hits = np.asarray(probabilities, np.float64), np.asarray(right, bool)
    if values.shape != hits.shape or values.ndim != 1 or not values.size:
        raise DataError(f"probabilities of shape {values.shape} and outcomes of shape {hits.shape} must be of the same mentions")
    if not ((values >= 0) & (values <= 1)).all():
        raise DataError(f"probabilities must lie between 0 and 1, got {values[~((values >= 0) & (values <= 1))][0]}")
    if num_bins < 1 or resamples < 1:
        raise SettingError(f"num_bins and resamples must be >= 1, got {num_bins} and {resamples}")
    member = np.searchsorted(np.arange(1, num_bins) / num_bins, values, side="right")
    by_chance = _chance_errors(values, member, num_bins, rng, resamples)
    return Reliability(
        bins=tuple(_describe_bin(place, num_bins, values[member == place], hits[member == place], confidence) for place in range(num_bins)),
        error=float(_errors(values, hits[None], member, num_bins)[0]),
        chance_error=float(by_chance.mean()),
        chance_high=float(np.quantile(by_chance, confidence)),
        mean_probability=float(values.mean()),
        share_right=float(hits.mean()),
        brier=float(np.mean((values - hits) ** 2)),
        num_mentions=len(values),
        confidence=confidence,
        error_interval=None if groups is None else _error_interval(values, hits, member, num_bins, confidence, rng, resamples, groups),
    )


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """Return the share of successes with the Wilson score interval, which keeps a width where all or none succeed.

    Args:
        successes: 0 to ``trials``.
        trials: >= 1.
        confidence: Level, between 0 and 1.

    Raises:
        SettingError: If a number is out of its range.
    """
    if not 0 < confidence < 1:
        raise SettingError(f"confidence must be between 0 and 1, got {confidence}")
    if trials < 1 or not 0 <= successes <= trials:
        raise SettingError(f"an interval needs 0 to trials successes in at least one trial, got {successes} in {trials}")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / trials
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return Interval(share, max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share)))


def assign_folds(
    groups: Sequence[Any], num_folds: int, rng: np.random.Generator, rare: npt.ArrayLike | None = None
) -> npt.NDArray[np.int64]:
    """Deal groups of mentions out to folds of nearly equal numbers of groups; a group stays whole.

    Args:
        groups: One key per mention (its sentence, say): mentions that share words must not be on both sides.
        num_folds: Folds asked for, >= 1; there are never more than groups.
        rng: Shuffles the groups.
        rare: Bool (mentions,): mentions of which every fold should get its share (NIL); their groups are dealt out first.

    Returns:
        Int64 (mentions,): the fold of each mention, from 0.

    Raises:
        SettingError: If there is to be no fold.
    """
    if num_folds < 1:
        raise SettingError(f"num_folds must be >= 1, got {num_folds}")
    positions: dict[Any, int] = {}
    member = np.fromiter((positions.setdefault(key, len(positions)) for key in groups), np.int64, len(groups))
    is_rare = np.zeros(len(positions), bool)
    if rare is not None:
        is_rare[member[np.asarray(rare, bool)]] = True
    shuffled = rng.permutation(len(positions))
    order = np.concatenate([shuffled[is_rare[shuffled]], shuffled[~is_rare[shuffled]]])
    fold = np.empty(len(positions), np.int64)
    fold[order] = np.arange(len(positions)) % min(num_folds, max(len(positions), 1))
    return fold[member]


def _describe_bin(
    place: int, num_bins: int, values: npt.NDArray[np.float64], hits: npt.NDArray[np.bool_], confidence: float
) -> ReliabilityBin:
    low, high = place / num_bins, (place + 1) / num_bins
    if not len(values):
        return ReliabilityBin(low, high, 0, None, None)
    return ReliabilityBin(low, high, len(values), float(values.mean()), wilson_interval(int(hits.sum()), len(hits), confidence))


def _errors(
    values: npt.NDArray[np.float64], outcomes: npt.NDArray[np.bool_], member: npt.NDArray[np.int64], num_bins: int
) -> npt.NDArray[np.float64]:
    """Return (draws,) expected calibration errors of (draws, mentions) outcomes.

    A bin's count times the gap of its means is the gap of its sums, so empty bins need no care.
    """
    gaps = outcomes - values
    in_bin = np.eye(num_bins)[member]
    error: npt.NDArray[np.float64] = np.abs(gaps @ in_bin).sum(axis=1) / len(values)
    return error


def _error_interval(
    values: npt.NDArray[np.float64],
    hits: npt.NDArray[np.bool_],
    member: npt.NDArray[np.int64],
    num_bins: int,
    confidence: float,
    rng: np.random.Generator,
    resamples: int,
    groups: Sequence[Any] | npt.NDArray[Any],
) -> Interval:
    sums, sizes = group_sums(np.eye(num_bins)[member] * (hits - values)[:, None], groups)
    drawn = resample_sums(np.column_stack([sums, sizes]), resamples, rng)
    errors = np.abs(drawn[:, :-1]).sum(axis=1) / drawn[:, -1]
    value = np.abs(sums.sum(axis=0)).sum() / len(values)
    return percentile_intervals([value], errors[:, None], confidence)[0]


def _chance_errors(
    values: npt.NDArray[np.float64], member: npt.NDArray[np.int64], num_bins: int, rng: np.random.Generator, resamples: int
) -> npt.NDArray[np.float64]:
    at_once = max(1, _MOST_DRAWS // len(values))
    parts = []
    for start in range(0, resamples, at_once):
        drawn = rng.random((min(at_once, resamples - start), len(values))) < values
        parts.append(_errors(values, drawn, member, num_bins))
    return np.concatenate(parts)
