"""Rescore candidates that are given as rows of a KB: entities are fetched, cut up once, and kept for the next mention."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, final

import numpy as np
import numpy.typing as npt

from pgmel.candidates import CandidateTable
from pgmel.linking.reranking.facts import EntityFacts, MentionFacts
from pgmel.linking.reranking.reranker import Reranker
from pgmel.linking.reranking.shortlist import shortlist
from pgmel.records import Entity

__all__ = ["Reordered", "Rescorer"]

MOST_KEPT: Final = 20_000
"""Entities that are kept cut up, some kilobytes each."""


class Reordered(NamedTuple):
    """Candidates after ranking again.

    Attributes:
        scores: (mentions, candidates), best first; equal ones in the order of their dense scores.
        rows: (mentions, candidates) KB rows that they belong to; -1 where there is none.
        similarities: (mentions, candidates) their scores by the single vector; -inf where there is none.
        counts: (mentions,) how many were ranked again; they come first.
    """

    scores: npt.NDArray[np.float32]
    rows: npt.NDArray[np.int64]
    similarities: npt.NDArray[np.float32]
    counts: npt.NDArray[np.int64]


@final
class Rescorer:
    """A re-ranker at work on one KB.

    Args:
        reranker: The re-ranker.
        fetch: Returns the entities of rows, in their order; the KB does not change while this object is in use.
    """

    def __init__(self, reranker: Reranker, fetch: Callable[[Sequence[int]], Sequence[Entity]]) -> None:
        self.reranker = reranker
        self._fetch = fetch
        self._facts: dict[int, EntityFacts] = {}

    def rescore(
        self, mentions: Sequence[MentionFacts], rows: npt.NDArray[np.integer[Any]], dense: npt.NDArray[np.float32], counts: Sequence[int]
    ) -> npt.NDArray[np.float32]:
        """Return the new scores of candidates, in their old order.

        Args:
            mentions: The mentions.
            rows: (mentions, candidates) KB rows, those that are ranked again first.
            dense: (mentions, candidates) their scores by the single vector; -inf where there is none.
            counts: How many candidates of each mention are ranked again.
        """
        heads = [one[:count] for one, count in zip(rows.tolist(), counts, strict=True)]
        facts = self._find(sorted({row for head in heads for row in head}))
        return self.reranker.rescore(dense, mentions, [[facts[row] for row in head] for head in heads])

    def reorder(self, mentions: Sequence[MentionFacts], table: CandidateTable) -> Reordered:
        """Return the candidates by their new scores.

        Args:
            mentions: The mentions.
            table: Their candidates; the first by vectors and by name, as many as are ranked again, must be among them.
        """
        listed, counts = shortlist(table, self.reranker.depth, self.reranker.by_name)
        scores = self.rescore(mentions, listed.rows, listed.dense, counts.tolist())
        order = np.argsort(-scores, axis=1, kind="stable")
        ordered = listed.take_along(order)
        return Reordered(np.take_along_axis(scores, order, axis=1), ordered.rows, ordered.dense, counts)

    def _find(self, rows: Sequence[int]) -> dict[int, EntityFacts]:
        kept = self._facts  # another thread may begin a new dictionary in the meantime
        missing = [row for row in rows if row not in kept]
        fetched = {row: EntityFacts.of(entity) for row, entity in zip(missing, self._fetch(missing), strict=True)} if missing else {}
        found = {row: fetched[row] if row in fetched else kept[row] for row in rows}
        if len(kept) + len(fetched) > MOST_KEPT:
            self._facts = dict(fetched)
        else:
            kept.update(fetched)
        return found
