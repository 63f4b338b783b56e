"""What the features read of a mention and of an entity: their words, years and pronouns, cut up once for all pairs that they are in."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

from pgmel.features.lexical import fold
from pgmel.features.years import find_years
from pgmel.records import Entity, Mention

__all__ = ["EntityFacts", "MentionFacts", "find_words"]

# Chinese characters and Japanese kana stand for a word each: these scripts put no spaces between words.
_WORD: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
_QUALIFIER: Final = re.compile(r"\s*\(([^()]*)\)\s*$")
_WORD_BEFORE: Final = re.compile(r"([^\W_]+)[.\s]*$")
_WORD_AFTER: Final = re.compile(r"\s*([^\W_]+)")

_FEMALE: Final = frozenset({"she", "her", "hers"})
_MALE: Final = frozenset({"he", "him", "his"})
_FEMALE_ENTITY: Final = _FEMALE | {"female", "woman"}
_MALE_ENTITY: Final = _MALE | {"male", "man"}

MAX_ALIASES: Final = 50
"""Aliases that are looked at, from the first; the time for an entity with hundreds of them stays bounded."""

LEAST_LETTERS: Final = 4
"""Letters of a name's word below which no slip is looked for: short words are one slip away from too many others."""


def find_words(text: str) -> list[str]:
    """Return the words of a text without case and accents."""
    return _WORD.findall(fold(text))


def _sex(words: frozenset[str], female: frozenset[str], male: frozenset[str]) -> int:
    """Return 1 if words speak of women only, -1 if of men only, else 0."""
    return int(not words.isdisjoint(female)) - int(not words.isdisjoint(male))


@final
@dataclass(frozen=True, slots=True)
class MentionFacts:
    """A mention, cut up.

    Attributes:
        surface: Words of the surface, in order.
        surface_set: The same as a set.
        around: Words of the sentence outside the mention.
        telling: Those of them that may occur in a description: three characters or more (or not Latin), and no number.
        before: The word right before the mention, without case and accents; "" for none.
        before_is_capital: Whether it begins with a capital letter.
        after: The word right after it.
        after_is_capital: Whether that begins with a capital letter.
        years: Years in the sentence.
        sex: 1 if the sentence's pronouns are female only, -1 if male only, else 0; English only.
    """

    surface: tuple[str, ...]
    surface_set: frozenset[str]
    around: frozenset[str]
    telling: frozenset[str]
    before: str
    before_is_capital: bool
    after: str
    after_is_capital: bool
    years: tuple[int, ...]
    sex: int

    @classmethod
    def of(cls, mention: Mention) -> "MentionFacts":
        """Cut a mention up; where it does not say its place in the sentence, the first occurrence of its surface is taken."""
        before, after = _surroundings(mention)
        surface = tuple(find_words(mention.surface))
        around = frozenset(find_words(before) + find_words(after))
        last, first = _WORD_BEFORE.search(before), _WORD_AFTER.match(after)
        return cls(
            surface=surface,
            surface_set=frozenset(surface),
            around=around,
            telling=_telling(around),
            before=fold(last[1]) if last else "",
            before_is_capital=bool(last and last[1][0].isupper()),
            after=fold(first[1]) if first else "",
            after_is_capital=bool(first and first[1][0].isupper()),
            years=tuple(find_years(mention.context)),
            sex=_sex(around, _FEMALE, _MALE),
        )


@final
@dataclass(frozen=True, slots=True)
class EntityFacts:
    """An entity, cut up.

    Attributes:
        name: Words of the name without a qualifier in brackets at its end, in order.
        name_set: The same as a set.
        aliases: The words of each alias, in order.
        qualifier: Words of the qualifier, as in "Mercury (planet)".
        described: Words of description and attributes.
        years: First and last year of the description; None where it has none.
        all_years: All of them.
        sex: 1 if the description speaks of a woman, -1 if of a man, else 0; English only.
        spelled: Words of name and aliases.
        long_words: Those of them that a slip is looked for in, in alphabetical order: letters only, four or more.
    """

    name: tuple[str, ...]
    name_set: frozenset[str]
    aliases: tuple[tuple[str, ...], ...]
    qualifier: frozenset[str]
    described: frozenset[str]
    years: tuple[int, int] | None
    all_years: frozenset[int]
    sex: int
    spelled: frozenset[str]
    long_words: tuple[str, ...]

    @classmethod
    def of(cls, entity: Entity) -> "EntityFacts":
        """Cut an entity up."""
        found = _QUALIFIER.search(entity.name)
        has_qualifier = found is not None and found.start() > 0
        name = tuple(find_words(entity.name[: found.start()] if found is not None and has_qualifier else entity.name))
        aliases = tuple(tuple(find_words(alias)) for alias in entity.aliases[:MAX_ALIASES])
        spelled = frozenset(name).union(*aliases)
        text = " ".join((entity.description, *entity.attributes.values()))
        described = frozenset(find_words(text))
        years = find_years(text)
        return cls(
            name=name,
            name_set=frozenset(name),
            aliases=aliases,
            qualifier=frozenset(find_words(found[1])) if found is not None and has_qualifier else frozenset(),
            described=described,
            years=(min(years), max(years)) if years else None,
            all_years=frozenset(years),
            sex=_sex(described, _FEMALE_ENTITY, _MALE_ENTITY),
            spelled=spelled,
            long_words=tuple(sorted(word for word in spelled if len(word) >= LEAST_LETTERS and word.isalpha())),
        )


def _surroundings(mention: Mention) -> tuple[str, str]:
    """Return the sentence before and after the mention."""
    context, surface = mention.context, mention.surface
    if mention.start is not None and mention.end is not None and context[mention.start : mention.end].strip():
        return context[: mention.start], context[mention.end :]
    place = context.find(surface) if surface else -1
    if place < 0 and surface:
        lowered = context.lower()
        place = lowered.find(surface.lower()) if len(lowered) == len(context) else -1
    return (context, "") if place < 0 else (context[:place], context[place + len(surface) :])


def _telling(words: Sequence[str] | frozenset[str]) -> frozenset[str]:
    return frozenset(word for word in words if (len(word) > 2 or not word.isascii()) and not word.isdigit())
