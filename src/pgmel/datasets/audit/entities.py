"""Entities that no text can tell apart."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

from pgmel.datasets.audit.findings import Found, Hit, Pair, linked
from pgmel.datasets.audit.words import normalise
from pgmel.records import Entity

__all__ = ["DuplicateCounts", "check_duplicates", "count_duplicates", "duplicate_groups", "folded_text", "text_of"]

NUM_EXAMPLES = 5


@dataclass(frozen=True)
class DuplicateCounts:
    """Entities that share name and text with another one: exactly, and (all those and more) but for case, spaces and punctuation.

    ``examples`` are ids of entities that are alike, with their name.
    """

    entities: int
    exact: int
    exact_groups: int
    folded: int
    folded_groups: int
    examples: tuple[tuple[str, tuple[str, ...]], ...]


def text_of(entity: Entity) -> Hashable:
    """Return name and description: what text channels read."""
    return entity.name, entity.description


def folded_text(entity: Entity) -> Hashable:
    """Return name and description without case, spaces and punctuation."""
    return normalise(entity.name), normalise(entity.description)


def duplicate_groups(entities: Iterable[Entity], key: Callable[[Entity], Hashable]) -> list[tuple[Entity, ...]]:
    """Return the entities that are alike, in groups of two or more."""
    groups: defaultdict[Hashable, list[Entity]] = defaultdict(list)
    for entity in entities:
        groups[key(entity)].append(entity)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def count_duplicates(entities: Iterable[Entity]) -> DuplicateCounts:
    """Count the duplicates of a knowledge base."""
    everything = list(entities)
    exact, folded = duplicate_groups(everything, text_of), duplicate_groups(everything, folded_text)
    examples = [(group[0].name, tuple(entity.id for entity in group)) for group in (exact or folded)[:NUM_EXAMPLES]]
    return DuplicateCounts(len(everything), sum(map(len, exact)), len(exact), sum(map(len, folded)), len(folded), tuple(examples))


def check_duplicates(pair: Pair) -> Found:
    """Find gold entities whose name and text another entity has too: whoever reads only text can but guess."""
    exact = _partners(pair.entities.values(), text_of)
    folded = _partners(pair.entities.values(), folded_text)
    for row, mention, gold in linked(pair.mentions):
        for kind, partners in (("duplicate_gold", exact), ("folded_duplicate_gold", folded)):
            if gold in partners:
                yield kind, Hit(row, partners[gold], f"{mention.surface}: {pair.entities[gold].name} ({gold})", gold)
                break


def _partners(entities: Iterable[Entity], key: Callable[[Entity], Hashable]) -> dict[str, str]:
    """Return for each entity that has a duplicate the id of one."""
    return {entity.id: group[1 if place == 0 else 0].id for group in duplicate_groups(entities, key) for place, entity in enumerate(group)}
