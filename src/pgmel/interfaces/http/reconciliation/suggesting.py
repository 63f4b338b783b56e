"""Suggestions while somebody types: entities by name, types and properties by name or id."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from pgmel.features.lexical import fold
from pgmel.interfaces.http.entities import Entities
from pgmel.interfaces.http.reconciliation.properties import Property
from pgmel.interfaces.http.reconciliation.types import Type
from pgmel.records import Entity

__all__ = ["suggest_entities", "suggest_named"]

Named = TypeVar("Named", Type, Property)


def suggest_entities(entities: Entities, prefix: str, skip: int, number: int) -> list[Entity]:
    """Return entities whose id is what was typed, or whose name fits it; nothing for an empty prefix.

    Args:
        entities: Where they are.
        prefix: What was typed.
        skip: How many of the best not to return.
        number: How many to return.
    """
    wanted = prefix.strip()
    if not wanted:
        return []
    found = [hit["entity_id"] for hit in entities.search(wanted, skip + number)]
    by_id = entities.records([wanted])
    ids = list(dict.fromkeys((*by_id, *found)))[skip : skip + number]
    records = entities.records(ids)
    return [records[entity_id] for entity_id in ids if entity_id in records]


def suggest_named(known: Iterable[Named], prefix: str, skip: int, number: int) -> Sequence[Named]:
    """Return types or properties whose id or name is what was typed, begins so, or has a word that begins so, in this order.

    Args:
        known: All there are, the best first.
        prefix: What was typed; nothing fits all.
        skip: How many of the best not to return.
        number: How many to return.
    """
    wanted = " ".join(fold(prefix).split())
    ranks: tuple[Callable[[str], bool], ...] = (
        lambda text: text == wanted,
        lambda text: text.startswith(wanted),
        lambda text: f" {wanted}" in text,
    )
    levels: list[list[Named]] = [[] for _ in ranks]
    for one in known:
        texts = (fold(one.id), fold(one.name))
        level = next((level for level, fits in enumerate(ranks) if any(map(fits, texts))), None)
        if level is not None:
            levels[level].append(one)
    return [one for level in levels for one in level][skip : skip + number]
