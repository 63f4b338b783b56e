"""The second stage at work on the mentions of a split: candidates, and ranks against the whole KB, after ranking again."""

from collections.abc import Sequence
from typing import final

import numpy as np
from jaxtyping import Float32, Int64

from pgmel.evaluation import TIE_TOLERANCE, Ranks
from pgmel.linking.reranking import MentionFacts, Reranker, Rescorer
from pgmel.records import Entity, Mention

__all__ = ["SecondStage"]


@final
class SecondStage:
    """A re-ranker, bound to some mentions and to the entities of a KB.

    Args:
        rescorer: The re-ranker on the KB.
        mentions: The mentions, cut up.
    """

    def __init__(self, rescorer: Rescorer, mentions: Sequence[MentionFacts]) -> None:
        self._rescorer = rescorer
        self._mentions = mentions

    @classmethod
    def bind(cls, reranker: Reranker, mentions: Sequence[Mention], entities: Sequence[Entity]) -> "SecondStage":
        """Bind a re-ranker to mentions and to the entities of a KB, in the order of its rows."""
        rescorer = Rescorer(reranker, lambda rows: [entities[row] for row in rows])
        return cls(rescorer, [MentionFacts.of(mention) for mention in mentions])

    @property
    def depth(self) -> int:
        """Candidates of a mention that are ranked again."""
        return self._rescorer.depth

    def take(self, chosen: Int64[np.ndarray, "chosen"]) -> "SecondStage":
        """Return the same for some of the mentions."""
        return SecondStage(self._rescorer, [self._mentions[place] for place in chosen.tolist()])

    def reorder(
        self, scores: Float32[np.ndarray, "mentions top"], rows: Int64[np.ndarray, "mentions top"]
    ) -> tuple[Float32[np.ndarray, "mentions top"], Int64[np.ndarray, "mentions top"]]:
        """Return new scores, best first, and KB rows.

        Args:
            scores: By the single vector, best first; at least ``depth`` of them, where the KB has as many.
            rows: Their KB rows.
        """
        return self._rescorer.reorder(self._mentions, scores, rows)

    def rerank(
        self,
        ranks: Ranks,
        scores: Float32[np.ndarray, "mentions top"],
        rows: Int64[np.ndarray, "mentions top"],
        gold: Int64[np.ndarray, "mentions"],
    ) -> Ranks:
        """Return the ranks after ranking the first candidates again; gold entities behind them keep their rank.

        Args:
            ranks: By the single vector.
            scores: The first ``depth`` candidates' scores by the single vector, best first.
            rows: Their KB rows.
            gold: KB row of each gold entity.
        """
        hit = rows == gold[:, None]
        inside = np.flatnonzero(hit.any(axis=1))
        place = hit[inside].argmax(axis=1)
        changed = self._rescorer.rescore(self._mentions, rows, scores)[inside]
        new_gold, old_gold = (part[np.arange(len(inside)), place] for part in (changed, scores[inside]))
        higher = (changed > new_gold[:, None] + TIE_TOLERANCE).sum(axis=1)
        tied = (np.abs(changed - new_gold[:, None]) <= TIE_TOLERANCE).sum(axis=1)
        # Entities that tied with the gold one and were not ranked again, because the list was full, tie with it still.
        listed = (scores[inside] >= old_gold[:, None] - TIE_TOLERANCE).sum(axis=1)
        beyond = np.maximum(ranks.pessimistic[inside] - listed, 0)
        optimistic, pessimistic, gold_scores = ranks.optimistic.copy(), ranks.pessimistic.copy(), ranks.gold_scores.copy()
        optimistic[inside], pessimistic[inside], gold_scores[inside] = 1 + higher, higher + tied + beyond, new_gold
        return Ranks(optimistic, (optimistic + pessimistic) / 2, pessimistic, gold_scores)
