"""The lexical channel: hashed character n-grams, which see that "Micheal Jordon" is nearly "Michael Jordan" where a text model may not."""

import unicodedata
from collections.abc import Sequence
from typing import Any, Final, final

import numpy as np
from scipy import sparse

__all__ = ["NGRAMS", "LexicalHasher", "fold"]

NGRAMS: Final = (2, 4)
"""Shortest and longest n-gram; a word is padded with one space at either end, and no n-gram crosses a word's border."""


def fold(text: str) -> str:
    """Casefold a text and strip its accents (NFKD without combining marks)."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(mark for mark in decomposed if not unicodedata.combining(mark)).casefold()


@final
class LexicalHasher:
    """Turns texts into sparse unit vectors of hashed character n-grams.

    The counts are damped (1 + ln count) and not weighted by rarity: that needs a corpus, and belongs to the model.

    Args:
        dim: Buckets that the n-grams are hashed into.
    """

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self._vectorizer: Any = None

    @property
    def identity(self) -> dict[str, Any]:
        """Everything the vectors depend on."""
        return {"kind": "hashed-ngrams", "dim": self.dim, "ngrams": list(NGRAMS), "version": 1}

    def encode(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Return (texts, dim) float32 rows of unit length, without negative values; a text without any character gives a zero row."""
        if not texts:
            return sparse.csr_matrix((0, self.dim), dtype=np.float32)
        from sklearn.preprocessing import normalize

        counts = self._counter().transform(texts)
        counts.data = 1 + np.log(counts.data)
        return sparse.csr_matrix(normalize(counts, copy=False), dtype=np.float32)

    def _counter(self) -> Any:
        if self._vectorizer is None:
            from sklearn.feature_extraction.text import HashingVectorizer

            # Signs would let unlike n-grams cancel; without them every similarity stays between 0 and 1.
            self._vectorizer = HashingVectorizer(
                analyzer="char_wb",
                ngram_range=NGRAMS,
                n_features=self.dim,
                preprocessor=fold,
                norm=None,
                alternate_sign=False,
                dtype=np.float32,
            )
        return self._vectorizer
