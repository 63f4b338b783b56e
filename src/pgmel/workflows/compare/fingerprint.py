"""Tell whether a data set is still the one that a run was made with."""

import hashlib
import os
from collections.abc import Collection
from pathlib import Path
from typing import Final

import msgspec

from pgmel.datasets.derived import DerivedSplit, derived_file, read_derived
from pgmel.errors import DataError

__all__ = ["fingerprint_data"]

_PICTURES: Final = frozenset({".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".svg"})


def fingerprint_data(path: Path, splits: Collection[str]) -> str:
    """Return a digest of a data set's files: of the content of all but pictures, and of the names and sizes of pictures.

    Of splits that an audit derived, only those count that are read: to write clean splits beside a data set changes nothing for runs on
    the published ones.

    Args:
        path: The data set, or a folder with splits derived from it.
        splits: Those that runs read.
    """
    root, derived = _read_derived(path)
    digest = hashlib.blake2b(digest_size=16)
    for file in _files(root):
        if file == derived_file(root):
            continue
        name = file.name if root.is_file() else file.relative_to(root).as_posix()
        digest.update(f"{name}\n{file.stat().st_size}\n".encode())
        if file.suffix.lower() not in _PICTURES:
            with file.open("rb") as handle:
                digest.update(hashlib.file_digest(handle, "blake2b").digest())
    for name in sorted(derived.keys() & set(splits)):
        digest.update(name.encode() + msgspec.json.encode(derived[name]))
    return digest.hexdigest()


def _read_derived(path: Path) -> tuple[Path, dict[str, DerivedSplit]]:
    """Return the data set itself, and all splits derived from it; files that cannot be read are told when it is loaded."""
    try:
        own = read_derived(path)
        beside = read_derived(own[0]) if own else None
    except DataError:
        return path, {}
    return (own[0], {**(beside[1].splits if beside else {}), **own[1].splits}) if own else (path, {})


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    found = (Path(folder) / name for folder, _, names in os.walk(path) for name in names if not name.startswith("."))
    return sorted(file for file in found if file.is_file())
