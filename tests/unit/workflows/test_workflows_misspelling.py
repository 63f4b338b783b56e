"""Misspelt copies of mentions."""

import numpy as np
import pytest

from pgmel.records import Mention
from pgmel.workflows.misspelling import misspell

MENTION = Mention("m", "Bert Lee", "Then Bert Lee sang.", 5, 13, entity_id="e")


def many(mention: Mention, count: int = 400) -> list[Mention]:
    made = [misspell(mention, np.random.default_rng(seed)) for seed in range(count)]
    return [one for one in made if one is not None]


def test_surface_and_sentence_have_the_same_slip() -> None:
    for made in many(MENTION):
        assert made.surface != MENTION.surface
        assert made.context == f"Then {made.surface} sang."
        assert (made.id, made.entity_id, made.start, made.end) == ("m", "e", None, None)


def test_all_four_kinds_come_about_equally_often() -> None:
    made = [one.surface for one in many(MENTION)]
    assert len(made) > 350
    longer, shorter = (sum(len(one) == 8 + step for one in made) for step in (1, -1))
    same = [one for one in made if len(one) == 8]
    exchanged = sum(sorted(one) == sorted("Bert Lee") for one in same)
    assert all(60 < count < 140 for count in (longer, shorter, exchanged, len(same) - exchanged))


def one_slip(surface: str) -> set[str]:
    """All that one slip makes of a surface, by hand: neighbours exchanged, a letter missing, added, or another one."""
    letters = set(surface.lower()) | set(surface)
    places = range(len(surface))
    exchanged = {surface[:i] + surface[i + 1] + surface[i] + surface[i + 2 :] for i in places[:-1]}
    missing = {surface[:i] + surface[i + 1 :] for i in places}
    added = {surface[:i] + letter + surface[i:] for i in places for letter in letters}
    others = {surface[:i] + letter + surface[i + 1 :] for i in places for letter in letters}
    return (exchanged | missing | added | others) - {surface}


def test_a_slip_is_one_letter() -> None:
    made = {one.surface for one in many(MENTION)}
    assert made <= one_slip(MENTION.surface)
    assert {one.count(" ") for one in made} == {1}


def test_other_words_of_the_sentence_stay() -> None:
    text = "Anna and Annabel met Anna"
    placed, unplaced = Mention("m", "Anna", text, 21, 25), Mention("m", "Anna", text)
    assert {one.context for one in many(placed)} == {f"Anna and Annabel met {one.surface}" for one in many(placed)}
    assert {one.context for one in many(unplaced)} == {f"{one.surface} and Annabel met {one.surface}" for one in many(unplaced)}


@pytest.mark.parametrize("surface", ["", "Li", "R2D", "東京"])
def test_what_is_too_short_stays(surface: str) -> None:
    assert misspell(Mention("m", surface, surface), np.random.default_rng(0)) is None


def test_a_name_of_one_letter_has_few_slips_and_never_none() -> None:
    assert {one.surface for one in many(Mention("m", "aaaa", "aaaa"))} == {"aaa", "aaaaa"}
