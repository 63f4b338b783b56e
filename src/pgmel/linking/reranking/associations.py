"""Which words of sentences go with which words of descriptions: "quarterback" with "football", "senator" with "politician".

Counted over training mentions, each with the description of its gold entity. How far a description word occurs more often beside a sentence
word than elsewhere is what the second stage looks up; sentence encoders know much of it, but not of one's own data.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Self, final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from pgmel.linking.reranking.facts import EntityFacts, MentionFacts

__all__ = ["WordAssociations"]

LEAST_IN_SENTENCES: Final = 3
"""Mentions that a sentence word must occur with."""

LEAST_IN_DESCRIPTIONS: Final = 20
"""Mentions that a description word must occur with."""

SHRINKAGE: Final = 5.0
"""Mentions with both words are counted against those to expect for a sentence word of so many mentions, however many it has."""


@final
class WordAssociations:
    """A sparse table of sentence words and description words.

    A pair counts ``log(1 + c N / (s d))``: ``c`` mentions with both, ``N`` mentions, ``d`` with the description word, ``s`` for shrinkage.

    Args:
        sentence_words: Word to row.
        description_words: Word to column.
        table: (rows, columns) float32, not negative.
    """

    def __init__(self, sentence_words: Mapping[str, int], description_words: Mapping[str, int], table: sparse.csr_matrix) -> None:
        self._sentence_words = dict(sentence_words)
        self._description_words = dict(description_words)
        self._table = table

    @classmethod
    def learn(cls, pairs: Iterable[tuple[MentionFacts, EntityFacts]]) -> Self:
        """Count mentions with their gold entities."""
        sentences: list[list[str]] = []
        descriptions: list[list[str]] = []
        for mention, entity in pairs:
            sentences.append(sorted(mention.telling))
            descriptions.append(sorted(word for word in entity.described if not word.isdigit()))
        rows, left = _occurrences(sentences, LEAST_IN_SENTENCES)
        columns, right = _occurrences(descriptions, LEAST_IN_DESCRIPTIONS)
        table = sparse.csr_matrix(left.T @ right, dtype=np.float32)
        expected = np.asarray(right.sum(axis=0)).ravel() / max(len(sentences), 1)
        # As exact as it is stored, so that a re-ranker gives what it gave when it was measured once it is read again.
        table.data = np.log1p(table.data / (SHRINKAGE * expected[table.indices])).astype(np.float16).astype(np.float32)
        return cls(rows, columns, table)

    def __len__(self) -> int:
        """Return how many pairs are known."""
        return int(self._table.nnz)

    def measure(self, mention: MentionFacts, entities: Sequence[EntityFacts]) -> npt.NDArray[np.float32]:
        """Return two figures for each entity, 0 where nothing is known: (entities, 2).

        The first is the sum over the sentence's words of their mean association with the description's words, the second the sum of their
        strongest associations, divided by the square root of the number of words.
        """
        found = np.zeros((len(entities), 2), np.float32)
        # Sets of words stand in another order in every process, and so would sums of floats.
        rows = sorted(self._sentence_words[word] for word in mention.telling if word in self._sentence_words)
        if not rows:
            return found
        known = self._description_words
        columns = [sorted(known[word] for word in entity.described if word in known) for entity in entities]
        counts = np.array([len(some) for some in columns])
        if not counts.any():
            return found
        # The columns of all candidates side by side: a few large operations instead of many small ones.
        part = self._dense(rows)[[column for some in columns for column in some]]
        some = np.flatnonzero(counts)
        starts = (np.cumsum(counts) - counts)[some]
        found[some, 0] = np.add.reduceat(part.sum(axis=1), starts) / counts[some]
        found[some, 1] = np.maximum.reduceat(part, starts, axis=0).sum(axis=1) / np.sqrt(len(rows))
        return found

    def _dense(self, rows: Sequence[int]) -> npt.NDArray[np.float32]:
        """Return the given rows of the table as columns: (description words, rows)."""
        block = np.zeros((self._table.shape[1], len(rows)), np.float32)
        indptr, indices, data = self._table.indptr, self._table.indices, self._table.data
        for place, row in enumerate(rows):
            part = slice(indptr[row], indptr[row + 1])
            block[indices[part], place] = data[part]
        return block

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the table as arrays, for a file."""
        return {
            "indptr": self._table.indptr.astype(np.int64),
            "indices": self._table.indices.astype(np.int32),
            "data": self._table.data.astype(np.float16),
        }

    def words(self) -> dict[str, list[str]]:
        """Return the words of rows and columns, in order."""
        return {"sentence": list(self._sentence_words), "description": list(self._description_words)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], words: Mapping[str, Sequence[str]]) -> Self:
        """Rebuild what ``arrays`` and ``words`` gave.

        Raises:
            KeyError: If a part is missing.
            ValueError: If the parts do not fit together.
        """
        rows, columns = ({word: place for place, word in enumerate(words[side])} for side in ("sentence", "description"))
        parts = (arrays["data"].astype(np.float32), arrays["indices"], arrays["indptr"])
        table = sparse.csr_matrix(parts, shape=(len(rows), len(columns)))
        table.check_format()
        return cls(rows, columns, table)


def _occurrences(texts: Sequence[Sequence[str]], least: int) -> tuple[dict[str, int], sparse.csr_matrix]:
    """Return the words that so many texts have, numbered in alphabetical order, and which text has which."""
    counts: dict[str, int] = {}
    for words in texts:
        for word in words:
            counts[word] = counts.get(word, 0) + 1
    known = {word: place for place, word in enumerate(sorted(word for word, count in counts.items() if count >= least))}
    numbers = [[known[word] for word in words if word in known] for words in texts]
    indptr = np.concatenate([[0], np.cumsum([len(one) for one in numbers])]).astype(np.int64)
    indices = np.array([number for one in numbers for number in one], np.int64)
    return known, sparse.csr_matrix((np.ones(len(indices), np.float32), indices, indptr), shape=(len(texts), len(known)))
