"""Which mentions belong together: those of one sentence, and those of one picture."""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import Final

import numpy as np
from jaxtyping import Int64
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pgmel.records import Mention
from pgmel.workflows.material import Split

__all__ = ["PLACEHOLDER", "clusters_of", "number_clusters"]

PLACEHOLDER: Final = 50
"""A picture of fewer mentions than this is never taken for a placeholder."""


def clusters_of(split: Split, rows: Int64[np.ndarray, "some"]) -> list[int]:
    """Return the cluster of some mentions of a split, in the order of the rows; see ``number_clusters``."""
    return number_clusters([split.mentions[row] for row in rows])


def number_clusters(mentions: Sequence[Mention]) -> list[int]:
    """Number mentions by what they share: those that a chain of equal sentences and equal pictures joins have the same number.

    Whatever resamples mentions, or deals them out to the parts of cross-fitting, keeps a cluster whole: its mentions are read from the
    same words and pixels, so they are right and wrong together. A mention without sentence and picture is a cluster by itself. A picture
    of more than a tenth of the mentions, and more than ``PLACEHOLDER``, is taken for a placeholder, such as a logo, and joins none.

    Returns:
        One number per mention, from 0, by first appearance.
    """
    sentences = _numbers(("sentence", mention.context) if mention.context else ("mention", place) for place, mention in enumerate(mentions))
    often = Counter(mention.image for mention in mentions)
    common = max(PLACEHOLDER, len(mentions) // 10)
    pictures = _numbers(
        ("picture", mention.image) if mention.image and often[mention.image] <= common else ("mention", place)
        for place, mention in enumerate(mentions)
    )
    size = len(mentions)
    # A graph of sentences and pictures as its nodes; each mention is the edge between its own two.
    edges = coo_array((np.ones(size, np.int8), (sentences, size + pictures)), shape=(2 * size, 2 * size))
    _, component = connected_components(edges, directed=False)
    return [int(number) for number in _numbers(component[sentences].tolist())]


def _numbers(values: Iterable[Hashable]) -> Int64[np.ndarray, "values"]:
    """Number values by first appearance."""
    known: dict[Hashable, int] = {}
    return np.array([known.setdefault(value, len(known)) for value in values], np.int64)
