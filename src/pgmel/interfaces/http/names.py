"""Find entities by name: as spelt, by the beginning of a name or of a word in it, by a part, and by likeness where spelling slipped."""

import threading
from collections.abc import Iterable
from typing import Final, NamedTuple, final

import numpy as np

from pgmel.candidates import NameIndex, name_words
from pgmel.kb import KnowledgeBase
from pgmel.linking import name_kb
from pgmel.records import Entity

__all__ = ["NameMatch", "NameSearch"]

_KINDS: Final = ("exact", "prefix", "word", "part", "similar")
_LEAST_LIKENESS: Final = 0.4
_LEAST_DEPTH: Final = 100


class NameMatch(NamedTuple):
    """An entity, and how the best fitting of its names fits: one of ``exact``, ``prefix``, ``word``, ``part`` and ``similar``."""

    entity: Entity
    match: str


@final
class NameSearch:
    """Searches names and aliases without case, accents and punctuation, for any thread.

    Args:
        kb: The entities.
        names: Their names; None to collect them at the first search.
    """

    def __init__(self, kb: KnowledgeBase, names: NameIndex | None = None) -> None:
        self._kb = kb
        self._names = names
        self._lock = threading.Lock()

    def find(self, query: str, limit: int = 10) -> list[NameMatch]:
        """Return the best fits: exact names, then names that begin so, words that begin so, parts, and likenesses.

        A part in the midst of a word is found from three letters on.

        Args:
            query: What somebody typed; the last word may go on.
            limit: Most entities returned.
        """
        wanted = " ".join(name_words(query))
        if not wanted or limit < 1:
            return []
        likeness: dict[int, float] = {}
        for unfinished in (False, True):
            scores, rows = self._index().search([query], max(4 * limit, _LEAST_DEPTH), unfinished)
            for row, score in zip(rows[0].tolist(), scores[0].tolist(), strict=True):
                likeness[row] = max(score, likeness.get(row, 0.0))
        likeness.pop(-1, None)
        ranked: list[tuple[int, float, int, Entity]] = []
        for row, entity in zip(likeness, self._kb.get_many(np.array(list(likeness), dtype=np.int64)), strict=True):
            kind = min(_kind(wanted, " ".join(name_words(name))) for name in (entity.name, *entity.aliases))
            if _KINDS[kind] != "similar" or likeness[row] >= _LEAST_LIKENESS:
                ranked.append((kind, -likeness[row], row, entity))
        return [NameMatch(entity, _KINDS[kind]) for kind, _, _, entity in sorted(ranked, key=lambda found: found[:3])[:limit]]

    def _index(self) -> NameIndex:
        with self._lock:
            if self._names is None:
                self._names = NameIndex.build(name_kb(self._kb))
            return self._names


def _kind(wanted: str, spelt: str) -> int:
    fits: Iterable[bool] = (wanted == spelt, spelt.startswith(wanted), f" {wanted}" in spelt, wanted in spelt, True)
    return next(kind for kind, fit in enumerate(fits) if fit)
