"""Take away a word of a mention, or a part of its picture, to see what it was good for."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np
from PIL import Image

from pgmel.records import Mention

__all__ = ["Word", "find_words", "leave_out", "paint_over", "split_words"]

# Chinese characters and Japanese kana stand for a word each, near enough: these scripts put no spaces between words.
_ALONE: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_JOINTS: Final = "'\u2019-.,"
_LONGEST_SIDE: Final = 512


class Word(NamedTuple):
    """A word of a mention, or of the sentence around it.

    Attributes:
        text: The word.
        place: ``mention`` or ``context``.
        start: Where it begins in the sentence; None for a word of a mention that does not stand there.
        end: Where it ends.
        inside: Where it begins and ends in the mention's surface; None for other words.
    """

    text: str
    place: Literal["mention", "context"]
    start: int | None
    end: int | None
    inside: tuple[int, int] | None = None


def split_words(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each word of a text begins and ends.

    Apostrophes, hyphens, full stops and commas between letters or digits belong to the word. Chinese characters and kana are words of one
    character, emoji and other signs too; punctuation is none.
    """
    start = None
    kinds = [_kind(sign) for sign in text] + [""]
    for place, kind in enumerate(kinds[:-1]):
        if start is not None and kind != "letter" and not (kind == "joint" and kinds[place - 1] == kinds[place + 1] == "letter"):
            yield start, place
            start = None
        if kind == "alone":
            yield place, place + 1
        elif kind == "letter" and start is None:
            start = place
    if start is not None:
        yield start, len(text)


def find_words(mention: Mention, most: int) -> list[Word]:
    """Return the words of a mention and of its sentence.

    Args:
        mention: The mention. Its place in the sentence is where its offsets say, if they mark it, else where it first occurs.
        most: Most words of the sentence beside those of the mention, from its beginning; encoders do not read to the end of long texts.
    """
    start = _locate(mention)
    words = []
    for first, last in islice(split_words(mention.surface), most):
        begin, end = (None, None) if start is None else (start + first, start + last)
        words.append(Word(mention.surface[first:last], "mention", begin, end, (first, last)))
    span = range(0) if start is None else range(start, start + len(mention.surface))
    others = ((first, last) for first, last in split_words(mention.context) if not (first < span.stop and last > span.start))
    return words + [Word(mention.context[first:last], "context", first, last) for first, last in islice(others, most)]


def leave_out(mention: Mention, word: Word) -> Mention:
    """Return the mention without a word, and without its picture; a word of the mention is left out of the sentence too."""
    surface, context, start = mention.surface, mention.context, _locate(mention)
    if word.start is not None and word.end is not None:
        context = f"{context[: word.start]} {context[word.end :]}"
        if start is not None and word.end <= start:
            start += 1 - (word.end - word.start)
    if word.inside is not None:
        surface = f"{surface[: word.inside[0]]} {surface[word.inside[1] :]}"
        if start is not None:
            start += len(surface) - len(surface.lstrip())
        surface = surface.strip()
    if start is None or not surface:
        return replace(mention, surface=surface, context=context, start=None, end=None, image=None)
    return replace(mention, surface=surface, context=context, start=start, end=start + len(surface), image=None)


def paint_over(picture: Image.Image, rows: int, columns: int, folder: Path) -> list[Path]:
    """Write a picture, and then once for each of its parts the same with that part painted over in the picture's mean colour.

    Args:
        picture: RGB; made smaller where it has more than 512 pixels a side.
        rows: Parts from top to bottom.
        columns: Parts from left to right.
        folder: Where the files go.

    Returns:
        The files: the whole picture, then row by row from the top left.
    """
    picture = picture.copy()
    picture.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    pixels = np.asarray(picture)
    colour = pixels.mean(axis=(0, 1)).round().astype(np.uint8)
    painted = [pixels]
    for tall in np.array_split(np.arange(pixels.shape[0]), rows):
        for wide in np.array_split(np.arange(pixels.shape[1]), columns):
            copy = pixels.copy()
            copy[np.ix_(tall, wide)] = colour
            painted.append(copy)
    paths = [folder / f"{number}.png" for number in range(len(painted))]
    for path, one in zip(paths, painted, strict=True):
        Image.fromarray(one).save(path, compress_level=1)
    return paths


def _kind(sign: str) -> str:
    if _ALONE.match(sign):
        return "alone"
    category = unicodedata.category(sign)
    # Vowel signs of Indic and Arabic scripts are marks (M), not letters, and yet inside words.
    if sign.isalnum() or category.startswith("M"):
        return "letter"
    if sign in _JOINTS:
        return "joint"
    return "alone" if category == "So" else ""


def _locate(mention: Mention) -> int | None:
    if not mention.surface:
        return None
    if mention.start is not None and mention.end is not None and mention.context[mention.start : mention.end] == mention.surface:
        return mention.start
    found = mention.context.find(mention.surface)
    return found if found >= 0 else None
