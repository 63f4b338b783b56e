"""Count a data set's picture files: which are missing or broken, and which show the answer.

A mention whose picture is nearly the one of its own gold entity is linked by recognising a file, not by understanding it;
``pgmel.datasets.picture_files`` says when two pictures are.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pgmel.datasets.dataset import Dataset
from pgmel.datasets.picture_files import PictureLook, are_twins, look_at_pictures

__all__ = ["PictureCounts", "PictureDescription", "describe_pictures"]

NUM_EXAMPLES = 5


@dataclass(frozen=True)
class PictureCounts:
    """Counts over different files: ``named`` in the records, ``usable``, and the rest by fault (``missing``, ``broken`` and so on)."""

    named: int
    usable: int
    faults: Mapping[str, int]
    examples: tuple[str, ...]


@dataclass(frozen=True)
class PictureDescription:
    """What ``describe_pictures`` found.

    By split, ``usable`` counts mentions whose picture can be opened, ``twins`` those whose picture is nearly one of the gold entity's.
    """

    mentions: PictureCounts
    entities: PictureCounts
    usable: Mapping[str, int]
    twins: Mapping[str, int]


def describe_pictures(dataset: Dataset, show_progress: bool = True) -> PictureDescription:
    """Open every picture that a data set names, once each, on all cores."""
    splits = dataset.published_splits
    of_mentions = dict.fromkeys(mention.image for mentions in splits.values() for mention in mentions if mention.image)
    of_entities = dict.fromkeys(image for entity in dataset.entities for image in entity.images)
    looks = look_at_pictures([*of_mentions, *of_entities], show_progress)
    usable = {
        split: sum(mention.image is not None and looks[mention.image].fault is None for mention in mentions)
        for split, mentions in splits.items()
    }
    return PictureDescription(_count(of_mentions, looks), _count(of_entities, looks), usable, _count_twins(dataset, looks))


def _count(paths: Iterable[Path], looks: Mapping[Path, PictureLook]) -> PictureCounts:
    kinds: Counter[str] = Counter()
    examples: list[str] = []
    named = 0
    for path in paths:
        named += 1
        look = looks[path]
        if look.fault is None:
            continue
        kinds[look.fault] += 1
        if look.fault != "missing" and len(examples) < NUM_EXAMPLES:
            examples.append(f"{path}: {look.reason}")
    return PictureCounts(named, named - kinds.total(), dict(sorted(kinds.items())), tuple(examples))


def _count_twins(dataset: Dataset, looks: Mapping[Path, PictureLook]) -> dict[str, int]:
    images = {entity.id: entity.images for entity in dataset.entities}
    return {
        split: sum(
            mention.image is not None
            and isinstance(mention.entity_id, str)
            and any(are_twins(looks[mention.image], looks[image]) for image in images[mention.entity_id])
            for mention in mentions
        )
        for split, mentions in dataset.published_splits.items()
    }
