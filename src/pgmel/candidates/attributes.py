"""What the records of entities say, as sparse rows: character n-grams of names, words of descriptions, sets of attributes."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from scipy import sparse

from pgmel.features.lexical import NGRAMS, fold
from pgmel.features.texts import entity_lexical
from pgmel.records import Entity

__all__ = ["attribute_items", "attribute_sets", "description_words", "name_ngrams"]

_SENTENCE = re.compile(r"[;\n]|\.(?:\s|$)")
_WORD = re.compile(r"\w+")
_KEY_WORDS = 3


def name_ngrams(entities: Sequence[Entity]) -> sparse.csr_matrix:
    """Return unit rows of TF-IDF weighted character n-grams of each entity's name and aliases."""
    return _weighted(entities, analyzer="char_wb", ngram_range=NGRAMS, preprocessor=lambda entity: fold(entity_lexical(entity)))


def description_words(entities: Sequence[Entity]) -> sparse.csr_matrix:
    """Return unit rows of TF-IDF weighted words of each entity's description and attributes; without any, a row of zeros."""
    return _weighted(entities, preprocessor=lambda entity: fold(" ".join((entity.description, *entity.attributes.values()))))


def attribute_sets(entities: Sequence[Entity]) -> sparse.csr_matrix:
    """Return rows of zeros and ones: which of all attributes each entity has, see :func:`attribute_items`."""
    from sklearn.feature_extraction.text import CountVectorizer

    return _fitted(CountVectorizer(analyzer=_as_list(attribute_items), binary=True, dtype=np.float32), entities)


def attribute_items(entity: Entity) -> Iterator[str]:
    """Yield an entity's attributes as texts that are equal where the attributes are; without attributes, what its description lists.

    A description such as ``Sex: male. Birth: 1900, Erie.`` lists attributes; each value after a key of at most three words is one. Of
    any other text, every word is one.
    """
    if entity.attributes:
        for key, values in entity.attributes.items():
            yield from _values(key, values)
        return
    for part in _SENTENCE.split(entity.description):
        key, colon, values = part.partition(":")
        if colon and len(key.split()) <= _KEY_WORDS and not key[-1:].isdigit():
            yield from _values(key, values)
        else:
            yield from _WORD.findall(fold(part))


def _values(key: str, values: str) -> Iterator[str]:
    yield from (f"{fold(key.strip())}: {fold(value.strip())}" for value in values.split(",") if value.strip())


def _weighted(entities: Sequence[Entity], **how: Any) -> sparse.csr_matrix:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return _fitted(TfidfVectorizer(sublinear_tf=True, dtype=np.float32, **how), entities)


def _fitted(vectorizer: Any, entities: Sequence[Entity]) -> sparse.csr_matrix:
    try:
        return sparse.csr_matrix(vectorizer.fit_transform(entities))
    except ValueError as error:
        if "empty vocabulary" not in str(error):
            raise
        return sparse.csr_matrix((len(entities), 1), dtype=np.float32)


def _as_list(items: Callable[[Entity], Iterator[str]]) -> Callable[[Entity], list[str]]:
    return lambda entity: list(items(entity))
