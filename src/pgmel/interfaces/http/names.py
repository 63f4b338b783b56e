"""Find entities by name: as spelt, by the beginning of a name or of a word in it, by a part, and by likeness where spelling slipped."""

from bisect import bisect_left
from collections.abc import Iterable
from typing import Any, Final, NamedTuple, final

import numpy as np
import numpy.typing as npt

from pgmel.features import LexicalHasher
from pgmel.features.lexical import fold

__all__ = ["FUZZY_LIMIT", "NameMatch", "NameSearch"]

FUZZY_LIMIT: Final = 200_000
"""Most names among which likeness is looked for; beyond, spelling has to be right."""

_DIM: Final = 1 << 16
_LEAST_LIKENESS: Final = 0.35
_END: Final = "\n"


class NameMatch(NamedTuple):
    """An entity, by its place in the order of the names given, and how its name fits."""

    place: int
    match: str


@final
class NameSearch:
    """Searches names without case and accents; names lie in one text, not in an object each.

    Args:
        names: In the order of the KB's rows.
    """

    def __init__(self, names: Iterable[str]) -> None:
        folded = [" ".join(fold(name).split()) for name in names]
        order = sorted(range(len(folded)), key=folded.__getitem__)
        self._order: npt.NDArray[np.int64] = np.array(order, dtype=np.int64)
        sizes = np.fromiter((len(folded[place]) + 1 for place in order), dtype=np.int64, count=len(order))
        self._starts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(sizes)])
        self._text = "".join(folded[place] + _END for place in order)
        self._vectors: Any = None

    def __len__(self) -> int:
        return len(self._order)

    def find(self, query: str, limit: int = 10) -> list[NameMatch]:
        """Return the best fits: exact names, then names that begin so, words that begin so, parts, and likenesses.

        Args:
            query: What somebody typed.
            limit: Most entities returned.
        """
        wanted = " ".join(fold(query).split())
        if not wanted or limit < 1:
            return []
        found: dict[int, str] = {}
        for match, ranks in (
            ("prefix", self._prefixed(wanted, limit)),
            ("word", self._containing(" " + wanted, limit)),
            ("part", self._containing(wanted, limit)),
            ("similar", None),
        ):
            if len(found) >= limit:
                break
            for rank in self._similar(wanted, limit) if ranks is None else ranks:
                found.setdefault(rank, "exact" if match == "prefix" and self._name(rank) == wanted else match)
        return [NameMatch(int(self._order[rank]), match) for rank, match in list(found.items())[:limit]]

    def _name(self, rank: int) -> str:
        return self._text[self._starts[rank] : self._starts[rank + 1] - 1]

    def _prefixed(self, wanted: str, limit: int) -> list[int]:
        first = bisect_left(range(len(self)), wanted, key=self._name)
        last = min(len(self), first + limit)
        return [rank for rank in range(first, last) if self._name(rank).startswith(wanted)]

    def _containing(self, wanted: str, limit: int) -> list[int]:
        ranks: list[int] = []
        at = self._text.find(wanted)
        # More than the limit, since some were found in a better way before.
        while at >= 0 and len(ranks) < 2 * limit:
            rank = int(np.searchsorted(self._starts, at, side="right")) - 1
            ranks.append(rank)
            at = self._text.find(wanted, int(self._starts[rank + 1]))
        return ranks

    def _similar(self, wanted: str, limit: int) -> list[int]:
        if not 0 < len(self) <= FUZZY_LIMIT:
            return []
        hasher = LexicalHasher(_DIM)
        if self._vectors is None:
            self._vectors = hasher.encode([self._name(rank) for rank in range(len(self))])
        likeness = (self._vectors @ hasher.encode([wanted]).T).toarray()[:, 0]
        best = np.argsort(-likeness, kind="stable")[: 2 * limit]
        return [int(rank) for rank in best if likeness[rank] >= _LEAST_LIKENESS]
