"""Compressed search: inverted lists of product-quantised vectors in FAISS, whose finds are scored again from the stored vectors."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from pgmel.index.exact import longest_vector, search_exact
from pgmel.index.ranking import rank_pairs

__all__ = ["MIN_ROWS", "build_compressed", "search_compressed"]

MIN_ROWS = 1024
"""Below so many rows there is nothing to compress; search stays exact."""

_MOST_SUB_DIM = 8  # dimensions per 4-bit code: 512 dimensions become 32 bytes
_WANTED_CODES = 32
_LEAST_CANDIDATES = 64
_TRAINING_ROWS_PER_LIST = 64
_ROWS_AT_ONCE = 65_536
_QUERIES_AT_ONCE = 256


def build_compressed(vectors: npt.NDArray[np.floating], rng: np.random.Generator) -> Any:
    """Train and fill a FAISS index over vectors.

    Args:
        vectors: (rows, dim); read in parts, so that it may lie on disk.
        rng: Draws the rows it is trained on.

    Returns:
        A ``faiss.IndexIVFPQFastScan`` for inner products.
    """
    import faiss

    rows, dim = vectors.shape
    sub_dim = max(2, min(_MOST_SUB_DIM, dim // _WANTED_CODES))
    padded = math.ceil(dim / sub_dim) * sub_dim
    lists = max(1, min(round(4 * math.sqrt(rows)), rows // _TRAINING_ROWS_PER_LIST))
    index: Any = faiss.index_factory(padded, f"IVF{lists},PQ{padded // sub_dim}x4fs", faiss.METRIC_INNER_PRODUCT)
    index.cp.seed = index.pq.cp.seed = int(rng.integers(1 << 31))
    sample = np.sort(rng.choice(rows, size=min(rows, lists * _TRAINING_ROWS_PER_LIST), replace=False))
    index.train(_padded(vectors[sample], padded))
    for start in range(0, rows, _ROWS_AT_ONCE):
        index.add(_padded(vectors[start : start + _ROWS_AT_ONCE], padded))
    return index


def search_compressed(
    index: Any, queries: npt.NDArray[np.float32], vectors: npt.NDArray[np.floating], k: int, nprobe: int, refine: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Find k vectors with nearly the largest dot products; the scores returned are exact.

    Args:
        index: From ``build_compressed``.
        queries: (queries, dim).
        vectors: (rows, dim), the same rows uncompressed; only those found are read.
        k: Rows wanted for each query, at most the number of vectors. A query whose lists hold fewer is compared with every vector.
        nprobe: Lists looked into.
        refine: Candidates scored exactly for each row wanted.

    Returns:
        Scores and rows, both (queries, k), best first, equal scores by row.
    """
    scores = np.empty((len(queries), k), dtype=np.float32)
    rows = np.empty((len(queries), k), dtype=np.int64)
    wanted = min(max(k * refine, _LEAST_CANDIDATES), len(vectors))
    for start in range(0, len(queries), _QUERIES_AT_ONCE):
        part = slice(start, start + _QUERIES_AT_ONCE)
        found = _candidates(index, queries[part], wanted, nprobe)
        number, column = np.nonzero(found >= 0)
        scores[part], rows[part] = rank_pairs(queries[part], vectors, (number, found[number, column]), k)
    short = np.flatnonzero(rows[:, -1] < 0)
    if len(short):
        scores[short], rows[short] = search_exact(queries[short], vectors, k, longest_vector(vectors))
    return scores, rows


def _candidates(index: Any, queries: npt.NDArray[np.float32], wanted: int, nprobe: int) -> npt.NDArray[np.int64]:
    import faiss

    parameters = faiss.SearchParametersIVF(nprobe=min(nprobe, index.nlist))  # type: ignore[call-arg] # set by name at run time
    found: npt.NDArray[np.int64] = index.search(_padded(queries, index.d), wanted, params=parameters)[1]
    return found


def _padded(vectors: npt.NDArray[np.floating], dim: int) -> npt.NDArray[np.float32]:
    result = np.zeros((len(vectors), dim), dtype=np.float32)
    result[:, : vectors.shape[1]] = vectors
    return result
