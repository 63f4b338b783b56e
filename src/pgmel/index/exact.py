"""Exact search: every vector is compared with the query, block by block."""

import numpy as np
import numpy.typing as npt

from pgmel.index.ranking import Pairs, position_in_group, rank_pairs

__all__ = ["longest_vector", "search_exact"]

_BLOCK = 8192
_QUERIES_AT_ONCE = 256


def search_exact(
    queries: npt.NDArray[np.float32], vectors: npt.NDArray[np.floating], k: int, longest: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Find the k vectors with the largest dot products.

    Args:
        queries: (queries, dim).
        vectors: (rows, dim); fastest in float32.
        k: Rows wanted for each query, at most the number of vectors.
        longest: Length of the longest vector; see ``longest_vector``.

    Returns:
        Scores and rows, both (queries, k), best first, equal scores by row.
    """
    scores = np.empty((len(queries), k), dtype=np.float32)
    rows = np.empty((len(queries), k), dtype=np.int64)
    for start in range(0, len(queries), _QUERIES_AT_ONCE):
        part = slice(start, start + _QUERIES_AT_ONCE)
        pairs = _survivors(queries[part], vectors, k, longest)
        scores[part], rows[part] = rank_pairs(queries[part], vectors, pairs, k)
    return scores, rows


def _survivors(queries: npt.NDArray[np.float32], vectors: npt.NDArray[np.floating], k: int, longest: float) -> Pairs:
    # Rounding of a float32 dot product is below dim * 2^-24 * |q| * |v|; a row that close below the k-th best may really be among the best.
    slack = 2 * vectors.shape[1] * 2.0**-24 * longest * np.linalg.norm(queries, axis=1).astype(np.float32)
    floor = np.full(len(queries), -np.inf, dtype=np.float32)
    number, row, score = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)
    block = max(_BLOCK, k)
    for start in range(0, len(vectors), block):
        found = queries @ vectors[start : start + block].T.astype(np.float32, copy=False)
        if start == 0:
            floor = np.partition(found, found.shape[1] - k, axis=1)[:, found.shape[1] - k] - slack
        new_number, new_column = np.divmod(np.flatnonzero(found >= floor[:, None]), found.shape[1])  # far faster than nonzero in two axes
        number = np.concatenate([number, new_number])
        row = np.concatenate([row, new_column + start])
        score = np.concatenate([score, found[new_number, new_column]])
        if len(number) > 4 * k * len(queries):
            order = np.lexsort((-score, number))
            number, row, score = number[order], row[order], score[order]
            floor = score[position_in_group(number) == k - 1] - slack
            kept = score >= floor[number]
            number, row, score = number[kept], row[kept], score[kept]
    return number, row


def longest_vector(vectors: npt.NDArray[np.floating]) -> float:
    """Return the length of the longest vector, 0 if there is none."""
    parts = (vectors[start : start + _BLOCK].astype(np.float32, copy=False) for start in range(0, len(vectors), _BLOCK))
    return max((float(np.linalg.norm(part, axis=1).max()) for part in parts), default=0.0)
