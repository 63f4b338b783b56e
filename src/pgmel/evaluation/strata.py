"""Compare many systems with one, mention by mention, on one data set or on the mean over several."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from pgmel.errors import DataError, SettingError
from pgmel.evaluation.bootstrap import Interval, group_sums, percentile_intervals, resample_sums
from pgmel.evaluation.signs import sign_flip_sums

__all__ = ["PairedSamples", "pool_strata", "sample_paired"]

Matrix = npt.NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True)
class PairedSamples:
    """What chance does to mean differences; every column is one comparison.

    Args:
        observed: (columns,) mean differences.
        resampled: (resamples, columns) mean differences of bootstrap resamples of the groups.
        flipped: (flips, columns) mean differences under random signs of the groups: what is seen if two systems are interchangeable.
        allowance: (columns,) values on paper equal to the observed one may lie so far below it, by the order of adding.
    """

    observed: Matrix
    resampled: Matrix
    flipped: Matrix
    allowance: Matrix

    def p_values(self) -> list[float]:
        """Return two-sided p-values, one per column; the least possible one is 1 / (flips + 1)."""
        extreme = np.count_nonzero(np.abs(self.flipped) >= np.abs(self.observed) - self.allowance, axis=0)
        return [float(count + 1) / (len(self.flipped) + 1) for count in extreme]

    def intervals(self, confidence: float) -> list[Interval]:
        """Return the mean differences with percentile bootstrap intervals."""
        return percentile_intervals(self.observed, self.resampled, confidence)

    def take(self, columns: Sequence[int]) -> "PairedSamples":
        """Return some of the comparisons."""
        chosen = list(columns)
        return PairedSamples(self.observed[chosen], self.resampled[:, chosen], self.flipped[:, chosen], self.allowance[chosen])


def sample_paired(
    differences: npt.ArrayLike,
    rng: np.random.Generator,
    groups: Sequence[Any] | npt.NDArray[Any] | None = None,
    resamples: int = 10_000,
    flips: int = 10_000,
) -> PairedSamples:
    """Resample and flip the differences of one data set.

    Args:
        differences: (mentions, columns): each system's value minus the reference's, for each mention; larger values are better.
        rng: Source of resamples and signs; all columns share them.
        groups: One key per mention, as in ``measure``: whole groups are resampled and flipped.
        resamples: Bootstrap resamples.
        flips: Draws of signs.

    Raises:
        DataError: If there are no mentions, or not one key for each.
        SettingError: If resamples or flips are below 1.
    """
    if flips < 1:
        raise SettingError(f"the number of sign flips must be >= 1, got {flips}")
    sums, sizes = group_sums(differences, groups)
    total = sizes.sum()
    drawn = resample_sums(np.column_stack([sums, sizes]), resamples, rng)
    return PairedSamples(
        observed=sums.sum(axis=0) / total,
        resampled=drawn[:, :-1] / drawn[:, -1:],
        flipped=sign_flip_sums(sums, flips, rng) / total,
        allowance=1e-9 * np.abs(sums).sum(axis=0) / total,
    )


def pool_strata(strata: Sequence[PairedSamples]) -> PairedSamples:
    """Average data sets with equal weight, however many mentions each has; mentions are resampled and flipped within their data set.

    Args:
        strata: One per data set, with the same columns and as many resamples and flips; drawn independently of one another.

    Raises:
        DataError: If there are none, or they do not fit together.
    """
    shapes = {(part.resampled.shape, part.flipped.shape) for part in strata}
    if len(shapes) != 1:
        raise DataError(f"{len(strata)} data sets with samples of {len(shapes)} shapes; pool at least one, all of the same shape")
    return PairedSamples(*(np.mean([getattr(part, name) for part in strata], axis=0) for name in PairedSamples.__slots__))
