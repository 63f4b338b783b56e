"""What names are compared by: character 3-grams within words, the first letter of each word, and the initials.

Order of words, case, accents and punctuation do not count; a slip spoils at most three n-grams. The first letters make "J. F. Kennedy" more
like "John Fitzgerald Kennedy" than like other Kennedys; the initials are what "JFK" shares with him.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from scipy import sparse

from pgmel.features.lexical import fold

__all__ = ["NUM_BUCKETS", "count_grams", "name_grams", "name_words"]

NUM_BUCKETS: Final = 1 << 18
"""Buckets that n-grams are hashed into; a change makes stored indexes unreadable."""

_WORD: Final = re.compile(r"[^\W_]+")
_MOST_INITIALS: Final = 6


def name_words(text: str) -> tuple[str, ...]:
    """Return the words of a name, folded; of a name without a letter or digit, what stands between its spaces."""
    folded = fold(text)
    return tuple(_WORD.findall(folded) or folded.split())


def name_grams(words: Sequence[str], unfinished: bool = False) -> list[str]:
    """Return what a name is compared by.

    Args:
        words: From ``name_words``.
        unfinished: Whether the last word may go on, as while somebody types.
    """
    grams: list[str] = []
    for word in words:
        padded = f" {word} "
        grams.append(padded[:2])
        grams += [padded[start : start + 3] for start in range(len(padded) - 2)]
    if unfinished or not words:
        return grams[:-1]
    initials = sorted(words[0] if len(words) == 1 else [word[0] for word in words])
    return [*grams, "=" + "".join(initials)] if 0 < len(initials) <= _MOST_INITIALS else grams


def count_grams(names: Sequence[Sequence[str]], unfinished: bool = False) -> sparse.csr_matrix:
    """Return (names, buckets), 1 where a name has an n-gram of that bucket, 8-bit integers, buckets in rising order.

    Args:
        names: The words of each name; none is empty.
        unfinished: As ``name_grams``.
    """
    if not names:
        return sparse.csr_matrix((0, NUM_BUCKETS), dtype=np.int8)
    from sklearn.feature_extraction.text import HashingVectorizer

    how: dict[str, Any] = {"n_features": NUM_BUCKETS, "norm": None, "alternate_sign": False, "binary": True, "dtype": np.float32}
    counted = HashingVectorizer(analyzer=lambda words: name_grams(words, unfinished), **how).transform(names)
    counted.sort_indices()
    return sparse.csr_matrix(counted, dtype=np.int8)
