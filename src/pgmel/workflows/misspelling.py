"""Misspell mentions as people do, so that the second stage learns what a misspelt name looks like."""

import re
from dataclasses import replace
from typing import Final

import numpy as np

from pgmel.records import Mention

__all__ = ["misspell"]

_LEAST_LETTERS: Final = 4
_TRIES: Final = 10


def misspell(mention: Mention, rng: np.random.Generator) -> Mention | None:
    """Return a mention with one slip in its surface, in its sentence too; None where it is too short or has no place for the slip.

    The slip is one of four, equally likely: two neighbouring letters are exchanged, a letter is missing, stands twice, or is another one
    of the surface.

    Args:
        mention: Its surface should stand in its sentence.
        rng: Draws kind and place.

    Source: the kinds are those of Damerau 1964.
    """
    surface = mention.surface
    letters = [place for place, sign in enumerate(surface) if sign.isalpha()]
    if len(letters) < _LEAST_LETTERS:
        return None
    kind = int(rng.integers(4))
    for _ in range(_TRIES):
        place, other = (int(letters[rng.integers(len(letters))]) for _ in range(2))
        wrong = _slip(surface, kind, place, other)
        if wrong != surface:
            return replace(mention, surface=wrong, context=_in_context(mention, wrong), start=None, end=None)
    return None


def _in_context(mention: Mention, wrong: str) -> str:
    """Misspell the mention in its sentence: where it stands, or where that is not known, wherever its words stand by themselves."""
    if mention.start is not None and mention.end is not None:
        return mention.context[: mention.start] + wrong + mention.context[mention.end :]
    return re.sub(rf"(?<!\w){re.escape(mention.surface)}(?!\w)", lambda _: wrong, mention.context)


def _slip(surface: str, kind: int, place: int, other: int) -> str:
    before, letter, after = surface[:place], surface[place], surface[place + 1 :]
    if kind == 0:
        return before + after[0] + letter + after[1:] if after[:1].isalpha() else surface
    middle = ("", letter * 2, surface[other].lower() if surface[other].lower() != letter.lower() else letter)[kind - 1]
    return before + middle + after
