"""Slips of the pen: a word of the surface that is one letter away from a word of the name is read as that word.

So a misspelt mention is compared with each candidate as if it were spelt as that candidate is; how many words had to be read so is a
feature of its own.
"""

from dataclasses import replace
from typing import Final

from pgmel.linking.reranking.facts import EntityFacts, MentionFacts

__all__ = ["forgive_slips", "is_one_slip_away"]

_LEAST_WRITTEN: Final = 3
"""Letters of a word of the surface; a letter may be missing in it."""


def is_one_slip_away(word: str, other: str) -> bool:
    """Return whether two different words differ by one letter: missing, too many, another one, or exchanged with its neighbour.

    Words of which one is the other with a letter more at its end are not: "Greek" and "Greeks" are different names more often than one
    misspelt name.

    Source: Damerau 1964, where these four are some 80 % of all misspellings.
    """
    if abs(len(word) - len(other)) > 1 or word.startswith(other) or other.startswith(word):
        return False
    place = next(place for place, (one, two) in enumerate(zip(word, other, strict=False)) if one != two)
    rest, other_rest = word[place:], other[place:]
    if len(rest) != len(other_rest):
        return rest[1:] == other_rest or rest == other_rest[1:]
    return rest[1:] == other_rest[1:] or (rest[:2] == other_rest[1::-1] and rest[2:] == other_rest[2:])


def forgive_slips(mention: MentionFacts, entity: EntityFacts) -> tuple[MentionFacts, int]:
    """Return the mention with the words of its surface read as the entity spells them, and how many were read otherwise than they stand.

    A word that the entity's name or an alias has stays as it is. Of several words that are a slip away the first in alphabetical order is
    taken; one that stands in the surface anyway is not.
    """
    spelled = entity.spelled
    strange = [
        place for place, word in enumerate(mention.surface) if len(word) >= _LEAST_WRITTEN and word not in spelled and word.isalpha()
    ]
    surface, slips = list(mention.surface), 0
    for place in strange:
        word = surface[place]
        meant = next((other for other in entity.long_words if is_one_slip_away(word, other)), None)
        if meant is not None and meant not in mention.surface_set:
            surface[place] = meant
            slips += 1
    if not slips:
        return mention, 0
    return replace(mention, surface=tuple(surface), surface_set=frozenset(surface)), slips
