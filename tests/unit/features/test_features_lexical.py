import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils import murmurhash3_32

from pgmel.features.lexical import LexicalHasher, fold


def slow_ngrams(text: str) -> list[str]:
    """Character n-grams of two to four inside word borders; a word shorter than n counts once, whole."""
    grams = []
    for word in fold(text).split():
        padded = f" {word} "
        for size in (2, 3, 4):
            if len(padded) <= size:
                grams.append(padded)
                break
            grams += [padded[i : i + size] for i in range(len(padded) - size + 1)]
    return grams


def slow_vector(text: str, dim: int) -> np.ndarray:
    counts: dict[int, int] = {}
    for gram in slow_ngrams(text):
        bucket = abs(murmurhash3_32(gram, seed=0)) % dim
        counts[bucket] = counts.get(bucket, 0) + 1
    vector = np.zeros(dim)
    for bucket, count in counts.items():
        vector[bucket] = 1 + math.log(count)
    length = math.sqrt(sum(vector**2))
    return vector / length if length else vector


@given(st.lists(st.text(max_size=12), max_size=4))
def test_vectors_equal_a_slow_count(texts: list[str]) -> None:
    expected = np.array([slow_vector(text, 64) for text in texts]).reshape(len(texts), 64)
    np.testing.assert_allclose(LexicalHasher(64).encode(texts).toarray(), expected, atol=1e-6)


@given(st.lists(st.text(max_size=20), min_size=1, max_size=5))
def test_rows_have_unit_length_or_are_empty(texts: list[str]) -> None:
    vectors = LexicalHasher(128).encode(texts)
    lengths = np.sqrt(np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel())
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(lengths, [1.0 if fold(text).split() else 0.0 for text in texts], atol=1e-6)


@pytest.mark.parametrize(("one", "other"), [("Zürich", "zurich"), ("STRASSE", "straße"), ("Ångström", "angstrom"), ("ﬁle", "file")])
def test_case_and_accents_do_not_count(one: str, other: str) -> None:
    hasher = LexicalHasher(512)
    assert (hasher.encode([one]) != hasher.encode([other])).nnz == 0


def test_a_typo_stays_nearer_than_another_name() -> None:
    vectors = LexicalHasher(4096).encode(["Micheal Jordon", "Michael Jordan", "Serena Williams"])
    similar = (vectors @ vectors.T).toarray()
    assert similar[0, 1] > 0.4 > 0.2 > similar[0, 2]


def test_word_order_hardly_matters() -> None:
    vectors = LexicalHasher(4096).encode(["Jordan Michael", "Michael Jordan"])
    assert (vectors @ vectors.T)[0, 1] == pytest.approx(1)


def test_no_text_gives_no_row() -> None:
    assert LexicalHasher(32).encode([]).shape == (0, 32)


def test_names_are_hashed_at_ten_thousand_a_second_or_more() -> None:
    names = [f"Somebody von Name-{number} the Elder" for number in range(5000)]
    hasher = LexicalHasher(4096)
    hasher.encode(["warm"])
    start = time.process_time()
    hasher.encode(names)
    assert time.process_time() - start < 2
