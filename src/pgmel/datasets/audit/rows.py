"""Whole rows, records and gold entities that a split has in common with train."""

from collections.abc import Callable, Hashable, Sequence

from pgmel.datasets.audit.findings import Found, Hit, Pair, linked
from pgmel.datasets.audit.words import normalise
from pgmel.records import Mention

__all__ = ["check_golds", "check_records", "check_rows", "row_key"]


def row_key(mention: Mention) -> tuple[Hashable, ...]:
    """Return all that an annotator saw and said: text, sentence, picture and gold."""
    return mention.surface, mention.context, mention.image, mention.entity_id


def check_rows(pair: Pair) -> Found:
    """Find rows of train, and rows of train with another picture.

    Without its picture a row must have more of a sentence than the mention itself: the same word for the same entity is nothing odd.
    """
    rows = _first(pair.train, row_key)
    annotations = _first(pair.train, _annotation_key)
    for row, mention in enumerate(pair.mentions):
        if other := rows.get(row_key(mention)):
            yield "same_row", _hit(row, mention, other)
        elif normalise(mention.context) not in ("", normalise(mention.surface)) and (other := annotations.get(_annotation_key(mention))):
            yield "same_annotation", _hit(row, mention, other)


def check_records(pair: Pair) -> Found:
    """Find published ids that train has too.

    With the same sentence it is one record on both sides. With another one the publisher numbered each split anew, or used an id twice.
    """
    named = [(mention, published.record_id) for mention in pair.train if (published := pair.published.get(mention.id))]
    records: dict[str, dict[str, Mention]] = {}
    for mention, record_id in named:
        if record_id is not None:
            records.setdefault(record_id, {}).setdefault(normalise(mention.context), mention)
    for row, mention in enumerate(pair.mentions):
        published = pair.published.get(mention.id)
        if published is None or published.record_id not in records:
            continue
        sentences = records[published.record_id]
        other = sentences.get(normalise(mention.context))
        if other is not None:
            yield "same_record", Hit(row, other.id, f"id {published.record_id}", published.record_id)
        else:
            yield "reused_id", Hit(row, next(iter(sentences.values())).id, f"id {published.record_id}", published.record_id)


def check_golds(pair: Pair) -> Found:
    """Find gold entities that train has too, and mentions that are exactly the gold entity's name."""
    golds = {gold for _, _, gold in linked(pair.train)}
    for row, mention, gold in linked(pair.mentions):
        name = pair.entities[gold].name
        if gold in golds:
            yield "seen_gold", Hit(row, gold, name, gold)
        if mention.surface == name:
            yield "title", Hit(row, gold, name, gold)


def _annotation_key(mention: Mention) -> tuple[Hashable, ...]:
    return mention.surface, mention.context, mention.entity_id


def _first(mentions: Sequence[Mention], key: Callable[[Mention], Hashable]) -> dict[Hashable, Mention]:
    found: dict[Hashable, Mention] = {}
    for mention in mentions:
        found.setdefault(key(mention), mention)
    return found


def _hit(row: int, mention: Mention, other: Mention) -> Hit:
    return Hit(row, other.id, f"{mention.surface}: {mention.context}", (mention.surface, mention.context))
