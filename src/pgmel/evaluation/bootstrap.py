"""Resample mentions with replacement, singly or in groups, to say how far a mean could lie from its value on other data.

Mentions of one sentence or one picture tend to be right or wrong together; drawing them singly would make intervals too narrow. Where
groups are given (one key per mention, equal for those that share something), whole groups are drawn, and a resample's mean is the sum
over its mentions divided by their number, which then varies.

Intervals are percentile intervals. They need some thirty groups to mean much, and they have no width where all values are equal: 20
hits in 20 mentions give 1.000 to 1.000, although no-one would bet on it. Read them beside the number of mentions.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pgmel.errors import DataError, SettingError

__all__ = ["Interval", "draw_counts", "group_sums", "percentile_intervals", "resample_sums"]

_MOST_DRAWS = 4_000_000
"""Draws held at once (32 MB of integers)."""

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A value and the interval around it; ``low`` and ``high`` are None where there is no interval to give."""

    value: float
    low: float | None = None
    high: float | None = None

    def format(self, digits: int = 3) -> str:
        """Return ``0.885 [0.871, 0.898]``, or the value alone."""
        if self.low is None or self.high is None:
            return f"{self.value:,.{digits}f}"
        return f"{self.value:,.{digits}f} [{self.low:,.{digits}f}, {self.high:,.{digits}f}]"


def group_sums(values: npt.ArrayLike, groups: Sequence[Any] | npt.NDArray[Any] | None) -> tuple[Matrix, Matrix]:
    """Add up the values of each group.

    Args:
        values: (mentions, columns).
        groups: One key per mention, or None if each mention is a group of its own.

    Returns:
        Sums (groups, columns) and the number of mentions of each group (groups,).

    Raises:
        DataError: If there are no mentions, or not one key for each.
    """
    matrix = np.asarray(values, np.float64)
    if len(matrix) == 0:
        raise DataError(
            "there are no mentions to measure", fix="Check the split, and how many mentions were left out as NIL or missing from the KB"
        )
    if groups is None:
        return matrix, np.ones(len(matrix))
    if len(groups) != len(matrix):
        raise DataError(f"{len(matrix)} mentions but {len(groups)} group keys; give one key per mention")
    positions: dict[Any, int] = {}  # not np.unique: keys may be any mixture of strings, numbers and tuples
    member = np.fromiter((positions.setdefault(key, len(positions)) for key in groups), np.int64, len(matrix))
    sums = np.stack([np.bincount(member, weights=column, minlength=len(positions)) for column in matrix.T], axis=1)
    return sums.astype(np.float64), np.bincount(member, minlength=len(positions)).astype(np.float64)


def resample_sums(sums: Matrix, resamples: int, rng: np.random.Generator) -> Matrix:
    """Draw as many groups as there are, with replacement, and add up their sums.

    Args:
        sums: (groups, columns).
        resamples: How often to draw, >= 1.
        rng: Source of the draws.

    Returns:
        (resamples, columns).
    """
    if resamples < 1:
        raise SettingError(f"the number of bootstrap resamples must be >= 1, got {resamples}")
    return np.concatenate([weights @ sums for weights in draw_counts(len(sums), resamples, rng)])


def percentile_intervals(values: npt.ArrayLike, resampled: Matrix, confidence: float) -> list[Interval]:
    """Put the central ``confidence`` share of the resampled values around each value.

    Args:
        values: (columns,).
        resampled: (resamples, columns); NaN where a resample leaves a value undefined (such resamples are passed over).
        confidence: Share of the resamples inside the interval, between 0 and 1.

    Raises:
        SettingError: If the confidence is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise SettingError(f"confidence must be between 0 and 1, got {confidence}")
    tail = (1 - confidence) / 2
    intervals = []
    for value, column in zip(np.asarray(values, np.float64), resampled.T, strict=True):
        defined = column[~np.isnan(column)]
        if defined.size == 0:
            intervals.append(Interval(float(value)))
            continue
        low, high = np.quantile(defined, [tail, 1 - tail])
        intervals.append(Interval(float(value), float(low), float(high)))
    return intervals


def draw_counts(num_groups: int, resamples: int, rng: np.random.Generator) -> Iterator[Matrix]:
    """Draw as many groups as there are, with replacement; yield (some resamples, groups): how often each was drawn."""
    at_once = max(1, _MOST_DRAWS // num_groups)
    for start in range(0, resamples, at_once):
        count = min(at_once, resamples - start)
        drawn = rng.integers(0, num_groups, size=(count, num_groups))
        drawn += np.arange(count)[:, None] * num_groups  # one flat count for all resamples of the batch
        yield np.bincount(drawn.ravel(), minlength=count * num_groups).reshape(count, num_groups).astype(np.float64)
