"""Neighbours of gold entities by what the records say, for rules that choose negatives without a model."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Int64
from scipy import sparse
from torch import Tensor

from pgmel.candidates.attributes import attribute_sets, description_words, name_ngrams
from pgmel.progress import progress_bar
from pgmel.records import Entity

__all__ = ["NEIGHBOUR_RULES", "Neighbours", "build_neighbours", "find_near_duplicates"]

CELLS = 1 << 22
"""Similarities held at once."""

NAME_SIMILARITY = 0.7
ATTRIBUTE_OVERLAP = 0.8
SHARED_ATTRIBUTES = 2
SAME_NAME = 0.9999

Similarities = Callable[[sparse.csr_matrix], np.ndarray]
"""Gives the similarities of some rows with all rows of a table."""


class Neighbours(NamedTuple):
    """Neighbours of some entities.

    Attributes:
        rows: (entities, size) KB rows, nearest first; 0 where the mask is False.
        mask: (entities, size) True where the place holds a neighbour.
    """

    rows: Int64[np.ndarray, "entities size"]
    mask: Bool[np.ndarray, "entities size"]


def _cosine(table: sparse.csr_matrix) -> Similarities:
    """Compare by dot products of unit rows."""
    columns = table.T.tocsr()  # a product with the transpose as it is would turn the whole table around for every few rows
    return lambda some: np.asarray((some @ columns).toarray())


def _jaccard(table: sparse.csr_matrix) -> Similarities:
    """Compare by the overlap of sets, intersection over union; 0 where both are empty."""
    count_shared, sizes = _cosine(table), np.asarray(table.sum(axis=1)).ravel()

    def compare(some: sparse.csr_matrix) -> np.ndarray:
        shared = count_shared(some)
        union = np.asarray(some.sum(axis=1)) + sizes - shared
        return np.asarray(shared / np.maximum(union, 1))

    return compare


NEIGHBOUR_RULES: dict[str, tuple[Callable[[Sequence[Entity]], sparse.csr_matrix], Callable[[sparse.csr_matrix], Similarities]]] = {
    "lexical": (name_ngrams, _cosine),
    "tfidf": (description_words, _cosine),
    "jaccard": (attribute_sets, _jaccard),
}
"""Rule to what is compared and how."""


def build_neighbours(
    rule: str,
    entities: Sequence[Entity],
    chosen: Int64[np.ndarray, "chosen"],
    size: int,
    groups: Int64[np.ndarray, "entities"],
    show_progress: bool = True,
) -> Neighbours:
    """List the entities that are most like each chosen one.

    An entity that has nothing in common is no neighbour. Of equally similar ones (sets of attributes often overlap equally) chance
    decides, by a fixed seed.

    Args:
        rule: Name in ``NEIGHBOUR_RULES``.
        entities: The KB.
        chosen: KB rows to find neighbours for.
        size: Length of the lists; fewer places are usable where there are fewer neighbours.
        groups: Number of each entity's duplicate group; an entity's whole group is left out.
        show_progress: Whether to show a bar.
    """
    describe, compare = NEIGHBOUR_RULES[rule]
    table = describe(entities)
    rows = np.zeros((len(chosen), size), np.int64)
    mask = np.zeros((len(chosen), size), bool)
    wanted = min(size, len(entities))
    dice = torch.Generator().manual_seed(0)
    with progress_bar(f"{rule} neighbours", len(chosen), unit="entities", show=show_progress) as bar:
        for part, found in _compare(table, chosen, groups, compare(table)):
            found += 1e-6 * torch.rand(found.shape, generator=dice) * (found > 0)
            best = found.topk(wanted, dim=1)
            usable = best.values > 0
            rows[part, :wanted] = torch.where(usable, best.indices, 0).numpy()
            mask[part, :wanted] = usable.numpy()
            bar.advance(len(found))
    return Neighbours(rows, mask)


def find_near_duplicates(
    entities: Sequence[Entity], chosen: Int64[np.ndarray, "chosen"], groups: Int64[np.ndarray, "entities"], show_progress: bool = True
) -> Int64[np.ndarray, "chosen width"]:
    """Find entities whose records say nearly the same: likely false negatives of one another.

    Two entities are near duplicates if their names are alike (cosine of character n-grams at least 0.7) and their attributes are nearly
    the same (Jaccard overlap at least 0.8, two in common); without any attributes, the names must have the same n-grams. A name
    alone does not do where there are attributes: entities that share a name are what linking has to learn to tell apart. Nor do
    attributes alone: hundreds of people are "male, politician". Nor do scores, of whatever model: what outranks the gold entity is for the
    most part a plain mistake of that model, and so the best negative there is.

    Args:
        entities: The KB.
        chosen: KB rows to find near duplicates of.
        groups: Number of each entity's duplicate group; full duplicates are known already and left out.
        show_progress: Whether to show a bar.

    Returns:
        KB rows, -1 for none; as wide as the longest row.
    """
    names, sets = name_ngrams(entities), attribute_sets(entities)
    sizes = np.asarray(sets.sum(axis=1)).ravel()
    found: list[list[int]] = [[] for _ in chosen]
    with progress_bar("near duplicates", len(chosen), unit="entities", show=show_progress) as bar:
        for part, similar in _compare(names, chosen, groups, _cosine(names)):
            near, others = (axis.numpy() for axis in torch.where(similar >= NAME_SIMILARITY))
            ours = chosen[part][near]
            shared = np.asarray(sets[ours].multiply(sets[others]).sum(axis=1)).ravel()
            union = sizes[ours] + sizes[others] - shared
            same_name = similar.numpy()[near, others] >= SAME_NAME
            overlap = (shared >= SHARED_ATTRIBUTES) & (shared >= ATTRIBUTE_OVERLAP * union)
            alike = np.where(union > 0, overlap, same_name)
            for place, other in zip(near[alike].tolist(), others[alike].tolist(), strict=True):
                found[part.start + place].append(other)
            bar.advance(len(similar))
    width = max(map(len, found), default=0)
    return np.array([row + [-1] * (width - len(row)) for row in found], np.int64).reshape(len(chosen), width)


def _compare(
    table: sparse.csr_matrix, chosen: Int64[np.ndarray, "chosen"], groups: Int64[np.ndarray, "entities"], compare: Similarities
) -> Iterator[tuple[slice, Tensor]]:
    """Yield similarities of the chosen rows with all rows, a part at a time; -1 within a row's own group."""
    step = max(1, CELLS // max(table.shape[0], 1))
    for start in range(0, len(chosen), step):
        part = slice(start, min(start + step, len(chosen)))
        similar = torch.from_numpy(compare(table[chosen[part]]))
        same = torch.from_numpy(groups[chosen[part]]).unsqueeze(1) == torch.from_numpy(groups).unsqueeze(0)
        yield part, similar.masked_fill_(same, -1.0)
