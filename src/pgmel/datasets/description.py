"""Count what a data set holds, and, at a first glance, what in it would make results look better than they are.

Everything here is computed from the records; ``pgmel.datasets.description_pictures`` looks at the picture files, and
``pgmel.datasets.audit`` compares splits in depth.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from pgmel.datasets.audit.entities import duplicate_groups, text_of
from pgmel.datasets.audit.names import tells
from pgmel.datasets.audit.rows import row_key
from pgmel.datasets.dataset import Dataset
from pgmel.records import NIL, Entity, Mention

__all__ = ["Description", "EntityCounts", "SplitCounts", "SplitOverlap", "describe_dataset"]


@dataclass(frozen=True)
class SplitCounts:
    """Counts over the mentions of one split.

    ``contexts`` are different sentences. ``unannotated`` mentions have no gold at all, ``nil`` ones have the gold "no entity"; the counts
    after them are over the others. ``titles`` are mentions whose text is exactly the gold entity's name. ``seen_gold_entities`` and
    ``seen_mentions`` are different gold entities, and mentions of such, that are gold in training too (0 for training itself).
    ``gold_in_candidates`` is over ``with_candidates``. ``telling_ids`` and ``telling_pictures`` are mentions whose id, or whose
    picture's file name, contains the gold entity's id: whoever reads it has the answer.
    """

    mentions: int
    contexts: int
    located: int
    with_picture: int
    unannotated: int
    nil: int
    gold_entities: int
    titles: int
    ambiguous: int
    seen_gold_entities: int
    seen_mentions: int
    with_candidates: int
    gold_in_candidates: int
    telling_ids: int
    telling_pictures: int

    @property
    def linked(self) -> int:
        """Mentions that have a gold entity."""
        return self.mentions - self.nil - self.unannotated


@dataclass(frozen=True)
class EntityCounts:
    """Counts over the knowledge base.

    ``sharing_name`` are entities whose name, in any case, another one has too; ``duplicates`` are those among them whose name and text are
    exactly another one's, so that no text can tell them apart; ``never_gold`` are entities that no mention links to.
    """

    entities: int
    described: int
    with_aliases: int
    with_attributes: int
    with_pictures: int
    nameless: int
    sharing_name: int
    duplicates: int
    never_gold: int


@dataclass(frozen=True)
class SplitOverlap:
    """What two splits have in common.

    The counts are mentions of the second split whose sentence, whose picture, or whose whole row (text, sentence, picture and gold) the
    first has too.
    """

    first: str
    second: str
    shared_contexts: int
    shared_pictures: int
    shared_rows: int


@dataclass(frozen=True)
class Description:
    """What ``describe_dataset`` counted.

    ``ambiguous_surfaces`` of all ``surfaces`` name several gold entities, over all splits. ``faults`` counts the records left out, by rule.
    """

    name: str
    layout: str
    splits: Mapping[str, SplitCounts]
    entities: EntityCounts
    surfaces: int
    ambiguous_surfaces: int
    overlaps: tuple[SplitOverlap, ...]
    faults: Mapping[str, int]
    notes: tuple[str, ...]


def describe_dataset(dataset: Dataset) -> Description:
    """Count a data set's records; derived splits, whose mentions are those of others, are left out."""
    published = dataset.published_splits
    everything = [mention for mentions in published.values() for mention in mentions]
    golds_of: defaultdict[str, set[str]] = defaultdict(set)
    for mention in everything:
        if isinstance(mention.entity_id, str):
            golds_of[mention.surface].add(mention.entity_id)
    ambiguous = {surface for surface, golds in golds_of.items() if len(golds) > 1}
    names = {entity.id: entity.name for entity in dataset.entities}
    seen = _golds(published.get("train", ()))
    splits = {
        split: _count_split(mentions, names, ambiguous, seen if split != "train" else frozenset()) for split, mentions in published.items()
    }
    return Description(
        name=dataset.name,
        layout=dataset.layout,
        splits=splits,
        entities=_count_entities(dataset.entities, _golds(everything)),
        surfaces=len(golds_of),
        ambiguous_surfaces=len(ambiguous),
        overlaps=tuple(_compare(first, second, published) for first, second in combinations(published, 2)),
        faults=Counter(fault.rule for fault in dataset.faults),
        notes=dataset.notes,
    )


def _golds(mentions: Iterable[Mention]) -> frozenset[str]:
    return frozenset(mention.entity_id for mention in mentions if isinstance(mention.entity_id, str))


def _count_split(mentions: Sequence[Mention], names: Mapping[str, str], ambiguous: set[str], seen: frozenset[str]) -> SplitCounts:
    linked = [(mention, mention.entity_id) for mention in mentions if isinstance(mention.entity_id, str)]
    golds = _golds(mentions)
    return SplitCounts(
        mentions=len(mentions),
        contexts=len({mention.context for mention in mentions}),
        located=sum(mention.start is not None for mention in mentions),
        with_picture=sum(mention.image is not None for mention in mentions),
        unannotated=sum(mention.entity_id is None for mention in mentions),
        nil=sum(mention.entity_id is NIL for mention in mentions),
        gold_entities=len(golds),
        titles=sum(mention.surface == names[gold] for mention, gold in linked),
        ambiguous=sum(mention.surface in ambiguous for mention, _ in linked),
        seen_gold_entities=len(golds & seen),
        seen_mentions=sum(gold in seen for _, gold in linked),
        with_candidates=sum(bool(mention.candidates) for mention, _ in linked),
        gold_in_candidates=sum(gold in mention.candidates for mention, gold in linked),
        telling_ids=sum(tells(mention.id, gold) for mention, gold in linked),
        telling_pictures=sum(mention.image is not None and tells(mention.image.stem, gold) for mention, gold in linked),
    )


def _count_entities(entities: Sequence[Entity], golds: frozenset[str]) -> EntityCounts:
    names = Counter(entity.name.casefold() for entity in entities)
    return EntityCounts(
        entities=len(entities),
        described=sum(bool(entity.description.strip()) for entity in entities),
        with_aliases=sum(bool(entity.aliases) for entity in entities),
        with_attributes=sum(bool(entity.attributes) for entity in entities),
        with_pictures=sum(bool(entity.images) for entity in entities),
        nameless=sum(not entity.name.strip() for entity in entities),
        sharing_name=sum(count for count in names.values() if count > 1),
        duplicates=sum(len(group) for group in duplicate_groups(entities, text_of)),
        never_gold=sum(entity.id not in golds for entity in entities),
    )


def _compare(first: str, second: str, splits: Mapping[str, Sequence[Mention]]) -> SplitOverlap:
    contexts = {mention.context for mention in splits[first]}
    pictures = {mention.image for mention in splits[first] if mention.image}
    rows = {row_key(mention) for mention in splits[first]}
    return SplitOverlap(
        first,
        second,
        shared_contexts=sum(bool(mention.context) and mention.context in contexts for mention in splits[second]),
        shared_pictures=sum(mention.image in pictures for mention in splits[second]),
        shared_rows=sum(row_key(mention) in rows for mention in splits[second]),
    )
