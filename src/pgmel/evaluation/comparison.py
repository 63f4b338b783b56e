"""Compare systems: two on the same mentions (paired), or one system over several seeds."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pgmel.errors import DataError, SettingError
from pgmel.evaluation.bootstrap import Interval, group_sums, percentile_intervals, resample_sums
from pgmel.evaluation.metrics import METRICS, Metrics
from pgmel.evaluation.signs import sign_flip_sums

__all__ = ["PairedComparison", "SeedSummary", "aggregate_seeds", "compare_paired", "t_interval"]


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """How much better system B is than system A on the same mentions.

    Args:
        mean_a: Mean value of A.
        mean_b: Mean value of B.
        difference: B minus A, with a paired bootstrap interval.
        p_value: Two-sided, from a sign-flip permutation test: how often a difference at least so large comes up if the two systems are
            interchangeable on every group of mentions.
        only_a: Mentions on which A is better (for hits: A right, B wrong).
        only_b: Mentions on which B is better.
        num_mentions: Mentions compared.
        num_groups: Groups that were resampled and flipped.
        confidence: Level of the interval.
    """

    mean_a: float
    mean_b: float
    difference: Interval
    p_value: float
    only_a: int
    only_b: int
    num_mentions: int
    num_groups: int
    confidence: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain dicts and numbers, ready for JSON."""
        return asdict(self)


def compare_paired(
    values_a: npt.ArrayLike,
    values_b: npt.ArrayLike,
    rng: np.random.Generator,
    groups: Sequence[Any] | npt.NDArray[Any] | None = None,
    resamples: int = 10_000,
    confidence: float = 0.95,
) -> PairedComparison:
    """Compare two systems mention by mention.

    The interval comes from resampling the differences, the p-value from flipping their signs; with groups, whole groups are resampled and
    flipped. Neither says anything about other seeds of the same systems.

    Args:
        values_a: (mentions,) what each mention contributes for A: hits (0 or 1), reciprocal ranks, larger is better.
        values_b: The same for B, in the same order.
        rng: Source of resamples and signs.
        groups: One key per mention, as in ``measure``.
        resamples: Bootstrap resamples, and sign flips; the least possible p-value is 1 / (resamples + 1).
        confidence: Level of the interval.

    Raises:
        DataError: If the two do not have the same mentions, or there are none.
        SettingError: If resamples or confidence are out of range.
    """
    a, b = np.asarray(values_a, np.float64), np.asarray(values_b, np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise DataError(f"the two systems have values of shapes {a.shape} and {b.shape}; compare them on the same mentions")
    sums, sizes = group_sums((b - a)[:, None], groups)
    resampled = resample_sums(np.column_stack([sums, sizes]), resamples, rng)
    mean = float(sums.sum() / sizes.sum())
    (difference,) = percentile_intervals([mean], resampled[:, :1] / resampled[:, 1:], confidence)
    return PairedComparison(
        mean_a=float(a.mean()),
        mean_b=float(b.mean()),
        difference=difference,
        p_value=_sign_flip_p(sums[:, 0], resamples, rng),
        only_a=int(np.count_nonzero(a > b)),
        only_b=int(np.count_nonzero(b > a)),
        num_mentions=len(a),
        num_groups=len(sums),
        confidence=confidence,
    )


def _sign_flip_p(sums: npt.NDArray[np.float64], flips: int, rng: np.random.Generator) -> float:
    differing = sums[sums != 0]  # a sign in front of 0 changes nothing
    if differing.size == 0:
        return 1.0
    # Sums that are equal on paper differ in the last bits, by the order of adding; without the allowance they would count at random.
    observed = abs(differing.sum()) - 1e-9 * np.abs(differing).sum()
    extreme = int(np.count_nonzero(np.abs(sign_flip_sums(differing[:, None], flips, rng)) >= observed))
    return (extreme + 1) / (flips + 1)


@dataclass(frozen=True, slots=True)
class SeedSummary:
    """One system trained with several seeds and measured on the same mentions.

    Args:
        metrics: Metric to mean over seeds, with a t interval (n - 1 degrees of freedom) for that mean. It says how well the mean over
            these seeds stands for the system on these mentions; it does not say what other mentions would give (the bootstrap intervals
            of each run do). None as bounds where there is one seed.
        runs: Metric to the value of each seed.
        num_seeds: How many.
        confidence: Level of the intervals.
    """

    metrics: dict[str, Interval]
    runs: dict[str, tuple[float, ...]]
    num_seeds: int
    confidence: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain dicts and numbers, ready for JSON."""
        return asdict(self)


def aggregate_seeds(runs: Sequence[Metrics], confidence: float = 0.95) -> SeedSummary:
    """Average several seeds of one system.

    Args:
        runs: One per seed, all with the same rule for ties and on the same mentions.
        confidence: Level of the t intervals.

    Raises:
        DataError: If there are no runs, or they differ in mentions or ties.
        SettingError: If the confidence is not between 0 and 1.
    """
    if not runs:
        raise DataError("there are no runs to average; give the metrics of at least one seed")
    if len({(run.num_mentions, run.ties) for run in runs}) > 1:
        found = ", ".join(f"{run.num_mentions} mentions with {run.ties} ties" for run in runs)
        raise DataError(f"runs that differ in mentions or ties cannot be averaged: {found}")
    if not 0 < confidence < 1:
        raise SettingError(f"confidence must be between 0 and 1, got {confidence}")
    values = {name: tuple(run.interval(name).value for run in runs) for name in METRICS}
    return SeedSummary({name: t_interval(name, run, confidence) for name, run in values.items()}, values, len(runs), confidence)


def t_interval(metric: str, values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Return the mean of a metric over seeds with its t interval, cut off at the metric's ends; no bounds where there is one seed."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return Interval(mean)
    from scipy.special import stdtrit  # type: ignore[import-untyped, unused-ignore]  # takes a moment, and few runs need it

    half = float(stdtrit(len(values) - 1, (1 + confidence) / 2) * np.std(values, ddof=1) / np.sqrt(len(values)))
    least, most = (1.0, np.inf) if metric == "mean_rank" else (0.0, 1.0)
    return Interval(mean, max(mean - half, least), min(mean + half, most))
