"""Search by name over all names and aliases of a KB: an inverted index of character n-grams, held as a sparse matrix."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, Final, Self, final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from pgmel.candidates.name_files import StoredNames, read_names, write_names
from pgmel.candidates.name_grams import count_grams, name_words
from pgmel.errors import IndexFileError

__all__ = ["NameIndex", "NamedRow"]

NamedRow = tuple[int, str, Sequence[str]]
"""A row of the KB, the entity's name, and its aliases."""

_ENTITIES_AT_ONCE: Final = 8192
_MOST_CELLS: Final = 1 << 22  # names scored at once, in all queries together
_MOST_POSTINGS: Final = 1 << 17
_SURFACE_SHARE: Final = 0.7


@final
class NameIndex:
    """All names of the entities of a KB, searched by likeness.

    Names are compared by the n-grams of ``name_grams``. An n-gram weighs ln(1 + names / names that have it); with ``w`` the weight of what
    the two share, the score is ``w / (0.7 * weight of the text + 0.3 * weight of the name)``: 1 for the same n-grams, 0 for none in
    common, and what the name has beyond the text costs less than what the text has beyond the name. An entity counts once, by the most
    similar of its names. Where the n-grams of a text occur in more than 131,072 names, counted for each n-gram, the most frequent ones are
    left out of the text: they take time and say little.

    What is found depends on the names that are here, and not on how they came: an index that was changed answers as one built anew. Several
    threads may search the same object.
    """

    def __init__(self, stored: StoredNames) -> None:
        self._stored = stored
        postings = stored.postings
        # Ones in the type of the result, or every product would convert the whole matrix.
        ones = np.ones(postings.nnz, dtype=np.float32)
        self._matrix = sparse.csr_matrix((ones, postings.indices, postings.indptr), shape=postings.shape)
        self._spread = np.diff(postings.indptr)
        self._weights = np.log1p(len(self) / np.maximum(self._spread, 1)).astype(np.float32)
        self._sizes: npt.NDArray[np.float32] = self._matrix.T @ self._weights

    @classmethod
    def build(cls, entities: Iterable[NamedRow], fingerprint: str = "") -> Self:
        """Build an index.

        Args:
            entities: Rows with their names; read once, one after the other. No row comes twice.
            fingerprint: The KB's fingerprint, to notice later that the two belong together.
        """
        parts: list[sparse.csr_matrix] = [count_grams([])]
        owners: list[npt.NDArray[np.int32]] = [np.empty(0, dtype=np.int32)]
        for names, rows in _parts(entities):
            parts.append(count_grams(names))
            owners.append(rows)
        counted = sparse.vstack(parts, format="csr")
        return cls(StoredNames(sparse.csr_matrix(counted.T), np.concatenate(owners), fingerprint))

    def change(self, gone: npt.NDArray[np.int64], entities: Iterable[NamedRow], fingerprint: str = "") -> Self:
        """Return an index in which some rows have other names or none; this one stays as it is.

        Args:
            gone: Rows whose names are forgotten; those that have none here are no fault.
            entities: Rows that are new or changed, with all their names; one that is here already must be among those gone.
            fingerprint: The KB's fingerprint after the change.
        """
        old, new = self._stored, type(self).build(entities)._stored
        kept = ~np.isin(old.owners, gone)
        postings = old.postings if kept.all() else old.postings[:, np.flatnonzero(kept)]
        joined = sparse.csr_matrix(sparse.hstack([postings, new.postings], format="csr"))
        return type(self)(StoredNames(joined, np.concatenate([old.owners[kept], new.owners]), fingerprint))

    def __len__(self) -> int:
        """Return the number of names; equal ones of the same entity are one."""
        return len(self._stored.owners)

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """Rows that have a name, in rising order."""
        return np.unique(self._stored.owners).astype(np.int64)

    def search(self, texts: Sequence[str], k: int, unfinished: bool = False) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Find the entities whose names are most like each text.

        Args:
            texts: What was written.
            k: Entities wanted for each text, at least 1.
            unfinished: Whether the last word of each text may go on, as while somebody types.

        Returns:
            Scores (float32, 0 to 1) and rows (int64) of the KB, both (texts, k), best first, equal scores in the order of rows. Where fewer
            entities have an n-gram in common with the text, the rest holds 0 and -1.
        """
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        scores = np.zeros((len(texts), k), dtype=np.float32)
        rows = np.full((len(texts), k), -1, dtype=np.int64)
        step = max(1, _MOST_CELLS // max(len(self), 1))
        for start in range(0, len(texts), step):
            for number, (score, name) in enumerate(self._compare(texts[start : start + step], unfinished), start):
                best, row = _best_of_each(score, self._stored.owners[name], k)
                scores[number, : len(row)], rows[number, : len(row)] = best, row
        return scores, rows

    def check_fits(self, fingerprint: str) -> None:
        """Check that this index belongs to a KB.

        Args:
            fingerprint: The KB's fingerprint; not compared where it or the index's own is empty.

        Raises:
            IndexFileError: If it does not.
        """
        if fingerprint and self._stored.fingerprint and fingerprint != self._stored.fingerprint:
            raise IndexFileError("the name index was built over another knowledge base; build the bundle again")

    def save(self, folder: Path, fingerprint: str = "") -> None:
        """Write the index into a folder, atomically.

        Args:
            folder: Where.
            fingerprint: The KB's fingerprint, if it was not known when the index was built.

        Raises:
            IndexFileError: If it cannot be written.
        """
        write_names(folder, self._stored._replace(fingerprint=fingerprint or self._stored.fingerprint))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read an index.

        Args:
            folder: What ``save`` wrote.

        Raises:
            IndexFileError: If a file is missing, damaged or of another version.
        """
        return cls(read_names(folder))

    def describe(self) -> dict[str, Any]:
        """Return its size, for people and cards."""
        return {"names": len(self)}

    def _compare(self, texts: Sequence[str], unfinished: bool) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]]:
        """Yield, text by text, the names that share an n-gram with it, and their scores."""
        counted = self._without_most_frequent(count_grams([name_words(text) for text in texts], unfinished).astype(np.float32))
        sizes = counted @ self._weights
        counted.data = self._weights[counted.indices]
        shared = counted @ self._matrix
        for number, size in enumerate(sizes):
            part = slice(shared.indptr[number], shared.indptr[number + 1])
            names = shared.indices[part]
            whole = _SURFACE_SHARE * size + (1 - _SURFACE_SHARE) * self._sizes[names]
            yield np.minimum(shared.data[part] / whole, np.float32(1)), names

    def _without_most_frequent(self, counted: sparse.csr_matrix) -> sparse.csr_matrix:
        for start, end in pairwise(counted.indptr):
            spread = self._spread[counted.indices[start:end]]
            if spread.sum() > _MOST_POSTINGS:
                rarest = np.argsort(spread, kind="stable")
                too_many = np.cumsum(spread[rarest]) > _MOST_POSTINGS
                too_many[0] = False
                counted.data[start + rarest[too_many]] = 0
        counted.eliminate_zeros()
        return counted


def _parts(entities: Iterable[NamedRow]) -> Iterator[tuple[list[tuple[str, ...]], npt.NDArray[np.int32]]]:
    """Yield the words of names, and whose names they are, some entities at a time."""
    remaining = iter(entities)
    while some := list(islice(remaining, _ENTITIES_AT_ONCE)):
        names: list[tuple[str, ...]] = []
        rows: list[int] = []
        for row, name, aliases in some:
            different = dict.fromkeys(filter(None, map(name_words, (name, *aliases))))
            names += different
            rows += [row] * len(different)
        yield names, np.array(rows, dtype=np.int32)


def _best_of_each(
    scores: npt.NDArray[np.float32], owners: npt.NDArray[np.int32], k: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Return the k owners with the best scores, each by its best, and those scores."""
    wanted = k
    while True:
        chosen = np.arange(len(scores))
        if wanted < len(scores):
            chosen = np.flatnonzero(scores >= np.partition(scores, len(scores) - wanted)[len(scores) - wanted])
        order = chosen[np.lexsort((owners[chosen], -scores[chosen]))]
        first = np.sort(np.unique(owners[order], return_index=True)[1])[:k]
        if len(first) == k or len(chosen) == len(scores):
            return scores[order[first]], owners[order[first]].astype(np.int64)
        wanted *= 4  # several names of the same entities were among the best
