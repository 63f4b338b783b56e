"""Find sentences that are nearly the same among many, without comparing all pairs in full."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pgmel.progress import progress_bar

__all__ = ["NEAR_SENTENCE", "near_sentences"]

NEAR_SENTENCE: Final = 0.9
"""Least similarity of two sentences that count as nearly the same."""

NUM_NEIGHBOURS: Final = 20
"""Neighbours that are returned of a sentence; in data made from a template there may be thousands."""

_SHARE = 0.5
_BATCH = 256
_PAIRS = 1 << 16
_ROUNDING = 1e-5


def near_sentences(
    ours: Sequence[str], theirs: Sequence[str], least: float = NEAR_SENTENCE, show_progress: bool = True
) -> dict[int, list[tuple[int, float]]]:
    """Return for each of our sentences the positions and similarities of theirs that are nearly the same, nearest first, 20 at most.

    Similarity is the cosine of TF-IDF vectors of character 4-grams within words, 0 to 1: words in another order are no difference, rare
    words weigh most. None is missed: a sentence's rarest 4-grams with half of its squared length find the candidates, as the
    other half, of length 0.71, can add no more than that to a cosine; only what may still reach ``least`` is compared in full.

    Args:
        ours: Sentences, normalised.
        theirs: Sentences to compare with, normalised.
        least: Least similarity, above 0.71.
        show_progress: Whether to show a bar.
    """
    if not ours or not theirs:
        return {}
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(4, 4), dtype=np.float32).fit_transform([*theirs, *ours]).tocsr()
    table, queries = vectors[: len(theirs)], vectors[len(theirs) :]
    rare, rest = _rarest_part(queries, np.bincount(vectors.indices, minlength=vectors.shape[1]))
    columns = table.T.tocsr()
    found: dict[int, list[tuple[int, float]]] = {}
    with progress_bar("Comparing sentences", len(ours), unit="sentences", show=show_progress) as bar:
        for start in range(0, len(ours), _BATCH):
            partial = (rare[start : start + _BATCH] @ columns).tocoo()
            rows = partial.row + start
            hopeful = partial.data >= least - rest[rows] - _ROUNDING
            rows, others = rows[hopeful], partial.col[hopeful]
            cosines = _cosines(queries, table, rows, others)
            nearest = np.lexsort((others, -cosines, rows))
            for place in nearest[(cosines >= least)[nearest]]:
                near = found.setdefault(int(rows[place]), [])
                if len(near) < NUM_NEIGHBOURS:
                    near.append((int(others[place]), float(cosines[place])))
            bar.advance(partial.shape[0])
    return found


def _rarest_part(vectors: Any, frequency: NDArray[np.int64]) -> tuple[Any, NDArray[np.float32]]:
    """Return each row's rarest features, up to half of its squared length, and the length of what is left out of it."""
    from scipy import sparse

    rows = np.repeat(np.arange(vectors.shape[0]), np.diff(vectors.indptr))
    order = np.lexsort((frequency[vectors.indices], rows))
    squares = vectors.data[order].astype(np.float64) ** 2
    before = np.cumsum(squares) - squares
    starts = before[np.minimum(vectors.indptr[:-1], max(len(before) - 1, 0))] if len(before) else np.zeros(vectors.shape[0])
    kept = before - starts[rows] < _SHARE  # rows stay in their order, so that they are those of the sorted features too
    mass = np.bincount(rows[kept], weights=squares[kept], minlength=vectors.shape[0])
    part = sparse.csr_matrix((vectors.data[order][kept], (rows[kept], vectors.indices[order][kept])), shape=vectors.shape)
    return part, np.sqrt(np.maximum(1 - mass, 0)).astype(np.float32)


def _cosines(queries: Any, table: Any, rows: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.float64]:
    cosines = np.zeros(len(rows))
    for start in range(0, len(rows), _PAIRS):
        part = slice(start, start + _PAIRS)
        cosines[part] = np.asarray(queries[rows[part]].multiply(table[others[part]]).sum(axis=1)).ravel()
    return cosines
