"""Propose candidates: by vectors, by names, or by both."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt

from pgmel.candidates import CANDIDATE_SOURCES, CandidateTable, NameIndex, fuse
from pgmel.errors import BundleError, SettingError
from pgmel.index import EntityIndex
from pgmel.linking.bundle import load_names
from pgmel.registry import look_up

__all__ = ["DEFAULT_NUM_CANDIDATES", "CandidateSearch", "open_search"]

DEFAULT_NUM_CANDIDATES: Final = 100


@final
class CandidateSearch:
    """Finds the candidates of mentions in an index of vectors and an index of names.

    Args:
        index: Vectors of the entities.
        names: Their names; without them candidates are found by vectors alone, whatever ``source`` says.
        source: One of ``CANDIDATE_SOURCES``.
        num_candidates: Candidates of each mention; both searches go so deep.

    Raises:
        SettingError: If the source is unknown.
    """

    def __init__(
        self, index: EntityIndex, names: NameIndex | None = None, source: str = "fused", num_candidates: int = DEFAULT_NUM_CANDIDATES
    ) -> None:
        look_up(CANDIDATE_SOURCES, source, "linking.candidates")
        self.index = index
        self.names = names
        self.source = "dense" if names is None else source
        self.num_candidates = num_candidates

    def propose(
        self, vectors: npt.NDArray[np.float32], surfaces: Sequence[str], k: int | None = None, sure: int = 0, named: int = 0
    ) -> CandidateTable:
        """Propose candidates.

        Args:
            vectors: (mentions, dim) vectors of the mentions.
            surfaces: The mentions' surfaces, in the same order.
            k: Candidates of each mention; by default ``num_candidates``, or ``sure`` and ``named`` if they are more.
            sure: So many of the first by vectors are among them in any case, if the source has any of the vectors.
            named: So many of the first by name are among them in any case, if the source has any of the names.
        """
        width = max(self.num_candidates, sure + named) if k is None else k
        if self.names is None or self.source == "dense":
            scores, rows = self.index.search(vectors, width)
            return CandidateTable(rows, scores, np.zeros_like(scores))
        lexical, rows = self.names.search(surfaces, width)
        if self.source == "lexical":
            return CandidateTable(rows, self.index.scores_of(vectors, rows), lexical).sorted()
        found = fuse(self.index.search(vectors, width), (lexical, rows), width, sure, named)
        unknown = found.present & np.isneginf(found.dense)
        filled = self.index.scores_of(vectors, np.where(unknown, found.rows, -1))
        return replace(found, dense=np.where(unknown, filled, found.dense)).sorted()


def open_search(card: Mapping[str, Any], folder: Path, index: EntityIndex) -> CandidateSearch:
    """Put the search for candidates together as a bundle's settings say.

    Args:
        card: The bundle's card.
        folder: The bundle; one that was written before bundles had a name index is searched by vectors alone.
        index: Its index of vectors.

    Raises:
        BundleError: If its settings are damaged.
        IndexFileError: If its name index is missing or damaged.
    """
    linking = {"candidates": "fused", "num_candidates": DEFAULT_NUM_CANDIDATES, **card["settings"].get("linking", {})}
    try:
        return CandidateSearch(index, load_names(card, folder), linking["candidates"], int(linking["num_candidates"]))
    except (SettingError, TypeError, ValueError) as error:
        raise BundleError(f"the card of the bundle {folder} is damaged: {error}") from None
