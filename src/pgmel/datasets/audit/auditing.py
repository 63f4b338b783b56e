"""Audit the splits of a data set: run every check on each of them, and say which mentions are clean."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pgmel.datasets.audit.entities import DuplicateCounts, check_duplicates, count_duplicates
from pgmel.datasets.audit.findings import FINDINGS, Finding, Found, Hit, Pair
from pgmel.datasets.audit.names import check_names, check_texts
from pgmel.datasets.audit.pictures import check_gold_pictures, check_pictures, pictures_to_look_at
from pgmel.datasets.audit.rows import check_golds, check_records, check_rows
from pgmel.datasets.audit.sentences import check_sentences
from pgmel.datasets.dataset import Dataset
from pgmel.datasets.picture_files import PictureLook, look_at_pictures
from pgmel.errors import DataError
from pgmel.records import Mention

__all__ = ["CHECKS", "Audit", "PictureCoverage", "SplitAudit", "audit_dataset"]

CHECKS: Final[tuple[Callable[[Pair], Found], ...]] = (
    check_sentences,
    check_records,
    check_rows,
    check_pictures,
    check_gold_pictures,
    check_texts,
    check_names,
    check_duplicates,
    check_golds,
)
"""Every check; each yields kinds of ``FINDINGS``."""


@dataclass(frozen=True)
class PictureCoverage:
    """How many different picture files were named, and how many of them could be opened: nothing was found in the others."""

    named: int
    usable: int
    gold_named: int
    gold_usable: int
    train_named: int
    train_usable: int


@dataclass(frozen=True)
class SplitAudit:
    """What was found in one split.

    Attributes:
        split: Its name.
        train: The split it was compared with; None if there was none.
        mentions: All its mentions.
        findings: Every kind that was looked for, with its hits.
        pictures: How many picture files could be opened; None if none was tried.
    """

    split: str
    train: str | None
    mentions: tuple[Mention, ...]
    findings: Mapping[str, Finding]
    pictures: PictureCoverage | None

    @property
    def leaks(self) -> dict[int, list[tuple[str, Hit]]]:
        """Leaks by the position of the mention; the mentions without any are clean."""
        found: dict[int, list[tuple[str, Hit]]] = {}
        for name, finding in self.findings.items():
            if finding.kind.severity == "leak":
                for hit in finding.hits:
                    found.setdefault(hit.row, []).append((name, hit))
        return found

    @property
    def clean(self) -> tuple[Mention, ...]:
        """The mentions without a leak."""
        leaks = self.leaks
        return tuple(mention for row, mention in enumerate(self.mentions) if row not in leaks)

    @property
    def alone(self) -> dict[str, int]:
        """How many mentions each kind of leak is the only one of."""
        return Counter(found[0][0] for found in self.leaks.values() if len(found) == 1)


@dataclass(frozen=True)
class Audit:
    """What ``audit_dataset`` found; ``splits`` in the order in which they were asked for."""

    name: str
    layout: str
    root: Path
    entities: DuplicateCounts
    splits: tuple[SplitAudit, ...]
    faults: Mapping[str, int]
    notes: tuple[str, ...]


def audit_dataset(
    dataset: Dataset,
    train: str | None = None,
    splits: Sequence[str] = (),
    pictures: bool = True,
    show_progress: bool = True,
) -> Audit:
    """Look for whatever makes results on a data set look better, or worse, than they are.

    Args:
        dataset: The data set.
        train: Split that the others are compared with; by default ``train`` where there is one, else nothing is compared.
        splits: Splits to audit; by default all published ones but ``train``.
        pictures: Whether to open picture files.
        show_progress: Whether to show bars.

    Raises:
        DataError: If a split is not there, or compared with itself, or there is none to audit.
    """
    compared = train or ("train" if "train" in dataset.splits else None)
    chosen = list(dict.fromkeys(splits)) or [name for name in dataset.published_splits if name != compared]
    _check_splits(dataset, compared, chosen)
    known = dataset.splits[compared] if compared else ()
    entities = {entity.id: entity for entity in dataset.entities}
    looks = None
    if pictures:
        audited = [mention for split in chosen for mention in dataset.splits[split]]
        images = {entity.id: entity.images for entity in dataset.entities}
        looks = look_at_pictures(sorted(pictures_to_look_at(known, audited, images)), show_progress)
    audits = []
    for split in chosen:
        pair = Pair(known, dataset.splits[split], entities, dataset.published, looks, show_progress)
        coverage = None if looks is None else _cover(pair, looks)
        audits.append(SplitAudit(split, compared, dataset.splits[split], _find(pair, compared is not None), coverage))
    return Audit(
        name=dataset.name,
        layout=dataset.layout,
        root=dataset.root,
        entities=count_duplicates(dataset.entities),
        splits=tuple(audits),
        faults=Counter(fault.rule for fault in dataset.faults),
        notes=dataset.notes,
    )


def _check_splits(dataset: Dataset, train: str | None, chosen: Sequence[str]) -> None:
    have = ", ".join(dataset.splits) or "none"
    for name in (*([train] if train else []), *chosen):
        if name not in dataset.splits:
            raise DataError(f"the data set has no split {name!r} (it has: {have})", dataset.root, fix="Name another split")
    if train in chosen:
        raise DataError(f"the split {train!r} would be compared with itself", dataset.root, fix="Give another --train or --split")
    if not chosen:
        raise DataError(f"there is no split to audit (the data set has: {have})", dataset.root, fix="Name one with --split")


def _find(pair: Pair, compared: bool) -> dict[str, Finding]:
    hits: dict[str, list[Hit]] = {
        name: []
        for name, kind in FINDINGS.items()
        if (compared or not kind.needs_train) and (pair.looks is not None or not kind.needs_pictures)
    }
    for check in CHECKS:
        for name, hit in check(pair):
            hits[name].append(hit)
    return {name: Finding(FINDINGS[name], tuple(found)) for name, found in hits.items()}


def _cover(pair: Pair, looks: Mapping[Path, PictureLook]) -> PictureCoverage:
    own = {mention.image for mention in pair.mentions if mention.image}
    golds = {mention.entity_id for mention in pair.mentions if mention.image and isinstance(mention.entity_id, str)}
    sides = (own, {image for gold in golds for image in pair.entities[gold].images}, {item.image for item in pair.train if item.image})
    counts = [count for paths in sides for count in (len(paths), sum(looks[path].fault is None for path in paths))]
    return PictureCoverage(*counts)
