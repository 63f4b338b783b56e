"""The features by which candidates are ranked again: what name, neighbouring words, description and years of an entity say of a mention.

All of them are read from the texts of mention and entity alone, and from a table of words that training leaves behind. So they can be
computed for any knowledge base at any time, and an entity that was added or changed a moment ago is treated like all others. Two things
that suggest themselves are left out on purpose, since both betray whether training has seen an entity, and would favour those that it has:
how often an entity was meant in training, and the similarities of the frozen encoders beside the trained score.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from pgmel.linking.reranking.associations import WordAssociations
from pgmel.linking.reranking.facts import EntityFacts, MentionFacts
from pgmel.linking.reranking.slips import forgive_slips

__all__ = ["FEATURES", "GROUPS", "SLIPS", "pair_features"]

GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "name match": (
        "name_equal",  # the surface is the name
        "alias_equal",  # the surface is an alias
        "name_equal_qualified",  # the surface is the name but for a qualifier in brackets
        "name_part",  # all words of the surface stand in the name, among others
        "name_end",  # ... as its last words
        "name_start",  # ... as its first words
        "initials",  # a letter of the surface begins a word of the name
        "words_missing",  # share of the surface's words that the name lacks
        "no_word",  # none of them stands in the name
        "words_besides",  # how many other words the name has
        "words_slipped",  # share of the surface's words that are a slip away from one of the name's or of an alias's
        "any_slipped",  # whether one is
    ),
    "name in the sentence": (
        "besides_found",  # share of those other words that stand in the sentence
        "besides_any",  # whether one does
        "besides_count",  # how many, 3 at most
        "before_fits",  # the word right before the mention is one of them
        "before_strange",  # it begins with a capital letter and is none
        "after_fits",
        "after_strange",
        "qualifier_found",  # words of the qualifier in the sentence
    ),
    "description": (
        "described_count",  # words of the sentence in the description, outside the name
        "described_any",
        "described_long",  # those of seven characters or more: rarer words are longer
    ),
    "associations": (  # of the sentence's words with those of the description, learned in training
        "associated_mean",
        "associated_best",
    ),
    "pronouns": ("pronoun",),  # 1 if the sentence's pronouns fit the description, -1 if they do not
    "years": (
        "years_too_early",  # the sentence speaks of a year before the description's first
        "years_early",  # or within 16 years after it
        "years_within",  # all years of the sentence are later than that, and not after the last
        "years_after",  # there is a year after the description's last
        "years_far_after",  # or more than 80 after its only one
        "years_equal",  # a year stands in both
    ),
}
"""Group to its features; the groups are what an explanation names."""

FEATURES: Final = tuple(name for names in GROUPS.values() for name in names)

SLIPS: Final = ("words_slipped", "any_slipped")
"""Features that say something of misspelt names alone."""

_ASSOCIATED: Final = [FEATURES.index(name) for name in GROUPS["associations"]]

_CHILDHOOD: Final = 16
_LIFETIME: Final = 80
_LONG: Final = 7
_MOST: Final = 3


def pair_features(
    mention: MentionFacts, entities: Sequence[EntityFacts], associations: WordAssociations | None = None, forgiving: bool = True
) -> npt.NDArray[np.float32]:
    """Return the features of a mention with each of some entities: (entities, features), columns as in ``FEATURES``.

    Args:
        mention: The mention.
        entities: Its candidates.
        associations: Which words go together; without them these features are 0.
        forgiving: Whether words of the surface that are a slip away from a word of the name are read as that word.
    """
    rows = [_pair(mention, entity, forgiving) for entity in entities]
    found = np.array(rows, np.float32).reshape(len(entities), len(FEATURES))
    if associations is not None:
        found[:, _ASSOCIATED] = associations.measure(mention, entities)
    return found


def _pair(mention: MentionFacts, entity: EntityFacts, forgiving: bool) -> tuple[float, ...]:
    read, slips = forgive_slips(mention, entity) if forgiving else (mention, 0)
    slipped = (slips / max(len(mention.surface), 1), slips > 0)
    return (*_name(read, entity), *slipped, *_sentence(read, entity), *_description(mention, entity), *_years(mention, entity))


def _name(mention: MentionFacts, entity: EntityFacts) -> tuple[float, ...]:
    surface, words = mention.surface, mention.surface_set
    name, name_set = _nearest_name(mention, entity)
    equal = bool(surface) and surface == entity.name
    alias = not equal and bool(surface) and surface in entity.aliases
    part = bool(surface) and words <= name_set and surface != name
    missing = sum(word not in name_set for word in surface)
    short = [word for word in words if len(word) == 1]
    initials = bool(short) and any(word.startswith(letter) for letter in short for word in name_set - words)
    return (
        equal,
        alias,
        equal and bool(entity.qualifier),
        part,
        part and name[-len(surface) :] == surface,
        part and name[: len(surface)] == surface,
        initials,
        missing / max(len(surface), 1),
        bool(surface) and missing == len(surface),
        len(name_set - words),
    )


def _nearest_name(mention: MentionFacts, entity: EntityFacts) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the name, or the alias that has more words in common with the surface, and fewer others."""
    best, best_set = entity.name, entity.name_set
    if entity.aliases:
        shared = len(best_set & mention.surface_set)
        for alias in entity.aliases:
            alias_set = frozenset(alias)
            common = len(alias_set & mention.surface_set)
            if (common, -len(alias_set)) > (shared, -len(best_set)):
                best, best_set, shared = alias, alias_set, common
    return best, best_set


def _sentence(mention: MentionFacts, entity: EntityFacts) -> tuple[float, ...]:
    besides = entity.name_set - mention.surface_set
    found = len(besides & mention.around)
    return (
        found / max(len(besides), 1),
        found > 0,
        min(found, _MOST),
        mention.before in besides,
        mention.before_is_capital and mention.before not in entity.name_set,
        mention.after in besides,
        mention.after_is_capital and mention.after not in entity.name_set,
        len(entity.qualifier & mention.telling),
    )


def _description(mention: MentionFacts, entity: EntityFacts) -> tuple[float, ...]:
    shared = (mention.telling & entity.described) - entity.name_set
    return (len(shared), bool(shared), sum(len(word) >= _LONG for word in shared), 0.0, 0.0, mention.sex * entity.sex)


def _years(mention: MentionFacts, entity: EntityFacts) -> tuple[float, ...]:
    if entity.years is None or not mention.years:
        return (0.0,) * 6
    (first, last), earliest, latest = entity.years, min(mention.years), max(mention.years)
    end = last if last > first else first + _LIFETIME
    return (
        earliest < first,
        first <= earliest < first + _CHILDHOOD,
        first + _CHILDHOOD <= earliest and latest <= end,
        last > first and latest > last,
        last == first and latest > end,
        not entity.all_years.isdisjoint(mention.years),
    )
