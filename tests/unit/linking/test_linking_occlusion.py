"""Words left out, and parts of pictures painted over."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pgmel.linking.occlusion import Word, find_words, leave_out, paint_over, split_words
from pgmel.pictures import open_picture
from pgmel.records import Mention


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("We, too, came back.", "We too came back"),
        ("O'Neill's well-known U.S. 1,000-year-old (sic!)", "O'Neill's well-known U.S 1,000-year-old sic"),
        ("- 'tis a dash -- here", "tis a dash here"),
        ("Congo\u2026 \u201cquoted\u201d 😀 ok😀", "Congo quoted 😀 ok 😀"),
        ("東京タワー in Tokyo", "東 京 タ ワ ー in Tokyo"),
        ("भारत की", "भारत की"),
        ("", ""),
        ("... !", ""),
    ],
)
def test_words(text: str, expected: str) -> None:
    assert [text[first:last] for first, last in split_words(text)] == expected.split()


@given(st.text())
def test_words_come_in_order_and_hold_no_space(text: str) -> None:
    spans = list(split_words(text))
    assert all(first < last for first, last in spans)
    assert all(one[1] <= other[0] for one, other in pairwise(spans))
    assert not any(sign.isspace() for first, last in spans for sign in text[first:last])
    assert sum(sign.isalnum() for sign in text) == sum(sign.isalnum() for first, last in spans for sign in text[first:last])


def test_words_of_the_mention_come_first_and_not_again() -> None:
    mention = Mention("m", "New York", "York, not New York, it was", 10, 18)
    assert find_words(mention, 9) == [
        Word("New", "mention", 10, 13, (0, 3)),
        Word("York", "mention", 14, 18, (4, 8)),
        Word("York", "context", 0, 4),
        Word("not", "context", 6, 9),
        Word("it", "context", 20, 22),
        Word("was", "context", 23, 26),
    ]


@pytest.mark.parametrize(("start", "end"), [(None, None), (0, 3), (9, 99)])
def test_a_mention_without_right_offsets_is_where_it_first_occurs(start: int | None, end: int | None) -> None:
    words = find_words(Mention("m", "Rome", "To Rome, Rome.", start, end), 9)
    assert [(word.text, word.place, word.start) for word in words] == [("Rome", "mention", 3), ("To", "context", 0), ("Rome", "context", 9)]


def test_a_mention_that_is_not_in_its_text_has_no_place() -> None:
    words = find_words(Mention("m", "Rome", "Paris"), 9)
    assert words == [Word("Rome", "mention", None, None, (0, 4)), Word("Paris", "context", 0, 5)]


def test_no_more_words_are_tried_than_asked_for() -> None:
    words = find_words(Mention("m", "a b c d", "1 2 3 4 5"), 3)
    assert "".join(word.text for word in words) == "abc123"


def test_a_word_of_the_mention_is_left_out_of_both() -> None:
    mention = Mention("m", "New York", "In New York again", 3, 11, image=Path("a.png"), entity_id="Q1")
    changed = leave_out(mention, find_words(mention, 9)[0])
    assert (changed.surface, changed.context.split(), changed.image) == ("York", ["In", "York", "again"], None)


def test_a_word_of_the_sentence_is_left_out_there_alone() -> None:
    mention = Mention("m", "York", "York is not New York", 16, 20)
    changed = leave_out(mention, Word("York", "context", 0, 4))
    assert (changed.surface, changed.context.split()) == ("York", ["is", "not", "New", "York"])


@given(st.lists(st.sampled_from(["Rome", "New York", "at", "is", "York,", "東京"]), min_size=1, max_size=6), st.data())
def test_the_place_of_the_mention_goes_along(words: list[str], data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(words) - 1))
    start = len(" ".join(words[:number])) + (number > 0)
    mention = Mention("m", words[number], " ".join(words), start, start + len(words[number]))
    for word in find_words(mention, 9):
        changed = leave_out(mention, word)
        if changed.start is not None:
            assert changed.context[changed.start : changed.end] == changed.surface != ""
            before = mention.context[:start]
            if word.place == "context" and word.start is not None and word.end is not None and word.end <= start:
                before = f"{before[: word.start]} {before[word.end :]}"
            assert changed.context[: changed.start].split() == before.split()
        else:
            assert changed.surface == ""


def test_each_part_is_painted_over_once(tmp_path: Path) -> None:
    picture = Image.new("RGB", (7, 5), "black")
    picture.putpixel((6, 4), (255, 255, 255))
    paths = paint_over(picture, 2, 3, tmp_path)
    whole, *parts = [np.asarray(open_picture(path)).astype(int) for path in paths]
    np.testing.assert_array_equal(whole, np.asarray(picture))
    assert len(parts) == 6
    changed = np.stack([(part != whole).any(axis=2) for part in parts])
    assert (changed.sum(axis=0) == 1).all(), "every pixel belongs to one part"
    assert changed[:, 0, 0].tolist() == [True, False, False, False, False, False]
    assert changed[:, 0, 6].tolist() == [False, False, True, False, False, False]
    assert changed[:, 4, 0].tolist() == [False, False, False, True, False, False]
    assert (parts[0][0, 0] == round(255 / 35)).all(), "in the mean colour"


def test_large_pictures_are_made_smaller_and_stay_as_they_were(tmp_path: Path) -> None:
    picture = Image.new("RGB", (2000, 1000), "red")
    sizes = {open_picture(path).size for path in paint_over(picture, 3, 3, tmp_path)}
    assert sizes == {(512, 256)}
    assert picture.size == (2000, 1000)


def test_tiny_pictures_have_parts_without_a_pixel(tmp_path: Path) -> None:
    assert len(paint_over(Image.new("RGB", (1, 2), "red"), 3, 3, tmp_path)) == 10
