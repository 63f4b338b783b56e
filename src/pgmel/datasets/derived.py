"""Splits that are a part of a published one, such as its clean mentions, in a file of their own: ``clean-splits.json``.

The file holds ids and names the data set that they belong to, so the data set itself stays as it was published. ``load_dataset`` of the
folder with this file loads that data set, of whatever layout, with the derived splits beside its own. A data set may hold such a file for
itself, too (``"data": "."``).

A derived split carries a fingerprint of the split that it is a part of. Most layouts have no ids of their own, so pgmel numbers mentions;
in another version of the files the same numbers would mean other mentions.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

import msgspec

from pgmel.datasets.dataset import Dataset
from pgmel.datasets.reading import read_value
from pgmel.errors import DataError
from pgmel.files import hash_json, write_json
from pgmel.records import NIL_TEXT, Mention, NilType

__all__ = [
    "DERIVED_FILE",
    "DerivedFile",
    "DerivedSplit",
    "add_derived",
    "derive_split",
    "derived_file",
    "find_derived",
    "read_known",
    "write_derived",
]

DERIVED_FILE: Final = "clean-splits.json"


class DerivedSplit(msgspec.Struct, frozen=True):
    """Some mentions of a split.

    Attributes:
        of: The split.
        fingerprint: Digest of the split's mentions.
        ids: Those that belong to the derived one.
        against: The split that an audit compared with.
    """

    of: str
    fingerprint: str
    ids: tuple[str, ...]
    against: str | None = None


class DerivedFile(msgspec.Struct, frozen=True):
    """What ``clean-splits.json`` holds.

    Attributes:
        data: The data set: its absolute path, or one relative to the file's folder.
        layout: Its layout.
        splits: The derived splits by name.
    """

    data: str
    layout: str
    splits: dict[str, DerivedSplit]
    format: Literal["pgmel derived splits"] = "pgmel derived splits"
    version: Literal[1] = 1


def derived_file(path: Path) -> Path:
    """Return where the derived splits of a path lie: in the folder, or beside the file of a data set that is one."""
    if path.name.endswith(DERIVED_FILE) or path.is_dir():
        return path if path.name.endswith(DERIVED_FILE) else path / DERIVED_FILE
    return path.with_name(f"{path.stem}.{DERIVED_FILE}")


def derive_split(of: str, mentions: Sequence[Mention], kept: Iterable[Mention], against: str | None = None) -> DerivedSplit:
    """Make a derived split out of those mentions of a split that are kept."""
    return DerivedSplit(of, _fingerprint(mentions), tuple([mention.id for mention in kept]), against)


def find_derived(path: Path) -> tuple[Path, list[tuple[Path, DerivedFile]]]:
    """Follow a path to its data set, and read all splits derived from that.

    Returns:
        The path of the data set itself, and the files of derived splits with their content: the data set's own first, then that of a
        folder elsewhere.

    Raises:
        DataError: If a file is damaged, or what it names is no data set.
    """
    derived = _read_derived(path)
    if derived is None:
        return path, []
    root, content = derived
    here = [(derived_file(path), content)]
    if derived_file(root).resolve() == derived_file(path).resolve():
        return root, here
    beside = _read_derived(root)
    return root, ([] if beside is None else [(derived_file(root), beside[1])]) + here


def _read_derived(path: Path) -> tuple[Path, DerivedFile] | None:
    """Read the file of derived splits at a path, if there is one.

    Returns:
        The path of the data set that they belong to, and the file's content; None if there is no such file.

    Raises:
        DataError: If the file is damaged, or what it names is no data set.
    """
    file = derived_file(path)
    if not file.is_file():
        return None
    content = read_value(file, DerivedFile)
    data = file.parent / content.data
    if not data.exists():
        raise DataError(
            f"the data set that these splits belong to is not at {data}",
            file,
            fix='Correct "data" in this file, or run pgmel data audit again',
        )
    return data, content


def read_known(file: Path, data: str) -> dict[str, DerivedSplit]:
    """Return the derived splits that a file holds already; none if there is no such file.

    Raises:
        DataError: If the file belongs to another data set.
    """
    if not file.is_file():
        return {}
    known = read_value(file, DerivedFile)
    if (file.parent / known.data).resolve() != (file.parent / data).resolve():
        raise DataError(f"this file holds splits of another data set, {known.data}", file, fix="Write to another folder")
    return known.splits


def write_derived(file: Path, data: str, layout: str, splits: Mapping[str, DerivedSplit]) -> None:
    """Write derived splits; those of the same data set that the file holds already stay, unless they have the same names.

    Raises:
        DataError: If the file belongs to another data set.
    """
    write_json(file, DerivedFile(data, layout, {**read_known(file, data), **splits}))


def add_derived(dataset: Dataset, content: DerivedFile, file: Path) -> Dataset:
    """Return the data set with its derived splits; one that was made from other mentions is left out, and noted.

    Raises:
        DataError: If a derived split has the name of one that is there.
    """
    splits, derived, notes = dict(dataset.splits), dict(dataset.derived), list(dataset.notes)
    for name, split in content.splits.items():
        if name in dataset.published_splits:
            raise DataError(f"the split {name!r} is one of the data set's own", file, fix="Rename it in this file")
        mentions = splits.get(split.of)
        if mentions is None or _fingerprint(mentions) != split.fingerprint:
            notes.append(f"{name} is left out: {split.of} is not what it was when {file.name} was written; run pgmel data audit again")
            continue
        kept = set(split.ids)
        splits[name] = tuple([mention for mention in mentions if mention.id in kept])
        derived[name] = split.of
        notes.append(f"{name} holds {len(splits[name]):,} of the {len(mentions):,} mentions of {split.of} ({file.name})")
    return replace(dataset, splits=splits, derived=derived, notes=tuple(notes))


def _fingerprint(mentions: Iterable[Mention]) -> str:
    # Not the pictures: their paths change when a data set is moved or converted.
    return hash_json([[mention.id, mention.surface, mention.context, _gold_text(mention)] for mention in mentions])


def _gold_text(mention: Mention) -> str | None:
    return NIL_TEXT if isinstance(mention.entity_id, NilType) else mention.entity_id
