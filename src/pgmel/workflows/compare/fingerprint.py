"""Tell whether a data set is still the one that a run was made with."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from pgmel.datasets.derived import DERIVED_FILE, DerivedSplit, find_derived
from pgmel.errors import DataError
from pgmel.files import hash_json
from pgmel.settings import Settings

__all__ = ["Fingerprint", "fingerprint_data"]

_PICTURES: Final = frozenset({".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".svg"})


@final
@dataclass(frozen=True)
class Fingerprint:
    """Digests of a data set.

    Attributes:
        files: Of its files, but for those with derived splits.
        derived: Splits that an audit derived, by name.
    """

    files: str
    derived: Mapping[str, DerivedSplit]

    def of(self, settings: Settings) -> str:
        """Return the digest of what a run reads: to write clean splits beside a data set changes nothing for runs on the published ones."""
        read = sorted(self.derived.keys() & {settings.data.train_split, settings.data.dev_split})
        parts = [(name, self.derived[name]) for name in read]
        return hash_json([self.files, [[name, part.of, part.fingerprint, part.ids] for name, part in parts]]) if parts else self.files


def fingerprint_data(path: Path) -> Fingerprint:
    """Digest a data set's files: the content of all but pictures, and the names and sizes of pictures.

    Args:
        path: The data set, or a folder with splits derived from it.
    """
    try:
        root, found = find_derived(path)
    except DataError:  # told when the data set is loaded
        root, found = path, []
    derived = {name: split for _, content in found for name, split in content.splits.items()}
    digest = hashlib.blake2b(digest_size=16)
    for file in _files(root):
        name = file.name if root.is_file() else file.relative_to(root).as_posix()
        digest.update(f"{name}\n{file.stat().st_size}\n".encode())
        if file.suffix.lower() not in _PICTURES:
            with file.open("rb") as handle:
                digest.update(hashlib.file_digest(handle, "blake2b").digest())
    return Fingerprint(digest.hexdigest(), derived)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    found = (Path(folder) / name for folder, _, names in os.walk(path) for name in names if not name.startswith("."))
    return sorted(file for file in found if file.is_file() and not file.name.endswith(DERIVED_FILE))
