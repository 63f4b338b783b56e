"""Fuse what search by vectors and search by name found: one list of candidates for each mention."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pgmel.candidates.table import CandidateTable

__all__ = ["CANDIDATE_SOURCES", "fuse"]

CANDIDATE_SOURCES: Final = {
    "dense": "search by vectors",
    "lexical": "search by name",
    "fused": "both, those of the vectors first in line",
}
"""Where candidates come from: name to description."""

_DENSE_OFFSET: Final = 10.0
_LEXICAL_OFFSET: Final = 2.0
_LEXICAL_WEIGHT: Final = 0.1


def fuse(
    dense: tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]],
    lexical: tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]],
    k: int,
    sure: int = 0,
    named: int = 0,
) -> CandidateTable:
    """Choose k candidates for each mention, by reciprocal ranks.

    The n-th candidate of the vectors, counted from 0, has the priority ``1 / (10 + n)``, the n-th by name ``0.1 * score / (2 + n)``, and
    one that both found the sum: what is far down by vectors makes room for what is far up by name, the sooner the more alike the names
    are. Of 100 candidates nine at most are there by name alone, of 30 two, of 10 none. The constants were chosen on dev splits, as written
    and misspelt, so that as written none of them loses recall.

    Args:
        dense: Scores and rows found by vectors, both (mentions, any), best first, -1 for no row.
        lexical: Scores (0 to 1) and rows found by name, both (mentions, any), best first, -1 for no row.
        k: Candidates of each mention.
        sure: So many of the first by vectors are among them in any case.
        named: So many of the first by name are among them in any case, if k leaves room for them.

    Returns:
        Candidates, the highest priority first (not yet in the order of the table's promise). The dense score of a row that only search by
        name found is -inf, to be filled in.

    Source: reciprocal rank fusion, Cormack et al., SIGIR 2009. Differs: the offsets, 60 there, and the weight of the second list.
    """
    (dense_scores, dense_rows), (lexical_scores, lexical_rows) = dense, lexical
    first = np.broadcast_to(1 / (_DENSE_OFFSET + np.arange(dense_rows.shape[1])), dense_rows.shape).copy()
    first[:, :sure] += 1.0
    second = _LEXICAL_WEIGHT * lexical_scores.astype(np.float64) / (_LEXICAL_OFFSET + np.arange(lexical_rows.shape[1]))
    second[:, :named] += 1.0
    rows = np.concatenate([dense_rows, lexical_rows], axis=1)
    near = np.concatenate([dense_scores, np.full_like(lexical_scores, -np.inf)], axis=1)
    alike = np.concatenate([np.zeros_like(dense_scores), lexical_scores], axis=1)
    priority = np.concatenate([first, second], axis=1)

    by_row = np.argsort(rows, axis=1, kind="stable")  # a row that both found stands twice in succession, the dense one first
    rows, near, alike, priority = (np.take_along_axis(values, by_row, axis=1) for values in (rows, near, alike, priority))
    mention, place = np.nonzero((rows[:, 1:] == rows[:, :-1]) & (rows[:, 1:] >= 0))
    alike[mention, place] = alike[mention, place + 1]
    priority[mention, place] += priority[mention, place + 1]
    rows[mention, place + 1] = -1
    priority[rows < 0] = -1.0
    best = np.argsort(-priority, axis=1, kind="stable")[:, :k]  # equal ones stay in the order of rows
    rows, near, alike = (_widened(np.take_along_axis(values, best, axis=1), k) for values in (rows, near, alike))
    near[rows < 0], alike[rows < 0] = -np.inf, 0
    return CandidateTable(rows, near, alike)


def _widened(values: npt.NDArray[Any], width: int) -> npt.NDArray[Any]:
    return np.pad(values, ((0, 0), (0, width - values.shape[1])), constant_values=-1)
