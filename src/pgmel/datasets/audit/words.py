"""Compare texts as people do: without case, punctuation and the width of spaces."""

import re
import unicodedata

__all__ = ["count_words", "holds_words", "normalise"]

_NO_WORD = re.compile(r"[\W_]+")
# Chinese characters and Japanese kana stand for a word each, near enough: these scripts put no spaces between words.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\s\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")


def normalise(text: str) -> str:
    """Return a text's words in lower case with one space between them: Unicode NFKC, case folded, everything else out.

    A text without any letter or digit (an emoji, a full stop) keeps its signs, so that not all such texts become one.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    if folded.isascii():
        words = _NO_WORD.sub(" ", folded).strip()
    else:
        words = " ".join("".join(sign if _belongs_to_a_word(sign) else " " for sign in folded).split())
    return words or " ".join(folded.split())


def count_words(text: str) -> int:
    """Count the words of a normalised text."""
    return len(_WORD.findall(text))


def holds_words(text: str, part: str) -> bool:
    """Whether one normalised text stands in another as whole words."""
    return bool(part) and f" {part} " in f" {text} "


def _belongs_to_a_word(sign: str) -> bool:
    # Vowel signs of Indic and Arabic scripts are marks (M), not letters, and yet inside words.
    return sign.isalnum() or unicodedata.category(sign).startswith("M")
