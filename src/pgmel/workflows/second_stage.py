"""The second stage at work on the mentions of a split: candidates, and ranks against the whole KB, after ranking again."""

from collections.abc import Sequence
from typing import NamedTuple, final

import numpy as np
from jaxtyping import Bool, Float32, Int64

from pgmel.candidates import CandidateTable, NameIndex, fuse
from pgmel.evaluation import TIE_TOLERANCE, Ranks, TopEntities
from pgmel.linking.reranking import MentionFacts, Reranker, Rescorer, shortlist
from pgmel.linking.reranking.rescorer import Reordered
from pgmel.records import Entity, Mention

__all__ = ["NamedEntities", "SecondStage", "find_by_name"]

_SPARE = 10
"""Found by name are so many times as many entities as are asked for: a part of them may be taken out of the KB."""


class NamedEntities(NamedTuple):
    """The entities whose names are most like the surfaces of some mentions, best first.

    Attributes:
        scores: How alike they are, 0 to 1.
        rows: Their KB rows; -1 where there are fewer.
    """

    scores: Float32[np.ndarray, "mentions found"]
    rows: Int64[np.ndarray, "mentions found"]

    def take(self, chosen: Int64[np.ndarray, "chosen"]) -> "NamedEntities":
        """Return those of some of the mentions."""
        return NamedEntities(self.scores[chosen], self.rows[chosen])

    def first(self, count: int, kept: Bool[np.ndarray, "entities"] | None = None) -> "NamedEntities":
        """Return the first of each mention that are in the KB."""
        scores, rows = self if kept is None else self._only((self.rows >= 0) & kept[self.rows])
        return NamedEntities(scores[:, :count], rows[:, :count])

    def among(self, lists: Sequence[Int64[np.ndarray, "candidates"]]) -> "NamedEntities":
        """Return those that are in the list of their mention."""
        return self._only(np.array([np.isin(rows, listed) for rows, listed in zip(self.rows, lists, strict=True)]).reshape(self.rows.shape))

    def _only(self, there: Bool[np.ndarray, "mentions found"]) -> "NamedEntities":
        order = np.argsort(~there, axis=1, kind="stable")
        scores, rows = np.where(there, self.scores, 0), np.where(there, self.rows, -1)
        return NamedEntities(np.take_along_axis(scores, order, axis=1), np.take_along_axis(rows, order, axis=1))

    def add_to(
        self, top: TopEntities, mentions: Float32[np.ndarray, "mentions dim"], entities: Float32[np.ndarray, "entities dim"]
    ) -> CandidateTable:
        """Return candidates by vectors and these as one table.

        Args:
            top: The nearest entities.
            mentions: Vectors of the mentions.
            entities: Vectors of the KB.
        """
        width = top.rows.shape[1]
        found = fuse((top.scores, top.rows), self, width + self.rows.shape[1], sure=width, named=self.rows.shape[1])
        mention, place = np.nonzero(found.present & np.isneginf(found.dense))
        found.dense[mention, place] = np.einsum("pd,pd->p", mentions[mention], entities[found.rows[mention, place]])
        return found.sorted()


def find_by_name(mentions: Sequence[Mention], entities: Sequence[Entity], count: int) -> NamedEntities:
    """Search the names of a KB, whose rows are the places of its entities, for the surfaces of mentions."""
    if not count:
        return NamedEntities(np.zeros((len(mentions), 0), np.float32), np.zeros((len(mentions), 0), np.int64))
    names = NameIndex.build((row, entity.name, entity.aliases) for row, entity in enumerate(entities))
    return NamedEntities(*names.search([mention.surface for mention in mentions], count))


@final
class SecondStage:
    """A re-ranker, bound to some mentions and to the entities of a KB.

    Args:
        rescorer: The re-ranker on the KB.
        mentions: The mentions, cut up.
        named: What search by name finds for them.
    """

    def __init__(self, rescorer: Rescorer, mentions: Sequence[MentionFacts], named: NamedEntities) -> None:
        self._rescorer = rescorer
        self._mentions = mentions
        self._named = named

    @classmethod
    def bind(cls, reranker: Reranker, mentions: Sequence[Mention], entities: Sequence[Entity]) -> "SecondStage":
        """Bind a re-ranker to mentions and to the entities of a KB, in the order of its rows."""
        rescorer = Rescorer(reranker, lambda rows: [entities[row] for row in rows])
        named = find_by_name(mentions, entities, reranker.by_name * _SPARE)
        return cls(rescorer, [MentionFacts.of(mention) for mention in mentions], named)

    @property
    def depth(self) -> int:
        """Candidates of a mention by vectors that are ranked again."""
        return self._rescorer.reranker.depth

    def take(self, chosen: Int64[np.ndarray, "chosen"]) -> "SecondStage":
        """Return the same for some of the mentions."""
        return SecondStage(self._rescorer, [self._mentions[place] for place in chosen.tolist()], self._named.take(chosen))

    def among(self, lists: Sequence[Int64[np.ndarray, "candidates"]]) -> "SecondStage":
        """Return the same with candidates by name from the list of each mention alone."""
        return SecondStage(self._rescorer, self._mentions, self._named.among(lists))

    def propose(
        self,
        top: TopEntities,
        mentions: Float32[np.ndarray, "mentions dim"],
        entities: Float32[np.ndarray, "entities dim"],
        kept: Bool[np.ndarray, "entities"] | None = None,
    ) -> CandidateTable:
        """Return candidates by vectors, and those by name that are ranked again beside them.

        Args:
            top: The nearest entities; at least ``depth`` of them, where the KB has as many.
            mentions: Vectors of the mentions.
            entities: Vectors of the KB.
            kept: Which entities are in the KB; by default all.
        """
        return self._named.first(self._rescorer.reranker.by_name, kept).add_to(top, mentions, entities)

    def reorder(self, table: CandidateTable) -> Reordered:
        """Return what ``propose`` gave by its new scores."""
        return self._rescorer.reorder(self._mentions, table)

    def rerank(self, ranks: Ranks, table: CandidateTable, gold: Int64[np.ndarray, "mentions"]) -> Ranks:
        """Return the ranks after ranking the first candidates again; all others come behind them, in their order.

        Args:
            ranks: By the single vector.
            table: What ``propose`` gave.
            gold: KB row of each gold entity.
        """
        reranker = self._rescorer.reranker
        listed, counts = shortlist(table, reranker.depth, reranker.by_name)
        is_listed = np.arange(listed.width) < counts[:, None]
        new = np.where(is_listed, self._rescorer.rescore(self._mentions, listed.rows, listed.dense, counts.tolist()), -np.inf)
        old = np.where(is_listed, listed.dense, -np.inf)
        hit = (listed.rows == gold[:, None]) & is_listed
        inside, outside = hit.any(axis=1), ~hit.any(axis=1)
        optimistic, pessimistic, gold_scores = ranks.optimistic.copy(), ranks.pessimistic.copy(), ranks.gold_scores.copy()
        place = hit[inside].argmax(axis=1)[:, None]
        new_gold, old_gold = (np.take_along_axis(part[inside], place, axis=1) for part in (new, old))
        higher = (new[inside] > new_gold + TIE_TOLERANCE).sum(axis=1)
        tied = (np.abs(new[inside] - new_gold) <= TIE_TOLERANCE).sum(axis=1)
        # Entities that tied with the gold one and were not ranked again, because the list was full, tie with it still.
        all_tied = ranks.pessimistic[inside] - ranks.optimistic[inside] + 1
        beyond = np.maximum(all_tied - (np.abs(old[inside] - old_gold) <= TIE_TOLERANCE).sum(axis=1), 0)
        optimistic[inside], pessimistic[inside], gold_scores[inside] = 1 + higher, higher + tied + beyond, new_gold[:, 0]
        # A gold entity that is not ranked again has those before it that were nearer, and those that came by name.
        below = ranks.gold_scores[outside, None]
        optimistic[outside] += (is_listed[outside] & (old[outside] <= below + TIE_TOLERANCE)).sum(axis=1)
        pessimistic[outside] += (is_listed[outside] & (old[outside] < below - TIE_TOLERANCE)).sum(axis=1)
        return Ranks(optimistic, (optimistic + pessimistic) / 2, pessimistic, gold_scores)
