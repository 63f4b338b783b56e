"""Sentences that two splits share, and how sentences are compared."""

import random

import numpy as np
import pytest
from audit_data import compare, counts
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from pgmel.datasets.audit.near import NUM_NEIGHBOURS, near_sentences
from pgmel.datasets.audit.words import count_words, holds_words, normalise
from pgmel.records import NIL, Mention

DIX = "1983 U.S. commemorative stamp from the Great Americans series honoring Dix."
CLAY = "1983 U.S. commemorative stamp from the Great Americans series honoring Clay."


def mention(name: str, context: str, surface: str = "x", gold: object = "Q1") -> Mention:
    return Mention(name, surface, context, entity_id=gold)  # type: ignore[arg-type]


def find(ours: Mention, *train: Mention) -> dict[str, int]:
    found = counts(compare(list(train), [ours]), facts=True)
    return {name: count for name, count in found.items() if "sentence" in name or name in ("template", "short_text")}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The  Earl,\u00a0of—DERBY.", "the earl of derby"),
        ("Straße_und ﬁn", "strasse und fin"),
        ("हिन्दी, में", "हिन्दी में"),
        ("...", "..."),
        ("🎉 🎉", "🎉 🎉"),
        ("  ", ""),
    ],
)
def test_texts_are_compared_by_their_words(text: str, words: str) -> None:
    assert normalise(text) == words


@given(st.text())
def test_a_normalised_text_stays_as_it_is(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@pytest.mark.parametrize(("text", "count"), [("", 0), ("henry in 2011", 3), ("東京の夜", 4), ("東京 2020", 3)])
def test_counts_words_of_scripts_with_and_without_spaces(text: str, count: int) -> None:
    assert count_words(text) == count


@pytest.mark.parametrize(
    ("part", "inside"), [("new york", True), ("york", True), ("new", True), ("yor", False), ("w y", False), ("", False)]
)
def test_a_text_holds_whole_words(part: str, inside: bool) -> None:
    assert holds_words("in new york", part) is inside
    assert not holds_words("", part)


def test_the_same_sentence_is_found_whatever_it_is_about() -> None:
    ours = mention("a", "A ferry crosses the Congo.", "Congo", "Q1")
    assert find(ours, mention("b", "A ferry crosses the Congo.", "ferry", "Q2")) == {"same_sentence": 1}


def test_the_same_sentence_is_found_but_for_case_and_punctuation() -> None:
    assert find(mention("a", "A ferry crosses the Congo!"), mention("b", "a ferry  crosses the CONGO")) == {"folded_sentence": 1}


def test_one_sentence_counts_once_and_as_the_closest_kind() -> None:
    same, folded = mention("b", "A ferry crosses the Congo."), mention("c", "a ferry crosses the congo")
    assert find(mention("a", "A ferry crosses the Congo."), folded, same) == {"same_sentence": 1}


def test_a_short_text_shows_no_common_source() -> None:
    assert find(mention("a", "Henry in 2011"), mention("b", "henry in 2011.")) == {"short_text": 1}


def test_empty_sentences_are_not_shared() -> None:
    assert find(mention("a", ""), mention("b", ""), mention("c", " ")) == {}
    assert find(mention("a", " "), mention("b", "")) == {}


def test_a_sentence_that_differs_in_the_mention_comes_from_a_template() -> None:
    others = [mention(str(number), f"Sentence {word} about something else") for number, word in enumerate(("one", "two", "three"))]
    assert find(mention("a", DIX, "Dix", "Q1"), mention("b", CLAY, "Clay", "Q2"), *others) == {"template": 1}


def test_a_sentence_that_differs_elsewhere_is_nearly_the_same() -> None:
    assert find(mention("a", DIX, "Great Americans", "Q1"), mention("b", CLAY, "Clay", "Q2")) == {"near_sentence": 1}


def test_a_sentence_about_the_same_entity_is_nearly_the_same() -> None:
    assert find(mention("a", DIX, "Dix", "Q1"), mention("b", CLAY, "Clay", "Q1")) == {"near_sentence": 1}
    assert find(mention("a", DIX, "Dix", NIL), mention("b", CLAY, "Clay", NIL)) == {"template": 1}


def test_sentences_with_a_few_words_in_common_are_different() -> None:
    ours = mention("a", "Market day on the great square of Kinshasa", "Kinshasa")
    assert find(ours, mention("b", "Rain on the great square of Kinshasa in May", "Kinshasa")) == {}


def test_every_mention_of_a_shared_sentence_counts_and_the_sentence_once() -> None:
    train = [mention("t", "A ferry crosses the Congo.")]
    part = compare(train, [mention("a", "A ferry crosses the Congo."), mention("b", "A ferry crosses the Congo.", "ferry")])
    finding = part.findings["same_sentence"]
    assert (len(finding.hits), finding.items) == (2, 1)
    assert [hit.other for hit in finding.hits] == ["t", "t"]


@pytest.mark.parametrize("pairs", [7, 1 << 16])
def test_near_sentences_are_those_of_all_cosines(pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgmel.datasets.audit.near._PAIRS", pairs)
    rng = random.Random(3)
    words = ["".join(rng.choices("abcdefg", k=rng.randint(2, 7))) for _ in range(60)]
    theirs = [" ".join(rng.choices(words, weights=range(1, 61), k=rng.randint(3, 9))) for _ in range(300)]
    ours = []
    for sentence in rng.sample(theirs, 150):
        tokens = sentence.split()
        for _ in range(rng.randint(0, 2)):
            tokens[rng.randrange(len(tokens))] = rng.choice(words)
        rng.shuffle(tokens)
        ours.append(" ".join(tokens))
    vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(4, 4)).fit_transform(theirs + ours).toarray()
    cosines = vectors[len(theirs) :] @ vectors[: len(theirs)].T
    found = near_sentences(ours, theirs, 0.8, show_progress=False)
    slow = {row: set(np.flatnonzero(cosines[row] >= 0.8).tolist()) for row in range(len(ours)) if (cosines[row] >= 0.8).any()}
    assert {row: {other for other, _ in near} for row, near in found.items()} == slow
    assert len(slow) > 50
    for row, near in found.items():
        values = [value for _, value in near]
        assert values == sorted(values, reverse=True)
        np.testing.assert_allclose(values, cosines[row, [other for other, _ in near]], atol=1e-5)


def test_a_sentence_has_twenty_neighbours_at_most() -> None:
    theirs = [f"many old boats lay in the quiet harbour {number}" for number in range(60)]
    others = [f"{''.join(chr(97 + (number * step) % 26) for step in range(1, 9))} and more" for number in range(400)]
    found = near_sentences(["many old boats lay in the quiet harbour 7"], theirs + others, 0.75, show_progress=False)
    assert found[0][0] == (7, pytest.approx(1))
    assert len(found[0]) == NUM_NEIGHBOURS


def test_nothing_is_near_without_sentences() -> None:
    assert near_sentences([], ["one two three four"], show_progress=False) == {}
    assert near_sentences(["one two three four"], [], show_progress=False) == {}
