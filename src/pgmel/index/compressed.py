"""Compressed search: inverted lists of product-quantised vectors in FAISS, whose finds are scored again from the stored vectors."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from pgmel.index.exact import longest_vector, search_exact
from pgmel.index.ranking import rank_pairs

__all__ = ["MIN_ROWS", "build_compressed", "change_compressed", "search_compressed"]

MIN_ROWS = 1024
"""Below so many rows there is nothing to compress; search stays exact."""

_MOST_SUB_DIM = 8  # dimensions per 4-bit code: 512 dimensions become 32 bytes
_WANTED_CODES = 32
_LEAST_CANDIDATES = 64
_TRAINING_ROWS_PER_LIST = 64
_ROWS_AT_ONCE = 65_536
_QUERIES_AT_ONCE = 256


def build_compressed(vectors: npt.NDArray[np.floating], rng: np.random.Generator, live: npt.NDArray[np.int64] | None = None) -> Any:
    """Train and fill a FAISS index over vectors.

    Args:
        vectors: (rows, dim); read in parts, so that it may lie on disk.
        rng: Draws the rows it is trained on.
        live: The rows to index, in rising order; None for all.

    Returns:
        A ``faiss.IndexIVFPQFastScan`` for inner products.
    """
    import faiss

    rows, dim = len(vectors) if live is None else len(live), vectors.shape[1]
    sub_dim = max(2, min(_MOST_SUB_DIM, dim // _WANTED_CODES))
    padded = math.ceil(dim / sub_dim) * sub_dim
    lists = max(1, min(round(4 * math.sqrt(rows)), rows // _TRAINING_ROWS_PER_LIST))
    index: Any = faiss.index_factory(padded, f"IVF{lists},PQ{padded // sub_dim}x4fs", faiss.METRIC_INNER_PRODUCT)
    index.cp.seed = index.pq.cp.seed = int(rng.integers(1 << 31))
    sample = np.sort(rng.choice(rows, size=min(rows, lists * _TRAINING_ROWS_PER_LIST), replace=False))
    index.train(_padded(vectors[sample if live is None else live[sample]], padded))
    for start in range(0, rows, _ROWS_AT_ONCE):
        part = np.arange(start, min(start + _ROWS_AT_ONCE, rows)) if live is None else live[start : start + _ROWS_AT_ONCE]
        index.add_with_ids(_padded(vectors[part], padded), part)
    return index


def change_compressed(index: Any, gone: npt.NDArray[np.int64], rows: npt.NDArray[np.int64], vectors: npt.NDArray[np.floating]) -> Any:
    """Return a copy of an index in which some rows are gone and others are new; it is not trained again.

    Args:
        index: From ``build_compressed``; stays as it is.
        gone: Rows to forget; those that it does not hold are no fault.
        rows: Rows to add, not among those it holds after that.
        vectors: (rows, dim), theirs.
    """
    import faiss

    changed = faiss.clone_index(index)
    if len(gone):
        changed.remove_ids(np.ascontiguousarray(gone, dtype=np.int64))  # type: ignore[arg-type] # an array, too, at run time
        _clear_free_places(changed)
    if len(rows):
        changed.add_with_ids(_padded(vectors, changed.d), np.ascontiguousarray(rows, dtype=np.int64))
    return changed


def search_compressed(
    index: Any,
    queries: npt.NDArray[np.float32],
    vectors: npt.NDArray[np.floating],
    k: int,
    nprobe: int,
    refine: int,
    live: npt.NDArray[np.int64] | None = None,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Find k vectors with nearly the largest dot products; the scores returned are exact.

    Args:
        index: From ``build_compressed``.
        queries: (queries, dim).
        vectors: (rows, dim), the same rows uncompressed; only those found are read.
        k: Rows wanted for each query, at most the number of vectors. A query whose lists hold fewer is compared with every vector.
        nprobe: Lists looked into.
        refine: Candidates scored exactly for each row wanted.
        live: The rows that the index holds, in rising order; None for all.

    Returns:
        Scores and rows, both (queries, k), best first, equal scores by row.
    """
    scores = np.empty((len(queries), k), dtype=np.float32)
    rows = np.empty((len(queries), k), dtype=np.int64)
    wanted = min(max(k * refine, _LEAST_CANDIDATES), len(vectors) if live is None else len(live))
    for start in range(0, len(queries), _QUERIES_AT_ONCE):
        part = slice(start, start + _QUERIES_AT_ONCE)
        found = _candidates(index, queries[part], wanted, nprobe)
        number, column = np.nonzero(found >= 0)
        scores[part], rows[part] = rank_pairs(queries[part], vectors, (number, found[number, column]), k)
    short = np.flatnonzero(rows[:, -1] < 0)
    if len(short):
        whole = vectors if live is None else vectors[live]
        scores[short], found = search_exact(queries[short], whole, k, longest_vector(whole))
        rows[short] = found if live is None else live[found]
    return scores, rows


def _clear_free_places(index: Any) -> None:
    """Zero what removed vectors left behind the end of each list: FAISS adds a code to what stands there, bit by bit, and spoils it."""
    import faiss

    lists: Any = faiss.downcast_InvertedLists(index.invlists)
    zero = np.zeros(lists.packer.code_size, dtype=np.uint8)
    for number in range(lists.nlist):
        block, place = divmod(lists.list_size(number), lists.n_per_block)
        if place:
            codes = faiss.rev_swig_ptr(lists.get_codes(number), (block + 1) * lists.block_size).reshape(-1, lists.block_size)
            for free in range(place, lists.n_per_block):
                lists.packer.pack_1(zero, block * lists.n_per_block + free, codes)


def _candidates(index: Any, queries: npt.NDArray[np.float32], wanted: int, nprobe: int) -> npt.NDArray[np.int64]:
    import faiss

    parameters = faiss.SearchParametersIVF(nprobe=min(nprobe, index.nlist))  # type: ignore[call-arg] # set by name at run time
    found: npt.NDArray[np.int64] = index.search(_padded(queries, index.d), wanted, params=parameters)[1]
    return found


def _padded(vectors: npt.NDArray[np.floating], dim: int) -> npt.NDArray[np.float32]:
    result = np.zeros((len(vectors), dim), dtype=np.float32)
    result[:, : vectors.shape[1]] = vectors
    return result
