"""Look at a data set's picture files: which are missing or broken, and which show the answer.

A mention whose picture is nearly the one of its own gold entity is linked by recognising a file, not by understanding it. Nearness is the
Hamming distance of 64-bit perceptual hashes (the signs of an 8 x 8 block of the cosine transform against their median).
"""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pgmel.datasets.dataset import Dataset
from pgmel.progress import progress_bar

__all__ = ["TWIN_DISTANCE", "PictureAudit", "PictureCounts", "audit_pictures", "picture_hash"]

TWIN_DISTANCE = 4
"""Most differing bits of two pictures that count as the same."""

NUM_EXAMPLES = 5

_BATCH = 1024

# The first 8 of 32 rows of the orthonormal cosine transform.
_COSINES = np.cos(np.pi / 32 * np.arange(8)[:, None] * (np.arange(32) + 0.5)) * np.sqrt(np.where(np.arange(8) == 0, 1, 2) / 32)[:, None]


@dataclass(frozen=True)
class PictureCounts:
    """Counts over different files: ``named`` in the records, ``usable``, and the rest by fault (``missing``, ``broken`` and so on)."""

    named: int
    usable: int
    faults: Mapping[str, int]
    examples: tuple[str, ...]


@dataclass(frozen=True)
class PictureAudit:
    """What ``audit_pictures`` found.

    By split, ``usable`` counts mentions whose picture can be opened, ``twins`` those whose picture is nearly one of the gold entity's.
    """

    mentions: PictureCounts
    entities: PictureCounts
    usable: Mapping[str, int]
    twins: Mapping[str, int]


@dataclass(frozen=True)
class _Look:
    fault: str | None = None
    reason: str = ""
    hash: int = 0


def audit_pictures(dataset: Dataset, show_progress: bool = True) -> PictureAudit:
    """Open every picture that a data set names, once each, on all cores."""
    of_mentions = dict.fromkeys(mention.image for mentions in dataset.splits.values() for mention in mentions if mention.image)
    of_entities = dict.fromkeys(image for entity in dataset.entities for image in entity.images)
    paths = list({**of_mentions, **of_entities})
    looks: dict[Path, _Look] = {}
    with progress_bar("Looking at pictures", len(paths), unit="pictures", show=show_progress) as bar, _pool() as pool:
        for start in range(0, len(paths), _BATCH):
            batch = paths[start : start + _BATCH]
            for path, look in zip(batch, pool.map(_look_at, batch), strict=True):
                looks[path] = look
                bar.advance()
    usable = {
        split: sum(mention.image is not None and looks[mention.image].fault is None for mention in mentions)
        for split, mentions in dataset.splits.items()
    }
    return PictureAudit(_count(of_mentions, looks), _count(of_entities, looks), usable, _count_twins(dataset, looks))


def picture_hash(pixels: NDArray[Any]) -> int:
    """Return the 64-bit perceptual hash of a 32 x 32 grey picture.

    Args:
        pixels: Grey values of shape (32, 32), any scale.
    """
    low = (_COSINES @ np.asarray(pixels, dtype=np.float64) @ _COSINES.T).ravel()
    bits = low > np.median(low[1:])  # the first is the mean brightness, which dwarfs the others
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1))  # decoding leaves Python's lock


def _look_at(path: Path) -> _Look:
    from pgmel.pictures import PictureFault, open_picture

    try:
        picture = open_picture(path, target=32)
    except PictureFault as fault:
        return _Look(fault.kind, fault.reason)
    return _Look(hash=picture_hash(np.asarray(picture.convert("L").resize((32, 32)))))


def _count(paths: Iterable[Path], looks: Mapping[Path, _Look]) -> PictureCounts:
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


def _count_twins(dataset: Dataset, looks: Mapping[Path, _Look]) -> dict[str, int]:
    hashes: defaultdict[str, list[int]] = defaultdict(list)
    for entity in dataset.entities:
        for image in entity.images:
            if looks[image].fault is None:
                hashes[entity.id].append(looks[image].hash)
    return {
        split: sum(
            mention.image is not None
            and looks[mention.image].fault is None
            and isinstance(mention.entity_id, str)
            and any((looks[mention.image].hash ^ other).bit_count() <= TWIN_DISTANCE for other in hashes[mention.entity_id])
            for mention in mentions
        )
        for split, mentions in dataset.splits.items()
    }
