"""What every job starts from: the data set, read and encoded."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, final

import numpy as np
from jaxtyping import Bool, Int64

from pgmel.datasets import Dataset, load_dataset
from pgmel.errors import DataError, SettingError
from pgmel.features import Encoders, Features
from pgmel.files import hash_json
from pgmel.records import NIL, Mention
from pgmel.settings import FeatureSettings, Settings

__all__ = ["Material", "Split", "limit_mentions", "load_material", "make_encoders", "mentions_digest", "open_dataset", "read_data"]

log = logging.getLogger("pgmel.workflows")

LISTED_FAULTS: Final = 3
"""Skipped records that are named; all are counted."""


@final
@dataclass(frozen=True)
class Split:
    """The mentions of one split, encoded.

    Attributes:
        mentions: All of them.
        features: Their features, row by row.
        gold_rows: KB row of each gold entity; -1 where the gold is NIL, unknown, or not in the KB.
        is_nil: True where the gold is NIL.
    """

    mentions: tuple[Mention, ...]
    features: Features
    gold_rows: Int64[np.ndarray, "mentions"]
    is_nil: Bool[np.ndarray, "mentions"]

    @property
    def rankable(self) -> Bool[np.ndarray, "mentions"]:
        """True where the gold entity is in the KB."""
        return self.gold_rows >= 0

    def excluded(self) -> dict[str, int]:
        """Return reason to number of mentions whose gold cannot be ranked."""
        unknown = ~self.rankable & ~self.is_nil
        counts = {"gold is NIL": int(self.is_nil.sum()), "gold missing or not in the KB": int(unknown.sum())}
        return {reason: count for reason, count in counts.items() if count}


@final
@dataclass(frozen=True)
class Material:
    """A data set, its KB encoded, and the splits that were asked for."""

    dataset: Dataset
    encoders: Encoders
    entities: Features
    splits: Mapping[str, Split]

    def pictures(self) -> dict[str, Any]:
        """Return how many pictures were named, missing and unusable, side by side."""
        sides = {"entities": self.entities} | {name: split.features for name, split in self.splits.items()}
        return {name: features.report.as_dict()["pictures"] for name, features in sides.items()}


def mentions_digest(mentions: Sequence[Mention]) -> str:
    """Return a digest of mentions and their gold entities, in order."""
    return hash_json([[mention.id, mention.surface, mention.context, str(mention.entity_id)] for mention in mentions])


def make_encoders(settings: FeatureSettings, device: str) -> Encoders:
    """Load the encoders that the settings name."""
    return Encoders.load(
        text_encoder=settings.text_encoder,
        image_encoder=settings.image_encoder,
        revision=settings.revision,
        pooling=settings.pooling,
        max_tokens=settings.max_tokens,
        lexical_dim=settings.lexical_dim,
        batch_size=settings.batch_size,
        cache_dir=settings.cache_dir,
        device=device,
        image_sides=settings.image_sides,
        image_parts=settings.parts_weight > 0,
        image_layout=settings.layout_weight > 0,
    )


def read_data(settings: Settings, data: Path | None) -> Dataset:
    """Read the data set that the command line, or else the settings, name.

    Raises:
        SettingError: If neither names one.
        DataError: If it is faulty.
    """
    path = data if data is not None else settings.data.path
    if path is None:
        raise SettingError("no data set is named; pass --data FOLDER or set data.path")
    return limit_mentions(open_dataset(path, settings.data.layout, settings.data.on_error), settings)


def limit_mentions(dataset: Dataset, settings: Settings) -> Dataset:
    """Leave no more training mentions than the settings allow: the same ones at every call and for every seed."""
    name, most = settings.data.train_split, settings.data.max_train_mentions
    mentions = dataset.splits.get(name, ())
    if most is None or len(mentions) <= most:
        return dataset
    chosen = np.sort(np.random.default_rng(0).permutation(len(mentions))[:most])
    log.info("split %s: %d of %d mentions, drawn at random", name, most, len(mentions))
    return replace(dataset, splits={**dataset.splits, name: tuple(mentions[row] for row in chosen)})


def open_dataset(path: Path, layout: str, on_error: Literal["stop", "skip"]) -> Dataset:
    """Read a data set, and say where it deviates from its layout and what was skipped."""
    dataset = load_dataset(path, layout, on_error)
    for note in dataset.notes:
        log.info("%s", note)
    for fault in dataset.faults[:LISTED_FAULTS]:
        log.warning("skipped: %s", fault)
    if dataset.faults:
        log.warning(
            "%d faults were skipped in all; `pgmel data describe %s --on-error skip` counts them by rule", len(dataset.faults), path
        )
    return dataset


def load_material(dataset: Dataset, encoders: Encoders, splits: Sequence[str], show_progress: bool = True) -> Material:
    """Encode the KB and some splits.

    Raises:
        DataError: If a split is not there, or has no mention whose gold entity is in the KB.
    """
    for name in splits:
        if not dataset.splits.get(name):
            have = ", ".join(dataset.splits) or "none"
            fix = f"Write it with pgmel data audit {dataset.root} --out FOLDER, and name that folder as the data set"
            fix = fix if name.endswith("-clean") else "Name another split"
            raise DataError(f"the data set has no mentions in split {name!r} (it has: {have})", dataset.root, fix=fix)
    log.info("knowledge base: %d entities", len(dataset.entities))
    entities = encoders.encode_entities(dataset.entities, show_progress=show_progress)
    rows = {entity.id: row for row, entity in enumerate(dataset.entities)}
    encoded = {name: _encode_split(name, dataset.splits[name], encoders, rows, show_progress) for name in splits}
    for name, split in encoded.items():
        if not split.rankable.any():
            raise DataError(f"no mention of split {name!r} has a gold entity that is in the KB", dataset.root, fix="Check ids and KB")
        for reason, count in split.excluded().items():
            log.info("%s: %d of %d mentions are not ranked or trained on: %s", name, count, len(split.mentions), reason)
    material = Material(dataset, encoders, entities, encoded)
    ignored = sum(mention.image is not None for split in encoded.values() for mention in split.mentions)
    ignored += sum(bool(entity.images) for entity in dataset.entities)
    if ignored and "image" not in entities.channels:
        advice = "set it to descriptor (needs no weights) or to a vision, CLIP or SigLIP model to use them"
        log.warning("the data name pictures for %d mentions and entities, but features.image_encoder is none: ignored; %s", ignored, advice)
    for side, counts in material.pictures().items():
        if counts["missing"] or counts["broken"]:
            log.warning("%s: %d pictures named, %d missing, %d unusable", side, counts["named"], counts["missing"], counts["broken"])
    return material


def _encode_split(name: str, mentions: tuple[Mention, ...], encoders: Encoders, rows: Mapping[str, int], show_progress: bool) -> Split:
    log.info("split %s: %d mentions", name, len(mentions))
    gold = np.array([rows.get(mention.entity_id, -1) if isinstance(mention.entity_id, str) else -1 for mention in mentions], np.int64)
    nil = np.array([mention.entity_id is NIL for mention in mentions], bool)
    return Split(mentions, encoders.encode_mentions(mentions, show_progress=show_progress), gold, nil)
