"""Gather entities and mentions, and hold every one of them to the rules that all layouts share."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from pgmel.datasets.dataset import Published
from pgmel.datasets.faults import (
    DUPLICATE_ID,
    EMPTY_ID,
    EMPTY_SURFACE,
    RESERVED_ID,
    UNKNOWN_CANDIDATE,
    UNKNOWN_GOLD,
    UNKNOWN_SPLIT_ID,
    Faults,
    Place,
)
from pgmel.records import NIL, Entity, Mention, NilType

__all__ = ["EntityCollector", "MentionCollector", "assign_splits", "keep_known", "locate", "parse_gold"]


class EntityCollector:
    """Keeps entities in the order in which they come; ids must be given, unique and not ``NIL``."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._entities: list[Entity] = []
        self._places: dict[str, Place] = {}

    def add(self, entity: Entity, where: Place) -> None:
        """Keep an entity, or report why not."""
        if not entity.id.strip():
            self._faults.report(EMPTY_ID, where)
        elif entity.id in ("NIL", "nil"):
            self._faults.report(RESERVED_ID, where)
        elif entity.id in self._places:
            first = self._places[entity.id]
            self._faults.report(DUPLICATE_ID, where, f'id "{entity.id}", first at {_describe(first, where)}')
        else:
            self._places[entity.id] = where
            self._entities.append(entity)

    def __contains__(self, entity_id: str) -> bool:
        return entity_id in self._places

    @property
    def entities(self) -> tuple[Entity, ...]:
        """All entities kept."""
        return tuple(self._entities)

    @property
    def ids(self) -> dict[str, str]:
        """Every id mapped to itself, so that candidate lists share its text instead of holding copies."""
        return {entity.id: entity.id for entity in self._entities}


class MentionCollector:
    """Keeps mentions by split; ids must be given and unique, surfaces not empty, golds and candidates in the knowledge base.

    Args:
        ids: The knowledge base's ids, each mapped to itself.
        faults: Where broken rules are reported.
    """

    def __init__(self, ids: Mapping[str, str], faults: Faults) -> None:
        self._ids = ids
        self._faults = faults
        self._places: dict[str, Place] = {}
        self._splits: dict[str, list[Mention]] = {}
        self._published: dict[str, Published] = {}

    def open_split(self, split: str) -> None:
        """Have this split, even if no mention should come."""
        self._splits.setdefault(split, [])

    def add(self, split: str, mention: Mention, where: Place, published: Published | None = None) -> None:
        """Keep a mention, or report why not; a candidate that the knowledge base lacks is reported and left out alone.

        Args:
            split: Where it belongs.
            mention: The mention.
            where: Where its record stands.
            published: What the record says of itself.
        """
        if not mention.id.strip():
            self._faults.report(EMPTY_ID, where)
        elif mention.id in self._places:
            first = _describe(self._places[mention.id], where)
            self._faults.report(DUPLICATE_ID, where, f'id "{mention.id}", first at {first}')
        elif not mention.surface.strip():
            self._faults.report(EMPTY_SURFACE, where)
        elif isinstance(mention.entity_id, str) and mention.entity_id not in self._ids:
            self._faults.report(UNKNOWN_GOLD, where, f'id "{mention.entity_id}"')
        else:
            if mention.candidates:
                mention = replace(mention, candidates=keep_known(mention.candidates, self._ids, where, self._faults))
            self._places[mention.id] = where
            self._splits.setdefault(split, []).append(mention)
            if published is not None:
                self._published[mention.id] = published

    @property
    def published(self) -> dict[str, Published]:
        """What the records of the mentions kept say of themselves, by mention id."""
        return self._published

    @property
    def splits(self) -> dict[str, tuple[Mention, ...]]:
        """All mentions kept, by split; train, dev, test in this order."""
        return {split: tuple(self._splits[split]) for split in ("train", "dev", "test") if split in self._splits}


def keep_known(candidates: Sequence[str], ids: Mapping[str, str], where: Place, faults: Faults) -> tuple[str, ...]:
    """Return the candidates that the knowledge base has, and report the others.

    Args:
        candidates: Entity ids.
        ids: The knowledge base's ids, each mapped to itself.
        where: Where the list stands.
        faults: Where unknown ids are reported.
    """
    try:
        return tuple([ids[candidate] for candidate in candidates])
    except KeyError:
        for candidate in candidates:
            if candidate not in ids:
                faults.report(UNKNOWN_CANDIDATE, where, f'id "{candidate}"')
        return tuple([ids[candidate] for candidate in candidates if candidate in ids])


def locate(surface: str, context: str, start: object = None, end: object = None) -> tuple[int, int] | tuple[None, None]:
    """Return where a surface stands in its context.

    Given offsets are trusted where they enclose exactly the surface; otherwise the first exact occurrence counts.

    Returns:
        Character offsets, or None twice if the surface does not occur.
    """
    if isinstance(start, int) and isinstance(end, int) and start >= 0 and context[start:end] == surface:
        return start, end
    found = context.find(surface) if surface else -1
    return (found, found + len(surface)) if found >= 0 else (None, None)


def parse_gold(text: str) -> str | Literal[NilType.NIL]:
    """Return a gold id as published, where ``nil`` in any case means that no entity is meant."""
    return NIL if text.strip().lower() == "nil" else text


def assign_splits(
    named: Mapping[str, Sequence[str | int]], present: Mapping[str, object], where: Place, faults: Faults
) -> tuple[dict[str, list[str]], list[str]]:
    """Check a file that says which record belongs to which split.

    A split none of whose ids has a record was withheld by whoever passed the data on (test sets are, to keep them unseen): it is left out
    and noted. A single id without record is a fault.

    Args:
        named: Record ids by split, under pgmel's split names.
        present: The records that exist, by id; also those that were faulty.
        where: The file of the splits.
        faults: Where faults are reported.

    Returns:
        The ids to take, by split, and notes.
    """
    splits: dict[str, list[str]] = {}
    notes: list[str] = []
    for split, ids in named.items():
        texts = [str(item) for item in ids]
        if texts and not any(text in present for text in texts):
            notes.append(f"{split} was withheld: {where.file.name} names {len(texts):,} records for it, and none of them is there")
            continue
        taken: dict[str, None] = {}
        for text in texts:
            if text in taken:
                faults.report(DUPLICATE_ID, where, f'split "{split}", id "{text}"')
            elif text not in present:
                faults.report(UNKNOWN_SPLIT_ID, where, f'split "{split}", id "{text}"')
            else:
                taken[text] = None
        splits[split] = list(taken)
    assigned = {text for texts in splits.values() for text in texts}
    if unassigned := sum(text not in assigned for text in present):
        notes.append(f"{unassigned:,} records are in no split of {where.file.name}")
    return splits, notes


def _describe(first: Place, second: Place) -> str:
    return first.text if first.file == second.file else f"{first.file.name}, {first.text}"
