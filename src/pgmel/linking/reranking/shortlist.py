"""Which candidates are ranked again: the nearest ones, and the few whose names are most like what was written."""

import numpy as np
import numpy.typing as npt

from pgmel.candidates import CandidateTable

__all__ = ["BY_NAME", "shortlist"]

BY_NAME = 5
"""Candidates with the most similar names that are ranked again beside the nearest ones; most of them are among those anyway."""


def shortlist(table: CandidateTable, depth: int, by_name: int) -> tuple[CandidateTable, npt.NDArray[np.int64]]:
    """Put the candidates that are to be ranked again in front.

    Args:
        table: All candidates; the first ``by_name`` that search by name found must be among them.
        depth: So many of the first by vectors.
        by_name: So many of the first by name; equal ones in the order of rows, as search by name has them.

    Returns:
        The same candidates, those that are ranked again first, both parts in the order of their dense scores; and how many those are:
        (mentions,).
    """
    places = np.arange(table.width)
    chosen = np.broadcast_to(places < depth, table.rows.shape).copy()
    if by_name:
        first = np.lexsort((table.rows, -np.where(table.present, table.lexical, -1)), axis=1)[:, :by_name]
        np.put_along_axis(chosen, first, True, axis=1)
        # What search by name did not find is no candidate by name.
        chosen &= (places < depth) | (table.lexical > 0)
    chosen &= table.present
    return table.take_along(np.argsort(~chosen, axis=1, kind="stable")), chosen.sum(axis=1)
