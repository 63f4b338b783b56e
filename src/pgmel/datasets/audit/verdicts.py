"""Write down what an audit found: for programs, for people who drop mentions themselves, and as a split that can be used."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from pgmel.datasets.audit.auditing import Audit, SplitAudit
from pgmel.datasets.audit.findings import Finding
from pgmel.datasets.dataset import Dataset, Published
from pgmel.datasets.derived import DERIVED_FILE, DerivedSplit, derive_split, derived_file, read_known, write_derived
from pgmel.errors import DataError
from pgmel.files import atomic_path, find_obstacle, write_json

__all__ = ["NUM_EXAMPLES", "audit_to_json", "check_folder", "clean_name", "write_audit", "write_clean_splits"]

NUM_EXAMPLES: Final = 10
"""Hits of each kind that a report shows; the lists of mentions hold all."""


def clean_name(split: str) -> str:
    """Return what the clean mentions of a split are called."""
    return f"{split}-clean"


def audit_to_json(audit: Audit) -> dict[str, Any]:
    """Return counts, shares and examples, as plain values."""
    return {
        "name": audit.name,
        "layout": audit.layout,
        "path": str(audit.root),
        "entities": msgspec.to_builtins(audit.entities),
        "splits": {part.split: _split_to_json(part) for part in audit.splits},
        "faults": dict(audit.faults),
        "notes": list(audit.notes),
    }


def write_audit(audit: Audit, dataset: Dataset, folder: Path) -> None:
    """Write ``audit.json``, and for each split ``<split>.verdicts.jsonl``, and ``clean-splits.json``.

    With the last file the folder can be used like the data set itself, with the splits ``<split>-clean`` beside its own.

    Args:
        audit: What was found.
        dataset: What was audited.
        folder: Where to; it must not exist, or be empty, or hold an earlier audit of the same data set.

    Raises:
        DataError: If the folder is taken, lies in the data set, or cannot be written.
    """
    check_folder(folder, dataset)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "audit.json", audit_to_json(audit))
        for part in audit.splits:
            _write_verdicts(folder / f"{part.split}.verdicts.jsonl", part, dataset.published)
        write_derived(folder / DERIVED_FILE, str(dataset.root.resolve()), dataset.layout, _clean_splits(audit))
    except OSError as error:
        raise DataError(f"the audit cannot be written ({error.strerror or error})", folder) from None


def write_clean_splits(audit: Audit, dataset: Dataset) -> Path:
    """Write the clean splits into the folder of the data set itself, and return the file.

    Raises:
        DataError: If it cannot be written.
    """
    file = derived_file(dataset.root)
    try:
        write_derived(file, dataset.root.name if dataset.root.is_file() else ".", dataset.layout, _clean_splits(audit))
    except OSError as error:
        raise DataError(f"the clean splits cannot be written ({error.strerror or error})", file) from None
    return file


def check_folder(folder: Path, dataset: Dataset) -> None:
    """Refuse a folder that lies in the data set, cannot be made, or holds anything but an earlier audit of it.

    Raises:
        DataError: If it does.
    """
    root = (dataset.root.parent if dataset.root.is_file() else dataset.root).resolve()
    if root in (folder.resolve(), *folder.resolve().parents):
        raise DataError("this folder lies in the data set", folder, fix="Write to another folder, or use --beside for the clean split")
    if folder.exists() and not folder.is_dir():
        raise DataError("this is no folder", folder, fix="Write to a folder that does not exist yet")
    if obstacle := find_obstacle(folder / DERIVED_FILE):
        raise DataError(f"the audit cannot be written: {obstacle}", folder, fix="Write to another folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / DERIVED_FILE).is_file():
        raise DataError("the folder is not empty, and holds no earlier audit", folder, fix="Write to another folder")
    read_known(folder / DERIVED_FILE, str(dataset.root.resolve()))


def _clean_splits(audit: Audit) -> dict[str, DerivedSplit]:
    return {clean_name(part.split): derive_split(part.split, part.mentions, part.clean, part.train) for part in audit.splits}


def _split_to_json(part: SplitAudit) -> dict[str, Any]:
    total, clean, alone = len(part.mentions), len(part.clean), part.alone
    return {
        "train": part.train,
        "mentions": total,
        "clean": clean,
        "clean_share": _share(clean, total),
        "pictures": msgspec.to_builtins(part.pictures),
        "findings": {
            name: _finding_to_json(finding, part, {"alone": alone[name]} if finding.kind.severity == "leak" else {})
            for name, finding in part.findings.items()
        },
    }


def _finding_to_json(finding: Finding, part: SplitAudit, more: Mapping[str, int]) -> dict[str, Any]:
    return {
        "severity": finding.kind.severity,
        "title": finding.kind.title.format(train=part.train),
        "mentions": len(finding.hits),
        "share": _share(len(finding.hits), len(part.mentions)),
        "items": finding.items,
        **more,
        "examples": [{"id": part.mentions[hit.row].id, "other": hit.other, "what": hit.what} for hit in finding.examples(NUM_EXAMPLES)],
    }


def _share(count: int, whole: int) -> float | None:
    return round(count / whole, 6) if whole else None


def _write_verdicts(file: Path, part: SplitAudit, published: Mapping[str, Published]) -> None:
    found: list[dict[str, dict[str, str]]] = [{"leaks": {}, "others": {}} for _ in part.mentions]
    for name, finding in part.findings.items():
        for hit in finding.hits:
            found[hit.row]["leaks" if finding.kind.severity == "leak" else "others"][name] = hit.other
    encoder = msgspec.json.Encoder()
    with atomic_path(file) as partial, partial.open("wb") as stream:
        for mention, kinds in zip(part.mentions, found, strict=True):
            record = published.get(mention.id)
            row = {"id": mention.id, "record": record.record_id if record else None, "clean": not kinds["leaks"], **kinds}
            stream.write(encoder.encode(row) + b"\n")
