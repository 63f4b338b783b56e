"""Sentences around a mention, built from frames that no two splits share."""

import re
from collections.abc import Sequence
from typing import Final, Literal, final

import numpy as np

from pgmel.datasets.demo.gazetteer import Place, read_data

__all__ = ["SentenceBook", "TextKind", "add_article"]

TextKind = Literal["plain", "region", "capital", "clue"]

_TRIES: Final = 200
_NAMES_WITH_ARTICLE: Final = {
    "Bahamas", "Basque Country", "Cretan State", "Danish West Indies", "French Basque Country", "French State", "GDR", "Kurdistan Region",
    "Maldives", "Netherlands", "Philippines", "Rhine Province", "Rhineland", "Sahara", "Seychelles", "Transvaal", "Western Sahara",
}  # fmt: skip
_WORDS_WITH_ARTICLE: Final = re.compile(
    r"\b(Colony|Commonwealth|Condominium|Confederation|Dominion|Duchy|Emirates|Empire|Federation|Free State|Islands|Jamahiriya|Kingdom|Line"
    r"|Principalities|Raj|Republic|States|Sultanate|Territory|Union|Voivodeship)\b"
    r"|^(Bailiwick|Canton|Community|District|Province|Region|State) of "
)


def add_article(name: str) -> str:
    """Put "the" before a name where English wants it."""
    wants = name in _NAMES_WITH_ARTICLE or _WORDS_WITH_ARTICLE.search(name)
    return f"the {name}" if wants else name


@final
class SentenceBook:
    """Writes sentences for one split and never the same one twice.

    Args:
        split: ``train``, ``dev`` or ``test``.
        taken: Sentences already used anywhere; the book adds its own to it.
    """

    def __init__(self, split: str, taken: set[str]) -> None:
        data = read_data("sentences.toml")
        self._frames: dict[TextKind, list[str]] = data[split]
        self._fillers: dict[str, Sequence[str]] = {slot: data[slot] for slot in ("who", "when", "thing")}
        self._taken = taken

    def write(self, place: Place, surface: str, kind: TextKind, rng: np.random.Generator) -> tuple[str, int]:
        """Write a sentence.

        Returns:
            The sentence, and where the surface starts in it.

        Raises:
            RuntimeError: If every sentence of this kind seems to be taken.
        """
        for _ in range(_TRIES):
            frame = str(rng.choice(self._frames[kind]))
            slots = {slot: str(rng.choice(words)) for slot, words in self._fillers.items()}
            slots |= {"place": place.region, "a_kind": _add_indefinite(place.kind), "capital": place.capital, "clue": place.clue}
            before, after = (part.format(**slots) for part in frame.split("{m}", 1))
            before += add_article(surface).removesuffix(surface)
            before, after = _capitalise(before, at_start=True), _capitalise(after, at_start=False)
            sentence = f"{before}{surface}{after}"
            if sentence not in self._taken:
                self._taken.add(sentence)
                return sentence, len(before)
        raise RuntimeError(f"no unused {kind} sentence is left for {surface}")


def _capitalise(text: str, at_start: bool) -> str:
    text = text[:1].upper() + text[1:] if at_start else text
    return re.sub(r"([.!?] )([a-z])", lambda match: match[1] + match[2].upper(), text)


def _add_indefinite(kind: str) -> str:
    return f"{'an' if kind[0].lower() in 'aeio' else 'a'} {kind}"
