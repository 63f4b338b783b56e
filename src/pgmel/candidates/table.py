"""The candidates of a batch of mentions, as arrays: what search proposes, and what ranking them again starts from."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

__all__ = ["CandidateTable"]


@final
@dataclass(frozen=True, slots=True)
class CandidateTable:
    """Candidates of some mentions, a row of the table for each mention, best dense score first, equal ones in the order of KB rows.

    Attributes:
        rows: (mentions, candidates) int64, KB rows; -1 where a mention has fewer candidates, always behind those that it has.
        dense: (mentions, candidates) float32, exact dot product of the vectors of mention and entity, -1 to 1; -inf where there is none.
        lexical: (mentions, candidates) float32, how much the surface is like the entity's most similar name, 0 to 1; 0 for candidates that
            search by name did not find, and where there is none.
    """

    rows: npt.NDArray[np.int64]
    dense: npt.NDArray[np.float32]
    lexical: npt.NDArray[np.float32]

    def __len__(self) -> int:
        """Return the number of mentions."""
        return len(self.rows)

    @property
    def width(self) -> int:
        """Most candidates that a mention can have here."""
        return int(self.rows.shape[1])

    def take_along(self, order: npt.NDArray[np.integer[Any]]) -> "CandidateTable":
        """Return the candidates of each mention in another order, (mentions, candidates) places."""
        rows, dense, lexical = self.rows, self.dense, self.lexical
        return CandidateTable(
            np.take_along_axis(rows, order, axis=1), np.take_along_axis(dense, order, axis=1), np.take_along_axis(lexical, order, axis=1)
        )

    def sorted(self) -> "CandidateTable":
        """Return the table in the order that it promises."""
        return self.take_along(np.lexsort((self.rows, -self.dense), axis=1))

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """(mentions, candidates), True where there is a candidate."""
        return self.rows >= 0
