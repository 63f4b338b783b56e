"""Rescore candidates that are given as rows of a KB: entities are fetched, cut up once, and kept for the next mention."""

from collections.abc import Callable, Sequence
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt

from pgmel.linking.reranking.facts import EntityFacts, MentionFacts
from pgmel.linking.reranking.reranker import Reranker
from pgmel.records import Entity

__all__ = ["Rescorer"]

MOST_KEPT: Final = 20_000
"""Entities that are kept cut up, some kilobytes each."""


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

    @property
    def depth(self) -> int:
        """Candidates of a mention that are ranked again."""
        return self.reranker.depth

    def rescore(
        self, mentions: Sequence[MentionFacts], rows: npt.NDArray[np.integer[Any]], dense: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """Return the new scores of candidates, in their old order.

        Args:
            mentions: The mentions.
            rows: (mentions, candidates) KB rows, best dense score first; -1 where a mention has fewer candidates, behind those it has.
            dense: (mentions, candidates) their scores by the single vector; -inf where there is none.
        """
        head = rows[:, : self.depth]
        facts = self._find(np.unique(head[head >= 0]).tolist())
        known = [[facts[row] for row in one if row >= 0] for one in head.tolist()]
        return self.reranker.rescore(dense, mentions, known)

    def reorder(
        self, mentions: Sequence[MentionFacts], dense: npt.NDArray[np.float32], rows: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Return the new scores, best first, and the KB rows that they belong to; equal ones keep their order. Arguments as above."""
        scores = self.rescore(mentions, rows, dense)
        order = np.argsort(-scores, axis=1, kind="stable")
        return np.take_along_axis(scores, order, axis=1), np.take_along_axis(rows, order, axis=1)

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
