"""Keep the best entities of each mention while scores stream past in chunks."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["TopEntities", "TopKeeper"]


@dataclass(frozen=True, slots=True)
class TopEntities:
    """The best entities of each mention, best first; equal scores stand in the order of their rows.

    Args:
        rows: Int64 (mentions, k) KB rows.
        scores: Float32 (mentions, k), falling.
    """

    rows: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]


class TopKeeper:
    """Running best ``k`` of each mention.

    Chunks of one mention must come with rising ``first_row``: an entity then only enters when it beats the worst one kept, so that of equal
    scores the lower row stays, whatever the size of the chunks.
    """

    def __init__(self, num_mentions: int, k: int) -> None:
        self.k = k
        self.rows = np.full((num_mentions, k), -1, np.int64)
        self.scores = np.full((num_mentions, k), -np.inf, np.float32)

    def add(self, mentions: slice, scores: npt.NDArray[np.float32], best: npt.NDArray[np.float32], first_row: int) -> None:
        """Take in the scores of one chunk.

        Args:
            mentions: Which mentions.
            scores: (mentions, entities) of the chunk.
            best: (mentions,) row maxima of ``scores``.
            first_row: KB row of the chunk's first entity.
        """
        if self.k == 0:
            return
        worst = self.scores[mentions, -1]
        local = np.flatnonzero(best > worst)
        if local.size == 0:
            return
        part, floor = scores[local], worst[local]
        # Rows that are not full yet let everything in: find their k-th best first, and pass only what reaches it.
        if part.shape[1] > self.k:
            empty = np.flatnonzero(np.isneginf(floor))
            at_least = np.full(len(local), -np.inf, np.float32)
            if empty.size:
                at_least[empty] = np.partition(part[empty], part.shape[1] - self.k, axis=1)[:, part.shape[1] - self.k]
            entering = (part > floor[:, None]) & (part >= at_least[:, None]) if empty.size else part > floor[:, None]
        else:
            entering = part > floor[:, None]
        which, columns = np.nonzero(entering)
        self._merge(mentions.start + local, which, part[which, columns], first_row + columns)

    def result(self) -> TopEntities:
        """Return what was kept."""
        return TopEntities(self.rows, self.scores)

    def _merge(
        self, places: npt.NDArray[np.int64], which: npt.NDArray[np.int64], scores: npt.NDArray[np.float32], rows: npt.NDArray[np.int64]
    ) -> None:
        old = np.repeat(np.arange(len(places)), self.k)
        all_which = np.concatenate([old, which])
        all_scores = np.concatenate([self.scores[places].ravel(), scores])
        all_rows = np.concatenate([self.rows[places].ravel(), rows])
        order = np.lexsort((all_rows, -all_scores, all_which))
        starts = np.searchsorted(all_which[order], np.arange(len(places)))
        kept = order[starts[:, None] + np.arange(self.k)]  # every place has its k old entries, so k are always there
        self.scores[places], self.rows[places] = all_scores[kept], all_rows[kept]
