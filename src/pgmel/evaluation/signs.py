"""Flip signs at random: what differences of two systems look like if the systems are interchangeable."""

import numpy as np
import numpy.typing as npt

__all__ = ["sign_flip_sums"]

_MOST_SIGNS = 4_000_000
"""Signs held at once (32 MB)."""

Matrix = npt.NDArray[np.float64]


def sign_flip_sums(sums: Matrix, flips: int, rng: np.random.Generator) -> Matrix:
    """Give every group a sign, plus or minus with equal chance, and add the signed sums up; all columns get the same signs.

    Args:
        sums: (groups, columns): the sum of a group's differences, one column per comparison.
        flips: How often to draw signs, >= 1.
        rng: Source of the signs.

    Returns:
        (flips, columns).
    """
    at_once = max(1, _MOST_SIGNS // max(len(sums), 1))
    parts = []
    for start in range(0, flips, at_once):
        signs = rng.integers(0, 2, size=(min(at_once, flips - start), len(sums)), dtype=np.int8) * 2.0 - 1
        parts.append(signs @ sums)
    return np.concatenate(parts)
