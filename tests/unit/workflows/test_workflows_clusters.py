"""Mentions that share a sentence or a picture belong together."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pgmel.records import Mention
from pgmel.workflows.clusters import PLACEHOLDER, number_clusters


def mention(place: int, context: str = "", image: str = "") -> Mention:
    return Mention(str(place), "x", context, image=Path(image) if image else None)


def made(*pairs: tuple[str, str]) -> list[Mention]:
    return [mention(place, *pair) for place, pair in enumerate(pairs)]


def test_a_sentence_joins_its_mentions() -> None:
    assert number_clusters(made(("a", ""), ("b", ""), ("a", ""))) == [0, 1, 0]


def test_a_picture_joins_its_mentions() -> None:
    assert number_clusters(made(("a", "1.png"), ("b", "2.png"), ("c", "1.png"))) == [0, 1, 0]


def test_a_chain_of_sentences_and_pictures_joins() -> None:
    assert number_clusters(made(("a", "1.png"), ("b", "2.png"), ("b", "1.png"))) == [0, 0, 0]


def test_mentions_with_neither_stand_alone() -> None:
    assert number_clusters(made(("", ""), ("", ""), ("", "1.png"), ("a", ""))) == [0, 1, 2, 3]


def test_a_sentence_and_a_picture_of_the_same_text_are_two_things() -> None:
    assert number_clusters(made(("same", ""), ("", "same"))) == [0, 1]


def test_a_placeholder_joins_none() -> None:
    logo = made(*((str(place), "logo.png") for place in range(PLACEHOLDER)))
    assert number_clusters(logo) == [0] * PLACEHOLDER
    assert number_clusters([*logo, *made(("other", "logo.png"))]) == list(range(PLACEHOLDER + 1))


def test_no_mentions_have_no_clusters() -> None:
    assert number_clusters([]) == []


@given(st.lists(st.tuples(st.sampled_from(["", "a", "b", "c", "d"]), st.sampled_from(["", "1", "2", "3", "4"])), max_size=12))
def test_as_a_slow_search_finds_them(pairs: list[tuple[str, str]]) -> None:
    mentions = made(*pairs)
    slow = list(range(len(pairs)))
    for _ in pairs:
        for a, one in enumerate(pairs):
            for b, other in enumerate(pairs):
                if any(x and x == y for x, y in zip(one, other, strict=True)):
                    slow[a] = slow[b] = min(slow[a], slow[b])
    found = number_clusters(mentions)
    assert [[x == y for y in found] for x in found] == [[x == y for y in slow] for x in slow]
    assert list(dict.fromkeys(found)) == list(range(len(set(found))))
