"""Correct p-values for the number of comparisons they were picked from."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pgmel.errors import DataError

__all__ = ["holm"]


def holm(p_values: Sequence[float] | npt.NDArray[np.float64]) -> list[float]:
    """Return p-values adjusted by Holm's step-down method.

    The smallest of ``m`` p-values is multiplied by ``m``, the next by ``m - 1``, and so on; an adjusted value is never below that of a
    smaller p-value, nor above 1. Calling "different" whatever has an adjusted value below 0.05 calls a single equal pair of the family
    different with a chance of at most 5 %, however the comparisons depend on one another.

    Args:
        p_values: One per comparison of the family, each 0 to 1.

    Returns:
        The adjusted values, in the same order.

    Raises:
        DataError: If a value is not between 0 and 1.

    Source: Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6 (1979).
    """
    values = np.asarray(p_values, np.float64)
    if values.size and not ((values >= 0) & (values <= 1)).all():  # NaN is caught too
        raise DataError(f"p-values must lie between 0 and 1, got {values.tolist()}")
    order = np.argsort(values, kind="stable")
    scaled = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return [float(value) for value in adjusted]
