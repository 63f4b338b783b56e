"""Rank the gold entity of each mention, against the whole KB or against a candidate list, with ties told apart.

Three ranks per mention, all from 1: *optimistic* (the gold stands first among those that tie with it), *pessimistic* (last among them)
and *realistic*, the mean of the two. A system that gives everything the same score gets optimistic rank 1 and realistic rank
``(n + 1) / 2``: only the second tells the truth, so it is the headline. The candidate-list protocol as published uses the optimistic one.

Two scores count as tied when they differ by no more than ``tie_tolerance``. A tolerance of 0 would not do: a matrix product sums in
another order at the border of its blocks, so two equal vectors at different rows get scores that differ in the last bits of float32, and
whether a duplicate of the gold entity ties with it or beats it would be chance. Measured on unit vectors of length 128 to 4096, float32
scores lie up to 4e-7 off the exact ones; 1e-6 is above that noise (the gold's own score is summed in float64, so that the noise counts
once). Different entities that come so near by chance are rare: some one in 100,000 of those whose scores lie where most scores lie.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pgmel.errors import DataError, SettingError
from pgmel.evaluation.top import TopEntities, TopKeeper
from pgmel.progress import progress_bar
from pgmel.registry import look_up

__all__ = ["TIE_TOLERANCE", "Ranks", "candidate_recall", "rank_against_candidates", "rank_against_kb"]

TIE_TOLERANCE = 1e-6
"""Scores of unit vectors nearer to each other than this count as tied; the module's docstring says why."""

Floats = npt.NDArray[np.floating[Any]]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ranks:
    """Ranks of the gold entities, from 1.

    Args:
        optimistic: Float64 (mentions,): 1 + the number of entities scored higher.
        realistic: Float64 (mentions,): mean of optimistic and pessimistic.
        pessimistic: Float64 (mentions,): optimistic + the number of other entities that tie.
        gold_scores: Float32 (mentions,): score of the gold entity.
        top: The best entities of each mention, where they were asked for.
    """

    optimistic: npt.NDArray[np.float64]
    realistic: npt.NDArray[np.float64]
    pessimistic: npt.NDArray[np.float64]
    gold_scores: npt.NDArray[np.float32]
    top: TopEntities | None = None

    def __len__(self) -> int:
        return len(self.realistic)

    def of(self, ties: str) -> npt.NDArray[np.float64]:
        """Return the ranks under a rule for ties: ``optimistic``, ``realistic`` or ``pessimistic``."""
        return look_up({"optimistic": self.optimistic, "realistic": self.realistic, "pessimistic": self.pessimistic}, ties, "ties")

    def take(self, chosen: npt.NDArray[Any]) -> "Ranks":
        """Return the ranks of some mentions, given by a boolean mask or by positions."""
        top = None if self.top is None else TopEntities(self.top.rows[chosen], self.top.scores[chosen])
        return Ranks(self.optimistic[chosen], self.realistic[chosen], self.pessimistic[chosen], self.gold_scores[chosen], top)


def rank_against_kb(
    mention_vectors: Floats,
    entity_vectors: Floats,
    gold_rows: npt.ArrayLike,
    *,
    top_k: int = 0,
    tie_tolerance: float = TIE_TOLERANCE,
    chunk_mentions: int = 1024,
    chunk_entities: int = 4096,
    show_progress: bool = False,
) -> Ranks:
    """Rank each mention's gold entity among all entities of the KB, by dot product.

    The matrix of all scores never exists: chunks of ``chunk_mentions`` x ``chunk_entities`` float32 are scored, counted and dropped
    (16 MiB and a few copies at the defaults). Vectors may be float16 or memory-mapped; a chunk at a time is turned to float32.

    Args:
        mention_vectors: (mentions, dim); unit length, if the tolerance is to mean what it says.
        entity_vectors: (entities, dim), row = KB row.
        gold_rows: (mentions,) KB row of each mention's gold entity. Leave out mentions whose gold is NIL or not in the KB: ranks are
            not defined for them.
        top_k: Also return so many best entities per mention, found in the same pass; 0 for none.
        tie_tolerance: Scores that differ by no more count as tied, >= 0.
        chunk_mentions: Mentions scored at once.
        chunk_entities: Entities scored at once.
        show_progress: Show a bar.

    Raises:
        DataError: If shapes do not fit, a vector is not finite, or a gold row is not in the KB.
        SettingError: If a chunk is below 1, or ``top_k`` or the tolerance below 0.
    """
    _check_settings(tie_tolerance, top_k, chunk_mentions, chunk_entities)
    gold = _check_inputs(mention_vectors, entity_vectors, gold_rows)
    gold_scores = _score_gold(mention_vectors, entity_vectors, gold, chunk_mentions)
    counts = _TieCounts(gold_scores, tie_tolerance)
    top = TopKeeper(len(gold), min(top_k, len(entity_vectors)))
    with progress_bar("Ranking", len(gold) * len(entity_vectors), unit="scores", show=show_progress) as bar:
        for first_row, entities in _float_chunks(entity_vectors, chunk_entities, "entity"):
            for start in range(0, len(gold), chunk_mentions):
                mentions = slice(start, min(start + chunk_mentions, len(gold)))
                scores = np.asarray(mention_vectors[mentions], np.float32) @ entities.T
                # The gold's own score, computed apart, takes its place here too: else it could differ from itself in the last bits.
                local = gold[mentions] - first_row
                here = np.flatnonzero((local >= 0) & (local < len(entities)))
                scores[here, local[here]] = gold_scores[mentions][here]
                best = scores.max(axis=1)
                counts.add(mentions, scores, best)
                top.add(mentions, scores, best, first_row)
                bar.advance(scores.size)
    return counts.ranks(top.result() if top_k else None)


def rank_against_candidates(
    mention_vectors: Floats,
    entity_vectors: Floats,
    gold_rows: npt.ArrayLike,
    candidates: Sequence[npt.ArrayLike],
    *,
    tie_tolerance: float = TIE_TOLERANCE,
) -> Ranks:
    """Rank each mention's gold entity within its candidate list, by dot product.

    The gold entity is always scored too, as in the published protocol, whether its list holds it or not; ``candidate_recall`` says how
    often that helped. An entity listed twice counts once, and rows of -1 (ids the KB does not know) are left out.

    Args:
        mention_vectors: (mentions, dim).
        entity_vectors: (entities, dim), row = KB row.
        gold_rows: (mentions,) KB row of each gold entity.
        candidates: For each mention the KB rows of its candidates, in any order; may be empty.
        tie_tolerance: Scores that differ by no more count as tied, >= 0.

    Raises:
        DataError: If shapes do not fit, a vector is not finite, or a row is not in the KB.
        SettingError: If the tolerance is below 0.
    """
    _check_settings(tie_tolerance)
    gold = _check_inputs(mention_vectors, entity_vectors, gold_rows)
    if len(candidates) != len(gold):
        raise DataError(f"{len(gold)} mentions but {len(candidates)} candidate lists; give one list per mention")
    gold_scores = _score_gold(mention_vectors, entity_vectors, gold, chunk=1024)
    higher, tied = np.zeros(len(gold), np.int64), np.ones(len(gold), np.int64)
    for position, listed in enumerate(candidates):
        rows = np.unique(np.asarray(listed, dtype=np.int64))
        rows = rows[(rows != -1) & (rows != gold[position])]
        if rows.size and (rows[0] < 0 or rows[-1] >= len(entity_vectors)):
            raise DataError(
                f"candidate row {int(rows[0] if rows[0] < 0 else rows[-1])} is not in the KB of {len(entity_vectors):,}",
                place=f"mention {position}",
            )
        vectors = np.asarray(entity_vectors[rows], np.float32)
        _check_finite(vectors, "entity", rows)
        gap = vectors @ np.asarray(mention_vectors[position], np.float32) - gold_scores[position]
        higher[position] += np.count_nonzero(gap > tie_tolerance)
        tied[position] += np.count_nonzero(np.abs(gap) <= tie_tolerance)
    return _to_ranks(higher, higher + tied, gold_scores)


def candidate_recall(gold_rows: npt.ArrayLike, candidates: Sequence[npt.ArrayLike]) -> float:
    """Return the share of mentions whose candidate list holds the gold entity: the most that a real linker could reach on these lists.

    Raises:
        DataError: If there are no mentions, or not one list for each.
    """
    gold = np.asarray(gold_rows, dtype=np.int64)
    if len(gold) == 0 or len(gold) != len(candidates):
        raise DataError(f"{len(gold)} mentions and {len(candidates)} candidate lists; give at least one mention, and one list for each")
    return float(np.mean([row in np.asarray(listed) for row, listed in zip(gold, candidates, strict=True)]))


class _TieCounts:
    """Counts, per mention, the entities scored above the gold and those at least tied with it."""

    def __init__(self, gold_scores: npt.NDArray[np.float32], tolerance: float) -> None:
        self.gold_scores = gold_scores
        self.above = (gold_scores + tolerance).astype(np.float32)
        self.level = (gold_scores - tolerance).astype(np.float32)
        self.higher = np.zeros(len(gold_scores), np.int64)
        self.not_lower = np.zeros(len(gold_scores), np.int64)

    def add(self, mentions: slice, scores: npt.NDArray[np.float32], best: npt.NDArray[np.float32]) -> None:
        """Count a chunk; most of its rows hold nothing as good as the gold, and their maximum says so at a third of the price."""
        rows = np.flatnonzero(best >= self.level[mentions])
        if rows.size == 0:
            return
        part = scores if rows.size == len(scores) else scores[rows]
        places = mentions.start + rows
        self.higher[places] += np.count_nonzero(part > self.above[places, None], axis=1)
        self.not_lower[places] += np.count_nonzero(part >= self.level[places, None], axis=1)

    def ranks(self, top: TopEntities | None) -> Ranks:
        return _to_ranks(self.higher, self.not_lower, self.gold_scores, top)


def _to_ranks(higher: Rows, not_lower: Rows, gold_scores: npt.NDArray[np.float32], top: TopEntities | None = None) -> Ranks:
    optimistic, pessimistic = (1 + higher).astype(np.float64), not_lower.astype(np.float64)  # the gold is among those not lower: no + 1
    return Ranks(optimistic, (optimistic + pessimistic) / 2, pessimistic, gold_scores, top)


def _score_gold(mentions: Floats, entities: Floats, gold: Rows, chunk: int) -> npt.NDArray[np.float32]:
    scores = np.empty(len(gold), np.float32)
    for start, part in _float_chunks(mentions, chunk, "mention"):
        own = np.asarray(entities[gold[start : start + len(part)]], np.float32)
        scores[start : start + len(part)] = np.einsum("ij,ij->i", part, own, dtype=np.float64)
    return scores


def _float_chunks(vectors: Floats, chunk: int, side: str) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
    for start in range(0, len(vectors), chunk):
        part = np.asarray(vectors[start : start + chunk], np.float32)
        _check_finite(part, side, np.arange(start, start + len(part)))
        yield start, part


def _check_finite(vectors: npt.NDArray[np.float32], side: str, rows: npt.NDArray[Any]) -> None:
    # NaN is never higher than the gold, so it would pass for a perfect rank.
    if not np.isfinite(vectors).all():
        bad = int(rows[int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])])
        raise DataError(
            f"the {side} vectors hold NaN or infinity, first in row {bad}", fix="Training may have diverged: lower training.learning_rate"
        )


def _check_settings(tie_tolerance: float, top_k: int = 0, *chunks: int) -> None:
    if not tie_tolerance >= 0:
        raise SettingError(f"tie_tolerance must be >= 0, got {tie_tolerance}")
    if top_k < 0:
        raise SettingError(f"top_k must be >= 0, got {top_k}")
    if any(chunk < 1 for chunk in chunks):
        raise SettingError(f"chunk_mentions and chunk_entities must be >= 1, got {' and '.join(map(str, chunks))}")


def _check_inputs(mention_vectors: Floats, entity_vectors: Floats, gold_rows: npt.ArrayLike) -> Rows:
    if mention_vectors.ndim != 2 or entity_vectors.ndim != 2 or mention_vectors.shape[1] != entity_vectors.shape[1]:
        raise DataError(
            f"mention vectors {mention_vectors.shape} and entity vectors {entity_vectors.shape} must be two matrices with equally long rows"
        )
    given = np.asarray(gold_rows)
    if given.shape != (len(mention_vectors),) or (given.size and not np.issubdtype(given.dtype, np.integer)):
        raise DataError(
            f"gold_rows must be one whole number for each of the {len(mention_vectors)} mentions, got {given.dtype} of shape {given.shape}"
        )
    gold: Rows = given.astype(np.int64)
    outside = np.flatnonzero((gold < 0) | (gold >= len(entity_vectors)))
    if outside.size:
        first = int(outside[0])
        raise DataError(
            f"{outside.size} gold rows are not in the KB of {len(entity_vectors):,} entities, first {int(gold[first])}",
            place=f"mention {first}",
            fix="Leave out mentions whose gold is NIL or missing from the KB before ranking, and report how many they are",
        )
    return gold
